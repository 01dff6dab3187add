#include "dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "log.h"

struct dial {
	struct loop *loop;
	uint32_t next, n;
	struct reach_target target[PROXY_ADDRESSES_MAX];
	int fd;
	int sys; /* of the last failure */
	struct loop_fd *watch;
	struct loop_timer *timer;
	struct loop_call *call;
	dial_fn *fn;
	void *arg;
};

static void dial_next(void *arg);

socklen_t
dial_sockaddr(const struct reach_target *t, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (void *)ret;
	struct sockaddr_in *v4 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (t->address.family == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)t->port);
		memcpy(&v4->sin_addr, t->address.bytes, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)t->port);
	memcpy(&v6->sin6_addr, t->address.bytes, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

static void
dial_close(struct dial *d)
{
	loop_fd_destroy(d->watch);
	d->watch = NULL;
	fd_closep(&d->fd);
}

static void
dial_free(struct dial *d)
{
	dial_close(d);
	loop_timer_destroy(d->timer);
	loop_call_destroy(d->call);
	free(d);
}

static void
dial_done(struct dial *d)
{
	dial_fn *fn = d->fn;
	void *arg = d->arg;
	int fd, sys = d->sys;

	loop_fd_destroy(d->watch);
	d->watch = NULL;
	fd = take_fd(&d->fd);
	dial_free(d);
	fn(arg, fd, sys);
}

static void
dial_failed(struct dial *d, int sys)
{
	struct err e = { 0 };

	d->sys = sys;
	dial_close(d);
	loop_timer_clear(d->timer);
	if (loop_call_set(d->call, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "dial", &e);
}

static void
dial_ready(void *arg, unsigned ready)
{
	struct dial *d = arg;
	socklen_t size = sizeof(int);
	int sys = 0;

	(void)ready;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &sys, &size) == -1)
		sys = errno;
	if (sys != 0)
		dial_failed(d, sys);
	else
		dial_done(d);
}

static void
dial_overdue(void *arg)
{
	dial_failed(arg, ETIMEDOUT);
}

static int
dial_connect(struct dial *d, const struct reach_target *t, struct err *e)
{
	struct sockaddr_storage sa;
	socklen_t size = dial_sockaddr(t, &sa);
	int one = 1;

	d->fd =
	    socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd == -1)
		return err_set(e, ERR_SYSTEM, "socket");
	(void)setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(d->fd, (struct sockaddr *)&sa, size) == -1 &&
	    errno != EINPROGRESS)
		return err_set(e, ERR_SYSTEM, "connect");
	if (loop_fd_create(d->loop, d->fd, dial_ready, d, &d->watch, e) == -1 ||
	    loop_fd_want(d->watch, LOOP_WRITE, e) == -1)
		return -1;
	return loop_timer_set(d->timer, PROXY_DIAL_MS, e);
}

static void
dial_next(void *arg)
{
	struct dial *d = arg;
	struct err e = { 0 };

	if (d->next == d->n) {
		dial_done(d);
		return;
	}
	if (dial_connect(d, &d->target[d->next++], &e) == -1)
		dial_failed(d, e.sys != 0 ? e.sys : EIO);
}

int
dial_start(struct loop *l, const struct reach_result *targets, dial_fn *fn,
    void *arg, struct dial **ret, struct err *e)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return err_sys(e, ENOMEM, "dialing");
	d->loop = l;
	d->fd = -1;
	d->sys = EHOSTUNREACH;
	d->fn = fn;
	d->arg = arg;
	d->n = targets->n;
	memcpy(d->target, targets->target, sizeof(d->target));
	if (loop_timer_create(l, dial_overdue, d, &d->timer, e) == -1 ||
	    loop_call_create(l, dial_next, d, &d->call, e) == -1 ||
	    loop_call_set(d->call, e) == -1) {
		dial_free(d);
		return -1;
	}
	*ret = d;
	return 0;
}

void
dial_cancel(struct dial *d)
{
	if (d != NULL)
		dial_free(d);
}
