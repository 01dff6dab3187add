#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conn.h"
#include "dnsio.h"
#include "listener.h"
#include "log.h"
#include "memfd.h"
#include "mint.h"
#include "record.h"
#include "secret.h"
#include "tokens.h"
#include "upstream.h"

struct guest *
guest_find(const struct proxy *p, uint32_t number)
{
	size_t i;

	for (i = 0; i < PROXY_JAILS_MAX; i++)
		if (p->guests[i] != NULL && p->guests[i]->number == number)
			return p->guests[i];
	return NULL;
}

uint32_t
guest_number(const struct guest *g)
{
	return g->number;
}

int
guest_failed(const struct guest *g)
{
	return g->failed;
}

int
guest_create(struct proxy *p, uint32_t number, struct guest **ret,
    struct err *e)
{
	struct guest *g = calloc(1, sizeof(*g));
	size_t i;

	if (g == NULL)
		return err_sys(e, ENOMEM, "jail %u", number);
	for (i = 0; i < PROXY_JAILS_MAX && p->guests[i] != NULL; i++)
		;
	if (i == PROXY_JAILS_MAX) {
		free(g);
		return err_set(e, ERR_CORRUPT, "more than %d jails",
		    PROXY_JAILS_MAX);
	}
	g->proxy = p;
	g->number = number;
	g->audit_fd = -1;
	TAILQ_INIT(&g->conns);
	p->guests[i] = g;
	*ret = g;
	return 0;
}

/* Connections first: they hold everything else. */
void
guest_fail(struct guest *g)
{
	struct conn *c;
	size_t i;

	g->failed = 1;
	while ((c = TAILQ_FIRST(&g->conns)) != NULL)
		conn_destroy(c);
	names_forget(&g->names);
	while (g->nlisteners > 0)
		listener_destroy(g->listeners[--g->nlisteners]);
	record_close(g);
	tokens_destroy(take_ptr(&g->vault));
	dnsio_destroy(take_ptr(&g->dns));
	for (i = 0; i < GUEST_POOLS_MAX; i++)
		upstream_pool_destroy(take_ptr(&g->pools[i].pool));
	tls_server_destroy(take_ptr(&g->tls));
	mint_destroy(take_ptr(&g->mint));
	loop_timer_destroy(take_ptr(&g->retired));
	generation_drop(take_ptr(&g->next));
	generation_drop(take_ptr(&g->first));
	generation_drop(take_ptr(&g->now));
	g->net = NULL;
	secret_wipe(g->seed, sizeof(g->seed));
}

void
guest_destroy(struct guest *g)
{
	size_t i;

	if (g == NULL)
		return;
	guest_fail(g);
	for (i = 0; i < PROXY_JAILS_MAX; i++)
		if (g->proxy->guests[i] == g)
			g->proxy->guests[i] = NULL;
	free(g);
}

/* ---- another generation --------------------------------------------------- */

/*
 * Connections to services are not asked for anew: none that an earlier
 * generation has opened carries another request.  1: some are still in use.
 */
static int
guest_end_retired(struct guest *g)
{
	int left = 0;
	size_t i;

	for (i = 0; i < GUEST_POOLS_MAX; i++) {
		struct guest_pool *p = &g->pools[i];

		if (p->pool == NULL || p->service != PLAN_NET_NONE)
			continue;
		if (upstream_pool_is_idle(p->pool))
			upstream_pool_destroy(take_ptr(&p->pool));
		else
			left = 1;
	}
	return left;
}

/* Without the timer they stay until their room is wanted: see pool_room. */
static void
guest_retired(void *arg)
{
	struct guest *g = arg;
	struct err e = { 0 };

	if (guest_end_retired(g) &&
	    loop_timer_set(g->retired, PROXY_RETIRED_MS, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "reload", &e);
}

void
guest_put_in_force(struct guest *g, struct generation *n)
{
	size_t i;

	for (i = 0; i < GUEST_POOLS_MAX; i++)
		g->pools[i].service = PLAN_NET_NONE;
	if (g->vault != NULL)
		tokens_forget_all(g->vault);
	generation_drop(g->now);
	g->now = n;
	g->net = n->net;
	guest_retired(g);
}

/* ---- what the launcher brings ------------------------------------------- */

int
guest_load(struct guest *g, const struct proxy_jail_add *m, int plan,
    struct err *e)
{
	memcpy(g->run, m->run, sizeof(g->run));
	memcpy(g->seed, m->seed, sizeof(g->seed));
	g->life_s = m->life_s;
	if (generation_create(plan, m->policy, &g->now, e) == -1)
		return -1;
	g->net = g->now->net;
	g->first = generation_hold(g->now);
	return 0;
}

/* The one that messages are about; NULL: they come out of turn. */
static struct generation *
guest_loading(const struct guest *g)
{
	return g->prepared ? g->next : g->now;
}

/* What is wrong with a candidate is said when it is to be put in force. */
static int
guest_loaded(struct guest *g, int rc, struct err *e)
{
	if (rc == 0 || !g->prepared)
		return rc;
	g->next_failed = *e;
	return 0;
}

int
guest_set_ca(struct guest *g, uint32_t service, int file, struct err *e)
{
	struct generation *n = guest_loading(g);

	if (g->next_failed.code != ERR_OK)
		return 0;
	if (n == NULL)
		return err_set(e, ERR_CORRUPT, "a CA out of turn");
	return guest_loaded(g, generation_set_ca(n, service, file, e), e);
}

int
guest_set_token(struct guest *g, uint32_t credential, const void *p, size_t n,
    struct err *e)
{
	struct generation *to = guest_loading(g);

	if (g->next_failed.code != ERR_OK)
		return 0;
	if (to == NULL)
		return err_set(e, ERR_CORRUPT, "a token out of turn");
	return guest_loaded(g, generation_set_token(to, credential, p, n, e),
	    e);
}

int
guest_set_plan(struct guest *g, const struct proxy_jail_plan *m, int plan,
    struct err *e)
{
	int rc = 0;

	if (!g->prepared)
		return err_set(e, ERR_CORRUPT, "another plan out of turn");
	generation_drop(take_ptr(&g->next));
	g->next_failed = (struct err){ 0 };
	if (g->retired == NULL)
		rc = loop_timer_create(g->proxy->loop, guest_retired, g,
		    &g->retired, e);
	if (rc == 0)
		rc = generation_create(plan, m->policy, &g->next, e);
	return guest_loaded(g, rc, e);
}

int
guest_set_vault(struct guest *g, int fd, struct err *e)
{
	if (g->vault != NULL || g->prepared) {
		(void)close(fd);
		return err_set(e, ERR_CORRUPT, "a vault out of turn");
	}
	return tokens_create(g, fd, &g->vault, e);
}

int
guest_set_audit(struct guest *g, int fd, struct proxy_audit_ended *ret,
    struct err *e)
{
	if (g->audit_asked)
		return record_next(g, fd, ret, e);
	if (g->audit_fd != -1 || g->prepared) {
		(void)close(fd);
		return err_set(e, ERR_CORRUPT, "an audit log out of turn");
	}
	return record_open(g, fd, e);
}

/* ---- what the jail must know ---------------------------------------------- */

/* Destinations are sorted by host: a host's ports are neighbours. */
static size_t
inspected_hosts(const struct guest *g, const char **to)
{
	uint32_t i, n = plan_net_count(g->net, PLAN_NET_DESTINATIONS);
	size_t found = 0;

	for (i = 0; i < n; i++) {
		const char *host = plan_net_string(g->net,
		    plan_net_destination(g->net, i)->host);

		if (plan_net_inspects(g->net, i) &&
		    (found == 0 || strcmp(to[found - 1], host) != 0))
			to[found++] = host;
	}
	return found;
}

static int
prepare_tls(struct guest *g, struct err *e)
{
	size_t n = plan_net_count(g->net, PLAN_NET_DESTINATIONS);
	autofree const char **hosts = calloc(n + 1, sizeof(*hosts));
	struct tls_server_options so = { conn_choose, "http/1.1" };
	struct mint_options o = { .jail = g->run,
		.hosts = hosts,
		.start_s = (int64_t)time(NULL),
		.life_s = g->life_s };
	int rc;

	if (hosts == NULL)
		return err_sys(e, ENOMEM, "the jail's authority");
	o.nhosts = inspected_hosts(g, hosts);
	if (o.nhosts == 0)
		return 0;
	memcpy(o.seed, g->seed, sizeof(o.seed));
	rc = mint_create(&o, &g->mint, e);
	secret_wipe(o.seed, sizeof(o.seed));
	if (rc == -1)
		return err_wrap(e, "the jail's authority");
	return tls_server_create(&so, &g->tls, e);
}

/* | certificate | a struct proxy_placeholder each | one byte | */
static int
ready_memfd(const struct guest *g, struct proxy_ready *ret, struct err *e)
{
	const char *pem = g->mint == NULL ? "" : mint_pem(g->mint);
	size_t ca = strlen(pem);
	uint32_t i, n = plan_net_count(g->net, PLAN_NET_CREDENTIALS);
	size_t size = ca + n * sizeof(struct proxy_placeholder) + 1;
	autofree char *all = calloc(1, size);

	if (all == NULL)
		return err_sys(e, ENOMEM, "an answer");
	memcpy(all, pem, ca);
	for (i = 0; i < n; i++)
		memcpy(all + ca + i * sizeof(struct proxy_placeholder),
		    g->now->values[i], sizeof(g->now->values[i]));
	ret->ca_size = (uint32_t)ca;
	if (g->mint != NULL)
		(void)snprintf(ret->ca_hash, sizeof(ret->ca_hash), "%s",
		    mint_hash(g->mint));
	ret->credentials = n;
	return memfd_create_sealed("warder-trust", all, size, e);
}

int
guest_prepare(struct guest *g, struct proxy_ready *ret, int *ret_fd,
    struct err *e)
{
	int fd;

	if (g->prepared)
		return err_set(e, ERR_CORRUPT, "a jail is prepared once");
	if (g->audit_fd == -1)
		return err_set(e, ERR_CORRUPT, "a jail without an audit log");
	if (prepare_tls(g, e) == -1 ||
	    generation_prepare(g->now, g->seed, e) == -1 ||
	    dnsio_create(g, &g->dns, e) == -1)
		return -1;
	ret->jail = g->number;
	if ((fd = ready_memfd(g, ret, e)) == -1)
		return -1;
	g->prepared = 1;
	*ret_fd = fd;
	return 0;
}

int
guest_leaf(struct guest *g, const char *host, const struct tls_identity **ret,
    struct err *e)
{
	if (g->mint == NULL)
		return err_set(e, ERR_DENIED, "nothing is inspected");
	return mint_leaf(g->mint, host, (int64_t)time(NULL), ret, e);
}

/* ---- credentials ------------------------------------------------------------ */

int
guest_secrets(struct guest *g, struct verdict *v, struct inject_secrets *ret,
    struct err *e)
{
	uint32_t i, kept = 0;

	for (i = 0; i < v->ninjects; i++) {
		const struct plan_net_inject *j =
		    plan_net_inject(g->net, v->injects[i]);
		const struct plan_net_credential *c =
		    plan_net_credential(g->net, j->credential);

		const struct secret *token = g->now->tokens[j->credential];

		if (token == NULL && c->required)
			return err_set(e, ERR_NOT_FOUND,
			    "credential %s has no secret",
			    plan_net_string(g->net, c->name));
		if (token == NULL)
			continue;
		ret->of[kept] = token;
		v->injects[kept++] = v->injects[i];
	}
	v->ninjects = kept;
	guest_count(g, v->service)->injected += kept;
	return 0;
}

int
guest_keep_token(struct guest *g, uint32_t credential, const void *p, size_t n,
    uint64_t serial, struct err *e)
{
	int rc = generation_keep_token(g->now, credential, p, n, serial, e);

	if (rc != 0)
		tokens_forget(g->vault, credential);
	return rc == -1 ? -1 : 0;
}

void
guest_forget_token(struct guest *g, uint32_t credential)
{
	generation_forget_token(g->now, credential);
}

uint64_t
guest_serial(const struct guest *g, uint32_t credential)
{
	return g->now->serials[credential];
}

int
guest_scrubs(const struct guest *g, const struct verdict *v)
{
	const struct plan_net_service *s = plan_net_service(g->net, v->service);
	uint32_t i;

	for (i = 0; g->now->scrub != NULL && i < s->ninjects; i++) {
		const struct plan_net_inject *j =
		    plan_net_inject(g->net, s->first_inject + i);

		if (plan_net_credential(g->net, j->credential)->scrub)
			return 1;
	}
	return 0;
}

/* ---- pools -------------------------------------------------------------------- */

static uint32_t
inject_mask(const struct guest *g, const struct verdict *v)
{
	uint32_t first = plan_net_service(g->net, v->service)->first_inject;
	uint32_t i, mask = 0;

	for (i = 0; i < v->ninjects; i++)
		mask |= 1u << (v->injects[i] - first);
	return mask;
}

/* One that is free, or the one that has waited longest. */
static struct guest_pool *
pool_room(struct guest *g)
{
	struct guest_pool *oldest = NULL;
	size_t i;

	for (i = 0; i < GUEST_POOLS_MAX; i++) {
		struct guest_pool *p = &g->pools[i];

		if (p->pool == NULL)
			return p;
		if (upstream_pool_is_idle(p->pool) &&
		    (oldest == NULL || p->used < oldest->used))
			oldest = p;
	}
	if (oldest != NULL)
		upstream_pool_destroy(take_ptr(&oldest->pool));
	return oldest;
}

int
guest_pool(struct guest *g, const struct verdict *v, struct upstream_pool **ret,
    struct err *e)
{
	const struct generation_ca *ca = &g->now->cas[v->service];
	uint32_t mask = inject_mask(g, v);
	struct guest_pool *p;
	size_t i;

	for (i = 0; i < GUEST_POOLS_MAX; i++) {
		p = &g->pools[i];
		if (p->pool != NULL && p->service == v->service &&
		    p->injects == mask)
			break;
	}
	if (i == GUEST_POOLS_MAX && (p = pool_room(g)) == NULL)
		return err_set(e, ERR_LIMIT, "%d services at the same time",
		    GUEST_POOLS_MAX);
	if (p->pool == NULL &&
	    upstream_pool_create(g->proxy->upstream, &g->nkept, ca->text,
		ca->size, &p->pool, e) == -1)
		return -1;
	p->service = v->service;
	p->injects = mask;
	p->used = ++g->pool_uses;
	*ret = p->pool;
	return 0;
}

/* ---- listeners, the end --------------------------------------------------------- */

void
guest_name_of(struct guest *g, const struct net_address *a,
    char ret[CANON_HOST_SIZE])
{
	const char *name = dnsio_name(g->dns, a);

	if (name != NULL)
		memcpy(ret, name, strlen(name) + 1);
	else
		canon_address(a, ret);
}

int
guest_listen(struct guest *g, uint32_t role, int fd, struct err *e)
{
	autofd own = fd;

	if (!g->prepared || g->nlisteners == GUEST_LISTENERS_MAX)
		return err_set(e, ERR_CORRUPT, "a listener too early or many");
	if (listener_create(g, role, take_fd(&own),
		&g->listeners[g->nlisteners], e) == -1)
		return -1;
	g->nlisteners++;
	return 0;
}

int
guest_summary(struct guest *g, struct proxy_removed *ret, int *ret_fd,
    struct err *e)
{
	uint32_t n = g->failed ? 0 : plan_net_count(g->net, PLAN_NET_SERVICES);
	static const struct proxy_count none;
	int fd = memfd_create_sealed("warder-summary",
	    g->failed ? &none : g->now->counts, (n + 1) * sizeof(none), e);

	if (fd == -1)
		return -1;
	record_close(g);
	ret->jail = g->number;
	ret->services = n;
	ret->audit_lines = g->audit.head.seq;
	memcpy(ret->audit_digest, g->audit.head.digest,
	    sizeof(ret->audit_digest));
	*ret_fd = fd;
	return 0;
}

/* ---- caps --------------------------------------------------------------- */

int
guest_has_room(const struct guest *g)
{
	return !g->failed && g->nconns < PROXY_CONNECTIONS_MAX &&
	       g->proxy->nconns < g->proxy->nconns_max;
}

void
guest_enter(struct guest *g)
{
	g->nconns++;
	g->proxy->nconns++;
}

static void
guest_resume(struct guest *g)
{
	unsigned i;

	for (i = 0; i < g->nlisteners; i++)
		listener_resume(g->listeners[i]);
}

/* Others may have waited for the proxy's own cap. */
void
guest_leave(struct guest *g)
{
	int full = g->proxy->nconns == g->proxy->nconns_max;
	size_t i;

	g->nconns--;
	g->proxy->nconns--;
	guest_resume(g);
	for (i = 0; full && i < PROXY_JAILS_MAX; i++)
		if (g->proxy->guests[i] != NULL)
			guest_resume(g->proxy->guests[i]);
}

struct proxy_count *
guest_count(struct guest *g, uint32_t service)
{
	uint32_t n = plan_net_count(g->net, PLAN_NET_SERVICES);

	return &g->now->counts[service < n ? service : n];
}
