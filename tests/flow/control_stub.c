/*
 * control_stub.c: warder-control's API, storage and engine, with attempts
 * that a script in their input plays: no jail, no agent.
 *
 *	control_stub DIR AGENT...
 *
 * Serves DIR/api.sock and a port of 127.0.0.1, which it prints; keeps its
 * database in DIR/db.  Each AGENT is deployed for the tenants default, acme
 * and other.  SIGTERM drains.  STUB_STREAMS, STUB_HEARTBEAT_MS and
 * STUB_WRITE_MS in the environment are limits of the API.
 *
 * An input {"script": [STEP...]} is done step by step; any other is the
 * result, at once:
 *
 *	{"sleep": MS}
 *	{"until": PATH}			wait for this file
 *	{"emit": [NAME, DATA]}		an event
 *	{"flood": [COUNT, BYTES]}	events "custom" of so many bytes
 *	{"state": VALUES}		a checkpoint, and its "values" event
 *	{"put": {"ns", "values", "tasks"}}	a checkpoint as it is said
 *	{"ask": [{"id", "value"}...]}	interrupts, and the end
 *	{"fail": [CLASS, TEXT]}		the end
 *	{"result": VALUES}		the end
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "json.h"
#include "log.h"
#include "supervisor/control/service.h"
#include "supervisor/control/storage/uuid.h"
#include "text.h"

static const char *const tenants[] = { "default", "acme", "other" };

struct stub {
	struct loop *loop;
	struct service *service;
};

static struct stub stub;

enum {
	WAIT_MS = 10, /* between two looks for a file */
	HEARTBEAT_MS = 500, /* tests do not want to wait */
};

/* ---- attempts -------------------------------------------------------------- */

struct played {
	struct engine_attempt *attempt;
	struct loop_timer *timer;
	json_t *script; /* NULL: the input is the result */
	json_t *input, *values;
	size_t next;
	int64_t step;
	int ended;
};

static void
played_end(struct played *p, const char *status, const json_t *output,
    const json_t *error, const json_t *interrupts)
{
	autofree char *o = NULL, *x = NULL, *i = NULL;
	struct storage_event failed = { .name = "error" };
	struct engine_end end = { .status = status };
	struct err e = { 0 };

	if (p->ended)
		return;
	p->ended = 1;
	loop_timer_clear(p->timer);
	if ((output != NULL && json_text(output, &o, NULL, &e) == -1) ||
	    (error != NULL && json_text(error, &x, NULL, &e) == -1) ||
	    (interrupts != NULL && json_text(interrupts, &i, NULL, &e) == -1))
		log_err(LOG_LEVEL_ERROR, "stub", &e);
	end.output = o;
	end.error = x;
	end.interrupts = i;
	failed.data = x;
	end.events = x != NULL ? &failed : NULL;
	end.nevents = x != NULL;
	if (engine_end(p->attempt, &end, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "stub", &e);
}

static void
emit(struct played *p, const char *name, const json_t *data)
{
	autofree char *text = NULL;
	struct storage_event v = { .name = name };
	struct err e = { 0 };

	if (json_text(data, &text, NULL, &e) == -1)
		return;
	v.data = text;
	if (engine_emit(p->attempt, &v, 1, NULL, NULL, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "stub", &e);
}

static void
put_state(struct played *p, const json_t *values, const json_t *asked)
{
	autofree char *text = NULL, *asks = NULL, *tasks = NULL;
	autojson *task = NULL;
	char id[UUID_SIZE], metadata[128];
	struct storage_checkpoint_put_request q = { .ns = "" };
	struct err e = { 0 };

	uuid_v6(p->step, id);
	(void)snprintf(metadata, sizeof(metadata),
	    "{\"source\":\"loop\",\"step\":%lld,\"parents\":{}}",
	    (long long)p->step++);
	if (asked != NULL)
		task = json_pack("[{s:s,s:s,s:O}]", "id", "t1", "name", "ask",
		    "interrupts", asked);
	if (json_text(values, &text, NULL, &e) == -1 ||
	    (asked != NULL && (json_text(asked, &asks, NULL, &e) == -1 ||
				  json_text(task, &tasks, NULL, &e) == -1)))
		return;
	q.checkpoint_id = id;
	q.metadata = metadata;
	q.values = text;
	q.interrupts = asks;
	q.tasks = tasks;
	q.next = asked != NULL ? "[\"ask\"]" : "[]";
	if (engine_checkpoint(p->attempt, &q, NULL, NULL, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "stub", &e);
}

/* A graph inside a graph: what it stores, and the task that says where. */
static void
put_as_said(struct played *p, const json_t *said)
{
	autofree char *values = NULL, *tasks = NULL;
	char id[UUID_SIZE];
	struct err e = { 0 };

	uuid_v6(p->step, id);
	if (json_text(json_object_get(said, "values"), &values, NULL, &e) ==
		-1 ||
	    (json_object_get(said, "tasks") != NULL &&
		json_text(json_object_get(said, "tasks"), &tasks, NULL, &e) ==
		    -1) ||
	    engine_checkpoint(p->attempt,
		&(struct storage_checkpoint_put_request){
		    .ns = json_string_value(json_object_get(said, "ns")),
		    .checkpoint_id = id,
		    .metadata = "{\"source\":\"loop\",\"step\":0}",
		    .values = values,
		    .tasks = tasks,
		    .next = "[]" },
		NULL, NULL, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "stub", &e);
}

static void
set_state(struct played *p, json_t *values)
{
	json_t *old = p->values;

	p->values = json_incref(values); /* perhaps the same */
	json_decref(old);
	put_state(p, values, NULL);
	emit(p, "values", values);
}

static void
ask(struct played *p, json_t *asked)
{
	autojson *shown = json_pack("{s:O}", "__interrupt__", asked);
	autojson *kept = json_pack("{s:O}", "t1", asked);

	put_state(p, p->values, asked);
	emit(p, "updates", shown);
	emit(p, "values", shown);
	played_end(p, "interrupted", NULL, NULL, kept);
}

static void
fail(struct played *p, json_t *what)
{
	autojson *error = json_pack("{s:O,s:O}", "error",
	    json_array_get(what, 0), "message", json_array_get(what, 1));

	played_end(p, "error", NULL, error, NULL);
}

static void
result(struct played *p, json_t *values)
{
	set_state(p, values);
	played_end(p, "success", values, NULL, NULL);
}

/* The step again, until it is there. */
static int
wait_for_file(struct played *p, const char *path)
{
	if (access(path, F_OK) == 0)
		return 1;
	p->next--;
	return loop_timer_set(p->timer, WAIT_MS, NULL);
}

static void
flood(struct played *p, const json_t *what)
{
	json_int_t i, n = json_integer_value(json_array_get(what, 0));
	size_t bytes = (size_t)json_integer_value(json_array_get(what, 1));
	autofree char *pad = malloc(bytes + 1);

	memset(pad, 'x', bytes);
	pad[bytes] = '\0';
	for (i = 0; i < n; i++) {
		autojson *data = json_pack("{s:I,s:s}", "n", i, "pad", pad);

		emit(p, "custom", data);
	}
}

/* 1: the next step may follow at once. */
static int
play_step(struct played *p, json_t *step)
{
	json_t *v;

	if ((v = json_object_get(step, "sleep")) != NULL)
		return loop_timer_set(p->timer, (uint64_t)json_integer_value(v),
		    NULL);
	if ((v = json_object_get(step, "until")) != NULL)
		return wait_for_file(p, json_string_value(v));
	if ((v = json_object_get(step, "flood")) != NULL)
		flood(p, v);
	else if ((v = json_object_get(step, "emit")) != NULL)
		emit(p, json_string_value(json_array_get(v, 0)),
		    json_array_get(v, 1));
	else if ((v = json_object_get(step, "state")) != NULL)
		set_state(p, v);
	else if ((v = json_object_get(step, "put")) != NULL)
		put_as_said(p, v);
	else if ((v = json_object_get(step, "ask")) != NULL)
		ask(p, v);
	else if ((v = json_object_get(step, "fail")) != NULL)
		fail(p, v);
	else if ((v = json_object_get(step, "result")) != NULL)
		result(p, v);
	return 1;
}

static void
play(void *arg)
{
	struct played *p = arg;
	json_t *step;

	while (!p->ended) {
		step = json_array_get(p->script, p->next++);
		if (step == NULL)
			result(p, p->values);
		else if (play_step(p, step) != 1)
			return;
	}
}

static void
play_begin(void *arg)
{
	struct played *p = arg;

	if (p->script != NULL)
		play(p);
	else
		result(p, json_is_object(p->input) ? p->input : p->values);
}

static int
stub_start(void *arg, struct engine_attempt *a, const struct storage_claim *c,
    void **ret, struct err *e)
{
	const struct storage_run *run = engine_attempt_run(a);
	struct played *p = calloc(1, sizeof(*p));
	autojson *kwargs = NULL;
	json_t *answer;

	(void)arg;
	(void)c;
	p->attempt = a;
	p->values = json_object();
	if (json_parse(run->kwargs, strlen(run->kwargs), NULL, &kwargs, e) ==
		-1 ||
	    loop_timer_create(stub.loop, play_begin, p, &p->timer, e) == -1 ||
	    loop_timer_set(p->timer, 0, e) == -1)
		return -1;
	p->input = json_incref(json_object_get(kwargs, "input"));
	p->script = json_incref(json_object_get(p->input, "script"));
	/* an answer to what was asked is the result */
	answer = json_object_get(json_object_get(kwargs, "command"), "resume");
	if (answer != NULL) {
		json_decref(p->input);
		p->input = json_pack("{s:O}", "answer", answer);
	}
	*ret = p;
	return 0;
}

static void
stub_stop(void *session, enum engine_why why)
{
	played_end(session,
	    why == ENGINE_WHY_TIMEOUT ? "timeout"
	    : why == ENGINE_WHY_DRAIN ? "lost"
				      : "interrupted",
	    NULL, NULL, NULL);
}

static void
stub_kill(void *session, enum engine_why why)
{
	stub_stop(session, why);
}

static void
stub_release(void *session)
{
	struct played *p = session;

	loop_timer_destroy(p->timer);
	json_decref(p->script);
	json_decref(p->input);
	json_decref(p->values);
	free(p);
}

static const struct runs_starter starter = { stub_start, stub_stop, stub_kill,
	stub_release };

static void
deployed(void *arg, const struct storage_agent *a, const struct err *e)
{
	(void)arg;
	if (a == NULL)
		log_err(LOG_LEVEL_ERROR, "deploy", e);
}

static int
deploy(const char *tenant, const char *name, struct err *e)
{
	const struct storage_agent_put_request q = {
		.tenant = tenant,
		.name = name,
		.digest = "0000000000000000000000000000000000000000000000000000"
			  "000000000000",
		.policy_digest = "00000000000000000000000000000000000000000000"
				 "00000000000000000000",
		.manifest = "{\"protocol\":\"native\",\"schemas\":{\"input\":"
			    "{\"type\":\"object\"}}}",
	};

	return storage_agent_put(service_storage(stub.service), &q, deployed,
	    NULL, e);
}

/* ---- the program ------------------------------------------------------------- */

static int
listen_tcp(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t size = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ||
	    listen(fd, 4096) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sa, &size) == -1)
		return -1;
	(void)printf("port %d\n", ntohs(sa.sin_port));
	return fd;
}

static int
listen_unix(const char *dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/api.sock", dir);
	(void)unlink(sa.sun_path);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ||
	    listen(fd, 64) == -1)
		return -1;
	return fd;
}

static void
on_drained(void *arg)
{
	(void)arg;
	loop_stop(stub.loop);
}

static void
on_term(void *arg)
{
	struct err e = { 0 };

	(void)arg;
	if (service_drain(stub.service, 0, on_drained, NULL, &e) == -1)
		loop_stop(stub.loop);
}

static uint32_t
number(const char *name, uint32_t otherwise)
{
	const char *text = getenv(name);
	uint64_t n;

	return text != NULL && text_parse_u64(text, UINT32_MAX, &n, NULL) == 0
		   ? (uint32_t)n
		   : otherwise;
}

static int
start(const char *dir, char **agents, struct err *e)
{
	struct service_listener listeners[] = { { listen_tcp(), 0 },
		{ listen_unix(dir), 0 } };
	struct api_config config = api_server_defaults;
	struct loop_signal *term;
	char db[512];
	size_t i;

	(void)snprintf(db, sizeof(db), "%s/db", dir);
	config.heartbeat_ms = number("STUB_HEARTBEAT_MS", HEARTBEAT_MS);
	config.streams = number("STUB_STREAMS", config.streams);
	config.write_ms = number("STUB_WRITE_MS", config.write_ms);
	if (loop_create(&stub.loop, e) == -1 ||
	    loop_signal_create(stub.loop, SIGTERM, on_term, NULL, &term, e) ==
		-1 ||
	    service_create(&(struct service_options){ .loop = stub.loop,
			       .db_path = db,
			       .api = &config,
			       .listeners = listeners,
			       .nlisteners = countof(listeners),
			       .tenants = tenants,
			       .ntenants = countof(tenants) },
		&stub.service, e) == -1)
		return -1;
	for (; *agents != NULL; agents++)
		for (i = 0; i < countof(tenants); i++)
			if (deploy(tenants[i], *agents, e) == -1)
				return -1;
	return service_start(stub.service, &starter, NULL, e);
}

int
main(int argc, char **argv)
{
	struct err e = { 0 };

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 3 || start(argv[1], argv + 2, &e) == -1) {
		(void)fprintf(stderr, "control_stub: %s\n", e.msg);
		return 1;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	if (loop_run(stub.loop, &e) == -1)
		(void)fprintf(stderr, "control_stub: %s\n", e.msg);
	service_destroy(stub.service);
	return 0;
}
