/*
 * warder.h: run programs in jails, from C.
 *
 * Link with -lwarder (pkg-config warder).  The jail, its policy and its
 * reports are those of "warder exec": open Warder, open a policy, start a
 * command, stream, wait, and the report says how it ended.
 *
 * Functions return 0, or -1 with *e filled (e may be NULL).  Handles belong
 * to the thread that uses them; different handles may be used by different
 * threads at once.  No signal handler is installed and no thread started;
 * SIGCHLD may be ignored or handled as the program likes, but the program
 * must not wait for children that it did not start (waitpid(-1)).
 */
#ifndef WARDER_WARDER_H
#define WARDER_WARDER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct warder;
struct warder_policy;
struct warder_pool;
struct warder_run;

/* Codes keep their numbers. */
enum warder_code {
	WARDER_OK = 0,
	WARDER_INVALID = 1, /* malformed: a policy, a path, an argument */
	WARDER_DENIED = 2, /* what must never enter a jail */
	WARDER_NOT_FOUND = 3,
	WARDER_CONFLICT = 4, /* in another state */
	WARDER_LIMIT = 5,
	WARDER_SYSTEM = 6, /* a system call failed: see sys */
	WARDER_CORRUPT = 7,
	WARDER_UNSUPPORTED = 8, /* this host or build cannot do it */
};

struct warder_error {
	int code; /* enum warder_code */
	int sys; /* errno, or 0 */
	char message[480];
};

const char *warder_version(void);

/*
 * libexec: the folder of warder-init and warder-config; NULL: beside the
 * library.  Closing it needs all its policies, pools and runs closed first.
 */
int warder_open(const char *libexec, struct warder **ret,
    struct warder_error *e);
void warder_close(struct warder *w);

/* Compile a policy file; NULL: the built-in default policy. */
int warder_policy_open(struct warder *w, const char *path,
    struct warder_policy **ret, struct warder_error *e);

/*
 * The same of a text (size bytes) that messages call "name"; its relative
 * paths start at dir, which is absolute.
 */
int warder_policy_parse(struct warder *w, const char *text, size_t size,
    const char *name, const char *dir, struct warder_policy **ret,
    struct warder_error *e);

/* The plan's digest, 64 hex digits; valid until the policy is closed. */
const char *warder_policy_digest(const struct warder_policy *p);

void warder_policy_close(struct warder_policy *p);

struct warder_command {
	const char *const *argv; /* NULL-terminated, at least one */
	const char *cwd; /* in the jail; NULL: the policy's */
	/* From which the policy's env_pass takes; NULL: nothing. */
	const char *const *environment;
	/*
	 * Where its standard streams lead: descriptors (borrowed until the
	 * run is closed) that bytes are copied from and to, never given to
	 * the jail; -1: none.
	 */
	int in, out, err;
	/* In place of out and err: called from warder_wait() with bytes. */
	void (
	    *output)(void *context, int stream, const void *bytes, size_t size);
	void *context;
	int pty; /* 1: a terminal of its own; out gets both streams */
	uint16_t rows, cols;
};

/* Fills it with "nothing": every stream -1. */
void warder_command_init(struct warder_command *c);

/*
 * Start it in a new jail.  From the second start within five seconds on, the
 * jail of the next one is made while this one runs or is closed, unless the
 * policy gives host directories or has services.  It waits for its command
 * until it is used or the policy is closed, and is not used after five
 * seconds.
 */
int warder_start(struct warder_policy *p, const struct warder_command *c,
    struct warder_run **ret, struct warder_error *e);

/*
 * Jails prepared up to the last step.  Each serves one command.  fill makes
 * at most "most" of them, when the program has the time; start takes one, or
 * makes one.  max_age_ms 0: they do not grow old.  With services each has its
 * own proxy from the beginning: they must grow old (WARDER_INVALID), and no
 * credential may come from a command's environment (WARDER_UNSUPPORTED).
 */
int warder_pool_open(struct warder_policy *p, unsigned size,
    uint64_t max_age_ms, struct warder_pool **ret, struct warder_error *e);
int warder_pool_fill(struct warder_pool *p, unsigned most,
    struct warder_error *e);
int warder_pool_start(struct warder_pool *p, const struct warder_command *c,
    struct warder_run **ret, struct warder_error *e);
unsigned warder_pool_parked(const struct warder_pool *p);
void warder_pool_close(struct warder_pool *p);

enum warder_end {
	WARDER_END_EXITED,
	WARDER_END_SIGNALLED,
	WARDER_END_SECCOMP,
	WARDER_END_OOM,
	WARDER_END_OUTPUT,
	WARDER_END_WALL,
	WARDER_END_IDLE,
	WARDER_END_CPU_TIME,
	WARDER_END_NOT_FOUND,
	WARDER_END_NOT_EXECUTED,
	WARDER_END_LOST,
	WARDER_END_PROXY, /* its way out has failed */
};

struct warder_report {
	int end; /* enum warder_end */
	int exit_status; /* as "warder exec" would exit */
	int signal; /* that ended it, or 0 */
	int pids_limit_met; /* 1, 0, or -1 where nobody knows */
	int disk_full;
	uint64_t wall_us;
	uint64_t cpu_us;
	uint64_t memory_peak_bytes;
	uint64_t output_bytes;
	uint64_t start_us; /* what making the jail took */
};

/*
 * Move bytes and keep limits until the command has ended, or for
 * timeout_ms (-1: no limit; 0: what can be done at once).  Returns 1 with
 * *ret when it has ended, 0 when time is up, -1 on an error, after which
 * the run can only be closed.
 */
int warder_wait(struct warder_run *r, int timeout_ms, struct warder_report *ret,
    struct warder_error *e);

struct warder_reloaded {
	unsigned kept, cut; /* live connections */
};

/*
 * Put the network half of another policy in force in a run: connections that
 * it refuses are cut, the others go on.  Both policies stay open until the
 * run is closed.  -1: nothing has changed; WARDER_CONFLICT for what takes a
 * new run: another jail half, a host to inspect or a credential that the run
 * did not begin with, services where it began without any.
 */
int warder_reload(struct warder_run *r, struct warder_policy *p,
    struct warder_reloaded *ret, struct warder_error *e);

/* To its process group; of a run that has ended: nothing. */
void warder_signal(struct warder_run *r, int signo);

/* Kill everything in the jail; warder_wait() then reports it. */
void warder_kill(struct warder_run *r);

/* Ends it if it still runs, removes every trace of it. */
void warder_run_close(struct warder_run *r);

#ifdef __cplusplus
}
#endif

#endif /* !WARDER_WARDER_H */
