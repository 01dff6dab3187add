/*
 * msg_vault.h: warder-vault, those who start it, and those who ask it.
 *
 * The vault finds two sockets (SOCK_SEQPACKET, framing: ipc.h): descriptor 3
 * from the launcher, who says which entries may be asked for and for whom;
 * descriptor 4 from one proxy, who asks.  Neither has bytes of a jail on it:
 * a proxy's only strings are a name out of its plan and a canonical host.
 * End of file on either ends the vault.  docs/protocol-vault.md tells more.
 *
 *	launcher                    warder-vault
 *	VAULT_BIND … ──►
 *	VAULT_START ──►
 *	           ◄── VAULT_READY | VAULT_FAILED
 *
 *	warder-proxy                warder-vault
 *	VAULT_ASK ──►
 *	           ◄── VAULT_TOKEN + size bytes | VAULT_REFUSED
 *
 * What the launcher sends amiss ends the vault; what a proxy sends amiss
 * ends its connection.
 */
#ifndef MSG_VAULT_H
#define MSG_VAULT_H

#include <stdint.h>

/* Whose process it is, as root: this user, or where there is none, this. */
#define VAULT_USER_NAME "_wardervault"

enum {
	VAULT_UID_RESERVED = 1879048190, /* below the jails' blocks */
	VAULT_VERSION = 1,
	VAULT_NAME_SIZE = 256, /* of an entry, with its NUL */
	VAULT_USER_SIZE = 65,
	VAULT_RUN_SIZE = 64,
	VAULT_HOST_SIZE = 256,
	VAULT_TEXT_SIZE = 480, /* a struct err's */
	VAULT_BINDS_MAX = 128, /* entries of one run's plan */
	VAULT_ASKS_MAX = 64, /* unanswered ones of one proxy */
};

/* clang-format off */
/*   name     direction    body                  */
#define VAULT_MSGS(X) \
	X(BIND,    TO_VAULT,    struct vault_bind) \
	X(START,   TO_VAULT,    struct vault_start) \
	X(READY,   TO_LAUNCHER, struct vault_ready) \
	X(FAILED,  TO_LAUNCHER, struct vault_failed) \
	X(ASK,     FROM_PROXY,  struct vault_ask) \
	X(TOKEN,   TO_PROXY,    struct vault_token) \
	X(REFUSED, TO_PROXY,    struct vault_refused)

/* clang-format on */

enum vault_msg {
#define X(name, dir, body) VAULT_##name,
	VAULT_MSGS(X)
#undef X
	VAULT__MAX
};

/* An entry that the run's policy names; strings end in a NUL. */
struct vault_bind {
	char entry[VAULT_NAME_SIZE];
};

struct vault_start {
	uint32_t version; /* VAULT_VERSION */
	char user[VAULT_USER_SIZE]; /* for whom the run is */
	char run[VAULT_RUN_SIZE];
};

/* Each bound entry is there and serves the user. */
struct vault_ready {
	uint32_t binds;
};

struct vault_failed {
	uint32_t code; /* enum err_code */
	char text[VAULT_TEXT_SIZE];
};

/* A secret, to be sent to this destination only. */
struct vault_ask {
	uint32_t id; /* the proxy's; comes back in the answer */
	uint32_t port;
	/* 0, or the serial of a token that the destination has refused. */
	uint64_t refused_serial;
	char entry[VAULT_NAME_SIZE];
	char host[VAULT_HOST_SIZE]; /* canonical */
};

/* "size" bytes follow. */
struct vault_token {
	uint32_t id;
	uint32_t size;
	uint32_t version; /* of the entry */
	uint32_t reserved;
	uint64_t serial; /* another token, another serial */
	uint64_t fresh_ms; /* ask again when it is so old; 0: never */
};

/* clang-format off */
#define VAULT_REASONS(X) \
	X(UNBOUND,     "the run's policy does not name the entry") \
	X(MISSING,     "there is no such entry any more") \
	X(DESTINATION, "the entry does not name this destination") \
	X(USER,        "the entry does not name this user") \
	X(UNAVAILABLE, "no token can be had now")

/* clang-format on */

enum vault_reason {
#define X(name, text) VAULT_REASON_##name,
	VAULT_REASONS(X)
#undef X
	VAULT_REASON__MAX
};

struct vault_refused {
	uint32_t id;
	uint32_t reason; /* enum vault_reason */
	char text[VAULT_TEXT_SIZE];
};

#endif /* !MSG_VAULT_H */
