/*
 * buf.h: a byte queue that grows up to a hard maximum.
 *
 * For input that comes in pieces and output that drains in pieces.  Bytes
 * are appended at the end and consumed from the front; memory comes with the
 * first byte.  Not for processes that must not allocate.
 */
#ifndef BUF_H
#define BUF_H

#include "err.h"

struct buf {
	unsigned char *data; /* NULL until something is appended */
	size_t start; /* first byte in use */
	size_t end; /* one past the last byte in use */
	size_t room; /* allocated */
	size_t max; /* of end - start */
};

/* Empty, holding at most max bytes (max > 0); allocates nothing. */
void buf_init(struct buf *b, size_t max);

/* Free the memory; the buffer is empty and usable again. */
void buf_finish(struct buf *b);

#define autobuf cleanup(buf_finish) struct buf

/* What is held: valid until the next call that is not const. */
const void *buf_bytes(const struct buf *b);
size_t buf_size(const struct buf *b);

/*
 * Append n bytes.  ERR_LIMIT if more than max bytes would be held,
 * ERR_SYSTEM if there is no memory; then nothing is appended.
 */
must_check int buf_append(struct buf *b, const void *p, size_t n,
    struct err *e);

/*
 * Make room for n more bytes at the end and point *ret at it, so that read(2)
 * can fill it; errors as above.  buf_commit() then appends the first n of
 * them, no more than were reserved.
 */
must_check int buf_reserve(struct buf *b, size_t n, unsigned char **ret,
    struct err *e);
void buf_commit(struct buf *b, size_t n);

/* Drop n bytes from the front, no more than are held. */
void buf_consume(struct buf *b, size_t n);

#endif /* !BUF_H */
