/*
 * asked.h: a call of the agent's that waits for storage or for the engine.
 *
 * Holds the attempt until it is answered or failed, which frees it.
 */
#ifndef AGENT_ASKED_H
#define AGENT_ASKED_H

#include "attempt_private.h"

struct asked {
	struct attempt *attempt;
	struct session_call *call;
	json_t *keep; /* what the answer needs besides */
	struct engine_waiter *waiter; /* of a join */
	TAILQ_ENTRY(asked) next; /* among the joins */
};

/* NULL without memory: asked_fail() takes that. */
struct asked *asked_new(struct attempt *a, struct session_call *call);

/* The answer (taken; NULL: no memory), or the error. */
void asked_answer(struct asked *q, json_t *result, const struct err *error);

/* What could not even be asked. */
void asked_fail(struct asked *q, struct session_call *call,
    const struct err *e);

/* For storage: {} when it is done; arg: the struct asked. */
void asked_none(void *arg, const struct storage_none *r,
    const struct err *error);

#endif /* !AGENT_ASKED_H */
