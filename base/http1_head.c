#include <assert.h>
#include <string.h>

#include "http1_parts.h"

/*
 * A head's text holds, each part ended by NUL:
 *
 *	method NUL target NUL name NUL value NUL name NUL value NUL ...
 *	reason NUL            name NUL value NUL ...
 *
 * A line is appended as it comes, and split where it lies when its CRLF has
 * come; what is added later goes to the end.
 *
 *	START --line--> FIELDS --line--> FIELDS --empty line--> END
 *	TRAILERS begin at FIELDS
 */

enum {
	HTTP1_FIRST_ROOM = 1024, /* bytes of the first allocation of text */
	HTTP1_LIMIT_MAX = 16 << 20, /* of any limit: offsets are 32 bits */
};

static void
http1_limits_check(const struct http1_limits *l)
{
	assert(l->start_bytes <= HTTP1_LIMIT_MAX);
	assert(l->field_bytes <= HTTP1_LIMIT_MAX);
	assert(l->fields <= HTTP1_LIMIT_MAX);
	assert(l->head_bytes <= HTTP1_LIMIT_MAX);
	assert(l->trailers <= HTTP1_LIMIT_MAX);
	assert(l->trailer_bytes <= HTTP1_LIMIT_MAX);
	assert(l->chunk_ext_bytes <= HTTP1_LIMIT_MAX);
}

void
http1_head_init(struct http1_head *h, enum http1_kind kind,
    const struct http1_limits *limits)
{
	*h = (struct http1_head){ .kind = kind };
	h->limits = limits != NULL ? *limits : http1_limits_default;
	http1_limits_check(&h->limits);
	if (kind == HTTP1_TRAILERS) {
		h->limits.fields = h->limits.trailers;
		h->limits.head_bytes = h->limits.trailer_bytes;
		h->state = HTTP1_AT_FIELDS;
	}
}

static void
http1_text_wipe(struct http1_head *h)
{
	if (h->text != NULL)
		explicit_bzero(h->text, h->text_size);
}

void
http1_head_reset(struct http1_head *h)
{
	struct http1_head old = *h;

	http1_text_wipe(h);
	*h = (struct http1_head){
		.kind = old.kind,
		.limits = old.limits,
		.text = old.text,
		.text_room = old.text_room,
		.items = old.items,
		.room = old.room,
		.state = old.kind == HTTP1_TRAILERS ? HTTP1_AT_FIELDS
						    : HTTP1_AT_START,
	};
}

void
http1_head_finish(struct http1_head *h)
{
	http1_head_reset(h);
	free(h->text);
	free(h->items);
	h->text = NULL;
	h->items = NULL;
	h->text_room = h->room = 0;
}

/* Not realloc: what is given back must be wiped. */
static enum http1_fault
http1_text_grow(struct http1_head *h, size_t room)
{
	char *p = malloc(room);

	if (p == NULL)
		return HTTP1_FAULT_MEMORY;
	if (h->text_size > 0)
		memcpy(p, h->text, h->text_size);
	http1_text_wipe(h);
	free(h->text);
	h->text = p;
	h->text_room = (uint32_t)room;
	return HTTP1_FAULT_NONE;
}

enum http1_fault
http1_text_room(struct http1_head *h, size_t n)
{
	size_t max = 2 * (size_t)h->limits.head_bytes;
	size_t room = h->text_room > 0 ? h->text_room : HTTP1_FIRST_ROOM;

	if (n <= h->text_room - h->text_size)
		return HTTP1_FAULT_NONE;
	if (n > max || h->text_size > max - n)
		return HTTP1_FAULT_HEAD_LONG;
	while (room < h->text_size + n)
		room *= 2;
	return http1_text_grow(h, room < max ? room : max);
}

void
http1_text_add(struct http1_head *h, const void *p, size_t n)
{
	assert(n <= h->text_room - h->text_size);
	memcpy(h->text + h->text_size, p, n);
	h->text_size += (uint32_t)n;
}

/* What lay in the old text lies at the same distance in the new one. */
static const char *
http1_text_rebase(const struct http1_head *h, const char *p, uintptr_t old,
    size_t old_size)
{
	uintptr_t from = (uintptr_t)p;

	return from >= old && from < old + old_size ? h->text + (from - old)
						    : p;
}

enum http1_fault
http1_text_copy(struct http1_head *h, const struct http1_slice *parts,
    size_t count, uint32_t *ret_at)
{
	uintptr_t old = (uintptr_t)h->text;
	size_t old_size = h->text_size, n = 0, i;
	enum http1_fault f;

	for (i = 0; i < count; i++)
		n += parts[i].size + 1;
	f = http1_text_room(h, n);
	if (f != HTTP1_FAULT_NONE)
		return f;
	*ret_at = h->text_size;
	for (i = 0; i < count; i++) {
		http1_text_add(h,
		    http1_text_rebase(h, parts[i].at, old, old_size),
		    parts[i].size);
		http1_text_add(h, "", 1);
	}
	return HTTP1_FAULT_NONE;
}

enum http1_fault
http1_item_add(struct http1_head *h, const struct http1_item *item)
{
	if (h->count == h->limits.fields)
		return HTTP1_FAULT_FIELDS_MANY;
	if (h->count == h->room) {
		uint32_t room = h->room > 0 ? 2 * h->room : 16;
		struct http1_item *p = reallocarray(h->items, room, sizeof(*p));

		if (p == NULL)
			return HTTP1_FAULT_MEMORY;
		h->items = p;
		h->room = room;
	}
	h->items[h->count++] = *item;
	return HTTP1_FAULT_NONE;
}

/* Bytes that belong to a line: as many as its limits allow, or a fault. */
static enum http1_fault
http1_take_text(struct http1_head *h, const char *p, size_t n)
{
	int start = h->state == HTTP1_AT_START;
	size_t max = start ? h->limits.start_bytes : h->limits.field_bytes;
	size_t line = h->text_size - h->line;
	size_t left = h->limits.head_bytes - h->bytes;
	enum http1_fault f;

	/* By whichever limit the bytes would reach first, one by one. */
	if (line + n > max && max <= left)
		return start ? HTTP1_FAULT_START_LONG : HTTP1_FAULT_FIELD_LONG;
	if (line + n > left)
		return HTTP1_FAULT_HEAD_LONG;
	f = http1_text_room(h, n + 1); /* a NUL will end the line */
	if (f != HTTP1_FAULT_NONE)
		return f;
	http1_text_add(h, p, n);
	return HTTP1_FAULT_NONE;
}

static enum http1_fault
http1_take_end(struct http1_head *h)
{
	if (h->state == HTTP1_AT_START)
		return HTTP1_FAULT_EMPTY_LINE;
	h->bytes += 2;
	if (h->bytes > h->limits.head_bytes)
		return HTTP1_FAULT_HEAD_LONG;
	h->state = HTTP1_AT_END;
	return http1_judge(h, &h->facts);
}

/*
 * A line is whole.  What counts is the longer of what came and of what would
 * be written for it, so that a head that was read can always be written.
 */
static enum http1_fault
http1_take_line(struct http1_head *h)
{
	int start = h->state == HTTP1_AT_START;
	size_t raw = h->text_size - h->line, size;
	enum http1_fault f;

	if (raw == 0)
		return http1_take_end(h);
	f = start ? http1_line_start(h) : http1_line_field(h);
	if (f != HTTP1_FAULT_NONE)
		return f;
	size = start ? http1_start_bytes(h)
		     : http1_field_bytes(&h->items[h->count - 1]);
	if (start && size > h->limits.start_bytes)
		return HTTP1_FAULT_START_LONG;
	if (!start && size > h->limits.field_bytes)
		return HTTP1_FAULT_FIELD_LONG;
	h->bytes += (uint32_t)(size > raw ? size : raw) + 2;
	h->line = h->text_size;
	h->state = HTTP1_AT_FIELDS;
	return h->bytes > h->limits.head_bytes ? HTTP1_FAULT_HEAD_LONG
					       : HTTP1_FAULT_NONE;
}

/* One byte that is not text, or any that follows CR. */
static enum http1_fault
http1_take_control(struct http1_head *h, char c)
{
	if (h->cr) {
		h->cr = 0;
		return c == '\n' ? http1_take_line(h) : HTTP1_FAULT_BARE_CR;
	}
	if (c == '\n')
		return HTTP1_FAULT_BARE_LF;
	h->cr = c == '\r';
	return h->cr ? HTTP1_FAULT_NONE : HTTP1_FAULT_CONTROL;
}

enum http1_got
http1_head_read(struct http1_head *h, const void *p, size_t n, size_t *ret_used)
{
	const char *s = p;
	size_t used = 0;

	while (used < n && h->fault == HTTP1_FAULT_NONE &&
	       h->state != HTTP1_AT_END) {
		size_t k =
		    h->cr ? 0 : http1_span(s + used, n - used, HTTP1_TEXT);

		if (k > 0) {
			h->fault = http1_take_text(h, s + used, k);
			used += k;
		} else {
			h->fault = http1_take_control(h, s[used++]);
		}
	}
	*ret_used = used;
	if (h->fault != HTTP1_FAULT_NONE)
		return HTTP1_REFUSED;
	return h->state == HTTP1_AT_END ? HTTP1_DONE : HTTP1_MORE;
}

int
http1_head_is_empty(const struct http1_head *h)
{
	return h->text_size == 0 && !h->cr && h->fault == HTTP1_FAULT_NONE &&
	       h->state != HTTP1_AT_END;
}
