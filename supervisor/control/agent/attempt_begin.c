/*
 * What an attempt is told to begin with: the thread's state, the journal of
 * what was done before, the answers to what was asked.
 *
 * Several runs may be one execution: one that stopped at an interrupt, and
 * those that resumed it.  Each checkpoint says in its metadata which
 * execution it belongs to and which runs have been part of it; the journals of
 * all of them are this attempt's.
 */
#include <string.h>

#include "attempt_private.h"
#include "crash.h"
#include "json.h"

static void gather_next(struct attempt *a);

static void
gather_fail(struct attempt *a, const struct err *e)
{
	if (a->trouble.code == ERR_OK)
		a->trouble = *e;
}

/* One answer has come; what it brought is in a. */
static void
gather_done(struct attempt *a)
{
	a->gathering--;
	attempt_go_on(a);
}

json_t *
attempt_checkpoint_json(const struct storage_checkpoint *c)
{
	const struct {
		const char *name, *text;
	} members[] = {
		{ "metadata", c->metadata },
		{ "values", c->values },
		{ "next", c->next },
		{ "tasks", c->tasks },
		{ "interrupts", c->interrupts },
	};

	json_t *j =
	    json_pack("{s:s, s:s, s:s?}", "checkpoint_id", c->checkpoint_id,
		"ns", c->ns != NULL ? c->ns : "", "parent_id", c->parent_id);
	size_t i;

	for (i = 0; j != NULL && i < countof(members); i++) {
		json_t *v = NULL;

		if (members[i].text != NULL &&
		    json_parse(members[i].text, strlen(members[i].text), NULL,
			&v, NULL) == -1)
			v = NULL;
		(void)json_object_set_new(j, members[i].name,
		    v != NULL ? v : json_null());
	}
	return j;
}

static int
array_has_text(const json_t *array, const char *text)
{
	size_t i;

	for (i = 0; i < json_array_size(array); i++) {
		const char *s = json_string_value(json_array_get(array, i));

		if (s != NULL && strcmp(s, text) == 0)
			return 1;
	}
	return 0;
}

/* What an earlier attempt wrote down for the next. */
static const json_t *
checkpoint_ours(const struct attempt *a)
{
	return json_object_get(json_object_get(a->checkpoint, "metadata"),
	    "warder");
}

/* Whether the run goes on where the checkpoint stopped. */
static int
gather_continues(const struct attempt *a, const json_t *runs)
{
	const json_t *input = json_object_get(a->kwargs, "input");

	return array_has_text(runs, a->run->run_id) ||
	       ((input == NULL || json_is_null(input)) &&
		   json_array_size(json_object_get(a->checkpoint, "next")) > 0);
}

/* The runs whose journals count, this one last. */
static void
gather_chain(struct attempt *a)
{
	const json_t *runs = json_object_get(checkpoint_ours(a), "runs");
	size_t i, n = json_array_size(runs);
	struct err e;

	for (i = 0; gather_continues(a, runs) && i < n; i++) {
		json_t *id = json_array_get(runs, i);

		/* clients may write what they like into metadata */
		if (json_is_string(id) && uuid_valid(json_string_value(id)))
			(void)json_array_append(a->chain, id);
	}
	if (!array_has_text(a->chain, a->run->run_id))
		(void)json_array_append_new(a->chain,
		    json_string(a->run->run_id));
	if (json_array_size(a->chain) > ATTEMPT_CHAIN_MAX) {
		(void)err_set(&e, ERR_LIMIT,
		    "what %d runs have been part of is resumed no more",
		    ATTEMPT_CHAIN_MAX);
		gather_fail(a, &e);
	}
}

static void
gather_values(struct attempt *a)
{
	json_t *values = json_object_get(a->checkpoint, "values");
	const json_t *metadata = json_object_get(a->checkpoint, "metadata");

	if (a->checkpoint == NULL)
		return;
	if (json_is_object(values))
		(void)json_object_update(a->values, values);
	a->step = json_integer_value(json_object_get(metadata, "step"));
}

static int gather_chosen(struct attempt *a);

static void
gather_checkpoint(void *arg, const struct storage_checkpoint *c,
    const struct err *error)
{
	struct attempt *a = arg;

	CRASH_POINT();
	if (error != NULL && error->code != ERR_NOT_FOUND)
		gather_fail(a, error);
	if (c != NULL && attempt_lives(a)) {
		json_decref(a->checkpoint);
		a->checkpoint = attempt_checkpoint_json(c);
		a->own_base = c->type != NULL;
		(void)snprintf(a->checkpoint_id, sizeof(a->checkpoint_id), "%s",
		    c->checkpoint_id);
	}
	if (attempt_lives(a) && !gather_chosen(a)) {
		gather_values(a);
		gather_chain(a);
		gather_next(a);
	}
	gather_done(a);
	attempt_unref(a);
}

/* It is not the newest of what its run stored, or comes of one that was not. */
static int
checkpoint_is_fork(const struct attempt *a)
{
	const char *source = json_string_value(
	    json_object_get(json_object_get(a->checkpoint, "metadata"),
		"source"));

	return json_is_object(json_object_get(a->kwargs, "checkpoint")) ||
	       json_is_string(json_object_get(a->kwargs, "checkpoint_id")) ||
	       (source != NULL && (strcmp(source, "update") == 0 ||
				      strcmp(source, "fork") == 0));
}

/* How much of a journal counts: of one that a fork begins in, its beginning. */
static size_t
journal_part(const struct attempt *a, const char *run_id)
{
	const json_t *ours = checkpoint_ours(a);
	const json_t *runs = json_object_get(ours, "runs");
	const char *last =
	    json_string_value(json_array_get(runs, json_array_size(runs) - 1));

	if (!checkpoint_is_fork(a) || last == NULL ||
	    strcmp(last, run_id) != 0 || strcmp(run_id, a->run->run_id) == 0)
		return SIZE_MAX;
	return (size_t)json_integer_value(json_object_get(ours, "journaled"));
}

static void
gather_steps(struct attempt *a, const struct storage_steps *steps, size_t most)
{
	size_t i;

	for (i = 0; i < steps->rows.n && i < most; i++) {
		const struct storage_step *s = &steps->rows.v[i];
		json_t *value = NULL;

		a->journal_bytes += s->data.size + strlen(s->key) + 32;
		if (a->journal_bytes > ATTEMPT_JOURNAL_BYTES) {
			a->journal_cut = 1;
			return;
		}
		if (json_parse(s->data.data, s->data.size, NULL, &value,
			NULL) == 0)
			(void)json_array_append_new(a->journal,
			    json_pack("{s:s, s:o}", "key", s->key, "value",
				value));
	}
}

static void
gather_journal(void *arg, const struct storage_steps *steps,
    const struct err *error)
{
	struct attempt *a = arg;

	CRASH_POINT();
	if (error != NULL && error->code != ERR_NOT_FOUND)
		gather_fail(a, error);
	if (attempt_lives(a)) {
		const char *run_id = json_string_value(
		    json_array_get(a->chain, a->chain_next - 1));

		if (steps != NULL && strcmp(run_id, a->run->run_id) == 0)
			a->journaled = steps->rows.n;
		if (steps != NULL)
			gather_steps(a, steps, journal_part(a, run_id));
		gather_next(a);
	}
	gather_done(a);
	attempt_unref(a);
}

/* The input of the execution is that of its first run. */
static void
gather_input(void *arg, const struct storage_run *run, const struct err *error)
{
	struct attempt *a = arg;
	autojson *kwargs = NULL;

	CRASH_POINT();
	if (error != NULL && error->code != ERR_NOT_FOUND)
		gather_fail(a, error);
	if (run != NULL && run->kwargs != NULL &&
	    json_parse(run->kwargs, strlen(run->kwargs), NULL, &kwargs, NULL) ==
		0)
		a->input = json_incref(json_object_get(kwargs, "input"));
	gather_done(a);
	attempt_unref(a);
}

/* Ask for what comes next: each run's journal, then the first one's input. */
static void
gather_next(struct attempt *a)
{
	const char *first = json_string_value(json_array_get(a->chain, 0));
	const char *run_id =
	    json_string_value(json_array_get(a->chain, a->chain_next));
	struct err e;
	int rc = 0;

	CRASH_POINT();
	/* a run that was never attempted has no journal */
	if (run_id != NULL && a->run->attempt == 1 &&
	    strcmp(run_id, a->run->run_id) == 0)
		run_id = NULL;
	if (run_id != NULL) {
		a->chain_next++;
		rc = storage_journal_list(a->host->storage,
		    &(struct storage_journal_list_request){ .tenant =
								a->run->tenant,
			.run_id = run_id },
		    gather_journal, attempt_ref(a), &e);
	} else if (first != NULL && strcmp(first, a->run->run_id) != 0)
		rc = storage_run_get(a->host->storage,
		    &(struct storage_run_get_request){ .tenant = a->run->tenant,
			.run_id = first },
		    gather_input, attempt_ref(a), &e);
	else
		return;
	a->gathering++;
	if (rc == -1) {
		gather_fail(a, &e);
		a->gathering--;
		attempt_unref(a);
	}
}

static const char *
chosen_checkpoint(const json_t *kwargs)
{
	const char *id =
	    json_string_value(json_object_get(kwargs, "checkpoint_id"));

	return id != NULL
		   ? id
		   : json_string_value(
			 json_object_get(json_object_get(kwargs, "checkpoint"),
			     "checkpoint_id"));
}

static int
gather_from(struct attempt *a, const char *checkpoint_id, struct err *e)
{
	struct storage_checkpoint_get_request q = {
		.tenant = a->run->tenant,
		.thread_id = a->run->thread_id,
		.checkpoint_id = checkpoint_id,
	};

	if (storage_checkpoint_get(a->host->storage, &q, gather_checkpoint,
		attempt_ref(a), e) == 0) {
		a->gathering++;
		return 0;
	}
	a->refs--;
	return -1;
}

/*
 * An attempt before this one may have gone on from the checkpoint that the
 * run was told to begin with.  If none did, that one it is: 1 it is asked for.
 */
static int
gather_chosen(struct attempt *a)
{
	const char *id = chosen_checkpoint(a->kwargs);
	const char *have =
	    json_string_value(json_object_get(a->checkpoint, "checkpoint_id"));
	struct err e;

	if (id == NULL || (have != NULL && strcmp(id, have) == 0) ||
	    array_has_text(json_object_get(checkpoint_ours(a), "runs"),
		a->run->run_id))
		return 0;
	if (a->chosen++ == 0 && gather_from(a, id, &e) == 0)
		return 1;
	(void)err_set(&e, ERR_INVALID, "no checkpoint %.64s", id);
	gather_fail(a, &e);
	return 0;
}

int
attempt_gather(struct attempt *a, struct err *e)
{
	return gather_from(a, NULL, e);
}

/* ---- run.start ------------------------------------------------------------ */

static int
is_interrupt_id(const char *s)
{
	return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

/* {id: value} is meant by id where every name looks like one. */
static int
resume_is_map(const json_t *resume)
{
	json_t *o = (json_t *)(uintptr_t)resume; /* its iterator wants it so */
	const char *name;
	json_t *value;

	if (!json_is_object(resume) || json_object_size(resume) == 0)
		return 0;
	json_object_foreach(o, name,
	    value) if (!is_interrupt_id(name)) return 0;
	return 1;
}

/*
 * Ids of what the run may answer: what was pending when it began.  An attempt
 * before this one may have gone past it, and even asked something else, which
 * this run does not answer: it wrote down what it was.
 */
static json_t *
start_pending(const struct attempt *a)
{
	const json_t *ours = checkpoint_ours(a);
	const json_t *asked = json_object_get(a->checkpoint, "interrupts");
	json_t *ids;
	size_t i;

	if (array_has_text(json_object_get(ours, "runs"), a->run->run_id)) {
		ids = json_object_get(ours, "answered");
		return json_is_array(ids) ? json_incref(ids) : json_array();
	}
	ids = json_array();
	for (i = 0; i < json_array_size(asked); i++) {
		json_t *id = json_object_get(json_array_get(asked, i), "id");

		if (json_is_string(id))
			(void)json_array_append(ids, id);
	}
	return ids;
}

static int
resume_by_id(json_t *resume, const json_t *pending, json_t *ret, struct err *e)
{
	const char *id;
	json_t *value;

	json_object_foreach(resume, id, value)
	{
		if (!array_has_text(pending, id))
			return err_set(e, ERR_INVALID,
			    "no interrupt %s is pending", id);
		(void)json_object_set(ret, id, value);
	}
	return 0;
}

/* What the command answers, {interrupt id: value}. */
static int
start_resumes(const struct attempt *a, json_t *ret, struct err *e)
{
	json_t *resume =
	    json_object_get(json_object_get(a->kwargs, "command"), "resume");
	autojson *pending = start_pending(a);
	const char *id;

	if (resume == NULL)
		return 0;
	if (resume_is_map(resume))
		return resume_by_id(resume, pending, ret, e);
	if (json_array_size(pending) != 1)
		return err_set(e, ERR_INVALID,
		    "%zu interrupts are pending: answer by id",
		    json_array_size(pending));
	id = json_string_value(json_array_get(pending, 0));
	if (id != NULL)
		(void)json_object_set(ret, id, resume);
	return 0;
}

/* The ids of that, for the attempt after this one. */
static json_t *
names_of(json_t *object)
{
	json_t *names = json_array();
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)(void)
	    json_array_append_new(names, json_string(name));
	return names;
}

/* The assistant's, with what the run was asked for on top. */
static json_t *
start_merged(const struct attempt *a, const json_t *assistant, const char *name)
{
	json_t *j = json_deep_copy(assistant);
	json_t *more = json_object_get(a->kwargs, name);

	if (j != NULL && json_is_object(more))
		(void)json_object_update_recursive(j, more);
	return j;
}

static json_t *
kwarg(const struct attempt *a, const char *name)
{
	json_t *j = json_object_get(a->kwargs, name);

	return j != NULL ? json_incref(j) : json_null();
}

int
attempt_start_params(struct attempt *a, json_t **ret, struct err *e)
{
	autojson *resumes = json_object();
	json_t *input =
	    a->input != NULL ? json_incref(a->input) : kwarg(a, "input");
	json_t *first = json_array_get(a->chain, 0);
	json_t *checkpoint =
	    a->checkpoint != NULL ? a->checkpoint : json_null();
	json_t *assistant = json_pack("{s:s, s:s, s:o, s:o}", "assistant_id",
	    a->run->assistant_id, "graph_id", a->run->graph_id, "config",
	    start_merged(a, a->config, "config"), "context",
	    start_merged(a, a->context, "context"));
	json_t *j;

	CRASH_POINT();
	if (resumes == NULL || start_resumes(a, resumes, e) == -1) {
		json_decref(input);
		json_decref(assistant);
		return -1;
	}
	json_decref(a->answered);
	a->answered = names_of(resumes);
	j = json_pack("{s:s, s:I, s:s, s:O, s:o, s:o, s:o, s:O, s:O, s:o,"
		      " s:o, s:o, s:o, s:O, s:b, s:b}",
	    "run_id", a->run->run_id, "attempt", (json_int_t)a->run->attempt,
	    "thread_id", a->run->thread_id, "execution", first, "assistant",
	    assistant, "input", input, "command", kwarg(a, "command"),
	    "checkpoint", checkpoint, "resumes", resumes, "stream_modes",
	    kwarg(a, "stream_mode"), "interrupt_before",
	    kwarg(a, "interrupt_before"), "interrupt_after",
	    kwarg(a, "interrupt_after"), "durability", kwarg(a, "durability"),
	    "journal", a->journal, "journal_is_whole", !a->journal_cut, "fork",
	    a->chosen > 0);
	if (j == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a message");
	*ret = j;
	return 0;
}
