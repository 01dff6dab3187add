/*
 * engine.h: which runs are carried out, when, and what becomes of them.
 *
 * Run by warder-control on its loop.  The engine claims due runs up to a
 * configured number, has each attempt started by a struct runs_starter, keeps
 * its lease, ends it in time or on request, and stores its outcome; it tells
 * waiters and followers what was committed.  All that must last is in
 * storage: an engine that is killed has lost nothing but attempts.
 *
 *	 API                 engine                       starter (a session)
 *	engine_run_create -> stored; claim ------------> start()
 *	engine_follow     <- woken <- engine_emit,     <- events, checkpoints
 *	                              engine_checkpoint
 *	engine_wait       <- stored end <- engine_end  <- result, failure, exit
 *	engine_run_cancel -> stored wish; stop() -------> run.cancel
 *	                      grace passed: kill() ------> KILL
 *
 * Each attempt has a fence; storage refuses what comes under an older one, so
 * an attempt that the engine gave up on can do no harm.  Times are measured
 * on the monotonic clock.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "../storage/storage.h"

enum {
	ENGINE_LEASE_MS = 30 * 1000,
	ENGINE_GRACE_MS = 5 * 1000, /* between stop() and kill() */
	ENGINE_KILL_MS = 10 * 1000, /* from kill() until it is given up */
	ENGINE_WALL_MS = 60 * 60 * 1000, /* of an attempt, where none is said */
	ENGINE_BACKOFF_MS = 500, /* before the first retry, doubled */
	ENGINE_BACKOFF_MAX_MS = 60 * 1000,
	ENGINE_SWEEP_MS = 5 * 1000, /* between looks at what expired */
	ENGINE_SWEEP_ROWS = 100, /* that one look removes of a kind */
	ENGINE_EVENTS_KEPT_MS = 120 * 1000, /* after the end of a run */
	ENGINE_RUNNING_MAX = 64, /* attempts at once, where none is said */
};

#define ENGINE_FOR_EVER UINT64_MAX

/* clang-format off */
#define LIMITS_ENGINE(X) \
	X(ENGINE_LEASE_MS, "ms", \
	    "a host that stands still for that long has lost its runs", \
	    "the run is pending again, and the attempt's writes are refused") \
	X(ENGINE_GRACE_MS, "ms", \
	    "an agent may store what it has when it is told to end", \
	    "its jail is killed") \
	X(ENGINE_KILL_MS, "ms", \
	    "longer than a jail takes to die", \
	    "the run ends without it: its writes are refused") \
	X(ENGINE_WALL_MS, "ms", \
	    "what nobody waits for any more must end by itself", \
	    "the attempt is ended: timeout") \
	X(ENGINE_BACKOFF_MAX_MS, "ms", \
	    "between retries, doubled each time", \
	    "the wait grows no more") \
	X(ENGINE_EVENTS_KEPT_MS, "ms after the end of a run", \
	    "a client comes back within minutes", \
	    "the events are gone, and a stream says so") \
	X(ENGINE_RUNNING_MAX, "attempts at once", \
	    "each is a jail", \
	    "further runs stay pending")

/* clang-format on */

struct engine;
struct engine_attempt;
struct engine_waiter;
struct engine_follower;

enum engine_why {
	ENGINE_WHY_INTERRUPT, /* cancelled; what it stored stays */
	ENGINE_WHY_ROLLBACK, /* cancelled and removed */
	ENGINE_WHY_TIMEOUT, /* its wall time is up */
	ENGINE_WHY_LOST, /* the fence is not ours any more */
	ENGINE_WHY_DRAIN, /* this process ends: it will be claimed again */
};

/*
 * Who starts attempts.  Every call comes from the loop; none may call
 * engine_end() before it has returned, but start() by failing.
 */
struct runs_starter {
	/*
	 * Begin to carry out the claim (borrowed until the return; what lasts
	 * is in engine_attempt_run()).  *ret_session is given to the other
	 * calls.  -1: the attempt has failed; retried where *e says that it
	 * may help (err_retry).
	 */
	int (*start)(void *arg, struct engine_attempt *a,
	    const struct storage_claim *claim, void **ret_session,
	    struct err *e);

	/* Ask it to end; why is told to the agent.  At most once. */
	void (*stop)(void *session, enum engine_why why);

	/* End it now.  At most once, also without stop() before. */
	void (*kill)(void *session, enum engine_why why);

	/*
	 * The attempt's end is stored, or the engine has given it up: it is
	 * called once for each session, after which neither uses the other.
	 */
	void (*release)(void *session);
};

struct engine_config {
	const struct runs_starter *starter; /* borrowed, as is arg */
	void *starter_arg;
	unsigned running_max; /* 0 here and below: the constants above */
	uint64_t lease_ms, grace_ms, kill_ms, wall_ms, backoff_ms, sweep_ms;
	uint64_t events_kept_ms; /* after a run's end; ENGINE_FOR_EVER */
	/* 0, unlike above: no bound, and for ever */
	unsigned running_tenant_max; /* attempts of one tenant at once */
	unsigned queue_max; /* pending runs of one tenant */
	uint64_t runs_kept_ms; /* after their end */
	uint64_t threads_kept_ms; /* that nothing has changed for so long */

	/*
	 * Nothing can be claimed or stored for a reason that is not a
	 * request's: log it.  May come more than once.
	 */
	void (*trouble)(void *arg, const char *what, const struct err *e);
	void *trouble_arg;
};

/*
 * Take over what an earlier process left (run_recover), then begin to claim.
 * The holder of leases is this engine's own random name.
 */
must_check int engine_create(struct loop *l, struct storage *s,
    const struct engine_config *c, struct engine **ret, struct err *e);

/*
 * Kill and release every session, and forget: nothing is stored for them, so
 * that the next engine claims them again.  Waiters and followers are dropped
 * without a call; destroy before the storage.
 */
void engine_destroy(struct engine *en);

/*
 * Claim nothing more; stop() every attempt with ENGINE_WHY_DRAIN after
 * "patience_ms", and call done(arg) when none is left.  A drained attempt is
 * pending again.
 */
must_check int engine_drain(struct engine *en, uint64_t patience_ms,
    loop_fn *done, void *arg, struct err *e);

/* Look for due runs; whoever made one by engine_run_create() need not. */
void engine_wake(struct engine *en);

size_t engine_running(const struct engine *en); /* attempts alive */

/* ---- for the API: as the storage's operations, and what follows ---- */

must_check int engine_run_create(struct engine *en,
    const struct storage_run_create_request *q, storage_run_create_fn *fn,
    void *arg, struct err *e);
must_check int engine_run_cancel(struct engine *en,
    const struct storage_run_cancel_request *q, storage_run_cancel_fn *fn,
    void *arg, struct err *e);
must_check int engine_run_delete(struct engine *en,
    const struct storage_run_delete_request *q, storage_run_delete_fn *fn,
    void *arg, struct err *e);
must_check int engine_thread_delete(struct engine *en,
    const struct storage_thread_delete_request *q, storage_thread_delete_fn *fn,
    void *arg, struct err *e);
must_check int engine_assistant_delete(struct engine *en,
    const struct storage_assistant_delete_request *q,
    storage_assistant_delete_fn *fn, void *arg, struct err *e);

/*
 * Call fn once, when the run has ended or where it has: with the run as it
 * is stored, or with NULL if it is gone (rolled back, deleted), or with NULL
 * and an error if nobody can know.  Not before engine_wait() has returned.
 * The handle is void once fn was called; engine_wait_cancel() before that.
 */
typedef void engine_wait_fn(void *arg, const struct storage_run *run,
    const struct err *error);
must_check int engine_wait(struct engine *en, const char *tenant,
    const char *run_id, engine_wait_fn *fn, void *arg,
    struct engine_waiter **ret, struct err *e);
void engine_wait_cancel(struct engine_waiter *w);

/*
 * Call fn whenever something was committed for this run or this thread (id
 * is either's): events, an end, a new run.  It reads from its own cursor;
 * several changes may be one call.
 */
must_check int engine_follow(struct engine *en, const char *tenant,
    const char *id, loop_fn *fn, void *arg, struct engine_follower **ret,
    struct err *e);
void engine_unfollow(struct engine_follower *f);

/* What belongs to no run was committed for a thread: its followers look. */
void engine_thread_changed(struct engine *en, const char *tenant,
    const char *thread_id);

/* ---- for the session of an attempt ---- */

/* The claimed run; valid until release(). */
const struct storage_run *engine_attempt_run(const struct engine_attempt *a);
struct engine *engine_attempt_engine(const struct engine_attempt *a);

/*
 * Append events; followers are woken when they are durable.  fn may be NULL.
 * ERR_CONFLICT in fn: the attempt has lost its run, kill() comes.
 */
must_check int engine_emit(struct engine_attempt *a,
    const struct storage_event *events, size_t n, storage_event_append_fn *fn,
    void *arg, struct err *e);

/* The same for a checkpoint; tenant, thread, run and fence are filled in. */
must_check int engine_checkpoint(struct engine_attempt *a,
    const struct storage_checkpoint_put_request *q,
    storage_checkpoint_put_fn *fn, void *arg, struct err *e);

/* The same for writes of tasks on a checkpoint that is there. */
must_check int engine_writes(struct engine_attempt *a,
    const struct storage_checkpoint_write_request *q,
    storage_checkpoint_write_fn *fn, void *arg, struct err *e);

/*
 * The attempt's end, as it says itself or as its jail ended.  Once; it is
 * stored together with the events, and release() comes when that is done.
 */
struct engine_end {
	const char *status; /* success, error, timeout, interrupted, lost */
	const char *output, *error, *interrupts; /* JSON or NULL */
	int retry; /* an error that may pass */
	int64_t backoff_ms; /* before the first retry; 0: the engine's own */
	const struct storage_event *events; /* the last ones */
	size_t nevents;
};

must_check int engine_end(struct engine_attempt *a,
    const struct engine_end *end, struct err *e);

#endif /* !ENGINE_H */
