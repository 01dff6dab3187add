/*
 * api.h: what the parts of the API share.
 *
 * Runs in warder-control, on its loop.  A connection is read by the strict
 * codec, its sender known by a key, its request found in one table; handlers
 * ask the storage and the engine and answer when those have.
 *
 *	server.c    listeners, who may connect, what all of it may cost
 *	peer.c      how many connections and bad keys an address has
 *	conn.c      a connection: heads, bodies, answers, one after the other
 *	request.c   a request, as its handler sees it
 *	router.c    the table's search    routes.c   the table
 *	auth.c      keys, roles           query.c    names and queries, decoded
 *	cors.c      what browsers ask     openapi.c  documents of the table
 */
#ifndef API_API_H
#define API_API_H

#include <stdint.h>

#include "limits_api.h"
#include "loop.h"
#include "tls.h"

struct api_server;
struct auth;
struct engine;
struct hub;
struct jails_host;
struct spawn;
struct storage;

enum {
	API_ORIGINS_MAX = 16,
	API_ORIGIN_SIZE = 256,
	API_PREFIX_SIZE = 128,
};

/* What the operator may set; api_server_defaults has the rest. */
struct api_config {
	char prefix[API_PREFIX_SIZE]; /* "" or "/some/path" */
	/*
	 * Origins of pages that may call; none: any may, without what a
	 * browser keeps (cookies), which we have none of.
	 */
	unsigned norigins;
	char origins[API_ORIGINS_MAX][API_ORIGIN_SIZE];
	uint32_t connections, peer_connections;
	uint32_t streams; /* open at once */
	uint64_t body_bytes; /* of JSON; a route's own bound may be less */
	uint64_t archive_bytes; /* the same of an agent's archive */
	uint64_t memory_bytes;
	uint32_t head_ms, body_ms, keep_ms, write_ms, heartbeat_ms;
};

extern const struct api_config api_server_defaults;

/* What /metrics says of the server. */
struct api_counts {
	uint64_t connections; /* accepted since the start */
	uint64_t refused; /* at a limit, before a request */
	uint64_t requests;
	uint64_t answers[6]; /* by the status' first digit */
	uint64_t bad_keys;
	uint64_t streams; /* that are open */
};

struct api {
	struct loop *loop;
	struct api_config config;
	struct api_counts counts;
	struct api_server *server;
	struct auth *auth;
	struct storage *storage; /* NULL in a test of the server alone */
	struct engine *engine;
	struct hub *hub; /* what streams share */
	struct spawn *spawn; /* deployments; NULL: there are none */
	const struct jails_host *jails; /* questions to agents; the same */
	uint64_t started_ms;
};

#endif /* !API_API_H */
