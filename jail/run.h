/*
 * run.h: one command in one jail, from its start to its report.
 *
 * Runs in the launcher: relays the standard streams, keeps the limits that
 * the kernel does not keep by itself (wall, idle, processor time, output,
 * and the watchdog's), and says how it ended.  What the command printed
 * cannot forge that: the report is made from what the kernel and warder-init
 * say, and never from the streams.
 */
#ifndef RUN_H
#define RUN_H

#include <stdint.h>

#include "err.h"
#include "jail.h"
#include "outcome.h"
#include "plan.h"
#include "relay.h"

enum {
	RUN_WATCHES = 12
};

/* One more descriptor to look at. */
struct run_watch {
	int fd; /* -1: free */
	void (*ready)(void *ctx, int fd);
	void *ctx;
};

struct run {
	struct jail *jail;
	const struct plan *plan;
	uint32_t id; /* of the command */
	struct relay relay;
	int caller[3]; /* what the streams connect to; -1: nothing */
	int master; /* of the pty; borrowed from the relay; -1 */
	struct run_watch watches[RUN_WATCHES]; /* signals, other clients */
	/* Events of other commands in the jail; NULL: they are dropped. */
	void (*other)(void *ctx, struct jail_event *v);
	void *other_ctx;

	/* In place of caller[1] and [2]; NULL: these. */
	void (*sink)(void *ctx, int stream, const void *bytes, size_t size);
	void *sink_ctx;

	/* private */
	struct outcome outcome;
	int settled; /* the report is whole */
};

void run_init(struct run *r, struct jail *j, const struct plan *p, uint32_t id);

/* Look at fd (borrowed) too; ERR_LIMIT when there are too many. */
must_check int run_add_watch(struct run *r, int fd,
    void (*ready)(void *ctx, int fd), void *ctx, struct err *e);
void run_remove_watch(struct run *r, int fd);

/*
 * Connect our ends of the command's streams (from jail_launch() or
 * jail_start(), taken) to r->caller.
 */
void run_connect(struct run *r, const int ours[3]);

/*
 * Move bytes, keep limits, for timeout_ms (-1: no limit) or until the
 * command has ended, by itself or by a limit, and its output is read: then 1
 * with *ret.  0 when time is up, -1 on an error.
 */
must_check int run_wait(struct run *r, int timeout_ms, struct run_report *ret,
    struct err *e);

/* End it from outside, for that reason; run_wait() then says so. */
void run_stop(struct run *r, enum run_end end);

/* Close what it holds; accepts one that was never connected. */
void run_finish(struct run *r);

/* The exit status that "warder exec" gives for it. */
int run_exit_status(const struct run_report *r);

/* Whether a jail that was lost was killed, and did not end by itself. */
int run_was_killed(const struct run_report *r);

/* "exited", "oom", … and the text of the table. */
const char *run_end_name(enum run_end end);
const char *run_end_text(enum run_end end);

#endif /* !RUN_H */
