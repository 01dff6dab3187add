/*
 * verb.h: what the verbs of "warder audit" share.
 *
 *	main.c     which face: a verb for a person, or one signature
 *	verb.c     options, times, the place
 *	verify.c   whole, or what is missing
 *	export.c   copies to a place off the host
 *	prune.c    signs what was left, removes what is old
 *	list.c     the heads of a directory, sorted and looked up
 *	heads.c    their file      scan.c  a segment       lines.c  its lines
 *	seal.c     the key         tar.c   an archive      lock.c   confinement
 *
 * As whoever calls it: it has no uid of its own but for --sign.
 */
#ifndef VERB_H
#define VERB_H

#include "heads.h"
#include "list.h"
#include "lockdown.h"
#include "opt.h"

enum {
	VERB_OPERANDS_MAX = 1024, /* files of one verify */
};

/* The directory of this user. */
struct place {
	char path[4096];
	int dir; /* -1: there is none */
	struct seal *key; /* NULL: there is none */
};

/* All of them: argv[0] is the verb; the exit status is returned. */
int verify_main(struct place *p, int argc, char **argv);
int export_main(struct place *p, int argc, char **argv);
int prune_main(struct place *p, int argc, char **argv);
int prune_sign(struct place *p, int argc, char **argv);

/* Parse; 1: --help was asked for and answered, -1 with the error said. */
must_check int verb_options(const struct opt_verb *v, void *ctx, int argc,
    char **argv, int *ret_rest);

/* Say the error; its exit status. */
int verb_fail(const struct err *e);

/*
 * "2026-01-31", "2026-01-31T12:00:00Z" or an age like "30d" as a line's time
 * begins.
 */
must_check int verb_time(const char *s, char ret[HEADS_TIME_SIZE],
    struct err *e);

/* Open the directory and the key; ERR_NOT_FOUND if there is none. */
must_check int verb_need_place(struct place *p, struct err *e);

/* Give up all but these trees; said on stderr where the kernel cannot. */
must_check int lock_verb(const struct lockdown_tree *trees, size_t n,
    struct err *e);
must_check int lock_sign(struct err *e);

/* Sign one segment, whose writer has ended; the descriptors are msg_audit.h's. */
int sign_one(const char *name, const char *head);

#endif /* !VERB_H */
