/*
 * text.h: bounded text, for bytes that may be hostile.
 *
 * Any process may use it, also between clone and exec: it needs libc alone,
 * allocates nothing and blocks nowhere.  What it parses are numbers, sizes
 * and times of policies and command lines; what it writes is safe to show on
 * a terminal, to log, or to put into JSON.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

#include "err.h"

enum {
	TEXT_PATH_MAX = 4096, /* bytes of a path with its NUL: PATH_MAX */
	TEXT_WORD_MAX = 64, /* bytes of a word that text_nearest compares */
};

/*
 * A string under construction in the caller's buffer: always ended by a NUL,
 * never longer than size - 1.  What does not fit sets "truncated", makes the
 * text end in "...", and every later addition is ignored; so a caller adds
 * and adds, and looks once at the end.
 */
struct text {
	char *buf;
	size_t size;
	size_t len;
	int truncated;
};

/* Borrows buf (size > 0 bytes) for as long as t is used. */
void text_init(struct text *t, char *buf, size_t size);

void text_add(struct text *t, const char *s);
void text_add_bytes(struct text *t, const void *p, size_t n);
void text_addf(struct text *t, const char *fmt, ...) printf_like(2, 3);

/*
 * Add bytes of unknown origin for a person to read.  Control characters (C0,
 * DEL, C1), characters that change the direction or the visibility of others
 * (U+202E and its kin) and bytes that are not UTF-8 become \xNN, a byte
 * each.  A backslash stays as it is, so escaping twice changes nothing.
 */
void text_add_escaped(struct text *t, const char *s);
void text_add_escaped_bytes(struct text *t, const void *p, size_t n);

/*
 * Add a JSON string with its quotes.  The same characters become \uNNNN;
 * each byte that is not UTF-8 becomes U+FFFD.  Truncated, it is not JSON any
 * more: look at "truncated" before you send it.
 */
void text_add_json(struct text *t, const char *s);
void text_add_json_bytes(struct text *t, const void *p, size_t n);

/* Add 4GiB, 90s, 1.5: the shortest form that text_parse_* reads back. */
void text_add_size(struct text *t, uint64_t bytes);
void text_add_duration(struct text *t, uint64_t ms);
void text_add_milli(struct text *t, uint64_t milli);

/* Add milliseconds since 1970 as 2026-11-20T21:21:25.332Z (UTC). */
void text_add_time(struct text *t, uint64_t ms);

/* text_add_escaped_bytes into buf (size > 0); returns 1 if truncated. */
int text_escape(char *buf, size_t size, const void *p, size_t n);

/*
 * The length (1 to 4) of the UTF-8 sequence at p, of which n bytes are
 * there, and its character; 0 if it is malformed, overlong, a surrogate,
 * above U+10FFFF or cut off.  ret_char may be NULL.
 */
size_t text_utf8_length(const void *p, size_t n, uint32_t *ret_char);

/* Whether all n bytes are UTF-8 (a NUL is). */
int text_is_utf8(const void *p, size_t n);

/* Whether a character would be escaped by text_add_escaped. */
int text_is_unsafe(uint32_t c);

/*
 * Parse the whole of s, strictly: decimal digits, no sign, no space, no
 * leading zero, no empty string, at most max.  ERR_INVALID says what is
 * accepted (and shows s escaped).
 *
 *	text_parse_u64		0, 17
 *	text_parse_size		0, 512B, 4KiB, 64MiB, 1GiB, 2TiB (bytes)
 *	text_parse_duration	0, 250ms, 30s, 10m, 2h, 7d (milliseconds)
 *	text_parse_milli	1, 0.5, 2.125 (thousandths)
 */
must_check int text_parse_u64(const char *s, uint64_t max, uint64_t *ret,
    struct err *e);
must_check int text_parse_size(const char *s, uint64_t max_bytes,
    uint64_t *ret_bytes, struct err *e);
must_check int text_parse_duration(const char *s, uint64_t max_ms,
    uint64_t *ret_ms, struct err *e);
must_check int text_parse_milli(const char *s, uint64_t max_milli,
    uint64_t *ret_milli, struct err *e);

/*
 * For "did you mean": offer each known name in turn, then read "best", which
 * is NULL if no name is near.  Borrows word and the names.  Letter case
 * counts for nothing; swapped neighbours count as one mistake,
 * and so does a name that breaks off after three letters or more.
 */
struct text_guess {
	const char *word;
	const char *best;
	unsigned distance;
};

void text_guess_init(struct text_guess *g, const char *word);
void text_guess_offer(struct text_guess *g, const char *name);

/* The same over one table of names; NULL if none is near. */
const char *text_nearest(const char *word, const char *const names[],
    size_t count);

/*
 * Make path absolute and canonical, by its text alone: relative to dir
 * (itself absolute) unless it begins with a slash; "." and empty components
 * vanish, ".." takes the component before it (at the root, nothing); no
 * slash at the end.  No file is looked at, so ".." after a symbolic link
 * names another place than the kernel would.  ERR_INVALID if path is empty
 * or dir not absolute, ERR_LIMIT if the result has no room in size bytes or
 * an input exceeds TEXT_PATH_MAX.
 */
must_check int text_path(const char *dir, const char *path, char *ret,
    size_t size, struct err *e);

/* Whether path is what text_path would return for it. */
int text_path_is_canonical(const char *path);

/* Whether the canonical path is dir or lies below it. */
int text_path_within(const char *path, const char *dir);

#endif /* !TEXT_H */
