/*
 * ipc.h: messages between Warder's own processes.
 *
 * One message is one SOCK_SEQPACKET datagram: a header, a body of a fixed
 * or bounded size, and at most IPC_FDS_MAX descriptors.  The kernel keeps
 * the borders, so a message is consumed exactly or not at all.  Any process
 * may use it; nothing here allocates.
 *
 *	0         4         8
 *	| type u32 | size u32 | body: size bytes ... |	host byte order
 */
#ifndef IPC_H
#define IPC_H

#include <stdint.h>

#include "err.h"

enum {
	IPC_BODY_MAX = 64 * 1024, /* below the kernel's default buffer */
	IPC_FDS_MAX = 8,
};

struct ipc_header {
	uint32_t type;
	uint32_t size;
};

struct ipc_msg {
	uint32_t type;
	uint32_t size;
	int nfds;
	int fds[IPC_FDS_MAX];
	_Alignas(16) unsigned char body[IPC_BODY_MAX]; /* of any struct */
};

/* A connected pair, CLOEXEC; ret_fd is untouched on failure. */
must_check int ipc_pair(int ret_fd[2], struct err *e);

/*
 * A connected pair of byte streams, CLOEXEC: ours does not block, theirs does.
 */
must_check int ipc_stream_pair(int *ret_ours, int *ret_theirs, struct err *e);

/*
 * Send one message; borrows everything.  Blocks unless the socket is
 * non-blocking.  ERR_LIMIT if the body or the descriptors are too many,
 * ERR_SYSTEM (EPIPE, ECONNRESET) if the peer has gone; never SIGPIPE.
 */
must_check int ipc_send(int fd, uint32_t type, const void *body, size_t size,
    const int *fds, int nfds, struct err *e);

/*
 * Receive one message into *m, whose descriptors (CLOEXEC) then belong to
 * the caller.  Returns 1 for a message, 0 at end of file, -1 on failure:
 * ERR_CORRUPT if it is truncated, has a wrong size or too many descriptors
 * (all of which are closed), ERR_SYSTEM otherwise (EAGAIN included).
 */
must_check int ipc_recv(int fd, struct ipc_msg *m, struct err *e);

/* Take descriptor i out of the message; -1 if it is not there. */
int ipc_take_fd(struct ipc_msg *m, int i);

/* Close every descriptor that was not taken. */
void ipc_drop_fds(struct ipc_msg *m);

#endif /* !IPC_H */
