/*
 * logs.c: "warder logs [-f] RUN": what a run's agent wrote to its log.
 */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "json.h"
#include "sse.h"

struct logs {
	struct client client; /* first: see client.h */
	int follow;
	struct sse sse;
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

int
client_logs(struct client *c, int argc, char **argv, struct err *e)
{
	struct logs l = { .client = *c };
	char path[512];
	struct request r = { .method = "GET",
		.path = path,
		.file = -1,
		.piece = on_piece,
		.arg = &l };
	autoanswer a = { 0 };
	int rest, rc;

	switch (opt_parse(&verb, &l, argc, argv, &rest, e)) {
	case -1:
		return -1;
	case 1:
		opt_help(argv[0], &verb);
		return 0;
	}
	if (rest + 1 != argc)
		return err_set(e, ERR_INVALID, "logs: one run is wanted");
	client_path(path, sizeof(path), "/v1/runs/", argv[rest],
	    l.follow ? "/logs?follow=true" : "/logs");
	sse_init(&l.sse);
	rc = request_send(&l.client.service, &r, &a, e);
	sse_finish(&l.sse);
	if (rc == 0 && a.cut)
		rc = err_set(e, ERR_SYSTEM, "the log broke off");
	return rc;
}
