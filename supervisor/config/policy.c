/*
 * policy.c: "warder policy VERB", for people.
 *
 * Runs with the caller's rights and reads the caller's files.  Each verb is
 * a row of a table; so is each option.  Exit statuses are in verb.h.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "policy/check.h"
#include "policy/jsonschema.h"
#include "policy/show.h"
#include "verb.h"

struct verb {
	const char *name;
	int (*run)(const struct verb_call *);
	unsigned options; /* which it takes */
	int least, most; /* words */
	const char *words; /* as usage shows them */
	const char *about;
};

static const struct {
	const char *name;
	unsigned bit;
	const char *about;
	const char *value; /* NULL: it has none */
} options[] = {
	{ "--resolved", VERB_RESOLVED,
	    "with everything that it extends, uses and is cut by", NULL },
	{ "--json", VERB_JSON, "as one JSON object", NULL },
	{ "--keys", VERB_KEYS, "the reference of all keys, as Markdown", NULL },
	{ "--with", VERB_WITH, "FILE: the tests of this file too", "FILE" },
	{ "--live", VERB_LIVE, "JAIL: what its proxy enforces now, no FILE",
	    "JAIL" },
};

static int policy_check(const struct verb_call *c);
static int policy_show(const struct verb_call *c);
static int policy_schema(const struct verb_call *c);
static int policy_reload(const struct verb_call *c);

static const struct verb verbs[] = {
	{ "check", policy_check, VERB_JSON, 1, 1, " FILE",
	    "find mistakes, conflicts, and rules that do nothing" },
	{ "show", policy_show, VERB_RESOLVED | VERB_JSON, 1, 1, " FILE",
	    "print the policy, and where each line came from" },
	{ "why", why_run, VERB_JSON | VERB_LIVE, 2, 2, " FILE QUESTION",
	    "say whether something is allowed, by what, and why not" },
	{ "test", test_run, VERB_JSON | VERB_WITH, 1, 1, " FILE",
	    "run the policy's tests, offline" },
	{ "diff", diff_run, VERB_JSON, 2, 2, " FILE FILE",
	    "say what the second allows that the first does not, and back" },
	{ "reload", policy_reload, 0, 0, 0, " JAIL",
	    "put a policy in force in a jail that is running" },
	{ "init", init_run, 0, 0, 1, " [NAME]",
	    "print a policy to start from, with tests" },
	{ "schema", policy_schema, VERB_KEYS, 0, 0, "",
	    "print the JSON Schema, for editors" },
};

/* ---- the verbs ---------------------------------------------------------- */

static struct verb_policy policy;

static int
policy_check(const struct verb_call *c)
{
	int findings;

	if (verb_load(&policy, c->word[0]) == -1)
		return VERB_BAD;
	check_policy(&policy.resolved, &policy.plan);
	findings = policy.resolved.diag.warnings.count > 0;
	if ((c->options & VERB_JSON) != 0)
		show_findings(&policy.resolved, &policy.plan, stdout);
	else
		(void)fputs(policy.resolved.diag.warnings.buf, stdout);
	return findings ? VERB_FINDINGS : VERB_GOOD;
}

static int
policy_show(const struct verb_call *c)
{
	if (verb_load(&policy, c->word[0]) == -1)
		return VERB_BAD;
	if ((c->options & VERB_JSON) != 0)
		show_json(&policy.resolved, &policy.plan, stdout);
	else if ((c->options & VERB_RESOLVED) != 0)
		show_resolved(&policy.resolved, &policy.plan, stdout);
	else
		(void)fwrite(policy.rq.text, 1, policy.rq.size, stdout);
	return VERB_GOOD;
}

static int
policy_schema(const struct verb_call *c)
{
	if ((c->options & VERB_KEYS) != 0)
		jsonschema_keys(stdout);
	else
		jsonschema_write(stdout);
	return VERB_GOOD;
}

/* warder(1) does it before it comes here. */
static int
policy_reload(const struct verb_call *c)
{
	(void)c;
	(void)fputs("warder: policy reload: ask warder(1)\n", stderr);
	return VERB_BAD;
}

/* ---- the command line ----------------------------------------------------- */

static void
print_options(const struct verb *v, FILE *to)
{
	size_t i;

	for (i = 0; i < countof(options); i++)
		if ((v->options & options[i].bit) != 0)
			(void)fprintf(to, "  %-12s %s\n", options[i].name,
			    options[i].about);
}

static void
print_usage(const struct verb *v, FILE *to)
{
	size_t i;

	(void)fprintf(to, "usage: warder policy %s", v->name);
	for (i = 0; i < countof(options); i++)
		if ((v->options & options[i].bit) != 0)
			(void)fprintf(to, " [%s%s%s]", options[i].name,
			    options[i].value == NULL ? "" : " ",
			    options[i].value == NULL ? "" : options[i].value);
	(void)fprintf(to, "%s\n", v->words);
}

static int
verb_help(const struct verb *v)
{
	print_usage(v, stdout);
	(void)printf("\n%s\n", v->about);
	print_options(v, stdout);
	if (v->least > 0)
		(void)printf("\nFILE is a policy, or \"default\" for the "
			     "built-in one.\n");
	if (v->run == why_run)
		(void)printf("QUESTION is 'GET https://host/path', "
			     "tcp:host:port, dns:host, read:/path,\n"
			     "write:/path, /path (for writing), syscall:name "
			     "or the name alone.\n");
	return VERB_GOOD;
}

static int
help(FILE *to)
{
	size_t i;

	(void)fputs("usage: warder policy VERB [OPTION ...] [FILE]\n\n", to);
	for (i = 0; i < countof(verbs); i++)
		(void)fprintf(to, "  %-8s %s\n", verbs[i].name, verbs[i].about);
	(void)fputs("\n\"warder policy VERB --help\" says more; "
		    "warder-policy(5) describes the file.\n",
	    to);
	return to == stdout ? VERB_GOOD : VERB_BAD;
}

static int
bad_usage(const struct verb *v, const char *what, const char *word)
{
	(void)fprintf(stderr, "warder: policy %s: %s%s%s\n", v->name, what,
	    *word == '\0' ? "" : ": ", word);
	print_usage(v, stderr);
	return VERB_BAD;
}

/* Its row, if the verb takes it; countof(options): it does not. */
static size_t
find_option(const struct verb *v, const char *word)
{
	size_t i;

	for (i = 0; i < countof(options); i++)
		if (strcmp(options[i].name, word) == 0 &&
		    (options[i].bit & v->options) != 0)
			break;
	return i;
}

static void
take_value(struct verb_call *c, unsigned bit, const char *value)
{
	if (bit == VERB_WITH)
		c->with = value;
	if (bit == VERB_LIVE)
		c->live = value;
}

/* Options and words into *c; the exit status, or -1 to go on. */
static int
read_words(const struct verb *v, int argc, char **argv, struct verb_call *c,
    int *ret_words)
{
	int i, only_words = 0, words = 0;
	size_t row;

	for (i = 0; i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--help") == 0)
			return verb_help(v);
		if (!only_words && strcmp(argv[i], "--") == 0)
			only_words = 1;
		else if (!only_words && argv[i][0] == '-') {
			row = find_option(v, argv[i]);
			if (row == countof(options))
				return bad_usage(v, "unknown option", argv[i]);
			c->options |= options[row].bit;
			if (options[row].value == NULL)
				continue;
			if (++i == argc)
				return bad_usage(v, "what is missing",
				    options[row].value);
			take_value(c, options[row].bit, argv[i]);
		} else if (words == v->most)
			return bad_usage(v, "one argument too many", argv[i]);
		else
			c->word[words++] = argv[i];
	}
	*ret_words = words;
	return -1;
}

static int
run_verb(const struct verb *v, int argc, char **argv)
{
	struct verb_call c = { 0 };
	int words, rc;

	if ((rc = read_words(v, argc, argv, &c, &words)) != -1)
		return rc;
	if (words < v->least - (c.live != NULL))
		return bad_usage(v,
		    words == 0 && c.live == NULL ? "which FILE?" : "what more?",
		    "");
	if (c.live != NULL && words == v->most)
		return bad_usage(v, "--live, and a file too", "");
	return v->run(&c);
}

int
config_policy(int argc, char **argv)
{
	struct text_guess g;
	size_t i;
	int rc;

	if (argc == 0)
		return help(stderr);
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "help") == 0)
		return help(stdout);
	text_guess_init(&g, argv[0]);
	for (i = 0; i < countof(verbs); i++) {
		text_guess_offer(&g, verbs[i].name);
		if (strcmp(verbs[i].name, argv[0]) != 0)
			continue;
		rc = run_verb(&verbs[i], argc - 1, argv + 1);
		/* A full disk or a closed pipe is not success. */
		return fflush(stdout) == 0 ? rc : VERB_BAD;
	}
	(void)fprintf(stderr, "warder: policy: unknown verb \"%s\"%s%s%s\n",
	    argv[0], g.best != NULL ? "; did you mean \"" : "",
	    g.best != NULL ? g.best : "", g.best != NULL ? "\"?" : "");
	return help(stderr);
}
