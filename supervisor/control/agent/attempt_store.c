/*
 * store.batch: what an agent remembers across threads, within its tenant.
 * Operations are carried out in order; the answers come together.
 */
#include <string.h>

#include "attempt_private.h"
#include "crash.h"
#include "json.h"
#include "text.h"

enum {
	MINUTE_MS = 60 * 1000,
};

/* A batch that is being carried out. */
struct batch {
	struct attempt *attempt;
	struct session_call *call;
	const json_t *ops; /* the call's own */
	size_t next;
	json_t *results;
};

struct op_members {
	const char *op, *key;
	const json_t *namespace, *prefix, *suffix, *value, *filter;
	int64_t limit, offset, ttl, max_depth;
};

#define AT(member) offsetof(struct op_members, member)

static const struct json_member op_members[] = {
	{ "op", JSON_KIND_TEXT, JSON_REQUIRED, AT(op), 0, 32 },
	{ "key", JSON_KIND_TEXT, JSON_NULLABLE, AT(key), 0, STORAGE_KEY_MAX },
	{ "namespace", JSON_KIND_ARRAY, JSON_NULLABLE, AT(namespace), 0, 0 },
	{ "namespace_prefix", JSON_KIND_ARRAY, JSON_NULLABLE, AT(prefix), 0,
	    0 },
	{ "prefix", JSON_KIND_ARRAY, JSON_NULLABLE, AT(prefix), 0, 0 },
	{ "suffix", JSON_KIND_ARRAY, JSON_NULLABLE, AT(suffix), 0, 0 },
	{ "value", JSON_KIND_OBJECT, JSON_NULLABLE, AT(value), 0, 0 },
	{ "filter", JSON_KIND_OBJECT, JSON_NULLABLE, AT(filter), 0, 0 },
	{ "limit", JSON_KIND_WHOLE, JSON_NULLABLE, AT(limit), 1,
	    STORAGE_LIMIT_MAX },
	{ "offset", JSON_KIND_WHOLE, JSON_NULLABLE, AT(offset), 0, INT32_MAX },
	{ "ttl", JSON_KIND_WHOLE, JSON_NULLABLE, AT(ttl), 1, INT32_MAX },
	{ "max_depth", JSON_KIND_WHOLE, JSON_NULLABLE, AT(max_depth), 1, 64 },
};

/* Labels of a namespace, borrowed from JSON; storage says what they may be. */
struct labels {
	const char *v[64];
	size_t n;
};

static int
labels_read(const json_t *j, struct labels *ret, struct err *e)
{
	size_t i;

	ret->n = 0;
	if (json_array_size(j) > countof(ret->v))
		return err_set(e, ERR_INVALID,
		    "a namespace of more than %zu labels", countof(ret->v));
	for (i = 0; i < json_array_size(j); i++) {
		const char *s = json_string_value(json_array_get(j, i));

		if (s == NULL)
			return err_set(e, ERR_INVALID, "a label must be text");
		ret->v[ret->n++] = s;
	}
	return 0;
}

static struct storage_texts
labels_texts(const struct labels *l)
{
	return (struct storage_texts){ l->v, l->n };
}

static void batch_go_on(struct batch *b);

static void
batch_end(struct batch *b, const struct err *error)
{
	json_t *result = json_pack("{s:O}", "results", b->results);

	CRASH_POINT();
	if (error != NULL) {
		attempt_note(b->attempt, error);
		session_fail(b->call, error);
	} else
		session_answer(b->call, result != NULL ? result : json_null());
	json_decref(result);
	json_decref(b->results);
	attempt_unref(b->attempt);
	free(b);
}

/* One operation is done; result is taken. */
static void
batch_done(struct batch *b, json_t *result, const struct err *error)
{
	CRASH_POINT();
	if (error == NULL && attempt_lives(b->attempt)) {
		(void)json_array_append_new(b->results,
		    result != NULL ? result : json_null());
		batch_go_on(b);
		return;
	}
	json_decref(result);
	batch_end(b, error != NULL ? error
				   : &(struct err){ .code = ERR_CONFLICT,
					 .msg = "the run has ended" });
}

static json_t *
time_json(int64_t ms)
{
	char buf[32];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add_time(&t, (uint64_t)ms);
	return json_string(buf);
}

static json_t *
texts_json(const struct storage_texts *t)
{
	json_t *j = json_array();
	size_t i;

	for (i = 0; i < t->n; i++)
		(void)json_array_append_new(j, json_string(t->v[i]));
	return j;
}

static json_t *
item_json(const struct storage_item *i)
{
	json_t *value = NULL;

	if (json_parse(i->value, strlen(i->value), NULL, &value, NULL) == -1)
		value = json_null();
	return json_pack("{s:o, s:s, s:o, s:o, s:o}", "namespace",
	    texts_json(&i->ns), "key", i->key, "value", value, "created_at",
	    time_json(i->created_at_ms), "updated_at",
	    time_json(i->updated_at_ms));
}

static void
none_done(void *arg, const struct storage_none *r, const struct err *error)
{
	(void)r;
	batch_done(arg, NULL, error);
}

static void
get_done(void *arg, const struct storage_item *i, const struct err *error)
{
	if (error != NULL && error->code == ERR_NOT_FOUND)
		error = NULL;
	batch_done(arg, i != NULL ? item_json(i) : NULL, error);
}

static void
search_done(void *arg, const struct storage_items *r, const struct err *error)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; r != NULL && i < r->rows.n; i++)
		(void)json_array_append_new(list, item_json(&r->rows.v[i]));
	batch_done(arg, json_pack("{s:o}", "items", list), error);
}

static void
spaces_done(void *arg, const struct storage_spaces *r, const struct err *error)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; r != NULL && i < r->rows.n; i++)
		(void)json_array_append_new(list, texts_json(&r->rows.v[i].ns));
	batch_done(arg, json_pack("{s:o}", "namespaces", list), error);
}

/* ---- a row an operation --------------------------------------------------- */

static int
op_put(struct batch *b, const struct op_members *m, struct err *e)
{
	const struct attempt *a = b->attempt;
	autofree char *value = NULL;
	struct labels ns;

	if (m->value == NULL || m->key == NULL)
		return err_set(e, ERR_INVALID, "put wants \"key\", \"value\"");
	if (labels_read(m->namespace, &ns, e) == -1 ||
	    json_text(m->value, &value, NULL, e) == -1)
		return -1;
	return storage_item_put(a->host->storage,
	    &(struct storage_item_put_request){ .tenant = a->run->tenant,
		.run_id = a->run->run_id,
		.fence = a->run->fence,
		.ns = labels_texts(&ns),
		.key = m->key,
		.value = value,
		.ttl_ms = m->ttl * MINUTE_MS },
	    none_done, b, e);
}

static int
op_get(struct batch *b, const struct op_members *m, struct err *e)
{
	const struct attempt *a = b->attempt;
	struct labels ns;

	if (m->key == NULL)
		return err_set(e, ERR_INVALID, "get wants \"key\"");
	if (labels_read(m->namespace, &ns, e) == -1)
		return -1;
	return storage_item_get(a->host->storage,
	    &(struct storage_item_get_request){ .tenant = a->run->tenant,
		.ns = labels_texts(&ns),
		.key = m->key,
		.refresh_ttl = 1 },
	    get_done, b, e);
}

static int
op_delete(struct batch *b, const struct op_members *m, struct err *e)
{
	const struct attempt *a = b->attempt;
	struct labels ns;

	if (m->key == NULL)
		return err_set(e, ERR_INVALID, "delete wants \"key\"");
	if (labels_read(m->namespace, &ns, e) == -1)
		return -1;
	return storage_item_delete(a->host->storage,
	    &(struct storage_item_delete_request){ .tenant = a->run->tenant,
		.run_id = a->run->run_id,
		.fence = a->run->fence,
		.ns = labels_texts(&ns),
		.key = m->key },
	    none_done, b, e);
}

static int
op_search(struct batch *b, const struct op_members *m, struct err *e)
{
	const struct attempt *a = b->attempt;
	autofree char *filter = NULL;
	struct labels ns;

	if (labels_read(m->prefix, &ns, e) == -1 ||
	    (m->filter != NULL && json_text(m->filter, &filter, NULL, e) == -1))
		return -1;
	return storage_item_search(a->host->storage,
	    &(struct storage_item_search_request){ .tenant = a->run->tenant,
		.ns = labels_texts(&ns),
		.filter = filter,
		.limit = m->limit,
		.offset = m->offset },
	    search_done, b, e);
}

static int
op_spaces(struct batch *b, const struct op_members *m, struct err *e)
{
	const struct attempt *a = b->attempt;
	struct labels prefix, suffix;

	if (labels_read(m->prefix, &prefix, e) == -1 ||
	    labels_read(m->suffix, &suffix, e) == -1)
		return -1;
	return storage_item_spaces(a->host->storage,
	    &(struct storage_item_spaces_request){ .tenant = a->run->tenant,
		.prefix = labels_texts(&prefix),
		.suffix = labels_texts(&suffix),
		.max_depth = m->max_depth,
		.limit = m->limit,
		.offset = m->offset },
	    spaces_done, b, e);
}

static const struct {
	const char *name;
	int (*fn)(struct batch *b, const struct op_members *m, struct err *e);
} ops[] = {
	{ "put", op_put },
	{ "get", op_get },
	{ "delete", op_delete },
	{ "search", op_search },
	{ "list_namespaces", op_spaces },
};

static int
batch_next(struct batch *b, struct err *e)
{
	struct op_members m = { 0 };
	size_t i;

	if (json_read(json_array_get(b->ops, b->next++), op_members,
		countof(op_members), &m, e) == -1)
		return -1;
	for (i = 0; i < countof(ops); i++)
		if (strcmp(ops[i].name, m.op) == 0)
			return ops[i].fn(b, &m, e);
	return err_set(e, ERR_INVALID, "no operation \"%.32s\"", m.op);
}

static void
batch_go_on(struct batch *b)
{
	struct err e;

	if (b->next >= json_array_size(b->ops))
		batch_end(b, NULL);
	else if (batch_next(b, &e) == -1)
		batch_end(b, &e);
}

void
attempt_store_batch(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	const json_t *list = json_object_get(params, "ops");
	struct batch *b = calloc(1, sizeof(*b));

	if (b == NULL || !json_is_array(list) ||
	    json_array_size(list) > ATTEMPT_STORE_OPS_MAX) {
		session_fail(call,
		    &(struct err){ .code = b == NULL ? ERR_SYSTEM : ERR_INVALID,
			.msg = "\"ops\" must be a list of at most 100" });
		free(b);
		return;
	}
	*b = (struct batch){ .attempt = attempt_ref(a),
		.call = call,
		.ops = list,
		.results = json_array() };
	batch_go_on(b);
}
