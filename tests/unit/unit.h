/*
 * unit.h: what every unit test includes.
 *
 * cmocka wants its four headers first.  A test is a static function named
 * module_action__condition__result and a row in the table of its file; a
 * test that this kernel cannot run says unit_skip(why), and the runner lists
 * it.
 */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "err.h"

/* Prints a line that tests/run takes for the reason, then leaves the test. */
#define unit_skip(...)                         \
	do {                                   \
		printf("# SKIP " __VA_ARGS__); \
		printf("\n");                  \
		(void)fflush(stdout);          \
		skip();                        \
	} while (0)

/* Expect -1 and the code; the message must contain text. */
#define assert_refused(call, err, want, text)                               \
	do {                                                                \
		(err)->code = ERR_OK;                                       \
		(err)->msg[0] = '\0';                                       \
		assert_int_equal((call), -1);                               \
		assert_string_equal(err_name((err)->code), err_name(want)); \
		if (strstr((err)->msg, (text)) == NULL)                     \
			fail_msg("\"%s\" does not say \"%s\"", (err)->msg,  \
			    (text));                                        \
	} while (0)

/* Open descriptors of this process: the witness against leaks. */
static inline int
unit_count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n - 3; /* ".", ".." and the directory itself */
}

static inline int
unit_remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* A test's own directory with all that is in it. */
static inline int
unit_remove_tree(const char *dir)
{
	return nftw(dir, unit_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif /* !UNIT_H */
