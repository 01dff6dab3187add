/*
 * msg_spawn.h: warder-control and warderd, the supervisor.
 *
 * One SOCK_SEQPACKET pair (framing: ipc.h), which warder-control finds at
 * SPAWN_FD.  warderd is root: it believes control nothing.  A message that is
 * not a row of this table, has another size or another number of descriptors
 * is no mistake but a broken control: it is killed and started anew.  A
 * request that is well-formed and cannot be granted is answered by REFUSED.
 * docs/protocol-spawn.md has the whole of it.
 *
 *	control                          warderd
 *	           ◄── START + listeners [+ certificate, key]
 *	READY ──►                         it listens; nothing comes before this
 *	DEPLOY {id} + tar ──►
 *	           ◄── DEPLOYED {id} + agent.json | REFUSED {id}
 *	SPAWN {id} ──►
 *	           ◄── SPAWNED {id} + streams | REFUSED {id}
 *	EXEC {id, parent} ──►             a command beside a run, answered as SPAWN
 *	FREEZE {id} ──►
 *	           ◄── FROZEN {id} | REFUSED {id}
 *	KILL {id} ──►                     EXITED follows; unknown ids are nothing
 *	           ◄── EXITED {id}        the last word about an id
 *	STATUS ──►
 *	           ◄── STATE
 *	           ◄── DRAIN              take no more; end what you do, then close
 *
 * An id is chosen by control, not 0, and unique among those that live: from
 * its DEPLOY to DEPLOYED or REFUSED, from its SPAWN or EXEC to REFUSED or
 * EXITED.
 * When control's end of the socket is closed all its jails are killed.
 */
#ifndef MSG_SPAWN_H
#define MSG_SPAWN_H

#include <stdint.h>

#include "narrow.h"
#include "run_end.h"
#include "settings.h"
#include "sha256.h"

enum {
	SPAWN_VERSION = 1,
	SPAWN_FD = 3, /* where control finds its socket */
	SPAWN_AGENT_FD = 3, /* where a native agent finds its own */

	SPAWN_IDS_MAX = 4096, /* that live at once */
	SPAWN_DEPLOYS_MAX = 4, /* of them, deployments */
	SPAWN_ARCHIVE_MAX = 1 << 30, /* bytes of a tar; settings may say less */
	SPAWN_CARD_MAX = 1 << 20, /* bytes of agent.json */

	SPAWN_ARGS_SIZE = 16 * 1024, /* a command of EXEC, each with its NUL */
	SPAWN_RUN_SIZE = 40, /* [0-9a-z-]{1,39} and its NUL */
	SPAWN_TEXT_SIZE = 8192, /* why something is refused: lines */
	SPAWN_POSTURE_SIZE = 4096, /* a JSON object */
	SPAWN_DIR_SIZE = 1024,

	SPAWN_UID_RESERVED = 1879048189, /* control's, without a _warder */
};

#define SPAWN_USER_NAME "_warder"

/* clang-format off */
/*   name      direction    body                   descriptors: least, most */
#define SPAWN_MSGS(X) \
	X(START,    TO_CONTROL, struct spawn_start,    0, 6) \
	X(READY,    TO_WARDERD, struct spawn_ready,    0, 0) \
	X(DEPLOY,   TO_WARDERD, struct spawn_deploy,   1, 1) \
	X(DEPLOYED, TO_CONTROL, struct spawn_deployed, 1, 1) \
	X(SPAWN,    TO_WARDERD, struct spawn_spawn,    0, 0) \
	X(SPAWNED,  TO_CONTROL, struct spawn_spawned,  3, 4) \
	X(REFUSED,  TO_CONTROL, struct spawn_refused,  0, 0) \
	X(EXITED,   TO_CONTROL, struct spawn_exited,   0, 0) \
	X(KILL,     TO_WARDERD, struct spawn_kill,     0, 0) \
	X(FREEZE,   TO_WARDERD, struct spawn_freeze,   0, 0) \
	X(FROZEN,   TO_CONTROL, struct spawn_freeze,   0, 0) \
	X(STATUS,   TO_WARDERD, struct spawn_status,   0, 0) \
	X(STATE,    TO_CONTROL, struct spawn_state,    0, 0) \
	X(DRAIN,    TO_CONTROL, struct spawn_drain,    0, 0) \
	X(EXEC,     TO_WARDERD, struct spawn_exec,     0, 0)

/*   Why a run is killed; it is logged, and changes nothing else. */
#define SPAWN_WHYS(X) \
	X(INTERRUPT, "somebody cancelled it") \
	X(ROLLBACK,  "somebody cancelled it and its effects") \
	X(TIMEOUT,   "its run has used its time") \
	X(LEASE,     "another attempt has its lease") \
	X(PROTOCOL,  "it does not speak the agent protocol") \
	X(OUTPUT,    "it wrote more than it may") \
	X(SHUTDOWN,  "the service stops") \
	X(DONE,      "its run has ended")

/* clang-format on */

enum spawn_msg {
#define X(name, dir, body, least, most) SPAWN_##name,
	SPAWN_MSGS(X)
#undef X
	SPAWN__MAX
};

enum spawn_why {
#define X(name, text) SPAWN_WHY_##name,
	SPAWN_WHYS(X)
#undef X
	SPAWN_WHY__MAX
};

/*
 * The first message.  Its descriptors: settings.nlisten listening sockets in
 * the order of settings.listen, non-blocking; then, where one of them has
 * tls, two sealed memfds: the chain and the key, both PEM.
 */
struct spawn_start {
	uint32_t version; /* SPAWN_VERSION */
	uint32_t restarts; /* how often control was started before */
	uint32_t nlisteners;
	uint32_t tls; /* 1: chain and key follow the listeners */
	/* Control's own directories, absolute, 0700. */
	char db_dir[SPAWN_DIR_SIZE];
	struct settings settings;
};

struct spawn_ready {
	uint32_t version;
};

/* The descriptor: the tar in a sealed memfd. */
struct spawn_deploy {
	uint64_t id;
	char tenant[SETTINGS_TENANT_SIZE];
};

/* The descriptor: agent.json in a sealed memfd. */
struct spawn_deployed {
	uint64_t id;
	unsigned char digest[SHA256_SIZE]; /* of the tar: the version's name */
	unsigned char policy[SHA256_SIZE]; /* of the plan it runs by */
	uint32_t fresh; /* 0: these bytes were deployed before */
};

/* Everything else about it was decided when it was deployed. */
struct spawn_spawn {
	uint64_t id;
	unsigned char digest[SHA256_SIZE];
	char tenant[SETTINGS_TENANT_SIZE];
	char run[SPAWN_RUN_SIZE];
	uint32_t attempt;
	uint64_t wall_ms; /* less than the policy's limit; 0: that alone */
};

/*
 * A command in a jail of its own, beside the run "parent", whose SPAWN was
 * granted and which lives.  Version, plan, environment and files are the
 * run's own, the plan narrowed; it has no socket, and ends with the run at
 * the latest.
 */
struct spawn_exec {
	uint64_t id;
	uint64_t parent;
	struct narrow less;
	uint32_t size; /* of args in use */
	uint32_t zero; /* reserved */
	char args[SPAWN_ARGS_SIZE]; /* one after the other, each with its NUL */
};

/*
 * The descriptors: our ends of its standard input, output and error, all
 * non-blocking, then, where the agent is native, of its socket (SOCK_STREAM).
 */
struct spawn_spawned {
	uint64_t id;
	uint64_t start_us; /* from SPAWN's arrival */
	/* Of its streams, which control keeps, as it reads them; 0: none. */
	uint64_t idle_ms;
	uint64_t output_bytes;
	unsigned char policy[SHA256_SIZE]; /* of the plan it runs by */
	char posture[SPAWN_POSTURE_SIZE]; /* JSON, ended by NUL */
};

/* what was asked for: SPAWN_DEPLOY, _SPAWN, _EXEC or _FREEZE. */
struct spawn_refused {
	uint64_t id;
	uint32_t what;
	uint32_t code; /* enum err_code */
	int32_t sys; /* errno, or 0 */
	char text[SPAWN_TEXT_SIZE]; /* ended by NUL; a policy's: a line each */
};

struct spawn_exited {
	uint64_t id;
	uint32_t end; /* enum run_end */
	int32_t status; /* as wait(2) gives it, where it ran */
	int32_t sys; /* errno of NOT_FOUND and NOT_EXECUTED */
	int32_t pids_met; /* a fork was refused at the limit; -1: unknown */
	int32_t disk_met; /* a writable file system was full at the end */
	uint64_t wall_us;
	uint64_t cpu_us;
	uint64_t memory_peak_bytes;
	uint64_t max_rss_bytes;
	uint64_t read_bytes;
	uint64_t written_bytes;
	uint64_t oom_kills;
	char text[256]; /* why its proxy failed; ended by NUL, perhaps empty */
};

struct spawn_kill {
	uint64_t id;
	uint32_t why; /* enum spawn_why */
};

/* 1: none of its processes is scheduled, and its wall clock goes on. */
struct spawn_freeze {
	uint64_t id;
	uint32_t on;
};

struct spawn_status {
	uint32_t version;
};

struct spawn_state {
	uint32_t jails; /* alive */
	uint32_t jails_max;
	uint32_t deploys;
	uint32_t draining;
	uint64_t spawned; /* since warderd was started */
	uint64_t refused;
	uint64_t uptime_ms;
};

struct spawn_drain {
	uint64_t wait_ms; /* then everything is killed */
};

#endif /* !MSG_SPAWN_H */
