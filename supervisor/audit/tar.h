/* tar.h: a POSIX ustar archive of regular files, written to a descriptor. */
#ifndef TAR_H
#define TAR_H

#include <stdint.h>

#include "err.h"

/*
 * The bytes of fd from its beginning, exactly size of them, as a file of that
 * name (at most 100 bytes) and mode 0600.  ERR_CORRUPT if fd has fewer.
 */
must_check int tar_add(int to, const char *name, int fd, uint64_t size,
    int64_t mtime, struct err *e);

/* The end of the archive. */
must_check int tar_end(int to, struct err *e);

#endif /* !TAR_H */
