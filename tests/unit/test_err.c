/* base/err.c: what a caller and a log reader see of a failure. */
#include "unit.h"

#include <errno.h>

static void
err_set__system__keeps_errno_and_its_text(void **state)
{
	struct err e;

	(void)state;
	errno = ENOSPC;
	assert_int_equal(err_set(&e, ERR_SYSTEM, "write %s", "f"), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, ENOSPC);
	assert_string_equal(e.msg, "write f: No space left on device");
}

static void
err_set__other_code__has_no_errno(void **state)
{
	struct err e = { .sys = 5 };

	(void)state;
	errno = ENOSPC;
	assert_int_equal(err_set(&e, ERR_DENIED, "no %d", 7), -1);
	assert_int_equal(e.sys, 0);
	assert_string_equal(e.msg, "no 7");
}

static void
err_sys__number_given__errno_ignored(void **state)
{
	struct err e;

	(void)state;
	errno = ENOSPC;
	assert_int_equal(err_sys(&e, EPERM, "mount"), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, EPERM);
	assert_string_equal(e.msg, "mount: Operation not permitted");
}

static void
err_wrap__twice__outermost_first_and_code_kept(void **state)
{
	struct err e;

	(void)state;
	(void)err_set(&e, ERR_LIMIT, "full");
	assert_int_equal(err_wrap(&e, "row %d", 3), -1);
	assert_int_equal(err_wrap(&e, "table"), -1);
	assert_string_equal(e.msg, "table: row 3: full");
	assert_int_equal(e.code, ERR_LIMIT);
}

static void
err_null__every_call__returns_minus_one(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_DENIED, "x"), -1);
	assert_int_equal(err_sys(NULL, EPERM, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
}

static void
err_message__too_long__cut_and_ended(void **state)
{
	struct {
		struct err e;
		char guard[8];
	} s;

	char text[1024];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memset(s.guard, '#', sizeof(s.guard));
	(void)err_set(&s.e, ERR_DENIED, "%s", text);
	assert_int_equal(strlen(s.e.msg), sizeof(s.e.msg) - 1);
	(void)err_wrap(&s.e, "%s", text);
	(void)err_sys(&s.e, EPERM, "%s", text);
	assert_int_equal(strlen(s.e.msg), sizeof(s.e.msg) - 1);
	assert_memory_equal(s.guard, "########", sizeof(s.guard));
}

static void
err_table__every_code__named_and_classed(void **state)
{
	int i;

	(void)state;
	assert_string_equal(err_name(ERR_NOT_FOUND), "NOT_FOUND");
	assert_int_equal(err_http(ERR_DENIED), 403);
	assert_int_equal(err_retry(ERR_SYSTEM), 1);
	assert_int_equal(err_retry(ERR_INVALID), 0);
	assert_int_equal(err_exit(ERR_OK), 0);
	for (i = ERR_OK + 1; i < ERR__MAX; i++) {
		assert_true(err_http((enum err_code)i) >= 400);
		assert_int_equal(err_exit((enum err_code)i), 125);
		assert_in_range(-err_rpc((enum err_code)i), 32000, 32768);
		assert_true(strlen(err_text((enum err_code)i)) > 5);
	}
}

static void
err_table__unknown_code__safe_answer(void **state)
{
	static const int codes[] = { ERR__MAX, 1000, -1 };
	size_t i;

	(void)state;
	for (i = 0; i < countof(codes); i++) {
		enum err_code c = (enum err_code)codes[i];

		assert_string_equal(err_name(c), "?");
		assert_string_equal(err_text(c), "?");
		assert_int_equal(err_http(c), 500);
		assert_int_equal(err_retry(c), 0);
		assert_int_equal(err_exit(c), 125);
		assert_int_equal(err_rpc(c), -32000);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_set__system__keeps_errno_and_its_text),
		cmocka_unit_test(err_set__other_code__has_no_errno),
		cmocka_unit_test(err_sys__number_given__errno_ignored),
		cmocka_unit_test(
		    err_wrap__twice__outermost_first_and_code_kept),
		cmocka_unit_test(err_null__every_call__returns_minus_one),
		cmocka_unit_test(err_message__too_long__cut_and_ended),
		cmocka_unit_test(err_table__every_code__named_and_classed),
		cmocka_unit_test(err_table__unknown_code__safe_answer),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
