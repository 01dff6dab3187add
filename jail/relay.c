#include "relay.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

void
relay_init(struct relay *r, uint64_t limit)
{
	size_t i;

	r->left = limit > 0 ? limit : UINT64_MAX;
	r->met_limit = 0;
	for (i = 0; i < RELAY_STREAMS; i++) {
		struct relay_stream *s = &r->streams[i];

		s->from = s->to = -1;
		s->own_from = s->own_to = s->atomic = s->terminal = 0;
		s->error = 0;
		s->have = s->done = 0;
		s->total = 0;
		s->sink = NULL;
	}
}

/*
 * poll says "writable" for one byte or more; a pipe that it says it of has
 * room for PIPE_BUF, a file for anything.  More than that could block us.
 */
static int
relay_is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

void
relay_set_in(struct relay *r, int caller, int ours)
{
	struct relay_stream *s = &r->streams[0];

	s->from = caller;
	s->to = ours;
	s->own_to = 1;
	s->terminal = isatty(ours);
}

void
relay_set_out(struct relay *r, int i, int ours, int caller)
{
	struct relay_stream *s = &r->streams[i];

	s->from = ours;
	s->to = caller;
	s->own_from = 1;
	s->atomic = !relay_is_file(caller);
}

void
relay_set_sink(struct relay *r, int i, int ours,
    void (*sink)(void *ctx, int stream, const void *bytes, size_t size),
    void *ctx)
{
	relay_set_out(r, i, ours, -1);
	r->streams[i].sink = sink;
	r->streams[i].ctx = ctx;
}

void
relay_poll(const struct relay *r, struct pollfd *p)
{
	size_t i;

	for (i = 0; i < RELAY_STREAMS; i++) {
		const struct relay_stream *s = &r->streams[i];
		int full = s->have > s->done;

		p[i].fd = full ? s->to : s->from;
		p[i].events = full ? POLLOUT : POLLIN;
		p[i].revents = 0;
	}
}

static void
relay_close(int *fd, int own)
{
	if (own)
		fd_closep(fd);
	*fd = -1;
}

/* Either end is gone: the other one has to know. */
static void
relay_end(struct relay_stream *s)
{
	relay_close(&s->from, s->own_from);
	relay_close(&s->to, s->own_to);
	s->have = s->done = 0;
}

static int
relay_again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* One byte more than the output limit is read, and never passed on. */
static size_t
relay_cut(struct relay *r, const struct relay_stream *s, size_t n)
{
	if (s == &r->streams[0])
		return n;
	if (n > r->left) {
		r->met_limit = 1;
		n = (size_t)r->left;
	}
	r->left -= n;
	return n;
}

/* To a function, or to nobody: then they are done with. */
static void
relay_deliver(const struct relay *r, struct relay_stream *s)
{
	if (s->sink != NULL && s->have > 0)
		s->sink(s->ctx, (int)(s - r->streams), s->buf, s->have);
	if (s->to == -1)
		s->done = s->have;
}

/*
 * Closing a terminal's master would hang it up, and it stays open for the
 * output: type the key instead, twice, for a line without its end.
 */
static void
relay_type_end(struct relay_stream *s)
{
	struct termios t;

	if (tcgetattr(s->to, &t) == -1 || !(t.c_lflag & ICANON))
		return;
	s->buf[0] = s->buf[1] = t.c_cc[VEOF];
	(void)!write(s->to, s->buf, 2);
}

static void
relay_read(struct relay *r, struct relay_stream *s)
{
	ssize_t n = read(s->from, s->buf, sizeof(s->buf));

	if (n > 0) {
		s->have = relay_cut(r, s, (size_t)n);
		s->done = 0;
		s->total += s->have;
		relay_deliver(r, s);
	} else if (n == 0 || !relay_again()) {
		int sys = errno;

		if (n == -1 && !isatty(s->from))
			s->error = sys;
		if (s->terminal)
			relay_type_end(s);
		relay_end(s); /* EIO is how a pty says end of file */
	}
}

static void
relay_write(struct relay_stream *s)
{
	size_t n = s->have - s->done;
	ssize_t w;

	if (s->atomic && n > PIPE_BUF)
		n = PIPE_BUF;
	w = write(s->to, s->buf + s->done, n);
	if (w > 0)
		s->done += (size_t)w;
	else if (w == -1 && !relay_again()) {
		s->error = errno == EPIPE ? 0 : errno;
		relay_end(s);
	}
}

size_t
relay_step(struct relay *r, const struct pollfd *p)
{
	size_t i, moved = 0;

	for (i = 0; i < RELAY_STREAMS; i++) {
		struct relay_stream *s = &r->streams[i];
		size_t before = s->done;

		if (p[i].revents == 0)
			continue;
		if (s->have > s->done) {
			relay_write(s);
			moved += s->done > before;
		} else {
			relay_read(r, s);
			moved += s->have > 0;
		}
	}
	return moved;
}

int
relay_open(const struct relay *r)
{
	return r->streams[1].from >= 0 || r->streams[2].from >= 0;
}

int
relay_error(const struct relay *r)
{
	return r->streams[1].error != 0 ? r->streams[1].error
					: r->streams[2].error;
}

int
relay_met_limit(const struct relay *r)
{
	return r->met_limit;
}

uint64_t
relay_output(const struct relay *r)
{
	return r->streams[1].total + r->streams[2].total;
}

void
relay_finish(struct relay *r)
{
	size_t i;

	for (i = 0; i < RELAY_STREAMS; i++)
		relay_end(&r->streams[i]);
}
