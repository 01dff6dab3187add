/*
 * egress.h: the launcher's side of a jail's way out.
 *
 * Starts warder-proxy, gives it the network half of the plan, the secrets of
 * {env:} and {file:} sources and the jail's listeners, and learns from it
 * what the jail must be told: the certificate of its authority and the values
 * of its variables.  For every launcher alike; libc only.  The proxy starts
 * beside the jail's preparation, so:
 *
 *	egress_start ──► (prepare the jail) ──► egress_ready ──► launch
 *	──► egress_attach ──► (the run) ──► egress_end
 *
 * The proxy is less privileged than we are: what it says is bounded, and
 * checked before it is used.  A proxy that is gone answers nothing: closed.
 */
#ifndef EGRESS_H
#define EGRESS_H

#include <stdint.h>

#include "jail/capture.h"
#include "jail/environ.h"
#include "jail/jail.h"
#include "jail/run.h"
#include "jail/trust.h"
#include "msg_proxy.h"
#include "plan_net.h"

enum {
	EGRESS_READY_MS = 10 * 1000, /* for the proxy to be ready */
	EGRESS_END_MS = 1000, /* for its last words */
	EGRESS_SLACK_S = 60, /* the authority outlives the run by it */
	EGRESS_UID = 1879048191, /* below the jails' blocks */
	EGRESS_PATH_MAX = 4096,
	EGRESS_VARS_MAX = 16 + PLAN_NET_CREDENTIALS_MAX,
};

struct egress;

struct egress_options {
	const char *proxy_path; /* of warder-proxy */
	const char *vault_path; /* of warder-vault */
	const char *audit_program; /* the path of warder-audit */
	const char *config_dir, *state_dir; /* vault.key; vault/ and audit/ */
	const struct plan_net *net; /* checked; borrowed to the end */
	const unsigned char *policy; /* the whole plan's digest; borrowed */
	char *const *environ; /* for sources {env:}; may be NULL */
	const char *root; /* the jail's, on the host; borrowed; NULL: "/" */
	uint64_t wall_ms; /* the run's limit; 0: none */
	/*
	 * 1: proxy and vault are killed when the calling thread ends, or the
	 * one that child_set_starter() names, as child.h says.
	 */
	int dies_with_us;
};

/*
 * Start it and say all that is known now; waits for nothing.  ERR_INVALID if
 * a source or a CA file cannot be read.
 */
must_check int egress_start(const struct egress_options *o, struct egress **ret,
    struct err *e);

/* The ports that the plan names, for a struct capture_request; borrowed. */
const struct capture_request *egress_capture(const struct egress *x);

/*
 * Wait until it is ready, at most EGRESS_READY_MS.  After that the next two
 * have something to say, borrowed until egress_end().
 */
must_check int egress_ready(struct egress *x, struct err *e);

/*
 * What the jail's environment is to have besides.  A placeholder replaces
 * what was there; what yields is for convenience and leaves a policy's own
 * setting alone.
 */
struct egress_variable {
	const char *name, *value;
	int yields;
};

const struct egress_variable *egress_variables(const struct egress *x,
    size_t *ret_n);

/* The same, into an environment. */
must_check int egress_environ(const struct egress *x, struct environ *v,
    struct err *e);

/*
 * What the jail's programs are to trust, for struct jail_options: empty until
 * egress_ready(), and where nothing is inspected.
 */
const struct trust *egress_trust(const struct egress *x);

/*
 * The jail's authority, PEM with its NUL, and the hash of its name in hex;
 * NULL: nothing is inspected.  Not looked into here.
 */
const char *egress_authority(const struct egress *x);
const char *egress_authority_hash(const struct egress *x);

/*
 * Hand the launched jail's listeners over and close ours; from then on the
 * run is watched: when the proxy fails it ends with RUN_PROXY.
 */
must_check int egress_attach(struct egress *x, struct jail *j, struct run *r,
    struct err *e);

/*
 * The same in its parts, for a launcher with a loop of its own: what must be
 * readable before egress_ready() will not wait (their number; borrowed); the
 * listeners' hand-over alone; and what the proxy says whenever its socket
 * becomes readable afterwards: NULL, it was about its audit log and is done,
 * or answered egress_reload(), whose fn was called; otherwise why it has
 * ended.
 */
size_t egress_fds(const struct egress *x, int ret[2]);
size_t egress_awaited(const struct egress *x, int ret[2]); /* of these */
must_check int egress_hand_over(struct egress *x, struct jail *j,
    struct err *e);
const struct err *egress_heard(struct egress *x);

/*
 * A proxy whose jail runs, over the launcher's execve(2) of its successor
 * (see handover.h): written, or read into a new *x with the same options, of
 * which those that start something are not used.  Nobody may be reloading.
 */
struct handover;
must_check int egress_carry(struct egress **x, const struct egress_options *o,
    struct handover *h, struct err *e);

/* What became of another policy. */
struct egress_reloaded {
	enum proxy_reload answer;
	uint32_t kept, cut; /* live connections */
	struct err why; /* it is not in force */
};

typedef void egress_reload_fn(void *ctx, const struct egress_reloaded *r);

/*
 * Hand the network half (checked; borrowed from the moment that it is in
 * force, as "policy", the whole plan's digest) to the proxy of a jail that
 * runs.  Sources and CA files are read anew.  fn is called once, from the
 * run's loop or from egress_end(); with fn NULL egress_reload_wait() follows.
 * -1: nothing has changed; ERR_CONFLICT for what a live jail cannot have,
 * ERR_LIMIT while another one is being asked for.
 */
must_check int egress_reload(struct egress *x, const struct plan_net *net,
    const unsigned char *policy, egress_reload_fn *fn, void *ctx,
    struct err *e);

/* Its answer, within EGRESS_READY_MS. */
must_check int egress_reload_wait(struct egress *x, struct egress_reloaded *ret,
    struct err *e);

/* The plan in force; borrowed. */
const struct plan_net *egress_net(const struct egress *x);

/* Why the run ended with RUN_PROXY. */
const struct err *egress_why(const struct egress *x);

/* The run's id, as the proxy logs it. */
const char *egress_run(const struct egress *x);

/* What went out, a service of the plan each and a last one for none. */
struct egress_summary {
	uint32_t services; /* 0: nothing was learnt */
	/* The run's audit log, its last segment, and its head. */
	char audit_path[EGRESS_PATH_MAX];
	uint32_t audit_segments;
	uint32_t audit_unsigned; /* of them; why, stderr has said */
	uint64_t audit_lines; /* 0: it has no end */
	unsigned char audit_digest[SHA256_SIZE];
	struct proxy_count count[PLAN_NET_SERVICES_MAX + 1];
};

/*
 * End the proxy, and have its audit log signed; ret may be NULL.  Accepts
 * NULL and one that never got ready.  Waits at most EGRESS_END_MS for the
 * first, and some milliseconds for the second.
 */
void egress_end(struct egress *x, struct egress_summary *ret);

#endif /* !EGRESS_H */
