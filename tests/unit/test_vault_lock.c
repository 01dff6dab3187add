/* test_vault_lock.c: what warder-vault can no longer open once it is locked. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "lockdown.h"
#include "proxy/vault/vault.h"

static int
has_landlock(void)
{
	pid_t pid = fork();
	int status = -1, abi = 0;

	if (pid == 0) {
		(void)!lockdown_trees(NULL, 0, LOCKDOWN_NET_NONE, &abi, NULL);
		_exit(abi > 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

/* In a child: 0, or the errno of the open. */
static int
open_locked(int dir, int locked, int at, const char *name, int flags)
{
	struct err e = { 0 };
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (locked && lock_down(LOCK_SERVE, dir, &e) == -1)
			_exit(255);
		_exit(openat(at, name, flags, 0600) == -1 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
lock_down__its_own_directory__and_no_other_file(void **state)
{
	char own[] = "/tmp/test_vault_lock.XXXXXX", outside[64];
	int dir;

	(void)state;
	if (!has_landlock())
		skip();
	assert_non_null(mkdtemp(own));
	(void)snprintf(outside, sizeof(outside), "%s.new", own);
	dir = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_int_equal(open_locked(dir, 1, dir, "entries",
			     O_CREAT | O_RDWR | O_TRUNC),
	    0);
	assert_int_equal(open_locked(dir, 1, AT_FDCWD, "/etc/passwd", O_RDONLY),
	    EACCES);
	assert_int_equal(open_locked(dir, 1, dir, "../", O_RDONLY), EACCES);
	assert_int_equal(open_locked(dir, 1, AT_FDCWD, outside,
			     O_CREAT | O_WRONLY),
	    EACCES);
	/* the control */
	assert_int_equal(open_locked(dir, 0, AT_FDCWD, "/etc/passwd", O_RDONLY),
	    0);
	assert_int_equal(open_locked(dir, 0, AT_FDCWD, outside,
			     O_CREAT | O_WRONLY),
	    0);
	assert_int_equal(unlink(outside), 0);
	assert_int_equal(unlinkat(dir, "entries", 0), 0);
	assert_int_equal(rmdir(own), 0);
	(void)close(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    lock_down__its_own_directory__and_no_other_file),
	};

	return cmocka_run_group_tests_name("vault_lock", tests, NULL, NULL);
}
