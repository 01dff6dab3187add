/*
 * exchange.c: one allowed request, and its response.
 *
 *	REACH ──► CALL ──head──► BODY ──► end: NEXT or CLOSE
 *	  │         │ next address        │
 *	  └─────────┴── answer, CLOSE     └── BREAK
 *
 * libcurl's callbacks only move bytes and remember why they stop; what is
 * then said to the client is said when libcurl has let go (on_done).
 */
#include "exchange.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "locals.h"
#include "log.h"
#include "pass.h"
#include "reach.h"
#include "reload.h"
#include "tokens.h"
#include "upstream.h"

enum {
	EXCHANGE_PIECE_BYTES = 16 * 1024, /* of a body, in one step */
};

#define EXCHANGE_RESPONSE_MAX ((uint64_t)PROXY_RESPONSE_MIB_MAX << 20)

/* Why it stops, said once. */
struct exchange_stop {
	unsigned status; /* 0: it does not */
	enum refusal_code code;
	const char *why;
};

struct exchange {
	struct exchange_options o; /* borrowed parts of it are gone */
	struct generation *began; /* held: found and filter point into it */
	struct verdict verdict;
	struct inject_found found;
	struct tokens_ask *asking;
	int again; /* answered with 401: */
	int asked_again; /* once is enough */
	struct reach *reach;
	struct reach_result targets;
	uint32_t next; /* target */
	struct upstream_call *call;
	struct exchange_stop stop;

	/* the client's body, on its way out */
	enum http1_framing framing;
	uint64_t length;
	struct http1_body body;
	int body_done;
	int owes_continue;
	struct inject_body filter;
	struct buf filtered;
	int filtering;
	struct http1_head trailers; /* what is passed on of the body's */

	/* the response, on its way in */
	int headed;
	int wants_trailers; /* the client takes them */
	enum http1_framing shown; /* its framing towards the client */
	struct http1_body response;
	int response_done;
	int persists;
	struct scrub *scrubber; /* held: another token may come meanwhile */
	struct scrub_stream scrub;
	int scrubbing;

	struct loop_timer *idle;
	uint64_t began_ms;
	uint64_t moved; /* bytes, when the timer was set */
	uint64_t received;
};

/* ---- ends ------------------------------------------------------------------- */

void
exchange_destroy(struct exchange *x)
{
	if (x == NULL)
		return;
	tokens_cancel(x->asking);
	reach_cancel(x->reach);
	upstream_cancel(x->call);
	http1_body_finish(&x->body);
	http1_body_finish(&x->response);
	http1_head_finish(&x->trailers);
	buf_finish(&x->filtered);
	loop_timer_destroy(x->idle);
	scrub_destroy(x->scrubber);
	generation_drop(x->began);
	free(x);
}

static void
exchange_end(struct exchange *x, enum exchange_end end)
{
	upstream_cancel(take_ptr(&x->call));
	x->o.done(x->o.arg, end);
}

static int
is_head(const struct exchange *x)
{
	return strcmp(http1_head_method(x->o.head), "HEAD") == 0;
}

/* Said as HTTP where nothing was said yet, otherwise by cutting it off. */
static void
exchange_fail(struct exchange *x, unsigned status, enum refusal_code code,
    const char *why)
{
	record_failure(x->o.guest, x->o.way, x->verdict.service, x->o.host,
	    x->o.port, code, why);
	if (x->headed || answer_failure(&x->o.stream->out, x->o.guest, status,
			     code, x->o.host, why, is_head(x), NULL) == -1) {
		exchange_end(x, EXCHANGE_BREAK);
		return;
	}
	exchange_end(x, EXCHANGE_CLOSE);
}

static int
exchange_stop(struct exchange *x, unsigned status, enum refusal_code code,
    const char *why)
{
	x->stop = (struct exchange_stop){ status, code, why };
	return UPSTREAM_STOP;
}

static void
exchange_refuse(struct exchange *x, const struct intent *in,
    const struct verdict *v)
{
	record_refusal(x->o.guest, x->o.way, in, v);
	if (answer_refusal(&x->o.stream->out, x->o.guest, in, v, is_head(x),
		NULL) == -1)
		exchange_end(x, EXCHANGE_BREAK);
	else
		exchange_end(x, EXCHANGE_CLOSE);
}

/* ---- the request's body --------------------------------------------------------- */

static int
emit_filtered(void *ctx, const void *p, size_t n)
{
	struct exchange *x = ctx;

	return buf_append(&x->filtered, p, n, NULL);
}

/* Decode one piece of at most n bytes from the stream; payload borrowed. */
static enum http1_got
body_piece(struct exchange *x, size_t n, struct http1_slice *ret)
{
	struct buf *in = &x->o.stream->in;
	size_t used, size = buf_size(in) < n ? buf_size(in) : n;
	enum http1_got got =
	    http1_body_read(&x->body, buf_bytes(in), size, &used, ret);

	/* consumed after the payload was copied: see its callers */
	buf_consume(in, used);
	return got;
}

static int
body_judge(struct exchange *x, enum http1_got got)
{
	if (got == HTTP1_REFUSED)
		return exchange_stop(x, 400, REFUSAL_malformed,
		    http1_fault_text(x->body.fault));
	if (x->body.bytes > x->verdict.body_max_bytes)
		return exchange_stop(x, 413, REFUSAL_body_limit,
		    "the body is larger than the service's body.max");
	x->body_done = got == HTTP1_DONE;
	return 0;
}

/* 100 Continue is said when somebody is there to take the body. */
static int
body_invite(struct exchange *x)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!x->owes_continue)
		return 0;
	x->owes_continue = 0;
	if (x->headed || buf_size(&x->o.stream->in) > 0)
		return 0;
	if (buf_append(&x->o.stream->out, text, sizeof(text) - 1, NULL) == -1)
		return exchange_stop(x, 503, REFUSAL_unavailable, "no memory");
	stream_flush(x->o.stream);
	return 0;
}

static int
body_filter(struct exchange *x, const struct http1_slice *piece)
{
	int rc = 0;

	if (piece->size > 0)
		rc = inject_body_feed(&x->filter, piece->at, piece->size);
	if (rc == 0 && x->body_done)
		rc = inject_body_end(&x->filter);
	if (rc == INJECT_REFUSED)
		return exchange_stop(x, 403, REFUSAL_credential_elsewhere,
		    "a placeholder is in the body");
	if (rc != 0)
		return exchange_stop(x, 503, REFUSAL_unavailable, "no memory");
	return 0;
}

static int
emit_value(void *ctx, const void *p, size_t n)
{
	return buf_append(ctx, p, n, NULL);
}

/* A trailer's text, as a body's: 0, or a reason to stop. */
static int
trailer_filter(struct exchange *x, const char *text, size_t n, struct buf *ret)
{
	struct inject_body filter;
	int rc;

	inject_body_begin(&filter, x->began->inject, emit_value, ret);
	rc = n == 0 ? 0 : inject_body_feed(&filter, text, n);
	if (rc == 0)
		rc = inject_body_end(&filter);
	if (rc == INJECT_REFUSED)
		return exchange_stop(x, 403, REFUSAL_credential_elsewhere,
		    "a placeholder is in a trailer");
	if (rc != 0)
		return exchange_stop(x, 503, REFUSAL_unavailable, "no memory");
	return 0;
}

static int
trailer_take(struct exchange *x, const struct http1_field *f)
{
	autobuf name, value;

	buf_init(&name, HTTP1_FIELD_MAX + 1);
	buf_init(&value, HTTP1_FIELD_MAX);
	if (trailer_filter(x, f->name, f->name_size, &name) != 0 ||
	    trailer_filter(x, f->value, f->value_size, &value) != 0)
		return UPSTREAM_STOP;
	/* stars in a name: it carried what is taken out */
	if (buf_size(&name) != f->name_size ||
	    memcmp(buf_bytes(&name), f->name, f->name_size) != 0)
		return 0;
	if (http1_head_add(&x->trailers, f->name, buf_bytes(&value),
		buf_size(&value), NULL) == -1)
		return exchange_stop(x, 503, REFUSAL_unavailable, "no memory");
	return 0;
}

/* Once the body is whole, before libcurl asks for what comes behind it. */
static int
trailers_take(struct exchange *x)
{
	size_t i, n = http1_head_count(&x->body.trailers);
	int rc = 0;

	if (x->framing != HTTP1_BODY_CHUNKED)
		return 0;
	http1_head_reset(&x->trailers);
	for (i = 0; i < n && rc == 0; i++) {
		struct http1_field f = http1_head_field(&x->body.trailers, i);

		if (pass_trailer(x->o.guest->net, f.name))
			rc = trailer_take(x, &f);
	}
	return rc;
}

static const struct http1_head *
on_trailers(void *arg)
{
	struct exchange *x = arg;

	return &x->trailers;
}

/*
 * One step: decode at most n bytes; with a filter they go to "filtered",
 * without one to p.  What was taken, or a reason to stop.
 */
static long
body_step(struct exchange *x, void *p, size_t n)
{
	struct http1_slice piece = { 0 };
	int rc;

	/* the slice points into the buffer, whose bytes stay where they are
	 * until it is next written to */
	rc = body_judge(x, body_piece(x, n, &piece));
	if (rc == 0 && x->body_done)
		rc = trailers_take(x);
	if (rc == 0 && x->filtering)
		return body_filter(x, &piece);
	if (rc != 0 || piece.size == 0)
		return rc;
	memcpy(p, piece.at, piece.size);
	return (long)piece.size;
}

static long
body_filtered(struct exchange *x, void *p, size_t n)
{
	size_t have = buf_size(&x->filtered);

	if (n > have)
		n = have;
	memcpy(p, buf_bytes(&x->filtered), n);
	buf_consume(&x->filtered, n);
	return (long)n;
}

static long
on_body(void *arg, void *p, size_t n)
{
	struct exchange *x = arg;
	struct stream *s = x->o.stream;
	long got = 0;

	if (n > EXCHANGE_PIECE_BYTES)
		n = EXCHANGE_PIECE_BYTES;
	if (body_invite(x) != 0)
		return UPSTREAM_STOP;
	while (got == 0 && buf_size(&x->filtered) == 0 && !x->body_done &&
	       buf_size(&s->in) > 0)
		got = body_step(x, p, n);
	if (got != 0)
		return got;
	if (buf_size(&x->filtered) > 0)
		return body_filtered(x, p, n);
	if (x->body_done)
		return 0;
	if (s->eof || s->broken)
		return exchange_stop(x, 400, REFUSAL_malformed,
		    "the body is cut off");
	stream_flush(s);
	return UPSTREAM_LATER;
}

/* ---- the response ----------------------------------------------------------------- */

static int
add_scrubbed(struct exchange *x, struct http1_head *to,
    const struct http1_field *f, struct err *e)
{
	struct scrub_stream s;
	autobuf value;

	buf_init(&value, HTTP1_FIELD_MAX * 4);
	scrub_begin(&s, x->scrubber, emit_value, &value);
	if (scrub_feed(&s, f->value, f->value_size) != 0 || scrub_end(&s) != 0)
		return err_set(e, ERR_LIMIT, "a field is too long");
	return http1_head_add(to, f->name, buf_bytes(&value), buf_size(&value),
	    e);
}

static int
emit_nothing(void *ctx, const void *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
	return 0;
}

/* For text in which nothing can be replaced: it stays behind as a whole. */
static int
holds_secret(const struct exchange *x, const char *text)
{
	struct scrub_stream s;

	if (!x->scrubbing)
		return 0;
	scrub_begin(&s, x->scrubber, emit_nothing, NULL);
	return scrub_feed(&s, text, strlen(text)) != 0 || scrub_end(&s) != 0 ||
	       s.replaced > 0;
}

static int
copy_fields(struct exchange *x, const struct http1_head *from,
    struct http1_head *to, int keep_length, struct err *e)
{
	size_t i, n = http1_head_count(from);

	for (i = 0; i < n; i++) {
		struct http1_field f = http1_head_field(from, i);
		int length = strcasecmp(f.name, "Content-Length") == 0;

		if ((pass_is_dropped(f.name) && !(length && keep_length)) ||
		    holds_secret(x, f.name))
			continue;
		if ((x->scrubbing ? add_scrubbed(x, to, &f, e)
				  : http1_head_add(to, f.name, f.value,
					f.value_size, e)) == -1)
			return -1;
	}
	return 0;
}

/* How the body is framed towards the client. */
static enum http1_framing
shown_framing(const struct exchange *x, enum http1_framing from)
{
	if (from == HTTP1_BODY_NONE ||
	    (from == HTTP1_BODY_LENGTH && !x->scrubbing))
		return from;
	return x->o.head->minor == 0 ? HTTP1_BODY_CLOSE : HTTP1_BODY_CHUNKED;
}

static int
shows_trailers(const struct exchange *x)
{
	return x->wants_trailers && x->shown == HTTP1_BODY_CHUNKED &&
	       x->response.framing == HTTP1_BODY_CHUNKED;
}

static int
announce(struct exchange *x, const struct http1_head *from,
    struct http1_head *to, struct err *e)
{
	const char *names;

	if (pass_announce(x->o.guest->net, from, to, e) == -1)
		return -1;
	names = http1_head_get(to, "Trailer");
	if (names != NULL && holds_secret(x, names))
		(void)http1_head_remove(to, "Trailer");
	return 0;
}

static int
show_head(struct exchange *x, struct http1_head *from, uint64_t length,
    int no_body, struct err *e)
{
	autohttp1_head to;
	/* of HEAD and 304 the length is a fact about another response */
	int keep = no_body && (is_head(x) || from->status == 304);
	const char *reason = http1_head_reason(from);

	http1_head_init(&to, HTTP1_RESPONSE, NULL);
	http1_head_remove_hop(from);
	if (http1_head_make_response(&to, from->status,
		holds_secret(x, reason) ? NULL : reason, e) == -1 ||
	    copy_fields(x, from, &to, keep, e) == -1)
		return -1;
	x->persists =
	    !x->o.last && x->body_done && x->shown != HTTP1_BODY_CLOSE;
	if (!keep && http1_head_set_framing(&to, x->shown, length, e) == -1)
		return -1;
	if (shows_trailers(x) && announce(x, from, &to, e) == -1)
		return -1;
	if (!x->persists &&
	    http1_head_add(&to, "Connection", "close", 5, e) == -1)
		return -1;
	return http1_head_write(&to, &x->o.stream->out, e);
}

/* With scrubbing on, only what can be searched as it is. */
static int
may_scrub(const struct http1_head *h)
{
	size_t i, n = http1_head_count(h);

	for (i = 0; i < n; i++) {
		struct http1_field f = http1_head_field(h, i);

		if (strcasecmp(f.name, "Content-Encoding") == 0 &&
		    strcasecmp(f.value, "identity") != 0)
			return 0;
	}
	return h->status != 206;
}

/*
 * A token may have ended or been revoked before its time: the vault is asked
 * for another, once, where the request can be sent again as it is.
 */
static int
may_ask_again(const struct exchange *x)
{
	return !x->asked_again && x->body_done && x->body.bytes == 0 &&
	       tokens_renewable(x->o.guest, &x->verdict);
}

static int
exchange_too_large(struct exchange *x)
{
	return exchange_stop(x, 502, REFUSAL_limit,
	    "the response is too large");
}

static int
on_head(void *arg, struct http1_head *head)
{
	struct exchange *x = arg;
	enum http1_framing from;
	uint64_t length = 0;
	struct err e = { 0 };

	if (head->status == 401 && may_ask_again(x)) {
		x->again = 1;
		return UPSTREAM_STOP;
	}
	from = http1_head_framing(head, http1_head_method(x->o.head), &length);
	if (from == HTTP1_BODY_TUNNEL)
		return exchange_stop(x, 502, REFUSAL_unavailable,
		    "the service changes the protocol");
	if (x->scrubbing && from != HTTP1_BODY_NONE && !may_scrub(head))
		return exchange_stop(x, 502, REFUSAL_unavailable,
		    "the response is partial or encoded and cannot be "
		    "scrubbed");
	if (length > EXCHANGE_RESPONSE_MAX)
		return exchange_too_large(x);
	http1_body_init(&x->response, from, length, NULL);
	x->shown = shown_framing(x, from);
	if (show_head(x, head, length, from == HTTP1_BODY_NONE, &e) == -1)
		return exchange_stop(x, 502, REFUSAL_unavailable,
		    "the response's head cannot be passed on");
	x->headed = 1;
	x->response_done = from == HTTP1_BODY_NONE ||
			   (from == HTTP1_BODY_LENGTH && length == 0);
	stream_flush_soon(x->o.stream);
	return 0;
}

static int
emit_response(void *ctx, const void *p, size_t n)
{
	struct exchange *x = ctx;
	struct buf *out = &x->o.stream->out;

	if (n == 0)
		return 0;
	return x->shown == HTTP1_BODY_CHUNKED
		   ? http1_chunk_write(p, n, out, NULL)
		   : buf_append(out, p, n, NULL);
}

static int
response_piece(struct exchange *x, const struct http1_slice *piece)
{
	if (piece->size == 0)
		return 0;
	return x->scrubbing ? scrub_feed(&x->scrub, piece->at, piece->size)
			    : emit_response(x, piece->at, piece->size);
}

static int
on_data(void *arg, const void *p, size_t n)
{
	struct exchange *x = arg;
	const char *at = p;
	enum http1_got got = HTTP1_MORE;
	struct http1_slice piece;
	size_t used;

	if (!stream_has_room(x->o.stream)) {
		stream_flush(x->o.stream);
		if (!stream_has_room(x->o.stream))
			return UPSTREAM_LATER;
	}
	x->received += n;
	if (x->received > EXCHANGE_RESPONSE_MAX)
		return exchange_too_large(x);
	for (; n > 0 && got == HTTP1_MORE; at += used, n -= used) {
		got = http1_body_read(&x->response, at, n, &used, &piece);
		if (got == HTTP1_REFUSED || response_piece(x, &piece) != 0)
			return exchange_stop(x, 502, REFUSAL_unavailable,
			    "the response's body is malformed");
	}
	x->response_done = got == HTTP1_DONE;
	stream_flush_soon(x->o.stream);
	return 0;
}

/* ---- the end of the response ----------------------------------------------------------- */

/* The last chunk, and what may be passed on of what came behind it. */
static int
show_end(struct exchange *x)
{
	const struct http1_head *from = &x->response.trailers;
	size_t i, n = shows_trailers(x) ? http1_head_count(from) : 0;
	autohttp1_head to;
	int rc = 0;

	http1_head_init(&to, HTTP1_TRAILERS, NULL);
	for (i = 0; i < n && rc == 0; i++) {
		struct http1_field f = http1_head_field(from, i);

		if (!pass_trailer(x->o.guest->net, f.name) ||
		    holds_secret(x, f.name))
			continue;
		rc = x->scrubbing ? add_scrubbed(x, &to, &f, NULL)
				  : http1_head_add(&to, f.name, f.value,
					f.value_size, NULL);
	}
	return rc == 0 ? http1_chunk_end(&to, &x->o.stream->out, NULL) : rc;
}

static void
exchange_whole(struct exchange *x)
{
	int rc = 0;

	if (!x->response_done && http1_body_end(&x->response) != HTTP1_DONE) {
		exchange_fail(x, 502, REFUSAL_unavailable,
		    "the response is cut off");
		return;
	}
	if (x->scrubbing)
		rc = scrub_end(&x->scrub);
	if (rc == 0 && x->shown == HTTP1_BODY_CHUNKED)
		rc = show_end(x);
	if (rc != 0)
		exchange_fail(x, 502, REFUSAL_unavailable, "no memory");
	else
		exchange_end(x, x->persists ? EXCHANGE_NEXT : EXCHANGE_CLOSE);
}

static void exchange_call(struct exchange *x);
static void exchange_ask(struct exchange *x);
static void on_reached(void *arg, const struct reach_result *r);

static void
on_done(void *arg, const struct upstream_end *end)
{
	struct exchange *x = arg;
	struct proxy_count *n = guest_count(x->o.guest, x->verdict.service);

	x->call = NULL;
	n->sent_bytes += x->body.bytes;
	n->received_bytes += x->received;
	if (x->again)
		exchange_ask(x);
	else if (x->stop.status != 0)
		exchange_fail(x, x->stop.status, x->stop.code, x->stop.why);
	else if (end->good)
		exchange_whole(x);
	else if (end->unreached && x->body.bytes == 0 && x->next < x->targets.n)
		exchange_call(x);
	else
		exchange_fail(x, 502, REFUSAL_unavailable, end->why);
}

/* ---- the request --------------------------------------------------------------------------- */

static int
set_host(struct exchange *x, struct err *e)
{
	char host[CANON_HOST_SIZE + 8];
	struct text t;

	text_init(&t, host, sizeof(host));
	text_add(&t, x->o.host);
	if (x->o.port != (x->o.tls ? 443u : 80u))
		text_addf(&t, ":%u", x->o.port);
	return http1_head_set(x->o.head, "Host", host, t.len, e);
}

/* What is scrubbed must come whole and as it is. */
static int
set_scrubbing(struct exchange *x, struct err *e)
{
	if (!x->scrubbing)
		return 0;
	(void)http1_head_remove(x->o.head, "Range");
	(void)http1_head_remove(x->o.head, "If-Range");
	return http1_head_set(x->o.head, "Accept-Encoding", "identity", 8, e);
}

/* This hop's own word on trailers: the client's, where it gave one. */
static int
set_trailers(struct exchange *x, struct err *e)
{
	struct http1_head *h = x->o.head;

	if (x->framing != HTTP1_BODY_CHUNKED)
		(void)http1_head_remove(h, "Trailer");
	else if (pass_announce(x->o.guest->net, h, h, e) == -1)
		return -1;
	if (!x->wants_trailers)
		return 0;
	if (http1_head_add(h, "TE", "trailers", 8, e) == -1)
		return -1;
	return http1_head_add(h, "Connection", "TE", 2, e);
}

static int
exchange_edit(struct exchange *x, const char *target, struct err *e)
{
	struct http1_head *h = x->o.head;
	const char *via = x->o.guest->proxy->via;

	x->wants_trailers = h->facts.wants_trailers && h->minor > 0 &&
			    http1_head_has_token(h, "Connection", "TE");
	http1_head_remove_hop(h);
	pass_strip(h);
	(void)http1_head_remove(h, "Content-Length");
	if (set_trailers(x, e) == -1)
		return -1;
	if (http1_head_set_target(h, target, e) == -1 || set_host(x, e) == -1)
		return -1;
	return http1_head_add(h, "Via", via, strlen(via), e);
}

/* What goes in, and what the answer is scrubbed of. */
static int
exchange_record(struct exchange *x, struct err *e)
{
	const struct plan_net *net = x->o.guest->net;
	uint32_t i;

	for (i = 0; i < x->verdict.ninjects; i++)
		if (record_credential(x->o.guest,
			plan_net_inject(net, x->verdict.injects[i])->credential,
			x->verdict.service, x->o.host, x->o.port, e) == -1)
			return -1;
	return record_put(x->o.guest, e);
}

static int
exchange_fill(struct exchange *x, struct err *e)
{
	struct guest *g = x->o.guest;
	struct inject_secrets secrets = { 0 };

	if (guest_secrets(g, &x->verdict, &secrets, e) == -1 ||
	    exchange_record(x, e) == -1 ||
	    inject_apply(g->now->inject, &x->found, &x->verdict, &secrets,
		x->o.head, e) == -1)
		return -1;
	x->scrubbing = guest_scrubs(g, &x->verdict);
	scrub_destroy(take_ptr(&x->scrubber));
	if (x->scrubbing) {
		x->scrubber = scrub_hold(g->now->scrub);
		scrub_begin(&x->scrub, x->scrubber, emit_response, x);
	}
	return set_scrubbing(x, e);
}

static void
exchange_filled(struct exchange *x)
{
	struct err e = { 0 };
	int rc = exchange_fill(x, &e);

	if (rc == 0 && x->targets.n > 0) {
		x->next = 0;
		exchange_call(x);
		return;
	}
	if (rc == 0)
		rc = reach_start(x->o.guest, x->o.host, x->o.port,
		    x->verdict.service, on_reached, x, &x->reach, &e);
	if (rc == -1 && e.code == ERR_LIMIT)
		exchange_fail(x, 503, REFUSAL_limit, e.msg);
	else if (rc == -1)
		exchange_fail(x, 502, REFUSAL_credential_missing, e.msg);
}

static void
on_tokens(void *arg, enum refusal_code code, uint32_t credential,
    const char *why)
{
	struct exchange *x = arg;

	x->asking = NULL;
	x->verdict.credential = credential;
	if (code == REFUSAL_none)
		exchange_filled(x);
	else
		exchange_fail(x, (unsigned)refusal_http(code), code, why);
}

/* Another token; the request then goes out as before. */
static void
exchange_ask(struct exchange *x)
{
	struct err e = { 0 };

	x->again = 0;
	x->asked_again = 1;
	if (tokens_start(x->o.guest, &x->verdict, x->o.host, x->o.port, 1,
		on_tokens, x, &x->asking, &e) == -1)
		exchange_fail(x, 502, REFUSAL_credential_missing, e.msg);
	else if (x->asking == NULL)
		exchange_filled(x);
}

static int
exchange_dial(struct exchange *x, struct err *e)
{
	struct upstream_request r = {
		.host = x->o.host,
		.port = x->o.port,
		.tls = x->o.tls,
		.target = x->targets.target[x->next++],
		.head = x->o.head,
		.framing = x->framing,
		.length = x->length,
		.events = { on_body, on_trailers, on_head, on_data, on_done,
		    x },
	};

	if (guest_pool(x->o.guest, &x->verdict, &r.pool, e) == -1)
		return -1;
	return upstream_start(&r, &x->call, e);
}

static void
exchange_call(struct exchange *x)
{
	struct err e = { 0 };

	if (exchange_dial(x, &e) == -1)
		exchange_fail(x, 503, REFUSAL_unavailable, e.msg);
}

static void
on_reached(void *arg, const struct reach_result *r)
{
	struct exchange *x = arg;

	x->reach = NULL;
	if (r->denied) {
		exchange_refuse(x, &r->intent, &r->verdict);
		return;
	}
	if (r->n == 0) {
		exchange_fail(x, 502, REFUSAL_unavailable, r->why);
		return;
	}
	x->targets = *r;
	exchange_call(x);
}

/* ---- time -------------------------------------------------------------------------------------- */

static uint64_t
exchange_moved(const struct exchange *x)
{
	return x->o.stream->moved + x->body.bytes + x->received;
}

/* Until it is looked again whether something moves, or all has to end. */
static int
exchange_time(struct exchange *x, struct err *e)
{
	uint64_t took = loop_now_ms() - x->began_ms;
	uint64_t left = took < PROXY_EXCHANGE_MS ? PROXY_EXCHANGE_MS - took : 0;

	return loop_timer_set(x->idle,
	    left < PROXY_IDLE_MS ? left : PROXY_IDLE_MS, e);
}

static void
on_idle(void *arg)
{
	struct exchange *x = arg;
	uint64_t moved = exchange_moved(x);

	if (loop_now_ms() - x->began_ms >= PROXY_EXCHANGE_MS) {
		exchange_fail(x, 504, REFUSAL_limit,
		    "the response does not come to an end");
		return;
	}
	if (moved == x->moved) {
		exchange_fail(x, 504, REFUSAL_unavailable,
		    "nothing came or went for too long");
		return;
	}
	x->moved = moved;
	if (exchange_time(x, NULL) == -1)
		exchange_end(x, EXCHANGE_BREAK);
}

/* ---- another policy ------------------------------------------------------------------------------ */

/* The target was judged before: it is canonical, and has room here. */
struct exchange_question {
	char path[CANON_PATH_SIZE + CANON_QUERY_MAX + 2];
	struct intent intent;
};

static uint64_t
exchange_body_bytes(const struct exchange *x)
{
	if (x->framing == HTTP1_BODY_NONE)
		return 0;
	return x->framing == HTTP1_BODY_LENGTH ? x->length
					       : INTENT_BODY_UNKNOWN;
}

static void
exchange_question(const struct exchange *x, const char *sni,
    struct exchange_question *ret)
{
	char *query;

	(void)snprintf(ret->path, sizeof(ret->path), "%s",
	    http1_head_target(x->o.head));
	query = strchr(ret->path, '?');
	if (query != NULL)
		*query++ = '\0';
	ret->intent = (struct intent){
		.kind = INTENT_HTTP,
		.host = x->o.host,
		.port = x->o.port,
		.hello = 1,
		.tls = x->o.tls,
		.sni = sni,
		.authority = x->o.host,
		.authority_port = x->o.port,
		.method = http1_head_method(x->o.head),
		.path = ret->path,
		.query = query,
		.body_bytes = exchange_body_bytes(x),
		.carries = x->found.carries,
		.ncarries = x->found.ncarries,
		.brought = x->found.brought,
		.locals = locals_get(x->o.guest->proxy->locals),
	};
}

/* What it carries, by its new number; -1: there is no such thing any more. */
static int
renew_carries(struct exchange *x, const struct reload *r)
{
	size_t i;

	for (i = 0; i < x->found.ncarries; i++) {
		struct intent_carry *c = &x->found.carries[i];

		c->credential = reload_credential(r, c->credential);
		if (c->credential == PLAN_NET_NONE)
			return -1;
	}
	return reload_keeps_placeholders(r, x->began,
		   x->filtering && !x->body_done)
		   ? 0
		   : -1;
}

/* Each address that it is connected to, or would try next. */
static int
renew_targets(struct exchange *x, struct intent *in, struct verdict *ret)
{
	const struct net_address *a;
	uint32_t i;

	for (i = 0; i < x->targets.n; i++) {
		a = &x->targets.target[i].address;
		*in = (struct intent){ .kind = INTENT_DIAL,
			.host = x->o.host,
			.port = x->targets.target[i].port,
			.service = x->verdict.service,
			.address = a,
			.locals = locals_get(x->o.guest->proxy->locals) };
		authorize(x->o.guest->net, in, ret);
		if (ret->answer != VERDICT_ALLOW)
			return -1;
	}
	return 0;
}

/* Refused where nothing was said yet, otherwise cut off with a record. */
static int
exchange_cut(struct exchange *x, const struct intent *in,
    const struct verdict *v)
{
	x->verdict.service = v->service;
	if (v->answer == VERDICT_ALLOW)
		exchange_fail(x, 503, REFUSAL_unavailable,
		    "by the new policy it would go on in another way");
	else if (!x->headed)
		exchange_refuse(x, in, v);
	else {
		record_refusal(x->o.guest, x->o.way, in, v);
		exchange_end(x, EXCHANGE_BREAK);
	}
	return 0;
}

int
exchange_renew(struct exchange *x, const struct reload *r, const char *sni,
    struct verdict *ret)
{
	static struct exchange_question q; /* large; used in one go */
	const struct verdict was = x->verdict;
	int lost = renew_carries(x, r);
	struct verdict v;

	exchange_question(x, sni, &q);
	if (lost == -1)
		q.intent.ncarries = 0; /* is it allowed, apart from these? */
	authorize(x->o.guest->net, &q.intent, &v);
	if (v.answer != VERDICT_ALLOW || lost == -1 ||
	    !reload_is_same(r, &was, &v))
		return exchange_cut(x, &q.intent, &v);
	x->verdict = v;
	if (renew_targets(x, &q.intent, &v) == -1)
		return exchange_cut(x, &q.intent, &v);
	*ret = x->verdict;
	return 1;
}

/* What waits for an answer to a question of the last policy asks again. */
void
exchange_resume(struct exchange *x)
{
	struct err e = { 0 };

	if (x->asking != NULL) {
		tokens_cancel(take_ptr(&x->asking));
		if (tokens_start(x->o.guest, &x->verdict, x->o.host, x->o.port,
			x->asked_again, on_tokens, x, &x->asking, &e) == -1)
			exchange_fail(x, 502, REFUSAL_credential_missing,
			    e.msg);
		else if (x->asking == NULL)
			exchange_filled(x);
	} else if (x->reach != NULL) {
		reach_cancel(take_ptr(&x->reach));
		if (reach_start(x->o.guest, x->o.host, x->o.port,
			x->verdict.service, on_reached, x, &x->reach, &e) == -1)
			exchange_fail(x, 503, REFUSAL_unavailable, e.msg);
	}
}

/* ---- from outside ------------------------------------------------------------------------------ */

void
exchange_ready(struct exchange *x)
{
	if (x->call == NULL)
		return;
	if (buf_size(&x->o.stream->in) > 0 || x->o.stream->eof)
		upstream_send(x->call);
	if (stream_has_room(x->o.stream))
		upstream_receive(x->call);
}

static void
exchange_bodies(struct exchange *x)
{
	const struct http1_facts *f = &x->o.head->facts;

	x->framing = http1_head_framing(x->o.head, NULL, &x->length);
	http1_body_init(&x->body, x->framing, x->length, NULL);
	x->body_done = x->framing == HTTP1_BODY_NONE ||
		       (x->framing == HTTP1_BODY_LENGTH && x->length == 0);
	x->owes_continue =
	    f->wants_continue && !x->body_done && x->o.head->minor > 0;
	buf_init(&x->filtered, 2 * PROXY_BUFFER_BYTES);
	x->filtering = x->o.guest->now->placeholders > 0;
	if (x->filtering)
		inject_body_begin(&x->filter, x->o.guest->now->inject,
		    emit_filtered, x);
}

/*
 * On the way to its addresses, or to the vault first.  What fails here is
 * said by the caller.
 */
static int
exchange_begin(struct exchange *x, struct err *e)
{
	if (tokens_start(x->o.guest, &x->verdict, x->o.host, x->o.port, 0,
		on_tokens, x, &x->asking, e) == -1)
		return -1;
	if (x->asking != NULL)
		return record_put(x->o.guest, e);
	if (exchange_fill(x, e) == -1)
		return -1;
	if (reach_now(x->o.guest, x->o.host, x->o.port, x->verdict.service,
		&x->targets))
		return exchange_dial(x, e);
	return reach_start(x->o.guest, x->o.host, x->o.port, x->verdict.service,
	    on_reached, x, &x->reach, e);
}

int
exchange_create(const struct exchange_options *o, struct exchange **ret,
    struct err *e)
{
	struct exchange *x = calloc(1, sizeof(*x));
	struct loop *loop = o->guest->proxy->loop;

	if (x == NULL)
		return err_sys(e, ENOMEM, "a request");
	x->o = *o;
	x->began = generation_hold(o->guest->now);
	x->verdict = *o->verdict;
	x->found = *o->found;
	x->o.verdict = NULL;
	x->o.found = NULL;
	x->o.target = NULL;
	x->began_ms = loop_now_ms();
	exchange_bodies(x);
	http1_body_init(&x->response, HTTP1_BODY_NONE, 0, NULL);
	http1_head_init(&x->trailers, HTTP1_TRAILERS, NULL);
	if (exchange_edit(x, o->target, e) == -1 ||
	    loop_timer_create(loop, on_idle, x, &x->idle, e) == -1 ||
	    exchange_time(x, e) == -1 || exchange_begin(x, e) == -1) {
		exchange_destroy(x);
		return -1;
	}
	*ret = x;
	return 0;
}
