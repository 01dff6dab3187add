/*
 * scrub.h: finds secrets in a stream of bytes and puts something else there.
 *
 * Runs in warder-proxy, on what an upstream answers, before any of it goes to
 * the jail: bodies piece by piece, header and trailer values as a whole.  No
 * I/O.  It is an alarm behind the barrier, which is method, path and
 * destination: it knows the forms listed here, and no other.
 *
 *	as it is
 *	base64, base64url	at all three offsets; of "user:secret" too
 *	hexadecimal		lower and upper case
 *	percent-encoded		the reserved characters only, or each byte;
 *				lower and upper case
 *	JSON escapes		\" \\ and either \/ or / ; <, > and & as \u003c
 *
 * Of base64 in the middle of other text only the characters that the secret
 * alone decides are looked for and replaced; the one before and after carry
 * at most four bits of it each.
 *
 * However the stream is cut into pieces, the result is the same, and no
 * piece of output ends in what could be the start of a form: those bytes wait
 * for the next piece.  Nothing else waits.
 */
#ifndef SCRUB_H
#define SCRUB_H

#include <stdint.h>

#include "err.h"
#include "secret.h"

enum {
	/* Shorter ones would be found in ordinary text. */
	SCRUB_SECRET_MIN = 8,
	SCRUB_SECRETS_MAX = 128, /* as many credentials as a plan may have */
	SCRUB_FAILED = -1000,
	/* Of all forms: some 40 times the secrets' bytes. */
	SCRUB_FORMS_MAX = 400 * 1024,
};

/* All borrowed; the replacement for as long as the scrubber lives. */
struct scrub_entry {
	const struct secret *secret;
	const char *user; /* of basic authentication; NULL: none */
	const char *replacement; /* the placeholder; not empty */
};

struct scrub; /* the forms, for any number of streams at once */

/*
 * Write the forms down.  ERR_INVALID for a secret below SCRUB_SECRET_MIN or a
 * replacement that holds a form itself or is empty (what stood around a secret
 * would join), ERR_LIMIT when the forms are too many or too long, ERR_SYSTEM
 * where secret memory cannot be had.  What finds them is thirty times as large
 * and made when the first stream begins.
 */
must_check int scrub_create(const struct scrub_entry *entries, size_t n,
    struct scrub **ret, struct err *e);

/* One more holder; each ends its hold by scrub_destroy (NULL is fine). */
struct scrub *scrub_hold(struct scrub *s);
void scrub_destroy(struct scrub *s);

/* One stream: a body, or a value.  Holds no byte of it. */
struct scrub_stream {
	const struct scrub *scrub; /* NULL: it could not be made */
	uint32_t node;
	uint64_t replaced; /* how many times so far */
	/*
	 * Takes n > 0 bytes, valid until it returns; not 0 ends the call,
	 * which returns that, and the stream is of no use any more.
	 */
	int (*emit)(void *ctx, const void *p, size_t n);
	/*
	 * Called in place of emitting the replacement of an entry (its
	 * index), for a form of n bytes; NULL: no such wish.  Returns as emit.
	 */
	int (*match)(void *ctx, unsigned entry, const void *form, size_t n);
	void *ctx;
};

/*
 * Where there is no memory for what finds the forms, this stream fails by
 * SCRUB_FAILED and passes nothing.
 */
void scrub_begin(struct scrub_stream *t, struct scrub *s,
    int (*emit)(void *ctx, const void *p, size_t n), void *ctx);

/* The next n bytes. */
must_check int scrub_feed(struct scrub_stream *t, const void *p, size_t n);

/* The end: what waited goes out. */
must_check int scrub_end(struct scrub_stream *t);

/* Bytes that wait; fewer than the longest form has. */
size_t scrub_waiting(const struct scrub_stream *t);

#endif /* !SCRUB_H */
