#include "jails_spawn.h"

#include <stdlib.h>

#include "supervisor/control/spawn.h"

/* One jail; it lives until its owner forgets it. */
struct spawned {
	struct spawn_run *run; /* NULL: its last call has come */
	const struct jails_owner *ops;
	void *owner;
};

static void
on_started(void *arg, const struct spawn_started *t)
{
	struct spawned *j = arg;
	struct session_fds fds = { t->socket, t->stdio[0], t->stdio[1],
		t->stdio[2] };

	j->ops->started(j->owner, &fds,
	    &(struct jails_limits){ t->idle_ms, t->output_bytes });
}

static void
on_refused(void *arg, const struct err *why)
{
	struct spawned *j = arg;

	j->run = NULL;
	j->ops->refused(j->owner, why);
}

static void
on_exited(void *arg, const struct spawn_exited *x)
{
	struct spawned *j = arg;

	j->run = NULL;
	j->ops->exited(j->owner,
	    &(struct jails_exit){ .end = x->end,
		.status = x->status,
		.wall_us = x->wall_us,
		.cpu_us = x->cpu_us,
		.memory_peak_bytes = x->memory_peak_bytes });
}

static const struct spawn_run_hooks hooks = {
	.started = on_started,
	.refused = on_refused,
	.exited = on_exited,
};

static int
spawned_start(void *arg, const struct jails_spec *s,
    const struct jails_owner *ops, void *owner, void **ret_jail, struct err *e)
{
	struct spawned *j = calloc(1, sizeof(*j));
	struct spawn_request q = { .tenant = s->tenant,
		.digest = s->digest,
		.run = s->run_id,
		.attempt = s->attempt,
		.wall_ms = s->wall_ms };

	if (j == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a jail");
	*j = (struct spawned){ .ops = ops, .owner = owner };
	if (spawn_start(arg, &q, &hooks, j, &j->run, e) == -1) {
		free(j);
		return -1;
	}
	*ret_jail = j;
	return 0;
}

static int
spawned_exec(void *jail, const struct jails_command *c,
    const struct jails_owner *ops, void *owner, void **ret_jail, struct err *e)
{
	const struct spawned *of = jail;
	struct spawned *j = calloc(1, sizeof(*j));
	struct spawn_exec_request q = { .beside = of->run,
		.less = c->less,
		.args = c->args,
		.size = c->size };

	if (j == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a jail");
	*j = (struct spawned){ .ops = ops, .owner = owner };
	if ((of->run == NULL &&
		err_set(e, ERR_CONFLICT, "the run has ended") == -1) ||
	    spawn_exec(&q, &hooks, j, &j->run, e) == -1) {
		free(j);
		return -1;
	}
	*ret_jail = j;
	return 0;
}

static void
spawned_kill(void *jail, enum spawn_why why)
{
	struct spawned *j = jail;

	if (j->run != NULL)
		spawn_kill(j->run, why);
}

static void
spawned_forget(void *jail)
{
	struct spawned *j = jail;

	if (j->run != NULL)
		spawn_abandon(j->run, SPAWN_WHY_DONE);
	free(j);
}

const struct jails jails_spawn = {
	.start = spawned_start,
	.exec = spawned_exec,
	.kill = spawned_kill,
	.forget = spawned_forget,
};
