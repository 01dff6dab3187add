/*
 * http1_oracle.h: what must hold for any bytes that base/http1_head.c reads.
 *
 *	| piece u8 | bytes ... |
 *
 * The bytes are read whole, in pieces of "piece" bytes, and one by one, with
 * the same result.  What is accepted is looked at again by a reader that is
 * too simple to be wrong, is written, and reads and writes the same; and then
 * no edit with these bytes makes more of it than was asked for.
 */
#ifndef HTTP1_ORACLE_H
#define HTTP1_ORACLE_H

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline enum http1_got
oracle_read(struct http1_head *h, const char *p, size_t n, size_t piece,
    size_t *ret_used)
{
	enum http1_got got = HTTP1_MORE;
	size_t at = 0, used;

	while (at < n && got == HTTP1_MORE) {
		size_t k = n - at < piece ? n - at : piece;

		got = http1_head_read(h, p + at, k, &used);
		assert(used <= k && (got != HTTP1_MORE || used == k));
		at += used;
	}
	*ret_used = at;
	return got;
}

static inline void
oracle_same_fields(const struct http1_head *a, const struct http1_head *b)
{
	size_t i;

	assert(http1_head_count(a) == http1_head_count(b));
	for (i = 0; i < http1_head_count(a); i++) {
		struct http1_field f = http1_head_field(a, i);
		struct http1_field g = http1_head_field(b, i);

		assert(strlen(f.name) == f.name_size);
		assert(strlen(f.value) == f.value_size);
		assert(strcmp(f.name, g.name) == 0);
		assert(strcmp(f.value, g.value) == 0);
	}
}

static inline void
oracle_same(const struct http1_head *a, const struct http1_head *b)
{
	assert(a->kind == b->kind && a->minor == b->minor);
	assert(a->facts.length == b->facts.length);
	assert(a->facts.has_host == b->facts.has_host);
	assert(a->facts.has_length == b->facts.has_length);
	assert(a->facts.chunked == b->facts.chunked);
	assert(a->facts.persists == b->facts.persists);
	assert(a->facts.wants_continue == b->facts.wants_continue);
	assert(a->facts.upgrade == b->facts.upgrade);
	assert(a->facts.wants_trailers == b->facts.wants_trailers);
	if (a->kind == HTTP1_REQUEST) {
		assert(strcmp(http1_head_method(a), http1_head_method(b)) == 0);
		assert(strcmp(http1_head_target(a), http1_head_target(b)) == 0);
	} else if (a->kind == HTTP1_RESPONSE) {
		assert(a->status == b->status);
		assert(strcmp(http1_head_reason(a), http1_head_reason(b)) == 0);
	}
	oracle_same_fields(a, b);
}

/* How many lines of the head begin with the name and a colon. */
static inline size_t
oracle_lines(const char *p, size_t n, const char *name)
{
	size_t i, k = strlen(name), count = 0;

	for (i = 0; i + k < n; i++)
		count += (i == 0 || p[i - 1] == '\n') &&
			 strncasecmp(p + i, name, k) == 0 && p[i + k] == ':';
	return count;
}

/* A field's line without its CRLF: a name, then at once a colon. */
static inline void
oracle_field_line(const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);

	assert(colon != NULL && colon != p);
	assert(strchr(" \t", p[0]) == NULL && strchr(" \t", colon[-1]) == NULL);
}

/* Written from the list of what is refused, not from the code. */
static inline void
oracle_look(const struct http1_head *h, const char *p, size_t n)
{
	size_t i, line = 0;

	assert(n >= 4 && memcmp(p + n - 4, "\r\n\r\n", 4) == 0);
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		assert(c >= 0x20 || c == '\t' || c == '\r' || c == '\n');
		assert(c != 0x7f);
		assert(c != '\r' || (i + 1 < n && p[i + 1] == '\n'));
		if (c != '\n')
			continue;
		assert(i > 0 && p[i - 1] == '\r');
		if (line > 0 && i + 1 < n)
			oracle_field_line(p + line, i - 1 - line);
		line = i + 1;
	}
	assert(oracle_lines(p, n, "Content-Length") +
		   oracle_lines(p, n, "Transfer-Encoding") <=
	       1);
	if (h->kind == HTTP1_REQUEST)
		assert(oracle_lines(p, n, "Host") ==
		       (h->minor > 0 ? 1 : h->facts.has_host));
}

/* Write h and read that into copy; the bytes must be one whole head. */
static inline void
oracle_write(const struct http1_head *h, struct http1_head *copy,
    struct buf *out)
{
	size_t used;

	buf_consume(out, buf_size(out));
	if (http1_head_write(h, out, NULL) == -1)
		abort();
	http1_head_reset(copy);
	assert(oracle_read(copy, buf_bytes(out), buf_size(out), SIZE_MAX,
		   &used) == HTTP1_DONE);
	assert(used == buf_size(out));
}

static inline void
oracle_round(const struct http1_head *h)
{
	autohttp1_head copy;
	autobuf once, twice;

	buf_init(&once, 1 << 20);
	buf_init(&twice, 1 << 20);
	http1_head_init(&copy, h->kind, NULL);
	oracle_write(h, &copy, &once);
	oracle_same(h, &copy);
	if (http1_head_write(&copy, &twice, NULL) == -1)
		abort();
	assert(buf_size(&once) == buf_size(&twice));
	assert(
	    memcmp(buf_bytes(&once), buf_bytes(&twice), buf_size(&once)) == 0);
}

/* The hop's fields go, hostile bytes come in as a value: one field more. */
static inline void
oracle_edit(struct http1_head *h, const char *p, size_t n)
{
	autohttp1_head copy;
	autobuf out;
	size_t before;

	buf_init(&out, 1 << 20);
	http1_head_init(&copy, h->kind, NULL);
	http1_head_remove_hop(h);
	assert(http1_head_get(h, "Connection") == NULL);
	before = http1_head_count(h);
	if (http1_head_add(h, "X-Added", p, n, NULL) == 0)
		before++;
	assert(http1_head_count(h) == before);
	(void)http1_head_set(h, "X-Added", p, n / 2, NULL);
	if (h->kind == HTTP1_REQUEST && h->minor > 0 &&
	    http1_head_set(h, "Host", "a.test", 6, NULL) == -1)
		return;
	oracle_write(h, &copy, &out);
	oracle_same_fields(h, &copy);
}

/* size > 0 */
static inline void
oracle_head(enum http1_kind kind, const uint8_t *data, size_t size)
{
	autohttp1_head h, pieces, bytes;
	enum http1_got got;
	size_t used, other;
	const char *p = (const char *)data + 1;

	size--;
	http1_head_init(&h, kind, NULL);
	http1_head_init(&pieces, kind, NULL);
	http1_head_init(&bytes, kind, NULL);
	got = oracle_read(&h, p, size, SIZE_MAX, &used);
	assert(
	    oracle_read(&pieces, p, size, (size_t)data[0] + 1, &other) == got);
	assert(pieces.fault == h.fault);
	assert(got != HTTP1_DONE || other == used);
	assert(oracle_read(&bytes, p, size, 1, &other) == got);
	assert(bytes.fault == h.fault);
	assert((got == HTTP1_REFUSED) == (h.fault != HTTP1_FAULT_NONE));
	if (got != HTTP1_DONE)
		return;
	assert(other == used);
	oracle_same(&h, &pieces);
	oracle_same(&h, &bytes);
	oracle_look(&h, p, used);
	oracle_round(&h);
	oracle_edit(&h, p, size);
}

#endif /* !HTTP1_ORACLE_H */
