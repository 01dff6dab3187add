/*
 * net_ports.c: capture without nf_tables, for the ports that the policy names.
 *
 * Each of them has a listener for any address (net_listen.c), and only what
 * goes to such a port finds a route at all:
 *
 *	ip rule add ipproto tcp dport 443 lookup default pref 1000
 *	ip rule add ipproto udp dport 53 lookup default pref 1000
 *	ip rule add ipproto tcp dport 53 lookup default pref 1000
 *
 * Everything else fails at once with ENETUNREACH, and what is bound to
 * another port of a remote address with IP_FREEBIND is reached by nobody.
 */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net.h"
#include "sys.h"

enum {
	NET_RULE_PRIORITY = 1000, /* behind "local", which is 0 */
};

static long
net_rule(int fd, int family, uint8_t protocol, uint16_t port)
{
	const struct fib_rule_hdr h = {
		.family = (uint8_t)family,
		.table = RT_TABLE_DEFAULT,
		.action = FR_ACT_TO_TBL,
	};
	const struct fib_rule_port_range range = { port, port };
	const struct netlink_op ops[] = {
		{ .kind = NETLINK_MESSAGE,
		    .type = RTM_NEWRULE,
		    .flags = NLM_F_CREATE | NLM_F_ACK,
		    .bytes = &h,
		    .size = sizeof(h) },
		{ .kind = NETLINK_U32,
		    .type = FRA_PRIORITY,
		    .value = NET_RULE_PRIORITY },
		{ .kind = NETLINK_BYTES,
		    .type = FRA_IP_PROTO,
		    .bytes = &protocol,
		    .size = sizeof(protocol) },
		{ .kind = NETLINK_BYTES,
		    .type = FRA_DPORT_RANGE,
		    .bytes = &range,
		    .size = sizeof(range) },
	};
	const struct netlink_op *failed;

	return netlink_request(fd, ops, countof(ops), 0, &failed);
}

static long
net_rules_of(const struct stage *s, int fd, int family)
{
	const struct capture_request *q = s->capture;
	long r = net_rule(fd, family, IPPROTO_UDP, CAPTURE_PORT_DNS);
	uint32_t i;

	if (r >= 0)
		r = net_rule(fd, family, IPPROTO_TCP, CAPTURE_PORT_DNS);
	for (i = 0; i < q->nports && r >= 0; i++)
		if (q->ports[i] != CAPTURE_PORT_DNS)
			r = net_rule(fd, family, IPPROTO_TCP, q->ports[i]);
	return r;
}

long
net_ports(struct stage *s)
{
	const struct netlink_op *failed = NULL;
	long fd, r;

	/* one listener each, so they are bounded */
	stage_what(&s->one, "too many named ports without nf_tables");
	if (s->capture->nports > CAPTURE_PORTS_MAX)
		return -E2BIG;
	stage_what(&s->one, "rules of the named ports");
	fd =
	    SYS(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return fd;
	r = netlink_request((int)fd, net_rules_ports.ops, net_rules_ports.n,
	    s->no_ipv6 ? NET_NO_IPV6 : 0, &failed);
	if (r >= 0)
		r = net_rules_of(s, (int)fd, AF_INET);
	if (r >= 0 && !s->no_ipv6)
		r = net_rules_of(s, (int)fd, AF_INET6);
	(void)SYS(SYS_close, fd);
	return r;
}
