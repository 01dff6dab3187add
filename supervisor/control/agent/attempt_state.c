/*
 * What an attempt stores of its thread, and what those who follow it see.
 *
 * A checkpoint and the events that it is for its followers are one
 * transaction: nobody sees a state that could still be lost.
 */
#include <string.h>

#include "attempt_private.h"
#include "crash.h"
#include "json.h"
#include "log.h"
#include "text.h"

enum {
	PUT_EVENTS_MAX = 4, /* of one checkpoint */
};

/* The texts of one put, freed together. */
struct put {
	char *metadata, *values, *next, *tasks, *interrupts, *versions;
	char id[UUID_SIZE];
	struct storage_event events[PUT_EVENTS_MAX];
	size_t nevents;
};

static void
put_finish(struct put *t)
{
	size_t i;

	free(t->metadata);
	free(t->values);
	free(t->next);
	free(t->tasks);
	free(t->interrupts);
	free(t->versions);
	for (i = 0; i < t->nevents; i++)
		free((char *)(uintptr_t)t->events[i].data);
}

#define autoput cleanup(put_finish) struct put

static json_t *
or_array(const json_t *j)
{
	return j != NULL ? json_incref((json_t *)(uintptr_t)j) : json_array();
}

/* The agent's own come first: it cannot say who it is. */
json_t *
attempt_metadata(const struct attempt *a, const struct attempt_put *p)
{
	json_t *m = json_object();
	json_t *run = NULL, *ours;

	if (json_is_object(p->metadata))
		(void)json_object_update(m, (json_t *)(uintptr_t)p->metadata);
	if (a->run->metadata != NULL &&
	    json_parse(a->run->metadata, strlen(a->run->metadata), NULL, &run,
		NULL) == 0)
		(void)json_object_update(m, run);
	json_decref(run);
	ours = json_pack("{s:s, s:I, s:{}, s:s, s:s, s:s, s:s, s:I,"
			 " s:{s:O, s:O, s:s?, s:I, s:O}}",
	    "source", p->source != NULL ? p->source : "loop", "step",
	    (json_int_t)a->step, "parents", "run_id", a->run->run_id,
	    "thread_id", a->run->thread_id, "graph_id", a->run->graph_id,
	    "assistant_id", a->run->assistant_id, "run_attempt",
	    (json_int_t)a->run->attempt, "warder", "execution",
	    json_array_get(a->chain, 0), "runs", a->chain, "key", p->key,
	    "journaled", (json_int_t)a->journaled, "answered", a->answered);
	if (p->own) {
		(void)json_object_del(ours, "source");
		(void)json_object_del(ours, "step");
		(void)json_object_del(ours, "parents");
	}
	if (m == NULL || ours == NULL || json_object_update(m, ours) == -1) {
		json_decref(take_ptr(&m));
	}
	json_decref(ours);
	return m;
}

/* j is taken. */
static int
put_text(json_t *j, char **ret, struct err *e)
{
	int rc;

	if (j == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a checkpoint");
	rc = json_text(j, ret, NULL, e);
	json_decref(j);
	return rc;
}

/* ---- what followers see --------------------------------------------------- */

/* data is taken. */
static int
put_event(const struct attempt *a, struct put *t, enum attempt_mode mode,
    const char *name, json_t *data, struct err *e)
{
	char *text = NULL;

	if (!(a->modes & 1u << mode)) {
		json_decref(data);
		return 0;
	}
	if (put_text(data, &text, e) == -1)
		return -1;
	t->events[t->nevents++] =
	    (struct storage_event){ .name = name, .data = text };
	return 0;
}

static json_t *
put_seen(const struct attempt *a, const struct attempt_put *p,
    const json_t *metadata)
{
	return json_pack("{s:O, s:O, s:o, s:o}", "values", a->values,
	    "metadata", metadata, "next", or_array(p->next), "tasks",
	    or_array(p->tasks));
}

static json_t *
put_debug(const struct attempt *a, const struct attempt_put *p,
    const json_t *metadata, const char *id)
{
	json_t *payload = put_seen(a, p, metadata);

	if (payload != NULL)
		(void)json_object_set_new(payload, "config",
		    json_pack("{s:{s:s, s:s, s:s}}", "configurable",
			"thread_id", a->run->thread_id, "checkpoint_ns", "",
			"checkpoint_id", id));
	return json_pack("{s:I, s:s, s:o}", "step", (json_int_t)a->step, "type",
	    "checkpoint", "payload", payload);
}

static json_t *
put_asked(const json_t *interrupts)
{
	return json_pack("{s:O}", "__interrupt__", interrupts);
}

static int
put_events(const struct attempt *a, const struct attempt_put *p,
    const json_t *metadata, struct put *t, struct err *e)
{
	if (p->interrupts != NULL)
		return put_event(a, t, ATTEMPT_MODE_UPDATES, "updates",
			   put_asked(p->interrupts), e) == -1 ||
			       put_event(a, t, ATTEMPT_MODE_VALUES, "values",
				   put_asked(p->interrupts), e) == -1
			   ? -1
			   : 0;
	if (p->update != NULL &&
	    put_event(a, t, ATTEMPT_MODE_UPDATES, "updates",
		json_incref((json_t *)(uintptr_t)p->update), e) == -1)
		return -1;
	if (put_event(a, t, ATTEMPT_MODE_CHECKPOINTS, "checkpoints",
		put_seen(a, p, metadata), e) == -1 ||
	    put_event(a, t, ATTEMPT_MODE_DEBUG, "debug",
		put_debug(a, p, metadata, t->id), e) == -1 ||
	    put_event(a, t, ATTEMPT_MODE_VALUES, "values",
		json_incref(a->values), e) == -1)
		return -1;
	return 0;
}

/* ---- the checkpoint ------------------------------------------------------- */

static int
put_texts(struct attempt *a, const struct attempt_put *p, struct put *t,
    struct err *e)
{
	autojson *metadata = attempt_metadata(a, p);

	if (metadata == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a checkpoint");
	if (put_text(json_incref(metadata), &t->metadata, e) == -1 ||
	    put_text(json_incref(a->values), &t->values, e) == -1 ||
	    put_text(or_array(p->next), &t->next, e) == -1 ||
	    put_text(or_array(p->tasks), &t->tasks, e) == -1 ||
	    put_text(or_array(p->interrupts), &t->interrupts, e) == -1)
		return -1;
	return put_events(a, p, metadata, t, e);
}

const struct json_limits attempt_values_limits = {
	.bytes = ATTEMPT_VALUES_BYTES_MAX,
	.values = ATTEMPT_VALUES_MAX,
	.depth = ATTEMPT_VALUES_DEPTH,
};

static int
put_parent(const struct attempt *a, const struct attempt_put *p)
{
	return p->parent_id == NULL && a->checkpoint_id[0] != '\0';
}

/* One that waits for the disk; its caller's fn comes after the count. */
struct putting {
	struct attempt *attempt;
	storage_checkpoint_put_fn *fn;
	void *arg;
};

static void
put_done(void *arg, const struct storage_appended *r, const struct err *error)
{
	struct putting *w = arg;
	struct attempt *a = attempt_ref(w->attempt);
	storage_checkpoint_put_fn *fn = w->fn;
	void *fn_arg = w->arg;

	free(w);
	if (fn != NULL)
		fn(fn_arg, r, error);
	if (error != NULL)
		attempt_note(a, error);
	attempt_put_done(a, error != NULL);
	attempt_unref(a);
}

static int
put_store(struct attempt *a, const struct storage_checkpoint_put_request *q,
    storage_checkpoint_put_fn *fn, void *arg, struct err *e)
{
	struct putting *p = malloc(sizeof(*p));
	struct attempt_wait *w =
	    p != NULL ? attempt_wait_create(a, 0, put_done, p) : NULL;

	if (w == NULL) {
		free(p);
		return err_set(e, ERR_SYSTEM, "memory for a checkpoint");
	}
	*p = (struct putting){ a, fn, arg };
	if (engine_checkpoint(a->engine, q, attempt_waited, w, e) == -1) {
		attempt_wait_destroy(w);
		free(p);
		return -1;
	}
	a->puts++;
	return 0;
}

/* What a put is, from a->values and a->step as they are to be. */
static int
put_ask(struct attempt *a, const struct attempt_put *p,
    storage_checkpoint_put_fn *fn, void *arg, struct err *e)
{
	autoput t = { 0 };
	struct storage_checkpoint_put_request q;

	if (p->checkpoint_id != NULL)
		(void)snprintf(t.id, sizeof(t.id), "%s", p->checkpoint_id);
	else
		uuid_v6(a->step, t.id);
	if (put_texts(a, p, &t, e) == -1)
		return -1;
	if (json_within(t.values, &attempt_values_limits, e) == -1)
		return err_wrap(e, "the thread's values");
	q = (struct storage_checkpoint_put_request){
		.ns = p->ns,
		.checkpoint_id = t.id,
		.parent_id = put_parent(a, p) ? a->checkpoint_id : p->parent_id,
		.metadata = t.metadata,
		.values = t.values,
		.next = t.next,
		.tasks = t.tasks,
		.interrupts = t.interrupts,
		.events = { t.events, t.nevents },
	};
	if (put_store(a, &q, fn, arg, e) == -1)
		return -1;
	a->is_put = 1;
	(void)snprintf(a->checkpoint_id, sizeof(a->checkpoint_id), "%s", t.id);
	return 0;
}

int
attempt_put(struct attempt *a, const struct attempt_put *p,
    storage_checkpoint_put_fn *fn, void *arg, struct err *e)
{
	json_t *before = a->values;

	CRASH_POINT();
	/* nothing has changed since the last one, and nobody asks for it */
	if (p->last && a->own_state)
		return 0;
	if (p->last && a->checkpoint_id[0] != '\0' && a->is_put &&
	    !a->put_failed && json_equal(a->values, p->values))
		return 0;
	if (p->values != NULL)
		a->values = json_incref((json_t *)(uintptr_t)p->values);
	a->step++;
	if (put_ask(a, p, fn, arg, e) == -1) {
		/* what was refused has changed nothing */
		if (p->values != NULL)
			json_decref(a->values);
		a->values = before;
		a->step--;
		return -1;
	}
	if (p->values != NULL)
		json_decref(before);
	return 0;
}

/* ---- what the agent shows by itself --------------------------------------- */

struct event_members {
	const char *mode, *event;
	const json_t *ns, *data;
};

static const struct json_member event_members[] = {
	{ "mode", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct event_members, mode), 0, 32 },
	{ "event", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct event_members, event), 0, 64 },
	{ "ns", JSON_KIND_ARRAY, JSON_NULLABLE,
	    offsetof(struct event_members, ns), 0, 0 },
	{ "data", JSON_KIND_ANY, JSON_REQUIRED,
	    offsetof(struct event_members, data), 0, 0 },
};

static const struct {
	const char *mode;
	const char *name; /* of the event, where the agent does not say it */
	unsigned bit;
} event_modes[] = {

#define X(name, wire) { wire, wire, 1u << ATTEMPT_MODE_##name },
	ATTEMPT_MODES(X)
#undef X
};

/* The name that followers know it by; NULL: nobody asked for it. */
static const char *
event_name(const struct attempt *a, const struct event_members *m)
{
	size_t i;

	for (i = 0; i < countof(event_modes); i++) {
		if (strcmp(event_modes[i].mode, m->mode) != 0)
			continue;
		if (!(a->modes & event_modes[i].bit))
			return NULL;
		if (event_modes[i].bit == 1u << ATTEMPT_MODE_TUPLE)
			return "messages";
		/* "messages/partial" of mode "messages" */
		if (m->event != NULL &&
		    strncmp(m->event, m->mode, strlen(m->mode)) == 0 &&
		    strspn(m->event, "abcdefghijklmnopqrstuvwxyz/") ==
			strlen(m->event))
			return m->event;
		return event_modes[i].name;
	}
	return NULL;
}

/* Labels joined by "|"; -1 if one is no text or has a "|" in it. */
static int
event_ns(const json_t *ns, char *ret, size_t size)
{
	struct text t;
	size_t i;

	text_init(&t, ret, size);
	for (i = 0; i < json_array_size(ns); i++) {
		const char *s = json_string_value(json_array_get(ns, i));

		if (s == NULL || strpbrk(s, "|\r\n") != NULL)
			return -1;
		text_add(&t, i > 0 ? "|" : "");
		text_add(&t, s);
	}
	return t.truncated ? -1 : 0;
}

static int
event_store(struct attempt *a, const struct storage_event *v, size_t bytes)
{
	struct attempt_wait *w = attempt_wait_create(a, bytes, NULL, NULL);
	struct err e;

	if (w == NULL)
		return -1;
	if (engine_emit(a->engine, v, 1, attempt_waited, w, &e) == 0)
		return 0;
	attempt_wait_destroy(w);
	return -1;
}

void
attempt_event(struct attempt *a, const json_t *params, size_t bytes)
{
	struct event_members m = { 0 };
	autofree char *data = NULL;
	char ns[512];
	struct storage_event v;
	const char *name;

	if (attempt_lives(a) &&
	    json_read(params, event_members, countof(event_members), &m,
		NULL) == 0 &&
	    (name = event_name(a, &m)) != NULL &&
	    event_ns(m.ns, ns, sizeof(ns)) == 0 &&
	    (ns[0] == '\0' || a->subgraphs) &&
	    json_text(m.data, &data, NULL, NULL) == 0) {
		v = (struct storage_event){ .name = name,
			.ns = ns[0] != '\0' ? ns : NULL,
			.data = data };
		if (event_store(a, &v, bytes) == 0)
			return;
	}
	if (a->session != NULL)
		session_settle(a->session, bytes);
}

static void
log_store(struct attempt *a, const char *from, const json_t *value)
{
	autojson *j = json_pack("{s:s, s:O}", "from", from, "line", value);
	autofree char *data = NULL;
	struct storage_event v = { .name = STORAGE_EVENT_LOG };
	size_t n;

	if (j == NULL || json_text(j, &data, &n, NULL) == -1)
		return;
	a->logged++;
	a->logged_bytes += n;
	v.data = data;
	(void)event_store(a, &v, 0);
}

/* For "warder logs", not for those who follow the run. */
void
attempt_log(struct attempt *a, const char *from, const json_t *value)
{
	autojson *last = NULL;

	if (!attempt_lives(a) || a->log_is_full)
		return;
	if (a->logged < ATTEMPT_LOG_LINES_MAX &&
	    a->logged_bytes < ATTEMPT_LOG_BYTES_MAX) {
		log_store(a, from, value);
		return;
	}
	a->log_is_full = 1;
	last = json_string("the log is full: what follows is not kept");
	if (last != NULL)
		log_store(a, "warder", last);
}
