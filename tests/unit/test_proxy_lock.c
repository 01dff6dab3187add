/* test_proxy_lock.c: what warder-proxy can no longer do once it is locked. */
#include "unit.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/proxy.h"

/* A socket of datagrams that any process of the host could have. */
static int
bind_witness(struct sockaddr_un *ret)
{
	socklen_t size = sizeof(*ret);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* the kernel chooses an abstract name */
	assert_int_equal(bind(fd, (struct sockaddr *)ret,
			     offsetof(struct sockaddr_un, sun_path)),
	    0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &size), 0);
	return fd;
}

/* In a child: 0 if the message went, else errno. */
static int
send_by_pair(const struct sockaddr_un *to, int locked)
{
	struct err e = { 0 };
	int abi;
	int status = -1, fd[2];
	pid_t pid = fork();

	if (pid == 0) {
		if (locked && lock_down(&abi, &e) == -1)
			_exit(255);
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == -1 ||
		    sendto(fd[0], "x", 1, 0, (const struct sockaddr *)to,
			offsetof(struct sockaddr_un, sun_path) + 6) != 1)
			_exit(errno);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
no_unix_socket_of_the_host_is_reached(void **state)
{
	struct sockaddr_un to;
	int fd = bind_witness(&to);
	char got;

	(void)state;
	assert_int_equal(send_by_pair(&to, 0), 0);
	assert_int_equal(recv(fd, &got, 1, 0), 1);
	assert_int_equal(send_by_pair(&to, 1), EACCES);
	assert_int_equal(recv(fd, &got, 1, 0), -1);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_unix_socket_of_the_host_is_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
