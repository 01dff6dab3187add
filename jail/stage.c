/*
 * stage.c: the two stages, each one straight line of named steps.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>

#include "msg_init.h"
#include "stage.h"
#include "sys.h"

enum {
	STAGE_WAIT_S = 10, /* for the other stage, which takes microseconds */
	STAGE_LOOK_S = 1, /* whether a launcher that prepares is still there */
	STAGE_FD_INIT = INIT_FD + 1,
	STAGE_GROUPS_MS = 5000, /* for the last process to leave its group */
	STAGE_KEEP_MAX = 4 + 3 * CGROUP__MAX + PLAN_MOUNT_MAX,
};

struct stage_step {
	const char *name;
	long (*run)(struct stage *);
};

void
stage_what(struct stage_report *r, const char *what)
{
	size_t n = strlen(what);

	if (n >= sizeof(r->what))
		n = sizeof(r->what) - 1;
	memcpy(r->what, what, n);
	r->what[n] = '\0';
}

static long
stage_step(struct stage *s, struct stage_report *r, const struct stage_step *p)
{
	long rc;

	r->step = p->name;
	r->what[0] = '\0';
	rc = p->run(s);
	if (rc < 0)
		__atomic_store_n(&r->sys, (int)-rc, __ATOMIC_RELEASE);
	return rc;
}

/* ---- stage two ---- */

static long
two_cgroup(struct stage *s)
{
	return cgroup_join(s->cgroup);
}

/* Stage one, or the launcher, works meanwhile, on the other processor. */
static long
two_await(uint32_t *ready, const struct timespec *limit)
{
	uint32_t v;
	long r;

	while (
	    (v = __atomic_load_n(ready, __ATOMIC_ACQUIRE)) == STAGE_NOT_YET) {
		r = SYS(SYS_futex, ready, FUTEX_WAIT, STAGE_NOT_YET, limit, 0,
		    0);
		if (r == -ETIMEDOUT)
			return r;
	}
	/* the reason is stage one's, already recorded, or the launcher's */
	return v == STAGE_DONE ? 0 : -ECANCELED;
}

static const struct timespec two_limit = { .tv_sec = STAGE_WAIT_S };

static long
two_maps(struct stage *s)
{
	return two_await(&s->maps_ready, &two_limit);
}

/* The launcher may be stopped, and if it dies, so do we. */
static long
two_files(struct stage *s)
{
	return two_await(&s->files_ready, NULL);
}

static long
two_network(struct stage *s)
{
	return two_await(&s->network_ready, &two_limit);
}

/* 0 to 2 are the jail's null device, 3 the socket, then the program. */
static long
two_descriptors(struct stage *s)
{
	long null, r;
	int i;

	stage_what(&s->two, "/dev/null");
	null = SYS(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
	if (null < 0)
		return null;
	stage_what(&s->two, "dup3");
	for (i = 0, r = 0; i < 3 && r >= 0; i++)
		r = null == i ? SYS(SYS_fcntl, i, F_SETFD, 0)
			      : SYS(SYS_dup3, null, i, 0);
	if (r >= 0)
		r = SYS(SYS_dup3, s->control_fd, INIT_FD, 0);
	if (r >= 0)
		r = SYS(SYS_dup3, s->init_fd, STAGE_FD_INIT, O_CLOEXEC);
	if (r < 0)
		return r;
	stage_what(&s->two, "close_range");
	return SYS(SYS_close_range, STAGE_FD_INIT + 1, ~0U, 0);
}

static long
two_exec(struct stage *s)
{
	static char name[] = "warder-init";
	char *argv[] = { name, NULL };
	char *envp[] = { NULL };

	(void)s;
	return SYS(SYS_execveat, STAGE_FD_INIT, "", argv, envp, AT_EMPTY_PATH);
}

static const struct stage_step two_line[] = {
	{ "attributes", confine_attributes },
	{ "cgroup", two_cgroup },
	{ "namespaces", confine_namespaces },
	{ "id maps", two_maps },
	{ "ids", confine_ids },
	{ "files", two_files },
	{ "file system", fs_build },
	{ "root", fs_enter },
	{ "capabilities", confine_capabilities },
	{ "landlock", landlock_restrict },
	{ "network", two_network },
	{ "descriptors", two_descriptors },
	{ "limits", confine_rlimits },
	{ "seccomp", confine_filter },
	{ "exec", two_exec },
};

static int
stage_two(void *arg)
{
	struct stage *s = arg;
	size_t i;

	for (i = 0; i < countof(two_line); i++) {
		if (stage_step(s, &s->two, &two_line[i]) < 0)
			break;
	}
	return 1;
}

/* ---- stage one ---- */

static int
one_is_orphan(const struct stage *s)
{
	return SYS(SYS_getppid) != s->launcher_pid;
}

/*
 * A launcher that has executed another program lives, and will tell us
 * nothing any more: its memory is not ours then.
 */
static int
one_is_forgotten(void)
{
	return SYS(SYS_kcmp, SYS(SYS_getpid), SYS(SYS_getppid), KCMP_VM, 0, 0) >
	       0;
}

static uint64_t
one_signals(void)
{
	return (uint64_t)1 << (STAGE_SIGNAL_ORDER - 1) |
	       (uint64_t)1 << (STAGE_SIGNAL_RELEASE - 1) |
	       (uint64_t)1 << (STAGE_SIGNAL_DEATH - 1);
}

/*
 * Until the launcher sets *word, or dies: 0, or -ESRCH.  Both are told by
 * signals, all of which are blocked, so that one which comes before the sleep
 * ends it too.  Every change of ids disarms the signal of its death: it is
 * armed here, and only then looked whether it came too late.  No signal tells
 * of an exec; "look" says how often to look for it, NULL: never.
 */
static long
one_await(const struct stage *s, const uint32_t *word,
    const struct timespec *look)
{
	const uint64_t set = one_signals();

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0) {
		(void)SYS(SYS_prctl, PR_SET_PDEATHSIG, STAGE_SIGNAL_DEATH, 0, 0,
		    0);
		if (one_is_orphan(s) ||
		    (look != NULL && !s->carried && one_is_forgotten()))
			return -ESRCH;
		if (SYS(SYS_rt_sigtimedwait, &set, 0, look, sizeof(set)) ==
		    STAGE_SIGNAL_RELEASE)
			return 0;
	}
	return 0;
}

static void
one_unlink(const struct stage *s)
{
	if (s->janitor_unlink[0] != '\0')
		(void)SYS(SYS_unlinkat, AT_FDCWD, s->janitor_unlink, 0);
}

/* Root's groups would count in the jail; rootless they cannot be dropped. */
static long
one_groups(struct stage *s)
{
	return s->rootless ? 0 : SYS(SYS_setgroups, 0, 0);
}

/* What a nice caller lost, only somebody outside the jail can give back. */
static long
one_priority(struct stage *s)
{
	(void)s;
	(void)SYS(SYS_setpriority, PRIO_PROCESS, 0, 0);
	return 0;
}

static long
one_map_self(struct stage *s)
{
	return s->rootless ? ids_map_self(s) : 0;
}

static long
one_namespace(struct stage *s)
{
	(void)s;
	return SYS(SYS_unshare, CLONE_NEWNET);
}

/*
 * Wait for the launcher, and take a copy of its descriptors as they are now.
 * Should it have died, we are alone in its memory, and still have its
 * descriptors.
 */
static long
one_descriptors(struct stage *s)
{
	const struct timespec look = { .tv_sec = STAGE_LOOK_S };
	long r = one_await(s, &s->prepared, &look);

	if (r < 0) {
		(void)cgroup_remove(s->cgroup, STAGE_GROUPS_MS);
		one_unlink(s);
		return r;
	}
	if ((r = gather_copy(s)) < 0)
		return r;
	__atomic_store_n(&s->sharing, 0, __ATOMIC_RELEASE);
	(void)SYS(SYS_futex, &s->sharing, FUTEX_WAKE, 1, 0, 0, 0);
	gather_low(s);
	return 0;
}

static long
one_clone(struct stage *s)
{
	int into = cgroup_clone_fd(s->cgroup);
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_PARENT | CLONE_PARENT_SETTID |
			 CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
			 CLONE_NEWIPC | CLONE_NEWUTS,
		.parent_tid = (uintptr_t)&s->init_pid,
		.stack = (uintptr_t)s->stack_two,
		.stack_size = sizeof(s->stack_two),
	};

	if (into >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)into;
	}
	stage_what(&s->one, "clone3");
	return sys_clone(&a, sizeof(a), stage_two, s);
}

/* Stage two waits for the answer, good or bad. */
static long
one_answer(uint32_t *ready, long r)
{
	__atomic_store_n(ready, r < 0 ? STAGE_FAILED : STAGE_DONE,
	    __ATOMIC_RELEASE);
	(void)SYS(SYS_futex, ready, FUTEX_WAKE, 1, 0, 0, 0);
	return r;
}

static long
one_maps(struct stage *s)
{
	return one_answer(&s->maps_ready, ids_map_child(s, s->init_pid));
}

static long
one_network(struct stage *s)
{
	return one_answer(&s->network_ready, net_up(s));
}

/*
 * Whoever makes a user namespace is charged, outside it, for what is counted
 * per user there: inotify instances, namespaces, keys.  Were that root, one
 * jail could use up what all jails and the host's root have together.  So it
 * is a uid of the jail's own block, one that nothing else has; the
 * capabilities that writing the maps needs are kept over the change.
 */
static long
one_owner(struct stage *s)
{
	long r;

	if (s->rootless)
		return 0;
	stage_what(&s->one, "securebits");
	r = SYS(SYS_prctl, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
	if (r < 0)
		return r;
	stage_what(&s->one, "setresuid");
	r = SYS(SYS_setresuid, -1, s->ids.init_uid - INIT_UID, -1);
	if (r < 0)
		return r;
	/* or stage two's files in /proc would be root's; its own change of
	 * ids undoes this, and for others than root it opens nothing */
	stage_what(&s->one, "prctl DUMPABLE");
	return SYS(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static const struct stage_step one_line[] = {
	{ "groups", one_groups },
	{ "priority", one_priority },
	{ "outer id maps", one_map_self },
	{ "network namespace", one_namespace },
	{ "descriptors", one_descriptors },
	{ "owner", one_owner },
	{ "jail namespaces", one_clone },
	{ "id maps", one_maps },
	{ "network", one_network },
};

/* ---- the janitor ---- */

static size_t
janitor_insert(int *keep, size_t n, int fd)
{
	size_t i = n;

	if (fd < 0)
		return n;
	for (; i > 0 && keep[i - 1] > fd; i--)
		keep[i] = keep[i - 1];
	keep[i] = fd;
	return n + 1;
}

/* Hold nothing that another process waits to see closed. */
static void
janitor_close_others(const struct stage *s, int init_pidfd)
{
	int keep[STAGE_KEEP_MAX], i;
	size_t n = 0;

	n = janitor_insert(keep, n, init_pidfd);
	for (i = 0; i < CGROUP__MAX; i++) {
		n = janitor_insert(keep, n, s->cgroup->dir[i]);
		n = janitor_insert(keep, n, s->cgroup->parent[i]);
	}
	/* where placeholders may have to be removed */
	for (i = 0; s->plan->nprotect > 0 && i < (int)s->plan->nmounts; i++)
		n = janitor_insert(keep, n, s->sources[i].fd);
	gather_close_others(keep, n);
}

/*
 * A launcher that executes another program tells nobody, but its jail does
 * not survive that either, for want of its lifeline: so until a signal comes
 * the jail's end is waited for too, and looked then whether the launcher is
 * still the one it was.
 */
static long
janitor_await(const struct stage *s, int init_pidfd)
{
	const struct timespec look = { .tv_sec = STAGE_LOOK_S }, now = { 0 };
	const uint64_t set = one_signals();
	struct pollfd p[] = {
		{ .fd = (int)SYS(SYS_signalfd4, -1, &set, sizeof(set),
		      SFD_CLOEXEC),
		    .events = POLLIN },
		{ .fd = init_pidfd, .events = POLLIN },
	};

	if (p[0].fd < 0 || p[1].fd < 0)
		return one_await(s, &s->released, NULL);
	while (__atomic_load_n(&s->released, __ATOMIC_ACQUIRE) == 0) {
		(void)SYS(SYS_prctl, PR_SET_PDEATHSIG, STAGE_SIGNAL_DEATH, 0, 0,
		    0);
		if (one_is_orphan(s))
			return -ESRCH;
		if (p[1].revents != 0)
			return one_await(s, &s->released, &look);
		(void)SYS(SYS_ppoll, p, countof(p), 0, 0, 0);
		if (SYS(SYS_rt_sigtimedwait, &set, 0, &now, sizeof(set)) ==
		    STAGE_SIGNAL_RELEASE)
			return 0;
	}
	return 0;
}

static void
janitor_wait(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	while (SYS(SYS_ppoll, &p, 1, 0, 0, 0) < 0 || p.revents == 0)
		continue;
}

/*
 * Released by the launcher, which kills the jail at the same time, or alone
 * by its death, which the jail does not survive either, for want of its
 * lifeline: see the jail gone, then remove what would stay on the host.  The
 * launcher does it again, should somebody kill us.  Where it is dead nobody
 * else runs in this memory, so the library may be used.
 */
static int
janitor(struct stage *s)
{
	static const char name[] = "warder-janitor";
	struct cgroup left = *s->cgroup;
	long init_pidfd = SYS(SYS_pidfd_open, s->init_pid, 0), r;

	(void)SYS(SYS_prctl, PR_SET_NAME, name, 0, 0, 0);
	(void)SYS(SYS_setsid);
	janitor_close_others(s, (int)init_pidfd);
	(void)SYS(SYS_chdir, "/");
	r = janitor_await(s, (int)init_pidfd);
	if (r < 0) {
		cgroup_rescue(&left);
		if (init_pidfd >= 0)
			(void)SYS(SYS_pidfd_send_signal, init_pidfd, SIGKILL, 0,
			    0);
	}
	if (init_pidfd >= 0)
		janitor_wait((int)init_pidfd);
	(void)cgroup_remove(&left, STAGE_GROUPS_MS);
	if (r < 0 || one_is_orphan(s)) {
		protect_remove(s, s->sources);
		one_unlink(s);
	}
	return 0;
}

/*
 * A step that failed is the launcher's affair, unless it failed for its death:
 * then this is the janitor's.  Stage two, which is told of the failure if it
 * has not died as well, leaves its group by itself.
 */
static int
one_abandon(struct stage *s)
{
	if (one_is_orphan(s)) {
		(void)cgroup_remove(s->cgroup, STAGE_GROUPS_MS);
		protect_remove(s, s->sources);
		one_unlink(s);
	}
	return 1;
}

int
stage_one(void *arg)
{
	struct stage *s = arg;

	size_t i;

	for (i = 0; i < countof(one_line); i++) {
		if (stage_step(s, &s->one, &one_line[i]) < 0)
			return one_abandon(s);
	}
	return janitor(s);
}
