/*
 * keyfile.h: a key of Warder's own: random bytes in a file that only its
 * owner reads.
 *
 * For the launchers, which open one for a helper, perhaps with rights that
 * the helper has not, and for the helpers, which look at it before they use
 * it.  libc only; keyfile_read() needs secret.h besides.
 */
#ifndef KEYFILE_H
#define KEYFILE_H

#include "err.h"
#include "secret.h"

enum {
	KEYFILE_SIZE = 32
};

/*
 * Open the file; with create set, make one (random, 0600) where there is
 * none: whole or not at all, and of two who do so at once both get the same.
 * Never follows a symbolic link.  ERR_NOT_FOUND if there is none.
 */
must_check int keyfile_open(int at, const char *path, int create, int *ret_fd,
    struct err *e);

/*
 * The vault's key, from wherever it comes: config/vault.key, or systemd's
 * credential "warder-vault-key".  ERR_NOT_FOUND if it comes from nowhere,
 * ERR_CONFLICT from two places: which is the right one nobody could say.
 */
must_check int keyfile_find(const char *config, int *ret_fd, struct err *e);

/*
 * Whether fd is such a file: regular, of KEYFILE_SIZE bytes, belonging to
 * root or to this process's user, closed to all others; one in memory that is
 * root's, as systemd's credentials are, may be open to root's group, which is
 * how an access list for one user looks.  ERR_DENIED or ERR_CORRUPT; what:
 * "the vault's key".
 */
must_check int keyfile_check(int fd, const char *what, struct err *e);

/* The same, and read it. */
must_check int keyfile_read(int fd, const char *what, struct secret **ret,
    struct err *e);

#endif /* !KEYFILE_H */
