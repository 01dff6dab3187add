/*
 * store.batch: what an agent remembers across threads, within its tenant.
 * Operations are carried out in order, all of them or none.
 */
#include <string.h>

#include "../storage/hold.h"
#include "attempt_private.h"
#include "crash.h"
#include "json.h"
#include "text.h"

enum {
	MINUTE_MS = 60 * 1000,
	LABELS_MAX = 64, /* of a namespace */
};

/* A batch that is being carried out. */
struct batch {
	struct attempt *attempt;
	struct session_call *call;
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

/* ---- what is asked -------------------------------------------------------- */

/* Labels of a namespace, borrowed from JSON; storage says what they may be. */
static int
read_labels(struct hold *h, const json_t *j, struct storage_texts *ret,
    struct err *e)
{
	size_t i, n = json_array_size(j);
	const char **v;

	if (n > LABELS_MAX)
		return err_set(e, ERR_INVALID,
		    "a namespace of more than %d labels", LABELS_MAX);
	v = hold_alloc(h, (n + 1) * sizeof(*v));
	for (i = 0; i < n; i++) {
		v[i] = json_string_value(json_array_get(j, i));
		if (v[i] == NULL)
			return err_set(e, ERR_INVALID, "a label must be text");
	}
	ret->v = v;
	ret->n = n;
	return 0;
}

static int
read_text(struct hold *h, const json_t *j, const char **ret, struct err *e)
{
	autofree char *text = NULL;
	size_t size;

	if (j == NULL)
		return 0;
	if (json_text(j, &text, &size, e) == -1)
		return -1;
	*ret = hold_copy(h, text, size);
	return 0;
}

/* Of its members those that it must have, and where its labels are. */
static const struct {
	const char *name;
	int key, value, prefix;
} shapes[] = {
	{ "put", 1, 1, 0 },
	{ "get", 1, 0, 0 },
	{ "delete", 1, 0, 0 },
	{ "search", 0, 0, 1 },
	{ "list_namespaces", 0, 0, 1 },
};

static int
read_op(struct hold *h, const json_t *j, struct storage_item_op *ret,
    struct err *e)
{
	struct op_members m = { 0 };
	size_t i;

	if (json_read(j, op_members, countof(op_members), &m, e) == -1)
		return -1;
	for (i = 0; i < countof(shapes); i++)
		if (strcmp(shapes[i].name, m.op) == 0)
			break;
	if (i == countof(shapes))
		return err_set(e, ERR_INVALID, "no operation \"%.32s\"", m.op);
	if ((shapes[i].key && m.key == NULL) ||
	    (shapes[i].value && m.value == NULL))
		return err_set(e, ERR_INVALID, "%s wants \"key\"%s", m.op,
		    shapes[i].value ? ", \"value\"" : "");
	*ret = (struct storage_item_op){ .op = m.op,
		.key = m.key,
		.ttl_ms = m.ttl * MINUTE_MS,
		.limit = m.limit,
		.offset = m.offset,
		.max_depth = m.max_depth };
	return read_labels(h, shapes[i].prefix ? m.prefix : m.namespace,
		   &ret->ns, e) == -1 ||
		       read_labels(h, m.suffix, &ret->suffix, e) == -1 ||
		       read_text(h, m.value, &ret->value, e) == -1 ||
		       read_text(h, m.filter, &ret->filter, e) == -1
		   ? -1
		   : 0;
}

/* ---- what is answered ----------------------------------------------------- */

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

static json_t *
result_json(const struct storage_item_result *r)
{
	json_t *list;
	size_t i;

	if (strcmp(r->op, "get") == 0 && r->items.n == 1)
		return item_json(&r->items.v[0]);
	if (strcmp(r->op, "search") == 0) {
		list = json_array();
		for (i = 0; i < r->items.n; i++)
			(void)json_array_append_new(list,
			    item_json(&r->items.v[i]));
		return json_pack("{s:o}", "items", list);
	}
	if (strcmp(r->op, "list_namespaces") == 0) {
		list = json_array();
		for (i = 0; i < r->spaces.n; i++)
			(void)json_array_append_new(list,
			    texts_json(&r->spaces.v[i].ns));
		return json_pack("{s:o}", "namespaces", list);
	}
	return json_null();
}

static void
batch_answer(struct batch *b, const struct storage_item_results *r)
{
	json_t *list = json_array(), *result;
	size_t i;

	for (i = 0; i < r->rows.n; i++)
		(void)json_array_append_new(list, result_json(&r->rows.v[i]));
	result = json_pack("{s:o}", "results", list);
	session_answer(b->call, result != NULL ? result : json_null());
	json_decref(result);
}

static void
batch_done(void *arg, const struct storage_item_results *r,
    const struct err *error)
{
	static const struct err ended = { .code = ERR_CONFLICT,
		.msg = "the run has ended" };
	struct batch *b = arg;

	CRASH_POINT();
	if (error == NULL && !attempt_lives(b->attempt))
		error = &ended;
	if (error != NULL) {
		attempt_note(b->attempt, error);
		session_fail(b->call, error);
	} else
		batch_answer(b, r);
	attempt_unref(b->attempt);
	free(b);
}

static int
batch_ask(struct batch *b, const json_t *list, struct err *e)
{
	const struct attempt *a = b->attempt;
	struct storage_item_batch_request q = { .tenant = a->run->tenant,
		.run_id = a->run->run_id,
		.fence = a->run->fence };
	struct storage_item_op *ops;
	struct hold h = { 0 };
	size_t i, n = json_array_size(list);
	int rc = 0;

	ops = hold_alloc(&h, (n + 1) * sizeof(*ops));
	for (i = 0; rc == 0 && i < n; i++)
		rc = read_op(&h, json_array_get(list, i), &ops[i], e);
	q.ops.v = ops;
	q.ops.n = n;
	if (rc == 0)
		rc = storage_item_batch(a->host->storage, &q, batch_done, b, e);
	hold_finish(&h);
	return rc;
}

void
attempt_store_batch(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	const json_t *list = json_object_get(params, "ops");
	struct batch *b = calloc(1, sizeof(*b));
	struct err e = { 0 };

	if (b == NULL || !json_is_array(list) ||
	    json_array_size(list) > ATTEMPT_STORE_OPS_MAX) {
		session_fail(call,
		    &(struct err){ .code = b == NULL ? ERR_SYSTEM : ERR_INVALID,
			.msg = "\"ops\" must be a list of at most 100" });
		free(b);
		return;
	}
	*b = (struct batch){ .attempt = attempt_ref(a), .call = call };
	if (batch_ask(b, list, &e) == -1)
		batch_done(b, NULL, &e);
}
