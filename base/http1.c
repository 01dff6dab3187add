#include <string.h>

#include "http1_parts.h"

const struct http1_limits http1_limits_default = {
	.start_bytes = HTTP1_START_MAX,
	.field_bytes = HTTP1_FIELD_MAX,
	.fields = HTTP1_FIELDS_MAX,
	.head_bytes = HTTP1_HEAD_MAX,
	.trailers = HTTP1_TRAILERS_MAX,
	.trailer_bytes = HTTP1_TRAILER_BYTES_MAX,
	.chunk_ext_bytes = HTTP1_CHUNK_EXT_MAX,
};

static const struct {
	const char *name;
	const char *text;
	unsigned status;
} http1_faults[] = {

#define X(name, status, text) { #name, text, status },
	HTTP1_FAULTS(X)
#undef X
};

const char *
http1_fault_name(enum http1_fault f)
{
	return (size_t)f < countof(http1_faults) ? http1_faults[f].name : "?";
}

unsigned
http1_fault_status(enum http1_fault f)
{
	return (size_t)f < countof(http1_faults) ? http1_faults[f].status : 500;
}

const char *
http1_fault_text(enum http1_fault f)
{
	return (size_t)f < countof(http1_faults) ? http1_faults[f].text : "?";
}

int
http1_refuse(struct err *e, enum http1_fault f)
{
	static const struct {
		enum http1_fault fault;
		enum err_code code;
	} codes[] = {
		{ HTTP1_FAULT_MEMORY, ERR_SYSTEM },
		{ HTTP1_FAULT_START_LONG, ERR_LIMIT },
		{ HTTP1_FAULT_FIELD_LONG, ERR_LIMIT },
		{ HTTP1_FAULT_FIELDS_MANY, ERR_LIMIT },
		{ HTTP1_FAULT_HEAD_LONG, ERR_LIMIT },
	};

	size_t i;

	for (i = 0; i < countof(codes); i++)
		if (codes[i].fault == f)
			return err_set(e, codes[i].code, "HTTP: %s",
			    http1_fault_text(f));
	return err_set(e, ERR_INVALID, "HTTP: %s", http1_fault_text(f));
}

/* RFC 9110 section 15; those that Warder's API and proxy answer with. */
static const struct {
	unsigned status;
	const char *text;
} http1_reasons[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 407, "Proxy Authentication Required" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
};

const char *
http1_reason(unsigned status)
{
	size_t i;

	for (i = 0; i < countof(http1_reasons); i++)
		if (http1_reasons[i].status == status)
			return http1_reasons[i].text;
	return "";
}

/* Short names for the table below. */
enum {
	V = HTTP1_TEXT | HTTP1_URI, /* visible, nothing more */
	T = V | HTTP1_TOKEN,
	N = T | HTTP1_HOST,
	L = N | HTTP1_ALPHA,
	D = N | HTTP1_HEX | HTTP1_DIGIT,
	H = L | HTTP1_HEX,
};

/* Everything that is not here is a control byte and in no class. */
const unsigned char http1_classes[256] = {
	['\t'] = HTTP1_TEXT,
	[' '] = HTTP1_TEXT,
	['!'] = T,
	['"'] = V,
	['#'] = HTTP1_TEXT | HTTP1_TOKEN,
	['$' ... '\''] = T,
	['(' ... ')'] = V,
	['*' ... '+'] = T,
	[','] = V,
	['-' ... '.'] = N,
	['/'] = V,
	['0' ... '9'] = D,
	[':' ... '@'] = V,
	['A' ... 'F'] = H,
	['G' ... 'Z'] = L,
	['['] = V,
	['\\'] = HTTP1_TEXT,
	[']'] = V,
	['^'] = T,
	['_'] = N,
	['`'] = T,
	['a' ... 'f'] = H,
	['g' ... 'z'] = L,
	['{'] = V,
	['|'] = T,
	['}'] = V,
	['~'] = T,
	[0x80 ... 0xff] = HTTP1_TEXT, /* obs-text, opaque */
};

size_t
http1_span(const char *p, size_t n, unsigned char class)
{
	size_t i = 0;

	while (i < n && http1_is((unsigned char)p[i], class))
		i++;
	return i;
}

static unsigned char
http1_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

int
http1_same(const char *p, size_t n, const char *text)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (text[i] == '\0' || http1_lower((unsigned char)p[i]) !=
					   http1_lower((unsigned char)text[i]))
			return 0;
	return text[n] == '\0';
}
