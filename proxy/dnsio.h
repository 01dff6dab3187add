/*
 * dnsio.h: a jail's DNS queries, in and out; dns.h answers them.
 *
 * UDP answers leave from the address that was asked.  TCP is served on
 * loopback, a few connections at a time: the oldest makes room.
 */
#ifndef DNSIO_H
#define DNSIO_H

#include "guest.h"

struct dnsio; /* of a jail */

must_check int dnsio_create(struct guest *g, struct dnsio **ret, struct err *e);
void dnsio_destroy(struct dnsio *d); /* NULL is fine */

/* The jail's kernel has IPv6. */
void dnsio_has_ipv6(struct dnsio *d);

/* Datagrams wait at a listener's socket: answer some of them. */
void dnsio_receive(struct dnsio *d, int fd);

/* A connection of TCP; fd is taken. */
void dnsio_accept(struct dnsio *d, int fd);

/* The name that an address stands for, borrowed; NULL: none. */
const char *dnsio_name(const struct dnsio *d, const struct net_address *a);

#endif /* !DNSIO_H */
