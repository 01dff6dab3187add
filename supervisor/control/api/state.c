/*
 * state.c: a thread's states: the newest, those before, and new ones that a
 * client makes (change.h).
 *
 * What is stored with a checkpoint answers whoever reads: no jail is started.
 */
#include <string.h>

#include "api.h"
#include "change.h"
#include "lookup.h"
#include "nested.h"
#include "page.h"
#include "routes.h"
#include "shape.h"

/* ---- bodies --------------------------------------------------------------- */

struct state_body {
	const char *as_node, *checkpoint_id;
	const json_t *values, *checkpoint, *metadata, *before, *select;
	int64_t limit;
	int subgraphs;
};

static const struct json_member at_members[] = {
	JSON_ROW(struct state_body, checkpoint, OBJECT, JSON_REQUIRED, 0, 0),
	JSON_ROW(struct state_body, subgraphs, FLAG, JSON_NULLABLE, 0, 0),
};

static const struct json_member update_members[] = {
	JSON_ROW(struct state_body, values, ANY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct state_body, as_node, TEXT, JSON_NULLABLE, 0, 256),
	JSON_ROW(struct state_body, checkpoint, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct state_body, checkpoint_id, TEXT, JSON_NULLABLE, 0, 256),
};

static const struct json_member patch_members[] = {
	JSON_ROW(struct state_body, metadata, OBJECT, JSON_REQUIRED, 0, 0),
	JSON_ROW(struct state_body, checkpoint, OBJECT, JSON_NULLABLE, 0, 0),
};

static const struct json_member history_members[] = {
	JSON_ROW(struct state_body, limit, WHOLE, JSON_NULLABLE, 1, 1000),
	JSON_ROW(struct state_body, before, ANY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct state_body, select, ARRAY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct state_body, metadata, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct state_body, checkpoint, OBJECT, JSON_NULLABLE, 0, 0),
};

ROUTE_BODY(state, at);
ROUTE_BODY(state, update);
ROUTE_BODY(state, patch);
ROUTE_BODY(state, history);

static const char *
text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* What a body or a path means by a checkpoint. */
struct place {
	const char *ns, *id; /* "": the root; NULL: the newest */
	struct state_body body;
	int listed; /* a history, not one state */
	int inner; /* with the states of the graphs inside it */
};

static struct place *
place_create(struct request *r)
{
	struct place *p = request_state(r, sizeof(*p));

	if (p != NULL) {
		p->ns = "";
		p->body.limit = PAGE_LIMIT;
	}
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
	const struct place *p = r->state;
	autowriter w = { 0 };

	if (c != NULL && p->inner) {
		nested_answer(r, r->args.text[0], c);
		return;
	}

	writer_init(&w, API_ANSWER_BYTES);
	shape_state(&w, r->args.text[0], c, NULL);
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
on_state(void *arg, const struct storage_checkpoint *c, const struct err *e)
{
	struct request *r = arg;

	if (c != NULL)
		answer_state(r, c);
	else if (e->code == ERR_NOT_FOUND)
		lookup_thread(r, r->args.text[0], on_thread);
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
	struct err e = { 0 };

	if (p == NULL)
		return;
	if (r->args.n > 1)
		p->id = r->args.text[1];
	if (query_flag(&r->query, "subgraphs", &p->inner, &e) == -1)
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
	else
		ask_state(r, p);
}

void
state_at(struct request *r)
{
	struct place *p = place_create(r);

	if (p == NULL || request_read(r, &p->body) == -1)
		return;
	place_take(p, p->body.checkpoint);
	p->inner = p->body.subgraphs;
	ask_state(r, p);
}

/* ---- history ---------------------------------------------------------------------- */

static void
on_history(void *arg, const struct storage_checkpoints *l, const struct err *e)
{
	struct request *r = arg;
	const struct place *p = r->state;
	autowriter w = { 0 };
	size_t i;

	if (l == NULL) {
		request_refused(r, e, "Thread", r->args.text[0]);
		return;
	}
	if (l->rows.n == 0) {
		lookup_thread(r, r->args.text[0], on_thread);
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	writer_begin(&w, NULL, '[');
	for (i = 0; i < l->rows.n; i++)
		shape_state(&w, r->args.text[0], &l->rows.v[i],
		    &(struct shape_state_more){ .select = p->body.select });
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
	p->body.select = page_select(r);
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
on_changed(struct request *r, const struct change_made *made,
    const struct err *e, void *arg)
{
	autowriter w = { 0 };

	(void)arg;
	if (made == NULL) {
		request_refused(r, e, "Checkpoint or thread", r->args.text[0]);
		return;
	}
	writer_init(&w, 1024);
	writer_begin(&w, NULL, '{');
	shape_checkpoint(&w, "checkpoint", made->thread_id, made->ns,
	    made->checkpoint_id);
	writer_end(&w, '}');
	request_written(r, 200, &w);
}

/* An update is one step of one update. */
void
state_update(struct request *r)
{
	struct place *p = place_create(r);
	struct state_body *b;
	autojson *steps = NULL;
	struct err e = { 0 };

	if (p == NULL || request_read(r, &p->body) == -1)
		return;
	b = &p->body;
	place_take(p, b->checkpoint);
	if (b->checkpoint_id != NULL)
		p->id = b->checkpoint_id;
	steps = json_pack("[{s:[{s:O?,s:s?}]}]", "updates", "values", b->values,
	    "as_node", b->as_node);
	if (steps == NULL)
		request_fail(r, 503, ERR_SYSTEM, "no memory");
	else if (change_check(steps, &e) == -1)
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
	else
		change_start(r,
		    &(struct change_options){ .thread_id = r->args.text[0],
			.ns = p->ns,
			.checkpoint_id = p->id,
			.steps = steps,
			.done = on_changed });
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
