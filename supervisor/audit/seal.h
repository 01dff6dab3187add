/*
 * seal.h: signatures of the audit log: ECDSA over P-256 with SHA-256.
 *
 * The private key is derived from the bytes of a key file (keyfile.h); the
 * public one is an ordinary PEM file, and a signature what openssl(1) takes:
 * "openssl dgst -sha256 -verify PEM -signature SIG".
 */
#ifndef SEAL_H
#define SEAL_H

#include "err.h"
#include "secret.h"
#include "sha256.h"

enum {
	SEAL_TEXT_SIZE = 104, /* base64 of the longest DER, with its NUL */
	SEAL_PEM_SIZE = 512, /* of a public key, with its NUL */
	SEAL_KEYS_MAX = 16, /* that are believed at once */
};

struct seal; /* a key, private or public */

/* From the bytes of a key file.  ERR_UNSUPPORTED where mbedTLS lacks it. */
must_check int seal_create(const struct secret *key, struct seal **ret,
    struct err *e);

/* From PEM; n bytes, a NUL after them.  ERR_INVALID if it is no P-256 key. */
must_check int seal_create_public(const char *pem, size_t n, struct seal **ret,
    struct err *e);
void seal_destroy(struct seal *s);

/* SHA-256 of the public key's DER, hex: how a line names it. */
const char *seal_name(const struct seal *s);
must_check int seal_pem(const struct seal *s, char ret[SEAL_PEM_SIZE],
    struct err *e);

/* Sign n bytes; base64 into ret. */
must_check int seal_sign(struct seal *s, const void *p, size_t n,
    char ret[SEAL_TEXT_SIZE], struct err *e);

/* Whether text is this key's signature of them.  Hostile bytes. */
int seal_matches(struct seal *s, const void *p, size_t n, const char *text);

#endif /* !SEAL_H */
