/*
 * diag.h: what is wrong with a policy, a line each, with its place.
 *
 * The loader goes on after most errors, so that an author sees them all at
 * once.  Used in warder-config; the texts travel to the launcher as they are.
 */
#ifndef DIAG_H
#define DIAG_H

#include "msg_config.h"
#include "text.h"

/* More than this from one policy helps nobody. */
enum {
	DIAG_LINES_MAX = 50
};

struct diag_list {
	struct text text;
	unsigned count;
	char buf[CONFIG_TEXT_MAX];
};

struct diag {
	struct diag_list errors;
	struct diag_list warnings;
};

/* A place in a file; line 0 means the file as a whole. */
struct diag_place {
	const char *file;
	unsigned line;
	unsigned column;
};

void diag_init(struct diag *d);

/* "FILE:LINE:COL: text"; the file name and the text are escaped. */
void diag_error(struct diag *d, struct diag_place at, const char *fmt, ...)
    printf_like(3, 4);
void diag_warn(struct diag *d, struct diag_place at, const char *fmt, ...)
    printf_like(3, 4);

#endif /* !DIAG_H */
