#include "tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum {
	A,
	B,
	TUNNEL_READ_BYTES = 32 * 1024,
	/*
	 * So many full reads one after the other are worth a pipe, so many
	 * small ones are not: for these it costs more than the copy.
	 */
	TUNNEL_RUN = 8,
	TUNNEL_PIPE_BYTES = 64 * 1024, /* a pipe's own size */
	TUNNEL_PIPES_MAX = 256, /* of all tunnels: two descriptors each */
};

static unsigned tunnel_pipes;

/*
 * What comes from one side and goes to the other: by way of the buffer, and
 * once it is much by way of a pipe, through which the kernel moves pages and
 * nobody copies them.  A pipe counts in pages, so it is read into only when
 * it is empty.
 */
struct tunnel_way {
	struct buf buf;
	int pipe[2]; /* -1: none */
	size_t piped; /* bytes in it */
	unsigned run; /* reads of the other kind than the present way is for */
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

static void
way_close_pipe(struct tunnel_way *w)
{
	if (w->pipe[0] == -1)
		return;
	tunnel_pipes--;
	fd_closep(&w->pipe[0]);
	fd_closep(&w->pipe[1]);
}

/* Without one the buffer does. */
static void
way_open_pipe(struct tunnel_way *w)
{
	if (buf_size(&w->buf) > 0 || tunnel_pipes >= TUNNEL_PIPES_MAX ||
	    pipe2(w->pipe, O_CLOEXEC | O_NONBLOCK) == -1)
		return;
	tunnel_pipes++;
	w->run = 0;
	buf_finish(&w->buf);
	buf_init(&w->buf, PROXY_BUFFER_BYTES);
}

/* Before a read: by which way?  Both are empty when it changes. */
static void
way_choose(struct tunnel_way *w)
{
	if (w->run < TUNNEL_RUN)
		return;
	if (w->pipe[0] == -1)
		way_open_pipe(w);
	else if (w->piped == 0) {
		way_close_pipe(w);
		w->run = 0;
	}
}

static void
way_count(struct tunnel_way *w, ssize_t n)
{
	int full = n >= TUNNEL_READ_BYTES;

	if (n > 0)
		w->run = full == (w->pipe[0] == -1) ? w->run + 1 : 0;
}

static int
way_has_room(const struct tunnel_way *w)
{
	if (w->pipe[0] != -1)
		return w->piped == 0 && buf_size(&w->buf) == 0;
	return buf_size(&w->buf) + TUNNEL_READ_BYTES <= w->buf.max;
}

static size_t
way_holds(const struct tunnel_way *w)
{
	return buf_size(&w->buf) + w->piped;
}

/* What a call on a descriptor came to: 1 moved, 0 would wait, -1 broken. */
static int
way_result(ssize_t n)
{
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return 1;
}

static ssize_t
way_fill(struct tunnel_way *w, int fd)
{
	unsigned char *p;
	ssize_t n;

	if (w->pipe[0] != -1) {
		n = splice(fd, NULL, w->pipe[1], NULL, TUNNEL_PIPE_BYTES,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		w->piped += n > 0 ? (size_t)n : 0;
		return n;
	}
	if (buf_reserve(&w->buf, TUNNEL_READ_BYTES, &p, NULL) == -1) {
		errno = ENOMEM;
		return -1;
	}
	n = recv(fd, p, TUNNEL_READ_BYTES, MSG_DONTWAIT);
	buf_commit(&w->buf, n > 0 ? (size_t)n : 0);
	return n;
}

static ssize_t
way_drain(struct tunnel_way *w, int fd)
{
	ssize_t n;

	if (buf_size(&w->buf) > 0) {
		n = send(fd, buf_bytes(&w->buf), buf_size(&w->buf),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		buf_consume(&w->buf, n > 0 ? (size_t)n : 0);
		return n;
	}
	n = splice(w->pipe[0], NULL, fd, NULL, w->piped,
	    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	w->piped -= n > 0 ? (size_t)n : 0;
	return n;
}

/* Read what there is room for. */
static int
tunnel_read(struct tunnel *r, int from)
{
	struct tunnel_way *w = &r->way[from];
	ssize_t n;

	way_choose(w);
	if (w->eof || !way_has_room(w))
		return 0;
	n = way_fill(w, r->side[from].fd);
	way_count(w, n);
	w->eof = n == 0;
	return way_result(n);
}

static int
tunnel_write(struct tunnel *r, int from)
{
	struct tunnel_way *w = &r->way[from];
	int to = r->side[!from].fd;
	ssize_t n;

	if (way_holds(w) > 0) {
		n = way_drain(w, to);
		if (way_result(n) != 1)
			return way_result(n);
		w->bytes += (uint64_t)n;
	}
	if (way_holds(w) == 0 && w->eof && !w->shut) {
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

	return (!in->eof && way_has_room(in) ? LOOP_READ : 0) |
	       (way_holds(out) > 0 ? LOOP_WRITE : 0);
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
	r->way[A].pipe[0] = r->way[A].pipe[1] = -1;
	r->way[B].pipe[0] = r->way[B].pipe[1] = -1;
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
	way_close_pipe(&r->way[A]);
	way_close_pipe(&r->way[B]);
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
