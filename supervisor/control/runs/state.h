/*
 * state.h: the states of a run and what moves it between them.
 *
 * Pure; used by storage, which carries out every transition in one
 * transaction with its event, and by the engine, which asks for them.
 *
 *	        CANCEL                      ROLLBACK, DELETE
 *	    .-----------------> INTERRUPTED      .----------> DELETED
 *	    |      ORPHAN            ^           |               ^
 *	    | .---> ERROR            |           |               |
 *	  PENDING ---------------------------------              |
 *	    ^  |                     |                           |
 *	    |  | CLAIM               | INTERRUPT, STOPPED        | UNDONE, DELETE
 *	    |  v                     |                           |
 *	  RUNNING -------------------+---------------------------+
 *	    |  RETRY, LOSE: back to PENDING
 *	    |  CANCEL, ROLLBACK: still RUNNING, asked to stop
 *	    |-- SUCCEED --> SUCCESS
 *	    |-- FAIL -----> ERROR
 *	    '-- WALL -----> TIMEOUT
 *
 * What has ended can only be deleted.  DELETED is not stored as a state: the
 * run's row is gone, a tombstone is there.
 */
#ifndef STATE_H
#define STATE_H

#include <stdint.h>

#include "base.h"

/* clang-format off */
/*   name, as the API calls it, has it ended */
#define STATES(X) \
	X(PENDING,     "pending",     0) \
	X(RUNNING,     "running",     0) \
	X(SUCCESS,     "success",     1) \
	X(ERROR,       "error",       1) \
	X(TIMEOUT,     "timeout",     1) \
	X(INTERRUPTED, "interrupted", 1) \
	X(DELETED,     "deleted",     1)

/*   name, who asks for it and when */
#define STATE_EVENTS(X) \
	X(CLAIM,     "the engine: due, first of its thread, a place is free") \
	X(SUCCEED,   "the attempt: it has a result") \
	X(FAIL,      "the attempt: it failed, and no retry is left") \
	X(RETRY,     "the attempt: it failed, a retry is left") \
	X(WALL,      "the engine: the attempt's time was up") \
	X(INTERRUPT, "the attempt: a person has to answer first") \
	X(LOSE,      "the engine: the attempt's host or lease is gone") \
	X(ORPHAN,    "the engine: no agent is there to run it") \
	X(CANCEL,    "a client, or a run that came after it") \
	X(ROLLBACK,  "the same, and nothing of it may stay") \
	X(STOPPED,   "the attempt: it ended after CANCEL") \
	X(UNDONE,    "the attempt: it ended after ROLLBACK") \
	X(DELETE,    "a client: the run, or its thread")

/* clang-format on */

enum state {
#define X(name, api, ended) STATE_##name,
	STATES(X)
#undef X
	STATE__MAX
};

enum state_event {
#define X(name, who) STATE_EVENT_##name,
	STATE_EVENTS(X)
#undef X
	STATE_EVENT__MAX
};

/* What belongs to a transition, in its transaction. */
enum {
	STATE_LEASE = 1 << 0, /* a new fence, a lease */
	STATE_FREE = 1 << 1, /* the lease ends: later writes are refused */
	STATE_DEFER = 1 << 2, /* due again after a while */
	STATE_ASK = 1 << 3, /* the wish is stored, the attempt is told */
	STATE_END = 1 << 4, /* its time is noted, waiters are told */
	STATE_UNDO = 1 << 5, /* what the run stored is removed */
	STATE_REMOVE = 1 << 6, /* the row goes, a tombstone comes */
};

struct state_step {
	enum state next;
	unsigned actions; /* of the above */
};

/* 0 and the step, or -1 if that cannot happen to a run in this state. */
must_check int state_next(enum state s, enum state_event ev,
    struct state_step *ret);

const char *state_name(enum state s); /* "pending" */
int state_ended(enum state s);

/* -1 if no state is called that; "deleted" is none that is stored. */
must_check int state_parse(const char *name, enum state *ret);

/* What is stored of a run, as far as its state says how it must be. */
struct state_facts {
	enum state state;
	int leased; /* an attempt may write for it */
	int asked; /* a cancel is stored */
	int64_t attempt, fence; /* of the newest attempt; 0: none yet */
	int64_t started_at_ms, ended_at_ms; /* 0: not yet */
};

/* NULL, or the invariant that does not hold: a bug of ours. */
const char *state_check(const struct state_facts *f);

#endif /* !STATE_H */
