/* plan_differs.c: do two plans make the same jail? */
#include <string.h>

#include "plan.h"

/* A sorted or listed part of both plans, an element at a time. */
typedef int same_fn(const struct plan *a, const struct plan *b, uint32_t i);

static int
is_same(const struct plan *a, plan_str i, const struct plan *b, plan_str j)
{
	return strcmp(plan_string(a, i), plan_string(b, j)) == 0;
}

static int
is_same_env(const struct plan *a, const struct plan *b, uint32_t i)
{
	const struct plan_env *x = &a->env[i], *y = &b->env[i];

	return x->pass == y->pass && is_same(a, x->name, b, y->name) &&
	       (x->pass || is_same(a, x->value, b, y->value));
}

static int
is_same_mount(const struct plan *a, const struct plan *b, uint32_t i)
{
	const struct plan_mount *x = &a->mounts[i], *y = &b->mounts[i];

	return x->kind == y->kind && is_same(a, x->from, b, y->from) &&
	       is_same(a, x->path, b, y->path) &&
	       x->size_bytes == y->size_bytes && x->inodes == y->inodes;
}

static int
is_same_protect(const struct plan *a, const struct plan *b, uint32_t i)
{
	const struct plan_protect *x = &a->protect[i], *y = &b->protect[i];

	return x->tree == y->tree && is_same(a, x->path, b, y->path);
}

static int
is_same_list(const struct plan *a, uint32_t n, const struct plan *b, uint32_t m,
    same_fn *same)
{
	uint32_t i;

	for (i = 0; n == m && i < n; i++)
		if (!same(a, b, i))
			return 0;
	return n == m;
}

static int
has_same_process(const struct plan *a, const struct plan *b)
{
	return a->kind == b->kind && is_same(a, a->cwd, b, b->cwd) &&
	       a->nested == b->nested && is_same(a, a->user, b, b->user) &&
	       is_same(a, a->hostname, b, b->hostname) &&
	       is_same(a, a->timezone, b, b->timezone) &&
	       a->ndevices == b->ndevices && a->ninbound == b->ninbound;
}

static int
has_same_env(const struct plan *a, const struct plan *b)
{
	return is_same_list(a, a->nenv, b, b->nenv, is_same_env);
}

static int
has_same_tree(const struct plan *a, const struct plan *b)
{
	return a->rootfs == b->rootfs &&
	       is_same(a, a->rootfs_dir, b, b->rootfs_dir) &&
	       a->rootfs_size_bytes == b->rootfs_size_bytes &&
	       is_same_list(a, a->nmounts, b, b->nmounts, is_same_mount) &&
	       is_same_list(a, a->nprotect, b, b->nprotect, is_same_protect);
}

/* The filter's digest says what its lists of calls came to. */
static int
has_same_filter(const struct plan *a, const struct plan *b)
{
	return a->seccomp == b->seccomp &&
	       memcmp(a->seccomp_digest, b->seccomp_digest, SHA256_SIZE) == 0;
}

static int
has_same_limits(const struct plan *a, const struct plan *b)
{
	return memcmp(&a->limits, &b->limits, sizeof(a->limits)) == 0;
}

static int
has_same_needs(const struct plan *a, const struct plan *b)
{
	return a->require_landlock == b->require_landlock &&
	       a->require_cgroup == b->require_cgroup;
}

const char *
plan_differs(const struct plan *a, const struct plan *b)
{
	static const struct {
		const char *name;
		int (*same)(const struct plan *a, const struct plan *b);
	} parts[] = {
		{ "process", has_same_process },
		{ "process.env", has_same_env },
		{ "filesystem", has_same_tree },
		{ "seccomp", has_same_filter },
		{ "limits", has_same_limits },
		{ "requires", has_same_needs },
	};

	size_t i;

	for (i = 0; i < countof(parts); i++)
		if (!parts[i].same(a, b))
			return parts[i].name;
	return NULL;
}
