/*
 * run.c: "warder run AGENT [INPUT]": start a run, follow it, print its result.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "client.h"
#include "json.h"
#include "sse.h"

enum {
	RUN_RECONNECTS_MAX = 30, /* in a row, without an event between them */
	RUN_PAUSE_MS = 1000,
	RUN_WORDS = 2, /* the agent, its input */
	RUN_INPUT_MAX = 4 * 1024 * 1024,
	RUN_NAME_SIZE = 37, /* a UUID */
};

struct run {
	struct client client; /* first: see client.h */
	const char *thread, *resume, *input, *update;
	json_t *modes;
	int background, detached;

	/* following */
	struct sse sse;
	json_t *values, *asked;
	char run_id[64], last_id[SSE_NAME_MAX];
	char error[512];
	int ended, heard;
};

static int
set_thread(void *ctx, const char *value, struct err *e)
{
	(void)e;
	((struct run *)ctx)->thread = value;
	return 0;
}

static int
set_resume(void *ctx, const char *value, struct err *e)
{
	(void)e;
	((struct run *)ctx)->resume = value;
	return 0;
}

static int
set_update(void *ctx, const char *value, struct err *e)
{
	(void)e;
	((struct run *)ctx)->update = value;
	return 0;
}

static int
set_background(void *ctx, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	((struct run *)ctx)->background = 1;
	return 0;
}

static int
set_detached(void *ctx, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	((struct run *)ctx)->detached = 1;
	return 0;
}

static int
set_stream(void *ctx, const char *value, struct err *e)
{
	struct run *r = ctx;

	if (r->modes == NULL)
		r->modes = json_array();
	if (json_array_append_new(r->modes, json_string(value)) == -1)
		return err_set(e, ERR_INVALID, "--stream is no text");
	return 0;
}

static const struct opt options[] = {
	{ "thread", 0, "ID", "go on with this thread", set_thread },
	{ "resume", 0, "JSON", "answer what the thread's run asked",
	    set_resume },
	{ "update", 0, "JSON", "with --resume: change the thread's values",
	    set_update },
	{ "stream", 0, "MODE",
	    "also show events of this mode (custom, tasks, messages-tuple …)",
	    set_stream },
	{ "background", 'b', NULL, "start it, print its ids, and leave",
	    set_background },
	{ "detach", 'd', NULL,
	    "an interrupted \"warder run\" leaves it running", set_detached },
	CLIENT_OPTIONS,
};

static const struct opt_verb verb = {
	"[OPTIONS] AGENT [INPUT]",
	"Runs an agent and prints its final values on standard output.  INPUT "
	"is JSON,\nor text, or - for standard input.  Exit status: 0 done, 1 "
	"failed, 3 somebody\nis asked something (the message says how to "
	"answer), 125 not started.",
	options,
	countof(options),
};

/* JSON, or what does not look like it as text. */
static int
read_value(const char *s, const char *what, json_t **ret, struct err *e)
{
	struct err why;
	json_t *j;

	if (json_parse(s, strlen(s), NULL, &j, &why) == -1) {
		/* what begins like this was not meant as text */
		if (strchr("{[\"", s[strspn(s, " \t\r\n")]) != NULL &&
		    *s != '\0')
			return err_set(e, ERR_INVALID, "run: %s: %.300s", what,
			    why.msg);
		j = json_string(s);
	}
	if (j == NULL)
		return err_set(e, ERR_INVALID, "run: %s is no UTF-8", what);
	*ret = j;
	return 0;
}

static int
read_input(const char *s, json_t **ret, struct err *e)
{
	autobuf b;
	unsigned char *p;
	ssize_t n;

	buf_init(&b, RUN_INPUT_MAX);
	if (strcmp(s, "-") != 0)
		return read_value(s, "INPUT", ret, e);
	do {
		if (buf_reserve(&b, 65536, &p, e) == -1)
			return -1;
		n = read(STDIN_FILENO, p, 65536);
		buf_commit(&b, n > 0 ? (size_t)n : 0);
	} while (n > 0);
	if (buf_append(&b, "", 1, e) == -1)
		return -1;
	return read_value(buf_bytes(&b), "INPUT", ret, e);
}

/* ---- what is shown -------------------------------------------------------- */

static void
show_note(const struct run *r, const char *mark, const char *what,
    const json_t *value)
{
	autofree char *text = NULL;

	if (r->client.json || !isatty(STDERR_FILENO))
		return;
	(void)fprintf(stderr, "%s ", mark);
	client_text(stderr, what);
	if (value != NULL && json_text(value, &text, NULL, NULL) == 0) {
		(void)fputc(' ', stderr);
		client_text(stderr, text);
	}
	(void)fputc('\n', stderr);
}

static void
on_values(struct run *r, json_t *data)
{
	json_t *asked = json_object_get(data, "__interrupt__");

	if (asked != NULL) {
		json_decref(r->asked);
		r->asked = json_incref(asked);
		return;
	}
	json_decref(r->values);
	r->values = json_incref(data);
}

static void
on_updates(struct run *r, json_t *data)
{
	const char *node;
	json_t *update;

	json_object_foreach(data, node,
	    update) if (strcmp(node, "__interrupt__") != 0)
	    show_note(r, "*", node, update);
}

static void
on_error(struct run *r, json_t *data)
{
	const char *name = json_string_value(json_object_get(data, "error"));
	const char *text = json_string_value(json_object_get(data, "message"));

	(void)snprintf(r->error, sizeof(r->error), "%.100s: %.380s",
	    name != NULL ? name : "Error", text != NULL ? text : "");
}

static void
on_metadata(struct run *r, json_t *data)
{
	const char *id = json_string_value(json_object_get(data, "run_id"));

	(void)snprintf(r->run_id, sizeof(r->run_id), "%s",
	    id != NULL ? id : "");
	if (json_integer_value(json_object_get(data, "attempt")) > 1)
		show_note(r, "!", "attempt", json_object_get(data, "attempt"));
}

static void
on_end(struct run *r, json_t *data)
{
	const char *status = json_string_value(json_object_get(data, "status"));

	r->ended = 1;
	if (status != NULL && strcmp(status, "success") != 0 &&
	    (strcmp(status, "interrupted") != 0 || r->asked == NULL) &&
	    r->error[0] == '\0')
		(void)snprintf(r->error, sizeof(r->error), "it ended as %.32s",
		    status);
}

static const struct {
	const char *name;
	void (*fn)(struct run *r, json_t *data);
} events[] = {
	{ "metadata", on_metadata },
	{ "values", on_values },
	{ "updates", on_updates },
	{ "error", on_error },
	{ "end", on_end },
};

static int
on_event(void *arg, const struct sse_event *v)
{
	struct run *r = arg;
	autojson *data = NULL;
	size_t i;

	r->heard = 1;
	if (v->id[0] != '\0')
		(void)snprintf(r->last_id, sizeof(r->last_id), "%s", v->id);
	if (json_parse(v->data, v->size, NULL, &data, NULL) == -1)
		return 0;
	if (r->client.json) {
		autojson *line = json_pack("{s:s, s:O, s:s}", "event", v->name,
		    "data", data, "id", v->id);

		client_value(&r->client, line);
		(void)fflush(stdout);
	}
	for (i = 0; i < countof(events); i++)
		if (strcmp(events[i].name, v->name) == 0) {
			events[i].fn(r, data);
			return 0;
		}
	show_note(r, ">", v->name, data);
	return 0;
}

static int
on_piece(void *arg, const char *p, size_t n)
{
	struct run *r = arg;
	struct err e;

	return sse_read(&r->sse, p, n, on_event, r, &e);
}

/* ---- start and follow ----------------------------------------------------- */

/* {"resume": answer, "update": changes} */
static int
run_command(const struct run *r, json_t *body, struct err *e)
{
	json_t *command = json_object(), *value = NULL;

	if (json_object_set_new(body, "command", command) == -1 ||
	    read_value(r->resume, "--resume", &value, e) == -1 ||
	    json_object_set_new(command, "resume", value) == -1 ||
	    json_object_set_new(body, "input", json_null()) == -1)
		return -1;
	if (r->update == NULL)
		return 0;
	return read_value(r->update, "--update", &value, e) == -1
		   ? -1
		   : json_object_set_new(command, "update", value);
}

static json_t *
run_body(const struct run *r, const char *agent, json_t *input, struct err *e)
{
	json_t *j = json_pack("{s:s, s:O, s:[s,s,s], s:b, s:s, s:s}",
	    "assistant_id", agent, "input", input, "stream_mode", "values",
	    "updates", "custom", "stream_resumable", 1, "if_not_exists",
	    r->thread != NULL ? "reject" : "create", "on_disconnect",
	    r->detached ? "continue" : "cancel");

	if (r->modes != NULL)
		(void)json_array_extend(json_object_get(j, "stream_mode"),
		    r->modes);
	if (j != NULL && r->resume != NULL && run_command(r, j, e) == -1) {
		json_decref(j);
		return NULL;
	}
	if (j == NULL)
		(void)err_set(e, ERR_SYSTEM, "memory for a request");
	return j;
}

/* A name of our own: what was not answered can be asked for again. */
static int
run_name(char ret[RUN_NAME_SIZE], struct err *e)
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return err_sys(e, errno, "a random name");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(ret, RUN_NAME_SIZE,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x%02x%02x%02x%02x",
	    b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
	    b[11], b[12], b[13], b[14], b[15]);
	return 0;
}

/* The server cannot know what of it the sender has made up. */
static int
run_refused(const struct run *r, const char *agent, struct err *e)
{
	if (e->code != ERR_NOT_FOUND)
		return -1;
	return r->thread != NULL
		   ? err_set(e, ERR_NOT_FOUND,
			 "there is no thread %.64s, or no agent \"%.64s\": "
			 "\"warder threads\" and \"warder agents\" list them",
			 r->thread, agent)
		   : err_set(e, ERR_NOT_FOUND,
			 "there is no agent \"%.64s\": \"warder agents\" lists "
			 "them",
			 agent);
}

static int
run_background(struct run *r, const char *agent, const char *thread,
    const json_t *body, struct err *e)
{
	autojson *run = NULL;
	char path[512];
	const char *id;

	client_path(path, sizeof(path), "/threads/", thread, "/runs");
	if (client_ask(&r->client, "POST", path, body, &run, e) == -1)
		return run_refused(r, agent, e);
	id = json_string_value(json_object_get(run, "run_id"));
	if (r->client.json)
		client_value(&r->client, run);
	else
		printf("run %s\nthread %s\n", id != NULL ? id : "?", thread);
	return 0;
}

/* Where it goes on: behind the last event, or with the same request where
 * nothing of its answer came. */
static struct request
run_again(struct run *r, const struct request *first, const char *path)
{
	if (r->run_id[0] == '\0')
		return *first;
	return (struct request){ .method = "GET",
		.path = path,
		.file = -1,
		.piece = on_piece,
		.arg = r,
		.last_event = r->last_id };
}

/* Until the stream says that it is over, whatever happens to connections. */
static int
run_follow(struct run *r, const char *agent, const char *thread,
    const json_t *body, struct err *e)
{
	char path[512], again[600], before[512], key[RUN_NAME_SIZE];
	const struct request first = { .method = "POST",
		.path = path,
		.body = body,
		.file = -1,
		.idempotency = key,
		.piece = on_piece,
		.arg = r };
	struct request q = first;
	int tries = 0;

	if (run_name(key, e) == -1)
		return -1;
	client_path(path, sizeof(path), "/threads/", thread, "/runs/stream");
	client_path(before, sizeof(before), "/threads/", thread, "/runs/");
	for (;;) {
		autoanswer a = { 0 };
		int rc;

		r->heard = 0;
		/* half an event of a stream that broke off is none */
		sse_finish(&r->sse);
		sse_init(&r->sse);
		rc = request_send(&r->client.service, &q, &a, e);
		if (r->ended || (rc == 0 && !a.cut && a.location[0] == '\0'))
			return 0;
		if (rc == -1 && r->run_id[0] == '\0' && tries == 0)
			return run_refused(r, agent, e);
		tries = r->heard ? 0 : tries + 1;
		if (tries > RUN_RECONNECTS_MAX)
			return rc == -1 ? -1
					: err_set(e, ERR_SYSTEM,
					      "the stream broke off");
		show_note(r, "!", "the connection broke off; again", NULL);
		(void)usleep(RUN_PAUSE_MS * 1000);
		client_path(again, sizeof(again), before, r->run_id, "/stream");
		q = run_again(r, &first, again);
	}
}

static int
run_conclude(struct run *r, const char *agent, const char *thread)
{
	size_t i;

	if (r->error[0] != '\0') {
		(void)fputs("warder: the run failed: ", stderr);
		client_text(stderr, r->error);
		(void)fprintf(stderr,
		    "\nwarder: what it wrote: warder logs %s\n", r->run_id);
		return CLIENT_FAILED;
	}
	if (r->asked != NULL) {
		for (i = 0; i < json_array_size(r->asked); i++) {
			json_t *x = json_array_get(r->asked, i);
			autofree char *text = NULL;

			(void)!json_text(json_object_get(x, "value"), &text,
			    NULL, NULL);
			(void)fputs("warder: asked: ", stderr);
			client_text(stderr, text != NULL ? text : "");
			if (json_array_size(r->asked) > 1) {
				const char *id =
				    json_string_value(json_object_get(x, "id"));

				(void)fputs(" (id ", stderr);
				client_text(stderr, id != NULL ? id : "?");
				(void)fputc(')', stderr);
			}
			(void)fputc('\n', stderr);
		}
		(void)fprintf(stderr,
		    "warder: answer with: warder run %s --thread %s --resume "
		    "'%s'\n",
		    agent, thread,
		    json_array_size(r->asked) > 1 ? "{\"ID\": JSON}" : "JSON");
		return CLIENT_INTERRUPTED;
	}
	if (!r->client.json)
		client_value(&r->client,
		    r->values != NULL ? r->values : json_null());
	return 0;
}

static void
run_finish(struct run *r)
{
	sse_finish(&r->sse);
	json_decref(r->values);
	json_decref(r->asked);
	json_decref(r->modes);
}

int
client_run(struct client *c, int argc, char **argv, struct err *e)
{
	cleanup(run_finish) struct run r = { .client = *c };
	autojson *input = NULL, *body = NULL, *name = NULL;
	char *words[RUN_WORDS];
	char made[RUN_NAME_SIZE];
	const char *thread;
	int n;

	sse_init(&r.sse);
	switch (
	    client_operands(&verb, &r, argc, argv, words, RUN_WORDS, &n, e)) {
	case -1:
		return -1;
	case 1:
		opt_help(argv[0], &verb);
		return 0;
	}
	if (n == 0)
		return err_set(e, ERR_INVALID, "run: which agent?");
	if (r.resume != NULL && r.thread == NULL)
		return err_set(e, ERR_INVALID, "run: --resume needs --thread");
	if (r.update != NULL && r.resume == NULL)
		return err_set(e, ERR_INVALID, "run: --update needs --resume");
	if (read_input(n > 1 ? words[1] : "null", &input, e) == -1 ||
	    run_name(made, e) == -1)
		return -1;
	thread = r.thread != NULL ? r.thread : made;
	body = run_body(&r, words[0], input, e);
	if (body == NULL)
		return -1;
	if (r.background)
		return run_background(&r, words[0], thread, body, e);
	name = json_string(thread);
	show_note(&r, "*", "thread", name);
	if (run_follow(&r, words[0], thread, body, e) == -1)
		return -1;
	return run_conclude(&r, words[0], thread);
}
