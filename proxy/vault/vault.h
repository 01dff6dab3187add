/*
 * vault.h: what the parts of warder-vault share.
 *
 *	main.c    which face: a verb for a person, or a service for a run
 *	verb.c    "warder credential set | list | rotate | remove"
 *	serve.c   answers one proxy, for one run
 *	outbox.c  what a slow reader has not taken yet
 *	store.c   the files; box.c their encryption; entry.c their content
 *	lock.c    what is given up before either
 *
 * It has a uid of its own when started as root, and reads no byte of a jail.
 */
#ifndef VAULT_H
#define VAULT_H

#include "err.h"
#include "msg_vault.h"
#include "secret.h"

/* Numbers of the descriptors that a launcher gives to --serve. */
enum vault_fd {
	VAULT_FD_LAUNCHER = 3,
	VAULT_FD_PROXY,
	VAULT_FD_DIR, /* the vault's directory */
	VAULT_FD_KEY,
};

struct vault {
	int dir; /* its directory */
	struct secret *key;
};

/* A verb: argv[0] is its name.  Returns the exit status. */
int verb_run(struct vault *v, int argc, char **argv);

/* Whether a verb may make the key, if there is none. */
int verb_makes_key(const char *name);

/* Usage of the verbs; returns status. */
int verb_help(int status);

/* Serve VAULT_FD_LAUNCHER and VAULT_FD_PROXY until one of them ends. */
must_check int serve_run(struct vault *v, struct err *e);

enum lock_face {
	LOCK_VERB,
	LOCK_SERVE
};

/*
 * Give up what the face does not need: calls, and all files but those of the
 * vault's directory.  A kernel without Landlock is named on stderr.
 */
must_check int lock_down(enum lock_face face, int dir, struct err *e);

#endif /* !VAULT_H */
