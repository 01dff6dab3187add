#include "leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

enum {
	LEFTOVER_GRACE_S = 2, /* a start takes milliseconds */
	LEFTOVER_STAT = 1024,
	LEFTOVER_START_FIELD = 22, /* of /proc/PID/stat: when it began */
	LEFTOVER_FIRST_FIELD = 3, /* the first behind the name */
};

#define NS_PER_S 1000000000ULL

/* "PID-TIME", both as jail_new_name() writes them; 0 for anything else. */
static int
leftover_parse(const char *name, long *ret_pid, uint64_t *ret_ns)
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

static void
leftover_read(const char *path, char *text, size_t size)
{
	autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
}

/*
 * When a process began, on the monotonic clock; 0 if there is none, or only
 * its remains.  The kernel counts the time asleep too: then this is earlier
 * than the truth, and the group is left alone.
 */
static uint64_t
leftover_began_ns(long pid)
{
	char path[64], text[LEFTOVER_STAT];
	uint64_t began, asleep;
	const char *p;
	int field;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	leftover_read(path, text, sizeof(text));
	p = strrchr(text, ')');
	if (p == NULL || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
		return 0;
	for (field = LEFTOVER_FIRST_FIELD - 1;
	     field < LEFTOVER_START_FIELD && p; field++) {
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
leftover_is_live(const char *name, void *unused)
{
	uint64_t made_ns, now_ns = clock_ns(CLOCK_MONOTONIC), began_ns;
	long pid;

	(void)unused;
	if (!leftover_parse(name, &pid, &made_ns))
		return 1; /* not ours to judge */
	/* in another pid namespace it may be starting just now */
	if (made_ns <= now_ns && now_ns - made_ns < LEFTOVER_GRACE_S * NS_PER_S)
		return 1;
	began_ns = leftover_began_ns(pid);
	if (began_ns != 0)
		return began_ns <= made_ns + NS_PER_S;
	/* there, but /proc does not show it (hidepid) */
	return kill((pid_t)pid, 0) == -1 && errno == EPERM;
}
