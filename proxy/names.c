#include "names.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/time.h>

#include "log.h"
#include "policy/address.h"

enum {
	NAMES_SOCKETS_MAX = 32, /* c-ares has two a server */
	NAMES_TRY_MS = 2000,
	NAMES_TRIES = 2,
};

struct names_socket {
	struct names *names;
	int fd; /* -1: free */
	unsigned want;
	struct loop_fd *watch;
};

struct names {
	struct loop *loop;
	ares_channel channel;
	int initialized;
	struct loop_timer *timer;
	struct names_socket sockets[NAMES_SOCKETS_MAX];
};

/* What c-ares works on: it lives until c-ares answers. */
struct names_lookup {
	LIST_ENTRY(names_lookup) next;
	struct names_asker *who; /* NULL: nobody's */
	TAILQ_HEAD(names_queries, names_query) queries; /* who waits for it */
	char host[];
};

struct names_query {
	TAILQ_ENTRY(names_query) next;
	struct names_lookup *lookup;
	struct loop_timer *timer;
	names_fn *fn;
	void *arg;
};

static void names_tick(struct names *r);

/* ---- c-ares's sockets and time ------------------------------------------ */

static void
names_ready(void *arg, unsigned ready)
{
	struct names_socket *s = arg;
	struct names *r = s->names;
	struct err e = { 0 };
	int fd = s->fd;

	ares_process_fd(r->channel, ready & LOOP_READ ? fd : ARES_SOCKET_BAD,
	    ready & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
	if (s->fd == fd && s->watch != NULL &&
	    loop_fd_want(s->watch, s->want, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "names", &e);
	names_tick(r);
}

static struct names_socket *
names_socket(struct names *r, int fd)
{
	size_t i;

	for (i = 0; i < NAMES_SOCKETS_MAX; i++)
		if (r->sockets[i].fd == fd)
			return &r->sockets[i];
	return NULL;
}

/* Without a watch a query ends by its time. */
static void
names_watch(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct names *r = arg;
	struct names_socket *s = names_socket(r, fd);
	struct err e = { 0 };

	if (s == NULL && (s = names_socket(r, -1)) == NULL)
		return;
	s->fd = fd;
	s->want = (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0);
	if (s->want == 0) {
		loop_fd_destroy(s->watch);
		s->watch = NULL;
		s->fd = -1;
		return;
	}
	if ((s->watch == NULL && loop_fd_create(r->loop, fd, names_ready, s,
				     &s->watch, &e) == -1) ||
	    loop_fd_want(s->watch, s->want, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "names", &e);
}

static void
names_timeout(void *arg)
{
	struct names *r = arg;

	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	names_tick(r);
}

static void
names_tick(struct names *r)
{
	struct err e = { 0 };
	struct timeval tv;

	if (ares_timeout(r->channel, NULL, &tv) == NULL)
		loop_timer_clear(r->timer);
	else if (loop_timer_set(r->timer,
		     (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 +
			 1,
		     &e) == -1)
		log_err(LOG_LEVEL_ERROR, "names", &e);
}

/* ---- queries ------------------------------------------------------------ */

static void
query_free(struct names_query *q)
{
	TAILQ_REMOVE(&q->lookup->queries, q, next);
	loop_timer_destroy(q->timer);
	free(q);
}

static void
query_tell(struct names_query *q, const struct names_answer *a)
{
	names_fn *fn = q->fn;
	void *arg = q->arg;

	query_free(q);
	fn(arg, a);
}

static void
query_add(struct names_answer *a, const struct ares_addrinfo *info, int family)
{
	const struct ares_addrinfo_node *n;
	uint32_t port;

	for (n = info->nodes; n != NULL; n = n->ai_next)
		if (n->ai_family == family && a->n < PROXY_ADDRESSES_MAX &&
		    address_from_sockaddr(n->ai_addr, n->ai_addrlen,
			&a->address[a->n], &port) == 0)
			a->n++;
}

static const char *
query_why(int status)
{
	switch (status) {
	case ARES_SUCCESS:
	case ARES_ENODATA:
		return "the name has no address";
	case ARES_ENOTFOUND:
		return "the name does not exist";
	case ARES_ETIMEOUT:
		return "no answer from the name servers";
	case ARES_ECONNREFUSED:
		return "the name servers cannot be reached";
	case ARES_EBADRESP:
		return "the name servers' answer is malformed";
	default:
		return "the name servers do not answer this name";
	}
}

static void
lookup_leave(struct names_lookup *l)
{
	if (l->who == NULL)
		return;
	LIST_REMOVE(l, next);
	l->who->nlookups--;
	l->who = NULL;
}

/* Whoever asks from inside a callback begins another lookup. */
static void
lookup_answered(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct names_lookup *l = arg;
	struct names_answer a = { 0 };
	struct names_query *q;

	(void)timeouts;
	if (status == ARES_SUCCESS && info != NULL) {
		query_add(&a, info, AF_INET);
		query_add(&a, info, AF_INET6);
	}
	if (a.n == 0)
		a.why = query_why(status);
	if (info != NULL)
		ares_freeaddrinfo(info);
	lookup_leave(l);
	while ((q = TAILQ_FIRST(&l->queries)) != NULL)
		query_tell(q, &a);
	free(l);
}

static void
query_overdue(void *arg)
{
	struct names_answer a = { .why = "no answer from the name servers" };

	query_tell(arg, &a);
}

static int
lookup_create(struct names_asker *who, const char *host,
    struct names_lookup **ret, struct err *e)
{
	size_t size = strlen(host) + 1;
	struct names_lookup *l;

	if (who != NULL && who->nlookups >= PROXY_RESOLVES_MAX)
		return err_set(e, ERR_LIMIT, "%d names are being resolved",
		    PROXY_RESOLVES_MAX);
	l = calloc(1, sizeof(*l) + size);
	if (l == NULL)
		return err_sys(e, ENOMEM, "resolving %s", host);
	memcpy(l->host, host, size);
	TAILQ_INIT(&l->queries);
	l->who = who;
	if (who != NULL) {
		LIST_INSERT_HEAD(&who->lookups, l, next);
		who->nlookups++;
	}
	*ret = l;
	return 0;
}

static struct names_lookup *
lookup_find(struct names_asker *who, const char *host)
{
	struct names_lookup *l = NULL;

	if (who != NULL)
		LIST_FOREACH (l, &who->lookups, next)
			if (strcmp(l->host, host) == 0)
				return l;
	return NULL;
}

static int
query_create(struct names *r, struct names_lookup *l, names_fn *fn, void *arg,
    struct names_query **ret, struct err *e)
{
	struct names_query *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return err_sys(e, ENOMEM, "resolving %s", l->host);
	q->lookup = l;
	q->fn = fn;
	q->arg = arg;
	TAILQ_INSERT_TAIL(&l->queries, q, next);
	if (loop_timer_create(r->loop, query_overdue, q, &q->timer, e) == -1 ||
	    loop_timer_set(q->timer, PROXY_RESOLVE_MS, e) == -1) {
		query_free(q);
		return -1;
	}
	*ret = q;
	return 0;
}

static void
lookup_begin(struct names *r, struct names_lookup *l)
{
	static const struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};

	ares_getaddrinfo(r->channel, l->host, NULL, &hints, lookup_answered, l);
	names_tick(r);
}

int
names_start(struct names *r, struct names_asker *who, const char *host,
    names_fn *fn, void *arg, struct names_query **ret, struct err *e)
{
	struct names_lookup *l = lookup_find(who, host);

	if (l != NULL)
		return query_create(r, l, fn, arg, ret, e);
	if (lookup_create(who, host, &l, e) == -1)
		return -1;
	if (query_create(r, l, fn, arg, ret, e) == -1) {
		lookup_leave(l);
		free(l);
		return -1;
	}
	lookup_begin(r, l);
	return 0;
}

void
names_cancel(struct names_query *q)
{
	if (q != NULL)
		query_free(q);
}

void
names_forget(struct names_asker *who)
{
	struct names_lookup *l;
	struct names_query *q;

	while ((l = LIST_FIRST(&who->lookups)) != NULL) {
		lookup_leave(l);
		while ((q = TAILQ_FIRST(&l->queries)) != NULL)
			query_free(q);
	}
}

/* ---- the resolver ------------------------------------------------------- */

/*
 * DNS only ("b"): a lookup in files would open them.  No search list (ndomains
 * 0: ares_getaddrinfo does not look at the flag): a name is the one that was
 * judged and no other.
 */
static int
names_channel(struct names *r, struct err *e)
{
	static char lookups[] = "b";
	struct ares_options o = { .timeout = NAMES_TRY_MS,
		.tries = NAMES_TRIES,
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.lookups = lookups,
		.sock_state_cb = names_watch,
		.sock_state_cb_data = r };
	int rc = ares_init_options(&r->channel, &o,
	    ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_FLAGS |
		ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB);

	if (rc != ARES_SUCCESS)
		return err_set(e, ERR_UNSUPPORTED, "the resolver: %s",
		    ares_strerror(rc));
	r->initialized = 1;
	return 0;
}

int
names_create(struct loop *l, struct names **ret, struct err *e)
{
	struct names *r = calloc(1, sizeof(*r));
	size_t i;

	if (r == NULL)
		return err_sys(e, ENOMEM, "the resolver");
	r->loop = l;
	for (i = 0; i < NAMES_SOCKETS_MAX; i++)
		r->sockets[i] = (struct names_socket){ .names = r, .fd = -1 };
	if (loop_timer_create(l, names_timeout, r, &r->timer, e) == -1 ||
	    names_channel(r, e) == -1) {
		names_destroy(r);
		return -1;
	}
	*ret = r;
	return 0;
}

/* Every lookup is answered (waited for or not) by ares_destroy. */
void
names_destroy(struct names *r)
{
	if (r == NULL)
		return;
	if (r->initialized)
		ares_destroy(r->channel);
	loop_timer_destroy(r->timer);
	free(r);
}
