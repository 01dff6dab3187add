/* plan.c: what plan_check accepts, and each thing that it does not. */
#include "unit.h"

#include "plan.h"
#include "policy/bounds.h"
#include "policy/path.h"

static struct plan plan;

static plan_str
put(const char *s)
{
	plan_str at = 0;

	assert_int_equal(0, plan_add_string(&plan, s, &at, NULL));
	return at;
}

static plan_str
origin(const char *s)
{
	plan_str at = 0;

	assert_int_equal(0, plan_add_origin(&plan, s, &at, NULL));
	return at;
}

/* A grant with one of everything. */
static void
make_plan(void)
{
	plan_init(&plan);
	plan.name = put("test");
	plan.cwd = put("/workspace");
	plan.limits = (struct plan_limits){ .cpu_milli = 1000,
		.memory_bytes = 1 << 30,
		.pids = 256,
		.open_files = 1024 };
	plan.nenv = 2;
	plan.env[0].name = put("LANG");
	plan.env[0].value = put("C");
	plan.env[1].name = put("TERM");
	plan.env[1].pass = 1;
	plan.nmounts = 2;
	plan.mounts[0] = (struct plan_mount){ .kind = PLAN_MOUNT_READ,
		.from = put("/srv/data"),
		.path = put("/data") };
	plan.mounts[1] = (struct plan_mount){ .kind = PLAN_MOUNT_NEW,
		.path = put("/workspace"),
		.size_bytes = 1 << 30,
		.inodes = 1000 };
	plan.nprotect = 1;
	plan.protect[0].path = put("/workspace/.git");
	plan.protect[0].tree = 1;
	plan.nsyscall_deny = 2;
	plan.syscall_deny[0] = put("add_key");
	plan.syscall_deny[1] = put("keyctl");
	plan_seal(&plan);
}

static void
plan_check__whole_plan__accepted(void **state)
{
	struct err e;

	(void)state;
	make_plan();
	if (plan_check(&plan, plan_size(&plan), &e) == -1)
		fail_msg("%s", e.msg);
}

/* Where it was written does not change what it means. */
static void
plan_seal__other_origins__same_digest(void **state)
{
	unsigned char digest[SHA256_SIZE], origins[SHA256_SIZE];
	struct err e;

	(void)state;
	make_plan();
	memcpy(digest, plan.digest, sizeof(digest));
	memcpy(origins, plan.origins_digest, sizeof(origins));
	plan.mounts[0].origin = origin("p.yaml:3");
	plan.protect[0].origin = origin("/a/longer/name.yaml:12");
	plan_seal(&plan);
	if (plan_check(&plan, plan_size(&plan), &e) == -1)
		fail_msg("%s", e.msg);
	assert_memory_equal(digest, plan.digest, sizeof(digest));
	assert_memory_not_equal(origins, plan.origins_digest, sizeof(origins));
	assert_string_equal("p.yaml:3",
	    plan_string(&plan, plan.mounts[0].origin));
	plan.protect[0].tree = 0;
	plan_seal(&plan);
	assert_memory_not_equal(digest, plan.digest, sizeof(digest));
}

static void
plan_check__another_size__refused(void **state)
{
	size_t size;
	struct err e;

	(void)state;
	make_plan();
	size = plan_size(&plan);
	assert_refused(plan_check(&plan, size - 1, &e), &e, ERR_CORRUPT,
	    "size");
	assert_refused(plan_check(&plan, size + 1, &e), &e, ERR_CORRUPT,
	    "size");
	assert_refused(plan_check(&plan, 0, &e), &e, ERR_CORRUPT, "size");
	assert_refused(plan_check(&plan, sizeof(plan) + 1, &e), &e, ERR_CORRUPT,
	    "size");
}

static void
plan_check__any_byte_changed__refused(void **state)
{
	unsigned char *bytes = (unsigned char *)&plan;
	size_t i, size;

	(void)state;
	make_plan();
	plan.mounts[0].origin = origin("p.yaml:3");
	plan.protect[0].origin = origin("p.yaml:7");
	plan_seal(&plan);
	size = plan_size(&plan);
	for (i = 0; i < size; i++) {
		bytes[i] ^= 1;
		assert_int_equal(-1, plan_check(&plan, size, NULL));
		bytes[i] ^= 1;
	}
	assert_int_equal(0, plan_check(&plan, size, NULL));
}

/* One defect each, behind a digest that fits. */
#define DEFECT(name, what)              \
	static void defect_##name(void) \
	{                               \
		what;                   \
	}

#define DEFECTS(X)                                                             \
	X(magic, plan.magic++, "not a plan")                                   \
	X(version, plan.version++, "version")                                  \
	X(kind, plan.kind = 2, "kind")                                         \
	X(name, plan.name = plan.nstrings, "outside the pool")                 \
	X(name_middle, plan.name++, "outside the pool")                        \
	X(cwd, plan.cwd = put("workspace"), "cwd")                             \
	X(cwd_dots, plan.cwd = put("/a/../b"), "cwd")                          \
	X(rootfs, plan.rootfs = 2, "rootfs")                                   \
	X(rootfs_host, plan.rootfs_dir = put("/srv"), "rootfs host")           \
	X(rootfs_dir, plan.rootfs = PLAN_ROOTFS_DIR, "rootfs_dir")             \
	X(seccomp, plan.seccomp = PLAN_SECCOMP__MAX, "seccomp")                \
	X(landlock, plan.require_landlock = 65, "require_landlock")            \
	X(cgroup, plan.require_cgroup = 16, "require_cgroup")                  \
	X(nested, plan.nested = 1, "nested")                                   \
	X(user, plan.user = plan.name, "user")                                 \
	X(devices, plan.ndevices = 1, "ndevices")                              \
	X(inbound, plan.ninbound = 1, "ninbound")                              \
	X(cpu, plan.limits.cpu_milli = 0, "cpu_milli")                         \
	X(cpu_many, plan.limits.cpu_milli = UINT64_MAX, "cpu_milli")           \
	X(memory, plan.limits.memory_bytes = 4096, "memory_bytes")             \
	X(pids, plan.limits.pids = BOUND_PIDS_MAX + 1, "pids")                 \
	X(open_files, plan.limits.open_files = 1, "open_files")                \
	X(wall, plan.limits.wall_ms = UINT64_MAX, "wall_ms")                   \
	X(output, plan.limits.output_bytes = UINT64_MAX, "output_bytes")       \
	X(nenv, plan.nenv = PLAN_ENV_MAX + 1, "nenv")                          \
	X(nmounts, plan.nmounts = PLAN_MOUNT_MAX + 1, "nmounts")               \
	X(nprotect, plan.nprotect = PLAN_PROTECT_MAX + 1, "nprotect")          \
	X(nallow, plan.nsyscall_allow = PLAN_SYSCALL_MAX + 1, "allow")         \
	X(ndeny, plan.nsyscall_deny = PLAN_SYSCALL_MAX + 1, "deny")            \
	X(tail_env, plan.env[2].name = 1, "unused")                            \
	X(tail_mount, plan.mounts[2].inodes = 1, "unused")                     \
	X(tail_protect, plan.protect[1].tree = 1, "unused")                    \
	X(tail_syscall, plan.syscall_allow[0] = 1, "unused")                   \
	X(env_name, plan.env[0].name = put("A=B"), "bad name")                 \
	X(env_empty, plan.env[0].name = 0, "bad name")                         \
	X(env_outside, plan.env[0].value = UINT32_MAX, "outside")              \
	X(env_both, plan.env[0].pass = 1, "both")                              \
	X(env_pass, plan.env[1].pass = 2, "both")                              \
	X(env_twice, plan.env[1].name = plan.env[0].name, "twice")             \
	X(mount_kind, plan.mounts[0].kind = PLAN_MOUNT__MAX, "kind")           \
	X(mount_outside, plan.mounts[0].path = UINT32_MAX, "outside")          \
	X(mount_path, plan.mounts[0].path = 0, "absolute")                     \
	X(mount_slash, plan.mounts[0].path = put("/data/"), "absolute")        \
	X(mount_proc, plan.mounts[1].path = put("/proc/x"), "nothing may")     \
	X(mount_root, plan.mounts[0].path = put("/"), "nothing may")           \
	X(mount_from, plan.mounts[0].from = put("srv"), "host path")           \
	X(mount_from_proc, plan.mounts[0].from = put("/proc"), "never enters") \
	X(mount_from_etc, plan.mounts[0].from = put("/etc/warder"), "never")   \
	X(mount_size, plan.mounts[0].size_bytes = 1 << 20, "has a size")       \
	X(mount_no_size, plan.mounts[1].size_bytes = 0, "out of range")        \
	X(mount_inodes, plan.mounts[1].inodes = 1, "out of range")             \
	X(mount_new_from, plan.mounts[1].from = plan.cwd, "is new")            \
	X(mount_same, plan.mounts[1].path = plan.mounts[0].path, "sorted")     \
	X(mount_order, plan.mounts[1].path = put("/a"), "sorted")              \
	X(protect_path, plan.protect[0].path = 0, "malformed")                 \
	X(protect_tree, plan.protect[0].tree = 2, "malformed")                 \
	X(syscall_order, plan.syscall_deny[1] = plan.syscall_deny[0],          \
	    "sorted")                                                          \
	X(syscall_name, plan.syscall_deny[0] = put("A"), "no system call")     \
	X(meant_none, plan.nmeant = 0, "origins are outside")                  \
	X(meant_cut, plan.nmeant--, "not ended")                               \
	X(mount_among_origins, plan.mounts[0].path = origin("/new"),           \
	    "outside the pool")                                                \
	X(origin_outside, plan.mounts[0].origin = UINT32_MAX, "outside")       \
	X(protect_origin, plan.protect[0].origin = UINT32_MAX, "malformed")    \
	X(pool_end, plan.strings[plan.nstrings - 1] = 'x', "not ended")        \
	X(pool_start, plan.strings[0] = 'x', "not ended")

#define X(name, what, text) DEFECT(name, what)
DEFECTS(X)
#undef X

static const struct {
	const char *name;
	void (*spoil)(void);
	const char *text;
} defects[] = {

#define X(name, what, text) { #name, defect_##name, text },
	DEFECTS(X)
#undef X
};

static void
plan_check__one_defect__named(void **state)
{
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(defects); i++) {
		make_plan();
		defects[i].spoil();
		plan_seal(&plan);
		e.msg[0] = '\0';
		if (plan_check(&plan, plan_size(&plan), &e) == 0)
			fail_msg("%s: accepted", defects[i].name);
		if (strstr(e.msg, defects[i].text) == NULL)
			fail_msg("%s: %s", defects[i].name, e.msg);
	}
}

static void
plan_add_string__same_twice__stored_once(void **state)
{
	plan_str a, b;

	(void)state;
	plan_init(&plan);
	a = put("hello");
	b = put("hello");
	assert_int_equal(a, b);
	assert_int_equal(0, put(""));
	assert_int_not_equal(put("ello"), a);
}

static void
plan_add_string__pool_full__limit(void **state)
{
	static char big[PLAN_STRINGS_MAX];
	struct err e;
	plan_str at = 77;

	(void)state;
	plan_init(&plan);
	memset(big, 'x', sizeof(big) - 2);
	assert_int_equal(0, plan_add_string(&plan, big, &at, &e));
	assert_int_equal(PLAN_STRINGS_MAX, plan.nstrings);
	at = 77;
	assert_refused(plan_add_string(&plan, "y", &at, &e), &e, ERR_LIMIT,
	    "strings");
	assert_int_equal(77, at);
}

static void
path_resolve__what_a_file_says__absolute(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ ".", "/srv/p" },
		{ "x", "/srv/p/x" },
		{ "./x/", "/srv/p/x" },
		{ "../x", "/srv/x" },
		{ "../../../../x", "/x" },
		{ "/a//b/./c", "/a/b/c" },
		{ "~", "/home/me" },
		{ "~/x", "/home/me/x" },
		{ "~/../you", "/home/you" },
		{ "/", "/" },
	};

	char path[PATH_SIZE];
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		assert_int_equal(0,
		    path_resolve(rows[i].text, "/srv/p", "/home/me", path, &e));
		assert_string_equal(rows[i].want, path);
	}
	assert_refused(path_resolve("~you/x", "/srv", "/home/me", path, &e), &e,
	    ERR_INVALID, "another user");
	assert_refused(path_resolve("~/x", "/srv", "", path, &e), &e,
	    ERR_INVALID, "not known");
}

static void
path_refused__above_and_below__both(void **state)
{
	static const char home[] = "/home/me";

	(void)state;
	assert_non_null(path_host_refused("/", home));
	assert_non_null(path_host_refused("/etc", home));
	assert_non_null(path_host_refused("/etc/warder/x", home));
	assert_null(path_host_refused("/etc/warderer", home));
	assert_null(path_host_refused("/etc/ssl", home));
	assert_non_null(path_host_refused("/home/me", home));
	assert_non_null(path_host_refused("/home/me/.cache", home));
	assert_null(path_host_refused("/home/me/src", home));
	assert_null(path_host_refused("/home/you/.cache", home));
	assert_null(path_write_refused("/home/me/src", home));
	assert_non_null(path_write_refused("/home", home));
	assert_null(path_jail_refused("/workspace"));
	assert_null(path_jail_refused("/usr/local"));
	assert_null(path_jail_refused("/processes"));
	assert_non_null(path_jail_refused("/usr"));
	assert_non_null(path_jail_refused("/dev/shm"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_check__whole_plan__accepted),
		cmocka_unit_test(plan_seal__other_origins__same_digest),
		cmocka_unit_test(plan_check__another_size__refused),
		cmocka_unit_test(plan_check__any_byte_changed__refused),
		cmocka_unit_test(plan_check__one_defect__named),
		cmocka_unit_test(plan_add_string__same_twice__stored_once),
		cmocka_unit_test(plan_add_string__pool_full__limit),
		cmocka_unit_test(path_resolve__what_a_file_says__absolute),
		cmocka_unit_test(path_refused__above_and_below__both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
