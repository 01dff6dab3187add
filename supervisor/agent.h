/*
 * agent.h: deployed versions of agents, as they lie on disk.
 *
 *	agents/TENANT/DIGEST/tree/	  what the archive held; world-readable
 *			    plan, net	  what it may do
 *			    record	  command, environment (agent_record.h)
 *			    agent.json	  for control
 *	agents/TENANT/.new-…		  not finished
 *
 * Written by warder-deploy alone, read by warderd, and checked like a stranger's: the
 * parser that made it may have been taken over by what it parsed.
 */
#ifndef AGENT_H
#define AGENT_H

#include "agent_record.h"
#include "narrow.h"
#include "plan.h"
#include "plan_net.h"
#include "seccomp_program.h"
#include "settings.h"

enum {
	AGENT_DIGEST_HEX = 2 * SHA256_SIZE + 1, /* with the NUL */
	AGENT_PATH_MAX = 4096 + 192,
	AGENT_TREE_DEPTH = 160, /* more than jail/keep.h ever makes */
};

#define AGENT_MOUNT "/agent" /* where the jail sees its tree */
#define AGENT_SDK "/opt/warder/python" /* and native ones Python's SDK */

/* What the operator allows at most. */
struct ceiling {
	struct plan plan;
	union plan_net_room net;
};

struct agent_store {
	const char *path; /* of the directory "agents" */
	int dir; /* the same, open */
	const char *sdk; /* Python's, on the host; NULL: there is none */
	const struct ceiling *ceiling;
};

/* Shared by the jails that run it. */
struct agent {
	unsigned users;
	struct agent *next;
	char tenant[SETTINGS_TENANT_SIZE];
	unsigned char digest[SHA256_SIZE];
	unsigned char policy[SHA256_SIZE]; /* of the plan, without our mount */
	struct plan plan; /* as it is run: with the mount of its tree */
	struct plan judged; /* as it is compared with the ceiling */
	struct seccomp_program program;
	union plan_net_room net;
	struct agent_record record;
};

void agent_hex(const unsigned char digest[SHA256_SIZE],
    char ret[AGENT_DIGEST_HEX]);

/*
 * The version, loaded and checked unless it is already; agent_release() for
 * each.  ERR_NOT_FOUND; ERR_CORRUPT.
 */
must_check int agent_get(const struct agent_store *s, const char *tenant,
    const unsigned char digest[SHA256_SIZE], struct agent **ret, struct err *e);
void agent_release(struct agent *a);

/*
 * What a jail of it executes: arguments (borrowed, NULL-terminated), and the
 * environment of the plan, of agent.yaml, of its way out (NULL: none), ours.
 */
struct egress;
struct environ;
must_check int agent_command(const struct agent *a, const struct egress *x,
    const char *ret_argv[AGENT_ARGS_MAX + 1], struct environ *ret_env,
    struct err *e);

/*
 * For one jail beside one that runs "of": the same, its plan narrowed
 * (policy/narrow_plan.h), the command another (size bytes of arguments, each with
 * its NUL), and no socket.  agent_release().  ERR_INVALID; ERR_LIMIT: the
 * command and the environment are too long together.
 */
must_check int agent_narrow(const struct agent *of, const struct narrow *n,
    const char *args, uint32_t size, struct agent **ret, struct err *e);

/*
 * Whether the plan stays under the operator's ceiling as it is now, and asks
 * for no secret but the vault's.
 */
must_check int agent_judge(const struct ceiling *c, const struct plan *p,
    const union plan_net_room *net, struct err *e);

/* The system calls allowed are those that the plan says: ERR_CORRUPT. */
must_check int agent_make_filter(const struct plan *p,
    struct seccomp_program *ret, struct err *e);

/* Remove a directory and all that is in it; a name in dir. */
int agent_remove(int dir, const char *name, int depth);

/* Remove what deployments that were killed have left. */
must_check int agent_sweep(const struct agent_store *s, struct err *e);

#endif /* !AGENT_H */
