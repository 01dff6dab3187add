/* Terminals: nothing typed for others, nobody else's terminal. */
#include <fcntl.h>
#include <linux/vt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "probe.h"

#ifndef TIOCLINUX
#	define TIOCLINUX 0x541C
#endif

static const struct {
	const char *name;
	unsigned long request;
} tt_requests[] = {
	{ "TIOCSTI", TIOCSTI },
	{ "TIOCLINUX", TIOCLINUX },
	{ "TIOCSETD", TIOCSETD },
	{ "TIOCCONS", TIOCCONS },
};

/* A pty of our own, its slave our controlling terminal. */
static int
tt_own(void)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int zero = 0, slave;

	if (master == -1 || ioctl(master, TIOCSPTLCK, &zero) == -1)
		return -1;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (slave == -1)
		return -1;
	(void)setsid();
	if (ioctl(slave, TIOCSCTTY, 0) == -1)
		return -1;
	return slave;
}

static long
tt_on_own(void *arg)
{
	size_t i = *(size_t *)arg;
	int slave = tt_own(), line = 0;
	char byte = 'x';

	if (slave == -1)
		return -ENOTTY;
	/* outside, the console must stay the host's */
	if (tt_requests[i].request == TIOCCONS && probe_outside)
		return CALL(SYS_ioctl, -1, TIOCCONS, NULL);
	return CALL(SYS_ioctl, slave, tt_requests[i].request,
	    tt_requests[i].request == TIOCSETD ? (void *)&line : (void *)&byte);
}

static long
tt_size(void *arg)
{
	struct winsize w;

	(void)arg;
	return CALL(SYS_ioctl, tt_own(), TIOCGWINSZ, &w);
}

static void
tt_01(void)
{
	char attempt[64];
	size_t i;
	int fd;

	for (i = 0; i < countof(tt_requests); i++) {
		unsigned long request = tt_requests[i].request;

		for (fd = -1; fd < 3; fd++) {
			if (probe_outside && fd >= 0)
				continue;
			(void)snprintf(attempt, sizeof(attempt), "%s on %d",
			    tt_requests[i].name, fd);
			probe_result(attempt,
			    CALL(SYS_ioctl, fd, request, BAD));
			(void)snprintf(attempt, sizeof(attempt),
			    "%s on %d, bit 32 set", tt_requests[i].name, fd);
			probe_result(attempt,
			    CALL(SYS_ioctl, fd, request | 1UL << 32, BAD));
		}
		(void)snprintf(attempt, sizeof(attempt), "%s on a pty",
		    tt_requests[i].name);
		probe_try(attempt, tt_on_own, &i);
	}
	probe_try("TIOCGWINSZ works", tt_size, NULL);
}

/* ---- TT-02 ---- */

/* Another session takes the terminal that ours has. */
static long
tt_steal(void *arg)
{
	int slave = tt_own(), status = 0;
	pid_t pid;

	(void)arg;
	if (slave == -1)
		return -ENOTTY;
	pid = fork();
	if (pid == 0) {
		(void)setsid();
		_exit(ioctl(slave, TIOCSCTTY, 1) == 0 ? 0 : errno);
	}
	(void)waitpid(pid, &status, 0);
	return -WEXITSTATUS(status);
}

static long
tt_take(void *arg)
{
	(void)setsid();
	return CALL(SYS_ioctl, *(int *)arg, TIOCSCTTY, 0);
}

static void
tt_02(void)
{
	char attempt[64];
	int fd;

	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	probe_result("open /dev/tty", fd >= 0 ? 0 : -errno);
	if (fd >= 0)
		probe_got("its name", "%s",
		    ttyname(0) != NULL ? ttyname(0) : "none");
	probe_try("steal", tt_steal, NULL);
	for (fd = 0; fd < 3; fd++) {
		(void)snprintf(attempt, sizeof(attempt), "TIOCSCTTY %d", fd);
		probe_try(attempt, tt_take, &fd);
	}
}

const struct probe_check probe_tt[] = {
	{ "TT-01", tt_01 },
	{ "TT-02", tt_02 },
	{ NULL, NULL },
};
