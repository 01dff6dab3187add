/*
 * crowd.c: more connections than anybody serves.
 *
 *	crowd PORT COUNT
 *
 * Opens COUNT connections to 127.0.0.1:PORT, each asks there for
 * api.internal:443 by CONNECT and says nothing more; one that ends is opened
 * again.  Prints "ready SERVED" when all are begun and have had a while, and
 * holds them until a line comes on stdin; then prints how many were answered
 * and how many ended, and resets all.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum {
	CROWD_EVENTS = 64,
	CROWD_SETTLE_MS = 2000,
	CROWD_WAVE = 500, /* opened before it is looked what came */
};

static const char ask[] = "CONNECT api.internal:443 HTTP/1.1\r\n"
			  "Host: api.internal:443\r\n\r\n";

static struct {
	struct sockaddr_in to;
	int epoll;
	int *fds;
	long answered, ended;
} crowd;

static void
crowd_open(uint32_t i)
{
	struct linger reset = { .l_onoff = 1 };
	struct epoll_event ev = { .events = EPOLLOUT, .data = { .u32 = i } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* no port is left waiting by us */
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ==
		-1 ||
	    (connect(fd, (struct sockaddr *)&crowd.to, sizeof(crowd.to)) ==
		    -1 &&
		errno != EINPROGRESS) ||
	    epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, fd, &ev) == -1)
		bench_die("a connection", strerror(errno));
	crowd.fds[i] = fd;
}

/* It is connected (writable), or there is an answer, or it ended. */
static void
crowd_event(const struct epoll_event *event)
{
	uint32_t i = event->data.u32;
	struct epoll_event ev = { .events = EPOLLIN, .data = { .u32 = i } };
	char text[256];
	ssize_t n = -1;

	if (event->events == EPOLLOUT &&
	    send(crowd.fds[i], ask, sizeof(ask) - 1, MSG_NOSIGNAL) > 0 &&
	    epoll_ctl(crowd.epoll, EPOLL_CTL_MOD, crowd.fds[i], &ev) == 0)
		return;
	if ((event->events & EPOLLIN) != 0)
		n = recv(crowd.fds[i], text, sizeof(text), 0);
	if (n > 0) {
		crowd.answered++;
		return;
	}
	crowd.ended++;
	(void)close(crowd.fds[i]);
	crowd_open(i);
}

static void
crowd_wait(int ms)
{
	struct epoll_event events[CROWD_EVENTS];
	int i, n = epoll_wait(crowd.epoll, events, CROWD_EVENTS, ms);

	for (i = 0; i < n; i++)
		crowd_event(&events[i]);
}

static int
crowd_is_told(void)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };

	return poll(&p, 1, 0) > 0;
}

static void
crowd_files(int count)
{
	struct rlimit r = { (rlim_t)count + 64, (rlim_t)count + 64 };

	if (setrlimit(RLIMIT_NOFILE, &r) == -1)
		bench_die("setrlimit", strerror(errno));
}

int
main(int argc, char **argv)
{
	uint64_t end;
	int i, count;

	if (argc != 3)
		bench_die("usage", "crowd PORT COUNT");
	count = bench_count(argv[2]);
	crowd_files(count);
	crowd.to = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)bench_count(argv[1])),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
	crowd.fds = calloc((size_t)count, sizeof(*crowd.fds));
	if (crowd.epoll == -1 || crowd.fds == NULL)
		bench_die("start", strerror(errno));
	for (i = 0; i < count; i++) {
		crowd_open((uint32_t)i);
		if (i % CROWD_WAVE == 0)
			crowd_wait(0);
	}
	end = bench_now_ns() + CROWD_SETTLE_MS * 1000000ull;
	while (bench_now_ns() < end)
		crowd_wait(10);
	(void)printf("ready %ld\n", crowd.answered);
	(void)fflush(stdout);
	while (!crowd_is_told())
		crowd_wait(10);
	(void)printf("answered %ld ended %ld\n", crowd.answered, crowd.ended);
	return 0;
}
