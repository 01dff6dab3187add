/*
 * pair.c: start command lines in turn and time each from outside.
 *
 *	pair RUNS command [argument …] [:: command [argument …]] …
 *
 * Every round starts each command once and waits for it, so that whatever
 * else the machine does meets all of them alike; the first rounds only warm
 * up.  Prints one line a start: "index wall_ns cpu_ns status", index counted
 * from 0 in the order of the command lines.  The children get /dev/null and
 * our environment; posix_spawn() costs the same for all.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum {
	PAIR_COMMANDS_MAX = 16,
	PAIR_WARM_ROUNDS = 10,
};

struct pair {
	char **commands[PAIR_COMMANDS_MAX];
	int n;
	posix_spawn_file_actions_t actions;
};

extern char **environ;

static uint64_t
pair_ns(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_usec * 1000;
}

static void
pair_run(struct pair *p, int i, int quiet)
{
	uint64_t begin = bench_now_ns(), wall, cpu;
	struct rusage u;
	int status, r;
	pid_t pid;

	r = posix_spawnp(&pid, p->commands[i][0], &p->actions, NULL,
	    p->commands[i], environ);
	if (r != 0)
		bench_die(p->commands[i][0], strerror(r));
	while (wait4(pid, &status, 0, &u) == -1)
		if (errno != EINTR)
			bench_die("wait4", strerror(errno));
	wall = bench_now_ns() - begin;
	cpu = pair_ns(&u.ru_utime) + pair_ns(&u.ru_stime);
	if (!quiet)
		(void)printf("%d %" PRIu64 " %" PRIu64 " %d\n", i, wall, cpu,
		    status);
}

/* Cut the arguments at each "::". */
static void
pair_split(struct pair *p, char **argv)
{
	p->commands[p->n++] = argv;
	for (; *argv != NULL; argv++) {
		if (strcmp(*argv, "::") != 0)
			continue;
		if (p->n == PAIR_COMMANDS_MAX)
			bench_die("pair", "too many commands");
		*argv = NULL;
		p->commands[p->n++] = argv + 1;
	}
}

int
main(int argc, char **argv)
{
	struct pair p = { .n = 0 };
	int round, rounds, i;

	if (argc < 3)
		bench_die("usage", "pair RUNS COMMAND … [:: COMMAND …]");
	rounds = bench_count(argv[1]);
	pair_split(&p, argv + 2);
	(void)posix_spawn_file_actions_init(&p.actions);
	for (i = 0; i < 3; i++)
		(void)posix_spawn_file_actions_addopen(&p.actions, i,
		    "/dev/null", O_RDWR, 0);
	for (round = -PAIR_WARM_ROUNDS; round < rounds; round++)
		for (i = 0; i < p.n; i++)
			pair_run(&p, i, round < 0);
	return 0;
}
