#include <string.h>

#include "function.h"
#include "json.h"

/* ---- arguments ---- */

static int
function_parse(sqlite3_value *v, json_t **ret, struct err *e)
{
	const void *text = sqlite3_value_text(v);

	if (text == NULL)
		return err_set(e, ERR_INVALID, "no JSON");
	return json_parse(text, (size_t)sqlite3_value_bytes(v), NULL, ret, e);
}

static void
function_json_free(void *p)
{
	json_decref(p);
}

/* An argument that is the same for all rows is parsed once. */
static json_t *
function_constant(sqlite3_context *c, sqlite3_value **v, int i, struct err *e)
{
	json_t *j = sqlite3_get_auxdata(c, i);

	if (j != NULL)
		return j;
	if (function_parse(v[i], &j, e) == -1)
		return NULL;
	sqlite3_set_auxdata(c, i, j, function_json_free);
	return sqlite3_get_auxdata(c, i);
}

static void
function_fail(sqlite3_context *c, const struct err *e)
{
	sqlite3_result_error(c, e->msg, -1);
}

static int
function_is_null(sqlite3_value *v)
{
	return sqlite3_value_type(v) == SQLITE_NULL;
}

/* ---- JSON ---- */

static void
function_contains(sqlite3_context *c, int n, sqlite3_value **v)
{
	autojson *whole = NULL;
	const json_t *part;
	struct err e;

	(void)n;
	if (function_is_null(v[1]) || function_is_null(v[0])) {
		sqlite3_result_int(c, function_is_null(v[1]));
		return;
	}
	part = function_constant(c, v, 1, &e);
	if (part == NULL || function_parse(v[0], &whole, &e) == -1)
		function_fail(c, &e);
	else
		sqlite3_result_int(c, json_contains(whole, part));
}

static void
function_merge(sqlite3_context *c, int n, sqlite3_value **v)
{
	autojson *old = NULL, *more = NULL;
	char *text;
	size_t size;
	struct err e;

	(void)n;
	if (function_is_null(v[1]) || function_is_null(v[0])) {
		sqlite3_result_value(c, v[function_is_null(v[1]) ? 0 : 1]);
		return;
	}
	if (function_parse(v[0], &old, &e) == -1 ||
	    function_parse(v[1], &more, &e) == -1) {
		function_fail(c, &e);
		return;
	}
	if (json_object_update(old, more) == -1)
		(void)err_set(&e, ERR_INVALID, "not an object");
	else if (json_text(old, &text, &size, &e) == 0) {
		sqlite3_result_text64(c, text, size, free, SQLITE_UTF8);
		return;
	}
	function_fail(c, &e);
}

/* ---- filters of the store ---- */

/* -1, 0, 1; 2 where they have no order. */
static int
function_order(const json_t *a, const json_t *b)
{
	double x = json_number_value(a), y = json_number_value(b);
	int r;

	if (json_is_integer(a) && json_is_integer(b))
		return (json_integer_value(a) > json_integer_value(b)) -
		       (json_integer_value(a) < json_integer_value(b));
	if (json_is_number(a) && json_is_number(b))
		return (x > y) - (x < y);
	if (!json_is_string(a) || !json_is_string(b))
		return 2;
	r = strcmp(json_string_value(a), json_string_value(b));
	return (r > 0) - (r < 0);
}

static int
function_equal(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b))
		return function_order(a, b) == 0;
	return json_equal(a, b);
}

/* The orders that an operator takes, as bits: less, equal, greater. */
static const struct {
	const char *name;
	unsigned orders;
} operators[] = {
	{ "$gt", 4 },
	{ "$gte", 4 | 2 },
	{ "$lt", 1 },
	{ "$lte", 1 | 2 },
};

/* 1 or 0; -1 if there is no such operator. */
static int
function_operator(const char *op, const json_t *value, const json_t *want)
{
	size_t i;
	int order;

	if (strcmp(op, "$eq") == 0)
		return value != NULL && function_equal(value, want);
	if (strcmp(op, "$ne") == 0)
		return value == NULL || !function_equal(value, want);
	for (i = 0; i < countof(operators); i++) {
		if (strcmp(operators[i].name, op) != 0)
			continue;
		if (value == NULL)
			return 0;
		order = function_order(value, want);
		return order != 2 && (operators[i].orders >> (order + 1) & 1);
	}
	return -1;
}

static int
function_has_operators(const json_t *want)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)want, name,
	    v) if (name[0] == '$') return 1;
	return 0;
}

static int
function_member(const json_t *value, const json_t *want)
{
	const char *op;
	json_t *v;
	int is = 1, one;

	if (!json_is_object(want) || !function_has_operators(want))
		return value != NULL && function_equal(value, want);
	json_object_foreach((json_t *)want, op, v)
	{
		one = function_operator(op, value, v);
		if (one == -1)
			return -1;
		is &= one;
	}
	return is;
}

/* 1 or 0, or -1 if the filter is none. */
static int
function_filter(const json_t *value, const json_t *filter, struct err *e)
{
	const char *name;
	json_t *want;
	int is = 1, one;

	if (!json_is_object(filter))
		return err_set(e, ERR_INVALID, "a filter is an object");
	json_object_foreach((json_t *)filter, name, want)
	{
		one = function_member(json_object_get(value, name), want);
		if (one == -1)
			return err_set(e, ERR_INVALID,
			    "the filter of \"%.64s\" has an operator that is "
			    "none of $eq $ne $gt $gte $lt $lte",
			    name);
		is &= one;
	}
	return is;
}

int
function_check_filter(const char *filter, struct err *e)
{
	autojson *j = NULL;

	if (filter == NULL)
		return 0;
	if (json_parse(filter, strlen(filter), NULL, &j, e) == -1)
		return -1;
	return function_filter(NULL, j, e) == -1 ? -1 : 0;
}

static void
function_matches(sqlite3_context *c, int n, sqlite3_value **v)
{
	autojson *value = NULL;
	const json_t *filter;
	struct err e;
	int is = -1;

	(void)n;
	if (function_is_null(v[1])) {
		sqlite3_result_int(c, 1);
		return;
	}
	filter = function_constant(c, v, 1, &e);
	if (filter != NULL && function_parse(v[0], &value, &e) == 0)
		is = function_filter(value, filter, &e);
	if (is == -1)
		function_fail(c, &e);
	else
		sqlite3_result_int(c, is);
}

/* ---- namespaces ---- */

/* The length of the first label without its dot. */
static size_t
function_label(const char *ns)
{
	return strcspn(ns, ".");
}

static size_t
function_labels(const char *ns)
{
	size_t n = 0;

	for (; *ns != '\0'; ns++)
		n += *ns == '.';
	return n;
}

/* Do the first labels of ns agree with all of the pattern's? */
static int
function_labels_like(const char *ns, const char *pattern)
{
	size_t n, m;

	for (; *pattern != '\0'; ns += n + 1, pattern += m + 1) {
		if (*ns == '\0')
			return 0;
		n = function_label(ns);
		m = function_label(pattern);
		if (m == 1 && *pattern == '*')
			continue;
		if (n != m || memcmp(ns, pattern, n) != 0)
			return 0;
	}
	return 1;
}

static void
function_space_like(sqlite3_context *c, int n, sqlite3_value **v)
{
	const char *ns = (const char *)sqlite3_value_text(v[0]);
	const char *prefix = (const char *)sqlite3_value_text(v[1]);
	const char *suffix = (const char *)sqlite3_value_text(v[2]);
	size_t have, want;
	int is;

	(void)n;
	if (ns == NULL || prefix == NULL || suffix == NULL) {
		sqlite3_result_int(c, 0);
		return;
	}
	is = function_labels_like(ns, prefix);
	have = function_labels(ns);
	want = function_labels(suffix);
	for (; have > want; have--)
		ns += function_label(ns) + 1;
	sqlite3_result_int(c,
	    is && have == want && function_labels_like(ns, suffix));
}

static void
function_space_cut(sqlite3_context *c, int n, sqlite3_value **v)
{
	const char *ns = (const char *)sqlite3_value_text(v[0]);
	int64_t depth = sqlite3_value_int64(v[1]);
	size_t size = 0;

	(void)n;
	if (ns == NULL || depth <= 0) {
		sqlite3_result_value(c, v[0]);
		return;
	}
	for (; depth > 0 && ns[size] != '\0'; depth--)
		size += function_label(ns + size) + 1;
	sqlite3_result_text64(c, ns, size, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static const struct {
	const char *name;
	int arguments;
	void (*fn)(sqlite3_context *c, int n, sqlite3_value **v);
} functions[] = {
	{ "warder_contains", 2, function_contains },
	{ "warder_merge", 2, function_merge },
	{ "warder_matches", 2, function_matches },
	{ "warder_space_like", 3, function_space_like },
	{ "warder_space_cut", 2, function_space_cut },
};

int
function_register(sqlite3 *h, struct err *e)
{
	size_t i;

	for (i = 0; i < countof(functions); i++)
		if (sqlite3_create_function_v2(h, functions[i].name,
			functions[i].arguments,
			SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
			functions[i].fn, NULL, NULL, NULL) != SQLITE_OK)
			return err_set(e, ERR_CORRUPT, "%s: %s",
			    functions[i].name, sqlite3_errmsg(h));
	return 0;
}
