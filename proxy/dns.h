/*
 * dns.h: what a jail's resolver is told.
 *
 * Runs in warder-proxy, on queries from the jail.  No I/O, no clock: bytes in,
 * bytes out.  No query leaves: the names that the policy allows have synthetic
 * addresses (synthetic.h), all others do not exist.
 *
 *	asked for			answer
 *	A, AAAA of an allowed name	its synthetic address
 *	ANY of one			both
 *	any other type of one		no data: HTTPS and SVCB too, so that
 *					nobody is led past inspection (ECH,
 *					other ports, other names)
 *	PTR of a synthetic address	its name
 *	localhost, its addresses	loopback, as RFC 6761 wants it
 *	the root			no data
 *	any other name, and addresses	NXDOMAIN
 *	an allowed name, no room left	SERVFAIL
 *	AXFR, IXFR, another class	REFUSED
 *	another opcode			NOTIMP
 *	malformed			FORMERR
 *	EDNS of another version		BADVERS
 *	a response, under 12 bytes	nothing
 *
 * One question, in the query's own spelling ("0x20"); names in it are not
 * compressed.  An OPT record is answered by one, with the reason of a refusal
 * (RFC 8914).  Answers that do not fit are cut to the question, with TC set;
 * none is longer than DNS_ANSWER_MAX, which every client takes by UDP.
 */
#ifndef DNS_H
#define DNS_H

#include <stdint.h>

#include "policy/canon.h"
#include "synthetic.h"

enum {
	DNS_QUERY_MAX = 1232, /* bytes: header, name, one OPT with padding */
	DNS_ANSWER_MAX = 512, /* what RFC 1035 lets a datagram have */
	DNS_TTL_S = 60, /* the address stays, the policy may be reloaded */
	DNS_NEGATIVE_TTL_S = 5,
};

/* clang-format off */
/*   name, unit, reason, one past it */
#define LIMITS_DNS(X) \
	X(DNS_QUERY_MAX, "bytes", \
	    "header, name, one OPT with padding: what resolvers send", \
	    "not answered; over TCP the connection is closed") \
	X(DNS_ANSWER_MAX, "bytes", \
	    "what RFC 1035 lets a datagram have; ours have one address", \
	    "the reason is left out; then it says truncated") \
	X(DNS_TTL_S, "s", \
	    "the address stays, the policy may be reloaded", \
	    "the name is asked again") \
	X(DNS_NEGATIVE_TTL_S, "s", \
	    "the same for what is not allowed", \
	    "the name is asked again") \
	X(SYNTHETIC_NAMES_MAX, "names a jail", \
	    "about a megabyte of the proxy's memory at most", \
	    "the name has no address: SERVFAIL, recorded")

/* clang-format on */

struct dns {
	struct synthetic *names;
	int ipv6; /* 0: the kernel has none, so AAAA has no data */
	/* 1 if the policy allows this canonical host, which is a name */
	int (*allowed)(void *arg, const char *host);
	void *arg;
};

enum dns_end {
	DNS_SILENT, /* not answered */
	DNS_MALFORMED,
	DNS_UNSUPPORTED, /* NOTIMP, REFUSED, BADVERS */
	DNS_ANSWERED,
	DNS_NO_DATA,
	DNS_NO_NAME, /* not allowed, or no host at all */
	DNS_FULL, /* allowed, but there is no address left: to be recorded */
	DNS_END__MAX
};

/* For the log. */
struct dns_result {
	enum dns_end end;
	uint16_t type; /* as asked; 0: it did not come to that */
	char host[CANON_HOST_SIZE]; /* canonical; "": none */
};

/*
 * Answer the n bytes at query.  Writes at most room bytes (of which the first
 * DNS_ANSWER_MAX are always enough) and returns how many: 0 for silence.
 */
size_t dns_answer(const struct dns *d, const void *query, size_t n,
    unsigned char *ret, size_t room, struct dns_result *result);

/*
 * Queries over TCP, each behind its length in two bytes.  Push what came
 * (n > 0) until 1 says that a query is whole: then dns_frame_query() has it,
 * and dns_frame_next() makes room for the next one.  *ret_taken: of the n.
 * -1: it is longer than a query can be, or empty; nothing more follows.
 */
struct dns_frame {
	unsigned char bytes[2 + DNS_QUERY_MAX];
	size_t have;
};

void dns_frame_init(struct dns_frame *f);
must_check int dns_frame_push(struct dns_frame *f, const void *p, size_t n,
    size_t *ret_taken);
const unsigned char *dns_frame_query(const struct dns_frame *f, size_t *ret_n);
void dns_frame_next(struct dns_frame *f);

/* The two bytes in front of an answer of n bytes (below 65536). */
void dns_frame_length(unsigned char ret[2], size_t n);

#endif /* !DNS_H */
