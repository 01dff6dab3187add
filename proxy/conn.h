/*
 * conn.h: one connection of a jail, from its arrival to its end.
 */
#ifndef CONN_H
#define CONN_H

#include "guest.h"

struct reload;

struct conn_arrival {
	struct guest *guest;
	uint32_t role; /* enum proxy_role of the listener */
	int fd;
	struct net_address address; /* where the client wanted to go */
	uint32_t port;
};

/* Serve it; fd is taken, whatever happens. */
void conn_accept(const struct conn_arrival *a);

/* A tls_choose_fn: arg is the connection, whose host decides. */
must_check int conn_choose(void *arg, const char *name,
    const struct tls_identity **ret, struct err *e);

/* Ask for each of the guest's anew, and cut what may not go on: reload.h. */
void conn_renew(struct reload *r);

/* Close both sides at once. */
void conn_destroy(struct conn *c);

#endif /* !CONN_H */
