/* JSON of strangers: what is refused, what it costs, how it leaves. */
#include <string.h>

#include "json.h"
#include "unit.h"

static const char *
went_through(const char *text, char *room, size_t size)
{
	struct err e = { 0 };
	autojson *j = NULL;
	autofree char *s = NULL;
	size_t n;

	if (json_parse(text, strlen(text), NULL, &j, &e) != 0)
		return NULL;
	assert_int_equal(json_text(j, &s, &n, &e), 0);
	assert_true(n < size);
	memcpy(room, s, n + 1);
	return room;
}

static void
parse__what_is_valid__leaves_as_it_came(void **state)
{
	static const char *const same[] = { "null", "true", "0", "-1",
		"9223372036854775807", "-9223372036854775808", "0.1",
		"1.5e+300", "1e-07", "3.141592653589793", "\"\"",
		"\"a\\\"b\\\\c\\n\\u001f\"", "\"\xc3\xa9\xf0\x9f\x98\x80\"",
		"[]", "{}", "{\"b\":1,\"a\":[1,2.0,{\"c\":null}]}",
		"[[[[]]]]" };
	char room[256];
	size_t i;

	(void)state;
	for (i = 0; i < countof(same); i++)
		assert_string_equal(went_through(same[i], room, sizeof(room)),
		    same[i]);
	assert_string_equal(went_through(" [ 1 , 2 ]\r\n", room, sizeof(room)),
	    "[1,2]");
	assert_string_equal(went_through("\"\\u00e9\\ud83d\\ude00\"", room,
				sizeof(room)),
	    "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

static void
parse__what_is_not_json__is_refused(void **state)
{
	static const char *const bad[] = { "", " ", "nul", "01", "+1", ".5",
		"1.", "1e", "--1", "NaN", "Infinity", "1e400", "-1e400",
		"9223372036854775808", "18446744073709551616", "[1,]", "[1 2]",
		"{\"a\":1,}", "{\"a\":1,\"a\":2}", "{a:1}", "{'a':1}",
		"{\"a\"}", "[", "]", "[}", "{\"a\":", "\"", "\"\t\"", "\"\\x\"",
		"\"\\u12\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\"",
		"\"\\ud800\\u0041\"", "\"\xff\"", "\"\xc0\xaf\"",
		"\"\xed\xa0\x80\"", "\xef\xbb\xbf[]", "[] []", "[]x", "// x\n1",
		"/* x */ 1", "[1]\x01", "{\"\\u0000\":1}" };
	struct err e = { 0 };
	json_t *j = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++) {
		if (json_parse(bad[i], strlen(bad[i]), NULL, &j, &e) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.code, ERR_INVALID);
	}
	assert_int_equal(json_parse("[1\0]", 4, NULL, &j, &e), -1);
	assert_null(j);
}

static void
parse__beyond_a_limit__is_refused_before_it_costs(void **state)
{
	static const struct {
		const char *text;
		struct json_limits limits;
		int ok;
	} cases[] = {
		{ "[1,2,3]", { 7, 4, 1 }, 1 },
		{ "[1,2,3]", { 6, 4, 1 }, 0 },
		{ "[1,2,3]", { 7, 3, 1 }, 0 },
		{ "[[]]", { 9, 9, 2 }, 1 },
		{ "[[]]", { 9, 9, 1 }, 0 },
		{ "[[],[]]", { 9, 9, 2 }, 1 },
		{ "{\"a\":\"b\"}", { 9, 2, 1 }, 1 },
		{ "{\"a\":\"b\"}", { 9, 1, 1 }, 0 },
		{ "{\"a\" : 1}", { 10, 2, 1 }, 1 },
		{ "\"[[[[,,,,\"", { 10, 1, 0 }, 1 },
		{ "\"\\\"[1,2\"", { 10, 1, 0 }, 1 },
		{ "[true,null,-1e5]", { 20, 4, 1 }, 1 },
		{ "[true,null,-1e5]", { 20, 3, 1 }, 0 },
	};
	struct err e = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < countof(cases); i++) {
		autojson *j = NULL;
		int got = json_parse(cases[i].text, strlen(cases[i].text),
		    &cases[i].limits, &j, &e);

		if ((got == 0) != cases[i].ok)
			fail_msg("%s: %d", cases[i].text, got);
		if (got != 0)
			assert_int_equal(e.code, ERR_LIMIT);
	}
}

static void
parse__a_million_levels__is_refused_at_once(void **state)
{
	enum {
		N = 1000000
	};
	struct err e = { 0 };
	json_t *j = NULL;
	autofree char *deep = malloc(N);

	(void)state;
	assert_non_null(deep);
	memset(deep, '[', N);
	assert_int_equal(json_parse(deep, N, NULL, &j, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
}

struct shape {
	const char *text;
	int64_t whole;
	int flag;
	const json_t *object, *array, *any;
};

static const struct json_member shape[] = {
	{ "text", JSON_KIND_TEXT, JSON_REQUIRED, offsetof(struct shape, text),
	    0, 4 },
	{ "whole", JSON_KIND_WHOLE, JSON_NULLABLE,
	    offsetof(struct shape, whole), 1, 10 },
	{ "flag", JSON_KIND_FLAG, 0, offsetof(struct shape, flag), 0, 0 },
	{ "object", JSON_KIND_OBJECT, 0, offsetof(struct shape, object), 0, 0 },
	{ "array", JSON_KIND_ARRAY, 0, offsetof(struct shape, array), 0, 0 },
	{ "any", JSON_KIND_ANY, 0, offsetof(struct shape, any), 0, 0 },
};

static int
shape_of(const char *text, struct shape *ret, json_t **keep)
{
	struct err e = { 0 };

	*ret = (struct shape){ .whole = 7 };
	assert_int_equal(json_parse(text, strlen(text), NULL, keep, &e), 0);
	return json_read(*keep, shape, countof(shape), ret, &e);
}

static void
read__by_table__fills_what_is_there(void **state)
{
	autojson *j = NULL;
	struct shape s;

	(void)state;
	assert_int_equal(shape_of("{\"text\":\"abcd\",\"whole\":null,\"flag\":"
				  "true,\"object\":{},\"array\":[],\"any\":null"
				  ",\"other\":1}",
			     &s, &j),
	    0);
	assert_string_equal(s.text, "abcd");
	assert_int_equal(s.whole, 7);
	assert_int_equal(s.flag, 1);
	assert_true(json_is_object(s.object) && json_is_array(s.array));
	assert_true(json_is_null(s.any));
}

static void
read__what_does_not_fit__is_refused(void **state)
{
	static const char *const bad[] = { "[]", "1", "{}", "{\"text\":null}",
		"{\"text\":1}", "{\"text\":\"abcde\"}",
		"{\"text\":\"a\",\"whole\":0}", "{\"text\":\"a\",\"whole\":11}",
		"{\"text\":\"a\",\"whole\":1.0}", "{\"text\":\"a\",\"flag\":1}",
		"{\"text\":\"a\",\"flag\":null}",
		"{\"text\":\"a\",\"object\":[]}",
		"{\"text\":\"a\",\"array\":{}}" };
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++) {
		autojson *j = NULL;
		struct shape s;

		if (shape_of(bad[i], &s, &j) == 0)
			fail_msg("accepted: %s", bad[i]);
	}
}

static void
contains__subsets__and_what_is_none(void **state)
{
	static const struct {
		const char *whole, *part;
		int want;
	} cases[] = {
		{ "{\"a\":1,\"b\":{\"c\":[1,2],\"d\":null}}", "{}", 1 },
		{ "{\"a\":1,\"b\":{\"c\":[1,2],\"d\":null}}",
		    "{\"b\":{\"c\":[1,2]}}", 1 },
		{ "{\"a\":1,\"b\":{\"c\":[1,2]}}", "{\"b\":{\"c\":[1]}}", 0 },
		{ "{\"a\":1}", "{\"a\":1.0}", 0 },
		{ "{\"a\":1}", "{\"b\":null}", 0 },
		{ "{\"a\":1}", "{\"a\":{}}", 0 },
		{ "1", "1", 1 },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(cases); i++) {
		autojson *w = json_loads(cases[i].whole, JSON_DECODE_ANY, NULL);
		autojson *p = json_loads(cases[i].part, JSON_DECODE_ANY, NULL);

		assert_int_equal(json_contains(w, p), cases[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__what_is_valid__leaves_as_it_came),
		cmocka_unit_test(parse__what_is_not_json__is_refused),
		cmocka_unit_test(
		    parse__beyond_a_limit__is_refused_before_it_costs),
		cmocka_unit_test(parse__a_million_levels__is_refused_at_once),
		cmocka_unit_test(read__by_table__fills_what_is_there),
		cmocka_unit_test(read__what_does_not_fit__is_refused),
		cmocka_unit_test(contains__subsets__and_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
