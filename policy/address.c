#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "address.h"

static const char *const class_names[] = {
	[ADDRESS_PUBLIC] = "public",
	[ADDRESS_PRIVATE] = "private",
	[ADDRESS_HOST] = "host",
	[ADDRESS_BLOCKED] = "blocked",
};

_Static_assert(countof(class_names) == ADDRESS_CLASS__MAX,
    "every class has a name");

#define V4(a, b, c, d, bits, class)                \
	{                                          \
		{ 4, { a, b, c, d } }, bits, class \
	}
#define V6(bits, class, ...)                        \
	{                                           \
		{ 6, { __VA_ARGS__ } }, bits, class \
	}

/*
 * The fixed ranges.  All that match count, and the worst of them wins, so
 * the order says nothing.
 */
static const struct {
	struct net_address base;
	uint32_t prefix;
	enum address_class class;
} ranges[] = {
	V4(0, 0, 0, 0, 8, ADDRESS_BLOCKED), /* this network */
	V4(169, 254, 0, 0, 16, ADDRESS_BLOCKED), /* link-local, metadata */
	V4(198, 18, 0, 0, 15, ADDRESS_BLOCKED), /* our synthetic addresses */
	V4(224, 0, 0, 0, 4, ADDRESS_BLOCKED), /* multicast */
	V4(240, 0, 0, 0, 4, ADDRESS_BLOCKED), /* reserved, broadcast */
	V4(168, 63, 129, 16, 32, ADDRESS_BLOCKED), /* Azure's metadata */
	V4(100, 100, 100, 200, 32, ADDRESS_BLOCKED), /* Alibaba's */
	V4(192, 0, 0, 192, 32, ADDRESS_BLOCKED), /* Oracle's */
	V4(127, 0, 0, 0, 8, ADDRESS_HOST), V4(10, 0, 0, 0, 8, ADDRESS_PRIVATE),
	V4(172, 16, 0, 0, 12, ADDRESS_PRIVATE),
	V4(192, 168, 0, 0, 16, ADDRESS_PRIVATE),
	V4(100, 64, 0, 0, 10, ADDRESS_PRIVATE), /* carriers' NAT */
	V4(192, 0, 0, 0, 24, ADDRESS_PRIVATE),
	V6(128, ADDRESS_BLOCKED, 0), /* unspecified */
	V6(8, ADDRESS_BLOCKED, 0xff), /* multicast */
	V6(10, ADDRESS_BLOCKED, 0xfe, 0x80), /* link-local */
	V6(128, ADDRESS_BLOCKED, 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54),
	V6(128, ADDRESS_HOST, [15] = 1), V6(7, ADDRESS_PRIVATE, 0xfc),
	V6(10, ADDRESS_PRIVATE, 0xfe, 0xc0), /* site-local of old */
};

const char *
address_class_name(enum address_class c)
{
	return (unsigned)c < ADDRESS_CLASS__MAX ? class_names[c] : "?";
}

static int
same_prefix(const unsigned char *a, const unsigned char *b, uint32_t prefix)
{
	uint32_t whole = prefix / 8, rest = prefix % 8;

	return memcmp(a, b, whole) == 0 &&
	       (rest == 0 ||
		   ((a[whole] ^ b[whole]) & (0xff00 >> rest) & 0xff) == 0);
}

int
address_in_range(const struct net_address *a, const struct net_range *r)
{
	return a->family == r->base.family &&
	       r->prefix <= (a->family == 4 ? 32u : 128u) &&
	       same_prefix(a->bytes, r->base.bytes, r->prefix);
}

static enum address_class
worse(enum address_class a, enum address_class b)
{
	return a > b ? a : b;
}

static enum address_class
judge_fixed(const struct net_address *a)
{
	enum address_class c = ADDRESS_PUBLIC;
	size_t i;

	for (i = 0; i < countof(ranges); i++)
		if (a->family == ranges[i].base.family &&
		    same_prefix(a->bytes, ranges[i].base.bytes,
			ranges[i].prefix))
			c = worse(c, ranges[i].class);
	return c;
}

static enum address_class
judge_locals(const struct net_address *a, uint32_t port,
    const struct address_locals *l)
{
	enum address_class c = ADDRESS_PUBLIC;
	size_t i;

	if (l == NULL)
		return c;
	if (!l->known)
		c = ADDRESS_HOST;
	for (i = 0; i < l->nranges; i++)
		if (address_in_range(a, &l->ranges[i]))
			c = worse(c, ADDRESS_HOST);
	for (i = 0; i < l->nown; i++)
		if (a->family == l->own[i].address.family &&
		    memcmp(a->bytes, l->own[i].address.bytes,
			sizeof(a->bytes)) == 0 &&
		    (l->own[i].port == 0 || l->own[i].port == port))
			c = ADDRESS_BLOCKED;
	return c;
}

static enum address_class
judge_v4(const unsigned char bytes[4], uint32_t port,
    const struct address_locals *l)
{
	struct net_address a = { .family = 4 };

	memcpy(a.bytes, bytes, 4);
	return worse(judge_fixed(&a), judge_locals(&a, port, l));
}

/*
 * Where an IPv6 address holds an IPv4 one: four offsets, and whether its bits
 * are turned over.  RFC 6052 puts it around byte 8 where the prefix is
 * shorter than 96 bits, which the local prefix of RFC 8215 may be.
 */
static const struct {
	struct net_range prefix;
	unsigned char at[4];
	unsigned char flip;
} embedded[] = {

#define IN(bits, ...)                        \
	{                                    \
		{ 6, { __VA_ARGS__ } }, bits \
	}
	{ IN(96, [10] = 0xff, 0xff), { 12, 13, 14, 15 }, 0 }, /* mapped */
	{ IN(96, 0), { 12, 13, 14, 15 }, 0 }, /* compatible */
	{ IN(96, 0x00, 0x64, 0xff, 0x9b), { 12, 13, 14, 15 }, 0 },
	{ IN(48, 0x00, 0x64, 0xff, 0x9b, 0, 1), { 12, 13, 14, 15 }, 0 },
	{ IN(48, 0x00, 0x64, 0xff, 0x9b, 0, 1), { 6, 7, 9, 10 }, 0 },
	{ IN(48, 0x00, 0x64, 0xff, 0x9b, 0, 1), { 7, 9, 10, 11 }, 0 },
	{ IN(48, 0x00, 0x64, 0xff, 0x9b, 0, 1), { 9, 10, 11, 12 }, 0 },
	{ IN(16, 0x20, 0x02), { 2, 3, 4, 5 }, 0 }, /* 6to4 */
	{ IN(32, 0x20, 0x01), { 4, 5, 6, 7 }, 0 }, /* Teredo's server */
	{ IN(32, 0x20, 0x01), { 12, 13, 14, 15 }, 0xff }, /* its client */
#undef IN
};

static enum address_class
judge_embedded(const struct net_address *a, uint32_t port,
    const struct address_locals *l)
{
	static const unsigned char loopback[16] = { [15] = 1 };
	enum address_class c = ADDRESS_PUBLIC;
	unsigned char v4[4];
	size_t i, k;

	/* ::1 looks like the compatible form of 0.0.0.1. */
	if (a->family != 6 || memcmp(a->bytes, loopback, sizeof(loopback)) == 0)
		return c;
	for (i = 0; i < countof(embedded); i++) {
		if (!address_in_range(a, &embedded[i].prefix))
			continue;
		for (k = 0; k < 4; k++)
			v4[k] = a->bytes[embedded[i].at[k]] ^ embedded[i].flip;
		c = worse(c, judge_v4(v4, port, l));
	}
	return c;
}

enum address_class
address_judge(const struct net_address *a, uint32_t port,
    const struct address_locals *locals)
{
	enum address_class c;

	if (a->family != 4 && a->family != 6)
		return ADDRESS_BLOCKED;
	c = worse(judge_fixed(a), judge_locals(a, port, locals));
	return worse(c, judge_embedded(a, port, locals));
}

/* A mapped address is the IPv4 one: the kernel would connect there. */
static void
set_v6(struct net_address *ret, const unsigned char bytes[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, 0xff };
	struct net_address a = { .family = 6 };

	if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		a.family = 4;
		memcpy(a.bytes, bytes + sizeof(mapped), 4);
	} else
		memcpy(a.bytes, bytes, 16);
	*ret = a;
}

int
address_from_sockaddr(const struct sockaddr *sa, socklen_t size,
    struct net_address *ret, uint32_t *ret_port)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (size < sizeof(sa->sa_family))
		return -1;
	if (sa->sa_family == AF_INET && size >= sizeof(in)) {
		memcpy(&in, sa, sizeof(in));
		*ret = (struct net_address){ .family = 4 };
		memcpy(ret->bytes, &in.sin_addr, 4);
		*ret_port = ntohs(in.sin_port);
		return 0;
	}
	if (sa->sa_family != AF_INET6 || size < sizeof(in6))
		return -1;
	memcpy(&in6, sa, sizeof(in6));
	if (in6.sin6_scope_id != 0)
		return -1;
	set_v6(ret, in6.sin6_addr.s6_addr);
	*ret_port = ntohs(in6.sin6_port);
	return 0;
}

int
address_parse(const char *s, struct net_address *ret)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET6, s, bytes) == 1) {
		set_v6(ret, bytes);
		return 0;
	}
	if (inet_pton(AF_INET, s, bytes) != 1)
		return -1;
	*ret = (struct net_address){ .family = 4 };
	memcpy(ret->bytes, bytes, 4);
	return 0;
}
