#include <string.h>

#include "json.h"
#include "op.h"
#include "uuid.h"

int
op_check_tenant(const char *tenant, struct err *e)
{
	size_t n = tenant == NULL ? 0 : strlen(tenant);

	if (n == 0 || n > STORAGE_TENANT_MAX ||
	    strspn(tenant, "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
		return err_set(e, ERR_INVALID,
		    "a tenant has 1 to %d characters of a-z 0-9 -",
		    STORAGE_TENANT_MAX);
	return 0;
}

int
op_check_page(int64_t *limit, int64_t offset, struct err *e)
{
	if (*limit == 0)
		*limit = 10;
	if (*limit < 1 || *limit > STORAGE_LIMIT_MAX || offset < 0)
		return err_set(e, ERR_INVALID,
		    "limit is 1 to %d, offset 0 or more", STORAGE_LIMIT_MAX);
	return 0;
}

int
op_check_word(const char *what, const char *word, const char *const *names,
    size_t n, struct err *e)
{
	size_t i;

	if (word == NULL)
		return 0;
	for (i = 0; i < n; i++)
		if (strcmp(word, names[i]) == 0)
			return 0;
	return err_set(e, ERR_INVALID, "%s: not one of those there are", what);
}

int
op_order(struct db *d, const char *sort_by, const char *sort_order,
    const char *const *names, size_t n, struct err *e)
{
	static const char *const orders[] = { "asc", "desc" };

	if (op_check_word("sort_by", sort_by, names, n, e) == -1 ||
	    op_check_word("sort_order", sort_order, orders, countof(orders),
		e) == -1)
		return -1;
	d->v.a = sort_by == NULL ? "created_at" : sort_by;
	d->v.k = sort_order == NULL || strcmp(sort_order, "desc") == 0;
	return 0;
}

int
op_json_list(struct db *d, const struct storage_texts *t, const char **ret,
    struct err *e)
{
	autojson *list = json_array();
	autofree char *text = NULL;
	size_t i, size;

	for (i = 0; i < t->n; i++)
		if (json_array_append_new(list, json_string(t->v[i])) == -1)
			return err_set(e, ERR_INVALID, "a text is not UTF-8");
	if (json_text(list, &text, &size, e) == -1)
		return -1;
	*ret = hold_copy(d->hold, text, size);
	return 0;
}

#undef op_not_found

int
op_not_found(const char *what, const char *id, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "%s %.64s not found", what,
	    id == NULL ? "" : id);
}

struct op_with
op_with(struct db *d, const struct record_shape *shape, const void *record)
{
	struct op_with before = { d->shape, d->request };

	d->shape = shape;
	d->request = record;
	return before;
}

void
op_with_end(struct db *d, const struct op_with *w)
{
	d->shape = w->shape;
	d->request = w->request;
}

/* ---- tenants and keys ---- */

int
op_tenant_create(struct db *d, const struct storage_tenant_create_request *q,
    struct storage_none *r, struct err *e)
{
	(void)q;
	r->done = 1;
	return db_exec(d,
	    "INSERT INTO tenant (tenant, created_at_ms) VALUES (:tenant, $now)"
	    " ON CONFLICT DO NOTHING",
	    e);
}

int
op_tenant_list(struct db *d, const struct storage_tenant_list_request *q,
    struct storage_tenants *r, struct err *e)
{
	int64_t limit = q->limit;

	if (op_check_page(&limit, q->offset, e) == -1)
		return -1;
	d->v.n = limit;
	return db_rows(d,
	    "SELECT tenant, created_at_ms FROM tenant ORDER BY tenant"
	    " LIMIT $n OFFSET :offset",
	    record_tenant(), &r->rows, e);
}

#define KEY_COLUMNS                                        \
	"tenant, key_id, name, role, hint, created_at_ms," \
	" expires_at_ms, revoked_at_ms"

int
op_key_create(struct db *d, const struct storage_key_create_request *q,
    struct storage_key *r, struct err *e)
{
	char id[UUID_SIZE];
	int rc;

	if (q->hash == NULL || strlen(q->hash) != 64)
		return err_set(e, ERR_INVALID,
		    "a key is stored as the hex of its SHA-256");
	uuid_v7(id);
	d->v.id = id;
	rc = db_one(d,
	    "INSERT INTO api_key (tenant, key_id, hash, name, role, hint,"
	    " created_at_ms, expires_at_ms, revoked_at_ms)"
	    " VALUES (:tenant, $id, :hash, :name, :role, :hint, $now,"
	    " :expires_at_ms, 0) ON CONFLICT DO NOTHING"
	    " RETURNING " KEY_COLUMNS,
	    record_key(), r, e);
	if (rc == 0)
		return err_set(e, ERR_CONFLICT, "this key exists");
	return rc == 1 ? 0 : -1;
}

int
op_key_find(struct db *d, const struct storage_key_find_request *q,
    struct storage_key *r, struct err *e)
{
	int rc;

	(void)q;
	rc = db_one(d,
	    "SELECT " KEY_COLUMNS " FROM api_key WHERE hash = :hash"
	    " AND revoked_at_ms = 0"
	    " AND (expires_at_ms = 0 OR expires_at_ms > $now)",
	    record_key(), r, e);
	return rc == 0 ? op_not_found("key", NULL, e) : rc == 1 ? 0 : -1;
}

int
op_key_list(struct db *d, const struct storage_key_list_request *q,
    struct storage_keys *r, struct err *e)
{
	(void)q;
	return db_rows(d,
	    "SELECT " KEY_COLUMNS " FROM api_key WHERE tenant = :tenant"
	    " ORDER BY key_id",
	    record_key(), &r->rows, e);
}

int
op_key_revoke(struct db *d, const struct storage_key_revoke_request *q,
    struct storage_key *r, struct err *e)
{
	int rc;

	rc = db_one(d,
	    "UPDATE api_key SET revoked_at_ms ="
	    " iif(revoked_at_ms = 0, $now, revoked_at_ms)"
	    " WHERE tenant = :tenant AND key_id = :key_id"
	    " RETURNING " KEY_COLUMNS,
	    record_key(), r, e);
	return rc == 0 ? op_not_found("key", q->key_id, e) : rc == 1 ? 0 : -1;
}

/* ---- the database itself ---- */

int
op_check(struct db *d, const struct storage_check_request *q,
    struct storage_none *r, struct err *e)
{
	(void)q;
	/* a row that every database has cannot be read from a broken one */
	return db_number(d, "SELECT count(*) FROM sqlite_schema", &r->done, e);
}
