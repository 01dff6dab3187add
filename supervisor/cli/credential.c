/*
 * credential.c: "warder credential" is warder-vault's work: the secret on
 * standard input goes to the program that keeps it, and through no other.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

enum {
	CREDENTIAL_WORDS = 4, /* the program, two directories, the verb */
	CREDENTIAL_ARGS_MAX = 128,
};

int
cli_credential(int argc, char **argv)
{
	char program[PLACES_PATH_MAX + 16];
	char *words[CREDENTIAL_WORDS + CREDENTIAL_ARGS_MAX];
	struct places p;
	struct err e;
	int i;

	if (places_find(&p, NULL, &e) == -1)
		return cli_fail(&e);
	if (argc >= CREDENTIAL_ARGS_MAX) {
		(void)err_set(&e, ERR_LIMIT, "credential: %d arguments", argc);
		return cli_fail(&e);
	}
	(void)snprintf(program, sizeof(program), "%s/warder-vault", p.libexec);
	words[0] = program;
	words[1] = p.config;
	words[2] = p.state_root;
	for (i = 0; i <= argc; i++) /* the NULL at the end too */
		words[3 + i] = argv[i];
	(void)execv(program, words);
	(void)err_set(&e, ERR_SYSTEM, "%s", program);
	return cli_fail(&e);
}
