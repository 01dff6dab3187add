/*
 * send_raw.h: a datagram that ipc_send() would never send, for the tests and
 * fuzzers of those who receive it.
 */
#ifndef SEND_RAW_H
#define SEND_RAW_H

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	SEND_RAW_FDS = 64 /* more than any receiver takes */
};

/* At most SEND_RAW_FDS descriptors; what sendmsg(2) returns. */
static inline ssize_t
send_raw(int fd, const void *data, size_t size, const int *fds, size_t nfds)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data,
		.iov_len = size };
	_Alignas(struct cmsghdr) char
	    control[CMSG_SPACE(sizeof(int) * SEND_RAW_FDS)];
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds > 0) {
		struct cmsghdr *c = (struct cmsghdr *)control;

		memset(control, 0, sizeof(control));
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The same with n copies of fd itself; 0 or -1. */
static inline int
send_raw_copies(int fd, const void *data, size_t size, size_t n)
{
	int fds[SEND_RAW_FDS];
	size_t i;

	for (i = 0; i < n; i++)
		fds[i] = fd;
	return send_raw(fd, data, size, fds, n) == -1 ? -1 : 0;
}

#endif /* !SEND_RAW_H */
