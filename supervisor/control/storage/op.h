/*
 * op.h: what each operation of storage.h does, on a connection.
 *
 * Run by one of storage's threads inside a transaction: an operation that
 * fails returns -1, and whoever runs it takes its changes back.  What it
 * answers lies in the connection's hold.
 */
#ifndef OP_H
#define OP_H

#include "../runs/state.h"
#include "db.h"

/* clang-format off */
#define X(op, mode, record) \
	must_check int op_##op(struct db *d, \
	    const struct storage_##op##_request *q, \
	    struct storage_##record *r, struct err *e);
STORAGE_OPS(X)
#undef X

/* clang-format on */

/* ---- what several of them need ---- */

enum {
	OP_TEMPORARY_MS = 120 * 1000 /* what a temporary thread outlives */
};

/*
 * Of the tasks of a checkpoint (SQL), what they wait for, as a thread has it:
 * {task id: [{id, value}]}; NULL: nothing.
 */
#define OP_ASKED(tasks)                                           \
	"nullif(json_group_object(json_extract(t.value, '$.id')," \
	" json(json_extract(t.value, '$.interrupts'))), '{}')"    \
	" FROM json_each(ifnull(" tasks ", '[]')) t"              \
	" WHERE CASE WHEN t.type = 'object'"                      \
	" THEN json_type(t.value, '$.id') = 'text'"               \
	" AND json_array_length(t.value, '$.interrupts') > 0 ELSE 0 END"

/* ERR_INVALID unless it is a tenant's name. */
must_check int op_check_tenant(const char *tenant, struct err *e);

/* limit 0 becomes 10; ERR_INVALID outside 1 .. STORAGE_LIMIT_MAX. */
must_check int op_check_page(int64_t *limit, int64_t offset, struct err *e);

/* ERR_INVALID unless it is NULL or one of the n names. */
must_check int op_check_word(const char *what, const char *word,
    const char *const *names, size_t n, struct err *e);

/* ["a","b"], for json_each(). */
must_check int op_json_list(struct db *d, const struct storage_texts *t,
    const char **ret, struct err *e);

/*
 * For an ORDER BY that is one text for all fields and both directions: $a
 * becomes the field, $k whether it descends.
 */
must_check int op_order(struct db *d, const char *sort_by,
    const char *sort_order, const char *const *names, size_t n, struct err *e);

int op_not_found(const char *what, const char *id, struct err *e);

#ifdef __clang_analyzer__
/* As in err.h: it does not see that this returns -1. */
#	define op_not_found(...) (op_not_found(__VA_ARGS__), -1)
#endif

/* Statements of a helper take this record's fields for ":name" meanwhile. */
struct op_with {
	const struct record_shape *shape;
	const void *request;
};

struct op_with op_with(struct db *d, const struct record_shape *shape,
    const void *record);
void op_with_end(struct db *d, const struct op_with *w);

/* The assistant with this id, or of this graph: 1, 0, -1. */
must_check int op_assistant_find(struct db *d, const char *tenant,
    const char *id_or_graph, struct storage_assistant *ret, struct err *e);

/* A thread as it is answered; ERR_NOT_FOUND. */
must_check int op_thread_read(struct db *d, const char *tenant,
    const char *thread_id, struct storage_thread *ret, struct err *e);

must_check int op_thread_make(struct db *d, const char *tenant,
    const char *thread_id, const char *metadata, struct err *e);

/*
 * Remove a thread with all that is in it; runs that were running are added
 * to "stop", waiting ones to "ended".
 */
must_check int op_thread_remove(struct db *d, const char *tenant,
    const char *thread_id, struct storage_run_cut *cut, struct err *e);

/* 1 if it has a pending or running run. */
must_check int op_thread_busy(struct db *d, const char *tenant,
    const char *thread_id, int *ret, struct err *e);

/* The run, of that thread if one is named: 1, 0, -1. */
must_check int op_run_read(struct db *d, const char *tenant,
    const char *thread_id, const char *run_id, struct storage_run *ret,
    struct err *e);

/* Carry a run's event out; *r becomes what is stored. */
struct op_step {
	enum state_event event;
	const char *cancel; /* of CANCEL, ROLLBACK while it runs */
	const char *reason; /* for people */
	int64_t backoff_ms; /* of RETRY */
	const char *holder; /* of CLAIM */
	int64_t lease_ms;
	const char *interrupts; /* of INTERRUPT */
};

must_check int op_run_step(struct db *d, struct storage_run *r,
    const struct op_step *how, struct err *e);

/*
 * Cancel what this run started, and what that did, as far as it is not over:
 * by the action (NULL: interrupt), added to "stop" or "ended" (lists of runs).
 */
must_check int op_run_cancel_below(struct db *d,
    const struct storage_run *parent, const char *action, const char *reason,
    void *stop, void *ended, struct err *e);

/* Add a run to a list of a reply. */
void op_run_add(struct db *d, void *list, const struct storage_run *r);

/*
 * A write of an attempt: ERR_CONFLICT unless the fence is that of the
 * running attempt, whose stored bytes grow by "bytes"; thread_id: its thread,
 * NULL where none is meant.
 */
must_check int op_fence(struct db *d, const char *tenant, const char *thread_id,
    const char *run_id, int64_t fence, int64_t bytes, struct err *e);

/* Append events to a run's log. */
must_check int op_event_add(struct db *d, const char *tenant,
    const char *run_id, const struct storage_event *v, size_t n,
    struct storage_appended *ret, struct err *e);

/* The bytes that events, channels, writes count for. */
int64_t op_event_bytes(const struct storage_event *v, size_t n);

/* Remove what a run stored: its checkpoints and writes. */
must_check int op_checkpoint_undo(struct db *d, const struct storage_run *r,
    struct err *e);

/* The values of a checkpoint of the root namespace, as JSON text or NULL. */
must_check int op_checkpoint_values(struct db *d, const char *tenant,
    const char *thread_id, const char *checkpoint_id, const char **ret,
    struct err *e);

/* Keep the newest checkpoint of each namespace only. */
must_check int op_checkpoint_prune(struct db *d, const char *tenant,
    const char *thread_id, struct err *e);

must_check int op_checkpoint_copy(struct db *d, const char *tenant,
    const char *from_thread_id, const char *to_thread_id, struct err *e);

#endif /* !OP_H */
