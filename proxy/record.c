#include "record.h"

#include "log.h"
#include "policy/explain.h"

static const char *const ways[] = {
	[RECORD_CAPTURE] = "capture",
	[RECORD_EXPLICIT] = "explicit",
	[RECORD_DNS] = "dns",
};

/* Whether the guest has earned a line; what it has not is counted. */
static int
record_earned(struct guest *g)
{
	uint64_t now = loop_now_ms();
	uint64_t lines = (now - g->logged_ms) / RECORD_LINE_MS;

	if (lines > 0) {
		g->log_credit = lines > RECORD_BURST - g->log_credit
				    ? RECORD_BURST
				    : g->log_credit + (unsigned)lines;
		g->logged_ms = now;
	}
	if (g->log_credit == 0) {
		g->log_lost++;
		return 0;
	}
	g->log_credit--;
	return 1;
}

static void
record_begin(struct log_line *l, struct guest *g, enum record_way way,
    enum refusal_code code, const char *ev)
{
	log_set_run(g->run);
	log_begin(l, LOG_LEVEL_WARN, ev);
	log_add(l, "code", refusal_name(code));
	log_add(l, "way", ways[way]);
}

static void
record_end(struct log_line *l, struct guest *g)
{
	if (g->log_lost > 0)
		log_add_int(l, "suppressed", g->log_lost);
	g->log_lost = 0;
	log_end(l);
}

static const char *
record_service(const struct guest *g, uint32_t service)
{
	if (service >= plan_net_count(g->net, PLAN_NET_SERVICES))
		return "-";
	return plan_net_string(g->net, plan_net_service(g->net, service)->name);
}

static void
record_address(struct log_line *l, const struct intent *in,
    const struct verdict *v)
{
	char text[CANON_HOST_SIZE];

	if (in->address == NULL)
		return;
	canon_address(in->address, text);
	log_add(l, "address", text);
	log_add(l, "class", address_class_name(v->address_class));
}

void
record_refusal(struct guest *g, enum record_way way, const struct intent *in,
    const struct verdict *v)
{
	struct log_line l;
	struct explain x;

	guest_count(g, v->service)->refused++;
	if (!record_earned(g))
		return;
	explain_verdict(g->net, in, v, &x);
	record_begin(&l, g, way, v->code, "refused");
	log_add(&l, "what", x.what);
	record_address(&l, in, v);
	log_add(&l, "service", record_service(g, v->service));
	if (x.near[0] != '\0')
		log_add(&l, "nearest", x.near);
	log_add(&l, "edit", x.edit);
	if (x.why != NULL)
		log_add(&l, "why", x.why);
	record_end(&l, g);
}

void
record_failure(struct guest *g, enum record_way way, uint32_t service,
    const char *host, uint32_t port, enum refusal_code code, const char *why)
{
	struct log_line l;

	guest_count(g, service)->failed++;
	if (!record_earned(g))
		return;
	record_begin(&l, g, way, code, "failed");
	log_add(&l, "host", host);
	log_add_int(&l, "port", port);
	log_add(&l, "service", record_service(g, service));
	log_add(&l, "msg", why);
	record_end(&l, g);
}

void
record_allowed(struct guest *g, uint32_t service)
{
	guest_count(g, service)->allowed++;
}
