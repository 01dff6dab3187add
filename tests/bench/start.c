/*
 * start.c: starts through libwarder, and what they are compared with.
 *
 *	start library N COMMAND    a jail each, from start to report
 *	start pool N COMMAND       from a pool that is filled beforehand
 *	start clone N COMMAND      the same namespaces and exec, nothing else
 *	start spawn N COMMAND      posix_spawn
 *	start park N               N parked jails, until standard input ends
 *
 * Prints one time in microseconds a line (park: "parked").  The two sides of
 * a comparison are called in turn by tests/bench/run, a few at a time.
 */
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <warder/warder.h>

enum {
	WARM = 2
};

static struct warder *library;
static struct warder_policy *policy;

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
fail(const struct warder_error *e)
{
	fprintf(stderr, "start: %s\n", e->message);
	exit(1);
}

static void
open_library(void)
{
	struct warder_error e;

	if (warder_open(NULL, &library, &e) == -1 ||
	    warder_policy_open(library, NULL, &policy, &e) == -1)
		fail(&e);
}

static void
finish(struct warder_run *run)
{
	struct warder_report r;
	struct warder_error e;

	if (warder_wait(run, -1, &r, &e) != 1)
		fail(&e);
	if (r.exit_status != 0) {
		fprintf(stderr, "start: exit status %d\n", r.exit_status);
		exit(1);
	}
}

static void
command_of(struct warder_command *c, char **argv)
{
	warder_command_init(c);
	c->argv = (const char *const *)argv;
}

/* The jail's removal is part of what a caller waits for. */
static void
one_library(char **argv)
{
	struct warder_command c;
	struct warder_run *run;
	struct warder_error e;

	command_of(&c, argv);
	if (warder_start(policy, &c, &run, &e) == -1)
		fail(&e);
	finish(run);
	warder_run_close(run);
}

static void
one_clone(char **argv)
{
	struct clone_args a = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
			 CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
			 CLONE_NEWCGROUP | CLONE_VFORK,
		.exit_signal = SIGCHLD,
	};
	int status;
	long pid = syscall(SYS_clone3, &a, sizeof(a));

	if (pid == 0) {
		(void)execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid((pid_t)pid, &status, 0) != pid || status != 0) {
		perror("start: clone");
		exit(1);
	}
}

static void
one_spawn(char **argv)
{
	char *envp[] = { NULL };
	int status;
	pid_t pid;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, envp) != 0 ||
	    waitpid(pid, &status, 0) != pid || status != 0) {
		perror("start: posix_spawn");
		exit(1);
	}
}

static void
repeat(void (*one)(char **), int n, char **argv)
{
	uint64_t t;
	int i;

	for (i = -WARM; i < n; i++) {
		t = now_ns();
		one(argv);
		if (i >= 0)
			printf("%.1f\n", (double)(now_ns() - t) / 1000);
	}
}

/* Filling and closing are not what a caller with a pool waits for. */
static void
from_pool(int n, char **argv)
{
	struct warder_command c;
	struct warder_pool *pool;
	struct warder_error e;
	int i;

	command_of(&c, argv);
	if (warder_pool_open(policy, 1, 0, &pool, &e) == -1)
		fail(&e);
	for (i = -WARM; i < n; i++) {
		struct warder_run *run;
		uint64_t t;

		if (warder_pool_fill(pool, 1, &e) == -1)
			fail(&e);
		t = now_ns();
		if (warder_pool_start(pool, &c, &run, &e) == -1)
			fail(&e);
		finish(run);
		if (i >= 0)
			printf("%.1f\n", (double)(now_ns() - t) / 1000);
		warder_run_close(run);
	}
	warder_pool_close(pool);
}

static void
park(int n)
{
	struct warder_pool *pool;
	struct warder_error e;
	char c;

	if (warder_pool_open(policy, (unsigned)n, 0, &pool, &e) == -1 ||
	    warder_pool_fill(pool, (unsigned)n, &e) == -1)
		fail(&e);
	printf("parked\n");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		continue;
	warder_pool_close(pool);
}

static int
usage(void)
{
	fprintf(stderr,
	    "usage: start library|pool|clone|spawn N COMMAND [ARGUMENT …]\n"
	    "       start park N\n");
	return 2;
}

int
main(int argc, char **argv)
{
	int n = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;

	if (n <= 0)
		return usage();
	if (strcmp(argv[1], "park") == 0) {
		open_library();
		park(n);
		return 0;
	}
	if (argc < 4)
		return usage();
	argv += 3;
	if (strcmp(argv[-2], "library") == 0) {
		open_library();
		repeat(one_library, n, argv);
	} else if (strcmp(argv[-2], "pool") == 0) {
		open_library();
		from_pool(n, argv);
	} else if (strcmp(argv[-2], "clone") == 0) {
		repeat(one_clone, n, argv);
	} else if (strcmp(argv[-2], "spawn") == 0) {
		repeat(one_spawn, n, argv);
	} else {
		return usage();
	}
	return 0;
}
