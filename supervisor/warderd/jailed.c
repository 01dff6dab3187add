#include "jailed.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "control.h"
#include "crash.h"
#include "deploy.h"
#include "egress/egress.h"
#include "jail/jail.h"
#include "jail/outcome.h"
#include "jail/posture.h"
#include "log.h"

enum {
	JAILED_COMMAND = 1, /* its id in the jail */
	JAILED_STREAMS = 4, /* three, and the socket */
	JAILED_BEGIN_MS = EGRESS_READY_MS, /* for its proxy, and for itself */
};

enum jailed_state {
	JAILED_FREE,
	JAILED_WAITING, /* for its proxy; there is a jail, not launched */
	JAILED_PARKED, /* its pid 1 is on its way to where it waits for us */
	JAILED_RUNNING,
	JAILED_DYING,
	JAILED_DONE, /* nothing is left but its row */
};

/* What control does not know yet. */
enum jailed_news {
	JAILED_NO_NEWS,
	JAILED_REFUSED,
	JAILED_SPAWNED,
};

struct jailed {
	struct spawn_spawn asked;
	uint64_t parent; /* EXEC: beside this one, and dies with it; else 0 */
	struct narrow less; /* EXEC: than that one */
	uint64_t arrived_us;
	uint64_t start_us;
	struct warderd *w;
	struct agent *agent;
	struct jail *jail;
	struct egress *egress;
	struct outcome outcome;
	enum jailed_state state;
	enum jailed_news news;
	int muted; /* control has gone: nothing is said any more */
	int ours[JAILED_STREAMS];
	struct err why; /* REFUSED, or why the proxy failed */
};

static struct jailed jailed_rows[SPAWN_IDS_MAX];
/* The rows in use come first; the order means nothing. */
static struct jailed *jailed_living[SPAWN_IDS_MAX];
static unsigned jailed_n;

/* ---- rows ---- */

static struct jailed *
jailed_find(uint64_t id)
{
	unsigned i;

	for (i = 0; i < jailed_n; i++)
		if (jailed_living[i]->asked.id == id &&
		    !jailed_living[i]->muted)
			return jailed_living[i];
	return NULL;
}

int
jailed_has(uint64_t id)
{
	return jailed_find(id) != NULL;
}

/* tenant: of this one's; NULL: of all. */
static unsigned
jailed_count_of(const char *tenant)
{
	unsigned i, n = 0;

	for (i = 0; i < jailed_n; i++)
		n += jailed_living[i]->state != JAILED_DONE &&
		     (tenant == NULL ||
			 strcmp(jailed_living[i]->asked.tenant, tenant) == 0);
	return n;
}

unsigned
jailed_count(void)
{
	return jailed_count_of(NULL);
}

static struct jailed *
jailed_new(struct warderd *w, const struct spawn_spawn *m)
{
	struct jailed *j = jailed_living[jailed_n];
	int i;

	CRASH_POINT();
	if (j == NULL)
		j = jailed_living[jailed_n] = &jailed_rows[jailed_n];
	jailed_n++;
	memset(j, 0, sizeof(*j));
	j->w = w;
	j->asked = *m;
	j->arrived_us = clock_now_us();
	j->outcome.oom = -1;
	for (i = 0; i < JAILED_STREAMS; i++)
		j->ours[i] = -1;
	return j;
}

/* Its place is the last one's; the freed row is the next one's. */
static void
jailed_free(unsigned i)
{
	struct jailed *j = jailed_living[i];

	jailed_n--;
	jailed_living[i] = jailed_living[jailed_n];
	jailed_living[jailed_n] = j;
	j->state = JAILED_FREE;
}

static int
jailed_is_begun(const struct jailed *j)
{
	return j->state == JAILED_WAITING || j->state == JAILED_PARKED;
}

static void
jailed_log(const struct jailed *j, enum log_level level, const char *ev,
    const char *key, const char *value)
{
	log_for_run(j->asked.run, j->asked.attempt, level, ev, key, value);
}

/* ---- the end ---- */

static void
jailed_close_streams(struct jailed *j)
{
	int i;

	CRASH_POINT();
	for (i = 0; i < JAILED_STREAMS; i++)
		fd_closep(&j->ours[i]);
}

static void jailed_die(struct jailed *j, enum run_end end);

/* Everything of it is removed; the report is whole before. */
static void
jailed_remove(struct jailed *j)
{
	static struct egress_summary summary;
	unsigned i;

	CRASH_POINT();
	for (i = 0; i < jailed_n; i++)
		if (jailed_living[i]->parent == j->asked.id)
			jailed_die(jailed_living[i], RUN_KILLED);
	if (j->outcome.ended)
		outcome_settle(&j->outcome, 0, 0);
	/* there is one from the launch on */
	if (j->outcome.jail != NULL)
		outcome_finish(&j->outcome);
	if (jail_destroy(take_ptr(&j->jail)) == -1)
		jailed_log(j, LOG_LEVEL_ERROR, "run.leftover", "msg",
		    "the jail left something behind");
	egress_end(take_ptr(&j->egress), &summary);
	agent_release(take_ptr(&j->agent));
	j->state = JAILED_DONE;
}

static void
jailed_refuse(struct jailed *j)
{
	CRASH_POINT();
	j->w->kept.refused++;
	j->news = JAILED_REFUSED;
	jailed_close_streams(j);
	jailed_remove(j);
}

static void
jailed_die(struct jailed *j, enum run_end end)
{
	CRASH_POINT();
	if (jailed_is_begun(j)) {
		(void)err_set(&j->why, ERR_CONFLICT,
		    "it was ended before it began");
		jailed_refuse(j);
	} else if (j->state == JAILED_RUNNING) {
		outcome_end(&j->outcome, end);
		j->state = JAILED_DYING;
	}
}

/* ---- its life ---- */

static void
jailed_on_jail(void *ctx, short events)
{
	struct jailed *j = ctx;
	struct jail_event v;
	struct err e;

	(void)events;
	if (j->jail == NULL)
		return;
	if (jail_receive(j->jail, &v, &e) == -1) {
		/* it is killed, and its end of file comes */
		jailed_log(j, LOG_LEVEL_WARN, "run.broken", "msg", e.msg);
		outcome_end(&j->outcome, RUN_LOST);
	} else {
		fd_closep(&v.fd);
		outcome_event(&j->outcome, &v);
	}
	if (j->outcome.ended && j->state == JAILED_RUNNING)
		j->state = JAILED_DYING;
}

static void
jailed_on_oom(void *ctx, short events)
{
	struct jailed *j = ctx;

	(void)events;
	if (j->outcome.oom == -1)
		return;
	outcome_oom(&j->outcome);
	j->state = JAILED_DYING;
}

static void
jailed_on_proxy(void *ctx, short events)
{
	struct jailed *j = ctx;
	const struct err *why;

	(void)events;
	if (j->state != JAILED_RUNNING)
		return;
	why = egress_heard(j->egress);
	if (why == NULL)
		return;
	j->why = *why;
	jailed_die(j, RUN_PROXY);
}

static void
jailed_check(struct jailed *j, uint64_t now_us)
{
	if (jailed_is_begun(j) &&
	    now_us - j->arrived_us > JAILED_BEGIN_MS * 1000ULL) {
		(void)err_set(&j->why, ERR_LIMIT, "%s: no answer within %d ms",
		    j->state == JAILED_PARKED ? "the jail" : "warder-proxy",
		    JAILED_BEGIN_MS);
		jailed_refuse(j);
	}
	if (j->state != JAILED_RUNNING && j->state != JAILED_DYING)
		return;
	outcome_limits(&j->outcome, now_us);
	if (j->outcome.ended)
		j->state = JAILED_DYING;
	/* its limits and posture are still to be said */
	if (j->outcome.gone && (j->news != JAILED_SPAWNED || j->muted))
		jailed_remove(j);
}

void
jailed_step(struct warderd *w, uint64_t now_us)
{
	unsigned i;

	CRASH_POINT();
	(void)w;
	for (i = 0; i < jailed_n; i++)
		jailed_check(jailed_living[i], now_us);
	for (i = jailed_n; i-- > 0;)
		if (jailed_living[i]->state == JAILED_DONE &&
		    jailed_living[i]->muted)
			jailed_free(i);
}

void
jailed_end_all(struct warderd *w)
{
	unsigned i;

	(void)w;
	for (i = 0; i < jailed_n; i++) {
		struct jailed *j = jailed_living[i];

		j->muted = 1;
		jailed_close_streams(j);
		jailed_die(j, RUN_KILLED);
	}
}

/* ---- its start ---- */

static void
jailed_options(const struct jailed *j, struct jail_options *o)
{
	const struct warderd *w = j->w;

	*o = (struct jail_options){
		.plan = &j->agent->plan,
		.program = &j->agent->program,
		.init_path = w->init_path,
		.runtime_dir = w->places.runtime,
		.state_dir = w->places.state,
		.config_dir = w->places.config,
		.cache_dir = w->places.cache,
		.state_root = w->places.state_root,
		.own = AGENT_MOUNT,
	};
	if (j->egress != NULL) {
		o->capture = egress_capture(j->egress);
		o->trust = egress_trust(j->egress);
	}
}

static int
jailed_launch(struct jailed *j, struct err *e)
{
	static struct environ env;
	const char *argv[AGENT_ARGS_MAX + 1];
	autofd theirs = -1;
	struct jail_command c = { .id = JAILED_COMMAND, .argv = argv };

	CRASH_POINT();
	if (agent_command(j->agent, j->egress, argv, &env, e) == -1 ||
	    (j->agent->record.protocol == AGENT_NATIVE &&
		ipc_stream_pair(&j->ours[3], &theirs, e) == -1))
		return -1;
	c.envp = env.vector;
	c.socket = theirs > 0 ? theirs : 0;
	outcome_init(&j->outcome, j->jail, &j->agent->plan);
	outcome_lessen(&j->outcome, j->asked.wall_ms);
	if (jail_launch(j->jail, &c, j->ours, e) == -1)
		return -1;
	if (j->egress != NULL && egress_hand_over(j->egress, j->jail, e) == -1)
		return -1;
	j->state = JAILED_RUNNING;
	j->news = JAILED_SPAWNED;
	j->start_us = clock_now_us() - j->arrived_us;
	j->w->kept.spawned++;
	return 0;
}

/* Others are made meanwhile, and everybody is served. */
static int
jailed_park(struct jailed *j, struct err *e)
{
	if (jail_park(j->jail, e) == -1)
		return -1;
	j->state = JAILED_PARKED;
	return 0;
}

/* What was waited for is there, or has failed: neither takes any time. */
static void
jailed_on_ready(void *ctx, short events)
{
	struct jailed *j = ctx;
	int fds[2], r = 0;

	(void)events;
	if (j->state == JAILED_PARKED)
		r = jailed_launch(j, &j->why);
	else if (j->state == JAILED_WAITING &&
		 egress_awaited(j->egress, fds) == 0)
		r = egress_ready(j->egress, &j->why) == -1
			? -1
			: jailed_park(j, &j->why);
	if (r == -1)
		jailed_refuse(j);
}

static struct egress_options
jailed_egress_options(const struct jailed *j)
{
	const struct plan *p = &j->agent->plan;

	return (struct egress_options){
		.proxy_path = j->w->proxy_path,
		.vault_path = j->w->vault_path,
		.audit_program = j->w->audit_path,
		.config_dir = j->w->places.config,
		.state_dir = j->w->places.state_root,
		.net = &j->agent->net.net,
		.policy = j->agent->policy,
		.root = p->rootfs == PLAN_ROOTFS_DIR
			    ? plan_string(p, p->rootfs_dir)
			    : NULL,
		.wall_ms = p->limits.wall_ms,
		.dies_with_us = 1,
	};
}

/* args: of an EXEC, whose parent has the same version. */
static int
jailed_get_agent(struct jailed *j, const char *args, uint32_t size,
    struct err *e)
{
	struct agent *of;
	int r;

	if (agent_get(&j->w->store, j->asked.tenant, j->asked.digest, &of, e) ==
	    -1)
		return -1;
	if (j->parent == 0) {
		j->agent = of;
		return 0;
	}
	r = agent_narrow(of, &j->less, args, size, &j->agent, e);
	agent_release(of);
	return r;
}

static int
jailed_begin(struct jailed *j, const struct spawn_exec *x, struct err *e)
{
	struct jail_options o;
	struct egress_options out;
	int net;

	CRASH_POINT();
	if (jailed_get_agent(j, x != NULL ? x->args : NULL,
		x != NULL ? x->size : 0, e) == -1 ||
	    agent_judge(j->w->files.ceiling, &j->agent->judged, &j->agent->net,
		e) == -1)
		return -1;
	net = plan_has_net(&j->agent->plan);
	out = jailed_egress_options(j);
	if (net && egress_start(&out, &j->egress, e) == -1)
		return -1;
	jailed_options(j, &o);
	if (jail_create(&o, &j->jail, e) == -1)
		return -1;
	j->state = JAILED_WAITING;
	return net ? 0 : jailed_park(j, e);
}

/* ---- requests ---- */

static int
jailed_may(const struct warderd *w, const struct spawn_spawn *m, struct err *e)
{
	const struct settings_limits *l = &w->kept.settings.limits;

	if (w->draining)
		return err_set(e, ERR_CONFLICT, "the supervisor is stopping");
	if (!settings_has_tenant(&w->kept.settings, m->tenant))
		return err_set(e, ERR_NOT_FOUND, "no such tenant");
	/* the row of this one is there already */
	if (jailed_count() > l->jails)
		return err_set(e, ERR_LIMIT, "%u jails are alive", l->jails);
	if (jailed_count_of(m->tenant) > l->jails_tenant)
		return err_set(e, ERR_LIMIT,
		    "%u jails of this tenant are alive", l->jails_tenant);
	return 0;
}

static int
jailed_ask(struct warderd *w, const struct spawn_spawn *m,
    const struct spawn_exec *x)
{
	struct jailed *j;
	struct err e;

	CRASH_POINT();
	if (m->id == 0 || jailed_has(m->id) || deploy_has(m->id) ||
	    !settings_is_tenant(m->tenant, sizeof(m->tenant)) ||
	    !settings_is_run(m->run, sizeof(m->run)))
		return -1;
	if (jailed_n == SPAWN_IDS_MAX) {
		(void)err_set(&e, ERR_LIMIT, "%d ids live", SPAWN_IDS_MAX);
		control_refuse(x ? SPAWN_EXEC : SPAWN_SPAWN, m->id, &e);
		return 0;
	}
	j = jailed_new(w, m);
	if (x != NULL) {
		j->parent = x->parent;
		j->less = x->less;
	}
	if (jailed_may(w, m, &j->why) == -1 ||
	    jailed_begin(j, x, &j->why) == -1)
		jailed_refuse(j);
	return 0;
}

int
jailed_spawn(struct warderd *w, struct ipc_msg *msg)
{
	return jailed_ask(w, (const void *)msg->body, NULL);
}

/* A SPAWN of the parent's own version, which agent_narrow() cuts down. */
int
jailed_exec(struct warderd *w, struct ipc_msg *msg)
{
	const struct spawn_exec *m = (const void *)msg->body;
	const struct jailed *of = jailed_find(m->parent);
	struct err e = { .code = ERR_NOT_FOUND, .msg = "no such run" };
	struct spawn_spawn like;

	if (m->parent == 0 || m->size == 0 || m->size > sizeof(m->args) ||
	    m->args[m->size - 1] != '\0' || m->zero != 0 || m->id == 0 ||
	    jailed_has(m->id) || deploy_has(m->id))
		return -1;
	if (of == NULL || of->state != JAILED_RUNNING || of->parent != 0) {
		control_refuse(SPAWN_EXEC, m->id, &e);
		return 0;
	}
	like = of->asked;
	like.id = m->id;
	like.wall_ms = 0;
	return jailed_ask(w, &like, m);
}

int
jailed_kill(struct warderd *w, struct ipc_msg *msg)
{
	static const char *const whys[] = {
#define X(name, text) text,
		SPAWN_WHYS(X)
#undef X
	};
	const struct spawn_kill *m = (const void *)msg->body;
	struct jailed *j = jailed_find(m->id);

	CRASH_POINT();
	(void)w;
	if (m->why >= SPAWN_WHY__MAX)
		return -1;
	if (j == NULL)
		return 0;
	jailed_log(j, LOG_LEVEL_INFO, "run.kill", "why", whys[m->why]);
	jailed_die(j, RUN_KILLED);
	return 0;
}

int
jailed_freeze(struct warderd *w, struct ipc_msg *msg)
{
	const struct spawn_freeze *m = (const void *)msg->body;
	struct jailed *j = jailed_find(m->id);
	struct err e = { .code = ERR_NOT_FOUND, .msg = "no such run" };

	(void)w;
	if (m->id == 0 || m->on > 1)
		return -1;
	if (j != NULL && j->state == JAILED_RUNNING &&
	    jail_freeze(j->jail, (int)m->on, &e) == 0)
		control_reply(SPAWN_FROZEN, m, sizeof(*m));
	else
		control_refuse(SPAWN_FREEZE, m->id, &e);
	return 0;
}

/* ---- what is said ---- */

static int
jailed_say_spawned(struct jailed *j)
{
	struct spawn_spawned m = { .id = j->asked.id, .start_us = j->start_us };
	const struct plan_limits *l;
	int n = j->ours[3] == -1 ? 3 : 4;

	CRASH_POINT();
	/* it may have ended meanwhile: control reads what it left */
	if (j->agent != NULL) {
		l = &j->agent->plan.limits;
		m.idle_ms = l->idle_ms;
		m.output_bytes = l->output_bytes;
		memcpy(m.policy, j->agent->policy, sizeof(m.policy));
		posture_json(jail_posture(j->jail), &j->agent->plan, m.posture,
		    sizeof(m.posture));
	}
	if (control_say(SPAWN_SPAWNED, &m, sizeof(m), j->ours, n) == -1)
		return -1;
	jailed_close_streams(j);
	return 0;
}

static int
jailed_say_refused(struct jailed *j)
{
	struct spawn_refused m = {
		.id = j->asked.id,
		.what = j->parent != 0 ? SPAWN_EXEC : SPAWN_SPAWN,
		.code = j->why.code,
		.sys = j->why.sys,
	};

	(void)snprintf(m.text, sizeof(m.text), "%s", j->why.msg);
	if (control_say(SPAWN_REFUSED, &m, sizeof(m), NULL, 0) == -1)
		return -1;
	j->muted = 1;
	return 0;
}

static int
jailed_say_exited(struct jailed *j)
{
	const struct run_report *r = &j->outcome.report;
	struct spawn_exited m = {
		.id = j->asked.id,
		.end = r->end,
		.status = r->status,
		.sys = r->sys,
		.pids_met = r->pids_met,
		.disk_met = r->disk_met,
		.wall_us = r->wall_us,
		.cpu_us = r->usage.cpu_us,
		.memory_peak_bytes = r->usage.memory_peak_bytes,
		.max_rss_bytes = r->max_rss_bytes,
		.read_bytes = r->usage.read_bytes,
		.written_bytes = r->usage.written_bytes,
		.oom_kills = r->usage.oom_kills,
	};

	CRASH_POINT();
	if (r->end == RUN_PROXY)
		(void)snprintf(m.text, sizeof(m.text), "%.255s", j->why.msg);
	if (control_say(SPAWN_EXITED, &m, sizeof(m), NULL, 0) == -1)
		return -1;
	j->muted = 1;
	return 0;
}

static int
jailed_say_one(struct jailed *j)
{
	enum jailed_news news = j->news;
	int r = 0;

	if (j->muted)
		return 0;
	if (news == JAILED_REFUSED)
		return jailed_say_refused(j);
	if (news == JAILED_SPAWNED)
		r = jailed_say_spawned(j);
	if (r == 0)
		j->news = JAILED_NO_NEWS;
	/* it may have gone before that, and nothing else comes of it then */
	if (j->news != news)
		jailed_check(j, clock_now_us());
	return r == 0 && j->state == JAILED_DONE ? jailed_say_exited(j) : r;
}

int
jailed_say(struct warderd *w)
{
	unsigned i;

	(void)w;
	for (i = 0; i < jailed_n; i++)
		if (jailed_say_one(jailed_living[i]) == -1)
			return -1;
	return 0;
}

/* ---- what is waited for ---- */

static void
jailed_wait_begun(struct ready *r, struct jailed *j)
{
	int fds[2] = { jail_fd(j->jail) };
	size_t n = 1;

	if (j->state == JAILED_WAITING)
		n = egress_awaited(j->egress, fds);
	/* there already: nothing would tell of it */
	if (n == 0)
		jailed_on_ready(j, 0);
	ready_within(r, n == 0 ? 0 : JAILED_BEGIN_MS);
	while (n-- > 0)
		ready_add(r, fds[n], POLLIN, jailed_on_ready, j);
}

static void
jailed_wait_jail(struct ready *r, struct jailed *j)
{
	int fds[2];

	if (j->outcome.gone)
		return;
	ready_add(r, jail_fd(j->jail), POLLIN, jailed_on_jail, j);
	ready_add(r, j->outcome.oom, j->outcome.oom_events, jailed_on_oom, j);
	if (j->egress == NULL || j->state != JAILED_RUNNING)
		return;
	(void)egress_fds(j->egress, fds);
	ready_add(r, fds[0], POLLIN, jailed_on_proxy, j);
}

void
jailed_wait(struct warderd *w, uint64_t now_us)
{
	struct ready *r = &w->ready;
	unsigned i;

	for (i = 0; i < jailed_n; i++) {
		struct jailed *j = jailed_living[i];

		if (jailed_is_begun(j))
			jailed_wait_begun(r, j);
		if (j->state != JAILED_RUNNING && j->state != JAILED_DYING)
			continue;
		jailed_wait_jail(r, j);
		ready_within(r, outcome_timeout(&j->outcome, now_us));
	}
}

/* ---- over an upgrade ---- */

int
jailed_is_settled(void)
{
	unsigned i;

	for (i = 0; i < jailed_n; i++)
		if (jailed_is_begun(jailed_living[i]))
			return 0;
	return 1;
}

/* A pointer that has been carried says only that there is something. */
static int
jailed_is_sane(const struct jailed *j)
{
	int lives = j->state == JAILED_RUNNING || j->state == JAILED_DYING;

	return (lives || j->state == JAILED_DONE) &&
	       lives == (j->jail != NULL) && lives == (j->agent != NULL) &&
	       (lives || j->egress == NULL) && j->news <= JAILED_SPAWNED &&
	       settings_is_run(j->asked.run, sizeof(j->asked.run)) &&
	       settings_is_tenant(j->asked.tenant, sizeof(j->asked.tenant)) &&
	       j->outcome.report.end < RUN__MAX &&
	       memchr(j->why.msg, '\0', sizeof(j->why.msg)) != NULL;
}

static int
jailed_carry_jail(struct jailed *j, int net, struct handover *h, struct err *e)
{
	struct egress_options out;

	if ((h->reading && agent_get(&j->w->store, j->asked.tenant,
			       j->asked.digest, &j->agent, e) == -1) ||
	    jail_carry(&j->jail, &j->agent->plan, h, e) == -1)
		return -1;
	out = jailed_egress_options(j);
	if (net && egress_carry(&j->egress, &out, h, e) == -1)
		return -1;
	return jail_carry_outcome(&j->outcome, j->jail, &j->agent->plan, h, e);
}

static int
jailed_carry_one(struct warderd *w, struct jailed *j, struct handover *h,
    struct err *e)
{
	int i, lives, net;

	CRASH_POINT();
	if (handover_block(h, "run", j, sizeof(*j), e) == -1)
		return -1;
	if (!jailed_is_sane(j))
		return err_set(e, ERR_CORRUPT, "a run of impossible state");
	lives = j->jail != NULL;
	net = j->egress != NULL;
	if (h->reading) {
		j->w = w;
		j->agent = NULL;
		j->jail = j->outcome.jail = NULL;
		j->egress = NULL;
	}
	for (i = 0; i < JAILED_STREAMS; i++)
		if (handover_fd(h, &j->ours[i], i < 3 ? S_IFIFO : S_IFSOCK,
			e) == -1)
			return -1;
	return lives ? jailed_carry_jail(j, net, h, e) : 0;
}

int
jailed_carry(struct warderd *w, struct handover *h, struct err *e)
{
	unsigned i, n = jailed_n;

	if (handover_block(h, "runs", &n, sizeof(n), e) == -1)
		return -1;
	if (n > SPAWN_IDS_MAX)
		return err_set(e, ERR_CORRUPT, "%u runs", n);
	for (i = 0; i < n; i++) {
		if (h->reading)
			jailed_living[i] = &jailed_rows[i];
		if (jailed_carry_one(w, jailed_living[i], h, e) == -1)
			return err_wrap(e, "run %u of %u", i + 1, n);
	}
	jailed_n = n;
	return 0;
}
