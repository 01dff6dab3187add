#include "locals.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"

enum {
	LOCALS_MAX = 4096, /* ranges; beyond them all counts as local */
	LOCALS_MESSAGE_BYTES = 64 * 1024,
};

struct locals {
	int ask; /* dumps: the kernel answers inside the call */
	int news; /* notifications */
	struct loop_fd *watch;
	uint32_t seq;
	struct address_locals known;
	struct net_range ranges[LOCALS_MAX];
	_Alignas(struct nlmsghdr) unsigned char buf[LOCALS_MESSAGE_BYTES];
};

/* What the kernel delivers to itself, or to all of a link. */
static int
is_local_type(unsigned char type)
{
	return type == RTN_LOCAL || type == RTN_BROADCAST ||
	       type == RTN_ANYCAST || type == RTN_MULTICAST;
}

static void
locals_add(struct locals *l, const struct rtmsg *r, const void *address)
{
	struct net_range *n;

	if (l->known.nranges == LOCALS_MAX) {
		l->known.known = 0;
		return;
	}
	n = &l->ranges[l->known.nranges++];
	memset(n, 0, sizeof(*n));
	n->base.family = r->rtm_family == AF_INET ? 4 : 6;
	n->prefix = r->rtm_dst_len;
	if (address != NULL)
		memcpy(n->base.bytes, address,
		    r->rtm_family == AF_INET ? 4 : 16);
}

/* Destination and table are attributes; the table of the header is short. */
static void
locals_route(struct locals *l, const struct nlmsghdr *h)
{
	const struct rtmsg *r = NLMSG_DATA(h);
	const struct rtattr *a;
	const void *address = NULL;
	int left;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*r)) ||
	    (r->rtm_family != AF_INET && r->rtm_family != AF_INET6) ||
	    !is_local_type(r->rtm_type))
		return;
	left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*r)));
	for (a = RTM_RTA(r); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == RTA_DST &&
		    RTA_PAYLOAD(a) >= (r->rtm_family == AF_INET ? 4 : 16))
			address = RTA_DATA(a);
	if (address != NULL || r->rtm_dst_len == 0)
		locals_add(l, r, address);
}

/* One datagram of the answer: 1 more follow, 0 done, -1 failed. */
static int
locals_receive(struct locals *l, struct err *e)
{
	const struct nlmsghdr *h = (const void *)l->buf;
	ssize_t n = recv(l->ask, l->buf, sizeof(l->buf), 0);
	size_t left;

	if (n == -1)
		return errno == EINTR
			   ? 1
			   : err_set(e, ERR_SYSTEM, "reading routes");
	for (left = (size_t)n; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		if (h->nlmsg_seq != l->seq)
			continue;
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return err_set(e, ERR_SYSTEM, "reading routes");
		if (h->nlmsg_type == RTM_NEWROUTE)
			locals_route(l, h);
	}
	return 1;
}

static int
locals_dump(struct locals *l, unsigned char family, struct err *e)
{
	struct {
		struct nlmsghdr h;
		struct rtmsg r;
	} q = {
		.h = { .nlmsg_len = sizeof(q),
		    .nlmsg_type = RTM_GETROUTE,
		    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		    .nlmsg_seq = ++l->seq },
		.r = { .rtm_family = family },
	};

	int rc;

	if (send(l->ask, &q, sizeof(q), 0) == -1)
		return err_set(e, ERR_SYSTEM, "asking for routes");
	while ((rc = locals_receive(l, e)) == 1)
		;
	return rc;
}

static int
locals_read(struct locals *l, struct err *e)
{
	l->known.nranges = 0;
	l->known.known = 1;
	if (locals_dump(l, AF_INET, e) == -1 ||
	    locals_dump(l, AF_INET6, e) == -1) {
		l->known.known = 0;
		return -1;
	}
	return 0;
}

static int
locals_arm(struct locals *l, struct err *e)
{
	return loop_fd_want(l->watch, LOOP_READ, e);
}

/* Whatever the news are, lost ones (ENOBUFS) too: read all again. */
static void
locals_changed(void *arg, unsigned ready)
{
	struct locals *l = arg;
	struct err e = { 0 };
	ssize_t n;

	(void)ready;
	do
		n = recv(l->news, l->buf, sizeof(l->buf), MSG_DONTWAIT);
	while (n > 0 || (n == -1 && (errno == EINTR || errno == ENOBUFS)));
	if (locals_read(l, &e) == -1 || locals_arm(l, &e) == -1) {
		l->known.known = 0;
		log_err(LOG_LEVEL_ERROR, "routes", &e);
	}
}

static int
locals_socket(uint32_t groups, struct err *e)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK,
		.nl_groups = groups };
	autofd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd == -1 || bind(fd, (struct sockaddr *)&nl, sizeof(nl)) == -1)
		return err_set(e, ERR_SYSTEM, "a netlink socket");
	return take_fd(&fd);
}

int
locals_create(struct loop *loop, struct locals **ret, struct err *e)
{
	struct locals *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return err_sys(e, ENOMEM, "routes");
	l->ask = l->news = -1;
	l->known.ranges = l->ranges;
	/* first the news, so that nothing is lost between */
	if ((l->news = locals_socket(RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
		 e)) == -1 ||
	    (l->ask = locals_socket(0, e)) == -1 || locals_read(l, e) == -1 ||
	    loop_fd_create(loop, l->news, locals_changed, l, &l->watch, e) ==
		-1 ||
	    locals_arm(l, e) == -1) {
		locals_destroy(l);
		return -1;
	}
	*ret = l;
	return 0;
}

void
locals_destroy(struct locals *l)
{
	if (l == NULL)
		return;
	loop_fd_destroy(l->watch);
	fd_closep(&l->ask);
	fd_closep(&l->news);
	free(l);
}

const struct address_locals *
locals_get(const struct locals *l)
{
	return &l->known;
}
