/*
 * synthetic.h: the addresses that stand for names inside one jail.
 *
 * Runs in warder-proxy.  A name that the policy allows gets the next number
 * when it is first asked for, and keeps it as long as the jail lives.  Number
 * n is an IPv4 address and an IPv6 one:
 *
 *	198.18.0.0/15 + 1 + n		(RFC 2544, never routed; always blocked
 *					 as a destination in the world)
 *	fd57:6172:6465:7200::/64 + 1 + n	(RFC 4193)
 *
 * They mean something in that jail alone: what connects to one is a
 * connection to the name.
 */
#ifndef SYNTHETIC_H
#define SYNTHETIC_H

#include <stdint.h>

#include "err.h"
#include "plan_net.h"

enum {
	SYNTHETIC_NAMES_MAX = 4096, /* a jail; about a megabyte at most */
};

struct synthetic;

/*
 * Empty.  key is random and unknown to the jail, so that it cannot choose
 * names that make looking up slow.
 */
must_check int synthetic_create(uint64_t key, struct synthetic **ret,
    struct err *e);
void synthetic_destroy(struct synthetic *s); /* accepts NULL */

/*
 * The number of a canonical host; a new one gets the next.  ERR_LIMIT when
 * all are given away.
 */
must_check int synthetic_number(struct synthetic *s, const char *host,
    uint32_t *ret, struct err *e);

/* The address of a number, family 4 or 6. */
void synthetic_address(uint32_t number, uint32_t family,
    struct net_address *ret);

/* The name that an address stands for, borrowed from s; NULL: none. */
const char *synthetic_host(const struct synthetic *s,
    const struct net_address *a);

#endif /* !SYNTHETIC_H */
