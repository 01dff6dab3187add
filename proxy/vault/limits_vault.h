/*
 * limits_vault.h: the numbers of warder-vault, each with its reason.  Those of
 * what it stores are in entry.h, those of its messages in msg_vault.h.
 */
#ifndef LIMITS_VAULT_H
#define LIMITS_VAULT_H

enum {
	/* Sixteen destinations and users of the longest kind, and the rest. */
	VERB_LINE_MAX = 8192,

	/* OAuth: two tries of a slow endpoint; then the request is refused. */
	OAUTH_FETCH_MS = 20 * 1000,
	/* After a failure, so that a broken endpoint is not asked for each
	 * request of a jail; they are refused meanwhile. */
	OAUTH_RETRY_MS = 1000,
	/* Least time before its end that a token is renewed: clocks differ,
	 * and a request under way should not lose it. */
	OAUTH_EARLY_MS = 30 * 1000,
	/* The longest secret and refresh token, each byte as three. */
	OAUTH_FORM_MAX = 64 * 1024,
	OAUTH_SYSTEM_CA_MAX = 4 * 1024 * 1024,
};

#endif /* !LIMITS_VAULT_H */
