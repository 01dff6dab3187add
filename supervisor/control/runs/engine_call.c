/* Operations that the engine passes on, and what it does when they answer. */
#include <errno.h>

#include "engine_parts.h"

int
engine_call_create(struct engine *en, struct engine_attempt *a,
    void (*fn)(void), void *arg, struct engine_call **ret, struct err *e)
{
	struct engine_call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_sys(e, ENOMEM, "call");
	c->en = en;
	c->a = a;
	c->fn = fn;
	c->arg = arg;
	TAILQ_INSERT_TAIL(&en->calls, c, next);
	*ret = c;
	return 0;
}

void
engine_call_destroy(struct engine_call *c)
{
	storage_forget(c->en->storage, c);
	TAILQ_REMOVE(&c->en->calls, c, next);
	free(c);
}

void
engine_call_drop(struct engine *en, const struct engine_attempt *a)
{
	struct engine_call *c, *next;

	for (c = TAILQ_FIRST(&en->calls); c != NULL; c = next) {
		next = TAILQ_NEXT(c, next);
		if (c->a == a)
			engine_call_destroy(c);
	}
}

/*
 * PASS(name, op, record, f): engine_name() submits op; the answer is followed up by
 * f, then handed to the caller.  The call is freed first: the caller may
 * do anything.
 */
/* clang-format off */
#define PASS(name, op, record, FOLLOW_UP) \
	static void \
	call_##op(void *arg, const struct storage_##record *r, \
	    const struct err *error) \
	{ \
		struct engine_call *c = arg; \
		struct engine *en = c->en; \
		storage_##op##_fn *fn = (storage_##op##_fn *)c->fn; \
		void *fn_arg = c->arg; \
		engine_call_destroy(c); \
		if (r != NULL) \
			FOLLOW_UP(en, r); \
		if (fn != NULL) \
			fn(fn_arg, r, error); \
	} \
	int \
	name(struct engine *en, \
	    const struct storage_##op##_request *q, storage_##op##_fn *fn, \
	    void *arg, struct err *e) \
	{ \
		struct engine_call *c; \
		if (engine_call_create(en, NULL, (void (*)(void))fn, arg, &c, \
			e) == -1) \
			return -1; \
		if (storage_##op(en->storage, q, call_##op, c, e) == 0) \
			return 0; \
		engine_call_destroy(c); \
		return -1; \
	}

/* clang-format on */

static void
call_made(struct engine *en, const struct storage_run_made *r)
{
	const struct storage_run *run = &r->rows.v[0];

	engine_follow_up(en, r->stop.v, r->stop.n, r->ended.v, r->ended.n);
	engine_watch_changed(en, run->tenant, run->run_id, run->thread_id);
}

static void
call_cut(struct engine *en, const struct storage_run_cut *r)
{
	engine_follow_up(en, r->stop.v, r->stop.n, r->ended.v, r->ended.n);
}

static must_check int call_create(struct engine *en,
    const struct storage_run_create_request *q, storage_run_create_fn *fn,
    void *arg, struct err *e);

PASS(call_create, run_create, run_made, call_made)
PASS(engine_run_cancel, run_cancel, run_cut, call_cut)
PASS(engine_run_delete, run_delete, run_cut, call_cut)
PASS(engine_thread_delete, thread_delete, run_cut, call_cut)
PASS(engine_assistant_delete, assistant_delete, run_cut, call_cut)

/* How many may wait is the operator's word, not the caller's. */
int
engine_run_create(struct engine *en, const struct storage_run_create_request *q,
    storage_run_create_fn *fn, void *arg, struct err *e)
{
	struct storage_run_create_request mine = *q;

	mine.queue_max = en->config.queue_max;
	return call_create(en, &mine, fn, arg, e);
}

/* clang-format off */
/* WRITE(op, record): of an attempt; nobody else has its fence. */
#define WRITE(op, record) \
	static void \
	call_##op(void *arg, const struct storage_##record *r, \
	    const struct err *error) \
	{ \
		struct engine_call *c = arg; \
		struct engine_attempt *a = c->a; \
		storage_##op##_fn *fn = (storage_##op##_fn *)c->fn; \
		void *fn_arg = c->arg; \
		engine_call_destroy(c); \
		if (r != NULL) \
			engine_watch_changed(a->en, a->run.tenant, \
			    a->run.run_id, a->run.thread_id); \
		else if (error->code == ERR_CONFLICT) \
			engine_attempt_forfeit(a); \
		if (fn != NULL) \
			fn(fn_arg, r, error); \
	} \
	static int \
	write_##op(struct engine_attempt *a, \
	    const struct storage_##op##_request *q, storage_##op##_fn *fn, \
	    void *arg, struct err *e) \
	{ \
		struct engine_call *c; \
		if (engine_call_create(a->en, a, (void (*)(void))fn, arg, &c, \
			e) == -1) \
			return -1; \
		if (storage_##op(a->en->storage, q, call_##op, c, e) == 0) \
			return 0; \
		engine_call_destroy(c); \
		return -1; \
	}
/* clang-format on */

WRITE(event_append, appended)
WRITE(checkpoint_put, appended)
WRITE(checkpoint_write, appended)

int
engine_emit(struct engine_attempt *a, const struct storage_event *events,
    size_t n, storage_event_append_fn *fn, void *arg, struct err *e)
{
	struct storage_event_append_request q = { .tenant = a->run.tenant,
		.run_id = a->run.run_id,
		.fence = a->run.fence };

	q.events.v = events;
	q.events.n = n;
	return write_event_append(a, &q, fn, arg, e);
}

int
engine_checkpoint(struct engine_attempt *a,
    const struct storage_checkpoint_put_request *q,
    storage_checkpoint_put_fn *fn, void *arg, struct err *e)
{
	struct storage_checkpoint_put_request mine = *q;

	mine.tenant = a->run.tenant;
	mine.thread_id = a->run.thread_id;
	mine.run_id = a->run.run_id;
	mine.fence = a->run.fence;
	return write_checkpoint_put(a, &mine, fn, arg, e);
}

int
engine_writes(struct engine_attempt *a,
    const struct storage_checkpoint_write_request *q,
    storage_checkpoint_write_fn *fn, void *arg, struct err *e)
{
	struct storage_checkpoint_write_request mine = *q;

	mine.tenant = a->run.tenant;
	mine.thread_id = a->run.thread_id;
	mine.run_id = a->run.run_id;
	mine.fence = a->run.fence;
	return write_checkpoint_write(a, &mine, fn, arg, e);
}
