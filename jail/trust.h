/*
 * trust.h: what must lie in a jail so that every program believes its proxy.
 *
 * Runs in the launcher, before the clone, and needs no TLS library: the
 * proxy gives its certificate as PEM, with the name that OpenSSL looks it up
 * by.  From that and the bundle of the jail's root come files and
 * variables:
 *
 *	etc/ssl/certs/ca-certificates.crt   ours, and the root's bundle
 *	etc/ssl/certs/warder.pem            ours alone
 *	etc/ssl/certs/01ab23cd.0            -> warder.pem, for hashed directories
 *	etc/ssl/certs/java/cacerts          the bundle as Java reads it
 *	other distributions' names          -> these
 *
 * The files appear beside what the root has in etc/ssl/certs.  A root that
 * has no bundle gets one with our certificate alone.
 */
#ifndef TRUST_H
#define TRUST_H

#include <stdint.h>

#include "err.h"

enum {
	TRUST_BUNDLE_MAX = 1 << 20, /* bytes of a root's bundle: twice that
				     is half of LIMITS_ROOT_BYTES */
	TRUST_AUTHORITY_MAX = 64 * 1024, /* bytes of our PEM with the NUL */
	TRUST_CERTIFICATES_MAX = 4096, /* in a bundle, for Java */
	TRUST_FILES_MAX = 16,
	TRUST_HASH_BYTES = 8, /* hex digits */
};

/* A file of the jail, read-only in it. */
struct trust_file {
	const char *path; /* below the root, without leading slash */
	const void *bytes;
	size_t size;
	const char *link; /* in place of bytes: a symbolic link to this */
};

/* What the root has of Java, by the places where distributions put it. */
enum trust_java {
	TRUST_JAVA_NONE, /* nothing: no store is made */
	TRUST_JAVA_STORE, /* its installations read the distribution's store */
	TRUST_JAVA_OWN, /* they may have their own: a variable points to ours */
};

/* What trust_read() found in a root. */
struct trust_root {
	char *bundle; /* owned, NUL behind; NULL: none */
	size_t bundle_size;
	enum trust_java java;
};

struct trust {
	struct trust_file files[TRUST_FILES_MAX];
	size_t nfiles;
	enum trust_java java;
	/* private: what the files are made of */
	char *bundle;
	char *authority;
	unsigned char *store;
	char hash_path[40];
};

/*
 * Look at a jail's root, which is "/" or a given directory (then hostile: no
 * link leads out of it, nothing but a regular file is read, and only up to
 * TRUST_BUNDLE_MAX).  root_fd: O_PATH is enough.  Blocks for the disk.
 * ERR_LIMIT when the bundle is larger, ERR_SYSTEM when it cannot be read; a
 * root without one is no failure.
 */
must_check int trust_read(int root_fd, struct trust_root *ret, struct err *e);
void trust_root_finish(struct trust_root *r);

/*
 * Make the files.  authority: PEM of exactly one certificate, hash: as
 * X509_NAME_hash gives it, in hex; both come from the proxy and are checked
 * (ERR_CORRUPT).  Nothing is borrowed.  Pure.
 */
must_check int trust_make(const struct trust_root *root, const char *authority,
    const char *hash, struct trust *ret, struct err *e);
void trust_finish(struct trust *t);

/*
 * The variables for programs that bring their own bundle, with the reason of
 * each; for every jail that has an authority.  A policy's own setting of one
 * goes first.
 */
struct trust_variable {
	const char *name;
	const char *value;
	const char *why;
	enum trust_java
	    only; /* TRUST_JAVA_NONE: always; else with this alone */
};

const struct trust_variable *trust_variables(size_t *ret_n);

/* Whether v is for a jail with this trust. */
int trust_wants(const struct trust *t, const struct trust_variable *v);

#endif /* !TRUST_H */
