/*
 * oauth_answer.h: what a token endpoint says (RFC 6749, 5.1 and 5.2).
 *
 * Runs in warder-vault on hostile bytes; no I/O.  A JSON object of at most
 * OAUTH_ANSWER_MAX bytes; names once each; what it does not know it ignores,
 * as the RFC wants.
 */
#ifndef OAUTH_ANSWER_H
#define OAUTH_ANSWER_H

#include <stdint.h>

#include "err.h"
#include "secret.h"

enum {
	OAUTH_ANSWER_MAX = 64 * 1024,
	OAUTH_EXPIRES_MAX_S = 366 * 24 * 3600,
};

struct oauth_answer {
	struct secret *access;
	struct secret *refresh; /* NULL: the old one stays */
	uint64_t expires_s; /* 0: it does not say */
};

/*
 * Read an answer with its HTTP status.  ERR_DENIED with the endpoint's own
 * error code where it is one, ERR_CORRUPT for what is no answer at all, a
 * token type other than "Bearer", a token that could not be a header's.
 */
must_check int oauth_answer_read(long status, const void *p, size_t n,
    struct oauth_answer *ret, struct err *e);
void oauth_answer_finish(struct oauth_answer *a);

#endif /* !OAUTH_ANSWER_H */
