/* test_listener.c: listening sockets, and what may lie where one is to be. */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "listener.h"

static char dir[64], path[96];

static int
set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/warder-listener-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static void
check_socket(int fd)
{
	int on = 0;
	socklen_t size = sizeof(on);

	assert_int_equal(0,
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size));
	assert_int_equal(1, on);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void
listener_tcp__both_families__listen(void **state)
{
	static const char *const good[] = { "127.0.0.1", "::1" };
	static const char *const bad[] = { "", "localhost", "1.2.3", "::g" };
	struct err e;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < countof(good); i++) {
		if (listener_tcp(good[i], 0, &fd, &e) == -1)
			fail_msg("%s", e.msg);
		check_socket(fd);
		assert_int_equal(0, close(fd));
	}
	for (i = 0; i < countof(bad); i++)
		assert_refused(listener_tcp(bad[i], 0, &fd, &e), &e,
		    ERR_INVALID, "no address");
	/* of nobody here */
	assert_refused(listener_tcp("203.0.113.7", 1, &fd, &e), &e, ERR_SYSTEM,
	    "203.0.113.7 port 1");
}

static void
listener_unix__free_stale_and_taken__told_apart(void **state)
{
	int before = unit_count_fds(), fd, again;
	struct stat st;
	struct err e;

	(void)state;
	assert_int_equal(0, listener_unix(path, 0640, (gid_t)-1, &fd, &e));
	check_socket(fd);
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0640, st.st_mode & 07777);
	assert_refused(listener_unix(path, 0600, (gid_t)-1, &again, &e), &e,
	    ERR_CONFLICT, "somebody listens");
	/* its process died: the file stays, and is taken over */
	assert_int_equal(0, close(fd));
	assert_int_equal(0, listener_unix(path, 0600, (gid_t)-1, &fd, &e));
	assert_int_equal(0, close(fd));
	assert_int_equal(before, unit_count_fds());
}

static void
listener_unix__what_is_no_socket__stays(void **state)
{
	char longer[200];
	struct err e;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(0, close(fd));
	assert_refused(listener_unix(path, 0600, (gid_t)-1, &fd, &e), &e,
	    ERR_CONFLICT, "no socket");
	assert_int_equal(0, access(path, F_OK));
	memset(longer, 'a', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_refused(listener_unix(longer, 0600, (gid_t)-1, &fd, &e), &e,
	    ERR_INVALID, "too long");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listener_tcp__both_families__listen),
		cmocka_unit_test_setup_teardown(
		    listener_unix__free_stale_and_taken__told_apart, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    listener_unix__what_is_no_socket__stays, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
