#include <stdio.h>
#include <string.h>

#include "http1_parts.h"

/* Append to a place that is large enough. */
static unsigned char *
http1_put(unsigned char *to, const void *p, size_t n)
{
	memcpy(to, p, n);
	return to + n;
}

static unsigned char *
http1_put_text(unsigned char *to, const char *s)
{
	return http1_put(to, s, strlen(s));
}

static unsigned char *
http1_put_start(unsigned char *to, const struct http1_head *h)
{
	const char *version = h->minor > 0 ? "HTTP/1.1" : "HTTP/1.0";
	char status[8];

	if (h->kind == HTTP1_REQUEST) {
		to = http1_put_text(to, http1_head_method(h));
		to = http1_put(to, " ", 1);
		to = http1_put_text(to, http1_head_target(h));
		to = http1_put(to, " ", 1);
		to = http1_put_text(to, version);
	} else {
		(void)snprintf(status, sizeof(status), " %03u ", h->status);
		to = http1_put_text(to, version);
		to = http1_put_text(to, status);
		to = http1_put_text(to, http1_head_reason(h));
	}
	return http1_put(to, "\r\n", 2);
}

static void
http1_put_head(unsigned char *to, const struct http1_head *h)
{
	size_t i;

	if (h->kind != HTTP1_TRAILERS)
		to = http1_put_start(to, h);
	for (i = 0; i < h->count; i++) {
		struct http1_field f = http1_head_field(h, i);

		to = http1_put(to, f.name, f.name_size);
		to = http1_put(to, ": ", 2);
		to = http1_put(to, f.value, f.value_size);
		to = http1_put(to, "\r\n", 2);
	}
	(void)http1_put(to, "\r\n", 2);
}

/*
 * Lines were checked when they were read or made, with the same functions;
 * what edits can spoil is the whole, which is judged here.
 */
int
http1_head_write(const struct http1_head *h, struct buf *out, struct err *e)
{
	struct http1_facts facts;
	enum http1_fault f = h->fault;
	unsigned char *to;
	size_t n;

	if (f == HTTP1_FAULT_NONE && h->kind != HTTP1_TRAILERS &&
	    h->state != HTTP1_AT_END)
		f = HTTP1_FAULT_CUT;
	if (f == HTTP1_FAULT_NONE)
		f = http1_judge(h, &facts);
	if (f != HTTP1_FAULT_NONE)
		return http1_refuse(e, f);
	n = http1_head_bytes(h);
	if (buf_reserve(out, n, &to, e) == -1)
		return -1;
	http1_put_head(to, h);
	buf_commit(out, n);
	return 0;
}

int
http1_chunk_write(const void *p, size_t n, struct buf *out, struct err *e)
{
	char size[32];
	unsigned char *to;
	size_t k;

	if (n == 0)
		return 0;
	k = (size_t)snprintf(size, sizeof(size), "%zx\r\n", n);
	if (k > HTTP1_CHUNK_DIGITS_MAX + 2 || n > SIZE_MAX - k - 2)
		return http1_refuse(e, HTTP1_FAULT_CHUNK_SIZE);
	if (buf_reserve(out, k + n + 2, &to, e) == -1)
		return -1;
	to = http1_put(to, size, k);
	to = http1_put(to, p, n);
	(void)http1_put(to, "\r\n", 2);
	buf_commit(out, k + n + 2);
	return 0;
}

int
http1_chunk_end(const struct http1_head *trailers, struct buf *out,
    struct err *e)
{
	static const char last[] = "0\r\n\r\n";
	unsigned char *to;
	size_t i, n;

	if (trailers == NULL)
		return buf_append(out, last, sizeof(last) - 1, e);
	for (i = 0; i < trailers->count; i++) {
		struct http1_field f = http1_head_field(trailers, i);

		if (http1_is_forbidden_trailer(f.name, f.name_size))
			return err_set(e, ERR_INVALID,
			    "HTTP: %s cannot be a trailer", f.name);
	}
	n = 3 + http1_head_bytes(trailers);
	if (buf_reserve(out, n, &to, e) == -1)
		return -1;
	http1_put_head(http1_put(to, last, 3), trailers);
	buf_commit(out, n);
	return 0;
}
