/*
 * names.h: names of the world, by c-ares on the loop.
 *
 * Runs in warder-proxy.  It asks the servers that the system names, for a
 * name as it is (no search list), A and AAAA together, follows CNAMEs inside
 * the answer, and gives addresses; whether one may be dialed is not decided
 * here.  Nothing is cached: the addresses that are judged are those that are
 * dialed.  Who asks for a name that is being asked for gets the same answer.
 */
#ifndef NAMES_H
#define NAMES_H

#include <sys/queue.h>

#include "limits_proxy.h"
#include "loop.h"
#include "plan_net.h"

struct names;
struct names_lookup;
struct names_query;

/*
 * On whose behalf: a jail.  Zeroed, it has asked for nothing.  c-ares cannot
 * give up one lookup, so one that nobody waits for any more counts until it
 * has its answer.
 */
struct names_asker {
	LIST_HEAD(names_lookups, names_lookup) lookups;
	unsigned nlookups; /* at most PROXY_RESOLVES_MAX */
};

struct names_answer {
	uint32_t n; /* 0: see why */
	struct net_address address[PROXY_ADDRESSES_MAX]; /* IPv4 first */
	const char *why; /* of a failure: a constant text */
};

typedef void names_fn(void *arg, const struct names_answer *a);

/* Reads the system's configuration: before the filter. */
must_check int names_create(struct loop *l, struct names **ret, struct err *e);
void names_destroy(struct names *r);

/*
 * Ask for a canonical host that is a name.  fn is called once, from the loop
 * or from inside this call, within PROXY_RESOLVE_MS, unless names_cancel()
 * comes first; then *ret is invalid.  *ret is set before fn can be called.
 * Where the asker (borrowed until names_forget(); NULL: nothing is shared or
 * counted) waits for the same name, its answer is this one's too; ERR_LIMIT
 * if it has too many other names looked up.
 */
must_check int names_start(struct names *r, struct names_asker *who,
    const char *host, names_fn *fn, void *arg, struct names_query **ret,
    struct err *e);
void names_cancel(struct names_query *q);

/* The asker goes; its queries are cancelled. */
void names_forget(struct names_asker *who);

#endif /* !NAMES_H */
