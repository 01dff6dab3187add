/*
 * runs.c: something is run: at once or later, on a thread or without one.
 */
#include "runs.h"

#include <string.h>

#include "api.h"
#include "lookup.h"
#include "page.h"
#include "routes.h"
#include "shape.h"
#include "supervisor/control/runs/engine.h"
#include "supervisor/control/runs/state.h"
#include "supervisor/control/stream/follow.h"

enum {
	RUNS_BATCH_MAX = 100,
};

/* A request on its way to being a run. */
struct making {
	enum runs_way way;
	struct runs_body body;
	const char *thread_id; /* NULL: a temporary one */
	size_t next; /* of a batch */
	json_t *made; /* of a batch: the runs so far */
	struct err refused; /* why it is no answer */
	json_t *answers; /* ids of what it answers; NULL: nothing that waits */
};

static void
making_drop(void *state)
{
	struct making *m = state;

	json_decref(m->made);
	json_decref(m->answers);
	free(m);
}

static struct making *
making_create(struct request *r, enum runs_way way)
{
	struct making *m;

	if (way != RUNS_CREATE && request_may_stream(r) == -1)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (m == NULL) {
		request_fail(r, 503, ERR_SYSTEM, "no memory");
		return NULL;
	}
	m->way = way;
	m->thread_id = r->args.n > 0 ? r->args.text[0] : NULL;
	r->state = m;
	r->drop = making_drop;
	return m;
}

static void
answer_refused(struct request *r, const struct err *e)
{
	unsigned status =
	    e->code == ERR_INVALID ? 422 : (unsigned)err_http(e->code);

	request_fail(r, status, e->code, "%s", e->msg);
}

/* ---- made --------------------------------------------------------------------- */

static void
answer_run(struct request *r, const struct storage_run *run)
{
	autowriter w = { 0 };

	writer_init(&w, API_ANSWER_BYTES);
	shape_run(&w, run, NULL);
	request_written(r, 200, &w);
}

/* Where the run is: what clients go on from. */
static void
run_fields(struct request *r, const struct making *m, const char *run_id)
{
	const char *prefix = r->api->config.prefix;
	const char *thread = m->thread_id;
	const char *more = m->way == RUNS_WAIT ? "/join" : "/stream";

	if (thread != NULL)
		request_field(r, "Content-Location", "%s/threads/%s/runs/%s",
		    prefix, thread, run_id);
	else
		request_field(r, "Content-Location", "%s/runs/%s", prefix,
		    run_id);
	if (m->way == RUNS_CREATE)
		return;
	if (thread != NULL)
		request_field(r, "Location", "%s/threads/%s/runs/%s%s", prefix,
		    thread, run_id, more);
	else
		request_field(r, "Location", "%s/runs/%s%s", prefix, run_id,
		    more);
}

static void
answer_made(struct request *r, const struct storage_run *run)
{
	struct making *m = r->state;
	int cancels = runs_body_cancels(&m->body);

	run_fields(r, m, run->run_id);
	if (m->way == RUNS_CREATE)
		answer_run(r, run);
	else if (m->way == RUNS_WAIT)
		runs_answer_wait(r, run->run_id, cancels, 0);
	else
		runs_answer_follow(r,
		    &(struct follow_options){ .run_id = run->run_id,
			.after_seq = -1,
			.ids = m->thread_id != NULL || m->body.stream_resumable,
			.cancel = cancels });
}

static void
on_made(void *arg, const struct storage_run_made *made, const struct err *e)
{
	struct request *r = arg;
	const struct making *m = r->state;

	if (made != NULL)
		answer_made(r, &made->rows.v[0]);
	else if (e->code == ERR_NOT_FOUND)
		request_fail(r, 404, ERR_NOT_FOUND,
		    "No %s%s%sassistant found for \"%s\". Make sure the "
		    "assistant ID is for a valid assistant or a valid graph ID.",
		    m->thread_id != NULL ? "thread " : "",
		    m->thread_id != NULL ? m->thread_id : "",
		    m->thread_id != NULL ? ", or no " : "",
		    m->body.assistant_id);
	else
		answer_refused(r, e);
}

/* Ask for the run that a body describes; recall: only for one that is there. */
static int
ask_run(struct request *r, const struct making *m, int recall,
    storage_run_create_fn *fn, struct err *e)
{
	const struct runs_body *b = &m->body;
	int temporary = m->thread_id == NULL &&
			(b->on_completion == NULL ||
			    strcmp(b->on_completion, "delete") == 0 ||
			    strcmp(b->on_completion, "complete") == 0);
	autojson *kwargs = runs_body_kwargs(b, m->answers, temporary);
	char digest[SHA256_HEX_SIZE];

	sha256_hex(r->body_hash, digest);
	const struct storage_run_create_request q = {
		.tenant = r->who.tenant,
		.thread_id = m->thread_id,
		.assistant_id = b->assistant_id,
		.kwargs = request_json_text(r, kwargs, e),
		.metadata = request_json_text(r, b->metadata, e),
		.multitask_strategy = b->multitask_strategy,
		.if_not_exists = b->if_not_exists,
		.after_ms =
		    (int64_t)(json_number_value(b->after_seconds) * 1000),
		.temporary = temporary,
		.idempotency_key =
		    r->idempotency_key[0] != '\0' ? r->idempotency_key : NULL,
		.body_digest = r->idempotency_key[0] != '\0' ? digest : NULL,
		.recall = recall,
		.answers = request_json_text(r, m->answers, e),
	};

	if (kwargs == NULL && e->code == ERR_OK)
		return err_set(e, ERR_LIMIT, "no memory for a run");
	return e->code == ERR_OK
		   ? engine_run_create(r->api->engine, &q, fn, r, e)
		   : -1;
}

/* ---- making -------------------------------------------------------------------- */

static void
on_recalled(void *arg, const struct storage_run_made *made, const struct err *e)
{
	struct request *r = arg;
	const struct making *m = r->state;

	if (made == NULL && e->code == ERR_NOT_FOUND)
		answer_refused(r, &m->refused);
	else
		on_made(arg, made, e);
}

/*
 * What does not answer what waits is refused, unless it has answered it: a
 * client that repeats its request under the same key gets the same run.
 */
static int
check_resume(struct request *r, struct making *m,
    const struct storage_thread *t, struct err *e)
{
	if (runs_body_check_resume(&m->body, t, &m->refused) == 0) {
		m->answers = runs_body_answers(&m->body, t);
		return ask_run(r, m, 0, on_made, e);
	}
	if (r->idempotency_key[0] != '\0')
		return ask_run(r, m, 1, on_recalled, e);
	*e = m->refused;
	return -1;
}

static void
on_resumed(void *arg, const struct storage_thread *t, const struct err *e)
{
	struct request *r = arg;
	struct making *m = r->state;
	struct err why = { 0 };

	if (t == NULL)
		request_refused(r, e, "Thread", m->thread_id);
	else if (check_resume(r, m, t, &why) == -1)
		answer_refused(r, &why);
}

static int
is_resume(const struct runs_body *b)
{
	return json_object_get(b->command, "resume") != NULL;
}

/* What answers an interrupt is compared with what waits, first. */
static int
begin(struct request *r, struct making *m, struct err *e)
{
	const struct storage_thread_get_request q = {
		.tenant = r->who.tenant,
		.thread_id = m->thread_id,
	};

	if (runs_body_read(r->body, &m->body, e) == -1)
		return -1;
	if (!is_resume(&m->body) || !m->body.strict_resume)
		return ask_run(r, m, 0, on_made, e);
	if (m->thread_id == NULL)
		return err_set(e, ERR_INVALID,
		    "a run without a thread has nothing to resume");
	return storage_thread_get(r->api->storage, &q, on_resumed, r, e);
}

static void
make(struct request *r, enum runs_way way)
{
	struct making *m = making_create(r, way);
	struct err e = { 0 };

	if (m != NULL && begin(r, m, &e) == -1)
		answer_refused(r, &e);
}

void
runs_create(struct request *r)
{
	make(r, RUNS_CREATE);
}

void
runs_wait(struct request *r)
{
	make(r, RUNS_WAIT);
}

void
runs_stream(struct request *r)
{
	make(r, RUNS_STREAM);
}

/* ---- a batch: one after the other, all or as far as it goes ------------------------ */

static void batch_next(struct request *r);

static void
on_batched(void *arg, const struct storage_run_made *made, const struct err *e)
{
	struct request *r = arg;
	struct making *m = r->state;
	autowriter w = { 0 };
	json_t *run = NULL;
	char *text;
	size_t n;
	struct err why = { 0 };

	if (made == NULL) {
		on_made(arg, made, e);
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	shape_run(&w, &made->rows.v[0], NULL);
	text = writer_take(&w, &n, &why);
	if (text == NULL || json_parse(text, n, NULL, &run, &why) == -1 ||
	    json_array_append_new(m->made, run) == -1)
		answer_refused(r, &why);
	else
		batch_next(r);
	free(text);
}

static void
batch_next(struct request *r)
{
	struct making *m = r->state;
	const json_t *body = json_array_get(r->body, m->next++);
	struct err e = { 0 };

	if (body == NULL) {
		request_json(r, 200, json_incref(m->made));
		return;
	}
	/* what a body's texts were kept for is over */
	while (r->nkept > 0)
		free(r->kept[--r->nkept]);
	if (runs_body_read(body, &m->body, &e) == -1 ||
	    ask_run(r, m, 0, on_batched, &e) == -1)
		answer_refused(r, &e);
}

void
runs_batch(struct request *r)
{
	struct runs_body check;
	struct making *m;
	struct err e = { 0 };
	size_t i, n = json_array_size(r->body);

	if (!json_is_array(r->body) || n > RUNS_BATCH_MAX) {
		request_fail(r, 422, ERR_INVALID,
		    "an array of at most %d runs is wanted", RUNS_BATCH_MAX);
		return;
	}
	for (i = 0; i < n; i++)
		if (runs_body_read(json_array_get(r->body, i), &check, &e) ==
		    -1) {
			(void)err_wrap(&e, "run %zu", i);
			answer_refused(r, &e);
			return;
		}
	m = making_create(r, RUNS_CREATE);
	if (m == NULL)
		return;
	/* one key names one run */
	r->idempotency_key[0] = '\0';
	m->made = json_array();
	batch_next(r);
}

/* ---- looking ------------------------------------------------------------------------- */

/* The run of a path: threads/T/runs/R, or runs/R. */
static const char *
run_of(const struct request *r)
{
	return r->args.text[r->args.n - 1];
}

static const char *
thread_of(const struct request *r)
{
	return r->args.n > 1 ? r->args.text[0] : NULL;
}

static void
on_run(void *arg, const struct storage_run *run, const struct err *e)
{
	struct request *r = arg;

	if (run == NULL)
		request_refused(r, e, "Run", run_of(r));
	else
		answer_run(r, run);
}

static void
ask_for(struct request *r, storage_run_get_fn *fn)
{
	const struct storage_run_get_request q = {
		.tenant = r->who.tenant,
		.thread_id = thread_of(r),
		.run_id = run_of(r),
	};
	struct err e = { 0 };

	if (storage_run_get(r->api->storage, &q, fn, r, &e) == -1)
		request_error(r, &e);
}

void
runs_get(struct request *r)
{
	ask_for(r, on_run);
}

/* A thread without runs, or no thread. */
static void
on_runs_thread(void *arg, const struct storage_thread *t, const struct err *e)
{
	struct request *r = arg;

	if (t != NULL)
		request_json(r, 200, json_array());
	else
		request_refused(r, e, "Thread", r->args.text[0]);
}

static void
on_runs(void *arg, const struct storage_runs *l, const struct err *e)
{
	struct request *r = arg;
	const struct page *p = r->state;
	autowriter w = { 0 };
	size_t i;

	if (l == NULL) {
		request_refused(r, e, "Thread",
		    r->args.n > 0 ? r->args.text[0] : "");
		return;
	}
	page_fields(r, p, l->rows.n, l->total);
	if (l->total == 0 && r->args.n > 0) {
		lookup_thread(r, r->args.text[0], on_runs_thread);
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	writer_begin(&w, NULL, '[');
	for (i = 0; i < l->rows.n; i++)
		shape_run(&w, &l->rows.v[i], p->select);
	writer_end(&w, ']');
	request_written(r, 200, &w);
}

void
runs_list(struct request *r)
{
	struct page *p = request_state(r, sizeof(*p));
	const char *status;
	enum state state;
	struct err e = { 0 };

	if (p == NULL)
		return;
	p->limit = PAGE_LIMIT;
	if (query_whole(&r->query, "limit", 1, 1000, &p->limit, &e) == -1 ||
	    query_whole(&r->query, "offset", 0, INT32_MAX, &p->offset, &e) ==
		-1) {
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
		return;
	}
	p->select = page_select(r);
	status = query_get(&r->query, "status");
	if (status != NULL && status[0] != '\0' &&
	    state_parse(status, &state) == -1) {
		request_fail(r, 422, ERR_INVALID,
		    "status must be pending, running, success, error, timeout "
		    "or interrupted");
		return;
	}
	const struct storage_run_list_request q = {
		.tenant = r->who.tenant,
		.thread_id = r->args.n > 0 ? r->args.text[0] : NULL,
		.status = status != NULL && status[0] != '\0' ? status : NULL,
		.limit = p->limit,
		.offset = p->offset,
	};

	if (storage_run_list(r->api->storage, &q, on_runs, r, &e) == -1)
		request_error(r, &e);
}

static void
on_joined(void *arg, const struct storage_run *run, const struct err *e)
{
	struct request *r = arg;
	struct err why = { 0 };
	int cancel = 0;

	if (run == NULL)
		request_refused(r, e, "Run", run_of(r));
	else if (query_flag(&r->query, "cancel_on_disconnect", &cancel, &why) ==
		 -1)
		request_fail(r, 422, ERR_INVALID, "%s", why.msg);
	else
		runs_answer_wait(r, run_of(r), cancel, 1);
}

void
runs_join(struct request *r)
{
	if (request_may_stream(r) == 0)
		ask_for(r, on_joined);
}

/* Modes that were asked for, each a bit by "mode". */
static int
read_modes(struct request *r, unsigned (*mode)(const char *name), unsigned *ret,
    struct err *e)
{
	unsigned i;

	*ret = 0;
	for (i = 0; i < r->query.n; i++)
		/* some clients send an empty one for none */
		if (strcmp(r->query.params[i].name, "stream_mode") == 0 &&
		    r->query.params[i].value[0] != '\0') {
			unsigned m = mode(r->query.params[i].value);

			if (m == 0)
				return err_set(e, ERR_INVALID,
				    "there is no such stream_mode");
			*ret |= m;
		}
	return 0;
}

/* -1 or -: from the beginning; n: behind it; nothing: what comes now. */
static int64_t
read_cursor(const char *id, int64_t now, struct err *e)
{
	uint64_t n;

	if (id[0] == '\0')
		return now;
	if (strcmp(id, "-1") == 0 || strcmp(id, "-") == 0)
		return -1;
	if (text_parse_u64(id, INT64_MAX, &n, e) == -1) {
		(void)err_wrap(e, "Last-Event-ID");
		return now;
	}
	return (int64_t)n;
}

static void
on_streamed(void *arg, const struct storage_run *run, const struct err *e)
{
	struct request *r = arg;
	struct follow_options f = { .run_id = run_of(r), .ids = 1 };
	struct err why = { 0 };

	if (run == NULL) {
		request_refused(r, e, "Run", run_of(r));
		return;
	}
	f.after_seq = read_cursor(r->last_event_id, FOLLOW_NOW, &why);
	if (why.code != ERR_OK ||
	    read_modes(r, frame_mode, &f.modes, &why) == -1 ||
	    query_flag(&r->query, "cancel_on_disconnect", &f.cancel, &why) ==
		-1)
		request_fail(r, 422, ERR_INVALID, "%s", why.msg);
	else
		runs_answer_follow(r, &f);
}

void
runs_join_stream(struct request *r)
{
	if (request_may_stream(r) == 0)
		ask_for(r, on_streamed);
}

static void
on_logged(void *arg, const struct storage_run *run, const struct err *e)
{
	struct request *r = arg;
	struct follow_options f = { .run_id = run_of(r),
		.what = FRAME_LOG,
		.ids = 1 };
	struct err why = { 0 };
	int go_on = 0;

	if (run == NULL) {
		request_refused(r, e, "Run", run_of(r));
		return;
	}
	f.after_seq = read_cursor(r->last_event_id, -1, &why);
	if (why.code != ERR_OK ||
	    query_flag(&r->query, "follow", &go_on, &why) == -1) {
		request_fail(r, 422, ERR_INVALID, "%s", why.msg);
		return;
	}
	f.present = !go_on;
	runs_answer_follow(r, &f);
}

void
runs_logs(struct request *r)
{
	if (request_may_stream(r) == 0)
		ask_for(r, on_logged);
}

/* A state as a thread's stream shows it. */
static char *
state_text(const struct storage_checkpoint *c, struct err *e)
{
	autowriter w = { 0 };
	char *text;
	size_t n;

	writer_init(&w, API_ANSWER_BYTES);
	shape_state(&w, c->thread_id, c, NULL);
	text = writer_take(&w, &n, e);
	if (text != NULL)
		text[n - 1] = '\0'; /* in place of the line's end */
	return text;
}

static void
on_thread_streamed(void *arg, const struct storage_thread *t,
    const struct err *e)
{
	struct request *r = arg;
	struct follow_options f = { .thread_id = r->args.text[0],
		.after = r->last_event_id,
		.state = state_text,
		.ids = 1 };
	struct err why = { 0 };

	if (t == NULL)
		request_refused(r, e, "Thread", r->args.text[0]);
	else if (read_modes(r, frame_shown, &f.shown, &why) == -1)
		request_fail(r, 422, ERR_INVALID, "%s", why.msg);
	else
		runs_answer_follow(r, &f);
}

void
runs_thread_stream(struct request *r)
{
	if (request_may_stream(r) == 0)
		lookup_thread(r, r->args.text[0], on_thread_streamed);
}

/* ---- ending ---------------------------------------------------------------------------- */

static void
on_deleted(void *arg, const struct storage_run_cut *cut, const struct err *e)
{
	struct request *r = arg;

	if (cut == NULL)
		request_refused(r, e, "Run", run_of(r));
	else
		request_empty(r, 204);
}

void
runs_delete(struct request *r)
{
	const struct storage_run_delete_request q = {
		.tenant = r->who.tenant,
		.thread_id = thread_of(r),
		.run_id = run_of(r),
	};
	struct err e = { 0 };

	if (engine_run_delete(r->api->engine, &q, on_deleted, r, &e) == -1)
		request_error(r, &e);
}

static void
on_ended(void *arg, const struct storage_run *run, const struct err *e)
{
	(void)run;
	if (e != NULL)
		request_error(arg, e);
	else
		request_empty(arg, 204);
}

static void
on_cancelled(void *arg, const struct storage_run_cut *cut, const struct err *e)
{
	struct request *r = arg;
	struct engine_waiter *w;
	struct err why = { 0 };
	int wait = 0;

	if (cut == NULL) {
		request_refused(r, e, "Run", run_of(r));
		return;
	}
	/* it was looked at before */
	if (query_flag(&r->query, "wait", &wait, &why) == -1 || !wait)
		request_json(r, 202, json_object());
	else if (engine_wait(r->api->engine, r->who.tenant, run_of(r), on_ended,
		     r, &w, &why) == -1)
		request_error(r, &why);
}

static int
read_action(struct request *r, const char **ret)
{
	struct err e = { 0 };
	int wait;

	*ret = query_get(&r->query, "action");
	if (*ret != NULL && strcmp(*ret, "interrupt") != 0 &&
	    strcmp(*ret, "rollback") != 0)
		(void)err_set(&e, ERR_INVALID,
		    "action must be interrupt or rollback");
	if (e.code == ERR_OK && query_flag(&r->query, "wait", &wait, &e) == 0)
		return 0;
	request_fail(r, 422, ERR_INVALID, "%s", e.msg);
	return -1;
}

void
runs_cancel(struct request *r)
{
	const char *const ids[] = { run_of(r) };
	struct storage_run_cancel_request q = { .tenant = r->who.tenant,
		.thread_id = thread_of(r),
		.run_ids = { .v = ids, .n = 1 } };
	struct err e = { 0 };

	if (read_action(r, &q.action) == -1)
		return;
	q.reason = query_get(&r->query, "reason");
	if (engine_run_cancel(r->api->engine, &q, on_cancelled, r, &e) == -1)
		request_error(r, &e);
}

struct cancel_body {
	const char *thread_id, *status;
	const json_t *run_ids;
};

static const struct json_member cancel_members[] = {
	JSON_ROW(struct cancel_body, thread_id, TEXT, JSON_NULLABLE, 0, 36),
	JSON_ROW(struct cancel_body, run_ids, ARRAY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct cancel_body, status, TEXT, JSON_NULLABLE, 0, 16),
};

ROUTE_BODY(runs, cancel);

static void
on_many_cancelled(void *arg, const struct storage_run_cut *cut,
    const struct err *e)
{
	struct request *r = arg;

	if (cut == NULL && e->code == ERR_NOT_FOUND)
		request_fail(r, 404, ERR_NOT_FOUND, "No such run found");
	else if (cut == NULL)
		answer_refused(r, e);
	else
		request_empty(r, 204);
}

void
runs_cancel_many(struct request *r)
{
	struct storage_run_cancel_request q = { .tenant = r->who.tenant };
	struct cancel_body b = { 0 };
	struct err e = { 0 };

	if (request_read(r, &b) == -1 || read_action(r, &q.action) == -1)
		return;
	if (request_texts(r, "run_ids", b.run_ids, &q.run_ids, &e) == -1) {
		answer_refused(r, &e);
		return;
	}
	if (q.run_ids.n == 0 && b.status == NULL) {
		request_fail(r, 422, ERR_INVALID,
		    "run_ids or a status is needed");
		return;
	}
	q.thread_id = b.thread_id;
	/* names go before what they are: clients send both */
	q.status = q.run_ids.n > 0 ? NULL : b.status;
	if (engine_run_cancel(r->api->engine, &q, on_many_cancelled, r, &e) ==
	    -1)
		request_error(r, &e);
}
