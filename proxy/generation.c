#include "generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memfd.h"
#include "placeholder.h"
#include "secret.h"

/* ---- from the launcher's plan, to the end ---- */

static int
generation_tables(struct generation *n, struct err *e)
{
	size_t services = plan_net_count(n->net, PLAN_NET_SERVICES) + 1;
	size_t credentials = plan_net_count(n->net, PLAN_NET_CREDENTIALS) + 1;

	n->counts = calloc(services, sizeof(*n->counts));
	n->cas = calloc(services, sizeof(*n->cas));
	n->tokens = calloc(credentials, sizeof(struct secret *));
	n->past = calloc(credentials, sizeof(*n->past));
	n->serials = calloc(credentials, sizeof(*n->serials));
	n->values = calloc(credentials, sizeof(*n->values));
	if (n->counts == NULL || n->cas == NULL || n->tokens == NULL ||
	    n->past == NULL || n->serials == NULL || n->values == NULL)
		return err_sys(e, ENOMEM, "the plan's tables");
	return 0;
}

static int
generation_map(struct generation *n, int plan, struct err *e)
{
	const void *p;

	if (memfd_map(plan, PLAN_NET_SIZE_MAX, &p, &n->net_size, e) == -1)
		return err_wrap(e, "the plan");
	if (plan_net_check(p, n->net_size, e) == -1) {
		memfd_unmap(p, n->net_size);
		return -1;
	}
	n->net = p;
	return 0;
}

int
generation_create(int plan, const unsigned char *policy,
    struct generation **ret, struct err *e)
{
	struct generation *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return err_sys(e, ENOMEM, "a policy");
	n->holders = 1;
	memcpy(n->policy, policy, sizeof(n->policy));
	if (generation_map(n, plan, e) == -1 || generation_tables(n, e) == -1) {
		generation_drop(n);
		return -1;
	}
	*ret = n;
	return 0;
}

struct generation *
generation_hold(struct generation *n)
{
	n->holders++;
	return n;
}

static void
generation_forget_past(struct generation *n, uint32_t credential)
{
	uint32_t i;

	for (i = 0; i < PROXY_TOKENS_PAST; i++)
		secret_destroy(take_ptr(&n->past[credential][i]));
}

void
generation_retire(struct generation *n)
{
	uint32_t i, count = plan_net_count(n->net, PLAN_NET_CREDENTIALS);

	for (i = 0; n->tokens != NULL && n->past != NULL && i < count; i++) {
		generation_forget_token(n, i);
		generation_forget_past(n, i);
	}
	scrub_destroy(take_ptr(&n->scrub));
}

static void
generation_forget_cas(struct generation *n)
{
	uint32_t i, count = plan_net_count(n->net, PLAN_NET_SERVICES);

	for (i = 0; n->cas != NULL && i < count; i++)
		free(n->cas[i].text);
	free(n->cas);
}

void
generation_drop(struct generation *n)
{
	if (n == NULL || --n->holders > 0)
		return;
	if (n->net != NULL) {
		generation_retire(n);
		generation_forget_cas(n);
		inject_set_destroy(n->inject);
		memfd_unmap(n->net, n->net_size);
	}
	free(n->counts);
	free(n->tokens);
	free(n->past);
	free(n->serials);
	free(n->values);
	free(n);
}

/* ---- what the launcher brings ---- */

int
generation_set_ca(struct generation *n, uint32_t service, int file,
    struct err *e)
{
	struct generation_ca *ca;
	const void *p;
	size_t size;

	if (service >= plan_net_count(n->net, PLAN_NET_SERVICES) ||
	    n->cas[service].text != NULL)
		return err_set(e, ERR_CORRUPT, "a CA for service %u", service);
	ca = &n->cas[service];
	if (memfd_map(file, PROXY_CA_FILE_MAX, &p, &size, e) == -1)
		return err_wrap(e, "a CA file");
	ca->text = malloc(size);
	if (ca->text != NULL)
		memcpy(ca->text, p, size);
	ca->size = size;
	memfd_unmap(p, size);
	return ca->text == NULL ? err_sys(e, ENOMEM, "a CA file") : 0;
}

/* Bytes that could end a header field, or hide in it, are refused here. */
static int
check_token(const struct generation *n, uint32_t credential, const void *p,
    size_t size, struct err *e)
{
	const unsigned char *b = p;
	size_t i;

	for (i = 0; i < size; i++)
		if (b[i] < ' ' || b[i] > '~')
			return err_set(e, ERR_INVALID,
			    "credential %s: its secret has a byte that cannot "
			    "be in a header",
			    plan_net_string(n->net,
				plan_net_credential(n->net, credential)->name));
	return 0;
}

int
generation_set_token(struct generation *n, uint32_t credential, const void *p,
    size_t size, struct err *e)
{
	if (credential >= plan_net_count(n->net, PLAN_NET_CREDENTIALS) ||
	    n->tokens[credential] != NULL)
		return err_set(e, ERR_CORRUPT, "a token for credential %u",
		    credential);
	if (check_token(n, credential, p, size, e) == -1)
		return -1;
	return secret_create(p, size, &n->tokens[credential], e);
}

/* ---- what is made of it ---- */

static int
prepare_placeholders(struct generation *n, const unsigned char *seed,
    struct err *e)
{
	uint32_t i, count = plan_net_count(n->net, PLAN_NET_CREDENTIALS);
	autofree const char **values = calloc(count + 1, sizeof(*values));

	if (values == NULL)
		return err_sys(e, ENOMEM, "placeholders");
	for (i = 0; i < count; i++) {
		const struct plan_net_credential *c =
		    plan_net_credential(n->net, i);

		values[i] = n->values[i];
		if (c->placeholder_env == 0)
			continue;
		if (placeholder_make(seed, plan_net_string(n->net, c->name),
			c->shape, n->values[i], e) == -1)
			return -1;
		n->placeholders++;
	}
	return inject_set_create(n->net, values, &n->inject, e);
}

static const char *
basic_user(const struct generation *n, uint32_t credential)
{
	uint32_t i, count = plan_net_count(n->net, PLAN_NET_INJECTS);

	for (i = 0; i < count; i++) {
		const struct plan_net_inject *j = plan_net_inject(n->net, i);

		if (j->credential == credential && j->as == PLAN_NET_AS_BASIC)
			return plan_net_string(n->net, j->user);
	}
	return NULL;
}

/* Of one age: the present ones (0), those before them (1), … */
static size_t
scrub_entries(const struct generation *n, uint32_t age, struct scrub_entry *to,
    size_t room)
{
	uint32_t i, count = plan_net_count(n->net, PLAN_NET_CREDENTIALS);
	size_t used = 0;

	for (i = 0; i < count && used < room; i++) {
		const struct secret *s =
		    age == 0 ? n->tokens[i] : n->past[i][age - 1];

		if (!plan_net_credential(n->net, i)->scrub || s == NULL)
			continue;
		to[used++] = (struct scrub_entry){
			.secret = s,
			.user = basic_user(n, i),
			.replacement =
			    n->values[i][0] != '\0' ? n->values[i] : "*****",
		};
	}
	return used;
}

static int
scrub_back_to(struct generation *n, uint32_t age, struct err *e)
{
	struct scrub_entry entries[SCRUB_SECRETS_MAX];
	size_t used = 0;
	uint32_t i;

	for (i = 0; i <= age; i++)
		used += scrub_entries(n, i, entries + used,
		    countof(entries) - used);
	return used > 0 ? scrub_create(entries, used, &n->scrub, e) : 0;
}

/*
 * All secrets of the jail at once, whatever service answers, and as many of
 * the earlier ones as their forms leave room for.
 */
static int
prepare_scrub(struct generation *n, struct err *e)
{
	uint32_t age = PROXY_TOKENS_PAST;
	int rc = scrub_back_to(n, age, e);

	while (rc == -1 && e->code == ERR_LIMIT && age > 0)
		rc = scrub_back_to(n, --age, e);
	return rc == -1 ? err_wrap(e, "scrub_response") : 0;
}

int
generation_prepare(struct generation *n, const unsigned char *seed,
    struct err *e)
{
	return prepare_placeholders(n, seed, e) == -1 ||
		       prepare_scrub(n, e) == -1
		   ? -1
		   : 0;
}

/* ---- after another one ---- */

static int
inherit_secret(struct generation *n, uint32_t credential, uint32_t *used,
    const struct secret *s, struct err *e)
{
	struct secret **past = n->past[credential];
	const struct secret *now = n->tokens[credential];

	if (s == NULL || *used == PROXY_TOKENS_PAST ||
	    (now != NULL && secret_equal(now, secret_bytes(s), secret_size(s))))
		return 0;
	return secret_create(secret_bytes(s), secret_size(s), &past[(*used)++],
	    e);
}

static int
inherit_credential(struct generation *n, uint32_t to,
    const struct generation *from, uint32_t credential, struct err *e)
{
	uint32_t i, used = 0;

	if (inherit_secret(n, to, &used, from->tokens[credential], e) == -1)
		return -1;
	for (i = 0; i < PROXY_TOKENS_PAST; i++)
		if (inherit_secret(n, to, &used, from->past[credential][i],
			e) == -1)
			return -1;
	return 0;
}

static const char *
credential_name(const struct generation *n, uint32_t credential)
{
	return plan_net_string(n->net,
	    plan_net_credential(n->net, credential)->name);
}

int
generation_inherit(struct generation *n, const struct generation *from,
    struct err *e)
{
	uint32_t i, j;

	for (i = 0; i < plan_net_count(n->net, PLAN_NET_CREDENTIALS); i++)
		for (j = 0; j < plan_net_count(from->net, PLAN_NET_CREDENTIALS);
		     j++)
			if (strcmp(credential_name(n, i),
				credential_name(from, j)) == 0 &&
			    inherit_credential(n, i, from, j, e) == -1)
				return -1;
	return 0;
}

/* ---- secrets of the vault ---- */

int
generation_keep_token(struct generation *n, uint32_t credential, const void *p,
    size_t size, uint64_t serial, struct err *e)
{
	autosecret *s = NULL;
	struct scrub *old = n->scrub;

	if (n->tokens[credential] != NULL && n->serials[credential] == serial &&
	    secret_equal(n->tokens[credential], p, size))
		return 0;
	if (check_token(n, credential, p, size, e) == -1 ||
	    secret_create(p, size, &s, e) == -1)
		return -1;
	generation_forget_token(n, credential);
	n->tokens[credential] = take_ptr(&s);
	n->serials[credential] = serial;
	n->scrub = NULL;
	if (prepare_scrub(n, e) == -1) {
		n->scrub = old;
		secret_destroy(take_ptr(&n->tokens[credential]));
		n->serials[credential] = 0;
		return -1;
	}
	scrub_destroy(old);
	return 1;
}

void
generation_forget_token(struct generation *n, uint32_t credential)
{
	struct secret **past = n->past[credential];
	uint32_t i;

	n->serials[credential] = 0;
	if (n->tokens[credential] == NULL)
		return;
	secret_destroy(past[PROXY_TOKENS_PAST - 1]);
	for (i = PROXY_TOKENS_PAST - 1; i > 0; i--)
		past[i] = past[i - 1];
	past[0] = take_ptr(&n->tokens[credential]);
}
