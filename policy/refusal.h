/*
 * refusal.h: the closed list of reasons for which something is refused.
 *
 * One table: the code's name, the HTTP status of the answer, its text, what
 * helps.  The refusal record, the answers of the proxy, the tools, the policy
 * schema ("code" of a test) and docs/refusals.md are made from it.
 */
#ifndef REFUSAL_H
#define REFUSAL_H

/* clang-format off */
/*   code                    http text, help */
#define REFUSAL_CODES(X) \
	X(service,                403, "no service of the policy has this destination", \
	    "name the host in a service's \"to\"") \
	X(port,                   403, "the service has this host on another port only", \
	    "name host:port in the service's \"to\"") \
	X(method,                 403, "no rule allows this method", \
	    "a rule with the method and the path; TRACE and CONNECT are never passed on") \
	X(path,                   403, "no rule allows this method on this path", \
	    "a rule with the path; deny rules are listed with their reason") \
	X(query,                  403, "a rule wants a query parameter that is missing or different", \
	    "send the parameter once, with a value that the rule's pattern matches") \
	X(binary,                 403, "the service is for other programs", \
	    "name the program in the service's \"binaries\"") \
	X(address_class,          403, "the address is one that is blocked, local or private", \
	    "private and host addresses open by a service's \"only_addresses\"; blocked ones never") \
	X(address,                403, "the address is not among the service's only_addresses", \
	    "add the range to the service's \"only_addresses\"") \
	X(tls,                    403, "the service wants TLS and got none, or the other way round", \
	    "connect with https, or say \"tls: none\"") \
	X(sni_mismatch,           421, "the name in the TLS greeting or in Host is not the one connected to", \
	    "use one name for connection, SNI and Host") \
	X(credential_missing,     502, "the request has no credential: its placeholder was not sent, or there is no secret", \
	    "send the variable's placeholder in the header that the policy names; see that the secret exists") \
	X(credential_elsewhere,   403, "a placeholder was sent where it does not belong", \
	    "placeholders belong in the header that \"inject\" names, of its services only") \
	X(credential_from_client, 403, "the client brought a credential of its own", \
	    "\"from_client: keep\" or \"strip\"") \
	X(credential_destination, 403, "the secret's own entry does not name this destination", \
	    "warder credential set NAME --to HOST:PORT") \
	X(approval_required,      403, "a person has to approve this, and nobody can yet", \
	    "an allow rule in place of the ask rule") \
	X(body_limit,             413, "the body is larger than the service's body.max", \
	    "raise \"body: {max: …}\"") \
	X(malformed,              400, "the request cannot be read in one way only", \
	    "see docs/policy.md, \"One spelling\"") \
	X(limit,                  429, "a limit of the proxy is reached", \
	    "fewer at once, or later; see docs/limits.md") \
	X(unavailable,            503, "the service cannot be reached, or the proxy cannot decide", \
	    "see the log of warder-proxy")

/* clang-format on */

enum refusal_code {
	REFUSAL_none, /* not refused */
#define X(name, http, text, help) REFUSAL_##name,
	REFUSAL_CODES(X)
#undef X
	REFUSAL__MAX
};

/* "none" for none; NULL for a number outside the list. */
const char *refusal_name(unsigned code);
const char *refusal_text(unsigned code);
const char *refusal_help(unsigned code);
int refusal_http(unsigned code); /* 200 for none, 500 outside the list */

/* The code of a name, or REFUSAL__MAX. */
enum refusal_code refusal_find(const char *name);

#endif /* !REFUSAL_H */
