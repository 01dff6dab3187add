#include "attempt_private.h"

#include <assert.h>
#include <string.h>
#include <sys/wait.h>

#include "crash.h"
#include "json.h"
#include "log.h"

/* What the engine's reasons are to the jail, and to the run that ends so. */
static const struct {
	enum spawn_why why;
	const char *reason; /* as the agent is told */
	const char *status;
} whys[] = {
	[ENGINE_WHY_INTERRUPT] = { SPAWN_WHY_INTERRUPT, "interrupt",
	    "interrupted" },
	[ENGINE_WHY_ROLLBACK] = { SPAWN_WHY_ROLLBACK, "rollback",
	    "interrupted" },
	[ENGINE_WHY_TIMEOUT] = { SPAWN_WHY_TIMEOUT, "timeout", "timeout" },
	[ENGINE_WHY_LOST] = { SPAWN_WHY_LEASE, "lost", "lost" },
	[ENGINE_WHY_DRAIN] = { SPAWN_WHY_SHUTDOWN, "shutdown", "lost" },
};

/* How a jail's end that nobody asked for is told to people. */
static const char *const end_texts[] = {

#define X(name, exit, text) [RUN_##name] = text,
	RUN_ENDS(X)
#undef X
};

/* What class of failure that is; the others are "AgentFailed". */
static const struct {
	const char *error, *status; /* NULL: error */
} ends[RUN__MAX] = {
	[RUN_EXITED] = { "AgentExited", NULL },
	[RUN_OOM] = { "OutOfMemory", NULL },
	[RUN_WALL] = { "TimeLimit", "timeout" },
	[RUN_IDLE] = { "TimeLimit", "timeout" },
	[RUN_CPU_TIME] = { "TimeLimit", "timeout" },
};

/* ---- life ----------------------------------------------------------------- */

static void
attempt_free(struct attempt *a)
{
	session_destroy(a->session);
	loop_timer_destroy(a->idle);
	blobs_destroy(a->blobs);
	json_decref(a->kwargs);
	json_decref(a->manifest);
	json_decref(a->config);
	json_decref(a->context);
	json_decref(a->checkpoint);
	json_decref(a->chain);
	json_decref(a->journal);
	json_decref(a->input);
	json_decref(a->values);
	json_decref(a->interrupts);
	json_decref(a->result);
	json_decref(a->final);
	json_decref(a->answered);
	free(a->digest);
	free(a);
}

struct attempt *
attempt_ref(struct attempt *a)
{
	a->refs++;
	return a;
}

void
attempt_unref(struct attempt *a)
{
	assert(a->refs > 0);
	if (--a->refs == 0)
		attempt_free(a);
}

int
attempt_lives(const struct attempt *a)
{
	return a->engine != NULL && !a->ended;
}

/* ---- what the engine has not answered ------------------------------------- */

struct attempt_wait {
	TAILQ_ENTRY(attempt_wait) next;
	struct attempt *attempt;
	size_t bytes; /* of an event: they count until it is stored */
	storage_event_append_fn *fn;
	void *arg;
};

struct attempt_wait *
attempt_wait_create(struct attempt *a, size_t bytes,
    storage_event_append_fn *fn, void *arg)
{
	struct attempt_wait *w = malloc(sizeof(*w));

	if (w == NULL)
		return NULL;
	*w = (struct attempt_wait){ .attempt = attempt_ref(a),
		.bytes = bytes,
		.fn = fn,
		.arg = arg };
	TAILQ_INSERT_TAIL(&a->waits, w, next);
	return w;
}

void
attempt_wait_destroy(struct attempt_wait *w)
{
	TAILQ_REMOVE(&w->attempt->waits, w, next);
	attempt_unref(w->attempt);
	free(w);
}

void
attempt_waited(void *arg, const struct storage_appended *r,
    const struct err *error)
{
	struct attempt_wait *w = arg;
	struct attempt *a = attempt_ref(w->attempt);
	storage_event_append_fn *fn = w->fn;
	void *fn_arg = w->arg;
	size_t bytes = w->bytes;

	CRASH_POINT();
	attempt_wait_destroy(w);
	/* a lost fence is the engine's to act on; others tell the agent */
	if (fn == NULL && error != NULL && error->code != ERR_CONFLICT)
		log_err(LOG_LEVEL_WARN, "event", error);
	if (a->session != NULL)
		session_settle(a->session, bytes);
	if (fn != NULL)
		fn(fn_arg, r, error);
	attempt_unref(a);
}

void
attempt_waits_end(struct attempt *a)
{
	static const struct err gone = { .code = ERR_CONFLICT,
		.msg = "the run has ended" };
	struct attempt_wait *w;

	while ((w = TAILQ_FIRST(&a->waits)) != NULL)
		attempt_waited(w, NULL, &gone);
}

/* ---- the end -------------------------------------------------------------- */

static void
attempt_kill(struct attempt *a, enum spawn_why why)
{
	if (a->jail != NULL && !a->exited)
		a->host->host.jails->kill(a->jail, why);
}

void
attempt_note(struct attempt *a, const struct err *error)
{
	a->host_failed |= error->code == ERR_SYSTEM;
}

/*
 * An agent that was refused what the disk has no room for fails by our fault:
 * its attempt is lost with the host, and comes again.
 */
static const struct engine_end *
attempt_blame(const struct attempt *a, const struct engine_end *end)
{
	static const struct engine_end lost = { .status = "lost" };

	return a->host_failed && strcmp(end->status, "error") == 0 ? &lost
								   : end;
}

void
attempt_end(struct attempt *a, const struct engine_end *end)
{
	struct err e;

	CRASH_POINT();
	if (!attempt_lives(a))
		return;
	a->ended = 1;
	attempt_execs_kill(a, SPAWN_WHY_DONE);
	/* what cannot be stored now ends with the attempt's lease */
	if (engine_end(a->engine, attempt_blame(a, end), &e) == -1)
		log_err(LOG_LEVEL_ERROR, "run.end", &e);
}

/* What agent.yaml says, 0: nothing. */
static int64_t
attempt_backoff(const struct attempt *a)
{
	return json_integer_value(
	    json_object_get(json_object_get(a->manifest, "retry"),
		"backoff_ms"));
}

/* It has ended badly: status is error or timeout. */
static void
attempt_fail_as(struct attempt *a, const char *status, const char *name,
    const char *message, int retry)
{
	autojson *j =
	    json_pack("{s:s, s:s}", "error", name, "message", message);
	autofree char *error = NULL;
	struct storage_event event = { .name = "error" };
	int again;

	if (!attempt_lives(a))
		return;
	if (j == NULL || json_text(j, &error, NULL, NULL) == -1)
		error = NULL;
	event.data = error != NULL ? error : "{}";
	/* one that is tried again is no end that followers should see */
	again = retry && a->run->retries_left > 0;
	attempt_end(a, &(struct engine_end){ .status = status,
			   .error = error,
			   .retry = retry,
			   .backoff_ms = attempt_backoff(a),
			   .events = &event,
			   .nevents = again ? 0 : 1 });
	attempt_kill(a, SPAWN_WHY_PROTOCOL);
}

void
attempt_fail(struct attempt *a, const char *name, const char *message,
    int retry)
{
	attempt_fail_as(a, "error", name, message, retry);
}

static void
attempt_end_as(struct attempt *a, const char *status)
{
	autofree char *interrupts = NULL;

	if (a->interrupts != NULL)
		(void)!json_text(a->interrupts, &interrupts, NULL, NULL);
	attempt_end(a,
	    &(struct engine_end){ .status = status, .interrupts = interrupts });
}

/* As the engine wanted it. */
static void
attempt_stopped(struct attempt *a)
{
	if (a->why == ENGINE_WHY_TIMEOUT)
		attempt_fail_as(a, "timeout", "TimeLimit",
		    "the run ran longer than its limit", 0);
	else
		attempt_end_as(a, whys[a->why].status);
}

/* An end is one only with the state that it left: that is durable first. */
static void
attempt_settle(struct attempt *a)
{
	autofree char *output = NULL;
	struct err e;

	if (!a->closing || a->puts > 0)
		return;
	if (a->put_failed)
		attempt_fail(a, "Unavailable", "the state was not stored", 1);
	else if (a->interrupts != NULL)
		attempt_end_as(a, "interrupted");
	else if (json_text(a->final, &output, NULL, &e) == -1)
		attempt_fail(a, "Unavailable", "the result was not stored", 1);
	else
		attempt_end(a, &(struct engine_end){ .status = "success",
				   .output = output });
}

void
attempt_put_done(struct attempt *a, int failed)
{
	a->puts--;
	a->put_failed = failed;
	attempt_settle(a);
}

static void
attempt_succeed(struct attempt *a, json_t *values)
{
	struct attempt_put last = { .source = "loop", .last = 1 };
	struct err e;

	CRASH_POINT();
	/* what is shown of its own state may be more than a message holds */
	if ((a->own_state || a->own_base) && json_is_null(values)) {
		values = a->values;
		a->own_state = 1; /* nothing of ours comes behind it */
	}
	a->final = json_is_object(values)
		       ? json_incref(values)
		       : json_pack("{s:O}", "output", values);
	last.values = a->final;
	if (a->final == NULL)
		attempt_fail(a, "Unavailable", "no memory for the result", 1);
	else if (attempt_put(a, &last, NULL, NULL, &e) == -1)
		attempt_fail(a,
		    e.code == ERR_LIMIT ? "StateLimit" : "Unavailable", e.msg,
		    e.code != ERR_LIMIT);
	else {
		a->closing = 1;
		attempt_settle(a);
	}
}

static void
attempt_result(struct attempt *a, json_t *value)
{
	if (a->stopping)
		attempt_stopped(a);
	else if (a->interrupts == NULL)
		attempt_succeed(a, value);
	else {
		a->closing = 1;
		attempt_settle(a);
	}
}

/*
 * The jail has ended, all that the agent said was read, and its result was not
 * among it.
 */
static void
attempt_conclude(struct attempt *a)
{
	const struct jails_exit *x = &a->exit;
	unsigned end = x->end < RUN__MAX ? x->end : RUN_LOST;
	const char *name = ends[end].error;
	char text[256];

	if (!a->exited || (a->session != NULL && !a->said_all) || a->closing ||
	    !attempt_lives(a))
		return;
	if (a->stopping) {
		attempt_stopped(a);
		return;
	}
	if (end == RUN_EXITED && a->result != NULL && WIFEXITED(x->status) &&
	    WEXITSTATUS(x->status) == 0) {
		attempt_succeed(a, a->result);
		return;
	}
	if (end == RUN_LOST) {
		attempt_end_as(a, "lost");
		return;
	}
	if (end == RUN_EXITED && WIFEXITED(x->status))
		(void)snprintf(text, sizeof(text),
		    "the agent ended without a result, with status %d%s%.150s",
		    WEXITSTATUS(x->status), a->lost.msg[0] != '\0' ? ": " : "",
		    a->lost.msg);
	else
		(void)snprintf(text, sizeof(text), "the agent %s",
		    end_texts[end]);
	attempt_fail_as(a,
	    ends[end].status != NULL ? ends[end].status : "error",
	    name != NULL ? name : "AgentFailed", text, 1);
}

/* ---- the session ---------------------------------------------------------- */

static void
on_request(void *arg, enum agent_method m, const json_t *params,
    struct session_call *call)
{
	struct attempt *a = arg;

	CRASH_POINT();
	a->moved++;
	if (attempt_lives(a)) {
		attempt_call(a, m, params, call);
		return;
	}
	session_fail(call,
	    &(struct err){ .code = ERR_CONFLICT, .msg = "the run has ended" });
}

static void
on_notification(void *arg, enum agent_method m, const json_t *params,
    size_t bytes)
{
	struct attempt *a = arg;

	CRASH_POINT();
	a->moved++;
	if (m == AGENT_EVENT)
		attempt_event(a, params, bytes);
	else if (m == AGENT_EXEC_MORE)
		attempt_exec_more(a, params);
	else if (m == AGENT_EXEC_KILL)
		attempt_exec_kill(a, params);
	else
		attempt_log(a, "log", params);
}

static void
on_log(void *arg, int stream, const char *line, size_t n)
{
	struct attempt *a = arg;
	json_t *j;

	CRASH_POINT();
	a->moved++;
	a->output += n + 1;
	if (a->limits.output_bytes != 0 && a->output > a->limits.output_bytes) {
		attempt_fail(a, "OutputLimit",
		    "the agent wrote more output than its limit", 0);
		return;
	}
	j = json_stringn(line, n); /* NULL: it is no UTF-8 */
	if (j == NULL) {
		char safe[2 * AGENT_LOG_LINE_MAX];

		(void)text_escape(safe, sizeof(safe), line, n);
		j = json_string(safe);
	}
	if (j != NULL)
		attempt_log(a, stream == 1 ? "stdout" : "stderr", j);
	json_decref(j);
}

static void
on_ended(void *arg, const struct session_outcome *o)
{
	struct attempt *a = attempt_ref(arg); /* an end may release it */

	CRASH_POINT();
	a->said_all = 1;
	if (o->end == SESSION_BROKEN)
		attempt_fail(a, "ProtocolError", o->why->msg, 0);
	else if (o->end == SESSION_ERROR)
		attempt_fail(a, o->name, o->message, 1);
	else if (o->end == SESSION_RESULT && !a->is_plain)
		attempt_result(a, o->value);
	else if (o->end == SESSION_RESULT)
		a->result = json_incref(o->value);
	else if (o->why != NULL)
		a->lost = *o->why;
	attempt_conclude(a);
	attempt_unref(a);
}

static const struct session_ops session_ops = {
	.request = on_request,
	.notification = on_notification,
	.log = on_log,
	.ended = on_ended,
};

/* Both are there, the jail and what the agent is to be told. */
void
attempt_go_on(struct attempt *a)
{
	autojson *params = NULL;
	struct err e = a->trouble;

	CRASH_POINT();
	if (a->gathering > 0 || a->session == NULL || a->started ||
	    !attempt_lives(a))
		return;
	a->started = 1;
	if (e.code == ERR_OK && attempt_start_params(a, &params, &e) == 0 &&
	    session_start(a->session, AGENT_COMMAND_RUN_START, params, &e) == 0)
		return;
	attempt_fail(a,
	    e.code == ERR_INVALID ? "InvalidCommand" : "Unavailable", e.msg,
	    err_retry(e.code));
}

/* ---- the jail ------------------------------------------------------------- */

/* Nothing came and nothing went since the last look: the policy's limit. */
static void
attempt_idle(void *arg)
{
	struct attempt *a = arg;

	/* what it waits for has limits of its own */
	if (a->moved != a->moved_before || a->nexecs > 0) {
		a->moved_before = a->moved;
		(void)!loop_timer_set(a->idle, a->limits.idle_ms, NULL);
		return;
	}
	attempt_fail(a, "TimeLimit", "the agent was idle longer than its limit",
	    0);
	attempt_kill(a, SPAWN_WHY_TIMEOUT);
}

static int
attempt_watch_idle(struct attempt *a, struct err *e)
{
	if (a->limits.idle_ms == 0)
		return 0;
	return loop_timer_create(a->host->host.loop, attempt_idle, a, &a->idle,
		   e) == -1
		   ? -1
		   : loop_timer_set(a->idle, a->limits.idle_ms, e);
}

static void
on_started(void *owner, const struct session_fds *fds,
    const struct jails_limits *l)
{
	struct attempt *a = owner;
	struct err e;

	CRASH_POINT();
	a->limits = *l;
	if (session_create(a->host->host.loop, fds, &session_ops, a,
		&a->session, &e) == -1 ||
	    attempt_watch_idle(a, &e) == -1) {
		attempt_fail(a, "Unavailable", err_text(e.code), 1);
		return;
	}
	attempt_go_on(a);
}

static void
on_refused(void *owner, const struct err *why)
{
	struct attempt *a = owner;

	a->exited = 1;
	attempt_fail(a, "NotStarted", why->msg, err_retry(why->code));
}

static void
on_exited(void *owner, const struct jails_exit *x)
{
	struct attempt *a = owner;

	CRASH_POINT();
	a->exited = 1;
	a->exit = *x;
	attempt_conclude(a);
}

static const struct jails_owner owner_ops = {
	.started = on_started,
	.refused = on_refused,
	.exited = on_exited,
};

/* ---- the engine ----------------------------------------------------------- */

static json_t *
text_json(const char *text)
{
	json_t *j = NULL;

	if (text == NULL ||
	    json_parse(text, strlen(text), NULL, &j, NULL) == -1)
		return json_object();
	return j;
}

static unsigned
attempt_modes(const json_t *kwargs)
{
	static const char *const names[] = {

#define X(name, wire) [ATTEMPT_MODE_##name] = wire,
		ATTEMPT_MODES(X)
#undef X
	};
	const json_t *asked = json_object_get(kwargs, "stream_mode");
	unsigned modes = 0;
	size_t i, m;

	for (i = 0; i < json_array_size(asked); i++) {
		const char *s = json_string_value(json_array_get(asked, i));

		for (m = 0; s != NULL && m < countof(names); m++)
			if (strcmp(s, names[m]) == 0)
				modes |= 1u << m;
	}
	return modes;
}

static int
attempt_begin(struct attempt *a, const struct storage_claim *claim,
    struct err *e)
{
	const char *protocol;

	CRASH_POINT();
	a->run = engine_attempt_run(a->engine);
	a->digest = strdup(claim->digest);
	a->kwargs = text_json(a->run->kwargs);
	a->manifest = text_json(claim->manifest);
	a->config = text_json(claim->config);
	a->context = text_json(claim->context);
	a->values = json_object();
	a->chain = json_array();
	a->journal = json_array();
	a->answered = json_array();
	a->blobs = blobs_create(a->run->tenant);
	a->step = -2; /* the input's checkpoint is step -1 */
	if (a->digest == NULL || a->values == NULL || a->chain == NULL ||
	    a->journal == NULL || a->answered == NULL || a->blobs == NULL)
		return err_set(e, ERR_SYSTEM, "memory for an attempt");
	protocol = json_string_value(json_object_get(a->manifest, "protocol"));
	a->modes = attempt_modes(a->kwargs);
	a->is_plain = protocol != NULL && strcmp(protocol, "plain") == 0;
	a->subgraphs = json_is_true(json_object_get(a->kwargs, "subgraphs"));
	return 0;
}

/* The engine keeps the time, and gives the agent its grace: a backstop. */
static uint64_t
jail_wall(const struct storage_run *r)
{
	return r->wall_ms > 0 ? (uint64_t)r->wall_ms + 2 * (ENGINE_GRACE_MS)
			      : 0;
}

static int
starter_start(void *arg, struct engine_attempt *engine,
    const struct storage_claim *claim, void **ret_session, struct err *e)
{
	const struct attempt_host *host = arg;
	struct attempt *a = calloc(1, sizeof(*a));
	struct jails_spec jail;

	CRASH_POINT();
	if (a == NULL)
		return err_set(e, ERR_SYSTEM, "memory for an attempt");
	*a = (struct attempt){ .host = host, .engine = engine, .refs = 1 };
	TAILQ_INIT(&a->waits);
	TAILQ_INIT(&a->joins);
	TAILQ_INIT(&a->execs);
	if (attempt_begin(a, claim, e) == -1 || attempt_gather(a, e) == -1) {
		a->engine = NULL;
		attempt_unref(a);
		return -1;
	}
	jail = (struct jails_spec){ .tenant = a->run->tenant,
		.digest = a->digest,
		.run_id = a->run->run_id,
		.attempt = (uint32_t)a->run->attempt,
		.wall_ms = jail_wall(a->run) };
	if (host->host.jails->start(host->host.jails_arg, &jail, &owner_ops, a,
		&a->jail, e) == -1) {
		a->engine = NULL;
		attempt_unref(a);
		return -1;
	}
	*ret_session = a;
	return 0;
}

static void
starter_stop(void *session, enum engine_why why)
{
	struct attempt *a = session;

	CRASH_POINT();
	a->stopping = 1;
	a->why = why;
	attempt_execs_kill(a, whys[why].why);
	if (a->session != NULL && a->started)
		session_cancel(a->session, whys[why].reason);
	else
		attempt_kill(a, whys[why].why);
}

static void
starter_kill(void *session, enum engine_why why)
{
	struct attempt *a = session;

	a->stopping = 1;
	a->why = why;
	attempt_kill(a, whys[why].why);
}

static void
starter_release(void *session)
{
	struct attempt *a = session;

	CRASH_POINT();
	a->engine = NULL;
	a->run = NULL;
	session_destroy(take_ptr(&a->session));
	loop_timer_destroy(take_ptr(&a->idle));
	if (a->jail != NULL)
		a->host->host.jails->forget(take_ptr(&a->jail));
	attempt_waits_end(a);
	attempt_joins_end(a);
	attempt_execs_end(a);
	attempt_unref(a);
}

const struct runs_starter attempt_starter = {
	.start = starter_start,
	.stop = starter_stop,
	.kill = starter_kill,
	.release = starter_release,
};
