/*
 * cli.h: what the verbs of the warder command share.
 */
#ifndef CLI_H
#define CLI_H

#include "err.h"

enum {
	CLI_PATH_MAX = 4096
};

/* Where things are for this user; see docs/man/warder.1, FILES. */
struct cli_paths {
	char libexec[CLI_PATH_MAX]; /* beside bin/, never by environment */
	char share[CLI_PATH_MAX];
	char config[CLI_PATH_MAX]; /* /etc/warder or ~/.config/warder */
	char runtime[CLI_PATH_MAX]; /* made if it is not there, 0700 */
	char jails[CLI_PATH_MAX]; /* sockets of the live ones; the same */
	char cache[CLI_PATH_MAX]; /* the same */
	char home[CLI_PATH_MAX]; /* of the user; may be empty */
};

must_check int cli_paths(struct cli_paths *ret, struct err *e);

/*
 * Print "warder: message" on stderr, with what is hostile in it escaped, and
 * return the exit status that belongs to the error.
 */
int cli_fail(const struct err *e);

/* The verbs: argv[0] is the verb; the return value is the exit status. */
int cli_exec(int argc, char **argv);
int cli_enter(int argc, char **argv);
int cli_ps(int argc, char **argv);
int cli_kill(int argc, char **argv);
int cli_policy(int argc, char **argv);

#endif /* !CLI_H */
