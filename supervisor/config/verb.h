/*
 * verb.h: what the verbs of "warder policy" share.
 *
 * Each verb is one function of a row in policy.c.  They run with the caller's
 * rights and read the caller's files, as warder-config.
 */
#ifndef VERB_H
#define VERB_H

#include <limits.h>

#include "policy/compile.h"
#include "policy/find.h"
#include "policy/question.h"

/* Exit statuses; docs/policy.md, "Commands". */
enum {
	VERB_GOOD = 0,
	VERB_FINDINGS = 1, /* check, test */
	VERB_BAD = 2, /* bad input or usage */
	VERB_DENY = 3, /* why */
	VERB_ASK = 4, /* why */
	VERB_WIDENED = 5, /* diff */
	VERB_NARROWED = 6, /* diff */
};

enum {
	VERB_RESOLVED = 1 << 0,
	VERB_JSON = 1 << 1,
	VERB_KEYS = 1 << 2,
	VERB_WITH = 1 << 3, /* these have a value */
	VERB_LIVE = 1 << 4,
};

enum {
	VERB_WORDS_MAX = 2
};

struct verb_call {
	const char *word[VERB_WORDS_MAX]; /* NULL: not given */
	const char *with; /* --with FILE */
	const char *live; /* --live: warder(1) has put a descriptor there */
	unsigned options;
};

/* A policy with all that was read for it and all that it became. */
struct verb_policy {
	struct find_dirs dirs;
	char name[PATH_MAX];
	char dir[PATH_MAX];
	char home[PATH_MAX];
	char text[CONFIG_FILE_MAX];
	struct resolve_request rq;
	struct resolve resolved;
	struct plan plan;
	struct seccomp_program program;
	union plan_net_room net; /* plan_net_init's if there is none */
};

/*
 * Load, resolve and compile a file, or the built-in policy of that name; the
 * errors are on stderr if it fails.
 */
must_check int verb_load(struct verb_policy *p, const char *file);

/*
 * What a live jail's launcher says is in force (struct msg_jail_plan), in the
 * memfd of that number.
 */
must_check int verb_load_live(struct verb_policy *p, const char *number);

/* What questions are asked of. */
struct question_plan verb_questions(const struct verb_policy *p);

int why_run(const struct verb_call *c);
int test_run(const struct verb_call *c);
int diff_run(const struct verb_call *c);
int init_run(const struct verb_call *c);

#endif /* !VERB_H */
