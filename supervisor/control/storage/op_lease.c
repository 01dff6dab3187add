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

/* ---- whose turn it is ---- */

/* A tenant that has pending runs, and what it has running. */
struct lease_share {
	const char *tenant;
	int64_t running;
	int64_t due_at; /* of its next run; below 0: none */
};

struct lease_shares {
	struct lease_share *v;
	size_t n;
};

/* From one tenant's first entry of the index to the next one's. */
static int
lease_tenants(struct db *d, struct storage_tenants *ret, struct err *e)
{
	return db_rows(d,
	    "WITH RECURSIVE t(tenant) AS (SELECT min(tenant) FROM run"
	    " WHERE status = 'pending' UNION ALL SELECT (SELECT min(r.tenant)"
	    " FROM run r WHERE r.status = 'pending' AND r.tenant > t.tenant)"
	    " FROM t WHERE t.tenant IS NOT NULL)"
	    " SELECT tenant FROM t WHERE tenant IS NOT NULL",
	    record_tenant(), &ret->rows, e);
}

static int
lease_next_due(struct db *d, struct lease_share *s, struct err *e)
{
	d->v.tenant = s->tenant;
	return db_number(d,
	    "SELECT ifnull(min(due_at), -1) FROM run WHERE tenant = $tenant"
	    " AND status = 'pending' AND blocked = 0",
	    &s->due_at, e);
}

static int
lease_shares(struct db *d, struct lease_shares *ret, struct err *e)
{
	struct storage_tenants t = { 0 };
	struct lease_share *s;
	size_t i;

	if (lease_tenants(d, &t, e) == -1)
		return -1;
	ret->n = t.rows.n;
	ret->v = hold_alloc(d->hold, (ret->n + 1) * sizeof(*ret->v));
	for (i = 0; i < ret->n; i++) {
		s = &ret->v[i];
		s->tenant = t.rows.v[i].tenant;
		d->v.tenant = s->tenant;
		if (db_number(d,
			"SELECT count(*) FROM lease WHERE tenant = $tenant",
			&s->running, e) == -1 ||
		    lease_next_due(d, s, e) == -1)
			return -1;
	}
	return 0;
}

static int
lease_has_room(const struct lease_share *s, int64_t tenant_max)
{
	return s->due_at >= 0 && (tenant_max == 0 || s->running < tenant_max);
}

/* The fewest running, then the longest wait; NULL: nobody's. */
static struct lease_share *
lease_turn(const struct db *d, const struct lease_shares *l, int64_t tenant_max)
{
	struct lease_share *best = NULL, *s;
	size_t i;

	for (i = 0; i < l->n; i++) {
		s = &l->v[i];
		if (!lease_has_room(s, tenant_max) || s->due_at > d->v.steady)
			continue;
		if (best == NULL || s->running < best->running ||
		    (s->running == best->running && s->due_at < best->due_at))
			best = s;
	}
	return best;
}

/* The first that is due of this tenant: claimed, blocked or ended by it. */
static int
lease_take(struct db *d, struct lease_share *s, struct lease_claim *c,
    struct err *e)
{
	const char *run_id;
	size_t before = c->n;

	d->v.tenant = s->tenant;
	if (db_text(d,
		"SELECT run_id FROM run WHERE tenant = $tenant"
		" AND status = 'pending' AND blocked = 0"
		" AND due_at <= $steady ORDER BY due_at, seq LIMIT 1",
		&run_id, e) == -1)
		return -1;
	if (run_id == NULL)
		return err_set(e, ERR_CORRUPT, "a due run that is not there");
	if (lease_claim(d, s->tenant, run_id, c, e) == -1)
		return -1;
	s->running += c->n > before;
	return lease_next_due(d, s, e);
}

/* -1 if none waits that has room, 0 if one is due. */
static int64_t
lease_wait(const struct db *d, const struct lease_shares *l, int64_t tenant_max)
{
	int64_t wait, min = -1;
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (!lease_has_room(&l->v[i], tenant_max))
			continue;
		wait = l->v[i].due_at - d->v.steady;
		if (wait < 0)
			wait = 0;
		if (min == -1 || wait < min)
			min = wait;
	}
	return min;
}

int
op_run_claim(struct db *d, const struct storage_run_claim_request *q,
    struct storage_claims *ret, struct err *e)
{
	struct lease_claim c = { .q = q, .ret = ret };
	struct lease_shares shares = { 0 };
	struct lease_share *s;
	int64_t looks;

	if (q->holder == NULL || q->limit < 0 || q->limit > STORAGE_LIMIT_MAX ||
	    q->tenant_max < 0)
		return err_set(e, ERR_INVALID, "no holder, or too many");
	if (lease_shares(d, &shares, e) == -1)
		return -1;
	c.v = hold_alloc(d->hold, ((size_t)q->limit + 1) * sizeof(*c.v));
	looks = q->limit * LEASE_LOOKED_AT;
	while ((int64_t)c.n < q->limit && looks-- > 0 &&
	       (s = lease_turn(d, &shares, q->tenant_max)) != NULL)
		if (lease_take(d, s, &c, e) == -1)
			return -1;
	ret->rows.v = c.v;
	ret->rows.n = c.n;
	ret->wait_ms = lease_wait(d, &shares, q->tenant_max);
	return 0;
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
