/*
 * tunnel.h: bytes between two connected sockets that nobody looks into.
 *
 * For "protocol: tcp" and spliced TLS.  Each direction has one buffer; while
 * it is full the sender is not read, so memory is bounded and the slower side
 * sets the pace.  An end of file is passed on as such (half-close), a reset
 * as a reset.
 */
#ifndef TUNNEL_H
#define TUNNEL_H

#include "buf.h"
#include "proxy.h"

struct tunnel;

struct tunnel_result {
	uint64_t sent_bytes, received_bytes; /* from a to b, from b to a */
	int reset; /* one side was: reset the other */
	const char *why; /* a constant text, for the log */
};

/* The tunnel has closed nothing; called from the loop, once. */
typedef void tunnel_fn(void *arg, const struct tunnel_result *r);

/*
 * Begin.  Both sockets are non-blocking and borrowed until fn is called or
 * tunnel_destroy().  What "first" holds (may be NULL) goes to b before what
 * is read from a; it is emptied.
 */
must_check int tunnel_create(struct loop *l, int a, int b, struct buf *first,
    tunnel_fn *fn, void *arg, struct tunnel **ret, struct err *e);
void tunnel_destroy(struct tunnel *r); /* NULL is fine */

/* So far. */
void tunnel_count(const struct tunnel *r, uint64_t *ret_sent,
    uint64_t *ret_received);

#endif /* !TUNNEL_H */
