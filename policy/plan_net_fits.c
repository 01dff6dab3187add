/* plan_net_fits.c: what a live jail cannot be given. */
#include <string.h>

#include "canon.h"
#include "plan_net.h"

/* Strings of two plans; the empty one is "not given" in both. */
static int
is_same_string(const struct plan_net *a, net_str i, const struct plan_net *b,
    net_str j)
{
	return strcmp(plan_net_string(a, i), plan_net_string(b, j)) == 0;
}

/* Credentials are sorted by name, but few. */
static uint32_t
find_credential(const struct plan_net *in, const struct plan_net *net,
    uint32_t credential)
{
	net_str name = plan_net_credential(net, credential)->name;
	uint32_t i, n = plan_net_count(in, PLAN_NET_CREDENTIALS);

	for (i = 0; i < n; i++)
		if (is_same_string(in, plan_net_credential(in, i)->name, net,
			name))
			return i;
	return PLAN_NET_NONE;
}

int
plan_net_inspects(const struct plan_net *net, uint32_t destination)
{
	const struct plan_net_destination *d =
	    plan_net_destination(net, destination);
	const struct plan_net_service *s = plan_net_service(net, d->service);
	struct net_address a;

	/* no certificate of ours can be for an address */
	return s->protocol == PLAN_NET_HTTP && s->inspect &&
	       d->tls == PLAN_NET_TLS_REQUIRED &&
	       !canon_host_address(plan_net_string(net, d->host), &a);
}

/* The secret is where it was, and the jail has what stands for it. */
static int
is_same_credential(const struct plan_net *a, uint32_t i,
    const struct plan_net *b, uint32_t j)
{
	const struct plan_net_credential *c = plan_net_credential(a, i);
	const struct plan_net_credential *d = plan_net_credential(b, j);

	return c->source == d->source &&
	       is_same_string(a, c->source_name, b, d->source_name) &&
	       is_same_string(a, c->placeholder_env, b, d->placeholder_env) &&
	       (c->placeholder_env == 0 || c->shape == d->shape);
}

static int
fits_credentials(const struct plan_net *first, const struct plan_net *next,
    struct err *e)
{
	uint32_t i, j, n = plan_net_count(next, PLAN_NET_CREDENTIALS);

	for (i = 0; i < n; i++) {
		j = find_credential(first, next, i);
		if (j != PLAN_NET_NONE && is_same_credential(first, j, next, i))
			continue;
		return err_set(e, ERR_CONFLICT, "credential %s: %s",
		    plan_net_string(next, plan_net_credential(next, i)->name),
		    j == PLAN_NET_NONE
			? "the jail did not begin with it"
			: "its source or its placeholder is another than the "
			  "jail began with");
	}
	return 0;
}

/* "*" is exactly one label; a pattern covers itself. */
static int
is_covered(const char *pattern, const char *host)
{
	const char *rest = strchr(host, '.');

	if (strcmp(pattern, host) == 0)
		return 1;
	return pattern[0] == '*' && host[0] != '*' && rest != NULL &&
	       strcmp(pattern + 1, rest) == 0;
}

static int
has_certificate(const struct plan_net *first, const char *host)
{
	uint32_t i, n = plan_net_count(first, PLAN_NET_DESTINATIONS);

	for (i = 0; i < n; i++)
		if (plan_net_inspects(first, i) &&
		    is_covered(plan_net_string(first,
				   plan_net_destination(first, i)->host),
			host))
			return 1;
	return 0;
}

static int
fits_hosts(const struct plan_net *first, const struct plan_net *next,
    struct err *e)
{
	uint32_t i, n = plan_net_count(next, PLAN_NET_DESTINATIONS);

	for (i = 0; i < n; i++) {
		const char *host =
		    plan_net_string(next, plan_net_destination(next, i)->host);

		if (plan_net_inspects(next, i) && !has_certificate(first, host))
			return err_set(e, ERR_CONFLICT,
			    "host %s is to be inspected, and the jail's "
			    "authority has no name for it",
			    host);
	}
	return 0;
}

int
plan_net_fits(const struct plan_net *first, const struct plan_net *next,
    struct err *e)
{
	return fits_credentials(first, next, e) == -1 ||
		       fits_hosts(first, next, e) == -1
		   ? -1
		   : 0;
}
