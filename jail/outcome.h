/*
 * outcome.h: the limits of one command in one jail, and how it ended.
 *
 * Runs in the launcher, on whatever loop it has: run.c's for one jail,
 * warderd's for many.  It looks at no stream; what the command printed cannot
 * forge how it ended, which is made from what the kernel and warder-init say.
 *
 *	running ──event, limit, outcome_end──► ended ──GONE──► gone
 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdint.h>

#include "jail.h"
#include "plan.h"
#include "run_end.h"
#include "watch.h"

struct run_report {
	enum run_end end;
	int status; /* as wait(2) gives it, where it ran */
	int lost_status; /* of LOST: the same of warder-init; -1: unknown */
	int sys; /* errno of NOT_FOUND and NOT_EXECUTED */
	uint32_t step; /* enum init_step of these */
	int pids_met; /* a fork was refused at the limit; -1: unknown */
	int disk_met; /* a writable file system was full at the end */
	uint64_t wall_us;
	uint64_t output_bytes;
	struct cgroup_usage usage; /* watchdog's numbers filled in */
	uint64_t max_rss_bytes; /* of the largest process */
};

struct outcome {
	struct jail *jail;
	const struct plan *plan;
	struct plan_limits limits; /* the plan's; a launcher may lessen them */
	int ended; /* the command has */
	int gone; /* so has its jail */
	int watched; /* the oom watch was asked for */
	int oom; /* its descriptor; -1 */
	short oom_events;
	struct cgroup_meter meter;
	uint64_t begin_us;
	uint64_t moved_us; /* when bytes moved last: the launcher's to set */
	uint64_t looked_us;
	struct run_report report;
	struct watch watch;
};

/* Borrows both until outcome_finish(); its time begins. */
void outcome_init(struct outcome *o, struct jail *j, const struct plan *p);

/*
 * For a launcher that gives its streams away: idle and output limits are kept
 * by whoever has them.  wall_ms, unless it is 0 or more than the plan's, is
 * the limit.
 */
void outcome_lessen(struct outcome *o, uint64_t wall_ms);

/* It has ended so: the jail is killed.  The first reason stands. */
void outcome_end(struct outcome *o, enum run_end end);

/* FAILED or EXITED of the command, or GONE of the jail; others are nothing. */
void outcome_event(struct outcome *o, const struct jail_event *v);

/* The oom watch has something; it is closed. */
void outcome_oom(struct outcome *o);

/* End what has met a limit. */
void outcome_limits(struct outcome *o, uint64_t now_us);

/* In how many ms outcome_limits() is due; -1: never. */
int outcome_timeout(const struct outcome *o, uint64_t now_us);

/*
 * Open what the report is read from, and what tells that memory has run out in
 * a jail that lived before outcome_init(), while nobody waits for it.  Without
 * it outcome_settle() does so.
 */
void outcome_meter(struct outcome *o);

/* When it is over: the report, whole.  output: see relay.h. */
void outcome_settle(struct outcome *o, uint64_t output_bytes, int output_met);

/*
 * One that has not been settled, over the launcher's execve(2): see
 * handover.h.  Its bytes are the caller's to carry; both are borrowed anew.
 */
struct handover;
must_check int jail_carry_outcome(struct outcome *o, struct jail *j,
    const struct plan *p, struct handover *h, struct err *e);

/* Close what it holds. */
void outcome_finish(struct outcome *o);

#endif /* !OUTCOME_H */
