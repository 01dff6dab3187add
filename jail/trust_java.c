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

/* The value of a base64 digit, or -1. */
static int
trust_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Everything between the two lines; padding only at the end. */
static int
trust_base64(const char *s, const char *end, struct trust_out *o)
{
	uint32_t bits = 0;
	unsigned digits = 0, padding = 0;

	for (; s < end; s++) {
		int v = trust_digit(*s);

		if (*s == '\n' || *s == '\r' || *s == ' ' || *s == '\t')
			continue;
		if (*s == '=')
			padding++;
		else if (v < 0 || padding > 0)
			return -1;
		bits = bits << 6 | (v < 0 ? 0 : (uint32_t)v);
		if (++digits % 4 == 0) {
			if (padding > 2)
				return -1;
			trust_put_number(o, bits >> 8 * padding,
			    3 - (int)padding);
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

static uint32_t
sha1_mix(int i, uint32_t b, uint32_t c, uint32_t d)
{
	if (i < 20)
		return ((b & c) | (~b & d)) + 0x5a827999;
	if (i < 40)
		return (b ^ c ^ d) + 0x6ed9eba1;
	if (i < 60)
		return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	return (b ^ c ^ d) + 0xca62c1d6;
}

static void
sha1_block(uint32_t h[5], const unsigned char *p)
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], x = h[4];
	int i;

	for (i = 0; i < 16; i++, p += 4)
		w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		       (uint32_t)p[2] << 8 | p[3];
	for (; i < 80; i++)
		w[i] =
		    sha1_rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (i = 0; i < 80; i++) {
		uint32_t t =
		    sha1_rotate(a, 5) + sha1_mix(i, b, c, d) + x + w[i];

		x = d;
		d = c;
		c = sha1_rotate(b, 30);
		b = a;
		a = t;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += x;
}

/* Of "prefix" and then what is in *o so far; appended to *o. */
static void
trust_put_sha1(struct trust_out *o, const unsigned char *prefix, size_t n)
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
		0xc3d2e1f0 };
	unsigned char block[SHA1_BLOCK];
	size_t total = n + o->n, at, i;

	for (at = 0; at < total + 9; at += SHA1_BLOCK) {
		for (i = 0; i < SHA1_BLOCK; i++) {
			size_t k = at + i;

			block[i] = k < n        ? prefix[k]
				   : k < total  ? o->p[k - n]
				   : k == total ? 0x80
						: 0;
		}
		if (at + SHA1_BLOCK >= total + 9)
			for (i = 0; i < 8; i++)
				block[SHA1_BLOCK - 1 - i] =
				    (unsigned char)((uint64_t)total * 8 >>
						    8 * i);
		sha1_block(h, block);
	}
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
