#include "tokens.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ipc.h"
#include "log.h"
#include "msg_vault.h"

enum {
	TOKENS_GRANTS = 32, /* destinations remembered; the oldest goes */
	TOKENS_ROUNDS = 4, /* of one ask, while secrets change under it */
};

/* The vault has said yes to this destination, not long ago. */
struct tokens_grant {
	uint32_t credential, port;
	uint64_t until_ms;
	char host[CANON_HOST_SIZE];
};

struct tokens_ask {
	TAILQ_ENTRY(tokens_ask) link;
	struct tokens *tokens;
	uint32_t id; /* of the question that is out */
	uint32_t next; /* inject to look at */
	uint32_t ninjects;
	uint32_t injects[PLAN_NET_SERVICE_INJECTS_MAX];
	char host[CANON_HOST_SIZE];
	uint32_t port;
	int again;
	uint64_t epoch; /* when its present round began */
	unsigned rounds;
	tokens_fn *fn;
	void *arg;
};

TAILQ_HEAD(tokens_asks, tokens_ask);

struct tokens {
	struct guest *guest;
	int fd; /* -1: it is gone */
	struct loop_fd *watch;
	uint32_t ids;
	struct tokens_asks asks;
	unsigned nasks;
	unsigned next_grant;
	uint64_t epoch; /* one more with each secret that is another */
	unsigned ngrants; /* TOKENS_GRANTS, or 0: there was none yet */
	struct tokens_grant *grants;
};

/* One at a time in a process without threads; wiped after each. */
static struct ipc_msg tokens_msg;

/* ---- asks ---- */

static void
ask_free(struct tokens_ask *a)
{
	TAILQ_REMOVE(&a->tokens->asks, a, link);
	a->tokens->nasks--;
	free(a);
}

static void
ask_end(struct tokens_ask *a, enum refusal_code code, uint32_t credential,
    const char *why)
{
	tokens_fn *fn = a->fn;
	void *arg = a->arg;

	ask_free(a);
	fn(arg, code, credential, why);
}

static uint32_t
ask_credential(const struct tokens_ask *a)
{
	return plan_net_inject(a->tokens->guest->net, a->injects[a->next])
	    ->credential;
}

static int
is_granted(const struct tokens *t, uint32_t credential, const char *host,
    uint32_t port)
{
	uint64_t now = loop_now_ms();
	size_t i;

	for (i = 0; i < t->ngrants; i++) {
		const struct tokens_grant *g = &t->grants[i];

		if (g->credential == credential && g->port == port &&
		    now < g->until_ms && strcmp(g->host, host) == 0)
			return 1;
	}
	return 0;
}

/* Where it cannot be remembered, the vault is asked each time. */
static int
has_grants(struct tokens *t)
{
	if (t->grants == NULL)
		t->grants = calloc(TOKENS_GRANTS, sizeof(*t->grants));
	t->ngrants = t->grants != NULL ? TOKENS_GRANTS : 0;
	return t->ngrants > 0;
}

static void
grant(struct tokens *t, const struct tokens_ask *a, uint64_t fresh_ms)
{
	struct tokens_grant *g;

	if (!has_grants(t))
		return;
	g = &t->grants[t->next_grant];
	if (fresh_ms == 0 || fresh_ms > PROXY_TOKEN_MS)
		fresh_ms = PROXY_TOKEN_MS;
	t->next_grant = (t->next_grant + 1) % TOKENS_GRANTS;
	g->credential = ask_credential(a);
	g->port = a->port;
	g->until_ms = loop_now_ms() + fresh_ms;
	memcpy(g->host, a->host, sizeof(g->host));
}

void
tokens_forget(struct tokens *t, uint32_t credential)
{
	size_t i;

	t->epoch++;
	for (i = 0; i < t->ngrants; i++)
		if (t->grants[i].credential == credential)
			t->grants[i].until_ms = 0;
}

void
tokens_forget_all(struct tokens *t)
{
	size_t i;

	t->epoch++;
	for (i = 0; i < t->ngrants; i++)
		t->grants[i].until_ms = 0;
}

static int
is_from_vault(const struct guest *g, uint32_t inject)
{
	uint32_t c = plan_net_inject(g->net, inject)->credential;

	return plan_net_credential(g->net, c)->source == PLAN_NET_SOURCE_VAULT;
}

/* The next inject that has to be asked for; 0 if there is none. */
static int
ask_advance(struct tokens_ask *a)
{
	for (; a->next < a->ninjects; a->next++)
		if (is_from_vault(a->tokens->guest, a->injects[a->next]) &&
		    (a->again || !is_granted(a->tokens, ask_credential(a),
				     a->host, a->port)))
			return 1;
	return 0;
}

static int
ask_send(struct tokens_ask *a, struct err *e)
{
	struct tokens *t = a->tokens;
	uint32_t c = ask_credential(a);
	const struct plan_net *net = t->guest->net;
	struct vault_ask m = { .port = a->port };

	if (t->fd == -1)
		return err_set(e, ERR_CONFLICT, "the vault is gone");
	m.id = a->id = ++t->ids;
	m.refused_serial = a->again ? guest_serial(t->guest, c) : 0;
	(void)snprintf(m.entry, sizeof(m.entry), "%s",
	    plan_net_string(net, plan_net_credential(net, c)->source_name));
	(void)snprintf(m.host, sizeof(m.host), "%s", a->host);
	return ipc_send(t->fd, VAULT_ASK, &m, sizeof(m), NULL, 0, e);
}

/*
 * Whether a secret has changed since this round began: then what the vault
 * said of an earlier one may be about another secret, and is asked for anew.
 */
static int
ask_is_stale(struct tokens_ask *a)
{
	if (a->epoch == a->tokens->epoch)
		return 0;
	a->epoch = a->tokens->epoch;
	a->next = 0;
	a->again = 0;
	a->rounds++;
	return 1;
}

/* On to the next secret, or to the end. */
static void
ask_go_on(struct tokens_ask *a)
{
	struct err e = { 0 };
	int more = ask_advance(a);

	while (!more && a->rounds < TOKENS_ROUNDS && ask_is_stale(a))
		more = ask_advance(a);
	if (a->rounds == TOKENS_ROUNDS)
		ask_end(a, REFUSAL_unavailable, PLAN_NET_NONE,
		    "secrets change faster than they can be put in");
	else if (!more)
		ask_end(a, REFUSAL_none, PLAN_NET_NONE, NULL);
	else if (ask_send(a, &e) == -1)
		ask_end(a, REFUSAL_unavailable, ask_credential(a), e.msg);
}

/* ---- answers ---- */

static struct tokens_ask *
find_ask(struct tokens *t, uint32_t id)
{
	struct tokens_ask *a;

	TAILQ_FOREACH (a, &t->asks, link)
		if (a->id == id)
			return a;
	return NULL;
}

static int
on_token(struct tokens *t, struct err *e)
{
	struct vault_token m;
	struct tokens_ask *a;

	if (tokens_msg.size < sizeof(m))
		return err_set(e, ERR_CORRUPT, "a short VAULT_TOKEN");
	memcpy(&m, tokens_msg.body, sizeof(m));
	if (m.size == 0 || m.size != tokens_msg.size - sizeof(m))
		return err_set(e, ERR_CORRUPT, "a token of %u bytes", m.size);
	if ((a = find_ask(t, m.id)) == NULL)
		return 0; /* it was cancelled */
	if (guest_keep_token(t->guest, ask_credential(a),
		tokens_msg.body + sizeof(m), m.size, m.serial, e) == -1) {
		ask_end(a, REFUSAL_unavailable, ask_credential(a), e->msg);
		return 0;
	}
	grant(t, a, m.fresh_ms);
	a->next++;
	ask_go_on(a);
	return 0;
}

static const enum refusal_code reasons[VAULT_REASON__MAX] = {
	[VAULT_REASON_UNBOUND] = REFUSAL_credential_destination,
	[VAULT_REASON_MISSING] = REFUSAL_credential_missing,
	[VAULT_REASON_DESTINATION] = REFUSAL_credential_destination,
	[VAULT_REASON_USER] = REFUSAL_credential_destination,
	[VAULT_REASON_UNAVAILABLE] = REFUSAL_credential_missing,
};

/* Without it, where the policy says that it may go without. */
static void
ask_refused(struct tokens_ask *a, enum refusal_code code, const char *why)
{
	struct guest *g = a->tokens->guest;
	uint32_t c = ask_credential(a);

	guest_forget_token(g, c);
	if (code == REFUSAL_credential_missing &&
	    !plan_net_credential(g->net, c)->required) {
		a->next++;
		ask_go_on(a);
		return;
	}
	ask_end(a, code, c, why);
}

static int
on_refused(struct tokens *t, struct err *e)
{
	struct vault_refused m;
	struct tokens_ask *a;

	if (tokens_msg.size != sizeof(m))
		return err_set(e, ERR_CORRUPT, "a malformed VAULT_REFUSED");
	memcpy(&m, tokens_msg.body, sizeof(m));
	m.text[sizeof(m.text) - 1] = '\0';
	if (m.reason >= VAULT_REASON__MAX)
		return err_set(e, ERR_CORRUPT, "reason %u", m.reason);
	if ((a = find_ask(t, m.id)) != NULL)
		ask_refused(a, reasons[m.reason], m.text);
	return 0;
}

static int
on_message(struct tokens *t, struct err *e)
{
	int rc = -1;

	if (tokens_msg.nfds == 0 && tokens_msg.type == VAULT_TOKEN)
		rc = on_token(t, e);
	else if (tokens_msg.nfds == 0 && tokens_msg.type == VAULT_REFUSED)
		rc = on_refused(t, e);
	else
		(void)err_set(e, ERR_CORRUPT, "message %u", tokens_msg.type);
	ipc_drop_fds(&tokens_msg);
	secret_wipe(tokens_msg.body, tokens_msg.size);
	return rc;
}

/* Whoever waits is told; whoever comes is told at once. */
static void
tokens_lost(struct tokens *t, const struct err *e)
{
	struct tokens_ask *a;

	log_err(LOG_LEVEL_ERROR, "vault", e);
	loop_fd_destroy(take_ptr(&t->watch));
	fd_closep(&t->fd);
	while ((a = TAILQ_FIRST(&t->asks)) != NULL)
		ask_end(a, REFUSAL_unavailable, ask_credential(a),
		    "the vault is gone");
}

static void
on_ready(void *arg, unsigned ready)
{
	struct tokens *t = arg;
	struct err e = { 0 };
	int rc = ipc_recv(t->fd, &tokens_msg, &e);

	(void)ready;
	if (rc == 0)
		rc = err_set(&e, ERR_CONFLICT, "warder-vault has ended");
	else if (rc == 1)
		rc = on_message(t, &e);
	if (rc != -1)
		rc = loop_fd_want(t->watch, LOOP_READ, &e);
	if (rc == -1)
		tokens_lost(t, &e);
}

/* ---- from outside ---- */

int
tokens_create(struct guest *g, int fd, struct tokens **ret, struct err *e)
{
	struct tokens *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		(void)close(fd);
		return err_set(e, ERR_SYSTEM, "calloc");
	}
	t->guest = g;
	t->fd = fd;
	TAILQ_INIT(&t->asks);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    loop_fd_create(g->proxy->loop, fd, on_ready, t, &t->watch, e) ==
		-1 ||
	    loop_fd_want(t->watch, LOOP_READ, e) == -1) {
		tokens_destroy(t);
		return err_set(e, ERR_SYSTEM, "the vault's socket");
	}
	*ret = t;
	return 0;
}

void
tokens_destroy(struct tokens *t)
{
	if (t == NULL)
		return;
	while (!TAILQ_EMPTY(&t->asks))
		ask_free(TAILQ_FIRST(&t->asks));
	loop_fd_destroy(t->watch);
	fd_closep(&t->fd);
	free(t->grants);
	free(t);
}

int
tokens_renewable(const struct guest *g, const struct verdict *v)
{
	uint32_t i;

	for (i = 0; i < v->ninjects; i++)
		if (is_from_vault(g, v->injects[i]))
			return 1;
	return 0;
}

int
tokens_start(struct guest *g, const struct verdict *v, const char *host,
    uint32_t port, int again, tokens_fn *fn, void *arg, struct tokens_ask **ret,
    struct err *e)
{
	struct tokens_ask *a;

	*ret = NULL;
	if (!tokens_renewable(g, v))
		return 0;
	if (g->vault == NULL || g->vault->nasks == VAULT_ASKS_MAX)
		return err_set(e, ERR_LIMIT, "the vault cannot be asked");
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	a->tokens = g->vault;
	a->epoch = g->vault->epoch;
	a->ninjects = v->ninjects;
	memcpy(a->injects, v->injects, sizeof(a->injects));
	(void)snprintf(a->host, sizeof(a->host), "%s", host);
	a->port = port;
	a->again = again;
	a->fn = fn;
	a->arg = arg;
	TAILQ_INSERT_TAIL(&a->tokens->asks, a, link);
	a->tokens->nasks++;
	if (ask_advance(a)) {
		if (ask_send(a, e) == 0) {
			*ret = a;
			return 0;
		}
		ask_free(a);
		return -1;
	}
	ask_free(a);
	return 0;
}

void
tokens_cancel(struct tokens_ask *a)
{
	if (a != NULL)
		ask_free(a);
}
