/*
 * storage.h: what warder-control keeps: named operations on one database.
 *
 * The only way to the database: no SQL, no file and no thread of it is seen
 * outside supervisor/control/storage/.  Back ends differ behind it; this one
 * is SQLite (WAL, synchronous FULL).
 *
 *	loop's thread                        writer's thread, reader's thread
 *	storage_run_create(s, &q, fn, arg)
 *	  q copied, queued -------------->   BEGIN; SAVEPOINT each; COMMIT
 *	fn(arg, reply, NULL) <------------   replies, after the commit
 *
 * Commit before acknowledge: the writer takes all that is queued into one
 * transaction, commits it once, and answers then.  An operation that is
 * refused takes back its own changes alone.  A commit that fails fails all
 * of its operations, and after one that failed for the disk's sake (not for
 * want of space) nothing is written any more: see storage_failure().  Who was
 * told of a failure by the disk does not know the outcome; idempotency keys
 * are for that.  A read sees all that had been answered before it was asked.
 *
 * Every request names its tenant first, and no operation finds what belongs
 * to another: it is ERR_NOT_FOUND like what never was.  The few that work for
 * all tenants are the engine's and the operator's, and say so.
 *
 * Texts are UTF-8 without NUL; NULL is "absent".  JSON is text that json.h
 * wrote.  Times are milliseconds of the wall clock since 1970, for records
 * alone; what has to wait is measured on a clock that nobody sets
 * (storage_now_ms).  Ids are made here where a request leaves them NULL.
 */
#ifndef STORAGE_H
#define STORAGE_H

#include <stdint.h>

#include "err.h"
#include "loop.h"

enum {
	STORAGE_SCHEMA = 2, /* version of the database that this build makes */
	STORAGE_QUEUE_MAX = 4096, /* operations that wait */
	STORAGE_QUEUE_BYTES_MAX = 256 << 20, /* of their requests */
	STORAGE_BATCH_MAX = 256, /* operations in one transaction */
	STORAGE_LIMIT_MAX = 1000, /* rows of one answer */
	STORAGE_REPLY_BYTES_MAX = 64 << 20, /* of one answer */
	STORAGE_DEPTH_MAX = 8, /* runs inside runs */
	STORAGE_CHILDREN_MAX = 256, /* runs that one run starts */
	STORAGE_RUN_BYTES_MAX = 1 << 30, /* that a run's attempts write */
	STORAGE_LOSSES_MAX = 20, /* attempts that ended with their host */
	STORAGE_PENDING_MAX = 1000, /* runs waiting on one thread */
	STORAGE_LOOK_MAX = 1000, /* rows that one look for old ones reads */
	STORAGE_IDEMPOTENT_MS = 24 * 60 * 60 * 1000,
	STORAGE_TENANT_MAX = 40, /* bytes of a name: [a-z0-9-] */
	STORAGE_KEY_MAX = 512, /* bytes of a key of journal, store, client */
	STORAGE_NAMESPACE_MAX = 1024, /* bytes of all labels of a namespace */
};

/* clang-format off */
/*   name, unit, reason, one past it */
#define LIMITS_STORAGE(X) \
	X(STORAGE_QUEUE_MAX, "operations that wait", \
	    "a second's work of the disk", \
	    "refused: limit, to be tried again") \
	X(STORAGE_QUEUE_BYTES_MAX, "bytes of their requests", \
	    "memory that requests hold until they are durable", \
	    "refused: limit, to be tried again") \
	X(STORAGE_BATCH_MAX, "operations of one commit", \
	    "nobody waits for a transaction without end", \
	    "they are in the next commit") \
	X(STORAGE_LIMIT_MAX, "rows of an answer", \
	    "what the API's limit may say", \
	    "refused: invalid") \
	X(STORAGE_REPLY_BYTES_MAX, "bytes of an answer", \
	    "states are large, and are put together in memory", \
	    "refused: limit; ask for fewer rows") \
	X(STORAGE_DEPTH_MAX, "runs inside runs", \
	    "an agent that starts itself ends", \
	    "the run is not made: limit") \
	X(STORAGE_CHILDREN_MAX, "runs that a run starts", \
	    "more than a plan of work has parts", \
	    "the run is not made: limit") \
	X(STORAGE_RUN_BYTES_MAX, "bytes that a run stores", \
	    "checkpoints, events, journal and items of all its attempts", \
	    "what would exceed it is refused: limit") \
	X(STORAGE_LOSSES_MAX, "attempts that ended with their host", \
	    "a run that takes its host down must not do so for ever", \
	    "the run ends: error, RunLost") \
	X(STORAGE_PENDING_MAX, "runs that wait on a thread", \
	    "each is looked at when one before it ends", \
	    "the run is not made: limit") \
	X(STORAGE_LOOK_MAX, "rows of a look for old ones", \
	    "nobody waits for a long transaction", \
	    "the next look goes on there") \
	X(STORAGE_IDEMPOTENT_MS, "ms", \
	    "longer than any client tries again", \
	    "the key makes a new run") \
	X(STORAGE_TENANT_MAX, "bytes of a tenant's name", \
	    "it is a directory's name as well", \
	    "refused: invalid") \
	X(STORAGE_KEY_MAX, "bytes of a key", \
	    "it is part of an index", \
	    "refused: invalid") \
	X(STORAGE_NAMESPACE_MAX, "bytes of a namespace", \
	    "it is part of an index", \
	    "refused: limit")

/* clang-format on */

struct storage;

struct storage_blob {
	const void *data; /* NULL: absent */
	size_t size;
};

struct storage_texts {
	const char *const *v;
	size_t n;
};

/*
 * Records and requests are lists of fields, so that their structs, their
 * copies and the columns they are read from cannot differ:
 *
 *	T(name)		const char *name;
 *	N(name)		int64_t name;
 *	B(name)		struct storage_blob name;
 *	S(name)		struct storage_texts name;
 *	L(record, name)	struct { const struct storage_record *v; size_t n; }
 */

/* clang-format off */

/* ---- records: what is stored, as it is answered ---- */

#define STORAGE_RECORD_none(T, N, B, S, L) N(done)
#define STORAGE_RECORD_count(T, N, B, S, L) N(count)

#define STORAGE_RECORD_tenant(T, N, B, S, L) \
	T(tenant) N(created_at_ms)
#define STORAGE_RECORD_tenants(T, N, B, S, L) L(tenant, rows)

/* An API key.  The key itself is nowhere, its SHA-256 in hex is "hash". */
#define STORAGE_RECORD_key(T, N, B, S, L) \
	T(tenant) T(key_id) \
	T(name)			/* for people */ \
	T(role)			/* as the API gave it */ \
	T(hint)			/* the key's first digits, to tell them apart */ \
	N(created_at_ms) \
	N(expires_at_ms)	/* 0: never */ \
	N(revoked_at_ms)	/* 0: valid */
#define STORAGE_RECORD_keys(T, N, B, S, L) L(key, rows)

/* A deployed version of an agent; "name" is its graph id. */
#define STORAGE_RECORD_agent(T, N, B, S, L) \
	T(tenant) T(name) N(version) \
	T(digest)		/* of the tar, hex: what SPAWN names */ \
	T(policy_digest) \
	T(manifest)		/* agent.json */ \
	T(description)		/* what graph.describe said; NULL: not yet */ \
	N(created_at_ms)
#define STORAGE_RECORD_agents(T, N, B, S, L) L(agent, rows) N(total)

#define STORAGE_RECORD_assistant(T, N, B, S, L) \
	T(assistant_id) T(graph_id) N(version) \
	T(config) T(context) T(metadata) T(name) T(description) \
	N(created_at_ms) N(updated_at_ms)
#define STORAGE_RECORD_assistants(T, N, B, S, L) L(assistant, rows) N(total)

/*
 * A thread.  values, next and tasks are those of its newest checkpoint (NULL:
 * none); error and interrupts are of the run that ended last.
 */
#define STORAGE_RECORD_thread(T, N, B, S, L) \
	T(thread_id) T(status) \
	T(metadata) T(config) \
	N(created_at_ms) N(updated_at_ms) N(state_updated_at_ms) \
	T(error) T(interrupts) \
	N(ttl_ms)		/* 0: none */ \
	T(ttl_strategy)		/* delete, keep_latest */ \
	N(expires_at_ms) \
	T(checkpoint_id) T(values) T(next) T(tasks)
#define STORAGE_RECORD_threads(T, N, B, S, L) L(thread, rows) N(total)

/* A run.  "status" is one of state.h. */
#define STORAGE_RECORD_run(T, N, B, S, L) \
	T(tenant) T(run_id) T(thread_id) T(assistant_id) T(graph_id) \
	T(status) T(metadata) T(kwargs) T(multitask_strategy) \
	N(created_at_ms) N(updated_at_ms) \
	N(started_at_ms)	/* of the first attempt; 0: none yet */ \
	N(ended_at_ms)		/* 0: not yet */ \
	N(attempt)		/* that runs or ran last; 0: none yet */ \
	N(fence)		/* of that attempt */ \
	N(retries_left) N(losses) \
	N(wall_ms)		/* of an attempt; 0: the agent's own limit */ \
	N(temporary)		/* its thread goes with it */ \
	T(cancel)		/* asked: interrupt, rollback; NULL: no */ \
	T(cancel_reason) \
	T(error) T(output)	/* JSON, NULL: none */ \
	T(parent_run_id) T(root_run_id) N(depth) N(children) \
	N(stored_bytes)		/* written by its attempts so far */
#define STORAGE_RECORD_runs(T, N, B, S, L) L(run, rows) N(total)

/*
 * What to do after a run was made.  "stop" are running runs whose attempt has
 * to be ended (their cancel is stored); "ended" those that are over already.
 */
#define STORAGE_RECORD_run_made(T, N, B, S, L) \
	L(run, rows)		/* exactly one */ \
	N(made)			/* 0: the idempotency key was known */ \
	L(run, stop) L(run, ended)

/* The same for a cancel, a deleted thread: rows are what was asked for. */
#define STORAGE_RECORD_run_cut(T, N, B, S, L) \
	N(count) L(run, stop) L(run, ended)

/* A claimed run, its assistant and its agent: what an attempt starts from. */
#define STORAGE_RECORD_claim(T, N, B, S, L) \
	L(run, run)		/* exactly one */ \
	T(digest) T(manifest) T(config) T(context)
#define STORAGE_RECORD_claims(T, N, B, S, L) \
	L(claim, rows) \
	L(run, ended)		/* could not start: their agent is gone */ \
	N(wait_ms)		/* until the next is due; -1: none waits */

/* What an attempt's end made of its run. */
#define STORAGE_RECORD_run_end(T, N, B, S, L) \
	L(run, rows)		/* exactly one: as it was last */ \
	N(deleted)		/* rolled back: a tombstone is what is left */ \
	N(again)		/* pending: will be claimed again */

/* The engine's lease on a running attempt. */
#define STORAGE_RECORD_lease(T, N, B, S, L) T(tenant) T(run_id) N(fence)
#define STORAGE_RECORD_leases(T, N, B, S, L) L(lease, rows)
#define STORAGE_RECORD_recovery(T, N, B, S, L) \
	N(again) L(run, ended)

/* How many were removed; where the next look begins, 0: anew. */
#define STORAGE_RECORD_swept(T, N, B, S, L) N(count) N(next)

#define STORAGE_RECORD_tally(T, N, B, S, L) \
	N(pending) N(running) N(success) N(error) N(timeout) N(interrupted) \
	N(threads) N(assistants) N(bytes)

/*
 * An event of a run.  seq counts from 0 without gaps.  Names with "$" in
 * front record transitions ("$end"): they are for the log, not for clients.
 * STORAGE_EVENT_LOG is the one that an attempt may append.
 */
#define STORAGE_EVENT_LOG "$log"

#define STORAGE_RECORD_event(T, N, B, S, L) \
	N(seq) T(name) \
	T(ns)			/* labels joined by |, NULL: the root */ \
	T(data) N(at_ms)
#define STORAGE_RECORD_appended(T, N, B, S, L) N(first_seq) N(last_seq)
#define STORAGE_RECORD_events(T, N, B, S, L) \
	L(event, rows) \
	N(last_seq)		/* the newest there is; -1: none */ \
	N(gone)			/* the first that was asked for is not kept */ \
	T(status)		/* of the run; NULL: there is none any more */ \
	N(ended)		/* no event comes after last_seq */

/*
 * A channel of a checkpoint: opaque typed bytes under a version that the
 * agent chose.  An unchanged channel is not put again.
 */
#define STORAGE_RECORD_channel(T, N, B, S, L) \
	T(name) T(version) T(type) B(data)

/* A pending write of a task. */
#define STORAGE_RECORD_write(T, N, B, S, L) \
	T(task_id) N(idx) T(channel) T(type) B(data) T(task_path)

#define STORAGE_RECORD_checkpoint(T, N, B, S, L) \
	T(thread_id) T(ns) T(checkpoint_id) \
	T(parent_id)		/* NULL: the first */ \
	T(run_id)		/* NULL: an update of the state */ \
	T(metadata) \
	T(type) B(data)		/* the agent's own, without channels */ \
	T(versions)		/* JSON: {channel: version} */ \
	T(values)		/* the projection: JSON each */ \
	T(next) T(tasks) T(interrupts) \
	N(created_at_ms) \
	L(channel, channels) L(write, writes)
#define STORAGE_RECORD_checkpoints(T, N, B, S, L) L(checkpoint, rows)

#define STORAGE_RECORD_journal(T, N, B, S, L) \
	N(found) T(type) B(data)

#define STORAGE_RECORD_step(T, N, B, S, L) T(key) T(type) B(data)
#define STORAGE_RECORD_steps(T, N, B, S, L) L(step, rows)

#define STORAGE_RECORD_item(T, N, B, S, L) \
	S(ns) T(key) T(value) N(created_at_ms) N(updated_at_ms)
#define STORAGE_RECORD_items(T, N, B, S, L) L(item, rows)
#define STORAGE_RECORD_space(T, N, B, S, L) S(ns)
#define STORAGE_RECORD_spaces(T, N, B, S, L) L(space, rows)

/*
 * One of a batch: op is put, get, delete, search or list_namespaces; ns is the
 * prefix of the last two.  The others as in the requests of these.
 */
#define STORAGE_RECORD_item_op(T, N, B, S, L) \
	T(op) S(ns) S(suffix) T(key) T(value) T(filter) N(ttl_ms) \
	N(limit) N(offset) N(max_depth)
/* What one of them answered: of get, no item or one. */
#define STORAGE_RECORD_item_result(T, N, B, S, L) \
	T(op) L(item, items) L(space, spaces)
#define STORAGE_RECORD_item_results(T, N, B, S, L) L(item_result, rows)

#define STORAGE_RECORDS(X) \
	X(none) X(count) \
	X(tenant) X(tenants) X(key) X(keys) X(agent) X(agents) \
	X(assistant) X(assistants) X(thread) X(threads) \
	X(run) X(runs) X(run_made) X(run_cut) X(claim) X(claims) X(run_end) \
	X(lease) X(leases) X(recovery) X(swept) X(tally) \
	X(event) X(appended) X(events) \
	X(channel) X(write) X(checkpoint) X(checkpoints) \
	X(journal) X(step) X(steps) X(item) X(items) X(space) X(spaces) \
	X(item_op) X(item_result) X(item_results)

/* ---- requests ---- */

/*
 * limit 0 is 10, above STORAGE_LIMIT_MAX is refused.  sort_by names a field
 * as in the API, NULL: created_at; sort_order asc or desc (NULL).  metadata
 * and values are JSON objects of which a row must contain all members.
 */
#define STORAGE_PAGE(N) N(limit) N(offset)
#define STORAGE_SORT(T) T(sort_by) T(sort_order)

/* Does nothing where it is there. */
#define STORAGE_REQUEST_tenant_create(T, N, B, S, L) T(tenant)
/* For the operator: all of them. */
#define STORAGE_REQUEST_tenant_list(T, N, B, S, L) STORAGE_PAGE(N)

#define STORAGE_REQUEST_key_create(T, N, B, S, L) \
	T(tenant) T(hash) T(name) T(role) T(hint) N(expires_at_ms)
/* Whose key is it?  Revoked and expired ones are not found. */
#define STORAGE_REQUEST_key_find(T, N, B, S, L) T(hash)
#define STORAGE_REQUEST_key_list(T, N, B, S, L) T(tenant)
#define STORAGE_REQUEST_key_revoke(T, N, B, S, L) T(tenant) T(key_id)

/*
 * A new version, unless the newest has the same digest and policy.  Makes the
 * graph's own assistant, whose id is uuid5 of the name, or moves it on.
 */
#define STORAGE_REQUEST_agent_put(T, N, B, S, L) \
	T(tenant) T(name) T(digest) T(policy_digest) T(manifest)
#define STORAGE_REQUEST_agent_get(T, N, B, S, L) \
	T(tenant) T(name) N(version) /* 0: the newest */
/* The newest version of each. */
#define STORAGE_REQUEST_agent_list(T, N, B, S, L) T(tenant) STORAGE_PAGE(N)
#define STORAGE_REQUEST_agent_versions(T, N, B, S, L) \
	T(tenant) T(name) STORAGE_PAGE(N)
#define STORAGE_REQUEST_agent_describe(T, N, B, S, L) \
	T(tenant) T(name) N(version) T(description)

/* if_exists: raise (NULL; ERR_CONFLICT) or do_nothing.  No such graph:
 * ERR_NOT_FOUND. */
#define STORAGE_REQUEST_assistant_create(T, N, B, S, L) \
	T(tenant) T(assistant_id) T(graph_id) T(config) T(context) \
	T(metadata) T(name) T(description) T(if_exists)
/* assistant_id, here and below: a UUID or a graph id. */
#define STORAGE_REQUEST_assistant_get(T, N, B, S, L) T(tenant) T(assistant_id)
/* name: contained, letter case counts for nothing. */
#define STORAGE_REQUEST_assistant_search(T, N, B, S, L) \
	T(tenant) T(metadata) T(graph_id) T(name) STORAGE_PAGE(N) \
	STORAGE_SORT(T)
#define STORAGE_REQUEST_assistant_count(T, N, B, S, L) \
	T(tenant) T(metadata) T(graph_id) T(name)
/* NULL leaves a field as it is; metadata is merged, one level deep. */
#define STORAGE_REQUEST_assistant_patch(T, N, B, S, L) \
	T(tenant) T(assistant_id) T(graph_id) T(config) T(context) \
	T(metadata) T(name) T(description)
/* With delete_threads the threads whose metadata name it go as well. */
#define STORAGE_REQUEST_assistant_delete(T, N, B, S, L) \
	T(tenant) T(assistant_id) N(delete_threads)
#define STORAGE_REQUEST_assistant_versions(T, N, B, S, L) \
	T(tenant) T(assistant_id) T(metadata) STORAGE_PAGE(N)
#define STORAGE_REQUEST_assistant_latest(T, N, B, S, L) \
	T(tenant) T(assistant_id) N(version)

/* ttl_strategy: delete (NULL) or keep_latest; ttl_ms 0: none. */
#define STORAGE_REQUEST_thread_create(T, N, B, S, L) \
	T(tenant) T(thread_id) T(metadata) T(if_exists) \
	N(ttl_ms) T(ttl_strategy)
#define STORAGE_REQUEST_thread_get(T, N, B, S, L) T(tenant) T(thread_id)
#define STORAGE_REQUEST_thread_search(T, N, B, S, L) \
	T(tenant) T(metadata) T(values) S(ids) T(status) STORAGE_PAGE(N) \
	STORAGE_SORT(T)
#define STORAGE_REQUEST_thread_count(T, N, B, S, L) \
	T(tenant) T(metadata) T(values) T(status)
/* NULL: as it is; ttl_ms 0 as it is, -1 none. */
#define STORAGE_REQUEST_thread_patch(T, N, B, S, L) \
	T(tenant) T(thread_id) T(metadata) N(ttl_ms) T(ttl_strategy)
/* With its runs, events and checkpoints; "stop" are those that ran. */
#define STORAGE_REQUEST_thread_delete(T, N, B, S, L) T(tenant) T(thread_id)
/* Checkpoints and metadata, not the runs. */
#define STORAGE_REQUEST_thread_copy(T, N, B, S, L) \
	T(tenant) T(thread_id) T(new_thread_id)
/* strategy: delete, or keep_latest (of each namespace).  Busy ones stay. */
#define STORAGE_REQUEST_thread_prune(T, N, B, S, L) \
	T(tenant) S(thread_ids) T(strategy)
#define STORAGE_REQUEST_thread_size(T, N, B, S, L) T(tenant) T(thread_id)
/* For all tenants: what outlived its ttl, at most limit; busy ones wait. */
#define STORAGE_REQUEST_thread_expire(T, N, B, S, L) N(limit)
/*
 * For all tenants: threads that nothing has changed since then, with all that
 * is in them; busy ones stay.  At most limit, behind the "next" of the last
 * look.
 */
#define STORAGE_REQUEST_thread_forget(T, N, B, S, L) \
	N(changed_before_ms) N(after) N(limit)

/*
 * A run.  thread_id NULL: a temporary thread of its own, and "temporary"
 * says whether it goes when the run has ended.  if_not_exists: reject (NULL)
 * or create, of the thread.  multitask_strategy, where the thread has a
 * pending or running run:
 *	reject		ERR_CONFLICT
 *	enqueue		(NULL) waits for them, first come first served
 *	interrupt	those are cancelled, what they stored stays
 *	rollback	those are cancelled and deleted with what they stored
 * With an idempotency_key a second request with the same body_digest is
 * answered by the first one's run; with another, ERR_CONFLICT; "recall" makes
 * none, where the key is new it is ERR_NOT_FOUND.  answers: a JSON list of
 * interrupts; one that the thread does not wait for any more is ERR_INVALID,
 * one that another run of the thread, not yet over, answers by the "answers"
 * of its kwargs ERR_CONFLICT, unless multitask_strategy cancels that one.
 * A child (parent_run_id) needs the fence of its parent's attempt.
 */
#define STORAGE_REQUEST_run_create(T, N, B, S, L) \
	T(tenant) T(thread_id) T(run_id) T(assistant_id) T(kwargs) \
	T(metadata) T(thread_metadata) T(multitask_strategy) \
	T(if_not_exists) N(after_ms) N(temporary) N(retries) N(wall_ms) \
	T(idempotency_key) T(body_digest) N(recall) T(answers) \
	T(parent_run_id) N(parent_fence) N(queue_max)
/* thread_id, here and below: NULL is any. */
#define STORAGE_REQUEST_run_get(T, N, B, S, L) \
	T(tenant) T(thread_id) T(run_id)
/* Newest first, sort_order asc: oldest first. */
#define STORAGE_REQUEST_run_list(T, N, B, S, L) \
	T(tenant) T(thread_id) T(status) T(sort_order) STORAGE_PAGE(N)
/* Its events go, its checkpoints stay.  "stop": it was running. */
#define STORAGE_REQUEST_run_delete(T, N, B, S, L) \
	T(tenant) T(thread_id) T(run_id)
/*
 * action: interrupt (NULL) or rollback.  Either run_ids, or the status
 * (pending, running, all) of those meant.  Ended ones are left alone;
 * ERR_NOT_FOUND if a named one is not there.  What a run started, and what
 * that did, is cancelled with it by the same action; with one that is deleted
 * it is interrupted.  Who is being cancelled starts nothing more.
 */
#define STORAGE_REQUEST_run_cancel(T, N, B, S, L) \
	T(tenant) T(thread_id) S(run_ids) T(status) T(action) T(reason)

/* ---- the engine's, for all tenants ---- */

/*
 * At start, before the first claim: this process, named by holder, is the
 * only one.  Whatever another holder had running is void: pending again, or
 * ended if it was to be cancelled or was lost too often.  Temporary threads
 * without a run to come are deleted.
 */
#define STORAGE_REQUEST_run_recover(T, N, B, S, L) T(holder)
/*
 * Up to limit runs that are due and first of their thread.  A place goes to
 * the tenant that has the fewest, of those the one who waits longest; none
 * has more than tenant_max (0: any number).
 */
#define STORAGE_REQUEST_run_claim(T, N, B, S, L) \
	T(holder) N(lease_ms) N(limit) N(tenant_max)
/* Replies with those that are not ours (any more). */
#define STORAGE_REQUEST_run_renew(T, N, B, S, L) \
	T(holder) N(lease_ms) L(lease, leases)
/* Leases that nobody renewed: as recovery does. */
#define STORAGE_REQUEST_run_expire(T, N, B, S, L) T(holder)
/*
 * The attempt has ended; its events come before the end.  status: success,
 * error, timeout, interrupted, or lost (its host went: claimed again).  An
 * error with "retry" is pending again after backoff_ms while retries are
 * left.  A stored cancel decides over everything but success, and a rollback
 * over that too.  ERR_CONFLICT if the fence is not the newest.
 */
#define STORAGE_REQUEST_run_finish(T, N, B, S, L) \
	T(tenant) T(run_id) N(fence) T(status) T(error) T(output) \
	T(interrupts) N(retry) N(backoff_ms) L(event, events)
/*
 * Runs that ended before then, with journal and events, as if they had never
 * been; what they stored in their threads stays, and so do those whose
 * children are not over.  At most limit, behind the "next" of the last look.
 */
#define STORAGE_REQUEST_run_forget(T, N, B, S, L) \
	N(ended_before_ms) N(after) N(limit)
#define STORAGE_REQUEST_run_tally(T, N, B, S, L) T(tenant) /* NULL: all */

/* ---- of a running attempt: refused with another fence ---- */

#define STORAGE_REQUEST_event_append(T, N, B, S, L) \
	T(tenant) T(run_id) N(fence) L(event, events)
/* From after_seq + 1 (-1: all), up to limit rows or max_bytes of data. */
#define STORAGE_REQUEST_event_read(T, N, B, S, L) \
	T(tenant) T(run_id) N(after_seq) N(limit) N(max_bytes)
/* For all tenants: events of runs that ended before then, at most limit. */
#define STORAGE_REQUEST_event_expire(T, N, B, S, L) N(ended_before_ms) N(limit)

/*
 * Put a checkpoint, with the channels that changed and the writes that came
 * with it; what "versions" names besides must be stored already.  ns "" or
 * NULL is the root.  Without a run (an update of the state, a fork) the
 * thread must not be busy: ERR_CONFLICT.  The same id again replaces it.
 */
#define STORAGE_REQUEST_checkpoint_put(T, N, B, S, L) \
	T(tenant) T(thread_id) T(run_id) N(fence) \
	T(ns) T(checkpoint_id) T(parent_id) T(metadata) T(type) B(data) \
	T(versions) T(values) T(next) T(tasks) T(interrupts) \
	L(channel, channels) L(write, writes) L(event, events)
/*
 * Writes with a task_id and idx that are there are replaced.  next, tasks,
 * interrupts: what the checkpoint's are from now on; NULL: as they are, and
 * then the checkpoint need not be there yet.
 */
#define STORAGE_REQUEST_checkpoint_write(T, N, B, S, L) \
	T(tenant) T(thread_id) T(run_id) N(fence) T(ns) T(checkpoint_id) \
	L(write, writes) T(next) T(tasks) T(interrupts) L(event, events)
/* checkpoint_id NULL: the newest.  full: with channels and writes. */
#define STORAGE_REQUEST_checkpoint_get(T, N, B, S, L) \
	T(tenant) T(thread_id) T(ns) T(checkpoint_id) N(full)
/* Newest first, older than "before"; all namespaces where ns is NULL. */
#define STORAGE_REQUEST_checkpoint_list(T, N, B, S, L) \
	T(tenant) T(thread_id) T(ns) T(before) T(metadata) N(limit) N(full)
#define STORAGE_REQUEST_checkpoint_patch(T, N, B, S, L) \
	T(tenant) T(thread_id) T(ns) T(checkpoint_id) T(metadata)
/* All of the thread's. */
#define STORAGE_REQUEST_checkpoint_delete(T, N, B, S, L) \
	T(tenant) T(thread_id) T(run_id) N(fence)

#define STORAGE_REQUEST_journal_get(T, N, B, S, L) \
	T(tenant) T(run_id) T(key)
/* A key is written once: the second finds the first (found 1). */
#define STORAGE_REQUEST_journal_put(T, N, B, S, L) \
	T(tenant) T(run_id) N(fence) T(key) T(type) B(data)
#define STORAGE_REQUEST_journal_list(T, N, B, S, L) T(tenant) T(run_id)

/* ---- the store: namespaces of labels, keys, JSON objects ---- */

/* run_id and fence: of an attempt; NULL: a client's. */
#define STORAGE_REQUEST_item_put(T, N, B, S, L) \
	T(tenant) T(run_id) N(fence) S(ns) T(key) T(value) N(ttl_ms)
#define STORAGE_REQUEST_item_get(T, N, B, S, L) \
	T(tenant) S(ns) T(key) N(refresh_ttl)
#define STORAGE_REQUEST_item_delete(T, N, B, S, L) \
	T(tenant) T(run_id) N(fence) S(ns) T(key)
/* filter: {key: value} or {key: {$eq $ne $gt $gte $lt $lte: value}}. */
#define STORAGE_REQUEST_item_search(T, N, B, S, L) \
	T(tenant) S(ns) T(filter) STORAGE_PAGE(N)
/* "*" stands for any one label; max_depth 0: none. */
#define STORAGE_REQUEST_item_spaces(T, N, B, S, L) \
	T(tenant) S(prefix) S(suffix) N(max_depth) STORAGE_PAGE(N)
/*
 * In order, each seeing what those before it did; all or none: one that is
 * refused takes all back.  run_id and fence as in item_put.
 */
#define STORAGE_REQUEST_item_batch(T, N, B, S, L) \
	T(tenant) T(run_id) N(fence) L(item_op, ops)
#define STORAGE_REQUEST_item_expire(T, N, B, S, L) N(limit)

/* ---- the operator's ---- */

/* A whole copy, into a file that must not be there yet; for all tenants. */
#define STORAGE_REQUEST_backup(T, N, B, S, L) T(path)
/* Replies when the database has answered. */
#define STORAGE_REQUEST_check(T, N, B, S, L) N(nothing)

/*
 * name, lane (WRITE, READ, SIDE: long ones), record of the reply.  ERR_NOT_FOUND where the named
 * object is not there; ERR_INVALID for what no caller may send.
 */
#define STORAGE_OPS(X) \
	X(tenant_create, WRITE, none) \
	X(tenant_list, READ, tenants) \
	X(key_create, WRITE, key) \
	X(key_find, READ, key) \
	X(key_list, READ, keys) \
	X(key_revoke, WRITE, key) \
	X(agent_put, WRITE, agent) \
	X(agent_get, READ, agent) \
	X(agent_list, READ, agents) \
	X(agent_versions, READ, agents) \
	X(agent_describe, WRITE, none) \
	X(assistant_create, WRITE, assistant) \
	X(assistant_get, READ, assistant) \
	X(assistant_search, READ, assistants) \
	X(assistant_count, READ, count) \
	X(assistant_patch, WRITE, assistant) \
	X(assistant_delete, WRITE, run_cut) \
	X(assistant_versions, READ, assistants) \
	X(assistant_latest, WRITE, assistant) \
	X(thread_create, WRITE, thread) \
	X(thread_get, READ, thread) \
	X(thread_search, READ, threads) \
	X(thread_count, READ, count) \
	X(thread_patch, WRITE, thread) \
	X(thread_delete, WRITE, run_cut) \
	X(thread_copy, WRITE, thread) \
	X(thread_prune, WRITE, count) \
	X(thread_size, READ, count) \
	X(thread_expire, WRITE, count) \
	X(thread_forget, WRITE, swept) \
	X(run_create, WRITE, run_made) \
	X(run_get, READ, run) \
	X(run_list, READ, runs) \
	X(run_delete, WRITE, run_cut) \
	X(run_cancel, WRITE, run_cut) \
	X(run_recover, WRITE, recovery) \
	X(run_claim, WRITE, claims) \
	X(run_renew, WRITE, leases) \
	X(run_expire, WRITE, recovery) \
	X(run_finish, WRITE, run_end) \
	X(run_forget, WRITE, swept) \
	X(run_tally, READ, tally) \
	X(event_append, WRITE, appended) \
	X(event_read, READ, events) \
	X(event_expire, WRITE, count) \
	X(checkpoint_put, WRITE, appended) \
	X(checkpoint_write, WRITE, appended) \
	X(checkpoint_get, READ, checkpoint) \
	X(checkpoint_list, READ, checkpoints) \
	X(checkpoint_patch, WRITE, none) \
	X(checkpoint_delete, WRITE, none) \
	X(journal_get, READ, journal) \
	X(journal_put, WRITE, journal) \
	X(journal_list, READ, steps) \
	X(item_put, WRITE, none) \
	X(item_get, WRITE, item) \
	X(item_delete, WRITE, none) \
	X(item_search, READ, items) \
	X(item_spaces, READ, spaces) \
	X(item_batch, WRITE, item_results) \
	X(item_expire, WRITE, count) \
	X(backup, SIDE, none) \
	X(check, READ, none)

/* ---- what is made of the tables ---- */

#define STORAGE_FIELD_T(name) const char *name;
#define STORAGE_FIELD_N(name) int64_t name;
#define STORAGE_FIELD_B(name) struct storage_blob name;
#define STORAGE_FIELD_S(name) struct storage_texts name;
#define STORAGE_FIELD_L(record, name) \
	struct { \
		const struct storage_##record *v; \
		size_t n; \
	} name;
#define STORAGE_FIELDS(list) \
	list(STORAGE_FIELD_T, STORAGE_FIELD_N, STORAGE_FIELD_B, \
	    STORAGE_FIELD_S, STORAGE_FIELD_L)

#define X(record) \
	struct storage_##record { \
		STORAGE_FIELDS(STORAGE_RECORD_##record) \
	};
STORAGE_RECORDS(X)
#undef X

/*
 * struct storage_OP_request and
 *
 *	int storage_OP(struct storage *, const struct storage_OP_request *,
 *	    storage_OP_fn *, void *arg, struct err *);
 *
 * Copies the request and queues it; fn runs on the loop's thread, once, unless
 * storage_destroy() comes first: with the reply, borrowed until fn returns,
 * or with NULL and the error.  fn may be NULL.  ERR_LIMIT if too much waits.
 */
#define X(op, mode, record) \
	struct storage_##op##_request { \
		STORAGE_FIELDS(STORAGE_REQUEST_##op) \
	}; \
	typedef void storage_##op##_fn(void *arg, \
	    const struct storage_##record *reply, const struct err *error); \
	must_check int storage_##op(struct storage *s, \
	    const struct storage_##op##_request *q, storage_##op##_fn *fn, \
	    void *arg, struct err *e);
STORAGE_OPS(X)
#undef X

/* clang-format on */

struct storage_config {
	const char *path; /* of the database; its directory must be there */
	const char *vfs; /* SQLite's name of the files' layer; NULL: usual */
	int64_t cache_bytes; /* of pages, a connection; 0: 8 MiB */
	int log_pages; /* after which the log is brought home; 0: 1000 */

	/*
	 * Called once, on the loop's thread, when nothing can be written any
	 * more: the process should end and be started anew, which recovers
	 * what is on the disk.  Until then writes are refused (ERR_SYSTEM).
	 */
	void (*failed)(void *arg, const struct err *why);
	void *failed_arg;

	/*
	 * Called, on the loop's thread, when writes begin to be refused for a
	 * reason that is no request's, such as a full disk, and with NULL when
	 * one was stored again.  May be NULL.
	 */
	void (*trouble)(void *arg, const struct err *why);
	void *trouble_arg;
};

/*
 * Open, migrate to STORAGE_SCHEMA, and start the threads; blocks.  Refused:
 * ERR_UNSUPPORTED a database of a newer Warder, ERR_CORRUPT one that is
 * damaged or is not Warder's, ERR_CONFLICT one that another process has open.
 */
must_check int storage_create(struct loop *l, const struct storage_config *c,
    struct storage **ret, struct err *e);

/*
 * Carry out what is queued, stop the threads, close.  Replies that were not
 * delivered are dropped: their callbacks are not called.
 */
void storage_destroy(struct storage *s);

/*
 * What was asked for with this arg is carried out, but its callbacks are not
 * called any more: for whoever goes before the answer comes.
 */
void storage_forget(struct storage *s, const void *arg);

/* NULL, or why nothing can be written any more. */
const struct err *storage_failure(const struct storage *s);

/* NULL, or why the last write was refused, if for no request's sake. */
const struct err *storage_trouble(const struct storage *s);

/*
 * Milliseconds since 1970 as they were when the database was opened, and the
 * monotonic clock from there: what leases and due times are measured on.
 */
int64_t storage_now_ms(const struct storage *s);

/* Operations that wait or are carried out, on either thread. */
size_t storage_pending(const struct storage *s);

#endif /* !STORAGE_H */
