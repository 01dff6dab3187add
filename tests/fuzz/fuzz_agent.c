/*
 * fuzz_agent.c: what a jailed agent may send, supervisor/control/agent, in
 * pieces of any size.  The owner answers at once, later, or never; whatever
 * comes, it is told of one end, no call is lost, and nothing is called after
 * that.
 *
 * The first byte says how the bytes are cut and what the owner does.
 */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/control/agent/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum {
	HELD_MAX = AGENT_CALLS_MAX,
};

struct owner {
	struct loop *loop;
	struct session *session;
	struct session_call *held[HELD_MAX];
	int nheld, manner, ended, destroys;
};

static void
owner_request(void *arg, enum agent_method m, const json_t *params,
    struct session_call *call)
{
	struct owner *o = arg;
	struct err e = { .code = ERR_LIMIT, .msg = "no" };

	assert(m < AGENT_METHOD__MAX && json_is_object(params));
	if (o->manner == 0)
		session_answer(call, params);
	else if (o->manner == 1)
		session_fail(call, &e);
	else {
		assert(o->nheld < HELD_MAX);
		o->held[o->nheld++] = call;
	}
}

static void
owner_notification(void *arg, enum agent_method m, const json_t *params,
    size_t bytes)
{
	struct owner *o = arg;

	assert(json_is_object(params) && bytes <= AGENT_LINE_MAX);
	if (m == AGENT_EVENT && o->manner != 3)
		session_settle(o->session, bytes);
}

static void
owner_log(void *arg, int stream, const char *line, size_t n)
{
	(void)arg;
	(void)line;
	assert((stream == 1 || stream == 2) && n <= AGENT_PLAIN_BYTES_MAX);
}

static void
owner_ended(void *arg, const struct session_outcome *out)
{
	struct owner *o = arg;

	assert(!o->ended);
	assert(out->end != SESSION_RESULT || out->value != NULL);
	assert(out->end != SESSION_ERROR ||
	       (out->name != NULL && out->message != NULL));
	o->ended = 1;
	if (o->destroys)
		session_destroy(take_ptr(&o->session));
	loop_stop(o->loop);
}

static const struct session_ops owner_ops = {
	.request = owner_request,
	.notification = owner_notification,
	.log = owner_log,
	.ended = owner_ended,
};

/* Everything that the loop can do now. */
static void
stop(void *arg)
{
	loop_stop(arg);
}

static void
turns(struct owner *o)
{
	struct loop_timer *t;
	struct err e;

	assert(loop_timer_create(o->loop, stop, o->loop, &t, &e) == 0);
	assert(loop_timer_set(t, 0, &e) == 0);
	assert(loop_run(o->loop, &e) == 0);
	loop_timer_destroy(t);
}

static void
feed(struct owner *o, int agent, const uint8_t *data, size_t size, size_t step)
{
	while (size > 0 && !o->ended) {
		size_t n = step < size ? step : size;
		ssize_t sent =
		    send(agent, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		turns(o);
		if (sent <= 0)
			return;
		data += sent;
		size -= (size_t)sent;
	}
}

/* As warder-control: an agent that is gone is told by the call. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	(void)signal(SIGPIPE, SIG_IGN);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session_fds fds = { -1, -1, -1, -1 };
	struct owner o = { 0 };
	json_t *params;
	int sock[2];
	struct err e;

	if (size < 1)
		return 0;
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) == 0);
	assert(loop_create(&o.loop, &e) == 0);
	o.manner = data[0] & 3;
	o.destroys = data[0] >> 2 & 1;
	/* as the socket, or as what a program without one prints */
	fds.socket = data[0] & 8 ? -1 : sock[0];
	fds.out = data[0] & 8 ? sock[0] : -1;
	assert(
	    session_create(o.loop, &fds, &owner_ops, &o, &o.session, &e) == 0);
	params = json_object();
	if (fds.socket != -1)
		assert(session_start(o.session, AGENT_COMMAND_RUN_START, params,
			   &e) == 0);
	json_decref(params);
	feed(&o, sock[1], data + 1, size - 1,
	    data[0] & 16 ? 1 + (data[0] >> 5) : 4096);
	(void)close(sock[1]);
	if (!o.ended) {
		turns(&o);
		turns(&o);
	}
	for (; o.nheld > 0; o.nheld--)
		session_fail(o.held[o.nheld - 1], &e);
	session_destroy(o.session);
	loop_destroy(o.loop);
	return 0;
}
