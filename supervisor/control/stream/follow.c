/*
 * follow.c: a client's cursor into the events of a run.
 *
 *	            .---- room again (pull), or its turn (feed, turn)
 *	            v
 *	go: is there room? ── no ──► the socket pulls
 *	      │ yes
 *	      ├─ something to say (end, error) ──► write it; the end
 *	      ├─ events behind the cursor ───────► write what fits, move it
 *	      └─ none ───────────────────────────► feed or turn calls
 */
#include "follow_parts.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "text.h"

enum {
	FOLLOW_PIECE = 64 * 1024, /* that is written at once */
};

/* Text on its way into a socket; the loop has one thread. */
static char piece[FOLLOW_PIECE];

/* ---- the end ----------------------------------------------------------------- */

static void
follow_destroy(struct follow *f)
{
	pulse_leave(&f->beat);
	feed_leave(&f->reader);
	thread_destroy(f->thread);
	free(f->said);
	free(f);
}

static void
follow_cancel(struct follow *f)
{
	const struct feed *run = f->reader.feed;
	const char *const ids[] = { run->run_id };
	const struct storage_run_cancel_request q = {
		.tenant = run->tenant,
		.run_ids = { .v = ids, .n = 1 },
		.action = "interrupt",
		.reason = "the client went away",
	};
	struct err e = { 0 };

	if (engine_run_cancel(f->hub->engine, &q, NULL, NULL, &e) == -1)
		log_err(LOG_LEVEL_WARN, "run.cancel", &e);
}

void
follow_gone(void *arg)
{
	struct follow *f = arg;

	if (f->cancel && !f->over && f->reader.feed != NULL)
		follow_cancel(f);
	follow_destroy(f);
}

static void
follow_end(struct follow *f)
{
	if (f->cut)
		f->sink->cut(f->sink_arg);
	else
		f->sink->end(f->sink_arg);
	follow_destroy(f);
}

/* ---- what is said besides events ---------------------------------------------- */

/* The last words, without an id; where there is no memory for them, none. */
static void
say(struct follow *f, const char *event, const char *data)
{
	struct said *s = calloc(1, sizeof(*s));
	struct text t;

	f->over = 1;
	f->said = s;
	if (s == NULL)
		return;
	text_init(&t, s->text, sizeof(s->text));
	text_addf(&t, "event: %s\ndata: %s\n\n", event, data);
	s->size = t.len;
}

/* 1 in the middle of an event, the rest of which is gone: nothing fits. */
static int
follow_cuts(struct follow *f)
{
	if (f->offset > 0)
		f->over = f->cut = 1;
	return f->cut;
}

void
follow_fail(struct follow *f, const char *error, const char *message)
{
	char data[FOLLOW_SAID_SIZE - 32];

	if (follow_cuts(f))
		return;
	(void)snprintf(data, sizeof(data),
	    "{\"error\":\"%s\",\"message\":\"%s\"}", error, message);
	say(f, "error", data);
}

/* 1 when all of it is said. */
static int
follow_speak(struct follow *f)
{
	struct said *s = f->said;

	if (s == NULL)
		return 1;
	s->sent +=
	    f->sink->write(f->sink_arg, s->text + s->sent, s->size - s->sent);
	return s->sent == s->size;
}

/* The run has ended: its stream does, a thread's goes on with the next. */
static void
run_ended(struct follow *f, const char *status)
{
	char data[FOLLOW_SAID_SIZE - 32];

	if (follow_cuts(f))
		return;
	if (f->thread != NULL) {
		thread_run_ended(f);
		return;
	}
	(void)snprintf(data, sizeof(data),
	    "{\"run_id\":\"%s\",\"status\":\"%s\"}", f->reader.feed->run_id,
	    status != NULL ? status : "deleted");
	say(f, "end", data);
}

/* ---- events ------------------------------------------------------------------- */

static size_t
follow_fill(const struct follow *f, const struct frame_style *s,
    const struct feed_view *v)
{
	size_t i, n = 0, offset = f->offset;

	for (i = 0; i < v->n && n < sizeof(piece); i++) {
		n += frame_copy(s, &v->rows[i], offset, piece + n,
		    sizeof(piece) - n);
		offset = 0;
	}
	return n;
}

/* Behind what was taken, and behind what is not wanted. */
static void
follow_move(struct follow *f, const struct frame_style *s,
    const struct feed_view *v, size_t took)
{
	size_t i, left;

	for (i = 0; i < v->n; i++) {
		left = frame_size(s, &v->rows[i]) - f->offset;
		if (took < left) {
			f->offset += took;
			return;
		}
		took -= left;
		f->offset = 0;
		f->reader.seq = v->rows[i].seq;
	}
}

struct frame_style
follow_style(const struct follow *f)
{
	const struct thread *t = f->thread;
	struct frame_style s = { .what = f->what,
		.modes = f->modes,
		.ids = f->ids };

	if (t != NULL) {
		s.shown = t->shown;
		s.run_id = t->turn.after;
		s.checkpoint_id = t->checkpoint_id;
	}
	return s;
}

static void
follow_send(struct follow *f, const struct feed_view *v)
{
	struct frame_style s = follow_style(f);
	size_t n = follow_fill(f, &s, v);

	if (n > 0)
		n = f->sink->write(f->sink_arg, piece, n);
	follow_move(f, &s, v, n);
}

int
follow_run(struct follow *f)
{
	struct feed_view v = { 0 };
	enum feed_what what = feed_next(&f->reader, &v);

	if (what == FEED_WAIT || (what == FEED_IDLE && !f->present))
		return 0;
	if (what == FEED_EVENTS)
		follow_send(f, &v);
	else if (what == FEED_GONE)
		follow_fail(f, "EventsGone",
		    "events that you have not seen are not kept any more");
	else if (what == FEED_FAILED)
		follow_fail(f, "Unavailable", "events cannot be read");
	else
		run_ended(f, v.status);
	return 1;
}

void
follow_go(void *arg)
{
	struct follow *f = arg;
	int more = 1;

	while (more && f->sink->room(f->sink_arg)) {
		if (f->over && follow_speak(f)) {
			follow_end(f);
			return;
		}
		if (!f->over)
			more = f->thread != NULL ? thread_go(f) : follow_run(f);
	}
}

/* ---- the client ------------------------------------------------------------------ */

static void
follow_beat(void *arg)
{
	static const char beat[] = ": heartbeat\n\n";
	struct follow *f = arg;

	_Static_assert(sizeof(beat) - 1 <= FOLLOW_SHORT, "it goes whole");
	/* never in the middle of an event */
	if (!f->over && f->offset == 0 &&
	    (f->thread == NULL || buf_size(&f->thread->text) == 0) &&
	    f->sink->room(f->sink_arg))
		(void)f->sink->write(f->sink_arg, beat, sizeof(beat) - 1);
}

void
follow_pull(void *arg)
{
	struct follow *f = arg;
	struct err e = { 0 };

	if (f->beat.pulse == NULL &&
	    pulse_join(f->hub->pulse, &f->beat, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "api.stream", &e);
	follow_go(f);
}

/* ---- begin ------------------------------------------------------------------------ */

void
follow_write_to(struct follow *f, void *arg)
{
	f->sink_arg = arg;
}

int
follow_create(const struct follow_options *o, const struct follow_sink *sink,
    struct follow **ret, struct err *e)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_sys(e, ENOMEM, "a stream");
	*f = (struct follow){ .hub = o->hub,
		.sink = sink,
		.beat = { .fn = follow_beat, .arg = f },
		.reader = { .place = { .fn = follow_go, .arg = f },
		    .seq = o->after_seq },
		.modes = o->modes,
		.what = o->what,
		.ids = o->ids,
		.cancel = o->cancel,
		.present = o->present };
	if ((o->run_id != NULL
		    ? feed_join(o->hub, o->tenant, o->run_id, &f->reader, e)
		    : thread_create(f, o, e)) == -1) {
		follow_destroy(f);
		return -1;
	}
	*ret = f;
	return 0;
}
