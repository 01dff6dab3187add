/*
 * scrub_form.h: the forms in which a secret may come back.
 *
 * Pure; writes into secret memory that the caller has.
 */
#ifndef SCRUB_FORM_H
#define SCRUB_FORM_H

#include <stddef.h>

enum {
	/* As itself, hex twice, percent four times, JSON four times, and two
	 * alphabets at three offsets, twice. */
	SCRUB_FORM_KINDS = 1 + 2 + 4 + 4 + 12,
	SCRUB_FORM_GROWTH = 6, /* bytes at most, for each: \u003c */
};

/*
 * Write the form "kind" of the n bytes at p to out, which has room for
 * SCRUB_FORM_GROWTH bytes for each of (n and the user's and one) more; user
 * may be NULL.  Returns its length; 0: there is no such form.
 */
size_t scrub_form_write(unsigned kind, const unsigned char *p, size_t n,
    const char *user, unsigned char *out);

#endif /* !SCRUB_FORM_H */
