/* base/buf.c: a byte queue with a hard maximum. */
#include "unit.h"

#include "buf.h"

static void
buf_append__pieces__come_out_in_order(void **state)
{
	autobuf b;
	unsigned next_in = 0, next_out = 0;
	int round;

	(void)state;
	buf_init(&b, 100000);
	for (round = 0; round < 400; round++) {
		unsigned char piece[211];
		const unsigned char *held;
		size_t i, n = (size_t)(round * 31 % 211);

		for (i = 0; i < n; i++)
			piece[i] = (unsigned char)(next_in++ % 251);
		assert_int_equal(buf_append(&b, piece, n, NULL), 0);
		held = buf_bytes(&b);
		n = buf_size(&b) * (size_t)(round % 4) / 3;
		if (n > buf_size(&b))
			n = buf_size(&b);
		for (i = 0; i < n; i++)
			assert_int_equal(held[i], next_out++ % 251);
		buf_consume(&b, n);
	}
	assert_int_equal(buf_size(&b), next_in - next_out);
}

static void
buf_append__maximum__reached_and_one_more_refused(void **state)
{
	autobuf b;
	static const char data[10000];
	struct err e;

	(void)state;
	buf_init(&b, sizeof(data));
	assert_int_equal(buf_append(&b, data, sizeof(data), &e), 0);
	assert_refused(buf_append(&b, data, 1, &e), &e, ERR_LIMIT,
	    "10000 bytes");
	assert_int_equal(buf_size(&b), sizeof(data));
	assert_refused(buf_append(&b, data, SIZE_MAX, &e), &e, ERR_LIMIT,
	    "10000 bytes");
	buf_consume(&b, 1);
	assert_int_equal(buf_append(&b, data, 1, &e), 0);
	assert_refused(buf_append(&b, data, 1, &e), &e, ERR_LIMIT,
	    "10000 bytes");
	assert_true(b.room <= sizeof(data));
}

static void
buf_reserve__partly_filled__only_committed_bytes_count(void **state)
{
	autobuf b;
	unsigned char *to;

	(void)state;
	buf_init(&b, 64);
	assert_int_equal(buf_append(&b, "ab", 2, NULL), 0);
	assert_int_equal(buf_reserve(&b, 10, &to, NULL), 0);
	memcpy(to, "cdefghijkl", 10);
	buf_commit(&b, 3);
	assert_int_equal(buf_size(&b), 5);
	assert_memory_equal(buf_bytes(&b), "abcde", 5);
}

/* A stream of any length through a small buffer takes no more memory. */
static void
buf_consume__long_stream__memory_stays(void **state)
{
	autobuf b;
	unsigned char piece[1500];
	unsigned next_in = 1000, next_out = 0;
	size_t i;
	int round;

	(void)state;
	buf_init(&b, 1 << 20);
	for (i = 0; i < sizeof(piece); i++)
		piece[i] = (unsigned char)(i % 251);
	assert_int_equal(buf_append(&b, piece, 1000, NULL), 0);
	for (round = 0; round < 1000; round++) {
		const unsigned char *held;

		for (i = 0; i < sizeof(piece); i++)
			piece[i] = (unsigned char)(next_in++ % 251);
		assert_int_equal(buf_append(&b, piece, sizeof(piece), NULL), 0);
		held = buf_bytes(&b);
		for (i = 0; i < sizeof(piece); i++)
			assert_int_equal(held[i], next_out++ % 251);
		buf_consume(&b, sizeof(piece));
	}
	assert_int_equal(buf_size(&b), 1000);
	assert_true(b.room <= 4096);
}

static void
buf_finish__used__empty_and_usable(void **state)
{
	autobuf b;

	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_size(&b), 0);
	assert_non_null(buf_bytes(&b));
	assert_int_equal(buf_append(&b, "", 0, NULL), 0);
	assert_null(b.data);
	assert_int_equal(buf_append(&b, "xy", 2, NULL), 0);
	buf_finish(&b);
	assert_int_equal(buf_size(&b), 0);
	assert_null(b.data);
	assert_int_equal(buf_append(&b, "z", 1, NULL), 0);
	assert_memory_equal(buf_bytes(&b), "z", 1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_append__pieces__come_out_in_order),
		cmocka_unit_test(
		    buf_append__maximum__reached_and_one_more_refused),
		cmocka_unit_test(
		    buf_reserve__partly_filled__only_committed_bytes_count),
		cmocka_unit_test(buf_consume__long_stream__memory_stays),
		cmocka_unit_test(buf_finish__used__empty_and_usable),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
