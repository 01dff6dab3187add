#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "canon.h"
#include "text.h"

/* ---- characters --------------------------------------------------------- */

enum kind {
	KIND_BAD, /* controls, space, "#", above 0x7f: where, says the caller */
	KIND_PLAIN, /* unreserved: never needs an escape */
	KIND_DELIM, /* stands in a path as it is; its escape may mean more */
	KIND_CODED, /* printable, in a URL only encoded */
	KIND_PERCENT,
};

/* clang-format off */
static const unsigned char kinds[256] = {
	['a' ... 'z'] = KIND_PLAIN, ['A' ... 'Z'] = KIND_PLAIN,
	['0' ... '9'] = KIND_PLAIN, ['-'] = KIND_PLAIN, ['.'] = KIND_PLAIN,
	['_'] = KIND_PLAIN, ['~'] = KIND_PLAIN,
	['!'] = KIND_DELIM, ['$'] = KIND_DELIM, ['&'] = KIND_DELIM,
	['\''] = KIND_DELIM, ['('] = KIND_DELIM, [')'] = KIND_DELIM,
	['*'] = KIND_DELIM, ['+'] = KIND_DELIM, [','] = KIND_DELIM,
	[';'] = KIND_DELIM, ['='] = KIND_DELIM, [':'] = KIND_DELIM,
	['@'] = KIND_DELIM, ['/'] = KIND_DELIM,
	['"'] = KIND_CODED, ['<'] = KIND_CODED, ['>'] = KIND_CODED,
	['['] = KIND_CODED, [']'] = KIND_CODED, ['^'] = KIND_CODED,
	['`'] = KIND_CODED, ['{'] = KIND_CODED, ['|'] = KIND_CODED,
	['}'] = KIND_CODED, [0x80 ... 0xff] = KIND_CODED,
	['%'] = KIND_PERCENT,
};

/* clang-format on */

static int
refuse(struct err *e, const char *why)
{
	return err_set(e, ERR_INVALID, "%s", why);
}

static int
hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that s[0..2] stands for, or -1. */
static int
percent_value(const char *s, size_t left)
{
	int high, low;

	if (left < 3)
		return -1;
	high = hex_value((unsigned char)s[1]);
	low = hex_value((unsigned char)s[2]);
	return high == -1 || low == -1 ? -1 : high << 4 | low;
}

/* ---- paths --------------------------------------------------------------- */

static size_t
put_percent(unsigned byte, char out[3])
{
	static const char digits[] = "0123456789ABCDEF";

	out[0] = '%';
	out[1] = digits[byte >> 4];
	out[2] = digits[byte & 15];
	return 3;
}

/* The canonical form of the escape at s; its length, or 0 with *why. */
static size_t
path_escape(const char *s, size_t left, char out[3], const char **why)
{
	int byte = percent_value(s, left);

	if (byte == -1) {
		*why = "has a \"%\" without two hex digits";
		return 0;
	}
	if (byte < 0x20 || byte == 0x7f || byte == '\\') {
		*why = "encodes a control character or a backslash";
		return 0;
	}
	if (kinds[byte] == KIND_PLAIN) {
		out[0] = (char)byte;
		return 1;
	}
	return put_percent((unsigned)byte, out);
}

/* One character of a path, s[*i], in its canonical form. */
static size_t
path_step(const char *s, size_t n, size_t *i, char out[3], const char **why)
{
	unsigned char c = (unsigned char)s[*i];
	size_t len = 1;

	switch ((enum kind)kinds[c]) {
	case KIND_PLAIN:
	case KIND_DELIM:
		out[0] = (char)c;
		break;
	case KIND_CODED:
		len = put_percent(c, out);
		break;
	case KIND_PERCENT:
		len = path_escape(s + *i, n - *i, out, why);
		*i += 2;
		break;
	case KIND_BAD:
		*why = c == '\\' ? "has a backslash"
		       : c == '?' || c == '#'
			   ? "has a query or a fragment in it"
			   : "has a space or a control character";
		len = 0;
		break;
	}
	*i += 1;
	return len;
}

/* What comes before a ";", which some servers cut off with what follows. */
static size_t
before_parameters(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (s[i] == ';' ||
		    (s[i] == '%' && n - i >= 3 && memcmp(s + i, "%3B", 3) == 0))
			break;
	return i;
}

static const char *
segment_defect(const char *s, size_t n, int last)
{
	size_t stem;

	if (n == 0)
		return last ? NULL : "has an empty segment (\"//\")";
	if (s[0] != '.')
		return NULL;
	stem = before_parameters(s, n);
	return stem <= 2 && s[stem - 1] == '.' ? "has a \".\" or \"..\" segment"
					       : NULL;
}

/* Of a canonical path: the bytes it stands for, in groups, are UTF-8. */
static const char *
utf8_defect(const char *s, size_t n)
{
	unsigned char group[4];
	size_t i = 0, used, len, k;

	while (i < n) {
		if (s[i] != '%' || percent_value(s + i, n - i) < 0x80) {
			i++;
			continue;
		}
		for (used = 0, k = i;
		     used < sizeof(group) && k < n && s[k] == '%';
		     used++, k += 3)
			group[used] =
			    (unsigned char)percent_value(s + k, n - k);
		len = text_utf8_length(group, used, NULL);
		if (len == 0)
			return "encodes bytes that are not UTF-8";
		i += 3 * len;
	}
	return NULL;
}

/* Where a segment ends: a slash, or %2F, which some servers take for one. */
static size_t
segment_size(const char *s, size_t n, size_t *ret_separator)
{
	size_t i;

	*ret_separator = 0;
	for (i = 0; i < n; i++)
		if (s[i] == '/') {
			*ret_separator = 1;
			break;
		} else if (s[i] == '%' && n - i >= 3 &&
			   memcmp(s + i, "%2F", 3) == 0) {
			*ret_separator = 3;
			break;
		}
	return i;
}

/* What only shows in the whole of a canonical path. */
static const char *
path_shape_defect(const char *s, size_t n)
{
	size_t from, size, separator;
	const char *why;

	if (n == 0 || s[0] != '/')
		return "does not begin with \"/\"";
	for (from = 1;; from += size + separator) {
		size = segment_size(s + from, n - from, &separator);
		why = segment_defect(s + from, size, separator == 0);
		if (why != NULL)
			return why;
		if (separator == 0)
			break;
	}
	return memchr(s, '%', n) == NULL ? NULL : utf8_defect(s, n);
}

int
canon_path(const char *s, size_t n, char ret[CANON_PATH_SIZE], struct err *e)
{
	const char *why = NULL;
	size_t i = 0, len, used = 0;
	char out[3];

	if (n > CANON_PATH_MAX)
		return refuse(e, "is longer than 8192 bytes");
	while (i < n) {
		if ((len = path_step(s, n, &i, out, &why)) == 0)
			return refuse(e, why);
		if (len > CANON_PATH_MAX - used)
			return refuse(e, "is longer than 8192 bytes");
		memcpy(ret + used, out, len);
		used += len;
	}
	ret[used] = '\0';
	why = path_shape_defect(ret, used);
	return why == NULL ? 0 : refuse(e, why);
}

int
canon_is_path(const char *s)
{
	size_t n = strnlen(s, CANON_PATH_MAX + 1), i = 0, at, len;
	const char *why;
	char out[3];

	if (n > CANON_PATH_MAX)
		return 0;
	while (i < n) {
		at = i;
		/* Most characters are their own form. */
		if (kinds[(unsigned char)s[i]] == KIND_PLAIN ||
		    kinds[(unsigned char)s[i]] == KIND_DELIM) {
			i++;
			continue;
		}
		len = path_step(s, n, &i, out, &why);
		if (len == 0 || len != i - at || memcmp(s + at, out, len) != 0)
			return 0;
	}
	return path_shape_defect(s, n) == NULL;
}

/* ---- queries, methods, ports ---------------------------------------------- */

int
canon_query(const char *s, size_t n, struct err *e)
{
	size_t i;

	if (n > CANON_QUERY_MAX)
		return refuse(e, "has a query longer than 16384 bytes");
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c <= ' ' || c >= 0x7f || c == '#')
			return refuse(e,
			    "has a query with a space, a fragment or a "
			    "character that a URL has only encoded");
		if (c == '%' && percent_value(s + i, n - i) == -1)
			return refuse(e,
			    "has a \"%\" without two hex digits in its query");
	}
	return 0;
}

int
canon_method(const char *s, size_t n, struct err *e)
{
	size_t i;

	if (n == 0 || n > CANON_METHOD_MAX)
		return refuse(e, "is not a method of 1 to 32 capitals");
	for (i = 0; i < n; i++)
		if ((s[i] < 'A' || s[i] > 'Z') && (s[i] != '-' || i == 0))
			return refuse(e, "is not a method in capitals");
	return 0;
}

int
canon_port(const char *s, size_t n, uint32_t *ret, struct err *e)
{
	uint32_t port = 0;
	size_t i;

	if (n == 0 || n > 5 || s[0] == '0')
		return refuse(e, "has a port that is not 1 to 65535");
	for (i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return refuse(e, "has a port that is not 1 to 65535");
		port = port * 10 + (uint32_t)(s[i] - '0');
	}
	if (port > CANON_PORT_MAX)
		return refuse(e, "has a port that is not 1 to 65535");
	*ret = port;
	return 0;
}

/* ---- hosts ---------------------------------------------------------------- */

static const char *
label_defect(const char *s, size_t n)
{
	size_t i;

	if (n == 0)
		return "has an empty label";
	if (n > 63)
		return "has a label longer than 63 bytes";
	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] >= 0x80)
			return "has a character beyond ASCII; use the xn-- "
			       "form";
		else if ((s[i] < 'a' || s[i] > 'z') &&
			 (s[i] < '0' || s[i] > '9') && s[i] != '-')
			return "is not a host: letters, digits and \"-\" in labels";
	if (s[0] == '-' || s[n - 1] == '-')
		return "has a label that begins or ends with \"-\"";
	return NULL;
}

/* Four decimal numbers without leading zeros, and nothing else. */
static int
is_dotted_quad(const char *s)
{
	unsigned char bytes[4];
	char back[INET_ADDRSTRLEN];

	return inet_pton(AF_INET, s, bytes) == 1 &&
	       snprintf(back, sizeof(back), "%u.%u.%u.%u", bytes[0], bytes[1],
		   bytes[2], bytes[3]) > 0 &&
	       strcmp(back, s) == 0;
}

/* Does a resolver take the last label for a number? */
static int
is_number(const char *label)
{
	if (strncmp(label, "0x", 2) == 0)
		return 1;
	return label[strspn(label, "0123456789")] == '\0';
}

/* Of a name in lower case, without a dot at the end. */
static const char *
name_defect(const char *host)
{
	const char *s = host, *why;
	size_t n;

	for (;; s += n + 1) {
		n = strcspn(s, ".");
		if ((why = label_defect(s, n)) != NULL)
			return why;
		if (s[n] == '\0')
			break;
	}
	if (is_number(s) && !is_dotted_quad(host))
		return "ends in a number and is not an IPv4 address of four "
		       "decimal numbers";
	return NULL;
}

/* The longest run of two zero groups or more, which becomes "::". */
static void
find_zeros(const uint16_t g[8], int *ret_at, int *ret_len)
{
	int i, j;

	*ret_at = -1;
	*ret_len = 1;
	for (i = 0; i < 8; i = j + 1) {
		for (j = i; j < 8 && g[j] == 0; j++)
			;
		if (j - i > *ret_len) {
			*ret_at = i;
			*ret_len = j - i;
		}
	}
}

/* RFC 5952; the C libraries do not agree on it. */
static void
put_v6(const unsigned char bytes[16], char ret[CANON_HOST_SIZE])
{
	uint16_t g[8];
	int at, len, i;
	struct text t;

	for (i = 0; i < 8; i++)
		g[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
	find_zeros(g, &at, &len);
	text_init(&t, ret, CANON_HOST_SIZE);
	text_add(&t, "[");
	for (i = 0; i < 8; i++) {
		if (i == at) {
			text_add(&t, "::");
			i += len - 1;
			continue;
		}
		if (i > 0 && i != at + len)
			text_add(&t, ":");
		text_addf(&t, "%x", g[i]);
	}
	text_add(&t, "]");
}

void
canon_address(const struct net_address *a, char ret[CANON_HOST_SIZE])
{
	if (a->family == 6)
		put_v6(a->bytes, ret);
	else
		(void)snprintf(ret, CANON_HOST_SIZE, "%u.%u.%u.%u", a->bytes[0],
		    a->bytes[1], a->bytes[2], a->bytes[3]);
}

static int
canon_v6(const char *s, size_t n, char ret[CANON_HOST_SIZE], struct err *e)
{
	static const char wrong[] = "is not an IPv6 address in brackets";
	char inner[INET6_ADDRSTRLEN];
	struct net_address a;

	if (n < 4 || n - 2 >= sizeof(inner) || s[n - 1] != ']' ||
	    memchr(s, '\0', n) != NULL)
		return refuse(e, wrong);
	memcpy(inner, s + 1, n - 2);
	inner[n - 2] = '\0';
	if (strchr(inner, ':') == NULL || address_parse(inner, &a) == -1)
		return refuse(e, wrong);
	canon_address(&a, ret);
	return 0;
}

int
canon_host(const char *s, size_t n, char ret[CANON_HOST_SIZE], struct err *e)
{
	const char *why;
	size_t i;

	if (n > 0 && s[0] == '[')
		return canon_v6(s, n, ret, e);
	if (n > 0 && s[n - 1] == '.')
		n--;
	if (n == 0)
		return refuse(e, "is empty");
	if (n > CANON_HOST_MAX)
		return refuse(e, "is longer than 253 bytes");
	for (i = 0; i < n; i++) {
		ret[i] = s[i];
		if (s[i] >= 'A' && s[i] <= 'Z')
			ret[i] |= 0x20;
		if (s[i] == '\0')
			return refuse(e,
			    "is not a host: letters, digits and \"-\" in "
			    "labels");
	}
	ret[n] = '\0';
	why = name_defect(ret);
	return why == NULL ? 0 : refuse(e, why);
}

int
canon_is_host(const char *s)
{
	char again[CANON_HOST_SIZE];
	size_t n = strnlen(s, CANON_HOST_SIZE);

	if (s[0] == '[')
		return canon_v6(s, n, again, NULL) == 0 &&
		       strcmp(s, again) == 0;
	return n > 0 && n <= CANON_HOST_MAX && name_defect(s) == NULL;
}

int
canon_host_address(const char *host, struct net_address *ret)
{
	char inner[INET6_ADDRSTRLEN];
	size_t n = strlen(host);

	if (host[0] != '[')
		return is_dotted_quad(host) && address_parse(host, ret) == 0;
	if (n < 4 || n - 2 >= sizeof(inner))
		return 0;
	memcpy(inner, host + 1, n - 2);
	inner[n - 2] = '\0';
	return address_parse(inner, ret) == 0;
}

/* ---- what has several parts ----------------------------------------------- */

/* Where the host of an authority ends. */
static size_t
host_size(const char *s, size_t n)
{
	const char *end;

	if (n > 0 && s[0] == '[') {
		end = memchr(s, ']', n);
		return end == NULL ? n : (size_t)(end - s) + 1;
	}
	end = memchr(s, ':', n);
	return end == NULL ? n : (size_t)(end - s);
}

int
canon_authority(const char *s, size_t n, uint32_t default_port,
    char ret_host[CANON_HOST_SIZE], uint32_t *ret_port, struct err *e)
{
	size_t host = host_size(s, n);

	if (memchr(s, '@', n) != NULL)
		return refuse(e, "has a user in front of the host");
	if (canon_host(s, host, ret_host, e) == -1)
		return -1;
	if (host == n && default_port != 0) {
		*ret_port = default_port;
		return 0;
	}
	if (host == n || s[host] != ':')
		return refuse(e, "has no port");
	return canon_port(s + host + 1, n - host - 1, ret_port, e);
}

int
canon_target(const char *s, size_t n, char ret[CANON_PATH_SIZE],
    const char **ret_query, size_t *ret_query_size, struct err *e)
{
	const char *mark = n == 0 ? NULL : memchr(s, '?', n);
	size_t path = mark == NULL ? n : (size_t)(mark - s);
	const char *query = mark == NULL ? NULL : mark + 1;
	size_t size = mark == NULL ? 0 : n - path - 1;

	if (canon_path(s, path, ret, e) == -1 ||
	    (query != NULL && canon_query(query, size, e) == -1))
		return -1;
	*ret_query = query;
	*ret_query_size = size;
	return 0;
}

/* The scheme's length with "://", or 0. */
static size_t
url_scheme(const char *s, size_t n, int *ret_tls)
{
	if (n > 8 && strncasecmp(s, "https://", 8) == 0) {
		*ret_tls = 1;
		return 8;
	}
	*ret_tls = 0;
	return n > 7 && strncasecmp(s, "http://", 7) == 0 ? 7 : 0;
}

int
canon_url(const char *s, size_t n, struct canon_url *ret, struct err *e)
{
	size_t skip = url_scheme(s, n, &ret->tls), authority;

	if (skip == 0)
		return refuse(e, "is not an http or https URL");
	s += skip;
	n -= skip;
	for (authority = 0; authority < n; authority++)
		if (memchr("/?#\\", s[authority], 4) != NULL)
			break;
	if (canon_authority(s, authority, ret->tls ? 443 : 80, ret->host,
		&ret->port, e) == -1)
		return -1;
	s += authority;
	n -= authority;
	/* "https://host?query" has the path "/". */
	if (n > 0 && s[0] != '?')
		return canon_target(s, n, ret->path, &ret->query,
		    &ret->query_size, e);
	ret->path[0] = '/';
	ret->path[1] = '\0';
	ret->query = n > 0 ? s + 1 : NULL;
	ret->query_size = n > 0 ? n - 1 : 0;
	return n > 0 ? canon_query(ret->query, ret->query_size, e) : 0;
}
