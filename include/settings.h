/*
 * settings.h: the operator's warder.yaml, compiled.
 *
 * warder-config writes it, unprivileged; warderd checks it (settings_check)
 * before it reads a field, and hands it on to warder-control with its start.
 * Flat, bounded, without pointers; every string ends inside its field.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdint.h>

#include "err.h"

enum {
	SETTINGS_MAGIC = 0x54455357, /* "WSET" */
	SETTINGS_VERSION = 2,

	SETTINGS_LISTEN_MAX = 4,
	SETTINGS_TENANTS_MAX = 64,
	SETTINGS_ROOTS_MAX = 8,
	SETTINGS_ORIGINS_MAX = 16,

	SETTINGS_ADDRESS_SIZE = 108, /* an address, or a socket's path */
	SETTINGS_TENANT_SIZE = 41, /* [a-z0-9-]{1,40} and its NUL */
	SETTINGS_PATH_SIZE = 1024,
	SETTINGS_ORIGIN_SIZE = 256,
};

enum settings_listen_kind {
	SETTINGS_LISTEN_TCP,
	SETTINGS_LISTEN_UNIX,
	SETTINGS_LISTEN__MAX
};

struct settings_listen {
	uint32_t kind; /* enum settings_listen_kind */
	uint32_t port; /* TCP; 0: any that is free */
	uint32_t tls; /* TCP: 1 */
	char address[SETTINGS_ADDRESS_SIZE]; /* IPv4, IPv6; absolute path */
};

/* What may be at once, and how large; a request beyond it is refused. */
struct settings_limits {
	uint32_t jails; /* alive, of all tenants */
	uint32_t jails_tenant; /* of one tenant */
	uint32_t queue; /* runs that wait, of one tenant */
	uint32_t streams; /* followers of events */
	uint64_t body_bytes; /* of a request */
	uint64_t archive_bytes; /* of an agent's tar */
	uint64_t agent_bytes; /* of an agent, unpacked */
};

/* How long what is finished is kept; 0: for ever. */
struct settings_retention {
	uint64_t events_ms;
	uint64_t runs_ms;
	uint64_t threads_ms; /* without a run for so long */
};

struct settings {
	uint32_t magic;
	uint32_t version;
	uint32_t size; /* sizeof(struct settings) */

	uint32_t nlisten;
	uint32_t ntenants; /* at least 1 */
	uint32_t nroots;
	uint32_t norigins;
	uint32_t workers; /* runs that are worked on at once */
	uint32_t workers_tenant; /* of one tenant; 0: settings_share() */

	struct settings_limits limits;
	struct settings_retention retention;

	struct settings_listen listen[SETTINGS_LISTEN_MAX];
	char tenants[SETTINGS_TENANTS_MAX][SETTINGS_TENANT_SIZE];
	/* Directories of the host from which agents may be deployed. */
	char roots[SETTINGS_ROOTS_MAX][SETTINGS_PATH_SIZE];
	/* Origins that browsers may come from: "https://x.example:8443". */
	char origins[SETTINGS_ORIGINS_MAX][SETTINGS_ORIGIN_SIZE];
	char tls_cert[SETTINGS_PATH_SIZE]; /* PEM files; both or none */
	char tls_key[SETTINGS_PATH_SIZE];
};

/* What holds where no file says anything: one tenant, "default". */
void settings_init(struct settings *s);

/*
 * Decide whether the "size" bytes at s are whole and well-formed; ERR_CORRUPT
 * with the first defect.  s has room for sizeof(*s).
 */
must_check int settings_check(const struct settings *s, size_t size,
    struct err *e);

/*
 * How many of the workers one tenant may have: what is said; else all where
 * there is one tenant, and three quarters, at least one, where there are more,
 * so that none is ever without a place for the others' sake.
 */
uint32_t settings_share(const struct settings *s);

/* Whether s is [a-z0-9-]{1,40} within its first "size" bytes, NUL included. */
int settings_is_tenant(const char *s, size_t size);

/* The same for a run's id, [0-9a-z-]{1,N}. */
int settings_is_run(const char *s, size_t size);

/* Whether the operator has named this tenant. */
int settings_has_tenant(const struct settings *s, const char *tenant);

#endif /* !SETTINGS_H */
