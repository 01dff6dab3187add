/*
 * ask.h: ask an agent something that is no run: what its graph looks like,
 * what a state becomes by an update.
 *
 * Run by warder-control; each question has a short-lived jail of its own.
 */
#ifndef AGENT_ASK_H
#define AGENT_ASK_H

#include <jansson.h>

#include "blobs.h"
#include "jails.h"

struct ask;

enum {
	ASK_MS = 30 * 1000, /* until there is no answer */
};

/* Once: the result (borrowed), or NULL and why there is none. */
typedef void ask_fn(void *arg, const json_t *result, const struct err *e);

/*
 * c: any command but RUN_START; params borrowed.  b: what the agent may get
 * and put in chunks meanwhile, borrowed until fn has come (NULL: nothing).  fn
 * never comes from inside.
 */
must_check int ask_start(const struct jails_host *h, const char *tenant,
    const char *digest, enum agent_command c, const json_t *params,
    struct blobs *b, ask_fn *fn, void *arg, struct ask **ret, struct err *e);

/* Nobody wants to know any more; fn does not come. */
void ask_cancel(struct ask *a);

#endif /* !AGENT_ASK_H */
