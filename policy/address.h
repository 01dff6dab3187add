/*
 * address.h: which addresses may be dialed.
 *
 * An address is judged when it is dialed, by its bytes: always blocked (and
 * no policy opens it), host (loopback, and whatever this kernel routes as
 * local, its public addresses included), private, public.  An IPv4 address
 * inside an IPv6 one (mapped, compatible, NAT64, 6to4, Teredo) is judged too,
 * and the worse of the two counts.  Pure; libc only; any process.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <sys/socket.h>

#include "plan_net.h"

/* From the best to the worst. */
enum address_class {
	ADDRESS_PUBLIC,
	ADDRESS_PRIVATE, /* RFC 1918, 100.64/10, 192.0.0/24, fc00::/7, fec0::/10 */
	ADDRESS_HOST,
	ADDRESS_BLOCKED,
	ADDRESS_CLASS__MAX
};

/* "public", "private", "host", "blocked". */
const char *address_class_name(enum address_class c);

struct address_endpoint {
	struct net_address address;
	uint32_t port; /* 0: every port */
};

/*
 * What only the running host knows.  The proxy reads it (RTM_GETROUTE, table
 * local, and interfaces' broadcast addresses) and renews it; known == 0 means
 * that it could not be read, and then every address is of class host.
 * Borrowed by each call.
 */
struct address_locals {
	int known;
	size_t nranges;
	const struct net_range *ranges; /* routed as local here */
	size_t nown;
	const struct address_endpoint *own; /* Warder's endpoints: blocked */
};

/*
 * The class of an address and port.  locals NULL: offline, only loopback is
 * of class host.
 */
enum address_class address_judge(const struct net_address *a, uint32_t port,
    const struct address_locals *locals);

/* 1 if the range contains the address; families do not mix. */
int address_in_range(const struct net_address *a, const struct net_range *r);

/*
 * From a sockaddr_in or sockaddr_in6 (mapped becomes IPv4); -1 if it is
 * another family, has a scope, or is too short.
 */
must_check int address_from_sockaddr(const struct sockaddr *sa, socklen_t size,
    struct net_address *ret, uint32_t *ret_port);

/* From text as inet_pton(3) takes it (mapped becomes IPv4); -1 if it is none. */
must_check int address_parse(const char *s, struct net_address *ret);

#endif /* !ADDRESS_H */
