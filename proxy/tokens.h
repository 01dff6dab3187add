/*
 * tokens.h: secrets of the vault, asked for one request at a time.
 *
 * Runs in warder-proxy; the other side is warder-vault (msg_vault.h), which
 * decides, for each destination anew, whether it gives one.  An answer serves
 * further requests to the same destination for at most PROXY_TOKEN_MS, so
 * that what was rotated or removed counts soon.  A vault that is gone, or
 * breaks the protocol, gives no more: closed.
 */
#ifndef TOKENS_H
#define TOKENS_H

#include "guest.h"

struct tokens;
struct tokens_ask;

/* fd is taken; non-blocking from here on. */
must_check int tokens_create(struct guest *g, int fd, struct tokens **ret,
    struct err *e);
void tokens_destroy(struct tokens *t); /* NULL is fine */

/*
 * The secrets are in the guest (guest_token), or REFUSAL_none is not what
 * code says, and why.  refused is the credential that it was refused for.
 */
typedef void tokens_fn(void *arg, enum refusal_code code, uint32_t credential,
    const char *why);

/*
 * Get what an allowed verdict puts in at host:port (borrowed until fn) and
 * comes from the vault.  again: what was given last was answered with 401.
 * fn is called once, from the loop, unless tokens_cancel() comes first;
 * *ret is invalid after either.  *ret is NULL where nothing has to be asked
 * for: then fn is not called.
 */
must_check int tokens_start(struct guest *g, const struct verdict *v,
    const char *host, uint32_t port, int again, tokens_fn *fn, void *arg,
    struct tokens_ask **ret, struct err *e);
void tokens_cancel(struct tokens_ask *a); /* NULL is fine */

/* Another secret has come: who may have the old one may not have it yet. */
void tokens_forget(struct tokens *t, uint32_t credential);

/*
 * Another policy: numbers of credentials mean something else from now on.
 * Who has asked is to be cancelled.
 */
void tokens_forget_all(struct tokens *t);

/* Whether one of them may be another when it is asked for again. */
int tokens_renewable(const struct guest *g, const struct verdict *v);

#endif /* !TOKENS_H */
