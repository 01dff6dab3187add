/*
 * main.c: warder-client SOCKET VERB …, executed by the warder command.
 */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

static const struct {
	const char *name;
	client_main *run;
} verbs[] = {
	{ "run", client_run },
	{ "runs", lists_runs },
	{ "threads", lists_threads },
	{ "logs", client_logs },
	{ "agents", client_agents },
	{ "keys", client_keys },
};

/* "warder: text", and the status that belongs to it. */
static int
fail(const struct err *e)
{
	(void)fputs("warder: ", stderr);
	client_text(stderr, e->msg);
	(void)fputc('\n', stderr);
	return CLIENT_ERROR;
}

int
main(int argc, char **argv)
{
	struct client c = { 0 };
	struct err e = { 0 };
	size_t i;
	int rc;

	if (argc < 3) {
		(void)err_set(&e, ERR_INVALID,
		    "warder-client is started by the warder command");
		return fail(&e);
	}
	(void)signal(SIGPIPE, SIG_DFL);
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	c.service.socket = argv[1];
	for (i = 0; i < countof(verbs); i++) {
		if (strcmp(verbs[i].name, argv[2]) != 0)
			continue;
		rc = verbs[i].run(&c, argc - 2, argv + 2, &e);
		return rc == -1 ? fail(&e) : rc;
	}
	(void)err_set(&e, ERR_INVALID, "no verb \"%s\"", argv[2]);
	return fail(&e);
}
