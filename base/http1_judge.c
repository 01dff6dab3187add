#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http1_parts.h"

/* What is found while the fields are looked at, one after the other. */
struct http1_judgement {
	const struct http1_head *head;
	struct http1_facts facts;
	unsigned options; /* in Connection, empty ones too */
	unsigned closes : 1;
	unsigned names_upgrade : 1;
	unsigned has_upgrade : 1;
};

typedef enum http1_fault http1_judge_fn(struct http1_judgement *j,
    struct http1_slice value);

/* RFC 9112 section 3.2: exactly one, and well formed. */
static enum http1_fault
http1_judge_host(struct http1_judgement *j, struct http1_slice v)
{
	struct http1_authority a;

	if (j->facts.has_host)
		return HTTP1_FAULT_HOST_REPEATED;
	j->facts.has_host = 1;
	return http1_authority_split(v.at, v.size, &a) == 0 ? HTTP1_FAULT_NONE
							    : HTTP1_FAULT_HOST;
}

/*
 * RFC 9112 section 6.3, rule 5, without its leniency for lists of equal
 * numbers.  A zero in front is octal to somebody.
 */
static enum http1_fault
http1_judge_length(struct http1_judgement *j, struct http1_slice v)
{
	size_t i;

	if (j->facts.has_length)
		return HTTP1_FAULT_LENGTH_REPEATED;
	if (v.size == 0 || http1_span(v.at, v.size, HTTP1_DIGIT) != v.size ||
	    (v.at[0] == '0' && v.size > 1))
		return HTTP1_FAULT_LENGTH;
	if (v.size > HTTP1_LENGTH_DIGITS_MAX)
		return HTTP1_FAULT_LENGTH_LARGE;
	for (i = 0; i < v.size; i++)
		j->facts.length =
		    j->facts.length * 10 + (uint64_t)(v.at[i] - '0');
	j->facts.has_length = 1;
	return HTTP1_FAULT_NONE;
}

/* RFC 9112 section 6.1: "chunked", once, alone. */
static enum http1_fault
http1_judge_coding(struct http1_judgement *j, struct http1_slice v)
{
	if (j->facts.chunked)
		return HTTP1_FAULT_CODING_REPEATED;
	j->facts.chunked = 1;
	if (http1_same(v.at, v.size, "chunked"))
		return HTTP1_FAULT_NONE;
	return v.size > 0 && http1_span(v.at, v.size, HTTP1_TOKEN) == v.size
		   ? HTTP1_FAULT_CODING_UNKNOWN
		   : HTTP1_FAULT_CODING;
}

/*
 * Fields that a sender must not let the next hop remove: who did so would
 * change where the message goes or where it ends.
 */
static const char *const http1_stay[] = {
	"Content-Length",
	"Host",
	"Transfer-Encoding",
};

static enum http1_fault
http1_judge_option(struct http1_judgement *j, struct http1_slice s)
{
	size_t i;

	if (http1_span(s.at, s.size, HTTP1_TOKEN) != s.size)
		return HTTP1_FAULT_CONNECTION;
	for (i = 0; i < countof(http1_stay); i++)
		if (http1_same(s.at, s.size, http1_stay[i]))
			return HTTP1_FAULT_CONNECTION_FIELD;
	if (http1_same(s.at, s.size, "close"))
		j->closes = 1;
	if (http1_same(s.at, s.size, "upgrade"))
		j->names_upgrade = 1;
	return HTTP1_FAULT_NONE;
}

/* RFC 9110 section 7.6.1.  Commas count: empty elements cost time too. */
static enum http1_fault
http1_judge_connection(struct http1_judgement *j, struct http1_slice v)
{
	enum http1_fault f = HTTP1_FAULT_NONE;
	struct http1_slice s;
	size_t i;

	j->options++;
	for (i = 0; i < v.size; i++)
		j->options += v.at[i] == ',';
	if (j->options > HTTP1_CONNECTION_MAX)
		return HTTP1_FAULT_CONNECTION_MANY;
	while (f == HTTP1_FAULT_NONE && (s = http1_list_next(&v)).at != NULL)
		f = http1_judge_option(j, s);
	return f;
}

/* RFC 9110 section 10.1.1; HTTP/1.0 knows no expectation. */
static enum http1_fault
http1_judge_expect(struct http1_judgement *j, struct http1_slice v)
{
	if (j->head->minor == 0)
		return HTTP1_FAULT_NONE;
	j->facts.wants_continue = 1;
	return http1_same(v.at, v.size, "100-continue") ? HTTP1_FAULT_NONE
							: HTTP1_FAULT_EXPECT;
}

static enum http1_fault
http1_judge_te(struct http1_judgement *j, struct http1_slice v)
{
	struct http1_slice s;

	while ((s = http1_list_next(&v)).at != NULL)
		if (http1_same(s.at, s.size, "trailers"))
			j->facts.wants_trailers = 1;
	return HTTP1_FAULT_NONE;
}

static enum http1_fault
http1_judge_upgrade(struct http1_judgement *j, struct http1_slice v)
{
	j->has_upgrade |= v.size > 0;
	return HTTP1_FAULT_NONE;
}

/* The fields that the codec itself understands. */
static const struct {
	const char *name;
	int requests_only;
	http1_judge_fn *judge;
} http1_judges[] = {
	{ "Host", 1, http1_judge_host },
	{ "Content-Length", 0, http1_judge_length },
	{ "Transfer-Encoding", 0, http1_judge_coding },
	{ "Connection", 0, http1_judge_connection },
	{ "Expect", 1, http1_judge_expect },
	{ "TE", 1, http1_judge_te },
	{ "Upgrade", 0, http1_judge_upgrade },
};

static enum http1_fault
http1_judge_field(struct http1_judgement *j, struct http1_field f)
{
	struct http1_slice value = { f.value, f.value_size };
	size_t i;

	for (i = 0; i < countof(http1_judges); i++) {
		if (!http1_same(f.name, f.name_size, http1_judges[i].name))
			continue;
		if (http1_judges[i].requests_only &&
		    j->head->kind != HTTP1_REQUEST)
			break;
		return http1_judges[i].judge(j, value);
	}
	return HTTP1_FAULT_NONE;
}

/*
 * CONNECT has no content (RFC 9110 section 9.3.6), nor have responses 1xx and
 * 204 (RFC 9112 section 6.3, rule 1): one that announces some is read in two
 * ways.  "Content-Length: 0" says the truth and is common.
 */
static int
http1_has_no_body(const struct http1_head *h)
{
	if (h->kind == HTTP1_REQUEST)
		return strcmp(http1_head_method(h), "CONNECT") == 0;
	return h->status < 200 || h->status == 204;
}

/* What the fields mean together. */
static enum http1_fault
http1_judge_whole(const struct http1_judgement *j)
{
	const struct http1_head *h = j->head;
	const struct http1_facts *f = &j->facts;

	if (h->kind == HTTP1_REQUEST && h->minor > 0 && !f->has_host)
		return HTTP1_FAULT_HOST_MISSING;
	if (f->chunked && h->minor == 0)
		return HTTP1_FAULT_CODING_VERSION;
	if (f->chunked && f->has_length)
		return HTTP1_FAULT_BOTH_LENGTHS;
	if ((f->chunked || f->length > 0) && http1_has_no_body(h))
		return HTTP1_FAULT_BODY_FORBIDDEN;
	return HTTP1_FAULT_NONE;
}

enum http1_fault
http1_judge(const struct http1_head *h, struct http1_facts *ret)
{
	struct http1_judgement j = { .head = h };
	enum http1_fault f = HTTP1_FAULT_NONE;
	size_t i;

	if (h->kind != HTTP1_TRAILERS) {
		for (i = 0; i < h->count && f == HTTP1_FAULT_NONE; i++)
			f = http1_judge_field(&j, http1_head_field(h, i));
		if (f == HTTP1_FAULT_NONE)
			f = http1_judge_whole(&j);
		/* HTTP/1.0's own way to persist is not spoken here. */
		j.facts.persists = h->minor > 0 && !j.closes;
		j.facts.upgrade =
		    h->minor > 0 && j.names_upgrade && j.has_upgrade;
	}
	*ret = j.facts;
	return f;
}

int
http1_head_host(const struct http1_head *h, struct http1_authority *ret)
{
	const char *host = http1_head_get(h, "Host");

	return host == NULL ? -1
			    : http1_authority_split(host, strlen(host), ret);
}

/* RFC 9112 section 6.3, rules 1 and 2; HTTP1_BODY_LENGTH: neither. */
static enum http1_framing
http1_special_framing(const struct http1_head *h, const char *method)
{
	int connects = strcmp(method, "CONNECT") == 0;

	if (h->status == 101 || (connects && h->status / 100 == 2))
		return HTTP1_BODY_TUNNEL;
	if (h->status < 200 || h->status == 204 || h->status == 304 ||
	    strcmp(method, "HEAD") == 0)
		return HTTP1_BODY_NONE;
	return HTTP1_BODY_LENGTH;
}

enum http1_framing
http1_head_framing(const struct http1_head *h, const char *method,
    uint64_t *ret_bytes)
{
	enum http1_framing special = h->kind == HTTP1_RESPONSE
					 ? http1_special_framing(h, method)
					 : HTTP1_BODY_LENGTH;

	*ret_bytes = 0;
	if (special != HTTP1_BODY_LENGTH)
		return special;
	if (h->facts.chunked)
		return HTTP1_BODY_CHUNKED;
	*ret_bytes = h->facts.length;
	if (h->facts.has_length)
		return HTTP1_BODY_LENGTH;
	return h->kind == HTTP1_RESPONSE ? HTTP1_BODY_CLOSE : HTTP1_BODY_NONE;
}

/* The field that says so is set first: a failure must change nothing. */
int
http1_head_set_framing(struct http1_head *h, enum http1_framing f,
    uint64_t bytes, struct err *e)
{
	char digits[24];
	int n;

	switch (f) {
	case HTTP1_BODY_LENGTH:
		n = snprintf(digits, sizeof(digits), "%" PRIu64, bytes);
		if (n > HTTP1_LENGTH_DIGITS_MAX)
			return http1_refuse(e, HTTP1_FAULT_LENGTH_LARGE);
		if (http1_head_set(h, "Content-Length", digits, (size_t)n, e) ==
		    -1)
			return -1;
		(void)http1_head_remove(h, "Transfer-Encoding");
		return 0;
	case HTTP1_BODY_CHUNKED:
		if (http1_head_set(h, "Transfer-Encoding", "chunked", 7, e) ==
		    -1)
			return -1;
		break;
	case HTTP1_BODY_NONE:
	case HTTP1_BODY_CLOSE:
	case HTTP1_BODY_TUNNEL:
		(void)http1_head_remove(h, "Transfer-Encoding");
		break;
	}
	(void)http1_head_remove(h, "Content-Length");
	return 0;
}
