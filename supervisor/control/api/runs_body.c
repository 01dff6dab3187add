/*
 * runs_body.c: a request to run something, and what of it is kept.
 */
#include <string.h>

#include "routes.h"
#include "runs.h"
#include "shape.h"

enum {
	RUNS_AFTER_MAX = 366 * 24 * 3600, /* s */
	RUNS_MODES_MAX = 16,
	RUNS_NODES_MAX = 256,
};

static const struct json_member create_members[] = {
	JSON_ROW(struct runs_body, assistant_id, TEXT, JSON_REQUIRED, 0, 256),
	JSON_ROW(struct runs_body, input, ANY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, command, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, metadata, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, config, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, context, ANY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, checkpoint, OBJECT, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, checkpoint_id, TEXT, JSON_NULLABLE, 0, 256),
	JSON_ROW(struct runs_body, checkpoint_during, FLAG, JSON_NULLABLE, 0,
	    0),
	JSON_ROW(struct runs_body, interrupt_before, ANY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, interrupt_after, ANY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, stream_mode, ANY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, stream_subgraphs, FLAG, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, stream_resumable, FLAG, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, multitask_strategy, TEXT, JSON_NULLABLE, 0,
	    16),
	JSON_ROW(struct runs_body, if_not_exists, TEXT, JSON_NULLABLE, 0, 16),
	JSON_ROW(struct runs_body, on_disconnect, TEXT, JSON_NULLABLE, 0, 16),
	JSON_ROW(struct runs_body, on_completion, TEXT, JSON_NULLABLE, 0, 16),
	JSON_ROW(struct runs_body, durability, TEXT, JSON_NULLABLE, 0, 16),
	JSON_ROW(struct runs_body, webhook, TEXT, JSON_NULLABLE, 0, 2048),
	JSON_ROW(struct runs_body, after_seconds, ANY, JSON_NULLABLE, 0, 0),
	JSON_ROW(struct runs_body, strict_resume, FLAG, JSON_NULLABLE, 0, 0),
};

ROUTE_BODY(runs, create);

/* Members with a closed set of values; NULL: absent, always fine. */
static const struct {
	const char *name;
	size_t offset;
	const char *words[5];
} choices[] = {

#define CHOICE(member, ...)                                  \
	{                                                    \
#		member, offsetof(struct runs_body, member), \
		{                                            \
			__VA_ARGS__                          \
		}                                            \
	}
	CHOICE(multitask_strategy, "reject", "enqueue", "interrupt",
	    "rollback"),
	CHOICE(if_not_exists, "reject", "create"),
	CHOICE(on_disconnect, "cancel", "continue"),
	CHOICE(on_completion, "delete", "keep", "complete", "continue"),
	CHOICE(durability, "sync", "async", "exit"),
#undef CHOICE
};

static int
check_choice(size_t i, const struct runs_body *b, struct err *e)
{
	const char *v =
	    *(const char *const *)((const char *)b + choices[i].offset);
	size_t w;

	for (w = 0; v != NULL && choices[i].words[w] != NULL; w++)
		if (strcmp(v, choices[i].words[w]) == 0)
			return 0;
	return v == NULL ? 0
			 : err_set(e, ERR_INVALID,
			       "\"%s\" must not be what it is: %s, %s ...",
			       choices[i].name, choices[i].words[0],
			       choices[i].words[1]);
}

/* A text, or an array of them: of modes, of nodes. */
static int
check_texts(const char *name, const json_t *v, size_t max, struct err *e)
{
	size_t i;

	if (v == NULL || json_is_string(v))
		return 0;
	if (!json_is_array(v) || json_array_size(v) > max)
		return err_set(e, ERR_INVALID,
		    "\"%s\" must be a text or at most %zu of them", name, max);
	for (i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)))
			return err_set(e, ERR_INVALID, "\"%s\" must hold texts",
			    name);
	return 0;
}

static int
check_after(const json_t *v, struct err *e)
{
	double s = json_number_value(v);

	if (v == NULL || (json_is_number(v) && s >= 0 && s <= RUNS_AFTER_MAX))
		return 0;
	return err_set(e, ERR_INVALID,
	    "\"after_seconds\" must be a number from 0 to %d", RUNS_AFTER_MAX);
}

int
runs_body_read(const json_t *body, struct runs_body *ret, struct err *e)
{
	size_t i;

	*ret = (struct runs_body){ .strict_resume = 1, .checkpoint_during = 1 };
	if (json_read(body, create_members, countof(create_members), ret, e) ==
	    -1)
		return -1;
	for (i = 0; i < countof(choices); i++)
		if (check_choice(i, ret, e) == -1)
			return -1;
	if (ret->webhook != NULL)
		return err_set(e, ERR_UNSUPPORTED,
		    "webhooks are not called: leave \"webhook\" out");
	return check_after(ret->after_seconds, e) == -1 ||
		       check_texts("stream_mode", ret->stream_mode,
			   RUNS_MODES_MAX, e) == -1 ||
		       check_texts("interrupt_before", ret->interrupt_before,
			   RUNS_NODES_MAX, e) == -1 ||
		       check_texts("interrupt_after", ret->interrupt_after,
			   RUNS_NODES_MAX, e) == -1
		   ? -1
		   : 0;
}

int
runs_body_cancels(const struct runs_body *b)
{
	return b->on_disconnect == NULL ||
	       strcmp(b->on_disconnect, "cancel") == 0;
}

/* ---- answers to interrupts ---------------------------------------------------- */

static int
is_interrupt_id(const char *s)
{
	return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

/* {id: value} is meant by id where every name looks like one. */
static int
is_map(const json_t *resume)
{
	const char *name;
	json_t *v;

	if (!json_is_object(resume) || json_object_size(resume) == 0)
		return 0;
	json_object_foreach((json_t *)resume, name,
	    v) if (!is_interrupt_id(name)) return 0;
	return 1;
}

static int
is_pending(const json_t *pending, const char *id)
{
	size_t i;

	for (i = 0; i < json_array_size(pending); i++) {
		const char *s = json_string_value(
		    json_object_get(json_array_get(pending, i), "id"));

		if (s != NULL && strcmp(s, id) == 0)
			return 1;
	}
	return 0;
}

static int
check_map(const json_t *resume, const json_t *pending, struct err *e)
{
	const char *id;
	json_t *v;

	json_object_foreach((json_t *)resume, id,
	    v) if (!is_pending(pending, id)) return err_set(e, ERR_INVALID,
	    "no interrupt %s waits for an answer", id);
	return 0;
}

int
runs_body_check_resume(const struct runs_body *b,
    const struct storage_thread *t, struct err *e)
{
	const json_t *resume = json_object_get(b->command, "resume");
	autojson *pending = shape_interrupts(t->interrupts);
	size_t n = json_array_size(pending);

	/* what that one asks is known when the run begins, and judged there */
	if (b->checkpoint != NULL || b->checkpoint_id != NULL)
		return 0;
	if (n == 0)
		return err_set(e, ERR_INVALID,
		    "nothing on this thread waits for an answer");
	if (is_map(resume))
		return check_map(resume, pending, e);
	return n == 1 ? 0
		      : err_set(e, ERR_INVALID,
			    "%zu interrupts wait for an answer: name each by "
			    "its id",
			    n);
}

json_t *
runs_body_answers(const struct runs_body *b, const struct storage_thread *t)
{
	const json_t *resume = json_object_get(b->command, "resume");
	autojson *pending = shape_interrupts(t->interrupts);
	json_t *ids;
	const char *id;
	json_t *v;

	if (resume == NULL || b->checkpoint != NULL || b->checkpoint_id != NULL)
		return NULL;
	if (!is_map(resume))
		return json_pack("[O]",
		    json_object_get(json_array_get(pending, 0), "id"));
	ids = json_array();
	json_object_foreach((json_t *)resume, id,
	    v) if (json_array_append_new(ids, json_string(id)) == -1) break;
	return ids;
}

/* ---- what is kept ----------------------------------------------------------------- */

static void
keep(json_t *into, const char *name, const json_t *v)
{
	if (v != NULL)
		(void)json_object_set(into, name, (json_t *)v);
}

static void
keep_text(json_t *into, const char *name, const char *v)
{
	if (v != NULL)
		(void)json_object_set_new(into, name, json_string(v));
}

static json_t *
modes_of(const struct runs_body *b)
{
	if (json_is_array(b->stream_mode) &&
	    json_array_size(b->stream_mode) > 0)
		return json_incref((json_t *)b->stream_mode);
	return json_pack("[s]", json_is_string(b->stream_mode)
				    ? json_string_value(b->stream_mode)
				    : "values");
}

json_t *
runs_body_kwargs(const struct runs_body *b, const json_t *answers,
    int temporary)
{
	json_t *k = json_pack("{s:o,s:b,s:b,s:b}", "stream_mode", modes_of(b),
	    "temporary", temporary, "subgraphs", b->stream_subgraphs,
	    "resumable", b->stream_resumable);

	if (k == NULL)
		return NULL;
	keep(k, "input", b->input);
	keep(k, "config", b->config);
	keep(k, "context", b->context);
	keep(k, "command", b->command);
	keep(k, "answers", answers);
	keep(k, "checkpoint", b->checkpoint);
	keep_text(k, "checkpoint_id", b->checkpoint_id);
	keep(k, "interrupt_before", b->interrupt_before);
	keep(k, "interrupt_after", b->interrupt_after);
	keep_text(k, "durability",
	    b->durability != NULL  ? b->durability
	    : b->checkpoint_during ? "async"
				   : "exit");
	return k;
}
