/*
 * http.c: HTTP/1.1 with a client.
 *
 *	HEAD ──► judged ──► EXCHANGE ──NEXT──► HEAD …
 *	  │        │            └─CLOSE──► done
 *	  │        └── refused: answered, done
 *	  └── CONNECT, allowed: the connection becomes something else
 */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "exchange.h"
#include "inject.h"
#include "locals.h"
#include "log.h"

_Static_assert(PROXY_BUFFER_BYTES == (int)STREAM_BUFFER_BYTES,
    "the limit in the documents is the stream's");

struct http {
	struct http_options o;
	struct http1_head head;
	struct exchange *exchange; /* NULL: a head is being read */
	struct loop_timer *timer; /* for a head */
	unsigned requests;
	int headed; /* the head is whole: it may be asked for its method */
	char host[CANON_HOST_SIZE]; /* where the request goes */
	uint32_t port;
	struct judged *judged; /* the request, while it is looked at */
	struct verdict verdict;
};

/*
 * A request that is being judged: that is done in one go, so one of these is
 * enough, and an idle connection does not carry 30 KiB of it.
 */
struct judged {
	char authority[CANON_HOST_SIZE]; /* what it says in Host */
	uint32_t authority_port;
	char path[CANON_PATH_SIZE];
	char query[CANON_QUERY_MAX + 1];
	char target[CANON_PATH_SIZE + CANON_QUERY_MAX + 2];
	int has_query;
	struct inject_found found;
	struct intent intent;
};

static struct judged http_judged;

static int http_next(struct http *h);

void
http_destroy(struct http *h)
{
	if (h == NULL)
		return;
	exchange_destroy(h->exchange);
	http1_head_finish(&h->head);
	loop_timer_destroy(h->timer);
	free(h);
}

/* ---- ends: each is the last thing done with h ---------------------------------- */

static void
http_done(struct http *h)
{
	loop_timer_clear(h->timer);
	h->o.done(h->o.arg);
}

static int
is_head(const struct http *h)
{
	return h->headed && strcmp(http1_head_method(&h->head), "HEAD") == 0;
}

static void
http_fail(struct http *h, unsigned status, enum refusal_code code,
    const char *what, const char *why)
{
	record_failure(h->o.guest, h->o.way, h->verdict.service,
	    h->host[0] != '\0' ? h->host : "-", h->port, code, why);
	if (answer_failure(&h->o.stream->out, h->o.guest, status, code, what,
		why, is_head(h), NULL) == -1)
		h->o.abort(h->o.arg);
	else
		http_done(h);
}

static void
http_malformed(struct http *h, const char *why)
{
	http_fail(h, 400, REFUSAL_malformed, "a request", why);
}

static void
http_refuse(struct http *h)
{
	record_refusal(h->o.guest, h->o.way, &h->judged->intent, &h->verdict);
	if (answer_refusal(&h->o.stream->out, h->o.guest, &h->judged->intent,
		&h->verdict, is_head(h), NULL) == -1)
		h->o.abort(h->o.arg);
	else
		http_done(h);
}

/* ---- where to -------------------------------------------------------------------- */

/* host[:port] as bytes of the request; the port where none is said. */
static int
http_place(const struct http1_authority *a, uint32_t standard,
    char ret[CANON_HOST_SIZE], uint32_t *ret_port, struct err *e)
{
	if (canon_host(a->host.at, a->host.size, ret, e) == -1)
		return err_wrap(e, "the host");
	*ret_port = a->port != 0 ? a->port : standard;
	return 0;
}

/* "https" inside TLS, "http" outside: the scheme that belongs there. */
static int
is_scheme(const struct http *h, const struct http1_slice *s)
{
	const char *right = h->o.host != NULL && h->o.tls ? "https" : "http";

	return s->size == strlen(right) &&
	       strncasecmp(s->at, right, s->size) == 0;
}

/*
 * The authority of a request is Host, which must agree with the absolute form
 * where that is used; where it goes is the connection's business, or in the
 * explicit proxy the absolute form's.
 */
static int
http_where(struct http *h, const struct http1_target *t, struct err *e)
{
	uint32_t standard = h->o.host != NULL && h->o.tls ? 443 : 80;
	struct http1_authority host;
	char absolute[CANON_HOST_SIZE];
	uint32_t port;

	if (http1_head_host(&h->head, &host) == -1)
		return err_set(e, ERR_INVALID, "there is no Host");
	if (http_place(&host, standard, h->judged->authority,
		&h->judged->authority_port, e) == -1)
		return -1;
	if (t->form == HTTP1_ABSOLUTE) {
		if (!is_scheme(h, &t->scheme))
			return err_set(e, ERR_INVALID,
			    "the scheme does not belong here");
		if (http_place(&t->authority, standard, absolute, &port, e) ==
		    -1)
			return -1;
		if (strcmp(absolute, h->judged->authority) != 0 ||
		    port != h->judged->authority_port)
			return err_set(e, ERR_INVALID,
			    "Host is not the target's");
	}
	memcpy(h->host, h->o.host != NULL ? h->o.host : h->judged->authority,
	    strlen(h->o.host != NULL ? h->o.host : h->judged->authority) + 1);
	h->port = h->o.host != NULL ? h->o.port : h->judged->authority_port;
	return 0;
}

static int
http_path(struct http *h, const struct http1_target *t, struct err *e)
{
	/* of http://host alone */
	const char *path = t->path.size > 0 ? t->path.at : "/";
	size_t size = t->path.size > 0 ? t->path.size : 1;

	if (canon_path(path, size, h->judged->path, e) == -1)
		return err_wrap(e, "the path");
	h->judged->has_query = t->query.at != NULL;
	h->judged->query[0] = '\0';
	if (!h->judged->has_query)
		return 0;
	if (t->query.size > CANON_QUERY_MAX)
		return err_set(e, ERR_LIMIT, "the query is too long");
	if (canon_query(t->query.at, t->query.size, e) == -1)
		return err_wrap(e, "the query");
	memcpy(h->judged->query, t->query.at, t->query.size);
	h->judged->query[t->query.size] = '\0';
	return 0;
}

/* ---- judging ------------------------------------------------------------------------ */

static uint64_t
http_body_bytes(const struct http *h)
{
	uint64_t bytes = 0;

	switch (http1_head_framing(&h->head, NULL, &bytes)) {
	case HTTP1_BODY_NONE:
		return 0;
	case HTTP1_BODY_LENGTH:
		return bytes;
	default:
		return INTENT_BODY_UNKNOWN;
	}
}

static void
http_judge(struct http *h)
{
	inject_find(h->o.guest->now->inject, &h->head, &h->judged->found);
	h->judged->intent = (struct intent){
		.kind = INTENT_HTTP,
		.host = h->host,
		.port = h->port,
		.hello = 1,
		.tls = h->o.host != NULL && h->o.tls,
		.sni = h->o.sni,
		.authority = h->judged->authority,
		.authority_port = h->judged->authority_port,
		.method = http1_head_method(&h->head),
		.path = h->judged->path,
		.query = h->judged->has_query ? h->judged->query : NULL,
		.body_bytes = http_body_bytes(h),
		.carries = h->judged->found.carries,
		.ncarries = h->judged->found.ncarries,
		.brought = h->judged->found.brought,
		.locals = locals_get(h->o.guest->proxy->locals),
	};
	authorize(h->o.guest->net, &h->judged->intent, &h->verdict);
}

/*
 * Behind a change of protocol nothing could be judged, put in or scrubbed.
 * HTTP/2 in the clear is an offer that clients make in passing, and a server
 * that goes on in HTTP/1.1 answers it (RFC 9110, 7.8): it is dropped.
 */
static int
wants_other_protocol(const struct http1_head *h)
{
	size_t i;

	if (!h->facts.upgrade)
		return 0;
	for (i = http1_head_find(h, "Upgrade", 0); i != HTTP1_NOWHERE;
	     i = http1_head_find(h, "Upgrade", i + 1))
		if (strcasecmp(http1_head_field(h, i).value, "h2c") != 0)
			return 1;
	return 0;
}

/* What the rules do not speak of: 0, or it was answered. */
static int
http_is_served(struct http *h)
{
	if (strcmp(http1_head_method(&h->head), "HEAD") == 0 &&
	    h->judged->intent.body_bytes != 0)
		http_malformed(h, "HEAD with a body");
	else if (wants_other_protocol(&h->head))
		http_fail(h, 403, REFUSAL_service, "a change of protocol",
		    "Upgrade is not passed on, whatever a rule allows: "
		    "services speak HTTP/1.1, and WebSocket not yet");
	else if (http1_head_has_token(&h->head, "Via", h->o.guest->proxy->via))
		http_fail(h, 508, REFUSAL_malformed, "Via",
		    "the request has been here before");
	else
		return 0;
	return -1;
}

static void
http_ended(void *arg, enum exchange_end end)
{
	struct http *h = arg;

	exchange_destroy(take_ptr(&h->exchange));
	if (end == EXCHANGE_BREAK)
		h->o.abort(h->o.arg);
	else if (end == EXCHANGE_CLOSE)
		http_done(h);
	else if (http_next(h) == 0) {
		stream_flush(h->o.stream);
		/* pipelined: what came is judged when the loop comes back */
		if (buf_size(&h->o.stream->in) > 0 || h->o.stream->eof)
			stream_again(h->o.stream);
	}
}

static void
http_send(struct http *h)
{
	struct exchange_options o = { .guest = h->o.guest,
		.stream = h->o.stream,
		.way = h->o.way,
		.host = h->host,
		.port = h->port,
		.tls = h->judged->intent.tls,
		.last = !h->head.facts.persists || h->head.minor == 0 ||
			h->requests >= PROXY_REQUESTS_MAX,
		.verdict = &h->verdict,
		.found = &h->judged->found,
		.target = h->judged->target,
		.head = &h->head,
		.done = http_ended,
		.arg = h };
	const struct record_act act = {
		.way = h->o.way,
		.service = h->verdict.service,
		.rule = h->verdict.rule,
		.host = h->host,
		.port = h->port,
		.method = http1_head_method(&h->head),
		.path = h->judged->path,
	};
	struct err e = { 0 }, late = { 0 };
	struct text t;

	text_init(&t, h->judged->target, sizeof(h->judged->target));
	text_add(&t, h->judged->path);
	if (h->judged->has_query) {
		text_add(&t, "?");
		text_add(&t, h->judged->query);
	}
	if (record_request(h->o.guest, &act, &e) == -1) {
		http_fail(h, 503, REFUSAL_unavailable, h->host, e.msg);
		return;
	}
	loop_timer_clear(h->timer);
	if (exchange_create(&o, &h->exchange, &e) == 0)
		return;
	/* it was allowed, even if nothing came of it */
	if (record_put(h->o.guest, &late) == -1)
		log_err(LOG_LEVEL_ERROR, "audit", &late);
	if (e.code == ERR_DENIED)
		http_fail(h, 403, REFUSAL_credential_elsewhere, h->host, e.msg);
	else if (e.code == ERR_NOT_FOUND)
		http_fail(h, 502, REFUSAL_credential_missing, h->host, e.msg);
	else if (e.code == ERR_LIMIT)
		http_fail(h, 503, REFUSAL_limit, h->host, e.msg);
	else
		http_fail(h, 503, REFUSAL_unavailable, h->host, e.msg);
}

static void
http_request(struct http *h, const struct http1_target *t)
{
	struct err e = { 0 };

	if (http_where(h, t, &e) == -1 || http_path(h, t, &e) == -1) {
		http_malformed(h, e.msg);
		return;
	}
	http_judge(h);
	if (h->verdict.answer != VERDICT_ALLOW)
		http_refuse(h);
	else if (http_is_served(h) == 0)
		http_send(h);
}

/* ---- CONNECT --------------------------------------------------------------------------- */

/* Inside a connection there is no further one: authorize() says so. */
static void
http_connect_inside(struct http *h)
{
	memcpy(h->host, h->o.host, strlen(h->o.host) + 1);
	memcpy(h->judged->authority, h->o.host, strlen(h->o.host) + 1);
	h->port = h->judged->authority_port = h->o.port;
	(void)snprintf(h->judged->path, sizeof(h->judged->path), "/");
	h->judged->has_query = 0;
	http_judge(h);
	if (h->verdict.answer != VERDICT_ALLOW)
		http_refuse(h);
	else
		http_malformed(h, "CONNECT inside a connection");
}

static void
http_connect(struct http *h, const struct http1_target *t)
{
	struct err e = { 0 };

	if (h->o.host != NULL) {
		http_connect_inside(h);
		return;
	}
	if (http_place(&t->authority, 0, h->host, &h->port, &e) == -1 ||
	    h->port == 0) {
		http_malformed(h,
		    e.code != ERR_OK ? e.msg : "CONNECT without a port");
		return;
	}
	h->judged->intent = (struct intent){
		.kind = INTENT_CONNECT,
		.host = h->host,
		.port = h->port,
		.locals = locals_get(h->o.guest->proxy->locals),
	};
	authorize(h->o.guest->net, &h->judged->intent, &h->verdict);
	if (h->verdict.answer != VERDICT_ALLOW)
		http_refuse(h);
	else
		h->o.connect(h->o.arg, h->host, h->port, &h->verdict);
}

/* ---- heads ----------------------------------------------------------------------------- */

static void
http_headed(struct http *h)
{
	struct http1_target t;

	h->requests++;
	h->headed = 1;
	http1_head_split(&h->head, &t);
	if (t.form == HTTP1_AUTHORITY)
		http_connect(h, &t);
	else if (t.form == HTTP1_ASTERISK)
		http_malformed(h, "OPTIONS * is not passed on");
	else if (t.form == HTTP1_ORIGIN && h->o.host == NULL)
		http_malformed(h, "this is a proxy: the absolute form or "
				  "CONNECT is wanted");
	else
		http_request(h, &t);
}

/* An end between two requests is one; in the middle of one it is not. */
static void
http_ended_early(struct http *h)
{
	if (http1_head_is_empty(&h->head))
		http_done(h);
	else
		http_malformed(h, "the request is cut off");
}

static void
http_read(struct http *h)
{
	struct buf *in = &h->o.stream->in;
	enum http1_got got;
	size_t used;

	if (buf_size(in) == 0) {
		if (h->o.stream->eof)
			http_ended_early(h);
		return;
	}
	got = http1_head_read(&h->head, buf_bytes(in), buf_size(in), &used);
	buf_consume(in, used);
	if (got == HTTP1_DONE)
		http_headed(h);
	else if (got == HTTP1_REFUSED)
		http_fail(h, http1_fault_status(h->head.fault),
		    REFUSAL_malformed, "a request",
		    http1_fault_text(h->head.fault));
	else if (h->o.stream->eof)
		http_ended_early(h);
}

void
http_ready(struct http *h)
{
	if (h->exchange != NULL)
		exchange_ready(h->exchange);
	else
		http_read(h);
}

int
http_is_busy(const struct http *h)
{
	return h->exchange != NULL;
}

int
http_renew(struct http *h, const struct reload *r)
{
	return exchange_renew(h->exchange, r, h->o.sni, &h->verdict);
}

void
http_resume(struct http *h)
{
	exchange_resume(h->exchange);
}

static void
http_overdue(void *arg)
{
	struct http *h = arg;

	if (http1_head_is_empty(&h->head))
		http_done(h);
	else
		http_fail(h, 408, REFUSAL_limit, "a request",
		    "its head does not come to an end");
}

/* Ready for a request: 0, or -1 and the connection has ended. */
static int
http_next(struct http *h)
{
	/* its memory goes too: mostly nothing follows for a while */
	http1_head_finish(&h->head);
	stream_rest(h->o.stream);
	h->headed = 0;
	h->verdict = (struct verdict){ .service = PLAN_NET_NONE };
	if (loop_timer_set(h->timer,
		h->requests == 0 ? PROXY_HEAD_MS : PROXY_KEEP_MS, NULL) == 0)
		return 0;
	h->o.abort(h->o.arg);
	return -1;
}

int
http_create(const struct http_options *o, struct http **ret, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return err_sys(e, ENOMEM, "a connection");
	h->o = *o;
	h->judged = &http_judged;
	h->verdict.service = PLAN_NET_NONE;
	http1_head_init(&h->head, HTTP1_REQUEST, NULL);
	if (loop_timer_create(o->guest->proxy->loop, http_overdue, h, &h->timer,
		e) == -1 ||
	    loop_timer_set(h->timer, PROXY_HEAD_MS, e) == -1) {
		http_destroy(h);
		return -1;
	}
	*ret = h;
	return 0;
}
