/*
 * net_rules.c: a namespace in which every address is local, as tables.
 *
 * Routes, as iproute2 would write them:
 *
 *	ip address add 127.0.0.2/8 dev lo scope host
 *	ip route add local 0.0.0.0/0 dev lo src 127.0.0.1 table default
 *	ip route add local ::/0 dev lo src ::1
 *
 * The table of the first is not "local": that one decides which addresses a
 * program may bind, so a bind to any but 127/8 fails as it does elsewhere,
 * while a connection to it goes through.  IPv6 asks the interface, which has
 * ::1 alone.  "src" keeps answers on loopback, where the rules let them pass.
 * The address is for glibc: to a program that wants IPv4 "if it is configured
 * here" (AI_ADDRCONFIG) it finds no name where 127.0.0.1 is all there is.
 *
 * Rules, as nft(8) lists them:
 *
 *	table inet warder {
 *		chain in {
 *			type filter hook prerouting priority mangle; policy drop;
 *			ip daddr 127.0.0.0/8 accept
 *			ip6 daddr ::1 accept
 *			meta nfproto ipv4 meta l4proto tcp
 *			    tproxy ip to 192.0.2.1:1 accept
 *			meta nfproto ipv6 meta l4proto tcp
 *			    tproxy ip6 to [2001:db8::1]:1 accept
 *			udp dport 53 accept
 *			meta l4proto tcp reject with tcp reset
 *		}
 *		chain out {
 *			type filter hook output priority filter; policy drop;
 *			ip daddr 127.0.0.0/8 accept
 *			ip6 daddr ::1 accept
 *			meta l4proto tcp accept
 *			udp dport 53 accept
 *		}
 *	}
 *
 * tproxy takes transparent sockets alone, which only the owner of this
 * namespace can make: whatever the jail binds with IP_FREEBIND, nothing that
 * was sent to an address beyond loopback ever reaches it, with the proxy
 * gone neither.  The second chain makes other protocols fail at the sender,
 * with EPERM, where the first would let them vanish.
 */
#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "net.h"

enum {
	NET_LO = 1, /* the first interface of every namespace */
	NET_MANGLE = -150, /* NF_IP_PRI_MANGLE: before the routing decision */
	NET_IPV4_DADDR = 16, /* offsets in the headers */
	NET_IPV6_DADDR = 24,
	NET_UDP_DPORT = 2,
};

/* ---- the vocabulary ---- */

#define MESSAGE(t, fl, without, body, what)                                \
	{                                                                  \
		.kind = NETLINK_MESSAGE, .type = (t), .flags = (fl),       \
		.skip = (without), .size = sizeof(body), .bytes = &(body), \
		.name = (what)                                             \
	}
#define NEST(t)                                   \
	{                                         \
		.kind = NETLINK_NEST, .type = (t) \
	}
#define END                         \
	{                           \
		.kind = NETLINK_END \
	}
#define BE32(t, v)                                                        \
	{                                                                 \
		.kind = NETLINK_BE32, .type = (t), .value = (uint32_t)(v) \
	}
#define U32(t, v)                                              \
	{                                                      \
		.kind = NETLINK_U32, .type = (t), .value = (v) \
	}
#define BYTES(t, s)                                                        \
	{                                                                  \
		.kind = NETLINK_BYTES, .type = (t), .size = sizeof(s) - 1, \
		.bytes = (s)                                               \
	}
#define STRING(t, s)                                                   \
	{                                                              \
		.kind = NETLINK_BYTES, .type = (t), .size = sizeof(s), \
		.bytes = (s)                                           \
	}

/* ---- lo and the routes ---- */

static const struct ifinfomsg net_lo = {
	.ifi_family = AF_UNSPEC,
	.ifi_index = NET_LO,
	.ifi_flags = IFF_UP,
	.ifi_change = IFF_UP,
};

static const struct ifaddrmsg net_second = {
	.ifa_family = AF_INET,
	.ifa_prefixlen = 8,
	.ifa_scope = RT_SCOPE_HOST,
	.ifa_index = NET_LO,
};

static const struct rtmsg net_ipv4 = {
	.rtm_family = AF_INET,
	.rtm_table = RT_TABLE_DEFAULT,
	.rtm_protocol = RTPROT_STATIC,
	.rtm_scope = RT_SCOPE_HOST,
	.rtm_type = RTN_LOCAL,
};

static const struct rtmsg net_ipv6 = {
	.rtm_family = AF_INET6,
	.rtm_table = RT_TABLE_MAIN,
	.rtm_protocol = RTPROT_STATIC,
	.rtm_type = RTN_LOCAL,
};

/* Errors come unasked; of success one answer is enough. */
#define MAKE (NLM_F_CREATE | NLM_F_EXCL)

static const struct netlink_op net_routes[] = {
	MESSAGE(RTM_NEWLINK, 0, 0, net_lo, "lo"),
	MESSAGE(RTM_NEWADDR, MAKE, 0, net_second, "address 127.0.0.2"),
	BYTES(IFA_LOCAL, "\x7f\x00\x00\x02"),
	MESSAGE(RTM_NEWROUTE, MAKE | NLM_F_ACK, 0, net_ipv4,
	    "route of 0.0.0.0/0"),
	U32(RTA_OIF, NET_LO),
	BYTES(RTA_PREFSRC, "\x7f\x00\x00\x01"),
	MESSAGE(RTM_NEWROUTE, MAKE, NET_NO_IPV6, net_ipv6, "route of ::/0"),
	U32(RTA_OIF, NET_LO),
	BYTES(RTA_PREFSRC, "\x00\x00\x00\x00\x00\x00\x00\x00"
			   "\x00\x00\x00\x00\x00\x00\x00\x01"),
};

const struct net_table net_rules_route = { net_routes, countof(net_routes) };

/*
 * Where ports are named one by one: the same routes, but in a table that is
 * asked for what net_ports.c says and for nothing else.
 */
static const struct fib_rule_hdr net_default = {
	.family = AF_INET,
	.table = RT_TABLE_DEFAULT,
	.action = FR_ACT_TO_TBL,
};

static const struct rtmsg net_ipv6_default = {
	.rtm_family = AF_INET6,
	.rtm_table = RT_TABLE_DEFAULT,
	.rtm_protocol = RTPROT_STATIC,
	.rtm_type = RTN_LOCAL,
};

static const struct netlink_op net_routes_ports[] = {
	MESSAGE(RTM_DELRULE, NLM_F_ACK, 0, net_default, "rule"),
	MESSAGE(RTM_DELROUTE, 0, NET_NO_IPV6, net_ipv6, "route of ::/0"),
	U32(RTA_OIF, NET_LO),
	MESSAGE(RTM_NEWROUTE, MAKE, NET_NO_IPV6, net_ipv6_default,
	    "route of ::/0"),
	U32(RTA_OIF, NET_LO),
	BYTES(RTA_PREFSRC, "\x00\x00\x00\x00\x00\x00\x00\x00"
			   "\x00\x00\x00\x00\x00\x00\x00\x01"),
};

const struct net_table net_rules_ports = { net_routes_ports,
	countof(net_routes_ports) };

/* ---- the rule set ---- */

#define TABLE_NAME "warder"
#define CHAIN_IN "in"
#define CHAIN_OUT "out"

static const struct nfgenmsg net_inet = {
	.nfgen_family = NFPROTO_INET,
	.version = NFNETLINK_V0,
};

static const struct nfgenmsg net_batch = {
	.nfgen_family = AF_UNSPEC,
	.version = NFNETLINK_V0,
	.res_id = __constant_htons(NFNL_SUBSYS_NFTABLES),
};

#define NFT(m) (NFNL_SUBSYS_NFTABLES << 8 | (m))

/* clang-format off */
#define CHAIN(chain, hook, priority) \
	MESSAGE(NFT(NFT_MSG_NEWCHAIN), NLM_F_CREATE, 0, net_inet, \
	    "chain " chain), \
	STRING(NFTA_CHAIN_TABLE, TABLE_NAME), \
	STRING(NFTA_CHAIN_NAME, chain), \
	NEST(NFTA_CHAIN_HOOK), \
		BE32(NFTA_HOOK_HOOKNUM, hook), \
		BE32(NFTA_HOOK_PRIORITY, priority), \
	END, \
	STRING(NFTA_CHAIN_TYPE, "filter"), \
	BE32(NFTA_CHAIN_POLICY, NF_DROP)

#define RULE(chain, without, what) RULE_FLAGS(chain, without, 0, what)
#define RULE_LAST(chain, what) RULE_FLAGS(chain, 0, NLM_F_ACK, what)
#define RULE_FLAGS(chain, without, more, what) \
	MESSAGE(NFT(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND | (more), \
	    without, net_inet, "rule: " what), \
	STRING(NFTA_RULE_TABLE, TABLE_NAME), \
	STRING(NFTA_RULE_CHAIN, chain), \
	NEST(NFTA_RULE_EXPRESSIONS)
#define RULE_END END

#define EXPRESSION(e) \
	NEST(NFTA_LIST_ELEM), \
		STRING(NFTA_EXPR_NAME, e), \
		NEST(NFTA_EXPR_DATA)
#define EXPRESSION_END END, END

#define META(key) \
	EXPRESSION("meta"), \
		BE32(NFTA_META_DREG, NFT_REG_1), \
		BE32(NFTA_META_KEY, key), \
	EXPRESSION_END

#define PAYLOAD(base, offset, length) \
	EXPRESSION("payload"), \
		BE32(NFTA_PAYLOAD_DREG, NFT_REG_1), \
		BE32(NFTA_PAYLOAD_BASE, base), \
		BE32(NFTA_PAYLOAD_OFFSET, offset), \
		BE32(NFTA_PAYLOAD_LEN, length), \
	EXPRESSION_END

#define IS(value) \
	EXPRESSION("cmp"), \
		BE32(NFTA_CMP_SREG, NFT_REG_1), \
		BE32(NFTA_CMP_OP, NFT_CMP_EQ), \
		NEST(NFTA_CMP_DATA), \
			BYTES(NFTA_DATA_VALUE, value), \
		END, \
	EXPRESSION_END

#define LOAD(reg, value) \
	EXPRESSION("immediate"), \
		BE32(NFTA_IMMEDIATE_DREG, reg), \
		NEST(NFTA_IMMEDIATE_DATA), \
			BYTES(NFTA_DATA_VALUE, value), \
		END, \
	EXPRESSION_END

#define ACCEPT \
	EXPRESSION("immediate"), \
		BE32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT), \
		NEST(NFTA_IMMEDIATE_DATA), \
			NEST(NFTA_DATA_VERDICT), \
				BE32(NFTA_VERDICT_CODE, NF_ACCEPT), \
			END, \
		END, \
	EXPRESSION_END

#define TPROXY(family, address) \
	LOAD(NFT_REG_1, address), \
	LOAD(NFT_REG_2, "\x00\x01"), \
	EXPRESSION("tproxy"), \
		BE32(NFTA_TPROXY_FAMILY, family), \
		BE32(NFTA_TPROXY_REG_ADDR, NFT_REG_1), \
		BE32(NFTA_TPROXY_REG_PORT, NFT_REG_2), \
	EXPRESSION_END

#define RESET \
	EXPRESSION("reject"), \
		BE32(NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST), \
	EXPRESSION_END

#define IS_IPV4 META(NFT_META_NFPROTO), IS("\x02")
#define IS_IPV6 META(NFT_META_NFPROTO), IS("\x0a")
#define IS_TCP META(NFT_META_L4PROTO), IS("\x06")
#define IS_UDP META(NFT_META_L4PROTO), IS("\x11")

/* The first byte is all of the network 127. */
#define TO_LOOPBACK_IPV4 \
	IS_IPV4, \
	PAYLOAD(NFT_PAYLOAD_NETWORK_HEADER, NET_IPV4_DADDR, 1), \
	IS("\x7f")
#define TO_LOOPBACK_IPV6 \
	IS_IPV6, \
	PAYLOAD(NFT_PAYLOAD_NETWORK_HEADER, NET_IPV6_DADDR, 16), \
	IS("\x00\x00\x00\x00\x00\x00\x00\x00" \
	    "\x00\x00\x00\x00\x00\x00\x00\x01")
#define TO_DNS \
	IS_UDP, \
	PAYLOAD(NFT_PAYLOAD_TRANSPORT_HEADER, NET_UDP_DPORT, 2), \
	IS("\x00\x35")

static const struct netlink_op net_filter[] = {
	MESSAGE(NFNL_MSG_BATCH_BEGIN, 0, 0, net_batch, "rule set"),

	MESSAGE(NFT(NFT_MSG_NEWTABLE), NLM_F_CREATE, 0, net_inet, "table"),
	STRING(NFTA_TABLE_NAME, TABLE_NAME),

	CHAIN(CHAIN_IN, NF_INET_PRE_ROUTING, NET_MANGLE),
	RULE(CHAIN_IN, 0, "in, loopback"),
		TO_LOOPBACK_IPV4, ACCEPT,
	RULE_END,
	RULE(CHAIN_IN, NET_NO_IPV6, "in, IPv6 loopback"),
		TO_LOOPBACK_IPV6, ACCEPT,
	RULE_END,
	RULE(CHAIN_IN, 0, "in, tproxy"),
		IS_IPV4, IS_TCP, TPROXY(NFPROTO_IPV4, NET_CAPTURE_IPV4), ACCEPT,
	RULE_END,
	RULE(CHAIN_IN, NET_NO_IPV6, "in, IPv6 tproxy"),
		IS_IPV6, IS_TCP, TPROXY(NFPROTO_IPV6, NET_CAPTURE_IPV6), ACCEPT,
	RULE_END,
	RULE(CHAIN_IN, 0, "in, dns"),
		TO_DNS, ACCEPT,
	RULE_END,
	RULE(CHAIN_IN, 0, "in, reset"),
		IS_TCP, RESET,
	RULE_END,

	CHAIN(CHAIN_OUT, NF_INET_LOCAL_OUT, 0),
	RULE(CHAIN_OUT, 0, "out, loopback"),
		TO_LOOPBACK_IPV4, ACCEPT,
	RULE_END,
	RULE(CHAIN_OUT, NET_NO_IPV6, "out, IPv6 loopback"),
		TO_LOOPBACK_IPV6, ACCEPT,
	RULE_END,
	RULE(CHAIN_OUT, 0, "out, tcp"),
		IS_TCP, ACCEPT,
	RULE_END,
	RULE_LAST(CHAIN_OUT, "out, dns"),
		TO_DNS, ACCEPT,
	RULE_END,

	MESSAGE(NFNL_MSG_BATCH_END, 0, 0, net_batch, "rule set"),
};
/* clang-format on */

const struct net_table net_rules_filter = { net_filter, countof(net_filter) };
