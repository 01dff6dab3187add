/*
 * base/child.c: what a helper program finds when it starts.
 *
 * The helper is this program itself: as "test_child look" it says by its exit
 * status whether everything is as child.h promises.
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "child.h"

extern char **environ;

enum {
	LOOK_UID = 54321
};

/* Each number is a promise. */
static int
look(void)
{
	char cwd[8];
	struct stat st;
	sigset_t mask;
	int i;

	if (environ[0] != NULL)
		return 1;
	if (getcwd(cwd, sizeof(cwd)) == NULL || strcmp(cwd, "/") != 0)
		return 2;
	for (i = 0; i < 2; i++)
		if (fstat(i, &st) == -1 || !S_ISCHR(st.st_mode))
			return 3;
	if (write(3, "a", 1) != 1 || write(4, "b", 1) != 1)
		return 4;
	for (i = 5; i < 64; i++)
		if (fcntl(i, F_GETFD) != -1)
			return 5;
	if (sigprocmask(SIG_SETMASK, NULL, &mask) == -1 ||
	    sigismember(&mask, SIGUSR1) != 0)
		return 6;
	if (signal(SIGPIPE, SIG_DFL) != SIG_DFL)
		return 7;
	if (getsid(0) != getpid())
		return 8;
	if (getuid() == 0 || (geteuid() == LOOK_UID && getgid() != LOOK_UID))
		return 9;
	return getgroups(0, NULL) == 0 || geteuid() != LOOK_UID ? 0 : 10;
}

static void
child_start__helper__finds_what_is_promised(void **state)
{
	struct child_spec s = { .path = "/proc/self/exe",
		.name = "helper",
		.args = { "look" },
		.uid = LOOK_UID,
		.nfds = 2 };
	autofd stray = open("/dev/zero", O_RDONLY);
	int a[2], b[2], status, before = unit_count_fds();
	sigset_t mask;
	pid_t pid;
	char c;

	(void)state;
	if (geteuid() != 0)
		unit_skip("as another user the identity stays");
	assert_int_equal(pipe(a) + pipe(b), 0);
	s.fds[0] = a[1];
	s.fds[1] = b[1];
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(child_start(&s, &pid, NULL), 0);
	(void)sigprocmask(SIG_UNBLOCK, &mask, NULL);
	(void)close(a[1]);
	(void)close(b[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(a[0], &c, 1), 1);
	assert_int_equal(c, 'a');
	assert_int_equal(read(b[0], &c, 1), 1);
	assert_int_equal(c, 'b');
	(void)close(a[0]);
	(void)close(b[0]);
	assert_int_equal(unit_count_fds(), before);
}

static void
child_start__no_program__error_and_nothing_open(void **state)
{
	struct child_spec s = { .path = "/nowhere/program", .name = "x" };
	int before = unit_count_fds();
	struct err e = { 0 };
	pid_t pid = 7;

	(void)state;
	assert_int_equal(child_start(&s, &pid, &e), -1);
	assert_int_equal(e.sys, ENOENT);
	assert_int_equal(pid, 7);
	assert_int_equal(unit_count_fds(), before);
}

static void
child_start__no_executable__status_126(void **state)
{
	struct child_spec s = { .path = "/dev/null",
		.name = "x",
		.uid = LOOK_UID };
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(child_start(&s, &pid, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 126);
}

static void
child_end__stuck__killed(void **state)
{
	struct child_spec s = { .path = "/bin/sleep",
		.name = "sleep",
		.args = { "100" },
		.uid = LOOK_UID };
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(child_start(&s, &pid, NULL), 0);
	status = child_end(pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(child_end(0), -1);
}

static void
child_uid__name__or_the_reserved_number(void **state)
{
	(void)state;
	assert_int_equal(child_uid("nobody", 5), 65534);
	assert_int_equal(child_uid("_no_such_user", 5), 5);
	/* an identity of its own is never root's */
	assert_int_equal(child_uid("root", 5), 5);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_start__helper__finds_what_is_promised),
		cmocka_unit_test(
		    child_start__no_program__error_and_nothing_open),
		cmocka_unit_test(child_start__no_executable__status_126),
		cmocka_unit_test(child_end__stuck__killed),
		cmocka_unit_test(child_uid__name__or_the_reserved_number),
	};

	if (argc == 2 && strcmp(argv[1], "look") == 0)
		return look();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
