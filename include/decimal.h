/*
 * decimal.h: a number as text for whoever must not call the C library: the
 * stages between clone and exec.  Others have text.h.
 */
#ifndef DECIMAL_H
#define DECIMAL_H

#include <stdint.h>

enum {
	DECIMAL_MAX = 20 /* digits of 2^64 - 1 */
};

/*
 * Write v's digits so that they end just before "end", which has room for
 * DECIMAL_MAX bytes in front of it; returns the first digit.  No NUL.
 */
static inline char *
decimal_before(char *end, uint64_t v)
{
	do
		*--end = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	return end;
}

#endif /* !DECIMAL_H */
