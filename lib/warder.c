/*
 * warder.c: libwarder, the jail and the policy as a C library.
 *
 * Thin: it holds handles together and translates errors; everything else is
 * what "warder exec" does.
 */
#include "warder/warder.h"

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "egress/egress.h"
#include "err.h"
#include "jail/environ.h"
#include "jail/jail.h"
#include "jail/places.h"
#include "jail/pool.h"
#include "jail/run.h"
#include "msg_config.h"
#include "policy/find.h"
#include "policy/load.h"
#include "starter.h"
#include "version.h"

#define EXPORT __attribute__((visibility("default")))

enum {
	LIBRARY_COMMAND_ID = 1,
	/* between two starts that make a third one likely soon; and what has
	 * seen the host's files longer ago is not started any more */
	LIBRARY_SOON_MS = 5000,
	LIBRARY_SHORT_MS = 3, /* a command that is not to share processors with
			       * the next jail's making */
};

struct warder {
	struct places places;
	char init_path[PLACES_PATH_MAX + 16];
	char config_path[PLACES_PATH_MAX + 16];
	char proxy_path[PLACES_PATH_MAX + 16];
	char audit_program[PLACES_PATH_MAX + 16];
	char vault_path[PLACES_PATH_MAX + 16];
};

struct warder_policy {
	struct warder *warder;
	struct plan plan;
	struct seccomp_program program;
	union plan_net_room *net; /* NULL: it has no services */
	char digest[SHA256_HEX_SIZE];
	struct jail *spare; /* the next start's, prepared; or NULL */
	uint64_t parked_ms; /* since when it waits for a command; 0: it is not
			     * made yet */
	uint64_t started_ms; /* the last start; 0: none */
	int often; /* the last two were no further apart than SOON */
	unsigned live; /* runs that are not closed */
};

struct warder_pool {
	struct warder_policy *policy;
	struct pool *pool;
	struct pool_beside beside; /* of a policy with services */
	uint64_t max_age_ms;
};

struct warder_run {
	struct warder_policy *policy;
	struct jail *jail;
	struct run run;
	struct run_report report;
	struct environ env;
	struct egress *egress; /* NULL: the policy has no services */
	int counted; /* 1: in the policy's live */
	union plan_net_room *nothing; /* in force; NULL: it never was */
	int ended; /* 1: report is filled */
};

_Static_assert((int)WARDER_UNSUPPORTED == (int)ERR_UNSUPPORTED &&
		   (int)WARDER_SYSTEM == (int)ERR_SYSTEM,
    "the public codes are err.h's");
_Static_assert((int)WARDER_END_PROXY == (int)RUN_PROXY,
    "the public ends are run.h's");

/* ---- errors ---- */

static int
library_fail(struct warder_error *e, const struct err *from)
{
	if (e == NULL)
		return -1;
	e->code = (int)from->code;
	e->sys = from->sys;
	(void)snprintf(e->message, sizeof(e->message), "%s", from->msg);
	return -1;
}

static int
library_no_memory(struct warder_error *e)
{
	struct err x;

	(void)err_set(&x, ERR_SYSTEM, "calloc");
	return library_fail(e, &x);
}

EXPORT const char *
warder_version(void)
{
	return WARDER_VERSION;
}

/* ---- opening ---- */

/* Beside the library: lib/libwarder.so.0 has libexec/warder as a cousin. */
static int
library_places(struct warder *w, const char *libexec, struct err *e)
{
	Dl_info info = { 0 };

	if (dladdr((const void *)(uintptr_t)&warder_version, &info) == 0)
		return err_set(e, ERR_SYSTEM, "dladdr");
	if (places_find(&w->places, info.dli_fname, e) == -1)
		return -1;
	if (libexec != NULL &&
	    snprintf(w->places.libexec, sizeof(w->places.libexec), "%s",
		libexec) >= (int)sizeof(w->places.libexec))
		return err_set(e, ERR_INVALID, "libexec: path too long");
	(void)snprintf(w->init_path, sizeof(w->init_path), "%s/warder-init",
	    w->places.libexec);
	(void)snprintf(w->config_path, sizeof(w->config_path),
	    "%s/warder-config", w->places.libexec);
	(void)snprintf(w->proxy_path, sizeof(w->proxy_path), "%s/warder-proxy",
	    w->places.libexec);
	(void)snprintf(w->audit_program, sizeof(w->audit_program),
	    "%s/warder-audit", w->places.libexec);
	(void)snprintf(w->vault_path, sizeof(w->vault_path), "%s/warder-vault",
	    w->places.libexec);
	return 0;
}

EXPORT int
warder_open(const char *libexec, struct warder **ret, struct warder_error *e)
{
	struct warder *w = calloc(1, sizeof(*w));
	struct err x = { 0 };

	if (w == NULL)
		return library_no_memory(e);
	child_set_starter(warder_starter_start);
	if (library_places(w, libexec, &x) == -1) {
		free(w);
		return library_fail(e, &x);
	}
	*ret = w;
	return 0;
}

EXPORT void
warder_close(struct warder *w)
{
	free(w);
}

/* ---- policies ---- */

/* What a parent of ours has prepared is not ours to end. */
static void
library_drop_spare(struct warder_policy *p)
{
	if (p->spare != NULL && jail_is_ours(p->spare))
		(void)jail_destroy(p->spare);
	p->spare = NULL;
	p->parked_ms = 0;
}

EXPORT void
warder_policy_close(struct warder_policy *p)
{
	if (p == NULL)
		return;
	library_drop_spare(p);
	free(p->net);
	free(p);
}

/* The room for the largest network plan shrinks to the one that is there. */
static void
library_trim(struct warder_policy *p)
{
	void *net;

	if (!plan_has_net(&p->plan)) {
		free(p->net);
		p->net = NULL;
		return;
	}
	net = realloc(p->net, p->net->net.size);
	if (net != NULL)
		p->net = net;
}

EXPORT int
warder_policy_parse(struct warder *w, const char *text, size_t size,
    const char *name, const char *dir, struct warder_policy **ret,
    struct warder_error *e)
{
	struct warder_policy *p = calloc(1, sizeof(*p));
	struct policy_request rq = {
		.text = text,
		.size = size,
		.name = name,
		.dir = dir,
		.home = w->places.home,
		.config_path = w->config_path,
		.cache_dir = w->places.cache,
	};
	char warnings[CONFIG_TEXT_MAX];
	struct err x = { 0 };

	if (p == NULL || (p->net = malloc(sizeof(*p->net))) == NULL) {
		free(p);
		return library_no_memory(e);
	}
	rq.net = p->net;
	if (policy_load(&rq, &p->plan, &p->program, warnings, sizeof(warnings),
		&x) == -1) {
		warder_policy_close(p);
		return library_fail(e, &x);
	}
	library_trim(p);
	p->warder = w;
	sha256_hex(p->plan.digest, p->digest);
	*ret = p;
	return 0;
}

static int
library_read(const char *path, char *text, size_t *ret_size, char *dir,
    struct err *e)
{
	char *slash;
	int fd;

	if (find_open_file(path, &fd, e) == -1 ||
	    find_read(path, fd, text, ret_size, e) == -1)
		return -1;
	if (realpath(path, dir) == NULL)
		return err_set(e, ERR_SYSTEM, "%s", path);
	slash = strrchr(dir, '/');
	slash[slash == dir] = '\0';
	return 0;
}

EXPORT int
warder_policy_open(struct warder *w, const char *path,
    struct warder_policy **ret, struct warder_error *e)
{
	static const char standard[] =
	    "policy: 1\nextends: [builtin/default]\n";
	autofree char *text = NULL;
	char dir[PLACES_PATH_MAX];
	struct err x = { 0 };
	size_t size;

	if (path == NULL)
		return warder_policy_parse(w, standard, sizeof(standard) - 1,
		    "default", "/", ret, e);
	text = malloc(CONFIG_FILE_MAX);
	if (text == NULL)
		return library_no_memory(e);
	if (library_read(path, text, &size, dir, &x) == -1)
		return library_fail(e, &x);
	return warder_policy_parse(w, text, size, path, dir, ret, e);
}

EXPORT const char *
warder_policy_digest(const struct warder_policy *p)
{
	return p->digest;
}

/* ---- runs ---- */

EXPORT void
warder_command_init(struct warder_command *c)
{
	memset(c, 0, sizeof(*c));
	c->in = c->out = c->err = -1;
}

static void
library_options(const struct warder_policy *p, struct jail_options *o)
{
	*o = (struct jail_options){
		.plan = &p->plan,
		.program = &p->program,
		.init_path = p->warder->init_path,
		.runtime_dir = p->warder->places.runtime,
		.state_dir = p->warder->places.state,
		.config_dir = p->warder->places.config,
		.cache_dir = p->warder->places.cache,
		.state_root = p->warder->places.state_root,
	};
}

static void
library_connect(struct warder_run *r, const struct warder_command *c)
{
	run_init(&r->run, r->jail, &r->policy->plan, LIBRARY_COMMAND_ID);
	r->run.caller[0] = c->in;
	r->run.caller[1] = c->out;
	r->run.caller[2] = c->err;
	r->run.sink = c->output;
	r->run.sink_ctx = c->context;
}

/* In a jail that is the run's already; launched says whether it lives. */
static int
library_run(struct warder_run *r, const struct warder_command *c, int launched,
    struct err *e)
{
	struct jail_command command = {
		.id = LIBRARY_COMMAND_ID,
		.argv = c->argv,
		.cwd = c->cwd,
		.pty = c->pty,
		.no_stdin = c->in == -1,
		.rows = c->rows,
		.cols = c->cols,
	};
	int ours[3] = { -1, -1, -1 };

	/* that of a jail that lives was waited for before */
	if (r->egress != NULL &&
	    ((!launched && egress_ready(r->egress, e) == -1) ||
		egress_environ(r->egress, &r->env, e) == -1))
		return -1;
	command.envp = r->env.vector;
	library_connect(r, c);
	if ((launched ? jail_start(r->jail, &command, ours, e)
		      : jail_launch(r->jail, &command, ours, e)) == -1)
		return -1;
	run_connect(&r->run, ours);
	return r->egress == NULL
		   ? 0
		   : egress_attach(r->egress, r->jail, &r->run, e);
}

static int
library_environ(struct warder_run *r, const struct warder_command *c,
    struct err *e)
{
	return environ_make(&r->env, &r->policy->plan,
	    (char *const *)(uintptr_t)c->environment, e);
}

/* The proxy starts beside the jail's preparation. */
static int
library_egress(const struct warder_policy *p, const char *const *environment,
    uint64_t parked_ms, struct jail_options *o, struct egress **ret,
    struct err *e)
{
	struct egress_options eo = { .proxy_path = p->warder->proxy_path,
		.vault_path = p->warder->vault_path,
		.audit_program = p->warder->audit_program,
		.dies_with_us = 1,
		.config_dir = p->warder->places.config,
		.state_dir = p->warder->places.state_root,
		.environ = (char *const *)(uintptr_t)environment };

	if (p->net == NULL)
		return 0;
	eo.net = &p->net->net;
	eo.policy = p->plan.digest;
	/* its authority lasts as long as both */
	if (p->plan.limits.wall_ms > 0)
		eo.wall_ms = p->plan.limits.wall_ms + parked_ms;
	if (p->plan.rootfs == PLAN_ROOTFS_DIR)
		eo.root = plan_string(&p->plan, p->plan.rootfs_dir);
	if (egress_start(&eo, ret, e) == -1)
		return -1;
	o->capture = egress_capture(*ret);
	o->trust = egress_trust(*ret);
	return 0;
}

static struct warder_run *
library_new_run(struct warder_policy *p)
{
	struct warder_run *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->policy = p;
	r->run.outcome.oom = -1;
	cgroup_meter_init(&r->run.outcome.meter);
	relay_init(&r->run.relay, 0);
	return r;
}

/* Nothing of the host's that may be another directory by then, no proxy. */
static int
library_may_spare(const struct warder_policy *p)
{
	const struct plan *plan = &p->plan;
	uint32_t i;

	for (i = 0; i < plan->nmounts; i++) {
		if (plan_string(plan, plan->mounts[i].from)[0] != '\0')
			return 0;
	}
	return plan->rootfs == PLAN_ROOTFS_HOST && p->net == NULL;
}

/* Who starts one jail only, or one now and then, does not pay for two. */
static void
library_count_start(struct warder_policy *p)
{
	uint64_t now = clock_now_ms();

	p->often = p->started_ms != 0 && now - p->started_ms < LIBRARY_SOON_MS;
	p->started_ms = now;
}

/*
 * A start can be done before it is asked for: while a jail runs or ends, the
 * next one's network namespace, control groups and images are made.
 */
static void
library_make_spare(struct warder_policy *p)
{
	struct jail_options o;
	struct err x;

	if (!p->often || p->spare != NULL || !library_may_spare(p))
		return;
	library_options(p, &o);
	/* what is wrong with it, the next start will say */
	if (jail_create(&o, &p->spare, &x) == -1)
		p->spare = NULL;
}

static int
library_has_spare(const struct warder_policy *p)
{
	return p->spare != NULL && jail_is_ours(p->spare) &&
	       jail_is_current(p->spare);
}

/* Beside a jail's end it comes to where it waits for its command. */
static void
library_park_spare(struct warder_policy *p)
{
	struct err x;

	if (!library_has_spare(p) || p->parked_ms != 0)
		return;
	if (jail_park(p->spare, &x) == -1)
		library_drop_spare(p);
	else
		p->parked_ms = clock_now_ms();
}

/* 1: it waits for its command, and has not waited too long. */
static int
library_is_parked(struct warder_policy *p)
{
	struct err x;

	return clock_now_ms() - p->parked_ms < LIBRARY_SOON_MS &&
	       jail_launch(p->spare, NULL, NULL, &x) == 0 &&
	       !jail_is_dead(p->spare);
}

/* What was begun waits for its jail no longer than this one's end takes. */
static void
library_end(struct warder_run *r)
{
	struct warder_policy *p = r->policy;

	if (!r->counted) {
		(void)jail_destroy(r->jail);
		return;
	}
	p->live--;
	library_park_spare(p);
	library_make_spare(p);
	(void)jail_destroy(r->jail);
	library_park_spare(p);
}

EXPORT void
warder_run_close(struct warder_run *r)
{
	if (r == NULL)
		return;
	run_finish(&r->run);
	library_end(r);
	egress_end(r->egress, NULL);
	free(r->nothing);
	free(r);
}

/* *ret_launched: it lives, and waits for its command. */
static int
library_new_jail(struct warder_run *r, const struct warder_command *c,
    int *ret_launched, struct err *e)
{
	struct warder_policy *p = r->policy;
	struct jail_options o;

	*ret_launched = p->parked_ms != 0;
	if (library_has_spare(p) && (!*ret_launched || library_is_parked(p))) {
		r->jail = p->spare;
		p->spare = NULL;
		p->parked_ms = 0;
		return 0;
	}
	*ret_launched = 0;
	library_drop_spare(p);
	library_options(p, &o);
	if (library_egress(p, c->environment, 0, &o, &r->egress, e) == -1)
		return -1;
	return jail_create(&o, &r->jail, e);
}

EXPORT int
warder_start(struct warder_policy *p, const struct warder_command *c,
    struct warder_run **ret, struct warder_error *e)
{
	struct warder_run *r = library_new_run(p);
	struct err x = { 0 };
	int launched;

	if (r == NULL)
		return library_no_memory(e);
	if (library_environ(r, c, &x) == -1 ||
	    library_new_jail(r, c, &launched, &x) == -1 ||
	    library_run(r, c, launched, &x) == -1) {
		warder_run_close(r);
		return library_fail(e, &x);
	}
	r->counted = 1;
	library_count_start(p);
	/* with one that runs already, the next may come before its end */
	if (p->live++ > 0)
		library_make_spare(p);
	*ret = r;
	return 0;
}

static void
library_report(const struct warder_run *r, struct warder_report *ret)
{
	const struct run_report *from = &r->report;

	*ret = (struct warder_report){
		.end = (int)from->end,
		.exit_status = run_exit_status(from),
		.signal =
		    WIFSIGNALED(from->status) ? WTERMSIG(from->status) : 0,
		.pids_limit_met = from->pids_met,
		.disk_full = from->disk_met,
		.wall_us = from->wall_us,
		.cpu_us = from->usage.cpu_us,
		.memory_peak_bytes = from->usage.memory_peak_bytes,
		.output_bytes = from->output_bytes,
		.start_us = jail_posture(r->jail)->start_us,
	};
}

/* What takes longer leaves time for the next one's jail. */
static int
library_wait(struct warder_run *r, int timeout_ms, struct err *e)
{
	int n;

	if (!r->counted || timeout_ms == 0 || !r->policy->often ||
	    r->policy->spare != NULL)
		return run_wait(&r->run, timeout_ms, &r->report, e);
	if (timeout_ms > 0 && timeout_ms <= LIBRARY_SHORT_MS)
		return run_wait(&r->run, timeout_ms, &r->report, e);
	n = run_wait(&r->run, LIBRARY_SHORT_MS, &r->report, e);
	if (n != 0)
		return n;
	library_make_spare(r->policy);
	if (timeout_ms > 0)
		timeout_ms -= LIBRARY_SHORT_MS;
	return run_wait(&r->run, timeout_ms, &r->report, e);
}

EXPORT int
warder_wait(struct warder_run *r, int timeout_ms, struct warder_report *ret,
    struct warder_error *e)
{
	struct err x = { 0 };

	if (!r->ended) {
		int n = library_wait(r, timeout_ms, &x);

		if (n == -1)
			return library_fail(e, &x);
		r->ended = n;
	}
	if (r->ended)
		library_report(r, ret);
	return r->ended;
}

/* ---- another policy ---- */

/* Of a policy without services: a plan that allows nothing. */
static const struct plan_net *
library_net(struct warder_run *r, const struct warder_policy *p)
{
	if (p->net != NULL)
		return &p->net->net;
	if (r->nothing == NULL) {
		r->nothing = calloc(1, sizeof(*r->nothing));
		if (r->nothing != NULL)
			plan_net_init(r->nothing);
	}
	return r->nothing == NULL ? NULL : &r->nothing->net;
}

static int
library_reload(struct warder_run *r, const struct warder_policy *p,
    struct egress_reloaded *ret, struct err *e)
{
	const struct plan_net *net;

	if (r->egress == NULL && p->net == NULL)
		return 0;
	if (r->egress == NULL)
		return err_set(e, ERR_CONFLICT,
		    "network: the jail began without services");
	if ((net = library_net(r, p)) == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	if (egress_reload(r->egress, net, p->plan.digest, NULL, NULL, e) ==
		-1 ||
	    egress_reload_wait(r->egress, ret, e) == -1)
		return -1;
	if (ret->answer == PROXY_RELOAD_DONE)
		return 0;
	*e = ret->why;
	return -1;
}

EXPORT int
warder_reload(struct warder_run *r, struct warder_policy *p,
    struct warder_reloaded *ret, struct warder_error *e)
{
	const char *part = plan_differs(&r->policy->plan, &p->plan);
	struct egress_reloaded how = { 0 };
	struct err x = { 0 };
	int rc;

	if (r->ended)
		rc = err_set(&x, ERR_CONFLICT, "the run has ended");
	else if (part != NULL)
		rc = err_set(&x, ERR_CONFLICT,
		    "%s: the jail has another, and a live one keeps what it "
		    "has",
		    part);
	else
		rc = library_reload(r, p, &how, &x);
	if (rc == -1)
		return library_fail(e, &x);
	ret->kept = how.kept;
	ret->cut = how.cut;
	return 0;
}

EXPORT void
warder_signal(struct warder_run *r, int signo)
{
	if (!r->ended)
		jail_signal(r->jail, LIBRARY_COMMAND_ID, signo);
}

EXPORT void
warder_kill(struct warder_run *r)
{
	if (!r->ended)
		jail_kill(r->jail);
}

/* ---- pools ---- */

/* ---- a pool's members with a way out: each has its own proxy ---- */

static int
member_start(void *arg, struct jail_options *o, void **ret, struct err *e)
{
	struct warder_pool *w = arg;
	struct egress *x = NULL;

	if (library_egress(w->policy, NULL, w->max_age_ms, o, &x, e) == -1)
		return -1;
	*ret = x;
	return 0;
}

static int
member_ready(void *beside, struct err *e)
{
	return egress_ready(beside, e);
}

/* Without a jail that runs it has nothing to say: that is its end. */
static int
member_is_dead(const void *beside)
{
	struct pollfd f[2];
	int fds[2];
	size_t i, n = egress_fds(beside, fds);

	for (i = 0; i < n; i++)
		f[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	return poll(f, n, 0) != 0;
}

static void
member_end(void *beside)
{
	egress_end(beside, NULL);
}

/* The proxies of a pool start before there is a command. */
static int
library_may_pool(const struct warder_policy *p, uint64_t max_age_ms,
    struct err *e)
{
	const struct plan_net *net;
	uint32_t i, n;

	if (p->net == NULL)
		return 0;
	if (max_age_ms == 0)
		return err_set(e, ERR_INVALID,
		    "jails with services grow old: what their programs trust "
		    "ends; say an age");
	net = &p->net->net;
	n = plan_net_count(net, PLAN_NET_CREDENTIALS);
	for (i = 0; i < n; i++)
		if (plan_net_credential(net, i)->source == PLAN_NET_SOURCE_ENV)
			return err_set(e, ERR_UNSUPPORTED,
			    "credential %s: a pool knows no command's "
			    "environment; take it from the vault or a file",
			    plan_net_string(net,
				plan_net_credential(net, i)->name));
	return 0;
}

EXPORT int
warder_pool_open(struct warder_policy *p, unsigned size, uint64_t max_age_ms,
    struct warder_pool **ret, struct warder_error *e)
{
	struct warder_pool *w = calloc(1, sizeof(*w));
	struct pool_options o = { .size = size, .max_age_ms = max_age_ms };
	struct err x = { 0 };

	if (w == NULL)
		return library_no_memory(e);
	library_options(p, &o.jail);
	w->policy = p;
	w->max_age_ms = max_age_ms;
	if (p->net != NULL) {
		w->beside = (struct pool_beside){ member_start, member_ready,
			member_is_dead, member_end, w };
		o.beside = &w->beside;
	}
	if (library_may_pool(p, max_age_ms, &x) == -1 ||
	    pool_create(&o, &w->pool, &x) == -1) {
		free(w);
		return library_fail(e, &x);
	}
	*ret = w;
	return 0;
}

EXPORT int
warder_pool_fill(struct warder_pool *p, unsigned most, struct warder_error *e)
{
	struct err x = { 0 };

	return pool_fill(p->pool, most, &x) == -1 ? library_fail(e, &x) : 0;
}

/* What was beside the jail is the run's from here on, which ends it. */
static int
library_run_parked(struct warder_run *r, const struct warder_command *c,
    void *beside, struct err *e)
{
	r->egress = beside;
	return library_run(r, c, 1, e);
}

EXPORT int
warder_pool_start(struct warder_pool *p, const struct warder_command *c,
    struct warder_run **ret, struct warder_error *e)
{
	struct warder_run *r = library_new_run(p->policy);
	struct err x = { 0 };
	void *beside = NULL;

	if (r == NULL)
		return library_no_memory(e);
	if (library_environ(r, c, &x) == -1 ||
	    pool_take(p->pool, &r->jail, &beside, &x) == -1 ||
	    library_run_parked(r, c, beside, &x) == -1) {
		warder_run_close(r);
		return library_fail(e, &x);
	}
	*ret = r;
	return 0;
}

EXPORT unsigned
warder_pool_parked(const struct warder_pool *p)
{
	struct pool_count n;

	pool_count(p->pool, &n);
	return n.parked;
}

EXPORT void
warder_pool_close(struct warder_pool *p)
{
	if (p == NULL)
		return;
	pool_destroy(p->pool);
	free(p);
}
