/* fuzz_http1_request.c: a request's head; see http1_oracle.h. */
#include "tests/fuzz/http1_oracle.h"

static void
oracle_target(const struct http1_head *h)
{
	struct http1_target t;
	struct http1_authority a;

	http1_head_split(h, &t);
	assert((t.form == HTTP1_AUTHORITY) ==
	       (strcmp(http1_head_method(h), "CONNECT") == 0));
	assert((t.authority.host.size > 0) ==
	       (t.form == HTTP1_AUTHORITY || t.form == HTTP1_ABSOLUTE));
	assert(t.authority.port <= 65535);
	assert(t.authority.host.size == 0 ||
	       memchr(t.authority.host.at, '@', t.authority.host.size) == NULL);
	assert(strpbrk(http1_head_target(h), "#\\ \t") == NULL);
	assert((http1_head_host(h, &a) == 0) == h->facts.has_host);
}

static void
look_closer(const uint8_t *data, size_t size)
{
	autohttp1_head h;
	size_t used;

	http1_head_init(&h, HTTP1_REQUEST, NULL);
	if (http1_head_read(&h, data + 1, size - 1, &used) == HTTP1_DONE)
		oracle_target(&h);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	oracle_head(HTTP1_REQUEST, data, size);
	look_closer(data, size);
	return 0;
}
