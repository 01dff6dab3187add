/* find.c: where files are looked for, and which are of no use. */
#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "policy/find.h"

static char tmp[64];
static struct find_dirs dirs;
static char found[CONFIG_PATH_MAX];

static void
put_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", tmp, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(0, fclose(f));
}

static void
make_dir(const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", tmp, name);
	assert_int_equal(0, mkdir(path, 0755));
}

/* Find, read, and compare; the descriptor is gone afterwards. */
static void
expect(uint32_t what, const char *reference, const char *path, const char *text)
{
	static char buf[CONFIG_FILE_MAX];
	char want[256];
	struct err e;
	size_t size;
	int fd = -1;

	if (find_open(&dirs, what, reference, tmp, found, &fd, &e) != 1)
		fail_msg("%s: %s", reference, e.msg);
	(void)snprintf(want, sizeof(want), "%s/%s", tmp, path);
	assert_string_equal(want, found);
	assert_int_equal(0, find_read(found, fd, buf, &size, &e));
	assert_int_equal(strlen(text), size);
	assert_memory_equal(text, buf, size);
}

static int
answer(uint32_t what, const char *reference, struct err *e)
{
	int fd = -1, rc;

	rc = find_open(&dirs, what, reference, tmp, found, &fd, e);
	if (fd != -1)
		(void)close(fd);
	return rc;
}

static void
find_open__by_name__etc_before_user_before_share(void **state)
{
	struct err e;

	(void)state;
	put_file("share/policies/org/x.yaml", "share");
	expect(CONFIG_WHAT_EXTENDS, "org/x", "share/policies/org/x.yaml",
	    "share");
	put_file("user/policies/org/x.yaml", "user");
	expect(CONFIG_WHAT_EXTENDS, "org/x", "user/policies/org/x.yaml",
	    "user");
	put_file("etc/policies/org/x.yaml", "etc");
	expect(CONFIG_WHAT_EXTENDS, "org/x", "etc/policies/org/x.yaml", "etc");
	/* A service is something else. */
	assert_int_equal(0, answer(CONFIG_WHAT_SERVICE, "org/x", &e));
	assert_non_null(strstr(e.msg, "services/org/x.yaml"));
}

static void
find_open__beside__ending_added_once(void **state)
{
	(void)state;
	put_file("a.yaml", "a");
	expect(CONFIG_WHAT_EXTENDS, "./a", "a.yaml", "a");
	expect(CONFIG_WHAT_EXTENDS, "./a.yaml", "a.yaml", "a");
	expect(CONFIG_WHAT_SERVICE, "./a.yaml", "a.yaml", "a");
	put_file("etc/b.yaml", "b");
	expect(CONFIG_WHAT_EXTENDS, "./etc/b", "etc/b.yaml", "b");
}

static void
find_open__not_a_reference__refused(void **state)
{
	static const char *const bad[] = { "", "/etc/passwd", "a/../b", "..",
		".", "./", "./.hidden", "a//b", "a/", "a b", "a\nb", "~/x",
		"x\x80" };
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++)
		if (answer(CONFIG_WHAT_EXTENDS, bad[i], &e) != -1)
			fail_msg("\"%s\" was looked for", bad[i]);
	assert_int_equal(-1, answer(CONFIG_WHAT__MAX, "a", &e));
	assert_int_equal(-1, answer(UINT32_MAX, "a", &e));
}

static void
find_open__not_a_file__of_no_use(void **state)
{
	static char big[4096];
	char path[256];
	struct err e;
	int fds = unit_count_fds(), fd, i;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/fifo.yaml", tmp);
	assert_int_equal(0, mkfifo(path, 0600));
	/* Nobody writes to it: this must come back all the same. */
	assert_refused(answer(CONFIG_WHAT_EXTENDS, "./fifo", &e), &e,
	    ERR_INVALID, "not a regular file");
	make_dir("folder.yaml");
	assert_refused(answer(CONFIG_WHAT_EXTENDS, "./folder", &e), &e,
	    ERR_INVALID, "not a regular file");
	(void)snprintf(path, sizeof(path), "%s/big.yaml", tmp);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (i = 0; i < CONFIG_FILE_MAX / 4096; i++)
		assert_int_equal(4096, write(fd, big, 4096));
	assert_int_equal(1, answer(CONFIG_WHAT_EXTENDS, "./big", &e));
	assert_int_equal(1, write(fd, big, 1));
	assert_int_equal(0, close(fd));
	assert_refused(answer(CONFIG_WHAT_EXTENDS, "./big", &e), &e, ERR_LIMIT,
	    "larger than 1 MiB");
	assert_int_equal(fds, unit_count_fds());
}

static void
find_open__builtin__no_descriptor(void **state)
{
	struct err e;
	int fd = 77;

	(void)state;
	assert_int_equal(1, find_open(&dirs, CONFIG_WHAT_EXTENDS,
				"builtin/default", tmp, found, &fd, &e));
	assert_int_equal(-1, fd);
	assert_string_equal("builtin/default", found);
	assert_int_equal(0, answer(CONFIG_WHAT_EXTENDS, "builtin/other", &e));
}

static void
find_open__ceiling__only_in_etc(void **state)
{
	struct err e;

	(void)state;
	put_file("ceiling.yaml", "beside");
	put_file("user/ceiling.yaml", "user");
	assert_int_equal(0, answer(CONFIG_WHAT_CEILING, "ceiling", &e));
	put_file("etc/ceiling.yaml", "etc");
	/* Whatever the reference says. */
	expect(CONFIG_WHAT_CEILING, "../../x", "etc/ceiling.yaml", "etc");
}

static void
find_dirs_init__home__its_config(void **state)
{
	struct find_dirs d;

	(void)state;
	find_dirs_init(&d, "/home/me");
	assert_string_equal("/etc/warder", d.etc);
	assert_string_equal("/home/me/.config/warder", d.user);
	find_dirs_init(&d, "");
	assert_string_equal("", d.user);
	find_dirs_init(&d, "relative");
	assert_string_equal("", d.user);
}

static int
setup(void **state)
{
	static const char *const folders[] = { "etc", "etc/policies",
		"etc/policies/org", "user", "user/policies",
		"user/policies/org", "share", "share/policies",
		"share/policies/org" };
	size_t i;

	(void)state;
	(void)snprintf(tmp, sizeof(tmp), "/tmp/test_find.XXXXXX");
	if (mkdtemp(tmp) == NULL)
		return -1;
	for (i = 0; i < countof(folders); i++)
		make_dir(folders[i]);
	(void)snprintf(dirs.etc, sizeof(dirs.etc), "%s/etc", tmp);
	(void)snprintf(dirs.user, sizeof(dirs.user), "%s/user", tmp);
	(void)snprintf(dirs.share, sizeof(dirs.share), "%s/share", tmp);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return unit_remove_tree(tmp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    find_open__by_name__etc_before_user_before_share),
		cmocka_unit_test(find_open__beside__ending_added_once),
		cmocka_unit_test(find_open__not_a_reference__refused),
		cmocka_unit_test(find_open__not_a_file__of_no_use),
		cmocka_unit_test(find_open__builtin__no_descriptor),
		cmocka_unit_test(find_open__ceiling__only_in_etc),
		cmocka_unit_test(find_dirs_init__home__its_config),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
