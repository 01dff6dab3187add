/* Waiters for a run's end, followers of what is committed. */
#include <errno.h>
#include <string.h>

#include "engine_parts.h"

struct engine_waiter {
	TAILQ_ENTRY(engine_waiter) next;
	struct engine *en;
	struct engine_waiters *list;
	engine_wait_fn *fn;
	void *arg;
	char *tenant, *run_id;
};

struct engine_follower {
	TAILQ_ENTRY(engine_follower) next;
	struct engine *en;
	struct engine_followers *list;
	struct loop_call *call;
	char *tenant, *id;
};

static size_t
watch_bucket(const char *id)
{
	size_t h = 5381;

	for (; *id != '\0'; id++)
		h = h * 33 ^ (unsigned char)*id;
	return h % ENGINE_BUCKETS;
}

/* ---- followers ---- */

static void
watch_wake(struct engine *en, const char *tenant, const char *id)
{
	struct engine_follower *f;
	struct err e;

	TAILQ_FOREACH (f, &en->followers[watch_bucket(id)], next)
		if (strcmp(f->id, id) == 0 && strcmp(f->tenant, tenant) == 0 &&
		    loop_call_set(f->call, &e) == -1)
			engine_trouble(en, "follower", &e);
}

void
engine_watch_changed(struct engine *en, const char *tenant, const char *run_id,
    const char *thread_id)
{
	watch_wake(en, tenant, run_id);
	watch_wake(en, tenant, thread_id);
}

void
engine_thread_changed(struct engine *en, const char *tenant,
    const char *thread_id)
{
	watch_wake(en, tenant, thread_id);
}

int
engine_follow(struct engine *en, const char *tenant, const char *id,
    loop_fn *fn, void *arg, struct engine_follower **ret, struct err *e)
{
	struct engine_follower *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_sys(e, ENOMEM, "follower");
	f->en = en;
	f->tenant = strdup(tenant);
	f->id = strdup(id);
	f->list = &en->followers[watch_bucket(id)];
	TAILQ_INSERT_TAIL(f->list, f, next);
	if (f->tenant == NULL || f->id == NULL) {
		engine_unfollow(f);
		return err_sys(e, ENOMEM, "follower");
	}
	if (loop_call_create(en->loop, fn, arg, &f->call, e) == -1) {
		engine_unfollow(f);
		return -1;
	}
	*ret = f;
	return 0;
}

void
engine_unfollow(struct engine_follower *f)
{
	if (f == NULL)
		return;
	TAILQ_REMOVE(f->list, f, next);
	loop_call_destroy(f->call);
	free(f->tenant);
	free(f->id);
	free(f);
}

/* ---- waiters ---- */

void
engine_wait_cancel(struct engine_waiter *w)
{
	if (w == NULL)
		return;
	storage_forget(w->en->storage, w);
	TAILQ_REMOVE(w->list, w, next);
	free(w->tenant);
	free(w->run_id);
	free(w);
}

/* The handle is void when the callback is called. */
static void
watch_fire(struct engine_waiter *w, const struct storage_run *r,
    const struct err *error)
{
	engine_wait_fn *fn = w->fn;
	void *arg = w->arg;

	engine_wait_cancel(w);
	fn(arg, r, error);
}

static int
watch_is(const struct engine_waiter *w, const struct storage_run *r)
{
	return strcmp(w->run_id, r->run_id) == 0 &&
	       strcmp(w->tenant, r->tenant) == 0;
}

/* Taken out first: a callback may cancel others, and wait anew. */
static void
watch_ended(struct engine *en, const struct storage_run *r)
{
	struct engine_waiters *list = &en->waiters[watch_bucket(r->run_id)];
	int deleted = strcmp(r->status, "deleted") == 0;
	struct engine_waiters mine = TAILQ_HEAD_INITIALIZER(mine);
	struct engine_waiter *w, *next;

	for (w = TAILQ_FIRST(list); w != NULL; w = next) {
		next = TAILQ_NEXT(w, next);
		if (!watch_is(w, r))
			continue;
		TAILQ_REMOVE(list, w, next);
		TAILQ_INSERT_TAIL(&mine, w, next);
		w->list = &mine;
	}
	while ((w = TAILQ_FIRST(&mine)) != NULL)
		watch_fire(w, deleted ? NULL : r, NULL);
}

void
engine_watch_ended(struct engine *en, const struct storage_run *r)
{
	engine_watch_changed(en, r->tenant, r->run_id, r->thread_id);
	watch_ended(en, r);
}

/* How it was when the wait began: over already? */
static void
watch_looked(void *arg, const struct storage_run *r, const struct err *error)
{
	struct engine_waiter *w = arg;

	if (r == NULL)
		watch_fire(w, NULL,
		    error->code == ERR_NOT_FOUND ? NULL : error);
	else if (r->ended_at_ms != 0)
		watch_fire(w, r, NULL);
}

int
engine_wait(struct engine *en, const char *tenant, const char *run_id,
    engine_wait_fn *fn, void *arg, struct engine_waiter **ret, struct err *e)
{
	struct storage_run_get_request q = { .tenant = tenant,
		.run_id = run_id };
	struct engine_waiter *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return err_sys(e, ENOMEM, "waiter");
	w->en = en;
	w->fn = fn;
	w->arg = arg;
	w->tenant = strdup(tenant);
	w->run_id = strdup(run_id);
	w->list = &en->waiters[watch_bucket(run_id)];
	TAILQ_INSERT_TAIL(w->list, w, next);
	if (w->tenant == NULL || w->run_id == NULL)
		(void)err_sys(e, ENOMEM, "waiter");
	else if (storage_run_get(en->storage, &q, watch_looked, w, e) == 0) {
		*ret = w;
		return 0;
	}
	engine_wait_cancel(w);
	return -1;
}

void
engine_watch_clear(struct engine *en)
{
	struct engine_follower *f;
	struct engine_waiter *w;
	size_t i;

	for (i = 0; i < ENGINE_BUCKETS; i++) {
		while ((w = TAILQ_FIRST(&en->waiters[i])) != NULL)
			engine_wait_cancel(w);
		while ((f = TAILQ_FIRST(&en->followers[i])) != NULL)
			engine_unfollow(f);
	}
}
