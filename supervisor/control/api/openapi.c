/*
 * openapi.c: the table of routes as documents.
 */
#include <string.h>

#include "api.h"
#include "request.h"
#include "routes.h"
#include "version.h"
#include "writer.h"
#include <stdio.h>

enum {
	OPENAPI_BYTES_MAX = 256 * 1024,
};

static const char *
method_name(enum route_method m)
{
	static const struct {
		enum route_method m;
		const char *name;
	} names[] = {
		{ ROUTE_GET, "get" },
		{ ROUTE_POST, "post" },
		{ ROUTE_PUT, "put" },
		{ ROUTE_PATCH, "patch" },
		{ ROUTE_DELETE, "delete" },
	};

	size_t i;

	for (i = 0; i < countof(names); i++)
		if (names[i].m == m)
			return names[i].name;
	return "?";
}

static const char *
kind_name(enum json_kind k)
{
	static const char *const names[] = {
		[JSON_KIND_TEXT] = "string",
		[JSON_KIND_WHOLE] = "integer",
		[JSON_KIND_FLAG] = "boolean",
		[JSON_KIND_OBJECT] = "object",
		[JSON_KIND_ARRAY] = "array",
		[JSON_KIND_ANY] = NULL,
	};

	return names[k];
}

static void
write_member(struct writer *w, const struct json_member *m)
{
	const char *kind = kind_name(m->kind);

	writer_begin(w, m->name, '{');
	if (kind != NULL)
		writer_text(w, "type", kind);
	if (m->kind == JSON_KIND_WHOLE) {
		writer_whole(w, "minimum", m->min);
		writer_whole(w, "maximum", m->max);
	} else if (m->kind == JSON_KIND_TEXT && m->max > 0)
		writer_whole(w, "maxLength", m->max);
	if (m->kind == JSON_KIND_ARRAY)
		writer_json(w, "items", "{}", "{}");
	writer_end(w, '}');
}

static void
write_body(struct writer *w, const struct route_body *b)
{
	size_t i;

	writer_begin(w, "requestBody", '{');
	writer_begin(w, "content", '{');
	writer_begin(w,
	    route_body_is_file(b) ? ROUTE_FILE_TYPE : "application/json", '{');
	writer_begin(w, "schema", '{');
	writer_text(w, "type", route_body_is_file(b) ? "string" : "object");
	writer_begin(w, "properties", '{');
	for (i = 0; i < b->n; i++)
		write_member(w, &b->members[i]);
	writer_end(w, '}');
	writer_begin(w, "required", '[');
	for (i = 0; i < b->n; i++)
		if (b->members[i].need & JSON_REQUIRED)
			writer_text(w, NULL, b->members[i].name);
	writer_end(w, ']');
	writer_end(w, '}');
	writer_end(w, '}');
	writer_end(w, '}');
	writer_end(w, '}');
}

/* Every {name} in a path. */
static void
write_parameters(struct writer *w, const char *path)
{
	char name[64];
	size_t n;

	writer_begin(w, "parameters", '[');
	while ((path = strchr(path, '{')) != NULL) {
		n = strcspn(++path, "}");
		if (n >= sizeof(name))
			break;
		memcpy(name, path, n);
		name[n] = '\0';
		writer_begin(w, NULL, '{');
		writer_text(w, "name", name);
		writer_text(w, "in", "path");
		writer_flag(w, "required", 1);
		writer_json(w, "schema", "{\"type\":\"string\"}", "{}");
		writer_end(w, '}');
	}
	writer_end(w, ']');
}

static void
write_route(struct writer *w, const struct route *r)
{
	char id[128];
	size_t i;

	(void)snprintf(id, sizeof(id), "%s %s", method_name(r->method),
	    r->path);
	for (i = 0; id[i] != '\0'; i++)
		if (strchr(" /{}", id[i]) != NULL)
			id[i] = '_';
	writer_begin(w, method_name(r->method), '{');
	writer_text(w, "summary", r->summary);
	writer_text(w, "operationId", id);
	writer_begin(w, "tags", '[');
	writer_text(w, NULL, router_resource_name(r->resource));
	writer_end(w, ']');
	writer_begin(w, "x-warder-authz", '{');
	writer_text(w, "resource", router_resource_name(r->resource));
	writer_text(w, "action", router_action_name(r->action));
	writer_end(w, '}');
	if (r->resource == ROUTE_RESOURCE_PUBLIC)
		writer_json(w, "security", "[]", "[]");
	write_parameters(w, r->path);
	if (r->body != NULL)
		write_body(w, r->body);
	writer_json(w, "responses",
	    "{\"200\":{\"description\":\"done\"},"
	    "\"default\":{\"description\":\"a failure\",\"content\":"
	    "{\"application/json\":{\"schema\":"
	    "{\"$ref\":\"#/components/schemas/Problem\"}}}}}",
	    "{}");
	writer_end(w, '}');
}

static int
is_first_of_path(size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (strcmp(routes_all[j].path, routes_all[i].path) == 0)
			return 0;
	return 1;
}

static void
write_paths(struct writer *w)
{
	size_t i, j;

	writer_begin(w, "paths", '{');
	for (i = 0; i < routes_count; i++) {
		if (!is_first_of_path(i))
			continue;
		writer_begin(w, routes_all[i].path, '{');
		for (j = i; j < routes_count; j++)
			if (strcmp(routes_all[j].path, routes_all[i].path) == 0)
				write_route(w, &routes_all[j]);
		writer_end(w, '}');
	}
	writer_end(w, '}');
}

static const char components[] =
    "{\"securitySchemes\":{\"key\":{\"type\":\"apiKey\",\"in\":\"header\","
    "\"name\":\"x-api-key\"},\"bearer\":{\"type\":\"http\",\"scheme\":"
    "\"bearer\"}},\"schemas\":{\"Problem\":{\"type\":\"object\",\"required\":"
    "[\"detail\",\"status\",\"code\"],\"properties\":{\"detail\":{\"type\":"
    "\"string\"},\"type\":{\"type\":\"string\"},\"title\":{\"type\":"
    "\"string\"},\"status\":{\"type\":\"integer\"},\"code\":{\"type\":"
    "\"string\"}}}}}";

void
openapi_json(struct request *r)
{
	autowriter w = { 0 };

	writer_init(&w, OPENAPI_BYTES_MAX);
	writer_begin(&w, NULL, '{');
	writer_text(&w, "openapi", "3.1.0");
	writer_begin(&w, "info", '{');
	writer_text(&w, "title", "Warder");
	writer_text(&w, "version", WARDER_VERSION);
	writer_end(&w, '}');
	if (r->api->config.prefix[0] != '\0') {
		writer_begin(&w, "servers", '[');
		writer_begin(&w, NULL, '{');
		writer_text(&w, "url", r->api->config.prefix);
		writer_end(&w, '}');
		writer_end(&w, ']');
	}
	writer_json(&w, "security", "[{\"key\":[]},{\"bearer\":[]}]", "[]");
	write_paths(&w);
	writer_json(&w, "components", components, "{}");
	writer_end(&w, '}');
	request_written(r, 200, &w);
}

/* A page without a script: one row a route. */
void
openapi_docs(struct request *r)
{
	char *page = malloc(OPENAPI_BYTES_MAX);
	struct text t;
	size_t i;

	if (page == NULL) {
		request_fail(r, 503, ERR_SYSTEM, "no memory");
		return;
	}
	text_init(&t, page, OPENAPI_BYTES_MAX);
	text_add(&t,
	    "<!doctype html><meta charset=utf-8><title>Warder's API</title>"
	    "<h1>Warder " WARDER_VERSION "</h1><p>The same for programs: "
	    "<a href=openapi.json>openapi.json</a></p><table><tr><th>method"
	    "<th>path<th>what it does<th>right\n");
	for (i = 0; i < routes_count; i++) {
		const struct route *v = &routes_all[i];

		text_addf(&t, "<tr><td>%s<td><code>%s</code><td>%s<td>%s:%s\n",
		    method_name(v->method), v->path, v->summary,
		    router_resource_name(v->resource),
		    router_action_name(v->action));
	}
	text_add(&t, "</table>\n");
	request_text(r, 200, "text/html; charset=utf-8", page, t.len);
}
