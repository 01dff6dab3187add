/*
 * fuzz_api_request.c: a request to the API, from its first byte to what its
 * handler would begin with: head, key, route, names, query, body.
 *
 * Whatever gets through is clean: names are UTF-8 without control characters,
 * ids are UUIDs in lower case, and what would be stored of a run is JSON that
 * reads back.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "supervisor/control/api/auth.h"
#include "supervisor/control/api/cors.h"
#include "supervisor/control/api/query.h"
#include "supervisor/control/api/routes.h"
#include "supervisor/control/api/runs.h"
#include "text.h"

enum {
	BODY_MAX = 1 << 16,
};

static void
must_be_clean(const char *s)
{
	size_t i, n = strlen(s);

	assert(text_is_utf8(s, n));
	for (i = 0; i < n; i++)
		assert((unsigned char)s[i] >= 0x20 && s[i] != 0x7f);
}

static void
try_key(const struct http1_head *h)
{
	char key[AUTH_KEY_SIZE];
	size_t i;

	if (auth_key_of(h, key, NULL) == -1 || key[0] == '\0')
		return;
	assert(strlen(key) == AUTH_KEY_SIZE - 1);
	assert(strncmp(key, "wdr_", 4) == 0);
	for (i = 4; key[i] != '\0'; i++)
		assert(strchr("0123456789abcdef", key[i]) != NULL);
}

static void
try_query(const struct http1_target *t)
{
	struct err e = { 0 };
	int64_t n = 5;
	int flag = 0;
	unsigned i;
	autoquery q;

	query_init(&q);
	if (t->query.at == NULL ||
	    query_parse(&q, t->query.at, t->query.size, &e) == -1)
		return;
	for (i = 0; i < q.n; i++) {
		must_be_clean(q.params[i].name);
		must_be_clean(q.params[i].value);
	}
	if (query_whole(&q, "limit", 1, 1000, &n, &e) == 0)
		assert(n >= 1 && n <= 1000);
	if (query_flag(&q, "wait", &flag, &e) == 0)
		assert(flag == 0 || flag == 1);
}

static void
try_run(const json_t *body)
{
	autojson *kwargs = NULL, *again = NULL;
	autofree char *text = NULL;
	struct runs_body b;
	struct err e = { 0 };
	size_t n;

	if (runs_body_read(body, &b, &e) == -1)
		return;
	assert(b.assistant_id != NULL);
	kwargs = runs_body_kwargs(&b, NULL, 0);
	assert(kwargs != NULL);
	assert(json_is_array(json_object_get(kwargs, "stream_mode")));
	assert(json_text(kwargs, &text, &n, &e) == 0);
	assert(json_parse(text, n, NULL, &again, &e) == 0);
	assert(json_equal(kwargs, again));
}

static void
try_body(const struct route *r, const void *p, size_t n)
{
	_Alignas(16) unsigned char ret[1024] = { 0 };
	autojson *j = NULL;
	struct err e = { 0 };

	if (json_parse(p, n, NULL, &j, &e) == -1)
		return;
	if (r->body == &runs_body_create)
		try_run(j);
	else if (r->body != NULL && r->body->n > 0)
		(void)!json_read(j, r->body->members, r->body->n, ret, &e);
}

/* What is behind the head, as one body. */
static void
read_body(const struct http1_head *h, const struct route *r,
    const uint8_t *data, size_t size)
{
	static char text[BODY_MAX];
	uint64_t bytes = 0;
	enum http1_framing f = http1_head_framing(h, NULL, &bytes);
	enum http1_got got = HTTP1_MORE;
	struct http1_slice piece;
	size_t used, n = 0;
	struct http1_body b;

	http1_body_init(&b, f, bytes, NULL);
	while (got == HTTP1_MORE && size > 0) {
		got = http1_body_read(&b, data, size, &used, &piece);
		data += used;
		size -= used;
		if (piece.size > sizeof(text) - n)
			break;
		if (piece.size > 0)
			memcpy(text + n, piece.at, piece.size);
		n += piece.size;
	}
	http1_body_finish(&b);
	if (got == HTTP1_DONE)
		try_body(r, text, n);
}

static void
try_request(const struct http1_head *h, const uint8_t *rest, size_t size)
{
	struct api_config config = { 0 };
	struct http1_target t;
	struct route_args args = { 0 };
	const struct route *r;
	unsigned i, others = 0;
	struct err e = { 0 };

	http1_head_split(h, &t);
	try_key(h);
	(void)cors_origin(&config, h);
	try_query(&t);
	if (router_find(router_method(http1_head_method(h)), t.path.at,
		t.path.size, &r, &args, &others, &e) == -1)
		return;
	for (i = 0; i < args.n; i++) {
		must_be_clean(args.text[i]);
		assert(args.text[i][0] != '\0');
	}
	if (strstr(r->path, "{run_id}") != NULL)
		assert(router_is_uuid(args.text[0]));
	read_body(h, r, rest, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autohttp1_head h;
	size_t used;

	http1_head_init(&h, HTTP1_REQUEST, NULL);
	if (http1_head_read(&h, data, size, &used) == HTTP1_DONE)
		try_request(&h, data + used, size - used);
	return 0;
}
