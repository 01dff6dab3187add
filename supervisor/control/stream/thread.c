/*
 * thread.c: what a thread's stream does besides following a run.
 *
 *	go: in the middle of an event? ........... the rest of it
 *	    text that is framed? ................. write it
 *	    states to look for? .................. read them
 *	    a run? ............................... what comes of it
 *	    otherwise ............................ the next run
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "follow_parts.h"
#include "text.h"

enum {
	THREAD_STATES = 100, /* that one read brings, at most */
	THREAD_TEXT_MAX = 16 * 1024 * 1024, /* of them, framed */
};

struct states_read {
	struct hub_read read;
	struct thread *thread;
};

/* ---- states that clients make: no run has them ------------------------------ */

static int
put(struct thread *t, const char *s, struct err *e)
{
	return buf_append(&t->text, s, strlen(s), e);
}

static int
frame_state(struct thread *t, const struct storage_checkpoint *c, struct err *e)
{
	const struct follow *f = t->follow;
	autofree char *state = t->state(c, e);
	char id[FRAME_ID_SIZE];
	struct frame_style s;

	(void)snprintf(t->checkpoint_id, sizeof(t->checkpoint_id), "%s",
	    c->checkpoint_id);
	s = follow_style(f);
	frame_id(&s, f->reader.seq == FEED_NOW ? -1 : f->reader.seq, id);
	if (state == NULL ||
	    put(t, "event: state_update\ndata: {\"state\":", e) == -1 ||
	    put(t, state, e) == -1 || put(t, ",\"thread_id\":\"", e) == -1 ||
	    put(t, turn_thread(&t->turn), e) == -1 ||
	    put(t, "\"}\n", e) == -1 || put(t, id, e) == -1)
		return -1;
	return put(t, "\n", e);
}

/* They come newest first; their ids grow with time. */
static void
take_states(struct thread *t, const struct storage_checkpoints *l)
{
	struct err e = { 0 };
	size_t i = l->rows.n;

	if (t->unseen && l->rows.n > 0)
		(void)snprintf(t->checkpoint_id, sizeof(t->checkpoint_id), "%s",
		    l->rows.v[0].checkpoint_id);
	t->unseen = 0;
	while (i-- > 0)
		if (strcmp(l->rows.v[i].checkpoint_id, t->checkpoint_id) > 0 &&
		    frame_state(t, &l->rows.v[i], &e) == -1) {
			follow_fail(t->follow, "Unavailable", "no memory");
			return;
		}
}

static void
on_states(void *arg, const struct storage_checkpoints *l, const struct err *e)
{
	struct states_read *q = arg;
	struct thread *t = q->thread;

	if (q->read.state == READ_ORPHAN) {
		hub_read_answered(&q->read);
		return;
	}
	t->read = NULL;
	hub_read_answered(&q->read);
	if (l != NULL)
		take_states(t, l);
	else if (e->code != ERR_NOT_FOUND)
		follow_fail(t->follow, "Unavailable", "states cannot be read");
	/* not in the middle of whoever asked, where it fails at once */
	hub_ready(t->follow->hub, &t->watch);
}

static void
states_begin(void *arg)
{
	struct states_read *q = arg;
	struct thread *t = q->thread;
	const struct storage_checkpoint_list_request r = {
		.tenant = turn_tenant(&t->turn),
		.thread_id = turn_thread(&t->turn),
		.ns = "",
		.metadata = "{\"source\":\"update\"}",
		.limit = t->unseen ? 1 : THREAD_STATES,
	};
	struct err e = { 0 };

	t->due = 0;
	t->looked = turn_version(&t->turn);
	if (storage_checkpoint_list(t->follow->hub->storage, &r, on_states, q,
		&e) == -1)
		on_states(q, NULL, &e);
}

/* As thread_go(): whoever waits for it is called by its answer. */
static int
read_states(struct follow *f)
{
	struct thread *t = f->thread;
	struct states_read *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		follow_fail(f, "Unavailable", "no memory");
		return 1;
	}
	q->thread = t;
	q->read.begin = states_begin;
	t->read = q;
	hub_read_ask(f->hub, &q->read);
	return 0;
}

/*
 * Something of the thread was committed, or states were read.  What is
 * committed from now on is heard of again.
 */
static void
thread_woken(void *arg)
{
	struct thread *t = arg;

	turn_watch(&t->turn, &t->watch);
	if (turn_version(&t->turn) != t->looked)
		t->due = 1;
	follow_go(t->follow);
}

/* ---- its runs ------------------------------------------------------------------ */

/* Whoever begins behind a run's end does not hear of it. */
void
thread_run_ended(struct follow *f)
{
	struct thread *t = f->thread;
	struct frame_style s;
	char id[FRAME_ID_SIZE], text[256 + FRAME_ID_SIZE];

	feed_leave(&f->reader);
	f->reader.seq = FRAME_END;
	if (f->reader.late || !(t->shown & (FRAME_RUN_MODES | FRAME_LIFECYCLE)))
		return;
	s = follow_style(f);
	frame_id(&s, FRAME_END, id);
	(void)snprintf(text, sizeof(text),
	    "event: metadata\ndata: {\"status\":\"run_done\",\"run_id\":"
	    "\"%s\"}\n%s\n",
	    t->turn.after, id);
	if (put(t, text, NULL) == -1)
		follow_fail(f, "Unavailable", "no memory");
}

static int
next_run(struct follow *f)
{
	struct turn_waiter *w = &f->thread->turn;
	enum turn_what what = turn_next(w);
	struct err e = { 0 };

	if (what == TURN_WAIT)
		return 0;
	f->reader.seq = w->was_newest ? FEED_NOW : -1;
	f->reader.late = 0;
	if (what == TURN_GONE)
		f->over = 1;
	else if (what == TURN_FAILED || feed_join(f->hub, turn_tenant(w),
					    w->after, &f->reader, &e) == -1)
		follow_fail(f, "Unavailable", "runs cannot be read");
	return 1;
}

static void
send_text(struct follow *f)
{
	struct buf *b = &f->thread->text;

	buf_consume(b, f->sink->write(f->sink_arg, buf_bytes(b), buf_size(b)));
	if (buf_size(b) > 0)
		return;
	/* most streams wait most of the time: they hold no memory for it */
	buf_finish(b);
	buf_init(b, THREAD_TEXT_MAX);
}

int
thread_go(struct follow *f)
{
	struct thread *t = f->thread;

	if (f->offset == 0 && buf_size(&t->text) > 0) {
		send_text(f);
		return 1;
	}
	if (f->offset == 0 && t->read != NULL)
		return 0;
	if (f->offset == 0 && t->due)
		return read_states(f);
	return f->reader.feed != NULL ? follow_run(f) : next_run(f);
}

/* ---- begin and end ---------------------------------------------------------------- */

/*
 * RUN:SEQ or RUN:SEQ:CHECKPOINT into its parts; without any event of a run
 * SEQ is -1, without a run RUN is nothing.  Behind the run's end SEQ is "end".
 */
static int
split_after(char *after, char **ret_seq, char **ret_checkpoint)
{
	char *colon = strchr(after, ':');

	if (colon == NULL || colon - after >= HUB_ID_SIZE)
		return -1;
	*colon = '\0';
	*ret_seq = colon + 1;
	colon = strchr(colon + 1, ':');
	*ret_checkpoint = colon != NULL ? colon + 1 : NULL;
	if (colon != NULL)
		*colon = '\0';
	return colon != NULL && strlen(colon + 1) >= HUB_ID_SIZE ? -1 : 0;
}

static int
read_seq(const char *s, int64_t *ret)
{
	uint64_t n = 0;

	if (strcmp(s, "end") == 0)
		*ret = FRAME_END;
	else if (strcmp(s, "-1") == 0)
		*ret = -1;
	else if (text_parse_u64(s, FRAME_END - 1, &n, NULL) == -1)
		return -1;
	else
		*ret = (int64_t)n;
	return 0;
}

/* Where a thread's stream was left. */
static int
take_place(struct follow *f, const char *after)
{
	char copy[3 * HUB_ID_SIZE], *seq, *checkpoint;
	struct thread *t = f->thread;

	if (strlen(after) >= sizeof(copy))
		return -1;
	memcpy(copy, after, strlen(after) + 1);
	if (split_after(copy, &seq, &checkpoint) == -1 ||
	    read_seq(seq, &f->reader.seq) == -1)
		return -1;
	(void)snprintf(t->turn.after, sizeof(t->turn.after), "%s", copy);
	if (checkpoint == NULL)
		t->unseen = 1;
	else
		(void)snprintf(t->checkpoint_id, sizeof(t->checkpoint_id), "%s",
		    checkpoint);
	return 0;
}

static int
take_after(struct follow *f, const struct follow_options *o, struct err *e)
{
	struct thread *t = f->thread;
	const char *after = o->after;

	t->turn.newest = t->unseen = after[0] == '\0';
	if (t->turn.newest || strcmp(after, "-") == 0 ||
	    strcmp(after, "-1") == 0)
		return 0;
	if (take_place(f, after) == -1)
		return err_set(e, ERR_INVALID,
		    "Last-Event-ID is none of a thread's stream");
	return t->turn.after[0] == '\0' || f->reader.seq == FRAME_END
		   ? 0
		   : feed_join(f->hub, o->tenant, t->turn.after, &f->reader, e);
}

int
thread_create(struct follow *f, const struct follow_options *o, struct err *e)
{
	struct thread *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_sys(e, ENOMEM, "a stream");
	f->thread = t;
	f->reader.seq = -1;
	*t = (struct thread){ .follow = f,
		.turn = { .place = { .fn = follow_go, .arg = f } },
		.watch = { .fn = thread_woken, .arg = t },
		.shown = o->shown != 0 ? o->shown : FRAME_RUN_MODES,
		.state = o->state };
	buf_init(&t->text, THREAD_TEXT_MAX);
	if (turn_join(f->hub, o->tenant, o->thread_id, &t->turn, e) == -1)
		return -1;
	if (t->shown & FRAME_STATE_UPDATE) {
		t->due = 1;
		turn_watch(&t->turn, &t->watch);
	}
	return take_after(f, o, e);
}

void
thread_destroy(struct thread *t)
{
	if (t == NULL)
		return;
	hub_move(&t->watch, NULL);
	if (t->read != NULL)
		hub_read_abandon(&t->read->read);
	turn_leave(&t->turn);
	buf_finish(&t->text);
	free(t);
}
