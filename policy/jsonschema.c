#include <string.h>

#include "jsonschema.h"
#include "schema.h"

static void write_type(const struct schema_type *t, FILE *to);

static void
quote(const char *s, FILE *to)
{
	char buf[4096];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add_json(&t, s);
	(void)fputs(buf, to);
}

/* "name": in front of a value, a comma in front of all but the first. */
static void
member(const char *name, int *any, FILE *to)
{
	(void)fputs(*any ? ",\n" : "\n", to);
	*any = 1;
	quote(name, to);
	(void)fputs(": ", to);
}

/* ---- scalars -------------------------------------------------------------- */

static void
write_bool(const struct schema_type *t, FILE *to)
{
	(void)t;
	(void)fputs("\"type\": \"boolean\"", to);
}

static void
write_word(const struct schema_type *t, FILE *to)
{
	const struct schema_word *w;
	const char *between = "";

	(void)fputs("\"enum\": [", to);
	for (w = t->words; w->word != NULL; w++) {
		if (w->since > SCHEMA_BUILD)
			continue;
		(void)fputs(between, to);
		quote(w->word, to);
		between = ", ";
	}
	(void)fputc(']', to);
}

static void
write_string(const struct schema_type *t, FILE *to)
{
	(void)fputs(t->numbers ? "\"type\": [\"string\", \"integer\"]"
			       : "\"type\": \"string\"",
	    to);
	(void)fputs(", \"pattern\": ", to);
	quote(t->pattern, to);
}

static void
write_int(const struct schema_type *t, FILE *to)
{
	(void)fprintf(to,
	    "\"type\": \"integer\", \"minimum\": %ju, \"maximum\": %ju",
	    (uintmax_t)t->min, (uintmax_t)t->max);
}

static void
write_cpu(const struct schema_type *t, FILE *to)
{
	(void)fprintf(to,
	    "\"type\": \"number\", \"minimum\": %ju.%03ju, "
	    "\"maximum\": %ju.%03ju",
	    (uintmax_t)t->min / 1000, (uintmax_t)t->min % 1000,
	    (uintmax_t)t->max / 1000, (uintmax_t)t->max % 1000);
}

static void
write_size(const struct schema_type *t, FILE *to)
{
	(void)fputs("\"anyOf\": [{", to);
	write_int(t, to);
	(void)fputs("}, {\"type\": \"string\", \"pattern\": "
		    "\"^(0|[1-9][0-9]*)(B|KiB|MiB|GiB|TiB)?$\"}",
	    to);
	(void)fputs(t->none ? ", {\"const\": \"none\"}]" : "]", to);
}

static void
write_time(const struct schema_type *t, FILE *to)
{
	(void)fputs("\"anyOf\": [{\"type\": \"string\", \"pattern\": "
		    "\"^[1-9][0-9]*(ms|s|m|h|d)$\"}",
	    to);
	(void)fputs(t->none ? ", {\"const\": \"none\"}]" : "]", to);
}

/* ---- containers ----------------------------------------------------------- */

static void
write_default(const struct schema_key *k, FILE *to)
{
	enum schema_shape shape = k->type->shape;

	if (k->initial == NULL)
		return;
	(void)fputs(", \"default\": ", to);
	if (shape == SCHEMA_INT || shape == SCHEMA_CPU || shape == SCHEMA_BOOL)
		(void)fputs(k->initial, to);
	else
		quote(k->initial, to);
}

static void
write_key(const struct schema_key *k, FILE *to)
{
	char text[512];

	(void)fputs("{\"description\": ", to);
	(void)snprintf(text, sizeof(text), "%s%s", k->doc,
	    k->since > SCHEMA_BUILD ? " Not enforced by this build." : "");
	quote(text, to);
	write_default(k, to);
	(void)fputs(", ", to);
	if (k->since > SCHEMA_BUILD)
		(void)fputs("\"not\": {}", to);
	else
		write_type(k->type, to);
	(void)fputc('}', to);
}

static void
write_required(const struct schema_type *t, FILE *to)
{
	const struct schema_key *k;
	const char *between = "";

	(void)fputs(", \"required\": [", to);
	for (k = t->keys; k->name != NULL; k++) {
		if ((k->flags & SCHEMA_REQUIRED) == 0)
			continue;
		(void)fputs(between, to);
		quote(k->name, to);
		between = ", ";
	}
	(void)fputc(']', to);
}

static void
write_choice(const char *keyword, const char *const *names, FILE *to)
{
	const char *between = "";

	if (names == NULL)
		return;
	(void)fprintf(to, ", \"%s\": [", keyword);
	for (; *names != NULL; names++) {
		(void)fprintf(to, "%s{\"required\": [", between);
		quote(*names, to);
		(void)fputs("]}", to);
		between = ", ";
	}
	(void)fputc(']', to);
}

static void
write_pairs(const struct schema_type *t, FILE *to)
{
	if (t->apart != NULL)
		(void)fprintf(to, ", \"not\": {\"required\": [\"%s\", \"%s\"]}",
		    t->apart[0], t->apart[1]);
	if (t->together != NULL)
		(void)fprintf(to, ", \"dependentRequired\": {\"%s\": [\"%s\"]}",
		    t->together[0], t->together[1]);
}

static void
write_map(const struct schema_type *t, FILE *to)
{
	const struct schema_key *k;
	int any = 0;

	(void)fputs("\"type\": \"object\", \"properties\": {", to);
	for (k = t->keys; k->name != NULL; k++) {
		member(k->name, &any, to);
		write_key(k, to);
	}
	(void)fputs("}, \"additionalProperties\": false", to);
	write_required(t, to);
	write_choice("oneOf", t->exactly_one, to);
	write_choice("anyOf", t->at_least_one, to);
	write_pairs(t, to);
}

static void
write_dict(const struct schema_type *t, FILE *to)
{
	(void)fprintf(to,
	    "\"type\": \"object\", \"maxProperties\": %d, "
	    "\"propertyNames\": {\"pattern\": ",
	    YAML_KEYS_MAX);
	quote(t->pattern, to);
	(void)fputs("}, \"additionalProperties\": {", to);
	write_type(t->item, to);
	(void)fputc('}', to);
}

static void
write_list(const struct schema_type *t, FILE *to)
{
	(void)fprintf(to,
	    "\"type\": \"array\", \"minItems\": %ju, \"maxItems\": %d, "
	    "\"items\": {",
	    (uintmax_t)t->min, YAML_ITEMS_MAX);
	write_type(t->item, to);
	(void)fputc('}', to);
}

static void
write_union(const struct schema_type *t, FILE *to)
{
	const struct schema_type *const alt[] = { t->scalar, t->map, t->list };
	const char *between = "";
	size_t i;

	(void)fputs("\"anyOf\": [", to);
	for (i = 0; i < countof(alt); i++) {
		if (alt[i] == NULL)
			continue;
		(void)fprintf(to, "%s{", between);
		write_type(alt[i], to);
		(void)fputc('}', to);
		between = ", ";
	}
	(void)fputc(']', to);
}

static void
write_any(const struct schema_type *t, FILE *to)
{
	(void)t;
	(void)fputs("\"not\": {}", to);
}

static void (*const by_shape[])(const struct schema_type *, FILE *) = {
	[SCHEMA_BOOL] = write_bool,
	[SCHEMA_WORD] = write_word,
	[SCHEMA_STRING] = write_string,
	[SCHEMA_TEXT] = write_string,
	[SCHEMA_INT] = write_int,
	[SCHEMA_CPU] = write_cpu,
	[SCHEMA_SIZE] = write_size,
	[SCHEMA_TIME] = write_time,
	[SCHEMA_MAP] = write_map,
	[SCHEMA_DICT] = write_dict,
	[SCHEMA_LIST] = write_list,
	[SCHEMA_UNION] = write_union,
	[SCHEMA_ANY] = write_any,
};

static void
write_type(const struct schema_type *t, FILE *to)
{
	by_shape[t->shape](t, to);
}

/* ---- what a ceiling cannot say -------------------------------------------- */

static int
has_grant_only(const struct schema_type *t)
{
	const struct schema_key *k;

	for (k = t->keys; k->name != NULL; k++)
		if ((k->flags & SCHEMA_GRANT_ONLY) != 0 ||
		    (k->merge == SCHEMA_INSIDE && k->since <= SCHEMA_BUILD &&
			has_grant_only(k->type)))
			return 1;
	return 0;
}

static void
write_ceiling(const struct schema_type *t, FILE *to)
{
	const struct schema_key *k;
	int any = 0;

	(void)fputs("{\"properties\": {", to);
	for (k = t->keys; k->name != NULL; k++) {
		if ((k->flags & SCHEMA_GRANT_ONLY) != 0) {
			member(k->name, &any, to);
			(void)fputs("false", to);
		} else if (k->merge == SCHEMA_INSIDE &&
			   k->since <= SCHEMA_BUILD &&
			   has_grant_only(k->type)) {
			member(k->name, &any, to);
			write_ceiling(k->type, to);
		}
	}
	(void)fputs("}}", to);
}

void
jsonschema_write(FILE *to)
{
	(void)fputs("{\"$schema\": "
		    "\"https://json-schema.org/draft/2020-12/schema\",\n"
		    "\"title\": \"A policy of Warder, version 1\",\n",
	    to);
	write_type(&schema_policy, to);
	(void)fputs(",\n\"if\": {\"properties\": {\"kind\": {\"const\": "
		    "\"ceiling\"}}, \"required\": [\"kind\"]},\n\"then\": ",
	    to);
	write_ceiling(&schema_policy, to);
	(void)fputs("}\n", to);
}

/* ---- the reference -------------------------------------------------------- */

static const char *const layer_rules[] = {
	[SCHEMA_SELF] = "own",
	[SCHEMA_NEAREST] = "nearest",
	[SCHEMA_LEAST] = "nearest, cut to the strictest ceiling",
	[SCHEMA_MOST] = "nearest, raised to the strictest ceiling",
	[SCHEMA_UNITE] = "union, cut by ceilings",
	[SCHEMA_DENY] = "union of all",
	[SCHEMA_BY_KEY] = "by key, nearest",
	[SCHEMA_INSIDE] = "",
	[SCHEMA_ROOTFS] = "nearest, cut by ceilings",
	[SCHEMA_MOUNTS] = "by path, nearest, cut by ceilings",
	[SCHEMA_SERVICES] = "by key, nearest, cut by ceilings",
};

static void keys_below(const struct schema_type *t, const char *path, FILE *to);

/* A "|" would end the cell. */
static void
cell(const char *s, FILE *to)
{
	for (; *s != '\0'; s++) {
		if (*s == '|')
			(void)fputc('\\', to);
		(void)fputc(*s, to);
	}
}

static void
key_row(const struct schema_key *k, const char *path, FILE *to)
{
	(void)fprintf(to, "| `%s` | ", path);
	if (k->since > SCHEMA_BUILD)
		(void)fputs("refused: not enforced by this build", to);
	else
		cell(k->type->wants, to);
	(void)fprintf(to, "%s | ",
	    (k->flags & SCHEMA_REQUIRED) != 0 ? " (required)" : "");
	if (k->initial != NULL)
		(void)fprintf(to, "`%s`", k->initial);
	(void)fprintf(to, " | %s%s | ", layer_rules[k->merge],
	    (k->flags & SCHEMA_GRANT_ONLY) != 0 ? "; not in a ceiling" : "");
	cell(k->doc, to);
	(void)fputs(" |\n", to);
}

/* Through lists, unions and mappings by name, to the next keys. */
static void
keys_inside(const struct schema_type *t, const char *path, FILE *to)
{
	char below[256];

	if (t->shape == SCHEMA_MAP)
		keys_below(t, path, to);
	if (t->shape == SCHEMA_LIST) {
		(void)snprintf(below, sizeof(below), "%s[]", path);
		keys_inside(t->item, below, to);
	}
	if (t->shape == SCHEMA_DICT) {
		(void)snprintf(below, sizeof(below), "%s.NAME", path);
		keys_inside(t->item, below, to);
	}
	if (t->shape == SCHEMA_UNION && t->map != NULL)
		keys_inside(t->map, path, to);
	if (t->shape == SCHEMA_UNION && t->list != NULL)
		keys_inside(t->list, path, to);
}

static void
keys_below(const struct schema_type *t, const char *path, FILE *to)
{
	const struct schema_key *k;
	char below[256];

	for (k = t->keys; k->name != NULL; k++) {
		(void)snprintf(below, sizeof(below), "%s%s%s", path,
		    *path == '\0' ? "" : ".", k->name);
		key_row(k, below, to);
		if (k->since <= SCHEMA_BUILD)
			keys_inside(k->type, below, to);
	}
}

void
jsonschema_keys(FILE *to)
{
	(void)fputs("| key | takes | default | layers | meaning |\n"
		    "|---|---|---|---|---|\n",
	    to);
	keys_below(&schema_policy, "", to);
}
