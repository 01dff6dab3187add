#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "address.h"
#include "canon.h"
#include "check_net.h"
#include "merge_net.h"
#include "rules.h"

struct check {
	const struct yaml_node *services, *credentials;
	struct diag *d;
};

static const char *
text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n == NULL ? NULL : n->text;
}

static const struct yaml_node *
first_of(const struct yaml_node *n)
{
	return n == NULL || n->kind != YAML_LIST ? NULL : n->first;
}

static const struct yaml_node *
first_in(const struct yaml_node *map)
{
	return map == NULL ? NULL : map->first;
}

/* ---- rules ---------------------------------------------------------------- */

/* Everything below the root, or below nothing at all. */
static int
is_broad(const char *path)
{
	return path == NULL || strcmp(path, "/**") == 0;
}

static void
check_breadth(const struct check *c, const struct yaml_node *rule)
{
	uint32_t methods = rules_methods(rule);

	if (is_broad(text_of(rule, "path")) &&
	    yaml_get(rule, "query") == NULL &&
	    (methods == 0 || (methods & ~PLAN_NET_METHODS_READ) != 0))
		diag_warn(c->d, yaml_place(rule),
		    "this allows methods that change things on every path; "
		    "name the paths");
}

static int
methods_cover(uint32_t a, uint32_t b)
{
	return a == 0 || (b != 0 && (a & b) == b);
}

/* Whatever b matches, a matches too. */
static int
rule_covers(const struct yaml_node *a, const struct yaml_node *b)
{
	return yaml_get(a, "query") == NULL &&
	       methods_cover(rules_methods(a), rules_methods(b)) &&
	       merge_net_path_covers(text_of(a, "path"), text_of(b, "path"));
}

/* The first rule of a list, before "end", that covers this one. */
static const struct yaml_node *
find_cover(const struct yaml_node *list, const struct yaml_node *end,
    const struct yaml_node *rule)
{
	const struct yaml_node *n;

	for (n = first_of(list); n != NULL && n != end; n = n->next)
		if (rule_covers(n, rule))
			return n;
	return NULL;
}

/* A rule that a stronger one swallows, or that an earlier one makes idle. */
static void
check_reach(const struct check *c, const struct yaml_node *service,
    const char *list, const struct yaml_node *rule)
{
	const struct yaml_node *n;
	int allow = strcmp(list, "allow") == 0;

	n = find_cover(yaml_get(service, "deny"), NULL, rule);
	if (n != NULL) {
		diag_warn(c->d, yaml_place(rule),
		    "this rule can never match: line %u denies all of it",
		    n->line);
		return;
	}
	n = allow ? find_cover(yaml_get(service, "ask"), NULL, rule) : NULL;
	if (n != NULL) {
		diag_warn(c->d, yaml_place(rule),
		    "this rule can never match: line %u asks about all of it",
		    n->line);
		return;
	}
	n = find_cover(yaml_get(service, list), rule, rule);
	if (n != NULL)
		diag_warn(c->d, yaml_place(rule),
		    "this rule changes nothing: line %u %s all of it", n->line,
		    allow ? "allows" : "asks about");
}

static void
check_rules(const struct check *c, const struct yaml_node *service)
{
	const struct yaml_node *n;

	for (n = first_of(yaml_get(service, "allow")); n != NULL; n = n->next) {
		check_breadth(c, n);
		check_reach(c, service, "allow", n);
	}
	for (n = first_of(yaml_get(service, "ask")); n != NULL; n = n->next)
		check_reach(c, service, "ask", n);
	for (n = first_of(yaml_get(service, "deny")); n != NULL; n = n->next)
		if (find_cover(yaml_get(service, "deny"), n, n) != NULL)
			diag_warn(c->d, yaml_place(n),
			    "this rule changes nothing: line %u denies all of "
			    "it",
			    find_cover(yaml_get(service, "deny"), n, n)->line);
}

/* ---- addresses ------------------------------------------------------------- */

static int
range_of(const struct yaml_node *n, struct net_range *ret)
{
	char text[CANON_HOST_SIZE];
	size_t size = strcspn(n->text, "/");

	if (size >= sizeof(text))
		return -1;
	memcpy(text, n->text, size);
	text[size] = '\0';
	ret->prefix = (uint32_t)n->number;
	return address_parse(text, &ret->base);
}

enum {
	BROAD_V4 = 8, /* a /7 of IPv4 is more than any site has */
	BROAD_V6 = 16,
};

static void
check_ranges(const struct check *c, const struct yaml_node *service)
{
	const struct yaml_node *n;
	struct net_range r;

	for (n = first_of(yaml_get(service, "only_addresses")); n != NULL;
	     n = n->next) {
		if (range_of(n, &r) == -1)
			continue;
		/* One address says it of the range only where it is narrow. */
		if (r.prefix >= (r.base.family == 4 ? 32u : 128u) &&
		    address_judge(&r.base, 443, NULL) == ADDRESS_BLOCKED)
			diag_warn(c->d, yaml_place(n),
			    "%s is always blocked, so nothing is ever "
			    "connected there",
			    n->text);
		if (r.prefix < (r.base.family == 4 ? BROAD_V4 : BROAD_V6))
			diag_warn(c->d, yaml_place(n),
			    "%s opens private addresses far and wide; name "
			    "the range",
			    n->text);
	}
}

static int
is_opened(const struct yaml_node *service, const struct net_address *a)
{
	const struct yaml_node *list = yaml_get(service, "only_addresses"), *n;
	struct net_range r;

	for (n = first_of(list); n != NULL; n = n->next)
		if (range_of(n, &r) == 0 && address_in_range(a, &r))
			return 1;
	return 0;
}

/* A host that is an address, of a class that nothing opens. */
static void
check_literal(const struct check *c, const struct yaml_node *service,
    const struct yaml_node *to)
{
	char host[CANON_HOST_SIZE];
	enum address_class class;
	struct net_address a;
	uint32_t port;

	if (canon_authority(to->text, strlen(to->text), 443, host, &port,
		NULL) == -1 ||
	    !canon_host_address(host, &a) || yaml_get(service, "dial") != NULL)
		return;
	class = address_judge(&a, port, NULL);
	if (to->open != PLAN_NET_OPEN_PUBLIC && class != ADDRESS_BLOCKED &&
	    yaml_get(service, "only_addresses") == NULL)
		return;
	if (class == ADDRESS_BLOCKED)
		diag_warn(c->d, yaml_place(to),
		    "%s is always blocked: no policy opens it", to->text);
	else if (!is_opened(service, &a) &&
		 (class != ADDRESS_PUBLIC ||
		     yaml_get(service, "only_addresses") != NULL))
		diag_warn(c->d, yaml_place(to),
		    "%s is never connected to: its address is %s, and "
		    "only_addresses does not name it",
		    to->text, address_class_name(class));
}

/* ---- services ---------------------------------------------------------------- */

static void
check_file(const struct check *c, const struct yaml_node *file, int secret)
{
	struct stat st;

	if (file == NULL)
		return;
	if (stat(file->text, &st) == -1)
		diag_warn(c->d, yaml_place(file), "%s: %s", file->text,
		    errno == EACCES ? "cannot be read by this user"
				    : "does not exist on this host");
	else if (secret && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		diag_warn(c->d, yaml_place(file),
		    "%s can be read or written by others than its owner",
		    file->text);
}

static void
check_service(const struct check *c, const struct yaml_node *service)
{
	const struct yaml_node *tls = yaml_get(service, "tls"), *n;

	if ((n = yaml_get(service, "dial")) != NULL)
		diag_warn(c->d, yaml_place(n->key),
		    "service %s connects to %s whatever its name resolves to",
		    service->key->text, n->text);
	if (tls != NULL && tls->kind == YAML_MAP)
		check_file(c, yaml_get(tls, "ca"), 0);
	check_rules(c, service);
	check_ranges(c, service);
	for (n = yaml_get(service, "to")->first; n != NULL; n = n->next)
		check_literal(c, service, n);
}

/* A host in two services: what either denies is denied. */
static void
check_overlap(const struct check *c, const struct yaml_node *a,
    const struct yaml_node *b)
{
	const struct yaml_node *x, *y;

	for (x = yaml_get(a, "to")->first; x != NULL; x = x->next)
		for (y = yaml_get(b, "to")->first; y != NULL; y = y->next)
			if (merge_net_host_covers(x->text, y->text) ||
			    merge_net_host_covers(y->text, x->text))
				diag_warn(c->d, yaml_place(y),
				    "%s belongs to service %s too (line %u)",
				    y->text, a->key->text, x->line);
}

/* ---- credentials --------------------------------------------------------------- */

static void
check_use(const struct check *c, const struct yaml_node *inject,
    const struct yaml_node *service)
{
	const struct yaml_node *allow = yaml_get(service, "allow");
	const struct yaml_node *tls = yaml_get(service, "tls");

	if (allow->kind != YAML_LIST)
		diag_warn(c->d, yaml_place(inject),
		    "service %s allows any request, and each would carry this "
		    "credential; name methods and paths",
		    service->key->text);
	if (tls != NULL && strcmp(tls->text, "none") == 0)
		diag_warn(c->d, yaml_place(inject),
		    "the secret goes to service %s in the clear (line %u)",
		    service->key->text, tls->line);
}

static void
check_credential(const struct check *c, const struct yaml_node *credential)
{
	const struct yaml_node *n, *service;
	unsigned consumers = 0;

	for (n = first_of(yaml_get(credential, "inject")); n != NULL;
	     n = n->next) {
		service = yaml_get(c->services, text_of(n, "service"));
		if (service == NULL)
			continue;
		consumers++;
		check_use(c, n, service);
	}
	if (consumers == 0)
		diag_warn(c->d, yaml_place(credential->key),
		    "credential %s has no consumer: no service of this policy "
		    "gets it",
		    credential->key->text);
	check_file(c, yaml_get(yaml_get(credential, "source"), "file"), 1);
}

/* ---- this host ------------------------------------------------------------------ */

/* Is this program of Warder's not beside this one? */
static int
is_missing(const char *program)
{
	char path[CONFIG_PATH_MAX + 32], *slash;
	ssize_t n = readlink("/proc/self/exe", path, CONFIG_PATH_MAX);

	if (n <= 0 || n == CONFIG_PATH_MAX)
		return 0;
	path[n] = '\0';
	if ((slash = strrchr(path, '/')) == NULL)
		return 0;
	(void)snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path),
	    "%s", program);
	return access(path, X_OK) == -1;
}

static int
wants_vault(const struct yaml_node *credentials)
{
	const struct yaml_node *n;

	for (n = first_in(credentials); n != NULL; n = n->next)
		if (yaml_get(yaml_get(n, "source"), "vault") != NULL)
			return 1;
	return 0;
}

static void
check_programs(const struct check *c)
{
	if (c->services != NULL && c->services->count > 0 &&
	    is_missing("warder-proxy"))
		diag_warn(c->d, yaml_place(c->services),
		    "services cannot be enforced on this host: there is no "
		    "warder-proxy");
	if (wants_vault(c->credentials) && is_missing("warder-vault"))
		diag_warn(c->d, yaml_place(c->credentials),
		    "entries of the vault cannot be used on this host: there "
		    "is no warder-vault");
}

void
check_net(struct resolve *r)
{
	const struct check c = { yaml_get(yaml_get(r->root, "network"),
				     "services"),
		yaml_get(r->root, "credentials"), &r->diag };
	const struct yaml_node *n, *m;

	check_programs(&c);
	for (n = first_in(c.services); n != NULL; n = n->next) {
		check_service(&c, n);
		for (m = n->next; m != NULL; m = m->next)
			check_overlap(&c, n, m);
	}
	for (n = first_in(c.credentials); n != NULL; n = n->next)
		check_credential(&c, n);
}
