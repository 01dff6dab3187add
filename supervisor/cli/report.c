#include "report.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "jail/posture.h"
#include "text.h"
#include "version.h"

enum {
	REPORT_BYTES = 192 * 1024, /* each service of a plan has room */
};

static void
report_lower(struct text *t, const char *s)
{
	char word[32];
	size_t i;

	for (i = 0; s[i] != '\0' && i < sizeof(word) - 1; i++)
		word[i] = (char)tolower((unsigned char)s[i]);
	word[i] = '\0';
	text_add_json(t, word);
}

static void
report_number(struct text *t, const char *name, uint64_t v)
{
	text_addf(t, "\"%s\":%llu", name, (unsigned long long)v);
}

static void
report_policy(struct text *t, const struct plan *p)
{
	char hex[SHA256_HEX_SIZE];

	sha256_hex(p->digest, hex);
	text_add(t, "\"policy\":{\"name\":");
	text_add_json(t, plan_string(p, p->name));
	text_addf(t, ",\"digest\":\"sha256:%s\"}", hex);
}

static void
report_end(struct text *t, const struct run_report *r)
{
	int ran = r->end != RUN_NOT_FOUND && r->end != RUN_NOT_EXECUTED;

	text_add(t, "\"end\":{\"kind\":");
	report_lower(t, run_end_name(r->end));
	text_addf(t, ",\"exit_status\":%d", run_exit_status(r));
	if (ran && WIFSIGNALED(r->status))
		text_addf(t, ",\"signal\":%d", WTERMSIG(r->status));
	if (!ran) {
		text_add(t, ",\"error\":");
		text_add_json(t, strerror(r->sys));
	}
	if (r->end == RUN_LOST && r->lost_status != -1)
		text_addf(t, ",\"init_%s\":%d",
		    WIFSIGNALED(r->lost_status) ? "signal" : "exit_status",
		    WIFSIGNALED(r->lost_status) ? WTERMSIG(r->lost_status)
						: WEXITSTATUS(r->lost_status));
	text_addf(t, ",\"pids_limit_met\":%s,\"disk_full\":%s}",
	    r->pids_met == -1 ? "null"
	    : r->pids_met     ? "true"
			      : "false",
	    r->disk_met ? "true" : "false");
}

static void
report_used(struct text *t, const struct run_report *r)
{
	const struct cgroup_usage *u = &r->usage;

	text_add(t, "\"used\":{");
	report_number(t, "wall_ms", r->wall_us / 1000);
	text_add(t, ",");
	report_number(t, "cpu_ms", u->cpu_us / 1000);
	text_add(t, ",");
	report_number(t, "memory_peak_bytes", u->memory_peak_bytes);
	text_add(t, ",");
	report_number(t, "largest_process_bytes", r->max_rss_bytes);
	text_add(t, ",");
	report_number(t, "output_bytes", r->output_bytes);
	text_add(t, ",");
	report_number(t, "read_bytes", u->read_bytes);
	text_add(t, ",");
	report_number(t, "written_bytes", u->written_bytes);
	text_add(t, "}");
}

static void
report_limits(struct text *t, const struct plan_limits *l)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "cpu_milli", l->cpu_milli },
		{ "memory_bytes", l->memory_bytes },
		{ "pids", l->pids },
		{ "open_files", l->open_files },
		{ "wall_ms", l->wall_ms },
		{ "idle_ms", l->idle_ms },
		{ "cpu_time_ms", l->cpu_time_ms },
		{ "output_bytes", l->output_bytes },
	};

	size_t i;

	text_add(t, "\"limits\":{");
	for (i = 0; i < countof(rows); i++) {
		text_add(t, i > 0 ? "," : "");
		report_number(t, rows[i].name, rows[i].value);
	}
	text_add(t, "}");
}

static void
report_posture(struct text *t, const struct jail_posture *p,
    const struct plan *plan)
{
	int row;

	text_addf(t, "\"posture\":{\"rootless\":%s,",
	    p->rootless ? "true" : "false");
	report_number(t, "start_us", p->start_us);
	for (row = 0; row < POSTURE__MAX; row++) {
		char buf[256];
		struct text v;

		text_init(&v, buf, sizeof(buf));
		posture_value((enum posture_row)row, p, plan, &v);
		text_addf(t, ",\"%s\":", posture_name((enum posture_row)row));
		text_add_json(t, buf);
	}
	text_add(t, ",\"lessened\":[");
	for (row = 0; row < POSTURE__MAX; row++) {
		if (!posture_lessened((enum posture_row)row, p))
			continue;
		text_addf(t, "%s\"%s\"", t->buf[t->len - 1] == '[' ? "" : ",",
		    posture_name((enum posture_row)row));
	}
	text_add(t, "]}");
}

static void
report_count(struct text *t, const char *name, const struct proxy_count *c)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "allowed", c->allowed },
		{ "refused", c->refused },
		{ "failed", c->failed },
		{ "credentials", c->injected },
		{ "sent_bytes", c->sent_bytes },
		{ "received_bytes", c->received_bytes },
	};

	size_t i;

	text_add(t, "{\"service\":");
	if (name != NULL)
		text_add_json(t, name);
	else
		text_add(t, "null");
	for (i = 0; i < countof(rows); i++) {
		text_add(t, ",");
		report_number(t, rows[i].name, rows[i].value);
	}
	text_add(t, "}");
}

/* null without services; what the proxy did not say any more is left out. */
static void
report_network(struct text *t, const struct plan_net *net,
    const struct egress_summary *s)
{
	char hex[SHA256_HEX_SIZE];
	uint32_t i;

	text_add(t, "\"network\":");
	if (net == NULL) {
		text_add(t, "null");
		return;
	}
	text_add(t, "{\"services\":[");
	for (i = 0; i < s->services; i++) {
		report_count(t,
		    plan_net_string(net, plan_net_service(net, i)->name),
		    &s->count[i]);
		text_add(t, ",");
	}
	if (s->services > 0)
		report_count(t, NULL, &s->count[i]);
	text_add(t, "],\"audit\":{\"file\":");
	text_add_json(t, s->audit_path);
	text_add(t, ",");
	report_number(t, "lines", s->audit_lines);
	sha256_hex(s->audit_digest, hex);
	text_addf(t, ",\"head\":\"%llu:%s\",",
	    (unsigned long long)s->audit_lines, s->audit_lines > 0 ? hex : "");
	report_number(t, "segments", s->audit_segments);
	text_addf(t, ",\"signed\":%s}}",
	    s->audit_unsigned == 0 ? "true" : "false");
}

int
report_write(int fd, const struct jail *j, const struct plan *p,
    const struct run_report *r, const struct plan_net *net,
    const struct egress_summary *traffic, struct err *e)
{
	static char buf[REPORT_BYTES];
	struct text t;
	size_t done = 0;

	text_init(&t, buf, sizeof(buf));
	text_addf(&t, "{\"schema\":\"warder.exec/1\",\"version\":\"%s\",",
	    WARDER_VERSION);
	text_add(&t, "\"jail\":");
	text_add_json(&t, jail_name(j));
	text_add(&t, ",");
	report_policy(&t, p);
	text_add(&t, ",");
	report_end(&t, r);
	text_add(&t, ",");
	report_used(&t, r);
	text_add(&t, ",");
	report_limits(&t, &p->limits);
	text_add(&t, ",");
	report_posture(&t, jail_posture(j), p);
	text_add(&t, ",");
	report_network(&t, net, traffic);
	text_add(&t, "}\n");
	if (t.truncated)
		return err_set(e, ERR_LIMIT, "report: too long");
	while (done < t.len) {
		ssize_t n = write(fd, buf + done, t.len - done);

		if (n <= 0)
			return err_set(e, ERR_SYSTEM, "report");
		done += (size_t)n;
	}
	return 0;
}

/* The limit that an end speaks of, as the policy writes it. */
static void
report_limit(struct text *t, const struct plan_limits *l, enum run_end end)
{
	switch (end) {
	case RUN_OOM:
		text_add(t, " (memory: ");
		text_add_size(t, l->memory_bytes);
		break;
	case RUN_OUTPUT:
		text_add(t, " (output: ");
		text_add_size(t, l->output_bytes);
		break;
	case RUN_WALL:
		text_add(t, " (wall: ");
		text_add_duration(t, l->wall_ms);
		break;
	case RUN_IDLE:
		text_add(t, " (idle: ");
		text_add_duration(t, l->idle_ms);
		break;
	case RUN_CPU_TIME:
		text_add(t, " (cpu_time: ");
		text_add_duration(t, l->cpu_time_ms);
		break;
	default:
		return;
	}
	text_add(t, ")");
}

/* Whoever has the jail's pid 1 in hand has the jail: say what ended it. */
static void
report_lost(struct text *t, const struct run_report *r)
{
	if (run_was_killed(r))
		text_add(t, " (killed from outside)");
	else if (WIFSIGNALED(r->lost_status))
		text_addf(t, " (warder-init was ended by signal %d, %s)",
		    WTERMSIG(r->lost_status),
		    strsignal(WTERMSIG(r->lost_status)));
	else
		text_addf(t, " (warder-init ended by itself, status %d)",
		    WEXITSTATUS(r->lost_status));
}

void
report_explain(const struct plan *p, const struct run_report *r,
    const char *command)
{
	char buf[512];
	struct text t;

	if (r->end == RUN_EXITED || r->end == RUN_SIGNALLED)
		return;
	text_init(&t, buf, sizeof(buf));
	text_add_escaped(&t, command);
	text_addf(&t, " %s", run_end_text(r->end));
	report_limit(&t, &p->limits, r->end);
	if (r->end == RUN_LOST)
		report_lost(&t, r);
	if (r->end == RUN_NOT_FOUND || r->end == RUN_NOT_EXECUTED)
		text_addf(&t, "%s: %s",
		    r->step == 1 ? " (working directory)" : "",
		    strerror(r->sys));
	(void)fprintf(stderr, "warder: %s\n", buf);
}

static void
report_service(const char *name, const struct proxy_count *c)
{
	char line[512];
	struct text t;

	if (c->allowed + c->refused + c->failed == 0)
		return;
	text_init(&t, line, sizeof(line));
	text_add(&t, "warder: network: ");
	text_add_escaped(&t, name);
	text_addf(&t, ": %llu allowed", (unsigned long long)c->allowed);
	if (c->refused > 0)
		text_addf(&t, ", %llu refused", (unsigned long long)c->refused);
	if (c->failed > 0)
		text_addf(&t, ", %llu failed", (unsigned long long)c->failed);
	if (c->injected > 0)
		text_addf(&t, ", %llu with a credential",
		    (unsigned long long)c->injected);
	text_addf(&t, "; %llu bytes out, %llu in",
	    (unsigned long long)c->sent_bytes,
	    (unsigned long long)c->received_bytes);
	(void)fprintf(stderr, "%s\n", line);
}

void
report_traffic(const struct plan_net *net, const struct egress_summary *traffic)
{
	uint32_t i;

	if (traffic->services == 0)
		return;
	for (i = 0; i < traffic->services; i++)
		report_service(plan_net_string(net,
				   plan_net_service(net, i)->name),
		    &traffic->count[i]);
	report_service("no service", &traffic->count[i]);
	(void)fprintf(stderr, "warder: audit: %s%s\n", traffic->audit_path,
	    traffic->audit_unsigned > 0 ? " (not signed)" : "");
}
