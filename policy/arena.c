#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"

enum {
	ARENA_BLOCK = 64 * 1024,
	ARENA_ALIGN = 16
};

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(ARENA_ALIGN) char bytes[];
};

void
arena_init(struct arena *a)
{
	memset(a, 0, sizeof(*a));
}

void
arena_finish(struct arena *a)
{
	while (a->blocks != NULL) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
	arena_init(a);
}

static void
arena_grow(struct arena *a, size_t size)
{
	size_t n = size > ARENA_BLOCK ? size : ARENA_BLOCK;
	struct arena_block *b;

	if (n > ARENA_MAX - a->total)
		abort();
	if ((b = calloc(1, sizeof(*b) + n)) == NULL)
		abort();
	b->size = n;
	b->next = a->blocks;
	a->blocks = b;
	a->used = 0;
	a->total += n;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	void *p;

	if (size > ARENA_MAX)
		abort();
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (a->blocks == NULL || size > a->blocks->size - a->used)
		arena_grow(a, size);
	p = a->blocks->bytes + a->used;
	a->used += size;
	return p;
}

char *
arena_copy(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);

	memcpy(p, s, n);
	return p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	p = arena_alloc(a, (size_t)n + 1);
	(void)vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}
