/*
 * http1_parts.h: what the files of the codec share.  Nobody else includes it.
 *
 *	http1.c		tables: faults, reasons, classes of bytes
 *	http1_head.c	bytes to lines, and the memory of a head
 *	http1_start.c	start lines and request targets
 *	http1_field.c	field lines, edits, lists
 *	http1_judge.c	what the fields mean together: facts, framing
 *	http1_body.c	bodies in
 *	http1_write.c	heads and bodies out
 */
#ifndef HTTP1_PARTS_H
#define HTTP1_PARTS_H

#include "http1.h"

/* Classes of bytes, RFC 9110 section 5.5 and 5.6.2, RFC 3986. */
enum {
	HTTP1_TEXT = 1, /* in a line: no control byte but the tab */
	HTTP1_TOKEN = 2, /* tchar */
	HTTP1_URI = 4, /* in a target: visible ASCII but # and \ */
	HTTP1_HOST = 8, /* in a host name */
	HTTP1_HEX = 16,
	HTTP1_DIGIT = 32,
	HTTP1_ALPHA = 64,
};

extern const unsigned char http1_classes[256];

/* How many bytes from p on are all of that class. */
size_t http1_span(const char *p, size_t n, unsigned char class);

static inline int
http1_is(unsigned char c, unsigned char class)
{
	return (http1_classes[c] & class) != 0;
}

/* Whether the slice is the text, without regard to case. */
int http1_same(const char *p, size_t n, const char *text);

/* Record a fault of the table in e; returns -1. */
int http1_refuse(struct err *e, enum http1_fault f);

/* A field in a head's text: offsets and sizes; NUL follows each part. */
struct http1_item {
	uint32_t name, name_size;
	uint32_t value, value_size;
};

/* State of a head. */
enum {
	HTTP1_AT_START,
	HTTP1_AT_FIELDS,
	HTTP1_AT_END,
};

/* Room for n more bytes of text: a fault, or HTTP1_FAULT_NONE. */
enum http1_fault http1_text_room(struct http1_head *h, size_t n);

/* Append bytes, for which there is room. */
void http1_text_add(struct http1_head *h, const void *p, size_t n);

/*
 * Append parts, each with a NUL behind it, and say where the first is.  They
 * may lie in the head's own text: callers make one part from another.
 */
enum http1_fault http1_text_copy(struct http1_head *h,
    const struct http1_slice *parts, size_t count, uint32_t *ret_at);

/*
 * The line that begins at h->line is whole, without its CRLF: take it into
 * the head, as the start line or as a field.
 */
enum http1_fault http1_line_start(struct http1_head *h);
enum http1_fault http1_line_field(struct http1_head *h);

/* Bytes of a start line and of a field, as they are written, without CRLF. */
size_t http1_start_bytes(const struct http1_head *h);
size_t http1_field_bytes(const struct http1_item *item);

/* Of the whole head, as it is written. */
size_t http1_head_bytes(const struct http1_head *h);

/* Judge the head as a whole; ret is set in any case. */
enum http1_fault http1_judge(const struct http1_head *h,
    struct http1_facts *ret);

/* Append a field that was checked; only memory and limits can fail. */
enum http1_fault http1_item_add(struct http1_head *h,
    const struct http1_item *item);

#endif /* !HTTP1_PARTS_H */
