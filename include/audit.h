/*
 * audit.h: an append-only log whose lines are chained by their hashes.
 *
 * Written by warder-proxy (later by others), checked and signed by
 * warder-audit.  A log is one segment or several, each a file of JSON lines:
 *
 *	{"seq":1,"prev":"000…","time":"2026-01-31T12:00:00.123Z","kind":"open",
 *	 "run":"…","policy":"sha256:…", …}
 *	{"seq":2,"prev":"SHA-256 of line 1 with its newline","time":…,"kind":…}
 *	…
 *	{"seq":N,"prev":"…","time":…,"kind":"next", …}
 *
 *	{"seq":N+1,"prev":"of line N","time":…,"kind":"open","segment":2, …}
 *	…
 *	{"seq":M,"prev":"…","time":…,"kind":"close", …}
 *
 * Nothing can be changed, taken out or put in without every later line
 * showing it; what is cut off at the end shows by the missing "next" or
 * "close", or by a head (number and hash of the last line) that was kept
 * elsewhere.  Who can write the whole file anew can make another chain: so
 * heads are signed by somebody else, and worth keeping off the host.
 *
 * A line, or several that tell of one thing, is one write(2), on the disk's
 * way before what it tells of happens.  If it cannot be written whole, the segment has failed and takes no more, and
 * whoever wanted it must not act.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include <stdint.h>

#include "sha256.h"
#include "text.h"

enum {
	AUDIT_LINE_MAX = 8192, /* bytes with the newline */
	AUDIT_LINES_BYTES = 2 * AUDIT_LINE_MAX, /* written at once */
	AUDIT_HEAD_SIZE = 160, /* room that seq, prev, time and kind take */
	AUDIT_KIND_SIZE = 16, /* of a kind, with its NUL */
};

/* The number and the hash of a line. */
struct audit_head {
	uint64_t seq; /* 0: there is none yet */
	unsigned char digest[SHA256_SIZE];
};

struct audit {
	int fd; /* borrowed; opened O_APPEND, empty */
	struct audit_head head;
	uint64_t bytes; /* of the lines that were written */
	int failed; /* errno of the write that did not succeed */
};

/* A log that begins in the empty file fd. */
void audit_init(struct audit *a, int fd);

/*
 * It goes on in the empty file fd, after "next" has ended the segment before
 * it; the next line is to be "open".  What has failed stays so.
 */
void audit_continue(struct audit *a, int fd);

/* A line under construction, after those that are written with it. */
struct audit_line {
	struct audit *audit;
	struct audit_head head; /* of the line before it */
	size_t start; /* where it begins */
	struct text text;
	char buf[AUDIT_LINES_BYTES];
};

/*
 * Begin a line of a kind (a word of the program's), add members, end it.
 * Names are constants of the program; values are escaped.  A line without
 * "open" before it is the caller's defect.
 */
void audit_begin(struct audit_line *l, struct audit *a, const char *kind);
void audit_add(struct audit_line *l, const char *name, const char *value);
void audit_add_int(struct audit_line *l, const char *name, uint64_t value);
/* An object, an array: what it is made of is JSON already. */
void audit_add_json(struct audit_line *l, const char *name, const char *json);

/*
 * Begin another line that is written with this one, or after it where there
 * is no room for both; errors as of audit_end, and then nothing follows.
 */
must_check int audit_and(struct audit_line *l, const char *kind, struct err *e);

/*
 * Write it.  ERR_LIMIT for a line that is too long, ERR_SYSTEM when it cannot
 * be written; the segment has then failed, and every later call fails too.
 */
must_check int audit_end(struct audit_line *l, struct err *e);

/* ---- checking ---- */

/* Whether a segment is whole, as far as it has been read. */
struct audit_check {
	struct audit_head head; /* of the last line */
	struct audit_head before; /* what the first line says it comes after */
	int anywhere; /* the first line may be of any kind */
	int begun;
	int closed; /* the last line was "close" */
	int continued; /* the last line was "next" */
};

/* A segment, of a log's beginning or not. */
void audit_check_init(struct audit_check *c);

/* A file of such lines that has neither beginning nor end. */
void audit_check_init_part(struct audit_check *c);

/*
 * The next line, n bytes with its newline.  ERR_CORRUPT with what is wrong:
 * not a line of this form, a number out of turn, another line before it than
 * it says, something behind the end.  Hostile bytes.
 */
must_check int audit_check_line(struct audit_check *c, const char *line,
    size_t n, struct err *e);

/*
 * The kind of a line that was checked, into ret (with its NUL); a longer one
 * is none of ours, and "".
 */
void audit_line_kind(const char *line, size_t n, char ret[AUDIT_KIND_SIZE]);

/*
 * The value of a member whose name and string are the program's own: the
 * first "NAME":"VALUE" of the line, where VALUE is of letters, digits and
 * -_.:/+= alone.  -1 if there is none, or it has no room in size bytes.
 */
must_check int audit_line_word(const char *line, size_t n, const char *name,
    char *ret, size_t size);
must_check int audit_line_number(const char *line, size_t n, const char *name,
    uint64_t *ret);

#endif /* !AUDIT_H */
