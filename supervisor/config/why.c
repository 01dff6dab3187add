#include <stdio.h>
#include <string.h>

#include "verb.h"

static struct verb_policy policy;
static struct answer answer;

static void
print_line(const char *key, const char *value)
{
	char text[2 * EXPLAIN_SIZE];

	if (value == NULL || *value == '\0')
		return;
	(void)text_escape(text, sizeof(text), value, strlen(value));
	(void)printf("  %-11s %s\n", key, text);
}

static void
print_edit(const char *edit, const char *add)
{
	char text[2 * EXPLAIN_SIZE + 2];

	if (*edit == '\0')
		return;
	(void)snprintf(text, sizeof(text), "%s%s%s", edit,
	    *add == '\0' ? "" : ": ", add);
	print_line("edit", text);
}

static void
print_passed(const struct verdict *v)
{
	char line[256];
	struct text t;
	uint32_t i;

	text_init(&t, line, sizeof(line));
	for (i = 0; i < VERDICT_DIMENSION__MAX; i++)
		if ((v->passed & 1u << i) != 0)
			text_addf(&t, "%s%s", t.len == 0 ? "" : " ",
			    explain_dimension(i));
	print_line("passed", line);
}

static const char *
handling_text(const struct answer *a)
{
	if (a->in.kind == INTENT_TCP)
		return "passed on as it is";
	if (a->in.kind != INTENT_HTTP)
		return NULL;
	return !a->in.tls ? "in the clear" : NULL;
}

/* Whether somebody looks inside: what a spliced service's rules cannot say. */
static void
print_stream(const struct plan_net *net, const struct answer *a)
{
	const struct plan_net_service *s = plan_net_service(net, a->v.service);

	if (a->in.kind == INTENT_HTTP && !s->inspect)
		print_line("stream", "not looked into; the client's own TLS");
	else
		print_line("stream", handling_text(a));
	if (s->dial_port != 0)
		print_line("dial", "the policy names the address");
}

static void
print_allowed(const struct plan_net *net, const struct answer *a)
{
	char line[EXPLAIN_SIZE];
	uint32_t i;

	print_line("rule", a->near);
	for (i = 0; i < a->v.ninjects; i++) {
		const struct plan_net_inject *j =
		    plan_net_inject(net, a->v.injects[i]);

		(void)snprintf(line, sizeof(line), "%s in %s",
		    plan_net_string(net,
			plan_net_credential(net, j->credential)->name),
		    plan_net_string(net, j->header));
		print_line("credential", line);
	}
	print_stream(net, a);
}

static void
print_network(const struct plan_net *net, const struct answer *a)
{
	if (a->answer == VERDICT_ALLOW)
		(void)puts("allow");
	else
		(void)printf("%s: %s\n",
		    a->answer == VERDICT_ASK ? "ask" : "deny", a->x.text);
	print_line("what", a->x.what);
	if (a->v.service != PLAN_NET_NONE)
		print_line("service",
		    plan_net_string(net,
			plan_net_service(net, a->v.service)->name));
	if (a->answer == VERDICT_ALLOW) {
		print_allowed(net, a);
		return;
	}
	print_line("because", a->why);
	print_line("code", refusal_name(a->v.code));
	print_passed(&a->v);
	print_line("failed", explain_dimension(a->v.failed));
	print_line("nearest", a->near);
	print_line("why", a->x.why);
	print_edit(a->x.edit, a->x.add);
}

static void
print_local(const struct answer *a)
{
	(void)puts(a->answer == VERDICT_ALLOW ? "allow" : "deny");
	print_line("why", a->why);
	print_line("nearest", a->near);
	print_edit(a->edit, "");
}

int
why_run(const struct verb_call *c)
{
	static const int status[] = {
		[VERDICT_DENY] = VERB_DENY,
		[VERDICT_ASK] = VERB_ASK,
		[VERDICT_ALLOW] = VERB_GOOD,
	};
	struct question_plan plans;
	struct question q;
	char record[EXPLAIN_RECORD_SIZE];
	struct text t;
	struct err e;

	if ((c->live != NULL ? verb_load_live(&policy, c->live)
			     : verb_load(&policy, c->word[0])) == -1)
		return VERB_BAD;
	if (question_parse(c->word[c->live == NULL], &q, &e) == -1) {
		(void)text_escape(record, sizeof(record), e.msg, strlen(e.msg));
		(void)fprintf(stderr, "warder: policy why: %s\n", record);
		return VERB_BAD;
	}
	plans = verb_questions(&policy);
	question_ask(&plans, &q, &answer);
	if ((c->options & VERB_JSON) != 0) {
		text_init(&t, record, sizeof(record));
		question_record(&plans, &q, &answer, &t);
		(void)puts(record);
	} else if (answer.network)
		print_network(plans.net, &answer);
	else
		print_local(&answer);
	return status[answer.answer];
}
