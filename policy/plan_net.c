#include <stdio.h>
#include <string.h>

#include "canon.h"
#include "plan_net.h"

static const char *const methods[] = {
#define X(name) #name,
	PLAN_NET_METHODS(X)
#undef X
};

static const char *const shapes[] = {
#define X(name) #name,
	PLAN_NET_SHAPES(X)
#undef X
};

static const struct {
	const char *name;
	size_t record;
	uint32_t most;
} sections[] = {

#define X(name, record, most) \
	[PLAN_NET_##name] = { #name, sizeof(record), most },
	PLAN_NET_SECTIONS(X)
#undef X
};

enum {
	PATTERN_MAX = 1024, /* bytes of a path or a value */
	WHY_MAX = 4 * 1024, /* 1024 characters */
};

const char *
plan_net_method_name(uint32_t method)
{
	return method < countof(methods) ? methods[method] : NULL;
}

const char *
plan_net_shape_name(uint32_t shape)
{
	return shape < countof(shapes) ? shapes[shape] : NULL;
}

/* ---- keys ----------------------------------------------------------------- */

static uint64_t
hash_byte(uint64_t h, unsigned byte)
{
	return (h ^ byte) * 0x100000001b3ull;
}

static unsigned
hex_value(unsigned char c)
{
	return c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10;
}

/* FNV-1a over the bytes that the segment stands for, a slash in front. */
uint64_t
plan_net_hash(uint64_t hash, const char *segment, size_t size)
{
	size_t i;

	hash = hash_byte(hash, '/');
	for (i = 0; i < size; i++)
		if (segment[i] == '%' && size - i >= 3) {
			hash = hash_byte(hash,
			    (hex_value((unsigned char)segment[i + 1]) << 4 |
				hex_value((unsigned char)segment[i + 2])) &
				0xff);
			i += 2;
		} else
			hash = hash_byte(hash, (unsigned char)segment[i]);
	return hash;
}

uint64_t
plan_net_key(const char *pattern, uint32_t *ret_depth)
{
	uint64_t hash = PLAN_NET_HASH_START;
	uint32_t depth = 0;
	size_t n;

	for (; pattern != NULL && *pattern == '/' && depth < PLAN_NET_DEPTH_MAX;
	     pattern += n, depth++) {
		n = strcspn(++pattern, "/");
		if (memchr(pattern, '*', n) != NULL)
			break;
		hash = plan_net_hash(hash, pattern, n);
	}
	*ret_depth = depth;
	return hash;
}

/* ---- sealing -------------------------------------------------------------- */

const struct plan_net_field plan_net_fields[] = {

#define MEANT(SECTION, record, field)                                          \
	{                                                                      \
		PLAN_NET_##SECTION, offsetof(struct plan_net_##record, field), \
		    0                                                          \
	}
#define ORIGIN(SECTION, record)                                   \
	{                                                         \
		PLAN_NET_##SECTION,                               \
		    offsetof(struct plan_net_##record, origin), 1 \
	}
	MEANT(SERVICES, service, name),
	MEANT(SERVICES, service, ca),
	ORIGIN(SERVICES, service),
	MEANT(DESTINATIONS, destination, host),
	MEANT(RULES, rule, path),
	MEANT(RULES, rule, why),
	ORIGIN(RULES, rule),
	MEANT(QUERIES, query, name),
	MEANT(QUERIES, query, pattern),
	MEANT(CREDENTIALS, credential, name),
	MEANT(CREDENTIALS, credential, source_name),
	MEANT(CREDENTIALS, credential, placeholder_env),
	ORIGIN(CREDENTIALS, credential),
	MEANT(INJECTS, inject, header),
	MEANT(INJECTS, inject, format),
	MEANT(INJECTS, inject, user),
	ORIGIN(INJECTS, inject),
#undef MEANT
#undef ORIGIN
};

const size_t plan_net_nfields = countof(plan_net_fields);

size_t
plan_net_record(enum plan_net_section section)
{
	return sections[section].record;
}

/* Put zero where a record says only where it comes from. */
static void
mask_record(enum plan_net_section section, unsigned char *record)
{
	size_t i;

	for (i = 0; i < plan_net_nfields; i++)
		if (plan_net_fields[i].section == section &&
		    plan_net_fields[i].origin)
			memset(record + plan_net_fields[i].offset, 0,
			    sizeof(net_str));
	if (section == PLAN_NET_RULES)
		memset(record + offsetof(struct plan_net_rule, ordinal), 0,
		    sizeof(uint32_t));
}

enum {
	RECORD_MAX = sizeof(struct plan_net_service)
};

_Static_assert(sizeof(struct plan_net_rule) <= RECORD_MAX &&
		   sizeof(struct plan_net_credential) <= RECORD_MAX &&
		   sizeof(struct plan_net_inject) <= RECORD_MAX,
    "every record fits");

static void
hash_section(struct sha256 *s, const struct plan_net *n,
    enum plan_net_section section)
{
	const unsigned char *at =
	    (const unsigned char *)n + n->section[section].offset;
	size_t size = sections[section].record;
	unsigned char record[RECORD_MAX];
	uint32_t i;

	sha256_update(s, &n->section[section].count, sizeof(uint32_t));
	for (i = 0; i < n->section[section].count; i++, at += size) {
		memcpy(record, at, size);
		mask_record(section, record);
		sha256_update(s, record, size);
	}
}

/* Of what is meant: everything but origins and ordinals. */
static void
net_digest(const struct plan_net *n, unsigned char ret[SHA256_SIZE])
{
	const uint32_t head[] = { n->magic, n->version, n->audit, n->nmeant };
	struct sha256 s;
	unsigned i;

	sha256_init(&s);
	sha256_update(&s, head, sizeof(head));
	for (i = 0; i < PLAN_NET_STRINGS; i++)
		hash_section(&s, n, (enum plan_net_section)i);
	sha256_update(&s, plan_net_string(n, 0), n->nmeant);
	sha256_finish(&s, ret);
}

/* Of every byte but this digest's own. */
static void
net_origins_digest(const struct plan_net *n, unsigned char ret[SHA256_SIZE])
{
	size_t at = offsetof(struct plan_net, origins_digest);
	size_t after = at + SHA256_SIZE;
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, n, at);
	sha256_update(&s, (const char *)n + after, n->size - after);
	sha256_finish(&s, ret);
}

static size_t
round_up(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* Where a section begins, given its predecessors. */
static size_t
section_offset(const struct plan_net *n, unsigned s)
{
	size_t at = sizeof(*n);
	unsigned i;

	for (i = 0; i < s; i++)
		at = round_up(at + n->section[i].count * sections[i].record);
	return round_up(at);
}

void
plan_net_seal(struct plan_net *n)
{
	n->magic = PLAN_NET_MAGIC;
	n->version = PLAN_NET_VERSION;
	n->size = (uint32_t)(section_offset(n, PLAN_NET_STRINGS) +
			     n->section[PLAN_NET_STRINGS].count);
	net_digest(n, n->digest);
	net_origins_digest(n, n->origins_digest);
}

void
plan_net_init(union plan_net_room *n)
{
	unsigned i;

	memset(n, 0, sizeof(n->net) + 8);
	for (i = 0; i < PLAN_NET_SECTION__MAX; i++)
		n->net.section[i].offset = (uint32_t)section_offset(&n->net, i);
	n->net.section[PLAN_NET_STRINGS].count = 1;
	n->net.nmeant = 1;
	plan_net_seal(&n->net);
}

/* ---- checking --------------------------------------------------------------- */

static int
bad(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "network plan: %s", what);
}

static int
bad_record(struct err *e, enum plan_net_section s, uint32_t i, const char *what)
{
	return err_set(e, ERR_CORRUPT, "network plan: %s[%u] %s",
	    sections[s].name, i, what);
}

static int
check_frame(const struct plan_net *n, size_t size, struct err *e)
{
	unsigned i;

	if (size < sizeof(*n) || size > PLAN_NET_SIZE_MAX)
		return bad(e, "its size is wrong");
	if (n->magic != PLAN_NET_MAGIC || n->version != PLAN_NET_VERSION)
		return bad(e, "this is not one, or of another version");
	if (n->reserved != 0)
		return bad(e, "its head is wrong");
	if (n->size != size || n->audit >= PLAN_NET_DECISIONS__MAX)
		return bad(e, "its head is wrong");
	for (i = 0; i < PLAN_NET_SECTION__MAX; i++)
		if (n->section[i].count > sections[i].most ||
		    n->section[i].offset != section_offset(n, i))
			return bad(e, "a section is not in its place");
	if (section_offset(n, PLAN_NET_STRINGS) +
		n->section[PLAN_NET_STRINGS].count !=
	    size)
		return bad(e, "its size is not what it says");
	return 0;
}

/* Between the sections there is nothing, so that one plan has one digest. */
static int
check_gaps(const struct plan_net *n, struct err *e)
{
	const char *base = (const char *)n;
	size_t at, end;
	unsigned i;

	for (i = 0; i + 1 < PLAN_NET_SECTION__MAX; i++) {
		at = n->section[i].offset +
		     n->section[i].count * sections[i].record;
		end = n->section[i + 1].offset;
		for (; at < end; at++)
			if (base[at] != 0)
				return bad(e, "a gap is not zero");
	}
	return 0;
}

static const char *
text_at(const struct plan_net *n, net_str s)
{
	return plan_net_string(n, s);
}

/* An offset is the start of a string. */
static int
is_string(const struct plan_net *n, net_str s)
{
	return s < n->section[PLAN_NET_STRINGS].count &&
	       (s == 0 || *text_at(n, s - 1) == '\0');
}

static int
check_strings(const struct plan_net *n, struct err *e)
{
	uint32_t size = n->section[PLAN_NET_STRINGS].count;

	if (size == 0 || *text_at(n, 0) != '\0' ||
	    *text_at(n, size - 1) != '\0')
		return bad(e, "the strings are not ended");
	if (n->nmeant == 0 || n->nmeant > size ||
	    *text_at(n, n->nmeant - 1) != '\0')
		return bad(e, "the origins are not the last strings");
	return 0;
}

/* What means something lies before the origins, in each record. */
static int
check_fields(const struct plan_net *n, struct err *e)
{
	const char *at;
	uint32_t i, k;
	net_str s;

	for (i = 0; i < plan_net_nfields; i++) {
		const struct plan_net_field *f = &plan_net_fields[i];

		at =
		    (const char *)n + n->section[f->section].offset + f->offset;
		for (k = 0; k < n->section[f->section].count;
		     k++, at += sections[f->section].record) {
			memcpy(&s, at, sizeof(s));
			if (!is_string(n, s))
				return bad_record(e, f->section, k,
				    "has a string outside");
			if (!f->origin && s >= n->nmeant)
				return bad_record(e, f->section, k,
				    "takes an origin for a string");
		}
	}
	return 0;
}

/* A name as form_name wants it. */
static int
is_name(const struct plan_net *n, net_str s)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *text;
	size_t size;

	if (!is_string(n, s))
		return 0;
	text = text_at(n, s);
	size = strlen(text);
	return size > 0 && size <= 64 && strspn(text, set) == size;
}

static int
is_address(const struct net_address *a)
{
	unsigned i;

	for (i = a->family == 4 ? 4 : a->family == 6 ? 16 : 0; i < 16; i++)
		if (a->bytes[i] != 0)
			return 0;
	return a->family == 0 || a->family == 4 || a->family == 6;
}

/* The slice [first, first + count) is the next piece of a section. */
static int
is_next(uint32_t first, uint32_t count, uint32_t *at, uint32_t total)
{
	if (first != *at || count > total - first)
		return 0;
	*at += count;
	return 1;
}

/* Where the service's slices begin, which cover their sections. */
struct slices {
	uint32_t rule, range, inject, query;
};

static const char *
service_defect(const struct plan_net *n, const struct plan_net_service *s,
    struct slices *at)
{
	if (!is_name(n, s->name) || !is_string(n, s->origin) ||
	    !is_string(n, s->ca))
		return "has a bad name or a string outside";
	if (s->protocol >= PLAN_NET_PROTOCOL__MAX || s->inspect > 1 ||
	    s->allow_any > 1 || s->reserved != 0)
		return "has a number out of range";
	if (s->ca != 0 && *text_at(n, s->ca) != '/')
		return "has a ca that is not an absolute path";
	if (!is_address(&s->dial) || s->dial_port > CANON_PORT_MAX ||
	    (s->dial.family == 0) != (s->dial_port == 0))
		return "has a malformed dial";
	if (!is_next(s->first_rule, s->nrules, &at->rule,
		plan_net_count(n, PLAN_NET_RULES)) ||
	    !is_next(s->first_range, s->nranges, &at->range,
		plan_net_count(n, PLAN_NET_RANGES)) ||
	    !is_next(s->first_inject, s->ninjects, &at->inject,
		plan_net_count(n, PLAN_NET_INJECTS)) ||
	    s->ninjects > PLAN_NET_SERVICE_INJECTS_MAX)
		return "has rules, ranges or credentials that are not its own";
	/* What nobody looks into can neither be judged nor be given a token. */
	if (!s->inspect && (s->nrules != 0 || s->ninjects != 0 ||
			       s->body_max_bytes != PLAN_NET_NO_LIMIT))
		return "is not inspected and has what needs it";
	if (s->protocol == PLAN_NET_TCP && s->inspect)
		return "is tcp and inspected";
	return NULL;
}

static int
check_services(const struct plan_net *n, struct err *e)
{
	struct slices at = { 0 };
	const char *last = "", *why;
	uint32_t i;

	for (i = 0; i < plan_net_count(n, PLAN_NET_SERVICES); i++) {
		const struct plan_net_service *s = plan_net_service(n, i);

		if ((why = service_defect(n, s, &at)) != NULL)
			return bad_record(e, PLAN_NET_SERVICES, i, why);
		if (strcmp(last, text_at(n, s->name)) >= 0)
			return bad_record(e, PLAN_NET_SERVICES, i,
			    "is not sorted");
		last = text_at(n, s->name);
	}
	if (at.rule != plan_net_count(n, PLAN_NET_RULES) ||
	    at.range != plan_net_count(n, PLAN_NET_RANGES) ||
	    at.inject != plan_net_count(n, PLAN_NET_INJECTS))
		return bad(e, "a rule, range or credential has no service");
	return 0;
}

static int
is_host_pattern(const char *s)
{
	struct net_address a;

	if (strncmp(s, "*.", 2) != 0)
		return canon_is_host(s);
	return canon_is_host(s + 2) && !canon_host_address(s + 2, &a) &&
	       strchr(s + 2, '.') != NULL;
}

static int
destination_order(const struct plan_net *n,
    const struct plan_net_destination *a, const struct plan_net_destination *b)
{
	int order = strcmp(text_at(n, a->host), text_at(n, b->host));

	if (order != 0)
		return order;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return a->service < b->service ? -1 : a->service > b->service;
}

/* Two that have the same stream must do the same with it. */
static int
same_stream(const struct plan_net *n, const struct plan_net_destination *a,
    const struct plan_net_destination *b)
{
	return a->tls == b->tls &&
	       plan_net_service(n, a->service)->protocol ==
		   plan_net_service(n, b->service)->protocol;
}

static int
check_destinations(const struct plan_net *n, struct err *e)
{
	const struct plan_net_destination *last = NULL;
	uint32_t i;

	for (i = 0; i < plan_net_count(n, PLAN_NET_DESTINATIONS); i++) {
		const struct plan_net_destination *d =
		    plan_net_destination(n, i);

		if (!is_string(n, d->host) ||
		    !is_host_pattern(text_at(n, d->host)))
			return bad_record(e, PLAN_NET_DESTINATIONS, i,
			    "is not a canonical host");
		if (d->port == 0 || d->port > CANON_PORT_MAX ||
		    d->service >= plan_net_count(n, PLAN_NET_SERVICES) ||
		    d->tls >= PLAN_NET_TLS__MAX ||
		    d->open >= PLAN_NET_OPEN__MAX)
			return bad_record(e, PLAN_NET_DESTINATIONS, i,
			    "has a number out of range");
		if (last != NULL && destination_order(n, last, d) >= 0)
			return bad_record(e, PLAN_NET_DESTINATIONS, i,
			    "is not sorted");
		if (last != NULL && last->port == d->port &&
		    strcmp(text_at(n, last->host), text_at(n, d->host)) == 0 &&
		    !same_stream(n, last, d))
			return bad_record(e, PLAN_NET_DESTINATIONS, i,
			    "is another service's with another stream");
		last = d;
	}
	return 0;
}

static const char *
rule_defect(const struct plan_net *n, const struct plan_net_rule *r,
    struct slices *at)
{
	const char *path;
	uint32_t depth;

	if (!is_string(n, r->path) || !is_string(n, r->why) ||
	    !is_string(n, r->origin) || strlen(text_at(n, r->why)) > WHY_MAX)
		return "has a string outside";
	path = r->path == 0 ? NULL : text_at(n, r->path);
	if (r->verdict >= PLAN_NET_VERDICT__MAX || r->methods == 0)
		return "has a number out of range";
	if (path != NULL &&
	    (strlen(path) > PATTERN_MAX || !canon_is_path(path)))
		return "has a path that is not canonical";
	if (plan_net_key(path, &depth) != r->key || depth != r->depth)
		return "has another key than its path";
	if (!is_next(r->first_query, r->nqueries, &at->query,
		plan_net_count(n, PLAN_NET_QUERIES)))
		return "has parameters that are not its own";
	return NULL;
}

/* The rules of one service: sorted, and its sums right. */
static int
check_rules_of(const struct plan_net *n, uint32_t service, struct slices *at,
    struct err *e)
{
	const struct plan_net_service *s = plan_net_service(n, service);
	uint32_t i, m = 0, depths = 0;
	const char *why;

	for (i = s->first_rule; i < s->first_rule + s->nrules; i++) {
		const struct plan_net_rule *r = plan_net_rule(n, i);

		if ((why = rule_defect(n, r, at)) != NULL)
			return bad_record(e, PLAN_NET_RULES, i, why);
		if (r->service != service ||
		    (i > s->first_rule && r[-1].key > r->key))
			return bad_record(e, PLAN_NET_RULES, i,
			    "is not sorted");
		depths |= 1u << r->depth;
		m |= r->verdict == PLAN_NET_DENY ? 0 : r->methods;
	}
	if (depths != s->depths || m != s->methods)
		return bad_record(e, PLAN_NET_SERVICES, service,
		    "has sums that are not its rules'");
	return 0;
}

static int
check_rules(const struct plan_net *n, struct err *e)
{
	struct slices at = { 0 };
	uint32_t i;

	for (i = 0; i < plan_net_count(n, PLAN_NET_SERVICES); i++)
		if (check_rules_of(n, i, &at, e) == -1)
			return -1;
	if (at.query != plan_net_count(n, PLAN_NET_QUERIES))
		return bad(e, "a parameter has no rule");
	for (i = 0; i < plan_net_count(n, PLAN_NET_QUERIES); i++) {
		const struct plan_net_query *q = plan_net_query(n, i);

		if (!is_string(n, q->name) || !is_string(n, q->pattern) ||
		    strlen(text_at(n, q->name)) > PATTERN_MAX ||
		    strlen(text_at(n, q->pattern)) > PATTERN_MAX)
			return bad_record(e, PLAN_NET_QUERIES, i,
			    "has a string outside or too long");
	}
	return 0;
}

static int
check_ranges(const struct plan_net *n, struct err *e)
{
	uint32_t i, bit, most;

	for (i = 0; i < plan_net_count(n, PLAN_NET_RANGES); i++) {
		const struct net_range *r = plan_net_range(n, i);

		most = r->base.family == 4 ? 32 : 128;
		if (r->base.family == 0 || !is_address(&r->base) ||
		    r->prefix > most)
			return bad_record(e, PLAN_NET_RANGES, i,
			    "is not a range");
		for (bit = r->prefix; bit < most; bit++)
			if ((r->base.bytes[bit / 8] & 0x80 >> bit % 8) != 0)
				return bad_record(e, PLAN_NET_RANGES, i,
				    "has bits after its prefix");
	}
	return 0;
}

static const char *
credential_defect(const struct plan_net *n, const struct plan_net_credential *c)
{
	if (!is_name(n, c->name) || !is_string(n, c->origin) ||
	    !is_string(n, c->source_name) || c->source_name == 0 ||
	    !is_string(n, c->placeholder_env))
		return "has a bad name or a string outside";
	if (c->source >= PLAN_NET_SOURCE__MAX ||
	    c->shape >= PLAN_NET_SHAPE__MAX ||
	    c->elsewhere >= PLAN_NET_ELSEWHERE__MAX ||
	    c->from_client >= PLAN_NET_FROM_CLIENT__MAX || c->scrub > 1 ||
	    c->required > 1)
		return "has a number out of range";
	if (c->source == PLAN_NET_SOURCE_FILE &&
	    *text_at(n, c->source_name) != '/')
		return "has a file that is not absolute";
	return NULL;
}

static int
check_credentials(const struct plan_net *n, struct err *e)
{
	const char *last = "", *why;
	uint32_t i;

	for (i = 0; i < plan_net_count(n, PLAN_NET_CREDENTIALS); i++) {
		const struct plan_net_credential *c = plan_net_credential(n, i);

		if ((why = credential_defect(n, c)) == NULL &&
		    strcmp(last, text_at(n, c->name)) >= 0)
			why = "is not sorted";
		if (why != NULL)
			return bad_record(e, PLAN_NET_CREDENTIALS, i, why);
		last = text_at(n, c->name);
	}
	return 0;
}

static int
is_header(const char *s)
{
	size_t size = strlen(s);

	return size > 0 && size <= 64 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

static int
is_format(const char *s)
{
	const char *at = strstr(s, "{}");

	return at != NULL && strstr(at + 2, "{}") == NULL && strlen(s) <= 256;
}

static const char *
inject_defect(const struct plan_net *n, const struct plan_net_inject *i)
{
	if (i->service >= plan_net_count(n, PLAN_NET_SERVICES) ||
	    i->credential >= plan_net_count(n, PLAN_NET_CREDENTIALS) ||
	    i->as >= PLAN_NET_AS__MAX || i->when >= PLAN_NET_WHEN__MAX)
		return "has a number out of range";
	if (!is_string(n, i->header) || !is_string(n, i->format) ||
	    !is_string(n, i->user) || !is_string(n, i->origin))
		return "has a string outside";
	if (!is_header(text_at(n, i->header)) ||
	    (i->as == PLAN_NET_AS_HEADER) != is_format(text_at(n, i->format)))
		return "has a malformed header or format";
	if (i->when == PLAN_NET_WHEN_PLACEHOLDER &&
	    plan_net_credential(n, i->credential)->placeholder_env == 0)
		return "waits for a placeholder that there is not";
	return NULL;
}

static int
check_injects(const struct plan_net *n, struct err *e)
{
	const char *why;
	uint32_t i;

	for (i = 0; i < plan_net_count(n, PLAN_NET_INJECTS); i++) {
		const struct plan_net_inject *j = plan_net_inject(n, i);
		const struct plan_net_service *s;

		if ((why = inject_defect(n, j)) != NULL)
			return bad_record(e, PLAN_NET_INJECTS, i, why);
		s = plan_net_service(n, j->service);
		if (i < s->first_inject || i - s->first_inject >= s->ninjects)
			return bad_record(e, PLAN_NET_INJECTS, i,
			    "is not in its service's place");
	}
	return 0;
}

int
plan_net_check(const struct plan_net *n, size_t size, struct err *e)
{
	unsigned char digest[SHA256_SIZE];

	if (check_frame(n, size, e) == -1 || check_gaps(n, e) == -1 ||
	    check_strings(n, e) == -1 || check_fields(n, e) == -1 ||
	    check_services(n, e) == -1 || check_destinations(n, e) == -1 ||
	    check_rules(n, e) == -1 || check_ranges(n, e) == -1 ||
	    check_credentials(n, e) == -1 || check_injects(n, e) == -1)
		return -1;
	net_digest(n, digest);
	if (memcmp(digest, n->digest, sizeof(digest)) != 0)
		return bad(e, "the digest does not fit the contents");
	net_origins_digest(n, digest);
	if (memcmp(digest, n->origins_digest, sizeof(digest)) != 0)
		return bad(e, "the digest does not fit the origins");
	return 0;
}
