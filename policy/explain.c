#include <stdio.h>
#include <string.h>

#include "explain.h"
#include "glob.h"

static const char *const dimensions[] = {
	[VERDICT_HOST] = "host",
	[VERDICT_PORT] = "port",
	[VERDICT_METHOD] = "method",
	[VERDICT_PATH] = "path",
	[VERDICT_QUERY] = "query",
	[VERDICT_ADDRESS] = "address",
	[VERDICT_STREAM] = "stream",
	[VERDICT_BODY] = "body",
	[VERDICT_CREDENTIAL] = "credential",
};

_Static_assert(countof(dimensions) == VERDICT_DIMENSION__MAX,
    "every dimension has a name");

const char *
explain_dimension(uint32_t dimension)
{
	return dimension < countof(dimensions) ? dimensions[dimension] : NULL;
}

/* ---- what was asked -------------------------------------------------------- */

static void
say_what(const struct intent *in, struct text *t)
{
	static const char *const kinds[INTENT__MAX] = {
		[INTENT_DNS] = "dns ",
		[INTENT_CONNECT] = "connect ",
		[INTENT_TCP] = "tcp ",
		[INTENT_DIAL] = "dial ",
	};
	char host[CANON_HOST_SIZE];

	if (in->kind == INTENT_HTTP) {
		text_add_escaped(t, in->method != NULL ? in->method : "?");
		text_add(t, " ");
		text_add_escaped(t, in->path != NULL ? in->path : "?");
		return;
	}
	if ((unsigned)in->kind >= INTENT__MAX || kinds[in->kind] == NULL)
		return;
	text_add(t, kinds[in->kind]);
	if (in->kind == INTENT_DIAL && in->address != NULL) {
		canon_address(in->address, host);
		text_add(t, host);
	} else
		text_add_escaped(t, in->host != NULL ? in->host : "?");
	if (in->port != 0)
		text_addf(t, ":%u", in->port);
}

/* ---- the nearest rule --------------------------------------------------------- */

/* The bytes that a path shares with what its pattern begins with. */
static size_t
common_prefix(const char *pattern, const char *path)
{
	size_t i;

	for (i = 0; pattern[i] != '\0' && pattern[i] == path[i]; i++)
		;
	return i;
}

static int
takes_method(const struct plan_net_rule *r, const char *method)
{
	uint32_t i;

	if (r->methods == PLAN_NET_METHODS_ANY)
		return 1;
	for (i = 0; i < PLAN_NET_METHOD__MAX; i++)
		if ((r->methods & 1u << i) != 0 &&
		    strcmp(plan_net_method_name(i), method) == 0)
			return 1;
	return 0;
}

/* The more, the nearer; what failed for the verdict counts less. */
static size_t
nearness(const struct plan_net *net, const struct plan_net_rule *r,
    const struct intent *in, enum refusal_code code)
{
	const char *pattern = plan_net_string(net, r->path);
	size_t near;

	if (r->path == 0)
		near = 1;
	else if (glob_path(pattern, in->path, GLOB_NARROW))
		near = CANON_PATH_MAX;
	else
		near = common_prefix(pattern, in->path);
	if (code != REFUSAL_method && takes_method(r, in->method))
		near += 2 * (size_t)CANON_PATH_MAX;
	/* Of equals, the one that lets through, then the first written. */
	return 2 * near + (r->verdict == PLAN_NET_ALLOW);
}

static uint32_t
nearest_rule(const struct plan_net *net, const struct intent *in,
    const struct verdict *v)
{
	const struct plan_net_service *s;
	uint32_t i, best = PLAN_NET_NONE;
	size_t near, most = 0;

	if (v->rule != PLAN_NET_NONE)
		return v->rule;
	if (in->kind != INTENT_HTTP || v->service == PLAN_NET_NONE ||
	    (v->code != REFUSAL_path && v->code != REFUSAL_method))
		return PLAN_NET_NONE;
	s = plan_net_service(net, v->service);
	for (i = s->first_rule; i < s->first_rule + s->nrules; i++) {
		if (plan_net_rule(net, i)->verdict == PLAN_NET_DENY)
			continue;
		near = nearness(net, plan_net_rule(net, i), in, v->code);
		if (best == PLAN_NET_NONE || near > most ||
		    (near == most && plan_net_rule(net, i)->ordinal <
					 plan_net_rule(net, best)->ordinal)) {
			best = i;
			most = near;
		}
	}
	return best;
}

/* ---- the smallest edit ---------------------------------------------------------- */

static const char *
service_name(const struct plan_net *net, const struct verdict *v)
{
	return plan_net_string(net, plan_net_service(net, v->service)->name);
}

static void
edit_rule(const struct plan_net *net, const struct verdict *v,
    struct explain *x, struct text *t)
{
	static const char *const lists[] = { "allow", "ask", "deny" };
	const struct plan_net_rule *r = plan_net_rule(net, x->nearest);

	text_addf(t, "network.services.%s.%s[%u]", service_name(net, v),
	    lists[r->verdict], r->ordinal);
}

/* A rule that would have allowed this request, and no other path. */
static void
add_rule(const struct intent *in, struct explain *x)
{
	struct text t;

	text_init(&t, x->add, sizeof(x->add));
	text_add(&t, "{methods: [");
	text_add_escaped(&t, in->method);
	text_add(&t, "], path: ");
	text_add_escaped(&t, in->path);
	text_add(&t, "}");
	/* Half a rule helps nobody, and a star would be a wildcard. */
	if (t.truncated || strpbrk(in->path, "*") != NULL)
		x->add[0] = '\0';
}

static void
add_host(const struct intent *in, struct explain *x, int with_rules)
{
	struct text t;

	text_init(&t, x->add, sizeof(x->add));
	if (with_rules)
		text_add(&t, "{to: ");
	text_addf(&t, in->host[0] == '[' ? "\"%s:%u\"" : "%s:%u", in->host,
	    in->port == 0 ? 443 : in->port);
	if (!with_rules)
		return;
	if (in->kind == INTENT_TCP)
		text_add(&t, ", protocol: tcp");
	text_add(&t, ", allow: any}");
}

/* A service for one address that no other service has. */
static void
add_literal(const struct intent *in, struct explain *x)
{
	char range[EXPLAIN_SIZE];
	struct text t;

	(void)snprintf(range, sizeof(range), "%s", x->add);
	text_init(&t, x->add, sizeof(x->add));
	text_addf(&t, "{to: \"%s:%u\"%s, only_addresses: [\"%s\"], allow: any}",
	    in->host, in->port == 0 ? 443 : in->port,
	    in->kind == INTENT_TCP ? ", protocol: tcp" : "", range);
}

static void
add_address(const struct intent *in, struct explain *x)
{
	struct net_address a = { 0 };
	char host[CANON_HOST_SIZE];
	struct text t;
	size_t n;

	if (in->address != NULL)
		a = *in->address;
	else if (in->host == NULL || !canon_host_address(in->host, &a))
		return;
	canon_address(&a, host);
	n = strlen(host);
	text_init(&t, x->add, sizeof(x->add));
	if (a.family == 6) {
		text_add_bytes(&t, host + 1, n - 2);
		text_add(&t, "/128");
	} else
		text_addf(&t, "%s/32", host);
}

static void
edit_matching(const struct plan_net *net, const struct intent *in,
    const struct verdict *v, struct explain *x, struct text *t)
{
	const struct plan_net_rule *r =
	    x->nearest == PLAN_NET_NONE ? NULL : plan_net_rule(net, x->nearest);

	if (r != NULL &&
	    (r->verdict == PLAN_NET_DENY || v->code == REFUSAL_query)) {
		edit_rule(net, v, x, t);
		return;
	}
	/* What no rule can open has no edit. */
	if (strcmp(in->method, "TRACE") == 0 ||
	    strcmp(in->method, "CONNECT") == 0 ||
	    strcmp(in->method, "TRACK") == 0)
		return;
	text_addf(t, "network.services.%s.allow[+]", service_name(net, v));
	add_rule(in, x);
}

static void
edit_address(const struct plan_net *net, const struct intent *in,
    const struct verdict *v, struct explain *x, struct text *t)
{
	if (v->address_class == ADDRESS_BLOCKED)
		return;
	if (v->service == PLAN_NET_NONE)
		text_add(t, "network.services[+]");
	else
		text_addf(t, "network.services.%s.only_addresses[+]",
		    service_name(net, v));
	add_address(in, x);
	if (v->service == PLAN_NET_NONE)
		add_literal(in, x);
}

static void
edit_credential(const struct plan_net *net, const struct verdict *v,
    const char *key, struct text *t)
{
	if (v->credential != PLAN_NET_NONE)
		text_addf(t, "credentials.%s.%s",
		    plan_net_string(net,
			plan_net_credential(net, v->credential)->name),
		    key);
}

static void
edit_host(const struct intent *in, struct explain *x, struct text *t)
{
	if (in->host == NULL)
		return;
	text_add(t, "network.services[+]");
	add_host(in, x, 1);
}

static void
say_edit(const struct plan_net *net, const struct intent *in,
    const struct verdict *v, struct explain *x, struct text *t)
{
	switch (v->code) {
	case REFUSAL_service:
		if (v->service == PLAN_NET_NONE)
			edit_host(in, x, t);
		break;
	case REFUSAL_port:
		text_addf(t, "network.services.%s.to[+]", service_name(net, v));
		add_host(in, x, 0);
		break;
	case REFUSAL_method:
	case REFUSAL_path:
	case REFUSAL_query:
		edit_matching(net, in, v, x, t);
		break;
	case REFUSAL_address_class:
	case REFUSAL_address:
		edit_address(net, in, v, x, t);
		break;
	case REFUSAL_approval_required:
		edit_rule(net, v, x, t);
		break;
	case REFUSAL_body_limit:
		text_addf(t, "network.services.%s.body.max",
		    service_name(net, v));
		break;
	case REFUSAL_tls:
		/* https, where it was http: nothing of the policy's */
		if ((v->passed & 1u << VERDICT_PORT) != 0)
			text_addf(t, "network.services.%s.tls",
			    service_name(net, v));
		break;
	case REFUSAL_credential_elsewhere:
		edit_credential(net, v, "elsewhere", t);
		break;
	case REFUSAL_credential_from_client:
		edit_credential(net, v, "from_client", t);
		break;
	case REFUSAL_credential_missing:
		edit_credential(net, v, "inject", t);
		break;
	default: /* no edit would help */
		break;
	}
}

/* The code's text, or what is truer of this verdict. */
static const char *
say_text(const struct plan_net *net, const struct verdict *v)
{
	if (v->code == REFUSAL_service && v->service != PLAN_NET_NONE)
		return "the service with this destination speaks http";
	if (v->answer == VERDICT_DENY && v->rule != PLAN_NET_NONE &&
	    plan_net_rule(net, v->rule)->verdict == PLAN_NET_DENY)
		return "a deny rule matches";
	if (v->code == REFUSAL_tls && (v->passed & 1u << VERDICT_PORT) == 0)
		return "the service wants TLS: connect with https";
	return refusal_text(v->code);
}

void
explain_verdict(const struct plan_net *net, const struct intent *in,
    const struct verdict *v, struct explain *ret)
{
	struct text t;

	ret->near = "";
	ret->why = NULL;
	ret->text = say_text(net, v);
	ret->add[0] = '\0';
	text_init(&t, ret->what, sizeof(ret->what));
	say_what(in, &t);
	ret->nearest = nearest_rule(net, in, v);
	if (ret->nearest != PLAN_NET_NONE) {
		const struct plan_net_rule *r =
		    plan_net_rule(net, ret->nearest);

		ret->near = plan_net_string(net, r->origin);
		/* Why this request is not let through, not why others are. */
		if (r->why != 0 && ret->nearest == v->rule &&
		    r->verdict != PLAN_NET_ALLOW)
			ret->why = plan_net_string(net, r->why);
	} else if (v->service != PLAN_NET_NONE)
		ret->near = plan_net_string(net,
		    plan_net_service(net, v->service)->origin);
	text_init(&t, ret->edit, sizeof(ret->edit));
	if (v->answer != VERDICT_ALLOW)
		say_edit(net, in, v, ret, &t);
}

/* ---- the record ---------------------------------------------------------------- */

static void
add_member(struct text *t, const char *key, const char *value)
{
	text_addf(t, ",\"%s\":", key);
	if (value == NULL || value[0] == '\0')
		text_add(t, "null");
	else
		text_add_json(t, value);
}

static void
add_passed(struct text *t, uint32_t passed)
{
	const char *comma = "";
	uint32_t i;

	text_add(t, ",\"passed\":[");
	for (i = 0; i < VERDICT_DIMENSION__MAX; i++)
		if ((passed & 1u << i) != 0) {
			text_addf(t, "%s\"%s\"", comma, dimensions[i]);
			comma = ",";
		}
	text_add(t, "]");
}

void
explain_record(const struct plan_net *net, const struct intent *in,
    const struct verdict *v, const unsigned char *policy, const char *run,
    struct text *t)
{
	unfilled struct explain x;
	char hex[SHA256_HEX_SIZE];

	explain_verdict(net, in, v, &x);
	if (v->code == REFUSAL_none)
		text_add(t, "{\"code\":null");
	else
		text_addf(t, "{\"code\":\"%s\"", refusal_name(v->code));
	add_member(t, "what", x.what);
	add_member(t, "service",
	    v->service == PLAN_NET_NONE ? NULL : service_name(net, v));
	add_passed(t, v->passed);
	add_member(t, "failed", explain_dimension(v->failed));
	add_member(t, "nearest", x.near);
	add_member(t, "edit", x.edit);
	add_member(t, "why", x.why);
	if (policy != NULL) {
		sha256_hex(policy, hex);
		text_addf(t, ",\"policy\":\"sha256:%s\"", hex);
	} else
		add_member(t, "policy", NULL);
	add_member(t, "run", run);
	text_add(t, "}");
}
