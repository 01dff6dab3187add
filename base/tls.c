#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tls_private.h"

static const char tls_groups[] = "X25519:P-256:P-384";
static const char tls_suites_12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char tls_suites_13[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
    "TLS_CHACHA20_POLY1305_SHA256";

int
tls_reason(struct err *e, enum err_code code, const char *what)
{
	unsigned long first = ERR_get_error();
	const char *text = first == 0 ? NULL : ERR_reason_error_string(first);

	ERR_clear_error();
	if (text == NULL)
		return err_set(e, code, "%s", what);
	return err_set(e, code, "%s: %s", what, text);
}

SSL_CTX *
tls_context(const SSL_METHOD *method, struct err *e)
{
	SSL_CTX *c;

	ERR_clear_error();
	c = SSL_CTX_new(method);
	if (c == NULL || !SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) ||
	    !SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) ||
	    !SSL_CTX_set_cipher_list(c, tls_suites_12) ||
	    !SSL_CTX_set_ciphersuites(c, tls_suites_13) ||
	    !SSL_CTX_set1_groups_list(c, tls_groups)) {
		(void)tls_reason(e, ERR_SYSTEM, "TLS");
		SSL_CTX_free(c);
		return NULL;
	}
	(void)SSL_CTX_set_options(c,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	(void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS |
				      SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_max_early_data(c, 0);
	/* One recv(2) for a record's header and body. */
	SSL_CTX_set_read_ahead(c, 1);
	return c;
}

/*
 * OpenSSL reads and writes by this: the bytes that came first, then the
 * descriptor.  Its own socket BIO would write(2), which raises SIGPIPE.
 */
static int
tls_bio_read(BIO *b, char *p, int n)
{
	struct tls *t = BIO_get_data(b);
	size_t left = t->nfirst - t->first_at;
	ssize_t r;

	BIO_clear_retry_flags(b);
	if (n <= 0)
		return 0;
	if (left > 0) {
		size_t k = left < (size_t)n ? left : (size_t)n;

		memcpy(p, t->first + t->first_at, k);
		t->first_at += k;
		if (t->first_at == t->nfirst) {
			free(t->first);
			t->first = NULL;
		}
		return (int)k;
	}
	do
		r = recv(t->fd, p, (size_t)n, 0);
	while (r == -1 && errno == EINTR);
	t->drained = r > 0 && r < n;
	if (r == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(b);
	else if (r == -1)
		t->sys = errno;
	return (int)r;
}

static int
tls_bio_write(BIO *b, const char *p, int n)
{
	struct tls *t = BIO_get_data(b);
	ssize_t r;

	BIO_clear_retry_flags(b);
	if (n <= 0)
		return 0;
	do
		r = send(t->fd, p, (size_t)n, MSG_NOSIGNAL);
	while (r == -1 && errno == EINTR);
	if (r == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(b);
	else if (r == -1)
		t->sys = errno;
	return (int)r;
}

static long
tls_bio_ctrl(BIO *b, int command, long n, void *p)
{
	(void)b;
	(void)n;
	(void)p;
	return command == BIO_CTRL_FLUSH;
}

/* Made once, for the life of the process. */
static const BIO_METHOD *
tls_bio_method(void)
{
	static BIO_METHOD *method;

	if (method != NULL)
		return method;
	method =
	    BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "warder");
	if (method == NULL)
		return NULL;
	(void)BIO_meth_set_read(method, tls_bio_read);
	(void)BIO_meth_set_write(method, tls_bio_write);
	(void)BIO_meth_set_ctrl(method, tls_bio_ctrl);
	return method;
}

static int
tls_keep_first(struct tls *t, const struct tls_bytes *first, struct err *e)
{
	if (first->size > TLS_FIRST_MAX)
		return err_set(e, ERR_LIMIT,
		    "%zu bytes before a TLS stream, at most %d", first->size,
		    TLS_FIRST_MAX);
	if (first->size == 0)
		return 0;
	t->first = malloc(first->size);
	if (t->first == NULL)
		return err_sys(e, ENOMEM, "TLS stream");
	memcpy(t->first, first->p, first->size);
	t->nfirst = first->size;
	return 0;
}

int
tls_open(SSL_CTX *ctx, const struct tls_stream_options *o, struct tls **ret,
    struct err *e)
{
	autotls *t = calloc(1, sizeof(*t));
	const BIO_METHOD *method = tls_bio_method();
	BIO *b;

	if (t == NULL || method == NULL)
		return err_sys(e, ENOMEM, "TLS stream");
	t->fd = o->fd;
	t->arg = o->arg;
	if (tls_keep_first(t, &o->first, e) == -1)
		return -1;
	ERR_clear_error();
	t->ssl = SSL_new(ctx);
	b = BIO_new(method);
	if (t->ssl == NULL || b == NULL || !SSL_set_app_data(t->ssl, t)) {
		BIO_free(b);
		return tls_reason(e, ERR_SYSTEM, "TLS stream");
	}
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	SSL_set_bio(t->ssl, b, b);
	*ret = take_ptr(&t);
	return 0;
}

void
tls_destroy(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t->first);
	free(t->name);
	free(t);
}

static enum tls_status
tls_failed_verify(const struct tls *t, struct err *e)
{
	long why = SSL_get_verify_result(t->ssl);

	ERR_clear_error();
	(void)err_set(e, ERR_DENIED, "the server's certificate: %s",
	    X509_verify_cert_error_string(why));
	return TLS_FAILED;
}

static enum tls_status
tls_failed_protocol(struct tls *t, struct err *e)
{
	int reason = ERR_GET_REASON(ERR_peek_error());

	if (t->refused) {
		ERR_clear_error();
		return TLS_FAILED; /* *e is filled */
	}
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return tls_failed_verify(t, e);
	(void)tls_reason(e, ERR_INVALID, "TLS");
	return TLS_FAILED;
}

/* What the kernel says when the other side is gone without a word; 0: end. */
static int
tls_is_cut(int sys)
{
	return sys == 0 || sys == ECONNRESET || sys == EPIPE ||
	       sys == ETIMEDOUT || sys == EHOSTUNREACH || sys == ENETUNREACH;
}

static enum tls_status
tls_failed_system(struct tls *t, struct err *e)
{
	ERR_clear_error();
	if (tls_is_cut(t->sys))
		return TLS_CUT;
	(void)err_sys(e, t->sys, "TLS");
	return TLS_FAILED;
}

static enum tls_status
tls_status_of(struct tls *t, int r, struct err *e)
{
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	case SSL_ERROR_SYSCALL:
		return tls_failed_system(t, e);
	default:
		return tls_failed_protocol(t, e);
	}
}

static void
tls_begin(struct tls *t, struct err *e)
{
	ERR_clear_error();
	t->e = e;
	t->sys = 0;
}

/* A server may leave ALPN out; what it may not is choose something else. */
static enum tls_status
tls_check_alpn(struct tls *t, struct err *e)
{
	const char *want = t->client == NULL ? NULL : t->client->alpn;
	const unsigned char *got;
	unsigned n;

	SSL_get0_alpn_selected(t->ssl, &got, &n);
	if (want == NULL || n == 0 ||
	    (n == strlen(want) && memcmp(got, want, n) == 0))
		return TLS_DONE;
	(void)err_set(e, ERR_INVALID,
	    "TLS: the server chose a protocol that was not offered");
	return TLS_FAILED;
}

enum tls_status
tls_handshake(struct tls *t, struct err *e)
{
	enum tls_status s;
	int r;

	tls_begin(t, e);
	r = SSL_do_handshake(t->ssl);
	if (r == 1)
		return tls_check_alpn(t, e);
	s = tls_status_of(t, r, e);
	return s == TLS_CLOSED ? TLS_CUT : s;
}

enum tls_status
tls_read(struct tls *t, void *p, size_t n, size_t *ret, struct err *e)
{
	size_t got;
	int r;

	assert(n > 0);
	tls_begin(t, e);
	r = SSL_read_ex(t->ssl, p, n, &got);
	if (r != 1)
		return tls_status_of(t, r, e);
	*ret = got;
	return TLS_DONE;
}

int
tls_is_drained(const struct tls *t)
{
	return t->drained && !SSL_has_pending(t->ssl);
}

enum tls_status
tls_write(struct tls *t, const void *p, size_t n, size_t *ret, struct err *e)
{
	size_t sent;
	int r;

	assert(n > 0 && n >= t->retry);
	if (n > TLS_RECORD_BYTES)
		n = TLS_RECORD_BYTES;
	tls_begin(t, e);
	r = SSL_write_ex(t->ssl, p, n, &sent);
	if (r != 1) {
		enum tls_status s = tls_status_of(t, r, e);

		if (s == TLS_WANT_WRITE && t->retry == 0)
			t->retry = n;
		return s;
	}
	t->retry = 0;
	*ret = sent;
	return TLS_DONE;
}

enum tls_status
tls_close(struct tls *t, struct err *e)
{
	int r;

	if (t->retry > 0) {
		(void)err_set(e, ERR_CONFLICT,
		    "TLS: closed in the middle of a write");
		return TLS_FAILED;
	}
	if (!SSL_is_init_finished(t->ssl))
		return TLS_DONE; /* nothing was promised yet */
	tls_begin(t, e);
	r = SSL_shutdown(t->ssl);
	return r >= 0 ? TLS_DONE : tls_status_of(t, r, e);
}

void
tls_info(const struct tls *t, struct tls_info *ret)
{
	const char *alpn = t->server != NULL   ? t->server->options.alpn
			   : t->client != NULL ? t->client->alpn
					       : NULL;
	const unsigned char *got;
	unsigned n;

	SSL_get0_alpn_selected(t->ssl, &got, &n);
	*ret = (struct tls_info){
		.version = SSL_get_version(t->ssl),
		.cipher = SSL_get_cipher_name(t->ssl),
		.name = t->name,
		.alpn = n > 0 ? alpn : NULL,
		.resumed = SSL_session_reused(t->ssl),
	};
}
