/*
 * oauth.h: access tokens for entries that hold a way to get them.
 *
 * Runs in warder-vault.  OAuth 2.0 (RFC 6749), client credentials (4.4) and
 * refresh tokens (6).  One request at a time for an entry, whoever waits
 * (single flight); a new token is fetched before the old one ends; a refresh
 * token that comes with an answer is on disk before the access token is used,
 * since the old one may be dead by then (RFC 6749, 10.4).
 *
 *	NONE ──ask──► FETCHING ──200, parsed, stored──► FRESH
 *	                 │                               │  ▲
 *	                 └── anything else ──► FAILED    │  └── an ask that comes
 *	                      (asks are refused for      │      late, or says that
 *	                      OAUTH_RETRY_MS)            └──►   the token was refused
 *	                                                        makes it FETCHING
 *
 * A token endpoint's answer is hostile until parsed with bounds.
 */
#ifndef OAUTH_H
#define OAUTH_H

#include "entry.h"
#include "loop.h"
#include "vault.h"

struct oauth;

/* Reads the resolver's configuration and libcurl's: before the filter. */
must_check int oauth_create(struct loop *l, struct vault *v, struct oauth **ret,
    struct err *e);
void oauth_destroy(struct oauth *o);

struct oauth_token {
	const void *p; /* in secret memory, until the callback returns */
	size_t n;
	uint64_t serial;
	uint64_t fresh_ms; /* from now; 0: nobody knows */
};

/* token NULL: there is none, and why (no secret in it). */
typedef void oauth_fn(void *arg, const struct oauth_token *token,
    const char *why);

/*
 * Ask for an entry's access token.  fn is called once, perhaps from inside
 * this call.  refused_serial: of a token that the service did not take, or 0.
 * ERR_LIMIT when too many wait.
 */
must_check int oauth_ask(struct oauth *o, const struct entry *n,
    uint64_t refused_serial, oauth_fn *fn, void *arg, struct err *e);

#endif /* !OAUTH_H */
