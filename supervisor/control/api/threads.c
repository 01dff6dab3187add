/*
 * threads.c: what runs have in common: a state with its history.
 */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "change.h"
#include "lookup.h"
#include "page.h"
#include "routes.h"
#include "shape.h"
#include "supervisor/control/runs/engine.h"
#include "supervisor/control/storage/uuid.h"

/* ---- bodies --------------------------------------------------------------- */

struct thread_body {
	const char *thread_id, *if_exists, *strategy;
	const json_t *metadata, *ttl, *supersteps, *thread_ids;
};

static const struct json_member create_members[] = {
	JSON_ROW(struct thread_body, thread_id, TEXT, JSON_NULLABLE, 0, 36),
	JSON_ROW(struct thread_body, metadata, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct thread_body, if_exists, TEXT, JSON_NULLABLE, 0, 16),
	JSON_ROW(struct thread_body, ttl, ANY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct thread_body, supersteps, ARRAY, JSON_NULLABLE, 0, 0),
};

static const struct json_member patch_members[] = {
	JSON_ROW(struct thread_body, metadata, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct thread_body, ttl, ANY, JSON_NULLABLE, 0, 0),
};

static const struct json_member prune_members[] = {
	JSON_ROW(struct thread_body, thread_ids, ARRAY, JSON_REQUIRED, 0, 0),
	JSON_ROW(struct thread_body, strategy, TEXT, JSON_NULLABLE, 0, 16),
};

struct thread_search {
	const char *status;
	const json_t *metadata, *values, *ids, *extract;
	struct page page;
};

static const struct json_member search_members[] = {
	JSON_ROW(struct thread_search, metadata, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct thread_search, values, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct thread_search, ids, ARRAY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct thread_search, status, TEXT, JSON_NULLABLE, 0, 16),
	JSON_ROW(struct thread_search, extract, OBJECT, JSON_NULLABLE, 0, 0),
	PAGE_MEMBERS(struct thread_search, page),
};

ROUTE_BODY(threads, create);
ROUTE_BODY(threads, patch);
ROUTE_BODY(threads, prune);
ROUTE_BODY(threads, search);

/* Minutes, or {ttl: minutes, strategy}. */
static int
read_ttl(const json_t *ttl, int64_t *ret_ms, const char **ret_strategy,
    struct err *e)
{
	const json_t *minutes =
	    json_is_object(ttl) ? json_object_get(ttl, "ttl") : ttl;
	double n = json_number_value(minutes);

	if (ttl == NULL)
		return 0;
	if (!json_is_number(minutes) || n <= 0 || n > 1e7)
		return err_set(e, ERR_INVALID,
		    "\"ttl\" must be a number of minutes, at most 10000000");
	*ret_ms = (int64_t)(n * 60000);
	*ret_strategy = json_string_value(json_object_get(ttl, "strategy"));
	return 0;
}

/* ---- answers ----------------------------------------------------------------- */

static const char *
named(const struct request *r)
{
	return r->args.n > 0 ? r->args.text[0] : "";
}

static void
answer_thread(struct request *r, const struct storage_thread *t, int ttl)
{
	const struct shape_thread_more more = { .ttl = ttl };
	autowriter w = { 0 };

	writer_init(&w, API_ANSWER_BYTES);
	shape_thread(&w, t, &more);
	request_written(r, 200, &w);
}

static void
on_thread(void *arg, const struct storage_thread *t, const struct err *e)
{
	struct request *r = arg;
	const char *include = query_get(&r->query, "include");

	if (t == NULL)
		request_refused(r, e, "Thread", named(r));
	else
		answer_thread(r, t,
		    include != NULL && strstr(include, "ttl") != NULL);
}

static void
on_threads(void *arg, const struct storage_threads *l, const struct err *e)
{
	struct request *r = arg;
	const struct thread_search *s = r->state;
	const struct shape_thread_more more = { .select = s->page.select,
		.extract = s->extract };
	autowriter w = { 0 };
	size_t i;

	if (l == NULL) {
		request_refused(r, e, "Thread", "");
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	writer_begin(&w, NULL, '[');
	for (i = 0; i < l->rows.n; i++)
		shape_thread(&w, &l->rows.v[i], &more);
	writer_end(&w, ']');
	page_fields(r, &s->page, l->rows.n, l->total);
	request_written(r, 200, &w);
}

static void
on_count(void *arg, const struct storage_count *c, const struct err *e)
{
	struct request *r = arg;

	if (c == NULL)
		request_refused(r, e, "Thread", named(r));
	else
		page_count(r, c->count);
}

/* ---- one thread ---------------------------------------------------------------- */

static int
check_create(struct request *r, const struct thread_body *b)
{
	struct err e = { 0 };

	if (b->thread_id != NULL && !router_is_uuid(b->thread_id))
		request_fail(r, 422, ERR_INVALID, "thread_id is not a UUID");
	else if (change_check(b->supersteps, &e) == -1)
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
	else
		return 0;
	return -1;
}

/* A thread on its way, and the supersteps that are its past. */
struct making {
	struct request *request;
	const json_t *steps; /* in the request's body */
	int mine; /* it was not there: where a step is refused, it goes again */
	char thread_id[UUID_SIZE];
	char graph[API_ARG_BYTES]; /* "": it names none */
	struct err why;
};

static void
on_undone(void *arg, const struct storage_run_cut *cut, const struct err *e)
{
	const struct making *m = arg;

	(void)cut;
	(void)e;
	request_refused(m->request, &m->why, "Thread", m->thread_id);
}

static void
on_past(struct request *r, const struct change_made *made, const struct err *e,
    void *arg)
{
	struct making *m = arg;
	struct err why;

	if (made != NULL) {
		lookup_thread(r, m->thread_id, on_thread);
		return;
	}
	const struct storage_thread_delete_request q = {
		.tenant = r->who.tenant,
		.thread_id = m->thread_id,
	};

	m->why = *e;
	if (!m->mine ||
	    engine_thread_delete(r->api->engine, &q, on_undone, m, &why) == -1)
		request_refused(r, e, "Thread", m->thread_id);
}

static void
make_past(struct request *r, struct making *m, const struct storage_thread *t)
{
	autojson *metadata = NULL;
	const char *graph = NULL;

	if (t->metadata != NULL && json_parse(t->metadata, strlen(t->metadata),
				       NULL, &metadata, NULL) == 0)
		graph =
		    json_string_value(json_object_get(metadata, "graph_id"));
	(void)snprintf(m->thread_id, sizeof(m->thread_id), "%s", t->thread_id);
	(void)snprintf(m->graph, sizeof(m->graph), "%s",
	    graph != NULL ? graph : "");
	change_start(r, &(struct change_options){ .thread_id = m->thread_id,
			    .ns = "",
			    .graph = m->graph[0] != '\0' ? m->graph : NULL,
			    .steps = m->steps,
			    .done = on_past,
			    .arg = m });
}

static void
on_created(void *arg, const struct storage_thread *t, const struct err *e)
{
	struct request *r = arg;
	struct making *m = r->state;

	if (t == NULL && e->code == ERR_CONFLICT)
		request_fail(r, 409, ERR_CONFLICT, "Thread already exists");
	else if (t != NULL && json_array_size(m->steps) > 0)
		make_past(r, m, t);
	else
		on_thread(arg, t, e);
}

void
threads_create(struct request *r)
{
	struct storage_thread_create_request q = { .tenant = r->who.tenant };
	struct making *m = request_state(r, sizeof(*m));
	struct thread_body b = { 0 };
	struct err e = { 0 };

	if (m == NULL || request_read(r, &b) == -1 || check_create(r, &b) == -1)
		return;
	if (read_ttl(b.ttl, &q.ttl_ms, &q.ttl_strategy, &e) == -1) {
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
		return;
	}
	m->request = r;
	m->steps = b.supersteps;
	m->mine = b.if_exists == NULL || strcmp(b.if_exists, "do_nothing") != 0;
	q.thread_id = b.thread_id;
	q.if_exists = b.if_exists;
	q.metadata = request_json_text(r, b.metadata, &e);
	if (e.code != ERR_OK ||
	    storage_thread_create(r->api->storage, &q, on_created, r, &e) == -1)
		request_error(r, &e);
}

void
threads_get(struct request *r)
{
	lookup_thread(r, r->args.text[0], on_thread);
}

static void
on_patched(void *arg, const struct storage_thread *t, const struct err *e)
{
	struct request *r = arg;

	if (t != NULL && r->minimal)
		request_empty(r, 204);
	else
		on_thread(arg, t, e);
}

void
threads_patch(struct request *r)
{
	struct storage_thread_patch_request q = { .tenant = r->who.tenant,
		.thread_id = r->args.text[0] };
	struct thread_body b = { 0 };
	struct err e = { 0 };

	if (request_read(r, &b) == -1)
		return;
	if (read_ttl(b.ttl, &q.ttl_ms, &q.ttl_strategy, &e) == -1) {
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
		return;
	}
	q.metadata = request_json_text(r, b.metadata, &e);
	if (e.code != ERR_OK ||
	    storage_thread_patch(r->api->storage, &q, on_patched, r, &e) == -1)
		request_error(r, &e);
}

static void
on_deleted(void *arg, const struct storage_run_cut *cut, const struct err *e)
{
	struct request *r = arg;

	if (cut == NULL)
		request_refused(r, e, "Thread", named(r));
	else
		request_empty(r, 204);
}

void
threads_delete(struct request *r)
{
	const struct storage_thread_delete_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.text[0],
	};
	struct err e = { 0 };

	if (engine_thread_delete(r->api->engine, &q, on_deleted, r, &e) == -1)
		request_error(r, &e);
}

void
threads_copy(struct request *r)
{
	const struct storage_thread_copy_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.text[0],
	};
	struct err e = { 0 };

	if (storage_thread_copy(r->api->storage, &q, on_thread, r, &e) == -1)
		request_error(r, &e);
}

static void
on_size(void *arg, const struct storage_count *c, const struct err *e)
{
	struct request *r = arg;
	autowriter w = { 0 };

	if (c == NULL) {
		request_refused(r, e, "Thread", named(r));
		return;
	}
	writer_init(&w, 512);
	writer_begin(&w, NULL, '{');
	writer_text(&w, "thread_id", r->args.text[0]);
	writer_whole(&w, "total_bytes", c->count);
	writer_end(&w, '}');
	request_written(r, 200, &w);
}

void
threads_storage(struct request *r)
{
	const struct storage_thread_size_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.text[0],
	};
	struct err e = { 0 };

	if (storage_thread_size(r->api->storage, &q, on_size, r, &e) == -1)
		request_error(r, &e);
}

/* ---- many ------------------------------------------------------------------------- */

static int
check_status(const char *status)
{
	static const char *const words[] = { "idle", "busy", "interrupted",
		"error" };
	size_t i;

	for (i = 0; status != NULL && i < countof(words); i++)
		if (strcmp(status, words[i]) == 0)
			return 0;
	return status == NULL ? 0 : -1;
}

static struct thread_search *
read_search(struct request *r)
{
	struct thread_search *s = request_state(r, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->page.limit = PAGE_LIMIT;
	if (request_read(r, s) == -1)
		return NULL;
	if (check_status(s->status) == 0)
		return s;
	request_fail(r, 422, ERR_INVALID,
	    "\"status\" must be idle, busy, interrupted or error");
	return NULL;
}

void
threads_search(struct request *r)
{
	struct thread_search *s = read_search(r);
	struct storage_thread_search_request q = { .tenant = r->who.tenant };
	struct err e = { 0 };

	if (s == NULL)
		return;
	if (request_texts(r, "ids", s->ids, &q.ids, &e) == -1) {
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
		return;
	}
	q.metadata = request_json_text(r, s->metadata, &e);
	q.values = request_json_text(r, s->values, &e);
	q.status = s->status;
	q.limit = s->page.limit;
	q.offset = s->page.offset;
	q.sort_by = s->page.sort_by;
	q.sort_order = s->page.sort_order;
	if (e.code != ERR_OK ||
	    storage_thread_search(r->api->storage, &q, on_threads, r, &e) == -1)
		request_error(r, &e);
}

void
threads_count(struct request *r)
{
	struct thread_search *s = read_search(r);
	struct err e = { 0 };

	if (s == NULL)
		return;
	const struct storage_thread_count_request q = {
		.tenant = r->who.tenant,
		.metadata = request_json_text(r, s->metadata, &e),
		.values = request_json_text(r, s->values, &e),
		.status = s->status,
	};

	if (e.code != ERR_OK ||
	    storage_thread_count(r->api->storage, &q, on_count, r, &e) == -1)
		request_error(r, &e);
}

static void
on_pruned(void *arg, const struct storage_count *c, const struct err *e)
{
	struct request *r = arg;
	autowriter w = { 0 };

	if (c == NULL) {
		request_refused(r, e, "Thread", "");
		return;
	}
	writer_init(&w, 64);
	writer_begin(&w, NULL, '{');
	writer_whole(&w, "pruned_count", c->count);
	writer_end(&w, '}');
	request_written(r, 200, &w);
}

void
threads_prune(struct request *r)
{
	struct storage_thread_prune_request q = { .tenant = r->who.tenant };
	struct thread_body b = { 0 };
	struct err e = { 0 };

	if (request_read(r, &b) == -1)
		return;
	if (request_texts(r, "thread_ids", b.thread_ids, &q.thread_ids, &e) ==
	    -1) {
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
		return;
	}
	q.strategy = b.strategy != NULL ? b.strategy : "delete";
	if (storage_thread_prune(r->api->storage, &q, on_pruned, r, &e) == -1)
		request_error(r, &e);
}
