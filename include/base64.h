/*
 * base64.h: RFC 4648 section 4, both ways, strictly.
 *
 * Bytes that are no text travel so in JSON.  Pure; any process may use it.
 */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>

#include "err.h"

/* Characters that n bytes become, without a NUL. */
static inline size_t
base64_size(size_t n)
{
	return (n + 2) / 3 * 4;
}

/* Room that decoding n characters needs at most. */
static inline size_t
base64_room(size_t n)
{
	return n / 4 * 3;
}

/* Write base64_size(n) characters, no NUL. */
void base64_encode(const void *p, size_t n, char *ret);

/*
 * Decode n characters into ret, which has base64_room(n) bytes.  ERR_INVALID:
 * other characters, white space too; a length that is no multiple of 4;
 * padding elsewhere than at the end; bits that no byte holds.
 */
must_check int base64_decode(const char *s, size_t n, void *ret, size_t *ret_n,
    struct err *e);

#endif /* !BASE64_H */
