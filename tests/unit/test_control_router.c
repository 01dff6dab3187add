/* supervisor/control/api/{router,query,auth,peer,cors,writer}.c: what is asked,
 * by whom, and what they may. */
#include "unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "json.h"
#include "supervisor/control/api/auth.h"
#include "supervisor/control/api/cors.h"
#include "supervisor/control/api/peer.h"
#include "supervisor/control/api/query.h"
#include "supervisor/control/api/router.h"
#include "supervisor/control/api/writer.h"

#define UUID "01a1fad5-e971-70b3-940d-79cd50684b08"

static void
handle(struct request *r)
{
	(void)r;
}

#define R(m, p, action)                                       \
	{                                                     \
		ROUTE_##m, p, handle, ROUTE_RESOURCE_THREADS, \
		    ROUTE_ACTION_##action, 0, NULL, p         \
	}

/* In place of the real table, which needs a database behind it. */
const struct route routes_all[] = {
	R(GET, "/threads/{thread_id}", READ),
	R(POST, "/threads/search", SEARCH),
	R(POST, "/threads/{thread_id}", UPDATE),
	R(DELETE, "/threads/{thread_id}", DELETE),
	R(GET, "/threads/{thread_id}/runs/{run_id}/stream", READ),
	R(GET, "/names/{name}", READ),
};

const size_t routes_count = countof(routes_all);

static const struct route *
find(const char *method, const char *path, struct route_args *args,
    unsigned *methods, struct err *e)
{
	const struct route *r = NULL;

	*methods = 0;
	e->code = ERR_OK;
	return router_find(router_method(method), path, strlen(path), &r, args,
		   methods, e) == 0
		   ? r
		   : NULL;
}

static void
router_find__paths_with_names__arguments(void **state)
{
	struct route_args args;
	struct err e = { 0 };
	const struct route *r;
	unsigned methods;

	(void)state;
	r = find("GET", "/threads/" UUID, &args, &methods, &e);
	assert_non_null(r);
	assert_int_equal(args.n, 1);
	assert_string_equal(args.text[0], UUID);
	r = find("HEAD", "/threads/" UUID "/runs/" UUID "/stream", &args,
	    &methods, &e);
	assert_non_null(r);
	assert_int_equal(args.n, 2);
	/* upper case is the same id */
	r = find("GET", "/threads/01A1FAD5-e971-70b3-940d-79cd50684b08", &args,
	    &methods, &e);
	assert_non_null(r);
	assert_string_equal(args.text[0], UUID);
	/* a name that is written out goes before any name */
	r = find("POST", "/threads/search", &args, &methods, &e);
	assert_non_null(r);
	assert_string_equal(r->path, "/threads/search");
	r = find("GET", "/names/a%20b%2Fc", &args, &methods, &e);
	assert_non_null(r);
	assert_string_equal(args.text[0], "a b/c");
}

static void
router_find__nothing_there__says_why(void **state)
{
	static const struct {
		const char *method, *path;
		enum err_code code;
	} cases[] = {
		{ "GET", "/nope", ERR_NOT_FOUND },
		{ "GET", "/threads", ERR_NOT_FOUND },
		{ "GET", "/threads/", ERR_INVALID },
		{ "GET", "/threads/" UUID "/", ERR_NOT_FOUND },
		{ "GET", "//threads/" UUID, ERR_NOT_FOUND },
		{ "GET", "threads/" UUID, ERR_NOT_FOUND },
		{ "GET", "", ERR_NOT_FOUND },
		{ "PUT", "/threads/" UUID, ERR_UNSUPPORTED },
		{ "BREW", "/threads/" UUID, ERR_UNSUPPORTED },
		{ "GET", "/threads/search", ERR_INVALID },
		{ "GET", "/threads/not-a-uuid", ERR_INVALID },
		{ "GET", "/threads/01a1fad5-e971-70b3-940d-79cd50684b0",
		    ERR_INVALID },
		{ "GET", "/names/%00", ERR_INVALID },
		{ "GET", "/names/%zz", ERR_INVALID },
		{ "GET", "/names/%c0%af", ERR_INVALID },
		{ "GET", "/names/%", ERR_INVALID },
	};
	struct route_args args;
	struct err e = { 0 };
	unsigned methods;
	char allow[64];
	size_t i;

	(void)state;
	for (i = 0; i < countof(cases); i++) {
		assert_null(
		    find(cases[i].method, cases[i].path, &args, &methods, &e));
		if (e.code != cases[i].code)
			fail_msg("%s %s: %s", cases[i].method, cases[i].path,
			    e.msg);
	}
	assert_null(find("PUT", "/threads/" UUID, &args, &methods, &e));
	router_methods_text(methods, allow, sizeof(allow));
	assert_string_equal(allow, "GET, HEAD, POST, DELETE");
}

static void
router_find__long_name__limit(void **state)
{
	char path[8 + API_ARG_BYTES + 8] = "/names/";
	struct route_args args;
	struct err e = { 0 };
	unsigned methods;

	(void)state;
	memset(path + 7, 'a', API_ARG_BYTES - 1);
	assert_non_null(find("GET", path, &args, &methods, &e));
	path[7 + API_ARG_BYTES - 1] = 'a';
	assert_null(find("GET", path, &args, &methods, &e));
	assert_int_equal(e.code, ERR_LIMIT);
}

static void
query_parse__pairs__decoded(void **state)
{
	static const char text[] = "a=1&b=x+y%26z&a=2&c&&stream_mode=values"
				   "&on=true&off=0&n=17";
	struct err e = { 0 };
	int64_t n = 0;
	int on = 0, off = 1;
	autoquery q;

	(void)state;
	query_init(&q);
	assert_int_equal(query_parse(&q, text, strlen(text), &e), 0);
	assert_int_equal(q.n, 8);
	assert_string_equal(query_get(&q, "a"), "1");
	assert_string_equal(query_get(&q, "b"), "x y&z");
	assert_string_equal(query_get(&q, "c"), "");
	assert_null(query_get(&q, "d"));
	assert_int_equal(query_flag(&q, "on", &on, &e), 0);
	assert_int_equal(query_flag(&q, "off", &off, &e), 0);
	assert_true(on && !off);
	assert_refused(query_flag(&q, "n", &on, &e), &e, ERR_INVALID, "n must");
	assert_int_equal(query_whole(&q, "n", 1, 17, &n, &e), 0);
	assert_int_equal(n, 17);
	assert_refused(query_whole(&q, "n", 1, 16, &n, &e), &e, ERR_INVALID,
	    "from 1 to 16");
	assert_refused(query_whole(&q, "b", 1, 16, &n, &e), &e, ERR_INVALID,
	    "b must");
}

static void
query_parse__malformed__refused(void **state)
{
	static const char *const bad[] = { "a=%", "a=%4", "a=%g0", "a=%00",
		"%01=b", "a=%ff", "a=%ed%a0%80", "a=%7f" };
	char many[4 * API_QUERY_PARAMS_MAX + 8];
	struct err e = { 0 };
	size_t i;
	autoquery q;

	(void)state;
	query_init(&q);
	for (i = 0; i < countof(bad); i++)
		assert_refused(query_parse(&q, bad[i], strlen(bad[i]), &e), &e,
		    ERR_INVALID, "");
	for (i = 0; i <= API_QUERY_PARAMS_MAX; i++)
		memcpy(many + 4 * i, "a=1&", 4);
	assert_int_equal(query_parse(&q, many, 4 * API_QUERY_PARAMS_MAX, &e),
	    0);
	assert_refused(query_parse(&q, many, 4 * API_QUERY_PARAMS_MAX + 4, &e),
	    &e, ERR_LIMIT, "parameters");
}

/* ---- keys ------------------------------------------------------------------ */

#define DIGITS "0123456789abcdef0123456789abcdef01234567"

static int
key_of(const char *fields, char ret[AUTH_KEY_SIZE], struct err *e)
{
	char text[1024];
	struct http1_head h;
	size_t used;
	int n, rc;

	n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n",
	    fields);
	http1_head_init(&h, HTTP1_REQUEST, NULL);
	assert_int_equal(http1_head_read(&h, text, (size_t)n, &used),
	    HTTP1_DONE);
	e->code = ERR_OK;
	rc = auth_key_of(&h, ret, e);
	http1_head_finish(&h);
	return rc;
}

static void
auth_key_of__spellings__one_key(void **state)
{
	static const char *const good[] = {
		"x-api-key: wdr_" DIGITS "\r\n",
		"X-API-Key: e2b_" DIGITS "\r\n",
		"Authorization: Bearer wdr_" DIGITS "\r\n",
		"authorization: bearer "
		"wdr_0123456789ABCDEF0123456789abcdef01234567\r\n",
		/* x-api-key is ours, whatever a proxy put beside it */
		"authorization: Basic eA==\r\nx-api-key: wdr_" DIGITS "\r\n",
	};
	static const char *const bad[] = {
		"x-api-key: " DIGITS "\r\n",
		"x-api-key: wdr_" DIGITS "0\r\n",
		"x-api-key: wdr_0123\r\n",
		"x-api-key: wdr_g123456789abcdef0123456789abcdef01234567\r\n",
		"x-api-key:\r\n",
		"authorization: wdr_" DIGITS "\r\n",
		"authorization: Basic d2RyOg==\r\n",
	};
	char key[AUTH_KEY_SIZE];
	struct err e = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < countof(good); i++) {
		assert_int_equal(key_of(good[i], key, &e), 0);
		assert_string_equal(key, "wdr_" DIGITS);
	}
	for (i = 0; i < countof(bad); i++) {
		assert_int_equal(key_of(bad[i], key, &e), -1);
		assert_int_equal(e.code, ERR_DENIED);
		assert_string_equal(key, "");
	}
	assert_int_equal(key_of("", key, &e), 0);
	assert_string_equal(key, "");
	assert_int_equal(key_of("x-api-key: wdr_" DIGITS
				"\r\nx-api-key: wdr_" DIGITS "\r\n",
			     key, &e),
	    -1);
	assert_int_equal(e.code, ERR_INVALID);
}

struct lookups {
	unsigned asked;
	struct auth_ask *later;
	unsigned told;
	char tenant[AUTH_TENANT_SIZE];
};

static void
look_later(void *arg, const unsigned char hash[SHA256_SIZE],
    struct auth_ask *ask)
{
	struct lookups *l = arg;

	(void)hash;
	l->asked++;
	l->later = ask;
}

static void
tell(void *arg, const struct auth_who *who, const struct err *e)
{
	struct lookups *l = arg;

	(void)e;
	l->told++;
	(void)snprintf(l->tenant, sizeof(l->tenant), "%s",
	    who != NULL ? who->tenant : "nobody");
}

static void
auth_check__known_key__asked_once(void **state)
{
	const struct auth_who who = { "acme", AUTH_ROLE_USER };
	struct lookups l = { 0 };
	struct auth_ask *ask = NULL;
	struct auth *a;

	(void)state;
	assert_int_equal(auth_create(look_later, &l, &a, NULL), 0);
	auth_check(a, "wdr_" DIGITS, tell, &l, &ask);
	assert_int_equal(l.told, 0);
	auth_known(l.later, &who, NULL);
	assert_string_equal(l.tenant, "acme");
	auth_check(a, "wdr_" DIGITS, tell, &l, &ask);
	assert_int_equal(l.asked, 1);
	assert_int_equal(l.told, 2);
	/* another key is another question, and nobody is not remembered */
	auth_check(a, "wdr_1" DIGITS, tell, &l, &ask);
	auth_known(l.later, NULL, NULL);
	assert_string_equal(l.tenant, "nobody");
	auth_check(a, "wdr_1" DIGITS, tell, &l, &ask);
	auth_known(l.later, NULL, NULL);
	assert_int_equal(l.asked, 3);
	/* what was made or revoked here counts at once */
	auth_forget(a);
	auth_check(a, "wdr_" DIGITS, tell, &l, &ask);
	assert_int_equal(l.asked, 4);
	/* who does not wait any more is not told */
	auth_cancel(ask);
	l.told = 0;
	auth_known(l.later, &who, NULL);
	assert_int_equal(l.told, 0);
	auth_destroy(a);
}

static void
auth_known__forgotten_meanwhile__not_remembered(void **state)
{
	const struct auth_who who = { "acme", AUTH_ROLE_USER };
	struct lookups l = { 0 };
	struct auth_ask *ask = NULL;
	struct auth *a;

	(void)state;
	assert_int_equal(auth_create(look_later, &l, &a, NULL), 0);
	auth_check(a, "wdr_" DIGITS, tell, &l, &ask);
	auth_forget(a);
	auth_known(l.later, &who, NULL);
	auth_check(a, "wdr_" DIGITS, tell, &l, &ask);
	assert_int_equal(l.asked, 2);
	auth_destroy(a);
}

static void
auth_may__roles__what_they_say(void **state)
{
	struct route public = routes_all[0];

	(void)state;
	assert_true(auth_may(AUTH_ROLE_READER, &routes_all[0]));
	assert_true(auth_may(AUTH_ROLE_READER, &routes_all[1]));
	assert_false(auth_may(AUTH_ROLE_READER, &routes_all[2]));
	assert_false(auth_may(AUTH_ROLE_READER, &routes_all[3]));
	assert_true(auth_may(AUTH_ROLE_USER, &routes_all[3]));
	assert_false(auth_may(AUTH_ROLE_NONE, &routes_all[0]));
	public.resource = ROUTE_RESOURCE_PUBLIC;
	assert_true(auth_may(AUTH_ROLE_NONE, &public));
}

/* ---- peers --------------------------------------------------------------------- */

static void
peer_bad_key__many__late_until_time_has_passed(void **state)
{
	int fds[2], i;
	struct peers *t;
	struct peer *p;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(peer_table_create(&t, NULL), 0);
	p = peer_enter(t, fds[0]);
	assert_non_null(p);
	assert_true(peer_is_local(p));
	assert_int_equal(peer_uid(p), getuid());
	for (i = 0; i < API_BAD_LOGINS; i++)
		assert_int_equal(peer_bad_key(p, 1000), 0);
	assert_int_equal(peer_bad_key(p, 1000), 1);
	/* what was bad is remembered from one connection to the next */
	peer_leave(p);
	p = peer_enter(t, fds[1]);
	assert_int_equal(peer_connections(p), 1);
	assert_int_equal(peer_bad_key(p, 1000), 1);
	assert_int_equal(peer_bad_key(p, 1000 + API_BAD_LOGIN_REFILL_MS), 0);
	assert_int_equal(peer_bad_key(p, 1000 + API_BAD_LOGIN_REFILL_MS), 1);
	peer_leave(p);
	peer_table_destroy(t);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* ---- pages of other origins -------------------------------------------------------- */

static const char *
answer_of(const struct api_config *c, const char *origin, struct http1_head *h,
    const char *name)
{
	http1_head_init(h, HTTP1_RESPONSE, NULL);
	assert_int_equal(http1_head_make_response(h, 200, NULL, NULL), 0);
	assert_int_equal(cors_add(c, origin, h, NULL), 0);
	return http1_head_get(h, name);
}

static void
cors_add__origins__never_any_with_credentials(void **state)
{
	struct api_config any = { 0 }, listed = { .norigins = 1 };
	static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n"
				   "Origin: https://a.example\r\n\r\n";
	struct http1_head asks, h;
	const char *allow, *credentials;
	size_t used;

	(void)state;
	(void)snprintf(listed.origins[0], API_ORIGIN_SIZE, "https://b.example");
	http1_head_init(&asks, HTTP1_REQUEST, NULL);
	assert_int_equal(http1_head_read(&asks, text, strlen(text), &used),
	    HTTP1_DONE);
	assert_string_equal(cors_origin(&any, &asks), "https://a.example");
	assert_null(cors_origin(&listed, &asks));

	allow = answer_of(&any, "https://a.example", &h,
	    "access-control-allow-origin");
	assert_string_equal(allow, "*");
	credentials = http1_head_get(&h, "access-control-allow-credentials");
	assert_null(credentials);
	assert_true(http1_head_has_token(&h, "access-control-expose-headers",
	    "content-location"));
	assert_true(http1_head_has_token(&h, "access-control-expose-headers",
	    "location"));
	http1_head_finish(&h);

	allow = answer_of(&listed, "https://b.example", &h,
	    "access-control-allow-origin");
	assert_string_equal(allow, "https://b.example");
	assert_string_equal(http1_head_get(&h,
				"access-control-allow-credentials"),
	    "true");
	assert_string_equal(http1_head_get(&h, "vary"), "Origin");
	http1_head_finish(&h);

	assert_null(
	    answer_of(&listed, NULL, &h, "access-control-allow-origin"));
	assert_string_equal(http1_head_get(&h, "vary"), "Origin");
	http1_head_finish(&h);
	http1_head_finish(&asks);
}

/* ---- what is written ------------------------------------------------------------------ */

static void
writer_take__all_kinds__is_json(void **state)
{
	autojson *j = NULL;
	struct err e = { 0 };
	autowriter w = { 0 };
	char *text;
	size_t n;

	(void)state;
	writer_init(&w, 4096);
	writer_begin(&w, NULL, '{');
	writer_text(&w, "text", "a\"b\\c\n\x01\x7f\xc3\xa9");
	writer_text(&w, "none", NULL);
	writer_begin(&w, "list", '[');
	writer_whole(&w, NULL, INT64_MIN);
	writer_flag(&w, NULL, 1);
	writer_begin(&w, NULL, '{');
	writer_end(&w, '}');
	writer_end(&w, ']');
	writer_json(&w, "raw", "{\"x\":[1]}", "{}");
	writer_json(&w, "other", NULL, "[]");
	writer_time(&w, "at", 1763673685332);
	writer_end(&w, '}');
	text = writer_take(&w, &n, &e);
	assert_non_null(text);
	assert_int_equal(json_parse(text, n, NULL, &j, &e), 0);
	free(text);
	assert_string_equal(json_string_value(json_object_get(j, "text")),
	    "a\"b\\c\n\x01\x7f\xc3\xa9");
	assert_true(json_is_null(json_object_get(j, "none")));
	assert_int_equal(json_array_size(json_object_get(j, "list")), 3);
	assert_string_equal(json_string_value(json_object_get(j, "at")),
	    "2025-11-20T21:21:25.332Z");
}

static void
writer_take__above_its_bound__limit(void **state)
{
	struct err e = { 0 };
	autowriter w = { 0 };
	size_t n;

	(void)state;
	writer_init(&w, 8);
	writer_text(&w, NULL, "0123456789");
	assert_null(writer_take(&w, &n, &e));
	assert_int_equal(e.code, ERR_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(router_find__paths_with_names__arguments),
		cmocka_unit_test(router_find__nothing_there__says_why),
		cmocka_unit_test(router_find__long_name__limit),
		cmocka_unit_test(query_parse__pairs__decoded),
		cmocka_unit_test(query_parse__malformed__refused),
		cmocka_unit_test(auth_key_of__spellings__one_key),
		cmocka_unit_test(auth_check__known_key__asked_once),
		cmocka_unit_test(
		    auth_known__forgotten_meanwhile__not_remembered),
		cmocka_unit_test(auth_may__roles__what_they_say),
		cmocka_unit_test(
		    peer_bad_key__many__late_until_time_has_passed),
		cmocka_unit_test(cors_add__origins__never_any_with_credentials),
		cmocka_unit_test(writer_take__all_kinds__is_json),
		cmocka_unit_test(writer_take__above_its_bound__limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
