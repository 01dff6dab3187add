#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "tls_private.h"

/* Every certificate of the text becomes one to trust; at least one. */
static int
tls_trust_pem(X509_STORE *store, const struct tls_bytes *pem, struct err *e)
{
	BIO *b;
	X509 *x;
	int n = 0, good = 1;

	if (pem->size > TLS_PEM_MAX)
		return err_set(e, ERR_LIMIT,
		    "%zu bytes of certificates, at most %d", pem->size,
		    TLS_PEM_MAX);
	b = BIO_new_mem_buf(pem->p, (int)pem->size);
	if (b == NULL)
		return err_sys(e, ENOMEM, "certificates");
	while (good && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
		good = X509_STORE_add_cert(store, x);
		X509_free(x);
		n++;
	}
	BIO_free(b);
	if (n > 0 && good &&
	    ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return 0;
	}
	return tls_reason(e, ERR_INVALID, "certificates to trust");
}

static int
tls_trust(SSL_CTX *ctx, const struct tls_bytes *pem, struct err *e)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	ERR_clear_error();
	if (pem->size > 0)
		return tls_trust_pem(SSL_CTX_get_cert_store(ctx), pem, e);
	if (!SSL_CTX_set_default_verify_paths(ctx))
		return tls_reason(e, ERR_SYSTEM, "the system's certificates");
	return 0;
}

/* RFC 7301: each name with its length before it. */
static int
tls_offer(SSL_CTX *ctx, const char *alpn, struct err *e)
{
	unsigned char wire[256];
	size_t n = alpn == NULL ? 0 : strlen(alpn);

	if (n == 0)
		return 0;
	if (n > sizeof(wire) - 1)
		return err_set(e, ERR_INVALID, "ALPN: the name is too long");
	wire[0] = (unsigned char)n;
	memcpy(wire + 1, alpn, n);
	if (SSL_CTX_set_alpn_protos(ctx, wire, (unsigned)n + 1) != 0)
		return tls_reason(e, ERR_SYSTEM, "ALPN");
	return 0;
}

int
tls_client_create(const struct tls_client_options *o, struct tls_client **ret,
    struct err *e)
{
	struct tls_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_sys(e, ENOMEM, "TLS client");
	c->alpn = o->alpn;
	c->ctx = tls_context(TLS_client_method(), e);
	if (c->ctx == NULL || tls_trust(c->ctx, &o->authorities, e) == -1 ||
	    tls_offer(c->ctx, o->alpn, e) == -1) {
		tls_client_destroy(c);
		return -1;
	}
	(void)SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
	*ret = c;
	return 0;
}

void
tls_client_destroy(struct tls_client *c)
{
	if (c == NULL)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}

static int
tls_is_address(const char *name)
{
	struct in6_addr any;

	return inet_pton(AF_INET, name, &any) == 1 ||
	       inet_pton(AF_INET6, name, &any) == 1;
}

/* The whole name, in the certificate's alternative names only. */
static int
tls_expect(SSL *ssl, const char *name, struct err *e)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (name == NULL || *name == '\0' || strlen(name) >= TLS_NAME_MAX)
		return err_set(e, ERR_INVALID, "TLS: no name to expect");
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
		X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (tls_is_address(name)) {
		if (X509_VERIFY_PARAM_set1_ip_asc(param, name))
			return 0;
	} else if (X509_VERIFY_PARAM_set1_host(param, name, 0) &&
		   SSL_set_tlsext_host_name(ssl, name)) {
		return 0;
	}
	return tls_reason(e, ERR_SYSTEM, "TLS: the name to expect");
}

int
tls_client_stream(struct tls_client *c, const struct tls_stream_options *o,
    struct tls **ret, struct err *e)
{
	autotls *t = NULL;

	if (tls_open(c->ctx, o, &t, e) == -1 ||
	    tls_expect(t->ssl, o->name, e) == -1)
		return -1;
	t->client = c;
	SSL_set_connect_state(t->ssl);
	*ret = take_ptr(&t);
	return 0;
}
