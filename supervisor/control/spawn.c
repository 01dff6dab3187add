#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "crash.h"
#include "ipc.h"
#include "memfd.h"

enum {
	SPAWN_TURN_MAX = 64, /* messages, then others' turns */
};

/* A request on its way. */
struct spawn_letter {
	STAILQ_ENTRY(spawn_letter) next;
	uint32_t type;
	uint32_t size;
	int fd; /* owned; -1 */
	_Alignas(16) unsigned char body[];
};

struct spawn_job {
	TAILQ_ENTRY(spawn_job) next;
	uint64_t id;
	spawn_deployed_fn *fn;
	void *arg;
};

struct spawn_run {
	TAILQ_ENTRY(spawn_run) next;
	struct spawn *spawn;
	uint64_t id;
	const struct spawn_run_hooks *hooks; /* NULL: abandoned */
	void *arg;
};

struct spawn {
	int fd;
	struct loop_fd *watch;
	struct spawn_hooks hooks;
	int lost; /* told once */
	int destroyed; /* in the middle of a callback */
	int depth;
	uint64_t next_id;
	unsigned nids;
	STAILQ_HEAD(spawn_letters, spawn_letter) letters;
	TAILQ_HEAD(spawn_jobs, spawn_job) jobs;
	TAILQ_HEAD(spawn_runs, spawn_run) runs;
	struct ipc_msg msg;
};

static const char *const spawn_ends[] = {
#define X(name, exit, text) #name,
	RUN_ENDS(X)
#undef X
};

const char *
spawn_end_name(uint32_t end)
{
	static char name[32];
	size_t i;

	if (end >= countof(spawn_ends))
		return "?";
	for (i = 0; spawn_ends[end][i] != '\0'; i++)
		name[i] = spawn_ends[end][i] == '_'
			      ? '_'
			      : (char)(spawn_ends[end][i] | 0x20);
	name[i] = '\0';
	return name;
}

/* ---- digests ---- */

static void
spawn_hex(const unsigned char d[SHA256_SIZE], char ret[SPAWN_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < SHA256_SIZE; i++) {
		ret[2 * i] = digits[d[i] >> 4];
		ret[2 * i + 1] = digits[d[i] & 15];
	}
	ret[2 * i] = '\0';
}

static int
spawn_nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
spawn_unhex(const char *s, unsigned char ret[SHA256_SIZE])
{
	size_t i;

	if (strlen(s) != SPAWN_HEX_SIZE - 1)
		return -1;
	for (i = 0; i < SHA256_SIZE; i++) {
		int high = spawn_nibble(s[2 * i]);
		int low = spawn_nibble(s[2 * i + 1]);

		if (high == -1 || low == -1)
			return -1;
		ret[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

/* ---- the start ---- */

int
spawn_receive_start(int fd, struct spawn_start *ret,
    int ret_fds[SPAWN_START_FDS], int *ret_n, struct err *e)
{
	static struct ipc_msg m;
	const struct spawn_start *s = (const void *)m.body;
	int n = ipc_recv(fd, &m, e), i;

	if (n == -1)
		return -1;
	if (n == 0 || m.type != SPAWN_START || m.size != sizeof(*s) ||
	    s->version != SPAWN_VERSION || m.nfds > SPAWN_START_FDS ||
	    (uint32_t)m.nfds != s->nlisteners + (s->tls ? 2 : 0)) {
		ipc_drop_fds(&m);
		return err_set(e, ERR_CORRUPT, "warderd: no start");
	}
	*ret = *s;
	*ret_n = m.nfds;
	for (i = 0; i < m.nfds; i++)
		ret_fds[i] = ipc_take_fd(&m, i);
	return 0;
}

/* ---- sending ---- */

static void
spawn_lose(struct spawn *s, const struct err *why)
{
	if (s->lost)
		return;
	s->lost = 1;
	s->hooks.lost(s->hooks.arg, why);
}

static int
spawn_want(struct spawn *s, struct err *e)
{
	return loop_fd_want(s->watch,
	    LOOP_READ | (STAILQ_EMPTY(&s->letters) ? 0 : LOOP_WRITE), e);
}

static void
spawn_letter_free(struct spawn_letter *l)
{
	fd_closep(&l->fd);
	free(l);
}

/* As many as there is room for. */
static int
spawn_flush(struct spawn *s, struct err *e)
{
	struct spawn_letter *l;

	CRASH_POINT();
	while ((l = STAILQ_FIRST(&s->letters)) != NULL) {
		if (ipc_send(s->fd, l->type, l->body, l->size, &l->fd,
			l->fd != -1, e) == -1)
			return e->sys == EAGAIN || e->sys == ENOBUFS ||
				       e->sys == ETOOMANYREFS
				   ? 0
				   : -1;
		STAILQ_REMOVE_HEAD(&s->letters, next);
		spawn_letter_free(l);
	}
	return 0;
}

/* Takes fd (-1: none), also on failure. */
static int
spawn_post(struct spawn *s, uint32_t type, const void *body, size_t size,
    int fd, struct err *e)
{
	struct spawn_letter *l = malloc(sizeof(*l) + size);

	CRASH_POINT();
	if (l == NULL) {
		fd_closep(&fd);
		return err_sys(e, ENOMEM, "spawn");
	}
	l->type = type;
	l->size = (uint32_t)size;
	l->fd = fd;
	memcpy(l->body, body, size);
	STAILQ_INSERT_TAIL(&s->letters, l, next);
	/* a failure shows itself as the socket's end, on the loop */
	(void)!spawn_flush(s, e);
	return spawn_want(s, e);
}

int
spawn_ready(struct spawn *s, struct err *e)
{
	struct spawn_ready m = { .version = SPAWN_VERSION };

	return spawn_post(s, SPAWN_READY, &m, sizeof(m), -1, e);
}

/* ---- what was asked for ---- */

static int
spawn_take_id(struct spawn *s, uint64_t *ret, struct err *e)
{
	if (s->lost)
		return err_set(e, ERR_CONFLICT, "warderd has gone");
	if (s->nids == SPAWN_IDS_MAX)
		return err_set(e, ERR_LIMIT, "%d runs are alive",
		    SPAWN_IDS_MAX);
	s->nids++;
	*ret = ++s->next_id;
	return 0;
}

int
spawn_deploy(struct spawn *s, const char *tenant, int archive,
    spawn_deployed_fn *fn, void *arg, struct err *e)
{
	struct spawn_deploy m = { 0 };
	struct spawn_job *j;
	int fd;

	CRASH_POINT();
	if (!settings_is_tenant(tenant, sizeof(m.tenant)))
		return err_set(e, ERR_INVALID, "no name of a tenant");
	(void)snprintf(m.tenant, sizeof(m.tenant), "%s", tenant);
	fd = fcntl(archive, F_DUPFD_CLOEXEC, 0);
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "archive");
	j = calloc(1, sizeof(*j));
	if (j == NULL || spawn_take_id(s, &m.id, e) == -1) {
		fd_closep(&fd);
		free(j);
		return j == NULL ? err_sys(e, ENOMEM, "spawn") : -1;
	}
	*j = (struct spawn_job){ .id = m.id, .fn = fn, .arg = arg };
	TAILQ_INSERT_TAIL(&s->jobs, j, next);
	return spawn_post(s, SPAWN_DEPLOY, &m, sizeof(m), fd, e);
}

static int
spawn_fill(struct spawn_spawn *m, const struct spawn_request *q, struct err *e)
{
	if (!settings_is_tenant(q->tenant, sizeof(m->tenant)) ||
	    spawn_unhex(q->digest, m->digest) == -1 ||
	    strlen(q->run) >= sizeof(m->run) || q->run[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "no name of a tenant, version or run");
	(void)snprintf(m->tenant, sizeof(m->tenant), "%s", q->tenant);
	(void)snprintf(m->run, sizeof(m->run), "%s", q->run);
	m->attempt = q->attempt;
	m->wall_ms = q->wall_ms;
	return 0;
}

/* What is asked for, under an id that body begins with. */
static int
spawn_ask(struct spawn *s, uint32_t type, void *body, size_t size,
    const struct spawn_run_hooks *hooks, void *arg, struct spawn_run **ret,
    struct err *e)
{
	struct spawn_run *r;
	uint64_t id;

	CRASH_POINT();
	if (spawn_take_id(s, &id, e) == -1)
		return -1;
	memcpy(body, &id, sizeof(id));
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		s->nids--;
		return err_sys(e, ENOMEM, "spawn");
	}
	*r = (struct spawn_run){ .spawn = s,
		.id = id,
		.hooks = hooks,
		.arg = arg };
	TAILQ_INSERT_TAIL(&s->runs, r, next);
	if (spawn_post(s, type, body, size, -1, e) == -1) {
		/* it may be on its way: whatever comes of it is nobody's */
		r->hooks = NULL;
		return -1;
	}
	*ret = r;
	return 0;
}

int
spawn_start(struct spawn *s, const struct spawn_request *q,
    const struct spawn_run_hooks *hooks, void *arg, struct spawn_run **ret,
    struct err *e)
{
	struct spawn_spawn m = { 0 };

	return spawn_fill(&m, q, e) == -1 ? -1
					  : spawn_ask(s, SPAWN_SPAWN, &m,
						sizeof(m), hooks, arg, ret, e);
}

int
spawn_exec(const struct spawn_exec_request *q,
    const struct spawn_run_hooks *hooks, void *arg, struct spawn_run **ret,
    struct err *e)
{
	struct spawn_exec m = { .parent = q->beside->id, .less = q->less };

	if (q->size == 0 || q->size > sizeof(m.args) ||
	    q->args[q->size - 1] != '\0')
		return err_set(e, ERR_INVALID,
		    "a command has 1 to %d bytes, with an end",
		    SPAWN_ARGS_SIZE);
	m.size = (uint32_t)q->size;
	memcpy(m.args, q->args, q->size);
	return spawn_ask(q->beside->spawn, SPAWN_EXEC, &m, sizeof(m), hooks,
	    arg, ret, e);
}

void
spawn_kill(struct spawn_run *r, enum spawn_why why)
{
	struct spawn_kill m = { .id = r->id, .why = why };

	(void)!spawn_post(r->spawn, SPAWN_KILL, &m, sizeof(m), -1, NULL);
}

void
spawn_abandon(struct spawn_run *r, enum spawn_why why)
{
	CRASH_POINT();
	r->hooks = NULL;
	spawn_kill(r, why);
}

/* ---- what comes ---- */

static struct spawn_run *
spawn_find(struct spawn *s, uint64_t id)
{
	struct spawn_run *r;

	TAILQ_FOREACH (r, &s->runs, next)
		if (r->id == id)
			return r;
	return NULL;
}

static struct spawn_job *
spawn_find_job(struct spawn *s, uint64_t id)
{
	struct spawn_job *j;

	TAILQ_FOREACH (j, &s->jobs, next)
		if (j->id == id)
			return j;
	return NULL;
}

static void
spawn_end_run(struct spawn *s, struct spawn_run *r)
{
	CRASH_POINT();
	TAILQ_REMOVE(&s->runs, r, next);
	free(r);
	s->nids--;
}

static void
spawn_end_job(struct spawn *s, struct spawn_job *j)
{
	CRASH_POINT();
	TAILQ_REMOVE(&s->jobs, j, next);
	free(j);
	s->nids--;
}

static int
on_DEPLOYED(struct spawn *s, struct err *e)
{
	const struct spawn_deployed *m = (const void *)s->msg.body;
	struct spawn_job *j = spawn_find_job(s, m->id), job;
	autofd fd = ipc_take_fd(&s->msg, 0);
	struct spawn_version v = { .fresh = (int)m->fresh };
	const void *card;

	if (j == NULL)
		return err_set(e, ERR_CORRUPT, "DEPLOYED of an unknown id");
	if (memfd_map(fd, SPAWN_CARD_MAX, &card, &v.card_size, e) == -1)
		return -1;
	spawn_hex(m->digest, v.digest);
	spawn_hex(m->policy, v.policy);
	v.card = card;
	job = *j;
	spawn_end_job(s, j);
	job.fn(job.arg, &v, NULL, "");
	memfd_unmap(card, v.card_size);
	return 0;
}

static int
on_SPAWNED(struct spawn *s, struct err *e)
{
	struct spawn_spawned *m = (void *)s->msg.body;
	struct spawn_run *r = spawn_find(s, m->id);
	struct spawn_started t = { .start_us = m->start_us,
		.idle_ms = m->idle_ms,
		.output_bytes = m->output_bytes,
		.posture = m->posture };
	int i;

	if (r == NULL)
		return err_set(e, ERR_CORRUPT, "SPAWNED of an unknown id");
	if (r->hooks == NULL)
		return 0; /* the descriptors are dropped with the message */
	m->posture[sizeof(m->posture) - 1] = '\0';
	spawn_hex(m->policy, t.policy);
	for (i = 0; i < 3; i++)
		t.stdio[i] = ipc_take_fd(&s->msg, i);
	t.socket = ipc_take_fd(&s->msg, 3);
	r->hooks->started(r->arg, &t);
	return 0;
}

static void
spawn_why(struct spawn_refused *m, struct err *ret)
{
	m->text[sizeof(m->text) - 1] = '\0';
	ret->code = m->code > ERR_OK && m->code < ERR__MAX
			? (enum err_code)m->code
			: ERR_CORRUPT;
	ret->sys = m->sys;
	(void)snprintf(ret->msg, sizeof(ret->msg), "%.*s",
	    (int)strcspn(m->text, "\n"), m->text);
}

static int
on_REFUSED(struct spawn *s, struct err *e)
{
	struct spawn_refused *m = (void *)s->msg.body;
	struct spawn_run *r = spawn_find(s, m->id), run;
	struct spawn_job *j = spawn_find_job(s, m->id), job;
	struct err why;

	spawn_why(m, &why);
	if (m->what == SPAWN_FREEZE)
		return 0; /* it has ended, or does so */
	if (m->what == SPAWN_DEPLOY && j != NULL) {
		job = *j;
		spawn_end_job(s, j);
		job.fn(job.arg, NULL, &why, m->text);
		return 0;
	}
	if ((m->what != SPAWN_SPAWN && m->what != SPAWN_EXEC) || r == NULL)
		return err_set(e, ERR_CORRUPT, "REFUSED of an unknown id");
	run = *r;
	spawn_end_run(s, r);
	if (run.hooks != NULL)
		run.hooks->refused(run.arg, &why);
	return 0;
}

static int
on_EXITED(struct spawn *s, struct err *e)
{
	struct spawn_exited m;
	struct spawn_run *r, run;

	memcpy(&m, s->msg.body, sizeof(m));
	m.text[sizeof(m.text) - 1] = '\0';
	r = spawn_find(s, m.id);
	if (r == NULL)
		return err_set(e, ERR_CORRUPT, "EXITED of an unknown id");
	run = *r;
	spawn_end_run(s, r);
	if (run.hooks != NULL)
		run.hooks->exited(run.arg, &m);
	return 0;
}

static int
on_DRAIN(struct spawn *s, struct err *e)
{
	const struct spawn_drain *m = (const void *)s->msg.body;

	(void)e;
	s->hooks.drain(s->hooks.arg, m->wait_ms);
	return 0;
}

static int
spawn_unread(struct spawn *s, struct err *e)
{
	(void)s;
	(void)e;
	return 0;
}

#define on_FROZEN spawn_unread
#define on_STATE spawn_unread
#define on_START NULL
#define HANDLER_TO_CONTROL(name) on_##name
#define HANDLER_TO_WARDERD(name) NULL

static const struct {
	int (*handle)(struct spawn *s, struct err *e);
	size_t size;
	int least, most;
} spawn_table[] = {

#define X(n, dir, body, least, most) \
	[SPAWN_##n] = { HANDLER_##dir(n), sizeof(body), least, most },
	SPAWN_MSGS(X)
#undef X
};

static int
spawn_dispatch(struct spawn *s, struct err *e)
{
	const struct ipc_msg *m = &s->msg;

	if (m->type >= SPAWN__MAX || spawn_table[m->type].handle == NULL ||
	    m->size != spawn_table[m->type].size ||
	    m->nfds < spawn_table[m->type].least ||
	    m->nfds > spawn_table[m->type].most)
		return err_set(e, ERR_CORRUPT,
		    "warderd: message %u, %u bytes, %d descriptors", m->type,
		    m->size, m->nfds);
	return spawn_table[m->type].handle(s, e);
}

/* 1: there may be more, 0: not now. */
static int
spawn_receive(struct spawn *s, struct err *e)
{
	int n = ipc_recv(s->fd, &s->msg, e);

	CRASH_POINT();
	if (n == -1)
		return e->code == ERR_SYSTEM && e->sys == EAGAIN ? 0 : -1;
	if (n == 0)
		return err_set(e, ERR_CONFLICT, "warderd has ended");
	n = spawn_dispatch(s, e);
	ipc_drop_fds(&s->msg);
	return n == -1 ? -1 : 1;
}

static void
spawn_free(struct spawn *s)
{
	struct spawn_letter *l;
	struct spawn_job *j;
	struct spawn_run *r;

	while ((l = STAILQ_FIRST(&s->letters)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->letters, next);
		spawn_letter_free(l);
	}
	while ((j = TAILQ_FIRST(&s->jobs)) != NULL)
		spawn_end_job(s, j);
	while ((r = TAILQ_FIRST(&s->runs)) != NULL)
		spawn_end_run(s, r);
	loop_fd_destroy(s->watch);
	fd_closep(&s->fd);
	free(s);
}

/* A callback may destroy us: then nothing is touched but what frees. */
static void
spawn_on_socket(void *arg, unsigned ready)
{
	struct spawn *s = arg;
	struct err e = { 0 };
	int i, r = 1;

	s->depth = 1;
	if (ready & LOOP_WRITE)
		r = spawn_flush(s, &e) == -1 ? -1 : 1;
	for (i = 0; i < SPAWN_TURN_MAX && r == 1 && !s->destroyed; i++)
		r = spawn_receive(s, &e);
	if (r != -1 && !s->destroyed)
		r = spawn_want(s, &e);
	if (r == -1 && !s->destroyed)
		spawn_lose(s, &e);
	s->depth = 0;
	if (s->destroyed)
		spawn_free(s);
}

int
spawn_create(struct loop *l, int fd, const struct spawn_hooks *hooks,
    struct spawn **ret, struct err *e)
{
	autofd own = fd;
	struct spawn *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_sys(e, ENOMEM, "spawn");
	s->fd = -1;
	s->hooks = *hooks;
	STAILQ_INIT(&s->letters);
	TAILQ_INIT(&s->jobs);
	TAILQ_INIT(&s->runs);
	if (fcntl(own, F_SETFL, O_RDWR | O_NONBLOCK) == -1 ||
	    fcntl(own, F_SETFD, FD_CLOEXEC) == -1) {
		spawn_free(s);
		return err_set(e, ERR_SYSTEM, "spawn socket");
	}
	s->fd = take_fd(&own);
	if (loop_fd_create(l, s->fd, spawn_on_socket, s, &s->watch, e) == -1 ||
	    spawn_want(s, e) == -1) {
		spawn_free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void
spawn_destroy(struct spawn *s)
{
	if (s == NULL)
		return;
	s->destroyed = 1;
	if (s->depth == 0)
		spawn_free(s);
}
