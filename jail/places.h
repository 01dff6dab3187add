/*
 * places.h: where things are for this user; see warder(1), FILES.
 *
 * Any launcher.  Nothing in the environment can loosen a policy: programs
 * and shipped files are found from the running program, root's directories
 * are fixed, and a user's are that user's own.
 */
#ifndef PLACES_H
#define PLACES_H

#include <sys/types.h>

#include "err.h"

enum {
	PLACES_PATH_MAX = 4096
};

struct places {
	char libexec[PLACES_PATH_MAX]; /* beside bin/ or lib/ */
	char share[PLACES_PATH_MAX];
	char config[PLACES_PATH_MAX]; /* /etc/warder or ~/.config/warder */
	char runtime[PLACES_PATH_MAX]; /* made if it is not there, 0700 */
	char jails[PLACES_PATH_MAX]; /* sockets of the live ones; the same */
	char cache[PLACES_PATH_MAX]; /* the same */
	/* Root: what is too large for memory, while it lives; "": none. */
	char state[PLACES_PATH_MAX];
	/* What holds it, and all other state. */
	char state_root[PLACES_PATH_MAX];
	char home[PLACES_PATH_MAX]; /* of the user; may be empty */
};

/*
 * program: the path of the program or library that runs; NULL: look it up.
 * ERR_DENIED when a directory that must be this user's alone is not.
 */
must_check int places_find(struct places *ret, const char *program,
    struct err *e);

/*
 * A directory of owner's, made if it is not there, with exactly this mode.
 * ERR_DENIED where something of somebody else's is in its place.
 */
must_check int places_dir(const char *path, uid_t owner, mode_t mode,
    struct err *e);

/*
 * A file of ours that one process has, as long as it lives or passes the
 * descriptor on: that, or -1, ERR_CONFLICT where another one has it.
 */
int places_lock(const char *path, struct err *e);

#endif /* !PLACES_H */
