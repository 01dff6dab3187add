/*
 * base/ipc.c: messages between processes that do not trust each other.
 *
 * The witness of every test is the number of open descriptors: what a peer
 * sends must not stay behind.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "ipc.h"
#include "send_raw.h"

struct ipc_test {
	int pair[2];
	int fds; /* open before the test */
	struct ipc_msg m;
};

static int
setup(void **state)
{
	struct ipc_test *t = calloc(1, sizeof(*t));

	t->fds = unit_count_fds();
	if (ipc_pair(t->pair, NULL) == -1)
		return -1;
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	struct ipc_test *t = *state;
	int left;

	fd_closep(&t->pair[0]);
	fd_closep(&t->pair[1]);
	left = unit_count_fds() - t->fds;
	free(t);
	if (left != 0)
		print_error("%d descriptors left open\n", left);
	return left == 0 ? 0 : -1;
}

static void
must_send(int fd, const void *data, size_t size, const int *fds, size_t nfds)
{
	assert_int_equal(send_raw(fd, data, size, fds, nfds), (int)size);
}

static void
ipc_send__body_and_descriptors__received_exactly(void **state)
{
	struct ipc_test *t = *state;
	int pipefd[2], fds[2];
	struct err e;
	char c = 0;

	assert_int_equal(pipe(pipefd), 0);
	fds[0] = pipefd[0];
	fds[1] = pipefd[1];
	assert_int_equal(ipc_send(t->pair[0], 7, "hello", 5, fds, 2, &e), 0);
	(void)close(pipefd[0]);
	(void)close(pipefd[1]);

	assert_int_equal(ipc_recv(t->pair[1], &t->m, &e), 1);
	assert_int_equal(t->m.type, 7);
	assert_int_equal(t->m.size, 5);
	assert_memory_equal(t->m.body, "hello", 5);
	assert_int_equal(t->m.nfds, 2);
	assert_true(fcntl(t->m.fds[0], F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(t->m.fds[1], F_GETFD) & FD_CLOEXEC);

	/* They are the two ends of the pipe, in order. */
	assert_int_equal(write(t->m.fds[1], "x", 1), 1);
	assert_int_equal(read(t->m.fds[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	ipc_drop_fds(&t->m);
	assert_int_equal(t->m.nfds, 0);
}

static void
ipc_pair__new__cloexec(void **state)
{
	struct ipc_test *t = *state;
	int i;

	for (i = 0; i < 2; i++)
		assert_true(fcntl(t->pair[i], F_GETFD) & FD_CLOEXEC);
}

static void
ipc_recv__two_messages__kept_apart(void **state)
{
	struct ipc_test *t = *state;

	assert_int_equal(ipc_send(t->pair[0], 1, "a", 1, NULL, 0, NULL), 0);
	assert_int_equal(ipc_send(t->pair[0], 2, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(ipc_recv(t->pair[1], &t->m, NULL), 1);
	assert_int_equal(t->m.type, 1);
	assert_int_equal(t->m.size, 1);
	assert_int_equal(ipc_recv(t->pair[1], &t->m, NULL), 1);
	assert_int_equal(t->m.type, 2);
	assert_int_equal(t->m.size, 0);
}

static void
ipc_send__largest_body__whole_and_one_more_refused(void **state)
{
	struct ipc_test *t = *state;
	static unsigned char body[IPC_BODY_MAX + 1];
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(body); i++)
		body[i] = (unsigned char)(i * 7);
	assert_refused(ipc_send(t->pair[0], 1, body, sizeof(body), NULL, 0, &e),
	    &e, ERR_LIMIT, "65537 bytes");
	assert_int_equal(ipc_send(t->pair[0], 1, body, IPC_BODY_MAX, NULL, 0,
			     &e),
	    0);
	assert_int_equal(ipc_recv(t->pair[1], &t->m, &e), 1);
	assert_int_equal(t->m.size, IPC_BODY_MAX);
	assert_memory_equal(t->m.body, body, IPC_BODY_MAX);
}

static void
ipc_send__most_descriptors__pass_and_one_more_refused(void **state)
{
	struct ipc_test *t = *state;
	int fds[IPC_FDS_MAX + 1], i;
	struct err e;

	for (i = 0; i <= IPC_FDS_MAX; i++)
		fds[i] = STDERR_FILENO;
	assert_refused(ipc_send(t->pair[0], 1, "", 0, fds, IPC_FDS_MAX + 1, &e),
	    &e, ERR_LIMIT, "9 descriptors");
	assert_refused(ipc_send(t->pair[0], 1, "", 0, fds, -1, &e), &e,
	    ERR_LIMIT, "-1 descriptors");
	assert_int_equal(ipc_send(t->pair[0], 1, "", 0, fds, IPC_FDS_MAX, &e),
	    0);
	assert_int_equal(ipc_recv(t->pair[1], &t->m, &e), 1);
	assert_int_equal(t->m.nfds, IPC_FDS_MAX);
	ipc_drop_fds(&t->m);
}

static void
ipc_recv__too_many_descriptors__refused_and_closed(void **state)
{
	struct ipc_test *t = *state;
	struct ipc_header h = { .type = 3, .size = 0 };
	int fds[IPC_FDS_MAX * 4], before;
	struct err e;
	size_t i;

	for (i = 0; i < countof(fds); i++)
		fds[i] = STDERR_FILENO;
	before = unit_count_fds();
	for (i = IPC_FDS_MAX + 1; i <= countof(fds); i++) {
		must_send(t->pair[0], &h, sizeof(h), fds, i);
		assert_refused(ipc_recv(t->pair[1], &t->m, &e), &e, ERR_CORRUPT,
		    "message 3");
		assert_int_equal(t->m.nfds, 0);
		assert_int_equal(unit_count_fds(), before);
	}
}

/* Every datagram that is not header + size bytes, with a descriptor on it. */
static void
ipc_recv__wrong_sizes__refused_and_closed(void **state)
{
	struct ipc_test *t = *state;
	static const uint32_t said[] = { 0, 1, 3, 5, 100, IPC_BODY_MAX,
		IPC_BODY_MAX + 1, UINT32_MAX, UINT32_MAX - 7 };

	struct {
		struct ipc_header h;
		char body[4];
	} raw = { .h = { .type = 9 } };

	int before = unit_count_fds(), fd = STDERR_FILENO;
	struct err e;
	size_t i;

	for (i = 0; i < countof(said); i++) {
		raw.h.size = said[i];
		must_send(t->pair[0], &raw, sizeof(raw), &fd, 1);
		assert_refused(ipc_recv(t->pair[1], &t->m, &e), &e, ERR_CORRUPT,
		    "12 bytes received");
		assert_int_equal(unit_count_fds(), before);
	}
	/* The same with the right size is accepted. */
	raw.h.size = 4;
	must_send(t->pair[0], &raw, sizeof(raw), &fd, 1);
	assert_int_equal(ipc_recv(t->pair[1], &t->m, &e), 1);
	ipc_drop_fds(&t->m);
}

static void
ipc_recv__shorter_than_a_header__refused_and_closed(void **state)
{
	struct ipc_test *t = *state;
	struct ipc_header h = { .type = 1, .size = 0 };
	int before = unit_count_fds(), fd = STDERR_FILENO;
	struct err e;
	size_t n;

	for (n = 1; n < sizeof(h); n++) {
		must_send(t->pair[0], &h, n, &fd, 1);
		assert_refused(ipc_recv(t->pair[1], &t->m, &e), &e, ERR_CORRUPT,
		    "bytes received");
		assert_int_equal(unit_count_fds(), before);
	}
	/* No byte but a descriptor is not the end of the file. */
	must_send(t->pair[0], &h, 0, &fd, 1);
	assert_refused(ipc_recv(t->pair[1], &t->m, &e), &e, ERR_CORRUPT,
	    "0 bytes received");
	assert_int_equal(unit_count_fds(), before);
}

static void
ipc_recv__longer_than_the_buffer__refused(void **state)
{
	struct ipc_test *t = *state;

	static struct {
		struct ipc_header h;
		char body[IPC_BODY_MAX + 1];
	} raw = { .h = { .type = 1, .size = IPC_BODY_MAX } };

	int fd = STDERR_FILENO;
	struct err e;

	must_send(t->pair[0], &raw, sizeof(raw.h) + IPC_BODY_MAX + 1, &fd, 1);
	assert_refused(ipc_recv(t->pair[1], &t->m, &e), &e, ERR_CORRUPT,
	    "bytes received");
}

static void
ipc_recv__refused_message__next_one_arrives(void **state)
{
	struct ipc_test *t = *state;
	struct err e;

	must_send(t->pair[0], "xx", 2, NULL, 0);
	assert_int_equal(ipc_send(t->pair[0], 5, "ok", 2, NULL, 0, &e), 0);
	assert_int_equal(ipc_recv(t->pair[1], &t->m, &e), -1);
	assert_int_equal(ipc_recv(t->pair[1], &t->m, &e), 1);
	assert_int_equal(t->m.type, 5);
}

static void
ipc_recv__peer_gone__end_of_file_after_what_was_sent(void **state)
{
	struct ipc_test *t = *state;
	struct err e;

	assert_int_equal(ipc_send(t->pair[0], 5, "", 0, NULL, 0, &e), 0);
	fd_closep(&t->pair[0]);
	assert_int_equal(ipc_recv(t->pair[1], &t->m, &e), 1);
	assert_int_equal(ipc_recv(t->pair[1], &t->m, &e), 0);
	assert_int_equal(t->m.nfds, 0);
}

static void
ipc_send__peer_gone__error_not_signal(void **state)
{
	struct ipc_test *t = *state;
	struct err e;

	/* The default action would end this program. */
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	fd_closep(&t->pair[1]);
	assert_refused(ipc_send(t->pair[0], 1, "x", 1, NULL, 0, &e), &e,
	    ERR_SYSTEM, "sendmsg");
	assert_int_equal(e.sys, EPIPE);
}

static void
ipc_recv__nothing_there_non_blocking__eagain(void **state)
{
	struct ipc_test *t = *state;
	struct err e;

	assert_int_equal(fcntl(t->pair[1], F_SETFL, O_NONBLOCK), 0);
	assert_refused(ipc_recv(t->pair[1], &t->m, &e), &e, ERR_SYSTEM,
	    "recvmsg");
	assert_int_equal(e.sys, EAGAIN);
}

static void
ipc_send__bad_descriptor__nothing_sent(void **state)
{
	struct ipc_test *t = *state;
	int bad = 1 << 20, waiting = -1;
	struct err e;

	assert_refused(ipc_send(t->pair[0], 1, "x", 1, &bad, 1, &e), &e,
	    ERR_SYSTEM, "sendmsg");
	assert_int_equal(e.sys, EBADF);
	assert_int_equal(ioctl(t->pair[1], FIONREAD, &waiting), 0);
	assert_int_equal(waiting, 0);
}

static void
ipc_take_fd__once__then_minus_one(void **state)
{
	struct ipc_test *t = *state;
	int fds[2] = { STDERR_FILENO, STDERR_FILENO }, mine;

	assert_int_equal(ipc_send(t->pair[0], 1, "", 0, fds, 2, NULL), 0);
	assert_int_equal(ipc_recv(t->pair[1], &t->m, NULL), 1);
	mine = ipc_take_fd(&t->m, 1);
	assert_true(mine >= 0);
	assert_int_equal(ipc_take_fd(&t->m, 1), -1);
	assert_int_equal(ipc_take_fd(&t->m, 2), -1);
	assert_int_equal(ipc_take_fd(&t->m, -1), -1);
	ipc_drop_fds(&t->m);
	/* What was taken stays open. */
	assert_true(fcntl(mine, F_GETFD) >= 0);
	(void)close(mine);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(ipc_send__body_and_descriptors__received_exactly),
		TEST(ipc_pair__new__cloexec),
		TEST(ipc_recv__two_messages__kept_apart),
		TEST(ipc_send__largest_body__whole_and_one_more_refused),
		TEST(ipc_send__most_descriptors__pass_and_one_more_refused),
		TEST(ipc_recv__too_many_descriptors__refused_and_closed),
		TEST(ipc_recv__wrong_sizes__refused_and_closed),
		TEST(ipc_recv__shorter_than_a_header__refused_and_closed),
		TEST(ipc_recv__longer_than_the_buffer__refused),
		TEST(ipc_recv__refused_message__next_one_arrives),
		TEST(ipc_recv__peer_gone__end_of_file_after_what_was_sent),
		TEST(ipc_send__peer_gone__error_not_signal),
		TEST(ipc_recv__nothing_there_non_blocking__eagain),
		TEST(ipc_send__bad_descriptor__nothing_sent),
		TEST(ipc_take_fd__once__then_minus_one),
	};

	return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
