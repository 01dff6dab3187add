#include "oauth.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <mbedtls/base64.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "heap.h"
#include "limits_vault.h"
#include "msg_vault.h"
#include "oauth_answer.h"
#include "policy/canon.h"
#include "proxy/names.h"
#include "sha256.h"
#include "store.h"
#include "text.h"
#include "transfers.h"

struct oauth_waiter {
	oauth_fn *fn;
	void *arg;
};

/* One entry and its access token. */
struct oauth_slot {
	struct oauth *owner;
	char name[VAULT_NAME_SIZE]; /* "": free */
	unsigned char entry[SHA256_SIZE]; /* that the token is for */
	struct secret *access; /* NULL: none */
	uint64_t serial;
	uint64_t ends_ms, renew_ms; /* monotonic; UINT64_MAX: unknown */
	uint64_t retry_ms; /* after a failure: not before */
	uint64_t force_ms; /* for a refused token: not before */
	char why[VAULT_TEXT_SIZE]; /* of the failure */

	/* The request in flight. */
	int fetching;
	uint32_t refresh; /* the grant brings a refresh token */
	struct names_query *query;
	char url_text[ENTRY_TEXT_MAX]; /* url points into it */
	struct canon_url url;
	CURL *easy;
	struct curl_slist *resolve, *header;
	struct secret *form; /* the body */
	struct secret *ca;
	struct buf answer;
	struct oauth_waiter waiters[VAULT_ASKS_MAX];
	uint32_t nwaiters;
};

struct oauth {
	struct loop *loop;
	struct vault *vault;
	struct names *names;
	struct transfers *transfers;
	uint64_t serials;
	struct curl_blob system_ca; /* "" where the system has none: closed */
	struct store store;
	struct oauth_slot slots[VAULT_BINDS_MAX];
};

/* ---- which entry ---- */

static void
oauth_mix(struct sha256 *h, const void *p, size_t n)
{
	uint64_t size = n;

	sha256_update(h, &size, sizeof(size));
	sha256_update(h, p, n);
}

static void
oauth_mix_number(struct sha256 *h, uint64_t n)
{
	oauth_mix(h, &n, sizeof(n));
}

/*
 * What an entry is apart from its secrets.  Its version alone would not do:
 * one that was removed and set again, for other destinations, begins at 1.
 */
static void
oauth_identity(const struct entry *n, unsigned char ret[SHA256_SIZE])
{
	struct sha256 h;
	uint32_t i;

	sha256_init(&h);
	oauth_mix_number(&h, n->kind);
	oauth_mix_number(&h, n->auth);
	oauth_mix_number(&h, n->version);
	oauth_mix_number(&h, n->created_s);
	for (i = 0; i < n->nto; i++) {
		oauth_mix(&h, n->to[i].host.p, n->to[i].host.n);
		oauth_mix_number(&h, n->to[i].port);
	}
	for (i = 0; i < n->nusers; i++)
		oauth_mix(&h, n->users[i].p, n->users[i].n);
	oauth_mix(&h, n->token_url.p, n->token_url.n);
	oauth_mix(&h, n->client_id.p, n->client_id.n);
	oauth_mix(&h, n->scope.p, n->scope.n);
	sha256_finish(&h, ret);
}

static int
oauth_is_for(const struct oauth_slot *s, const struct entry *n)
{
	unsigned char identity[SHA256_SIZE];

	oauth_identity(n, identity);
	return memcmp(identity, s->entry, sizeof(identity)) == 0;
}

/* ---- answering ---- */

static void
oauth_give(struct oauth_slot *s, const struct oauth_waiter *w)
{
	uint64_t now = loop_now_ms();
	struct oauth_token t = {
		.p = secret_bytes(s->access),
		.n = secret_size(s->access),
		.serial = s->serial,
		.fresh_ms = s->renew_ms == UINT64_MAX ? 0
			    : s->renew_ms > now       ? s->renew_ms - now
						      : 1,
	};

	w->fn(w->arg, &t, NULL);
}

/* A waiter may ask again at once: the list is taken first. */
static void
oauth_give_all(struct oauth_slot *s, int good)
{
	struct oauth_waiter waiters[VAULT_ASKS_MAX];
	uint32_t i, n = s->nwaiters;

	memcpy(waiters, s->waiters, sizeof(waiters));
	s->nwaiters = 0;
	for (i = 0; i < n; i++) {
		if (good && s->access != NULL)
			oauth_give(s, &waiters[i]);
		else
			waiters[i].fn(waiters[i].arg, NULL, s->why);
	}
}

/* The secret header is wiped before libcurl's list forgets where it is. */
static void
oauth_drop_request(struct oauth_slot *s)
{
	struct curl_slist *h;

	if (s->easy != NULL) {
		transfers_remove(s->owner->transfers, s->easy);
		curl_easy_cleanup(s->easy);
		s->easy = NULL;
	}
	for (h = s->header; h != NULL; h = h->next)
		secret_wipe(h->data, strlen(h->data));
	curl_slist_free_all(take_ptr(&s->header));
	curl_slist_free_all(take_ptr(&s->resolve));
	secret_destroyp(&s->form);
	secret_destroyp(&s->ca);
	if (buf_size(&s->answer) > 0)
		secret_wipe(s->answer.data + s->answer.start,
		    buf_size(&s->answer));
	buf_finish(&s->answer);
	s->fetching = 0;
}

/* The old token, if there is one, still serves until its end. */
static void
oauth_failed(struct oauth_slot *s, const struct err *e)
{
	oauth_drop_request(s);
	s->retry_ms = loop_now_ms() + OAUTH_RETRY_MS;
	(void)snprintf(s->why, sizeof(s->why), "%s", e->msg);
	oauth_give_all(s, 0);
}

/* ---- the answer of the endpoint ---- */

static struct entry *
oauth_find(struct store *store, const struct oauth_slot *s, struct err *e)
{
	struct entry *n = entry_find(&store->entries, s->name);

	if (n != NULL && oauth_is_for(s, n))
		return n;
	(void)err_set(e, ERR_CONFLICT, "the entry was changed meanwhile");
	return NULL;
}

/* On disk before anything is used. */
static int
oauth_keep_refresh(struct oauth_slot *s, const struct secret *refresh,
    struct err *e)
{
	struct store *store = &s->owner->store;
	struct vault *v = s->owner->vault;
	struct entry *n = NULL;
	int r;

	r = store_load(store, v->dir, v->key, 1, e);
	if (r == 0 && (n = oauth_find(store, s, e)) == NULL)
		r = -1;
	if (r == 0) {
		n->refresh = (struct entry_str){ secret_bytes(refresh),
			secret_size(refresh) };
		r = store_save(store, e);
	}
	store_finish(store);
	return r;
}

/* Renewed when a fifth of its time is left, but at least OAUTH_EARLY_MS. */
static void
oauth_keep_access(struct oauth_slot *s, struct oauth_answer *a)
{
	uint64_t now = loop_now_ms(), life = a->expires_s * 1000;
	uint64_t early = life / 5 > OAUTH_EARLY_MS ? life / 5 : OAUTH_EARLY_MS;

	secret_destroy(s->access);
	s->access = take_ptr(&a->access);
	s->serial = ++s->owner->serials;
	s->ends_ms = life > 0 ? now + life : UINT64_MAX;
	s->renew_ms = life == 0      ? UINT64_MAX
		      : life > early ? now + life - early
				     : now;
	s->retry_ms = 0;
}

static int
oauth_take(struct oauth_slot *s, CURLcode result, struct err *e)
{
	struct oauth_answer a = { 0 };
	long status = 0;
	int r = 0;

	if (result != CURLE_OK)
		return err_set(e, ERR_DENIED, "the token endpoint %s: %s",
		    s->url.host, curl_easy_strerror(result));
	(void)curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	if (oauth_answer_read(status, buf_bytes(&s->answer),
		buf_size(&s->answer), &a, e) == -1)
		return -1;
	if (s->refresh && a.refresh != NULL)
		r = oauth_keep_refresh(s, a.refresh, e);
	if (r == 0)
		oauth_keep_access(s, &a);
	oauth_answer_finish(&a);
	return r;
}

static void
oauth_done(void *arg, CURLcode result)
{
	struct oauth_slot *s = arg;
	struct err e = { 0 };

	if (oauth_take(s, result, &e) == -1) {
		oauth_failed(s, &e);
		return;
	}
	oauth_drop_request(s);
	oauth_give_all(s, 1);
}

static size_t
oauth_write(char *p, size_t size, size_t n, void *arg)
{
	struct oauth_slot *s = arg;

	return buf_append(&s->answer, p, size * n, NULL) == 0 ? size * n : 0;
}

/* ---- the request ---- */

/* Text under construction in secret memory. */
struct oauth_text {
	struct secret *room;
	char *p;
	size_t n, size;
	int full;
};

static int
oauth_text_init(struct oauth_text *t, size_t size, struct err *e)
{
	*t = (struct oauth_text){ .size = size };
	if (secret_create_room(size, &t->room, e) == -1)
		return -1;
	t->p = secret_room(t->room);
	return 0;
}

static void
oauth_text_finish(struct oauth_text *t)
{
	secret_destroy(t->room);
}

/* One byte is left for the NUL that the room has. */
static void
oauth_put(struct oauth_text *t, const char *p, size_t n)
{
	if (n >= t->size - t->n) {
		t->full = 1;
		return;
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

/* application/x-www-form-urlencoded, a blank as %20. */
static void
oauth_put_form(struct oauth_text *t, struct entry_str s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789-._~";
	static const char digits[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char escape[3] = { '%', digits[c >> 4], digits[c & 15] };

		if (memchr(plain, c, sizeof(plain) - 1) != NULL)
			oauth_put(t, s.p + i, 1);
		else
			oauth_put(t, escape, sizeof(escape));
	}
}

static void
oauth_put_pair(struct oauth_text *t, const char *name, struct entry_str value)
{
	oauth_put(t, t->n > 0 ? "&" : "", t->n > 0);
	oauth_put(t, name, strlen(name));
	oauth_put(t, "=", 1);
	oauth_put_form(t, value);
}

static int
oauth_form(struct oauth_slot *s, const struct entry *n, struct err *e)
{
	struct oauth_text t;

	if (oauth_text_init(&t, OAUTH_FORM_MAX, e) == -1)
		return -1;
	s->form = t.room;
	oauth_put_pair(&t, "grant_type", entry_str(entry_kind_name(n->kind)));
	if (n->kind == ENTRY_REFRESH_TOKEN)
		oauth_put_pair(&t, "refresh_token", n->refresh);
	if (n->scope.n > 0)
		oauth_put_pair(&t, "scope", n->scope);
	if (n->auth != ENTRY_AUTH_BASIC || n->secret.n == 0)
		oauth_put_pair(&t, "client_id", n->client_id);
	if (n->auth == ENTRY_AUTH_POST && n->secret.n > 0)
		oauth_put_pair(&t, "client_secret", n->secret);
	return t.full ? err_set(e, ERR_LIMIT, "the request is too long") : 0;
}

/*
 * RFC 6749, 2.3.1: both parts form-encoded, then as RFC 7617 says.  libcurl's
 * own Basic would not encode them.
 */
static int
oauth_header(struct oauth_slot *s, const struct entry *n, struct err *e)
{
	cleanup(oauth_text_finish) struct oauth_text pair = { 0 };
	cleanup(oauth_text_finish) struct oauth_text line = { 0 };
	size_t used;

	if (n->auth != ENTRY_AUTH_BASIC || n->secret.n == 0)
		return 0;
	if (oauth_text_init(&pair, OAUTH_FORM_MAX, e) == -1)
		return -1;
	if (oauth_text_init(&line, 2 * OAUTH_FORM_MAX, e) == -1)
		return -1;
	oauth_put_form(&pair, n->client_id);
	oauth_put(&pair, ":", 1);
	oauth_put_form(&pair, n->secret);
	oauth_put(&line, "Authorization: Basic ", 21);
	if (pair.full || mbedtls_base64_encode((unsigned char *)line.p + line.n,
			     line.size - line.n, &used, (unsigned char *)pair.p,
			     pair.n) != 0)
		return err_set(e, ERR_LIMIT, "the client's secret is too long");
	s->header = curl_slist_append(NULL, line.p);
	return s->header != NULL ? 0 : err_set(e, ERR_SYSTEM, "malloc");
}

/* ---- sending it ---- */

/* What every request is held to, whatever an environment or a file says. */
static int
oauth_easy_strict(CURL *c)
{
	return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") ==
			   CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) ==
			   CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_NETRC,
			   (long)CURL_NETRC_IGNORED) == CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) ==
			   CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) ==
			   CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_SSLVERSION,
			   (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_HTTP_VERSION,
			   (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L) ==
			   CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) ==
			   CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
			   (long)OAUTH_FETCH_MS) == CURLE_OK
		   ? 0
		   : -1;
}

/* The system's certificates were read before the filter; see oauth_create. */
static int
oauth_easy_trust(struct oauth_slot *s)
{
	struct curl_blob own = { .flags = CURL_BLOB_NOCOPY };

	if (s->ca == NULL)
		own = s->owner->system_ca;
	else {
		own.data = secret_room(s->ca);
		own.len = secret_size(s->ca);
	}
	return curl_easy_setopt(s->easy, CURLOPT_CAINFO_BLOB, &own) == CURLE_OK
		   ? 0
		   : -1;
}

static int
oauth_easy_request(struct oauth_slot *s, const char *url)
{
	CURL *c = s->easy;
	const char *form = secret_bytes(s->form);

	return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_RESOLVE, s->resolve) ==
			   CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_HTTPHEADER, s->header) ==
			   CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_POSTFIELDS, form) ==
			   CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE,
			   (long)strlen(form)) == CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION,
			   oauth_write) == CURLE_OK &&
		       curl_easy_setopt(c, CURLOPT_WRITEDATA, s) == CURLE_OK
		   ? 0
		   : -1;
}

static void
oauth_url(const struct oauth_slot *s, char *ret, size_t size)
{
	(void)snprintf(ret, size, "https://%s:%u%s%s%.*s", s->url.host,
	    (unsigned)s->url.port, s->url.path, s->url.query != NULL ? "?" : "",
	    (int)s->url.query_size, s->url.query != NULL ? s->url.query : "");
}

static int
oauth_send(struct oauth_slot *s, struct err *e)
{
	char url[CANON_PATH_SIZE + CANON_HOST_SIZE + ENTRY_TEXT_MAX + 32];

	oauth_url(s, url, sizeof(url));
	s->easy = curl_easy_init();
	if (s->easy == NULL || oauth_easy_strict(s->easy) == -1 ||
	    oauth_easy_trust(s) == -1 || oauth_easy_request(s, url) == -1)
		return err_set(e, ERR_UNSUPPORTED, "libcurl cannot do it");
	return transfers_add(s->owner->transfers, s->easy, oauth_done, s, e);
}

/* "host:port:address,address": libcurl asks no resolver of its own. */
static int
oauth_pin(struct oauth_slot *s, const struct names_answer *a, struct err *e)
{
	char line[CANON_HOST_SIZE + PROXY_ADDRESSES_MAX * INET6_ADDRSTRLEN * 2];
	struct text t;
	uint32_t i;

	text_init(&t, line, sizeof(line));
	text_addf(&t, "%s:%u:", s->url.host, (unsigned)s->url.port);
	for (i = 0; i < a->n; i++) {
		char address[INET6_ADDRSTRLEN];
		int family = a->address[i].family == 4 ? AF_INET : AF_INET6;

		(void)inet_ntop(family, a->address[i].bytes, address,
		    sizeof(address));
		text_addf(&t, family == AF_INET ? "%s%s" : "%s[%s]",
		    i > 0 ? "," : "", address);
	}
	s->resolve = curl_slist_append(NULL, line);
	if (t.truncated || s->resolve == NULL)
		return err_set(e, ERR_LIMIT, "too many addresses");
	return 0;
}

static void
oauth_named(void *arg, const struct names_answer *a)
{
	struct oauth_slot *s = arg;
	struct err e = { 0 };
	int r = 0;

	s->query = NULL;
	if (a->n == 0)
		r = err_set(&e, ERR_NOT_FOUND, "the token endpoint %s: %s",
		    s->url.host, a->why);
	if (r == 0)
		r = oauth_pin(s, a, &e);
	if (r == 0)
		r = oauth_send(s, &e);
	if (r == -1)
		oauth_failed(s, &e);
}

static int
oauth_keep_ca(struct oauth_slot *s, const struct entry *n, struct err *e)
{
	if (n->ca.n == 0)
		return 0;
	if (secret_create_room(n->ca.n, &s->ca, e) == -1)
		return -1;
	memcpy(secret_room(s->ca), n->ca.p, n->ca.n);
	return 0;
}

/* Everything of the entry is copied: it goes when the caller returns. */
static int
oauth_fetch(struct oauth_slot *s, const struct entry *n, struct err *e)
{
	struct net_address address;
	struct err why = { 0 };

	s->refresh = n->kind == ENTRY_REFRESH_TOKEN;
	buf_init(&s->answer, OAUTH_ANSWER_MAX);
	memcpy(s->url_text, n->token_url.p, n->token_url.n);
	if (canon_url(s->url_text, n->token_url.n, &s->url, e) == -1 ||
	    oauth_keep_ca(s, n, e) == -1 || oauth_form(s, n, e) == -1 ||
	    oauth_header(s, n, e) == -1)
		return -1;
	s->fetching = 1;
	if (!canon_host_address(s->url.host, &address))
		return names_start(s->owner->names, NULL, s->url.host,
		    oauth_named, s, &s->query, e);
	if (oauth_send(s, &why) == -1)
		oauth_failed(s, &why);
	return 0;
}

/* ---- asking ---- */

static struct oauth_slot *
oauth_slot(struct oauth *o, const struct entry *n)
{
	char name[VAULT_NAME_SIZE];
	struct oauth_slot *empty = NULL;
	size_t i;

	(void)snprintf(name, sizeof(name), "%.*s", (int)n->name.n, n->name.p);
	for (i = 0; i < countof(o->slots); i++) {
		if (strcmp(o->slots[i].name, name) == 0)
			return &o->slots[i];
		if (empty == NULL && o->slots[i].name[0] == '\0')
			empty = &o->slots[i];
	}
	if (empty != NULL) {
		memcpy(empty->name, name, sizeof(name));
		empty->owner = o;
	}
	return empty;
}

/*
 * The entry was rotated or is another one by now: its destinations may be
 * others too.  Neither the token nor one that is on its way is for them.
 */
static void
oauth_renew_slot(struct oauth_slot *s, const struct entry *n)
{
	struct err e = { 0 };

	if (oauth_is_for(s, n))
		return;
	secret_destroyp(&s->access);
	if (s->fetching) {
		if (s->query != NULL)
			names_cancel(take_ptr(&s->query));
		(void)err_set(&e, ERR_CONFLICT,
		    "the entry was changed meanwhile");
		oauth_failed(s, &e);
	}
	s->retry_ms = s->force_ms = 0;
	oauth_identity(n, s->entry);
}

/* A refused token is as good as none, but not again and again. */
static int
oauth_has(struct oauth_slot *s, uint64_t refused)
{
	uint64_t now = loop_now_ms();

	if (s->access == NULL || now >= s->ends_ms)
		return 0;
	if (s->serial != refused)
		return 1;
	if (s->fetching)
		return 0;
	if (now < s->force_ms)
		return 1;
	s->force_ms = now + OAUTH_FORCE_MS;
	return 0;
}

int
oauth_ask(struct oauth *o, const struct entry *n, uint64_t refused_serial,
    oauth_fn *fn, void *arg, struct err *e)
{
	struct oauth_slot *s = oauth_slot(o, n);
	struct oauth_waiter w = { fn, arg };
	uint64_t now = loop_now_ms();
	struct err why = { 0 };
	int has;

	if (s != NULL)
		oauth_renew_slot(s, n);
	if (s == NULL || s->nwaiters == VAULT_ASKS_MAX)
		return err_set(e, ERR_LIMIT, "too many wait for tokens");
	has = oauth_has(s, refused_serial);
	if (!has)
		s->waiters[s->nwaiters++] = w;
	if (!has && !s->fetching && now < s->retry_ms)
		oauth_give_all(s, 0);
	else if (!s->fetching && now >= s->retry_ms &&
		 (!has || now >= s->renew_ms) && oauth_fetch(s, n, &why) == -1)
		oauth_failed(s, &why);
	if (has)
		oauth_give(s, &w);
	return 0;
}

/* ---- the whole ---- */

/* A file that can be opened no more under the filter of the proxy's kind. */
static int
oauth_system_ca(struct oauth *o, struct err *e)
{
	static const char path[] = "/etc/ssl/certs/ca-certificates.crt";
	autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st = { 0 };
	char *p;
	ssize_t n;

	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size > OAUTH_SYSTEM_CA_MAX)
		st.st_size = 0;
	p = malloc((size_t)st.st_size + 1);
	if (p == NULL)
		return err_set(e, ERR_SYSTEM, "malloc");
	n = st.st_size > 0 ? pread(fd, p, (size_t)st.st_size, 0) : 0;
	if (n != st.st_size) {
		free(p);
		return err_set(e, ERR_SYSTEM, "%s", path);
	}
	o->system_ca = (struct curl_blob){
		.data = p,
		.len = (size_t)n,
		.flags = CURL_BLOB_NOCOPY,
	};
	return 0;
}

static void
oauth_destroyp(struct oauth **o)
{
	oauth_destroy(*o);
}

int
oauth_create(struct loop *l, struct vault *v, struct oauth **ret, struct err *e)
{
	cleanup(oauth_destroyp) struct oauth *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	o->loop = l;
	o->vault = v;
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, heap_malloc, heap_free,
		heap_realloc, heap_strdup, heap_calloc) != CURLE_OK)
		return err_set(e, ERR_UNSUPPORTED, "libcurl does not start");
	if (oauth_system_ca(o, e) == -1 ||
	    names_create(l, &o->names, e) == -1 ||
	    transfers_create(l, 0, &o->transfers, e) == -1)
		return -1;
	*ret = take_ptr(&o);
	return 0;
}

void
oauth_destroy(struct oauth *o)
{
	size_t i;

	if (o == NULL)
		return;
	for (i = 0; i < countof(o->slots); i++) {
		struct oauth_slot *s = &o->slots[i];

		if (s->owner == NULL)
			continue;
		if (s->query != NULL)
			names_cancel(s->query);
		oauth_drop_request(s);
		secret_destroyp(&s->access);
	}
	transfers_destroy(o->transfers);
	names_destroy(o->names);
	free(o->system_ca.data);
	free(o);
}
