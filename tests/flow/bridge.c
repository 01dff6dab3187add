/*
 * bridge.c: in warder-control's place, a test.
 *
 * Started by warderd as warder-control is, with its socket as descriptor 3.
 * It connects to test.sock in the directory that START names and from then on
 * passes every datagram on, both ways, as it is, with its descriptors: so a
 * test may send whatever a control that was taken over could.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ipc.h"
#include "msg_spawn.h"

enum {
	BRIDGE_FDS = 64,
	BRIDGE_TRIES = 1000,
};

struct datagram {
	char bytes[IPC_BODY_MAX + 4096];
	ssize_t size;
	int fds[BRIDGE_FDS], nfds;
};

static struct datagram buffer;

static int
receive(int from, struct datagram *d)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * BRIDGE_FDS)];
	} control;
	struct iovec iov = { d->bytes, sizeof(d->bytes) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;

	d->nfds = 0;
	d->size = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
	if (d->size <= 0)
		return -1;
	for (c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		d->nfds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(d->fds, CMSG_DATA(c), sizeof(int) * (size_t)d->nfds);
	}
	return 0;
}

static int
pass(int to, struct datagram *d)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * BRIDGE_FDS)];
	} control;
	struct iovec iov = { d->bytes, (size_t)d->size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	int i;

	memset(&control, 0, sizeof(control));
	if (d->nfds > 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)d->nfds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len =
		    CMSG_LEN(sizeof(int) * (size_t)d->nfds);
		memcpy(CMSG_DATA(&control.align), d->fds,
		    sizeof(int) * (size_t)d->nfds);
	}
	n = sendmsg(to, &m, MSG_NOSIGNAL);
	for (i = 0; i < d->nfds; i++)
		(void)close(d->fds[i]);
	return n == -1 ? -1 : 0;
}

/* The test may not listen yet. */
static int
dial(const char *dir)
{
	struct timespec tick = { .tv_nsec = 10 * 1000 * 1000 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), i;

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.80s/test.sock", dir);
	for (i = 0; i < BRIDGE_TRIES; i++) {
		if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
			return fd;
		(void)nanosleep(&tick, NULL);
	}
	return -1;
}

static _Noreturn void
carry(int from, int to)
{
	while (receive(from, &buffer) == 0 && pass(to, &buffer) == 0)
		continue;
	_exit(0);
}

static _Noreturn void
gone(int signo)
{
	(void)signo;
	_exit(0);
}

/* A process each way: neither waits for the other, and both end together. */
int
main(void)
{
	const struct spawn_start *s =
	    (const void *)(buffer.bytes + sizeof(struct ipc_header));
	pid_t parent = getpid();
	int test;

	if (receive(SPAWN_FD, &buffer) == -1)
		return 1;
	test = dial(s->db_dir);
	if (test == -1 || pass(test, &buffer) == -1)
		return 1;
	(void)signal(SIGCHLD, gone);
	switch (fork()) {
	case -1:
		return 1;
	case 0:
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		carry(SPAWN_FD, test);
	default:
		carry(test, SPAWN_FD);
	}
}
