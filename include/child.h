/*
 * child.h: start one of Warder's own helper programs.
 *
 * Runs in a launcher, perhaps one with threads (libwarder).  The helper gets
 * no environment, no group, its directory, /dev/null as standard input
 * and output, the launcher's standard error, the given descriptors from 3 on,
 * and as root an identity of its own.  libc only, no allocation.
 */
#ifndef CHILD_H
#define CHILD_H

#include <sys/types.h>

#include "err.h"

enum {
	CHILD_FDS_MAX = 5,
	CHILD_FIRST_FD = 3,
	CHILD_ARGS_MAX = 4,
};

struct child_spec {
	const char *path; /* of the program */
	const char *name; /* as argv[0] */
	const char *args[CHILD_ARGS_MAX]; /* up to the first NULL */
	uid_t uid; /* and gid; looked at only as root */
	int locks_memory; /* as root without a limit: for mlockall(2) */
	int fds[CHILD_FDS_MAX]; /* borrowed; they become 3, 4, … */
	int nfds;
	int dir; /* borrowed: its working directory; 0: "/" */
	/*
	 * 1: killed when the thread that starts it ends, whatever it does.
	 * Where threads come and go, child_set_starter() says which one
	 * starts it.
	 */
	int dies_with_us;
};

/*
 * Fork and execute.  ERR_SYSTEM if the program cannot be opened or no
 * process can be made; what fails in the child ends it with status 126.
 * Signals are as if nobody had ever touched them.
 */
must_check int child_start(const struct child_spec *s, pid_t *ret_pid,
    struct err *e);

/*
 * From now on, in this process, children that die with us are started by fn,
 * which calls child_start_here() in a thread that lasts.
 */
typedef int child_start_fn(const struct child_spec *s, pid_t *ret_pid,
    struct err *e);
void child_set_starter(child_start_fn *fn);
must_check int child_start_here(const struct child_spec *s, pid_t *ret_pid,
    struct err *e);

/* Kill it, whatever it does, and wait: as waitpid(2) says, -1 if it cannot.
 * pid 0 or less is no child. */
int child_end(pid_t pid);

/* The uid of that name in the user database, otherwise "reserved". */
uid_t child_uid(const char *name, uid_t reserved);

#endif /* !CHILD_H */
