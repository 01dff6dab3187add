/* reload_compare.c: does a verdict mean what another plan's meant? */
#include <string.h>

#include "reload.h"

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

uint32_t
reload_credential(const struct reload *r, uint32_t credential)
{
	return find_credential(r->to->net, r->from->net, credential);
}

static int
is_same_address(const struct net_address *a, const struct net_address *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static int
is_same_ca(const struct generation_ca *a, const struct generation_ca *b)
{
	return (a->text == NULL) == (b->text == NULL) && a->size == b->size &&
	       (a->text == NULL || memcmp(a->text, b->text, a->size) == 0);
}

static int
is_same_service(const struct reload *r, uint32_t was, uint32_t is)
{
	const struct plan_net_service *a = plan_net_service(r->from->net, was);
	const struct plan_net_service *b = plan_net_service(r->to->net, is);

	return a->protocol == b->protocol && a->inspect == b->inspect &&
	       a->dial_port == b->dial_port &&
	       is_same_address(&a->dial, &b->dial) &&
	       is_same_ca(&r->from->cas[was], &r->to->cas[is]);
}

static int
is_same_inject(const struct reload *r, uint32_t was, uint32_t is)
{
	const struct plan_net *x = r->from->net, *y = r->to->net;
	const struct plan_net_inject *a = plan_net_inject(x, was);
	const struct plan_net_inject *b = plan_net_inject(y, is);

	return reload_credential(r, a->credential) == b->credential &&
	       plan_net_credential(x, a->credential)->scrub ==
		   plan_net_credential(y, b->credential)->scrub &&
	       a->as == b->as && is_same_string(x, a->header, y, b->header) &&
	       is_same_string(x, a->format, y, b->format) &&
	       is_same_string(x, a->user, y, b->user);
}

int
reload_is_same(const struct reload *r, const struct verdict *was,
    const struct verdict *is)
{
	uint32_t i;

	if (was->handling != is->handling || was->ninjects != is->ninjects ||
	    was->strip != is->strip || was->strip_own != is->strip_own ||
	    was->service == PLAN_NET_NONE || is->service == PLAN_NET_NONE ||
	    !is_same_service(r, was->service, is->service))
		return 0;
	for (i = 0; i < was->ninjects; i++)
		if (!is_same_inject(r, was->injects[i], is->injects[i]))
			return 0;
	return 1;
}

int
reload_keeps_placeholders(const struct reload *r,
    const struct generation *began, int body)
{
	const struct plan_net *a = began->net, *b = r->to->net;
	uint32_t i, j;

	for (i = 0; i < plan_net_count(b, PLAN_NET_CREDENTIALS); i++)
		if (r->to->values[i][0] != '\0' &&
		    find_credential(a, b, i) == PLAN_NET_NONE)
			return 0;
	for (i = 0; body && i < plan_net_count(a, PLAN_NET_CREDENTIALS); i++) {
		j = find_credential(b, a, i);
		if (j == PLAN_NET_NONE ||
		    plan_net_credential(a, i)->elsewhere !=
			plan_net_credential(b, j)->elsewhere)
			return 0;
	}
	return 1;
}
