/*
 * generation.h: one policy of a jail, and all that was made of it.
 *
 * A jail has one in force; a reload makes another and swaps them at once.
 * Numbers of services, rules and credentials mean something in one generation
 * alone.  What outlives the swap (a request whose body is being searched)
 * holds the one that it began with.
 */
#ifndef GENERATION_H
#define GENERATION_H

#include "inject.h"
#include "limits_proxy.h"
#include "msg_proxy.h"
#include "plan_net.h"

/* A service's own authorities, PEM. */
struct generation_ca {
	char *text; /* NULL: the system's */
	size_t size;
};

/* Read by the other parts of the proxy, changed here but for counts. */
struct generation {
	unsigned holders;
	const struct plan_net *net; /* checked */
	size_t net_size;
	unsigned char policy[SHA256_SIZE]; /* what records name */
	struct proxy_count *counts; /* a service's, and one more */
	struct generation_ca *cas; /* a service's */

	/* Secrets and what stands for them. */
	struct secret **tokens; /* a credential's; NULL: not known */
	struct secret *(*past)[PROXY_TOKENS_PAST]; /* the latest first */
	uint64_t *serials; /* of the vault's; 0: not of the vault */
	char (*values)[PROXY_PLACEHOLDER_MAX]; /* "": it has none */
	unsigned placeholders; /* that are not "" */
	struct inject_set *inject;
	struct scrub *scrub; /* NULL: nothing is scrubbed */
};

/* plan is borrowed: ERR_CORRUPT unless it holds a plan that is whole. */
must_check int generation_create(int plan, const unsigned char *policy,
    struct generation **ret, struct err *e);

/* Each holder ends its hold by generation_drop (NULL is fine). */
struct generation *generation_hold(struct generation *n);
void generation_drop(struct generation *n);

/* It is not in force any more: its secrets go now, whoever holds it. */
void generation_retire(struct generation *n);

/* What the launcher says of it; once each. */
must_check int generation_set_ca(struct generation *n, uint32_t service,
    int file, struct err *e);
must_check int generation_set_token(struct generation *n, uint32_t credential,
    const void *p, size_t size, struct err *e);

/*
 * Of the one in force, which it may follow: the secrets that responses go on
 * being scrubbed of.  Before generation_prepare().
 */
must_check int generation_inherit(struct generation *n,
    const struct generation *from, struct err *e);

/* All is said: make what is made of it, placeholders from the jail's seed. */
must_check int generation_prepare(struct generation *n,
    const unsigned char *seed, struct err *e);

/*
 * As guest_keep_token; 1: it is another one than before.  Those of before, and
 * those that are forgotten, are looked for in responses still.
 */
must_check int generation_keep_token(struct generation *n, uint32_t credential,
    const void *p, size_t size, uint64_t serial, struct err *e);
void generation_forget_token(struct generation *n, uint32_t credential);

#endif /* !GENERATION_H */
