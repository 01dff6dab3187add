/*
 * shape.h: records of the storage as clients know them.
 *
 * Members and their order are those of the Agent Server API.  "select" is an
 * array of member names, as a client sent it: NULL for all.
 */
#ifndef API_SHAPE_H
#define API_SHAPE_H

#include "json.h"
#include "supervisor/control/storage/storage.h"
#include "writer.h"

void shape_assistant(struct writer *w, const struct storage_assistant *a,
    const json_t *select);

/* What a thread shows besides. */
struct shape_thread_more {
	const json_t *select;
	const json_t *extract; /* {alias: path}; NULL: none */
	int ttl; /* with its time to live */
};

void shape_thread(struct writer *w, const struct storage_thread *t,
    const struct shape_thread_more *more);

void shape_run(struct writer *w, const struct storage_run *r,
    const json_t *select);

/* What of a state is shown, and how. */
struct shape_state_more {
	const char *name; /* of the member that it is; NULL: the root */
	const json_t *select; /* "values", "values.NAME", "next", ... */
	/* writes the member "tasks"; NULL: as they are stored */
	void (*tasks)(struct writer *w, void *arg);
	void *arg;
};

/* A thread's state at a checkpoint; NULL: of a thread without one.  more may
 * be NULL. */
void shape_state(struct writer *w, const char *thread_id,
    const struct storage_checkpoint *c, const struct shape_state_more *more);

/* {"thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"} */
void shape_checkpoint(struct writer *w, const char *name, const char *thread_id,
    const char *ns, const char *checkpoint_id);

void shape_item(struct writer *w, const struct storage_item *i);

/* What is in JSON at a path like "messages[-1].content"; NULL: nothing.
 * Borrowed from root. */
const json_t *shape_at_path(const json_t *root, const char *path);

/* [{id, value}] out of {task id: [{id, value}]}, allocated; NULL: none. */
json_t *shape_interrupts(const char *interrupts);

#endif /* !API_SHAPE_H */
