/*
 * jail.c: the launcher's side of a jail's life.
 *
 *	create ──► launch ──► start, receive, signal … ──► kill ──► destroy
 *
 * What the kernel would not free by itself when we die (control groups) is
 * the janitor's; see stage.h.
 */
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include "clock.h"
#include "jail_private.h"
#include "msg_init.h"
#include "program.h"
#include "sys.h"
#include "uidblock.h"

enum {
	JAIL_HELLO_MS = 15000, /* for what takes half a millisecond */
	JAIL_FD_LOW = 10, /* above what stage two puts in place */
	JAIL_GROUPS_MS = 5000, /* for the last process to leave its group */
	JAIL_UNMOUNT_MS = 100, /* for pid 1's descriptors; then without */
};

/* ---- preparing ---- */

/* High enough that stage two's dup3 to 0..4 overwrites none of ours. */
static int
jail_raise_fd(int *fd, struct err *e)
{
	int high;

	if (*fd < 0 || *fd >= JAIL_FD_LOW)
		return 0;
	high = fcntl(*fd, F_DUPFD_CLOEXEC, JAIL_FD_LOW);
	if (high == -1)
		return err_set(e, ERR_SYSTEM, "F_DUPFD_CLOEXEC");
	(void)close(*fd);
	*fd = high;
	return 0;
}

/* Two threads may ask within the same microsecond: the later waits for it. */
void
jail_new_name(char ret[JAIL_NAME_MAX])
{
	static uint64_t last_us;
	uint64_t now = clock_now_us();
	uint64_t last = __atomic_load_n(&last_us, __ATOMIC_RELAXED), next;

	do
		next = now > last ? now : last + 1;
	while (!__atomic_compare_exchange_n(&last_us, &last, next, 0,
	    __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	(void)snprintf(ret, JAIL_NAME_MAX, "%d-%llx", (int)getpid(),
	    (unsigned long long)next);
}

static int
jail_take_name(struct jail *j, struct err *e)
{
	(void)e;
	if (j->options.name == NULL)
		jail_new_name(j->name);
	else
		(void)snprintf(j->name, sizeof(j->name), "%s", j->options.name);
	return 0;
}

static int
jail_map(struct jail *j, struct err *e)
{
	void *p = mmap(NULL, sizeof(struct stage), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "mmap: stage");
	j->stage = p;
	p = mmap(NULL, sizeof(struct generated), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "mmap: files");
	j->generated = p;
	return 0;
}

/* Who we are is known at once; a block of uids is claimed when it is needed. */
static int
jail_caller(struct jail *j, struct err *e)
{
	struct stage_ids *ids = &j->stage->ids;

	(void)e;
	j->maker = geteuid();
	j->posture.rootless = j->stage->rootless = j->maker != 0;
	if (j->posture.rootless) {
		ids->init_uid = ids->agent_uid = geteuid();
		ids->init_gid = ids->agent_gid = getegid();
	}
	j->stage->cgroup = &j->cgroup;
	j->stage->launcher_pid = getpid();
	return 0;
}

static int
jail_ids(struct jail *j, struct err *e)
{
	struct stage_ids *ids = &j->stage->ids;
	uid_t base;

	if (j->posture.rootless) {
		j->posture.supplementary_groups = getgroups(0, NULL);
		if (j->posture.supplementary_groups == -1)
			return err_set(e, ERR_SYSTEM, "getgroups");
	} else {
		if (uidblock_claim(j->options.runtime_dir, &j->uid_lock, &base,
			e) == -1)
			return -1;
		ids->init_uid = ids->init_gid = base + INIT_UID;
		ids->agent_uid = ids->agent_gid = base + AGENT_UID;
	}
	j->posture.agent_uid = ids->agent_uid;
	return 0;
}

static int
jail_fill_stage(struct jail *j, struct err *e)
{
	struct stage *s = j->stage;
	size_t i;

	(void)e;
	s->plan = j->options.plan;
	s->program = j->options.program;
	s->sources = j->sources;
	s->files = j->generated->files;
	for (i = 0; i < countof(s->fresh); i++)
		s->fresh[i] = -1;
	s->root_fd = s->yield_fd = s->place.fd = -1;
	s->keep = j->options.keep;
	s->capture = j->options.capture;
	if (j->options.janitor_unlink != NULL)
		(void)snprintf(s->janitor_unlink, sizeof(s->janitor_unlink),
		    "%s", j->options.janitor_unlink);
	return 0;
}

/* Sized directories on disk are made from now on, beside all the rest. */
static int
jail_begin_quota(struct jail *j, struct err *e)
{
	struct quota_caller c = {
		.rootless = j->posture.rootless,
		.name = j->name,
		.state_dir = j->options.state_dir,
		.uid = j->stage->ids.agent_uid,
		.gid = j->stage->ids.agent_gid,
	};

	return quota_begin(&j->quota, j->options.plan, &c, e);
}

/*
 * Stage one begins here, with what takes longest; from now on its memory and
 * until it has its own, its descriptors are ours.  Signals are blocked so
 * that no handler of the program's runs in it; rootless it makes the user
 * namespace that the network will belong to.
 */
static int
jail_clone(struct jail *j, struct err *e)
{
	struct stage *s = j->stage;
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_FILES | CLONE_CHILD_CLEARTID |
			 (s->rootless ? CLONE_NEWUSER : 0),
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)s->stack_one,
		.stack_size = sizeof(s->stack_one),
		.child_tid = (uintptr_t)&s->sharing,
	};
	sigset_t all, old;
	long pid;

	s->sharing = 1;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	pid = sys_clone(&a, sizeof(a), stage_one, s);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return err_sys(e, (int)-pid, "clone3");
	j->janitor = (pid_t)pid;
	return 0;
}

static int
jail_open_init(struct jail *j, struct err *e)
{
	j->init_fd = program_open(j->options.init_path, e);
	return j->init_fd == -1 ? -1 : jail_raise_fd(&j->init_fd, e);
}

static void
jail_close_sources(struct jail *j)
{
	size_t i;

	for (i = 0; i < countof(j->sources); i++)
		fd_closep(&j->sources[i].fd);
}

static int
jail_is_own(const struct jail *j, const struct plan_mount *m)
{
	return j->options.own != NULL && m->kind == PLAN_MOUNT_READ &&
	       strcmp(plan_string(j->options.plan, m->path), j->options.own) ==
		   0;
}

/* 1: the agent is somebody else now, so once more. */
static int
jail_try_sources(struct jail *j, struct source_caller *c, struct err *e)
{
	const struct plan *p = j->options.plan;
	uint32_t i;
	int r;

	for (i = 0; i < p->nmounts; i++) {
		if (plan_string(p, p->mounts[i].from)[0] == '\0')
			continue;
		r = jail_is_own(j, &p->mounts[i])
			? source_open_own(p, i, c, &j->sources[i], e)
			: source_open(p, i, c, &j->sources[i], e);
		if (r != 0)
			return r;
		if (jail_raise_fd(&j->sources[i].fd, e) == -1)
			return -1;
	}
	return p->rootfs == PLAN_ROOTFS_DIR
		   ? source_open_rootfs(p, c, &j->rootfs_fd, e)
		   : 0;
}

static int
jail_open_sources(struct jail *j, struct err *e)
{
	struct stage_ids *ids = &j->stage->ids;
	struct source_caller c = {
		.rootless = j->posture.rootless,
		.agent = { ids->agent_uid, ids->agent_gid },
		.runtime_dir = j->options.runtime_dir,
		.config_dir = j->options.config_dir,
		.state_root = j->options.state_root,
		.cache_dir = j->options.cache_dir,
	};
	int r = jail_try_sources(j, &c, e);

	if (r == 1) {
		jail_close_sources(j);
		r = jail_try_sources(j, &c, e);
	}
	if (r == 1)
		return err_set(e, ERR_CONFLICT, "%s: it is being changed",
		    c.shared);
	ids->agent_uid = j->posture.agent_uid = c.agent.uid;
	ids->agent_gid = c.agent.gid;
	j->posture.agent_shared = c.shared != NULL;
	return r;
}

static int
jail_groups(struct jail *j, struct err *e)
{
	int i;

	if (cgroup_create(&j->cgroup, j->name, j->options.plan, e) == -1)
		return -1;
	for (i = 0; i < CGROUP__MAX; i++) {
		if (jail_raise_fd(&j->cgroup.tasks[i], e) == -1)
			return -1;
	}
	j->posture.cgroup_version = j->cgroup.version;
	j->posture.cgroup_enforced = j->cgroup.enforced;
	memcpy(j->posture.cgroup_why, j->cgroup.why,
	    sizeof(j->posture.cgroup_why));
	return 0;
}

static int
jail_channel(struct jail *j, struct err *e)
{
	int fd[2];

	if (ipc_pair(fd, e) == -1)
		return -1;
	j->control = fd[0];
	j->theirs = fd[1];
	if (jail_raise_fd(&j->theirs, e) == -1)
		return -1;
	j->stage->control_fd = j->theirs;
	return 0;
}

static int (*const jail_beginnings[])(struct jail *, struct err *) = {
	jail_map,
	jail_caller,
	jail_clone,
};

static int (*const jail_preparations[])(struct jail *, struct err *) = {
	jail_take_name,
	jail_ids,
	jail_fill_stage,
	jail_open_sources,
	jail_begin_quota,
	jail_open_init,
	jail_groups,
	jail_channel,
};

/* What this build parses but does not enforce yet is refused, by name. */
static int
jail_refuse(const struct jail_options *o, struct err *e)
{
	const struct plan *p = o->plan;

	if (p->kind != PLAN_GRANT)
		return err_set(e, ERR_INVALID,
		    "a ceiling limits grants, it cannot be run");
	if ((p->nservices > 0 || p->ncredentials > 0) && o->capture == NULL)
		return err_set(e, ERR_UNSUPPORTED,
		    "network.services and credentials take a launcher with a "
		    "proxy");
	return 0;
}

int
jail_begin(struct jail **ret, struct err *e)
{
	struct jail *j;
	size_t i;

	/* mostly room for a message: pages that are not touched cost nothing */
	j = mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (j == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "mmap: jail");
	j->control = j->theirs = j->uid_lock = -1;
	j->init_fd = j->rootfs_fd = -1;
	j->kept_root = -1;
	for (i = 0; i < countof(j->sources); i++)
		j->sources[i].fd = j->kept[i] = -1;
	cgroup_init(&j->cgroup);
	quota_init(&j->quota);
	for (i = 0; i < countof(jail_beginnings); i++) {
		if (jail_beginnings[i](j, e) == -1) {
			(void)jail_destroy(j);
			return -1;
		}
	}
	*ret = j;
	return 0;
}

int
jail_prepare(struct jail *j, const struct jail_options *o, struct err *e)
{
	size_t i;

	if (jail_refuse(o, e) == -1)
		return -1;
	j->options = *o;
	for (i = 0; i < countof(jail_preparations); i++) {
		if (jail_preparations[i](j, e) == -1)
			return -1;
	}
	return 0;
}

int
jail_create(const struct jail_options *o, struct jail **ret, struct err *e)
{
	struct jail *j;

	if (jail_refuse(o, e) == -1 || jail_begin(&j, e) == -1)
		return -1;
	if (jail_prepare(j, o, e) == -1) {
		(void)jail_destroy(j);
		return -1;
	}
	*ret = j;
	return 0;
}

int
jail_is_ours(const struct jail *j)
{
	return j->stage->launcher_pid == getpid();
}

int
jail_is_current(const struct jail *j)
{
	return j->maker == geteuid();
}

/* ---- commands ---- */

static size_t
jail_count(const char *const *v, size_t *bytes)
{
	size_t n = 0;

	for (; v[n] != NULL; n++)
		*bytes += strlen(v[n]) + 1;
	return n;
}

static char *
jail_copy(char *to, const char *from)
{
	size_t n = strlen(from) + 1;

	memcpy(to, from, n);
	return to + n;
}

static void
jail_pack(char *to, const char *cwd, const struct jail_command *c)
{
	size_t i;

	to = jail_copy(to, cwd);
	for (i = 0; c->argv[i] != NULL; i++)
		to = jail_copy(to, c->argv[i]);
	for (i = 0; c->envp[i] != NULL; i++)
		to = jail_copy(to, c->envp[i]);
}

/* Three pipes; theirs are the jail's ends; -1: none. */
struct jail_stdio {
	int ours[3], theirs[3];
};

static void
jail_stdio_drop(struct jail_stdio *s)
{
	int i;

	for (i = 0; i < 3; i++) {
		fd_closep(&s->ours[i]);
		fd_closep(&s->theirs[i]);
	}
}

static int
jail_pipe(int *ret_read, int *ret_write, int *ours, struct err *e)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) == -1)
		return err_set(e, ERR_SYSTEM, "pipe2");
	*ret_read = fd[0];
	*ret_write = fd[1];
	if (fcntl(*ours, F_SETFL, O_NONBLOCK) == -1)
		return err_set(e, ERR_SYSTEM, "O_NONBLOCK");
	return 0;
}

static int
jail_stdio_open(struct jail_stdio *s, const struct jail_command *c,
    struct err *e)
{
	if (c->pty)
		return 0;
	if (!c->no_stdin &&
	    jail_pipe(&s->theirs[0], &s->ours[0], &s->ours[0], e) == -1)
		return -1;
	if (jail_pipe(&s->ours[1], &s->theirs[1], &s->ours[1], e) == -1)
		return -1;
	return jail_pipe(&s->ours[2], &s->theirs[2], &s->ours[2], e);
}

/*
 * What is opened again by name (/dev/stdout) is judged by its owner, so the
 * pipes are the agent's.  Nothing else that a client hands over is touched.
 */
static int
jail_stdio_give(const struct jail *j, const struct jail_stdio *s, struct err *e)
{
	const struct stage_ids *ids = &j->stage->ids;
	struct statfs fs;
	int i;

	for (i = 0; i < 3 && !j->posture.rootless; i++) {
		if (s->theirs[i] < 0)
			continue;
		if (fstatfs(s->theirs[i], &fs) == -1)
			return err_set(e, ERR_SYSTEM, "fstatfs: stream");
		if (fs.f_type == PIPEFS_MAGIC &&
		    fchown(s->theirs[i], ids->agent_uid, ids->agent_gid) == -1)
			return err_set(e, ERR_SYSTEM, "fchown: stream");
	}
	return 0;
}

static int
jail_blob(const char *strings, size_t size, struct err *e)
{
	autofd fd =
	    memfd_create("warder-command", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "memfd_create");
	if (write(fd, strings, size) != (ssize_t)size ||
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == -1)
		return err_set(e, ERR_SYSTEM, "command");
	return take_fd(&fd);
}

/* The body and its strings, inline or in a memfd that is the last one. */
static int
jail_send_start(struct jail *j, const struct jail_command *c,
    const struct jail_stdio *s, struct err *e)
{
	const char *cwd =
	    c->cwd != NULL ? c->cwd
			   : plan_string(j->options.plan, j->options.plan->cwd);
	size_t bytes = strlen(cwd) + 1;
	struct init_start start = {
		.id = c->id,
		.flags = (c->pty ? INIT_START_PTY : 0) |
			 (!c->pty && c->no_stdin ? INIT_START_NO_STDIN : 0) |
			 (c->socket > 0 ? INIT_START_SOCKET : 0),
		.argc = (uint32_t)jail_count(c->argv, &bytes),
		.envc = (uint32_t)jail_count(c->envp, &bytes),
		.rows = c->rows,
		.cols = c->cols,
	};
	int fds[5], nfds = 0, i;
	autofd blob = -1;
	autofree char *body = NULL;
	size_t inline_bytes;

	if (!c->pty && jail_stdio_give(j, s, e) == -1)
		return -1;
	if (start.argc == 0 || bytes > INIT_STRINGS_MAX ||
	    (size_t)start.argc + start.envc > INIT_ARGS_MAX)
		return err_set(e, ERR_LIMIT,
		    "%u arguments, %u variables, %zu bytes: the most is %d "
		    "together, %d bytes",
		    start.argc, start.envc, bytes, INIT_ARGS_MAX,
		    INIT_STRINGS_MAX);
	start.strings = (uint32_t)bytes;
	body = malloc(sizeof(start) + bytes);
	if (body == NULL)
		return err_set(e, ERR_SYSTEM, "malloc");
	jail_pack(body + sizeof(start), cwd, c);
	for (i = 0; i < 3 && !c->pty; i++) {
		if (s->theirs[i] >= 0)
			fds[nfds++] = s->theirs[i];
	}
	if (c->socket > 0)
		fds[nfds++] = c->socket;
	inline_bytes = sizeof(start) + bytes;
	if (inline_bytes > IPC_BODY_MAX) {
		blob = jail_blob(body + sizeof(start), bytes, e);
		if (blob == -1)
			return -1;
		fds[nfds++] = blob;
		start.flags |= INIT_START_BLOB;
		inline_bytes = sizeof(start);
	}
	memcpy(body, &start, sizeof(start));
	return ipc_send(j->control, INIT_START, body, inline_bytes, fds, nfds,
	    e);
}

int
jail_start(struct jail *j, const struct jail_command *c, int ret_stdio[3],
    struct err *e)
{
	struct jail_stdio s = { { -1, -1, -1 }, { -1, -1, -1 } };

	if (jail_stdio_open(&s, c, e) == -1 ||
	    jail_send_start(j, c, &s, e) == -1) {
		jail_stdio_drop(&s);
		return -1;
	}
	memcpy(ret_stdio, s.ours, sizeof(s.ours));
	memset(s.ours, -1, sizeof(s.ours));
	jail_stdio_drop(&s);
	return 0;
}

int
jail_start_on(struct jail *j, const struct jail_command *c, const int theirs[3],
    struct err *e)
{
	struct jail_stdio s = { { -1, -1, -1 },
		{ theirs[0], theirs[1], theirs[2] } };

	return jail_send_start(j, c, &s, e);
}

void
jail_signal(struct jail *j, uint32_t id, int signo)
{
	struct init_signal m = { .id = id, .signo = (uint32_t)signo };

	if (ipc_send(j->control, INIT_SIGNAL, &m, sizeof(m), NULL, 0, NULL) ==
	    -1)
		j->gone = 1;
}

/* ---- launching ---- */

/*
 * What ended its pid 1.  Whoever has closed the socket is ending, or broken:
 * the signal changes nothing for the one, and the other does not hold us.
 */
static int
jail_end_status(struct jail *j)
{
	siginfo_t s = { 0 };
	int r;

	jail_kill(j);
	do
		r = j->init > 0 ? waitid(P_PID, (id_t)j->init, &s,
				      WEXITED | WNOWAIT | __WALL)
				: -1;
	while (r == -1 && j->init > 0 && errno == EINTR);
	if (r == -1)
		return -1;
	/* as wait(2) packs it */
	return s.si_code == CLD_EXITED ? s.si_status << 8 : s.si_status;
}

/* No step failed: its first process is no more. */
static int
jail_explain_end(struct jail *j, const char *step, struct err *e)
{
	int status;

	j->init = __atomic_load_n(&j->stage->init_pid, __ATOMIC_ACQUIRE);
	status = jail_end_status(j);
	if (status != -1 && WIFEXITED(status))
		return err_set(e, ERR_CONFLICT,
		    "warder-init ended by itself, status %d",
		    WEXITSTATUS(status));
	return err_set(e, ERR_CONFLICT,
	    "the jail was killed while it started (step \"%s\")",
	    step != NULL ? step : "clone");
}

/* Which stage failed, where, and why. */
static int
jail_explain(struct jail *j, struct err *e)
{
	const struct stage_report *r = &j->stage->one;

	if (__atomic_load_n(&r->sys, __ATOMIC_ACQUIRE) == 0)
		r = &j->stage->two;
	if (__atomic_load_n(&r->sys, __ATOMIC_ACQUIRE) == 0)
		return jail_explain_end(j, r->step, e);
	return err_sys(e, r->sys, "%s%s%s", r->step,
	    r->what[0] != '\0' ? ": " : "", r->what);
}

/* One directory that a stage offers; ours to close. */
static int
jail_take_kept(struct jail *j, struct err *e)
{
	const struct init_keep *k = (const void *)j->message.body;
	int *place = &j->kept_root;

	if (j->message.size != sizeof(*k) || j->message.nfds != 1)
		return err_set(e, ERR_CORRUPT, "stage two: KEEP");
	if (k->what != INIT_KEEP_ROOT) {
		if (k->what >= j->options.plan->nmounts)
			return err_set(e, ERR_CORRUPT, "stage two: KEEP");
		place = &j->kept[k->what];
	}
	fd_closep(place);
	*place = ipc_take_fd(&j->message, 0);
	return 0;
}

/* 1: a message is there, 0: the stages have ended. */
static int
jail_wait_message(struct jail *j, struct err *e)
{
	struct pollfd p = { .fd = j->control, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, JAIL_HELLO_MS);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return err_set(e, ERR_LIMIT, "no answer within %d ms (%s)",
		    JAIL_HELLO_MS,
		    j->stage->two.step != NULL ? j->stage->two.step : "clone");
	n = ipc_recv(j->control, &j->message, e);
	return n == -1 && e->sys == ECONNRESET ? 0 : n;
}

/* 1: what a stage has sent was taken, 0: it is none of theirs. */
static int
jail_take_sent(struct jail *j, struct err *e)
{
	int r;

	if (j->message.type == INIT_KEEP && j->options.keep)
		r = jail_take_kept(j, e);
	else if (j->message.type == INIT_LISTEN && j->options.capture != NULL)
		r = capture_take(&j->listeners, &j->message, e);
	else
		return 0;
	ipc_drop_fds(&j->message);
	return r == -1 ? -1 : 1;
}

static int
jail_wait_hello(struct jail *j, struct err *e)
{
	int n, taken;

	while ((n = jail_wait_message(j, e)) == 1 &&
	       (taken = jail_take_sent(j, e)) != 0) {
		if (taken == -1)
			return -1;
	}
	if (n == 0)
		return jail_explain(j, e);
	if (n == -1)
		return -1;
	ipc_drop_fds(&j->message);
	if (j->message.type != INIT_HELLO ||
	    j->message.size != sizeof(struct init_hello))
		return err_set(e, ERR_CORRUPT, "warder-init: message %u",
		    j->message.type);
	return 0;
}

static void
jail_record(struct jail *j)
{
	const struct stage_result *r = &j->stage->result;

	j->posture.landlock_abi = r->landlock_abi;
	j->posture.landlock_scoped = r->landlock_scoped;
	j->posture.time_namespace = r->time_namespace;
	j->posture.core_limit = r->core_limit;
	j->posture.capture = j->listeners.mode;
}

/*
 * A service may be spared by the kernel's oom killer (systemd's
 * OOMScoreAdjust=); its jails may not, or at their limit nothing would be
 * killed.  The value belongs to the memory, which the stages share with us,
 * so it is set on warder-init, before it starts anything.
 */
static int
jail_is_spared(void)
{
	char text[16] = "";
	autofd fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);

	return fd != -1 && read(fd, text, sizeof(text) - 1) > 0 &&
	       text[0] == '-';
}

static int
jail_spare_no_more(const struct jail *j, struct err *e)
{
	char path[64];
	autofd fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj",
	    (int)j->init);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1 || write(fd, "0", 1) != 1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	return 0;
}

static void
jail_reap(pid_t *pid)
{
	if (*pid > 0) {
		while (waitpid(*pid, NULL, __WALL) == -1 && errno == EINTR)
			continue;
	}
	*pid = 0;
}

static void
jail_end_janitor(struct jail *j)
{
	if (j->janitor > 0)
		(void)kill(j->janitor, SIGKILL);
	jail_reap(&j->janitor);
}

static void
jail_order(struct jail *j, uint32_t *word, int signo)
{
	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
	(void)kill(j->janitor, signo);
}

/*
 * Everything that takes a descriptor is prepared: let stage one take its copy
 * of ours, and go on when it has, or has ended.
 */
int
jail_release(struct jail *j, struct err *e)
{
	struct timespec limit = { .tv_sec = JAIL_HELLO_MS / 1000 };
	struct stage *s = j->stage;

	j->stage->dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	j->released = 1;
	s->images = j->quota.posture.count[QUOTA_IMAGE] > 0;
	s->init_fd = j->init_fd;
	s->rootfs_fd = j->rootfs_fd;
	jail_order(j, &s->prepared, STAGE_SIGNAL_ORDER);
	while (__atomic_load_n(&s->sharing, __ATOMIC_ACQUIRE) != 0) {
		if (SYS(SYS_futex, &s->sharing, FUTEX_WAIT, 1, &limit, 0, 0) ==
		    -ETIMEDOUT)
			return err_set(e, ERR_LIMIT,
			    "no answer within %d ms (%s)", JAIL_HELLO_MS,
			    s->one.step);
	}
	/* theirs alone now, so that its end is seen */
	fd_closep(&j->theirs);
	fd_closep(&j->init_fd);
	fd_closep(&j->rootfs_fd);
	/* by which placeholders are removed */
	if (j->options.plan->nprotect == 0)
		jail_close_sources(j);
	return 0;
}

/*
 * Its pid 1, once nobody can clone it any more.  A stage that changed its uid
 * changed what we are of the shared memory.
 */
static void
jail_know_init(struct jail *j)
{
	j->init = __atomic_load_n(&j->stage->init_pid, __ATOMIC_ACQUIRE);
	if (j->stage->dumpable == 1)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* Stage two builds the tree meanwhile, and waits where it wants them. */
static int
jail_send_images(struct jail *j, struct err *e)
{
	uint32_t left = j->quota.posture.count[QUOTA_IMAGE], i;
	struct init_image m = { 0 };

	if (!j->stage->images)
		return 0;
	if (left == 0)
		return ipc_send(j->control, INIT_IMAGE, &m, sizeof(m), NULL, 0,
		    e);
	for (i = 0; i < QUOTA_PLACES; i++) {
		if (j->quota.fd[i] == -1)
			continue;
		m = (struct init_image){ .place = i, .more = --left > 0 };
		if (ipc_send(j->control, INIT_IMAGE, &m, sizeof(m),
			&j->quota.fd[i], 1, e) == -1)
			return -1;
	}
	return 0;
}

static int
jail_await_quota(struct jail *j, struct err *e)
{
	if (quota_wait(&j->quota, e) == -1)
		return -1;
	quota_settle(&j->quota, j->options.plan,
	    !!(j->posture.cgroup_enforced & 1U << CGROUP_MEMORY));
	j->posture.quota = j->quota.posture;
	return jail_send_images(j, e);
}

/* The jail has its files; a thousand jails have them once each. */
static void
jail_forget_texts(struct jail *j)
{
	if (j->generated != NULL)
		(void)munmap(j->generated, sizeof(*j->generated));
	j->generated = NULL;
}

/* Stage two is warder-init now, and has another stack. */
static void
jail_forget_stage(struct jail *j)
{
	sys_forget_stack(j->stage->stack_two, sizeof(j->stage->stack_two));
	(void)madvise(j->stage->stack_two, sizeof(j->stage->stack_two),
	    MADV_REMOVE);
}

static int
jail_generate(struct jail *j, struct err *e)
{
	const struct trust *t = j->options.trust;

	if (generated_make(j->generated, j->options.plan, e) == -1)
		return -1;
	if (t != NULL && t->nfiles > 0) {
		if (generated_add(j->generated, t->files, t->nfiles, e) == -1)
			return -1;
		j->stage->certs = 1;
	}
	j->stage->nfiles = j->generated->nfiles;
	return 0;
}

/* Stage two waits for them. */
static int
jail_give_files(struct jail *j, struct err *e)
{
	uint32_t *ready = &j->stage->files_ready;
	int r = jail_generate(j, e);

	__atomic_store_n(ready, r == 0 ? STAGE_DONE : STAGE_FAILED,
	    __ATOMIC_RELEASE);
	(void)SYS(SYS_futex, ready, FUTEX_WAKE, 1, 0, 0, 0);
	return r;
}

/* In the order in which it is waited for; the first command comes last. */
static int
jail_supply(struct jail *j, struct err *e)
{
	int r = jail_give_files(j, e);

	if (r == 0)
		r = jail_await_quota(j, e);
	j->supplied = r == 0;
	return r;
}

/* Where nobody is there to take it, the stages know why. */
static int
jail_feed(struct jail *j, const struct jail_command *first, int ret_stdio[3],
    struct err *e)
{
	int r = j->supplied ? 0 : jail_supply(j, e);

	if (r == 0 && first != NULL)
		r = jail_start(j, first, ret_stdio, e);
	if (r == -1 && e->code == ERR_SYSTEM &&
	    (e->sys == EPIPE || e->sys == ECONNRESET))
		return jail_explain(j, e);
	return r;
}

int
jail_park(struct jail *j, struct err *e)
{
	if (!j->released && jail_release(j, e) == -1)
		return -1;
	return j->supplied ? 0 : jail_supply(j, e);
}

int
jail_is_dead(const struct jail *j)
{
	struct pollfd p = { .fd = j->control, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static int
jail_spare(struct jail *j, const struct jail_command *first, int ret_stdio[3],
    struct err *e)
{
	if (jail_spare_no_more(j, e) == -1)
		return -1;
	return first != NULL ? jail_start(j, first, ret_stdio, e) : 0;
}

int
jail_launch(struct jail *j, const struct jail_command *first, int ret_stdio[3],
    struct err *e)
{
	uint64_t begin = clock_now_us();
	int stdio[3] = { -1, -1, -1 };
	int spared = jail_is_spared(), i;
	int r = j->released ? 0 : jail_release(j, e);

	if (r == 0)
		r = jail_feed(j, spared ? NULL : first, stdio, e);
	if (r == 0)
		r = jail_wait_hello(j, e);
	/* so that it clones no more */
	if (r == -1)
		jail_end_janitor(j);
	jail_know_init(j);
	if (r == 0 && spared)
		r = jail_spare(j, first, stdio, e);
	if (r == -1) {
		for (i = 0; i < 3; i++)
			fd_closep(&stdio[i]);
		return err_wrap(e, "the jail did not start");
	}
	j->launched = 1;
	jail_forget_texts(j);
	jail_forget_stage(j);
	jail_record(j);
	j->posture.start_us = clock_now_us() - begin;
	if (first != NULL)
		memcpy(ret_stdio, stdio, sizeof(stdio));
	return 0;
}

/* ---- events ---- */

int
jail_fd(const struct jail *j)
{
	return j->control;
}

static int
event_FAILED(struct jail *j, struct jail_event *v, struct err *e)
{
	const struct init_failed *m = (const void *)j->message.body;

	if (m->step > INIT_STEP_EXEC || m->sys <= 0 || m->sys > 4095)
		return err_set(e, ERR_CORRUPT, "warder-init: step %u, errno %d",
		    m->step, m->sys);
	v->kind = JAIL_EVENT_FAILED;
	v->id = m->id;
	v->step = m->step;
	v->sys = m->sys;
	return 0;
}

static int
event_EXITED(struct jail *j, struct jail_event *v, struct err *e)
{
	const struct init_exited *m = (const void *)j->message.body;

	(void)e;
	v->kind = JAIL_EVENT_EXITED;
	v->id = m->id;
	v->status = m->status;
	v->user_us = m->user_us;
	v->system_us = m->system_us;
	v->max_rss_bytes = m->max_rss_bytes;
	return 0;
}

/* Believe no more than that it is the master of some pty. */
static int
event_PTY(struct jail *j, struct jail_event *v, struct err *e)
{
	const struct init_pty *m = (const void *)j->message.body;
	autofd fd = ipc_take_fd(&j->message, 0);
	unsigned number;

	if (fd == -1 || ioctl(fd, TIOCGPTN, &number) == -1)
		return err_set(e, ERR_CORRUPT, "warder-init: not a pty");
	if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) == -1)
		return err_set(e, ERR_SYSTEM, "pty: O_NONBLOCK");
	v->kind = JAIL_EVENT_PTY;
	v->id = m->id;
	v->fd = take_fd(&fd);
	return 0;
}

/* Any other message, or one of another shape, means that the jail broke out
 * of its pid 1's program: it is not listened to any longer. */
static const struct {
	int (*handle)(struct jail *, struct jail_event *, struct err *);
	uint32_t size;
	int nfds;
} jail_events[INIT__MAX] = {
	[INIT_PTY] = { event_PTY, sizeof(struct init_pty), 1 },
	[INIT_FAILED] = { event_FAILED, sizeof(struct init_failed), 0 },
	[INIT_EXITED] = { event_EXITED, sizeof(struct init_exited), 0 },
};

static int
jail_dispatch(struct jail *j, struct jail_event *ret, struct err *e)
{
	const struct ipc_msg *m = &j->message;

	if (m->type >= INIT__MAX || jail_events[m->type].handle == NULL ||
	    m->size != jail_events[m->type].size ||
	    m->nfds != jail_events[m->type].nfds)
		return err_set(e, ERR_CORRUPT,
		    "warder-init: message %u, %u bytes, %d descriptors",
		    m->type, m->size, m->nfds);
	return jail_events[m->type].handle(j, ret, e);
}

int
jail_receive(struct jail *j, struct jail_event *ret, struct err *e)
{
	struct jail_event v = { .kind = JAIL_EVENT_GONE,
		.fd = -1,
		.status = -1 };
	int n = j->gone ? 0 : ipc_recv(j->control, &j->message, e);

	if (n == 0 || (n == -1 && e->sys == ECONNRESET)) {
		j->gone = 1;
		v.status = jail_end_status(j);
		*ret = v;
		return 0;
	}
	if (n == 1) {
		n = jail_dispatch(j, &v, e);
		ipc_drop_fds(&j->message);
	}
	if (n == -1) {
		if (e->code == ERR_CORRUPT)
			jail_kill(j);
		return -1;
	}
	*ret = v;
	return 0;
}

/* ---- the end ---- */

/*
 * A pid namespace dies with its first process, and nobody else is in the
 * jail's groups: no list of processes is read, nothing is waited for.  Only
 * what is frozen must be let go, to die.
 */
void
jail_kill(struct jail *j)
{
	if (j->init > 0)
		(void)kill(j->init, SIGKILL);
	(void)!cgroup_freeze(&j->cgroup, 0, NULL);
}

/*
 * An image is unmounted by whoever gives up its mount last.  When pid 1 has
 * closed its descriptors it comes to its namespaces and all their mounts,
 * which takes as long as unmounting: let that be ours, at the same time.
 */
static void
jail_unmount(struct jail *j)
{
	struct pollfd p = { .fd = j->control };

	if (j->quota.posture.count[QUOTA_IMAGE] > 0 && !j->gone)
		(void)poll(&p, 1, JAIL_UNMOUNT_MS);
	quota_finish(&j->quota);
}

/*
 * The janitor sees the jail dead as soon as we do, and removes its groups
 * while we unmount its images; it goes last, so that our death at any moment
 * leaves nothing undone.  Placeholders are removed before it is released.
 */
static void
jail_end(struct jail *j)
{
	jail_kill(j);
	if (j->stage->ncreated > 0) {
		jail_reap(&j->init);
		protect_remove(j->stage, j->sources);
	}
	jail_order(j, &j->stage->released, STAGE_SIGNAL_RELEASE);
	jail_unmount(j);
	jail_reap(&j->init);
	jail_reap(&j->janitor);
}

int
jail_destroy(struct jail *j)
{
	size_t i;
	int r;

	if (j == NULL)
		return 0;
	if (j->launched) {
		jail_end(j);
	} else {
		jail_end_janitor(j);
		if (j->released)
			jail_know_init(j);
		jail_kill(j);
		jail_reap(&j->init);
		if (j->stage != NULL)
			protect_remove(j->stage, j->sources);
	}
	fd_closep(&j->control);
	fd_closep(&j->theirs);
	/* none is left, unless somebody has killed the janitor */
	r = cgroup_destroy(&j->cgroup, JAIL_GROUPS_MS);
	jail_close_sources(j);
	fd_closep(&j->init_fd);
	fd_closep(&j->rootfs_fd);
	for (i = 0; i < countof(j->kept); i++)
		fd_closep(&j->kept[i]);
	fd_closep(&j->kept_root);
	capture_drop(&j->listeners);
	quota_finish(&j->quota);
	if (j->stage != NULL) {
		sys_forget_stack(j->stage, sizeof(*j->stage));
		(void)munmap(j->stage, sizeof(*j->stage));
	}
	jail_forget_texts(j);
	fd_closep(&j->uid_lock);
	(void)munmap(j, sizeof(*j));
	return r;
}

int
jail_keep(struct jail *j, const char *dir, struct keep_result *ret,
    struct err *e)
{
	const struct plan *p = j->options.plan;
	autofd to = keep_create(dir, e);
	uint32_t i;

	if (to == -1)
		return -1;
	/* copied is what nobody writes any more */
	jail_kill(j);
	jail_reap(&j->init);
	memset(ret, 0, sizeof(*ret));
	if (j->kept_root != -1 &&
	    keep_copy(j->kept_root, to, "", p->rootfs_size_bytes, ret, e) == -1)
		return err_wrap(e, "--keep %s", dir);
	for (i = 0; i < p->nmounts; i++) {
		const struct plan_mount *m = &p->mounts[i];

		if (j->kept[i] != -1 &&
		    keep_copy(j->kept[i], to, plan_string(p, m->path) + 1,
			m->size_bytes, ret, e) == -1)
			return err_wrap(e, "--keep %s", dir);
	}
	return 0;
}

int
jail_freeze(struct jail *j, int frozen, struct err *e)
{
	return cgroup_freeze(&j->cgroup, frozen, e);
}

void
jail_usage(const struct jail *j, struct cgroup_usage *ret)
{
	cgroup_usage(&j->cgroup, ret);
}

const struct jail_posture *
jail_posture(const struct jail *j)
{
	return &j->posture;
}

const struct capture_listeners *
jail_listeners(const struct jail *j)
{
	return &j->listeners;
}

void
jail_drop_listeners(struct jail *j)
{
	capture_drop(&j->listeners);
}

const struct cgroup *
jail_cgroup(const struct jail *j)
{
	return &j->cgroup;
}

const struct quota *
jail_quota(const struct jail *j)
{
	return &j->quota;
}

const char *
jail_name(const struct jail *j)
{
	return j->name;
}

pid_t
jail_pid(const struct jail *j)
{
	return j->init;
}
