/*
 * authorize.c, explain.c, compile_net.c, plan_net.c: what gets out, what does
 * not, and what is said about it.
 */
#include "unit_policy.h"

#include "policy/authorize.h"
#include "policy/credential.h"
#include "policy/explain.h"

static const char example[] =
    "policy: 1\n"
    "network:\n"
    "  services:\n"
    "    github_api:\n"
    "      to: api.github.com\n"
    "      allow:\n"
    "        - {methods: read, path: /repos/acme/payments/**}\n"
    "        - {methods: [POST], path: /repos/acme/payments/issues, query: "
    "{dry_run: \"*\"}}\n"
    "        - {methods: [PUT], path: /repos/acme/*/topics}\n"
    "      ask:\n"
    "        - {methods: [POST], path: /repos/acme/payments/pulls, why: Opens "
    "a pull request}\n"
    "      deny:\n"
    "        - {methods: [DELETE], path: /**, why: Deletes go through a "
    "maintainer}\n"
    "        - {path: \"/repos/acme/payments/secret:scan\"}\n"
    "      body: {max: 1KiB}\n"
    "    model:\n"
    "      to: [api.anthropic.com, \"*.models.example\"]\n"
    "      allow: [{methods: [POST], path: /v1/messages}]\n"
    "    orders_db:\n"
    "      to: db.internal:5432\n"
    "      protocol: tcp\n"
    "      only_addresses: [10.20.0.0/24, \"fd00:20::/64\"]\n"
    "      allow: any\n"
    "    builds:\n"
    "      to: ci.internal:8443\n"
    "      dial: 127.0.0.1:18443\n"
    "      allow: any\n"
    "    plain:\n"
    "      to: \"mirror.example:80\"\n"
    "      allow: [{methods: read, path: /debian/**}]\n"
    "    literal:\n"
    "      to: [\"93.184.216.34:443\", \"192.168.7.7:443\"]\n"
    "      only_addresses: [93.184.216.0/24, 192.168.7.0/24]\n"
    "      allow: any\n"
    "    registry:\n"
    "      to: registry.example\n"
    "      allow: [{methods: read, path: \"/@*%2F*\"}, {methods: read, path: "
    "\"/-/**\"}]\n"
    "      deny: [{path: /@evil/**}]\n"
    "credentials:\n"
    "  github_token:\n"
    "    source: {vault: github/bot}\n"
    "    placeholder: {env: GH_TOKEN, shape: github_pat}\n"
    "    inject: [{service: github_api, as: bearer}]\n"
    "  model_key:\n"
    "    source: {vault: anthropic/prod}\n"
    "    inject: [{service: model, as: {header: x-api-key}}]\n"
    "    from_client: refuse\n";

static const struct plan_net *net = &policy_net.net;

static int
setup(void **state)
{
	(void)state;
	policy_good(example, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	policy_done();
	return 0;
}

static uint32_t
credential(const char *name)
{
	uint32_t i;

	for (i = 0; i < plan_net_count(net, PLAN_NET_CREDENTIALS); i++)
		if (strcmp(plan_net_string(net,
			       plan_net_credential(net, i)->name),
			name) == 0)
			return i;
	fail_msg("no credential %s", name);
	return 0;
}

static struct verdict verdict;
static struct intent intent;
static struct canon_url url;
static char method[CANON_METHOD_MAX + 1], query[256];

/* "GET https://host/path?query" to a well-behaved intent. */
static void
make_http(const char *request)
{
	size_t n = strcspn(request, " ");
	struct err e;

	assert_true(n < sizeof(method));
	memcpy(method, request, n);
	method[n] = '\0';
	if (canon_url(request + n + 1, strlen(request + n + 1), &url, &e) == -1)
		fail_msg("%s %s", request, e.msg);
	intent = (struct intent){ .kind = INTENT_HTTP,
		.host = url.host,
		.port = url.port,
		.tls = url.tls,
		.sni = url.tls ? url.host : NULL,
		.authority = url.host,
		.authority_port = url.port,
		.method = method,
		.path = url.path };
	if (url.query != NULL) {
		(void)snprintf(query, sizeof(query), "%.*s",
		    (int)url.query_size, url.query);
		intent.query = query;
	}
}

static void
expect(enum refusal_code code, const char *what)
{
	authorize(net, &intent, &verdict);
	if (verdict.code != code)
		fail_msg("%s: %s, not %s", what, refusal_name(verdict.code),
		    refusal_name(code));
	assert_int_equal(code == REFUSAL_none, verdict.answer == VERDICT_ALLOW);
	assert_int_equal(code == REFUSAL_approval_required,
	    verdict.answer == VERDICT_ASK);
}

/* The placeholder that the service wants, where it belongs. */
static void
expect_http(enum refusal_code code, const char *request)
{
	struct intent_carry carry = { 0, "authorization" };

	make_http(request);
	if (strcmp(url.host, "api.github.com") == 0) {
		carry.credential = credential("github_token");
		intent.carries = &carry;
		intent.ncarries = 1;
	}
	expect(code, request);
	intent.carries = NULL;
	intent.ncarries = 0;
}

static void
expect_stream(enum refusal_code code, enum intent_kind kind, const char *host,
    uint32_t port)
{
	intent = (struct intent){ .kind = kind, .host = host, .port = port };
	expect(code, host);
}

/* ---- hosts and ports --------------------------------------------------------- */

static void
authorize__hosts_that_look_alike__refused(void **state)
{
	static const char *const bad[] = { "evilapi.github.com",
		"api.github.com.evil.test", "xapi.github.com", "github.com",
		"sub.api.github.com", "models.example", "a.b.models.example",
		"xmodels.example", "evil-models.example", "com", "a" };
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++) {
		expect_stream(REFUSAL_service, INTENT_CONNECT, bad[i], 443);
		expect_stream(REFUSAL_service, INTENT_DNS, bad[i], 0);
	}
	expect_stream(REFUSAL_none, INTENT_CONNECT, "api.github.com", 443);
	expect_stream(REFUSAL_none, INTENT_CONNECT, "a.models.example", 443);
	expect_stream(REFUSAL_none, INTENT_DNS, "a.models.example", 0);
}

static void
authorize__host_that_is_not_canonical__malformed(void **state)
{
	static const char *const bad[] = { "API.github.com", "api.github.com.",
		"api.github.com..", "", "api.github.com\r\n",
		"*.models.example", "api.github.com@evil", "0x7f.1" };
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++)
		expect_stream(REFUSAL_malformed, INTENT_CONNECT, bad[i], 443);
	expect_stream(REFUSAL_malformed, INTENT_CONNECT, NULL, 443);
}

static void
authorize__other_ports__refused(void **state)
{
	static const uint32_t ports[] = { 22, 25, 80, 442, 444, 8443, 65535 };
	size_t i;

	(void)state;
	for (i = 0; i < countof(ports); i++)
		expect_stream(REFUSAL_port, INTENT_CONNECT, "api.github.com",
		    ports[i]);
	expect_stream(REFUSAL_malformed, INTENT_CONNECT, "api.github.com", 0);
	expect_stream(REFUSAL_malformed, INTENT_CONNECT, "api.github.com",
	    65536);
	expect_stream(REFUSAL_port, INTENT_CONNECT, "a.models.example", 80);
}

static void
authorize__nothing_filled_in__refused(void **state)
{
	(void)state;
	intent = (struct intent){ 0 };
	expect(REFUSAL_malformed, "an empty intent");
	intent.kind = (enum intent_kind)99;
	expect(REFUSAL_malformed, "an unknown intent");
	make_http("GET https://api.github.com/repos/acme/payments/x");
	intent.authority = NULL;
	expect(REFUSAL_malformed, "no Host");
	verdict = (struct verdict){ 0 };
	assert_int_equal(VERDICT_DENY, verdict.answer);
}

/* ---- streams ------------------------------------------------------------------ */

static void
authorize_connect__handling__by_what_has_to_be_seen(void **state)
{
	static const struct {
		const char *host;
		uint32_t port;
		enum verdict_handling handling;
	} table[] = {
		{ "api.github.com", 443, VERDICT_INSPECT },
		{ "db.internal", 5432, VERDICT_TCP },
		{ "ci.internal", 8443, VERDICT_SPLICE },
		{ "mirror.example", 80, VERDICT_PLAIN },
		{ "93.184.216.34", 443, VERDICT_SPLICE },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(table); i++) {
		expect_stream(REFUSAL_none, INTENT_CONNECT, table[i].host,
		    table[i].port);
		assert_int_equal(table[i].handling, verdict.handling);
	}
}

static void
connect_hello(enum refusal_code code, const char *host, uint32_t port, int tls,
    const char *sni)
{
	intent = (struct intent){ .kind = INTENT_CONNECT,
		.host = host,
		.port = port,
		.hello = 1,
		.tls = tls,
		.sni = sni };
	expect(code, sni == NULL ? "no SNI" : sni);
}

static void
authorize_connect__sni_of_another_host__mismatch(void **state)
{
	(void)state;
	connect_hello(REFUSAL_none, "api.github.com", 443, 1, "api.github.com");
	connect_hello(REFUSAL_none, "api.github.com", 443, 1, NULL);
	connect_hello(REFUSAL_sni_mismatch, "api.github.com", 443, 1,
	    "api.anthropic.com");
	connect_hello(REFUSAL_sni_mismatch, "ci.internal", 8443, 1,
	    "api.github.com");
	/* Passed on unseen, only its name says where it goes. */
	connect_hello(REFUSAL_sni_mismatch, "ci.internal", 8443, 1, NULL);
	connect_hello(REFUSAL_none, "93.184.216.34", 443, 1, NULL);
}

static void
authorize_connect__no_tls_where_it_must_be__refused(void **state)
{
	(void)state;
	connect_hello(REFUSAL_tls, "api.github.com", 443, 0, NULL);
	connect_hello(REFUSAL_tls, "ci.internal", 8443, 0, NULL);
	connect_hello(REFUSAL_tls, "mirror.example", 80, 1, "mirror.example");
	connect_hello(REFUSAL_none, "mirror.example", 80, 0, NULL);
}

static void
authorize_tcp__http_service__not_for_other_bytes(void **state)
{
	(void)state;
	expect_stream(REFUSAL_none, INTENT_TCP, "db.internal", 5432);
	expect_stream(REFUSAL_service, INTENT_TCP, "api.github.com", 443);
	expect_stream(REFUSAL_port, INTENT_TCP, "db.internal", 5433);
}

static void
authorize_http__names_that_differ__mismatch(void **state)
{
	(void)state;
	make_http("POST https://api.anthropic.com/v1/messages");
	intent.authority = "api.github.com";
	expect(REFUSAL_sni_mismatch, "another Host");
	make_http("POST https://api.anthropic.com/v1/messages");
	intent.authority_port = 8443;
	expect(REFUSAL_sni_mismatch, "another port");
	make_http("POST https://api.anthropic.com/v1/messages");
	intent.sni = "api.github.com";
	expect(REFUSAL_sni_mismatch, "another SNI");
	make_http("POST https://api.anthropic.com/v1/messages");
	intent.tls = 0;
	intent.sni = NULL;
	expect(REFUSAL_tls, "in the clear");
	/* "http:" is no other port of the service, it is not its way at all */
	make_http("GET http://api.github.com/repos/acme/payments");
	expect(REFUSAL_tls, "http:");
	make_http("GET http://api.github.com:8080/repos/acme/payments");
	expect(REFUSAL_port, "another port in the clear");
	make_http("POST https://api.anthropic.com/v1/messages");
	expect(REFUSAL_none, "the control");
}

/* ---- addresses ------------------------------------------------------------------ */

static void
authorize__address_literals__by_their_class(void **state)
{
	(void)state;
	expect_stream(REFUSAL_address_class, INTENT_TCP, "192.168.1.10", 5432);
	expect_stream(REFUSAL_address_class, INTENT_CONNECT, "127.0.0.1", 80);
	expect_stream(REFUSAL_address_class, INTENT_CONNECT, "[::1]", 8123);
	expect_stream(REFUSAL_address_class, INTENT_CONNECT, "169.254.169.254",
	    80);
	expect_stream(REFUSAL_address_class, INTENT_CONNECT,
	    "[64:ff9b::a9fe:a9fe]", 80);
	expect_stream(REFUSAL_service, INTENT_CONNECT, "93.184.216.35", 443);
	expect_stream(REFUSAL_none, INTENT_CONNECT, "93.184.216.34", 443);
	expect_stream(REFUSAL_none, INTENT_CONNECT, "192.168.7.7", 443);
}

static void
dial(enum refusal_code code, const char *service, const char *address,
    uint32_t port)
{
	struct net_address a;
	uint32_t i;

	assert_int_equal(0, address_parse(address, &a));
	for (i = 0; i < plan_net_count(net, PLAN_NET_SERVICES); i++)
		if (strcmp(plan_net_string(net, plan_net_service(net, i)->name),
			service) == 0)
			break;
	intent = (struct intent){ .kind = INTENT_DIAL,
		.service = i,
		.address = &a,
		.port = port };
	expect(code, address);
}

static void
authorize_dial__address_of_the_answer__judged_alone(void **state)
{
	(void)state;
	dial(REFUSAL_none, "model", "93.184.216.34", 443);
	dial(REFUSAL_address_class, "model", "10.0.0.1", 443);
	dial(REFUSAL_address_class, "model", "127.0.0.1", 443);
	dial(REFUSAL_address_class, "model", "169.254.169.254", 80);
	dial(REFUSAL_address_class, "model", "fd00::1", 443);
	dial(REFUSAL_address_class, "model", "::ffff:10.0.0.1", 443);
	dial(REFUSAL_address_class, "model", "64:ff9b::10.0.0.1", 443);
	dial(REFUSAL_address_class, "model", "2002:a00:1::1", 443);
	dial(REFUSAL_none, "orders_db", "10.20.0.7", 5432);
	dial(REFUSAL_none, "orders_db", "fd00:20::7", 5432);
	dial(REFUSAL_address, "orders_db", "10.20.1.7", 5432);
	dial(REFUSAL_address, "orders_db", "93.184.216.34", 5432);
	dial(REFUSAL_address_class, "orders_db", "198.18.0.1", 5432);
	dial(REFUSAL_none, "builds", "127.0.0.1", 18443);
	dial(REFUSAL_address, "builds", "127.0.0.1", 18444);
	dial(REFUSAL_address, "builds", "127.0.0.2", 18443);
	dial(REFUSAL_address, "builds", "93.184.216.34", 8443);
	dial(REFUSAL_malformed, "no such service", "93.184.216.34", 443);
}

/* What was allowed for one name and port is not dialed for another. */
static void
authorize_dial__other_port_or_name_than_allowed__refused(void **state)
{
	static const struct {
		const char *host;
		uint32_t port;
		enum refusal_code code;
	} table[] = {
		{ "api.anthropic.com", 443, REFUSAL_none },
		{ "a.models.example", 443, REFUSAL_none },
		{ "api.anthropic.com", 22, REFUSAL_port },
		{ "api.anthropic.com", 8443, REFUSAL_port },
		{ "api.github.com", 443, REFUSAL_port },
		{ "a.b.models.example", 443, REFUSAL_port },
		{ "API.anthropic.com", 443, REFUSAL_malformed },
	};
	struct net_address a = { 4, { 93, 184, 216, 34 } };
	size_t i;

	(void)state;
	dial(REFUSAL_port, "model", "93.184.216.34", 22);
	dial(REFUSAL_none, "model", "93.184.216.34", 443);
	for (i = 0; i < countof(table); i++) {
		intent = (struct intent){ .kind = INTENT_DIAL,
			.host = table[i].host,
			.service = intent.service,
			.address = &a,
			.port = table[i].port };
		expect(table[i].code, table[i].host);
	}
}

/* A mirror that pip's own file names, and pip's default beside it. */
static void
authorize_dial__index_of_a_file__may_be_on_the_premises(void **state)
{
	static const struct policy_file files[] = {
		{ "pip", "tls m.example:443\t/etc/pip.conf:1\n"
			 "plain localhost:3141\t/etc/pip.conf:2\n"
			 "plain 127.0.0.1:3142\t/etc/pip.conf:3\n"
			 "tls pypi.org:443\t(pip's default)\n" },
		{ NULL, NULL },
	};

	static const struct {
		const char *host;
		const char *address;
		uint32_t port;
		enum refusal_code code;
	} table[] = {
		{ "m.example", "10.1.2.3", 443, REFUSAL_none },
		{ "m.example", "93.184.216.34", 443, REFUSAL_none },
		{ "m.example", "127.0.0.1", 443, REFUSAL_address_class },
		{ "m.example", "169.254.169.254", 443, REFUSAL_address_class },
		{ "localhost", "127.0.0.1", 3141, REFUSAL_none },
		{ "localhost", "127.0.0.1", 3142, REFUSAL_address_class },
		{ "pypi.org", "10.1.2.3", 443, REFUSAL_address_class },
		{ "pypi.org", "127.0.0.1", 443, REFUSAL_address_class },
		{ NULL, "10.1.2.3", 443, REFUSAL_address_class },
	};
	struct net_address a;
	size_t i;

	(void)state;
	policy_done();
	policy_good("policy: 1\nnetwork: {services: {pip: {to: {manager: pip}, "
		    "allow: [{methods: read}]}}}\n",
	    files);
	for (i = 0; i < countof(table); i++) {
		assert_int_equal(0, address_parse(table[i].address, &a));
		intent = (struct intent){ .kind = INTENT_DIAL,
			.host = table[i].host,
			.address = &a,
			.port = table[i].port };
		expect(table[i].code, table[i].address);
	}
	expect_stream(REFUSAL_none, INTENT_CONNECT, "127.0.0.1", 3142);
	expect_stream(REFUSAL_address_class, INTENT_CONNECT, "127.0.0.1", 3143);
	policy_done();
	policy_good(example, NULL);
}

/* A range that contains what is always blocked does not open it. */
static void
authorize_dial__blocked_inside_only_addresses__stays_blocked(void **state)
{
	(void)state;
	policy_done();
	policy_good("policy: 1\nnetwork: {services: {all: {to: a.example, "
		    "allow: any, only_addresses: [0.0.0.0/0, \"::/0\"]}}}\n",
	    NULL);
	dial(REFUSAL_none, "all", "10.0.0.1", 443);
	dial(REFUSAL_none, "all", "127.0.0.1", 443);
	dial(REFUSAL_address_class, "all", "169.254.169.254", 443);
	dial(REFUSAL_address_class, "all", "fe80::1", 443);
	dial(REFUSAL_address_class, "all", "::ffff:169.254.169.254", 443);
	dial(REFUSAL_address_class, "all", "64:ff9b::169.254.169.254", 443);
	policy_done();
	policy_good(example, NULL);
}

/* ---- rules ------------------------------------------------------------------------ */

#define G "https://api.github.com"

static void
authorize_http__rules__deny_ask_allow_default(void **state)
{
	(void)state;
	expect_http(REFUSAL_none, "GET " G "/repos/acme/payments/issues");
	expect_http(REFUSAL_none, "HEAD " G "/repos/acme/payments/");
	expect_http(REFUSAL_path, "GET " G "/repos/acme/payments");
	expect_http(REFUSAL_path, "GET " G "/repos/acme/hr");
	expect_http(REFUSAL_path, "GET " G "/repos/acme/payments-x/issues");
	expect_http(REFUSAL_path, "GET " G "/Repos/acme/payments/issues");
	expect_http(REFUSAL_path, "GET " G "/");
	expect_http(REFUSAL_none,
	    "POST " G "/repos/acme/payments/issues?dry_run=1");
	expect_http(REFUSAL_path,
	    "POST " G "/repos/acme/payments/issues/?dry_run=1");
	expect_http(REFUSAL_approval_required,
	    "POST " G "/repos/acme/payments/pulls");
	expect_http(REFUSAL_method, "DELETE " G "/repos/acme/payments/x");
	expect_http(REFUSAL_method, "PATCH " G "/repos/acme/payments/x");
	expect_http(REFUSAL_method, "FROB " G "/repos/acme/payments/x");
	expect_http(REFUSAL_method, "TRACE " G "/repos/acme/payments/x");
	expect_http(REFUSAL_method, "CONNECT " G "/repos/acme/payments/x");
	expect_http(REFUSAL_none, "PUT " G "/repos/acme/x/topics");
	expect_http(REFUSAL_path, "PUT " G "/repos/acme/x/y/topics");
	expect_http(REFUSAL_path, "PUT " G "/repos/acme/x/topics/");
}

static void
authorize_http__query_that_a_rule_names__once_and_matching(void **state)
{
	(void)state;
	expect_http(REFUSAL_query, "POST " G "/repos/acme/payments/issues");
	expect_http(REFUSAL_query, "POST " G "/repos/acme/payments/issues?x=1");
	expect_http(REFUSAL_query,
	    "POST " G "/repos/acme/payments/issues?dry_runs=1");
	expect_http(REFUSAL_query,
	    "POST " G "/repos/acme/payments/issues?x=1;dry_run=1");
	expect_http(REFUSAL_query,
	    "POST " G "/repos/acme/payments/issues?dry_run=1;y=2");
	expect_http(REFUSAL_none,
	    "POST " G "/repos/acme/payments/issues?x=1&dr%79_run=");
	policy_done();
	policy_good("policy: 1\nnetwork: {services: {s: {to: a.example, allow: "
		    "[{methods: [POST], query: {mode: \"te*t\"}}], deny: "
		    "[{query: {force: \"t*\"}}]}}}\n",
	    NULL);
	expect_http(REFUSAL_none, "POST https://a.example/?mode=test");
	expect_http(REFUSAL_none, "POST https://a.example/?mode=te+%78t");
	expect_http(REFUSAL_query, "POST https://a.example/?mode=prod");
	expect_http(REFUSAL_query,
	    "POST https://a.example/?mode=test&mode=prod");
	expect_http(REFUSAL_query, "POST https://a.example/?MODE=test");
	expect_http(REFUSAL_query,
	    "POST https://a.example/?mode=test&force=true");
	expect_http(REFUSAL_query,
	    "POST https://a.example/?mode=test&f%6frce=%74rue");
	expect_http(REFUSAL_none, "POST https://a.example/?mode=test&force=no");
	/* To some servers ";" is another "&". */
	expect_http(REFUSAL_query,
	    "POST https://a.example/?mode=test&a=b;force=true");
	policy_done();
	policy_good(example, NULL);
}

/* A deny rule cannot be walked around by an encoding that servers undo. */
static void
authorize_http__deny_in_another_spelling__still_denied(void **state)
{
	(void)state;
	expect_http(REFUSAL_path, "GET " G "/repos/acme/payments/secret:scan");
	expect_http(REFUSAL_path,
	    "GET " G "/repos/acme/payments/secret%3Ascan");
	expect_http(REFUSAL_path,
	    "GET " G "/repos/acme/payments/secret%3ascan");
	expect_http(REFUSAL_path,
	    "GET " G "/repos/acme/payments/%73ecret:scan");
	expect_http(REFUSAL_none, "GET " G "/repos/acme/payments/secret:scam");
}

#define R "https://registry.example"

static void
authorize_http__encoded_slash__only_where_a_rule_spells_it(void **state)
{
	(void)state;
	expect_http(REFUSAL_none, "GET " R "/@types%2fnode");
	expect_http(REFUSAL_path, "GET " R "/@types/node");
	expect_http(REFUSAL_malformed, "GET " R "/@types%2fnode%2fx");
	expect_http(REFUSAL_malformed, "GET " R "/-/x%2fy");
	expect_http(REFUSAL_none, "GET " R "/-/x");
	/* Denied by the reading of a server that decodes it. */
	expect_http(REFUSAL_path, "GET " R "/@evil%2fx");
	expect_http(REFUSAL_malformed, "GET " G "/repos/acme/payments/a%2fb");
	expect_http(REFUSAL_none, "GET " G "/repos/acme/payments/a%252fb");
}

/* Neither a rule without a path nor "any" lets through what is ambiguous. */
static void
authorize_http__any_path_or_any_request__not_the_ambiguous(void **state)
{
	(void)state;
	policy_done();
	policy_good("policy: 1\nnetwork: {services: {"
		    "r: {to: r.example, allow: [{methods: [MOVE]}]}, "
		    "a: {to: a.example, allow: any, deny: [{query: {force: "
		    "\"t*\"}}]}}}\n",
	    NULL);
	expect_http(REFUSAL_none, "MOVE https://r.example/a/b");
	expect_http(REFUSAL_malformed, "MOVE https://r.example/a%2fb");
	expect_http(REFUSAL_none, "FROB https://a.example/a/b");
	expect_http(REFUSAL_malformed, "GET https://a.example/a%2fb");
	expect_http(REFUSAL_method, "TRACE https://a.example/");
	expect_http(REFUSAL_method, "TRACK https://a.example/");
	/* To some servers ";" is another "&". */
	expect_http(REFUSAL_query, "GET https://a.example/?a=b;force=true");
	expect_http(REFUSAL_none, "GET https://a.example/?a=b;forced=true");
	policy_done();
	policy_good(example, NULL);
}

static void
authorize_http__two_services_for_a_host__the_deny_of_either(void **state)
{
	(void)state;
	policy_done();
	policy_good("policy: 1\nnetwork: {services: {"
		    "wide: {to: \"*.b.example\", allow: [{methods: read}], "
		    "deny: [{path: /secret/**}]}, "
		    "any: {to: a.b.example, allow: any}}}\n",
	    NULL);
	expect_http(REFUSAL_none, "POST https://a.b.example/x");
	expect_http(REFUSAL_path, "GET https://a.b.example/secret/x");
	expect_http(REFUSAL_method, "POST https://c.b.example/x");
	/* One of the two looks inside, so both are looked into. */
	expect_stream(REFUSAL_none, INTENT_CONNECT, "a.b.example", 443);
	assert_int_equal(VERDICT_INSPECT, verdict.handling);
	policy_done();
	policy_good(example, NULL);
}

static void
authorize_http__body_over_the_limit__refused(void **state)
{
	struct intent_carry carry = { credential("github_token"),
		"authorization" };

	(void)state;
	make_http("POST " G "/repos/acme/payments/issues?dry_run=1");
	intent.carries = &carry;
	intent.ncarries = 1;
	intent.body_bytes = 1024;
	expect(REFUSAL_none, "1 KiB");
	intent.body_bytes = 1025;
	expect(REFUSAL_body_limit, "1 KiB and one");
	intent.body_bytes = INTENT_BODY_UNKNOWN;
	expect(REFUSAL_none, "chunked");
	assert_int_equal(1024, verdict.body_max_bytes);
	intent.carries = NULL;
}

/* ---- credentials --------------------------------------------------------------------- */

static void
expect_carry(enum refusal_code code, const char *request, const char *name,
    const char *header)
{
	struct intent_carry carry = { credential(name), header };

	make_http(request);
	intent.carries = &carry;
	intent.ncarries = 1;
	expect(code, request);
	intent.carries = NULL;
}

static void
authorize_http__placeholder__only_in_its_header_of_its_service(void **state)
{
	(void)state;
	expect_carry(REFUSAL_none, "GET " G "/repos/acme/payments/x",
	    "github_token", "authorization");
	assert_int_equal(1, verdict.ninjects);
	assert_int_equal(credential("github_token"),
	    plan_net_inject(net, verdict.injects[0])->credential);
	expect_carry(REFUSAL_credential_elsewhere,
	    "GET " G "/repos/acme/payments/x", "github_token", "x-other");
	expect_carry(REFUSAL_credential_elsewhere,
	    "GET " G "/repos/acme/payments/x", "github_token", NULL);
	expect_carry(REFUSAL_credential_elsewhere,
	    "POST https://api.anthropic.com/v1/messages", "github_token",
	    "authorization");
	make_http("GET " G "/repos/acme/payments/x");
	expect(REFUSAL_credential_missing, "no placeholder");
}

static void
authorize_http__credential_without_placeholder__always_put_in(void **state)
{
	(void)state;
	make_http("POST https://api.anthropic.com/v1/messages");
	expect(REFUSAL_none, "model");
	assert_int_equal(1, verdict.ninjects);
	assert_string_equal("x-api-key",
	    plan_net_string(net,
		plan_net_inject(net, verdict.injects[0])->header));
	assert_string_equal("{}",
	    plan_net_string(net,
		plan_net_inject(net, verdict.injects[0])->format));
	intent.brought = 1;
	expect(REFUSAL_credential_from_client, "its own key");
}

static void
authorize_http__credential_of_the_client__stripped(void **state)
{
	struct intent_carry carry = { credential("github_token"),
		"authorization" };

	(void)state;
	make_http("GET " G "/repos/acme/payments/x");
	intent.carries = &carry;
	intent.ncarries = 1;
	intent.brought = 1;
	expect(REFUSAL_none, "both");
	assert_true(verdict.strip_own);
	/* Its own in place of the placeholder is no way around. */
	intent.ncarries = 0;
	expect(REFUSAL_credential_missing, "its own alone");
	intent.carries = NULL;
}

static void
authorize_http__too_many_or_unknown_placeholders__refused(void **state)
{
	struct intent_carry carries[INTENT_CARRIES_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < countof(carries); i++)
		carries[i] = (struct intent_carry){ credential("github_token"),
			"authorization" };
	make_http("GET " G "/repos/acme/payments/x");
	intent.carries = carries;
	intent.ncarries = INTENT_CARRIES_MAX;
	expect(REFUSAL_none, "as many as there may be");
	intent.ncarries++;
	expect(REFUSAL_malformed, "one more");
	carries[0].credential = 99;
	intent.ncarries = 1;
	expect(REFUSAL_malformed, "a credential that is not there");
}

/* Two that wait for their placeholder may share a header, not fill it. */
static void
authorize_http__two_placeholders_in_a_header__one_alone(void **state)
{
	struct intent_carry carries[2] = { { 0, "authorization" },
		{ 1, "authorization" } };

	(void)state;
	policy_done();
	policy_good(
	    "policy: 1\nnetwork: {services: {a: {to: a.example, allow: "
	    "[{methods: read}]}}}\ncredentials:\n"
	    "  x: {source: {vault: x}, placeholder: {env: X, shape: hex}, "
	    "inject: [{service: a, as: bearer}]}\n"
	    "  z: {source: {vault: z}, placeholder: {env: Z, shape: hex}, "
	    "inject: [{service: a, as: {basic: me}}]}\n",
	    NULL);
	make_http("GET https://a.example/");
	intent.carries = carries;
	intent.ncarries = 1;
	expect(REFUSAL_none, "the first");
	intent.ncarries = 2;
	expect(REFUSAL_credential_elsewhere, "both");
	intent.carries = carries + 1;
	intent.ncarries = 1;
	expect(REFUSAL_none, "the second");
	intent.ncarries = 0;
	expect(REFUSAL_credential_missing, "neither");
	policy_done();
	policy_good(example, NULL);
}

/* A parameter that the rule names is the policy's affair, others are not. */
static void
authorize_http__credential_in_the_query__from_client(void **state)
{
	static const char form[] =
	    "policy: 1\nnetwork: {services: {a: {to: a.example, allow: "
	    "[{methods: read, path: /named, query: {key: '*'}}, "
	    "{methods: read, path: /}]}}}\ncredentials:\n"
	    "  s: {source: {vault: s}, inject: [{service: a, as: bearer}], "
	    "from_client: %s}\n";
	char text[512];

	(void)state;
	policy_done();
	(void)snprintf(text, sizeof(text), form, "refuse");
	policy_good(text, NULL);
	make_http("GET https://a.example/?page_token=1");
	expect(REFUSAL_none, "nothing of the kind");
	make_http("GET https://a.example/?key=1");
	expect(REFUSAL_credential_from_client, "a key");
	make_http("GET https://a.example/named?key=1");
	expect(REFUSAL_none, "which the rule names");
	assert_false(verdict.strip_own);
	make_http("GET https://a.example/named?key=1&access_token=2");
	expect(REFUSAL_credential_from_client, "and another");
	policy_done();
	(void)snprintf(text, sizeof(text), form, "strip");
	policy_good(text, NULL);
	make_http("GET https://a.example/?x=1;Api-Key=2");
	expect(REFUSAL_none, "taken out");
	assert_true(verdict.strip_own);
	policy_done();
	(void)snprintf(text, sizeof(text), form, "keep");
	policy_good(text, NULL);
	make_http("GET https://a.example/?key=1");
	expect(REFUSAL_none, "kept");
	assert_false(verdict.strip_own);
	policy_done();
	policy_good(example, NULL);
}

static void
authorize_http__elsewhere_strip_and_pass__as_they_say(void **state)
{
	(void)state;
	policy_done();
	policy_good(
	    "policy: 1\nnetwork: {services: {a: {to: a.example, allow: "
	    "[{methods: read}]}, b: {to: b.example, allow: [{methods: read}]}}}"
	    "\ncredentials:\n"
	    "  s: {source: {vault: s}, placeholder: {env: S, shape: hex}, "
	    "inject: [{service: a, as: bearer}], elsewhere: strip, required: "
	    "false}\n"
	    "  p: {source: {vault: p}, placeholder: {env: P, shape: hex}, "
	    "inject: [{service: a, as: {header: x-p}}], elsewhere: pass, "
	    "from_client: keep, required: false}\n",
	    NULL);
	expect_carry(REFUSAL_none, "GET https://b.example/", "s", NULL);
	assert_int_equal(1, verdict.strip);
	expect_carry(REFUSAL_none, "GET https://b.example/", "p", NULL);
	assert_int_equal(0, verdict.strip);
	/* Not required: the request goes without. */
	make_http("GET https://a.example/");
	expect(REFUSAL_none, "without");
	assert_int_equal(0, verdict.ninjects);
	policy_done();
	policy_good(example, NULL);
}

static void
credential_is_header__spellings_and_named__known(void **state)
{
	static const char *const yes[] = { "authorization",
		"Proxy-Authorization", "cookie", "X-API-Key", "X_API_KEY",
		"x-api_key", "XApiKey", "api-key", "X.Api.Key",
		"X-Goog-Api-Key", "PRIVATE-TOKEN", "x-vendor-access-token",
		"DD-APPLICATION-KEY", "X-Amz-Security-Token", "X-Auth",
		"xi-api-key" };
	static const char *const no[] = { "accept", "host", "etag",
		"idempotency-key", "sec-websocket-key", "x-csrf-token", "key",
		"x-request-id", "content-type", "-", "", "cookies" };
	size_t i;

	(void)state;
	for (i = 0; i < countof(yes); i++)
		if (!credential_is_header(net, yes[i], strlen(yes[i])))
			fail_msg("%s is one", yes[i]);
	for (i = 0; i < countof(no); i++)
		if (credential_is_header(net, no[i], strlen(no[i])))
			fail_msg("%s is none", no[i]);
}

static void
credential_strip_query__what_the_client_brought__and_no_more(void **state)
{
	static const struct {
		const char *query, *left;
	} rows[] = {
		{ "a=1", "a=1" },
		{ "", "" },
		{ "page_token=x&next_token=y&keys=z&monkey=1",
		    "page_token=x&next_token=y&keys=z&monkey=1" },
		{ "access_token=x", "" },
		{ "a=1&access_token=x", "a=1" },
		{ "access_token=x&a=1", "a=1" },
		{ "a=1&key=x&b=2", "a=1&b=2" },
		{ "a=1&KEY=x;b=2", "a=1&b=2" },
		{ "a=1;api%5Fkey=x;b=2", "a=1;b=2" },
		{ "apiKey=x&accessToken=y&client-secret=z&q=a%26key=1",
		    "q=a%26key=1" },
		{ "key[]=x&key%5B0%5D=y&token=&sig", "" },
		{ "X-Amz-Signature=x&X-Amz-Date=y", "X-Amz-Date=y" },
		{ "&&a=1", "&&a=1" },
		{ "%6bey=1&%zzkey=1", "%zzkey=1" },
	};

	size_t i;
	char got[256];

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		int same = strcmp(rows[i].query, rows[i].left) == 0;
		size_t n = credential_strip_query(net, PLAN_NET_NONE,
		    rows[i].query, got);

		assert_string_equal(got, rows[i].left);
		assert_int_equal(n, strlen(got));
		assert_int_equal(credential_in_query(net, PLAN_NET_NONE,
				     rows[i].query),
		    !same);
		assert_int_equal(credential_in_query(net, PLAN_NET_NONE, got),
		    0);
	}
}

/* ---- what is said ------------------------------------------------------------------------ */

static const char *
record(void)
{
	static char buf[EXPLAIN_RECORD_SIZE];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	explain_record(net, &intent, &verdict, NULL, NULL, &t);
	assert_false(t.truncated);
	return buf;
}

static void
explain_record__refused_path__nearest_rule_and_edit(void **state)
{
	(void)state;
	expect_http(REFUSAL_path, "POST " G "/repos/acme/hr/issues?dry_run=1");
	assert_string_equal("{\"code\":\"path\",\"what\":\"POST "
			    "/repos/acme/hr/issues\",\"service\":\"github_api\""
			    ",\"passed\":[\"host\",\"port\",\"method\"],"
			    "\"failed\":\"path\",\"nearest\":"
			    "\"p.yaml:8\",\"edit\":\"network.services."
			    "github_api.allow[+]\",\"why\":null,\"policy\":"
			    "null,\"run\":null}",
	    record());
}

static void
explain_record__denied__the_rule_and_its_reason(void **state)
{
	(void)state;
	expect_http(REFUSAL_method, "DELETE " G "/repos/acme/payments/x");
	assert_non_null(strstr(record(),
	    "\"nearest\":\"p.yaml:13\",\"edit\":\"network.services.github_api."
	    "deny[0]\",\"why\":\"Deletes go through a maintainer\""));
	expect_http(REFUSAL_approval_required,
	    "POST " G "/repos/acme/payments/pulls");
	assert_non_null(strstr(record(), "\"code\":\"approval_required\""));
	assert_non_null(strstr(record(), "ask[0]"));
	assert_non_null(strstr(record(), "Opens a pull request"));
}

static void
explain_verdict__each_refusal__an_edit_that_helps(void **state)
{
	static struct explain x;

	(void)state;
	expect_http(REFUSAL_path, "GET " G "/repos/acme/hr");
	explain_verdict(net, &intent, &verdict, &x);
	assert_string_equal("{methods: [GET], path: /repos/acme/hr}", x.add);
	expect_stream(REFUSAL_service, INTENT_CONNECT, "new.example", 443);
	explain_verdict(net, &intent, &verdict, &x);
	assert_string_equal("network.services[+]", x.edit);
	assert_string_equal("{to: new.example:443, allow: any}", x.add);
	expect_stream(REFUSAL_port, INTENT_CONNECT, "api.github.com", 8443);
	explain_verdict(net, &intent, &verdict, &x);
	assert_string_equal("network.services.github_api.to[+]", x.edit);
	assert_string_equal("api.github.com:8443", x.add);
	expect_stream(REFUSAL_address_class, INTENT_TCP, "169.254.169.254", 80);
	explain_verdict(net, &intent, &verdict, &x);
	assert_string_equal("", x.edit);
}

static void
explain_record__hostile_method_and_path__escaped(void **state)
{
	(void)state;
	make_http("GET " G "/repos/acme/payments/x");
	intent.path = "/\"\x1b[2J\n\xe2\x80\xae";
	expect(REFUSAL_malformed, "a path that nobody made canonical");
	assert_null(strpbrk(record(), "\x1b\n"));
	assert_null(strstr(record(), "\xe2\x80\xae"));
}

/* ---- the plan itself ------------------------------------------------------------------------ */

static void
compile_net__order_of_the_file__same_plan(void **state)
{
	static const char one[] =
	    "policy: 1\nnetwork: {services: {b: {to: [b.example, a.example], "
	    "allow: [{methods: [GET, POST], path: /x/*}, {path: /x/*a}, "
	    "{path: /y, query: {p: \"1\", q: \"2\"}}], only_addresses: "
	    "[10.0.0.0/8, 10.1.0.0/16]}, a: {to: c.example, allow: any}}}\n"
	    "credentials: {k: {source: {vault: v}, inject: [{service: b, as: "
	    "bearer}, {service: b, as: {header: x-a}}]}}\n";
	static const char other[] =
	    "policy: 1\ncredentials:\n  k: {inject: [{as: {header: x-a}, "
	    "service: b}, {service: b, as: bearer}], source: {vault: v}}\n"
	    "network:\n  services:\n    a: {allow: any, to: \"c.example:443\"}\n"
	    "    b:\n      only_addresses: [10.1.0.0/16, 10.0.0.0/8]\n"
	    "      allow:\n        - {path: /y, query: {q: \"2\", p: \"1\"}}\n"
	    "        - {path: /x/*a}\n"
	    "        - {path: /x/*, methods: [POST, GET]}\n"
	    "      to: [a.example, b.example]\n";
	unsigned char digest[SHA256_SIZE];

	(void)state;
	policy_done();
	policy_good(one, NULL);
	memcpy(digest, net->digest, sizeof(digest));
	policy_done();
	policy_good(other, NULL);
	assert_memory_equal(digest, net->digest, sizeof(digest));
	policy_done();
	/* … and what means something else has another. */
	policy_good("policy: 1\nnetwork: {services: {a: {to: c.example, allow: "
		    "any}}}\n",
	    NULL);
	memcpy(digest, net->digest, sizeof(digest));
	policy_done();
	policy_good("policy: 1\nnetwork: {services: {a: {to: d.example, allow: "
		    "any}}}\n",
	    NULL);
	assert_memory_not_equal(digest, net->digest, sizeof(digest));
	policy_done();
	policy_good("policy: 1\n", NULL);
	assert_int_equal(0, net->size);
	assert_false(plan_has_net(&policy_plan));
	policy_done();
	policy_good(example, NULL);
	assert_true(plan_has_net(&policy_plan));
	assert_memory_equal(policy_plan.net_digest, net->digest, SHA256_SIZE);
}

static void
plan_net_check__any_byte_changed__refused(void **state)
{
	static union plan_net_room room;
	struct err e;
	uint32_t i;

	(void)state;
	memcpy(&room, net, net->size);
	assert_int_equal(0, plan_net_check(&room.net, net->size, &e));
	for (i = 0; i < net->size; i++) {
		room.bytes[i] ^= 0x40;
		assert_int_equal(-1, plan_net_check(&room.net, net->size, &e));
		room.bytes[i] ^= 0x40;
	}
	for (i = 0; i < net->size; i++)
		assert_int_equal(-1, plan_net_check(&room.net, i, &e));
	assert_int_equal(-1, plan_net_check(&room.net, net->size + 8, &e));
	assert_int_equal(0, plan_net_check(&room.net, net->size, &e));
}

static void
spoil(uintptr_t at, uint32_t value)
{
	memcpy((void *)at, &value, sizeof(value));
}

/* Sealed anew, so that only the sense of the fields can refuse it. */
#define SPOIL(getter, index, field, value)                                     \
	do {                                                                   \
		memcpy(&room, net, net->size);                                 \
		assert_int_equal(0, plan_net_check(&room.net, net->size, &e)); \
		spoil((uintptr_t)&getter(&room.net, index)->field, value);     \
		plan_net_seal(&room.net);                                      \
		if (plan_net_check(&room.net, net->size, &e) == 0)             \
			fail_msg("%s", #getter "." #field);                    \
	} while (0)

static void
plan_net_check__sealed_nonsense__refused(void **state)
{
	static union plan_net_room room;
	struct err e;

	(void)state;
	SPOIL(plan_net_service, 0, name, 1 << 30);
	SPOIL(plan_net_service, 0, name, 2);
	SPOIL(plan_net_service, 0, protocol, 9);
	SPOIL(plan_net_service, 0, first_rule, 1);
	SPOIL(plan_net_service, 0, nrules, UINT32_MAX);
	SPOIL(plan_net_service, 1, inspect, 0);
	SPOIL(plan_net_service, 1, depths, 0);
	SPOIL(plan_net_service, 1, methods, 1);
	SPOIL(plan_net_service, 0, dial_port, 70000);
	SPOIL(plan_net_destination, 0, host, 2);
	SPOIL(plan_net_destination, 0, port, 0);
	SPOIL(plan_net_destination, 0, service, 99);
	SPOIL(plan_net_destination, 1, tls, 7);
	SPOIL(plan_net_destination, 1, open, 3);
	SPOIL(plan_net_rule, 0, service, 0);
	SPOIL(plan_net_rule, 0, verdict, 3);
	SPOIL(plan_net_rule, 0, methods, 0);
	SPOIL(plan_net_rule, 0, key, 0);
	SPOIL(plan_net_rule, 0, depth, 31);
	SPOIL(plan_net_rule, 0, first_query, 7);
	SPOIL(plan_net_range, 0, prefix, 33);
	SPOIL(plan_net_range, 0, prefix, 8);
	SPOIL(plan_net_credential, 0, elsewhere, 3);
	SPOIL(plan_net_credential, 1, placeholder_env, 1 << 20);
	SPOIL(plan_net_inject, 0, credential, 2);
	SPOIL(plan_net_inject, 0, service, 0);
	SPOIL(plan_net_inject, 0, header, 0);
	SPOIL(plan_net_inject, 1, when, PLAN_NET_WHEN_PLACEHOLDER);
}

/* A rule in another place would not be found: a deny could hide. */
static void
plan_net_check__two_rules_swapped__refused(void **state)
{
	static union plan_net_room room;
	struct plan_net_rule *rules, first;
	const struct plan_net_service *s;
	struct err e;
	uint32_t i, swapped = 0;

	(void)state;
	memcpy(&room, net, net->size);
	rules = (void *)(room.bytes + net->section[PLAN_NET_RULES].offset);
	for (i = 0; i < plan_net_count(net, PLAN_NET_SERVICES); i++) {
		s = plan_net_service(net, i);
		/* Parameters are in the order of the rules. */
		if (s->nrules < 2 || rules[s->first_rule].nqueries != 0 ||
		    rules[s->first_rule + 1].nqueries != 0 ||
		    rules[s->first_rule].key == rules[s->first_rule + 1].key)
			continue;
		first = rules[s->first_rule];
		rules[s->first_rule] = rules[s->first_rule + 1];
		rules[s->first_rule + 1] = first;
		swapped++;
	}
	assert_int_not_equal(0, swapped);
	plan_net_seal(&room.net);
	assert_refused(plan_net_check(&room.net, net->size, &e), &e,
	    ERR_CORRUPT, "is not sorted");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(authorize__hosts_that_look_alike__refused),
		cmocka_unit_test(
		    authorize__host_that_is_not_canonical__malformed),
		cmocka_unit_test(authorize__other_ports__refused),
		cmocka_unit_test(authorize__nothing_filled_in__refused),
		cmocka_unit_test(
		    authorize_connect__handling__by_what_has_to_be_seen),
		cmocka_unit_test(
		    authorize_connect__sni_of_another_host__mismatch),
		cmocka_unit_test(
		    authorize_connect__no_tls_where_it_must_be__refused),
		cmocka_unit_test(
		    authorize_tcp__http_service__not_for_other_bytes),
		cmocka_unit_test(authorize_http__names_that_differ__mismatch),
		cmocka_unit_test(authorize__address_literals__by_their_class),
		cmocka_unit_test(
		    authorize_dial__address_of_the_answer__judged_alone),
		cmocka_unit_test(
		    authorize_dial__other_port_or_name_than_allowed__refused),
		cmocka_unit_test(
		    authorize_dial__index_of_a_file__may_be_on_the_premises),
		cmocka_unit_test(
		    authorize_dial__blocked_inside_only_addresses__stays_blocked),
		cmocka_unit_test(authorize_http__rules__deny_ask_allow_default),
		cmocka_unit_test(
		    authorize_http__query_that_a_rule_names__once_and_matching),
		cmocka_unit_test(
		    authorize_http__deny_in_another_spelling__still_denied),
		cmocka_unit_test(
		    authorize_http__encoded_slash__only_where_a_rule_spells_it),
		cmocka_unit_test(
		    authorize_http__any_path_or_any_request__not_the_ambiguous),
		cmocka_unit_test(
		    authorize_http__two_services_for_a_host__the_deny_of_either),
		cmocka_unit_test(authorize_http__body_over_the_limit__refused),
		cmocka_unit_test(
		    authorize_http__placeholder__only_in_its_header_of_its_service),
		cmocka_unit_test(
		    authorize_http__credential_without_placeholder__always_put_in),
		cmocka_unit_test(
		    authorize_http__credential_of_the_client__stripped),
		cmocka_unit_test(
		    authorize_http__too_many_or_unknown_placeholders__refused),
		cmocka_unit_test(
		    authorize_http__two_placeholders_in_a_header__one_alone),
		cmocka_unit_test(
		    authorize_http__elsewhere_strip_and_pass__as_they_say),
		cmocka_unit_test(
		    credential_is_header__spellings_and_named__known),
		cmocka_unit_test(
		    authorize_http__credential_in_the_query__from_client),
		cmocka_unit_test(
		    credential_strip_query__what_the_client_brought__and_no_more),
		cmocka_unit_test(
		    explain_record__refused_path__nearest_rule_and_edit),
		cmocka_unit_test(
		    explain_record__denied__the_rule_and_its_reason),
		cmocka_unit_test(
		    explain_verdict__each_refusal__an_edit_that_helps),
		cmocka_unit_test(
		    explain_record__hostile_method_and_path__escaped),
		cmocka_unit_test(compile_net__order_of_the_file__same_plan),
		cmocka_unit_test(plan_net_check__any_byte_changed__refused),
		cmocka_unit_test(plan_net_check__sealed_nonsense__refused),
		cmocka_unit_test(plan_net_check__two_rules_swapped__refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
