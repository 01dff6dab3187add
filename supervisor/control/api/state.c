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
};

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
static int64_t
step_after(const struct storage_checkpoint *base)
{
	autojson *old = NULL;

	if (base == NULL || base->metadata == NULL ||
	    json_parse(base->metadata, strlen(base->metadata), NULL, &old,
		NULL) == -1)
		return -1;
	return json_integer_value(json_object_get(old, "step")) + 1;
}

/* {"source": "update", "step": n, "parents": {}, ...} */
static json_t *
update_metadata(int64_t step, const struct state_body *b)
{
	json_t *m;

	m = json_pack("{s:s,s:I,s:{}}", "source",
	    b->values == NULL ? "fork" : "update", "step", (json_int_t)step,
	    "parents");
	if (m != NULL && b->as_node != NULL)
		(void)json_object_set_new(m, "as_node",
		    json_string(b->as_node));
	return m;
}

/*
 * Values are put over the old ones by their names: an agent that keeps its
 * state in channels of its own has to do that itself.
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
	if (merge_values(values, p->body.values, e) == -1)
		return -1;
	metadata = update_metadata(step_after(base), &p->body);
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

	return e->code == ERR_OK
		   ? storage_checkpoint_put(r->api->storage, &q, on_put, r, e)
		   : -1;
}

static void
on_base(void *arg, const struct storage_checkpoint *c, const struct err *e)
{
	struct request *r = arg;
	const struct place *p = r->state;
	struct err why = { 0 };

	if (c == NULL && (e->code != ERR_NOT_FOUND || p->id != NULL))
		request_refused(r, e, "Checkpoint",
		    p->id != NULL ? p->id : r->args.text[0]);
	else if (put_state(r, c, &why) == -1)
		request_refused(r, &why, "Thread", r->args.text[0]);
}

void
state_update(struct request *r)
{
	struct place *p = place_create(r);
	struct err e = { 0 };

	if (p == NULL || request_read(r, &p->body) == -1)
		return;
	place_take(p, p->body.checkpoint);
	if (p->body.checkpoint_id != NULL)
		p->id = p->body.checkpoint_id;
	const struct storage_checkpoint_get_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.text[0],
		.ns = p->ns,
		.checkpoint_id = p->id,
		.full = 1,
	};

	if (storage_checkpoint_get(r->api->storage, &q, on_base, r, &e) == -1)
		request_error(r, &e);
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
