#include "upstream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "dial.h"
#include "heap.h"
#include "log.h"
#include "secret.h"
#include "tls.h"
#include "transfers.h"

enum {
	UPSTREAM_HANDLES_MAX = 64, /* libcurl's handles kept in a pool */
	UPSTREAM_CONNECT_MS = 2 * PROXY_DIAL_MS, /* with the TLS handshake */
	UPSTREAM_READ_BYTES =
	    16 * 1024, /* a TLS record; libcurl gives no more */
	/*
	 * libcurl copies each request into a buffer of this size, which is
	 * made for it and wiped afterwards; a body comes in smaller pieces.
	 */
	UPSTREAM_SEND_BYTES = 16 * 1024,
	UPSTREAM_URL_MAX = 8 + CANON_HOST_SIZE + 8,
	UPSTREAM_TO_MAX = CANON_HOST_SIZE + 16,
	UPSTREAM_LINE_MAX = HTTP1_FIELD_MAX + 8,
};

static const char system_authorities[] = "/etc/ssl/certs/ca-certificates.crt";

TAILQ_HEAD(upstream_pools, upstream_pool);

/*
 * A connection that is to be kept after its call has a place among the kept
 * ones of its jail and of all, from its opening to its end; one that finds
 * none ends with its call.
 */
struct upstream {
	struct loop *loop;
	struct upstream_pools pools; /* the least recently used first */
	struct loop_timer *old; /* armed while connections are kept */
	int timed;
	unsigned nkept, nkept_max;
	struct upstream_pool *owner[PROXY_FILES_MAX]; /* of a descriptor */
	unsigned char kept[PROXY_FILES_MAX]; /* whether it has a place */
	/* The system's authorities: text until somebody needs them. */
	char *text;
	size_t size;
	X509_STORE *store;
};

TAILQ_HEAD(upstream_calls, upstream_call);

struct upstream_pool {
	TAILQ_ENTRY(upstream_pool) next;
	struct upstream *upstream;
	struct transfers *transfers; /* NULL: it has no connection */
	unsigned nkept, nlive;
	unsigned *jail; /* how many its jail keeps */
	uint64_t used_ms;
	int telling; /* a call's end: transfers are on the stack */
	X509_STORE *store; /* NULL: the system's */
	struct loop_call *later; /* for what libcurl's callbacks must not do */
	struct upstream_calls live, spare;
	unsigned nspare;
};

/* port 0: nowhere */
struct upstream_where {
	char host[CANON_HOST_SIZE];
	uint32_t port;
	int tls;
	struct reach_target target;
};

/*
 *	live ──done or cancelled──► spare (its handle is used again)
 */
struct upstream_call {
	TAILQ_ENTRY(upstream_call) next;
	struct upstream_pool *pool;
	CURL *easy;
	/* The lines of the request, some of which hold secrets; their list. */
	char *text;
	size_t text_size;
	struct curl_slist *fields;
	/* Where the handle goes: set again only when it changes. */
	struct upstream_where where;
	struct curl_slist *connect_to;
	struct reach_target target;
	struct upstream_events events;
	struct http1_head head;
	unsigned informational;
	int headed; /* the final head is there */
	int cancelled;
	int forbidden; /* its connection is not kept */
	int spent; /* its handle is not kept */
	unsigned paused; /* CURLPAUSE_SEND | CURLPAUSE_RECV */
	unsigned wake; /* those that are to go on */
	char error[CURL_ERROR_SIZE];
};

/* ---- authorities ------------------------------------------------------------ */

static X509_STORE *
store_parse(const void *text, size_t size)
{
	BIO *b = BIO_new_mem_buf(text, (int)size);
	X509_STORE *s = X509_STORE_new();
	X509 *x;

	while (b != NULL && s != NULL &&
	       (x = PEM_read_bio_X509_AUX(b, NULL, NULL, NULL)) != NULL) {
		(void)X509_STORE_add_cert(s, x);
		X509_free(x);
	}
	/* a file of one server's own certificate is its own anchor */
	if (s != NULL)
		(void)X509_STORE_set_flags(s,
		    X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
	ERR_clear_error();
	(void)BIO_free(b);
	return s;
}

static X509_STORE *
pool_store(struct upstream_pool *p)
{
	struct upstream *u = p->upstream;

	if (p->store != NULL)
		return p->store;
	if (u->store == NULL && u->text != NULL)
		u->store = store_parse(u->text, u->size);
	return u->store;
}

/* Without authorities nothing is believed: the handshake fails. */
static CURLcode
on_context(CURL *easy, void *context, void *arg)
{
	struct upstream_pool *p = arg;
	X509_STORE *s = pool_store(p);

	(void)easy;
	if (s == NULL)
		return CURLE_SSL_CACERT_BADFILE;
	SSL_CTX_set1_cert_store(context, s);
	return CURLE_OK;
}

static int
upstream_authorities(struct upstream *u, struct err *e)
{
	autofd fd = open(system_authorities, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	/* A host without them can still use services with a CA of their own. */
	if (fd == -1 || fstat(fd, &st) == -1)
		return 0;
	if (st.st_size <= 0 || st.st_size > TLS_PEM_MAX)
		return err_set(e, ERR_LIMIT, "%s: %lld bytes",
		    system_authorities, (long long)st.st_size);
	u->text = malloc((size_t)st.st_size);
	if (u->text == NULL)
		return err_sys(e, ENOMEM, "%s", system_authorities);
	while (
	    (n = read(fd, u->text + u->size, (size_t)st.st_size - u->size)) > 0)
		u->size += (size_t)n;
	return 0;
}

/* ---- what libcurl asks --------------------------------------------------------- */

static int
pool_has_room(const struct upstream_pool *p)
{
	const struct upstream *u = p->upstream;

	return *p->jail < PROXY_KEPT_JAIL && u->nkept < u->nkept_max;
}

static void
call_keep(struct upstream_call *c, int fd)
{
	struct upstream_pool *p = c->pool;

	p->upstream->owner[fd] = p;
	/* beyond that an older one of the pool goes for it: pool_make_room */
	if (!pool_has_room(p) && p->nkept < p->nlive) {
		c->forbidden = 1;
		(void)curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, 1L);
		return;
	}
	p->upstream->kept[fd] = 1;
	p->upstream->nkept++;
	p->nkept++;
	++*p->jail;
}

/* Of any pool's connection, when libcurl closes it. */
static int
on_close(void *arg, curl_socket_t fd)
{
	struct upstream *u = arg;
	struct upstream_pool *p = u->owner[fd];

	u->owner[fd] = NULL;
	if (p->transfers != NULL)
		transfers_closing(p->transfers, fd);
	if (u->kept[fd]) {
		u->kept[fd] = 0;
		u->nkept--;
		p->nkept--;
		--*p->jail;
	}
	return close(fd);
}

/* Only the address that was vetted for this transfer. */
static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct upstream_call *c = arg;
	struct sockaddr_storage sa;
	socklen_t size = dial_sockaddr(&c->target, &sa);
	int fd;

	if (purpose != CURLSOCKTYPE_IPCXN || a->addrlen < size ||
	    a->family != sa.ss_family || memcmp(&a->addr, &sa, size) != 0)
		return CURL_SOCKET_BAD;
	fd = socket(a->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return CURL_SOCKET_BAD;
	/* the limit of descriptors was set so, in main.c */
	assert(fd < PROXY_FILES_MAX);
	call_keep(c, fd);
	return fd;
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct upstream_call *c = arg;
	long got = c->cancelled ? UPSTREAM_STOP
				: c->events.body(c->events.arg, p, size * n);

	if (got == UPSTREAM_LATER) {
		c->paused |= CURLPAUSE_SEND;
		return CURL_READFUNC_PAUSE;
	}
	if (got >= 0)
		return (size_t)got;
	return CURL_READFUNC_ABORT;
}

/* 1xx are for this hop; the final head is the caller's. */
static int
call_headed(struct upstream_call *c)
{
	if (c->head.status >= 200) {
		c->headed = 1;
		return c->events.head(c->events.arg, &c->head);
	}
	if (c->head.status == 101 ||
	    ++c->informational > PROXY_INFORMATIONAL_MAX)
		return UPSTREAM_STOP;
	http1_head_reset(&c->head);
	return 0;
}

static size_t
on_line(char *p, size_t size, size_t n, void *arg)
{
	struct upstream_call *c = arg;
	size_t used = 0, all = size * n;
	int rc = 0;

	/* trailers are in the raw body too */
	if (c->headed && !c->cancelled)
		return all;
	switch (http1_head_read(&c->head, p, all, &used)) {
	case HTTP1_MORE:
		break;
	case HTTP1_DONE:
		rc = c->cancelled || used != all ? UPSTREAM_STOP
						 : call_headed(c);
		break;
	case HTTP1_REFUSED:
		(void)snprintf(c->error, sizeof(c->error),
		    "the response is malformed: %s",
		    http1_fault_text(c->head.fault));
		rc = UPSTREAM_STOP;
		break;
	}
	return rc == 0 ? all : 0;
}

static size_t
on_data(char *p, size_t size, size_t n, void *arg)
{
	struct upstream_call *c = arg;
	int rc = UPSTREAM_STOP;

	if (!c->cancelled && c->headed)
		rc = c->events.data(c->events.arg, p, size * n);
	if (rc == UPSTREAM_LATER) {
		c->paused |= CURLPAUSE_RECV;
		return CURL_WRITEFUNC_PAUSE;
	}
	return rc == 0 ? size * n : 0;
}

/* ---- calls --------------------------------------------------------------------- */

static void lines_finish(struct upstream_call *c);

static void
call_free(struct upstream_call *c)
{
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->connect_to);
	free(c);
}

/* Its handle waits for the next one; libcurl has let go of it. */
static void
call_retire(struct upstream_call *c)
{
	struct upstream_pool *p = c->pool;

	TAILQ_REMOVE(&p->live, c, next);
	p->nlive--;
	p->used_ms = loop_now_ms();
	lines_finish(c);
	http1_head_finish(&c->head);
	if (c->spent || p->nspare == UPSTREAM_HANDLES_MAX) {
		call_free(c);
		return;
	}
	TAILQ_INSERT_HEAD(&p->spare, c, next);
	p->nspare++;
}

static int
is_verification(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION ||
	       code == CURLE_SSL_CACERT_BADFILE ||
	       code == CURLE_SSL_CONNECT_ERROR;
}

static void
call_done(void *arg, CURLcode code)
{
	struct upstream_call *c = arg;
	struct upstream_pool *p = c->pool;
	struct upstream_events events = c->events;
	int cancelled = c->cancelled;
	char why[CURL_ERROR_SIZE];
	struct upstream_end end = { .good = code == CURLE_OK && c->headed,
		.unreached = code == CURLE_COULDNT_CONNECT ||
			     (code == CURLE_OPERATION_TIMEDOUT && !c->headed),
		.unverified = is_verification(code),
		.why = why };

	(void)snprintf(why, sizeof(why), "%s",
	    c->error[0] != '\0' ? c->error : curl_easy_strerror(code));
	call_retire(c);
	if (cancelled)
		return;
	p->telling++;
	events.done(events.arg, &end);
	p->telling--;
}

/* Unpausing may call back at once, so it is done here, from the loop. */
static void
call_wake(struct upstream_call *c)
{
	unsigned wake = c->wake & c->paused;

	c->wake = 0;
	if (wake == 0)
		return;
	c->paused &= ~wake;
	(void)curl_easy_pause(c->easy, (int)c->paused);
}

static void
pool_later(void *arg)
{
	struct upstream_pool *p = arg;
	struct upstream_call *c, *following;

	for (c = TAILQ_FIRST(&p->live); c != NULL; c = following) {
		following = TAILQ_NEXT(c, next);
		if (!c->cancelled) {
			call_wake(c);
			continue;
		}
		transfers_remove(p->transfers, c->easy);
		call_retire(c);
	}
}

static void
call_defer(struct upstream_call *c)
{
	struct err e = { 0 };

	if (loop_call_set(c->pool->later, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "upstream", &e);
}

void
upstream_cancel(struct upstream_call *c)
{
	if (c == NULL)
		return;
	c->cancelled = 1;
	call_defer(c);
}

void
upstream_send(struct upstream_call *c)
{
	if ((c->paused & CURLPAUSE_SEND) == 0)
		return;
	c->wake |= CURLPAUSE_SEND;
	call_defer(c);
}

void
upstream_receive(struct upstream_call *c)
{
	if ((c->paused & CURLPAUSE_RECV) == 0)
		return;
	c->wake |= CURLPAUSE_RECV;
	call_defer(c);
}

/* ---- a handle -------------------------------------------------------------------------- */

#define SET(option, value)                                             \
	do {                                                           \
		if (curl_easy_setopt(easy, option, value) != CURLE_OK) \
			return -1;                                     \
	} while (0)

/* What is the same for every request of a pool. */
static int
handle_fix(struct upstream_call *c)
{
	struct upstream_pool *p = c->pool;
	CURL *easy = c->easy;

	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSL_ENABLE_ALPN, 1L);
	SET(CURLOPT_HTTP09_ALLOWED, 0L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_HTTP_TRANSFER_DECODING, 0L);
	SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSL_CTX_FUNCTION, on_context);
	SET(CURLOPT_SSL_CTX_DATA, p);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)UPSTREAM_CONNECT_MS);
	SET(CURLOPT_BUFFERSIZE, (long)UPSTREAM_READ_BYTES);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)UPSTREAM_SEND_BYTES);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(CURLOPT_OPENSOCKETDATA, c);
	SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
	SET(CURLOPT_CLOSESOCKETDATA, p->upstream);
	SET(CURLOPT_READFUNCTION, on_body);
	SET(CURLOPT_READDATA, c);
	SET(CURLOPT_HEADERFUNCTION, on_line);
	SET(CURLOPT_HEADERDATA, c);
	SET(CURLOPT_WRITEFUNCTION, on_data);
	SET(CURLOPT_WRITEDATA, c);
	SET(CURLOPT_ERRORBUFFER, c->error);
	return 0;
}

/* "Name: value" to a list; as of libcurl, a value may be empty. */
static int
add_trailer(struct curl_slist **list, const struct http1_field *f)
{
	unfilled char line[UPSTREAM_LINE_MAX];
	struct curl_slist *l;
	int n = snprintf(line, sizeof(line), "%s: %s", f->name, f->value);

	if (n < 0 || (size_t)n >= sizeof(line) ||
	    (l = curl_slist_append(*list, line)) == NULL)
		return -1;
	*list = l;
	return 0;
}

/* libcurl frees the list, also that of a call that it then ends. */
static int
on_trailers(struct curl_slist **list, void *arg)
{
	struct upstream_call *c = arg;
	const struct http1_head *h;
	size_t i;

	if (c->cancelled)
		return CURL_TRAILERFUNC_ABORT;
	h = c->events.trailers(c->events.arg);
	for (i = 0; i < http1_head_count(h); i++) {
		struct http1_field f = http1_head_field(h, i);

		if (add_trailer(list, &f) == -1)
			return CURL_TRAILERFUNC_ABORT;
	}
	return CURL_TRAILERFUNC_OK;
}

/*
 * libcurl (to 7.88 at least) does not forget that it has sent trailers: the
 * next chunked body of the same handle would be written before its buffer.
 */
static int
handle_trailers(struct upstream_call *c)
{
	CURL *easy = c->easy;

	c->spent = 1;
	SET(CURLOPT_TRAILERFUNCTION, on_trailers);
	SET(CURLOPT_TRAILERDATA, c);
	return 0;
}

/* The method, and how the body comes. */
static int
handle_method(struct upstream_call *c, const struct upstream_request *r)
{
	CURL *easy = c->easy;
	const char *method = http1_head_method(r->head);

	SET(CURLOPT_NOBODY, 0L);
	SET(CURLOPT_CUSTOMREQUEST, NULL);
	if (r->framing == HTTP1_BODY_NONE) {
		SET(CURLOPT_HTTPGET, 1L);
		if (strcmp(method, "HEAD") == 0)
			SET(CURLOPT_NOBODY, 1L);
		else
			SET(CURLOPT_CUSTOMREQUEST, method);
		return 0;
	}
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_INFILESIZE_LARGE, r->framing == HTTP1_BODY_LENGTH
					  ? (curl_off_t)r->length
					  : (curl_off_t)-1);
	SET(CURLOPT_CUSTOMREQUEST, method);
	return r->framing == HTTP1_BODY_CHUNKED ? handle_trailers(c) : 0;
}

/*
 * libcurl sends a request again when a kept connection ends before the first
 * byte of the response.  That is right for methods that may be repeated; a
 * body cannot be sent twice, so only the others need a connection of their
 * own.
 */
static int
may_repeat(const struct upstream_request *r)
{
	static const char *const methods[] = { "GET", "HEAD", "OPTIONS", "PUT",
		"DELETE", "PROPFIND", "REPORT", "SEARCH", "QUERY" };
	const char *method = http1_head_method(r->head);
	size_t i;

	if (r->framing == HTTP1_BODY_CHUNKED ||
	    (r->framing == HTTP1_BODY_LENGTH && r->length > 0))
		return 1;
	for (i = 0; i < countof(methods); i++)
		if (strcmp(methods[i], method) == 0)
			return 1;
	return 0;
}

static int
handle_aim(struct upstream_call *c, const struct upstream_request *r)
{
	char url[UPSTREAM_URL_MAX], to[UPSTREAM_TO_MAX];
	char address[CANON_HOST_SIZE];
	CURL *easy = c->easy;

	c->where.port = 0; /* nowhere, if this fails */
	canon_address(&r->target.address, address);
	(void)snprintf(url, sizeof(url), "%s://%s:%u/",
	    r->tls ? "https" : "http", r->host, r->port);
	(void)snprintf(to, sizeof(to), "::%s:%u", address, r->target.port);
	curl_slist_free_all(c->connect_to);
	c->connect_to = curl_slist_append(NULL, to);
	if (c->connect_to == NULL)
		return -1;
	SET(CURLOPT_URL, url);
	SET(CURLOPT_CONNECT_TO, c->connect_to);
	c->where.target = r->target;
	c->where.tls = r->tls;
	memcpy(c->where.host, r->host, strlen(r->host) + 1);
	c->where.port = r->port;
	return 0;
}

/* Mostly where the handle's last call went: then all of it stands. */
static int
handle_where(struct upstream_call *c, const struct upstream_request *r)
{
	const struct upstream_where *w = &c->where;
	CURL *easy = c->easy;

	SET(CURLOPT_REQUEST_TARGET, http1_head_target(r->head));
	SET(CURLOPT_FRESH_CONNECT, may_repeat(r) ? 0L : 1L);
	if (c->forbidden)
		SET(CURLOPT_FORBID_REUSE, 0L);
	c->forbidden = 0;
	if (w->port == r->port && w->tls == r->tls &&
	    w->target.port == r->target.port &&
	    memcmp(&w->target.address, &r->target.address,
		sizeof(w->target.address)) == 0 &&
	    strcmp(w->host, r->host) == 0)
		return 0;
	return handle_aim(c, r);
}

/* libcurl's own fields, which a line without a value keeps out. */
static const char *const defaults[] = { "Accept:", "User-Agent:", "Expect:",
	"Content-Type:", "TE:" };

static int
is_given(const struct http1_head *h, const char *line)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "%.*s", (int)strlen(line) - 1, line);
	return http1_head_get(h, name) != NULL;
}

static char *
put(char *to, const void *p, size_t n)
{
	memcpy(to, p, n);
	return to + n;
}

/* "Name;" is libcurl's way to write a field without a value. */
static char *
put_field(char *to, const struct http1_field *f)
{
	to = put(to, f->name, f->name_size);
	to = f->value_size == 0 ? put(to, ";", 1) : put(to, ": ", 2);
	to = put(to, f->value, f->value_size);
	*to++ = '\0';
	return to;
}

/* Room for all lines, and their list. */
static int
lines_create(struct upstream_call *c, const struct http1_head *h)
{
	size_t i, n = http1_head_count(h), bytes = 0;

	for (i = 0; i < n; i++) {
		struct http1_field f = http1_head_field(h, i);

		bytes += f.name_size + f.value_size + 3;
	}
	c->text = malloc(bytes + 1);
	c->text_size = bytes;
	c->fields = calloc(n + countof(defaults), sizeof(*c->fields));
	return c->text == NULL || c->fields == NULL ? -1 : 0;
}

static void
lines_finish(struct upstream_call *c)
{
	if (c->text != NULL)
		secret_wipe(c->text, c->text_size);
	free(take_ptr(&c->text));
	free(take_ptr(&c->fields));
}

/* Ours, all of them, and none of libcurl's own. */
static int
handle_fields(struct upstream_call *c, const struct upstream_request *r)
{
	size_t i, used = 0, n = http1_head_count(r->head);
	CURL *easy = c->easy;
	char *to, *line;

	if (lines_create(c, r->head) == -1)
		return -1;
	to = c->text;
	for (i = 0; i < n; i++) {
		struct http1_field f = http1_head_field(r->head, i);

		line = to;
		to = put_field(to, &f);
		c->fields[used++].data = line;
	}
	for (i = 0; i < countof(defaults); i++)
		if (!is_given(r->head, defaults[i]))
			c->fields[used++].data = (char *)defaults[i];
	for (i = 1; i < used; i++)
		c->fields[i - 1].next = &c->fields[i];
	SET(CURLOPT_HTTPHEADER, c->fields);
	return 0;
}

static struct upstream_call *
call_take(struct upstream_pool *p)
{
	struct upstream_call *c = TAILQ_FIRST(&p->spare);

	if (c != NULL) {
		TAILQ_REMOVE(&p->spare, c, next);
		p->nspare--;
		return c;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->pool = p;
	c->easy = curl_easy_init();
	if (c->easy == NULL || handle_fix(c) == -1) {
		curl_easy_cleanup(c->easy);
		free(c);
		return NULL;
	}
	return c;
}

/* ---- kept connections ------------------------------------------------------------------ */

/* All of a pool's that has no call. */
static void
pool_close(struct upstream_pool *p)
{
	transfers_destroy(take_ptr(&p->transfers));
}

/* Those of the pool that has waited longest; of a jail, or (NULL) of any. */
static int
upstream_close_oldest(struct upstream *u, const unsigned *jail)
{
	struct upstream_pool *p;

	TAILQ_FOREACH (p, &u->pools, next)
		if (p->nkept > 0 && (jail == NULL || p->jail == jail) &&
		    upstream_pool_is_idle(p)) {
			pool_close(p);
			return 1;
		}
	return 0;
}

/*
 * What a new connection takes the place of: one of this pool, which libcurl
 * closes when a call ends and there are more than it was told to keep, or
 * those of another.
 */
static void
pool_make_room(struct upstream_pool *p)
{
	struct upstream *u = p->upstream;
	int full = !pool_has_room(p);

	if (full && p->nkept <= p->nlive) {
		if (*p->jail >= PROXY_KEPT_JAIL)
			(void)upstream_close_oldest(u, p->jail);
		if (u->nkept >= u->nkept_max)
			(void)upstream_close_oldest(u, NULL);
		full = 0;
	}
	if (p->transfers != NULL)
		transfers_keep(p->transfers, full ? p->nkept : PROXY_KEPT_JAIL);
}

static void
upstream_time(struct upstream *u)
{
	struct err e = { 0 };

	if (loop_timer_set(u->old, PROXY_KEPT_MS, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "upstream", &e);
	u->timed = 1;
}

static void
upstream_age(void *arg)
{
	struct upstream *u = arg;
	uint64_t now = loop_now_ms();
	struct upstream_pool *p;

	u->timed = 0;
	TAILQ_FOREACH (p, &u->pools, next)
		if (p->nkept > 0 && upstream_pool_is_idle(p) &&
		    now - p->used_ms >= PROXY_KEPT_MS)
			pool_close(p);
	if (u->nkept > 0)
		upstream_time(u);
}

static int
pool_use(struct upstream_pool *p, struct err *e)
{
	struct upstream *u = p->upstream;

	TAILQ_REMOVE(&u->pools, p, next);
	TAILQ_INSERT_TAIL(&u->pools, p, next);
	pool_make_room(p);
	if (!u->timed)
		upstream_time(u);
	if (p->transfers != NULL)
		return 0;
	if (transfers_create(u->loop, PROXY_KEPT_JAIL, &p->transfers, e) == -1)
		return -1;
	transfers_watch_idle(p->transfers);
	return 0;
}

int
upstream_start(const struct upstream_request *r, struct upstream_call **ret,
    struct err *e)
{
	struct upstream_pool *p = r->pool;
	struct upstream_call *c;

	if (pool_use(p, e) == -1)
		return -1;
	c = call_take(p);
	if (c == NULL)
		return err_sys(e, ENOMEM, "a request");
	c->target = r->target;
	c->events = r->events;
	c->informational = 0;
	c->headed = c->cancelled = 0;
	c->paused = c->wake = 0;
	c->error[0] = '\0';
	http1_head_init(&c->head, HTTP1_RESPONSE, NULL);
	TAILQ_INSERT_TAIL(&p->live, c, next);
	p->nlive++;
	if (handle_where(c, r) == -1 || handle_method(c, r) == -1 ||
	    handle_fields(c, r) == -1) {
		call_retire(c);
		return err_set(e, ERR_SYSTEM, "libcurl refuses a request");
	}
	if (transfers_add(p->transfers, c->easy, call_done, c, e) == -1) {
		call_retire(c);
		return -1;
	}
	*ret = c;
	return 0;
}

/* ---- pools ----------------------------------------------------------------------------- */

int
upstream_pool_create(struct upstream *u, unsigned *kept, const void *ca,
    size_t ca_size, struct upstream_pool **ret, struct err *e)
{
	struct upstream_pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_sys(e, ENOMEM, "a pool of connections");
	p->upstream = u;
	p->jail = kept;
	TAILQ_INSERT_TAIL(&u->pools, p, next);
	TAILQ_INIT(&p->live);
	TAILQ_INIT(&p->spare);
	if (ca != NULL)
		p->store = store_parse(ca, ca_size);
	if ((ca != NULL && p->store == NULL) ||
	    loop_call_create(u->loop, pool_later, p, &p->later, e) == -1) {
		upstream_pool_destroy(p);
		return -1;
	}
	*ret = p;
	return 0;
}

void
upstream_pool_destroy(struct upstream_pool *p)
{
	struct upstream_call *c;

	if (p == NULL)
		return;
	transfers_destroy(take_ptr(&p->transfers));
	TAILQ_REMOVE(&p->upstream->pools, p, next);
	while ((c = TAILQ_FIRST(&p->live)) != NULL)
		call_retire(c);
	while ((c = TAILQ_FIRST(&p->spare)) != NULL) {
		TAILQ_REMOVE(&p->spare, c, next);
		call_free(c);
	}
	X509_STORE_free(p->store);
	loop_call_destroy(p->later);
	free(p);
}

int
upstream_pool_is_idle(const struct upstream_pool *p)
{
	return TAILQ_EMPTY(&p->live) && !p->telling;
}

int
upstream_create(struct loop *l, unsigned kept, struct upstream **ret,
    struct err *e)
{
	struct upstream *u = calloc(1, sizeof(*u));
	SSL_CTX *warm;

	if (u == NULL)
		return err_sys(e, ENOMEM, "upstream");
	u->loop = l;
	u->nkept_max = kept;
	TAILQ_INIT(&u->pools);
	if (loop_timer_create(l, upstream_age, u, &u->old, e) == -1)
		return -1;
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, heap_malloc, heap_free,
		heap_realloc, heap_strdup, heap_calloc) != CURLE_OK)
		return err_set(e, ERR_UNSUPPORTED, "libcurl does not start");
	/* What OpenSSL reads for its first context, it reads now. */
	warm = SSL_CTX_new(TLS_method());
	if (warm == NULL)
		return err_set(e, ERR_UNSUPPORTED, "OpenSSL does not start");
	SSL_CTX_free(warm);
	if (upstream_authorities(u, e) == -1)
		return -1;
	*ret = u;
	return 0;
}
