#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "ipc.h"

union ipc_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
};

int
ipc_pair(int ret_fd[2], struct err *e)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == -1)
		return err_set(e, ERR_SYSTEM, "socketpair");
	memcpy(ret_fd, fd, sizeof(fd));
	return 0;
}

int
ipc_stream_pair(int *ret_ours, int *ret_theirs, struct err *e)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == -1)
		return err_set(e, ERR_SYSTEM, "socketpair");
	*ret_ours = fd[0];
	*ret_theirs = fd[1];
	/* each end has its own flags */
	if (fcntl(fd[0], F_SETFL, O_RDWR | O_NONBLOCK) == -1)
		return err_set(e, ERR_SYSTEM, "O_NONBLOCK");
	return 0;
}

int
ipc_send(int fd, uint32_t type, const void *body, size_t size, const int *fds,
    int nfds, struct err *e)
{
	struct ipc_header h = { .type = type, .size = (uint32_t)size };
	struct iovec iov[] = {
		{ .iov_base = &h, .iov_len = sizeof(h) },
		{ .iov_base = (void *)(uintptr_t)body, .iov_len = size },
	};
	union ipc_control control;
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = countof(iov) };
	ssize_t n;

	if (size > IPC_BODY_MAX || nfds < 0 || nfds > IPC_FDS_MAX)
		return err_set(e, ERR_LIMIT,
		    "message %u: %zu bytes, %d descriptors", type, size, nfds);
	if (nfds > 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
		memcpy(CMSG_DATA(&control.align), fds,
		    sizeof(int) * (size_t)nfds);
	}
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return err_set(e, ERR_SYSTEM, "sendmsg");
	return 0;
}

/* Every descriptor the kernel has installed is ours to close: collect all. */
static void
ipc_collect(struct msghdr *h, struct ipc_msg *m)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		size_t n, i;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (m->nfds < IPC_FDS_MAX)
				m->fds[m->nfds++] = fd;
			else
				(void)close(fd);
		}
	}
}

int
ipc_recv(int fd, struct ipc_msg *m, struct err *e)
{
	struct ipc_header h = { 0 };
	struct iovec iov[] = {
		{ .iov_base = &h, .iov_len = sizeof(h) },
		{ .iov_base = m->body, .iov_len = sizeof(m->body) },
	};
	union ipc_control control;
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = countof(iov),
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	m->nfds = 0;
	m->type = m->size = 0;
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return err_set(e, ERR_SYSTEM, "recvmsg");
	ipc_collect(&msg, m);
	if (n == 0 && m->nfds == 0)
		return 0;
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    (size_t)n < sizeof(h) || h.size != (size_t)n - sizeof(h)) {
		ipc_drop_fds(m);
		return err_set(e, ERR_CORRUPT,
		    "message %u: %zd bytes received, %u announced", h.type, n,
		    h.size);
	}
	m->type = h.type;
	m->size = h.size;
	return 1;
}

int
ipc_take_fd(struct ipc_msg *m, int i)
{
	return i >= 0 && i < m->nfds ? take_fd(&m->fds[i]) : -1;
}

void
ipc_drop_fds(struct ipc_msg *m)
{
	int i;

	for (i = 0; i < m->nfds; i++)
		fd_closep(&m->fds[i]);
	m->nfds = 0;
}
