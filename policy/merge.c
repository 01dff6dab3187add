#include <stdio.h>
#include <string.h>

#include "merge.h"
#include "merge_net.h"
#include "path.h"
#include "rules.h"

struct merge {
	struct arena *arena;
	struct diag *diag;
	int ceiling; /* the policy is itself a ceiling: there are no grants */
};

typedef struct yaml_node *merge_fn(const struct merge *m,
    const struct schema_key *k, const struct merge_set *s,
    const struct merge_set *parent);

static merge_fn *const by_rule[];

/*
 * Does layer i give, or does it cut?  Where the policy is itself a ceiling,
 * the nearest that says something stands in for the grants, and the others
 * cut it.  Elsewhere a ceiling never gives, not even what nobody else says.
 */
static int
gives(const struct merge *m, const struct merge_set *s, unsigned i)
{
	unsigned j;

	if (s->node[i] == NULL || !m->ceiling)
		return s->node[i] != NULL && !s->node[i]->source->ceiling;
	for (j = 0; j < i; j++)
		if (s->node[j] != NULL)
			return 0;
	return 1;
}

static int
cuts(const struct merge *m, const struct merge_set *s, unsigned i)
{
	return s->node[i] != NULL && !gives(m, s, i);
}

static struct yaml_node *
nearest(const struct merge *m, const struct merge_set *s)
{
	unsigned i;

	for (i = 0; i < s->count; i++)
		if (gives(m, s, i))
			return s->node[i];
	return NULL;
}

static struct yaml_node *
any_of(const struct merge_set *s)
{
	unsigned i;

	for (i = 0; i < s->count; i++)
		if (s->node[i] != NULL)
			return s->node[i];
	return NULL;
}

static struct yaml_node *
copy_node(const struct merge *m, const struct yaml_node *n)
{
	struct yaml_node *c = arena_alloc(m->arena, sizeof(*c));

	*c = *n;
	c->next = NULL;
	return c;
}

static struct yaml_node *
copy_empty(const struct merge *m, const struct yaml_node *n)
{
	struct yaml_node *c = copy_node(m, n);

	c->first = c->last = NULL;
	c->count = 0;
	return c;
}

static const char *
place_text(const struct merge *m, const struct yaml_node *n)
{
	if (n->line == 0)
		return n->source->name;
	return arena_printf(m->arena, "%s:%u", n->source->name, n->line);
}

/* ---- scalars ---------------------------------------------------------- */

static struct yaml_node *
merge_self(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	(void)k;
	(void)parent;
	return s->node[0] == NULL ? NULL : copy_node(m, s->node[0]);
}

static struct yaml_node *
merge_nearest(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	struct yaml_node *n = nearest(m, s);

	(void)k;
	(void)parent;
	return n == NULL ? NULL : copy_node(m, n);
}

/* "none" is the greatest of all limits. */
static uint64_t
rank(const struct yaml_node *n)
{
	return n->number == 0 && n->type != NULL && n->type->none ? UINT64_MAX
								  : n->number;
}

static struct yaml_node *
merge_number(const struct merge *m, const struct merge_set *s, int least)
{
	struct yaml_node *n = nearest(m, s), *cut;
	unsigned i;

	/* What a ceiling requires holds even where no grant says it. */
	if (n == NULL && !least)
		n = any_of(s);
	if (n == NULL)
		return NULL;
	n = copy_node(m, n);
	for (i = 0; i < s->count; i++) {
		cut = s->node[i];
		if (!cuts(m, s, i))
			continue;
		if (rank(cut) == rank(n) || (rank(cut) < rank(n)) != least)
			continue;
		cut = copy_node(m, cut);
		cut->note = arena_printf(m->arena, "ceiling; %s says %s",
		    place_text(m, n), n->text);
		n = cut;
	}
	return n;
}

static struct yaml_node *
merge_least(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	(void)k;
	(void)parent;
	return merge_number(m, s, 1);
}

static struct yaml_node *
merge_most(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	(void)parent;
	(void)k;
	return merge_number(m, s, 0);
}

/* ---- lists ------------------------------------------------------------ */

/* In protect a path and the tree below it are two things. */
static struct yaml_node *
find_equal(const struct yaml_node *list, const struct yaml_node *item)
{
	struct yaml_node *n;

	for (n = list->first; n != NULL; n = n->next)
		if (strcmp(n->text, item->text) == 0 &&
		    n->number == item->number)
			return n;
	return NULL;
}

static void
add_items(const struct merge *m, struct yaml_node *to,
    const struct yaml_node *from)
{
	const struct yaml_node *n;

	for (n = from->first; n != NULL; n = n->next)
		if (find_equal(to, n) == NULL)
			yaml_append(to, NULL, copy_node(m, n));
}

static void
warn_cut(const struct merge *m, const struct yaml_node *what, const char *text,
    const struct yaml_node *ceiling)
{
	diag_warn(m->diag, yaml_place(what),
	    "%s is taken away by the ceiling %s", text, place_text(m, ceiling));
}

static struct yaml_node *
intersect(const struct merge *m, const struct yaml_node *list,
    const struct yaml_node *ceiling)
{
	struct yaml_node *out = copy_empty(m, list);
	const struct yaml_node *n;

	for (n = list->first; n != NULL; n = n->next)
		if (find_equal(ceiling, n) != NULL)
			yaml_append(out, NULL, copy_node(m, n));
		else
			warn_cut(m, n, n->text, ceiling);
	return out;
}

static struct yaml_node *
merge_unite(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	struct yaml_node *out;
	unsigned i;

	(void)k;
	(void)parent;
	if ((out = nearest(m, s)) == NULL)
		return NULL;
	out = copy_empty(m, out);
	for (i = 0; i < s->count; i++)
		if (gives(m, s, i))
			add_items(m, out, s->node[i]);
	for (i = 0; i < s->count; i++)
		if (cuts(m, s, i))
			out = intersect(m, out, s->node[i]);
	return out;
}

static struct yaml_node *
merge_deny(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	struct yaml_node *out = NULL;
	unsigned i;

	(void)k;
	(void)parent;
	for (i = 0; i < s->count; i++) {
		if (s->node[i] == NULL)
			continue;
		if (out == NULL)
			out = copy_empty(m, s->node[i]);
		add_items(m, out, s->node[i]);
	}
	return out;
}

/* ---- mappings ----------------------------------------------------------- */

/* One mapping of what every grant's has, nearest first; NULL: none has. */
static struct yaml_node *
union_of(const struct merge *m, const struct merge_set *s,
    void (*add)(const struct merge *, struct yaml_node *,
	const struct yaml_node *))
{
	struct yaml_node *out = nearest(m, s), *n;
	unsigned i;

	if (out == NULL)
		return NULL;
	out = copy_empty(m, out);
	for (i = 0; i < s->count; i++)
		for (n = gives(m, s, i) ? s->node[i]->first : NULL; n != NULL;
		     n = n->next)
			add(m, out, n);
	return out;
}

static void
add_new_key(const struct merge *m, struct yaml_node *out,
    const struct yaml_node *n)
{
	if (yaml_get(out, n->key->text) == NULL)
		yaml_append(out, n->key, copy_node(m, n));
}

static struct yaml_node *
merge_by_key(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	(void)k;
	(void)parent;
	return union_of(m, s, add_new_key);
}

/* The same key of every layer. */
static void
select_key(const struct merge_set *s, const char *key, struct merge_set *ret)
{
	unsigned i;

	ret->count = s->count;
	for (i = 0; i < s->count; i++)
		ret->node[i] = yaml_get(s->node[i], key);
}

static struct yaml_node *
merge_keys(const struct merge *m, const struct schema_type *t,
    const struct merge_set *s)
{
	struct yaml_node *out = copy_empty(m, any_of(s)), *n;
	const struct schema_key *k;
	struct merge_set inner;

	for (k = t->keys; k->name != NULL; k++) {
		select_key(s, k->name, &inner);
		if (any_of(&inner) == NULL)
			continue;
		if ((n = by_rule[k->merge](m, k, &inner, s)) != NULL)
			yaml_append(out, any_of(&inner)->key, n);
	}
	return out;
}

static struct yaml_node *
merge_inside(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	(void)parent;
	return merge_keys(m, k->type, s);
}

/* ---- file system -------------------------------------------------------- */

static const char *
text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n == NULL ? NULL : n->text;
}

/* A size no larger than the ceiling's, if that has one. */
static void
cut_size(const struct merge *m, struct yaml_node *map,
    const struct yaml_node *ceiling)
{
	struct yaml_node *size = yaml_get(map, "size"), *key, *next;
	const struct yaml_node *cut = yaml_get(ceiling, "size");

	if (cut == NULL || (size != NULL && size->number <= cut->number))
		return;
	if (size == NULL) {
		key = yaml_new(cut, YAML_STRING);
		key->text = "size";
		yaml_append(map, key, copy_node(m, cut));
		return;
	}
	key = size->key;
	next = size->next;
	*size = *cut;
	size->key = key;
	size->next = next;
	size->note = "ceiling";
}

/* A deep enough copy that cut_size may write into it. */
static struct yaml_node *
copy_map(const struct merge *m, const struct yaml_node *map)
{
	struct yaml_node *out = copy_empty(m, map);
	const struct yaml_node *n;

	for (n = map->first; n != NULL; n = n->next)
		yaml_append(out, n->key, copy_node(m, n));
	return out;
}

static struct yaml_node *
merge_rootfs(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	struct yaml_node *n = nearest(m, s);
	unsigned i;

	(void)k;
	(void)parent;
	if (n == NULL)
		return NULL;
	n = n->kind == YAML_MAP ? copy_map(m, n) : copy_node(m, n);
	for (i = 0; i < s->count && n->kind == YAML_MAP; i++) {
		if (!cuts(m, s, i))
			continue;
		if (s->node[i]->kind == YAML_MAP &&
		    text_path_within(text_of(n, "dir"),
			text_of(s->node[i], "dir"))) {
			cut_size(m, n, s->node[i]);
			continue;
		}
		warn_cut(m, n, "this root directory", s->node[i]);
		n = copy_empty(m, s->node[i]);
		n->kind = YAML_STRING;
		n->text = "host";
	}
	return n;
}

/* 1 if the ceiling's entry c has room for the mount. */
static int
entry_covers(const struct yaml_node *c, const struct yaml_node *mount)
{
	const char *from = text_of(mount, "from"), *path;
	const char *root = text_of(c, "from");

	if ((from == NULL) != (root == NULL))
		return 0;
	if (from != NULL && !text_path_within(from, root))
		return 0;
	path = text_of(mount, "path");
	return text_of(c, "path") == NULL ||
	       (path != NULL && text_path_within(path, text_of(c, "path")));
}

static const struct yaml_node *
covering_entry(const struct yaml_node *list, const struct yaml_node *mount)
{
	const struct yaml_node *c;

	for (c = list == NULL ? NULL : list->first; c != NULL; c = c->next)
		if (entry_covers(c, mount))
			return c;
	return NULL;
}

/*
 * The mount after one ceiling, or NULL.  What may be written may be read: a
 * read is covered by an entry of "write" as well.
 */
static struct yaml_node *
cut_mount(const struct merge *m, struct yaml_node *mount, const char *list,
    const struct yaml_node *ceiling)
{
	const struct yaml_node *entries = yaml_get(ceiling, list), *c;

	if (entries == NULL)
		return mount;
	c = covering_entry(entries, mount);
	if (c == NULL && strcmp(list, "read") == 0)
		c = covering_entry(yaml_get(ceiling, "write"), mount);
	if (c == NULL) {
		warn_cut(m, mount,
		    text_of(mount, "path") != NULL ? text_of(mount, "path")
						   : text_of(mount, "from"),
		    entries);
		return NULL;
	}
	cut_size(m, mount, c);
	return mount;
}

/* Does a nearer grant, among the layers before i, mount this path? */
static int
is_hidden(const struct merge_set *filesystem, unsigned i, const char *path)
{
	static const char *const lists[] = { "read", "write", "tmpfs" };
	const struct yaml_node *list, *n;
	unsigned j;
	size_t l;

	for (j = 0; path != NULL && j < i; j++) {
		if (filesystem->node[j] == NULL ||
		    filesystem->node[j]->source->ceiling)
			continue;
		for (l = 0; l < countof(lists); l++) {
			list = yaml_get(filesystem->node[j], lists[l]);
			for (n = list == NULL ? NULL : list->first; n != NULL;
			     n = n->next)
				if (strcmp(text_of(n, "path"), path) == 0)
					return 1;
		}
	}
	return 0;
}

/* One mount through every ceiling of the set. */
static struct yaml_node *
cut_mount_all(const struct merge *m, struct yaml_node *mount, const char *list,
    const struct merge_set *s, const struct merge_set *filesystem)
{
	unsigned i;

	for (i = 0; mount != NULL && i < s->count; i++)
		if (filesystem->node[i] != NULL &&
		    filesystem->node[i]->source->ceiling && !gives(m, s, i))
			mount = cut_mount(m, mount, list, filesystem->node[i]);
	return mount;
}

static struct yaml_node *
merge_mounts(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	struct yaml_node *out = nearest(m, s), *n, *mount;
	unsigned i;

	if (out == NULL)
		return NULL;
	out = copy_empty(m, out);
	for (i = 0; i < s->count; i++)
		for (n = gives(m, s, i) ? s->node[i]->first : NULL; n != NULL;
		     n = n->next) {
			if (is_hidden(parent, i, text_of(n, "path")))
				continue;
			mount = cut_mount_all(m, copy_map(m, n), k->name, s,
			    parent);
			if (mount != NULL)
				yaml_append(out, NULL, mount);
		}
	return out;
}

/* ---- network ------------------------------------------------------------ */

/* A service of the merged policy, with the denies of farther layers. */
static void
add_service(const struct merge *m, struct yaml_node *out,
    const struct yaml_node *service)
{
	struct yaml_node *mine = yaml_get(out, service->key->text);

	if (mine == NULL)
		yaml_append(out, service->key, copy_map(m, service));
	else {
		merge_net_deny(m->arena, mine, service);
		merge_net_ask(m->arena, mine, service);
	}
}

static struct yaml_node *
cut_services(const struct merge *m, const struct yaml_node *services,
    const struct yaml_node *ceiling)
{
	struct yaml_node *out = copy_empty(m, services), *n, *next, *cut;

	for (n = services->first; n != NULL; n = next) {
		next = n->next;
		cut = merge_net_cut(m->arena, n, ceiling, m->diag);
		if (cut != NULL)
			yaml_append(out, n->key, cut);
	}
	return out;
}

static struct yaml_node *
merge_services(const struct merge *m, const struct schema_key *k,
    const struct merge_set *s, const struct merge_set *parent)
{
	struct yaml_node *out = union_of(m, s, add_service);
	unsigned i;

	(void)k;
	(void)parent;
	for (i = 0; out != NULL && i < s->count; i++)
		if (cuts(m, s, i))
			out = cut_services(m, out, s->node[i]);
	return out;
}

static merge_fn *const by_rule[] = {
	[SCHEMA_SELF] = merge_self,
	[SCHEMA_NEAREST] = merge_nearest,
	[SCHEMA_LEAST] = merge_least,
	[SCHEMA_MOST] = merge_most,
	[SCHEMA_UNITE] = merge_unite,
	[SCHEMA_DENY] = merge_deny,
	[SCHEMA_BY_KEY] = merge_by_key,
	[SCHEMA_INSIDE] = merge_inside,
	[SCHEMA_ROOTFS] = merge_rootfs,
	[SCHEMA_MOUNTS] = merge_mounts,
	[SCHEMA_SERVICES] = merge_services,
};

struct yaml_node *
merge_layers(const struct merge_set *roots, struct arena *arena, struct diag *d)
{
	struct merge m = { arena, d, roots->node[0]->source->ceiling };

	return merge_keys(&m, &schema_policy, roots);
}
