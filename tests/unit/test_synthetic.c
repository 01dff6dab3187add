/*
 * proxy/synthetic.c: names and the addresses that stand for them.
 */
#include "unit.h"

#include "policy/address.h"
#include "proxy/synthetic.h"

static int
setup(void **state)
{
	struct err e;

	return synthetic_create(0x0123456789abcdef, (void *)state, &e);
}

static int
teardown(void **state)
{
	synthetic_destroy(*state);
	synthetic_destroy(NULL);
	return 0;
}

static void
assert_address(uint32_t number, uint32_t family, const char *text)
{
	struct net_address got, want;

	assert_int_equal(address_parse(text, &want), 0);
	synthetic_address(number, family, &got);
	assert_memory_equal(&got, &want, sizeof(got));
}

static void
synthetic_address__numbers__in_their_ranges(void **state)
{
	(void)state;
	assert_address(0, 4, "198.18.0.1");
	assert_address(254, 4, "198.18.0.255");
	assert_address(SYNTHETIC_NAMES_MAX - 1, 4, "198.18.16.0");
	assert_address(0, 6, "fd57:6172:6465:7200::1");
	assert_address(SYNTHETIC_NAMES_MAX - 1, 6, "fd57:6172:6465:7200::1000");
}

static void
synthetic_number__a_name_again__has_the_same(void **state)
{
	struct synthetic *s = *state;
	struct net_address a;
	uint32_t n[4];
	struct err e;

	assert_int_equal(synthetic_number(s, "a.example", &n[0], &e), 0);
	assert_int_equal(synthetic_number(s, "b.example", &n[1], &e), 0);
	assert_int_equal(synthetic_number(s, "a.example", &n[2], &e), 0);
	assert_int_equal(synthetic_number(s, "a.exampl", &n[3], &e), 0);
	assert_int_equal(n[0], 0);
	assert_int_equal(n[1], 1);
	assert_int_equal(n[2], 0);
	assert_int_equal(n[3], 2);
	synthetic_address(1, 4, &a);
	assert_string_equal(synthetic_host(s, &a), "b.example");
	synthetic_address(1, 6, &a);
	assert_string_equal(synthetic_host(s, &a), "b.example");
}

static void
synthetic_host__addresses_of_no_name__null(void **state)
{
	static const char *const texts[] = { "198.18.0.0", "198.18.0.2",
		"198.19.0.1", "198.17.0.1", "0.0.0.1", "255.255.255.255",
		"fd57:6172:6465:7200::", "fd57:6172:6465:7200::2",
		"fd57:6172:6465:7201::1", "fd57:6172:6465:7200:1::1",
		"fd57:6172:6465:7200:0:1:0:1", "::1", "::198.18.0.1" };
	struct synthetic *s = *state;
	struct net_address a = { 0 };
	uint32_t n;
	struct err e;
	size_t i;

	assert_null(synthetic_host(s, &a));
	assert_int_equal(synthetic_number(s, "a.example", &n, &e), 0);
	for (i = 0; i < countof(texts); i++) {
		assert_int_equal(address_parse(texts[i], &a), 0);
		if (synthetic_host(s, &a) != NULL)
			fail_msg("%s", texts[i]);
	}
	a = (struct net_address){ .family = 5 };
	assert_null(synthetic_host(s, &a));
	assert_int_equal(address_parse("198.18.0.1", &a), 0);
	assert_string_equal(synthetic_host(s, &a), "a.example");
}

static void
synthetic_number__all_given_away__limit(void **state)
{
	struct synthetic *s = *state;
	struct net_address a;
	char name[32];
	uint32_t i, n;
	struct err e;

	for (i = 0; i < SYNTHETIC_NAMES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%u.example", i);
		assert_int_equal(synthetic_number(s, name, &n, &e), 0);
		assert_int_equal(n, i);
	}
	assert_refused(synthetic_number(s, "one.more", &n, &e), &e, ERR_LIMIT,
	    "4096 names");
	/* who has one keeps it */
	for (i = 0; i < SYNTHETIC_NAMES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%u.example", i);
		assert_int_equal(synthetic_number(s, name, &n, &e), 0);
		assert_int_equal(n, i);
		synthetic_address(i, i % 2 ? 4 : 6, &a);
		assert_string_equal(synthetic_host(s, &a), name);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(synthetic_address__numbers__in_their_ranges),
		cmocka_unit_test_setup_teardown(
		    synthetic_number__a_name_again__has_the_same, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    synthetic_host__addresses_of_no_name__null, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    synthetic_number__all_given_away__limit, setup, teardown),
	};

	return cmocka_run_group_tests_name("synthetic", tests, NULL, NULL);
}
