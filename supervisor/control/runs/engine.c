#include <errno.h>
#include <string.h>

#include "crash.h"
#include "engine_parts.h"

static void engine_claim(struct engine *en);

void
engine_trouble(const struct engine *en, const char *what, const struct err *e)
{
	if (en->config.trouble != NULL)
		en->config.trouble(en->config.trouble_arg, what, e);
}

/* A timer that cannot be set would leave the engine asleep for good. */
static void
engine_timer(struct engine *en, struct loop_timer *t, uint64_t ms)
{
	struct err e;

	if (loop_timer_set(t, ms, &e) == -1)
		engine_trouble(en, "timer", &e);
}

/* ---- runs to stop, runs that ended ---- */

static enum engine_why
engine_why_of(const struct storage_run *r)
{
	if (strcmp(r->status, "running") != 0)
		return ENGINE_WHY_LOST; /* deleted with its run */
	return r->cancel != NULL && strcmp(r->cancel, "rollback") == 0
		   ? ENGINE_WHY_ROLLBACK
		   : ENGINE_WHY_INTERRUPT;
}

static void
engine_stop_one(struct engine *en, const struct storage_run *r)
{
	struct engine_attempt *a;
	enum engine_why why = engine_why_of(r);

	a = engine_attempt_find(en, r->tenant, r->run_id, r->fence);
	if (a != NULL && why == ENGINE_WHY_LOST)
		engine_attempt_lost(a);
	else if (a != NULL)
		engine_attempt_stop(a, why);
	if (why == ENGINE_WHY_LOST)
		engine_watch_ended(en, r);
}

void
engine_follow_up(struct engine *en, const struct storage_run *stop,
    size_t nstop, const struct storage_run *ended, size_t nended)
{
	size_t i;

	for (i = 0; i < nended; i++)
		engine_watch_ended(en, &ended[i]);
	for (i = 0; i < nstop; i++)
		engine_stop_one(en, &stop[i]);
	engine_wake(en);
}

/* ---- claims ---- */

static void
engine_claimed(void *arg, const struct storage_claims *r,
    const struct err *error)
{
	struct engine *en = arg;
	size_t i;

	CRASH_POINT();
	en->claiming = 0;
	if (r == NULL) {
		engine_trouble(en, "claim", error);
		engine_timer(en, en->due, ENGINE_AGAIN_MS);
		return;
	}
	/* whoever waited behind these is due; without them asking again would
	 * never end */
	if (r->ended.n > 0)
		engine_follow_up(en, NULL, 0, r->ended.v, r->ended.n);
	for (i = 0; i < r->rows.n; i++)
		engine_attempt_begin(en, &r->rows.v[i]);
	/* more than were looked at may be due: ask until none is */
	if (r->wait_ms > 0)
		engine_timer(en, en->due, (uint64_t)r->wait_ms);
	if (r->wait_ms == 0 || en->wanted)
		engine_wake(en);
}

static void
engine_claim(struct engine *en)
{
	struct storage_run_claim_request q = { .holder = en->holder,
		.lease_ms = (int64_t)en->config.lease_ms,
		.tenant_max = en->config.running_tenant_max };
	size_t room = en->nattempts < en->config.running_max
			  ? en->config.running_max - en->nattempts
			  : 0;
	struct err e;

	CRASH_POINT();
	if (en->claiming) {
		en->wanted = 1;
		return;
	}
	if (!en->recovered || en->draining || room == 0)
		return; /* whoever changes that wakes us */
	en->wanted = 0;
	q.limit = room < STORAGE_LIMIT_MAX ? (int64_t)room : STORAGE_LIMIT_MAX;
	if (storage_run_claim(en->storage, &q, engine_claimed, en, &e) == -1) {
		engine_trouble(en, "claim", &e);
		engine_timer(en, en->due, ENGINE_AGAIN_MS);
		return;
	}
	en->claiming = 1;
}

static void
engine_woken(void *arg)
{
	engine_claim(arg);
}

void
engine_wake(struct engine *en)
{
	struct err e;

	CRASH_POINT();
	if (loop_call_set(en->wake, &e) == -1)
		engine_trouble(en, "wake", &e);
}

void
engine_gone(struct engine *en)
{
	if (en->draining && en->nattempts == 0 && en->drained != NULL) {
		loop_fn *fn = en->drained;

		en->drained = NULL;
		fn(en->drained_arg);
		return;
	}
	engine_wake(en);
}

/* ---- leases ---- */

/* Expired ones of our own: an attempt that we lost sight of. */
static void
engine_expired(void *arg, const struct storage_recovery *r,
    const struct err *error)
{
	struct engine *en = arg;

	CRASH_POINT();
	en->renewing = 0;
	if (r == NULL)
		engine_trouble(en, "leases", error);
	else
		engine_follow_up(en, NULL, 0, r->ended.v, r->ended.n);
}

static void
engine_renewed(void *arg, const struct storage_leases *r,
    const struct err *error)
{
	struct storage_run_expire_request q;
	struct engine *en = arg;
	struct engine_attempt *a;
	struct err e;
	size_t i;

	CRASH_POINT();
	if (r == NULL) {
		en->renewing = 0;
		engine_trouble(en, "leases", error);
		return;
	}
	for (i = 0; i < r->rows.n; i++) {
		a = engine_attempt_find(en, r->rows.v[i].tenant,
		    r->rows.v[i].run_id, r->rows.v[i].fence);
		/* one whose end is on its way has no lease any more */
		if (a != NULL && a->phase != ENGINE_ENDING)
			engine_attempt_lost(a);
	}
	/* only now: what could be renewed was */
	q.holder = en->holder;
	if (storage_run_expire(en->storage, &q, engine_expired, en, &e) == -1)
		engine_expired(en, NULL, &e);
}

static void
engine_renew(void *arg)
{
	struct storage_run_renew_request q = { 0 };
	struct storage_lease *leases;
	struct engine *en = arg;
	struct engine_attempt *a;
	struct err e;

	engine_timer(en, en->renew, en->config.lease_ms / 3);
	if (en->renewing)
		return;
	leases = calloc(en->nattempts + 1, sizeof(*leases));
	if (leases == NULL)
		return;
	TAILQ_FOREACH (a, &en->attempts, next)
		leases[q.leases.n++] = (struct storage_lease){
			.tenant = a->run.tenant,
			.run_id = a->run.run_id,
			.fence = a->run.fence,
		};
	q.holder = en->holder;
	q.lease_ms = (int64_t)en->config.lease_ms;
	q.leases.v = leases;
	en->renewing = 1;
	if (storage_run_renew(en->storage, &q, engine_renewed, en, &e) == -1)
		engine_renewed(en, NULL, &e);
	free(leases);
}

/* ---- what expires ---- */

static void
engine_swept(void *arg, const struct storage_count *r, const struct err *error)
{
	struct engine *en = arg;

	en->sweeping--;
	if (r == NULL)
		engine_trouble(en, "sweep", error);
}

static const struct storage_count uncounted;

static void
engine_swept_runs(void *arg, const struct storage_swept *r,
    const struct err *error)
{
	struct engine *en = arg;

	if (r != NULL)
		en->runs_next = r->next;
	engine_swept(en, r != NULL ? &uncounted : NULL, error);
}

static void
engine_swept_threads(void *arg, const struct storage_swept *r,
    const struct err *error)
{
	struct engine *en = arg;

	if (r != NULL)
		en->threads_next = r->next;
	engine_swept(en, r != NULL ? &uncounted : NULL, error);
}

/* What the operator does not keep for ever, as long as he said. */
static int
engine_sweep_old(struct engine *en)
{
	const struct engine_config *c = &en->config;
	int64_t now = storage_now_ms(en->storage);
	const struct storage_event_expire_request events = {
		.ended_before_ms = now - (int64_t)c->events_kept_ms,
		.limit = ENGINE_SWEEP_ROWS,
	};
	const struct storage_run_forget_request runs = {
		.ended_before_ms = now - (int64_t)c->runs_kept_ms,
		.after = en->runs_next,
		.limit = ENGINE_SWEEP_ROWS,
	};
	const struct storage_thread_forget_request threads = {
		.changed_before_ms = now - (int64_t)c->threads_kept_ms,
		.after = en->threads_next,
		.limit = ENGINE_SWEEP_ROWS,
	};
	int n = 0;

	if (c->events_kept_ms != ENGINE_FOR_EVER)
		n += storage_event_expire(en->storage, &events, engine_swept,
			 en, NULL) == 0;
	if (c->runs_kept_ms != 0)
		n += storage_run_forget(en->storage, &runs, engine_swept_runs,
			 en, NULL) == 0;
	if (c->threads_kept_ms != 0)
		n += storage_thread_forget(en->storage, &threads,
			 engine_swept_threads, en, NULL) == 0;
	return n;
}

static void
engine_sweep(void *arg)
{
	struct engine *en = arg;
	struct storage_thread_expire_request threads = { ENGINE_SWEEP_ROWS };
	struct storage_item_expire_request items = { ENGINE_SWEEP_ROWS };

	CRASH_POINT();
	engine_timer(en, en->sweep, en->config.sweep_ms);
	if (en->sweeping > 0)
		return;
	en->sweeping += storage_thread_expire(en->storage, &threads,
			    engine_swept, en, NULL) == 0;
	en->sweeping += storage_item_expire(en->storage, &items, engine_swept,
			    en, NULL) == 0;
	en->sweeping += engine_sweep_old(en);
}

/* ---- beginning and end ---- */

static void engine_recover(void *arg);

static void
engine_recovered(void *arg, const struct storage_recovery *r,
    const struct err *error)
{
	struct engine *en = arg;

	CRASH_POINT();
	if (r == NULL) {
		/* no claim before it: two attempts could have one run */
		engine_trouble(en, "recovery", error);
		engine_timer(en, en->due, ENGINE_AGAIN_MS);
		return;
	}
	en->recovered = 1;
	engine_timer(en, en->renew, en->config.lease_ms / 3);
	engine_timer(en, en->sweep, en->config.sweep_ms);
	engine_follow_up(en, NULL, 0, r->ended.v, r->ended.n);
}

static void
engine_recover(void *arg)
{
	struct engine *en = arg;
	struct storage_run_recover_request q = { en->holder };
	struct err e;

	CRASH_POINT();
	if (storage_run_recover(en->storage, &q, engine_recovered, en, &e) ==
	    -1)
		engine_recovered(en, NULL, &e);
}

static void
engine_due(void *arg)
{
	struct engine *en = arg;

	if (en->recovered)
		engine_claim(en);
	else
		engine_recover(en);
}

static void
engine_out_of_patience(void *arg)
{
	struct engine_attempt *a, *next;
	struct engine *en = arg;

	for (a = TAILQ_FIRST(&en->attempts); a != NULL; a = next) {
		next = TAILQ_NEXT(a, next);
		engine_attempt_stop(a, ENGINE_WHY_DRAIN);
	}
}

static void
engine_settle(struct engine_config *c)
{
	const struct {
		uint64_t *at, value;
	} defaults[] = {
		{ &c->lease_ms, ENGINE_LEASE_MS },
		{ &c->grace_ms, ENGINE_GRACE_MS },
		{ &c->kill_ms, ENGINE_KILL_MS },
		{ &c->wall_ms, ENGINE_WALL_MS },
		{ &c->backoff_ms, ENGINE_BACKOFF_MS },
		{ &c->sweep_ms, ENGINE_SWEEP_MS },
		{ &c->events_kept_ms, ENGINE_EVENTS_KEPT_MS },
	};

	size_t i;

	for (i = 0; i < countof(defaults); i++)
		if (*defaults[i].at == 0)
			*defaults[i].at = defaults[i].value;
	if (c->running_max == 0)
		c->running_max = ENGINE_RUNNING_MAX;
}

static int
engine_arm(struct engine *en, struct err *e)
{
	const struct {
		loop_fn *fn;
		struct loop_timer **at;
	} timers[] = {
		{ engine_due, &en->due },
		{ engine_renew, &en->renew },
		{ engine_sweep, &en->sweep },
		{ engine_out_of_patience, &en->patience },
	};

	size_t i;

	if (loop_call_create(en->loop, engine_woken, en, &en->wake, e) == -1)
		return -1;
	for (i = 0; i < countof(timers); i++)
		if (loop_timer_create(en->loop, timers[i].fn, en, timers[i].at,
			e) == -1)
			return -1;
	return loop_timer_set(en->due, 0, e);
}

int
engine_create(struct loop *l, struct storage *s, const struct engine_config *c,
    struct engine **ret, struct err *e)
{
	struct engine *en = calloc(1, sizeof(*en));
	size_t i;

	if (en == NULL)
		return err_sys(e, ENOMEM, "engine");
	en->loop = l;
	en->storage = s;
	en->config = *c;
	engine_settle(&en->config);
	uuid_v7(en->holder);
	TAILQ_INIT(&en->attempts);
	TAILQ_INIT(&en->calls);
	for (i = 0; i < ENGINE_BUCKETS; i++) {
		TAILQ_INIT(&en->waiters[i]);
		TAILQ_INIT(&en->followers[i]);
	}
	if (engine_arm(en, e) == -1) {
		engine_destroy(en);
		return -1;
	}
	*ret = en;
	return 0;
}

void
engine_destroy(struct engine *en)
{
	struct engine_attempt *a;
	struct engine_call *c;

	if (en == NULL)
		return;
	while ((a = TAILQ_FIRST(&en->attempts)) != NULL)
		engine_attempt_destroy(a);
	while ((c = TAILQ_FIRST(&en->calls)) != NULL)
		engine_call_destroy(c);
	engine_watch_clear(en);
	storage_forget(en->storage, en);
	loop_call_destroy(en->wake);
	loop_timer_destroy(en->due);
	loop_timer_destroy(en->renew);
	loop_timer_destroy(en->sweep);
	loop_timer_destroy(en->patience);
	free(en);
}

int
engine_drain(struct engine *en, uint64_t patience_ms, loop_fn *done, void *arg,
    struct err *e)
{
	if (loop_timer_set(en->patience, patience_ms, e) == -1)
		return -1;
	en->draining = 1;
	en->drained = done;
	en->drained_arg = arg;
	if (en->nattempts == 0)
		engine_gone(en);
	return 0;
}

size_t
engine_running(const struct engine *en)
{
	return en->nattempts;
}
