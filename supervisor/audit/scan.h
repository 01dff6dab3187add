/*
 * scan.h: what a segment of the audit log is, read from its bytes.
 *
 * They were written by warder-proxy, which jails and the world speak to:
 * hostile.
 */
#ifndef SCAN_H
#define SCAN_H

#include "audit.h"

/* clang-format off */
/*   name, text */
#define SCAN_STATES(X) \
	X(CLOSED,    "closed")    /* it has the end of its log */ \
	X(CONTINUED, "continued") /* by another segment */ \
	X(CUT,       "cut")       /* every line in its place, without an end */ \
	X(BROKEN,    "broken")    /* one is not */

/* clang-format on */

enum scan_state {
#define X(name, text) SCAN_##name,
	SCAN_STATES(X)
#undef X
	SCAN__MAX
};

enum {
	SCAN_POLICY_SIZE = 80 /* of a digest with its name */
};

struct scan {
	enum scan_state state;
	struct audit_head before; /* what its first line comes after */
	struct audit_head
	    last; /* of the last good line; seq 0: there is none */
	uint64_t bytes; /* up to and with it */
	char policy[SCAN_POLICY_SIZE]; /* as its first line says, or "" */
	char why[256]; /* it is broken: which line, and how */
	int seen; /* the head that was looked for is among its lines */
};

/*
 * Read all of fd.  look is "N:HASH" of a line that it should have, or NULL.
 * ERR_SYSTEM if it cannot be read; all else is an answer.
 */
must_check int scan_file(int fd, const char *look, struct scan *ret,
    struct err *e);

/* "N:HASH" */
enum {
	SCAN_HEAD_SIZE = SHA256_HEX_SIZE + 24
};

void scan_head(const struct audit_head *h, char ret[SCAN_HEAD_SIZE]);

const char *scan_state_name(enum scan_state s);

#endif /* !SCAN_H */
