#include <ctype.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mint.h"
#include "secret.h"

enum {
	HOST_MAX = 253, /* bytes of a DNS name, RFC 1035 */
	LABEL_MAX = 63,
	JAIL_ID_MAX = 128,
	SUBJECT_BYTES = 8, /* in hex in the authority's name */
	SCALAR_BYTES = 48, /* 256 bits and 128 more: no bias, FIPS 186-5 A.2 */
	COMMON_NAME_MAX = 64, /* ub-common-name, RFC 5280 */
	SERIAL_BYTES = 16,
};

/* What HKDF is asked for; changed with anything that must not be the same. */
static const char mint_for_authority[] = "warder mint 1 authority";
static const char mint_for_leaves[] = "warder mint 1 leaves";
static const char mint_for_subject[] = "warder mint 1 subject";

struct mint_kept {
	char *host;
	struct tls_identity *identity;
	int64_t from_s, until_s; /* in which it is given out */
	uint64_t used; /* the clock below when it was given out last */
};

struct mint {
	EVP_PKEY *authority_key;
	X509 *authority;
	X509 *leaf; /* the model of all leaves; NULL until the first */
	EVP_PKEY *leaf_key;
	struct tls_key *leaf_tls_key;
	char *pem;
	char hash[MINT_HASH_SIZE];
	char **hosts; /* sorted, each once */
	size_t nhosts;
	int64_t from_s, until_s;
	struct mint_kept kept[MINT_LEAVES_MAX];
	unsigned nkept;
	uint64_t clock;
	uint64_t signed_leaves;
};

static void
mint_destroyp(struct mint **m)
{
	mint_destroy(*m);
	*m = NULL;
}

static int
mint_reason(struct err *e, const char *what)
{
	unsigned long first = ERR_get_error();

	ERR_clear_error();
	return err_set(e, ERR_SYSTEM, "%s: %s", what,
	    first == 0 ? "failed" : ERR_reason_error_string(first));
}

/*
 * Derivation: HKDF-SHA256 (RFC 5869), the seed as key, what for and the
 * jail's id as context.  Two jails, or two purposes, share nothing.
 */
static int
mint_derive(const struct mint_options *o, const char *what, unsigned char *to,
    size_t size, struct err *e)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *c = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	char digest[] = "SHA256";
	int good;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest,
		    0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
		    (void *)o->seed, sizeof(o->seed)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
		    (void *)what, strlen(what)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
		    (void *)o->jail, strlen(o->jail)),
		OSSL_PARAM_construct_end(),
	};

	good = c != NULL && EVP_KDF_derive(c, to, size, params) == 1;
	EVP_KDF_CTX_free(c);
	EVP_KDF_free(kdf);
	return good ? 0 : mint_reason(e, "deriving a key");
}

/* A P-256 key from its private number. */
static EVP_PKEY *
mint_key_of(const BIGNUM *d, const EC_GROUP *group, BN_CTX *bn)
{
	unsigned char point[65];
	EC_POINT *q = EC_POINT_new(group);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (q != NULL && b != NULL && c != NULL &&
	    EC_POINT_mul(group, q, d, NULL, NULL, bn) &&
	    EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED, point,
		sizeof(point), bn) == sizeof(point) &&
	    OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME,
		"prime256v1", 0) &&
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point,
		sizeof(point)) &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, d) &&
	    (params = OSSL_PARAM_BLD_to_param(b)) != NULL &&
	    EVP_PKEY_fromdata_init(c) == 1 &&
	    EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(c);
	EC_POINT_free(q);
	return key;
}

/* d = 1 + (bytes mod (n - 1)), as FIPS 186-5 A.2.1 makes it. */
static EVP_PKEY *
mint_key_from(const unsigned char *bytes)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BN_CTX *bn = BN_CTX_secure_new();
	BIGNUM *d = BN_bin2bn(bytes, SCALAR_BYTES, BN_secure_new());
	BIGNUM *n = BN_new();
	EVP_PKEY *key = NULL;

	if (group != NULL && bn != NULL && d != NULL && n != NULL &&
	    EC_GROUP_get_order(group, n, bn) && BN_sub_word(n, 1) &&
	    BN_nnmod(d, d, n, bn) && BN_add_word(d, 1))
		key = mint_key_of(d, group, bn);
	BN_free(n);
	BN_clear_free(d);
	BN_CTX_free(bn);
	EC_GROUP_free(group);
	return key;
}

static int
mint_key(const struct mint_options *o, const char *what, EVP_PKEY **ret,
    struct err *e)
{
	unsigned char bytes[SCALAR_BYTES];

	if (mint_derive(o, what, bytes, sizeof(bytes), e) == -1)
		return -1;
	*ret = mint_key_from(bytes);
	secret_wipe(bytes, sizeof(bytes));
	return *ret == NULL ? mint_reason(e, "making a key") : 0;
}

/* Hosts. */

static int
mint_label(const char *s, size_t n)
{
	size_t i;

	if (n == 0 || n > LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
		return 0;
	for (i = 0; i < n; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= '0' && s[i] <= '9') && s[i] != '-' && s[i] != '_')
			return 0;
	return 1;
}

/* A DNS name in canonical form whose last label is not a number. */
static int
mint_is_name(const char *s, unsigned *ret_labels)
{
	const char *last = s;
	unsigned labels = 0;

	if (strlen(s) > HOST_MAX)
		return 0;
	for (;;) {
		size_t n = strcspn(s, ".");

		if (!mint_label(s, n))
			return 0;
		labels++;
		last = s;
		if (s[n] == '\0')
			break;
		s += n + 1;
	}
	*ret_labels = labels;
	return last[strspn(last, "0123456789")] != '\0';
}

static int
mint_check_host(const char *host, struct err *e)
{
	int pattern = strncmp(host, "*.", 2) == 0;
	unsigned labels;

	if (!mint_is_name(pattern ? host + 2 : host, &labels))
		return err_set(e, ERR_INVALID,
		    "%.64s: a certificate can be made for DNS names only",
		    host);
	if (pattern && labels < 2)
		return err_set(e, ERR_INVALID,
		    "%s would be a whole top-level domain", host);
	return 0;
}

static int
mint_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
mint_take_hosts(struct mint *m, const struct mint_options *o, struct err *e)
{
	size_t i, n = 0;

	if (o->nhosts == 0)
		return err_set(e, ERR_INVALID, "no host to be an authority of");
	if (o->nhosts > MINT_HOSTS_MAX)
		return err_set(e, ERR_LIMIT, "%zu inspected hosts, at most %d",
		    o->nhosts, MINT_HOSTS_MAX);
	m->hosts = calloc(o->nhosts, sizeof(*m->hosts));
	if (m->hosts == NULL)
		return err_sys(e, ENOMEM, "hosts");
	for (i = 0; i < o->nhosts; i++, m->nhosts++) {
		if (mint_check_host(o->hosts[i], e) == -1)
			return -1;
		m->hosts[i] = strdup(o->hosts[i]);
		if (m->hosts[i] == NULL)
			return err_sys(e, ENOMEM, "hosts");
	}
	qsort(m->hosts, m->nhosts, sizeof(*m->hosts), mint_compare);
	for (i = 0; i < m->nhosts; i++)
		if (n > 0 && strcmp(m->hosts[n - 1], m->hosts[i]) == 0)
			free(m->hosts[i]);
		else
			m->hosts[n++] = m->hosts[i];
	m->nhosts = n;
	return 0;
}

static int
mint_listed(const struct mint *m, const char *host)
{
	return bsearch(&host, m->hosts, m->nhosts, sizeof(*m->hosts),
		   mint_compare) != NULL;
}

/* Exactly, or with its first label for the star. */
static int
mint_may(const struct mint *m, const char *host)
{
	char pattern[HOST_MAX + 3];
	const char *dot = strchr(host, '.');
	unsigned labels;

	if (!mint_is_name(host, &labels))
		return 0;
	if (mint_listed(m, host))
		return 1;
	if (dot == NULL)
		return 0;
	(void)snprintf(pattern, sizeof(pattern), "*%s", dot);
	return mint_listed(m, pattern);
}

/* Certificates. */

struct mint_extension {
	int nid;
	const char *value;
};

static const struct mint_extension mint_of_authority[] = {
	{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
	{ NID_key_usage, "critical,keyCertSign" },
	{ NID_ext_key_usage, "serverAuth" },
	{ NID_subject_key_identifier, "hash" },
};

static const struct mint_extension mint_of_leaf[] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_key_usage, "critical,digitalSignature" },
	{ NID_ext_key_usage, "serverAuth" },
	{ NID_authority_key_identifier, "keyid:always" },
};

static int
mint_extend(X509 *x, X509 *issuer, const struct mint_extension *list, size_t n)
{
	X509V3_CTX c;
	size_t i;

	X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
	for (i = 0; i < n; i++) {
		X509_EXTENSION *ext =
		    X509V3_EXT_conf_nid(NULL, &c, list[i].nid, list[i].value);
		int good = ext != NULL && X509_add_ext(x, ext, -1) == 1;

		X509_EXTENSION_free(ext);
		if (!good)
			return 0;
	}
	return 1;
}

/* Takes nothing over; one more name of the given type and bytes. */
static GENERAL_NAME *
mint_general_name(int type, const void *p, size_t n)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_STRING *s =
	    type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();

	if (g != NULL && s != NULL && ASN1_STRING_set(s, p, (int)n)) {
		GENERAL_NAME_set0_value(g, type, s);
		return g;
	}
	ASN1_STRING_free(s);
	GENERAL_NAME_free(g);
	return NULL;
}

static int
mint_subtree(STACK_OF(GENERAL_SUBTREE) * *list, int type, const void *p,
    size_t n)
{
	GENERAL_SUBTREE *t = GENERAL_SUBTREE_new();
	GENERAL_NAME *g = mint_general_name(type, p, n);

	if (*list == NULL)
		*list = sk_GENERAL_SUBTREE_new_null();
	if (t != NULL && g != NULL && *list != NULL) {
		GENERAL_NAME_free(t->base);
		t->base = g;
		if (sk_GENERAL_SUBTREE_push(*list, t) > 0)
			return 1;
		g = NULL;
	}
	GENERAL_NAME_free(g);
	GENERAL_SUBTREE_free(t);
	return 0;
}

/*
 * RFC 5280, 4.2.1.10.  A permitted name permits what lies below it too, so a
 * pattern's star is dropped; mint_may() is narrower.  Addresses have all of
 * their space excluded.  Of mailboxes and URIs a host that cannot exist
 * (RFC 2606) is permitted and excluded again: that is nothing at all for
 * those who take an empty excluded name for everything and for those who
 * take it for nothing.
 */
static int
mint_fill_constraints(NAME_CONSTRAINTS *nc, const struct mint *m)
{
	static const unsigned char all[32]; /* address and mask, all zero */
	static const char never[] = "invalid";
	size_t i;

	for (i = 0; i < m->nhosts; i++) {
		const char *h = m->hosts[i] + (*m->hosts[i] == '*' ? 2 : 0);

		if (!mint_subtree(&nc->permittedSubtrees, GEN_DNS, h,
			strlen(h)))
			return 0;
	}
	return mint_subtree(&nc->permittedSubtrees, GEN_EMAIL, never,
		   strlen(never)) &&
	       mint_subtree(&nc->permittedSubtrees, GEN_URI, never,
		   strlen(never)) &&
	       mint_subtree(&nc->excludedSubtrees, GEN_EMAIL, never,
		   strlen(never)) &&
	       mint_subtree(&nc->excludedSubtrees, GEN_URI, never,
		   strlen(never)) &&
	       mint_subtree(&nc->excludedSubtrees, GEN_IPADD, all, 8) &&
	       mint_subtree(&nc->excludedSubtrees, GEN_IPADD, all, 32);
}

static int
mint_constrain(X509 *x, const struct mint *m)
{
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	int good = nc != NULL && mint_fill_constraints(nc, m) &&
		   X509_add1_ext_i2d(x, NID_name_constraints, nc, 1,
		       X509V3_ADD_DEFAULT) == 1;

	NAME_CONSTRAINTS_free(nc);
	return good;
}

/* Random: who restarts must not repeat issuer and serial. */
static int
mint_number(X509 *x)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *n;
	int good;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40); /* 127 bits */
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	good = n != NULL &&
	       BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
	BN_free(n);
	return good;
}

static int
mint_between(X509 *x, int64_t from_s, int64_t until_s)
{
	return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from_s) != NULL &&
	       ASN1_TIME_set(X509_getm_notAfter(x), (time_t)until_s) != NULL;
}

/* O=Warder, CN=name; without the second where there is no room for it. */
static int
mint_entitle(X509 *x, const char *name)
{
	X509_NAME *n = X509_NAME_new();
	int good =
	    n != NULL &&
	    X509_NAME_add_entry_by_NID(n, NID_organizationName, MBSTRING_UTF8,
		(const unsigned char *)"Warder", -1, -1, 0) &&
	    (strlen(name) > COMMON_NAME_MAX ||
		X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8,
		    (const unsigned char *)name, -1, -1, 0)) &&
	    X509_set_subject_name(x, n);

	X509_NAME_free(n);
	return good;
}

static int
mint_name_authority(const struct mint_options *o, X509 *x, struct err *e)
{
	unsigned char id[SUBJECT_BYTES];
	char name[COMMON_NAME_MAX] = "jail authority ";
	size_t i, n = strlen(name);

	if (mint_derive(o, mint_for_subject, id, sizeof(id), e) == -1)
		return -1;
	for (i = 0; i < sizeof(id); i++, n += 2)
		(void)snprintf(name + n, sizeof(name) - n, "%02x", id[i]);
	if (!mint_entitle(x, name) ||
	    !X509_set_issuer_name(x, X509_get_subject_name(x)))
		return mint_reason(e, "naming an authority");
	return 0;
}

static int
mint_authority(struct mint *m, const struct mint_options *o, struct err *e)
{
	X509 *x = m->authority = X509_new();

	if (mint_key(o, mint_for_authority, &m->authority_key, e) == -1)
		return -1;
	if (x == NULL)
		return mint_reason(e, "authority");
	if (mint_name_authority(o, x, e) == -1)
		return -1;
	if (!X509_set_version(x, X509_VERSION_3) || !mint_number(x) ||
	    !mint_between(x, m->from_s, m->until_s) ||
	    !X509_set_pubkey(x, m->authority_key) ||
	    !mint_extend(x, x, mint_of_authority, countof(mint_of_authority)) ||
	    !mint_constrain(x, m) ||
	    X509_sign(x, m->authority_key, EVP_sha256()) <= 0)
		return mint_reason(e, "authority");
	return 0;
}

/* Text and hash of the authority, for whoever has to trust it. */
static int
mint_publish(struct mint *m, struct err *e)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	if (b == NULL || !PEM_write_bio_X509(b, m->authority)) {
		BIO_free(b);
		return mint_reason(e, "authority");
	}
	n = BIO_get_mem_data(b, &p);
	m->pem = n < MINT_PEM_MAX ? strndup(p, (size_t)n) : NULL;
	BIO_free(b);
	if (n >= MINT_PEM_MAX)
		return err_set(e, ERR_LIMIT,
		    "the names of the inspected hosts are too long together");
	if (m->pem == NULL)
		return err_sys(e, ENOMEM, "authority");
	(void)snprintf(m->hash, sizeof(m->hash), "%08lx",
	    X509_NAME_hash_ex(X509_get_subject_name(m->authority), NULL, NULL,
		NULL) &
		0xffffffff);
	return 0;
}

static int
mint_take_times(struct mint *m, const struct mint_options *o, struct err *e)
{
	int64_t life = o->life_s > 0 && o->life_s < MINT_LIFE_MAX_S
			   ? o->life_s
			   : MINT_LIFE_MAX_S;

	if (o->start_s < MINT_SKEW_S || o->start_s > INT32_MAX * (int64_t)2)
		return err_set(e, ERR_INVALID, "the clock is not set");
	m->from_s = o->start_s - MINT_SKEW_S;
	m->until_s = o->start_s + life;
	return 0;
}

int
mint_create(const struct mint_options *o, struct mint **ret, struct err *e)
{
	cleanup(mint_destroyp) struct mint *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return err_sys(e, ENOMEM, "authority");
	if (*o->jail == '\0' || strlen(o->jail) > JAIL_ID_MAX)
		return err_set(e, ERR_INVALID, "a jail's id has 1 to %d bytes",
		    JAIL_ID_MAX);
	ERR_clear_error();
	if (mint_take_times(m, o, e) == -1 || mint_take_hosts(m, o, e) == -1 ||
	    mint_authority(m, o, e) == -1 || mint_publish(m, e) == -1 ||
	    mint_key(o, mint_for_leaves, &m->leaf_key, e) == -1)
		return -1;
	*ret = take_ptr(&m);
	return 0;
}

static void
mint_forget(struct mint_kept *k)
{
	tls_identity_destroy(k->identity);
	free(k->host);
	*k = (struct mint_kept){ 0 };
}

void
mint_destroy(struct mint *m)
{
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->nkept; i++)
		mint_forget(&m->kept[i]);
	for (i = 0; i < m->nhosts; i++)
		free(m->hosts[i]);
	free(m->hosts);
	free(m->pem);
	tls_key_destroy(m->leaf_tls_key);
	EVP_PKEY_free(m->leaf_key);
	X509_free(m->leaf);
	EVP_PKEY_free(m->authority_key);
	X509_free(m->authority);
	free(m);
}

const char *
mint_pem(const struct mint *m)
{
	return m->pem;
}

const char *
mint_hash(const struct mint *m)
{
	return m->hash;
}

/* Leaves. */

static int
mint_share_key(struct mint *m, struct err *e)
{
	struct tls_bytes der = { 0 };
	unsigned char *p = NULL;
	int rc, n = i2d_PrivateKey(m->leaf_key, &p);

	if (n <= 0)
		return mint_reason(e, "leaf");
	der.p = p;
	der.size = (size_t)n;
	rc = tls_key_create(&der, &m->leaf_tls_key, e);
	secret_wipe(p, der.size);
	OPENSSL_free(p);
	return rc;
}

/*
 * OpenSSL 3.0 takes five times the time of a signature to put a key into a
 * certificate: all leaves are made from one that has it.
 */
static int
mint_model(struct mint *m, struct err *e)
{
	X509 *x;

	if (m->leaf != NULL)
		return 0;
	if (m->leaf_tls_key == NULL && mint_share_key(m, e) == -1)
		return -1;
	x = X509_new();
	if (x == NULL || !X509_set_version(x, X509_VERSION_3) ||
	    !X509_set_issuer_name(x, X509_get_subject_name(m->authority)) ||
	    !X509_set_pubkey(x, m->leaf_key) ||
	    !mint_extend(x, m->authority, mint_of_leaf,
		countof(mint_of_leaf))) {
		X509_free(x);
		return mint_reason(e, "leaf");
	}
	m->leaf = x;
	return 0;
}

static int
mint_set_host(X509 *x, const char *host)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *g = mint_general_name(GEN_DNS, host, strlen(host));
	int good = 0;

	if (names != NULL && g != NULL && sk_GENERAL_NAME_push(names, g) > 0) {
		g = NULL;
		good = X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0,
			   X509V3_ADD_REPLACE) == 1 &&
		       mint_entitle(x, host);
	}
	GENERAL_NAME_free(g);
	GENERAL_NAMES_free(names);
	return good;
}

static int
mint_sign(struct mint *m, struct mint_kept *k, struct err *e)
{
	struct tls_bytes der = { 0 };
	unsigned char *p = NULL;
	int rc, n;

	if (!mint_number(m->leaf) || !mint_set_host(m->leaf, k->host) ||
	    !mint_between(m->leaf, k->from_s, k->until_s) ||
	    X509_sign(m->leaf, m->authority_key, EVP_sha256()) <= 0 ||
	    (n = i2d_X509(m->leaf, &p)) <= 0)
		return mint_reason(e, "leaf");
	der.p = p;
	der.size = (size_t)n;
	rc = tls_identity_create(&der, 1, m->leaf_tls_key, &k->identity, e);
	OPENSSL_free(p);
	m->signed_leaves++;
	return rc;
}

static int
mint_make(struct mint *m, const char *host, int64_t now_s,
    struct mint_kept *ret, struct err *e)
{
	struct mint_kept k = { .from_s = now_s - MINT_SKEW_S,
		.until_s = now_s + MINT_LEAF_S };

	if (k.from_s < m->from_s)
		k.from_s = m->from_s;
	if (k.until_s > m->until_s)
		k.until_s = m->until_s;
	ERR_clear_error();
	if (mint_model(m, e) == -1)
		return -1;
	k.host = strdup(host);
	if (k.host == NULL)
		return err_sys(e, ENOMEM, "leaf");
	if (mint_sign(m, &k, e) == -1) {
		mint_forget(&k);
		return -1;
	}
	*ret = k;
	return 0;
}

static struct mint_kept *
mint_find(struct mint *m, const char *host)
{
	unsigned i;

	for (i = 0; i < m->nkept; i++)
		if (strcmp(m->kept[i].host, host) == 0)
			return &m->kept[i];
	return NULL;
}

/* A free place, or that of the leaf which was not asked for the longest. */
static struct mint_kept *
mint_place(struct mint *m)
{
	struct mint_kept *oldest = &m->kept[0];
	unsigned i;

	if (m->nkept < MINT_LEAVES_MAX)
		return &m->kept[m->nkept];
	for (i = 1; i < m->nkept; i++)
		if (m->kept[i].used < oldest->used)
			oldest = &m->kept[i];
	return oldest;
}

/* Renewed in good time, unless a new one would end no later. */
static int
mint_is_fresh(const struct mint *m, const struct mint_kept *k, int64_t now_s)
{
	return now_s >= k->from_s &&
	       (now_s < k->until_s - MINT_SKEW_S || k->until_s == m->until_s);
}

int
mint_leaf(struct mint *m, const char *host, int64_t now_s,
    const struct tls_identity **ret, struct err *e)
{
	struct mint_kept made, *k = mint_find(m, host);

	if (now_s < m->from_s || now_s >= m->until_s)
		return err_set(e, ERR_DENIED,
		    "the jail's authority is not valid at this time");
	if (k == NULL && !mint_may(m, host))
		return err_set(e, ERR_DENIED,
		    "the jail's authority is not for this host");
	if (k == NULL || !mint_is_fresh(m, k, now_s)) {
		if (mint_make(m, host, now_s, &made, e) == -1)
			return -1;
		if (k == NULL)
			k = mint_place(m);
		if (k == &m->kept[m->nkept])
			m->nkept++;
		mint_forget(k);
		*k = made;
	}
	k->used = ++m->clock;
	*ret = k->identity;
	return 0;
}

void
mint_stats(const struct mint *m, struct mint_stats *ret)
{
	*ret = (struct mint_stats){ .signed_leaves = m->signed_leaves,
		.kept = m->nkept };
}
