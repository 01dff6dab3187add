#include "turn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A thread that somebody follows. */
struct turn {
	LIST_ENTRY(turn) next;
	struct hub *hub;
	struct engine_follower *follower;
	unsigned waiters; /* wherever their places are */
	struct places idle;
	struct places asking; /* for the next read */
	struct places watching; /* commits */
	struct turn_read *read; /* NULL: there is none */
	uint64_t version; /* commits, as in a feed */
	char tenant[STORAGE_TENANT_MAX + 1];
	char thread_id[HUB_ID_SIZE];
};

struct turn_read {
	struct hub_read read;
	struct turn *turn;
	struct places waiting;
	uint64_t version;
};

static void turn_read(struct turn *t);

static struct turn_waiter *
waiter_of(struct place *p)
{
	return (struct turn_waiter *)p; /* its first member */
}

/* ---- reading ------------------------------------------------------------------ */

/* Ids of runs grow with time: the next one is the least above this. */
static const char *
next_run(const struct turn_waiter *w, const struct storage_runs *l)
{
	const char *next = NULL;
	size_t i;

	if (w->newest && l->rows.n > 0)
		return l->rows.v[0].run_id;
	for (i = 0; i < l->rows.n; i++)
		if (strcmp(l->rows.v[i].run_id, w->after) > 0 &&
		    (next == NULL || strcmp(l->rows.v[i].run_id, next) < 0))
			next = l->rows.v[i].run_id;
	return next;
}

static void
waiter_answer(struct turn_waiter *w, const struct storage_runs *l,
    const struct err *e)
{
	const char *next = l != NULL ? next_run(w, l) : NULL;

	w->verdict = TURN_WAIT;
	if (l == NULL)
		w->verdict = e->code == ERR_NOT_FOUND ? TURN_GONE : TURN_FAILED;
	else if (next != NULL) {
		w->verdict = TURN_RUN;
		w->was_newest = w->newest;
		(void)snprintf(w->found, sizeof(w->found), "%s", next);
	}
	w->newest = 0;
}

static void
on_runs(void *arg, const struct storage_runs *l, const struct err *e)
{
	struct turn_read *q = arg;
	struct turn *t = q->turn;
	struct place *p;

	if (q->read.state == READ_ORPHAN) {
		hub_read_answered(&q->read);
		return;
	}
	while ((p = TAILQ_FIRST(&q->waiting)) != NULL) {
		waiter_of(p)->version = q->version;
		waiter_answer(waiter_of(p), l, e);
		hub_ready(t->hub, p);
	}
	t->read = NULL;
	hub_read_answered(&q->read);
	turn_read(t);
}

static void
read_begin(void *arg)
{
	struct turn_read *q = arg;
	struct turn *t = q->turn;
	const struct storage_run_list_request r = {
		.tenant = t->tenant,
		.thread_id = t->thread_id,
		.limit = HUB_THREAD_RUNS,
	};
	struct err e = { 0 };
	struct place *p;

	q->version = t->version;
	while ((p = TAILQ_FIRST(&t->asking)) != NULL)
		hub_move(p, &q->waiting);
	if (storage_run_list(t->hub->storage, &r, on_runs, q, &e) == -1)
		on_runs(q, NULL, &e);
}

/* One at a time; who asks meanwhile has the next. */
static void
turn_read(struct turn *t)
{
	struct turn_read *q;
	struct place *p;

	if (t->read != NULL || TAILQ_EMPTY(&t->asking))
		return;
	q = calloc(1, sizeof(*q));
	if (q == NULL) {
		while ((p = TAILQ_FIRST(&t->asking)) != NULL) {
			waiter_of(p)->verdict = TURN_FAILED;
			hub_ready(t->hub, p);
		}
		return;
	}
	q->turn = t;
	q->read.begin = read_begin;
	TAILQ_INIT(&q->waiting);
	t->read = q;
	hub_read_ask(t->hub, &q->read);
}

static void
turn_woken(void *arg)
{
	struct turn *t = arg;
	struct place *p;

	t->version++;
	while ((p = TAILQ_FIRST(&t->idle)) != NULL)
		hub_move(p, &t->asking);
	while ((p = TAILQ_FIRST(&t->watching)) != NULL)
		hub_ready(t->hub, p);
	turn_read(t);
}

enum turn_what
turn_next(struct turn_waiter *w)
{
	struct turn *t = w->turn;

	hub_move(&w->place, NULL);
	if (w->verdict != TURN_WAIT) {
		enum turn_what verdict = w->verdict;

		w->verdict = TURN_WAIT;
		memcpy(w->after, w->found, sizeof(w->after));
		w->version = 0;
		return verdict;
	}
	/* an older answer than the last commit is none */
	if (w->version == t->version) {
		hub_move(&w->place, &t->idle);
		return TURN_WAIT;
	}
	hub_move(&w->place, &t->asking);
	turn_read(t);
	return TURN_WAIT;
}

/* ---- coming and going ----------------------------------------------------------- */

const char *
turn_tenant(const struct turn_waiter *w)
{
	return w->turn->tenant;
}

const char *
turn_thread(const struct turn_waiter *w)
{
	return w->turn->thread_id;
}

uint64_t
turn_version(const struct turn_waiter *w)
{
	return w->turn->version;
}

void
turn_watch(struct turn_waiter *w, struct place *p)
{
	hub_move(p, &w->turn->watching);
}

static struct turn *
turn_find(struct hub *h, const char *tenant, const char *thread_id)
{
	struct turn *t;

	LIST_FOREACH (t, &h->turns[hub_bucket(thread_id)], next)
		if (strcmp(t->thread_id, thread_id) == 0 &&
		    strcmp(t->tenant, tenant) == 0)
			return t;
	return NULL;
}

static int
turn_create(struct hub *h, const char *tenant, const char *thread_id,
    struct turn **ret, struct err *e)
{
	struct turn *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_sys(e, ENOMEM, "a thread's runs");
	t->hub = h;
	t->version = 1;
	TAILQ_INIT(&t->idle);
	TAILQ_INIT(&t->asking);
	TAILQ_INIT(&t->watching);
	(void)snprintf(t->tenant, sizeof(t->tenant), "%s", tenant);
	(void)snprintf(t->thread_id, sizeof(t->thread_id), "%s", thread_id);
	if (engine_follow(h->engine, tenant, thread_id, turn_woken, t,
		&t->follower, e) == -1) {
		free(t);
		return -1;
	}
	LIST_INSERT_HEAD(&h->turns[hub_bucket(thread_id)], t, next);
	*ret = t;
	return 0;
}

int
turn_join(struct hub *h, const char *tenant, const char *thread_id,
    struct turn_waiter *w, struct err *e)
{
	struct turn *t = turn_find(h, tenant, thread_id);

	if (t == NULL && turn_create(h, tenant, thread_id, &t, e) == -1)
		return -1;
	t->waiters++;
	w->turn = t;
	w->verdict = TURN_WAIT;
	w->version = 0;
	return 0;
}

static void
turn_destroy(struct turn *t)
{
	if (t->read != NULL)
		hub_read_abandon(&t->read->read);
	engine_unfollow(t->follower);
	LIST_REMOVE(t, next);
	free(t);
}

void
turn_leave(struct turn_waiter *w)
{
	struct turn *t = take_ptr(&w->turn);

	if (t == NULL)
		return;
	hub_move(&w->place, NULL);
	if (--t->waiters == 0)
		turn_destroy(t);
}
