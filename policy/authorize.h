/*
 * authorize.h: may it go out?  The only function that says so.
 *
 * Each way out of a jail (DNS, captured TCP, the explicit proxy, each request
 * in an inspected stream, each address before it is dialed) puts what it was
 * asked into a struct intent and calls authorize().  So do "warder policy
 * why" and "test".  Deny beats ask beats allow beats the default, which is
 * deny; the order of rules never matters.  A zeroed verdict is a refusal.
 *
 * A connection is judged step by step, each step with what is known by then:
 *
 *	DNS      a name is asked for: is it any service's?
 *	CONNECT  a stream to host:port begins: what is done with it?  Again
 *	         when the ClientHello has been read (hello = 1), with its SNI.
 *	HTTP     one request inside; Host or the absolute form in "authority".
 *	TCP      bytes that nobody looks into, to host:port.
 *	DIAL     one address, for the service of an earlier verdict, and for
 *	         its name and port.
 *
 * No allocation, no I/O, no clock; sub-linear in rules and hosts.  Strings
 * are canonical (policy/canon.h): one that is not is refused as malformed,
 * so that an adapter's mistake closes.
 */
#ifndef AUTHORIZE_H
#define AUTHORIZE_H

#include "address.h"
#include "canon.h"
#include "refusal.h"

enum intent_kind {
	INTENT_NOTHING, /* refused: nobody has filled it in */
	INTENT_DNS,
	INTENT_CONNECT,
	INTENT_HTTP,
	INTENT_TCP,
	INTENT_DIAL,
	INTENT__MAX
};

enum {
	INTENT_CARRIES_MAX = 32, /* more placeholders in one request: refused */
};

#define INTENT_BODY_UNKNOWN UINT64_MAX

/* A placeholder that was found in a request. */
struct intent_carry {
	uint32_t credential; /* index in the plan */
	const char *header; /* in lower case; NULL: anywhere but in a header */
};

struct intent {
	enum intent_kind kind;
	/*
	 * Where the client connects, or what it asks DNS for; DIAL: the name
	 * that the address was found for, or NULL.
	 */
	const char *host;
	uint32_t port; /* DNS: 0 */

	/* CONNECT, HTTP */
	int hello; /* CONNECT: the first bytes of the stream have been read */
	int tls; /* the client speaks TLS */
	const char *sni; /* canonical, or NULL: it sent none */

	/* HTTP */
	const char *authority; /* host of the request; must be there */
	uint32_t authority_port;
	const char *method, *path;
	const char *query; /* NULL: none */
	uint64_t body_bytes; /* as announced; INTENT_BODY_UNKNOWN: chunked */
	const struct intent_carry *carries;
	size_t ncarries;
	/* It has a header with a credential of its own (credential.h); for
	 * those of the query, the query is looked at. */
	int brought;

	/* DIAL */
	uint32_t service; /* of the verdict that allowed the stream */
	const struct net_address *address; /* with port, above */

	/* DIAL, and hosts that are addresses; NULL: offline */
	const struct address_locals *locals;
};

enum verdict_answer {
	VERDICT_DENY,
	VERDICT_ASK, /* to be refused until somebody can approve */
	VERDICT_ALLOW
};

/* What is done with a stream that CONNECT allows. */
enum verdict_handling {
	VERDICT_CLOSE,
	VERDICT_TCP, /* passed on as it is */
	VERDICT_SPLICE, /* the same after hello = 1 was allowed */
	VERDICT_INSPECT, /* TLS ended here, each request asked for (HTTP) */
	VERDICT_PLAIN, /* the same without TLS */
};

/* The dimensions of a decision, in the order in which they are looked at. */
enum verdict_dimension {
	VERDICT_HOST,
	VERDICT_PORT,
	VERDICT_METHOD,
	VERDICT_PATH,
	VERDICT_QUERY,
	VERDICT_ADDRESS,
	VERDICT_STREAM, /* tls, SNI, authority */
	VERDICT_BODY,
	VERDICT_CREDENTIAL,
	VERDICT_DIMENSION__MAX
};

struct verdict {
	enum verdict_answer answer;
	enum refusal_code code; /* REFUSAL_none if allowed */
	enum verdict_handling handling;
	uint32_t service; /* PLAN_NET_NONE: none has the destination */
	uint32_t destination; /* the one that matched, or PLAN_NET_NONE */
	uint32_t rule; /* that decided; PLAN_NET_NONE: "allow: any", default */
	uint32_t credential; /* that refused, or PLAN_NET_NONE */
	uint32_t passed; /* bit for each dimension */
	uint32_t failed; /* enum verdict_dimension; __MAX: none */
	enum address_class address_class; /* where an address was judged */
	uint64_t body_max_bytes; /* for bodies whose size is not known yet */

	/* HTTP, allowed: what is put in, and what is taken out. */
	uint32_t ninjects;
	uint32_t
	    injects[PLAN_NET_SERVICE_INJECTS_MAX]; /* indices in the plan */
	uint32_t strip; /* bit for each of intent.carries */
	int strip_own; /* every credential of the client's own (credential.h) */
};

/*
 * Decide.  net has passed plan_net_check().  *ret is always filled; only
 * answer == VERDICT_ALLOW lets anything out.
 */
void authorize(const struct plan_net *net, const struct intent *in,
    struct verdict *ret);

#endif /* !AUTHORIZE_H */
