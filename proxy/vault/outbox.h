/*
 * outbox.h: messages to a peer that may be slow to read.
 *
 * A vault that waits for one proxy to read serves nobody, and its launcher
 * cannot end it in order.  So nothing blocks: what the socket does not take
 * waits here, in locked memory since it may be a token, and one message too
 * many is the end of the peer.
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stdint.h>
#include <sys/queue.h>

#include "err.h"

struct outbox_message;

TAILQ_HEAD(outbox_messages, outbox_message);

struct outbox {
	int fd; /* borrowed, non-blocking */
	unsigned n;
	struct outbox_messages waiting;
};

/* Makes fd non-blocking. */
must_check int outbox_init(struct outbox *o, int fd, struct err *e);
void outbox_finish(struct outbox *o);

/* Whether something waits for the socket to become writable. */
int outbox_waits(const struct outbox *o);

/*
 * Send, or keep a copy.  ERR_LIMIT beyond OUTBOX_MESSAGES_MAX, ERR_SYSTEM if
 * the peer is gone.
 */
must_check int outbox_send(struct outbox *o, uint32_t type, const void *body,
    size_t size, struct err *e);

/* The socket may take something. */
must_check int outbox_flush(struct outbox *o, struct err *e);

#endif /* !OUTBOX_H */
