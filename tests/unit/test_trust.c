/* jail/trust*.c: which files a jail gets, and what is in them. */
#include "unit_tls.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "jail/trust.h"

static const struct trust_file *
file_of(const struct trust *t, const char *path)
{
	size_t i;

	for (i = 0; i < t->nfiles; i++)
		if (strcmp(t->files[i].path, path) == 0)
			return &t->files[i];
	return NULL;
}

static void
make(const struct trust_root *root, const struct mint *m, struct trust *ret)
{
	struct err e = { .code = ERR_OK };

	if (trust_make(root, mint_pem(m), mint_hash(m), ret, &e) == -1)
		fail_msg("%s", e.msg);
}

static struct trust_root
root_of(char *bundle, enum trust_java java)
{
	return (struct trust_root){ .bundle = bundle,
		.bundle_size = bundle == NULL ? 0 : strlen(bundle),
		.java = java };
}

static unsigned
count_pem(const void *p, size_t n)
{
	BIO *b = BIO_new_mem_buf(p, (int)n);
	unsigned k = 0;
	X509 *x;

	while ((x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
		X509_free(x);
		k++;
	}
	BIO_free(b);
	return k;
}

static void
trust_make__bundles__merged(void **state)
{
	struct mint *host = unit_mint("host", UNIT_HOST, time(NULL), 0);
	struct mint *m = unit_mint("jail", UNIT_HOST, time(NULL), 0);
	char *broken = strdup("-----BEGIN CERTIFICATE-----\nMAMC");
	struct trust_root roots[] = {
		root_of(NULL, TRUST_JAVA_NONE),
		root_of(strdup(mint_pem(host)), TRUST_JAVA_NONE),
		root_of(broken, TRUST_JAVA_NONE),
	};
	static const unsigned want[] = { 1, 2, 1 };
	size_t i;

	(void)state;
	for (i = 0; i < countof(roots); i++) {
		const struct trust_file *f;
		struct trust t;

		make(&roots[i], m, &t);
		f = file_of(&t, "etc/ssl/certs/ca-certificates.crt");
		assert_non_null(f);
		assert_int_equal(count_pem(f->bytes, f->size), want[i]);
		f = file_of(&t, "etc/ssl/certs/warder.pem");
		assert_non_null(f);
		assert_int_equal(count_pem(f->bytes, f->size), 1);
		assert_null(file_of(&t, "etc/ssl/certs/java/cacerts"));
		assert_null(file_of(&t, "etc/pki/java/cacerts"));
		f = file_of(&t, "etc/pki/tls/certs/ca-bundle.crt");
		assert_string_equal(f->link,
		    "/etc/ssl/certs/ca-certificates.crt");
		trust_finish(&t);
		trust_root_finish(&roots[i]);
	}
	mint_destroy(host);
	mint_destroy(m);
}

/* OpenSSL finds the authority in a hashed directory by that name alone. */
static void
trust_make__hash_link__is_openssls(void **state)
{
	struct mint *m = unit_mint("jail", UNIT_HOST, time(NULL), 0);
	struct trust_root none = { .bundle = NULL };
	char dir[] = "/tmp/test-trust.XXXXXX", path[64];
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *c = X509_STORE_CTX_new();
	BIO *b = BIO_new_mem_buf(mint_pem(m), -1);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	struct trust t;
	size_t i;
	FILE *out;

	(void)state;
	assert_non_null(mkdtemp(dir));
	make(&none, m, &t);
	(void)snprintf(path, sizeof(path), "%s/warder.pem", dir);
	out = fopen(path, "we");
	assert_non_null(out);
	assert_int_equal(fputs(mint_pem(m), out) >= 0, 1);
	assert_int_equal(fclose(out), 0);
	for (i = 0; i < t.nfiles; i++)
		if (strstr(t.files[i].path, ".0") != NULL)
			break;
	assert_true(i < t.nfiles);
	(void)snprintf(path, sizeof(path), "%s%s", dir,
	    strrchr(t.files[i].path, '/'));
	assert_int_equal(symlink(t.files[i].link, path), 0);
	assert_true(X509_STORE_load_path(store, dir));
	assert_true(X509_STORE_CTX_init(c, store, x, NULL));
	assert_int_equal(X509_verify_cert(c), 1);
	X509_free(x);
	BIO_free(b);
	X509_STORE_CTX_free(c);
	X509_STORE_free(store);
	trust_finish(&t);
	mint_destroy(m);
	assert_int_equal(unit_remove_tree(dir), 0);
}

static void
trust_make__from_the_proxy__checked(void **state)
{
	struct mint *m = unit_mint("jail", UNIT_HOST, time(NULL), 0);
	static const char *const hashes[] = { "", "0123456", "012345678",
		"0123456G", "../../..", "ABCDEF01" };
	static const char *const texts[] = {
		"", "hello", "-----BEGIN CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nA=AA\n-----END CERTIFICATE-----",
		"-----BEGIN CERTIFICATE-----\nA===\n-----END CERTIFICATE-----",
		"-----BEGIN CERTIFICATE-----\n!AAA\n-----END CERTIFICATE-----"
	};
	struct trust_root none = { .bundle = NULL };
	struct err e = { .code = ERR_OK };
	char *two = malloc(TRUST_AUTHORITY_MAX + 1);
	struct trust t;
	size_t i;

	(void)state;
	assert_non_null(two);
	for (i = 0; i < countof(hashes); i++)
		assert_refused(trust_make(&none, mint_pem(m), hashes[i], &t,
				   &e),
		    &e, ERR_CORRUPT, "its hash");
	for (i = 0; i < countof(texts); i++)
		assert_refused(trust_make(&none, texts[i], "01234567", &t, &e),
		    &e, ERR_CORRUPT, "not one in PEM");
	(void)snprintf(two, TRUST_AUTHORITY_MAX, "%s%s", mint_pem(m),
	    mint_pem(m));
	assert_refused(trust_make(&none, two, "01234567", &t, &e), &e,
	    ERR_CORRUPT, "not one in PEM");
	memset(two, '\n', TRUST_AUTHORITY_MAX);
	(void)snprintf(two + TRUST_AUTHORITY_MAX - strlen(mint_pem(m)),
	    strlen(mint_pem(m)) + 1, "%s", mint_pem(m));
	assert_refused(trust_make(&none, two, "01234567", &t, &e), &e,
	    ERR_CORRUPT, "not one in PEM");
	/* Control: a byte less of it. */
	assert_int_equal(trust_make(&none, two + 1, "01234567", &t, &e), 0);
	trust_finish(&t);
	free(two);
	mint_destroy(m);
}

static uint32_t
number(const unsigned char **p, int bytes)
{
	uint32_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | *(*p)++;
	return v;
}

/* Read it as Java does, the digest by another's SHA-1. */
static void
trust_store__read_back__complete(void **state)
{
	struct mint *host = unit_mint("host", UNIT_HOST, time(NULL), 0);
	struct mint *m = unit_mint("jail", UNIT_HOST, time(NULL), 0);
	char bundle[32768], utf16[16];
	struct trust_root root;
	struct err e = { .code = ERR_OK };
	struct trust t;
	const struct trust_file *f;
	const unsigned char *p;
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned i, n;

	(void)state;
	/* What is broken among the root's is left out, the rest stays. */
	(void)snprintf(bundle, sizeof(bundle),
	    "# words\n%s-----BEGIN CERTIFICATE-----\n!!!!\n"
	    "-----END CERTIFICATE-----\n%s",
	    mint_pem(host), mint_pem(host));
	root = root_of(bundle, TRUST_JAVA_STORE);
	if (trust_make(&root, mint_pem(m), mint_hash(m), &t, &e) == -1)
		fail_msg("%s", e.msg);
	f = file_of(&t, "etc/ssl/certs/java/cacerts");
	assert_non_null(f);
	assert_non_null(file_of(&t, "etc/pki/java/cacerts"));
	p = f->bytes;
	assert_int_equal(number(&p, 4), 0xfeedfeed);
	assert_int_equal(number(&p, 4), 2);
	n = number(&p, 4);
	assert_int_equal(n, 3);
	for (i = 0; i < n; i++) {
		const unsigned char *der;
		uint32_t size;
		X509 *x;

		assert_int_equal(number(&p, 4), 2);
		p += number(&p, 2);
		p += 8;
		assert_int_equal(number(&p, 2), 5);
		assert_memory_equal(p, "X.509", 5);
		p += 5;
		size = number(&p, 4);
		der = p;
		x = d2i_X509(NULL, &der, (long)size);
		assert_non_null(x);
		assert_ptr_equal(der, p + size);
		X509_free(x);
		p += size;
	}
	assert_int_equal((size_t)(p - (const unsigned char *)f->bytes) + 20,
	    f->size);
	for (i = 0; i < 8; i++) {
		utf16[2 * i] = 0;
		utf16[2 * i + 1] = "changeit"[i];
	}
	assert_true(EVP_DigestInit_ex(md, EVP_sha1(), NULL));
	assert_true(EVP_DigestUpdate(md, utf16, sizeof(utf16)));
	assert_true(EVP_DigestUpdate(md, "Mighty Aphrodite", 16));
	assert_true(EVP_DigestUpdate(md, f->bytes, f->size - 20));
	assert_true(EVP_DigestFinal_ex(md, digest, NULL));
	assert_memory_equal(digest, p, 20);
	EVP_MD_CTX_free(md);
	trust_finish(&t);
	mint_destroy(host);
	mint_destroy(m);
}

static void
put(int dir, const char *path, const char *text)
{
	autofd fd = openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void
trust_read__a_given_root__nothing_outside(void **state)
{
	char dir[] = "/tmp/test-trust.XXXXXX";
	struct trust_root r;
	struct err e = { .code = ERR_OK };
	autofd root = -1, big = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	assert_int_equal(trust_read(root, &r, &e), 0);
	assert_null(r.bundle);
	assert_int_equal(r.java, TRUST_JAVA_NONE);

	assert_int_equal(mkdirat(root, "etc", 0755), 0);
	assert_int_equal(mkdirat(root, "etc/ssl", 0755), 0);
	assert_int_equal(mkdirat(root, "etc/ssl/certs", 0755), 0);
	/* A link leads to the root's own file of that name, not the host's. */
	assert_int_equal(symlinkat("/etc/hostname", root,
			     "etc/ssl/certs/ca-certificates.crt"),
	    0);
	assert_int_equal(trust_read(root, &r, &e), 0);
	assert_null(r.bundle);
	put(root, "etc/hostname", "inside");
	assert_int_equal(trust_read(root, &r, &e), 0);
	assert_string_equal(r.bundle, "inside");
	trust_root_finish(&r);

	/* What is no file is passed over: the next name counts. */
	assert_int_equal(unlinkat(root, "etc/hostname", 0), 0);
	assert_int_equal(mkfifoat(root, "etc/hostname", 0644), 0);
	put(root, "etc/ssl/cert.pem", "alpine");
	assert_int_equal(mkdirat(root, "opt", 0755), 0);
	assert_int_equal(mkdirat(root, "opt/java", 0755), 0);
	assert_int_equal(trust_read(root, &r, &e), 0);
	assert_string_equal(r.bundle, "alpine");
	assert_int_equal(r.java, TRUST_JAVA_OWN);
	trust_root_finish(&r);

	big = openat(root, "etc/ssl/cert.pem", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(big, TRUST_BUNDLE_MAX + 1), 0);
	assert_refused(trust_read(root, &r, &e), &e, ERR_LIMIT, "cert.pem");
	assert_int_equal(unit_remove_tree(dir), 0);
}

static void
trust_variables__java__only_where_wanted(void **state)
{
	size_t i, n, java = 0;
	const struct trust_variable *v = trust_variables(&n);
	struct trust none = { .java = TRUST_JAVA_NONE },
		     store = { .java = TRUST_JAVA_STORE },
		     own = { .java = TRUST_JAVA_OWN };

	(void)state;
	for (i = 0; i < n; i++) {
		int is_java = strncmp(v[i].name, "JAVA", 4) == 0;

		java += (size_t)is_java;
		assert_int_equal(trust_wants(&none, &v[i]), !is_java);
		assert_int_equal(trust_wants(&store, &v[i]), !is_java);
		assert_true(trust_wants(&own, &v[i]));
		assert_true(strlen(v[i].why) > 10);
	}
	assert_int_equal(java, 1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(trust_make__bundles__merged),
		cmocka_unit_test(trust_make__hash_link__is_openssls),
		cmocka_unit_test(trust_make__from_the_proxy__checked),
		cmocka_unit_test(trust_store__read_back__complete),
		cmocka_unit_test(trust_read__a_given_root__nothing_outside),
		cmocka_unit_test(trust_variables__java__only_where_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
