/*
 * conn.c: one connection of a jail.
 *
 *	          capture ──► ask ──────────────► refused: reset, and a line
 *	explicit ──► HTTP ──CONNECT──┘ │
 *	               ▲               ├─ tcp ──► REACH ─► DIAL ─► TUNNEL
 *	               │               │             ▲
 *	               │               └─► HELLO ────┤ splice
 *	               │                     │       │
 *	               └──────── SECURE ◄────┘ inspect
 *	                        (or at once: plain)
 *
 * Every arrow away from "ask" is authorize()'s.  What cannot go on ends in
 * LINGER (something was said to the client) or in a reset.
 */
#include "conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "answer.h"
#include "dial.h"
#include "hello.h"
#include "http.h"
#include "listener.h"
#include "locals.h"
#include "log.h"
#include "record.h"
#include "reload.h"
#include "stream.h"
#include "tunnel.h"

enum conn_phase {
	CONN_HTTP,
	CONN_HELLO,
	CONN_SECURE,
	CONN_REACH,
	CONN_DIAL,
	CONN_TUNNEL,
	CONN_LINGER,
	CONN__MAX
};

struct conn {
	TAILQ_ENTRY(conn) next; /* of the guest's */
	struct guest *guest;
	enum record_way way;
	enum conn_phase phase;
	struct stream *stream; /* the client's; NULL in a tunnel */
	struct loop_timer *timer;
	int owed; /* an answer to CONNECT is still to be given */

	char host[CANON_HOST_SIZE]; /* where it goes */
	uint32_t port;
	char sni[CANON_HOST_SIZE]; /* "": none */
	int greeted, tls; /* its first bytes were read, and begin TLS */
	struct verdict verdict;

	struct hello hello;
	size_t pushed; /* bytes of stream->in that hello has seen */
	struct http *http;
	struct reach *reach;
	struct dial *dial;
	int client, upstream; /* descriptors of the tunnel; -1 */
	struct tunnel *tunnel;
	uint64_t lingered; /* bytes */
};

static void conn_ready(void *arg);
static void conn_serve(struct conn *c, const char *host, int tls);

/* ---- the end -------------------------------------------------------------- */

void
conn_destroy(struct conn *c)
{
	http_destroy(c->http);
	reach_cancel(c->reach);
	dial_cancel(c->dial);
	tunnel_destroy(c->tunnel);
	fd_closep(&c->client);
	fd_closep(&c->upstream);
	stream_destroy(c->stream);
	loop_timer_destroy(c->timer);
	hello_finish(&c->hello);
	TAILQ_REMOVE(&c->guest->conns, c, next);
	guest_leave(c->guest);
	free(c);
}

static void
conn_reset(struct conn *c)
{
	http_destroy(take_ptr(&c->http));
	stream_reset(take_ptr(&c->stream));
	conn_destroy(c);
}

static void
conn_abort(void *arg)
{
	conn_reset(arg);
}

/* A defect of ours, or no memory: closed, and said once. */
static void
conn_fail(struct conn *c, const struct err *e)
{
	record_failure(c->guest, c->way, c->verdict.service, c->host, c->port,
	    REFUSAL_unavailable, e->msg);
	conn_reset(c);
}

static int
conn_time(struct conn *c, uint64_t ms)
{
	struct err e = { 0 };

	if (loop_timer_set(c->timer, ms, &e) == 0)
		return 0;
	conn_fail(c, &e);
	return -1;
}

/* What is in out goes, what still comes is thrown away for a while. */
static void
conn_linger(void *arg)
{
	struct conn *c = arg;

	c->phase = CONN_LINGER;
	buf_consume(&c->stream->in, buf_size(&c->stream->in));
	if (conn_time(c, PROXY_LINGER_MS) == -1)
		return;
	stream_read(c->stream, 1);
	stream_shut(c->stream);
	/* a client that has ended already says nothing more */
	if (c->stream->eof)
		stream_again(c->stream);
}

static void
on_linger(struct conn *c)
{
	size_t n = buf_size(&c->stream->in);

	buf_consume(&c->stream->in, n);
	c->lingered += n;
	if ((c->stream->eof && buf_size(&c->stream->out) == 0) ||
	    c->lingered > PROXY_LINGER_BYTES)
		conn_destroy(c);
}

/* An answer where one is owed, otherwise a reset. */
static void
conn_refuse(struct conn *c, const struct intent *in, const struct verdict *v)
{
	record_refusal(c->guest, c->way, in, v);
	if (c->owed &&
	    answer_refusal(&c->stream->out, c->guest, in, v, 0, NULL) == 0)
		conn_linger(c);
	else
		conn_reset(c);
}

static void
conn_unavailable(struct conn *c, unsigned status, enum refusal_code code,
    const char *why)
{
	record_failure(c->guest, c->way, c->verdict.service, c->host, c->port,
	    code, why);
	if (c->owed && answer_failure(&c->stream->out, c->guest, status, code,
			   c->host, why, 0, NULL) == 0)
		conn_linger(c);
	else
		conn_reset(c);
}

/* ---- asking --------------------------------------------------------------- */

static void
conn_intent(const struct conn *c, struct intent *ret)
{
	*ret = (struct intent){
		.kind = INTENT_CONNECT,
		.host = c->host,
		.port = c->port,
		.hello = c->greeted,
		.tls = c->tls,
		.sni = c->sni[0] == '\0' ? NULL : c->sni,
		.locals = locals_get(c->guest->proxy->locals),
	};
}

/* ---- a tunnel -------------------------------------------------------------- */

static void
conn_tunnel_ended(void *arg, const struct tunnel_result *r)
{
	struct linger l = { .l_onoff = r->reset };
	struct conn *c = arg;
	struct proxy_count *n = guest_count(c->guest, c->verdict.service);

	n->sent_bytes += r->sent_bytes;
	n->received_bytes += r->received_bytes;
	(void)setsockopt(c->client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	(void)setsockopt(c->upstream, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	conn_destroy(c);
}

/* The client's stream is taken apart once all that it owes has gone. */
static void
conn_tunnel(struct conn *c)
{
	struct err e = { 0 };
	struct buf first;

	if (buf_size(&c->stream->out) > 0)
		return;
	c->client = stream_take(take_ptr(&c->stream), &first);
	loop_timer_clear(c->timer);
	if (tunnel_create(c->guest->proxy->loop, c->client, c->upstream, &first,
		conn_tunnel_ended, c, &c->tunnel, &e) == -1)
		conn_fail(c, &e);
	buf_finish(&first);
}

static void
conn_dialed(void *arg, int fd, int sys)
{
	struct conn *c = arg;
	struct err e = { 0 };

	c->dial = NULL;
	if (fd == -1) {
		(void)err_sys(&e, sys, "connecting");
		conn_unavailable(c, 502, REFUSAL_unavailable, e.msg);
		return;
	}
	c->upstream = fd;
	c->phase = CONN_TUNNEL;
	if (c->owed && answer_connected(&c->stream->out, &e) == -1) {
		conn_fail(c, &e);
		return;
	}
	c->owed = 0;
	stream_flush(c->stream);
	conn_tunnel(c);
}

static void
conn_reached(void *arg, const struct reach_result *r)
{
	struct conn *c = arg;
	const struct record_act act = {
		.way = c->way,
		.service = c->verdict.service,
		.rule = PLAN_NET_NONE,
		.host = c->host,
		.port = c->port,
	};
	struct err e = { 0 };

	c->reach = NULL;
	if (r->denied) {
		conn_refuse(c, &r->intent, &r->verdict);
		return;
	}
	if (r->n == 0) {
		conn_unavailable(c, 502, REFUSAL_unavailable, r->why);
		return;
	}
	c->phase = CONN_DIAL;
	if (record_allowed(c->guest, &act, &e) == -1) {
		conn_unavailable(c, 503, REFUSAL_unavailable, e.msg);
		return;
	}
	if (dial_start(c->guest->proxy->loop, r, conn_dialed, c, &c->dial,
		&e) == -1)
		conn_fail(c, &e);
}

/* There may be many addresses, each with a time of its own. */
static void
conn_unreached(struct conn *c)
{
	reach_cancel(take_ptr(&c->reach));
	dial_cancel(take_ptr(&c->dial));
	conn_unavailable(c, 504, REFUSAL_unavailable,
	    "no address has answered in time");
}

static void
conn_reach(struct conn *c)
{
	struct err e = { 0 };

	c->phase = CONN_REACH;
	if (conn_time(c, PROXY_REACH_MS) == -1)
		return;
	stream_read(c->stream, 0);
	if (reach_start(c->guest, c->host, c->port, c->verdict.service,
		conn_reached, c, &c->reach, &e) == -1)
		conn_unavailable(c, 503,
		    e.code == ERR_LIMIT ? REFUSAL_limit : REFUSAL_unavailable,
		    e.msg);
}

/* ---- the first bytes -------------------------------------------------------- */

/* The name in the greeting was compared with the host before. */
int
conn_choose(void *arg, const char *name, const struct tls_identity **ret,
    struct err *e)
{
	struct conn *c = arg;

	(void)name;
	return guest_leaf(c->guest, c->host, ret, e);
}

static void
conn_secure(struct conn *c)
{
	struct err e = { 0 };

	c->phase = CONN_SECURE;
	if (c->guest->tls == NULL)
		(void)err_set(&e, ERR_UNSUPPORTED, "nothing is inspected");
	if (c->guest->tls == NULL ||
	    stream_secure(c->stream, c->guest->tls, c, &e) == -1)
		conn_fail(c, &e);
}

static void
on_secure(struct conn *c)
{
	if (c->stream->secure)
		conn_serve(c, c->host, 1);
}

/* What was allowed without the first bytes is asked again with them. */
static void
conn_greeted(struct conn *c, int tls)
{
	struct intent in;

	c->greeted = 1;
	c->tls = tls;
	conn_intent(c, &in);
	authorize(c->guest->net, &in, &c->verdict);
	if (c->verdict.answer != VERDICT_ALLOW)
		conn_refuse(c, &in, &c->verdict);
	else if (c->verdict.handling == VERDICT_SPLICE && c->hello.facts.ech)
		conn_unavailable(c, 421, REFUSAL_sni_mismatch,
		    "the ClientHello hides a name (ECH)");
	else if (c->verdict.handling == VERDICT_SPLICE)
		conn_reach(c);
	else if (c->verdict.handling == VERDICT_INSPECT)
		conn_secure(c);
	else if (c->verdict.handling == VERDICT_PLAIN)
		conn_serve(c, c->host, 0);
	else
		conn_reset(c);
}

static void
conn_hello(struct conn *c)
{
	const char *name = c->hello.facts.name;
	struct err e = { 0 };

	if (name[0] != '\0' && canon_host(name, strlen(name), c->sni, &e) == -1)
		conn_unavailable(c, 400, REFUSAL_malformed, e.msg);
	else
		conn_greeted(c, 1);
}

static void
on_hello(struct conn *c)
{
	struct buf *in = &c->stream->in;
	const char *p = buf_bytes(in);
	size_t n = buf_size(in) - c->pushed;
	enum hello_status status = HELLO_MORE;
	struct err e = { 0 };

	if (n == 0) {
		if (c->stream->eof)
			conn_destroy(c);
		return;
	}
	p += c->pushed;
	c->pushed += n;
	if (hello_push(&c->hello, p, n, &status, &e) == 0) {
		if (status == HELLO_DONE)
			conn_hello(c);
	} else if (e.code == ERR_UNSUPPORTED)
		conn_greeted(c, 0);
	else
		conn_unavailable(c, 400, REFUSAL_malformed, e.msg);
}

/* ---- what is done with it ---------------------------------------------------- */

static void conn_connect(void *arg, const char *host, uint32_t port,
    const struct verdict *v);

static void
conn_serve(struct conn *c, const char *host, int tls)
{
	struct http_options o = { .guest = c->guest,
		.stream = c->stream,
		.way = c->way,
		.host = host,
		.port = c->port,
		.tls = tls,
		.sni = c->sni[0] == '\0' ? NULL : c->sni,
		.connect = conn_connect,
		.done = conn_linger,
		.abort = conn_abort,
		.arg = c };
	struct err e = { 0 };

	c->phase = CONN_HTTP;
	loop_timer_clear(c->timer);
	if (http_create(&o, &c->http, &e) == -1)
		conn_fail(c, &e);
	else
		http_ready(c->http);
}

static void
conn_allowed(struct conn *c)
{
	struct err e = { 0 };

	if (c->verdict.handling == VERDICT_TCP) {
		conn_reach(c);
		return;
	}
	c->phase = CONN_HELLO;
	if (c->owed && answer_connected(&c->stream->out, &e) == -1) {
		conn_fail(c, &e);
		return;
	}
	c->owed = 0;
	if (conn_time(c, PROXY_HELLO_MS) == -1)
		return;
	stream_flush(c->stream);
	on_hello(c);
}

static void
conn_connect(void *arg, const char *host, uint32_t port,
    const struct verdict *v)
{
	struct conn *c = arg;

	memcpy(c->host, host, strlen(host) + 1);
	c->port = port;
	c->verdict = *v;
	c->owed = 1;
	http_destroy(take_ptr(&c->http));
	conn_allowed(c);
}

static void
conn_capture(struct conn *c, const struct conn_arrival *a)
{
	struct intent in;

	guest_name_of(c->guest, &a->address, c->host);
	c->port = a->port;
	conn_intent(c, &in);
	authorize(c->guest->net, &in, &c->verdict);
	if (c->verdict.answer != VERDICT_ALLOW)
		conn_refuse(c, &in, &c->verdict);
	else
		conn_allowed(c);
}

/* ---- another policy ----------------------------------------------------------- */

static void
conn_cut_tunnel(struct conn *c)
{
	struct tunnel_result t = { .reset = 1 };

	tunnel_count(c->tunnel, &t.sent_bytes, &t.received_bytes);
	conn_tunnel_ended(c, &t);
}

/* The record is made; what may be said to the client is. */
static int
conn_cut(struct conn *c, const struct intent *in, const struct verdict *v)
{
	static const char why[] =
	    "by the new policy it would go on in another way";
	int denied = v->answer != VERDICT_ALLOW;

	c->verdict.service = v->service;
	reach_cancel(take_ptr(&c->reach));
	dial_cancel(take_ptr(&c->dial));
	if (c->tunnel == NULL && denied)
		conn_refuse(c, in, v);
	else if (c->tunnel == NULL)
		conn_unavailable(c, 503, REFUSAL_unavailable, why);
	else {
		if (denied)
			record_refusal(c->guest, c->way, in, v);
		else
			record_failure(c->guest, c->way, v->service, c->host,
			    c->port, REFUSAL_unavailable, why);
		conn_cut_tunnel(c);
	}
	return 0;
}

/* The address that it is connected to, for its service. */
static int
conn_may_dial(const struct conn *c, const struct verdict *v, struct intent *ret,
    struct net_address *ret_address, struct verdict *ret_verdict)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t size = sizeof(sa);

	*ret = (struct intent){ .kind = INTENT_DIAL,
		.host = c->host,
		.service = v->service,
		.address = ret_address,
		.locals = locals_get(c->guest->proxy->locals) };
	*ret_address = (struct net_address){ 0 };
	/* one that has gone has none, and that is refused */
	if (getpeername(c->upstream, (struct sockaddr *)&sa, &size) == -1 ||
	    address_from_sockaddr((struct sockaddr *)&sa, size, ret_address,
		&ret->port) == -1)
		ret->port = 0;
	authorize(c->guest->net, ret, ret_verdict);
	return ret_verdict->answer == VERDICT_ALLOW;
}

/* Not connected yet: by the new policy from the beginning. */
static void
conn_reach_again(struct conn *c)
{
	reach_cancel(take_ptr(&c->reach));
	dial_cancel(take_ptr(&c->dial));
	conn_reach(c);
}

/* The stream itself, whatever is in it: 1 it goes on. */
static int
conn_renew_stream(struct conn *c, const struct reload *r)
{
	struct intent in, dial;
	struct net_address to;
	struct verdict v, w;

	conn_intent(c, &in);
	authorize(c->guest->net, &in, &v);
	if (v.answer != VERDICT_ALLOW || !reload_is_same(r, &c->verdict, &v))
		return conn_cut(c, &in, &v);
	if (c->phase == CONN_TUNNEL && !conn_may_dial(c, &v, &dial, &to, &w))
		return conn_cut(c, &dial, &w);
	c->verdict = v;
	if (c->phase == CONN_REACH || c->phase == CONN_DIAL)
		conn_reach_again(c);
	return 1;
}

/* Its request first, which may still be answered. */
static void
conn_renew_one(struct conn *c, struct reload *r)
{
	int busy = c->phase == CONN_HTTP && http_is_busy(c->http);
	int kept = 1;

	if (c->phase == CONN_LINGER || (c->host[0] == '\0' && !busy))
		return;
	if (busy)
		kept = http_renew(c->http, r);
	if (kept && c->host[0] != '\0')
		kept = conn_renew_stream(c, r);
	r->kept += kept != 0;
	r->cut += kept == 0;
	if (kept && busy)
		http_resume(c->http);
}

void
conn_renew(struct reload *r)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(&r->guest->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, next);
		conn_renew_one(c, r);
	}
}

/* ---- events ------------------------------------------------------------------ */

static void
on_http(struct conn *c)
{
	http_ready(c->http);
}

static void
on_wait(struct conn *c)
{
	(void)c; /* what came waits in stream->in */
}

static void (*const phases[])(struct conn *) = {
	[CONN_HTTP] = on_http,
	[CONN_HELLO] = on_hello,
	[CONN_SECURE] = on_secure,
	[CONN_REACH] = on_wait,
	[CONN_DIAL] = on_wait,
	[CONN_TUNNEL] = conn_tunnel,
	[CONN_LINGER] = on_linger,
};

static void
conn_ready(void *arg)
{
	struct conn *c = arg;

	if (!c->stream->broken) {
		phases[c->phase](c);
		return;
	}
	if (c->phase == CONN_SECURE)
		record_failure(c->guest, c->way, c->verdict.service, c->host,
		    c->port, REFUSAL_tls, stream_why(c->stream));
	conn_reset(c);
}

static void
conn_overdue(void *arg)
{
	struct conn *c = arg;

	if (c->phase == CONN_LINGER)
		conn_destroy(c);
	else if (c->phase == CONN_REACH || c->phase == CONN_DIAL)
		conn_unreached(c);
	else
		conn_reset(c);
}

void
conn_accept(const struct conn_arrival *a)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct loop *loop = a->guest->proxy->loop;
	int direct =
	    a->role == PROXY_ROLE_EXPLICIT && listener_is_loopback(&a->address);
	struct err e = { 0 };

	if (c == NULL) {
		(void)close(a->fd);
		return;
	}
	c->guest = a->guest;
	c->way = direct ? RECORD_EXPLICIT : RECORD_CAPTURE;
	c->client = c->upstream = -1;
	c->verdict.service = PLAN_NET_NONE;
	hello_init(&c->hello);
	TAILQ_INSERT_TAIL(&c->guest->conns, c, next);
	guest_enter(c->guest);
	if (stream_create(loop, a->fd, conn_ready, c, &c->stream, &e) == -1 ||
	    loop_timer_create(loop, conn_overdue, c, &c->timer, &e) == -1) {
		log_err(LOG_LEVEL_ERROR, "accept", &e);
		conn_destroy(c);
	} else if (direct)
		conn_serve(c, NULL, 0);
	else
		conn_capture(c, a);
}
