/*
 * policy.c: "warder policy VERB", for people.
 *
 * Runs with the caller's rights and reads the caller's files.  Each verb is
 * a row of a table; so is each option.  Exit status: 0 good, 1 findings, 2
 * bad input or bad usage.
 */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "policy/builtin.h"
#include "policy/check.h"
#include "policy/compile.h"
#include "policy/find.h"
#include "policy/jsonschema.h"
#include "policy/path.h"
#include "policy/show.h"

enum {
	EXIT_GOOD = 0,
	EXIT_FINDINGS = 1,
	EXIT_BAD = 2
};

enum {
	OPT_RESOLVED = 1 << 0,
	OPT_JSON = 1 << 1,
	OPT_KEYS = 1 << 2,
};

struct call {
	const char *file; /* the argument, if the verb takes one */
	unsigned options;
};

struct verb {
	const char *name;
	int (*run)(const struct call *);
	unsigned options; /* which it takes */
	int takes_file;
	const char *about;
};

static const struct {
	const char *name;
	unsigned bit;
	const char *about;
} options[] = {
	{ "--resolved", OPT_RESOLVED,
	    "with everything that it extends, uses and is cut by" },
	{ "--json", OPT_JSON, "as one JSON object" },
	{ "--keys", OPT_KEYS, "the reference of all keys, as Markdown" },
};

static int policy_check(const struct call *c);
static int policy_show(const struct call *c);
static int policy_schema(const struct call *c);

static const struct verb verbs[] = {
	{ "check", policy_check, OPT_JSON, 1,
	    "find mistakes, conflicts, and rules that do nothing" },
	{ "show", policy_show, OPT_RESOLVED | OPT_JSON, 1,
	    "print the policy, and where each line came from" },
	{ "schema", policy_schema, OPT_KEYS, 0,
	    "print the JSON Schema, for editors" },
};

/* ---- reading ------------------------------------------------------------ */

/* A resolve_open_fn over the file system; arg is a struct find_dirs. */
static int
open_file(void *arg, uint32_t what, const char *reference, const char *dir,
    struct arena *a, struct resolve_file *ret, struct err *e)
{
	const struct find_dirs *dirs = arg;
	char *buf;
	int fd = -1, rc;

	rc = find_open(dirs, what, reference, dir, ret->path, &fd, e);
	if (rc != 1)
		return rc;
	if (fd == -1) {
		ret->text = builtin_policy(ret->path + sizeof("builtin/") - 1,
		    &ret->size);
		return ret->text == NULL ? 0 : 1;
	}
	buf = arena_alloc(a, CONFIG_FILE_MAX);
	ret->text = buf;
	return find_read(ret->path, fd, buf, &ret->size, e) == -1 ? -1 : 1;
}

/* A policy file and all that the request for it points to. */
struct input {
	struct find_dirs dirs;
	char name[PATH_MAX];
	char dir[PATH_MAX];
	char home[PATH_MAX];
	char text[CONFIG_FILE_MAX];
	struct resolve_request rq;
};

/* Of the user database: nothing in the environment can loosen a policy. */
static void
find_home(char home[PATH_MAX])
{
	const struct passwd *pw = getpwuid(getuid());

	(void)snprintf(home, PATH_MAX, "%s",
	    pw != NULL && pw->pw_dir != NULL && pw->pw_dir[0] == '/'
		? pw->pw_dir
		: "");
}

/* "default" and "builtin/default" name the built-in policy. */
static const char *
builtin_text(const char *file, size_t *ret_size)
{
	if (strncmp(file, "builtin/", 8) == 0)
		file += 8;
	return builtin_policy(file, ret_size);
}

static int
read_input(struct input *in, const char *file, struct err *e)
{
	const char *text = builtin_text(file, &in->rq.size);
	char cwd[PATH_MAX], path[PATH_MAX], *slash;
	int fd;

	find_home(in->home);
	find_dirs_init(&in->dirs, in->home);
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return err_set(e, ERR_SYSTEM, "the working directory");
	in->rq =
	    (struct resolve_request){ .name = text == NULL ? file
							   : "builtin/default",
		    .dir = cwd,
		    .size = in->rq.size,
		    .text = text,
		    .home = in->home,
		    .open = open_file,
		    .arg = &in->dirs };
	if (text == NULL) {
		if (find_open_file(file, &fd, e) == -1 ||
		    find_read(file, fd, in->text, &in->rq.size, e) == -1)
			return -1;
		in->rq.text = in->text;
	}
	if (text_path(cwd, text == NULL ? file : ".", path, sizeof(path), e) ==
	    -1)
		return -1;
	if (text == NULL && (slash = strrchr(path, '/')) != NULL)
		slash[slash == path] = '\0';
	(void)snprintf(in->dir, sizeof(in->dir), "%s", path);
	in->rq.dir = in->dir;
	return 0;
}

/* The messages, each behind the program's name. */
static void
print_errors(const struct diag *d)
{
	const char *s = d->errors.buf;
	size_t n;

	for (; *s != '\0'; s += n + (s[n] == '\n')) {
		n = strcspn(s, "\n");
		(void)fprintf(stderr, "warder: %.*s\n", (int)n, s);
	}
}

static struct input input;
static union plan_net_room net;

/* Load, resolve and compile; the errors are on stderr if it fails. */
static int
load(struct input *in, const char *file, struct resolve *r,
    struct plan *ret_plan)
{
	static struct seccomp_program program;
	struct err e;

	if (read_input(in, file, &e) == -1) {
		(void)fprintf(stderr, "warder: %s\n", e.msg);
		return -1;
	}
	if (resolve_policy(r, &in->rq) == 0 &&
	    compile_policy(r, ret_plan, &program, &net) == 0)
		return 0;
	print_errors(&r->diag);
	return -1;
}

/* ---- the verbs ---------------------------------------------------------- */

static struct resolve resolved;
static struct plan plan;

static int
policy_check(const struct call *c)
{
	int findings;

	if (load(&input, c->file, &resolved, &plan) == -1)
		return EXIT_BAD;
	check_policy(&resolved, &plan);
	findings = resolved.diag.warnings.count > 0;
	if ((c->options & OPT_JSON) != 0)
		show_findings(&resolved, &plan, stdout);
	else
		(void)fputs(resolved.diag.warnings.buf, stdout);
	return findings ? EXIT_FINDINGS : EXIT_GOOD;
}

static int
policy_show(const struct call *c)
{
	if (load(&input, c->file, &resolved, &plan) == -1)
		return EXIT_BAD;
	if ((c->options & OPT_JSON) != 0)
		show_json(&resolved, &plan, stdout);
	else if ((c->options & OPT_RESOLVED) != 0)
		show_resolved(&resolved, &plan, stdout);
	else
		(void)fwrite(input.rq.text, 1, input.rq.size, stdout);
	return EXIT_GOOD;
}

static int
policy_schema(const struct call *c)
{
	if ((c->options & OPT_KEYS) != 0)
		jsonschema_keys(stdout);
	else
		jsonschema_write(stdout);
	return EXIT_GOOD;
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
			(void)fprintf(to, " [%s]", options[i].name);
	(void)fprintf(to, "%s\n", v->takes_file ? " FILE" : "");
}

static int
verb_help(const struct verb *v)
{
	print_usage(v, stdout);
	(void)printf("\n%s\n", v->about);
	print_options(v, stdout);
	if (v->takes_file)
		(void)printf("\nFILE is a policy, or \"default\" for the "
			     "built-in one.\n");
	return EXIT_GOOD;
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
	return to == stdout ? EXIT_GOOD : EXIT_BAD;
}

static int
bad_usage(const struct verb *v, const char *what, const char *word)
{
	(void)fprintf(stderr, "warder: policy %s: %s%s%s\n", v->name, what,
	    *word == '\0' ? "" : ": ", word);
	print_usage(v, stderr);
	return EXIT_BAD;
}

static unsigned
find_option(const struct verb *v, const char *word)
{
	size_t i;

	for (i = 0; i < countof(options); i++)
		if (strcmp(options[i].name, word) == 0)
			return options[i].bit & v->options;
	return 0;
}

static int
run_verb(const struct verb *v, int argc, char **argv)
{
	struct call c = { 0 };
	unsigned bit;
	int i, only_words = 0;

	for (i = 0; i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--help") == 0)
			return verb_help(v);
		if (!only_words && strcmp(argv[i], "--") == 0)
			only_words = 1;
		else if (!only_words && argv[i][0] == '-') {
			if ((bit = find_option(v, argv[i])) == 0)
				return bad_usage(v, "unknown option", argv[i]);
			c.options |= bit;
		} else if (!v->takes_file || c.file != NULL)
			return bad_usage(v, "one argument too many", argv[i]);
		else
			c.file = argv[i];
	}
	if (v->takes_file && c.file == NULL)
		return bad_usage(v, "which FILE?", "");
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
		return fflush(stdout) == 0 ? rc : EXIT_BAD;
	}
	(void)fprintf(stderr, "warder: policy: unknown verb \"%s\"%s%s%s\n",
	    argv[0], g.best != NULL ? "; did you mean \"" : "",
	    g.best != NULL ? g.best : "", g.best != NULL ? "\"?" : "");
	return help(stderr);
}
