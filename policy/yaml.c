#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "yaml.h"

/* The parser and the path of open containers. */
struct loader {
	yaml_parser_t parser;
	const struct yaml_source *source;
	struct diag *diag;
	struct yaml_node *root;
	struct yaml_node *open[YAML_DEPTH_MAX];
	struct yaml_node *key[YAML_DEPTH_MAX]; /* waiting for its value */
	int depth;
	int documents;
	unsigned nodes;
};

static const char *const kind_names[] = {
	[YAML_NULL] = "null",
	[YAML_BOOL] = "a boolean",
	[YAML_INT] = "a number",
	[YAML_FLOAT] = "a number",
	[YAML_STRING] = "a string",
	[YAML_MAP] = "a mapping",
	[YAML_LIST] = "a list",
};

/* What YAML 1.1 readers take for booleans, and what everybody does not. */
static const char *const boolish[] = { "y", "n", "yes", "no", "on", "off",
	"true", "false" };

const char *
yaml_kind_name(enum yaml_kind kind)
{
	return kind_names[kind];
}

struct diag_place
yaml_place(const struct yaml_node *n)
{
	return (struct diag_place){ n->source->name, n->line, n->column };
}

struct yaml_node *
yaml_get(const struct yaml_node *map, const char *key)
{
	struct yaml_node *n;

	if (map == NULL || map->kind != YAML_MAP)
		return NULL;
	for (n = map->first; n != NULL; n = n->next)
		if (strcmp(n->key->text, key) == 0)
			return n;
	return NULL;
}

struct yaml_node *
yaml_new(const struct yaml_node *like, enum yaml_kind kind)
{
	struct yaml_node *n = arena_alloc(like->source->arena, sizeof(*n));

	n->kind = kind;
	n->text = "";
	n->source = like->source;
	n->line = like->line;
	n->column = like->column;
	n->type = like->type;
	return n;
}

void
yaml_append(struct yaml_node *parent, struct yaml_node *key,
    struct yaml_node *child)
{
	child->key = key;
	child->next = NULL;
	if (parent->last == NULL)
		parent->first = child;
	else
		parent->last->next = child;
	parent->last = child;
	parent->count++;
}

static struct diag_place
mark_place(const struct loader *l, yaml_mark_t mark)
{
	return (struct diag_place){ l->source->name, (unsigned)mark.line + 1,
		(unsigned)mark.column + 1 };
}

/* Line and column of a byte, counted in characters. */
static struct diag_place
byte_place(const struct loader *l, const char *text, size_t at)
{
	struct diag_place p = { l->source->name, 1, 1 };
	size_t i, n;

	for (i = 0; i < at; i += n) {
		n = text_utf8_length(text + i, at - i, NULL);
		n = n == 0 ? 1 : n;
		p.column++;
		if (text[i] == '\n') {
			p.line++;
			p.column = 1;
		}
	}
	return p;
}

/* Characters that would end a line for one reader and not for another. */
static int
is_odd_break(uint32_t c)
{
	return c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* The bytes themselves, before libyaml sees them. */
static int
check_bytes(const struct loader *l, const char *text, size_t size)
{
	uint32_t c;
	size_t i, n;

	if (size > YAML_SIZE_MAX) {
		diag_error(l->diag,
		    (struct diag_place){ l->source->name, 0, 0 },
		    "the file is larger than 1 MiB");
		return -1;
	}
	for (i = 0; i < size; i += n) {
		n = text_utf8_length(text + i, size - i, &c);
		if (n != 0 && (c == '\n' || c == '\t'))
			continue;
		if (c == '\r' && i + 1 < size && text[i + 1] == '\n')
			continue;
		if (n == 0)
			diag_error(l->diag, byte_place(l, text, i),
			    "this byte (0x%02x) is not UTF-8",
			    (unsigned char)text[i]);
		else if (c == 0xfeff)
			diag_error(l->diag, byte_place(l, text, i),
			    "a byte order mark is not accepted");
		else if (text_is_unsafe(c) || is_odd_break(c))
			diag_error(l->diag, byte_place(l, text, i),
			    "the character U+%04X is not accepted: it is "
			    "invisible or moves others",
			    c);
		else
			continue;
		return -1;
	}
	return 0;
}

static int
is_number(const char *s, enum yaml_kind *ret)
{
	size_t n;

	s += *s == '-';
	n = strspn(s, "0123456789");
	if (n == 0 || (n > 1 && *s == '0'))
		return 0;
	*ret = YAML_INT;
	if (s[n] == '.') {
		s += n + 1;
		n = strspn(s, "0123456789");
		*ret = YAML_FLOAT;
	}
	return n > 0 && s[n] == '\0';
}

/* 017, 0x1f, 1_000, +1, .5, 1e3, 1:30, .inf: numbers to some readers. */
static int
is_numberish(const char *s)
{
	s += *s == '-' || *s == '+';
	if (strcasecmp(s, ".inf") == 0 || strcasecmp(s, ".nan") == 0)
		return 1;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o' || s[1] == 'b'))
		return s[2] != '\0' &&
		       s[2 + strspn(s + 2, "0123456789abcdefABCDEF_")] == '\0';
	if (strpbrk(s, "0123456789") == NULL)
		return 0;
	s += strspn(s, "0123456789_:");
	s += *s == '.';
	s += strspn(s, "0123456789_");
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		s += strspn(s, "0123456789");
	}
	return *s == '\0';
}

static int
is_boolish(const char *s)
{
	size_t i;

	for (i = 0; i < countof(boolish); i++)
		if (strcasecmp(s, boolish[i]) == 0)
			return 1;
	return 0;
}

/* What a plain scalar is, and what else somebody might think it is. */
static void
classify(struct yaml_node *n)
{
	const char *s = n->text;

	n->kind = YAML_STRING;
	if (n->quoted)
		return;
	if (*s == '\0' || strcmp(s, "~") == 0 || strcasecmp(s, "null") == 0)
		n->kind = YAML_NULL;
	else if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0)
		n->kind = YAML_BOOL;
	else if (is_boolish(s))
		n->doubt = "a boolean";
	else if (!is_number(s, &n->kind)) {
		n->kind = YAML_STRING;
		if (is_numberish(s))
			n->doubt = "a number";
	}
}

static struct yaml_node *
node_at(struct loader *l, yaml_mark_t mark, enum yaml_kind kind)
{
	struct yaml_node *n;

	if (++l->nodes > YAML_NODES_MAX) {
		diag_error(l->diag, mark_place(l, mark),
		    "more than %d values in one file", YAML_NODES_MAX);
		return NULL;
	}
	n = arena_alloc(l->source->arena, sizeof(*n));
	n->kind = kind;
	n->text = "";
	n->source = l->source;
	n->line = (unsigned)mark.line + 1;
	n->column = (unsigned)mark.column + 1;
	return n;
}

/* Anchors and tags, on whatever they stand. */
static int
refuse_decoration(struct loader *l, yaml_mark_t mark, const void *anchor,
    const void *tag)
{
	if (anchor == NULL && tag == NULL)
		return 0;
	diag_error(l->diag, mark_place(l, mark), "%s are not accepted",
	    anchor != NULL ? "anchors" : "tags");
	return -1;
}

static int
check_room(struct loader *l, const struct yaml_node *parent, yaml_mark_t mark)
{
	unsigned max =
	    parent->kind == YAML_MAP ? YAML_KEYS_MAX : YAML_ITEMS_MAX;

	if (parent->count < max)
		return 0;
	diag_error(l->diag, mark_place(l, mark), "more than %u %s", max,
	    parent->kind == YAML_MAP ? "keys in one mapping"
				     : "items in one list");
	return -1;
}

/* A scalar in the place of a key. */
static int
take_key(struct loader *l, struct yaml_node *n)
{
	struct yaml_node *map = l->open[l->depth - 1], *other;

	if (!n->quoted && strcmp(n->text, "<<") == 0) {
		diag_error(l->diag, yaml_place(n),
		    "merge keys (<<) are not accepted");
		return -1;
	}
	if ((other = yaml_get(map, n->text)) != NULL)
		diag_error(l->diag, yaml_place(n),
		    "key \"%.100s\" is here twice, first in line %u", n->text,
		    other->key->line);
	l->key[l->depth - 1] = n;
	return 0;
}

/* Put a node where the parser stands. */
static int
place_node(struct loader *l, struct yaml_node *n, yaml_mark_t mark)
{
	struct yaml_node *parent, **key;

	if (l->depth == 0) {
		l->root = n;
		return 0;
	}
	parent = l->open[l->depth - 1];
	key = &l->key[l->depth - 1];
	if (parent->kind == YAML_MAP && *key == NULL) {
		if (n->kind == YAML_MAP || n->kind == YAML_LIST) {
			diag_error(l->diag, yaml_place(n),
			    "a key must be a word, not %s",
			    yaml_kind_name(n->kind));
			return -1;
		}
		return take_key(l, n);
	}
	if (check_room(l, parent, mark) == -1)
		return -1;
	yaml_append(parent, *key, n);
	*key = NULL;
	return 0;
}

/* Escapes in a quoted scalar can bring in what check_bytes refused. */
static int
check_scalar(struct loader *l, const yaml_event_t *ev)
{
	const char *s = (const char *)ev->data.scalar.value;
	size_t size = ev->data.scalar.length, i, n;
	uint32_t c;

	if (size > YAML_SCALAR_MAX) {
		diag_error(l->diag, mark_place(l, ev->start_mark),
		    "a value of more than %d bytes", YAML_SCALAR_MAX);
		return -1;
	}
	for (i = 0; i < size; i += n) {
		n = text_utf8_length(s + i, size - i, &c);
		if (n != 0 && (c == '\n' || c == '\t'))
			continue;
		if (n == 0 || text_is_unsafe(c) || is_odd_break(c)) {
			diag_error(l->diag, mark_place(l, ev->start_mark),
			    "the value holds a control character or another "
			    "that is invisible");
			return -1;
		}
	}
	return 0;
}

static int
on_scalar(struct loader *l, const yaml_event_t *ev)
{
	struct yaml_node *n;

	if (refuse_decoration(l, ev->start_mark, ev->data.scalar.anchor,
		ev->data.scalar.tag) == -1 ||
	    check_scalar(l, ev) == -1)
		return -1;
	if ((n = node_at(l, ev->start_mark, YAML_STRING)) == NULL)
		return -1;
	n->text = arena_copy(l->source->arena,
	    (const char *)ev->data.scalar.value, ev->data.scalar.length);
	n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	classify(n);
	return place_node(l, n, ev->start_mark);
}

static int
open_container(struct loader *l, const yaml_event_t *ev, enum yaml_kind kind)
{
	struct yaml_node *n;

	if (l->depth == YAML_DEPTH_MAX) {
		diag_error(l->diag, mark_place(l, ev->start_mark),
		    "nested deeper than %d levels", YAML_DEPTH_MAX);
		return -1;
	}
	if ((n = node_at(l, ev->start_mark, kind)) == NULL ||
	    place_node(l, n, ev->start_mark) == -1)
		return -1;
	l->key[l->depth] = NULL;
	l->open[l->depth++] = n;
	return 0;
}

static int
on_mapping(struct loader *l, const yaml_event_t *ev)
{
	if (refuse_decoration(l, ev->start_mark, ev->data.mapping_start.anchor,
		ev->data.mapping_start.tag) == -1)
		return -1;
	return open_container(l, ev, YAML_MAP);
}

static int
on_sequence(struct loader *l, const yaml_event_t *ev)
{
	if (refuse_decoration(l, ev->start_mark, ev->data.sequence_start.anchor,
		ev->data.sequence_start.tag) == -1)
		return -1;
	return open_container(l, ev, YAML_LIST);
}

static int
on_container_end(struct loader *l, const yaml_event_t *ev)
{
	(void)ev;
	l->depth--;
	return 0;
}

static int
on_alias(struct loader *l, const yaml_event_t *ev)
{
	diag_error(l->diag, mark_place(l, ev->start_mark),
	    "aliases are not accepted");
	return -1;
}

static int
on_document(struct loader *l, const yaml_event_t *ev)
{
	if (ev->data.document_start.version_directive != NULL ||
	    ev->data.document_start.tag_directives.start !=
		ev->data.document_start.tag_directives.end) {
		diag_error(l->diag, mark_place(l, ev->start_mark),
		    "directives are not accepted");
		return -1;
	}
	if (l->documents++ > 0) {
		diag_error(l->diag, mark_place(l, ev->start_mark),
		    "a second document is not accepted");
		return -1;
	}
	return 0;
}

static int
on_nothing(struct loader *l, const yaml_event_t *ev)
{
	(void)l;
	(void)ev;
	return 0;
}

static int (*const on_event[])(struct loader *, const yaml_event_t *) = {
	[YAML_NO_EVENT] = on_nothing,
	[YAML_STREAM_START_EVENT] = on_nothing,
	[YAML_STREAM_END_EVENT] = on_nothing,
	[YAML_DOCUMENT_START_EVENT] = on_document,
	[YAML_DOCUMENT_END_EVENT] = on_nothing,
	[YAML_ALIAS_EVENT] = on_alias,
	[YAML_SCALAR_EVENT] = on_scalar,
	[YAML_SEQUENCE_START_EVENT] = on_sequence,
	[YAML_SEQUENCE_END_EVENT] = on_container_end,
	[YAML_MAPPING_START_EVENT] = on_mapping,
	[YAML_MAPPING_END_EVENT] = on_container_end,
};

static void
report_problem(struct loader *l)
{
	const yaml_parser_t *p = &l->parser;

	if (p->error == YAML_MEMORY_ERROR)
		abort();
	diag_error(l->diag, mark_place(l, p->problem_mark),
	    "this is not YAML: %s%s%s",
	    p->problem != NULL ? p->problem : "unreadable",
	    p->context != NULL ? " " : "",
	    p->context != NULL ? p->context : "");
}

/* One event; 1 to go on, 0 at the end, -1 on an error that stops. */
static int
step(struct loader *l)
{
	yaml_event_t ev;
	int rc;

	if (!yaml_parser_parse(&l->parser, &ev)) {
		report_problem(l);
		return -1;
	}
	rc = on_event[ev.type](l, &ev);
	if (rc == 0)
		rc = ev.type != YAML_STREAM_END_EVENT;
	yaml_event_delete(&ev);
	return rc;
}

struct yaml_node *
yaml_parse(const struct yaml_source *source, const char *text, size_t size,
    struct diag *d)
{
	struct loader l = { .source = source, .diag = d };
	int rc;

	if (check_bytes(&l, text, size) == -1)
		return NULL;
	if (!yaml_parser_initialize(&l.parser))
		abort();
	yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)text,
	    size);
	while ((rc = step(&l)) == 1)
		;
	yaml_parser_delete(&l.parser);
	if (rc == 0 && l.root == NULL)
		diag_error(d, (struct diag_place){ source->name, 0, 0 },
		    "the file is empty; the shortest policy is \"policy: 1\"");
	return rc == 0 ? l.root : NULL;
}
