#include "control.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "crash.h"
#include "deploy.h"
#include "jailed.h"
#include "log.h"
#include "notify.h"

enum {
	CONTROL_BACK_OFF_MS = 100, /* after the first failure; then doubled */
	CONTROL_GOOD_MS = 10 * 1000, /* alive for so long: no failure */
	CONTROL_TURN_MAX = 64, /* requests, then the jails' limits again */
	CONTROL_REPLY_MAX = sizeof(struct spawn_refused),
};

static struct {
	pid_t pid; /* 0: down */
	int fd; /* -1: down */
	int ready; /* READY has come */
	int lost; /* it has ended, or must: done at the turn's end */
	int blocked; /* something is to be said, and it does not read */
	int drain; /* DRAIN is to be said */
	int renewed; /* it ends because it is to be started again */
	unsigned restarts, failures;
	uint64_t begun_ms, next_ms;
	uint64_t until_ms; /* of a drain; 0: there is none */
	uint32_t reply_type;
	size_t reply_size; /* 0: none waits */
	_Alignas(16) unsigned char reply[CONTROL_REPLY_MAX];
} control = { .fd = -1 };

static struct ipc_msg control_msg;

/* ---- its life ---- */

static int
control_send_start(struct warderd *w, struct err *e)
{
	static struct spawn_start m;
	int fds[WARDERD_SOCKETS_MAX + 2], n = 0;
	uint32_t i;

	CRASH_POINT();
	memset(&m, 0, sizeof(m));
	m.version = SPAWN_VERSION;
	m.restarts = control.restarts;
	m.settings = w->kept.settings;
	m.nlisteners = w->kept.settings.nlisten;
	m.tls = w->kept.tls[0] != -1;
	(void)snprintf(m.db_dir, sizeof(m.db_dir), "%.1023s", w->db);
	for (i = 0; i < w->kept.settings.nlisten; i++)
		fds[n++] = w->kept.listeners[i];
	if (m.tls) {
		fds[n++] = w->kept.tls[0];
		fds[n++] = w->kept.tls[1];
	}
	return ipc_send(control.fd, SPAWN_START, &m, sizeof(m), fds, n, e);
}

static int
control_start(struct warderd *w, struct err *e)
{
	struct child_spec s = {
		.path = w->control_path,
		.name = "warder-control",
		.uid = w->control_uid,
		.nfds = 1,
		.dies_with_us = 1,
	};
	int pair[2], r;

	CRASH_POINT();
	if (ipc_pair(pair, e) == -1)
		return -1;
	s.fds[0] = pair[1];
	r = fcntl(pair[0], F_SETFL, O_RDWR | O_NONBLOCK) == -1
		? err_set(e, ERR_SYSTEM, "O_NONBLOCK")
		: child_start(&s, &control.pid, e);
	fd_closep(&pair[1]);
	control.fd = pair[0];
	return r == -1 ? -1 : control_send_start(w, e);
}

static uint64_t
control_back_off(const struct warderd *w)
{
	unsigned n = control.failures < 10 ? control.failures : 10;
	uint64_t ms = (uint64_t)CONTROL_BACK_OFF_MS << n;

	return ms < w->back_off_ms ? ms : w->back_off_ms;
}

int
control_end(void)
{
	int status = child_end(control.pid);

	control.pid = 0;
	fd_closep(&control.fd);
	control.ready = control.lost = control.blocked = control.drain = 0;
	control.until_ms = 0;
	control.reply_size = 0;
	return status;
}

/* What it has begun goes before it is started again. */
static void
control_lose(struct warderd *w, uint64_t now_ms)
{
	int status;

	CRASH_POINT();
	if (now_ms - control.begun_ms >= CONTROL_GOOD_MS || control.renewed)
		control.failures = 0;
	control.next_ms = now_ms + (control.renewed ? 0 : control_back_off(w));
	control.failures += !control.renewed;
	control.restarts++;
	status = control_end();
	jailed_end_all(w);
	deploy_end_all();
	if (!w->draining && !control.renewed)
		log_text(LOG_LEVEL_WARN, "control.end",
		    "warder-control has ended (%s %d%s); %u jails die, it is "
		    "started again",
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status)
					: WEXITSTATUS(status),
		    WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
			? ", a system call that its filter has not"
			: "",
		    jailed_count());
	control.renewed = 0;
}

static void
control_try(struct warderd *w, uint64_t now_ms)
{
	struct err e;

	control.begun_ms = now_ms;
	if (control_start(w, &e) == 0)
		return;
	log_err(LOG_LEVEL_ERROR, "control.start", &e);
	control_lose(w, now_ms);
}

int
control_is_gone(void)
{
	return control.pid == 0;
}

void
control_drain(struct warderd *w)
{
	CRASH_POINT();
	control.drain = control.pid != 0;
	control.until_ms = w->drain_until_ms;
}

void
control_renew(struct warderd *w)
{
	(void)w;
	CRASH_POINT();
	if (control.pid == 0 || control.until_ms > 0)
		return;
	control.drain = control.renewed = 1;
	control.until_ms = clock_now_ms() + WARDERD_DRAIN_MS;
}

void
control_is_served(void)
{
	char text[64];

	if (!control.ready)
		return;
	(void)snprintf(text, sizeof(text),
	    "READY=1\nMAINPID=%d\nSTATUS=serving", (int)getpid());
	notify_say(text);
}

int
control_carry(struct handover *h, struct err *e)
{
	if (handover_block(h, "control", &control, sizeof(control), e) == -1)
		return -1;
	if ((control.pid > 0) != (control.fd >= 0) ||
	    control.reply_size > sizeof(control.reply) ||
	    control.reply_type >= SPAWN__MAX)
		return err_set(e, ERR_CORRUPT, "a control of impossible state");
	return handover_child(h, control.pid, e) == -1
		   ? -1
		   : handover_fd(h, &control.fd, S_IFSOCK, e);
}

/* ---- what it asks ---- */

static int
on_READY(struct warderd *w, struct ipc_msg *m)
{
	const struct spawn_ready *r = (const void *)m->body;

	(void)w;
	if (r->version != SPAWN_VERSION || control.ready)
		return -1;
	control.ready = 1;
	control_is_served();
	log_text(LOG_LEVEL_INFO, "control.ready", "warder-control serves");
	return 0;
}

static int
on_STATUS(struct warderd *w, struct ipc_msg *m)
{
	struct spawn_state s = {
		.jails = jailed_count(),
		.jails_max = w->kept.settings.limits.jails,
		.deploys = deploy_count(),
		.draining = (uint32_t)w->draining,
		.spawned = w->kept.spawned,
		.refused = w->kept.refused,
		.uptime_ms = clock_now_ms() - w->kept.begun_ms,
	};

	(void)m;
	control_reply(SPAWN_STATE, &s, sizeof(s));
	return 0;
}

#define on_DEPLOY deploy_begin
#define on_SPAWN jailed_spawn
#define on_EXEC jailed_exec
#define on_KILL jailed_kill
#define on_FREEZE jailed_freeze
#define HANDLER_TO_WARDERD(name) on_##name
#define HANDLER_TO_CONTROL(name) NULL

/* The only way in: what is no row of it ends control. */
static const struct {
	int (*handle)(struct warderd *w, struct ipc_msg *m);
	size_t size;
	int least, most;
} control_table[] = {

#define X(n, dir, body, least, most) \
	[SPAWN_##n] = { HANDLER_##dir(n), sizeof(body), least, most },
	SPAWN_MSGS(X)
#undef X
};

static int
control_dispatch(struct warderd *w, struct ipc_msg *m)
{
	CRASH_POINT();
	if (m->type >= SPAWN__MAX || control_table[m->type].handle == NULL ||
	    m->size != control_table[m->type].size ||
	    m->nfds < control_table[m->type].least ||
	    m->nfds > control_table[m->type].most ||
	    (!control.ready && m->type != SPAWN_READY))
		return -1;
	return control_table[m->type].handle(w, m);
}

/* 1: there may be more, 0: there is none now, -1: control is to go. */
static int
control_receive(struct warderd *w)
{
	struct err e = { 0 };
	struct ipc_msg *m = &control_msg;
	int n = ipc_recv(control.fd, m, &e);

	if (n == -1 && e.code == ERR_SYSTEM && e.sys == EAGAIN)
		return 0;
	if (n == 1 && control_dispatch(w, m) == -1) {
		log_text(LOG_LEVEL_ERROR, "control.broken",
		    "warder-control sent what it never sends: message %u of "
		    "%u bytes, %d descriptors",
		    m->type, m->size, m->nfds);
		n = -1;
	}
	ipc_drop_fds(m);
	return n == 1 ? 1 : -1;
}

static void
control_on_socket(void *ctx, short events)
{
	struct warderd *w = ctx;
	int i, r = 1;

	/* what it still has to say was written before it closed its end */
	for (i = 0; i < CONTROL_TURN_MAX && r == 1; i++) {
		if (control.blocked || control.reply_size > 0)
			break;
		r = events & (POLLIN | POLLHUP | POLLERR) ? control_receive(w)
							  : 0;
	}
	if (r == -1 || (control.blocked && (events & (POLLHUP | POLLERR))))
		control.lost = 1;
}

/* ---- what it is told ---- */

int
control_say(uint32_t type, const void *body, size_t size, const int *fds,
    int nfds)
{
	struct err e;

	if (control.fd == -1 || control.lost)
		return 0;
	if (ipc_send(control.fd, type, body, size, fds, nfds, &e) == 0)
		return 0;
	/* too many descriptors on their way are its to read, too */
	if (e.sys == EAGAIN || e.sys == ENOBUFS || e.sys == ETOOMANYREFS) {
		control.blocked = 1;
		return -1;
	}
	control.lost = 1;
	return 0;
}

void
control_reply(uint32_t type, const void *body, size_t size)
{
	assert(control.reply_size == 0 && size <= sizeof(control.reply));
	if (control_say(type, body, size, NULL, 0) == 0)
		return;
	memcpy(control.reply, body, size);
	control.reply_type = type;
	control.reply_size = size;
}

void
control_refuse(uint32_t what, uint64_t id, const struct err *e)
{
	struct spawn_refused m = {
		.id = id,
		.what = what,
		.code = e->code,
		.sys = e->sys,
	};

	(void)snprintf(m.text, sizeof(m.text), "%s", e->msg);
	control_reply(SPAWN_REFUSED, &m, sizeof(m));
}

static int
control_say_drain(uint64_t now_ms)
{
	struct spawn_drain m = {
		.wait_ms =
		    control.until_ms > now_ms ? control.until_ms - now_ms : 0,
	};

	if (!control.drain || !control.ready)
		return 0;
	if (control_say(SPAWN_DRAIN, &m, sizeof(m), NULL, 0) == -1)
		return -1;
	control.drain = 0;
	return 0;
}

static void
control_say_all(struct warderd *w, uint64_t now_ms)
{
	CRASH_POINT();
	control.blocked = 0;
	if (control.reply_size > 0 &&
	    control_say(control.reply_type, control.reply, control.reply_size,
		NULL, 0) == -1)
		return;
	control.reply_size = 0;
	if (control_say_drain(now_ms) == 0 && jailed_say(w) == 0)
		(void)!deploy_say(w);
}

void
control_step(struct warderd *w, uint64_t now_ms)
{
	if (control.fd != -1)
		control_say_all(w, now_ms);
	if (control.lost || (control.renewed && now_ms >= control.until_ms))
		control_lose(w, now_ms);
	if (control.pid == 0 && !w->draining && jailed_count() == 0 &&
	    now_ms >= control.next_ms)
		control_try(w, now_ms);
}

void
control_wait(struct warderd *w, uint64_t now_ms)
{
	short events = w->upgrading ? 0 : POLLIN;

	if (control.blocked)
		events = POLLOUT;
	if (control.renewed)
		ready_within(&w->ready, control.until_ms > now_ms
					    ? (int)(control.until_ms - now_ms)
					    : 0);
	if (control.fd != -1)
		ready_add(&w->ready, control.fd, events, control_on_socket, w);
	else if (!w->draining && jailed_count() == 0)
		ready_within(&w->ready, control.next_ms > now_ms
					    ? (int)(control.next_ms - now_ms)
					    : 0);
}
