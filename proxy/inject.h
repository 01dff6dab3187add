/*
 * inject.h: placeholders out, secrets in.
 *
 * Runs in warder-proxy, on a request that the codec has read, before it is
 * written anew.  Pure but for memory.
 *
 * The order: inject_find() says which placeholders a head carries, for
 * authorize(); if that allows the request, inject_apply() takes out what the
 * verdict names and puts the secrets in, one field each; the body then goes
 * through inject_body_feed().
 *
 * A placeholder is in its slot only where the whole of a field is what the
 * policy's "as" makes of it: "Bearer P" or "token P" (RFC 6750; the second is
 * GitHub's), "Basic" with P as the password of any user, the named field with
 * P in its format; schemes in any case.  Anywhere else, in whatever form
 * (proxy/scrub.h lists them), it is elsewhere.
 */
#ifndef INJECT_H
#define INJECT_H

#include "http1.h"
#include "policy/authorize.h"
#include "scrub.h"
#include "secret.h"

/* The placeholders of a jail, by the credential's number in its plan. */
struct inject_set;

/*
 * values: of each credential of the plan, in its order; "" where it has none.
 * They are copied; the plan is borrowed for as long as the set lives.
 * ERR_LIMIT where their forms are too many.
 */
must_check int inject_set_create(const struct plan_net *net,
    const char *const *values, struct inject_set **ret, struct err *e);
void inject_set_destroy(struct inject_set *s);

struct inject_found {
	struct intent_carry carries[INTENT_CARRIES_MAX + 1];
	/* More than INTENT_CARRIES_MAX: authorize() refuses the request. */
	size_t ncarries;
	int brought; /* it has a credential of its own */
};

/*
 * Look through a request's head: target, names and values of all fields.  A
 * carry's header is NULL where the placeholder is not in a slot; otherwise it
 * points into the plan.
 */
void inject_find(const struct inject_set *s, const struct http1_head *h,
    struct inject_found *ret);

/* The secret of each of a verdict's injects, in that order. */
struct inject_secrets {
	const struct secret *of[PLAN_NET_SERVICE_INJECTS_MAX];
};

/*
 * Do what an allowing verdict on what was found says.  Fields that carry something to be taken
 * out go whole; ERR_DENIED where it is in the target, which has no part that
 * could go.  ERR_LIMIT where the secret makes the field too long, ERR_INVALID
 * where it could not be in a field.
 */
must_check int inject_apply(const struct inject_set *s,
    const struct inject_found *found, const struct verdict *v,
    const struct inject_secrets *secrets, struct http1_head *h, struct err *e);

/*
 * A request's body on its way out.  What waits is the start of a placeholder
 * at most.  "elsewhere" says what happens to one: "refuse" ends the request,
 * "strip" puts "*" in its place, as many, "pass" lets it be.
 */
struct inject_body {
	const struct inject_set *set;
	struct scrub_stream stream;
	uint32_t refused; /* the credential; PLAN_NET_NONE: none yet */
	int (*emit)(void *ctx, const void *p, size_t n);
	void *ctx;
};

/* emit as of struct scrub_stream. */
void inject_body_begin(struct inject_body *b, const struct inject_set *s,
    int (*emit)(void *ctx, const void *p, size_t n), void *ctx);

/*
 * The next bytes; the end.  Not 0 ends the request: what emit returned, or
 * INJECT_REFUSED with b->refused set; no byte of the placeholder that led to
 * it has gone out.
 */
#define INJECT_REFUSED (-2)
must_check int inject_body_feed(struct inject_body *b, const void *p, size_t n);
must_check int inject_body_end(struct inject_body *b);

#endif /* !INJECT_H */
