/* What the engine asks for: claims, leases, ends, recovery. */
#include <string.h>

#include "op.h"

enum {
	LEASE_LOOKED_AT = 4 /* candidates for each claim that is wanted */
};

/* ---- claims ---- */

/* Does another run of its thread come first? */
static int
lease_blocked(struct db *d, const struct storage_run *r, int *ret,
    struct err *e)
{
	int64_t n;

	d->v.tenant = r->tenant;
	d->v.thread_id = r->thread_id;
	d->v.run_id = r->run_id;
	if (db_number(d,
		"SELECT EXISTS (SELECT 1 FROM run o, run m WHERE"
		" m.tenant = $tenant AND m.run_id = $run_id"
		" AND o.tenant = $tenant AND o.thread_id = $thread_id"
		" AND o.status IN ('pending', 'running') AND o.seq <> m.seq"
		" AND (o.status = 'running' OR (o.seq < m.seq"
		" AND (o.attempt > 0 OR o.due_at <= $steady))))",
		&n, e) == -1)
		return -1;
	*ret = n != 0;
	if (n == 0)
		return 0;
	return db_exec(d,
	    "UPDATE run SET blocked = 1 WHERE tenant = $tenant"
	    " AND run_id = $run_id",
	    e);
}

/* Its agent and its assistant, as they are now: 1, 0 (no agent), -1. */
static int
lease_agent(struct db *d, const struct storage_run *r,
    struct storage_claim *ret, struct err *e)
{
	d->v.tenant = r->tenant;
	d->v.a = r->graph_id;
	d->v.b = r->assistant_id;
	return db_one(d,
	    "SELECT g.digest AS digest, g.manifest AS manifest,"
	    " v.config AS config, v.context AS context FROM agent g"
	    " LEFT JOIN assistant a ON a.tenant = g.tenant"
	    " AND a.assistant_id = $b"
	    " LEFT JOIN assistant_version v ON v.tenant = a.tenant"
	    " AND v.assistant_id = a.assistant_id AND v.version = a.version"
	    " WHERE g.tenant = $tenant AND g.name = $a"
	    " ORDER BY g.version DESC LIMIT 1",
	    record_claim(), ret, e);
}

struct lease_claim {
	const struct storage_run_claim_request *q;
	struct storage_claims *ret;
	struct storage_claim *v;
	size_t n;
};

static int
lease_orphan(struct db *d, struct storage_run *r, struct lease_claim *c,
    struct err *e)
{
	struct op_step how = { .event = STATE_EVENT_ORPHAN };

	r->error = hold_printf(d->hold,
	    "{\"error\":\"AgentNotFound\",\"message\":\"no agent is deployed "
	    "for this graph\"}");
	if (op_run_step(d, r, &how, e) == -1)
		return -1;
	op_run_add(d, &c->ret->ended, r);
	return 0;
}

static int
lease_claim(struct db *d, const char *tenant, const char *run_id,
    struct lease_claim *c, struct err *e)
{
	struct op_step how = { .event = STATE_EVENT_CLAIM,
		.holder = c->q->holder,
		.lease_ms = c->q->lease_ms };
	struct storage_claim claim;
	struct storage_run r;
	int blocked, rc;

	if (op_run_read(d, tenant, NULL, run_id, &r, e) != 1 ||
	    lease_blocked(d, &r, &blocked, e) == -1)
		return -1;
	if (blocked)
		return 0;
	rc = lease_agent(d, &r, &claim, e);
	if (rc == 0)
		return lease_orphan(d, &r, c, e);
	if (rc == -1 || op_run_step(d, &r, &how, e) == -1)
		return -1;
	op_run_add(d, &claim.run, &r);
	c->v[c->n++] = claim;
	return 0;
}

/* -1 if none waits, 0 if one is due. */
static int
lease_wait(struct db *d, int64_t *ret, struct err *e)
{
	return db_number(d,
	    "SELECT ifnull(max(0, (SELECT min(due_at) FROM run"
	    " WHERE status = 'pending' AND blocked = 0) - $steady), -1)",
	    ret, e);
}

int
op_run_claim(struct db *d, const struct storage_run_claim_request *q,
    struct storage_claims *ret, struct err *e)
{
	struct lease_claim c = { .q = q, .ret = ret };
	struct storage_runs due = { 0 };
	size_t i;

	if (q->holder == NULL || q->limit < 0 || q->limit > STORAGE_LIMIT_MAX)
		return err_set(e, ERR_INVALID, "no holder, or too many");
	d->v.n = q->limit * LEASE_LOOKED_AT;
	if (db_rows(d,
		"SELECT tenant, run_id FROM run WHERE status = 'pending'"
		" AND blocked = 0 AND due_at <= $steady ORDER BY due_at, seq"
		" LIMIT $n",
		record_run(), &due.rows, e) == -1)
		return -1;
	c.v = hold_alloc(d->hold, ((size_t)q->limit + 1) * sizeof(*c.v));
	for (i = 0; i < due.rows.n && (int64_t)c.n < q->limit; i++)
		if (lease_claim(d, due.rows.v[i].tenant, due.rows.v[i].run_id,
			&c, e) == -1)
			return -1;
	ret->rows.v = c.v;
	ret->rows.n = c.n;
	return lease_wait(d, &ret->wait_ms, e);
}

int
op_run_renew(struct db *d, const struct storage_run_renew_request *q,
    struct storage_leases *ret, struct err *e)
{
	struct storage_lease *lost;
	size_t i, n = 0;

	lost = hold_alloc(d->hold, (q->leases.n + 1) * sizeof(*lost));
	for (i = 0; i < q->leases.n; i++) {
		d->v.tenant = q->leases.v[i].tenant;
		d->v.run_id = q->leases.v[i].run_id;
		d->v.fence = q->leases.v[i].fence;
		d->v.n = d->v.steady + q->lease_ms;
		if (db_exec(d,
			"UPDATE lease SET until_at = $n WHERE tenant = $tenant"
			" AND run_id = $run_id AND fence = $fence"
			" AND holder = :holder",
			e) == -1)
			return -1;
		if (db_changes(d) == 0)
			lost[n++] = q->leases.v[i];
	}
	ret->rows.v = lost;
	ret->rows.n = n;
	return 0;
}

/* ---- ends ---- */

/* How an attempt's report is read, where nobody asked for its end. */
static const struct {
	const char *status;
	enum state_event event;
} reports[] = {
	{ "success", STATE_EVENT_SUCCEED },
	{ "error", STATE_EVENT_FAIL },
	{ "timeout", STATE_EVENT_WALL },
	{ "interrupted", STATE_EVENT_INTERRUPT },
	{ "lost", STATE_EVENT_LOSE },
};

static int
lease_report(const char *status, enum state_event *ret, struct err *e)
{
	size_t i;

	for (i = 0; status != NULL && i < countof(reports); i++) {
		if (strcmp(reports[i].status, status) != 0)
			continue;
		*ret = reports[i].event;
		return 0;
	}
	return err_set(e, ERR_INVALID, "an attempt does not end like that");
}

/* Retries and losses are counted; a cancel that is stored decides. */
static enum state_event
lease_decide(struct storage_run *r, enum state_event reported, int retry)
{
	int asked = r->cancel != NULL;

	if (asked && strcmp(r->cancel, "rollback") == 0)
		return STATE_EVENT_UNDONE;
	if (asked && reported != STATE_EVENT_SUCCEED)
		return STATE_EVENT_STOPPED;
	if (reported == STATE_EVENT_FAIL && retry && r->retries_left > 0) {
		r->retries_left--;
		return STATE_EVENT_RETRY;
	}
	if (reported == STATE_EVENT_LOSE && ++r->losses > STORAGE_LOSSES_MAX)
		return STATE_EVENT_FAIL;
	return reported;
}

static const char lost_error[] =
    "{\"error\":\"RunLost\",\"message\":\"every attempt ended with its "
    "host\"}";

static int
lease_end(struct db *d, struct storage_run *r, enum state_event reported,
    struct op_step *how, int retry, struct err *e)
{
	how->event = lease_decide(r, reported, retry);
	if (how->event == STATE_EVENT_FAIL && r->error == NULL)
		r->error = hold_text(d->hold, lost_error);
	if (how->event == STATE_EVENT_UNDONE)
		how->reason = "rolled back";
	return op_run_step(d, r, how, e);
}

int
op_run_finish(struct db *d, const struct storage_run_finish_request *q,
    struct storage_run_end *ret, struct err *e)
{
	struct op_step how = { .backoff_ms = q->backoff_ms,
		.interrupts = q->interrupts };
	struct storage_appended at;
	enum state_event event = STATE_EVENT_FAIL;
	struct storage_run r;

	/* its last events count for nothing: an end is never too much */
	if (lease_report(q->status, &event, e) == -1 ||
	    op_fence(d, q->tenant, NULL, q->run_id, q->fence, 0, e) == -1)
		return -1;
	if (op_run_read(d, q->tenant, NULL, q->run_id, &r, e) != 1)
		return err_set(e, ERR_CORRUPT, "a lease without its run");
	if (q->events.n > 0 && op_event_add(d, q->tenant, q->run_id,
				   q->events.v, q->events.n, &at, e) == -1)
		return -1;
	r.error = q->error;
	r.output = q->output;
	if (lease_end(d, &r, event, &how, q->retry != 0, e) == -1)
		return -1;
	ret->again = strcmp(r.status, "pending") == 0;
	ret->deleted = strcmp(r.status, "deleted") == 0;
	op_run_add(d, &ret->rows, &r);
	return 0;
}

/* ---- leases that nobody holds any more ---- */

static int
lease_lose_all(struct db *d, const struct storage_leases *lost,
    struct storage_recovery *ret, struct err *e)
{
	struct op_step how;
	struct storage_run r;
	size_t i;

	for (i = 0; i < lost->rows.n; i++) {
		memset(&how, 0, sizeof(how));
		if (op_run_read(d, lost->rows.v[i].tenant, NULL,
			lost->rows.v[i].run_id, &r, e) != 1)
			return err_set(e, ERR_CORRUPT,
			    "a lease without its run");
		if (lease_end(d, &r, STATE_EVENT_LOSE, &how, 0, e) == -1)
			return -1;
		if (strcmp(r.status, "pending") == 0)
			ret->again++;
		else
			op_run_add(d, &ret->ended, &r);
	}
	return 0;
}

int
op_run_recover(struct db *d, const struct storage_run_recover_request *q,
    struct storage_recovery *ret, struct err *e)
{
	struct storage_leases lost = { 0 };

	if (q->holder == NULL)
		return err_set(e, ERR_INVALID, "no holder");
	/* a hint only: the next claims find out again */
	if (db_exec(d,
		"UPDATE run SET blocked = 0 WHERE blocked = 1"
		" AND status IN ('pending', 'running')",
		e) == -1 ||
	    db_rows(d,
		"SELECT tenant, run_id, fence FROM lease"
		" WHERE holder <> :holder",
		record_lease(), &lost.rows, e) == -1)
		return -1;
	return lease_lose_all(d, &lost, ret, e);
}

int
op_run_expire(struct db *d, const struct storage_run_expire_request *q,
    struct storage_recovery *ret, struct err *e)
{
	struct storage_leases lost = { 0 };

	(void)q;
	if (db_rows(d,
		"SELECT tenant, run_id, fence FROM lease"
		" WHERE holder = :holder AND until_at < $steady",
		record_lease(), &lost.rows, e) == -1)
		return -1;
	return lease_lose_all(d, &lost, ret, e);
}
