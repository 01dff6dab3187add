#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "uuid.h"

/* Between 1582 and 1970, in units of 100 ns. */
#define UUID_GREGORIAN 0x01b21dd213814000ULL

static const unsigned char namespace_url[16] = { 0x6b, 0xa7, 0xb8, 0x21, 0x9d,
	0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* In quarters of a microsecond: what version 7 has room for after its ms. */
static uint64_t last_v7;
static uint64_t last_v6;

static void
uuid_random(void *p, size_t n)
{
	ssize_t got = getrandom(p, n, 0);

	/* below 256 bytes it neither fails nor is cut short once seeded */
	assert(got == (ssize_t)n);
}

/* The time, or one past the last that was given. */
static uint64_t
uuid_tick(uint64_t *last, uint64_t now)
{
	uint64_t t;

	(void)pthread_mutex_lock(&lock);
	t = now > *last ? now : *last + 1;
	*last = t;
	(void)pthread_mutex_unlock(&lock);
	return t;
}

static void
uuid_print(const unsigned char b[16], char ret[UUID_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	char *p = ret;
	int i;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[b[i] >> 4];
		*p++ = hex[b[i] & 15];
	}
	*p = '\0';
}

static void
uuid_mark(unsigned char b[16], unsigned version)
{
	b[6] = (unsigned char)((b[6] & 0x0f) | version << 4);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
}

static void
uuid_put48(unsigned char *p, uint64_t v)
{
	int i;

	for (i = 0; i < 6; i++)
		p[i] = (unsigned char)(v >> (40 - 8 * i));
}

/* 48 bits of ms, 12 of its fraction (RFC 9562, 6.2, method 3), 62 random. */
void
uuid_v7(char ret[UUID_SIZE])
{
	unsigned char b[16];
	uint64_t t;

	t = uuid_tick(&last_v7, clock_ns(CLOCK_REALTIME) / 250);
	uuid_put48(b, t / 4000);
	b[6] = (unsigned char)(t % 4000 >> 8);
	b[7] = (unsigned char)(t % 4000);
	uuid_random(b + 8, 8);
	uuid_mark(b, 7);
	uuid_print(b, ret);
}

/* 48 bits of time high, 12 low, the sequence, a random node. */
void
uuid_v6(int64_t step, char ret[UUID_SIZE])
{
	unsigned char b[16];
	uint64_t t;

	t = uuid_tick(&last_v6,
	    clock_ns(CLOCK_REALTIME) / 100 + UUID_GREGORIAN);
	uuid_put48(b, t >> 12);
	b[6] = (unsigned char)(t >> 8 & 0x0f);
	b[7] = (unsigned char)t;
	b[8] = (unsigned char)((uint64_t)step >> 8);
	b[9] = (unsigned char)step;
	uuid_random(b + 10, 6);
	uuid_mark(b, 6);
	uuid_print(b, ret);
}

void
uuid_v5(const char *name, char ret[UUID_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (c == NULL || EVP_DigestInit_ex(c, EVP_sha1(), NULL) != 1 ||
	    EVP_DigestUpdate(c, namespace_url, sizeof(namespace_url)) != 1 ||
	    EVP_DigestUpdate(c, name, strlen(name)) != 1 ||
	    EVP_DigestFinal_ex(c, digest, NULL) != 1)
		abort(); /* no memory; SHA-1 is always there */
	EVP_MD_CTX_free(c);
	uuid_mark(digest, 5);
	uuid_print(digest, ret);
}

int
uuid_valid(const char *s)
{
	size_t i;

	for (i = 0; i < UUID_SIZE - 1; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return 0;
		} else if (s[i] == '\0' ||
			   strchr("0123456789abcdefABCDEF", s[i]) == NULL) {
			return 0;
		}
	}
	return s[i] == '\0';
}
