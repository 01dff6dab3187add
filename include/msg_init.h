/*
 * msg_init.h: the launcher and warder-init, pid 1 of a jail.
 *
 * One SOCK_SEQPACKET pair (framing: ipc.h).  It is the lifeline too: when
 * the launcher's end is closed, warder-init exits and the kernel ends the
 * jail.  The launcher is the more privileged side: warder-init believes it,
 * and the launcher takes every answer for hostile bytes, since a jail that
 * broke warder-init would speak here.
 *
 *	launcher                        warder-init
 *	INIT_START {…} + descriptors ──►         (may be sent before it lives,
 *	                                          but after every INIT_IMAGE)
 *	INIT_IMAGE + mount ──►                   to stage two, if it is told so
 *	           ◄── INIT_KEEP + directory     from stage two, if asked for
 *	           ◄── INIT_LISTEN + sockets     from stage one, if asked for
 *	           ◄── INIT_HELLO        it has been exec'd, the jail is closed
 *	           ◄── INIT_PTY + master         if a pty was asked for
 *	           ◄── INIT_FAILED       if it cannot be executed
 *	INIT_SIGNAL ──►
 *	           ◄── INIT_EXITED
 *
 * The strings of INIT_START: the working directory, argc arguments, envc
 * variables, each ended by NUL, follow the body; or, where they do not fit,
 * fill the sealed memfd that is the message's last descriptor.
 */
#ifndef MSG_INIT_H
#define MSG_INIT_H

#include <stdint.h>

enum {
	INIT_FD = 3, /* where warder-init finds its socket */
	INIT_COMMANDS_MAX = 64, /* alive at once in one jail */
	INIT_STRINGS_MAX = 8 * 1024 * 1024, /* the kernel's own bound is less */
	INIT_ARGS_MAX = 128 * 1024, /* arguments and variables together */

	INIT_EVERYBODY = 0, /* no command's id */

	INIT_UID = 999, /* of warder-init, where there is a second uid */
	AGENT_UID = 1000, /* of everything else in the jail; the gid too */
};

/* clang-format off */
/*   name     direction    body                 descriptors: least, most */
#define INIT_MSGS(X) \
	X(START,   TO_INIT,     struct init_start,   0, 5) \
	X(SIGNAL,  TO_INIT,     struct init_signal,  0, 0) \
	X(HELLO,   TO_LAUNCHER, struct init_hello,   0, 0) \
	X(PTY,     TO_LAUNCHER, struct init_pty,     1, 1) \
	X(FAILED,  TO_LAUNCHER, struct init_failed,  0, 0) \
	X(EXITED,  TO_LAUNCHER, struct init_exited,  0, 0) \
	X(KEEP,    TO_LAUNCHER, struct init_keep,    1, 1) \
	X(LISTEN,  TO_LAUNCHER, struct init_listen,  1, 8) \
	X(IMAGE,   TO_STAGE,    struct init_image,   0, 1)

/* clang-format on */

enum init_msg {
#define X(name, dir, body, least, most) INIT_##name,
	INIT_MSGS(X)
#undef X
	INIT__MAX
};

enum {
	INIT_START_PTY = 1 << 0, /* a new pty; no stdio descriptors come */
	INIT_START_BLOB = 1 << 1, /* the strings are in the last descriptor */
	INIT_START_NO_STDIN = 1 << 2, /* two come; input is the null device */
	INIT_START_SOCKET = 1 << 3, /* behind them comes the command's fd 3 */
};

struct init_start {
	uint32_t id; /* chosen by the launcher, unique among the living */
	uint32_t flags; /* INIT_START_* */
	uint32_t argc; /* at least 1 */
	uint32_t envc;
	uint32_t strings; /* bytes of all strings, NULs included */
	uint16_t rows, cols; /* of the pty */
};

struct init_signal {
	uint32_t id; /* of a command: its process group; 0: everybody */
	uint32_t signo;
};

struct init_hello {
	uint32_t version;
};

#define INIT_VERSION 1

struct init_pty {
	uint32_t id;
};

/* The step that failed, for the exit status: 127 not found, 126 the rest. */
enum init_step {
	INIT_STEP_SETUP,
	INIT_STEP_CHDIR,
	INIT_STEP_EXEC
};

struct init_failed {
	uint32_t id;
	uint32_t step; /* enum init_step */
	int32_t sys; /* errno */
};

struct init_exited {
	uint32_t id;
	int32_t status; /* as wait(2) gives it */
	uint64_t user_us;
	uint64_t system_us;
	uint64_t max_rss_bytes; /* of the largest process */
};

/* A directory whose content outlives the jail; sent before INIT_HELLO. */
struct init_keep {
	uint32_t what; /* which of the plan's mounts, or INIT_KEEP_ROOT */
};

#define INIT_KEEP_ROOT UINT32_MAX /* the upper layer of the root */

/* A new directory's mount; without one it is a tmpfs after all. */
struct init_image {
	uint32_t place; /* of jail/quota.h */
	uint32_t more; /* 1: others follow */
};

/* Listening sockets, one kind each; sent before INIT_HELLO. */
struct init_listen {
	uint32_t mode; /* enum capture_mode */
	uint32_t kind[8]; /* enum capture_kind, of each descriptor */
};

#endif /* !MSG_INIT_H */
