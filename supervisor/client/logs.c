/*
 * logs.c: "warder logs [-f] RUN": what a run's agent wrote to its log.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "json.h"
#include "sse.h"

struct logs {
	struct client client; /* first: see client.h */
	int follow;
	struct sse sse;
	char last_id[SSE_NAME_MAX];
	int heard, ended;
};

enum {
	LOGS_RECONNECTS_MAX = 30, /* in a row, without a line between them */
	LOGS_PAUSE_MS = 1000,
};

static int
set_follow(void *ctx, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	((struct logs *)ctx)->follow = 1;
	return 0;
}

static const struct opt options[] = {
	{ "follow", 'f', NULL, "go on until the run has ended", set_follow },
	CLIENT_OPTIONS,
};

static const struct opt_verb verb = {
	"[OPTIONS] RUN",
	"Prints the log of a run: what its agent wrote to standard error (and, "
	"where it\nspeaks the agent protocol, to standard output), and its own "
	"log lines.",
	options,
	countof(options),
};

static int
on_event(void *arg, const struct sse_event *v)
{
	struct logs *l = arg;
	autojson *data = NULL;
	autofree char *text = NULL;
	const char *line;

	l->heard = 1;
	l->ended |= strcmp(v->name, "end") == 0;
	if (v->id[0] != '\0')
		(void)snprintf(l->last_id, sizeof(l->last_id), "%s", v->id);
	if (strcmp(v->name, "log") != 0 ||
	    json_parse(v->data, v->size, NULL, &data, NULL) == -1)
		return 0;
	if (l->client.json) {
		client_value(&l->client, data);
		return 0;
	}
	line = json_string_value(json_object_get(data, "line"));
	if (line == NULL &&
	    json_text(json_object_get(data, "line"), &text, NULL, NULL) == 0)
		line = text;
	client_text(stdout, line != NULL ? line : "");
	(void)fputc('\n', stdout);
	(void)fflush(stdout);
	return 0;
}

static int
on_piece(void *arg, const char *p, size_t n)
{
	struct logs *l = arg;
	struct err e;

	return sse_read(&l->sse, p, n, on_event, l, &e);
}

/* Until the end, also over a service that is started again. */
static int
logs_follow(struct logs *l, const char *path, struct err *e)
{
	struct request r = { .method = "GET",
		.path = path,
		.file = -1,
		.piece = on_piece,
		.arg = l };
	int rc, begun = 0, tries = 0;

	for (;;) {
		autoanswer a = { 0 };

		l->heard = 0;
		sse_init(&l->sse);
		r.last_event = l->last_id[0] != '\0' ? l->last_id : NULL;
		rc = request_send(&l->client.service, &r, &a, e);
		sse_finish(&l->sse);
		if (l->ended || (rc == 0 && !a.cut))
			return 0;
		begun |= rc == 0;
		tries = l->heard ? 0 : tries + 1;
		if (!begun)
			return -1;
		if (tries > LOGS_RECONNECTS_MAX)
			return rc == -1 ? -1
					: err_set(e, ERR_SYSTEM,
					      "the log broke off");
		(void)usleep(LOGS_PAUSE_MS * 1000);
	}
}

int
client_logs(struct client *c, int argc, char **argv, struct err *e)
{
	struct logs l = { .client = *c };
	char path[512];
	char *words[1];
	int n;

	switch (client_operands(&verb, &l, argc, argv, words, 1, &n, e)) {
	case -1:
		return -1;
	case 1:
		opt_help(argv[0], &verb);
		return 0;
	}
	if (n != 1)
		return err_set(e, ERR_INVALID,
		    "logs: one run is wanted; \"warder runs\" lists them");
	client_path(path, sizeof(path), "/v1/runs/", words[0],
	    l.follow ? "/logs?follow=true" : "/logs");
	return logs_follow(&l, path, e);
}
