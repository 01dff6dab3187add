/*
 * router.h: which request is what: one table of routes.
 *
 * Every route says what it does to which resource; whoever is not allowed
 * that, never gets to it, and a route that says nothing does not compile.
 * /openapi.json and the tests that sweep over all of them read this table.
 */
#ifndef API_ROUTER_H
#define API_ROUTER_H

#include "err.h"
#include "json.h"
#include "limits_api.h"

struct request;

enum route_method {
	ROUTE_GET = 1 << 0,
	ROUTE_POST = 1 << 1,
	ROUTE_PUT = 1 << 2,
	ROUTE_PATCH = 1 << 3,
	ROUTE_DELETE = 1 << 4,
};

/* clang-format off */
/* What a route acts on; PUBLIC is reachable without a key, KEYS by the
 * operator alone. */
#define ROUTE_RESOURCES(X) \
	X(PUBLIC,     "public") \
	X(SYSTEM,     "system") \
	X(ASSISTANTS, "assistants") \
	X(THREADS,    "threads") \
	X(STORE,      "store") \
	X(AGENTS,     "agents") \
	X(KEYS,       "keys")

/* What it does; a READER may do the ones that change nothing. */
#define ROUTE_ACTIONS(X) \
	X(READ,            "read",            0) \
	X(SEARCH,          "search",          0) \
	X(GET,             "get",             0) \
	X(LIST_NAMESPACES, "list_namespaces", 0) \
	X(CREATE,          "create",          1) \
	X(UPDATE,          "update",          1) \
	X(DELETE,          "delete",          1) \
	X(PUT,             "put",             1) \
	X(CREATE_RUN,      "create_run",      1)

/* clang-format on */

/* 0 is no resource and no action: an entry that was left out. */
enum route_resource {
	ROUTE_RESOURCE_NONE,
#define X(name, text) ROUTE_RESOURCE_##name,
	ROUTE_RESOURCES(X)
#undef X
	ROUTE_RESOURCE__MAX
};

enum route_action {
	ROUTE_ACTION_NONE,
#define X(name, text, writes) ROUTE_ACTION_##name,
	ROUTE_ACTIONS(X)
#undef X
	ROUTE_ACTION__MAX
};

enum {
	ROUTE_ARGS_MAX = 3, /* names in a path */
};

/* The members of a body that are looked at, for the documents. */
struct route_body {
	const struct json_member *members;
	size_t n;
};

/* The body of a handler, of the table NAME_members. */
#define ROUTE_BODY(resource, name)                                         \
	const struct route_body resource##_body_##name = { name##_members, \
		countof(name##_members) }

/* A body without members is no JSON but an archive, and comes as a file. */
#define ROUTE_FILE_TYPE "application/x-tar"

static inline int
route_body_is_file(const struct route_body *b)
{
	return b != NULL && b->members == NULL;
}

struct route {
	enum route_method method;
	const char *path; /* "/threads/{thread_id}/runs" */
	void (*handle)(struct request *r);
	enum route_resource resource;
	enum route_action action;
	uint32_t body_bytes; /* the longest that is read */
	const struct route_body *body; /* NULL: none is looked at */
	const char *summary;
};

/* All of them, in the order of the documents. */
extern const struct route routes_all[];
extern const size_t routes_count;

/* The names in a path, in the order of the pattern. */
struct route_args {
	unsigned n;
	char text[ROUTE_ARGS_MAX][API_ARG_BYTES];
};

/*
 * The route of a method and a path (n bytes, without prefix and query).
 * ERR_NOT_FOUND: no route has that path; ERR_UNSUPPORTED: none with that
 * method, and *ret_methods has those (enum route_method) that there are;
 * ERR_INVALID: an argument is malformed.  An {..._id} of threads, runs and
 * checkpoints is a UUID, in lower case when it arrives at a handler.
 */
must_check int router_find(enum route_method method, const char *path, size_t n,
    const struct route **ret, struct route_args *ret_args,
    unsigned *ret_methods, struct err *e);

/* "GET" as its bit, 0: none that any route has.  HEAD is GET here. */
unsigned router_method(const char *name);

/* "GET, HEAD, POST", for Allow. */
void router_methods_text(unsigned methods, char *ret, size_t size);

const char *router_resource_name(enum route_resource r);
const char *router_action_name(enum route_action a);
int router_action_writes(enum route_action a);

/* 1 if s is a UUID as the RFC writes it, 36 characters. */
int router_is_uuid(const char *s);

#endif /* !API_ROUTER_H */
