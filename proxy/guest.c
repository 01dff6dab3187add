#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conn.h"
#include "dnsio.h"
#include "listener.h"
#include "memfd.h"
#include "mint.h"
#include "placeholder.h"
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

static void
guest_forget_secrets(struct guest *g)
{
	uint32_t i, n = plan_net_count(g->net, PLAN_NET_CREDENTIALS);

	for (i = 0; g->tokens != NULL && i < n; i++)
		secret_destroy(g->tokens[i]);
	free(g->tokens);
	g->tokens = NULL;
	free(take_ptr(&g->serials));
	free(g->values);
	g->values = NULL;
	inject_set_destroy(take_ptr(&g->inject));
	scrub_destroy(take_ptr(&g->scrub));
	secret_wipe(g->seed, sizeof(g->seed));
}

static void
guest_forget_cas(struct guest *g)
{
	uint32_t i, n = plan_net_count(g->net, PLAN_NET_SERVICES);

	for (i = 0; g->cas != NULL && i < n; i++)
		free(g->cas[i].text);
	free(g->cas);
	g->cas = NULL;
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
	free(g->counts);
	g->counts = NULL;
	if (g->net == NULL)
		return;
	guest_forget_secrets(g);
	guest_forget_cas(g);
	memfd_unmap(g->net, g->net_size);
	g->net = NULL;
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

/* ---- what the launcher brings ------------------------------------------- */

static int
guest_tables(struct guest *g, struct err *e)
{
	size_t services = plan_net_count(g->net, PLAN_NET_SERVICES) + 1;
	size_t credentials = plan_net_count(g->net, PLAN_NET_CREDENTIALS) + 1;

	g->counts = calloc(services, sizeof(*g->counts));
	g->cas = calloc(services, sizeof(*g->cas));
	g->tokens = calloc(credentials, sizeof(struct secret *));
	g->serials = calloc(credentials, sizeof(*g->serials));
	g->values = calloc(credentials, sizeof(*g->values));
	if (g->counts == NULL || g->cas == NULL || g->tokens == NULL ||
	    g->serials == NULL || g->values == NULL)
		return err_sys(e, ENOMEM, "the plan's tables");
	return 0;
}

int
guest_load(struct guest *g, const struct proxy_jail_add *m, int plan,
    struct err *e)
{
	const void *p;

	memcpy(g->run, m->run, sizeof(g->run));
	memcpy(g->policy, m->policy, sizeof(g->policy));
	memcpy(g->seed, m->seed, sizeof(g->seed));
	g->life_s = m->life_s;
	if (memfd_map(plan, PLAN_NET_SIZE_MAX, &p, &g->net_size, e) == -1)
		return err_wrap(e, "the plan");
	if (plan_net_check(p, g->net_size, e) == -1) {
		memfd_unmap(p, g->net_size);
		return -1;
	}
	g->net = p;
	return guest_tables(g, e);
}

int
guest_set_ca(struct guest *g, uint32_t service, int file, struct err *e)
{
	struct guest_ca *ca;
	const void *p;
	size_t n;

	if (service >= plan_net_count(g->net, PLAN_NET_SERVICES) ||
	    g->cas[service].text != NULL)
		return err_set(e, ERR_CORRUPT, "a CA for service %u", service);
	ca = &g->cas[service];
	if (memfd_map(file, PROXY_CA_FILE_MAX, &p, &n, e) == -1)
		return err_wrap(e, "a CA file");
	ca->text = malloc(n);
	if (ca->text != NULL)
		memcpy(ca->text, p, n);
	ca->size = n;
	memfd_unmap(p, n);
	return ca->text == NULL ? err_sys(e, ENOMEM, "a CA file") : 0;
}

/* Bytes that could end a header field, or hide in it, are refused here. */
static int
check_token(const struct guest *g, uint32_t credential, const void *p, size_t n,
    struct err *e)
{
	const unsigned char *b = p;
	size_t i;

	for (i = 0; i < n; i++)
		if (b[i] < ' ' || b[i] > '~')
			return err_set(e, ERR_INVALID,
			    "credential %s: its secret has a byte that cannot "
			    "be in a header",
			    plan_net_string(g->net,
				plan_net_credential(g->net, credential)->name));
	return 0;
}

int
guest_set_token(struct guest *g, uint32_t credential, const void *p, size_t n,
    struct err *e)
{
	if (credential >= plan_net_count(g->net, PLAN_NET_CREDENTIALS) ||
	    g->tokens[credential] != NULL)
		return err_set(e, ERR_CORRUPT, "a token for credential %u",
		    credential);
	if (check_token(g, credential, p, n, e) == -1)
		return -1;
	return secret_create(p, n, &g->tokens[credential], e);
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
guest_set_audit(struct guest *g, int fd, struct err *e)
{
	if (g->audit_fd != -1 || g->prepared) {
		(void)close(fd);
		return err_set(e, ERR_CORRUPT, "an audit log out of turn");
	}
	return record_open(g, fd, e);
}

/* ---- what the jail must know ---------------------------------------------- */

static int
is_inspected(const struct guest *g, const struct plan_net_destination *d)
{
	const struct plan_net_service *s = plan_net_service(g->net, d->service);
	struct net_address a;

	/* no certificate of ours can be for an address */
	return s->protocol == PLAN_NET_HTTP && s->inspect &&
	       d->tls == PLAN_NET_TLS_REQUIRED &&
	       !canon_host_address(plan_net_string(g->net, d->host), &a);
}

/* Destinations are sorted by host: a host's ports are neighbours. */
static size_t
inspected_hosts(const struct guest *g, const char **to)
{
	uint32_t i, n = plan_net_count(g->net, PLAN_NET_DESTINATIONS);
	size_t found = 0;

	for (i = 0; i < n; i++) {
		const struct plan_net_destination *d =
		    plan_net_destination(g->net, i);
		const char *host = plan_net_string(g->net, d->host);

		if (is_inspected(g, d) &&
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

static int
prepare_placeholders(struct guest *g, struct err *e)
{
	uint32_t i, n = plan_net_count(g->net, PLAN_NET_CREDENTIALS);
	autofree const char **values = calloc(n + 1, sizeof(*values));

	if (values == NULL)
		return err_sys(e, ENOMEM, "placeholders");
	for (i = 0; i < n; i++) {
		const struct plan_net_credential *c =
		    plan_net_credential(g->net, i);

		values[i] = g->values[i];
		if (c->placeholder_env == 0)
			continue;
		if (placeholder_make(g->seed, plan_net_string(g->net, c->name),
			c->shape, g->values[i], e) == -1)
			return -1;
		g->placeholders++;
	}
	return inject_set_create(g->net, values, &g->inject, e);
}

static const char *
basic_user(const struct guest *g, uint32_t credential)
{
	uint32_t i, n = plan_net_count(g->net, PLAN_NET_INJECTS);

	for (i = 0; i < n; i++) {
		const struct plan_net_inject *j = plan_net_inject(g->net, i);

		if (j->credential == credential && j->as == PLAN_NET_AS_BASIC)
			return plan_net_string(g->net, j->user);
	}
	return NULL;
}

/* All secrets of the jail at once, whatever service answers. */
static int
prepare_scrub(struct guest *g, struct err *e)
{
	uint32_t i, n = plan_net_count(g->net, PLAN_NET_CREDENTIALS);
	struct scrub_entry entries[PLAN_NET_CREDENTIALS_MAX];
	size_t used = 0;

	for (i = 0; i < n; i++) {
		if (!plan_net_credential(g->net, i)->scrub ||
		    g->tokens[i] == NULL)
			continue;
		entries[used++] = (struct scrub_entry){
			.secret = g->tokens[i],
			.user = basic_user(g, i),
			.replacement =
			    g->values[i][0] != '\0' ? g->values[i] : "*****",
		};
	}
	if (used > 0 && scrub_create(entries, used, &g->scrub, e) == -1)
		return err_wrap(e, "scrub_response");
	return 0;
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
		    g->values[i], sizeof(g->values[i]));
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
	if (prepare_tls(g, e) == -1 || prepare_placeholders(g, e) == -1 ||
	    prepare_scrub(g, e) == -1 || dnsio_create(g, &g->dns, e) == -1)
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

		if (g->tokens[j->credential] == NULL && c->required)
			return err_set(e, ERR_NOT_FOUND,
			    "credential %s has no secret",
			    plan_net_string(g->net, c->name));
		if (g->tokens[j->credential] == NULL)
			continue;
		ret->of[kept] = g->tokens[j->credential];
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
	autosecret *s = NULL;
	struct scrub *old = g->scrub;

	if (g->tokens[credential] != NULL && g->serials[credential] == serial &&
	    secret_equal(g->tokens[credential], p, n))
		return 0;
	if (check_token(g, credential, p, n, e) == -1 ||
	    secret_create(p, n, &s, e) == -1)
		return -1;
	tokens_forget(g->vault, credential);
	secret_destroy(g->tokens[credential]);
	g->tokens[credential] = take_ptr(&s);
	g->serials[credential] = serial;
	g->scrub = NULL;
	if (prepare_scrub(g, e) == -1) {
		g->scrub = old;
		guest_forget_token(g, credential);
		return -1;
	}
	scrub_destroy(old);
	return 0;
}

void
guest_forget_token(struct guest *g, uint32_t credential)
{
	secret_destroy(take_ptr(&g->tokens[credential]));
	g->serials[credential] = 0;
}

uint64_t
guest_serial(const struct guest *g, uint32_t credential)
{
	return g->serials[credential];
}

int
guest_scrubs(const struct guest *g, const struct verdict *v)
{
	const struct plan_net_service *s = plan_net_service(g->net, v->service);
	uint32_t i;

	for (i = 0; g->scrub != NULL && i < s->ninjects; i++) {
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
	const struct guest_ca *ca = &g->cas[v->service];
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
	    g->counts == NULL ? &none : g->counts, (n + 1) * sizeof(none), e);

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

	return &g->counts[service < n ? service : n];
}
