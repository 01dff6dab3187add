/* test_base64.c: RFC 4648's own vectors, every length, what is refused. */
#include "unit.h"

#include "base64.h"

static const char *const vectors[][2] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
};

static void
base64_encode__vectors__as_the_rfc(void **state)
{
	char text[16], back[16];
	struct err e;
	size_t i, n;

	(void)state;
	for (i = 0; i < countof(vectors); i++) {
		const char *p = vectors[i][0], *s = vectors[i][1];

		assert_int_equal(strlen(s), base64_size(strlen(p)));
		base64_encode(p, strlen(p), text);
		assert_memory_equal(s, text, strlen(s));
		assert_int_equal(0, base64_decode(s, strlen(s), back, &n, &e));
		assert_int_equal(strlen(p), n);
		assert_memory_equal(p, back, n);
	}
}

static void
base64_decode__every_byte_and_length__what_it_was(void **state)
{
	unsigned char in[256], back[260];
	char text[400];
	struct err e;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)(255 - i);
	for (i = 0; i <= sizeof(in); i++) {
		base64_encode(in, i, text);
		assert_true(base64_room(base64_size(i)) >= i);
		assert_int_equal(0,
		    base64_decode(text, base64_size(i), back, &n, &e));
		assert_int_equal(i, n);
		assert_memory_equal(in, back, n);
	}
}

static void
base64_decode__malformed__refused(void **state)
{
	static const char *const bad[] = { "Z", "Zg",
		"Zg=", "Zg===", "====", "Z===", "=Zg=", "Zg==Zg==", "Zm9v\n",
		"Zm 9", "Zm-_", "Zh==", "Zm9=", "Zm9v=", "\xc3\xa4==" };
	char back[16];
	struct err e;
	size_t i, n = 77;

	(void)state;
	for (i = 0; i < countof(bad); i++) {
		if (base64_decode(bad[i], strlen(bad[i]), back, &n, &e) != -1)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(ERR_INVALID, e.code);
		assert_int_equal(77, n);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_encode__vectors__as_the_rfc),
		cmocka_unit_test(
		    base64_decode__every_byte_and_length__what_it_was),
		cmocka_unit_test(base64_decode__malformed__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
