#include "router.h"

#include <ctype.h>
#include <string.h>

#include "query.h"
#include "text.h"

static const struct {
	const char *name;
	unsigned bit;
} methods[] = {
	{ "GET", ROUTE_GET },
	{ "HEAD", ROUTE_GET },
	{ "POST", ROUTE_POST },
	{ "PUT", ROUTE_PUT },
	{ "PATCH", ROUTE_PATCH },
	{ "DELETE", ROUTE_DELETE },
};

unsigned
router_method(const char *name)
{
	size_t i;

	for (i = 0; i < countof(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return methods[i].bit;
	return 0;
}

void
router_methods_text(unsigned bits, char *ret, size_t size)
{
	struct text t;
	size_t i;

	text_init(&t, ret, size);
	for (i = 0; i < countof(methods); i++)
		if (bits & methods[i].bit) {
			if (t.len > 0)
				text_add(&t, ", ");
			text_add(&t, methods[i].name);
		}
}

const char *
router_resource_name(enum route_resource r)
{
	static const char *const names[ROUTE_RESOURCE__MAX] = {
#define X(name, text) [ROUTE_RESOURCE_##name] = text,
		ROUTE_RESOURCES(X)
#undef X
	};

	return (unsigned)r < countof(names) ? names[r] : NULL;
}

const char *
router_action_name(enum route_action a)
{
	static const char *const names[ROUTE_ACTION__MAX] = {
#define X(name, text, writes) [ROUTE_ACTION_##name] = text,
		ROUTE_ACTIONS(X)
#undef X
	};

	return (unsigned)a < countof(names) ? names[a] : NULL;
}

int
router_action_writes(enum route_action a)
{
	static const int writes[ROUTE_ACTION__MAX] = {
#define X(name, text, w) [ROUTE_ACTION_##name] = w,
		ROUTE_ACTIONS(X)
#undef X
	};

	return (unsigned)a < countof(writes) ? writes[a] : 1;
}

int
router_is_uuid(const char *s)
{
	size_t i;

	for (i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23
			? s[i] != '-'
			: !isxdigit((unsigned char)s[i]))
			return 0;
	return s[36] == '\0';
}

/* What of a path or a pattern comes up to the next slash. */
struct segment {
	const char *at;
	size_t size;
};

static int
next_segment(const char **p, const char *end, struct segment *ret)
{
	const char *slash;

	if (*p >= end)
		return 0;
	/* each begins with a slash */
	slash = memchr(*p + 1, '/', (size_t)(end - *p - 1));
	ret->at = *p + 1;
	*p = slash != NULL ? slash : end;
	ret->size = (size_t)(*p - ret->at);
	return 1;
}

/* Whether two paths have the same shape; arguments are looked at later. */
static int
is_match(const struct route *r, const char *path, size_t n)
{
	const char *p = r->path, *pend = p + strlen(p);
	const char *q = path, *qend = path + n;
	struct segment a, b;

	while (next_segment(&p, pend, &a)) {
		if (!next_segment(&q, qend, &b))
			return 0;
		if (a.at[0] != '{' &&
		    (a.size != b.size || memcmp(a.at, b.at, a.size) != 0))
			return 0;
	}
	return q == qend;
}

static int
is_id(const struct segment *name)
{
	static const char *const ids[] = { "{thread_id}", "{run_id}" };
	size_t i;

	for (i = 0; i < countof(ids); i++)
		if (name->size == strlen(ids[i]) &&
		    memcmp(name->at, ids[i], name->size) == 0)
			return 1;
	return 0;
}

static void
lower(char *s)
{
	for (; *s != '\0'; s++)
		*s = (char)tolower((unsigned char)*s);
}

static int
take_arg(const struct segment *name, const struct segment *value, char *ret,
    struct err *e)
{
	if (query_decode(value->at, value->size, ret, API_ARG_BYTES, e) == -1)
		return err_wrap(e, "%.*s", (int)name->size, name->at);
	if (!is_id(name))
		return 0;
	if (!router_is_uuid(ret))
		return err_set(e, ERR_INVALID, "%.*s is not a UUID",
		    (int)name->size - 2, name->at + 1);
	lower(ret);
	return 0;
}

static int
take_args(const struct route *r, const char *path, size_t n,
    struct route_args *ret, struct err *e)
{
	const char *p = r->path, *pend = p + strlen(p);
	const char *q = path, *qend = path + n;
	struct segment a, b;

	ret->n = 0;
	while (next_segment(&p, pend, &a) && next_segment(&q, qend, &b))
		if (a.at[0] == '{' &&
		    take_arg(&a, &b, ret->text[ret->n++], e) == -1)
			return -1;
	return 0;
}

/* A pattern that names a segment goes before one that takes any. */
static int
is_better(const struct route *r, const struct route *than)
{
	const char *a = r->path, *b;

	if (than == NULL)
		return 1;
	for (b = than->path; *a != '\0' && *a == *b; a++, b++)
		;
	return *b == '{' && *a != '{';
}

int
router_find(enum route_method method, const char *path, size_t n,
    const struct route **ret, struct route_args *ret_args,
    unsigned *ret_methods, struct err *e)
{
	const struct route *found = NULL;
	unsigned bits = 0;
	size_t i;

	for (i = 0; i < routes_count; i++) {
		const struct route *r = &routes_all[i];

		if (n == 0 || path[0] != '/' || !is_match(r, path, n))
			continue;
		bits |= r->method;
		if (r->method == method && is_better(r, found))
			found = r;
	}
	if (found == NULL && bits == 0)
		return err_set(e, ERR_NOT_FOUND, "nothing is at this path");
	if (found == NULL) {
		*ret_methods = bits;
		return err_set(e, ERR_UNSUPPORTED,
		    "this path does not have that method");
	}
	if (take_args(found, path, n, ret_args, e) == -1)
		return -1;
	*ret = found;
	return 0;
}
