/*
 * check.h: what is allowed but probably not meant.
 *
 * Findings about a policy that loads, each a warning in r->diag: rules that
 * are too broad, that can never match, that this host cannot enforce.  For
 * "warder policy check"; looks at the host's files only to say what is
 * missing.
 */
#ifndef CHECK_H
#define CHECK_H

#include "plan.h"
#include "resolve.h"

void check_policy(struct resolve *r, const struct plan *p);

#endif /* !CHECK_H */
