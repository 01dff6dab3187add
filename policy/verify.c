#include <string.h>

#include "text.h"
#include "verify.h"

enum {
	VERIFY_LINE = 16 * 1024
};

static const char *const answers[] = {
	[VERDICT_DENY] = "deny",
	[VERDICT_ASK] = "ask",
	[VERDICT_ALLOW] = "allow",
};

static const char *
text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n == NULL ? NULL : n->text;
}

static uint32_t
find_credential(const struct plan_net *net, const char *name)
{
	uint32_t i;

	for (i = 0; i < plan_net_count(net, PLAN_NET_CREDENTIALS); i++)
		if (strcmp(plan_net_string(net,
			       plan_net_credential(net, i)->name),
			name) == 0)
			return i;
	return PLAN_NET_NONE;
}

/* The one key that says what is asked. */
static void
read_question(const struct yaml_node *test, struct question *ret)
{
	static const struct {
		const char *key;
		enum question_kind kind;
	} keys[] = {
		{ "http", QUESTION_HTTP },
		{ "tcp", QUESTION_TCP },
		{ "read", QUESTION_READ },
		{ "write", QUESTION_WRITE },
		{ "syscall", QUESTION_SYSCALL },
	};

	size_t i;

	for (i = 0; i < countof(keys); i++)
		if (text_of(test, keys[i].key) != NULL) {
			ret->kind = keys[i].kind;
			ret->text = text_of(test, keys[i].key);
		}
}

/* ---- what was expected ----------------------------------------------------- */

static const char *
service_of(const struct question_plan *p, const struct answer *a)
{
	if (!a->network || a->v.service == PLAN_NET_NONE)
		return "";
	return plan_net_string(p->net,
	    plan_net_service(p->net, a->v.service)->name);
}

/* Is this credential put on the request? */
static int
is_injected(const struct question_plan *p, const struct answer *a,
    const char *name)
{
	uint32_t i;

	for (i = 0; a->network && i < a->v.ninjects; i++)
		if (strcmp(plan_net_string(p->net,
			       plan_net_credential(p->net,
				   plan_net_inject(p->net, a->v.injects[i])
				       ->credential)
				   ->name),
			name) == 0)
			return 1;
	return 0;
}

static void
complain(struct text *t, const char *what, const char *wanted,
    const char *found)
{
	text_addf(t, "%s%s %s expected, ", t->len == 0 ? "" : "; ", what,
	    wanted);
	text_addf(t, *found == '\0' ? "none found" : "%s found", found);
}

/* What differs from the test's word, or nothing. */
static void
compare(const struct question_plan *p, const struct yaml_node *test,
    const struct answer *a, struct text *t)
{
	const char *expect = text_of(test, "expect");
	const char *rule = text_of(test, "rule"), *code = text_of(test, "code");
	const char *credential = text_of(test, "credential");
	const char *found = a->network && a->v.code != REFUSAL_none
				? refusal_name(a->v.code)
				: "";

	if (strcmp(expect, answers[a->answer]) != 0)
		complain(t, "answer", expect, answers[a->answer]);
	if (code != NULL && strcmp(code, found) != 0)
		complain(t, "code", code, found);
	if (rule != NULL && strcmp(rule, service_of(p, a)) != 0)
		complain(t, "service", rule, service_of(p, a));
	if (credential != NULL && !is_injected(p, a, credential))
		complain(t, "credential", credential, "");
}

/* ---- running --------------------------------------------------------------------- */

static void
print_failure(const struct yaml_node *test, const struct answer *a,
    const char *difference, FILE *out)
{
	char line[VERIFY_LINE];
	struct text t;

	text_init(&t, line, sizeof(line));
	text_add_escaped(&t, test->source->name);
	text_addf(&t, ":%u:%u: \"", test->line, test->column);
	text_add_escaped(&t, text_of(test, "name"));
	text_addf(&t, "\": %s", difference);
	if (a != NULL && a->near[0] != '\0') {
		text_add(&t, " (");
		text_add_escaped(&t, a->near);
		text_add(&t, ")");
	}
	(void)fprintf(out, "%s\n", line);
}

static void
print_json(const struct question_plan *p, const struct yaml_node *test,
    const struct question *q, const struct answer *a, const char *difference,
    FILE *out)
{
	char line[VERIFY_LINE];
	struct text t;

	text_init(&t, line, sizeof(line));
	text_add(&t, "{\"name\":");
	text_add_json(&t, text_of(test, "name"));
	text_addf(&t, ",\"line\":%u,\"passed\":%s,\"difference\":", test->line,
	    *difference == '\0' ? "true" : "false");
	text_add_json(&t, difference);
	if (a != NULL) {
		text_addf(&t,
		    ",\"answer\":\"%s\",\"record\":", answers[a->answer]);
		question_record(p, q, a, &t);
	}
	text_add(&t, "}");
	(void)fprintf(out, "%s\n", t.truncated ? "{}" : line);
}

/* A name that the policy does not have is a failure, never a pass. */
static int
choose_placeholder(const struct question_plan *p, const struct yaml_node *test,
    struct question *q, struct text *difference)
{
	const char *name = text_of(test, "carries");

	if (name == NULL)
		return 0;
	q->carries = find_credential(p->net, name);
	if (q->carries != PLAN_NET_NONE)
		return 0;
	text_addf(difference, "the policy has no credential %s", name);
	return -1;
}

static void
run_test(const struct question_plan *p, const struct yaml_node *test, int json,
    FILE *out, struct verify_count *count)
{
	static struct answer answer;
	struct question q = { .carries = PLAN_NET_NONE };
	const struct answer *a = NULL;
	char difference[1024];
	struct text t;

	text_init(&t, difference, sizeof(difference));
	read_question(test, &q);
	if (choose_placeholder(p, test, &q, &t) == 0) {
		question_ask(p, &q, &answer);
		a = &answer;
		compare(p, test, a, &t);
	}
	if (t.len == 0)
		count->passed++;
	else
		count->failed++;
	if (json)
		print_json(p, test, &q, a, difference, out);
	else if (t.len != 0)
		print_failure(test, a, difference, out);
}

void
verify_tests(const struct question_plan *p, const struct yaml_node *tests,
    int json, FILE *out, struct verify_count *count)
{
	const struct yaml_node *n;

	for (n = tests == NULL ? NULL : tests->first; n != NULL; n = n->next)
		run_test(p, n, json, out, count);
}
