#include "record.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "log.h"
#include "policy/explain.h"
#include "version.h"

enum {
	/* of a path in a line; a canonical one has no byte that JSON escapes */
	RECORD_PATH_MAX = 4096
};

static const char *const ways[] = {
	[RECORD_CAPTURE] = "capture",
	[RECORD_EXPLICIT] = "explicit",
	[RECORD_DNS] = "dns",
};

/* Whether the guest has earned a line; what it has not is counted. */
static int
record_earned_of(struct guest_credit *c, uint64_t line_ms, unsigned burst)
{
	uint64_t now = loop_now_ms();
	uint64_t lines = (now - c->since_ms) / line_ms;

	if (lines > 0) {
		c->lines = lines > burst - c->lines
			       ? burst
			       : c->lines + (unsigned)lines;
		c->since_ms = now;
	}
	if (c->lines == 0) {
		c->lost++;
		return 0;
	}
	c->lines--;
	return 1;
}

static int
record_earned(struct guest *g)
{
	return record_earned_of(&g->log_credit, RECORD_LINE_MS, RECORD_BURST);
}

/* ---- the audit log ---- */

/* Lines that record_put() will write: one request's, in one go of the loop. */
static struct {
	struct guest *guest; /* NULL: there are none */
	struct audit_line line;
} record_open_lines;

/* The members that every line has. */
static void
record_members(struct audit_line *l, const struct guest *g)
{
	char digest[SHA256_HEX_SIZE + 8] = "sha256:";

	sha256_hex(g->now->policy, digest + 7);
	audit_add(l, "run", g->run);
	audit_add(l, "tenant", "local");
	audit_add(l, "policy", digest);
}

/* What is to be written stands before it. */
static void
record_audit(struct audit_line *l, struct guest *g, const char *kind)
{
	struct err e = { 0 };

	if (record_put(g, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "audit", &e);
	audit_begin(l, &g->audit, kind);
	record_members(l, g);
}

/* Another line for record_put(). */
static int
record_keep(struct guest *g, const char *kind, struct err *e)
{
	struct audit_line *l = &record_open_lines.line;

	if (record_open_lines.guest == NULL)
		audit_begin(l, &g->audit, kind);
	else if (audit_and(l, kind, e) == -1) {
		record_open_lines.guest = NULL;
		return -1;
	}
	assert(l->audit == &g->audit);
	record_open_lines.guest = g;
	record_members(l, g);
	return 0;
}

static int
record_audited(struct guest *g)
{
	return g->audit_fd != -1;
}

/*
 * A segment that is full is asked for the next one, once, and goes on being
 * written until that has come.
 */
static void
record_full(struct guest *g)
{
	struct proxy_audit_full m = { .jail = g->number };

	if (g->audit.bytes < PROXY_AUDIT_SEGMENT_BYTES || g->audit_asked)
		return;
	g->audit_asked = 1;
	control_send(g->proxy->control, PROXY_AUDIT_FULL, &m, sizeof(m), -1);
}

static int
record_line_end(struct audit_line *l, struct guest *g, struct err *e)
{
	if (audit_end(l, e) == -1)
		return -1;
	record_full(g);
	return 0;
}

int
record_put(struct guest *g, struct err *e)
{
	if (record_open_lines.guest != g)
		return 0;
	record_open_lines.guest = NULL;
	return record_line_end(&record_open_lines.line, g, e);
}

/*
 * A refusal that cannot be recorded stays one; the segment has failed by
 * then, and nothing is allowed any more.
 */
static void
record_audit_end(struct audit_line *l, struct guest *g)
{
	struct err e = { 0 };

	if (g->audit_credit.lost > 0)
		audit_add_int(l, "suppressed", g->audit_credit.lost);
	if (record_line_end(l, g, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "audit", &e);
	else
		g->audit_credit.lost = 0;
}

static int
record_audit_earned(struct guest *g)
{
	return record_audited(g) &&
	       record_earned_of(&g->audit_credit, RECORD_AUDIT_LINE_MS,
		   RECORD_AUDIT_BURST);
}

static int
record_begin_segment(struct guest *g, struct err *e)
{
	unfilled struct audit_line l;

	record_audit(&l, g, "open");
	audit_add_int(&l, "segment", ++g->audit_segment);
	audit_add(&l, "program", "warder-proxy " WARDER_VERSION);
	audit_add_int(&l, "landlock", (uint64_t)g->proxy->landlock);
	audit_add_int(&l, "locked", (uint64_t)g->proxy->locked);
	return audit_end(&l, e);
}

int
record_open(struct guest *g, int fd, struct err *e)
{
	g->audit_fd = fd;
	audit_init(&g->audit, fd);
	return record_begin_segment(g, e);
}

int
record_next(struct guest *g, int fd, struct proxy_audit_ended *ret,
    struct err *e)
{
	unfilled struct audit_line l;
	autofd next = fd;

	record_audit(&l, g, "next");
	if (audit_end(&l, e) == -1)
		return -1;
	ret->lines = g->audit.head.seq;
	memcpy(ret->digest, g->audit.head.digest, sizeof(ret->digest));
	fd_closep(&g->audit_fd);
	g->audit_fd = take_fd(&next);
	audit_continue(&g->audit, g->audit_fd);
	g->audit_asked = 0;
	return record_begin_segment(g, e);
}

/* "policy" names the whole policy, this the network's half of one. */
static void
record_generation(struct audit_line *l, const char *name,
    const struct generation *n)
{
	char digest[SHA256_HEX_SIZE + 8] = "sha256:";

	sha256_hex(n->policy, digest + 7);
	audit_add(l, name, digest);
	sha256_hex(n->net->digest, digest + 7);
	audit_add(l, "network", digest);
}

int
record_reload(struct guest *g, const struct generation *to, struct err *e)
{
	unfilled struct audit_line l;

	if (!record_audited(g))
		return 0;
	record_audit(&l, g, "reload");
	record_generation(&l, "to", to);
	return audit_end(&l, e);
}

void
record_reloaded(struct guest *g, const struct generation *from, uint32_t kept,
    uint32_t cut)
{
	unfilled struct audit_line l;

	if (!record_audited(g))
		return;
	record_audit(&l, g, "reloaded");
	record_generation(&l, "from", from);
	audit_add_int(&l, "kept", kept);
	audit_add_int(&l, "cut", cut);
	record_audit_end(&l, g);
}

static void
record_counts(struct audit_line *l, const char *name,
    const struct proxy_count *c)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
	    "{\"allowed\":%llu,\"refused\":%llu,\"failed\":%llu,"
	    "\"credentials\":%llu,\"sent_bytes\":%llu,"
	    "\"received_bytes\":%llu}",
	    (unsigned long long)c->allowed, (unsigned long long)c->refused,
	    (unsigned long long)c->failed, (unsigned long long)c->injected,
	    (unsigned long long)c->sent_bytes,
	    (unsigned long long)c->received_bytes);
	audit_add_json(l, name, text);
}

void
record_summary(struct guest *g, uint32_t service)
{
	unfilled struct audit_line l;

	record_audit(&l, g, "summary");
	audit_add(&l, "service",
	    plan_net_string(g->net, plan_net_service(g->net, service)->name));
	record_counts(&l, "counts", &g->now->counts[service]);
	record_audit_end(&l, g);
}

/* A line for each service, and the end with what belonged to none. */
void
record_close(struct guest *g)
{
	unfilled struct audit_line l;
	uint32_t i, n;

	if (!record_audited(g))
		return; /* perhaps there is no plan either */
	n = plan_net_count(g->net, PLAN_NET_SERVICES);
	for (i = 0; i < n; i++)
		record_summary(g, i);
	record_audit(&l, g, "close");
	record_counts(&l, "no_service", &g->now->counts[n]);
	record_audit_end(&l, g);
	fd_closep(&g->audit_fd);
}

/* ---- the log ---- */

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
	if (g->log_credit.lost > 0)
		log_add_int(l, "suppressed", g->log_credit.lost);
	g->log_credit.lost = 0;
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

/* The record that the client got. */
static void
record_audit_refusal(struct guest *g, enum record_way way,
    const struct intent *in, const struct verdict *v)
{
	char record[EXPLAIN_RECORD_SIZE / 2];
	unfilled struct audit_line l;
	struct text t;

	if (!record_audit_earned(g))
		return;
	text_init(&t, record, sizeof(record));
	explain_record(g->net, in, v, g->now->policy, g->run, &t);
	record_audit(&l, g, "refused");
	audit_add(&l, "way", ways[way]);
	audit_add(&l, "code", refusal_name(v->code));
	if (!t.truncated)
		audit_add_json(&l, "record", record);
	record_audit_end(&l, g);
}

void
record_refusal(struct guest *g, enum record_way way, const struct intent *in,
    const struct verdict *v)
{
	struct log_line l;
	struct explain x;

	guest_count(g, v->service)->refused++;
	record_audit_refusal(g, way, in, v);
	if (!record_earned(g))
		return;
	explain_verdict(g->net, in, v, &x);
	record_begin(&l, g, way, v->code, "refused");
	log_add(&l, "what", x.what);
	if (in->kind == INTENT_HTTP && in->host != NULL) {
		log_add(&l, "host", in->host);
		log_add_int(&l, "port", in->port);
	}
	record_address(&l, in, v);
	log_add(&l, "service", record_service(g, v->service));
	if (x.near[0] != '\0')
		log_add(&l, "nearest", x.near);
	log_add(&l, "edit", x.edit);
	if (x.why != NULL)
		log_add(&l, "why", x.why);
	record_end(&l, g);
}

static void
record_audit_failure(struct guest *g, enum record_way way, uint32_t service,
    const char *host, uint32_t port, enum refusal_code code, const char *why)
{
	unfilled struct audit_line l;

	if (!record_audit_earned(g))
		return;
	record_audit(&l, g, "failed");
	audit_add(&l, "way", ways[way]);
	audit_add(&l, "code", refusal_name(code));
	audit_add(&l, "service", record_service(g, service));
	audit_add(&l, "host", host);
	audit_add_int(&l, "port", port);
	audit_add(&l, "why", why);
	record_audit_end(&l, g);
}

void
record_failure(struct guest *g, enum record_way way, uint32_t service,
    const char *host, uint32_t port, enum refusal_code code, const char *why)
{
	struct log_line l;

	guest_count(g, service)->failed++;
	record_audit_failure(g, way, service, host, port, code, why);
	if (!record_earned(g))
		return;
	record_begin(&l, g, way, code, "failed");
	log_add(&l, "host", host);
	log_add_int(&l, "port", port);
	log_add(&l, "service", record_service(g, service));
	log_add(&l, "msg", why);
	record_end(&l, g);
}

/*
 * A jail must not end the log by a path that makes its line too long: of such
 * a one there is the beginning, and how long it was.
 */
static void
record_path(struct audit_line *l, const char *path)
{
	char start[RECORD_PATH_MAX + 1];
	size_t n = strlen(path);

	if (n <= RECORD_PATH_MAX) {
		audit_add(l, "path", path);
		return;
	}
	memcpy(start, path, RECORD_PATH_MAX);
	start[RECORD_PATH_MAX] = '\0';
	audit_add(l, "path", start);
	audit_add_int(l, "path_bytes", n);
}

static int
record_act(struct guest *g, const struct record_act *a, struct err *e)
{
	struct audit_line *l = &record_open_lines.line;

	if (record_keep(g, "allowed", e) == -1)
		return -1;
	audit_add(l, "way", ways[a->way]);
	audit_add(l, "service", record_service(g, a->service));
	audit_add(l, "host", a->host);
	audit_add_int(l, "port", a->port);
	if (a->method != NULL) {
		audit_add(l, "method", a->method);
		record_path(l, a->path);
	}
	if (a->rule != PLAN_NET_NONE)
		audit_add(l, "rule",
		    plan_net_string(g->net,
			plan_net_rule(g->net, a->rule)->origin));
	return 0;
}

int
record_request(struct guest *g, const struct record_act *a, struct err *e)
{
	if (record_audited(g) && g->net->audit == PLAN_NET_RECORD_ALL &&
	    record_act(g, a, e) == -1)
		return -1;
	if (record_audited(g) && g->audit.failed != 0)
		return err_sys(e, g->audit.failed, "the audit log");
	guest_count(g, a->service)->allowed++;
	return 0;
}

int
record_allowed(struct guest *g, const struct record_act *a, struct err *e)
{
	return record_request(g, a, e) == -1 ? -1 : record_put(g, e);
}

int
record_credential(struct guest *g, uint32_t credential, uint32_t service,
    const char *host, uint32_t port, struct err *e)
{
	struct audit_line *l = &record_open_lines.line;

	if (!record_audited(g))
		return 0;
	if (record_keep(g, "credential", e) == -1)
		return -1;
	audit_add(l, "credential",
	    plan_net_string(g->net,
		plan_net_credential(g->net, credential)->name));
	audit_add(l, "service", record_service(g, service));
	audit_add(l, "host", host);
	audit_add_int(l, "port", port);
	return 0;
}
