#include "card.h"

#include <inttypes.h>

static void card_value(struct card *c, const struct yaml_node *n);

static void
card_member(struct card *c, const char *name)
{
	text_add(&c->text, c->first ? "" : ",");
	text_add_json(&c->text, name);
	text_add(&c->text, ":");
	c->first = 0;
}

void
card_begin(struct card *c, struct diag *d, char *buf, size_t size)
{
	text_init(&c->text, buf, size);
	text_add(&c->text, "{");
	c->diag = d;
	c->first = 1;
}

void
card_string(struct card *c, const char *name, const char *value)
{
	card_member(c, name);
	text_add_json(&c->text, value);
}

void
card_number(struct card *c, const char *name, uint64_t value)
{
	card_member(c, name);
	text_addf(&c->text, "%" PRIu64, value);
}

void
card_open(struct card *c, const char *name)
{
	card_member(c, name);
	text_add(&c->text, "{");
	c->first = 1;
}

void
card_close(struct card *c)
{
	text_add(&c->text, "}");
	c->first = 0;
}

/* ---- parsed YAML ---- */

static void
card_map(struct card *c, const struct yaml_node *n)
{
	const struct yaml_node *v;

	text_add(&c->text, "{");
	for (v = n->first; v != NULL; v = v->next) {
		text_add(&c->text, v == n->first ? "" : ",");
		text_add_json(&c->text, v->key->text);
		text_add(&c->text, ":");
		card_value(c, v);
	}
	text_add(&c->text, "}");
}

static void
card_list(struct card *c, const struct yaml_node *n)
{
	const struct yaml_node *v;

	text_add(&c->text, "[");
	for (v = n->first; v != NULL; v = v->next) {
		text_add(&c->text, v == n->first ? "" : ",");
		card_value(c, v);
	}
	text_add(&c->text, "]");
}

static void
card_word(struct card *c, const struct yaml_node *n)
{
	if (n->doubt != NULL && !n->quoted)
		diag_error(c->diag, yaml_place(n),
		    "other readers take %s for %s: write it in quotes", n->text,
		    n->doubt);
	text_add_json(&c->text, n->text);
}

/* The strict subset's numbers are JSON's. */
static void
card_value(struct card *c, const struct yaml_node *n)
{
	switch (n->kind) {
	case YAML_NULL:
		text_add(&c->text, "null");
		break;
	case YAML_BOOL:
		text_add(&c->text, n->text[0] == 't' ? "true" : "false");
		break;
	case YAML_INT:
	case YAML_FLOAT:
		text_add(&c->text, n->text);
		break;
	case YAML_STRING:
		card_word(c, n);
		break;
	case YAML_MAP:
		card_map(c, n);
		break;
	case YAML_LIST:
		card_list(c, n);
		break;
	}
}

void
card_tree(struct card *c, const char *name, const struct yaml_node *n)
{
	card_member(c, name);
	card_value(c, n);
}

size_t
card_end(struct card *c, struct diag_place at)
{
	text_add(&c->text, "}");
	if (c->text.truncated)
		diag_error(c->diag, at, "its description is larger than 1 MiB");
	return c->text.len;
}
