/*
 * fuzz_exchange.c: any bytes of a client through the whole of a request's way.
 *
 *	| way u8 | cuts u8 | the client's bytes |
 *
 * Real are proxy/http.c, exchange.c, inject.c, scrub.c, answer.c and all that
 * they ask; in place of the world there is a service that writes down what it
 * gets and says it back.  A byte of 0xf0 and more among the client's stands
 * for a placeholder or for something that is long to guess.
 *
 * What must hold for every request that goes out:
 *
 *	authorised = dialed = sent = logged, and canonical twice is once;
 *	a secret is only in the field of its service, and there once;
 *	a placeholder is nowhere;
 *	framing is ours alone, and no field can end another;
 *
 * and for all that comes back to the client: no form of a secret.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/exchange.h"
#include "proxy/http.h"
#include "proxy/locals.h"
#include "proxy/scrub_form.h"
#include "proxy/tokens.h"
#include "proxy/upstream.h"
#include "tests/policy_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	FUZZ_CREDENTIALS = 2,
	FUZZ_TEXT_MAX = 1 << 16,
	FUZZ_SENT_MAX = 1 << 20,
};

static const char policy[] =
    "policy: 1\n"
    "network:\n"
    "  services:\n"
    "    api:\n"
    "      to: [api.test, \"api.test:80\"]\n"
    "      tls: none\n"
    "      body: {max: 2KiB}\n"
    "      allow:\n"
    "        - {methods: read, path: /v1/**}\n"
    "        - {methods: [POST], path: /v1/*/x}\n"
    "      deny: [{path: /v1/secret/**}, {query: {deny: \"*\"}}]\n"
    "    box:\n"
    "      to: [\"*.box.test:80\", \"10.1.2.3:80\"]\n"
    "      tls: none\n"
    "      allow: any\n"
    "    bare:\n"
    "      to: \"bare.test:80\"\n"
    "      allow: [{path: /a/*/b}]\n"
    "credentials:\n"
    "  of_api:\n"
    "    source: {vault: a}\n"
    "    placeholder: {env: A, shape: opaque}\n"
    "    inject: [{service: api, as: bearer}]\n"
    "  of_box:\n"
    "    source: {vault: b}\n"
    "    placeholder: {env: B, shape: opaque}\n"
    "    inject: [{service: box, as: {header: x-key, format: \"key {}\"}}]\n"
    "    required: false\n";

static const char *const placeholders[FUZZ_CREDENTIALS] = {
	"wdr-placeholder-AAAAAAAAAAAAAAAAAAAAAAAA",
	"wdr-placeholder-BBBBBBBBBBBBBBBBBBBBBBBB",
};
static const char *const secrets[FUZZ_CREDENTIALS] = {
	"canary/of+api-Zm9vYmFyYmF6",
	"canary/of+box-cXV4cXV1eA",
};

/* What a byte from 0xf0 on stands for. */
static const char *const words[] = {
	"wdr-placeholder-AAAAAAAAAAAAAAAAAAAAAAAA",
	"wdr-placeholder-BBBBBBBBBBBBBBBBBBBBBBBB",
	"\r\nAuthorization: Bearer wdr-placeholder-AAAAAAAAAAAAAAAAAAAAAAAA",
	"\r\nX-Key: key wdr-placeholder-BBBBBBBBBBBBBBBBBBBBBBBB",
	"GET http://api.test/v1/a HTTP/1.1\r\nHost: api.test",
	"POST http://api.test/v1/a/x HTTP/1.1\r\nHost: api.test",
	"GET http://a.box.test/ HTTP/1.1\r\nHost: a.box.test",
	"GET /v1/a HTTP/1.1\r\nHost: api.test",
	"\r\nTransfer-Encoding: chunked\r\n\r\n",
	"\r\nContent-Length: ",
	"\r\nConnection: ",
	"d2RyLXBsYWNlaG9sZGVyLUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ",
	"0\r\n\r\n",
	"\r\n\r\n",
	"api.test",
	"\r\n",
};

struct upstream_call {
	struct upstream_request r;
	struct buf sent; /* as it would be on the wire */
};

struct fuzz {
	struct proxy proxy;
	struct guest guest;
	struct generation generation;
	struct proxy_count count;
	struct secret *tokens[FUZZ_CREDENTIALS];

	struct stream stream;
	struct http *http;
	int ended, again;
	const uint8_t *cuts;
	size_t ncuts, cut;

	/* what each part of the way was told, of the present request */
	struct record_act logged;
	char logged_host[CANON_HOST_SIZE], logged_method[64];
	char logged_path[CANON_PATH_SIZE];
	unsigned allowed, sent;
	int unwritten; /* a line of it is in no file yet */

	/* one that is waited for */
	reach_fn *reached;
	void *reach_arg;
	char reach_host[CANON_HOST_SIZE];
	uint32_t reach_port, reach_service;
	struct upstream_call *call;
};

static struct fuzz f;

static size_t
next_cut(size_t most)
{
	size_t n = f.ncuts > 0 ? f.cuts[f.cut++ % f.ncuts] % 48 + 1 : most;

	return n < most ? n : most;
}

/* ---- what is in the place of the world -------------------------------------- */

const struct address_locals *
locals_get(const struct locals *l)
{
	(void)l;
	return NULL;
}

void
stream_flush(struct stream *s)
{
	(void)s;
}

void
stream_flush_soon(struct stream *s)
{
	(void)s;
}

void
stream_rest(struct stream *s)
{
	(void)s;
}

void
stream_again(struct stream *s)
{
	(void)s;
	f.again = 1;
}

struct proxy_count *
guest_count(struct guest *g, uint32_t service)
{
	(void)g;
	(void)service;
	return &f.count;
}

int
guest_secrets(struct guest *g, struct verdict *v, struct inject_secrets *ret,
    struct err *e)
{
	uint32_t i;

	(void)e;
	for (i = 0; i < v->ninjects; i++)
		ret->of[i] = f.tokens[plan_net_inject(g->net, v->injects[i])
					  ->credential];
	return 0;
}

int
guest_scrubs(const struct guest *g, const struct verdict *v)
{
	return plan_net_service(g->net, v->service)->ninjects > 0;
}

int
guest_pool(struct guest *g, const struct verdict *v, struct upstream_pool **ret,
    struct err *e)
{
	(void)g;
	(void)v;
	(void)e;
	*ret = NULL;
	return 0;
}

int
tokens_start(struct guest *g, const struct verdict *v, const char *host,
    uint32_t port, int again, tokens_fn *fn, void *arg, struct tokens_ask **ret,
    struct err *e)
{
	(void)g;
	(void)v;
	(void)host;
	(void)port;
	(void)again;
	(void)fn;
	(void)arg;
	(void)e;
	*ret = NULL;
	return 0;
}

void
tokens_cancel(struct tokens_ask *a)
{
	(void)a;
}

int
tokens_renewable(const struct guest *g, const struct verdict *v)
{
	(void)g;
	(void)v;
	return 0;
}

void
record_refusal(struct guest *g, enum record_way way, const struct intent *in,
    const struct verdict *v)
{
	(void)g;
	(void)way;
	(void)in;
	assert(v->answer != VERDICT_ALLOW);
}

void
record_failure(struct guest *g, enum record_way way, uint32_t service,
    const char *host, uint32_t port, enum refusal_code code, const char *why)
{
	(void)g;
	(void)way;
	(void)service;
	(void)host;
	(void)port;
	(void)code;
	assert(why != NULL);
}

int
record_request(struct guest *g, const struct record_act *a, struct err *e)
{
	(void)g;
	(void)e;
	f.logged = *a;
	(void)snprintf(f.logged_host, sizeof(f.logged_host), "%s", a->host);
	(void)snprintf(f.logged_method, sizeof(f.logged_method), "%s",
	    a->method);
	(void)snprintf(f.logged_path, sizeof(f.logged_path), "%s", a->path);
	f.allowed++;
	f.unwritten = 1;
	return 0;
}

int
record_put(struct guest *g, struct err *e)
{
	(void)g;
	(void)e;
	f.unwritten = 0;
	return 0;
}

int
record_credential(struct guest *g, uint32_t credential, uint32_t service,
    const char *host, uint32_t port, struct err *e)
{
	(void)g;
	(void)credential;
	(void)e;
	assert(service == f.logged.service && port == f.logged.port);
	assert(strcmp(host, f.logged_host) == 0);
	f.unwritten = 1;
	return 0;
}

int
reach_start(struct guest *g, const char *host, uint32_t port, uint32_t service,
    reach_fn *fn, void *arg, struct reach **ret, struct err *e)
{
	(void)g;
	(void)e;
	assert(f.reached == NULL);
	assert(!f.unwritten);
	f.reached = fn;
	f.reach_arg = arg;
	f.reach_port = port;
	f.reach_service = service;
	(void)snprintf(f.reach_host, sizeof(f.reach_host), "%s", host);
	*ret = (struct reach *)&f;
	return 0;
}

/* Always by way of the loop: that is the longer way. */
int
reach_now(struct guest *g, const char *host, uint32_t port, uint32_t service,
    struct reach_result *ret)
{
	(void)g;
	(void)host;
	(void)port;
	(void)service;
	(void)ret;
	return 0;
}

void
reach_cancel(struct reach *r)
{
	if (r != NULL)
		f.reached = NULL;
}

int
upstream_start(const struct upstream_request *r, struct upstream_call **ret,
    struct err *e)
{
	(void)e;
	assert(f.call == NULL);
	assert(!f.unwritten);
	f.call = calloc(1, sizeof(*f.call));
	assert(f.call != NULL);
	f.call->r = *r;
	buf_init(&f.call->sent, FUZZ_SENT_MAX);
	*ret = f.call;
	return 0;
}

static void
call_free(void)
{
	buf_finish(&f.call->sent);
	free(f.call);
	f.call = NULL;
}

void
upstream_cancel(struct upstream_call *c)
{
	if (c != NULL) {
		assert(c == f.call);
		call_free();
	}
}

void
upstream_send(struct upstream_call *c)
{
	(void)c;
}

void
upstream_receive(struct upstream_call *c)
{
	(void)c;
}

/* ---- what must hold ----------------------------------------------------------- */

static size_t
occurs(const struct buf *b, const char *text)
{
	const unsigned char *p = buf_bytes(b), *end = p + buf_size(b);
	size_t n = 0;

	while (p < end &&
	       (p = memmem(p, (size_t)(end - p), text, strlen(text))) != NULL) {
		p++;
		n++;
	}
	return n;
}

/* What was judged: the same question from what is sent gets the same answer. */
static void
check_judged(const struct upstream_request *r)
{
	const char *target = http1_head_target(r->head), *query;
	char path[CANON_PATH_SIZE], again[CANON_PATH_SIZE];
	char query_text[CANON_QUERY_MAX + 1] = "";
	char host[CANON_HOST_SIZE];
	struct err e = { 0 };
	struct intent in = { .kind = INTENT_HTTP,
		.host = r->host,
		.port = r->port,
		.hello = 1,
		.tls = r->tls,
		.sni = r->tls ? r->host : NULL,
		.method = http1_head_method(r->head),
		.body_bytes = 0 };
	struct verdict v;
	size_t query_size;

	assert(canon_target(target, strlen(target), path, &query, &query_size,
		   &e) == 0);
	assert(canon_path(path, strlen(path), again, &e) == 0);
	assert(strcmp(path, again) == 0);
	assert(strncmp(target, path, strlen(path)) == 0);
	assert(query == NULL || query == target + strlen(path) + 1);
	assert(canon_authority(http1_head_get(r->head, "Host"),
		   strlen(http1_head_get(r->head, "Host")), r->tls ? 443 : 80,
		   host, &in.authority_port, &e) == 0);
	if (query != NULL)
		memcpy(query_text, query, query_size);
	in.path = path;
	in.query = query == NULL ? NULL : query_text;
	in.authority = host;
	authorize(f.guest.net, &in, &v);
	/* without the placeholder, which has gone, its absence is all */
	assert(
	    v.answer == VERDICT_ALLOW || v.code == REFUSAL_credential_missing);
	assert(v.service == f.logged.service && v.service == f.reach_service);
	assert(strcmp(host, r->host) == 0 && in.authority_port == r->port);
	assert(strcmp(f.reach_host, r->host) == 0 && f.reach_port == r->port);
	assert(strcmp(f.logged_host, r->host) == 0);
	assert(f.logged.port == r->port);
	assert(strcmp(f.logged_method, in.method) == 0);
	assert(strcmp(f.logged_path, path) == 0);
	assert(f.sent < f.allowed);
	f.sent++;
}

static void
check_secrets(const struct upstream_request *r, const struct buf *sent)
{
	uint32_t i;

	for (i = 0; i < FUZZ_CREDENTIALS; i++) {
		const struct plan_net_inject *j =
		    plan_net_inject(f.guest.net, i);
		size_t n = occurs(sent, secrets[j->credential]);
		const char *value = http1_head_get(r->head,
		    plan_net_string(f.guest.net, j->header));

		assert(n == (j->service == f.logged.service && value != NULL &&
				strstr(value, secrets[j->credential]) != NULL));
		/* what requires one has it */
		assert(
		    n == 1 || j->service != f.logged.service ||
		    !plan_net_credential(f.guest.net, j->credential)->required);
		assert(occurs(sent, placeholders[i]) == 0);
	}
}

static void
check_fields(const struct upstream_request *r, struct buf *sent)
{
	size_t i, n = http1_head_count(r->head), hosts = 0;
	struct err e;

	for (i = 0; i < n; i++) {
		struct http1_field h = http1_head_field(r->head, i);

		assert(strlen(h.name) == h.name_size);
		assert(strlen(h.value) == h.value_size);
		assert(strpbrk(h.value, "\r\n") == NULL);
		assert(strpbrk(h.name, "\r\n: ") == NULL);
		assert(strcasecmp(h.name, "Content-Length") != 0);
		/* two are this hop's own: what comes behind the body */
		assert(!http1_is_hop(h.name, h.name_size) ||
		       (strcmp(h.name, "TE") == 0 &&
			   strcmp(h.value, "trailers") == 0) ||
		       (strcmp(h.name, "Connection") == 0 &&
			   strcmp(h.value, "TE") == 0));
		assert(strncasecmp(h.name, "X-Forwarded", 11) != 0);
		assert(strncasecmp(h.name, "X_Forwarded", 11) != 0);
		hosts += strcasecmp(h.name, "Host") == 0;
	}
	assert(hosts == 1);
	assert(http1_head_write(r->head, sent, &e) == 0);
}

/* ---- a service that says back what it gets ----------------------------------- */

static void
call_over(const char *why)
{
	struct upstream_end end = { .good = why == NULL, .why = why };
	struct upstream_events events = f.call->r.events;

	call_free();
	events.done(events.arg, &end);
}

/* They are searched as the body is. */
static void
call_trailers(struct upstream_call *c)
{
	const struct http1_head *t = c->r.events.trailers(c->r.events.arg);
	size_t i, n = http1_head_count(t);
	struct err e;

	for (i = 0; i < n; i++) {
		struct http1_field h = http1_head_field(t, i);

		assert(!http1_is_forbidden_trailer(h.name, h.name_size));
		assert(strcasecmp(h.name, "X-Original-URL") != 0);
		assert(strpbrk(h.value, "\r\n") == NULL);
		assert(buf_append(&c->sent, "\n", 1, &e) == 0);
		assert(buf_append(&c->sent, h.name, h.name_size, &e) == 0);
		assert(buf_append(&c->sent, "\n", 1, &e) == 0);
		assert(buf_append(&c->sent, h.value, h.value_size, &e) == 0);
	}
}

/* 1: the body is there; 0: more is to come; -1: the call is over. */
static int
call_body(void)
{
	struct upstream_call *c = f.call;
	unsigned char piece[256];
	struct err e;
	long n = 0;

	while (c->r.framing != HTTP1_BODY_NONE &&
	       (n = c->r.events.body(c->r.events.arg, piece,
		    next_cut(sizeof(piece)))) > 0)
		assert(buf_append(&c->sent, piece, (size_t)n, &e) == 0);
	if (n == UPSTREAM_LATER)
		return 0;
	if (n == 0 && c->r.framing == HTTP1_BODY_CHUNKED)
		call_trailers(c);
	if (n == 0)
		return 1;
	/* a request that is stopped has told no placeholder either */
	check_secrets(&c->r, &c->sent);
	call_over("stopped");
	return -1;
}

static int
call_head(size_t length)
{
	struct upstream_call *c = f.call;
	char text[256];
	struct http1_head head;
	size_t used;
	/* one that never had a secret has none to tell */
	int told =
	    plan_net_service(f.guest.net, f.logged.service)->ninjects > 0;
	int n = snprintf(text, sizeof(text),
	    "HTTP/1.1 200 %s\r\nX-Echo: %s\r\nContent-Length: %zu\r\n\r\n",
	    told ? secrets[0] : "OK", told ? secrets[1] : "-", length);
	int rc;

	http1_head_init(&head, HTTP1_RESPONSE, NULL);
	assert(http1_head_read(&head, text, (size_t)n, &used) == HTTP1_DONE);
	rc = c->r.events.head(c->r.events.arg, &head);
	http1_head_finish(&head);
	return rc;
}

static int
call_data(const struct buf *echo)
{
	struct upstream_call *c = f.call;
	size_t at = 0, n;
	int rc;

	for (; at < buf_size(echo); at += n) {
		n = next_cut(buf_size(echo) - at);
		rc = c->r.events.data(c->r.events.arg, buf_bytes(echo) + at, n);
		if (rc == UPSTREAM_STOP)
			return -1;
		/* nobody reads here: what is full stays full */
		if (rc == UPSTREAM_LATER)
			return -1;
	}
	return 0;
}

static void
call_answer(void)
{
	struct upstream_call *c = f.call;
	int head = strcmp(http1_head_method(c->r.head), "HEAD") == 0;
	struct buf echo = c->sent;
	int rc;

	check_secrets(&c->r, &c->sent);
	buf_init(&c->sent, FUZZ_SENT_MAX);
	rc = call_head(buf_size(&echo));
	if (rc == 0 && !head)
		rc = call_data(&echo);
	buf_finish(&echo);
	call_over(rc == 0 ? NULL : "stopped");
}

static void
settle_reach(void)
{
	struct reach_result result = { .n = 1 };
	reach_fn *fn = f.reached;

	f.reached = NULL;
	result.target[0].port = f.reach_port;
	result.target[0].address.family = 4;
	fn(f.reach_arg, &result);
	if (f.call == NULL)
		return;
	check_judged(&f.call->r);
	check_fields(&f.call->r, &f.call->sent);
}

/* Everything that can happen without another byte of the client's happens. */
static void
settle(void)
{
	int busy = 1;

	while (busy && !f.ended) {
		busy = f.again || f.reached != NULL;
		if (f.again) {
			f.again = 0;
			http_ready(f.http);
		} else if (f.reached != NULL)
			settle_reach();
		if (!f.ended && f.call != NULL && call_body() == 1) {
			call_answer();
			busy = 1;
		}
	}
}

/* ---- the client ----------------------------------------------------------------- */

static void
on_end(void *arg)
{
	(void)arg;
	f.ended = 1;
}

static void
on_connect(void *arg, const char *host, uint32_t port, const struct verdict *v)
{
	(void)arg;
	assert(canon_is_host(host) && port > 0 && v->answer == VERDICT_ALLOW);
	f.ended = 1;
}

static void
say(const unsigned char *p, size_t size)
{
	struct err e;
	size_t n;

	for (; size > 0 && !f.ended; p += n, size -= n) {
		n = next_cut(size);
		if (buf_size(&f.stream.in) + n > PROXY_BUFFER_BYTES)
			return;
		assert(buf_append(&f.stream.in, p, n, &e) == 0);
		http_ready(f.http);
		settle();
	}
	f.stream.eof = 1;
	if (!f.ended) {
		http_ready(f.http);
		settle();
	}
}

static size_t
write_text(const uint8_t *p, size_t n, unsigned char *to)
{
	size_t i, used = 0;

	for (i = 0; i < n && used + 256 < FUZZ_TEXT_MAX; i++) {
		size_t word = p[i] >= 0xf0 ? strlen(words[p[i] - 0xf0]) : 0;

		if (word > 0)
			memcpy(to + used, words[p[i] - 0xf0], word);
		else
			to[used] = p[i];
		used += word > 0 ? word : 1;
	}
	return used;
}

/* Whether there is a form of a secret in these bytes. */
static int
tells(const void *p, size_t size)
{
	unsigned char form[SCRUB_FORM_GROWTH * 64];
	unsigned kind;
	size_t i, n;

	for (i = 0; i < FUZZ_CREDENTIALS; i++)
		for (kind = 0; kind < SCRUB_FORM_KINDS; kind++) {
			n = scrub_form_write(kind,
			    (const unsigned char *)secrets[i],
			    strlen(secrets[i]), NULL, form);
			if (n > 0 && size > 0 &&
			    memmem(p, size, form, n) != NULL)
				return 1;
		}
	return 0;
}

static void
make_guest(void)
{
	struct scrub_entry entries[FUZZ_CREDENTIALS];
	struct err e = { 0 };
	uint32_t i;

	f.guest.net = policy_text_compile(policy);
	f.guest.proxy = &f.proxy;
	f.guest.now = &f.generation;
	f.generation.net = f.guest.net;
	f.generation.holders = 1; /* ours: it never goes */
	f.generation.placeholders = FUZZ_CREDENTIALS;
	(void)snprintf(f.proxy.via, sizeof(f.proxy.via), "1.1 warder");
	assert(loop_create(&f.proxy.loop, &e) == 0);
	assert(
	    plan_net_count(f.guest.net, PLAN_NET_INJECTS) == FUZZ_CREDENTIALS);
	for (i = 0; i < FUZZ_CREDENTIALS; i++) {
		assert(secret_create(secrets[i], strlen(secrets[i]),
			   &f.tokens[i], &e) == 0);
		entries[i] = (struct scrub_entry){ .secret = f.tokens[i],
			.replacement = placeholders[i] };
	}
	assert(scrub_create(entries, FUZZ_CREDENTIALS, &f.generation.scrub,
		   &e) == 0);
	assert(inject_set_create(f.guest.net, placeholders,
		   &f.generation.inject, &e) == 0);
}

static void
begin(unsigned way)
{
	static const char *const hosts[] = { NULL, "api.test", "a.box.test",
		"bare.test" };
	struct http_options o = { .guest = &f.guest,
		.stream = &f.stream,
		.way = RECORD_EXPLICIT,
		.host = hosts[way % 4],
		.port = way % 4 == 0 ? 0 : 80,
		.connect = on_connect,
		.done = on_end,
		.abort = on_end };
	struct err e = { 0 };

	f.ended = f.again = 0;
	f.allowed = f.sent = 0;
	f.logged.service = PLAN_NET_NONE;
	f.stream = (struct stream){ 0 };
	buf_init(&f.stream.in, PROXY_BUFFER_BYTES);
	buf_init(&f.stream.out, FUZZ_SENT_MAX * 8);
	assert(http_create(&o, &f.http, &e) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char text[FUZZ_TEXT_MAX];
	size_t n;

	if (f.guest.net == NULL)
		make_guest();
	if (size < 2)
		return 0;
	f.cuts = data + 2;
	f.ncuts = data[1] < 128 ? 0 : size - 2;
	f.cut = 0;
	n = write_text(data + 2, size - 2, text);
	/* a client that has a secret to begin with proves nothing */
	if (tells(text, n))
		return 0;
	begin(data[0]);
	say(text, n);
	assert(!tells(buf_bytes(&f.stream.out), buf_size(&f.stream.out)));
	http_destroy(f.http);
	f.reached = NULL;
	if (f.call != NULL)
		call_free();
	buf_finish(&f.stream.in);
	buf_finish(&f.stream.out);
	return 0;
}
