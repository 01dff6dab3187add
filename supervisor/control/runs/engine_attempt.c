/* An attempt: begun, stopped, ended. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "crash.h"
#include "engine_parts.h"
#include "text.h"

const struct storage_run *
engine_attempt_run(const struct engine_attempt *a)
{
	return &a->run;
}

struct engine *
engine_attempt_engine(const struct engine_attempt *a)
{
	return a->en;
}

struct engine_attempt *
engine_attempt_find(struct engine *en, const char *tenant, const char *run_id,
    int64_t fence)
{
	struct engine_attempt *a;

	TAILQ_FOREACH (a, &en->attempts, next)
		if (strcmp(a->run.run_id, run_id) == 0 &&
		    strcmp(a->run.tenant, tenant) == 0 &&
		    (fence == 0 || a->run.fence == fence))
			return a;
	return NULL;
}

/* ---- the end ---- */

/* The session has been told for the last time. */
static void
attempt_free(struct engine_attempt *a)
{
	struct engine *en = a->en;

	if (a->session != NULL)
		en->config.starter->release(take_ptr(&a->session));
	engine_call_drop(en, a);
	storage_forget(en->storage, a);
	TAILQ_REMOVE(&en->attempts, a, next);
	en->nattempts--;
	loop_timer_destroy(a->timer);
	hold_finish(&a->hold);
	free(a);
}

static void
attempt_gone(struct engine_attempt *a)
{
	struct engine *en = a->en;

	attempt_free(a);
	engine_gone(en);
}

void
engine_attempt_destroy(struct engine_attempt *a)
{
	CRASH_POINT();
	if (a->session != NULL && a->phase < ENGINE_KILLING) {
		a->phase = ENGINE_KILLING;
		a->en->config.starter->kill(a->session, ENGINE_WHY_DRAIN);
	}
	attempt_free(a);
}

static void
attempt_stored(void *arg, const struct storage_run_end *r,
    const struct err *error)
{
	struct engine_attempt *a = arg;
	struct engine *en = a->en;

	if (r == NULL && error->code != ERR_CONFLICT &&
	    error->code != ERR_INVALID) {
		/* no room, no disk: it is not over before it is stored */
		engine_trouble(en, "end of a run", error);
		if (loop_timer_set(a->timer, ENGINE_AGAIN_MS, NULL) == 0)
			return;
	}
	if (r != NULL && r->again)
		engine_watch_changed(en, a->run.tenant, a->run.run_id,
		    a->run.thread_id);
	else if (r != NULL)
		engine_watch_ended(en, &r->rows.v[0]);
	else
		engine_trouble(en, "end of a run", error);
	attempt_gone(a);
}

static void
attempt_store(struct engine_attempt *a)
{
	struct engine *en = a->en;
	struct err e;

	CRASH_POINT();
	if (storage_run_finish(en->storage, &a->end, attempt_stored, a, &e) ==
	    -1)
		attempt_stored(a, NULL, &e);
}

/* 500 ms, 1 s, 2 s … */
static int64_t
attempt_backoff(const struct engine_attempt *a, int64_t first_ms)
{
	uint64_t ms =
	    first_ms > 0 ? (uint64_t)first_ms : a->en->config.backoff_ms;
	int64_t n;

	for (n = 1; n < a->run.attempt && ms < ENGINE_BACKOFF_MAX_MS; n++)
		ms *= 2;
	return (
	    int64_t)(ms < ENGINE_BACKOFF_MAX_MS ? ms : ENGINE_BACKOFF_MAX_MS);
}

/* What was asked of it decides how what it says is read. */
static const char *
attempt_status(const struct engine_attempt *a, const char *said)
{
	if (a->phase == ENGINE_ALIVE || strcmp(said, "success") == 0)
		return said;
	if (a->why == ENGINE_WHY_TIMEOUT)
		return "timeout";
	return a->why == ENGINE_WHY_DRAIN ? "lost" : said;
}

int
engine_end(struct engine_attempt *a, const struct engine_end *end,
    struct err *e)
{
	struct storage_run_finish_request q = {
		.tenant = a->run.tenant,
		.run_id = a->run.run_id,
		.fence = a->run.fence,
		.status = attempt_status(a, end->status),
		.error = end->error,
		.output = end->output,
		.interrupts = end->interrupts,
		.retry = end->retry,
		.backoff_ms = attempt_backoff(a, end->backoff_ms),
	};

	CRASH_POINT();
	if (a->phase == ENGINE_ENDING)
		return err_set(e, ERR_CONFLICT, "this attempt has ended");
	q.events.v = end->events;
	q.events.n = end->nevents;
	record_copy(&a->hold, record_q_run_finish(), &a->end, &q);
	a->phase = ENGINE_ENDING;
	loop_timer_clear(a->timer);
	attempt_store(a);
	return 0;
}

/* {"error": class, "message": text} */
static const char *
attempt_error(struct engine_attempt *a, const char *class, const char *message)
{
	char buf[1024];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add(&t, "{\"error\":");
	text_add_json(&t, class);
	text_add(&t, ",\"message\":");
	text_add_json(&t, message);
	text_add(&t, "}");
	assert(!t.truncated); /* a struct err has less than half of it */
	return hold_text(&a->hold, buf);
}

static void
attempt_fail(struct engine_attempt *a, const char *class, const char *message,
    int retry)
{
	struct engine_end end = { .status = "error",
		.retry = retry,
		.error = attempt_error(a, class, message) };
	struct storage_event ev = { .name = "error", .data = end.error };

	end.events = &ev;
	end.nevents = 1;
	(void)!engine_end(a, &end, NULL);
}

/* ---- stopping ---- */

static void
attempt_arm(struct engine_attempt *a, uint64_t ms)
{
	struct err e;

	if (loop_timer_set(a->timer, ms, &e) == -1)
		engine_trouble(a->en, "timer", &e);
}

static void
attempt_kill(struct engine_attempt *a)
{
	a->phase = ENGINE_KILLING;
	attempt_arm(a, a->en->config.kill_ms);
	a->en->config.starter->kill(a->session, a->why);
}

void
engine_attempt_stop(struct engine_attempt *a, enum engine_why why)
{
	if (a->phase != ENGINE_ALIVE)
		return;
	a->phase = ENGINE_STOPPING;
	a->why = why;
	attempt_arm(a, a->en->config.grace_ms);
	a->en->config.starter->stop(a->session, why);
}

void
engine_attempt_lost(struct engine_attempt *a)
{
	if (a->session != NULL && a->phase < ENGINE_KILLING) {
		a->phase = ENGINE_KILLING;
		a->why = ENGINE_WHY_LOST;
		a->en->config.starter->kill(a->session, ENGINE_WHY_LOST);
	}
	attempt_gone(a);
}

/* Not at once: whoever wrote is in the middle of its answer. */
void
engine_attempt_forfeit(struct engine_attempt *a)
{
	if (a->phase == ENGINE_ENDING)
		return; /* its end will be refused as well */
	a->forfeited = 1;
	attempt_arm(a, 0);
}

/* Its wall time, its grace, our patience with its end, or a store again. */
static void
attempt_timed(void *arg)
{
	struct engine_attempt *a = arg;

	if (a->forfeited && a->phase != ENGINE_ENDING) {
		engine_attempt_lost(a);
		return;
	}
	switch (a->phase) {
	case ENGINE_ALIVE:
		engine_attempt_stop(a, ENGINE_WHY_TIMEOUT);
		break;
	case ENGINE_STOPPING:
		attempt_kill(a);
		break;
	case ENGINE_KILLING:
		attempt_fail(a, "RunStuck", "the attempt could not be ended",
		    0);
		break;
	case ENGINE_ENDING:
		attempt_store(a);
		break;
	}
}

/* ---- beginning ---- */

static struct engine_attempt *
attempt_create(struct engine *en, const struct storage_claim *c, struct err *e)
{
	struct engine_attempt *a = calloc(1, sizeof(*a));

	CRASH_POINT();
	if (a == NULL) {
		(void)err_sys(e, ENOMEM, "attempt");
		return NULL;
	}
	a->en = en;
	record_copy(&a->hold, record_run(), &a->run, &c->run.v[0]);
	if (loop_timer_create(en->loop, attempt_timed, a, &a->timer, e) == -1) {
		hold_finish(&a->hold);
		free(a);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&en->attempts, a, next);
	en->nattempts++;
	return a;
}

void
engine_attempt_begin(struct engine *en, const struct storage_claim *c)
{
	const struct storage_run *r = &c->run.v[0];
	struct engine_attempt *a;
	struct err e;

	CRASH_POINT();
	/* an older one that a lost lease left alive */
	a = engine_attempt_find(en, r->tenant, r->run_id, 0);
	if (a != NULL)
		engine_attempt_lost(a);
	a = attempt_create(en, c, &e);
	if (a == NULL) {
		/* its lease will expire */
		engine_trouble(en, "attempt", &e);
		return;
	}
	engine_watch_changed(en, r->tenant, r->run_id, r->thread_id);
	if (en->config.starter->start(en->config.starter_arg, a, c, &a->session,
		&e) == -1) {
		a->session = NULL;
		attempt_fail(a, "AgentStart", e.msg, err_retry(e.code));
		return;
	}
	attempt_arm(a,
	    r->wall_ms > 0 ? (uint64_t)r->wall_ms : en->config.wall_ms);
}
