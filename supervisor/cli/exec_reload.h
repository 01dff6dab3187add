/*
 * exec_reload.h: another policy for a run, asked for from outside.
 *
 * Runs in the launcher, behind its registry's socket.  The policy is compiled
 * as at the start; the jail stays what it is, so its half must be the same;
 * the network's half is handed to the proxy, and in force when that says so.
 */
#ifndef EXEC_RELOAD_H
#define EXEC_RELOAD_H

#include "egress/egress.h"
#include "exec_source.h"
#include "jail/registry.h"

/* One that was loaded after the start. */
struct exec_version {
	struct plan plan;
	union plan_net_room net; /* plan_net_init's if it has none */
};

struct exec_reload {
	/* set by the caller, borrowed */
	struct exec_source *source;
	struct exec_made first; /* what the jail began with */
	struct registry *registry;
	struct egress *egress; /* NULL: without services, or ended */

	/* private */
	struct exec_version *now; /* NULL: the first is in force */
	struct exec_version *next; /* NULL: nothing is being asked for */
	struct exec_version version[2];
	struct seccomp_program program; /* of the candidate: the first's */
};

/* What the registry asks. */
void exec_reload_serve(struct exec_reload *r, struct registry_policy *ret);

/* The plan in force. */
const struct plan *exec_reload_plan(const struct exec_reload *r);

/* Its network half; NULL: the run has no proxy. */
const struct plan_net *exec_reload_net(const struct exec_reload *r);

#endif /* !EXEC_RELOAD_H */
