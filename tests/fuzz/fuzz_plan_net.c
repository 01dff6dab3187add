/*
 * fuzz_plan_net.c: plan_net_check on any bytes, as they are and sealed anew.
 * What it accepts can be asked anything without leaving it.
 */
#include <assert.h>
#include <string.h>

#include "policy/explain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static union plan_net_room room;

static void
ask_everything(const struct plan_net *net)
{
	static char record[EXPLAIN_RECORD_SIZE * 8];
	struct intent_carry carry = { 0, "authorization" };
	struct net_address address = { 4, { 93, 184, 216, 34 } };
	struct intent in = { .tls = 1,
		.method = "POST",
		.query = "a=b&c=d",
		.carries = &carry,
		.ncarries = 1,
		.brought = 1,
		.address = &address };
	struct verdict v;
	struct text t;
	uint32_t i, kind;

	for (i = 0; i < plan_net_count(net, PLAN_NET_DESTINATIONS); i++) {
		const struct plan_net_destination *d =
		    plan_net_destination(net, i);
		const char *host = plan_net_string(net, d->host);

		in.host = in.authority = in.sni =
		    host[0] == '*' ? host + 2 : host;
		in.port = in.authority_port = d->port;
		in.service = d->service;
		in.path = "/v1/x/x";
		for (kind = 0; kind <= INTENT__MAX; kind++) {
			in.kind = (enum intent_kind)kind;
			authorize(net, &in, &v);
			text_init(&t, record, sizeof(record));
			explain_record(net, &in, &v, NULL, NULL, &t);
			assert(t.len > 0);
		}
	}
	for (i = 0; i < plan_net_count(net, PLAN_NET_RULES); i++)
		assert(plan_net_rule(net, i)->service <
		       plan_net_count(net, PLAN_NET_SERVICES));
}

/* plan_net_seal believes the head that it is given. */
static int
is_sealable(size_t size)
{
	uint64_t at = sizeof(room.net);

#define X(name, record, most)                                     \
	at = (at + 7) & ~7ull;                                    \
	if (room.net.section[PLAN_NET_##name].offset != at)       \
		return 0;                                         \
	at += (uint64_t)room.net.section[PLAN_NET_##name].count * \
	      sizeof(record);
	PLAN_NET_SECTIONS(X)
#undef X
	return at == size &&
	       room.net.nmeant <= room.net.section[PLAN_NET_STRINGS].count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { .code = ERR_OK };

	if (size < sizeof(room.net) || size > sizeof(room))
		return 0;
	memcpy(&room, data, size);
	if (plan_net_check(&room.net, size, &e) == 0)
		ask_everything(&room.net);
	else
		assert(e.code == ERR_CORRUPT);
	if (!is_sealable(size))
		return 0;
	plan_net_seal(&room.net);
	if (plan_net_check(&room.net, size, &e) == 0)
		ask_everything(&room.net);
	return 0;
}
