/*
 * sse.h: events of a server-sent stream, as the WHATWG's parser reads them.
 * Pure; bounded; bytes come in pieces of any size.
 */
#ifndef SSE_H
#define SSE_H

#include "buf.h"
#include "err.h"

enum {
	SSE_EVENT_MAX = 16 * 1024 * 1024, /* bytes of one event */
	SSE_NAME_MAX = 256,
};

struct sse_event {
	const char *name, *id; /* "" where there is none */
	const char *data; /* ended by NUL */
	size_t size;
};

struct sse {
	struct buf line, data;
	char name[SSE_NAME_MAX], id[SSE_NAME_MAX];
	int had_data;
	int cr; /* the last byte was CR: LF behind it is no line */
};

void sse_init(struct sse *s);
void sse_finish(struct sse *s);

/*
 * Read n bytes; fn is called for each event that is whole, 0 goes on.
 * ERR_LIMIT above the bound; ERR_CONFLICT if fn stopped it.
 */
must_check int sse_read(struct sse *s, const char *p, size_t n,
    int (*fn)(void *arg, const struct sse_event *v), void *arg, struct err *e);

#endif /* !SSE_H */
