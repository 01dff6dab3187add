/*
 * jails.h: who starts jails for warder-control, as seen by those who need one.
 *
 * Played by the client of warderd's spawn socket (and by a test without any
 * jail).  Everything about a jail but its purpose was decided when its agent
 * was deployed.
 */
#ifndef AGENT_JAILS_H
#define AGENT_JAILS_H

#include <stdint.h>

#include "err.h"
#include "msg_spawn.h"
#include "session.h"

struct jails_spec {
	const char *tenant;
	const char *digest; /* of the agent's version, hex */
	const char *run_id; /* or what else it is for: [0-9a-z-] */
	uint32_t attempt;
	uint64_t wall_ms; /* 0: the policy's limit alone */
};

/* A command beside a jail that lives, with what that one has, or less. */
struct jails_command {
	const char *args; /* one after the other, each with its NUL */
	size_t size; /* of them */
	struct narrow less;
};

/* Limits of the policy that its owner keeps; 0: none. */
struct jails_limits {
	uint64_t idle_ms; /* without a byte in either direction */
	uint64_t output_bytes; /* on standard output and error together */
};

/* How it ended; end as in run_end.h. */
struct jails_exit {
	unsigned end;
	int status; /* as wait(2) gives it */
	uint64_t wall_us, cpu_us, memory_peak_bytes;
};

/*
 * What its owner is told, never from inside start(): started (its descriptors
 * are the owner's) or refused, once; after the former exited, once.
 */
struct jails_owner {
	void (*started)(void *owner, const struct session_fds *fds,
	    const struct jails_limits *l);
	void (*refused)(void *owner, const struct err *why);
	void (*exited)(void *owner, const struct jails_exit *x);
};

struct jails {
	int (*start)(void *arg, const struct jails_spec *s,
	    const struct jails_owner *ops, void *owner, void **ret_jail,
	    struct err *e);
	/* In a jail of its own beside "jail", with which it ends. */
	int (*exec)(void *jail, const struct jails_command *c,
	    const struct jails_owner *ops, void *owner, void **ret_jail,
	    struct err *e);
	void (*kill)(void *jail, enum spawn_why why);
	/* Ends it if it lives; its owner is told nothing more. */
	void (*forget)(void *jail);
};

/* What those who need jails are given. */
struct jails_host {
	struct loop *loop;
	const struct jails *jails;
	void *jails_arg;
};

#endif /* !AGENT_JAILS_H */
