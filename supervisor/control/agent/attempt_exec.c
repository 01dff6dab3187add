/*
 * Commands beside an attempt: "exec".
 *
 *	exec {…} ──► asked ──started──► running ──exited, outputs at end──► answered
 *	                └──refused──► answered
 *
 * What one may do is decided where its jail is made: it has what the attempt's
 * jail has, or less.  Here its streams are passed on.  Bytes of output are
 * read only as the agent has granted them, so a flood stops the command at a
 * full pipe.  When the attempt ends all of them are killed and forgotten.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt_private.h"
#include "base64.h"
#include "buf.h"
#include "crash.h"
#include "supervisor/control/spawn.h"

enum {
	EXEC_READ_BYTES = 32 * 1024, /* of one notification */
	EXEC_OUTPUTS = 2,
	EXEC_NAME_SHOWN = 200, /* bytes of a command in the log */
};

struct exec_output {
	struct exec *exec;
	struct loop_fd *watch;
	int fd; /* -1: at its end, or not there yet */
	uint64_t written;
};

struct exec {
	TAILQ_ENTRY(exec) next;
	struct attempt *attempt;
	struct session_call *call;
	char id[AGENT_ID_MAX + 1];
	char name[EXEC_NAME_SHOWN + 1];
	void *jail;
	struct exec_output outputs[EXEC_OUTPUTS];
	struct loop_fd *writing;
	int in; /* -1: closed */
	struct buf input; /* still to be written */
	uint64_t granted; /* bytes that may be read */
	uint64_t output_max;
	int over; /* it wrote more */
	int killed; /* it was to be */
	int exited;
	struct jails_exit exit;
};

static const char *const exec_streams[EXEC_OUTPUTS] = { "stdout", "stderr" };

/* ---- its end -------------------------------------------------------------- */

static void
exec_close_input(struct exec *x)
{
	loop_fd_destroy(take_ptr(&x->writing));
	fd_closep(&x->in);
	buf_finish(&x->input);
}

static void
exec_close_output(struct exec_output *o)
{
	loop_fd_destroy(take_ptr(&o->watch));
	fd_closep(&o->fd);
}

/* Its call is the caller's to answer. */
static void
exec_destroy(struct exec *x)
{
	struct attempt *a = x->attempt;
	int i;

	TAILQ_REMOVE(&a->execs, x, next);
	a->nexecs--;
	exec_close_input(x);
	for (i = 0; i < EXEC_OUTPUTS; i++)
		exec_close_output(&x->outputs[i]);
	if (x->jail != NULL)
		a->host->host.jails->forget(x->jail);
	free(x);
}

static json_t *
exec_number(int is, int64_t n)
{
	return is ? json_integer(n) : json_null();
}

static json_t *
exec_report(const struct exec *x)
{
	const struct jails_exit *t = &x->exit;
	unsigned end = x->over ? RUN_OUTPUT : t->end;
	int ran = end == RUN_EXITED || end == RUN_SIGNALLED;

	return json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I}",
	    "exec_id", x->id, "end", spawn_end_name(end), "exit_code",
	    exec_number(ran && WIFEXITED(t->status), WEXITSTATUS(t->status)),
	    "signal",
	    exec_number(ran && WIFSIGNALED(t->status), WTERMSIG(t->status)),
	    "wall_ms", (json_int_t)(t->wall_us / 1000), "cpu_ms",
	    (json_int_t)(t->cpu_us / 1000), "memory_peak_bytes",
	    (json_int_t)t->memory_peak_bytes, "stdout_bytes",
	    (json_int_t)x->outputs[0].written, "stderr_bytes",
	    (json_int_t)x->outputs[1].written);
}

static void
exec_log(const struct exec *x, const json_t *report)
{
	autojson *line = json_copy((json_t *)(uintptr_t)report);

	if (line == NULL)
		return;
	(void)json_object_set_new(line, "command", json_string(x->name));
	attempt_log(x->attempt, "exec", line);
}

/* Nothing of it runs, and nothing that it wrote is left to be read. */
static void
exec_look(struct exec *x)
{
	static const struct err memory = { .code = ERR_SYSTEM,
		.msg = "no memory" };
	autojson *report = NULL;
	struct session_call *call = x->call;

	if (!x->exited || x->outputs[0].fd != -1 || x->outputs[1].fd != -1)
		return;
	CRASH_POINT();
	x->attempt->moved++;
	report = exec_report(x);
	if (report != NULL)
		exec_log(x, report);
	exec_destroy(x);
	if (report != NULL)
		session_answer(call, report);
	else
		session_fail(call, &memory);
}

static void
exec_kill(struct exec *x, enum spawn_why why)
{
	x->killed = 1;
	if (!x->exited)
		x->attempt->host->host.jails->kill(x->jail, why);
}

void
attempt_execs_kill(struct attempt *a, enum spawn_why why)
{
	struct exec *x;

	for (x = TAILQ_FIRST(&a->execs); x != NULL; x = TAILQ_NEXT(x, next))
		exec_kill(x, why);
}

void
attempt_execs_end(struct attempt *a)
{
	static const struct err gone = { .code = ERR_CONFLICT,
		.msg = "the run has ended" };
	struct exec *x;

	while ((x = TAILQ_FIRST(&a->execs)) != NULL) {
		struct session_call *call = x->call;

		exec_destroy(x);
		session_fail(call, &gone);
	}
}

/* ---- its streams ---------------------------------------------------------- */

static void
exec_want(struct exec *x)
{
	int i;

	for (i = 0; i < EXEC_OUTPUTS; i++)
		if (x->outputs[i].fd != -1)
			(void)!loop_fd_want(x->outputs[i].watch,
			    x->granted > 0 ? LOOP_READ : 0, NULL);
}

/* 0: the attempt is gone, and the command with it. */
static int
exec_say(struct exec *x, const char *stream, const void *p, size_t n)
{
	struct attempt *a = attempt_ref(x->attempt);
	char text[EXEC_READ_BYTES / 3 * 4 + 8];
	autojson *params = NULL;
	int lives;

	base64_encode(p, n, text);
	params = json_pack("{s:s, s:s, s:s#}", "exec_id", x->id, "stream",
	    stream, "data", text, (int)base64_size(n));
	/* an agent that does not read is cut off, and that may release it */
	if (params != NULL && a->session != NULL)
		session_say(a->session, AGENT_COMMAND_EXEC_OUTPUT, params);
	lives = a->engine != NULL;
	attempt_unref(a);
	return lives;
}

/* More than it may write: what it may was passed on. */
static void
exec_overflow(struct exec *x)
{
	x->over = 1;
	exec_kill(x, SPAWN_WHY_OUTPUT);
	exec_close_output(&x->outputs[0]);
	exec_close_output(&x->outputs[1]);
}

static void
exec_output_ready(void *arg, unsigned ready)
{
	struct exec_output *o = arg;
	struct exec *x = o->exec;
	char bytes[EXEC_READ_BYTES];
	uint64_t left =
	    x->output_max - x->outputs[0].written - x->outputs[1].written;
	size_t most =
	    x->granted < sizeof(bytes) ? (size_t)x->granted : sizeof(bytes);
	ssize_t n = most > 0 ? read(o->fd, bytes, most) : -1;
	size_t pass = n > 0 && (uint64_t)n > left ? (size_t)left : (size_t)n;

	(void)ready;
	if (n > 0) {
		x->attempt->moved++;
		x->granted -= (size_t)n;
		o->written += pass;
		if (pass > 0 &&
		    !exec_say(x, exec_streams[o - x->outputs], bytes, pass))
			return;
		if (pass < (size_t)n)
			exec_overflow(x);
	} else if (most > 0 && (n == 0 || (errno != EAGAIN && errno != EINTR)))
		exec_close_output(o);
	exec_want(x);
	exec_look(x);
}

static void
exec_input_ready(void *arg, unsigned ready)
{
	struct exec *x = arg;
	ssize_t n = write(x->in, buf_bytes(&x->input), buf_size(&x->input));

	(void)ready;
	if (n > 0)
		buf_consume(&x->input, (size_t)n);
	if (buf_size(&x->input) == 0 ||
	    (n == -1 && errno != EAGAIN && errno != EINTR) ||
	    loop_fd_want(x->writing, LOOP_WRITE, NULL) == -1)
		exec_close_input(x);
}

/* All of them are taken, also on failure. */
static int
exec_open(struct exec *x, const struct session_fds *fds, struct err *e)
{
	struct loop *l = x->attempt->host->host.loop;
	int i;

	x->in = fds->in;
	x->outputs[0].fd = fds->out;
	x->outputs[1].fd = fds->err;
	for (i = 0; i < EXEC_OUTPUTS; i++)
		if (loop_fd_create(l, x->outputs[i].fd, exec_output_ready,
			&x->outputs[i], &x->outputs[i].watch, e) == -1)
			return -1;
	if (buf_size(&x->input) == 0) {
		exec_close_input(x);
		return 0;
	}
	return loop_fd_create(l, x->in, exec_input_ready, x, &x->writing, e) ==
		       -1
		   ? -1
		   : loop_fd_want(x->writing, LOOP_WRITE, e);
}

/* ---- its jail ------------------------------------------------------------- */

static void
exec_started(void *owner, const struct session_fds *fds,
    const struct jails_limits *l)
{
	struct exec *x = owner;
	int socket = fds->socket;
	struct err e;

	CRASH_POINT();
	fd_closep(&socket);
	if (l->output_bytes != 0 && l->output_bytes < x->output_max)
		x->output_max = l->output_bytes;
	if (exec_open(x, fds, &e) == -1) {
		exec_kill(x, SPAWN_WHY_DONE);
		exec_close_input(x);
		exec_close_output(&x->outputs[0]);
		exec_close_output(&x->outputs[1]);
		return;
	}
	exec_want(x);
}

static void
exec_refused(void *owner, const struct err *why)
{
	struct exec *x = owner;
	struct session_call *call = x->call;

	x->exited = 1;
	if (x->killed && why->code == ERR_CONFLICT) {
		/* before its jail began: to the agent that is no other end */
		x->exit.end = RUN_KILLED;
		exec_look(x);
		return;
	}
	exec_destroy(x);
	session_fail(call, why);
}

static void
exec_exited(void *owner, const struct jails_exit *t)
{
	struct exec *x = owner;

	CRASH_POINT();
	x->exited = 1;
	x->exit = *t;
	exec_look(x);
}

static const struct jails_owner exec_owner = {
	.started = exec_started,
	.refused = exec_refused,
	.exited = exec_exited,
};

/* ---- what the agent asks for ---------------------------------------------- */

struct exec_members {
	const char *exec_id, *input;
	const json_t *command;
	int64_t wall_ms, cpu_time_ms, memory_bytes, pids, output_bytes, window;
	int network, write;
};

#define EXEC_NUMBER(field, max)                                  \
	{                                                        \
#		field, JSON_KIND_WHOLE, JSON_NULLABLE,          \
		    offsetof(struct exec_members, field), 1, max \
	}

static const struct json_member exec_members[] = {
	{ "exec_id", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct exec_members, exec_id), 0, AGENT_ID_MAX },
	{ "command", JSON_KIND_ARRAY, JSON_REQUIRED,
	    offsetof(struct exec_members, command), 0, 0 },
	{ "input", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct exec_members, input), 0, 0 },
	EXEC_NUMBER(wall_ms, INT64_MAX),
	EXEC_NUMBER(cpu_time_ms, INT64_MAX),
	EXEC_NUMBER(memory_bytes, INT64_MAX),
	EXEC_NUMBER(pids, INT64_MAX),
	EXEC_NUMBER(output_bytes, ATTEMPT_EXEC_OUTPUT_BYTES),
	EXEC_NUMBER(window, ATTEMPT_EXEC_WINDOW_MAX),
	{ "network", JSON_KIND_FLAG, JSON_NULLABLE,
	    offsetof(struct exec_members, network), 0, 0 },
	{ "write", JSON_KIND_FLAG, JSON_NULLABLE,
	    offsetof(struct exec_members, write), 0, 0 },
};

static struct exec *
exec_find(const struct attempt *a, const char *id)
{
	struct exec *x;

	TAILQ_FOREACH (x, &a->execs, next)
		if (strcmp(x->id, id) == 0)
			return x;
	return NULL;
}

/* The words of the command, each with its NUL. */
static int
exec_args(const json_t *command, char args[SPAWN_ARGS_SIZE], size_t *ret_size,
    struct err *e)
{
	size_t i, n, have = 0;

	for (i = 0; i < json_array_size(command); i++) {
		const json_t *word = json_array_get(command, i);

		if (!json_is_string(word))
			return err_set(e, ERR_INVALID,
			    "\"command\" must be words");
		n = json_string_length(word) + 1;
		if (n > SPAWN_ARGS_SIZE - have)
			return err_set(e, ERR_LIMIT,
			    "a command of more than %d bytes", SPAWN_ARGS_SIZE);
		memcpy(args + have, json_string_value(word), n);
		have += n;
	}
	if (have == 0 || args[0] == '\0')
		return err_set(e, ERR_INVALID, "\"command\" has no name");
	*ret_size = have;
	return 0;
}

static int
exec_input(struct exec *x, const char *text, struct err *e)
{
	size_t n = text != NULL ? strlen(text) : 0;
	unsigned char *room;

	if (n == 0)
		return 0;
	if (buf_reserve(&x->input, base64_room(n), &room, e) == -1 ||
	    base64_decode(text, n, room, &n, e) == -1)
		return err_wrap(e, "\"input\"");
	buf_commit(&x->input, n);
	return 0;
}

static int
exec_may(const struct attempt *a, const struct exec_members *m, struct err *e)
{
	if (a->stopping)
		return err_set(e, ERR_CONFLICT, "the run is to end");
	if (exec_find(a, m->exec_id) != NULL)
		return err_set(e, ERR_CONFLICT, "\"exec_id\" is in use");
	if (a->nexecs == ATTEMPT_EXECS_MAX)
		return err_set(e, ERR_LIMIT, "%d commands run already",
		    ATTEMPT_EXECS_MAX);
	if (a->execs_total == ATTEMPT_EXECS_TOTAL_MAX)
		return err_set(e, ERR_LIMIT,
		    "more than %d commands of one attempt",
		    ATTEMPT_EXECS_TOTAL_MAX);
	if (a->jail == NULL || a->exited)
		return err_set(e, ERR_CONFLICT, "the agent's jail has ended");
	return a->host->host.jails->exec != NULL
		   ? 0
		   : err_set(e, ERR_UNSUPPORTED, "there are no such jails");
}

static struct exec *
exec_new(struct attempt *a, const struct exec_members *m)
{
	struct exec *x = calloc(1, sizeof(*x));
	int i;

	if (x == NULL)
		return NULL;
	x->attempt = a;
	x->in = -1;
	buf_init(&x->input, ATTEMPT_EXEC_INPUT_MAX + 3);
	for (i = 0; i < EXEC_OUTPUTS; i++)
		x->outputs[i] = (struct exec_output){ .exec = x, .fd = -1 };
	x->granted = (uint64_t)m->window;
	x->output_max = (uint64_t)m->output_bytes;
	(void)snprintf(x->id, sizeof(x->id), "%s", m->exec_id);
	(void)snprintf(x->name, sizeof(x->name), "%.*s", EXEC_NAME_SHOWN,
	    json_string_value(json_array_get(m->command, 0)));
	TAILQ_INSERT_TAIL(&a->execs, x, next);
	a->nexecs++;
	return x;
}

static int
exec_begin(struct exec *x, const struct exec_members *m, struct err *e)
{
	struct attempt *a = x->attempt;
	char args[SPAWN_ARGS_SIZE];
	struct jails_command c = { .args = args };

	c.less = (struct narrow){ .wall_ms = (uint64_t)m->wall_ms,
		.cpu_time_ms = (uint64_t)m->cpu_time_ms,
		.memory_bytes = (uint64_t)m->memory_bytes,
		.pids = (uint64_t)m->pids,
		.flags = (m->network ? 0 : NARROW_NO_NETWORK) |
			 (m->write ? 0 : NARROW_READ_ONLY) };
	if (exec_args(m->command, args, &c.size, e) == -1 ||
	    exec_input(x, m->input, e) == -1)
		return -1;
	return a->host->host.jails->exec(a->jail, &c, &exec_owner, x, &x->jail,
	    e);
}

void
attempt_exec(struct attempt *a, const json_t *params, struct session_call *call)
{
	static const struct err memory = { .code = ERR_SYSTEM,
		.msg = "no memory" };
	struct exec_members m = { .wall_ms = ATTEMPT_EXEC_WALL_MS,
		.output_bytes = ATTEMPT_EXEC_OUTPUT_BYTES,
		.window = ATTEMPT_EXEC_WINDOW_MAX };
	struct exec *x = NULL;
	struct err e = memory;

	CRASH_POINT();
	if (json_read(params, exec_members, countof(exec_members), &m, &e) ==
		-1 ||
	    exec_may(a, &m, &e) == -1 || (x = exec_new(a, &m)) == NULL ||
	    exec_begin(x, &m, &e) == -1) {
		if (x != NULL)
			exec_destroy(x);
		session_fail(call, &e);
		return;
	}
	x->call = call;
	a->execs_total++;
}

struct more_members {
	const char *exec_id;
	int64_t bytes;
};

static const struct json_member more_members[] = {
	{ "exec_id", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct more_members, exec_id), 0, AGENT_ID_MAX },
	{ "bytes", JSON_KIND_WHOLE, JSON_NULLABLE,
	    offsetof(struct more_members, bytes), 1, ATTEMPT_EXEC_WINDOW_MAX },
};

/* Whom a notification means; NULL: nobody, any more. */
static struct exec *
exec_meant(const struct attempt *a, const json_t *params,
    struct more_members *ret)
{
	return json_read(params, more_members, countof(more_members), ret,
		   NULL) == 0
		   ? exec_find(a, ret->exec_id)
		   : NULL;
}

void
attempt_exec_more(struct attempt *a, const json_t *params)
{
	struct more_members m = { 0 };
	struct exec *x = exec_meant(a, params, &m);

	if (x == NULL)
		return;
	x->granted += (uint64_t)m.bytes;
	if (x->granted > ATTEMPT_EXEC_WINDOW_MAX)
		x->granted = ATTEMPT_EXEC_WINDOW_MAX;
	exec_want(x);
}

void
attempt_exec_kill(struct attempt *a, const json_t *params)
{
	struct more_members m = { 0 };
	struct exec *x = exec_meant(a, params, &m);

	if (x != NULL)
		exec_kill(x, SPAWN_WHY_INTERRUPT);
}
