#include "ready.h"

#include <assert.h>
#include <errno.h>

void
ready_clear(struct ready *r)
{
	r->n = 0;
	r->timeout_ms = -1;
}

void
ready_add(struct ready *r, int fd, short events, ready_fn *fn, void *ctx)
{
	if (fd < 0)
		return;
	assert(r->n < READY_MAX);
	r->fds[r->n] = (struct pollfd){ .fd = fd, .events = events };
	r->calls[r->n].fn = fn;
	r->calls[r->n].ctx = ctx;
	r->n++;
}

void
ready_within(struct ready *r, int timeout_ms)
{
	if (timeout_ms < 0)
		return;
	if (r->timeout_ms == -1 || timeout_ms < r->timeout_ms)
		r->timeout_ms = timeout_ms;
}

int
ready_wait(struct ready *r, struct err *e)
{
	size_t i;
	int n = poll(r->fds, r->n, r->timeout_ms);

	if (n == -1 && errno != EINTR)
		return err_set(e, ERR_SYSTEM, "poll");
	for (i = 0; n > 0 && i < r->n; i++) {
		if (r->fds[i].revents == 0)
			continue;
		n--;
		r->calls[i].fn(r->calls[i].ctx, r->fds[i].revents);
	}
	return 0;
}
