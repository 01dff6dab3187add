/*
 * handover.h: a program's state, over an execve(2) of its successor.
 *
 * The same calls in the same order write it and, in the program that was
 * executed in place, read it: whoever has state has one function for both.
 * It lies in a sealed memfd, and descriptors keep their numbers:
 *
 *	header	magic, version, size, how many descriptors, SHA-256 of the rest
 *	blocks	a name and a size each, and their bytes
 *	list	the descriptors that go over, ascending
 *
 *	handover_begin ──► (carry) ──► handover_seal ──► handover_try
 *	──► handover_expose ──► handover_exec
 *	handover_open  ──► (carry) ──► handover_end
 *
 * What is read is judged like a stranger's, though we have written it: a
 * successor of another layout must notice.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "sha256.h"

enum {
	HANDOVER_VERSION = 1, /* of the meaning of any block of any program */
	HANDOVER_FDS_MAX = 1 << 20, /* numbers, not how many */
	HANDOVER_BYTES_MAX = 256 * 1024 * 1024,
	HANDOVER_NAME_SIZE = 8,
	HANDOVER_ARGS_MAX = 64,
};

struct handover {
	int reading; /* 1: the successor */
	int trial; /* 1: it only tries to read it: no descriptor is there */
	int fd; /* the memfd */
	const unsigned char *p; /* reading: its bytes */
	size_t have; /* reading: of these */
	size_t size, at; /* of the blocks */
	uint32_t nfds; /* writing: that go over; reading: not taken yet */
	struct sha256 sum;
	unsigned char goes[HANDOVER_FDS_MAX / 8]; /* a bit each */
};

must_check int handover_begin(struct handover *h, struct err *e);

/* Takes fd; ERR_CORRUPT for what is not whole or of another version. */
must_check int handover_open(struct handover *h, int fd, int trial,
    struct err *e);

/*
 * Write size bytes, or read as many; name: at most 7 letters.  ERR_CORRUPT if
 * what comes is another block, or of another size.
 */
must_check int handover_block(struct handover *h, const char *name, void *p,
    size_t size, struct err *e);

/*
 * A descriptor, whose number a block has carried; -1 is none.  Writing: it
 * goes over.  Reading: it has come, is of that kind (S_IFSOCK, …; 0: any),
 * is nobody else's, and is CLOEXEC again.
 */
must_check int handover_fd(struct handover *h, const int *fd, mode_t kind,
    struct err *e);

/* Reading: a child of ours, ended or not; 0 is none. */
must_check int handover_child(const struct handover *h, pid_t pid,
    struct err *e);

/* Writing: that was all. */
must_check int handover_seal(struct handover *h, struct err *e);

/*
 * 1: exactly what goes over, and the memfd, stays open over an execve(2);
 * 0: nothing does, again.
 */
must_check int handover_expose(const struct handover *h, int on, struct err *e);

/* The successor, and how it is told of the state. */
struct handover_program {
	const char *path;
	char *
	    *argv; /* what we were called with; "resume" and a number follow */
	int argc;
	const char *resume; /* its option, with the memfd's number */
	const char *trial; /* its option to read the state, and stop with 0 */
};

/*
 * Fill in the first three from main()'s, borrowed: what lies then at the path
 * that we were started by.  resumed: the last two are what was added.
 */
void handover_program(struct handover_program *p, int argc, char **argv,
    int resumed);

/*
 * Whether it can read the sealed state: a process of its own tries, which has
 * no other descriptor of ours but the first three.  ERR_INVALID, and standard
 * error has its reason.
 */
must_check int handover_try(const struct handover *h,
    const struct handover_program *p, int timeout_ms, struct err *e);

/* Become it, exposed before.  Returns -1, or not at all. */
int handover_exec(const struct handover *h, const struct handover_program *p,
    int trial, struct err *e);

/* Reading: ERR_CORRUPT unless all was read, and every descriptor taken. */
must_check int handover_end(struct handover *h, struct err *e);

/* Let go of the memfd; accepts one that is zeroed. */
void handover_drop(struct handover *h);

#endif /* !HANDOVER_H */
