/*
 * supervisor/control/stream/, over a storage, an engine and a loop that do
 * what the test says and when: every interleaving of commits, wake-ups, reads
 * and clients can be had, and none depends on time.
 *
 * WARDER_STREAM_SEEDS says how many random schedules are played.
 */
#include <errno.h>

#include "unit.h"

#include "../../supervisor/control/stream/follow.h"
#include "../../supervisor/control/stream/pulse.h"

enum {
	RUNS = 3,
	EVENTS_MAX = 400,
	CLIENTS = 40,
	READS_MAX = 8192,
	SEEDS = 400,
	STEPS = 250,
	PLENTY = 1 << 30,
	MANY = 20000,
};

/* ---- a loop --------------------------------------------------------------------- */

struct loop_call {
	loop_fn *fn;
	void *arg;
	int set;
	struct loop_call *next;
};

struct loop_timer {
	loop_fn *fn;
	void *arg;
	uint64_t due; /* 0: not set */
	struct loop_timer *next;
};

static struct {
	struct loop_call *calls;
	struct loop_timer *timers;
	uint64_t now;
	unsigned sets; /* of timers */
} lp;

uint64_t
loop_now_ms(void)
{
	return lp.now;
}

int
loop_call_create(struct loop *l, loop_fn *fn, void *arg, struct loop_call **ret,
    struct err *e)
{
	struct loop_call *c = calloc(1, sizeof(*c));

	(void)l;
	(void)e;
	*c = (struct loop_call){ fn, arg, 0, lp.calls };
	*ret = lp.calls = c;
	return 0;
}

int
loop_call_set(struct loop_call *c, struct err *e)
{
	(void)e;
	c->set = 1;
	return 0;
}

void
loop_call_destroy(struct loop_call *c)
{
	struct loop_call **p;

	if (c == NULL)
		return;
	for (p = &lp.calls; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	free(c);
}

int
loop_timer_create(struct loop *l, loop_fn *fn, void *arg,
    struct loop_timer **ret, struct err *e)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	(void)l;
	(void)e;
	*t = (struct loop_timer){ fn, arg, 0, lp.timers };
	*ret = lp.timers = t;
	return 0;
}

int
loop_timer_set(struct loop_timer *t, uint64_t delay_ms, struct err *e)
{
	(void)e;
	lp.sets++;
	t->due = lp.now + delay_ms + 1;
	return 0;
}

void
loop_timer_clear(struct loop_timer *t)
{
	t->due = 0;
}

void
loop_timer_destroy(struct loop_timer *t)
{
	struct loop_timer **p;

	if (t == NULL)
		return;
	for (p = &lp.timers; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	free(t);
}

/* 1 if anything was set. */
static int
turn(void)
{
	struct loop_call *c;

	for (c = lp.calls; c != NULL; c = c->next)
		if (c->set) {
			c->set = 0;
			c->fn(c->arg);
			return 1;
		}
	return 0;
}

/* Timers that become due fire, one after the other. */
static void
pass(uint64_t ms)
{
	uint64_t until = lp.now + ms;
	struct loop_timer *t, *first;

	for (;;) {
		first = NULL;
		for (t = lp.timers; t != NULL; t = t->next)
			if (t->due != 0 && t->due <= until &&
			    (first == NULL || t->due < first->due))
				first = t;
		if (first == NULL)
			break;
		if (first->due > lp.now)
			lp.now = first->due;
		first->due = 0;
		first->fn(first->arg);
	}
	lp.now = until;
}

/* ---- a storage and an engine ------------------------------------------------------ */

struct run {
	char id[40];
	size_t n; /* events that are committed */
	int ended, deleted, expired;
	const char *status;
	size_t large; /* this event has so many bytes: 0, none */
	size_t large_bytes;
	unsigned unwoken; /* commits that nobody was told of */
	size_t told; /* events that were */
	struct engine_follower *follower; /* NULL: nobody follows */
};

struct read {
	storage_event_read_fn *fn;
	storage_run_list_fn *list_fn;
	void *arg;
	struct run *run;
	int64_t after;
	size_t seen; /* committed when it was asked for */
	int deleted, expired;
};

struct engine_follower {
	loop_fn *fn;
	void *arg;
	struct run *run; /* NULL: the thread's */
};

static struct {
	struct run runs[RUNS];
	size_t nruns; /* that are there */
	struct engine_follower *thread;
	unsigned thread_unwoken;
	struct read reads[READS_MAX];
	size_t nreads, most_reads, all_reads, all_lists;
	int refuse, fail; /* reads: at once; when they are answered */
	size_t rows; /* most that a read brings; 0: as asked */
	char cancelled[40], asked_by[STORAGE_TENANT_MAX + 1];
	unsigned long seed;
} w;

static unsigned
pick(unsigned n)
{
	w.seed = w.seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(w.seed >> 33) % n;
}

static struct run *
run_find(const char *id)
{
	size_t i;

	for (i = 0; i < RUNS; i++)
		if (strcmp(w.runs[i].id, id) == 0)
			return &w.runs[i];
	return NULL;
}

static int
ask(const struct read *r, struct err *e)
{
	if (w.refuse)
		return err_set(e, ERR_LIMIT, "not now");
	assert_true(w.nreads < READS_MAX);
	w.reads[w.nreads++] = *r;
	if (w.nreads > w.most_reads)
		w.most_reads = w.nreads;
	return 0;
}

int
storage_event_read(struct storage *s,
    const struct storage_event_read_request *q, storage_event_read_fn *fn,
    void *arg, struct err *e)
{
	struct run *r = run_find(q->run_id);

	(void)s;
	(void)snprintf(w.asked_by, sizeof(w.asked_by), "%s", q->tenant);
	w.all_reads++;
	return ask(&(struct read){ .fn = fn,
		       .arg = arg,
		       .run = r,
		       .after = q->after_seq,
		       .seen = r->n,
		       .deleted = r->deleted,
		       .expired = r->expired },
	    e);
}

int
storage_run_list(struct storage *s, const struct storage_run_list_request *q,
    storage_run_list_fn *fn, void *arg, struct err *e)
{
	(void)s;
	assert_string_equal(q->thread_id, "thread");
	w.all_lists++;
	return ask(&(struct read){ .list_fn = fn, .arg = arg, .seen = w.nruns },
	    e);
}

/* Nobody asks for states here: what they are is tested over a database. */
int
storage_checkpoint_list(struct storage *s,
    const struct storage_checkpoint_list_request *q,
    storage_checkpoint_list_fn *fn, void *arg, struct err *e)
{
	(void)s;
	(void)q;
	(void)fn;
	(void)arg;
	return err_set(e, ERR_LIMIT, "not here");
}

void
storage_forget(struct storage *s, const void *arg)
{
	size_t i;

	(void)s;
	for (i = 0; i < w.nreads; i++)
		if (w.reads[i].arg == arg)
			w.reads[i--] = w.reads[--w.nreads];
}

int
engine_follow(struct engine *en, const char *tenant, const char *id,
    loop_fn *fn, void *arg, struct engine_follower **ret, struct err *e)
{
	struct engine_follower *f = calloc(1, sizeof(*f));

	(void)en;
	(void)e;
	*ret = f;
	/* another tenant's are never woken: nothing of theirs happens */
	if (strcmp(tenant, "acme") != 0)
		return 0;
	*f = (struct engine_follower){ fn, arg, run_find(id) };
	/* one feed of a run, whoever follows it */
	if (f->run != NULL) {
		assert_null(f->run->follower);
		f->run->follower = f;
	} else {
		assert_null(w.thread);
		w.thread = f;
	}
	return 0;
}

void
engine_unfollow(struct engine_follower *f)
{
	if (f == NULL)
		return;
	if (f->run != NULL)
		f->run->follower = NULL;
	else if (f->fn != NULL)
		w.thread = NULL;
	free(f);
}

int
engine_run_cancel(struct engine *en, const struct storage_run_cancel_request *q,
    storage_run_cancel_fn *fn, void *arg, struct err *e)
{
	(void)en;
	(void)fn;
	(void)arg;
	(void)e;
	(void)snprintf(w.cancelled, sizeof(w.cancelled), "%s", q->run_ids.v[0]);
	return 0;
}

/* ---- events, which are what their number says ---------------------------------------- */

static size_t
data_size(const struct run *r, size_t seq)
{
	return r->large_bytes > 0 && r->large == seq ? r->large_bytes
						     : 12 + seq * 7 % 300;
}

static const char *
data_of(const struct run *r, size_t seq)
{
	static char text[300 * 1024];
	size_t n = data_size(r, seq);

	assert_true(n < sizeof(text));
	memset(text, 'a' + (int)(seq % 26), n);
	text[0] = text[n - 1] = '"';
	text[n] = '\0';
	return text;
}

static const char *
name_of(size_t seq)
{
	static const char *const names[] = { "metadata", "values", "custom",
		"updates", "$cancel" };

	return names[seq == 0 ? 0 : 1 + seq % 4];
}

static void
answer_events(const struct read *q)
{
	static struct storage_event rows[HUB_READ_ROWS];
	static char *texts[HUB_READ_ROWS];
	struct run *r = q->run;
	int gone = q->expired || (r->expired && pick(2));
	int deleted = q->deleted || (r->deleted && pick(2));
	/* at least what was there when it was asked for */
	size_t there = q->seen + pick((unsigned)(r->n - q->seen) + 1);
	size_t most = w.rows > 0 ? 1 + pick((unsigned)w.rows) : HUB_READ_ROWS;
	size_t i, seq;
	struct storage_events l = { .last_seq = (int64_t)there - 1,
		.status = r->status,
		.ended = r->ended && there == r->n };

	if (gone || deleted)
		there = 0;
	if (there == 0)
		l.last_seq = -1;
	if (gone)
		l.ended = 1;
	if (deleted) {
		l.status = NULL;
		l.ended = 0;
	}
	l.gone = gone;
	if (q->after != INT64_MAX)
		for (seq = (size_t)(q->after + 1);
		     seq < there && l.rows.n < most; seq++) {
			i = l.rows.n++;
			texts[i] = strdup(data_of(r, seq));
			rows[i] = (struct storage_event){ .seq = (int64_t)seq,
				.name = name_of(seq),
				.ns = seq % 5 == 3 ? "child:1" : NULL,
				.data = texts[i] };
		}
	l.rows.v = rows;
	q->fn(q->arg, &l, NULL);
	/* what an answer holds is the storage's: nobody may use it later */
	for (i = 0; i < l.rows.n; i++) {
		memset(texts[i], '!', strlen(texts[i]));
		free(texts[i]);
	}
}

static void
answer_runs(const struct read *q)
{
	struct storage_run rows[RUNS] = { 0 };
	struct storage_runs l = { .rows = { .v = rows } };
	size_t there = q->seen + pick((unsigned)(w.nruns - q->seen) + 1);

	/* the newest first */
	for (; l.rows.n < there; l.rows.n++)
		rows[l.rows.n].run_id = w.runs[there - 1 - l.rows.n].id;
	q->list_fn(q->arg, &l, NULL);
}

/* Answers come in the order of the questions, as of one reading thread. */
static int
answer(void)
{
	struct err e = { 0 };
	struct read q;

	if (w.nreads == 0)
		return 0;
	q = w.reads[0];
	memmove(w.reads, w.reads + 1, --w.nreads * sizeof(w.reads[0]));
	if (w.fail) {
		(void)err_set(&e, ERR_SYSTEM, "the disk");
		if (q.fn != NULL)
			q.fn(q.arg, NULL, &e);
		else
			q.list_fn(q.arg, NULL, &e);
	} else if (q.fn != NULL)
		answer_events(&q);
	else
		answer_runs(&q);
	return 1;
}

static void
commit(struct run *r, size_t n)
{
	if (r->ended || r->deleted || r->n + n > EVENTS_MAX)
		return;
	r->n += n;
	r->unwoken++;
	w.thread_unwoken++;
}

static void
end(struct run *r)
{
	commit(r, 1);
	r->ended = 1;
	r->status = "success";
	r->unwoken++;
	w.thread_unwoken++;
}

static int
wake(struct run *r)
{
	if (r->unwoken == 0)
		return 0;
	r->unwoken = 0;
	r->told = r->n;
	if (r->follower != NULL)
		r->follower->fn(r->follower->arg);
	return 1;
}

static int
wake_thread(void)
{
	if (w.thread_unwoken == 0)
		return 0;
	w.thread_unwoken = 0;
	if (w.thread != NULL)
		w.thread->fn(w.thread->arg);
	return 1;
}

/* ---- clients ------------------------------------------------------------------------- */

struct client {
	struct follow *f; /* NULL: it has ended, or was never there */
	struct run *run; /* NULL: all of the thread */
	int64_t after; /* FOLLOW_NOW until the first event has told */
	size_t at_least; /* events that were told of when it came */
	unsigned modes;
	size_t room;
	char *got;
	size_t ngot;
	int ended, cut;
};

static struct client clients[CLIENTS];
static struct hub *hub;

static int
client_room(void *arg)
{
	return ((struct client *)arg)->room > 0;
}

static size_t
client_write(void *arg, const void *p, size_t n)
{
	struct client *c = arg;

	assert_true(n > 0);
	if (c->room < FOLLOW_SHORT)
		c->room = FOLLOW_SHORT;
	if (n > c->room)
		n = c->room;
	c->got = realloc(c->got, c->ngot + n + 1);
	memcpy(c->got + c->ngot, p, n);
	c->ngot += n;
	c->got[c->ngot] = '\0';
	c->room -= n;
	return n;
}

static void
client_end(void *arg)
{
	struct client *c = arg;

	c->f = NULL;
	c->ended = 1;
}

static void
client_cut(void *arg)
{
	struct client *c = arg;

	c->f = NULL;
	c->ended = c->cut = 1;
}

static const struct follow_sink sink = { client_room, client_write, client_end,
	client_cut };

static void
leave(struct client *c)
{
	if (c->f != NULL)
		follow_gone(take_ptr(&c->f));
}

static void
forget(struct client *c)
{
	leave(c);
	free(c->got);
	*c = (struct client){ 0 };
}

static void
join(struct client *c, struct run *r, int64_t after, unsigned modes)
{
	const struct follow_options o = { .hub = hub,
		.tenant = "acme",
		.run_id = r->id,
		.after_seq = after,
		.modes = modes,
		.ids = 1 };
	struct err e = { 0 };

	forget(c);
	c->run = r;
	c->after = after;
	c->at_least = r->told;
	c->modes = modes;
	assert_int_equal(follow_create(&o, &sink, &c->f, &e), 0);
	follow_write_to(c->f, c);
}

static void
pull(struct client *c, size_t room)
{
	if (c->f == NULL)
		return;
	c->room = room;
	follow_pull(c->f);
}

/* The frame of an event, by another hand than frame.c's. */
static size_t
expected(const struct client *c, size_t seq, char *ret, size_t room)
{
	const char *name = name_of(seq);
	int mode = strcmp(name, "values") == 0    ? 1
		   : strcmp(name, "updates") == 0 ? 2
		   : strcmp(name, "custom") == 0  ? 16
						  : 0;

	if (name[0] == '$' ||
	    (c->modes != 0 && mode != 0 && (c->modes & (unsigned)mode) == 0))
		return 0;
	return (size_t)snprintf(ret, room, "event: %s%s\ndata: %s\nid: %zu\n\n",
	    name, seq % 5 == 3 ? "|child:1" : "", data_of(c->run, seq), seq);
}

/*
 * What it got is what there is from its cursor on: each event once, whole, in
 * order, and nothing else.  all: nothing is missing.
 */
static void
check(struct client *c, int all)
{
	static char frame[400 * 1024];
	size_t n, at = 0, seq, size;
	const char *id;

	if (c->run == NULL)
		return;
	if (c->after == FOLLOW_NOW && c->ngot > 0 &&
	    (id = strstr(c->got, "\nid: ")) != NULL &&
	    strchr(id + 1, '\n') != NULL) {
		n = strtoul(id + 5, NULL, 10);
		/* not before it came */
		assert_true(n >= c->at_least);
		c->after = (int64_t)n - 1;
	}
	if (c->after == FOLLOW_NOW)
		return;
	for (seq = (size_t)(c->after + 1); seq < c->run->n; seq++) {
		size = expected(c, seq, frame, sizeof(frame));
		n = c->ngot - at < size ? c->ngot - at : size;
		/* the end may come sooner where the run is gone */
		if (n > 0 && memcmp(c->got + at, frame, n) != 0)
			break;
		at += n;
		if (n < size)
			break;
	}
	if (c->cut) {
		assert_true(c->run->expired || c->run->deleted);
		assert_int_equal(at, c->ngot);
		return;
	}
	if (at < c->ngot && c->run->deleted &&
	    strstr(c->got + at, "\"success\"") == NULL)
		(void)snprintf(frame, sizeof(frame),
		    "event: end\ndata: {\"run_id\":\"%s\",\"status\":\"%s\"}\n\n",
		    c->run->id, "deleted");
	else if (at < c->ngot && c->run->expired &&
		 strncmp(c->got + at, "event: error", 12) == 0)
		(void)snprintf(frame, sizeof(frame),
		    "event: error\ndata: {\"error\":\"EventsGone\",\"message\":"
		    "\"events that you have not seen are not kept any "
		    "more\"}\n\n");
	else
		(void)snprintf(frame, sizeof(frame),
		    "event: end\ndata: {\"run_id\":\"%s\",\"status\":\"%s\"}\n\n",
		    c->run->id, c->run->status);
	if (at < c->ngot || c->ended) {
		n = c->ngot - at;
		if (n > strlen(frame) || memcmp(c->got + at, frame, n) != 0)
			fail_msg("at %zu of %zu: \"%.60s\", not \"%.60s\"", at,
			    c->ngot, c->got + at, frame);
		assert_true(!c->ended || n == strlen(frame));
		/* whoever hears of success has all that there was */
		if (strstr(frame, "\"success\"") != NULL)
			assert_int_equal(seq, c->run->n);
		return;
	}
	if (all && c->f != NULL) {
		assert_int_equal(seq, c->run->n);
		assert_false(c->run->ended || c->run->deleted);
	}
}

/* Everything that is on its way arrives; nobody is kept waiting. */
static void
settle(size_t n)
{
	size_t i;
	int more = 1;

	while (more) {
		more = 0;
		for (i = 0; i < RUNS; i++)
			more |= wake(&w.runs[i]);
		more |= wake_thread();
		while (answer())
			more = 1;
		while (turn())
			more = 1;
		for (i = 0; i < n; i++)
			if (clients[i].f != NULL &&
			    clients[i].room < PLENTY / 2) {
				pull(&clients[i], PLENTY);
				more = 1;
			}
	}
}

static void
begin(uint64_t cache_bytes)
{
	const struct hub_options o = { .cache_bytes = cache_bytes,
		.heartbeat_ms = 5000 };
	unsigned long seed = w.seed;
	struct err e = { 0 };
	size_t i;

	/* also behind a test that has failed */
	memset(&lp, 0, sizeof(lp));
	memset(clients, 0, sizeof(clients));
	memset(&w, 0, sizeof(w));
	w.seed = seed;
	for (i = 0; i < RUNS; i++) {
		(void)snprintf(w.runs[i].id, sizeof(w.runs[i].id), "run-%zu",
		    i);
		w.runs[i].status = "running";
	}
	w.nruns = RUNS;
	assert_int_equal(hub_create(&o, &hub, &e), 0);
}

static void
finish(void)
{
	size_t i;

	for (i = 0; i < CLIENTS; i++) {
		leave(&clients[i]);
		forget(&clients[i]);
	}
	hub_destroy(hub);
	assert_null(lp.calls);
	assert_null(lp.timers);
	for (i = 0; i < RUNS; i++)
		assert_null(w.runs[i].follower);
	assert_null(w.thread);
}

/* ---- named interleavings ----------------------------------------------------------------- */

static void
stream_read__committed_while_it_is_read__read_again(void **state)
{
	struct client *c = &clients[0];

	(void)state;
	begin(0);
	commit(&w.runs[0], 1);
	w.runs[0].unwoken = 0;
	join(c, &w.runs[0], -1, 0);
	pull(c, PLENTY);
	assert_int_equal(w.nreads, 1);
	/* the read was asked for before this: it need not see it */
	commit(&w.runs[0], 1);
	(void)wake(&w.runs[0]);
	settle(1);
	assert_int_equal(w.all_reads, 2);
	check(c, 1);
	finish();
}

static void
stream_join__between_commit_and_wake__sees_it_once(void **state)
{
	(void)state;
	begin(0);
	join(&clients[0], &w.runs[0], -1, 0);
	pull(&clients[0], PLENTY);
	settle(1);
	commit(&w.runs[0], 1);
	/* committed, not told: to whoever joins it all looks well known */
	join(&clients[1], &w.runs[0], -1, 0);
	pull(&clients[1], PLENTY);
	(void)wake(&w.runs[0]);
	settle(2);
	check(&clients[0], 1);
	check(&clients[1], 1);
	finish();
}

static void
stream_wake__many_followers__one_read(void **state)
{
	size_t i, k;

	(void)state;
	begin(0);
	for (i = 0; i < CLIENTS; i++) {
		join(&clients[i], &w.runs[0], -1, 0);
		pull(&clients[i], PLENTY);
	}
	settle(CLIENTS);
	assert_int_equal(w.all_reads, 1);
	for (k = 0; k < 10; k++) {
		commit(&w.runs[0], 1);
		settle(CLIENTS);
	}
	/* an event, and that there is no more is known with it */
	assert_int_equal(w.all_reads, 11);
	for (i = 0; i < CLIENTS; i++)
		check(&clients[i], 1);
	finish();
}

static void
stream_send__evicted_in_the_middle_of_an_event__goes_on(void **state)
{
	struct client *c = &clients[0];
	size_t i;

	(void)state;
	begin(1);
	w.runs[0].large = 1;
	w.runs[0].large_bytes = 200 * 1024;
	commit(&w.runs[0], 3);
	commit(&w.runs[1], 3);
	join(c, &w.runs[0], -1, 0);
	for (i = 0; i < 40; i++) {
		pull(c, 10000);
		while (answer() || turn())
			;
		/* another run's events push these out */
		join(&clients[1], &w.runs[1], -1, 0);
		pull(&clients[1], PLENTY);
		while (answer() || turn())
			;
		leave(&clients[1]);
	}
	settle(1);
	check(c, 1);
	assert_true(w.all_reads > 40);
	finish();
}

static void
stream_cache__bounded__whoever_follows(void **state)
{
	struct hub_counts n;
	size_t i;

	(void)state;
	begin(8 * 1024);
	w.rows = 8;
	for (i = 0; i < RUNS; i++)
		commit(&w.runs[i], 200);
	for (i = 0; i < CLIENTS; i++) {
		join(&clients[i], &w.runs[i % RUNS], -1, 0);
		pull(&clients[i], 100);
	}
	for (i = 0; i < 3000; i++) {
		(void)(pick(2) ? answer() : turn());
		pull(&clients[pick(CLIENTS)], 300);
		hub_count(hub, &n);
		/* and what is about to be sent, which counts as a read */
		assert_true(
		    n.cached_bytes <= 8 * 1024 + HUB_READS_MAX * 8 * 600);
		assert_true(n.reading <= HUB_READS_MAX);
	}
	settle(CLIENTS);
	for (i = 0; i < CLIENTS; i++)
		check(&clients[i], 1);
	hub_count(hub, &n);
	assert_true(n.cached_bytes <= 8 * 1024);
	/* what nobody has used for a while goes */
	pass(3 * HUB_CACHE_MS);
	hub_count(hub, &n);
	assert_int_equal(n.cached_bytes, 0);
	finish();
}

static void
stream_end__while_it_is_read__comes_after_all_events(void **state)
{
	(void)state;
	begin(0);
	commit(&w.runs[0], 2);
	join(&clients[0], &w.runs[0], -1, 0);
	pull(&clients[0], PLENTY);
	end(&w.runs[0]);
	settle(1);
	assert_true(clients[0].ended);
	check(&clients[0], 1);
	/* one that comes later, and one that is behind the end */
	join(&clients[1], &w.runs[0], -1, 0);
	join(&clients[2], &w.runs[0], 1000, 0);
	settle(3);
	assert_true(clients[1].ended && clients[2].ended);
	check(&clients[1], 1);
	assert_string_equal(clients[2].got,
	    "event: end\ndata: {\"run_id\":\"run-0\",\"status\":\"success\"}\n\n");
	finish();
}

static void
stream_run__deleted_by_rollback__is_told(void **state)
{
	(void)state;
	begin(0);
	commit(&w.runs[0], 2);
	join(&clients[0], &w.runs[0], -1, 0);
	join(&clients[1], &w.runs[0], -1, 0);
	settle(1);
	pull(&clients[1], 20); /* in the middle of the first */
	w.runs[0].deleted = 1;
	w.runs[0].unwoken++;
	settle(2);
	assert_true(clients[0].ended);
	assert_non_null(strstr(clients[0].got, "\"status\":\"deleted\""));
	check(&clients[0], 1);
	/* what was kept of it is still whole */
	assert_true(clients[1].ended && !clients[1].cut);
	check(&clients[1], 1);
	finish();
}

static void
stream_events__expired_in_the_middle_of_one__cut(void **state)
{
	(void)state;
	begin(1);
	commit(&w.runs[0], 3);
	join(&clients[0], &w.runs[0], -1, 0);
	pull(&clients[0], 20);
	while (answer() || turn())
		;
	commit(&w.runs[1], 3);
	join(&clients[1], &w.runs[1], -1, 0);
	settle(0);
	pull(&clients[1], PLENTY);
	settle(0);
	w.runs[0].ended = w.runs[0].expired = 1;
	settle(1);
	assert_true(clients[0].cut);
	assert_int_equal(clients[0].ngot, 20);
	/* one that has not begun is told */
	join(&clients[2], &w.runs[0], -1, 0);
	settle(3);
	assert_true(clients[2].ended && !clients[2].cut);
	assert_non_null(strstr(clients[2].got, "EventsGone"));
	finish();
}

static void
stream_now__while_events_pour_in__begins_somewhere(void **state)
{
	size_t i;

	(void)state;
	begin(0);
	commit(&w.runs[0], 5);
	join(&clients[0], &w.runs[0], FOLLOW_NOW, 0);
	pull(&clients[0], PLENTY);
	/* no read is ever answered before the next commit */
	for (i = 0; i < 20; i++) {
		commit(&w.runs[0], 1);
		(void)wake(&w.runs[0]);
		(void)answer();
		while (turn())
			;
	}
	assert_true(clients[0].ngot > 0);
	settle(1);
	check(&clients[0], 1);
	finish();
}

static void
stream_read__fails__said_and_no_deeper_for_many(void **state)
{
	size_t i;

	(void)state;
	begin(0);
	commit(&w.runs[0], 3);
	w.refuse = 1;
	for (i = 0; i < CLIENTS; i++)
		join(&clients[i], &w.runs[i % RUNS], (int64_t)i - 1, 0);
	settle(CLIENTS);
	for (i = 0; i < CLIENTS; i++) {
		assert_true(clients[i].ended);
		assert_non_null(strstr(clients[i].got, "Unavailable"));
	}
	w.refuse = 0;
	w.fail = 1;
	join(&clients[0], &w.runs[0], -1, 0);
	settle(1);
	assert_non_null(strstr(clients[0].got, "Unavailable"));
	/* the control: with a disk that reads it is there */
	w.fail = 0;
	join(&clients[0], &w.runs[0], -1, 0);
	settle(1);
	check(&clients[0], 1);
	finish();
}

/* One who follows alone leaves nothing behind; for two something is kept. */
static void
stream_cache__of_one_follower__is_dropped_as_it_goes(void **state)
{
	struct hub_counts n;
	size_t i;

	(void)state;
	begin(0);
	join(&clients[0], &w.runs[0], -1, 0);
	for (i = 0; i < 20; i++) {
		commit(&w.runs[0], 1);
		settle(1);
		hub_count(hub, &n);
		assert_int_equal(n.cached_bytes, 0);
	}
	check(&clients[0], 1);
	join(&clients[1], &w.runs[0], -1, 0);
	settle(2);
	hub_count(hub, &n);
	assert_true(n.cached_bytes > 0);
	finish();
}

/* What is kept for one tenant is nobody else's, whatever the id. */
static void
stream_cache__of_another_tenant__is_not_looked_at(void **state)
{
	struct follow_options o = { .tenant = "other",
		.run_id = "run-0",
		.after_seq = -1 };
	struct err e = { 0 };

	(void)state;
	begin(0);
	o.hub = hub;
	commit(&w.runs[0], 3);
	join(&clients[0], &w.runs[0], -1, 0);
	join(&clients[1], &w.runs[0], -1, 0);
	settle(2);
	check(&clients[1], 1);
	assert_int_equal(w.all_reads, 1);
	assert_string_equal(w.asked_by, "acme");
	assert_int_equal(follow_create(&o, &sink, &clients[2].f, &e), 0);
	follow_write_to(clients[2].f, &clients[2]);
	pull(&clients[2], PLENTY);
	assert_int_equal(w.all_reads, 2);
	assert_string_equal(w.asked_by, "other");
	assert_int_equal(clients[2].ngot, 0);
	finish();
}

static void
stream_reads__all_refused_at_once__one_after_the_other(void **state)
{
	struct client *many = calloc(MANY, sizeof(*many));
	size_t i;

	(void)state;
	begin(0);
	for (i = 0; i < MANY; i++) {
		join(&many[i], &w.runs[0], (int64_t)i, 0);
		pull(&many[i], PLENTY);
	}
	assert_int_equal(w.nreads, HUB_READS_MAX);
	w.refuse = 1;
	while (answer() || turn())
		;
	for (i = HUB_READS_MAX; i < MANY; i++) {
		assert_true(many[i].ended);
		assert_non_null(strstr(many[i].got, "Unavailable"));
	}
	for (i = 0; i < MANY; i++)
		forget(&many[i]);
	free(many);
	finish();
}

/* Who comes and goes has no more reads than others. */
static void
stream_reads__of_clients_that_left__still_count(void **state)
{
	struct hub_counts n;
	size_t i;

	(void)state;
	begin(0);
	commit(&w.runs[0], 300);
	for (i = 0; i < 200; i++) {
		join(&clients[0], &w.runs[0], (int64_t)i, 0);
		pull(&clients[0], PLENTY);
		leave(&clients[0]);
	}
	hub_count(hub, &n);
	assert_int_equal(n.reading, HUB_READS_MAX);
	assert_int_equal(w.nreads, HUB_READS_MAX);
	settle(1);
	hub_count(hub, &n);
	assert_int_equal(n.reading, 0);
	/* and one that the storage still has when all ends */
	join(&clients[0], &w.runs[0], 3, 0);
	pull(&clients[0], PLENTY);
	leave(&clients[0]);
	assert_int_equal(w.nreads, 1);
	finish();
	assert_int_equal(w.nreads, 0);
}

static void
stream_client__leaves__cancels_where_it_was_asked_to(void **state)
{
	struct follow_options o = { .tenant = "acme",
		.run_id = "run-1",
		.after_seq = -1,
		.cancel = 1 };
	struct err e = { 0 };

	(void)state;
	begin(0);
	o.hub = hub;
	join(&clients[0], &w.runs[0], -1, 0);
	settle(1);
	leave(&clients[0]);
	assert_string_equal(w.cancelled, "");
	assert_int_equal(follow_create(&o, &sink, &clients[0].f, &e), 0);
	follow_write_to(clients[0].f, &clients[0]);
	settle(1);
	leave(&clients[0]);
	assert_string_equal(w.cancelled, "run-1");
	finish();
}

static void
stream_beat__in_silence__never_inside_an_event(void **state)
{
	static const char beat[] = ": heartbeat\n\n";
	struct client *c = &clients[0];
	size_t i;

	(void)state;
	begin(0);
	for (i = 0; i < CLIENTS; i++) {
		join(&clients[i], &w.runs[0], -1, 0);
		pass(10);
	}
	settle(CLIENTS);
	lp.sets = 0;
	pass(15000);
	for (i = 0; i < CLIENTS; i++) {
		assert_int_equal(clients[i].ngot, 2 * (sizeof(beat) - 1));
		assert_memory_equal(clients[i].got, beat, sizeof(beat) - 1);
	}
	/* all of them share few turns of the loop */
	assert_true(lp.sets <= 3 * CLIENTS / 4);
	commit(&w.runs[0], 1);
	c->room = 20;
	(void)wake(&w.runs[0]);
	while (answer() || turn())
		;
	i = c->ngot;
	c->room = 0;
	pass(6000);
	assert_int_equal(c->ngot, i);
	assert_int_equal(strncmp(c->got + i - 20, "event: metadata\ndata", 20),
	    0);
	/* there is room, but the event was begun */
	c->room = 1000;
	pass(6000);
	assert_int_equal(c->ngot, i);
	finish();
}

/* ---- threads ------------------------------------------------------------------------------- */

static void
join_thread(struct client *c, const char *after)
{
	const struct follow_options o = { .hub = hub,
		.tenant = "acme",
		.thread_id = "thread",
		.after = after,
		.modes = frame_mode("tools"),
		.ids = 1 };
	struct err e = { 0 };

	forget(c);
	assert_int_equal(follow_create(&o, &sink, &c->f, &e), 0);
	follow_write_to(c->f, c);
}

static void
thread_stream__runs_one_after_the_other(void **state)
{
	static const char head[] = "event: metadata\n";
	struct follow_options o = { .tenant = "acme",
		.thread_id = "thread",
		.after = "nonsense" };
	struct err e = { 0 };
	size_t i;

	(void)state;
	begin(0);
	w.nruns = 1;
	commit(&w.runs[0], 2);
	for (i = 0; i < 10; i++)
		join_thread(&clients[i], i < 5 ? "-" : "");
	settle(10);
	/* asked for all: the same list, the same events */
	assert_in_range(w.all_lists, 1, 2);
	for (i = 0; i < 10; i++)
		assert_int_equal(clients[i].ngot > 0, i < 5);
	end(&w.runs[0]);
	settle(10);
	w.nruns = 2;
	commit(&w.runs[1], 1);
	settle(10);
	for (i = 0; i < 10; i++) {
		assert_non_null(strstr(clients[i].got, "id: run-1:0\n"));
		assert_int_equal(strncmp(clients[i].got, head, 16), 0);
		assert_int_equal(strstr(clients[i].got, "id: run-0:0\n") !=
				     NULL,
		    i < 5);
	}
	/* where it was left */
	join_thread(&clients[0], "run-0:0");
	settle(10);
	assert_null(strstr(clients[0].got, "run-0:0\n"));
	assert_non_null(strstr(clients[0].got, "run-1:0\n"));
	o.hub = hub;
	assert_refused(follow_create(&o, &sink, &clients[10].f, &e), &e,
	    ERR_INVALID, "Last-Event-ID");
	w.fail = 1;
	join_thread(&clients[0], "-");
	settle(10);
	assert_non_null(strstr(clients[0].got, "Unavailable"));
	finish();
}

/* ---- any interleaving ------------------------------------------------------------------------ */

static void
random_join(struct client *c)
{
	static const unsigned modes[] = { 0, 1, 2, 16, 17, 512 };
	struct run *r = &w.runs[pick(RUNS)];
	unsigned how = pick(4);
	int64_t after = how == 0   ? FOLLOW_NOW
			: how == 1 ? -1
				   : (int64_t)pick((unsigned)r->n + 1) - 1;

	leave(c);
	join(c, r, after, modes[pick(countof(modes))]);
}

static void
random_step(void)
{
	struct client *c = &clients[pick(CLIENTS)];
	struct run *r = &w.runs[pick(RUNS)];
	unsigned what = pick(100);

	if (what < 15)
		commit(r, 1 + pick(4));
	else if (what < 30)
		(void)wake(r);
	else if (what < 50)
		(void)answer();
	else if (what < 65)
		(void)turn();
	else if (what < 85)
		pull(c, 1 + pick(pick(2) ? 200 : 200000));
	else if (what < 92)
		random_join(c);
	else if (what < 95)
		leave(c);
	else if (what < 97)
		pass(pick(3000));
	else if (what == 97 && pick(30) == 0)
		end(r);
	else if (what == 98 && pick(60) == 0 && !r->expired) {
		r->deleted = 1;
		r->unwoken++;
	} else if (what == 99 && pick(60) == 0 && !r->deleted) {
		end(r);
		r->expired = 1;
		r->unwoken++;
	}
}

/* Heartbeats are no part of what is compared. */
static void
without_beats(struct client *c)
{
	static const char beat[] = ": heartbeat\n\n";
	char *p;

	while (c->got != NULL && (p = strstr(c->got, beat)) != NULL) {
		memmove(p, p + sizeof(beat) - 1,
		    strlen(p + sizeof(beat) - 1) + 1);
		c->ngot -= sizeof(beat) - 1;
	}
}

static void
random_schedule(unsigned long seed)
{
	static const uint64_t caches[] = { 1, 3000, 100000, 0 };
	size_t i, k;

	w.seed = seed;
	begin(caches[pick(countof(caches))]);
	w.rows = pick(2) ? 0 : 1 + pick(20);
	w.runs[0].large = 2 + pick(8);
	w.runs[0].large_bytes = 1 + pick(250 * 1024);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < STEPS; i++)
			random_step();
		settle(CLIENTS);
		for (i = 0; i < CLIENTS; i++) {
			without_beats(&clients[i]);
			check(&clients[i], 1);
		}
	}
	/* who followed what comes got its first event by now, or it will */
	for (i = 0; i < RUNS; i++)
		commit(&w.runs[i], 3);
	for (i = 0; i < RUNS; i++)
		end(&w.runs[i]);
	settle(CLIENTS);
	for (i = 0; i < CLIENTS; i++) {
		without_beats(&clients[i]);
		check(&clients[i], 1);
		assert_null(clients[i].f);
	}
	finish();
}

static void
stream_schedules__any__everybody_has_each_event_once(void **state)
{
	const char *n = getenv("WARDER_STREAM_SEEDS");
	unsigned long i, seeds = n != NULL ? strtoul(n, NULL, 10) : SEEDS;

	(void)state;
	for (i = 1; i <= seeds; i++) {
		w.seed = i;
		random_schedule(i * 2654435761ul);
		if (i % 10000 == 0)
			print_message("# %lu schedules\n", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    stream_read__committed_while_it_is_read__read_again),
		cmocka_unit_test(
		    stream_join__between_commit_and_wake__sees_it_once),
		cmocka_unit_test(stream_wake__many_followers__one_read),
		cmocka_unit_test(
		    stream_send__evicted_in_the_middle_of_an_event__goes_on),
		cmocka_unit_test(stream_cache__bounded__whoever_follows),
		cmocka_unit_test(
		    stream_end__while_it_is_read__comes_after_all_events),
		cmocka_unit_test(stream_run__deleted_by_rollback__is_told),
		cmocka_unit_test(
		    stream_events__expired_in_the_middle_of_one__cut),
		cmocka_unit_test(
		    stream_now__while_events_pour_in__begins_somewhere),
		cmocka_unit_test(
		    stream_read__fails__said_and_no_deeper_for_many),
		cmocka_unit_test(
		    stream_cache__of_one_follower__is_dropped_as_it_goes),
		cmocka_unit_test(
		    stream_cache__of_another_tenant__is_not_looked_at),
		cmocka_unit_test(
		    stream_reads__all_refused_at_once__one_after_the_other),
		cmocka_unit_test(
		    stream_reads__of_clients_that_left__still_count),
		cmocka_unit_test(
		    stream_client__leaves__cancels_where_it_was_asked_to),
		cmocka_unit_test(
		    stream_beat__in_silence__never_inside_an_event),
		cmocka_unit_test(thread_stream__runs_one_after_the_other),
		cmocka_unit_test(
		    stream_schedules__any__everybody_has_each_event_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
