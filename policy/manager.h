/*
 * manager.h: which hosts a package manager uses on this host.
 *
 * A service template says "to: {manager: pip}" and names no host, and neither
 * does this module.  The hosts come from the files that pip itself would read
 * here, so that a mirror on the premises just works; where none of them names
 * an index, from the files that came with pip and that its own default stands
 * in (docs/adr/0017).  Nothing of the environment counts, and no program of
 * the host is run.
 *
 * Runs in the launcher, with its rights, over files that nobody vouches for:
 * opened as policies are (regular, not for others to write to, root's or the
 * caller's), at most MANAGER_FILE_MAX bytes and MANAGER_FILES_MAX of them.
 * What cannot be read is an error, and so is a manager without an index.  libc only, no allocation.
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
	const char *usr; /* "/usr"; empty: none */
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
 *	file PATH TAB FILE		the jail sees FILE at PATH, to the same
 *					end; only where nothing in it is private
 *
 * ORIGIN is "FILE:LINE", or "(FILE:LINE)" for what no configuration of this
 * host says: it came with the manager or from an index.  ERR_INVALID with the
 * file and line that cannot be understood, or with what to write where if no
 * file names an index; ERR_LIMIT where a bound is reached.
 */
must_check int manager_read(const char *name, const struct manager_dirs *dirs,
    struct text *ret, struct err *e);

#endif /* !MANAGER_H */
