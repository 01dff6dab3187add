/*
 * rate.c: start one command again and again, for some seconds.
 *
 *	rate SECONDS command [argument …]
 *
 * Prints "starts failed".
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "bench.h"

extern char **environ;

int
main(int argc, char **argv)
{
	posix_spawn_file_actions_t actions;
	unsigned long starts = 0, failed = 0;
	uint64_t end;
	int i, status, r;
	pid_t pid;

	if (argc < 3)
		bench_die("usage", "rate SECONDS COMMAND …");
	end = bench_now_ns() + (uint64_t)bench_count(argv[1]) * 1000000000;
	(void)posix_spawn_file_actions_init(&actions);
	for (i = 0; i < 3; i++)
		(void)posix_spawn_file_actions_addopen(&actions, i, "/dev/null",
		    O_RDWR, 0);
	while (bench_now_ns() < end) {
		r = posix_spawnp(&pid, argv[2], &actions, NULL, argv + 2,
		    environ);
		if (r != 0)
			bench_die(argv[2], strerror(r));
		while (waitpid(pid, &status, 0) == -1)
			if (errno != EINTR)
				bench_die("waitpid", strerror(errno));
		starts++;
		failed += status != 0;
	}
	(void)printf("%lu %lu\n", starts, failed);
	return 0;
}
