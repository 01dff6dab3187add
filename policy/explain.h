/*
 * explain.h: why not, and what would help.
 *
 * Computed from the compiled plan that authorize() used, never from the text
 * of the policy.  Only for what is refused, so it may be slower: linear in
 * the rules of one service.  Pure; libc only; what it writes is bounded,
 * escaped, and has nothing of a request but its method, host, port and path.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "authorize.h"
#include "text.h"

enum {
	EXPLAIN_SIZE = 1024, /* bytes of one text; longer ones end in "..." */
	EXPLAIN_RECORD_SIZE = 8192, /* every record has room in it */
};

struct explain {
	uint32_t nearest; /* the rule that failed last, or PLAN_NET_NONE */
	const char *near; /* its "file:line"; or the service's; or "" */
	const char *why; /* its reason, if it gives one; or NULL */
	const char *text; /* of the code, or closer */
	char what[EXPLAIN_SIZE]; /* "POST /repos/acme/hr/issues" */
	char edit[EXPLAIN_SIZE]; /* "network.services.github_api.allow[+]" */
	char add[EXPLAIN_SIZE]; /* what to write there; may be empty */
};

/* Fill *ret for a verdict; near and why are borrowed from the plan. */
void explain_verdict(const struct plan_net *net, const struct intent *in,
    const struct verdict *v, struct explain *ret);

/*
 * Add the refusal record (docs/refusals.md): one JSON object, no newline.
 * policy is the plan's digest, run the run's id; each may be NULL.
 */
void explain_record(const struct plan_net *net, const struct intent *in,
    const struct verdict *v, const unsigned char *policy, const char *run,
    struct text *t);

/* "host", "port", "method", … */
const char *explain_dimension(uint32_t dimension);

#endif /* !EXPLAIN_H */
