/*
 * load.c: requests over TLS, and how long they took.
 *
 *	load
 *
 * Reads measurements from stdin, one a line, as words "key=value" (the table
 * load_keys), and prints a JSON object for each when it is done.  One process
 * can so be a warm client of several ways: it lives in a jail, or outside.
 *
 * Each connection sends a request, reads the whole response and sends the
 * next; "requests" is the number of all.  The time of a request ends with the
 * last byte of its response and begins with its first byte, or with
 * connect(2) where each has a connection of its own (fresh=1).  Certificate
 * and name are verified, sessions never resumed, and TLS is 1.3 with
 * AES-128-GCM, so that every way costs the same where it does the same.  An
 * answer that is not a whole 200 ends the program.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "http1.h"

enum {
	LOAD_LINE_MAX = 4096,
	LOAD_TEXT_MAX = 512,
	LOAD_CONNECTIONS_MAX = 1024,
	LOAD_READ_BYTES = 64 * 1024,
	LOAD_HEAD_MAX = 8192,
	LOAD_EVENTS = 64,
	LOAD_SILENCE_MS = 30 * 1000, /* after which something hangs */
	LOAD_WAVE = 32, /* connections opened ahead of the answers */
	LOAD_AGAIN_MAX = 1000, /* connections that ended between requests */
};

struct load_options {
	char to[LOAD_TEXT_MAX]; /* HOST:PORT to connect to */
	char tunnel[LOAD_TEXT_MAX]; /* HOST:PORT to ask for by CONNECT */
	char host[LOAD_TEXT_MAX]; /* of the certificate, and Host */
	char authority[LOAD_TEXT_MAX]; /* Host, if it is not host */
	char path[LOAD_TEXT_MAX];
	char bearer[LOAD_TEXT_MAX]; /* the Authorization; "": none */
	char ca[LOAD_TEXT_MAX]; /* file of authorities */
	long connections, requests;
	long warm; /* requests before those that count */
	long bytes; /* of each response's body */
	long fresh; /* 1: a connection for each request */
	long hold; /* 1: keep connections until the next line */
};

static const struct load_key {
	const char *name;
	size_t at;
	int is_text;
} load_keys[] = {

#define KEY(name, is_text)                                          \
	{                                                           \
#		name, offsetof(struct load_options, name), is_text \
	}
	KEY(to, 1),
	KEY(tunnel, 1),
	KEY(host, 1),
	KEY(authority, 1),
	KEY(path, 1),
	KEY(bearer, 1),
	KEY(ca, 1),
	KEY(connections, 0),
	KEY(requests, 0),
	KEY(warm, 0),
	KEY(bytes, 0),
	KEY(fresh, 0),
	KEY(hold, 0),
#undef KEY
};

enum step {
	STEP_OFF, /* no connection */
	STEP_CONNECT,
	STEP_ASK, /* CONNECT is sent, its answer read */
	STEP_HANDSHAKE,
	STEP_SEND,
	STEP_HEAD,
	STEP_BODY,
	STEP_IDLE, /* all are sent */
	STEP__MAX
};

struct connection {
	int fd;
	enum step step;
	uint32_t armed; /* events */
	SSL *ssl;
	uint64_t begun_ns;
	size_t sent;
	int used; /* it has answered before */
	int last; /* it ends after this response */
	char head[LOAD_HEAD_MAX + 1];
	size_t head_size;
	struct http1_body body;
};

static struct {
	struct load_options o;
	struct addrinfo *address;
	SSL_CTX *tls;
	char ask[LOAD_TEXT_MAX * 3], request[LOAD_TEXT_MAX * 4];
	size_t ask_size, request_size;
	int epoll;
	struct connection c[LOAD_CONNECTIONS_MAX];
	uint64_t *took_ns;
	long begun, done, again;
	uint64_t start_ns, cpu_ns, bytes;
	char cipher[64];
	unsigned char read[LOAD_READ_BYTES];
} load;

static _Noreturn void
load_die_tls(const char *what)
{
	char text[256];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	bench_die(what, text);
}

/* Processor time of this process. */
static uint64_t
load_cpu_ns(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* ---- what is asked for ---------------------------------------------------- */

static void
option_set(struct load_options *o, char *word)
{
	char *value = strchr(word, '=');
	size_t i, n = sizeof(load_keys) / sizeof(load_keys[0]);

	if (value == NULL)
		bench_die(word, "not key=value");
	*value++ = '\0';
	for (i = 0; i < n && strcmp(load_keys[i].name, word) != 0; i++)
		;
	if (i == n || strlen(value) >= LOAD_TEXT_MAX)
		bench_die(word, "not known, or too long");
	if (load_keys[i].is_text)
		(void)snprintf((char *)o + load_keys[i].at, LOAD_TEXT_MAX, "%s",
		    value);
	else
		*(long *)(void *)((char *)o + load_keys[i].at) =
		    bench_count(value);
}

static void
options_read(struct load_options *o, char *line)
{
	char *rest = line, *word;

	*o = (struct load_options){ .connections = 1, .requests = 1 };
	while ((word = strsep(&rest, " \n")) != NULL)
		if (*word != '\0')
			option_set(o, word);
	if (o->connections > LOAD_CONNECTIONS_MAX || o->to[0] == '\0' ||
	    o->host[0] == '\0' || o->ca[0] == '\0')
		bench_die("usage", "to=, host=, ca= and few connections");
}

/* "HOST:PORT" becomes an address, looked up once for all connections. */
static struct addrinfo *
option_address(const char *to)
{
	const struct addrinfo wanted = { .ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(to, ':');
	struct addrinfo *found;
	char host[LOAD_TEXT_MAX];
	int r;

	if (colon == NULL)
		bench_die(to, "no port");
	(void)snprintf(host, sizeof(host), "%.*s", (int)(colon - to), to);
	r = getaddrinfo(host, colon + 1, &wanted, &found);
	if (r != 0)
		bench_die(to, gai_strerror(r));
	return found;
}

static SSL_CTX *
option_tls(const char *ca)
{
	SSL_CTX *t = SSL_CTX_new(TLS_client_method());

	if (t == NULL || SSL_CTX_load_verify_locations(t, ca, NULL) != 1 ||
	    SSL_CTX_set_min_proto_version(t, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(t, "TLS_AES_128_GCM_SHA256") != 1)
		load_die_tls(ca);
	SSL_CTX_set_verify(t, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_session_cache_mode(t, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(t, SSL_MODE_RELEASE_BUFFERS);
	return t;
}

static void
option_texts(const struct load_options *o)
{
	const char *name = o->bearer[0] != '\0' ? "Authorization: Bearer " : "";
	const char *end = o->bearer[0] != '\0' ? "\r\n" : "";

	load.request_size = (size_t)snprintf(load.request, sizeof(load.request),
	    "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s%sAccept: */*\r\n"
	    "User-Agent: load\r\n\r\n",
	    o->path, o->authority[0] != '\0' ? o->authority : o->host, name,
	    o->bearer, end);
	load.ask_size = o->tunnel[0] == '\0'
			    ? 0
			    : (size_t)snprintf(load.ask, sizeof(load.ask),
				  "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n",
				  o->tunnel, o->tunnel);
}

/* ---- connections ------------------------------------------------------------ */

static void
connection_arm(struct connection *c, uint32_t events)
{
	struct epoll_event v = { .events = events, .data.ptr = c };

	if (c->armed == events)
		return;
	if (epoll_ctl(load.epoll, c->armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
		c->fd, &v) == -1)
		bench_die("epoll_ctl", strerror(errno));
	c->armed = events;
}

static void
connection_close(struct connection *c)
{
	if (c->step == STEP_OFF)
		return;
	if (c->ssl != NULL)
		(void)SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	(void)close(c->fd);
	c->ssl = NULL;
	c->step = STEP_OFF;
	c->armed = 0;
	c->used = c->last = 0;
}

static void
connection_open(struct connection *c)
{
	const struct addrinfo *a = load.address;
	int one = 1;

	c->fd =
	    socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one,
			       sizeof(one)) == -1)
		bench_die("socket", strerror(errno));
	if (connect(c->fd, a->ai_addr, a->ai_addrlen) == -1 &&
	    errno != EINPROGRESS)
		bench_die(load.o.to, strerror(errno));
	c->step = STEP_CONNECT;
	c->sent = 0;
	connection_arm(c, EPOLLOUT);
}

/* The next request, on this connection or on a new one. */
static void
connection_next(struct connection *c)
{
	if (load.begun == load.o.warm + load.o.requests) {
		if (c->step != STEP_OFF)
			c->step = STEP_IDLE;
		return;
	}
	load.begun++;
	c->begun_ns = bench_now_ns();
	if (c->step == STEP_OFF) {
		connection_open(c);
		return;
	}
	c->sent = 0;
	c->step = STEP_SEND;
}

static void
connection_secure(struct connection *c)
{
	c->ssl = SSL_new(load.tls);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 ||
	    SSL_set1_host(c->ssl, load.o.host) != 1 ||
	    SSL_set_tlsext_host_name(c->ssl, load.o.host) != 1)
		load_die_tls("SSL_new");
	SSL_set_connect_state(c->ssl);
	c->step = STEP_HANDSHAKE;
}

/*
 * A server may end a kept connection when it likes; then the request goes out
 * again.  Anything else that ends early is a failure.
 */
static void
connection_again(struct connection *c, const char *what)
{
	if (!c->used || c->head_size > 0 || ++load.again > LOAD_AGAIN_MAX) {
		if (ERR_peek_error() != 0)
			load_die_tls(what);
		bench_die(what, "ended early");
	}
	connection_close(c);
	connection_open(c);
}

/* ---- steps: 1 go on, 0 wait ------------------------------------------------- */

/* What the result of a call of OpenSSL asks for. */
static int
step_wait(struct connection *c, int r, const char *what)
{
	switch (SSL_get_error(c->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		connection_arm(c, EPOLLIN);
		return 0;
	case SSL_ERROR_WANT_WRITE:
		connection_arm(c, EPOLLOUT);
		return 0;
	default:
		if (c->step == STEP_HANDSHAKE)
			load_die_tls(what);
		connection_again(c, what);
		return 0;
	}
}

static int
step_connect(struct connection *c)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1 ||
	    error != 0)
		bench_die(load.o.to, strerror(error));
	if (load.ask_size == 0) {
		connection_secure(c);
		return 1;
	}
	if (send(c->fd, load.ask, load.ask_size, MSG_NOSIGNAL) !=
	    (ssize_t)load.ask_size)
		bench_die("CONNECT", "not sent at once");
	c->step = STEP_ASK;
	c->head_size = 0;
	connection_arm(c, EPOLLIN);
	return 0;
}

static int
step_ask(struct connection *c)
{
	ssize_t n = recv(c->fd, c->head + c->head_size,
	    LOAD_HEAD_MAX - c->head_size, 0);

	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		bench_die("CONNECT", n == 0 ? "ended" : strerror(errno));
	c->head_size += (size_t)n;
	c->head[c->head_size] = '\0';
	if (strstr(c->head, "\r\n\r\n") == NULL)
		return 1;
	if (strncmp(c->head, "HTTP/1.", 7) != 0 ||
	    strncmp(c->head + 8, " 200", 4) != 0)
		bench_die("CONNECT", c->head);
	connection_secure(c);
	return 1;
}

static int
step_handshake(struct connection *c)
{
	int r = SSL_do_handshake(c->ssl);

	if (r != 1)
		return step_wait(c, r, "handshake");
	(void)snprintf(load.cipher, sizeof(load.cipher), "%s %s",
	    SSL_get_version(c->ssl), SSL_get_cipher(c->ssl));
	c->step = STEP_SEND;
	c->sent = 0;
	return 1;
}

static int
step_send(struct connection *c)
{
	int r = SSL_write(c->ssl, load.request, (int)load.request_size);

	c->head_size = 0;
	if (r <= 0)
		return step_wait(c, r, "request");
	c->step = STEP_HEAD;
	return 1;
}

/* The framing of a response that must be a 200. */
static void
head_judge(struct connection *c)
{
	const char *length = strcasestr(c->head, "\r\nContent-Length:");
	const char *chunked =
	    strcasestr(c->head, "\r\nTransfer-Encoding: chunked\r\n");

	if (strncmp(c->head, "HTTP/1.1 200", 12) != 0)
		bench_die("response", c->head);
	if (length == NULL && chunked == NULL)
		bench_die("response", "it has no length");
	c->last = strcasestr(c->head, "\r\nConnection: close\r\n") != NULL;
	http1_body_init(&c->body,
	    chunked != NULL ? HTTP1_BODY_CHUNKED : HTTP1_BODY_LENGTH,
	    chunked != NULL ? 0 : strtoull(length + 17, NULL, 10), NULL);
}

static void
response_done(struct connection *c)
{
	uint64_t now = bench_now_ns();

	if (c->body.bytes != (uint64_t)load.o.bytes)
		bench_die("response", "its body has another length");
	load.done++;
	if (load.done > load.o.warm) {
		load.took_ns[load.done - load.o.warm - 1] = now - c->begun_ns;
		load.bytes += c->body.bytes;
	} else if (load.done == load.o.warm) {
		load.start_ns = now;
		load.cpu_ns = load_cpu_ns();
	}
	http1_body_finish(&c->body);
	c->used = 1;
	if (c->last || load.o.fresh)
		connection_close(c);
	connection_next(c);
}

/* n bytes of a body: 1 and the next request, when it is whole. */
static int
body_feed(struct connection *c, const unsigned char *p, size_t n)
{
	for (;;) {
		struct http1_slice piece = { 0 };
		size_t used = 0;

		switch (http1_body_read(&c->body, p, n, &used, &piece)) {
		case HTTP1_DONE:
			if (used != n)
				bench_die("response", "more than its body");
			response_done(c);
			return c->step != STEP_CONNECT;
		case HTTP1_REFUSED:
			bench_die("response", http1_fault_text(c->body.fault));
		case HTTP1_MORE:
			break;
		}
		p += used;
		n -= used;
		if (n == 0)
			return 1;
	}
}

static int
step_head(struct connection *c)
{
	int r = SSL_read(c->ssl, c->head + c->head_size,
	    (int)(LOAD_HEAD_MAX - c->head_size));
	char *end;

	if (r <= 0)
		return step_wait(c, r, "response");
	c->head_size += (size_t)r;
	c->head[c->head_size] = '\0';
	end = memmem(c->head, c->head_size, "\r\n\r\n", 4);
	if (end == NULL && c->head_size == LOAD_HEAD_MAX)
		bench_die("response", "its head is too long");
	if (end == NULL)
		return 1;
	r = (int)(c->head + c->head_size - (end + 4));
	/* the body's first bytes may hold anything, the head no NUL */
	end[2] = '\0';
	head_judge(c);
	c->step = STEP_BODY;
	return body_feed(c, (unsigned char *)end + 4, (size_t)r);
}

static int
step_body(struct connection *c)
{
	int r = SSL_read(c->ssl, load.read, sizeof(load.read));

	if (r <= 0)
		return step_wait(c, r, "body");
	return body_feed(c, load.read, (size_t)r);
}

static int
step_none(struct connection *c)
{
	/* idle, and something came: a session's ticket, or the end */
	if (c->step == STEP_IDLE)
		connection_arm(c, EPOLLRDHUP);
	return 0;
}

static int (*const steps[STEP__MAX])(struct connection *c) = {
	[STEP_OFF] = step_none,
	[STEP_CONNECT] = step_connect,
	[STEP_ASK] = step_ask,
	[STEP_HANDSHAKE] = step_handshake,
	[STEP_SEND] = step_send,
	[STEP_HEAD] = step_head,
	[STEP_BODY] = step_body,
	[STEP_IDLE] = step_none,
};

/* ---- a measurement --------------------------------------------------------------- */

static int
compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double
load_quantile_us(long hundredths)
{
	long at = load.o.requests * hundredths / 100;

	return (double)load.took_ns[at] / 1e3;
}

static void
load_print(void)
{
	double seconds = (double)(bench_now_ns() - load.start_ns) / 1e9;
	double cpu_us = (double)(load_cpu_ns() - load.cpu_ns) / 1e3;

	qsort(load.took_ns, (size_t)load.o.requests, sizeof(uint64_t),
	    compare_ns);
	(void)printf("{\"requests\": %ld, \"connections\": %ld, "
		     "\"p50_us\": %.1f, \"p99_us\": %.1f, "
		     "\"per_s\": %.1f, \"bytes_per_s\": %.0f, "
		     "\"client_cpu_us\": %.1f, \"again\": %ld, "
		     "\"tls\": \"%s\"}\n",
	    load.o.requests, load.o.connections, load_quantile_us(50),
	    load_quantile_us(99), (double)load.o.requests / seconds,
	    (double)load.bytes / seconds, cpu_us / (double)load.o.requests,
	    load.again, load.cipher);
	(void)fflush(stdout);
}

static void
load_turn(void)
{
	struct epoll_event events[LOAD_EVENTS];
	int i, n = epoll_wait(load.epoll, events, LOAD_EVENTS, LOAD_SILENCE_MS);

	if (n == 0)
		bench_die("load", "nothing came for too long");
	for (i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;

		ERR_clear_error();
		while (steps[c->step](c) == 1)
			;
	}
}

static void
load_begin(void)
{
	load.address = option_address(load.o.to);
	load.tls = option_tls(load.o.ca);
	option_texts(&load.o);
	load.took_ns = calloc((size_t)load.o.requests, sizeof(uint64_t));
	if (load.took_ns == NULL)
		bench_die("calloc", strerror(errno));
	load.begun = load.done = load.again = 0;
	load.bytes = 0;
	load.start_ns = bench_now_ns();
	load.cpu_ns = load_cpu_ns();
}

static void
load_end(void)
{
	long i;

	for (i = 0; i < load.o.connections; i++)
		connection_close(&load.c[i]);
	freeaddrinfo(load.address);
	SSL_CTX_free(load.tls);
	free(load.took_ns);
}

static void
load_measure(void)
{
	long opened = 0;

	load_begin();
	while (load.done < load.o.warm + load.o.requests) {
		while (opened < load.o.connections &&
		       opened < load.done + LOAD_WAVE)
			connection_next(&load.c[opened++]);
		load_turn();
	}
	load_print();
}

int
main(int argc, char **argv)
{
	char line[LOAD_LINE_MAX];
	int held = 0;

	(void)argv;
	if (argc != 1)
		bench_die("usage", "load < MEASUREMENTS");
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (held)
			load_end();
		options_read(&load.o, line);
		load_measure();
		held = load.o.hold != 0;
		if (!held)
			load_end();
	}
	return 0;
}
