/*
 * operator.h: what the operator's files say: warder.yaml and the ceiling.
 *
 * Both are parsed by warder-config, unprivileged; what it says is checked
 * before a field of it is read.  Blocks some milliseconds.
 */
#ifndef OPERATOR_H
#define OPERATOR_H

#include "agent.h"
#include "policy/find.h"
#include "settings.h"

enum {
	OPERATOR_PATH_MAX = 4096 + 64,
};

struct operator
{
	char file[OPERATOR_PATH_MAX]; /* warder.yaml */
	int named; /* 0: the usual one, if it is there */
	const char *config_path; /* of warder-config */
	const char *runtime; /* a user's socket lies there */
	struct find_dirs dirs; /* where policies are looked for */
	struct ceiling *ceiling; /* NULL: not read yet */
	int ceiling_fd; /* the same in a sealed memfd; -1 */
};

/*
 * Where --config has named no file (""), the usual one of config_dir; what
 * lies beside a named one takes the place of /etc/warder's, and config_dir
 * (PLACES_PATH_MAX bytes) is that directory then.
 */
must_check int operator_find_file(struct operator* o, char *config_dir,
    struct err *e);

/* Diagnostics of both are in text. */
must_check int operator_settings(const struct operator* o, struct settings *ret,
    char *text, size_t size, struct err *e);

/*
 * The ceiling as it is now, in place of what was read before.  Where nobody
 * has written one, the shipped one: an agent that arrives over the network
 * gets no directory of this host.  On failure the old one holds.
 */
must_check int operator_ceiling(struct operator* o, char *text, size_t size,
    struct err *e);

/*
 * Other settings, while those in force are used: limits change at once, the
 * rest later.  The log says by name what does not hold yet, and when it will.
 */
void operator_change(struct settings *in_force, const struct settings *fresh);

#endif /* !OPERATOR_H */
