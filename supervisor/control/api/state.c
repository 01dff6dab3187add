/*
 * state.c: a thread's states: the newest, those before, and new ones that a
 * client makes.
 *
 * What is stored with a checkpoint answers all of it: no jail is started.
 */
#include <errno.h>
#include <string.h>

#include "api.h"
#include "page.h"
#include "routes.h"
#include "shape.h"
#include "supervisor/control/agent/ask.h"
#include "supervisor/control/agent/attempt.h"
#include "supervisor/control/storage/uuid.h"

/* ---- bodies --------------------------------------------------------------- */

struct state_body {
	const char *as_node, *checkpoint_id;
	const json_t *values, *checkpoint, *metadata, *before;
	int64_t limit;
	int subgraphs;
};

#define BODY(member, name, kind, need, min, max)                  \
	{                                                         \
		name, JSON_KIND_##kind, need,                     \
		    offsetof(struct state_body, member), min, max \
	}

static const struct json_member at_members[] = {
	BODY(checkpoint, "checkpoint", OBJECT, JSON_REQUIRED, 0, 0),
	BODY(subgraphs, "subgraphs", FLAG, JSON_NULLABLE, 0, 0),
};

static const struct json_member update_members[] = {
	BODY(values, "values", ANY, JSON_NULLABLE, 0, 0),
	BODY(as_node, "as_node", TEXT, JSON_NULLABLE, 0, 256),
	BODY(checkpoint, "checkpoint", OBJECT, JSON_NULLABLE, 0, 0),
	BODY(checkpoint_id, "checkpoint_id", TEXT, JSON_NULLABLE, 0, 256),
};

static const struct json_member patch_members[] = {
	BODY(metadata, "metadata", OBJECT, JSON_REQUIRED, 0, 0),
	BODY(checkpoint, "checkpoint", OBJECT, JSON_NULLABLE, 0, 0),
};

static const struct json_member history_members[] = {
	BODY(limit, "limit", WHOLE, JSON_NULLABLE, 1, 1000),
	BODY(before, "before", ANY, JSON_NULLABLE, 0, 0),
	BODY(metadata, "metadata", OBJECT, JSON_NULLABLE, 0, 0),
	BODY(checkpoint, "checkpoint", OBJECT, JSON_NULLABLE, 0, 0),
};

#define BODY_OF(name)                                                 \
	const struct route_body state_body_##name = { name##_members, \
		countof(name##_members) }

BODY_OF(at);
BODY_OF(update);
BODY_OF(patch);
BODY_OF(history);

static const char *
text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* What a body or a path means by a checkpoint. */
struct place {
	const char *ns, *id; /* "": the root; NULL: the newest */
	int64_t step; /* of the state that is put */
	struct state_body body;
	int listed; /* a history, not one state */

	/* an update, as the agent's own reducers join it */
	char base_id[UUID_SIZE]; /* of the state that it was joined to */
	char graph[API_ARG_BYTES]; /* whose state it is; "": nobody's */
	int asked; /* how often the agent was */
	json_t *joined; /* the state after it; NULL: not asked, or no need */
};

enum {
	STATE_ASKS_MAX = 3, /* while others change the same thread */
};

static void
place_drop(void *state)
{
	json_decref(((struct place *)state)->joined);
}

static struct place *
place_create(struct request *r)
{
	struct place *p = request_keep(r, sizeof(*p));

	if (p == NULL) {
		request_fail(r, 503, ERR_SYSTEM, "no memory");
		return NULL;
	}
	p->ns = "";
	p->body.limit = PAGE_LIMIT;
	r->state = p;
	r->drop = place_drop;
	return p;
}

static void
place_take(struct place *p, const json_t *checkpoint)
{
	const char *ns = text_of(checkpoint, "checkpoint_ns");
	const char *id = text_of(checkpoint, "checkpoint_id");

	if (ns != NULL)
		p->ns = ns;
	if (id != NULL)
		p->id = id;
}

/* ---- reading ---------------------------------------------------------------- */

static void
answer_state(struct request *r, const struct storage_checkpoint *c)
{
	autowriter w = { 0 };

	writer_init(&w, API_ANSWER_BYTES);
	shape_state(&w, r->args.text[0], c);
	request_written(r, 200, &w);
}

/* There is no checkpoint: either no thread, or it has no state yet. */
static void
on_thread(void *arg, const struct storage_thread *t, const struct err *e)
{
	struct request *r = arg;
	const struct place *p = r->state;

	if (t == NULL)
		request_refused(r, e, "Thread", r->args.text[0]);
	else if (p->listed)
		request_text(r, 200, "application/json", strdup("[]\n"), 3);
	else if (p->id != NULL)
		request_fail(r, 404, ERR_NOT_FOUND, "Checkpoint %s not found",
		    p->id);
	else
		answer_state(r, NULL);
}

static void
look_for_thread(struct request *r)
{
	const struct storage_thread_get_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.text[0],
	};
	struct err e = { 0 };

	if (storage_thread_get(r->api->storage, &q, on_thread, r, &e) == -1)
		request_error(r, &e);
}

static void
on_state(void *arg, const struct storage_checkpoint *c, const struct err *e)
{
	struct request *r = arg;

	if (c != NULL)
		answer_state(r, c);
	else if (e->code == ERR_NOT_FOUND)
		look_for_thread(r);
	else
		request_refused(r, e, "Thread", r->args.text[0]);
}

static void
ask_state(struct request *r, const struct place *p)
{
	const struct storage_checkpoint_get_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.text[0],
		.ns = p->ns,
		.checkpoint_id = p->id,
	};
	struct err e = { 0 };

	if (storage_checkpoint_get(r->api->storage, &q, on_state, r, &e) == -1)
		request_error(r, &e);
}

void
state_get(struct request *r)
{
	struct place *p = place_create(r);

	if (p == NULL)
		return;
	if (r->args.n > 1)
		p->id = r->args.text[1];
	ask_state(r, p);
}

void
state_at(struct request *r)
{
	struct place *p = place_create(r);

	if (p == NULL || request_read(r, &p->body) == -1)
		return;
	place_take(p, p->body.checkpoint);
	ask_state(r, p);
}

/* ---- history ---------------------------------------------------------------------- */

static void
on_history(void *arg, const struct storage_checkpoints *l, const struct err *e)
{
	struct request *r = arg;
	autowriter w = { 0 };
	size_t i;

	if (l == NULL) {
		request_refused(r, e, "Thread", r->args.text[0]);
		return;
	}
	if (l->rows.n == 0) {
		look_for_thread(r);
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	writer_begin(&w, NULL, '[');
	for (i = 0; i < l->rows.n; i++)
		shape_state(&w, r->args.text[0], &l->rows.v[i]);
	writer_end(&w, ']');
	request_written(r, 200, &w);
}

static void
ask_history(struct request *r, struct place *p, const char *before)
{
	struct err e = { 0 };
	const struct storage_checkpoint_list_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.text[0],
		.ns = p->ns,
		.before = before,
		.metadata = request_json_text(r, p->body.metadata, &e),
		.limit = p->body.limit,
	};

	p->listed = 1;
	if (e.code != ERR_OK || storage_checkpoint_list(r->api->storage, &q,
				    on_history, r, &e) == -1)
		request_error(r, &e);
}

void
state_history(struct request *r)
{
	struct place *p = place_create(r);
	struct err e = { 0 };

	if (p == NULL)
		return;
	if (query_whole(&r->query, "limit", 1, 1000, &p->body.limit, &e) == -1)
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
	else
		ask_history(r, p, query_get(&r->query, "before"));
}

/* An id, a checkpoint, or a configuration with one. */
static const char *
before_of(const json_t *before)
{
	const json_t *inner = json_object_get(before, "configurable");
	const char *id = json_string_value(before);

	if (id == NULL)
		id = text_of(before, "checkpoint_id");
	return id != NULL ? id : text_of(inner, "checkpoint_id");
}

void
state_history_search(struct request *r)
{
	struct place *p = place_create(r);

	if (p == NULL || request_read(r, &p->body) == -1)
		return;
	place_take(p, p->body.checkpoint);
	ask_history(r, p, before_of(p->body.before));
}

/* ---- changing ----------------------------------------------------------------------- */

static void
on_put(void *arg, const struct storage_appended *done, const struct err *e)
{
	struct request *r = arg;
	const struct place *p = r->state;
	autowriter w = { 0 };

	if (done == NULL && e->code == ERR_CONFLICT) {
		request_fail(r, 409, ERR_CONFLICT, "Thread is busy");
		return;
	}
	if (done == NULL) {
		request_refused(r, e, "Thread", r->args.text[0]);
		return;
	}
	writer_init(&w, 1024);
	writer_begin(&w, NULL, '{');
	shape_checkpoint(&w, "checkpoint", r->args.text[0], p->ns, p->id);
	writer_end(&w, '}');
	request_written(r, 200, &w);
}

/* One object of changes, or several, over what there is. */
static int
merge_values(json_t *into, const json_t *values, struct err *e)
{
	const json_t *v;
	size_t i;

	if (values == NULL)
		return 0;
	if (json_is_object(values))
		return json_object_update(into, (json_t *)values) == 0
			   ? 0
			   : err_set(e, ERR_SYSTEM, "values");
	if (!json_is_array(values))
		return err_set(e, ERR_INVALID,
		    "\"values\" must be an object, a list of them or null");
	json_array_foreach(values, i,
	    v) if (!json_is_object(v) ||
		   json_object_update(into, (json_t *)v) ==
		       -1) return err_set(e, ERR_INVALID,
	    "\"values\" must hold objects");
	return 0;
}

/* The step behind that of a state; the first one of a thread is -1. */
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

static int64_t
step_after(const struct storage_checkpoint *base)
{
	autojson *old = base_metadata(base);

	if (old == NULL)
		return -1;
	return json_integer_value(json_object_get(old, "step")) + 1;
}

/*
 * {"source": "update", "step": n, "parents": {}, ...}.  What the attempt that
 * made the state wrote down for the next one stays true of it: see "warder" in
 * docs/protocol-agent.md.
 */
static json_t *
update_metadata(int64_t step, const struct state_body *b,
    const struct storage_checkpoint *base)
{
	static const char *const kept[] = { "warder", "graph_id",
		"assistant_id" };
	autojson *old = base_metadata(base);
	json_t *m, *v;
	size_t i;

	m = json_pack("{s:s,s:I,s:{}}", "source",
	    b->values == NULL ? "fork" : "update", "step", (json_int_t)step,
	    "parents");
	if (m != NULL && b->as_node != NULL)
		(void)json_object_set_new(m, "as_node",
		    json_string(b->as_node));
	for (i = 0; m != NULL && i < countof(kept); i++)
		if ((v = json_object_get(old, kept[i])) != NULL)
			(void)json_object_set(m, kept[i], v);
	return m;
}

/*
 * Values are put over the old ones by their names, unless the agent has joined
 * them by its own reducers.
 */
static int
put_state(struct request *r, const struct storage_checkpoint *base,
    struct err *e)
{
	struct place *p = r->state;
	const char *old = base != NULL ? base->values : NULL;
	autojson *values = NULL, *metadata = NULL;
	char *id;

	if (base != NULL && base->versions != NULL &&
	    strcmp(base->versions, "{}") != 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "this agent keeps its state in channels, which only it "
		    "can change");
	if (old == NULL)
		values = json_object();
	else if (json_parse(old, strlen(old), NULL, &values, e) == -1)
		return -1;
	if (!json_is_object(values))
		return err_set(e, ERR_CONFLICT, "the state is no object");
	if (p->joined != NULL) {
		json_decref(values);
		values = json_incref(p->joined);
	} else if (merge_values(values, p->body.values, e) == -1)
		return -1;
	metadata = update_metadata(step_after(base), &p->body, base);
	id = request_keep(r, UUID_SIZE);
	if (id == NULL)
		return err_sys(e, ENOMEM, "a checkpoint");
	uuid_v6(step_after(base), id);
	p->id = id;
	const struct storage_checkpoint_put_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.text[0],
		.ns = p->ns,
		.checkpoint_id = id,
		.parent_id = base != NULL ? base->checkpoint_id : NULL,
		.metadata = request_json_text(r, metadata, e),
		.type = base != NULL ? base->type : NULL,
		.data = base != NULL ? base->data : (struct storage_blob){ 0 },
		.versions = "{}",
		.values = request_json_text(r, values, e),
		.next = base != NULL ? base->next : NULL,
		.tasks = base != NULL ? base->tasks : NULL,
		.interrupts = base != NULL ? base->interrupts : NULL,
	};

	if (e->code == ERR_OK &&
	    json_within(q.values, &attempt_values_limits, e) == -1)
		return err_wrap(e, "the thread's values");
	return e->code == ERR_OK
		   ? storage_checkpoint_put(r->api->storage, &q, on_put, r, e)
		   : -1;
}

static void ask_base(struct request *r);

static void
on_joined(void *arg, const json_t *result, const struct err *e)
{
	struct request *r = arg;
	struct place *p = r->state;
	json_t *values = json_object_get(result, "values");

	if (!json_is_object(values)) {
		request_fail(r, 422, ERR_INVALID,
		    "the agent does not take these values: %s",
		    e != NULL ? e->msg : "it answered none");
		return;
	}
	json_decref(p->joined);
	p->joined = json_incref(values);
	ask_base(r);
}

/* Programs that only print have no reducers. */
static int
agent_has_reducers(const struct storage_agent *a)
{
	autojson *card = NULL;
	const char *protocol;

	if (json_parse(a->manifest, strlen(a->manifest), NULL, &card, NULL) ==
	    -1)
		return 0;
	protocol = json_string_value(json_object_get(card, "protocol"));
	return protocol != NULL && strcmp(protocol, "native") == 0;
}

static void
on_owner(void *arg, const struct storage_agent *a, const struct err *e)
{
	struct request *r = arg;
	struct place *p = r->state;
	struct ask *ask;
	struct err why;

	if (a == NULL && e->code != ERR_NOT_FOUND)
		request_error(r, e);
	else if (a == NULL || !agent_has_reducers(a)) {
		p->graph[0] = '\0'; /* nobody to ask */
		ask_base(r);
	} else if (ask_start(r->api->jails, r->who.tenant, a->digest,
		       AGENT_COMMAND_STATE_UPDATE, p->joined, on_joined, r,
		       &ask, &why) == -1)
		request_error(r, &why);
}

/* Whose state this is, and what it is to be joined with. */
static int
join_begin(struct request *r, const struct storage_checkpoint *base,
    struct err *e)
{
	struct place *p = r->state;
	autojson *metadata = base_metadata(base);
	const char *graph = text_of(metadata, "graph_id");
	autojson *state = NULL;

	p->graph[0] = '\0';
	p->asked++;
	if (graph == NULL || r->api->jails == NULL || p->body.values == NULL)
		return 0;
	if (base->values != NULL &&
	    json_parse(base->values, strlen(base->values), NULL, &state, e) ==
		-1)
		return -1;
	(void)snprintf(p->graph, sizeof(p->graph), "%s", graph);
	(void)snprintf(p->base_id, sizeof(p->base_id), "%s",
	    base->checkpoint_id);
	json_decref(p->joined);
	p->joined = json_pack("{s:O, s:O, s:s?}", "state",
	    state != NULL ? state : json_null(), "values", p->body.values,
	    "as_node", p->body.as_node);
	return storage_agent_get(r->api->storage,
		   &(struct storage_agent_get_request){ .tenant = r->who.tenant,
		       .name = p->graph },
		   on_owner, r, e) == -1
		   ? -1
		   : 1;
}

/* 1: the agent is asked; 0: it was, about this very state, or need not be. */
static int
join(struct request *r, const struct storage_checkpoint *base, struct err *e)
{
	struct place *p = r->state;
	int rc;

	if (base == NULL || (p->asked > 0 && p->graph[0] == '\0') ||
	    (p->asked > 0 && strcmp(p->base_id, base->checkpoint_id) == 0))
		return 0;
	if (p->asked == STATE_ASKS_MAX)
		return err_set(e, ERR_CONFLICT,
		    "the thread's state changes all the time");
	rc = join_begin(r, base, e);
	return rc;
}

static void
on_base(void *arg, const struct storage_checkpoint *c, const struct err *e)
{
	struct request *r = arg;
	struct place *p = r->state;
	struct err why = { 0 };
	int rc;

	if (c == NULL && (e->code != ERR_NOT_FOUND || p->id != NULL)) {
		request_refused(r, e, "Checkpoint",
		    p->id != NULL ? p->id : r->args.text[0]);
		return;
	}
	rc = join(r, c, &why);
	if (rc == 0 && p->graph[0] == '\0') {
		json_decref(p->joined);
		p->joined = NULL;
	}
	if (rc == -1 || (rc == 0 && put_state(r, c, &why) == -1))
		request_refused(r, &why, "Thread", r->args.text[0]);
}

/* The state that is changed: the newest, or the one that was named. */
static void
ask_base(struct request *r)
{
	const struct place *p = r->state;
	const struct storage_checkpoint_get_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.text[0],
		.ns = p->ns,
		.checkpoint_id = p->id,
		.full = 1,
	};
	struct err e = { 0 };

	if (storage_checkpoint_get(r->api->storage, &q, on_base, r, &e) == -1)
		request_error(r, &e);
}

void
state_update(struct request *r)
{
	struct place *p = place_create(r);

	if (p == NULL || request_read(r, &p->body) == -1)
		return;
	place_take(p, p->body.checkpoint);
	if (p->body.checkpoint_id != NULL)
		p->id = p->body.checkpoint_id;
	ask_base(r);
}

static void
on_patched(void *arg, const struct storage_none *done, const struct err *e)
{
	struct request *r = arg;

	if (done == NULL)
		request_refused(r, e, "Thread", r->args.text[0]);
	else
		request_json(r, 200, json_object());
}

void
state_patch(struct request *r)
{
	struct place *p = place_create(r);
	struct err e = { 0 };

	if (p == NULL || request_read(r, &p->body) == -1)
		return;
	place_take(p, p->body.checkpoint);
	const struct storage_checkpoint_patch_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.text[0],
		.ns = p->ns,
		.checkpoint_id = p->id,
		.metadata = request_json_text(r, p->body.metadata, &e),
	};

	if (e.code != ERR_OK || storage_checkpoint_patch(r->api->storage, &q,
				    on_patched, r, &e) == -1)
		request_error(r, &e);
}
