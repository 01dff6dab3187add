/*
 * net.h: what the parts of the jail's network share.
 *
 * Stage one runs all of it, in the namespace that it has made and owns: the
 * jail's own user namespace lies inside, so nothing in the jail, with
 * whatever capabilities it may have there, can change an address, a route, a
 * rule or a listener.
 */
#ifndef NET_H
#define NET_H

#include <stdint.h>

#include "netlink.h"
#include "stage.h"

enum {
	NET_NO_IPV6 = 1 << 0, /* messages that are left out without IPv6 */
};

/*
 * Where the rules send connections, and the transparent listeners listen: an
 * address that belongs to nobody, so that loopback keeps its port, and a
 * port that no program in the jail may bind.
 */
#define NET_CAPTURE_PORT 1
#define NET_CAPTURE_IPV4 "\xc0\x00\x02\x01" /* 192.0.2.1 */
#define NET_CAPTURE_IPV6                   \
	"\x20\x01\x0d\xb8\x00\x00\x00\x00" \
	"\x00\x00\x00\x00\x00\x00\x00\x01" /* 2001:db8::1 */

struct net_table {
	const struct netlink_op *ops;
	size_t n;
};

/* net_rules.c: lo and the routes; the rule set. */
extern const struct net_table net_rules_route;
extern const struct net_table net_rules_filter;
extern const struct net_table net_rules_ports; /* routes for net_ports.c */

/*
 * net_ports.c: route the ports that the policy names, and nothing else.  0,
 * or -errno.
 */
long net_ports(struct stage *s);

/*
 * net_listen.c: make the listeners for this mode and send them to the
 * launcher.  0, or -errno having named the one.
 */
long net_listen(struct stage *s, enum capture_mode mode);

#endif /* !NET_H */
