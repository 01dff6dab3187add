/*
 * What an agent may ask for: a row a method, a function a row.  Each reads its
 * parameters by a table, asks storage or the engine under the attempt's own
 * tenant, thread, run and fence, and answers when that has.
 */
#include <string.h>

#include "asked.h"
#include "attempt_private.h"
#include "crash.h"
#include "json.h"

/* ---- checkpoints ---------------------------------------------------------- */

struct put_members {
	const char *ns, *checkpoint_id, *parent_id, *source, *key;
	const json_t *values, *changed, *removed;
	const json_t *next, *tasks, *interrupts, *metadata, *step;
};

static const struct json_member put_members[] = {
	{ "ns", JSON_KIND_TEXT, JSON_NULLABLE, offsetof(struct put_members, ns),
	    0, 512 },
	{ "checkpoint_id", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct put_members, checkpoint_id), 0, UUID_SIZE - 1 },
	{ "parent_id", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct put_members, parent_id), 0, UUID_SIZE - 1 },
	{ "source", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct put_members, source), 0, 16 },
	{ "key", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct put_members, key), 0, STORAGE_KEY_MAX },
	{ "values", JSON_KIND_OBJECT, JSON_NULLABLE,
	    offsetof(struct put_members, values), 0, 0 },
	{ "changed", JSON_KIND_OBJECT, JSON_NULLABLE,
	    offsetof(struct put_members, changed), 0, 0 },
	{ "removed", JSON_KIND_ARRAY, JSON_NULLABLE,
	    offsetof(struct put_members, removed), 0, 0 },
	{ "next", JSON_KIND_ARRAY, JSON_NULLABLE,
	    offsetof(struct put_members, next), 0, 0 },
	{ "tasks", JSON_KIND_ARRAY, JSON_NULLABLE,
	    offsetof(struct put_members, tasks), 0, 0 },
	{ "interrupts", JSON_KIND_ARRAY, JSON_NULLABLE,
	    offsetof(struct put_members, interrupts), 0, 0 },
	{ "metadata", JSON_KIND_OBJECT, JSON_NULLABLE,
	    offsetof(struct put_members, metadata), 0, 0 },
	{ "step", JSON_KIND_OBJECT, JSON_NULLABLE,
	    offsetof(struct put_members, step), 0, 0 },
};

/* The state after what changed; borrowed values where it is sent whole. */
static json_t *
put_values(const struct attempt *a, const struct put_members *m)
{
	json_t *values;
	size_t i;

	if (m->values != NULL)
		return json_incref((json_t *)(uintptr_t)m->values);
	values = json_copy(a->values);
	if (m->changed != NULL)
		(void)json_object_update(values,
		    (json_t *)(uintptr_t)m->changed);
	for (i = 0; i < json_array_size(m->removed); i++) {
		const char *s =
		    json_string_value(json_array_get(m->removed, i));

		if (s != NULL)
			(void)json_object_del(values, s);
	}
	return values;
}

/* {node: what it changed}, as "updates" shows it. */
static json_t *
put_update(const json_t *step)
{
	const char *name = json_string_value(json_object_get(step, "name"));
	json_t *update = json_object_get(step, "update");

	if (name == NULL)
		return NULL;
	return json_pack("{s:O}", name, update != NULL ? update : json_null());
}

static void
put_done(void *arg, const struct storage_appended *r, const struct err *error)
{
	struct asked *q = arg;

	CRASH_POINT();
	(void)r;
	asked_answer(q, json_incref(q->keep), error);
}

/* Sources that an agent may name: the others are a person's. */
static int
put_source_is_right(const char *source)
{
	return source == NULL || strcmp(source, "loop") == 0 ||
	       strcmp(source, "input") == 0;
}

static int
put_ask(struct attempt *a, const struct attempt_put *p, struct asked *q,
    struct err *e)
{
	if (q == NULL)
		return -1;
	if (attempt_put(a, p, put_done, q, e) == -1)
		return -1;
	q->keep = json_pack("{s:s}", "checkpoint_id", a->checkpoint_id);
	return 0;
}

static void
call_checkpoint_put(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	struct put_members m = { 0 };
	autojson *values = NULL, *update = NULL;
	struct asked *q;
	struct attempt_put p;
	struct err e;

	CRASH_POINT();
	if (json_object_get(params, "versions") != NULL) {
		attempt_graph_put(a, params, call);
		return;
	}
	q = asked_new(a, call);
	if (json_read(params, put_members, countof(put_members), &m, &e) ==
		-1 ||
	    (!put_source_is_right(m.source) &&
		err_set(&e, ERR_INVALID, "\"source\" must be loop or input") ==
		    -1) ||
	    (m.checkpoint_id != NULL && !uuid_valid(m.checkpoint_id) &&
		err_set(&e, ERR_INVALID, "\"checkpoint_id\" must be a UUID") ==
		    -1)) {
		asked_fail(q, call, &e);
		return;
	}
	values = put_values(a, &m);
	update = put_update(m.step);
	p = (struct attempt_put){ .ns = m.ns,
		.checkpoint_id = m.checkpoint_id,
		.parent_id = m.parent_id,
		.source = m.source != NULL ? m.source : "loop",
		.key = m.key,
		.values = values,
		.next = m.next,
		.tasks = m.tasks,
		.interrupts = m.interrupts,
		.metadata = m.metadata,
		.update = update };
	if (put_ask(a, &p, q, &e) == -1)
		asked_fail(q, call, &e);
}

struct get_members {
	const char *thread_id, *ns, *checkpoint_id, *before;
	const json_t *metadata;
	int64_t limit;
	int channels;
};

static const struct json_member get_members[] = {
	{ "ns", JSON_KIND_TEXT, JSON_NULLABLE, offsetof(struct get_members, ns),
	    0, 512 },
	{ "checkpoint_id", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct get_members, checkpoint_id), 0, UUID_SIZE - 1 },
	{ "before", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct get_members, before), 0, UUID_SIZE - 1 },
	{ "metadata", JSON_KIND_OBJECT, JSON_NULLABLE,
	    offsetof(struct get_members, metadata), 0, 0 },
	{ "limit", JSON_KIND_WHOLE, JSON_NULLABLE,
	    offsetof(struct get_members, limit), 1, STORAGE_LIMIT_MAX },
	{ "channels", JSON_KIND_FLAG, JSON_NULLABLE,
	    offsetof(struct get_members, channels), 0, 0 },
};

static void
got_checkpoint(void *arg, const struct storage_checkpoint *c,
    const struct err *error)
{
	if (error != NULL && error->code == ERR_NOT_FOUND)
		asked_answer(arg, json_object(), NULL);
	else
		asked_answer(arg, c != NULL ? attempt_checkpoint_json(c) : NULL,
		    error);
}

/* With what the agent itself put in it. */
static void
got_graph(void *arg, const struct storage_checkpoint *c,
    const struct err *error)
{
	struct asked *q = arg;
	json_t *j;
	struct err e;

	if (c == NULL || !attempt_lives(q->attempt)) {
		got_checkpoint(arg, c, error);
		return;
	}
	j = attempt_graph_json(q->attempt, c, &e);
	asked_answer(q, j, j != NULL ? NULL : &e);
}

static void
call_checkpoint_get(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	struct get_members m = { 0 };
	struct asked *q = asked_new(a, call);
	struct err e;

	if (q == NULL ||
	    json_read(params, get_members, countof(get_members), &m, &e) ==
		-1 ||
	    storage_checkpoint_get(a->host->storage,
		&(struct storage_checkpoint_get_request){ .tenant =
							      a->run->tenant,
		    .thread_id = a->run->thread_id,
		    .ns = m.ns,
		    .checkpoint_id = m.checkpoint_id,
		    .full = m.channels },
		m.channels ? got_graph : got_checkpoint, q, &e) == -1)
		asked_fail(q, call, &e);
}

static void
got_checkpoints(void *arg, const struct storage_checkpoints *r,
    const struct err *error)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; r != NULL && i < r->rows.n; i++)
		(void)json_array_append_new(list,
		    attempt_checkpoint_json(&r->rows.v[i]));
	asked_answer(arg, json_pack("{s:o}", "checkpoints", list), error);
}

static void
call_checkpoint_list(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	struct get_members m = { 0 };
	struct asked *q = asked_new(a, call);
	autofree char *metadata = NULL;
	struct err e;

	if (q == NULL ||
	    json_read(params, get_members, countof(get_members), &m, &e) ==
		-1 ||
	    (m.metadata != NULL &&
		json_text(m.metadata, &metadata, NULL, &e) == -1) ||
	    storage_checkpoint_list(a->host->storage,
		&(struct storage_checkpoint_list_request){ .tenant =
							       a->run->tenant,
		    .thread_id = a->run->thread_id,
		    .ns = m.ns,
		    .before = m.before,
		    .metadata = metadata,
		    .limit = m.limit },
		got_checkpoints, q, &e) == -1)
		asked_fail(q, call, &e);
}

static void
call_checkpoint_delete(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	struct asked *q = asked_new(a, call);
	struct err e;

	(void)params;
	if (q == NULL || storage_checkpoint_delete(a->host->storage,
			     &(struct storage_checkpoint_delete_request){
				 .tenant = a->run->tenant,
				 .thread_id = a->run->thread_id,
				 .run_id = a->run->run_id,
				 .fence = a->run->fence },
			     asked_none, q, &e) == -1)
		asked_fail(q, call, &e);
	else
		a->checkpoint_id[0] = '\0';
}

/* ---- people --------------------------------------------------------------- */

/* One that is asked: {id, value, task: {id, name}}. */
static int
interrupt_is_right(const json_t *x)
{
	const json_t *task = json_object_get(x, "task");
	const char *id = json_string_value(json_object_get(x, "id"));

	return id != NULL && strlen(id) == 32 &&
	       strspn(id, "0123456789abcdef") == 32 &&
	       json_object_get(x, "value") != NULL &&
	       json_is_string(json_object_get(task, "id")) &&
	       json_is_string(json_object_get(task, "name"));
}

/* The task of that id in a list of tasks as a state shows them. */
static json_t *
task_of(json_t *tasks, json_t *task)
{
	const json_t *id = json_object_get(task, "id");
	size_t i;
	json_t *t;

	json_array_foreach(tasks, i,
	    t) if (json_equal(json_object_get(t, "id"), id)) return t;
	t = json_pack("{s:O, s:O, s:n, s:[], s:[s, O], s:n, s:n, s:n}", "id",
	    id, "name", json_object_get(task, "name"), "error", "interrupts",
	    "path", "__pregel_pull", json_object_get(task, "name"),
	    "checkpoint", "state", "result");
	if (t != NULL)
		(void)json_array_append_new(tasks, t);
	return t;
}

/*
 * From what is asked, what a state shows: tasks with their interrupts, and
 * for the thread {task id: [{id, value}]}.
 */
static int
interrupt_places(const json_t *asked, const json_t *next, json_t *tasks,
    json_t *by_task, json_t *all, struct err *e)
{
	size_t i;
	json_t *x;

	json_array_foreach((json_t *)(uintptr_t)next, i, x)
	{
		if (!json_is_string(json_object_get(x, "id")) ||
		    !json_is_string(json_object_get(x, "name")))
			return err_set(e, ERR_INVALID,
			    "\"next\" must be a list of {id, name}");
		(void)task_of(tasks, x);
		(void)json_object_set_new(by_task,
		    json_string_value(json_object_get(x, "id")), json_array());
	}
	json_array_foreach((json_t *)(uintptr_t)asked, i, x)
	{
		json_t *task, *list, *shown;
		const char *id;

		if (!interrupt_is_right(x))
			return err_set(e, ERR_INVALID,
			    "an interrupt must be {id, value, task}");
		task = task_of(tasks, json_object_get(x, "task"));
		shown = json_pack("{s:O, s:O}", "id", json_object_get(x, "id"),
		    "value", json_object_get(x, "value"));
		(void)json_array_append(json_object_get(task, "interrupts"),
		    shown);
		(void)json_array_append(all, shown);
		id = json_string_value(json_object_get(task, "id"));
		list = json_object_get(by_task, id);
		if (list == NULL) {
			list = json_array();
			(void)json_object_set_new(by_task, id, list);
		}
		(void)json_array_append_new(list, shown);
	}
	return 0;
}

struct interrupt_members {
	const json_t *interrupts, *values, *next;
	const char *key;
};

static const struct json_member interrupt_members[] = {
	{ "interrupts", JSON_KIND_ARRAY, JSON_REQUIRED,
	    offsetof(struct interrupt_members, interrupts), 0, 0 },
	{ "values", JSON_KIND_OBJECT, JSON_NULLABLE,
	    offsetof(struct interrupt_members, values), 0, 0 },
	{ "next", JSON_KIND_ARRAY, JSON_NULLABLE,
	    offsetof(struct interrupt_members, next), 0, 0 },
	{ "key", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct interrupt_members, key), 0, STORAGE_KEY_MAX },
};

/* The names of what comes next, as a state's "next" has them. */
static json_t *
task_names(const json_t *tasks)
{
	json_t *names = json_array();
	size_t i;

	for (i = 0; i < json_array_size(tasks); i++)
		(void)json_array_append(names,
		    json_object_get(json_array_get(tasks, i), "name"));
	return names;
}

/* Persisted before it is shown: the event is in the same transaction. */
static void
call_interrupt(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	struct interrupt_members m = { 0 };
	autojson *tasks = json_array(), *by_task = json_object();
	autojson *names = NULL, *all = json_array();
	struct asked *q;
	struct attempt_put p;
	struct err e;

	CRASH_POINT();
	if (json_object_get(params, "checkpoint_id") != NULL) {
		attempt_graph_interrupt(a, params, call);
		return;
	}
	q = asked_new(a, call);
	if (q == NULL ||
	    json_read(params, interrupt_members, countof(interrupt_members), &m,
		&e) == -1 ||
	    (json_array_size(m.interrupts) > ATTEMPT_INTERRUPTS_MAX &&
		err_set(&e, ERR_LIMIT, "more than %d interrupts at once",
		    ATTEMPT_INTERRUPTS_MAX) == -1) ||
	    interrupt_places(m.interrupts, m.next, tasks, by_task, all, &e) ==
		-1) {
		asked_fail(q, call, &e);
		return;
	}
	names = task_names(tasks);
	p = (struct attempt_put){ .source = "loop",
		.key = m.key,
		.values = m.values,
		.next = names,
		.tasks = tasks,
		.interrupts = all };
	if (put_ask(a, &p, q, &e) == -1) {
		asked_fail(q, call, &e);
		return;
	}
	json_decref(a->interrupts);
	a->interrupts = json_incref(by_task);
}

/* ---- the journal ---------------------------------------------------------- */

struct journal_members {
	const char *key;
	const json_t *value;
};

static const struct json_member journal_members[] = {
	{ "key", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct journal_members, key), 0, STORAGE_KEY_MAX },
	{ "value", JSON_KIND_ANY, 0, offsetof(struct journal_members, value), 0,
	    0 },
};

static json_t *
journal_json(const struct storage_journal *r)
{
	json_t *value = NULL;

	if (r == NULL || !r->found)
		return json_pack("{s:b}", "found", 0);
	if (json_parse(r->data.data, r->data.size, NULL, &value, NULL) == -1)
		return NULL;
	return json_pack("{s:b, s:o}", "found", 1, "value", value);
}

static void
journal_put_done(void *arg, const struct storage_journal *r,
    const struct err *error)
{
	asked_answer(arg, journal_json(r), error);
}

static void
call_journal_put(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	struct journal_members m = { .value = json_null() };
	struct asked *q = asked_new(a, call);
	autofree char *text = NULL;
	size_t n;
	struct err e;

	CRASH_POINT();
	if (q == NULL ||
	    json_read(params, journal_members, countof(journal_members), &m,
		&e) == -1 ||
	    json_text(m.value, &text, &n, &e) == -1 ||
	    storage_journal_put(a->host->storage,
		&(struct storage_journal_put_request){ .tenant = a->run->tenant,
		    .run_id = a->run->run_id,
		    .fence = a->run->fence,
		    .key = m.key,
		    .type = "json",
		    .data = { text, n } },
		journal_put_done, q, &e) == -1)
		asked_fail(q, call, &e);
	else
		a->journaled++;
}

static int journal_look(struct asked *q, size_t chain, struct err *e);

/* Not in this run's: the runs before it in the execution are looked at. */
static void
journal_got(void *arg, const struct storage_journal *r, const struct err *error)
{
	struct asked *q = arg;
	size_t at = (size_t)json_integer_value(json_object_get(q->keep, "at"));
	struct err e;

	if ((error == NULL || error->code == ERR_NOT_FOUND) &&
	    (r == NULL || !r->found) && at > 0 && attempt_lives(q->attempt)) {
		if (journal_look(q, at - 1, &e) == -1)
			asked_answer(q, NULL, &e);
		return;
	}
	asked_answer(q, journal_json(r),
	    error != NULL && error->code == ERR_NOT_FOUND ? NULL : error);
}

static int
journal_look(struct asked *q, size_t chain, struct err *e)
{
	struct attempt *a = q->attempt;

	(void)json_object_set_new(q->keep, "at",
	    json_integer((json_int_t)chain));
	return storage_journal_get(a->host->storage,
	    &(struct storage_journal_get_request){ .tenant = a->run->tenant,
		.run_id = json_string_value(json_array_get(a->chain, chain)),
		.key = json_string_value(json_object_get(q->keep, "key")) },
	    journal_got, q, e);
}

static void
call_journal_get(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	struct journal_members m = { 0 };
	struct asked *q = asked_new(a, call);
	struct err e;

	if (q == NULL || json_read(params, journal_members,
			     countof(journal_members), &m, &e) == -1) {
		asked_fail(q, call, &e);
		return;
	}
	q->keep = json_pack("{s:s}", "key", m.key);
	if (journal_look(q, json_array_size(a->chain) - 1, &e) == -1)
		asked_fail(q, call, &e);
}

/* ---- other runs ----------------------------------------------------------- */

struct spawn_members {
	const char *assistant_id, *run_id;
	const json_t *input, *config, *context, *metadata;
};

static const struct json_member spawn_members[] = {
	{ "assistant_id", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct spawn_members, assistant_id), 0, 256 },
	{ "input", JSON_KIND_ANY, 0, offsetof(struct spawn_members, input), 0,
	    0 },
	{ "config", JSON_KIND_OBJECT, JSON_NULLABLE,
	    offsetof(struct spawn_members, config), 0, 0 },
	{ "context", JSON_KIND_OBJECT, JSON_NULLABLE,
	    offsetof(struct spawn_members, context), 0, 0 },
	{ "metadata", JSON_KIND_OBJECT, JSON_NULLABLE,
	    offsetof(struct spawn_members, metadata), 0, 0 },
};

static const struct json_member join_members[] = {
	{ "run_id", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct spawn_members, run_id), 0, UUID_SIZE - 1 },
};

static void
spawn_done(void *arg, const struct storage_run_made *r, const struct err *error)
{
	const struct storage_run *run = r != NULL ? &r->rows.v[0] : NULL;

	asked_answer(arg,
	    run != NULL ? json_pack("{s:s, s:s}", "run_id", run->run_id,
			      "thread_id", run->thread_id)
			: NULL,
	    error);
}

static json_t *
or_object(const json_t *j)
{
	return j != NULL ? json_incref((json_t *)(uintptr_t)j) : json_object();
}

static void
call_run_spawn(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	struct spawn_members m = { .input = json_null() };
	struct asked *q = asked_new(a, call);
	autojson *kwargs = NULL;
	autofree char *text = NULL, *metadata = NULL;
	struct err e;

	if (q == NULL || json_read(params, spawn_members,
			     countof(spawn_members), &m, &e) == -1) {
		asked_fail(q, call, &e);
		return;
	}
	kwargs = json_pack("{s:O, s:o, s:o, s:[s]}", "input", m.input, "config",
	    or_object(m.config), "context", or_object(m.context), "stream_mode",
	    "values");
	if (json_text(kwargs, &text, NULL, &e) == -1 ||
	    (m.metadata != NULL &&
		json_text(m.metadata, &metadata, NULL, &e) == -1) ||
	    engine_run_create(engine_attempt_engine(a->engine),
		&(struct storage_run_create_request){ .tenant = a->run->tenant,
		    .assistant_id = m.assistant_id,
		    .kwargs = text,
		    .metadata = metadata,
		    .parent_run_id = a->run->run_id,
		    .parent_fence = a->run->fence },
		spawn_done, q, &e) == -1)
		asked_fail(q, call, &e);
}

/* Only one's own children: whose end that is was asked first. */
static void
join_ended(void *arg, const struct storage_run *run, const struct err *error)
{
	struct asked *q = arg;
	struct err e = { .code = ERR_NOT_FOUND, .msg = "that run is gone" };
	json_t *output = NULL;

	TAILQ_REMOVE(&q->attempt->joins, q, next);

	if (run != NULL && run->output != NULL &&
	    json_parse(run->output, strlen(run->output), NULL, &output, &e) ==
		-1)
		output = NULL;
	if (run == NULL && error == NULL)
		error = &e;
	if (run != NULL && strcmp(run->status, "success") != 0) {
		(void)err_set(&e, ERR_CONFLICT, "the run ended as %s: %.300s",
		    run->status, run->error != NULL ? run->error : "");
		error = &e;
	}
	asked_answer(q, output != NULL ? output : json_null(), error);
}

static void
join_found(void *arg, const struct storage_run *run, const struct err *error)
{
	struct asked *q = arg;
	struct attempt *a = q->attempt;
	struct err e = { .code = ERR_NOT_FOUND, .msg = "no such child" };

	if (run == NULL || !attempt_lives(a) || run->parent_run_id == NULL ||
	    strcmp(run->parent_run_id, a->run->run_id) != 0)
		asked_answer(q, NULL, error != NULL ? error : &e);
	else if (engine_wait(engine_attempt_engine(a->engine), run->tenant,
		     run->run_id, join_ended, q, &q->waiter, &e) == -1)
		asked_answer(q, NULL, &e);
	else
		TAILQ_INSERT_TAIL(&a->joins, q, next);
}

void
attempt_joins_end(struct attempt *a)
{
	static const struct err gone = { .code = ERR_CONFLICT,
		.msg = "the run has ended" };
	struct asked *q;

	while ((q = TAILQ_FIRST(&a->joins)) != NULL) {
		TAILQ_REMOVE(&a->joins, q, next);
		engine_wait_cancel(q->waiter);
		asked_answer(q, NULL, &gone);
	}
}

static void
call_run_join(struct attempt *a, const json_t *params,
    struct session_call *call)
{
	struct spawn_members m = { 0 };
	struct asked *q = asked_new(a, call);
	struct err e;

	if (q == NULL ||
	    json_read(params, join_members, countof(join_members), &m, &e) ==
		-1 ||
	    storage_run_get(a->host->storage,
		&(struct storage_run_get_request){ .tenant = a->run->tenant,
		    .run_id = m.run_id },
		join_found, q, &e) == -1)
		asked_fail(q, call, &e);
}

/* ---- the table ------------------------------------------------------------- */

typedef void call_fn(struct attempt *a, const json_t *params,
    struct session_call *call);

static call_fn *const calls[AGENT_METHOD__MAX] = {
	[AGENT_CHECKPOINT_PUT] = call_checkpoint_put,
	[AGENT_CHECKPOINT_WRITES] = attempt_graph_writes,
	[AGENT_BLOB_PUT] = attempt_blob_put,
	[AGENT_BLOB_GET] = attempt_blob_get,
	[AGENT_CHECKPOINT_GET] = call_checkpoint_get,
	[AGENT_CHECKPOINT_LIST] = call_checkpoint_list,
	[AGENT_CHECKPOINT_DELETE_THREAD] = call_checkpoint_delete,
	[AGENT_JOURNAL_GET] = call_journal_get,
	[AGENT_JOURNAL_PUT] = call_journal_put,
	[AGENT_STORE_BATCH] = attempt_store_batch,
	[AGENT_INTERRUPT] = call_interrupt,
	[AGENT_EXEC] = attempt_exec,
	[AGENT_RUN_SPAWN] = call_run_spawn,
	[AGENT_RUN_JOIN] = call_run_join,
};

void
attempt_call(struct attempt *a, enum agent_method m, const json_t *params,
    struct session_call *call)
{
	calls[m](a, params, call);
}
