/*
 * landlock.c: the third layer, over the mount namespace and the filter.
 *
 * Stage two runs it inside the new root.  It repeats by path what the mounts
 * say by attribute, and adds the scopes for signals and abstract sockets.
 * What the kernel's ABI offers is used, and recorded.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>

#include "stage.h"
#include "sys.h"

/* Newer than the headers of the oldest supported distribution. */
struct landlock_attr {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

/* clang-format off */
enum {
	LL_EXECUTE = 1 << 0, LL_WRITE_FILE = 1 << 1, LL_READ_FILE = 1 << 2,
	LL_READ_DIR = 1 << 3, LL_MAKE_CHAR = 1 << 6, LL_MAKE_BLOCK = 1 << 11,
	LL_REFER = 1 << 13, LL_TRUNCATE = 1 << 14, LL_IOCTL_DEV = 1 << 15,

	LL_ALL = (1 << 16) - 1,
	LL_FILES = LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE |
	    LL_IOCTL_DEV, /* what can be said of a file */
	LL_READ = LL_READ_FILE | LL_READ_DIR,
	LL_RUN = LL_READ | LL_EXECUTE,
	LL_WRITE = LL_ALL & ~(LL_MAKE_CHAR | LL_MAKE_BLOCK),
};

/* What each ABI can be asked to handle. */
static const struct {
	uint64_t fs;
	uint64_t scoped; /* abstract sockets, signals */
	size_t size;     /* of landlock_attr as that kernel knows it */
} landlock_abis[] = {
	[1] = { (1 << 13) - 1, 0, 8 },
	[2] = { (1 << 14) - 1, 0, 8 },
	[3] = { (1 << 15) - 1, 0, 8 },
	[4] = { (1 << 15) - 1, 0, 16 },
	[5] = { (1 << 16) - 1, 0, 16 },
	[6] = { (1 << 16) - 1, 3, 24 },
};

/*
 * The tree that every jail has; rows that are absent are passed over, and
 * so are links: where they lead has a row of its own.
 */
static const struct {
	const char *path;
	uint64_t access;
} landlock_tree[] = {
	{ "/",        LL_READ_DIR },
	{ "/usr",     LL_RUN },
	{ "/bin",     LL_RUN },
	{ "/sbin",    LL_RUN },
	{ "/lib",     LL_RUN },
	{ "/lib32",   LL_RUN },
	{ "/lib64",   LL_RUN },
	{ "/libx32",  LL_RUN },
	{ "/etc",     LL_READ },
	{ "/sys",     LL_READ },
	{ "/proc",    LL_READ | LL_WRITE_FILE | LL_TRUNCATE },
	{ "/dev",     LL_READ | LL_WRITE_FILE | LL_IOCTL_DEV },
	{ "/dev/shm", LL_WRITE },
	{ "/home",    LL_READ_DIR },
	{ "/home/agent", LL_WRITE },
};

/* clang-format on */

static long
landlock_allow(struct stage *s, int ruleset, const char *path, int flags,
    uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access };
	long r;

	stage_what(&s->two, path);
	r = SYS(SYS_openat, AT_FDCWD, path, O_PATH | O_CLOEXEC | flags, 0);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return r;
	rule.parent_fd = (int)r;
	r = rule.allowed_access == 0
		? 0
		: SYS(SYS_landlock_add_rule, ruleset,
		      LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	(void)SYS(SYS_close, rule.parent_fd);
	return r;
}

static long
landlock_mounts(struct stage *s, int ruleset, uint64_t handled)
{
	uint32_t i;
	long r = 0;

	for (i = 0; i < s->plan->nmounts && r >= 0; i++) {
		const struct plan_mount *m = &s->plan->mounts[i];
		uint64_t access =
		    m->kind == PLAN_MOUNT_READ ? LL_RUN : LL_WRITE;

		if (m->kind == PLAN_MOUNT_READ && !s->sources[i].is_dir)
			access &= LL_FILES;
		r = landlock_allow(s, ruleset, plan_string(s->plan, m->path), 0,
		    access & handled);
	}
	return r;
}

static long
landlock_rules(struct stage *s, int ruleset, uint64_t handled)
{
	size_t i;
	long r = 0;

	/* over a directory of the plan's the whole root is an overlay */
	if (s->plan->rootfs == PLAN_ROOTFS_DIR)
		return landlock_allow(s, ruleset, "/", 0, LL_WRITE & handled);
	for (i = 0; i < countof(landlock_tree) && r >= 0; i++)
		r = landlock_allow(s, ruleset, landlock_tree[i].path,
		    O_DIRECTORY | O_NOFOLLOW,
		    landlock_tree[i].access & handled);
	return r >= 0 ? landlock_mounts(s, ruleset, handled) : r;
}

/* Absent (not built, not booted with): recorded, or refused by the plan. */
long
landlock_restrict(struct stage *s)
{
	struct landlock_attr a = { 0 };
	long abi, fd, r;

	stage_what(&s->two, "ruleset");
	abi = SYS(SYS_landlock_create_ruleset, 0, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (abi == -ENOSYS || abi == -EOPNOTSUPP)
		abi = 0;
	if (abi < 0)
		return abi;
	s->result.landlock_abi = (int)abi;
	if ((uint32_t)abi < s->plan->require_landlock)
		return -EOPNOTSUPP;
	if (abi == 0)
		return 0;
	if (abi >= (long)countof(landlock_abis))
		abi = (long)countof(landlock_abis) - 1;
	a.fs = landlock_abis[abi].fs;
	a.scoped = landlock_abis[abi].scoped;
	s->result.landlock_scoped = a.scoped != 0;
	fd = SYS(SYS_landlock_create_ruleset, &a, landlock_abis[abi].size, 0);
	if (fd < 0)
		return fd;
	r = landlock_rules(s, (int)fd, a.fs);
	if (r >= 0) {
		stage_what(&s->two, "restrict");
		r = SYS(SYS_landlock_restrict_self, fd, 0);
	}
	(void)SYS(SYS_close, fd);
	return r;
}
