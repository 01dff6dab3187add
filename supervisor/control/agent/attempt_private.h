/* attempt_private.h: what the parts of an attempt share. */
#ifndef AGENT_ATTEMPT_PRIVATE_H
#define AGENT_ATTEMPT_PRIVATE_H

#include <jansson.h>
#include <sys/queue.h>

#include "attempt.h"
#include "blobs.h"
#include "supervisor/control/storage/uuid.h"

/* Modes of a stream that the host makes of checkpoints by itself. */
/* clang-format off */
#define ATTEMPT_MODES(X) \
	X(VALUES,      "values") \
	X(UPDATES,     "updates") \
	X(CHECKPOINTS, "checkpoints") \
	X(TASKS,       "tasks") \
	X(DEBUG,       "debug") \
	X(MESSAGES,    "messages") \
	X(TUPLE,       "messages-tuple") \
	X(CUSTOM,      "custom") \
	X(EVENTS,      "events")

/* clang-format on */

enum attempt_mode {
#define X(name, wire) ATTEMPT_MODE_##name,
	ATTEMPT_MODES(X)
#undef X
	ATTEMPT_MODE__MAX
};

struct asked; /* a call that waits for another run's end */
TAILQ_HEAD(attempt_joins, asked);
TAILQ_HEAD(attempt_waits, attempt_wait);
TAILQ_HEAD(attempt_execs, exec);

struct attempt {
	const struct attempt_host *host;
	struct engine_attempt *engine; /* NULL once it was released */
	const struct storage_run *run; /* the engine's */
	char *digest;
	json_t *kwargs, *manifest, *config, *context;
	unsigned modes; /* bits by enum attempt_mode */
	int subgraphs; /* events of inner graphs are wanted */

	/* what the agent is told, gathered while its jail starts */
	unsigned gathering; /* answers of storage that are awaited */
	int chosen; /* the checkpoint it is to begin with was asked for */
	struct err trouble; /* of gathering; code OK: none */
	json_t *checkpoint; /* the thread's newest, or the one chosen */
	json_t *chain; /* ids of the runs that are one execution */
	size_t chain_next; /* whose journal comes next */
	json_t *journal; /* [{key, value}] */
	size_t journal_bytes;
	size_t journaled; /* entries of this run's own */
	int journal_cut; /* there is more: the agent asks */
	json_t *input;
	json_t *answered; /* ids of the interrupts that this run resumes */

	void *jail; /* of host's; NULL: none (any more) */
	int exited;
	struct session *session;
	int started; /* run.start was sent */
	int ended; /* engine_end() was called */
	struct jails_limits limits;
	uint64_t output; /* bytes of its standard streams */
	uint64_t moved, moved_before; /* messages and lines */
	struct loop_timer *idle;
	struct jails_exit exit; /* where exited */
	int said_all; /* the session has ended */
	int is_plain; /* an agent without a socket */
	json_t *result; /* of an agent without a socket, until it has left */
	struct err lost; /* why the session ended without a result */
	int stopping; /* it was asked to end: */
	enum engine_why why;

	json_t *values; /* the thread's, as far as this attempt knows */
	char checkpoint_id[UUID_SIZE]; /* the newest; "": none */
	int is_put; /* it is this attempt's */
	int own_state; /* checkpoints are the agent's: none is made of its end */
	int own_base; /* the checkpoint it began with is the agent's own */
	struct blobs *blobs;
	int64_t step; /* of the newest */
	json_t *interrupts; /* {task id: [{id, value}]}, once asked */
	uint64_t logged, logged_bytes; /* lines; what they are as JSON */
	int log_is_full;

	struct attempt_waits waits; /* for the engine's answers */
	unsigned puts; /* checkpoints among them */
	int host_failed; /* the agent was refused what our disk lacked */
	int put_failed; /* the newest is not on the disk */
	int closing; /* the agent has answered: the end waits for these */
	json_t *final; /* the values that it answered with */
	struct attempt_joins joins;
	struct attempt_execs execs; /* commands beside it */
	unsigned nexecs, execs_total;

	unsigned refs; /* calls of storage and the engine that come back */
	int released;
};

/* Each callback of storage holds the attempt: take, then drop in it. */
struct attempt *attempt_ref(struct attempt *a);
void attempt_unref(struct attempt *a);

/* 1 while what the agent wants still counts. */
int attempt_lives(const struct attempt *a);

/*
 * What the engine has not answered yet.  It answers no more once it has
 * released the attempt: then fn is called with ERR_CONFLICT.
 */
struct attempt_wait;
must_check struct attempt_wait *attempt_wait_create(struct attempt *a,
    size_t bytes, storage_event_append_fn *fn, void *arg); /* fn may be NULL */
storage_event_append_fn attempt_waited; /* for the engine; arg: the wait */
void attempt_wait_destroy(struct attempt_wait *w); /* fn is not called */
void attempt_waits_end(struct attempt *a);

/* A checkpoint is durable, or cannot be. */
void attempt_put_done(struct attempt *a, int failed);

/* The attempt has failed, and says so once. */
void attempt_fail(struct attempt *a, const char *name, const char *message,
    int retry);
void attempt_end(struct attempt *a, const struct engine_end *end);

/* Something of the attempt was not stored: is it the host's fault? */
void attempt_note(struct attempt *a, const struct err *error);

/* attempt_begin.c: gather, then attempt_go_on() when all is there. */
must_check int attempt_gather(struct attempt *a, struct err *e);
void attempt_go_on(struct attempt *a);
must_check int attempt_start_params(struct attempt *a, json_t **ret,
    struct err *e);

/* attempt_state.c */
struct attempt_put {
	const char *ns; /* NULL: the root */
	const char *checkpoint_id, *parent_id; /* NULL: made here */
	const char *source; /* loop, input, update, fork */
	const char *key; /* of the place that made it; may be NULL */
	const json_t *values; /* whole; NULL: unchanged */
	const json_t *next, *tasks, *interrupts; /* arrays; NULL: empty */
	const json_t *metadata; /* the agent's own; may be NULL */
	const json_t *update; /* {node: what it changed}; may be NULL */
	int last; /* of the run: not needed where nothing has changed */
	int own; /* source, step and parents are as "metadata" says */
};

/* As it is stored; NULL without memory. */
json_t *attempt_metadata(const struct attempt *a, const struct attempt_put *p);

/*
 * Store a checkpoint with the events that it is for those who follow.  Its id
 * is in a->checkpoint_id then.  fn may be NULL.
 */
must_check int attempt_put(struct attempt *a, const struct attempt_put *p,
    storage_checkpoint_put_fn *fn, void *arg, struct err *e);

/* Store events that the agent made; only those that somebody asked for. */
void attempt_event(struct attempt *a, const json_t *params, size_t bytes);
void attempt_log(struct attempt *a, const char *from, const json_t *value);

/* attempt_calls.c */
void attempt_call(struct attempt *a, enum agent_method m, const json_t *params,
    struct session_call *call);

/* Whom it waits for may end later than itself: it waits no more. */
void attempt_joins_end(struct attempt *a);

/* attempt_graph.c: of an agent with a checkpointer of its own. */
void attempt_graph_put(struct attempt *a, const json_t *params,
    struct session_call *call);
void attempt_graph_writes(struct attempt *a, const json_t *params,
    struct session_call *call);
void attempt_graph_interrupt(struct attempt *a, const json_t *params,
    struct session_call *call);
void attempt_blob_put(struct attempt *a, const json_t *params,
    struct session_call *call);
void attempt_blob_get(struct attempt *a, const json_t *params,
    struct session_call *call);
/* With channels and writes; NULL and e. */
json_t *attempt_graph_json(struct attempt *a,
    const struct storage_checkpoint *c, struct err *e);

/* attempt_exec.c: "exec", and what the agent says of one that runs. */
void attempt_exec(struct attempt *a, const json_t *params,
    struct session_call *call);
void attempt_exec_more(struct attempt *a, const json_t *params);
void attempt_exec_kill(struct attempt *a, const json_t *params);

/* The run is to end, and they first; or it has, and they are forgotten. */
void attempt_execs_kill(struct attempt *a, enum spawn_why why);
void attempt_execs_end(struct attempt *a);

/* attempt_store.c */
void attempt_store_batch(struct attempt *a, const json_t *params,
    struct session_call *call);

/* JSON of a checkpoint as agents see it; NULL without memory. */
json_t *attempt_checkpoint_json(const struct storage_checkpoint *c);

#endif /* !AGENT_ATTEMPT_PRIVATE_H */
