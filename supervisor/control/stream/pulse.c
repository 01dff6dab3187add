#include "pulse.h"

#include <assert.h>
#include <errno.h>

#include "log.h"

enum {
	PULSE_TURN = 256, /* beats in one turn of the loop */
	PULSE_SLOTS = 50, /* of an interval, that beats fall into */
};

TAILQ_HEAD(beats, beat);

struct pulse {
	struct loop_timer *timer; /* set while anybody beats */
	uint64_t interval_ms;
	struct beats beats; /* by the time when they are due */
};

/* Late by a slot: whoever comes in it is served together. */
static int
pulse_arm(struct pulse *p, struct err *e)
{
	const struct beat *b = TAILQ_FIRST(&p->beats);
	uint64_t now = loop_now_ms();

	if (b == NULL)
		return 0;
	return loop_timer_set(p->timer,
	    b->due_ms > now ? b->due_ms - now + p->interval_ms / PULSE_SLOTS
			    : 0,
	    e);
}

static void
pulse_put(struct pulse *p, struct beat *b, uint64_t due_ms)
{
	b->pulse = p;
	b->due_ms = due_ms;
	TAILQ_INSERT_TAIL(&p->beats, b, next);
}

static void
pulse_beat(void *arg)
{
	struct pulse *p = arg;
	uint64_t now = loop_now_ms();
	struct err e = { 0 };
	struct beat *b;
	unsigned i;

	for (i = 0; i < PULSE_TURN && (b = TAILQ_FIRST(&p->beats)) != NULL &&
		    b->due_ms <= now;
	     i++) {
		TAILQ_REMOVE(&p->beats, b, next);
		pulse_put(p, b, now + p->interval_ms);
		b->fn(b->arg);
	}
	if (pulse_arm(p, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "heartbeat", &e);
}

int
pulse_join(struct pulse *p, struct beat *b, struct err *e)
{
	int first = TAILQ_EMPTY(&p->beats);

	pulse_put(p, b, loop_now_ms() + p->interval_ms);
	if (!first || pulse_arm(p, e) == 0)
		return 0;
	pulse_leave(b);
	return -1;
}

void
pulse_leave(struct beat *b)
{
	struct pulse *p = b->pulse;

	if (p == NULL)
		return;
	b->pulse = NULL;
	TAILQ_REMOVE(&p->beats, b, next);
	if (TAILQ_EMPTY(&p->beats))
		loop_timer_clear(p->timer);
}

int
pulse_create(struct loop *l, uint64_t interval_ms, struct pulse **ret,
    struct err *e)
{
	struct pulse *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_sys(e, ENOMEM, "heartbeats");
	p->interval_ms = interval_ms;
	TAILQ_INIT(&p->beats);
	if (loop_timer_create(l, pulse_beat, p, &p->timer, e) == -1) {
		free(p);
		return -1;
	}
	*ret = p;
	return 0;
}

void
pulse_destroy(struct pulse *p)
{
	if (p == NULL)
		return;
	assert(TAILQ_EMPTY(&p->beats));
	loop_timer_destroy(p->timer);
	free(p);
}
