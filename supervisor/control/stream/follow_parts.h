/*
 * follow_parts.h: what the two files of a follow share: what any stream has,
 * and what only a thread's has.
 */
#ifndef STREAM_FOLLOW_PARTS_H
#define STREAM_FOLLOW_PARTS_H

#include "buf.h"
#include "feed.h"
#include "follow.h"
#include "turn.h"

enum {
	FOLLOW_SAID_SIZE = 256,
};

/* What no run stores: the last words. */
struct said {
	size_t size, sent;
	char text[FOLLOW_SAID_SIZE];
};

/* Most streams wait most of the time: this is what they cost. */
struct follow {
	struct hub *hub;
	const struct follow_sink *sink;
	void *sink_arg;
	struct beat beat; /* from the first pull on */
	struct feed_reader reader;
	struct thread *thread; /* NULL: it follows one run */
	size_t offset; /* of the next event's frame, that was sent */
	struct said *said; /* NULL: nothing */
	unsigned modes;
	enum frame_what what;
	int ids, cancel, present;
	int over; /* nothing comes behind what is said */
	int cut; /* and its client must see that something is missing */
};

/*
 * A thread's stream goes from run to run, and may show the states that
 * clients make, which no run has: before anything else of what comes.
 */
struct thread {
	struct turn_waiter turn; /* its "after" is the run that is followed */
	struct follow *follow;
	unsigned shown; /* enum frame_shown */
	follow_state_fn *state;
	struct place watch; /* for states: commits of the thread */
	struct states_read *read; /* NULL: none is under way */
	uint64_t looked; /* the thread's version, when states were asked for */
	int due; /* there may be some that were not looked at */
	int unseen; /* none before now is meant */
	struct buf text; /* framed, to be sent before anything else */
	char checkpoint_id[HUB_ID_SIZE]; /* the last state; "": none */
};

must_check int thread_create(struct follow *f, const struct follow_options *o,
    struct err *e);
void thread_destroy(struct thread *t); /* NULL is fine */

/* Do the next thing: 1 if there is more to do, 0 when somebody will call. */
int thread_go(struct follow *f);

/* The run is over, or gone: the next comes. */
void thread_run_ended(struct follow *f);

/* follow.c's, for thread.c. */
void follow_go(void *follow);
int follow_run(struct follow *f); /* as thread_go() */
void follow_fail(struct follow *f, const char *error, const char *message);
struct frame_style follow_style(const struct follow *f);

#endif /* !STREAM_FOLLOW_PARTS_H */
