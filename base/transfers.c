#include "transfers.h"

#include <stdlib.h>

/* A socket that libcurl wants to hear of. */
struct transfer_socket {
	struct transfers *owner;
	struct transfer_socket *prev, *next;
	curl_socket_t fd;
	unsigned want; /* LOOP_READ, LOOP_WRITE */
	int idle; /* libcurl has forgotten it, and may want it again */
	struct loop_fd *handle;
};

struct transfer {
	struct transfer *prev, *next;
	CURL *easy;
	transfer_done_fn *done;
	void *arg;
};

struct transfers {
	struct loop *loop;
	CURLM *multi;
	long kept; /* connections */
	int watches_idle;
	struct loop_timer *timer;
	struct loop_call *call; /* a timer of no time */
	struct transfer *running;
	struct transfer_socket *sockets;
};

/* ---- those that have ended ---- */

static void
transfer_unlink(struct transfers *t, struct transfer *x)
{
	if (x->prev != NULL)
		x->prev->next = x->next;
	else
		t->running = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	free(x);
}

static struct transfer *
transfer_of(CURL *easy)
{
	char *p = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &p);
	return (struct transfer *)(void *)p;
}

static void
transfer_end(struct transfers *t, struct transfer *x)
{
	(void)curl_multi_remove_handle(t->multi, x->easy);
	(void)curl_easy_setopt(x->easy, CURLOPT_PRIVATE, NULL);
	transfer_unlink(t, x);
}

/* A message is gone after remove_handle: what it says is copied first. */
static void
transfers_collect(struct transfers *t)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(t->multi, &left)) != NULL) {
		struct transfer *x, ended;
		CURLcode result = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		x = transfer_of(m->easy_handle);
		ended = *x;
		transfer_end(t, x);
		ended.done(ended.arg, result);
	}
}

/* ---- what libcurl asks for ---- */

static void
transfers_act(struct transfers *t, curl_socket_t fd, int events)
{
	int running;

	(void)curl_multi_socket_action(t->multi, fd, events, &running);
	transfers_collect(t);
}

static void
transfer_socket_destroy(struct transfer_socket *s)
{
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		s->owner->sockets = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	loop_fd_destroy(s->handle);
	free(s);
}

/* Armed again first: the action may destroy it. */
static void
transfer_socket_ready(void *arg, unsigned ready)
{
	struct transfer_socket *s = arg;
	int events = ((ready & LOOP_READ) != 0 ? CURL_CSELECT_IN : 0) |
		     ((ready & LOOP_WRITE) != 0 ? CURL_CSELECT_OUT : 0);

	if (s->idle) {
		/* an end, mostly: libcurl sees it when it looks */
		transfer_socket_destroy(s);
		return;
	}
	if (loop_fd_want(s->handle, s->want, NULL) == -1)
		events |= CURL_CSELECT_ERR;
	transfers_act(s->owner, s->fd, events);
}

static struct transfer_socket *
transfer_socket_create(struct transfers *t, curl_socket_t fd)
{
	struct transfer_socket *s = calloc(1, sizeof(*s));

	if (s == NULL || loop_fd_create(t->loop, fd, transfer_socket_ready, s,
			     &s->handle, NULL) == -1) {
		free(s);
		return NULL;
	}
	s->owner = t;
	s->fd = fd;
	s->next = t->sockets;
	if (s->next != NULL)
		s->next->prev = s;
	t->sockets = s;
	(void)curl_multi_assign(t->multi, fd, s);
	return s;
}

static struct transfer_socket *
transfer_socket_idle(const struct transfers *t, curl_socket_t fd)
{
	struct transfer_socket *s = t->sockets;

	while (s != NULL && !(s->idle && s->fd == fd))
		s = s->next;
	return s;
}

static struct transfer_socket *
transfer_socket_again(struct transfers *t, curl_socket_t fd)
{
	struct transfer_socket *s = transfer_socket_idle(t, fd);

	if (s == NULL)
		return NULL;
	s->idle = 0;
	(void)curl_multi_assign(t->multi, fd, s);
	return s;
}

/* What is writable would say so at once. */
static void
transfer_socket_rest(struct transfer_socket *s)
{
	if (s->owner->watches_idle && s->want == LOOP_READ)
		s->idle = 1;
	else
		transfer_socket_destroy(s);
}

/* CURLMOPT_SOCKETFUNCTION(3); -1 ends the transfers of the multi handle. */
static int
transfers_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
    void *socket)
{
	struct transfers *t = arg;
	struct transfer_socket *s = socket;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			transfer_socket_rest(s);
		return 0;
	}
	if (s == NULL)
		s = transfer_socket_again(t, fd);
	if (s == NULL && (s = transfer_socket_create(t, fd)) == NULL)
		return -1;
	s->want = ((what & CURL_POLL_IN) != 0 ? LOOP_READ : 0U) |
		  ((what & CURL_POLL_OUT) != 0 ? LOOP_WRITE : 0U);
	return loop_fd_want(s->handle, s->want, NULL);
}

static void
transfers_timeout(void *arg)
{
	transfers_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* CURLMOPT_TIMERFUNCTION(3) */
static int
transfers_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct transfers *t = arg;

	(void)multi;
	if (timeout_ms == 0)
		return loop_call_set(t->call, NULL);
	if (timeout_ms > 0)
		return loop_timer_set(t->timer, (uint64_t)timeout_ms, NULL);
	loop_timer_clear(t->timer);
	loop_call_clear(t->call);
	return 0;
}

/* ---- the interface ---- */

static int
transfers_set(struct transfers *t, long connections)
{
	CURLM *m = t->multi;

	return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION,
		   transfers_socket) == CURLM_OK &&
		       curl_multi_setopt(m, CURLMOPT_SOCKETDATA, t) ==
			   CURLM_OK &&
		       curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION,
			   transfers_timer) == CURLM_OK &&
		       curl_multi_setopt(m, CURLMOPT_TIMERDATA, t) ==
			   CURLM_OK &&
		       curl_multi_setopt(m, CURLMOPT_PIPELINING,
			   (long)CURLPIPE_NOTHING) == CURLM_OK &&
		       curl_multi_setopt(m, CURLMOPT_MAXCONNECTS,
			   connections) == CURLM_OK
		   ? 0
		   : -1;
}

static void
transfers_destroyp(struct transfers **t)
{
	transfers_destroy(*t);
}

int
transfers_create(struct loop *l, long connections, struct transfers **ret,
    struct err *e)
{
	cleanup(transfers_destroyp) struct transfers *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	t->loop = l;
	if (loop_timer_create(l, transfers_timeout, t, &t->timer, e) == -1 ||
	    loop_call_create(l, transfers_timeout, t, &t->call, e) == -1)
		return -1;
	t->kept = connections;
	t->multi = curl_multi_init();
	if (t->multi == NULL || transfers_set(t, connections) == -1)
		return err_set(e, ERR_UNSUPPORTED, "libcurl's multi interface");
	*ret = take_ptr(&t);
	return 0;
}

void
transfers_watch_idle(struct transfers *t)
{
	t->watches_idle = 1;
}

void
transfers_closing(struct transfers *t, curl_socket_t fd)
{
	struct transfer_socket *s = transfer_socket_idle(t, fd);

	if (s != NULL)
		transfer_socket_destroy(s);
}

void
transfers_keep(struct transfers *t, long connections)
{
	if (t->kept == connections)
		return;
	t->kept = connections;
	(void)curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, connections);
}

void
transfers_destroy(struct transfers *t)
{
	struct transfer_socket *s, *next;

	if (t == NULL)
		return;
	while (t->running != NULL)
		transfer_end(t, t->running);
	t->watches_idle = 0;
	for (s = t->sockets; s != NULL; s = next) {
		next = s->next;
		if (s->idle)
			transfer_socket_destroy(s);
	}
	(void)curl_multi_cleanup(t->multi);
	while (t->sockets != NULL)
		transfer_socket_destroy(t->sockets);
	loop_timer_destroy(t->timer);
	loop_call_destroy(t->call);
	free(t);
}

int
transfers_add(struct transfers *t, CURL *easy, transfer_done_fn *done,
    void *arg, struct err *e)
{
	struct transfer *x = calloc(1, sizeof(*x));
	CURLMcode r;

	if (x == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	*x = (struct transfer){
		.next = t->running,
		.easy = easy,
		.done = done,
		.arg = arg,
	};
	if (x->next != NULL)
		x->next->prev = x;
	t->running = x;
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
	r = curl_multi_add_handle(t->multi, easy);
	if (r == CURLM_OK)
		return 0;
	transfer_end(t, x);
	return err_set(e, ERR_UNSUPPORTED, "libcurl: %s",
	    curl_multi_strerror(r));
}

void
transfers_remove(struct transfers *t, CURL *easy)
{
	struct transfer *x = transfer_of(easy);

	if (x != NULL)
		transfer_end(t, x);
}
