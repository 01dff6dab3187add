/* trust_private.h: what jail/trust*.c share. */
#ifndef TRUST_PRIVATE_H
#define TRUST_PRIVATE_H

#include "trust.h"

/* Bytes under construction; what does not fit makes "full" 1. */
struct trust_out {
	unsigned char *p;
	size_t size, n;
	int full;
};

void trust_put(struct trust_out *o, const void *p, size_t n);

/*
 * The next certificate of a PEM text: its DER is written to *o, and *text
 * moves behind it.  1, or 0 when there is none any more, or -1 when its
 * base64 is malformed.
 */
int trust_pem_next(const char **text, struct trust_out *o);

/*
 * A Java key store (JKS, version 2) with every certificate of the bundle.
 * Owned by the caller, *ret_size bytes.  NULL with *e filled.
 */
unsigned char *trust_store(const char *bundle, size_t *ret_size, struct err *e);

#endif /* !TRUST_PRIVATE_H */
