/*
 * registry.h: how a live jail is found, described, entered and ended.
 *
 * Runs in the launcher, on its loop: a listening socket whose name is the
 * jail's, in a directory that only this user can reach.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "err.h"
#include "msg_jail.h"
#include "run.h"

enum {
	REGISTRY_CLIENTS = 8,
	REGISTRY_PATH_MAX = 108 /* sun_path */
};

struct registry_client {
	struct registry *registry;
	int fd; /* -1: free */
	uint32_t command; /* it entered with; 0: none */
	int reloads; /* it waits for registry_reloaded() */
};

/* What is asked about the policy, by whoever runs the jail. */
struct registry_policy {
	/*
	 * Begin to reload; registry_reloaded() follows, now or later.  One is
	 * asked for at a time.
	 */
	void (*reload)(void *ctx, const struct msg_jail_reload *m);
	/* What is in force, as struct msg_jail_plan says: a sealed memfd. */
	int (*show)(void *ctx, struct err *e);
	/* Its name, borrowed. */
	const char *(*name)(void *ctx);
	void *ctx;
};

struct registry {
	/* set by the caller before it serves */
	const char *command; /* what runs, for people */
	const char *const *envp; /* of commands that enter */
	struct registry_policy policy;

	char path[REGISTRY_PATH_MAX];
	char name[JAIL_NAME_MAX]; /* the jail must have the same */
	int listen;
	int bound; /* the file is there, and ours */
	int reloading; /* registry_reloaded() is awaited */
	uint32_t next; /* command id */
	uint64_t begin_us;
	struct run *run;
	struct registry_client clients[REGISTRY_CLIENTS];
};

/* Make the socket and choose its path; there is no file yet. */
must_check int registry_open(struct registry *g, const char *dir,
    struct err *e);

/*
 * Bind it, and answer on this run's loop.  Not before the jail's janitor
 * knows the path: from then on somebody removes the file, whoever is killed.
 */
must_check int registry_serve(struct registry *g, struct run *r, struct err *e);

/* What became of the reload that was asked for, to whoever has asked. */
void registry_reloaded(struct registry *g, const struct msg_jail_reloaded *m);

/* Drop clients, remove the socket; accepts a failed open. */
void registry_close(struct registry *g);

/*
 * The client's side: connect to the jail of a name (or an unambiguous start
 * of one).  Blocks for two seconds where others wait for the jail, then
 * ERR_LIMIT.  ERR_NOT_FOUND, ERR_CONFLICT if several match.
 */
must_check int registry_connect(const char *dir, const char *name, int *ret_fd,
    struct err *e);

/*
 * Call f for each socket in dir, connected (fd is borrowed) or -1 with errno
 * where nobody answers: EAGAIN if its launcher lives and accepts nobody now;
 * one whose launcher is dead is removed.
 */
must_check int registry_each(const char *dir,
    void (*f)(void *ctx, const char *name, int fd), void *ctx, struct err *e);

/*
 * Remove the sockets of dead launchers.  Asked are only those of which is_live
 * says 0, so that a start among a thousand jails does not wake them all.
 */
void registry_sweep(const char *dir,
    int (*is_live)(const char *name, void *arg), void *arg);

#endif /* !REGISTRY_H */
