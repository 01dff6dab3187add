#include "feed.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A read that was not answered, and who waits for it. */
struct feed_read {
	struct hub_read read;
	TAILQ_ENTRY(feed_read) next;
	struct feed *feed;
	struct places waiting;
	int64_t after_seq;
	uint64_t version; /* of the feed, when it was asked for */
};

/* ---- what is kept --------------------------------------------------------- */

static size_t
text_size(const char *s)
{
	return s != NULL ? strlen(s) + 1 : 0;
}

static const char *
text_put(char **at, const char *s)
{
	size_t n = text_size(s);
	char *p = *at;

	if (n == 0)
		return NULL;
	memcpy(p, s, n);
	*at += n;
	return p;
}

/* One block: thousands of small ones would be dearer than what is in them. */
static struct chunk *
chunk_create(struct feed *f, const struct storage_events *l)
{
	size_t i, bytes = sizeof(struct chunk);
	struct chunk *c;
	char *at;

	for (i = 0; i < l->rows.n; i++)
		bytes += sizeof(c->rows[0]) + text_size(l->rows.v[i].name) +
			 text_size(l->rows.v[i].ns) +
			 text_size(l->rows.v[i].data);
	c = malloc(bytes);
	if (c == NULL)
		return NULL;
	*c = (struct chunk){ .feed = f, .bytes = bytes, .n = l->rows.n };
	at = (char *)&c->rows[c->n];
	for (i = 0; i < c->n; i++) {
		c->rows[i] = l->rows.v[i];
		c->rows[i].name = text_put(&at, l->rows.v[i].name);
		c->rows[i].ns = text_put(&at, l->rows.v[i].ns);
		c->rows[i].data = text_put(&at, l->rows.v[i].data);
	}
	return c;
}

/* Those who follow what comes are served by the newest. */
static struct chunk *
chunk_find(const struct feed *f, int64_t seq)
{
	struct chunk *c;

	TAILQ_FOREACH_REVERSE(c, &f->chunks, chunks, next)
	if (c->rows[0].seq <= seq && seq <= c->rows[c->n - 1].seq)
		return c;
	return NULL;
}

static struct feed_reader *
reader_of(struct place *p)
{
	return (struct feed_reader *)p; /* its first member */
}

static void
reader_unpin(struct feed_reader *r)
{
	struct chunk *c = take_ptr(&r->pinned);

	if (c != NULL)
		hub_unpin(c->feed->hub, c);
}

/* ---- the end of a feed ---------------------------------------------------------- */

static void
feed_destroy(struct feed *f)
{
	struct feed_read *q;
	struct chunk *c;

	while ((q = TAILQ_FIRST(&f->reads)) != NULL) {
		TAILQ_REMOVE(&f->reads, q, next);
		hub_read_abandon(&q->read);
	}
	while ((c = TAILQ_FIRST(&f->chunks)) != NULL)
		hub_drop(f->hub, c);
	engine_unfollow(f->follower);
	LIST_REMOVE(f, next);
	free(f);
}

/* ---- reading ---------------------------------------------------------------------- */

static void
known_take(struct known *k, const struct storage_events *l)
{
	*k = (struct known){ .last_seq = -1, .ended = 1 };
	if (l == NULL || l->status == NULL)
		return;
	k->last_seq = l->last_seq;
	k->ended = l->ended != 0;
	k->gone = l->gone && l->last_seq == -1;
	(void)snprintf(k->status, sizeof(k->status), "%s", l->status);
}

/* What comes now is what comes behind this. */
static void
reader_settle(struct feed_reader *r, const struct known *now)
{
	r->seq =
	    now->gone || now->status[0] == '\0' ? FEED_NOTHING : now->last_seq;
	r->late = now->ended;
}

/*
 * Everybody who waited has a turn; where it failed they will say so.  Whoever
 * asked for what comes now begins here: a later answer may come too late, too.
 * now: NULL where it failed.
 */
static void
read_answer(struct feed_read *q, struct chunk *c, const struct known *now,
    enum feed_what verdict)
{
	struct feed *f = q->feed;
	struct place *p;

	while ((p = TAILQ_FIRST(&q->waiting)) != NULL) {
		struct feed_reader *r = reader_of(p);

		assert(r->pinned == NULL);
		r->verdict = verdict;
		if (r->seq == FEED_NOW && now != NULL)
			reader_settle(r, now);
		if (c != NULL)
			hub_pin(f->hub, c);
		r->pinned = c;
		hub_ready(f->hub, p);
	}
	TAILQ_REMOVE(&f->reads, q, next);
	hub_read_answered(&q->read);
}

static void
on_events(void *arg, const struct storage_events *l, const struct err *e)
{
	struct feed_read *q = arg;
	struct feed *f = q->feed;
	struct chunk *c = NULL;
	struct known now;

	if (q->read.state == READ_ORPHAN) {
		hub_read_answered(&q->read);
		return;
	}
	if (l == NULL && e->code != ERR_NOT_FOUND) {
		read_answer(q, NULL, NULL, FEED_FAILED);
		return;
	}
	known_take(&now, l);
	if (q->version >= f->known_version) {
		f->known_version = q->version;
		f->known = now;
	}
	if (l != NULL && l->rows.n > 0) {
		c = chunk_create(f, l);
		if (c == NULL) {
			read_answer(q, NULL, NULL, FEED_FAILED);
			return;
		}
		hub_keep(f->hub, c);
	}
	read_answer(q, c, &now, l != NULL && l->gone ? FEED_GONE : FEED_EVENTS);
}

/* From now on it sees what was committed until now. */
static void
read_begin(void *arg)
{
	struct feed_read *q = arg;
	struct feed *f = q->feed;
	const struct storage_event_read_request r = {
		.tenant = f->tenant,
		.run_id = f->run_id,
		.after_seq = q->after_seq,
		.limit = HUB_READ_ROWS,
		.max_bytes = HUB_READ_BYTES,
	};
	struct err e = { 0 };

	q->version = f->version;
	if (storage_event_read(f->hub->storage, &r, on_events, q, &e) == -1)
		read_answer(q, NULL, NULL, FEED_FAILED);
}

static struct feed_read *
read_create(struct feed *f, int64_t after_seq)
{
	struct feed_read *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->feed = f;
	q->after_seq = after_seq;
	q->read.begin = read_begin;
	TAILQ_INIT(&q->waiting);
	TAILQ_INSERT_HEAD(&f->reads, q, next);
	return q;
}

/* What comes now begins with the present, which an older read does not know. */
static int
is_usable(const struct feed_read *q)
{
	return q->after_seq != FEED_NOW || q->read.state == READ_WAITS ||
	       q->version == q->feed->version;
}

static struct feed_read *
read_find(const struct feed *f, int64_t after_seq)
{
	struct feed_read *q;

	TAILQ_FOREACH (q, &f->reads, next)
		if (q->after_seq == after_seq && is_usable(q))
			return q;
	return NULL;
}

/*
 * Wait for what comes behind r->seq: with others, or as the first, who asks.
 * The read may fail at once: then r is ready already.
 */
static int
feed_want(struct feed_reader *r)
{
	struct feed *f = r->feed;
	struct feed_read *q = read_find(f, r->seq);
	int first = q == NULL;

	if (first)
		q = read_create(f, r->seq);
	if (q == NULL)
		return -1;
	hub_move(&r->place, &q->waiting);
	if (first)
		hub_read_ask(f->hub, &q->read);
	return 0;
}

static void
feed_woken(void *arg)
{
	struct feed *f = arg;
	struct place *p;

	f->version++;
	while ((p = TAILQ_FIRST(&f->idle)) != NULL) {
		struct feed_reader *r = reader_of(p);

		if (feed_want(r) == -1) {
			r->verdict = FEED_FAILED;
			hub_ready(f->hub, p);
		}
	}
}

/* What the only one who follows is done with is kept for nobody. */
static void
feed_forget(struct feed *f, int64_t seq)
{
	struct chunk *c, *next;

	for (c = TAILQ_FIRST(&f->chunks); c != NULL; c = next) {
		next = TAILQ_NEXT(c, next);
		if (c->pins == 0 && c->rows[c->n - 1].seq <= seq)
			hub_drop(f->hub, c);
	}
}

enum feed_what
feed_next(struct feed_reader *r, struct feed_view *ret)
{
	struct feed *f = r->feed;
	int present = f->known_version == f->version;
	struct chunk *c = NULL;

	hub_move(&r->place, NULL);
	if (r->seq == FEED_NOW && present)
		reader_settle(r, &f->known);
	if (r->seq != FEED_NOW && r->verdict == FEED_EVENTS)
		c = chunk_find(f, r->seq + 1);
	reader_unpin(r);
	if (f->readers == 1 && r->seq < FEED_NOTHING)
		feed_forget(f, r->seq);
	if (r->verdict != FEED_EVENTS)
		return r->verdict;
	if (c != NULL) {
		size_t i = (size_t)(r->seq + 1 - c->rows[0].seq);

		hub_use(f->hub, c);
		f->hub->shared++;
		*ret = (struct feed_view){ &c->rows[i], c->n - i, NULL };
		return FEED_EVENTS;
	}
	if (!present || r->seq < f->known.last_seq)
		return feed_want(r) == 0 ? FEED_WAIT : FEED_FAILED;
	ret->status = f->known.status[0] != '\0' ? f->known.status : NULL;
	if (f->known.ended)
		return f->known.gone ? FEED_GONE : FEED_ENDED;
	hub_move(&r->place, &f->idle);
	return FEED_IDLE;
}

/* ---- coming and going ----------------------------------------------------------------- */

static struct feed *
feed_find(struct hub *h, const char *tenant, const char *run_id)
{
	struct feed *f;

	LIST_FOREACH (f, &h->feeds[hub_bucket(run_id)], next)
		if (strcmp(f->run_id, run_id) == 0 &&
		    strcmp(f->tenant, tenant) == 0)
			return f;
	return NULL;
}

/* Followed before anything is read: no commit is between the two. */
static int
feed_create(struct hub *h, const char *tenant, const char *run_id,
    struct feed **ret, struct err *e)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_sys(e, ENOMEM, "a run's events");
	f->hub = h;
	f->version = 1;
	TAILQ_INIT(&f->idle);
	TAILQ_INIT(&f->reads);
	TAILQ_INIT(&f->chunks);
	(void)snprintf(f->tenant, sizeof(f->tenant), "%s", tenant);
	(void)snprintf(f->run_id, sizeof(f->run_id), "%s", run_id);
	if (engine_follow(h->engine, tenant, run_id, feed_woken, f,
		&f->follower, e) == -1) {
		free(f);
		return -1;
	}
	LIST_INSERT_HEAD(&h->feeds[hub_bucket(run_id)], f, next);
	*ret = f;
	return 0;
}

int
feed_join(struct hub *h, const char *tenant, const char *run_id,
    struct feed_reader *r, struct err *e)
{
	struct feed *f = feed_find(h, tenant, run_id);

	if (f == NULL && feed_create(h, tenant, run_id, &f, e) == -1)
		return -1;
	f->readers++;
	r->feed = f;
	r->verdict = FEED_EVENTS;
	r->pinned = NULL;
	return 0;
}

void
feed_leave(struct feed_reader *r)
{
	struct feed *f = take_ptr(&r->feed);

	if (f == NULL)
		return;
	hub_move(&r->place, NULL);
	reader_unpin(r);
	if (--f->readers == 0)
		feed_destroy(f);
}
