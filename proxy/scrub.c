/*
 * scrub.c: all forms in one trie with failure links (Aho and Corasick,
 * "Efficient string matching", CACM 18(6), 1975), and in front of it a table
 * of shifts (Wu and Manber, "A fast algorithm for multi-pattern searching",
 * TR-94-17), which passes over most of a body without looking at each byte.
 *
 * A stream's whole state is a node: the bytes that wait are the path to it,
 * and that is the start of a form, which we have.
 */
#include "scrub.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "scrub_form.h"

enum {
	SCRUB_SHIFT_BITS = 12,
	SCRUB_SHIFTS = 1 << SCRUB_SHIFT_BITS,
	SCRUB_ROOT = 0,
};

struct scrub_node {
	uint32_t child; /* the first; 0: none, the root is nobody's child */
	uint32_t next; /* sibling; 0: none */
	uint32_t fail; /* the longest end of this path that is a path too */
	uint32_t form; /* where a form begins that begins with this path */
	uint32_t depth;
	uint32_t match; /* length of the longest form this path ends in */
	uint16_t entry; /* whose form that is */
	unsigned char byte;
};

struct scrub_form {
	uint32_t at, n; /* among the bytes of all */
	unsigned entry;
};

struct scrub_replacement {
	const char *p;
	size_t n;
};

struct scrub {
	unsigned holders;
	struct secret *text; /* the forms, one after the other */
	const unsigned char *forms;
	size_t forms_size;
	struct scrub_form *form;
	size_t nforms;
	size_t window; /* of the shortest form, at most 255 */
	struct scrub_replacement *replacement; /* of an entry */

	struct secret *room; /* NULL: no stream has begun; holds the rest: */
	struct scrub_node *nodes;
	unsigned char *shifts;
	uint32_t *first; /* the root's children */
	uint32_t nnodes;
};

/* ---- making ---- */

static uint32_t
scrub_child(const struct scrub *s, uint32_t node, unsigned char c)
{
	uint32_t i;

	if (node == SCRUB_ROOT)
		return s->first[c];
	for (i = s->nodes[node].child; i != 0; i = s->nodes[i].next)
		if (s->nodes[i].byte == c)
			return i;
	return 0;
}

static uint32_t
scrub_add_child(struct scrub *s, uint32_t parent, unsigned char c,
    uint32_t form)
{
	uint32_t i = s->nnodes++;
	struct scrub_node *n = &s->nodes[i];

	n->byte = c;
	n->form = form;
	n->depth = s->nodes[parent].depth + 1;
	n->next = s->nodes[parent].child;
	s->nodes[parent].child = i;
	if (parent == SCRUB_ROOT)
		s->first[c] = i;
	return i;
}

/* The form that begins at "form"; the first entry that has it keeps it. */
static void
scrub_add(struct scrub *s, size_t form, size_t n, unsigned entry)
{
	uint32_t node = SCRUB_ROOT, child;
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned char c = s->forms[form + i];

		child = scrub_child(s, node, c);
		node = child != 0 ? child
				  : scrub_add_child(s, node, c, (uint32_t)form);
	}
	if (s->nodes[node].match == 0) {
		s->nodes[node].match = (uint32_t)n;
		s->nodes[node].entry = (uint16_t)entry;
	}
}

static unsigned
scrub_hash(const unsigned char *p)
{
	return (unsigned)(p[0] | p[1] << 8) * 40503U >> 4 & (SCRUB_SHIFTS - 1);
}

/* How far the window may go when it ends in these two bytes. */
static void
scrub_add_shifts(struct scrub *s, const unsigned char *form)
{
	size_t i;

	for (i = 0; i + 2 <= s->window; i++) {
		unsigned char *at = &s->shifts[scrub_hash(form + i)];
		size_t shift = s->window - 2 - i;

		if (shift < *at)
			*at = (unsigned char)shift;
	}
}

/* The children's failure links, when those of all shorter paths are there. */
static void
scrub_link_node(struct scrub *s, uint32_t node)
{
	uint32_t i, f;

	for (i = s->nodes[node].child; i != 0; i = s->nodes[i].next) {
		struct scrub_node *n = &s->nodes[i];

		f = node;
		do
			f = f == SCRUB_ROOT ? UINT32_MAX : s->nodes[f].fail;
		while (f != UINT32_MAX && scrub_child(s, f, n->byte) == 0);
		n->fail =
		    f == UINT32_MAX ? SCRUB_ROOT : scrub_child(s, f, n->byte);
		if (n->match == 0) {
			n->match = s->nodes[n->fail].match;
			n->entry = s->nodes[n->fail].entry;
		}
	}
}

/* Breadth first; "order" has room for each node. */
static void
scrub_link(struct scrub *s, uint32_t *order)
{
	uint32_t head = 0, tail = 0, i;

	order[tail++] = SCRUB_ROOT;
	while (head < tail) {
		uint32_t node = order[head++];

		scrub_link_node(s, node);
		for (i = s->nodes[node].child; i != 0; i = s->nodes[i].next)
			order[tail++] = i;
	}
}

/* An upper bound of the bytes of all forms, and of the room to write one. */
static int
scrub_bound(const struct scrub_entry *entries, size_t n, size_t *ret_bytes,
    struct err *e)
{
	size_t i, bytes = 0;

	for (i = 0; i < n; i++) {
		size_t size = secret_size(entries[i].secret);
		size_t user =
		    entries[i].user != NULL ? strlen(entries[i].user) : 0;

		if (size < SCRUB_SECRET_MIN)
			return err_set(e, ERR_INVALID,
			    "a secret of fewer than %d bytes cannot be told "
			    "from ordinary text",
			    SCRUB_SECRET_MIN);
		if (user > SECRET_MAX)
			return err_set(e, ERR_LIMIT, "user name too long");
		bytes += 64 * size + 10 * user;
	}
	*ret_bytes = bytes;
	return 0;
}

static size_t
scrub_align(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

/*
 * The forms are written first, into room that is destroyed again, so that
 * what stays is as large as it must be.
 */
struct scrub_draft {
	struct secret *room;
	unsigned char *bytes;
	size_t used, size;
	size_t shortest;
	size_t n;

	struct scrub_form *forms; /* SCRUB_FORM_KINDS of each entry at most */
};

static void
scrub_draft_destroyp(struct scrub_draft **d)
{
	if (*d == NULL)
		return;
	secret_destroy((*d)->room);
	free((*d)->forms);
	free(*d);
}

static int
scrub_draft_has(const struct scrub_draft *d, const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		if (d->forms[i].n == n &&
		    memcmp(d->bytes + d->forms[i].at, p, n) == 0)
			return 1;
	return 0;
}

static int
scrub_draft_entry(struct scrub_draft *d, const struct scrub_entry *entry,
    unsigned index, struct err *e)
{
	size_t user = entry->user != NULL ? strlen(entry->user) : 0;
	size_t size = secret_size(entry->secret), n;
	unsigned kind;

	for (kind = 0; kind < SCRUB_FORM_KINDS; kind++) {
		unsigned char *to = d->bytes + d->used;

		if (d->used + SCRUB_FORM_GROWTH * (size + user + 1) > d->size)
			return err_set(e, ERR_LIMIT,
			    "the forms of the secrets to scrub take more than "
			    "%d bytes",
			    SCRUB_FORMS_MAX);
		n = scrub_form_write(kind, secret_bytes(entry->secret), size,
		    entry->user, to);
		if (n == 0 || scrub_draft_has(d, to, n))
			continue;
		d->forms[d->n++] = (struct scrub_form){ (uint32_t)d->used,
			(uint32_t)n, index };
		d->used += n;
		if (n < d->shortest)
			d->shortest = n;
	}
	return 0;
}

static int
scrub_draft(const struct scrub_entry *entries, size_t n,
    struct scrub_draft **ret, struct err *e)
{
	cleanup(scrub_draft_destroyp) struct scrub_draft *d = NULL;
	size_t i, bound;

	if (scrub_bound(entries, n, &bound, e) == -1)
		return -1;
	d = calloc(1, sizeof(*d));
	if (d != NULL)
		d->forms = calloc(n * SCRUB_FORM_KINDS, sizeof(*d->forms));
	if (d == NULL || d->forms == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	d->shortest = 255;
	d->size = bound < SCRUB_FORMS_MAX ? bound : SCRUB_FORMS_MAX;
	if (secret_create_room(d->size, &d->room, e) == -1)
		return -1;
	d->bytes = secret_room(d->room);
	for (i = 0; i < n; i++)
		if (scrub_draft_entry(d, &entries[i], (unsigned)i, e) == -1)
			return -1;
	*ret = take_ptr(&d);
	return 0;
}

/* What stays of a draft: its forms, in as much room as they take. */
static int
scrub_keep(struct scrub *s, struct scrub_draft *d, struct err *e)
{
	void *p = reallocarray(d->forms, d->n, sizeof(*d->forms));

	s->form = p != NULL ? p : d->forms;
	d->forms = NULL;
	s->nforms = d->n;
	s->window = d->shortest;
	s->forms_size = d->used;
	if (secret_create_room(d->used, &s->text, e) == -1)
		return -1;
	memcpy(secret_room(s->text), d->bytes, d->used);
	s->forms = secret_bytes(s->text);
	return 0;
}

/* A replacement that is a secret's form would put it back. */
static int
scrub_check_replacement(const struct scrub *s,
    const struct scrub_replacement *r, struct err *e)
{
	size_t i;

	if (r->n == 0)
		return err_set(e, ERR_INVALID, "an empty placeholder");
	for (i = 0; i < s->nforms; i++)
		if (memmem(r->p, r->n, s->forms + s->form[i].at,
			s->form[i].n) != NULL)
			return err_set(e, ERR_INVALID,
			    "a placeholder holds a secret");
	return 0;
}

static int
scrub_replacements(struct scrub *s, const struct scrub_entry *entries, size_t n,
    struct err *e)
{
	size_t i;

	s->replacement = calloc(n, sizeof(*s->replacement));
	if (s->replacement == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	for (i = 0; i < n; i++) {
		struct scrub_replacement *r = &s->replacement[i];

		r->p = entries[i].replacement;
		r->n = strlen(r->p);
		if (scrub_check_replacement(s, r, e) == -1)
			return -1;
	}
	return 0;
}

static void
scrub_destroyp(struct scrub **s)
{
	scrub_destroy(*s);
}

int
scrub_create(const struct scrub_entry *entries, size_t n, struct scrub **ret,
    struct err *e)
{
	cleanup(scrub_draft_destroyp) struct scrub_draft *d = NULL;
	cleanup(scrub_destroyp) struct scrub *s = NULL;

	if (n == 0 || n > SCRUB_SECRETS_MAX)
		return err_set(e, ERR_LIMIT, "%zu secrets to scrub, at most %d",
		    n, SCRUB_SECRETS_MAX);
	if (scrub_draft(entries, n, &d, e) == -1)
		return -1;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	s->holders = 1;
	if (scrub_keep(s, d, e) == -1 ||
	    scrub_replacements(s, entries, n, e) == -1)
		return -1;
	*ret = take_ptr(&s);
	return 0;
}

struct scrub *
scrub_hold(struct scrub *s)
{
	s->holders++;
	return s;
}

void
scrub_destroy(struct scrub *s)
{
	if (s == NULL || --s->holders > 0)
		return;
	secret_destroy(s->room);
	secret_destroy(s->text);
	free(s->form);
	free(s->replacement);
	free(s);
}

/* ---- what finds them ---- */

/* One room for nodes, their order, the root's children and shifts. */
static int
scrub_room(struct scrub *s, uint32_t **ret_order, struct err *e)
{
	size_t all = s->forms_size + 1;
	size_t nodes = scrub_align(all * sizeof(struct scrub_node));
	size_t order = scrub_align(all * sizeof(uint32_t));
	size_t first = 256 * sizeof(uint32_t);
	unsigned char *p;

	if (secret_create_room(nodes + order + first + SCRUB_SHIFTS, &s->room,
		e) == -1)
		return -1;
	p = secret_room(s->room);
	s->nodes = (struct scrub_node *)(void *)p;
	*ret_order = (uint32_t *)(void *)(p + nodes);
	s->first = (uint32_t *)(void *)(p + nodes + order);
	s->shifts = p + nodes + order + first;
	return 0;
}

static int
scrub_build(struct scrub *s, struct err *e)
{
	uint32_t *order;
	size_t i;

	if (scrub_room(s, &order, e) == -1)
		return -1;
	s->nnodes = 1; /* the root */
	memset(s->shifts, (int)(s->window - 1), SCRUB_SHIFTS);
	for (i = 0; i < s->nforms; i++) {
		scrub_add(s, s->form[i].at, s->form[i].n, s->form[i].entry);
		scrub_add_shifts(s, s->forms + s->form[i].at);
	}
	scrub_link(s, order);
	return 0;
}

/* ---- streams ---- */

/*
 * Where a call is.  Of the bytes that wait, those of earlier pieces are in
 * the forms only; "at" minus the node's depth is where they begin, below zero
 * for such.
 */
struct scrub_walk {
	const struct scrub *s;
	struct scrub_stream *t;
	const unsigned char *p;
	size_t n;
	size_t at; /* bytes of the piece that the node has seen */
	size_t sent; /* bytes of the piece that are decided */
	size_t carried; /* bytes that wait from earlier pieces */
};

void
scrub_begin(struct scrub_stream *t, struct scrub *s,
    int (*emit)(void *ctx, const void *p, size_t n), void *ctx)
{
	struct err e = { 0 };
	int made = s->room != NULL || scrub_build(s, &e) == 0;

	if (!made)
		log_err(LOG_LEVEL_ERROR, "scrub", &e);
	*t = (struct scrub_stream){
		.scrub = made ? s : NULL,
		.emit = emit,
		.ctx = ctx,
	};
}

size_t
scrub_waiting(const struct scrub_stream *t)
{
	return t->scrub == NULL ? 0 : t->scrub->nodes[t->node].depth;
}

static int
scrub_emit(struct scrub_stream *t, const void *p, size_t n)
{
	return n > 0 ? t->emit(t->ctx, p, n) : 0;
}

/*
 * The first n bytes that wait are no part of a form.  Those of earlier
 * pieces go out now, those of this one with what follows them.
 */
static int
scrub_release(struct scrub_walk *w, size_t n)
{
	const struct scrub_node *node = &w->s->nodes[w->t->node];
	size_t old = n < w->carried ? n : w->carried;

	w->carried -= old;
	return scrub_emit(w->t, w->s->forms + node->form, old);
}

static int
scrub_flush(struct scrub_walk *w, size_t end)
{
	size_t from = w->sent;

	w->sent = end;
	return scrub_emit(w->t, w->p + from, end - from);
}

/* The form is the end of the path to n. */
static int
scrub_match(struct scrub_walk *w, const struct scrub_node *n)
{
	const unsigned char *path = w->s->forms + n->form;

	if (w->t->match != NULL)
		return w->t->match(w->t->ctx, n->entry,
		    path + n->depth - n->match, n->match);
	return scrub_emit(w->t, w->s->replacement[n->entry].p,
	    w->s->replacement[n->entry].n);
}

/* The path ends in a form: what stands before it goes out, then the other. */
static int
scrub_replace(struct scrub_walk *w)
{
	const struct scrub_node *n = &w->s->nodes[w->t->node];
	size_t before = n->depth - n->match, in_piece;
	int r = scrub_release(w, before);

	in_piece = n->match < w->at ? w->at - n->match : 0;
	if (r == 0 && in_piece > w->sent)
		r = scrub_flush(w, in_piece);
	if (r == 0)
		r = scrub_match(w, n);
	w->carried = 0;
	w->sent = w->at;
	w->t->node = SCRUB_ROOT;
	w->t->replaced++;
	return r;
}

static int
scrub_step(struct scrub_walk *w)
{
	const struct scrub_node *nodes = w->s->nodes;
	unsigned char c = w->p[w->at];
	uint32_t child, fail;
	int r = 0;

	while ((child = scrub_child(w->s, w->t->node, c)) == 0 &&
	       w->t->node != SCRUB_ROOT && r == 0) {
		fail = nodes[w->t->node].fail;
		r = scrub_release(w,
		    nodes[w->t->node].depth - nodes[fail].depth);
		w->t->node = fail;
	}
	w->t->node = child;
	w->at++;
	return r == 0 && nodes[child].match > 0 ? scrub_replace(w) : r;
}

/* At the root: on to where a form could begin. */
static void
scrub_skip(struct scrub_walk *w)
{
	size_t window = w->s->window, shift;

	while (w->at + window <= w->n) {
		shift = w->s->shifts[scrub_hash(w->p + w->at + window - 2)];
		if (shift == 0)
			return;
		w->at += shift;
	}
}

int
scrub_feed(struct scrub_stream *t, const void *p, size_t n)
{
	struct scrub_walk w = {
		.s = t->scrub,
		.t = t,
		.p = p,
		.n = n,
		.carried = scrub_waiting(t),
	};
	size_t waiting;
	int r = t->scrub == NULL ? SCRUB_FAILED : 0;

	while (w.at < n && r == 0) {
		if (t->node == SCRUB_ROOT)
			scrub_skip(&w);
		if (w.at < n)
			r = scrub_step(&w);
	}
	if (r != 0)
		return r;
	waiting = scrub_waiting(t) - w.carried;
	return scrub_flush(&w, n - waiting);
}

int
scrub_end(struct scrub_stream *t)
{
	const struct scrub_node *n;

	if (t->scrub == NULL)
		return SCRUB_FAILED;
	n = &t->scrub->nodes[t->node];
	t->node = SCRUB_ROOT;
	return scrub_emit(t, t->scrub->forms + n->form, n->depth);
}
