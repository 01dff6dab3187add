/*
 * arena.h: memory that lives as long as one compilation.
 *
 * Used by the loader and the resolver in warder-config only.  Nothing is
 * freed one by one.  An exhausted arena aborts: the inputs are bounded well
 * below ARENA_MAX, warder-config compiles one policy and exits, and the
 * launcher reports its death as a failed compilation.
 */
#ifndef ARENA_H
#define ARENA_H

#include "base.h"

enum {
	ARENA_MAX = 128 * 1024 * 1024
};

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used; /* in the newest block */
	size_t total; /* bytes of all blocks */
};

void arena_init(struct arena *a);
void arena_finish(struct arena *a);

/* Zeroed memory, aligned for any object; borrowed until arena_finish. */
void *arena_alloc(struct arena *a, size_t size);

/* A copy of n bytes with a NUL after them. */
char *arena_copy(struct arena *a, const char *s, size_t n);

char *arena_printf(struct arena *a, const char *fmt, ...) printf_like(2, 3);

#endif /* !ARENA_H */
