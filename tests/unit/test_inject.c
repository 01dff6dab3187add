/* proxy/inject.c: where a placeholder counts, and what goes out instead. */
#include "unit_http1.h"
#include "unit_policy.h"

#include "policy/authorize.h"
#include "proxy/inject.h"

#define FAKE_A "ghp_wdrAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define FAKE_B "wdr-placeholder-BBBBBBBBBBBBBBBBBBBBBBBB"
#define REAL_A "ghp_realSecretOfTheBot"
#define REAL_B "registry-password"

static const char example[] =
    "policy: 1\n"
    "network:\n"
    "  services:\n"
    "    api:\n"
    "      to: api.example.com\n"
    "      allow: any\n"
    "    registry:\n"
    "      to: registry.example.com\n"
    "      allow: any\n"
    "    model:\n"
    "      to: model.example.com\n"
    "      allow: any\n"
    "credentials:\n"
    "  key_a:\n"
    "    source: {vault: a}\n"
    "    placeholder: {env: A, shape: github_pat}\n"
    "    elsewhere: ELSEWHERE\n"
    "    inject: [{service: api, as: bearer}]\n"
    "  key_b:\n"
    "    source: {vault: b}\n"
    "    placeholder: {env: B, shape: opaque}\n"
    "    inject: [{service: registry, as: {basic: bot}}]\n"
    "  key_c:\n"
    "    source: {vault: c}\n"
    "    inject: [{service: model, as: {header: x-api-key, format: \"Key "
    "{}\"}}]\n";

static const struct plan_net *net = &policy_net.net;
static const char *const values[] = { FAKE_A, FAKE_B, "" };

struct world {
	struct inject_set *set;
	struct secret *secrets[3]; /* of key_a, key_b, key_c */
	struct http1_head head;
	struct inject_found found;
	struct verdict verdict;
};

static void
world_open(struct world *w, const char *elsewhere)
{
	static const char *const real[] = { REAL_A, REAL_B, "model-key" };
	char text[sizeof(example) + 16];
	const char *at = strstr(example, "ELSEWHERE");
	struct err e = { 0 };
	size_t i;

	(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - example),
	    example, elsewhere, at + strlen("ELSEWHERE"));
	policy_good(text, NULL);
	*w = (struct world){ 0 };
	if (inject_set_create(net, values, &w->set, &e) == -1)
		fail_msg("%s", e.msg);
	for (i = 0; i < countof(real); i++)
		assert_int_equal(secret_create(real[i], strlen(real[i]),
				     &w->secrets[i], &e),
		    0);
	http1_head_init(&w->head, HTTP1_REQUEST, NULL);
}

static void
world_close(struct world *w)
{
	size_t i;

	for (i = 0; i < countof(w->secrets); i++)
		secret_destroy(w->secrets[i]);
	http1_head_finish(&w->head);
	inject_set_destroy(w->set);
	policy_done();
}

/* Read a request to a host, find, judge: what the proxy does. */
static void
ask(struct world *w, const char *host, const char *target, const char *fields)
{
	char text[4096];
	struct intent in = {
		.kind = INTENT_HTTP,
		.host = host,
		.port = 443,
		.tls = 1,
		.sni = host,
		.authority = host,
		.authority_port = 443,
		.method = "GET",
		.path = "/",
		.query = strchr(target, '?') == NULL ? NULL
						     : strchr(target, '?') + 1,
	};
	int n = snprintf(text, sizeof(text),
	    "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", target, host, fields);

	http1_head_reset(&w->head);
	http1_read_all(&w->head, text, (size_t)n);
	inject_find(w->set, &w->head, &w->found);
	in.carries = w->found.carries;
	in.ncarries = w->found.ncarries;
	in.brought = w->found.brought;
	authorize(net, &in, &w->verdict);
}

static int
apply(struct world *w, struct err *e)
{
	struct inject_secrets s = { 0 };
	uint32_t i;

	for (i = 0; i < w->verdict.ninjects; i++)
		s.of[i] = w->secrets[plan_net_inject(net, w->verdict.injects[i])
					 ->credential];
	return inject_apply(w->set, &w->found, &w->verdict, &s, &w->head, e);
}

/* Allowed; then the field has this value (NULL: it is not there). */
static void
expect_field(struct world *w, const char *name, const char *value)
{
	struct err e = { 0 };
	const char *got;

	assert_int_equal(w->verdict.answer, VERDICT_ALLOW);
	if (apply(w, &e) == -1)
		fail_msg("%s", e.msg);
	got = http1_head_get(&w->head, name);
	if (value == NULL)
		assert_null(got);
	else {
		assert_non_null(got);
		assert_string_equal(got, value);
	}
}

static void
expect_refused(const struct world *w, enum refusal_code code)
{
	assert_int_not_equal(w->verdict.answer, VERDICT_ALLOW);
	assert_string_equal(refusal_name(w->verdict.code), refusal_name(code));
}

/* No form of either placeholder, and neither secret, is left in the head. */
static void
expect_no_placeholder(const struct world *w)
{
	struct inject_found again;

	inject_find(w->set, &w->head, &again);
	assert_int_equal(again.ncarries, 0);
}

static void
inject_apply__placeholder_in_its_slot__the_secret(void **state)
{
	static const char *const fields[] = {
		"Authorization: Bearer " FAKE_A "\r\n",
		"authorization: bearer " FAKE_A "\r\n",
		"Authorization: token " FAKE_A "\r\n",
	};
	struct world w;
	size_t i;

	(void)state;
	world_open(&w, "refuse");
	for (i = 0; i < countof(fields); i++) {
		ask(&w, "api.example.com", "/", fields[i]);
		assert_false(w.found.brought);
		expect_field(&w, "Authorization", "Bearer " REAL_A);
		expect_no_placeholder(&w);
	}
	world_close(&w);
}

static void
inject_apply__password_of_any_user__the_policys_user(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, "refuse");
	/* whoever:FAKE_B */
	ask(&w, "registry.example.com", "/",
	    "Authorization: Basic d2hvZXZlcjp3ZHItcGxhY2Vob2xkZXItQkJCQkJCQkJC"
	    "QkJCQkJCQkJCQkJCQkJC\r\n");
	/* bot:registry-password */
	expect_field(&w, "Authorization", "Basic Ym90OnJlZ2lzdHJ5LXBhc3N3b3Jk");
	expect_no_placeholder(&w);
	world_close(&w);
}

static void
inject_apply__no_placeholder_defined__always(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, "refuse");
	ask(&w, "model.example.com", "/", "X-Api-Key: made-up\r\n");
	assert_true(w.found.brought);
	expect_field(&w, "x-api-key", "Key model-key");
	assert_int_equal(http1_head_find(&w.head, "x-api-key",
			     http1_head_find(&w.head, "x-api-key", 0) + 1),
	    HTTP1_NOWHERE);
	world_close(&w);
}

static void
inject_find__not_the_whole_field_or_elsewhere__refused(void **state)
{
	static const struct {
		const char *target, *fields;
	} tries[] = {
		{ "/?t=" FAKE_A, "" },
		{ "/" FAKE_A, "" },
		{ "/", "X-Other: " FAKE_A "\r\n" },
		{ "/", "Cookie: a=" FAKE_A "; b=c\r\n" },
		{ "/", FAKE_A ": x\r\n" },
		{ "/", "Authorization: Bearer x" FAKE_A "\r\n" },
		{ "/", "Authorization: Bearer " FAKE_A "x\r\n" },
		{ "/", "Authorization: Bearer " FAKE_A ", " FAKE_A "\r\n" },
		{ "/", "Authorization: Digest " FAKE_A "\r\n" },
		{ "/", "Authorization: " FAKE_A "\r\n" },
		{ "/", "Proxy-Auth: Bearer " FAKE_A "\r\n" },
		/* base64 of FAKE_A, its hex, its percent-encoding */
		{ "/",
		    "X-B: Z2hwX3dkckFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
		    "QUFB\r\n" },
		{ "/", "X-H: 6768705f7764724141414141414141414141414141414141"
		       "41414141414141414141414141414141\r\n" },
		/* the other service's */
		{ "/", "Authorization: Bearer " FAKE_B "\r\n" },
		{ "/", "X: " FAKE_B "\r\n" },
	};
	struct world w;
	size_t i;

	(void)state;
	world_open(&w, "refuse");
	for (i = 0; i < countof(tries); i++) {
		char fields[512];

		/* With the right one too: so nothing is missing. */
		(void)snprintf(fields, sizeof(fields), "%s%s", tries[i].fields,
		    strstr(tries[i].fields, "Authorization") == NULL
			? "Authorization: Bearer " FAKE_A "\r\n"
			: "");
		ask(&w, "api.example.com", tries[i].target, fields);
		expect_refused(&w, REFUSAL_credential_elsewhere);
	}
	ask(&w, "api.example.com", "/", "");
	expect_refused(&w, REFUSAL_credential_missing);
	ask(&w, "model.example.com", "/",
	    "Authorization: Bearer " FAKE_A "\r\n");
	expect_refused(&w, REFUSAL_credential_elsewhere);
	world_close(&w);
}

static void
inject_find__text_with_its_beginning__nothing(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, "refuse");
	ask(&w, "api.example.com", "/?q=ghp_wdrAAAA",
	    "X: ghp_wdrAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
	    "Authorization: Bearer " FAKE_A "\r\n");
	expect_field(&w, "X", "ghp_wdrAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	world_close(&w);
}

static void
inject_apply__clients_own_credentials__taken_out(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, "refuse");
	ask(&w, "api.example.com", "/",
	    "Authorization: Bearer " FAKE_A "\r\nCookie: session=1\r\n"
	    "X-Api-Key: mine\r\nAccept: */*\r\n");
	assert_true(w.found.brought);
	expect_field(&w, "Authorization", "Bearer " REAL_A);
	assert_null(http1_head_get(&w.head, "x-api-key"));
	assert_non_null(http1_head_get(&w.head, "accept"));
	world_close(&w);
}

static void
inject_apply__clients_own_parameters__taken_out(void **state)
{
	static const struct {
		const char *target, *sent;
	} rows[] = {
		{ "/?a=1&access_token=mine&b=2", "/?a=1&b=2" },
		{ "/?API_KEY=mine", "/" },
		{ "/?a=1&b=key", "/?a=1&b=key" },
	};
	struct world w;
	struct err e;
	size_t i;

	(void)state;
	world_open(&w, "refuse");
	for (i = 0; i < countof(rows); i++) {
		ask(&w, "api.example.com", rows[i].target,
		    "Authorization: Bearer " FAKE_A "\r\n"
		    "X_API_KEY: mine\r\n");
		assert_int_equal(w.verdict.answer, VERDICT_ALLOW);
		assert_int_equal(apply(&w, &e), 0);
		assert_string_equal(http1_head_target(&w.head), rows[i].sent);
		assert_null(http1_head_get(&w.head, "x_api_key"));
	}
	world_close(&w);
}

static void
inject_apply__elsewhere_strip__field_gone_target_refused(void **state)
{
	struct world w;
	struct err e;

	(void)state;
	world_open(&w, "strip");
	ask(&w, "api.example.com", "/",
	    "X-Trace: a " FAKE_A "\r\nAuthorization: Bearer " FAKE_A "\r\n");
	expect_field(&w, "X-Trace", NULL);
	assert_string_equal(http1_head_get(&w.head, "authorization"),
	    "Bearer " REAL_A);
	ask(&w, "api.example.com", "/?t=" FAKE_A,
	    "Authorization: Bearer " FAKE_A "\r\n");
	assert_int_equal(w.verdict.answer, VERDICT_ALLOW);
	assert_int_equal(apply(&w, &e), -1);
	assert_string_equal(err_name(e.code), err_name(ERR_DENIED));
	world_close(&w);
}

static void
inject_apply__elsewhere_pass__inert_text_stays(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, "pass");
	ask(&w, "api.example.com", "/",
	    "X-Trace: " FAKE_A "\r\nAuthorization: Bearer " FAKE_A "\r\n");
	expect_field(&w, "X-Trace", FAKE_A);
	world_close(&w);
}

static void
inject_apply__secret_that_makes_a_header__nothing_sent(void **state)
{
	struct world w;
	struct err e = { 0 };

	(void)state;
	world_open(&w, "refuse");
	secret_destroy(w.secrets[0]);
	assert_int_equal(secret_create("a\r\nX: y", 7, &w.secrets[0], &e), 0);
	ask(&w, "api.example.com", "/", "Authorization: Bearer " FAKE_A "\r\n");
	assert_int_equal(apply(&w, &e), -1);
	assert_null(http1_head_get(&w.head, "X"));
	world_close(&w);
}

static void
inject_apply__refused_or_no_secret__error(void **state)
{
	struct inject_secrets none = { 0 };
	struct world w;
	struct err e;

	(void)state;
	world_open(&w, "refuse");
	ask(&w, "api.example.com", "/", "");
	assert_refused(inject_apply(w.set, &w.found, &w.verdict, &none, &w.head,
			   &e),
	    &e, ERR_DENIED, "refused");
	ask(&w, "api.example.com", "/", "Authorization: Bearer " FAKE_A "\r\n");
	assert_refused(inject_apply(w.set, &w.found, &w.verdict, &none, &w.head,
			   &e),
	    &e, ERR_NOT_FOUND, "no secret");
	world_close(&w);
}

/* ---- bodies ---- */

static int
collect(void *ctx, const void *p, size_t n)
{
	struct err e;

	return buf_append(ctx, p, n, &e);
}

/* In pieces: one of "first" bytes, then of "step" each. */
static int
body(struct world *w, const char *text, size_t first, size_t step,
    struct buf *out)
{
	struct inject_body b;
	size_t n = strlen(text), at, k;
	int r = 0;

	inject_body_begin(&b, w->set, collect, out);
	for (at = 0; at < n && r == 0; at += k) {
		k = at == 0 && first > 0 ? first : step;
		k = k < n - at ? k : n - at;
		r = inject_body_feed(&b, text + at, k);
	}
	if (r == 0)
		r = inject_body_end(&b);
	assert_true((r == INJECT_REFUSED) == (b.refused != PLAN_NET_NONE));
	return r;
}

static void
expect_pieces(struct world *w, const char *text, size_t first, size_t step,
    int result, const char *wanted)
{
	autobuf out;

	buf_init(&out, 4096);
	assert_int_equal(body(w, text, first, step, &out), result);
	assert_null(result != 0 && buf_size(&out) > 0
			? memmem(buf_bytes(&out), buf_size(&out), FAKE_A,
			      strlen(FAKE_A))
			: NULL);
	if (wanted == NULL)
		return;
	assert_int_equal(buf_size(&out), strlen(wanted));
	assert_memory_equal(buf_bytes(&out), wanted, buf_size(&out));
}

/* Every split, and what follows in reads of 1 to 16 bytes, or of many. */
static void
expect_body(const char *elsewhere, const char *text, int result,
    const char *wanted)
{
	struct world w;
	size_t first, step;

	world_open(&w, elsewhere);
	for (first = 0; first <= strlen(text); first++)
		for (step = 1; step <= 64; step += step < 16 ? 1 : 48)
			expect_pieces(&w, text, first, step, result, wanted);
	world_close(&w);
}

static void
inject_body__placeholder_inside__as_elsewhere_says(void **state)
{
	(void)state;
	expect_body("refuse", "{\"t\": \"" FAKE_A "\"}", INJECT_REFUSED, NULL);
	expect_body("pass", "{\"t\": \"" FAKE_A "\"}", 0,
	    "{\"t\": \"" FAKE_A "\"}");
	expect_body("strip", "{\"t\": \"" FAKE_A "\"}", 0,
	    "{\"t\": \"****************************************\"}");
	expect_body("refuse", "diff with ghp_wdrAAAAA", 0,
	    "diff with ghp_wdrAAAAA");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    inject_apply__placeholder_in_its_slot__the_secret),
		cmocka_unit_test(
		    inject_apply__password_of_any_user__the_policys_user),
		cmocka_unit_test(inject_apply__no_placeholder_defined__always),
		cmocka_unit_test(
		    inject_find__not_the_whole_field_or_elsewhere__refused),
		cmocka_unit_test(inject_find__text_with_its_beginning__nothing),
		cmocka_unit_test(
		    inject_apply__clients_own_credentials__taken_out),
		cmocka_unit_test(
		    inject_apply__clients_own_parameters__taken_out),
		cmocka_unit_test(
		    inject_apply__elsewhere_strip__field_gone_target_refused),
		cmocka_unit_test(
		    inject_apply__elsewhere_pass__inert_text_stays),
		cmocka_unit_test(
		    inject_apply__secret_that_makes_a_header__nothing_sent),
		cmocka_unit_test(inject_apply__refused_or_no_secret__error),
		cmocka_unit_test(
		    inject_body__placeholder_inside__as_elsewhere_says),
	};

	return cmocka_run_group_tests_name("inject", tests, NULL, NULL);
}
