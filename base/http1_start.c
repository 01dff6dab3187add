#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http1_parts.h"

/* RFC 9112 section 2.3: HTTP/1.1 or HTTP/1.0, in capitals, nothing behind. */
static enum http1_fault
http1_version(const char *p, size_t n, unsigned *ret_minor)
{
	if (n != 8 || memcmp(p, "HTTP/", 5) != 0 ||
	    !http1_is((unsigned char)p[5], HTTP1_DIGIT) || p[6] != '.' ||
	    !http1_is((unsigned char)p[7], HTTP1_DIGIT))
		return HTTP1_FAULT_VERSION_SYNTAX;
	if (p[5] != '1' || p[7] > '1')
		return HTTP1_FAULT_VERSION;
	*ret_minor = (unsigned)(p[7] - '0');
	return HTTP1_FAULT_NONE;
}

/* One to five digits without a zero before them: 1 to 65535, or 0. */
static unsigned
http1_port(const char *p, size_t n)
{
	unsigned v = 0;
	size_t i;

	if (n == 0 || n > 5 || p[0] == '0' ||
	    http1_span(p, n, HTTP1_DIGIT) != n)
		return 0;
	for (i = 0; i < n; i++)
		v = v * 10 + (unsigned)(p[i] - '0');
	return v <= 65535 ? v : 0;
}

/* The bytes of a host at the start of s, 0 if there is none. */
static size_t
http1_host_size(const char *s, size_t n)
{
	size_t i;

	if (n == 0 || s[0] != '[')
		return http1_span(s, n, HTTP1_HOST);
	for (i = 1; i < n && s[i] != ']'; i++)
		if (!http1_is((unsigned char)s[i], HTTP1_HEX) && s[i] != ':' &&
		    s[i] != '.')
			return 0;
	return i > 1 && i < n ? i + 1 : 0;
}

int
http1_authority_split(const char *s, size_t n, struct http1_authority *ret)
{
	size_t k = http1_host_size(s, n);
	struct http1_authority a = { .host = { s, k } };

	if (k == 0)
		return -1;
	if (k < n) {
		a.port = s[k] == ':' ? http1_port(s + k + 1, n - k - 1) : 0;
		if (a.port == 0)
			return -1;
	}
	*ret = a;
	return 0;
}

static void
http1_path_split(const char *p, size_t n, struct http1_target *t)
{
	const char *query = n > 0 ? memchr(p, '?', n) : NULL;

	t->path = (struct http1_slice){ p, n };
	if (query == NULL)
		return;
	t->path.size = (size_t)(query - p);
	t->query = (struct http1_slice){ query + 1, n - t->path.size - 1 };
}

static enum http1_fault
http1_absolute_split(const char *p, size_t n, struct http1_target *t)
{
	const char *colon = memchr(p, ':', n), *end = p + n;
	size_t i, k;

	if (colon == NULL || colon == p || end - colon < 3 ||
	    memcmp(colon, "://", 3) != 0 ||
	    !http1_is((unsigned char)p[0], HTTP1_ALPHA))
		return HTTP1_FAULT_TARGET_FORM;
	t->scheme = (struct http1_slice){ p, (size_t)(colon - p) };
	for (i = 0; i < t->scheme.size; i++)
		if (!http1_is((unsigned char)p[i], HTTP1_ALPHA | HTTP1_DIGIT) &&
		    strchr("+-.", p[i]) == NULL)
			return HTTP1_FAULT_TARGET_FORM;
	p = colon + 3;
	for (k = 0; p + k < end && p[k] != '/' && p[k] != '?'; k++)
		continue;
	if (http1_authority_split(p, k, &t->authority) == -1)
		return HTTP1_FAULT_AUTHORITY;
	http1_path_split(p + k, (size_t)(end - p) - k, t);
	return HTTP1_FAULT_NONE;
}

/* RFC 9112 section 3.2, with the method that each form belongs to. */
static enum http1_fault
http1_target_split(const char *method, const char *p, size_t n,
    struct http1_target *ret)
{
	struct http1_target t = { .form = HTTP1_ORIGIN };
	enum http1_fault f = HTTP1_FAULT_NONE;

	if (n == 0 || http1_span(p, n, HTTP1_URI) != n)
		return HTTP1_FAULT_TARGET;
	if (strcmp(method, "CONNECT") == 0) {
		t.form = HTTP1_AUTHORITY;
		if (http1_authority_split(p, n, &t.authority) == -1 ||
		    t.authority.port == 0)
			f = HTTP1_FAULT_AUTHORITY;
	} else if (p[0] == '/') {
		http1_path_split(p, n, &t);
	} else if (n == 1 && p[0] == '*') {
		t.form = HTTP1_ASTERISK;
		t.path = (struct http1_slice){ p, n };
		if (strcmp(method, "OPTIONS") != 0)
			f = HTTP1_FAULT_TARGET_FORM;
	} else {
		t.form = HTTP1_ABSOLUTE;
		f = http1_absolute_split(p, n, &t);
	}
	if (f == HTTP1_FAULT_NONE)
		*ret = t;
	return f;
}

/* The line is cut at the spaces: the parts end in NUL where they lie. */
static enum http1_fault
http1_request_line(struct http1_head *h, char *p, size_t n)
{
	char *method_end = memchr(p, ' ', n), *target_end = memrchr(p, ' ', n);
	struct http1_target target;
	enum http1_fault f;

	if (method_end == NULL)
		return HTTP1_FAULT_START;
	if (method_end == p ||
	    http1_span(p, n, HTTP1_TOKEN) != (size_t)(method_end - p))
		return HTTP1_FAULT_METHOD;
	if (method_end - p > HTTP1_METHOD_MAX)
		return HTTP1_FAULT_METHOD_LONG;
	if (method_end == target_end)
		return HTTP1_FAULT_VERSION_MISSING;
	f = http1_version(target_end + 1, n - (size_t)(target_end + 1 - p),
	    &h->minor);
	if (f != HTTP1_FAULT_NONE)
		return f;
	*method_end = *target_end = '\0';
	h->first = (uint32_t)(p - h->text);
	h->target = (uint32_t)(method_end + 1 - h->text);
	h->text_size = (uint32_t)(target_end + 1 - h->text);
	return http1_target_split(p, method_end + 1,
	    (size_t)(target_end - method_end - 1), &target);
}

/*
 * The reason may be empty, and the space before it missing: many servers
 * leave it out, and nothing depends on it.
 */
static enum http1_fault
http1_status_line(struct http1_head *h, char *p, size_t n)
{
	enum http1_fault f = http1_version(p, n < 8 ? n : 8, &h->minor);
	unsigned status;

	if (f != HTTP1_FAULT_NONE)
		return f;
	if (n < 12 || p[8] != ' ' || http1_span(p + 9, 3, HTTP1_DIGIT) != 3 ||
	    (n > 12 && p[12] != ' '))
		return HTTP1_FAULT_STATUS;
	status =
	    (unsigned)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
	if (status < 100 || status > 599)
		return HTTP1_FAULT_STATUS;
	h->status = status;
	h->first = (uint32_t)(p + (n > 12 ? 13 : 12) - h->text);
	p[n] = '\0';
	h->text_size++;
	return HTTP1_FAULT_NONE;
}

enum http1_fault
http1_line_start(struct http1_head *h)
{
	char *p = h->text + h->line;
	size_t n = h->text_size - h->line;

	return h->kind == HTTP1_REQUEST ? http1_request_line(h, p, n)
					: http1_status_line(h, p, n);
}

const char *
http1_head_method(const struct http1_head *h)
{
	assert(h->kind == HTTP1_REQUEST && h->state != HTTP1_AT_START);
	return h->text + h->first;
}

const char *
http1_head_target(const struct http1_head *h)
{
	assert(h->kind == HTTP1_REQUEST && h->state != HTTP1_AT_START);
	return h->text + h->target;
}

const char *
http1_head_reason(const struct http1_head *h)
{
	assert(h->kind == HTTP1_RESPONSE && h->state != HTTP1_AT_START);
	return h->text + h->first;
}

size_t
http1_start_bytes(const struct http1_head *h)
{
	static const char version[] = "HTTP/1.1";

	switch (h->kind) {
	case HTTP1_REQUEST:
		return strlen(h->text + h->first) + 1 +
		       strlen(h->text + h->target) + sizeof(version);
	case HTTP1_RESPONSE:
		return sizeof(version) + 4 + strlen(h->text + h->first);
	case HTTP1_TRAILERS:
		break;
	}
	return 0;
}

void
http1_head_split(const struct http1_head *h, struct http1_target *ret)
{
	const char *target = http1_head_target(h);

	if (http1_target_split(http1_head_method(h), target, strlen(target),
		ret) != HTTP1_FAULT_NONE)
		abort(); /* it was split before */
}

/*
 * Read a start line as if it had come, into an empty head.  The parts have no
 * line end and only the last may have a space, so they stay what they are.
 * They go into the head directly: a target may carry a secret.
 */
static int
http1_make(struct http1_head *h, const char *const parts[], size_t count,
    struct err *e)
{
	enum http1_fault f;
	size_t i, used;

	http1_head_reset(h);
	for (i = 0; i < count; i++)
		(void)http1_head_read(h, parts[i], strlen(parts[i]), &used);
	f = h->fault;
	if (f == HTTP1_FAULT_NONE && h->state != HTTP1_AT_FIELDS)
		f = HTTP1_FAULT_START;
	if (f != HTTP1_FAULT_NONE) {
		http1_head_reset(h);
		return http1_refuse(e, f);
	}
	h->state = HTTP1_AT_END;
	return 0;
}

int
http1_head_make_request(struct http1_head *h, const char *method,
    const char *target, struct err *e)
{
	const char *parts[] = { method, " ", target, " HTTP/1.1", "\r\n" };

	assert(h->kind == HTTP1_REQUEST);
	if (method[strcspn(method, " \r\n")] != '\0')
		return http1_refuse(e, HTTP1_FAULT_METHOD);
	if (target[strcspn(target, " \r\n")] != '\0')
		return http1_refuse(e, HTTP1_FAULT_TARGET);
	return http1_make(h, parts, countof(parts), e);
}

int
http1_head_make_response(struct http1_head *h, unsigned status,
    const char *reason, struct err *e)
{
	char first[32];
	const char *parts[] = { first, NULL, "\r\n" };

	assert(h->kind == HTTP1_RESPONSE);
	parts[1] = reason != NULL ? reason : http1_reason(status);
	if (parts[1][strcspn(parts[1], "\r\n")] != '\0')
		return http1_refuse(e, HTTP1_FAULT_CONTROL);
	(void)snprintf(first, sizeof(first), "HTTP/1.1 %03u ", status);
	return http1_make(h, parts, countof(parts), e);
}

int
http1_head_set_target(struct http1_head *h, const char *target, struct err *e)
{
	size_t n = strlen(target), old = strlen(http1_head_target(h));
	struct http1_target parts;
	enum http1_fault f =
	    http1_target_split(http1_head_method(h), target, n, &parts);

	if (f == HTTP1_FAULT_NONE &&
	    http1_start_bytes(h) - old + n > h->limits.start_bytes)
		f = HTTP1_FAULT_START_LONG;
	if (f == HTTP1_FAULT_NONE &&
	    http1_head_bytes(h) - old + n > h->limits.head_bytes)
		f = HTTP1_FAULT_HEAD_LONG;
	if (f == HTTP1_FAULT_NONE)
		f = http1_text_copy(h, &(struct http1_slice){ target, n }, 1,
		    &h->target);
	return f == HTTP1_FAULT_NONE ? 0 : http1_refuse(e, f);
}
