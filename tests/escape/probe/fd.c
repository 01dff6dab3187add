/* Descriptors: three, and none of them the caller's own. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "probe.h"

enum {
	FD_LAST = 1 << 20
};

/* "pipe", "tty", "null", "file" ...: what matters of a descriptor. */
static const char *
fd_kind(int fd)
{
	static char link[64];
	char path[64], target[PROBE_PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return "closed";
	if (S_ISFIFO(st.st_mode))
		return "pipe";
	if (S_ISSOCK(st.st_mode))
		return "socket";
	if (S_ISREG(st.st_mode))
		return "file";
	if (S_ISDIR(st.st_mode))
		return "directory";
	if (isatty(fd))
		return "tty";
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	if (strcmp(target, "/dev/null") == 0)
		return "null";
	(void)snprintf(link, sizeof(link), "other %.40s", target);
	return link;
}

/* The kernel's word, not /proc's: ask for every number there can be. */
static void
fd_01(void)
{
	char attempt[32], text[PROBE_TEXT_MAX] = "";
	size_t len = 0;
	int i;

	for (i = 0; i < FD_LAST && len < sizeof(text) - 16; i++) {
		if (fcntl(i, F_GETFD) != -1)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
			    "%s%d", len > 0 ? " " : "", i);
	}
	probe_got("open descriptors", "%s", text);
	for (i = 0; i < 3; i++) {
		(void)snprintf(attempt, sizeof(attempt), "kind of %d", i);
		probe_got(attempt, "%s", fd_kind(i));
	}
}

/* ---- FD-03 ---- */

static void
fd_03(void)
{
	char attempt[64];
	int i;

	for (i = 0; i < 3; i++) {
		(void)snprintf(attempt, sizeof(attempt), "fchdir %d", i);
		probe_result(attempt, CALL(SYS_fchdir, i));
		(void)snprintf(attempt, sizeof(attempt), "openat %d ..", i);
		probe_result(attempt, CALL(SYS_openat, i, "..", O_RDONLY, 0));
		(void)snprintf(attempt, sizeof(attempt), "lseek %d", i);
		probe_result(attempt, CALL(SYS_lseek, i, 0, SEEK_SET));
		(void)snprintf(attempt, sizeof(attempt), "ftruncate %d", i);
		probe_result(attempt, CALL(SYS_ftruncate, i, 0));
	}
	/* leave them non-blocking: the runner looks at the launcher's ends */
	for (i = 1; i < 3; i++)
		(void)CALL(SYS_fcntl, i, F_SETFL, O_NONBLOCK | O_APPEND);
}

/* ---- FD-05: what the launcher's own stdio leads to ---- */

static void
fd_05(void)
{
	char attempt[64], path[64], byte = 'x';
	int i;

	for (i = 0; i < 3; i++) {
		int fd;

		(void)snprintf(attempt, sizeof(attempt), "kind of %d", i);
		probe_got(attempt, "%s", fd_kind(i));
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		(void)snprintf(attempt, sizeof(attempt), "reopen %d", i);
		probe_got(attempt, "%s",
		    fd == -1 ? probe_errno(-errno) : fd_kind(fd));
		(void)snprintf(attempt, sizeof(attempt), "truncate %d", i);
		probe_result(attempt, CALL(SYS_truncate, path, 0));
		(void)snprintf(attempt, sizeof(attempt), "lseek %d", i);
		probe_result(attempt, CALL(SYS_lseek, i, 0, SEEK_SET));
		(void)snprintf(attempt, sizeof(attempt), "TIOCSTI %d", i);
		probe_result(attempt, CALL(SYS_ioctl, i, TIOCSTI, &byte));
		if (fd >= 0)
			(void)close(fd);
	}
}

const struct probe_check probe_fd[] = {
	{ "FD-01", fd_01 },
	{ "FD-03", fd_03 },
	{ "FD-05", fd_05 },
	{ NULL, NULL },
};
