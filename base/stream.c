#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"

enum {
	STREAM_READ_BYTES = 16 * 1024,
};

static void
stream_break(struct stream *s, const struct err *why)
{
	if (s->broken)
		return;
	s->broken = 1;
	s->why = strdup(why->msg);
}

const char *
stream_why(const struct stream *s)
{
	return s->why != NULL ? s->why : "";
}

static int
stream_wants_read(const struct stream *s)
{
	return s->reading && !s->eof &&
	       buf_size(&s->in) + STREAM_READ_BYTES <= s->in.max;
}

/* ---- one step: 1 moved something, 0 waits, -1 broken ---------------------- */

static int
plain_read(struct stream *s, void *p, size_t *ret, struct err *e)
{
	ssize_t n = recv(s->fd, p, STREAM_READ_BYTES, 0);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR
			   ? 0
			   : err_set(e, ERR_SYSTEM, "reading");
	*ret = (size_t)n;
	s->eof = n == 0;
	return n > 0;
}

static int
plain_write(struct stream *s, size_t *ret, struct err *e)
{
	ssize_t n =
	    send(s->fd, buf_bytes(&s->out), buf_size(&s->out), MSG_NOSIGNAL);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR
			   ? 0
			   : err_set(e, ERR_SYSTEM, "writing");
	*ret = (size_t)n;
	return 1;
}

/* A truncated stream is broken: an end that nobody said is none. */
static int
secure_status(struct stream *s, enum tls_status t, struct err *e)
{
	switch (t) {
	case TLS_DONE:
		return 1;
	case TLS_WANT_READ:
		s->also |= LOOP_READ;
		return 0;
	case TLS_WANT_WRITE:
		s->also |= LOOP_WRITE;
		return 0;
	case TLS_CLOSED:
		s->eof = 1;
		return 0;
	case TLS_CUT:
		return err_set(e, ERR_INVALID, "cut off");
	case TLS_FAILED:
		break;
	}
	return -1;
}

static int
stream_read_some(struct stream *s, struct err *e)
{
	unsigned char *p;
	size_t n = 0;
	int rc;

	if (!stream_wants_read(s))
		return 0;
	if (buf_reserve(&s->in, STREAM_READ_BYTES, &p, e) == -1)
		return -1;
	rc = s->tls != NULL
		 ? secure_status(s,
		       tls_read(s->tls, p, STREAM_READ_BYTES, &n, e), e)
		 : plain_read(s, p, &n, e);
	/* what a read waits for, stream_arm asks for in any case */
	if (s->tls != NULL && rc == 0) {
		s->also &= ~(unsigned)LOOP_READ;
		s->more = 0;
	} else
		s->more = rc == 1;
	buf_commit(&s->in, n);
	s->moved += n;
	if (rc == 1 && s->tls != NULL && tls_is_drained(s->tls)) {
		s->more = 0;
		return 0;
	}
	return rc;
}

static int
stream_write_some(struct stream *s, struct err *e)
{
	size_t n = 0;
	int rc;

	if (buf_size(&s->out) == 0)
		return 0;
	rc = s->tls != NULL ? secure_status(s,
				  tls_write(s->tls, buf_bytes(&s->out),
				      buf_size(&s->out), &n, e),
				  e)
			    : plain_write(s, &n, e);
	buf_consume(&s->out, n);
	s->moved += n;
	return rc;
}

static int
stream_shut_now(struct stream *s, struct err *e)
{
	if (s->shut != 1 || buf_size(&s->out) > 0)
		return 0;
	if (s->tls != NULL && secure_status(s, tls_close(s->tls, e), e) == 0)
		return 0;
	s->shut = 2;
	(void)shutdown(s->fd, SHUT_WR);
	return 0;
}

static int
stream_shake(struct stream *s, struct err *e)
{
	int rc = secure_status(s, tls_handshake(s->tls, e), e);

	s->secure = s->more = rc == 1;
	return rc;
}

/* ---- moving --------------------------------------------------------------- */

/* Write what goes; then read while there is room, if it is asked for. */
static void
stream_move(struct stream *s, int read)
{
	struct err e = { 0 };
	int rc = 1;

	s->also = 0;
	if (s->tls != NULL && !s->secure)
		rc = stream_shake(s, &e);
	if (rc == 1) {
		while ((rc = stream_write_some(s, &e)) == 1)
			;
		while (rc != -1 && read && (rc = stream_read_some(s, &e)) == 1)
			;
		if (rc != -1)
			rc = stream_shut_now(s, &e);
	}
	if (rc == -1)
		stream_break(s, &e);
}

/* What a callback must hear that no descriptor will say. */
static int
stream_has_news(const struct stream *s)
{
	if (s->broken)
		return !s->told;
	if (buf_size(&s->out) < s->below)
		return 1;
	return s->secure && stream_wants_read(s) && s->more;
}

static void
stream_arm(struct stream *s)
{
	unsigned want = s->also;
	struct err e = { 0 };

	if (s->broken)
		want = 0;
	else if (s->tls == NULL || s->secure)
		want |=
		    (stream_wants_read(s) ? LOOP_READ : 0) |
		    (buf_size(&s->out) > 0 && s->also == 0 ? LOOP_WRITE : 0);
	if (loop_fd_want(s->watch, want, &e) == -1)
		stream_break(s, &e);
	if (stream_has_news(s) && loop_call_set(s->call, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "stream", &e);
}

static void
stream_go(void *arg)
{
	struct stream *s = arg;
	int gone = 0;

	stream_move(s, 1);
	s->told = s->broken;
	s->below = 0;
	s->gone = &gone;
	s->fn(s->arg);
	if (gone)
		return;
	s->gone = NULL;
	stream_move(s, 0);
	stream_arm(s);
}

static void
stream_ready(void *arg, unsigned ready)
{
	(void)ready;
	stream_go(arg);
}

/* An empty buffer gives its memory back: most connections are idle. */
static void
stream_trim(struct buf *b)
{
	size_t max = b->max;

	if (b->data == NULL || buf_size(b) > 0)
		return;
	buf_finish(b);
	buf_init(b, max);
}

void
stream_rest(struct stream *s)
{
	stream_trim(&s->in);
	stream_trim(&s->out);
}

/* ---- for the owner -------------------------------------------------------- */

void
stream_flush(struct stream *s)
{
	if (s->gone != NULL)
		return; /* stream_go does it when fn returns */
	loop_call_clear(s->soon);
	stream_move(s, 0);
	stream_arm(s);
}

/* What is said now and then goes at once, and leaves nothing behind. */
static void
stream_flush_now(void *arg)
{
	struct stream *s = arg;

	stream_flush(s);
	stream_trim(&s->out);
}

void
stream_flush_soon(struct stream *s)
{
	struct err e = { 0 };

	if (s->gone == NULL && loop_call_set(s->soon, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "stream", &e);
}

void
stream_again(struct stream *s)
{
	struct err e = { 0 };

	if (loop_call_set(s->call, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "stream", &e);
}

void
stream_read(struct stream *s, int on)
{
	s->reading = on;
	if (s->gone == NULL)
		stream_arm(s);
}

void
stream_shut(struct stream *s)
{
	if (s->shut == 0)
		s->shut = 1;
	stream_flush(s);
}

int
stream_create(struct loop *l, int fd, stream_fn *fn, void *arg,
    struct stream **ret, struct err *e)
{
	struct stream *s = calloc(1, sizeof(*s));
	autofd own = fd;

	if (s == NULL)
		return err_sys(e, ENOMEM, "a stream");
	*s = (struct stream){ .loop = l,
		.fd = take_fd(&own),
		.fn = fn,
		.arg = arg,
		.reading = 1 };
	buf_init(&s->in, STREAM_BUFFER_BYTES);
	buf_init(&s->out, STREAM_OUT_MAX);
	if (loop_fd_create(l, s->fd, stream_ready, s, &s->watch, e) == -1 ||
	    loop_call_create(l, stream_go, s, &s->call, e) == -1 ||
	    loop_call_create(l, stream_flush_now, s, &s->soon, e) == -1) {
		stream_destroy(s);
		return -1;
	}
	stream_arm(s);
	*ret = s;
	return 0;
}

int
stream_secure(struct stream *s, struct tls_server *server, void *arg,
    struct err *e)
{
	struct tls_stream_options o = {
		.fd = s->fd,
		.first = { buf_bytes(&s->in), buf_size(&s->in) },
		.arg = arg,
	};

	if (tls_server_stream(server, &o, &s->tls, e) == -1)
		return -1;
	buf_consume(&s->in, buf_size(&s->in));
	/* its first bytes are here: no descriptor will say so */
	return loop_call_set(s->call, e);
}

void
stream_destroy(struct stream *s)
{
	if (s == NULL)
		return;
	if (s->gone != NULL)
		*s->gone = 1;
	tls_destroy(s->tls);
	loop_fd_destroy(s->watch);
	loop_call_destroy(s->call);
	loop_call_destroy(s->soon);
	fd_closep(&s->fd);
	buf_finish(&s->in);
	buf_finish(&s->out);
	free(s->why);
	free(s);
}

int
stream_take(struct stream *s, struct buf *ret_in)
{
	int fd = take_fd(&s->fd);

	*ret_in = s->in;
	buf_init(&s->in, STREAM_BUFFER_BYTES);
	/* not watched any more before anybody else watches it */
	stream_destroy(s);
	return fd;
}

void
stream_reset(struct stream *s)
{
	struct linger l = { .l_onoff = 1 };

	if (s == NULL)
		return;
	(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	stream_destroy(s);
}
