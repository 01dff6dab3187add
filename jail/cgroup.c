#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "cgroup_private.h"
#include "clock.h"
#include "sys.h"

enum {
	CGROUP_PERIOD_US = 100000, /* the kernel's own default, v1 and v2 */
	CGROUP_QUOTA_MIN_US = 1000, /* the kernel refuses less */
	CGROUP_KILL_ROUNDS = 20,
	CGROUP_SLEEP_MIN_US = 50,
	CGROUP_SLEEP_MAX_US = 5000,
};

/* ---- limits: one table ---- */

static void
cgroup_text_memory(struct text *t, const struct plan_limits *l)
{
	text_addf(t, "%" PRIu64, l->memory_bytes);
}

static void
cgroup_text_pids(struct text *t, const struct plan_limits *l)
{
	text_addf(t, "%" PRIu64, l->pids);
}

static void
cgroup_text_quota(struct text *t, const struct plan_limits *l)
{
	uint64_t us = l->cpu_milli * (CGROUP_PERIOD_US / 1000);

	text_addf(t, "%" PRIu64,
	    us < CGROUP_QUOTA_MIN_US ? CGROUP_QUOTA_MIN_US : us);
}

static void
cgroup_text_zero(struct text *t, const struct plan_limits *l)
{
	(void)l;
	text_add(t, "0");
}

static void
cgroup_text_one(struct text *t, const struct plan_limits *l)
{
	(void)l;
	text_add(t, "1");
}

/*
 * In this order: v1 wants memory.memsw (memory and swap together) no smaller
 * than memory.  Without swap accounting there is no such file, and the group
 * must then not swap at all.  The period is never written: it is the default.
 */
static const struct cgroup_limit {
	enum cgroup_version version;
	enum cgroup_controller controller;
	const char *file;
	void (*format)(struct text *, const struct plan_limits *);
	const char *zero_instead; /* where file is not there; "": nothing */
} cgroup_limits[] = {
	{ CGROUP_V2, CGROUP_MEMORY, "memory.max", cgroup_text_memory, NULL },
	{ CGROUP_V2, CGROUP_MEMORY, "memory.swap.max", cgroup_text_zero, "" },
	{ CGROUP_V2, CGROUP_MEMORY, "memory.oom.group", cgroup_text_one, NULL },
	{ CGROUP_V2, CGROUP_PIDS, "pids.max", cgroup_text_pids, NULL },
	{ CGROUP_V2, CGROUP_CPU, "cpu.max", cgroup_text_quota, NULL },
	{ CGROUP_V1, CGROUP_MEMORY, "memory.limit_in_bytes", cgroup_text_memory,
	    NULL },
	{ CGROUP_V1, CGROUP_MEMORY, "memory.memsw.limit_in_bytes",
	    cgroup_text_memory, "memory.swappiness" },
	{ CGROUP_V1, CGROUP_PIDS, "pids.max", cgroup_text_pids, NULL },
	{ CGROUP_V1, CGROUP_CPU, "cpu.cfs_quota_us", cgroup_text_quota, NULL },
};

/* For people: the controller, what limits by version, its bit in a plan. */
static const struct cgroup_row {
	const char *name;
	const char *by[CGROUP_V2 + 1];
	uint32_t require;
} cgroup_rows[CGROUP__MAX] = {
	[CGROUP_MEMORY] = { "memory",
	    { "rlimits and a watchdog", "cgroup v1 memory, swap included",
		"cgroup v2 memory, without swap" },
	    PLAN_REQUIRE_CGROUP_MEMORY },
	[CGROUP_PIDS] = { "pids",
	    { "rlimits and a watchdog", "cgroup v1 pids", "cgroup v2 pids" },
	    PLAN_REQUIRE_CGROUP_PIDS },
	[CGROUP_CPU] = { "cpu",
	    { "nothing", "cgroup v1 cpu, quota per 100 ms",
		"cgroup v2 cpu, quota per 100 ms" },
	    PLAN_REQUIRE_CGROUP_CPU },
	[CGROUP_CPUACCT] = { "cpuacct",
	    { "resource usage of the jail's first process", "cgroup v1 cpuacct",
		"cgroup v2 cpu.stat" },
	    0 },
	[CGROUP_IO] = { "io",
	    { "resource usage of the jail's first process", "cgroup v1 blkio",
		"cgroup v2 io" },
	    PLAN_REQUIRE_CGROUP_IO },
	[CGROUP_FREEZER] = { "freezer",
	    { "nothing", "cgroup v1 freezer", "cgroup v2 cgroup.freeze" }, 0 },
};

/* ---- making ---- */

void
cgroup_init(struct cgroup *c)
{
	unsigned k;

	memset(c, 0, sizeof(*c));
	for (k = 0; k < CGROUP__MAX; k++)
		c->dir[k] = c->parent[k] = c->tasks[k] = c->owner[k] = -1;
}

static int
cgroup_set_name(struct cgroup *c, const char *name, struct err *e)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	size_t n = strlen(name);
	struct text t;

	if (n == 0 || strspn(name, letters) != n)
		return err_set(e, ERR_INVALID,
		    "a control group's name has letters, digits and '-'");
	text_init(&t, c->name, sizeof(c->name));
	text_add(&t, CGROUP_PREFIX);
	text_add(&t, name);
	if (t.truncated)
		return err_set(e, ERR_LIMIT,
		    "a control group's name is longer than %zu bytes",
		    sizeof(c->name) - sizeof(CGROUP_PREFIX));
	return 0;
}

/*
 * v1 has a hierarchy for each controller, and each costs a start 50 us and
 * more.  So time is counted apart only where it is limited (elsewhere by
 * resource usage, which a program that ignores SIGCHLD escapes), io only
 * where the plan requires it, and the freezer joins when it is needed.
 * What shares its hierarchy with another comes along for nothing.
 */
static uint32_t
cgroup_wanted(const struct plan *p)
{
	uint32_t r = CGROUP_LIMITING;

	if (p->limits.cpu_time_ms != 0)
		r |= CGROUP_BIT(CGROUP_CPUACCT);
	if ((p->require_cgroup & PLAN_REQUIRE_CGROUP_IO) != 0)
		r |= CGROUP_BIT(CGROUP_IO);
	return r;
}

int
cgroup_make_dir(struct cgroup *c, int k)
{
	int sys;

	if (mkdirat(c->parent[k], c->name, 0755) == -1)
		return errno;
	c->dir[k] = openat(c->parent[k], c->name,
	    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir[k] >= 0 && c->version == CGROUP_V1)
		c->tasks[k] = openat(c->dir[k], "tasks", O_WRONLY | O_CLOEXEC);
	if (c->dir[k] >= 0 && (c->tasks[k] >= 0 || c->version == CGROUP_V2))
		return 0;
	sys = errno;
	fd_closep(&c->dir[k]);
	(void)unlinkat(c->parent[k], c->name, AT_REMOVEDIR);
	return sys;
}

/* Errors that mean "this host does not let us", not "something broke". */
static int
cgroup_is_refusal(int sys)
{
	return sys == EACCES || sys == EPERM || sys == EROFS;
}

/* The controllers that share k's directory, k the first of them. */
static uint32_t
cgroup_sharing(const struct cgroup_host *h, int k)
{
	uint32_t r = 0;
	int i;

	for (i = k; i < CGROUP__MAX; i++)
		if (h->owner[i] == k)
			r |= CGROUP_BIT(i);
	return r;
}

/* 0, -1 with e, or 1: a parent has gone, look for others. */
static int
cgroup_make_all(struct cgroup *c, const struct cgroup_host *h, uint32_t want,
    struct err *e)
{
	int i, k, sys;

	c->version = h->version;
	memcpy(c->why, h->why, sizeof(c->why));
	for (k = 0; k < CGROUP__MAX; k++) {
		uint32_t all = cgroup_sharing(h, k);

		if ((all & want) == 0)
			continue;
		c->parent[k] = h->parent[k];
		sys = cgroup_make_dir(c, k);
		if (sys != 0)
			c->parent[k] = -1;
		if (sys == ENOENT || sys == ENODEV)
			return 1;
		if (sys != 0 && !cgroup_is_refusal(sys))
			return err_sys(e, sys, "control group %s of %s",
			    c->name, cgroup_rows[k].name);
		if (sys != 0)
			cgroup_why(c->why, cgroup_rows[k].name, strerror(sys));
		for (i = k; sys == 0 && i < CGROUP__MAX; i++)
			if (all & CGROUP_BIT(i)) {
				c->owner[i] = k;
				c->dir[i] = c->dir[k];
				c->parent[i] = c->parent[k];
			}
	}
	return 0;
}

/* A tighter limit above us makes v1 refuse a wider one below. */
static int
cgroup_is_tighter_above(const struct cgroup *c)
{
	char buf[CGROUP_NUMBER_MAX];
	uint64_t quota;

	return cgroup_file_read(c->parent[CGROUP_CPU], "cpu.cfs_quota_us", buf,
		   sizeof(buf)) > 0 &&
	       cgroup_text_sum(buf, "", &quota) > 0;
}

static int
cgroup_limit(struct cgroup *c, const struct cgroup_limit *l,
    const struct plan *p, struct err *e)
{
	char buf[CGROUP_NUMBER_MAX];
	struct text t;
	int dir = c->dir[l->controller];
	int r;

	text_init(&t, buf, sizeof(buf));
	l->format(&t, &p->limits);
	r = cgroup_file_write(dir, l->file, buf, t.len);
	if (r == -ENOENT && l->zero_instead != NULL) {
		cgroup_why(c->why, l->file, "not there, so no swap");
		r = l->zero_instead[0] == '\0'
			? 0
			: cgroup_file_write(dir, l->zero_instead, "0", 1);
	}
	if (r == -EINVAL && c->version == CGROUP_V1 &&
	    l->controller == CGROUP_CPU && cgroup_is_tighter_above(c)) {
		cgroup_why(c->why, "cpu", "the limit above is tighter");
		r = 0;
	}
	if (r < 0)
		return err_sys(e, -r, "cannot write %s to %s of group %s", buf,
		    l->file, c->name);
	return 0;
}

static int
cgroup_limit_all(struct cgroup *c, const struct plan *p, struct err *e)
{
	unsigned i, k;

	for (i = 0; i < countof(cgroup_limits); i++) {
		const struct cgroup_limit *l = &cgroup_limits[i];

		if (l->version == c->version && c->dir[l->controller] >= 0 &&
		    cgroup_limit(c, l, p, e) == -1)
			return -1;
	}
	for (k = 0; k < CGROUP__MAX; k++)
		if (c->dir[k] >= 0)
			c->enforced |= CGROUP_BIT(k);
	return 0;
}

static int
cgroup_check_required(const struct cgroup *c, const struct plan *p,
    struct err *e)
{
	unsigned k;

	for (k = 0; k < CGROUP__MAX; k++)
		if ((p->require_cgroup & cgroup_rows[k].require) != 0 &&
		    !(c->enforced & CGROUP_BIT(k)))
			return err_set(e, ERR_UNSUPPORTED,
			    "the policy requires the control group controller "
			    "%s, which is not available here (%s)",
			    cgroup_rows[k].name,
			    c->why[0] != '\0' ? c->why : "not mounted");
	return 0;
}

static int
cgroup_try(struct cgroup *c, const char *name, const struct plan *p, int again,
    struct err *e)
{
	uint32_t want = cgroup_wanted(p);
	struct cgroup_host h;
	int r;

	cgroup_init(c);
	if (cgroup_set_name(c, name, e) == -1)
		return -1;
	cgroup_host_get(&h, want, again);
	r = cgroup_make_all(c, &h, want, e);
	if (r != 0)
		return r;
	if (cgroup_limit_all(c, p, e) == -1)
		return -1;
	if (c->enforced == 0)
		c->version = CGROUP_NONE;
	return cgroup_check_required(c, p, e);
}

int
cgroup_create(struct cgroup *c, const char *name, const struct plan *p,
    struct err *e)
{
	int r = cgroup_try(c, name, p, 0, e);

	if (r == 1) {
		(void)cgroup_destroy(c, 0);
		r = cgroup_try(c, name, p, 1, e);
	}
	if (r == 1)
		r = err_set(e, ERR_UNSUPPORTED,
		    "this process's own control group has been removed");
	if (r == -1)
		(void)cgroup_destroy(c, 0);
	return r;
}

/* ---- joining ---- */

int
cgroup_clone_fd(const struct cgroup *c)
{
	/* The time of every group is counted, so this one is always there. */
	return c->version == CGROUP_V2 ? c->dir[CGROUP_CPUACCT] : -1;
}

long
cgroup_join(const struct cgroup *c)
{
	unsigned k;

	for (k = 0; k < CGROUP__MAX; k++) {
		long r;

		if (c->tasks[k] < 0)
			continue;
		r = SYS(SYS_write, c->tasks[k], "0", 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- living ---- */

static void
cgroup_kill_one(pid_t pid, const struct cgroup *c)
{
	(void)c;
	if (pid != getpid())
		(void)kill(pid, SIGKILL);
}

/*
 * v1 has no way to kill a group at once.  Whoever is listed is killed; from
 * the second round on no fork succeeds, so that what a fork had put beside
 * the list is found by the next.
 */
static void
cgroup_kill_listed(const struct cgroup *c)
{
	int dir = cgroup_any_dir(c);
	unsigned i;

	for (i = 0; i < CGROUP_KILL_ROUNDS; i++) {
		if (cgroup_each_process(dir, cgroup_kill_one, c) == 0)
			return;
		/* A frozen process does not even die. */
		if (c->version == CGROUP_V1 && c->dir[CGROUP_FREEZER] >= 0)
			(void)!cgroup_file_write(c->dir[CGROUP_FREEZER],
			    "freezer.state", "THAWED", 6);
		if (i > 0 && c->dir[CGROUP_PIDS] >= 0)
			(void)!cgroup_file_write(c->dir[CGROUP_PIDS],
			    "pids.max", "0", 1);
		cgroup_sleep_us(i == 0 ? CGROUP_SLEEP_MIN_US : 1000);
	}
}

void
cgroup_kill(const struct cgroup *c)
{
	if (c->version == CGROUP_V2 &&
	    cgroup_file_write(cgroup_any_dir(c), "cgroup.kill", "1", 1) == 0)
		return;
	cgroup_kill_listed(c);
}

int
cgroup_watch_oom(const struct cgroup *c, short *ret_events)
{
	autofd event = -1, control = -1;
	char buf[CGROUP_NUMBER_MAX];
	struct text t;

	if (c->version != CGROUP_V1 || c->dir[CGROUP_MEMORY] < 0)
		return -1;
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	control = openat(c->dir[CGROUP_MEMORY], "memory.oom_control",
	    O_RDONLY | O_CLOEXEC);
	if (event == -1 || control == -1)
		return -1;
	text_init(&t, buf, sizeof(buf));
	text_addf(&t, "%d %d", event, control);
	if (cgroup_file_write(c->dir[CGROUP_MEMORY], "cgroup.event_control",
		buf, t.len) < 0)
		return -1;
	*ret_events = POLLIN;
	return take_fd(&event);
}

/* ---- ending ---- */

/*
 * Try until no process is left in it.  That is at once as a rule, since the
 * jail's first process is reaped last; the kernel takes a dead one off its
 * group a moment after it can be reaped, so first just let it run.  Sleeping
 * beats polling cgroup.events, which is told 10 ms late.
 */
static int
cgroup_remove_one(int parent, const char *name, uint64_t until_us)
{
	struct timespec nap = { .tv_nsec = CGROUP_SLEEP_MIN_US * 1000 };
	unsigned tries = 0;
	long r;

	while ((r = SYS(SYS_unlinkat, parent, name, AT_REMOVEDIR)) < 0) {
		if (r == -ENOENT)
			return 0;
		if (r != -EBUSY || clock_now_us() >= until_us)
			return -1;
		if (tries++ < 2) {
			(void)SYS(SYS_sched_yield);
			continue;
		}
		(void)SYS(SYS_nanosleep, &nap, 0);
		if (nap.tv_nsec < CGROUP_SLEEP_MAX_US * 500)
			nap.tv_nsec *= 2;
	}
	return 0;
}

int
cgroup_remove(const struct cgroup *c, unsigned wait_ms)
{
	uint64_t until_us = clock_now_us() + (uint64_t)wait_ms * 1000;
	int k, r = 0;

	for (k = 0; k < CGROUP__MAX; k++) {
		/* one that shares another's directory has an owner that is it */
		if (c->parent[k] < 0 || (c->owner[k] >= 0 && c->owner[k] != k))
			continue;
		if (cgroup_remove_one(c->parent[k], c->name, until_us) == -1)
			r = -1;
	}
	return r;
}

int
cgroup_destroy(struct cgroup *c, unsigned wait_ms)
{
	int k, r = cgroup_remove(c, wait_ms);

	for (k = 0; k < CGROUP__MAX; k++) {
		fd_closep(&c->tasks[k]);
		if (c->owner[k] == k)
			fd_closep(&c->dir[k]);
	}
	cgroup_init(c);
	return r;
}

/* ---- telling ---- */

const char *
cgroup_limiter(const struct cgroup *c, enum cgroup_controller k)
{
	int there = (c->enforced & CGROUP_BIT(k)) != 0;

	return cgroup_rows[k].by[there ? c->version : CGROUP_NONE];
}

void
cgroup_describe(const struct cgroup *c, char *ret, size_t size)
{
	struct text t;
	unsigned k;

	text_init(&t, ret, size);
	if (c->version == CGROUP_NONE) {
		text_add(&t, "no control group");
	} else {
		text_addf(&t, "cgroup v%d:%s", c->version,
		    (c->enforced & CGROUP_LIMITING) == 0 ? " no limit" : "");
		for (k = 0; k < CGROUP__MAX; k++)
			if (c->enforced & CGROUP_LIMITING & CGROUP_BIT(k))
				text_addf(&t, " %s", cgroup_rows[k].name);
	}
	if (c->why[0] != '\0')
		text_addf(&t, " (%s)", c->why);
}
