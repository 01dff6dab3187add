#include "client.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "text.h"

enum {
	SHOWN_MAX = 4096,
};

void
client_text(FILE *f, const char *s)
{
	char safe[SHOWN_MAX];

	(void)text_escape(safe, sizeof(safe), s, strlen(s));
	(void)fputs(safe, f);
}

int
client_set_json(void *ctx, const char *value, struct err *e)
{
	struct client *c = ctx;

	(void)value;
	(void)e;
	c->json = 1;
	return 0;
}

int
client_operands(const struct opt_verb *v, void *ctx, int argc, char **argv,
    char *ret_words[], int most, int *ret_n, struct err *e)
{
	int at = 0, n = 0, rest, rc;

	for (;;) {
		rc = opt_parse(v, ctx, argc - at, argv + at, &rest, e);
		if (rc != 0)
			return rc;
		at += rest;
		if (at >= argc)
			break;
		if (n == most)
			return err_set(e, ERR_INVALID,
			    "%s: more than %d operands", argv[0], most);
		ret_words[n++] = argv[at];
	}
	*ret_n = n;
	return 0;
}

static void
verbs_help(const char *name, const struct opt_verb *v,
    const struct client_verb *verbs, size_t n)
{
	size_t i;

	opt_help(name, v);
	printf("\nverbs:\n");
	for (i = 0; i < n; i++)
		printf("  %-9s %-18s %s\n", verbs[i].name, verbs[i].operands,
		    verbs[i].help);
}

/* The options may come before the inner verb and behind it. */
static int
verbs_run(struct client *c, const char *outer, const struct opt_verb *v,
    const struct client_verb *inner, int argc, char **argv, struct err *e)
{
	struct opt_verb own = *v;
	char usage[128], name[64];
	char *words[CLIENT_OPERANDS_MAX];
	int n, rc;

	(void)snprintf(usage, sizeof(usage), "[OPTIONS] %s", inner->operands);
	(void)snprintf(name, sizeof(name), "%s %s", outer, inner->name);
	own.usage = usage;
	own.summary = inner->help;
	rc = client_operands(v, c, argc, argv, words, CLIENT_OPERANDS_MAX, &n,
	    e);
	if (rc == 1)
		opt_help(name, &own);
	if (rc != 0)
		return rc == 1 ? 0 : -1;
	return inner->run(c, n, words, e);
}

int
client_verbs(struct client *c, const struct opt_verb *v,
    const struct client_verb *verbs, size_t n, int argc, char **argv,
    struct err *e)
{
	const char *names[16];
	const char *near;
	size_t i;
	int rest;

	switch (opt_parse(v, c, argc, argv, &rest, e)) {
	case -1:
		return -1;
	case 1:
		verbs_help(argv[0], v, verbs, n);
		return 0;
	}
	if (rest >= argc)
		return verbs[0].run(c, 0, argv + rest, e);
	for (i = 0; i < n; i++) {
		names[i] = verbs[i].name;
		if (strcmp(verbs[i].name, argv[rest]) == 0)
			return verbs_run(c, argv[0], v, &verbs[i], argc - rest,
			    argv + rest, e);
	}
	near = text_nearest(argv[rest], names, n);
	return err_set(e, ERR_INVALID, "%s: no verb \"%s\"%s%s%s", argv[0],
	    argv[rest], near != NULL ? "; did you mean " : "",
	    near != NULL ? near : "", near != NULL ? "?" : "");
}

int
client_ask(const struct client *c, const char *method, const char *path,
    const json_t *body, json_t **ret_json, struct err *e)
{
	struct request r = { .method = method,
		.path = path,
		.body = body,
		.file = -1 };
	autoanswer a = { 0 };

	if (request_send(&c->service, &r, &a, e) == -1)
		return -1;
	if (ret_json != NULL)
		*ret_json = a.json != NULL ? take_ptr(&a.json) : json_null();
	return 0;
}

void
client_path(char *ret, size_t size, const char *before, const char *id,
    const char *after)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	struct text t;

	text_init(&t, ret, size);
	text_add(&t, before);
	for (; *id != '\0'; id++) {
		if (strchr(plain, *id) != NULL)
			text_add_bytes(&t, id, 1);
		else
			text_addf(&t, "%%%02X", (unsigned char)*id);
	}
	text_add(&t, after);
}

/* How many bytes a string, a number or a word has at s. */
static size_t
token_length(const char *s)
{
	size_t n = 1;

	if (*s != '"')
		return strcspn(s, ",]}");
	while (s[n] != '"')
		n += s[n] == '\\' ? 2 : 1;
	return n + 1;
}

static void
new_line(FILE *f, unsigned depth)
{
	(void)fprintf(f, "\n%*s", 2 * (int)depth, "");
}

/* What a terminal would obey, or hide, is shown as what it is. */
static void
show_token(FILE *f, const char *s, size_t n)
{
	char safe[64];
	size_t k;

	for (; n > 0; s += k, n -= k) {
		k = text_utf8_length(s, n, NULL);
		if (k == 0)
			k = 1;
		(void)text_escape(safe, sizeof(safe), s, k);
		(void)fputs(safe, f);
	}
}

/* JSON as json_text() makes it, a value a line. */
static void
show_indented(FILE *f, const char *s)
{
	unsigned depth = 0;
	size_t n;

	while (*s != '\0') {
		n = 1;
		if ((s[0] == '{' && s[1] == '}') ||
		    (s[0] == '[' && s[1] == ']'))
			n = 2;
		else if (*s == '}' || *s == ']')
			new_line(f, --depth);
		else if (strchr("{[,:", *s) == NULL)
			n = token_length(s);
		show_token(f, s, n);
		if (n == 1 && (*s == '{' || *s == '['))
			new_line(f, ++depth);
		else if (*s == ',')
			new_line(f, depth);
		else if (*s == ':')
			(void)fputc(' ', f);
		s += n;
	}
}

void
client_value(const struct client *c, const json_t *value)
{
	autofree char *text = NULL;
	struct err e;

	if (json_text(value, &text, NULL, &e) == -1)
		return;
	if (!c->json && isatty(STDOUT_FILENO))
		show_indented(stdout, text);
	else
		(void)fputs(text, stdout);
	(void)fputc('\n', stdout);
}

/* "metadata.graph_id" is a member of a member. */
static json_t *
table_value(const json_t *row, const char *member)
{
	const char *dot = strchr(member, '.');
	char outer[64];

	if (dot == NULL)
		return json_object_get(row, member);
	(void)snprintf(outer, sizeof(outer), "%.*s", (int)(dot - member),
	    member);
	return json_object_get(json_object_get(row, outer), dot + 1);
}

static void
table_cell(const json_t *row, const struct client_column *col)
{
	json_t *v = table_value(row, col->member);
	autofree char *text = NULL;
	const char *s = json_string_value(v);
	char safe[512];

	if (s == NULL && v != NULL && !json_is_null(v) &&
	    json_text(v, &text, NULL, NULL) == 0)
		s = text;
	(void)text_escape(safe, sizeof(safe), s != NULL ? s : "-",
	    strlen(s != NULL ? s : "-"));
	printf("%-*s%s", col->width, safe, col->width > 0 ? "  " : "\n");
}

void
client_table(const struct client *c, const json_t *rows,
    const struct client_column *columns, size_t n)
{
	size_t i, k;

	if (c->json) {
		client_value(c, rows);
		return;
	}
	for (k = 0; k < n; k++)
		printf("%-*s%s", columns[k].width, columns[k].title,
		    columns[k].width > 0 ? "  " : "\n");
	for (i = 0; i < json_array_size(rows); i++)
		for (k = 0; k < n; k++)
			table_cell(json_array_get(rows, i), &columns[k]);
}
