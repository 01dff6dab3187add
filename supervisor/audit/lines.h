/* lines.h: a file of audit lines, one after the other, in bounded memory. */
#ifndef LINES_H
#define LINES_H

#include <stdint.h>

#include "audit.h"

struct lines {
	int fd; /* borrowed */
	uint64_t line; /* the number of the one that was returned, from 1 */
	uint64_t bytes; /* before it */
	/* private */
	size_t start, end, last;
	char buf[2 * AUDIT_LINE_MAX];
};

/* From the beginning of fd on; its offset is not used. */
void lines_init(struct lines *l, int fd);

/*
 * 1 with a line, borrowed until the next call: with its newline, or without
 * at the end of the file, or where it is too long; 0 at the end; -1.
 */
must_check int lines_next(struct lines *l, const char **ret, size_t *ret_n,
    struct err *e);

#endif /* !LINES_H */
