/* policy.c: "warder policy" is warder-config's work: it has the parser. */
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

int
cli_policy(int argc, char **argv)
{
	struct cli_paths p;
	struct err e;
	char program[CLI_PATH_MAX + 16];

	(void)argc;
	if (cli_paths(&p, &e) == -1)
		return cli_fail(&e);
	(void)snprintf(program, sizeof(program), "%s/warder-config", p.libexec);
	(void)execv(program, argv);
	(void)err_set(&e, ERR_SYSTEM, "%s", program);
	return cli_fail(&e);
}
