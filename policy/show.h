/*
 * show.h: a resolved policy for people and for programs.
 *
 * The same tree that is compiled, so that what is shown is what is enforced.
 * Writes to a stream; the caller looks at its errors.
 */
#ifndef SHOW_H
#define SHOW_H

#include <stdio.h>

#include "plan.h"
#include "resolve.h"

/*
 * YAML that is itself a policy, each line with its origin in a comment, and
 * what ceilings took away in comments at the end.  (Where that is the default
 * /tmp, the printed policy gets it back: it is a default.)
 */
void show_resolved(const struct resolve *r, const struct plan *p, FILE *to);

/* {"policy": …, "origins": {"limits.cpu": "FILE:LINE"}, "layers": […], …} */
void show_json(const struct resolve *r, const struct plan *p, FILE *to);

/* {"digest": …, "findings": ["FILE:LINE:COL: text", …]} */
void show_findings(const struct resolve *r, const struct plan *p, FILE *to);

#endif /* !SHOW_H */
