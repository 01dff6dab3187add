/*
 * doctor_clean.c: remove what is left when everything was killed at once.
 *
 * The kernel frees nearly all of it: mounts, namespaces, locks and processes
 * go with the jail.  What stays has a name in a file system: the socket that
 * "warder ps" finds a jail by, and control groups.  A socket that nobody
 * answers is dead.  A group is removed if it is empty and its launcher dead.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "doctor.h"
#include "jail/cgroup.h"
#include "jail/leftover.h"
#include "jail/registry.h"

enum {
	CLEAN_EVERY_S = 60, /* a start sweeps no more often */
};

struct clean {
	const char *dir;
	int removed;
};

static void
clean_socket(void *ctx, const char *name, int fd)
{
	struct clean *c = ctx;
	char path[PLACES_PATH_MAX + 80];

	if (fd != -1)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s.jail", c->dir, name);
	c->removed += access(path, F_OK) == -1 && errno == ENOENT;
}

/*
 * The stamp's age decides, so that a start costs one look at it; it is
 * touched first, so that of many starts one sweeps.
 */
void
doctor_clean_sometimes(const struct places *p)
{
	char path[PLACES_PATH_MAX + 8];
	struct stat st;
	autofd fd = -1;

	(void)snprintf(path, sizeof(path), "%s/swept", p->runtime);
	if (stat(path, &st) == 0 && time(NULL) - st.st_mtime >= 0 &&
	    time(NULL) - st.st_mtime < CLEAN_EVERY_S)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1 || futimens(fd, NULL) == -1)
		return;
	(void)cgroup_sweep(leftover_is_live, NULL);
	registry_sweep(p->jails, leftover_is_live, NULL);
}

int
doctor_clean_run(struct doctor *d, struct err *e)
{
	struct clean c = { .dir = d->places.jails };
	int groups;

	if (registry_each(c.dir, clean_socket, &c, e) == -1)
		return -1;
	groups = cgroup_sweep(leftover_is_live, NULL);
	if (d->json)
		printf("{\"schema\":\"warder.doctor/1\",\"removed\":"
		       "{\"sockets\":%d,\"control_groups\":%d}}\n",
		    c.removed, groups);
	else
		printf("removed %d socket%s of dead jails, %d control "
		       "group%s\n",
		    c.removed, c.removed == 1 ? "" : "s", groups,
		    groups == 1 ? "" : "s");
	return 0;
}
