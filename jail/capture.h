/*
 * capture.h: the sockets through which a jail's connections reach the proxy.
 *
 * They listen in the jail's network namespace, where every address is local,
 * and are all that connects it with anything: the listener is the jail's
 * identity.  Stage one makes them (net.h); the launcher receives them here,
 * before the jail runs, and passes them on to the proxy.  They are
 * non-blocking and CLOEXEC.  Each holds the namespace: it goes when the jail
 * has ended and the last of them, and of what they accepted, is closed.
 *
 *	TCP	any address, any port (with CAPTURE_PORTS: the named ones):
 *		getsockname() of an accepted socket is where the client
 *		wanted to go
 *	DNS_UDP	any address, port 53; recvmsg() brings an IP_PKTINFO
 *		(IPV6_PKTINFO) message, and the answer sent with that same
 *		message leaves from the address that was asked
 *	DNS_TCP	loopback, port 53; of any other address port 53 is TCP's
 *	PROXY	loopback, port 3128
 *
 * With CAPTURE_PORTS the last two have every address, where the policy names
 * their port: getsockname() tells whether one was meant for loopback.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stdint.h>

#include "err.h"
#include "ipc.h"

/* What leads a jail's connections to the listeners; see posture.h. */
enum capture_mode {
	CAPTURE_NONE, /* loopback is all there is */
	CAPTURE_TPROXY, /* a rule set, for every port of every address */
	CAPTURE_PORTS, /* no nf_tables here: one listener a named port */
	CAPTURE__MAX
};

enum capture_kind {
	CAPTURE_TCP,
	CAPTURE_DNS_UDP,
	CAPTURE_DNS_TCP,
	CAPTURE_PROXY,
	CAPTURE_KIND__MAX
};

enum {
	CAPTURE_PORT_DNS = 53,
	CAPTURE_PORT_PROXY = 3128,
	CAPTURE_PORTS_MAX = 32, /* named ports that CAPTURE_PORTS can serve */
	/* two families of: each port, and three of the other kinds */
	CAPTURE_LISTENERS_MAX = 2 * (CAPTURE_PORTS_MAX + 3),
};

/* Asks for capture; without it a jail has loopback and no listeners. */
struct capture_request {
	/* TCP ports that the policy names, distinct; borrowed */
	const uint16_t *ports;
	uint32_t nports;
};

struct capture_listener {
	int fd;
	enum capture_kind kind;
};

struct capture_listeners {
	enum capture_mode mode;
	uint32_t n; /* without IPv6 in this kernel: of IPv4 only */
	struct capture_listener at[CAPTURE_LISTENERS_MAX];
};

/*
 * Add what one INIT_LISTEN brought; its descriptors are then the set's.
 * ERR_CORRUPT for anything that stage one never sends.
 */
must_check int capture_take(struct capture_listeners *l, struct ipc_msg *m,
    struct err *e);

/* Close them; the set is then empty.  Accepts an empty one. */
void capture_drop(struct capture_listeners *l);

/* "none", "tproxy", "ports". */
const char *capture_name(enum capture_mode mode);

#endif /* !CAPTURE_H */
