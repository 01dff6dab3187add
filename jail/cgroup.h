/*
 * cgroup.h: the control groups of one jail, v2 or v1 behind one interface.
 *
 * Runs in the launcher, before and after the jail lives; between clone and
 * exec only cgroup_join() is called (raw system calls, no memory).  On v2
 * the jail is cloned into its group (CLONE_INTO_CGROUP); on v1 the
 * single-threaded child writes "0" to each controller's "tasks", which
 * avoids the grace period that moving a process costs.
 *
 * Which limit is enforced by what is one table, read by the posture: a
 * missing controller is recorded there, or refused where the plan requires
 * it; it is never skipped silently.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdint.h>

#include "err.h"
#include "plan.h"

enum cgroup_version {
	CGROUP_NONE,
	CGROUP_V1,
	CGROUP_V2
};

enum cgroup_controller {
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_IO,
	CGROUP_FREEZER,
	CGROUP__MAX
};

enum {
	CGROUP_PATH_MAX = 512,
	CGROUP_NAME_MAX = 64,
	CGROUP_GAUGES = 16, /* numbers of struct cgroup_usage, by version */
};

struct cgroup {
	enum cgroup_version version;
	char name[CGROUP_NAME_MAX]; /* last component of each directory */
	int dir[CGROUP__MAX]; /* O_PATH|O_DIRECTORY; -1: not there */
	int parent[CGROUP__MAX]; /* of dir; borrowed from the process */
	int tasks[CGROUP__MAX]; /* v1: opened for writing, for the join */
	/* Several controllers may share one directory: who owns it. */
	int owner[CGROUP__MAX];
	/*
	 * Bit per cgroup_controller: memory, pids and cpu limit as the plan
	 * says, the others count (or freeze) what is in the group.
	 */
	uint32_t enforced;
	char why[160]; /* why a controller is missing; may be empty */
};

/* What was used, and which limits were met. Fields are 0 where unknown. */
struct cgroup_usage {
	uint64_t cpu_us;
	uint64_t user_us;
	uint64_t system_us;
	uint64_t memory_peak_bytes;
	uint64_t read_bytes;
	uint64_t written_bytes;
	uint64_t oom_kills;
	uint64_t pids_refused;
	uint32_t known; /* bit per cgroup_controller whose numbers are real */
};

/* The files that these numbers are read from. */
struct cgroup_meter {
	int fd[CGROUP_GAUGES]; /* -1: none */
};

/* Everything -1 and empty, so that cgroup_destroy() may be called. */
void cgroup_init(struct cgroup *c);

/*
 * Make the groups "warder-<name>" for one jail and set the plan's limits:
 * below this process's own group (v1), below /warder (v2 as root), or next to
 * this process's own group where its parent was delegated (v2).  Where they
 * can be made is found out once and kept by the process.
 *
 * A host that offers nothing is no failure: version is then CGROUP_NONE and
 * why says what is missing.  ERR_UNSUPPORTED when the plan requires a
 * controller that is not there, ERR_SYSTEM when a present one refuses a limit
 * or the name is taken; nothing is left then.
 * name: letters, digits and '-' only, unique; whoever sweeps must know it as
 * live from before this call on, since the group is empty at first.
 */
must_check int cgroup_create(struct cgroup *c, const char *name,
    const struct plan *p, struct err *e);

/* v2: the directory to clone into, else -1. */
int cgroup_clone_fd(const struct cgroup *c);

/* v1, in the child: join.  0 or -errno; raw system calls only. */
long cgroup_join(const struct cgroup *c);

/*
 * Kill every process inside.  v2 does so at once; v1 in rounds, forks refused
 * from the second on, until none is left (20 ms at most).
 */
void cgroup_kill(const struct cgroup *c);

/*
 * 1: freeze, and wait until all are (a second at most); 0: thaw.  On v1 the
 * group in the freezer's hierarchy is made by the first call, so that a start
 * does not pay for it.
 */
must_check int cgroup_freeze(struct cgroup *c, int frozen, struct err *e);

/*
 * For the janitor of a dead launcher, whose copy of c may be older than a
 * freeze: let go what is frozen, since on v1 it could not even die, and have
 * cgroup_destroy() remove that group too.  Looks for the group anew, without
 * the lock that the launcher may have died with.
 */
void cgroup_rescue(struct cgroup *c);

void cgroup_usage(const struct cgroup *c, struct cgroup_usage *ret);

/*
 * The same in three steps: opening takes longer than reading, and can be done
 * while nobody waits.  What is open already stays so.
 */
void cgroup_meter_init(struct cgroup_meter *m);
void cgroup_meter_open(struct cgroup_meter *m, const struct cgroup *c);
void cgroup_meter_read(const struct cgroup_meter *m, struct cgroup_usage *ret);
void cgroup_meter_finish(struct cgroup_meter *m);

/*
 * v1: a descriptor that becomes readable (*ret_events is POLLIN) when the
 * kernel meets the memory limit by killing one process; the caller then kills
 * the jail.  -1 if there is none; v2 needs none, it kills the whole group by
 * itself.  Owned by the caller, and readable once more when the group goes.
 */
int cgroup_watch_oom(const struct cgroup *c, short *ret_events);

/*
 * Remove the directories, once no process is left; waits up to "wait_ms"
 * for the last ones to go.  -1 if something stayed.  Closes everything.
 */
int cgroup_destroy(struct cgroup *c, unsigned wait_ms);

/*
 * The same without closing, by raw system calls, for a janitor that shares
 * its memory with a launcher; c may be one that cgroup_create() was filling
 * when its process died.
 */
int cgroup_remove(const struct cgroup *c, unsigned wait_ms);

/*
 * Remove groups that a dead launcher left: those below our parents whose
 * name says Warder, that hold no process and that no live jail (its lock is
 * asked for by the callback) claims.  Returns how many.
 */
int cgroup_sweep(int (*is_live)(const char *name, void *arg), void *arg);

/* What limits or counts this, for the posture: "cgroup v2 pids", "nothing". */
const char *cgroup_limiter(const struct cgroup *c, enum cgroup_controller k);

/* "cgroup v1: memory pids cpu" and the like, for people; in ret. */
void cgroup_describe(const struct cgroup *c, char *ret, size_t size);

#endif /* !CGROUP_H */
