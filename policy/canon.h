/*
 * canon.h: one spelling for everything that a request names.
 *
 * What is judged, dialed, sent on and logged is the canonical form and
 * nothing else, so that nobody reads it differently.  What has no single
 * canonical form is refused, never repaired.  Canonical twice is canonical
 * once.  Pure: no allocation, no I/O, libc only; any process, hostile bytes.
 *
 * Hosts.  Lower case; one dot at the end is dropped; labels of letters,
 * digits and "-", 1 to 63 bytes, not beginning or ending with "-"; 253 bytes
 * together.  Other scripts come in their xn-- form: DNS, SNI and Host carry
 * nothing else, so a byte above 0x7f is refused, and no library has to agree
 * with the client's about Unicode.  A name whose last label is a number
 * (decimal or 0x…) is an address to every resolver: it must be an IPv4
 * address of four decimal numbers.  IPv6 is bracketed, in the form of RFC
 * 5952; one that is mapped (::ffff:1.2.3.4) is the IPv4 address, because the
 * kernel would connect there.
 *
 * Paths.  %XX of an unreserved character (RFC 3986, 2.3) is decoded, once;
 * other escapes stay, in capitals; a printable character that a URL has only
 * encoded is encoded.  Refused: escapes of control characters, of "\" and of
 * what is not UTF-8, a "\", an empty segment in the middle ("//"), segments
 * "." and "..", also before a ";", and a "%" without two digits.  A slash at
 * the end counts.  %2F stays as it is and is not a slash: authorize() refuses
 * it but where a rule spells it out, as registries of scoped packages need.
 *
 * Queries stay byte for byte; control characters, spaces, bytes above 0x7f,
 * "#" and a "%" without two digits are refused.
 */
#ifndef CANON_H
#define CANON_H

#include "plan_net.h"

enum {
	CANON_HOST_MAX = 253, /* bytes of a name */
	CANON_HOST_SIZE = 256, /* with its NUL */
	CANON_PATH_MAX = 8192, /* bytes of a canonical path */
	CANON_PATH_SIZE = CANON_PATH_MAX + 1,
	CANON_QUERY_MAX = 16384, /* bytes of a query */
	CANON_METHOD_MAX = 32,
	CANON_PORT_MAX = 65535,
};

/*
 * Each takes n bytes at s, which need no NUL, and writes a string.
 * ERR_INVALID with the reason, as the end of a sentence that begins with the
 * thing ("has an empty label"); *ret is then undefined.
 */
must_check int canon_host(const char *s, size_t n, char ret[CANON_HOST_SIZE],
    struct err *e);
must_check int canon_path(const char *s, size_t n, char ret[CANON_PATH_SIZE],
    struct err *e);

/* Decimal, no zeros in front, 1 to 65535. */
must_check int canon_port(const char *s, size_t n, uint32_t *ret,
    struct err *e);

/* 0 if it is one: capitals and "-", 1 to CANON_METHOD_MAX bytes. */
must_check int canon_method(const char *s, size_t n, struct err *e);

/* 0 if it is one (without its "?"); it is its own canonical form. */
must_check int canon_query(const char *s, size_t n, struct err *e);

/*
 * "host" or "host:port", as in Host, CONNECT and ":authority"; without a port
 * the default, which may be 0 for "there must be one".
 */
must_check int canon_authority(const char *s, size_t n, uint32_t default_port,
    char ret_host[CANON_HOST_SIZE], uint32_t *ret_port, struct err *e);

/*
 * An absolute URL: http or https (any case), no userinfo, no fragment; an
 * empty path is "/".  query points into s, or is NULL if there is none.
 */
struct canon_url {
	int tls; /* https */
	uint32_t port;
	const char *query;
	size_t query_size;
	char host[CANON_HOST_SIZE];
	char path[CANON_PATH_SIZE];
};

must_check int canon_url(const char *s, size_t n, struct canon_url *ret,
    struct err *e);

/* "/path?query" of a request line: the same for the rest of a URL. */
must_check int canon_target(const char *s, size_t n, char ret[CANON_PATH_SIZE],
    const char **ret_query, size_t *ret_query_size, struct err *e);

/* 1 if a string is a canonical host, path; the check that authorize() does. */
int canon_is_host(const char *s);
int canon_is_path(const char *s);

/* 1 if a canonical host is an address, which is then *ret. */
int canon_host_address(const char *host, struct net_address *ret);

/* The canonical host of an address ("10.0.0.1", "[fd00::1]"). */
void canon_address(const struct net_address *a, char ret[CANON_HOST_SIZE]);

#endif /* !CANON_H */
