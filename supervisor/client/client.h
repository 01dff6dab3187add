/*
 * client.h: what the verbs of warder-client share.
 *
 * "warder run, runs, threads, logs, agents, keys" are this program: a client
 * of the HTTP API like any other, with the rights of its key, or of the uid at
 * the Unix socket.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <jansson.h>

#include "err.h"
#include "opt.h"
#include "request.h"

/* Exit statuses, besides 0 and 125 (ours). */
enum {
	CLIENT_OPERANDS_MAX = 64,
	CLIENT_FAILED = 1, /* the run ended otherwise than well */
	CLIENT_INTERRUPTED = 3, /* somebody is asked something */
	CLIENT_ERROR = 125,
};

/* What every verb may be told; a verb's own context begins with it. */
struct client {
	struct request_service service;
	int json; /* answers as they are, for scripts */
	const char *tenant; /* of a key; NULL: "default" */
};

int client_set_json(void *ctx, const char *value, struct err *e);

/* The row of a verb's options that all have. */
#define CLIENT_OPTIONS                                                 \
	{                                                              \
		"json", 0, NULL, "print answers as JSON, for scripts", \
		    client_set_json                                    \
	}

/* A verb inside a verb: "agents deploy". */
struct client_verb {
	const char *name;
	int (*run)(struct client *c, int argc, char **argv, struct err *e);
	const char *operands, *help;
};

/*
 * Options, then one of the verbs (the first where none is given).  The exit
 * status; -1 with an error.
 */
must_check int client_verbs(struct client *c, const struct opt_verb *v,
    const struct client_verb *verbs, size_t n, int argc, char **argv,
    struct err *e);

/*
 * Options, which may stand before the operands, between them and behind; at
 * most "most" operands.  1 if --help was asked for.
 */
must_check int client_operands(const struct opt_verb *v, void *ctx, int argc,
    char **argv, char *ret_words[], int most, int *ret_n, struct err *e);

/* Send a request whose answer is JSON or nothing; *ret_json is the caller's. */
must_check int client_ask(const struct client *c, const char *method,
    const char *path, const json_t *body, json_t **ret_json, struct err *e);

/* A path with an id in it, percent-encoded where it must be. */
void client_path(char *ret, size_t size, const char *before, const char *id,
    const char *after);

/* ---- output ---- */

struct client_column {
	const char *title, *member; /* of each row: "name", "outer.name" */
	int width; /* 0: the last, as long as it is */
};

/* Rows as a table, or with --json as they are. */
void client_table(const struct client *c, const json_t *rows,
    const struct client_column *columns, size_t n);

/* One value: indented on a terminal, else on one line. */
void client_value(const struct client *c, const json_t *value);

/* For a person: what is hostile in it is escaped. */
void client_text(FILE *f, const char *s);

/* ---- the verbs ---- */

typedef int client_main(struct client *c, int argc, char **argv, struct err *e);

client_main client_run, lists_runs, lists_threads, client_logs, client_agents,
    client_keys;

#endif /* !CLIENT_H */
