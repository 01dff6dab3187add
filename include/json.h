/*
 * json.h: JSON of strangers, strictly and within bounds.
 *
 * Run by warder-control on the bytes of clients and of jailed agents; the
 * only way in which bytes become a json_t.  RFC 8259 without leniencies:
 * duplicate names, NUL (\u0000 too), lone surrogates, invalid UTF-8, numbers
 * that no int64 or finite double holds, a byte order mark and anything behind
 * the value are refused.  What a text costs in memory is known before the
 * first value is made: its bytes, its values and its depth are counted first.
 *
 * Going out, a real number has the fewest digits that read back as the same
 * number, so that what came in as 0.1 leaves as 0.1.
 */
#ifndef JSON_H
#define JSON_H

#include <jansson.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

struct json_limits {
	size_t bytes;
	unsigned values; /* names of members not counted */
	unsigned depth; /* objects and arrays inside one another */
};

/* Of one message: a request's body or an agent's line. */
extern const struct json_limits json_limits_default;

static inline void
json_freep(json_t **j)
{
	json_decref(*j);
}

#define autojson cleanup(json_freep) json_t

/*
 * Parse exactly one value (of any kind) in n bytes.  ERR_LIMIT beyond a
 * limit, ERR_INVALID with what is wrong and where otherwise; limits NULL: the
 * defaults.  *ret is the caller's.
 */
must_check int json_parse(const void *p, size_t n,
    const struct json_limits *limits, json_t **ret, struct err *e);

/*
 * ERR_LIMIT if a text that json_text() made is more than that: whoever stores
 * it must be able to read it again.
 */
must_check int json_within(const char *text, const struct json_limits *limits,
    struct err *e);

/* Append the value in its shortest spelling; names in their own order. */
must_check int json_write(const json_t *j, struct buf *out, struct err *e);

/* The same as a text of its own, ended by NUL; the caller frees it. */
must_check int json_text(const json_t *j, char **ret, size_t *ret_size,
    struct err *e);

/*
 * An object read by a table: a row a member, with where it goes.  Members
 * that no row names are left alone.  What is absent, or null where the row
 * says NULLABLE, leaves its place as it was.
 */
enum json_kind {
	JSON_KIND_TEXT, /* const char *, without NUL in it */
	JSON_KIND_WHOLE, /* int64_t, from min to max */
	JSON_KIND_FLAG, /* int: 0 or 1 */
	JSON_KIND_OBJECT, /* const json_t *, as the next two borrowed */
	JSON_KIND_ARRAY, /* const json_t * */
	JSON_KIND_ANY, /* const json_t *, null too */
};

enum json_need {
	JSON_OPTIONAL = 0,
	JSON_REQUIRED = 1 << 0,
	JSON_NULLABLE = 1 << 1, /* null is as if it were absent */
};

struct json_member {
	const char *name;
	enum json_kind kind;
	unsigned need; /* enum json_need */
	size_t offset; /* in the struct that json_read() fills */
	int64_t min, max; /* of WHOLE; max of TEXT in bytes, 0: none */
};

/* A row: the member "name", or the one that is called as in the struct "type". */
#define JSON_NAMED(type, member, name, kind, need, min, max)                   \
	{                                                                      \
		name, JSON_KIND_##kind, need, offsetof(type, member), min, max \
	}
#define JSON_ROW(type, member, kind, need, min, max) \
	JSON_NAMED(type, member, #member, kind, need, min, max)

/*
 * Fill "ret" from the object j by the n rows.  ERR_INVALID names the member
 * and what it must be; then some places may be filled.
 */
must_check int json_read(const json_t *j, const struct json_member *members,
    size_t n, void *ret, struct err *e);

/* 1 if each member of "part" is in "whole", objects compared likewise and
 * everything else by equality: what a search by metadata asks. */
int json_contains(const json_t *whole, const json_t *part);

#endif /* !JSON_H */
