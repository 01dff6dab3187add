/*
 * hub.h: what all streams of the process share.
 *
 * Run by warder-control on its loop.  Whatever follows a run or a thread
 * holds a place in exactly one list:
 *
 *	none       it is at work, or its client takes nothing just now
 *	idle       it has all that was committed; a commit moves it on
 *	waiting    the storage will answer
 *	ready      its turn comes, so that nobody's callback is in another's
 *
 * Reads of the storage are counted: a few at once, the others wait for their
 * turn.  What they brought is kept for those who follow the same run, up to
 * a configured size, the oldest use going first; nobody holds a part of it
 * while its client is slow, so that what streams cost is that size and
 * nothing else.
 */
#ifndef STREAM_HUB_H
#define STREAM_HUB_H

#include <stdint.h>

#include "supervisor/control/runs/engine.h"

enum {
	HUB_CACHE_BYTES = 16 * 1024 * 1024,
	HUB_CACHE_MS = 10 * 1000, /* unused */
	HUB_READS_MAX = 32, /* at once; the storage has others to serve */
	HUB_READ_ROWS = 256,
	HUB_READ_BYTES = 256 * 1024,
	HUB_FEED_CHUNKS = 64, /* of one run; most are one event */
	HUB_TURN = 256, /* followers in one turn of the loop */
	HUB_THREAD_RUNS = 1000, /* of a thread, looked at for the next */
};

/* clang-format off */
#define LIMITS_STREAM(X) \
	X(HUB_CACHE_BYTES, "bytes of events kept for those who follow", \
	    "the newest of some hundred runs; what is not there is read again", \
	    "what was not used for longest goes") \
	X(HUB_CACHE_MS, "ms that events are kept without use", \
	    "clients that come back come at once", \
	    "they are read again") \
	X(HUB_READS_MAX, "reads of events at once", \
	    "one keeps the storage busy; each may bring 1 MiB", \
	    "the others wait for their turn") \
	X(HUB_TURN, "followers in one turn of the loop", \
	    "a millisecond or two of sending", \
	    "the others come on the next turn")

/* clang-format on */

struct hub;

struct hub_options {
	struct loop *loop;
	struct storage *storage;
	struct engine *engine;
	uint64_t cache_bytes; /* 0: HUB_CACHE_BYTES */
	uint64_t heartbeat_ms;
};

must_check int hub_create(const struct hub_options *o, struct hub **ret,
    struct err *e);
void hub_destroy(struct hub *h); /* nobody follows any more */

/* The signs of life of all who wait for something; the hub's. */
struct pulse;
struct pulse *hub_pulse(struct hub *h);

/* For tests and /metrics. */
struct hub_counts {
	size_t cached_bytes;
	size_t reading; /* reads that are not answered */
	uint64_t reads, shared; /* asked for; found among what was kept */
};

void hub_count(const struct hub *h, struct hub_counts *ret);

#endif /* !STREAM_HUB_H */
