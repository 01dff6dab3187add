/*
 * spawn.h: warder-control's side of docs/protocol-spawn.md.
 *
 * Deployments and runs are asked for here and answered by callbacks, all of
 * them from the loop and none before the call that asked has returned.
 * warderd is the more privileged side: what it sends is believed, and what it
 * sends amiss, or its end, is told by lost(), after which nothing works and
 * the process is to end.
 *
 *	spawn_start ──► started ──► exited
 *	           └──► refused
 */
#ifndef SPAWN_H
#define SPAWN_H

#include "loop.h"
#include "msg_spawn.h"

enum {
	SPAWN_HEX_SIZE = 2 * SHA256_SIZE + 1, /* with the NUL */
	SPAWN_START_FDS = 6,
};

struct spawn;
struct spawn_run;

/*
 * The first message, before there is a loop: blocks until it comes.  *ret_n
 * descriptors are the caller's, in the order of msg_spawn.h.
 */
must_check int spawn_receive_start(int fd, struct spawn_start *ret,
    int ret_fds[SPAWN_START_FDS], int *ret_n, struct err *e);

struct spawn_hooks {
	/* Take no more work; in wait_ms everything is killed. */
	void (*drain)(void *arg, uint64_t wait_ms);
	/* warderd has gone or broke the protocol. */
	void (*lost)(void *arg, const struct err *why);
	void *arg;
};

/* Takes fd, also on failure.  The hooks are copied. */
must_check int spawn_create(struct loop *l, int fd,
    const struct spawn_hooks *hooks, struct spawn **ret, struct err *e);

/* Forget everybody without a call, and close: warderd kills what runs. */
void spawn_destroy(struct spawn *s);

/* We listen; to be said once, before anything is asked for. */
must_check int spawn_ready(struct spawn *s, struct err *e);

/* ---- deployments ---- */

struct spawn_version {
	char digest[SPAWN_HEX_SIZE]; /* of the tar: the version's name */
	char policy[SPAWN_HEX_SIZE]; /* of the plan that it runs by */
	int fresh; /* 0: these bytes were deployed before */
	const char *card; /* agent.json, without a NUL; borrowed */
	size_t card_size;
};

/* Either v, or what is wrong: text of several lines, e->msg the first. */
typedef void spawn_deployed_fn(void *arg, const struct spawn_version *v,
    const struct err *e, const char *text);

/* The archive is a sealed memfd, borrowed.  ERR_LIMIT: too many at once. */
must_check int spawn_deploy(struct spawn *s, const char *tenant, int archive,
    spawn_deployed_fn *fn, void *arg, struct err *e);

/* ---- runs ---- */

struct spawn_request {
	const char *tenant;
	const char *digest; /* 64 hex digits */
	const char *run; /* [0-9a-z-]{1,39}: a UUID */
	uint32_t attempt;
	uint64_t wall_ms; /* less than the policy's; 0: that alone */
};

/* What a run has; the descriptors are the callee's to close, non-blocking. */
struct spawn_started {
	int stdio[3]; /* our ends of its input, output, error */
	int socket; /* of the agent protocol; -1: it is a plain one */
	uint64_t start_us;
	uint64_t idle_ms, output_bytes; /* limits that we keep; 0: none */
	char policy[SPAWN_HEX_SIZE];
	const char *posture; /* JSON; borrowed */
};

/* refused or exited is the last call, and the handle is void after it. */
struct spawn_run_hooks {
	void (*started)(void *arg, const struct spawn_started *t);
	void (*refused)(void *arg, const struct err *why);
	void (*exited)(void *arg, const struct spawn_exited *x);
};

/* Borrows the hooks until the last call.  ERR_LIMIT: too many ids live. */
must_check int spawn_start(struct spawn *s, const struct spawn_request *q,
    const struct spawn_run_hooks *hooks, void *arg, struct spawn_run **ret,
    struct err *e);

/* A command beside a run, in a jail that is the run's own or less. */
struct spawn_exec_request {
	struct spawn_run *beside;
	struct narrow less;
	const char *args; /* one after the other, each with its NUL */
	size_t size; /* of them: 1 to SPAWN_ARGS_SIZE */
};

/* As spawn_start().  ERR_INVALID: no command, or one that is too long. */
must_check int spawn_exec(const struct spawn_exec_request *q,
    const struct spawn_run_hooks *hooks, void *arg, struct spawn_run **ret,
    struct err *e);

/* It is killed, and exited() comes. */
void spawn_kill(struct spawn_run *r, enum spawn_why why);

/* Kill it, and call nobody any more; the handle is void. */
void spawn_abandon(struct spawn_run *r, enum spawn_why why);

/* "exited", "oom", …: the words of warder-report(5). */
const char *spawn_end_name(uint32_t end);

#endif /* !SPAWN_H */
