/*
 * base/lockdown.c: tables of system calls, as the kernel takes them.
 *
 * Each test locks a child down by its table and lets it do one thing; what
 * the kernel does to it is the result.
 */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lockdown.h"

enum {
	KILLED = 1000,
	UNLOCKED,
};

static const struct lockdown_call calls[] = {
	{ SYS_exit_group, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_getppid, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_socket, LOCKDOWN_IF_EQUAL, 0, AF_INET },
	{ SYS_socket, LOCKDOWN_IF_EQUAL, 0, AF_INET6 },
	{ SYS_mlock2, LOCKDOWN_IF_CLEAR, 2, 4 },
	{ SYS_openat, LOCKDOWN_REFUSE, 0, EACCES },
};

static const struct lockdown_limit limits[] = {
	{ RLIMIT_NOFILE, 5 },
};

/* The errno of a call in a locked child, 0 if it was let through, KILLED. */
static int
locked(long nr, long a, long b, long c)
{
	static const struct lockdown l = { NULL, 0, calls, countof(calls) };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (lockdown_apply(&l, NULL) == -1)
			_exit(255);
		errno = 0;
		(void)syscall(nr, a, b, c);
		_exit(errno);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : UNLOCKED;
	return WEXITSTATUS(status) == 255 ? UNLOCKED : WEXITSTATUS(status);
}

static void
lockdown_apply__calls__as_the_table_says(void **state)
{
	static const struct {
		long nr, a, b, c;
		int result;
	} rows[] = {
		{ SYS_getppid, 0, 0, 0, 0 },
		{ SYS_getuid, 0, 0, 0, KILLED },
		{ SYS_execve, 0, 0, 0, KILLED },
		{ SYS_socket, AF_INET, SOCK_STREAM, 0, 0 },
		{ SYS_socket, AF_INET6, -1, 0, EINVAL },
		{ SYS_socket, AF_UNIX, SOCK_STREAM, 0, KILLED },
		/* only the low half counts, for the kernel as for us */
		{ SYS_socket, AF_UNIX | 1L << 40, SOCK_STREAM, 0, KILLED },
		{ SYS_mlock2, 0, 0, 0, 0 },
		{ SYS_mlock2, 0, 0, 8, EINVAL },
		{ SYS_mlock2, 0, 0, 4, KILLED },
		{ SYS_mlock2, 0, 0, 12, KILLED },
		{ SYS_openat, 0, 0, 0, EACCES },
#if defined(__x86_64__)
		/* the same number of the x32 table is another one */
		{ SYS_getppid | 0x40000000, 0, 0, 0, KILLED },
#endif
	};
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		int got = locked(rows[i].nr, rows[i].a, rows[i].b, rows[i].c);

		if (got != rows[i].result)
			fail_msg("row %zu: %d in place of %d", i, got,
			    rows[i].result);
	}
}

static void
lockdown_apply__limits__hard_and_soft(void **state)
{
	static const struct lockdown_call all[] = {
		{ SYS_exit_group, LOCKDOWN_ALLOW, 0, 0 },
		{ SYS_prlimit64, LOCKDOWN_ALLOW, 0, 0 },
	};
	static const struct lockdown l = { limits, countof(limits), all,
		countof(all) };
	pid_t pid = fork();
	struct rlimit r;
	int status;

	(void)state;
	if (pid == 0) {
		if (lockdown_apply(&l, NULL) == -1 ||
		    getrlimit(RLIMIT_NOFILE, &r) == -1)
			_exit(255);
		_exit(r.rlim_cur == 5 && r.rlim_max == 5 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
lockdown_apply__too_many_rows__limit(void **state)
{
	static struct lockdown_call many[LOCKDOWN_CALLS_MAX + 1];
	const struct lockdown l = { NULL, 0, many, countof(many) };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(lockdown_apply(&l, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lockdown_apply__calls__as_the_table_says),
		cmocka_unit_test(lockdown_apply__limits__hard_and_soft),
		cmocka_unit_test(lockdown_apply__too_many_rows__limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
