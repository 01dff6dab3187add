#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"
#include "check_net.h"
#include "path.h"

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

	/* What no file says (resolve.c) was put where nothing is. */
	if (mount->source->name[0] == '(')
		return;
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
	const struct yaml_node *n;

	check_net(r);
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
