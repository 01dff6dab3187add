/* hub_parts.h: what the files of streams share. */
#ifndef STREAM_HUB_PARTS_H
#define STREAM_HUB_PARTS_H

#include <sys/queue.h>

#include "hub.h"
#include "pulse.h"

enum {
	HUB_BUCKETS = 1024,
	HUB_ID_SIZE = 40,
};

/* A follower's place; fn is called when it was in ready and is out of it. */
TAILQ_HEAD(places, place);

struct place {
	TAILQ_ENTRY(place) next;
	struct places *list; /* NULL: it is in none */
	loop_fn *fn;
	void *arg;
};

/*
 * A read of the storage, the first member of what it is about: begin is
 * called when it may be asked for.  One that nobody waits for any more is
 * still counted until the storage has answered: whoever comes and goes must
 * not have more of it than others.
 */
TAILQ_HEAD(hub_reads, hub_read);

enum hub_read_state {
	READ_NONE,
	READ_WAITS, /* in hub.waiting */
	READ_ASKED,
	READ_ORPHAN, /* asked, for nobody; in hub.orphans */
};

struct hub_read {
	TAILQ_ENTRY(hub_read) next;
	struct hub *hub;
	enum hub_read_state state;
	loop_fn *begin; /* its arg is the read */
};

/* Rows of a run, one block of memory, as one read brought them. */
TAILQ_HEAD(chunks, chunk);

struct chunk {
	TAILQ_ENTRY(chunk) next; /* of its feed, as they came */
	TAILQ_ENTRY(chunk) lru; /* of the hub, newest use first */
	struct feed *feed;
	unsigned pins; /* by followers that are ready and will send it */
	size_t bytes;
	uint64_t used_ms;
	size_t n;
	struct storage_event rows[];
};

LIST_HEAD(feeds, feed);
LIST_HEAD(turns, turn);
TAILQ_HEAD(feed_reads, feed_read);

/* What a read tells of a run. */
struct known {
	int64_t last_seq;
	int ended;
	int gone; /* none of its events is kept any more */
	char status[24]; /* "": there is no such run any more */
};

/* A run that somebody follows. */
struct feed {
	LIST_ENTRY(feed) next;
	struct hub *hub;
	struct engine_follower *follower;
	unsigned readers; /* wherever their places are */
	struct places idle;
	struct feed_reads reads; /* that were not answered */
	struct chunks chunks;
	unsigned nchunks;
	/*
	 * A commit makes the next version; a read knows all that was there
	 * when it was asked for.  What is known is the present where both are
	 * the same.
	 */
	uint64_t version, known_version;
	struct known known;
	char tenant[STORAGE_TENANT_MAX + 1];
	char run_id[HUB_ID_SIZE];
};

struct hub {
	struct loop *loop;
	struct storage *storage;
	struct engine *engine;
	uint64_t cache_bytes;
	struct pulse *pulse;

	struct places ready;
	struct loop_call *turn;

	struct hub_reads waiting, orphans;
	unsigned reading;
	int choosing; /* in hub_read_next() */
	uint64_t reads, shared;

	struct chunks chunks; /* by their use */
	size_t cached_bytes;
	unsigned pinned; /* chunks */
	struct loop_timer *age; /* set while there are chunks */
	int aging;

	struct feeds feeds[HUB_BUCKETS];
	struct turns turns[HUB_BUCKETS];
};

void hub_move(struct place *p, struct places *list); /* NULL: into none */
void hub_ready(struct hub *h, struct place *p);

/* Now, or when others have been answered. */
void hub_read_ask(struct hub *h, struct hub_read *r);
/* It is freed; abandoned where the storage has it, when that answers. */
void hub_read_answered(struct hub_read *r);
void hub_read_abandon(struct hub_read *r);

/* Keep it, and drop what is too much; the chunk is the hub's. */
void hub_keep(struct hub *h, struct chunk *c);
void hub_use(struct hub *h, struct chunk *c);
void hub_drop(struct hub *h, struct chunk *c);
void hub_pin(struct hub *h, struct chunk *c);
void hub_unpin(struct hub *h, struct chunk *c);

size_t hub_bucket(const char *id);

#endif /* !STREAM_HUB_PARTS_H */
