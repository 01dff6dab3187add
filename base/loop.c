#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "log.h"
#include "loop.h"

enum {
	LOOP_DELAY_MAX_S = 10 * 365 * 24 * 60 * 60
}; /* a far timer: 10 years */

TAILQ_HEAD(loop_calls, loop_call);

struct loop {
	struct event_base *base;
	struct loop_calls calls; /* set, in order */
	struct event turn; /* armed while calls is not empty */
	unsigned turns; /* of deferred calls */
	int turning; /* in one */
	struct loop_fd *firing; /* NULL if its callback destroyed it */
	int running;
	int handles;
};

/*
 * For libevent a descriptor stays registered from one event to the next
 * while its callback keeps asking for the same: that saves two epoll_ctl(2)
 * an event.  "want" is what the owner has armed, "added" what libevent has.
 */
struct loop_fd {
	struct event ev;
	struct loop *loop;
	int fd;
	unsigned want;
	unsigned added;
	loop_fd_fn *fn;
	void *arg;
};

/*
 * Most timers are set again and again and never fire: libevent keeps the
 * earliest time that was asked for, and only when that has come is it told
 * the time that counts.
 */
struct loop_timer {
	struct event ev;
	struct loop *loop;
	uint64_t due_ms;
	uint64_t armed_ms; /* what libevent has, if it is pending */
	loop_fn *fn;
	void *arg;
};

struct loop_signal {
	struct event ev;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
};

struct loop_call {
	TAILQ_ENTRY(loop_call) next;
	struct loop *loop;
	int set;
	unsigned turn; /* in which it was set */
	loop_fn *fn;
	void *arg;
};

static void loop_turn(int fd, short what, void *arg);

/* libevent would write to stderr; what matters comes back as an error. */
static void
loop_libevent_says(int severity, const char *msg)
{
	(void)severity;
	log_text(LOG_LEVEL_DEBUG, "libevent", "%s", msg);
}

static struct event_base *
loop_base(void)
{
	struct event_config *c = event_config_new();
	struct event_base *base = NULL;

	/*
	 * No threads, nothing from the environment, and no cached time: with
	 * it, a slow callback delays every timer by as much again.
	 */
	if (c != NULL &&
	    event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK |
					 EVENT_BASE_FLAG_IGNORE_ENV |
					 EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
		base = event_base_new_with_config(c);
	if (c != NULL)
		event_config_free(c);
	return base;
}

int
loop_create(struct loop **ret, struct err *e)
{
	autofree struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return err_sys(e, ENOMEM, "event loop");
	event_set_log_callback(loop_libevent_says);
	l->base = loop_base();
	if (l->base == NULL)
		return err_set(e, ERR_SYSTEM, "event loop");
	TAILQ_INIT(&l->calls);
	(void)event_assign(&l->turn, l->base, -1, 0, loop_turn, l);
	*ret = take_ptr(&l);
	return 0;
}

void
loop_destroy(struct loop *l)
{
	if (l == NULL)
		return;
	assert(!l->running);
	assert(l->handles == 0);
	(void)event_del(&l->turn);
	event_base_free(l->base);
	free(l);
}

int
loop_run(struct loop *l, struct err *e)
{
	int rc;

	assert(!l->running);
	l->running = 1;
	rc = event_base_loop(l->base, 0);
	l->running = 0;
	if (rc == -1)
		return err_set(e, ERR_SYSTEM, "waiting for events");
	return 0;
}

void
loop_stop(struct loop *l)
{
	(void)event_base_loopbreak(l->base);
}

/* Not by the raw system call, as clock.h asks: it is asked often. */
uint64_t
loop_now_ms(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
loop_fd_unwatch(struct loop_fd *f)
{
	if (f->added != 0)
		(void)event_del(&f->ev);
	f->added = 0;
}

/* The handle is disarmed, the callback runs; only then libevent hears of it. */
static void
loop_fd_fire(int fd, short what, void *arg)
{
	struct loop_fd *f = arg;
	struct loop *l = f->loop;
	unsigned ready = 0;

	(void)fd;
	if (what & EV_READ)
		ready |= LOOP_READ;
	if (what & EV_WRITE)
		ready |= LOOP_WRITE;
	f->want = 0;
	l->firing = f;
	f->fn(f->arg, ready);
	if (l->firing == f && f->want == 0)
		loop_fd_unwatch(f);
	l->firing = NULL;
}

int
loop_fd_create(struct loop *l, int fd, loop_fd_fn *fn, void *arg,
    struct loop_fd **ret, struct err *e)
{
	struct loop_fd *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_sys(e, ENOMEM, "watching descriptor %d", fd);
	f->loop = l;
	f->fd = fd;
	f->fn = fn;
	f->arg = arg;
	l->handles++;
	*ret = f;
	return 0;
}

int
loop_fd_want(struct loop_fd *f, unsigned want, struct err *e)
{
	short what = EV_PERSIST;

	assert((want & ~(unsigned)(LOOP_READ | LOOP_WRITE)) == 0);
	f->want = want;
	if (want == f->added || (want == 0 && f->loop->firing == f))
		return 0;
	loop_fd_unwatch(f);
	if (want == 0)
		return 0;
	if (want & LOOP_READ)
		what |= EV_READ;
	if (want & LOOP_WRITE)
		what |= EV_WRITE;
	(void)event_assign(&f->ev, f->loop->base, f->fd, what, loop_fd_fire, f);
	if (event_add(&f->ev, NULL) == -1) {
		f->want = 0;
		return err_set(e, ERR_SYSTEM, "watching descriptor %d", f->fd);
	}
	f->added = want;
	return 0;
}

void
loop_fd_destroy(struct loop_fd *f)
{
	if (f == NULL)
		return;
	loop_fd_unwatch(f);
	if (f->loop->firing == f)
		f->loop->firing = NULL;
	f->loop->handles--;
	free(f);
}

static int
loop_timer_arm(struct loop_timer *t, uint64_t delay_ms, struct err *e)
{
	struct timeval tv = { .tv_sec = LOOP_DELAY_MAX_S };

	if (delay_ms / 1000 < LOOP_DELAY_MAX_S) {
		tv.tv_sec = (time_t)(delay_ms / 1000);
		tv.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000);
	}
	if (event_add(&t->ev, &tv) == -1)
		return err_set(e, ERR_SYSTEM, "setting a timer");
	t->armed_ms = t->due_ms;
	return 0;
}

/* Where it cannot be armed again it fires early. */
static void
loop_timer_fire(int fd, short what, void *arg)
{
	struct loop_timer *t = arg;
	uint64_t now = loop_now_ms();

	(void)fd;
	(void)what;
	if (now < t->due_ms && t->armed_ms < t->due_ms &&
	    loop_timer_arm(t, t->due_ms - now, NULL) == 0)
		return;
	t->fn(t->arg);
}

int
loop_timer_create(struct loop *l, loop_fn *fn, void *arg,
    struct loop_timer **ret, struct err *e)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_sys(e, ENOMEM, "timer");
	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	(void)event_assign(&t->ev, l->base, -1, 0, loop_timer_fire, t);
	l->handles++;
	*ret = t;
	return 0;
}

int
loop_timer_set(struct loop_timer *t, uint64_t delay_ms, struct err *e)
{
	uint64_t now = loop_now_ms();

	t->due_ms = delay_ms > UINT64_MAX - now ? UINT64_MAX : now + delay_ms;
	if (t->armed_ms <= t->due_ms && event_pending(&t->ev, EV_TIMEOUT, NULL))
		return 0;
	return loop_timer_arm(t, delay_ms, e);
}

void
loop_timer_clear(struct loop_timer *t)
{
	(void)event_del(&t->ev);
}

void
loop_timer_destroy(struct loop_timer *t)
{
	if (t == NULL)
		return;
	(void)event_del(&t->ev);
	t->loop->handles--;
	free(t);
}

static void
loop_signal_fire(int signo, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)signo;
	(void)what;
	s->fn(s->arg);
}

int
loop_signal_create(struct loop *l, int signo, loop_fn *fn, void *arg,
    struct loop_signal **ret, struct err *e)
{
	autofree struct loop_signal *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_sys(e, ENOMEM, "signal %d", signo);
	s->loop = l;
	s->fn = fn;
	s->arg = arg;
	(void)event_assign(&s->ev, l->base, signo, EV_SIGNAL | EV_PERSIST,
	    loop_signal_fire, s);
	if (event_add(&s->ev, NULL) == -1)
		return err_set(e, ERR_SYSTEM, "catching signal %d", signo);
	l->handles++;
	*ret = take_ptr(&s);
	return 0;
}

void
loop_signal_destroy(struct loop_signal *s)
{
	if (s == NULL)
		return;
	(void)event_del(&s->ev);
	s->loop->handles--;
	free(s);
}

/*
 * What callbacks of descriptors defer runs when those that are ready have
 * run; what deferred calls defer, when it was looked for more.
 */
static int
loop_turn_arm(struct loop *l)
{
	static const struct timeval now;

	if (event_pending(&l->turn, EV_TIMEOUT, NULL))
		return 0;
	if (l->turning || !l->running)
		return event_add(&l->turn, &now);
	event_active(&l->turn, EV_TIMEOUT, 0);
	return 0;
}

/* What a call sets during this turn waits for the next one. */
static void
loop_turn(int fd, short what, void *arg)
{
	struct loop *l = arg;
	struct loop_call *c;

	(void)fd;
	(void)what;
	l->turns++;
	l->turning = 1;
	while ((c = TAILQ_FIRST(&l->calls)) != NULL && c->turn != l->turns) {
		if (event_base_got_break(l->base)) {
			(void)loop_turn_arm(l);
			break;
		}
		loop_call_clear(c);
		c->fn(c->arg);
	}
	l->turning = 0;
}

int
loop_call_create(struct loop *l, loop_fn *fn, void *arg, struct loop_call **ret,
    struct err *e)
{
	struct loop_call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_sys(e, ENOMEM, "deferred call");
	c->loop = l;
	c->fn = fn;
	c->arg = arg;
	l->handles++;
	*ret = c;
	return 0;
}

int
loop_call_set(struct loop_call *c, struct err *e)
{
	if (c->set)
		return 0;
	if (loop_turn_arm(c->loop) == -1)
		return err_set(e, ERR_SYSTEM, "deferring a call");
	TAILQ_INSERT_TAIL(&c->loop->calls, c, next);
	c->turn = c->loop->turns;
	c->set = 1;
	return 0;
}

void
loop_call_clear(struct loop_call *c)
{
	if (!c->set)
		return;
	TAILQ_REMOVE(&c->loop->calls, c, next);
	c->set = 0;
}

void
loop_call_destroy(struct loop_call *c)
{
	if (c == NULL)
		return;
	loop_call_clear(c);
	c->loop->handles--;
	free(c);
}
