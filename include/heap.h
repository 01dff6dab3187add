/*
 * heap.h: an allocator that leaves nothing behind.
 *
 * For the libraries that warder-proxy and warder-vault hand secrets to: what
 * libcurl puts into a request, and what OpenSSL encrypts, lies in memory of
 * theirs.  With these in the place of malloc it is wiped when it is given
 * back, so that a secret lies in the heap for as long as its request lasts.
 * Any process may use it.
 */
#ifndef HEAP_H
#define HEAP_H

#include "err.h"

void *heap_malloc(size_t n);
void *heap_calloc(size_t n, size_t size);
char *heap_strdup(const char *s);

/* Wipe all that malloc gave, which may be more than was asked for. */
void heap_free(void *p);

/* As realloc(3), but what is left behind is wiped. */
void *heap_realloc(void *p, size_t n);

/*
 * Have OpenSSL use them; before it allocates anything.  For the vault, whose
 * answers are tokens.  Not for the proxy: what OpenSSL sends it encrypts in
 * place, so that no plain byte of a request is left, and what services answer
 * goes to the jail anyhow, while its record buffers come and go with every
 * request.
 */
must_check int heap_tls(struct err *e);

/*
 * Keep all memory of this process, now and later, from being swapped out;
 * pages are still made when they are touched.  1: done.  0: RLIMIT_MEMLOCK
 * does not allow it without end, and with less a later allocation would fail.
 */
int heap_lock(void);

#endif /* !HEAP_H */
