/*
 * runs_wait.c: what a run gave, when it has ended.
 *
 * The status goes out before the outcome is known: line feeds, which JSON
 * does not mind, keep the connection alive until the values follow.
 */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "log.h"
#include "runs.h"
#include "shape.h"
#include "supervisor/control/runs/engine.h"
#include "supervisor/control/stream/hub.h"
#include "supervisor/control/stream/pulse.h"
#include "writer.h"

struct waiting {
	struct api_conn *client; /* NULL: it has gone */
	struct api *api;
	struct engine_waiter *waiter; /* NULL: the run has ended */
	struct beat beat;
	unsigned asking; /* answers of the storage that will come */
	int cancel;
	int stopped; /* before its end, without a failure */
	int join; /* values are wanted, whatever became of the run */
	char tenant[AUTH_TENANT_SIZE];
	char run_id[64];
	char *text; /* the end's, and how much of it went */
	size_t size, sent;
};

static void
waiting_destroy(struct waiting *w)
{
	if (w->asking > 0)
		return;
	engine_wait_cancel(w->waiter);
	pulse_leave(&w->beat);
	free(w->text);
	free(w);
}

/* ---- the client -------------------------------------------------------------- */

static void
waiting_gone(void *arg)
{
	struct waiting *w = arg;
	const char *const ids[] = { w->run_id };
	const struct storage_run_cancel_request q = {
		.tenant = w->tenant,
		.run_ids = { .v = ids, .n = 1 },
		.action = "interrupt",
		.reason = "the client went away",
	};
	struct err e = { 0 };

	w->client = NULL;
	pulse_leave(&w->beat);
	if (w->cancel && w->waiter != NULL &&
	    engine_run_cancel(w->api->engine, &q, NULL, NULL, &e) == -1)
		log_err(LOG_LEVEL_WARN, "run.cancel", &e);
	waiting_destroy(w);
}

static void
waiting_pull(void *arg)
{
	struct waiting *w = arg;
	struct api_conn *client = w->client;

	if (w->text == NULL)
		return;
	while (w->sent < w->size && request_room(client))
		w->sent +=
		    request_write(client, w->text + w->sent, w->size - w->sent);
	if (w->sent < w->size)
		return;
	w->client = NULL;
	request_end(client);
	waiting_destroy(w);
}

static void
waiting_beat(void *arg)
{
	struct waiting *w = arg;

	if (w->client != NULL && w->text == NULL && request_room(w->client))
		(void)!request_write(w->client, "\n", 1);
}

/* ---- the outcome ----------------------------------------------------------------- */

static void
waiting_say(struct waiting *w, json_t *value)
{
	autojson *own = value;
	struct err e = { 0 };

	pulse_leave(&w->beat);
	if (w->client == NULL) {
		waiting_destroy(w);
	} else if (own == NULL ||
		   json_text(own, &w->text, &w->size, &e) == -1) {
		struct api_conn *client = w->client;

		w->client = NULL;
		request_break(client);
		waiting_destroy(w);
	} else
		waiting_pull(w);
}

static json_t *
failure(const char *error, const char *message)
{
	return json_pack("{s:{s:s,s:s}}", "__error__", "error", error,
	    "message", message);
}

/* Of a run that stopped before its end: the thread's values, and what is
 * asked.  Without its thread a failed run has none. */
static void
on_thread(void *arg, const struct storage_thread *t, const struct err *e)
{
	struct waiting *w = arg;
	json_t *values = NULL, *asked;

	(void)e;
	w->asking--;
	if (t == NULL || t->values == NULL ||
	    json_parse(t->values, strlen(t->values), NULL, &values, NULL) == -1)
		values = json_object();
	asked = t != NULL ? shape_interrupts(t->interrupts) : NULL;
	if (asked != NULL || (t == NULL && w->stopped))
		(void)json_object_set_new(values, "__interrupt__",
		    asked != NULL ? asked : json_array());
	waiting_say(w, values);
}

static void
ask_thread(struct waiting *w, const char *thread_id)
{
	const struct storage_thread_get_request q = {
		.tenant = w->tenant,
		.thread_id = thread_id,
	};
	struct err e = { 0 };

	w->asking++;
	if (storage_thread_get(w->api->storage, &q, on_thread, w, &e) == 0)
		return;
	w->asking--;
	waiting_say(w, failure("Unavailable", e.msg));
}

/* {"error": class, "message": text} as the run stored it. */
static json_t *
failure_of(const struct storage_run *run)
{
	json_t *error = NULL;

	if (run->error != NULL &&
	    json_parse(run->error, strlen(run->error), NULL, &error, NULL) == 0)
		return json_pack("{s:o}", "__error__", error);
	return strcmp(run->status, "timeout") == 0
		   ? failure("TimeoutError", "the run's time was up")
		   : failure("Error", "the run failed");
}

static json_t *
output_of(const struct storage_run *run)
{
	json_t *values = NULL;

	if (run->output == NULL || json_parse(run->output, strlen(run->output),
				       NULL, &values, NULL) == -1)
		return json_null();
	return values;
}

static void
on_ended(void *arg, const struct storage_run *run, const struct err *e)
{
	struct waiting *w = arg;

	w->waiter = NULL;
	w->stopped = run != NULL && strcmp(run->status, "interrupted") == 0;
	if (e != NULL)
		waiting_say(w, failure("Unavailable", e->msg));
	else if (run == NULL)
		waiting_say(w, failure("RunDeleted",
				   "the run was rolled back or deleted"));
	else if (strcmp(run->status, "success") == 0)
		waiting_say(w, output_of(run));
	else if (w->stopped || w->join)
		ask_thread(w, run->thread_id);
	else
		waiting_say(w, failure_of(run));
}

/* ---- begin --------------------------------------------------------------------------- */

static int
waiting_begin(struct waiting *w, struct err *e)
{
	w->beat.fn = waiting_beat;
	w->beat.arg = w;
	if (pulse_join(hub_pulse(w->api->hub), &w->beat, e) == -1)
		return -1;
	return engine_wait(w->api->engine, w->tenant, w->run_id, on_ended, w,
	    &w->waiter, e);
}

void
runs_answer_wait(struct request *r, const char *run_id, int cancel, int join)
{
	struct waiting *w = calloc(1, sizeof(*w));
	struct api_conn *client;
	struct err e = { 0 };

	if (w == NULL) {
		request_fail(r, 503, ERR_SYSTEM, "no memory");
		return;
	}
	w->api = r->api;
	w->cancel = cancel;
	w->join = join;
	(void)snprintf(w->tenant, sizeof(w->tenant), "%s", r->who.tenant);
	(void)snprintf(w->run_id, sizeof(w->run_id), "%s", run_id);
	if (waiting_begin(w, &e) == -1) {
		waiting_destroy(w);
		request_error(r, &e);
		return;
	}
	client = request_stream(r, "application/json",
	    &(struct request_source){ waiting_pull, waiting_gone, w });
	if (client != NULL)
		w->client = client;
}
