/*
 * keeper.h: the launcher's side of warder-vault.
 *
 * Started by egress.c where the plan has a credential whose source is the
 * vault.  The launcher opens the vault's directory and key, perhaps as root,
 * and gives it both, with its own end of one socket and the proxy's end of
 * another; see msg_vault.h.  It reads neither.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <sys/types.h>

#include "err.h"
#include "plan_net.h"

enum {
	KEEPER_READY_MS = 10 * 1000,
};

struct keeper {
	pid_t pid; /* 0: there is none */
	int fd;
};

struct keeper_options {
	const char *vault_path; /* of warder-vault */
	const char *config_dir; /* has vault.key */
	const char *state_dir; /* has vault/ */
	const struct plan_net *net; /* checked */
	const char *run; /* its id */
	int dir; /* its working directory, as in child.h */
	int dies_with_us; /* the same */
};

/* Whether the plan needs it. */
int keeper_is_wanted(const struct plan_net *net);

/*
 * Start it and say which entries the run may ask for; waits for nothing.
 * *ret_proxy is the proxy's end of the other socket, the caller's to give
 * away.  ERR_NOT_FOUND where this user has no vault.
 */
must_check int keeper_start(struct keeper *k, const struct keeper_options *o,
    int *ret_proxy, struct err *e);

/* Wait until it has said that each entry is there and serves this user. */
must_check int keeper_ready(struct keeper *k, struct err *e);

/* End it; one that was never started is fine, zeroed. */
void keeper_end(struct keeper *k);

#endif /* !KEEPER_H */
