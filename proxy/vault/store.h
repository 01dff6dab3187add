/*
 * store.h: the vault's files.
 *
 * For warder-vault alone.  In its directory (its own, 0700) lie "entries",
 * the box, and "lock".  A change is made under the lock: read, change, write
 * a new file, flush it, rename, flush the directory; so a crash leaves the old
 * one or the new one.  The key lies elsewhere, in a file that only its owner
 * reads, and is given as a descriptor: whoever starts the vault opens it,
 * perhaps with rights that the vault has not.
 */
#ifndef STORE_H
#define STORE_H

#include "box.h"
#include "entry.h"

/*
 * Read the key from fd, after a look at it: a regular file of BOX_KEY_SIZE
 * bytes that belongs to root or to this process's user, and that nobody else
 * reads.
 */
must_check int store_key_read(int fd, struct secret **ret, struct err *e);

/*
 * Open the key file; make one (random, 0600) if create is set and there is
 * none.  Never follows a symbolic link.
 */
must_check int store_key_open(const char *path, int create, int *ret_fd,
    struct err *e);

/* Whether the directory has a vault at all. */
int store_is_there(int dir);

struct store {
	int dir; /* borrowed; of the vault's directory */
	const struct secret *key; /* borrowed */
	/* private */
	int lock;
	uint64_t generation; /* 0: there is no file yet */
	struct secret *room; /* the plain bytes; entries point into it */
	struct entry_list entries;
};

/*
 * Read the vault.  With change set, the lock is held until store_finish():
 * then it is whole, and store_save() may follow.  No file is an empty vault.
 */
must_check int store_load(struct store *s, int dir, const struct secret *key,
    int change, struct err *e);

/* Write what s->entries now is.  Durable when it returns 0. */
must_check int store_save(struct store *s, struct err *e);

/* Let go of lock and bytes; accepts one that was never loaded, zeroed. */
void store_finish(struct store *s);

#endif /* !STORE_H */
