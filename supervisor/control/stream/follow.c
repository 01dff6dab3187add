/*
 * follow.c: a cursor into stored events, pulled by a client's socket.
 *
 *	            .------- woken: something was committed <---- engine
 *	            v
 *	IDLE ──► READING ──► rows: text ──► SENDING ──drained──► READING …
 *	  ^          │ nothing new                 │
 *	  └──────────┘                             └── the run's end: END
 */
#include "follow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "buf.h"
#include "log.h"
#include "text.h"

enum {
	FOLLOW_ROWS = 256, /* that one read brings */
	FOLLOW_BYTES = 256 * 1024,
	FOLLOW_TEXT_MAX = 16 * 1024 * 1024, /* one read, framed */
	FOLLOW_READS_MAX = 256, /* at once; the storage has others to serve */
	FOLLOW_RUNS = 1000, /* of a thread, looked at for the next */
	FOLLOW_STATES = 100, /* that one read brings, at most */
	FOLLOW_ID_SIZE = 40,
};

struct follow {
	struct follow_options o; /* its texts are the ones below */
	struct follow_sink sink;
	int gone; /* the client is */
	int pulled; /* once, so that there is somebody to write to */
	struct engine_follower *follower;
	struct loop_timer *timer;
	char tenant[STORAGE_TENANT_MAX + 1];
	char run_id[FOLLOW_ID_SIZE]; /* "": of a thread that has none yet */
	char thread_id[FOLLOW_ID_SIZE]; /* "": not a thread's stream */
	int64_t after_seq;
	int reading; /* the storage will answer */
	int dirty; /* there may be something that was not read */
	int between; /* of a thread's runs: the next is looked for */
	int newest; /* of them, the newest comes first */
	int quiet; /* the run's end was over before we came */
	int states; /* there may be some that were not looked at */
	int unseen; /* none before now is meant */
	char checkpoint_id[FOLLOW_ID_SIZE]; /* the last state; "": none */
	int ended; /* nothing follows what is in text */
	struct buf text; /* framed, to be sent */
	TAILQ_ENTRY(follow) next; /* of those that wait to read */
	int waiting;
};

/* One for the process, as its loop is: who may read, who is next. */
static struct {
	unsigned reading;
	TAILQ_HEAD(follow_waiting, follow) waiting;
} gate = { 0, TAILQ_HEAD_INITIALIZER(gate.waiting) };

/* What agents write, as the attempt stores it. */
#define FOLLOW_LOG_EVENT "$log"

static void follow_go(struct follow *f);

/* ---- modes ------------------------------------------------------------------ */

static const struct {
	const char *mode, *event; /* "messages" is named by its parts */
} modes[] = {
	{ "values", "values" },
	{ "updates", "updates" },
	{ "messages", "messages/" },
	{ "messages-tuple", "messages" },
	{ "custom", "custom" },
	{ "events", "events" },
	{ "debug", "debug" },
	{ "tasks", "tasks" },
	{ "checkpoints", "checkpoints" },
	{ "tools", "tools" },
	{ "lifecycle", "lifecycle" },
};

unsigned
follow_mode(const char *name)
{
	size_t i;

	for (i = 0; i < countof(modes); i++)
		if (strcmp(modes[i].mode, name) == 0)
			return 1u << i;
	return 0;
}

unsigned
follow_shown(const char *name)
{
	static const struct {
		const char *name;
		unsigned bit;
	} names[] = {
		{ "run_modes", FOLLOW_RUN_MODES },
		{ "lifecycle", FOLLOW_LIFECYCLE },
		{ "state_update", FOLLOW_STATE_UPDATE },
	};

	size_t i;

	for (i = 0; i < countof(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].bit;
	return 0;
}

static int
is_event_of(const char *name, const char *event)
{
	size_t n = strlen(event);

	return event[n - 1] == '/' ? strncmp(name, event, n) == 0
				   : strcmp(name, event) == 0;
}

/* Names that no mode has are for everybody: metadata, error. */
static int
is_wanted(const struct follow *f, const char *name)
{
	size_t i;

	if (f->o.what == FOLLOW_LOG)
		return strcmp(name, FOLLOW_LOG_EVENT) == 0;
	if (name[0] == '$')
		return 0;
	if (f->thread_id[0] != '\0' && !(f->o.shown & FOLLOW_RUN_MODES))
		return (f->o.shown & FOLLOW_LIFECYCLE) != 0 &&
		       strcmp(name, "metadata") == 0;
	for (i = 0; i < countof(modes); i++)
		if (is_event_of(name, modes[i].event))
			return f->o.modes == 0 || (f->o.modes & (1u << i)) != 0;
	return 1;
}

/* ---- frames ------------------------------------------------------------------- */

static int
put(struct follow *f, const char *s, struct err *e)
{
	return buf_append(&f->text, s, strlen(s), e);
}

static int
frame_id(struct follow *f, int64_t seq, struct err *e)
{
	char id[2 * FOLLOW_ID_SIZE + 32];

	if (!f->o.ids)
		return 0;
	if (f->thread_id[0] != '\0')
		(void)snprintf(id, sizeof(id), "id: %s:%lld%s%s\n", f->run_id,
		    (long long)seq, f->checkpoint_id[0] != '\0' ? ":" : "",
		    f->checkpoint_id);
	else
		(void)snprintf(id, sizeof(id), "id: %lld\n", (long long)seq);
	return put(f, id, e);
}

static int
frame(struct follow *f, const struct storage_event *v, struct err *e)
{
	/* names with "$" are ours: clients see them without it */
	if (put(f, "event: ", e) == -1 ||
	    put(f, v->name + (v->name[0] == '$'), e) == -1 ||
	    (v->ns != NULL && v->ns[0] != '\0' &&
		(put(f, "|", e) == -1 || put(f, v->ns, e) == -1)) ||
	    put(f, "\ndata: ", e) == -1 ||
	    put(f, v->data != NULL ? v->data : "null", e) == -1 ||
	    put(f, "\n", e) == -1 || frame_id(f, v->seq, e) == -1)
		return -1;
	return put(f, "\n", e);
}

/* What no run stores: said by us, without an id. */
static void
say(struct follow *f, const char *event, const char *data)
{
	if (put(f, "event: ", NULL) == -1 || put(f, event, NULL) == -1 ||
	    put(f, "\ndata: ", NULL) == -1 || put(f, data, NULL) == -1 ||
	    put(f, "\n\n", NULL) == -1)
		f->ended = 1;
}

static void
say_failure(struct follow *f, const char *error, const char *message)
{
	char data[256];

	(void)snprintf(data, sizeof(data),
	    "{\"error\":\"%s\",\"message\":\"%s\"}", error, message);
	say(f, "error", data);
	f->ended = 1;
}

/* ---- the end --------------------------------------------------------------------- */

static void
follow_destroy(struct follow *f)
{
	if (f->waiting)
		TAILQ_REMOVE(&gate.waiting, f, next);
	f->waiting = 0;
	if (f->reading)
		return; /* what the storage answers ends it */
	engine_unfollow(f->follower);
	loop_timer_destroy(f->timer);
	buf_finish(&f->text);
	free(f);
}

void
follow_gone(void *arg)
{
	struct follow *f = arg;
	const char *const ids[] = { f->run_id };
	const struct storage_run_cancel_request q = {
		.tenant = f->tenant,
		.run_ids = { .v = ids, .n = 1 },
		.action = "interrupt",
		.reason = "the client went away",
	};
	struct err e = { 0 };

	f->gone = 1;
	if (f->o.cancel && !f->ended &&
	    engine_run_cancel(f->o.engine, &q, NULL, NULL, &e) == -1)
		log_err(LOG_LEVEL_WARN, "run.cancel", &e);
	follow_destroy(f);
}

static void
follow_end(struct follow *f)
{
	f->gone = 1;
	f->sink.end(f->sink.arg);
	follow_destroy(f);
}

/* A read has come back: the next in turn may ask; some find no need to. */
static void
gate_leave(void)
{
	struct follow *f;

	gate.reading--;
	while (gate.reading < FOLLOW_READS_MAX &&
	       (f = TAILQ_FIRST(&gate.waiting)) != NULL) {
		TAILQ_REMOVE(&gate.waiting, f, next);
		f->waiting = 0;
		follow_go(f);
	}
}

static int
gate_is_full(struct follow *f)
{
	if (gate.reading < FOLLOW_READS_MAX)
		return 0;
	if (!f->waiting)
		TAILQ_INSERT_TAIL(&gate.waiting, f, next);
	f->waiting = 1;
	return 1;
}

/* ---- reading ----------------------------------------------------------------------- */

static void
take_rows(struct follow *f, const struct storage_events *l)
{
	struct err e = { 0 };
	size_t i;

	for (i = 0; i < l->rows.n; i++) {
		const struct storage_event *v = &l->rows.v[i];

		f->after_seq = v->seq;
		if (is_wanted(f, v->name) && frame(f, v, &e) == -1) {
			say_failure(f, "Unavailable", "no memory");
			return;
		}
	}
}

/* Whoever begins behind a run's end does not hear of it; whoever comes back
 * does, again. */
static void
say_run_done(struct follow *f)
{
	char data[128];

	if (f->quiet || !(f->o.shown & (FOLLOW_RUN_MODES | FOLLOW_LIFECYCLE)))
		return;
	(void)snprintf(data, sizeof(data),
	    "{\"status\":\"run_done\",\"run_id\":\"%s\"}", f->run_id);
	say(f, "metadata", data);
}

/* The run has ended: its stream does, a thread's goes on with the next. */
static void
run_ended(struct follow *f, const char *status)
{
	char data[256];

	if (f->thread_id[0] != '\0') {
		say_run_done(f);
		f->quiet = 0;
		f->between = 1;
		f->dirty = 1;
		return;
	}
	(void)snprintf(data, sizeof(data),
	    "{\"run_id\":\"%s\",\"status\":\"%s\"}", f->run_id,
	    status != NULL ? status : "deleted");
	say(f, "end", data);
	f->ended = 1;
}

static void
take_events(struct follow *f, const struct storage_events *l)
{
	if (f->after_seq == FOLLOW_NOW) {
		f->after_seq = l->last_seq;
		f->quiet = l->ended;
	}
	if (l->gone) {
		say_failure(f, "EventsGone",
		    "events that you have not seen are not kept any more");
		return;
	}
	take_rows(f, l);
	if (f->ended)
		return;
	if (f->after_seq < l->last_seq)
		f->dirty = 1;
	else if (l->ended || l->status == NULL || f->o.present)
		run_ended(f, l->status);
}

static void
on_events(void *arg, const struct storage_events *l, const struct err *e)
{
	struct follow *f = arg;

	f->reading = 0;
	if (f->gone) {
		follow_destroy(f);
		gate_leave();
		return;
	}
	if (l != NULL)
		take_events(f, l);
	else if (e->code == ERR_NOT_FOUND)
		run_ended(f, NULL);
	else
		say_failure(f, "Unavailable", "events cannot be read");
	follow_go(f);
	gate_leave();
}

static int
read_events(struct follow *f, struct err *e)
{
	const struct storage_event_read_request q = {
		.tenant = f->tenant,
		.run_id = f->run_id,
		.after_seq = f->after_seq,
		.limit = FOLLOW_ROWS,
		.max_bytes = FOLLOW_BYTES,
	};

	return storage_event_read(f->o.storage, &q, on_events, f, e);
}

/* Ids of runs grow with time: the next one is the least above this. */
static const char *
next_run(const struct follow *f, const struct storage_runs *l)
{
	const char *next = NULL;
	size_t i;

	if (f->newest && l->rows.n > 0)
		return l->rows.v[0].run_id;
	for (i = 0; i < l->rows.n; i++)
		if (strcmp(l->rows.v[i].run_id, f->run_id) > 0 &&
		    (next == NULL || strcmp(l->rows.v[i].run_id, next) < 0))
			next = l->rows.v[i].run_id;
	return next;
}

static void
on_runs(void *arg, const struct storage_runs *l, const struct err *e)
{
	struct follow *f = arg;
	const char *next = l != NULL ? next_run(f, l) : NULL;

	f->reading = 0;
	if (f->gone) {
		follow_destroy(f);
		gate_leave();
		return;
	}
	if (l == NULL && e->code != ERR_NOT_FOUND)
		say_failure(f, "Unavailable", "runs cannot be read");
	else if (l == NULL)
		f->ended = 1; /* the thread is gone */
	else if (next != NULL) {
		(void)snprintf(f->run_id, sizeof(f->run_id), "%s", next);
		f->after_seq = f->newest ? FOLLOW_NOW : -1;
		f->between = 0;
		f->dirty = 1;
	}
	f->newest = 0;
	follow_go(f);
	gate_leave();
}

static int
read_runs(struct follow *f, struct err *e)
{
	const struct storage_run_list_request q = {
		.tenant = f->tenant,
		.thread_id = f->thread_id,
		.limit = FOLLOW_RUNS,
	};

	return storage_run_list(f->o.storage, &q, on_runs, f, e);
}

/* ---- states that clients make: no run has them ------------------------------ */

static int
frame_state(struct follow *f, const struct storage_checkpoint *c, struct err *e)
{
	autofree char *state = f->o.state(c, e);
	const char *id = f->thread_id;

	(void)snprintf(f->checkpoint_id, sizeof(f->checkpoint_id), "%s",
	    c->checkpoint_id);
	if (state == NULL ||
	    put(f, "event: state_update\ndata: {\"state\":", e) == -1 ||
	    put(f, state, e) == -1 || put(f, ",\"thread_id\":\"", e) == -1 ||
	    put(f, id, e) == -1 || put(f, "\"}\n", e) == -1 ||
	    frame_id(f, f->after_seq == FOLLOW_NOW ? -1 : f->after_seq, e) ==
		-1)
		return -1;
	return put(f, "\n", e);
}

/* They come newest first; their ids grow with time. */
static void
take_states(struct follow *f, const struct storage_checkpoints *l)
{
	struct err e = { 0 };
	size_t i = l->rows.n;

	if (f->unseen && l->rows.n > 0)
		(void)snprintf(f->checkpoint_id, sizeof(f->checkpoint_id), "%s",
		    l->rows.v[0].checkpoint_id);
	f->unseen = 0;
	while (i-- > 0)
		if (strcmp(l->rows.v[i].checkpoint_id, f->checkpoint_id) > 0 &&
		    frame_state(f, &l->rows.v[i], &e) == -1) {
			say_failure(f, "Unavailable", "no memory");
			return;
		}
}

static void
on_states(void *arg, const struct storage_checkpoints *l, const struct err *e)
{
	struct follow *f = arg;

	f->reading = 0;
	if (f->gone) {
		follow_destroy(f);
		gate_leave();
		return;
	}
	f->dirty = 1; /* runs come behind them */
	if (l != NULL)
		take_states(f, l);
	else if (e->code != ERR_NOT_FOUND)
		say_failure(f, "Unavailable", "states cannot be read");
	follow_go(f);
	gate_leave();
}

static int
read_states(struct follow *f, struct err *e)
{
	const struct storage_checkpoint_list_request q = {
		.tenant = f->tenant,
		.thread_id = f->thread_id,
		.ns = "",
		.metadata = "{\"source\":\"update\"}",
		.limit = f->unseen ? 1 : FOLLOW_STATES,
	};

	f->states = 0;
	return storage_checkpoint_list(f->o.storage, &q, on_states, f, e);
}

/* Ask for more, unless it is asked for already or there is none. */
static void
follow_read(struct follow *f)
{
	struct err e = { 0 };

	if (!f->dirty || f->reading || f->ended || gate_is_full(f))
		return;
	f->dirty = 0;
	f->reading = 1;
	gate.reading++;
	if ((f->states       ? read_states(f, &e)
		: f->between ? read_runs(f, &e)
			     : read_events(f, &e)) == 0)
		return;
	f->reading = 0;
	gate.reading--;
	say_failure(f, "Unavailable", "too much is being read");
}

/* ---- sending ------------------------------------------------------------------------- */

static void
follow_send(struct follow *f)
{
	while (buf_size(&f->text) > 0 && f->sink.room(f->sink.arg))
		buf_consume(&f->text,
		    f->sink.write(f->sink.arg, buf_bytes(&f->text),
			buf_size(&f->text)));
}

/* Send what is there; when it is gone, look for more. */
static void
follow_go(struct follow *f)
{
	follow_send(f);
	if (buf_size(&f->text) > 0)
		return;
	follow_read(f);
	follow_send(f);
	if (buf_size(&f->text) > 0 || f->reading)
		return;
	/* most streams wait most of the time: they hold no memory for it */
	buf_finish(&f->text);
	buf_init(&f->text, FOLLOW_TEXT_MAX);
	if (f->ended)
		follow_end(f);
}

void
follow_pull(void *arg)
{
	((struct follow *)arg)->pulled = 1;
	follow_go(arg);
}

static void
follow_woken(void *arg)
{
	struct follow *f = arg;

	f->dirty = 1;
	f->states = (f->o.shown & FOLLOW_STATE_UPDATE) != 0;
	if (f->pulled && !f->gone)
		follow_go(f);
}

static void
follow_beat(void *arg)
{
	static const char beat[] = ": heartbeat\n\n";
	struct follow *f = arg;

	if (f->gone)
		return;
	/* never in the middle of an event */
	if (f->pulled && buf_size(&f->text) == 0 && f->sink.room(f->sink.arg))
		(void)f->sink.write(f->sink.arg, beat, sizeof(beat) - 1);
	if (loop_timer_set(f->timer, f->o.heartbeat_ms, NULL) == -1)
		log_text(LOG_LEVEL_ERROR, "api.stream", "no timer");
}

/* ---- begin ------------------------------------------------------------------------------ */

/* RUN:SEQ or RUN:SEQ:CHECKPOINT into its parts; without any event of a run
 * SEQ is -1, without a run RUN is nothing. */
static int
split_after(char *after, char **ret_seq, char **ret_checkpoint)
{
	char *colon = strchr(after, ':');

	if (colon == NULL || colon - after >= FOLLOW_ID_SIZE)
		return -1;
	*colon = '\0';
	*ret_seq = colon + 1;
	colon = strchr(colon + 1, ':');
	*ret_checkpoint = colon != NULL ? colon + 1 : NULL;
	if (colon != NULL)
		*colon = '\0';
	return colon != NULL && strlen(colon + 1) >= FOLLOW_ID_SIZE ? -1 : 0;
}

/* Where a thread's stream was left. */
static int
take_place(struct follow *f, const char *after)
{
	char copy[3 * FOLLOW_ID_SIZE], *seq, *checkpoint;
	uint64_t n = 0;

	if (strlen(after) >= sizeof(copy))
		return -1;
	memcpy(copy, after, strlen(after) + 1);
	if (split_after(copy, &seq, &checkpoint) == -1 ||
	    (strcmp(seq, "-1") != 0 &&
		text_parse_u64(seq, INT64_MAX - 1, &n, NULL) == -1))
		return -1;
	f->after_seq = strcmp(seq, "-1") == 0 ? -1 : (int64_t)n;
	f->between = copy[0] == '\0';
	(void)snprintf(f->run_id, sizeof(f->run_id), "%s", copy);
	if (checkpoint == NULL)
		f->unseen = 1;
	else
		(void)snprintf(f->checkpoint_id, sizeof(f->checkpoint_id), "%s",
		    checkpoint);
	return 0;
}

static int
take_after(struct follow *f, const char *after, struct err *e)
{
	f->between = 1;
	f->newest = f->unseen = after[0] == '\0';
	if (f->newest || strcmp(after, "-") == 0 || strcmp(after, "-1") == 0)
		return 0;
	return take_place(f, after) == 0
		   ? 0
		   : err_set(e, ERR_INVALID,
			 "Last-Event-ID is none of a thread's stream");
}

static int
follow_begin(struct follow *f, const struct follow_options *o, struct err *e)
{
	const char *id = o->run_id != NULL ? o->run_id : o->thread_id;

	if (o->run_id == NULL && take_after(f, o->after, e) == -1)
		return -1;
	return engine_follow(o->engine, f->tenant, id, follow_woken, f,
		   &f->follower, e) == -1 ||
		       loop_timer_create(o->loop, follow_beat, f, &f->timer,
			   e) == -1 ||
		       loop_timer_set(f->timer, o->heartbeat_ms, e) == -1
		   ? -1
		   : 0;
}

int
follow_create(const struct follow_options *o, const struct follow_sink *sink,
    struct follow **ret, struct err *e)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_sys(e, ENOMEM, "a stream");
	f->o = *o;
	f->sink = *sink;
	f->dirty = 1;
	f->after_seq = o->after_seq;
	f->o.shown = o->shown != 0 ? o->shown : FOLLOW_RUN_MODES;
	f->states = (f->o.shown & FOLLOW_STATE_UPDATE) != 0;
	buf_init(&f->text, FOLLOW_TEXT_MAX);
	(void)snprintf(f->tenant, sizeof(f->tenant), "%s", o->tenant);
	(void)snprintf(f->run_id, sizeof(f->run_id), "%s",
	    o->run_id != NULL ? o->run_id : "");
	(void)snprintf(f->thread_id, sizeof(f->thread_id), "%s",
	    o->run_id == NULL ? o->thread_id : "");
	f->o.tenant = f->tenant;
	f->o.run_id = f->o.thread_id = f->o.after = NULL;
	if (follow_begin(f, o, e) == -1) {
		follow_destroy(f);
		return -1;
	}
	*ret = f;
	return 0;
}
