/*
 * follow.h: events of a run, or of all runs of a thread, as they come.
 *
 * Run by warder-control on its loop.  A client's stream is a cursor into what
 * is stored: it is read where the last one ended, when the client's socket
 * has taken what it got before.  Nothing is queued for a client that is slow;
 * one that was slow for so long that its events are gone is told so.
 *
 *	event: values|child:1
 *	data: {...}
 *	id: 7
 *
 * The id is the event's number in its run, in a thread's stream with the run
 * before it; where that shows states that clients make, with the last one
 * behind it: RUN:SEQ:CHECKPOINT.
 */
#ifndef STREAM_FOLLOW_H
#define STREAM_FOLLOW_H

#include <stdint.h>

#include "supervisor/control/runs/engine.h"

#define FOLLOW_NOW INT64_MAX

struct follow;

/*
 * Where the text goes.  write takes as much as there is room for and says how
 * much that was; end: nothing more comes, the follow is gone.  Neither may
 * come back into the follow.
 */
struct follow_sink {
	int (*room)(void *arg);
	size_t (*write)(void *arg, const void *p, size_t n);
	void (*end)(void *arg);
	void *arg;
};

enum follow_what {
	FOLLOW_EVENTS, /* what a client of the run sees */
	FOLLOW_LOG, /* what its agent wrote to its log */
};

/* What a thread's stream shows. */
enum follow_shown {
	FOLLOW_RUN_MODES = 1 << 0, /* its runs' events, and their ends */
	FOLLOW_LIFECYCLE = 1 << 1, /* their beginnings and ends alone */
	FOLLOW_STATE_UPDATE = 1 << 2, /* states that clients make */
};

/* The text of a thread's state as clients know it, allocated; NULL: why. */
typedef char *follow_state_fn(const struct storage_checkpoint *c,
    struct err *e);

struct follow_options {
	struct loop *loop;
	struct storage *storage;
	struct engine *engine;
	uint64_t heartbeat_ms;

	const char *tenant;
	const char *run_id; /* NULL: all runs of the thread */
	const char *thread_id; /* where run_id is NULL */
	/*
	 * Of a run: the event behind which it begins, -1 for all, FOLLOW_NOW
	 * for what comes.
	 */
	int64_t after_seq;
	/* Of a thread: the id of an event, "-" for all, "" for what comes. */
	const char *after;
	enum follow_what what;
	unsigned modes; /* bits of follow_mode(); 0: whatever there is */
	unsigned shown; /* enum follow_shown, of a thread; 0: its runs */
	follow_state_fn *state; /* with FOLLOW_STATE_UPDATE */
	int ids; /* events have them */
	int cancel; /* the run, when the client goes away */
	int present; /* end where what is stored ends */
};

/*
 * The run or the thread is the tenant's: that was looked at.  Everything of o
 * is copied.  Nothing is written before follow_pull().  ERR_INVALID if
 * "after" is no id.
 */
must_check int follow_create(const struct follow_options *o,
    const struct follow_sink *sink, struct follow **ret, struct err *e);

/* A struct follow: there is room again; the client has gone. */
void follow_pull(void *follow);
void follow_gone(void *follow);

/* A stream_mode as its bit; 0: there is no such mode. */
unsigned follow_mode(const char *name);

/* The same of a thread's stream: enum follow_shown. */
unsigned follow_shown(const char *name);

#endif /* !STREAM_FOLLOW_H */
