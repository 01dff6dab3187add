/*
 * warderd.h: what the parts of warderd share.
 *
 *	main.c	    options, the loop, signals, the end
 *	set.c	    what is set up once: directories, lock, listeners, ceiling
 *	control.c   warder-control: its life, and every message of its
 *	jailed.c    the runs: a jail each, from SPAWN to EXITED
 *	deploy.c    deployments: warder-deploy, a process each
 *	ready.c	    what is waited for
 *	../agent.c  deployed versions, as they lie on disk
 *
 * One thread, no library but libc; see docs/protocol-spawn.md.
 */
#ifndef WARDERD_H
#define WARDERD_H

#include "jail/places.h"
#include "msg_spawn.h"
#include "policy/find.h"
#include "ready.h"
#include "settings.h"
#include "supervisor/agent.h"

enum {
	WARDERD_PATH_MAX = PLACES_PATH_MAX + 64,
	WARDERD_BACK_OFF_MS = 30 * 1000,
	WARDERD_DRAIN_MS = 20 * 1000, /* for control to hand its work back */
	WARDERD_SOCKETS_MAX = SETTINGS_LISTEN_MAX,
};

struct warderd {
	/* Set once. */
	struct places places;
	struct settings settings;
	struct ceiling *ceiling; /* compiled at the start */
	int ceiling_fd; /* the same in a sealed memfd */
	struct agent_store store;
	struct find_dirs dirs; /* where policies are looked for */
	char config_file[WARDERD_PATH_MAX]; /* "": the usual, if it is there */
	char state[WARDERD_PATH_MAX];
	char agents[WARDERD_PATH_MAX]; /* below it */
	char db[WARDERD_PATH_MAX];
	char sdk[WARDERD_PATH_MAX]; /* Python's; "": there is none */
	char control_path[WARDERD_PATH_MAX];
	char init_path[WARDERD_PATH_MAX];
	char deploy_path[WARDERD_PATH_MAX];
	char config_path[WARDERD_PATH_MAX]; /* of warder-config */
	char proxy_path[WARDERD_PATH_MAX];
	char vault_path[WARDERD_PATH_MAX];
	char audit_path[WARDERD_PATH_MAX]; /* of warder-audit */
	uid_t control_uid;
	int lock_fd;
	int signals_fd;
	int listeners[WARDERD_SOCKETS_MAX];
	int tls[2]; /* chain and key, sealed; -1 */
	uint64_t begun_ms;
	uint64_t back_off_ms; /* the longest, before control is started again */

	/* Changes. */
	struct ready ready;
	int draining; /* 1: SIGTERM has come */
	int hasty; /* 1: nothing is waited for any more */
	uint64_t drain_until_ms;
	uint64_t spawned, refused;
};

#endif /* !WARDERD_H */
