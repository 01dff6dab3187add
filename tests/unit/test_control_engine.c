/*
 * supervisor/control/runs/engine*.c, over a real database and a starter that
 * does what the test says.
 */
#include <sys/resource.h>

#include "unit_storage.h"

#include "../../supervisor/control/runs/engine.h"

enum {
	SESSIONS_MAX = 64
};

struct session {
	struct engine_attempt *a;
	char run_id[40];
	int64_t attempt;
	int stopped, killed, released;
	enum engine_why why, killed_why;
};

struct host {
	struct world w;
	struct engine *en;
	struct session s[SESSIONS_MAX];
	size_t n;
	int refuse_starts; /* that many fail */
	int troubles;

	/* of the last wait */
	int waited, gone;
	char status[24];
	int woken;
};

/* ---- the starter ---- */

static void
session_end(struct session *s, const char *status)
{
	struct engine_end end = { .status = status };
	struct err e;

	assert_int_equal(engine_end(s->a, &end, &e), 0);
}

static int
host_start(void *arg, struct engine_attempt *a,
    const struct storage_claim *claim, void **ret, struct err *e)
{
	struct host *h = arg;
	struct session *s = &h->s[h->n];

	assert_string_equal(claim->digest, "d1");
	if (h->refuse_starts > 0) {
		h->refuse_starts--;
		return err_sys(e, 0, "no \"jail\" today");
	}
	assert_true(h->n < SESSIONS_MAX);
	h->n++;
	s->a = a;
	s->attempt = claim->run.v[0].attempt;
	(void)snprintf(s->run_id, sizeof(s->run_id), "%s",
	    engine_attempt_run(a)->run_id);
	*ret = s;
	return 0;
}

static void
host_stop(void *session, enum engine_why why)
{
	struct session *s = session;

	assert_false(s->stopped || s->killed || s->released);
	s->stopped = 1;
	s->why = why;
}

static void
host_kill(void *session, enum engine_why why)
{
	struct session *s = session;

	assert_false(s->killed || s->released);
	s->killed = 1;
	s->killed_why = why;
}

static void
host_release(void *session)
{
	struct session *s = session;

	assert_false(s->released);
	s->released = 1;
}

static const struct runs_starter starter = { host_start, host_stop, host_kill,
	host_release };

static void
host_trouble(void *arg, const char *what, const struct err *e)
{
	struct host *h = arg;

	(void)what;
	(void)e;
	h->troubles++;
}

static void
host_engine(struct host *h, struct engine_config c)
{
	struct err e;

	c.starter = &starter;
	c.starter_arg = h;
	c.trouble = host_trouble;
	c.trouble_arg = h;
	assert_int_equal(engine_create(h->w.loop, h->w.storage, &c, &h->en, &e),
	    0);
}

static int
host_setup(void **state)
{
	struct host *h = calloc(1, sizeof(*h));
	struct world *w = &h->w;

	world_init(w);
	world_agent(w, "default", "agent");
	*state = h;
	return 0;
}

static int
host_teardown(void **state)
{
	struct host *h = *state;
	size_t i;

	engine_destroy(h->en);
	/* every session was let go, exactly once */
	for (i = 0; i < h->n; i++)
		assert_int_equal(h->s[i].released, 1);
	world_finish(&h->w);
	free(h);
	return 0;
}

#define host_test(fn) \
	cmocka_unit_test_setup_teardown(fn, host_setup, host_teardown)

static void
host_tick(void *arg)
{
	loop_stop(arg);
}

/* The loop, until it is so; 5 s are the end of patience. */
#define until(cond)                                                          \
	do {                                                                 \
		struct loop_timer *tick_;                                    \
		uint64_t end_ = loop_now_ms() + 5000;                        \
		assert_int_equal(loop_timer_create(h->w.loop, host_tick,     \
				     h->w.loop, &tick_, &h->w.err),          \
		    0);                                                      \
		while (!(cond) && loop_now_ms() < end_) {                    \
			assert_int_equal(loop_timer_set(tick_, 5, NULL), 0); \
			assert_int_equal(loop_run(h->w.loop, NULL), 0);      \
		}                                                            \
		loop_timer_destroy(tick_);                                   \
		if (!(cond))                                                 \
			fail_msg("not so: %s", #cond);                       \
	} while (0)

/* Let the loop go on for that long. */
static void
host_pause(struct host *h, uint64_t ms)
{
	uint64_t end = loop_now_ms() + ms;

	until(loop_now_ms() >= end);
}

/* ---- what a client does ---- */

static void
host_made(void *arg, const struct storage_run_made *r, const struct err *error)
{
	struct world_call *c = arg;

	world_answered(c, r, error);
}

static struct storage_run
host_run(struct host *h, const char *thread, const char *how, int64_t wall_ms)
{
	struct storage_run_create_request q = { .tenant = "default",
		.thread_id = thread,
		.assistant_id = "agent",
		.multitask_strategy = how,
		.if_not_exists = "create",
		.wall_ms = wall_ms,
		.retries = 2 };
	struct storage_run_made m;
	struct world_call c = { .w = &h->w,
		.shape = record_run_made(),
		.ret = &m };

	assert_int_equal(engine_run_create(h->en, &q, host_made, &c, &h->w.err),
	    0);
	while (!c.done)
		assert_int_equal(loop_run(h->w.loop, NULL), 0);
	assert_int_equal(c.rc, 0);
	return m.rows.v[0];
}

static void
host_cut(void *arg, const struct storage_run_cut *r, const struct err *error)
{
	struct world_call *c = arg;

	world_answered(c, r, error);
}

static void
host_cancel(struct host *h, const char *run_id, const char *action)
{
	struct storage_run_cancel_request q = { .tenant = "default",
		.run_ids = texts(run_id),
		.action = action };
	struct world_call c = { .w = &h->w, .shape = record_run_cut() };

	assert_int_equal(engine_run_cancel(h->en, &q, host_cut, &c, &h->w.err),
	    0);
	while (!c.done)
		assert_int_equal(loop_run(h->w.loop, NULL), 0);
	assert_int_equal(c.rc, 0);
}

static void
host_waited(void *arg, const struct storage_run *r, const struct err *error)
{
	struct host *h = arg;

	assert_null(error);
	h->waited++;
	h->gone = r == NULL;
	(void)snprintf(h->status, sizeof(h->status), "%s",
	    r == NULL ? "" : r->status);
}

static struct engine_waiter *
host_wait(struct host *h, const char *run_id)
{
	struct engine_waiter *w;

	h->waited = 0;
	assert_int_equal(engine_wait(h->en, "default", run_id, host_waited, h,
			     &w, &h->w.err),
	    0);
	assert_int_equal(h->waited, 0);
	return w;
}

static void
host_woken(void *arg)
{
	struct host *h = arg;

	h->woken++;
}

static const char *
host_status(struct host *h, const char *run_id)
{
	struct world *w = &h->w;
	struct storage_run r;

	if (ask(run_get, &r, .tenant = "default", .run_id = run_id) == -1)
		return err_name(w->err.code);
	return r.status;
}

/* ---- tests ---- */

static void
engine_run__success__started_followed_waited_for(void **state)
{
	struct host *h = *state;
	struct engine_follower *run, *thread, *other;
	struct storage_event ev = { .name = "values", .data = "{}" };
	struct storage_run r;
	int woken;

	host_engine(h, (struct engine_config){ 0 });
	r = host_run(h, "t1", NULL, 0);
	(void)host_wait(h, r.run_id);
	until(h->n == 1);
	assert_string_equal(h->s[0].run_id, r.run_id);
	assert_int_equal(engine_running(h->en), 1);
	assert_int_equal(engine_follow(h->en, "default", r.run_id, host_woken,
			     h, &run, &h->w.err),
	    0);
	assert_int_equal(engine_emit(h->s[0].a, &ev, 1, NULL, NULL, &h->w.err),
	    0);
	until(h->woken == 1);
	/* by its thread too; another tenant's thread of that name is none */
	assert_int_equal(engine_follow(h->en, "default", "t1", host_woken, h,
			     &thread, &h->w.err),
	    0);
	assert_int_equal(engine_follow(h->en, "other", "t1", host_woken, h,
			     &other, &h->w.err),
	    0);
	assert_int_equal(engine_checkpoint(h->s[0].a,
			     &(struct storage_checkpoint_put_request){
				 .checkpoint_id = "c1",
				 .values = "{}" },
			     NULL, NULL, &h->w.err),
	    0);
	until(h->woken >= 3);
	assert_int_equal(h->woken, 3);
	session_end(&h->s[0], "success");
	until(h->waited == 1);
	assert_string_equal(h->status, "success");
	until(h->s[0].released);
	assert_int_equal(engine_running(h->en), 0);
	engine_unfollow(run);
	engine_unfollow(thread);
	engine_unfollow(other);
	woken = h->woken;
	host_pause(h, 20);
	assert_int_equal(h->woken, woken);
	assert_int_equal(h->troubles, 0);
}

static void
engine_wait__over_unknown_cancelled__told_once_or_never(void **state)
{
	struct host *h = *state;
	struct storage_run r;

	host_engine(h, (struct engine_config){ 0 });
	r = host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	session_end(&h->s[0], "success");
	until(h->s[0].released);
	(void)host_wait(h, r.run_id);
	until(h->waited == 1);
	assert_string_equal(h->status, "success");
	(void)host_wait(h, "nobody");
	until(h->waited == 1);
	assert_int_equal(h->gone, 1);
	engine_wait_cancel(host_wait(h, r.run_id));
	host_pause(h, 30);
	assert_int_equal(h->waited, 0);
}

static void
engine_claim__places__no_more_at_once(void **state)
{
	struct host *h = *state;
	char thread[8];
	size_t i;

	host_engine(h, (struct engine_config){ .running_max = 3 });
	for (i = 0; i < 8; i++) {
		(void)snprintf(thread, sizeof(thread), "t%zu", i);
		(void)host_run(h, thread, NULL, 0);
	}
	until(h->n == 3);
	host_pause(h, 30);
	assert_int_equal(h->n, 3);
	assert_int_equal(engine_running(h->en), 3);
	for (i = 0; i < 8; i++) {
		until(h->n > i);
		assert_true(engine_running(h->en) <= 3);
		session_end(&h->s[i], "success");
	}
	until(engine_running(h->en) == 0);
	assert_int_equal(h->n, 8);
}

static void
engine_claim__a_tenants_places__the_rest_stay_free(void **state)
{
	struct host *h = *state;
	char thread[8];
	size_t i;

	host_engine(h, (struct engine_config){ .running_max = 4,
			   .running_tenant_max = 3 });
	for (i = 0; i < 6; i++) {
		(void)snprintf(thread, sizeof(thread), "t%zu", i);
		(void)host_run(h, thread, NULL, 0);
	}
	until(h->n == 3);
	host_pause(h, 30);
	assert_int_equal(h->n, 3);
	/* one that has ended lets the next begin */
	for (i = 0; i < 6; i++) {
		until(h->n > i);
		assert_true(engine_running(h->en) <= 3);
		session_end(&h->s[i], "success");
	}
	until(engine_running(h->en) == 0);
	assert_int_equal(h->n, 6);
}

static void
engine_claim__one_thread__in_order_one_at_a_time(void **state)
{
	struct host *h = *state;
	struct storage_run r[5];
	size_t i;

	host_engine(h, (struct engine_config){ 0 });
	for (i = 0; i < 5; i++)
		r[i] = host_run(h, "t1", NULL, 0);
	for (i = 0; i < 5; i++) {
		until(h->n == i + 1);
		host_pause(h, 10);
		assert_int_equal(h->n, i + 1);
		assert_string_equal(h->s[i].run_id, r[i].run_id);
		session_end(&h->s[i], "success");
	}
	until(h->s[4].released);
}

static void
engine_cancel__polite_session__interrupted(void **state)
{
	struct host *h = *state;
	struct storage_run r, waiting;

	host_engine(h, (struct engine_config){ 0 });
	r = host_run(h, "t1", NULL, 0);
	waiting = host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	(void)host_wait(h, waiting.run_id);
	host_cancel(h, waiting.run_id, NULL);
	until(h->waited == 1);
	assert_string_equal(h->status, "interrupted");
	(void)host_wait(h, r.run_id);
	host_cancel(h, r.run_id, "interrupt");
	until(h->s[0].stopped);
	assert_int_equal(h->s[0].why, ENGINE_WHY_INTERRUPT);
	session_end(&h->s[0], "error");
	until(h->waited == 1);
	assert_string_equal(h->status, "interrupted");
	assert_int_equal(h->s[0].killed, 0);
}

static void
engine_cancel__deaf_session__killed_then_given_up(void **state)
{
	struct host *h = *state;
	struct storage_run r;

	host_engine(h, (struct engine_config){ .grace_ms = 40, .kill_ms = 40 });
	r = host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	(void)host_wait(h, r.run_id);
	host_cancel(h, r.run_id, "rollback");
	until(h->s[0].stopped);
	assert_int_equal(h->s[0].why, ENGINE_WHY_ROLLBACK);
	assert_int_equal(h->s[0].killed, 0);
	until(h->s[0].killed);
	assert_int_equal(h->waited, 0);
	until(h->waited == 1);
	assert_int_equal(h->gone, 1);
	until(h->s[0].released);
	assert_string_equal(host_status(h, r.run_id), "NOT_FOUND");
}

static void
engine_rollback__running__the_next_starts_after_it_is_gone(void **state)
{
	struct host *h = *state;
	struct storage_run first, second;

	host_engine(h, (struct engine_config){ 0 });
	first = host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	second = host_run(h, "t1", "rollback", 0);
	until(h->s[0].stopped);
	host_pause(h, 20);
	assert_int_equal(h->n, 1);
	session_end(&h->s[0], "interrupted");
	until(h->n == 2);
	assert_string_equal(h->s[1].run_id, second.run_id);
	assert_string_equal(host_status(h, first.run_id), "NOT_FOUND");
	session_end(&h->s[1], "success");
	until(h->s[1].released);
}

static void
engine_wall__time_is_up__timeout(void **state)
{
	struct host *h = *state;
	struct storage_run r;

	host_engine(h, (struct engine_config){ 0 });
	r = host_run(h, "t1", NULL, 50);
	until(h->n == 1);
	(void)host_wait(h, r.run_id);
	until(h->s[0].stopped);
	assert_int_equal(h->s[0].why, ENGINE_WHY_TIMEOUT);
	/* whatever it calls its end */
	session_end(&h->s[0], "error");
	until(h->waited == 1);
	assert_string_equal(h->status, "timeout");
}

static void
engine_start__refused__retried_with_back_off_then_an_error(void **state)
{
	struct host *h = *state;
	struct world *w = &h->w;
	struct storage_run r;
	uint64_t begin;

	host_engine(h, (struct engine_config){ .backoff_ms = 30 });
	h->refuse_starts = 1;
	begin = loop_now_ms();
	r = host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	assert_true(loop_now_ms() - begin >= 30);
	assert_int_equal(h->s[0].attempt, 2);
	session_end(&h->s[0], "success");
	until(h->s[0].released);

	h->refuse_starts = 3;
	begin = loop_now_ms();
	r = host_run(h, "t2", NULL, 0);
	(void)host_wait(h, r.run_id);
	until(h->waited == 1);
	assert_string_equal(h->status, "error");
	assert_true(loop_now_ms() - begin >= 30 + 60);
	call(run_get, &r, .tenant = "default", .run_id = r.run_id);
	assert_int_equal(r.attempt, 3);
	assert_string_equal(r.error,
	    "{\"error\":\"AgentStart\",\"message\":\"no \\\"jail\\\" today: "
	    "Success\"}");
}

static void
engine_destroy__running__the_next_engine_claims_again(void **state)
{
	struct host *h = *state;
	struct storage_run r;

	host_engine(h, (struct engine_config){ 0 });
	r = host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	engine_destroy(take_ptr(&h->en));
	assert_int_equal(h->s[0].killed, 1);
	assert_int_equal(h->s[0].released, 1);
	assert_string_equal(host_status(h, r.run_id), "running");
	host_engine(h, (struct engine_config){ 0 });
	until(h->n == 2);
	assert_string_equal(h->s[1].run_id, r.run_id);
	assert_int_equal(h->s[1].attempt, 2);
	session_end(&h->s[1], "success");
	until(h->s[1].released);
	assert_string_equal(host_status(h, r.run_id), "success");
}

static void
engine_drained(void *arg)
{
	*(int *)arg = 1;
}

static void
engine_drain__patience__then_pending_again(void **state)
{
	struct host *h = *state;
	struct storage_run quick, slow;
	int done = 0;

	host_engine(h, (struct engine_config){ 0 });
	quick = host_run(h, "t1", NULL, 0);
	slow = host_run(h, "t2", NULL, 0);
	until(h->n == 2);
	assert_int_equal(engine_drain(h->en, 50, engine_drained, &done,
			     &h->w.err),
	    0);
	(void)host_run(h, "t3", NULL, 0);
	session_end(&h->s[0], "success");
	until(h->s[1].stopped);
	assert_int_equal(h->s[1].why, ENGINE_WHY_DRAIN);
	assert_int_equal(done, 0);
	session_end(&h->s[1], "error");
	until(done);
	assert_int_equal(h->n, 2);
	assert_string_equal(host_status(h, quick.run_id), "success");
	assert_string_equal(host_status(h, slow.run_id), "pending");
}

static void
host_answered(void *arg, const struct storage_appended *r,
    const struct err *error)
{
	struct host *h = arg;

	assert_null(r);
	assert_int_equal(error->code, ERR_CONFLICT);
	h->waited++;
}

static void
engine_emit__run_deleted__told_and_killed(void **state)
{
	struct host *h = *state;
	struct world *w = &h->w;
	struct storage_event ev = { .name = "values", .data = "{}" };
	struct storage_run r;

	host_engine(h, (struct engine_config){ 0 });
	r = host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	/* behind the engine's back */
	call(run_delete, NULL, .tenant = "default", .run_id = r.run_id);
	assert_int_equal(engine_emit(h->s[0].a, &ev, 1, host_answered, h,
			     &h->w.err),
	    0);
	until(h->s[0].released);
	assert_int_equal(h->waited, 1);
	assert_int_equal(h->s[0].killed, 1);
	assert_int_equal(h->s[0].killed_why, ENGINE_WHY_LOST);
	assert_int_equal(engine_running(h->en), 0);
}

static void
engine_thread_delete__running__killed(void **state)
{
	struct host *h = *state;
	struct storage_thread_delete_request q = { "default", "t1" };
	struct world_call c = { .w = &h->w, .shape = record_run_cut() };
	struct storage_run r;

	host_engine(h, (struct engine_config){ 0 });
	r = host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	(void)host_wait(h, r.run_id);
	assert_int_equal(engine_thread_delete(h->en, &q, host_cut, &c,
			     &h->w.err),
	    0);
	until(h->s[0].released);
	assert_int_equal(h->s[0].killed_why, ENGINE_WHY_LOST);
	until(h->waited == 1);
	assert_int_equal(h->gone, 1);
}

static void
engine_lease__renewed__a_long_attempt_keeps_its_run(void **state)
{
	struct host *h = *state;
	struct storage_run r;

	host_engine(h, (struct engine_config){ .lease_ms = 90 });
	r = host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	host_pause(h, 400);
	assert_int_equal(h->s[0].killed, 0);
	assert_int_equal(h->n, 1);
	/* the loop stood still for longer than a lease: still ours */
	assert_int_equal(usleep(200 * 1000), 0);
	host_pause(h, 100);
	assert_int_equal(h->s[0].killed, 0);
	session_end(&h->s[0], "success");
	until(h->s[0].released);
	assert_string_equal(host_status(h, r.run_id), "success");
}

static void
engine_lease__another_took_the_run__killed_and_refused(void **state)
{
	struct host *h = *state;
	struct world *w = &h->w;
	struct storage_run r;
	struct storage_claims c;

	host_engine(h,
	    (struct engine_config){ .lease_ms = 150, .running_max = 1 });
	r = host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	/* what only a second control could do: CC-07, no double lease */
	call(run_recover, NULL, .holder = "another");
	call(run_claim, &c, .holder = "another", .lease_ms = 60000, .limit = 1);
	assert_int_equal(c.rows.n, 1);
	until(h->s[0].released);
	assert_int_equal(h->s[0].killed_why, ENGINE_WHY_LOST);
	assert_string_equal(host_status(h, r.run_id), "running");
	host_pause(h, 200);
	assert_int_equal(h->n, 1);
}

/* How often the threads of storage, not this one, have waited. */
static long
storage_waits(void)
{
	struct rusage all, own;

	assert_int_equal(getrusage(RUSAGE_SELF, &all), 0);
	assert_int_equal(getrusage(RUSAGE_THREAD, &own), 0);
	return all.ru_nvcsw - own.ru_nvcsw;
}

static void
engine_idle__a_run_running_none_due__storage_is_left_alone(void **state)
{
	struct host *h = *state;
	struct world *w = &h->w;
	struct storage_tally n;
	long before;

	host_engine(h, (struct engine_config){ 0 });
	(void)host_run(h, "t1", NULL, 0);
	until(h->n == 1);
	host_pause(h, 100);
	before = storage_waits();
	host_pause(h, 300);
	assert_true(storage_waits() - before < 10);
	/* it would have been seen */
	call(run_tally, &n, .tenant = NULL);
	until(storage_waits() > before);
}

static void
engine_many__runs_that_end_at_once__all_end(void **state)
{
	struct host *h = *state;
	struct world *w = &h->w;
	struct storage_tally n;
	char thread[8];
	size_t i, done = 0;

	host_engine(h, (struct engine_config){ .running_max = 4 });
	for (i = 0; i < 60; i++) {
		(void)snprintf(thread, sizeof(thread), "t%zu", i % 7);
		(void)host_run(h, thread, NULL, 0);
		for (; done < h->n; done++)
			session_end(&h->s[done], "success");
	}
	while (done < 60) {
		until(h->n > done);
		session_end(&h->s[done++], "success");
	}
	until(engine_running(h->en) == 0);
	call(run_tally, &n, .tenant = NULL);
	assert_int_equal(n.success, 60);
	assert_int_equal(n.pending + n.running, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		host_test(engine_run__success__started_followed_waited_for),
		host_test(
		    engine_wait__over_unknown_cancelled__told_once_or_never),
		host_test(engine_claim__places__no_more_at_once),
		host_test(engine_claim__a_tenants_places__the_rest_stay_free),
		host_test(engine_claim__one_thread__in_order_one_at_a_time),
		host_test(engine_cancel__polite_session__interrupted),
		host_test(engine_cancel__deaf_session__killed_then_given_up),
		host_test(
		    engine_rollback__running__the_next_starts_after_it_is_gone),
		host_test(engine_wall__time_is_up__timeout),
		host_test(
		    engine_start__refused__retried_with_back_off_then_an_error),
		host_test(
		    engine_destroy__running__the_next_engine_claims_again),
		host_test(engine_drain__patience__then_pending_again),
		host_test(engine_emit__run_deleted__told_and_killed),
		host_test(engine_thread_delete__running__killed),
		host_test(engine_lease__renewed__a_long_attempt_keeps_its_run),
		host_test(
		    engine_lease__another_took_the_run__killed_and_refused),
		host_test(
		    engine_idle__a_run_running_none_due__storage_is_left_alone),
		host_test(engine_many__runs_that_end_at_once__all_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
