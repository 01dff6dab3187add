#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "path.h"
#include "plan.h"

/* What is stored of a plan with an empty pool. */
#define PLAN_HEAD offsetof(struct plan, strings)

static const char *const seccomp_names[] = {
	[PLAN_SECCOMP_STRICT] = "strict",
	[PLAN_SECCOMP_BUILD] = "build",
	[PLAN_SECCOMP_DEBUG] = "debug",
};

_Static_assert(countof(seccomp_names) == PLAN_SECCOMP__MAX,
    "every profile has a name");

enum {
	PLAN_CGROUP_ALL = PLAN_REQUIRE_CGROUP_MEMORY |
			  PLAN_REQUIRE_CGROUP_PIDS | PLAN_REQUIRE_CGROUP_CPU |
			  PLAN_REQUIRE_CGROUP_IO,
	PLAN_SYSCALL_NAME_MAX = 64,
};

/* Numbers with a range; the zeroes of "none" are column three. */
static const struct {
	const char *name;
	size_t offset;
	int zero;
	uint64_t min, max;
} ranges[] = {

#define LIMIT(f, zero, min, max)                                              \
	{                                                                     \
		"limits." #f, offsetof(struct plan, limits.f), zero, min, max \
	}
	LIMIT(cpu_milli, 0, BOUND_CPU_MIN, BOUND_CPU_MAX),
	LIMIT(memory_bytes, 0, BOUND_MEMORY_MIN, BOUND_MEMORY_MAX),
	LIMIT(pids, 0, BOUND_PIDS_MIN, BOUND_PIDS_MAX),
	LIMIT(open_files, 0, BOUND_FILES_MIN, BOUND_FILES_MAX),
	LIMIT(wall_ms, 1, BOUND_TIME_MIN, BOUND_TIME_MAX),
	LIMIT(idle_ms, 1, BOUND_TIME_MIN, BOUND_TIME_MAX),
	LIMIT(cpu_time_ms, 1, BOUND_TIME_MIN, BOUND_TIME_MAX),
	LIMIT(output_bytes, 1, BOUND_OUTPUT_MIN, BOUND_OUTPUT_MAX),
#undef LIMIT
};

/* Counts of the arrays, and 32-bit fields with a greatest value. */
static const struct {
	const char *name;
	size_t offset;
	uint32_t max;
} counts[] = {

#define COUNT(f, max)                             \
	{                                         \
#		f, offsetof(struct plan, f), max \
	}
	COUNT(kind, PLAN_CEILING),
	COUNT(rootfs, PLAN_ROOTFS_DIR),
	COUNT(seccomp, PLAN_SECCOMP__MAX - 1),
	COUNT(require_landlock, BOUND_LANDLOCK_MAX),
	COUNT(require_cgroup, PLAN_CGROUP_ALL),
	COUNT(nested, 0),
	COUNT(user, 0),
	COUNT(hostname, 0),
	COUNT(timezone, 0),
	COUNT(ndevices, 0),
	COUNT(ninbound, 0),
	COUNT(nservices, PLAN_STRINGS_MAX),
	COUNT(ncredentials, PLAN_STRINGS_MAX),
	COUNT(nenv, PLAN_ENV_MAX),
	COUNT(nmounts, PLAN_MOUNT_MAX),
	COUNT(nprotect, PLAN_PROTECT_MAX),
	COUNT(nsyscall_allow, PLAN_SYSCALL_MAX),
	COUNT(nsyscall_deny, PLAN_SYSCALL_MAX),
#undef COUNT
};

void
plan_init(struct plan *p)
{
	memset(p, 0, sizeof(*p));
	p->magic = PLAN_MAGIC;
	p->version = PLAN_VERSION;
	p->nstrings = p->nmeant = 1;
}

/* The string that begins at *s; *s moves to the next. */
static const char *
pool_next(const struct plan *p, uint32_t *s)
{
	const char *text = p->strings + *s;

	*s += (uint32_t)strlen(text) + 1;
	return text;
}

static int
pool_add(struct plan *p, const char *s, plan_str *ret, struct err *e)
{
	size_t n = strlen(s) + 1;
	uint32_t at, next = 0;

	while (next < p->nstrings) {
		at = next;
		if (strcmp(pool_next(p, &next), s) == 0) {
			*ret = at;
			return 0;
		}
	}
	if (n > PLAN_STRINGS_MAX - p->nstrings)
		return err_set(e, ERR_LIMIT,
		    "the plan's strings are longer than %d bytes together",
		    PLAN_STRINGS_MAX);
	memcpy(p->strings + p->nstrings, s, n);
	*ret = p->nstrings;
	p->nstrings += (uint32_t)n;
	return 0;
}

int
plan_add_string(struct plan *p, const char *s, plan_str *ret, struct err *e)
{
	assert(p->nmeant == p->nstrings);
	if (pool_add(p, s, ret, e) == -1)
		return -1;
	p->nmeant = p->nstrings;
	return 0;
}

int
plan_add_origin(struct plan *p, const char *s, plan_str *ret, struct err *e)
{
	return pool_add(p, s, ret, e);
}

/* Where a mount of that path goes; nmounts if behind all. */
static uint32_t
mount_place(const struct plan *p, const char *path)
{
	uint32_t i = 0;

	while (i < p->nmounts &&
	       strcmp(plan_string(p, p->mounts[i].path), path) < 0)
		i++;
	return i;
}

int
plan_add_own_mount(struct plan *p, const char *from, const char *path,
    struct err *e)
{
	struct plan_mount m = { .kind = PLAN_MOUNT_READ };
	uint32_t i = mount_place(p, path);

	if (p->nmounts == PLAN_MOUNT_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d mounts", path,
		    PLAN_MOUNT_MAX);
	if (i < p->nmounts &&
	    strcmp(plan_string(p, p->mounts[i].path), path) == 0)
		return err_set(e, ERR_CONFLICT,
		    "%s is mounted by the policy itself", path);
	if (pool_add(p, from, &m.from, e) == -1 ||
	    pool_add(p, path, &m.path, e) == -1)
		return -1;
	memmove(&p->mounts[i + 1], &p->mounts[i],
	    (p->nmounts - i) * sizeof(p->mounts[0]));
	p->mounts[i] = m;
	p->nmounts++;
	return 0;
}

const char *
plan_string(const struct plan *p, plan_str s)
{
	return p->strings + s;
}

size_t
plan_size(const struct plan *p)
{
	return PLAN_HEAD + p->nstrings;
}

/* From one field up to another. */
static void
hash_fields(struct sha256 *s, const void *from, const void *to)
{
	sha256_update(s, from, (size_t)((const char *)to - (const char *)from));
}

/* Every byte that says what a jail is to be, and the version it says it in. */
static void
plan_digest(const struct plan *p, unsigned char ret[SHA256_SIZE])
{
	const struct plan_protect *t;
	const struct plan_mount *m;
	struct sha256 s;

	sha256_init(&s);
	hash_fields(&s, &p->magic, &p->size);
	hash_fields(&s, &p->kind, p->mounts);
	for (m = p->mounts; m < p->mounts + PLAN_MOUNT_MAX; m++) {
		hash_fields(&s, m, &m->origin);
		hash_fields(&s, &m->size_bytes, m + 1);
	}
	for (t = p->protect; t < p->protect + PLAN_PROTECT_MAX; t++) {
		hash_fields(&s, t, &t->origin);
		hash_fields(&s, &t->tree, t + 1);
	}
	hash_fields(&s, p->syscall_allow, p->strings + p->nmeant);
	sha256_finish(&s, ret);
}

/* The rest, so that no byte of a plan changes unseen. */
static void
origins_digest(const struct plan *p, unsigned char ret[SHA256_SIZE])
{
	struct sha256 s;
	size_t i;

	sha256_init(&s);
	hash_fields(&s, &p->size, p->origins_digest);
	for (i = 0; i < countof(p->mounts); i++)
		sha256_update(&s, &p->mounts[i].origin, sizeof(plan_str));
	for (i = 0; i < countof(p->protect); i++)
		sha256_update(&s, &p->protect[i].origin, sizeof(plan_str));
	hash_fields(&s, p->strings + p->nmeant, p->strings + p->nstrings);
	sha256_finish(&s, ret);
}

int
plan_has_net(const struct plan *p)
{
	static const unsigned char none[SHA256_SIZE];

	return memcmp(p->net_digest, none, sizeof(none)) != 0;
}

void
plan_seal(struct plan *p)
{
	assert(p->nmeant <= p->nstrings && p->nstrings <= PLAN_STRINGS_MAX);
	p->size = (uint32_t)plan_size(p);
	plan_digest(p, p->digest);
	origins_digest(p, p->origins_digest);
}

const char *
plan_seccomp_name(uint32_t profile)
{
	return profile < PLAN_SECCOMP__MAX ? seccomp_names[profile] : NULL;
}

static int
bad(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "plan: %s", what);
}

static int
bad_entry(struct err *e, const char *array, uint32_t i, const char *what)
{
	return err_set(e, ERR_CORRUPT, "plan: %s[%u] %s", array, i, what);
}

static int
check_frame(const struct plan *p, size_t size, struct err *e)
{
	if (size <= PLAN_HEAD || size > sizeof(*p))
		return bad(e, "its size is wrong");
	if (p->magic != PLAN_MAGIC)
		return bad(e, "this is not a plan");
	if (p->version != PLAN_VERSION)
		return err_set(e, ERR_CORRUPT, "plan: version %u, not %d",
		    p->version, PLAN_VERSION);
	if (p->nstrings == 0 || p->nstrings > PLAN_STRINGS_MAX ||
	    plan_size(p) != size || p->size != size)
		return bad(e, "its size is not what it says");
	if (p->nmeant == 0 || p->nmeant > p->nstrings)
		return bad(e, "its origins are outside the pool");
	if (p->strings[0] != '\0' || p->strings[p->nstrings - 1] != '\0' ||
	    p->strings[p->nmeant - 1] != '\0')
		return bad(e, "the pool is not ended");
	return 0;
}

static int
check_numbers(const struct plan *p, struct err *e)
{
	const char *base = (const char *)p;
	uint32_t u32;
	uint64_t u64;
	size_t i;

	for (i = 0; i < countof(counts); i++) {
		memcpy(&u32, base + counts[i].offset, sizeof(u32));
		if (u32 > counts[i].max)
			return err_set(e, ERR_CORRUPT, "plan: %s is %u",
			    counts[i].name, u32);
	}
	for (i = 0; p->kind == PLAN_GRANT && i < countof(ranges); i++) {
		memcpy(&u64, base + ranges[i].offset, sizeof(u64));
		if (u64 == 0 && ranges[i].zero)
			continue;
		if (u64 < ranges[i].min || u64 > ranges[i].max)
			return err_set(e, ERR_CORRUPT, "plan: %s is %ju",
			    ranges[i].name, (uintmax_t)u64);
	}
	return 0;
}

/* An offset is the start of a string in the used part of the pool. */
static int
is_origin(const struct plan *p, plan_str s)
{
	return s < p->nstrings && (s == 0 || p->strings[s - 1] == '\0');
}

/* Nothing that counts lies among the origins, where the digest ends. */
static int
is_string(const struct plan *p, plan_str s)
{
	return s < p->nmeant && is_origin(p, s);
}

static int
is_path(const struct plan *p, plan_str s)
{
	return is_string(p, s) && path_defect(p->strings + s) == NULL;
}

/* Unused entries are zero, so that one plan has one digest. */
static int
is_zero(const void *from, const void *to)
{
	const unsigned char *c;

	for (c = from; c < (const unsigned char *)to; c++)
		if (*c != 0)
			return 0;
	return 1;
}

#define TAIL_IS_ZERO(array, n) is_zero((array) + (n), (array) + countof(array))

static int
check_tails(const struct plan *p, struct err *e)
{
	if (!TAIL_IS_ZERO(p->env, p->nenv) ||
	    !TAIL_IS_ZERO(p->mounts, p->nmounts) ||
	    !TAIL_IS_ZERO(p->protect, p->nprotect) ||
	    !TAIL_IS_ZERO(p->syscall_allow, p->nsyscall_allow) ||
	    !TAIL_IS_ZERO(p->syscall_deny, p->nsyscall_deny))
		return bad(e, "an unused entry is not zero");
	return 0;
}

static int
check_rootfs(const struct plan *p, struct err *e)
{
	if (!is_string(p, p->name) || !is_string(p, p->cwd) ||
	    !is_string(p, p->rootfs_dir))
		return bad(e, "a string lies outside the pool");
	if (p->kind == PLAN_GRANT && !is_path(p, p->cwd))
		return bad(e, "cwd is not an absolute, canonical path");
	if (p->rootfs == PLAN_ROOTFS_HOST)
		return p->rootfs_dir == 0 && p->rootfs_size_bytes == 0
			   ? 0
			   : bad(e, "rootfs host with a directory or a size");
	if (!is_path(p, p->rootfs_dir))
		return bad(e, "rootfs_dir is not an absolute, canonical path");
	if (p->rootfs_size_bytes < BOUND_MOUNT_MIN ||
	    p->rootfs_size_bytes > BOUND_MOUNT_MAX)
		return bad(e, "rootfs_size_bytes is out of range");
	return 0;
}

/* [A-Za-z_][A-Za-z0-9_]*, which is what every shell can say. */
static int
is_env_name(const char *s)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz_0123456789";
	size_t n = strlen(s);

	return n > 0 && n < 256 && !(*s >= '0' && *s <= '9') &&
	       strspn(s, letters) == n;
}

static int
check_env(const struct plan *p, struct err *e)
{
	uint32_t i, j;

	for (i = 0; i < p->nenv; i++) {
		const struct plan_env *v = &p->env[i];

		if (!is_string(p, v->name) || !is_string(p, v->value))
			return bad_entry(e, "env", i, "is outside the pool");
		if (!is_env_name(p->strings + v->name))
			return bad_entry(e, "env", i, "has a bad name");
		if (v->pass > 1 || (v->pass == 1 && v->value != 0))
			return bad_entry(e, "env", i, "is both set and passed");
		for (j = 0; j < i; j++)
			if (strcmp(p->strings + p->env[j].name,
				p->strings + v->name) == 0)
				return bad_entry(e, "env", i, "is there twice");
	}
	return 0;
}

static int
is_sized(const struct plan_mount *m)
{
	return m->size_bytes >= BOUND_MOUNT_MIN &&
	       m->size_bytes <= BOUND_MOUNT_MAX &&
	       m->inodes >= BOUND_INODES_MIN && m->inodes <= BOUND_INODES_MAX;
}

/* What the mount shows: a host path, or a size. */
static const char *
mount_source_defect(const struct plan *p, const struct plan_mount *m)
{
	int ceiling = p->kind == PLAN_CEILING;
	const char *from = p->strings + m->from;

	if (m->kind == PLAN_MOUNT_NEW || m->kind == PLAN_MOUNT_TMPFS)
		return m->from != 0   ? "is new and has a host path"
		       : !is_sized(m) ? "has a size or inodes out of range"
				      : NULL;
	if (m->size_bytes != 0 || m->inodes != 0)
		return "is a host path and has a size";
	if (path_defect(from) != NULL)
		return "has a host path that is not absolute and canonical";
	if (!ceiling && path_host_refused(from, "") != NULL)
		return "has a host path that never enters a jail";
	if (!ceiling && m->kind == PLAN_MOUNT_WRITE &&
	    path_write_refused(from, "") != NULL)
		return "has a host path that is never given for writing";
	return NULL;
}

static const char *
mount_defect(const struct plan *p, const struct plan_mount *m)
{
	int ceiling = p->kind == PLAN_CEILING;
	const char *path;

	if (m->kind >= PLAN_MOUNT__MAX)
		return "is of no known kind";
	if (!is_string(p, m->from) || !is_string(p, m->path) ||
	    !is_origin(p, m->origin))
		return "is outside the pool";
	path = p->strings + m->path;
	/* In a ceiling no path means any path. */
	if (!(ceiling && *path == '\0') && path_defect(path) != NULL)
		return "has a path that is not absolute and canonical";
	if (!ceiling && path_jail_refused(path) != NULL)
		return "has a path where nothing may be mounted";
	return mount_source_defect(p, m);
}

static int
check_mounts(const struct plan *p, struct err *e)
{
	const char *why, *last = "";
	uint32_t i;

	for (i = 0; i < p->nmounts; i++) {
		const struct plan_mount *m = &p->mounts[i];
		int order;

		if ((why = mount_defect(p, m)) != NULL)
			return bad_entry(e, "mounts", i, why);
		order = strcmp(last, p->strings + m->path);
		/* A ceiling may name one path, or none, more than once. */
		if (order > 0 || (order == 0 && p->kind == PLAN_GRANT))
			return bad_entry(e, "mounts", i,
			    "is not sorted or has another's path");
		last = p->strings + m->path;
	}
	return 0;
}

static int
check_protect(const struct plan *p, struct err *e)
{
	const char *last = "";
	uint32_t i;

	for (i = 0; i < p->nprotect; i++) {
		const struct plan_protect *t = &p->protect[i];

		if (!is_path(p, t->path) || !is_origin(p, t->origin) ||
		    t->tree > 1)
			return bad_entry(e, "protect", i, "is malformed");
		if (strcmp(last, p->strings + t->path) >= 0)
			return bad_entry(e, "protect", i, "is not sorted");
		last = p->strings + t->path;
	}
	return 0;
}

static int
check_syscalls(const struct plan *p, const plan_str *names, uint32_t n,
    const char *array, struct err *e)
{
	const char *last = "", *name;
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (!is_string(p, names[i]))
			return bad_entry(e, array, i, "is outside the pool");
		name = p->strings + names[i];
		if (strlen(name) > PLAN_SYSCALL_NAME_MAX ||
		    strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") !=
			strlen(name))
			return bad_entry(e, array, i, "is no system call");
		if (strcmp(last, name) >= 0)
			return bad_entry(e, array, i, "is not sorted");
		last = name;
	}
	return 0;
}

/* What is counted is there, and nothing else is. */
static int
check_net(const struct plan *p, struct err *e)
{
	int any = p->nservices + p->ncredentials > 0;

	/* of a ceiling that allows whatever there is, there is none */
	if (p->kind == PLAN_CEILING && p->nservices == PLAN_SERVICES_ANY)
		any = 0;
	if (plan_has_net(p) != any)
		return bad(e, "its network half is not what it counts");
	return 0;
}

static int
check_digest(const struct plan *p, struct err *e)
{
	unsigned char digest[SHA256_SIZE];

	plan_digest(p, digest);
	if (memcmp(digest, p->digest, sizeof(digest)) != 0)
		return bad(e, "the digest does not fit the contents");
	origins_digest(p, digest);
	if (memcmp(digest, p->origins_digest, sizeof(digest)) != 0)
		return bad(e, "the origins' digest does not fit them");
	return 0;
}

int
plan_check(const struct plan *p, size_t size, struct err *e)
{
	if (check_frame(p, size, e) == -1 || check_numbers(p, e) == -1 ||
	    check_tails(p, e) == -1 || check_rootfs(p, e) == -1 ||
	    check_env(p, e) == -1 || check_mounts(p, e) == -1 ||
	    check_protect(p, e) == -1 || check_net(p, e) == -1)
		return -1;
	if (check_syscalls(p, p->syscall_allow, p->nsyscall_allow,
		"syscall_allow", e) == -1 ||
	    check_syscalls(p, p->syscall_deny, p->nsyscall_deny, "syscall_deny",
		e) == -1)
		return -1;
	return check_digest(p, e);
}
