/*
 * own.h: a person's update of a state that its agent keeps by itself.
 *
 * Run by warder-control.  The agent is asked with the checkpoint and the
 * updates of one step, and says which checkpoint it would put behind it:
 * docs/protocol-agent.md, "state.update".  It stores nothing; who asked does.
 */
#ifndef AGENT_OWN_H
#define AGENT_OWN_H

#include "graph.h"

/* What is changed: where, and behind which checkpoint (NULL: it is the first
 * of its thread). */
struct own_place {
	const char *thread_id, *ns; /* "": the root */
	const struct storage_checkpoint *base;
};

/*
 * Add to the parameters of state.update what such an agent has to know;
 * updates is borrowed.  What is large lies in b until the agent has read it.
 */
must_check int own_ask(json_t *params, const struct own_place *p,
    json_t *updates, struct blobs *b, struct err *e);

/*
 * Read the checkpoint that it answered into *ret as graph_put_read() does;
 * tenant and metadata are the caller's.  ERR_INVALID where it is malformed,
 * has no channels, or would be put in place of its parent.
 */
must_check int own_read(const json_t *answer, const struct own_place *p,
    struct blobs *b, struct graph_put *t,
    struct storage_checkpoint_put_request *ret, struct err *e);

/*
 * Its metadata, a new reference: what the agent says, but not whose it is and
 * which run made it.  NULL: no memory.
 */
json_t *own_metadata(const struct graph_put *t);

#endif /* !AGENT_OWN_H */
