/* proxy/placeholder.c: what a jail has in a secret's place. */
#include "unit.h"

#include <regex.h>

#include "plan_net.h"
#include "proxy/placeholder.h"

static const unsigned char seed_a[PLACEHOLDER_SEED_SIZE] = "a";
static const unsigned char seed_b[PLACEHOLDER_SEED_SIZE] = "b";

static void
make(const unsigned char *seed, const char *name, unsigned shape,
    char ret[PLACEHOLDER_SIZE])
{
	struct err e = { 0 };

	if (placeholder_make(seed, name, shape, ret, &e) == -1)
		fail_msg("%s", e.msg);
}

/* What clients and secret scanners test. */
static const char *const forms[PLAN_NET_SHAPE__MAX] = {
	[PLAN_NET_SHAPE_opaque] = "^[A-Za-z0-9-]{32,}$",
	[PLAN_NET_SHAPE_hex] = "^[0-9a-f]{40}$",
	[PLAN_NET_SHAPE_uuid] = ("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-"
				 "[89ab][0-9a-f]{3}-[0-9a-f]{12}$"),
	[PLAN_NET_SHAPE_jwt] = ("^eyJ[A-Za-z0-9_-]+[.]eyJ[A-Za-z0-9_-]+[.]"
				"[A-Za-z0-9_-]{43}$"),
	[PLAN_NET_SHAPE_github_pat] = "^ghp_[A-Za-z0-9]{36}$",
	[PLAN_NET_SHAPE_gitlab_pat] = "^glpat-[A-Za-z0-9_-]{20}$",
	[PLAN_NET_SHAPE_openai] = "^sk-(proj-)?[A-Za-z0-9]{48}$",
	[PLAN_NET_SHAPE_anthropic] = "^sk-ant-api03-[A-Za-z0-9_-]{93}AA$",
	[PLAN_NET_SHAPE_google_api] = "^AIza[A-Za-z0-9_-]{35}$",
	[PLAN_NET_SHAPE_slack_bot] =
	    "^xoxb-[0-9]{10,13}-[0-9]{10,13}-[A-Za-z0-9]{24}$",
	[PLAN_NET_SHAPE_npm] = "^npm_[A-Za-z0-9]{36}$",
	[PLAN_NET_SHAPE_pypi] = "^pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}$",
};

static void
placeholder_make__each_shape__as_its_clients_want_it(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < PLAN_NET_SHAPE__MAX; i++) {
		char p[PLACEHOLDER_SIZE];
		regex_t re;

		make(seed_a, "key", i, p);
		assert_non_null(forms[i]);
		assert_int_equal(regcomp(&re, forms[i],
				     REG_EXTENDED | REG_NOSUB),
		    0);
		if (regexec(&re, p, 0, NULL, 0) != 0)
			fail_msg("%s: \"%s\"", plan_net_shape_name(i), p);
		regfree(&re);
	}
}

static void
placeholder_make__again__the_same(void **state)
{
	char a[PLACEHOLDER_SIZE], b[PLACEHOLDER_SIZE];

	(void)state;
	make(seed_a, "key", PLAN_NET_SHAPE_npm, a);
	make(seed_a, "key", PLAN_NET_SHAPE_npm, b);
	assert_string_equal(a, b);
}

static void
placeholder_make__other_seed_or_name__another(void **state)
{
	char a[PLACEHOLDER_SIZE], b[PLACEHOLDER_SIZE];

	(void)state;
	make(seed_a, "key", PLAN_NET_SHAPE_npm, a);
	make(seed_b, "key", PLAN_NET_SHAPE_npm, b);
	assert_string_not_equal(a, b);
	make(seed_a, "kez", PLAN_NET_SHAPE_npm, b);
	assert_string_not_equal(a, b);
}

static void
placeholder_make__unknown_shape__refused(void **state)
{
	char a[PLACEHOLDER_SIZE];
	struct err e;

	(void)state;
	assert_refused(placeholder_make(seed_a, "key", PLAN_NET_SHAPE__MAX, a,
			   &e),
	    &e, ERR_CORRUPT, "shape");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    placeholder_make__each_shape__as_its_clients_want_it),
		cmocka_unit_test(placeholder_make__again__the_same),
		cmocka_unit_test(placeholder_make__other_seed_or_name__another),
		cmocka_unit_test(placeholder_make__unknown_shape__refused),
	};

	return cmocka_run_group_tests_name("placeholder", tests, NULL, NULL);
}
