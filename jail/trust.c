#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "trust_private.h"

#define TRUST_DIR "etc/ssl/certs/"
#define TRUST_BUNDLE_FILE "etc/ssl/certs/ca-certificates.crt"
#define TRUST_BUNDLE "/" TRUST_BUNDLE_FILE
#define TRUST_AUTHORITY "/" TRUST_DIR "warder.pem"
#define TRUST_STORE "/" TRUST_DIR "java/cacerts"

/* clang-format off */

/* Where distributions have their bundle; the first that is there is read. */
static const char *const trust_bundles[] = {
	TRUST_BUNDLE_FILE,                                  /* Debian, Arch, Alpine */
	"etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora */
	"etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* its new place */
	"var/lib/ca-certificates/ca-bundle.pem",            /* SUSE */
	"etc/ssl/ca-bundle.pem",                            /* SUSE, before */
	"etc/ssl/cert.pem",                                 /* OpenSSL's own */
};

/* The same names, for programs that were built for another distribution. */
static const struct {
	const char *path, *to;
	int java; /* only where there is Java */
} trust_links[] = {
	{ "etc/ssl/cert.pem",                TRUST_BUNDLE, 0 },
	{ "etc/ssl/ca-bundle.pem",           TRUST_BUNDLE, 0 },
	{ "etc/pki/tls/cert.pem",            TRUST_BUNDLE, 0 },
	{ "etc/pki/tls/certs/ca-bundle.crt", TRUST_BUNDLE, 0 },
	{ "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", TRUST_BUNDLE, 0 },
	/* what p11-kit, and with it Fedora's GnuTLS and NSS, adds to its own */
	{ "etc/pki/ca-trust/source/anchors/warder.pem", TRUST_AUTHORITY, 0 },
	{ "var/lib/ca-certificates/ca-bundle.pem", TRUST_BUNDLE, 0 },
	{ "etc/pki/java/cacerts",            TRUST_STORE, 1 },
	{ "etc/pki/ca-trust/extracted/java/cacerts", TRUST_STORE, 1 },
	{ "var/lib/ca-certificates/java-cacerts", TRUST_STORE, 1 },
};

/* Signs of Java, the more telling ones first. */
static const struct {
	const char *path;
	enum trust_java java;
} trust_javas[] = {
	{ TRUST_DIR "java/cacerts",                TRUST_JAVA_STORE },
	{ "etc/pki/java/cacerts",                  TRUST_JAVA_STORE },
	{ "var/lib/ca-certificates/java-cacerts",  TRUST_JAVA_STORE },
	{ "usr/lib/jvm",                           TRUST_JAVA_OWN },
	{ "usr/java",                              TRUST_JAVA_OWN },
	{ "usr/local/openjdk-8",                   TRUST_JAVA_OWN },
	{ "usr/local/openjdk-11",                  TRUST_JAVA_OWN },
	{ "usr/local/openjdk-17",                  TRUST_JAVA_OWN },
	{ "opt/java",                              TRUST_JAVA_OWN },
};

/*
 * Not set, on purpose: SSL_CERT_DIR (SSL_CERT_FILE has everything; Go and
 * rustls would read some 300 files more at each start), npm's cafile (it
 * takes the place of Node's store, which has ours already).
 */
static const struct trust_variable trust_table[] = {
	{ "SSL_CERT_FILE", TRUST_BUNDLE,
	    "OpenSSL whose compiled-in directory is another (conda, wheels, "
	    "Ruby, Perl), Go, rustls-native-certs, uv, httpx", 0 },
	{ "CURL_CA_BUNDLE", TRUST_BUNDLE,
	    "a curl from elsewhere has another compiled-in path", 0 },
	{ "REQUESTS_CA_BUNDLE", TRUST_BUNDLE,
	    "requests brings certifi's bundle", 0 },
	{ "PIP_CERT", TRUST_BUNDLE,
	    "pip brings its own certifi", 0 },
	{ "HTTPLIB2_CA_CERTS", TRUST_BUNDLE,
	    "httplib2 brings its own bundle", 0 },
	{ "GIT_SSL_CAINFO", TRUST_BUNDLE,
	    "a git from elsewhere, and one whose configuration names a file", 0 },
	{ "CARGO_HTTP_CAINFO", TRUST_BUNDLE,
	    "cargo links its own libcurl and OpenSSL", 0 },
	{ "NODE_EXTRA_CA_CERTS", TRUST_AUTHORITY,
	    "Node has Mozilla's list compiled in and parses this at each "
	    "start: ours alone. npm, yarn, pnpm, Bun and Electron too", 0 },
	{ "DENO_CERT", TRUST_AUTHORITY,
	    "Deno has Mozilla's list compiled in", 0 },
	{ "AWS_CA_BUNDLE", TRUST_BUNDLE,
	    "botocore brings its own bundle", 0 },
	{ "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", TRUST_BUNDLE,
	    "gRPC's core has its own list compiled in", 0 },
	{ "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", TRUST_BUNDLE,
	    "gcloud brings its own bundle", 0 },
	{ "NIX_SSL_CERT_FILE", TRUST_BUNDLE,
	    "what Nix builds looks here before anywhere else", 0 },
	{ "PERL_LWP_SSL_CA_FILE", TRUST_BUNDLE,
	    "LWP takes Mozilla::CA where that is installed", 0 },
	{ "HEX_CACERTS_PATH", TRUST_BUNDLE,
	    "Elixir's hex brings its own bundle", 0 },
	/*
	 * Each JVM says on standard error that it has picked this up: so only
	 * where one may have a store of its own.
	 */
	{ "JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.trustStore=" TRUST_STORE,
	    "a JDK that was unpacked has its own lib/security/cacerts",
	    TRUST_JAVA_OWN },
};

/* clang-format on */

const struct trust_variable *
trust_variables(size_t *ret_n)
{
	*ret_n = countof(trust_table);
	return trust_table;
}

int
trust_wants(const struct trust *t, const struct trust_variable *v)
{
	return v->only == TRUST_JAVA_NONE || v->only == t->java;
}

/* ---- the root ---- */

static int
trust_open(int root_fd, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

/*
 * The whole of a regular file into an owned text.  Nothing else is opened: a
 * device or a FIFO of a hostile root would do something.
 */
static int
trust_slurp(int place, const char *path, struct trust_root *r, struct err *e)
{
	char again[64];
	struct stat st;
	size_t size;
	ssize_t n = 1;
	autofd fd = -1;

	if (fstat(place, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (!S_ISREG(st.st_mode))
		return 0;
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", place);
	fd = open(again, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (st.st_size > TRUST_BUNDLE_MAX)
		return err_set(e, ERR_LIMIT, "%s: over %d bytes", path,
		    TRUST_BUNDLE_MAX);
	size = (size_t)st.st_size;
	r->bundle = malloc(size + 1);
	if (r->bundle == NULL)
		return err_sys(e, ENOMEM, "%s", path);
	while (r->bundle_size < size && n > 0) {
		n = read(fd, r->bundle + r->bundle_size, size - r->bundle_size);
		if (n == -1 && errno != EINTR)
			return err_set(e, ERR_SYSTEM, "%s", path);
		r->bundle_size += n > 0 ? (size_t)n : 0;
	}
	r->bundle[r->bundle_size] = '\0';
	return 0;
}

static enum trust_java
trust_find_java(int root_fd)
{
	size_t i;

	for (i = 0; i < countof(trust_javas); i++) {
		autofd fd = trust_open(root_fd, trust_javas[i].path, O_PATH);

		if (fd >= 0)
			return trust_javas[i].java;
	}
	return TRUST_JAVA_NONE;
}

int
trust_read(int root_fd, struct trust_root *ret, struct err *e)
{
	struct trust_root r = { .java = trust_find_java(root_fd) };
	size_t i;

	for (i = 0; i < countof(trust_bundles) && r.bundle == NULL; i++) {
		autofd fd = trust_open(root_fd, trust_bundles[i], O_PATH);

		if (fd >= 0 && trust_slurp(fd, trust_bundles[i], &r, e) == -1) {
			trust_root_finish(&r);
			return -1;
		}
	}
	*ret = r;
	return 0;
}

void
trust_root_finish(struct trust_root *r)
{
	free(r->bundle);
	*r = (struct trust_root){ .bundle = NULL };
}

/* ---- the files ---- */

/* The proxy is trusted with no more than a certificate and a file's name. */
static int
trust_check(const char *authority, const char *hash, struct err *e)
{
	static const char hex[] = "0123456789abcdef";
	unfilled unsigned char der[TRUST_AUTHORITY_MAX];
	struct trust_out o = { .p = der, .size = sizeof(der) };
	const char *text = authority;
	size_t n = strnlen(authority, TRUST_AUTHORITY_MAX);

	if (strlen(hash) != TRUST_HASH_BYTES ||
	    strspn(hash, hex) != TRUST_HASH_BYTES)
		return err_set(e, ERR_CORRUPT,
		    "the proxy's certificate: its hash");
	if (n == TRUST_AUTHORITY_MAX || trust_pem_next(&text, &o) != 1 ||
	    o.full || trust_pem_next(&text, &o) != 0)
		return err_set(e, ERR_CORRUPT,
		    "the proxy's certificate is not one in PEM");
	return 0;
}

/* Ours first: a root's bundle that ends in the middle spoils nothing. */
static int
trust_merge(const struct trust_root *root, struct trust *t, size_t *ret_size,
    struct err *e)
{
	size_t had = root->bundle == NULL ? 0 : root->bundle_size;
	size_t n = strlen(t->authority);
	struct trust_out o = { .size = n + 1 + had + 1 };

	o.p = malloc(o.size);
	if (o.p == NULL)
		return err_sys(e, ENOMEM, "bundle");
	trust_put(&o, t->authority, n);
	if (n > 0 && o.p[n - 1] != '\n')
		trust_put(&o, "\n", 1);
	trust_put(&o, root->bundle, had);
	*ret_size = o.n;
	trust_put(&o, "", 1);
	t->bundle = (char *)o.p;
	return 0;
}

static void
trust_add(struct trust *t, struct trust_file f)
{
	t->files[t->nfiles++] = f;
}

_Static_assert(countof(trust_links) + 4 <= TRUST_FILES_MAX,
    "every file has a place");

static void
trust_list(struct trust *t, size_t bundle, size_t store)
{
	size_t i;

	trust_add(t, (struct trust_file){ .path = &TRUST_BUNDLE[1],
			 .bytes = t->bundle,
			 .size = bundle });
	trust_add(t, (struct trust_file){ .path = &TRUST_AUTHORITY[1],
			 .bytes = t->authority,
			 .size = strlen(t->authority) });
	trust_add(t,
	    (struct trust_file){ .path = t->hash_path, .link = "warder.pem" });
	if (t->store != NULL)
		trust_add(t, (struct trust_file){ .path = &TRUST_STORE[1],
				 .bytes = t->store,
				 .size = store });
	for (i = 0; i < countof(trust_links); i++)
		if (t->store != NULL || !trust_links[i].java)
			trust_add(t,
			    (struct trust_file){ .path = trust_links[i].path,
				.link = trust_links[i].to });
}

int
trust_make(const struct trust_root *root, const char *authority,
    const char *hash, struct trust *ret, struct err *e)
{
	size_t bundle = 0, store = 0;
	int rc;

	if (trust_check(authority, hash, e) == -1)
		return -1;
	*ret = (struct trust){ .java = root->java };
	(void)snprintf(ret->hash_path, sizeof(ret->hash_path), TRUST_DIR "%s.0",
	    hash);
	ret->authority = strdup(authority);
	rc = ret->authority == NULL ? err_sys(e, ENOMEM, "bundle")
				    : trust_merge(root, ret, &bundle, e);
	if (rc == 0 && root->java != TRUST_JAVA_NONE) {
		ret->store = trust_store(ret->bundle, &store, e);
		rc = ret->store == NULL ? -1 : 0;
	}
	if (rc == 0)
		trust_list(ret, bundle, store);
	else
		trust_finish(ret);
	return rc;
}

void
trust_finish(struct trust *t)
{
	free(t->bundle);
	free(t->authority);
	free(t->store);
	*t = (struct trust){ .nfiles = 0 };
}
