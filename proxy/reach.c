#include "reach.h"

#include <errno.h>
#include <string.h>

#include "guest.h"
#include "locals.h"
#include "log.h"
#include "names.h"

/* What is asked, and by whom. */
struct reach_ask {
	struct guest *guest;
	const char *host;
	uint32_t port;
	uint32_t service;
};

struct reach {
	struct reach_ask ask;
	reach_fn *fn;
	void *arg;
	struct names_query *query;
	struct loop_call *call; /* so that fn never runs inside reach_start */
	struct reach_result result;
};

static void
reach_free(struct reach *r)
{
	if (r->query != NULL)
		names_cancel(r->query);
	loop_call_destroy(r->call);
	free(r);
}

static void
reach_done(void *arg)
{
	struct reach *r = arg;
	struct reach_result result = r->result;
	reach_fn *fn = r->fn;

	arg = r->arg;
	if (result.denied)
		result.intent.address = &result.address;
	reach_free(r);
	fn(arg, &result);
}

static void
reach_judge(const struct reach_ask *q, const struct net_address *a,
    uint32_t port, struct reach_result *res)
{
	struct intent in = {
		.kind = INTENT_DIAL,
		.host = q->host,
		.port = port,
		.service = q->service,
		.address = a,
		.locals = locals_get(q->guest->proxy->locals),
	};
	struct verdict v;

	authorize(q->guest->net, &in, &v);
	if (v.answer == VERDICT_ALLOW && res->n < PROXY_ADDRESSES_MAX) {
		res->target[res->n++] =
		    (struct reach_target){ .address = *a, .port = port };
		return;
	}
	res->denied = 1;
	res->intent = in;
	res->address = *a;
	res->verdict = v;
}

/* Without a lookup: 1, or 0 where one is needed. */
static int
reach_known(const struct reach_ask *q, struct reach_result *res)
{
	const struct plan_net_service *s =
	    plan_net_service(q->guest->net, q->service);
	struct net_address a;

	if (s->dial_port != 0)
		reach_judge(q, &s->dial, s->dial_port, res);
	else if (canon_host_address(q->host, &a))
		reach_judge(q, &a, q->port, res);
	else
		return 0;
	return 1;
}

static void
reach_finish(struct reach *r)
{
	struct err e = { 0 };

	if (r->result.n > 0)
		r->result.denied = 0;
	if (loop_call_set(r->call, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "reach", &e);
}

static void
reach_answered(void *arg, const struct names_answer *a)
{
	struct reach *r = arg;
	uint32_t i;

	r->query = NULL;
	r->result.why = a->why;
	for (i = 0; i < a->n; i++)
		reach_judge(&r->ask, &a->address[i], r->ask.port, &r->result);
	reach_finish(r);
}

static int
reach_begin(struct reach *r, struct err *e)
{
	struct guest *g = r->ask.guest;

	if (!reach_known(&r->ask, &r->result))
		return names_start(g->proxy->names, &g->names, r->ask.host,
		    reach_answered, r, &r->query, e);
	reach_finish(r);
	return 0;
}

int
reach_now(struct guest *g, const char *host, uint32_t port, uint32_t service,
    struct reach_result *ret)
{
	const struct reach_ask q = { g, host, port, service };

	ret->n = 0;
	return reach_known(&q, ret) && ret->n > 0;
}

int
reach_start(struct guest *g, const char *host, uint32_t port, uint32_t service,
    reach_fn *fn, void *arg, struct reach **ret, struct err *e)
{
	struct reach *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_sys(e, ENOMEM, "%s", host);
	r->ask = (struct reach_ask){ g, host, port, service };
	r->fn = fn;
	r->arg = arg;
	if (loop_call_create(g->proxy->loop, reach_done, r, &r->call, e) ==
		-1 ||
	    reach_begin(r, e) == -1) {
		reach_free(r);
		return -1;
	}
	*ret = r;
	return 0;
}

void
reach_cancel(struct reach *r)
{
	if (r != NULL)
		reach_free(r);
}
