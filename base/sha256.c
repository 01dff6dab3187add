#include <string.h>

#include "sha256.h"

#if defined(__x86_64__)
#	include <cpuid.h>
#	include <immintrin.h>
#endif

static const uint32_t sha256_k[64] = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

static const uint32_t sha256_start[8] = {
	0x6a09e667,
	0xbb67ae85,
	0x3c6ef372,
	0xa54ff53a,
	0x510e527f,
	0x9b05688c,
	0x1f83d9ab,
	0x5be0cd19,
};

static inline uint32_t
ror(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static inline uint32_t
load_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static inline void
store_be32(unsigned char *p, uint32_t x)
{
	p[0] = (unsigned char)(x >> 24);
	p[1] = (unsigned char)(x >> 16);
	p[2] = (unsigned char)(x >> 8);
	p[3] = (unsigned char)x;
}

static void
sha256_schedule(uint32_t w[64], const unsigned char *block)
{
	int i;

	for (i = 0; i < 16; i++)
		w[i] = load_be32(block + 4 * i);
	for (; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) +
		       w[i - 7] + (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
	}
}

/*
 * One round with the variables renamed, not moved: eight of them bring every
 * name back to its place, which is what makes the loop fast.
 */
#define ROUND(a, b, c, d, e, f, g, h, i)                                 \
	do {                                                             \
		uint32_t t = h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + \
			     (g ^ (e & (f ^ g))) + sha256_k[i] + w[i];   \
		d += t;                                                  \
		h = t + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) +          \
		    ((a & b) | (c & (a | b)));                           \
	} while (0)

static void
sha256_block_plain(uint32_t state[8], const unsigned char *block)
{
	uint32_t w[64];
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
	int i;

	sha256_schedule(w, block);
	for (i = 0; i < 64; i += 8) {
		ROUND(a, b, c, d, e, f, g, h, i);
		ROUND(h, a, b, c, d, e, f, g, i + 1);
		ROUND(g, h, a, b, c, d, e, f, i + 2);
		ROUND(f, g, h, a, b, c, d, e, i + 3);
		ROUND(e, f, g, h, a, b, c, d, i + 4);
		ROUND(d, e, f, g, h, a, b, c, i + 5);
		ROUND(c, d, e, f, g, h, a, b, i + 6);
		ROUND(b, c, d, e, f, g, h, a, i + 7);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

typedef void sha256_block_fn(uint32_t state[8], const unsigned char *block);

static sha256_block_fn *sha256_block = sha256_block_plain;

#if defined(__x86_64__)

/*
 * The processor's own rounds (Intel 64 and IA-32 Software Developer's Manual,
 * SHA256RNDS2, SHA256MSG1, SHA256MSG2), four at a time.  They want the state
 * as the words A B E F and C D G H.
 */
__attribute__((target("sha,sse4.1"))) static void
sha256_block_x86(uint32_t state[8], const unsigned char *block)
{
	const __m128i swap =
	    _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
	__m128i a = _mm_loadu_si128((const __m128i *)(void *)&state[0]);
	__m128i b = _mm_loadu_si128((const __m128i *)(void *)&state[4]);
	__m128i abef, cdgh, abef_before, cdgh_before, w[4];
	int i;

	a = _mm_shuffle_epi32(a, 0xb1);
	b = _mm_shuffle_epi32(b, 0x1b);
	abef_before = abef = _mm_alignr_epi8(a, b, 8);
	cdgh_before = cdgh = _mm_blend_epi16(b, a, 0xf0);
	for (i = 0; i < 4; i++)
		w[i] =
		    _mm_shuffle_epi8(_mm_loadu_si128(
					 (const __m128i *)(const void *)block +
					 i),
			swap);
	for (i = 0; i < 16; i++) {
		__m128i k = _mm_add_epi32(w[i & 3],
		    _mm_loadu_si128(
			(const __m128i *)(const void *)&sha256_k[4 * i]));

		cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
		abef = _mm_sha256rnds2_epu32(abef, cdgh,
		    _mm_shuffle_epi32(k, 0x0e));
		/* the words of four rounds later, from the last sixteen */
		if (i < 12)
			w[i & 3] = _mm_sha256msg2_epu32(
			    _mm_add_epi32(_mm_sha256msg1_epu32(w[i & 3],
					      w[(i + 1) & 3]),
				_mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3],
				    4)),
			    w[(i + 3) & 3]);
	}
	abef = _mm_add_epi32(abef, abef_before);
	cdgh = _mm_add_epi32(cdgh, cdgh_before);
	a = _mm_shuffle_epi32(abef, 0x1b);
	b = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)(void *)&state[0],
	    _mm_blend_epi16(a, b, 0xf0));
	_mm_storeu_si128((__m128i *)(void *)&state[4],
	    _mm_alignr_epi8(b, a, 8));
}

int
sha256_use_processor(void)
{
	unsigned a, b = 0, c = 0, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_SSE4_1) == 0 ||
	    (c & bit_SSSE3) == 0 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
	    (b & bit_SHA) == 0)
		return 0;
	sha256_block = sha256_block_x86;
	return 1;
}

#else

int
sha256_use_processor(void)
{
	return 0;
}

#endif

void
sha256_init(struct sha256 *s)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->state, sha256_start, sizeof(s->state));
}

void
sha256_update(struct sha256 *s, const void *data, size_t size)
{
	const unsigned char *p = data;
	size_t held = s->bytes % sizeof(s->block);

	if (size == 0)
		return;
	s->bytes += size;
	if (held > 0) {
		size_t n = sizeof(s->block) - held;

		if (n > size)
			n = size;
		memcpy(s->block + held, p, n);
		p += n;
		size -= n;
		if (held + n < sizeof(s->block))
			return;
		sha256_block(s->state, s->block);
	}
	for (; size >= sizeof(s->block); size -= sizeof(s->block)) {
		sha256_block(s->state, p);
		p += sizeof(s->block);
	}
	memcpy(s->block, p, size);
}

void
sha256_finish(struct sha256 *s, unsigned char ret_digest[SHA256_SIZE])
{
	size_t held = s->bytes % sizeof(s->block);
	uint64_t bits = s->bytes * 8;
	int i;

	s->block[held++] = 0x80;
	if (held > sizeof(s->block) - 8) {
		memset(s->block + held, 0, sizeof(s->block) - held);
		sha256_block(s->state, s->block);
		held = 0;
	}
	memset(s->block + held, 0, sizeof(s->block) - 8 - held);
	store_be32(s->block + 56, (uint32_t)(bits >> 32));
	store_be32(s->block + 60, (uint32_t)bits);
	sha256_block(s->state, s->block);
	for (i = 0; i < 8; i++)
		store_be32(ret_digest + 4 * i, s->state[i]);
}

void
sha256_buffer(const void *data, size_t size,
    unsigned char ret_digest[SHA256_SIZE])
{
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, data, size);
	sha256_finish(&s, ret_digest);
}

void
sha256_hex(const unsigned char digest[SHA256_SIZE],
    char ret_hex[SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	int i;

	for (i = 0; i < SHA256_SIZE; i++) {
		*ret_hex++ = digits[digest[i] >> 4];
		*ret_hex++ = digits[digest[i] & 15];
	}
	*ret_hex = '\0';
}
