/* The agent protocol: an agent that behaves, and several that do not. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "json.h"
#include "supervisor/control/agent/plain.h"
#include "supervisor/control/agent/session.h"
#include "unit.h"

enum {
	HELD_MAX = 80, /* more than AGENT_CALLS_MAX */
	TURN_MS = 20,
};

/* The owner's side: what it was told, and what it is to do. */
struct owner {
	struct loop *loop;
	struct session *session;
	int agent; /* the agent's end of the socket */
	int in, out, err; /* the agent's ends of its streams */

	int answers; /* 1: each request at once, with its params */
	struct session_call *held[HELD_MAX];
	int nheld;
	int requests, events, logs, logs_at_end;
	size_t event_bytes;
	enum agent_method method;
	char log[64];
	int ended;
	enum session_end end;
	char *value;
	char name[64], message[128], why[256];
};

static void
owner_request(void *arg, enum agent_method m, const json_t *params,
    struct session_call *call)
{
	struct owner *o = arg;

	o->requests++;
	o->method = m;
	if (o->answers)
		session_answer(call, params);
	else {
		assert_true(o->nheld < HELD_MAX);
		o->held[o->nheld++] = call;
	}
}

static void
owner_notification(void *arg, enum agent_method m, const json_t *params,
    size_t bytes)
{
	struct owner *o = arg;

	(void)params;
	o->method = m;
	if (m != AGENT_EVENT)
		return;
	o->events++;
	o->event_bytes += bytes;
}

static void
owner_log(void *arg, int stream, const char *line, size_t n)
{
	struct owner *o = arg;

	o->logs++;
	(void)snprintf(o->log, sizeof(o->log), "%d:%.*s", stream, (int)n, line);
}

static void
owner_ended(void *arg, const struct session_outcome *out)
{
	struct owner *o = arg;
	struct err e;

	assert_false(o->ended);
	o->ended = 1;
	o->logs_at_end = o->logs;
	o->end = out->end;
	if (out->end == SESSION_RESULT)
		assert_int_equal(json_text(out->value, &o->value, NULL, &e), 0);
	if (out->end == SESSION_ERROR) {
		(void)snprintf(o->name, sizeof(o->name), "%s", out->name);
		(void)snprintf(o->message, sizeof(o->message), "%s",
		    out->message);
	}
	if (out->why != NULL)
		(void)snprintf(o->why, sizeof(o->why), "%.200s", out->why->msg);
}

static const struct session_ops owner_ops = {
	.request = owner_request,
	.notification = owner_notification,
	.log = owner_log,
	.ended = owner_ended,
};

static void
pipe_pair(int ret[2])
{
	assert_int_equal(pipe2(ret, O_CLOEXEC), 0);
}

static void
owner_open(struct owner *o, int plain)
{
	int sock[2] = { -1, -1 }, in[2], out[2], error[2];
	struct session_fds fds;
	struct err e;

	*o = (struct owner){ 0 };
	assert_int_equal(loop_create(&o->loop, &e), 0);
	if (!plain)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC,
				     0, sock),
		    0);
	pipe_pair(in);
	pipe_pair(out);
	pipe_pair(error);
	o->agent = sock[1];
	o->in = in[0];
	o->out = out[1];
	o->err = error[1];
	fds = (struct session_fds){ sock[0], in[1], out[0], error[0] };
	assert_int_equal(session_create(o->loop, &fds, &owner_ops, o,
			     &o->session, &e),
	    0);
}

static void
owner_close(struct owner *o)
{
	session_destroy(o->session);
	for (; o->nheld > 0; o->nheld--)
		session_answer(o->held[o->nheld - 1], json_true());
	loop_destroy(o->loop);
	fd_closep(&o->agent);
	fd_closep(&o->in);
	fd_closep(&o->out);
	fd_closep(&o->err);
	free(o->value);
}

static void
stop(void *arg)
{
	loop_stop(arg);
}

/* Let the loop do what there is to do. */
static void
turn(struct owner *o)
{
	struct loop_timer *t;
	struct err e;

	assert_int_equal(loop_timer_create(o->loop, stop, o->loop, &t, &e), 0);
	assert_int_equal(loop_timer_set(t, TURN_MS, &e), 0);
	assert_int_equal(loop_run(o->loop, &e), 0);
	loop_timer_destroy(t);
}

static void
say(struct owner *o, const char *text)
{
	assert_int_equal(write(o->agent, text, strlen(text)),
	    (ssize_t)strlen(text));
}

static const char *
hear(struct owner *o, char *room, size_t size)
{
	ssize_t n = recv(o->agent, room, size - 1, MSG_DONTWAIT);

	room[n > 0 ? n : 0] = '\0';
	return room;
}

static void
start(struct owner *o)
{
	autojson *params = json_pack("{s:{s:i}}", "input", "x", 1);
	struct err e;

	assert_int_equal(session_start(o->session, AGENT_COMMAND_RUN_START,
			     params, &e),
	    0);
}

static void
session__a_run_with_calls__ends_with_its_result(void **state)
{
	struct owner o;
	char room[512];

	(void)state;
	owner_open(&o, 0);
	o.answers = 1;
	start(&o);
	assert_string_equal(hear(&o, room, sizeof(room)),
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"run.start\","
	    "\"params\":{\"input\":{\"x\":1}}}\n");
	say(&o, "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"journal.get\","
		"\"params\":{\"key\":\"k\"},\"other\":1}\n"
		"{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}\n"
		"{\"jsonrpc\":\"2.0\",\"method\":\"un.known\"}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"un.known\"}\n");
	turn(&o);
	assert_int_equal(o.requests, 1);
	assert_int_equal(o.events, 1);
	assert_string_equal(hear(&o, room, sizeof(room)),
	    "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{\"key\":\"k\"}}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32601,"
	    "\"message\":\"no such method\"}}\n");
	say(&o, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"y\":[2]}}\n");
	turn(&o);
	assert_true(o.ended);
	assert_int_equal(o.end, SESSION_RESULT);
	assert_string_equal(o.value, "{\"y\":[2]}");
	owner_close(&o);
}

static void
session__an_error__names_it(void **state)
{
	struct owner o;

	(void)state;
	owner_open(&o, 0);
	start(&o);
	say(&o, "{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"Boo!\","
		"\"data\":{\"error\":\"ValueError\"}}}\n");
	turn(&o);
	assert_int_equal(o.end, SESSION_ERROR);
	assert_string_equal(o.name, "ValueError");
	assert_string_equal(o.message, "Boo!");
	owner_close(&o);
}

static void
session__what_breaks_the_protocol__ends_it(void **state)
{
	static const char *const bad[] = { "\n", "x\n", "[]\n", "1\n", "{}\n",
		"{\"id\":1}\n", "{\"id\":2,\"result\":1}\n",
		"{\"id\":1,\"result\":1,\"error\":{}}\n", "{\"method\":1}\n",
		"{\"id\":{},\"method\":\"event\"}\n",
		"{\"id\":1.5,\"method\":\"journal.get\"}\n",
		"{\"id\":1,\"id\":1,\"result\":1}\n" };
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++) {
		struct owner o;

		owner_open(&o, 0);
		start(&o);
		say(&o, bad[i]);
		turn(&o);
		if (!o.ended || o.end != SESSION_BROKEN)
			fail_msg("went on after %s", bad[i]);
		assert_int_equal(o.requests, 0);
		owner_close(&o);
	}
}

static void
session__an_agent_that_goes__is_lost(void **state)
{
	struct owner o;

	(void)state;
	owner_open(&o, 0);
	start(&o);
	fd_closep(&o.agent);
	turn(&o);
	assert_true(o.ended);
	assert_int_equal(o.end, SESSION_LOST);
	owner_close(&o);
}

static void
session__an_endless_line__ends_it_at_the_bound(void **state)
{
	static char piece[65536];
	struct owner o;
	size_t sent = 0;

	(void)state;
	memset(piece, ' ', sizeof(piece));
	owner_open(&o, 0);
	start(&o);
	while (!o.ended && sent < 4 * (size_t)AGENT_LINE_MAX) {
		ssize_t n = send(o.agent, piece, sizeof(piece),
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		turn(&o);
	}
	assert_true(o.ended);
	assert_true(sent <= 2 * (size_t)AGENT_LINE_MAX);
	assert_int_equal(o.end, SESSION_BROKEN);
	assert_non_null(strstr(o.why, "1048576"));
	owner_close(&o);
}

static void
session__requests_without_answers__stop_the_agent(void **state)
{
	struct owner o;
	int i;

	(void)state;
	owner_open(&o, 0);
	start(&o);
	for (i = 0; i < HELD_MAX; i++)
		say(&o, "{\"id\":5,\"method\":\"journal.get\"}\n");
	turn(&o);
	assert_int_equal(o.requests, AGENT_CALLS_MAX);
	o.answers = 1;
	for (; o.nheld > 0; o.nheld--)
		session_answer(o.held[o.nheld - 1], json_null());
	turn(&o);
	assert_int_equal(o.requests, HELD_MAX);
	owner_close(&o);
}

static void
session__events_not_settled__stop_the_agent(void **state)
{
	enum {
		N = 40,
		BYTES = 100000
	};

	static char line[BYTES + 1];
	struct owner o;
	int i, most;

	(void)state;
	(void)snprintf(line, sizeof(line),
	    "{\"method\":\"event\",\"params\":{\"d\":\"");
	memset(line + strlen(line), 'x', BYTES - strlen(line) - 4);
	memcpy(line + BYTES - 4, "\"}}\n", 5);
	owner_open(&o, 0);
	start(&o);
	for (i = 0, most = 0; i < N; i++) {
		size_t at = 0;

		while (at < BYTES) {
			ssize_t n =
			    send(o.agent, line + at, BYTES - at, MSG_DONTWAIT);

			if (n > 0) {
				at += (size_t)n;
				continue;
			}
			turn(&o);
			if (o.events > most) {
				most = o.events;
				continue;
			}
			/* stopped: as many as the bound lets in */
			assert_in_range(o.event_bytes, AGENT_AHEAD_BYTES_MAX,
			    AGENT_AHEAD_BYTES_MAX + BYTES);
			session_settle(o.session, o.event_bytes);
			o.event_bytes = 0;
		}
	}
	for (i = 0; i < 3 && o.events < N; i++)
		turn(&o);
	assert_int_equal(o.events, N);
	owner_close(&o);
}

static void
session__a_failure_of_the_host__tells_its_class_alone(void **state)
{
	struct owner o;
	char room[512];
	struct err e;

	(void)state;
	owner_open(&o, 0);
	start(&o);
	(void)hear(&o, room, sizeof(room));
	say(&o, "{\"id\":2,\"method\":\"journal.get\"}\n"
		"{\"id\":3,\"method\":\"journal.get\"}\n");
	turn(&o);
	assert_int_equal(o.nheld, 2);
	(void)err_set(&e, ERR_SYSTEM, "/var/lib/warder/db");
	session_fail(o.held[0], &e);
	(void)err_set(&e, ERR_LIMIT, "32 children are too many");
	session_fail(o.held[1], &e);
	o.nheld = 0;
	assert_string_equal(hear(&o, room, sizeof(room)),
	    "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32000,"
	    "\"message\":\"a system call failed\"}}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32029,"
	    "\"message\":\"32 children are too many\"}}\n");
	owner_close(&o);
}

static void
session__a_log__comes_line_by_line_and_cut(void **state)
{
	static char lots[3 * AGENT_LOG_LINE_MAX];
	struct owner o;

	(void)state;
	owner_open(&o, 0);
	start(&o);
	assert_int_equal(write(o.err, "one\ntwo", 7), 7);
	turn(&o);
	assert_int_equal(o.logs, 1);
	assert_string_equal(o.log, "2:one");
	fd_closep(&o.err);
	turn(&o);
	assert_string_equal(o.log, "2:two");
	memset(lots, 'x', sizeof(lots));
	lots[sizeof(lots) - 1] = '\n';
	assert_int_equal(write(o.out, lots, sizeof(lots)),
	    (ssize_t)sizeof(lots));
	assert_int_equal(write(o.out, "next\n", 5), 5);
	turn(&o);
	assert_int_equal(o.logs, 4);
	assert_string_equal(o.log, "1:next");
	assert_false(o.ended);
	owner_close(&o);
}

static void
session__a_log_before_the_last_word__comes_before_it(void **state)
{
	struct owner o;

	(void)state;
	owner_open(&o, 0);
	start(&o);
	say(&o, "{\"id\":1,\"result\":{}}\n");
	assert_int_equal(write(o.err, "last\n", 5), 5);
	turn(&o);
	assert_true(o.ended);
	assert_int_equal(o.logs, 1);
	assert_int_equal(o.logs_at_end, 1);
	owner_close(&o);
}

static void
session__without_a_socket__input_and_output_are_the_run(void **state)
{
	struct owner o;
	char room[64];
	ssize_t n;

	(void)state;
	owner_open(&o, 1);
	start(&o);
	turn(&o);
	n = read(o.in, room, sizeof(room));
	assert_int_equal(n, 8);
	assert_memory_equal(room, "{\"x\":1}\n", 8);
	assert_int_equal(read(o.in, room, sizeof(room)), 0);
	assert_int_equal(write(o.out, "hello\n{\"a\":\n[1]}\n", 17), 17);
	fd_closep(&o.out);
	turn(&o);
	assert_true(o.ended);
	assert_int_equal(o.end, SESSION_RESULT);
	assert_string_equal(o.value, "{\"a\":[1]}");
	owner_close(&o);
}

static void
plain_result__the_last_document__is_the_result(void **state)
{
	static const struct {
		const char *output, *want;
	} cases[] = {
		{ "1", "1" },
		{ "1\n2\n", "2" },
		{ "log\n{\"a\": 1}\n\n", "{\"a\":1}" },
		{ "{\n \"a\": [\n  1\n ]\n}\n", "{\"a\":[1]}" },
		{ "[1]\n[2\n]\n", "[2]" },
		{ "x {\"a\":1}\n", NULL },
		{ "{\"a\":1} x\n", NULL },
		{ "", NULL },
		{ "\n", NULL },
		{ "{\"a\":1}\nbye\n", NULL },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(cases); i++) {
		autofree char *text = NULL;
		json_t *j = NULL;
		struct err e;
		int rc = plain_result(cases[i].output, strlen(cases[i].output),
		    &j, &e);

		assert_int_equal(rc, cases[i].want == NULL ? -1 : 0);
		if (rc == -1)
			continue;
		assert_int_equal(json_text(j, &text, NULL, &e), 0);
		assert_string_equal(text, cases[i].want);
		json_decref(j);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    session__a_run_with_calls__ends_with_its_result),
		cmocka_unit_test(session__an_error__names_it),
		cmocka_unit_test(session__what_breaks_the_protocol__ends_it),
		cmocka_unit_test(session__an_agent_that_goes__is_lost),
		cmocka_unit_test(
		    session__an_endless_line__ends_it_at_the_bound),
		cmocka_unit_test(
		    session__requests_without_answers__stop_the_agent),
		cmocka_unit_test(session__events_not_settled__stop_the_agent),
		cmocka_unit_test(
		    session__a_failure_of_the_host__tells_its_class_alone),
		cmocka_unit_test(session__a_log__comes_line_by_line_and_cut),
		cmocka_unit_test(
		    session__a_log_before_the_last_word__comes_before_it),
		cmocka_unit_test(
		    session__without_a_socket__input_and_output_are_the_run),
		cmocka_unit_test(
		    plain_result__the_last_document__is_the_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
