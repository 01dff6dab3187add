/*
 * policy.c: "warder policy" is warder-config's work: it has the parser.
 *
 * Here is what is asked of a live jail: its launcher is found by the
 * registry, which warder-config knows nothing of.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "jail/registry.h"
#include "msg_jail.h"
#include "text.h"

enum {
	/* As those of warder-config: docs/policy.md. */
	POLICY_DONE = 0,
	POLICY_NEEDS_RESTART = 1,
	POLICY_BAD = 2,

	/* compiling has 20 s, the proxy 10 */
	POLICY_RELOAD_MS = 40 * 1000,
	POLICY_ANSWER_MS = 5 * 1000,
	POLICY_WORDS_MAX = 64,
};

static int
policy_fail(const struct err *e)
{
	(void)cli_fail(e);
	return POLICY_BAD;
}

/* "warder policy …", as it was typed: argv begins at "policy". */
static int
policy_exec(char **argv)
{
	struct places p;
	struct err e;
	char program[PLACES_PATH_MAX + 16];

	if (places_find(&p, NULL, &e) == -1)
		return policy_fail(&e);
	(void)snprintf(program, sizeof(program), "%s/warder-config", p.libexec);
	(void)execv(program, argv);
	(void)err_set(&e, ERR_SYSTEM, "%s", program);
	return policy_fail(&e);
}

static int
policy_connect(const char *jail, int *ret_fd, struct err *e)
{
	struct places p;

	return places_find(&p, NULL, e) == -1
		   ? -1
		   : registry_connect(p.jails, jail, ret_fd, e);
}

/* ---- reload ---- */

struct policy_reload {
	const char *file; /* NULL: the one that it began with */
	int json;
};

static int
set_policy(void *ctx, const char *v, struct err *e)
{
	struct policy_reload *r = ctx;

	(void)e;
	r->file = v;
	return 0;
}

static int
set_json(void *ctx, const char *v, struct err *e)
{
	struct policy_reload *r = ctx;

	(void)v;
	(void)e;
	r->json = 1;
	return 0;
}

static const struct opt reload_options[] = {
	{ "policy", 0, "FILE", "this policy, not the one that it began with",
	    set_policy },
	{ "json", 0, NULL, "as one JSON object", set_json },
};

static const struct opt_verb reload_verb = {
	"[OPTIONS] JAIL",
	"Reads a running jail's policy anew and puts the network's half of it\n"
	"in force: connections that it refuses are cut, the others go on. JAIL\n"
	"is a name that \"warder ps\" shows, or its first letters.\n\n"
	"Exit status: 0 it is in force; 1 it takes a new jail; 2 it does not\n"
	"load, or cannot be put in force. But for 0 nothing has changed.",
	reload_options,
	countof(reload_options),
};

static int
reload_message(const struct policy_reload *r, struct msg_jail_reload *ret,
    struct err *e)
{
	char cwd[MSG_JAIL_FILE_MAX];
	int n = 0;

	*ret = (struct msg_jail_reload){ .version = MSG_JAIL_VERSION };
	if (r->file == NULL)
		return 0;
	if (r->file[0] == '\0')
		return err_set(e, ERR_INVALID, "--policy: which file?");
	if (r->file[0] == '/')
		n = snprintf(ret->file, sizeof(ret->file), "%s", r->file);
	else if (getcwd(cwd, sizeof(cwd)) == NULL)
		return err_set(e, ERR_SYSTEM, "the working directory");
	else
		n = snprintf(ret->file, sizeof(ret->file), "%s/%s", cwd,
		    r->file);
	if (n >= (int)sizeof(ret->file))
		return err_set(e, ERR_LIMIT, "%s: path too long", r->file);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", r->file);
	return 0;
}

static const char *const reload_answers[MSG_JAIL_RELOAD__MAX] = {
#define X(name, text) [MSG_JAIL_RELOAD_##name] = text,
	MSG_JAIL_RELOADS(X)
#undef X
};

static void
reload_digest(struct text *t, const char *name, const unsigned char *digest)
{
	static const unsigned char none[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];

	if (memcmp(digest, none, sizeof(none)) == 0) {
		text_addf(t, ",\"%s\":null", name);
		return;
	}
	sha256_hex(digest, hex);
	text_addf(t, ",\"%s\":\"sha256:%s\"", name, hex);
}

static void
reload_object(const struct msg_jail_reloaded *m)
{
	static char line[4 * MSG_JAIL_TEXT_MAX];
	struct text t;

	text_init(&t, line, sizeof(line));
	text_addf(&t,
	    "{\"schema\":\"warder.policy.reload/1\",\"answer\":\"%s\","
	    "\"kept\":%u,\"cut\":%u",
	    reload_answers[m->answer], m->kept, m->cut);
	reload_digest(&t, "before", m->before);
	reload_digest(&t, "after", m->after);
	text_add(&t, ",\"text\":");
	text_add_json(&t, m->text);
	text_add(&t, "}");
	(void)puts(line);
}

/* A line of it each, behind the program's name. */
static void
reload_lines(const char *answer, const char *s)
{
	char line[2048];
	size_t n;

	for (; *s != '\0'; s += n + (s[n] == '\n')) {
		n = strcspn(s, "\n");
		(void)text_escape(line, sizeof(line), s, n);
		(void)fprintf(stderr, "warder: %s%s\n", answer, line);
	}
}

static int
reload_said(const struct policy_reload *r, const struct msg_jail_reloaded *m)
{
	static const int status[MSG_JAIL_RELOAD__MAX] = {
		[MSG_JAIL_RELOAD_DONE] = POLICY_DONE,
		[MSG_JAIL_RELOAD_NEEDS_RESTART] = POLICY_NEEDS_RESTART,
		[MSG_JAIL_RELOAD_INVALID] = POLICY_BAD,
		[MSG_JAIL_RELOAD_FAILED] = POLICY_BAD,
	};

	if (r->json)
		reload_object(m);
	else if (m->answer == MSG_JAIL_RELOAD_DONE)
		(void)printf("reloaded: %u connections kept, %u cut\n", m->kept,
		    m->cut);
	else if (m->answer == MSG_JAIL_RELOAD_NEEDS_RESTART)
		reload_lines("needs_restart: ", m->text);
	else
		reload_lines("", m->text);
	return fflush(stdout) == 0 ? status[m->answer] : POLICY_BAD;
}

/* Options may follow the jail too: 1 if --help was asked for. */
static int
reload_parse(struct policy_reload *r, int argc, char **argv,
    const char **ret_jail, struct err *e)
{
	int rest, rc = opt_parse(&reload_verb, r, argc, argv, &rest, e);

	if (rc == 0 && rest < argc) {
		*ret_jail = argv[rest];
		argc -= rest;
		rc = opt_parse(&reload_verb, r, argc, argv + rest, &rest, e);
		if (rc != 0 || rest == argc)
			return rc;
	}
	return rc != 0
		   ? rc
		   : err_set(e, ERR_INVALID, "usage: warder policy reload %s",
			 reload_verb.usage);
}

static int
policy_reload(int argc, char **argv)
{
	static struct msg_jail_reload ask;
	static struct msg_jail_reloaded m;
	const struct live_question q = { JAIL_RELOAD, &ask, sizeof(ask),
		JAIL_RELOADED, sizeof(m), POLICY_RELOAD_MS };
	struct policy_reload r = { 0 };
	struct ipc_msg *answer;
	struct err e = { 0 };
	const char *jail = NULL;
	autofd fd = -1;
	int rc = reload_parse(&r, argc, argv, &jail, &e);

	if (rc == 1) {
		opt_help("policy reload", &reload_verb);
		return POLICY_DONE;
	}
	if (rc == -1 || reload_message(&r, &ask, &e) == -1 ||
	    policy_connect(jail, &fd, &e) == -1 ||
	    live_ask(fd, &q, &answer, &e) == -1)
		return policy_fail(&e);
	memcpy(&m, answer->body, sizeof(m));
	m.text[sizeof(m.text) - 1] = '\0';
	if (m.answer < MSG_JAIL_RELOAD__MAX)
		return reload_said(&r, &m);
	(void)err_set(&e, ERR_CORRUPT, "answer %u", m.answer);
	return policy_fail(&e);
}

/* ---- why --live ---- */

static const char live[] = "--live";

/* The place of JAIL behind --live; 0: there is none before the words end. */
static int
find_live(int argc, char **argv)
{
	int i;

	for (i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], live) == 0)
			return i + 1;
	return 0;
}

/* What is in force goes to warder-config as a descriptor, which it inherits. */
static int
policy_why(int argc, char **argv, int jail)
{
	const struct msg_jail_policy ask = { MSG_JAIL_VERSION };
	const struct live_question q = { JAIL_POLICY, &ask, sizeof(ask),
		JAIL_PLAN, sizeof(struct msg_jail_policy), POLICY_ANSWER_MS };
	char *words[POLICY_WORDS_MAX] = { argv[-2], argv[-1] };
	char number[16];
	struct ipc_msg *m;
	struct err e = { 0 };
	autofd fd = -1;
	int i, plan;

	if (argc + 3 > POLICY_WORDS_MAX) {
		(void)err_set(&e, ERR_LIMIT, "%d arguments", argc);
		return policy_fail(&e);
	}
	if (policy_connect(argv[jail], &fd, &e) == -1 ||
	    live_ask(fd, &q, &m, &e) == -1)
		return policy_fail(&e);
	plan = ipc_take_fd(m, 0);
	if (plan == -1 || fcntl(plan, F_SETFD, 0) == -1) {
		(void)err_set(&e, ERR_CORRUPT, "an answer without a policy");
		return policy_fail(&e);
	}
	(void)snprintf(number, sizeof(number), "%d", plan);
	for (i = 0; i <= argc; i++) /* the NULL at the end too */
		words[2 + i] = i == jail ? number : argv[i];
	return policy_exec(words);
}

int
cli_policy(int argc, char **argv)
{
	int jail;

	if (argc > 1 && strcmp(argv[1], "reload") == 0)
		return policy_reload(argc - 1, argv + 1);
	jail = argc > 1 && strcmp(argv[1], "why") == 0
		   ? find_live(argc - 1, argv + 1)
		   : 0;
	if (jail > 0)
		return policy_why(argc - 1, argv + 1, jail);
	return policy_exec(argv - 1);
}
