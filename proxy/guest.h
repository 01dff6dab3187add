/*
 * guest.h: a jail, as warder-proxy sees it.
 *
 * It is known by its listeners alone: whoever connects there is the jail, and
 * is judged by its plan.  What one guest does must not slow another: each has
 * its own caps, and accepting pauses at them.
 */
#ifndef GUEST_H
#define GUEST_H

#include <sys/queue.h>

#include "audit.h"
#include "generation.h"
#include "inject.h"
#include "msg_proxy.h"
#include "names.h"
#include "policy/authorize.h"
#include "proxy.h"

struct conn;
struct dnsio;
struct listener;
struct mint;
struct tls_identity;
struct tls_server;
struct tokens;
struct upstream_pool;

enum {
	GUEST_LISTENERS_MAX = 72, /* capture.h: 2 * (32 ports + 3) */
	GUEST_POOLS_MAX = 64, /* with a few descriptors each */
};

TAILQ_HEAD(guest_conns, conn);

/* The connections of one service with one set of credentials. */
struct guest_pool {
	struct upstream_pool *pool; /* NULL: free */
	uint32_t service; /* PLAN_NET_NONE: of an earlier generation */
	uint32_t injects; /* bit for each of the service's */
	uint64_t used; /* when: the least recent one goes */
};

/* Lines that a guest may still make; those it may not are counted. */
struct guest_credit {
	uint64_t since_ms;
	unsigned lines, lost;
};

/* Read by the other parts of the proxy, changed by guest.c but for counts. */
struct guest {
	struct proxy *proxy;
	uint32_t number; /* the launcher's */
	int failed; /* only to be removed */
	int prepared;
	char run[PROXY_RUN_MAX];
	struct generation *now; /* in force */
	const struct plan_net *net; /* the same one's */
	struct generation *first; /* what the jail began with */
	struct generation *next; /* NULL: nothing is being reloaded */
	struct err next_failed; /* ERR_OK, or why next cannot be */

	struct dnsio *dns;
	struct listener *listeners[GUEST_LISTENERS_MAX];
	unsigned nlisteners;
	struct guest_conns conns;
	unsigned nconns;
	struct names_asker names;

	unsigned char seed[PROXY_SEED_SIZE];
	uint32_t life_s; /* of the run; 0: it may last */
	struct tokens *vault; /* NULL: no credential is the vault's */

	/* Towards the client, and towards the world. */
	struct mint *mint; /* NULL: nothing is inspected */
	struct tls_server *tls;
	struct guest_pool pools[GUEST_POOLS_MAX];
	uint64_t pool_uses;
	unsigned nkept; /* connections towards the world */
	struct loop_timer *retired; /* pools of an earlier generation */

	/* record.c */
	struct guest_credit log_credit, audit_credit;
	struct audit audit;
	int audit_fd; /* -1: there is none */
	uint32_t audit_segment; /* its number in the run, from 1 */
	int audit_asked; /* for the next one */
};

/* ERR_CORRUPT if the table is full: the launcher counts. */
must_check int guest_create(struct proxy *p, uint32_t number,
    struct guest **ret, struct err *e);

/* Close everything, forget it. */
void guest_destroy(struct guest *g);

/* Close everything; the number stays until it is removed. */
void guest_fail(struct guest *g);
int guest_failed(const struct guest *g);
uint32_t guest_number(const struct guest *g);
struct guest *guest_find(const struct proxy *p, uint32_t number);

/* What the messages bring; m and fd are borrowed. */
must_check int guest_load(struct guest *g, const struct proxy_jail_add *m,
    int plan, struct err *e);
must_check int guest_set_ca(struct guest *g, uint32_t service, int file,
    struct err *e);
must_check int guest_set_token(struct guest *g, uint32_t credential,
    const void *p, size_t n, struct err *e);
/* The vault's socket, taken. */
must_check int guest_set_vault(struct guest *g, int fd, struct err *e);
/*
 * The file of the audit log, taken: the first one, or one that was asked for,
 * and then *ret says how the one before it ends (lines 0: there was none).
 */
must_check int guest_set_audit(struct guest *g, int fd,
    struct proxy_audit_ended *ret, struct err *e);
must_check int guest_prepare(struct guest *g, struct proxy_ready *ret,
    int *ret_fd, struct err *e);

/*
 * A live jail is given another plan (borrowed): what cannot be done is said
 * by guest_reload(), reload.h.
 */
must_check int guest_set_plan(struct guest *g, const struct proxy_jail_plan *m,
    int plan, struct err *e);
/* A generation is taken; the last one's hold is dropped. */
void guest_put_in_force(struct guest *g, struct generation *n);

/* fd is taken. */
must_check int guest_listen(struct guest *g, uint32_t role, int fd,
    struct err *e);
must_check int guest_summary(struct guest *g, struct proxy_removed *ret,
    int *ret_fd, struct err *e);

/* Whether another connection may be accepted. */
int guest_has_room(const struct guest *g);

/* A connection came, or went: then accepting may go on. */
void guest_enter(struct guest *g);
void guest_leave(struct guest *g);

/*
 * What a client meant by an address: the name that it stands for in this
 * jail, otherwise the address itself.
 */
void guest_name_of(struct guest *g, const struct net_address *a,
    char ret[CANON_HOST_SIZE]);

/* The certificate for a host of the plan: see mint_leaf. */
must_check int guest_leaf(struct guest *g, const char *host,
    const struct tls_identity **ret, struct err *e);

/*
 * The secrets that an allowing verdict puts in; one that is not there and not
 * required is taken out of the verdict, ERR_NOT_FOUND if it is required.
 */
must_check int guest_secrets(struct guest *g, struct verdict *v,
    struct inject_secrets *ret, struct err *e);

/*
 * A secret of the vault, which takes the place of an older one; responses go
 * on being scrubbed of that one, and of PROXY_TOKENS_PAST before, as far as
 * their forms have room.  ERR_INVALID if it could not be in a header.
 */
must_check int guest_keep_token(struct guest *g, uint32_t credential,
    const void *p, size_t n, uint64_t serial, struct err *e);
void guest_forget_token(struct guest *g, uint32_t credential);

/* The serial of the one that is kept; 0: none is. */
uint64_t guest_serial(const struct guest *g, uint32_t credential);

/* Whether the response to such a request is scrubbed. */
int guest_scrubs(const struct guest *g, const struct verdict *v);

/* Where the connections for such a request are kept; borrowed. */
must_check int guest_pool(struct guest *g, const struct verdict *v,
    struct upstream_pool **ret, struct err *e);

/* The counts of a service, or with PLAN_NET_NONE those of none. */
struct proxy_count *guest_count(struct guest *g, uint32_t service);

#endif /* !GUEST_H */
