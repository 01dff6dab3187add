#include "session.h"

#include <assert.h>
#include <string.h>

#include "json.h"
#include "lines.h"
#include "plain.h"

enum {
	SESSION_START_ID = 1, /* of our one request */
	STREAM_OUTPUT = 1,
	STREAM_ERROR = 2,
};

struct session_call {
	struct session *session; /* NULL: it has ended */
	struct session_call *next, **before;
	json_t *id, *message;
	size_t bytes;
};

/* One of the agent's standard streams. */
struct session_stream {
	struct session *session;
	struct lines *lines;
	int which;
};

struct session {
	const struct session_ops *ops;
	void *arg;
	struct lines *socket; /* NULL: an agent without it */
	struct lines *input; /* of such an agent, until it is written */
	struct session_stream output, error;
	struct buf plain; /* what such an agent printed, the end of it */
	int is_plain;
	struct session_call *calls;
	unsigned ncalls;
	size_t ahead; /* bytes of these and of events not settled */
	int started;
	int ended;
};

static const struct {
	const char *wire;
	enum agent_kind kind;
} methods[] = {

#define X(name, wire, kind) { wire, AGENT_##kind },
	AGENT_METHODS(X)
#undef X
};

static const char *const commands[] = {

#define X(name, wire, kind) wire,
	AGENT_COMMANDS(X)
#undef X
};

static const struct json_limits session_limits = {
	.bytes = AGENT_LINE_MAX,
	.values = AGENT_VALUES_MAX,
	.depth = AGENT_DEPTH_MAX,
};

/* ---- the end -------------------------------------------------------------- */

/* What it wrote to its log before its last word belongs before that. */
static void
session_catch_up(struct session *s)
{
	if (!s->is_plain && s->output.lines != NULL)
		lines_catch_up(s->output.lines);
	if (s->error.lines != NULL)
		lines_catch_up(s->error.lines);
}

static void
session_end(struct session *s, const struct session_outcome *o)
{
	if (s->ended)
		return;
	session_catch_up(s);
	if (s->ended)
		return;
	s->ended = 1;
	if (s->socket != NULL)
		lines_read(s->socket, 0);
	s->ops->ended(s->arg, o);
}

static void
session_break(struct session *s, const struct err *why)
{
	session_end(s,
	    &(struct session_outcome){ .end = SESSION_BROKEN, .why = why });
}

/* Reads on only while what it read is not too much. */
static void
session_pace(struct session *s)
{
	if (s->socket != NULL && !s->ended)
		lines_read(s->socket, s->ncalls < AGENT_CALLS_MAX &&
					  s->ahead < AGENT_AHEAD_BYTES_MAX);
}

/* ---- out ------------------------------------------------------------------ */

/* message is taken.  An agent that does not read is cut off. */
static void
session_send(struct session *s, json_t *message)
{
	struct err e = { 0 };
	autojson *j = message;
	autofree char *text = NULL;
	size_t n;

	if (s->ended)
		return;
	if (j == NULL || json_text(j, &text, &n, &e) == -1) {
		(void)err_set(&e, ERR_SYSTEM, "memory for a message");
		session_break(s, &e);
	} else if (lines_send(s->socket, text, n, &e) == -1)
		session_break(s, &e);
}

static json_t *
session_error(int code, const char *text)
{
	return json_pack("{s:i, s:s}", "code", code, "message", text);
}

/* id is borrowed, error taken. */
static void
session_refuse(struct session *s, json_t *id, json_t *error)
{
	session_send(s, json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id",
			    id != NULL ? id : json_null(), "error", error));
}

static void
call_destroy(struct session_call *call)
{
	struct session *s = call->session;

	if (s != NULL) {
		*call->before = call->next;
		if (call->next != NULL)
			call->next->before = call->before;
		s->ncalls--;
		s->ahead -= call->bytes;
		session_pace(s);
	}
	json_decref(call->id);
	json_decref(call->message);
	free(call);
}

void
session_answer(struct session_call *call, const json_t *result)
{
	if (call->session != NULL)
		session_send(call->session,
		    json_pack("{s:s, s:O, s:O}", "jsonrpc", "2.0", "id",
			call->id, "result", result));
	call_destroy(call);
}

/*
 * What the host's system calls and files said is none of the jail's business:
 * it learns the class alone.
 */
void
session_fail(struct session_call *call, const struct err *e)
{
	int ours = e->code == ERR_SYSTEM || e->code == ERR_CORRUPT;

	if (call->session != NULL)
		session_refuse(call->session, call->id,
		    session_error(err_rpc(e->code),
			ours ? err_text(e->code) : e->msg));
	call_destroy(call);
}

void
session_settle(struct session *s, size_t bytes)
{
	assert(bytes <= s->ahead);
	s->ahead -= bytes;
	session_pace(s);
}

/* ---- in ------------------------------------------------------------------- */

static int
method_find(const char *wire)
{
	size_t i;

	for (i = 0; i < countof(methods); i++)
		if (strcmp(methods[i].wire, wire) == 0)
			return (int)i;
	return -1;
}

/* The message (taken) becomes a call of the owner's. */
static void
session_call_new(struct session *s, enum agent_method m, json_t *message,
    size_t bytes)
{
	struct session_call *call = calloc(1, sizeof(*call));

	if (call == NULL) {
		session_refuse(s, json_object_get(message, "id"),
		    session_error(err_rpc(ERR_SYSTEM), "no memory"));
		json_decref(message);
		return;
	}
	*call = (struct session_call){ .session = s,
		.next = s->calls,
		.before = &s->calls,
		.message = message,
		.bytes = bytes,
		.id = json_incref(json_object_get(message, "id")) };
	if (s->calls != NULL)
		s->calls->before = &call->next;
	s->calls = call;
	s->ncalls++;
	s->ahead += bytes;
	session_pace(s);
	s->ops->request(s->arg, m, json_object_get(message, "params"), call);
}

/* An id is a string or a number of a modest length; none is a notification. */
static int
session_id_is_right(const json_t *id)
{
	return id == NULL || json_is_integer(id) ||
	       (json_is_string(id) && json_string_length(id) <= AGENT_ID_MAX);
}

/* The agent calls; message is taken. */
static void
session_called(struct session *s, json_t *message, const char *wire,
    size_t bytes)
{
	json_t *id = json_object_get(message, "id");
	json_t *params = json_object_get(message, "params");
	int m = method_find(wire);
	enum agent_kind kind = id != NULL ? AGENT_REQUEST : AGENT_NOTIFICATION;
	int fault = 0;

	if (params == NULL &&
	    json_object_set_new(message, "params", json_object()) == 0)
		params = json_object_get(message, "params");
	if (m == -1 || methods[m].kind != kind)
		fault = AGENT_FAULT_METHOD;
	else if (!json_is_object(params))
		fault = AGENT_FAULT_PARAMS;
	if (fault == 0 && kind == AGENT_REQUEST) {
		session_call_new(s, (enum agent_method)m, message, bytes);
		return;
	}
	if (fault == 0) {
		if (m == AGENT_EVENT)
			s->ahead += bytes;
		session_pace(s);
		s->ops->notification(s->arg, (enum agent_method)m, params,
		    bytes);
	} else if (kind == AGENT_REQUEST)
		session_refuse(s, id,
		    session_error(fault, fault == AGENT_FAULT_METHOD
					     ? "no such method"
					     : "\"params\" must be an object"));
	json_decref(message);
}

/* The agent answers our one request. */
static void
session_answered(struct session *s, const json_t *message)
{
	const json_t *error = json_object_get(message, "error");
	json_t *result = json_object_get(message, "result");
	const json_t *data = json_object_get(error, "data");
	const char *name = json_string_value(json_object_get(data, "error"));
	const char *text = json_string_value(json_object_get(error, "message"));
	struct err e;

	if (json_integer_value(json_object_get(message, "id")) !=
		SESSION_START_ID ||
	    !s->started || (error == NULL) == (result == NULL)) {
		(void)err_set(&e, ERR_INVALID,
		    "the agent answers what was not asked");
		session_break(s, &e);
	} else if (result != NULL)
		session_end(s, &(struct session_outcome){ .end = SESSION_RESULT,
				   .value = result });
	else
		session_end(s, &(struct session_outcome){ .end = SESSION_ERROR,
				   .name = name != NULL ? name : "Error",
				   .message = text != NULL ? text : "" });
}

static void
session_message(struct session *s, json_t *message, size_t bytes)
{
	const json_t *method = json_object_get(message, "method");
	const char *wire = json_string_value(method);
	struct err e;

	if (!json_is_object(message) ||
	    !session_id_is_right(json_object_get(message, "id")) ||
	    (method != NULL && wire == NULL)) {
		(void)err_set(&e, ERR_INVALID,
		    "a message that is neither call nor answer");
		session_break(s, &e);
		json_decref(message);
	} else if (wire != NULL)
		session_called(s, message, wire, bytes);
	else {
		session_answered(s, message);
		json_decref(message);
	}
}

static void
session_line(void *arg, const char *p, size_t n)
{
	struct session *s = arg;
	struct err e;
	json_t *message;

	if (s->ended)
		return;
	if (json_parse(p, n, &session_limits, &message, &e) == -1) {
		(void)err_wrap(&e, "a message of the agent");
		session_break(s, &e);
		return;
	}
	session_message(s, message, n);
}

static void
session_socket_end(void *arg, const struct err *why)
{
	session_end(arg, &(struct session_outcome){
			     .end = why != NULL ? SESSION_BROKEN : SESSION_LOST,
			     .why = why });
}

static const struct lines_ops socket_ops = {
	.line = session_line,
	.end = session_socket_end,
};

/* ---- the standard streams ------------------------------------------------- */

/* Keep the end of what a plain agent prints: its result is there. */
static void
plain_keep(struct session *s, const char *p, size_t n)
{
	size_t held = buf_size(&s->plain), over;

	if (n + 1 > s->plain.max)
		return;
	over = held + n + 1 > s->plain.max ? held + n + 1 - s->plain.max : 0;
	buf_consume(&s->plain, over);
	if (buf_append(&s->plain, p, n, NULL) == -1 ||
	    buf_append(&s->plain, "\n", 1, NULL) == -1)
		buf_finish(&s->plain);
}

static void
stream_line(void *arg, const char *p, size_t n)
{
	struct session_stream *t = arg;
	struct session *s = t->session;

	if (t->which == STREAM_OUTPUT && s->is_plain)
		plain_keep(s, p, n);
	s->ops->log(s->arg, t->which, p, n);
}

static void
stream_end(void *arg, const struct err *why)
{
	struct session_stream *t = arg;
	struct session *s = t->session;
	autojson *j = NULL;
	struct err e;

	(void)why;
	if (t->which != STREAM_OUTPUT || !s->is_plain || s->ended)
		return;
	if (plain_result(buf_bytes(&s->plain), buf_size(&s->plain), &j, &e) ==
	    0)
		session_end(s, &(struct session_outcome){ .end = SESSION_RESULT,
				   .value = j });
	else
		session_end(s, &(struct session_outcome){ .end = SESSION_LOST,
				   .why = &e });
}

static const struct lines_ops stream_ops = {
	.line = stream_line,
	.end = stream_end,
};

/* The input is written, or nobody reads it: either way it is closed. */
static void
input_end(void *arg, const struct err *why)
{
	struct session *s = arg;

	(void)why;
	lines_destroy(take_ptr(&s->input));
}

static const struct lines_ops input_ops = {
	.line = NULL,
	.end = input_end,
};

/* ---- made and unmade ------------------------------------------------------ */

static const struct lines_options socket_options = {
	.line_max = AGENT_LINE_MAX,
	.out_max = AGENT_OUT_BYTES_MAX,
};

static const struct lines_options log_options = {
	.line_max = AGENT_LOG_LINE_MAX,
	.cuts = 1,
};

static const struct lines_options plain_options = {
	.line_max = AGENT_PLAIN_BYTES_MAX - 1,
	.cuts = 1,
};

static const struct lines_options input_options = {
	.line_max = 1,
	.out_max = AGENT_OUT_BYTES_MAX,
};

static int
session_stream_open(struct session *s, struct loop *l, int *fd, int which,
    struct session_stream *t, struct err *e)
{
	int plain = which == STREAM_OUTPUT && s->is_plain;

	*t = (struct session_stream){ .session = s, .which = which };
	if (*fd == -1)
		return 0;
	return lines_create(l, take_fd(fd),
	    plain ? &plain_options : &log_options, &stream_ops, t, &t->lines,
	    e);
}

static int
session_open(struct session *s, struct loop *l, struct session_fds *fds,
    struct err *e)
{
	if (fds->socket != -1 &&
	    lines_create(l, take_fd(&fds->socket), &socket_options, &socket_ops,
		s, &s->socket, e) == -1)
		return -1;
	if (s->is_plain && fds->in != -1) {
		if (lines_create(l, take_fd(&fds->in), &input_options,
			&input_ops, s, &s->input, e) == -1)
			return -1;
		lines_read(s->input, 0);
	}
	if (session_stream_open(s, l, &fds->out, STREAM_OUTPUT, &s->output,
		e) == -1 ||
	    session_stream_open(s, l, &fds->err, STREAM_ERROR, &s->error, e) ==
		-1)
		return -1;
	return 0;
}

int
session_create(struct loop *l, const struct session_fds *fds,
    const struct session_ops *ops, void *arg, struct session **ret,
    struct err *e)
{
	struct session_fds rest = *fds;
	struct session *s = calloc(1, sizeof(*s));
	int rc = -1;

	if (s == NULL)
		(void)err_set(e, ERR_SYSTEM, "memory for a session");
	else {
		*s = (struct session){ .ops = ops,
			.arg = arg,
			.is_plain = fds->socket == -1 };
		buf_init(&s->plain, AGENT_PLAIN_BYTES_MAX);
		rc = session_open(s, l, &rest, e);
	}
	/* an agent with a socket has nothing to read from us elsewhere */
	fd_closep(&rest.socket);
	fd_closep(&rest.in);
	fd_closep(&rest.out);
	fd_closep(&rest.err);
	if (rc == -1) {
		session_destroy(s);
		return -1;
	}
	*ret = s;
	return 0;
}

static int
plain_start(struct session *s, const json_t *params, struct err *e)
{
	const json_t *input = json_object_get(params, "input");
	autofree char *text = NULL;
	size_t n;

	if (s->input == NULL)
		return err_set(e, ERR_CONFLICT, "the agent takes no input");
	if (json_text(input != NULL ? input : json_null(), &text, &n, e) ==
		-1 ||
	    lines_send(s->input, text, n, e) == -1)
		return -1;
	lines_shut(s->input);
	return 0;
}

int
session_start(struct session *s, enum agent_command c, const json_t *params,
    struct err *e)
{
	autojson *j = NULL;
	autofree char *text = NULL;
	size_t n;

	assert(!s->started);
	s->started = 1;
	if (s->is_plain)
		return c == AGENT_COMMAND_RUN_START
			   ? plain_start(s, params, e)
			   : err_set(e, ERR_UNSUPPORTED,
				 "an agent without the protocol cannot %s",
				 commands[c]);
	j = json_pack("{s:s, s:i, s:s, s:O}", "jsonrpc", "2.0", "id",
	    SESSION_START_ID, "method", commands[c], "params", params);
	if (j == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a message");
	return json_text(j, &text, &n, e) == -1 ||
		       lines_send(s->socket, text, n, e) == -1
		   ? -1
		   : 0;
}

void
session_say(struct session *s, enum agent_command c, const json_t *params)
{
	if (s->socket != NULL)
		session_send(s, json_pack("{s:s, s:s, s:O}", "jsonrpc", "2.0",
				    "method", commands[c], "params", params));
}

void
session_cancel(struct session *s, const char *reason)
{
	autojson *params = json_pack("{s:s}", "reason", reason);

	if (params != NULL)
		session_say(s, AGENT_COMMAND_RUN_CANCEL, params);
}

void
session_destroy(struct session *s)
{
	struct session_call *c;

	if (s == NULL)
		return;
	for (c = s->calls; c != NULL; c = c->next)
		c->session = NULL;
	lines_destroy(s->socket);
	lines_destroy(s->input);
	lines_destroy(s->output.lines);
	lines_destroy(s->error.lines);
	buf_finish(&s->plain);
	free(s);
}
