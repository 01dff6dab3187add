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
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "clock.h"
#include "doctor.h"
#include "doctor_file.h"
#include "jail/cgroup.h"
#include "jail/registry.h"
#include "text.h"

enum {
	CLEAN_GRACE_S = 2, /* a start takes milliseconds */
	CLEAN_EVERY_S = 60, /* a start sweeps no more often */
	CLEAN_STAT = 1024,
	CLEAN_START_FIELD = 22, /* of /proc/PID/stat: when it began */
	CLEAN_FIRST_FIELD = 3, /* the first behind the name */
};

#define NS_PER_S 1000000000ULL

/* "PID-TIME", both as jail_new_name() writes them; 0 for anything else. */
static int
clean_parse(const char *name, long *ret_pid, uint64_t *ret_ns)
{
	uint64_t us;
	char *end;

	errno = 0;
	*ret_pid = strtol(name, &end, 10);
	if (end == name || *end != '-' || *ret_pid <= 0 || errno != 0)
		return 0;
	name = end + 1;
	us = strtoull(name, &end, 16);
	*ret_ns = us * 1000;
	return end != name && *end == '\0' && errno == 0 &&
	       us <= UINT64_MAX / 1000;
}

/*
 * When a process began, on the monotonic clock; 0 if there is none, or only
 * its remains.  The kernel counts the time asleep too: then this is earlier
 * than the truth, and the group is left alone.
 */
static uint64_t
clean_began_ns(long pid)
{
	char path[64], text[CLEAN_STAT];
	uint64_t began, asleep;
	const char *p;
	int field;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	(void)doctor_file_read(path, text, sizeof(text));
	p = strrchr(text, ')');
	if (p == NULL || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
		return 0;
	for (field = CLEAN_FIRST_FIELD - 1; field < CLEAN_START_FIELD && p;
	     field++) {
		p = strchr(p, ' ');
		p = p != NULL ? p + 1 : NULL;
	}
	if (p == NULL)
		return 1; /* not readable: it may be that one */
	began =
	    strtoull(p, NULL, 10) * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
	/* in this order the difference is never negative */
	asleep = clock_ns(CLOCK_MONOTONIC);
	asleep = clock_ns(CLOCK_BOOTTIME) - asleep;
	return began > asleep ? began - asleep : 1;
}

int
doctor_clean_is_live(const char *name, void *unused)
{
	uint64_t made_ns, now_ns = clock_ns(CLOCK_MONOTONIC), began_ns;
	long pid;

	(void)unused;
	if (!clean_parse(name, &pid, &made_ns))
		return 1; /* not ours to judge */
	/* in another pid namespace it may be starting just now */
	if (made_ns <= now_ns && now_ns - made_ns < CLEAN_GRACE_S * NS_PER_S)
		return 1;
	began_ns = clean_began_ns(pid);
	if (began_ns != 0)
		return began_ns <= made_ns + NS_PER_S;
	/* there, but /proc does not show it (hidepid) */
	return kill((pid_t)pid, 0) == -1 && errno == EPERM;
}

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
	(void)cgroup_sweep(doctor_clean_is_live, NULL);
}

int
doctor_clean_run(struct doctor *d, struct err *e)
{
	struct clean c = { .dir = d->places.jails };
	int groups;

	if (registry_each(c.dir, clean_socket, &c, e) == -1)
		return -1;
	groups = cgroup_sweep(doctor_clean_is_live, NULL);
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
