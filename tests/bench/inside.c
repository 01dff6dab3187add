/*
 * inside.c: what a program does most, timed where it runs.
 *
 * Run in a jail and outside of it, in turn.  Prints "name ns" a line, the
 * time of one operation: the best of several rounds, since what is asked for
 * is what the jail adds, not what else the machine does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum {
	INSIDE_ROUNDS = 7
};

static void
inside_syscall(int n)
{
	while (n-- > 0)
		(void)syscall(SYS_getppid);
}

static void
inside_read(int n)
{
	static char buf[65536];
	int fd;

	while (n-- > 0) {
		fd = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
		if (fd == -1 || read(fd, buf, sizeof(buf)) <= 0)
			bench_die("/usr/bin/env", strerror(errno));
		(void)close(fd);
	}
}

static void
inside_spawn(int n)
{
	static char name[] = "/bin/true";
	char *argv[] = { name, NULL }, *envp[] = { NULL };
	int status;
	pid_t pid;

	while (n-- > 0) {
		pid = fork();
		if (pid == 0) {
			(void)execve(name, argv, envp);
			_exit(127);
		}
		if (pid == -1 || waitpid(pid, &status, 0) != pid || status != 0)
			bench_die(name, "did not run");
	}
}

/* The two ends of a connection over lo, both ours. */
static void
inside_connect(int ret_fd[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	ret_fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener == -1 || ret_fd[0] == -1 ||
	    bind(listener, (struct sockaddr *)&a, sizeof(a)) == -1 ||
	    listen(listener, 1) == -1 ||
	    getsockname(listener, (struct sockaddr *)&a, &size) == -1 ||
	    connect(ret_fd[0], (struct sockaddr *)&a, sizeof(a)) == -1)
		bench_die("loopback", strerror(errno));
	ret_fd[1] = accept(listener, NULL, NULL);
	if (ret_fd[1] == -1)
		bench_die("accept", strerror(errno));
	(void)setsockopt(ret_fd[0], IPPROTO_TCP, TCP_NODELAY, &one,
	    sizeof(one));
	(void)close(listener);
}

/* One process on both ends: no scheduling, the network alone. */
static void
inside_loopback(int n)
{
	static char buf[1024];
	static int fd[2] = { -1, -1 };

	if (fd[0] == -1)
		inside_connect(fd);
	while (n-- > 0) {
		if (send(fd[0], buf, sizeof(buf), 0) != sizeof(buf) ||
		    recv(fd[1], buf, sizeof(buf), MSG_WAITALL) != sizeof(buf))
			bench_die("loopback", strerror(errno));
	}
}

/* clang-format off */
static const struct {
	const char *name;
	void (*run)(int n);
	int n; /* a round of some 20 ms */
} inside_table[] = {
	{ "syscall",  inside_syscall,  100000 },
	{ "read",     inside_read,     2000 },
	{ "spawn",    inside_spawn,    20 },
	{ "loopback", inside_loopback, 2000 },
};

/* clang-format on */

int
main(void)
{
	size_t i;
	int round;

	for (i = 0; i < sizeof(inside_table) / sizeof(inside_table[0]); i++) {
		uint64_t best = UINT64_MAX, begin, t;

		for (round = 0; round < INSIDE_ROUNDS; round++) {
			begin = bench_now_ns();
			inside_table[i].run(inside_table[i].n);
			t = bench_now_ns() - begin;
			if (t < best)
				best = t;
		}
		(void)printf("%s %.1f\n", inside_table[i].name,
		    (double)best / inside_table[i].n);
	}
	return 0;
}
