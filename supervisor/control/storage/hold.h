/*
 * hold.h: memory of one operation, freed at once.
 *
 * A request is copied into it, its reply is built in it.  What may grow with
 * what a stranger sent is bounded by whoever fills it (hold_size); memory
 * that the system does not give ends the process, which is restarted from
 * what it stored.
 */
#ifndef HOLD_H
#define HOLD_H

#include "base.h"

struct hold_block;

struct hold {
	struct hold_block *blocks;
	size_t used; /* in the newest block */
	size_t total; /* bytes handed out */
};

/* All zero is an empty hold, too. */
void hold_init(struct hold *h);
void hold_finish(struct hold *h);

/* Zeroed, aligned for any object; borrowed until hold_finish. */
void *hold_alloc(struct hold *h, size_t size);

/* A copy with a NUL behind it; NULL stays NULL. */
void *hold_copy(struct hold *h, const void *p, size_t n);
char *hold_text(struct hold *h, const char *s);

char *hold_printf(struct hold *h, const char *fmt, ...) printf_like(2, 3);

size_t hold_size(const struct hold *h);

#endif /* !HOLD_H */
