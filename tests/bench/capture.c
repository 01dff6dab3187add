/*
 * capture.c: what capture adds to a jail's start and to its end.
 *
 *	capture RUNS
 *
 * Starts jails in turn, with capture and without, each with /bin/true, in
 * this process.  Prints "index wall_ns 0 status" as pair does: 0 the start
 * and end of the command with capture, 1 without; 2 and 3 the time that
 * closing these jails took.
 */
#include <errno.h>
#include <poll.h>

#include "bench.h"
#include "jail/environ.h"
#include "jail/jail.h"
#include "jail/places.h"
#include "msg_config.h"
#include "policy/load.h"

enum {
	CAPTURE_WARM_ROUNDS = 10
};

static struct {
	struct places places;
	struct plan plan;
	struct seccomp_program program;
	struct environ env;
	char init_path[PLACES_PATH_MAX + 16], config_path[PLACES_PATH_MAX + 16];
	char warnings[CONFIG_TEXT_MAX];
} bench;

static void
bench_check(int r, const struct err *e)
{
	if (r == -1)
		bench_die("capture", e->msg);
}

/* This program lies in build/tests/bench. */
static void
bench_open(void)
{
	static const char standard[] =
	    "policy: 1\nextends: [builtin/default]\n";
	struct policy_request rq = {
		.text = standard,
		.size = sizeof(standard) - 1,
		.name = "default",
		.dir = "/",
		.home = "",
		.config_path = bench.config_path,
	};
	char path[PLACES_PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	struct err e = { 0 };
	int up;

	if (n <= 0)
		bench_die("/proc/self/exe", strerror(errno));
	path[n] = '\0';
	for (up = 0; up < 3; up++)
		*strrchr(path, '/') = '\0';
	bench_check(places_find(&bench.places, NULL, &e), &e);
	(void)snprintf(bench.init_path, sizeof(bench.init_path),
	    "%.4000s/libexec/warder/warder-init", path);
	(void)snprintf(bench.config_path, sizeof(bench.config_path),
	    "%.4000s/libexec/warder/warder-config", path);
	bench_check(policy_load(&rq, &bench.plan, &bench.program,
			bench.warnings, sizeof(bench.warnings), &e),
	    &e);
	bench_check(environ_make(&bench.env, &bench.plan, NULL, &e), &e);
}

static int
bench_wait(struct jail *j, struct err *e)
{
	struct jail_event v = { 0 };

	while (v.kind != JAIL_EVENT_EXITED && v.kind != JAIL_EVENT_GONE) {
		struct pollfd p = { .fd = jail_fd(j), .events = POLLIN };

		(void)poll(&p, 1, -1);
		bench_check(jail_receive(j, &v, e), e);
	}
	return v.kind == JAIL_EVENT_EXITED ? v.status : -1;
}

static void
bench_one(int index, int quiet)
{
	static const struct capture_request request;
	static const char *const argv[] = { "/bin/true", NULL };
	struct jail_options o = {
		.plan = &bench.plan,
		.program = &bench.program,
		.init_path = bench.init_path,
		.runtime_dir = bench.places.runtime,
		.capture = index == 0 ? &request : NULL,
	};
	struct jail_command c = {
		.id = 1,
		.argv = argv,
		.envp = bench.env.vector,
		.no_stdin = 1,
	};
	uint64_t begin = bench_now_ns(), ran, closed;
	int ours[3] = { -1, -1, -1 }, i, status;
	struct err e = { 0 };
	struct jail *j;

	bench_check(jail_create(&o, &j, &e), &e);
	bench_check(jail_launch(j, &c, ours, &e), &e);
	status = bench_wait(j, &e);
	ran = bench_now_ns();
	(void)jail_destroy(j);
	closed = bench_now_ns();
	for (i = 0; i < 3; i++)
		fd_closep(&ours[i]);
	if (quiet)
		return;
	(void)printf("%d %llu 0 %d\n", index, (unsigned long long)(ran - begin),
	    status);
	(void)printf("%d %llu 0 0\n", index + 2,
	    (unsigned long long)(closed - ran));
}

int
main(int argc, char **argv)
{
	int round, rounds;

	if (argc != 2)
		bench_die("usage", "capture RUNS");
	rounds = bench_count(argv[1]);
	bench_open();
	for (round = -CAPTURE_WARM_ROUNDS; round < rounds; round++) {
		bench_one(0, round < 0);
		bench_one(1, round < 0);
	}
	return 0;
}
