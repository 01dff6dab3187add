/*
 * schema.h: every key of a policy, once.
 *
 * The loader (validate.c), the resolver, the JSON Schema (jsonschema.c), the
 * key reference in docs/ and the defaults are all made from these tables, so
 * they cannot disagree.  Constant data; warder-config and tests.
 */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "form.h"

enum schema_shape {
	SCHEMA_BOOL,
	SCHEMA_WORD, /* one of a closed list; number is its index */
	SCHEMA_STRING, /* checked by form */
	SCHEMA_TEXT, /* the same, and may have several lines */
	SCHEMA_INT, /* number; min to max */
	SCHEMA_CPU, /* thousandths; min to max */
	SCHEMA_SIZE, /* bytes; min to max */
	SCHEMA_TIME, /* milliseconds; min to max */
	SCHEMA_MAP, /* the keys of a table */
	SCHEMA_DICT, /* keys of a form, values of one type */
	SCHEMA_LIST, /* items of one type */
	SCHEMA_UNION, /* alternatives told apart by kind of node */
	SCHEMA_ANY, /* of keys that are refused anyway */
};

/* How layers meet in one key (docs/policy.md, "Layers"). */
enum schema_merge {
	SCHEMA_SELF, /* only the file itself counts */
	SCHEMA_NEAREST, /* nearest grant wins; a ceiling that differs wins */
	SCHEMA_LEAST, /* nearest grant, cut to the least ceiling */
	SCHEMA_MOST, /* nearest grant, raised to the greatest ceiling */
	SCHEMA_UNITE, /* union of the grants, cut to each ceiling's items */
	SCHEMA_DENY, /* union of all layers */
	SCHEMA_BY_KEY, /* nearest grant wins, key by key */
	SCHEMA_INSIDE, /* a mapping whose keys have rules of their own */
	SCHEMA_ROOTFS,
	SCHEMA_MOUNTS,
	SCHEMA_SERVICES,
};

/* From which build a key is enforced.  What is later is refused by name. */
enum schema_since {
	SCHEMA_BUILD = 1, /* this build */
	SCHEMA_LATER = 99,
};

enum {
	SCHEMA_REQUIRED = 1 << 0, /* missing is an error */
	SCHEMA_GRANT_ONLY = 1 << 1, /* refused in a ceiling */
};

struct schema_key {
	const char *name;
	const struct schema_type *type;
	unsigned flags;
	enum schema_merge merge;
	unsigned since;
	const char *initial; /* the default, as a policy would say it */
	const char *doc; /* one sentence */
};

/* A closed list; words that belong to later builds follow with since. */
struct schema_word {
	const char *word;
	unsigned since;
};

struct schema_type {
	enum schema_shape shape;
	const char *wants; /* "a size such as 4GiB": for messages and docs */
	form_fn *form; /* STRING, TEXT, and the keys of a DICT */
	const char *pattern; /* the form as a JSON Schema pattern */
	uint64_t min, max; /* numbers, or the least number of items */
	int none; /* "none" is accepted and is 0 */
	int numbers; /* STRING: plain integers are strings too */
	const struct schema_word *words; /* ended by NULL */
	const struct schema_key *keys; /* ended by NULL */
	const struct schema_type *item; /* LIST and DICT */
	const struct schema_type *scalar, *map, *list; /* UNION */
	/* MAP: exactly one (or at least one) of these keys, then NULL. */
	const char *const *exactly_one;
	const char *const *at_least_one;
	/* MAP: pairs "a", "b" that do not go together, then NULL. */
	const char *const *apart;
	/* MAP: pairs "a", "b" where a makes sense only with b, then NULL. */
	const char *const *together;
	/* What no other column can say; run when the node is well-formed. */
	void (*check)(struct yaml_node *n, struct diag *d);
};

extern const struct schema_type schema_policy;

/* The row of a key in a MAP, or NULL. */
const struct schema_key *schema_find(const struct schema_type *map,
    const char *name);

/*
 * The row of a dotted path ("limits.cpu"), or NULL.  For defaults and tests.
 */
const struct schema_key *schema_path(const char *dotted);

#endif /* !SCHEMA_H */
