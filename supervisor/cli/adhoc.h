/*
 * adhoc.h: the flags of "warder exec" as a policy text.
 *
 * Flags mean exactly what the same lines in a file would: they are written
 * out as a policy (--print-policy shows it) and compiled like any other.
 */
#ifndef ADHOC_H
#define ADHOC_H

#include "err.h"
#include "text.h"

enum {
	ADHOC_MAX = 64,
	ADHOC_BYTES = 64 * 1024
};

struct adhoc_list {
	size_t n;
	const char *values[ADHOC_MAX]; /* borrowed from argv */
};

struct adhoc {
	const char *policy; /* the file that is extended; NULL: the default */
	struct adhoc_list ro, rw, env, allow, limit;
};

must_check int adhoc_add(struct adhoc_list *l, const char *value,
    struct err *e);

/* Whether any flag was used. */
int adhoc_used(const struct adhoc *a);

/*
 * dir: the working directory, absolute, from where relative paths start.
 * ERR_INVALID names the flag whose value has not the form it needs.
 */
must_check int adhoc_write(const struct adhoc *a, const char *dir,
    struct text *t, struct err *e);

#endif /* !ADHOC_H */
