#include "blobs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "sha256.h"

struct blob {
	TAILQ_ENTRY(blob) next;
	char digest[BLOBS_HEX + 1];
	uint64_t size, have;
	unsigned char bytes[];
};

struct blobs {
	TAILQ_ENTRY(blobs) next;
	TAILQ_HEAD(blob_list, blob) list;
	uint64_t bytes;
	char tenant[64];
};

/* Of every attempt: what a tenant holds is counted over them. */
static TAILQ_HEAD(blobs_all, blobs) all = TAILQ_HEAD_INITIALIZER(all);

struct blobs *
blobs_create(const char *tenant)
{
	struct blobs *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	(void)strncpy(b->tenant, tenant, sizeof(b->tenant) - 1);
	TAILQ_INIT(&b->list);
	TAILQ_INSERT_TAIL(&all, b, next);
	return b;
}

static void
blob_free(struct blobs *b, struct blob *x)
{
	TAILQ_REMOVE(&b->list, x, next);
	b->bytes -= x->size;
	free(x);
}

void
blobs_destroy(struct blobs *b)
{
	struct blob *x;

	if (b == NULL)
		return;
	while ((x = TAILQ_FIRST(&b->list)) != NULL)
		blob_free(b, x);
	TAILQ_REMOVE(&all, b, next);
	free(b);
}

static struct blob *
blob_find(const struct blobs *b, const char *digest)
{
	struct blob *x;

	TAILQ_FOREACH (x, &b->list, next)
		if (strcmp(x->digest, digest) == 0)
			return x;
	return NULL;
}

static uint64_t
blobs_of_tenant(const char *tenant)
{
	const struct blobs *b;
	uint64_t n = 0;

	TAILQ_FOREACH (b, &all, next)
		n += strcmp(b->tenant, tenant) == 0 ? b->bytes : 0;
	return n;
}

/* What it is to hold counts from now on. */
static struct blob *
blob_new(struct blobs *b, const char *digest, uint64_t size, struct err *e)
{
	struct blob *x;

	if (size > BLOBS_JAIL_BYTES || b->bytes > BLOBS_JAIL_BYTES - size) {
		(void)err_set(e, ERR_LIMIT, "more than %d bytes in chunks",
		    BLOBS_JAIL_BYTES);
		return NULL;
	}
	if (blobs_of_tenant(b->tenant) > BLOBS_TENANT_BYTES - size) {
		(void)err_set(e, ERR_LIMIT,
		    "the tenant's attempts hold %d bytes in chunks",
		    BLOBS_TENANT_BYTES);
		return NULL;
	}
	x = malloc(sizeof(*x) + size);
	if (x == NULL) {
		(void)err_set(e, ERR_SYSTEM, "memory for a blob");
		return NULL;
	}
	*x = (struct blob){ .size = size };
	(void)strncpy(x->digest, digest, BLOBS_HEX);
	TAILQ_INSERT_TAIL(&b->list, x, next);
	b->bytes += size;
	return x;
}

static void
blob_digest(const void *p, size_t n, char ret[BLOBS_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[SHA256_SIZE];
	size_t i;

	sha256_buffer(p, n, sum);
	for (i = 0; i < SHA256_SIZE; i++) {
		ret[2 * i] = digits[sum[i] >> 4];
		ret[2 * i + 1] = digits[sum[i] & 15];
	}
	ret[BLOBS_HEX] = '\0';
}

static int
blob_is_true(const struct blob *x)
{
	char digest[BLOBS_HEX + 1];

	blob_digest(x->bytes, x->size, digest);
	return strcmp(digest, x->digest) == 0;
}

static int
is_digest(const char *s)
{
	return strlen(s) == BLOBS_HEX &&
	       strspn(s, "0123456789abcdef") == BLOBS_HEX;
}

int
blobs_put(struct blobs *b, const char *digest, uint64_t size, uint64_t offset,
    const void *p, size_t n, uint64_t *ret_have, struct err *e)
{
	struct blob *x = blob_find(b, digest);

	if (!is_digest(digest) || n == 0)
		return err_set(e, ERR_INVALID,
		    "a blob has a digest, and a chunk bytes");
	if (x != NULL && x->have == x->size) {
		*ret_have = x->have;
		return 0;
	}
	if ((x == NULL && (x = blob_new(b, digest, size, e)) == NULL))
		return -1;
	if (size != x->size || offset != x->have || n > x->size - x->have)
		return err_set(e, ERR_INVALID,
		    "a chunk out of order, or of another size");
	memcpy(x->bytes + x->have, p, n);
	x->have += n;
	if (x->have == x->size && !blob_is_true(x)) {
		blob_free(b, x);
		return err_set(e, ERR_INVALID,
		    "these bytes have another digest");
	}
	*ret_have = x->have;
	return 0;
}

int
blobs_keep(struct blobs *b, const void *p, size_t n, char ret[BLOBS_HEX + 1],
    struct err *e)
{
	struct blob *x;

	blob_digest(p, n, ret);
	x = blob_find(b, ret);
	if (x != NULL && x->have == x->size)
		return 0;
	if (x != NULL)
		blob_free(b, x);
	x = blob_new(b, ret, n, e);
	if (x == NULL)
		return -1;
	memcpy(x->bytes, p, n);
	x->have = n;
	return 0;
}

const void *
blobs_find(const struct blobs *b, const char *digest, size_t *ret_size)
{
	const struct blob *x = blob_find(b, digest);

	if (x == NULL || x->have != x->size)
		return NULL;
	*ret_size = x->size;
	return x->bytes;
}

void
blobs_drop(struct blobs *b, const char *digest)
{
	struct blob *x = blob_find(b, digest);

	if (x != NULL)
		blob_free(b, x);
}
