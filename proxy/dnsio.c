#include "dnsio.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "dns.h"
#include "log.h"
#include "record.h"

/* A connection of TCP: one query after the other. */
struct dns_conn {
	TAILQ_ENTRY(dns_conn) next;
	struct dnsio *dnsio;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *timer;
	struct dns_frame frame;
	unsigned char out[2 + DNS_ANSWER_MAX];
	size_t out_size, out_at;
};

TAILQ_HEAD(dns_conns, dns_conn);

struct dnsio {
	struct guest *guest;
	struct synthetic *names;
	struct dns dns;
	struct dns_conns conns;
	unsigned nconns;
};

/* ---- answers ---------------------------------------------------------------- */

static int
on_asked(void *arg, const char *host)
{
	struct guest *g = arg;
	struct intent in = { .kind = INTENT_DNS, .host = host };
	struct verdict v;

	authorize(g->net, &in, &v);
	if (v.answer == VERDICT_ALLOW)
		return 1;
	record_refusal(g, RECORD_DNS, &in, &v);
	return 0;
}

static size_t
dnsio_answer(struct dnsio *d, const void *query, size_t n,
    unsigned char ret[DNS_ANSWER_MAX])
{
	struct dns_result r;
	size_t size = dns_answer(&d->dns, query, n, ret, DNS_ANSWER_MAX, &r);

	if (r.end == DNS_FULL)
		record_failure(d->guest, RECORD_DNS, PLAN_NET_NONE, r.host, 53,
		    REFUSAL_limit, "too many names were asked for");
	return size;
}

/* ---- UDP -------------------------------------------------------------------- */

/* The same control message sends the answer from where the query went to. */
static int
udp_one(struct dnsio *d, int fd)
{
	unsigned char query[DNS_QUERY_MAX + 1], answer[DNS_ANSWER_MAX];
	struct sockaddr_storage from;
	struct iovec iov = { query, sizeof(query) };

	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
			   CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control;
	struct msghdr m = { .msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

	if (n == -1)
		return errno == EINTR;
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    (size_t)n > DNS_QUERY_MAX)
		return 1;
	iov.iov_base = answer;
	iov.iov_len = dnsio_answer(d, query, (size_t)n, answer);
	m.msg_flags = 0;
	/* an answer that does not fit now is asked for again */
	if (iov.iov_len > 0)
		(void)sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	return 1;
}

void
dnsio_receive(struct dnsio *d, int fd)
{
	int i;

	for (i = 0; i < PROXY_DNS_BATCH && udp_one(d, fd); i++)
		;
}

/* ---- TCP -------------------------------------------------------------------- */

static void
tcp_close(struct dns_conn *c)
{
	TAILQ_REMOVE(&c->dnsio->conns, c, next);
	c->dnsio->nconns--;
	loop_fd_destroy(c->watch);
	loop_timer_destroy(c->timer);
	fd_closep(&c->fd);
	free(c);
}

static void
tcp_overdue(void *arg)
{
	tcp_close(arg);
}

/* 0: written, or what is left waits for room. */
static int
tcp_write(struct dns_conn *c)
{
	ssize_t n = 0;

	while (c->out_at < c->out_size && n != -1) {
		n = send(c->fd, c->out + c->out_at, c->out_size - c->out_at,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			c->out_at += (size_t)n;
	}
	return n == -1 && errno != EAGAIN && errno != EINTR ? -1 : 0;
}

/* One query whole: its answer goes before the next one is looked at. */
static int
tcp_query(struct dns_conn *c)
{
	size_t n, size;
	const unsigned char *query = dns_frame_query(&c->frame, &n);

	size = dnsio_answer(c->dnsio, query, n, c->out + 2);
	dns_frame_next(&c->frame);
	if (size == 0)
		return -1;
	dns_frame_length(c->out, size);
	c->out_size = size + 2;
	c->out_at = 0;
	return tcp_write(c);
}

/*
 * What was not taken stays in the socket: only so much is read as belongs to
 * one query, so a peek tells how much that is.
 */
static int
tcp_read(struct dns_conn *c)
{
	unsigned char bytes[2 + DNS_QUERY_MAX];
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_PEEK);
	size_t taken = 0;
	int whole;

	if (n == 0)
		return -1;
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	whole = dns_frame_push(&c->frame, bytes, (size_t)n, &taken);
	if (whole == -1 || recv(c->fd, bytes, taken, MSG_DONTWAIT) == -1)
		return -1;
	return whole ? tcp_query(c) : 0;
}

static void
tcp_ready(void *arg, unsigned ready)
{
	struct dns_conn *c = arg;
	int writing = c->out_at < c->out_size, rc;

	(void)ready;
	rc = writing ? tcp_write(c) : tcp_read(c);
	writing = c->out_at < c->out_size;
	if (rc == -1 ||
	    loop_timer_set(c->timer, PROXY_DNS_TCP_MS, NULL) == -1 ||
	    loop_fd_want(c->watch, writing ? LOOP_WRITE : LOOP_READ, NULL) ==
		-1)
		tcp_close(c);
}

void
dnsio_accept(struct dnsio *d, int fd)
{
	struct loop *l = d->guest->proxy->loop;
	struct dns_conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)close(fd);
		return;
	}
	c->dnsio = d;
	c->fd = fd;
	dns_frame_init(&c->frame);
	TAILQ_INSERT_TAIL(&d->conns, c, next);
	if (++d->nconns > PROXY_DNS_TCP_MAX)
		tcp_close(TAILQ_FIRST(&d->conns));
	if (loop_fd_create(l, fd, tcp_ready, c, &c->watch, NULL) == -1 ||
	    loop_timer_create(l, tcp_overdue, c, &c->timer, NULL) == -1 ||
	    loop_timer_set(c->timer, PROXY_DNS_TCP_MS, NULL) == -1 ||
	    loop_fd_want(c->watch, LOOP_READ, NULL) == -1)
		tcp_close(c);
}

/* ---- a jail's ------------------------------------------------------------------ */

int
dnsio_create(struct guest *g, struct dnsio **ret, struct err *e)
{
	struct dnsio *d = calloc(1, sizeof(*d));
	uint64_t key;

	if (d == NULL)
		return err_sys(e, ENOMEM, "names");
	d->guest = g;
	TAILQ_INIT(&d->conns);
	if (getrandom(&key, sizeof(key), 0) != sizeof(key)) {
		free(d);
		return err_set(e, ERR_SYSTEM, "getrandom");
	}
	if (synthetic_create(key, &d->names, e) == -1) {
		free(d);
		return -1;
	}
	d->dns =
	    (struct dns){ .names = d->names, .allowed = on_asked, .arg = g };
	*ret = d;
	return 0;
}

void
dnsio_destroy(struct dnsio *d)
{
	struct dns_conn *c;

	if (d == NULL)
		return;
	while ((c = TAILQ_FIRST(&d->conns)) != NULL)
		tcp_close(c);
	synthetic_destroy(d->names);
	free(d);
}

void
dnsio_has_ipv6(struct dnsio *d)
{
	d->dns.ipv6 = 1;
}

const char *
dnsio_name(const struct dnsio *d, const struct net_address *a)
{
	return synthetic_host(d->names, a);
}
