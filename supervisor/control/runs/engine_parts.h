/* engine_parts.h: what the files of the engine share. */
#ifndef ENGINE_PARTS_H
#define ENGINE_PARTS_H

#include <sys/queue.h>

#include "../storage/record.h"
#include "../storage/uuid.h"
#include "engine.h"

enum {
	ENGINE_BUCKETS = 1024,
	ENGINE_AGAIN_MS = 1000, /* after a failure that may pass */
};

TAILQ_HEAD(engine_attempts, engine_attempt);
TAILQ_HEAD(engine_calls, engine_call);
TAILQ_HEAD(engine_waiters, engine_waiter);
TAILQ_HEAD(engine_followers, engine_follower);

struct engine {
	struct loop *loop;
	struct storage *storage;
	struct engine_config config; /* without zeros */
	char holder[UUID_SIZE];

	struct engine_attempts attempts;
	size_t nattempts;
	struct engine_calls calls;
	struct engine_waiters waiters[ENGINE_BUCKETS]; /* by the run's id */
	struct engine_followers followers[ENGINE_BUCKETS]; /* by the id */

	struct loop_call *wake;
	struct loop_timer *due, *renew, *sweep, *patience;
	int recovered, claiming, wanted; /* wanted: claim again after this */
	int renewing, sweeping;
	int64_t runs_next, threads_next; /* where the looks go on */

	int draining;
	loop_fn *drained;
	void *drained_arg;
};

/*
 *	ALIVE --stop--> STOPPING --grace--> KILLING --given up--.
 *	  '---------------- ended -----------------------------> ENDING --> gone
 */
enum engine_phase {
	ENGINE_ALIVE,
	ENGINE_STOPPING,
	ENGINE_KILLING,
	ENGINE_ENDING, /* its end is being stored */
};

struct engine_attempt {
	TAILQ_ENTRY(engine_attempt) next;
	struct engine *en;
	struct hold hold;
	struct storage_run run;
	void *session; /* NULL: could not be started */
	enum engine_phase phase;
	enum engine_why why; /* from STOPPING on */
	int forfeited; /* a write was refused: lost on the next turn */
	struct loop_timer *timer; /* wall, grace, kill, again */
	struct storage_run_finish_request end; /* in the hold */
};

/*
 * An operation that is under way for a caller, for the engine, or for an
 * attempt: so that whoever goes first takes the answer with it.
 */
struct engine_call {
	TAILQ_ENTRY(engine_call) next;
	struct engine *en;
	struct engine_attempt *a; /* NULL: not an attempt's */
	void (*fn)(void); /* the caller's; NULL: nobody waits */
	void *arg;
};

must_check int engine_call_create(struct engine *en, struct engine_attempt *a,
    void (*fn)(void), void *arg, struct engine_call **ret, struct err *e);
void engine_call_destroy(struct engine_call *c); /* forgets the answer */

/* The calls of an attempt that goes. */
void engine_call_drop(struct engine *en, const struct engine_attempt *a);

/* Start what was claimed; takes nothing. */
void engine_attempt_begin(struct engine *en, const struct storage_claim *c);

struct engine_attempt *engine_attempt_find(struct engine *en,
    const char *tenant, const char *run_id, int64_t fence); /* 0: any */
void engine_attempt_stop(struct engine_attempt *a, enum engine_why why);

/* Its run is not ours any more: nothing can be stored for it. */
void engine_attempt_lost(struct engine_attempt *a);
void engine_attempt_forfeit(struct engine_attempt *a);
void engine_attempt_destroy(struct engine_attempt *a);

/* Something was committed; a run has ended (deleted: it is gone). */
void engine_watch_changed(struct engine *en, const char *tenant,
    const char *run_id, const char *thread_id);
void engine_watch_ended(struct engine *en, const struct storage_run *r);
void engine_watch_clear(struct engine *en);

/* What every answer with runs to stop and ended runs comes to. */
void engine_follow_up(struct engine *en, const struct storage_run *stop,
    size_t nstop, const struct storage_run *ended, size_t nended);

void engine_trouble(const struct engine *en, const char *what,
    const struct err *e);
void engine_gone(struct engine *en); /* an attempt is: drained? room? */

#endif /* !ENGINE_PARTS_H */
