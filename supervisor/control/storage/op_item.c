/* The journal of runs, and the store: namespaces, keys, values. */
#include <string.h>

#include "function.h"
#include "op.h"

/* ---- journal ---- */

static int
item_check_key(const char *key, struct err *e)
{
	if (key == NULL || key[0] == '\0' || strlen(key) > STORAGE_KEY_MAX)
		return err_set(e, ERR_INVALID, "a key has 1 to %d bytes",
		    STORAGE_KEY_MAX);
	return 0;
}

int
op_journal_get(struct db *d, const struct storage_journal_get_request *q,
    struct storage_journal *ret, struct err *e)
{
	(void)q;
	return db_one(d,
		   "SELECT 1 AS found, type, data FROM journal"
		   " WHERE tenant = :tenant AND run_id = :run_id"
		   " AND key = :key",
		   record_journal(), ret, e) == -1
		   ? -1
		   : 0;
}

int
op_journal_put(struct db *d, const struct storage_journal_put_request *q,
    struct storage_journal *ret, struct err *e)
{
	int rc;

	if (item_check_key(q->key, e) == -1 ||
	    op_fence(d, q->tenant, NULL, q->run_id, q->fence,
		(int64_t)q->data.size, e) == -1)
		return -1;
	rc = db_one(d,
	    "SELECT 1 AS found, type, data FROM journal WHERE tenant = :tenant"
	    " AND run_id = :run_id AND key = :key",
	    record_journal(), ret, e);
	if (rc != 0)
		return rc == 1 ? 0 : -1;
	return db_exec(d,
	    "INSERT INTO journal (tenant, run_id, key, type, data)"
	    " VALUES (:tenant, :run_id, :key, :type, :data)",
	    e);
}

int
op_journal_list(struct db *d, const struct storage_journal_list_request *q,
    struct storage_steps *ret, struct err *e)
{
	(void)q;
	return db_rows(d,
	    "SELECT key, type, data FROM journal WHERE tenant = :tenant"
	    " AND run_id = :run_id ORDER BY rowid",
	    record_step(), &ret->rows, e);
}

/* ---- namespaces ---- */

/* Its labels with a dot behind each; a pattern may have "*" among them. */
static int
item_space(struct db *d, const struct storage_texts *t, const char **ret,
    struct err *e)
{
	size_t i, n, size = 0;
	char *p, *text;

	for (i = 0; i < t->n; i++) {
		n = strlen(t->v[i]);
		if (n == 0 || strchr(t->v[i], '.') != NULL)
			return err_set(e, ERR_INVALID,
			    "Namespace labels cannot be empty or contain "
			    "periods");
		size += n + 1;
	}
	if (size > STORAGE_NAMESPACE_MAX)
		return err_set(e, ERR_LIMIT,
		    "a namespace has more than %d bytes",
		    STORAGE_NAMESPACE_MAX);
	p = text = hold_alloc(d->hold, size + 1);
	for (i = 0; i < t->n; i++) {
		n = strlen(t->v[i]);
		memcpy(p, t->v[i], n);
		p[n] = '.';
		p += n + 1;
	}
	*ret = text;
	return 0;
}

static int
item_named(struct db *d, const struct storage_texts *ns, const char *key,
    struct err *e)
{
	if (ns->n == 0)
		return err_set(e, ERR_INVALID, "Namespace is required");
	if (item_check_key(key, e) == -1)
		return -1;
	return item_space(d, ns, &d->v.a, e);
}

/* And back: "a.b." to its labels. */
static void
item_labels(struct db *d, const char *space, struct storage_texts *ret)
{
	const char **v;
	size_t n = 0, size;
	const char *p;

	for (p = space; *p != '\0'; p++)
		n += *p == '.';
	v = hold_alloc(d->hold, (n + 1) * sizeof(*v));
	for (n = 0; *space != '\0'; space += size + 1) {
		size = strcspn(space, ".");
		v[n++] = hold_copy(d->hold, space, size);
	}
	ret->v = v;
	ret->n = n;
}

/* Of what begins with these labels: keys from $a up to $b, without it. */
static int
item_range(struct db *d, const struct storage_texts *labels, struct err *e)
{
	char *end;

	if (item_space(d, labels, &d->v.a, e) == -1)
		return -1;
	end = hold_text(d->hold, d->v.a);
	if (*end == '\0') {
		d->v.b = "\xff"; /* above any text */
		return 0;
	}
	end[strlen(end) - 1] = '.' + 1;
	d->v.b = end;
	return 0;
}

/* ---- items ---- */

static int
item_allowed(struct db *d, const char *tenant, const char *run_id,
    int64_t fence, const char *value, struct err *e)
{
	if (run_id == NULL)
		return 0;
	return op_fence(d, tenant, NULL, run_id, fence,
	    value == NULL ? 0 : (int64_t)strlen(value), e);
}

int
op_item_put(struct db *d, const struct storage_item_put_request *q,
    struct storage_none *ret, struct err *e)
{
	if (q->value == NULL)
		return err_set(e, ERR_INVALID, "an item has a value");
	if (item_named(d, &q->ns, q->key, e) == -1 ||
	    item_allowed(d, q->tenant, q->run_id, q->fence, q->value, e) == -1)
		return -1;
	ret->done = 1;
	return db_exec(d,
	    "INSERT INTO item (tenant, ns, key, created_at_ms, updated_at_ms,"
	    " ttl_ms, expires_at_ms, value) VALUES (:tenant, $a, :key, $now,"
	    " $now, max(:ttl_ms, 0), iif(:ttl_ms > 0, $now + :ttl_ms, 0),"
	    " :value) ON CONFLICT DO UPDATE SET"
	    " updated_at_ms = excluded.updated_at_ms, value = excluded.value,"
	    " ttl_ms = excluded.ttl_ms, expires_at_ms ="
	    " excluded.expires_at_ms",
	    e);
}

int
op_item_get(struct db *d, const struct storage_item_get_request *q,
    struct storage_item *ret, struct err *e)
{
	int rc;

	if (item_named(d, &q->ns, q->key, e) == -1)
		return -1;
	if (q->refresh_ttl &&
	    db_exec(d,
		"UPDATE item SET expires_at_ms = $now + ttl_ms"
		" WHERE tenant = :tenant AND ns = $a AND key = :key"
		" AND ttl_ms > 0 AND expires_at_ms > $now",
		e) == -1)
		return -1;
	rc = db_one(d,
	    "SELECT key, value, created_at_ms, updated_at_ms FROM item"
	    " WHERE tenant = :tenant AND ns = $a AND key = :key"
	    " AND (expires_at_ms = 0 OR expires_at_ms > $now)",
	    record_item(), ret, e);
	if (rc == 0)
		return op_not_found("item", q->key, e);
	if (rc == 1)
		item_labels(d, d->v.a, &ret->ns);
	return rc == 1 ? 0 : -1;
}

int
op_item_delete(struct db *d, const struct storage_item_delete_request *q,
    struct storage_none *ret, struct err *e)
{
	if (item_named(d, &q->ns, q->key, e) == -1 ||
	    item_allowed(d, q->tenant, q->run_id, q->fence, NULL, e) == -1 ||
	    db_exec(d,
		"DELETE FROM item WHERE tenant = :tenant AND ns = $a"
		" AND key = :key",
		e) == -1)
		return -1;
	ret->done = db_changes(d);
	return 0;
}

#define ITEM_WHERE                                                   \
	" FROM item WHERE tenant = :tenant AND ns >= $a AND ns < $b" \
	" AND (expires_at_ms = 0 OR expires_at_ms > $now)"

#define ITEM_FOUND                                         \
	ITEM_WHERE " AND warder_matches(value, :filter)"   \
		   " ORDER BY updated_at_ms DESC, ns, key" \
		   " LIMIT $n OFFSET :offset"

int
op_item_search(struct db *d, const struct storage_item_search_request *q,
    struct storage_items *ret, struct err *e)
{
	struct storage_tenants spaces = { 0 };
	struct storage_item *v;
	int64_t limit = q->limit;
	size_t i;

	if (op_check_page(&limit, q->offset, e) == -1 ||
	    function_check_filter(q->filter, e) == -1 ||
	    item_range(d, &q->ns, e) == -1)
		return -1;
	d->v.n = limit;
	/* the same rows twice: a record has labels, a row has a text */
	if (db_rows(d,
		"SELECT key, value, created_at_ms, updated_at_ms" ITEM_FOUND,
		record_item(), &ret->rows, e) == -1 ||
	    db_rows(d, "SELECT ns AS tenant" ITEM_FOUND, record_tenant(),
		&spaces.rows, e) == -1)
		return -1;
	v = (struct storage_item *)ret->rows.v;
	for (i = 0; i < ret->rows.n; i++)
		item_labels(d, spaces.rows.v[i].tenant, &v[i].ns);
	return 0;
}

int
op_item_spaces(struct db *d, const struct storage_item_spaces_request *q,
    struct storage_spaces *ret, struct err *e)
{
	struct storage_texts fixed = { q->prefix.v, 0 };
	struct storage_tenants found = { 0 };
	struct storage_space *v;
	const char *prefix, *suffix;
	int64_t limit = q->limit == 0 ? 100 : q->limit;
	size_t i;

	while (fixed.n < q->prefix.n && strcmp(fixed.v[fixed.n], "*") != 0)
		fixed.n++;
	if (op_check_page(&limit, q->offset, e) == -1 ||
	    item_space(d, &q->prefix, &prefix, e) == -1 ||
	    item_space(d, &q->suffix, &suffix, e) == -1 ||
	    item_range(d, &fixed, e) == -1)
		return -1;
	d->v.n = limit;
	d->v.c = prefix;
	d->v.id = suffix;
	if (db_rows(d,
		"SELECT DISTINCT warder_space_cut(ns, :max_depth) AS tenant" ITEM_WHERE
		" AND warder_space_like(ns, $c, $id) ORDER BY 1"
		" LIMIT $n OFFSET :offset",
		record_tenant(), &found.rows, e) == -1)
		return -1;
	v = hold_alloc(d->hold, (found.rows.n + 1) * sizeof(*v));
	for (i = 0; i < found.rows.n; i++)
		item_labels(d, found.rows.v[i].tenant, &v[i].ns);
	ret->rows.v = v;
	ret->rows.n = found.rows.n;
	return 0;
}

int
op_item_expire(struct db *d, const struct storage_item_expire_request *q,
    struct storage_count *ret, struct err *e)
{
	(void)q;
	if (db_exec(d,
		"DELETE FROM item WHERE rowid IN (SELECT rowid FROM item"
		" WHERE expires_at_ms > 0 AND expires_at_ms <= $now"
		" ORDER BY expires_at_ms LIMIT :limit)",
		e) == -1)
		return -1;
	ret->count = db_changes(d);
	return 0;
}

/* ---- several at once ---- */

struct item_batch {
	const struct storage_item_batch_request *q;
	const struct storage_item_op *op;
	struct storage_item_result *ret;
};

/* The operation alone, with its own request for its statements. */
#define ITEM_DO(name, reply, ...)                                            \
	const struct storage_item_##name##_request own = { .tenant =         \
							       b->q->tenant, \
		__VA_ARGS__ };                                               \
	struct op_with w = op_with(d, record_q_item_##name(), &own);         \
	int rc = op_item_##name(d, &own, reply, e);                          \
	op_with_end(d, &w)

static int
item_batch_put(struct db *d, struct item_batch *b, struct err *e)
{
	struct storage_none none = { 0 };

	ITEM_DO(put, &none, .run_id = b->q->run_id, .fence = b->q->fence,
	    .ns = b->op->ns, .key = b->op->key, .value = b->op->value,
	    .ttl_ms = b->op->ttl_ms);
	return rc;
}

static int
item_batch_delete(struct db *d, struct item_batch *b, struct err *e)
{
	struct storage_none none = { 0 };

	ITEM_DO(delete, &none, .run_id = b->q->run_id, .fence = b->q->fence,
	    .ns = b->op->ns, .key = b->op->key);
	return rc;
}

static int
item_batch_get(struct db *d, struct item_batch *b, struct err *e)
{
	struct storage_item *item = hold_alloc(d->hold, sizeof(*item));
	struct err why = { 0 }, *outer = e;

	e = &why;
	ITEM_DO(get, item, .ns = b->op->ns, .key = b->op->key,
	    .refresh_ttl = 1);
	if (rc == 0) {
		b->ret->items.v = item;
		b->ret->items.n = 1;
		return 0;
	}
	if (why.code == ERR_NOT_FOUND)
		return 0;
	*outer = why;
	return -1;
}

static int
item_batch_search(struct db *d, struct item_batch *b, struct err *e)
{
	struct storage_items found = { 0 };

	ITEM_DO(search, &found, .ns = b->op->ns, .filter = b->op->filter,
	    .limit = b->op->limit, .offset = b->op->offset);
	b->ret->items.v = found.rows.v;
	b->ret->items.n = found.rows.n;
	return rc;
}

static int
item_batch_spaces(struct db *d, struct item_batch *b, struct err *e)
{
	struct storage_spaces found = { 0 };

	ITEM_DO(spaces, &found, .prefix = b->op->ns, .suffix = b->op->suffix,
	    .max_depth = b->op->max_depth, .limit = b->op->limit,
	    .offset = b->op->offset);
	b->ret->spaces.v = found.rows.v;
	b->ret->spaces.n = found.rows.n;
	return rc;
}

static const struct {
	const char *name;
	int (*fn)(struct db *d, struct item_batch *b, struct err *e);
} item_ops[] = {
	{ "put", item_batch_put },
	{ "get", item_batch_get },
	{ "delete", item_batch_delete },
	{ "search", item_batch_search },
	{ "list_namespaces", item_batch_spaces },
};

static int
item_batch_one(struct db *d, struct item_batch *b, struct err *e)
{
	size_t i;

	for (i = 0; b->op->op != NULL && i < countof(item_ops); i++)
		if (strcmp(item_ops[i].name, b->op->op) == 0)
			return item_ops[i].fn(d, b, e);
	return err_set(e, ERR_INVALID, "no operation \"%.32s\"",
	    b->op->op == NULL ? "" : b->op->op);
}

int
op_item_batch(struct db *d, const struct storage_item_batch_request *q,
    struct storage_item_results *ret, struct err *e)
{
	struct storage_item_result *v;
	struct item_batch b = { .q = q };
	size_t i;

	v = hold_alloc(d->hold, (q->ops.n + 1) * sizeof(*v));
	for (i = 0; i < q->ops.n; i++) {
		b.op = &q->ops.v[i];
		b.ret = &v[i];
		v[i].op = b.op->op;
		if (item_batch_one(d, &b, e) == -1)
			return err_wrap(e, "operation %zu", i);
	}
	ret->rows.v = v;
	ret->rows.n = q->ops.n;
	return 0;
}
