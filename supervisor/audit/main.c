/*
 * main.c: warder-audit, which signs the audit log and looks after it.
 *
 *	warder-audit STATE audit VERB ...
 *		for a person, by way of "warder audit"
 *	warder-audit --sign NAME HEAD
 *		for a launcher: one segment, see msg_audit.h
 */
#include <stdio.h>
#include <string.h>

#include "verb.h"
#include "version.h"

static int
main_key(struct place *p, int argc, char **argv)
{
	static const struct opt_verb verb = { "key",
		"Prints the public key of this user's audit log, PEM: keep it "
		"where\nthe copies are looked at.",
		NULL, 0 };
	char pem[SEAL_PEM_SIZE];
	struct err e = { 0 };
	int rest, r = verb_options(&verb, NULL, argc, argv, &rest);

	if (r != 0)
		return r == 1 ? 0 : 125;
	if (verb_need_place(p, &e) == -1 || lock_verb(NULL, 0, &e) == -1 ||
	    seal_pem(p->key, pem, &e) == -1)
		return verb_fail(&e);
	(void)fputs(pem, stdout);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct place *p, int argc, char **argv);
	const char *help;
} verbs[] = {
	{ "verify", verify_main, "say whether segments of the log are whole" },
	{ "export", export_main, "copy what is signed to another place" },
	{ "prune", prune_main, "remove what is older than wanted" },
	{ "sign", prune_sign, "sign what a killed launcher has left" },
	{ "key", main_key, "print the public key" },
};

/* ---- which ------------------------------------------------------------------------------ */

static int
main_help(int status)
{
	size_t i;

	(void)fputs("usage: warder audit VERB [ARGUMENTS]\n\nverbs:\n",
	    status == 0 ? stdout : stderr);
	for (i = 0; i < countof(verbs); i++)
		(void)fprintf(status == 0 ? stdout : stderr, "  %-8s %s\n",
		    verbs[i].name, verbs[i].help);
	return status;
}

static int
main_verb(const char *state, int argc, char **argv)
{
	struct place p = { .dir = -1 };
	struct err e;
	size_t i;
	int n = snprintf(p.path, sizeof(p.path), "%s/audit", state);

	if (argc > 0 && strcmp(argv[0], "--help") == 0)
		return main_help(0);
	for (i = 0; argc > 0 && i < countof(verbs); i++)
		if (strcmp(verbs[i].name, argv[0]) == 0)
			break;
	if (argc == 0 || i == countof(verbs))
		return main_help(125);
	if (n < 0 || n >= (int)sizeof(p.path)) {
		(void)err_set(&e, ERR_INVALID, "%s: path too long", state);
		return verb_fail(&e);
	}
	n = verbs[i].run(&p, argc, argv);
	seal_destroy(p.key);
	fd_closep(&p.dir);
	return n;
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--sign") == 0)
		return sign_one(argv[2], argv[3]);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("warder-audit " WARDER_VERSION);
		return 0;
	}
	if (argc >= 3 && strcmp(argv[2], "audit") == 0)
		return main_verb(argv[1], argc - 3, argv + 3);
	(void)fputs("usage: warder audit VERB ...\n"
		    "       warder-audit --version\n"
		    "Launchers start it as warder-audit --sign.\n",
	    stderr);
	return 2;
}
