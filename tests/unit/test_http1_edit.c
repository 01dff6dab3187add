/* base/http1_{field,judge,write}.c: what a head says, edits, and back out. */
#include "unit_http1.h"

#include <inttypes.h>
#include <time.h>

#define HOST "Host: a.test\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST

static void
expect_written(const struct http1_head *h, const char *want)
{
	autobuf out;
	struct err e = { 0 };

	buf_init(&out, 1 << 20);
	if (http1_head_write(h, &out, &e) == -1)
		fail_msg("%s", e.msg);
	assert_int_equal(buf_size(&out), strlen(want));
	assert_memory_equal(buf_bytes(&out), want, buf_size(&out));
}

static void
expect_not_written(const struct http1_head *h, enum http1_fault f)
{
	autobuf out;
	struct err e;

	buf_init(&out, 1 << 20);
	assert_refused(http1_head_write(h, &out, &e), &e, ERR_INVALID,
	    http1_fault_text(f));
	assert_int_equal(buf_size(&out), 0);
}

static void
expect_slice(struct http1_slice s, const char *want)
{
	if (want == NULL) {
		assert_null(s.at);
		return;
	}
	assert_int_equal(s.size, strlen(want));
	assert_memory_equal(s.at, want, s.size);
}

static void
http1_split__each_form__raw_parts(void **state)
{
	static const struct {
		const char *line;
		enum http1_form form;
		unsigned port;
		const char *scheme, *host, *path, *query;
	} rows[] = {
		{ "GET /", HTTP1_ORIGIN, 0, NULL, NULL, "/", NULL },
		{ "GET /a%2f?b?c", HTTP1_ORIGIN, 0, NULL, NULL, "/a%2f",
		    "b?c" },
		{ "GET /?", HTTP1_ORIGIN, 0, NULL, NULL, "/", "" },
		{ "GET //b.test/x", HTTP1_ORIGIN, 0, NULL, NULL, "//b.test/x",
		    NULL },
		{ "GET /http://b.test/", HTTP1_ORIGIN, 0, NULL, NULL,
		    "/http://b.test/", NULL },
		{ "GET HTTP://B.test", HTTP1_ABSOLUTE, 0, "HTTP", "B.test", "",
		    NULL },
		{ "GET http://b.test:81?q", HTTP1_ABSOLUTE, 81, "http",
		    "b.test", "", "q" },
		{ "GET https://[::1]:8443/x?y", HTTP1_ABSOLUTE, 8443, "https",
		    "[::1]", "/x", "y" },
		{ "CONNECT b.test.:443", HTTP1_AUTHORITY, 443, NULL, "b.test.",
		    NULL, NULL },
		{ "OPTIONS *", HTTP1_ASTERISK, 0, NULL, NULL, "*", NULL },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		autohttp1_head h;
		struct http1_target t;
		char text[256];
		int n = snprintf(text, sizeof(text), "%s HTTP/1.1\r\n%s\r\n",
		    rows[i].line, HOST);

		http1_head_init(&h, HTTP1_REQUEST, NULL);
		http1_read_all(&h, text, (size_t)n);
		http1_head_split(&h, &t);
		assert_int_equal(t.form, rows[i].form);
		expect_slice(t.scheme, rows[i].scheme);
		expect_slice(t.authority.host, rows[i].host);
		assert_int_equal(t.authority.port, rows[i].port);
		expect_slice(t.path, rows[i].path);
		expect_slice(t.query, rows[i].query);
	}
}

static void
http1_head_host__given_or_not__as_sent(void **state)
{
	autohttp1_head h, g;
	struct http1_authority a;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	http1_read_all(&h, BYTES("GET / HTTP/1.1\r\nHost: A.Test:81\r\n\r\n"));
	assert_int_equal(http1_head_host(&h, &a), 0);
	expect_slice(a.host, "A.Test");
	assert_int_equal(a.port, 81);
	http1_head_init(&g, HTTP1_REQUEST, NULL);
	http1_read_all(&g, BYTES("GET / HTTP/1.0\r\n\r\n"));
	assert_int_equal(http1_head_host(&g, &a), -1);
}

static void
http1_facts__of_requests__as_the_fields_say(void **state)
{
	static const struct {
		const char *head;
		struct http1_facts want;
	} rows[] = {
		{ GET "\r\n", { .has_host = 1, .persists = 1 } },
		{ GET "Connection: x, CLOSE\r\n\r\n", { .has_host = 1 } },
		{ GET "Connection: x\r\nConnection: close\r\n\r\n",
		    { .has_host = 1 } },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", { 0 } },
		{ GET "Content-Length: 7\r\nExpect: 100-continue\r\n\r\n",
		    { .has_host = 1,
			.persists = 1,
			.has_length = 1,
			.length = 7,
			.wants_continue = 1 } },
		{ "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", { 0 } },
		{ GET "Transfer-Encoding: chunked\r\nTE: x;q=1, trailers\r\n"
		      "\r\n",
		    { .has_host = 1,
			.persists = 1,
			.chunked = 1,
			.wants_trailers = 1 } },
		{ GET "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		    { .has_host = 1, .persists = 1, .upgrade = 1 } },
		{ GET "Upgrade: websocket\r\n\r\n",
		    { .has_host = 1, .persists = 1 } },
		{ GET "Connection: upgrade\r\n\r\n",
		    { .has_host = 1, .persists = 1 } },
		{ "GET / HTTP/1.0\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		    { 0 } },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		autohttp1_head h;
		const struct http1_facts *w = &rows[i].want;

		http1_head_init(&h, HTTP1_REQUEST, NULL);
		http1_read_all(&h, rows[i].head, strlen(rows[i].head));
		assert_int_equal(h.facts.has_host, w->has_host);
		assert_int_equal(h.facts.has_length, w->has_length);
		assert_int_equal(h.facts.length, w->length);
		assert_int_equal(h.facts.chunked, w->chunked);
		assert_int_equal(h.facts.persists, w->persists);
		assert_int_equal(h.facts.wants_continue, w->wants_continue);
		assert_int_equal(h.facts.upgrade, w->upgrade);
		assert_int_equal(h.facts.wants_trailers, w->wants_trailers);
	}
}

#define LENGTH5 "Content-Length: 5\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

static void
http1_framing__by_head_and_method__one_answer(void **state)
{
	static const struct {
		enum http1_kind kind;
		const char *method, *head;
		enum http1_framing want;
		unsigned bytes;
	} rows[] = {
		{ HTTP1_REQUEST, NULL, GET, HTTP1_BODY_NONE, 0 },
		{ HTTP1_REQUEST, NULL, GET LENGTH5, HTTP1_BODY_LENGTH, 5 },
		{ HTTP1_REQUEST, NULL, GET "Content-Length: 0\r\n",
		    HTTP1_BODY_LENGTH, 0 },
		{ HTTP1_REQUEST, NULL, GET CHUNKED, HTTP1_BODY_CHUNKED, 0 },
		{ HTTP1_REQUEST, NULL,
		    "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n",
		    HTTP1_BODY_NONE, 0 },
		{ HTTP1_RESPONSE, "GET", "HTTP/1.1 200 x\r\n", HTTP1_BODY_CLOSE,
		    0 },
		{ HTTP1_RESPONSE, "GET", "HTTP/1.1 200 x\r\n" LENGTH5,
		    HTTP1_BODY_LENGTH, 5 },
		{ HTTP1_RESPONSE, "GET", "HTTP/1.1 500 x\r\n" CHUNKED,
		    HTTP1_BODY_CHUNKED, 0 },
		{ HTTP1_RESPONSE, "HEAD", "HTTP/1.1 200 x\r\n" LENGTH5,
		    HTTP1_BODY_NONE, 0 },
		{ HTTP1_RESPONSE, "HEAD", "HTTP/1.1 200 x\r\n" CHUNKED,
		    HTTP1_BODY_NONE, 0 },
		{ HTTP1_RESPONSE, "head", "HTTP/1.1 200 x\r\n" LENGTH5,
		    HTTP1_BODY_LENGTH, 5 },
		{ HTTP1_RESPONSE, "GET", "HTTP/1.1 304 x\r\n" LENGTH5,
		    HTTP1_BODY_NONE, 0 },
		{ HTTP1_RESPONSE, "GET", "HTTP/1.1 204 x\r\n", HTTP1_BODY_NONE,
		    0 },
		{ HTTP1_RESPONSE, "GET", "HTTP/1.1 103 x\r\n", HTTP1_BODY_NONE,
		    0 },
		{ HTTP1_RESPONSE, "GET", "HTTP/1.1 101 x\r\n",
		    HTTP1_BODY_TUNNEL, 0 },
		{ HTTP1_RESPONSE, "CONNECT", "HTTP/1.1 200 x\r\n" LENGTH5,
		    HTTP1_BODY_TUNNEL, 0 },
		{ HTTP1_RESPONSE, "CONNECT", "HTTP/1.1 299 x\r\n" CHUNKED,
		    HTTP1_BODY_TUNNEL, 0 },
		{ HTTP1_RESPONSE, "CONNECT", "HTTP/1.1 403 x\r\n" LENGTH5,
		    HTTP1_BODY_LENGTH, 5 },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		autohttp1_head h;
		uint64_t bytes;
		char text[256];
		int n = snprintf(text, sizeof(text), "%s\r\n", rows[i].head);

		http1_head_init(&h, rows[i].kind, NULL);
		http1_read_all(&h, text, (size_t)n);
		assert_int_equal(http1_head_framing(&h, rows[i].method, &bytes),
		    rows[i].want);
		assert_int_equal(bytes, rows[i].bytes);
	}
}

/* Neither a field's name nor its value gets a line end into a message. */
static void
http1_add__bytes_of_an_attacker__cannot_make_a_field(void **state)
{
	static const struct {
		const char *name, *value;
		size_t size;
	} rows[] = {
		{ "X", BYTES("a\r\nAuthorization: b") },
		{ "X", BYTES("a\nb") },
		{ "X", BYTES("a\rb") },
		{ "X", BYTES("a\0b") },
		{ "X", BYTES("a\x7f") },
		{ "X", BYTES("\r\n") },
		{ "X: a\r\nY", BYTES("b") },
		{ "X:", BYTES("b") },
		{ "X ", BYTES("b") },
		{ " X", BYTES("b") },
		{ "X Y", BYTES("b") },
		{ "", BYTES("b") },
		{ "\xc3\xa9", BYTES("b") },
	};

	autohttp1_head h;
	struct err e;
	size_t i;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	http1_read_all(&h, BYTES(GET "X: 1\r\n\r\n"));
	for (i = 0; i < countof(rows); i++) {
		assert_refused(http1_head_add(&h, rows[i].name, rows[i].value,
				   rows[i].size, &e),
		    &e, ERR_INVALID, "HTTP: ");
		assert_refused(http1_head_set(&h, rows[i].name, rows[i].value,
				   rows[i].size, &e),
		    &e, ERR_INVALID, "HTTP: ");
	}
	expect_written(&h, GET "X: 1\r\n\r\n");
	assert_int_equal(http1_head_add(&h, "Y", BYTES(" \tb c\t "), &e), 0);
	expect_written(&h, GET "X: 1\r\nY: b c\r\n\r\n");
}

static void
http1_make__bytes_of_an_attacker__cannot_make_a_line(void **state)
{
	static const struct {
		const char *method, *target;
	} requests[] = {
		{ "GET /x HTTP/1.1\r\nX:", "/" },
		{ "GET", "/ HTTP/1.1\r\nX: y" },
		{ "GET", "/ x" },
		{ "GET", "" },
		{ "", "/" },
		{ "GET ", "/" },
		{ "GET", "/x#y" },
		{ "GET", "x" },
		{ "CONNECT", "/" },
		{ "G\x01T", "/" },
	};

	static const struct {
		unsigned status;
		const char *reason;
	} responses[] = {
		{ 200, "OK\r\nX: y" },
		{ 200, "OK\n" },
		{ 200, "O\x01K" },
		{ 99, "x" },
		{ 600, "x" },
		{ 2000, "x" },
	};

	autohttp1_head h, r;
	struct err e;
	size_t i;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	for (i = 0; i < countof(requests); i++)
		assert_refused(http1_head_make_request(&h, requests[i].method,
				   requests[i].target, &e),
		    &e, ERR_INVALID, "HTTP: ");
	assert_int_equal(http1_head_make_request(&h, "GET", "/x", &e), 0);
	assert_refused(http1_head_set_target(&h, "/y z", &e), &e, ERR_INVALID,
	    "HTTP: ");
	assert_refused(http1_head_set_target(&h, "*", &e), &e, ERR_INVALID,
	    "HTTP: ");
	assert_int_equal(http1_head_add(&h, "Host", BYTES("a.test"), &e), 0);
	expect_written(&h, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	http1_head_init(&r, HTTP1_RESPONSE, NULL);
	for (i = 0; i < countof(responses); i++)
		assert_refused(http1_head_make_response(&r, responses[i].status,
				   responses[i].reason, &e),
		    &e, ERR_INVALID, "HTTP: ");
	assert_int_equal(http1_head_make_response(&r, 404, NULL, &e), 0);
	expect_written(&r, "HTTP/1.1 404 Not Found\r\n\r\n");
}

/* Fields that are right alone and wrong together do not get out. */
static void
http1_write__combination__judged_again(void **state)
{
	static const struct {
		const char *name, *value;
		enum http1_fault fault;
	} rows[] = {
		{ "Host", "b.test", HTTP1_FAULT_HOST_REPEATED },
		{ "Content-Length", "6", HTTP1_FAULT_LENGTH_REPEATED },
		{ "Transfer-Encoding", "chunked", HTTP1_FAULT_BOTH_LENGTHS },
		{ "Transfer-Encoding", "gzip", HTTP1_FAULT_CODING_UNKNOWN },
		{ "Connection", "Host", HTTP1_FAULT_CONNECTION_FIELD },
		{ "Expect", "x", HTTP1_FAULT_EXPECT },
	};

	autohttp1_head h, empty;
	struct err e;
	size_t i;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	for (i = 0; i < countof(rows); i++) {
		http1_head_reset(&h);
		http1_read_all(&h, BYTES(GET LENGTH5 "\r\n"));
		expect_written(&h, GET LENGTH5 "\r\n");
		assert_int_equal(http1_head_add(&h, rows[i].name, rows[i].value,
				     strlen(rows[i].value), &e),
		    0);
		expect_not_written(&h, rows[i].fault);
	}
	http1_head_reset(&h);
	http1_read_all(&h, BYTES(GET "\r\n"));
	assert_int_equal(http1_head_remove(&h, "HOST"), 1);
	expect_not_written(&h, HTTP1_FAULT_HOST_MISSING);
	http1_head_init(&empty, HTTP1_REQUEST, NULL);
	expect_not_written(&empty, HTTP1_FAULT_CUT);
}

static void
http1_set__repeated_field__one_stays_in_its_place(void **state)
{
	autohttp1_head h;
	struct err e;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	http1_read_all(&h,
	    BYTES(GET "authorization: a\r\nX: 1\r\nAuthorization: b\r\n"
		      "AUTHORIZATION: c\r\n\r\n"));
	assert_int_equal(http1_head_find(&h, "Authorization", 0), 1);
	assert_int_equal(http1_head_find(&h, "Authorization", 2), 3);
	assert_int_equal(http1_head_find(&h, "Authorizatio", 0), HTTP1_NOWHERE);
	assert_int_equal(http1_head_set(&h, "Authorization", BYTES("Bearer t"),
			     &e),
	    0);
	expect_written(&h, GET "Authorization: Bearer t\r\nX: 1\r\n\r\n");
	assert_int_equal(http1_head_set(&h, "Y", BYTES("2"), &e), 0);
	assert_int_equal(http1_head_remove(&h, "x"), 1);
	assert_string_equal(http1_head_get(&h, "y"), "2");
	assert_null(http1_head_get(&h, "x"));
	expect_written(&h, GET "Authorization: Bearer t\r\nY: 2\r\n\r\n");
}

/* A part of the head itself, while the head moves to make room for it. */
static void
http1_set__from_its_own_text__survives_the_move(void **state)
{
	static const char path[] = "/0123456789abcdef";
	autohttp1_head h;
	struct http1_target t;
	struct err e;
	char want[256];
	int i;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	http1_read_all(&h,
	    BYTES("GET http://a.test/0123456789abcdef?q HTTP/1.1\r\n" HOST
		  "X: y\r\n\r\n"));
	for (i = 0; i < 500; i++) {
		struct http1_field f;

		http1_head_split(&h, &t);
		assert_int_equal(http1_head_set_target(&h, t.path.at, &e), 0);
		f = http1_head_field(&h, 1);
		assert_int_equal(http1_head_set(&h, f.name, f.value,
				     f.value_size, &e),
		    0);
	}
	(void)snprintf(want, sizeof(want),
	    "GET %s?q HTTP/1.1\r\n%sX: y\r\n\r\n", path, HOST);
	expect_written(&h, want);
}

/* PX-12: the client's list of what to remove does not reach what we add. */
static void
http1_remove_hop__nominated_credential__added_one_stays(void **state)
{
	autohttp1_head h;
	struct err e;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	http1_read_all(&h,
	    BYTES(
		GET "X-A: 1\r\nConnection: authorization, close\r\n"
		    "Authorization: theirs\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
		    "Proxy-Authorization: x\r\nProxy-Connection: close\r\n"
		    "Connection: x-b,TE\r\nX-B: 2\r\nUpgrade: h2c\r\n"
		    "HTTP2-Settings: x\r\nTransfer-Encoding: chunked\r\n"
		    "X-C: 3\r\n\r\n"));
	http1_head_remove_hop(&h);
	assert_int_equal(http1_head_set_framing(&h, HTTP1_BODY_CHUNKED, 0, &e),
	    0);
	assert_int_equal(http1_head_set(&h, "Authorization", BYTES("ours"), &e),
	    0);
	expect_written(&h,
	    GET "X-A: 1\r\nX-C: 3\r\nTransfer-Encoding: chunked\r\n"
		"Authorization: ours\r\n\r\n");
	/* What was read stays known. */
	assert_true(h.facts.chunked && h.facts.wants_trailers);
	assert_false(h.facts.persists);
}

/* A Connection that names itself still names the others. */
static void
http1_remove_hop__connection_names_itself__all_go(void **state)
{
	autohttp1_head h;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	http1_read_all(&h,
	    BYTES(GET "Connection: connection, x-b\r\nX-A: 1\r\nX-B: 2\r\n"
		      "Connection: x-c\r\nX-C: 3\r\n\r\n"));
	http1_head_remove_hop(&h);
	expect_written(&h, GET "X-A: 1\r\n\r\n");
}

static void
http1_set_framing__each__one_field_or_none(void **state)
{
	static const struct {
		enum http1_framing framing;
		uint64_t bytes;
		const char *want;
	} rows[] = {
		{ HTTP1_BODY_LENGTH, 0, "Content-Length: 0\r\n" },
		{ HTTP1_BODY_CHUNKED, 0, CHUNKED },
		{ HTTP1_BODY_LENGTH, 5, LENGTH5 },
		{ HTTP1_BODY_NONE, 0, "" },
		{ HTTP1_BODY_CHUNKED, 0, CHUNKED },
		{ HTTP1_BODY_CLOSE, 0, "" },
	};

	autohttp1_head h;
	struct err e;
	char want[128];
	size_t i;

	(void)state;
	http1_head_init(&h, HTTP1_RESPONSE, NULL);
	http1_read_all(&h, BYTES("HTTP/1.1 200 OK\r\n\r\n"));
	for (i = 0; i < countof(rows); i++) {
		assert_int_equal(http1_head_set_framing(&h, rows[i].framing,
				     rows[i].bytes, &e),
		    0);
		(void)snprintf(want, sizeof(want), "HTTP/1.1 200 OK\r\n%s\r\n",
		    rows[i].want);
		expect_written(&h, want);
	}
	assert_refused(http1_head_set_framing(&h, HTTP1_BODY_LENGTH,
			   1000000000000000000, &e),
	    &e, ERR_INVALID, "Content-Length");
}

static void
http1_list_next__odd_lists__elements_alone(void **state)
{
	static const char list[] = " ,a , b\tc,,\t,d";
	struct http1_slice rest = { BYTES(list) };

	(void)state;
	expect_slice(http1_list_next(&rest), "a");
	expect_slice(http1_list_next(&rest), "b\tc");
	expect_slice(http1_list_next(&rest), "d");
	expect_slice(http1_list_next(&rest), NULL);
	expect_slice(http1_list_next(&rest), NULL);
}

static void
http1_chunk__written__read_back(void **state)
{
	autobuf out;
	autohttp1_body b;
	autohttp1_head t;
	struct http1_result r;
	struct err e;

	(void)state;
	buf_init(&out, 4096);
	http1_head_init(&t, HTTP1_TRAILERS, NULL);
	assert_int_equal(http1_chunk_write(BYTES("hello, "), &out, &e), 0);
	assert_int_equal(http1_chunk_write(NULL, 0, &out, &e), 0);
	assert_int_equal(http1_chunk_write(BYTES("sixteen bytes!!!"), &out, &e),
	    0);
	assert_int_equal(http1_head_add(&t, "Host", BYTES("b.test"), &e), 0);
	assert_refused(http1_chunk_end(&t, &out, &e), &e, ERR_INVALID, "Host");
	http1_head_reset(&t);
	assert_int_equal(http1_head_add(&t, "X-Sum", BYTES("7"), &e), 0);
	assert_int_equal(http1_chunk_end(&t, &out, &e), 0);
	assert_int_equal(buf_size(&out), strlen("7\r\nhello, \r\n"
						"10\r\nsixteen bytes!!!\r\n"
						"0\r\nX-Sum: 7\r\n\r\n"));
	http1_body_init(&b, HTTP1_BODY_CHUNKED, 0, NULL);
	r = http1_body_pieces(&b, buf_bytes(&out), buf_size(&out), 4096);
	assert_int_equal(r.got, HTTP1_DONE);
	assert_int_equal(r.used, buf_size(&out));
	assert_int_equal(r.size, 23);
	assert_memory_equal(r.payload, "hello, sixteen bytes!!!", 23);
	assert_string_equal(http1_head_get(&b.trailers, "x-sum"), "7");
	buf_consume(&out, buf_size(&out));
	assert_int_equal(http1_chunk_end(NULL, &out, &e), 0);
	assert_memory_equal(buf_bytes(&out), "0\r\n\r\n", 5);
}

/* A full buffer gets nothing rather than a part. */
static void
http1_write__no_room__nothing_appended(void **state)
{
	autohttp1_head h;
	autobuf out;
	struct err e;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	http1_read_all(&h, BYTES(GET "\r\n"));
	buf_init(&out, sizeof(GET));
	assert_refused(http1_head_write(&h, &out, &e), &e, ERR_LIMIT, "buffer");
	assert_refused(http1_chunk_write(GET, sizeof(GET), &out, &e), &e,
	    ERR_LIMIT, "buffer");
	assert_int_equal(buf_size(&out), 0);
}

/* What is read is written, and that is read as the same; cut anywhere. */
static void
http1_write__what_was_read__reads_the_same(void **state)
{
	static const struct {
		enum http1_kind kind;
		const char *bytes;
		const char *want; /* NULL: the same bytes */
	} rows[] = {
		{ HTTP1_REQUEST,
		    "GET /a?b HTTP/1.1\r\nHost: a.test\r\nX: y z\r\nX:\r\n\r\n",
		    "GET /a?b HTTP/1.1\r\nHost: a.test\r\nX: y z\r\nX: \r\n"
		    "\r\n" },
		{ HTTP1_REQUEST, "GET /  HTTP/1.1\r\n", "" },
		{ HTTP1_REQUEST,
		    "PUT http://a.test:80/ HTTP/1.0\r\nA:b\r\nC: \t d \t\r\n"
		    "\r\n",
		    "PUT http://a.test:80/ HTTP/1.0\r\nA: b\r\nC: d\r\n\r\n" },
		{ HTTP1_RESPONSE, "HTTP/1.1 200\r\nA: \xff\r\n\r\n",
		    "HTTP/1.1 200 \r\nA: \xff\r\n\r\n" },
		{ HTTP1_RESPONSE, "HTTP/1.0 404 a b  c\r\n\r\n", NULL },
		{ HTTP1_TRAILERS, "A: b\r\nC: d\r\n\r\n", NULL },
		{ HTTP1_TRAILERS, "\r\n", NULL },
	};

	size_t i, piece, used;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		const char *want =
		    rows[i].want != NULL ? rows[i].want : rows[i].bytes;
		size_t n = strlen(rows[i].bytes);

		for (piece = 1; piece <= n; piece++) {
			autohttp1_head h;

			http1_head_init(&h, rows[i].kind, NULL);
			if (http1_read_pieces(&h, rows[i].bytes, n, piece,
				&used) == HTTP1_DONE)
				expect_written(&h, want);
			else
				assert_string_equal(want, "");
			http1_head_reset(&h);
			if (want[0] == '\0')
				continue;
			http1_read_all(&h, want, strlen(want));
			expect_written(&h, want);
		}
	}
}

static void
http1_reset__credential__wiped_from_memory(void **state)
{
	autohttp1_head h;
	size_t i;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	http1_read_all(&h, BYTES(GET "Authorization: secret\r\n\r\n"));
	assert_false(http1_head_is_empty(&h));
	assert_non_null(memmem(h.text, h.text_room, "secret", 6));
	http1_head_reset(&h);
	assert_true(http1_head_is_empty(&h));
	for (i = 0; i < sizeof(GET); i++)
		assert_int_equal(h.text[i], 0);
	assert_null(memmem(h.text, h.text_room, "secret", 6));
	http1_read_all(&h, BYTES(GET "\r\n"));
	http1_head_finish(&h);
	assert_null(h.text);
	http1_read_all(&h, BYTES(GET "\r\n"));
}

/* "start", then n bytes of fill, then "end": done, or refused as f. */
static void
expect_filled(const char *start, size_t fill, const char *end,
    enum http1_fault f)
{
	size_t a = strlen(start), b = strlen(end), used;
	autofree char *p = malloc(a + fill + b);
	autohttp1_head h;
	enum http1_got got;

	assert_non_null(p);
	memcpy(p, start, a);
	memset(p + a, 'a', fill);
	memcpy(p + a + fill, end, b);
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	got = http1_read_pieces(&h, p, a + fill + b, a + fill + b, &used);
	assert_string_equal(http1_fault_name(h.fault), http1_fault_name(f));
	assert_int_equal(got,
	    f == HTTP1_FAULT_NONE ? HTTP1_DONE : HTTP1_REFUSED);
	http1_head_reset(&h);
	(void)http1_read_pieces(&h, p, a + fill + b, 1, &used);
	assert_string_equal(http1_fault_name(h.fault), http1_fault_name(f));
}

static void
http1_limits__one_past_each__refused_by_name(void **state)
{
	static const char end[] = " HTTP/1.1\r\n" HOST "\r\n";
	size_t start = HTTP1_START_MAX - strlen("GET / HTTP/1.1");
	size_t field = HTTP1_FIELD_MAX - strlen("X: ");

	(void)state;
	expect_filled("GET /", start, end, HTTP1_FAULT_NONE);
	expect_filled("GET /", start + 1, end, HTTP1_FAULT_START_LONG);
	expect_filled("GET /", 10 * start, "", HTTP1_FAULT_START_LONG);
	expect_filled(GET "X: ", field, "\r\n\r\n", HTTP1_FAULT_NONE);
	expect_filled(GET "X: ", field + 1, "\r\n\r\n", HTTP1_FAULT_FIELD_LONG);
	expect_filled(GET "X:", field, "\r\n\r\n", HTTP1_FAULT_NONE);
	/* It came shorter than it would be written. */
	expect_filled(GET "X:", field + 1, "\r\n\r\n", HTTP1_FAULT_FIELD_LONG);
	assert_int_equal(http1_fault_status(HTTP1_FAULT_START_LONG), 414);
	assert_int_equal(http1_fault_status(HTTP1_FAULT_FIELD_LONG), 431);
}

static enum http1_fault
fault_within(const struct http1_limits *limits, const char *text, size_t piece)
{
	autohttp1_head h;
	size_t used;

	http1_head_init(&h, HTTP1_REQUEST, limits);
	(void)http1_read_pieces(&h, text, strlen(text), piece, &used);
	return h.fault;
}

/* Which limit is named does not depend on how the bytes came. */
static void
http1_limits__two_at_once__the_nearer_is_named(void **state)
{
	static const char text[] = GET "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct http1_limits l = http1_limits_default;
	size_t left;

	(void)state;
	l.field_bytes = 20;
	for (left = 15; left < 25; left++) {
		enum http1_fault want = left < l.field_bytes
					    ? HTTP1_FAULT_HEAD_LONG
					    : HTTP1_FAULT_FIELD_LONG;

		l.head_bytes = (uint32_t)(strlen(GET) + left);
		assert_int_equal(fault_within(&l, text, sizeof(text)), want);
		assert_int_equal(fault_within(&l, text, 1), want);
		assert_int_equal(fault_within(&l, text, 7), want);
	}
}

/* "X:y" is written as "X: y": what fits only as it came is refused. */
static void
http1_limits__head_that_grows_when_written__refused(void **state)
{
	static const char text[] = GET "X:y\r\nX:y\r\nX:y\r\n\r\n";
	struct http1_limits l = http1_limits_default;

	(void)state;
	l.head_bytes = sizeof(text) - 1 + 3;
	assert_int_equal(fault_within(&l, text, 1), HTTP1_FAULT_NONE);
	l.head_bytes--;
	assert_int_equal(fault_within(&l, text, 1), HTTP1_FAULT_HEAD_LONG);
}

/* Feed line after line until one is refused; how many were accepted. */
static size_t
count_accepted(struct http1_head *h, const char *line, size_t n)
{
	size_t used, count = 0;

	while (
	    count < 1000000 && http1_head_read(h, line, n, &used) == HTTP1_MORE)
		count++;
	return count;
}

static void
http1_limits__endless_fields__refused_early(void **state)
{
	char line[1000];
	autohttp1_head h, g;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	assert_int_equal(count_accepted(&h, BYTES("X")), HTTP1_START_MAX);
	http1_head_reset(&h);
	assert_int_equal(count_accepted(&h, BYTES("\t")), HTTP1_START_MAX);
	http1_head_init(&g, HTTP1_RESPONSE, NULL);
	assert_int_equal(count_accepted(&g, BYTES("HTTP/1.1 200 OK\r\n")), 1);
	http1_head_reset(&g);
	memcpy(line, "HTTP/1.1 200 OK\r\n", 17);
	(void)http1_read_pieces(&g, line, 17, 17, &(size_t){ 0 });
	assert_int_equal(count_accepted(&g, BYTES("X: y\r\n")),
	    HTTP1_FIELDS_MAX);
	assert_int_equal(g.fault, HTTP1_FAULT_FIELDS_MANY);
	http1_head_reset(&g);
	(void)http1_read_pieces(&g, line, 17, 17, &(size_t){ 0 });
	memset(line, 'a', sizeof(line));
	memcpy(line, "X: ", 3);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	assert_int_equal(count_accepted(&g, line, sizeof(line)),
	    (HTTP1_HEAD_MAX - 17) / sizeof(line));
	assert_int_equal(g.fault, HTTP1_FAULT_HEAD_LONG);
	assert_true(g.text_room <= 2 * HTTP1_HEAD_MAX);
}

static void
http1_limits__edits__keep_them(void **state)
{
	static char value[HTTP1_FIELD_MAX];
	autohttp1_head h;
	struct err e;
	size_t i;

	(void)state;
	memset(value, 'a', sizeof(value));
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	http1_read_all(&h, BYTES(GET "\r\n"));
	assert_refused(http1_head_add(&h, "X", value, sizeof(value) - 2, &e),
	    &e, ERR_LIMIT, "a field is too long");
	assert_refused(http1_head_add(&h, "X", "", SIZE_MAX, &e), &e, ERR_LIMIT,
	    "a field is too long");
	for (i = 0; i < 3; i++)
		assert_int_equal(http1_head_add(&h, "X", value,
				     sizeof(value) - 3, &e),
		    0);
	assert_refused(http1_head_add(&h, "X", value, sizeof(value) - 3, &e),
	    &e, ERR_LIMIT, "too long together");
	assert_int_equal(http1_head_remove(&h, "X"), 3);
	for (i = 1; i < HTTP1_FIELDS_MAX; i++)
		assert_int_equal(http1_head_add(&h, "Y", BYTES("z"), &e), 0);
	assert_refused(http1_head_add(&h, "Y", BYTES("z"), &e), &e, ERR_LIMIT,
	    "too many fields");
	assert_int_equal(http1_head_set(&h, "Y", BYTES("z"), &e), 0);
	expect_written(&h, GET "Y: z\r\n\r\n");
}

/* Quadratic time would be hours here, linear is milliseconds. */
static void
http1_read__large_head_byte_by_byte__linear_time(void **state)
{
	static const struct http1_limits large = {
		.start_bytes = 1 << 20,
		.field_bytes = 4 << 20,
		.fields = 1 << 20,
		.head_bytes = 16 << 20,
	};
	clock_t begin = clock();
	autohttp1_head h;
	size_t used;
	int i;

	(void)state;
	http1_head_init(&h, HTTP1_REQUEST, &large);
	(void)http1_read_pieces(&h, BYTES(GET "X: "), 1, &used);
	for (i = 0; i < 4000000; i++)
		assert_int_equal(http1_head_read(&h, "a", 1, &used),
		    HTTP1_MORE);
	(void)http1_read_pieces(&h, BYTES("\r\n"), 1, &used);
	for (i = 0; i < 100000; i++)
		(void)http1_read_pieces(&h, BYTES("X:y\r\n"), 1, &used);
	assert_int_equal(http1_read_pieces(&h, BYTES("\r\n"), 1, &used),
	    HTTP1_DONE);
	assert_int_equal(http1_head_count(&h), 100002);
	assert_true((clock() - begin) / CLOCKS_PER_SEC < 20);
}

static void
http1_faults__every_row__has_status_and_text(void **state)
{
	size_t i;

	(void)state;
	for (i = 1; i < HTTP1_FAULT__MAX; i++) {
		assert_in_range(http1_fault_status((enum http1_fault)i), 400,
		    505);
		assert_true(strlen(http1_fault_text((enum http1_fault)i)) > 5);
		assert_true(strcmp(http1_reason(
				       http1_fault_status((enum http1_fault)i)),
				"") != 0);
	}
	assert_string_equal(http1_fault_name(HTTP1_FAULT__MAX), "?");
	assert_int_equal(http1_fault_status(HTTP1_FAULT__MAX), 500);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(http1_split__each_form__raw_parts),
		cmocka_unit_test(http1_head_host__given_or_not__as_sent),
		cmocka_unit_test(http1_facts__of_requests__as_the_fields_say),
		cmocka_unit_test(http1_framing__by_head_and_method__one_answer),
		cmocka_unit_test(
		    http1_add__bytes_of_an_attacker__cannot_make_a_field),
		cmocka_unit_test(
		    http1_make__bytes_of_an_attacker__cannot_make_a_line),
		cmocka_unit_test(http1_write__combination__judged_again),
		cmocka_unit_test(
		    http1_set__repeated_field__one_stays_in_its_place),
		cmocka_unit_test(
		    http1_set__from_its_own_text__survives_the_move),
		cmocka_unit_test(
		    http1_remove_hop__nominated_credential__added_one_stays),
		cmocka_unit_test(
		    http1_remove_hop__connection_names_itself__all_go),
		cmocka_unit_test(http1_set_framing__each__one_field_or_none),
		cmocka_unit_test(http1_list_next__odd_lists__elements_alone),
		cmocka_unit_test(http1_chunk__written__read_back),
		cmocka_unit_test(http1_write__no_room__nothing_appended),
		cmocka_unit_test(http1_write__what_was_read__reads_the_same),
		cmocka_unit_test(http1_reset__credential__wiped_from_memory),
		cmocka_unit_test(http1_limits__one_past_each__refused_by_name),
		cmocka_unit_test(
		    http1_limits__two_at_once__the_nearer_is_named),
		cmocka_unit_test(
		    http1_limits__head_that_grows_when_written__refused),
		cmocka_unit_test(http1_limits__endless_fields__refused_early),
		cmocka_unit_test(http1_limits__edits__keep_them),
		cmocka_unit_test(
		    http1_read__large_head_byte_by_byte__linear_time),
		cmocka_unit_test(http1_faults__every_row__has_status_and_text),
	};

	return cmocka_run_group_tests_name("http1_edit", tests, NULL, NULL);
}
