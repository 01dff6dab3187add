/*
 * feed.h: the events of one run, read once for all who follow it.
 *
 * A follower has a place and a number: the event that it is done with.  What
 * comes behind that is given to it out of what is kept, or is read; those who
 * need the same read wait for the same one.
 *
 *	          feed_next   commit      answer        its turn   client away
 *	at work   as below    -           -             -          gone
 *	idle      -           waiting     -             -          gone
 *	waiting   -           -           ready         -          gone
 *	ready     -           -           -             at work    gone
 *
 *	feed_next: kept?  ........................ FEED_EVENTS, at work
 *	           all known, the present known? . FEED_IDLE, idle
 *	           the same, and the run has ended FEED_ENDED, at work
 *	           otherwise ..................... FEED_WAIT, waiting
 *
 * A commit that comes between the asking for a read and its answer makes what
 * that read knows the past, whoever waits for it: feed_next() reads again.  A
 * follower whose client takes nothing is at work: it is in no list, and asks
 * when there is room again.
 */
#ifndef STREAM_FEED_H
#define STREAM_FEED_H

#include "hub_parts.h"

#define FEED_NOW INT64_MAX
#define FEED_NOTHING (FEED_NOW - 1) /* behind all events */

enum feed_what {
	FEED_EVENTS, /* of the view */
	FEED_IDLE, /* there is nothing, and all is known */
	FEED_WAIT, /* it is being read */
	FEED_ENDED, /* nothing comes behind what was given */
	FEED_GONE, /* what comes next is not kept any more */
	FEED_FAILED, /* it cannot be read */
};

/* A follower's; the owner sets place.fn and .arg and seq, then joins. */
struct feed_reader {
	struct place place;
	struct feed *feed; /* NULL: it follows none */
	int64_t seq; /* the last event that it is done with; FEED_NOW */
	int late; /* what comes now was asked of a run that had ended */
	struct chunk *pinned;
	enum feed_what verdict; /* GONE or FAILED of its last read */
};

/* Of FEED_EVENTS: the rows, until the loop goes on; of others: the status. */
struct feed_view {
	const struct storage_event *rows; /* the first is seq + 1 */
	size_t n;
	const char *status; /* NULL: there is no such run */
};

must_check int feed_join(struct hub *h, const char *tenant, const char *run_id,
    struct feed_reader *r, struct err *e);
void feed_leave(struct feed_reader *r); /* also of one that did not join */

/*
 * What comes behind r->seq.  The place is out of its list; with FEED_IDLE and
 * FEED_WAIT it is in another, and place.fn will be called.
 */
enum feed_what feed_next(struct feed_reader *r, struct feed_view *ret);

#endif /* !STREAM_FEED_H */
