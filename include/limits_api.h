/*
 * limits_api.h: the numbers of the API's server, each with its reason.
 *
 * Listed by limit.h, so that docs/limits.md has them.  Those that the
 * operator may set otherwise are what a configuration begins with.
 */
#ifndef LIMITS_API_H
#define LIMITS_API_H

enum {
	API_LISTENERS_MAX = 8,
	API_CONNECTIONS_MAX = 8192,
	API_PEER_CONNECTIONS_MAX = 256,
	API_PEERS_MAX = 16384,
	API_MEMORY_BYTES = 256 * 1024 * 1024,
	API_BODY_SMALL = 64 * 1024,
	API_BODY_BYTES = 4 * 1024 * 1024,
	API_BODY_LARGE = 16 * 1024 * 1024,
	API_BODY_ARCHIVE = 128 * 1024 * 1024,
	API_ANSWER_BYTES = 64 * 1024 * 1024,
	API_SUPERSTEPS_MAX = 1000,
	API_UPDATES_MAX = 100,
	API_NESTED_MAX = 64,
	API_NESTED_DEPTH_MAX = 4,
	API_NESTED_BYTES = 16 * 1024 * 1024,
	API_QUERY_PARAMS_MAX = 64,
	API_ARG_BYTES = 256,
	API_REQUESTS_MAX = 10000,
	API_HEAD_MS = 30 * 1000,
	API_BODY_MS = 60 * 1000,
	API_KEEP_MS = 75 * 1000,
	API_WRITE_MS = 60 * 1000,
	API_LINGER_MS = 2 * 1000,
	API_LINGER_BYTES = 256 * 1024,
	API_HEARTBEAT_MS = 5 * 1000,
	API_BAD_LOGINS = 20,
	API_BAD_LOGIN_REFILL_MS = 1000,
	API_BAD_LOGIN_WAIT_MS = 1000,
	API_KEYS_CACHED = 1024,
	API_KEY_CACHE_MS = 2000,
};

/* clang-format off */
/*   name, unit, reason, one past it */
#define LIMITS_API(X) \
	X(API_LISTENERS_MAX, "listeners", \
	    "a fixed table; a TCP and a Unix socket are usual", \
	    "the configuration is refused") \
	X(API_CONNECTIONS_MAX, "connections", \
	    "those who come and go; limits.streams and 1,024 if that is more", \
	    "503 and Retry-After, closed") \
	X(API_PEER_CONNECTIONS_MAX, "connections of one address", \
	    "a browser has six; not counted for this host's own; configurable", \
	    "429 and Retry-After, closed") \
	X(API_PEERS_MAX, "addresses that are remembered", \
	    "a table of some MiB", \
	    "an address that has no connection is forgotten") \
	X(API_MEMORY_BYTES, "bytes of all bodies and answers together", \
	    "what load may cost, whoever makes it; configurable", \
	    "503 and Retry-After") \
	X(API_BODY_SMALL, "bytes of a body that only names things", \
	    "a search or a command has some hundred bytes", \
	    "413 before it is executed") \
	X(API_BODY_BYTES, "bytes of a body with data", \
	    "conversations with attached texts fit", \
	    "413 before it is executed") \
	X(API_BODY_LARGE, "bytes of a batch", \
	    "several bodies with data in one", \
	    "413 before it is executed") \
	X(API_BODY_ARCHIVE, "bytes of an agent's archive", \
	    "a program with its libraries fits; it is held in memory", \
	    "413 before it is executed") \
	X(API_ANSWER_BYTES, "bytes of one answer", \
	    "a page of a thousand threads with their values", \
	    "507: ask for fewer with limit or select") \
	X(API_SUPERSTEPS_MAX, "supersteps of a new thread", \
	    "each is a transaction of its own", \
	    "422 before the thread is made") \
	X(API_UPDATES_MAX, "updates of a superstep", \
	    "each may be a question to an agent", \
	    "422 before the thread is made") \
	X(API_NESTED_MAX, "states inside one answer", \
	    "each is read for itself", \
	    "further ones are null; each can be asked for") \
	X(API_NESTED_DEPTH_MAX, "states inside one another", \
	    "graphs in graphs are seldom deeper than two", \
	    "what is deeper is null; it can be asked for") \
	X(API_NESTED_BYTES, "bytes of the states in one answer", \
	    "they are held until the last one was read", \
	    "429: ask for one of them") \
	X(API_QUERY_PARAMS_MAX, "parameters of a query", \
	    "a fixed table; clients send at most ten", \
	    "the request is refused, and the answer names the limit") \
	X(API_ARG_BYTES, "bytes of a name in a path", \
	    "a UUID or the name of a graph or a namespace", \
	    "the request is refused, and the answer names the part") \
	X(API_REQUESTS_MAX, "requests a connection", \
	    "memory of libraries behind a connection grows slowly", \
	    "the response says Connection: close") \
	X(API_HEAD_MS, "ms", \
	    "a head comes in one packet or a few; configurable", \
	    "408, closed") \
	X(API_BODY_MS, "ms", \
	    "4 MiB at half a megabit a second; configurable", \
	    "408, closed") \
	X(API_KEEP_MS, "ms between two requests", \
	    "above what clients keep a connection for; configurable", \
	    "the connection is closed") \
	X(API_WRITE_MS, "ms without a byte taken by the client", \
	    "a client that does not read holds an answer; configurable", \
	    "closed with a reset") \
	X(API_LINGER_MS, "ms", \
	    "a refusal must arrive before the reset would overtake it", \
	    "the connection is closed") \
	X(API_LINGER_BYTES, "bytes", \
	    "of a body that is thrown away after a refusal", \
	    "the connection is closed") \
	X(API_HEARTBEAT_MS, "ms between a stream's signs of life", \
	    "clients take a silence of some of these for a dead connection", \
	    "a comment line is sent") \
	X(API_BAD_LOGINS, "keys in a row that are none, from one address", \
	    "a mistyped key is tried a few times", \
	    "each further one is answered late, 429") \
	X(API_BAD_LOGIN_REFILL_MS, "ms", \
	    "after which one more bad key counts for nothing", \
	    "API_BAD_LOGINS are full again in time") \
	X(API_BAD_LOGIN_WAIT_MS, "ms", \
	    "with the connections of an address, its rate of guesses", \
	    "the late 429 is sent") \
	X(API_KEYS_CACHED, "keys", \
	    "each request would ask the storage otherwise", \
	    "the least recent one is asked for again") \
	X(API_KEY_CACHE_MS, "ms", \
	    "within which a key that was revoked is refused", \
	    "the storage is asked again")

/* clang-format on */

#endif /* !LIMITS_API_H */
