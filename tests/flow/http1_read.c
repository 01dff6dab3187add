/*
 * http1_read.c: reads HTTP messages with base/http1 and says what it read.
 *
 * For the comparison with another parser, tests/flow/test_http1_peer.py.
 * Standard input is records, numbers little-endian:
 *
 *	| kind u8 | method length u8 | method | length u32 | bytes |
 *
 * kind is an enum http1_kind; a response answers a request of that method.
 * A record may have several messages, one behind the other.  For each:
 *
 *	M start minor method|status target|reason
 *	F name value		a field, again and again
 *	B payload
 *	T name value		a trailer, again and again
 *	E end			where the message ends in the record
 *
 * then ". WHY", which is "end", "more", "tunnel" or the name of a fault.
 * What comes from the message is in hex, with an x before it.
 */
#include <stdio.h>
#include <string.h>

#include "http1.h"

enum {
	RECORD_MAX = 1 << 20
};

static void
put_hex(const void *p, size_t n)
{
	const unsigned char *s = p;
	size_t i;

	printf(" x");
	for (i = 0; i < n; i++)
		printf("%02x", s[i]);
}

static void
put_fields(char tag, const struct http1_head *h)
{
	size_t i;

	for (i = 0; i < http1_head_count(h); i++) {
		struct http1_field f = http1_head_field(h, i);

		printf("%c", tag);
		put_hex(f.name, f.name_size);
		put_hex(f.value, f.value_size);
		printf("\n");
	}
}

static void
put_start(const struct http1_head *h, size_t start)
{
	char status[16];
	const char *first = status, *second;

	if (h->kind == HTTP1_REQUEST) {
		first = http1_head_method(h);
		second = http1_head_target(h);
	} else {
		(void)snprintf(status, sizeof(status), "%u", h->status);
		second = http1_head_reason(h);
	}
	printf("M %zu %u", start, h->minor);
	put_hex(first, strlen(first));
	put_hex(second, strlen(second));
	printf("\n");
	put_fields('F', h);
}

/* The body behind a head; returns why it went no further, NULL if it did. */
static const char *
read_body(const char *p, size_t n, size_t *at, enum http1_framing f,
    uint64_t bytes)
{
	static char payload[RECORD_MAX];
	enum http1_got got = HTTP1_MORE;
	size_t size = 0, used;
	struct http1_slice data;
	autohttp1_body b;

	http1_body_init(&b, f, bytes, NULL);
	do {
		got = http1_body_read(&b, p + *at, n - *at, &used, &data);
		*at += used;
		if (data.size > 0)
			memcpy(payload + size, data.at, data.size);
		size += data.size;
	} while (got == HTTP1_MORE && *at < n);
	if (got == HTTP1_MORE && f == HTTP1_BODY_CLOSE)
		got = http1_body_end(&b);
	if (got != HTTP1_DONE)
		return got == HTTP1_MORE ? "more" : http1_fault_name(b.fault);
	printf("B");
	put_hex(payload, size);
	printf("\n");
	put_fields('T', &b.trailers);
	printf("E %zu\n", *at);
	return NULL;
}

static const char *
read_message(enum http1_kind kind, const char *method, const char *p, size_t n,
    size_t *at)
{
	enum http1_framing f;
	enum http1_got got;
	const char *why;
	uint64_t bytes;
	size_t used;
	autohttp1_head h;

	http1_head_init(&h, kind, NULL);
	got = http1_head_read(&h, p + *at, n - *at, &used);
	if (got != HTTP1_DONE)
		return got == HTTP1_MORE ? "more" : http1_fault_name(h.fault);
	put_start(&h, *at);
	*at += used;
	f = http1_head_framing(&h, method, &bytes);
	why = read_body(p, n, at, f, bytes);
	if (why == NULL && (f == HTTP1_BODY_TUNNEL || f == HTTP1_BODY_CLOSE))
		why = "tunnel";
	return why;
}

static int
read_exactly(void *p, size_t n)
{
	return fread(p, 1, n, stdin) == n ? 0 : -1;
}

/* One record; 1 at the end of the input, -1 if it is cut. */
static int
read_record(void)
{
	static char bytes[RECORD_MAX];
	unsigned char kind, length, number[4];
	char method[256] = "";
	const char *why = NULL;
	size_t n, at = 0;

	if (read_exactly(&kind, 1) == -1)
		return 1;
	if (read_exactly(&length, 1) == -1 ||
	    read_exactly(method, length) == -1 ||
	    read_exactly(number, sizeof(number)) == -1)
		return -1;
	n = (size_t)number[0] | (size_t)number[1] << 8 |
	    (size_t)number[2] << 16 | (size_t)number[3] << 24;
	if (n > sizeof(bytes) || read_exactly(bytes, n) == -1)
		return -1;
	while (why == NULL && at < n)
		why = read_message(kind == HTTP1_REQUEST ? HTTP1_REQUEST
							 : HTTP1_RESPONSE,
		    method, bytes, n, &at);
	printf(". %s\n", why != NULL ? why : "end");
	return 0;
}

int
main(void)
{
	int rc;

	do
		rc = read_record();
	while (rc == 0);
	return rc == 1 && fflush(stdout) == 0 ? 0 : 1;
}
