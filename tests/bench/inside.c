/*
 * inside.c: what ordinary work costs, in a jail or outside.
 *
 *	inside syscall|read|spawn|loopback
 *
 * Prints the time of one round in microseconds.  Static, so that it is the
 * same program on both sides.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void
work_syscall(void)
{
	int i;

	for (i = 0; i < 300000; i++)
		(void)syscall(SYS_getppid);
}

static void
work_read(void)
{
	char buf[4096];
	int i, fd;

	for (i = 0; i < 20000; i++) {
		fd = open("/usr/lib/os-release", O_RDONLY);
		if (fd == -1 || read(fd, buf, sizeof(buf)) <= 0)
			exit(1);
		(void)close(fd);
	}
}

static void
work_spawn(void)
{
	static char name[] = "true";
	char *argv[] = { name, NULL };
	int i, status;

	for (i = 0; i < 100; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			(void)execv("/bin/true", argv);
			_exit(127);
		}
		if (waitpid(pid, &status, 0) != pid || status != 0)
			exit(1);
	}
}

/* A byte there and back over TCP, between two processes. */
static void
work_loopback(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0), c, s, i;
	char b = 0;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(l, (struct sockaddr *)&a, n) == -1 || listen(l, 1) == -1 ||
	    getsockname(l, (struct sockaddr *)&a, &n) == -1)
		exit(1);
	if (fork() == 0) {
		s = accept(l, NULL, NULL);
		while (read(s, &b, 1) == 1 && write(s, &b, 1) == 1)
			continue;
		_exit(0);
	}
	c = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c, (struct sockaddr *)&a, n) == -1)
		exit(1);
	for (i = 0; i < 5000; i++) {
		if (write(c, &b, 1) != 1 || read(c, &b, 1) != 1)
			exit(1);
	}
}

static const struct {
	const char *name;
	void (*work)(void);
} works[] = {
	{ "syscall", work_syscall },
	{ "read", work_read },
	{ "spawn", work_spawn },
	{ "loopback", work_loopback },
};

int
main(int argc, char **argv)
{
	struct timespec a, b;
	size_t i;

	for (i = 0; argc == 2 && i < sizeof(works) / sizeof(works[0]); i++) {
		if (strcmp(argv[1], works[i].name) != 0)
			continue;
		(void)clock_gettime(CLOCK_MONOTONIC, &a);
		works[i].work();
		(void)clock_gettime(CLOCK_MONOTONIC, &b);
		printf("%.1f\n", (double)(b.tv_sec - a.tv_sec) * 1e6 +
				     (double)(b.tv_nsec - a.tv_nsec) / 1e3);
		return 0;
	}
	fprintf(stderr, "usage: inside syscall|read|spawn|loopback\n");
	return 2;
}
