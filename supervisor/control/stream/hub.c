#include "hub_parts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "log.h"

size_t
hub_bucket(const char *id)
{
	size_t n = 5381;

	for (; *id != '\0'; id++)
		n = n * 33 ^ (unsigned char)*id;
	return n % HUB_BUCKETS;
}

/* ---- places --------------------------------------------------------------- */

void
hub_move(struct place *p, struct places *list)
{
	if (p->list != NULL)
		TAILQ_REMOVE(p->list, p, next);
	p->list = list;
	if (list != NULL)
		TAILQ_INSERT_TAIL(list, p, next);
}

static void
hub_turn_soon(struct hub *h)
{
	struct err e = { 0 };

	if (loop_call_set(h->turn, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "streams", &e);
}

void
hub_ready(struct hub *h, struct place *p)
{
	hub_move(p, &h->ready);
	hub_turn_soon(h);
}

/* Some at a time: others than streams want to be served, too. */
static void
hub_turn(void *arg)
{
	struct hub *h = arg;
	struct place *p;
	unsigned i;

	for (i = 0; i < HUB_TURN && (p = TAILQ_FIRST(&h->ready)) != NULL; i++) {
		hub_move(p, NULL);
		p->fn(p->arg);
	}
	if (!TAILQ_EMPTY(&h->ready))
		hub_turn_soon(h);
}

/* ---- reads ------------------------------------------------------------------ */

/* What is pinned was read and is about to be sent: it counts as being read. */
static int
hub_may_read(const struct hub *h)
{
	return h->reading + h->pinned < HUB_READS_MAX;
}

static void
hub_read_begin(struct hub *h, struct hub_read *r)
{
	TAILQ_REMOVE(&h->waiting, r, next);
	r->state = READ_ASKED;
	h->reading++;
	h->reads++;
	r->begin(r);
}

/* One that fails at once comes back here: it does not go deeper for that. */
static void
hub_read_next(struct hub *h)
{
	struct hub_read *r;

	if (h->choosing)
		return;
	h->choosing = 1;
	while (hub_may_read(h) && (r = TAILQ_FIRST(&h->waiting)) != NULL)
		hub_read_begin(h, r);
	h->choosing = 0;
}

void
hub_read_ask(struct hub *h, struct hub_read *r)
{
	assert(r->state == READ_NONE);
	r->hub = h;
	r->state = READ_WAITS;
	TAILQ_INSERT_TAIL(&h->waiting, r, next);
	hub_read_next(h);
}

void
hub_read_answered(struct hub_read *r)
{
	struct hub *h = r->hub;

	assert(r->state == READ_ASKED || r->state == READ_ORPHAN);
	if (r->state == READ_ORPHAN)
		TAILQ_REMOVE(&h->orphans, r, next);
	h->reading--;
	free(r);
	hub_read_next(h);
}

void
hub_read_abandon(struct hub_read *r)
{
	struct hub *h = r->hub;

	if (r->state == READ_ASKED) {
		r->state = READ_ORPHAN;
		TAILQ_INSERT_TAIL(&h->orphans, r, next);
		return;
	}
	assert(r->state == READ_WAITS);
	TAILQ_REMOVE(&h->waiting, r, next);
	free(r);
}

/* ---- what is kept ------------------------------------------------------------- */

void
hub_drop(struct hub *h, struct chunk *c)
{
	assert(c->pins == 0);
	TAILQ_REMOVE(&h->chunks, c, lru);
	TAILQ_REMOVE(&c->feed->chunks, c, next);
	c->feed->nchunks--;
	h->cached_bytes -= c->bytes;
	free(c);
}

void
hub_pin(struct hub *h, struct chunk *c)
{
	if (c->pins++ == 0)
		h->pinned++;
}

void
hub_unpin(struct hub *h, struct chunk *c)
{
	if (--c->pins > 0)
		return;
	h->pinned--;
	hub_read_next(h);
}

/* The one that was not used for longest and that nobody is about to send. */
static struct chunk *
hub_oldest(struct hub *h)
{
	struct chunk *c;

	TAILQ_FOREACH_REVERSE(c, &h->chunks, chunks, lru)
	if (c->pins == 0)
		return c;
	return NULL;
}

static void
hub_age_soon(struct hub *h)
{
	if (!h->aging && loop_timer_set(h->age, HUB_CACHE_MS / 2, NULL) == 0)
		h->aging = 1;
}

static void
hub_age(void *arg)
{
	struct hub *h = arg;
	uint64_t now = loop_now_ms();
	struct chunk *c;

	h->aging = 0;
	while ((c = hub_oldest(h)) != NULL && now - c->used_ms >= HUB_CACHE_MS)
		hub_drop(h, c);
	if (!TAILQ_EMPTY(&h->chunks))
		hub_age_soon(h);
}

void
hub_use(struct hub *h, struct chunk *c)
{
	c->used_ms = loop_now_ms();
	if (c == TAILQ_FIRST(&h->chunks))
		return;
	TAILQ_REMOVE(&h->chunks, c, lru);
	TAILQ_INSERT_HEAD(&h->chunks, c, lru);
}

/* The newest stays, whatever it is: somebody is to send it. */
static void
hub_trim(struct hub *h)
{
	struct chunk *c;

	while (h->cached_bytes > h->cache_bytes &&
	       (c = hub_oldest(h)) != NULL && c != TAILQ_FIRST(&h->chunks))
		hub_drop(h, c);
}

static void
hub_trim_feed(struct hub *h, struct feed *f)
{
	struct chunk *c, *next;

	for (c = TAILQ_FIRST(&f->chunks);
	     c != NULL && f->nchunks > HUB_FEED_CHUNKS; c = next) {
		next = TAILQ_NEXT(c, next);
		if (c->pins == 0 && c != TAILQ_FIRST(&h->chunks))
			hub_drop(h, c);
	}
}

void
hub_keep(struct hub *h, struct chunk *c)
{
	c->used_ms = loop_now_ms();
	TAILQ_INSERT_HEAD(&h->chunks, c, lru);
	TAILQ_INSERT_TAIL(&c->feed->chunks, c, next);
	c->feed->nchunks++;
	h->cached_bytes += c->bytes;
	hub_trim(h);
	hub_trim_feed(h, c->feed);
	hub_age_soon(h);
}

/* ---- begin and end -------------------------------------------------------------- */

int
hub_create(const struct hub_options *o, struct hub **ret, struct err *e)
{
	struct hub *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return err_sys(e, ENOMEM, "streams");
	h->loop = o->loop;
	h->storage = o->storage;
	h->engine = o->engine;
	h->cache_bytes = o->cache_bytes > 0 ? o->cache_bytes : HUB_CACHE_BYTES;
	TAILQ_INIT(&h->ready);
	TAILQ_INIT(&h->waiting);
	TAILQ_INIT(&h->orphans);
	TAILQ_INIT(&h->chunks);
	if (loop_call_create(o->loop, hub_turn, h, &h->turn, e) == -1 ||
	    loop_timer_create(o->loop, hub_age, h, &h->age, e) == -1 ||
	    pulse_create(o->loop, o->heartbeat_ms, &h->pulse, e) == -1) {
		hub_destroy(h);
		return -1;
	}
	*ret = h;
	return 0;
}

struct pulse *
hub_pulse(struct hub *h)
{
	return h->pulse;
}

void
hub_destroy(struct hub *h)
{
	struct hub_read *r;

	if (h == NULL)
		return;
	assert(TAILQ_EMPTY(&h->ready) && TAILQ_EMPTY(&h->chunks));
	assert(TAILQ_EMPTY(&h->waiting));
	while ((r = TAILQ_FIRST(&h->orphans)) != NULL) {
		storage_forget(h->storage, r);
		TAILQ_REMOVE(&h->orphans, r, next);
		free(r);
	}
	pulse_destroy(h->pulse);
	loop_timer_destroy(h->age);
	loop_call_destroy(h->turn);
	free(h);
}

void
hub_count(const struct hub *h, struct hub_counts *ret)
{
	*ret = (struct hub_counts){ .cached_bytes = h->cached_bytes,
		.reading = h->reading,
		.reads = h->reads,
		.shared = h->shared };
}
