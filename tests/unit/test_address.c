/* address.c: which addresses nobody, or only a policy, may dial. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "policy/address.h"

static struct net_address
address(const char *s)
{
	struct net_address a;

	if (address_parse(s, &a) == -1)
		fail_msg("%s is no address", s);
	return a;
}

static void
expect(const char *s, enum address_class want, const struct address_locals *l)
{
	struct net_address a = address(s);
	enum address_class got = address_judge(&a, 443, l);

	if (got != want)
		fail_msg("%s is %s, not %s", s, address_class_name(got),
		    address_class_name(want));
}

static void
address_judge__special_ranges__both_ends_of_each(void **state)
{
	static const struct {
		const char *s;
		enum address_class class;
	} table[] = {
		{ "0.0.0.0", ADDRESS_BLOCKED },
		{ "0.255.255.255", ADDRESS_BLOCKED },
		{ "1.0.0.0", ADDRESS_PUBLIC },
		{ "9.255.255.255", ADDRESS_PUBLIC },
		{ "10.0.0.0", ADDRESS_PRIVATE },
		{ "10.255.255.255", ADDRESS_PRIVATE },
		{ "11.0.0.0", ADDRESS_PUBLIC },
		{ "100.63.255.255", ADDRESS_PUBLIC },
		{ "100.64.0.0", ADDRESS_PRIVATE },
		{ "100.100.100.199", ADDRESS_PRIVATE },
		{ "100.100.100.200", ADDRESS_BLOCKED },
		{ "100.127.255.255", ADDRESS_PRIVATE },
		{ "100.128.0.0", ADDRESS_PUBLIC },
		{ "126.255.255.255", ADDRESS_PUBLIC },
		{ "127.0.0.0", ADDRESS_HOST },
		{ "127.255.255.255", ADDRESS_HOST },
		{ "128.0.0.0", ADDRESS_PUBLIC },
		{ "168.63.129.15", ADDRESS_PUBLIC },
		{ "168.63.129.16", ADDRESS_BLOCKED },
		{ "169.253.255.255", ADDRESS_PUBLIC },
		{ "169.254.0.0", ADDRESS_BLOCKED },
		{ "169.254.169.254", ADDRESS_BLOCKED },
		{ "169.254.255.255", ADDRESS_BLOCKED },
		{ "169.255.0.0", ADDRESS_PUBLIC },
		{ "172.15.255.255", ADDRESS_PUBLIC },
		{ "172.16.0.0", ADDRESS_PRIVATE },
		{ "172.31.255.255", ADDRESS_PRIVATE },
		{ "172.32.0.0", ADDRESS_PUBLIC },
		{ "192.0.0.0", ADDRESS_PRIVATE },
		{ "192.0.0.192", ADDRESS_BLOCKED },
		{ "192.0.0.255", ADDRESS_PRIVATE },
		{ "192.0.1.0", ADDRESS_PUBLIC },
		{ "192.167.255.255", ADDRESS_PUBLIC },
		{ "192.168.0.0", ADDRESS_PRIVATE },
		{ "192.168.255.255", ADDRESS_PRIVATE },
		{ "192.169.0.0", ADDRESS_PUBLIC },
		{ "198.17.255.255", ADDRESS_PUBLIC },
		{ "198.18.0.0", ADDRESS_BLOCKED },
		{ "198.19.255.255", ADDRESS_BLOCKED },
		{ "198.20.0.0", ADDRESS_PUBLIC },
		{ "223.255.255.255", ADDRESS_PUBLIC },
		{ "224.0.0.0", ADDRESS_BLOCKED },
		{ "239.255.255.255", ADDRESS_BLOCKED },
		{ "240.0.0.0", ADDRESS_BLOCKED },
		{ "255.255.255.255", ADDRESS_BLOCKED },
		{ "::", ADDRESS_BLOCKED },
		{ "::1", ADDRESS_HOST },
		{ "2001:4860:4860::8888", ADDRESS_PUBLIC },
		{ "fbff::1", ADDRESS_PUBLIC },
		{ "fc00::", ADDRESS_PRIVATE },
		{ "fdff:ffff::1", ADDRESS_PRIVATE },
		{ "fd00:ec2::253", ADDRESS_PRIVATE },
		{ "fd00:ec2::254", ADDRESS_BLOCKED },
		{ "fe7f::1", ADDRESS_PUBLIC },
		{ "fe80::1", ADDRESS_BLOCKED },
		{ "febf::1", ADDRESS_BLOCKED },
		{ "fec0::1", ADDRESS_PRIVATE },
		{ "feff::1", ADDRESS_PRIVATE },
		{ "ff02::1", ADDRESS_BLOCKED },
		{ "ff0e::1", ADDRESS_BLOCKED },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(table); i++)
		expect(table[i].s, table[i].class, NULL);
}

/* The IPv4 address in each of the forms that lead to it. */
static void
embed(const char *v4, unsigned form, char ret[INET6_ADDRSTRLEN])
{
	unsigned char b[4];

	assert_int_equal(1, inet_pton(AF_INET, v4, b));
	switch (form) {
	case 0:
		(void)snprintf(ret, INET6_ADDRSTRLEN, "::ffff:%s", v4);
		break;
	case 1:
		(void)snprintf(ret, INET6_ADDRSTRLEN, "64:ff9b::%s", v4);
		break;
	case 2:
		(void)snprintf(ret, INET6_ADDRSTRLEN, "64:ff9b:1::%s", v4);
		break;
	case 3: /* RFC 6052 with the prefix of 48 bits */
		(void)snprintf(ret, INET6_ADDRSTRLEN,
		    "64:ff9b:1:%02x%02x:%02x:%02x00::", b[0], b[1], b[2], b[3]);
		break;
	case 4: /* … of 64 */
		(void)snprintf(ret, INET6_ADDRSTRLEN,
		    "64:ff9b:1:0:%02x:%02x%02x:%02x00::", b[0], b[1], b[2],
		    b[3]);
		break;
	case 5:
		(void)snprintf(ret, INET6_ADDRSTRLEN,
		    "2002:%02x%02x:%02x%02x::1", b[0], b[1], b[2], b[3]);
		break;
	case 6:
		(void)snprintf(ret, INET6_ADDRSTRLEN,
		    "2001:0:%02x%02x:%02x%02x::", b[0], b[1], b[2], b[3]);
		break;
	default:
		(void)snprintf(ret, INET6_ADDRSTRLEN,
		    "2001:0:5db8:d822::%02x%02x:%02x%02x", b[0] ^ 0xff,
		    b[1] ^ 0xff, b[2] ^ 0xff, b[3] ^ 0xff);
		break;
	}
}

static void
address_judge__v4_inside_v6__judged_as_the_v4(void **state)
{
	static const struct {
		const char *s;
		enum address_class class;
	} table[] = {
		{ "169.254.169.254", ADDRESS_BLOCKED },
		{ "100.100.100.200", ADDRESS_BLOCKED },
		{ "255.255.255.255", ADDRESS_BLOCKED },
		{ "127.0.0.1", ADDRESS_HOST },
		{ "10.1.2.3", ADDRESS_PRIVATE },
		{ "192.168.1.1", ADDRESS_PRIVATE },
	};

	char s[INET6_ADDRSTRLEN];
	unsigned form;
	size_t i;

	(void)state;
	for (i = 0; i < countof(table); i++)
		for (form = 0; form < 8; form++) {
			struct net_address a;

			embed(table[i].s, form, s);
			a = address(s);
			/* The local prefix has several readings: the worst. */
			if (address_judge(&a, 443, NULL) < table[i].class)
				fail_msg("%s for %s is only %s", s, table[i].s,
				    address_class_name(
					address_judge(&a, 443, NULL)));
		}
	/* The control: a public one inside stays public. */
	expect("::ffff:93.184.216.34", ADDRESS_PUBLIC, NULL);
	expect("64:ff9b::93.184.216.34", ADDRESS_PUBLIC, NULL);
	expect("2002:5db8:d822::1", ADDRESS_PUBLIC, NULL);
}

static void
address_judge__routed_as_local__is_the_host(void **state)
{
	struct net_range ranges[2] = { { .prefix = 32 }, { .prefix = 64 } };
	struct address_endpoint own[1] = { { .port = 8123 } };
	struct address_locals l = { 1, countof(ranges), ranges, countof(own),
		own };
	struct address_locals unknown = { .known = 0 };
	struct net_address a;

	(void)state;
	ranges[0].base = address("93.184.216.34");
	ranges[1].base = address("2001:db8:1:2::");
	own[0].address = address("93.184.216.35");
	expect("93.184.216.34", ADDRESS_HOST, &l);
	expect("93.184.216.36", ADDRESS_PUBLIC, &l);
	expect("2001:db8:1:2::99", ADDRESS_HOST, &l);
	expect("2001:db8:1:3::99", ADDRESS_PUBLIC, &l);
	expect("64:ff9b::93.184.216.34", ADDRESS_HOST, &l);
	/* Warder's own endpoint is blocked, another port of it is not. */
	a = address("93.184.216.35");
	assert_int_equal(ADDRESS_BLOCKED, address_judge(&a, 8123, &l));
	assert_int_equal(ADDRESS_PUBLIC, address_judge(&a, 8124, &l));
	own[0].port = 0;
	assert_int_equal(ADDRESS_BLOCKED, address_judge(&a, 8124, &l));
	/* What cannot be read closes. */
	expect("93.184.216.36", ADDRESS_HOST, &unknown);
	expect("169.254.1.1", ADDRESS_BLOCKED, &unknown);
}

static void
address_judge__no_family__blocked(void **state)
{
	struct net_address a = { 0 };

	(void)state;
	assert_int_equal(ADDRESS_BLOCKED, address_judge(&a, 443, NULL));
	a.family = 5;
	assert_int_equal(ADDRESS_BLOCKED, address_judge(&a, 443, NULL));
}

static void
address_in_range__prefixes__to_the_bit(void **state)
{
	struct net_range r = { address("10.20.0.0"), 15 };
	struct net_address a = address("10.21.255.255");

	(void)state;
	assert_true(address_in_range(&a, &r));
	a = address("10.22.0.0");
	assert_false(address_in_range(&a, &r));
	r.prefix = 0;
	assert_true(address_in_range(&a, &r));
	a = address("::10.20.0.1");
	assert_false(address_in_range(&a, &r));
}

static void
address_from_sockaddr__mapped__is_v4(void **state)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(443) };
	struct sockaddr un = { .sa_family = AF_UNIX };
	struct net_address a;
	uint32_t port;

	(void)state;
	assert_int_equal(1,
	    inet_pton(AF_INET6, "::ffff:10.0.0.1", &in6.sin6_addr));
	assert_int_equal(0,
	    address_from_sockaddr((void *)&in6, sizeof(in6), &a, &port));
	assert_int_equal(4, a.family);
	assert_int_equal(10, a.bytes[0]);
	assert_int_equal(443, port);
	assert_int_equal(-1,
	    address_from_sockaddr((void *)&in6, sizeof(in6) - 1, &a, &port));
	in6.sin6_scope_id = 2;
	assert_int_equal(-1,
	    address_from_sockaddr((void *)&in6, sizeof(in6), &a, &port));
	assert_int_equal(-1, address_from_sockaddr(&un, sizeof(un), &a, &port));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    address_judge__special_ranges__both_ends_of_each),
		cmocka_unit_test(address_judge__v4_inside_v6__judged_as_the_v4),
		cmocka_unit_test(address_judge__routed_as_local__is_the_host),
		cmocka_unit_test(address_judge__no_family__blocked),
		cmocka_unit_test(address_in_range__prefixes__to_the_bit),
		cmocka_unit_test(address_from_sockaddr__mapped__is_v4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
