/*
 * info.c: what the service says of itself.
 */
#include <string.h>

#include "api.h"
#include "clock.h"
#include "request.h"
#include "routes.h"
#include "server.h"
#include "supervisor/control/storage/storage.h"
#include "version.h"
#include "writer.h"

static void
answer_ok(struct request *r)
{
	request_json(r, 200, json_pack("{s:b}", "ok", 1));
}

static void
on_check(void *arg, const struct storage_none *done, const struct err *e)
{
	struct request *r = arg;
	const struct err *trouble = storage_trouble(r->api->storage);

	(void)e;
	if (done == NULL)
		request_fail(r, 503, ERR_SYSTEM,
		    "the database does not answer");
	else if (trouble != NULL)
		request_fail(r, 503, trouble->code, "nothing is stored: %s",
		    trouble->msg);
	else
		answer_ok(r);
}

void
info_ok(struct request *r)
{
	const struct storage_check_request q = { 0 };
	struct err e = { 0 };
	int check = 0;

	if (query_flag(&r->query, "check_db", &check, &e) == -1) {
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
		return;
	}
	if (!check)
		answer_ok(r);
	else if (storage_check(r->api->storage, &q, on_check, r, &e) == -1)
		request_fail(r, 503, ERR_SYSTEM,
		    "the database does not answer");
}

void
info_get(struct request *r)
{
	request_json(r, 200,
	    json_pack("{s:s,s:s,s:s,s:{s:b,s:b,s:b,s:b}}", "version",
		WARDER_VERSION, "server", "warder", "context", "warder",
		"flags", "assistants", 1, "crons", 0, "langsmith", 0,
		"langsmith_tracing_replicas", 0));
}

/* ---- counts ----------------------------------------------------------------- */

struct metric {
	const char *name, *labels, *help;
	int64_t value;
};

enum {
	METRICS_MAX = 32
};

struct metrics {
	struct metric v[METRICS_MAX];
	size_t n;
};

static void
metric(struct metrics *m, const char *name, const char *labels,
    const char *help, int64_t value)
{
	if (m->n < METRICS_MAX)
		m->v[m->n++] = (struct metric){ name, labels, help, value };
}

static void
collect_service(struct metrics *m, const struct api *a)
{
	static const char *const classes[] = { NULL, "class=\"1xx\"",
		"class=\"2xx\"", "class=\"3xx\"", "class=\"4xx\"",
		"class=\"5xx\"" };
	const char *help = "Answers by the class of their status";
	size_t i;

	metric(m, "warder_uptime_ms", NULL, "Since the start",
	    (int64_t)(clock_now_ms() - a->started_ms));
	metric(m, "warder_api_requests", NULL, "Requests so far",
	    (int64_t)a->counts.requests);
	for (i = 2; i < countof(classes); i++)
		metric(m, "warder_api_answers", classes[i], help,
		    (int64_t)a->counts.answers[i]);
	metric(m, "warder_api_connections", NULL, "Connections so far",
	    (int64_t)a->counts.connections);
	metric(m, "warder_api_connections_open", NULL, "Connections now",
	    a->server->nconns);
	metric(m, "warder_api_refused", NULL, "Connections refused at a limit",
	    (int64_t)a->counts.refused);
	metric(m, "warder_api_held_bytes", NULL, "Of bodies and answers, now",
	    (int64_t)a->server->held_bytes);
	metric(m, "warder_api_streams_open", NULL, "Streams now",
	    (int64_t)a->counts.streams);
}

/* The sender's own: nobody else's runs are counted. */
static void
collect_own(struct metrics *m, const struct storage_tally *t)
{
	const char *runs = "Your runs by status";

	metric(m, "warder_runs", "status=\"pending\"", runs, t->pending);
	metric(m, "warder_runs", "status=\"running\"", runs, t->running);
	metric(m, "warder_runs", "status=\"success\"", runs, t->success);
	metric(m, "warder_runs", "status=\"error\"", runs, t->error);
	metric(m, "warder_runs", "status=\"timeout\"", runs, t->timeout);
	metric(m, "warder_runs", "status=\"interrupted\"", runs,
	    t->interrupted);
	metric(m, "warder_threads", NULL, "Your threads", t->threads);
	metric(m, "warder_assistants", NULL, "Your assistants", t->assistants);
	metric(m, "warder_stored_bytes", NULL, "Of what is yours", t->bytes);
}

static void
answer_prometheus(struct request *r, const struct metrics *m)
{
	char *text = malloc(16384);
	const char *last = "";
	struct text t;
	size_t i;

	if (text == NULL) {
		request_fail(r, 503, ERR_SYSTEM, "no memory");
		return;
	}
	text_init(&t, text, 16384);
	for (i = 0; i < m->n; i++) {
		const struct metric *v = &m->v[i];

		if (strcmp(last, v->name) != 0)
			text_addf(&t, "# HELP %s %s\n# TYPE %s gauge\n",
			    v->name, v->help, v->name);
		last = v->name;
		text_addf(&t, "%s%s%s%s %lld\n", v->name,
		    v->labels != NULL ? "{" : "",
		    v->labels != NULL ? v->labels : "",
		    v->labels != NULL ? "}" : "", (long long)v->value);
	}
	request_text(r, 200, "text/plain; version=0.0.4", text, t.len);
}

static void
answer_metrics_json(struct request *r, const struct metrics *m)
{
	autowriter w = { 0 };
	size_t i;

	writer_init(&w, 16384);
	writer_begin(&w, NULL, '[');
	for (i = 0; i < m->n; i++) {
		writer_begin(&w, NULL, '{');
		writer_text(&w, "name", m->v[i].name);
		if (m->v[i].labels != NULL)
			writer_text(&w, "labels", m->v[i].labels);
		writer_whole(&w, "value", m->v[i].value);
		writer_end(&w, '}');
	}
	writer_end(&w, ']');
	request_written(r, 200, &w);
}

static void
on_tally(void *arg, const struct storage_tally *t, const struct err *e)
{
	struct request *r = arg;
	const char *format = query_get(&r->query, "format");
	struct metrics m = { .n = 0 };

	if (t == NULL) {
		request_refused(r, e, "Tenant", "");
		return;
	}
	collect_service(&m, r->api);
	collect_own(&m, t);
	if (format != NULL && strcmp(format, "json") == 0)
		answer_metrics_json(r, &m);
	else
		answer_prometheus(r, &m);
}

void
info_metrics(struct request *r)
{
	const struct storage_run_tally_request q = {
		.tenant = r->who.tenant,
	};
	struct err e = { 0 };

	if (storage_run_tally(r->api->storage, &q, on_tally, r, &e) == -1)
		request_error(r, &e);
}
