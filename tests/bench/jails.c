/*
 * jails.c: the rows that need libwarder, each against its floor in the same
 * process.
 *
 *	jails start RUNS	a jail's start to its report; clone with the
 *				same namespaces and exec
 *	jails pool RUNS		the same from a pool; posix_spawn()
 *	jails rate SECONDS	"starts failed", one after the other
 *	jails hold N DIR	N jails that run DIR's "idle" until standard
 *				input ends; "ready" when they are there
 *
 * start and pool print "index wall_ns 0 status" as pair does: 0 is Warder, 1
 * the floor, 2 the time that closing the run took.
 */
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "warder/warder.h"

enum {
	JAILS_WARM_ROUNDS = 10,
	JAILS_POOL = 4,
	JAILS_HOLD_MAX = 10000,
};

struct jails {
	struct warder *library;
	struct warder_policy *policy;
	struct warder_pool *pool;
};

static char true_path[] = "/bin/true";
static char *true_argv[] = { true_path, NULL };
static char *no_environment[] = { NULL };

static void
jails_check(int r, const struct warder_error *e)
{
	if (r == -1)
		bench_die("jails", e->message);
}

/* This program lies in build/tests/bench. */
static void
jails_open(struct jails *j)
{
	struct warder_error e;
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	int up;

	if (n <= 0)
		bench_die("/proc/self/exe", strerror(errno));
	path[n] = '\0';
	for (up = 0; up < 3; up++)
		*strrchr(path, '/') = '\0';
	memcpy(path + strlen(path), "/libexec/warder",
	    sizeof("/libexec/warder"));
	jails_check(warder_open(path, &j->library, &e), &e);
	jails_check(warder_policy_open(j->library, NULL, &j->policy, &e), &e);
}

static void
jails_print(int quiet, int index, uint64_t ns, int status)
{
	if (!quiet)
		(void)printf("%d %llu 0 %d\n", index, (unsigned long long)ns,
		    status);
}

/* From the start to the report. */
static void
jails_one(struct jails *j, int quiet)
{
	const char *argv[] = { true_path, NULL };
	struct warder_command c;
	struct warder_report report = { .exit_status = 125 };
	struct warder_error e;
	struct warder_run *run;
	uint64_t begin = bench_now_ns(), reported;

	warder_command_init(&c);
	c.argv = argv;
	if (j->pool != NULL)
		jails_check(warder_pool_start(j->pool, &c, &run, &e), &e);
	else
		jails_check(warder_start(j->policy, &c, &run, &e), &e);
	jails_check(warder_wait(run, -1, &report, &e), &e);
	reported = bench_now_ns();
	warder_run_close(run);
	jails_print(quiet, 0, reported - begin, report.exit_status);
	jails_print(quiet, 2, bench_now_ns() - reported, 0);
}

static int
jails_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			bench_die("waitpid", strerror(errno));
	return status;
}

/* What no jail with these namespaces can be faster than. */
static void
jails_floor(struct jails *j, int quiet)
{
	struct clone_args a = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
			 CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
			 CLONE_NEWCGROUP | CLONE_NEWTIME,
		.exit_signal = SIGCHLD,
	};
	uint64_t begin = bench_now_ns();
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	int status;

	(void)j;
	if (pid == 0) {
		(void)execve(true_path, true_argv, no_environment);
		_exit(127);
	}
	if (pid == -1)
		bench_die("clone3", strerror(errno));
	status = jails_reap(pid);
	jails_print(quiet, 1, bench_now_ns() - begin, status);
}

static void
jails_spawn(struct jails *j, int quiet)
{
	uint64_t begin = bench_now_ns();
	pid_t pid;
	int r =
	    posix_spawn(&pid, true_path, NULL, NULL, true_argv, no_environment);

	(void)j;
	if (r != 0)
		bench_die(true_path, strerror(r));
	r = jails_reap(pid);
	jails_print(quiet, 1, bench_now_ns() - begin, r);
}

static void
jails_start(struct jails *j, char **argv)
{
	int round, rounds = bench_count(argv[0]);

	for (round = -JAILS_WARM_ROUNDS; round < rounds; round++) {
		jails_one(j, round < 0);
		jails_floor(j, round < 0);
	}
}

static void
jails_pool(struct jails *j, char **argv)
{
	int round, rounds = bench_count(argv[0]);
	struct warder_error e;

	jails_check(warder_pool_open(j->policy, JAILS_POOL, 0, &j->pool, &e),
	    &e);
	for (round = -JAILS_WARM_ROUNDS; round < rounds; round++) {
		jails_check(warder_pool_fill(j->pool, JAILS_POOL, &e), &e);
		jails_one(j, round < 0);
		jails_spawn(j, round < 0);
	}
	warder_pool_close(j->pool);
}

static void
jails_rate(struct jails *j, char **argv)
{
	uint64_t end =
	    bench_now_ns() + (uint64_t)bench_count(argv[0]) * 1000000000;
	unsigned long starts = 0;

	while (bench_now_ns() < end) {
		jails_one(j, 1);
		starts++;
	}
	(void)printf("%lu 0\n", starts);
}

static void
jails_policy(struct jails *j, const char *dir)
{
	static const char form[] = "policy: 1\n"
				   "name: idle\n"
				   "filesystem:\n"
				   "  read:\n"
				   "    - {path: /opt/bench, from: \"%s\"}\n";
	struct warder_error e;
	char text[4096];
	int n = snprintf(text, sizeof(text), form, dir);

	warder_policy_close(j->policy);
	jails_check(warder_policy_parse(j->library, text, (size_t)n, "idle",
			"/", &j->policy, &e),
	    &e);
}

static void
jails_hold(struct jails *j, char **argv)
{
	static struct warder_run *runs[JAILS_HOLD_MAX];
	static const char *const idle[] = { "/opt/bench/idle", NULL };
	int n = bench_count(argv[0]), i;
	struct warder_command c;
	struct warder_error e;
	struct rlimit files;

	if (n > JAILS_HOLD_MAX || argv[1] == NULL)
		bench_die("usage", "hold N DIR");
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	jails_policy(j, argv[1]);
	warder_command_init(&c);
	c.argv = idle;
	for (i = 0; i < n; i++)
		jails_check(warder_start(j->policy, &c, &runs[i], &e), &e);
	(void)printf("ready\n");
	(void)fflush(stdout);
	(void)getchar();
	for (i = 0; i < n; i++)
		warder_run_close(runs[i]);
}

static const struct {
	const char *name;
	void (*run)(struct jails *j, char **argv);
} jails_table[] = {
	{ "start", jails_start },
	{ "pool", jails_pool },
	{ "rate", jails_rate },
	{ "hold", jails_hold },
};

int
main(int argc, char **argv)
{
	struct jails j = { 0 };
	size_t i;

	for (i = 0;
	     argc >= 3 && i < sizeof(jails_table) / sizeof(jails_table[0]);
	     i++) {
		if (strcmp(argv[1], jails_table[i].name) != 0)
			continue;
		jails_open(&j);
		jails_table[i].run(&j, argv + 2);
		warder_policy_close(j.policy);
		warder_close(j.library);
		return 0;
	}
	bench_die("usage", "jails start|pool|rate|hold N …");
}
