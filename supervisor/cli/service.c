/*
 * service.c: verbs that ask the service are warder-client's work: it speaks
 * HTTP, which this program does not.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

enum {
	SERVICE_WORDS = 2, /* the program and the socket */
	SERVICE_ARGS_MAX = 128,
};

int
cli_service(int argc, char **argv)
{
	char program[PLACES_PATH_MAX + 16], where[PLACES_PATH_MAX + 16];
	char *words[SERVICE_WORDS + SERVICE_ARGS_MAX];
	struct places p;
	struct err e;
	int i;

	if (places_find(&p, NULL, &e) == -1)
		return cli_fail(&e);
	if (argc >= SERVICE_ARGS_MAX) {
		(void)err_set(&e, ERR_LIMIT, "%s: %d arguments", argv[0], argc);
		return cli_fail(&e);
	}
	(void)snprintf(program, sizeof(program), "%s/warder-client", p.libexec);
	(void)snprintf(where, sizeof(where), "%s/api.sock", p.runtime);
	words[0] = program;
	words[1] = where;
	for (i = 0; i <= argc; i++) /* the NULL at the end too */
		words[SERVICE_WORDS + i] = argv[i];
	(void)execv(program, words);
	(void)err_set(&e, ERR_SYSTEM, "%s", program);
	return cli_fail(&e);
}
