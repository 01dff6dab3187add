#include "tunnel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
	A,
	B,
	TUNNEL_READ_BYTES = 32 * 1024,
};

/* What comes from one side and goes to the other. */
struct tunnel_way {
	struct buf buf;
	uint64_t bytes; /* written */
	int eof; /* the sender has ended */
	int shut; /* and the receiver was told */
};

struct tunnel_side {
	struct tunnel *tunnel;
	int fd;
	struct loop_fd *watch;
};

struct tunnel {
	struct tunnel_side side[2];
	struct tunnel_way way[2]; /* way[A] comes from side A */
	struct loop_timer *idle;
	tunnel_fn *fn;
	void *arg;
};

static void
tunnel_end(struct tunnel *r, int reset, const char *why)
{
	struct tunnel_result result = { .sent_bytes = r->way[A].bytes,
		.received_bytes = r->way[B].bytes,
		.reset = reset,
		.why = why };

	/* fn destroys the tunnel */
	r->fn(r->arg, &result);
}

/* Read what there is room for: 1 went on, 0 would wait, -1 broken. */
static int
tunnel_read(struct tunnel *r, int from)
{
	struct tunnel_way *w = &r->way[from];
	unsigned char *p;
	ssize_t n;

	if (w->eof || buf_size(&w->buf) + TUNNEL_READ_BYTES > w->buf.max)
		return 0;
	if (buf_reserve(&w->buf, TUNNEL_READ_BYTES, &p, NULL) == -1)
		return -1;
	n = recv(r->side[from].fd, p, TUNNEL_READ_BYTES, MSG_DONTWAIT);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	buf_commit(&w->buf, (size_t)n);
	w->eof = n == 0;
	return 1;
}

static int
tunnel_write(struct tunnel *r, int from)
{
	struct tunnel_way *w = &r->way[from];
	int to = r->side[!from].fd;
	ssize_t n;

	if (buf_size(&w->buf) > 0) {
		n = send(to, buf_bytes(&w->buf), buf_size(&w->buf),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		buf_consume(&w->buf, (size_t)n);
		w->bytes += (uint64_t)n;
	}
	if (buf_size(&w->buf) == 0 && w->eof && !w->shut) {
		w->shut = 1;
		/* ENOTCONN: it has gone, which its reading will show */
		(void)shutdown(to, SHUT_WR);
	}
	return 0;
}

static unsigned
tunnel_wants(const struct tunnel *r, int side)
{
	const struct tunnel_way *in = &r->way[side], *out = &r->way[!side];

	return (!in->eof &&
			   buf_size(&in->buf) + TUNNEL_READ_BYTES <= in->buf.max
		       ? LOOP_READ
		       : 0) |
	       (buf_size(&out->buf) > 0 ? LOOP_WRITE : 0);
}

static int
tunnel_arm(struct tunnel *r, struct err *e)
{
	if (loop_fd_want(r->side[A].watch, tunnel_wants(r, A), e) == -1 ||
	    loop_fd_want(r->side[B].watch, tunnel_wants(r, B), e) == -1)
		return -1;
	return loop_timer_set(r->idle, PROXY_IDLE_MS, e);
}

static void
tunnel_ready(void *arg, unsigned ready)
{
	struct tunnel_side *s = arg;
	struct tunnel *r = s->tunnel;
	int side = s == &r->side[B];

	if ((ready & LOOP_READ && tunnel_read(r, side) == -1) ||
	    tunnel_write(r, side) == -1 || tunnel_write(r, !side) == -1) {
		tunnel_end(r, 1, "a side was reset");
		return;
	}
	if (r->way[A].shut && r->way[B].shut)
		tunnel_end(r, 0, "ended");
	else if (tunnel_arm(r, NULL) == -1)
		tunnel_end(r, 1, "no memory");
}

static void
tunnel_idle(void *arg)
{
	tunnel_end(arg, 1, "idle");
}

static int
tunnel_side(struct tunnel *r, int side, int fd, struct loop *l, struct err *e)
{
	r->side[side] = (struct tunnel_side){ .tunnel = r, .fd = fd };
	buf_init(&r->way[side].buf, PROXY_BUFFER_BYTES);
	return loop_fd_create(l, fd, tunnel_ready, &r->side[side],
	    &r->side[side].watch, e);
}

int
tunnel_create(struct loop *l, int a, int b, struct buf *first, tunnel_fn *fn,
    void *arg, struct tunnel **ret, struct err *e)
{
	struct tunnel *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_sys(e, ENOMEM, "a tunnel");
	r->fn = fn;
	r->arg = arg;
	if (tunnel_side(r, A, a, l, e) == -1 ||
	    tunnel_side(r, B, b, l, e) == -1 ||
	    (first != NULL && buf_append(&r->way[A].buf, buf_bytes(first),
				  buf_size(first), e) == -1) ||
	    loop_timer_create(l, tunnel_idle, r, &r->idle, e) == -1 ||
	    tunnel_arm(r, e) == -1) {
		tunnel_destroy(r);
		return -1;
	}
	if (first != NULL)
		buf_consume(first, buf_size(first));
	*ret = r;
	return 0;
}

void
tunnel_destroy(struct tunnel *r)
{
	if (r == NULL)
		return;
	loop_fd_destroy(r->side[A].watch);
	loop_fd_destroy(r->side[B].watch);
	loop_timer_destroy(r->idle);
	buf_finish(&r->way[A].buf);
	buf_finish(&r->way[B].buf);
	free(r);
}

void
tunnel_count(const struct tunnel *r, uint64_t *ret_sent, uint64_t *ret_received)
{
	*ret_sent = r->way[A].bytes;
	*ret_received = r->way[B].bytes;
}
