/*
 * agent_rpc.h: the agent protocol, between warder-control and an agent in its
 * jail.
 *
 * JSON-RPC 2.0, UTF-8, one object a line, on the stream socket whose
 * descriptor the agent finds in WARDER_FD.  Either side may call.  Unknown
 * members are ignored; an unknown method is answered -32601, an unknown
 * notification dropped.  docs/protocol-agent.md has the members.
 *
 *	control                          agent
 *	run.start {…} ──►
 *	           ◄── checkpoint.put, journal.get, store.batch, … (any number)
 *	           ◄── event, log (notifications)
 *	           ◄── exec {…}            a command in a jail beside
 *	exec.output {…} ──►              what it writes, as far as was granted
 *	           ◄── exec.more, exec.kill (notifications)
 *	run.cancel {reason} ──►          (a grace period, then the jail's end)
 *	           ◄── the result of run.start: the final values, or an error
 */
#ifndef AGENT_RPC_H
#define AGENT_RPC_H

enum {
	AGENT_FD = 3, /* of the socket, in the jail */

	AGENT_LINE_MAX = 1024 * 1024, /* bytes of one message */
	AGENT_VALUES_MAX = 65536, /* of JSON in one message */
	AGENT_DEPTH_MAX = 64,
	AGENT_ID_MAX = 64, /* bytes of a request's id, as JSON */

	/* Asked and not yet answered: then control reads no further. */
	AGENT_CALLS_MAX = 64,
	/* Bytes of these and of events not yet stored: the same. */
	AGENT_AHEAD_BYTES_MAX = 2 * 1024 * 1024,
	/* Bytes of ours that the agent has not read: then it is cut off. */
	AGENT_OUT_BYTES_MAX = 8 * 1024 * 1024,

	/* An agent without the socket: its output, of which the result is. */
	AGENT_PLAIN_BYTES_MAX = 1024 * 1024,
	AGENT_LOG_LINE_MAX = 8192, /* longer lines of a log are cut */
};

enum agent_kind {
	AGENT_REQUEST,
	AGENT_NOTIFICATION,
};

/* clang-format off */
/*   name                     on the wire                  kind */
#define AGENT_METHODS(X) /* the agent calls */ \
	X(EVENT,                    "event",                    NOTIFICATION) \
	X(LOG,                      "log",                      NOTIFICATION) \
	X(CHECKPOINT_PUT,           "checkpoint.put",           REQUEST) \
	X(CHECKPOINT_WRITES,        "checkpoint.writes",        REQUEST) \
	X(CHECKPOINT_GET,           "checkpoint.get",           REQUEST) \
	X(CHECKPOINT_LIST,          "checkpoint.list",          REQUEST) \
	X(CHECKPOINT_DELETE_THREAD, "checkpoint.delete_thread", REQUEST) \
	X(BLOB_PUT,                 "blob.put",                 REQUEST) \
	X(BLOB_GET,                 "blob.get",                 REQUEST) \
	X(JOURNAL_GET,              "journal.get",              REQUEST) \
	X(JOURNAL_PUT,              "journal.put",              REQUEST) \
	X(STORE_BATCH,              "store.batch",              REQUEST) \
	X(INTERRUPT,                "interrupt",                REQUEST) \
	X(EXEC,                     "exec",                     REQUEST) \
	X(EXEC_MORE,                "exec.more",                NOTIFICATION) \
	X(EXEC_KILL,                "exec.kill",                NOTIFICATION) \
	X(RUN_SPAWN,                "run.spawn",                REQUEST) \
	X(RUN_JOIN,                 "run.join",                 REQUEST)

#define AGENT_COMMANDS(X) /* control calls */ \
	X(RUN_START,                "run.start",                REQUEST) \
	X(RUN_CANCEL,               "run.cancel",               NOTIFICATION) \
	X(EXEC_OUTPUT,              "exec.output",              NOTIFICATION) \
	X(GRAPH_DESCRIBE,           "graph.describe",           REQUEST) \
	X(STATE_UPDATE,             "state.update",             REQUEST)

/* JSON-RPC's own codes; ours are in err.h's table. */
#define AGENT_FAULTS(X) \
	X(METHOD,  -32601, "no such method") \
	X(PARAMS,  -32602, "the parameters are malformed")

/* clang-format on */

enum agent_method {
#define X(name, wire, kind) AGENT_##name,
	AGENT_METHODS(X)
#undef X
	AGENT_METHOD__MAX
};

enum agent_command {
#define X(name, wire, kind) AGENT_COMMAND_##name,
	AGENT_COMMANDS(X)
#undef X
	AGENT_COMMAND__MAX
};

enum {
#define X(name, number, text) AGENT_FAULT_##name = (number),
	AGENT_FAULTS(X)
#undef X
};

#endif /* !AGENT_RPC_H */
