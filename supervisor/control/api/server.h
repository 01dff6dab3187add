/*
 * server.h: the API's listeners and the bounds of all that they bring.
 *
 * Run by warder-control on hostile bytes.  What one client does must not
 * slow another: connections are counted in all and for each address, and all
 * bodies and answers together have one budget of memory.  What is above a
 * bound is refused at once, with the reason and when to come back.
 */
#ifndef API_SERVER_H
#define API_SERVER_H

#include <sys/queue.h>

#include "api.h"
#include "peer.h"

struct api_conn;
struct api_listener;

TAILQ_HEAD(api_conns, api_conn);

/* Read by connections, changed by server.c but for counts. */
struct api_server {
	struct api *api;
	struct peers *peers;
	struct tls_identity *identity;
	struct tls_server *tls; /* NULL: no listener has it */
	struct api_listener *listeners[API_LISTENERS_MAX];
	unsigned nlisteners;
	struct api_conns conns;
	unsigned nconns;
	uint64_t held_bytes; /* by bodies and answers */
	unsigned arrived; /* since memory was given back last */
	struct loop_timer *rest;
	unsigned rests; /* that still come: it is set */
	int draining;
};

struct api_server_options {
	struct api *api; /* its config is used until the end */
	struct tls_bytes chain, key; /* PEM; size 0: no TLS */
};

must_check int api_server_create(const struct api_server_options *o,
    struct api_server **ret, struct err *e);
void api_server_destroy(struct api_server *s); /* and all connections */

/* Accept from a listening socket, which is taken; tls needs a chain. */
must_check int api_server_listen(struct api_server *s, int fd, int tls,
    struct err *e);

/* Accept nothing more; close what is idle, and the others as they end. */
void api_server_drain(struct api_server *s);

/* Take n bytes out of the budget (-1: there are not so many), or give back. */
must_check int api_server_hold(struct api_server *s, size_t n);
void api_server_release(struct api_server *s, size_t n);

#endif /* !API_SERVER_H */
