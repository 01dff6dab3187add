/* proxy/mint.c: whose certificates are made, and what they are good for. */
#include "unit_tls.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static const int64_t noon = 1800000000; /* in January 2027 */

static struct mint_options
options(const char *jail, const char *const *hosts, size_t n)
{
	struct mint_options o = { .jail = jail,
		.hosts = hosts,
		.nhosts = n,
		.start_s = noon,
		.life_s = 3600 };

	memset(o.seed, 7, sizeof(o.seed));
	return o;
}

static struct mint *
mint_of(const struct mint_options *o)
{
	struct err e = { .code = ERR_OK };
	struct mint *m;

	if (mint_create(o, &m, &e) == -1)
		fail_msg("%s", e.msg);
	return m;
}

static X509 *
authority_of(const struct mint *m)
{
	BIO *b = BIO_new_mem_buf(mint_pem(m), -1);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);

	assert_non_null(x);
	BIO_free(b);
	return x;
}

static void
mint_create__restarted__same_key_and_name(void **state)
{
	const char *hosts[] = { "a.test", "b.test" };
	struct mint_options o = options("jail", hosts, 2);
	struct mint *a = mint_of(&o), *b, *c, *d;
	X509 *xa = authority_of(a), *xb, *xc, *xd;

	(void)state;
	o.start_s += 600;
	b = mint_of(&o);
	xb = authority_of(b);
	assert_true(X509_NAME_cmp(X509_get_subject_name(xa),
			X509_get_subject_name(xb)) == 0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(xa),
			     X509_get0_pubkey(xb)),
	    1);
	assert_string_equal(mint_hash(a), mint_hash(b));

	/* Another jail, another seed: nothing is the same. */
	o.jail = "jail2";
	c = mint_of(&o);
	xc = authority_of(c);
	o.jail = "jail";
	o.seed[31] ^= 1;
	d = mint_of(&o);
	xd = authority_of(d);
	assert_int_not_equal(EVP_PKEY_eq(X509_get0_pubkey(xa),
				 X509_get0_pubkey(xc)),
	    1);
	assert_int_not_equal(EVP_PKEY_eq(X509_get0_pubkey(xa),
				 X509_get0_pubkey(xd)),
	    1);
	assert_string_not_equal(mint_hash(a), mint_hash(c));
	assert_string_not_equal(mint_hash(a), mint_hash(d));
	X509_free(xa);
	X509_free(xb);
	X509_free(xc);
	X509_free(xd);
	mint_destroy(a);
	mint_destroy(b);
	mint_destroy(c);
	mint_destroy(d);
}

static void
mint_create__certificate__says_its_limits(void **state)
{
	static const struct {
		int nid;
		int critical;
	} rows[] = {
		{ NID_basic_constraints, 1 },
		{ NID_key_usage, 1 },
		{ NID_name_constraints, 1 },
		{ NID_ext_key_usage, 0 },
		{ NID_subject_key_identifier, 0 },
	};

	const char *hosts[] = { "a.test" };
	struct mint_options o = options("jail", hosts, 1);
	struct mint *m = mint_of(&o);
	X509 *x = authority_of(m);
	time_t before = noon - MINT_SKEW_S - 1, last = noon + 3599,
	       after = noon + 3601;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		int at = X509_get_ext_by_NID(x, rows[i].nid, -1);

		assert_true(at >= 0);
		assert_int_equal(X509_EXTENSION_get_critical(
				     X509_get_ext(x, at)) > 0,
		    rows[i].critical);
	}
	assert_int_equal(X509_get_pathlen(x), 0);
	assert_int_equal(X509_get_key_usage(x), KU_KEY_CERT_SIGN);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER);
	assert_true(X509_cmp_time(X509_get0_notBefore(x), &before) > 0);
	assert_true(X509_cmp_time(X509_get0_notAfter(x), &last) > 0);
	assert_true(X509_cmp_time(X509_get0_notAfter(x), &after) < 0);
	X509_free(x);
	mint_destroy(m);
}

static void
mint_create__hosts__judged(void **state)
{
	static const struct {
		const char *host;
		const char *why;
	} bad[] = {
		{ "", "DNS names only" },
		{ "192.0.2.1", "DNS names only" },
		{ "1.2.3", "DNS names only" },
		{ "[2001:db8::1]", "DNS names only" },
		{ "A.test", "DNS names only" },
		{ "a.test.", "DNS names only" },
		{ ".a.test", "DNS names only" },
		{ "a..test", "DNS names only" },
		{ "-a.test", "DNS names only" },
		{ "a b.test", "DNS names only" },
		{ "x@a.test", "DNS names only" },
		{ "a,DNS:b.test", "DNS names only" },
		{ "*.*.test", "DNS names only" },
		{ "a.*.test", "DNS names only" },
		{ "*", "DNS names only" },
		{ "*.com", "top-level domain" },
	};

	static const char *const good[] = { "a.test", "localhost", "*.a.test",
		"xn--caf-dma.test", "a_b.test", "1.2.3.a" };
	struct err e = { .code = ERR_OK };
	struct mint *m;
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++) {
		struct mint_options o = options("jail", &bad[i].host, 1);

		assert_refused(mint_create(&o, &m, &e), &e, ERR_INVALID,
		    bad[i].why);
	}
	for (i = 0; i < countof(good); i++) {
		struct mint_options o = options("jail", &good[i], 1);

		mint_destroy(mint_of(&o));
	}
	{
		struct mint_options o = options("jail", NULL, 0);

		assert_refused(mint_create(&o, &m, &e), &e, ERR_INVALID,
		    "no host");
		o = options("", good, 1);
		assert_refused(mint_create(&o, &m, &e), &e, ERR_INVALID,
		    "jail's id");
		o = options("jail", good, 1);
		o.start_s = 0;
		assert_refused(mint_create(&o, &m, &e), &e, ERR_INVALID,
		    "clock");
	}
}

/* Many hosts; one more; and few whose names are long. */
static void
mint_create__limits__one_past_refused(void **state)
{
	static char names[MINT_HOSTS_MAX + 1][250];
	static const char *hosts[MINT_HOSTS_MAX + 1];
	struct mint_options o = options("jail", hosts, MINT_HOSTS_MAX);
	struct err e = { .code = ERR_OK };
	struct mint *m;
	size_t i;

	(void)state;
	for (i = 0; i <= MINT_HOSTS_MAX; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "h%zu.example.test",
		    i);
		hosts[i] = names[i];
	}
	m = mint_of(&o);
	assert_true(strlen(mint_pem(m)) < MINT_PEM_MAX);
	mint_destroy(m);
	o.nhosts++;
	assert_refused(mint_create(&o, &m, &e), &e, ERR_LIMIT, "at most 1024");
	o.nhosts = 300;
	for (i = 0; i < o.nhosts; i++)
		(void)snprintf(names[i], sizeof(names[i]),
		    "h%zu.%060d.%060d.%060d.test", i, 1, 2, 3);
	assert_refused(mint_create(&o, &m, &e), &e, ERR_LIMIT, "too long");
}

static void
mint_leaf__hosts__as_the_plan_says(void **state)
{
	static const struct {
		const char *host;
		int good;
	} rows[] = {
		{ "a.test", 1 },
		{ "www.a.test", 0 },
		{ "ba.test", 0 },
		{ "test", 0 },
		{ "x.b.test", 1 },
		{ "b.test", 0 },
		{ "x.y.b.test", 0 },
		{ "*.b.test", 0 },
		{ "192.0.2.1", 0 },
		{ "me@a.test", 0 },
		{ "A.test", 0 },
		{ "a.test.", 0 },
		{ "", 0 },
	};

	const char *hosts[] = { "*.b.test", "a.test", "a.test" };
	struct mint_options o = options("jail", hosts, 3);
	struct mint *m = mint_of(&o);
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		const struct tls_identity *id;
		struct err e = { .code = ERR_OK };

		if (rows[i].good)
			assert_int_equal(mint_leaf(m, rows[i].host, noon, &id,
					     &e),
			    0);
		else
			assert_refused(mint_leaf(m, rows[i].host, noon, &id,
					   &e),
			    &e, ERR_DENIED, "not for this host");
	}
	mint_destroy(m);
}

static void
signed_so_far(struct mint *m, const char *host, int64_t now_s, uint64_t want)
{
	const struct tls_identity *id;
	struct err e = { .code = ERR_OK };
	struct mint_stats s;

	if (mint_leaf(m, host, now_s, &id, &e) == -1)
		fail_msg("%s: %s", host, e.msg);
	mint_stats(m, &s);
	assert_int_equal(s.signed_leaves, want);
	assert_true(s.kept <= MINT_LEAVES_MAX);
}

static void
mint_leaf__asked_again__kept_and_renewed(void **state)
{
	enum {
		DAY = MINT_LEAF_S
	};

	const char *hosts[] = { "a.test", "*.b.test" };
	struct mint_options o = options("jail", hosts, 2);
	struct mint *m;
	const int64_t late = noon + 3 * DAY - 600;
	char name[32];
	int i;

	(void)state;
	o.life_s = 3 * DAY;
	m = mint_of(&o);
	signed_so_far(m, "a.test", noon, 1);
	signed_so_far(m, "a.test", noon + DAY - MINT_SKEW_S - 1, 1);
	signed_so_far(m, "a.test", noon + DAY - MINT_SKEW_S, 2);
	signed_so_far(m, "a.test", noon - 10, 3); /* the clock was set back */
	/* Near the authority's end a new one would be no better. */
	signed_so_far(m, "a.test", late, 4);
	signed_so_far(m, "a.test", noon + 3 * DAY - 1, 4);
	/* The least recently used one makes room. */
	for (i = 0; i < MINT_LEAVES_MAX - 1; i++) {
		(void)snprintf(name, sizeof(name), "h%d.b.test", i);
		signed_so_far(m, name, late, 5 + (uint64_t)i);
	}
	signed_so_far(m, "a.test", late, 4 + MINT_LEAVES_MAX - 1);
	signed_so_far(m, "new.b.test", late, 4 + MINT_LEAVES_MAX);
	signed_so_far(m, "a.test", late, 4 + MINT_LEAVES_MAX);
	signed_so_far(m, "h1.b.test", late, 4 + MINT_LEAVES_MAX);
	signed_so_far(m, "h0.b.test", late, 5 + MINT_LEAVES_MAX);
	mint_destroy(m);
}

static void
mint_leaf__outside_its_time__refused(void **state)
{
	static const int64_t bad[] = { 0, noon - MINT_SKEW_S - 1, noon + 3600,
		noon + 99999 };
	const char *hosts[] = { "a.test" };
	struct mint_options o = options("jail", hosts, 1);
	struct mint *m = mint_of(&o);
	const struct tls_identity *id;
	struct err e = { .code = ERR_OK };
	size_t i;

	(void)state;
	signed_so_far(m, "a.test", noon + 3599, 1);
	for (i = 0; i < countof(bad); i++)
		assert_refused(mint_leaf(m, "a.test", bad[i], &id, &e), &e,
		    ERR_DENIED, "at this time");
	mint_destroy(m);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(mint_create__restarted__same_key_and_name),
		cmocka_unit_test(mint_create__certificate__says_its_limits),
		cmocka_unit_test(mint_create__hosts__judged),
		cmocka_unit_test(mint_create__limits__one_past_refused),
		cmocka_unit_test(mint_leaf__hosts__as_the_plan_says),
		cmocka_unit_test(mint_leaf__asked_again__kept_and_renewed),
		cmocka_unit_test(mint_leaf__outside_its_time__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
