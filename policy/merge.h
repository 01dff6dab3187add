/*
 * merge.h: several layers become one policy.
 *
 * A layer is a grant or a ceiling (docs/policy.md, "Layers"): what is allowed
 * is the union of the grants cut by every ceiling, what is denied the union
 * of all.  The column "merge" of schema.c says per key what that means.
 * Nodes keep the place they come from.  warder-config only.
 */
#ifndef MERGE_H
#define MERGE_H

#include "schema.h"

/* The policy, its files, package managers' files, the built-in defaults. */
enum {
	MERGE_LAYERS_MAX = CONFIG_FILES_MAX + 3
};

/* One node a layer, nearest first; NULL where a layer says nothing. */
struct merge_set {
	unsigned count;
	struct yaml_node *node[MERGE_LAYERS_MAX];
};

/*
 * Merge the layers' roots, all of them valid; node[0] is the policy itself.
 * Returns the merged policy, owned by arena.  What a ceiling takes away is a
 * warning in *d.
 */
struct yaml_node *merge_layers(const struct merge_set *roots,
    struct arena *arena, struct diag *d);

#endif /* !MERGE_H */
