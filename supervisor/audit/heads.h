/*
 * heads.h: the list of signed heads of an audit directory.
 *
 * One file of audit lines (audit.h), each signed; docs/audit.md has them all:
 *
 *	{"seq":7,"prev":"…","time":"…","kind":"head","run":"…",
 *	 "tenant":"local","policy":"…","segment":"FILE","state":"closed",
 *	 "first":1,"before":"HASH","last":93,"head":"HASH","bytes":40311,
 *	 "key":"HASH","signature":"…"}
 *	{"seq":8, …,"kind":"pruned","first":5,"older":"2026-01-01T…", …}
 *
 * What is signed is the line before ,"signature": .  Where the first line is
 * not number 1, those before it were removed, and the last line of the kind
 * "pruned" says so: "first" is the number of the first one that was left.
 */
#ifndef HEADS_H
#define HEADS_H

#include "scan.h"
#include "seal.h"

enum {
	HEADS_NAME_MAX = 128, /* of a segment's file, with its NUL */
	HEADS_LINES_MAX = 1 << 20, /* of a list that is read */
	HEADS_TIME_SIZE = 32,
};

/* A line, read. */
struct heads_line {
	struct audit_head at; /* its own number and hash */
	uint64_t offset; /* where it begins */
	int pruned; /* 1: it says what was removed; then only first counts */
	char time[HEADS_TIME_SIZE];
	char run[64];
	char segment[HEADS_NAME_MAX];
	enum scan_state state;
	uint64_t first, last, bytes;
	char before[SHA256_HEX_SIZE], head[SHA256_HEX_SIZE];
};

/* The keys that are believed. */
struct heads_keys {
	struct seal *key[SEAL_KEYS_MAX];
	size_t n;
};

typedef int heads_fn(void *ctx, const struct heads_line *l, struct err *e);

/*
 * Read the list: chain, signatures and form of each line, which fn (may be
 * NULL) then gets.  ERR_CORRUPT with what is wrong, and where.  ret_last: the
 * last line, seq 0 if there is none.
 */
must_check int heads_read(int fd, const struct heads_keys *keys, heads_fn *fn,
    void *ctx, struct audit_head *ret_last, struct err *e);

/*
 * Add lines: take the list's lock, until fd is closed.  fd is O_RDWR and
 * O_APPEND.  ERR_CONFLICT where it is not the list any more (exchanged by
 * somebody who removed older lines): then open it again.
 */
must_check int heads_lock(int fd, struct audit *ret, struct err *e);
must_check int heads_add(struct audit *a, struct seal *key, const char *segment,
    const struct scan *s, struct err *e);
must_check int heads_add_pruned(struct audit *a, struct seal *key,
    uint64_t first, const char *older, struct err *e);

/*
 * Whether a file's name is a segment's: DATE-RUN.jsonl or DATE-RUN.N.jsonl;
 * the run's id into ret_run.
 */
int heads_is_segment(const char *name, char ret_run[64]);

#endif /* !HEADS_H */
