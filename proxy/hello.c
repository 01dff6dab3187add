#include <assert.h>
#include <string.h>

#include "hello.h"
#include "text.h"

/*
 * RFC 8446, 4.1.2 and 5.1:
 *
 *	record      type 1 (22) | version 2 | length 2 | fragment
 *	handshake   type 1 (1)  | length 3  | body
 *	body        version 2 | random 32 | session 1+n | suites 2+n |
 *	            compression 1+n | extensions 2+n
 *	extension   type 2 | data 2+n
 */
enum {
	RECORD_HANDSHAKE = 22,
	RECORD_BYTES = 5,
	RECORD_FRAGMENT_MAX = 16384,
	MESSAGE_HELLO = 1,
	MESSAGE_BYTES = 4,
	RANDOM_BYTES = 32,
	SESSION_MAX = 32,
	EXTENSIONS_MAX = 128, /* kinds in one hello; real ones have under 30 */
	NAME_IS_HOST = 0,
	VERSION_TLS12 = 0x0303,
	VERSION_TLS13 = 0x0304,
};

enum {
	EXT_SERVER_NAME = 0,
	EXT_ALPN = 16,
	EXT_PRE_SHARED_KEY = 41,
	EXT_EARLY_DATA = 42,
	EXT_SUPPORTED_VERSIONS = 43,
	EXT_ECH = 0xfe0d,
	EXT_ESNI = 0xffce, /* its forerunner */
};

/* What is left of the bytes under examination. */
struct span {
	const unsigned char *p;
	size_t n;
};

static int
hello_bad(struct err *e, const char *what)
{
	return err_set(e, ERR_INVALID, "ClientHello: %s", what);
}

/* A number of "bytes" bytes; -1 if they are not there. */
static int
span_number(struct span *s, unsigned bytes, uint32_t *ret)
{
	uint32_t v = 0;

	if (s->n < bytes)
		return -1;
	s->n -= bytes;
	while (bytes-- > 0)
		v = v << 8 | *s->p++;
	*ret = v;
	return 0;
}

/* The n bytes in front. */
static int
span_take(struct span *s, size_t n, struct span *ret)
{
	if (s->n < n)
		return -1;
	*ret = (struct span){ s->p, n };
	s->p += n;
	s->n -= n;
	return 0;
}

/* What its length, a number of "bytes" bytes, announces. */
static int
span_vector(struct span *s, unsigned bytes, struct span *ret)
{
	uint32_t n;

	if (span_number(s, bytes, &n) == -1)
		return -1;
	return span_take(s, n, ret);
}

/* A host name as it is written in TLS: RFC 6066, 3; ASCII, no dot behind. */
static int
hello_name(struct hello_facts *f, const struct span *name, struct err *e)
{
	size_t i;

	if (name->n == 0 || name->n >= HELLO_NAME_MAX)
		return hello_bad(e, "the length of the server name");
	for (i = 0; i < name->n; i++) {
		unsigned char c = name->p[i];

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		else if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
			 c != '-' && c != '.' && c != '_')
			return hello_bad(e, "the server name is no DNS name");
		f->name[i] = (char)c;
	}
	f->name[i] = '\0';
	return 0;
}

/* One name, which is a host's: two could be read in two ways. */
static int
hello_server_name(struct hello_facts *f, struct span data, struct err *e)
{
	struct span list, name;
	uint32_t type;

	if (span_vector(&data, 2, &list) == -1 || data.n > 0 ||
	    span_number(&list, 1, &type) == -1 ||
	    span_vector(&list, 2, &name) == -1)
		return hello_bad(e, "server_name");
	if (list.n > 0 || type != NAME_IS_HOST)
		return hello_bad(e, "more than one server name");
	return hello_name(f, &name, e);
}

static int
span_is(const struct span *s, const char *text)
{
	return s->n == strlen(text) && memcmp(s->p, text, s->n) == 0;
}

static int
hello_alpn(struct hello_facts *f, struct span data, struct err *e)
{
	struct span list, one;
	struct text t;

	text_init(&t, f->alpn, sizeof(f->alpn));
	if (span_vector(&data, 2, &list) == -1 || data.n > 0 || list.n == 0)
		return hello_bad(e, "ALPN");
	while (list.n > 0) {
		if (span_vector(&list, 1, &one) == -1 || one.n == 0)
			return hello_bad(e, "ALPN");
		text_add(&t, t.len > 0 ? "," : "");
		text_add_escaped_bytes(&t, one.p, one.n);
		f->offers_http1 |= span_is(&one, "http/1.1");
		f->offers_h2 |= span_is(&one, "h2");
	}
	f->has_alpn = 1;
	return 0;
}

static int
hello_versions(struct hello_facts *f, struct span data, struct err *e)
{
	struct span list;
	uint32_t v;

	if (span_vector(&data, 1, &list) == -1 || data.n > 0 || list.n == 0)
		return hello_bad(e, "supported_versions");
	f->offers_tls12 = 0;
	while (list.n > 0) {
		if (span_number(&list, 2, &v) == -1)
			return hello_bad(e, "supported_versions");
		f->offers_tls12 |= v == VERSION_TLS12;
		f->offers_tls13 |= v == VERSION_TLS13;
	}
	return 0;
}

static int
hello_extension(struct hello_facts *f, uint32_t type, struct span data,
    struct err *e)
{
	switch (type) {
	case EXT_SERVER_NAME:
		return hello_server_name(f, data, e);
	case EXT_ALPN:
		return hello_alpn(f, data, e);
	case EXT_SUPPORTED_VERSIONS:
		return hello_versions(f, data, e);
	case EXT_EARLY_DATA:
		f->early_data = 1;
		return 0;
	case EXT_ECH:
	case EXT_ESNI:
		f->ech = 1;
		return 0;
	default:
		return 0;
	}
}

static int
hello_is_new(const uint16_t *seen, size_t n, uint32_t type)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (seen[i] == type)
			return 0;
	return 1;
}

/* Each kind once (RFC 8446, 4.2); pre_shared_key only at the end. */
static int
hello_extensions(struct hello_facts *f, struct span list, struct err *e)
{
	uint16_t seen[EXTENSIONS_MAX];
	size_t n = 0;

	while (list.n > 0) {
		struct span data;
		uint32_t type;

		if (span_number(&list, 2, &type) == -1 ||
		    span_vector(&list, 2, &data) == -1)
			return hello_bad(e, "an extension is cut off");
		if (n == countof(seen))
			return hello_bad(e, "too many extensions");
		if (!hello_is_new(seen, n, type))
			return hello_bad(e, "an extension comes twice");
		if (type == EXT_PRE_SHARED_KEY && list.n > 0)
			return hello_bad(e, "pre_shared_key is not the last");
		seen[n++] = (uint16_t)type;
		if (hello_extension(f, type, data, e) == -1)
			return -1;
	}
	return 0;
}

static int
hello_body(struct hello_facts *f, struct span s, struct err *e)
{
	struct span part, suites, compression, extensions = { NULL, 0 };
	uint32_t version;

	if (span_number(&s, 2, &version) == -1 ||
	    span_take(&s, RANDOM_BYTES, &part) == -1 ||
	    span_vector(&s, 1, &part) == -1 || part.n > SESSION_MAX)
		return hello_bad(e, "its beginning");
	if (span_vector(&s, 2, &suites) == -1 || suites.n == 0 ||
	    suites.n % 2 != 0)
		return hello_bad(e, "its cipher suites");
	if (span_vector(&s, 1, &compression) == -1 || compression.n == 0 ||
	    memchr(compression.p, 0, compression.n) == NULL)
		return hello_bad(e, "its compression methods");
	if (s.n > 0 && (span_vector(&s, 2, &extensions) == -1 || s.n > 0))
		return hello_bad(e, "its extensions");
	if (version < 0x0300 || version > 0x03ff)
		return hello_bad(e, "its version");
	f->legacy_version = (uint16_t)version;
	f->offers_tls12 = version >= VERSION_TLS12;
	if (hello_extensions(f, extensions, e) == -1)
		return -1;
	if (!f->has_alpn)
		f->offers_http1 = 1;
	return 0;
}

void
hello_init(struct hello *h)
{
	*h = (struct hello){ 0 };
	buf_init(&h->message, MESSAGE_BYTES + HELLO_BYTES_MAX);
}

void
hello_finish(struct hello *h)
{
	buf_finish(&h->message);
}

static int
hello_check_record(struct hello *h, struct err *e)
{
	h->left = (size_t)(h->header[3] << 8 | h->header[4]);
	h->nheader = 0;
	if (h->left == 0 || h->left > RECORD_FRAGMENT_MAX)
		return hello_bad(e, "the length of a record");
	if (++h->nrecords > HELLO_RECORDS_MAX)
		return err_set(e, ERR_LIMIT,
		    "a ClientHello in more than %d records", HELLO_RECORDS_MAX);
	return 0;
}

/* The n-th byte of a record's header; the very first one decides. */
static int
hello_check_header(struct hello *h, unsigned n, struct err *e)
{
	if (n == 0 && h->header[0] != RECORD_HANDSHAKE)
		return h->nrecords == 0
			   ? err_set(e, ERR_UNSUPPORTED, "this is not TLS")
			   : hello_bad(e, "another record in the middle");
	if (n == 1 && h->header[1] != 3)
		return h->nrecords == 0
			   ? err_set(e, ERR_UNSUPPORTED, "this is not TLS")
			   : hello_bad(e, "the version of a record");
	return n == RECORD_BYTES - 1 ? hello_check_record(h, e) : 0;
}

static int
hello_check_message(struct hello *h, struct err *e)
{
	const unsigned char *m = buf_bytes(&h->message);
	size_t n;

	if (buf_size(&h->message) > 0 && m[0] != MESSAGE_HELLO)
		return hello_bad(e, "another message comes first");
	if (buf_size(&h->message) < MESSAGE_BYTES || h->want > 0)
		return 0;
	n = (size_t)(m[1] << 16 | m[2] << 8 | m[3]);
	if (n > HELLO_BYTES_MAX)
		return err_set(e, ERR_LIMIT,
		    "a ClientHello of %zu bytes, at most %d", n,
		    HELLO_BYTES_MAX);
	h->want = MESSAGE_BYTES + n;
	return 0;
}

/*
 * Up to n bytes of the record's fragment, first those that say how long the
 * message is; how many there were, or -1.
 */
static ssize_t
hello_fragment(struct hello *h, const unsigned char *p, size_t n, struct err *e)
{
	size_t held = buf_size(&h->message);
	size_t need = (h->want > 0 ? h->want : MESSAGE_BYTES) - held;

	if (n > h->left)
		n = h->left;
	if (n > need)
		n = need;
	if (buf_append(&h->message, p, n, e) == -1)
		return -1;
	h->left -= n;
	if (hello_check_message(h, e) == -1)
		return -1;
	return (ssize_t)n;
}

/* A further message in the same record: RFC 8446, 5.1 forbids it. */
static int
hello_parse(struct hello *h, struct err *e)
{
	const unsigned char *m = buf_bytes(&h->message);
	struct span body = { m + MESSAGE_BYTES, h->want - MESSAGE_BYTES };

	h->over = 1;
	if (h->left > 0)
		return hello_bad(e, "something follows in its record");
	if (hello_body(&h->facts, body, e) == -1)
		return -1;
	buf_finish(&h->message);
	return 0;
}

static int
hello_step(struct hello *h, const unsigned char **p, size_t *n, struct err *e)
{
	ssize_t taken = 1;

	if (h->left == 0) {
		h->header[h->nheader] = **p;
		if (hello_check_header(h, h->nheader++, e) == -1)
			return -1;
	} else {
		taken = hello_fragment(h, *p, *n, e);
	}
	if (taken == -1)
		return -1;
	*p += taken;
	*n -= (size_t)taken;
	return 0;
}

int
hello_push(struct hello *h, const void *bytes, size_t n, enum hello_status *ret,
    struct err *e)
{
	const unsigned char *p = bytes;

	assert(!h->over);
	while (n > 0 && (h->want == 0 || buf_size(&h->message) < h->want))
		if (hello_step(h, &p, &n, e) == -1) {
			h->over = 1;
			return -1;
		}
	if (h->want == 0 || buf_size(&h->message) < h->want) {
		*ret = HELLO_MORE;
		return 0;
	}
	if (hello_parse(h, e) == -1)
		return -1;
	*ret = HELLO_DONE;
	return 0;
}
