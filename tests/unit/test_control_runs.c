/*
 * Runs in storage: made, claimed, fenced, ended, lost; supervisor/control/
 * storage/op_run.c and op_lease.c.
 */
#include "unit_storage.h"

#include <sqlite3.h>

#define HOLDER "engine-1"

/* A run on a thread; "how" is its multitask strategy. */
static struct storage_run
made(struct world *w, const char *thread, const char *how)
{
	struct storage_run_made m;

	call(run_create, &m, .tenant = "default", .thread_id = thread,
	    .assistant_id = "agent", .kwargs = "{\"input\":1}",
	    .multitask_strategy = how, .if_not_exists = "create", .retries = 1);
	assert_int_equal(m.made, 1);
	assert_int_equal(m.rows.n, 1);
	return m.rows.v[0];
}

static struct storage_claims
claimed(struct world *w, int64_t limit)
{
	struct storage_claims c;

	call(run_claim, &c, .holder = HOLDER, .lease_ms = 30000,
	    .limit = limit);
	return c;
}

/* Exactly this run is due. */
static struct storage_run
claim_it(struct world *w, const char *run_id)
{
	struct storage_claims c = claimed(w, 10);

	assert_int_equal(c.rows.n, 1);
	assert_int_equal(c.rows.v[0].run.n, 1);
	assert_string_equal(c.rows.v[0].run.v[0].run_id, run_id);
	return c.rows.v[0].run.v[0];
}

static struct storage_run_end
finished(struct world *w, const struct storage_run *r, const char *status)
{
	struct storage_run_end end;

	call(run_finish, &end, .tenant = r->tenant, .run_id = r->run_id,
	    .fence = r->fence, .status = status);
	return end;
}

static const char *
status_of(struct world *w, const char *run_id)
{
	struct storage_run r;

	if (ask(run_get, &r, .tenant = "default", .run_id = run_id) == -1)
		return err_name(w->err.code);
	return r.status;
}

static const char *
thread_status(struct world *w, const char *thread_id)
{
	struct storage_thread t;

	call(thread_get, &t, .tenant = "default", .thread_id = thread_id);
	return t.status;
}

static void
run_create__no_such_thing__refused(void **state)
{
	struct world *w = *state;

	refuse(run_create, ERR_NOT_FOUND, "assistant", .tenant = "default",
	    .assistant_id = "agent");
	world_agent(w, "default", "agent");
	refuse(run_create, ERR_NOT_FOUND, "thread", .tenant = "default",
	    .assistant_id = "agent", .thread_id = "t1");
	refuse(run_create, ERR_NOT_FOUND, "assistant", .tenant = "other",
	    .assistant_id = "agent", .thread_id = "t1",
	    .if_not_exists = "create");
	refuse(run_create, ERR_INVALID, "multitask", .tenant = "default",
	    .assistant_id = "agent", .multitask_strategy = "both");
	refuse(run_create, ERR_INVALID, "tenant", .tenant = "Default",
	    .assistant_id = "agent");
	refuse(run_create, ERR_INVALID, "tenant", .assistant_id = "agent");
	/* the control: nothing of those is left, and this works */
	(void)made(w, "t1", NULL);
}

static void
run_life__success__states_events_and_thread(void **state)
{
	struct world *w = *state;
	struct storage_events ev;
	struct storage_thread t;
	struct storage_run r;
	struct storage_run_end end;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	assert_string_equal(r.status, "pending");
	assert_string_equal(r.graph_id, "agent");
	/* the assistant of graph "agent", whose id clients have kept */
	assert_string_equal(r.assistant_id,
	    "fe096781-5601-53d2-b2f6-0d3403f7e9ca");
	assert_string_equal(thread_status(w, "t1"), "busy");
	r = claim_it(w, r.run_id);
	assert_string_equal(r.status, "running");
	assert_int_equal(r.attempt, 1);
	assert_int_equal(r.fence, 1);
	call(event_append, NULL, .tenant = "default", .run_id = r.run_id,
	    .fence = 1,
	    .events = { &(struct storage_event){ .name = "values",
			    .data = "{\"a\":1}" },
		1 });
	end = finished(w, &r, "success");
	assert_int_equal(end.again, 0);
	assert_string_equal(end.rows.v[0].status, "success");
	assert_true(end.rows.v[0].ended_at_ms > 0);
	assert_true(end.rows.v[0].stored_bytes > 0);
	call(thread_get, &t, .tenant = "default", .thread_id = "t1");
	assert_string_equal(t.status, "idle");
	assert_non_null(strstr(t.metadata, "\"graph_id\":\"agent\""));
	call(event_read, &ev, .tenant = "default", .run_id = r.run_id,
	    .after_seq = -1, .limit = 100);
	assert_int_equal(ev.rows.n, 3);
	assert_string_equal(ev.rows.v[0].name, "metadata");
	assert_non_null(strstr(ev.rows.v[0].data, "\"attempt\":1"));
	assert_string_equal(ev.rows.v[1].name, "values");
	assert_string_equal(ev.rows.v[2].name, "$end");
	assert_int_equal(ev.rows.v[2].seq, 2);
	assert_int_equal(ev.ended, 1);
	assert_int_equal(ev.gone, 0);
}

static void
run_write__old_fence__refused(void **state)
{
	struct world *w = *state;
	struct storage_run r, again;
	struct storage_event ev = { .name = "values", .data = "1" };

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	r = claim_it(w, r.run_id);
	assert_int_equal(finished(w, &r, "lost").again, 1);
	/* its attempt is over: nothing of it is taken any more */
	refuse(event_append, ERR_CONFLICT, "does not have", .tenant = "default",
	    .run_id = r.run_id, .fence = 1, .events = { &ev, 1 });
	again = claim_it(w, r.run_id);
	assert_int_equal(again.attempt, 2);
	assert_int_equal(again.fence, 2);
	refuse(event_append, ERR_CONFLICT, "does not have", .tenant = "default",
	    .run_id = r.run_id, .fence = 1, .events = { &ev, 1 });
	refuse(run_finish, ERR_CONFLICT, "does not have", .tenant = "default",
	    .run_id = r.run_id, .fence = 1, .status = "success");
	refuse(checkpoint_put, ERR_CONFLICT, "does not have",
	    .tenant = "default", .run_id = r.run_id, .thread_id = "t1",
	    .fence = 1, .checkpoint_id = "c1");
	refuse(journal_put, ERR_CONFLICT, "does not have", .tenant = "default",
	    .run_id = r.run_id, .fence = 1, .key = "k");
	refuse(event_append, ERR_CONFLICT, "does not have", .tenant = "other",
	    .run_id = r.run_id, .fence = 2, .events = { &ev, 1 });
	refuse(checkpoint_put, ERR_CONFLICT, "does not have",
	    .tenant = "default", .run_id = r.run_id, .thread_id = "t2",
	    .fence = 2, .checkpoint_id = "c1");
	refuse(event_append, ERR_INVALID, "name", .tenant = "default",
	    .run_id = r.run_id, .fence = 2,
	    .events = { &(struct storage_event){ .name = "$end" }, 1 });
	call(event_append, NULL, .tenant = "default", .run_id = r.run_id,
	    .fence = 2, .events = { &ev, 1 });
}

static void
run_finish__errors__retried_while_retries_are_left(void **state)
{
	struct world *w = *state;
	struct storage_run_end end;
	struct storage_claims c;
	struct storage_run r;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	r = claim_it(w, r.run_id);
	call(run_finish, &end, .tenant = "default", .run_id = r.run_id,
	    .fence = r.fence, .status = "error", .retry = 1,
	    .backoff_ms = 60000, .error = "{\"error\":\"E\"}");
	assert_int_equal(end.again, 1);
	assert_string_equal(end.rows.v[0].status, "pending");
	assert_int_equal(end.rows.v[0].retries_left, 0);
	c = claimed(w, 10);
	assert_int_equal(c.rows.n, 0);
	assert_in_range(c.wait_ms, 50000, 60000);

	/* one without a wait, whose second failure is the last */
	r = made(w, "t2", NULL);
	r = claim_it(w, r.run_id);
	call(run_finish, &end, .tenant = "default", .run_id = r.run_id,
	    .fence = r.fence, .status = "error", .retry = 1);
	r = claim_it(w, r.run_id);
	call(run_finish, &end, .tenant = "default", .run_id = r.run_id,
	    .fence = r.fence, .status = "error", .retry = 1,
	    .error = "{\"error\":\"E\"}");
	assert_int_equal(end.again, 0);
	assert_string_equal(status_of(w, r.run_id), "error");
	assert_string_equal(thread_status(w, "t2"), "error");
}

static void
run_create__enqueue__first_come_first_served_one_at_a_time(void **state)
{
	struct world *w = *state;
	struct storage_run r[4];
	size_t i;

	world_agent(w, "default", "agent");
	for (i = 0; i < 4; i++)
		r[i] = made(w, "t1", "enqueue");
	/* one that nobody runs is taken out of the middle */
	call(run_cancel, NULL, .tenant = "default",
	    .run_ids = texts(r[2].run_id));
	assert_string_equal(status_of(w, r[2].run_id), "interrupted");
	for (i = 0; i < 4; i++) {
		if (i == 2)
			continue;
		r[i] = claim_it(w, r[i].run_id);
		assert_int_equal(claimed(w, 10).rows.n, 0);
		assert_string_equal(thread_status(w, "t1"), "busy");
		(void)finished(w, &r[i], "success");
	}
	assert_string_equal(thread_status(w, "t1"), "idle");
}

static void
run_create__after__waits_and_lets_others_pass(void **state)
{
	struct world *w = *state;
	struct storage_run_made late;
	struct storage_run r, r2;
	struct storage_claims c;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	r = claim_it(w, r.run_id);
	/* behind the running one: late, then one that is due at once */
	call(run_create, &late, .tenant = "default", .thread_id = "t1",
	    .assistant_id = "agent", .after_ms = 2500);
	r2 = made(w, "t1", NULL);
	assert_int_equal(claimed(w, 10).rows.n, 0);
	(void)finished(w, &r, "success");
	r2 = claim_it(w, r2.run_id);
	(void)finished(w, &r2, "success");
	c = claimed(w, 10);
	assert_int_equal(c.rows.n, 0);
	assert_in_range(c.wait_ms, 1, 2500);
	assert_int_equal(usleep((useconds_t)(c.wait_ms + 20) * 1000), 0);
	(void)claim_it(w, late.rows.v[0].run_id);
	assert_int_equal(claimed(w, 10).wait_ms, -1);
}

static void
run_create__reject__409_while_the_thread_is_busy(void **state)
{
	struct world *w = *state;
	struct storage_run r;
	struct storage_runs all;

	world_agent(w, "default", "agent");
	r = made(w, "t1", "reject");
	refuse(run_create, ERR_CONFLICT, "already running a task",
	    .tenant = "default", .thread_id = "t1", .assistant_id = "agent",
	    .multitask_strategy = "reject");
	r = claim_it(w, r.run_id);
	refuse(run_create, ERR_CONFLICT, "already running a task",
	    .tenant = "default", .thread_id = "t1", .assistant_id = "agent",
	    .multitask_strategy = "reject");
	(void)finished(w, &r, "success");
	(void)made(w, "t1", "reject");
	call(run_list, &all, .tenant = "default", .thread_id = "t1");
	assert_int_equal(all.total, 2);
}

static void
run_create__interrupt__stops_those_before_keeps_what_they_stored(void **state)
{
	struct world *w = *state;
	struct storage_run_made m;
	struct storage_run running, waiting;
	struct storage_checkpoints list;

	world_agent(w, "default", "agent");
	running = made(w, "t1", NULL);
	waiting = made(w, "t1", NULL);
	running = claim_it(w, running.run_id);
	call(checkpoint_put, NULL, .tenant = "default", .thread_id = "t1",
	    .run_id = running.run_id, .fence = 1, .checkpoint_id = "c1",
	    .values = "{\"a\":1}");
	call(run_create, &m, .tenant = "default", .thread_id = "t1",
	    .assistant_id = "agent", .multitask_strategy = "interrupt");
	assert_int_equal(m.stop.n, 1);
	assert_string_equal(m.stop.v[0].run_id, running.run_id);
	assert_int_equal(m.ended.n, 1);
	assert_string_equal(m.ended.v[0].run_id, waiting.run_id);
	assert_string_equal(status_of(w, waiting.run_id), "interrupted");
	/* it runs until its attempt has ended */
	assert_string_equal(status_of(w, running.run_id), "running");
	assert_int_equal(claimed(w, 10).rows.n, 0);
	(void)finished(w, &running, "error");
	assert_string_equal(status_of(w, running.run_id), "interrupted");
	call(checkpoint_list, &list, .tenant = "default", .thread_id = "t1");
	assert_int_equal(list.rows.n, 1);
	(void)claim_it(w, m.rows.v[0].run_id);
}

static void
run_create__rollback__removes_a_running_run_and_its_checkpoints(void **state)
{
	struct world *w = *state;
	struct storage_checkpoint c;
	struct storage_run_made m;
	struct storage_run first, second;
	struct storage_run_end end;
	struct storage_thread t;
	struct storage_events ev;

	world_agent(w, "default", "agent");
	first = made(w, "t1", NULL);
	first = claim_it(w, first.run_id);
	call(checkpoint_put, NULL, .tenant = "default", .thread_id = "t1",
	    .run_id = first.run_id, .fence = 1, .checkpoint_id = "c1",
	    .values = "{\"a\":1}");
	(void)finished(w, &first, "success");
	second = made(w, "t1", NULL);
	second = claim_it(w, second.run_id);
	call(checkpoint_put, NULL, .tenant = "default", .thread_id = "t1",
	    .run_id = second.run_id, .fence = 1, .checkpoint_id = "c2",
	    .parent_id = "c1", .values = "{\"a\":2}");
	call(checkpoint_write, NULL, .tenant = "default", .thread_id = "t1",
	    .run_id = second.run_id, .fence = 1, .checkpoint_id = "c1",
	    .writes = {
		&(struct storage_write){ .task_id = "x", .channel = "y" }, 1 });
	call(run_create, &m, .tenant = "default", .thread_id = "t1",
	    .assistant_id = "agent", .multitask_strategy = "rollback");
	assert_int_equal(m.stop.n, 1);
	assert_string_equal(m.stop.v[0].cancel, "rollback");
	/* even one that had succeeded meanwhile */
	end = finished(w, &second, "success");
	assert_int_equal(end.deleted, 1);
	assert_string_equal(status_of(w, second.run_id), "NOT_FOUND");
	call(thread_get, &t, .tenant = "default", .thread_id = "t1");
	assert_string_equal(t.checkpoint_id, "c1");
	assert_string_equal(t.values, "{\"a\":1}");
	call(checkpoint_get, &c, .tenant = "default", .thread_id = "t1",
	    .full = 1);
	assert_string_equal(c.checkpoint_id, "c1");
	assert_int_equal(c.writes.n, 0);
	call(event_read, &ev, .tenant = "default", .run_id = second.run_id,
	    .after_seq = -1);
	assert_null(ev.status);
	assert_int_equal(ev.rows.n, 0);
	(void)claim_it(w, m.rows.v[0].run_id);
}

static void
run_create__idempotency_key__one_run(void **state)
{
	struct world *w = *state;
	struct storage_run_made a, b;
	struct storage_runs all;

	world_agent(w, "default", "agent");
	world_agent(w, "other", "agent");
	call(run_create, &a, .tenant = "default", .assistant_id = "agent",
	    .idempotency_key = "k", .body_digest = "1");
	call(run_create, &b, .tenant = "default", .assistant_id = "agent",
	    .idempotency_key = "k", .body_digest = "1");
	assert_int_equal(b.made, 0);
	assert_string_equal(a.rows.v[0].run_id, b.rows.v[0].run_id);
	refuse(run_create, ERR_CONFLICT, "idempotency", .tenant = "default",
	    .assistant_id = "agent", .idempotency_key = "k",
	    .body_digest = "2");
	/* after a restart too */
	world_close(w);
	assert_int_equal(world_open(w), 0);
	call(run_create, &b, .tenant = "default", .assistant_id = "agent",
	    .idempotency_key = "k", .body_digest = "1");
	assert_string_equal(a.rows.v[0].run_id, b.rows.v[0].run_id);
	call(run_list, &all, .tenant = "default");
	assert_int_equal(all.total, 1);
	/* a key is its tenant's */
	call(run_create, &b, .tenant = "other", .assistant_id = "agent",
	    .idempotency_key = "k", .body_digest = "2");
	assert_int_equal(b.made, 1);
	call(run_delete, NULL, .tenant = "default",
	    .run_id = a.rows.v[0].run_id);
	refuse(run_create, ERR_CONFLICT, "deleted", .tenant = "default",
	    .assistant_id = "agent", .idempotency_key = "k",
	    .body_digest = "1");
}

static void
run_create__children__bounded_and_fenced(void **state)
{
	struct world *w = *state;
	struct storage_run r, child;
	struct storage_run_made m;
	int64_t depth;
	int i;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	refuse(run_create, ERR_CONFLICT, "does not have", .tenant = "default",
	    .assistant_id = "agent", .parent_run_id = r.run_id,
	    .parent_fence = 0);
	r = claim_it(w, r.run_id);
	child = r;
	for (depth = 1; depth <= STORAGE_DEPTH_MAX; depth++) {
		call(run_create, &m, .tenant = "default",
		    .assistant_id = "agent", .parent_run_id = child.run_id,
		    .parent_fence = 1);
		child = claim_it(w, m.rows.v[0].run_id);
		assert_int_equal(child.depth, depth);
		assert_string_equal(child.root_run_id, r.run_id);
	}
	refuse(run_create, ERR_LIMIT, "inside", .tenant = "default",
	    .assistant_id = "agent", .parent_run_id = child.run_id,
	    .parent_fence = 1);
	for (i = 1; i < STORAGE_CHILDREN_MAX; i++)
		call(run_create, &m, .tenant = "default",
		    .assistant_id = "agent", .parent_run_id = r.run_id,
		    .parent_fence = 1);
	refuse(run_create, ERR_LIMIT, "runs of its own", .tenant = "default",
	    .assistant_id = "agent", .parent_run_id = r.run_id,
	    .parent_fence = 1);
	call(run_get, &r, .tenant = "default", .run_id = r.run_id);
	assert_int_equal(r.children, STORAGE_CHILDREN_MAX);
}

/* A run of this one's, in a thread of its own. */
static struct storage_run
child_of(struct world *w, const char *parent, const char *id)
{
	struct storage_run_made m;

	call(run_create, &m, .tenant = "default", .assistant_id = "agent",
	    .run_id = id, .parent_run_id = parent, .parent_fence = 1);
	return m.rows.v[0];
}

/* ---- several tenants ---- */

static void
made_of(struct world *w, const char *tenant, int n)
{
	while (n-- > 0)
		call(run_create, NULL, .tenant = tenant,
		    .assistant_id = "agent");
}

/* How many of the claimed are this tenant's. */
static int
share_of(const struct storage_claims *c, const char *tenant)
{
	size_t i;
	int n = 0;

	for (i = 0; i < c->rows.n; i++)
		n += strcmp(c->rows.v[i].run.v[0].tenant, tenant) == 0;
	return n;
}

static void
run_claim__several_tenants__the_one_with_the_fewest_first(void **state)
{
	struct world *w = *state;
	struct storage_claims c;

	world_agent(w, "a", "agent");
	world_agent(w, "b", "agent");
	world_agent(w, "c", "agent");
	made_of(w, "b", 20);
	made_of(w, "a", 3);
	made_of(w, "c", 1);
	/* it came first and waits longest, but has no more than the others */
	c = claimed(w, 7);
	assert_int_equal(c.rows.n, 7);
	assert_int_equal(share_of(&c, "a"), 3);
	assert_int_equal(share_of(&c, "b"), 3);
	assert_int_equal(share_of(&c, "c"), 1);
	assert_int_equal(c.wait_ms, 0);
	/* who comes later has the next places until it has as many */
	made_of(w, "c", 9);
	c = claimed(w, 3);
	assert_int_equal(share_of(&c, "c"), 2);
	assert_int_equal(share_of(&c, "b"), 1);
	/* nobody else waits: all places there are */
	c = claimed(w, 100);
	assert_int_equal(c.rows.n, 16 + 7);
	assert_int_equal(c.wait_ms, -1);
}

static void
run_claim__tenant_max__no_more_of_one_and_no_busy_wait(void **state)
{
	struct world *w = *state;
	struct storage_claims c;

	world_agent(w, "a", "agent");
	world_agent(w, "b", "agent");
	made_of(w, "a", 5);
	call(run_claim, &c, .holder = HOLDER, .lease_ms = 30000, .limit = 10,
	    .tenant_max = 3);
	assert_int_equal(c.rows.n, 3);
	/* those that wait have no room: nothing is due until one has ended */
	assert_int_equal(c.wait_ms, -1);
	made_of(w, "b", 1);
	call(run_create, NULL, .tenant = "b", .assistant_id = "agent",
	    .after_ms = 60000);
	call(run_claim, &c, .holder = HOLDER, .lease_ms = 30000, .limit = 10,
	    .tenant_max = 3);
	assert_int_equal(c.rows.n, 1);
	assert_int_equal(share_of(&c, "b"), 1);
	assert_in_range(c.wait_ms, 1, 60000);
	call(run_claim, &c, .holder = HOLDER, .lease_ms = 30000, .limit = 10);
	assert_int_equal(c.rows.n, 2);
	refuse(run_claim, ERR_INVALID, "too many", .holder = HOLDER, .limit = 1,
	    .tenant_max = -1);
}

static void
run_create__queue_full__refused_for_that_tenant_alone(void **state)
{
	struct world *w = *state;
	struct storage_run_made m;
	struct storage_runs all;
	struct storage_run first;
	int i;

	world_agent(w, "default", "agent");
	world_agent(w, "other", "agent");
	first = made(w, "t1", NULL);
	for (i = 1; i < 3; i++)
		call(run_create, NULL, .tenant = "default",
		    .assistant_id = "agent", .thread_id = "t1", .queue_max = 3);
	refuse(run_create, ERR_LIMIT, "3 runs of this tenant wait",
	    .tenant = "default", .assistant_id = "agent", .queue_max = 3);
	call(run_create, NULL, .tenant = "other", .assistant_id = "agent",
	    .queue_max = 3);
	/* nothing of the refused one is left */
	call(run_list, &all, .tenant = "default");
	assert_int_equal(all.total, 3);
	/* one that takes the place of those that wait is no more than they */
	call(run_create, &m, .tenant = "default", .assistant_id = "agent",
	    .thread_id = "t1", .multitask_strategy = "interrupt",
	    .queue_max = 3);
	assert_int_equal(m.ended.n, 3);
	assert_string_equal(status_of(w, first.run_id), "interrupted");
	/* what runs does not wait */
	assert_int_equal(claimed(w, 10).rows.n, 2);
	for (i = 0; i < 3; i++)
		call(run_create, NULL, .tenant = "default",
		    .assistant_id = "agent", .queue_max = 3);
	refuse(run_create, ERR_LIMIT, "wait", .tenant = "default",
	    .assistant_id = "agent", .queue_max = 3);
}

/* ---- what is old ---- */

static void
run_forget__ended_long_ago__gone_with_what_is_its_own(void **state)
{
	struct world *w = *state;
	struct storage_event ev = { .name = "values", .data = "{}" };
	struct storage_run over, kept, parent;
	struct storage_swept s;
	struct storage_events log;
	struct storage_steps steps;
	int64_t before;

	world_agent(w, "default", "agent");
	over = made(w, "t1", NULL);
	over = claim_it(w, over.run_id);
	call(journal_put, NULL, .tenant = "default", .run_id = over.run_id,
	    .fence = 1, .key = "k", .data = { "1", 1 });
	call(checkpoint_put, NULL, .tenant = "default", .thread_id = "t1",
	    .run_id = over.run_id, .fence = 1, .checkpoint_id = "c",
	    .values = "{\"a\":1}", .events = { &ev, 1 });
	(void)finished(w, &over, "success");
	parent = made(w, "t2", NULL);
	parent = claim_it(w, parent.run_id);
	(void)child_of(w, parent.run_id, "child");
	(void)finished(w, &parent, "success");
	call(run_get, &over, .tenant = "default", .run_id = over.run_id);
	before = over.ended_at_ms;
	/* not before its time */
	call(run_forget, &s, .ended_before_ms = before, .limit = 10);
	assert_int_equal(s.count, 0);
	assert_string_equal(status_of(w, over.run_id), "success");
	call(run_forget, &s, .ended_before_ms = INT64_MAX, .limit = 10);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.next, 0);
	assert_string_equal(status_of(w, over.run_id), "NOT_FOUND");
	call(event_read, &log, .tenant = "default", .run_id = over.run_id,
	    .after_seq = -1);
	assert_int_equal(log.rows.n, 0);
	call(journal_list, &steps, .tenant = "default", .run_id = over.run_id);
	assert_int_equal(steps.rows.n, 0);
	/* what it left in its thread is the thread's */
	call(checkpoint_get, NULL, .tenant = "default", .thread_id = "t1");
	assert_string_equal(thread_status(w, "t1"), "idle");
	/* its child is not over */
	assert_string_equal(status_of(w, parent.run_id), "success");
	call(run_cancel, NULL, .tenant = "default", .run_ids = texts("child"));
	kept = made(w, "t3", NULL);
	call(run_forget, &s, .ended_before_ms = INT64_MAX, .limit = 10);
	assert_int_equal(s.count, 2);
	assert_string_equal(status_of(w, kept.run_id), "pending");
}

static void
run_forget__more_than_one_look__goes_on_where_it_was(void **state)
{
	struct world *w = *state;
	struct storage_swept s = { 0 };
	struct storage_runs all;
	int i, looks = 0;

	world_agent(w, "default", "agent");
	made_of(w, "default", 25);
	call(run_cancel, NULL, .tenant = "default", .status = "all");
	for (i = 0; i < 3; i++)
		made_of(w, "default", 1);
	do
		call(run_forget, &s, .ended_before_ms = INT64_MAX, .limit = 10,
		    .after = s.next);
	while (looks++ < 10 && s.next != 0);
	assert_int_equal(looks, 3);
	call(run_list, &all, .tenant = "default");
	assert_int_equal(all.total, 3);
}

static void
thread_forget__unchanged_for_long__gone_unless_busy(void **state)
{
	struct world *w = *state;
	struct storage_swept s;
	struct storage_run r;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	call(thread_create, NULL, .tenant = "default", .thread_id = "t2");
	call(checkpoint_put, NULL, .tenant = "default", .thread_id = "t2",
	    .checkpoint_id = "c", .values = "{}");
	call(thread_forget, &s, .changed_before_ms = 1, .limit = 10);
	assert_int_equal(s.count, 0);
	call(thread_forget, &s, .changed_before_ms = INT64_MAX, .limit = 10);
	assert_int_equal(s.count, 1);
	refuse(thread_get, ERR_NOT_FOUND, "t2", .tenant = "default",
	    .thread_id = "t2");
	assert_string_equal(thread_status(w, "t1"), "busy");
	r = claim_it(w, r.run_id);
	(void)finished(w, &r, "success");
	call(thread_forget, &s, .changed_before_ms = INT64_MAX, .limit = 10);
	assert_int_equal(s.count, 1);
	assert_string_equal(status_of(w, r.run_id), "NOT_FOUND");
}

static const char *
how_is(struct world *w, const char *id)
{
	struct storage_run r;

	if (ask(run_get, &r, .tenant = "default", .run_id = id) == -1)
		return "gone";
	return r.cancel != NULL && r.ended_at_ms == 0 ? r.cancel : r.status;
}

/*
 * p (running) has a (running), b (pending); a has c (pending) and d (over),
 * and d has e (running).  f is another's.
 */
static struct storage_run
family(struct world *w)
{
	struct storage_run p;

	world_agent(w, "default", "agent");
	p = made(w, "t1", NULL);
	p = claim_it(w, p.run_id);
	(void)child_of(w, p.run_id, "a");
	(void)claim_it(w, "a");
	(void)child_of(w, "a", "d");
	(void)claim_it(w, "d");
	(void)child_of(w, "d", "e");
	(void)claim_it(w, "e");
	call(run_finish, NULL, .tenant = "default", .run_id = "d", .fence = 1,
	    .status = "success");
	(void)child_of(w, p.run_id, "b");
	(void)child_of(w, "a", "c");
	call(run_create, NULL, .tenant = "default", .assistant_id = "agent",
	    .run_id = "f");
	return p;
}

static void
run_cancel__of_a_parent__all_below_it_by_the_same_action(void **state)
{
	struct world *w = *state;
	struct storage_run p = family(w);
	struct storage_run_cut cut;

	call(run_cancel, &cut, .tenant = "default", .run_ids = texts("a"));
	assert_int_equal(cut.count, 1);
	assert_int_equal(cut.stop.n, 2);
	assert_int_equal(cut.ended.n, 1);
	assert_string_equal(how_is(w, "a"), "interrupt");
	assert_string_equal(how_is(w, "c"), "interrupted");
	assert_string_equal(how_is(w, "d"), "success");
	assert_string_equal(how_is(w, "e"), "interrupt");
	assert_string_equal(how_is(w, "b"), "pending");
	assert_string_equal(how_is(w, p.run_id), "running");
	refuse(run_create, ERR_CONFLICT, "being cancelled", .tenant = "default",
	    .assistant_id = "agent", .parent_run_id = "a", .parent_fence = 1);
	/* named together with what goes with it, and again by another action */
	call(run_cancel, &cut, .tenant = "default",
	    .run_ids = texts(p.run_id, "b"), .action = "rollback");
	assert_int_equal(cut.count, 2);
	assert_int_equal(cut.stop.n, 3);
	assert_int_equal(cut.ended.n, 1);
	assert_string_equal(how_is(w, "a"), "rollback");
	assert_string_equal(how_is(w, "e"), "rollback");
	assert_string_equal(how_is(w, "b"), "gone");
	assert_string_equal(how_is(w, "f"), "pending");
}

static void
run_delete__of_a_parent__all_below_it_is_interrupted(void **state)
{
	struct world *w = *state;
	struct storage_run p = family(w);
	struct storage_run_cut cut;

	call(run_delete, &cut, .tenant = "default", .run_id = p.run_id);
	assert_int_equal(cut.stop.n, 3);
	assert_int_equal(cut.ended.n, 2);
	assert_string_equal(how_is(w, "a"), "interrupt");
	assert_string_equal(how_is(w, "b"), "interrupted");
	assert_string_equal(how_is(w, "e"), "interrupt");
	assert_string_equal(how_is(w, "f"), "pending");
}

static void
thread_delete__of_a_parent__all_below_it_is_interrupted(void **state)
{
	struct world *w = *state;
	struct storage_run_cut cut;

	(void)family(w);
	call(thread_delete, &cut, .tenant = "default", .thread_id = "t1");
	assert_int_equal(cut.stop.n, 3);
	assert_string_equal(how_is(w, "a"), "interrupt");
	assert_string_equal(how_is(w, "c"), "interrupted");
	assert_string_equal(how_is(w, "f"), "pending");
}

static void
run_cancel__by_name_and_by_status__pending_now_running_later(void **state)
{
	struct world *w = *state;
	struct storage_run running, waiting;
	struct storage_run_cut cut;

	world_agent(w, "default", "agent");
	running = made(w, "t1", NULL);
	running = claim_it(w, running.run_id);
	waiting = made(w, "t1", NULL);
	refuse(run_cancel, ERR_NOT_FOUND, "run", .tenant = "default",
	    .run_ids = texts("nobody"));
	refuse(run_cancel, ERR_NOT_FOUND, "run", .tenant = "other",
	    .run_ids = texts(running.run_id));
	refuse(run_cancel, ERR_NOT_FOUND, "run", .tenant = "default",
	    .thread_id = "t2", .run_ids = texts(running.run_id));
	refuse(run_cancel, ERR_INVALID, "either", .tenant = "default");
	/* one that is not there: none of the others is cancelled */
	refuse(run_cancel, ERR_NOT_FOUND, "run", .tenant = "default",
	    .run_ids = texts(waiting.run_id, "nobody"));
	assert_string_equal(status_of(w, waiting.run_id), "pending");
	call(run_cancel, &cut, .tenant = "default", .status = "all",
	    .action = "interrupt");
	assert_int_equal(cut.count, 2);
	assert_int_equal(cut.stop.n, 1);
	assert_int_equal(cut.ended.n, 1);
	assert_string_equal(status_of(w, waiting.run_id), "interrupted");
	/* rollback is stronger, and interrupt does not take it back */
	call(run_cancel, &cut, .tenant = "default",
	    .run_ids = texts(running.run_id), .action = "rollback");
	call(run_cancel, &cut, .tenant = "default",
	    .run_ids = texts(running.run_id), .action = "interrupt");
	assert_string_equal(cut.stop.v[0].cancel, "rollback");
	assert_int_equal(finished(w, &running, "interrupted").deleted, 1);
	/* what has ended is left alone */
	call(run_cancel, &cut, .tenant = "default",
	    .run_ids = texts(waiting.run_id));
	assert_int_equal(cut.count, 0);
}

static void
run_finish__interrupted__the_thread_waits_for_a_person(void **state)
{
	struct world *w = *state;
	struct storage_run r;
	struct storage_thread t;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	r = claim_it(w, r.run_id);
	call(run_finish, NULL, .tenant = "default", .run_id = r.run_id,
	    .fence = 1, .status = "interrupted",
	    .interrupts = "{\"task\":[{\"id\":\"1\"}]}");
	call(thread_get, &t, .tenant = "default", .thread_id = "t1");
	assert_string_equal(t.status, "interrupted");
	assert_string_equal(t.interrupts, "{\"task\":[{\"id\":\"1\"}]}");
	r = made(w, "t1", NULL);
	r = claim_it(w, r.run_id);
	(void)finished(w, &r, "success");
	call(thread_get, &t, .tenant = "default", .thread_id = "t1");
	assert_string_equal(t.status, "idle");
	assert_null(t.interrupts);
	/* steps are left though the run succeeded: a breakpoint */
	r = made(w, "t1", NULL);
	r = claim_it(w, r.run_id);
	call(checkpoint_put, NULL, .tenant = "default", .thread_id = "t1",
	    .run_id = r.run_id, .fence = 1, .checkpoint_id = "c1",
	    .next = "[\"node\"]");
	(void)finished(w, &r, "success");
	assert_string_equal(thread_status(w, "t1"), "interrupted");
}

/* What sqlite3 does to a database that nobody has open. */
static void
meddle(struct world *w, const char *sql)
{
	sqlite3 *h;

	world_close(w);
	assert_int_equal(sqlite3_open(w->path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
	assert_int_equal(world_open(w), 0);
}

static void
run_write__stored_bytes__bounded_over_attempts_but_for_the_end(void **state)
{
	struct world *w = *state;
	struct storage_event ev = { .name = "custom", .data = "\"123456789\"" };
	struct storage_run_end end;
	struct storage_run r;
	char sql[128];

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	r = claim_it(w, r.run_id);
	(void)snprintf(sql, sizeof(sql), "UPDATE lease SET stored_bytes = %d",
	    STORAGE_RUN_BYTES_MAX - 100);
	meddle(w, sql);
	/* of an attempt that is lost, and of the one after it */
	assert_int_equal(finished(w, &r, "lost").again, 1);
	r = claim_it(w, r.run_id);
	call(event_append, NULL, .tenant = "default", .run_id = r.run_id,
	    .fence = 2, .events = { &ev, 1 });
	refuse(event_append, ERR_LIMIT, "stored", .tenant = "default",
	    .run_id = r.run_id, .fence = 2, .events = { &ev, 1 });
	refuse(event_append, ERR_CONFLICT, "does not have", .tenant = "default",
	    .run_id = r.run_id, .fence = 1, .events = { &ev, 1 });
	call(run_finish, &end, .tenant = "default", .run_id = r.run_id,
	    .fence = 2, .status = "success", .events = { &ev, 1 });
	assert_in_range(end.rows.v[0].stored_bytes, STORAGE_RUN_BYTES_MAX - 100,
	    STORAGE_RUN_BYTES_MAX);
}

/* ---- leases ---- */

static void
run_recover__another_process_had_them__claimed_again(void **state)
{
	struct world *w = *state;
	struct storage_run r, cancelled, rolled;
	struct storage_recovery rec;
	struct storage_claims c;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	cancelled = made(w, "t2", NULL);
	rolled = made(w, "t3", NULL);
	assert_int_equal(claimed(w, 10).rows.n, 3);
	call(run_cancel, NULL, .tenant = "default",
	    .run_ids = texts(cancelled.run_id));
	call(run_cancel, NULL, .tenant = "default",
	    .run_ids = texts(rolled.run_id), .action = "rollback");
	world_close(w);
	assert_int_equal(world_open(w), 0);
	call(run_recover, &rec, .holder = "engine-2");
	assert_int_equal(rec.again, 1);
	assert_int_equal(rec.ended.n, 2);
	assert_string_equal(status_of(w, cancelled.run_id), "interrupted");
	assert_string_equal(status_of(w, rolled.run_id), "NOT_FOUND");
	call(run_claim, &c, .holder = "engine-2", .lease_ms = 1000,
	    .limit = 10);
	assert_int_equal(c.rows.n, 1);
	assert_string_equal(c.rows.v[0].run.v[0].run_id, r.run_id);
	assert_int_equal(c.rows.v[0].run.v[0].attempt, 2);
	/* our own are left alone */
	call(run_recover, &rec, .holder = "engine-2");
	assert_int_equal(rec.again, 0);
	refuse(run_finish, ERR_CONFLICT, "does not have", .tenant = "default",
	    .run_id = r.run_id, .fence = 1, .status = "success");
}

static void
run_recover__lost_too_often__an_error(void **state)
{
	struct world *w = *state;
	struct storage_recovery rec;
	struct storage_run r;
	char holder[32];
	int i;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	for (i = 0; i <= STORAGE_LOSSES_MAX; i++) {
		(void)claim_it(w, r.run_id);
		(void)snprintf(holder, sizeof(holder), "after-%d", i);
		call(run_recover, &rec, .holder = holder);
		assert_int_equal(rec.again, i < STORAGE_LOSSES_MAX);
	}
	call(run_get, &r, .tenant = "default", .run_id = r.run_id);
	assert_string_equal(r.status, "error");
	assert_non_null(strstr(r.error, "RunLost"));
	assert_int_equal(r.attempt, STORAGE_LOSSES_MAX + 1);
}

static void
run_expire__a_lease_that_nobody_renews__lost(void **state)
{
	struct world *w = *state;
	struct storage_claims c;
	struct storage_recovery rec;
	struct storage_leases lost;
	struct storage_run kept, left;
	struct storage_lease leases[2];

	world_agent(w, "default", "agent");
	kept = made(w, "t1", NULL);
	left = made(w, "t2", NULL);
	/* long enough for a slow disk to renew in time */
	call(run_claim, &c, .holder = HOLDER, .lease_ms = 2000, .limit = 10);
	assert_int_equal(c.rows.n, 2);
	leases[0] = (struct storage_lease){ "default", kept.run_id, 1 };
	leases[1] = (struct storage_lease){ "default", left.run_id, 7 };
	call(run_renew, &lost, .holder = HOLDER, .lease_ms = 60000,
	    .leases = { leases, 2 });
	/* that fence was never ours */
	assert_int_equal(lost.rows.n, 1);
	assert_string_equal(lost.rows.v[0].run_id, left.run_id);
	call(run_expire, &rec, .holder = HOLDER);
	assert_int_equal(rec.again, 0);
	assert_int_equal(usleep(2050 * 1000), 0);
	call(run_expire, &rec, .holder = "another");
	assert_int_equal(rec.again, 0);
	call(run_expire, &rec, .holder = HOLDER);
	assert_int_equal(rec.again, 1);
	assert_string_equal(status_of(w, kept.run_id), "running");
	assert_string_equal(status_of(w, left.run_id), "pending");
}

static void
run_claim__no_agent__an_error_not_a_wait(void **state)
{
	struct world *w = *state;
	struct storage_claims c;
	struct storage_run r;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	/* nothing removes an agent: as after a restored backup */
	meddle(w, "DELETE FROM agent");
	c = claimed(w, 10);
	assert_int_equal(c.rows.n, 0);
	assert_int_equal(c.ended.n, 1);
	assert_string_equal(status_of(w, r.run_id), "error");
}

static void
run_claim__many_threads__due_order_up_to_the_limit(void **state)
{
	struct world *w = *state;
	struct storage_run r[12];
	struct storage_claims c;
	char thread[16];
	size_t i;

	world_agent(w, "default", "agent");
	for (i = 0; i < 12; i++) {
		(void)snprintf(thread, sizeof(thread), "t%zu", i / 2);
		r[i] = made(w, thread, NULL);
	}
	c = claimed(w, 4);
	assert_int_equal(c.rows.n, 4);
	for (i = 0; i < 4; i++)
		assert_string_equal(c.rows.v[i].run.v[0].run_id,
		    r[2 * i].run_id);
	c = claimed(w, 100);
	assert_int_equal(c.rows.n, 2);
	assert_int_equal(claimed(w, 100).rows.n, 0);
}

static void
run_delete__running__its_attempt_is_void(void **state)
{
	struct world *w = *state;
	struct storage_run_cut cut;
	struct storage_run r;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	r = claim_it(w, r.run_id);
	refuse(run_delete, ERR_NOT_FOUND, "run", .tenant = "other",
	    .run_id = r.run_id);
	call(run_delete, &cut, .tenant = "default", .run_id = r.run_id);
	assert_int_equal(cut.stop.n, 1);
	refuse(run_finish, ERR_CONFLICT, "does not have", .tenant = "default",
	    .run_id = r.run_id, .fence = 1, .status = "success");
	assert_string_equal(thread_status(w, "t1"), "idle");
	refuse(run_delete, ERR_NOT_FOUND, "run", .tenant = "default",
	    .run_id = r.run_id);
}

static void
thread_delete__with_runs__stops_them_and_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct storage_run running;
	struct storage_run_cut cut;
	struct storage_runs all;
	struct storage_tally n;

	world_agent(w, "default", "agent");
	running = made(w, "t1", NULL);
	running = claim_it(w, running.run_id);
	(void)made(w, "t1", NULL);
	call(checkpoint_put, NULL, .tenant = "default", .thread_id = "t1",
	    .run_id = running.run_id, .fence = 1, .checkpoint_id = "c1",
	    .values = "{}");
	refuse(thread_delete, ERR_NOT_FOUND, "thread", .tenant = "other",
	    .thread_id = "t1");
	call(thread_delete, &cut, .tenant = "default", .thread_id = "t1");
	assert_int_equal(cut.stop.n, 1);
	assert_int_equal(cut.ended.n, 1);
	refuse(thread_get, ERR_NOT_FOUND, "thread", .tenant = "default",
	    .thread_id = "t1");
	call(run_list, &all, .tenant = "default");
	assert_int_equal(all.total, 0);
	call(run_tally, &n, .tenant = NULL);
	assert_int_equal(n.threads, 0);
	assert_int_equal(n.running, 0);
}

static void
event_read__cursor_and_retention__what_is_gone_is_said(void **state)
{
	struct world *w = *state;
	struct storage_event ev[20];
	struct storage_events read;
	struct storage_count gone;
	struct storage_run r;
	size_t i;

	world_agent(w, "default", "agent");
	r = made(w, "t1", NULL);
	r = claim_it(w, r.run_id);
	for (i = 0; i < 20; i++)
		ev[i] = (struct storage_event){ .name = "custom",
			.data = "\"0123456789\"" };
	call(event_append, NULL, .tenant = "default", .run_id = r.run_id,
	    .fence = 1, .events = { ev, 20 });
	call(event_read, &read, .tenant = "default", .run_id = r.run_id,
	    .after_seq = 4, .limit = 5);
	assert_int_equal(read.rows.n, 5);
	assert_int_equal(read.rows.v[0].seq, 5);
	assert_int_equal(read.last_seq, 20);
	assert_int_equal(read.ended, 0);
	/* by bytes, but at least one */
	call(event_read, &read, .tenant = "default", .run_id = r.run_id,
	    .after_seq = 0, .limit = 100, .max_bytes = 30);
	assert_int_equal(read.rows.n, 3);
	call(event_read, &read, .tenant = "default", .run_id = r.run_id,
	    .after_seq = 0, .limit = 100, .max_bytes = 1);
	assert_int_equal(read.rows.n, 1);
	call(event_read, &read, .tenant = "other", .run_id = r.run_id,
	    .after_seq = -1, .limit = 100);
	assert_int_equal(read.rows.n, 0);
	assert_null(read.status);
	/* a run that is not over keeps its events */
	call(event_expire, &gone, .ended_before_ms = INT64_MAX, .limit = 10);
	assert_int_equal(gone.count, 0);
	(void)finished(w, &r, "success");
	call(event_expire, &gone, .ended_before_ms = 1, .limit = 10);
	assert_int_equal(gone.count, 0);
	call(event_expire, &gone, .ended_before_ms = INT64_MAX, .limit = 10);
	assert_int_equal(gone.count, 1);
	call(event_read, &read, .tenant = "default", .run_id = r.run_id,
	    .after_seq = 3);
	assert_int_equal(read.gone, 1);
	assert_string_equal(read.status, "success");
	assert_int_equal(read.ended, 1);
	call(event_expire, &gone, .ended_before_ms = INT64_MAX, .limit = 10);
	assert_int_equal(gone.count, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		world_test(run_create__no_such_thing__refused),
		world_test(run_life__success__states_events_and_thread),
		world_test(run_write__old_fence__refused),
		world_test(run_finish__errors__retried_while_retries_are_left),
		world_test(
		    run_create__enqueue__first_come_first_served_one_at_a_time),
		world_test(run_create__after__waits_and_lets_others_pass),
		world_test(run_create__reject__409_while_the_thread_is_busy),
		world_test(
		    run_create__interrupt__stops_those_before_keeps_what_they_stored),
		world_test(
		    run_create__rollback__removes_a_running_run_and_its_checkpoints),
		world_test(run_create__idempotency_key__one_run),
		world_test(run_create__children__bounded_and_fenced),
		world_test(
		    run_claim__several_tenants__the_one_with_the_fewest_first),
		world_test(
		    run_claim__tenant_max__no_more_of_one_and_no_busy_wait),
		world_test(
		    run_create__queue_full__refused_for_that_tenant_alone),
		world_test(
		    run_forget__ended_long_ago__gone_with_what_is_its_own),
		world_test(
		    run_forget__more_than_one_look__goes_on_where_it_was),
		world_test(thread_forget__unchanged_for_long__gone_unless_busy),
		world_test(
		    run_cancel__of_a_parent__all_below_it_by_the_same_action),
		world_test(
		    run_delete__of_a_parent__all_below_it_is_interrupted),
		world_test(
		    thread_delete__of_a_parent__all_below_it_is_interrupted),
		world_test(
		    run_cancel__by_name_and_by_status__pending_now_running_later),
		world_test(
		    run_finish__interrupted__the_thread_waits_for_a_person),
		world_test(
		    run_write__stored_bytes__bounded_over_attempts_but_for_the_end),
		world_test(
		    run_recover__another_process_had_them__claimed_again),
		world_test(run_recover__lost_too_often__an_error),
		world_test(run_expire__a_lease_that_nobody_renews__lost),
		world_test(run_claim__no_agent__an_error_not_a_wait),
		world_test(run_claim__many_threads__due_order_up_to_the_limit),
		world_test(run_delete__running__its_attempt_is_void),
		world_test(
		    thread_delete__with_runs__stops_them_and_leaves_nothing),
		world_test(
		    event_read__cursor_and_retention__what_is_gone_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
