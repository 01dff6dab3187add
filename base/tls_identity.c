#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "tls_private.h"

int
tls_key_create(const struct tls_bytes *der, struct tls_key **ret, struct err *e)
{
	const unsigned char *p = der->p;
	struct tls_key *k = NULL;
	EVP_PKEY *pkey;

	ERR_clear_error();
	pkey = der->size > INT_MAX
		   ? NULL
		   : d2i_AutoPrivateKey(NULL, &p, (long)der->size);
	if (pkey == NULL)
		return tls_reason(e, ERR_INVALID, "private key");
	k = calloc(1, sizeof(*k));
	if (k == NULL) {
		EVP_PKEY_free(pkey);
		return err_sys(e, ENOMEM, "private key");
	}
	k->pkey = pkey;
	*ret = k;
	return 0;
}

void
tls_key_destroy(struct tls_key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	free(k);
}

static void
tls_identity_destroyp(struct tls_identity **i)
{
	tls_identity_destroy(*i);
	*i = NULL;
}

#define autoidentity cleanup(tls_identity_destroyp) struct tls_identity

static struct tls_identity *
tls_identity_new(struct err *e)
{
	autoidentity *i = calloc(1, sizeof(*i));

	if (i != NULL)
		i->above = sk_X509_new_null();
	if (i == NULL || i->above == NULL) {
		(void)err_sys(e, ENOMEM, "TLS identity");
		return NULL;
	}
	return take_ptr(&i);
}

/* Takes x over: the leaf first, then what is above it. */
static int
tls_identity_add(struct tls_identity *i, X509 *x, struct err *e)
{
	if (x == NULL)
		return tls_reason(e, ERR_INVALID, "certificate");
	if (i->leaf == NULL) {
		i->leaf = x;
		return 0;
	}
	if (sk_X509_num(i->above) < TLS_CHAIN_MAX - 1 &&
	    sk_X509_push(i->above, x) > 0)
		return 0;
	X509_free(x);
	return err_set(e, ERR_LIMIT, "a chain of more than %d certificates",
	    TLS_CHAIN_MAX);
}

static int
tls_identity_match(const struct tls_identity *i, struct err *e)
{
	if (i->leaf == NULL)
		return err_set(e, ERR_INVALID, "a chain without certificates");
	if (X509_check_private_key(i->leaf, i->pkey) != 1)
		return tls_reason(e, ERR_INVALID,
		    "the certificate is of another key");
	return 0;
}

static X509 *
tls_identity_parse(const struct tls_bytes *der)
{
	const unsigned char *p = der->p, *end = p + der->size;
	X509 *x =
	    der->size > INT_MAX ? NULL : d2i_X509(NULL, &p, (long)der->size);

	if (x == NULL || p == end)
		return x;
	X509_free(x);
	return NULL;
}

int
tls_identity_create(const struct tls_bytes *chain, size_t n,
    const struct tls_key *key, struct tls_identity **ret, struct err *e)
{
	autoidentity *i = tls_identity_new(e);
	size_t k;

	if (i == NULL)
		return -1;
	ERR_clear_error();
	for (k = 0; k < n; k++)
		if (tls_identity_add(i, tls_identity_parse(&chain[k]), e) == -1)
			return -1;
	(void)EVP_PKEY_up_ref(key->pkey);
	i->pkey = key->pkey;
	if (tls_identity_match(i, e) == -1)
		return -1;
	*ret = take_ptr(&i);
	return 0;
}

static int
tls_identity_read(struct tls_identity *i, BIO *chain, BIO *key, struct err *e)
{
	X509 *x;

	while ((x = PEM_read_bio_X509(chain, NULL, NULL, NULL)) != NULL)
		if (tls_identity_add(i, x, e) == -1)
			return -1;
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_reason(e, ERR_INVALID, "certificate");
	ERR_clear_error();
	/* An encrypted one would ask at the terminal: give no passphrase. */
	i->pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, (void *)"");
	if (i->pkey == NULL)
		return tls_reason(e, ERR_INVALID, "private key");
	return tls_identity_match(i, e);
}

int
tls_identity_create_pem(const struct tls_bytes *chain,
    const struct tls_bytes *key, struct tls_identity **ret, struct err *e)
{
	autoidentity *i = tls_identity_new(e);
	BIO *c, *k;
	int rc = -1;

	if (i == NULL)
		return -1;
	if (chain->size > TLS_PEM_MAX || key->size > TLS_PEM_MAX)
		return err_set(e, ERR_LIMIT, "a PEM text over %d bytes",
		    TLS_PEM_MAX);
	ERR_clear_error();
	c = BIO_new_mem_buf(chain->p, (int)chain->size);
	k = BIO_new_mem_buf(key->p, (int)key->size);
	if (c == NULL || k == NULL)
		(void)err_sys(e, ENOMEM, "PEM");
	else
		rc = tls_identity_read(i, c, k, e);
	BIO_free(c);
	BIO_free(k);
	if (rc == 0)
		*ret = take_ptr(&i);
	return rc;
}

void
tls_identity_destroy(struct tls_identity *i)
{
	if (i == NULL)
		return;
	X509_free(i->leaf);
	sk_X509_pop_free(i->above, X509_free);
	EVP_PKEY_free(i->pkey);
	free(i);
}
