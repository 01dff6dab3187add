/*
 * query.h: the query of a request's target, and names in its path.
 *
 * Run by warder-control on hostile bytes.  Pure but for one allocation.
 */
#ifndef API_QUERY_H
#define API_QUERY_H

#include <stdint.h>

#include "err.h"
#include "limits_api.h"

/* Both are UTF-8 without control characters, decoded, ended by NUL. */
struct query_param {
	const char *name, *value;
};

struct query {
	char *text; /* what the params lie in */
	unsigned n;
	struct query_param params[API_QUERY_PARAMS_MAX];
};

void query_init(struct query *q);
void query_finish(struct query *q);

#define autoquery cleanup(query_finish) struct query

/*
 * Take n bytes of name=value&... apart: "+" is a space, %XX a byte.
 * ERR_INVALID for a malformed escape, a control character or what is not
 * UTF-8; ERR_LIMIT for too many; ERR_SYSTEM without memory.
 */
must_check int query_parse(struct query *q, const char *p, size_t n,
    struct err *e);

/* The first value of that name, or NULL. */
const char *query_get(const struct query *q, const char *name);

/*
 * A value of a kind, *ret untouched if there is none; ERR_INVALID if it is
 * another kind.  A flag is 0, 1, true or false.
 */
must_check int query_flag(const struct query *q, const char *name, int *ret,
    struct err *e);
must_check int query_whole(const struct query *q, const char *name, int64_t min,
    int64_t max, int64_t *ret, struct err *e);

/*
 * Decode n bytes of a path's segment into ret (size bytes, with the NUL).
 * ERR_INVALID as above, and for an empty one; ERR_LIMIT without room.
 */
must_check int query_decode(const char *p, size_t n, char *ret, size_t size,
    struct err *e);

#endif /* !API_QUERY_H */
