#include "ask.h"

#include <stdlib.h>

#include "graph.h"
#include "supervisor/control/storage/uuid.h"

struct ask {
	const struct jails_host *host;
	enum agent_command command;
	json_t *params;
	struct blobs *blobs; /* NULL: none */
	ask_fn *fn;
	void *arg;
	void *jail;
	struct session *session;
	struct loop_timer *late;
	struct loop_call *gone; /* it is freed from the loop */
	json_t *result;
	struct err error;
	int done;
};

static void
ask_destroy(struct ask *a)
{
	session_destroy(a->session);
	loop_timer_destroy(a->late);
	loop_call_destroy(a->gone);
	if (a->jail != NULL)
		a->host->jails->forget(a->jail);
	json_decref(a->params);
	json_decref(a->result);
	free(a);
}

/* On a turn of its own: nobody of ours is on the stack. */
static void
ask_tell(void *arg)
{
	struct ask *a = arg;

	a->fn(a->arg, a->result, a->result != NULL ? NULL : &a->error);
	ask_destroy(a);
}

static void
ask_done(struct ask *a, json_t *result, const struct err *e)
{
	if (a->done)
		return;
	a->done = 1;
	a->result = json_incref(result);
	if (e != NULL)
		a->error = *e;
	(void)!loop_call_set(a->gone, NULL);
}

static void
ask_fail(struct ask *a, enum err_code code, const char *text)
{
	struct err e;

	(void)err_set(&e, code, "%s", text);
	ask_done(a, NULL, &e);
}

static void
ask_late(void *arg)
{
	ask_fail(arg, ERR_LIMIT, "the agent did not answer in time");
}

/* ---- the session ---------------------------------------------------------- */

static void
on_request(void *arg, enum agent_method m, const json_t *params,
    struct session_call *call)
{
	static int (*const blobs[AGENT_METHOD__MAX])(struct blobs *,
	    const json_t *, json_t **, struct err *) = {
		[AGENT_BLOB_PUT] = graph_blob_put,
		[AGENT_BLOB_GET] = graph_blob_get,
	};
	const struct ask *a = arg;
	autojson *result = NULL;
	struct err e = { .code = ERR_SYSTEM, .msg = "no memory" };

	if (a->blobs == NULL || a->done || blobs[m] == NULL)
		(void)err_set(&e, ERR_CONFLICT,
		    "there is no run to do that for");
	else if (blobs[m](a->blobs, params, &result, &e) == -1)
		json_decref(take_ptr(&result));
	if (result != NULL)
		session_answer(call, result);
	else
		session_fail(call, &e);
}

static void
on_notification(void *arg, enum agent_method m, const json_t *params,
    size_t bytes)
{
	struct ask *a = arg;

	(void)params;
	if (m == AGENT_EVENT)
		session_settle(a->session, bytes);
}

static void
on_log(void *arg, int stream, const char *line, size_t n)
{
	(void)arg;
	(void)stream;
	(void)line;
	(void)n;
}

static void
on_ended(void *arg, const struct session_outcome *o)
{
	struct ask *a = arg;

	if (o->end == SESSION_RESULT)
		ask_done(a, o->value, NULL);
	else
		ask_fail(a, ERR_INVALID,
		    o->end == SESSION_ERROR ? o->message
					    : "the agent gave no answer");
}

static const struct session_ops session_ops = {
	.request = on_request,
	.notification = on_notification,
	.log = on_log,
	.ended = on_ended,
};

/* ---- the jail ------------------------------------------------------------- */

static void
on_started(void *owner, const struct session_fds *fds,
    const struct jails_limits *l)
{
	struct ask *a = owner;
	struct err e;

	(void)l; /* ASK_MS is less than any of them */
	if (session_create(a->host->loop, fds, &session_ops, a, &a->session,
		&e) == -1 ||
	    session_start(a->session, a->command, a->params, &e) == -1)
		ask_done(a, NULL, &e);
}

static void
on_refused(void *owner, const struct err *why)
{
	ask_done(owner, NULL, why);
}

/* What it said before is still in its socket; the session ends by itself. */
static void
on_exited(void *owner, const struct jails_exit *x)
{
	struct ask *a = owner;

	(void)x;
	if (a->session == NULL)
		ask_fail(a, ERR_INVALID, "the agent gave no answer");
}

static const struct jails_owner owner_ops = {
	.started = on_started,
	.refused = on_refused,
	.exited = on_exited,
};

int
ask_start(const struct jails_host *h, const char *tenant, const char *digest,
    enum agent_command c, const json_t *params, struct blobs *b, ask_fn *fn,
    void *arg, struct ask **ret, struct err *e)
{
	struct ask *a = calloc(1, sizeof(*a));
	char id[UUID_SIZE];
	struct jails_spec s = { .tenant = tenant,
		.digest = digest,
		.run_id = id,
		.attempt = 1,
		.wall_ms = ASK_MS };

	if (a == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a question");
	*a = (struct ask){ .host = h,
		.command = c,
		.blobs = b,
		.fn = fn,
		.arg = arg,
		.params = json_incref((json_t *)(uintptr_t)params) };
	uuid_v7(id);
	if (loop_timer_create(h->loop, ask_late, a, &a->late, e) == -1 ||
	    loop_timer_set(a->late, ASK_MS, e) == -1 ||
	    loop_call_create(h->loop, ask_tell, a, &a->gone, e) == -1 ||
	    h->jails->start(h->jails_arg, &s, &owner_ops, a, &a->jail, e) ==
		-1) {
		ask_destroy(a);
		return -1;
	}
	*ret = a;
	return 0;
}

void
ask_cancel(struct ask *a)
{
	ask_destroy(a);
}
