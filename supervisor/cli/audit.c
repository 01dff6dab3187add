/*
 * audit.c: "warder audit" is warder-audit's work: it has the key, and reads
 * what jails have had a hand in.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

enum {
	AUDIT_WORDS = 3, /* the program, a directory, the verb */
	AUDIT_ARGS_MAX = 2048,
};

int
cli_audit(int argc, char **argv)
{
	char program[PLACES_PATH_MAX + 16];
	char *words[AUDIT_WORDS + AUDIT_ARGS_MAX];
	struct places p;
	struct err e;
	int i;

	if (places_find(&p, NULL, &e) == -1)
		return cli_fail(&e);
	if (argc >= AUDIT_ARGS_MAX) {
		(void)err_set(&e, ERR_LIMIT, "audit: %d arguments", argc);
		return cli_fail(&e);
	}
	(void)snprintf(program, sizeof(program), "%s/warder-audit", p.libexec);
	words[0] = program;
	words[1] = p.state_root;
	for (i = 0; i <= argc; i++) /* the NULL at the end too */
		words[2 + i] = argv[i];
	(void)execv(program, words);
	(void)err_set(&e, ERR_SYSTEM, "%s", program);
	return cli_fail(&e);
}
