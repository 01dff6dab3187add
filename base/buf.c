#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

enum {
	BUF_FIRST = 4096
}; /* bytes of the first allocation */

void
buf_init(struct buf *b, size_t max)
{
	assert(max > 0);
	*b = (struct buf){ .max = max };
}

void
buf_finish(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

const void *
buf_bytes(const struct buf *b)
{
	return b->data == NULL ? "" : (const void *)(b->data + b->start);
}

size_t
buf_size(const struct buf *b)
{
	return b->end - b->start;
}

/* Double from room until "need" fits, but not beyond max. */
static size_t
buf_next_room(const struct buf *b, size_t need)
{
	size_t room = b->room > 0 ? b->room : BUF_FIRST;

	while (room < need && room <= b->max / 2)
		room *= 2;
	return room < need || room > b->max ? b->max : room;
}

int
buf_reserve(struct buf *b, size_t n, unsigned char **ret, struct err *e)
{
	size_t held = buf_size(b);

	if (n > b->max - held)
		return err_set(e, ERR_LIMIT,
		    "a buffer of %zu bytes cannot hold %zu and %zu more",
		    b->max, held, n);
	if (held + n > b->room) {
		size_t room = buf_next_room(b, held + n);
		unsigned char *p = malloc(room);

		if (p == NULL)
			return err_sys(e, ENOMEM, "a buffer of %zu bytes",
			    room);
		if (held > 0)
			memcpy(p, b->data + b->start, held);
		free(b->data);
		b->data = p;
		b->room = room;
		b->start = 0;
		b->end = held;
	} else if (n > b->room - b->end) {
		memmove(b->data, b->data + b->start, held);
		b->start = 0;
		b->end = held;
	}
	*ret = b->data + b->end;
	return 0;
}

void
buf_commit(struct buf *b, size_t n)
{
	assert(n <= b->room - b->end);
	b->end += n;
}

int
buf_append(struct buf *b, const void *p, size_t n, struct err *e)
{
	unsigned char *to;

	if (n == 0)
		return 0;
	if (buf_reserve(b, n, &to, e) == -1)
		return -1;
	memcpy(to, p, n);
	buf_commit(b, n);
	return 0;
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_size(b));
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}
