#include "shape.h"

#include <string.h>

static int
is_selected(const json_t *select, const char *name)
{
	const json_t *v;
	size_t i;

	if (select == NULL)
		return 1;
	json_array_foreach(select, i,
	    v) if (json_is_string(v) &&
		   strcmp(json_string_value(v), name) == 0) return 1;
	return 0;
}

/* Members that a selection may leave out. */
struct pick {
	struct writer *w;
	const json_t *select;
};

static void
text(const struct pick *p, const char *name, const char *value)
{
	if (is_selected(p->select, name))
		writer_text(p->w, name, value);
}

static void
json(const struct pick *p, const char *name, const char *value,
    const char *otherwise)
{
	if (is_selected(p->select, name))
		writer_json(p->w, name, value, otherwise);
}

static void
when(const struct pick *p, const char *name, int64_t ms)
{
	if (is_selected(p->select, name))
		writer_time(p->w, name, ms);
}

void
shape_assistant(struct writer *w, const struct storage_assistant *a,
    const json_t *select)
{
	const struct pick p = { w, select };

	writer_begin(w, NULL, '{');
	text(&p, "assistant_id", a->assistant_id);
	if (is_selected(select, "version"))
		writer_whole(w, "version", a->version);
	json(&p, "config", a->config, "{}");
	json(&p, "context", a->context, "{}");
	when(&p, "created_at", a->created_at_ms);
	when(&p, "updated_at", a->updated_at_ms);
	text(&p, "graph_id", a->graph_id);
	json(&p, "metadata", a->metadata, "{}");
	text(&p, "name", a->name);
	text(&p, "description", a->description);
	writer_end(w, '}');
}

/* ---- threads ---------------------------------------------------------------- */

/* ".name" or "[n]" at *path, taken off it; NULL: there is no such thing. */
static const json_t *
path_step(const json_t *at, const char **path)
{
	const char *p = *path;
	char name[128];
	char *end;
	size_t n;
	long i;

	if (*p == '[') {
		i = strtol(p + 1, &end, 10);
		if (end == p + 1 || *end != ']' || !json_is_array(at))
			return NULL;
		*path = end + 1;
		if (i < 0)
			i += (long)json_array_size(at);
		return i < 0 ? NULL : json_array_get(at, (size_t)i);
	}
	p += *p == '.';
	n = strcspn(p, ".[");
	if (n == 0 || n >= sizeof(name))
		return NULL;
	memcpy(name, p, n);
	name[n] = '\0';
	*path = p + n;
	return json_object_get(at, name);
}

const json_t *
shape_at_path(const json_t *root, const char *path)
{
	while (root != NULL && *path != '\0')
		root = path_step(root, &path);
	return root;
}

/* A part of a thread by its path: "values.x", "metadata.y". */
static const json_t *
thread_part(const struct storage_thread *t, const char *path, json_t **ret_own)
{
	static const struct {
		const char *name;
		size_t offset;
	} parts[] = {
		{ "values", offsetof(struct storage_thread, values) },
		{ "metadata", offsetof(struct storage_thread, metadata) },
		{ "config", offsetof(struct storage_thread, config) },
		{ "interrupts", offsetof(struct storage_thread, interrupts) },
	};

	size_t i, n = strcspn(path, ".[");

	for (i = 0; i < countof(parts); i++) {
		const char *value =
		    *(const char *const *)((const char *)t + parts[i].offset);

		if (strlen(parts[i].name) != n ||
		    memcmp(parts[i].name, path, n) != 0)
			continue;
		if (value == NULL ||
		    json_parse(value, strlen(value), NULL, ret_own, NULL) == -1)
			return NULL;
		return shape_at_path(*ret_own, path + n);
	}
	return NULL;
}

static void
thread_extract(struct writer *w, const struct storage_thread *t,
    const json_t *extract)
{
	const char *alias;
	json_t *path;

	if (extract == NULL)
		return;
	writer_begin(w, "extracted", '{');
	json_object_foreach((json_t *)extract, alias, path)
	{
		autojson *own = NULL;
		const json_t *found =
		    json_is_string(path)
			? thread_part(t, json_string_value(path), &own)
			: NULL;
		autofree char *value = NULL;
		size_t n;

		if (found != NULL && json_text(found, &value, &n, &w->e) == -1)
			return;
		writer_json(w, alias, value, "null");
	}
	writer_end(w, '}');
}

static void
thread_ttl(struct writer *w, const struct storage_thread *t)
{
	if (t->expires_at_ms == 0) {
		writer_null(w, "ttl");
		return;
	}
	writer_begin(w, "ttl", '{');
	writer_text(w, "strategy",
	    t->ttl_strategy != NULL ? t->ttl_strategy : "delete");
	writer_whole(w, "ttl_minutes", t->ttl_ms / 60000);
	writer_time(w, "expires_at", t->expires_at_ms);
	writer_end(w, '}');
}

void
shape_thread(struct writer *w, const struct storage_thread *t,
    const struct shape_thread_more *more)
{
	const struct pick p = { w, more->select };

	writer_begin(w, NULL, '{');
	text(&p, "thread_id", t->thread_id);
	when(&p, "created_at", t->created_at_ms);
	when(&p, "updated_at", t->updated_at_ms);
	if (t->state_updated_at_ms != 0)
		when(&p, "state_updated_at", t->state_updated_at_ms);
	json(&p, "metadata", t->metadata, "{}");
	text(&p, "status", t->status);
	json(&p, "config", t->config, "{}");
	if (t->values != NULL)
		json(&p, "values", t->values, "{}");
	json(&p, "interrupts", t->interrupts, "{}");
	if (t->error != NULL)
		json(&p, "error", t->error, "null");
	if (more->ttl)
		thread_ttl(w, t);
	thread_extract(w, t, more->extract);
	writer_end(w, '}');
}

/* ---- runs ----------------------------------------------------------------------- */

void
shape_run(struct writer *w, const struct storage_run *r, const json_t *select)
{
	const struct pick p = { w, select };

	writer_begin(w, NULL, '{');
	text(&p, "run_id", r->run_id);
	text(&p, "thread_id", r->thread_id);
	text(&p, "assistant_id", r->assistant_id);
	text(&p, "graph_id", r->graph_id);
	json(&p, "metadata", r->metadata, "{}");
	text(&p, "status", r->status);
	json(&p, "kwargs", r->kwargs, "{}");
	text(&p, "multitask_strategy", r->multitask_strategy);
	when(&p, "created_at", r->created_at_ms);
	when(&p, "updated_at", r->updated_at_ms);
	if (r->cancel_reason != NULL)
		text(&p, "cancel_reason", r->cancel_reason);
	writer_end(w, '}');
}

/* ---- state ------------------------------------------------------------------------ */

void
shape_checkpoint(struct writer *w, const char *name, const char *thread_id,
    const char *ns, const char *checkpoint_id)
{
	if (checkpoint_id == NULL) {
		writer_null(w, name);
		return;
	}
	writer_begin(w, name, '{');
	writer_text(w, "thread_id", thread_id);
	writer_text(w, "checkpoint_id", checkpoint_id);
	writer_text(w, "checkpoint_ns", ns != NULL ? ns : "");
	writer_null(w, "checkpoint_map");
	writer_end(w, '}');
}

/* The values, or those that are selected by "values.NAME". */
static void
state_values(const struct pick *p, const char *values)
{
	static const char prefix[] = "values.";
	autojson *all = NULL, *some = NULL;
	autofree char *text = NULL;
	const json_t *v;
	size_t i;

	if (is_selected(p->select, "values")) {
		writer_json(p->w, "values", values, "{}");
		return;
	}
	json_array_foreach(p->select, i, v)
	{
		const char *s = json_string_value(v);

		if (s == NULL || strncmp(s, prefix, sizeof(prefix) - 1) != 0)
			continue;
		s += sizeof(prefix) - 1;
		if (some == NULL)
			some = json_object();
		if (all == NULL && values != NULL &&
		    json_parse(values, strlen(values), NULL, &all, &p->w->e) ==
			-1)
			return;
		if (json_object_get(all, s) != NULL)
			(void)json_object_set(some, s, json_object_get(all, s));
	}
	if (some != NULL && json_text(some, &text, NULL, &p->w->e) == 0)
		writer_json(p->w, "values", text, "{}");
}

static void
state_tasks(const struct pick *p, const struct storage_checkpoint *s,
    const struct shape_state_more *more)
{
	if (more->tasks != NULL)
		more->tasks(p->w, more->arg);
	else
		json(p, "tasks", s->tasks, "[]");
}

static void
state_place(const struct pick *p, const char *name, const char *thread_id,
    const char *ns, const char *checkpoint_id)
{
	if (is_selected(p->select, name))
		shape_checkpoint(p->w, name, thread_id, ns, checkpoint_id);
}

void
shape_state(struct writer *w, const char *thread_id,
    const struct storage_checkpoint *c, const struct shape_state_more *more)
{
	static const struct storage_checkpoint none = { 0 };
	static const struct shape_state_more all = { 0 };
	const struct storage_checkpoint *s = c != NULL ? c : &none;
	const struct shape_state_more *m = more != NULL ? more : &all;
	const struct pick p = { w, m->select };

	writer_begin(w, m->name, '{');
	state_values(&p, s->values);
	json(&p, "next", s->next, "[]");
	state_tasks(&p, s, m);
	if (c != NULL) {
		json(&p, "metadata", s->metadata, "{}");
		when(&p, "created_at", s->created_at_ms);
	} else
		json(&p, "created_at", NULL, "null");
	state_place(&p, "checkpoint", thread_id, s->ns, s->checkpoint_id);
	state_place(&p, "parent_checkpoint", thread_id, s->ns, s->parent_id);
	if (c != NULL)
		json(&p, "interrupts", s->interrupts, "[]");
	writer_end(w, '}');
}

/* ---- the store, interrupts ------------------------------------------------------------ */

void
shape_item(struct writer *w, const struct storage_item *i)
{
	writer_begin(w, NULL, '{');
	writer_json(w, "value", i->value, "{}");
	writer_text(w, "key", i->key);
	writer_texts(w, "namespace", &i->ns);
	writer_time(w, "created_at", i->created_at_ms);
	writer_time(w, "updated_at", i->updated_at_ms);
	writer_end(w, '}');
}

json_t *
shape_interrupts(const char *interrupts)
{
	autojson *tasks = NULL;
	json_t *all, *list;
	const char *task;

	if (interrupts == NULL ||
	    json_parse(interrupts, strlen(interrupts), NULL, &tasks, NULL) ==
		-1 ||
	    !json_is_object(tasks) || json_object_size(tasks) == 0)
		return NULL;
	all = json_array();
	json_object_foreach(tasks, task,
	    list) if (all != NULL && json_is_array(list) &&
		      json_array_extend(all, list) == -1)
	{
		json_decref(all);
		return NULL;
	}
	return all;
}
