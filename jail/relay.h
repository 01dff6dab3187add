/*
 * relay.h: bytes between a caller's standard descriptors and a jail's.
 *
 * Runs in the launcher.  The jail never holds a descriptor of the caller's:
 * a file behind an inherited descriptor can be reopened, truncated and
 * forged.  A stream reads only when what it read before has been written, so
 * a slow reader stops the jail and not us, and memory stays bounded.
 */
#ifndef RELAY_H
#define RELAY_H

#include <poll.h>
#include <stdint.h>

#include "err.h"

enum {
	RELAY_STREAMS = 3,
	RELAY_BUFFER = 64 * 1024
};

struct relay_stream {
	int from; /* -1: ended */
	int to; /* -1: nobody takes it any more */
	int own_from, own_to; /* 1: closed by us when done */
	/* In place of "to": takes every byte at once. */
	void (*sink)(void *ctx, int stream, const void *bytes, size_t size);
	void *ctx;
	int atomic; /* write no more at once than a pipe takes whole */
	int error; /* why not all bytes arrived; 0: they did */
	int terminal; /* the end of the input is a key there */
	size_t have, done; /* bytes in buf, bytes of them written */
	uint64_t total; /* bytes read */
	unsigned char buf[RELAY_BUFFER];
};

struct relay {
	struct relay_stream streams[RELAY_STREAMS]; /* in, out, err */
	uint64_t left; /* bytes that may still come out */
	int met_limit; /* more than that wanted to */
};

/*
 * limit: bytes that come out of the jail, both streams together; exactly
 * those are passed on, and what follows is read and dropped.  0: no limit.
 */
void relay_init(struct relay *r, uint64_t limit);

/*
 * Set stream i.  The descriptor of ours is non-blocking and owned; the
 * caller's is borrowed, and never made non-blocking, since that would reach
 * everybody who shares it.
 */
void relay_set_in(struct relay *r, int caller, int ours);
void relay_set_out(struct relay *r, int i, int ours, int caller);

/* Bytes of stream i go to a function; ours is taken. */
void relay_set_sink(struct relay *r, int i, int ours,
    void (*sink)(void *ctx, int stream, const void *bytes, size_t size),
    void *ctx);

/* Fill p[RELAY_STREAMS] with what each stream waits for. */
void relay_poll(const struct relay *r, struct pollfd *p);

/* Do what poll said; returns the bytes that moved. */
size_t relay_step(struct relay *r, const struct pollfd *p);

/* Whether output may still come. */
int relay_open(const struct relay *r);

/*
 * The error by which output was lost; 0: none was.  A reader that has gone is
 * no error: the jail gets to know of it.
 */
int relay_error(const struct relay *r);

/* Whether the jail wrote more than the limit. */
int relay_met_limit(const struct relay *r);

/* Bytes that came out of the jail, both streams; at most the limit. */
uint64_t relay_output(const struct relay *r);

void relay_finish(struct relay *r);

#endif /* !RELAY_H */
