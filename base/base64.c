#include "base64.h"

#include <stdint.h>

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(const void *p, size_t n, char *ret)
{
	const unsigned char *b = p;
	size_t i;

	for (i = 0; i < n; i += 3, ret += 4) {
		size_t left = n - i;
		uint32_t v = (uint32_t)b[i] << 16;

		v |= left > 1 ? (uint32_t)b[i + 1] << 8 : 0;
		v |= left > 2 ? b[i + 2] : 0;
		ret[0] = digits[v >> 18];
		ret[1] = digits[v >> 12 & 63];
		ret[2] = left > 1 ? digits[v >> 6 & 63] : '=';
		ret[3] = left > 2 ? digits[v & 63] : '=';
	}
}

static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Bytes of four characters, 1 to 3; 0: they are none. */
static size_t
decode_four(const char *s, int last, unsigned char ret[3])
{
	size_t pad = last && s[3] == '=' ? (s[2] == '=' ? 2 : 1) : 0, i;
	uint32_t v = 0;

	for (i = 0; i < 4; i++) {
		int d = i < 4 - pad ? digit(s[i]) : 0;

		if (d == -1)
			return 0;
		v = v << 6 | (uint32_t)d;
	}
	if ((v & ((1u << 8 * pad) - 1)) != 0)
		return 0;
	ret[0] = (unsigned char)(v >> 16);
	ret[1] = (unsigned char)(v >> 8);
	ret[2] = (unsigned char)v;
	return 3 - pad;
}

int
base64_decode(const char *s, size_t n, void *ret, size_t *ret_n, struct err *e)
{
	unsigned char *out = ret, three[3];
	size_t i, k, got, have = 0;

	for (i = 0; i < n; i += 4) {
		got = n % 4 == 0 ? decode_four(s + i, i + 4 == n, three) : 0;
		if (got == 0)
			return err_set(e, ERR_INVALID, "no base64");
		for (k = 0; k < got; k++)
			out[have++] = three[k];
	}
	*ret_n = have;
	return 0;
}
