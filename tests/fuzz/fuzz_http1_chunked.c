/*
 * fuzz_http1_chunked.c: a chunked body.
 *
 *	| piece u8 | bytes ... |
 *
 * Read whole, in pieces and byte by byte, the result is the same; what was
 * accepted is written as chunks of "piece" bytes and reads the same.
 */
#include "tests/fuzz/http1_oracle.h"

struct result {
	struct http1_body body;
	struct buf payload;
	enum http1_got got;
	size_t used;
};

static void
result_finish(struct result *r)
{
	http1_body_finish(&r->body);
	buf_finish(&r->payload);
}

static void
result_read(struct result *r, const char *p, size_t n, size_t piece)
{
	struct http1_slice data;
	size_t used;

	r->got = HTTP1_MORE;
	r->used = 0;
	buf_init(&r->payload, 1 << 22);
	http1_body_init(&r->body, HTTP1_BODY_CHUNKED, 0, NULL);
	while (r->used < n && r->got == HTTP1_MORE) {
		size_t k = n - r->used < piece ? n - r->used : piece;

		r->got =
		    http1_body_read(&r->body, p + r->used, k, &used, &data);
		assert(used <= k && (used > 0 || r->got != HTTP1_MORE));
		assert(data.size == 0 ||
		       (data.at >= p + r->used &&
			   data.at + data.size <= p + r->used + used));
		r->used += used;
		if (r->got != HTTP1_REFUSED &&
		    buf_append(&r->payload, data.at, data.size, NULL) == -1)
			abort();
	}
	assert(
	    (r->got == HTTP1_REFUSED) == (r->body.fault != HTTP1_FAULT_NONE));
	if (r->got != HTTP1_REFUSED)
		assert(r->body.bytes == buf_size(&r->payload));
}

static void
result_same(const struct result *a, const struct result *b)
{
	assert(a->got == b->got && a->body.fault == b->body.fault);
	if (a->got == HTTP1_REFUSED)
		return;
	assert(buf_size(&a->payload) == buf_size(&b->payload));
	assert(memcmp(buf_bytes(&a->payload), buf_bytes(&b->payload),
		   buf_size(&a->payload)) == 0);
	oracle_same_fields(&a->body.trailers, &b->body.trailers);
}

static void
result_round(const struct result *r, size_t piece)
{
	const char *p = buf_bytes(&r->payload);
	size_t n = buf_size(&r->payload), at, k;
	cleanup(result_finish) struct result again;
	autobuf out;

	buf_init(&out, 1 << 24);
	for (at = 0; at < n; at += k) {
		k = n - at < piece ? n - at : piece;
		if (http1_chunk_write(p + at, k, &out, NULL) == -1)
			abort();
	}
	if (http1_chunk_end(&r->body.trailers, &out, NULL) == -1)
		abort();
	result_read(&again, buf_bytes(&out), buf_size(&out), SIZE_MAX);
	assert(again.used == buf_size(&out));
	result_same(r, &again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(result_finish) struct result whole, pieces, bytes;
	const char *p = (const char *)data + 1;
	size_t piece;

	memset(&whole, 0, sizeof(whole));
	pieces = bytes = whole;
	whole.payload.max = pieces.payload.max = bytes.payload.max = 1;
	if (size == 0)
		return 0;
	piece = (size_t)data[0] + 1;
	result_read(&whole, p, size - 1, SIZE_MAX);
	result_read(&pieces, p, size - 1, piece);
	result_read(&bytes, p, size - 1, 1);
	result_same(&whole, &pieces);
	result_same(&whole, &bytes);
	if (whole.got != HTTP1_DONE)
		return 0;
	assert(whole.used == pieces.used && whole.used == bytes.used);
	result_round(&whole, piece);
	return 0;
}
