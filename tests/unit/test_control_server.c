/* supervisor/control/api/{server,conn,request}.c: what a client sees, whatever
 * it sends.  The loop runs in a thread of its own, the client is the test. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "clock.h"
#include "supervisor/control/api/conn.h"
#include "supervisor/control/api/routes.h"

#define KEY "wdr_0123456789abcdef0123456789abcdef01234567"
#define READER "wdr_1123456789abcdef0123456789abcdef01234567"
#define AUTH "x-api-key: " KEY "\r\n"
#define HOST "Host: x\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST AUTH "\r\n"

enum {
	LARGE_BYTES = 3 << 20,
	STREAM_PIECES = 400,
	STREAM_PIECE = 10000,
	CLIENT_MS = 5000,
};

/* ---- handlers in place of the real ones -------------------------------------- */

static unsigned handled, gone, pulled; /* of the loop's thread */

static void
on_ok(struct request *r)
{
	handled++;
	request_json(r, 200, json_pack("{s:b}", "ok", 1));
}

static void
on_echo(struct request *r)
{
	handled++;
	request_json(r, 200,
	    json_pack("{s:s,s:O?}", "tenant", r->who.tenant, "body", r->body));
}

static void
on_large(struct request *r)
{
	char *text = malloc(LARGE_BYTES);

	memset(text, 'x', LARGE_BYTES);
	request_text(r, 200, "text/plain", text, LARGE_BYTES);
}

static void
on_empty(struct request *r)
{
	request_empty(r, 204);
}

struct pieces {
	struct api_conn *client;
	unsigned left;
	size_t offset;
};

static void
pieces_pull(void *arg)
{
	static char piece[STREAM_PIECE];
	struct pieces *p = arg;
	struct api_conn *r = p->client;

	pulled++;
	memset(piece, 'p', sizeof(piece));
	while (p->left > 0 && request_room(r)) {
		p->offset += request_write(r, piece + p->offset,
		    sizeof(piece) - p->offset);
		if (p->offset < sizeof(piece))
			continue;
		p->offset = 0;
		p->left--;
	}
	if (p->left > 0)
		return;
	free(p);
	request_end(r);
}

static void
pieces_gone(void *arg)
{
	gone++;
	free(arg);
}

static void
on_stream(struct request *r)
{
	struct pieces *p = calloc(1, sizeof(*p));

	*p = (struct pieces){ .left = STREAM_PIECES };
	p->client = request_stream(r, "text/event-stream",
	    &(struct request_source){ pieces_pull, pieces_gone, p });
}

/* More than any socket takes. */
static void
on_endless(struct request *r)
{
	struct pieces *p = calloc(1, sizeof(*p));

	*p = (struct pieces){ .left = UINT32_MAX };
	p->client = request_stream(r, "text/event-stream",
	    &(struct request_source){ pieces_pull, pieces_gone, p });
}

/* A stream that never says anything. */
static void
silent_pull(void *arg)
{
	(void)arg;
}

static void
silent_gone(void *arg)
{
	(void)arg;
	gone++;
}

static void
on_silent(struct request *r)
{
	(void)!request_stream(r, "text/event-stream",
	    &(struct request_source){ silent_pull, silent_gone, NULL });
}

#define R(m, p, h, resource, action, bytes)                 \
	{                                                   \
		ROUTE_##m, p, h, ROUTE_RESOURCE_##resource, \
		    ROUTE_ACTION_##action, bytes, NULL, p   \
	}

const struct route routes_all[] = {
	R(GET, "/ok", on_ok, PUBLIC, READ, 0),
	R(GET, "/echo", on_echo, THREADS, READ, 0),
	R(POST, "/echo", on_echo, THREADS, CREATE, 1000),
	R(GET, "/large", on_large, THREADS, READ, 0),
	R(DELETE, "/empty", on_empty, THREADS, DELETE, 0),
	R(GET, "/stream", on_stream, THREADS, READ, 0),
	R(GET, "/endless", on_endless, THREADS, READ, 0),
	R(GET, "/silent", on_silent, THREADS, READ, 0),
	R(GET, "/threads/{thread_id}", on_echo, THREADS, READ, 0),
};

const size_t routes_count = countof(routes_all);

/* ---- a server ------------------------------------------------------------------- */

struct served {
	struct api api;
	int port, stop_fd;
	struct loop_fd *stop;
	pthread_t thread;
};

static void
look_up(void *arg, const unsigned char hash[SHA256_SIZE], struct auth_ask *ask)
{
	static const struct {
		const char *key;
		struct auth_who who;
	} keys[] = {
		{ KEY, { "acme", AUTH_ROLE_USER } },
		{ READER, { "acme", AUTH_ROLE_READER } },
	};

	unsigned char known[SHA256_SIZE];
	size_t i;

	(void)arg;
	for (i = 0; i < countof(keys); i++) {
		auth_key_hash(keys[i].key, known);
		if (memcmp(known, hash, SHA256_SIZE) == 0) {
			auth_known(ask, &keys[i].who, NULL);
			return;
		}
	}
	auth_known(ask, NULL, NULL);
}

static void
on_stop(void *arg, unsigned ready)
{
	struct served *s = arg;

	(void)ready;
	loop_stop(s->api.loop);
}

static void *
run(void *arg)
{
	struct served *s = arg;

	(void)!loop_run(s->api.loop, NULL);
	return NULL;
}

static int
listener(int *ret_port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t size = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &size), 0);
	*ret_port = ntohs(sa.sin_port);
	return fd;
}

static void
serve(struct served *s, const struct api_config *c)
{
	struct err e = { 0 };

	memset(s, 0, sizeof(*s));
	s->api.config = c != NULL ? *c : api_server_defaults;
	handled = gone = pulled = 0;
	assert_int_equal(loop_create(&s->api.loop, &e), 0);
	assert_int_equal(auth_create(look_up, NULL, &s->api.auth, &e), 0);
	assert_int_equal(
	    api_server_create(&(struct api_server_options){ .api = &s->api },
		&s->api.server, &e),
	    0);
	assert_int_equal(api_server_listen(s->api.server, listener(&s->port), 0,
			     &e),
	    0);
	s->stop_fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(loop_fd_create(s->api.loop, s->stop_fd, on_stop, s,
			     &s->stop, &e),
	    0);
	assert_int_equal(loop_fd_want(s->stop, LOOP_READ, &e), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

static void
stop(struct served *s)
{
	assert_int_equal(eventfd_write(s->stop_fd, 1), 0);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	api_server_destroy(s->api.server);
	auth_destroy(s->api.auth);
	loop_fd_destroy(s->stop);
	(void)close(s->stop_fd);
	loop_destroy(s->api.loop);
}

/* ---- a client ---------------------------------------------------------------------- */

static int
dial(const struct served *s)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)s->port) };
	struct timeval t = { .tv_sec = CLIENT_MS / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	return fd;
}

static void
say(int fd, const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

static char heard[8192];

/* All that comes until the other side ends; how many bytes that were. */
static size_t
hear(int fd)
{
	char more[65536];
	size_t n = 0, total = 0;
	ssize_t got;

	while ((got = recv(fd, more, sizeof(more), 0)) > 0) {
		size_t keep = sizeof(heard) - 1 - n;

		if (keep > (size_t)got)
			keep = (size_t)got;
		memcpy(heard + n, more, keep);
		n += keep;
		total += (size_t)got;
	}
	heard[n] = '\0';
	if (got == -1 && errno == EAGAIN)
		fail_msg("nothing more came, after: %s", heard);
	return total;
}

/* The answer to one request whose connection ends behind it. */
static const char *
ask(const struct served *s, const char *text)
{
	int fd = dial(s);

	say(fd, text);
	(void)shutdown(fd, SHUT_WR);
	(void)hear(fd);
	(void)close(fd);
	return heard;
}

/* Wait for a text on an open connection. */
static void
expect(int fd, const char *text)
{
	size_t n = 0;
	ssize_t got;

	heard[0] = '\0';
	while (strstr(heard, text) == NULL) {
		got = recv(fd, heard + n, sizeof(heard) - 1 - n, 0);
		if (got <= 0)
			fail_msg("no %s in: %s", text, heard);
		n += (size_t)got;
		heard[n] = '\0';
	}
}

#define assert_says(text, part)                                      \
	do {                                                         \
		const char *text_ = (text);                          \
		if (strstr(text_, (part)) == NULL)                   \
			fail_msg("no \"%s\" in: %s", (part), text_); \
	} while (0)

/* ---- what is served ------------------------------------------------------------------ */

static void
conn_answers__requests__as_the_table_says(void **state)
{
	struct served s;

	(void)state;
	serve(&s, NULL);
	assert_says(ask(&s, "GET /ok HTTP/1.1\r\n" HOST "\r\n"),
	    "HTTP/1.1 200 OK\r\n");
	assert_says(heard, "{\"ok\":true}");
	assert_says(heard, "Content-Type: application/json");
	assert_says(heard, "Date: ");
	assert_says(ask(&s, GET("/echo?x=1")), "\"tenant\":\"acme\"");
	assert_says(ask(&s, "POST /echo HTTP/1.1\r\n" HOST AUTH
			    "Content-Length: 7\r\n\r\n{\"a\":1}"),
	    "\"body\":{\"a\":1}");
	assert_says(ask(&s, "POST /echo HTTP/1.1\r\n" HOST AUTH
			    "Transfer-Encoding: chunked\r\n\r\n"
			    "3\r\n{\"a\r\n4\r\n\":2}\r\n0\r\n\r\n"),
	    "\"body\":{\"a\":2}");
	assert_says(ask(&s, "DELETE /empty HTTP/1.1\r\n" HOST AUTH "\r\n"),
	    "HTTP/1.1 204 No Content\r\n");
	assert_null(strstr(heard, "Content-Length"));
	assert_says(ask(&s, "HEAD /echo HTTP/1.1\r\n" HOST AUTH "\r\n"),
	    "Content-Length: ");
	assert_null(strchr(heard, '{'));
	stop(&s);
}

static void
conn_refuses__requests__status_and_reason(void **state)
{
	static const struct {
		const char *text, *status, *reason;
	} cases[] = {
		{ "GET /echo HTTP/1.1\r\n" HOST "\r\n", "401",
		    "valid API key" },
		{ "GET /nope HTTP/1.1\r\n" HOST "\r\n", "401",
		    "valid API key" },
		{ "GET /echo HTTP/1.1\r\n" HOST "x-api-key: wdr_1\r\n\r\n",
		    "401", "valid API key" },
		{ "GET /echo HTTP/1.1\r\n" HOST AUTH AUTH "\r\n", "400",
		    "more than one key" },
		{ GET("/nope"), "404", "nothing is at this path" },
		{ "PUT /echo HTTP/1.1\r\n" HOST AUTH "\r\n", "405",
		    "Allow: GET, HEAD, POST" },
		{ GET("/threads/1"), "422", "not a UUID" },
		{ GET("/echo?x=%zz"), "400", "hexadecimal" },
		{ "POST /echo HTTP/1.1\r\n" HOST "x-api-key: " READER
		  "\r\n\r\n",
		    "403", "may not do this" },
		{ "POST /echo HTTP/1.1\r\n" HOST AUTH
		  "Content-Length: 1001\r\n\r\n",
		    "413", "too long" },
		{ "POST /echo HTTP/1.1\r\n" HOST AUTH
		  "Content-Length: 3\r\n\r\n{x}",
		    "400", "the body" },
		{ "POST /echo HTTP/1.1\r\n" HOST AUTH
		  "Content-Length: 13\r\n\r\n{\"a\":1,\"a\":2}",
		    "400", "the body" },
		{ "POST /echo HTTP/1.1\r\n" HOST AUTH
		  "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
		    "415", "application/json" },
		{ "GET /echo HTTP/1.1\r\n" HOST AUTH
		  "Content-Length: 2\r\n\r\n{}",
		    "413", "too long" },
		{ "HEAD /echo HTTP/1.1\r\n" HOST AUTH
		  "Content-Length: 2\r\n\r\n{}",
		    "400", "" },
		{ "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", "501",
		    "no proxy" },
		{ "GET /ok HTTP/1.1\r\n\r\n", "400", "no Host" },
		{ "GET /ok HTTP/1.1\r\n" HOST "Content-Length: 1\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n",
		    "400", "Content-Length and Transfer-Encoding" },
		{ "GET /ok HTTP/1.1\n" HOST "\r\n", "400", "LF without CR" },
		{ "GET /ok HTTP/2.0\r\n" HOST "\r\n", "505", "" },
		{ "POST /echo HTTP/1.1\r\n" HOST AUTH
		  "Content-Length: 5\r\n\r\n{}",
		    "400", "cut off" },
	};
	struct served s;
	size_t i;

	(void)state;
	serve(&s, NULL);
	for (i = 0; i < countof(cases); i++) {
		(void)ask(&s, cases[i].text);
		if (strncmp(heard + 9, cases[i].status, 3) != 0 ||
		    strstr(heard, cases[i].reason) == NULL)
			fail_msg("%zu: not %s %s: %s", i, cases[i].status,
			    cases[i].reason, heard);
		if (strncmp(cases[i].text, "HEAD", 4) != 0)
			assert_says(heard, "\"detail\":");
	}
	/* the same answer, whatever is wrong with a key */
	(void)ask(&s,
	    "GET /echo HTTP/1.1\r\n" HOST "x-api-key: " KEY "0\r\n\r\n");
	assert_says(heard, "a valid API key is needed");
	assert_int_equal(handled, 0);
	stop(&s);
}

static void
conn_keeps__requests_in_a_row__answered_in_order(void **state)
{
	struct served s;
	const char *one, *two;
	int fd;

	(void)state;
	serve(&s, NULL);
	fd = dial(&s);
	say(fd, GET("/echo"));
	expect(fd, "acme");
	say(fd, GET("/echo"));
	expect(fd, "acme");
	/* pipelined, and the last one ends the connection */
	say(fd,
	    "POST /echo HTTP/1.1\r\n" HOST AUTH "Content-Length: 3\r\n\r\n[1]"
	    "POST /echo HTTP/1.1\r\n" HOST AUTH
	    "Connection: close\r\nContent-Length: 3\r\n\r\n[2]");
	(void)hear(fd);
	one = strstr(heard, "[1]");
	two = strstr(heard, "[2]");
	assert_non_null(one);
	assert_non_null(two);
	assert_true(one < two);
	assert_says(two - 200, "Connection: close");
	(void)close(fd);
	/* the older version's connection carries one request */
	assert_says(ask(&s, "GET /ok HTTP/1.0\r\n\r\n"), "Connection: close");
	stop(&s);
}

static void
conn_continue__expected__after_the_checks(void **state)
{
	struct served s;
	int fd;

	(void)state;
	serve(&s, NULL);
	fd = dial(&s);
	say(fd, "POST /echo HTTP/1.1\r\n" HOST AUTH
		"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	expect(fd, "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "{}");
	expect(fd, "200 OK");
	(void)close(fd);
	/* whoever may not, or sends too much, is not asked for it */
	(void)ask(&s, "POST /echo HTTP/1.1\r\n" HOST
		      "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	assert_null(strstr(heard, "100 Continue"));
	assert_says(heard, "401");
	(void)ask(&s, "POST /echo HTTP/1.1\r\n" HOST AUTH
		      "Expect: 100-continue\r\nContent-Length: 2000\r\n\r\n");
	assert_null(strstr(heard, "100 Continue"));
	assert_says(heard, "413");
	stop(&s);
}

static void
conn_large__answer__whole_to_a_slow_client(void **state)
{
	char head[1];
	struct served s;
	int fd;

	(void)state;
	serve(&s, NULL);
	fd = dial(&s);
	say(fd,
	    "GET /large HTTP/1.1\r\n" HOST AUTH "Connection: close\r\n\r\n");
	assert_int_equal(recv(fd, head, 1, 0), 1);
	(void)poll(NULL, 0, 300);
	assert_true(hear(fd) > LARGE_BYTES);
	(void)close(fd);
	stop(&s);
}

/* ---- streams ------------------------------------------------------------------------- */

static void
conn_stream__slow_client__pulled_as_it_reads(void **state)
{
	struct served s;
	size_t total;
	int fd;

	(void)state;
	serve(&s, NULL);
	fd = dial(&s);
	say(fd, "GET /stream HTTP/1.1\r\n" HOST AUTH "\r\n");
	expect(fd, "Transfer-Encoding: chunked");
	assert_says(heard, "X-Accel-Buffering: no");
	assert_says(heard, "Cache-Control: no-cache");
	total = strlen(heard);
	/* the connection lives on behind the last chunk */
	say(fd, "GET /ok HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	total += hear(fd);
	assert_true(total > (size_t)STREAM_PIECES * STREAM_PIECE);
	assert_true(pulled > 1);
	assert_int_equal(gone, 0);
	(void)close(fd);
	/* the older version has no chunks: the end is the connection's */
	(void)ask(&s, "GET /stream HTTP/1.0\r\n" AUTH "\r\n");
	assert_null(strstr(heard, "chunked"));
	stop(&s);
}

static void
conn_stream__client_leaves__source_is_told(void **state)
{
	struct served s;
	int fd, i;

	(void)state;
	serve(&s, NULL);
	fd = dial(&s);
	say(fd, GET("/silent"));
	expect(fd, "200 OK");
	(void)close(fd);
	fd = dial(&s);
	say(fd, "HEAD /silent HTTP/1.1\r\n" HOST AUTH "\r\n");
	expect(fd, "200 OK");
	say(fd, "GET /ok HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	expect(fd, "\"ok\"");
	(void)close(fd);
	for (i = 0; i < 100 && *(volatile unsigned *)&gone < 2; i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(gone, 2);
	stop(&s);
}

/* ---- limits ----------------------------------------------------------------------------- */

static void
conn_times__slow_senders__408_or_closed(void **state)
{
	struct api_config c = api_server_defaults;
	struct served s;
	uint64_t begin;
	int fd;

	(void)state;
	c.head_ms = c.body_ms = 200;
	c.keep_ms = 300;
	serve(&s, &c);
	begin = clock_now_ms();
	fd = dial(&s);
	say(fd, "GET /ok HT");
	/* every byte buys nothing: it is the whole head that has a time */
	(void)poll(NULL, 0, 120);
	say(fd, "TP");
	(void)hear(fd);
	assert_says(heard, "408 Request Timeout");
	assert_true(clock_now_ms() - begin < 2000);
	(void)close(fd);
	fd = dial(&s);
	say(fd,
	    "POST /echo HTTP/1.1\r\n" HOST AUTH "Content-Length: 9\r\n\r\n{");
	(void)hear(fd);
	assert_says(heard, "408 Request Timeout");
	(void)close(fd);
	/* silence is no request: the connection ends without a word */
	fd = dial(&s);
	assert_int_equal(hear(fd), 0);
	(void)close(fd);
	fd = dial(&s);
	say(fd, GET("/echo"));
	expect(fd, "acme");
	assert_int_equal(hear(fd), 0);
	(void)close(fd);
	stop(&s);
}

static void
conn_write_time__client_does_not_read__reset(void **state)
{
	struct api_config c = api_server_defaults;
	struct served s;
	int fd, i;

	(void)state;
	c.write_ms = 200;
	serve(&s, &c);
	fd = dial(&s);
	say(fd, GET("/endless"));
	for (i = 0; i < 200 && *(volatile unsigned *)&gone < 1; i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(gone, 1);
	(void)close(fd);
	stop(&s);
}

static void
server_limits__connections__503_then_room_again(void **state)
{
	struct api_config c = api_server_defaults;
	struct served s;
	int a, b, i;

	(void)state;
	c.connections = 2;
	serve(&s, &c);
	a = dial(&s);
	b = dial(&s);
	say(a, GET("/echo"));
	expect(a, "acme");
	say(b, GET("/echo"));
	expect(b, "acme");
	(void)ask(&s, "GET /ok HTTP/1.1\r\n" HOST "\r\n");
	assert_says(heard, "503 Service Unavailable");
	assert_says(heard, "Retry-After: 1");
	(void)close(a);
	for (i = 0; i < 100 && strstr(heard, "200 OK") == NULL; i++)
		(void)ask(&s, "GET /ok HTTP/1.1\r\n" HOST "\r\n");
	assert_says(heard, "200 OK");
	(void)close(b);
	stop(&s);
}

static void
server_hold__memory_used_up__503(void **state)
{
	struct api_config c = api_server_defaults;
	struct served s;

	(void)state;
	c.memory_bytes = 100;
	serve(&s, &c);
	(void)ask(&s, GET("/large"));
	assert_says(heard, "503 Service Unavailable");
	assert_says(heard, "Retry-After: 1");
	assert_int_equal(s.api.server->held_bytes, 0);
	/* control: what fits is answered */
	assert_says(ask(&s, "GET /ok HTTP/1.1\r\n" HOST "\r\n"), "200 OK");
	stop(&s);
}

static void
conn_bad_keys__many__late_and_429(void **state)
{
	static const char bad[] =
	    "GET /echo HTTP/1.1\r\n" HOST
	    "x-api-key: wdr_ffffffffffffffffffffffffffffffffffffffff\r\n\r\n";
	struct served s;
	uint64_t begin;
	int i;

	(void)state;
	serve(&s, NULL);
	for (i = 0; i < API_BAD_LOGINS; i++)
		assert_says(ask(&s, bad), "401 Unauthorized");
	begin = clock_now_ms();
	assert_says(ask(&s, bad), "429 Too Many Requests");
	assert_true(clock_now_ms() - begin >= API_BAD_LOGIN_WAIT_MS - 10);
	/* a good key from the same address is not held up */
	begin = clock_now_ms();
	assert_says(ask(&s, GET("/echo")), "acme");
	assert_true(clock_now_ms() - begin < API_BAD_LOGIN_WAIT_MS);
	stop(&s);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void
conn_options__preflight__without_a_key(void **state)
{
	struct served s;

	(void)state;
	serve(&s, NULL);
	(void)ask(&s,
	    "OPTIONS /threads/search HTTP/1.1\r\n" HOST
	    "Origin: https://a.example\r\n"
	    "Access-Control-Request-Method: POST\r\n"
	    "Access-Control-Request-Headers: x-api-key, content-type\r\n\r\n");
	assert_says(heard, "204 No Content");
	assert_says(heard, "Access-Control-Allow-Origin: *");
	assert_says(heard, "Access-Control-Allow-Headers: x-api-key, "
			   "content-type");
	assert_null(strstr(heard, "Allow-Credentials"));
	/* refusals are readable for pages, too */
	(void)ask(&s,
	    "GET /echo HTTP/1.1\r\n" HOST "Origin: https://a.example\r\n\r\n");
	assert_says(heard, "Access-Control-Allow-Origin: *");
	stop(&s);
}

static void
conn_prefix__configured__nothing_outside_it(void **state)
{
	struct api_config c = api_server_defaults;
	struct served s;

	(void)state;
	(void)snprintf(c.prefix, sizeof(c.prefix), "/warder/api");
	serve(&s, &c);
	assert_says(ask(&s, "GET /warder/api/ok HTTP/1.1\r\n" HOST "\r\n"),
	    "200 OK");
	assert_says(ask(&s, GET("/ok")), "404");
	assert_says(ask(&s, GET("/warder/apiok")), "404");
	stop(&s);
}

static void
server_drain__idle_and_busy__close_behind_answers(void **state)
{
	struct served s;
	int idle, busy;

	(void)state;
	serve(&s, NULL);
	idle = dial(&s);
	say(idle, GET("/echo"));
	expect(idle, "acme");
	busy = dial(&s);
	say(busy, GET("/silent"));
	expect(busy, "200 OK");
	/* only between two turns of the loop is it ours to touch */
	assert_int_equal(eventfd_write(s.stop_fd, 1), 0);
	assert_int_equal(pthread_join(s.thread, NULL), 0);
	api_server_drain(s.api.server);
	assert_int_equal(pthread_create(&s.thread, NULL, run, &s), 0);
	assert_int_equal(hear(idle), 0);
	assert_int_equal(s.api.server->nlisteners, 0);
	(void)close(idle);
	(void)close(busy);
	stop(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conn_answers__requests__as_the_table_says),
		cmocka_unit_test(conn_refuses__requests__status_and_reason),
		cmocka_unit_test(
		    conn_keeps__requests_in_a_row__answered_in_order),
		cmocka_unit_test(conn_continue__expected__after_the_checks),
		cmocka_unit_test(conn_large__answer__whole_to_a_slow_client),
		cmocka_unit_test(conn_stream__slow_client__pulled_as_it_reads),
		cmocka_unit_test(conn_stream__client_leaves__source_is_told),
		cmocka_unit_test(conn_times__slow_senders__408_or_closed),
		cmocka_unit_test(conn_write_time__client_does_not_read__reset),
		cmocka_unit_test(
		    server_limits__connections__503_then_room_again),
		cmocka_unit_test(server_hold__memory_used_up__503),
		cmocka_unit_test(conn_bad_keys__many__late_and_429),
		cmocka_unit_test(conn_options__preflight__without_a_key),
		cmocka_unit_test(conn_prefix__configured__nothing_outside_it),
		cmocka_unit_test(
		    server_drain__idle_and_busy__close_behind_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
