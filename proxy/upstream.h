/*
 * upstream.h: requests to the world, by libcurl on the loop.
 *
 * Runs in warder-proxy.  A call is one request, already judged and
 * written in full, to one vetted address: no redirect, no cookie, no netrc,
 * no proxy, no name resolved, and the address is compared once more when the
 * socket is opened.  TLS is verified for the destination's name.  Connections
 * are kept for reuse inside a pool, and a pool belongs to one jail, one
 * service and one set of credentials.
 *
 * The response's head is libcurl's raw lines, read again by http1.h; the body
 * is what was on the wire, chunks and all, for the caller to decode.  What
 * one of the two would read in another way than the other ends the call.
 */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#include "guest.h"
#include "http1.h"
#include "reach.h"

struct upstream; /* of the proxy: the system's authorities, a handle's ways */
struct upstream_pool;
struct upstream_call;

enum {
	UPSTREAM_LATER = -1, /* nothing now: call me when I say so */
	UPSTREAM_STOP = -2, /* end the call */
};

struct upstream_end {
	int good; /* the response is whole */
	int unreached; /* nothing was sent: another address may do */
	int unverified; /* the certificate or the handshake was refused */
	const char *why; /* of a failure; until the call returns */
};

/*
 * The callbacks come from the loop, never from inside a call of this file,
 * and must not destroy a pool.
 */
struct upstream_events {
	/*
	 * Up to n bytes of the request's body: how many, 0 at its end,
	 * UPSTREAM_LATER (then upstream_send()) or UPSTREAM_STOP.
	 */
	long (*body)(void *arg, void *p, size_t n);
	/* Behind the end of a chunked one: its trailers, borrowed. */
	const struct http1_head *(*trailers)(void *arg);
	/* The final response's head, borrowed: 0, or UPSTREAM_STOP. */
	int (*head)(void *arg, struct http1_head *head);
	/*
	 * Raw bytes of the response's body: 0 if all are taken,
	 * UPSTREAM_LATER if none are (then upstream_receive()), or
	 * UPSTREAM_STOP.
	 */
	int (*data)(void *arg, const void *p, size_t n);
	/* The last call; the call is gone. */
	void (*done)(void *arg, const struct upstream_end *end);
	void *arg;
};

struct upstream_request {
	struct upstream_pool *pool;
	const char *host; /* of URL, certificate and SNI; canonical */
	uint32_t port;
	int tls;
	struct reach_target target;
	const struct http1_head *head; /* without framing; borrowed */
	enum http1_framing framing; /* NONE, LENGTH or CHUNKED */
	uint64_t length;
	struct upstream_events events;
};

/*
 * Reads the system's authorities: before the filter.  kept: connections that
 * are kept between calls, of all pools.
 */
must_check int upstream_create(struct loop *l, unsigned kept,
    struct upstream **ret, struct err *e);

/*
 * kept: how many connections the pools of its jail keep, borrowed; at most
 * PROXY_KEPT_JAIL.  Where another one is wanted, the oldest of the same pool
 * goes, otherwise those of the pool that was used least recently.  ca: PEM of the
 * authorities that the service trusts, or NULL for the system's; copied.
 */
must_check int upstream_pool_create(struct upstream *u, unsigned *kept,
    const void *ca, size_t ca_size, struct upstream_pool **ret, struct err *e);
/* Ends its calls without a word; NULL is fine. */
void upstream_pool_destroy(struct upstream_pool *p);

/* Whether it has no call, and none that is just being told of its end. */
int upstream_pool_is_idle(const struct upstream_pool *p);

must_check int upstream_start(const struct upstream_request *r,
    struct upstream_call **ret, struct err *e);

/* No callback comes after this; NULL is fine. */
void upstream_cancel(struct upstream_call *c);

/* There is more of the body; there is room for the response again. */
void upstream_send(struct upstream_call *c);
void upstream_receive(struct upstream_call *c);

#endif /* !UPSTREAM_H */
