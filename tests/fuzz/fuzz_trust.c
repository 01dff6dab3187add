/*
 * fuzz_trust.c: jail/trust.c on a root's bundle and a proxy's certificate.
 *
 * The input is the bundle, and after a byte 0xff what the proxy has sent.
 * What is made must hold: ours is in the bundle, first and whole, nothing of
 * the root's is lost, and Java's store is as long as its entries say.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "jail/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good[] =
    "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";

static size_t
number(const unsigned char **p, int bytes)
{
	size_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | *(*p)++;
	return v;
}

static void
fuzz_store(const struct trust_file *f)
{
	const unsigned char *p = f->bytes, *end = p + f->size;
	size_t n;

	assert(f->size >= 32 && number(&p, 4) == 0xfeedfeed);
	assert(number(&p, 4) == 2);
	n = number(&p, 4);
	assert(n >= 1);
	while (n-- > 0) {
		assert(end - p > 4 + 18 + 8 + 7 + 4 + 20);
		assert(number(&p, 4) == 2);
		p += number(&p, 2) + 8;
		p += number(&p, 2);
		p += number(&p, 4);
		assert(p <= end - 20);
	}
	assert(p == end - 20);
}

static void
fuzz_check(const struct trust *t, const struct trust_root *root,
    const char *authority)
{
	size_t i, n = strlen(authority);

	assert(t->nfiles <= TRUST_FILES_MAX);
	for (i = 0; i < t->nfiles; i++) {
		const struct trust_file *f = &t->files[i];
		const char *name = strrchr(f->path, '/') + 1;

		assert(f->path[0] != '/' && strstr(f->path, "..") == NULL);
		assert((f->link == NULL) == (f->bytes != NULL));
		if (strcmp(name, "ca-certificates.crt") == 0) {
			assert(f->bytes != NULL);
			assert(f->size >= n + root->bundle_size);
			assert(memcmp(f->bytes, authority, n) == 0);
			assert(root->bundle_size == 0 ||
			       memcmp((const char *)f->bytes + f->size -
					  root->bundle_size,
				   root->bundle, root->bundle_size) == 0);
		}
		if (strcmp(name, "cacerts") == 0 && f->link == NULL &&
		    strlen(root->bundle) == root->bundle_size)
			fuzz_store(f);
	}
}

static void
fuzz_make(const struct trust_root *root, const char *authority)
{
	struct err e = { .code = ERR_OK };
	struct trust t;

	if (trust_make(root, authority, "0123abcd", &t, &e) == -1) {
		assert(e.code == ERR_CORRUPT);
		assert(authority != good);
		return;
	}
	fuzz_check(&t, root, authority);
	trust_finish(&t);
}

static char *
text_of(const uint8_t *p, size_t n)
{
	char *s = malloc(n + 1);

	assert(s != NULL);
	if (n > 0)
		memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size > 0 ? memchr(data, 0xff, size) : NULL;
	size_t n = cut == NULL ? size : (size_t)(cut - data);
	struct trust_root root = { .bundle = text_of(data, n),
		.bundle_size = n,
		.java = TRUST_JAVA_STORE };
	char *authority = cut == NULL ? NULL : text_of(cut + 1, size - n - 1);

	fuzz_make(&root, good);
	if (authority != NULL)
		fuzz_make(&root, authority);
	free(authority);
	trust_root_finish(&root);
	return 0;
}
