/*
 * auth.h: who sends a request, and what they may do.
 *
 * A key is "wdr_" (or "e2b_") and 40 hex digits; stored is its SHA-256 alone.
 * Whoever is not let in learns nothing but that: a malformed, an unknown and
 * a revoked key are answered alike.
 */
#ifndef API_AUTH_H
#define API_AUTH_H

#include <stdint.h>

#include "err.h"
#include "http1.h"
#include "loop.h"
#include "router.h"
#include "sha256.h"

enum {
	AUTH_KEY_DIGITS = 40,
	AUTH_KEY_SIZE = 4 + AUTH_KEY_DIGITS + 1, /* with its prefix and NUL */
	AUTH_TENANT_SIZE = 41,
};

/* What a key may do. */
enum auth_role {
	AUTH_ROLE_NONE,
	AUTH_ROLE_READER, /* reads */
	AUTH_ROLE_USER, /* everything of its tenant */
	AUTH_ROLE_OPERATOR, /* keys, of all tenants, and nothing else */
};

/* "user" or "reader" as a key has it; AUTH_ROLE_NONE: neither. */
enum auth_role auth_role_of(const char *name);

struct auth_who {
	char tenant[AUTH_TENANT_SIZE];
	enum auth_role role;
};

/*
 * The key in a head, in canonical form ("wdr_" and lower case digits), from
 * x-api-key or Authorization: Bearer.  0 with "" if there is none;
 * ERR_DENIED if it cannot be a key; ERR_INVALID if the head says two.
 */
must_check int auth_key_of(const struct http1_head *h, char ret[AUTH_KEY_SIZE],
    struct err *e);

/* What is stored of a key. */
void auth_key_hash(const char *key, unsigned char ret[SHA256_SIZE]);

/* 1 if that role may do the route's action on its resource. */
int auth_may(enum auth_role role, const struct route *r);

/*
 * How a key's hash is asked for.  The answer comes by auth_known(), later or
 * at once; who NULL: nobody.
 */
struct auth;
struct auth_ask;
typedef void auth_lookup_fn(void *arg, const unsigned char hash[SHA256_SIZE],
    struct auth_ask *ask);

must_check int auth_create(auth_lookup_fn *lookup, void *arg, struct auth **ret,
    struct err *e);
void auth_destroy(struct auth *a);

/*
 * Whose key is it?  done is called once, with NULL for nobody's, perhaps
 * before this returns; who is borrowed for the call.  e says more only where
 * nothing could be asked.  auth_cancel(): it is not called any more.
 */
typedef void auth_done_fn(void *arg, const struct auth_who *who,
    const struct err *e);
void auth_check(struct auth *a, const char *key, auth_done_fn *done, void *arg,
    struct auth_ask **ret);
void auth_cancel(struct auth_ask *ask);

/* For the lookup: whose it is, or NULL; e where nothing could be asked. */
void auth_known(struct auth_ask *ask, const struct auth_who *who,
    const struct err *e);

/* Forget what is remembered: a key was made or revoked here. */
void auth_forget(struct auth *a);

#endif /* !API_AUTH_H */
