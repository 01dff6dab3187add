/*
 * segment.h: the files of a run's audit log.
 *
 * The launcher makes them, since the proxy opens no file, and has each of
 * them signed once it is ended: by warder-audit, which reads what is in it
 * and adds a signed line to the directory's list of heads.  The key is that
 * program's; the proxy, whose bytes are signed, never has it.
 *
 *	STATE/audit/2026-01-31T120000Z-RUN.jsonl	the first segment
 *	STATE/audit/2026-01-31T120000Z-RUN.2.jsonl	the next one
 *	STATE/audit/heads.jsonl				signed heads of all
 *	STATE/audit/key
 *	STATE/audit/empty/				where helpers are
 *
 * A segment that is being written holds a shared flock(2), by its writer's
 * descriptor: so nobody else signs or removes it.
 */
#ifndef SEGMENT_H
#define SEGMENT_H

#include <stdint.h>
#include <sys/types.h>

#include "audit.h"
#include "err.h"

enum {
	SEGMENT_PATH_MAX = 4096,
	SEGMENT_NAME_MAX = 128,
	SEGMENT_STEM_MAX = 96, /* a date, a run's id */
	SEGMENT_TRIES = 3, /* of signing, beside others who do so */
};

/* One that is ended, or being written. */
struct segment {
	int fd; /* for reading; -1: there is none */
	char name[SEGMENT_NAME_MAX];
	char head[AUDIT_HEAD_SIZE]; /* "N:HASH" as its writer says, or "-" */
};

struct segments {
	const char *program; /* warder-audit; borrowed */
	char dir[SEGMENT_PATH_MAX];
	char stem[SEGMENT_STEM_MAX]; /* of the names */
	int empty; /* a directory with nothing in it, for helpers; -1 */
	unsigned n; /* that were made */
	unsigned unsigned_n; /* that could not be signed */
	struct segment now; /* being written */
	struct segment ended; /* the one before, whose head is to come */
	struct segment signing;
	pid_t signer; /* 0: none is at work */
};

/*
 * Find the place, and make it with its key where there is none.  Strings are
 * borrowed.
 */
must_check int segment_init(struct segments *s, const char *state_dir,
    const char *program, const char *run, struct err *e);

/* Make the next one; *ret_fd is for its writer. */
must_check int segment_open(struct segments *s, int *ret_fd, struct err *e);

/* Whether another one may be had now: -1 where its writer asks too early. */
int segment_is_wanted(const struct segments *s);

/*
 * The one before has ended, with this head; waits only for one that is still
 * being signed.  ERR_CORRUPT if there is none.
 */
must_check int segment_ended(struct segments *s, uint64_t lines,
    const unsigned char digest[SHA256_SIZE], struct err *e);

/*
 * The last one has too (lines 0: nobody knows how): sign what is left, wait
 * for it.  Its writer must be gone.
 */
void segment_finish(struct segments *s, uint64_t lines,
    const unsigned char digest[SHA256_SIZE]);

/* Nothing was written that is worth keeping. */
void segment_discard(struct segments *s);

/* The path of the one that is being written. */
int segment_path(const struct segments *s, char *ret, size_t size);

#endif /* !SEGMENT_H */
