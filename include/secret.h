/*
 * secret.h: the only place where a secret may lie.
 *
 * A secret has pages of its own, locked in memory, left out of core dumps,
 * with a guard page on either side, wiped when it is destroyed.  Where the
 * kernel has memfd_secret(2) the pages are taken from the kernel's own map
 * too, so that neither ptrace nor /proc/PID/mem reads them.  A forked child
 * does not have them.  There is no way to print one; a process that
 * cannot protect a secret does not get one.
 *
 * For the vault, the proxies and the command line that sets credentials.
 * Not for processes that must not allocate.
 */
#ifndef SECRET_H
#define SECRET_H

#include "err.h"

enum {
	SECRET_MAX = 8192, /* bytes: a long signed token fits */
	SECRET_ROOM_MAX = 16 << 20, /* of what is made from secrets */
};

struct secret;

/*
 * Copy n bytes; the caller wipes its own.  ERR_LIMIT above SECRET_MAX,
 * ERR_SYSTEM where the pages cannot be had or locked (RLIMIT_MEMLOCK).
 */
must_check int secret_create(const void *p, size_t n, struct secret **ret,
    struct err *e);

/*
 * Read a secret from fd up to its end, straight into its pages; blocks.
 * ERR_LIMIT if more than SECRET_MAX bytes come.
 */
must_check int secret_read(int fd, struct secret **ret, struct err *e);

/*
 * Room for n bytes, all zero, for what is made from secrets and is as secret
 * as they are; written through secret_room().  ERR_LIMIT above
 * SECRET_ROOM_MAX.
 */
must_check int secret_create_room(size_t n, struct secret **ret, struct err *e);
void *secret_room(struct secret *s);

/* Wipe and free.  NULL is fine; so is a child's inherited pointer. */
void secret_destroy(struct secret *s);

static inline void
secret_destroyp(struct secret **s)
{
	secret_destroy(*s);
	*s = NULL;
}

#define autosecret cleanup(secret_destroyp) struct secret

/* Borrowed until secret_destroy; no NUL follows. */
const void *secret_bytes(const struct secret *s);
size_t secret_size(const struct secret *s);

/* Compare with n bytes; the time depends on n alone. */
int secret_equal(const struct secret *s, const void *p, size_t n);

/* "memfd_secret" or "mlock", for the record of what was enforced. */
const char *secret_backing(const struct secret *s);

/* Wipe bytes that were never in a struct secret, whatever follows. */
void secret_wipe(void *p, size_t n);

#endif /* !SECRET_H */
