/*
 * nested.c: states are read one after the other, and kept as texts: a tree of
 * all their values would be many times as large.
 */
#include "nested.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "shape.h"
#include "supervisor/control/storage/uuid.h"

enum {
	NESTED_NS_SIZE = 512,
};

/* A state, and whose it is; its texts are copies. */
struct inner {
	size_t parent, task; /* the task's number in that state */
	unsigned depth;
	int found;
	char ns[NESTED_NS_SIZE];
	char id[UUID_SIZE]; /* "": the newest */
	struct storage_checkpoint c;
	char *texts; /* what c points to */
};

struct nested {
	struct request *request;
	const char *thread_id;
	size_t n, next; /* states; the next to be read */
	size_t bytes;
	struct inner v[API_NESTED_MAX + 1]; /* the first is the thread's own */
};

/* What of a checkpoint is shown. */
static const size_t shown[] = {
	offsetof(struct storage_checkpoint, values),
	offsetof(struct storage_checkpoint, next),
	offsetof(struct storage_checkpoint, tasks),
	offsetof(struct storage_checkpoint, interrupts),
	offsetof(struct storage_checkpoint, metadata),
	offsetof(struct storage_checkpoint, ns),
	offsetof(struct storage_checkpoint, checkpoint_id),
	offsetof(struct storage_checkpoint, parent_id),
};

static void
nested_drop(void *state)
{
	struct nested *s = state;
	size_t i;

	for (i = 0; i < s->n; i++)
		free(s->v[i].texts);
	free(s);
}

static const char **
member(struct storage_checkpoint *c, size_t i)
{
	return (const char **)(void *)((char *)c + shown[i]);
}

static int
inner_keep(struct nested *s, struct inner *v,
    const struct storage_checkpoint *c, struct err *e)
{
	size_t i, n, size = 0;
	char *to;

	v->c = *c;
	for (i = 0; i < countof(shown); i++)
		if (*member(&v->c, i) != NULL)
			size += strlen(*member(&v->c, i)) + 1;
	s->bytes += size;
	if (s->bytes > API_NESTED_BYTES)
		return err_set(e, ERR_LIMIT,
		    "the states of the subgraphs are too long together: ask "
		    "for one of them by its checkpoint_ns");
	v->texts = to = malloc(size + 1);
	if (to == NULL)
		return err_sys(e, ENOMEM, "states");
	for (i = 0; i < countof(shown); i++) {
		if (*member(&v->c, i) == NULL)
			continue;
		n = strlen(*member(&v->c, i)) + 1;
		*member(&v->c, i) = memcpy(to, *member(&v->c, i), n);
		to += n;
	}
	v->found = 1;
	return 0;
}

static json_t *
inner_tasks(const struct inner *v)
{
	json_t *tasks = NULL;

	if (v->c.tasks == NULL || json_parse(v->c.tasks, strlen(v->c.tasks),
				      NULL, &tasks, NULL) == -1)
		return NULL;
	return tasks;
}

/* The tasks of a state that have graphs of their own. */
static void
inner_collect(struct nested *s, size_t parent)
{
	autojson *tasks = inner_tasks(&s->v[parent]);
	size_t i;

	if (s->v[parent].depth == API_NESTED_DEPTH_MAX)
		return;
	for (i = 0; i < json_array_size(tasks) && s->n < countof(s->v); i++) {
		const json_t *at =
		    json_object_get(json_array_get(tasks, i), "checkpoint");
		const char *ns =
		    json_string_value(json_object_get(at, "checkpoint_ns"));
		const char *id =
		    json_string_value(json_object_get(at, "checkpoint_id"));
		struct inner *v = &s->v[s->n];

		if (ns == NULL || ns[0] == '\0' || strlen(ns) >= sizeof(v->ns))
			continue;
		v->parent = parent;
		v->task = i;
		v->depth = s->v[parent].depth + 1;
		(void)snprintf(v->ns, sizeof(v->ns), "%s", ns);
		(void)snprintf(v->id, sizeof(v->id), "%s",
		    id != NULL ? id : "");
		s->n++;
	}
}

/* ---- the answer ------------------------------------------------------------- */

struct writing {
	const struct nested *s;
	size_t at;
};

static const struct inner *
inner_of(const struct nested *s, size_t parent, size_t task)
{
	size_t i;

	for (i = 1; i < s->n; i++)
		if (s->v[i].parent == parent && s->v[i].task == task &&
		    s->v[i].found)
			return &s->v[i];
	return NULL;
}

static void write_state(struct writer *w, const char *name,
    const struct nested *s, size_t at);

static void
write_task(struct writer *w, const struct nested *s, json_t *task,
    const struct inner *v)
{
	const char *name;
	json_t *value;

	writer_begin(w, NULL, '{');
	json_object_foreach(task, name, value)
	{
		autofree char *text = NULL;

		if (strcmp(name, "state") == 0)
			continue;
		if (json_text(value, &text, NULL, &w->e) == -1)
			return;
		writer_json(w, name, text, "null");
	}
	write_state(w, "state", s, (size_t)(v - s->v));
	writer_end(w, '}');
}

static void
write_tasks(struct writer *w, void *arg)
{
	const struct writing *g = arg;
	autojson *tasks = inner_tasks(&g->s->v[g->at]);
	size_t i;

	writer_begin(w, "tasks", '[');
	for (i = 0; i < json_array_size(tasks); i++) {
		json_t *task = json_array_get(tasks, i);
		const struct inner *v = inner_of(g->s, g->at, i);
		autofree char *text = NULL;

		if (v != NULL)
			write_task(w, g->s, task, v);
		else if (json_text(task, &text, NULL, &w->e) == 0)
			writer_json(w, NULL, text, "null");
	}
	writer_end(w, ']');
}

static void
write_state(struct writer *w, const char *name, const struct nested *s,
    size_t at)
{
	struct writing g = { s, at };
	const struct shape_state_more more = { .name = name,
		.tasks = write_tasks,
		.arg = &g };

	shape_state(w, s->thread_id, &s->v[at].c, &more);
}

/* ---- reading ------------------------------------------------------------------ */

static void nested_next(struct nested *s);

static void
on_inner(void *arg, const struct storage_checkpoint *c, const struct err *e)
{
	struct nested *s = arg;
	size_t at = s->next++;
	struct err why = { 0 };

	if (c == NULL && e->code != ERR_NOT_FOUND)
		request_error(s->request, e);
	else if (c != NULL && inner_keep(s, &s->v[at], c, &why) == -1)
		request_error(s->request, &why);
	else {
		/* what is not there has not begun */
		inner_collect(s, at);
		nested_next(s);
	}
}

static void
nested_next(struct nested *s)
{
	struct request *r = s->request;
	autowriter w = { 0 };
	struct err e = { 0 };

	if (s->next == s->n) {
		writer_init(&w, API_ANSWER_BYTES);
		write_state(&w, NULL, s, 0);
		request_written(r, 200, &w);
		return;
	}
	const struct inner *v = &s->v[s->next];
	const struct storage_checkpoint_get_request q = {
		.tenant = r->who.tenant,
		.thread_id = s->thread_id,
		.ns = v->ns,
		.checkpoint_id = v->id[0] != '\0' ? v->id : NULL,
	};

	if (storage_checkpoint_get(r->api->storage, &q, on_inner, s, &e) == -1)
		request_error(r, &e);
}

void
nested_answer(struct request *r, const char *thread_id,
    const struct storage_checkpoint *c)
{
	struct nested *s = calloc(1, sizeof(*s));
	struct err e = { 0 };

	if (s == NULL) {
		request_fail(r, 503, ERR_SYSTEM, "no memory");
		return;
	}
	s->request = r;
	s->thread_id = thread_id;
	s->n = s->next = 1;
	r->state = s;
	r->drop = nested_drop;
	if (inner_keep(s, &s->v[0], c, &e) == -1) {
		request_error(r, &e);
		return;
	}
	inner_collect(s, 0);
	nested_next(s);
}
