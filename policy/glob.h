/*
 * glob.h: the patterns of rules.
 *
 * In a path "*" stands for any characters within a segment, "**" for one
 * segment or more; in a value "*" for any characters.  There is nothing else.
 * Each walk remembers one star, so its time is the product of the lengths at
 * worst, both bounded.  Pure; libc only.
 */
#ifndef GLOB_H
#define GLOB_H

#include "base.h"

enum glob_reading {
	/*
	 * For what lets through: an escape is equal to the same escape alone,
	 * and %2F to a pattern's own %2F, never to a star.
	 */
	GLOB_NARROW,
	/*
	 * For what refuses: an escape is equal to the character it stands for,
	 * and a star takes everything, since a server may decode more.
	 */
	GLOB_WIDE,
};

/* Does a canonical path match a pattern (itself a canonical path)? */
int glob_path(const char *pattern, const char *path, enum glob_reading how);

/*
 * Does a query parameter's value, as it is in the URL (n bytes, %XX and "+"
 * to be decoded), match a pattern of plain text?
 */
int glob_value(const char *pattern, const char *value, size_t n);

/* Is a parameter's name, as it is in the URL, this plain text? */
int glob_name(const char *name, const char *s, size_t n);

#endif /* !GLOB_H */
