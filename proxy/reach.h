/*
 * reach.h: from an allowed destination to addresses that may be dialed.
 *
 * Runs in warder-proxy.  The addresses are the service's "dial", the host
 * itself where it is one, or what the resolver says; each is judged alone by
 * authorize(), and only those that it allows come out.  Whoever dials takes
 * them as they are: nobody resolves again.
 */
#ifndef REACH_H
#define REACH_H

#include "policy/authorize.h"
#include "proxy.h"

struct reach;

struct reach_target {
	struct net_address address;
	uint32_t port;
};

struct reach_result {
	uint32_t n; /* 0: refused, or nothing found */
	struct reach_target target[PROXY_ADDRESSES_MAX];
	int denied; /* 1: there were addresses, and none may be dialed: */
	struct intent intent; /* the last one that was asked, */
	struct net_address address; /* its address, */
	struct verdict verdict; /* and what was answered */
	const char *why; /* nothing was found: a constant text */
};

typedef void reach_fn(void *arg, const struct reach_result *r);

/*
 * For the host and port (borrowed until fn is called) and the service of an
 * allowed verdict.  fn is called once, from the loop, never from inside this
 * call, unless reach_cancel() comes first; *ret is invalid after either.
 */
must_check int reach_start(struct guest *g, const char *host, uint32_t port,
    uint32_t service, reach_fn *fn, void *arg, struct reach **ret,
    struct err *e);
void reach_cancel(struct reach *r); /* NULL is fine */

/*
 * At once, where no name has to be looked up and there is an address that may
 * be dialed: 1, and of *ret n and target are set.  0: reach_start() knows.
 */
must_check int reach_now(struct guest *g, const char *host, uint32_t port,
    uint32_t service, struct reach_result *ret);

#endif /* !REACH_H */
