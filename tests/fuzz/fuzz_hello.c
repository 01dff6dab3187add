/*
 * fuzz_hello.c: proxy/hello.c on any bytes.
 *
 * The first byte gives the size of the reads, the rest is the stream.  What
 * is found must not depend on that size; what is accepted must be safe to
 * show and to compare; and of two servers' readings there is one: OpenSSL,
 * given the same bytes, sees the same name or sees none.
 */
#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	int rc;
	enum hello_status status;
	enum err_code code;
	struct hello_facts facts;
};

static void
fuzz_push(const uint8_t *p, size_t n, size_t step, struct outcome *ret)
{
	struct err e = { .code = ERR_OK };
	struct hello h;

	memset(ret, 0, sizeof(*ret));
	hello_init(&h);
	while (n > 0 && ret->rc == 0 && ret->status == HELLO_MORE) {
		size_t k = n < step ? n : step;
		uint8_t *copy = malloc(k);

		assert(copy != NULL);
		memcpy(copy, p, k);
		ret->rc = hello_push(&h, copy, k, &ret->status, &e);
		free(copy);
		p += k;
		n -= k;
	}
	ret->code = e.code;
	if (ret->rc == 0 && ret->status == HELLO_DONE)
		ret->facts = h.facts;
	hello_finish(&h);
}

static void
fuzz_check(const struct hello_facts *f)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";

	assert(strspn(f->name, allowed) == strlen(f->name));
	assert(strlen(f->alpn) < sizeof(f->alpn));
	assert(f->has_alpn || (f->alpn[0] == '\0' && f->offers_http1));
}

static char fuzz_seen[HELLO_NAME_MAX];

static int
fuzz_on_hello(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *p;
	size_t n;

	(void)alert;
	(void)arg;
	fuzz_seen[0] = '\0';
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) &&
	    n > 5 && n - 5 < sizeof(fuzz_seen)) {
		memcpy(fuzz_seen, p + 5, n - 5);
		fuzz_seen[n - 5] = '\0';
	}
	return SSL_CLIENT_HELLO_ERROR; /* that was all */
}

static void
fuzz_openssl(const uint8_t *p, size_t n, const struct hello_facts *f)
{
	static SSL_CTX *ctx;
	SSL *s;
	BIO *in;

	if (ctx == NULL) {
		ctx = SSL_CTX_new(TLS_server_method());
		assert(ctx != NULL);
		SSL_CTX_set_client_hello_cb(ctx, fuzz_on_hello, NULL);
	}
	s = SSL_new(ctx);
	in = BIO_new_mem_buf(p, (int)n);
	assert(s != NULL && in != NULL);
	SSL_set_bio(s, in, BIO_new(BIO_s_null()));
	memcpy(fuzz_seen, "\377", 2);
	(void)SSL_accept(s);
	if (fuzz_seen[0] != '\377')
		assert(strcasecmp(fuzz_seen, f->name) == 0);
	SSL_free(s);
	ERR_clear_error();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome one, whole;

	if (size < 2 || size > 1 << 16)
		return 0;
	fuzz_push(data + 1, size - 1, data[0] + 1u, &one);
	fuzz_push(data + 1, size - 1, size, &whole);
	assert(one.rc == whole.rc && one.status == whole.status &&
	       one.code == whole.code);
	/* all but the padding at its end */
	assert(memcmp((const char *)&one.facts, (const char *)&whole.facts,
		   offsetof(struct hello_facts, legacy_version)) == 0);
	assert(one.facts.legacy_version == whole.facts.legacy_version);
	if (one.rc == 0 && one.status == HELLO_DONE) {
		fuzz_check(&one.facts);
		fuzz_openssl(data + 1, size - 1, &one.facts);
	}
	return 0;
}
