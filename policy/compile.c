#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "compile.h"
#include "compile_net.h"
#include "seccomp_compile.h"

struct compile {
	struct resolve *r;
	struct plan *p;
	const struct yaml_node *root;
	int ceiling;
	int failed;
	/* Whose place becomes an origin, when all other strings are there. */
	const struct yaml_node *mount[PLAN_MOUNT_MAX];
	const struct yaml_node *protect[PLAN_PROTECT_MAX];
};

/* Nodes on their way into a sorted array. */
struct bag {
	size_t count, max;
	const char *what;

	struct bag_entry {
		const char *sort;
		const struct yaml_node *node;
		uint32_t kind;
	} entry[PLAN_ENV_MAX + PLAN_MOUNT_MAX];
};

static const struct yaml_node *
section(const struct compile *c, const char *name, const char *key)
{
	return yaml_get(yaml_get(c->root, name), key);
}

static plan_str
put_by(struct compile *c, const char *s,
    int (*add)(struct plan *, const char *, plan_str *, struct err *))
{
	struct err e;
	plan_str at = 0;

	if (!c->failed && add(c->p, s, &at, &e) == -1) {
		diag_error(&c->r->diag,
		    (struct diag_place){ c->root->source->name, 0, 0 },
		    "the policy is too large: %s", e.msg);
		c->failed = 1;
	}
	return at;
}

static plan_str
put(struct compile *c, const char *s)
{
	return put_by(c, s, plan_add_string);
}

static plan_str
put_origin(struct compile *c, const struct yaml_node *n)
{
	char text[CONFIG_PATH_MAX + 16];

	if (n->line == 0)
		return put_by(c, n->source->name, plan_add_origin);
	(void)snprintf(text, sizeof(text), "%s:%u", n->source->name, n->line);
	return put_by(c, text, plan_add_origin);
}

static const char *
text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n == NULL ? "" : n->text;
}

static void
bag_add(struct compile *c, struct bag *b, const char *sort,
    const struct yaml_node *node, uint32_t kind)
{
	if (b->count == b->max) {
		/* The defaults have no place that anybody could look at. */
		if (node->source->name[0] == '(')
			node = c->root;
		if (!c->failed)
			diag_error(&c->r->diag, yaml_place(node),
			    "more than %zu %s", b->max, b->what);
		c->failed = 1;
		return;
	}
	b->entry[b->count++] = (struct bag_entry){ sort, node, kind };
}

static int
bag_compare(const void *a, const void *b)
{
	const struct bag_entry *x = a, *y = b;
	int order = strcmp(x->sort, y->sort);

	return order != 0 ? order : (int)x->kind - (int)y->kind;
}

static void
bag_sort(struct bag *b)
{
	if (b->count > 1)
		qsort(b->entry, b->count, sizeof(b->entry[0]), bag_compare);
}

/* ---- name, process -------------------------------------------------------- */

/* The file's name without directory and ending. */
static const char *
stem(struct compile *c)
{
	const char *name = c->root->source->name, *slash, *dot;

	slash = strrchr(name, '/');
	name = slash == NULL ? name : slash + 1;
	dot = strrchr(name, '.');
	return dot == NULL || dot == name
		   ? name
		   : arena_copy(&c->r->arena, name, (size_t)(dot - name));
}

static void
compile_name(struct compile *c)
{
	const char *name = text_of(c->root, "name");

	c->p->kind = c->ceiling ? PLAN_CEILING : PLAN_GRANT;
	c->p->name = put(c, *name != '\0' ? name : stem(c));
}

static void
compile_env(struct compile *c)
{
	const struct yaml_node *env = section(c, "process", "env"), *n;
	const struct yaml_node *pass = section(c, "process", "env_pass");
	struct bag b = { .max = PLAN_ENV_MAX, .what = "variables" };
	size_t i;

	for (n = env == NULL ? NULL : env->first; n != NULL; n = n->next)
		bag_add(c, &b, n->key->text, n, 0);
	/* A variable that some layer sets is not passed. */
	for (n = pass == NULL ? NULL : pass->first; n != NULL; n = n->next)
		if (yaml_get(env, n->text) == NULL)
			bag_add(c, &b, n->text, n, 1);
	bag_sort(&b);
	for (i = 0; i < b.count; i++) {
		struct plan_env *v = &c->p->env[c->p->nenv++];

		v->name = put(c, b.entry[i].sort);
		v->pass = b.entry[i].kind;
		v->value = v->pass ? 0 : put(c, b.entry[i].node->text);
	}
	if (c->ceiling && pass == NULL) {
		c->p->env[c->p->nenv].name = put(c, "any");
		c->p->env[c->p->nenv++].pass = 1;
	}
}

/* ---- file system ---------------------------------------------------------- */

static void
bag_mounts(struct compile *c, struct bag *b, const char *list,
    uint32_t with_from, uint32_t without)
{
	const struct yaml_node *mounts = section(c, "filesystem", list), *n;

	for (n = mounts == NULL ? NULL : mounts->first; n != NULL; n = n->next)
		bag_add(c, b, text_of(n, "path"), n,
		    yaml_get(n, "from") != NULL ? with_from : without);
}

static int
is_sized(uint32_t kind)
{
	return kind == PLAN_MOUNT_NEW || kind == PLAN_MOUNT_TMPFS;
}

static void
compile_mount(struct compile *c, const struct bag_entry *b)
{
	const struct yaml_node *size = yaml_get(b->node, "size");
	struct plan_mount *m = &c->p->mounts[c->p->nmounts];

	c->mount[c->p->nmounts++] = b->node;
	m->kind = b->kind;
	m->from = put(c, text_of(b->node, "from"));
	m->path = put(c, b->sort);
	if (!is_sized(m->kind))
		return;
	m->size_bytes = size == NULL ? BOUND_MOUNT_MAX : size->number;
	m->inodes = c->ceiling ? BOUND_INODES_MAX : BOUND_INODES_DEFAULT;
}

/* What a ceiling is silent about: everything. */
static void
add_everything(struct compile *c, const char *list, uint32_t kind)
{
	struct plan_mount *m;

	if (!c->ceiling || section(c, "filesystem", list) != NULL ||
	    c->p->nmounts == PLAN_MOUNT_MAX)
		return;
	m = &c->p->mounts[c->p->nmounts];
	c->mount[c->p->nmounts++] = c->root;
	m->kind = kind;
	if (!is_sized(kind))
		m->from = put(c, "/");
	else {
		m->size_bytes = BOUND_MOUNT_MAX;
		m->inodes = BOUND_INODES_MAX;
	}
}

static void
compile_mounts(struct compile *c)
{
	struct bag b = { .what = "mounts",
		.max = c->ceiling ? PLAN_MOUNT_MAX - 4 : PLAN_MOUNT_MAX };
	size_t i;

	/* Empty paths sort first, and these have none. */
	add_everything(c, "read", PLAN_MOUNT_READ);
	add_everything(c, "write", PLAN_MOUNT_WRITE);
	add_everything(c, "write", PLAN_MOUNT_NEW);
	add_everything(c, "tmpfs", PLAN_MOUNT_TMPFS);
	bag_mounts(c, &b, "read", PLAN_MOUNT_READ, PLAN_MOUNT_READ);
	bag_mounts(c, &b, "write", PLAN_MOUNT_WRITE, PLAN_MOUNT_NEW);
	bag_mounts(c, &b, "tmpfs", PLAN_MOUNT_TMPFS, PLAN_MOUNT_TMPFS);
	bag_sort(&b);
	for (i = 0; i < b.count; i++)
		compile_mount(c, &b.entry[i]);
}

static void
compile_protect(struct compile *c)
{
	const struct yaml_node *list = section(c, "filesystem", "protect"), *n;
	struct bag b = { .max = PLAN_PROTECT_MAX, .what = "protected paths" };
	struct plan_protect *last = NULL;
	size_t i;

	for (n = list == NULL ? NULL : list->first; n != NULL; n = n->next)
		bag_add(c, &b, n->text, n, n->number != 0);
	bag_sort(&b);
	for (i = 0; i < b.count; i++) {
		plan_str path = put(c, b.entry[i].sort);

		if (last == NULL || last->path != path) {
			last = &c->p->protect[c->p->nprotect];
			c->protect[c->p->nprotect++] = b.entry[i].node;
			last->path = path;
		}
		last->tree |= b.entry[i].kind;
	}
}

static void
compile_rootfs(struct compile *c)
{
	const struct yaml_node *n = section(c, "filesystem", "rootfs"), *size;
	struct plan *p = c->p;

	if (n == NULL ? !c->ceiling : n->kind != YAML_MAP)
		return;
	p->rootfs = PLAN_ROOTFS_DIR;
	p->rootfs_dir = put(c, n == NULL ? "/" : text_of(n, "dir"));
	size = n == NULL ? NULL : yaml_get(n, "size");
	p->rootfs_size_bytes = size == NULL ? BOUND_MOUNT_MAX : size->number;
}

static void
compile_cwd(struct compile *c)
{
	const char *cwd = text_of(yaml_get(c->root, "process"), "cwd");
	uint32_t i;

	if (c->ceiling)
		return;
	for (i = 0; *cwd == '\0' && i < c->p->nmounts; i++)
		if (strcmp(plan_string(c->p, c->p->mounts[i].path),
			"/workspace") == 0)
			cwd = "/workspace";
	c->p->cwd = put(c, *cwd == '\0' ? "/" : cwd);
}

/* ---- seccomp, limits, requires -------------------------------------------- */

static const struct {
	const char *key;
	size_t offset;
	uint64_t most; /* of a ceiling that is silent */
} limit_fields[] = {

#define LIMIT(key, f, most)                                \
	{                                                  \
		key, offsetof(struct plan, limits.f), most \
	}
	LIMIT("cpu", cpu_milli, BOUND_CPU_MAX),
	LIMIT("memory", memory_bytes, BOUND_MEMORY_MAX),
	LIMIT("pids", pids, BOUND_PIDS_MAX),
	LIMIT("open_files", open_files, BOUND_FILES_MAX),
	LIMIT("wall", wall_ms, 0),
	LIMIT("idle", idle_ms, 0),
	LIMIT("cpu_time", cpu_time_ms, 0),
	LIMIT("output", output_bytes, 0),
#undef LIMIT
};

static void
compile_limits(struct compile *c)
{
	size_t i;

	for (i = 0; i < countof(limit_fields); i++) {
		const struct yaml_node *n =
		    section(c, "limits", limit_fields[i].key);
		uint64_t v = n == NULL ? limit_fields[i].most : n->number;

		memcpy((char *)c->p + limit_fields[i].offset, &v, sizeof(v));
	}
}

static void
compile_requires(struct compile *c)
{
	static const uint32_t bits[] = { PLAN_REQUIRE_CGROUP_MEMORY,
		PLAN_REQUIRE_CGROUP_PIDS, PLAN_REQUIRE_CGROUP_CPU,
		PLAN_REQUIRE_CGROUP_IO };
	const struct yaml_node *landlock = section(c, "requires", "landlock");
	const struct yaml_node *cgroups = section(c, "requires", "cgroups"), *n;

	if (landlock != NULL)
		c->p->require_landlock = (uint32_t)landlock->number;
	for (n = cgroups == NULL ? NULL : cgroups->first; n != NULL;
	     n = n->next)
		c->p->require_cgroup |= bits[n->number];
}

/* The sorted names of a list, in the pool and in names[]. */
static uint32_t
compile_syscalls(struct compile *c, const char *key,
    plan_str at[PLAN_SYSCALL_MAX], const char *names[PLAN_SYSCALL_MAX])
{
	const struct yaml_node *list = section(c, "seccomp", key), *n;
	struct bag b = { .max = PLAN_SYSCALL_MAX, .what = "system calls" };
	size_t i;

	for (n = list == NULL ? NULL : list->first; n != NULL; n = n->next)
		bag_add(c, &b, n->text, n, 0);
	bag_sort(&b);
	for (i = 0; i < b.count; i++) {
		names[i] = b.entry[i].sort;
		at[i] = put(c, names[i]);
	}
	return (uint32_t)b.count;
}

/* Which of the names is refused: each is tried alone. */
static int
report_names(struct compile *c, const char *key, int allow)
{
	const struct yaml_node *list = section(c, "seccomp", key), *n;
	struct seccomp_program *scratch;
	struct err e;
	int found = 0;

	scratch = arena_alloc(&c->r->arena, sizeof(*scratch));
	for (n = list == NULL ? NULL : list->first; n != NULL; n = n->next) {
		if (seccomp_compile(c->p->seccomp, &n->text, (size_t)allow,
			&n->text, (size_t)!allow, COMPILE_AUDIT_ARCH, scratch,
			&e) == 0)
			continue;
		diag_error(&c->r->diag, yaml_place(n), "%s", e.msg);
		found = 1;
	}
	return found;
}

static void
report_seccomp(struct compile *c, const struct err *e)
{
	const struct yaml_node *n = yaml_get(c->root, "seccomp");
	int found = report_names(c, "allow", 1);

	found |= report_names(c, "deny", 0);
	if (!found)
		diag_error(&c->r->diag, yaml_place(n == NULL ? c->root : n),
		    "%s", e->msg);
}

static void
compile_seccomp(struct compile *c, struct seccomp_program *program)
{
	const struct yaml_node *profile = section(c, "seccomp", "profile");
	const char *allow[PLAN_SYSCALL_MAX], *deny[PLAN_SYSCALL_MAX];
	struct plan *p = c->p;
	struct err e;

	p->seccomp =
	    profile == NULL ? PLAN_SECCOMP_DEBUG : (uint32_t)profile->number;
	p->nsyscall_allow =
	    compile_syscalls(c, "allow", p->syscall_allow, allow);
	p->nsyscall_deny = compile_syscalls(c, "deny", p->syscall_deny, deny);
	if (!c->ceiling) {
		if (seccomp_compile(p->seccomp, allow, p->nsyscall_allow, deny,
			p->nsyscall_deny, COMPILE_AUDIT_ARCH, program,
			&e) == -1) {
			report_seccomp(c, &e);
			c->failed = 1;
		}
	} else if (section(c, "seccomp", "allow") == NULL)
		p->syscall_allow[p->nsyscall_allow++] = put(c, "any");
	sha256_buffer(program->insn, program->length * sizeof(program->insn[0]),
	    p->seccomp_digest);
}

static void
compile_origins(struct compile *c)
{
	uint32_t i;

	for (i = 0; i < c->p->nmounts; i++)
		c->p->mounts[i].origin = put_origin(c, c->mount[i]);
	for (i = 0; i < c->p->nprotect; i++)
		c->p->protect[i].origin = put_origin(c, c->protect[i]);
}

static uint32_t
count_of(const struct yaml_node *n)
{
	return n == NULL ? 0 : n->count;
}

int
compile_policy(struct resolve *r, struct plan *ret,
    struct seccomp_program *ret_program, union plan_net_room *ret_net)
{
	struct compile c = { .r = r,
		.p = ret,
		.root = r->root,
		.ceiling = r->root->source->ceiling };
	struct err e;

	plan_init(ret);
	ret_program->length = 0;
	compile_name(&c);
	compile_env(&c);
	compile_mounts(&c);
	compile_protect(&c);
	compile_rootfs(&c);
	compile_cwd(&c);
	compile_limits(&c);
	compile_requires(&c);
	compile_seccomp(&c, ret_program);
	compile_origins(&c);
	ret->nservices = count_of(section(&c, "network", "services"));
	if (c.ceiling && section(&c, "network", "services") == NULL)
		ret->nservices = PLAN_SERVICES_ANY;
	ret->ncredentials = count_of(yaml_get(c.root, "credentials"));
	if (compile_net(r, ret_net) == -1)
		c.failed = 1;
	else if (ret_net->net.size != 0)
		memcpy(ret->net_digest, ret_net->net.digest, SHA256_SIZE);
	plan_seal(ret);
	if (!c.failed && plan_check(ret, plan_size(ret), &e) == -1) {
		diag_error(&r->diag, yaml_place(c.root), "%s", e.msg);
		c.failed = 1;
	}
	return c.failed ? -1 : 0;
}
