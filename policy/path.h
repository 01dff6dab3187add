/*
 * path.h: judging paths as text.
 *
 * Nothing here looks at a file system: the launcher repeats every judgement
 * by descriptor.  It is the early answer with a line number, and plan_check's
 * second opinion.  Any process; libc only, no allocation.
 */
#ifndef PATH_H
#define PATH_H

#include "err.h"

enum {
	PATH_SIZE = 4096
}; /* with the NUL, as the kernel's PATH_MAX */

/*
 * NULL if the path is absolute and canonical (no empty, "." or ".."
 * component, no slash at the end, no control byte, shorter than PATH_SIZE);
 * otherwise what is wrong with it, as the end of a sentence.
 */
const char *path_defect(const char *path);

/*
 * Make an absolute, canonical path out of what a file says: a leading "~"
 * is home, a relative path begins at dir, "." and ".." are collapsed as
 * text.  ERR_INVALID if that is too long, or home is wanted and empty.
 */
must_check int path_resolve(const char *text, const char *dir, const char *home,
    char ret[PATH_SIZE], struct err *e);

/* Why nothing may be mounted at this path in a jail; NULL if it may. */
const char *path_jail_refused(const char *path);

/*
 * Why this host path never enters a jail, not even for reading; NULL if it
 * may.  home may be empty.  The text is valid until the next call.
 */
const char *path_host_refused(const char *path, const char *home);

/* Why this host path is never given for writing; NULL if it may be. */
const char *path_write_refused(const char *path, const char *home);

#endif /* !PATH_H */
