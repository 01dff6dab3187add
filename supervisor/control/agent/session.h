/*
 * session.h: one attempt's conversation with the agent in its jail.
 *
 * Run by warder-control.  Carries messages of agent_rpc.h (or plays the agent
 * that has no socket: input on its standard input, result at the end of its
 * output) and knows nothing of what they do: requests go to the owner, who
 * answers when it is done.  The agent is hostile: what is malformed ends the
 * session, what is too much is not read until the owner has caught up.
 *
 *	starting ──run.start──► running ──result | error | end of file──► ended
 *	                           │ ▲
 *	                 too much  ▼ │ answered, settled
 *	                          paused
 */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include <jansson.h>

#include "agent_rpc.h"
#include "err.h"
#include "loop.h"

struct session;
struct session_call; /* a request of the agent's, not yet answered */

enum session_end {
	SESSION_RESULT, /* value: what the command gave */
	SESSION_ERROR, /* the agent says that it failed: name and message */
	SESSION_LOST, /* the agent went away without a word */
	SESSION_BROKEN, /* it broke the protocol: why */
};

struct session_outcome {
	enum session_end end;
	json_t *value; /* RESULT; borrowed */
	const char *name, *message; /* ERROR: never NULL; borrowed */
	const struct err *why; /* BROKEN; LOST: may be NULL */
};

struct session_ops {
	/*
	 * A request: to be answered once, now or later, by session_answer()
	 * or session_fail().  params (an object; perhaps empty) is borrowed
	 * until then.  A request of a session that has ended is to be
	 * answered, too: it is then only freed.
	 */
	void (*request)(void *arg, enum agent_method m, const json_t *params,
	    struct session_call *call);
	/*
	 * event or log; params borrowed for the call, "bytes" what they took
	 * on the wire.  An event's bytes count against the agent until
	 * session_settle().
	 */
	void (*notification)(void *arg, enum agent_method m,
	    const json_t *params, size_t bytes);
	/* A line of the agent's standard output (1) or error (2). */
	void (*log)(void *arg, int stream, const char *line, size_t n);
	/* Once, the last call but for log. */
	void (*ended)(void *arg, const struct session_outcome *o);
};

/* Our ends; all taken, also on failure.  -1: there is none. */
struct session_fds {
	int socket; /* -1: an agent without it */
	int in, out, err; /* of its standard streams */
};

must_check int session_create(struct loop *l, const struct session_fds *fds,
    const struct session_ops *ops, void *arg, struct session **ret,
    struct err *e);

/*
 * Say what the agent is to do, once: its answer ends the session.  Without a
 * socket only RUN_START can be, and its member "input" is what the program
 * reads.  params is borrowed.
 */
must_check int session_start(struct session *s, enum agent_command c,
    const json_t *params, struct err *e);

/* run.cancel; the agent may finish what it is at.  Nothing without socket. */
void session_cancel(struct session *s, const char *reason);

/* A notification of ours; params is borrowed.  Nothing without socket. */
void session_say(struct session *s, enum agent_command c, const json_t *params);

/* Answer, and forget the call.  result is borrowed. */
void session_answer(struct session_call *call, const json_t *result);
void session_fail(struct session_call *call, const struct err *e);

/* What so many bytes of events did is done: they count no longer. */
void session_settle(struct session *s, size_t bytes);

/*
 * Nothing is called any more.  Calls that are not answered stay valid until
 * they are.  Accepts NULL.
 */
void session_destroy(struct session *s);

#endif /* !AGENT_SESSION_H */
