#include <string.h>

#include "authorize.h"
#include "credential.h"
#include "glob.h"

/* Everything that the steps of one decision share. */
struct asked {
	const struct plan_net *net;
	const struct intent *in;
	struct verdict *v;
	uint32_t method; /* bit; 0: none that a rule can name */
	/* Destinations [lo, hi): the exact host, then the wildcard. */
	uint32_t lo[2], hi[2];
	/* The keys of the path's first segments. */
	uint64_t key[PLAN_NET_DEPTH_MAX + 1];
	uint32_t depth;
};

/* ---- verdicts ------------------------------------------------------------- */

static void
start(struct verdict *v)
{
	*v = (struct verdict){ .answer = VERDICT_DENY,
		.code = REFUSAL_unavailable,
		.service = PLAN_NET_NONE,
		.destination = PLAN_NET_NONE,
		.rule = PLAN_NET_NONE,
		.credential = PLAN_NET_NONE,
		.failed = VERDICT_DIMENSION__MAX };
}

static void
pass(struct verdict *v, enum verdict_dimension d)
{
	v->passed |= 1u << d;
}

static int
refuse(struct verdict *v, enum verdict_dimension d, enum refusal_code code)
{
	v->answer = VERDICT_DENY;
	v->handling = VERDICT_CLOSE;
	v->code = code;
	v->failed = d;
	return -1;
}

static void
grant(struct verdict *v)
{
	v->answer = VERDICT_ALLOW;
	v->code = REFUSAL_none;
	v->failed = VERDICT_DIMENSION__MAX;
}

/* ---- hosts ------------------------------------------------------------------ */

/* The first destination whose host is not below "host". */
static uint32_t
find_host(const struct plan_net *net, const char *host)
{
	uint32_t lo = 0, hi = plan_net_count(net, PLAN_NET_DESTINATIONS), mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (strcmp(plan_net_string(net,
			       plan_net_destination(net, mid)->host),
			host) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int
is_host(const struct plan_net *net, uint32_t i, const char *host)
{
	return i < plan_net_count(net, PLAN_NET_DESTINATIONS) &&
	       strcmp(plan_net_string(net, plan_net_destination(net, i)->host),
		   host) == 0;
}

/* All of one pattern's destinations, then those with the port (0: any). */
static int
find_run(struct asked *a, unsigned run, const char *host)
{
	uint32_t i = find_host(a->net, host);
	int any = 0;

	a->lo[run] = i;
	for (; is_host(a->net, i, host); i++) {
		any = 1;
		if (plan_net_destination(a->net, i)->port < a->in->port)
			a->lo[run] = i + 1;
		else if (a->in->port != 0 &&
			 plan_net_destination(a->net, i)->port > a->in->port)
			break;
	}
	a->hi[run] = i;
	return any;
}

/* "*.example.com" for "api.example.com"; 0 if it has no such form. */
static int
wildcard_of(const char *host, char ret[CANON_HOST_SIZE])
{
	const char *dot = strchr(host, '.');
	struct net_address address;
	size_t n;

	if (dot == NULL || canon_host_address(host, &address))
		return 0;
	n = strlen(dot);
	ret[0] = '*';
	memcpy(ret + 1, dot, n + 1);
	return 1;
}

/* An address that the client named itself is judged as it would be dialed. */
static int
judge_literal(struct asked *a)
{
	struct net_address address;

	if (!canon_host_address(a->in->host, &address))
		return 0;
	a->v->address_class =
	    address_judge(&address, a->in->port, a->in->locals);
	if (a->v->address_class == ADDRESS_BLOCKED)
		return refuse(a->v, VERDICT_ADDRESS, REFUSAL_address_class);
	return 0;
}

/* The first of a pattern's destinations that is HTTPS as "https:" means it. */
static uint32_t
find_https(const struct plan_net *net, const char *host)
{
	uint32_t i;

	for (i = find_host(net, host); is_host(net, i, host); i++) {
		const struct plan_net_destination *d =
		    plan_net_destination(net, i);

		if (d->port == 443 && d->tls != PLAN_NET_TLS_NONE &&
		    plan_net_service(net, d->service)->protocol ==
			PLAN_NET_HTTP)
			return i;
	}
	return PLAN_NET_NONE;
}

/*
 * The host is known, on other ports: one of those, for what would help.
 * "http:" where "https:" is served lacks no port but TLS.
 */
static int
refuse_port(struct asked *a, const char *wildcard)
{
	const struct intent *in = a->in;
	uint32_t i = PLAN_NET_NONE;

	pass(a->v, VERDICT_HOST);
	if (in->kind == INTENT_HTTP && !in->tls && in->port == 80) {
		i = find_https(a->net, in->host);
		if (i == PLAN_NET_NONE)
			i = find_https(a->net, wildcard);
	}
	if (i != PLAN_NET_NONE) {
		a->v->service = plan_net_destination(a->net, i)->service;
		return refuse(a->v, VERDICT_STREAM, REFUSAL_tls);
	}
	i = find_host(a->net, in->host);
	if (!is_host(a->net, i, in->host))
		i = find_host(a->net, wildcard);
	a->v->service = plan_net_destination(a->net, i)->service;
	return refuse(a->v, VERDICT_PORT, REFUSAL_port);
}

static int
find_destinations(struct asked *a)
{
	char wildcard[CANON_HOST_SIZE] = "";
	int any;

	any = find_run(a, 0, a->in->host);
	if (wildcard_of(a->in->host, wildcard))
		any |= find_run(a, 1, wildcard);
	if (a->lo[0] < a->hi[0] || a->lo[1] < a->hi[1]) {
		unsigned run = a->lo[0] < a->hi[0] ? 0 : 1;

		a->v->destination = a->lo[run];
		a->v->service =
		    plan_net_destination(a->net, a->lo[run])->service;
		pass(a->v, VERDICT_HOST);
		pass(a->v, VERDICT_PORT);
		return 0;
	}
	if (a->v->address_class != ADDRESS_PUBLIC)
		return refuse(a->v, VERDICT_ADDRESS, REFUSAL_address_class);
	if (!any)
		return refuse(a->v, VERDICT_HOST, REFUSAL_service);
	return refuse_port(a, wildcard);
}

static int
find_by_name(struct asked *a)
{
	const struct intent *in = a->in;

	if (in->host == NULL || !canon_is_host(in->host) ||
	    (in->kind != INTENT_DNS && in->port == 0) ||
	    in->port > CANON_PORT_MAX)
		return refuse(a->v, VERDICT_HOST, REFUSAL_malformed);
	return judge_literal(a) == -1 ? -1 : find_destinations(a);
}

/* ---- addresses -------------------------------------------------------------- */

static int
same_address(const struct net_address *a, const struct net_address *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static int
is_in_ranges(const struct plan_net *net, const struct plan_net_service *s,
    const struct net_address *a)
{
	uint32_t i;

	for (i = 0; i < s->nranges; i++)
		if (address_in_range(a,
			plan_net_range(net, s->first_range + i)))
			return 1;
	return 0;
}

/* The worst class that a destination's own addresses may have. */
static enum address_class
opened(const struct asked *a)
{
	static const enum address_class classes[] = {
		[PLAN_NET_OPEN_PUBLIC] = ADDRESS_PUBLIC,
		[PLAN_NET_OPEN_PRIVATE] = ADDRESS_PRIVATE,
		[PLAN_NET_OPEN_HOST] = ADDRESS_HOST,
	};

	if (a->v->destination == PLAN_NET_NONE)
		return ADDRESS_PUBLIC;
	return classes[plan_net_destination(a->net, a->v->destination)->open];
}

/* May this service's connection go to this address? */
static int
judge_address(struct asked *a, const struct net_address *address, uint32_t port)
{
	const struct plan_net_service *s =
	    plan_net_service(a->net, a->v->service);
	struct verdict *v = a->v;

	v->address_class = address_judge(address, port, a->in->locals);
	if (v->address_class == ADDRESS_BLOCKED)
		return refuse(v, VERDICT_ADDRESS, REFUSAL_address_class);
	if (s->nranges != 0 && !is_in_ranges(a->net, s, address))
		return refuse(v, VERDICT_ADDRESS, REFUSAL_address);
	if (s->dial_port != 0) {
		if (port != s->dial_port || !same_address(address, &s->dial))
			return refuse(v, VERDICT_ADDRESS, REFUSAL_address);
	} else if (s->nranges == 0 && v->address_class > opened(a))
		return refuse(v, VERDICT_ADDRESS, REFUSAL_address_class);
	pass(v, VERDICT_ADDRESS);
	return 0;
}

/* The same for a host that is an address, before anybody dials. */
static int
judge_host_address(struct asked *a)
{
	struct net_address address;

	if (!canon_host_address(a->in->host, &address) ||
	    plan_net_service(a->net, a->v->service)->dial_port != 0)
		return 0;
	return judge_address(a, &address, a->in->port);
}

/* ---- streams ---------------------------------------------------------------- */

/* One service that looks inside is enough, so that its rules hold. */
static int
is_inspected(const struct asked *a)
{
	uint32_t i;
	unsigned run;

	for (run = 0; run < 2; run++)
		for (i = a->lo[run]; i < a->hi[run]; i++)
			if (plan_net_service(a->net,
				plan_net_destination(a->net, i)->service)
				->inspect)
				return 1;
	return 0;
}

static enum verdict_handling
handling_of(const struct asked *a)
{
	const struct plan_net_destination *d =
	    plan_net_destination(a->net, a->v->destination);

	if (plan_net_service(a->net, d->service)->protocol == PLAN_NET_TCP)
		return VERDICT_TCP;
	if (d->tls == PLAN_NET_TLS_NONE)
		return VERDICT_PLAIN;
	return is_inspected(a) ? VERDICT_INSPECT : VERDICT_SPLICE;
}

/* The name in the greeting is the name connected to, or is not there. */
static int
judge_sni(struct asked *a, int must)
{
	struct net_address address;

	if (a->in->sni != NULL) {
		if (strcmp(a->in->sni, a->in->host) == 0)
			return 0;
		return refuse(a->v, VERDICT_STREAM, REFUSAL_sni_mismatch);
	}
	/* There is no SNI for an address (RFC 6066, 3). */
	if (!must || canon_host_address(a->in->host, &address))
		return 0;
	return refuse(a->v, VERDICT_STREAM, REFUSAL_sni_mismatch);
}

/* TLS where it has to be, and only there. */
static int
judge_tls(struct asked *a, enum verdict_handling h)
{
	int wanted = h == VERDICT_INSPECT || h == VERDICT_SPLICE;

	if (h == VERDICT_TCP)
		return 0;
	if (!a->in->tls != !wanted)
		return refuse(a->v, VERDICT_STREAM, REFUSAL_tls);
	return a->in->tls ? judge_sni(a, h == VERDICT_SPLICE) : 0;
}

static int
judge_connect(struct asked *a)
{
	enum verdict_handling h;

	if (find_by_name(a) == -1 || judge_host_address(a) == -1)
		return -1;
	h = handling_of(a);
	if (a->in->hello && judge_tls(a, h) == -1)
		return -1;
	pass(a->v, VERDICT_STREAM);
	grant(a->v);
	a->v->handling = h;
	return 0;
}

static int
judge_dns(struct asked *a)
{
	if (find_by_name(a) == -1)
		return -1;
	grant(a->v);
	return 0;
}

static int
judge_tcp(struct asked *a)
{
	if (find_by_name(a) == -1 || judge_host_address(a) == -1)
		return -1;
	/* An http service is not a way for other bytes. */
	if (handling_of(a) != VERDICT_TCP)
		return refuse(a->v, VERDICT_STREAM, REFUSAL_service);
	pass(a->v, VERDICT_STREAM);
	grant(a->v);
	a->v->handling = VERDICT_TCP;
	return 0;
}

/* A destination of the service for a host (NULL: any) and port (0: any). */
static uint32_t
find_served(const struct plan_net *net, uint32_t service, const char *host,
    uint32_t port)
{
	uint32_t i = host == NULL ? 0 : find_host(net, host);

	for (; host == NULL ? i < plan_net_count(net, PLAN_NET_DESTINATIONS)
			    : is_host(net, i, host);
	     i++)
		if (plan_net_destination(net, i)->service == service &&
		    (port == 0 || plan_net_destination(net, i)->port == port))
			return i;
	return PLAN_NET_NONE;
}

/* What is dialed belongs to a name and a port that the service has. */
static int
find_dialed(struct asked *a, uint32_t *ret)
{
	const struct intent *in = a->in;
	uint32_t port = in->port;
	char wildcard[CANON_HOST_SIZE];

	/* There the policy names another port, and judge_address looks. */
	if (plan_net_service(a->net, in->service)->dial_port != 0)
		port = 0;
	if (in->host != NULL && !canon_is_host(in->host))
		return refuse(a->v, VERDICT_HOST, REFUSAL_malformed);
	*ret = find_served(a->net, in->service, in->host, port);
	if (*ret == PLAN_NET_NONE && in->host != NULL &&
	    wildcard_of(in->host, wildcard))
		*ret = find_served(a->net, in->service, wildcard, port);
	return 0;
}

static int
judge_dial(struct asked *a)
{
	const struct intent *in = a->in;
	uint32_t destination;

	if (in->address == NULL || in->port == 0 || in->port > CANON_PORT_MAX ||
	    in->service >= plan_net_count(a->net, PLAN_NET_SERVICES))
		return refuse(a->v, VERDICT_ADDRESS, REFUSAL_malformed);
	a->v->service = in->service;
	if (find_dialed(a, &destination) == -1)
		return -1;
	/* Without a name nothing says that the address is the manager's. */
	if (in->host != NULL)
		a->v->destination = destination;
	if (judge_address(a, in->address, in->port) == -1)
		return -1;
	if (destination == PLAN_NET_NONE)
		return refuse(a->v, VERDICT_PORT, REFUSAL_port);
	grant(a->v);
	return 0;
}

/* ---- requests: the rules ------------------------------------------------------ */

static uint32_t
method_bit(const char *method)
{
	uint32_t i;

	for (i = 0; i < PLAN_NET_METHOD__MAX; i++)
		if (strcmp(plan_net_method_name(i), method) == 0)
			return 1u << i;
	return 0;
}

static int
takes_method(const struct asked *a, uint32_t methods)
{
	return methods == PLAN_NET_METHODS_ANY || (methods & a->method) != 0;
}

static void
make_keys(struct asked *a, const char *path)
{
	size_t n;

	a->key[0] = PLAN_NET_HASH_START;
	for (a->depth = 0; *path == '/' && a->depth < PLAN_NET_DEPTH_MAX;
	     path += n, a->depth++) {
		n = strcspn(++path, "/");
		a->key[a->depth + 1] = plan_net_hash(a->key[a->depth], path, n);
	}
}

/* One "name=value" of a query. */
struct parameter {
	const char *name, *value;
	size_t name_size, value_size;
};

/* Cut one off at *s, which ends at "&" (or at one of two separators). */
static int
next_parameter(const char **s, const char *separators, struct parameter *ret)
{
	const char *equals;
	size_t n;

	if (*s == NULL)
		return 0;
	n = strcspn(*s, separators);
	equals = memchr(*s, '=', n);
	ret->name = *s;
	ret->name_size = equals == NULL ? n : (size_t)(equals - *s);
	ret->value = equals == NULL ? *s + n : equals + 1;
	ret->value_size = n - (size_t)(ret->value - *s);
	*s = (*s)[n] == '\0' ? NULL : *s + n + 1;
	return 1;
}

/* How often the parameter is there, and how often with a matching value. */
static void
count_parameter(const struct asked *a, const struct plan_net_query *q,
    const char *separators, unsigned *ret_seen, unsigned *ret_matching)
{
	const char *s = a->in->query;
	struct parameter p;

	*ret_seen = *ret_matching = 0;
	while (next_parameter(&s, separators, &p)) {
		if (!glob_name(plan_net_string(a->net, q->name), p.name,
			p.name_size))
			continue;
		++*ret_seen;
		*ret_matching +=
		    (unsigned)glob_value(plan_net_string(a->net, q->pattern),
			p.value, p.value_size);
	}
}

/*
 * For what lets through: there, each time with a matching value, and no ";",
 * which some servers read as another "&".  For what refuses: once will do,
 * by either reading.
 */
static int
matches_query(const struct asked *a, const struct plan_net_query *q,
    enum glob_reading how)
{
	unsigned seen, matching, more;

	if (a->in->query == NULL)
		return 0;
	count_parameter(a, q, "&", &seen, &matching);
	if (how == GLOB_NARROW)
		return seen > 0 && seen == matching &&
		       strchr(a->in->query, ';') == NULL;
	count_parameter(a, q, "&;", &seen, &more);
	return matching + more > 0;
}

static int
matches_queries(const struct asked *a, const struct plan_net_rule *r,
    enum glob_reading how)
{
	uint32_t i;

	for (i = 0; i < r->nqueries; i++)
		if (!matches_query(a,
			plan_net_query(a->net, r->first_query + i), how))
			return 0;
	return 1;
}

/* The first rule of a service whose key is not below key. */
static uint32_t
find_key(const struct plan_net *net, const struct plan_net_service *s,
    uint64_t key)
{
	uint32_t lo = s->first_rule, hi = lo + s->nrules, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (plan_net_rule(net, mid)->key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* What the rules of the services say together. */
struct outcome {
	uint32_t deny, ask, allow; /* the first of each, or PLAN_NET_NONE */
	uint32_t allow_destination, ask_destination, deny_destination;
	uint32_t any_destination; /* of a service with "allow: any" */
	uint32_t near; /* method and path fit, the query does not */
	int method; /* some rule takes the method */
};

static void
weigh_rule(const struct asked *a, uint32_t i, const char *path,
    uint32_t destination, struct outcome *o)
{
	const struct plan_net_rule *r = plan_net_rule(a->net, i);
	enum glob_reading how =
	    r->verdict == PLAN_NET_DENY ? GLOB_WIDE : GLOB_NARROW;

	if (!takes_method(a, r->methods))
		return;
	if (r->path != 0 &&
	    !glob_path(plan_net_string(a->net, r->path), path, how))
		return;
	/* %2F is for rules that spell it out. */
	if (r->path == 0 && how == GLOB_NARROW && strstr(path, "%2F") != NULL)
		return;
	if (!matches_queries(a, r, how)) {
		if (r->verdict != PLAN_NET_DENY)
			o->near = i;
		return;
	}
	if (r->verdict == PLAN_NET_DENY && o->deny == PLAN_NET_NONE) {
		o->deny = i;
		o->deny_destination = destination;
	} else if (r->verdict == PLAN_NET_ASK && o->ask == PLAN_NET_NONE) {
		o->ask = i;
		o->ask_destination = destination;
	} else if (r->verdict == PLAN_NET_ALLOW && o->allow == PLAN_NET_NONE) {
		o->allow = i;
		o->allow_destination = destination;
	}
}

/* The rules of one service that can match: those with a key of the path. */
static void
weigh_service(const struct asked *a, const char *path, uint32_t destination,
    struct outcome *o)
{
	const struct plan_net_service *s = plan_net_service(a->net,
	    plan_net_destination(a->net, destination)->service);
	uint32_t d, i;

	o->method |= takes_method(a, s->methods) || s->allow_any;
	if (s->allow_any && o->any_destination == PLAN_NET_NONE)
		o->any_destination = destination;
	for (d = 0; d <= a->depth; d++) {
		if ((s->depths & 1u << d) == 0)
			continue;
		for (i = find_key(a->net, s, a->key[d]);
		     i < s->first_rule + s->nrules &&
		     plan_net_rule(a->net, i)->key == a->key[d];
		     i++)
			weigh_rule(a, i, path, destination, o);
	}
}

static void
weigh_all(struct asked *a, const char *path, struct outcome *o)
{
	unsigned run;
	uint32_t i;

	make_keys(a, path);
	for (run = 0; run < 2; run++)
		for (i = a->lo[run]; i < a->hi[run]; i++)
			weigh_service(a, path, i, o);
}

/* A deny rule holds for the path that a server sees which decodes %2F too. */
static void
weigh_decoded(struct asked *a, struct outcome *o)
{
	unfilled char path[CANON_PATH_SIZE];
	struct outcome other = *o;
	const char *s = a->in->path;
	size_t used = 0;

	while (*s != '\0')
		if (strncmp(s, "%2F", 3) == 0) {
			path[used++] = '/';
			s += 3;
		} else
			path[used++] = *s++;
	path[used] = '\0';
	weigh_all(a, path, &other);
	if (o->deny == PLAN_NET_NONE) {
		o->deny = other.deny;
		o->deny_destination = other.deny_destination;
	}
}

static void
settle(struct asked *a, uint32_t destination, uint32_t rule)
{
	a->v->destination = destination;
	a->v->service = plan_net_destination(a->net, destination)->service;
	a->v->rule = rule;
}

/* The dimension that a deny rule speaks of most closely. */
static int
refuse_denied(struct asked *a, const struct outcome *o)
{
	const struct plan_net_rule *r = plan_net_rule(a->net, o->deny);

	settle(a, o->deny_destination, o->deny);
	if (r->nqueries != 0)
		return refuse(a->v, VERDICT_QUERY, REFUSAL_query);
	if (r->path != 0 &&
	    (r->methods == PLAN_NET_METHODS_ANY ||
		strcmp(plan_net_string(a->net, r->path), "/**") != 0))
		return refuse(a->v, VERDICT_PATH, REFUSAL_path);
	return refuse(a->v, VERDICT_METHOD, REFUSAL_method);
}

/* No rule: the dimension at which the one that came nearest failed. */
static int
refuse_unmatched(struct asked *a, const struct outcome *o)
{
	if (!o->method)
		return refuse(a->v, VERDICT_METHOD, REFUSAL_method);
	pass(a->v, VERDICT_METHOD);
	if (strstr(a->in->path, "%2F") != NULL)
		return refuse(a->v, VERDICT_PATH, REFUSAL_malformed);
	if (o->near == PLAN_NET_NONE)
		return refuse(a->v, VERDICT_PATH, REFUSAL_path);
	pass(a->v, VERDICT_PATH);
	a->v->service = plan_net_rule(a->net, o->near)->service;
	a->v->rule = o->near;
	return refuse(a->v, VERDICT_QUERY, REFUSAL_query);
}

/* Deny beats ask beats allow beats the default. */
static int
judge_rules(struct asked *a)
{
	struct outcome o = { PLAN_NET_NONE, PLAN_NET_NONE, PLAN_NET_NONE, 0, 0,
		0, PLAN_NET_NONE, PLAN_NET_NONE, 0 };
	int encoded = strstr(a->in->path, "%2F") != NULL;

	weigh_all(a, a->in->path, &o);
	if (encoded)
		weigh_decoded(a, &o);
	if (o.deny != PLAN_NET_NONE)
		return refuse_denied(a, &o);
	pass(a->v, VERDICT_METHOD);
	if (o.ask != PLAN_NET_NONE) {
		settle(a, o.ask_destination, o.ask);
		(void)refuse(a->v, VERDICT_DIMENSION__MAX,
		    REFUSAL_approval_required);
		a->v->answer = VERDICT_ASK;
	} else if (o.allow != PLAN_NET_NONE)
		settle(a, o.allow_destination, o.allow);
	else if (o.any_destination != PLAN_NET_NONE && !encoded)
		settle(a, o.any_destination, PLAN_NET_NONE);
	else {
		a->v->passed &= ~(1u << VERDICT_METHOD);
		return refuse_unmatched(a, &o);
	}
	pass(a->v, VERDICT_PATH);
	pass(a->v, VERDICT_QUERY);
	return o.ask != PLAN_NET_NONE ? -1 : 0;
}

/* ---- requests: credentials ------------------------------------------------------ */

static int
refuse_credential(struct asked *a, uint32_t credential, enum refusal_code code)
{
	a->v->credential = credential;
	return refuse(a->v, VERDICT_CREDENTIAL, code);
}

static int
is_carried(const struct asked *a, const struct plan_net_inject *j)
{
	const char *header = plan_net_string(a->net, j->header);
	size_t i;

	for (i = 0; i < a->in->ncarries; i++)
		if (a->in->carries[i].credential == j->credential &&
		    a->in->carries[i].header != NULL &&
		    strcmp(a->in->carries[i].header, header) == 0)
			return 1;
	return 0;
}

/* The place of a service where a placeholder belongs, or PLAN_NET_NONE. */
static uint32_t
place_of(const struct asked *a, const struct plan_net_service *s,
    const struct intent_carry *c)
{
	uint32_t i;

	for (i = s->first_inject; i < s->first_inject + s->ninjects; i++)
		if (plan_net_inject(a->net, i)->credential == c->credential &&
		    c->header != NULL &&
		    strcmp(plan_net_string(a->net,
			       plan_net_inject(a->net, i)->header),
			c->header) == 0)
			return i;
	return PLAN_NET_NONE;
}

static int
judge_carries(struct asked *a, const struct plan_net_service *s)
{
	const struct intent_carry *c = a->in->carries;
	size_t i;

	if (a->in->ncarries > INTENT_CARRIES_MAX)
		return refuse(a->v, VERDICT_CREDENTIAL, REFUSAL_malformed);
	for (i = 0; i < a->in->ncarries; i++) {
		if (c[i].credential >=
		    plan_net_count(a->net, PLAN_NET_CREDENTIALS))
			return refuse(a->v, VERDICT_CREDENTIAL,
			    REFUSAL_malformed);
		if (place_of(a, s, &c[i]) != PLAN_NET_NONE)
			continue;
		switch ((enum plan_net_elsewhere)plan_net_credential(a->net,
		    c[i].credential)
			    ->elsewhere) {
		case PLAN_NET_ELSEWHERE_PASS:
			break;
		case PLAN_NET_ELSEWHERE_STRIP:
			a->v->strip |= 1u << i;
			break;
		default:
			return refuse_credential(a, c[i].credential,
			    REFUSAL_credential_elsewhere);
		}
	}
	return 0;
}

/* A header is filled once. */
static int
is_filled(const struct asked *a, net_str header)
{
	const char *name = plan_net_string(a->net, header);
	uint32_t i;

	for (i = 0; i < a->v->ninjects; i++)
		if (strcmp(plan_net_string(a->net,
			       plan_net_inject(a->net, a->v->injects[i])
				   ->header),
			name) == 0)
			return 1;
	return 0;
}

static int
choose_injects(struct asked *a, const struct plan_net_service *s)
{
	uint32_t i;

	for (i = s->first_inject; i < s->first_inject + s->ninjects; i++) {
		const struct plan_net_inject *j = plan_net_inject(a->net, i);

		if (j->when != PLAN_NET_WHEN_ALWAYS && !is_carried(a, j))
			continue;
		if (is_filled(a, j->header))
			return refuse_credential(a, j->credential,
			    REFUSAL_credential_elsewhere);
		a->v->injects[a->v->ninjects++] = i;
	}
	return 0;
}

/* The client's own: the strictest credential of the service decides. */
static int
judge_brought(struct asked *a, const struct plan_net_service *s, int *ret_keep)
{
	int brought = s->ninjects > 0 &&
		      (a->in->brought || (a->in->query != NULL &&
					     credential_in_query(a->net,
						 a->v->rule, a->in->query)));
	uint32_t i;

	*ret_keep = brought;
	for (i = s->first_inject; brought && i < s->first_inject + s->ninjects;
	     i++) {
		const struct plan_net_inject *j = plan_net_inject(a->net, i);
		uint32_t from =
		    plan_net_credential(a->net, j->credential)->from_client;

		if (from == PLAN_NET_FROM_CLIENT_REFUSE)
			return refuse_credential(a, j->credential,
			    REFUSAL_credential_from_client);
		if (from == PLAN_NET_FROM_CLIENT_STRIP) {
			a->v->strip_own = 1;
			*ret_keep = 0;
		}
	}
	return 0;
}

/* Each header that has to be filled is, or nothing goes out. */
static int
judge_missing(struct asked *a, const struct plan_net_service *s, int keep)
{
	uint32_t i;

	for (i = s->first_inject; i < s->first_inject + s->ninjects; i++) {
		const struct plan_net_inject *j = plan_net_inject(a->net, i);

		if (!is_filled(a, j->header) && !keep &&
		    plan_net_credential(a->net, j->credential)->required)
			return refuse_credential(a, j->credential,
			    REFUSAL_credential_missing);
	}
	return 0;
}

static int
judge_credentials(struct asked *a)
{
	const struct plan_net_service *s =
	    plan_net_service(a->net, a->v->service);
	int keep;

	if (judge_carries(a, s) == -1 || choose_injects(a, s) == -1 ||
	    judge_brought(a, s, &keep) == -1 || judge_missing(a, s, keep) == -1)
		return -1;
	pass(a->v, VERDICT_CREDENTIAL);
	return 0;
}

/* ---- requests ------------------------------------------------------------------- */

static int
is_readable(const struct asked *a)
{
	const struct intent *in = a->in;

	return in->method != NULL && in->path != NULL &&
	       in->authority != NULL &&
	       canon_method(in->method, strlen(in->method), NULL) == 0 &&
	       canon_is_path(in->path) &&
	       (in->query == NULL ||
		   canon_query(in->query, strlen(in->query), NULL) == 0);
}

/* Which of them reflect or tunnel: no rule can open them. */
static int
is_never_passed(const char *method)
{
	return strcmp(method, "TRACE") == 0 || strcmp(method, "CONNECT") == 0 ||
	       strcmp(method, "TRACK") == 0;
}

static int
judge_stream(struct asked *a)
{
	enum verdict_handling h = handling_of(a);

	if (h == VERDICT_TCP)
		return refuse(a->v, VERDICT_STREAM, REFUSAL_service);
	if (strcmp(a->in->authority, a->in->host) != 0 ||
	    a->in->authority_port != a->in->port)
		return refuse(a->v, VERDICT_STREAM, REFUSAL_sni_mismatch);
	/* Nobody asks about single requests of a spliced stream but "why". */
	return judge_tls(a, h == VERDICT_SPLICE ? VERDICT_INSPECT : h);
}

static int
judge_body(struct asked *a)
{
	const struct plan_net_service *s =
	    plan_net_service(a->net, a->v->service);

	a->v->body_max_bytes = s->body_max_bytes;
	if (a->in->body_bytes != INTENT_BODY_UNKNOWN &&
	    a->in->body_bytes > s->body_max_bytes)
		return refuse(a->v, VERDICT_BODY, REFUSAL_body_limit);
	pass(a->v, VERDICT_BODY);
	return 0;
}

static int
judge_http(struct asked *a)
{
	if (!is_readable(a))
		return refuse(a->v, VERDICT_PATH, REFUSAL_malformed);
	if (find_by_name(a) == -1 || judge_host_address(a) == -1 ||
	    judge_stream(a) == -1)
		return -1;
	a->method = method_bit(a->in->method);
	if (is_never_passed(a->in->method))
		return refuse(a->v, VERDICT_METHOD, REFUSAL_method);
	if (judge_rules(a) == -1 || judge_body(a) == -1 ||
	    judge_credentials(a) == -1)
		return -1;
	grant(a->v);
	return 0;
}

/* ---- the one way --------------------------------------------------------------- */

static int (*const judges[INTENT__MAX])(struct asked *) = {
	[INTENT_DNS] = judge_dns,
	[INTENT_CONNECT] = judge_connect,
	[INTENT_HTTP] = judge_http,
	[INTENT_TCP] = judge_tcp,
	[INTENT_DIAL] = judge_dial,
};

void
authorize(const struct plan_net *net, const struct intent *in,
    struct verdict *ret)
{
	unfilled struct asked a;

	a.net = net;
	a.in = in;
	a.v = ret;
	a.method = 0;
	a.depth = 0;
	a.lo[0] = a.lo[1] = a.hi[0] = a.hi[1] = 0;
	start(ret);
	if ((unsigned)in->kind >= INTENT__MAX || judges[in->kind] == NULL) {
		(void)refuse(ret, VERDICT_DIMENSION__MAX, REFUSAL_malformed);
		return;
	}
	(void)judges[in->kind](&a);
}
