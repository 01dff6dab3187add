/*
 * net.c: the jail's network namespace, from inside stage one, which owns it.
 *
 * Without services there is lo and nothing else.  With them every address is
 * local and leads to the listeners of capture.h, which the launcher gets
 * before the jail can run:
 *
 *	lo, routes ──► rule set ─────────────────────► listeners
 *	                  │ no nf_tables, no tproxy       ▲
 *	                  └──────► rules of named ports ──┘
 */
#include "net.h"

#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "sys.h"

/* The namespace has lo and nothing else; programs expect it to be up. */
static long
net_loopback_up(void)
{
	struct ifreq r = { .ifr_name = "lo" };
	long fd = SYS(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long rc;

	if (fd < 0)
		return fd;
	r.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
	rc = SYS(SYS_ioctl, fd, SIOCSIFFLAGS, &r);
	(void)SYS(SYS_close, fd);
	return rc;
}

/* Send one table by a socket of this protocol; names what failed. */
static long
net_request(struct stage *s, int protocol, const struct net_table *t,
    const struct netlink_op **ret_failed)
{
	long fd, r;

	fd = SYS(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return fd;
	r = netlink_request((int)fd, t->ops, t->n, s->no_ipv6 ? NET_NO_IPV6 : 0,
	    ret_failed);
	(void)SYS(SYS_close, fd);
	if (*ret_failed != NULL)
		stage_what(&s->one, (*ret_failed)->name);
	return r;
}

/*
 * A kernel without IPv6 knows no such route, and takes none where IPv6 was
 * switched off; the jail can change neither, so there is nothing to capture.
 */
static int
net_is_without_ipv6(long r, const struct netlink_op *failed)
{
	return failed != NULL && (failed->skip & NET_NO_IPV6) &&
	       (r == -EOPNOTSUPP || r == -EACCES);
}

static long
net_routes(struct stage *s)
{
	const struct netlink_op *failed = NULL;
	long r;

	stage_what(&s->one, "routes");
	r = net_request(s, NETLINK_ROUTE, &net_rules_route, &failed);
	s->no_ipv6 = net_is_without_ipv6(r, failed);
	return s->no_ipv6 ? 0 : r;
}

/* How a kernel answers that has no netlink for it, or not this part of it. */
static int
net_is_missing(long r)
{
	return r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT ||
	       r == -EOPNOTSUPP || r == -ENOENT;
}

static long
net_capture(struct stage *s)
{
	const struct netlink_op *failed = NULL;
	enum capture_mode mode = CAPTURE_TPROXY;
	long r = net_routes(s);

	if (r < 0)
		return r;
	stage_what(&s->one, "nf_tables");
	r = net_request(s, NETLINK_NETFILTER, &net_rules_filter, &failed);
	if (net_is_missing(r) && s->capture->nports > 0) {
		mode = CAPTURE_PORTS;
		r = net_ports(s);
	}
	return r < 0 ? r : net_listen(s, mode);
}

long
net_up(struct stage *s)
{
	stage_what(&s->one, "lo");
	return s->capture == NULL ? net_loopback_up() : net_capture(s);
}
