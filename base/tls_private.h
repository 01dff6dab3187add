/*
 * tls_private.h: what base/tls*.c share.  OpenSSL is named in these files
 * alone; each call into it that can fail begins with an empty error queue.
 */
#ifndef TLS_PRIVATE_H
#define TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "tls.h"

struct tls_key {
	EVP_PKEY *pkey;
};

struct tls_identity {
	X509 *leaf;
	STACK_OF(X509) * above; /* the rest of the chain */
	EVP_PKEY *pkey;
};

struct tls_server {
	SSL_CTX *ctx;
	struct tls_server_options options;
};

struct tls_client {
	SSL_CTX *ctx;
	const char *alpn;
};

struct tls {
	SSL *ssl;
	int fd;
	int sys; /* errno of the descriptor's failure; 0: none, or its end */
	int chosen; /* the server's choose has been asked */
	int refused; /* a callback of ours said no, and filled *e */
	size_t retry; /* bytes that tls_write() has begun with */
	unsigned char *first; /* what was read before; NULL: used up */
	size_t nfirst, first_at;
	int drained; /* the last read got less than it had room for */
	const struct tls_server *server; /* NULL: a client's stream */
	const struct tls_client *client;
	char *name; /* what a client asked for; NULL: nothing */
	void *arg;
	struct err *e; /* of the call that is under way */
};

/* *e from OpenSSL's queue, which is empty afterwards; -1. */
int tls_reason(struct err *e, enum err_code code, const char *what);

/* What every context has in common; NULL with *e filled. */
SSL_CTX *tls_context(const SSL_METHOD *method, struct err *e);

/* A stream without its direction: who calls it says accept or connect. */
must_check int tls_open(SSL_CTX *ctx, const struct tls_stream_options *o,
    struct tls **ret, struct err *e);

static inline void
tls_destroyp(struct tls **t)
{
	tls_destroy(*t);
	*t = NULL;
}

#define autotls cleanup(tls_destroyp) struct tls

#endif /* !TLS_PRIVATE_H */
