#include <stdio.h>
#include <string.h>

#include "validate.h"

/* Where in the policy a node is, for messages: "limits.cpu". */
struct spot {
	const struct spot *up;
	const char *name; /* NULL for an item of a list */
};

static void validate_node(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d);

static void
spot_write(const struct spot *s, struct text *t)
{
	if (s == NULL)
		return;
	spot_write(s->up, t);
	if (s->name == NULL)
		text_add(t, "[]");
	else
		text_addf(t, "%s%s", t->len > 0 ? "." : "", s->name);
}

struct spot_text {
	char buf[160];
};

static const char *
spot_name(const struct spot *s, struct spot_text *buf)
{
	struct text t;

	text_init(&t, buf->buf, sizeof(buf->buf));
	spot_write(s, &t);
	return buf->buf[0] == '\0' ? "the policy" : buf->buf;
}

/* "X takes …", with what was found instead. */
static void
refuse_value(const struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	struct spot_text name;

	if (n->kind == YAML_MAP || n->kind == YAML_LIST)
		diag_error(d, yaml_place(n), "%s takes %s, not %s",
		    spot_name(at, &name), t->wants, yaml_kind_name(n->kind));
	else if (n->kind == YAML_NULL)
		diag_error(d, yaml_place(n), "%s has no value; it takes %s",
		    spot_name(at, &name), t->wants);
	else
		diag_error(d, yaml_place(n), "%s takes %s, not %s\"%.100s\"",
		    spot_name(at, &name), t->wants,
		    n->quoted ? "the quoted " : "", n->text);
}

static void
validate_bool(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	if (n->kind == YAML_BOOL)
		n->number = n->text[0] == 't';
	else
		refuse_value(n, t, at, d);
}

static int
is_scalar(const struct yaml_node *n)
{
	return n->kind != YAML_MAP && n->kind != YAML_LIST &&
	       n->kind != YAML_NULL;
}

static void
validate_word(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	const struct schema_word *w;
	struct spot_text name;
	struct text_guess g;

	if (n->kind != YAML_STRING) {
		refuse_value(n, t, at, d);
		return;
	}
	text_guess_init(&g, n->text);
	for (w = t->words; w->word != NULL; w++) {
		if (strcmp(w->word, n->text) == 0)
			break;
		text_guess_offer(&g, w->word);
	}
	n->number = (uint64_t)(w - t->words);
	if (w->word != NULL && w->since > SCHEMA_BUILD)
		diag_error(d, yaml_place(n),
		    "%s: \"%s\" is not enforced by this build",
		    spot_name(at, &name), n->text);
	else if (w->word == NULL && g.best != NULL)
		diag_error(d, yaml_place(n),
		    "%s takes %s, not \"%.100s\"; did you mean \"%s\"?",
		    spot_name(at, &name), t->wants, n->text, g.best);
	else if (w->word == NULL)
		refuse_value(n, t, at, d);
}

/* A plain word that another reader of YAML takes for something else. */
static int
refuse_doubt(const struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	struct spot_text name;
	const char *doubt = n->doubt;

	if (n->kind == YAML_BOOL)
		doubt = "a boolean";
	else if (n->kind == YAML_FLOAT || (n->kind == YAML_INT && !t->numbers))
		doubt = "a number";
	if (doubt == NULL || n->quoted)
		return 0;
	diag_error(d, yaml_place(n),
	    "%s takes %s, and %.100s is %s to some readers of YAML; write "
	    "\"%.100s\" in quotes",
	    spot_name(at, &name), t->wants, n->text, doubt, n->text);
	return -1;
}

static void
validate_string(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	const char *why;

	if (!is_scalar(n)) {
		refuse_value(n, t, at, d);
		return;
	}
	if (refuse_doubt(n, t, at, d) == -1)
		return;
	if (t->shape != SCHEMA_TEXT && strpbrk(n->text, "\n\t") != NULL) {
		diag_error(d, yaml_place(n),
		    "a tab or a line break is not accepted here");
		return;
	}
	if ((why = t->form(n)) != NULL)
		diag_error(d, yaml_place(n), "\"%.200s\" %s", n->text, why);
}

/* A size, or plain bytes. */
static int
parse_size(const char *s, uint64_t max, uint64_t *ret, struct err *e)
{
	if (*s != '\0' && s[strspn(s, "0123456789")] == '\0')
		return text_parse_u64(s, max, ret, e);
	return text_parse_size(s, max, ret, e);
}

/* Numbers: what kinds of scalar they are written as, and how they parse. */
static const struct {
	int ints, floats, strings;
	int (*parse)(const char *, uint64_t, uint64_t *, struct err *);
} numbers[] = {
	[SCHEMA_INT] = { 1, 0, 0, text_parse_u64 },
	[SCHEMA_CPU] = { 1, 1, 0, text_parse_milli },
	[SCHEMA_SIZE] = { 1, 0, 1, parse_size },
	[SCHEMA_TIME] = { 0, 0, 1, text_parse_duration },
};

static void
validate_number(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	int kind_fits =
	    (n->kind == YAML_INT && !n->quoted && numbers[t->shape].ints) ||
	    (n->kind == YAML_FLOAT && numbers[t->shape].floats) ||
	    (n->kind == YAML_STRING && numbers[t->shape].strings);

	if (t->none && n->kind == YAML_STRING && strcmp(n->text, "none") == 0)
		return;
	if (!kind_fits ||
	    numbers[t->shape].parse(n->text, t->max, &n->number, NULL) == -1 ||
	    n->number < t->min)
		refuse_value(n, t, at, d);
}

/* ---- mappings --------------------------------------------------------- */

static void
refuse_unknown(const struct yaml_node *key, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	const struct schema_key *k;
	struct spot_text name;
	struct text_guess g;

	text_guess_init(&g, key->text);
	for (k = t->keys; k->name != NULL; k++)
		text_guess_offer(&g, k->name);
	if (g.best != NULL)
		diag_error(d, yaml_place(key),
		    "unknown key \"%.100s\" in %s; did you mean \"%s\"?",
		    key->text, spot_name(at, &name), g.best);
	else
		diag_error(d, yaml_place(key), "unknown key \"%.100s\" in %s",
		    key->text, spot_name(at, &name));
}

static void
validate_value(struct yaml_node *v, const struct schema_key *k,
    const struct spot *at, struct diag *d)
{
	struct spot here = { at, k->name };
	struct spot_text name;

	if (k->since > SCHEMA_BUILD)
		diag_error(d, yaml_place(v->key),
		    "\"%s\" is not enforced by this build",
		    spot_name(&here, &name));
	else if ((k->flags & SCHEMA_GRANT_ONLY) != 0 && v->source->ceiling)
		diag_error(d, yaml_place(v->key),
		    "a ceiling cannot say \"%s\": it only narrows what grants "
		    "give",
		    spot_name(&here, &name));
	else
		validate_node(v, k->type, &here, d);
}

static unsigned
count_present(const struct yaml_node *map, const char *const *names)
{
	unsigned n = 0;

	for (; *names != NULL; names++)
		n += yaml_get(map, *names) != NULL;
	return n;
}

static void
refuse_choice(const struct yaml_node *n, const char *const *names,
    const struct spot *at, struct diag *d)
{
	struct spot_text name;
	char buf[160];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	for (; *names != NULL; names++)
		text_addf(&t, "%s\"%s\"", t.len == 0 ? "" : ", ", *names);
	diag_error(d, yaml_place(n), "%s takes exactly one of %s",
	    spot_name(at, &name), buf);
}

static void
check_required(const struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	const struct schema_key *k;
	struct spot_text name;

	for (k = t->keys; k->name != NULL; k++)
		if ((k->flags & SCHEMA_REQUIRED) != 0 &&
		    yaml_get(n, k->name) == NULL)
			diag_error(d, yaml_place(n), "\"%s\" is missing in %s",
			    k->name, spot_name(at, &name));
	if (t->exactly_one != NULL && count_present(n, t->exactly_one) != 1)
		refuse_choice(n, t->exactly_one, at, d);
	if (t->at_least_one != NULL && count_present(n, t->at_least_one) == 0)
		diag_error(d, yaml_place(n), "%s says nothing; it takes %s",
		    spot_name(at, &name), t->wants);
}

static void
check_pairs(const struct yaml_node *n, const struct schema_type *t,
    struct diag *d)
{
	const char *const *p;

	for (p = t->apart; p != NULL && *p != NULL; p += 2)
		if (yaml_get(n, p[0]) != NULL && yaml_get(n, p[1]) != NULL)
			diag_error(d, yaml_place(yaml_get(n, p[1])->key),
			    "\"%s\" does not go together with \"%s\"", p[1],
			    p[0]);
	for (p = t->together; p != NULL && *p != NULL; p += 2)
		if (yaml_get(n, p[0]) != NULL && yaml_get(n, p[1]) == NULL)
			diag_error(d, yaml_place(yaml_get(n, p[0])->key),
			    "\"%s\" makes sense only with \"%s\"", p[0], p[1]);
}

static void
validate_map(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	const struct schema_key *k;
	struct yaml_node *v;

	if (n->kind != YAML_MAP) {
		refuse_value(n, t, at, d);
		return;
	}
	for (v = n->first; v != NULL; v = v->next)
		if ((k = schema_find(t, v->key->text)) == NULL)
			refuse_unknown(v->key, t, at, d);
		else
			validate_value(v, k, at, d);
	check_required(n, t, at, d);
	check_pairs(n, t, d);
}

/* A key of a DICT has the form of a string. */
static void
validate_dict_key(struct yaml_node *key, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	struct schema_type as_string = *t;

	as_string.shape = SCHEMA_STRING;
	as_string.wants = "a name";
	validate_string(key, &as_string, at, d);
}

static void
validate_dict(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	struct yaml_node *v;

	if (n->kind != YAML_MAP) {
		refuse_value(n, t, at, d);
		return;
	}
	for (v = n->first; v != NULL; v = v->next) {
		struct spot here = { at, v->key->text };

		validate_dict_key(v->key, t, &here, d);
		validate_node(v, t->item, &here, d);
	}
}

static void
validate_list(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	struct spot here = { at, NULL };
	struct spot_text name;
	struct yaml_node *v;

	if (n->kind != YAML_LIST) {
		refuse_value(n, t, at, d);
		return;
	}
	if (n->count < t->min)
		diag_error(d, yaml_place(n),
		    "%s is empty; it takes at least one item",
		    spot_name(at, &name));
	for (v = n->first; v != NULL; v = v->next)
		validate_node(v, t->item, &here, d);
}

static void
validate_union(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	const struct schema_type *alt = n->kind == YAML_MAP    ? t->map
					: n->kind == YAML_LIST ? t->list
							       : t->scalar;

	if (alt == NULL)
		refuse_value(n, t, at, d);
	else
		validate_node(n, alt, at, d);
}

static void
validate_any(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	(void)n;
	(void)t;
	(void)at;
	(void)d;
}

static void (*const by_shape[])(struct yaml_node *, const struct schema_type *,
    const struct spot *, struct diag *) = {
	[SCHEMA_BOOL] = validate_bool,
	[SCHEMA_WORD] = validate_word,
	[SCHEMA_STRING] = validate_string,
	[SCHEMA_TEXT] = validate_string,
	[SCHEMA_INT] = validate_number,
	[SCHEMA_CPU] = validate_number,
	[SCHEMA_SIZE] = validate_number,
	[SCHEMA_TIME] = validate_number,
	[SCHEMA_MAP] = validate_map,
	[SCHEMA_DICT] = validate_dict,
	[SCHEMA_LIST] = validate_list,
	[SCHEMA_UNION] = validate_union,
	[SCHEMA_ANY] = validate_any,
};

static void
validate_node(struct yaml_node *n, const struct schema_type *t,
    const struct spot *at, struct diag *d)
{
	unsigned before = d->errors.count;

	n->type = t;
	by_shape[t->shape](n, t, at, d);
	if (t->check != NULL && d->errors.count == before)
		t->check(n, d);
}

int
validate_policy(struct yaml_node *root, struct diag *d)
{
	unsigned before = d->errors.count;

	validate_node(root, &schema_policy, NULL, d);
	return d->errors.count == before ? 0 : -1;
}

int
validate_as(struct yaml_node *root, const struct schema_type *t,
    const char *name, struct diag *d)
{
	struct spot at = { NULL, name };
	unsigned before = d->errors.count;

	validate_node(root, t, &at, d);
	return d->errors.count == before ? 0 : -1;
}

int
validate_is_ceiling(const struct yaml_node *root)
{
	const struct yaml_node *kind = yaml_get(root, "kind");

	return kind != NULL && strcmp(kind->text, "ceiling") == 0;
}
