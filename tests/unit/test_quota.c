/*
 * jail/quota.c: what goes to the disk.  jail/image.c: the layout for any
 * size, judged by e2fsck; as root also by this kernel.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "../../jail/image.h"
#include "../../jail/quota.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define TIB ((uint64_t)1 << 40)

extern char **environ;

static struct plan plan;
static struct image image;

/* ---- the plan ---- */

static void
given(uint64_t memory, size_t n, const uint64_t *sizes)
{
	size_t i;

	memset(&plan, 0, sizeof(plan));
	plan.limits.memory_bytes = memory;
	plan.nmounts = (uint32_t)n;
	for (i = 0; i < n; i++) {
		plan.mounts[i].kind =
		    sizes[i] == 0 ? PLAN_MOUNT_WRITE : PLAN_MOUNT_NEW;
		plan.mounts[i].size_bytes = sizes[i];
	}
}

static void
quota_plan__sizes_and_memory__the_largest_go_to_the_disk(void **state)
{
	static const struct {
		uint64_t memory;
		uint64_t sizes[3];
		const char *kinds; /* - none, t tmpfs, i image */
	} rows[] = {
		/* the default: /workspace, /tmp */
		{ GIB, { GIB, 256 * MIB }, "it-" },
		/* exactly a quarter, and one past it */
		{ GIB, { 128 * MIB, 128 * MIB }, "tt-" },
		{ GIB, { 128 * MIB, 128 * MIB + 1 }, "ti-" },
		{ GIB, { 128 * MIB + 1, 128 * MIB }, "it-" },
		/* of equals the first */
		{ GIB, { 200 * MIB, 200 * MIB, 200 * MIB }, "iit" },
		/* one after the other, until the rest fits */
		{ GIB, { 100 * MIB, 300 * MIB, 200 * MIB }, "tii" },
		{ GIB, { 100 * MIB, 300 * MIB, 150 * MIB }, "tit" },
		{ 16 * MIB, { MIB, 8 * MIB, GIB }, "tii" },
		/* given directories have no size */
		{ GIB, { 0, 64 * MIB, 0 }, "-t-" },
		{ 8 * GIB, { GIB, GIB }, "tt-" },
	};

	unsigned char kind[QUOTA_PLACES];
	size_t i, k;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		given(rows[i].memory, 3, rows[i].sizes);
		quota_plan(&plan, kind);
		for (k = 0; k < 3; k++)
			assert_int_equal(kind[k],
			    rows[i].kinds[k] == '-'   ? QUOTA_NONE
			    : rows[i].kinds[k] == 't' ? QUOTA_TMPFS
						      : QUOTA_IMAGE);
		assert_int_equal(kind[QUOTA_ROOTFS], QUOTA_NONE);
	}
}

static void
quota_plan__overlay__counts_like_the_others(void **state)
{
	const uint64_t sizes[] = { 128 * MIB };
	unsigned char kind[QUOTA_PLACES];

	(void)state;
	given(GIB, 1, sizes);
	plan.rootfs = PLAN_ROOTFS_DIR;
	plan.rootfs_size_bytes = GIB;
	quota_plan(&plan, kind);
	assert_int_equal(kind[QUOTA_ROOTFS], QUOTA_IMAGE);
	assert_int_equal(kind[0], QUOTA_TMPFS);
	plan.rootfs_size_bytes = 128 * MIB;
	quota_plan(&plan, kind);
	assert_int_equal(kind[QUOTA_ROOTFS], QUOTA_TMPFS);
}

static void
quota_begin__no_disk__tmpfs_and_the_reason(void **state)
{
	const uint64_t sizes[] = { GIB, 256 * MIB };

	const struct {
		struct quota_caller caller;
		const char *why;
	} rows[] = {
		{ { .state_dir = NULL }, "no state directory" },
		{ { .state_dir = "" }, "no state directory" },
		{ { .state_dir = "/nowhere/at/all" }, "No such file" },
		{ { .state_dir = "/dev/shm" }, "in memory itself" },
	};

	struct quota q;
	struct err e;
	size_t i;

	(void)state;
	given(GIB, 2, sizes);
	for (i = 0; i < countof(rows); i++) {
		quota_init(&q);
		assert_int_equal(quota_begin(&q, &plan, &rows[i].caller, &e),
		    0);
		assert_int_equal(quota_wait(&q, &e), 0);
		assert_int_equal(q.fd[0], -1);
		assert_int_equal(q.posture.count[QUOTA_MISSED], 1);
		assert_int_equal(q.posture.count[QUOTA_TMPFS], 1);
		assert_int_equal(q.posture.count[QUOTA_IMAGE], 0);
		assert_non_null(strstr(q.posture.why, rows[i].why));
		quota_finish(&q);
	}
}

static void
quota_settle__nobody_counts__beside_the_limit_within_the_host(void **state)
{
	static const struct {
		uint64_t size;
		int counted;
		enum quota_kind kind;
	} rows[] = {
		{ 20 * MIB, 0, QUOTA_BESIDE }, { 20 * MIB, 1, QUOTA_MISSED },
		{ 60 * TIB, 0, QUOTA_MISSED }, /* more than any host has */
	};

	struct quota_caller c = { .rootless = 1, .state_dir = "/var/tmp" };
	struct quota q;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		given(16 * MIB, 1, &rows[i].size);
		quota_init(&q);
		assert_int_equal(quota_begin(&q, &plan, &c, &e), 0);
		assert_int_equal(quota_wait(&q, &e), 0);
		quota_settle(&q, &plan, rows[i].counted);
		assert_int_equal(q.kind[0], rows[i].kind);
		assert_int_equal(q.posture.count[rows[i].kind], 1);
		quota_finish(&q);
	}
}

static void
quota_begin__more_than_the_disk__tmpfs_and_the_reason(void **state)
{
	const uint64_t sizes[] = { 3 * TIB };
	struct quota_caller c = { .state_dir = "/var/tmp" };
	struct quota q;
	struct err e;

	(void)state;
	given(GIB, 1, sizes);
	quota_init(&q);
	assert_int_equal(quota_begin(&q, &plan, &c, &e), 0);
	assert_int_equal(q.posture.count[QUOTA_MISSED], 1);
	assert_non_null(strstr(q.posture.why, "MiB free"));
	quota_finish(&q);
}

/* ---- the layout ---- */

static void
image_plan__any_size__what_is_left_is_exact(void **state)
{
	static const uint64_t sizes[] = { 1, 64 * KIB, MIB, 127 * MIB,
		128 * MIB, 128 * MIB + 1, GIB, 10 * GIB, TIB, 3 * TIB };
	static const uint64_t inodes[] = { 16, 1014, 32758, 32759, 100000,
		10000000 };
	struct image_layout l;
	size_t i, k;
	uint64_t kept;

	(void)state;
	for (i = 0; i < countof(sizes); i++) {
		for (k = 0; k < countof(inodes); k++) {
			assert_int_equal(image_plan(sizes[i], inodes[k], &l),
			    0);
			kept = l.blocks / 50 < 4096 ? l.blocks / 50 : 4096;
			assert_int_equal(l.blocks - l.used_blocks -
					     l.reserved_blocks - kept,
			    (sizes[i] + IMAGE_BLOCK - 1) / IMAGE_BLOCK);
			assert_true(l.groups * l.group_inodes >=
				    inodes[k] + IMAGE_FIRST_INODE - 1);
			assert_true(l.group_inodes <= IMAGE_GROUP_INODES);
			assert_true(l.blocks <= l.groups * IMAGE_GROUP_BLOCKS);
			assert_true(
			    l.blocks > (l.groups - 1) * IMAGE_GROUP_BLOCKS);
			/* block numbers have 32 bits */
			assert_true(l.blocks < (uint64_t)1 << 32);
		}
	}
}

static void
image_plan__too_large__refused(void **state)
{
	struct image_layout l;

	(void)state;
	assert_int_equal(image_plan(64 * TIB, 100000, &l), -EFBIG);
	assert_int_equal(image_plan(UINT64_MAX, 100000, &l), -EFBIG);
	assert_int_equal(image_plan(GIB, UINT64_MAX, &l), -EFBIG);
	assert_int_equal(image_plan(4 * TIB, 1000000000, &l), -EFBIG);
}

/* ---- the image ---- */

static int
fsck(const char *path)
{
	char program[] = "e2fsck", flags[] = "-fn", file[64];
	char *argv[] = { program, flags, file, NULL };
	posix_spawn_file_actions_t a;
	pid_t pid;
	int status = -1;

	(void)snprintf(file, sizeof(file), "%s", path);
	assert_int_equal(posix_spawn_file_actions_init(&a), 0);
	assert_int_equal(posix_spawn_file_actions_addopen(&a, 1, "/dev/null",
			     O_WRONLY, 0),
	    0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&a, 1, 2), 0);
	(void)setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
	if (posix_spawnp(&pid, program, &a, NULL, argv, environ) != 0)
		return -1;
	(void)posix_spawn_file_actions_destroy(&a);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Numbers of inodes that need no rounding: then it has nothing to say. */
static void
image_write__whole_groups__e2fsck_finds_nothing(void **state)
{
	static const struct {
		uint64_t size, inodes;
	} rows[] = {
		{ 64 * MIB, 1014 },
		{ GIB, 9 * 11120 - 10 },
		{ 10 * GIB, 81 * 1248 - 10 },
	};

	char path[] = "/tmp/image-XXXXXX";
	struct image_layout l;
	autofd fd = mkstemp(path);
	size_t i;
	int r;

	(void)state;
	assert_true(fd != -1);
	image.mode = 0755;
	image.now = 1700000000;
	for (i = 0; i < countof(rows); i++) {
		assert_int_equal(image_plan(rows[i].size, rows[i].inodes, &l),
		    0);
		assert_int_equal(l.groups * l.group_inodes,
		    rows[i].inodes + 10);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(ftruncate(fd, (off_t)(l.blocks * IMAGE_BLOCK)),
		    0);
		assert_int_equal(image_write(&image, &l, fd), 0);
		r = fsck(path);
		if (r == -1 || r == 127) {
			(void)unlink(path);
			skip(); /* no e2fsck */
		}
		assert_int_equal(r, 0);
	}
	/* it would find something */
	assert_int_equal(pwrite(fd, "\377", 1, 2 * IMAGE_BLOCK + 2000), 1);
	assert_true(fsck(path) > 0);
	(void)unlink(path);
}

static void
image_make__mounted__exact_and_the_owners(void **state)
{
	static const uint64_t sizes[] = { 64 * KIB, 100 * MIB, GIB };
	autofd dir = open("/var/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;
	size_t i;
	long r;

	(void)state;
	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) == -1)
		skip();
	for (i = 0; i < countof(sizes); i++) {
		image.dir = dir;
		image.size_bytes = sizes[i];
		image.inodes = 100000;
		image.uid = 1879049192;
		image.gid = 1879049193;
		image.mode = 01777;
		image.now = 1700000000;
		image.name = "warder-test";
		r = image_make(&image);
		if (r < 0)
			fail_msg("%s: %s", image_step_name(image.step),
			    strerror((int)-r));
		assert_int_equal(fstatfs(image.mount, &fs), 0);
		assert_int_equal((uint64_t)fs.f_bavail * IMAGE_BLOCK, sizes[i]);
		assert_int_equal(fs.f_ffree, 100000);
		assert_int_equal(fstat(image.mount, &st), 0);
		assert_int_equal(st.st_mode, S_IFDIR | 01777);
		assert_int_equal(st.st_uid, image.uid);
		assert_int_equal(st.st_gid, image.gid);
		assert_int_equal(st.st_mtime, 1700000000);
		image_discard(image.mount);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    quota_plan__sizes_and_memory__the_largest_go_to_the_disk),
		cmocka_unit_test(quota_plan__overlay__counts_like_the_others),
		cmocka_unit_test(quota_begin__no_disk__tmpfs_and_the_reason),
		cmocka_unit_test(
		    quota_settle__nobody_counts__beside_the_limit_within_the_host),
		cmocka_unit_test(
		    quota_begin__more_than_the_disk__tmpfs_and_the_reason),
		cmocka_unit_test(image_plan__any_size__what_is_left_is_exact),
		cmocka_unit_test(image_plan__too_large__refused),
		cmocka_unit_test(
		    image_write__whole_groups__e2fsck_finds_nothing),
		cmocka_unit_test(image_make__mounted__exact_and_the_owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
