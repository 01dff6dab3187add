/*
 * items.c: the store: what agents and clients remember across threads.
 */
#include <string.h>

#include "api.h"
#include "page.h"
#include "routes.h"
#include "shape.h"

enum {
	ITEMS_LABELS_MAX = 64,
	ITEMS_NAMESPACES_LIMIT = 100,
};

/* ---- bodies --------------------------------------------------------------- */

struct item_body {
	const char *key, *query;
	const json_t *ns, *value, *ttl, *filter, *suffix;
	int64_t limit, offset, max_depth;
};

static const struct json_member put_members[] = {
	JSON_NAMED(struct item_body, ns, "namespace", ARRAY, JSON_REQUIRED, 0,
	    0),
	JSON_ROW(struct item_body, key, TEXT, JSON_REQUIRED, 0,
	    STORAGE_KEY_MAX),
	JSON_ROW(struct item_body, value, OBJECT, JSON_REQUIRED, 0, 0),
	JSON_ROW(struct item_body, ttl, ANY, JSON_NULLABLE, 0, 0),
};

static const struct json_member delete_members[] = {
	JSON_NAMED(struct item_body, ns, "namespace", ARRAY, JSON_NULLABLE, 0,
	    0),
	JSON_ROW(struct item_body, key, TEXT, JSON_REQUIRED, 0,
	    STORAGE_KEY_MAX),
};

static const struct json_member search_members[] = {
	JSON_NAMED(struct item_body, ns, "namespace_prefix", ARRAY,
	    JSON_NULLABLE, 0, 0),
	JSON_ROW(struct item_body, filter, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct item_body, limit, WHOLE, JSON_NULLABLE, 1, 1000),
	JSON_ROW(struct item_body, offset, WHOLE, JSON_NULLABLE, 0, INT32_MAX),
	JSON_ROW(struct item_body, query, TEXT, JSON_NULLABLE, 0, 4096),
};

static const struct json_member namespaces_members[] = {
	JSON_NAMED(struct item_body, ns, "prefix", ARRAY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct item_body, suffix, ARRAY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct item_body, max_depth, WHOLE, JSON_NULLABLE, 1, 64),
	JSON_ROW(struct item_body, limit, WHOLE, JSON_NULLABLE, 1, 1000),
	JSON_ROW(struct item_body, offset, WHOLE, JSON_NULLABLE, 0, INT32_MAX),
};

ROUTE_BODY(items, put);
ROUTE_BODY(items, delete);
ROUTE_BODY(items, search);
ROUTE_BODY(items, namespaces);

/*
 * Labels are joined by dots in queries, so a dot in one would be two readings
 * of the same name.
 */
static int
read_namespace(struct request *r, const char *name, const json_t *array,
    struct storage_texts *ret)
{
	struct err e = { 0 };
	size_t i;

	if (json_array_size(array) > ITEMS_LABELS_MAX) {
		request_fail(r, 422, ERR_LIMIT, "%s has more than %d labels",
		    name, ITEMS_LABELS_MAX);
		return -1;
	}
	if (request_texts(r, name, array, ret, &e) == -1) {
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
		return -1;
	}
	for (i = 0; i < ret->n; i++)
		if (ret->v[i][0] == '\0' || strchr(ret->v[i], '.') != NULL) {
			request_fail(r, 422, ERR_INVALID,
			    "Namespace labels cannot be empty or contain "
			    "periods");
			return -1;
		}
	return 0;
}

static int
read_own_namespace(struct request *r, const json_t *array,
    struct storage_texts *ret)
{
	if (json_array_size(array) > 0)
		return read_namespace(r, "namespace", array, ret);
	request_fail(r, 400, ERR_INVALID, "Namespace is required");
	return -1;
}

/* ---- one ------------------------------------------------------------------------ */

static void
on_done(void *arg, const struct storage_none *done, const struct err *e)
{
	struct request *r = arg;

	/* what is not there is deleted already */
	if (done == NULL && e->code != ERR_NOT_FOUND)
		request_refused(r, e, "Item", "");
	else
		request_empty(r, 204);
}

void
items_put(struct request *r)
{
	struct storage_item_put_request q = { .tenant = r->who.tenant };
	struct item_body b = { 0 };
	struct err e = { 0 };

	if (request_read(r, &b) == -1 ||
	    read_own_namespace(r, b.ns, &q.ns) == -1)
		return;
	if (b.ttl != NULL &&
	    (!json_is_number(b.ttl) || json_number_value(b.ttl) <= 0 ||
		json_number_value(b.ttl) > 1e7)) {
		request_fail(r, 422, ERR_INVALID,
		    "\"ttl\" must be a number of minutes, at most 10000000");
		return;
	}
	q.key = b.key;
	q.value = request_json_text(r, b.value, &e);
	q.ttl_ms = (int64_t)(json_number_value(b.ttl) * 60000);
	if (e.code != ERR_OK ||
	    storage_item_put(r->api->storage, &q, on_done, r, &e) == -1)
		request_error(r, &e);
}

void
items_delete(struct request *r)
{
	struct storage_item_delete_request q = { .tenant = r->who.tenant };
	struct item_body b = { 0 };
	struct err e = { 0 };

	if (request_read(r, &b) == -1 ||
	    read_own_namespace(r, b.ns, &q.ns) == -1)
		return;
	q.key = b.key;
	if (storage_item_delete(r->api->storage, &q, on_done, r, &e) == -1)
		request_error(r, &e);
}

static void
on_item(void *arg, const struct storage_item *i, const struct err *e)
{
	struct request *r = arg;
	autowriter w = { 0 };

	if (i == NULL && e->code != ERR_NOT_FOUND) {
		request_refused(r, e, "Item", "");
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	if (i != NULL)
		shape_item(&w, i);
	else
		writer_null(&w, NULL);
	request_written(r, 200, &w);
}

/* "a.b" as its labels, in the query's own text. */
static int
split_namespace(struct request *r, char *text, struct storage_texts *ret)
{
	const char **v = request_keep(r, ITEMS_LABELS_MAX * sizeof(*v));
	size_t n = 0;
	char *dot;

	while (v != NULL && n < ITEMS_LABELS_MAX) {
		v[n++] = text;
		dot = strchr(text, '.');
		if (dot == NULL)
			break;
		*dot = '\0';
		text = dot + 1;
	}
	*ret = (struct storage_texts){ .v = v, .n = n };
	return v != NULL && strchr(text, '.') == NULL ? 0 : -1;
}

void
items_get(struct request *r)
{
	struct storage_item_get_request q = { .tenant = r->who.tenant };
	const char *ns = query_get(&r->query, "namespace");
	struct err e = { 0 };
	int refresh = 0;
	char *copy;

	q.key = query_get(&r->query, "key");
	if (q.key == NULL ||
	    query_flag(&r->query, "refresh_ttl", &refresh, &e) == -1) {
		request_fail(r, 422, ERR_INVALID, "%s",
		    q.key == NULL ? "\"key\" is missing" : e.msg);
		return;
	}
	q.refresh_ttl = refresh;
	copy = request_keep(r, ns != NULL ? strlen(ns) + 1 : 1);
	if (copy != NULL && ns != NULL && ns[0] != '\0') {
		memcpy(copy, ns, strlen(ns) + 1);
		if (split_namespace(r, copy, &q.ns) == -1) {
			request_fail(r, 422, ERR_INVALID,
			    "namespace has too many labels");
			return;
		}
	}
	if (storage_item_get(r->api->storage, &q, on_item, r, &e) == -1)
		request_error(r, &e);
}

/* ---- many -------------------------------------------------------------------------- */

static void
on_items(void *arg, const struct storage_items *l, const struct err *e)
{
	struct request *r = arg;
	autowriter w = { 0 };
	size_t i;

	if (l == NULL) {
		request_refused(r, e, "Item", "");
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	writer_begin(&w, NULL, '{');
	writer_begin(&w, "items", '[');
	for (i = 0; i < l->rows.n; i++)
		shape_item(&w, &l->rows.v[i]);
	writer_end(&w, ']');
	writer_end(&w, '}');
	request_written(r, 200, &w);
}

void
items_search(struct request *r)
{
	struct storage_item_search_request q = { .tenant = r->who.tenant };
	struct item_body b = { .limit = PAGE_LIMIT };
	struct err e = { 0 };

	if (request_read(r, &b) == -1 ||
	    read_namespace(r, "namespace_prefix", b.ns, &q.ns) == -1)
		return;
	/* without an index a query ranks nothing: every item is a match */
	q.filter = request_json_text(r, b.filter, &e);
	q.limit = b.limit;
	q.offset = b.offset;
	if (e.code != ERR_OK ||
	    storage_item_search(r->api->storage, &q, on_items, r, &e) == -1)
		request_error(r, &e);
}

static void
on_spaces(void *arg, const struct storage_spaces *l, const struct err *e)
{
	struct request *r = arg;
	autowriter w = { 0 };
	size_t i;

	if (l == NULL) {
		request_refused(r, e, "Namespace", "");
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	writer_begin(&w, NULL, '{');
	writer_begin(&w, "namespaces", '[');
	for (i = 0; i < l->rows.n; i++)
		writer_texts(&w, NULL, &l->rows.v[i].ns);
	writer_end(&w, ']');
	writer_end(&w, '}');
	request_written(r, 200, &w);
}

void
items_namespaces(struct request *r)
{
	struct storage_item_spaces_request q = { .tenant = r->who.tenant };
	struct item_body b = { .limit = ITEMS_NAMESPACES_LIMIT };
	struct err e = { 0 };

	if (request_read(r, &b) == -1 ||
	    read_namespace(r, "prefix", b.ns, &q.prefix) == -1 ||
	    read_namespace(r, "suffix", b.suffix, &q.suffix) == -1)
		return;
	q.max_depth = b.max_depth;
	q.limit = b.limit;
	q.offset = b.offset;
	if (storage_item_spaces(r->api->storage, &q, on_spaces, r, &e) == -1)
		request_error(r, &e);
}
