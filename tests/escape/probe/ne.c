/* Ways out by the network, and standing in for somebody who is outside. */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "probe.h"

enum {
	NE_CONNECT_S = 3,
	NE_ANSWER_S = 1,
	NE_PORT_CAPTURED = 8443, /* capture serves every port */
};

union ne_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t
ne_address(union ne_address *a, const char *host, int port)
{
	memset(a, 0, sizeof(*a));
	if (strchr(host, ':') == NULL) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((uint16_t)port);
		(void)inet_pton(AF_INET, host, &a->v4.sin_addr);
		return sizeof(a->v4);
	}
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons((uint16_t)port);
	/* of whatever interface there is first */
	a->v6.sin6_scope_id =
	    strncmp(host, "fe80", 4) == 0 || strncmp(host, "ff02", 4) == 0;
	(void)inet_pton(AF_INET6, host, &a->v6.sin6_addr);
	return sizeof(a->v6);
}

/* Connected and, if somebody answers, what he said. */
static void
ne_tcp(const char *host, int port)
{
	union ne_address a;
	socklen_t n = ne_address(&a, host, port);
	struct timeval limit = { .tv_sec = NE_CONNECT_S };
	struct timeval answer = { .tv_sec = NE_ANSWER_S };
	int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char attempt[128], said[128] = "";
	long r;

	(void)snprintf(attempt, sizeof(attempt), "tcp %s %d", host, port);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &answer, sizeof(answer));
	r = CALL(SYS_connect, fd, &a, n);
	if (r == 0) {
		(void)send(fd, "x", 1, MSG_NOSIGNAL);
		(void)!read(fd, said, sizeof(said) - 1);
		said[strcspn(said, "\"\\\n")] = '\0';
		probe_got(attempt, "ok %s", said);
	} else {
		probe_result(attempt, r);
	}
	(void)close(fd);
}

static void
ne_udp(const char *host, int port)
{
	union ne_address a;
	socklen_t n = ne_address(&a, host, port);
	int fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
	char attempt[128];

	(void)snprintf(attempt, sizeof(attempt), "udp %s %d", host, port);
	(void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	probe_result(attempt, CALL(SYS_sendto, fd, "x", 1, 0, &a, n));
	(void)close(fd);
}

static void
ne_socket(const char *attempt, int family, int type, int protocol)
{
	long fd = CALL(SYS_socket, family, type, protocol);

	probe_result(attempt, fd);
	if (fd >= 0)
		(void)close((int)fd);
}

/* ---- NE-01 ---- */

static const char *const ne_places[] = { "93.184.216.34", "10.0.0.1",
	"172.17.0.1", "192.168.1.1", "169.254.169.254", "168.63.129.16",
	"2606:4700::1111", "fd00:ec2::254", "64:ff9b::a9fe:a9fe",
	"2002:7f00:1::1", "fe80::1" };

static void
ne_01(void)
{
	static const int ports[] = { 22, 53, 80, 443, 853, 8443 };
	size_t i, k;

	probe_result("nothing but an address", 0);
	/* outside they would leave this host */
	for (i = 0; i < countof(ne_places) && !probe_outside; i++) {
		for (k = 0; k < countof(ports); k++)
			ne_tcp(ne_places[i], ports[k]);
		ne_udp(ne_places[i], 443);
		ne_udp(ne_places[i], 5353);
	}
	if (!probe_outside) {
		ne_udp("255.255.255.255", 67);
		ne_udp("224.0.0.251", 5353);
		ne_udp("ff02::fb", 5353);
		ne_tcp("255.255.255.255", 80);
		ne_tcp("224.0.0.1", 80);
	}
	/* where the runner listens, on the host's own address */
	ne_tcp(probe_setting("PROBE_CANARY_ADDRESS", "127.0.0.1"),
	    (int)strtol(probe_setting("PROBE_CANARY_PORT", "1"), NULL, 10));
	ne_socket("socket icmp", AF_INET, SOCK_RAW, IPPROTO_ICMP);
	ne_socket("socket icmp6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	ne_socket("socket raw", AF_INET, SOCK_RAW, IPPROTO_RAW);
	ne_socket("socket packet", AF_PACKET, SOCK_RAW, 0);
	ne_socket("socket ping", AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
}

/* ---- NE-04 ---- */

static void
ne_04(void)
{
	static const char *const hosts[] = { "127.0.0.1", "0.0.0.0", "::1",
		"::", "::ffff:127.0.0.1" };
	int port =
	    (int)strtol(probe_setting("PROBE_CANARY_PORT", "1"), NULL, 10);
	size_t i;

	for (i = 0; i < countof(hosts); i++) {
		union ne_address a;
		socklen_t n = ne_address(&a, hosts[i], port);
		int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		probe_result(hosts[i], CALL(SYS_connect, fd, &a, n));
		(void)close(fd);
	}
}

/* ---- NE-11 ---- */

/* Bound to an address that is somebody else's, by whatever is allowed. */
static int
ne_take(const char *host, int port, int type, int freely)
{
	union ne_address a;
	socklen_t n = ne_address(&a, host, port);
	int ipv6 = a.any.sa_family == AF_INET6, on = 1;
	int fd =
	    socket(a.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (freely) {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
		(void)setsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
		    ipv6 ? 78 : IP_FREEBIND, &on, sizeof(on));
	}
	if (bind(fd, &a.any, n) == -1 ||
	    (type == SOCK_STREAM && listen(fd, 8) == -1)) {
		long r = -errno;

		(void)close(fd);
		return (int)r;
	}
	return fd;
}

static void
ne_impersonate(const char *host, int type)
{
	int fd = ne_take(host, NE_PORT_CAPTURED, type, 1);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char attempt[128];

	if (type == SOCK_STREAM)
		ne_tcp(host, NE_PORT_CAPTURED);
	else
		ne_udp(host, NE_PORT_CAPTURED);
	(void)snprintf(attempt, sizeof(attempt), "stolen %s %s",
	    type == SOCK_STREAM ? "tcp" : "udp", host);
	probe_got(attempt, "%s", poll(&p, 1, 200) > 0 ? "yes" : "no");
	(void)close(fd);
}

/* PROBE_PROXY=gone: until nobody listens where the proxy did. */
static void
ne_await(void)
{
	union ne_address a;
	socklen_t n = ne_address(&a, "127.0.0.1", 3128);
	int gone = 0, left;

	if (strcmp(probe_setting("PROBE_PROXY", ""), "gone") != 0)
		return;
	for (left = 1000; !gone && left > 0; left--) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		gone = CALL(SYS_connect, fd, &a, n) == -ECONNREFUSED;
		(void)close(fd);
		(void)usleep(10000);
	}
}

static void
ne_11(void)
{
	static const struct {
		const char *name, *host;
		int port, type;
	} served[] = {
		{ "take proxy", "127.0.0.1", 3128, SOCK_STREAM },
		{ "take proxy any", "0.0.0.0", 3128, SOCK_STREAM },
		{ "take proxy v6", "::1", 3128, SOCK_STREAM },
		{ "take proxy v6 any", "::", 3128, SOCK_STREAM },
		{ "take dns", "127.0.0.1", 53, SOCK_DGRAM },
		{ "take dns of another", "8.8.8.8", 53, SOCK_DGRAM },
		{ "take dns v6", "::", 53, SOCK_DGRAM },
		{ "take capture", "192.0.2.1", 1, SOCK_STREAM },
		{ "take capture any", "0.0.0.0", 1, SOCK_STREAM },
		{ "take capture v6", "2001:db8::1", 1, SOCK_STREAM },
	};

	size_t i;
	int freely, fd;
	char attempt[64];

	ne_await();
	for (i = 0; i < countof(served) && !probe_outside; i++) {
		for (freely = 0; freely < 2; freely++) {
			(void)snprintf(attempt, sizeof(attempt), "%s%s",
			    served[i].name, freely ? " freely" : "");
			fd = ne_take(served[i].host, served[i].port,
			    served[i].type, freely);
			probe_result(attempt, fd);
			if (fd >= 0)
				(void)close(fd);
		}
	}
	/* outside, loopback shows that whoever is bound is reached */
	ne_impersonate(probe_outside ? "127.0.0.9" : "93.184.216.34",
	    SOCK_STREAM);
	ne_impersonate(probe_outside ? "127.0.0.9" : "93.184.216.34",
	    SOCK_DGRAM);
	ne_impersonate(probe_outside ? "::1" : "2606:4700::1111", SOCK_STREAM);
	ne_impersonate(probe_outside ? "::1" : "2606:4700::1111", SOCK_DGRAM);
}

/* ---- NE-12 ---- */

/* A request that changes nothing where it is allowed: no such interface. */
static long
ne_netlink(int protocol, uint16_t type)
{
	struct {
		struct nlmsghdr h;
		unsigned char body[32];
	} m = { .h = { .nlmsg_len = sizeof(m),
		    .nlmsg_type = type,
		    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK } };

	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char more[256];
	} answer;

	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	long r;

	if (fd == -1)
		return -errno;
	memset(m.body, 0xee, sizeof(m.body));
	r = CALL(SYS_sendto, fd, &m, sizeof(m), 0, NULL, 0);
	if (r >= 0)
		r = CALL(SYS_recvfrom, fd, &answer, sizeof(answer),
		    MSG_DONTWAIT, NULL, NULL);
	if (r >= 0)
		r = answer.e.error;
	(void)close(fd);
	return r;
}

static void
ne_12(void)
{
	union ne_address a;
	socklen_t n = ne_address(&a, "127.0.0.77", 80);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	probe_result("bind 80", CALL(SYS_bind, fd, &a, n));
	probe_result("transparent",
	    CALL(SYS_setsockopt, fd, IPPROTO_IP, 19, &on, sizeof(on)));
	probe_result("mark",
	    CALL(SYS_setsockopt, fd, SOL_SOCKET, SO_MARK, &on, sizeof(on)));
	(void)close(fd);
	probe_result("route", ne_netlink(NETLINK_ROUTE, RTM_DELROUTE));
	probe_result("link", ne_netlink(NETLINK_ROUTE, RTM_SETLINK));
	probe_result("nft", ne_netlink(NETLINK_NETFILTER, 10 << 8));
}

const struct probe_check probe_ne[] = {
	{ "NE-01", ne_01 },
	{ "NE-04", ne_04 },
	{ "NE-11", ne_11 },
	{ "NE-12", ne_12 },
	{ NULL, NULL },
};
