/*
 * run.c: run a command in a jail with libwarder.
 *
 *	cc run.c $(pkg-config --cflags --libs warder) -o run
 *	./run [--policy FILE] [--pool | --ahead] -- COMMAND [ARGUMENT …]
 *
 * With --pool the command starts in a jail that was prepared beforehand; with
 * --ahead it is the third that starts under its policy, in a jail that was
 * made while the second one's ended.
 * The exit status is the one that "warder exec" would give.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <warder/warder.h>

extern char **environ;

static const char *const ends[] = {
	"exited",
	"signalled",
	"seccomp",
	"oom",
	"output",
	"wall",
	"idle",
	"cpu_time",
	"not_found",
	"not_executed",
	"lost",
};

static int
fail(const struct warder_error *e)
{
	(void)fprintf(stderr, "run: %s\n", e->message);
	return 125;
}

/* Standard output and error arrive here, as they are written. */
static void
on_output(void *context, int stream, const void *bytes, size_t size)
{
	FILE *f = stream == 1 ? stdout : stderr;

	(void)context;
	if (fwrite(bytes, 1, size, f) != size || fflush(f) != 0)
		exit(125);
}

static int
wait_and_tell(struct warder_run *run)
{
	struct warder_error e;
	struct warder_report r;

	if (warder_wait(run, -1, &r, &e) == -1)
		return fail(&e);
	if (getenv("RUN_REPORT") != NULL)
		(void)fprintf(stderr,
		    "run: %s after %llu ms, %llu ms cpu, %llu KiB; start took "
		    "%llu us\n",
		    ends[r.end], (unsigned long long)r.wall_us / 1000,
		    (unsigned long long)r.cpu_us / 1000,
		    (unsigned long long)r.memory_peak_bytes / 1024,
		    (unsigned long long)r.start_us);
	return r.exit_status;
}

static int
start_fresh(struct warder_policy *policy, const struct warder_command *c)
{
	struct warder_error e;
	struct warder_run *run;
	int status;

	if (warder_start(policy, c, &run, &e) == -1)
		return fail(&e);
	status = wait_and_tell(run);
	warder_run_close(run);
	return status;
}

static int
start_ahead(struct warder_policy *policy, const struct warder_command *c)
{
	static const char *const nothing[] = { "/bin/true", NULL };
	struct warder_command before;
	int i, status = 0;

	warder_command_init(&before);
	before.argv = nothing;
	for (i = 0; i < 2 && status == 0; i++)
		status = start_fresh(policy, &before);
	return status == 0 ? start_fresh(policy, c) : status;
}

static int
start_from_pool(struct warder_policy *policy, const struct warder_command *c)
{
	struct warder_error e;
	struct warder_pool *pool;
	struct warder_run *run;
	int status = 125;

	if (warder_pool_open(policy, 1, 60000, &pool, &e) == -1)
		return fail(&e);
	if (warder_pool_fill(pool, 1, &e) == -1 ||
	    warder_pool_start(pool, c, &run, &e) == -1) {
		(void)fail(&e);
	} else {
		status = wait_and_tell(run);
		warder_run_close(run);
	}
	warder_pool_close(pool);
	return status;
}

int
main(int argc, char **argv)
{
	int (*start)(struct warder_policy *, const struct warder_command *) =
	    start_fresh;
	const char *file = NULL;
	struct warder_policy *policy;
	struct warder_command c;
	struct warder_error e;
	struct warder *w;
	int i = 1, status;

	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--pool") == 0)
			start = start_from_pool;
		else if (strcmp(argv[i], "--ahead") == 0)
			start = start_ahead;
		else if (strcmp(argv[i], "--policy") == 0 && i + 1 < argc)
			file = argv[++i];
		else
			break;
	}
	if (i + 1 >= argc || strcmp(argv[i], "--") != 0) {
		(void)fprintf(stderr,
		    "usage: run [--policy FILE] [--pool | --ahead] -- COMMAND "
		    "…\n");
		return 125;
	}
	if (warder_open(NULL, &w, &e) == -1)
		return fail(&e);
	if (warder_policy_open(w, file, &policy, &e) == -1) {
		warder_close(w);
		return fail(&e);
	}
	warder_command_init(&c);
	c.argv = (const char *const *)argv + i + 1;
	c.environment = (const char *const *)environ;
	c.output = on_output;
	status = start(policy, &c);
	warder_policy_close(policy);
	warder_close(w);
	return status;
}
