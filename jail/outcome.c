#include "outcome.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "msg_init.h"

enum {
	OUTCOME_SOON_MS = 3600 * 1000, /* looked at so often at least */
};

static void
outcome_watch_oom(struct outcome *o)
{
	o->oom = cgroup_watch_oom(jail_cgroup(o->jail), &o->oom_events);
	o->watched = 1;
}

/* Where the jail is still being made, this is done beside that. */
void
outcome_init(struct outcome *o, struct jail *j, const struct plan *p)
{
	o->jail = j;
	o->plan = p;
	o->limits = p->limits;
	o->ended = o->gone = o->watched = 0;
	o->oom = -1;
	if (jail_pid(j) == 0)
		outcome_watch_oom(o);
	cgroup_meter_init(&o->meter);
	memset(&o->report, 0, sizeof(o->report));
	memset(&o->watch, 0, sizeof(o->watch));
	o->begin_us = o->moved_us = o->looked_us = clock_now_us();
}

void
outcome_lessen(struct outcome *o, uint64_t wall_ms)
{
	struct plan_limits *l = &o->limits;

	if (wall_ms > 0 && (l->wall_ms == 0 || wall_ms < l->wall_ms))
		l->wall_ms = wall_ms;
	l->idle_ms = l->output_bytes = 0;
}

void
outcome_end(struct outcome *o, enum run_end end)
{
	if (o->ended)
		return;
	o->ended = 1;
	o->report.end = end;
	/* the last moment: what is killed is not waited for by anybody */
	if (end != RUN_EXITED && end != RUN_SIGNALLED && end != RUN_LOST)
		watch_look(&o->watch, jail_pid(o->jail), o->plan,
		    jail_quota(o->jail));
	jail_kill(o->jail);
}

/* ---- events of the jail ---- */

static void
outcome_exited(struct outcome *o, const struct jail_event *v)
{
	enum run_end end = RUN_EXITED;
	uint64_t cpu_us = v->user_us + v->system_us;

	/* where nothing counts the whole group: what it waited for itself */
	if (o->watch.cpu_us < cpu_us)
		o->watch.cpu_us = cpu_us;
	o->report.status = v->status;
	o->report.max_rss_bytes = v->max_rss_bytes;
	if (WIFSIGNALED(v->status))
		end =
		    WTERMSIG(v->status) == SIGSYS ? RUN_SECCOMP : RUN_SIGNALLED;
	o->report.disk_met =
	    watch_disk_full(jail_pid(o->jail), o->plan, jail_quota(o->jail));
	outcome_end(o, end);
}

static void
outcome_failed(struct outcome *o, const struct jail_event *v)
{
	o->report.sys = v->sys;
	o->report.step = v->step;
	outcome_end(o, v->step == INIT_STEP_EXEC && v->sys == ENOENT
			   ? RUN_NOT_FOUND
			   : RUN_NOT_EXECUTED);
}

void
outcome_event(struct outcome *o, const struct jail_event *v)
{
	switch (v->kind) {
	case JAIL_EVENT_PTY:
		break;
	case JAIL_EVENT_FAILED:
		outcome_failed(o, v);
		break;
	case JAIL_EVENT_EXITED:
		outcome_exited(o, v);
		break;
	case JAIL_EVENT_GONE:
		o->gone = 1;
		o->report.lost_status = v->status;
		outcome_end(o, RUN_LOST);
		break;
	}
}

/* An oom watch is an eventfd, or a file that says POLLPRI. */
void
outcome_oom(struct outcome *o)
{
	uint64_t n;

	(void)!read(o->oom, &n, sizeof(n));
	fd_closep(&o->oom);
	outcome_end(o, RUN_OOM);
}

/* ---- limits ---- */

static int
outcome_enforced(const struct outcome *o, enum cgroup_controller c)
{
	return !!(jail_posture(o->jail)->cgroup_enforced & 1U << c);
}

static int
outcome_needs_watch(const struct outcome *o)
{
	return !outcome_enforced(o, CGROUP_MEMORY) || o->limits.cpu_time_ms > 0;
}

static uint64_t
outcome_cpu_us(struct outcome *o)
{
	struct cgroup_usage u = { 0 };

	jail_usage(o->jail, &u);
	return u.cpu_us > o->watch.cpu_us ? u.cpu_us : o->watch.cpu_us;
}

static void
outcome_look(struct outcome *o, uint64_t now)
{
	const struct plan_limits *l = &o->limits;

	if (!outcome_needs_watch(o) ||
	    now - o->looked_us < WATCH_INTERVAL_MS * 1000)
		return;
	o->looked_us = now;
	if (!outcome_enforced(o, CGROUP_MEMORY)) {
		watch_look(&o->watch, jail_pid(o->jail), o->plan,
		    jail_quota(o->jail));
		if (o->watch.memory_bytes > l->memory_bytes)
			outcome_end(o, RUN_OOM);
	}
	if (l->cpu_time_ms > 0 && outcome_cpu_us(o) > l->cpu_time_ms * 1000)
		outcome_end(o, RUN_CPU_TIME);
}

void
outcome_limits(struct outcome *o, uint64_t now)
{
	const struct plan_limits *l = &o->limits;

	if (o->ended)
		return;
	if (l->wall_ms > 0 && now - o->begin_us >= l->wall_ms * 1000)
		outcome_end(o, RUN_WALL);
	if (l->idle_ms > 0 && now - o->moved_us >= l->idle_ms * 1000)
		outcome_end(o, RUN_IDLE);
	outcome_look(o, now);
}

static void
outcome_sooner(int *timeout, uint64_t now, uint64_t due)
{
	uint64_t ms = due > now ? (due - now + 999) / 1000 : 0;

	if (ms > OUTCOME_SOON_MS)
		ms = OUTCOME_SOON_MS;
	if (*timeout == -1 || (int)ms < *timeout)
		*timeout = (int)ms;
}

int
outcome_timeout(const struct outcome *o, uint64_t now)
{
	const struct plan_limits *l = &o->limits;
	int timeout = -1;

	if (o->ended)
		return -1;
	if (l->wall_ms > 0)
		outcome_sooner(&timeout, now, o->begin_us + l->wall_ms * 1000);
	if (l->idle_ms > 0)
		outcome_sooner(&timeout, now, o->moved_us + l->idle_ms * 1000);
	if (outcome_needs_watch(o))
		outcome_sooner(&timeout, now,
		    o->looked_us + WATCH_INTERVAL_MS * 1000);
	return timeout;
}

/* ---- the end ---- */

/*
 * The pids controller counts what it refuses.  An rlimit does not: then the
 * limit was met if it was seen to be, and nobody knows otherwise.
 */
static int
outcome_pids_met(const struct outcome *o, const struct cgroup_usage *u)
{
	if (outcome_enforced(o, CGROUP_PIDS))
		return u->pids_refused > 0;
	return o->watch.tasks_peak >= o->limits.pids ? 1 : -1;
}

void
outcome_meter(struct outcome *o)
{
	struct cgroup_usage u;

	cgroup_meter_open(&o->meter, jail_cgroup(o->jail));
	if (o->watched)
		return;
	outcome_watch_oom(o);
	cgroup_meter_read(&o->meter, &u);
	if (u.oom_kills > 0)
		outcome_end(o, RUN_OOM);
}

void
outcome_settle(struct outcome *o, uint64_t output_bytes, int output_met)
{
	struct cgroup_usage *u = &o->report.usage;

	o->report.wall_us = clock_now_us() - o->begin_us;
	o->report.output_bytes = output_bytes;
	outcome_meter(o);
	cgroup_meter_read(&o->meter, u);
	if (u->cpu_us < o->watch.cpu_us)
		u->cpu_us = o->watch.cpu_us;
	if (u->memory_peak_bytes < o->watch.memory_peak_bytes)
		u->memory_peak_bytes = o->watch.memory_peak_bytes;
	o->report.pids_met = outcome_pids_met(o, u);
	/* its last bytes came after its end, and not all were passed on */
	if (output_met && o->report.end == RUN_EXITED)
		o->report.end = RUN_OUTPUT;
	/* the kernel killed a process of it: it was no ordinary signal */
	if (u->oom_kills > 0 && o->report.end != RUN_EXITED)
		o->report.end = RUN_OOM;
}

void
outcome_finish(struct outcome *o)
{
	fd_closep(&o->oom);
	cgroup_meter_finish(&o->meter);
}
