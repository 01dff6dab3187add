/*
 * uidblock.h: blocks of host uids, one for each live jail of root's.
 *
 * Runs in a root launcher.  Block n is 65536 uids from 1879048192 + n*65536
 * on; it belongs to whoever holds an OFD lock on byte n of one file, so that
 * the kernel frees it when the holder dies.  Blocks are taken in turn: one
 * is not used again until all others have been, while a dying jail's last
 * processes may still run under the old numbers.
 */
#ifndef UIDBLOCK_H
#define UIDBLOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"

enum {
	UIDBLOCK_BASE = 1879048192,
	UIDBLOCK_SIZE = 65536,
	UIDBLOCK_COUNT = 4096, /* uids stay below 2^31 */
};

/*
 * Claim a block; *ret_fd holds it until it is closed.  dir: the runtime
 * directory.  ERR_LIMIT when every block is taken.
 */
must_check int uidblock_claim(const char *dir, int *ret_fd, uid_t *ret_base,
    struct err *e);

#endif /* !UIDBLOCK_H */
