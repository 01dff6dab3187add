#include <string.h>

#include "record.h"

/* clang-format off */
#define FIELD_T(f) { #f, RECORD_TEXT, offsetof(self, f), NULL },
#define FIELD_N(f) { #f, RECORD_NUMBER, offsetof(self, f), NULL },
#define FIELD_B(f) { #f, RECORD_BLOB, offsetof(self, f), NULL },
#define FIELD_S(f) { #f, RECORD_TEXTS, offsetof(self, f), NULL },
#define FIELD_L(r, f) { #f, RECORD_LIST, offsetof(self, f), record_##r },

/* The fields need the name of their struct, which only a scope can give. */
#define SHAPE(fn, type, list) \
	const struct record_shape * \
	fn(void) \
	{ \
		typedef type self; \
		static const struct record_field fields[] = { \
			list(FIELD_T, FIELD_N, FIELD_B, FIELD_S, FIELD_L) \
		}; \
		static const struct record_shape shape = { \
			#type, sizeof(self), countof(fields), fields \
		}; \
		return &shape; \
	}

#define X(r) SHAPE(record_##r, struct storage_##r, STORAGE_RECORD_##r)
STORAGE_RECORDS(X)
#undef X
#define X(op, mode, r) \
	SHAPE(record_q_##op, struct storage_##op##_request, \
	    STORAGE_REQUEST_##op)
STORAGE_OPS(X)
#undef X
/* clang-format on */

/* Every L() lies in memory like this. */
_Static_assert(sizeof(struct record_list) ==
		   sizeof(((struct storage_runs *)0)->rows),
    "lists are alike");

int
record_find(const struct record_shape *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->nfields; i++)
		if (strcmp(s->fields[i].name, name) == 0)
			return (int)i;
	return -1;
}

static void
record_copy_texts(struct hold *h, struct storage_texts *t)
{
	const char **v = hold_alloc(h, (t->n + 1) * sizeof(*v));
	size_t i;

	for (i = 0; i < t->n; i++)
		v[i] = hold_text(h, t->v[i]);
	t->v = v;
}

static void
record_copy_list(struct hold *h, const struct record_shape *s,
    struct record_list *l)
{
	const unsigned char *from = l->v;
	unsigned char *to = hold_alloc(h, l->n * s->size);
	size_t i;

	for (i = 0; i < l->n; i++)
		record_copy(h, s, to + i * s->size, from + i * s->size);
	l->v = to;
}

static void
record_copy_field(struct hold *h, const struct record_field *f, void *at)
{
	const char **text = at;
	struct storage_blob *blob = at;

	switch (f->kind) {
	case RECORD_TEXT:
		*text = hold_text(h, *text);
		break;
	case RECORD_NUMBER:
		break;
	case RECORD_BLOB:
		blob->data = hold_copy(h, blob->data, blob->size);
		break;
	case RECORD_TEXTS:
		record_copy_texts(h, at);
		break;
	case RECORD_LIST:
		record_copy_list(h, f->of(), at);
		break;
	}
}

void
record_copy(struct hold *h, const struct record_shape *s, void *dst,
    const void *src)
{
	size_t i;

	memcpy(dst, src, s->size);
	for (i = 0; i < s->nfields; i++)
		record_copy_field(h, &s->fields[i],
		    (unsigned char *)dst + s->fields[i].offset);
}
