/*
 * runs_follow.c: a follower's text goes to the client that asked for it.
 */
#include <stdio.h>

#include "api.h"
#include "runs.h"
#include "supervisor/control/storage/uuid.h"
#include "supervisor/control/stream/follow.h"

static int
sink_room(void *arg)
{
	return request_room(arg);
}

static size_t
sink_write(void *arg, const void *p, size_t n)
{
	return request_write(arg, p, n);
}

static void
sink_end(void *arg)
{
	request_end(arg);
}

static void
sink_cut(void *arg)
{
	request_break(arg);
}

enum {
	NOW_RUNS = 100, /* of a thread, looked at for the one that runs */
};

static const struct follow_sink sink = { sink_room, sink_write, sink_end,
	sink_cut };

static void
follow_begin(struct request *r, const struct follow_options *o)
{
	struct api_conn *client;
	struct follow *f;
	struct err e = { 0 };

	if (follow_create(o, &sink, &f, &e) == 0) {
		client = request_stream(r, "text/event-stream",
		    &(struct request_source){ follow_pull, follow_gone, f });
		if (client != NULL)
			follow_write_to(f, client);
	} else if (e.code == ERR_INVALID)
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
	else
		request_error(r, &e);
}

/* ---- what comes now --------------------------------------------------------- */

/*
 * Where "now" is must be known before the answer begins: what a client does
 * when it has seen that is to be in the stream, however late the first read
 * comes.
 */
struct now {
	struct request *request;
	struct follow_options o;
	char run_id[UUID_SIZE]; /* of a thread, the current; "": none */
	char seq[32]; /* of it, or "end" */
	char after[REQUEST_EVENT_ID_SIZE];
};

static void
now_begin(struct now *n, const char *checkpoint_id)
{
	(void)snprintf(n->after, sizeof(n->after), "%s:%s:%s", n->run_id,
	    n->seq, checkpoint_id);
	n->o.after = n->after;
	follow_begin(n->request, &n->o);
}

static void
on_newest_state(void *arg, const struct storage_checkpoints *l,
    const struct err *e)
{
	struct now *n = arg;

	if (l == NULL && e->code != ERR_NOT_FOUND)
		request_error(n->request, e);
	else
		now_begin(n, l != NULL && l->rows.n > 0
				 ? l->rows.v[0].checkpoint_id
				 : "");
}

static void
ask_newest_state(struct now *n)
{
	const struct storage_checkpoint_list_request q = {
		.tenant = n->o.tenant,
		.thread_id = n->o.thread_id,
		.ns = "",
		.metadata = "{\"source\":\"update\"}",
		.limit = 1,
	};
	struct err e = { 0 };

	if (!(n->o.shown & FRAME_STATE_UPDATE))
		now_begin(n, "");
	else if (storage_checkpoint_list(n->request->api->storage, &q,
		     on_newest_state, n, &e) == -1)
		request_error(n->request, &e);
}

static void
on_last_event(void *arg, const struct storage_events *l, const struct err *e)
{
	struct now *n = arg;

	if (l == NULL) {
		request_refused(n->request, e, "Run", n->run_id);
		return;
	}
	if (n->o.run_id != NULL) {
		/* of one whose events are gone the stream says what it can */
		if (l->last_seq >= 0)
			n->o.after_seq = l->last_seq;
		follow_begin(n->request, &n->o);
		return;
	}
	if (l->ended || l->status == NULL)
		(void)snprintf(n->seq, sizeof(n->seq), "end");
	else
		(void)snprintf(n->seq, sizeof(n->seq), "%lld",
		    (long long)l->last_seq);
	ask_newest_state(n);
}

static void
ask_last_event(struct now *n)
{
	struct request *r = n->request;
	const struct storage_event_read_request q = {
		.tenant = n->o.tenant,
		.run_id = n->run_id,
		.after_seq = FOLLOW_NOW,
		.limit = 1,
	};
	struct err e = { 0 };

	if (storage_event_read(r->api->storage, &q, on_last_event, n, &e) == -1)
		request_error(r, &e);
}

/* The one that runs or is next to; where none is, the newest. */
static const char *
current_run(const struct storage_runs *l)
{
	const char *found = l->rows.v[0].run_id;
	size_t i;

	/* the newest first */
	for (i = 0; i < l->rows.n; i++)
		if (l->rows.v[i].ended_at_ms == 0)
			found = l->rows.v[i].run_id;
	return found;
}

static void
on_current_run(void *arg, const struct storage_runs *l, const struct err *e)
{
	struct now *n = arg;

	if (l == NULL && e->code != ERR_NOT_FOUND)
		request_error(n->request, e);
	else if (l == NULL || l->rows.n == 0) {
		(void)snprintf(n->seq, sizeof(n->seq), "-1");
		ask_newest_state(n);
	} else {
		(void)snprintf(n->run_id, sizeof(n->run_id), "%s",
		    current_run(l));
		ask_last_event(n);
	}
}

static void
ask_current_run(struct now *n)
{
	struct request *r = n->request;
	const struct storage_run_list_request q = {
		.tenant = n->o.tenant,
		.thread_id = n->o.thread_id,
		.limit = NOW_RUNS,
	};
	struct err e = { 0 };

	if (storage_run_list(r->api->storage, &q, on_current_run, n, &e) == -1)
		request_error(r, &e);
}

static void
now_find(struct request *r, const struct follow_options *o)
{
	struct now *n = request_keep(r, sizeof(*n));

	if (n == NULL) {
		request_fail(r, 503, ERR_SYSTEM, "no memory");
		return;
	}
	n->request = r;
	n->o = *o;
	if (o->run_id == NULL) {
		ask_current_run(n);
		return;
	}
	(void)snprintf(n->run_id, sizeof(n->run_id), "%s", o->run_id);
	ask_last_event(n);
}

void
runs_answer_follow(struct request *r, const struct follow_options *options)
{
	struct follow_options o = *options;

	o.hub = r->api->hub;
	o.tenant = r->who.tenant;
	if (o.run_id != NULL ? o.after_seq == FOLLOW_NOW : o.after[0] == '\0')
		now_find(r, &o);
	else
		follow_begin(r, &o);
}
