#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

const struct json_limits json_limits_default = {
	.bytes = 16 * 1024 * 1024,
	.values = 262144,
	.depth = 64,
};

/* Where in a text the count stands. */
struct count {
	const unsigned char *p, *end;
	unsigned values, depth;
	int token; /* inside a number or a literal */
};

/* Past the string that begins at c->p; an unended one ends the text. */
static void
count_string(struct count *c)
{
	for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
		if (*c->p == '\\' && c->p + 1 < c->end)
			c->p++;
}

/* A name of a member is a string with a colon behind it: not a value. */
static int
count_is_name(const struct count *c)
{
	const unsigned char *p = c->p + 1;

	while (p < c->end && strchr(" \t\r\n", *p) != NULL && *p != 0)
		p++;
	return p < c->end && *p == ':';
}

static int
count_value(struct count *c, const struct json_limits *l, struct err *e)
{
	if (++c->values > l->values)
		return err_set(e, ERR_LIMIT, "more than %u values of JSON",
		    l->values);
	return 0;
}

static int
count_byte(struct count *c, const struct json_limits *l, struct err *e)
{
	int token = c->token;

	c->token = 0;
	switch (*c->p) {
	case '"':
		count_string(c);
		return c->p < c->end && count_is_name(c) ? 0
							 : count_value(c, l, e);
	case '{':
	case '[':
		if (++c->depth > l->depth)
			return err_set(e, ERR_LIMIT,
			    "JSON deeper than %u levels", l->depth);
		return count_value(c, l, e);
	case '}':
	case ']':
		if (c->depth > 0)
			c->depth--;
		return 0;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case ',':
	case ':':
		return 0;
	default:
		c->token = 1;
		return token ? 0 : count_value(c, l, e);
	}
}

/*
 * Bounds before the parser allocates: what is counted here is never less than
 * what it would make of a text up to the first fault.
 */
static int
count_text(const void *p, size_t n, const struct json_limits *l, struct err *e)
{
	struct count c = { .p = p, .end = (const unsigned char *)p + n };

	if (n > l->bytes)
		return err_set(e, ERR_LIMIT, "JSON of more than %zu bytes",
		    l->bytes);
	for (; c.p < c.end; c.p++)
		if (count_byte(&c, l, e) != 0)
			return -1;
	return 0;
}

int
json_within(const char *text, const struct json_limits *limits, struct err *e)
{
	return count_text(text, strlen(text), limits, e);
}

int
json_parse(const void *p, size_t n, const struct json_limits *limits,
    json_t **ret, struct err *e)
{
	const struct json_limits *l =
	    limits != NULL ? limits : &json_limits_default;
	json_error_t fault;
	json_t *j;

	if (count_text(p, n, l, e) != 0)
		return -1;
	/* jansson takes it for white space */
	if (memchr(p, '\0', n) != NULL)
		return err_set(e, ERR_INVALID, "JSON with a NUL byte");
	j = json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
	if (j == NULL)
		return err_set(e, ERR_INVALID, "JSON, line %d, column %d: %s",
		    fault.line, fault.column, fault.text);
	*ret = j;
	return 0;
}

/* Going out. */

static int
write_bytes(struct buf *out, const char *p, size_t n, struct err *e)
{
	return buf_append(out, p, n, e);
}

static int
write_escape(struct buf *out, unsigned char c, struct err *e)
{
	static const char letters[] = "btn\0fr"; /* of 8 to 13 */
	char s[8];
	int n;

	if (c == '"' || c == '\\')
		n = snprintf(s, sizeof(s), "\\%c", c);
	else if (c >= 8 && c <= 13 && letters[c - 8] != '\0')
		n = snprintf(s, sizeof(s), "\\%c", letters[c - 8]);
	else
		n = snprintf(s, sizeof(s), "\\u%04x", c);
	return write_bytes(out, s, (size_t)n, e);
}

static int
write_string(struct buf *out, const char *s, size_t n, struct err *e)
{
	size_t from = 0, i;

	if (write_bytes(out, "\"", 1, e) != 0)
		return -1;
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		if (write_bytes(out, s + from, i - from, e) != 0 ||
		    write_escape(out, c, e) != 0)
			return -1;
		from = i + 1;
	}
	return write_bytes(out, s + from, n - from, e) != 0
		   ? -1
		   : write_bytes(out, "\"", 1, e);
}

/* The fewest digits that read back as the same number, and a sign that it is
 * a real one. */
static int
write_real(struct buf *out, double d, struct err *e)
{
	char s[40];
	int digits, n = 0;

	for (digits = 15; digits <= 17; digits++) {
		n = snprintf(s, sizeof(s), "%.*g", digits, d);
		if (strtod(s, NULL) == d)
			break;
	}
	if (strpbrk(s, ".e") == NULL)
		n += snprintf(s + n, sizeof(s) - (size_t)n, ".0");
	return write_bytes(out, s, (size_t)n, e);
}

static int
write_whole(struct buf *out, json_int_t i, struct err *e)
{
	char s[24];
	int n = snprintf(s, sizeof(s), "%" JSON_INTEGER_FORMAT, i);

	return write_bytes(out, s, (size_t)n, e);
}

static int
write_array(struct buf *out, const json_t *j, struct err *e)
{
	size_t i, n = json_array_size(j);

	if (write_bytes(out, "[", 1, e) != 0)
		return -1;
	for (i = 0; i < n; i++)
		if ((i > 0 && write_bytes(out, ",", 1, e) != 0) ||
		    json_write(json_array_get(j, i), out, e) != 0)
			return -1;
	return write_bytes(out, "]", 1, e);
}

static int
write_object(struct buf *out, const json_t *j, struct err *e)
{
	json_t *o = (json_t *)(uintptr_t)j; /* its iterator wants it so */
	const char *name;
	json_t *value;
	int first = 1;

	if (write_bytes(out, "{", 1, e) != 0)
		return -1;
	json_object_foreach(o, name, value)
	{
		if ((!first && write_bytes(out, ",", 1, e) != 0) ||
		    write_string(out, name, strlen(name), e) != 0 ||
		    write_bytes(out, ":", 1, e) != 0 ||
		    json_write(value, out, e) != 0)
			return -1;
		first = 0;
	}
	return write_bytes(out, "}", 1, e);
}

int
json_write(const json_t *j, struct buf *out, struct err *e)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return write_object(out, j, e);
	case JSON_ARRAY:
		return write_array(out, j, e);
	case JSON_STRING:
		return write_string(out, json_string_value(j),
		    json_string_length(j), e);
	case JSON_INTEGER:
		return write_whole(out, json_integer_value(j), e);
	case JSON_REAL:
		return write_real(out, json_real_value(j), e);
	case JSON_TRUE:
		return write_bytes(out, "true", 4, e);
	case JSON_FALSE:
		return write_bytes(out, "false", 5, e);
	default:
		return write_bytes(out, "null", 4, e);
	}
}

enum {
	TEXT_MAX = 64 * 1024 * 1024, /* of one text; six times the input */
};

int
json_text(const json_t *j, char **ret, size_t *ret_size, struct err *e)
{
	autobuf out;
	char *s;
	size_t n;

	buf_init(&out, TEXT_MAX);
	if (json_write(j, &out, e) != 0)
		return -1;
	n = buf_size(&out);
	s = malloc(n + 1);
	if (s == NULL)
		return err_set(e, ERR_SYSTEM, "memory for JSON");
	memcpy(s, buf_bytes(&out), n);
	s[n] = '\0';
	*ret = s;
	if (ret_size != NULL)
		*ret_size = n;
	return 0;
}

/* Reading an object by its table. */

static const char *const kind_names[] = {
	[JSON_KIND_TEXT] = "a string",
	[JSON_KIND_WHOLE] = "an integer",
	[JSON_KIND_FLAG] = "true or false",
	[JSON_KIND_OBJECT] = "an object",
	[JSON_KIND_ARRAY] = "an array",
	[JSON_KIND_ANY] = "a value",
};

static int
member_is_kind(const json_t *v, enum json_kind kind)
{
	switch (kind) {
	case JSON_KIND_TEXT:
		return json_is_string(v);
	case JSON_KIND_WHOLE:
		return json_is_integer(v);
	case JSON_KIND_FLAG:
		return json_is_boolean(v);
	case JSON_KIND_OBJECT:
		return json_is_object(v);
	case JSON_KIND_ARRAY:
		return json_is_array(v);
	default:
		return 1;
	}
}

static int
member_check(const json_t *v, const struct json_member *m, struct err *e)
{
	if (!member_is_kind(v, m->kind))
		return err_set(e, ERR_INVALID, "\"%s\" must be %s", m->name,
		    kind_names[m->kind]);
	if (m->kind == JSON_KIND_TEXT && m->max > 0 &&
	    json_string_length(v) > (size_t)m->max)
		return err_set(e, ERR_INVALID,
		    "\"%s\" is longer than %lld bytes", m->name,
		    (long long)m->max);
	if (m->kind == JSON_KIND_WHOLE &&
	    (json_integer_value(v) < m->min || json_integer_value(v) > m->max))
		return err_set(e, ERR_INVALID,
		    "\"%s\" must be from %lld to %lld", m->name,
		    (long long)m->min, (long long)m->max);
	return 0;
}

static void
member_store(const json_t *v, const struct json_member *m, void *ret)
{
	char *at = (char *)ret + m->offset;

	switch (m->kind) {
	case JSON_KIND_TEXT:
		*(const char **)(void *)at = json_string_value(v);
		break;
	case JSON_KIND_WHOLE:
		*(int64_t *)(void *)at = json_integer_value(v);
		break;
	case JSON_KIND_FLAG:
		*(int *)(void *)at = json_is_true(v);
		break;
	default:
		*(const json_t **)(void *)at = v;
	}
}

int
json_read(const json_t *j, const struct json_member *members, size_t n,
    void *ret, struct err *e)
{
	size_t i;

	if (!json_is_object(j))
		return err_set(e, ERR_INVALID, "an object is wanted");
	for (i = 0; i < n; i++) {
		const struct json_member *m = &members[i];
		const json_t *v = json_object_get(j, m->name);

		if (v != NULL && json_is_null(v) && (m->need & JSON_NULLABLE))
			v = NULL;
		if (v == NULL && (m->need & JSON_REQUIRED))
			return err_set(e, ERR_INVALID, "\"%s\" is missing",
			    m->name);
		if (v == NULL)
			continue;
		if (member_check(v, m, e) != 0)
			return -1;
		member_store(v, m, ret);
	}
	return 0;
}

int
json_contains(const json_t *whole, const json_t *part)
{
	json_t *p = (json_t *)(uintptr_t)part; /* its iterator wants it so */
	const char *name;
	json_t *value;

	if (!json_is_object(part) || !json_is_object(whole))
		return json_equal(whole, part);
	json_object_foreach(p, name, value)
	{
		const json_t *have = json_object_get(whole, name);

		if (have == NULL || !json_contains(have, value))
			return 0;
	}
	return 1;
}
