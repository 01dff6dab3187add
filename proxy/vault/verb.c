#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>

#include "limits_vault.h"
#include "opt.h"
#include "policy/canon.h"
#include "store.h"
#include "text.h"
#include "vault.h"

enum {
	VERB_PORT = 443, /* where --to names none, as in policies */
};

/* What the options of a verb say; strings are argv's. */
struct verb_args {
	const char *name;
	uint32_t nto, nusers;
	struct entry_to to[ENTRY_TO_MAX];
	char hosts[ENTRY_TO_MAX][CANON_HOST_SIZE + 2];
	const char *users[ENTRY_USERS_MAX];
	enum entry_kind kind;
	enum entry_auth auth;
	const char *token_url, *client_id, *scope;
	char ca[ENTRY_CA_MAX];
	size_t ca_size;
	int replace, json;
};

/* ---- options ---- */

/* "*.example.com" is a label and a name of two labels or more. */
static int
verb_host(const char *s, char *ret, uint32_t *ret_port, struct err *e)
{
	size_t star = strncmp(s, "*.", 2) == 0 ? 2 : 0;

	memcpy(ret, "*.", star);
	if (canon_authority(s + star, strlen(s + star), VERB_PORT, ret + star,
		ret_port, e) == -1)
		return -1;
	if (star > 0 && strchr(ret + star, '.') == NULL)
		return err_set(e, ERR_INVALID,
		    "would serve a whole top-level domain");
	return 0;
}

static int
set_to(void *ctx, const char *value, struct err *e)
{
	struct verb_args *a = ctx;
	uint32_t i = a->nto;

	if (i == ENTRY_TO_MAX)
		return err_set(e, ERR_LIMIT, "given more than %d times",
		    ENTRY_TO_MAX);
	if (verb_host(value, a->hosts[i], &a->to[i].port, e) == -1)
		return err_wrap(e, "%s", value);
	a->to[i].host = entry_str(a->hosts[i]);
	a->nto++;
	return 0;
}

static int
set_use(void *ctx, const char *value, struct err *e)
{
	struct verb_args *a = ctx;

	if (a->nusers == ENTRY_USERS_MAX)
		return err_set(e, ERR_LIMIT, "given more than %d times",
		    ENTRY_USERS_MAX);
	a->users[a->nusers++] = value;
	return 0;
}

static int
set_oauth(void *ctx, const char *value, struct err *e)
{
	struct verb_args *a = ctx;

	a->kind = entry_kind_find(value);
	if (a->kind == ENTRY_KIND__MAX || a->kind == ENTRY_STATIC)
		return err_set(e, ERR_INVALID,
		    "%s: client_credentials or refresh_token", value);
	return 0;
}

static int
set_auth(void *ctx, const char *value, struct err *e)
{
	struct verb_args *a = ctx;

	a->auth = entry_auth_find(value);
	if (a->auth == ENTRY_AUTH__MAX)
		return err_set(e, ERR_INVALID, "%s: basic, post or none",
		    value);
	return 0;
}

static int
verb_text(const char **to, const char *value, struct err *e)
{
	if (strlen(value) > ENTRY_TEXT_MAX)
		return err_set(e, ERR_LIMIT, "longer than %d bytes",
		    ENTRY_TEXT_MAX);
	*to = value;
	return 0;
}

#define VERB_SET(name, ...)                                            \
	static int set_##name(void *ctx, const char *v, struct err *e) \
	{                                                              \
		struct verb_args *a = ctx;                             \
		(void)v;                                               \
		(void)e;                                               \
		__VA_ARGS__;                                           \
	}

/* The file's user is the vault's by now: it has to be readable for all. */
static int
set_token_ca(void *ctx, const char *value, struct err *e)
{
	struct verb_args *a = ctx;
	autofd fd = open(value, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd == -1 || (n = read(fd, a->ca, sizeof(a->ca))) == -1)
		return err_set(e, ERR_SYSTEM, "%s", value);
	if (n == ENTRY_CA_MAX)
		return err_set(e, ERR_LIMIT, "%s: %d bytes or more", value,
		    ENTRY_CA_MAX);
	if (memmem(a->ca, (size_t)n, "-----BEGIN CERTIFICATE-----", 27) == NULL)
		return err_set(e, ERR_INVALID, "%s: no certificate in PEM",
		    value);
	a->ca_size = (size_t)n;
	return 0;
}

VERB_SET(token_url, return verb_text(&a->token_url, v, e))
VERB_SET(client_id, return verb_text(&a->client_id, v, e))
VERB_SET(scope, return verb_text(&a->scope, v, e))
VERB_SET(replace, a->replace = 1; return 0)
VERB_SET(json, a->json = 1; return 0)

/* clang-format off */
static const struct opt set_options[] = {
	{ "to", 0, "HOST[:PORT]", "a destination it may serve; once or more", set_to },
	{ "use", 0, "USER", "a user it may serve; without: whoever has this vault", set_use },
	{ "replace", 0, NULL, "the entry may be there already", set_replace },
	{ "oauth", 0, "KIND", "client_credentials or refresh_token", set_oauth },
	{ "token-url", 0, "URL", "OAuth: the token endpoint, https", set_token_url },
	{ "token-ca", 0, "FILE", "OAuth: the certificates it is verified by", set_token_ca },
	{ "client-id", 0, "ID", "OAuth: the client", set_client_id },
	{ "client-auth", 0, "HOW", "OAuth: basic (default), post or none", set_auth },
	{ "scope", 0, "SCOPES", "OAuth: what to ask for", set_scope },
};

static const struct opt list_options[] = {
	{ "json", 0, NULL, "one JSON object an entry", set_json },
};

/* clang-format on */

/* ---- secrets from people and pipes ---- */

/* Up to n bytes of standard input, without echo where it is a terminal. */
static int
verb_read_input(const char *prompt, struct secret **ret, struct err *e)
{
	struct termios old, quiet;
	int r, tty = tcgetattr(STDIN_FILENO, &old) == 0;
	char line[SECRET_MAX + 1];
	ssize_t n;

	if (!tty)
		return secret_read(STDIN_FILENO, ret, e);
	(void)fputs(prompt, stderr);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	n = read(STDIN_FILENO, line, sizeof(line));
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	(void)fputc('\n', stderr);
	r = n < 0 ? err_set(e, ERR_SYSTEM, "reading the secret")
		  : secret_create(line, (size_t)n, ret, e);
	secret_wipe(line, sizeof(line));
	return r;
}

/*
 * The lines of the input, at most two; a last line may have no end.  A line
 * that is missing is empty.
 */
static int
verb_lines(const struct secret *in, struct entry_str line[2], struct err *e)
{
	const char *p = secret_bytes(in);
	size_t left = secret_size(in);
	unsigned i;

	for (i = 0; i < 2; i++) {
		const char *end = memchr(p, '\n', left);
		size_t n = end != NULL ? (size_t)(end - p) : left;

		line[i] = (struct entry_str){ p, n };
		p += n + (end != NULL);
		left -= n + (end != NULL);
	}
	if (left > 0)
		return err_set(e, ERR_INVALID,
		    "the secret has more lines than it may have");
	return 0;
}

/* What the input is for each kind; see warder-credential(1). */
static int
verb_secret(struct entry *n, const struct secret *input, struct err *e)
{
	struct entry_str line[2];
	int refresh = n->kind == ENTRY_REFRESH_TOKEN;

	if (verb_lines(input, line, e) == -1)
		return -1;
	if (entry_check_secret(line[0].p, line[0].n, e) == -1)
		return -1;
	if (!refresh && line[1].n > 0)
		return err_set(e, ERR_INVALID, "the secret has two lines");
	if (line[1].n > 0 && entry_check_secret(line[1].p, line[1].n, e) == -1)
		return err_wrap(e, "the client's secret (second line)");
	n->secret = line[refresh];
	n->refresh = refresh ? line[0] : entry_str("");
	return 0;
}

/* ---- the verbs ---- */

static uint64_t
verb_now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec;
}

static int
verb_set_check(const struct verb_args *a, struct err *e)
{
	int oauth = a->kind != ENTRY_STATIC;

	if (a->nto == 0)
		return err_set(e, ERR_INVALID,
		    "without --to HOST[:PORT] it could serve nobody");
	if (oauth != (a->token_url != NULL) || oauth != (a->client_id != NULL))
		return err_set(e, ERR_INVALID,
		    "--oauth, --token-url and --client-id belong together");
	if (!oauth && (a->scope != NULL || a->ca_size > 0))
		return err_set(e, ERR_INVALID,
		    "--scope and --token-ca belong to --oauth");
	if (oauth && strncmp(a->token_url, "https://", 8) != 0)
		return err_set(e, ERR_INVALID,
		    "--token-url %s: secrets go over https only", a->token_url);
	return 0;
}

static void
verb_set_entry(const struct verb_args *a, struct entry *n)
{
	uint32_t i;

	n->name = entry_str(a->name);
	n->kind = a->kind;
	n->auth = a->auth;
	n->nto = a->nto;
	memcpy(n->to, a->to, sizeof(n->to));
	n->nusers = a->nusers;
	for (i = 0; i < a->nusers; i++)
		n->users[i] = entry_str(a->users[i]);
	n->token_url = entry_str(a->token_url != NULL ? a->token_url : "");
	n->client_id = entry_str(a->client_id != NULL ? a->client_id : "");
	n->scope = entry_str(a->scope != NULL ? a->scope : "");
	n->ca = (struct entry_str){ a->ca, a->ca_size };
	n->changed_s = verb_now_s();
	n->created_s = n->version == 0 ? n->changed_s : n->created_s;
	n->version++;
}

static int
verb_set(struct store *s, const struct verb_args *a, const struct secret *input,
    struct err *e)
{
	struct entry *n = entry_find(&s->entries, a->name);

	if (n != NULL && !a->replace)
		return err_set(e, ERR_CONFLICT,
		    "%s is there already: \"rotate\" gives it a new secret, "
		    "--replace everything new",
		    a->name);
	if (n == NULL)
		n = entry_add(&s->entries);
	if (n == NULL)
		return err_set(e, ERR_LIMIT,
		    "the vault has %d entries, which is all it can hold",
		    ENTRY_COUNT_MAX);
	verb_set_entry(a, n);
	if (verb_secret(n, input, e) == -1)
		return -1;
	return store_save(s, e);
}

static int
verb_need(struct store *s, const struct verb_args *a, struct entry **ret,
    struct err *e)
{
	*ret = entry_find(&s->entries, a->name);
	if (*ret != NULL)
		return 0;
	return err_set(e, ERR_NOT_FOUND, "there is no credential %s", a->name);
}

static int
verb_rotate(struct store *s, const struct verb_args *a,
    const struct secret *input, struct err *e)
{
	struct entry *n;

	if (verb_need(s, a, &n, e) == -1 || verb_secret(n, input, e) == -1)
		return -1;
	n->version++;
	n->changed_s = verb_now_s();
	return store_save(s, e);
}

static int
verb_remove(struct store *s, const struct verb_args *a,
    const struct secret *input, struct err *e)
{
	struct entry *n;

	(void)input;
	if (verb_need(s, a, &n, e) == -1)
		return -1;
	entry_remove(&s->entries, n);
	return store_save(s, e);
}

static void
verb_time(uint64_t s, char ret[32])
{
	time_t t = (time_t)s;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(ret, 32, "?");
}

static void
verb_add_lists(struct text *t, const struct entry *n, int json)
{
	uint32_t i;

	text_add(t, json ? ",\"to\":[" : "  to ");
	for (i = 0; i < n->nto; i++)
		text_addf(t, "%s%s%.*s:%u%s", i > 0 ? "," : "",
		    json ? "\"" : "", (int)n->to[i].host.n, n->to[i].host.p,
		    (unsigned)n->to[i].port, json ? "\"" : "");
	text_add(t, json ? "],\"users\":[" : n->nusers > 0 ? "  for " : "");
	for (i = 0; i < n->nusers; i++)
		text_addf(t, "%s%s%.*s%s", i > 0 ? "," : "", json ? "\"" : "",
		    (int)n->users[i].n, n->users[i].p, json ? "\"" : "");
	text_add(t, json ? "]" : "");
}

static void
verb_list_entry(const struct entry *n, int json)
{
	char buf[VERB_LINE_MAX], created[32], changed[32];
	struct text t;

	verb_time(n->created_s, created);
	verb_time(n->changed_s, changed);
	text_init(&t, buf, sizeof(buf));
	text_addf(&t,
	    json ? "{\"name\":\"%.*s\",\"kind\":\"%s\",\"version\":%u,"
		   "\"created\":\"%s\",\"changed\":\"%s\""
		 : "%.*s  %s  version %u  created %s  changed %s",
	    (int)n->name.n, n->name.p, entry_kind_name(n->kind),
	    (unsigned)n->version, created, changed);
	verb_add_lists(&t, n, json);
	text_add(&t, json ? "}" : "");
	(void)puts(buf);
}

static int
verb_list(struct store *s, const struct verb_args *a,
    const struct secret *input, struct err *e)
{
	uint32_t i;

	(void)input;
	for (i = 0; i < s->entries.n; i++)
		verb_list_entry(&s->entries.entries[i], a->json);
	if (fflush(stdout) != 0)
		return err_set(e, ERR_SYSTEM, "standard output");
	return 0;
}

/* ---- the table ---- */

struct verb {
	const char *name;
	const char *help;
	int wants_name, changes, makes_key;
	int (*check)(const struct verb_args *a, struct err *e);
	const char *prompt; /* NULL: it reads no secret */
	struct opt_verb options;
	int (*run)(struct store *s, const struct verb_args *a,
	    const struct secret *input, struct err *e);
};

/* clang-format off */
static const struct verb verbs[] = {
	{ "set", "store a secret, with the destinations it may serve", 1, 1, 1,
	    verb_set_check, "secret (not shown): ",
	    { "set NAME --to HOST[:PORT] [OPTIONS] <SECRET",
	      "Stores the secret that comes on standard input (asked for on a\n"
	      "terminal, and not shown).  It can be replaced and removed, never\n"
	      "read.  It is sent to the destinations of --to and nowhere else,\n"
	      "whatever a policy says.  With --oauth client_credentials the\n"
	      "input is the client's secret; with --oauth refresh_token the\n"
	      "refresh token, and on a second line the client's secret if it\n"
	      "has one.",
	      set_options, countof(set_options) }, verb_set },
	{ "list", "names, destinations, versions; never a secret", 0, 0, 0,
	    NULL, NULL,
	    { "list [--json]", "Lists what the vault holds, without the secrets.",
	      list_options, countof(list_options) }, verb_list },
	{ "rotate", "give an entry a new secret", 1, 1, 0,
	    NULL, "new secret (not shown): ",
	    { "rotate NAME <SECRET",
	      "Replaces the secret by the one on standard input; destinations\n"
	      "and users stay.  Runs take it from their next request on.",
	      NULL, 0 }, verb_rotate },
	{ "remove", "remove an entry", 1, 1, 0,
	    NULL, NULL,
	    { "remove NAME", "Removes the entry and its secret.", NULL, 0 },
	    verb_remove },
};

/* clang-format on */

static const struct verb *
verb_find(const char *name)
{
	size_t i;

	for (i = 0; i < countof(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

int
verb_makes_key(const char *name)
{
	const struct verb *v = verb_find(name);

	return v != NULL && v->makes_key;
}

int
verb_help(int status)
{
	FILE *f = status == 0 ? stdout : stderr;
	size_t i;

	(void)fputs("usage: warder credential VERB [ARGUMENTS]\n\n"
		    "Keeps secrets for jails that never see them.\n\nverbs:\n",
	    f);
	for (i = 0; i < countof(verbs); i++)
		(void)fprintf(f, "  %-8s %s\n", verbs[i].name, verbs[i].help);
	(void)fputs("\n\"warder credential VERB --help\" tells more.\n", f);
	return status;
}

static int
verb_parse(const struct verb *verb, int argc, char **argv, struct verb_args *a,
    struct err *e)
{
	int rest = 0, r;

	if (argc >= 2 && strcmp(argv[1], "--help") == 0)
		return 1;
	if (verb->wants_name && (argc < 2 || argv[1][0] == '-'))
		return err_set(e, ERR_INVALID,
		    "which one? write: warder credential %s",
		    verb->options.usage);
	if (verb->wants_name) {
		a->name = argv[1];
		if (entry_check_name(a->name, e) == -1)
			return -1;
		argc--;
		argv++;
	}
	r = opt_parse(&verb->options, a, argc, argv, &rest, e);
	if (r == 0 && rest < argc)
		return err_set(e, ERR_INVALID, "%s: one argument too many",
		    argv[rest]);
	return r;
}

static int
verb_do(struct vault *v, const struct verb *verb, const struct verb_args *a,
    struct err *e)
{
	static struct store s; /* large */
	autosecret *input = NULL; /* outlives the entries that point at it */
	int r;

	if (verb->check != NULL && verb->check(a, e) == -1)
		return -1;
	/* Before the lock is taken: a person may take long. */
	if (verb->prompt != NULL &&
	    verb_read_input(verb->prompt, &input, e) == -1)
		return -1;
	r = store_load(&s, v->dir, v->key, verb->changes, e);
	if (r == 0)
		r = verb->run(&s, a, input, e);
	store_finish(&s);
	return r;
}

int
verb_run(struct vault *v, int argc, char **argv)
{
	const struct verb *verb = verb_find(argv[0]);
	static struct verb_args a; /* large */
	struct err e = { 0 };
	int r;

	if (verb == NULL)
		return verb_help(2);
	r = verb_parse(verb, argc, argv, &a, &e);
	if (r == 1) {
		opt_help("credential", &verb->options);
		return 0;
	}
	/* after the command line, which may name a file */
	if (r == 0)
		r = lock_down(LOCK_VERB, v->dir, &e);
	if (r == 0)
		r = verb_do(v, verb, &a, &e);
	if (r == 0)
		return 0;
	(void)fprintf(stderr, "warder: credential %s: %s\n", verb->name, e.msg);
	return err_exit(e.code);
}
