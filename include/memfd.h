/*
 * memfd.h: bytes too many for a message, handed over in a sealed memfd.
 *
 * Sealed, so that what the receiver has checked is what it goes on reading,
 * whoever else still holds the descriptor.  Any process; no allocation.
 */
#ifndef MEMFD_H
#define MEMFD_H

#include "err.h"

/* Copy n bytes into a new sealed memfd; owned, CLOEXEC; or -1. */
int memfd_create_sealed(const char *name, const void *p, size_t n,
    struct err *e);

/*
 * A file of at most max bytes in a sealed memfd, and nothing of it in our
 * memory.  ERR_INVALID if it is empty, or larger.
 */
int memfd_copy_file(const char *name, const char *path, size_t max,
    struct err *e);

/* The same piece by piece: an empty one, more at its end, sealed. */
int memfd_open(const char *name, struct err *e);
must_check int memfd_append(int fd, const void *p, size_t n, struct err *e);
must_check int memfd_seal(int fd, struct err *e);

/*
 * Map the whole of a memfd, which stays the caller's, for reading.  ERR_CORRUPT
 * unless it is sealed against every change and has at least 1 and at most max
 * bytes.  ret_p is unmapped by memfd_unmap.
 */
must_check int memfd_map(int fd, size_t max, const void **ret_p, size_t *ret_n,
    struct err *e);
void memfd_unmap(const void *p, size_t n);

#endif /* !MEMFD_H */
