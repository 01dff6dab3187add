/*
 * assistants.c: an agent with a configuration, in versions.
 *
 * assistant_id in a path is a UUID or the name of a graph.
 */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "page.h"
#include "routes.h"
#include "shape.h"
#include "supervisor/control/runs/engine.h"

/* ---- bodies --------------------------------------------------------------- */

struct assistant_body {
	const char *assistant_id, *graph_id, *name, *description, *if_exists;
	const json_t *config, *context, *metadata;
};

static const struct json_member create_members[] = {
	JSON_ROW(struct assistant_body, graph_id, TEXT, JSON_REQUIRED, 0, 256),
	JSON_ROW(struct assistant_body, assistant_id, TEXT, JSON_NULLABLE, 0,
	    36),
	JSON_ROW(struct assistant_body, config, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct assistant_body, context, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct assistant_body, metadata, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct assistant_body, if_exists, TEXT, JSON_NULLABLE, 0, 16),
	JSON_ROW(struct assistant_body, name, TEXT, JSON_NULLABLE, 0, 256),
	JSON_ROW(struct assistant_body, description, TEXT, JSON_NULLABLE, 0,
	    4096),
};

static const struct json_member patch_members[] = {
	JSON_ROW(struct assistant_body, graph_id, TEXT, JSON_NULLABLE, 0, 256),
	JSON_ROW(struct assistant_body, config, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct assistant_body, context, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct assistant_body, metadata, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct assistant_body, name, TEXT, JSON_NULLABLE, 0, 256),
	JSON_ROW(struct assistant_body, description, TEXT, JSON_NULLABLE, 0,
	    4096),
};

struct assistant_search {
	const char *graph_id, *name;
	const json_t *metadata;
	struct page page;
};

static const struct json_member search_members[] = {
	JSON_ROW(struct assistant_search, metadata, OBJECT, JSON_NULLABLE, 0,
	    0),
	JSON_ROW(struct assistant_search, graph_id, TEXT, JSON_NULLABLE, 0,
	    256),
	JSON_ROW(struct assistant_search, name, TEXT, JSON_NULLABLE, 0, 256),
	PAGE_MEMBERS(struct assistant_search, page),
};

static const struct json_member versions_members[] = {
	JSON_ROW(struct assistant_search, metadata, OBJECT, JSON_NULLABLE, 0,
	    0),
	PAGE_MEMBERS(struct assistant_search, page),
};

struct assistant_version {
	int64_t version;
};

static const struct json_member latest_members[] = {
	JSON_ROW(struct assistant_version, version, WHOLE, JSON_NULLABLE, 1,
	    INT32_MAX),
};

ROUTE_BODY(assistants, create);
ROUTE_BODY(assistants, patch);
ROUTE_BODY(assistants, search);
ROUTE_BODY(assistants, versions);
ROUTE_BODY(assistants, latest);

/* ---- answers ----------------------------------------------------------------- */

static void
on_assistant(void *arg, const struct storage_assistant *a, const struct err *e)
{
	struct request *r = arg;
	autowriter w = { 0 };

	if (a == NULL) {
		request_refused(r, e, "Assistant",
		    r->args.n > 0 ? r->args.text[0] : "or graph");
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	shape_assistant(&w, a, NULL);
	request_written(r, 200, &w);
}

static void
on_assistants(void *arg, const struct storage_assistants *l,
    const struct err *e)
{
	struct request *r = arg;
	const struct assistant_search *s = r->state;
	autowriter w = { 0 };
	size_t i;

	if (l == NULL) {
		request_refused(r, e, "Assistant",
		    r->args.n > 0 ? r->args.text[0] : "or graph");
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	writer_begin(&w, NULL, '[');
	for (i = 0; i < l->rows.n; i++)
		shape_assistant(&w, &l->rows.v[i], s->page.select);
	writer_end(&w, ']');
	page_fields(r, &s->page, l->rows.n, l->total);
	request_written(r, 200, &w);
}

static void
on_count(void *arg, const struct storage_count *c, const struct err *e)
{
	struct request *r = arg;

	if (c == NULL)
		request_refused(r, e, "Assistant", "");
	else
		page_count(r, c->count);
}

/* ---- making and changing ------------------------------------------------------- */

void
assistants_create(struct request *r)
{
	struct assistant_body b = { 0 };
	struct err e = { 0 };

	if (request_read(r, &b) == -1)
		return;
	if (b.assistant_id != NULL && !router_is_uuid(b.assistant_id)) {
		request_fail(r, 422, ERR_INVALID, "assistant_id is not a UUID");
		return;
	}
	const struct storage_assistant_create_request q = {
		.tenant = r->who.tenant,
		.assistant_id = b.assistant_id,
		.graph_id = b.graph_id,
		.config = request_json_text(r, b.config, &e),
		.context = request_json_text(r, b.context, &e),
		.metadata = request_json_text(r, b.metadata, &e),
		.name = b.name != NULL ? b.name : "Untitled",
		.description = b.description,
		.if_exists = b.if_exists,
	};

	if (e.code != ERR_OK || storage_assistant_create(r->api->storage, &q,
				    on_assistant, r, &e) == -1)
		request_error(r, &e);
}

void
assistants_patch(struct request *r)
{
	struct assistant_body b = { 0 };
	struct err e = { 0 };

	if (request_read(r, &b) == -1)
		return;
	const struct storage_assistant_patch_request q = {
		.tenant = r->who.tenant,
		.assistant_id = r->args.text[0],
		.graph_id = b.graph_id,
		.config = request_json_text(r, b.config, &e),
		.context = request_json_text(r, b.context, &e),
		.metadata = request_json_text(r, b.metadata, &e),
		.name = b.name,
		.description = b.description,
	};

	if (e.code != ERR_OK || storage_assistant_patch(r->api->storage, &q,
				    on_assistant, r, &e) == -1)
		request_error(r, &e);
}

void
assistants_latest(struct request *r)
{
	struct assistant_version v = { 0 };
	struct err e = { 0 };

	if (request_read(r, &v) == -1)
		return;
	/* the documents name a query parameter, clients send a body */
	if (v.version == 0 && query_whole(&r->query, "version", 1, INT32_MAX,
				  &v.version, &e) == -1) {
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
		return;
	}
	if (v.version == 0) {
		request_fail(r, 422, ERR_INVALID, "\"version\" is missing");
		return;
	}
	const struct storage_assistant_latest_request q = {
		.tenant = r->who.tenant,
		.assistant_id = r->args.text[0],
		.version = v.version,
	};

	if (storage_assistant_latest(r->api->storage, &q, on_assistant, r,
		&e) == -1)
		request_error(r, &e);
}

static void
on_deleted(void *arg, const struct storage_run_cut *cut, const struct err *e)
{
	struct request *r = arg;
	autowriter w = { 0 };

	if (cut == NULL) {
		request_refused(r, e, "Assistant", r->args.text[0]);
		return;
	}
	writer_init(&w, 1024);
	writer_begin(&w, NULL, '[');
	writer_text(&w, NULL, r->args.text[0]);
	writer_end(&w, ']');
	request_written(r, 200, &w);
}

void
assistants_delete(struct request *r)
{
	struct err e = { 0 };
	int threads = 0;

	if (query_flag(&r->query, "delete_threads", &threads, &e) == -1) {
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
		return;
	}
	const struct storage_assistant_delete_request q = {
		.tenant = r->who.tenant,
		.assistant_id = r->args.text[0],
		.delete_threads = threads,
	};

	if (engine_assistant_delete(r->api->engine, &q, on_deleted, r, &e) ==
	    -1)
		request_error(r, &e);
}

/* ---- reading --------------------------------------------------------------------- */

void
assistants_get(struct request *r)
{
	const struct storage_assistant_get_request q = {
		.tenant = r->who.tenant,
		.assistant_id = r->args.text[0],
	};
	struct err e = { 0 };

	if (storage_assistant_get(r->api->storage, &q, on_assistant, r, &e) ==
	    -1)
		request_error(r, &e);
}

static struct assistant_search *
read_search(struct request *r)
{
	struct assistant_search *s = request_state(r, sizeof(*s));

	if (s != NULL)
		s->page.limit = PAGE_LIMIT;
	return s == NULL || request_read(r, s) == -1 ? NULL : s;
}

void
assistants_search(struct request *r)
{
	struct assistant_search *s = read_search(r);
	struct err e = { 0 };

	if (s == NULL)
		return;
	const struct storage_assistant_search_request q = {
		.tenant = r->who.tenant,
		.metadata = request_json_text(r, s->metadata, &e),
		.graph_id = s->graph_id,
		.name = s->name,
		.limit = s->page.limit,
		.offset = s->page.offset,
		.sort_by = s->page.sort_by,
		.sort_order = s->page.sort_order,
	};

	if (e.code != ERR_OK || storage_assistant_search(r->api->storage, &q,
				    on_assistants, r, &e) == -1)
		request_error(r, &e);
}

void
assistants_count(struct request *r)
{
	struct assistant_search *s = read_search(r);
	struct err e = { 0 };

	if (s == NULL)
		return;
	const struct storage_assistant_count_request q = {
		.tenant = r->who.tenant,
		.metadata = request_json_text(r, s->metadata, &e),
		.graph_id = s->graph_id,
		.name = s->name,
	};

	if (e.code != ERR_OK ||
	    storage_assistant_count(r->api->storage, &q, on_count, r, &e) == -1)
		request_error(r, &e);
}

void
assistants_versions(struct request *r)
{
	struct assistant_search *s = read_search(r);
	struct err e = { 0 };

	if (s == NULL)
		return;
	const struct storage_assistant_versions_request q = {
		.tenant = r->who.tenant,
		.assistant_id = r->args.text[0],
		.metadata = request_json_text(r, s->metadata, &e),
		.limit = s->page.limit,
		.offset = s->page.offset,
	};

	if (e.code != ERR_OK || storage_assistant_versions(r->api->storage, &q,
				    on_assistants, r, &e) == -1)
		request_error(r, &e);
}

/* ---- what an agent says of itself ----------------------------------------------------- */

/* How an assistant's agent is shown: write what "about" says of it. */
typedef void describe_fn(struct request *r, const char *graph_id,
    const json_t *about);

struct describing {
	describe_fn *fn;
};

static void
on_agent(void *arg, const struct storage_agent *a, const struct err *e)
{
	struct request *r = arg;
	const struct describing *d = r->state;
	autojson *about = NULL;
	const char *text;

	if (a == NULL) {
		request_refused(r, e, "Graph of assistant", r->args.text[0]);
		return;
	}
	/* what it said when it was asked, otherwise what came with it */
	text = a->description != NULL ? a->description : a->manifest;
	if (text == NULL ||
	    json_parse(text, strlen(text), NULL, &about, NULL) == -1)
		about = json_object();
	d->fn(r, a->name, about);
}

static void
on_described(void *arg, const struct storage_assistant *a, const struct err *e)
{
	struct request *r = arg;
	struct err why = { 0 };

	if (a == NULL) {
		request_refused(r, e, "Assistant", r->args.text[0]);
		return;
	}
	const struct storage_agent_get_request q = {
		.tenant = r->who.tenant,
		.name = a->graph_id,
	};

	if (storage_agent_get(r->api->storage, &q, on_agent, r, &why) == -1)
		request_error(r, &why);
}

static void
describe(struct request *r, describe_fn *fn)
{
	const struct storage_assistant_get_request q = {
		.tenant = r->who.tenant,
		.assistant_id = r->args.text[0],
	};
	struct describing *d = request_state(r, sizeof(*d));
	struct err e = { 0 };

	if (d == NULL)
		return;
	d->fn = fn;
	if (storage_assistant_get(r->api->storage, &q, on_described, r, &e) ==
	    -1)
		request_error(r, &e);
}

/* An agent that does not describe itself is one node between two ends. */
static json_t *
plain_graph(const char *name)
{
	return json_pack("{s:[{s:s,s:s,s:{}},{s:s,s:s,s:{s:s}},{s:s,s:s,s:{}}],"
			 "s:[{s:s,s:s,s:b},{s:s,s:s,s:b}]}",
	    "nodes", "id", "__start__", "type", "schema", "data", "id", name,
	    "type", "runnable", "data", "name", name, "id", "__end__", "type",
	    "schema", "data", "edges", "source", "__start__", "target", name,
	    "conditional", 0, "source", name, "target", "__end__",
	    "conditional", 0);
}

static void
describe_graph(struct request *r, const char *name, const json_t *about)
{
	json_t *nodes = json_object_get(about, "nodes");
	json_t *edges = json_object_get(about, "edges");

	if (json_is_array(nodes) && json_is_array(edges))
		request_json(r, 200,
		    json_pack("{s:O,s:O}", "nodes", nodes, "edges", edges));
	else
		request_json(r, 200, plain_graph(name));
}

void
assistants_graph(struct request *r)
{
	describe(r, describe_graph);
}

/* A namespace is its graphs' names, joined by "|": the one that is asked for,
 * without one those at the top, and with "recurse" all inside them. */
static int
is_within(const char *key, const char *ns, int recurse)
{
	size_t n = ns != NULL ? strlen(ns) : 0;

	if (ns == NULL)
		return recurse || strchr(key, '|') == NULL;
	if (strncmp(key, ns, n) != 0)
		return 0;
	return key[n] == '\0' || (recurse && key[n] == '|');
}

static void
describe_subgraphs(struct request *r, const char *name, const json_t *about)
{
	const json_t *all = json_object_get(about, "subgraphs");
	const char *ns = r->args.n > 1 ? r->args.text[1] : NULL;
	json_t *only, *v;
	const char *key;
	struct err e = { 0 };
	int recurse = 0;

	(void)name;
	if (query_flag(&r->query, "recurse", &recurse, &e) == -1) {
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
		return;
	}
	only = json_object();
	json_object_foreach((json_t *)all, key,
	    v) if (is_within(key, ns, recurse))(void)
	    json_object_set(only, key, v);
	request_json(r, 200, only);
}

void
assistants_subgraphs(struct request *r)
{
	describe(r, describe_subgraphs);
}

static void
describe_schemas(struct request *r, const char *name, const json_t *about)
{
	static const char *const names[] = { "input", "output", "state",
		"config", "context" };
	const json_t *schemas = json_object_get(about, "schemas");
	json_t *answer = json_pack("{s:s}", "graph_id", name);
	char member[32];
	size_t i;

	for (i = 0; i < countof(names); i++) {
		json_t *v;

		(void)snprintf(member, sizeof(member), "%s_schema", names[i]);
		v = json_object_get(schemas, member);
		if (v == NULL)
			v = json_object_get(schemas, names[i]);
		if (v != NULL)
			(void)json_object_set(answer, member, v);
		else
			(void)json_object_set_new(answer, member,
			    json_object());
	}
	request_json(r, 200, answer);
}

void
assistants_schemas(struct request *r)
{
	describe(r, describe_schemas);
}
