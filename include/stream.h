/*
 * stream.h: a client's connection as two bounded buffers, TLS or plain.
 *
 * For the proxy and the API.  The owner takes from "in" and appends to "out";
 * the stream moves bytes between them and the socket, reads no more than fits
 * and only while the owner wants to read.  The owner is told (fn) from the
 * loop, never from inside one of its own calls, and may destroy the stream
 * there.
 */
#ifndef STREAM_H
#define STREAM_H

#include "buf.h"
#include "loop.h"
#include "tls.h"

enum {
	STREAM_BUFFER_BYTES = 64 * 1024, /* read ahead; and before writing */
	STREAM_OUT_MAX = 4 * STREAM_BUFFER_BYTES, /* a head, a record above */
};

typedef void stream_fn(void *arg);

struct stream {
	/* for the owner */
	struct buf in; /* read and not yet taken; STREAM_BUFFER_BYTES */
	struct buf out; /* to be written; bounded by the owner's manners */
	int eof; /* the peer sends no more */
	int broken; /* nothing goes any more, either way */
	int secure; /* the TLS handshake is done */
	uint64_t moved; /* bytes, both ways: for idle times */
	/*
	 * The owner sets it: fn is called once when out holds fewer bytes
	 * than this, though nothing else has happened.  0: it is not.
	 */
	size_t below;

	/* private */
	struct loop *loop;
	int fd;
	struct tls *tls;
	struct loop_fd *watch;
	struct loop_call *call, *soon;
	stream_fn *fn;
	void *arg;
	int reading;
	int shut; /* to be shut down once out is empty; 2: it was */
	unsigned also; /* what TLS waits for besides */
	int more; /* TLS may hold bytes that make no descriptor readable */
	int told; /* fn has seen broken */
	char *why; /* of broken; NULL: no memory for it */
	int *gone; /* set while fn runs: it may destroy the stream */
};

/* fd (taken) is connected and non-blocking.  Reads from the beginning. */
must_check int stream_create(struct loop *l, int fd, stream_fn *fn, void *arg,
    struct stream **ret, struct err *e);
void stream_destroy(struct stream *s); /* closes; NULL is fine */

/* Send a reset instead of an orderly end, then destroy. */
void stream_reset(struct stream *s);

/*
 * Take it apart: its descriptor and what it has read (the caller finishes
 * ret_in) are the caller's, the stream is gone.  Only without TLS, and when
 * out is empty.
 */
int stream_take(struct stream *s, struct buf *ret_in);

/*
 * Become TLS: what is in "in" is the beginning of the handshake.  fn is
 * called when it is done (secure) or has failed (broken).  arg is for the
 * server's choose.
 */
must_check int stream_secure(struct stream *s, struct tls_server *server,
    void *arg, struct err *e);

/* What broke it, "" where that is not known. */
const char *stream_why(const struct stream *s);

/* Whether more is to be read (1, as at first) or not (0). */
void stream_read(struct stream *s, int on);

/*
 * To be called after "in" was taken from or "out" appended to outside of fn:
 * writes what goes at once, and waits for the rest.
 */
void stream_flush(struct stream *s);

/* The same at the end of this turn of the loop, with whatever comes besides. */
void stream_flush_soon(struct stream *s);

/* Nothing is expected for a while: hold no memory for it. */
void stream_rest(struct stream *s);

/* Call fn on the loop's next turn. */
void stream_again(struct stream *s);

/* Send no more than what is in out; the other direction stays. */
void stream_shut(struct stream *s);

/* 1 while a body's bytes may be appended to out. */
static inline int
stream_has_room(const struct stream *s)
{
	return buf_size(&s->out) < STREAM_BUFFER_BYTES;
}

#endif /* !STREAM_H */
