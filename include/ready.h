/*
 * ready.h: what a loop without a library waits for, by poll(2).
 *
 * Once a turn everybody says anew what they wait for, so that nothing is ever
 * called for an object that has gone.  A callback may change objects but must
 * not free what another callback of the same turn was given.  A fixed table:
 * nothing is allocated.
 */
#ifndef READY_H
#define READY_H

#include <poll.h>
#include <stddef.h>

#include "err.h"

enum {
	READY_MAX = 3 * 4096 + 64, /* three for each jail, and a few */
};

typedef void ready_fn(void *ctx, short events);

struct ready {
	size_t n;
	int timeout_ms; /* -1: none */
	struct pollfd fds[READY_MAX];

	struct {
		ready_fn *fn;
		void *ctx;
	} calls[READY_MAX];
};

void ready_clear(struct ready *r);

/* Call fn when fd (borrowed; -1: nothing) has one of the events, or fails. */
void ready_add(struct ready *r, int fd, short events, ready_fn *fn, void *ctx);

/* Wait no longer than that; -1 changes nothing. */
void ready_within(struct ready *r, int timeout_ms);

/* Wait once, and call whom it concerns. */
must_check int ready_wait(struct ready *r, struct err *e);

#endif /* !READY_H */
