#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "hold.h"

enum {
	HOLD_BLOCK_BYTES = 4096,
	HOLD_ALIGN = 16
};

struct hold_block {
	struct hold_block *next;
	size_t room;
	_Alignas(HOLD_ALIGN) unsigned char data[];
};

void
hold_init(struct hold *h)
{
	memset(h, 0, sizeof(*h));
}

void
hold_finish(struct hold *h)
{
	struct hold_block *b;

	while ((b = h->blocks) != NULL) {
		h->blocks = b->next;
		free(b);
	}
	hold_init(h);
}

static void
hold_grow(struct hold *h, size_t size)
{
	size_t room = size > HOLD_BLOCK_BYTES ? size : HOLD_BLOCK_BYTES;
	struct hold_block *b = malloc(sizeof(*b) + room);

	if (b == NULL)
		abort();
	b->next = h->blocks;
	b->room = room;
	h->blocks = b;
	h->used = 0;
}

void *
hold_alloc(struct hold *h, size_t size)
{
	void *p;

	if (size > SIZE_MAX / 2)
		abort();
	size = (size + HOLD_ALIGN - 1) & ~(size_t)(HOLD_ALIGN - 1);
	if (h->blocks == NULL || h->blocks->room - h->used < size)
		hold_grow(h, size);
	p = h->blocks->data + h->used;
	h->used += size;
	h->total += size;
	return memset(p, 0, size);
}

void *
hold_copy(struct hold *h, const void *p, size_t n)
{
	char *copy;

	if (p == NULL)
		return NULL;
	copy = hold_alloc(h, n + 1);
	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

char *
hold_text(struct hold *h, const char *s)
{
	return s == NULL ? NULL : hold_copy(h, s, strlen(s));
}

char *
hold_printf(struct hold *h, const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	s = hold_alloc(h, (size_t)n + 1);
	(void)vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}

size_t
hold_size(const struct hold *h)
{
	return h->total;
}
