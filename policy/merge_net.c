#include <stdio.h>
#include <string.h>

#include "address.h"
#include "merge_net.h"
#include "rules.h"

static struct yaml_node *
copy(struct arena *a, const struct yaml_node *n)
{
	struct yaml_node *c = arena_alloc(a, sizeof(*c));

	*c = *n;
	c->next = NULL;
	return c;
}

static struct yaml_node *
copy_empty(struct arena *a, const struct yaml_node *n)
{
	struct yaml_node *c = copy(a, n);

	c->first = c->last = NULL;
	c->count = 0;
	return c;
}

/* Put a value in the place of a key's, or at the end. */
static struct yaml_node *
with_value(struct arena *a, const struct yaml_node *map, const char *key,
    const struct yaml_node *value)
{
	struct yaml_node *out = copy_empty(a, map), *k;
	const struct yaml_node *n;
	int done = 0;

	for (n = map->first; n != NULL; n = n->next) {
		int here = strcmp(n->key->text, key) == 0;

		yaml_append(out, n->key, copy(a, here ? value : n));
		done |= here;
	}
	if (!done) {
		k = yaml_new(value, YAML_STRING);
		k->text = key;
		yaml_append(out, k, copy(a, value));
	}
	return out;
}

/* ---- rules -------------------------------------------------------------- */

static const char *
text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n == NULL ? NULL : n->text;
}

static int
has_rule(const struct yaml_node *list, const struct yaml_node *rule)
{
	const struct yaml_node *n;

	for (n = list->first; n != NULL; n = n->next)
		if (rules_same_matcher(n, rule))
			return 1;
	return 0;
}

/* Add the rules of one list of "from" to that of "to". */
static void
unite(struct arena *a, struct yaml_node *to, const struct yaml_node *from,
    const char *list)
{
	const struct yaml_node *theirs = yaml_get(from, list), *n;
	struct yaml_node *mine = yaml_get(to, list), *key, *first;

	if (theirs == NULL)
		return;
	if (mine == NULL) {
		key = theirs->key;
		mine = copy_empty(a, theirs);
		yaml_append(to, key, mine);
	} else {
		/* The list is shared with its layer until now. */
		first = mine->first;
		mine->first = mine->last = NULL;
		mine->count = 0;
		for (; first != NULL; first = first->next)
			yaml_append(mine, NULL, copy(a, first));
	}
	for (n = theirs->first; n != NULL; n = n->next)
		if (!has_rule(mine, n))
			yaml_append(mine, NULL, copy(a, n));
}

void
merge_net_deny(struct arena *a, struct yaml_node *to,
    const struct yaml_node *from)
{
	unite(a, to, from, "deny");
}

void
merge_net_ask(struct arena *a, struct yaml_node *to,
    const struct yaml_node *from)
{
	unite(a, to, from, "ask");
}

/* Both rules' methods; -1 if they have none in common. */
static int
common_methods(struct arena *a, struct yaml_node **rule,
    const struct yaml_node *cut)
{
	const struct yaml_node *theirs = yaml_get(cut, "methods"), *n;
	struct yaml_node *mine = yaml_get(*rule, "methods"), *list;
	uint32_t ms = rules_methods(*rule), ts = rules_methods(cut);

	if (ts == 0 || ms == ts)
		return 0;
	if (ms == 0 || (ms & ts) == ts) {
		*rule = with_value(a, *rule, "methods", theirs);
		return 0;
	}
	if ((ms & ts) == ms || (ms & ts) == 0)
		return (ms & ts) == 0 ? -1 : 0;
	/* Neither contains the other, so at least one is a list. */
	if (mine->kind != YAML_LIST)
		mine = yaml_get(cut, "methods");
	list = copy_empty(a, mine);
	for (n = mine->first; n != NULL; n = n->next)
		if ((ms & ts & 1u << n->number) != 0)
			yaml_append(list, NULL, copy(a, n));
	*rule = with_value(a, *rule, "methods", list);
	return 0;
}

static int
common_path(struct arena *a, struct yaml_node **rule,
    const struct yaml_node *cut)
{
	const char *mine = text_of(*rule, "path"), *theirs;

	theirs = text_of(cut, "path");
	if (merge_net_path_covers(theirs, mine))
		return 0;
	if (!merge_net_path_covers(mine, theirs))
		return -1;
	*rule = with_value(a, *rule, "path", yaml_get(cut, "path"));
	return 0;
}

/* The parameters of both; one that both name must have one pattern. */
static int
common_query(struct arena *a, struct yaml_node **rule,
    const struct yaml_node *cut)
{
	const struct yaml_node *theirs = yaml_get(cut, "query"), *n, *v;
	struct yaml_node *mine = yaml_get(*rule, "query"), *both;

	if (theirs == NULL)
		return 0;
	both = mine == NULL ? copy_empty(a, theirs) : copy_empty(a, mine);
	for (n = mine == NULL ? NULL : mine->first; n != NULL; n = n->next)
		yaml_append(both, n->key, copy(a, n));
	for (n = theirs->first; n != NULL; n = n->next) {
		if ((v = yaml_get(mine, n->key->text)) == NULL)
			yaml_append(both, n->key, copy(a, n));
		else if (strcmp(v->text, n->text) != 0 &&
			 strcmp(n->text, "*") != 0)
			return -1;
	}
	*rule = with_value(a, *rule, "query", both);
	return 0;
}

/* Every pair of rules that meet; NULL where nothing is left. */
static struct yaml_node *
cut_rules(struct arena *a, const struct yaml_node *allow,
    const struct yaml_node *ceiling, struct diag *d)
{
	struct yaml_node *out = copy_empty(a, allow), *rule;
	const struct yaml_node *n, *c;
	unsigned before;

	for (n = allow->first; n != NULL; n = n->next) {
		before = out->count;
		for (c = ceiling->first; c != NULL; c = c->next) {
			rule = copy(a, n);
			if (common_methods(a, &rule, c) == 0 &&
			    common_path(a, &rule, c) == 0 &&
			    common_query(a, &rule, c) == 0 &&
			    !has_rule(out, rule) && out->count < YAML_ITEMS_MAX)
				yaml_append(out, NULL, rule);
		}
		if (out->count == before)
			diag_warn(d, yaml_place(n),
			    "this rule is taken away by the ceiling %s:%u",
			    ceiling->source->name, ceiling->line);
	}
	return out->count == 0 ? NULL : out;
}

/* allow after the ceiling's, or NULL. */
static struct yaml_node *
cut_allow(struct arena *a, const struct yaml_node *allow,
    const struct yaml_node *ceiling, struct diag *d)
{
	if (ceiling->kind != YAML_LIST)
		return copy(a, allow);
	if (allow->kind != YAML_LIST)
		return copy(a, ceiling);
	return cut_rules(a, allow, ceiling, d);
}

/* ---- services ----------------------------------------------------------- */

static int
list_covers(const struct yaml_node *list, const char *host)
{
	const struct yaml_node *n;

	for (n = list->first; n != NULL; n = n->next)
		if (merge_net_host_covers(n->text, host))
			return 1;
	return 0;
}

/* The ceiling's first service of the same protocol that has the host. */
static const struct yaml_node *
covering_service(const struct yaml_node *ceiling, const char *host,
    const char *protocol)
{
	const struct yaml_node *c;
	const char *p;

	for (c = ceiling->first; c != NULL; c = c->next) {
		p = text_of(c, "protocol");
		if (strcmp(p == NULL ? "http" : p, protocol) == 0 &&
		    list_covers(yaml_get(c, "to"), host))
			return c;
	}
	return NULL;
}

/* The ceiling's service for the first host that one covers. */
static const struct yaml_node *
find_cover(const struct yaml_node *service, const struct yaml_node *ceiling)
{
	const char *protocol = text_of(service, "protocol");
	const struct yaml_node *n, *c;

	for (n = yaml_get(service, "to")->first; n != NULL; n = n->next) {
		c = covering_service(ceiling, n->text,
		    protocol == NULL ? "http" : protocol);
		if (c != NULL)
			return c;
	}
	return NULL;
}

static struct yaml_node *
cut_hosts(struct arena *a, const struct yaml_node *to,
    const struct yaml_node *cover, struct diag *d)
{
	struct yaml_node *out = copy_empty(a, to);
	const struct yaml_node *n;

	for (n = to->first; n != NULL; n = n->next)
		if (list_covers(yaml_get(cover, "to"), n->text))
			yaml_append(out, NULL, copy(a, n));
		else
			diag_warn(d, yaml_place(n),
			    "%s is taken away by the ceiling %s:%u", n->text,
			    cover->source->name, cover->line);
	return out;
}

/* A body no larger than the ceiling's. */
static struct yaml_node *
cut_body(struct arena *a, struct yaml_node *service,
    const struct yaml_node *cover)
{
	const struct yaml_node *mine = yaml_get(service, "body");
	const struct yaml_node *theirs = yaml_get(cover, "body");

	if (theirs == NULL ||
	    (mine != NULL && yaml_get(mine, "max")->number <=
				 yaml_get(theirs, "max")->number))
		return service;
	return with_value(a, service, "body", theirs);
}

static int
range_of(const struct yaml_node *n, struct net_range *ret)
{
	char text[64];
	size_t size = strcspn(n->text, "/");

	if (size >= sizeof(text))
		return -1;
	memcpy(text, n->text, size);
	text[size] = '\0';
	ret->prefix = (uint32_t)n->number;
	return address_parse(text, &ret->base);
}

static int
range_covers(const struct net_range *x, const struct net_range *y)
{
	return x->prefix <= y->prefix && address_in_range(&y->base, x);
}

/* Two ranges are apart, or one lies in the other: the smaller one, or NULL. */
static const struct yaml_node *
common_range(const struct yaml_node *x, const struct yaml_node *y)
{
	struct net_range rx, ry;

	if (range_of(x, &rx) == -1 || range_of(y, &ry) == -1)
		return NULL;
	return range_covers(&rx, &ry) ? y : range_covers(&ry, &rx) ? x : NULL;
}

static int
has_text(const struct yaml_node *list, const char *text)
{
	const struct yaml_node *n;

	for (n = list->first; n != NULL; n = n->next)
		if (strcmp(n->text, text) == 0)
			return 1;
	return 0;
}

/* The ceiling's addresses, as far as they are the service's too. */
static struct yaml_node *
cut_ranges(struct arena *a, struct yaml_node *service,
    const struct yaml_node *cover)
{
	const struct yaml_node *mine = yaml_get(service, "only_addresses");
	const struct yaml_node *theirs = yaml_get(cover, "only_addresses");
	const struct yaml_node *n, *m, *both;
	struct yaml_node *out;

	if (theirs == NULL)
		return service;
	if (mine == NULL)
		return with_value(a, service, "only_addresses", theirs);
	out = copy_empty(a, mine);
	for (n = mine->first; n != NULL; n = n->next)
		for (m = theirs->first; m != NULL; m = m->next) {
			both = common_range(m, n);
			if (both != NULL && !has_text(out, both->text) &&
			    out->count < YAML_ITEMS_MAX)
				yaml_append(out, NULL, copy(a, both));
		}
	return out->count == 0 ? NULL
			       : with_value(a, service, "only_addresses", out);
}

/* Do the two have a host in common? */
static int
meet(const struct yaml_node *x, const struct yaml_node *y)
{
	const struct yaml_node *n;

	for (n = yaml_get(x, "to")->first; n != NULL; n = n->next)
		if (list_covers(yaml_get(y, "to"), n->text))
			return 1;
	for (n = yaml_get(y, "to")->first; n != NULL; n = n->next)
		if (list_covers(yaml_get(x, "to"), n->text))
			return 1;
	return 0;
}

/* Not only the covering service's: what any of them denies there is denied. */
static void
add_denies(struct arena *a, struct yaml_node *service,
    const struct yaml_node *ceiling)
{
	const struct yaml_node *c;

	for (c = ceiling->first; c != NULL; c = c->next)
		if (meet(service, c))
			merge_net_deny(a, service, c);
}

/* What may be asked for is no more than what may be allowed. */
static struct yaml_node *
cut_ask(struct arena *a, struct yaml_node *service,
    const struct yaml_node *allow, struct diag *d)
{
	const struct yaml_node *ask = yaml_get(service, "ask"), *n;
	struct yaml_node *out, *left;

	if (ask == NULL || allow->kind != YAML_LIST)
		return service;
	left = cut_rules(a, ask, allow, d);
	if (left != NULL)
		return with_value(a, service, "ask", left);
	out = copy_empty(a, service);
	for (n = service->first; n != NULL; n = n->next)
		if (n != ask)
			yaml_append(out, n->key, copy(a, n));
	return out;
}

struct yaml_node *
merge_net_cut(struct arena *a, const struct yaml_node *service,
    const struct yaml_node *ceiling, struct diag *d)
{
	const struct yaml_node *cover = find_cover(service, ceiling);
	struct yaml_node *out = NULL, *allow = NULL;

	if (cover != NULL)
		allow = cut_allow(a, yaml_get(service, "allow"),
		    yaml_get(cover, "allow"), d);
	if (allow != NULL) {
		out = with_value(a, service, "allow", allow);
		out = with_value(a, out, "to",
		    cut_hosts(a, yaml_get(service, "to"), cover, d));
		out = cut_ranges(a, cut_body(a, out, cover), cover);
	}
	if (out != NULL)
		out = cut_ask(a, out, yaml_get(cover, "allow"), d);
	if (out == NULL)
		diag_warn(d, yaml_place(service->key),
		    "service %s is taken away by the ceiling %s:%u",
		    service->key->text, ceiling->source->name, ceiling->line);
	else
		add_denies(a, out, ceiling);
	return out;
}
