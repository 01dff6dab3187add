/*
 * routes.h: the handlers, and the table that leads to them.
 *
 * A row says everything about a route: without a resource and an action it
 * does not compile.  Bodies are tables of members in the handlers' files.
 */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "router.h"

/* clang-format off */
/* method, path, handler, resource, action, longest body, its members (0:
 * none is looked at), summary */
#define ROUTES(X) \
	X(GET, "/ok", info_ok, PUBLIC, READ, 0, 0, \
	    "Whether the service answers; ?check_db asks the database, too") \
	X(GET, "/info", info_get, PUBLIC, READ, 0, 0, \
	    "Versions, and what is served") \
	X(GET, "/metrics", info_metrics, SYSTEM, READ, 0, 0, \
	    "Counts of the service and of your runs") \
	X(GET, "/docs", openapi_docs, SYSTEM, READ, 0, 0, \
	    "These routes as a page") \
	X(GET, "/openapi.json", openapi_json, SYSTEM, READ, 0, 0, \
	    "These routes as OpenAPI 3.1") \
	\
	X(POST, "/assistants", assistants_create, ASSISTANTS, CREATE, \
	    API_BODY_BYTES, &assistants_body_create, "Create an assistant") \
	X(POST, "/assistants/search", assistants_search, ASSISTANTS, SEARCH, \
	    API_BODY_SMALL, &assistants_body_search, "Search assistants") \
	X(POST, "/assistants/count", assistants_count, ASSISTANTS, SEARCH, \
	    API_BODY_SMALL, &assistants_body_search, "Count assistants") \
	X(GET, "/assistants/{assistant_id}", assistants_get, ASSISTANTS, \
	    READ, 0, 0, "An assistant") \
	X(PATCH, "/assistants/{assistant_id}", assistants_patch, ASSISTANTS, \
	    UPDATE, API_BODY_BYTES, &assistants_body_patch, \
	    "Make a new version of an assistant") \
	X(DELETE, "/assistants/{assistant_id}", assistants_delete, \
	    ASSISTANTS, DELETE, API_BODY_SMALL, 0, "Delete an assistant") \
	X(GET, "/assistants/{assistant_id}/graph", assistants_graph, \
	    ASSISTANTS, READ, 0, 0, "An assistant's nodes and edges") \
	X(GET, "/assistants/{assistant_id}/subgraphs", assistants_subgraphs, \
	    ASSISTANTS, READ, 0, 0, "Schemas of the graphs inside it") \
	X(GET, "/assistants/{assistant_id}/subgraphs/{namespace}", \
	    assistants_subgraphs, ASSISTANTS, READ, 0, 0, \
	    "Schemas of the graphs inside one of its namespaces") \
	X(GET, "/assistants/{assistant_id}/schemas", assistants_schemas, \
	    ASSISTANTS, READ, 0, 0, "Schemas of input, output and state") \
	X(POST, "/assistants/{assistant_id}/versions", assistants_versions, \
	    ASSISTANTS, READ, API_BODY_SMALL, &assistants_body_versions, \
	    "Versions of an assistant, the newest first") \
	X(POST, "/assistants/{assistant_id}/latest", assistants_latest, \
	    ASSISTANTS, UPDATE, API_BODY_SMALL, &assistants_body_latest, \
	    "Make a version the current one") \
	\
	X(POST, "/threads", threads_create, THREADS, CREATE, \
	    API_BODY_BYTES, &threads_body_create, "Create a thread") \
	X(POST, "/threads/search", threads_search, THREADS, SEARCH, \
	    API_BODY_SMALL, &threads_body_search, "Search threads") \
	X(POST, "/threads/count", threads_count, THREADS, SEARCH, \
	    API_BODY_SMALL, &threads_body_search, "Count threads") \
	X(POST, "/threads/prune", threads_prune, THREADS, DELETE, \
	    API_BODY_SMALL, &threads_body_prune, \
	    "Delete threads, or all but their newest state") \
	X(GET, "/threads/{thread_id}", threads_get, THREADS, READ, 0, 0, \
	    "A thread") \
	X(PATCH, "/threads/{thread_id}", threads_patch, THREADS, UPDATE, \
	    API_BODY_BYTES, &threads_body_patch, \
	    "Merge metadata into a thread's") \
	X(DELETE, "/threads/{thread_id}", threads_delete, THREADS, DELETE, \
	    API_BODY_SMALL, 0, "Delete a thread with its runs") \
	X(POST, "/threads/{thread_id}/copy", threads_copy, THREADS, CREATE, \
	    API_BODY_SMALL, 0, "Copy a thread with its states") \
	X(GET, "/threads/{thread_id}/storage", threads_storage, THREADS, \
	    READ, 0, 0, "What a thread takes, in bytes") \
	\
	X(GET, "/threads/{thread_id}/state", state_get, THREADS, READ, 0, 0, \
	    "A thread's newest state") \
	X(GET, "/threads/{thread_id}/state/{checkpoint_id}", state_get, \
	    THREADS, READ, 0, 0, "A thread's state at a checkpoint") \
	X(POST, "/threads/{thread_id}/state/checkpoint", state_at, THREADS, \
	    READ, API_BODY_SMALL, &state_body_at, \
	    "A thread's state at a checkpoint") \
	X(POST, "/threads/{thread_id}/state", state_update, THREADS, UPDATE, \
	    API_BODY_BYTES, &state_body_update, \
	    "Put values into a thread's state") \
	X(PATCH, "/threads/{thread_id}/state", state_patch, THREADS, UPDATE, \
	    API_BODY_SMALL, &state_body_patch, \
	    "Merge metadata into that of the newest state") \
	X(GET, "/threads/{thread_id}/history", state_history, THREADS, READ, \
	    0, 0, "A thread's states, the newest first") \
	X(POST, "/threads/{thread_id}/history", state_history_search, \
	    THREADS, READ, API_BODY_SMALL, &state_body_history, \
	    "A thread's states, the newest first") \
	\
	X(GET, "/threads/{thread_id}/stream", runs_thread_stream, THREADS, \
	    READ, 0, 0, "Events of all runs of a thread, as they come") \
	X(POST, "/threads/{thread_id}/runs", runs_create, THREADS, \
	    CREATE_RUN, API_BODY_BYTES, &runs_body_create, \
	    "Run an assistant on a thread, in the background") \
	X(POST, "/threads/{thread_id}/runs/stream", runs_stream, THREADS, \
	    CREATE_RUN, API_BODY_BYTES, &runs_body_create, \
	    "Run an assistant on a thread, and follow its events") \
	X(POST, "/threads/{thread_id}/runs/wait", runs_wait, THREADS, \
	    CREATE_RUN, API_BODY_BYTES, &runs_body_create, \
	    "Run an assistant on a thread, and wait for its values") \
	X(GET, "/threads/{thread_id}/runs", runs_list, THREADS, READ, 0, 0, \
	    "A thread's runs, the newest first") \
	X(GET, "/threads/{thread_id}/runs/{run_id}", runs_get, THREADS, \
	    READ, 0, 0, "A run") \
	X(DELETE, "/threads/{thread_id}/runs/{run_id}", runs_delete, \
	    THREADS, DELETE, API_BODY_SMALL, 0, "Delete a run") \
	X(GET, "/threads/{thread_id}/runs/{run_id}/join", runs_join, \
	    THREADS, READ, 0, 0, "Wait for a run's values") \
	X(GET, "/threads/{thread_id}/runs/{run_id}/stream", \
	    runs_join_stream, THREADS, READ, 0, 0, "Follow a run's events") \
	X(POST, "/threads/{thread_id}/runs/{run_id}/cancel", runs_cancel, \
	    THREADS, UPDATE, API_BODY_SMALL, 0, "Cancel a run") \
	X(POST, "/runs", runs_create, THREADS, CREATE_RUN, API_BODY_BYTES, \
	    &runs_body_create, "Run an assistant, in the background") \
	X(POST, "/runs/stream", runs_stream, THREADS, CREATE_RUN, \
	    API_BODY_BYTES, &runs_body_create, \
	    "Run an assistant, and follow its events") \
	X(POST, "/runs/wait", runs_wait, THREADS, CREATE_RUN, \
	    API_BODY_BYTES, &runs_body_create, \
	    "Run an assistant, and wait for its values") \
	X(POST, "/runs/batch", runs_batch, THREADS, CREATE_RUN, \
	    API_BODY_LARGE, 0, "Start several runs") \
	X(POST, "/runs/cancel", runs_cancel_many, THREADS, UPDATE, \
	    API_BODY_SMALL, &runs_body_cancel, "Cancel several runs") \
	X(GET, "/runs/{run_id}", runs_get, THREADS, READ, 0, 0, "A run") \
	X(GET, "/runs/{run_id}/join", runs_join, THREADS, READ, 0, 0, \
	    "Wait for a run's values") \
	X(GET, "/runs/{run_id}/stream", runs_join_stream, THREADS, READ, 0, \
	    0, "Follow a run's events") \
	\
	X(GET, "/v1/runs", runs_list, THREADS, READ, 0, 0, \
	    "All runs, the newest first") \
	X(GET, "/v1/runs/{run_id}", runs_get, THREADS, READ, 0, 0, "A run") \
	X(GET, "/v1/runs/{run_id}/logs", runs_logs, THREADS, READ, 0, 0, \
	    "What a run's agent wrote to its log; ?follow=1 goes on") \
	X(POST, "/v1/agents", agents_deploy, AGENTS, CREATE, \
	    API_BODY_ARCHIVE, &agents_body_tar, \
	    "Deploy an archive as an agent's newest version") \
	X(GET, "/v1/agents", agents_list, AGENTS, READ, 0, 0, \
	    "Agents, the newest version of each") \
	X(GET, "/v1/agents/{name}", agents_get, AGENTS, READ, 0, 0, \
	    "An agent's newest version") \
	X(GET, "/v1/agents/{name}/versions", agents_versions, AGENTS, READ, \
	    0, 0, "An agent's versions, the newest first") \
	\
	X(GET, "/v1/keys", keys_list, KEYS, READ, 0, 0, \
	    "Keys of a tenant: the operator's, over the Unix socket") \
	X(POST, "/v1/keys", keys_create, KEYS, CREATE, API_BODY_SMALL, \
	    &keys_body_create, "Make a key, which is shown once") \
	X(DELETE, "/v1/keys/{key_id}", keys_revoke, KEYS, DELETE, \
	    API_BODY_SMALL, 0, "Revoke a key") \
	\
	X(PUT, "/store/items", items_put, STORE, PUT, API_BODY_BYTES, \
	    &items_body_put, "Put an item into the store") \
	X(GET, "/store/items", items_get, STORE, GET, 0, 0, \
	    "An item of the store, or null") \
	X(DELETE, "/store/items", items_delete, STORE, DELETE, \
	    API_BODY_SMALL, &items_body_delete, \
	    "Delete an item of the store") \
	X(POST, "/store/items/search", items_search, STORE, SEARCH, \
	    API_BODY_SMALL, &items_body_search, "Search the store") \
	X(POST, "/store/namespaces", items_namespaces, STORE, \
	    LIST_NAMESPACES, API_BODY_SMALL, &items_body_namespaces, \
	    "Namespaces of the store")

/* clang-format on */

#define X(method, path, handler, resource, action, bytes, body, summary) \
	void handler(struct request *r);
ROUTES(X)
#undef X

extern const struct route_body agents_body_tar, assistants_body_create,
    assistants_body_search, assistants_body_patch, assistants_body_versions,
    assistants_body_latest, threads_body_create, threads_body_search,
    threads_body_prune, threads_body_patch, state_body_at, state_body_update,
    state_body_patch, state_body_history, items_body_put, items_body_delete,
    items_body_search, items_body_namespaces, runs_body_create,
    runs_body_cancel, keys_body_create;

#endif /* !API_ROUTES_H */
