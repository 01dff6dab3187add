/*
 * lines.h: messages of one line each, over a socket or a pipe to a jail.
 *
 * Run by warder-control.  Lines come in whole, without their newline, each
 * bounded; lines go out through one bounded buffer.  The peer is hostile: one
 * that sends an endless line, or reads nothing of what it asked for, is cut
 * off and nobody else notices.  A reader that cannot take more says so, the
 * peer then stops at a full socket.  The process ignores SIGPIPE.
 */
#ifndef AGENT_LINES_H
#define AGENT_LINES_H

#include "buf.h"
#include "err.h"
#include "loop.h"

struct lines;

struct lines_ops {
	/*
	 * One line, borrowed.  May call lines_read(), lines_send(), and
	 * lines_destroy(), after which nothing more is called.
	 */
	void (*line)(void *arg, const char *p, size_t n);
	/*
	 * The last call: end of file (why NULL), or what went wrong.  An
	 * unended last line came before it as a line.
	 */
	void (*end)(void *arg, const struct err *why);
};

struct lines_options {
	size_t line_max; /* bytes of a line, without its newline */
	/*
	 * 0: a longer line is ERR_LIMIT and the end.  1: its beginning is
	 * given as a line and the rest is dropped (logs).
	 */
	int cuts;
	size_t out_max; /* bytes that wait to be written */
};

/*
 * fd (taken also on failure; non-blocking is set here) may be a socket, or a
 * pipe's end for one direction.  Reads from the beginning.
 */
must_check int lines_create(struct loop *l, int fd,
    const struct lines_options *o, const struct lines_ops *ops, void *arg,
    struct lines **ret, struct err *e);
void lines_destroy(struct lines *l); /* closes; NULL is fine */

/*
 * Send n bytes and a newline.  ERR_LIMIT when more than out_max would wait:
 * the peer does not read, and nothing of it was taken.
 */
must_check int lines_send(struct lines *l, const void *p, size_t n,
    struct err *e);

/* Send no more once all is written: the peer sees the end of its input. */
void lines_shut(struct lines *l);

/* Whether more is to be read (1, as at first) or not (0). */
void lines_read(struct lines *l, int on);

/*
 * Read what is there already, and give its whole lines out before this
 * returns; not from inside its own ops.
 */
void lines_catch_up(struct lines *l);

#endif /* !AGENT_LINES_H */
