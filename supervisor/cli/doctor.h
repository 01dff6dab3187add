/*
 * doctor.h: what the parts of "warder doctor" share.
 *
 *	doctor.c	the verb
 *	doctor_host.c	what this host offers: one table
 *	doctor_trial.c	namespaces made and thrown away; which switch is off
 *	doctor_jail.c	a throw-away jail, with witnesses on the host
 *	doctor_judge.c	what its probe must have seen; pure
 *	doctor_print.c	text and JSON
 *	doctor_clean.c	--clean
 *
 * Runs as the user who typed it; needs no right that "warder exec" does not.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "cli.h"
#include "doctor_probe.h"
#include "jail/places.h"
#include "jail/posture.h"
#include "plan.h"
#include "seccomp_program.h"

enum {
	DOCTOR_VALUE_MAX = 256,
	DOCTOR_REMEDY_MAX = 512,
	DOCTOR_HOST_MAX = 32,
	DOCTOR_PROBES_MAX = 32,
	DOCTOR_OUTPUT_MAX = 16 * 1024, /* of one run of the probe */
	DOCTOR_WORD_MAX = 512, /* one word of it */
};

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_LESSENED, /* jails run, with one layer less */
	DOCTOR_MISSING, /* no jail runs */
	DOCTOR_STATE__MAX
};

/* "ok", "lessened", "missing" */
const char *doctor_state_name(enum doctor_state s);

/* One row about the host. */
struct doctor_finding {
	const char *name, *about;
	enum doctor_state state;
	char value[DOCTOR_VALUE_MAX];
	char remedy[DOCTOR_REMEDY_MAX]; /* empty if ok */
};

enum doctor_verdict {
	DOCTOR_HELD, /* refused inside, and seen to work outside */
	DOCTOR_UNPROVED, /* refused inside, and outside too */
	DOCTOR_ESCAPED, /* it worked, or a witness saw it */
	DOCTOR_VERDICT__MAX
};

/* "held", "unproved", "escaped" */
const char *doctor_verdict_name(enum doctor_verdict v);

/* One attempt of the probe. */
struct doctor_attempt {
	const char *name, *about;
	enum doctor_verdict verdict;
	char got[DOCTOR_WORD_MAX]; /* inside */
	char control[DOCTOR_WORD_MAX]; /* outside */
};

/* One row of the posture, and whether the probe saw the same. */
struct doctor_claim {
	char value[DOCTOR_VALUE_MAX];
	int lessened;
	int agrees;
	char seen[DOCTOR_WORD_MAX + 64]; /* what contradicts it */
};

/* What was seen of the throw-away jail, from both sides. */
struct doctor_seen {
	char inside[DOCTOR_OUTPUT_MAX]; /* the probe's lines */
	char outside[DOCTOR_OUTPUT_MAX];
	char uid_map[1024]; /* of its pid 1, read on the host */
	char groups[4096]; /* its /proc/PID/cgroup, the same */
	char group_name[64]; /* its control groups' directory */
	unsigned char program_digest[SHA256_SIZE];
	int signals[2]; /* what the witness got: from inside, outside */
	int tcp[2], abstract[2]; /* what the canaries accepted */
};

struct doctor {
	int json, clean;
	struct places places;
	int have_places;

	struct doctor_finding host[DOCTOR_HOST_MAX];
	size_t nhost;

	/* the throw-away jail */
	int ran;
	struct err jail_error; /* why it did not */
	char hint[DOCTOR_REMEDY_MAX]; /* the switch that explains it, or "" */
	struct plan plan;
	struct seccomp_program program;
	struct jail_posture posture;
	struct doctor_seen seen;
	struct doctor_claim claims[POSTURE__MAX];
	struct doctor_attempt attempts[DOCTOR_PROBES_MAX];
	size_t nattempts;
};

/* ---- doctor_host.c ---- */

/* Fill d->host; needs d->places. */
void doctor_host_look(struct doctor *d);

/* ---- doctor_trial.c: see also doctor_explain.h ---- */

/* What is tried, in this order, each in the ones before it. */
/* clang-format off */
#define DOCTOR_TRIALS(X) \
	X(USER,    "user namespace") \
	X(MAPS,    "id maps") \
	X(SECOND,  "second user namespace") \
	X(MOUNT,   "mount namespace") \
	X(NET,     "network namespace") \
	X(IPC,     "ipc namespace") \
	X(UTS,     "uts namespace") \
	X(CGROUP,  "cgroup namespace") \
	X(PID,     "pid namespace") \
	X(TIME,    "time namespace") \
	X(TMPFS,   "mounting by descriptor") \
	X(PROC,    "mounting proc") \
	X(OVERLAY, "mounting an overlay")

/* clang-format on */

enum doctor_trial_step {
#define X(n, text) TRIAL_##n,
	DOCTOR_TRIALS(X)
#undef X
	TRIAL__MAX
};

enum {
	TRIAL_NOT_TRIED = -1 /* something before it failed */
};

/* 0: it works; an error number; or TRIAL_NOT_TRIED. */
struct doctor_trial {
	int sys[TRIAL__MAX];
};

void doctor_trial_run(struct doctor_trial *ret);

/* The switch, and its remedy, for a step that failed; in ret, one line. */
void doctor_trial_remedy(enum doctor_trial_step step, int sys,
    struct text *ret);

/* What to do where root has not the uids that jails get. */
void doctor_trial_no_uids(struct text *ret);

/* The first step that no jail can do without and that failed; or -1. */
int doctor_trial_failed(const struct doctor_trial *t);

/* ---- doctor_jail.c ---- */

/* Run it; d->ran, or d->jail_error and d->hint. */
void doctor_jail_run(struct doctor *d);

/* Compile the built-in default, by warder-config and not from the cache. */
must_check int doctor_jail_policy(struct doctor *d, struct err *e);

/* ---- doctor_judge.c ---- */

/*
 * The word of a row in the probe's lines.  Returns 1, or 0 with "?" if there
 * is no such row, it is too long, or it has other bytes than printable ones.
 */
int doctor_judge_word(const char *lines, const char *name, char *ret,
    size_t size);

/* Fill d->attempts and d->claims from d->seen. */
void doctor_judge_attempts(struct doctor *d);
void doctor_judge_claims(struct doctor *d);

/* ---- doctor_print.c ---- */

/* The worst of everything: the exit status, 0 or 1. */
int doctor_print_status(const struct doctor *d);
void doctor_print_text(const struct doctor *d);
void doctor_print_json(const struct doctor *d);

/* ---- doctor_clean.c ---- */

/* Sweep the control groups of dead launchers, at most once a minute. */
void doctor_clean_sometimes(const struct places *p);

/* Remove what dead launchers left; says what on stdout. */
must_check int doctor_clean_run(struct doctor *d, struct err *e);

#endif /* !DOCTOR_H */
