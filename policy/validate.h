/*
 * validate.h: a tree of nodes against the tables of schema.c.
 *
 * Sets type and number of every node, puts strings into their canonical
 * spelling and completes what rules.c completes.  Every defect is an error
 * in *d at its place.  warder-config only.
 */
#ifndef VALIDATE_H
#define VALIDATE_H

#include "schema.h"

/* Returns 0 if the policy is valid, -1 with errors in *d. */
must_check int validate_policy(struct yaml_node *root, struct diag *d);

/*
 * The same for a file that is no policy, by its own type; messages call it
 * "name".
 */
must_check int validate_as(struct yaml_node *root, const struct schema_type *t,
    const char *name, struct diag *d);

/* Whether the file says kind: ceiling; asked before it is validated. */
int validate_is_ceiling(const struct yaml_node *root);

#endif /* !VALIDATE_H */
