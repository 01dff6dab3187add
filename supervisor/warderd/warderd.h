/*
 * warderd.h: what the parts of warderd share.
 *
 *	main.c	    options, the loop, signals, the end
 *	set.c	    what is set up once: directories, lock, listeners, ceiling
 *	control.c   warder-control: its life, and every message of its
 *	jailed.c    the runs: a jail each, from SPAWN to EXITED
 *	deploy.c    deployments: warder-deploy, a process each
 *	reexec.c    the upgrade: what all of these know, over an execve(2)
 *	../agent.c  deployed versions, as they lie on disk
 *	../operator.c	what the operator's files say
 *
 * One thread, no library but libc; see docs/protocol-spawn.md.
 */
#ifndef WARDERD_H
#define WARDERD_H

#include "jail/places.h"
#include "msg_spawn.h"
#include "ready.h"
#include "settings.h"
#include "supervisor/agent.h"
#include "supervisor/operator.h"

enum {
	WARDERD_PATH_MAX = PLACES_PATH_MAX + 64,
	WARDERD_BACK_OFF_MS = 30 * 1000,
	WARDERD_DRAIN_MS = 20 * 1000, /* for control to hand its work back */
	WARDERD_SOCKETS_MAX = SETTINGS_LISTEN_MAX,
};

/* Over an upgrade; what control, deployments and runs know is theirs to carry. */
struct warderd_kept {
	struct settings settings; /* in force */
	int lock_fd;
	int listeners[WARDERD_SOCKETS_MAX];
	int tls[2]; /* chain and key, sealed; -1 */
	uint64_t begun_ms;
	uint64_t upgraded_us; /* when the last of the programs before ended */
	uint64_t spawned, refused;
};

struct warderd {
	/* Set once. */
	struct places places;
	struct operator files;
	struct agent_store store;
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
	int signals_fd;
	uint64_t back_off_ms; /* the longest, before control is started again */

	/* Changes. */
	struct ready ready;
	int draining; /* 1: SIGTERM has come */
	int hasty; /* 1: nothing is waited for any more */
	uint64_t drain_until_ms;
	int upgrading; /* 1: SIGUSR2 has come, and no request is read */
	int resume_fd; /* the state of the program before; -1: there is none */
	struct warderd_kept kept;
};

#endif /* !WARDERD_H */
