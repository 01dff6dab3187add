/* proxy/vault/oauth_answer.c: what is believed of a token endpoint. */
#include "unit.h"

#include "proxy/vault/oauth_answer.h"

static void
refused(long status, const char *text, enum err_code code, const char *says)
{
	struct oauth_answer a = { 0 };
	struct err e;

	assert_refused(oauth_answer_read(status, text, strlen(text), &a, &e),
	    &e, code, says);
	assert_null(a.access);
}

static void
oauth_answer_read__bearer_token__taken(void **state)
{
	static const char text[] =
	    "{\"access_token\":\"a1\",\"token_type\":\"bearer\","
	    "\"expires_in\":3600,\"refresh_token\":\"r1\",\"other\":[1]}";
	struct oauth_answer a;
	struct err e;

	(void)state;
	assert_int_equal(oauth_answer_read(200, text, sizeof(text) - 1, &a, &e),
	    0);
	assert_true(secret_equal(a.access, "a1", 2));
	assert_true(secret_equal(a.refresh, "r1", 2));
	assert_int_equal(a.expires_s, 3600);
	oauth_answer_finish(&a);
}

static void
oauth_answer_read__no_expiry_no_refresh__taken(void **state)
{
	static const char text[] =
	    "{\"access_token\":\"a1\",\"token_type\":\"Bearer\"}";
	struct oauth_answer a;
	struct err e;

	(void)state;
	assert_int_equal(oauth_answer_read(200, text, sizeof(text) - 1, &a, &e),
	    0);
	assert_null(a.refresh);
	assert_int_equal(a.expires_s, 0);
	oauth_answer_finish(&a);
}

static void
oauth_answer_read__token_that_makes_a_header__refused(void **state)
{
	(void)state;
	refused(200,
	    "{\"access_token\":\"a\\r\\nX: y\",\"token_type\":\"Bearer\"}",
	    ERR_INVALID, "access_token");
	refused(200, "{\"access_token\":\"\",\"token_type\":\"Bearer\"}",
	    ERR_INVALID, "empty");
	refused(200,
	    "{\"access_token\":\"a\",\"token_type\":\"Bearer\","
	    "\"refresh_token\":\"r\\u0000\"}",
	    ERR_CORRUPT, "JSON");
}

static void
oauth_answer_read__not_what_was_asked__refused(void **state)
{
	(void)state;
	refused(200, "", ERR_CORRUPT, "JSON");
	refused(200, "[]", ERR_CORRUPT, "JSON");
	refused(200, "{\"access_token\":\"a\"}", ERR_CORRUPT, "bearer");
	refused(200, "{\"access_token\":\"a\",\"token_type\":\"mac\"}",
	    ERR_CORRUPT, "bearer");
	refused(200, "{\"token_type\":\"Bearer\"}", ERR_CORRUPT,
	    "access_token");
	refused(200, "{\"access_token\":7,\"token_type\":\"Bearer\"}",
	    ERR_CORRUPT, "string");
	refused(200,
	    "{\"access_token\":\"a\",\"token_type\":\"Bearer\","
	    "\"access_token\":\"b\"}",
	    ERR_CORRUPT, "JSON");
	refused(200,
	    "{\"access_token\":\"a\",\"token_type\":\"Bearer\","
	    "\"expires_in\":-1}",
	    ERR_CORRUPT, "expires_in");
	refused(302, "{\"access_token\":\"a\",\"token_type\":\"Bearer\"}",
	    ERR_DENIED, "302");
}

static void
oauth_answer_read__error__its_code_escaped(void **state)
{
	(void)state;
	refused(400, "{\"error\":\"invalid_client\"}", ERR_DENIED,
	    "400, invalid_client");
	refused(400, "{\"error\":\"\\u001b[2Jx\"}", ERR_DENIED, "\\x1b[2Jx");
	refused(500, "<html>", ERR_DENIED, "500");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oauth_answer_read__bearer_token__taken),
		cmocka_unit_test(
		    oauth_answer_read__no_expiry_no_refresh__taken),
		cmocka_unit_test(
		    oauth_answer_read__token_that_makes_a_header__refused),
		cmocka_unit_test(
		    oauth_answer_read__not_what_was_asked__refused),
		cmocka_unit_test(oauth_answer_read__error__its_code_escaped),
	};

	return cmocka_run_group_tests_name("oauth_answer", tests, NULL, NULL);
}
