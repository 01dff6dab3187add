/*
 * pulse.h: one timer for the signs of life of many.
 *
 * Everybody beats once an interval.  Beats that are due at about the same
 * time share a turn of the loop, so that thousands of silent streams wake the
 * process some ten times a second and not at a time of each one's own.
 */
#ifndef STREAM_PULSE_H
#define STREAM_PULSE_H

#include <sys/queue.h>

#include "loop.h"

struct pulse;

/* One that beats; the owner's, and its fn may leave, or end others. */
struct beat {
	TAILQ_ENTRY(beat) next;
	struct pulse *pulse; /* NULL: it does not beat */
	uint64_t due_ms;
	loop_fn *fn;
	void *arg;
};

must_check int pulse_create(struct loop *l, uint64_t interval_ms,
    struct pulse **ret, struct err *e);
void pulse_destroy(struct pulse *p); /* nobody beats any more */

/* fn and arg of b are set; the first beat comes after an interval. */
must_check int pulse_join(struct pulse *p, struct beat *b, struct err *e);
void pulse_leave(struct beat *b); /* also of one that does not beat */

#endif /* !STREAM_PULSE_H */
