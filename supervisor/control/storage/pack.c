#include <string.h>

#include "pack.h"

enum {
	PACK_STEPS_MAX = 64 /* differences upon one another: 32 bits have 32 */
};

struct pack_row {
	struct pack_row *next;
	int64_t row;
	struct pack_pieces pieces;
};

/* ---- bytes in and out ---- */

struct pack_in {
	const unsigned char *p;
	size_t left;
	int bad;
};

struct pack_out {
	unsigned char *data, *p;
};

static uint64_t
pack_get(struct pack_in *in, size_t n)
{
	uint64_t v = 0;
	size_t i;

	if (in->left < n) {
		in->bad = 1;
		return 0;
	}
	for (i = 0; i < n; i++)
		v |= (uint64_t)in->p[i] << (8 * i);
	in->p += n;
	in->left -= n;
	return v;
}

static const void *
pack_get_bytes(struct pack_in *in, size_t n)
{
	const void *p = in->p;

	if (in->left < n) {
		in->bad = 1;
		return NULL;
	}
	in->p += n;
	in->left -= n;
	return p;
}

static const char *
pack_get_text(struct db *d, struct pack_in *in)
{
	size_t n = pack_get(in, 2);
	const void *p = pack_get_bytes(in, n);

	return p == NULL ? NULL : hold_copy(d->hold, p, n);
}

static void
pack_put(struct pack_out *o, uint64_t v, size_t n)
{
	for (; n > 0; n--, v >>= 8)
		*o->p++ = (unsigned char)v;
}

static void
pack_put_text(struct pack_out *o, const char *s)
{
	size_t n = s == NULL ? 0 : strlen(s);

	pack_put(o, n, 2);
	if (n > 0)
		memcpy(o->p, s, n);
	o->p += n;
}

static size_t
pack_text_size(const char *s)
{
	return 2 + (s == NULL ? 0 : strlen(s));
}

static int
pack_damaged(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "a stored checkpoint is damaged");
}

/* ---- places ---- */

int
pack_place(struct db *d, struct pack_places *p, const struct pack_place *place,
    struct err *e)
{
	struct pack_place *v;

	if (p->n == PACK_PLACES_MAX || strlen(place->name) > PACK_NAME_MAX ||
	    strlen(place->version) > PACK_NAME_MAX)
		return err_set(e, ERR_LIMIT,
		    "a checkpoint has more than %d channels, or a name or "
		    "version of more than %d bytes",
		    PACK_PLACES_MAX, PACK_NAME_MAX);
	if (p->n == p->room) {
		p->room = p->room == 0 ? 8 : 2 * p->room;
		v = hold_alloc(d->hold, p->room * sizeof(*v));
		if (p->n > 0)
			memcpy(v, p->v, p->n * sizeof(*v));
		p->v = v;
	}
	p->v[p->n++] = *place;
	return 0;
}

int
pack_read_places(struct db *d, const struct storage_blob *bytes, int64_t row,
    struct pack_places *ret, struct err *e)
{
	struct pack_in in = { bytes->data, bytes->size, 0 };
	struct pack_places p = { 0 };
	struct pack_place place;

	while (in.left > 0) {
		place.kind = (int)pack_get(&in, 1);
		place.name = pack_get_text(d, &in);
		place.version = pack_get_text(d, &in);
		place.row = (int64_t)pack_get(&in, 8);
		place.index = (unsigned)pack_get(&in, 2);
		if (in.bad)
			return pack_damaged(e);
		if (place.row == 0)
			place.row = row;
		if (pack_place(d, &p, &place, e) == -1)
			return -1;
	}
	*ret = p;
	return 0;
}

void
pack_write_places(struct db *d, const struct pack_places *p, int64_t row,
    struct storage_blob *ret)
{
	struct pack_out o;
	size_t i, size = 1;

	for (i = 0; i < p->n; i++)
		size += 11 + pack_text_size(p->v[i].name) +
			pack_text_size(p->v[i].version);
	o.data = o.p = hold_alloc(d->hold, size);
	for (i = 0; i < p->n; i++) {
		pack_put(&o, (uint64_t)p->v[i].kind, 1);
		pack_put_text(&o, p->v[i].name);
		pack_put_text(&o, p->v[i].version);
		pack_put(&o, p->v[i].row == row ? 0 : (uint64_t)p->v[i].row, 8);
		pack_put(&o, p->v[i].index, 2);
	}
	ret->data = o.data;
	ret->size = (size_t)(o.p - o.data);
}

const struct pack_place *
pack_find(const struct pack_places *p, int kind, const char *name)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->v[i].kind == kind && strcmp(p->v[i].name, name) == 0)
			return &p->v[i];
	return NULL;
}

/* ---- pieces ---- */

static void
pack_piece(struct db *d, struct pack_pieces *p, const struct pack_piece *piece)
{
	struct pack_piece *v;

	if (p->n == p->room) {
		p->room = p->room == 0 ? 8 : 2 * p->room;
		v = hold_alloc(d->hold, p->room * sizeof(*v));
		if (p->n > 0)
			memcpy(v, p->v, p->n * sizeof(*v));
		p->v = v;
	}
	p->v[p->n++] = *piece;
}

int
pack_read_pieces(struct db *d, const struct storage_blob *bytes,
    struct pack_pieces *ret, struct err *e)
{
	struct pack_in in = { bytes->data, bytes->size, 0 };
	struct pack_pieces p = { 0 };
	struct pack_piece piece;

	while (in.left > 0) {
		piece.kind = (int)pack_get(&in, 1);
		piece.type = pack_get_text(d, &in);
		piece.number = (uint32_t)pack_get(&in, 4);
		piece.base_row = (int64_t)pack_get(&in, 8);
		piece.base_index = (unsigned)pack_get(&in, 2);
		piece.front = (uint32_t)pack_get(&in, 4);
		piece.end = (uint32_t)pack_get(&in, 4);
		piece.data.size = pack_get(&in, 4);
		piece.data.data = pack_get_bytes(&in, piece.data.size);
		if (in.bad)
			return pack_damaged(e);
		pack_piece(d, &p, &piece);
	}
	*ret = p;
	return 0;
}

void
pack_write_pieces(struct db *d, const struct pack_pieces *p,
    struct storage_blob *ret)
{
	struct pack_out o;
	size_t i, size = 1;

	for (i = 0; i < p->n; i++)
		size += 27 + pack_text_size(p->v[i].type) + p->v[i].data.size;
	o.data = o.p = hold_alloc(d->hold, size);
	for (i = 0; i < p->n; i++) {
		const struct pack_piece *v = &p->v[i];

		pack_put(&o, (uint64_t)v->kind, 1);
		pack_put_text(&o, v->type);
		pack_put(&o, v->number, 4);
		pack_put(&o, (uint64_t)v->base_row, 8);
		pack_put(&o, v->base_index, 2);
		pack_put(&o, v->front, 4);
		pack_put(&o, v->end, 4);
		pack_put(&o, v->data.size, 4);
		if (v->data.size > 0)
			memcpy(o.p, v->data.data, v->data.size);
		o.p += v->data.size;
	}
	ret->data = o.data;
	ret->size = (size_t)(o.p - o.data);
}

/* ---- contents ---- */

void
pack_init(struct pack *p, struct db *d, const char *tenant,
    const char *thread_id)
{
	p->db = d;
	p->tenant = tenant;
	p->thread_id = thread_id;
	p->rows = NULL;
}

static int
pack_load(struct pack *p, int64_t row, struct pack_row **ret, struct err *e)
{
	struct db *d = p->db;
	struct storage_journal found;
	struct pack_row *r;
	int rc;

	d->v.tenant = p->tenant;
	d->v.thread_id = p->thread_id;
	d->v.k = row;
	rc = db_one(d,
	    "SELECT pack AS data FROM checkpoint WHERE id = $k"
	    " AND tenant = $tenant AND thread_id = $thread_id",
	    record_journal(), &found, e);
	if (rc == -1)
		return -1;
	if (rc == 0)
		return pack_damaged(e);
	r = hold_alloc(d->hold, sizeof(*r));
	r->row = row;
	if (pack_read_pieces(d, &found.data, &r->pieces, e) == -1)
		return -1;
	r->next = p->rows;
	p->rows = r;
	*ret = r;
	return 0;
}

static int
pack_look(struct pack *p, int64_t row, unsigned index,
    const struct pack_piece **ret, struct err *e)
{
	struct pack_row *r;

	for (r = p->rows; r != NULL && r->row != row; r = r->next)
		;
	if (r == NULL && pack_load(p, row, &r, e) == -1)
		return -1;
	if (index >= r->pieces.n)
		return pack_damaged(e);
	*ret = &r->pieces.v[index];
	return 0;
}

/* One step: the piece as the difference to its base's content. */
static int
pack_apply(struct db *d, const struct pack_piece *piece,
    struct storage_blob *content, struct err *e)
{
	size_t front = piece->front, end = piece->end;
	size_t n = piece->data.size;
	unsigned char *to;

	if (front > content->size || end > content->size - front)
		return pack_damaged(e);
	to = hold_alloc(d->hold, front + n + end + 1);
	if (front > 0)
		memcpy(to, content->data, front);
	if (n > 0)
		memcpy(to + front, piece->data.data, n);
	if (end > 0)
		memcpy(to + front + n,
		    (const unsigned char *)content->data + content->size - end,
		    end);
	content->data = to;
	content->size = front + n + end;
	return 0;
}

int
pack_content(struct pack *p, int64_t row, unsigned index,
    struct storage_blob *ret, const char **ret_type, struct err *e)
{
	const struct pack_piece *steps[PACK_STEPS_MAX], *piece;
	struct storage_blob content;
	size_t n = 0;

	do {
		if (pack_look(p, row, index, &piece, e) == -1)
			return -1;
		if (n == countof(steps))
			return pack_damaged(e);
		steps[n++] = piece;
		row = piece->base_row;
		index = piece->base_index;
	} while (row != 0);
	content = steps[--n]->data;
	content.data = hold_copy(p->db->hold, content.data, content.size);
	while (n > 0)
		if (pack_apply(p->db, steps[--n], &content, e) == -1)
			return -1;
	*ret = content;
	if (ret_type != NULL)
		*ret_type = steps[0]->type;
	return 0;
}

/* ---- adding ---- */

void
pack_common(const struct storage_blob *a, const struct storage_blob *b,
    uint32_t *ret_front, uint32_t *ret_end)
{
	const unsigned char *x = a->data, *y = b->data;
	size_t least = a->size < b->size ? a->size : b->size;
	size_t front = 0, end = 0;

	while (front < least && x[front] == y[front])
		front++;
	x += a->size;
	y += b->size;
	while (end < least - front &&
	       x[-1 - (ptrdiff_t)end] == y[-1 - (ptrdiff_t)end])
		end++;
	*ret_front = (uint32_t)front;
	*ret_end = (uint32_t)end;
}

/* The version that the next one after "before" differs from: its place. */
static int
pack_base(struct pack *p, const struct pack_place *before,
    struct pack_piece *piece, struct err *e)
{
	const struct pack_piece *at;
	int64_t row = before->row;
	unsigned index = before->index;
	size_t steps = 0;
	uint32_t want;

	if (pack_look(p, row, index, &at, e) == -1)
		return -1;
	piece->number = at->number + 1;
	want = piece->number & (piece->number - 1);
	while (at->number > want) {
		row = at->base_row;
		index = at->base_index;
		if (row == 0 || steps++ == PACK_STEPS_MAX)
			return pack_damaged(e);
		if (pack_look(p, row, index, &at, e) == -1)
			return -1;
	}
	piece->base_row = row;
	piece->base_index = index;
	return 0;
}

/* Make it a difference, if that is worth it. */
static int
pack_shorten(struct pack *p, struct pack_piece *piece,
    const struct pack_place *before, struct err *e)
{
	struct pack_piece d = *piece;
	struct storage_blob base;

	if (before == NULL || piece->data.size < PACK_WHOLE_BYTES)
		return 0;
	if (pack_base(p, before, &d, e) == -1 ||
	    pack_content(p, d.base_row, d.base_index, &base, NULL, e) == -1)
		return -1;
	pack_common(&base, &piece->data, &d.front, &d.end);
	d.data.size -= (size_t)d.front + d.end;
	d.data.data = (const unsigned char *)piece->data.data + d.front;
	if (d.data.size <= piece->data.size / 2)
		*piece = d;
	return 0;
}

int
pack_add(struct pack *p, struct pack_pieces *pieces, struct pack_places *places,
    const struct pack_place *what, const char *type,
    const struct storage_blob *data, const struct pack_place *before,
    struct err *e)
{
	struct pack_piece piece = {
		.kind = what->kind,
		.type = type == NULL ? "" : type,
		.data = *data,
	};
	struct pack_place place = *what;

	if (pieces->n >= UINT16_MAX || strlen(piece.type) > PACK_NAME_MAX ||
	    data->size > UINT32_MAX)
		return err_set(e, ERR_LIMIT, "a checkpoint is too large");
	if (pack_shorten(p, &piece, before, e) == -1)
		return -1;
	place.row = 0;
	place.index = (unsigned)pieces->n;
	pack_piece(p->db, pieces, &piece);
	return pack_place(p->db, places, &place, e);
}
