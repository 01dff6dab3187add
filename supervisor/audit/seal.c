#include "seal.h"

#include <errno.h>
#include <mbedtls/base64.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/hkdf.h>
#include <mbedtls/pk.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "keyfile.h"

enum {
	/* 64 bits more than the order: its remainder has no bias to speak of
	 * (FIPS 186-5, A.2.1) */
	SEAL_SCALAR_SIZE = 40,
	SEAL_DER_MAX = 256, /* of a public key */
	SEAL_SIGNATURE_MAX = 72, /* DER, of two numbers of 33 bytes */
};

struct seal {
	mbedtls_pk_context pk;
	char name[SHA256_HEX_SIZE];
};

static int
seal_random(void *ctx, unsigned char *p, size_t n)
{
	(void)ctx;
	return getrandom(p, n, 0) == (ssize_t)n ? 0
						: MBEDTLS_ERR_ECP_RANDOM_FAILED;
}

static struct seal *
seal_new(void)
{
	struct seal *s = calloc(1, sizeof(*s));

	if (s != NULL)
		mbedtls_pk_init(&s->pk);
	return s;
}

void
seal_destroy(struct seal *s)
{
	if (s == NULL)
		return;
	mbedtls_pk_free(&s->pk);
	free(s);
}

static void
seal_destroyp(struct seal **s)
{
	seal_destroy(*s);
}

static int
seal_set_name(struct seal *s, struct err *e)
{
	unsigned char der[SEAL_DER_MAX], digest[SHA256_SIZE];
	/* it is written at the end of the buffer */
	int n = mbedtls_pk_write_pubkey_der(&s->pk, der, sizeof(der));

	if (n <= 0)
		return err_set(e, ERR_UNSUPPORTED, "a key that has no name");
	sha256_buffer(der + sizeof(der) - n, (size_t)n, digest);
	sha256_hex(digest, s->name);
	return 0;
}

/* d = (the bytes mod (n - 1)) + 1, Q = d G */
static int
seal_derive(const struct secret *key, mbedtls_ecp_keypair *k)
{
	static const unsigned char salt[] = "warder-audit";
	static const unsigned char info[] = "heads 1";
	unsigned char bytes[SEAL_SCALAR_SIZE];
	mbedtls_mpi wide, limit;
	int r;

	mbedtls_mpi_init(&wide);
	mbedtls_mpi_init(&limit);
	r = mbedtls_ecp_group_load(&k->grp, MBEDTLS_ECP_DP_SECP256R1);
	if (r == 0)
		r = mbedtls_hkdf(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
		    salt, sizeof(salt) - 1, secret_bytes(key), secret_size(key),
		    info, sizeof(info) - 1, bytes, sizeof(bytes));
	if (r == 0)
		r = mbedtls_mpi_read_binary(&wide, bytes, sizeof(bytes));
	if (r == 0)
		r = mbedtls_mpi_sub_int(&limit, &k->grp.N, 1);
	if (r == 0)
		r = mbedtls_mpi_mod_mpi(&k->d, &wide, &limit);
	if (r == 0)
		r = mbedtls_mpi_add_int(&k->d, &k->d, 1);
	if (r == 0)
		r = mbedtls_ecp_mul(&k->grp, &k->Q, &k->d, &k->grp.G,
		    seal_random, NULL);
	explicit_bzero(bytes, sizeof(bytes));
	mbedtls_mpi_free(&wide);
	mbedtls_mpi_free(&limit);
	return r;
}

int
seal_create(const struct secret *key, struct seal **ret, struct err *e)
{
	cleanup(seal_destroyp) struct seal *s = seal_new();

	if (s == NULL)
		return err_sys(e, ENOMEM, "a key");
	if (mbedtls_pk_setup(&s->pk,
		mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) != 0 ||
	    seal_derive(key, mbedtls_pk_ec(s->pk)) != 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "this mbedTLS has no HKDF-SHA256 or no P-256");
	if (seal_set_name(s, e) == -1)
		return -1;
	*ret = take_ptr(&s);
	return 0;
}

int
seal_create_public(const char *pem, size_t n, struct seal **ret, struct err *e)
{
	cleanup(seal_destroyp) struct seal *s = seal_new();

	if (s == NULL)
		return err_sys(e, ENOMEM, "a key");
	/* with the NUL it is read as PEM */
	if (mbedtls_pk_parse_public_key(&s->pk, (const unsigned char *)pem,
		n + 1) != 0 ||
	    !mbedtls_pk_can_do(&s->pk, MBEDTLS_PK_ECDSA) ||
	    mbedtls_pk_get_bitlen(&s->pk) != 256 ||
	    mbedtls_pk_ec(s->pk)->grp.id != MBEDTLS_ECP_DP_SECP256R1)
		return err_set(e, ERR_INVALID,
		    "not the PEM of a public P-256 key");
	if (seal_set_name(s, e) == -1)
		return -1;
	*ret = take_ptr(&s);
	return 0;
}

const char *
seal_name(const struct seal *s)
{
	return s->name;
}

int
seal_pem(const struct seal *s, char ret[SEAL_PEM_SIZE], struct err *e)
{
	if (mbedtls_pk_write_pubkey_pem((mbedtls_pk_context *)(uintptr_t)&s->pk,
		(unsigned char *)ret, SEAL_PEM_SIZE) != 0)
		return err_set(e, ERR_UNSUPPORTED, "writing a public key");
	return 0;
}

int
seal_sign(struct seal *s, const void *p, size_t n, char ret[SEAL_TEXT_SIZE],
    struct err *e)
{
	unsigned char digest[SHA256_SIZE], der[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	size_t size, text;

	sha256_buffer(p, n, digest);
	if (mbedtls_pk_sign(&s->pk, MBEDTLS_MD_SHA256, digest, sizeof(digest),
		der, &size, seal_random, NULL) != 0 ||
	    mbedtls_base64_encode((unsigned char *)ret, SEAL_TEXT_SIZE, &text,
		der, size) != 0)
		return err_set(e, ERR_UNSUPPORTED, "signing failed");
	return 0;
}

int
seal_matches(struct seal *s, const void *p, size_t n, const char *text)
{
	unsigned char digest[SHA256_SIZE], der[SEAL_SIGNATURE_MAX];
	size_t size;

	if (mbedtls_base64_decode(der, sizeof(der), &size,
		(const unsigned char *)text, strlen(text)) != 0)
		return 0;
	sha256_buffer(p, n, digest);
	return mbedtls_pk_verify(&s->pk, MBEDTLS_MD_SHA256, digest,
		   sizeof(digest), der, size) == 0;
}
