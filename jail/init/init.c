/*
 * warder-init: pid 1 of a jail.
 *
 * Runs inside, under the jail's own filter, without capabilities, without a
 * libc (whose start-up would cost more than everything else it does), and
 * where there is a second uid under that, so that the jail's programs can
 * neither trace it nor read its memory.  It starts commands on request,
 * reaps, forwards signals, reports exits.  End of file on its socket means
 * that the launcher has gone: it exits, and the kernel ends the jail.
 *
 * Messages come from a more privileged side: one of the wrong shape is fatal.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "ipc.h"
#include "msg_init.h"
#include "sys.h"

enum {
	INIT_STACK = 16 * 1024,
	INIT_FAIL = 70, /* our exit status when the launcher's side is broken */
	INIT_PATH_MAX = 4096,
};

#define CHILD_BIT ((uint64_t)1 << (SIGCHLD - 1))

struct init_command {
	uint32_t id;
	long pid; /* 0: free */
};

/* What a child that shares our memory needs between clone and exec. */
struct init_child {
	const struct init_start *start;
	const char *cwd;
	char **argv;
	char **envp;
	int stdio[3]; /* -1: ours, which is the null device */
	int socket; /* becomes its descriptor 3; -1: it has none */
	int step; /* enum init_step, when it fails */
	long result; /* -errno of that step */
};

static struct init_command commands[INIT_COMMANDS_MAX];
static struct ipc_msg message;
static char *vectors[INIT_ARGS_MAX + 2];
static char path_buffer[INIT_PATH_MAX];
static unsigned char child_stack[INIT_STACK] __attribute__((aligned(16)));

_Noreturn void init_main(void);
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int c, size_t n);

/* gcc may call these two even in a freestanding program. */
void *
memcpy(void *restrict to, const void *restrict from, size_t n)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	while (n-- > 0)
		*t++ = *f++;
	return to;
}

void *
memset(void *to, int c, size_t n)
{
	unsigned char *t = to;

	while (n-- > 0)
		*t++ = (unsigned char)c;
	return to;
}

static _Noreturn void
init_die(int status)
{
	for (;;)
		(void)SYS(SYS_exit_group, status);
}

static size_t
init_strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

static int
init_has_slash(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '/')
			return 1;
	}
	return 0;
}

/*
 * What came with a message, in one call: nobody who waits for the end of a
 * pipe is woken twice.  Nothing else of ours lies among them, since the kernel
 * gives the lowest numbers that are free.
 */
static void
init_drop_fds(void)
{
	if (message.nfds > 0)
		(void)SYS(SYS_close_range, message.fds[0],
		    message.fds[message.nfds - 1], 0);
	message.nfds = 0;
}

/* ---- answers ---- */

static void
init_tell(uint32_t type, const void *body, size_t size, int fd)
{
	struct ipc_header h = { .type = type, .size = (uint32_t)size };
	struct iovec iov[] = {
		{ .iov_base = &h, .iov_len = sizeof(h) },
		{ .iov_base = (void *)(uintptr_t)body, .iov_len = size },
	};

	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = countof(iov) };

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	if (SYS(SYS_sendmsg, INIT_FD, &m, MSG_NOSIGNAL) < 0)
		init_die(INIT_FAIL);
}

static void
init_tell_failed(uint32_t id, int step, long result)
{
	struct init_failed f = {
		.id = id,
		.step = (uint32_t)step,
		.sys = (int32_t)-result,
	};

	init_tell(INIT_FAILED, &f, sizeof(f), -1);
}

/* ---- between clone and exec ---- */

/* One candidate of the search; the name is known to hold no slash. */
static long
init_exec_in(const char *dir, size_t n, const struct init_child *c)
{
	size_t len = init_strlen(c->argv[0]);

	if (n + 1 + len + 1 > sizeof(path_buffer))
		return -ENAMETOOLONG;
	memcpy(path_buffer, dir, n);
	path_buffer[n] = '/';
	memcpy(path_buffer + n + 1, c->argv[0], len + 1);
	return SYS(SYS_execve, path_buffer, c->argv, c->envp);
}

static const char *
init_path_of(char **envp)
{
	static const char standard[] = "/usr/local/bin:/usr/bin:/bin";
	const char *v;

	for (; *envp != NULL; envp++) {
		v = *envp;
		if (v[0] == 'P' && v[1] == 'A' && v[2] == 'T' && v[3] == 'H' &&
		    v[4] == '=')
			return v + 5;
	}
	return standard;
}

/* execvpe(3) without the shell fallback; EACCES outlives ENOENT. */
static long
init_exec(const struct init_child *c)
{
	const char *p = init_path_of(c->envp);
	long r, worst = -ENOENT;

	if (c->argv[0][0] == '\0')
		return -ENOENT;
	if (init_has_slash(c->argv[0]))
		return SYS(SYS_execve, c->argv[0], c->argv, c->envp);
	for (;;) {
		size_t n = 0;

		while (p[n] != '\0' && p[n] != ':')
			n++;
		r = n == 0 ? -ENOENT : init_exec_in(p, n, c);
		if (r != -ENOENT && r != -ENOTDIR && r != -EACCES)
			return r;
		if (r == -EACCES)
			worst = r;
		if (p[n] == '\0')
			return worst;
		p += n + 1;
	}
}

/*
 * The pty's slave is its own descriptor; pipes are at least 3, since 0 to 2
 * are taken in warder-init, so that no dup3 can overwrite a source.
 */
static long
init_stdio(const struct init_child *c)
{
	long r = 0;
	int i;

	if (c->start->flags & INIT_START_PTY)
		r = SYS(SYS_ioctl, c->stdio[0], TIOCSCTTY, 0);
	for (i = 0; i < 3 && r >= 0; i++) {
		if (c->stdio[i] >= 0)
			r = SYS(SYS_dup3, c->stdio[i], i, 0);
	}
	/* this child has a table of its own: 3 is no longer our socket there */
	if (r >= 0 && c->socket >= 0)
		r = SYS(SYS_dup3, c->socket, 3, 0);
	if (r >= 0)
		r = SYS(SYS_close_range, c->socket >= 0 ? 4 : 3, ~0U, 0);
	return r;
}

/*
 * The agent's uid is our real one, so that this needs no capability; where
 * there is one uid only it changes nothing.
 */
static long
init_identity(void)
{
	long r = SYS(SYS_setresgid, AGENT_UID, AGENT_UID, AGENT_UID);

	return r < 0 ? r : SYS(SYS_setresuid, AGENT_UID, AGENT_UID, AGENT_UID);
}

static int
init_child_main(void *arg)
{
	struct init_child *c = arg;
	uint64_t none = 0;

	c->step = INIT_STEP_SETUP;
	if ((c->result = SYS(SYS_setsid)) < 0 ||
	    (c->result = init_stdio(c)) < 0 ||
	    (c->result = init_identity()) < 0 ||
	    (c->result = SYS(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0,
		 sizeof(none))) < 0)
		return 1;
	c->step = INIT_STEP_CHDIR;
	if ((c->result = SYS(SYS_chdir, c->cwd)) < 0)
		return 1;
	c->step = INIT_STEP_EXEC;
	c->result = init_exec(c);
	return 1;
}

/* ---- INIT_START ---- */

static struct init_command *
init_command_free(void)
{
	size_t i;

	for (i = 0; i < countof(commands); i++) {
		if (commands[i].pid == 0)
			return &commands[i];
	}
	return NULL;
}

/*
 * Split the strings into cwd, argv and envp; they must be exactly as many as
 * the body announced, and the last byte a NUL.
 */
static const char *
init_split(const struct init_start *s, char *p, char ***ret_envp)
{
	const char *cwd = p, *end = p + s->strings;
	size_t i, k = 0;

	if (s->argc < 1 || s->argc > INIT_ARGS_MAX ||
	    s->envc > INIT_ARGS_MAX - s->argc || s->strings == 0 ||
	    end[-1] != '\0')
		init_die(INIT_FAIL);
	p += init_strlen(p) + 1;
	for (i = 0; i < (size_t)s->argc + s->envc; i++) {
		if (p >= end)
			init_die(INIT_FAIL);
		if (i == s->argc)
			vectors[k++] = NULL;
		vectors[k++] = p;
		p += init_strlen(p) + 1;
	}
	if (p != end)
		init_die(INIT_FAIL);
	if (s->envc == 0)
		vectors[k++] = NULL;
	vectors[k] = NULL;
	*ret_envp = vectors + s->argc + 1;
	return cwd;
}

/* The strings where they are: behind the body, or mapped from the memfd. */
static char *
init_strings(const struct init_start *s)
{
	long r;

	if (s->strings > INIT_STRINGS_MAX)
		init_die(INIT_FAIL);
	if (!(s->flags & INIT_START_BLOB)) {
		if (message.size != sizeof(*s) + s->strings)
			init_die(INIT_FAIL);
		return (char *)message.body + sizeof(*s);
	}
	if (message.size != sizeof(*s) || message.nfds < 1)
		init_die(INIT_FAIL);
	r = SYS(SYS_mmap, 0, s->strings, PROT_READ | PROT_WRITE, MAP_PRIVATE,
	    message.fds[message.nfds - 1], 0);
	if (r < 0 && r > -4096)
		init_die(INIT_FAIL);
	return (char *)r;
}

/* A pty of the jail's own devpts; the master goes to the launcher. */
static long
init_pty(const struct init_start *s, int *ret_slave)
{
	struct winsize ws = { .ws_row = s->rows, .ws_col = s->cols };
	struct init_pty answer = { .id = s->id };
	int unlock = 0;
	long master, slave, r;

	master = SYS(SYS_openat, AT_FDCWD, "/dev/ptmx",
	    O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
	if (master < 0)
		return master;
	if ((r = SYS(SYS_ioctl, master, TIOCSPTLCK, &unlock)) < 0 ||
	    (r = SYS(SYS_ioctl, master, TIOCSWINSZ, &ws)) < 0 ||
	    (r = SYS(SYS_ioctl, master, TIOCGPTPEER,
		 O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
		(void)SYS(SYS_close, master);
		return r;
	}
	slave = r;
	init_tell(INIT_PTY, &answer, sizeof(answer), (int)master);
	(void)SYS(SYS_close, master);
	*ret_slave = (int)slave;
	return 0;
}

static long
init_clone(unsigned long flags, struct init_child *c)
{
	return sys_clone_plain(flags | CLONE_VFORK | SIGCHLD,
	    child_stack + sizeof(child_stack), init_child_main, c);
}

/* With memory of its own, but for one page: how it went. */
static long
init_spawn_apart(struct init_child *c)
{
	struct init_child *shared;
	long r = SYS(SYS_mmap, 0, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (r < 0)
		return r;
	shared = (struct init_child *)r;
	*shared = *c;
	r = init_clone(0, shared);
	c->step = shared->step;
	c->result = shared->result;
	(void)SYS(SYS_munmap, shared, sizeof(*shared));
	return r;
}

/*
 * Before Linux 6.3 an exec stays in the old time namespace, only a child
 * enters the new one, and such a child cannot share memory.
 */
static long
init_spawn(struct init_child *c)
{
	long r = init_clone(CLONE_VM, c);

	return r == -EINVAL ? init_spawn_apart(c) : r;
}

/* Start it and answer; a command that cannot start is the caller's affair. */
static void
init_run(struct init_child *c)
{
	struct init_command *slot = init_command_free();
	long pid;

	if (slot == NULL) {
		init_tell_failed(c->start->id, INIT_STEP_SETUP, -EAGAIN);
		return;
	}
	pid = init_spawn(c);
	init_drop_fds();
	if (pid < 0) {
		init_tell_failed(c->start->id, INIT_STEP_SETUP, pid);
		return;
	}
	if (c->result < 0) {
		(void)SYS(SYS_wait4, pid, 0, 0, 0);
		init_tell_failed(c->start->id, c->step, c->result);
		return;
	}
	slot->id = c->start->id;
	slot->pid = pid;
}

static void
init_on_START(void)
{
	struct init_start *s = (struct init_start *)(void *)message.body;
	struct init_child c = { .start = s,
		.stdio = { -1, -1, -1 },
		.socket = -1 };
	int blob = !!(s->flags & INIT_START_BLOB), i;
	int first = !!(s->flags & INIT_START_NO_STDIN);
	int wanted = s->flags & INIT_START_PTY ? 0 : 3 - first;
	int more = !!(s->flags & INIT_START_SOCKET);
	char *strings = init_strings(s);
	long r = 0;

	if (message.nfds != wanted + more + blob)
		init_die(INIT_FAIL);
	c.cwd = init_split(s, strings, &c.envp);
	c.argv = vectors;
	for (i = 0; i < wanted; i++)
		c.stdio[first + i] = message.fds[i];
	if (more)
		c.socket = message.fds[wanted];
	if (wanted == 0) {
		r = init_pty(s, &c.stdio[0]);
		c.stdio[1] = c.stdio[2] = c.stdio[0];
	}
	if (r < 0)
		init_tell_failed(s->id, INIT_STEP_SETUP, r);
	else
		init_run(&c);
	if (wanted == 0 && c.stdio[0] >= 0)
		(void)SYS(SYS_close, c.stdio[0]);
	if (blob)
		(void)SYS(SYS_munmap, strings, s->strings);
}

/* ---- INIT_SIGNAL ---- */

/*
 * Each command leads a session, so its group is what the signal is for.
 * Everybody is sent it under one lock of the kernel's: nobody sees another
 * stopped and goes on.
 */
static void
init_on_SIGNAL(void)
{
	const struct init_signal *s = (const void *)message.body;
	size_t i;

	if (s->id == INIT_EVERYBODY) {
		(void)SYS(SYS_kill, -1, s->signo);
		return;
	}
	for (i = 0; i < countof(commands); i++) {
		if (commands[i].pid == 0 || commands[i].id != s->id)
			continue;
		if (SYS(SYS_kill, -commands[i].pid, s->signo) == -ESRCH)
			(void)SYS(SYS_kill, commands[i].pid, s->signo);
	}
}

/* Messages to the launcher have no handler here: receiving one is fatal. */
#define HANDLER_TO_INIT(name) init_on_##name
#define HANDLER_TO_LAUNCHER(name) NULL
#define HANDLER_TO_STAGE(name) NULL

static const struct {
	void (*handle)(void);
	size_t least; /* bytes of the body; START has strings behind it */
} init_table[] = {

#define X(n, dir, body, least, most) \
	[INIT_##n] = { HANDLER_##dir(n), sizeof(body) },
	INIT_MSGS(X)
#undef X
};

/* ---- receiving ---- */

static void
init_collect(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t n;

	message.nfds = 0;
	if (c == NULL)
		return;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    n > IPC_FDS_MAX)
		init_die(INIT_FAIL);
	memcpy(message.fds, CMSG_DATA(c), n * sizeof(int));
	message.nfds = (int)n;
}

static void
init_receive(void)
{
	struct ipc_header h = { 0 };
	struct iovec iov[] = {
		{ .iov_base = &h, .iov_len = sizeof(h) },
		{ .iov_base = message.body, .iov_len = sizeof(message.body) },
	};

	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	} control;
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = countof(iov),
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	long n;

	do
		n = SYS(SYS_recvmsg, INIT_FD, &m, MSG_CMSG_CLOEXEC);
	while (n == -EINTR);
	if (n == 0)
		init_die(0); /* the lifeline: our launcher has gone */
	if (n < (long)sizeof(h) || h.size != (size_t)n - sizeof(h) ||
	    (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		init_die(INIT_FAIL);
	init_collect(&m);
	message.type = h.type;
	message.size = h.size;
}

static void
init_dispatch(void)
{
	init_receive();
	if (message.type >= INIT__MAX ||
	    init_table[message.type].handle == NULL ||
	    message.size < init_table[message.type].least)
		init_die(INIT_FAIL);
	init_table[message.type].handle();
	init_drop_fds();
}

/* ---- reaping ---- */

static uint64_t
init_us(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

static void
init_report(struct init_command *c, int status, const struct rusage *u)
{
	struct init_exited x = {
		.id = c->id,
		.status = status,
		.user_us = init_us(&u->ru_utime),
		.system_us = init_us(&u->ru_stime),
		.max_rss_bytes = (uint64_t)u->ru_maxrss * 1024,
	};

	c->pid = 0;
	init_tell(INIT_EXITED, &x, sizeof(x), -1);
}

/* Orphans of the jail end here too; only commands are reported. */
static void
init_reap(void)
{
	struct rusage u;
	int status;
	size_t i;
	long pid;

	while ((pid = SYS(SYS_wait4, -1, &status, WNOHANG, &u)) > 0) {
		for (i = 0; i < countof(commands); i++) {
			if (commands[i].pid == pid)
				init_report(&commands[i], status, &u);
		}
	}
}

static int
init_signals(void)
{
	uint64_t set = CHILD_BIT;
	long fd;

	if (SYS(SYS_rt_sigprocmask, SIG_SETMASK, &set, 0, sizeof(set)) < 0)
		init_die(INIT_FAIL);
	fd = SYS(SYS_signalfd4, -1, &set, sizeof(set),
	    SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		init_die(INIT_FAIL);
	return (int)fd;
}

void
init_main(void)
{
	struct init_hello hello = { .version = INIT_VERSION };
	struct signalfd_siginfo info;
	struct pollfd p[] = {
		{ .fd = INIT_FD, .events = POLLIN },
		{ .fd = init_signals(), .events = POLLIN },
	};

	/* before anything of the jail runs, so that nothing can read us */
	if (SYS(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		init_die(INIT_FAIL);
	(void)SYS(SYS_prctl, PR_SET_NAME, "warder-init", 0, 0, 0);
	/* from here on the lifeline holds, not the launching thread's life */
	if (SYS(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0)
		init_die(INIT_FAIL);
	init_tell(INIT_HELLO, &hello, sizeof(hello), -1);
	for (;;) {
		if (SYS(SYS_ppoll, p, countof(p), 0, 0, 0) < 0)
			continue;
		if (p[1].revents != 0) {
			/* a signal is pending once, however often it came */
			(void)SYS(SYS_read, p[1].fd, &info, sizeof(info));
			init_reap();
		}
		if (p[0].revents != 0)
			init_dispatch();
	}
}
