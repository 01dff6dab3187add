#include "dns.h"

#include <string.h>

/*
 * RFC 1035, 4.1, and RFC 6891, 6.1:
 *
 *	message   header 12 | question | answers | authority | additional
 *	header    id 2 | flags 2 | counts of the four sections, 2 each
 *	question  name | type 2 | class 2
 *	record    name | type 2 | class 2 | ttl 4 | length 2 | data
 *	name      (length 1 | label)* | 0, or 2 bytes that point back
 *	OPT       0 | 41 | size 2 | rcode 1, version 1, flags 2 | length | options
 *	option    code 2 | length 2 | data
 */
enum {
	HEADER_BYTES = 12,
	LABEL_MAX = 63,
	NAME_MAX_BYTES = 255,
	TEXT_SIZE = NAME_MAX_BYTES + 1,
	OPT_BYTES = 11, /* before its options */
	POINTER_QUESTION = 0xc000 | HEADER_BYTES,
};

enum {
	FLAG_RESPONSE = 0x8000,
	FLAG_TRUNCATED = 0x0200,
	FLAG_RECURSION_WANTED = 0x0100,
	FLAG_RECURSION = 0x0080,
	FLAG_NO_CHECK = 0x0010, /* CD */
	OPCODE_MASK = 0x7800,
	EDNS_DNSSEC = 0x8000, /* DO, in the OPT's flags */
};

enum {
	TYPE_A = 1,
	TYPE_SOA = 6,
	TYPE_PTR = 12,
	TYPE_AAAA = 28,
	TYPE_OPT = 41,
	TYPE_META = 128, /* questions that are no records, up to ANY */
	TYPE_ANY = 255,
	CLASS_IN = 1,
};

enum {
	RCODE_NOERROR = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	RCODE_BADVERS = 16,
};

/* RFC 8914: what an extended error is called. */
enum {
	OPTION_EXTENDED_ERROR = 15,
	EXTENDED_OTHER = 0,
	EXTENDED_BLOCKED = 15,
};

/* A query that is being read. */
struct query {
	const unsigned char *p;
	size_t n, at;
	uint16_t flags;
	size_t question; /* bytes; 0: not read */
	uint16_t type, class;
	char text[TEXT_SIZE]; /* the name, with dots; see is_text */
	size_t length; /* of the text */
	int is_text; /* each byte printable, and none a dot in a label */
	int edns; /* it has an OPT */
	int version; /* of it */
	uint16_t edns_flags;
};

/* What is said. */
struct reply {
	int rcode;
	enum dns_end end;
	struct net_address address[2];
	size_t naddress;
	const char *pointer; /* host of a PTR record; NULL: none */
	uint16_t why; /* EXTENDED_… */
	const char *reason; /* NULL: none */
};

struct writer {
	unsigned char *p;
	size_t n, room;
	int over;
};

/* ---- reading ---- */

/* -1 if they are not there. */
static int
query_u16(struct query *q, uint16_t *ret)
{
	if (q->n - q->at < 2)
		return -1;
	*ret = (uint16_t)(q->p[q->at] << 8 | q->p[q->at + 1]);
	q->at += 2;
	return 0;
}

static void
query_label(struct query *q, const unsigned char *p, size_t n)
{
	size_t i;

	if (q->length > 0)
		q->text[q->length++] = '.';
	for (i = 0; i < n; i++) {
		if (p[i] <= ' ' || p[i] >= 0x7f || p[i] == '.')
			q->is_text = 0;
		q->text[q->length++] = (char)p[i];
	}
}

/* Labels as they are: the first name of a message has nothing to point to. */
static int
query_name(struct query *q)
{
	size_t begin = q->at, n;

	q->is_text = 1;
	for (;;) {
		if (q->at == q->n)
			return -1;
		n = q->p[q->at++];
		if (n == 0)
			return 0;
		/* with a byte for the root behind it */
		if (n > LABEL_MAX || n > q->n - q->at ||
		    q->at + n - begin >= NAME_MAX_BYTES)
			return -1;
		query_label(q, q->p + q->at, n);
		q->at += n;
	}
}

static int
query_question(struct query *q)
{
	size_t begin = q->at;

	if (query_name(q) == -1 || query_u16(q, &q->type) == -1 ||
	    query_u16(q, &q->class) == -1)
		return -1;
	q->text[q->length] = '\0';
	q->question = q->at - begin;
	return 0;
}

/* The options fill the record exactly; none of them changes the answer. */
static int
query_options(struct query *q)
{
	uint16_t code, length;

	while (q->at < q->n) {
		if (query_u16(q, &code) == -1 || query_u16(q, &length) == -1 ||
		    length > q->n - q->at)
			return -1;
		q->at += length;
	}
	return 0;
}

/* The one record that a query may have, which ends it. */
static int
query_opt(struct query *q)
{
	uint16_t type, size, length, high;

	if (q->at == q->n || q->p[q->at++] != 0 || query_u16(q, &type) == -1 ||
	    type != TYPE_OPT || query_u16(q, &size) == -1 ||
	    query_u16(q, &high) == -1 || query_u16(q, &q->edns_flags) == -1 ||
	    query_u16(q, &length) == -1 || length != q->n - q->at)
		return -1;
	q->edns = 1;
	q->version = high & 0xff;
	/* of another version nothing more is known */
	return q->version != 0 ? 0 : query_options(q);
}

/* 1: not even the answer "malformed" may be given. */
static int
query_is_none(struct query *q)
{
	if (q->n < HEADER_BYTES)
		return 1;
	q->at = 2;
	(void)query_u16(q, &q->flags);
	return (q->flags & FLAG_RESPONSE) != 0;
}

static int
query_read(struct query *q)
{
	uint16_t questions, answers, authority, additional;

	if (q->n > DNS_QUERY_MAX || query_u16(q, &questions) == -1 ||
	    query_u16(q, &answers) == -1 || query_u16(q, &authority) == -1 ||
	    query_u16(q, &additional) == -1)
		return -1;
	if (questions != 1 || answers != 0 || authority != 0 || additional > 1)
		return -1;
	if (query_question(q) == -1 || (additional == 1 && query_opt(q) == -1))
		return -1;
	return q->at == q->n || (q->edns && q->version != 0) ? 0 : -1;
}

/* ---- names of addresses ---- */

struct reverse {
	const char *suffix;
	uint32_t family;
	size_t labels; /* of its own, each the number of one address part */
	unsigned base, most;
};

static const struct reverse reverses[] = {
	{ ".in-addr.arpa", 4, 4, 10, 255 },
	{ ".ip6.arpa", 6, 32, 16, 15 },
};

/* The part of an address that a label spells, in its one spelling; or -1. */
static int
reverse_part(const struct reverse *r, const char *p, size_t n)
{
	unsigned v = 0;
	size_t i;

	if (n == 0 || n > 3 || (n > 1 && (p[0] == '0' || r->base == 16)))
		return -1;
	for (i = 0; i < n; i++) {
		if (p[i] >= '0' && p[i] <= '9')
			v = v * r->base + (unsigned)(p[i] - '0');
		else if (r->base == 16 && p[i] >= 'a' && p[i] <= 'f')
			v = v * r->base + (unsigned)(p[i] - 'a') + 10;
		else
			return -1;
	}
	return v > r->most ? -1 : (int)v;
}

/* The host without the suffix is n bytes; the last part comes first. */
static int
reverse_read(const struct reverse *r, const char *host, size_t n,
    struct net_address *ret)
{
	const char *end = host + n;
	size_t i, length;
	int part;

	*ret = (struct net_address){ .family = r->family };
	for (i = r->labels; i-- > 0;) {
		length = strcspn(host, ".");
		if (host + length > end)
			length = (size_t)(end - host);
		part = reverse_part(r, host, length);
		if (part == -1)
			return -1;
		if (r->family == 4)
			ret->bytes[i] = (unsigned char)part;
		else
			ret->bytes[i / 2] |=
			    (unsigned char)(i % 2 ? part : part << 4);
		host += length;
		if (i > 0 && *host++ != '.')
			return -1;
	}
	return host == end ? 0 : -1;
}

/* 1 if the host is an address's name; *ret, or family 0 if it is of none. */
static int
reverse_of(const char *host, struct net_address *ret)
{
	size_t n = strlen(host), i;

	for (i = 0; i < countof(reverses); i++) {
		const struct reverse *r = &reverses[i];
		size_t s = strlen(r->suffix);

		if (n < s || strcmp(host + n - s, r->suffix) != 0)
			continue;
		if (reverse_read(r, host, n - s, ret) == -1)
			ret->family = 0;
		return 1;
	}
	return 0;
}

/* ---- deciding ---- */

static const struct net_address loopbacks[] = {
	{ .family = 4, .bytes = { 127, 0, 0, 1 } },
	{ .family = 6, .bytes = { [15] = 1 } },
};

static void
reply_end(struct reply *r, enum dns_end end, int rcode)
{
	r->end = end;
	r->rcode = rcode;
}

static void
reply_no_name(struct reply *r)
{
	reply_end(r, DNS_NO_NAME, RCODE_NXDOMAIN);
	r->why = EXTENDED_BLOCKED;
	r->reason = "the policy names no such host";
}

/* One address of the families that were asked for, or no data. */
static void
reply_addresses(const struct dns *d, const struct query *q, struct reply *r,
    const struct net_address both[2])
{
	if (q->type == TYPE_A || q->type == TYPE_ANY)
		r->address[r->naddress++] = both[0];
	if (d->ipv6 && (q->type == TYPE_AAAA || q->type == TYPE_ANY))
		r->address[r->naddress++] = both[1];
	reply_end(r, r->naddress > 0 ? DNS_ANSWERED : DNS_NO_DATA,
	    RCODE_NOERROR);
}

static void
reply_allowed(const struct dns *d, const struct query *q, struct reply *r,
    const char *host)
{
	struct net_address both[2] = { 0 };
	uint32_t number;

	/* only what is answered by an address uses one up */
	if (q->type != TYPE_A && q->type != TYPE_AAAA && q->type != TYPE_ANY) {
		reply_end(r, DNS_NO_DATA, RCODE_NOERROR);
		return;
	}
	if (synthetic_number(d->names, host, &number, NULL) == -1) {
		reply_end(r, DNS_FULL, RCODE_SERVFAIL);
		r->why = EXTENDED_OTHER;
		r->reason = "no address is left for another name";
		return;
	}
	synthetic_address(number, 4, &both[0]);
	synthetic_address(number, 6, &both[1]);
	reply_addresses(d, q, r, both);
}

static void
reply_reverse(const struct dns *d, const struct query *q, struct reply *r,
    const struct net_address *a)
{
	const char *host = NULL;
	size_t i;

	for (i = 0; i < countof(loopbacks); i++) {
		if (a->family == loopbacks[i].family &&
		    memcmp(a->bytes, loopbacks[i].bytes, sizeof(a->bytes)) == 0)
			host = "localhost";
	}
	if (host == NULL)
		host = synthetic_host(d->names, a);
	if (host == NULL) {
		reply_no_name(r);
		return;
	}
	if (q->type == TYPE_PTR || q->type == TYPE_ANY)
		r->pointer = host;
	reply_end(r, r->pointer != NULL ? DNS_ANSWERED : DNS_NO_DATA,
	    RCODE_NOERROR);
}

static int
is_localhost(const char *host)
{
	static const char name[] = "localhost";
	size_t n = strlen(host), k = sizeof(name) - 1;

	return n >= k && strcmp(host + n - k, name) == 0 &&
	       (n == k || host[n - k - 1] == '.');
}

/* The host is canonical, and so in lower case. */
static void
reply_host(const struct dns *d, const struct query *q, struct reply *r,
    const char *host)
{
	struct net_address a;

	if (reverse_of(host, &a))
		reply_reverse(d, q, r, &a);
	else if (is_localhost(host))
		reply_addresses(d, q, r, loopbacks);
	else if (canon_host_address(host, &a) || !d->allowed(d->arg, host))
		reply_no_name(r);
	else
		reply_allowed(d, q, r, host);
}

/* What is asked about a name that may be none of a host. */
static void
reply_name(const struct dns *d, const struct query *q, struct reply *r,
    char host[CANON_HOST_SIZE])
{
	if (q->is_text && canon_host(q->text, q->length, host, NULL) == 0) {
		reply_host(d, q, r, host);
		return;
	}
	host[0] = '\0';
	reply_no_name(r);
}

static void
reply_query(const struct dns *d, const struct query *q, struct reply *r,
    struct dns_result *result)
{
	int is_meta = q->type >= TYPE_META && q->type < TYPE_ANY;

	result->type = q->type;
	if (q->edns && q->version != 0)
		reply_end(r, DNS_UNSUPPORTED, RCODE_BADVERS);
	else if (q->type == TYPE_OPT)
		reply_end(r, DNS_MALFORMED, RCODE_FORMERR);
	else if (q->class != CLASS_IN || is_meta)
		reply_end(r, DNS_UNSUPPORTED, RCODE_REFUSED);
	else if (q->length == 0)
		reply_end(r, DNS_NO_DATA, RCODE_NOERROR);
	else
		reply_name(d, q, r, result->host);
}

/* ---- writing ---- */

static void
put(struct writer *w, const void *p, size_t n)
{
	if (w->over || n > w->room - w->n) {
		w->over = 1;
		return;
	}
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

static void
put_u8(struct writer *w, unsigned v)
{
	unsigned char b = (unsigned char)v;

	put(w, &b, 1);
}

static void
put_u16(struct writer *w, unsigned v)
{
	put_u8(w, v >> 8);
	put_u8(w, v & 0xff);
}

static void
put_u32(struct writer *w, uint32_t v)
{
	put_u16(w, v >> 16);
	put_u16(w, v & 0xffff);
}

/* Up to the length of its data, whose owner is the question's name. */
static void
put_record(struct writer *w, unsigned type, size_t length)
{
	put_u16(w, POINTER_QUESTION);
	put_u16(w, type);
	put_u16(w, CLASS_IN);
	put_u32(w, DNS_TTL_S);
	put_u16(w, (unsigned)length);
}

static void
put_address(struct writer *w, const struct net_address *a)
{
	size_t n = a->family == 4 ? 4 : 16;

	put_record(w, a->family == 4 ? TYPE_A : TYPE_AAAA, n);
	put(w, a->bytes, n);
}

static void
put_pointer(struct writer *w, const char *host)
{
	size_t n;

	/* a length in front of each label, one root: two bytes more */
	put_record(w, TYPE_PTR, strlen(host) + 2);
	for (;; host += n + 1) {
		n = strcspn(host, ".");
		put_u8(w, (unsigned)n);
		put(w, host, n);
		if (host[n] == '\0')
			break;
	}
	put_u8(w, 0);
}

/* That there is nothing may be remembered for some seconds; of the root. */
static void
put_soa(struct writer *w)
{
	put_u8(w, 0);
	put_u16(w, TYPE_SOA);
	put_u16(w, CLASS_IN);
	put_u32(w, DNS_NEGATIVE_TTL_S);
	put_u16(w, 2 + 5 * 4); /* two names, five numbers */
	put_u8(w, 0);
	put_u8(w, 0);
	put_u32(w, 1); /* serial, refresh, retry, expire */
	put_u32(w, DNS_NEGATIVE_TTL_S);
	put_u32(w, DNS_NEGATIVE_TTL_S);
	put_u32(w, DNS_NEGATIVE_TTL_S);
	put_u32(w, DNS_NEGATIVE_TTL_S);
}

static void
put_opt(struct writer *w, const struct query *q, const struct reply *r)
{
	size_t n = r->reason != NULL ? strlen(r->reason) : 0;

	put_u8(w, 0);
	put_u16(w, TYPE_OPT);
	put_u16(w, DNS_QUERY_MAX);
	put_u8(w, (unsigned)r->rcode >> 4);
	put_u8(w, 0); /* our version */
	put_u16(w, q->edns_flags & EDNS_DNSSEC);
	put_u16(w, (unsigned)(n > 0 ? 6 + n : 0));
	if (n == 0)
		return;
	put_u16(w, OPTION_EXTENDED_ERROR);
	put_u16(w, (unsigned)(2 + n));
	put_u16(w, r->why);
	put(w, r->reason, n);
}

static int
is_negative(const struct reply *r)
{
	return r->end == DNS_NO_NAME || r->end == DNS_NO_DATA;
}

/* The whole message, or with cut only what says that there would be more. */
static void
put_message(struct writer *w, const struct query *q, const struct reply *r,
    int cut)
{
	size_t answers = cut ? 0 : r->naddress + (r->pointer != NULL), i;
	int soa = !cut && is_negative(r);

	put(w, q->p, 2);
	put_u16(w, FLAG_RESPONSE |
		       (q->flags & (OPCODE_MASK | FLAG_RECURSION_WANTED |
				       FLAG_NO_CHECK)) |
		       (cut ? FLAG_TRUNCATED : 0) | FLAG_RECURSION |
		       (unsigned)(r->rcode & 0xf));
	put_u16(w, q->question > 0);
	put_u16(w, (unsigned)answers);
	put_u16(w, (unsigned)soa);
	put_u16(w, (unsigned)q->edns);
	put(w, q->p + HEADER_BYTES, q->question);
	for (i = 0; !cut && i < r->naddress; i++)
		put_address(w, &r->address[i]);
	if (!cut && r->pointer != NULL)
		put_pointer(w, r->pointer);
	if (soa)
		put_soa(w);
	if (q->edns)
		put_opt(w, q, r);
}

size_t
dns_answer(const struct dns *d, const void *query, size_t n, unsigned char *ret,
    size_t room, struct dns_result *result)
{
	struct writer w = { .p = ret, .room = room };
	struct query q = { .p = query, .n = n };
	struct reply r = { .end = DNS_SILENT };

	*result = (struct dns_result){ .end = DNS_SILENT };
	if (query_is_none(&q))
		return 0;
	if ((q.flags & OPCODE_MASK) != 0) {
		reply_end(&r, DNS_UNSUPPORTED, RCODE_NOTIMP);
	} else if (query_read(&q) == -1) {
		reply_end(&r, DNS_MALFORMED, RCODE_FORMERR);
		q.question = 0;
		q.edns = 0;
	} else {
		reply_query(d, &q, &r, result);
	}
	result->end = r.end;
	put_message(&w, &q, &r, 0);
	if (w.over) {
		w = (struct writer){ .p = ret, .room = room };
		r.reason = NULL;
		put_message(&w, &q, &r, 1);
	}
	return w.over ? 0 : w.n;
}

/* ---- TCP ---- */

void
dns_frame_init(struct dns_frame *f)
{
	f->have = 0;
}

/* What the first two bytes say; 0 until both are there. */
static size_t
frame_length(const struct dns_frame *f)
{
	return f->have < 2 ? 0 : (size_t)f->bytes[0] << 8 | f->bytes[1];
}

int
dns_frame_push(struct dns_frame *f, const void *p, size_t n, size_t *ret_taken)
{
	const unsigned char *from = p;
	size_t taken = 0, k;

	while (f->have < 2 && taken < n)
		f->bytes[f->have++] = from[taken++];
	*ret_taken = taken;
	if (f->have < 2)
		return 0;
	if (frame_length(f) == 0 || frame_length(f) > DNS_QUERY_MAX)
		return -1;
	k = 2 + frame_length(f) - f->have;
	if (k > n - taken)
		k = n - taken;
	memcpy(f->bytes + f->have, from + taken, k);
	f->have += k;
	*ret_taken = taken + k;
	return f->have == 2 + frame_length(f);
}

const unsigned char *
dns_frame_query(const struct dns_frame *f, size_t *ret_n)
{
	*ret_n = frame_length(f);
	return f->bytes + 2;
}

void
dns_frame_next(struct dns_frame *f)
{
	f->have = 0;
}

void
dns_frame_length(unsigned char ret[2], size_t n)
{
	ret[0] = (unsigned char)(n >> 8);
	ret[1] = (unsigned char)n;
}
