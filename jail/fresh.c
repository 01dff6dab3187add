/*
 * fresh.c: the new directories that lie on disk, as stage two gets them.
 *
 * They are made beside the start, and the tree can be built meanwhile: so
 * they come by the jail's socket, before anything for warder-init, and are
 * waited for where the first of them is mounted.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "ipc.h"
#include "msg_init.h"
#include "stage.h"
#include "sys.h"

/* The launcher is believed, but not what might be for somebody else. */
static long
fresh_receive(struct stage *s, struct init_image *ret)
{
	struct ipc_header h = { 0 };
	struct iovec iov[] = { { &h, sizeof(h) }, { ret, sizeof(*ret) } };

	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = countof(iov),
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	const struct cmsghdr *c;
	long n = SYS(SYS_recvmsg, s->control_fd, &m, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return n;
	if (n == 0)
		return -ECONNRESET;
	if ((size_t)n != sizeof(h) + sizeof(*ret) || h.type != INIT_IMAGE ||
	    ret->place >= QUOTA_PLACES || (m.msg_flags & MSG_CTRUNC))
		return -EBADMSG;
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL)
		memcpy(&s->fresh[ret->place], CMSG_DATA(c), sizeof(int));
	return 0;
}

long
fresh_await(struct stage *s)
{
	struct init_image m = { .more = 1 };
	long r = 0;

	while (s->images && r >= 0) {
		r = fresh_receive(s, &m);
		s->images = (int)m.more;
	}
	return r;
}
