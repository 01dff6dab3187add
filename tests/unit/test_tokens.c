/*
 * proxy/tokens.c: what the vault said of one secret while another changed.
 *
 * The test is the vault: it reads the questions of a guest and answers them
 * in an order of its own.
 */
#include "unit_policy.h"

#include <string.h>

#include "loop.h"
#include "memfd.h"
#include "msg_vault.h"
#include "proxy/guest.h"
#include "proxy/tokens.h"

enum {
	TURN_MS = 20,
};

static const char policy[] =
    "policy: 1\n"
    "network: {services: {s: {to: [x.example, y.example], allow: any}}}\n"
    "credentials:\n"
    "  a: {source: {vault: of/a}, inject: [{service: s, as: {header: x-a}}]}\n"
    "  b: {source: {vault: of/b}, inject: [{service: s, as: {header: x-b}}]}\n";

struct world {
	struct proxy proxy;
	struct guest *guest;
	struct loop_timer *turn;
	int vault; /* our end */
	struct ipc_msg msg;
};

/* What an ask came to. */
struct outcome {
	int told;
	enum refusal_code code;
};

static void
on_outcome(void *arg, enum refusal_code code, uint32_t credential,
    const char *why)
{
	struct outcome *o = arg;

	(void)credential;
	(void)why;
	o->told++;
	o->code = code;
}

static void
on_turn(void *arg)
{
	struct world *w = arg;

	loop_stop(w->proxy.loop);
}

/* Let the proxy do what it can. */
static void
turn(struct world *w)
{
	struct err e;

	assert_int_equal(loop_timer_set(w->turn, TURN_MS, &e), 0);
	assert_int_equal(loop_run(w->proxy.loop, &e), 0);
}

static void
world_open(struct world *w)
{
	struct proxy_jail_add m = { .run = "run" };
	struct err e = { 0 };
	autofd plan = -1;
	int pair[2];

	memset(w, 0, sizeof(*w));
	policy_good(policy, NULL);
	plan =
	    memfd_create_sealed("plan", &policy_net, policy_net.net.size, &e);
	assert_true(plan >= 0);
	assert_int_equal(loop_create(&w->proxy.loop, &e), 0);
	assert_int_equal(loop_timer_create(w->proxy.loop, on_turn, w, &w->turn,
			     &e),
	    0);
	assert_int_equal(guest_create(&w->proxy, 1, &w->guest, &e), 0);
	if (guest_load(w->guest, &m, plan, &e) == -1)
		fail_msg("%s", e.msg);
	assert_int_equal(ipc_pair(pair, &e), 0);
	assert_int_equal(guest_set_vault(w->guest, pair[1], &e), 0);
	w->vault = pair[0];
}

static void
world_close(struct world *w)
{
	guest_destroy(w->guest);
	loop_timer_destroy(w->turn);
	loop_destroy(w->proxy.loop);
	fd_closep(&w->vault);
	policy_done();
}

/* Which inject of the plan puts that credential in. */
static uint32_t
inject_of(const struct world *w, const char *name)
{
	const struct plan_net *net = w->guest->net;
	uint32_t i;

	for (i = 0; i < plan_net_count(net, PLAN_NET_INJECTS); i++) {
		uint32_t c = plan_net_inject(net, i)->credential;

		if (strcmp(plan_net_string(net,
			       plan_net_credential(net, c)->name),
			name) == 0)
			return i;
	}
	fail_msg("no credential %s", name);
	return 0;
}

static void
ask(struct world *w, const char *host, const char *first, const char *second,
    struct outcome *o)
{
	struct verdict v = { .answer = VERDICT_ALLOW };
	struct tokens_ask *a;
	struct err e;

	v.injects[v.ninjects++] = inject_of(w, first);
	if (second != NULL)
		v.injects[v.ninjects++] = inject_of(w, second);
	*o = (struct outcome){ 0 };
	assert_int_equal(tokens_start(w->guest, &v, host, 443, 0, on_outcome, o,
			     &a, &e),
	    0);
	assert_non_null(a);
	turn(w);
}

/* The next question, which must be this one; its id. */
static uint32_t
question(struct world *w, const char *entry, const char *host)
{
	struct vault_ask m;
	struct err e;

	assert_int_equal(ipc_recv(w->vault, &w->msg, &e), 1);
	assert_int_equal(w->msg.type, VAULT_ASK);
	memcpy(&m, w->msg.body, sizeof(m));
	assert_string_equal(m.entry, entry);
	assert_string_equal(m.host, host);
	return m.id;
}

static void
give(struct world *w, uint32_t id, const char *token, uint64_t serial)
{
	struct {
		struct vault_token m;
		char bytes[64];
	} t = { .m = { .id = id,
		    .size = (uint32_t)strlen(token),
		    .serial = serial } };
	struct err e;

	memcpy(t.bytes, token, t.m.size);
	assert_int_equal(ipc_send(w->vault, VAULT_TOKEN, &t,
			     sizeof(t.m) + t.m.size, NULL, 0, &e),
	    0);
	turn(w);
}

static void
refuse(struct world *w, uint32_t id)
{
	struct vault_refused m = { .id = id,
		.reason = VAULT_REASON_DESTINATION };
	struct err e;

	assert_int_equal(ipc_send(w->vault, VAULT_REFUSED, &m, sizeof(m), NULL,
			     0, &e),
	    0);
	turn(w);
}

static void
tokens_start__two_secrets__both_are_asked_for_once(void **state)
{
	struct world w;
	struct outcome o;

	(void)state;
	world_open(&w);
	ask(&w, "x.example", "a", "b", &o);
	give(&w, question(&w, "of/a", "x.example"), "first-of-a", 1);
	assert_int_equal(o.told, 0);
	give(&w, question(&w, "of/b", "x.example"), "first-of-b", 1);
	assert_int_equal(o.told, 1);
	assert_int_equal(o.code, REFUSAL_none);
	world_close(&w);
}

/*
 * The vault has said that x.example may have a's secret; before it has
 * answered for b, a's is replaced by one that only y.example may have.
 */
static void
tokens_start__first_secret_replaced_while_second_is_awaited__asked_anew(
    void **state)
{
	struct world w;
	struct outcome x, y;
	uint32_t b;

	(void)state;
	world_open(&w);
	ask(&w, "x.example", "a", "b", &x);
	give(&w, question(&w, "of/a", "x.example"), "first-of-a", 1);
	b = question(&w, "of/b", "x.example");
	ask(&w, "y.example", "a", NULL, &y);
	give(&w, question(&w, "of/a", "y.example"), "second-of-a", 2);
	assert_int_equal(y.told, 1);
	give(&w, b, "first-of-b", 1);
	/* not with the other secret */
	assert_int_equal(x.told, 0);
	refuse(&w, question(&w, "of/a", "x.example"));
	assert_int_equal(x.told, 1);
	assert_int_equal(x.code, REFUSAL_credential_destination);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    tokens_start__two_secrets__both_are_asked_for_once),
		cmocka_unit_test(
		    tokens_start__first_secret_replaced_while_second_is_awaited__asked_anew),
	};

	return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
