/*
 * nested.h: a thread's state with the states of the graphs inside it.
 */
#ifndef API_NESTED_H
#define API_NESTED_H

#include "request.h"

struct storage_checkpoint;

/*
 * Answer with the state at c (borrowed until the return): a task that names
 * the namespace of its own graph's checkpoints has the newest of them, or the
 * one that it names, as its "state".  Takes the request's state.
 */
void nested_answer(struct request *r, const char *thread_id,
    const struct storage_checkpoint *c);

#endif /* !API_NESTED_H */
