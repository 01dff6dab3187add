#include <string.h>
#include <strings.h>

#include "show.h"

/* ---- scalars -------------------------------------------------------------- */

static void
print_quoted(const char *s, FILE *to)
{
	size_t size = strlen(s), i, n;
	char buf[64];
	struct text t;

	(void)fputc('"', to);
	for (i = 0; i < size; i += n) {
		n = text_utf8_length(s + i, size - i, NULL);
		n = n == 0 ? 1 : n;
		text_init(&t, buf, sizeof(buf));
		text_add_json_bytes(&t, s + i, n);
		/* Without the quotes around this one character. */
		(void)fwrite(buf + 1, 1, t.len - 2, to);
	}
	(void)fputc('"', to);
}

/* A word that no reader of YAML mistakes for anything but itself. */
static int
is_plain(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
	static const char *const words[] = { "y", "n", "yes", "no", "on", "off",
		"true", "false", "null" };
	size_t i;

	if (*s == '\0' || strchr(letters, *s) == NULL ||
	    s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")] != '\0')
		return 0;
	for (i = 0; i < countof(words); i++)
		if (strcasecmp(s, words[i]) == 0)
			return 0;
	return 1;
}

static int
is_number(const struct yaml_node *n)
{
	return !n->quoted && (n->kind == YAML_INT || n->kind == YAML_FLOAT ||
				 n->kind == YAML_BOOL);
}

/* protect: what form_protect cut off. */
static const char *
tail_of(const struct yaml_node *n, const char *key)
{
	return key != NULL && strcmp(key, "protect") == 0 && n->number != 0
		   ? "/**"
		   : "";
}

/* Sizes and times are words, though they begin with a digit. */
static int
is_measure(const struct yaml_node *n)
{
	return n->type != NULL &&
	       (n->type->shape == SCHEMA_SIZE || n->type->shape == SCHEMA_TIME);
}

static int
is_digits(const char *s)
{
	return *s != '\0' && s[strspn(s, "0123456789")] == '\0';
}

static void
print_scalar(const struct yaml_node *n, const char *key, FILE *to)
{
	const char *tail = tail_of(n, key);
	char joined[CONFIG_PATH_MAX + 8];

	if (is_number(n) || is_measure(n) ||
	    (*tail == '\0' && is_plain(n->text))) {
		(void)fputs(n->text, to);
		return;
	}
	if (*tail == '\0') {
		print_quoted(n->text, to);
		return;
	}
	(void)snprintf(joined, sizeof(joined), "%s%s", n->text, tail);
	print_quoted(joined, to);
}

static void
print_json_scalar(const struct yaml_node *n, const char *key, FILE *to)
{
	char joined[CONFIG_PATH_MAX + 8];

	if (is_number(n) || (is_measure(n) && is_digits(n->text))) {
		(void)fputs(n->text, to);
		return;
	}
	if (*tail_of(n, key) == '\0') {
		print_quoted(n->text, to);
		return;
	}
	(void)snprintf(joined, sizeof(joined), "%s%s", n->text,
	    tail_of(n, key));
	print_quoted(joined, to);
}

/* ---- trees ---------------------------------------------------------------- */

static void
print_flow(const struct yaml_node *n, const char *key, int json, FILE *to)
{
	const struct yaml_node *v;

	if (n->kind != YAML_MAP && n->kind != YAML_LIST) {
		if (json)
			print_json_scalar(n, key, to);
		else
			print_scalar(n, key, to);
		return;
	}
	(void)fputc(n->kind == YAML_MAP ? '{' : '[', to);
	for (v = n->first; v != NULL; v = v->next) {
		if (n->kind == YAML_MAP) {
			if (json || !is_plain(v->key->text))
				print_quoted(v->key->text, to);
			else
				(void)fputs(v->key->text, to);
			(void)fputs(": ", to);
		}
		print_flow(v, n->kind == YAML_MAP ? v->key->text : key, json,
		    to);
		if (v->next != NULL)
			(void)fputs(", ", to);
	}
	(void)fputc(n->kind == YAML_MAP ? '}' : ']', to);
}

static void
print_origin(const struct yaml_node *n, FILE *to)
{
	char name[CONFIG_PATH_MAX * 4];

	(void)text_escape(name, sizeof(name), n->source->name,
	    strlen(n->source->name));
	(void)fputs(name, to);
	/* The text of the defaults is made up: its lines mean nothing. */
	if (n->line != 0 && n->source->name[0] != '(')
		(void)fprintf(to, ":%u", n->line);
	if (n->note != NULL) {
		(void)text_escape(name, sizeof(name), n->note, strlen(n->note));
		(void)fprintf(to, " (%s)", name);
	}
}

static void
end_line(const struct yaml_node *n, FILE *to)
{
	(void)fputs("    # ", to);
	print_origin(n, to);
	(void)fputc('\n', to);
}

static void
indent(int depth, FILE *to)
{
	(void)fprintf(to, "%*s", depth * 2, "");
}

/* Lists of plain words, and mappings below services, stay on one line. */
static int
is_block(const struct yaml_node *n, int depth)
{
	return n->first != NULL &&
	       ((n->kind == YAML_MAP && depth < 3) || n->kind == YAML_LIST);
}

/* Files that are merged into the result are not drawn in again. */
static int
is_reference(const struct yaml_node *n)
{
	return strcmp(n->key->text, "extends") == 0 ||
	       strcmp(n->key->text, "use") == 0;
}

static void
print_block(const struct yaml_node *n, const char *key, int depth, FILE *to)
{
	const struct yaml_node *v;

	for (v = n->first; v != NULL; v = v->next) {
		if (depth == 0 && is_reference(v))
			continue;
		indent(depth, to);
		if (n->kind == YAML_LIST) {
			(void)fputs("- ", to);
			print_flow(v, key, 0, to);
			end_line(v, to);
			continue;
		}
		if (is_plain(v->key->text))
			(void)fputs(v->key->text, to);
		else
			print_quoted(v->key->text, to);
		(void)fputc(':', to);
		if (is_block(v, depth)) {
			(void)fputc('\n', to);
			print_block(v, v->key->text, depth + 1, to);
		} else {
			(void)fputc(' ', to);
			print_flow(v, v->key->text, 0, to);
			end_line(v, to);
		}
	}
}

static void
digest_text(const struct plan *p, char ret[SHA256_HEX_SIZE + 8])
{
	memcpy(ret, "sha256:", 7);
	sha256_hex(p->digest, ret + 7);
}

/* What ceilings took away is not in the tree any more. */
static void
print_warnings(const struct diag_list *l, FILE *to)
{
	const char *s = l->buf;
	size_t n;

	for (; *s != '\0'; s += n + (s[n] == '\n')) {
		n = strcspn(s, "\n");
		(void)fprintf(to, "# %.*s\n", (int)n, s);
	}
}

void
show_resolved(const struct resolve *r, const struct plan *p, FILE *to)
{
	char digest[SHA256_HEX_SIZE + 8], name[CONFIG_PATH_MAX * 4];
	unsigned i;

	digest_text(p, digest);
	(void)fprintf(to, "# plan %s\n# layers, the nearest first:\n", digest);
	for (i = 0; i < r->nlayers; i++) {
		(void)text_escape(name, sizeof(name), r->layers[i].source.name,
		    strlen(r->layers[i].source.name));
		(void)fprintf(to, "#   %-7s %s\n",
		    r->layers[i].source.ceiling ? "ceiling" : "grant", name);
	}
	print_block(r->root, NULL, 0, to);
	print_warnings(&r->diag.warnings, to);
	if (p->kind == PLAN_GRANT &&
	    yaml_get(yaml_get(r->root, "process"), "cwd") == NULL)
		(void)fprintf(to, "# process.cwd is %s\n",
		    plan_string(p, p->cwd));
}

/* ---- JSON ----------------------------------------------------------------- */

struct origins {
	FILE *to;
	int any;
};

static void
print_origins(struct origins *o, const struct yaml_node *n, const char *path)
{
	const struct yaml_node *v;
	char below[512], line[CONFIG_PATH_MAX + 16];
	unsigned i = 0;

	if (n->first == NULL && *path != '\0') {
		(void)fputs(o->any ? ", " : "", o->to);
		o->any = 1;
		print_quoted(path, o->to);
		(void)fputs(": ", o->to);
		if (n->source->name[0] == '(')
			(void)snprintf(line, sizeof(line), "default");
		else
			(void)snprintf(line, sizeof(line), "%s:%u",
			    n->source->name, n->line);
		print_quoted(line, o->to);
	}
	for (v = n->first; v != NULL; v = v->next, i++) {
		if (n->kind == YAML_MAP)
			(void)snprintf(below, sizeof(below), "%s%s%s", path,
			    *path == '\0' ? "" : ".", v->key->text);
		else
			(void)snprintf(below, sizeof(below), "%s[%u]", path, i);
		print_origins(o, v, below);
	}
}

static void
print_layers(const struct resolve *r, FILE *to)
{
	unsigned i;

	(void)fputs("\"layers\": [", to);
	for (i = 0; i < r->nlayers; i++) {
		(void)fputs(i == 0 ? "{\"file\": " : ", {\"file\": ", to);
		print_quoted(r->layers[i].source.name, to);
		(void)fprintf(to, ", \"kind\": \"%s\"}",
		    r->layers[i].source.ceiling ? "ceiling" : "grant");
	}
	(void)fputs("]", to);
}

/* The lines of a list of diagnostics, as JSON strings. */
static void
print_lines(const struct diag_list *l, FILE *to)
{
	char line[4096];
	const char *s = l->buf;
	size_t n;

	(void)fputc('[', to);
	for (; *s != '\0'; s += n + (s[n] == '\n')) {
		n = strcspn(s, "\n");
		(void)snprintf(line, sizeof(line), "%.*s", (int)n, s);
		(void)fputs(s == l->buf ? "" : ", ", to);
		print_quoted(line, to);
	}
	(void)fputc(']', to);
}

void
show_json(const struct resolve *r, const struct plan *p, FILE *to)
{
	char digest[SHA256_HEX_SIZE + 8];
	struct origins o = { to, 0 };

	digest_text(p, digest);
	(void)fprintf(to,
	    "{\"schema\": \"warder.policy/1\", "
	    "\"digest\": \"%s\",\n",
	    digest);
	print_layers(r, to);
	(void)fputs(",\n\"policy\": ", to);
	print_flow(r->root, NULL, 1, to);
	(void)fputs(",\n\"cwd\": ", to);
	print_quoted(plan_string(p, p->cwd), to);
	(void)fputs(",\n\"origins\": {", to);
	print_origins(&o, r->root, "");
	(void)fputs("},\n\"warnings\": ", to);
	print_lines(&r->diag.warnings, to);
	(void)fputs("}\n", to);
}

void
show_findings(const struct resolve *r, const struct plan *p, FILE *to)
{
	char digest[SHA256_HEX_SIZE + 8];

	digest_text(p, digest);
	(void)fprintf(to,
	    "{\"schema\": \"warder.policy-check/1\", "
	    "\"digest\": \"%s\", \"findings\": ",
	    digest);
	print_lines(&r->diag.warnings, to);
	(void)fputs("}\n", to);
}
