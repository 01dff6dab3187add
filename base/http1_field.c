#include <assert.h>
#include <string.h>

#include "http1_parts.h"

/* RFC 9110 section 5.6.3: OWS. */
static int
http1_is_white(char c)
{
	return c == ' ' || c == '\t';
}

static struct http1_slice
http1_trim(const char *p, size_t n)
{
	while (n > 0 && http1_is_white(*p)) {
		p++;
		n--;
	}
	while (n > 0 && http1_is_white(p[n - 1]))
		n--;
	return (struct http1_slice){ p, n };
}

/* Why the bytes before a line's colon are no field name. */
static enum http1_fault
http1_name_fault(const char *p, size_t n)
{
	if (n == 0)
		return HTTP1_FAULT_NAME_EMPTY;
	if (http1_span(p, n, HTTP1_TOKEN) == n)
		return HTTP1_FAULT_NONE;
	return http1_is_white(p[n - 1]) ? HTTP1_FAULT_NAME_SPACE
					: HTTP1_FAULT_NAME;
}

/* RFC 9112 section 5: name ":" OWS value OWS, the name without a space. */
enum http1_fault
http1_line_field(struct http1_head *h)
{
	char *p = h->text + h->line;
	size_t n = h->text_size - h->line;
	char *colon = memchr(p, ':', n);
	struct http1_slice value;
	struct http1_item item;
	enum http1_fault f;

	if (http1_is_white(*p))
		return HTTP1_FAULT_FOLD;
	if (colon == NULL)
		return HTTP1_FAULT_COLON;
	f = http1_name_fault(p, (size_t)(colon - p));
	if (f != HTTP1_FAULT_NONE)
		return f;
	value = http1_trim(colon + 1, n - (size_t)(colon + 1 - p));
	item = (struct http1_item){
		.name = h->line,
		.name_size = (uint32_t)(colon - p),
		.value = (uint32_t)(value.at - h->text),
		.value_size = (uint32_t)value.size,
	};
	*colon = '\0';
	h->text_size = item.value + item.value_size;
	http1_text_add(h, "", 1);
	return http1_item_add(h, &item);
}

size_t
http1_field_bytes(const struct http1_item *item)
{
	return (size_t)item->name_size + 2 + item->value_size;
}

size_t
http1_head_bytes(const struct http1_head *h)
{
	size_t i, n = 2;

	if (h->kind != HTTP1_TRAILERS)
		n += http1_start_bytes(h) + 2;
	for (i = 0; i < h->count; i++)
		n += http1_field_bytes(&h->items[i]) + 2;
	return n;
}

size_t
http1_head_count(const struct http1_head *h)
{
	return h->count;
}

struct http1_field
http1_head_field(const struct http1_head *h, size_t i)
{
	const struct http1_item *item = &h->items[i];

	assert(i < h->count);
	return (struct http1_field){
		.name = h->text + item->name,
		.name_size = item->name_size,
		.value = h->text + item->value,
		.value_size = item->value_size,
	};
}

size_t
http1_head_find(const struct http1_head *h, const char *name, size_t from)
{
	size_t i;

	for (i = from; i < h->count; i++)
		if (http1_same(h->text + h->items[i].name,
			h->items[i].name_size, name))
			return i;
	return HTTP1_NOWHERE;
}

const char *
http1_head_get(const struct http1_head *h, const char *name)
{
	size_t i = http1_head_find(h, name, 0);

	return i == HTTP1_NOWHERE ? NULL : h->text + h->items[i].value;
}

struct http1_slice
http1_list_next(struct http1_slice *list)
{
	while (list->size > 0) {
		const char *comma = memchr(list->at, ',', list->size);
		size_t n =
		    comma != NULL ? (size_t)(comma - list->at) : list->size;
		struct http1_slice s = http1_trim(list->at, n);

		if (comma != NULL)
			n++;
		list->at += n;
		list->size -= n;
		if (s.size > 0)
			return s;
	}
	return (struct http1_slice){ NULL, 0 };
}

int
http1_head_has_token(const struct http1_head *h, const char *name,
    const char *token)
{
	size_t i = http1_head_find(h, name, 0);

	for (; i != HTTP1_NOWHERE; i = http1_head_find(h, name, i + 1)) {
		struct http1_field f = http1_head_field(h, i);
		struct http1_slice list = { f.value, f.value_size }, s;

		while ((s = http1_list_next(&list)).at != NULL)
			if (http1_same(s.at, s.size, token))
				return 1;
	}
	return 0;
}

/*
 * Copy a checked field into the text, if the head may have it: "less" bytes
 * and "fewer" fields will go in exchange.
 */
static enum http1_fault
http1_item_make(struct http1_head *h, const char *name,
    struct http1_slice value, size_t less, size_t fewer, struct http1_item *ret)
{
	struct http1_slice parts[] = { { name, strlen(name) }, value };
	struct http1_item item = {
		.name_size = (uint32_t)parts[0].size,
		.value_size = (uint32_t)value.size,
	};
	enum http1_fault f;

	if (http1_field_bytes(&item) > h->limits.field_bytes)
		return HTTP1_FAULT_FIELD_LONG;
	if (h->count - fewer >= h->limits.fields)
		return HTTP1_FAULT_FIELDS_MANY;
	if (http1_head_bytes(h) - less + http1_field_bytes(&item) + 2 >
	    h->limits.head_bytes)
		return HTTP1_FAULT_HEAD_LONG;
	f = http1_text_copy(h, parts, countof(parts), &item.name);
	if (f != HTTP1_FAULT_NONE)
		return f;
	item.value = item.name + item.name_size + 1;
	*ret = item;
	return HTTP1_FAULT_NONE;
}

/* Whether name and value may be a field at all. */
static enum http1_fault
http1_field_fault(const struct http1_head *h, const char *name,
    const char *value, size_t n)
{
	size_t size = strnlen(name, h->limits.field_bytes + 1);

	if (size + n < n || size + n > h->limits.field_bytes)
		return HTTP1_FAULT_FIELD_LONG;
	if (http1_span(value, n, HTTP1_TEXT) != n)
		return HTTP1_FAULT_CONTROL;
	return http1_name_fault(name, size);
}

int
http1_head_add(struct http1_head *h, const char *name, const char *value,
    size_t value_size, struct err *e)
{
	struct http1_slice v;
	struct http1_item item;
	enum http1_fault f;

	f = http1_field_fault(h, name, value, value_size);
	if (f != HTTP1_FAULT_NONE)
		return http1_refuse(e, f);
	v = http1_trim(value, value_size);
	f = http1_item_make(h, name, v, 0, 0, &item);
	if (f == HTTP1_FAULT_NONE)
		f = http1_item_add(h, &item);
	return f == HTTP1_FAULT_NONE ? 0 : http1_refuse(e, f);
}

/* Put the new item where the first was; the others of its name go. */
int
http1_head_set(struct http1_head *h, const char *name, const char *value,
    size_t value_size, struct err *e)
{
	size_t first = http1_head_find(h, name, 0), i, less = 0, fewer = 0;
	struct http1_item item;
	enum http1_fault f;

	if (first == HTTP1_NOWHERE)
		return http1_head_add(h, name, value, value_size, e);
	f = http1_field_fault(h, name, value, value_size);
	if (f != HTTP1_FAULT_NONE)
		return http1_refuse(e, f);
	for (i = first; i != HTTP1_NOWHERE;
	     i = http1_head_find(h, name, i + 1)) {
		less += http1_field_bytes(&h->items[i]) + 2;
		fewer++;
	}
	f = http1_item_make(h, name, http1_trim(value, value_size), less, fewer,
	    &item);
	if (f != HTTP1_FAULT_NONE)
		return http1_refuse(e, f);
	h->items[first] = item;
	while ((i = http1_head_find(h, h->text + item.name, first + 1)) !=
	       HTTP1_NOWHERE)
		http1_head_remove_at(h, i);
	return 0;
}

void
http1_head_remove_at(struct http1_head *h, size_t i)
{
	assert(i < h->count);
	h->count--;
	memmove(&h->items[i], &h->items[i + 1],
	    (h->count - i) * sizeof(h->items[0]));
}

/* One pass, whatever the number of fields. */
size_t
http1_head_remove(struct http1_head *h, const char *name)
{
	uint32_t i, kept = 0, count = h->count;

	for (i = 0; i < count; i++)
		if (!http1_same(h->text + h->items[i].name,
			h->items[i].name_size, name))
			h->items[kept++] = h->items[i];
	h->count = kept;
	return count - kept;
}

/* RFC 9110 section 7.6.1, and what the hop's authentication is made of. */
static const char *const http1_hop[] = {
	"Connection",
	"HTTP2-Settings",
	"Keep-Alive",
	"Proxy-Authenticate",
	"Proxy-Authentication-Info",
	"Proxy-Authorization",
	"Proxy-Connection",
	"TE",
	"Transfer-Encoding",
	"Upgrade",
};

/*
 * What makes no sense for a whole message behind its content: RFC 9110
 * section 6.5.1, by its reasons.
 */
static const char *const http1_no_trailer[] = {
	/* framing and routing */
	"Content-Length",
	"Forwarded",
	"Host",
	"Trailer",
	"Via",
	"X-Forwarded-For",
	"X-Forwarded-Host",
	"X-Forwarded-Proto",
	/* request modifiers */
	"Cache-Control",
	"Expect",
	"If-Match",
	"If-Modified-Since",
	"If-None-Match",
	"If-Range",
	"If-Unmodified-Since",
	"Max-Forwards",
	"Pragma",
	"Range",
	"X-HTTP-Method",
	"X-HTTP-Method-Override",
	"X-Method-Override",
	/* authentication */
	"Authentication-Info",
	"Authorization",
	"Cookie",
	"Set-Cookie",
	"WWW-Authenticate",
	/* where to go next, and when */
	"Age",
	"Alt-Svc",
	"Date",
	"Expires",
	"Link",
	"Location",
	"Refresh",
	"Retry-After",
	"Strict-Transport-Security",
	"Vary",
	"Warning",
	/* how content is read */
	"Content-Encoding",
	"Content-Range",
	"Content-Type",
};

static int
http1_is_one_of(const char *p, size_t n, const char *const names[],
    size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (http1_same(p, n, names[i]))
			return 1;
	return 0;
}

int
http1_is_hop(const char *name, size_t size)
{
	return http1_is_one_of(name, size, http1_hop, countof(http1_hop));
}

int
http1_is_forbidden_trailer(const char *name, size_t size)
{
	return http1_is_hop(name, size) ||
	       http1_is_one_of(name, size, http1_no_trailer,
		   countof(http1_no_trailer));
}

static int
http1_item_is_hop(const struct http1_head *h, const struct http1_item *item)
{
	return http1_is_hop(h->text + item->name, item->name_size);
}

/*
 * Fields of the table are kept in the first pass, since Connection is one:
 * it must be there until the last field was compared with what it names.
 * (Moving the others forward never overwrites one that is kept.)
 * HTTP1_CONNECTION_MAX bounds the work.
 */
void
http1_head_remove_hop(struct http1_head *h)
{
	uint32_t i, kept = 0;

	for (i = 0; i < h->count; i++)
		if (http1_item_is_hop(h, &h->items[i]) ||
		    !http1_head_has_token(h, "Connection",
			h->text + h->items[i].name))
			h->items[kept++] = h->items[i];
	h->count = kept;
	for (i = kept = 0; i < h->count; i++)
		if (!http1_item_is_hop(h, &h->items[i]))
			h->items[kept++] = h->items[i];
	h->count = kept;
}
