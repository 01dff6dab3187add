/* proxy/scrub.c: no form of a secret passes, however the stream is cut. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "buf.h"
#include "proxy/scrub.h"

#define SECRET "s3cr3t/Key+of<Acme>\"42\\"
#define FAKE "ghp_PLACEHOLDER"

/* What a user of the forms would write, made by Python's own libraries. */
static const struct form {
	const char *name, *text, *rest; /* rest: what stays of the form */
} forms[] = {
	{ "raw", SECRET, "" },
	{ "hex", "73336372337432" /* "s3cr3t2": none */, NULL },
	{ "hex lower",
	    "7333637233742f4b65792b6f663c41636d653e223432"
	    "5c",
	    "" },
	{ "hex upper",
	    "7333637233742F4B65792B6F663C41636D653E223432"
	    "5C",
	    "" },
	{ "base64", "czNjcjN0L0tleStvZjxBY21lPiI0Mlw=", "w=" },
	{ "base64 after one byte", "eHMzY3IzdC9LZXkrb2Y8QWNtZT4iNDJc", "eH" },
	{ "base64 after two bytes",
	    "eHhzM2NyM3QvS2V5K29mPEFjbWU+IjQyXA==", "eHhA==" },
	{ "base64url after two bytes",
	    "eHhzM2NyM3QvS2V5K29mPEFjbWU-IjQyXA==", "eHhA==" },
	{ "basic", "YWxpY2U6czNjcjN0L0tleStvZjxBY21lPiI0Mlw=", "w=" },
	{ "percent", "s3cr3t%2FKey%2Bof%3CAcme%3E%2242%5C", "" },
	{ "percent lower", "s3cr3t%2fKey%2bof%3cAcme%3e%2242%5c", "" },
	{ "percent all",
	    "%73%33%63%72%33%74%2F%4B%65%79%2B%6F%66%3C%41%63%6D%65%3E"
	    "%22%34%32%5C",
	    "" },
	{ "json", "s3cr3t/Key+of<Acme>\\\"42\\\\", "" },
	{ "json with slashes", "s3cr3t\\/Key+of<Acme>\\\"42\\\\", "" },
	{ "json for html", "s3cr3t/Key+of\\u003cAcme\\u003e\\\"42\\\\", "" },
};

static int
collect(void *ctx, const void *p, size_t n)
{
	struct err e;

	assert_true(n > 0);
	return buf_append(ctx, p, n, &e);
}

static struct scrub *
scrub_of(const char *secret, const char *user, const char *fake)
{
	autosecret *s = NULL;
	struct scrub *ret;
	struct err e = { 0 };

	assert_int_equal(secret_create(secret, strlen(secret), &s, &e), 0);
	if (scrub_create(&(struct scrub_entry){ s, user, fake }, 1, &ret, &e) ==
	    -1)
		fail_msg("%s", e.msg);
	return ret;
}

/* In pieces of "step" bytes, the first of "first". */
static void
run(struct scrub *s, const char *text, size_t n, size_t first, size_t step,
    struct buf *out)
{
	struct scrub_stream t;
	size_t at = 0;

	scrub_begin(&t, s, collect, out);
	while (at < n) {
		size_t k = at == 0 && first > 0 ? first : step;
		autofree char *piece = NULL;

		k = k < n - at ? k : n - at;
		piece = malloc(k); /* its end is watched */
		assert_non_null(piece);
		memcpy(piece, text + at, k);
		assert_int_equal(scrub_feed(&t, piece, k), 0);
		at += k;
	}
	assert_int_equal(scrub_end(&t), 0);
	assert_int_equal(scrub_waiting(&t), 0);
}

static void
expect(struct scrub *s, const char *text, const char *wanted)
{
	size_t n = strlen(text), first;

	for (first = 0; first <= n; first++) {
		size_t step;

		for (step = 1; step <= 16; step++) {
			autobuf out;

			buf_init(&out, 1 << 20);
			run(s, text, n, first, step, &out);
			assert_int_equal(buf_size(&out), strlen(wanted));
			if (buf_size(&out) > 0)
				assert_memory_equal(buf_bytes(&out), wanted,
				    buf_size(&out));
		}
	}
}

static void
scrub_feed__every_form_at_every_split__only_the_placeholder(void **state)
{
	struct scrub *s = scrub_of(SECRET, "alice", FAKE);
	size_t i;

	(void)state;
	for (i = 0; i < countof(forms); i++) {
		const struct form *f = &forms[i];
		char text[512], wanted[512];
		const char *at = f->rest;
		size_t lead = 0;

		(void)snprintf(text, sizeof(text), "{\"token\": \"%s\"}",
		    f->text);
		if (at == NULL) { /* the control: it is not the secret */
			expect(s, text, text);
			continue;
		}
		while (at[lead] != '\0' && at[lead] == f->text[lead])
			lead++;
		(void)snprintf(wanted, sizeof(wanted),
		    "{\"token\": \"%.*s" FAKE "%s\"}", (int)lead, at,
		    at + lead);
		expect(s, text, wanted);
	}
	scrub_destroy(s);
}

static void
scrub_feed__nearly_the_secret__passes_whole(void **state)
{
	struct scrub *s = scrub_of("abababababac", NULL, "X");

	(void)state;
	expect(s, "abababababab", "abababababab");
	expect(s, "ababababababac", "abX");
	expect(s, "abababababa", "abababababa");
	expect(s, "abababababacabababababac", "XX");
	expect(s, "", "");
	scrub_destroy(s);
}

/* What could not be a secret's start does not wait for the next event. */
static void
scrub_feed__ordinary_text__nothing_waits(void **state)
{
	struct scrub *s = scrub_of("swordfish", NULL, FAKE);
	struct scrub_stream t;
	autobuf out;

	(void)state;
	buf_init(&out, 4096);
	scrub_begin(&t, s, collect, &out);
	assert_int_equal(scrub_feed(&t, "data: sw\n\n", 10), 0);
	assert_int_equal(scrub_waiting(&t), 0);
	assert_int_equal(scrub_feed(&t, "data: sword", 11), 0);
	assert_int_equal(scrub_waiting(&t), 5);
	assert_int_equal(buf_size(&out), 16);
	scrub_destroy(s);
}

static void
scrub_feed__two_secrets__each_its_own_placeholder(void **state)
{
	autosecret *a = NULL, *b = NULL;
	struct scrub *s;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(secret_create("swordfish", 9, &a, &e), 0);
	assert_int_equal(secret_create("fishmonger", 10, &b, &e), 0);
	assert_int_equal(scrub_create((struct scrub_entry[]){ { a, NULL,
								  "<A>" },
					  { b, "bob", "<B>" } },
			     2, &s, &e),
	    0);
	expect(s, "swordfish fishmonger", "<A> <B>");
	expect(s, "swordfishmonger", "<A>monger");
	expect(s, "Ym9iOmZpc2htb25nZXI=", "<B>I=");
	scrub_destroy(s);
}

static int
refuse(void *ctx, const void *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
	return 7;
}

static void
scrub_feed__emit_fails__its_value_comes_back(void **state)
{
	struct scrub *s = scrub_of("swordfish", NULL, FAKE);
	struct scrub_stream t;

	(void)state;
	scrub_begin(&t, s, refuse, NULL);
	assert_int_equal(scrub_feed(&t, "a swordfish b", 13), 7);
	scrub_destroy(s);
}

static void
create_refused(const char *secret, const char *fake, enum err_code code)
{
	autosecret *x = NULL;
	struct scrub *s = NULL;
	struct err e = { 0 };

	assert_int_equal(secret_create(secret, strlen(secret), &x, &e), 0);
	assert_int_equal(scrub_create(&(struct scrub_entry){ x, NULL, fake }, 1,
			     &s, &e),
	    -1);
	assert_int_equal(e.code, code);
	assert_null(s);
}

static void
scrub_create__too_short_or_echoing_placeholder__refused(void **state)
{
	(void)state;
	create_refused("swordfish", "", ERR_INVALID);
	create_refused("seven77", "x", ERR_INVALID);
	create_refused("swordfish", "a swordfish", ERR_INVALID);
	create_refused("swordfish", "c3dvcmRmaXNo", ERR_INVALID);
	scrub_destroy(scrub_of("eight888", NULL, "x"));
}

static void
scrub_create__the_longest_secret__found(void **state)
{
	autofree char *secret = malloc(SECRET_MAX + 1);
	autofree char *text = malloc(2 * SECRET_MAX);
	autobuf out;
	struct scrub *s;
	size_t i;

	(void)state;
	assert_non_null(secret);
	assert_non_null(text);
	for (i = 0; i < SECRET_MAX; i++)
		secret[i] = (char)('!' + i * 7919 % 89);
	secret[SECRET_MAX] = '\0';
	s = scrub_of(secret, NULL, "x");
	(void)snprintf(text, (size_t)2 * SECRET_MAX, "<%s>", secret);
	buf_init(&out, 1 << 20);
	run(s, text, strlen(text), 100, 4096, &out);
	assert_int_equal(buf_size(&out), 3);
	scrub_destroy(s);
}

/* What cannot be searched does not pass; when there is memory it does. */
static void
scrub_begin__no_memory__nothing_passes(void **state)
{
	struct rlimit all, none = { 0 };
	struct scrub *s;
	struct scrub_stream t;
	autobuf out;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	unit_skip("the sanitizer ends a process that has no memory");
#endif
	s = scrub_of("swordfish", NULL, FAKE);
	buf_init(&out, 4096);
	assert_int_equal(getrlimit(RLIMIT_AS, &all), 0);
	none.rlim_max = all.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	scrub_begin(&t, s, collect, &out);
	assert_int_equal(setrlimit(RLIMIT_AS, &all), 0);
	assert_int_equal(scrub_feed(&t, "hello", 5), SCRUB_FAILED);
	assert_int_equal(scrub_waiting(&t), 0);
	assert_int_equal(scrub_end(&t), SCRUB_FAILED);
	assert_int_equal(buf_size(&out), 0);
	expect(s, "a swordfish", "a " FAKE);
	scrub_destroy(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    scrub_feed__every_form_at_every_split__only_the_placeholder),
		cmocka_unit_test(scrub_feed__nearly_the_secret__passes_whole),
		cmocka_unit_test(scrub_feed__ordinary_text__nothing_waits),
		cmocka_unit_test(
		    scrub_feed__two_secrets__each_its_own_placeholder),
		cmocka_unit_test(scrub_feed__emit_fails__its_value_comes_back),
		cmocka_unit_test(
		    scrub_create__too_short_or_echoing_placeholder__refused),
		cmocka_unit_test(scrub_create__the_longest_secret__found),
		cmocka_unit_test(scrub_begin__no_memory__nothing_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
