/*
 * yaml.h: the strict subset of YAML that policies are written in.
 *
 * UTF-8, YAML_SIZE_MAX bytes, one document, mappings and lists to
 * YAML_DEPTH_MAX, no anchors, aliases, tags, directives or merge keys, no key
 * twice, and no scalar that two readers of YAML would read differently.  JSON
 * is inside the subset.  Built on libyaml's events; runs in warder-config,
 * over bytes that nobody vouches for.
 */
#ifndef POLICY_YAML_H
#define POLICY_YAML_H

#include <stdint.h>

#include "arena.h"
#include "diag.h"

enum {
	YAML_SIZE_MAX = CONFIG_FILE_MAX,
	YAML_DEPTH_MAX = 16,
	YAML_NODES_MAX = 65536, /* in one file */
	YAML_KEYS_MAX = 512, /* in one mapping: duplicates are sought in n² */
	YAML_ITEMS_MAX = 1024, /* in one list: merging compares in n² */
	YAML_SCALAR_MAX = 16384, /* bytes of one scalar */
};

enum yaml_kind {
	YAML_NULL,
	YAML_BOOL,
	YAML_INT, /* canonical decimal: what JSON and YAML agree on */
	YAML_FLOAT, /* 0.5; no exponent */
	YAML_STRING,
	YAML_MAP,
	YAML_LIST,
};

/* One file, as far as its nodes need it. */
struct yaml_source {
	const char *name; /* as messages show it */
	const char *dir; /* where its relative paths begin */
	const char *home; /* what ~ stands for; may be empty */
	int ceiling; /* kind: ceiling */
	struct arena *arena;
};

struct schema_type;

/* Children are a singly linked list, in the file's order. */
struct yaml_node {
	enum yaml_kind kind;
	int quoted;
	const char *text; /* scalars: the value, without NUL inside */
	const char *doubt; /* what other readers take this plain word for */
	const struct yaml_source *source;
	unsigned line, column; /* from 1 */
	unsigned count; /* children */
	struct yaml_node *key; /* in a mapping: the key's node */
	struct yaml_node *first, *last, *next;

	/* Filled by validate.c. */
	const struct schema_type *type;
	uint64_t number; /* sizes, times, counts, index of a word */
	/* Of a destination that a package manager's configuration names. */
	int plain; /* asked without TLS */
	uint32_t open; /* enum plan_net_open */
	/* Filled by resolve.c. */
	const char *note; /* what a ceiling did to it */
};

/*
 * Parse text (size bytes, borrowed for the call).  Returns the root, owned
 * by source->arena, or NULL with at least one error in *d.  Errors that do
 * not stop the parser (a key twice) are in *d while a tree is returned.
 */
struct yaml_node *yaml_parse(const struct yaml_source *source, const char *text,
    size_t size, struct diag *d);

/* The value of a key, or NULL. */
struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

struct diag_place yaml_place(const struct yaml_node *n);

/* "a string", "a list", ... for messages. */
const char *yaml_kind_name(enum yaml_kind kind);

/* A new, empty node at the place of "like", in its arena. */
struct yaml_node *yaml_new(const struct yaml_node *like, enum yaml_kind kind);

/* Append a child; key is NULL in a list. */
void yaml_append(struct yaml_node *parent, struct yaml_node *key,
    struct yaml_node *child);

#endif /* !POLICY_YAML_H */
