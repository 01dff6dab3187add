/*
 * msg_proxy.h: a launcher (warder, libwarder, later warderd) and warder-proxy.
 *
 * The proxy finds its end of the socket (SOCK_SEQPACKET, framing: ipc.h) as
 * descriptor 3; end of file ends it.  The launcher is the more privileged
 * one: what it sends amiss ends the proxy.  What the proxy sends amiss ends
 * the run.  docs/protocol-proxy.md tells the order and the meaning.
 *
 *	launcher                          warder-proxy
 *	PROXY_JAIL_ADD + plan memfd ──►
 *	PROXY_JAIL_CA … + memfd ──►       (files of "tls: {ca: …}")
 *	PROXY_JAIL_TOKEN … ──►            (secrets of {env:}, {file:})
 *	PROXY_JAIL_VAULT + socket ──►     (where a source is the vault)
 *	PROXY_JAIL_AUDIT + file ──►
 *	PROXY_JAIL_PREPARE ──►
 *	           ◄── PROXY_READY + trust memfd | PROXY_FAILED
 *	PROXY_JAIL_LISTEN + listeners ──► (once the namespace is there)
 *
 *	PROXY_JAIL_PLAN + plan memfd ──►  (another policy for a live jail)
 *	PROXY_JAIL_CA …, PROXY_JAIL_TOKEN … ──►  (of that one)
 *	PROXY_JAIL_RELOAD ──►
 *	           ◄── PROXY_RELOADED
 *
 *	           ◄── PROXY_AUDIT_FULL      (a segment is)
 *	PROXY_JAIL_AUDIT + file ──►
 *	           ◄── PROXY_AUDIT_ENDED     (with its head)
 *
 *	PROXY_JAIL_REMOVE ──►
 *	           ◄── PROXY_REMOVED + summary memfd
 */
#ifndef MSG_PROXY_H
#define MSG_PROXY_H

#include <stdint.h>

#include "ipc.h"
#include "sha256.h"

enum {
	PROXY_VERSION = 3,
	PROXY_SEED_SIZE = 32,
	PROXY_RUN_MAX = 64, /* with its NUL: LOG_RUN_MAX */
	PROXY_TEXT_MAX = 480, /* a struct err's, with its NUL */
	PROXY_TOKEN_MAX = 8192, /* bytes: SECRET_MAX */
	PROXY_CA_MAX = 128 * 1024, /* bytes of the jail's CA, PEM */
	PROXY_HASH_SIZE = 9, /* of its name, hex, with its NUL */
	PROXY_PLACEHOLDER_MAX = 256, /* with its NUL */
	PROXY_CA_FILE_MAX = 1024 * 1024, /* bytes of a service's CA file */
};

/* clang-format off */
/*   name         direction    body                        descriptors: most */
#define PROXY_MSGS(X) \
	X(JAIL_ADD,     TO_PROXY,    struct proxy_jail_add,       1) \
	X(JAIL_CA,      TO_PROXY,    struct proxy_jail_ca,        1) \
	X(JAIL_TOKEN,   TO_PROXY,    struct proxy_jail_token,     0) \
	X(JAIL_VAULT,   TO_PROXY,    struct proxy_jail_vault,     1) \
	X(JAIL_AUDIT,   TO_PROXY,    struct proxy_jail_audit,     1) \
	X(JAIL_PREPARE, TO_PROXY,    struct proxy_jail_prepare,   0) \
	X(JAIL_LISTEN,  TO_PROXY,    struct proxy_jail_listen,    8) \
	X(JAIL_PLAN,    TO_PROXY,    struct proxy_jail_plan,      1) \
	X(JAIL_RELOAD,  TO_PROXY,    struct proxy_jail_reload,    0) \
	X(JAIL_REMOVE,  TO_PROXY,    struct proxy_jail_remove,    0) \
	X(READY,        TO_LAUNCHER, struct proxy_ready,          1) \
	X(RELOADED,     TO_LAUNCHER, struct proxy_reloaded,       0) \
	X(REMOVED,      TO_LAUNCHER, struct proxy_removed,        1) \
	X(FAILED,       TO_LAUNCHER, struct proxy_failed,         0) \
	X(AUDIT_FULL,   TO_LAUNCHER, struct proxy_audit_full,     0) \
	X(AUDIT_ENDED,  TO_LAUNCHER, struct proxy_audit_ended,    0)

/* clang-format on */

enum proxy_msg {
#define X(name, dir, body, fds) PROXY_##name,
	PROXY_MSGS(X)
#undef X
	PROXY__MAX
};

/* The memfd holds a struct plan_net. */
struct proxy_jail_add {
	uint32_t version; /* PROXY_VERSION */
	uint32_t jail; /* the launcher's number for it, not yet in use */
	uint32_t life_s; /* after which the run is over; 0: it may last */
	char run[PROXY_RUN_MAX]; /* for logs and audit */
	/* Of the policy whose half the network plan is: for records. */
	unsigned char policy[SHA256_SIZE];
	/* Of the jail's CA and placeholders: the same seed makes the same. */
	unsigned char seed[PROXY_SEED_SIZE];
};

/*
 * The memfd holds the PEM file of a service's "ca", which the proxy could not
 * open under its own uid.
 */
struct proxy_jail_ca {
	uint32_t jail;
	uint32_t service; /* its number in the plan */
};

/* The value of a credential of {env:} or {file:}: "size" bytes follow. */
struct proxy_jail_token {
	uint32_t jail;
	uint32_t credential; /* its number in the plan */
	uint32_t size; /* 1 to PROXY_TOKEN_MAX */
};

/* The socket of warder-vault (msg_vault.h), which serves this run. */
struct proxy_jail_vault {
	uint32_t jail;
};

/*
 * The file of the audit log (audit.h): empty, opened for appending.  Before
 * PROXY_JAIL_PREPARE, and once more after each PROXY_AUDIT_FULL.
 */
struct proxy_jail_audit {
	uint32_t jail;
};

/*
 * The segment has PROXY_AUDIT_SEGMENT_BYTES: another file, please.  Until it
 * has come, lines still go into this one.
 */
struct proxy_audit_full {
	uint32_t jail;
};

/* A segment has got its last line; the next one is being written. */
struct proxy_audit_ended {
	uint32_t jail;
	uint64_t lines; /* the last one's number */
	unsigned char digest[SHA256_SIZE]; /* of it */
};

/* All is said: answer PROXY_READY. */
struct proxy_jail_prepare {
	uint32_t jail;
};

/* What a listening descriptor is for. */
/* clang-format off */
#define PROXY_ROLES(X) \
	X(CAPTURE,  SOCK_STREAM, "transparent: every address and port") \
	X(EXPLICIT, SOCK_STREAM, "the proxy that variables name") \
	X(DNS,      SOCK_DGRAM,  "queries over UDP") \
	X(DNS_TCP,  SOCK_STREAM, "queries over TCP")

/* clang-format on */

enum proxy_role {
#define X(name, type, text) PROXY_ROLE_##name,
	PROXY_ROLES(X)
#undef X
	PROXY_ROLE__MAX
};

/* Non-blocking, bound, and listening where they are streams.  More than one
 * such message where there are more listeners. */
struct proxy_jail_listen {
	uint32_t jail;
	uint32_t count; /* of descriptors */
	uint32_t role[IPC_FDS_MAX]; /* enum proxy_role of each */
};

/*
 * The memfd holds another struct plan_net for a jail that was prepared: the
 * candidate.  What it needs follows as at the start, and is the candidate's
 * until PROXY_JAIL_RELOAD.  One that is there already is thrown away.
 */
struct proxy_jail_plan {
	uint32_t jail;
	unsigned char policy[SHA256_SIZE]; /* as in proxy_jail_add */
};

/* All is said of the candidate: put it in force, answer PROXY_RELOADED. */
struct proxy_jail_reload {
	uint32_t jail;
};

/* clang-format off */
/* What became of a candidate; but for DONE nothing has changed. */
#define PROXY_RELOADS(X) \
	X(DONE,          "it is in force") \
	X(NEEDS_RESTART, "a live jail cannot have it") \
	X(REFUSED,       "it is malformed, or cannot be put in force")

/* clang-format on */

enum proxy_reload {
#define X(name, text) PROXY_RELOAD_##name,
	PROXY_RELOADS(X)
#undef X
	PROXY_RELOAD__MAX
};

/* Connections that had a destination: those that go on, those that do not. */
struct proxy_reloaded {
	uint32_t jail;
	uint32_t answer; /* enum proxy_reload */
	uint32_t kept, cut;
	uint32_t code; /* enum err_code; ERR_OK if it is in force */
	int32_t sys; /* errno, or 0 */
	char text[PROXY_TEXT_MAX];
};

struct proxy_jail_remove {
	uint32_t jail;
};

/*
 * In the memfd: the CA certificate (ca_size bytes of PEM, at most
 * PROXY_CA_MAX; 0: nothing is inspected), then a struct proxy_placeholder for
 * each credential of the plan in its order, then a NUL.
 */
struct proxy_ready {
	uint32_t jail;
	uint32_t ca_size;
	uint32_t credentials;
	char ca_hash[PROXY_HASH_SIZE]; /* X509_NAME_hash, "" without a CA */
};

struct proxy_placeholder {
	char value[PROXY_PLACEHOLDER_MAX]; /* "": it has none */
};

/*
 * In the memfd: a struct proxy_count for each service of the plan in force, in
 * its order, and a last one for what belonged to none, or to a service that a
 * reload took away.
 */
struct proxy_removed {
	uint32_t jail;
	uint32_t services; /* one less than the counts */
	uint64_t audit_lines; /* in the audit log, its last one included */
	unsigned char audit_digest[32]; /* of that one */
};

struct proxy_count {
	uint64_t allowed, refused, failed; /* requests and connections */
	uint64_t injected; /* uses of a credential */
	uint64_t sent_bytes, received_bytes; /* to and from the world */
};

/* The jail cannot be served; it is forgotten. */
struct proxy_failed {
	uint32_t jail;
	uint32_t code; /* enum err_code */
	int32_t sys; /* errno, or 0 */
	char text[PROXY_TEXT_MAX];
};

#endif /* !MSG_PROXY_H */
