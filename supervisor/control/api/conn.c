/*
 * conn.c: one connection of the API.
 *
 *	SECURE ─► HEAD ─► AUTH ─► BODY ─► RUN ─► SEND ─► HEAD …
 *	            │       │       │      └───► STREAM ─► HEAD …
 *	            └───────┴───────┴─► refused: SEND ─► LINGER
 *
 * A request is refused as early as it can be: who sends it and how long it
 * is are looked at before its body is read, and "100 Continue" is said after
 * that alone.  A body that was not read ends the connection.
 */
#include "conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "clock.h"
#include "cors.h"
#include "log.h"
#include "memfd.h"
#include "secret.h"
#include "stream.h"
#include "text.h"

enum conn_phase {
	CONN_SECURE,
	CONN_HEAD,
	CONN_AUTH,
	CONN_BODY,
	CONN_RUN,
	CONN_SEND,
	CONN_STREAM,
	CONN_LINGER,
	CONN__MAX
};

enum {
	CONN_PIECE_BYTES = 16 * 1024, /* of an answer, in one step */
	CONN_ERROR_BYTES = 2048,
};

struct api_conn {
	TAILQ_ENTRY(api_conn) next; /* of the server's */
	struct api_server *server;
	struct peer *peer;
	struct stream *stream;
	struct loop_timer *timer;
	enum conn_phase phase;
	unsigned requests;

	struct http1_head head;
	int headed; /* the head is whole: it may be asked */
	int late; /* a bad key: the answer waits */
	struct http1_body *body; /* NULL: none is being read */
	struct buf text; /* the body */
	size_t held; /* bytes of the server's budget */
	struct auth_ask *ask;
	struct request *request; /* NULL: none, or it has become a stream */
	struct request_source source; /* in CONN_STREAM */

	int last; /* nothing follows the answer */
	char *answer; /* a whole one's body, and how much of it went */
	size_t answer_size, answer_sent;
	int chunked; /* the stream's body is */
	int silent; /* it has none: HEAD asked for it */
	int watching; /* the timer waits for the client to read */
	uint64_t moved; /* bytes, when it began to */
	uint64_t lingered; /* bytes */
};

static void conn_ready(void *arg);
static void conn_authorized(void *arg, const struct auth_who *who,
    const struct err *e);

struct api_server *
api_conn_server(const struct api_conn *c)
{
	return c->server;
}

struct api_conn *
api_conn_next(const struct api_conn *c)
{
	return TAILQ_NEXT(c, next);
}

/* ---- the end -------------------------------------------------------------- */

static void
conn_release(struct api_conn *c)
{
	api_server_release(c->server, c->held);
	c->held = 0;
}

static int
conn_hold(struct api_conn *c, size_t n)
{
	if (api_server_hold(c->server, n) == -1)
		return -1;
	c->held += n;
	return 0;
}

/* The request, wherever it is: its handler may still be about to answer. */
static void
conn_abandon(struct api_conn *c)
{
	struct request *r = take_ptr(&c->request);

	if (c->phase == CONN_STREAM) {
		c->server->api->counts.streams--;
		c->source.gone(c->source.arg);
	}
	if (r == NULL)
		return;
	r->conn = NULL;
	if (c->phase != CONN_RUN)
		request_destroy(r);
}

static void
conn_drop_body(struct api_conn *c)
{
	if (c->body != NULL)
		http1_body_finish(c->body);
	free(take_ptr(&c->body));
	buf_finish(&c->text);
}

void
api_conn_destroy(struct api_conn *c)
{
	auth_cancel(c->ask);
	conn_abandon(c);
	conn_release(c);
	stream_destroy(c->stream);
	loop_timer_destroy(c->timer);
	http1_head_finish(&c->head);
	conn_drop_body(c);
	free(c->answer);
	peer_leave(c->peer);
	TAILQ_REMOVE(&c->server->conns, c, next);
	c->server->nconns--;
	free(c);
}

static void
conn_reset(struct api_conn *c)
{
	stream_reset(take_ptr(&c->stream));
	api_conn_destroy(c);
}

/* A defect of ours, or no memory: closed, and said once. */
static void
conn_fail(struct api_conn *c, const struct err *e)
{
	log_err(LOG_LEVEL_ERROR, "api.connection", e);
	conn_reset(c);
}

static int
conn_time(struct api_conn *c, uint64_t ms)
{
	struct err e = { 0 };

	c->watching = 0;
	if (loop_timer_set(c->timer, ms, &e) == 0)
		return 0;
	conn_fail(c, &e);
	return -1;
}

/* What is in out goes, what still comes is thrown away for a while. */
static void
conn_linger(struct api_conn *c)
{
	c->phase = CONN_LINGER;
	buf_consume(&c->stream->in, buf_size(&c->stream->in));
	if (conn_time(c, API_LINGER_MS) == -1)
		return;
	stream_read(c->stream, 1);
	stream_shut(c->stream);
	/* a client that has ended already says nothing more */
	if (c->stream->eof)
		stream_again(c->stream);
}

static void
on_linger(struct api_conn *c)
{
	size_t n = buf_size(&c->stream->in);

	buf_consume(&c->stream->in, n);
	c->lingered += n;
	if ((c->stream->eof && buf_size(&c->stream->out) == 0) ||
	    c->lingered > API_LINGER_BYTES)
		api_conn_destroy(c);
}

/*
 * The time runs while the client takes nothing of what is there for it.  Never
 * the last thing done: sources write in the middle of their own.
 */
static void
conn_watch_writing(struct api_conn *c)
{
	if (c->watching)
		return;
	c->watching = 1;
	c->moved = c->stream->moved;
	if (loop_timer_set(c->timer, c->server->api->config.write_ms, NULL) ==
	    0)
		return;
	c->stream->broken = 1;
	stream_again(c->stream);
}

static void
conn_stalled(struct api_conn *c)
{
	c->watching = 0;
	if (buf_size(&c->stream->out) == 0)
		return; /* all of it went; nothing is owed just now */
	if (c->moved == c->stream->moved)
		conn_reset(c);
	else
		conn_watch_writing(c);
}

/* ---- answers ---------------------------------------------------------------- */

static const char *
date_text(void)
{
	static char text[40];
	static time_t made;
	time_t now = (time_t)(clock_ns(CLOCK_REALTIME) / 1000000000);
	struct tm tm;

	if (now != made && gmtime_r(&now, &tm) != NULL &&
	    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
		made = now;
	return text;
}

static int
add(struct http1_head *h, const char *name, const char *value, struct err *e)
{
	return http1_head_add(h, name, value, strlen(value), e);
}

static int
conn_add_request(const struct api_conn *c, struct http1_head *h, struct err *e)
{
	const struct api_config *config = &c->server->api->config;
	unsigned i;

	for (i = 0; c->request != NULL && i < c->request->nfields; i++)
		if (add(h, c->request->fields[i].name,
			c->request->fields[i].value, e) == -1)
			return -1;
	return c->headed ? cors_add(config, cors_origin(config, &c->head), h, e)
			 : 0;
}

/* The fields that every answer has; h is made with its status. */
static int
conn_add_common(struct api_conn *c, struct http1_head *h, const char *type,
    int stream, struct err *e)
{
	if (add(h, "Date", date_text(), e) == -1 ||
	    (type != NULL && add(h, "Content-Type", type, e) == -1) ||
	    add(h, "Cache-Control", stream ? "no-cache" : "no-store", e) ==
		-1 ||
	    add(h, "X-Content-Type-Options", "nosniff", e) == -1 ||
	    (stream && add(h, "X-Accel-Buffering", "no", e) == -1) ||
	    conn_add_request(c, h, e) == -1)
		return -1;
	return c->last ? add(h, "Connection", "close", e) : 0;
}

static int
is_head(const struct api_conn *c)
{
	return c->headed && strcmp(http1_head_method(&c->head), "HEAD") == 0;
}

/* Nothing is known of the next request unless this one was read to its end. */
static void
conn_judge_last(struct api_conn *c)
{
	if (c->phase != CONN_RUN || !c->head.facts.persists ||
	    c->head.minor == 0 || c->requests >= API_REQUESTS_MAX ||
	    c->server->draining)
		c->last = 1;
}

static int
conn_write_head(struct api_conn *c, unsigned status, const char *type, size_t n,
    struct err *e)
{
	struct api_counts *counts = &c->server->api->counts;
	autohttp1_head h;

	http1_head_init(&h, HTTP1_RESPONSE, NULL);
	conn_judge_last(c);
	if (http1_head_make_response(&h, status, NULL, e) == -1 ||
	    conn_add_common(c, &h, type, 0, e) == -1)
		return -1;
	/* 204 has none, by the RFC; the others say it, also without a body */
	if (status != 204 &&
	    http1_head_set_framing(&h, HTTP1_BODY_LENGTH, n, e) == -1)
		return -1;
	counts->answers[status / 100]++;
	return http1_head_write(&h, &c->stream->out, e);
}

static void conn_pump(struct api_conn *c);

/* Answer without a request, or with one: everything else of it is over. */
static void
conn_answer(struct api_conn *c, unsigned status, const char *type, char *text,
    size_t n)
{
	autofree char *own = text;
	struct err e = { 0 };

	/* the body has served; what is sent counts instead */
	conn_release(c);
	conn_drop_body(c);
	if (conn_write_head(c, status, type, n, &e) == -1) {
		conn_fail(c, &e);
		return;
	}
	c->phase = CONN_SEND;
	request_destroy(take_ptr(&c->request));
	loop_timer_clear(c->timer);
	c->answer_sent = 0;
	c->answer_size = is_head(c) ? 0 : n;
	(void)conn_hold(c, c->answer_size);
	c->answer = take_ptr(&own);
	conn_pump(c);
}

static char *
error_text(unsigned status, enum err_code code, const char *detail, size_t *ret)
{
	char *buf = malloc(CONN_ERROR_BYTES);
	struct text t;

	if (buf == NULL)
		return NULL;
	text_init(&t, buf, CONN_ERROR_BYTES);
	request_problem_text(&t, status, code, detail);
	*ret = t.len;
	return buf;
}

static void
conn_refuse(struct api_conn *c, unsigned status, enum err_code code,
    const char *detail)
{
	size_t n = 0;
	char *text = error_text(status, code, detail, &n);

	conn_answer(c, status, text != NULL ? "application/json" : NULL, text,
	    n);
}

/* What has been refused before there is a request can have fields, too. */
static void
conn_field(struct api_conn *c, const char *name, const char *value)
{
	if (c->request != NULL)
		request_field(c->request, name, "%s", value);
}

/* Ready for the next request. */
static void
conn_next_request(struct api_conn *c)
{
	if (c->last) {
		conn_linger(c);
		return;
	}
	c->phase = CONN_HEAD;
	c->headed = 0;
	c->late = 0;
	/* its memory goes too: mostly nothing follows for a while */
	http1_head_finish(&c->head);
	conn_drop_body(c);
	stream_rest(c->stream);
	if (c->server->draining) {
		conn_linger(c);
		return;
	}
	if (conn_time(c, c->server->api->config.keep_ms) == -1)
		return;
	stream_flush(c->stream);
	/* pipelined: what came is read when the loop comes back */
	if (buf_size(&c->stream->in) > 0 || c->stream->eof)
		stream_again(c->stream);
}

/* Whether the next thing may begin: the last thing waits for all of it. */
static int
conn_is_sent(const struct api_conn *c)
{
	return c->answer_sent == c->answer_size &&
	       (c->last ? buf_size(&c->stream->out) == 0
			: stream_has_room(c->stream));
}

/* Move the answer's body to the socket, as far as it takes it. */
static void
conn_pump(struct api_conn *c)
{
	struct err e = { 0 };

	while (c->answer_sent < c->answer_size && stream_has_room(c->stream)) {
		size_t n = c->answer_size - c->answer_sent;

		if (n > CONN_PIECE_BYTES)
			n = CONN_PIECE_BYTES;
		if (buf_append(&c->stream->out, c->answer + c->answer_sent, n,
			&e) == -1) {
			conn_fail(c, &e);
			return;
		}
		c->answer_sent += n;
	}
	if (!conn_is_sent(c)) {
		c->stream->below =
		    c->answer_sent < c->answer_size ? STREAM_BUFFER_BYTES : 1;
		stream_flush(c->stream);
		conn_watch_writing(c);
		return;
	}
	free(take_ptr(&c->answer));
	c->answer_size = c->answer_sent = 0;
	conn_release(c);
	conn_next_request(c);
}

static void
on_send(struct api_conn *c)
{
	conn_pump(c);
}

void
api_conn_answer(struct api_conn *c, unsigned status, const char *type,
    char *text, size_t n)
{
	if (conn_hold(c, n) == 0) {
		conn_answer(c, status, type, text, n);
		return;
	}
	free(text);
	conn_field(c, "Retry-After", "1");
	conn_refuse(c, 503, ERR_LIMIT, "too much is being answered at once");
}

/* ---- streams ------------------------------------------------------------------ */

int
api_conn_room(const struct api_conn *c)
{
	return stream_has_room(c->stream);
}

static int
conn_stream_head(struct api_conn *c, const char *type, struct err *e)
{
	autohttp1_head h;

	http1_head_init(&h, HTTP1_RESPONSE, NULL);
	conn_judge_last(c);
	c->chunked = !c->last || c->head.minor > 0;
	if (http1_head_make_response(&h, 200, NULL, e) == -1 ||
	    conn_add_common(c, &h, type, 1, e) == -1 ||
	    (c->chunked &&
		http1_head_set_framing(&h, HTTP1_BODY_CHUNKED, 0, e) == -1))
		return -1;
	c->server->api->counts.answers[2]++;
	return http1_head_write(&h, &c->stream->out, e);
}

/* What it was asked with is dropped: thousands of streams wait for hours. */
void
api_conn_stream(struct api_conn *c, const char *type,
    const struct request_source *s)
{
	struct err e = { 0 };

	conn_release(c);
	conn_drop_body(c);
	loop_timer_clear(c->timer);
	if (conn_stream_head(c, type, &e) == -1) {
		log_err(LOG_LEVEL_ERROR, "api.stream", &e);
		c->stream->broken = 1;
	}
	c->phase = CONN_STREAM;
	c->source = *s;
	c->silent = is_head(c);
	c->server->api->counts.streams++;
	request_destroy(take_ptr(&c->request));
	http1_head_finish(&c->head);
	/* the first pull, or the news that it is broken already */
	stream_again(c->stream);
}

size_t
api_conn_write(struct api_conn *c, const void *p, size_t n)
{
	struct buf *out = &c->stream->out;
	size_t room = STREAM_BUFFER_BYTES;
	struct err e = { 0 };

	if (!stream_has_room(c->stream) || c->silent)
		return c->silent ? n : 0;
	if (n > room)
		n = room;
	if ((c->chunked ? http1_chunk_write(p, n, out, &e)
			: buf_append(out, p, n, &e)) == -1) {
		/* said on the next turn: the source is in the middle of it */
		c->stream->broken = 1;
		stream_again(c->stream);
		return n;
	}
	if (!stream_has_room(c->stream))
		c->stream->below = STREAM_BUFFER_BYTES;
	conn_watch_writing(c);
	stream_flush_soon(c->stream);
	return n;
}

void
api_conn_end(struct api_conn *c)
{
	struct err e = { 0 };

	c->server->api->counts.streams--;
	c->phase = CONN_SEND;
	if (c->chunked && !c->silent &&
	    http1_chunk_end(NULL, &c->stream->out, &e) == -1) {
		conn_fail(c, &e);
		return;
	}
	/* not in the middle of the source's pull */
	stream_again(c->stream);
}

void
api_conn_break(struct api_conn *c)
{
	c->server->api->counts.streams--;
	c->phase = CONN_SEND;
	c->stream->broken = 1;
	stream_again(c->stream);
}

/* The socket has drained, or the client has left. */
static void
on_stream(struct api_conn *c)
{
	if (c->stream->eof) {
		api_conn_destroy(c);
		return;
	}
	if (c->silent) {
		conn_abandon(c);
		c->phase = CONN_SEND;
		conn_pump(c);
		return;
	}
	if (!stream_has_room(c->stream))
		return;
	/* most streams are silent most of the time */
	stream_rest(c->stream);
	c->source.pull(c->source.arg);
}

/* ---- bodies -------------------------------------------------------------------- */

static void
conn_run(struct api_conn *c)
{
	struct request *r = c->request;
	struct err e = { 0 };

	c->phase = CONN_RUN;
	loop_timer_clear(c->timer);
	if (r->file != -1 && memfd_seal(r->file, &e) == -1) {
		request_error(r, &e);
		return;
	}
	if (r->route->body_bytes > 0 && buf_size(&c->text) > 0) {
		sha256_buffer(buf_bytes(&c->text), buf_size(&c->text),
		    r->body_hash);
		if (json_parse(buf_bytes(&c->text), buf_size(&c->text), NULL,
			&r->body, &e) == -1) {
			request_fail(r, e.code == ERR_LIMIT ? 413 : 400, e.code,
			    "the body: %s", e.msg);
			return;
		}
	}
	r->route->handle(r);
}

/* A body that is no JSON is a file in memory: what it is the handler knows. */
static int
conn_append_file(struct request *r, const struct http1_slice *piece,
    struct err *e)
{
	if (r->file == -1)
		r->file = memfd_open("body", e);
	return r->file == -1 ? -1
			     : memfd_append(r->file, piece->at, piece->size, e);
}

static int
conn_append(struct api_conn *c, const struct http1_slice *piece, struct err *e)
{
	return route_body_is_file(c->request->route->body)
		   ? conn_append_file(c->request, piece, e)
		   : buf_append(&c->text, piece->at, piece->size, e);
}

/* The route's bound, or the operator's where that is less. */
static uint64_t
conn_body_max(const struct api_conn *c)
{
	const struct api_config *config = &c->server->api->config;
	const struct route *route = c->request->route;
	uint64_t most = route_body_is_file(route->body) ? config->archive_bytes
							: config->body_bytes;

	return route->body_bytes < most ? route->body_bytes : most;
}

/* A piece of a body: 0, or it was refused. */
static int
conn_keep(struct api_conn *c, const struct http1_slice *piece)
{
	struct err e = { 0 };

	if (piece->size == 0)
		return 0;
	if (c->body->bytes > conn_body_max(c))
		conn_refuse(c, 413, ERR_LIMIT, "the body is too long");
	else if (conn_hold(c, piece->size) == -1 ||
		 conn_append(c, piece, &e) == -1) {
		conn_field(c, "Retry-After", "1");
		conn_refuse(c, 503, ERR_LIMIT,
		    "too much is being sent at once");
	} else
		return 0;
	return -1;
}

static void
on_body(struct api_conn *c)
{
	struct buf *in = &c->stream->in;
	enum http1_got got = HTTP1_MORE;
	struct http1_slice piece;
	size_t used;

	while (got == HTTP1_MORE && buf_size(in) > 0) {
		got = http1_body_read(c->body, buf_bytes(in), buf_size(in),
		    &used, &piece);
		if (conn_keep(c, &piece) == -1)
			return;
		buf_consume(in, used);
	}
	if (got == HTTP1_DONE)
		conn_run(c);
	else if (got == HTTP1_REFUSED)
		conn_refuse(c, http1_fault_status(c->body->fault), ERR_INVALID,
		    http1_fault_text(c->body->fault));
	else if (c->stream->eof)
		conn_refuse(c, 400, ERR_INVALID, "the body is cut off");
}

/* 0 if a body of that kind may come: what it is is said, and how long. */
static int
conn_check_body(struct api_conn *c, enum http1_framing f, uint64_t bytes)
{
	const struct route *route = c->request->route;
	const char *type = http1_head_get(&c->head, "content-type");
	const char *want = route_body_is_file(route->body) ? ROUTE_FILE_TYPE
							   : "application/json";
	size_t n = strlen(want);
	char text[128];

	if (f == HTTP1_BODY_LENGTH && bytes > conn_body_max(c)) {
		conn_refuse(c, 413, ERR_LIMIT, "the body is too long");
		return -1;
	}
	if (type == NULL || bytes == 0 ||
	    (strncasecmp(type, want, n) == 0 &&
		(type[n] == '\0' || type[n] == ';' || type[n] == ' ')))
		return 0;
	(void)snprintf(text, sizeof(text), "the body must be %s", want);
	conn_refuse(c, 415, ERR_UNSUPPORTED, text);
	return -1;
}

static void
conn_read_body(struct api_conn *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	uint64_t bytes = 0;
	enum http1_framing f = http1_head_framing(&c->head, NULL, &bytes);
	struct err e = { 0 };

	if (f == HTTP1_BODY_CHUNKED)
		bytes = 1; /* not known: as if there were one */
	if (conn_check_body(c, f, bytes) == -1)
		return;
	buf_init(&c->text, c->request->route->body_bytes > 0
			       ? c->request->route->body_bytes
			       : 1);
	if (bytes == 0) {
		conn_run(c);
		return;
	}
	c->body = malloc(sizeof(*c->body));
	if (c->body == NULL) {
		conn_refuse(c, 503, ERR_SYSTEM, "no memory");
		return;
	}
	http1_body_init(c->body, f, bytes, NULL);
	c->phase = CONN_BODY;
	if (conn_time(c, c->server->api->config.body_ms) == -1)
		return;
	if (c->head.facts.wants_continue && buf_size(&c->stream->in) == 0 &&
	    buf_append(&c->stream->out, go_on, sizeof(go_on) - 1, &e) == -1) {
		conn_fail(c, &e);
		return;
	}
	stream_flush(c->stream);
	/* what came with the head may fill "in": on_body() makes room to read */
	stream_again(c->stream);
}

/* ---- who, and what ---------------------------------------------------------------- */

static void
conn_unknown_key(struct api_conn *c)
{
	conn_field(c, "WWW-Authenticate", "Bearer");
	conn_refuse(c, 401, ERR_DENIED, "a valid API key is needed");
}

/* Whoever guesses waits: with the connections of one address, a rate. */
static void
conn_bad_key(struct api_conn *c)
{
	c->server->api->counts.bad_keys++;
	if (!peer_bad_key(c->peer, loop_now_ms())) {
		conn_unknown_key(c);
		return;
	}
	c->late = 1;
	(void)conn_time(c, API_BAD_LOGIN_WAIT_MS);
}

static void
conn_bad_key_late(struct api_conn *c)
{
	conn_field(c, "Retry-After", "1");
	conn_refuse(c, 429, ERR_LIMIT,
	    "too many keys from your address were not valid");
}

/* The path behind the prefix; size 0 if it is not below it. */
static struct http1_slice
conn_path(const struct api_conn *c, const struct http1_target *t)
{
	const char *prefix = c->server->api->config.prefix;
	size_t n = strlen(prefix);
	struct http1_slice path = t->path;

	if (path.size <= n || memcmp(path.at, prefix, n) != 0 ||
	    path.at[n] != '/')
		return (struct http1_slice){ path.at, 0 };
	path.at += n;
	path.size -= n;
	return path;
}

/* Find what is asked: 0, or what is wrong in e with its status. */
static int
conn_find(struct api_conn *c, unsigned *ret_status, struct err *e)
{
	unsigned method = router_method(http1_head_method(&c->head));
	struct request *r = c->request;
	struct http1_slice path;
	struct http1_target t;
	unsigned others = 0;
	char allow[64];

	http1_head_split(&c->head, &t);
	path = conn_path(c, &t);
	if (router_find(method, path.at, path.size, &r->route, &r->args,
		&others, e) == -1) {
		static const unsigned statuses[ERR__MAX] = {
			[ERR_NOT_FOUND] = 404,
			[ERR_UNSUPPORTED] = 405,
			[ERR_INVALID] = 422,
			[ERR_LIMIT] = 404,
		};

		*ret_status = statuses[e->code];
		if (others != 0) {
			router_methods_text(others, allow, sizeof(allow));
			conn_field(c, "Allow", allow);
		}
		return -1;
	}
	*ret_status = 400;
	return t.query.at != NULL
		   ? query_parse(&r->query, t.query.at, t.query.size, e)
		   : 0;
}

/* What is known of the sender and of the request meets here. */
static void
conn_enter(struct api_conn *c)
{
	struct request *r = c->request;
	unsigned status = 500;
	struct err e = { 0 };

	if (r->route == NULL && conn_find(c, &status, &e) == -1)
		conn_refuse(c, status, e.code, e.msg);
	else if (!auth_may(r->who.role, r->route) &&
		 r->who.role == AUTH_ROLE_OPERATOR)
		conn_unknown_key(c); /* as whom, of which tenant? */
	else if (!auth_may(r->who.role, r->route))
		conn_refuse(c, 403, ERR_DENIED, "your key may not do this");
	else
		conn_read_body(c);
}

static void
conn_authorized(void *arg, const struct auth_who *who, const struct err *e)
{
	struct api_conn *c = arg;

	c->ask = NULL;
	if (who != NULL) {
		c->request->who = *who;
		conn_enter(c);
	} else if (e != NULL && e->code != ERR_NOT_FOUND) {
		log_err(LOG_LEVEL_ERROR, "api.key", e);
		conn_field(c, "Retry-After", "1");
		conn_refuse(c, 503, ERR_SYSTEM, "keys cannot be looked up");
	} else
		conn_bad_key(c);
}

/*
 * Whoever could read the database anyway: root and our own user, on the Unix
 * socket, whose other end the kernel knows.
 */
static int
conn_is_operator(const struct api_conn *c)
{
	int uid = peer_uid(c->peer);

	return uid == 0 || (uid > 0 && (uid_t)uid == geteuid());
}

static void
conn_authenticate(struct api_conn *c)
{
	char key[AUTH_KEY_SIZE];
	struct err e = { 0 };

	c->phase = CONN_AUTH;
	loop_timer_clear(c->timer);
	if (auth_key_of(&c->head, key, &e) == 0) {
		if (key[0] == '\0' && conn_is_operator(c)) {
			c->request->who.role = AUTH_ROLE_OPERATOR;
			conn_enter(c);
		} else if (key[0] == '\0')
			conn_unknown_key(c);
		else
			auth_check(c->server->api->auth, key, conn_authorized,
			    c, &c->ask);
	} else if (e.code == ERR_INVALID)
		conn_refuse(c, 400, ERR_INVALID, e.msg);
	else
		conn_bad_key(c);
	secret_wipe(key, sizeof(key));
}

/* A public route needs no key: then nothing else of it is looked at. */
static int
conn_is_public(struct api_conn *c)
{
	struct err e = { 0 };
	unsigned status;

	if (conn_find(c, &status, &e) == 0 &&
	    c->request->route->resource == ROUTE_RESOURCE_PUBLIC)
		return 1;
	/* anybody is told the same, until it is known who asks */
	c->request->route = NULL;
	c->request->nfields = 0;
	query_finish(&c->request->query);
	return 0;
}

/* ---- heads ---------------------------------------------------------------------------- */

/* OPTIONS brings no key: browsers send it before anything else. */
static void
conn_options(struct api_conn *c)
{
	const struct api_config *config = &c->server->api->config;
	struct err e = { 0 };
	autohttp1_head h;

	http1_head_init(&h, HTTP1_RESPONSE, NULL);
	c->phase = CONN_RUN;
	conn_judge_last(c);
	if (http1_head_make_response(&h, 204, NULL, &e) == -1 ||
	    conn_add_common(c, &h, NULL, 0, &e) == -1 ||
	    (cors_origin(config, &c->head) != NULL &&
		cors_add_preflight(&c->head, &h, &e) == -1) ||
	    http1_head_write(&h, &c->stream->out, &e) == -1) {
		conn_fail(c, &e);
		return;
	}
	c->server->api->counts.answers[2]++;
	c->phase = CONN_SEND;
	request_destroy(take_ptr(&c->request));
	conn_pump(c);
}

static void
copy_field(const struct http1_head *h, const char *name, char *ret, size_t size)
{
	const char *v = http1_head_get(h, name);
	size_t n = v != NULL ? strlen(v) : 0;

	if (n > 0 && n < size && text_is_utf8(v, n))
		memcpy(ret, v, n + 1);
}

static void
conn_take_fields(struct api_conn *c)
{
	struct request *r = c->request;

	copy_field(&c->head, "last-event-id", r->last_event_id,
	    sizeof(r->last_event_id));
	copy_field(&c->head, "idempotency-key", r->idempotency_key,
	    sizeof(r->idempotency_key));
	r->minimal = http1_head_has_token(&c->head, "prefer", "return=minimal");
}

static int
has_body(const struct api_conn *c)
{
	uint64_t bytes = 0;

	return http1_head_framing(&c->head, NULL, &bytes) != HTTP1_BODY_NONE &&
	       (c->head.facts.chunked || bytes > 0);
}

static void
conn_headed(struct api_conn *c)
{
	const char *method = http1_head_method(&c->head);
	struct http1_target t;

	c->headed = 1;
	c->requests++;
	c->server->api->counts.requests++;
	http1_head_split(&c->head, &t);
	c->request = request_create(c->server->api);
	if (c->request == NULL) {
		conn_refuse(c, 503, ERR_SYSTEM, "no memory");
		return;
	}
	c->request->conn = c;
	conn_take_fields(c);
	if (t.form == HTTP1_AUTHORITY)
		conn_refuse(c, 501, ERR_UNSUPPORTED, "this is no proxy");
	else if (has_body(c) && (strcmp(method, "HEAD") == 0 ||
				    strcmp(method, "OPTIONS") == 0))
		conn_refuse(c, 400, ERR_INVALID, "this method has no body");
	else if (strcmp(method, "OPTIONS") == 0)
		conn_options(c);
	else if (conn_is_public(c))
		conn_enter(c);
	else
		conn_authenticate(c);
}

static void
conn_cut_head(struct api_conn *c)
{
	if (http1_head_is_empty(&c->head))
		api_conn_destroy(c);
	else
		conn_refuse(c, 400, ERR_INVALID, "the request is cut off");
}

static void
on_head(struct api_conn *c)
{
	struct buf *in = &c->stream->in;
	int begins = http1_head_is_empty(&c->head);
	enum http1_got got;
	size_t used;

	if (buf_size(in) == 0) {
		if (c->stream->eof)
			conn_cut_head(c);
		return;
	}
	if (begins && conn_time(c, c->server->api->config.head_ms) == -1)
		return;
	got = http1_head_read(&c->head, buf_bytes(in), buf_size(in), &used);
	buf_consume(in, used);
	if (got == HTTP1_DONE)
		conn_headed(c);
	else if (got == HTTP1_REFUSED)
		conn_refuse(c, http1_fault_status(c->head.fault), ERR_INVALID,
		    http1_fault_text(c->head.fault));
	else if (c->stream->eof)
		conn_cut_head(c);
}

/* ---- events ---------------------------------------------------------------------------- */

static void
on_secure(struct api_conn *c)
{
	if (c->stream->secure) {
		c->phase = CONN_HEAD;
		on_head(c);
	}
}

static void
on_wait(struct api_conn *c)
{
	(void)c; /* what came waits in stream->in */
}

static void (*const phases[])(struct api_conn *) = {
	[CONN_SECURE] = on_secure,
	[CONN_HEAD] = on_head,
	[CONN_AUTH] = on_wait,
	[CONN_BODY] = on_body,
	[CONN_RUN] = on_wait,
	[CONN_SEND] = on_send,
	[CONN_STREAM] = on_stream,
	[CONN_LINGER] = on_linger,
};

_Static_assert(countof(phases) == CONN__MAX, "every phase has a row");

static void
conn_ready(void *arg)
{
	struct api_conn *c = arg;

	if (c->stream->broken)
		conn_reset(c);
	else
		phases[c->phase](c);
}

static void
conn_overdue(void *arg)
{
	struct api_conn *c = arg;

	if (c->watching)
		conn_stalled(c);
	else if (c->phase == CONN_AUTH && c->late)
		conn_bad_key_late(c);
	else if (c->phase == CONN_BODY ||
		 (c->phase == CONN_HEAD && !http1_head_is_empty(&c->head)))
		conn_refuse(c, 408, ERR_LIMIT,
		    "the request does not come to an end");
	else if (c->phase == CONN_HEAD)
		conn_linger(c);
	else
		conn_reset(c);
}

void
api_conn_drain(struct api_conn *c)
{
	if (c->phase == CONN_HEAD && http1_head_is_empty(&c->head))
		conn_linger(c);
}

void
api_conn_accept(struct api_server *s, int fd, int tls, struct peer *p)
{
	struct api_conn *c = calloc(1, sizeof(*c));
	struct err e = { 0 };

	if (c == NULL) {
		(void)close(fd);
		peer_leave(p);
		return;
	}
	c->server = s;
	c->peer = p;
	c->phase = tls ? CONN_SECURE : CONN_HEAD;
	http1_head_init(&c->head, HTTP1_REQUEST, NULL);
	buf_init(&c->text, 1);
	TAILQ_INSERT_TAIL(&s->conns, c, next);
	s->nconns++;
	if (stream_create(s->api->loop, fd, conn_ready, c, &c->stream, &e) ==
		-1 ||
	    loop_timer_create(s->api->loop, conn_overdue, c, &c->timer, &e) ==
		-1 ||
	    loop_timer_set(c->timer, s->api->config.head_ms, &e) == -1 ||
	    (tls && stream_secure(c->stream, s->tls, c, &e) == -1)) {
		log_err(LOG_LEVEL_ERROR, "api.accept", &e);
		api_conn_destroy(c);
	}
}
