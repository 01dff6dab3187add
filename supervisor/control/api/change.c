/*
 * change.c: a step's updates are joined, one after the other, then put.
 *
 *	BASE ──► OWNER (once) ──► BASE ──► JOINING ⇄ the agent ──► BASE ──► PUT
 *	  ^                                                 its id has changed │
 *	  └────────────────────────────── the next step ◄───────────────────────┘
 *
 * An agent takes its time, and others change the thread meanwhile: the state
 * that was joined is looked at again before the new one is put behind it.
 *
 * An agent that keeps its state by itself is asked once for all updates of a
 * step, and says what is to be put.
 */
#include "change.h"

#include <errno.h>
#include <string.h>

#include "api.h"
#include "lookup.h"
#include "supervisor/control/agent/ask.h"
#include "supervisor/control/agent/attempt.h"
#include "supervisor/control/agent/own.h"
#include "supervisor/control/runs/engine.h"
#include "supervisor/control/storage/uuid.h"

enum {
	CHANGE_TRIES_MAX = 3, /* while others change the same thread */
	CHANGE_NODE_BYTES = 256,
};

struct change {
	struct request *request;
	struct change_options o;
	size_t step, update; /* that is next */
	unsigned tries;
	json_t *values; /* as joined so far; NULL: nothing is */
	int joined; /* all of the step is */
	int own; /* the agent's: it makes the checkpoint, not its values */
	int asked; /* an agent was, for this step */
	json_t *answer; /* that checkpoint; NULL: none */
	struct blobs *blobs; /* its bytes */
	int owned; /* it is known whose the state is */
	char base_id[UUID_SIZE]; /* of the state that it was joined to */
	char graph[API_ARG_BYTES];
	char digest[SHA256_HEX_SIZE]; /* of the agent; "": nobody's */
	char made_id[UUID_SIZE]; /* "": none yet */
};

/* ---- what is asked for ------------------------------------------------------ */

static int
check_objects(const json_t *values, struct err *e)
{
	size_t i;

	if (values == NULL || json_is_null(values) || json_is_object(values))
		return 0;
	if (!json_is_array(values))
		return err_set(e, ERR_INVALID,
		    "\"values\" must be an object, a list of them or null");
	for (i = 0; i < json_array_size(values); i++)
		if (!json_is_object(json_array_get(values, i)))
			return err_set(e, ERR_INVALID,
			    "\"values\" must hold objects");
	return 0;
}

/* {"update": {...}} or {"update": [[name, value]...]}. */
static int
check_command(const json_t *command, struct err *e)
{
	const json_t *update = json_object_get(command, "update"), *pair;
	size_t i;

	if (command == NULL || json_is_null(command))
		return 0;
	if (json_object_get(command, "resume") != NULL ||
	    json_object_get(command, "goto") != NULL)
		return err_set(e, ERR_INVALID,
		    "a state takes a command's \"update\", not \"resume\" or "
		    "\"goto\": a run does");
	if (update == NULL || json_is_object(update))
		return 0;
	for (i = 0; i < json_array_size(update); i++) {
		pair = json_array_get(update, i);
		if (json_array_size(pair) != 2 ||
		    !json_is_string(json_array_get(pair, 0)))
			return err_set(e, ERR_INVALID,
			    "\"update\" must hold pairs of a name and a value");
	}
	return json_is_array(update)
		   ? 0
		   : err_set(e, ERR_INVALID,
			 "\"update\" must be an object or a list of pairs");
}

static int
check_update(const json_t *update, struct err *e)
{
	const json_t *node = json_object_get(update, "as_node");

	if (!json_is_object(update))
		return err_set(e, ERR_INVALID, "an update must be an object");
	if (node != NULL && !json_is_null(node) &&
	    (!json_is_string(node) ||
		json_string_length(node) > CHANGE_NODE_BYTES))
		return err_set(e, ERR_INVALID,
		    "\"as_node\" must be a text of at most %d bytes",
		    CHANGE_NODE_BYTES);
	return check_objects(json_object_get(update, "values"), e) == -1
		   ? -1
		   : check_command(json_object_get(update, "command"), e);
}

static int
check_step(const json_t *step, struct err *e)
{
	const json_t *updates = json_object_get(step, "updates");
	size_t i, n = json_array_size(updates);

	if (!json_is_array(updates) || n == 0 || n > API_UPDATES_MAX)
		return err_set(e, ERR_INVALID,
		    "\"updates\" must be a list of 1 to %d", API_UPDATES_MAX);
	for (i = 0; i < n; i++)
		if (check_update(json_array_get(updates, i), e) == -1)
			return -1;
	return 0;
}

int
change_check(const json_t *steps, struct err *e)
{
	size_t i, n = json_array_size(steps);

	if (n > API_SUPERSTEPS_MAX)
		return err_set(e, ERR_INVALID, "more than %d supersteps",
		    API_SUPERSTEPS_MAX);
	for (i = 0; i < n; i++)
		if (check_step(json_array_get(steps, i), e) == -1)
			return n == 1 ? -1 : err_wrap(e, "superstep %zu", i);
	return 0;
}

static const json_t *
step_updates(const struct change *c)
{
	return json_object_get(json_array_get(c->o.steps, c->step), "updates");
}

/* What an update changes, an object, a list of objects or of pairs; NULL:
 * nothing. */
static json_t *
update_values(const json_t *update)
{
	json_t *v =
	    json_object_get(json_object_get(update, "command"), "update");

	if (v == NULL)
		v = json_object_get(update, "values");
	return v == NULL || json_is_null(v) ? NULL : v;
}

static const char *
update_node(const json_t *update)
{
	return json_string_value(json_object_get(update, "as_node"));
}

/* Nothing changes: the state is only forked. */
static int
step_is_fork(const struct change *c)
{
	const json_t *updates = step_updates(c);
	size_t i;

	for (i = 0; i < json_array_size(updates); i++)
		if (update_values(json_array_get(updates, i)) != NULL)
			return 0;
	return 1;
}

/* ---- the end ------------------------------------------------------------------ */

static void
change_drop(void *state)
{
	struct change *c = state;

	json_decref(c->values);
	json_decref(c->answer);
	blobs_destroy(c->blobs);
	json_decref((json_t *)(uintptr_t)c->o.steps);
	free(c);
}

static void
change_fail(struct change *c, const struct err *e)
{
	c->o.done(c->request, NULL, e, c->o.arg);
}

/* ---- joining ------------------------------------------------------------------- */

static void ask_base(struct change *c);

/* By names: objects, and pairs, over what there is. */
static int
merge(json_t *into, const json_t *from)
{
	const json_t *v;
	size_t i;

	if (json_is_object(from))
		return json_object_update(into, (json_t *)(uintptr_t)from);
	for (i = 0; i < json_array_size(from); i++) {
		v = json_array_get(from, i);
		if (json_is_object(v)
			? json_object_update(into, (json_t *)(uintptr_t)v) == -1
			: json_object_set(into,
			      json_string_value(json_array_get(v, 0)),
			      json_array_get(v, 1)) == -1)
			return -1;
	}
	return 0;
}

static int join(struct change *c, struct err *e);

/* The agent says what is to be put, if the state is its own or is the first
 * one.  Returns whether it did. */
static int
take_answer(struct change *c, const json_t *result)
{
	json_t *answer = json_object_get(result, "checkpoint");

	if (!json_is_object(answer) || (!c->own && c->base_id[0] != '\0'))
		return 0;
	c->own = 1;
	c->answer = json_incref(answer);
	c->joined = 1;
	return 1;
}

static void
on_joined(void *arg, const json_t *result, const struct err *e)
{
	struct change *c = arg;
	json_t *values = json_object_get(result, "values");
	struct err why;
	int rc;

	if (take_answer(c, result)) {
		ask_base(c);
		return;
	}
	if (c->own || !json_is_object(values)) {
		(void)err_set(&why, ERR_INVALID,
		    "the agent does not take these values: %s",
		    e != NULL ? e->msg : "it answered none");
		change_fail(c, &why);
		return;
	}
	json_decref(c->values);
	c->values = json_incref(values);
	c->update++;
	rc = join(c, &why);
	if (rc == 0)
		ask_base(c);
	else if (rc == -1)
		change_fail(c, &why);
}

/* Pairs as objects: agents know no others. */
static json_t *
as_objects(json_t *values)
{
	json_t *list;
	size_t i;

	if (!json_is_array(json_array_get(values, 0)))
		return json_incref(values);
	list = json_array();
	for (i = 0; i < json_array_size(values); i++) {
		json_t *pair = json_array_get(values, i);

		(void)json_array_append_new(list,
		    json_pack("{s:O}",
			json_string_value(json_array_get(pair, 0)),
			json_array_get(pair, 1)));
	}
	return list;
}

/* All of the step's, as an agent that keeps its own state is asked. */
static json_t *
own_updates(const struct change *c)
{
	const json_t *updates = step_updates(c);
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < json_array_size(updates); i++) {
		const json_t *update = json_array_get(updates, i);
		json_t *values = update_values(update);

		(void)json_array_append_new(list,
		    json_pack("{s:o, s:s?}", "values",
			values != NULL ? as_objects(values) : json_null(),
			"as_node", update_node(update)));
	}
	return list;
}

static int
ask_own(struct change *c, json_t *params, const struct storage_checkpoint *base,
    struct err *e)
{
	const struct own_place place = { c->o.thread_id, c->o.ns, base };
	autojson *updates = own_updates(c);

	blobs_destroy(c->blobs);
	c->blobs = blobs_create(c->request->who.tenant);
	return c->blobs == NULL ? err_sys(e, ENOMEM, "a question")
				: own_ask(params, &place, updates, c->blobs, e);
}

static int
ask_params(struct change *c, const json_t *params, struct err *e)
{
	struct request *r = c->request;
	struct ask *ask;

	return ask_start(r->api->jails, r->who.tenant, c->digest,
	    AGENT_COMMAND_STATE_UPDATE, params, c->blobs, on_joined, c, &ask,
	    e);
}

/* The state is the agent's own: it is asked for the step's checkpoint. */
static int
join_own(struct change *c, const struct storage_checkpoint *base, struct err *e)
{
	autojson *params = json_object();

	if (c->digest[0] == '\0')
		return err_set(e, ERR_UNSUPPORTED,
		    "this state is in channels, which only its agent can "
		    "change, and that is not there");
	return ask_own(c, params, base, e) == -1 ? -1
						 : ask_params(c, params, e);
}

/* Of the first state nobody knows yet whether the agent keeps it by itself. */
static int
ask_agent(struct change *c, const json_t *update, struct err *e)
{
	autojson *params = json_pack("{s:O, s:o, s:s?}", "state", c->values,
	    "values", as_objects(update_values(update)), "as_node",
	    update_node(update));

	if (params == NULL)
		return err_sys(e, ENOMEM, "a question");
	if (c->base_id[0] == '\0' && !c->asked &&
	    ask_own(c, params, NULL, e) == -1)
		return -1;
	c->asked = 1;
	return ask_params(c, params, e);
}

/* The updates that are left.  1: an agent is asked, and it goes on from
 * there; 0: that was all. */
static int
join(struct change *c, struct err *e)
{
	const json_t *updates = step_updates(c), *update;

	for (; c->update < json_array_size(updates); c->update++) {
		update = json_array_get(updates, c->update);
		if (update_values(update) == NULL)
			continue;
		if (c->digest[0] != '\0')
			return ask_agent(c, update, e) == -1 ? -1 : 1;
		if (merge(c->values, update_values(update)) == -1)
			return err_sys(e, ENOMEM, "values");
	}
	c->joined = 1;
	return 0;
}

/* In channels, not in values. */
static int
is_own(const struct storage_checkpoint *base)
{
	return base != NULL && base->versions != NULL &&
	       strcmp(base->versions, "{}") != 0;
}

static int
join_begin(struct change *c, const struct storage_checkpoint *base,
    struct err *e)
{
	const char *old = base != NULL ? base->values : NULL;

	if (c->tries++ == CHANGE_TRIES_MAX)
		return err_set(e, ERR_CONFLICT,
		    "the thread's state changes all the time");
	c->own = is_own(base);
	c->asked = 0;
	json_decref(take_ptr(&c->answer));
	json_decref(c->values);
	c->values = NULL;
	(void)snprintf(c->base_id, sizeof(c->base_id), "%s",
	    base != NULL ? base->checkpoint_id : "");
	c->update = 0;
	if (c->own)
		return 0;
	if (old == NULL)
		c->values = json_object();
	else if (json_parse(old, strlen(old), NULL, &c->values, e) == -1)
		return -1;
	if (!json_is_object(c->values))
		return err_set(e, ERR_CONFLICT, "the state is no object");
	return 0;
}

/* ---- whose it is ---------------------------------------------------------------- */

static void
on_owner(void *arg, const struct storage_agent *a, const struct err *e)
{
	struct change *c = arg;

	if (a == NULL && e->code != ERR_NOT_FOUND) {
		change_fail(c, e);
		return;
	}
	c->owned = 1;
	if (a != NULL && lookup_is_native(a))
		(void)snprintf(c->digest, sizeof(c->digest), "%s", a->digest);
	ask_base(c);
}

/* NULL: there is none. */
static json_t *
base_metadata(const struct storage_checkpoint *base)
{
	json_t *old;

	if (base == NULL || base->metadata == NULL ||
	    json_parse(base->metadata, strlen(base->metadata), NULL, &old,
		NULL) == -1)
		return NULL;
	return old;
}

/* 1: the storage is asked; 0: it is nobody's. */
static int
ask_owner(struct change *c, const struct storage_checkpoint *base,
    struct err *e)
{
	struct request *r = c->request;
	autojson *metadata = base_metadata(base);
	const char *graph =
	    json_string_value(json_object_get(metadata, "graph_id"));

	if (graph == NULL)
		graph = c->o.graph;
	(void)snprintf(c->graph, sizeof(c->graph), "%s",
	    graph != NULL ? graph : "");
	if (graph == NULL || r->api->jails == NULL) {
		c->owned = 1;
		return 0;
	}
	return storage_agent_get(r->api->storage,
		   &(struct storage_agent_get_request){ .tenant = r->who.tenant,
		       .name = c->graph },
		   on_owner, c, e) == -1
		   ? -1
		   : 1;
}

/* ---- putting -------------------------------------------------------------------- */

static void
on_put(void *arg, const struct storage_appended *done, const struct err *e)
{
	struct change *c = arg;
	struct request *r = c->request;
	struct err why;

	if (done == NULL && e->code == ERR_CONFLICT) {
		(void)err_set(&why, ERR_CONFLICT, "Thread is busy");
		change_fail(c, &why);
		return;
	}
	if (done == NULL) {
		change_fail(c, e);
		return;
	}
	engine_thread_changed(r->api->engine, r->who.tenant, c->o.thread_id);
	if (++c->step == json_array_size(c->o.steps)) {
		c->o.done(r,
		    &(struct change_made){ c->o.thread_id, c->o.ns,
			c->made_id },
		    NULL, c->o.arg);
		return;
	}
	c->o.checkpoint_id = c->made_id;
	c->joined = 0;
	c->tries = 0;
	ask_base(c);
}

/* The first one of a thread is -1. */
static int64_t
step_after(const struct storage_checkpoint *base)
{
	autojson *old = base_metadata(base);

	if (old == NULL)
		return -1;
	return json_integer_value(json_object_get(old, "step")) + 1;
}

/* {"source": "update", "step": n, "parents": {}}. */
static json_t *
step_metadata(const struct change *c, const struct storage_checkpoint *base)
{
	return json_pack("{s:s,s:I,s:{}}", "source",
	    step_is_fork(c) ? "fork" : "update", "step",
	    (json_int_t)step_after(base), "parents");
}

/*
 * m (taken), and what the attempt that made the state wrote down for the next
 * one, which stays true of it: see "warder" in docs/protocol-agent.md.
 */
static json_t *
new_metadata(const struct change *c, const struct storage_checkpoint *base,
    json_t *m)
{
	static const char *const kept[] = { "warder", "graph_id",
		"assistant_id" };
	const json_t *updates = step_updates(c);
	autojson *old = base_metadata(base);
	json_t *v;
	size_t i;

	if (m != NULL && c->graph[0] != '\0')
		(void)json_object_set_new(m, "graph_id", json_string(c->graph));
	for (i = 0; m != NULL && i < json_array_size(updates); i++)
		if ((v = json_object_get(json_array_get(updates, i),
			 "as_node")) != NULL &&
		    json_is_string(v))
			(void)json_object_set(m, "as_node", v);
	for (i = 0; m != NULL && i < countof(kept); i++)
		if ((v = json_object_get(old, kept[i])) != NULL)
			(void)json_object_set(m, kept[i], v);
	return m;
}

static int
put_state(struct change *c, const struct storage_checkpoint *base,
    struct err *e)
{
	static const struct storage_checkpoint none = { 0 };
	const struct storage_checkpoint *b = base != NULL ? base : &none;
	struct request *r = c->request;
	autojson *about = new_metadata(c, base, step_metadata(c, base));
	autofree char *values = NULL, *metadata = NULL;
	char id[UUID_SIZE];
	struct err why;

	if (about == NULL)
		return err_sys(e, ENOMEM, "metadata");
	if (json_text(c->values, &values, NULL, e) == -1 ||
	    json_text(about, &metadata, NULL, e) == -1)
		return -1;
	/* asking again does not help */
	if (json_within(values, &attempt_values_limits, &why) == -1)
		return err_set(e, ERR_INVALID, "the thread's values: %s",
		    why.msg);
	uuid_v6(step_after(base), id);
	const struct storage_checkpoint_put_request q = {
		.tenant = r->who.tenant,
		.thread_id = c->o.thread_id,
		.ns = c->o.ns,
		.checkpoint_id = id,
		.parent_id = b->checkpoint_id,
		.metadata = metadata,
		.type = b->type,
		.data = b->data,
		.versions = "{}",
		.values = values,
		.next = b->next,
		.tasks = b->tasks,
		.interrupts = b->interrupts,
	};

	(void)snprintf(c->made_id, sizeof(c->made_id), "%s", id);
	return storage_checkpoint_put(r->api->storage, &q, on_put, c, e);
}

/* The same of what the agent says is to be put. */
static int
put_own(struct change *c, const struct storage_checkpoint *base, struct err *e)
{
	const struct own_place place = { c->o.thread_id, c->o.ns, base };
	struct storage_checkpoint_put_request q = { 0 };
	autograph t = { 0 };
	autojson *about = NULL;
	autofree char *metadata = NULL;

	if (own_read(c->answer, &place, c->blobs, &t, &q, e) == -1)
		return -1;
	about = new_metadata(c, base, own_metadata(&t));
	if (about == NULL)
		return err_sys(e, ENOMEM, "metadata");
	if (json_text(about, &metadata, NULL, e) == -1)
		return -1;
	q.tenant = c->request->who.tenant;
	q.metadata = metadata;
	(void)snprintf(c->made_id, sizeof(c->made_id), "%s", q.checkpoint_id);
	return storage_checkpoint_put(c->request->api->storage, &q, on_put, c,
	    e);
}

/* ---- what is changed ------------------------------------------------------------ */

static int
is_same(const struct change *c, const struct storage_checkpoint *base)
{
	return strcmp(c->base_id, base != NULL ? base->checkpoint_id : "") == 0;
}

/* 1, 0: something was asked, and it goes on from there. */
static int
go_on(struct change *c, const struct storage_checkpoint *base, struct err *e)
{
	int rc = 0;

	if (c->joined && is_same(c, base))
		return c->own ? put_own(c, base, e) : put_state(c, base, e);
	c->joined = 0;
	if (!c->owned && (!step_is_fork(c) || is_own(base)))
		rc = ask_owner(c, base, e);
	if (rc != 0)
		return rc;
	if (join_begin(c, base, e) == -1)
		return -1;
	if (c->own)
		return join_own(c, base, e);
	rc = join(c, e);
	return rc == 0 ? put_state(c, base, e) : rc;
}

static void
on_base(void *arg, const struct storage_checkpoint *base, const struct err *e)
{
	struct change *c = arg;
	struct err why = { 0 };

	if (base == NULL &&
	    (e->code != ERR_NOT_FOUND || c->o.checkpoint_id != NULL))
		change_fail(c, e);
	else if (go_on(c, base, &why) == -1)
		change_fail(c, &why);
}

/* The state that is changed: the newest, or the one that was named. */
static void
ask_base(struct change *c)
{
	struct request *r = c->request;
	const struct storage_checkpoint_get_request q = {
		.tenant = r->who.tenant,
		.thread_id = c->o.thread_id,
		.ns = c->o.ns,
		.checkpoint_id = c->o.checkpoint_id,
		.full = 1,
	};
	struct err e = { 0 };

	if (storage_checkpoint_get(r->api->storage, &q, on_base, c, &e) == -1)
		change_fail(c, &e);
}

void
change_start(struct request *r, const struct change_options *o)
{
	struct change *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		request_fail(r, 503, ERR_SYSTEM, "no memory");
		return;
	}
	c->request = r;
	c->o = *o;
	c->o.steps = json_incref((json_t *)(uintptr_t)o->steps);
	r->state = c;
	r->drop = change_drop;
	ask_base(c);
}
