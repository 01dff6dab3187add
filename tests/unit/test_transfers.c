/* base/transfers.c: libcurl on our loop, against a server in a child. */
#include "unit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "transfers.h"

struct peer {
	pid_t pid;
	unsigned port;
};

/* Answers and goes on; after "/last" it ends without saying so. */
static void
peer_keep(int fd, char *request, size_t size)
{
	static const char answer[] =
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	ssize_t n = (ssize_t)strlen(request);

	while (n > 0) {
		(void)!write(fd, answer, sizeof(answer) - 1);
		if (strstr(request, "/last") != NULL)
			break;
		n = read(fd, request, size - 1);
		request[n > 0 ? n : 0] = '\0';
	}
	(void)close(fd);
}

/* Answers each connection once; "/slow" never, "/kept" more often. */
static void
peer_serve(int listener)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
				     "Connection: close\r\n\r\nhello";
	char request[4096];

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n = read(fd, request, sizeof(request) - 1);

		request[n > 0 ? n : 0] = '\0';
		if (strstr(request, "/kept") != NULL)
			peer_keep(fd, request, sizeof(request));
		else if (strstr(request, "/slow") == NULL) {
			(void)!write(fd, answer, sizeof(answer) - 1);
			(void)close(fd);
		}
	}
}

static int
peer_start(void **state)
{
	static struct peer p;
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	p.port = ntohs(a.sin_port);
	p.pid = fork();
	assert_true(p.pid >= 0);
	if (p.pid == 0)
		peer_serve(fd);
	(void)close(fd);
	*state = &p;
	return 0;
}

static int
peer_stop(void **state)
{
	struct peer *p = *state;

	(void)kill(p->pid, SIGKILL);
	return waitpid(p->pid, NULL, 0) == p->pid ? 0 : -1;
}

/* One transfer and what became of it. */
struct fetch {
	struct loop *loop;
	CURL *easy;
	int ended;
	CURLcode result;
	char body[64];
	size_t n;
	struct fetch *waits_for; /* the loop stops when both have ended */
};

static size_t
fetch_write(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;

	assert_true(f->n + size * n <= sizeof(f->body));
	memcpy(f->body + f->n, p, size * n);
	f->n += size * n;
	return size * n;
}

static void
fetch_done(void *arg, CURLcode result)
{
	struct fetch *f = arg;

	f->ended++;
	f->result = result;
	curl_easy_cleanup(f->easy);
	f->easy = NULL;
	if (f->waits_for == NULL || f->waits_for->ended)
		loop_stop(f->loop);
}

static void
fetch_start(struct fetch *f, struct loop *l, struct transfers *t,
    const char *url)
{
	struct err e = { 0 };

	*f = (struct fetch){ .loop = l, .easy = curl_easy_init() };
	(void)curl_easy_setopt(f->easy, CURLOPT_URL, url);
	(void)curl_easy_setopt(f->easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, fetch_write);
	(void)curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	(void)curl_easy_setopt(f->easy, CURLOPT_NOSIGNAL, 1L);
	assert_int_equal(transfers_add(t, f->easy, fetch_done, f, &e), 0);
	assert_int_equal(f->ended, 0);
}

static void
open_both(struct loop **l, struct transfers **t)
{
	struct err e = { 0 };

	assert_int_equal(loop_create(l, &e), 0);
	assert_int_equal(transfers_create(*l, 4, t, &e), 0);
}

static void
transfers_add__two_at_once__both_end_well(void **state)
{
	const struct peer *p = *state;
	struct fetch a, b;
	struct transfers *t;
	struct loop *l;
	char url[64];
	struct err e = { 0 };

	open_both(&l, &t);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", p->port);
	fetch_start(&a, l, t, url);
	fetch_start(&b, l, t, url);
	a.waits_for = &b;
	b.waits_for = &a;
	assert_int_equal(loop_run(l, &e), 0);
	assert_int_equal(a.ended + b.ended, 2);
	assert_int_equal(a.result, CURLE_OK);
	assert_int_equal(a.n, 5);
	assert_memory_equal(b.body, "hello", 5);
	transfers_destroy(t);
	loop_destroy(l);
}

static void
transfers_add__nobody_listens__ends_with_the_reason(void **state)
{
	struct transfers *t;
	struct fetch a;
	struct loop *l;
	struct err e = { 0 };

	(void)state;
	open_both(&l, &t);
	fetch_start(&a, l, t, "http://127.0.0.1:1/");
	assert_int_equal(loop_run(l, &e), 0);
	assert_int_equal(a.ended, 1);
	assert_int_equal(a.result, CURLE_COULDNT_CONNECT);
	transfers_destroy(t);
	loop_destroy(l);
}

static void
stop(void *arg)
{
	loop_stop(arg);
}

/* A transfer that never ends is removed, or goes with all; nothing leaks. */
static void
transfers_remove__in_flight__no_word_and_no_descriptor(void **state)
{
	const struct peer *p = *state;
	struct loop_timer *timer;
	struct transfers *t;
	struct fetch a, b;
	struct loop *l;
	char url[64];
	struct err e = { 0 };
	int before = unit_count_fds();

	open_both(&l, &t);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/slow", p->port);
	fetch_start(&a, l, t, url);
	fetch_start(&b, l, t, url);
	assert_int_equal(loop_timer_create(l, stop, l, &timer, &e), 0);
	assert_int_equal(loop_timer_set(timer, 200, &e), 0);
	assert_int_equal(loop_run(l, &e), 0);
	transfers_remove(t, a.easy);
	transfers_remove(t, a.easy);
	curl_easy_cleanup(a.easy);
	transfers_destroy(t);
	curl_easy_cleanup(b.easy);
	loop_timer_destroy(timer);
	loop_destroy(l);
	assert_int_equal(a.ended + b.ended, 0);
	assert_int_equal(unit_count_fds(), before);
}

static unsigned opened, closed;

static curl_socket_t
kept_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	(void)arg;
	(void)purpose;
	opened++;
	return socket(a->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int
kept_close(void *arg, curl_socket_t fd)
{
	closed++;
	transfers_closing(arg, fd);
	return close(fd);
}

static void
kept_fetch(struct loop *l, struct transfers *t, const char *url)
{
	struct err e = { 0 };
	struct fetch f;

	fetch_start(&f, l, t, url);
	(void)curl_easy_setopt(f.easy, CURLOPT_OPENSOCKETFUNCTION, kept_open);
	(void)curl_easy_setopt(f.easy, CURLOPT_CLOSESOCKETFUNCTION, kept_close);
	(void)curl_easy_setopt(f.easy, CURLOPT_CLOSESOCKETDATA, t);
	assert_int_equal(loop_run(l, &e), 0);
	assert_int_equal(f.ended, 1);
	assert_int_equal(f.result, CURLE_OK);
	assert_memory_equal(f.body, "hello", 5);
}

/* A kept connection serves again, and one that has ended meanwhile does not. */
static void
transfers_watch_idle__kept_connection__used_until_it_ends(void **state)
{
	const struct peer *p = *state;
	struct loop_timer *timer;
	struct transfers *t;
	struct loop *l;
	char kept[64], last[64];
	struct err e = { 0 };
	int before = unit_count_fds();

	open_both(&l, &t);
	transfers_watch_idle(t);
	opened = closed = 0;
	(void)snprintf(kept, sizeof(kept), "http://127.0.0.1:%u/kept", p->port);
	(void)snprintf(last, sizeof(last), "http://127.0.0.1:%u/kept/last",
	    p->port);
	kept_fetch(l, t, kept);
	kept_fetch(l, t, kept);
	kept_fetch(l, t, last);
	assert_int_equal(opened, 1);
	/* its end comes while it is idle */
	assert_int_equal(loop_timer_create(l, stop, l, &timer, &e), 0);
	assert_int_equal(loop_timer_set(timer, 100, &e), 0);
	assert_int_equal(loop_run(l, &e), 0);
	kept_fetch(l, t, kept);
	assert_int_equal(opened, 2);
	assert_int_equal(closed, 1);
	transfers_destroy(t);
	assert_int_equal(closed, 2);
	loop_timer_destroy(timer);
	loop_destroy(l);
	assert_int_equal(unit_count_fds(), before);
}

int
main(void)
{
#define WITH_PEER(test) \
	cmocka_unit_test_setup_teardown(test, peer_start, peer_stop)
	const struct CMUnitTest tests[] = {
		WITH_PEER(transfers_add__two_at_once__both_end_well),
		cmocka_unit_test(
		    transfers_add__nobody_listens__ends_with_the_reason),
		WITH_PEER(
		    transfers_watch_idle__kept_connection__used_until_it_ends),
		WITH_PEER(
		    transfers_remove__in_flight__no_word_and_no_descriptor),
	};

	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
