#include "exec_reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfd.h"

const struct plan *
exec_reload_plan(const struct exec_reload *r)
{
	return r->now == NULL ? r->first.plan : &r->now->plan;
}

const struct plan_net *
exec_reload_net(const struct exec_reload *r)
{
	if (!plan_has_net(r->first.plan))
		return NULL;
	return r->now == NULL ? &r->first.net->net : &r->now->net.net;
}

/* ---- reload ---- */

/* The candidate is the policy in force by now, or forgotten. */
static void
reload_answer(struct exec_reload *r, enum msg_jail_reload_answer answer,
    const struct egress_reloaded *how, const char *text)
{
	static struct msg_jail_reloaded m; /* large */
	struct exec_version *v = take_ptr(&r->next);

	m = (struct msg_jail_reloaded){ .answer = answer,
		.kept = how->kept,
		.cut = how->cut };
	memcpy(m.before, exec_reload_plan(r)->digest, sizeof(m.before));
	memcpy(m.after, v->plan.digest, sizeof(m.after));
	(void)snprintf(m.text, sizeof(m.text), "%s", text);
	if (answer == MSG_JAIL_RELOAD_DONE)
		r->now = v;
	registry_reloaded(r->registry, &m);
}

static void
reload_say(struct exec_reload *r, enum msg_jail_reload_answer answer,
    const char *text)
{
	static const struct egress_reloaded nothing;

	reload_answer(r, answer, &nothing, text);
}

static const enum msg_jail_reload_answer answers[PROXY_RELOAD__MAX] = {
	[PROXY_RELOAD_DONE] = MSG_JAIL_RELOAD_DONE,
	[PROXY_RELOAD_NEEDS_RESTART] = MSG_JAIL_RELOAD_NEEDS_RESTART,
	[PROXY_RELOAD_REFUSED] = MSG_JAIL_RELOAD_FAILED,
};

static void
on_reloaded(void *ctx, const struct egress_reloaded *how)
{
	reload_answer(ctx, answers[how->answer], how, how->why.msg);
}

/* The one that is neither in force nor what the proxy began with. */
static struct exec_version *
reload_room(struct exec_reload *r)
{
	return r->now == &r->version[0] ? &r->version[1] : &r->version[0];
}

static void
reload_hand_over(struct exec_reload *r)
{
	struct exec_version *v = r->next;
	struct err e = { 0 };

	if (!plan_has_net(&v->plan))
		plan_net_init(&v->net);
	if (r->egress == NULL && plan_has_net(&v->plan))
		reload_say(r, MSG_JAIL_RELOAD_NEEDS_RESTART,
		    "network: the jail began without services, and has no "
		    "way out");
	else if (r->egress == NULL)
		reload_say(r, MSG_JAIL_RELOAD_DONE, "");
	else if (egress_reload(r->egress, &v->net.net, v->plan.digest,
		     on_reloaded, r, &e) == -1)
		reload_say(r,
		    e.code == ERR_CONFLICT ? MSG_JAIL_RELOAD_NEEDS_RESTART
					   : MSG_JAIL_RELOAD_FAILED,
		    e.msg);
}

static void
on_reload(void *ctx, const struct msg_jail_reload *m)
{
	struct exec_reload *r = ctx;
	struct exec_version *v = r->next = reload_room(r);
	const struct exec_made to = { &v->plan, &r->program, &v->net };
	const char *part;
	char text[128];
	struct err e = { 0 };

	if (exec_source_load(r->source, m->file[0] != '\0' ? m->file : NULL,
		m->name, &to, &e) == -1) {
		memset(v->plan.digest, 0, sizeof(v->plan.digest));
		reload_say(r, MSG_JAIL_RELOAD_INVALID,
		    r->source->warnings[0] != '\0' ? r->source->warnings
						   : e.msg);
		return;
	}
	part = plan_differs(r->first.plan, &v->plan);
	if (part == NULL) {
		reload_hand_over(r);
		return;
	}
	(void)snprintf(text, sizeof(text),
	    "%s: the jail has another, and a live one keeps what it has", part);
	reload_say(r, MSG_JAIL_RELOAD_NEEDS_RESTART, text);
}

/* ---- what is in force ---- */

static int
on_show(void *ctx, struct err *e)
{
	const struct exec_reload *r = ctx;
	const struct plan *plan = exec_reload_plan(r);
	const struct plan_net *net = exec_reload_net(r);
	const struct seccomp_program *program = r->first.program;
	struct msg_jail_plan head = { .plan_size = (uint32_t)plan_size(plan),
		.program_length = program->length,
		.net_size = plan_has_net(plan) ? net->size : 0 };
	size_t filter = program->length * sizeof(program->insn[0]);
	size_t size = sizeof(head) + head.plan_size + filter + head.net_size;
	autofree char *all = malloc(size);
	char *at = all;

	if (all == NULL)
		return err_set(e, ERR_SYSTEM, "the policy");
	at = mempcpy(at, &head, sizeof(head));
	at = mempcpy(at, plan, head.plan_size);
	at = mempcpy(at, program->insn, filter);
	if (head.net_size > 0)
		memcpy(at, net, head.net_size);
	return memfd_create_sealed("warder-policy", all, size, e);
}

static const char *
on_name(void *ctx)
{
	const struct plan *p = exec_reload_plan(ctx);

	return plan_string(p, p->name);
}

void
exec_reload_serve(struct exec_reload *r, struct registry_policy *ret)
{
	*ret = (struct registry_policy){ on_reload, on_show, on_name, r };
}
