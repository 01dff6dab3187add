/*
 * box.h: a vault's bytes, encrypted and authenticated.
 *
 * For warder-vault alone.  AES-256-GCM (NIST SP 800-38D) under a key that
 * HKDF-SHA256 (RFC 5869) makes from the vault's key file; a fresh random
 * nonce for each writing, of which there may be 2^32 under one key.
 *
 *	0      4         8           16      28
 *	"WVLT" version   generation  nonce   ciphertext ...     tag: the last 16
 *
 * Numbers are little-endian; everything before the ciphertext is
 * authenticated too.
 */
#ifndef BOX_H
#define BOX_H

#include <stdint.h>

#include "err.h"
#include "secret.h"

enum {
	BOX_KEY_SIZE = 32,
	BOX_HEAD_SIZE = 28,
	BOX_TAG_SIZE = 16,
	BOX_OVERHEAD = BOX_HEAD_SIZE + BOX_TAG_SIZE,
};

/*
 * Encrypt n bytes into out, which has room for n + BOX_OVERHEAD.  key: the
 * BOX_KEY_SIZE bytes of the key file.
 */
must_check int box_seal(const struct secret *key, uint64_t generation,
    const void *p, size_t n, unsigned char *out, struct err *e);

/*
 * Decrypt n bytes into out, which has room for n - BOX_OVERHEAD.
 * ERR_CORRUPT if they are no box, of another version, changed in any bit, or
 * sealed by another key; out is then wiped.
 */
must_check int box_open(const struct secret *key, const unsigned char *p,
    size_t n, void *out, uint64_t *ret_generation, struct err *e);

#endif /* !BOX_H */
