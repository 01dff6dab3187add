/*
 * environ.h: the environment of a jailed program.
 *
 * Nothing of the caller's enters but the variables that the plan passes by
 * name.
 */
#ifndef ENVIRON_H
#define ENVIRON_H

#include "err.h"
#include "plan.h"

enum {
	ENVIRON_MAX = PLAN_ENV_MAX + 8,
	ENVIRON_BYTES = 256 * 1024, /* passed values are the caller's */
};

struct environ {
	const char *vector[ENVIRON_MAX + 1]; /* NULL-terminated */
	size_t n;
	size_t used;
	char bytes[ENVIRON_BYTES];
};

/*
 * Make it from the plan and the caller's environment (NULL-terminated, may
 * be NULL).  ERR_LIMIT when the passed values are too long together.
 */
must_check int environ_make(struct environ *v, const struct plan *p,
    char *const *caller, struct err *e);

#endif /* !ENVIRON_H */
