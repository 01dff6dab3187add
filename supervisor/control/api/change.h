/*
 * change.h: new states of a thread, as a client describes them.
 *
 * Each superstep makes one checkpoint behind the one before.  Where the state
 * is an agent's, that agent's own reducers join what comes, in a jail of
 * their own; what nobody owns is put over the old values by its names.
 */
#ifndef API_CHANGE_H
#define API_CHANGE_H

#include <jansson.h>

#include "request.h"

/* Borrowed until the return. */
struct change_made {
	const char *thread_id, *ns, *checkpoint_id;
};

struct change_options {
	/* borrowed as long as the request lives, but for the steps */
	const char *thread_id;
	const char *ns; /* "": the root */
	const char *checkpoint_id; /* what is changed; NULL: the newest */
	const char *graph; /* whose the first state is; NULL: nobody's */
	const json_t *steps;
	/*
	 * Once, and it answers: with the last checkpoint, or with NULL and
	 * why; then the steps before are made.
	 */
	void (*done)(struct request *r, const struct change_made *made,
	    const struct err *e, void *arg);
	void *arg;
};

/*
 * Check [{"updates": [{"values", "command", "as_node"}...]}...]: ERR_INVALID
 * says what is wrong.  Values are an object, a list of them, or null; of a
 * command the update alone can be put into a state.
 */
must_check int change_check(const json_t *steps, struct err *e);

/* Make what was checked; takes the request's state, or answers 503. */
void change_start(struct request *r, const struct change_options *o);

#endif /* !API_CHANGE_H */
