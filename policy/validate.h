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

/* Whether the file says kind: ceiling; asked before it is validated. */
int validate_is_ceiling(const struct yaml_node *root);

#endif /* !VALIDATE_H */
