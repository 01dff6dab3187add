/*
 * main.c: the warder command.
 *
 * Runs as the user who typed it.  Statically linked and small: the start of
 * a jail is measured with it.  Verbs that need a YAML parser are other
 * programs in libexec.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "text.h"
#include "version.h"

/* clang-format off */
const struct cli_verb main_verbs[] = {
	{ "exec",       cli_exec,       &exec_verb,       "COMMAND",
	    "run a program in a jail" },
	{ "enter",      live_enter,     &live_enter_verb, "JAIL,COMMAND",
	    "run a program in a jail that is running" },
	{ "ps",         live_ps,        &live_ps_verb,    NULL,
	    "list the jails of this user" },
	{ "kill",       live_kill,      &live_kill_verb,  "JAILS",
	    "end running jails" },
	{ "policy",     cli_policy,     NULL,             "POLICY",
	    "check, show and explain policy files" },
	{ "audit",      cli_audit,      NULL,             "VERBS",
	    "check, export and prune the audit log" },
	{ "credential", cli_credential, NULL,             "VERBS",
	    "keep secrets for jails that never see them" },
	{ "run",        cli_service,    NULL,             "VERBS",
	    "run a deployed agent and follow it" },
	{ "runs",       cli_service,    NULL,             "VERBS",
	    "list, look at and cancel runs" },
	{ "threads",    cli_service,    NULL,             "VERBS",
	    "look at threads, their state and history" },
	{ "logs",       cli_service,    NULL,             "VERBS",
	    "print what a run's agent wrote to its log" },
	{ "agents",     cli_service,    NULL,             "VERBS",
	    "deploy agents, list their versions" },
	{ "keys",       cli_service,    NULL,             "VERBS",
	    "make and revoke keys of the API" },
	{ "doctor",     cli_doctor,     &doctor_verb,     NULL,
	    "say what this host offers, and whether a jail holds" },
	{ "completion", cli_completion, &completion_verb, "SHELL",
	    "print a script that completes words in a shell" },
};

/* clang-format on */

const size_t main_nverbs = countof(main_verbs);

static int
main_help(FILE *f, int status)
{
	size_t i;

	(void)fprintf(f,
	    "usage: warder VERB [OPTIONS] [ARGUMENTS]\n\n"
	    "Runs programs in jails and keeps the keys outside.\n\nverbs:\n");
	for (i = 0; i < countof(main_verbs); i++)
		(void)fprintf(f, "  %-12s %s\n", main_verbs[i].name,
		    main_verbs[i].help);
	(void)fprintf(f,
	    "\n\"warder VERB --help\" tells more; try: warder exec -- id\n");
	return status;
}

static int
main_unknown(const char *verb)
{
	const char *names[countof(main_verbs)];
	struct err e;
	const char *near;
	size_t i;

	for (i = 0; i < countof(main_verbs); i++)
		names[i] = main_verbs[i].name;
	near = text_nearest(verb, names, countof(names));
	(void)err_set(&e, ERR_INVALID, "unknown verb \"%s\"%s%s%s", verb,
	    near ? "; did you mean " : " (see warder --help)", near ? near : "",
	    near ? "?" : "");
	return cli_fail(&e);
}

int
main(int argc, char **argv)
{
	size_t i;

	if (argc < 2)
		return main_help(stderr, 125);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0)
		return main_help(stdout, 0);
	if (strcmp(argv[1], "--version") == 0) {
		printf("warder %s\n", WARDER_VERSION);
		return 0;
	}
	for (i = 0; i < countof(main_verbs); i++) {
		if (strcmp(argv[1], main_verbs[i].name) == 0)
			return main_verbs[i].run(argc - 1, argv + 1);
	}
	return main_unknown(argv[1]);
}
