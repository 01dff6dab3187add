#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trust_private.h"

/*
 * JKS, as sun.security.provider.JavaKeyStore reads it; all numbers big-endian:
 *
 *	magic 4 | version 4 | entries 4 | entry ... | digest 20
 *	entry   tag 4 (2: a trusted certificate) | alias | milliseconds 8 |
 *	        type "X.509" | DER with its length 4 before it
 *	alias, type: UTF-8 with its length 2 before it
 *	digest  SHA-1 of the password in UTF-16, "Mighty Aphrodite", all above
 *
 * The digest guards nothing here, the password is everybody's "changeit";
 * keytool refuses a store without.
 */
enum {
	STORE_MAGIC = 0xfeedfeed,
	STORE_VERSION = 2,
	STORE_TRUSTED = 2,
	STORE_ENTRY_MAX = 64, /* bytes of an entry besides its DER */
	STORE_FRAME = 12 + 20,
	SHA1_SIZE = 20,
	SHA1_BLOCK = 64,
};

static const char pem_begin[] = "-----BEGIN CERTIFICATE-----";
static const char pem_end[] = "-----END CERTIFICATE-----";

void
trust_put(struct trust_out *o, const void *p, size_t n)
{
	if (n > o->size - o->n) {
		o->full = 1;
		return;
	}
	if (n == 0)
		return;
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void
trust_put_number(struct trust_out *o, uint64_t v, int bytes)
{
	while (bytes-- > 0) {
		unsigned char c = (unsigned char)(v >> 8 * bytes);

		trust_put(o, &c, 1);
	}
}

static void
trust_put_text(struct trust_out *o, const char *s)
{
	trust_put_number(o, strlen(s), 2);
	trust_put(o, s, strlen(s));
}

enum {
	BASE64_OTHER, /* what has no business here */
	BASE64_SPACE,
	BASE64_PADDING,
	BASE64_DIGIT, /* and its value */
};

/*
 * What a character is, made at the first use: a bundle has 200,000 of them,
 * and a jail starts in 2 ms.
 */
static void
trust_base64_table(unsigned char kind[256])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned i;

	memset(kind, BASE64_OTHER, 256);
	kind['\n'] = kind['\r'] = kind[' '] = kind['\t'] = BASE64_SPACE;
	kind['='] = BASE64_PADDING;
	for (i = 0; i < 64; i++)
		kind[(unsigned char)digits[i]] =
		    (unsigned char)(BASE64_DIGIT + i);
}

/* Three bytes of the bits, less those that padding stands for. */
static void
trust_put_bits(struct trust_out *o, uint32_t bits, unsigned padding)
{
	unsigned char b[3] = { (unsigned char)(bits >> 16),
		(unsigned char)(bits >> 8), (unsigned char)bits };

	trust_put(o, b, 3 - padding);
}

/* Everything between the two lines; padding only at the end. */
static int
trust_base64(const char *s, const char *end, struct trust_out *o)
{
	unsigned char kind[256];
	uint32_t bits = 0;
	unsigned digits = 0, padding = 0;

	trust_base64_table(kind);
	for (; s < end; s++) {
		unsigned k = kind[(unsigned char)*s];

		if (k == BASE64_SPACE)
			continue;
		if (k == BASE64_OTHER || (k >= BASE64_DIGIT && padding > 0))
			return -1;
		if (k == BASE64_PADDING && ++padding > 2)
			return -1;
		bits = bits << 6 | (k == BASE64_PADDING ? 0 : k - BASE64_DIGIT);
		if (++digits % 4 == 0) {
			trust_put_bits(o, bits, padding);
			bits = 0;
		}
	}
	return digits > 0 && digits % 4 == 0 ? 0 : -1;
}

int
trust_pem_next(const char **text, struct trust_out *o)
{
	const char *begin = strstr(*text, pem_begin), *end;

	if (begin == NULL)
		return 0;
	begin += strlen(pem_begin);
	end = strstr(begin, pem_end);
	if (end == NULL)
		return -1;
	*text = end + strlen(pem_end);
	return trust_base64(begin, end, o) == -1 ? -1 : 1;
}

/* FIPS 180-4, 6.1. */
static uint32_t
sha1_rotate(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

struct sha1_step {
	uint32_t a, b, c, d, e;
};

static void
sha1_round(struct sha1_step *s, uint32_t mixed, uint32_t word)
{
	uint32_t t = sha1_rotate(s->a, 5) + mixed + s->e + word;

	s->e = s->d;
	s->d = s->c;
	s->c = sha1_rotate(s->b, 30);
	s->b = s->a;
	s->a = t;
}

static void
sha1_block(uint32_t h[5], const unsigned char *p)
{
	struct sha1_step s = { h[0], h[1], h[2], h[3], h[4] };
	unfilled uint32_t w[80];
	int i;

	for (i = 0; i < 16; i++, p += 4)
		w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		       (uint32_t)p[2] << 8 | p[3];
	for (; i < 80; i++)
		w[i] =
		    sha1_rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (i = 0; i < 20; i++)
		sha1_round(&s, ((s.b & s.c) | (~s.b & s.d)) + 0x5a827999, w[i]);
	for (; i < 40; i++)
		sha1_round(&s, (s.b ^ s.c ^ s.d) + 0x6ed9eba1, w[i]);
	for (; i < 60; i++)
		sha1_round(&s,
		    ((s.b & s.c) | (s.b & s.d) | (s.c & s.d)) + 0x8f1bbcdc,
		    w[i]);
	for (; i < 80; i++)
		sha1_round(&s, (s.b ^ s.c ^ s.d) + 0xca62c1d6, w[i]);
	h[0] += s.a;
	h[1] += s.b;
	h[2] += s.c;
	h[3] += s.d;
	h[4] += s.e;
}

/* The rest with its end: a one, zeros, the length in bits. */
static void
sha1_last(uint32_t h[5], const unsigned char *p, size_t n, uint64_t total)
{
	unsigned char block[2 * SHA1_BLOCK] = { 0 };
	size_t size = n + 9 <= SHA1_BLOCK ? SHA1_BLOCK : 2 * SHA1_BLOCK;
	size_t i;

	memcpy(block, p, n);
	block[n] = 0x80;
	for (i = 0; i < 8; i++)
		block[size - 1 - i] = (unsigned char)(total * 8 >> 8 * i);
	for (i = 0; i < size; i += SHA1_BLOCK)
		sha1_block(h, block + i);
}

/*
 * Of "prefix" (shorter than a block) and then what is in *o so far; appended
 * to *o.
 */
static void
trust_put_sha1(struct trust_out *o, const unsigned char *prefix, size_t n)
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
		0xc3d2e1f0 };
	unsigned char first[SHA1_BLOCK];
	size_t at = SHA1_BLOCK - n, total = n + o->n, i;

	assert(n < SHA1_BLOCK && o->n >= at);
	memcpy(first, prefix, n);
	memcpy(first + n, o->p, at);
	sha1_block(h, first);
	for (; o->n - at >= SHA1_BLOCK; at += SHA1_BLOCK)
		sha1_block(h, o->p + at);
	sha1_last(h, o->p + at, o->n - at, total);
	for (i = 0; i < countof(h); i++)
		trust_put_number(o, h[i], 4);
}

static void
trust_put_digest(struct trust_out *o)
{
	static const char secret[] = "changeit", salt[] = "Mighty Aphrodite";
	unsigned char prefix[2 * sizeof(secret) + sizeof(salt)];
	size_t n = 0;
	const char *s;

	for (s = secret; *s != '\0'; s++) {
		prefix[n++] = 0;
		prefix[n++] = (unsigned char)*s;
	}
	memcpy(prefix + n, salt, sizeof(salt) - 1);
	trust_put_sha1(o, prefix, n + sizeof(salt) - 1);
}

/* One entry: its frame first, then the DER, then the DER's length. */
static int
trust_put_entry(struct trust_out *o, const char **text, unsigned number)
{
	char alias[] = "certificate-0000";
	size_t i, at;
	int r;

	for (i = sizeof(alias) - 2; number > 0 && i > 11; i--, number /= 10)
		alias[i] = (char)('0' + number % 10);
	trust_put_number(o, STORE_TRUSTED, 4);
	trust_put_text(o, alias);
	trust_put_number(o, 0, 8);
	trust_put_text(o, "X.509");
	at = o->n;
	trust_put_number(o, 0, 4);
	r = trust_pem_next(text, o);
	if (r == 1 && !o->full) {
		struct trust_out length = { o->p + at, 4, 0, 0 };

		trust_put_number(&length, o->n - at - 4, 4);
	}
	return r;
}

/* Every entry; what is no certificate is left out. */
static unsigned
trust_put_entries(struct trust_out *o, const char *text)
{
	unsigned n = 0;
	int r = 1;

	while (r != 0 && n < TRUST_CERTIFICATES_MAX) {
		const char *before = text;
		size_t at = o->n;

		r = trust_put_entry(o, &text, n);
		if (r == 1)
			n++;
		else
			o->n = at;
		if (text == before)
			break;
	}
	return n;
}

static size_t
trust_count(const char *text)
{
	size_t n = 0;

	while ((text = strstr(text, pem_begin)) != NULL) {
		text += strlen(pem_begin);
		n++;
	}
	return n;
}

unsigned char *
trust_store(const char *bundle, size_t *ret_size, struct err *e)
{
	struct trust_out o = { .size = STORE_FRAME + strlen(bundle) +
				       STORE_ENTRY_MAX * trust_count(bundle) +
				       STORE_ENTRY_MAX };
	struct trust_out count;

	o.p = malloc(o.size);
	if (o.p == NULL) {
		(void)err_sys(e, ENOMEM, "Java's trust store");
		return NULL;
	}
	trust_put_number(&o, STORE_MAGIC, 4);
	trust_put_number(&o, STORE_VERSION, 4);
	count = (struct trust_out){ o.p + o.n, 4, 0, 0 };
	trust_put_number(&o, 0, 4);
	trust_put_number(&count, trust_put_entries(&o, bundle), 4);
	trust_put_digest(&o);
	if (o.full) {
		free(o.p);
		(void)err_set(e, ERR_LIMIT, "Java's trust store: no room");
		return NULL;
	}
	*ret_size = o.n;
	return o.p;
}
