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
	/* those of every jail, and what a way out adds */
	ENVIRON_MAX = PLAN_ENV_MAX + 8 + 192,
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

/*
 * Add one more, in place of an earlier one of the name; with yields, the
 * earlier one stays.  ERR_LIMIT as above.
 */
must_check int environ_add(struct environ *v, const char *name,
    const char *value, int yields, struct err *e);

/* The same for each "NAME=VALUE", NULL-terminated; none yields. */
must_check int environ_add_all(struct environ *v, const char *const *pairs,
    struct err *e);

#endif /* !ENVIRON_H */
