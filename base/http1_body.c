#include <string.h>

#include "http1_parts.h"

/*
 * A chunked body, RFC 9112 section 7.1:
 *
 *	size [;name[=value]]* CRLF data CRLF ... 0 CRLF [field CRLF]* CRLF
 *
 *	SIZE --line--> DATA --all bytes--> DATA_END --CRLF--> SIZE
 *	SIZE --line of size 0--> TRAILERS --empty line--> END
 *
 * The other framings are DATA, whose end is END.
 */
enum {
	HTTP1_IN_SIZE,
	HTTP1_IN_DATA,
	HTTP1_IN_DATA_END,
	HTTP1_IN_TRAILERS,
	HTTP1_IN_END,
};

void
http1_body_init(struct http1_body *b, enum http1_framing f, uint64_t bytes,
    const struct http1_limits *limits)
{
	*b = (struct http1_body){ .framing = f };
	http1_head_init(&b->trailers, HTTP1_TRAILERS, limits);
	b->ext_max = b->trailers.limits.chunk_ext_bytes;
	switch (f) {
	case HTTP1_BODY_LENGTH:
		b->left = bytes;
		b->state = bytes > 0 ? HTTP1_IN_DATA : HTTP1_IN_END;
		break;
	case HTTP1_BODY_CHUNKED:
		b->state = HTTP1_IN_SIZE;
		break;
	case HTTP1_BODY_CLOSE:
		b->left = UINT64_MAX;
		b->state = HTTP1_IN_DATA;
		break;
	case HTTP1_BODY_NONE:
	case HTTP1_BODY_TUNNEL:
		b->state = HTTP1_IN_END;
		break;
	}
}

void
http1_body_finish(struct http1_body *b)
{
	http1_head_finish(&b->trailers);
}

/* token or quoted-string at p: its bytes, 0 if there is none. */
static size_t
http1_ext_value(const char *p, size_t n)
{
	size_t i;

	if (n == 0 || p[0] != '"')
		return http1_span(p, n, HTTP1_TOKEN);
	for (i = 1; i < n && p[i] != '"'; i++)
		if (p[i] == '\\')
			i++;
	return i < n ? i + 1 : 0;
}

/*
 * ;name[=value] again and again, RFC 9112 section 7.1.1, without the white
 * space that it calls bad.  Control bytes never come so far.  Nothing is
 * kept: an extension is for the next hop only.
 */
static int
http1_ext_check(const char *p, size_t n)
{
	size_t i = 0, k;

	while (i < n) {
		if (p[i++] != ';')
			return -1;
		k = http1_span(p + i, n - i, HTTP1_TOKEN);
		if (k == 0)
			return -1;
		i += k;
		if (i == n || p[i] != '=')
			continue;
		i++;
		k = http1_ext_value(p + i, n - i);
		if (k == 0)
			return -1;
		i += k;
	}
	return 0;
}

static unsigned
http1_hex(char c)
{
	if (c <= '9')
		return (unsigned)(c - '0');
	return (unsigned)((c | 0x20) - 'a' + 10);
}

static enum http1_fault
http1_size_line(struct http1_body *b)
{
	size_t digits = http1_span(b->line, b->line_size, HTTP1_HEX), i;
	size_t ext = b->line_size - digits;
	uint64_t size = 0;

	if (digits == 0 || digits > HTTP1_CHUNK_DIGITS_MAX ||
	    (ext > 0 && b->line[digits] != ';'))
		return HTTP1_FAULT_CHUNK_SIZE;
	if (http1_ext_check(b->line + digits, ext) == -1)
		return HTTP1_FAULT_CHUNK_EXT;
	if (ext > b->ext_max - b->ext_bytes)
		return HTTP1_FAULT_CHUNK_EXT_LONG;
	b->ext_bytes += (uint32_t)ext;
	for (i = 0; i < digits; i++)
		size = size << 4 | http1_hex(b->line[i]);
	b->left = size;
	b->line_size = 0;
	b->state = size > 0 ? HTTP1_IN_DATA : HTTP1_IN_TRAILERS;
	return HTTP1_FAULT_NONE;
}

/* One byte of a size line, or of the CRLF behind a chunk's data. */
static enum http1_fault
http1_line_byte(struct http1_body *b, char c)
{
	if (b->cr) {
		b->cr = 0;
		if (c != '\n')
			return HTTP1_FAULT_BARE_CR;
		if (b->state == HTTP1_IN_SIZE)
			return http1_size_line(b);
		b->state = HTTP1_IN_SIZE;
		return HTTP1_FAULT_NONE;
	}
	b->cr = c == '\r';
	if (b->cr)
		return HTTP1_FAULT_NONE;
	if (b->state == HTTP1_IN_DATA_END)
		return HTTP1_FAULT_CHUNK_END;
	if (c == '\n')
		return HTTP1_FAULT_BARE_LF;
	if (!http1_is((unsigned char)c, HTTP1_TEXT))
		return HTTP1_FAULT_CONTROL;
	if (b->line_size == sizeof(b->line))
		return HTTP1_FAULT_CHUNK_LINE_LONG;
	b->line[b->line_size++] = c;
	return HTTP1_FAULT_NONE;
}

static size_t
http1_take_data(struct http1_body *b, const char *p, size_t n,
    struct http1_slice *ret)
{
	size_t k = n < b->left ? n : (size_t)b->left;

	*ret = (struct http1_slice){ p, k };
	b->bytes += k;
	if (b->framing == HTTP1_BODY_CLOSE)
		return k;
	b->left -= k;
	if (b->left == 0)
		b->state = b->framing == HTTP1_BODY_CHUNKED ? HTTP1_IN_DATA_END
							    : HTTP1_IN_END;
	return k;
}

/*
 * The trailers are whole: drop what must not be among them, but not what
 * tells of framing.  Nobody honest sends that, and there are readers that
 * merge trailers with the fields of the head.
 */
static enum http1_fault
http1_trailers_clean(struct http1_head *h)
{
	uint32_t i, kept = 0;

	if (http1_head_get(h, "Content-Length") != NULL ||
	    http1_head_get(h, "Transfer-Encoding") != NULL)
		return HTTP1_FAULT_TRAILER_FRAMING;
	for (i = 0; i < h->count; i++)
		if (!http1_is_forbidden_trailer(h->text + h->items[i].name,
			h->items[i].name_size))
			h->items[kept++] = h->items[i];
	h->count = kept;
	return HTTP1_FAULT_NONE;
}

static size_t
http1_take_trailers(struct http1_body *b, const char *p, size_t n)
{
	size_t used;
	enum http1_got got = http1_head_read(&b->trailers, p, n, &used);

	b->fault = b->trailers.fault;
	if (got == HTTP1_DONE) {
		b->fault = http1_trailers_clean(&b->trailers);
		b->state = HTTP1_IN_END;
	}
	return used;
}

enum http1_got
http1_body_read(struct http1_body *b, const void *p, size_t n, size_t *ret_used,
    struct http1_slice *ret_payload)
{
	const char *s = p;
	size_t used = 0;

	*ret_payload = (struct http1_slice){ NULL, 0 };
	while (used < n && b->fault == HTTP1_FAULT_NONE &&
	       b->state != HTTP1_IN_END) {
		if (b->state == HTTP1_IN_TRAILERS) {
			used += http1_take_trailers(b, s + used, n - used);
		} else if (b->state != HTTP1_IN_DATA) {
			b->fault = http1_line_byte(b, s[used++]);
		} else if (ret_payload->size > 0) {
			break;
		} else {
			used +=
			    http1_take_data(b, s + used, n - used, ret_payload);
		}
	}
	*ret_used = used;
	if (b->fault != HTTP1_FAULT_NONE)
		return HTTP1_REFUSED;
	return b->state == HTTP1_IN_END ? HTTP1_DONE : HTTP1_MORE;
}

enum http1_got
http1_body_end(struct http1_body *b)
{
	if (b->fault == HTTP1_FAULT_NONE && b->state == HTTP1_IN_DATA &&
	    b->framing == HTTP1_BODY_CLOSE)
		b->state = HTTP1_IN_END;
	if (b->fault == HTTP1_FAULT_NONE && b->state != HTTP1_IN_END)
		b->fault = HTTP1_FAULT_CUT;
	return b->fault == HTTP1_FAULT_NONE ? HTTP1_DONE : HTTP1_REFUSED;
}
