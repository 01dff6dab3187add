/*
 * entry.h: what a vault holds, and its form as bytes.
 *
 * For warder-vault alone.  An entry is a secret with its own boundary: the
 * destinations, and the users, that it may serve, whatever a policy says.
 * The bytes are what store.c encrypts; even so they are read with bounds.
 * No I/O; libc only.  Everything points into the bytes that were read, which
 * lie in secret memory and must outlive the entries.
 *
 *	vault	count u32, entries sorted by name, each name once
 *	entry	name str8, kind u8, auth u8, version u32, created u64,
 *		changed u64, destinations u8 {host str8, port u16},
 *		users u8 {name str8}, token_url str16, client_id str16,
 *		scope str16, ca str16, secret str16, refresh str16
 *	strN	length in N bits, bytes; all numbers little-endian
 */
#ifndef ENTRY_H
#define ENTRY_H

#include <stdint.h>

#include "err.h"
#include "secret.h"

enum {
	ENTRY_NAME_MAX = 255, /* bytes; "github/bot" */
	ENTRY_HOST_MAX = 253,
	ENTRY_USER_MAX = 64,
	ENTRY_TEXT_MAX = 2048, /* of URL, client id, scope */
	ENTRY_CA_MAX = 32 * 1024, /* some twenty certificates */
	ENTRY_TO_MAX = 16,
	ENTRY_USERS_MAX = 16,
	ENTRY_COUNT_MAX = 1024,
	ENTRY_BYTES_MAX = 4 * 1024 * 1024, /* of a whole vault */
};

/* clang-format off */
/*   kind                name                   what the secret is */
#define ENTRY_KINDS(X) \
	X(STATIC,             "static",             "the token itself") \
	X(CLIENT_CREDENTIALS, "client_credentials", "the client's secret (RFC 6749, 4.4)") \
	X(REFRESH_TOKEN,      "refresh_token",      "the client's secret, if it has one (RFC 6749, 6)")

/* How a client says who it is at the token endpoint (RFC 6749, 2.3.1). */
#define ENTRY_AUTHS(X) \
	X(BASIC, "basic") \
	X(POST,  "post") \
	X(NONE,  "none")

/* clang-format on */

enum entry_kind {
#define X(name, text, what) ENTRY_##name,
	ENTRY_KINDS(X)
#undef X
	ENTRY_KIND__MAX
};

enum entry_auth {
#define X(name, text) ENTRY_AUTH_##name,
	ENTRY_AUTHS(X)
#undef X
	ENTRY_AUTH__MAX
};

/* Bytes, no NUL. */
struct entry_str {
	const char *p;
	size_t n;
};

struct entry_to {
	struct entry_str host; /* canonical, or "*.example.com" */
	uint32_t port;
};

struct entry {
	struct entry_str name;
	uint32_t kind; /* enum entry_kind */
	uint32_t auth; /* enum entry_auth; OAuth only */
	uint32_t version; /* from 1, one more at each rotation */
	uint64_t created_s, changed_s; /* since 1970 */
	uint32_t nto, nusers;
	struct entry_to to[ENTRY_TO_MAX]; /* at least one */
	struct entry_str
	    users[ENTRY_USERS_MAX]; /* none: whoever has the vault */
	struct entry_str token_url, client_id, scope; /* OAuth only */
	struct entry_str
	    ca; /* PEM, of the token endpoint; empty: the system's */
	struct entry_str secret;
	struct entry_str refresh; /* REFRESH_TOKEN only */
};

struct entry_list {
	uint32_t n;
	struct entry entries[ENTRY_COUNT_MAX];
};

/*
 * Read a whole vault.  ERR_CORRUPT with the first defect: a length beyond the
 * end, bytes left over, a number or a name out of its range, the order.
 */
must_check int entry_decode(const void *p, size_t n, struct entry_list *ret,
    struct err *e);

/* Room in which entry_encode() cannot fail for want of it. */
size_t entry_bound(const struct entry_list *l);

/*
 * Write one, in the order of the names (sorts the list); at most room bytes.
 * ERR_LIMIT if they do not suffice.  What is written decodes to the same.
 */
must_check int entry_encode(struct entry_list *l, void *p, size_t room,
    size_t *ret_n, struct err *e);

/* By name; NULL if there is none. */
struct entry *entry_find(struct entry_list *l, const char *name);

/* Add an empty one; NULL when the list is full. */
struct entry *entry_add(struct entry_list *l);
void entry_remove(struct entry_list *l, struct entry *entry);

/* Borrow a string. */
struct entry_str entry_str(const char *s);
int entry_str_is(struct entry_str a, const char *s);

/* Whether the entry may serve canonical host:port; whether this user. */
int entry_serves(const struct entry *entry, const char *host, uint32_t port);
int entry_serves_user(const struct entry *entry, const char *user);

/* 0 if name is one ("github/bot"), as policies write it. */
must_check int entry_check_name(const char *name, struct err *e);

/*
 * 0 if the n bytes can be a secret: 1 to SECRET_MAX printable ASCII
 * characters, no blank at either end.  A CR, LF or NUL would make headers of
 * its own.
 */
must_check int entry_check_secret(const void *p, size_t n, struct err *e);

/* "static", "basic"; the number of a name, or __MAX. */
const char *entry_kind_name(uint32_t kind);
enum entry_kind entry_kind_find(const char *name);
enum entry_auth entry_auth_find(const char *name);

#endif /* !ENTRY_H */
