#include "sse.h"

#include <stdio.h>
#include <string.h>

void
sse_init(struct sse *s)
{
	*s = (struct sse){ 0 };
	buf_init(&s->line, SSE_EVENT_MAX);
	buf_init(&s->data, SSE_EVENT_MAX);
}

void
sse_finish(struct sse *s)
{
	buf_finish(&s->line);
	buf_finish(&s->data);
}

static int
sse_data(struct sse *s, const char *value, size_t n, struct err *e)
{
	if (s->had_data && buf_append(&s->data, "\n", 1, e) == -1)
		return -1;
	s->had_data = 1;
	return buf_append(&s->data, value, n, e);
}

/* name: value, of n bytes. */
static int
sse_field(struct sse *s, const char *line, size_t n, struct err *e)
{
	const char *colon = memchr(line, ':', n);
	size_t name = colon != NULL ? (size_t)(colon - line) : n;
	const char *value = colon != NULL ? colon + 1 : line + n;
	size_t size = n - (size_t)(value - line);

	if (size > 0 && *value == ' ') {
		value++;
		size--;
	}
	if (name == 4 && memcmp(line, "data", 4) == 0)
		return sse_data(s, value, size, e);
	if (name == 5 && memcmp(line, "event", 5) == 0)
		(void)snprintf(s->name, sizeof(s->name), "%.*s", (int)size,
		    value);
	if (name == 2 && memcmp(line, "id", 2) == 0 &&
	    memchr(value, '\0', size) == NULL)
		(void)snprintf(s->id, sizeof(s->id), "%.*s", (int)size, value);
	return 0;
}

static int
sse_dispatch(struct sse *s, int (*fn)(void *, const struct sse_event *),
    void *arg, struct err *e)
{
	struct sse_event v = { .name = s->name, .id = s->id };
	int rc = 0;

	if (s->had_data) {
		if (buf_append(&s->data, "", 1, e) == -1)
			return -1;
		v.data = buf_bytes(&s->data);
		v.size = buf_size(&s->data) - 1;
		rc = fn(arg, &v);
	}
	buf_consume(&s->data, buf_size(&s->data));
	s->had_data = 0;
	s->name[0] = '\0';
	return rc == 0 ? 0 : err_set(e, ERR_CONFLICT, "stopped");
}

static int
sse_line(struct sse *s, int (*fn)(void *, const struct sse_event *), void *arg,
    struct err *e)
{
	const char *line = buf_bytes(&s->line);
	size_t n = buf_size(&s->line);
	int rc = 0;

	if (n == 0)
		rc = sse_dispatch(s, fn, arg, e);
	else if (line[0] != ':')
		rc = sse_field(s, line, n, e);
	buf_consume(&s->line, n);
	return rc;
}

int
sse_read(struct sse *s, const char *p, size_t n,
    int (*fn)(void *arg, const struct sse_event *v), void *arg, struct err *e)
{
	size_t i, from = 0;

	for (i = 0; i < n; i++) {
		int after_cr = s->cr;

		s->cr = p[i] == '\r';
		if (p[i] != '\n' && p[i] != '\r')
			continue;
		if (p[i] == '\n' && after_cr) {
			from = i + 1;
			continue;
		}
		if (buf_append(&s->line, p + from, i - from, e) == -1 ||
		    sse_line(s, fn, arg, e) == -1)
			return -1;
		from = i + 1;
	}
	return buf_append(&s->line, p + from, n - from, e);
}
