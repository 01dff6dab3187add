/*
 * config.h: the two faces of warder-config.
 *
 * "--serve FD" compiles one policy for a launcher, locked down; "policy VERB"
 * answers people, with their own rights.  Both run the same code on the
 * policy; only where the files come from differs.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "policy/resolve.h"

/* Answer one CONFIG_COMPILE over the socket and return the exit status. */
int config_serve(int fd);

/* The verbs: argv[0] is the first word after "policy". */
int config_policy(int argc, char **argv);

/*
 * Give up what --serve does not need: no new privileges, little memory and
 * time, no file, and an allow list of system calls.
 */
must_check int config_lock(struct err *e);

#endif /* !CONFIG_H */
