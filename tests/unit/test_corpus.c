/*
 * tests/unit/policy: every file of accept/ compiles, the same way twice;
 * every file of reject/ is refused with the place and the text that its
 * first line expects.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/builtin.h"
#include "policy/compile.h"
#include "policy/find.h"

enum {
	REJECT_LEAST = 80,
	ACCEPT_LEAST = 25
};

static char corpus[4096]; /* absolute, with a slash at the end */
static struct find_dirs dirs;
static struct resolve resolved;
static struct plan plan, again;
static struct seccomp_program program;
static union plan_net_room net;
static char text[CONFIG_FILE_MAX];

static int
open_file(void *arg, uint32_t what, const char *reference, const char *dir,
    struct arena *a, struct resolve_file *ret, struct err *e)
{
	char *buf;
	int fd = -1, rc;

	(void)arg;
	rc = find_open(&dirs, what, reference, dir, ret->path, &fd, e);
	if (rc != 1)
		return rc;
	if (fd == -1) {
		ret->text = builtin_policy(ret->path + 8, &ret->size);
		return 1;
	}
	buf = arena_alloc(a, CONFIG_FILE_MAX);
	ret->text = buf;
	return find_read(ret->path, fd, buf, &ret->size, e) == -1 ? -1 : 1;
}

static int
compile(const char *folder, const char *name, struct plan *ret,
    size_t *ret_size)
{
	char path[4400], dir[4200];
	struct resolve_request rq = { .text = text,
		.name = name,
		.dir = dir,
		.home = "/home/someone",
		.open = open_file };
	struct err e;
	int fd, rc;

	(void)snprintf(dir, sizeof(dir), "%s%s", corpus, folder);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(0, find_open_file(path, &fd, &e));
	assert_int_equal(0, find_read(path, fd, text, &rq.size, &e));
	*ret_size = rq.size;
	rc = resolve_policy(&resolved, &rq);
	return rc == 0 ? compile_policy(&resolved, ret, &program, &net) : rc;
}

/* The first message, without this machine's paths and the file's own name. */
static void
first_message(const char *name, char *ret, size_t size)
{
	const char *s = resolved.diag.errors.buf;
	size_t n = strlen(name);
	char *at;

	if (strncmp(s, name, n) == 0 && s[n] == ':')
		s += n + 1;
	(void)snprintf(ret, size, "%.*s", (int)strcspn(s, "\n"), s);
	n = strlen(corpus);
	while ((at = strstr(ret, corpus)) != NULL)
		memmove(at, at + n, strlen(at + n) + 1);
}

/* After "# expect: " in the first line. */
static void
expected_message(size_t size, char *ret, size_t ret_size)
{
	static const char mark[] = "# expect: ";
	const char *s =
	    memmem(text, size < 16 ? size : 16, mark, sizeof(mark) - 1);
	const char *end;

	assert_non_null(s);
	s += sizeof(mark) - 1;
	end = memchr(s, '\n', size - (size_t)(s - text));
	assert_non_null(end);
	(void)snprintf(ret, ret_size, "%.*s", (int)(end - s), s);
}

static int
for_each(const char *folder, int (*run)(const char *name))
{
	char path[4200];
	const struct dirent *de;
	int count = 0, bad = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s%s", corpus, folder);
	d = opendir(path);
	assert_non_null(d);
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		bad += run(de->d_name) == -1;
		count++;
	}
	assert_int_equal(0, closedir(d));
	assert_int_equal(0, bad);
	return count;
}

static int
accept_one(const char *name)
{
	size_t size;
	int rc;

	rc = compile("accept", name, &plan, &size);
	if (rc == -1)
		print_message("accept/%s: %s", name, resolved.diag.errors.buf);
	resolve_finish(&resolved);
	if (rc == -1)
		return -1;
	assert_int_equal(0, compile("accept", name, &again, &size));
	resolve_finish(&resolved);
	assert_int_equal(0, plan_check(&plan, plan_size(&plan), NULL));
	assert_memory_equal(plan.digest, again.digest, SHA256_SIZE);
	return 0;
}

static int
reject_one(const char *name)
{
	char expected[4096], got[4096];
	size_t size;
	int rc;

	rc = compile("reject", name, &plan, &size);
	expected_message(size, expected, sizeof(expected));
	first_message(name, got, sizeof(got));
	resolve_finish(&resolved);
	if (rc == -1 && strcmp(expected, got) == 0)
		return 0;
	print_message("reject/%s\n  expected %s\n  got      %s\n", name,
	    expected, rc == 0 ? "a plan" : got);
	return -1;
}

static void
corpus_accept__every_file__compiles(void **state)
{
	int n = for_each("accept", accept_one);

	(void)state;
	print_message("%d policies accepted\n", n);
	assert_true(n >= ACCEPT_LEAST);
}

static void
corpus_reject__every_file__place_and_text(void **state)
{
	int n = for_each("reject", reject_one);

	(void)state;
	print_message("%d policies refused\n", n);
	assert_true(n >= REJECT_LEAST);
}

/* Where this file was when it was compiled, made absolute. */
static int
setup(void **state)
{
	char cwd[2048], path[4096];
	const char *slash = strrchr(__FILE__, '/');

	(void)state;
	if (getcwd(cwd, sizeof(cwd)) == NULL || slash == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%.*s/policy",
	    (int)(slash - __FILE__), __FILE__);
	if (text_path(cwd, path, corpus, sizeof(corpus) - 1, NULL) == -1)
		return -1;
	(void)snprintf(dirs.etc, sizeof(dirs.etc), "/nonexistent");
	(void)snprintf(dirs.share, sizeof(dirs.share),
	    "%.3000s/../../../share/warder", corpus);
	/* Not what this machine's managers are set up for. */
	(void)snprintf(dirs.system, sizeof(dirs.system), "%.3000s/host",
	    corpus);
	(void)strncat(corpus, "/", 2);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corpus_accept__every_file__compiles),
		cmocka_unit_test(corpus_reject__every_file__place_and_text),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
