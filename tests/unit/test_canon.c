/* canon.c: one spelling for hosts, paths, queries, methods, URLs. */
#include "unit.h"

#include <string.h>

#include "policy/canon.h"

/* NULL: refused. */
struct spelling {
	const char *in, *out;
};

static void
same_host(const struct spelling *s)
{
	char got[CANON_HOST_SIZE], again[CANON_HOST_SIZE];
	struct err e;
	int rc = canon_host(s->in, strlen(s->in), got, &e);

	if (s->out == NULL) {
		if (rc == 0)
			fail_msg("\"%s\" became \"%s\"", s->in, got);
		assert_int_equal(ERR_INVALID, e.code);
		assert_false(canon_is_host(s->in));
		return;
	}
	if (rc == -1)
		fail_msg("\"%s\" %s", s->in, e.msg);
	assert_string_equal(s->out, got);
	assert_true(canon_is_host(got));
	assert_int_equal(0, canon_host(got, strlen(got), again, &e));
	assert_string_equal(got, again);
	assert_int_equal(strcmp(s->in, s->out) == 0, canon_is_host(s->in));
}

static void
canon_host__every_spelling__one_name_or_refused(void **state)
{
	static const struct spelling table[] = {
		{ "api.example.com", "api.example.com" },
		{ "API.Example.COM", "api.example.com" },
		{ "api.example.com.", "api.example.com" },
		{ "localhost", "localhost" },
		{ "xn--bcher-kva.example", "xn--bcher-kva.example" },
		{ "XN--BCHER-KVA.example", "xn--bcher-kva.example" },
		{ "1.example", "1.example" }, { "3com", "3com" }, { "", NULL },
		{ ".", NULL }, { "api.example.com..", NULL },
		{ ".example.com", NULL }, { "a..b", NULL },
		{ "-a.example", NULL }, { "a-.example", NULL },
		{ "a_b.example", NULL }, { "*.example.com", NULL },
		{ "github.com@evil", NULL }, { "user:pw@github.com", NULL },
		{ "github.com/x", NULL }, { "github.com:443", NULL },
		{ "github%2ecom", NULL }, { "github.com\t", NULL },
		{ " github.com", NULL }, { "github.com\r\n", NULL },
		{ "[name]", NULL }, { "b\xc3\xbc\x63her.example", NULL },
		{ "\xef\xbd\x87ithub.com", NULL }, /* fullwidth g */
		{ "github\xe3\x80\x82\x63om", NULL }, /* ideographic dot */
	};
	size_t i;

	(void)state;
	for (i = 0; i < countof(table); i++)
		same_host(&table[i]);
}

static void
canon_host__every_spelling_of_an_address__one_or_refused(void **state)
{
	static const struct spelling table[] = {
		{ "127.0.0.1", "127.0.0.1" },
		{ "127.0.0.1.", "127.0.0.1" },
		{ "[::1]", "[::1]" },
		{ "[0:0:0:0:0:0:0:1]", "[::1]" },
		{ "[FD00::A]", "[fd00::a]" },
		{ "[1:0:0:2:0:0:0:3]", "[1:0:0:2::3]" },
		{ "[1:0:2:3:4:5:6:7]", "[1:0:2:3:4:5:6:7]" },
		{ "[::]", "[::]" },
		{ "[1::]", "[1::]" },
		{ "[::ffff:127.0.0.1]", "127.0.0.1" },
		{ "[::ffff:7f00:1]", "127.0.0.1" },
		{ "[::127.0.0.1]", "[::7f00:1]" },
		{ "127.1", NULL },
		{ "0177.0.0.1", NULL },
		{ "0x7f.0.0.1", NULL },
		{ "0x7f000001", NULL },
		{ "127.0.0.0x1", NULL },
		{ "2130706433", NULL },
		{ "127.0.0.01", NULL },
		{ "127.0.0.256", NULL },
		{ "127.0.0", NULL },
		{ "1.2.3.4.5", NULL },
		{ "a.1", NULL },
		{ "[::1", NULL },
		{ "[::1]]", NULL },
		{ "[fe80::1%eth0]", NULL },
		{ "[127.0.0.1]", NULL },
		{ "[]", NULL },
		{ "::1", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < countof(table); i++)
		same_host(&table[i]);
}

static void
canon_host__lengths_and_nul__bounded(void **state)
{
	char host[300], got[CANON_HOST_SIZE];
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(host); i++)
		host[i] = i % 2 == 0 ? 'a' : '.';
	assert_int_equal(0, canon_host(host, 253, got, &e));
	assert_int_equal(253, strlen(got));
	assert_int_equal(0, canon_host(host, 254, got, &e)); /* one dot */
	assert_int_equal(-1, canon_host(host, 255, got, &e));
	memset(host, 'a', sizeof(host));
	assert_int_equal(0, canon_host(host, 63, got, &e));
	assert_int_equal(-1, canon_host(host, 64, got, &e));
	assert_int_equal(-1, canon_host("a\0b.example", 11, got, &e));
	assert_int_equal(-1, canon_host("a.example\0", 10, got, &e));
}

static void
same_path(const struct spelling *s)
{
	char got[CANON_PATH_SIZE], again[CANON_PATH_SIZE];
	struct err e;
	int rc = canon_path(s->in, strlen(s->in), got, &e);

	if (s->out == NULL) {
		if (rc == 0)
			fail_msg("\"%s\" became \"%s\"", s->in, got);
		assert_false(canon_is_path(s->in));
		return;
	}
	if (rc == -1)
		fail_msg("\"%s\" %s", s->in, e.msg);
	assert_string_equal(s->out, got);
	assert_true(canon_is_path(got));
	assert_int_equal(0, canon_path(got, strlen(got), again, &e));
	assert_string_equal(got, again);
	assert_int_equal(strcmp(s->in, s->out) == 0, canon_is_path(s->in));
}

static void
canon_path__every_spelling__one_path_or_refused(void **state)
{
	static const struct spelling table[] = {
		{ "/", "/" },
		{ "/a/b", "/a/b" },
		{ "/a/b/", "/a/b/" },
		{ "/A/b", "/A/b" },
		{ "/%61/%7E%2d%5f", "/a/~-_" },
		{ "/%c3%a9", "/%C3%A9" },
		{ "/\xc3\xa9", "/%C3%A9" },
		{ "/v1/models:delete", "/v1/models:delete" },
		{ "/v1/models%3adelete", "/v1/models%3Adelete" },
		{ "/a[1]|\"<>^`{}", "/a%5B1%5D%7C%22%3C%3E%5E%60%7B%7D" },
		{ "/%5B", "/%5B" },
		{ "/%2561", "/%2561" }, /* decoded once, not twice */
		{ "/@types%2fnode", "/@types%2Fnode" },
		{ "/...", "/..." },
		{ "/.git/config", "/.git/config" },
		{ "/..a", "/..a" },
		{ "/a;x=1/b", "/a;x=1/b" },
		{ "", NULL },
		{ "a", NULL },
		{ "*", NULL },
		{ "http://a/", NULL },
		{ "//a", NULL },
		{ "/a//b", NULL },
		{ "/a//", NULL },
		{ "/.", NULL },
		{ "/./a", NULL },
		{ "/..", NULL },
		{ "/a/../b", NULL },
		{ "/a/%2e%2e/b", NULL },
		{ "/a/.%2E/b", NULL },
		{ "/a/..%2fb", NULL },
		{ "/a%2f..%2fb", NULL },
		{ "/a%2f%2fb", NULL },
		{ "/a/..;/b", NULL },
		{ "/a/..;x=y/b", NULL },
		{ "/a/.%3bx", NULL },
		{ "/a\\b", NULL },
		{ "/a%5cb", NULL },
		{ "/a%00", NULL },
		{ "/a%0d%0aHost:", NULL },
		{ "/a%7f", NULL },
		{ "/a%", NULL },
		{ "/a%2", NULL },
		{ "/a%zz", NULL },
		{ "/a b", NULL },
		{ "/a\tb", NULL },
		{ "/a?b", NULL },
		{ "/a#b", NULL },
		{ "/%c0%af", NULL }, /* an overlong slash */
		{ "/%e9", NULL },
		{ "/%c3x", NULL },
		{ "/\xff", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < countof(table); i++)
		same_path(&table[i]);
}

static void
canon_path__lengths_and_nul__bounded(void **state)
{
	static char path[CANON_PATH_MAX + 2];
	char got[CANON_PATH_SIZE];
	struct err e;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	assert_int_equal(0, canon_path(path, CANON_PATH_MAX, got, &e));
	assert_int_equal(-1, canon_path(path, CANON_PATH_MAX + 1, got, &e));
	/* What grows while it is encoded is bounded too. */
	memset(path + 1, '[', CANON_PATH_MAX - 1);
	assert_int_equal(-1, canon_path(path, CANON_PATH_MAX, got, &e));
	assert_int_equal(0, canon_path(path, CANON_PATH_MAX / 3, got, &e));
	assert_int_equal(-1, canon_path("/a\0b", 4, got, &e));
}

static void
canon_port__spellings__decimal_or_refused(void **state)
{
	static const char *const bad[] = { "", "0", "00", "0443", "+443",
		"443 ", " 443", "65536", "99999", "100000", "4e2", "-1" };
	uint32_t port;
	size_t i;

	(void)state;
	assert_int_equal(0, canon_port("1", 1, &port, NULL));
	assert_int_equal(1, port);
	assert_int_equal(0, canon_port("65535", 5, &port, NULL));
	assert_int_equal(65535, port);
	for (i = 0; i < countof(bad); i++)
		assert_int_equal(-1,
		    canon_port(bad[i], strlen(bad[i]), &port, NULL));
}

static void
canon_method__spellings__capitals_or_refused(void **state)
{
	static const char *const bad[] = { "", "get", "Get", "G T", "GET ",
		"-GET", "GET\r", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	size_t i;

	(void)state;
	assert_int_equal(0, canon_method("GET", 3, NULL));
	assert_int_equal(0, canon_method("M-SEARCH", 8, NULL));
	for (i = 0; i < countof(bad); i++)
		assert_int_equal(-1,
		    canon_method(bad[i], strlen(bad[i]), NULL));
}

static void
canon_authority__host_and_port__both_or_refused(void **state)
{
	static const struct {
		const char *in;
		uint64_t otherwise;
		const char *host;
		uint64_t port;
	} table[] = {
		{ "a.example", 443, "a.example", 443 },
		{ "A.example.:8443", 443, "a.example", 8443 },
		{ "[::1]:80", 443, "[::1]", 80 },
		{ "[::1]", 443, "[::1]", 443 },
		{ "a.example", 0, NULL, 0 },
		{ "a.example:", 443, NULL, 0 },
		{ "a.example:443:443", 443, NULL, 0 },
		{ "u@a.example:443", 443, NULL, 0 },
		{ "[::1]443", 443, NULL, 0 },
		{ ":443", 443, NULL, 0 },
	};

	char host[CANON_HOST_SIZE];
	uint32_t port;
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < countof(table); i++) {
		rc = canon_authority(table[i].in, strlen(table[i].in),
		    table[i].otherwise, host, &port, NULL);
		assert_int_equal(table[i].host == NULL ? -1 : 0, rc);
		if (rc == -1)
			continue;
		assert_string_equal(table[i].host, host);
		assert_int_equal(table[i].port, port);
	}
}

static void
canon_url__parts__canonical_or_refused(void **state)
{
	static const char *const bad[] = { "ftp://a.example/", "a.example/",
		"https:///x", "https://a.example\\@evil/",
		"https://u@a.example/", "https://a.example/#f",
		"https://a.example/a b", "https://a.example/?q=%z",
		"https://a.example:0/", "https://a.example/../x" };
	struct canon_url u;
	struct err e;
	size_t i;

	(void)state;
	assert_int_equal(0,
	    canon_url("HTTPS://API.example.com./v%31/x?a=b", 35, &u, &e));
	assert_int_equal(1, u.tls);
	assert_int_equal(443, u.port);
	assert_string_equal("api.example.com", u.host);
	assert_string_equal("/v1/x", u.path);
	assert_int_equal(3, u.query_size);
	assert_memory_equal("a=b", u.query, 3);
	assert_int_equal(0, canon_url("http://a.example?x", 18, &u, &e));
	assert_int_equal(80, u.port);
	assert_string_equal("/", u.path);
	assert_int_equal(1, u.query_size);
	assert_int_equal(0, canon_url("http://a.example:8080", 21, &u, &e));
	assert_int_equal(8080, u.port);
	assert_null(u.query);
	for (i = 0; i < countof(bad); i++)
		if (canon_url(bad[i], strlen(bad[i]), &u, &e) == 0)
			fail_msg("%s", bad[i]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    canon_host__every_spelling__one_name_or_refused),
		cmocka_unit_test(
		    canon_host__every_spelling_of_an_address__one_or_refused),
		cmocka_unit_test(canon_host__lengths_and_nul__bounded),
		cmocka_unit_test(
		    canon_path__every_spelling__one_path_or_refused),
		cmocka_unit_test(canon_path__lengths_and_nul__bounded),
		cmocka_unit_test(canon_port__spellings__decimal_or_refused),
		cmocka_unit_test(canon_method__spellings__capitals_or_refused),
		cmocka_unit_test(
		    canon_authority__host_and_port__both_or_refused),
		cmocka_unit_test(canon_url__parts__canonical_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
