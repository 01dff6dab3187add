/*
 * placeholder.h: what a jail has in place of a secret.
 *
 * Runs in warder-proxy.  A placeholder looks right to the client that checks
 * the form of its token, and is good for nothing: the proxy puts the secret
 * there on the way out.  It is made from the jail's seed and the credential's
 * name, so a proxy that was started anew knows the old ones, and another
 * jail's are others.  Pure.
 */
#ifndef PLACEHOLDER_H
#define PLACEHOLDER_H

#include <stddef.h>

#include "err.h"

enum {
	PLACEHOLDER_SEED_SIZE = 32,
	PLACEHOLDER_SIZE = 256, /* with its NUL; the longest has 200 */
};

/*
 * Write the placeholder of a credential; shape is an enum plan_net_shape.
 * ERR_UNSUPPORTED where mbedTLS has no HKDF-SHA256.
 */
must_check int placeholder_make(const unsigned char seed[PLACEHOLDER_SEED_SIZE],
    const char *credential, unsigned shape, char ret[PLACEHOLDER_SIZE],
    struct err *e);

#endif /* !PLACEHOLDER_H */
