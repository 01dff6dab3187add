/*
 * base/lockdown.c: tables of system calls, as the kernel takes them.
 *
 * Each test locks a child down by its table and lets it do one thing; what
 * the kernel does to it is the result.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
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

/* In a child behind the trees: 0, or the errno of an open. */
static int
open_behind(const struct lockdown_tree *t, size_t n, const char *path,
    int flags)
{
	pid_t pid = fork();
	int status, abi;

	if (pid == 0) {
		if (lockdown_trees(t, n, LOCKDOWN_NET_NONE, &abi, NULL) == -1)
			_exit(255);
		if (abi == 0)
			_exit(254);
		_exit(open(path, flags, 0600) == -1 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 254)
		skip();
	return WEXITSTATUS(status);
}

static void
lockdown_trees__files__those_of_the_trees(void **state)
{
	struct lockdown_tree t[2] = { { open("/usr", O_PATH | O_CLOEXEC), 0 } };
	char own[] = "/tmp/test_lockdown.XXXXXX", in[64];

	(void)state;
	assert_non_null(mkdtemp(own));
	(void)snprintf(in, sizeof(in), "%s/new", own);
	t[1] = (struct lockdown_tree){ open(own, O_PATH | O_CLOEXEC), 1 };
	assert_int_equal(open_behind(t, 2, "/usr/bin/env", O_RDONLY), 0);
	assert_int_equal(open_behind(t, 2, "/etc/passwd", O_RDONLY), EACCES);
	assert_int_equal(open_behind(t, 2, in, O_CREAT | O_RDWR), 0);
	t[1].write = 0;
	assert_int_equal(open_behind(t, 2, in, O_RDONLY), 0);
	assert_int_equal(open_behind(t, 2, in, O_RDWR), EACCES);
	assert_int_equal(open_behind(t, 1, in, O_RDONLY), EACCES);
	assert_int_equal(open_behind(NULL, 0, "/usr/bin/env", O_RDONLY),
	    EACCES);
	/* a file is one too */
	(void)close(t[1].fd);
	t[1].fd = open(in, O_PATH | O_CLOEXEC);
	assert_int_equal(open_behind(t, 2, in, O_RDONLY), 0);
	(void)unlink(in);
	(void)rmdir(own);
	(void)close(t[0].fd);
	(void)close(t[1].fd);
}

/* Bit 0: a TCP socket may be bound, bit 1: it may connect. */
static int
tcp_behind(int restricted, enum lockdown_net net)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(to);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int status, abi = 4;
	pid_t pid;

	assert_int_equal(bind(listener, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&to, &size),
	    0);
	pid = fork();
	if (pid == 0) {
		int a = socket(AF_INET, SOCK_STREAM, 0), b;
		struct sockaddr_in any = { .sin_family = AF_INET };

		if (restricted &&
		    lockdown_trees(NULL, 0, net, &abi, NULL) == -1)
			_exit(255);
		if (abi < 4)
			_exit(254);
		status = bind(a, (struct sockaddr *)&any, sizeof(any)) == 0;
		b = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(b, (struct sockaddr *)&to, sizeof(to)) == 0)
			status |= 2;
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(listener);
	if (WEXITSTATUS(status) == 254)
		skip();
	return WEXITSTATUS(status);
}

static void
lockdown_trees__tcp__what_is_named(void **state)
{
	(void)state;
	assert_int_equal(tcp_behind(0, LOCKDOWN_NET_NONE), 3);
	assert_int_equal(tcp_behind(1, LOCKDOWN_NET_CONNECT), 2);
	assert_int_equal(tcp_behind(1, LOCKDOWN_NET_NONE), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lockdown_apply__calls__as_the_table_says),
		cmocka_unit_test(lockdown_apply__limits__hard_and_soft),
		cmocka_unit_test(lockdown_apply__too_many_rows__limit),
		cmocka_unit_test(lockdown_trees__files__those_of_the_trees),
		cmocka_unit_test(lockdown_trees__tcp__what_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
