/*
 * msg_jail.h: a launcher with a live jail, and the commands that ask it.
 *
 * "warder ps", "enter", "kill", "policy reload" and "policy why --live" find
 * the launcher by a pathname socket
 * (SOCK_SEQPACKET, framing: ipc.h) in a directory that only this user can
 * reach; both sides check the other's uid.  Peers are equals: what is
 * malformed drops the connection.
 *
 *	client                           launcher
 *	JAIL_DESCRIBE ──►
 *	           ◄── JAIL_INFO
 *	JAIL_KILL ──►                    (end of file follows)
 *	JAIL_ENTER + 3 descriptors ──►   (none for a pty)
 *	           ◄── JAIL_MASTER + fd  for a pty
 *	           ◄── JAIL_REFUSED | JAIL_EXITED
 *	JAIL_SIGNAL ──►                  to the command it entered with
 *	JAIL_RELOAD ──►                  the network's half of its policy
 *	           ◄── JAIL_RELOADED
 *	JAIL_POLICY ──►                  what is in force
 *	           ◄── JAIL_PLAN + memfd | JAIL_REFUSED
 */
#ifndef MSG_JAIL_H
#define MSG_JAIL_H

#include <stdint.h>

enum {
	MSG_JAIL_NAME_MAX = 64,
	MSG_JAIL_COMMAND_MAX = 256,
	MSG_JAIL_POLICY_MAX = 128,
	MSG_JAIL_STRINGS_MAX = 60 * 1024,
	MSG_JAIL_ARGS_MAX = 1024,
	MSG_JAIL_FILE_MAX = 4096, /* with its NUL */
	MSG_JAIL_TEXT_MAX = 16384, /* of a policy that does not load */
};

/* clang-format off */
/*   name      direction     body                       descriptors: most */
#define JAIL_MSGS(X) \
	X(DESCRIBE, TO_LAUNCHER, struct msg_jail_describe, 0) \
	X(KILL,     TO_LAUNCHER, struct msg_jail_kill,     0) \
	X(ENTER,    TO_LAUNCHER, struct msg_jail_enter,    3) \
	X(SIGNAL,   TO_LAUNCHER, struct msg_jail_signal,   0) \
	X(RELOAD,   TO_LAUNCHER, struct msg_jail_reload,   0) \
	X(POLICY,   TO_LAUNCHER, struct msg_jail_policy,   0) \
	X(INFO,     TO_CLIENT,   struct msg_jail_info,     0) \
	X(MASTER,   TO_CLIENT,   struct msg_jail_master,   1) \
	X(REFUSED,  TO_CLIENT,   struct msg_jail_refused,  0) \
	X(EXITED,   TO_CLIENT,   struct msg_jail_exited,   0) \
	X(RELOADED, TO_CLIENT,   struct msg_jail_reloaded, 0) \
	X(PLAN,     TO_CLIENT,   struct msg_jail_policy,   1)

/* clang-format on */

enum jail_msg {
#define X(name, dir, body, fds) JAIL_##name,
	JAIL_MSGS(X)
#undef X
	JAIL__MAX
};

struct msg_jail_describe {
	uint32_t version;
};

#define MSG_JAIL_VERSION 1

struct msg_jail_kill {
	uint32_t version;
};

/* argc strings follow, each ended by NUL. */
struct msg_jail_enter {
	uint32_t version;
	uint32_t pty;
	uint32_t argc;
	uint32_t strings; /* their bytes, NULs included */
	uint16_t rows, cols;
};

struct msg_jail_signal {
	uint32_t signo;
};

struct msg_jail_info {
	char name[MSG_JAIL_NAME_MAX];
	char command[MSG_JAIL_COMMAND_MAX];
	char policy[MSG_JAIL_POLICY_MAX];
	uint64_t age_ms;
	uint64_t cpu_ms;
	uint64_t memory_bytes; /* the peak so far */
	uint32_t launcher_pid;
	uint32_t init_pid;
};

struct msg_jail_master {
	uint32_t version;
};

/* step: enum init_step, sys: errno; or sys 0 and a text. */
struct msg_jail_refused {
	uint32_t step;
	int32_t sys;
	char text[256];
};

struct msg_jail_exited {
	int32_t status; /* as wait(2) gives it */
};

/*
 * Strings end in a NUL.  The launcher reads the file, with its own rights,
 * and compiles it as it did at the start.
 */
struct msg_jail_reload {
	uint32_t version;
	char file[MSG_JAIL_FILE_MAX]; /* absolute; "": where it began */
	char name[MSG_JAIL_FILE_MAX]; /* as messages show it */
};

/* clang-format off */
#define MSG_JAIL_RELOADS(X) \
	X(DONE,          "reloaded") \
	X(NEEDS_RESTART, "needs_restart") \
	X(INVALID,       "invalid") \
	X(FAILED,        "failed")

/* clang-format on */

enum msg_jail_reload_answer {
#define X(name, text) MSG_JAIL_RELOAD_##name,
	MSG_JAIL_RELOADS(X)
#undef X
	MSG_JAIL_RELOAD__MAX
};

/* But for DONE nothing has changed. */
struct msg_jail_reloaded {
	uint32_t answer; /* enum msg_jail_reload_answer */
	uint32_t kept, cut; /* live connections */
	unsigned char before[32], after[32]; /* digests of the policies */
	char text[MSG_JAIL_TEXT_MAX]; /* why not; lines */
};

struct msg_jail_policy {
	uint32_t version;
};

/* In the memfd: this, the plan, the seccomp program, the network plan. */
struct msg_jail_plan {
	uint32_t plan_size;
	uint32_t program_length; /* instructions */
	uint32_t net_size; /* 0: it has none */
};

#endif /* !MSG_JAIL_H */
