/* unit_http1.h: messages for the tests of base/http1*.c. */
#ifndef UNIT_HTTP1_H
#define UNIT_HTTP1_H

#include "unit.h"

#include "http1.h"

/* A literal with its size, NUL bytes inside it included. */
#define BYTES(s) (s), sizeof(s) - 1

/* Read a head from pieces of at most "piece" bytes; *ret_used of all n. */
static inline enum http1_got
http1_read_pieces(struct http1_head *h, const char *p, size_t n, size_t piece,
    size_t *ret_used)
{
	enum http1_got got = HTTP1_MORE;
	size_t at = 0, used;

	while (at < n && got == HTTP1_MORE) {
		size_t k = n - at < piece ? n - at : piece;

		got = http1_head_read(h, p + at, k, &used);
		assert_true(used <= k);
		assert_true(got != HTTP1_MORE || used == k);
		at += used;
	}
	*ret_used = at;
	return got;
}

/* The head must be accepted, to the last byte. */
static inline void
http1_read_all(struct http1_head *h, const char *p, size_t n)
{
	size_t used;
	enum http1_got got = http1_head_read(h, p, n, &used);

	if (got != HTTP1_DONE)
		fail_msg("%s: %.80s", http1_fault_name(h->fault), p);
	assert_int_equal(used, n);
}

/* A body as it was read: its payload, and how it ended. */
struct http1_result {
	enum http1_got got;
	enum http1_fault fault;
	size_t used;
	size_t size;
	char payload[512];
};

/* Read a body from pieces; what it yields must come in order and fit. */
static inline struct http1_result
http1_body_pieces(struct http1_body *b, const char *p, size_t n, size_t piece)
{
	struct http1_result r = { .got = HTTP1_MORE };
	struct http1_slice data;
	size_t used;

	while (r.used < n && r.got == HTTP1_MORE) {
		size_t k = n - r.used < piece ? n - r.used : piece;

		r.got = http1_body_read(b, p + r.used, k, &used, &data);
		assert_true(used <= k);
		assert_true(r.got != HTTP1_MORE || used > 0);
		r.used += used;
		if (r.got == HTTP1_REFUSED)
			break;
		assert_true(data.size <= sizeof(r.payload) - r.size);
		if (data.size > 0)
			memcpy(r.payload + r.size, data.at, data.size);
		r.size += data.size;
	}
	r.fault = b->fault;
	return r;
}

#endif /* !UNIT_HTTP1_H */
