/*
 * mint.h: a jail's own certificate authority, and the leaves it signs.
 *
 * Runs in warder-proxy.  The authority is made from a seed and the jail's id
 * alone, so that a restarted proxy goes on with the same key and the same
 * name.  Its certificate says what it can be believed for: the DNS names that
 * the plan inspects and those below them, no address, no mailbox, no URI, no
 * further authority, servers only, for as long as the run may last.  So what
 * a stolen key is good for ends with the plan's hosts and the run.
 *
 * All leaves of a jail share one key: making one costs a signature.
 *
 *	seed, id ──HKDF──► authority's key, leaves' key, subject
 *	host ──► leaf (cached, MINT_LEAVES_MAX) ──► struct tls_identity
 */
#ifndef MINT_H
#define MINT_H

#include <stdint.h>

#include "err.h"
#include "tls.h"

enum {
	MINT_SEED_BYTES = 32,
	MINT_HOSTS_MAX = 1024, /* names in one authority's constraint */
	MINT_LEAVES_MAX = 128, /* kept; the least recently used one goes */
	MINT_SKEW_S = 60 * 60, /* before now: clocks in clients are behind */
	MINT_LIFE_MAX_S = 30 * 24 * 60 * 60, /* of an authority */
	MINT_LEAF_S = 24 * 60 * 60, /* of a leaf */
	MINT_PEM_MAX = 56 * 1024, /* bytes with the NUL: fits one message */
	MINT_HASH_SIZE = 9, /* 8 hex digits and a NUL */
};

struct mint;

struct mint_options {
	unsigned char seed[MINT_SEED_BYTES]; /* the caller wipes its own */
	const char *jail; /* its id, copied */
	/*
	 * What the plan inspects, in canonical form (lower case, no dot at
	 * the end): names, or patterns whose first label is "*".
	 * Borrowed for the call.
	 */
	const char *const *hosts;
	size_t nhosts;
	int64_t start_s; /* when the jail was added, seconds since 1970 */
	int64_t life_s; /* after which the run is over; 0: MINT_LIFE_MAX_S */
};

/*
 * ERR_INVALID without a host, for an address, for what is no DNS name or for
 * a pattern of one label; ERR_LIMIT above MINT_HOSTS_MAX.
 */
must_check int mint_create(const struct mint_options *o, struct mint **ret,
    struct err *e);
void mint_destroy(struct mint *m); /* wipes; NULL is fine */

/* The authority's certificate: PEM with its NUL. Borrowed. */
const char *mint_pem(const struct mint *m);

/* What c_rehash would call it: X509_NAME_hash in hex. Borrowed. */
const char *mint_hash(const struct mint *m);

/*
 * The identity for a host, now_s being the wall clock: ERR_DENIED for what no
 * host of the options matches ("*" is exactly one label) and after the
 * authority's end.  Borrowed until the next call on m,
 * which is what tls_choose_fn asks for.
 */
must_check int mint_leaf(struct mint *m, const char *host, int64_t now_s,
    const struct tls_identity **ret, struct err *e);

/* How many leaves were signed, and how many are kept; for tests and logs. */
struct mint_stats {
	uint64_t signed_leaves;
	unsigned kept;
};

void mint_stats(const struct mint *m, struct mint_stats *ret);

#endif /* !MINT_H */
