/*
 * test_library.c: libwarder's interface, on real jails.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"
#include "warder/warder.h"

struct output {
	char bytes[4096];
	size_t n;
	int streams; /* bit per stream that said something */
};

static struct warder *library;
static struct warder_policy *policy;

static void
on_output(void *context, int stream, const void *bytes, size_t size)
{
	struct output *o = context;

	o->streams |= 1 << stream;
	assert_true(size < sizeof(o->bytes) - o->n);
	memcpy(o->bytes + o->n, bytes, size);
	o->n += size;
	o->bytes[o->n] = '\0';
}

/* The tests' program lies in build/tests/unit. */
static void
find_libexec(char *ret, size_t size)
{
	char exe[2048];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	int up;

	assert_true(n > 0);
	exe[n] = '\0';
	for (up = 0; up < 3; up++)
		*strrchr(exe, '/') = '\0';
	(void)snprintf(ret, size, "%s/libexec/warder", exe);
}

static int
set_up(void **state)
{
	struct warder_error e;
	char libexec[2100];

	(void)state;
	find_libexec(libexec, sizeof(libexec));
	if (warder_open(libexec, &library, &e) == -1 ||
	    warder_policy_open(library, NULL, &policy, &e) == -1) {
		(void)fprintf(stderr, "# %s\n", e.message);
		return -1;
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	warder_policy_close(policy);
	warder_close(library);
	return 0;
}

static void
shell(struct warder_command *c, const char **argv, const char *script,
    struct output *o)
{
	argv[0] = "sh";
	argv[1] = "-c";
	argv[2] = script;
	argv[3] = NULL;
	memset(o, 0, sizeof(*o));
	warder_command_init(c);
	c->argv = argv;
	c->output = on_output;
	c->context = o;
}

static void
finish(struct warder_run *r, struct warder_report *ret)
{
	struct warder_error e;

	assert_int_equal(warder_wait(r, 20000, ret, &e), 1);
	warder_run_close(r);
}

static void
library_start__prints_and_exits__output_and_report(void **state)
{
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;
	struct output o;
	const char *argv[4];

	(void)state;
	shell(&c, argv, "echo out; echo err >&2; id -u; exit 7", &o);
	assert_int_equal(warder_start(policy, &c, &run, &e), 0);
	finish(run, &r);
	assert_int_equal(r.end, WARDER_END_EXITED);
	assert_int_equal(r.exit_status, 7);
	assert_int_equal(o.streams, 1 << 1 | 1 << 2);
	assert_non_null(strstr(o.bytes, "out\n"));
	assert_non_null(strstr(o.bytes, "1000\n"));
	assert_int_equal(r.output_bytes, o.n);
	assert_true(r.start_us > 0 && r.wall_us > 0);
}

static void
library_wait__still_running__zero_until_killed(void **state)
{
	struct warder_command c;
	struct warder_error e;
	struct warder_report r = { .end = -1 };
	struct warder_run *run;
	struct output o;
	const char *argv[4];

	(void)state;
	shell(&c, argv, "sleep 60", &o);
	assert_int_equal(warder_start(policy, &c, &run, &e), 0);
	assert_int_equal(warder_wait(run, 0, &r, &e), 0);
	assert_int_equal(warder_wait(run, 100, &r, &e), 0);
	assert_int_equal(r.end, -1);
	warder_kill(run);
	finish(run, &r);
	assert_int_equal(r.end, WARDER_END_LOST);
	assert_int_equal(r.exit_status, 137);
}

static void
library_signal__term__signalled(void **state)
{
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;
	struct output o;
	const char *argv[4];

	(void)state;
	shell(&c, argv, "echo ready; sleep 60", &o);
	assert_int_equal(warder_start(policy, &c, &run, &e), 0);
	while (o.n == 0)
		assert_int_equal(warder_wait(run, 10, &r, &e), 0);
	warder_signal(run, SIGTERM);
	finish(run, &r);
	assert_int_equal(r.end, WARDER_END_SIGNALLED);
	assert_int_equal(r.signal, SIGTERM);
}

static void
library_start__unknown_command__not_found(void **state)
{
	const char *argv[] = { "no-such-command", NULL };
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;

	(void)state;
	warder_command_init(&c);
	c.argv = argv;
	assert_int_equal(warder_start(policy, &c, &run, &e), 0);
	finish(run, &r);
	assert_int_equal(r.end, WARDER_END_NOT_FOUND);
	assert_int_equal(r.exit_status, 127);
}

static void
library_policy_parse__unknown_key__invalid_with_place(void **state)
{
	static const char text[] = "policy: 1\nlimit: {cpu: 1}\n";
	struct warder_policy *p = NULL;
	struct warder_error e;

	(void)state;
	assert_int_equal(warder_policy_parse(library, text, sizeof(text) - 1,
			     "text", "/", &p, &e),
	    -1);
	assert_int_equal(e.code, WARDER_INVALID);
	assert_non_null(strstr(e.message, "text:2:1"));
	assert_non_null(strstr(e.message, "limits"));
	assert_null(p);
}

static void
library_policy_parse__limits__are_in_force(void **state)
{
	static const char text[] =
	    "policy: 1\nextends: [builtin/default]\nlimits: {wall: 200ms}\n";
	struct warder_command c;
	struct warder_policy *p;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;
	struct output o;
	const char *argv[4];

	(void)state;
	assert_int_equal(warder_policy_parse(library, text, sizeof(text) - 1,
			     "text", "/", &p, &e),
	    0);
	assert_string_not_equal(warder_policy_digest(p),
	    warder_policy_digest(policy));
	shell(&c, argv, "sleep 60", &o);
	assert_int_equal(warder_start(p, &c, &run, &e), 0);
	finish(run, &r);
	assert_int_equal(r.end, WARDER_END_WALL);
	assert_int_equal(r.exit_status, 124);
	warder_policy_close(p);
}

/* ---- pools ---- */

static void
pool_run(struct warder_pool *pool, const char *script, struct output *o)
{
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;
	const char *argv[4];

	shell(&c, argv, script, o);
	assert_int_equal(warder_pool_start(pool, &c, &run, &e), 0);
	finish(run, &r);
	assert_int_equal(r.end, WARDER_END_EXITED);
	assert_int_equal(r.exit_status, 0);
}

static void
library_pool_start__twice__nothing_is_shared(void **state)
{
	struct warder_pool *pool;
	struct warder_error e;
	struct output a, b;

	(void)state;
	assert_int_equal(warder_pool_open(policy, 2, 0, &pool, &e), 0);
	assert_int_equal(warder_pool_fill(pool, 10, &e), 0);
	assert_int_equal(warder_pool_parked(pool), 2);
	pool_run(pool,
	    "ls -A /workspace /tmp; touch /workspace/a /tmp/a; "
	    "cat /etc/machine-id",
	    &a);
	assert_int_equal(warder_pool_parked(pool), 1);
	pool_run(pool,
	    "ls -A /workspace /tmp; touch /workspace/a /tmp/a; "
	    "cat /etc/machine-id",
	    &b);
	assert_int_equal(warder_pool_parked(pool), 0);
	assert_null(strstr(a.bytes, "\na\n"));
	assert_null(strstr(b.bytes, "\na\n"));
	assert_string_not_equal(a.bytes, b.bytes);
	/* empty: a start of its own */
	pool_run(pool, "true", &a);
	warder_pool_close(pool);
}

static void
library_pool_fill__member_too_old__replaced(void **state)
{
	struct timespec wait = { .tv_nsec = 30 * 1000 * 1000 };
	struct warder_pool *pool;
	struct warder_error e;
	struct output o;

	(void)state;
	assert_int_equal(warder_pool_open(policy, 1, 20, &pool, &e), 0);
	assert_int_equal(warder_pool_fill(pool, 1, &e), 0);
	(void)nanosleep(&wait, NULL);
	assert_int_equal(warder_pool_fill(pool, 0, &e), 0);
	assert_int_equal(warder_pool_parked(pool), 0);
	pool_run(pool, "true", &o);
	warder_pool_close(pool);
}

/* Z: it has ended, and its parent has not asked how. */
static int
is_zombie(const char *pid)
{
	char path[64], text[512] = "", *state;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 1;
	(void)!fgets(text, sizeof(text), f);
	(void)fclose(f);
	state = strrchr(text, ')');
	return state != NULL && strncmp(state, ") Z", 3) == 0;
}

static pid_t last_parked;

/* The living children of ours that are called warder-init: how many there
 * are, the last of them, and each gets a signal. */
static int
signal_parked(int signo)
{
	char path[64], child[16], name[32];
	FILE *list, *f;
	int n = 0;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children",
	    (int)getpid());
	list = fopen(path, "r");
	assert_non_null(list);
	while (fscanf(list, "%15s", child) == 1) {
		siginfo_t info;
		pid_t pid = (pid_t)strtol(child, NULL, 10);

		(void)snprintf(path, sizeof(path), "/proc/%s/comm", child);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fgets(name, sizeof(name), f) != NULL &&
		    strcmp(name, "warder-init\n") == 0 && !is_zombie(child)) {
			n += kill(pid, signo) == 0;
			last_parked = pid;
			/* dead, and left for its launcher to reap */
			if (signo != 0)
				(void)waitid(P_PID, (id_t)pid, &info,
				    WEXITED | WNOWAIT);
		}
		(void)fclose(f);
	}
	(void)fclose(list);
	return n;
}

/* Without a jail that other tests left waiting. */
static void
open_again(void)
{
	struct warder_error e;

	warder_policy_close(policy);
	assert_int_equal(warder_policy_open(library, NULL, &policy, &e), 0);
}

static void
library_pool_start__parked_member_killed__a_living_one(void **state)
{
	struct warder_pool *pool;
	struct warder_error e;
	struct output o;

	(void)state;
	open_again();
	assert_int_equal(warder_pool_open(policy, 2, 0, &pool, &e), 0);
	assert_int_equal(warder_pool_fill(pool, 2, &e), 0);
	assert_int_equal(signal_parked(SIGKILL), 2);
	pool_run(pool, "echo alive", &o);
	assert_string_equal(o.bytes, "alive\n");
	assert_int_equal(warder_pool_parked(pool), 0);
	warder_pool_close(pool);
}

static void
library_pool_open__size_zero__invalid(void **state)
{
	struct warder_pool *pool;
	struct warder_error e;

	(void)state;
	assert_int_equal(warder_pool_open(policy, 0, 0, &pool, &e), -1);
	assert_int_equal(e.code, WARDER_INVALID);
}

/* Descriptors are the witness: a run that was closed leaves none. */
static void
run_true(struct warder_policy *p)
{
	static const char *const argv[] = { "true", NULL };
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;

	warder_command_init(&c);
	c.argv = argv;
	assert_int_equal(warder_start(p, &c, &run, &e), 0);
	finish(run, &r);
	assert_int_equal(r.exit_status, 0);
}

static void
library_run_close__many_runs__no_descriptor_left(void **state)
{
	struct warder_command c;
	struct warder_error e;
	struct warder_run *run;
	struct output o;
	const char *argv[4];
	int i, before;

	(void)state;
	/* from the second start on the next one's are there as well */
	run_true(policy);
	run_true(policy);
	shell(&c, argv, "echo x", &o);
	before = unit_count_fds();
	for (i = 0; i < 5; i++) {
		struct warder_report r;

		assert_int_equal(warder_start(policy, &c, &run, &e), 0);
		finish(run, &r);
		/* and one that is closed while it runs */
		assert_int_equal(warder_start(policy, &c, &run, &e), 0);
		warder_run_close(run);
	}
	assert_true(unit_count_fds() <= before + 1); /* cgroup's cached root */
}

/* ---- what is prepared ahead ---- */

/* How many children of a process live. */
static int
children(pid_t pid)
{
	char path[64], child[16];
	FILE *f;
	int n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid,
	    pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fscanf(f, "%15s", child) == 1)
		n += !is_zombie(child);
	(void)fclose(f);
	return n;
}

static void
library_policy_close__after_two_starts__no_child_is_left(void **state)
{
	struct warder_policy *p;
	struct warder_error e;
	int before;

	(void)state;
	open_again();
	before = children(getpid());
	assert_int_equal(warder_policy_open(library, NULL, &p, &e), 0);
	run_true(p);
	assert_int_equal(children(getpid()), before);
	run_true(p);
	/* the control: the third start's is there */
	assert_true(children(getpid()) > before);
	run_true(p);
	warder_policy_close(p);
	assert_int_equal(children(getpid()), before);
}

/* Its next jail comes by itself to where it waits for its command. */
static void
start_twice(void)
{
	const struct timespec nap = { .tv_nsec = 10000000 };
	int tries;

	open_again();
	run_true(policy);
	assert_int_equal(signal_parked(0), 0);
	run_true(policy);
	for (tries = 0; tries < 2000 && signal_parked(0) == 0; tries++)
		(void)nanosleep(&nap, NULL);
	assert_int_equal(signal_parked(0), 1);
}

static void
library_start__third__in_the_parked_jail(void **state)
{
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;
	struct output o;
	const char *argv[4];
	pid_t was;

	(void)state;
	start_twice();
	was = last_parked;
	shell(&c, argv, "exec sleep 60", &o);
	assert_int_equal(warder_start(policy, &c, &run, &e), 0);
	assert_int_equal(signal_parked(0), 1);
	assert_int_equal(last_parked, was);
	warder_kill(run);
	finish(run, &r);
	open_again();
	assert_int_equal(signal_parked(0), 0);
}

static void
library_start__parked_jail_killed__another(void **state)
{
	(void)state;
	start_twice();
	assert_int_equal(signal_parked(SIGKILL), 1);
	run_true(policy);
	run_true(policy);
	open_again();
}

/* The host's files may be others by then. */
static void
library_start__parked_too_long__another(void **state)
{
	const struct timespec old = { .tv_sec = 5, .tv_nsec = 200000000 };

	(void)state;
	start_twice();
	(void)nanosleep(&old, NULL);
	run_true(policy);
	/* nor is another made for who comes so rarely */
	assert_int_equal(signal_parked(0), 0);
}

/* How many descriptors a process has room for. */
static int
room(const char *pid)
{
	char path[64], line[256];
	int n = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (n == -1 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "FDSize:", 7) == 0)
			n = (int)strtol(line + 7, NULL, 10);
	(void)fclose(f);
	return n;
}

static void
library_start__many_descriptors__small_tables(void **state)
{
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;
	struct output o;
	const char *argv[4];
	char path[64], child[16];
	int fds[400], i, n = 0;
	FILE *list;

	(void)state;
	open_again();
	for (i = 0; i < 400; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] != -1);
	}
	shell(&c, argv, "ls /workspace /etc/ssl; echo there; exec sleep 60",
	    &o);
	assert_int_equal(warder_start(policy, &c, &run, &e), 0);
	while (strstr(o.bytes, "there") == NULL)
		assert_int_equal(warder_wait(run, 100, &r, &e), 0);
	assert_true(room("self") >= 400);
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children",
	    (int)getpid());
	list = fopen(path, "r");
	assert_non_null(list);
	for (; fscanf(list, "%15s", child) == 1; n++)
		assert_in_range(room(child), 1, 256);
	(void)fclose(list);
	/* its janitor and its warder-init */
	assert_int_equal(n, 2);
	warder_kill(run);
	finish(run, &r);
	for (i = 0; i < 400; i++)
		(void)close(fds[i]);
}

static void
library_start__forked__own_jail(void **state)
{
	struct warder_policy *p;
	struct warder_error e;
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(warder_policy_open(library, NULL, &p, &e), 0);
	run_true(p);
	run_true(p);
	pid = fork();
	if (pid == 0) {
		run_true(p);
		warder_policy_close(p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	run_true(p);
	warder_policy_close(p);
}

static int
is_program(pid_t pid, const char *name)
{
	char path[64], text[32] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	(void)!fgets(text, sizeof(text), f);
	(void)fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, name) == 0;
}

/* A process with a start prepared ahead that then executes a program. */
static pid_t
start_and_execute(const char *program, const char *argument)
{
	struct warder_policy *p;
	struct warder_error e;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (warder_policy_open(library, NULL, &p, &e) == -1)
		_exit(1);
	run_true(p);
	run_true(p);
	if (children(getpid()) == 0)
		_exit(2);
	(void)execlp(program, program, argument, NULL);
	_exit(3);
}

static void
library_start__launcher_executes__spare_goes(void **state)
{
	const struct timespec nap = { .tv_nsec = 50000000 };
	pid_t pid = start_and_execute("sleep", "30");
	int tries, n = -1, status;

	(void)state;
	for (tries = 0; tries < 200 && n != 0; tries++) {
		(void)nanosleep(&nap, NULL);
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		n = is_program(pid, "sleep") ? children(pid) : -1;
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	assert_int_equal(n, 0);
}

/* ---- services --------------------------------------------------------- */

/* Listens on a port of 127.0.0.1, which a service's dial then names. */
static int
service_open(char *ret_policy, size_t size, struct warder_policy **ret)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct warder_error e;

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	(void)snprintf(ret_policy, size,
	    "policy: 1\nextends: [builtin/default]\nnetwork:\n  services:\n"
	    "    echo: {to: 'echo.internal:7000', protocol: tcp, allow: any, "
	    "dial: '127.0.0.1:%d'}\n",
	    ntohs(a.sin_port));
	assert_int_equal(warder_policy_parse(library, ret_policy,
			     strlen(ret_policy), "test", "/", ret, &e),
	    0);
	return fd;
}

static void
library_start__policy_with_services__reached_by_name(void **state)
{
	struct warder_policy *p;
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;
	struct output o;
	const char *argv[] = { "bash", "-c",
		"exec 3<>/dev/tcp/echo.internal/7000; echo hello >&3; cat <&3",
		NULL };
	char text[512], line[16] = "";
	int fd, peer;

	(void)state;
	fd = service_open(text, sizeof(text), &p);
	memset(&o, 0, sizeof(o));
	warder_command_init(&c);
	c.argv = argv;
	c.output = on_output;
	c.context = &o;
	assert_int_equal(warder_start(p, &c, &run, &e), 0);
	peer = accept(fd, NULL, NULL);
	assert_int_equal(read(peer, line, sizeof(line) - 1), 6);
	assert_string_equal(line, "hello\n");
	assert_int_equal(write(peer, "back\n", 5), 5);
	(void)close(peer);
	finish(run, &r);
	assert_int_equal(r.end, WARDER_END_EXITED);
	assert_string_equal(o.bytes, "back\n");
	warder_policy_close(p);
	(void)close(fd);
}

/* Of a thread's children the one with that name; 0: none. */
static pid_t
child_of(const char *thread, const char *name)
{
	char path[300], comm[32];
	FILE *list, *f;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%s/children",
	    thread);
	list = fopen(path, "re");
	assert_non_null(list);
	while (fscanf(list, "%d", &pid) == 1) {
		(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if ((f = fopen(path, "re")) == NULL)
			continue;
		if (fgets(comm, sizeof(comm), f) == NULL)
			comm[0] = '\0';
		(void)fclose(f);
		comm[strcspn(comm, "\n")] = '\0';
		if (strcmp(comm, name) == 0) {
			(void)fclose(list);
			return pid;
		}
	}
	(void)fclose(list);
	return 0;
}

/* The same of this process. */
static pid_t
child_named(const char *name)
{
	DIR *threads = opendir("/proc/self/task");
	const struct dirent *d;
	pid_t found = 0;

	assert_non_null(threads);
	while (found == 0 && (d = readdir(threads)) != NULL)
		if (d->d_name[0] != '.')
			found = child_of(d->d_name, name);
	(void)closedir(threads);
	return found;
}

/* A start in a thread of its own, which then ends. */
struct start {
	struct warder_policy *policy;
	struct warder_command *command;
	struct warder_run *run;
	int rc;
};

static void *
start_in_thread(void *arg)
{
	struct start *s = arg;
	struct warder_error e;

	s->rc = warder_start(s->policy, s->command, &s->run, &e);
	return NULL;
}

static void
library_start__by_a_thread_that_ends__its_proxy_stays(void **state)
{
	struct warder_command c;
	struct warder_report r;
	struct output o;
	struct start s = { .command = &c };
	const char *argv[4];
	char text[512], line[16] = "";
	pthread_t t;
	int fd, peer;

	(void)state;
	fd = service_open(text, sizeof(text), &s.policy);
	shell(&c, argv,
	    "sleep 0.3; exec 3<>/dev/tcp/echo.internal/7000 && echo hello >&3",
	    &o);
	argv[0] = "bash";
	assert_int_equal(pthread_create(&t, NULL, start_in_thread, &s), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(s.rc, 0);
	assert_true(child_named("warder-proxy") > 0);
	peer = accept(fd, NULL, NULL);
	assert_int_equal(read(peer, line, sizeof(line) - 1), 6);
	(void)close(peer);
	finish(s.run, &r);
	assert_int_equal(r.end, WARDER_END_EXITED);
	assert_int_equal(r.exit_status, 0);
	warder_policy_close(s.policy);
	(void)close(fd);
}

/* 1 within two seconds: it is gone, or a zombie that nobody waits for. */
static int
is_gone(pid_t pid)
{
	char path[64], line[256];
	int i;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (i = 0; i < 200; i++) {
		FILE *f = fopen(path, "re");
		const char *end;

		if (f == NULL)
			return 1;
		if (fgets(line, sizeof(line), f) == NULL)
			line[0] = '\0';
		(void)fclose(f);
		end = strrchr(line, ')');
		if (end == NULL || end[2] == 'Z' || end[2] == 'X')
			return 1;
		(void)usleep(10000);
	}
	return 0;
}

/* A host of its own, which tells its proxy's pid and waits to be killed. */
static pid_t
start_host(int *ret_proxy)
{
	struct warder_policy *p;
	struct warder_command c;
	struct warder_error e;
	struct warder_run *run;
	struct output o;
	const char *argv[4];
	char text[512];
	int pipe[2], proxy = 0;
	pid_t host;

	assert_int_equal(pipe2(pipe, O_CLOEXEC), 0);
	host = fork();
	if (host == 0) {
		(void)service_open(text, sizeof(text), &p);
		shell(&c, argv, "sleep 60", &o);
		if (warder_start(p, &c, &run, &e) == 0)
			proxy = child_named("warder-proxy");
		(void)!write(pipe[1], &proxy, sizeof(proxy));
		(void)pause();
		_exit(1);
	}
	assert_int_equal(read(pipe[0], &proxy, sizeof(proxy)), sizeof(proxy));
	(void)close(pipe[0]);
	(void)close(pipe[1]);
	*ret_proxy = proxy;
	return host;
}

/* One that was taken over does not look for the end of its socket. */
static void
library_start__host_killed__a_proxy_that_reads_nothing_ends_too(void **state)
{
	int status, proxy, gone;
	pid_t host;

	(void)state;
	host = start_host(&proxy);
	assert_true(proxy > 0);
	assert_int_equal(kill(proxy, SIGSTOP), 0);
	assert_int_equal(kill(proxy, 0), 0);
	assert_int_equal(kill(host, SIGKILL), 0);
	assert_int_equal(waitpid(host, &status, 0), host);
	gone = is_gone(proxy);
	if (!gone)
		(void)kill(proxy, SIGKILL);
	assert_true(gone);
}

static void
library_wait__proxy_killed__end_proxy(void **state)
{
	struct warder_policy *p;
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;
	struct output o;
	const char *argv[4];
	char text[512];
	pid_t proxy;
	int fd;

	(void)state;
	fd = service_open(text, sizeof(text), &p);
	shell(&c, argv, "sleep 60", &o);
	assert_int_equal(warder_start(p, &c, &run, &e), 0);
	proxy = child_named("warder-proxy");
	assert_true(proxy > 0);
	assert_int_equal(kill(proxy, SIGKILL), 0);
	finish(run, &r);
	assert_int_equal(r.end, WARDER_END_PROXY);
	assert_int_equal(r.exit_status, 125);
	assert_int_equal(child_named("warder-proxy"), 0);
	warder_policy_close(p);
	(void)close(fd);
}

/* The same jail with another network; NULL: none. */
static struct warder_policy *
other_policy(const char *text)
{
	static const char none[] = "policy: 1\nextends: [builtin/default]\n";
	struct warder_policy *p;
	struct warder_error e;

	if (text == NULL)
		text = none;
	assert_int_equal(warder_policy_parse(library, text, strlen(text),
			     "other", "/", &p, &e),
	    0);
	return p;
}

static void
library_reload__service_taken_away__its_connection_is_cut(void **state)
{
	struct warder_policy *p, *closed, *larger;
	struct warder_reloaded how = { 9, 9 };
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;
	struct output o;
	const char *argv[] = { "bash", "-c",
		"exec 3<>/dev/tcp/echo.internal/7000; echo hello >&3; cat <&3",
		NULL };
	char text[512], line[16] = "";
	int fd, peer;

	(void)state;
	fd = service_open(text, sizeof(text), &p);
	closed = other_policy(NULL);
	larger = other_policy("policy: 1\nextends: [builtin/default]\n"
			      "limits: {pids: 99}\n");
	memset(&o, 0, sizeof(o));
	warder_command_init(&c);
	c.argv = argv;
	c.output = on_output;
	c.context = &o;
	assert_int_equal(warder_start(p, &c, &run, &e), 0);
	peer = accept(fd, NULL, NULL);
	assert_int_equal(read(peer, line, sizeof(line) - 1), 6);
	assert_int_equal(warder_reload(run, larger, &how, &e), -1);
	assert_int_equal(e.code, WARDER_CONFLICT);
	assert_non_null(strstr(e.message, "limits"));
	assert_int_equal(warder_reload(run, p, &how, &e), 0);
	assert_int_equal(how.kept, 1);
	assert_int_equal(how.cut, 0);
	assert_int_equal(write(peer, "back\n", 5), 5);
	assert_int_equal(warder_reload(run, closed, &how, &e), 0);
	assert_int_equal(how.kept, 0);
	assert_int_equal(how.cut, 1);
	assert_int_equal(read(peer, line, sizeof(line)), -1);
	assert_int_equal(errno, ECONNRESET);
	(void)close(peer);
	finish(run, &r);
	assert_int_equal(r.end, WARDER_END_EXITED);
	warder_policy_close(p);
	warder_policy_close(closed);
	warder_policy_close(larger);
	(void)close(fd);
}

static void
library_reload__began_without_services__conflict(void **state)
{
	struct warder_policy *p = other_policy(NULL), *open;
	struct warder_reloaded how = { 9, 9 };
	struct warder_command c;
	struct warder_error e;
	struct warder_report r;
	struct warder_run *run;
	struct output o;
	const char *argv[4];
	char text[512];
	int fd;

	(void)state;
	fd = service_open(text, sizeof(text), &open);
	shell(&c, argv, "sleep 60", &o);
	assert_int_equal(warder_start(p, &c, &run, &e), 0);
	assert_int_equal(warder_reload(run, open, &how, &e), -1);
	assert_int_equal(e.code, WARDER_CONFLICT);
	assert_int_equal(warder_reload(run, p, &how, &e), 0);
	assert_int_equal(how.kept + how.cut, 0);
	warder_kill(run);
	finish(run, &r);
	warder_policy_close(p);
	warder_policy_close(open);
	(void)close(fd);
}

/* One command of a pool that says hello to the service; what it was told. */
static void
pool_talk(struct warder_pool *pool, int fd, struct output *o)
{
	const char *argv[] = { "bash", "-c",
		"exec 3<>/dev/tcp/echo.internal/7000; echo hello >&3; cat <&3",
		NULL };
	struct warder_command c;
	struct warder_report r;
	struct warder_error e;
	struct warder_run *run;
	char line[16] = "";
	int peer;

	memset(o, 0, sizeof(*o));
	warder_command_init(&c);
	c.argv = argv;
	c.output = on_output;
	c.context = o;
	if (warder_pool_start(pool, &c, &run, &e) == -1)
		fail_msg("%s", e.message);
	peer = accept(fd, NULL, NULL);
	assert_int_equal(read(peer, line, sizeof(line) - 1), 6);
	assert_int_equal(write(peer, "back\n", 5), 5);
	(void)close(peer);
	finish(run, &r);
	assert_int_equal(r.end, WARDER_END_EXITED);
}

static void
library_pool_start__policy_with_services__each_its_proxy(void **state)
{
	struct warder_policy *p;
	struct warder_pool *pool;
	struct warder_error e = { 0 };
	struct output o;
	char text[512];
	int fd, i;

	(void)state;
	fd = service_open(text, sizeof(text), &p);
	assert_int_equal(warder_pool_open(p, 2, 60000, &pool, &e), 0);
	if (warder_pool_fill(pool, 2, &e) == -1)
		fail_msg("%s", e.message);
	assert_int_equal(warder_pool_parked(pool), 2);
	/* two that were parked, and one that was not */
	for (i = 0; i < 3; i++) {
		pool_talk(pool, fd, &o);
		assert_string_equal(o.bytes, "back\n");
	}
	assert_int_equal(warder_pool_parked(pool), 0);
	warder_pool_close(pool);
	assert_int_equal(child_named("warder-proxy"), 0);
	warder_policy_close(p);
	(void)close(fd);
}

static void
library_pool_start__parked_members_proxy_killed__a_living_one(void **state)
{
	struct warder_policy *p;
	struct warder_pool *pool;
	struct warder_error e = { 0 };
	struct output o;
	char text[512];
	pid_t proxy;
	int fd;

	(void)state;
	fd = service_open(text, sizeof(text), &p);
	assert_int_equal(warder_pool_open(p, 1, 60000, &pool, &e), 0);
	assert_int_equal(warder_pool_fill(pool, 1, &e), 0);
	proxy = child_named("warder-proxy");
	assert_true(proxy > 0);
	assert_int_equal(kill(proxy, SIGKILL), 0);
	while (child_named("warder-proxy") == proxy &&
	       waitid(P_PID, (id_t)proxy, NULL, WEXITED | WNOWAIT) == -1)
		;
	pool_talk(pool, fd, &o);
	assert_string_equal(o.bytes, "back\n");
	assert_int_equal(warder_pool_parked(pool), 0);
	warder_pool_close(pool);
	warder_policy_close(p);
	(void)close(fd);
}

/* Its proxy was ready before the jail was launched. */
static void
library_pool_start__inspected_service__authority_and_variables(void **state)
{
	static const char text[] =
	    "policy: 1\nextends: [builtin/default]\nnetwork:\n  services:\n"
	    "    a: {to: a.example, allow: [{path: /x}]}\n";
	struct warder_policy *p;
	struct warder_pool *pool;
	struct warder_error e = { 0 };
	struct output o;

	(void)state;
	assert_int_equal(warder_policy_parse(library, text, sizeof(text) - 1,
			     "test", "/", &p, &e),
	    0);
	assert_int_equal(warder_pool_open(p, 1, 60000, &pool, &e), 0);
	assert_int_equal(warder_pool_fill(pool, 1, &e), 0);
	pool_run(pool,
	    "grep -c BEGIN /etc/ssl/certs/warder.pem; echo $https_proxy", &o);
	assert_string_equal(o.bytes, "1\nhttp://127.0.0.1:3128\n");
	warder_pool_close(pool);
	warder_policy_close(p);
}

static void
library_pool_open__services_that_no_pool_can_have__why(void **state)
{
	static const char text[] =
	    "policy: 1\nextends: [builtin/default]\nnetwork:\n  services:\n"
	    "    a: {to: a.example, allow: [{path: /x}]}\n"
	    "credentials:\n"
	    "  k: {source: {env: KEY}, inject: [{service: a, as: bearer}]}\n";
	struct warder_policy *p;
	struct warder_pool *pool = NULL;
	struct warder_error e = { 0 };

	(void)state;
	assert_int_equal(warder_policy_parse(library, text, sizeof(text) - 1,
			     "test", "/", &p, &e),
	    0);
	assert_int_equal(warder_pool_open(p, 1, 0, &pool, &e), -1);
	assert_int_equal(e.code, WARDER_INVALID);
	assert_int_equal(warder_pool_open(p, 1, 60000, &pool, &e), -1);
	assert_int_equal(e.code, WARDER_UNSUPPORTED);
	assert_non_null(strstr(e.message, "credential k:"));
	warder_policy_close(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    library_start__prints_and_exits__output_and_report),
		cmocka_unit_test(
		    library_wait__still_running__zero_until_killed),
		cmocka_unit_test(library_signal__term__signalled),
		cmocka_unit_test(library_start__unknown_command__not_found),
		cmocka_unit_test(
		    library_policy_parse__unknown_key__invalid_with_place),
		cmocka_unit_test(library_policy_parse__limits__are_in_force),
		cmocka_unit_test(library_pool_start__twice__nothing_is_shared),
		cmocka_unit_test(library_pool_fill__member_too_old__replaced),
		cmocka_unit_test(
		    library_pool_start__parked_member_killed__a_living_one),
		cmocka_unit_test(library_pool_open__size_zero__invalid),
		cmocka_unit_test(
		    library_run_close__many_runs__no_descriptor_left),
		cmocka_unit_test(
		    library_policy_close__after_two_starts__no_child_is_left),
		cmocka_unit_test(library_start__third__in_the_parked_jail),
		cmocka_unit_test(library_start__parked_jail_killed__another),
		cmocka_unit_test(library_start__parked_too_long__another),
		cmocka_unit_test(library_start__many_descriptors__small_tables),
		cmocka_unit_test(library_start__forked__own_jail),
		cmocka_unit_test(
		    library_start__policy_with_services__reached_by_name),
		cmocka_unit_test(
		    library_reload__service_taken_away__its_connection_is_cut),
		cmocka_unit_test(
		    library_reload__began_without_services__conflict),
		cmocka_unit_test(library_wait__proxy_killed__end_proxy),
		cmocka_unit_test(
		    library_pool_start__policy_with_services__each_its_proxy),
		cmocka_unit_test(
		    library_pool_start__parked_members_proxy_killed__a_living_one),
		cmocka_unit_test(
		    library_pool_start__inspected_service__authority_and_variables),
		cmocka_unit_test(
		    library_pool_open__services_that_no_pool_can_have__why),
		cmocka_unit_test(
		    library_start__by_a_thread_that_ends__its_proxy_stays),
		cmocka_unit_test(
		    library_start__host_killed__a_proxy_that_reads_nothing_ends_too),
		cmocka_unit_test(library_start__launcher_executes__spare_goes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
