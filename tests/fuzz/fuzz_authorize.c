/*
 * fuzz_authorize.c: any request to one fixed policy, against a second opinion.
 *
 *	| kind u8 | flags u8 | port u8 | carry u8 | host NUL method NUL path NUL
 *	| query NUL |
 *
 * The second opinion reads the same plan from front to back, without order,
 * keys or searches.  The two must agree on what is let through, and whatever
 * is let through is canonical; the record is one object without a control
 * character.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "policy/explain.h"
#include "policy/glob.h"
#include "tests/policy_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy[] =
    "policy: 1\n"
    "network:\n"
    "  services:\n"
    "    api:\n"
    "      to: [a.b.example, \"*.b.example:8443\", \"a.b.example:80\"]\n"
    "      allow:\n"
    "        - {methods: read, path: /v1/**}\n"
    "        - {methods: [POST], path: /v1/*/x, query: {q: \"a*b\"}}\n"
    "        - {methods: [PUT], path: /}\n"
    "        - {methods: [PUT], path: \"/@*%2F*\"}\n"
    "        - {methods: [PATCH], path: /a/**/b/*c*}\n"
    "      ask: [{methods: [POST], path: /v1/ask/**}]\n"
    "      deny: [{path: /v1/secret/**}, {query: {deny: \"*\"}}]\n"
    "    wide:\n"
    "      to: \"*.b.example\"\n"
    "      allow: [{methods: [MOVE]}]\n"
    "      deny: [{methods: [MOVE], path: \"/a:b\"}]\n"
    "    tcp: {to: \"t.example:22\", protocol: tcp, allow: any}\n"
    "    lit: {to: \"10.1.2.3\", allow: any, only_addresses: [10.1.0.0/16]}\n"
    "credentials:\n"
    "  c: {source: {vault: c}, placeholder: {env: C, shape: hex}, inject: "
    "[{service: wide, as: {header: x-c}}], required: false}\n";

static const struct plan_net *net;

/* ---- the second opinion ----------------------------------------------------- */

static int
host_matches(const char *pattern, const char *host)
{
	struct net_address a;
	const char *dot = strchr(host, '.');

	if (pattern[0] != '*')
		return strcmp(pattern, host) == 0;
	return dot != NULL && !canon_host_address(host, &a) &&
	       strcmp(pattern + 1, dot) == 0;
}

static int
query_matches(const struct plan_net_rule *r, const char *query, int wide)
{
	uint32_t i;

	for (i = 0; i < r->nqueries; i++) {
		const struct plan_net_query *q =
		    plan_net_query(net, r->first_query + i);
		const char *s = query, *cut = wide ? "&;" : "&", *eq;
		int seen = 0, good = 0;

		while (s != NULL) {
			size_t n = strcspn(s, cut);

			eq = memchr(s, '=', n);
			if (glob_name(plan_net_string(net, q->name), s,
				eq == NULL ? n : (size_t)(eq - s))) {
				seen++;
				good += glob_value(plan_net_string(net,
						       q->pattern),
				    eq == NULL ? s + n : eq + 1,
				    eq == NULL ? 0 : n - (size_t)(eq + 1 - s));
			}
			s = s[n] == '\0' ? NULL : s + n + 1;
		}
		if (wide ? good == 0
			 : seen == 0 || good != seen ||
			       strchr(query, ';') != NULL)
			return 0;
	}
	return 1;
}

static int
rule_matches(const struct plan_net_rule *r, const struct intent *in)
{
	int wide = r->verdict == PLAN_NET_DENY;
	uint32_t m;

	for (m = 0; m < PLAN_NET_METHOD__MAX; m++)
		if (strcmp(plan_net_method_name(m), in->method) == 0)
			break;
	if (r->methods != PLAN_NET_METHODS_ANY &&
	    (m == PLAN_NET_METHOD__MAX || (r->methods & 1u << m) == 0))
		return 0;
	if (r->path == 0 ? !wide && strstr(in->path, "%2F") != NULL
			 : !glob_path(plan_net_string(net, r->path), in->path,
			       wide ? GLOB_WIDE : GLOB_NARROW))
		return 0;
	return query_matches(r, in->query, wide);
}

/* Over every rule of every service that has the destination. */
static int
second_opinion(const struct intent *in)
{
	int has[PLAN_NET_VERDICT__MAX] = { 0 };
	uint32_t i, d;

	for (i = 0; i < plan_net_count(net, PLAN_NET_RULES); i++) {
		const struct plan_net_rule *r = plan_net_rule(net, i);

		for (d = 0; d < plan_net_count(net, PLAN_NET_DESTINATIONS);
		     d++) {
			const struct plan_net_destination *to =
			    plan_net_destination(net, d);

			if (to->service == r->service && to->port == in->port &&
			    host_matches(plan_net_string(net, to->host),
				in->host))
				has[r->verdict] |= rule_matches(r, in);
		}
	}
	return has[PLAN_NET_DENY]    ? VERDICT_DENY
	       : has[PLAN_NET_ASK]   ? VERDICT_ASK
	       : has[PLAN_NET_ALLOW] ? VERDICT_ALLOW
				     : VERDICT_DENY;
}

/* ---- */

static const char *
next(const uint8_t **data, size_t *size, char *buf, size_t room_size)
{
	size_t n = strnlen((const char *)*data, *size);
	size_t keep = n < room_size - 1 ? n : room_size - 1;

	memcpy(buf, *data, keep);
	buf[keep] = '\0';
	n += n < *size;
	*data += n;
	*size -= n;
	return buf;
}

static void
check_http(const struct intent *in, const struct verdict *v)
{
	if (v->answer != VERDICT_ALLOW && v->answer != VERDICT_ASK)
		return;
	assert(canon_is_host(in->host) && canon_is_path(in->path));
	/* "allow: any" has no rules that a second reader would find. */
	if (v->service != PLAN_NET_NONE &&
	    plan_net_service(net, v->service)->allow_any)
		return;
	assert((int)v->answer == second_opinion(in));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t ports[] = { 443, 80, 8443, 22, 0, 70000 };
	static char host[512], method[64], path[2 * CANON_PATH_MAX],
	    query[CANON_QUERY_MAX + 8], record[EXPLAIN_RECORD_SIZE];
	struct intent_carry carry = { 0, "x-c" };
	struct intent in = { 0 };
	struct verdict v;
	struct text t;
	size_t i;

	if (net == NULL)
		net = policy_text_compile(policy);
	if (size < 4)
		return 0;
	in.kind = (enum intent_kind)(data[0] % (INTENT__MAX + 1));
	in.hello = data[1] & 1;
	in.tls = (data[1] & 2) == 0;
	in.brought = data[1] >> 2 & 1;
	in.body_bytes = data[1] & 8 ? INTENT_BODY_UNKNOWN : data[1];
	in.port = in.authority_port = ports[data[2] % countof(ports)];
	if (in.port == 80)
		in.tls = 0;
	carry.credential = data[3] >> 2;
	carry.header = data[3] & 1 ? NULL : "x-c";
	in.carries = &carry;
	in.ncarries = data[3] >> 1 & 1;
	data += 4;
	size -= 4;
	in.host = in.authority = next(&data, &size, host, sizeof(host));
	in.method = next(&data, &size, method, sizeof(method));
	in.path = next(&data, &size, path, sizeof(path));
	in.query = next(&data, &size, query, sizeof(query));
	authorize(net, &in, &v);
	assert((v.answer == VERDICT_ALLOW) == (v.code == REFUSAL_none));
	assert(
	    (v.answer == VERDICT_ASK) == (v.code == REFUSAL_approval_required));
	if (in.kind == INTENT_HTTP)
		check_http(&in, &v);
	if (in.kind == INTENT_HTTP && v.code == REFUSAL_path &&
	    v.rule == PLAN_NET_NONE)
		assert(second_opinion(&in) == VERDICT_DENY);
	text_init(&t, record, sizeof(record));
	explain_record(net, &in, &v, NULL, "run", &t);
	assert(!t.truncated && record[0] == '{' && t.buf[t.len - 1] == '}');
	for (i = 0; i < t.len; i++)
		assert((unsigned char)record[i] >= 0x20);
	return 0;
}
