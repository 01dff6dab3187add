/*
 * serve.c: one launcher, one proxy, one run.
 *
 *	BINDING ──START, all bound entries serve the user──► SERVING
 *	   └──START, one does not, or the vault cannot be read──► FAILED, end
 *
 * Of what is stored nothing is kept between questions: each reads the vault
 * anew, so a rotated or removed secret counts from the next request on.
 * Access tokens are kept in memory while they last.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipc.h"
#include "log.h"
#include "loop.h"
#include "msg_vault.h"
#include "oauth.h"
#include "outbox.h"
#include "policy/canon.h"
#include "store.h"
#include "vault.h"

struct serve_peer {
	struct loop_fd *watch;
	struct outbox out;
	int reading; /* its messages are wanted */
};

struct serve {
	struct vault *vault;
	struct loop *loop;
	struct serve_peer launcher, proxy;
	struct oauth *oauth;
	int serving;
	uint32_t nbinds;
	char binds[VAULT_BINDS_MAX][VAULT_NAME_SIZE];
	char user[VAULT_USER_SIZE];
	struct err failure; /* what ends it; code ERR_OK: an ordinary end */
	struct ipc_msg msg;
	struct store store;
};

static struct serve_peer *
serve_peer(struct serve *s, int fd)
{
	return fd == VAULT_FD_PROXY ? &s->proxy : &s->launcher;
}

static int
serve_is_ended(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static void
serve_stop(struct serve *s)
{
	loop_stop(s->loop);
}

/* What the socket of a peer is watched for. */
static int
serve_watch(struct serve *s, int fd, struct err *e)
{
	struct serve_peer *p = serve_peer(s, fd);
	unsigned read = p->reading ? LOOP_READ : 0;

	return loop_fd_want(p->watch,
	    read | (outbox_waits(&p->out) ? LOOP_WRITE : 0), e);
}

static int
serve_say(struct serve *s, int fd, uint32_t type, const void *body, size_t size,
    struct err *e)
{
	if (outbox_send(&serve_peer(s, fd)->out, type, body, size, e) == -1)
		return -1;
	return serve_watch(s, fd, e);
}

/* ---- the launcher ---- */

static int
serve_bind(struct serve *s, const void *body, struct err *e)
{
	const struct vault_bind *m = body;

	if (s->serving || s->nbinds == VAULT_BINDS_MAX ||
	    !serve_is_ended(m->entry, sizeof(m->entry)) ||
	    entry_check_name(m->entry, e) == -1)
		return err_set(e, ERR_CORRUPT, "a bad VAULT_BIND");
	memcpy(s->binds[s->nbinds++], m->entry, sizeof(m->entry));
	return 0;
}

static int
serve_check_bind(struct serve *s, const char *name, struct err *e)
{
	struct entry *n = entry_find(&s->store.entries, name);

	if (n == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "the vault has no entry %s: warder credential set %s --to "
		    "HOST[:PORT]",
		    name, name);
	if (!entry_serves_user(n, s->user))
		return err_set(e, ERR_DENIED,
		    "the vault's entry %s does not serve user %s", name,
		    s->user);
	return 0;
}

static int
serve_check_binds(struct serve *s, struct err *e)
{
	uint32_t i;

	if (store_load(&s->store, s->vault->dir, s->vault->key, 0, e) == -1)
		return -1;
	for (i = 0; i < s->nbinds; i++)
		if (serve_check_bind(s, s->binds[i], e) == -1)
			return -1;
	return 0;
}

/* The answer says it; the vault then has nothing left to do. */
static int
serve_failed(struct serve *s, const struct err *why, struct err *e)
{
	struct vault_failed m = { .code = (uint32_t)why->code };

	(void)snprintf(m.text, sizeof(m.text), "%s", why->msg);
	serve_stop(s);
	return serve_say(s, VAULT_FD_LAUNCHER, VAULT_FAILED, &m, sizeof(m), e);
}

static int
serve_start(struct serve *s, const void *body, struct err *e)
{
	const struct vault_start *m = body;
	struct vault_ready ready = { .binds = s->nbinds };
	struct err why = { 0 };
	int r;

	if (s->serving || m->version != VAULT_VERSION ||
	    !serve_is_ended(m->user, sizeof(m->user)) ||
	    !serve_is_ended(m->run, sizeof(m->run)))
		return err_set(e, ERR_CORRUPT, "a bad VAULT_START");
	memcpy(s->user, m->user, sizeof(s->user));
	log_set_run(m->run);
	r = serve_check_binds(s, &why);
	store_finish(&s->store);
	if (r == -1)
		return serve_failed(s, &why, e);
	s->serving = s->proxy.reading = 1;
	if (serve_watch(s, VAULT_FD_PROXY, e) == -1)
		return -1;
	return serve_say(s, VAULT_FD_LAUNCHER, VAULT_READY, &ready,
	    sizeof(ready), e);
}

/* ---- the proxy ---- */

static int
serve_refuse(struct serve *s, const struct vault_ask *ask,
    enum vault_reason reason, const char *text, struct err *e)
{
	static const char *const texts[] = {
#define X(name, text) text,
		VAULT_REASONS(X)
#undef X
	};
	struct vault_refused m = { .id = ask->id, .reason = reason };

	(void)snprintf(m.text, sizeof(m.text), "%s: %s", ask->entry,
	    text != NULL ? text : texts[reason]);
	return serve_say(s, VAULT_FD_PROXY, VAULT_REFUSED, &m, sizeof(m), e);
}

static int
serve_token(struct serve *s, const struct vault_token *head, const void *token,
    struct err *e)
{
	autosecret *room = NULL;
	unsigned char *p;

	if (secret_create_room(sizeof(*head) + head->size, &room, e) == -1)
		return -1;
	p = secret_room(room);
	memcpy(p, head, sizeof(*head));
	memcpy(p + sizeof(*head), token, head->size);
	return serve_say(s, VAULT_FD_PROXY, VAULT_TOKEN, p,
	    sizeof(*head) + head->size, e);
}

static int
serve_static(struct serve *s, const struct vault_ask *ask,
    const struct entry *n, struct err *e)
{
	struct vault_token m = {
		.id = ask->id,
		.size = (uint32_t)n->secret.n,
		.version = n->version,
		.serial = n->version,
	};

	return serve_token(s, &m, n->secret.p, e);
}

/* A question whose answer takes a token endpoint's. */
struct serve_wait {
	struct serve *serve;
	struct vault_ask ask;
	uint32_t version;
};

static void
serve_fetched(void *arg, const struct oauth_token *token, const char *why)
{
	struct serve_wait *w = arg;
	struct serve *s = w->serve;
	struct vault_token m = { .id = w->ask.id, .version = w->version };
	int r;

	if (token == NULL)
		r = serve_refuse(s, &w->ask, VAULT_REASON_UNAVAILABLE, why,
		    &s->failure);
	else {
		m.size = (uint32_t)token->n;
		m.serial = token->serial;
		m.fresh_ms = token->fresh_ms;
		r = serve_token(s, &m, token->p, &s->failure);
	}
	free(w);
	if (r == -1)
		serve_stop(s);
}

static int
serve_oauth(struct serve *s, const struct vault_ask *ask, const struct entry *n,
    struct err *e)
{
	struct serve_wait *w = calloc(1, sizeof(*w));
	struct err why = { 0 };

	if (w == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	*w = (struct serve_wait){ s, *ask, n->version };
	if (oauth_ask(s->oauth, n, ask->refused_serial, serve_fetched, w,
		&why) == 0)
		return 0;
	free(w);
	return serve_refuse(s, ask, VAULT_REASON_UNAVAILABLE, why.msg, e);
}

static int
serve_is_bound(const struct serve *s, const char *entry)
{
	uint32_t i;

	for (i = 0; i < s->nbinds; i++)
		if (strcmp(s->binds[i], entry) == 0)
			return 1;
	return 0;
}

/* The entry's own boundary: what a policy says does not reach here. */
static int
serve_answer(struct serve *s, const struct vault_ask *ask, struct err *e)
{
	struct entry *n = entry_find(&s->store.entries, ask->entry);

	if (n == NULL)
		return serve_refuse(s, ask, VAULT_REASON_MISSING, NULL, e);
	if (!entry_serves(n, ask->host, ask->port))
		return serve_refuse(s, ask, VAULT_REASON_DESTINATION, NULL, e);
	if (!entry_serves_user(n, s->user))
		return serve_refuse(s, ask, VAULT_REASON_USER, NULL, e);
	return n->kind == ENTRY_STATIC ? serve_static(s, ask, n, e)
				       : serve_oauth(s, ask, n, e);
}

static int
serve_ask(struct serve *s, const void *body, struct err *e)
{
	struct vault_ask ask;
	struct err why = { 0 };
	int r;

	memcpy(&ask, body, sizeof(ask));
	if (!serve_is_ended(ask.entry, sizeof(ask.entry)) ||
	    !serve_is_ended(ask.host, sizeof(ask.host)) ||
	    !canon_is_host(ask.host))
		return err_set(e, ERR_CORRUPT, "a bad VAULT_ASK");
	if (!serve_is_bound(s, ask.entry))
		return serve_refuse(s, &ask, VAULT_REASON_UNBOUND, NULL, e);
	r = store_load(&s->store, s->vault->dir, s->vault->key, 0, &why);
	if (r == 0)
		r = serve_answer(s, &ask, e);
	else
		r = serve_refuse(s, &ask, VAULT_REASON_UNAVAILABLE, why.msg, e);
	store_finish(&s->store);
	return r;
}

/* ---- the table ---- */

struct serve_row {
	uint32_t type;
	int fd;
	size_t size;
	int (*handle)(struct serve *s, const void *body, struct err *e);
};

static const struct serve_row serve_rows[] = {
	{ VAULT_BIND, VAULT_FD_LAUNCHER, sizeof(struct vault_bind),
	    serve_bind },
	{ VAULT_START, VAULT_FD_LAUNCHER, sizeof(struct vault_start),
	    serve_start },
	{ VAULT_ASK, VAULT_FD_PROXY, sizeof(struct vault_ask), serve_ask },
};

static int
serve_dispatch(struct serve *s, int fd, struct err *e)
{
	size_t i;

	for (i = 0; i < countof(serve_rows); i++) {
		const struct serve_row *row = &serve_rows[i];

		if (row->type == s->msg.type && row->fd == fd &&
		    row->size == s->msg.size && s->msg.nfds == 0)
			return row->handle(s, s->msg.body, e);
	}
	ipc_drop_fds(&s->msg);
	return err_set(e, ERR_CORRUPT, "an unexpected message");
}

/* 0, -1 with s->failure, or at the end of file without. */
static int
serve_receive(struct serve *s, int fd)
{
	int r = ipc_recv(fd, &s->msg, &s->failure);

	if (r == -1 && s->failure.code == ERR_SYSTEM &&
	    s->failure.sys == EAGAIN) {
		s->failure = (struct err){ 0 };
		return 0;
	}
	return r == 1 ? serve_dispatch(s, fd, &s->failure) : -1;
}

/* One message; whatever is wrong with it ends the vault. */
static void
serve_ready(struct serve *s, int fd, unsigned ready)
{
	if (((ready & LOOP_WRITE) == 0 ||
		outbox_flush(&serve_peer(s, fd)->out, &s->failure) == 0) &&
	    ((ready & LOOP_READ) == 0 || serve_receive(s, fd) == 0) &&
	    serve_watch(s, fd, &s->failure) == 0)
		return;
	serve_stop(s);
}

static void
serve_launcher_ready(void *arg, unsigned ready)
{
	serve_ready(arg, VAULT_FD_LAUNCHER, ready);
}

static void
serve_proxy_ready(void *arg, unsigned ready)
{
	serve_ready(arg, VAULT_FD_PROXY, ready);
}

static int
serve_meet(struct serve *s, int fd, loop_fd_fn *fn, struct err *e)
{
	struct serve_peer *p = serve_peer(s, fd);

	if (outbox_init(&p->out, fd, e) == -1)
		return -1;
	return loop_fd_create(s->loop, fd, fn, s, &p->watch, e);
}

static int
serve_loop(struct serve *s, struct err *e)
{
	s->launcher.reading = 1;
	if (loop_create(&s->loop, e) == -1 ||
	    serve_meet(s, VAULT_FD_LAUNCHER, serve_launcher_ready, e) == -1 ||
	    serve_meet(s, VAULT_FD_PROXY, serve_proxy_ready, e) == -1 ||
	    serve_watch(s, VAULT_FD_LAUNCHER, e) == -1 ||
	    oauth_create(s->loop, s->vault, &s->oauth, e) == -1 ||
	    lock_down(LOCK_SERVE, s->vault->dir, e) == -1)
		return -1;
	if (loop_run(s->loop, e) == -1)
		return -1;
	if (s->failure.code != ERR_OK)
		*e = s->failure;
	return s->failure.code == ERR_OK ? 0 : -1;
}

static void
serve_part(struct serve_peer *p)
{
	outbox_finish(&p->out);
	loop_fd_destroy(p->watch);
}

int
serve_run(struct vault *v, struct err *e)
{
	static struct serve s; /* large */
	int r;

	log_init("warder-vault", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	s.vault = v;
	r = serve_loop(&s, e);
	oauth_destroy(s.oauth);
	serve_part(&s.launcher);
	serve_part(&s.proxy);
	loop_destroy(s.loop);
	return r;
}
