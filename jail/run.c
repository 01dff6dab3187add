#include "run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "msg_init.h"

enum {
	SLOT_CONTROL = RELAY_STREAMS,
	SLOT_OOM,
	SLOT_WATCH,
	SLOT__MAX = SLOT_WATCH + RUN_WATCHES,

	RUN_DRAIN_MS = 2000, /* for the last output of a jail that is dead */
};

/* clang-format off */
static const struct {
	const char *name, *text;
	int exit;
} run_ends[] = {
#define X(n, exit, text) [RUN_##n] = { #n, text, exit },
	RUN_ENDS(X)
#undef X
};

/* clang-format on */

void
run_init(struct run *r, struct jail *j, const struct plan *p, uint32_t id)
{
	int i;

	relay_init(&r->relay, p->limits.output_bytes);
	r->jail = j;
	r->plan = p;
	r->id = id;
	r->caller[0] = r->caller[1] = r->caller[2] = -1;
	r->master = -1;
	for (i = 0; i < RUN_WATCHES; i++)
		r->watches[i].fd = -1;
	r->other = NULL;
	r->sink = NULL;
	r->ended = r->gone = 0;
	r->oom = cgroup_watch_oom(jail_cgroup(j), &r->oom_events);
	memset(&r->report, 0, sizeof(r->report));
	memset(&r->watch, 0, sizeof(r->watch));
	r->begin_us = r->moved_us = r->looked_us = clock_now_us();
}

int
run_add_watch(struct run *r, int fd, void (*ready)(void *ctx, int fd),
    void *ctx, struct err *e)
{
	int i;

	for (i = 0; i < RUN_WATCHES; i++) {
		if (r->watches[i].fd != -1)
			continue;
		r->watches[i] = (struct run_watch){ fd, ready, ctx };
		return 0;
	}
	return err_set(e, ERR_LIMIT, "more than %d clients", RUN_WATCHES);
}

void
run_remove_watch(struct run *r, int fd)
{
	int i;

	for (i = 0; i < RUN_WATCHES; i++) {
		if (r->watches[i].fd == fd)
			r->watches[i].fd = -1;
	}
}

static void
run_connect_out(struct run *r, int i, int ours)
{
	if (ours >= 0 && r->sink != NULL)
		relay_set_sink(&r->relay, i, ours, r->sink, r->sink_ctx);
	else if (ours >= 0)
		relay_set_out(&r->relay, i, ours, r->caller[i]);
}

void
run_connect(struct run *r, const int ours[3])
{
	int i;

	if (ours[0] >= 0)
		relay_set_in(&r->relay, r->caller[0], ours[0]);
	for (i = 1; i < 3; i++)
		run_connect_out(r, i, ours[i]);
}

/* The first reason stands: what follows is its consequence. */
static void
run_end(struct run *r, enum run_end end)
{
	if (r->ended)
		return;
	r->ended = 1;
	r->report.end = end;
	/* the last moment: what is killed is not waited for by anybody */
	if (end != RUN_EXITED && end != RUN_SIGNALLED && end != RUN_LOST)
		watch_look(&r->watch, jail_pid(r->jail), r->plan,
		    jail_quota(r->jail));
	jail_kill(r->jail);
}

void
run_stop(struct run *r, enum run_end end)
{
	run_end(r, end);
}

/* ---- events of the jail ---- */

static void
run_exited(struct run *r, const struct jail_event *v)
{
	enum run_end end = RUN_EXITED;
	uint64_t cpu_us = v->user_us + v->system_us;

	/* where nothing counts the whole group: what it waited for itself */
	if (r->watch.cpu_us < cpu_us)
		r->watch.cpu_us = cpu_us;
	r->report.status = v->status;
	r->report.max_rss_bytes = v->max_rss_bytes;
	if (WIFSIGNALED(v->status))
		end =
		    WTERMSIG(v->status) == SIGSYS ? RUN_SECCOMP : RUN_SIGNALLED;
	r->report.disk_met = watch_disk_full(jail_pid(r->jail), r->plan);
	run_end(r, end);
}

static void
run_failed(struct run *r, const struct jail_event *v)
{
	r->report.sys = v->sys;
	r->report.step = v->step;
	run_end(r, v->step == INIT_STEP_EXEC && v->sys == ENOENT
		       ? RUN_NOT_FOUND
		       : RUN_NOT_EXECUTED);
}

/* The master is both ends of the conversation; each stream has its own. */
static int
run_pty(struct run *r, const struct jail_event *v, struct err *e)
{
	autofd master = v->fd;
	int in = dup(master);

	if (in == -1)
		return err_set(e, ERR_SYSTEM, "dup");
	r->master = master;
	relay_set_in(&r->relay, r->caller[0], in);
	run_connect_out(r, 1, take_fd(&master));
	return 0;
}

static int
run_event(struct run *r, struct err *e)
{
	struct jail_event v;

	if (jail_receive(r->jail, &v, e) == -1)
		return -1;
	if (v.kind != JAIL_EVENT_GONE && v.id != r->id) {
		if (r->other != NULL)
			r->other(r->other_ctx, &v);
		fd_closep(&v.fd);
		return 0;
	}
	switch (v.kind) {
	case JAIL_EVENT_PTY:
		return run_pty(r, &v, e);
	case JAIL_EVENT_STARTED:
		break;
	case JAIL_EVENT_FAILED:
		run_failed(r, &v);
		break;
	case JAIL_EVENT_EXITED:
		run_exited(r, &v);
		break;
	case JAIL_EVENT_GONE:
		r->gone = 1;
		r->report.lost_status = v.status;
		run_end(r, RUN_LOST);
		break;
	}
	return 0;
}

/* ---- limits ---- */

static int
run_enforced(const struct run *r, enum cgroup_controller c)
{
	return !!(jail_posture(r->jail)->cgroup_enforced & 1U << c);
}

static int
run_needs_watch(const struct run *r)
{
	return !run_enforced(r, CGROUP_MEMORY) ||
	       r->plan->limits.cpu_time_ms > 0;
}

static uint64_t
run_cpu_us(struct run *r)
{
	struct cgroup_usage u = { 0 };

	jail_usage(r->jail, &u);
	return u.cpu_us > r->watch.cpu_us ? u.cpu_us : r->watch.cpu_us;
}

static void
run_look(struct run *r, uint64_t now)
{
	const struct plan_limits *l = &r->plan->limits;

	if (!run_needs_watch(r) ||
	    now - r->looked_us < WATCH_INTERVAL_MS * 1000)
		return;
	r->looked_us = now;
	if (!run_enforced(r, CGROUP_MEMORY)) {
		watch_look(&r->watch, jail_pid(r->jail), r->plan,
		    jail_quota(r->jail));
		if (r->watch.memory_bytes > l->memory_bytes)
			run_end(r, RUN_OOM);
	}
	if (l->cpu_time_ms > 0 && run_cpu_us(r) > l->cpu_time_ms * 1000)
		run_end(r, RUN_CPU_TIME);
}

static void
run_limits(struct run *r, uint64_t now)
{
	const struct plan_limits *l = &r->plan->limits;

	if (l->wall_ms > 0 && now - r->begin_us >= l->wall_ms * 1000)
		run_end(r, RUN_WALL);
	if (l->idle_ms > 0 && now - r->moved_us >= l->idle_ms * 1000)
		run_end(r, RUN_IDLE);
	run_look(r, now);
}

static void
run_sooner(int *timeout, uint64_t now, uint64_t due)
{
	uint64_t ms = due > now ? (due - now + 999) / 1000 : 0;

	if (ms > 3600 * 1000)
		ms = 3600 * 1000;
	if (*timeout == -1 || (int)ms < *timeout)
		*timeout = (int)ms;
}

static int
run_timeout(const struct run *r, uint64_t now)
{
	const struct plan_limits *l = &r->plan->limits;
	int timeout = -1;

	if (r->ended)
		return RUN_DRAIN_MS;
	if (l->wall_ms > 0)
		run_sooner(&timeout, now, r->begin_us + l->wall_ms * 1000);
	if (l->idle_ms > 0)
		run_sooner(&timeout, now, r->moved_us + l->idle_ms * 1000);
	if (run_needs_watch(r))
		run_sooner(&timeout, now,
		    r->looked_us + WATCH_INTERVAL_MS * 1000);
	return timeout;
}

/* ---- the loop ---- */

static void
run_poll_watches(const struct run *r, struct pollfd *p)
{
	int i;

	for (i = 0; i < RUN_WATCHES; i++) {
		p[SLOT_WATCH + i].fd = r->watches[i].fd;
		p[SLOT_WATCH + i].events = POLLIN;
		p[SLOT_WATCH + i].revents = 0;
	}
}

/* A callback may remove another one's watch: look again before each. */
static void
run_ready(struct run *r, const struct pollfd *p)
{
	int i;

	for (i = 0; i < RUN_WATCHES; i++) {
		struct run_watch *w = &r->watches[i];

		if (p[SLOT_WATCH + i].revents != 0 &&
		    w->fd == p[SLOT_WATCH + i].fd)
			w->ready(w->ctx, w->fd);
	}
}

/* An oom watch is an eventfd, or a file that says POLLPRI. */
static void
run_oom(struct run *r)
{
	uint64_t n;

	(void)!read(r->oom, &n, sizeof(n));
	fd_closep(&r->oom);
	run_end(r, RUN_OOM);
}

static int
run_ready_all(struct run *r, struct pollfd *p, struct err *e)
{
	if (relay_step(&r->relay, p) > 0)
		r->moved_us = clock_now_us();
	if (relay_met_limit(&r->relay))
		run_end(r, RUN_OUTPUT);
	if (p[SLOT_OOM].revents != 0)
		run_oom(r);
	if (p[SLOT_CONTROL].revents != 0 && run_event(r, e) == -1)
		return -1;
	run_ready(r, p);
	return 0;
}

/*
 * The pipes of a dead jail end by themselves; until then its last output is
 * read.  When nobody takes it (or nothing comes), it is given up.
 */
static int
run_step(struct run *r, int timeout, struct err *e)
{
	struct pollfd p[SLOT__MAX];
	int own = run_timeout(r, clock_now_us()), n;

	relay_poll(&r->relay, p);
	p[SLOT_CONTROL].fd = r->gone ? -1 : jail_fd(r->jail);
	p[SLOT_CONTROL].events = POLLIN;
	p[SLOT_OOM].fd = r->oom;
	p[SLOT_OOM].events = r->oom_events;
	run_poll_watches(r, p);
	if (timeout == -1 || (own != -1 && own < timeout))
		timeout = own;
	n = poll(p, SLOT__MAX, timeout);
	if (n == -1 && errno != EINTR)
		return err_set(e, ERR_SYSTEM, "poll");
	if (n == 0 && r->ended && timeout == own)
		relay_finish(&r->relay);
	if (n > 0 && run_ready_all(r, p, e) == -1)
		return -1;
	if (!r->ended)
		run_limits(r, clock_now_us());
	return 0;
}

/*
 * The pids controller counts what it refuses.  An rlimit does not: then the
 * limit was met if it was seen to be, and nobody knows otherwise.
 */
static int
run_pids_met(const struct run *r, const struct cgroup_usage *u)
{
	if (run_enforced(r, CGROUP_PIDS))
		return u->pids_refused > 0;
	return r->watch.tasks_peak >= r->plan->limits.pids ? 1 : -1;
}

static void
run_usage(struct run *r)
{
	struct cgroup_usage *u = &r->report.usage;

	jail_usage(r->jail, u);
	if (u->cpu_us < r->watch.cpu_us)
		u->cpu_us = r->watch.cpu_us;
	if (u->memory_peak_bytes < r->watch.memory_peak_bytes)
		u->memory_peak_bytes = r->watch.memory_peak_bytes;
	r->report.pids_met = run_pids_met(r, u);
	/* its last bytes came after its end, and not all were passed on */
	if (relay_met_limit(&r->relay) && r->report.end == RUN_EXITED)
		r->report.end = RUN_OUTPUT;
	/* the kernel killed a process of it: it was no ordinary signal */
	if (u->oom_kills > 0 && r->report.end != RUN_EXITED)
		r->report.end = RUN_OOM;
}

static int
run_left_ms(uint64_t until_us)
{
	uint64_t now = clock_now_us();

	return until_us > now ? (int)((until_us - now + 999) / 1000) : 0;
}

int
run_wait(struct run *r, int timeout_ms, struct run_report *ret, struct err *e)
{
	uint64_t until = clock_now_us() + (uint64_t)timeout_ms * 1000;
	int left = timeout_ms;

	while (!r->ended || relay_open(&r->relay)) {
		if (run_step(r, left, e) == -1)
			return -1;
		if (timeout_ms == -1)
			continue;
		left = run_left_ms(until);
		if (left == 0 && (!r->ended || relay_open(&r->relay)))
			return 0;
	}
	if (r->report.wall_us == 0) {
		r->report.wall_us = clock_now_us() - r->begin_us;
		r->report.output_bytes = relay_output(&r->relay);
		run_usage(r);
	}
	*ret = r->report;
	return 1;
}

void
run_finish(struct run *r)
{
	relay_finish(&r->relay);
	fd_closep(&r->oom);
}

int
run_exit_status(const struct run_report *r)
{
	if (run_ends[r->end].exit != -1)
		return run_ends[r->end].exit;
	return WIFSIGNALED(r->status) ? 128 + WTERMSIG(r->status)
				      : WEXITSTATUS(r->status);
}

int
run_was_killed(const struct run_report *r)
{
	return r->lost_status == -1 || (WIFSIGNALED(r->lost_status) &&
					   WTERMSIG(r->lost_status) == SIGKILL);
}

const char *
run_end_name(enum run_end end)
{
	return (unsigned)end < RUN__MAX ? run_ends[end].name : "?";
}

const char *
run_end_text(enum run_end end)
{
	return (unsigned)end < RUN__MAX ? run_ends[end].text : "?";
}
