/*
 * plan_net.h: the network half of a compiled policy.
 *
 * policy/ writes it, warder-proxy enforces it, "warder policy why" asks it;
 * all three by policy/authorize.h.  Like a plan it is flat, bounded,
 * pointer-free and versioned, with its SHA-256 digest inside, of all that it
 * means: where something was written and in which order means nothing, so one
 * meaning has one digest.  struct plan carries that digest (all zero: no
 * services), so a jail without a network never meets it.  It has no values of
 * secrets.
 *
 * Layout: this head, then the sections one after the other, each an array of
 * one kind of record and 8-byte aligned, the strings last.  Strings are
 * offsets into that last section; offset 0 is the empty string and means "not
 * given".  What can be searched is sorted, so there is no index that could
 * disagree with what it indexes.
 *
 * Whoever receives one calls plan_net_check() before reading any field.
 */
#ifndef PLAN_NET_H
#define PLAN_NET_H

#include <stdint.h>

#include "err.h"
#include "sha256.h"

enum {
	PLAN_NET_MAGIC = 0x54454e57, /* "WNET" */
	PLAN_NET_VERSION = 3,

	PLAN_NET_SERVICES_MAX = 512,
	PLAN_NET_DESTINATIONS_MAX = 4096,
	PLAN_NET_RULES_MAX = 8192,
	PLAN_NET_QUERIES_MAX = 4096,
	PLAN_NET_RANGES_MAX = 1024,
	PLAN_NET_CREDENTIALS_MAX = 128,
	PLAN_NET_INJECTS_MAX = 512,
	PLAN_NET_SERVICE_INJECTS_MAX = 8, /* credentials of one service */
	PLAN_NET_STRINGS_MAX = 1024 * 1024,

	PLAN_NET_DEPTH_MAX =
	    31, /* segments of a path that rules are found by */
};

#define PLAN_NET_NONE UINT32_MAX /* no service, no rule, no credential */
#define PLAN_NET_NO_LIMIT UINT64_MAX

typedef uint32_t net_str; /* offset into the strings */

/* An address; v4 in the first four bytes, the rest zero.  family 0: none. */
struct net_address {
	uint32_t family; /* 0, 4 or 6 */
	unsigned char bytes[16];
};

struct net_range {
	struct net_address base; /* bits after the prefix are zero */
	uint32_t prefix;
};

/* clang-format off */
/* The methods that a rule can name; the bit in a mask is the position. */
#define PLAN_NET_METHODS(X) \
	X(GET) X(HEAD) X(OPTIONS) X(POST) X(PUT) X(PATCH) X(DELETE) X(QUERY) \
	X(PROPFIND) X(PROPPATCH) X(MKCOL) X(COPY) X(MOVE) X(LOCK) X(UNLOCK) \
	X(REPORT) X(SEARCH)

/* clang-format on */

enum plan_net_method {
#define X(name) PLAN_NET_METHOD_##name,
	PLAN_NET_METHODS(X)
#undef X
	PLAN_NET_METHOD__MAX
};

#define PLAN_NET_METHODS_READ                                     \
	(1u << PLAN_NET_METHOD_GET | 1u << PLAN_NET_METHOD_HEAD | \
	    1u << PLAN_NET_METHOD_OPTIONS)
#define PLAN_NET_METHODS_ANY UINT32_MAX /* those without a name too */

enum plan_net_protocol {
	PLAN_NET_HTTP,
	PLAN_NET_TCP,
	PLAN_NET_PROTOCOL__MAX
};

enum plan_net_tls {
	PLAN_NET_TLS_REQUIRED, /* towards the service, verified */
	PLAN_NET_TLS_SPLICE, /* the client's own, passed on as it is */
	PLAN_NET_TLS_NONE,
	PLAN_NET_TLS__MAX
};

/* Sorted by name. */
struct plan_net_service {
	net_str name;
	net_str origin; /* "file:line", for messages */
	uint32_t protocol; /* enum plan_net_protocol */
	uint32_t inspect; /* 1: the stream is opened and each request judged */
	uint32_t allow_any; /* 1: "allow: any" */
	net_str ca; /* absolute path of a PEM file; 0: the system's */
	struct net_address dial; /* in place of the name's addresses */
	uint32_t dial_port; /* 0: no dial */
	uint32_t methods; /* of its allow and ask rules together */
	uint32_t depths; /* bit d: a rule is found by d segments */
	uint32_t first_rule, nrules;
	uint32_t first_range, nranges; /* only_addresses */
	uint32_t first_inject, ninjects;
	uint32_t reserved;
	uint64_t body_max_bytes; /* PLAN_NET_NO_LIMIT: none */
};

/*
 * Which addresses a name may have where the service has no only_addresses.
 * An index that a package manager's own file names may be on the premises,
 * and on this host if the file says so by "localhost" or an address of it.
 */
enum plan_net_open {
	PLAN_NET_OPEN_PUBLIC,
	PLAN_NET_OPEN_PRIVATE,
	PLAN_NET_OPEN_HOST,
	PLAN_NET_OPEN__MAX
};

/*
 * One host and port of a service.  A host is canonical (policy/canon.h);
 * "*.example.com" stands for exactly one label in place of the star.  Sorted
 * by host (as bytes), port, service.
 */
struct plan_net_destination {
	net_str host;
	uint32_t port;
	uint32_t service;
	uint32_t tls; /* enum plan_net_tls */
	uint32_t open; /* enum plan_net_open */
};

enum plan_net_verdict {
	PLAN_NET_ALLOW,
	PLAN_NET_ASK,
	PLAN_NET_DENY,
	PLAN_NET_VERDICT__MAX
};

/*
 * Sorted by service, then key: the hash of the literal segments that the
 * pattern begins with (plan_net_hash), so that the rules that can match a
 * path are found by as many searches as it has segments.
 */
struct plan_net_rule {
	uint64_t key;
	uint32_t service;
	uint32_t verdict; /* enum plan_net_verdict */
	uint32_t methods; /* mask; PLAN_NET_METHODS_ANY */
	net_str path; /* pattern; 0: any */
	uint32_t first_query, nqueries;
	net_str why;
	net_str origin;
	uint32_t ordinal; /* place in its list in the policy; no meaning */
	uint32_t depth; /* segments in key */
};

/* A parameter that must be there, and the pattern of its value. */
struct plan_net_query {
	net_str name; /* decoded */
	net_str pattern;
};

enum plan_net_source {
	PLAN_NET_SOURCE_VAULT,
	PLAN_NET_SOURCE_ENV,
	PLAN_NET_SOURCE_FILE,
	PLAN_NET_SOURCE__MAX
};

/* clang-format off */
/* What a placeholder looks like. */
#define PLAN_NET_SHAPES(X) \
	X(opaque) X(hex) X(uuid) X(jwt) X(github_pat) X(gitlab_pat) X(openai) \
	X(anthropic) X(google_api) X(slack_bot) X(npm) X(pypi)

/* clang-format on */

enum plan_net_shape {
#define X(name) PLAN_NET_SHAPE_##name,
	PLAN_NET_SHAPES(X)
#undef X
	PLAN_NET_SHAPE__MAX
};

enum plan_net_elsewhere {
	PLAN_NET_ELSEWHERE_REFUSE,
	PLAN_NET_ELSEWHERE_STRIP,
	PLAN_NET_ELSEWHERE_PASS,
	PLAN_NET_ELSEWHERE__MAX
};

enum plan_net_from_client {
	PLAN_NET_FROM_CLIENT_STRIP,
	PLAN_NET_FROM_CLIENT_REFUSE,
	PLAN_NET_FROM_CLIENT_KEEP,
	PLAN_NET_FROM_CLIENT__MAX
};

/* Sorted by name. */
struct plan_net_credential {
	net_str name;
	net_str origin;
	uint32_t source; /* enum plan_net_source */
	net_str source_name; /* the entry, the variable, the absolute path */
	net_str placeholder_env; /* 0: it has no placeholder */
	uint32_t shape; /* enum plan_net_shape */
	uint32_t elsewhere; /* enum plan_net_elsewhere */
	uint32_t from_client; /* enum plan_net_from_client */
	uint32_t scrub; /* 1: responses are scrubbed of the secret */
	uint32_t required; /* 1: without the secret no request */
};

enum plan_net_as {
	PLAN_NET_AS_BEARER, /* Authorization: Bearer SECRET */
	PLAN_NET_AS_BASIC, /* Authorization: Basic base64(user:SECRET) */
	PLAN_NET_AS_HEADER, /* header: format with SECRET for {} */
	PLAN_NET_AS__MAX
};

enum plan_net_when {
	PLAN_NET_WHEN_PLACEHOLDER, /* where the request has the placeholder */
	PLAN_NET_WHEN_ALWAYS,
	PLAN_NET_WHEN__MAX
};

/* Sorted by service, credential, header. */
struct plan_net_inject {
	uint32_t service;
	uint32_t credential;
	uint32_t as; /* enum plan_net_as */
	uint32_t when; /* enum plan_net_when */
	net_str header; /* in lower case, "authorization" included */
	net_str format; /* AS_HEADER: has {} once */
	net_str user; /* AS_BASIC */
	net_str origin;
};

/* clang-format off */
/*   SECTION       record                        most */
#define PLAN_NET_SECTIONS(X) \
	X(SERVICES,     struct plan_net_service,     PLAN_NET_SERVICES_MAX) \
	X(DESTINATIONS, struct plan_net_destination, PLAN_NET_DESTINATIONS_MAX) \
	X(RULES,        struct plan_net_rule,        PLAN_NET_RULES_MAX) \
	X(QUERIES,      struct plan_net_query,       PLAN_NET_QUERIES_MAX) \
	X(RANGES,       struct net_range,            PLAN_NET_RANGES_MAX) \
	X(CREDENTIALS,  struct plan_net_credential,  PLAN_NET_CREDENTIALS_MAX) \
	X(INJECTS,      struct plan_net_inject,      PLAN_NET_INJECTS_MAX) \
	X(STRINGS,      char,                        PLAN_NET_STRINGS_MAX)

/* clang-format on */

enum plan_net_section {
#define X(name, record, most) PLAN_NET_##name,
	PLAN_NET_SECTIONS(X)
#undef X
	PLAN_NET_SECTION__MAX
};

enum plan_net_decisions {
	PLAN_NET_RECORD_ALL,
	PLAN_NET_RECORD_REFUSALS,
	PLAN_NET_DECISIONS__MAX
};

struct plan_net {
	uint32_t magic;
	uint32_t version;
	uint32_t size; /* of everything, this head too */
	uint32_t audit; /* enum plan_net_decisions */
	unsigned char digest[SHA256_SIZE]; /* of all but origins, ordinals */
	unsigned char origins_digest[SHA256_SIZE]; /* of every other byte */
	uint32_t nmeant; /* bytes of the strings before the first origin */
	uint32_t reserved;

	struct {
		uint32_t offset; /* from the beginning of the head */
		uint32_t count; /* records; of the strings: bytes */
	} section[PLAN_NET_SECTION__MAX];
};

/* Room for the largest; only plan_net.size bytes are stored or sent. */
#define PLAN_NET_ROUND(name, record, most) \
	+(((most) * sizeof(record) + 7) & ~7ul)
#define PLAN_NET_SIZE_MAX \
	(sizeof(struct plan_net) PLAN_NET_SECTIONS(PLAN_NET_ROUND))

/* Aligned as the records are, wherever it is a part of. */
union plan_net_room {
	struct plan_net net;
	_Alignas(8) unsigned char bytes[PLAN_NET_SIZE_MAX];
};

/* Records of a section. */
static inline uint32_t
plan_net_count(const struct plan_net *n, enum plan_net_section s)
{
	return n->section[s].count;
}

/* Record i (below the count) of a section. */
#define PLAN_NET_GETTER(getter, SECTION, record)                          \
	static inline const record *getter(const struct plan_net *n,      \
	    uint32_t i)                                                   \
	{                                                                 \
		return (const record *)(const void *)((const char *)n +   \
						      n->section[SECTION] \
							  .offset) +      \
		       i;                                                 \
	}
PLAN_NET_GETTER(plan_net_service, PLAN_NET_SERVICES, struct plan_net_service)
PLAN_NET_GETTER(plan_net_destination, PLAN_NET_DESTINATIONS,
    struct plan_net_destination)
PLAN_NET_GETTER(plan_net_rule, PLAN_NET_RULES, struct plan_net_rule)
PLAN_NET_GETTER(plan_net_query, PLAN_NET_QUERIES, struct plan_net_query)
PLAN_NET_GETTER(plan_net_range, PLAN_NET_RANGES, struct net_range)
PLAN_NET_GETTER(plan_net_credential, PLAN_NET_CREDENTIALS,
    struct plan_net_credential)
PLAN_NET_GETTER(plan_net_inject, PLAN_NET_INJECTS, struct plan_net_inject)
/* The string at an offset that plan_net_check() has accepted. */
PLAN_NET_GETTER(plan_net_string, PLAN_NET_STRINGS, char)
#undef PLAN_NET_GETTER

/* The name of a method, or of a shape; NULL for another number. */
const char *plan_net_method_name(uint32_t method);
const char *plan_net_shape_name(uint32_t shape);

/*
 * The hash that rules are sorted by: begin with PLAN_NET_HASH_START and add
 * each segment of a path or pattern, with "%XX" as the byte that it stands
 * for.
 */
#define PLAN_NET_HASH_START 0xcbf29ce484222325ull
uint64_t plan_net_hash(uint64_t hash, const char *segment, size_t size);

/* The key of a pattern (NULL: any path), and its segments. */
uint64_t plan_net_key(const char *pattern, uint32_t *ret_depth);

/* A network plan that has nothing, sealed: 8 bytes more than the head. */
void plan_net_init(union plan_net_room *n);

/*
 * Where records have strings.  An origin means nothing: those strings come
 * last.
 */
struct plan_net_field {
	enum plan_net_section section;
	uint32_t offset; /* in the record */
	uint32_t origin; /* 1: only where it was written */
};

extern const struct plan_net_field plan_net_fields[];
extern const size_t plan_net_nfields;

/* Bytes of a record. */
size_t plan_net_record(enum plan_net_section section);

/* Set size and digests; the rest is there.  Call it last. */
void plan_net_seal(struct plan_net *n);

/*
 * Decide whether the "size" bytes at n (8-byte aligned) are whole and
 * well-formed: magic, version, sections in their places, every number in its
 * range, every string inside and ended, hosts and patterns canonical, the
 * order kept, keys and sums right, every service's rules, ranges and
 * credentials its own, digest right.  ERR_CORRUPT with the first defect.
 */
must_check int plan_net_check(const struct plan_net *n, size_t size,
    struct err *e);

/* Whether an authority of the jail's is shown for a destination. */
int plan_net_inspects(const struct plan_net *n, uint32_t destination);

/*
 * Whether a jail that has begun with one plan can be given another one while
 * it runs; both are checked.  ERR_CONFLICT with what would take a new jail: a
 * host to inspect that its authority has no name for, or a credential that it
 * did not begin with, from that source and with that placeholder.
 */
must_check int plan_net_fits(const struct plan_net *first,
    const struct plan_net *next, struct err *e);

#endif /* !PLAN_NET_H */
