/*
 * jail.h: start a jail, run commands in it, end it.
 *
 * The launcher's side, for every launcher alike: the command line, libwarder
 * and (later) warderd.  It needs no daemon and no set-uid program; as root
 * each jail gets its own block of host uids and control groups, otherwise
 * the caller's uid is the only one that exists inside.
 *
 * Everything blocks for the microseconds that the kernel takes, except
 * jail_receive(), which blocks as the descriptor of jail_fd() does.  One
 * thread at a time per jail; different jails in different threads are fine.
 */
#ifndef JAIL_H
#define JAIL_H

#include <stdint.h>
#include <sys/types.h>

#include "capture.h"
#include "cgroup.h"
#include "err.h"
#include "keep.h"
#include "plan.h"
#include "quota.h"
#include "seccomp_program.h"
#include "trust.h"

struct jail;

enum {
	JAIL_NAME_MAX = 40
};

struct jail_options {
	const struct plan *plan; /* borrowed until jail_destroy() */
	const struct seccomp_program *program; /* borrowed until launched */
	const char *init_path; /* the program warder-init */
	const char *runtime_dir; /* /run/warder or the user's; 0700, exists */
	/* Where sized directories lie that are too large for memory. */
	const char *state_dir; /* 0700, exists; NULL or "": there is none */
	/* These, like the two above, never enter a jail; NULL or "": none. */
	const char *config_dir, *cache_dir, *state_root;
	const char *name; /* from jail_new_name(); NULL: a new one is made */
	/* Removed by the janitor if we are killed; NULL: nothing. */
	const char *janitor_unlink;
	int keep; /* 1: jail_keep() will be called */
	/* Needed when the plan has services; borrowed until launched. */
	const struct capture_request *capture;
	/* Read by jail_launch(), which borrows it; NULL or empty: none. */
	const struct trust *trust;
	/*
	 * The path in the jail of a read-only directory that the launcher
	 * itself has put into the plan: what it holds is Warder's own, and
	 * not judged like what a policy names.  NULL: there is none.
	 */
	const char *own;
};

struct jail_command {
	uint32_t id; /* not 0, unique among the living ones of this jail */
	const char *const *argv; /* NULL-terminated, at least one */
	const char *const *envp; /* NULL-terminated, complete */
	const char *cwd; /* in the jail; NULL: the plan's */
	int pty; /* 1: a new pty in place of three pipes */
	int no_stdin; /* 1: the jail's null device; no pipe for it */
	uint16_t rows, cols; /* of the pty */
	int socket; /* its descriptor 3, borrowed; 0: it has none */
};

enum jail_event_kind {
	JAIL_EVENT_PTY, /* fd: the master, owned by the receiver */
	JAIL_EVENT_FAILED, /* step, sys: it could not be executed */
	JAIL_EVENT_EXITED, /* status and what it used */
	JAIL_EVENT_GONE, /* the jail has ended; the last event */
};

struct jail_event {
	enum jail_event_kind kind;
	uint32_t id;
	int fd;
	uint32_t step; /* enum init_step */
	int sys;
	/* as wait(2) gives it; GONE: of the jail's pid 1, -1 if unknown */
	int status;
	uint64_t user_us, system_us, max_rss_bytes;
};

/* What is really in force; filled while the jail is made. */
struct jail_posture {
	int rootless;
	uid_t agent_uid; /* outside */
	int agent_shared; /* root: it is a given directory's owner, see source.h */
	int supplementary_groups; /* of the caller, still in force; rootless */
	int landlock_abi;
	int landlock_scoped;
	int time_namespace;
	int core_limit;
	enum cgroup_version cgroup_version;
	uint32_t cgroup_enforced; /* bit per enum cgroup_controller */
	char cgroup_why[160];
	enum capture_mode capture;
	struct quota_posture quota;
	uint64_t start_us; /* from jail_launch() to warder-init's hello */
};

/*
 * A name for a jail that no other has on this host: what its control groups,
 * its socket and its report are called by.  "PID-TIME", the time monotonic,
 * in microseconds, in hex: a sweeper reads from it who made the jail, and
 * when.
 */
void jail_new_name(char ret[JAIL_NAME_MAX]);

/*
 * Begin a jail of which nothing is known yet: its network namespace is made
 * from now on, which takes as long as finding out the rest.  On failure
 * nothing is left.
 */
must_check int jail_begin(struct jail **ret, struct err *e);

/*
 * Prepare everything outside: ids, control groups, host directories opened
 * and judged.  Nothing runs yet.  On failure only jail_destroy() may follow.
 */
must_check int jail_prepare(struct jail *j, const struct jail_options *o,
    struct err *e);

/* Both at once.  On failure nothing is left. */
must_check int jail_create(const struct jail_options *o, struct jail **ret,
    struct err *e);

/* 0: it was begun by a process that we were forked from. */
int jail_is_ours(const struct jail *j);

/* 0: it was begun with rights that we have no longer. */
int jail_is_current(const struct jail *j);

/*
 * Let it be made from now on, beside what else is done before jail_launch(),
 * which does it otherwise.  Nothing is executed in it before that.  On failure
 * only jail_destroy() may follow.
 */
must_check int jail_release(struct jail *j, struct err *e);

/*
 * The same, and give it all that it waits for: it comes by itself to where it
 * waits for a command.  jail_launch() then says whether it did.  On failure
 * only jail_destroy() may follow.
 */
must_check int jail_park(struct jail *j, struct err *e);

/*
 * Make the jail; its warder-init waits for commands.  "first" may be NULL;
 * given, it starts without another wake-up, as by jail_start().  On failure
 * the error names the step, nothing was executed in the jail, and only
 * jail_destroy() may follow.
 */
must_check int jail_launch(struct jail *j, const struct jail_command *first,
    int ret_stdio[3], struct err *e);

/*
 * 1: a launched jail that has not had a command yet is no more: its
 * warder-init has nothing to say, so that anything readable is its end.
 */
int jail_is_dead(const struct jail *j);

/*
 * What a launched jail's connections arrive at, none without
 * options.capture: borrowed; the sockets are the jail's until
 * jail_drop_listeners() or jail_destroy(), so whoever passes them on sends
 * duplicates.  What connects before the proxy has them waits for it.
 */
const struct capture_listeners *jail_listeners(const struct jail *j);

/* Close ours: when the proxy's are closed too, connections are refused. */
void jail_drop_listeners(struct jail *j);

/*
 * Start a command in a running jail.  ret_stdio: our ends of its standard
 * input, output and error (-1 where there is none), non-blocking, owned by
 * the caller.  With a pty all are -1 and JAIL_EVENT_PTY brings the master.
 */
must_check int jail_start(struct jail *j, const struct jail_command *c,
    int ret_stdio[3], struct err *e);

/* The same with the command's own three descriptors given, borrowed. */
must_check int jail_start_on(struct jail *j, const struct jail_command *c,
    const int theirs[3], struct err *e);

/* Readable when jail_receive() has something; borrowed. */
int jail_fd(const struct jail *j);

/*
 * The next event.  Returns 0, or -1 with ERR_CORRUPT if the jail's pid 1
 * sent what it never sends: the jail is then no longer trusted and killed.
 */
must_check int jail_receive(struct jail *j, struct jail_event *ret,
    struct err *e);

/*
 * To the command's process group; with id 0 to everything in the jail but its
 * pid 1.  A jail that has ended needs none.
 */
void jail_signal(struct jail *j, uint32_t id, int signo);

/* SIGKILL to everything in it, at once; does not wait. */
void jail_kill(struct jail *j);

/*
 * End the jail, and copy what it wrote into its new directories (and into
 * the overlay over its root) to a new directory on the host.  Needs
 * options.keep.  See keep.h for what is copied.
 */
must_check int jail_keep(struct jail *j, const char *dir,
    struct keep_result *ret, struct err *e);

/* 1: no process of it is scheduled; 0: they go on. */
must_check int jail_freeze(struct jail *j, int frozen, struct err *e);

/*
 * A launched jail, over the launcher's execve(2) of its successor (see
 * handover.h): written, or read into a new *j, with the plan that it runs by.
 * It lives on meanwhile, and its janitor keeps the memory of the program that
 * made it.  Without options.keep, capture's listeners handed over.
 */
struct handover;
must_check int jail_carry(struct jail **j, const struct plan *plan,
    struct handover *h, struct err *e);

void jail_usage(const struct jail *j, struct cgroup_usage *ret);
const struct jail_posture *jail_posture(const struct jail *j);
const struct cgroup *jail_cgroup(const struct jail *j);
const struct quota *jail_quota(const struct jail *j);
const char *jail_name(const struct jail *j);
pid_t jail_pid(const struct jail *j); /* of its pid 1, outside; 0: none */

/*
 * Kill what is left, wait for it, remove every trace, free.  Accepts NULL
 * and any half-made jail.  0, or -1 when something could not be removed.
 */
int jail_destroy(struct jail *j);

#endif /* !JAIL_H */
