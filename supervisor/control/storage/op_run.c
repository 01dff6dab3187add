/* Runs: made, read, cancelled, deleted; and the one way a state changes. */
#include <assert.h>
#include <string.h>

#include "op.h"
#include "uuid.h"

#define RUN_COLUMNS                                                         \
	"tenant, run_id, thread_id, assistant_id, graph_id, status,"        \
	" metadata, kwargs, multitask_strategy, created_at_ms,"             \
	" updated_at_ms, started_at_ms, ended_at_ms, attempt, fence,"       \
	" retries_left, losses, wall_ms, temporary, cancel, cancel_reason," \
	" error, output, parent_run_id, root_run_id, depth, children,"      \
	" stored_bytes"

int
op_run_read(struct db *d, const char *tenant, const char *thread_id,
    const char *run_id, struct storage_run *ret, struct err *e)
{
	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	d->v.run_id = run_id;
	return db_one(d,
	    "SELECT " RUN_COLUMNS " FROM run WHERE tenant = $tenant"
	    " AND run_id = $run_id"
	    " AND ($thread_id IS NULL OR thread_id = $thread_id)",
	    record_run(), ret, e);
}

static int
run_must(struct db *d, const char *tenant, const char *thread_id,
    const char *run_id, struct storage_run *ret, struct err *e)
{
	int rc = op_run_read(d, tenant, thread_id, run_id, ret, e);

	return rc == 0 ? op_not_found("run", run_id, e) : rc == 1 ? 0 : -1;
}

void
op_run_add(struct db *d, void *list, const struct storage_run *r)
{
	struct record_list *l = list;
	struct storage_run *v;

	v = hold_alloc(d->hold, (l->n + 1) * sizeof(*v));
	if (l->n > 0)
		memcpy(v, l->v, l->n * sizeof(*v));
	v[l->n++] = *r;
	l->v = v;
}

/* ---- transitions ---- */

/* $tenant, $thread_id, $run_id: those of this run. */
static void
run_name(struct db *d, const struct storage_run *r)
{
	d->v.tenant = r->tenant;
	d->v.thread_id = r->thread_id;
	d->v.run_id = r->run_id;
}

static int
run_lease(struct db *d, struct storage_run *r, const struct op_step *how,
    struct err *e)
{
	r->attempt++;
	r->fence++;
	if (r->started_at_ms == 0)
		r->started_at_ms = d->v.now;
	d->v.fence = r->fence;
	d->v.a = how->holder;
	d->v.n = d->v.steady + how->lease_ms;
	d->v.m = r->stored_bytes;
	return db_exec(d,
	    "INSERT INTO lease (tenant, run_id, thread_id, fence, holder,"
	    " until_at, stored_bytes)"
	    " VALUES ($tenant, $run_id, $thread_id, $fence, $a, $n, $m)",
	    e);
}

/* What its attempt wrote is counted, later writes are refused. */
static int
run_free(struct db *d, struct storage_run *r, struct err *e)
{
	return db_number(d,
	    "DELETE FROM lease WHERE tenant = $tenant AND run_id = $run_id"
	    " RETURNING stored_bytes",
	    &r->stored_bytes, e);
}

/* A rollback asked for is not taken back by an interrupt. */
static void
run_ask(struct storage_run *r, const struct op_step *how)
{
	if (r->cancel == NULL || strcmp(r->cancel, "rollback") != 0)
		r->cancel = how->cancel;
	r->cancel_reason = how->reason;
}

static int
run_remove(struct db *d, const struct storage_run *r, const char *why,
    struct err *e)
{
	static const char *const sql[] = {
		"INSERT INTO tombstone SELECT tenant, run_id, thread_id,"
		" assistant_id, $a, created_at_ms, $now FROM run"
		" WHERE tenant = $tenant AND run_id = $run_id",
		"DELETE FROM event WHERE tenant = $tenant AND run_id = $run_id",
		"DELETE FROM journal WHERE tenant = $tenant"
		" AND run_id = $run_id",
		"DELETE FROM run WHERE tenant = $tenant AND run_id = $run_id",
	};

	size_t i;

	run_name(d, r);
	d->v.a = why;
	for (i = 0; i < countof(sql); i++)
		if (db_exec(d, sql[i], e) == -1)
			return -1;
	return 0;
}

/* $n: when it is due, 0 leaves that. */
static int
run_store(struct db *d, const struct storage_run *r, int64_t due, struct err *e)
{
	struct op_with w = op_with(d, record_run(), r);
	int rc;

	d->v.n = due;
	rc = db_exec(d,
	    "UPDATE run SET status = :status, updated_at_ms = $now,"
	    " started_at_ms = :started_at_ms, ended_at_ms = :ended_at_ms,"
	    " attempt = :attempt, fence = :fence,"
	    " retries_left = :retries_left, losses = :losses,"
	    " cancel = :cancel, cancel_reason = :cancel_reason,"
	    " error = :error, output = :output, stored_bytes = :stored_bytes,"
	    " due_at = iif($n = 0, due_at, $n)"
	    " WHERE tenant = :tenant AND run_id = :run_id",
	    e);
	op_with_end(d, &w);
	return rc;
}

/* What holds after every transition; that it does not is a bug of ours. */
static int
run_assert(struct db *d, const struct storage_run *r, enum state s,
    struct err *e)
{
	struct state_facts f = { .state = s,
		.asked = r->cancel != NULL,
		.attempt = r->attempt,
		.fence = r->fence,
		.started_at_ms = r->started_at_ms,
		.ended_at_ms = r->ended_at_ms };
	int64_t leases;

	if (db_number(d,
		"SELECT count(*) FROM lease WHERE tenant = $tenant"
		" AND run_id = $run_id",
		&leases, e) == -1)
		return -1;
	f.leased = leases != 0;
	assert(state_check(&f) == NULL);
	return 0;
}

/* The transition in the run's log. */
static int
run_log(struct db *d, const struct storage_run *r, const struct op_step *how,
    unsigned actions, struct err *e)
{
	struct storage_event ev = { .name = "$again" };
	struct storage_appended at;

	if (actions & STATE_LEASE) {
		ev.name = "metadata";
		ev.data =
		    hold_printf(d->hold, "{\"run_id\":\"%s\",\"attempt\":%jd}",
			r->run_id, (intmax_t)r->attempt);
	} else {
		if (actions & STATE_END)
			ev.name = "$end";
		else if (actions & STATE_ASK)
			ev.name = "$cancel";
		ev.data =
		    hold_printf(d->hold, "{\"status\":\"%s\",\"attempt\":%jd}",
			actions & STATE_ASK ? how->cancel : r->status,
			(intmax_t)r->attempt);
	}
	return op_event_add(d, r->tenant, r->run_id, &ev, 1, &at, e);
}

/*
 * What its newest checkpoint waits for, {task id: [{id, value}]}: also where
 * a later run failed, or was cancelled before it began.
 */
static int
run_asked(struct db *d, const struct storage_run *r, const char **ret,
    struct err *e)
{
	struct storage_thread t = { 0 };

	run_name(d, r);
	if (db_one(d,
		"SELECT (SELECT " OP_ASKED(
		    "(SELECT tasks FROM checkpoint"
		    " WHERE id = head)") ")"
					 " AS interrupts FROM thread WHERE tenant = $tenant"
					 " AND thread_id = $thread_id",
		record_thread(), &t, e) == -1)
		return -1;
	*ret = t.interrupts;
	return 0;
}

/*
 * After an end: what the thread is now, and the next of its runs may come
 * (the later ones too that are not due yet: they may pass one another).
 * interrupted: its agent waits for a person, or steps are left.
 */
static int
run_settle(struct db *d, const struct storage_run *r, enum state s,
    const struct op_step *how, struct err *e)
{
	run_name(d, r);
	d->v.status = s == STATE_ERROR || s == STATE_TIMEOUT ? "error" : "idle";
	d->v.a = s == STATE_ERROR || s == STATE_TIMEOUT ? r->error : NULL;
	d->v.b = NULL;
	if (how->interrupts != NULL)
		d->v.b = how->interrupts;
	else if (run_asked(d, r, &d->v.b, e) == -1)
		return -1;
	d->v.n = r->temporary ? OP_TEMPORARY_MS : 0;
	if (db_exec(d,
		"UPDATE thread SET updated_at_ms = $now, error = $a,"
		" interrupts = $b, status = CASE WHEN EXISTS (SELECT 1 FROM"
		" run WHERE tenant = $tenant AND thread_id = $thread_id AND"
		" status IN ('pending', 'running')) THEN 'busy'"
		" WHEN $status = 'error' THEN $status"
		" WHEN ifnull($b, '{}') NOT IN ('{}', '[]')"
		" OR ifnull((SELECT next FROM checkpoint WHERE id = head),"
		" '[]') <> '[]' THEN 'interrupted' ELSE 'idle' END,"
		" expires_at_ms = iif($n > 0, $now + $n, expires_at_ms)"
		" WHERE tenant = $tenant AND thread_id = $thread_id",
		e) == -1)
		return -1;
	return db_exec(d,
	    "UPDATE run SET blocked = 0 WHERE tenant = $tenant AND thread_id ="
	    " $thread_id AND status IN ('pending', 'running') AND blocked = 1"
	    " AND (due_at > $steady OR seq = (SELECT min(seq) FROM run"
	    " WHERE tenant = $tenant AND thread_id = $thread_id AND status IN"
	    " ('pending', 'running') AND blocked = 1 AND due_at <= $steady))",
	    e);
}

/* What the actions of a step do to the record, and to the lease. */
static int
run_act(struct db *d, struct storage_run *r, const struct op_step *how,
    unsigned actions, struct err *e)
{
	run_name(d, r);
	if ((actions & STATE_LEASE) && run_lease(d, r, how, e) == -1)
		return -1;
	if ((actions & STATE_FREE) && run_free(d, r, e) == -1)
		return -1;
	if (actions & STATE_ASK)
		run_ask(r, how);
	if (actions & STATE_END)
		r->ended_at_ms = d->v.now;
	if ((actions & STATE_UNDO) && op_checkpoint_undo(d, r, e) == -1)
		return -1;
	return 0;
}

int
op_run_step(struct db *d, struct storage_run *r, const struct op_step *how,
    struct err *e)
{
	struct state_step step;
	enum state now;
	int64_t due;

	if (state_parse(r->status, &now) == -1)
		return err_set(e, ERR_CORRUPT, "a run is in no known state");
	if (state_next(now, how->event, &step) == -1)
		return err_set(e, ERR_CONFLICT, "the run is %s", r->status);
	if (run_act(d, r, how, step.actions, e) == -1)
		return -1;
	r->status = state_name(step.next);
	if (step.actions & STATE_REMOVE) {
		if (run_remove(d, r,
			how->reason == NULL ? "deleted" : how->reason, e) == -1)
			return -1;
	} else {
		due = step.actions & STATE_DEFER ? d->v.steady + how->backoff_ms
						 : 0;
		if (run_store(d, r, due, e) == -1 ||
		    run_assert(d, r, step.next, e) == -1 ||
		    run_log(d, r, how, step.actions, e) == -1)
			return -1;
	}
	if (step.actions & (STATE_END | STATE_REMOVE))
		return run_settle(d, r, step.next, how, e);
	return 0;
}

/* Which of the two was it? */
static int
fence_refused(struct db *d, struct err *e)
{
	int64_t ours;

	if (db_number(d,
		"SELECT count(*) FROM lease WHERE tenant = $tenant"
		" AND run_id = $run_id AND fence = $fence"
		" AND ($thread_id IS NULL OR thread_id = $thread_id)",
		&ours, e) == -1)
		return -1;
	if (ours)
		return err_set(e, ERR_LIMIT, "the run has stored %d bytes",
		    STORAGE_RUN_BYTES_MAX);
	return err_set(e, ERR_CONFLICT,
	    "this attempt does not have the run any more");
}

int
op_fence(struct db *d, const char *tenant, const char *thread_id,
    const char *run_id, int64_t fence, int64_t bytes, struct err *e)
{
	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	d->v.run_id = run_id;
	d->v.fence = fence;
	d->v.n = bytes;
	d->v.m = STORAGE_RUN_BYTES_MAX;
	if (db_exec(d,
		"UPDATE lease SET stored_bytes = stored_bytes + $n"
		" WHERE tenant = $tenant AND run_id = $run_id"
		" AND fence = $fence AND stored_bytes + $n <= $m"
		" AND ($thread_id IS NULL OR thread_id = $thread_id)",
		e) == -1)
		return -1;
	return db_changes(d) == 1 ? 0 : fence_refused(d, e);
}

/* ---- making ---- */

static const char *const multitask[] = { "reject", "enqueue", "interrupt",
	"rollback" };
static const char *const if_not_exists[] = { "reject", "create" };

static int
run_is(const char *word, const char *value)
{
	return word != NULL && strcmp(word, value) == 0;
}

/* 1: the run of an earlier request with this key is the answer. */
static int
run_known(struct db *d, const struct storage_run_create_request *q,
    struct storage_run *ret, struct err *e)
{
	struct storage_key found;
	int rc;

	if (q->idempotency_key == NULL)
		return 0;
	d->v.n = d->v.steady - STORAGE_IDEMPOTENT_MS;
	if (db_exec(d, "DELETE FROM idempotency WHERE created_at < $n", e) ==
	    -1)
		return -1;
	/* a record with two texts: the run, the digest */
	rc = db_one(d,
	    "SELECT run_id AS key_id, body_digest AS hint FROM idempotency"
	    " WHERE tenant = :tenant AND key = :idempotency_key",
	    record_key(), &found, e);
	if (rc != 1)
		return rc;
	if (strcmp(found.hint == NULL ? "" : found.hint,
		q->body_digest == NULL ? "" : q->body_digest) != 0)
		return err_set(e, ERR_CONFLICT,
		    "this idempotency key was used for another request");
	rc = op_run_read(d, q->tenant, NULL, found.key_id, ret, e);
	if (rc == 0)
		return err_set(e, ERR_CONFLICT,
		    "the run of this idempotency key was deleted");
	return rc;
}

static int
run_remember(struct db *d, const struct storage_run_create_request *q,
    const struct storage_run *r, struct err *e)
{
	if (q->idempotency_key == NULL)
		return 0;
	d->v.id = r->run_id;
	return db_exec(d,
	    "INSERT INTO idempotency (tenant, key, body_digest, run_id,"
	    " created_at) VALUES (:tenant, :idempotency_key, :body_digest,"
	    " $id, $steady)",
	    e);
}

/* The thread that the run gets: there, or made. */
static int
run_thread(struct db *d, const struct storage_run_create_request *q,
    const char *thread_id, struct err *e)
{
	struct storage_thread t;
	struct err missing = { 0 };

	if (q->thread_id != NULL) {
		if (op_thread_read(d, q->tenant, thread_id, &t, &missing) == 0)
			return 0;
		if (missing.code != ERR_NOT_FOUND ||
		    !run_is(q->if_not_exists, "create")) {
			*e = missing;
			return -1;
		}
	}
	return op_thread_make(d, q->tenant, thread_id, q->thread_metadata, e);
}

/* A child: its parent's attempt must be alive, and not have too many. */
static int
run_child(struct db *d, const struct storage_run_create_request *q,
    struct storage_run *r, struct err *e)
{
	struct storage_run parent;

	r->root_run_id = r->run_id;
	if (q->parent_run_id == NULL)
		return 0;
	if (op_fence(d, q->tenant, NULL, q->parent_run_id, q->parent_fence, 0,
		e) == -1 ||
	    run_must(d, q->tenant, NULL, q->parent_run_id, &parent, e) == -1)
		return -1;
	if (parent.cancel != NULL)
		return err_set(e, ERR_CONFLICT, "the run is being cancelled");
	if (parent.depth + 1 > STORAGE_DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "runs inside runs: more than %d",
		    STORAGE_DEPTH_MAX);
	if (parent.children + 1 > STORAGE_CHILDREN_MAX)
		return err_set(e, ERR_LIMIT,
		    "a run has more than %d runs of its own",
		    STORAGE_CHILDREN_MAX);
	r->parent_run_id = parent.run_id;
	r->root_run_id = parent.root_run_id;
	r->depth = parent.depth + 1;
	return db_exec(d,
	    "UPDATE run SET children = children + 1 WHERE tenant = :tenant"
	    " AND run_id = :parent_run_id",
	    e);
}

/* Cancel one that is not over; the engine has to stop it if it runs. */
static int
run_cancel_one(struct db *d, struct storage_run *r, const char *action,
    const char *reason, void *stop, void *ended, struct err *e)
{
	int rollback = run_is(action, "rollback");
	int running = strcmp(r->status, "running") == 0;
	struct op_step how = {
		.event = rollback ? STATE_EVENT_ROLLBACK : STATE_EVENT_CANCEL,
		.cancel = rollback ? "rollback" : "interrupt",
		.reason = reason,
	};

	if (op_run_step(d, r, &how, e) == -1)
		return -1;
	op_run_add(d, running ? stop : ended, r);
	return 0;
}

/* Those that are not over of what it started, and of what those did. */
static int
run_below(struct db *d, const struct storage_run *r, struct storage_runs *ret,
    struct err *e)
{
	d->v.tenant = r->tenant;
	d->v.run_id = r->run_id;
	d->v.a = r->root_run_id;
	d->v.n = r->depth;
	return db_rows(d,
	    "SELECT " RUN_COLUMNS " FROM run AS m WHERE tenant = $tenant"
	    " AND status IN ('pending', 'running') AND root_run_id = $a"
	    " AND depth > $n AND $run_id IN (WITH RECURSIVE up(id) AS"
	    " (SELECT m.parent_run_id UNION ALL SELECT p.parent_run_id FROM up"
	    " JOIN run p ON p.tenant = $tenant AND p.run_id = up.id"
	    " WHERE p.parent_run_id IS NOT NULL) SELECT id FROM up)"
	    " ORDER BY seq",
	    record_run(), &ret->rows, e);
}

int
op_run_cancel_below(struct db *d, const struct storage_run *parent,
    const char *action, const char *reason, void *stop, void *ended,
    struct err *e)
{
	struct storage_runs below = { 0 };
	struct storage_run r;
	size_t i;

	if (parent->children == 0)
		return 0;
	if (run_below(d, parent, &below, e) == -1)
		return -1;
	for (i = 0; i < below.rows.n; i++) {
		r = below.rows.v[i];
		if (run_cancel_one(d, &r, action, reason, stop, ended, e) == -1)
			return -1;
	}
	return 0;
}

/* With all below it; one that has ended meanwhile is left alone. */
static int
run_cancel_tree(struct db *d, const struct storage_run *found,
    const char *action, const char *reason, void *stop, void *ended,
    struct err *e)
{
	struct storage_run r, was;
	int rc = op_run_read(d, found->tenant, NULL, found->run_id, &r, e);

	if (rc != 1 || r.ended_at_ms != 0)
		return rc == -1 ? -1 : 0;
	was = r;
	if (op_run_cancel_below(d, &was, action,
		"the run that started it was cancelled", stop, ended, e) == -1)
		return -1;
	return run_cancel_one(d, &r, action, reason, stop, ended, e);
}

static int
run_active(struct db *d, const char *tenant, const char *thread_id,
    const char *status, struct storage_runs *ret, struct err *e)
{
	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	d->v.a = status;
	return db_rows(d,
	    "SELECT " RUN_COLUMNS " FROM run WHERE tenant = $tenant"
	    " AND ($thread_id IS NULL OR thread_id = $thread_id)"
	    " AND status IN ('pending', 'running')"
	    " AND ($a IS NULL OR status = $a) ORDER BY seq",
	    record_run(), &ret->rows, e);
}

/* What was asked when the client's thread was read may have its answer now. */
static int
run_still_asked(struct db *d, const struct storage_run_create_request *q,
    struct err *e)
{
	int64_t n;

	if (q->answers == NULL)
		return 0;
	if (db_number(d,
		"SELECT EXISTS (SELECT 1 FROM json_each(:answers) AS a"
		" WHERE a.value NOT IN (SELECT json_extract(i.value, '$.id')"
		" FROM thread AS t, json_each(t.interrupts) AS task,"
		" json_each(task.value) AS i WHERE t.tenant = :tenant"
		" AND t.thread_id = :thread_id))",
		&n, e) == -1)
		return -1;
	return n == 0 ? 0
		      : err_set(e, ERR_INVALID,
			    "this interrupt waits for no answer any more");
}

/* A question has one answer: whoever comes second hears it from here, as a
 * run that finds nothing asked could only fail. */
static int
run_answers(struct db *d, const struct storage_run_create_request *q,
    struct err *e)
{
	int64_t n;

	if (q->answers == NULL)
		return 0;
	if (db_number(d,
		"SELECT EXISTS (SELECT 1 FROM run AS r, json_each(r.kwargs,"
		" '$.answers') AS a WHERE r.tenant = :tenant"
		" AND r.thread_id = :thread_id"
		" AND r.status IN ('pending', 'running')"
		" AND a.value IN (SELECT value FROM json_each(:answers)))",
		&n, e) == -1)
		return -1;
	return n == 0 ? 0
		      : err_set(e, ERR_CONFLICT,
			    "another run answers this interrupt already");
}

/* What becomes of the runs that the thread has already. */
static int
run_multitask(struct db *d, const struct storage_run_create_request *q,
    const char *thread_id, struct storage_run_made *made, struct err *e)
{
	struct storage_runs active = { 0 };
	size_t i;

	if (run_active(d, q->tenant, thread_id, NULL, &active, e) == -1)
		return -1;
	if (active.rows.n > 0 && run_is(q->multitask_strategy, "reject"))
		return err_set(e, ERR_CONFLICT,
		    "Thread is already running a task. Wait for it to finish "
		    "or choose a different multitask strategy.");
	if (active.rows.n >= STORAGE_PENDING_MAX)
		return err_set(e, ERR_LIMIT,
		    "more than %d runs wait on this thread",
		    STORAGE_PENDING_MAX);
	if (q->multitask_strategy == NULL ||
	    run_is(q->multitask_strategy, "enqueue"))
		return run_answers(d, q, e);
	for (i = 0; i < active.rows.n; i++)
		if (run_cancel_tree(d, &active.rows.v[i], q->multitask_strategy,
			"a later run of its thread", &made->stop, &made->ended,
			e) == -1)
			return -1;
	return 0;
}

/* What multitask has cancelled waits no more. */
static int
run_queue(struct db *d, const struct storage_run_create_request *q,
    struct err *e)
{
	int64_t n;

	if (q->queue_max == 0)
		return 0;
	d->v.n = q->queue_max;
	if (db_number(d,
		"SELECT count(*) FROM (SELECT 1 FROM run WHERE"
		" tenant = :tenant AND status = 'pending' LIMIT $n)",
		&n, e) == -1)
		return -1;
	if (n < q->queue_max)
		return 0;
	return err_set(e, ERR_LIMIT,
	    "%jd runs of this tenant wait already: try again when some have "
	    "begun",
	    (intmax_t)n);
}

/* blocked: one that is earlier runs, is due, or waits for its next attempt. */
static int
run_insert(struct db *d, const struct storage_run_create_request *q,
    const struct storage_run *r, struct err *e)
{
	struct op_with w = op_with(d, record_run(), r);
	int rc;

	d->v.n = d->v.steady + q->after_ms;
	rc = db_exec(d,
	    "INSERT INTO run (tenant, run_id, thread_id, assistant_id,"
	    " graph_id, status, blocked, due_at, attempt, fence,"
	    " retries_left, losses, created_at_ms, updated_at_ms,"
	    " started_at_ms, ended_at_ms, wall_ms, temporary, parent_run_id,"
	    " root_run_id, depth, children, stored_bytes, events_kept,"
	    " multitask_strategy, metadata, kwargs)"
	    " VALUES (:tenant, :run_id, :thread_id, :assistant_id, :graph_id,"
	    " 'pending', EXISTS (SELECT 1 FROM run WHERE tenant = :tenant AND"
	    " thread_id = :thread_id AND status IN ('pending', 'running') AND"
	    " (status = 'running' OR attempt > 0 OR due_at <= $steady)),"
	    " $n, 0, 0, :retries_left, 0, $now, $now, 0, 0, :wall_ms,"
	    " :temporary, :parent_run_id, :root_run_id, :depth, 0, 0, 1,"
	    " :multitask_strategy, ifnull(:metadata, '{}'),"
	    " ifnull(:kwargs, '{}'))",
	    e);
	op_with_end(d, &w);
	return rc;
}

/* The thread is busy from now on, and says what it was used with. */
static int
run_thread_busy(struct db *d, const struct storage_run *r, struct err *e)
{
	d->v.tenant = r->tenant;
	d->v.thread_id = r->thread_id;
	d->v.a = r->graph_id;
	d->v.b = r->assistant_id;
	return db_exec(d,
	    "UPDATE thread SET status = 'busy', updated_at_ms = $now,"
	    " metadata = warder_merge(metadata, json_object('graph_id', $a,"
	    " 'assistant_id', $b))"
	    " WHERE tenant = $tenant AND thread_id = $thread_id",
	    e);
}

/* What its agent.yaml says, where the request does not. */
static int
run_policy(struct db *d, const struct storage_run_create_request *q,
    struct storage_run *r, struct err *e)
{
	struct storage_run said = { 0 };

	d->v.tenant = q->tenant;
	d->v.a = r->graph_id;
	if (db_one(d,
		"SELECT max(0, ifnull(json_extract(manifest,"
		" '$.retry.attempts'), 1) - 1) AS retries_left,"
		" ifnull(json_extract(manifest, '$.timeout_ms'), 0) AS wall_ms"
		" FROM agent WHERE tenant = $tenant AND name = $a"
		" ORDER BY version DESC LIMIT 1",
		record_run(), &said, e) == -1)
		return -1;
	if (r->retries_left == 0)
		r->retries_left = said.retries_left;
	if (r->wall_ms == 0)
		r->wall_ms = said.wall_ms;
	return 0;
}

static int
run_make(struct db *d, const struct storage_run_create_request *q,
    struct storage_run *r, struct storage_run_made *made, struct err *e)
{
	struct storage_assistant a;
	int rc;

	rc = op_assistant_find(d, q->tenant, q->assistant_id, &a, e);
	if (rc != 1)
		return rc == 0 ? op_not_found("assistant", q->assistant_id, e)
			       : -1;
	r->assistant_id = a.assistant_id;
	r->graph_id = a.graph_id;
	if (run_policy(d, q, r, e) == -1 ||
	    run_thread(d, q, r->thread_id, e) == -1 ||
	    run_still_asked(d, q, e) == -1 || run_child(d, q, r, e) == -1 ||
	    run_multitask(d, q, r->thread_id, made, e) == -1 ||
	    run_queue(d, q, e) == -1 || run_insert(d, q, r, e) == -1 ||
	    run_thread_busy(d, r, e) == -1 || run_remember(d, q, r, e) == -1)
		return -1;
	return run_must(d, q->tenant, NULL, r->run_id, r, e);
}

int
op_run_create(struct db *d, const struct storage_run_create_request *q,
    struct storage_run_made *ret, struct err *e)
{
	char run_id[UUID_SIZE], thread_id[UUID_SIZE];
	struct storage_run r = { .tenant = q->tenant,
		.run_id = q->run_id,
		.thread_id = q->thread_id,
		.retries_left = q->retries,
		.wall_ms = q->wall_ms,
		.temporary = q->temporary != 0,
		.metadata = q->metadata,
		.kwargs = q->kwargs,
		.multitask_strategy = q->multitask_strategy };
	struct storage_run known;
	int rc;

	if (op_check_word("multitask_strategy", q->multitask_strategy,
		multitask, countof(multitask), e) == -1 ||
	    op_check_word("if_not_exists", q->if_not_exists, if_not_exists,
		countof(if_not_exists), e) == -1)
		return -1;
	if (q->after_ms < 0 || q->retries < 0 || q->wall_ms < 0)
		return err_set(e, ERR_INVALID, "a time or a number below 0");
	rc = run_known(d, q, &known, e);
	if (rc == 1)
		op_run_add(d, &ret->rows, &known);
	if (rc != 0)
		return rc == 1 ? 0 : -1;
	if (q->recall)
		return err_set(e, ERR_NOT_FOUND, "no run has this key");
	uuid_v7(run_id);
	uuid_v7(thread_id);
	if (r.run_id == NULL)
		r.run_id = run_id;
	if (r.thread_id == NULL)
		r.thread_id = thread_id;
	if (r.multitask_strategy == NULL)
		r.multitask_strategy = "enqueue";
	if (op_run_read(d, q->tenant, NULL, r.run_id, &known, e) == 1)
		return err_set(e, ERR_CONFLICT, "a run with this id exists");
	if (run_make(d, q, &r, ret, e) == -1)
		return -1;
	ret->made = 1;
	op_run_add(d, &ret->rows, &r);
	return 0;
}

/* ---- what is old ---- */

#define RUN_LOOK "(SELECT * FROM run WHERE seq > :after ORDER BY seq LIMIT $m)"

/* seq as "fence": where the next look begins is that of the last. */
static int
run_old(struct db *d, struct storage_leases *ret, struct err *e)
{
	d->v.m = STORAGE_LOOK_MAX;
	return db_rows(d,
	    "SELECT tenant, run_id, seq AS fence FROM " RUN_LOOK " AS r"
	    " WHERE ended_at_ms > 0 AND ended_at_ms < :ended_before_ms"
	    " AND (children = 0 OR NOT EXISTS (SELECT 1 FROM run AS c"
	    " WHERE c.tenant = r.tenant AND c.root_run_id = r.root_run_id"
	    " AND c.status IN ('pending', 'running')))"
	    " ORDER BY seq LIMIT :limit",
	    record_lease(), &ret->rows, e);
}

static int
run_forget(struct db *d, const struct storage_lease *r, struct err *e)
{
	static const char *const sql[] = {
		"DELETE FROM event WHERE tenant = $tenant AND run_id = $run_id",
		"DELETE FROM journal WHERE tenant = $tenant"
		" AND run_id = $run_id",
		"DELETE FROM run WHERE tenant = $tenant AND run_id = $run_id",
	};

	size_t i;

	d->v.tenant = r->tenant;
	d->v.run_id = r->run_id;
	for (i = 0; i < countof(sql); i++)
		if (db_exec(d, sql[i], e) == -1)
			return -1;
	return 0;
}

int
op_run_forget(struct db *d, const struct storage_run_forget_request *q,
    struct storage_swept *ret, struct err *e)
{
	struct storage_leases old = { 0 };
	size_t i;

	if (run_old(d, &old, e) == -1)
		return -1;
	/* before they go: a look that was not full was the last */
	d->v.n = STORAGE_LOOK_MAX;
	if ((int64_t)old.rows.n == q->limit && q->limit > 0)
		ret->next = old.rows.v[old.rows.n - 1].fence;
	else if (db_number(d,
		     "SELECT iif(count(*) < $n, 0, max(seq)) FROM " RUN_LOOK,
		     &ret->next, e) == -1)
		return -1;
	for (i = 0; i < old.rows.n; i++)
		if (run_forget(d, &old.rows.v[i], e) == -1)
			return -1;
	ret->count = (int64_t)old.rows.n;
	return 0;
}

/* ---- reading ---- */

int
op_run_get(struct db *d, const struct storage_run_get_request *q,
    struct storage_run *r, struct err *e)
{
	return run_must(d, q->tenant, q->thread_id, q->run_id, r, e);
}

#define RUN_WHERE                                             \
	" FROM run WHERE tenant = :tenant"                    \
	" AND (:thread_id IS NULL OR thread_id = :thread_id)" \
	" AND (:status IS NULL OR status = :status)"

int
op_run_list(struct db *d, const struct storage_run_list_request *q,
    struct storage_runs *r, struct err *e)
{
	int64_t limit = q->limit;

	if (op_check_page(&limit, q->offset, e) == -1 ||
	    op_order(d, NULL, q->sort_order, NULL, 0, e) == -1 ||
	    db_number(d, "SELECT count(*)" RUN_WHERE, &r->total, e) == -1)
		return -1;
	d->v.n = limit;
	return db_rows(d,
	    "SELECT " RUN_COLUMNS RUN_WHERE
	    " ORDER BY iif($k, -seq, seq) LIMIT $n OFFSET :offset",
	    record_run(), &r->rows, e);
}

int
op_run_tally(struct db *d, const struct storage_run_tally_request *q,
    struct storage_tally *r, struct err *e)
{
	int rc;

	(void)q;
	rc = db_one(d,
	    "SELECT count(*) FILTER (WHERE status = 'pending') AS pending,"
	    " count(*) FILTER (WHERE status = 'running') AS running,"
	    " count(*) FILTER (WHERE status = 'success') AS success,"
	    " count(*) FILTER (WHERE status = 'error') AS error,"
	    " count(*) FILTER (WHERE status = 'timeout') AS timeout,"
	    " count(*) FILTER (WHERE status = 'interrupted') AS interrupted,"
	    " (SELECT count(*) FROM thread"
	    " WHERE :tenant IS NULL OR tenant = :tenant) AS threads,"
	    " (SELECT count(*) FROM assistant"
	    " WHERE :tenant IS NULL OR tenant = :tenant) AS assistants,"
	    " (SELECT page_count * page_size FROM pragma_page_count,"
	    " pragma_page_size) AS bytes"
	    " FROM run WHERE :tenant IS NULL OR tenant = :tenant",
	    record_tally(), r, e);
	return rc == -1 ? -1 : 0;
}

/* ---- cancelling and deleting ---- */

static const char *const actions[] = { "interrupt", "rollback" };
static const char *const meant[] = { "pending", "running", "all" };

/* The named ones; that one is over is no mistake. */
static int
run_named(struct db *d, const struct storage_run_cancel_request *q,
    struct storage_runs *ret, struct err *e)
{
	struct storage_run r;
	size_t i;

	for (i = 0; i < q->run_ids.n; i++) {
		if (run_must(d, q->tenant, q->thread_id, q->run_ids.v[i], &r,
			e) == -1)
			return -1;
		if (r.ended_at_ms == 0)
			op_run_add(d, &ret->rows, &r);
	}
	return 0;
}

int
op_run_cancel(struct db *d, const struct storage_run_cancel_request *q,
    struct storage_run_cut *ret, struct err *e)
{
	struct storage_runs found = { 0 };
	size_t i;
	int rc;

	if (op_check_word("action", q->action, actions, countof(actions), e) ==
		-1 ||
	    op_check_word("status", q->status, meant, countof(meant), e) == -1)
		return -1;
	if ((q->run_ids.n == 0) == (q->status == NULL))
		return err_set(e, ERR_INVALID,
		    "either the runs or their status");
	if (q->status == NULL)
		rc = run_named(d, q, &found, e);
	else
		rc = run_active(d, q->tenant, q->thread_id,
		    strcmp(q->status, "all") == 0 ? NULL : q->status, &found,
		    e);
	for (i = 0; rc == 0 && i < found.rows.n; i++)
		rc = run_cancel_tree(d, &found.rows.v[i], q->action, q->reason,
		    &ret->stop, &ret->ended, e);
	ret->count = (int64_t)found.rows.n;
	return rc;
}

int
op_run_delete(struct db *d, const struct storage_run_delete_request *q,
    struct storage_run_cut *ret, struct err *e)
{
	struct op_step how = { .event = STATE_EVENT_DELETE };
	struct storage_run r;
	int running;

	if (run_must(d, q->tenant, q->thread_id, q->run_id, &r, e) == -1)
		return -1;
	running = strcmp(r.status, "running") == 0;
	if (r.ended_at_ms == 0 && op_run_cancel_below(d, &r, NULL,
				      "the run that started it was deleted",
				      &ret->stop, &ret->ended, e) == -1)
		return -1;
	if (op_run_step(d, &r, &how, e) == -1)
		return -1;
	op_run_add(d, running ? (void *)&ret->stop : &ret->ended, &r);
	ret->count = 1;
	return 0;
}
