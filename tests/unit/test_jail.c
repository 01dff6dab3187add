/*
 * test_jail.c: what a launcher gives a jail beside its plan: the command's
 * descriptor 3, and a directory of Warder's own.  On real jails.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "jail/environ.h"
#include "jail/jail.h"
#include "jail/places.h"
#include "policy/load.h"

static struct plan plan;
static struct seccomp_program program;
static struct places places;
static struct environ env;
static char init_path[PLACES_PATH_MAX + 16], config_path[PLACES_PATH_MAX + 16];
static char own[64];

static struct jail_options
options(void)
{
	struct jail_options o = {
		.plan = &plan,
		.program = &program,
		.init_path = init_path,
		.runtime_dir = places.runtime,
		.state_dir = places.state,
		.config_dir = places.config,
		.state_root = places.state_root,
	};

	return o;
}

static int
compile(void **state)
{
	static const char text[] = "policy: 1\n";
	static char warnings[CONFIG_TEXT_MAX];
	struct policy_request rq = { .text = text,
		.size = sizeof(text) - 1,
		.name = "test",
		.dir = "/",
		.home = "",
		.config_path = config_path };
	struct err e = { 0 };

	(void)state;
	if (policy_load(&rq, &plan, &program, warnings, sizeof(warnings), &e) ==
		-1 ||
	    environ_make(&env, &plan, NULL, &e) == -1)
		fail_msg("%s", e.msg);
	return 0;
}

static struct jail *
launch(const struct jail_options *o, const char *script, int sock, int stdio[3])
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct jail_command c = { .id = 1,
		.argv = argv,
		.envp = env.vector,
		.cwd = "/",
		.socket = sock };
	struct err e = { 0 };
	struct jail *j = NULL;

	stdio[0] = stdio[1] = stdio[2] = -1;
	if (jail_create(o, &j, &e) == -1 || jail_launch(j, &c, stdio, &e) == -1)
		fail_msg("%s", e.msg);
	return j;
}

/* Everything that comes until the end, within its time. */
static void
read_all(int fd, char *buf, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t have = 0;
	ssize_t n = 1;

	while (n != 0 && have < size - 1) {
		assert_int_equal(1, poll(&p, 1, 10000));
		n = read(fd, buf + have, size - 1 - have);
		if (n == -1)
			assert_int_equal(EAGAIN, errno);
		have += n > 0 ? (size_t)n : 0;
	}
	buf[have] = '\0';
}

static void
finish(struct jail *j, int stdio[3])
{
	int i;

	for (i = 0; i < 3; i++)
		fd_closep(&stdio[i]);
	assert_int_equal(0, jail_destroy(j));
}

static void
jail_launch__socket__is_descriptor_3(void **state)
{
	struct jail_options o = options();
	int pair[2], stdio[3];
	char buf[256];
	struct jail *j;

	(void)state;
	assert_int_equal(0,
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	j = launch(&o, "read x <&3; echo \"got $x\" >&3; echo /proc/self/fd/*",
	    pair[1], stdio);
	assert_int_equal(0, close(pair[1]));
	assert_int_equal(6, write(pair[0], "hello\n", 6));
	read_all(pair[0], buf, sizeof(buf));
	assert_string_equal("got hello\n", buf);
	read_all(stdio[1], buf, sizeof(buf));
	/* the shell's own glob opens one more */
	assert_non_null(strstr(buf, "/proc/self/fd/3"));
	assert_null(strstr(buf, "/proc/self/fd/5"));
	finish(j, stdio);
	assert_int_equal(0, close(pair[0]));
}

static void
jail_launch__no_socket__descriptor_3_is_closed(void **state)
{
	struct jail_options o = options();
	int stdio[3];
	char buf[256];
	struct jail *j;

	(void)state;
	j = launch(&o, "(echo x >&3) 2>/dev/null || echo closed", 0, stdio);
	read_all(stdio[1], buf, sizeof(buf));
	assert_string_equal("closed\n", buf);
	finish(j, stdio);
}

/* What a policy names is judged; what its launcher has put there is not. */
static void
jail_launch__own_directory__is_there_read_only(void **state)
{
	struct jail_options o = options();
	struct jail *j = NULL;
	int stdio[3];
	char buf[256];
	struct err e;

	(void)state;
	o.config_dir = own;
	assert_int_equal(0, plan_add_own_mount(&plan, own, "/agent", &e));
	assert_refused(jail_create(&o, &j, &e), &e, ERR_DENIED,
	    "never enters a jail");
	o.own = "/agent";
	j = launch(&o,
	    "cat /agent/file; (echo x >/agent/new) 2>/dev/null || echo no", 0,
	    stdio);
	read_all(stdio[1], buf, sizeof(buf));
	assert_string_equal("text\nno\n", buf);
	finish(j, stdio);
}

static void
plan_add_own_mount__path_is_taken__refused(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(0, plan_add_own_mount(&plan, "/a", "/agent", &e));
	assert_refused(plan_add_own_mount(&plan, "/b", "/agent", &e), &e,
	    ERR_CONFLICT, "/agent");
	while (plan.nmounts < PLAN_MOUNT_MAX) {
		char path[32];

		(void)snprintf(path, sizeof(path), "/m%02u", plan.nmounts);
		assert_int_equal(0, plan_add_own_mount(&plan, "/a", path, &e));
	}
	assert_refused(plan_add_own_mount(&plan, "/a", "/zzz", &e), &e,
	    ERR_LIMIT, "mounts");
}

static int
set_up(void **state)
{
	char exe[2048], path[128];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	struct err e = { 0 };
	FILE *f;
	int up;

	(void)state;
	assert_true(n > 0);
	exe[n] = '\0';
	if (places_find(&places, NULL, &e) == -1)
		fail_msg("%s", e.msg);
	for (up = 0; up < 3; up++)
		*strrchr(exe, '/') = '\0';
	(void)snprintf(init_path, sizeof(init_path),
	    "%s/libexec/warder/warder-init", exe);
	(void)snprintf(config_path, sizeof(config_path),
	    "%s/libexec/warder/warder-config", exe);
	(void)snprintf(own, sizeof(own), "/var/tmp/warder-test-XXXXXX");
	assert_non_null(mkdtemp(own));
	assert_int_equal(0, chmod(own, 0755));
	(void)snprintf(path, sizeof(path), "%s/file", own);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("text\n", f) >= 0);
	return fclose(f);
}

static int
tear_down(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/file", own);
	return unlink(path) == -1 || rmdir(own) == -1 ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(jail_launch__socket__is_descriptor_3,
		    compile),
		cmocka_unit_test_setup(
		    jail_launch__no_socket__descriptor_3_is_closed, compile),
		cmocka_unit_test_setup(
		    jail_launch__own_directory__is_there_read_only, compile),
		cmocka_unit_test_setup(
		    plan_add_own_mount__path_is_taken__refused, compile),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
