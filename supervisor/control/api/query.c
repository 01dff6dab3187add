#include "query.h"

#include <errno.h>
#include <string.h>

#include "text.h"

void
query_init(struct query *q)
{
	*q = (struct query){ 0 };
}

void
query_finish(struct query *q)
{
	free(q->text);
	query_init(q);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of p as it was meant; how many were used, 0: malformed. */
static size_t
decode_byte(const char *p, size_t n, int plus, char *ret)
{
	int hi, lo;

	if (*p != '%') {
		*ret = plus && *p == '+' ? ' ' : *p;
		return 1;
	}
	if (n < 3)
		return 0;
	hi = hex_value(p[1]);
	lo = hex_value(p[2]);
	*ret = (char)(hi * 16 + lo);
	return hi < 0 || lo < 0 ? 0 : 3;
}

/* What nobody may see in a name: UTF-8 alone, no control character. */
static int
is_clean(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			return 0;
	return text_is_utf8(p, n);
}

/* Decode into "to", which has room for n bytes; -1 or how many. */
static ssize_t
decode(const char *p, size_t n, int plus, char *to, struct err *e)
{
	size_t used, made = 0;

	for (; n > 0; p += used, n -= used) {
		used = decode_byte(p, n, plus, to + made);
		if (used == 0)
			return err_set(e, ERR_INVALID,
			    "a \"%%\" without two hexadecimal digits");
		made++;
	}
	if (!is_clean(to, made))
		return err_set(e, ERR_INVALID,
		    "an escape of a control character or of what is not UTF-8");
	return (ssize_t)made;
}

int
query_decode(const char *p, size_t n, char *ret, size_t size, struct err *e)
{
	char whole[3 * API_ARG_BYTES];
	ssize_t made;

	if (n == 0)
		return err_set(e, ERR_INVALID, "an empty name");
	if (n > sizeof(whole))
		return err_set(e, ERR_LIMIT, "a name is too long");
	made = decode(p, n, 0, whole, e);
	if (made == -1)
		return -1;
	if ((size_t)made >= size)
		return err_set(e, ERR_LIMIT, "a name is too long");
	memcpy(ret, whole, (size_t)made);
	ret[made] = '\0';
	return 0;
}

/* One name=value at p; *to moves behind what is written. */
static int
parse_param(struct query *q, const char *p, size_t n, char **to, struct err *e)
{
	const char *eq = memchr(p, '=', n);
	size_t name = eq != NULL ? (size_t)(eq - p) : n;
	struct query_param *r = &q->params[q->n];
	ssize_t made;

	if (q->n == API_QUERY_PARAMS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d parameters",
		    API_QUERY_PARAMS_MAX);
	made = decode(p, name, 1, *to, e);
	if (made == -1)
		return -1;
	r->name = *to;
	*to += made;
	*(*to)++ = '\0';
	made = eq != NULL ? decode(eq + 1, n - name - 1, 1, *to, e) : 0;
	if (made == -1)
		return -1;
	r->value = *to;
	*to += made;
	*(*to)++ = '\0';
	q->n++;
	return 0;
}

int
query_parse(struct query *q, const char *p, size_t n, struct err *e)
{
	const char *end = p + n, *amp;
	char *to;

	query_finish(q);
	if (n == 0)
		return 0;
	/* each parameter grows by a NUL, at most, beyond its separators */
	q->text = to = malloc(n + 2 + API_QUERY_PARAMS_MAX);
	if (to == NULL)
		return err_sys(e, ENOMEM, "a query");
	for (; p <= end; p = amp + 1) {
		amp = p < end ? memchr(p, '&', (size_t)(end - p)) : NULL;
		if (amp == NULL)
			amp = end;
		if (amp > p &&
		    parse_param(q, p, (size_t)(amp - p), &to, e) == -1)
			return -1;
	}
	return 0;
}

const char *
query_get(const struct query *q, const char *name)
{
	unsigned i;

	for (i = 0; i < q->n; i++)
		if (strcmp(q->params[i].name, name) == 0)
			return q->params[i].value;
	return NULL;
}

int
query_flag(const struct query *q, const char *name, int *ret, struct err *e)
{
	static const char *const words[] = { "0", "false", "False", "1", "true",
		"True" };
	const char *v = query_get(q, name);
	size_t i;

	if (v == NULL)
		return 0;
	for (i = 0; i < countof(words); i++)
		if (strcmp(v, words[i]) == 0) {
			*ret = i >= countof(words) / 2;
			return 0;
		}
	return err_set(e, ERR_INVALID, "%s must be 0, 1, true or false", name);
}

int
query_whole(const struct query *q, const char *name, int64_t min, int64_t max,
    int64_t *ret, struct err *e)
{
	const char *v = query_get(q, name);
	uint64_t n;

	if (v == NULL)
		return 0;
	if (text_parse_u64(v, (uint64_t)max, &n, NULL) == -1 ||
	    (int64_t)n < min)
		return err_set(e, ERR_INVALID,
		    "%s must be a number from %lld to %lld", name,
		    (long long)min, (long long)max);
	*ret = (int64_t)n;
	return 0;
}
