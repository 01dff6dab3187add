/* test_blobs.c: bytes in chunks by digest, and what an agent may hold. */
#include "unit.h"

#include "supervisor/control/agent/blobs.h"

/* printf 'hello world' | sha256sum */
static const char hello[] =
    "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

static void
blobs_put__chunks_in_order__whole(void **state)
{
	struct blobs *b = blobs_create("default");
	struct err e;
	uint64_t have;
	size_t n;

	(void)state;
	assert_int_equal(0, blobs_put(b, hello, 11, 0, "hello ", 6, &have, &e));
	assert_int_equal(6, have);
	assert_null(blobs_find(b, hello, &n));
	assert_int_equal(0, blobs_put(b, hello, 11, 6, "world", 5, &have, &e));
	assert_int_equal(11, have);
	assert_memory_equal("hello world", blobs_find(b, hello, &n), 11);
	assert_int_equal(11, n);
	/* once more is fine, and changes nothing */
	assert_int_equal(0, blobs_put(b, hello, 11, 0, "jello ", 6, &have, &e));
	assert_int_equal(11, have);
	assert_memory_equal("hello world", blobs_find(b, hello, &n), 11);
	blobs_drop(b, hello);
	assert_null(blobs_find(b, hello, &n));
	blobs_destroy(b);
}

static void
blobs_put__not_what_was_said__refused(void **state)
{
	struct blobs *b = blobs_create("default");
	struct err e;
	uint64_t have;
	size_t n;

	(void)state;
	assert_refused(blobs_put(b, "xyz", 11, 0, "h", 1, &have, &e), &e,
	    ERR_INVALID, "digest");
	assert_refused(blobs_put(b, hello, 11, 0, "", 0, &have, &e), &e,
	    ERR_INVALID, "bytes");
	assert_refused(blobs_put(b, hello, 11, 1, "e", 1, &have, &e), &e,
	    ERR_INVALID, "order");
	assert_int_equal(0, blobs_put(b, hello, 11, 0, "hello ", 6, &have, &e));
	assert_refused(blobs_put(b, hello, 12, 6, "world", 5, &have, &e), &e,
	    ERR_INVALID, "size");
	assert_refused(blobs_put(b, hello, 11, 6, "world!", 6, &have, &e), &e,
	    ERR_INVALID, "size");
	assert_refused(blobs_put(b, hello, 11, 6, "World", 5, &have, &e), &e,
	    ERR_INVALID, "digest");
	assert_null(blobs_find(b, hello, &n));
	/* it can be tried again from its beginning */
	assert_int_equal(0,
	    blobs_put(b, hello, 11, 0, "hello world", 11, &have, &e));
	blobs_destroy(b);
}

static void
blobs_put__more_than_a_jail_or_its_tenant_may__refused(void **state)
{
	static char digest[BLOBS_HEX + 1];
	struct blobs *b[5], *other;
	struct err e;
	uint64_t have;
	size_t i;

	(void)state;
	memset(digest, 'a', BLOBS_HEX);
	for (i = 0; i < countof(b); i++)
		b[i] = blobs_create("default");
	assert_refused(blobs_put(b[0], digest, BLOBS_JAIL_BYTES + 1ULL, 0, "x",
			   1, &have, &e),
	    &e, ERR_LIMIT, "chunks");
	for (i = 0; i < 4; i++) {
		assert_int_equal(0, blobs_put(b[i], digest, BLOBS_JAIL_BYTES, 0,
					"x", 1, &have, &e));
		/* what is promised counts */
		assert_refused(blobs_put(b[i], hello, 11, 0, "x", 1, &have, &e),
		    &e, ERR_LIMIT, "chunks");
	}
	assert_refused(blobs_put(b[4], hello, 11, 0, "x", 1, &have, &e), &e,
	    ERR_LIMIT, "tenant");
	other = blobs_create("other");
	assert_int_equal(0, blobs_put(other, hello, 11, 0, "h", 1, &have, &e));
	blobs_destroy(b[0]);
	assert_int_equal(0, blobs_put(b[4], hello, 11, 0, "h", 1, &have, &e));
	for (i = 1; i < countof(b); i++)
		blobs_destroy(b[i]);
	blobs_destroy(other);
}

static void
blobs_keep__what_is_read__by_its_digest(void **state)
{
	struct blobs *b = blobs_create("default");
	char digest[BLOBS_HEX + 1];
	struct err e;
	size_t n;

	(void)state;
	assert_int_equal(0, blobs_keep(b, "hello world", 11, digest, &e));
	assert_string_equal(hello, digest);
	assert_int_equal(0, blobs_keep(b, "hello world", 11, digest, &e));
	assert_memory_equal("hello world", blobs_find(b, hello, &n), 11);
	blobs_destroy(b);
	blobs_destroy(NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(blobs_put__chunks_in_order__whole),
		cmocka_unit_test(blobs_put__not_what_was_said__refused),
		cmocka_unit_test(
		    blobs_put__more_than_a_jail_or_its_tenant_may__refused),
		cmocka_unit_test(blobs_keep__what_is_read__by_its_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
