#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"
#include "merge_net.h"
#include "path.h"
#include "rules.h"

#ifndef __NR_landlock_create_ruleset
#	define __NR_landlock_create_ruleset 444
#endif

struct check {
	struct resolve *r;
	const struct plan *p;
	struct diag *d;
};

static const struct yaml_node *
section(const struct check *c, const char *name, const char *key)
{
	return yaml_get(yaml_get(c->r->root, name), key);
}

static const char *
text_of(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = yaml_get(map, key);

	return n == NULL ? NULL : n->text;
}

static const struct yaml_node *
first_of(const struct yaml_node *n)
{
	return n == NULL ? NULL : n->first;
}

/* ---- network ------------------------------------------------------------ */

enum {
	READ_METHODS = 1 << 0 | 1 << 1 | 1 << 2
}; /* GET, HEAD, OPTIONS */

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
	    (methods == 0 || (methods & ~(uint32_t)READ_METHODS) != 0))
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

/* An allow that a deny swallows, or that an earlier allow makes idle. */
static void
check_reach(const struct check *c, const struct yaml_node *service,
    const struct yaml_node *rule)
{
	const struct yaml_node *n;

	for (n = first_of(yaml_get(service, "deny")); n != NULL; n = n->next)
		if (rule_covers(n, rule)) {
			diag_warn(c->d, yaml_place(rule),
			    "this rule can never match: line %u denies all of "
			    "it",
			    n->line);
			return;
		}
	for (n = yaml_get(service, "allow")->first; n != rule; n = n->next)
		if (rule_covers(n, rule)) {
			diag_warn(c->d, yaml_place(rule),
			    "this rule changes nothing: line %u allows all of "
			    "it",
			    n->line);
			return;
		}
}

static void
check_service(const struct check *c, const struct yaml_node *service)
{
	const struct yaml_node *allow = yaml_get(service, "allow"), *n;

	if ((n = yaml_get(service, "dial")) != NULL)
		diag_warn(c->d, yaml_place(n->key),
		    "service %s connects to %s whatever its name resolves to",
		    service->key->text, n->text);
	for (n = allow->kind == YAML_LIST ? allow->first : NULL; n != NULL;
	     n = n->next) {
		check_breadth(c, n);
		check_reach(c, service, n);
	}
}

/* A host in two services: which of them decides? Both would be asked. */
static void
check_overlap(const struct check *c, const struct yaml_node *services)
{
	const struct yaml_node *a, *b, *x, *y;

	for (a = first_of(services); a != NULL; a = a->next)
		for (b = a->next; b != NULL; b = b->next)
			for (x = yaml_get(a, "to")->first; x != NULL;
			     x = x->next)
				for (y = yaml_get(b, "to")->first; y != NULL;
				     y = y->next)
					if (strcmp(x->text, y->text) == 0)
						diag_warn(c->d, yaml_place(y),
						    "%s belongs to service %s "
						    "too (line %u)",
						    y->text, a->key->text,
						    x->line);
}

static void
check_credential(const struct check *c, const struct yaml_node *credential)
{
	const struct yaml_node *inject = yaml_get(credential, "inject"), *n;
	const struct yaml_node *services = section(c, "network", "services");
	unsigned consumers = 0;

	for (n = first_of(inject); n != NULL; n = n->next)
		consumers += yaml_get(services, text_of(n, "service")) != NULL;
	if (consumers == 0)
		diag_warn(c->d, yaml_place(credential->key),
		    "credential %s has no consumer: no service of this policy "
		    "gets it",
		    credential->key->text);
}

/* ---- file system ---------------------------------------------------------- */

static const char *
path_at(const struct check *c, uint32_t mount)
{
	return plan_string(c->p, c->p->mounts[mount].path);
}

/* The mount that a path of the jail lies in; -1 if in none. */
static int
mount_of(const struct check *c, const char *path)
{
	int best = -1;
	uint32_t i;

	/* Sorted: a later one that contains the path is the deeper one. */
	for (i = 0; i < c->p->nmounts; i++)
		if (text_path_within(path, path_at(c, i)))
			best = (int)i;
	return best;
}

static void
check_protect(const struct check *c, const struct yaml_node *n)
{
	int mount = mount_of(c, n->text);

	if (mount == -1 || c->p->mounts[mount].kind == PLAN_MOUNT_READ)
		diag_warn(c->d, yaml_place(n),
		    "%s lies in nothing writable, so there is nothing to "
		    "protect",
		    n->text);
}

/* A mount whose point lies in a new, empty directory, and the like. */
static void
check_mount(const struct check *c, const struct yaml_node *mount)
{
	const char *path = text_of(mount, "path");
	const char *from = text_of(mount, "from");
	uint32_t i;

	for (i = 0; i < c->p->nmounts; i++)
		if (strcmp(path_at(c, i), path) != 0 &&
		    text_path_within(path, path_at(c, i)) &&
		    c->p->mounts[i].kind == PLAN_MOUNT_READ)
			diag_warn(c->d, yaml_place(mount),
			    "%s lies in %s, which is read-only: it must exist "
			    "there",
			    path, path_at(c, i));
	if (from != NULL && access(from, F_OK) == -1)
		diag_warn(c->d, yaml_place(yaml_get(mount, "from")),
		    "%s does not exist on this host", from);
}

static void
check_hidden(const struct check *c, const struct yaml_node *mount)
{
	static const char *const covered[] = { "/usr", "/etc" };
	const char *path = text_of(mount, "path");
	size_t i;

	for (i = 0; i < countof(covered); i++)
		if (text_path_within(path, covered[i]))
			diag_warn(c->d, yaml_place(mount),
			    "%s hides what the root directory has there", path);
}

static void
check_list(const struct check *c, const char *list)
{
	const struct yaml_node *n;

	for (n = first_of(section(c, "filesystem", list)); n != NULL;
	     n = n->next) {
		check_mount(c, n);
		check_hidden(c, n);
	}
}

static void
check_cwd(const struct check *c)
{
	const struct yaml_node *cwd = section(c, "process", "cwd");

	if (cwd != NULL && strcmp(cwd->text, "/") != 0 &&
	    !text_path_within(cwd->text, "/home/agent") &&
	    !text_path_within(cwd->text, "/usr") &&
	    c->p->rootfs == PLAN_ROOTFS_HOST && mount_of(c, cwd->text) == -1)
		diag_warn(c->d, yaml_place(cwd),
		    "the working directory %s lies in no mount", cwd->text);
}

/* ---- this host ------------------------------------------------------------ */

static void
check_landlock(const struct check *c)
{
	const struct yaml_node *n = section(c, "requires", "landlock");
	long abi;

	if (n == NULL)
		return;
	abi = syscall(__NR_landlock_create_ruleset, NULL, 0, 1);
	if (abi < (long)n->number)
		diag_warn(c->d, yaml_place(n),
		    "this host's Landlock ABI is %ld, so the jail will not "
		    "start",
		    abi < 0 ? 0 : abi);
}

/* One line of /proc/cgroups: name, hierarchy, number, enabled. */
static int
has_controller(const char *name)
{
	char line[256], word[64], v2[1024] = "";
	FILE *f = fopen("/sys/fs/cgroup/cgroup.controllers", "re");
	int enabled = 0, found = 0;

	if (f != NULL) {
		if (fgets(v2, sizeof(v2), f) == NULL)
			v2[0] = '\0';
		(void)fclose(f);
		if (strstr(v2, name) != NULL)
			return 1;
	}
	if ((f = fopen("/proc/cgroups", "re")) == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%63s %*d %*d %d", word, &enabled) == 2 &&
		    enabled == 1 &&
		    (strcmp(word, name) == 0 || (strcmp(word, "blkio") == 0 &&
						    strcmp(name, "io") == 0)))
			found = 1;
	(void)fclose(f);
	return found;
}

static void
check_cgroups(const struct check *c)
{
	const struct yaml_node *n;

	for (n = first_of(section(c, "requires", "cgroups")); n != NULL;
	     n = n->next)
		if (!has_controller(n->text))
			diag_warn(c->d, yaml_place(n),
			    "this host has no %s controller, so the jail will "
			    "not start",
			    n->text);
}

void
check_policy(struct resolve *r, const struct plan *p)
{
	const struct check c = { r, p, &r->diag };
	const struct yaml_node *services = section(&c, "network", "services");
	const struct yaml_node *n;

	for (n = first_of(services); n != NULL; n = n->next)
		check_service(&c, n);
	check_overlap(&c, services);
	for (n = first_of(yaml_get(r->root, "credentials")); n != NULL;
	     n = n->next)
		check_credential(&c, n);
	if (p->kind == PLAN_GRANT) {
		check_list(&c, "read");
		check_list(&c, "write");
		check_list(&c, "tmpfs");
		check_cwd(&c);
		for (n = first_of(section(&c, "filesystem", "protect"));
		     n != NULL; n = n->next)
			check_protect(&c, n);
	}
	check_landlock(&c);
	check_cgroups(&c);
}
