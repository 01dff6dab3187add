/* Threads. */
#include <string.h>

#include "json.h"
#include "op.h"
#include "uuid.h"

#define THREAD_COLUMNS                                                     \
	"t.thread_id AS thread_id, t.status AS status, t.metadata AS"      \
	" metadata, t.config AS config, t.created_at_ms AS created_at_ms," \
	" t.updated_at_ms AS updated_at_ms, t.state_updated_at_ms AS"      \
	" state_updated_at_ms, t.error AS error, t.interrupts AS"          \
	" interrupts, t.ttl_ms AS ttl_ms, t.ttl_strategy AS ttl_strategy," \
	" t.expires_at_ms AS expires_at_ms, c.checkpoint_id AS"            \
	" checkpoint_id, c.next AS next, c.tasks AS tasks"

#define THREAD_TABLES " FROM thread t LEFT JOIN checkpoint c ON c.id = t.head"

static const char *const strategies[] = { "delete", "keep_latest" };
static const char *const if_exists[] = { "raise", "do_nothing" };

/* What the row does not have: the values are with the checkpoint. */
static int
thread_values(struct db *d, const char *tenant, struct storage_thread *t,
    struct err *e)
{
	if (t->checkpoint_id == NULL)
		return 0;
	return op_checkpoint_values(d, tenant, t->thread_id, t->checkpoint_id,
	    &t->values, e);
}

/* 1 if it is there, 0, -1. */
static int
thread_find(struct db *d, const char *tenant, const char *thread_id,
    struct storage_thread *ret, struct err *e)
{
	int rc;

	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	rc = db_one(d,
	    "SELECT " THREAD_COLUMNS THREAD_TABLES
	    " WHERE t.tenant = $tenant AND t.thread_id = $thread_id",
	    record_thread(), ret, e);
	if (rc == 1 && thread_values(d, tenant, ret, e) == -1)
		return -1;
	return rc;
}

int
op_thread_read(struct db *d, const char *tenant, const char *thread_id,
    struct storage_thread *ret, struct err *e)
{
	int rc = thread_find(d, tenant, thread_id, ret, e);

	return rc == 0   ? op_not_found("thread", thread_id, e)
	       : rc == 1 ? 0
			 : -1;
}

int
op_thread_make(struct db *d, const char *tenant, const char *thread_id,
    const char *metadata, struct err *e)
{
	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	d->v.a = metadata == NULL ? "{}" : metadata;
	return db_exec(d,
	    "INSERT INTO thread (tenant, thread_id, status, metadata, config,"
	    " created_at_ms, updated_at_ms, state_updated_at_ms, ttl_ms,"
	    " expires_at_ms) VALUES ($tenant, $thread_id, 'idle', $a, '{}',"
	    " $now, $now, $now, 0, 0)",
	    e);
}

/* ttl_ms as requests have it: 0 as it is, -1 none. */
static int
thread_ttl(struct db *d, const char *tenant, const char *thread_id,
    int64_t ttl_ms, const char *strategy, struct err *e)
{
	if (ttl_ms == 0)
		return 0;
	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	d->v.n = ttl_ms < 0 ? 0 : ttl_ms;
	d->v.a = strategy == NULL ? "delete" : strategy;
	return db_exec(d,
	    "UPDATE thread SET ttl_ms = $n, ttl_strategy = iif($n = 0, NULL,"
	    " $a), expires_at_ms = iif($n = 0, 0, $now + $n)"
	    " WHERE tenant = $tenant AND thread_id = $thread_id",
	    e);
}

int
op_thread_create(struct db *d, const struct storage_thread_create_request *q,
    struct storage_thread *r, struct err *e)
{
	char made[UUID_SIZE];
	const char *id = q->thread_id;
	int rc = 0;

	if (op_check_word("if_exists", q->if_exists, if_exists,
		countof(if_exists), e) == -1 ||
	    op_check_word("ttl strategy", q->ttl_strategy, strategies,
		countof(strategies), e) == -1)
		return -1;
	if (id == NULL) {
		uuid_v7(made);
		id = made;
	} else {
		rc = thread_find(d, q->tenant, id, r, e);
	}
	if (rc == 1 && q->if_exists != NULL &&
	    strcmp(q->if_exists, "do_nothing") == 0)
		return 0;
	if (rc == 1)
		return err_set(e, ERR_CONFLICT, "Thread already exists");
	if (rc == -1 ||
	    op_thread_make(d, q->tenant, id, q->metadata, e) == -1 ||
	    thread_ttl(d, q->tenant, id, q->ttl_ms, q->ttl_strategy, e) == -1)
		return -1;
	return op_thread_read(d, q->tenant, id, r, e);
}

int
op_thread_get(struct db *d, const struct storage_thread_get_request *q,
    struct storage_thread *r, struct err *e)
{
	return op_thread_read(d, q->tenant, q->thread_id, r, e);
}

/* ---- search ---- */

#define THREAD_WHERE                                            \
	" WHERE t.tenant = :tenant"                             \
	" AND (:status IS NULL OR t.status = :status)"          \
	" AND ($b IS NULL OR t.thread_id IN (SELECT value FROM" \
	" json_each($b)))"                                      \
	" AND warder_contains(t.metadata, :metadata)"

#define THREAD_SORT                                                    \
	"CASE $a WHEN 'thread_id' THEN t.thread_id WHEN 'status' THEN" \
	" t.status WHEN 'updated_at' THEN t.updated_at_ms"             \
	" WHEN 'state_updated_at' THEN t.state_updated_at_ms"          \
	" ELSE t.created_at_ms END"

#define THREAD_ORDER                                            \
	" ORDER BY CASE WHEN $k THEN " THREAD_SORT " END DESC," \
	" CASE WHEN NOT $k THEN " THREAD_SORT " END,"           \
	" CASE WHEN $k THEN t.thread_id END DESC, t.thread_id"

struct thread_page {
	const char *tenant;
	const json_t *part; /* of the values */
	int64_t offset, limit; /* limit 0: only count */
	struct storage_thread *v;
	size_t n;
	int64_t total;
};

/* Does this one's state contain the part?  In a hold of its own. */
static int
thread_has(struct db *d, const struct thread_page *p, struct storage_thread *t,
    int *ret, struct err *e)
{
	struct hold *before = d->hold, mine;
	autojson *values = NULL;
	int rc;

	hold_init(&mine);
	d->hold = &mine;
	rc = thread_values(d, p->tenant, t, e);
	*ret = 0;
	if (rc == 0 && t->values != NULL)
		rc = json_parse(t->values, strlen(t->values), NULL, &values, e);
	if (rc == 0 && values != NULL)
		*ret = json_contains(values, p->part);
	t->values = NULL;
	d->hold = before;
	hold_finish(&mine);
	return rc;
}

/* Go through the candidates in order; the page's own are kept in p->v. */
static int
thread_filter(struct db *d, struct thread_page *p,
    const struct storage_threads *all, struct err *e)
{
	struct storage_thread t;
	size_t i;
	int has;

	p->v = hold_alloc(d->hold, (size_t)(p->limit + 1) * sizeof(*p->v));
	for (i = 0; i < all->rows.n; i++) {
		t = all->rows.v[i];
		if (thread_has(d, p, &t, &has, e) == -1)
			return -1;
		p->total += has;
		if (has && p->total > p->offset && (int64_t)p->n < p->limit)
			p->v[p->n++] = t;
	}
	return 0;
}

/* By values too: they are no column, so each candidate is put together. */
static int
thread_search_values(struct db *d,
    const struct storage_thread_search_request *q, int64_t limit,
    struct storage_threads *r, struct err *e)
{
	struct storage_threads all = { 0 };
	autojson *part = NULL;
	struct thread_page p = { .tenant = q->tenant,
		.offset = q->offset,
		.limit = limit };

	if (json_parse(q->values, strlen(q->values), NULL, &part, e) == -1 ||
	    db_rows(d,
		"SELECT " THREAD_COLUMNS THREAD_TABLES THREAD_WHERE
		    THREAD_ORDER,
		record_thread(), &all.rows, e) == -1)
		return -1;
	p.part = part;
	if (thread_filter(d, &p, &all, e) == -1)
		return -1;
	r->rows.v = p.v;
	r->rows.n = p.n;
	r->total = p.total;
	return 0;
}

static int
thread_search_rows(struct db *d, int64_t limit, struct storage_threads *r,
    struct err *e)
{
	d->v.n = limit;
	if (db_number(d, "SELECT count(*) FROM thread t" THREAD_WHERE,
		&r->total, e) == -1)
		return -1;
	return db_rows(d,
	    "SELECT " THREAD_COLUMNS THREAD_TABLES THREAD_WHERE THREAD_ORDER
	    " LIMIT $n OFFSET :offset",
	    record_thread(), &r->rows, e);
}

int
op_thread_search(struct db *d, const struct storage_thread_search_request *q,
    struct storage_threads *r, struct err *e)
{
	static const char *const names[] = { "thread_id", "status",
		"created_at", "updated_at", "state_updated_at" };
	int64_t limit = q->limit;
	struct storage_thread *v;
	size_t i;
	int rc;

	if (op_check_page(&limit, q->offset, e) == -1 ||
	    op_order(d, q->sort_by, q->sort_order, names, countof(names), e) ==
		-1 ||
	    (q->ids.n > 0 && op_json_list(d, &q->ids, &d->v.b, e) == -1))
		return -1;
	if (q->values != NULL && strcmp(q->values, "{}") != 0)
		rc = thread_search_values(d, q, limit, r, e);
	else
		rc = thread_search_rows(d, limit, r, e);
	v = (struct storage_thread *)r->rows.v;
	for (i = 0; rc == 0 && i < r->rows.n; i++)
		rc = thread_values(d, q->tenant, &v[i], e);
	return rc;
}

int
op_thread_count(struct db *d, const struct storage_thread_count_request *q,
    struct storage_count *r, struct err *e)
{
	struct storage_thread_search_request s = { .tenant = q->tenant,
		.metadata = q->metadata,
		.values = q->values,
		.status = q->status };
	struct storage_threads found = { 0 };
	struct op_with w = op_with(d, record_q_thread_search(), &s);
	int rc;

	if (q->values != NULL && strcmp(q->values, "{}") != 0)
		rc = thread_search_values(d, &s, 0, &found, e);
	else
		rc = db_number(d, "SELECT count(*) FROM thread t" THREAD_WHERE,
		    &found.total, e);
	op_with_end(d, &w);
	r->count = found.total;
	return rc;
}

/* ---- changes ---- */

int
op_thread_patch(struct db *d, const struct storage_thread_patch_request *q,
    struct storage_thread *r, struct err *e)
{
	if (op_check_word("ttl strategy", q->ttl_strategy, strategies,
		countof(strategies), e) == -1 ||
	    db_exec(d,
		"UPDATE thread SET updated_at_ms = $now,"
		" metadata = warder_merge(metadata, :metadata)"
		" WHERE tenant = :tenant AND thread_id = :thread_id",
		e) == -1)
		return -1;
	if (db_changes(d) == 0)
		return op_not_found("thread", q->thread_id, e);
	if (thread_ttl(d, q->tenant, q->thread_id, q->ttl_ms, q->ttl_strategy,
		e) == -1)
		return -1;
	return op_thread_read(d, q->tenant, q->thread_id, r, e);
}

int
op_thread_busy(struct db *d, const char *tenant, const char *thread_id,
    int *ret, struct err *e)
{
	int64_t n;

	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	if (db_number(d,
		"SELECT EXISTS (SELECT 1 FROM run WHERE tenant = $tenant AND"
		" thread_id = $thread_id AND status IN ('pending', 'running'))",
		&n, e) == -1)
		return -1;
	*ret = n != 0;
	return 0;
}

/* The runs that are not over end here; the engine hears of those. */
static int
thread_remove_active(struct db *d, const char *tenant, const char *thread_id,
    struct storage_run_cut *cut, struct err *e)
{
	struct op_step how = { .event = STATE_EVENT_DELETE,
		.reason = "its thread was deleted" };
	struct storage_runs ids = { 0 };
	struct storage_run r;
	size_t i;
	int running;

	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	if (db_rows(d,
		"SELECT run_id FROM run WHERE tenant = $tenant AND thread_id ="
		" $thread_id AND status IN ('pending', 'running')",
		record_run(), &ids.rows, e) == -1)
		return -1;
	for (i = 0; i < ids.rows.n; i++) {
		if (op_run_read(d, tenant, NULL, ids.rows.v[i].run_id, &r, e) !=
		    1)
			return -1;
		if (r.ended_at_ms != 0)
			continue; /* cancelled with the run that started it */
		running = strcmp(r.status, "running") == 0;
		if (op_run_cancel_below(d, &r, NULL,
			"the run that started it was deleted", &cut->stop,
			&cut->ended, e) == -1 ||
		    op_run_step(d, &r, &how, e) == -1)
			return -1;
		op_run_add(d, running ? (void *)&cut->stop : &cut->ended, &r);
	}
	return 0;
}

/* Statements that take away a thread, in this order. */
static int
thread_remove_rows(struct db *d, struct err *e)
{
#define OF_RUNS                                                     \
	" WHERE tenant = $tenant AND run_id IN (SELECT run_id FROM" \
	" run WHERE tenant = $tenant AND thread_id = $thread_id)"
#define OF_THREAD " WHERE tenant = $tenant AND thread_id = $thread_id"

	static const char *const sql[] = {
		"DELETE FROM event" OF_RUNS,
		"DELETE FROM journal" OF_RUNS,
		"INSERT INTO tombstone SELECT tenant, run_id, thread_id,"
		" assistant_id, 'its thread was deleted', created_at_ms, $now"
		" FROM run" OF_THREAD,
		"DELETE FROM run" OF_THREAD,
		"DELETE FROM checkpoint_write" OF_THREAD,
		"DELETE FROM checkpoint" OF_THREAD,
		"DELETE FROM thread" OF_THREAD,
	};

	size_t i;

	for (i = 0; i < countof(sql); i++)
		if (db_exec(d, sql[i], e) == -1)
			return -1;
	return 0;
}

int
op_thread_remove(struct db *d, const char *tenant, const char *thread_id,
    struct storage_run_cut *cut, struct err *e)
{
	if (thread_remove_active(d, tenant, thread_id, cut, e) == -1)
		return -1;
	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	return thread_remove_rows(d, e);
}

int
op_thread_delete(struct db *d, const struct storage_thread_delete_request *q,
    struct storage_run_cut *r, struct err *e)
{
	if (op_thread_remove(d, q->tenant, q->thread_id, r, e) == -1)
		return -1;
	r->count = db_changes(d); /* the thread went last */
	return r->count == 0 ? op_not_found("thread", q->thread_id, e) : 0;
}

int
op_thread_copy(struct db *d, const struct storage_thread_copy_request *q,
    struct storage_thread *r, struct err *e)
{
	char made[UUID_SIZE];
	const char *id = q->new_thread_id;
	struct storage_thread t;
	int rc;

	uuid_v7(made);
	if (id == NULL)
		id = made;
	rc = thread_find(d, q->tenant, id, &t, e);
	if (rc == 1)
		return err_set(e, ERR_CONFLICT, "Thread already exists");
	if (rc == -1 || op_thread_read(d, q->tenant, q->thread_id, &t, e) == -1)
		return -1;
	d->v.a = t.metadata;
	d->v.b = id;
	if (db_text(d, "SELECT warder_merge($a, json_object('thread_id', $b))",
		&t.metadata, e) == -1 ||
	    op_thread_make(d, q->tenant, id, t.metadata, e) == -1 ||
	    op_checkpoint_copy(d, q->tenant, q->thread_id, id, e) == -1)
		return -1;
	d->v.tenant = q->tenant;
	d->v.thread_id = id;
	d->v.status = strcmp(t.status, "busy") == 0 ? "idle" : t.status;
	d->v.a = t.interrupts;
	if (db_exec(d,
		"UPDATE thread SET status = $status, interrupts = $a"
		" WHERE tenant = $tenant AND thread_id = $thread_id",
		e) == -1)
		return -1;
	return op_thread_read(d, q->tenant, id, r, e);
}

/* Prune or delete one that nothing runs on: 1, or 0 if it stays. */
static int
thread_prune(struct db *d, const char *tenant, const char *thread_id,
    const char *strategy, struct err *e)
{
	struct storage_run_cut cut = { 0 };
	struct storage_thread t;
	int busy, rc;

	rc = thread_find(d, tenant, thread_id, &t, e);
	if (rc != 1)
		return rc;
	if (op_thread_busy(d, tenant, thread_id, &busy, e) == -1)
		return -1;
	if (busy)
		return 0;
	if (strategy != NULL && strcmp(strategy, "keep_latest") == 0)
		rc = op_checkpoint_prune(d, tenant, thread_id, e);
	else
		rc = op_thread_remove(d, tenant, thread_id, &cut, e);
	return rc == -1 ? -1 : 1;
}

int
op_thread_prune(struct db *d, const struct storage_thread_prune_request *q,
    struct storage_count *r, struct err *e)
{
	size_t i;
	int rc;

	if (op_check_word("strategy", q->strategy, strategies,
		countof(strategies), e) == -1)
		return -1;
	for (i = 0; i < q->thread_ids.n; i++) {
		rc = thread_prune(d, q->tenant, q->thread_ids.v[i], q->strategy,
		    e);
		if (rc == -1)
			return -1;
		r->count += rc;
	}
	return 0;
}

int
op_thread_size(struct db *d, const struct storage_thread_size_request *q,
    struct storage_count *r, struct err *e)
{
	struct storage_thread t;

	if (op_thread_read(d, q->tenant, q->thread_id, &t, e) == -1)
		return -1;
	return db_number(d,
	    "SELECT ifnull((SELECT sum(length(pack) + length(places) +"
	    " ifnull(length(data), 0)) FROM checkpoint WHERE tenant = :tenant"
	    " AND thread_id = :thread_id), 0) +"
	    " ifnull((SELECT sum(length(data)) FROM checkpoint_write"
	    " WHERE tenant = :tenant AND thread_id = :thread_id), 0) +"
	    " ifnull((SELECT sum(length(data)) FROM event WHERE tenant ="
	    " :tenant AND run_id IN (SELECT run_id FROM run WHERE tenant ="
	    " :tenant AND thread_id = :thread_id)), 0)",
	    &r->count, e);
}

/* What its ttl says: gone, or down to the newest and then counted anew. */
static int
thread_expire(struct db *d, const char *tenant, const char *thread_id,
    const char *strategy, struct err *e)
{
	int done = thread_prune(d, tenant, thread_id, strategy, e);

	if (done == -1)
		return -1;
	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	/* busy: looked at again in a minute */
	d->v.n = done ? 0 : 60 * 1000;
	return db_exec(d,
	    "UPDATE thread SET expires_at_ms = $now + max(ttl_ms, $n)"
	    " WHERE tenant = $tenant AND thread_id = $thread_id",
	    e);
}

int
op_thread_expire(struct db *d, const struct storage_thread_expire_request *q,
    struct storage_count *r, struct err *e)
{
	struct storage_runs due = { 0 };
	size_t i;

	(void)q;
	/* a record that has a tenant and a thread */
	if (db_rows(d,
		"SELECT tenant, thread_id, ttl_strategy AS status FROM thread"
		" WHERE expires_at_ms > 0 AND expires_at_ms <= $now"
		" ORDER BY expires_at_ms LIMIT :limit",
		record_run(), &due.rows, e) == -1)
		return -1;
	for (i = 0; i < due.rows.n; i++)
		if (thread_expire(d, due.rows.v[i].tenant,
			due.rows.v[i].thread_id, due.rows.v[i].status, e) == -1)
			return -1;
	r->count = (int64_t)due.rows.n;
	return 0;
}

/* ---- what nothing has changed for long ---- */

#define THREAD_LOOK                                               \
	"(SELECT rowid AS at, * FROM thread WHERE rowid > :after" \
	" ORDER BY rowid LIMIT $m)"

/* The thread as "run_id", where it lies as "fence". */
static int
thread_old(struct db *d, struct storage_leases *ret, struct err *e)
{
	d->v.m = STORAGE_LOOK_MAX;
	return db_rows(d,
	    "SELECT tenant, thread_id AS run_id, at AS fence FROM " THREAD_LOOK
	    " WHERE updated_at_ms < :changed_before_ms"
	    " AND state_updated_at_ms < :changed_before_ms"
	    " AND status <> 'busy' ORDER BY at LIMIT :limit",
	    record_lease(), &ret->rows, e);
}

int
op_thread_forget(struct db *d, const struct storage_thread_forget_request *q,
    struct storage_swept *ret, struct err *e)
{
	struct storage_leases old = { 0 };
	size_t i;
	int rc;

	if (thread_old(d, &old, e) == -1)
		return -1;
	d->v.n = STORAGE_LOOK_MAX;
	if ((int64_t)old.rows.n == q->limit && q->limit > 0)
		ret->next = old.rows.v[old.rows.n - 1].fence;
	else if (db_number(d,
		     "SELECT iif(count(*) < $n, 0, max(at)) FROM " THREAD_LOOK,
		     &ret->next, e) == -1)
		return -1;
	for (i = 0; i < old.rows.n; i++) {
		rc = thread_prune(d, old.rows.v[i].tenant, old.rows.v[i].run_id,
		    "delete", e);
		if (rc == -1)
			return -1;
		ret->count += rc;
	}
	return 0;
}
