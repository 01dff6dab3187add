#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "log.h"

enum {
	SERVER_BATCH = 32, /* connections a turn */
	SERVER_PAUSE_MS = 100, /* where the kernel has no descriptor */
	SERVER_CROWD = 256, /* arrivals behind which memory is given back */
	SERVER_REST_MS = 2 * 1000, /* the first time, then doubled */
	SERVER_RESTS = 5, /* times: a crowd is not served at once */
};

struct api_listener {
	struct api_server *server;
	int fd;
	int tls;
	struct loop_fd *watch;
	struct loop_timer *pause;
};

const struct api_config api_server_defaults = {
	.connections = API_CONNECTIONS_MAX,
	.peer_connections = API_PEER_CONNECTIONS_MAX,
	.streams = API_CONNECTIONS_MAX,
	.body_bytes = API_BODY_LARGE,
	.archive_bytes = API_BODY_ARCHIVE,
	.memory_bytes = API_MEMORY_BYTES,
	.head_ms = API_HEAD_MS,
	.body_ms = API_BODY_MS,
	.keep_ms = API_KEEP_MS,
	.write_ms = API_WRITE_MS,
	.heartbeat_ms = API_HEARTBEAT_MS,
};

int
api_server_hold(struct api_server *s, size_t n)
{
	if (n > s->api->config.memory_bytes - s->held_bytes)
		return -1;
	s->held_bytes += n;
	return 0;
}

void
api_server_release(struct api_server *s, size_t n)
{
	s->held_bytes -= n;
}

/* ---- arrivals ------------------------------------------------------------- */

/* What whoever is above a bound is told; plain text fits any socket buffer. */
static void
server_refuse(struct api_server *s, int fd, int tls, const char *text)
{
	s->api->counts.refused++;
	if (!tls)
		(void)send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

#define SERVER_REFUSAL(line, detail, code)                        \
	"HTTP/1.1 " line "\r\nContent-Type: application/json\r\n" \
	"Retry-After: 1\r\nConnection: close\r\n\r\n"             \
	"{\"detail\":\"" detail "\",\"code\":\"" code "\"}\n"

static const char server_full[] = SERVER_REFUSAL("503 Service Unavailable",
    "all connections are in use", "LIMIT");
static const char server_peer_full[] = SERVER_REFUSAL("429 Too Many Requests",
    "your address has too many connections", "LIMIT");

/*
 * A crowd that comes at once is read at once: between what its streams keep
 * lies what its requests needed, which the heap would hold for as long.
 */
static void
server_rest_soon(struct api_server *s)
{
	unsigned done = SERVER_RESTS - s->rests;

	if (s->rests > 0 && loop_timer_set(s->rest,
				(uint64_t)SERVER_REST_MS << done, NULL) == -1)
		s->rests = 0;
}

static void
server_crowded(struct api_server *s)
{
	if (++s->arrived < SERVER_CROWD)
		return;
	s->arrived = 0;
	if (s->rests == SERVER_RESTS)
		return; /* it comes soon */
	s->rests = SERVER_RESTS;
	server_rest_soon(s);
}

static void
server_rest(void *arg)
{
	struct api_server *s = arg;

	(void)malloc_trim(0);
	s->rests--;
	server_rest_soon(s);
}

static void
server_arrived(struct api_listener *l, int fd)
{
	struct api_server *s = l->server;
	const struct api_config *c = &s->api->config;
	autofd own = fd;
	struct peer *p;
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->api->counts.connections++;
	server_crowded(s);
	if (s->nconns >= c->connections) {
		server_refuse(s, fd, l->tls, server_full);
		return;
	}
	p = peer_enter(s->peers, fd);
	if (p == NULL)
		return;
	if (!peer_is_local(p) && peer_connections(p) > c->peer_connections) {
		server_refuse(s, fd, l->tls, server_peer_full);
		peer_leave(p);
		return;
	}
	api_conn_accept(s, take_fd(&own), l->tls, p);
}

static void
listener_watch(struct api_listener *l)
{
	struct err e = { 0 };

	if (loop_fd_want(l->watch, LOOP_READ, &e) == 0)
		return;
	log_err(LOG_LEVEL_ERROR, "api.accept", &e);
	if (loop_timer_set(l->pause, SERVER_PAUSE_MS, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "api.accept", &e);
}

static void
listener_again(void *arg)
{
	listener_watch(arg);
}

static int
is_exhausted(int sys)
{
	return sys == EMFILE || sys == ENFILE || sys == ENOMEM ||
	       sys == ENOBUFS;
}

static void
listener_ready(void *arg, unsigned ready)
{
	struct api_listener *l = arg;
	int i, fd;

	(void)ready;
	for (i = 0; i < SERVER_BATCH; i++) {
		fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd != -1)
			server_arrived(l, fd);
		else if (errno != ECONNABORTED && errno != EINTR)
			break;
	}
	if (i < SERVER_BATCH && is_exhausted(errno) &&
	    loop_timer_set(l->pause, SERVER_PAUSE_MS, NULL) == 0)
		return;
	listener_watch(l);
}

/* ---- begin and end ---------------------------------------------------------- */

static void
listener_destroy(struct api_listener *l)
{
	if (l == NULL)
		return;
	loop_fd_destroy(l->watch);
	loop_timer_destroy(l->pause);
	fd_closep(&l->fd);
	free(l);
}

static int
listener_check(int fd, struct err *e)
{
	socklen_t size = sizeof(int);
	int listening = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) ==
		-1 ||
	    !listening)
		return err_set(e, ERR_INVALID, "this is no listening socket");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return err_set(e, ERR_SYSTEM, "a listener");
	return 0;
}

int
api_server_listen(struct api_server *s, int fd, int tls, struct err *e)
{
	autofd own = fd;
	struct api_listener *l;

	if (s->nlisteners == API_LISTENERS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d listeners",
		    API_LISTENERS_MAX);
	if (tls && s->tls == NULL)
		return err_set(e, ERR_INVALID,
		    "TLS needs a certificate and a key");
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return err_sys(e, ENOMEM, "a listener");
	*l = (struct api_listener){ .server = s,
		.fd = take_fd(&own),
		.tls = tls };
	if (listener_check(fd, e) == -1 ||
	    loop_fd_create(s->api->loop, fd, listener_ready, l, &l->watch, e) ==
		-1 ||
	    loop_timer_create(s->api->loop, listener_again, l, &l->pause, e) ==
		-1) {
		listener_destroy(l);
		return -1;
	}
	listener_watch(l);
	s->listeners[s->nlisteners++] = l;
	return 0;
}

static int
server_choose(void *arg, const char *name, const struct tls_identity **ret,
    struct err *e)
{
	struct api_conn *c = arg;

	(void)name;
	(void)e;
	*ret = api_conn_server(c)->identity;
	return 0;
}

int
api_server_create(const struct api_server_options *o, struct api_server **ret,
    struct err *e)
{
	const struct tls_server_options tls = { .choose = server_choose,
		.alpn = "http/1.1" };
	struct api_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_sys(e, ENOMEM, "a server");
	s->api = o->api;
	TAILQ_INIT(&s->conns);
	if (peer_table_create(&s->peers, e) == -1 ||
	    loop_timer_create(o->api->loop, server_rest, s, &s->rest, e) ==
		-1 ||
	    (o->chain.size > 0 &&
		(tls_identity_create_pem(&o->chain, &o->key, &s->identity, e) ==
			-1 ||
		    tls_server_create(&tls, &s->tls, e) == -1))) {
		api_server_destroy(s);
		return -1;
	}
	*ret = s;
	return 0;
}

static void
server_close_listeners(struct api_server *s)
{
	while (s->nlisteners > 0)
		listener_destroy(s->listeners[--s->nlisteners]);
}

void
api_server_drain(struct api_server *s)
{
	struct api_conn *c, *next;

	s->draining = 1;
	server_close_listeners(s);
	for (c = TAILQ_FIRST(&s->conns); c != NULL; c = next) {
		next = api_conn_next(c);
		api_conn_drain(c);
	}
}

void
api_server_destroy(struct api_server *s)
{
	if (s == NULL)
		return;
	server_close_listeners(s);
	while (!TAILQ_EMPTY(&s->conns))
		api_conn_destroy(TAILQ_FIRST(&s->conns));
	tls_server_destroy(s->tls);
	tls_identity_destroy(s->identity);
	peer_table_destroy(s->peers);
	loop_timer_destroy(s->rest);
	free(s);
}
