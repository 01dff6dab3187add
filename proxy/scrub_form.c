#include "scrub_form.h"

#include <stdint.h>
#include <string.h>

/* ---- escapes, byte by byte ---- */

enum {
	FORM_UPPER = 1 << 0, /* digits A to F */
	FORM_ALL = 1 << 1, /* percent: each byte, not the reserved only */
	FORM_SLASH = 1 << 2, /* JSON: / too */
	FORM_HTML = 1 << 3, /* JSON: <, > and & too */
};

static size_t
form_hex2(unsigned char c, unsigned flags, unsigned char *out)
{
	const char *digits =
	    (flags & FORM_UPPER) != 0 ? "0123456789ABCDEF" : "0123456789abcdef";

	out[0] = (unsigned char)digits[c >> 4];
	out[1] = (unsigned char)digits[c & 15];
	return 2;
}

static size_t
form_raw_byte(unsigned char c, unsigned flags, unsigned char *out)
{
	(void)flags;
	out[0] = c;
	return 1;
}

/* RFC 3986, 2.3 */
static int
form_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~", c) != NULL);
}

static size_t
form_percent_byte(unsigned char c, unsigned flags, unsigned char *out)
{
	if ((flags & FORM_ALL) == 0 && form_unreserved(c)) {
		out[0] = c;
		return 1;
	}
	out[0] = '%';
	return 1 + form_hex2(c, flags, out + 1);
}

static size_t
form_json_byte(unsigned char c, unsigned flags, unsigned char *out)
{
	if (c == '"' || c == '\\' || ((flags & FORM_SLASH) != 0 && c == '/')) {
		out[0] = '\\';
		out[1] = c;
		return 2;
	}
	if ((flags & FORM_HTML) != 0 && (c == '<' || c == '>' || c == '&')) {
		memcpy(out, "\\u00", 4);
		return 4 + form_hex2(c, flags, out + 4);
	}
	out[0] = c;
	return 1;
}

static const struct form_escape {
	size_t (*byte)(unsigned char c, unsigned flags, unsigned char *out);
	unsigned flags;
} form_escapes[] = {
	{ form_raw_byte, 0 },
	{ form_hex2, 0 },
	{ form_hex2, FORM_UPPER },
	{ form_percent_byte, 0 },
	{ form_percent_byte, FORM_UPPER },
	{ form_percent_byte, FORM_ALL },
	{ form_percent_byte, FORM_ALL | FORM_UPPER },
	{ form_json_byte, 0 },
	{ form_json_byte, FORM_SLASH },
	{ form_json_byte, FORM_HTML },
	{ form_json_byte, FORM_HTML | FORM_SLASH },
};

enum {
	FORM_ESCAPES = sizeof(form_escapes) / sizeof(form_escapes[0]),
};

/* ---- base64 (RFC 4648, 4 and 5) ---- */

static const char form_alphabets[2][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

/*
 * The characters that depend on the n bytes alone, when "offset" bytes (0 to
 * 2) of a group of three stand before them.
 */
static size_t
form_base64(const unsigned char *p, size_t n, unsigned offset,
    const char *alphabet, unsigned char *out)
{
	size_t first = (8 * offset + 5) / 6, last = (8 * (offset + n)) / 6, i;

	for (i = first; i < last; i++) {
		size_t bit = 6 * i - 8 * offset, at = bit / 8;
		unsigned two =
		    (unsigned)p[at] << 8 | (at + 1 < n ? p[at + 1] : 0U);

		out[i - first] =
		    (unsigned char)alphabet[two >> (10 - bit % 8) & 63];
	}
	return last > first ? last - first : 0;
}

/*
 * "user:secret" is put together at the end of the output's room, which is
 * wide enough for both: six bytes for each, of which base64 takes less than
 * two.
 */
static size_t
form_basic(const unsigned char *p, size_t n, const char *user, unsigned offset,
    const char *alphabet, unsigned char *out)
{
	size_t u = strlen(user), all = u + 1 + n;
	unsigned char *joined = out + SCRUB_FORM_GROWTH * all - all;

	memcpy(joined, user, u);
	joined[u] = ':';
	memcpy(joined + u + 1, p, n);
	return form_base64(joined, all, offset, alphabet, out);
}

size_t
scrub_form_write(unsigned kind, const unsigned char *p, size_t n,
    const char *user, unsigned char *out)
{
	size_t i, len = 0;

	if (kind < FORM_ESCAPES) {
		const struct form_escape *f = &form_escapes[kind];

		for (i = 0; i < n; i++)
			len += f->byte(p[i], f->flags, out + len);
		return len;
	}
	kind -= FORM_ESCAPES;
	if (kind < 6)
		return form_base64(p, n, kind % 3, form_alphabets[kind / 3],
		    out);
	kind -= 6;
	if (kind < 6 && user != NULL)
		return form_basic(p, n, user, kind % 3,
		    form_alphabets[kind / 3], out);
	return 0;
}
