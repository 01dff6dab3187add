#include <stdio.h>
#include <string.h>

#include "address.h"
#include "canon.h"
#include "compile_net.h"
#include "rules.h"

enum {
	NET_HTTP_PORT = 80,
	NET_SLOTS = 1 << 16, /* of the strings' hash table */
	NET_STRINGS = NET_SLOTS / 2,
};

/* The sections while they grow; sized for the most there may be. */
struct net {
	struct resolve *r;
	int failed;
	const struct yaml_node *credentials;
	struct plan_net_service *services;
	const struct yaml_node **service_nodes;
	struct plan_net_destination *destinations;
	const struct yaml_node **destination_nodes;
	struct plan_net_rule *rules;
	struct plan_net_query *queries;
	struct net_range *ranges;
	struct plan_net_credential *credential;
	const struct yaml_node **credential_nodes;
	struct plan_net_inject *injects;
	char *strings;
	uint32_t count[PLAN_NET_SECTION__MAX];
	net_str *slots; /* hash table of offsets, 0: free */
	uint32_t nstrings;
};

/* ---- growing ----------------------------------------------------------------- */

static void
fail(struct net *n, const struct yaml_node *at, const char *what)
{
	diag_error(&n->r->diag, yaml_place(at), "%s", what);
	n->failed = 1;
}

/* Count one more record of a section; its index, or -1. */
static int64_t
grow(struct net *n, enum plan_net_section s, const struct yaml_node *at)
{
	static const struct {
		uint32_t most;
		const char *what;
	} bounds[] = {

#define X(name, record, most) [PLAN_NET_##name] = { most, #name },
		PLAN_NET_SECTIONS(X)
#undef X
	};

	if (n->count[s] < bounds[s].most)
		return n->count[s]++;
	if (!n->failed)
		diag_error(&n->r->diag, yaml_place(at),
		    "the policy is too large: more than %u %s", bounds[s].most,
		    bounds[s].what);
	n->failed = 1;
	return -1;
}

static uint32_t
hash_text(const char *s)
{
	uint64_t h = PLAN_NET_HASH_START;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
	return (uint32_t)(h ^ h >> 32);
}

static net_str
put(struct net *n, const char *s)
{
	uint32_t i = hash_text(s), used = n->count[PLAN_NET_STRINGS];
	size_t size = strlen(s) + 1;

	if (size == 1 || n->failed)
		return 0;
	for (i %= NET_SLOTS; n->slots[i] != 0; i = (i + 1) % NET_SLOTS)
		if (strcmp(n->strings + n->slots[i], s) == 0)
			return n->slots[i];
	if (n->nstrings == NET_STRINGS || size > PLAN_NET_STRINGS_MAX - used) {
		fail(n, n->r->root,
		    "the policy is too large: its hosts, paths "
		    "and names have no room");
		return 0;
	}
	memcpy(n->strings + used, s, size);
	n->count[PLAN_NET_STRINGS] += (uint32_t)size;
	n->nstrings++;
	n->slots[i] = used;
	return used;
}

static net_str
put_origin(struct net *n, const struct yaml_node *node)
{
	char text[CONFIG_PATH_MAX + 16];

	if (node->line == 0)
		return put(n, node->source->name);
	(void)snprintf(text, sizeof(text), "%s:%u", node->source->name,
	    node->line);
	return put(n, text);
}

static const char *
text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n == NULL ? "" : n->text;
}

/* The index of a word, or what it is by default. */
static uint32_t
word_of(const struct yaml_node *map, const char *key, uint32_t otherwise)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n == NULL ? otherwise : (uint32_t)n->number;
}

/* ---- order -------------------------------------------------------------------- */

/* For the comparisons below: qsort(3) has no argument for it. */
static const struct net *sorting;

static int
compare_numbers(uint64_t x, uint64_t y)
{
	return x < y ? -1 : x > y;
}

static int
compare_texts(net_str x, net_str y)
{
	return strcmp(sorting->strings + x, sorting->strings + y);
}

static int
compare_queries(const void *a, const void *b)
{
	const struct plan_net_query *x = a, *y = b;
	int order = compare_texts(x->name, y->name);

	return order != 0 ? order : compare_texts(x->pattern, y->pattern);
}

static int
compare_parameters(const struct plan_net_rule *x, const struct plan_net_rule *y)
{
	const struct plan_net_query *q = sorting->queries;
	int order = compare_numbers(x->nqueries, y->nqueries);
	uint32_t i;

	for (i = 0; order == 0 && i < x->nqueries; i++)
		order = compare_queries(&q[x->first_query + i],
		    &q[y->first_query + i]);
	return order;
}

/* By key, and then by all that a rule means: the order written says nothing. */
static int
compare_rules(const void *a, const void *b)
{
	const struct plan_net_rule *x = a, *y = b;
	int order = compare_numbers(x->key, y->key);

	if (order == 0)
		order = compare_numbers(x->verdict, y->verdict);
	if (order == 0)
		order = compare_texts(x->path, y->path);
	if (order == 0)
		order = compare_numbers(x->methods, y->methods);
	if (order == 0)
		order = compare_parameters(x, y);
	return order != 0 ? order : compare_numbers(x->ordinal, y->ordinal);
}

/* ---- destinations ------------------------------------------------------------- */

static int
is_plain(const struct yaml_node *to)
{
	return to->plain || to->number == NET_HTTP_PORT;
}

/* As written, or what a port stands for. */
static uint32_t
tls_of(const struct yaml_node *service, const struct yaml_node *to)
{
	const struct yaml_node *tls = yaml_get(service, "tls");

	if (tls != NULL)
		return tls->kind == YAML_MAP ? PLAN_NET_TLS_REQUIRED
					     : (uint32_t)tls->number;
	return to != NULL && is_plain(to) ? PLAN_NET_TLS_NONE
					  : PLAN_NET_TLS_REQUIRED;
}

static void
add_destination(struct net *n, uint32_t service, const struct yaml_node *node,
    const struct yaml_node *to)
{
	int64_t i = grow(n, PLAN_NET_DESTINATIONS, to);
	const char *colon = strrchr(to->text, ':');
	struct plan_net_destination *d;

	if (i == -1)
		return;
	d = &n->destinations[i];
	d->host = put(n,
	    arena_copy(&n->r->arena, to->text, (size_t)(colon - to->text)));
	d->port = (uint32_t)to->number;
	d->service = service;
	d->tls = n->services[service].protocol == PLAN_NET_TCP
		     ? PLAN_NET_TLS_NONE
		     : tls_of(node, to);
	d->open = to->open;
	n->destination_nodes[i] = to;
}

/* The same host and port twice in one list are one. */
static int
is_repeated(const struct yaml_node *first, const struct yaml_node *to)
{
	for (; first != to; first = first->next)
		if (strcmp(first->text, to->text) == 0)
			return 1;
	return 0;
}

static void
add_destinations(struct net *n, uint32_t service, const struct yaml_node *node)
{
	const struct yaml_node *list = yaml_get(node, "to"), *to;

	for (to = list->first; to != NULL; to = to->next)
		if (!is_repeated(list->first, to))
			add_destination(n, service, node, to);
}

/* ---- rules -------------------------------------------------------------------- */

static void
add_queries(struct net *n, struct plan_net_rule *r,
    const struct yaml_node *query)
{
	const struct yaml_node *q;
	int64_t i;

	r->first_query = n->count[PLAN_NET_QUERIES];
	for (q = query == NULL ? NULL : query->first; q != NULL; q = q->next) {
		if ((i = grow(n, PLAN_NET_QUERIES, q)) == -1)
			return;
		n->queries[i].name = put(n, q->key->text);
		n->queries[i].pattern = put(n, q->text);
		r->nqueries++;
	}
	sorting = n;
	if (r->nqueries > 1)
		qsort(n->queries + r->first_query, r->nqueries,
		    sizeof(*n->queries), compare_queries);
}

static void
add_rule(struct net *n, uint32_t service, enum plan_net_verdict verdict,
    uint32_t ordinal, const struct yaml_node *rule)
{
	int64_t i = grow(n, PLAN_NET_RULES, rule);
	const struct yaml_node *path = yaml_get(rule, "path");
	uint32_t methods = rules_methods(rule);
	struct plan_net_rule *r;

	if (i == -1)
		return;
	r = &n->rules[i];
	r->service = service;
	r->verdict = verdict;
	r->methods = methods == 0 ? PLAN_NET_METHODS_ANY : methods;
	r->path = put(n, path == NULL ? "" : path->text);
	r->key = plan_net_key(path == NULL ? NULL : path->text, &r->depth);
	r->why = put(n, text_of(rule, "why"));
	r->origin = put_origin(n, rule);
	r->ordinal = ordinal;
	add_queries(n, r, yaml_get(rule, "query"));
}

/* Sort one service's rules, and lay their parameters in the same order. */
static void
sort_rules(struct net *n, const struct plan_net_service *s)
{
	struct plan_net_rule *r = n->rules + s->first_rule;
	uint32_t first = s->nrules == 0 ? 0 : r[0].first_query, total, at, i, k;
	struct plan_net_query *old;

	if (s->nrules == 0)
		return;
	total = n->count[PLAN_NET_QUERIES] - first;
	old = arena_alloc(&n->r->arena, (total + 1) * sizeof(*old));
	memcpy(old, n->queries + first, total * sizeof(*old));
	sorting = n;
	qsort(r, s->nrules, sizeof(*r), compare_rules);
	for (at = first, i = 0; i < s->nrules; i++) {
		for (k = 0; k < r[i].nqueries; k++)
			n->queries[at + k] = old[r[i].first_query - first + k];
		r[i].first_query = at;
		at += r[i].nqueries;
	}
}

static void
add_rules(struct net *n, uint32_t service, const struct yaml_node *node)
{
	static const struct {
		const char *key;
		enum plan_net_verdict verdict;
	} lists[] = {
		{ "allow", PLAN_NET_ALLOW },
		{ "ask", PLAN_NET_ASK },
		{ "deny", PLAN_NET_DENY },
	};
	struct plan_net_service *s = &n->services[service];
	const struct yaml_node *list, *rule;
	uint32_t i, k;

	s->first_rule = n->count[PLAN_NET_RULES];
	for (i = 0; i < countof(lists); i++) {
		list = yaml_get(node, lists[i].key);
		if (list == NULL || list->kind != YAML_LIST)
			continue;
		for (rule = list->first, k = 0; rule != NULL;
		     rule = rule->next, k++)
			add_rule(n, service, lists[i].verdict, k, rule);
	}
	s->nrules = n->count[PLAN_NET_RULES] - s->first_rule;
	sort_rules(n, s);
	for (i = s->first_rule; i < s->first_rule + s->nrules; i++) {
		s->depths |= 1u << n->rules[i].depth;
		if (n->rules[i].verdict != PLAN_NET_DENY)
			s->methods |= n->rules[i].methods;
	}
}

/* ---- services ------------------------------------------------------------------ */

static int
compare_ranges(const void *a, const void *b)
{
	const struct net_range *x = a, *y = b;
	int order = compare_numbers(x->base.family, y->base.family);

	if (order == 0)
		order =
		    memcmp(x->base.bytes, y->base.bytes, sizeof(x->base.bytes));
	return order != 0 ? order : compare_numbers(x->prefix, y->prefix);
}

/* The address in front of the last slash. */
static void
add_ranges(struct net *n, struct plan_net_service *s,
    const struct yaml_node *list)
{
	const struct yaml_node *r;
	const char *slash;
	int64_t i;

	s->first_range = n->count[PLAN_NET_RANGES];
	for (r = list == NULL ? NULL : list->first; r != NULL; r = r->next) {
		if ((i = grow(n, PLAN_NET_RANGES, r)) == -1)
			return;
		slash = strrchr(r->text, '/');
		if (address_parse(arena_copy(&n->r->arena, r->text,
				      (size_t)(slash - r->text)),
			&n->ranges[i].base) == -1)
			fail(n, r, "is not a range");
		n->ranges[i].prefix = (uint32_t)r->number;
		s->nranges++;
	}
	if (s->nranges > 1)
		qsort(n->ranges + s->first_range, s->nranges,
		    sizeof(*n->ranges), compare_ranges);
}

static void
add_dial(struct net *n, struct plan_net_service *s,
    const struct yaml_node *dial)
{
	char host[CANON_HOST_SIZE];
	struct err e;

	if (dial == NULL)
		return;
	if (canon_authority(dial->text, strlen(dial->text), 0, host,
		&s->dial_port, &e) == -1 ||
	    !canon_host_address(host, &s->dial))
		fail(n, dial, "dial is not an address and a port");
}

static void
add_service(struct net *n, const struct yaml_node *node)
{
	const struct yaml_node *tls = yaml_get(node, "tls"), *n2;
	int64_t i = grow(n, PLAN_NET_SERVICES, node);
	struct plan_net_service *s;

	if (i == -1)
		return;
	s = &n->services[i];
	n->service_nodes[i] = node;
	s->name = put(n, node->key->text);
	s->origin = put_origin(n, node->key);
	s->protocol = word_of(node, "protocol", PLAN_NET_HTTP);
	s->allow_any = yaml_get(node, "allow")->kind != YAML_LIST;
	if (tls != NULL && tls->kind == YAML_MAP)
		s->ca = put(n, text_of(tls, "ca"));
	n2 = yaml_get(yaml_get(node, "body"), "max");
	s->body_max_bytes = n2 == NULL ? PLAN_NET_NO_LIMIT : n2->number;
	add_dial(n, s, yaml_get(node, "dial"));
	add_destinations(n, (uint32_t)i, node);
	add_rules(n, (uint32_t)i, node);
	add_ranges(n, s, yaml_get(node, "only_addresses"));
}

static int
compare_keys(const void *a, const void *b)
{
	const struct yaml_node *const *x = a, *const *y = b;

	return strcmp((*x)->key->text, (*y)->key->text);
}

/* The children of a mapping by their keys; their number in *ret. */
static const struct yaml_node **
sorted(struct net *n, const struct yaml_node *map, uint32_t *ret)
{
	uint32_t count = map == NULL ? 0 : map->count, i = 0;
	const struct yaml_node **list, *v;

	list = arena_alloc(&n->r->arena,
	    (count + 1) * sizeof(const struct yaml_node *));
	for (v = map == NULL ? NULL : map->first; v != NULL; v = v->next)
		list[i++] = v;
	if (i > 1)
		qsort(list, i, sizeof(const struct yaml_node *), compare_keys);
	*ret = i;
	return list;
}

/* ---- credentials ----------------------------------------------------------------- */

static void
add_source(struct net *n, struct plan_net_credential *c,
    const struct yaml_node *source)
{
	static const struct {
		const char *key;
		enum plan_net_source source;
	} sources[] = {
		{ "vault", PLAN_NET_SOURCE_VAULT },
		{ "env", PLAN_NET_SOURCE_ENV },
		{ "file", PLAN_NET_SOURCE_FILE },
	};

	size_t i;

	for (i = 0; i < countof(sources); i++)
		if (yaml_get(source, sources[i].key) != NULL) {
			c->source = sources[i].source;
			c->source_name =
			    put(n, text_of(source, sources[i].key));
		}
}

static void
add_credential(struct net *n, const struct yaml_node *node)
{
	const struct yaml_node *placeholder = yaml_get(node, "placeholder");
	int64_t i = grow(n, PLAN_NET_CREDENTIALS, node);
	struct plan_net_credential *c;

	if (i == -1)
		return;
	c = &n->credential[i];
	n->credential_nodes[i] = node;
	c->name = put(n, node->key->text);
	c->origin = put_origin(n, node->key);
	add_source(n, c, yaml_get(node, "source"));
	if (placeholder != NULL) {
		c->placeholder_env = put(n, text_of(placeholder, "env"));
		c->shape = word_of(placeholder, "shape", 0);
	}
	c->elsewhere = word_of(node, "elsewhere", PLAN_NET_ELSEWHERE_REFUSE);
	c->from_client =
	    word_of(node, "from_client", PLAN_NET_FROM_CLIENT_STRIP);
	c->scrub = word_of(node, "scrub_response", 1);
	c->required = word_of(node, "required", 1);
}

static void
fill_inject(struct net *n, struct plan_net_inject *j,
    const struct yaml_node *node)
{
	const struct yaml_node *as = yaml_get(node, "as");
	const char *format = "";

	j->as = as->kind != YAML_MAP            ? PLAN_NET_AS_BEARER
		: yaml_get(as, "basic") != NULL ? PLAN_NET_AS_BASIC
						: PLAN_NET_AS_HEADER;
	j->header = put(n, j->as == PLAN_NET_AS_HEADER ? text_of(as, "header")
						       : "authorization");
	if (j->as == PLAN_NET_AS_HEADER)
		format = yaml_get(as, "format") == NULL ? "{}"
							: text_of(as, "format");
	j->format = put(n, format);
	j->user =
	    put(n, j->as == PLAN_NET_AS_BASIC ? text_of(as, "basic") : "");
	j->origin = put_origin(n, node);
}

/* What would carry the secret in the clear, or where nobody could put it in. */
static void
check_channel(struct net *n, const struct plan_net_service *s,
    const struct yaml_node *service, const struct yaml_node *inject)
{
	const struct yaml_node *tls = yaml_get(service, "tls"), *to;

	if (s->protocol == PLAN_NET_TCP ||
	    tls_of(service, NULL) == PLAN_NET_TLS_SPLICE) {
		diag_error(&n->r->diag, yaml_place(inject),
		    "service %s is not looked into, so no credential can be "
		    "put in",
		    service->key->text);
		n->failed = 1;
	}
	if (tls != NULL || s->protocol == PLAN_NET_TCP)
		return;
	for (to = yaml_get(service, "to")->first; to != NULL; to = to->next)
		if (is_plain(to)) {
			diag_error(&n->r->diag, yaml_place(inject),
			    "the secret would go to %s in the clear; take the "
			    "host out, or say tls: none if that is meant",
			    to->text);
			n->failed = 1;
		}
}

/* A header of a service is filled by one credential at a time. */
static void
check_header(struct net *n, const struct plan_net_service *s,
    const struct plan_net_inject *j, const struct yaml_node *node)
{
	uint32_t i;

	for (i = s->first_inject; &n->injects[i] < j; i++)
		if (n->injects[i].header == j->header &&
		    (n->injects[i].when == PLAN_NET_WHEN_ALWAYS ||
			j->when == PLAN_NET_WHEN_ALWAYS ||
			n->injects[i].credential == j->credential)) {
			diag_error(&n->r->diag, yaml_place(node),
			    "two credentials for the header \"%s\" of one "
			    "service, and nothing says which",
			    n->strings + j->header);
			n->failed = 1;
		}
}

static void
add_inject(struct net *n, uint32_t service, uint32_t credential,
    const struct yaml_node *node)
{
	struct plan_net_service *s = &n->services[service];
	const struct plan_net_credential *c = &n->credential[credential];
	struct plan_net_inject *j;
	int64_t i;

	if (s->ninjects == PLAN_NET_SERVICE_INJECTS_MAX) {
		fail(n, node, "more than 8 credentials for one service");
		return;
	}
	if ((i = grow(n, PLAN_NET_INJECTS, node)) == -1)
		return;
	j = &n->injects[i];
	j->service = service;
	j->credential = credential;
	fill_inject(n, j, node);
	j->when = word_of(node, "when",
	    c->placeholder_env != 0 ? PLAN_NET_WHEN_PLACEHOLDER
				    : PLAN_NET_WHEN_ALWAYS);
	check_channel(n, s, n->service_nodes[service], node);
	check_header(n, s, j, node);
	s->ninjects++;
}

static int
compare_injects(const void *a, const void *b)
{
	const struct plan_net_inject *x = a, *y = b;
	int order = compare_numbers(x->credential, y->credential);

	return order != 0 ? order : compare_texts(x->header, y->header);
}

/* Those of one service, credential by credential. */
static void
add_injects(struct net *n, uint32_t service)
{
	struct plan_net_service *s = &n->services[service];
	const char *name = n->strings + s->name;
	const struct yaml_node *list, *v;
	uint32_t i;

	s->first_inject = n->count[PLAN_NET_INJECTS];
	for (i = 0; i < n->count[PLAN_NET_CREDENTIALS]; i++) {
		list = yaml_get(n->credential_nodes[i], "inject");
		for (v = list == NULL ? NULL : list->first; v != NULL;
		     v = v->next)
			if (strcmp(text_of(v, "service"), name) == 0)
				add_inject(n, service, i, v);
	}
	sorting = n;
	if (s->ninjects > 1)
		qsort(n->injects + s->first_inject, s->ninjects,
		    sizeof(*n->injects), compare_injects);
}

/*
 * Streams are opened where a rule, a credential or a bound needs to see
 * inside, and where the client could not verify the service itself.
 */
static void
decide_inspection(struct net *n, uint32_t service)
{
	struct plan_net_service *s = &n->services[service];
	uint32_t tls = tls_of(n->service_nodes[service], NULL), i;

	if (s->protocol == PLAN_NET_TCP || tls == PLAN_NET_TLS_SPLICE) {
		/* The file itself could not say so; a ceiling or layer can. */
		if (s->nrules != 0 || s->body_max_bytes != PLAN_NET_NO_LIMIT)
			fail(n, n->service_nodes[service]->key,
			    "this service is passed on unseen, and a ceiling "
			    "or another layer has rules for it");
		return;
	}
	s->inspect = s->nrules != 0 || s->ninjects != 0 || s->ca != 0 ||
		     s->body_max_bytes != PLAN_NET_NO_LIMIT;
	for (i = 0; i < n->count[PLAN_NET_DESTINATIONS]; i++)
		if (n->destinations[i].service == service &&
		    n->destinations[i].tls == PLAN_NET_TLS_NONE)
			s->inspect = 1;
}

/* ---- the same destination twice --------------------------------------------------- */

static int
same_ranges(const struct net *n, const struct plan_net_service *a,
    const struct plan_net_service *b)
{
	return a->nranges == b->nranges &&
	       memcmp(n->ranges + a->first_range, n->ranges + b->first_range,
		   a->nranges * sizeof(*n->ranges)) == 0;
}

/* What is settled before anybody has seen a request. */
static int
same_stream(const struct net *n, const struct plan_net_destination *a,
    const struct plan_net_destination *b)
{
	const struct plan_net_service *x = &n->services[a->service];
	const struct plan_net_service *y = &n->services[b->service];

	return a->tls == b->tls && x->protocol == y->protocol &&
	       x->ca == y->ca && x->dial_port == y->dial_port &&
	       memcmp(&x->dial, &y->dial, sizeof(x->dial)) == 0 &&
	       same_ranges(n, x, y);
}

static int
meet(const struct net *n, const struct plan_net_destination *a,
    const struct plan_net_destination *b)
{
	const char *x = n->strings + a->host, *y = n->strings + b->host;
	const char *dot;

	if (a->port != b->port)
		return 0;
	if (a->host == b->host)
		return 1;
	/* "*." stands for one label; of an address for none. */
	if (strncmp(x, "*.", 2) != 0 || *y == '*' || *y == '[')
		return 0;
	dot = strchr(y, '.');
	return dot != NULL && strcmp(dot, x + 1) == 0;
}

static void
check_meeting(struct net *n, uint32_t i, uint32_t k)
{
	const struct plan_net_destination *a = &n->destinations[i];
	const struct plan_net_destination *b = &n->destinations[k];

	if (a->service == b->service || !meet(n, a, b) || same_stream(n, a, b))
		return;
	diag_error(&n->r->diag, yaml_place(n->destination_nodes[k]),
	    "%s is in the services %s and %s, which connect in different ways: "
	    "protocol, tls, ca, dial and only_addresses must agree",
	    n->destination_nodes[k]->text,
	    n->strings + n->services[a->service].name,
	    n->strings + n->services[b->service].name);
	n->failed = 1;
}

static int
is_wild(const struct net *n, const struct plan_net_destination *d)
{
	return n->strings[d->host] == '*';
}

/* Of equal hosts each pair once; of a wildcard, all that it stands for. */
static void
check_meetings(struct net *n)
{
	uint32_t count = n->count[PLAN_NET_DESTINATIONS], i, k;

	for (i = 0; i < count; i++)
		for (k = is_wild(n, &n->destinations[i]) ? 0 : i + 1; k < count;
		     k++)
			if (k > i ||
			    n->destinations[i].host != n->destinations[k].host)
				check_meeting(n, i, k);
}

/* ---- packing ------------------------------------------------------------------------ */

static int
compare_destinations(const void *a, const void *b)
{
	const struct plan_net_destination *x = a, *y = b;
	int order = compare_texts(x->host, y->host);

	if (order == 0)
		order = compare_numbers(x->port, y->port);
	return order != 0 ? order : compare_numbers(x->service, y->service);
}

/* Where a section's records are. */
static void *
records(struct net *n, enum plan_net_section s)
{
	void *const at[] = {
		[PLAN_NET_SERVICES] = n->services,
		[PLAN_NET_DESTINATIONS] = n->destinations,
		[PLAN_NET_RULES] = n->rules,
		[PLAN_NET_QUERIES] = n->queries,
		[PLAN_NET_RANGES] = n->ranges,
		[PLAN_NET_CREDENTIALS] = n->credential,
		[PLAN_NET_INJECTS] = n->injects,
		[PLAN_NET_STRINGS] = n->strings,
	};

	return at[s];
}

/* The strings of one field of a section, out of the old pool into the new. */
static void
move_strings(struct net *n, const struct plan_net_field *f, const char *old)
{
	char *at = (char *)records(n, f->section) + f->offset;
	uint32_t i;
	net_str s;

	for (i = 0; i < n->count[f->section]; i++) {
		memcpy(&s, at, sizeof(s));
		s = put(n, old + s);
		memcpy(at, &s, sizeof(s));
		at += plan_net_record(f->section);
	}
}

/*
 * Lay the strings in the order of the sorted records, origins last: then one
 * meaning has one digest, in whatever order it was written.
 */
static uint32_t
lay_strings(struct net *n)
{
	const char *old = n->strings;
	uint32_t meant = 0;
	uint32_t origin;
	size_t i;

	n->strings = arena_alloc(&n->r->arena, PLAN_NET_STRINGS_MAX);
	memset(n->slots, 0, NET_SLOTS * sizeof(*n->slots));
	n->count[PLAN_NET_STRINGS] = 1;
	n->nstrings = 0;
	for (origin = 0; origin < 2; origin++) {
		for (i = 0; i < plan_net_nfields; i++)
			if (plan_net_fields[i].origin == origin)
				move_strings(n, &plan_net_fields[i], old);
		if (origin == 0)
			meant = n->count[PLAN_NET_STRINGS];
	}
	return meant;
}

static void
pack(struct net *n, union plan_net_room *ret)
{
	uint32_t meant = lay_strings(n);
	size_t at = sizeof(ret->net), size;
	unsigned i;

	memset(&ret->net, 0, sizeof(ret->net));
	for (i = 0; i < PLAN_NET_SECTION__MAX; i++) {
		size = n->count[i] * plan_net_record((enum plan_net_section)i);
		ret->net.section[i].offset = (uint32_t)at;
		ret->net.section[i].count = n->count[i];
		memcpy(ret->bytes + at, records(n, (enum plan_net_section)i),
		    size);
		memset(ret->bytes + at + size, 0, -size & 7);
		at += (size + 7) & ~(size_t)7;
	}
	ret->net.nmeant = meant;
	ret->net.audit = word_of(yaml_get(n->r->root, "audit"), "decisions",
	    PLAN_NET_RECORD_ALL);
	plan_net_seal(&ret->net);
}

static void
start(struct net *n)
{
	struct arena *a = &n->r->arena;

#define ROOM(field, most) n->field = arena_alloc(a, (most) * sizeof(*n->field))
#define NODES(field, most) \
	n->field = arena_alloc(a, (most) * sizeof(const struct yaml_node *))
	ROOM(services, PLAN_NET_SERVICES_MAX);
	NODES(service_nodes, PLAN_NET_SERVICES_MAX);
	ROOM(destinations, PLAN_NET_DESTINATIONS_MAX);
	NODES(destination_nodes, PLAN_NET_DESTINATIONS_MAX);
	ROOM(rules, PLAN_NET_RULES_MAX);
	ROOM(queries, PLAN_NET_QUERIES_MAX);
	ROOM(ranges, PLAN_NET_RANGES_MAX);
	ROOM(credential, PLAN_NET_CREDENTIALS_MAX);
	NODES(credential_nodes, PLAN_NET_CREDENTIALS_MAX);
	ROOM(injects, PLAN_NET_INJECTS_MAX);
	ROOM(strings, PLAN_NET_STRINGS_MAX);
	ROOM(slots, NET_SLOTS);
#undef ROOM
#undef NODES
	n->count[PLAN_NET_STRINGS] = 1;
}

static int
is_empty(const struct yaml_node *map)
{
	return map == NULL || map->count == 0;
}

int
compile_net(struct resolve *r, union plan_net_room *ret)
{
	const struct yaml_node *services =
	    yaml_get(yaml_get(r->root, "network"), "services");
	struct net n = { .r = r };
	int ceiling = r->root->source->ceiling;
	const struct yaml_node **list;
	uint32_t count, i;
	struct err e;

	ret->net.size = 0;
	n.credentials = yaml_get(r->root, "credentials");
	if (is_empty(services) && is_empty(n.credentials))
		return 0;
	start(&n);
	list = sorted(&n, services, &count);
	for (i = 0; i < count; i++)
		add_service(&n, list[i]);
	list = sorted(&n, n.credentials, &count);
	for (i = 0; i < count; i++)
		add_credential(&n, list[i]);
	for (i = 0; i < n.count[PLAN_NET_SERVICES]; i++) {
		add_injects(&n, i);
		decide_inspection(&n, i);
	}
	/* what a ceiling allows is compared, never run */
	if (!ceiling)
		check_meetings(&n);
	if (n.failed)
		return -1;
	sorting = &n;
	qsort(n.destinations, n.count[PLAN_NET_DESTINATIONS],
	    sizeof(*n.destinations), compare_destinations);
	pack(&n, ret);
	if (plan_net_check(&ret->net, ret->net.size, &e) == 0)
		return 0;
	fail(&n, r->root, e.msg);
	return -1;
}
