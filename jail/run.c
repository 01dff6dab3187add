#include "run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "msg_init.h"

enum {
	SLOT_CONTROL = RELAY_STREAMS,
	SLOT_OOM,
	SLOT_WATCH,
	SLOT__MAX = SLOT_WATCH + RUN_WATCHES,

	RUN_DRAIN_MS = 2000, /* for the last output of a jail that is dead */
};

/* clang-format off */
static const struct {
	const char *name, *text;
	int exit;
} run_ends[] = {
#define X(n, exit, text) [RUN_##n] = { #n, text, exit },
	RUN_ENDS(X)
#undef X
};

/* clang-format on */

void
run_init(struct run *r, struct jail *j, const struct plan *p, uint32_t id)
{
	int i;

	relay_init(&r->relay, p->limits.output_bytes);
	r->jail = j;
	r->plan = p;
	r->id = id;
	r->caller[0] = r->caller[1] = r->caller[2] = -1;
	r->master = -1;
	for (i = 0; i < RUN_WATCHES; i++)
		r->watches[i].fd = -1;
	r->other = NULL;
	r->sink = NULL;
	r->settled = 0;
	outcome_init(&r->outcome, j, p);
}

int
run_add_watch(struct run *r, int fd, void (*ready)(void *ctx, int fd),
    void *ctx, struct err *e)
{
	int i;

	for (i = 0; i < RUN_WATCHES; i++) {
		if (r->watches[i].fd != -1)
			continue;
		r->watches[i] = (struct run_watch){ fd, ready, ctx };
		return 0;
	}
	return err_set(e, ERR_LIMIT, "more than %d clients", RUN_WATCHES);
}

void
run_remove_watch(struct run *r, int fd)
{
	int i;

	for (i = 0; i < RUN_WATCHES; i++) {
		if (r->watches[i].fd == fd)
			r->watches[i].fd = -1;
	}
}

static void
run_connect_out(struct run *r, int i, int ours)
{
	if (ours >= 0 && r->sink != NULL)
		relay_set_sink(&r->relay, i, ours, r->sink, r->sink_ctx);
	else if (ours >= 0)
		relay_set_out(&r->relay, i, ours, r->caller[i]);
}

void
run_connect(struct run *r, const int ours[3])
{
	int i;

	if (ours[0] >= 0)
		relay_set_in(&r->relay, r->caller[0], ours[0]);
	for (i = 1; i < 3; i++)
		run_connect_out(r, i, ours[i]);
}

void
run_stop(struct run *r, enum run_end end)
{
	outcome_end(&r->outcome, end);
}

/* ---- events of the jail ---- */

/* The master is both ends of the conversation; each stream has its own. */
static int
run_pty(struct run *r, const struct jail_event *v, struct err *e)
{
	autofd master = v->fd;
	int in = dup(master);

	if (in == -1)
		return err_set(e, ERR_SYSTEM, "dup");
	r->master = master;
	relay_set_in(&r->relay, r->caller[0], in);
	run_connect_out(r, 1, take_fd(&master));
	return 0;
}

static int
run_event(struct run *r, struct err *e)
{
	struct jail_event v;

	if (jail_receive(r->jail, &v, e) == -1)
		return -1;
	if (v.kind != JAIL_EVENT_GONE && v.id != r->id) {
		if (r->other != NULL)
			r->other(r->other_ctx, &v);
		fd_closep(&v.fd);
		return 0;
	}
	if (v.kind == JAIL_EVENT_PTY)
		return run_pty(r, &v, e);
	outcome_event(&r->outcome, &v);
	return 0;
}

/* ---- the loop ---- */

static void
run_poll_watches(const struct run *r, struct pollfd *p)
{
	int i;

	for (i = 0; i < RUN_WATCHES; i++) {
		p[SLOT_WATCH + i].fd = r->watches[i].fd;
		p[SLOT_WATCH + i].events = POLLIN;
		p[SLOT_WATCH + i].revents = 0;
	}
}

/* A callback may remove another one's watch: look again before each. */
static void
run_ready(struct run *r, const struct pollfd *p)
{
	int i;

	for (i = 0; i < RUN_WATCHES; i++) {
		struct run_watch *w = &r->watches[i];

		if (p[SLOT_WATCH + i].revents != 0 &&
		    w->fd == p[SLOT_WATCH + i].fd)
			w->ready(w->ctx, w->fd);
	}
}

static int
run_ready_all(struct run *r, struct pollfd *p, struct err *e)
{
	if (relay_step(&r->relay, p) > 0)
		r->outcome.moved_us = clock_now_us();
	if (relay_met_limit(&r->relay))
		outcome_end(&r->outcome, RUN_OUTPUT);
	if (p[SLOT_OOM].revents != 0)
		outcome_oom(&r->outcome);
	if (p[SLOT_CONTROL].revents != 0 && run_event(r, e) == -1)
		return -1;
	run_ready(r, p);
	return 0;
}

/*
 * The pipes of a dead jail end by themselves; until then its last output is
 * read.  When nobody takes it (or nothing comes), it is given up.
 */
static int
run_step(struct run *r, int timeout, struct err *e)
{
	struct pollfd p[SLOT__MAX];
	struct outcome *o = &r->outcome;
	int own = o->ended ? RUN_DRAIN_MS : outcome_timeout(o, clock_now_us());
	int n;

	relay_poll(&r->relay, p);
	p[SLOT_CONTROL].fd = o->gone ? -1 : jail_fd(r->jail);
	p[SLOT_CONTROL].events = POLLIN;
	p[SLOT_OOM].fd = o->oom;
	p[SLOT_OOM].events = o->oom_events;
	run_poll_watches(r, p);
	if (timeout == -1 || (own != -1 && own < timeout))
		timeout = own;
	n = poll(p, SLOT__MAX, timeout);
	if (n == -1 && errno != EINTR)
		return err_set(e, ERR_SYSTEM, "poll");
	if (n == 0 && o->ended && timeout == own)
		relay_finish(&r->relay);
	if (n > 0 && run_ready_all(r, p, e) == -1)
		return -1;
	outcome_limits(o, clock_now_us());
	return 0;
}

static int
run_left_ms(uint64_t until_us)
{
	uint64_t now = clock_now_us();

	return until_us > now ? (int)((until_us - now + 999) / 1000) : 0;
}

int
run_wait(struct run *r, int timeout_ms, struct run_report *ret, struct err *e)
{
	uint64_t until = clock_now_us() + (uint64_t)timeout_ms * 1000;
	int left = timeout_ms;

	/* the command begins meanwhile, on another processor */
	outcome_meter(&r->outcome);
	while (!r->outcome.ended || relay_open(&r->relay)) {
		if (run_step(r, left, e) == -1)
			return -1;
		if (timeout_ms == -1)
			continue;
		left = run_left_ms(until);
		if (left == 0 && (!r->outcome.ended || relay_open(&r->relay)))
			return 0;
	}
	if (!r->settled)
		outcome_settle(&r->outcome, relay_output(&r->relay),
		    relay_met_limit(&r->relay));
	r->settled = 1;
	*ret = r->outcome.report;
	return 1;
}

void
run_finish(struct run *r)
{
	relay_finish(&r->relay);
	outcome_finish(&r->outcome);
}

int
run_exit_status(const struct run_report *r)
{
	if (run_ends[r->end].exit != -1)
		return run_ends[r->end].exit;
	return WIFSIGNALED(r->status) ? 128 + WTERMSIG(r->status)
				      : WEXITSTATUS(r->status);
}

int
run_was_killed(const struct run_report *r)
{
	return r->lost_status == -1 || (WIFSIGNALED(r->lost_status) &&
					   WTERMSIG(r->lost_status) == SIGKILL);
}

const char *
run_end_name(enum run_end end)
{
	return (unsigned)end < RUN__MAX ? run_ends[end].name : "?";
}

const char *
run_end_text(enum run_end end)
{
	return (unsigned)end < RUN__MAX ? run_ends[end].text : "?";
}
