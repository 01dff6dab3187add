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

#endif /* !UNIT_HTTP1_H */
