#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "dnsio.h"
#include "log.h"
#include "policy/address.h"

enum {
	LISTENER_BATCH = 16, /* connections a turn */
	LISTENER_DNS_PORT = 53,
	LISTENER_PAUSE_MS = 100, /* where the kernel has no descriptor */
};

struct listener {
	struct guest *guest;
	uint32_t role;
	int fd;
	int paused;
	struct loop_fd *watch;
	struct loop_timer *pause;
};

static const struct {
	int type;
	const char *name;
} roles[] = {

#define X(n, t, text) [PROXY_ROLE_##n] = { t, #n },
	PROXY_ROLES(X)
#undef X
};

int
listener_is_loopback(const struct net_address *a)
{
	static const unsigned char one[16] = { [15] = 1 };

	return a->family == 4 ? a->bytes[0] == 127
			      : memcmp(a->bytes, one, sizeof(one)) == 0;
}

static int
socket_option(int fd, int option)
{
	socklen_t size = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == -1 ? -1
								       : value;
}

static int
listener_check(uint32_t role, int fd, struct err *e)
{
	int domain = socket_option(fd, SO_DOMAIN);

	if (role >= PROXY_ROLE__MAX ||
	    (domain != AF_INET && domain != AF_INET6) ||
	    socket_option(fd, SO_TYPE) != roles[role].type ||
	    (roles[role].type == SOCK_STREAM &&
		socket_option(fd, SO_ACCEPTCONN) != 1))
		return err_set(e, ERR_CORRUPT, "no listener of role %u", role);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return err_set(e, ERR_SYSTEM, "a listener");
	return 0;
}

/*
 * Whether it is a question for names, as all of UDP to port 53 is, whatever
 * address was asked: but where the policy has a service at that place.
 */
static int
listener_is_dns(const struct listener *l, const struct conn_arrival *a)
{
	char host[CANON_HOST_SIZE];
	struct intent in = { .kind = INTENT_TCP,
		.host = host,
		.port = a->port };
	struct verdict v;

	if (a->port != LISTENER_DNS_PORT || l->role == PROXY_ROLE_EXPLICIT)
		return 0;
	if (l->role == PROXY_ROLE_DNS_TCP && listener_is_loopback(&a->address))
		return 1;
	guest_name_of(l->guest, &a->address, host);
	authorize(l->guest->net, &in, &v);
	return (v.passed & 1u << VERDICT_PORT) == 0;
}

/* One connection's way out of the accepting loop: 1 go on, 0 no more now. */
static int
listener_accept(struct listener *l)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t size = sizeof(sa);
	struct conn_arrival a = { .guest = l->guest, .role = l->role };
	autofd fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int one = 1;

	if (fd == -1)
		return errno == ECONNABORTED || errno == EINTR ? 1 : 0;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (getsockname(fd, (struct sockaddr *)&sa, &size) == -1 ||
	    address_from_sockaddr((struct sockaddr *)&sa, size, &a.address,
		&a.port) == -1)
		return 1;
	a.fd = take_fd(&fd);
	if (listener_is_dns(l, &a))
		dnsio_accept(l->guest->dns, a.fd);
	else
		conn_accept(&a);
	return 1;
}

static void
listener_pause(struct listener *l)
{
	l->paused = 1;
	if (loop_timer_set(l->pause, LISTENER_PAUSE_MS, NULL) == -1)
		log_text(LOG_LEVEL_ERROR, "accept", "no timer");
}

static void
listener_watch(struct listener *l)
{
	struct err e = { 0 };

	l->paused = 0;
	if (loop_fd_want(l->watch, LOOP_READ, &e) == -1) {
		log_err(LOG_LEVEL_ERROR, "accept", &e);
		listener_pause(l);
	}
}

static void
listener_arm(struct listener *l)
{
	if (l->role == PROXY_ROLE_DNS || guest_has_room(l->guest))
		listener_watch(l);
	else
		l->paused = 1;
}

static void
listener_ready(void *arg, unsigned ready)
{
	struct listener *l = arg;
	int i, more = 1;

	(void)ready;
	if (l->role == PROXY_ROLE_DNS) {
		dnsio_receive(l->guest->dns, l->fd);
		listener_watch(l);
		return;
	}
	errno = 0;
	for (i = 0; more && i < LISTENER_BATCH && guest_has_room(l->guest); i++)
		more = listener_accept(l);
	if (!more && (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			 errno == ENOBUFS))
		listener_pause(l);
	else
		listener_arm(l);
}

void
listener_resume(struct listener *l)
{
	if (l->paused)
		listener_arm(l);
}

static void
listener_again(void *arg)
{
	listener_resume(arg);
}

int
listener_create(struct guest *g, uint32_t role, int fd, struct listener **ret,
    struct err *e)
{
	struct listener *l = calloc(1, sizeof(*l));
	autofd own = fd;

	if (l == NULL)
		return err_sys(e, ENOMEM, "a listener");
	l->guest = g;
	l->role = role;
	l->fd = take_fd(&own);
	if (listener_check(role, fd, e) == -1 ||
	    loop_fd_create(g->proxy->loop, fd, listener_ready, l, &l->watch,
		e) == -1 ||
	    loop_timer_create(g->proxy->loop, listener_again, l, &l->pause,
		e) == -1) {
		listener_destroy(l);
		return -1;
	}
	if (socket_option(l->fd, SO_DOMAIN) == AF_INET6)
		dnsio_has_ipv6(g->dns);
	listener_arm(l);
	*ret = l;
	return 0;
}

void
listener_destroy(struct listener *l)
{
	if (l == NULL)
		return;
	loop_fd_destroy(l->watch);
	loop_timer_destroy(l->pause);
	fd_closep(&l->fd);
	free(l);
}
