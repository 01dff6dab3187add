#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "child.h"

#ifndef CLOSE_RANGE_CLOEXEC
#	define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

enum {
	/* Above every number that the child's descriptors get. */
	CHILD_HIGH_FD = CHILD_FIRST_FD + CHILD_FDS_MAX,
	CHILD_SIGNALS = 65,
};

/* What the child needs, gathered before the fork. */
struct child {
	const struct child_spec *spec;
	int exe; /* O_PATH, above CHILD_HIGH_FD, as are these: */
	int null;
	int dir; /* -1: "/" */
	int fds[CHILD_FDS_MAX];
	pid_t parent;
	char *argv[CHILD_ARGS_MAX + 2];
};

static void
child_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	int i;

	for (i = 1; i < CHILD_SIGNALS; i++)
		(void)sigaction(i, &sa, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Raw calls: a C library would want to tell its other threads. */
static int
child_identity(const struct child_spec *s)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	uid_t uid = s->uid;

	if (geteuid() != 0)
		return 0;
	/* where not even root may, it goes on with what it has */
	if (s->locks_memory)
		(void)setrlimit(RLIMIT_MEMLOCK, &all);
	if (syscall(SYS_setgroups, 0, NULL) == -1 ||
	    syscall(SYS_setresgid, uid, uid, uid) == -1)
		return -1;
	return (int)syscall(SYS_setresuid, uid, uid, uid);
}

static int
child_descriptors(const struct child *c)
{
	int i;

	if (dup2(c->null, 0) == -1 || dup2(c->null, 1) == -1)
		return -1;
	for (i = 0; i < c->spec->nfds; i++)
		if (dup2(c->fds[i], CHILD_FIRST_FD + i) == -1)
			return -1;
	return (int)syscall(SYS_close_range, CHILD_FIRST_FD + i, ~0U,
	    CLOSE_RANGE_CLOEXEC);
}

static void
child_mortal(const struct child_spec *s)
{
	if (s->dies_with_us)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/*
 * From fork to exec, perhaps out of a program with threads: async-signal-safe
 * calls only.  exe is a descriptor, because its path may lie where the new
 * identity cannot go.
 */
static void
child_run(const struct child *c)
{
	char *envp[] = { NULL };

	child_signals();
	child_mortal(c->spec);
	if (setsid() == -1 || chdir("/") == -1 ||
	    (c->dir != -1 && fchdir(c->dir) == -1) ||
	    child_descriptors(c) == -1 || child_identity(c->spec) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		_exit(126);
	/* the change of identity has cleared it, and it tells nothing of who
	 * has ended before */
	child_mortal(c->spec);
	if (c->spec->dies_with_us && getppid() != c->parent)
		_exit(126);
	(void)syscall(SYS_execveat, c->exe, "", c->argv, envp, AT_EMPTY_PATH);
	_exit(126);
}

static void
child_close(struct child *c)
{
	int i;

	fd_closep(&c->exe);
	fd_closep(&c->null);
	fd_closep(&c->dir);
	for (i = 0; i < CHILD_FDS_MAX; i++)
		fd_closep(&c->fds[i]);
}

/* A copy that the child's own numbers will not overwrite. */
static int
child_high(int fd, struct err *e)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_HIGH_FD);

	return high == -1 ? err_set(e, ERR_SYSTEM, "dup") : high;
}

static int
child_open(const char *path, int flags, int *ret, struct err *e)
{
	autofd fd = open(path, flags | O_CLOEXEC);

	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	*ret = child_high(fd, e);
	return *ret == -1 ? -1 : 0;
}

static int
child_prepare(struct child *c, struct err *e)
{
	const struct child_spec *s = c->spec;
	int i;

	c->argv[0] = (char *)(uintptr_t)s->name;
	for (i = 0; i < CHILD_ARGS_MAX && s->args[i] != NULL; i++)
		c->argv[i + 1] = (char *)(uintptr_t)s->args[i];
	if (child_open(s->path, O_PATH, &c->exe, e) == -1 ||
	    child_open("/dev/null", O_RDWR, &c->null, e) == -1)
		return -1;
	if (s->dir > 0 && (c->dir = child_high(s->dir, e)) == -1)
		return -1;
	for (i = 0; i < s->nfds; i++)
		if ((c->fds[i] = child_high(s->fds[i], e)) == -1)
			return -1;
	return 0;
}

static child_start_fn *child_starter;

void
child_set_starter(child_start_fn *fn)
{
	child_starter = fn;
}

int
child_start(const struct child_spec *s, pid_t *ret_pid, struct err *e)
{
	return s->dies_with_us && child_starter != NULL
		   ? child_starter(s, ret_pid, e)
		   : child_start_here(s, ret_pid, e);
}

int
child_start_here(const struct child_spec *s, pid_t *ret_pid, struct err *e)
{
	struct child c = { .spec = s,
		.exe = -1,
		.null = -1,
		.dir = -1,
		.parent = getpid() };
	pid_t pid = -1;
	int i, rc;

	if (s->nfds < 0 || s->nfds > CHILD_FDS_MAX)
		return err_set(e, ERR_LIMIT, "%d descriptors", s->nfds);
	for (i = 0; i < CHILD_FDS_MAX; i++)
		c.fds[i] = -1;
	rc = child_prepare(&c, e);
	if (rc == 0 && (pid = fork()) == -1)
		rc = err_set(e, ERR_SYSTEM, "fork");
	if (rc == 0 && pid == 0)
		child_run(&c);
	child_close(&c);
	if (rc == 0)
		*ret_pid = pid;
	return rc;
}

int
child_end(pid_t pid)
{
	int status = -1;

	if (pid <= 0)
		return -1;
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return status;
}

uid_t
child_uid(const char *name, uid_t reserved)
{
	const struct passwd *pw = getpwnam(name);

	return pw != NULL && pw->pw_uid != 0 ? pw->pw_uid : reserved;
}
