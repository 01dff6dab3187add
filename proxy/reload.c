#include "reload.h"

#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "record.h"

/* Services are sorted by name, and many. */
static uint32_t
find_service(const struct plan_net *in, const char *name)
{
	uint32_t lo = 0, hi = plan_net_count(in, PLAN_NET_SERVICES);

	while (lo < hi) {
		uint32_t i = lo + (hi - lo) / 2;
		int d =
		    strcmp(plan_net_string(in, plan_net_service(in, i)->name),
			name);

		if (d == 0)
			return i;
		if (d < 0)
			lo = i + 1;
		else
			hi = i;
	}
	return PLAN_NET_NONE;
}

static void
add_count(struct proxy_count *to, const struct proxy_count *n)
{
	to->allowed += n->allowed;
	to->refused += n->refused;
	to->failed += n->failed;
	to->injected += n->injected;
	to->sent_bytes += n->sent_bytes;
	to->received_bytes += n->received_bytes;
}

/* What a service that is gone has done, is said in the audit log. */
static void
carry_counts(struct guest *g, const struct generation *to)
{
	const struct plan_net *a = g->net, *b = to->net;
	uint32_t i, j, n = plan_net_count(a, PLAN_NET_SERVICES);
	uint32_t none = plan_net_count(b, PLAN_NET_SERVICES);

	for (i = 0; i < n; i++) {
		j = find_service(b,
		    plan_net_string(a, plan_net_service(a, i)->name));
		if (j == PLAN_NET_NONE)
			record_summary(g, i);
		add_count(&to->counts[j == PLAN_NET_NONE ? none : j],
		    &g->now->counts[i]);
	}
	add_count(&to->counts[none], &g->now->counts[n]);
}

/* All that can fail: what became of the candidate. */
static enum proxy_reload
reload_prepare(struct guest *g, struct err *e)
{
	struct generation *next = g->next;

	if (g->next_failed.code != ERR_OK) {
		*e = g->next_failed;
		return PROXY_RELOAD_REFUSED;
	}
	if (plan_net_fits(g->first->net, next->net, e) == -1)
		return PROXY_RELOAD_NEEDS_RESTART;
	if (generation_inherit(next, g->now, e) == -1 ||
	    generation_prepare(next, g->seed, e) == -1 ||
	    record_reload(g, next, e) == -1)
		return PROXY_RELOAD_REFUSED;
	return PROXY_RELOAD_DONE;
}

static void
reload_change(struct guest *g, struct proxy_reloaded *ret)
{
	struct generation *from = generation_hold(g->now);
	struct reload r = { .guest = g, .from = from, .to = g->next };

	carry_counts(g, g->next);
	guest_put_in_force(g, take_ptr(&g->next));
	conn_renew(&r);
	generation_retire(from);
	record_reloaded(g, from, r.kept, r.cut);
	generation_drop(from);
	ret->kept = r.kept;
	ret->cut = r.cut;
}

int
reload_run(struct guest *g, struct proxy_reloaded *ret, struct err *e)
{
	struct err why = { 0 };

	if (g->next == NULL && g->next_failed.code == ERR_OK)
		return err_set(e, ERR_CORRUPT, "a reload without a plan");
	ret->jail = guest_number(g);
	ret->answer = reload_prepare(g, &why);
	if (ret->answer == PROXY_RELOAD_DONE)
		reload_change(g, ret);
	ret->code = why.code;
	ret->sys = why.sys;
	(void)snprintf(ret->text, sizeof(ret->text), "%s",
	    ret->answer == PROXY_RELOAD_DONE ? "" : why.msg);
	generation_drop(take_ptr(&g->next));
	g->next_failed = (struct err){ 0 };
	return 0;
}
