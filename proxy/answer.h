/*
 * answer.h: what warder-proxy itself says to a client, as HTTP.
 *
 * Refusals and failures are application/problem+json with the refusal record;
 * nothing of the upstream and no secret is in them.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "buf.h"
#include "guest.h"
#include "policy/authorize.h"

/*
 * Append a whole response to out.  head: the request was HEAD, so no body.
 * A missing placeholder of Basic is asked for, by 401.
 * Each says "Connection: close".
 */
must_check int answer_refusal(struct buf *out, const struct guest *g,
    const struct intent *in, const struct verdict *v, int head, struct err *e);
must_check int answer_failure(struct buf *out, const struct guest *g,
    unsigned status, enum refusal_code code, const char *what,
    const char *detail, int head, struct err *e);

/* "200 Connection established". */
must_check int answer_connected(struct buf *out, struct err *e);

#endif /* !ANSWER_H */
