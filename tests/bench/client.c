/*
 * client.c: asks a service over HTTP/1.1 as many clients at once.
 *
 *	client rate PORT KEY CLIENTS SECONDS PATH BODY
 *	client streams PORT KEY CLIENTS EVENTS PATH
 *	client stalled PORT KEY PATH
 *
 * rate: each client has one connection and posts BODY again when it was
 * answered; prints the answers, the failures, and p50 and p99 in µs.  A "%" of
 * PATH is an id of its own for each request.
 * streams: each follows PATH; "ready" is printed when all have begun, and when
 * each has got EVENTS, how late they were after the time of day in their data:
 * how many, p50, p99, the latest, in µs.
 * stalled: one that takes 64 KiB of its stream's buffer and reads nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum {
	REQUEST_SIZE = 8192,
	READ_SIZE = 256 * 1024,
	SAMPLES_MAX = 4 << 20,
	END_SIZE = 5, /* "0\r\n\r\n" ends a chunked body */
};

struct client {
	int fd, is_good, has_head;
	int left; /* of a body with a length; -1: chunked */
	int events;
	uint64_t begun_ns;
	char end[END_SIZE]; /* the last bytes that came */
};

static uint64_t *samples;
static int nsamples, failures;
static char buffer[READ_SIZE + 1];

static void
sample(uint64_t ns)
{
	if (nsamples < SAMPLES_MAX)
		samples[nsamples++] = ns;
}

static int
ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double
quantile_us(int percent)
{
	int i = (int)((int64_t)nsamples * percent / 100);

	return nsamples == 0
		   ? 0
		   : (double)samples[i < nsamples ? i : nsamples - 1] / 1000;
}

static int
client_connect(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1)
		bench_die("connect", strerror(errno));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void
path_make(char *ret, size_t size, const char *pattern)
{
	const char *at = strchr(pattern, '%');
	unsigned char r[16];

	if (at == NULL) {
		(void)snprintf(ret, size, "%s", pattern);
		return;
	}
	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		bench_die("getrandom", "short");
	(void)snprintf(ret, size,
	    "%.*s%02x%02x%02x%02x-%02x%02x-4%01x%02x-a%01x%02x-"
	    "%02x%02x%02x%02x%02x%02x%s",
	    (int)(at - pattern), pattern, r[0], r[1], r[2], r[3], r[4], r[5],
	    r[6] & 15, r[7], r[8] & 15, r[9], r[10], r[11], r[12], r[13], r[14],
	    r[15], at + 1);
}

static void
client_ask(struct client *c, const char *method, const char *key,
    const char *pattern, const char *body)
{
	char request[REQUEST_SIZE], path[512];
	int n;

	path_make(path, sizeof(path), pattern);
	n = snprintf(request, sizeof(request),
	    "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: %s\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    method, path, key, strlen(body), body);
	if (n <= 0 || n >= (int)sizeof(request))
		bench_die("request", "too long");
	c->has_head = c->is_good = 0;
	c->begun_ns = bench_now_ns();
	if (write(c->fd, request, (size_t)n) != n)
		bench_die("write", strerror(errno));
}

/* ---- rate ---- */

/* The head is in the buffer; where the body begins. */
static char *
client_head(struct client *c)
{
	char *end = strstr(buffer, "\r\n\r\n"), *length;

	if (end == NULL)
		return NULL;
	*end = '\0';
	c->has_head = 1;
	c->is_good = strncmp(buffer, "HTTP/1.1 2", 10) == 0;
	length = strcasestr(buffer, "content-length:");
	c->left = length != NULL ? (int)strtol(length + 15, NULL, 10) : -1;
	memset(c->end, 0, sizeof(c->end));
	return end + 4;
}

/* 1: the answer is whole. */
static int
client_body(struct client *c, const char *p, size_t n)
{
	size_t keep = n < END_SIZE ? END_SIZE - n : 0;

	if (strstr(p, "__error__") != NULL)
		c->is_good = 0;
	if (c->left >= 0)
		return (c->left -= (int)n) <= 0;
	memmove(c->end, c->end + END_SIZE - keep, keep);
	memcpy(c->end + keep, p + n - (END_SIZE - keep), END_SIZE - keep);
	return memcmp(c->end, "0\r\n\r\n", END_SIZE) == 0;
}

static int
client_read(struct client *c)
{
	ssize_t n = read(c->fd, buffer, READ_SIZE);
	char *p = buffer;

	if (n <= 0)
		bench_die("read", n == 0 ? "closed" : strerror(errno));
	buffer[n] = '\0';
	if (!c->has_head && (p = client_head(c)) == NULL)
		bench_die("head", "in two parts");
	return client_body(c, p, (size_t)(buffer + n - p));
}

static int
rate(char **argv)
{
	int i, n = bench_count(argv[2]), seconds = bench_count(argv[3]);
	struct client *clients = calloc((size_t)n, sizeof(*clients));
	struct pollfd *fds = calloc((size_t)n, sizeof(*fds));
	uint64_t begun = bench_now_ns(),
		 until = begun + (uint64_t)seconds * 1000000000;
	int asking = n;

	if (clients == NULL || fds == NULL)
		bench_die("memory", "none");
	for (i = 0; i < n; i++) {
		clients[i].fd = client_connect(bench_count(argv[0]));
		fds[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
		client_ask(&clients[i], "POST", argv[1], argv[4], argv[5]);
	}
	/* what was asked is waited for, and its time counts */
	while (asking > 0) {
		if (poll(fds, (nfds_t)n, 60000) <= 0)
			bench_die("poll", "nothing for a minute");
		for (i = 0; i < n; i++) {
			struct client *c = &clients[i];

			if (fds[i].revents == 0 || !client_read(c))
				continue;
			sample(bench_now_ns() - c->begun_ns);
			failures += !c->is_good;
			if (bench_now_ns() < until) {
				client_ask(c, "POST", argv[1], argv[4],
				    argv[5]);
				continue;
			}
			fds[i].fd = -1;
			asking--;
		}
	}
	until = bench_now_ns();
	qsort(samples, (size_t)nsamples, sizeof(*samples), ascending);
	printf("%d %d %.0f %.0f %.2f\n", nsamples, failures, quantile_us(50),
	    quantile_us(99), nsamples / ((double)(until - begun) / 1e9));
	return 0;
}

/* ---- streams ---- */

static uint64_t
time_of_day_ns(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int
stream_read(struct client *c)
{
	ssize_t n = read(c->fd, buffer, READ_SIZE);
	uint64_t now = time_of_day_ns();
	const char *p;
	int before = c->events;

	if (n <= 0)
		bench_die("read", n == 0 ? "closed" : strerror(errno));
	buffer[n] = '\0';
	for (p = buffer; (p = strstr(p, "data: 1")) != NULL; p++) {
		uint64_t sent = strtoull(p + 6, NULL, 10);

		sample(now > sent ? now - sent : 0);
		c->events++;
	}
	return c->events - before;
}

static void
streams_begin(struct client *clients, int n, char **argv, int epoll)
{
	int i;

	for (i = 0; i < n; i++) {
		struct epoll_event ev = { .events = EPOLLIN,
			.data.ptr = &clients[i] };

		clients[i].fd = client_connect(bench_count(argv[0]));
		client_ask(&clients[i], "GET", argv[1], argv[4], "");
		if (read(clients[i].fd, buffer, READ_SIZE) < 12 ||
		    strncmp(buffer, "HTTP/1.1 200", 12) != 0)
			bench_die("stream", "refused");
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &ev) == -1)
			bench_die("epoll", strerror(errno));
	}
}

static int
streams(char **argv)
{
	int n = bench_count(argv[2]), events = bench_count(argv[3]);
	struct client *clients = calloc((size_t)n, sizeof(*clients));
	struct rlimit files = { (rlim_t)n + 64, (rlim_t)n + 64 };
	struct epoll_event ready[64];
	int i, k, epoll = epoll_create1(EPOLL_CLOEXEC);
	long missing = (long)n * events;

	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (clients == NULL || epoll == -1)
		bench_die("memory", "none");
	streams_begin(clients, n, argv, epoll);
	printf("ready\n");
	(void)fflush(stdout);
	while (missing > 0) {
		k = epoll_wait(epoll, ready, 64, 60000);
		if (k <= 0)
			bench_die("epoll", "nothing for a minute");
		for (i = 0; i < k; i++)
			missing -= stream_read(ready[i].data.ptr);
	}
	qsort(samples, (size_t)nsamples, sizeof(*samples), ascending);
	printf("%d %.0f %.0f %.0f\n", nsamples, quantile_us(50),
	    quantile_us(99), quantile_us(100));
	return 0;
}

static int
stalled(char **argv)
{
	struct client c = { .fd = client_connect(bench_count(argv[0])) };

	client_ask(&c, "GET", argv[1], argv[2], "");
	if (read(c.fd, buffer, 12) != 12 ||
	    strncmp(buffer, "HTTP/1.1 200", 12) != 0)
		bench_die("stream", "refused");
	printf("ready\n");
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}

int
main(int argc, char **argv)
{
	samples = malloc(SAMPLES_MAX * sizeof(*samples));
	if (samples == NULL)
		bench_die("memory", "none");
	if (argc == 8 && strcmp(argv[1], "rate") == 0)
		return rate(argv + 2);
	if (argc == 7 && strcmp(argv[1], "streams") == 0)
		return streams(argv + 2);
	if (argc == 5 && strcmp(argv[1], "stalled") == 0)
		return stalled(argv + 2);
	bench_die("client", "rate, streams or stalled");
}
