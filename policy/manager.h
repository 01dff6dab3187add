/*
 * manager.h: which hosts a package manager uses on this host.
 *
 * A service template says "to: {manager: pip}" and names no host.  The hosts
 * come from the files that pip itself would read here, so that a mirror on
 * the premises just works; where no file names an index, from the manager's
 * own documented default, which stands in one table of manager.c.  Nothing of
 * the environment counts, only files.
 *
 * Runs in the launcher, with its rights, over files that nobody vouches for:
 * opened as policies are (regular, not for others to write to, root's or the
 * caller's), at most MANAGER_FILE_MAX bytes and MANAGER_FILES_MAX of them.
 * What cannot be read is an error, never a default.  libc only, no allocation.
 */
#ifndef MANAGER_H
#define MANAGER_H

#include "text.h"

enum {
	MANAGER_FILE_MAX = 64 * 1024, /* bytes of one configuration file */
	MANAGER_FILES_MAX = 64, /* files in one directory */
	MANAGER_URLS_MAX = 64, /* indexes of one manager */
	MANAGER_URL_MAX = 1024,
	MANAGER_TEXT_MAX = 128 * 1024, /* of the answer */
};

/* Where the files are looked for. */
struct manager_dirs {
	const char *system; /* "/etc"; empty: none */
	const char *home; /* absolute; empty: none */
};

/* 1 if there is a manager of that name. */
int manager_is(const char *name);

/*
 * Write what the manager's configuration comes to, a line each:
 *
 *	tls HOST:PORT TAB ORIGIN	an index with https
 *	plain HOST:PORT TAB ORIGIN	… with http
 *	env NAME=VALUE TAB ORIGIN	what the manager is told in the jail, so
 *					that it asks there
 *
 * ORIGIN is "FILE:LINE" or "(pip's default)".  ERR_INVALID with the file and
 * line that cannot be understood, ERR_LIMIT where a bound is reached.
 */
must_check int manager_read(const char *name, const struct manager_dirs *dirs,
    struct text *ret, struct err *e);

#endif /* !MANAGER_H */
