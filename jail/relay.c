#include "relay.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

void
relay_init(struct relay *r)
{
	size_t i;

	for (i = 0; i < RELAY_STREAMS; i++) {
		struct relay_stream *s = &r->streams[i];

		s->from = s->to = -1;
		s->own_from = s->own_to = s->atomic = 0;
		s->have = s->done = 0;
		s->total = 0;
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

static void
relay_read(struct relay_stream *s)
{
	ssize_t n = read(s->from, s->buf, sizeof(s->buf));

	if (n > 0) {
		s->have = (size_t)n;
		s->done = 0;
		s->total += (uint64_t)n;
	} else if (n == 0 || !relay_again()) {
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
	else if (w == -1 && !relay_again())
		relay_end(s);
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
			relay_read(s);
			moved += s->have;
		}
	}
	return moved;
}

int
relay_open(const struct relay *r)
{
	return r->streams[1].from >= 0 || r->streams[2].from >= 0;
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
