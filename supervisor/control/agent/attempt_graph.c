/*
 * Checkpoints of an agent that has a checkpointer of its own.
 *
 * Events are the agent's own, too: nothing is made of these checkpoints here
 * but rows.
 */
#include "asked.h"
#include "attempt_private.h"
#include "crash.h"
#include "graph.h"
#include "json.h"

/* It waits for the disk; the attempt's end waits for it. */
static void
graph_stored(void *arg, const struct storage_appended *r,
    const struct err *error)
{
	struct asked *q = arg;
	struct attempt *a = attempt_ref(q->attempt);

	(void)r;
	asked_answer(q, error != NULL ? NULL : json_incref(q->keep), error);
	attempt_put_done(a, error != NULL);
	attempt_unref(a);
}

typedef int graph_ask_fn(struct attempt *a, const json_t *params,
    struct graph_put *t, struct attempt_wait *w, struct err *e);

/* Read, then asked of the engine by "ask"; answered {checkpoint_id}. */
static int
graph_do(struct attempt *a, const json_t *params, struct session_call *call,
    graph_ask_fn *ask)
{
	autograph t = { 0 };
	struct asked *q = asked_new(a, call);
	struct attempt_wait *w;
	struct err e = { .code = ERR_SYSTEM, .msg = "no memory" };

	CRASH_POINT();
	w = q != NULL ? attempt_wait_create(a, 0, graph_stored, q) : NULL;
	if (w == NULL) {
		asked_fail(q, call, &e);
		return -1;
	}
	if (ask(a, params, &t, w, &e) == -1) {
		attempt_wait_destroy(w);
		asked_fail(q, call, &e);
		return -1;
	}
	q->keep = json_pack("{s:O}", "checkpoint_id",
	    json_object_get(params, "checkpoint_id"));
	a->puts++;
	return 0;
}

static int
graph_put_ask(struct attempt *a, const json_t *params, struct graph_put *t,
    struct attempt_wait *w, struct err *e)
{
	struct storage_checkpoint_put_request q = { 0 };
	autojson *metadata = NULL;
	autofree char *text = NULL;

	if (graph_put_read(params, a->blobs, t, &q, e) == -1)
		return -1;
	metadata = attempt_metadata(a,
	    &(struct attempt_put){ .metadata = t->metadata, .own = 1 });
	if (metadata == NULL || json_text(metadata, &text, NULL, e) == -1)
		return err_set(e, ERR_SYSTEM, "memory for a checkpoint");
	q.metadata = text;
	if (engine_checkpoint(a->engine, &q, attempt_waited, w, e) == -1)
		return -1;
	graph_drop(params, a->blobs);
	a->own_state = 1;
	if (q.ns != NULL && q.ns[0] != '\0')
		return 0;
	(void)snprintf(a->checkpoint_id, sizeof(a->checkpoint_id), "%s",
	    q.checkpoint_id);
	if (json_is_object(t->shown)) {
		json_decref(a->values);
		a->values = json_incref(t->shown);
	}
	return 0;
}

void
attempt_graph_put(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	(void)!graph_do(a, params, call, graph_put_ask);
}

static int
graph_write_ask(struct attempt *a, const json_t *params, struct graph_put *t,
    struct attempt_wait *w, struct err *e)
{
	struct storage_checkpoint_write_request q = { 0 };

	if (graph_writes_read(params, a->blobs, t, &q, e) == -1 ||
	    engine_writes(a->engine, &q, attempt_waited, w, e) == -1)
		return -1;
	graph_drop(params, a->blobs);
	a->own_state = 1;
	return 0;
}

void
attempt_graph_writes(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	(void)!graph_do(a, params, call, graph_write_ask);
}

/* {task id: [{id, value}]} of what the tasks ask. */
static json_t *
graph_asked(const json_t *tasks)
{
	json_t *by_task = json_object();
	size_t i;

	for (i = 0; i < json_array_size(tasks); i++) {
		const json_t *task = json_array_get(tasks, i);
		const char *id = json_string_value(json_object_get(task, "id"));
		json_t *asked = json_object_get(task, "interrupts");

		if (id != NULL && json_array_size(asked) > 0)
			(void)json_object_set(by_task, id, asked);
	}
	return by_task;
}

/* The checkpoint is there: it stands still, with what its tasks ask. */
void
attempt_graph_interrupt(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	json_t *by_task = graph_asked(json_object_get(params, "tasks"));

	if (by_task == NULL ||
	    graph_do(a, params, call, graph_write_ask) == -1) {
		json_decref(by_task);
		return;
	}
	json_decref(a->interrupts);
	a->interrupts = by_task;
}

/* ---- what is got ---------------------------------------------------------- */

json_t *
attempt_graph_json(struct attempt *a, const struct storage_checkpoint *c,
    struct err *e)
{
	json_t *j = attempt_checkpoint_json(c);

	/* values are the projection, which this agent does not need */
	(void)json_object_del(j, "values");
	if (j != NULL && graph_show_own(j, c, a->blobs, e) == 0)
		return j;
	json_decref(j);
	return NULL;
}

/* ---- blobs ---------------------------------------------------------------- */

static void
blob_call(struct attempt *a, const json_t *params, struct session_call *call,
    int (*fn)(struct blobs *, const json_t *, json_t **, struct err *))
{
	autojson *result = NULL;
	struct err e = { .code = ERR_SYSTEM, .msg = "no memory" };

	if (fn(a->blobs, params, &result, &e) == -1 || result == NULL)
		session_fail(call, &e);
	else
		session_answer(call, result);
}

void
attempt_blob_put(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	blob_call(a, params, call, graph_blob_put);
}

void
attempt_blob_get(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	blob_call(a, params, call, graph_blob_get);
}
