/* fuzz_http1_response.c: a response's head; see http1_oracle.h. */
#include "tests/fuzz/http1_oracle.h"

static void
oracle_framing(const struct http1_head *h)
{
	static const char *const methods[] = { "GET", "HEAD", "CONNECT" };
	uint64_t bytes;
	size_t i;

	for (i = 0; i < countof(methods); i++) {
		enum http1_framing f =
		    http1_head_framing(h, methods[i], &bytes);

		assert(f == HTTP1_BODY_LENGTH || bytes == 0);
		assert(h->status >= 200 || f == HTTP1_BODY_NONE ||
		       f == HTTP1_BODY_TUNNEL);
		assert(f != HTTP1_BODY_CLOSE || !h->facts.has_length);
	}
}

static void
look_closer(const uint8_t *data, size_t size)
{
	autohttp1_head h;
	size_t used;

	http1_head_init(&h, HTTP1_RESPONSE, NULL);
	if (http1_head_read(&h, data + 1, size - 1, &used) == HTTP1_DONE)
		oracle_framing(&h);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	oracle_head(HTTP1_RESPONSE, data, size);
	look_closer(data, size);
	return 0;
}
