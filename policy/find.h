/*
 * find.h: where a policy's other files are looked for.
 *
 *	./x ../x        beside the asking file
 *	builtin/x       in the programs themselves
 *	x, org/x        policies/ (extends) or services/ (use) of
 *	                /etc/warder, the user's folder, share/warder
 *	the ceiling     /etc/warder/ceiling.yaml
 *	a manager       what its own configuration comes to (manager.h)
 *
 * A file decides what a jail is given, so none is taken that somebody else
 * could have written or put there: it belongs to root, to the caller, or to
 * the owner of the directory that it lies in, and nobody but its owner (and
 * the group of the same number) can write to it.
 *
 * ".yaml" is added where it is missing.  Nothing of the environment counts.
 * Runs in the launcher, with its rights, for references out of files that
 * nobody vouches for; libc only, no allocation.
 */
#ifndef FIND_H
#define FIND_H

#include "err.h"
#include "msg_config.h"
#include "sha256.h"

struct find_dirs {
	char etc[CONFIG_PATH_MAX]; /* /etc/warder */
	char user[CONFIG_PATH_MAX]; /* ~/.config/warder; empty: none */
	char share[CONFIG_PATH_MAX]; /* PREFIX/share/warder; empty: none */
	/* For the configuration of package managers. */
	char system[CONFIG_PATH_MAX]; /* "/etc" */
	char usr[CONFIG_PATH_MAX]; /* "/usr" */
	char home[CONFIG_PATH_MAX]; /* empty: none */
	/* "builtin/…" in place of etc's ceiling.yaml; empty: that one. */
	char ceiling[CONFIG_PATH_MAX];
};

/* The usual places: home may be empty, share comes from /proc/self/exe. */
void find_dirs_init(struct find_dirs *d, const char *home);

/*
 * Find and open a file.  Returns 1 with ret_path and either *ret_fd (CLOEXEC,
 * a regular file of at most CONFIG_FILE_MAX bytes, the caller's) or, for
 * "builtin/…", *ret_fd -1; 0 if there is none, with *e saying where it was
 * looked for; -1 if there is one that cannot be used.
 */
must_check int find_open(const struct find_dirs *d, uint32_t what,
    const char *reference, const char *dir, char ret_path[CONFIG_PATH_MAX],
    int *ret_fd, struct err *e);

/*
 * The whole of what find_open found, in buf (CONFIG_FILE_MAX bytes); takes
 * fd.  ERR_LIMIT if it has grown beyond that.
 */
must_check int find_read(const char *path, int fd, char *buf, size_t *ret_size,
    struct err *e);

/* Open any file as find_open opens them: for the policy itself. */
must_check int find_open_file(const char *path, int *ret_fd, struct err *e);

#endif /* !FIND_H */
