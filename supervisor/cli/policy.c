/* policy.c: "warder policy" is warder-config's work: it has the parser. */
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

int
cli_policy(int argc, char **argv)
{
	struct places p;
	struct err e;
	char program[PLACES_PATH_MAX + 16];

	(void)argc;
	if (places_find(&p, NULL, &e) == -1)
		return cli_fail(&e);
	(void)snprintf(program, sizeof(program), "%s/warder-config", p.libexec);
	/* "warder policy …", as it was typed: argv begins at the verb */
	(void)execv(program, argv - 1);
	(void)err_set(&e, ERR_SYSTEM, "%s", program);
	return cli_fail(&e);
}
