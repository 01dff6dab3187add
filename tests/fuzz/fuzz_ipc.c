/*
 * fuzz_ipc.c: ipc_recv on any sequence of datagrams with descriptors.
 *
 *	| nfds u8 | length u16 | bytes ... |	again and again
 *
 * A datagram is sent as it stands.  Whatever comes out, a message is exactly
 * what was sent, and no descriptor stays behind.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ipc.h"
#include "tests/unit/send_raw.h"

enum {
	FDS_MAX = 3 * IPC_FDS_MAX
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lowest free number rises by every descriptor that is left open. */
static int
lowest_free(int fd)
{
	int n = dup(fd);

	assert(n >= 0);
	(void)close(n);
	return n;
}

static void
receive(int fd, struct ipc_msg *m, const uint8_t *sent, size_t size, int nfds)
{
	struct ipc_header h;
	struct err e;
	int rc = ipc_recv(fd, m, &e);

	if (rc == 0) {
		assert(size == 0 && nfds == 0);
		return;
	}
	if (rc == -1) {
		assert(e.code == ERR_CORRUPT);
		assert(m->nfds == 0);
		return;
	}
	assert(size >= sizeof(h));
	memcpy(&h, sent, sizeof(h));
	assert(m->type == h.type && m->size == h.size);
	assert(m->size == size - sizeof(h) && m->size <= IPC_BODY_MAX);
	assert(memcmp(m->body, sent + sizeof(h), m->size) == 0);
	assert(m->nfds == nfds && m->nfds <= IPC_FDS_MAX);
	if (m->nfds > 0) {
		int mine = ipc_take_fd(m, m->nfds - 1);

		assert(mine >= 0 && ipc_take_fd(m, m->nfds - 1) == -1);
		(void)close(mine);
	}
	ipc_drop_fds(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ipc_msg m;
	int pair[2], lowest;

	if (ipc_pair(pair, NULL) == -1)
		abort();
	lowest = lowest_free(pair[0]);
	while (size >= 3) {
		size_t nfds = data[0] % (FDS_MAX + 1);
		size_t n = (size_t)data[1] | (size_t)data[2] << 8;

		data += 3;
		size -= 3;
		if (n > size)
			n = size;
		if (send_raw_copies(pair[0], data, n, nfds) == 0)
			receive(pair[1], &m, data, n, (int)nfds);
		assert(lowest_free(pair[0]) == lowest);
		data += n;
		size -= n;
	}
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}
