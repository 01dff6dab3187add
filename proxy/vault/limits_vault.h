/*
 * limits_vault.h: the numbers of warder-vault, each with its reason.  Those of
 * what it stores are in entry.h, those of its messages in msg_vault.h.
 *
 * docs/limits.md is generated from the table.
 */
#ifndef LIMITS_VAULT_H
#define LIMITS_VAULT_H

enum {
	/* Sixteen destinations and users of the longest kind, and the rest. */
	VERB_LINE_MAX = 8192,

	/* Messages that a peer has not taken: as many as it may have asked
	 * for. */
	OUTBOX_MESSAGES_MAX = 64,

	/* OAuth: two tries of a slow endpoint; then the request is refused. */
	OAUTH_FETCH_MS = 20 * 1000,
	/* After a failure, so that a broken endpoint is not asked for each
	 * request of a jail; they are refused meanwhile. */
	OAUTH_RETRY_MS = 1000,
	/* Between two tokens that are fetched because a service refused one: it
	 * may refuse all, and a jail can make any number of requests. */
	OAUTH_FORCE_MS = 10 * 1000,
	/* Least time before its end that a token is renewed: clocks differ,
	 * and a request under way should not lose it. */
	OAUTH_EARLY_MS = 30 * 1000,
	/* The longest secret and refresh token, each byte as three. */
	OAUTH_FORM_MAX = 64 * 1024,
	OAUTH_SYSTEM_CA_MAX = 4 * 1024 * 1024,
};

/* clang-format off */
/*   name, unit, reason, one past it */
#define LIMITS_VAULT(X) \
	X(ENTRY_COUNT_MAX, "entries", \
	    "one user's secrets; a list is searched from its front", \
	    "set refuses") \
	X(ENTRY_BYTES_MAX, "bytes", \
	    "read and written whole, in locked memory", \
	    "set refuses; a larger file is not read") \
	X(ENTRY_TO_MAX, "destinations of an entry", \
	    "a secret is good for one service, few are for more", \
	    "set refuses") \
	X(ENTRY_USERS_MAX, "users of an entry", \
	    "a fixed table", \
	    "set refuses") \
	X(ENTRY_TEXT_MAX, "bytes", \
	    "of URL, client id and scope each", \
	    "set refuses") \
	X(ENTRY_CA_MAX, "bytes", \
	    "of --token-ca: some twenty certificates", \
	    "set refuses") \
	X(VAULT_BINDS_MAX, "entries of a run", \
	    "as many credentials as a plan may have", \
	    "the run does not start") \
	X(VAULT_ASKS_MAX, "unanswered asks of a proxy", \
	    "each holds a slot until its token has come", \
	    "the request is refused") \
	X(OUTBOX_MESSAGES_MAX, "messages that a peer has not taken", \
	    "as many as a proxy may have asked for", \
	    "the vault ends, and requests with its credentials are refused") \
	X(OAUTH_FETCH_MS, "ms", \
	    "two tries of a slow endpoint", \
	    "the request is refused") \
	X(OAUTH_RETRY_MS, "ms", \
	    "a broken endpoint is not asked for each request of a jail", \
	    "it is asked again") \
	X(OAUTH_FORCE_MS, "ms between tokens fetched for a refused one", \
	    "a service may refuse all, and a jail can ask it without end", \
	    "the one that is there is given") \
	X(OAUTH_EARLY_MS, "ms", \
	    "clocks differ, and a request under way should not lose a token", \
	    "the token is renewed before its end by this or a fifth") \
	X(OAUTH_FORM_MAX, "bytes", \
	    "the longest secret and refresh token, each byte as three", \
	    "the request is refused") \
	X(OAUTH_ANSWER_MAX, "bytes", \
	    "the longest tokens twice, and what else endpoints say", \
	    "the request is refused") \
	X(OAUTH_SYSTEM_CA_MAX, "bytes", \
	    "the host's bundle of authorities, read once", \
	    "no token endpoint is trusted but by --token-ca")

/* clang-format on */

#endif /* !LIMITS_VAULT_H */
