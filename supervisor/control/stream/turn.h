/*
 * turn.h: which run of a thread comes next, asked once for all who follow it.
 *
 * A follower of a thread goes from run to run; between two it has a place
 * here: idle until something of the thread is committed, then waiting for the
 * list of its runs, then ready.
 */
#ifndef STREAM_TURN_H
#define STREAM_TURN_H

#include "hub_parts.h"

enum turn_what {
	TURN_RUN, /* there is one: its id is in "found" */
	TURN_WAIT, /* place.fn will be called */
	TURN_GONE, /* the thread is */
	TURN_FAILED, /* its runs cannot be read */
};

/* A follower's; the owner sets place.fn and .arg, after and newest. */
struct turn_waiter {
	struct place place;
	struct turn *turn; /* NULL: it follows no thread */
	int newest; /* the first time, not the next but the newest there is */
	int was_newest; /* which "found" is */
	enum turn_what verdict;
	uint64_t version; /* that its last answer knew */
	char after[HUB_ID_SIZE]; /* "": from the first */
	char found[HUB_ID_SIZE];
};

must_check int turn_join(struct hub *h, const char *tenant,
    const char *thread_id, struct turn_waiter *w, struct err *e);
void turn_leave(struct turn_waiter *w);

const char *turn_tenant(const struct turn_waiter *w);
const char *turn_thread(const struct turn_waiter *w);

/* Commits of the thread, counted; watch: p is ready when there is another. */
uint64_t turn_version(const struct turn_waiter *w);
void turn_watch(struct turn_waiter *w, struct place *p);

/* The run behind w->after; that is then the one behind which the next is. */
enum turn_what turn_next(struct turn_waiter *w);

#endif /* !STREAM_TURN_H */
