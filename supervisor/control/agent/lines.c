#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
	LINES_READ_BYTES = 64 * 1024,
};

struct lines {
	int fd;
	struct loop_fd *watch;
	struct loop_call *soon; /* held lines go out from the loop */
	struct lines_options options;
	const struct lines_ops *ops;
	void *arg;
	struct buf in, out;
	size_t looked; /* bytes of in that have no newline */
	int reading;
	int eof;
	int dropping; /* inside a line that was cut */
	int shut;
	int ended; /* ops.end was called */
	int busy; /* ops run: who destroys us now only marks us */
	int dead;
};

static void lines_ready(void *arg, unsigned ready);
static void lines_give_all(void *arg);

static int
lines_nonblock(int fd, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return err_set(e, ERR_SYSTEM, "fcntl");
	return 0;
}

static void
lines_arm(struct lines *l)
{
	int hungry = l->reading && !l->eof && buf_size(&l->in) < l->in.max;
	unsigned want =
	    (hungry ? LOOP_READ : 0) | (buf_size(&l->out) > 0 ? LOOP_WRITE : 0);

	/* without memory for it the loop says so when it runs */
	(void)!loop_fd_want(l->watch, l->ended ? 0 : want, NULL);
}

int
lines_create(struct loop *loop, int fd, const struct lines_options *o,
    const struct lines_ops *ops, void *arg, struct lines **ret, struct err *e)
{
	struct lines *l = malloc(sizeof(*l));

	if (l == NULL) {
		(void)close(fd);
		return err_set(e, ERR_SYSTEM, "memory for a connection");
	}
	*l = (struct lines){ .fd = fd,
		.options = *o,
		.ops = ops,
		.arg = arg,
		.reading = 1 };
	/* a whole line, its newline, and what one read brings behind it */
	buf_init(&l->in, o->line_max + 1 + LINES_READ_BYTES);
	buf_init(&l->out, o->out_max > 0 ? o->out_max : 1);
	if (lines_nonblock(fd, e) == -1 ||
	    loop_fd_create(loop, fd, lines_ready, l, &l->watch, e) == -1 ||
	    loop_call_create(loop, lines_give_all, l, &l->soon, e) == -1) {
		lines_destroy(l);
		return -1;
	}
	lines_arm(l);
	*ret = l;
	return 0;
}

static void
lines_free(struct lines *l)
{
	buf_finish(&l->in);
	buf_finish(&l->out);
	free(l);
}

void
lines_destroy(struct lines *l)
{
	if (l == NULL || l->dead)
		return;
	loop_fd_destroy(l->watch);
	loop_call_destroy(l->soon);
	(void)close(l->fd);
	l->dead = l->ended = 1;
	if (!l->busy)
		lines_free(l);
}

/* The next line in "in", or what is to be given for one; NULL: not yet. */
static const char *
lines_next(struct lines *l, size_t *ret_size)
{
	const char *p = buf_bytes(&l->in);
	size_t n = buf_size(&l->in);
	const char *nl = memchr(p + l->looked, '\n', n - l->looked);

	if (nl == NULL)
		l->looked = n;
	*ret_size = nl != NULL ? (size_t)(nl - p) : n;
	if (nl != NULL || n > l->options.line_max || (l->eof && n > 0))
		return p;
	return NULL;
}

/* Give one line out: 1 there may be another, 0 there is none, -1 too long. */
static int
lines_give(struct lines *l, struct err *e)
{
	size_t n, held = buf_size(&l->in), most = l->options.line_max;
	const char *p = lines_next(l, &n);
	int cut = l->dropping;

	if (p == NULL)
		return 0;
	if (n > most && !l->options.cuts)
		return err_set(e, ERR_LIMIT, "a line of more than %zu bytes",
		    most);
	l->dropping = n == held && !l->eof;
	l->looked = 0;
	if (!cut)
		l->ops->line(l->arg, p, n < most ? n : most);
	if (!l->dead)
		buf_consume(&l->in, n < held ? n + 1 : n);
	return 1;
}

static void
lines_end(struct lines *l, const struct err *why)
{
	if (l->ended)
		return;
	l->ended = 1;
	lines_arm(l);
	l->ops->end(l->arg, why);
}

/* All lines that the owner takes; then the end, if it was reached. */
static void
lines_give_all(void *arg)
{
	struct lines *l = arg;
	struct err e = { 0 };
	int rc = 1;

	l->busy = 1;
	while (rc == 1 && !l->ended && l->reading)
		rc = lines_give(l, &e);
	if (rc == -1)
		lines_end(l, &e);
	else if (rc == 0 && l->eof)
		lines_end(l, NULL);
	l->busy = 0;
	if (l->dead)
		lines_free(l);
	else
		lines_arm(l);
}

static int
lines_fill(struct lines *l, struct err *e)
{
	size_t room = l->in.max - buf_size(&l->in);
	unsigned char *p;
	ssize_t n;

	if (room > LINES_READ_BYTES)
		room = LINES_READ_BYTES;
	if (room == 0)
		return 0;
	if (buf_reserve(&l->in, room, &p, e) == -1)
		return -1;
	n = read(l->fd, p, room);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* a peer that left with our bytes unread is gone, no more */
	if (n == -1 && errno != ECONNRESET)
		return err_set(e, ERR_SYSTEM, "reading from the jail");
	l->eof = n <= 0;
	buf_commit(&l->in, n > 0 ? (size_t)n : 0);
	return 0;
}

/* Who does not read any more is seen to be gone by its silence. */
static int
lines_drain(struct lines *l, struct err *e)
{
	while (buf_size(&l->out) > 0) {
		ssize_t n = write(l->fd, buf_bytes(&l->out), buf_size(&l->out));

		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n == -1 && errno != EPIPE && errno != ECONNRESET)
			return err_set(e, ERR_SYSTEM, "writing to the jail");
		buf_consume(&l->out, n > 0 ? (size_t)n : buf_size(&l->out));
	}
	return 0;
}

static void
lines_ready(void *arg, unsigned ready)
{
	struct lines *l = arg;
	struct err e = { 0 };

	if (((ready & LOOP_WRITE) && lines_drain(l, &e) == -1) ||
	    ((ready & LOOP_READ) && lines_fill(l, &e) == -1)) {
		lines_end(l, &e);
		return;
	}
	if (l->shut && buf_size(&l->out) == 0) {
		lines_end(l, NULL);
		return;
	}
	lines_give_all(l);
}

int
lines_send(struct lines *l, const void *p, size_t n, struct err *e)
{
	size_t room = l->out.max - buf_size(&l->out);

	if (n >= room)
		return err_set(e, ERR_LIMIT,
		    "the jail reads too little: %zu bytes wait",
		    buf_size(&l->out));
	if (buf_append(&l->out, p, n, e) == -1 ||
	    buf_append(&l->out, "\n", 1, e) == -1)
		return -1;
	if (lines_drain(l, e) == -1)
		return -1;
	lines_arm(l);
	return 0;
}

void
lines_shut(struct lines *l)
{
	l->shut = 1;
	if (buf_size(&l->out) == 0 && !l->ended)
		(void)!loop_fd_want(l->watch, LOOP_WRITE, NULL);
}

void
lines_read(struct lines *l, int on)
{
	if (on && !l->reading)
		(void)!loop_call_set(l->soon, NULL);
	l->reading = on;
	lines_arm(l);
}

void
lines_catch_up(struct lines *l)
{
	struct err e;

	if (!l->ended && !l->busy && lines_fill(l, &e) == 0)
		lines_give_all(l);
}
