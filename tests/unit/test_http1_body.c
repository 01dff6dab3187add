/* base/http1_body.c: where a body ends, and nothing behind it. */
#include "unit_http1.h"

#include <time.h>

struct vector {
	const char *bytes;
	size_t size;
	enum http1_fault fault;
	const char *payload; /* of what is accepted */
};

#define V(bytes, fault)                                 \
	{                                               \
		BYTES(bytes), HTTP1_FAULT_##fault, NULL \
	}
#define GOOD(bytes, payload)                            \
	{                                               \
		BYTES(bytes), HTTP1_FAULT_NONE, payload \
	}

/* The same in one piece, byte by byte, and cut in two anywhere. */
static void
expect_chunked(const struct vector *v, size_t piece)
{
	autohttp1_body b;
	struct http1_result r;

	http1_body_init(&b, HTTP1_BODY_CHUNKED, 0, NULL);
	r = http1_body_pieces(&b, v->bytes, v->size, piece);
	if (r.fault != v->fault)
		fail_msg("pieces of %zu: %s instead of %s: %s", piece,
		    http1_fault_name(r.fault), http1_fault_name(v->fault),
		    v->bytes);
	if (v->payload == NULL) {
		assert_int_equal(r.got, HTTP1_REFUSED);
		assert_int_equal(http1_body_end(&b), HTTP1_REFUSED);
		return;
	}
	assert_int_equal(r.got, HTTP1_DONE);
	assert_int_equal(r.used, v->size);
	assert_int_equal(r.size, strlen(v->payload));
	assert_memory_equal(r.payload, v->payload, r.size);
	assert_int_equal(b.bytes, r.size);
	assert_int_equal(http1_body_end(&b), HTTP1_DONE);
}

static void
expect_vectors(const struct vector *v, size_t count)
{
	size_t i, piece;

	for (i = 0; i < count; i++)
		for (piece = 1; piece <= v[i].size; piece++)
			expect_chunked(&v[i], piece);
}

#define EXPECT(...)                                                  \
	do {                                                         \
		static const struct vector rows[] = { __VA_ARGS__ }; \
		expect_vectors(rows, countof(rows));                 \
	} while (0)

static void
http1_chunked__sizes__hex_digits_alone(void **state)
{
	(void)state;
	EXPECT(GOOD("0\r\n\r\n", ""), GOOD("000\r\n\r\n", ""),
	    GOOD("5\r\nhello\r\n0\r\n\r\n", "hello"),
	    GOOD("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
	    GOOD("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
	    GOOD("a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
		"\r\n\r\n\r\n\r\n\r\n"),
	    GOOD("000000000000005\r\nhello\r\n0\r\n\r\n", "hello"),
	    V("0000000000000005\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V("ffffffffffffffff\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V("10000000000000005\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V("+5\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V("-5\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V("0x5\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V(" 5\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V("5 \r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V("5\t\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V("5,\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V("5g\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	    V("\r\n0\r\n\r\n", CHUNK_SIZE), V("5\0\r\nhello\r\n", CONTROL));
}

static void
http1_chunked__line_ends__only_crlf(void **state)
{
	(void)state;
	EXPECT(V("5\nhello\r\n0\r\n\r\n", BARE_LF),
	    V("5\rhello\r\n0\r\n\r\n", BARE_CR),
	    V("5\r\rhello\r\n0\r\n\r\n", BARE_CR),
	    V("5\r\nhello\n0\r\n\r\n", CHUNK_END),
	    V("5\r\nhello0\r\n\r\n", CHUNK_END),
	    V("5\r\nhelloXX0\r\n\r\n", CHUNK_END),
	    V("5\r\nhello!\r\n0\r\n\r\n", CHUNK_END),
	    V("5\r\nhello\rX0\r\n\r\n", BARE_CR),
	    V("5\r\nhello\r\n0\n\r\n", BARE_LF),
	    V("5\r\nhello\r\n0\r\n\n", BARE_LF),
	    V("5\r\nhello\r\n0\r\n\rX", BARE_CR));
}

static void
http1_chunked__extensions__tokens_and_quoted_strings(void **state)
{
	(void)state;
	EXPECT(GOOD("1;a\r\nx\r\n0\r\n\r\n", "x"),
	    GOOD("1;a=b;c=\"d e;\\\"f\"\r\nx\r\n0;z\r\n\r\n", "x"),
	    GOOD("1;a=\"\"\r\nx\r\n0\r\n\r\n", "x"),
	    V("1;\r\nx\r\n0\r\n\r\n", CHUNK_EXT),
	    V("1;a=\r\nx\r\n0\r\n\r\n", CHUNK_EXT),
	    V("1;=b\r\nx\r\n0\r\n\r\n", CHUNK_EXT),
	    V("1; a\r\nx\r\n0\r\n\r\n", CHUNK_EXT),
	    V("1;a =b\r\nx\r\n0\r\n\r\n", CHUNK_EXT),
	    V("1;a=b c\r\nx\r\n0\r\n\r\n", CHUNK_EXT),
	    V("1;a=\"b\r\nx\r\n0\r\n\r\n", CHUNK_EXT),
	    V("1;a=\"b\\\"\r\nx\r\n0\r\n\r\n", CHUNK_EXT),
	    V("1;a=\"b\\\r\nx\r\n0\r\n\r\n", CHUNK_EXT),
	    V("1;a=\"b\"c\r\nx\r\n0\r\n\r\n", CHUNK_EXT),
	    V("1;a\nx\r\n0\r\n\r\n", BARE_LF),
	    V("1;a=\"b\nc\"\r\nx\r\n0\r\n\r\n", BARE_LF),
	    V("1;a=\"\0\"\r\nx\r\n0\r\n\r\n", CONTROL));
}

static void
http1_chunked__trailers__as_strict_as_fields(void **state)
{
	(void)state;
	EXPECT(GOOD("0\r\nX: a\r\nY: b\r\n\r\n", ""),
	    V("0\r\nX : a\r\n\r\n", NAME_SPACE), V("0\r\nX\r\n\r\n", COLON),
	    V("0\r\n X: a\r\n\r\n", FOLD), V("0\r\nX: a\r\n b\r\n\r\n", FOLD),
	    V("0\r\nX: a\n\r\n", BARE_LF), V("0\r\nX: a\0\r\n\r\n", CONTROL),
	    V("0\r\n: a\r\n\r\n", NAME_EMPTY),
	    V("0\r\ncontent-LENGTH: 7\r\n\r\n", TRAILER_FRAMING),
	    V("0\r\nX: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		TRAILER_FRAMING));
}

/* Whatever a trailer claims, it changes neither the body nor the request. */
static void
http1_chunked__forbidden_trailers__dropped(void **state)
{
	static const char bytes[] =
	    "1\r\nx\r\n0\r\nHost: b.test\r\nX-Digest: 1\r\n"
	    "Authorization: Bearer x\r\n"
	    "Connection: close\r\n"
	    "Cookie: a\r\nX-Digest: 2\r\nProxy-Authorization: x\r\n"
	    "Content-Type: text/html\r\nX-HTTP-Method-Override: PUT\r\n\r\n";
	autohttp1_body b;
	struct http1_result r;
	struct http1_field f;

	(void)state;
	http1_body_init(&b, HTTP1_BODY_CHUNKED, 0, NULL);
	r = http1_body_pieces(&b, BYTES(bytes), 7);
	assert_int_equal(r.got, HTTP1_DONE);
	assert_int_equal(r.size, 1);
	assert_int_equal(http1_head_count(&b.trailers), 2);
	f = http1_head_field(&b.trailers, 1);
	assert_string_equal(f.name, "X-Digest");
	assert_string_equal(f.value, "2");
}

static void
http1_body__bytes_behind_the_end__belong_to_the_next_message(void **state)
{
	static const char next[] = "GET /admin HTTP/1.1\r\n\r\n";

	static const struct {
		const char *bytes;
		enum http1_framing framing;
		uint64_t size;
		size_t used;
	} rows[] = {
		{ "", HTTP1_BODY_NONE, 0, 0 },
		{ "", HTTP1_BODY_TUNNEL, 0, 0 },
		{ "", HTTP1_BODY_LENGTH, 0, 0 },
		{ "hello", HTTP1_BODY_LENGTH, 5, 5 },
		{ "0\r\n\r\n", HTTP1_BODY_CHUNKED, 0, 5 },
		{ "2\r\nhi\r\n0\r\nX: a\r\n\r\n", HTTP1_BODY_CHUNKED, 0, 18 },
	};

	char bytes[128];
	size_t i, piece;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		int n =
		    snprintf(bytes, sizeof(bytes), "%s%s", rows[i].bytes, next);

		for (piece = 1; piece <= (size_t)n; piece++) {
			autohttp1_body b;
			struct http1_result r;

			http1_body_init(&b, rows[i].framing, rows[i].size,
			    NULL);
			r = http1_body_pieces(&b, bytes, (size_t)n, piece);
			assert_int_equal(r.got, HTTP1_DONE);
			assert_int_equal(r.used, rows[i].used);
		}
	}
}

/* A connection that ends is the end of a body in one case only. */
static void
http1_body_end__too_early__refused(void **state)
{
	static const struct {
		const char *bytes;
		enum http1_framing framing;
		unsigned size;
		enum http1_got want;
	} rows[] = {
		{ "", HTTP1_BODY_NONE, 0, HTTP1_DONE },
		{ "", HTTP1_BODY_CLOSE, 0, HTTP1_DONE },
		{ "abc", HTTP1_BODY_CLOSE, 0, HTTP1_DONE },
		{ "abc", HTTP1_BODY_LENGTH, 3, HTTP1_DONE },
		{ "abc", HTTP1_BODY_LENGTH, 4, HTTP1_REFUSED },
		{ "", HTTP1_BODY_LENGTH, 1, HTTP1_REFUSED },
		{ "0\r\n\r\n", HTTP1_BODY_CHUNKED, 0, HTTP1_DONE },
		{ "", HTTP1_BODY_CHUNKED, 0, HTTP1_REFUSED },
		{ "0\r\n\r", HTTP1_BODY_CHUNKED, 0, HTTP1_REFUSED },
		{ "0\r\n", HTTP1_BODY_CHUNKED, 0, HTTP1_REFUSED },
		{ "3\r\nabc", HTTP1_BODY_CHUNKED, 0, HTTP1_REFUSED },
		{ "3\r\nabc\r\n", HTTP1_BODY_CHUNKED, 0, HTTP1_REFUSED },
		{ "3\r\nab", HTTP1_BODY_CHUNKED, 0, HTTP1_REFUSED },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		autohttp1_body b;

		http1_body_init(&b, rows[i].framing, rows[i].size, NULL);
		(void)http1_body_pieces(&b, rows[i].bytes,
		    strlen(rows[i].bytes), 64);
		assert_int_equal(http1_body_end(&b), rows[i].want);
		if (rows[i].want == HTTP1_REFUSED)
			assert_int_equal(b.fault, HTTP1_FAULT_CUT);
	}
}

/* Bytes through a reader that must not care how many have come before. */
static enum http1_got
feed(struct http1_body *b, const char *p, size_t n)
{
	enum http1_got got = HTTP1_MORE;
	struct http1_slice data;
	size_t at = 0, used;

	while (at < n && got == HTTP1_MORE) {
		got = http1_body_read(b, p + at, n - at, &used, &data);
		at += used;
	}
	return got;
}

static void
http1_chunked__one_past_each_limit__refused(void **state)
{
	char line[HTTP1_CHUNK_LINE_MAX + 3];
	autohttp1_body b, c, d;
	enum http1_got got = HTTP1_MORE;
	int i;

	(void)state;
	memset(line, 'a', sizeof(line));
	memcpy(line, "0;", 2);
	memcpy(line + HTTP1_CHUNK_LINE_MAX, "\r\n", 2);
	http1_body_init(&b, HTTP1_BODY_CHUNKED, 0, NULL);
	assert_int_equal(feed(&b, line, HTTP1_CHUNK_LINE_MAX + 2), HTTP1_MORE);
	memcpy(line + HTTP1_CHUNK_LINE_MAX, "a\r\n", 3);
	http1_body_init(&c, HTTP1_BODY_CHUNKED, 0, NULL);
	assert_int_equal(feed(&c, line, sizeof(line)), HTTP1_REFUSED);
	assert_int_equal(c.fault, HTTP1_FAULT_CHUNK_LINE_LONG);

	/* 128 bytes of extension each: as many as fit, and one. */
	memset(line, 'a', sizeof(line));
	memcpy(line, "1;", 2);
	memcpy(line + 129, "\r\nx\r\n", 5);
	http1_body_init(&d, HTTP1_BODY_CHUNKED, 0, NULL);
	for (i = 0; i < HTTP1_CHUNK_EXT_MAX / 128; i++)
		assert_int_equal(feed(&d, line, 134), HTTP1_MORE);
	got = feed(&d, line, 134);
	assert_int_equal(got, HTTP1_REFUSED);
	assert_int_equal(d.fault, HTTP1_FAULT_CHUNK_EXT_LONG);
}

static void
http1_chunked__too_many_trailers__refused(void **state)
{
	autohttp1_body b, c;
	char value[1024 + 5];
	int i;

	(void)state;
	http1_body_init(&b, HTTP1_BODY_CHUNKED, 0, NULL);
	assert_int_equal(feed(&b, BYTES("0\r\n")), HTTP1_MORE);
	for (i = 0; i < HTTP1_TRAILERS_MAX; i++)
		assert_int_equal(feed(&b, BYTES("X: a\r\n")), HTTP1_MORE);
	assert_int_equal(feed(&b, BYTES("X: a\r\n")), HTTP1_REFUSED);
	assert_int_equal(b.fault, HTTP1_FAULT_FIELDS_MANY);

	memset(value, 'a', sizeof(value));
	memcpy(value, "X: ", 3);
	memcpy(value + sizeof(value) - 2, "\r\n", 2);
	http1_body_init(&c, HTTP1_BODY_CHUNKED, 0, NULL);
	assert_int_equal(feed(&c, BYTES("0\r\n")), HTTP1_MORE);
	for (i = 0; i < HTTP1_TRAILER_BYTES_MAX / 1029; i++)
		assert_int_equal(feed(&c, value, sizeof(value)), HTTP1_MORE);
	assert_int_equal(feed(&c, value, sizeof(value)), HTTP1_REFUSED);
	assert_int_equal(c.fault, HTTP1_FAULT_HEAD_LONG);
}

/* A size that fits the digits is not too large by itself: callers count. */
static void
http1_chunked__huge_chunk__counted_and_not_believed(void **state)
{
	autohttp1_body b;

	(void)state;
	http1_body_init(&b, HTTP1_BODY_CHUNKED, 0, NULL);
	assert_int_equal(feed(&b, BYTES("fffffffffffffff\r\nhello")),
	    HTTP1_MORE);
	assert_int_equal(b.bytes, 5);
	assert_int_equal(http1_body_end(&b), HTTP1_REFUSED);
}

/* Quadratic time would be hours here, linear is milliseconds. */
static void
http1_chunked__million_one_byte_chunks__linear_time(void **state)
{
	clock_t begin = clock();
	autohttp1_body b;
	int i;

	(void)state;
	http1_body_init(&b, HTTP1_BODY_CHUNKED, 0, NULL);
	for (i = 0; i < 1000000; i++)
		assert_int_equal(feed(&b, BYTES("1\r\nx\r\n")), HTTP1_MORE);
	assert_int_equal(feed(&b, BYTES("0\r\n\r\n")), HTTP1_DONE);
	assert_int_equal(b.bytes, 1000000);
	assert_true((clock() - begin) / CLOCKS_PER_SEC < 10);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(http1_chunked__sizes__hex_digits_alone),
		cmocka_unit_test(http1_chunked__line_ends__only_crlf),
		cmocka_unit_test(
		    http1_chunked__extensions__tokens_and_quoted_strings),
		cmocka_unit_test(http1_chunked__trailers__as_strict_as_fields),
		cmocka_unit_test(http1_chunked__forbidden_trailers__dropped),
		cmocka_unit_test(
		    http1_body__bytes_behind_the_end__belong_to_the_next_message),
		cmocka_unit_test(http1_body_end__too_early__refused),
		cmocka_unit_test(http1_chunked__one_past_each_limit__refused),
		cmocka_unit_test(http1_chunked__too_many_trailers__refused),
		cmocka_unit_test(
		    http1_chunked__huge_chunk__counted_and_not_believed),
		cmocka_unit_test(
		    http1_chunked__million_one_byte_chunks__linear_time),
	};

	return cmocka_run_group_tests_name("http1_body", tests, NULL, NULL);
}
