/*
 * lists.c: "warder runs" and "warder threads": look at what there is, and end
 * it.
 */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "json.h"

static const struct opt options[] = {
	CLIENT_OPTIONS,
};

static const struct opt_verb runs_verb = {
	"[OPTIONS] [VERB …]",
	"Runs, the newest first.",
	options,
	countof(options),
};

static const struct opt_verb threads_verb = {
	"[OPTIONS] [VERB …]",
	"Threads, the newest first.",
	options,
	countof(options),
};

static int
one_operand(int argc, const char *what, struct err *e)
{
	if (argc != 1)
		return err_set(e, ERR_INVALID, "one %s is wanted", what);
	return 0;
}

/* GET a path with an id. */
static int
ask_one(struct client *c, int argc, char **argv, const char *before,
    const char *after, json_t **ret, struct err *e)
{
	char path[512];

	if (one_operand(argc, "id", e) == -1)
		return -1;
	client_path(path, sizeof(path), before, argv[0], after);
	return client_ask(c, "GET", path, NULL, ret, e);
}

static int
get_one(struct client *c, int argc, char **argv, const char *before,
    const char *after, struct err *e)
{
	autojson *j = NULL;

	if (ask_one(c, argc, argv, before, after, &j, e) == -1)
		return -1;
	client_value(c, j);
	return 0;
}

/* ---- runs ----------------------------------------------------------------- */

static int
runs_list(struct client *c, int argc, char **argv, struct err *e)
{
	static const struct client_column columns[] = {
		{ "RUN", "run_id", 36 },
		{ "STATUS", "status", 11 },
		{ "CREATED", "created_at", 24 },
		{ "AGENT", "graph_id", 16 },
		{ "THREAD", "thread_id", 0 },
	};
	autojson *j = NULL;
	char path[512];

	client_path(path, sizeof(path),
	    "/v1/runs?limit=50&status=", argc > 0 ? argv[0] : "", "");
	if (client_ask(c, "GET", path, NULL, &j, e) == -1)
		return -1;
	client_table(c, j, columns, countof(columns));
	return 0;
}

static int
runs_get(struct client *c, int argc, char **argv, struct err *e)
{
	return get_one(c, argc, argv, "/v1/runs/", "", e);
}

static int
runs_cancel(struct client *c, int argc, char **argv, struct err *e)
{
	autojson *body = NULL, *ids = json_array();
	int i;

	if (argc < 1)
		return err_set(e, ERR_INVALID, "runs cancel: which?");
	for (i = 0; i < argc; i++)
		(void)json_array_append_new(ids, json_string(argv[i]));
	body = json_pack("{s:O}", "run_ids", ids);
	return client_ask(c, "POST", "/runs/cancel?action=interrupt", body,
	    NULL, e);
}

int
lists_runs(struct client *c, int argc, char **argv, struct err *e)
{
	static const struct client_verb verbs[] = {
		{ "list", runs_list, "[STATUS]", "the newest" },
		{ "get", runs_get, "RUN", "all about one" },
		{ "cancel", runs_cancel, "RUN …", "end them" },
	};

	return client_verbs(c, &runs_verb, verbs, countof(verbs), argc, argv,
	    e);
}

/* ---- threads -------------------------------------------------------------- */

static int
threads_list(struct client *c, int argc, char **argv, struct err *e)
{
	static const struct client_column columns[] = {
		{ "THREAD", "thread_id", 36 },
		{ "STATUS", "status", 11 },
		{ "UPDATED", "updated_at", 24 },
		{ "AGENT", "metadata.graph_id", 0 },
	};
	autojson *j = NULL, *body = json_pack("{s:i}", "limit", 50);

	if (argc > 0)
		(void)json_object_set_new(body, "status", json_string(argv[0]));
	if (client_ask(c, "POST", "/threads/search", body, &j, e) == -1)
		return -1;
	client_table(c, j, columns, countof(columns));
	return 0;
}

static int
threads_get(struct client *c, int argc, char **argv, struct err *e)
{
	return get_one(c, argc, argv, "/threads/", "", e);
}

static int
threads_state(struct client *c, int argc, char **argv, struct err *e)
{
	return get_one(c, argc, argv, "/threads/", "/state", e);
}

static int
threads_history(struct client *c, int argc, char **argv, struct err *e)
{
	static const struct client_column columns[] = {
		{ "CHECKPOINT", "checkpoint.checkpoint_id", 36 },
		{ "CREATED", "created_at", 24 },
		{ "STEP", "metadata.step", 4 },
		{ "SOURCE", "metadata.source", 6 },
		{ "NEXT", "next", 0 },
	};
	autojson *j = NULL;

	if (ask_one(c, argc, argv, "/threads/", "/history?limit=50", &j, e) ==
	    -1)
		return -1;
	client_table(c, j, columns, countof(columns));
	return 0;
}

static int
threads_runs(struct client *c, int argc, char **argv, struct err *e)
{
	static const struct client_column columns[] = {
		{ "RUN", "run_id", 36 },
		{ "STATUS", "status", 11 },
		{ "CREATED", "created_at", 24 },
		{ "AGENT", "graph_id", 0 },
	};
	autojson *j = NULL;

	if (ask_one(c, argc, argv, "/threads/", "/runs?limit=50", &j, e) == -1)
		return -1;
	client_table(c, j, columns, countof(columns));
	return 0;
}

static int
threads_delete(struct client *c, int argc, char **argv, struct err *e)
{
	char path[512];

	if (one_operand(argc, "thread", e) == -1)
		return -1;
	client_path(path, sizeof(path), "/threads/", argv[0], "");
	return client_ask(c, "DELETE", path, NULL, NULL, e);
}

int
lists_threads(struct client *c, int argc, char **argv, struct err *e)
{
	static const struct client_verb verbs[] = {
		{ "list", threads_list, "[STATUS]", "the newest" },
		{ "get", threads_get, "THREAD", "all about one" },
		{ "state", threads_state, "THREAD", "its newest state" },
		{ "history", threads_history, "THREAD", "its checkpoints" },
		{ "runs", threads_runs, "THREAD", "its runs" },
		{ "delete", threads_delete, "THREAD", "with its runs" },
	};

	return client_verbs(c, &threads_verb, verbs, countof(verbs), argc, argv,
	    e);
}
