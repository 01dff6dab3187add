/* Namespaces: which ones we are in, and whether others can be made. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "probe.h"

static const struct {
	const char *name;
	uint64_t flag;
} namespaces[] = {
	{ "user", CLONE_NEWUSER },
	{ "mnt", CLONE_NEWNS },
	{ "pid", CLONE_NEWPID },
	{ "net", CLONE_NEWNET },
	{ "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS },
	{ "cgroup", CLONE_NEWCGROUP },
	{ "time", 0x80 /* CLONE_NEWTIME */ },
};

static void
ns_01(void)
{
	char path[64], text[64];
	size_t i;

	for (i = 0; i < countof(namespaces); i++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s",
		    namespaces[i].name);
		n = readlink(path, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		probe_got(namespaces[i].name, "%s", text);
	}
}

static void
ns_02(void)
{
	static const char *const files[] = { "uid_map", "gid_map",
		"setgroups" };
	char path[64], text[1024], *p;
	size_t i;

	for (i = 0; i < countof(files); i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		(void)probe_read(path, text, sizeof(text));
		for (p = text; *p != '\0'; p++)
			*p = *p == '\n' ? ';' : *p;
		probe_got(files[i], "%s", text);
	}
}

/* ---- NS-03 ---- */

static long
try_unshare(void *arg)
{
	return CALL(SYS_unshare, *(const uint64_t *)arg);
}

static long
wait_for(long pid)
{
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid((pid_t)pid, NULL, __WALL);
	return pid;
}

static long
try_clone(void *arg)
{
	return wait_for(CALL(SYS_clone, *(const uint64_t *)arg | SIGCHLD, NULL,
	    NULL, NULL, NULL));
}

/* The same flags with garbage in the half that the kernel ignores. */
static long
try_clone_high(void *arg)
{
	return wait_for(
	    CALL(SYS_clone, *(const uint64_t *)arg | SIGCHLD | 1ULL << 40, NULL,
		NULL, NULL, NULL));
}

static long
try_clone3(void *arg)
{
	struct clone_args a = {
		.flags = *(const uint64_t *)arg,
		.exit_signal = SIGCHLD,
	};

	return wait_for(CALL(SYS_clone3, &a, sizeof(a)));
}

static long
try_setns(void *arg)
{
	const char *path = arg;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	/* what cannot be opened cannot be entered either: ask with a bad one */
	return CALL(SYS_setns, fd, 0);
}

static long
try_setns_pidfd(void *arg)
{
	long fd = CALL(SYS_pidfd_open, *(const pid_t *)arg, 0);

	return CALL(SYS_setns, fd, CLONE_NEWUTS | CLONE_NEWIPC);
}

static const struct {
	const char *name;
	long (*fn)(void *);
} makers[] = {
	{ "unshare", try_unshare },
	{ "clone", try_clone },
	{ "clone-high", try_clone_high },
	{ "clone3", try_clone3 },
};

static void
ns_make(void)
{
	char attempt[64];
	size_t i, k;

	for (i = 0; i < countof(makers); i++) {
		for (k = 0; k < countof(namespaces); k++) {
			uint64_t flag = namespaces[k].flag;

			/* clone(2) reads that bit as part of the signal */
			if (flag == 0x80 && makers[i].fn != try_unshare &&
			    makers[i].fn != try_clone3)
				continue;
			(void)snprintf(attempt, sizeof(attempt), "%s %s",
			    makers[i].name, namespaces[k].name);
			probe_try(attempt, makers[i].fn, &flag);
		}
	}
}

static void
ns_enter(const char *dir, const char *name, void *arg)
{
	char path[512], attempt[600];

	(void)arg;
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)snprintf(attempt, sizeof(attempt), "setns %s", path);
	probe_try(attempt, try_setns, path);
}

static void
ns_03(void)
{
	pid_t one = 1, parent = getppid();
	char other[64];

	if (probe_outside)
		one = (pid_t)strtol(probe_setting("PROBE_HOST_PID", "1"), NULL,
		    10);
	(void)snprintf(other, sizeof(other), "/proc/%d/ns", one);

	ns_make();
	(void)probe_each("/proc/self/ns", ns_enter, NULL);
	ns_enter(other, "mnt", NULL);
	ns_enter(other, "user", NULL);
	probe_try("setns pidfd of another", try_setns_pidfd, &one);
	probe_try("setns pidfd of the parent", try_setns_pidfd, &parent);
}

/* ---- NS-04 ---- */

enum {
	PID_LAST = 65536
};

static void
ns_04(void)
{
	long n, reachable = 0, listed = 0, pidfds = 0;
	char path[64];

	for (n = 1; n <= PID_LAST; n++) {
		(void)snprintf(path, sizeof(path), "/proc/%ld", n);
		listed +=
		    access(path, F_OK) == 0 && CALL(SYS_getsid, n) != -ESRCH;
		if (CALL(SYS_kill, n, 0) != -ESRCH)
			reachable++;
		if (CALL(SYS_pidfd_open, n, 0) >= 0)
			pidfds++;
		if (pidfds > 0)
			(void)close_range(3, ~0U, 0);
	}
	probe_got("processes listed", "%ld", listed);
	probe_got("processes that kill(2) knows", "%ld", reachable);
	probe_got("processes that pidfd_open(2) knows", "%ld", pidfds);
	probe_result("kill -1 0", CALL(SYS_kill, -1, 0));
	(void)snprintf(path, sizeof(path), "/proc/%s",
	    probe_setting("PROBE_HOST_PID", "1"));
	probe_result("open host pid", access(path, F_OK) == 0 ? 0 : -errno);
}

const struct probe_check probe_ns[] = {
	{ "NS-01", ns_01 },
	{ "NS-02", ns_02 },
	{ "NS-03", ns_03 },
	{ "NS-04", ns_04 },
	{ NULL, NULL },
};
