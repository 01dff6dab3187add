/*
 * blobs.h: bytes that are too many for one message, named by their digest.
 *
 * Run by warder-control.  An agent puts them together here before a
 * checkpoint refers to them, and takes them apart after a checkpoint brought
 * them.  They lie in memory and are gone with the attempt; what a jail and
 * its tenant may hold is bounded.
 */
#ifndef AGENT_BLOBS_H
#define AGENT_BLOBS_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum {
	BLOBS_HEX = 64, /* digits of a SHA-256 */
	BLOBS_INLINE_BYTES = 64 * 1024, /* of one that a message itself has */
	BLOBS_CHUNK_BYTES = 512 * 1024, /* of one that is read */
	BLOBS_JAIL_BYTES = 64 * 1024 * 1024,
	BLOBS_TENANT_BYTES = 256 * 1024 * 1024,
};

/* clang-format off */
#define LIMITS_BLOBS(X) \
	X(BLOBS_INLINE_BYTES, "bytes of a channel within a message", \
	    "what a checkpoint brings is one line with the others", \
	    "it comes in chunks, by its digest") \
	X(BLOBS_CHUNK_BYTES, "bytes of such a chunk", \
	    "in base64 it is a message with room to spare", \
	    "the next request brings the next") \
	X(BLOBS_JAIL_BYTES, "bytes in chunks that an attempt holds", \
	    "they lie in memory until a checkpoint has them", \
	    "refused: limit") \
	X(BLOBS_TENANT_BYTES, "bytes in chunks of all attempts of a tenant", \
	    "the memory is everybody's", \
	    "refused: limit, to be tried again")

/* clang-format on */

struct blobs;

/* Of one attempt; tenant is copied.  NULL: no memory. */
struct blobs *blobs_create(const char *tenant);
void blobs_destroy(struct blobs *b); /* NULL is fine */

/*
 * The n bytes at offset of the blob "digest" (hex), which has "size" in all.
 * Chunks come in order; the last is checked against the digest.  A blob that
 * is whole already is fine.  *ret_have: its bytes so far.  ERR_INVALID: out
 * of order, another size, or another digest (then it is gone); ERR_LIMIT.
 */
must_check int blobs_put(struct blobs *b, const char *digest, uint64_t size,
    uint64_t offset, const void *p, size_t n, uint64_t *ret_have,
    struct err *e);

/* Keep a copy of bytes that will be read; its digest is in ret. */
must_check int blobs_keep(struct blobs *b, const void *p, size_t n,
    char ret[BLOBS_HEX + 1], struct err *e);

/* The whole one, borrowed until it is dropped; NULL: there is none. */
const void *blobs_find(const struct blobs *b, const char *digest,
    size_t *ret_size);
void blobs_drop(struct blobs *b, const char *digest);

#endif /* !AGENT_BLOBS_H */
