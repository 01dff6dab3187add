/*
 * fuzz_canon.c: hosts, paths, queries, authorities and URLs of any bytes.
 *
 * Canonical twice is canonical once; what is canonical says so; what is not
 * canonical does not; no form has a byte in it that the rules of canon.h
 * exclude.
 */
#include <assert.h>
#include <string.h>

#include "policy/canon.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[CANON_PATH_SIZE], again[CANON_PATH_SIZE];
static struct canon_url url, back;

static void
check_host(const char *host)
{
	char second[CANON_HOST_SIZE];
	struct net_address a;

	assert(canon_is_host(host));
	assert(canon_host(host, strlen(host), second, NULL) == 0);
	assert(strcmp(host, second) == 0);
	assert(strpbrk(host, "/@%?#\\ *ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL);
	assert(strstr(host, "..") == NULL);
	if (!canon_host_address(host, &a))
		return;
	canon_address(&a, second);
	assert(strcmp(host, second) == 0);
}

static void
check_path(const char *p)
{
	assert(canon_is_path(p));
	assert(canon_path(p, strlen(p), again, NULL) == 0);
	assert(strcmp(p, again) == 0);
	assert(p[0] == '/' && strpbrk(p, "\\?# \"<>[]^`{|}") == NULL);
	assert(strstr(p, "//") == NULL && strstr(p, "/../") == NULL);
	assert(strstr(p, "%5C") == NULL && strstr(p, "%00") == NULL);
	assert(strstr(p, "%2E") == NULL && strstr(p, "%41") == NULL);
	assert(text_is_utf8(p, strlen(p)));
}

static void
check_url(const char *s, size_t size)
{
	char text[2 * CANON_PATH_SIZE];
	struct text t;

	if (canon_url(s, size, &url, NULL) == -1)
		return;
	check_host(url.host);
	check_path(url.path);
	assert(url.port >= 1 && url.port <= CANON_PORT_MAX);
	text_init(&t, text, sizeof(text));
	text_addf(&t, "%s://%s:%u%s", url.tls ? "https" : "http", url.host,
	    url.port, url.path);
	assert(!t.truncated);
	assert(canon_url(text, t.len, &back, NULL) == 0);
	assert(back.tls == url.tls && back.port == url.port);
	assert(strcmp(back.host, url.host) == 0);
	assert(strcmp(back.path, url.path) == 0 && back.query == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data, *query;
	char host[CANON_HOST_SIZE];
	size_t n;
	uint32_t port;

	if (canon_host(s, size, host, NULL) == 0)
		check_host(host);
	if (canon_path(s, size, path, NULL) == 0)
		check_path(path);
	if (canon_authority(s, size, 443, host, &port, NULL) == 0) {
		check_host(host);
		assert(port >= 1 && port <= CANON_PORT_MAX);
	}
	if (canon_target(s, size, path, &query, &n, NULL) == 0) {
		check_path(path);
		assert(query == NULL || canon_query(query, n, NULL) == 0);
	}
	check_url(s, size);
	return 0;
}
