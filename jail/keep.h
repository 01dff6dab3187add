/*
 * keep.h: copy out what a dead jail has written.
 *
 * Runs in the launcher, with its rights, over a tree whose every name, type
 * and size the jail chose: everything is opened relative to descriptors
 * without following links, in bounded depth and amount.  Directories,
 * regular files (holes stay holes) and symbolic links are copied, with their
 * permission bits but never setuid, setgid or sticky; sockets, FIFOs and
 * devices are counted and left out.  A removed file of an overlay becomes an
 * empty ".wh.NAME", as in OCI image layers.
 */
#ifndef KEEP_H
#define KEEP_H

#include <stdint.h>

#include "err.h"

enum {
	KEEP_DEPTH_MAX = 128, /* directories in one another */
	KEEP_ENTRIES_MAX = 1000000,
};

struct keep_result {
	uint64_t entries;
	uint64_t bytes;
	uint64_t skipped; /* special, too deep, or too long for a file here */
};

/* Make the directory, which must not exist; its descriptor, or -1. */
int keep_create(const char *dir, struct err *e);

/*
 * Copy the content of the directory "from" to the path "below" (relative,
 * made with its parents; may be "") in the directory "to".  ERR_LIMIT when
 * more than max_bytes of data are found.
 */
must_check int keep_copy(int from, int to, const char *below,
    uint64_t max_bytes, struct keep_result *r, struct err *e);

#endif /* !KEEP_H */
