/*
 * net_listen.c: the listening sockets, made in the jail's namespace and sent
 * away.
 *
 * Never SO_REUSEPORT, and never SO_REUSEADDR on UDP: a program in the jail,
 * which rootless has our uid, could bind beside them and be served first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/in6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "capture.h"
#include "msg_init.h"
#include "net.h"
#include "sys.h"

enum {
	NET_BACKLOG = 512, /* connections that wait for the proxy */
};

struct net_socket {
	const char *name;
	enum capture_kind kind;
	int family, type;
	uint16_t port;
	const char *address; /* NULL: any */
};

#define LOOPBACK4 "\x7f\x00\x00\x01"
#define LOOPBACK6                          \
	"\x00\x00\x00\x00\x00\x00\x00\x00" \
	"\x00\x00\x00\x00\x00\x00\x00\x01"

static const struct net_socket net_sockets[] = {
	{ "dns", CAPTURE_DNS_UDP, AF_INET, SOCK_DGRAM, CAPTURE_PORT_DNS, NULL },
	{ "dns, IPv6", CAPTURE_DNS_UDP, AF_INET6, SOCK_DGRAM, CAPTURE_PORT_DNS,
	    NULL },
	{ "dns by tcp", CAPTURE_DNS_TCP, AF_INET, SOCK_STREAM, CAPTURE_PORT_DNS,
	    LOOPBACK4 },
	{ "dns by tcp, IPv6", CAPTURE_DNS_TCP, AF_INET6, SOCK_STREAM,
	    CAPTURE_PORT_DNS, LOOPBACK6 },
	{ "proxy", CAPTURE_PROXY, AF_INET, SOCK_STREAM, CAPTURE_PORT_PROXY,
	    LOOPBACK4 },
	{ "proxy, IPv6", CAPTURE_PROXY, AF_INET6, SOCK_STREAM,
	    CAPTURE_PORT_PROXY, LOOPBACK6 },
	{ "tcp", CAPTURE_TCP, AF_INET, SOCK_STREAM, NET_CAPTURE_PORT,
	    NET_CAPTURE_IPV4 },
	{ "tcp, IPv6", CAPTURE_TCP, AF_INET6, SOCK_STREAM, NET_CAPTURE_PORT,
	    NET_CAPTURE_IPV6 },
};

/* What the launcher gets by one message. */
struct net_bundle {
	struct init_listen body;
	int fds[IPC_FDS_MAX], nfds;
};

static long
net_send(const struct stage *s, const struct net_bundle *b)
{
	struct ipc_header h = { .type = INIT_LISTEN, .size = sizeof(b->body) };
	struct iovec iov[] = { { &h, sizeof(h) },
		{ (void *)&b->body, sizeof(b->body) } };
	size_t size = (size_t)b->nfds * sizeof(int);

	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(b->fds))];
	} control;
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = countof(iov),
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(size),
	};
	long r;

	memset(&control, 0, sizeof(control));
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(&control.align), b->fds, size);
	r = SYS(SYS_sendmsg, s->control_fd, &m, MSG_NOSIGNAL);
	return r < 0 ? r : 0;
}

/* Sent and closed here: the proxy's alone, so that its end is theirs. */
static long
net_flush(const struct stage *s, struct net_bundle *b)
{
	long r = b->nfds > 0 ? net_send(s, b) : 0;

	while (b->nfds > 0)
		(void)SYS(SYS_close, b->fds[--b->nfds]);
	return r;
}

static long
net_set(long fd, int level, int option)
{
	int on = 1;

	return SYS(SYS_setsockopt, fd, level, option, &on, sizeof(on));
}

/* Answers come from any address that was asked, and say which that was. */
static long
net_options(long fd, const struct net_socket *t)
{
	int ipv6 = t->family == AF_INET6;
	long r = ipv6 ? net_set(fd, IPPROTO_IPV6, IPV6_TRANSPARENT)
		      : net_set(fd, IPPROTO_IP, IP_TRANSPARENT);

	if (r >= 0 && ipv6)
		r = net_set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (r >= 0 && t->type == SOCK_DGRAM)
		r = ipv6 ? net_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO)
			 : net_set(fd, IPPROTO_IP, IP_PKTINFO);
	return r;
}

static long
net_bind(long fd, const struct net_socket *t)
{
	struct sockaddr_in a4 = {
		.sin_family = AF_INET,
		.sin_port = htons(t->port),
	};
	struct sockaddr_in6 a6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(t->port),
	};

	if (t->address != NULL && t->family == AF_INET)
		memcpy(&a4.sin_addr, t->address, sizeof(a4.sin_addr));
	if (t->address != NULL && t->family == AF_INET6)
		memcpy(&a6.sin6_addr, t->address, sizeof(a6.sin6_addr));
	return t->family == AF_INET ? SYS(SYS_bind, fd, &a4, sizeof(a4))
				    : SYS(SYS_bind, fd, &a6, sizeof(a6));
}

/* A listening socket, or -errno; -EAFNOSUPPORT where there is no IPv6. */
static long
net_open(const struct net_socket *t)
{
	long fd = SYS(SYS_socket, t->family,
	    t->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	long r;

	if (fd < 0)
		return fd;
	r = net_options(fd, t);
	if (r >= 0)
		r = net_bind(fd, t);
	if (r >= 0 && t->type == SOCK_STREAM)
		r = SYS(SYS_listen, fd, NET_BACKLOG);
	if (r < 0) {
		(void)SYS(SYS_close, fd);
		return r;
	}
	return fd;
}

static long
net_add(struct stage *s, struct net_bundle *b, const struct net_socket *t)
{
	long fd, r;

	if (t->family == AF_INET6 && s->no_ipv6)
		return 0;
	stage_what(&s->one, t->name);
	fd = net_open(t);
	if (fd < 0)
		return fd;
	b->body.kind[b->nfds] = t->kind;
	b->fds[b->nfds++] = (int)fd;
	r = b->nfds == IPC_FDS_MAX ? net_flush(s, b) : 0;
	return r;
}

/* Named ports, of any address; those of the table have theirs. */
static long
net_add_port(struct stage *s, struct net_bundle *b, uint16_t port)
{
	struct net_socket t = {
		.name = "named port",
		.kind = CAPTURE_TCP,
		.type = SOCK_STREAM,
		.port = port,
	};
	long r;

	if (port == CAPTURE_PORT_DNS || port == CAPTURE_PORT_PROXY)
		return 0;
	t.family = AF_INET;
	r = net_add(s, b, &t);
	t.family = AF_INET6;
	return r < 0 ? r : net_add(s, b, &t);
}

long
net_listen(struct stage *s, enum capture_mode mode)
{
	struct net_bundle b = { .body.mode = mode };
	const struct capture_request *q = s->capture;
	struct net_socket t;
	long r = 0;
	size_t i;

	for (i = 0; i < countof(net_sockets) && r >= 0; i++) {
		t = net_sockets[i];
		if (mode == CAPTURE_PORTS)
			t.address = NULL;
		if (mode == CAPTURE_TPROXY || t.kind != CAPTURE_TCP)
			r = net_add(s, &b, &t);
	}
	for (i = 0; mode == CAPTURE_PORTS && i < q->nports && r >= 0; i++)
		r = net_add_port(s, &b, q->ports[i]);
	/* on a failure stage one ends, and they with it */
	return r < 0 ? r : net_flush(s, &b);
}
