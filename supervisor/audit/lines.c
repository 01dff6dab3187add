#include "lines.h"

#include <errno.h>
#include <string.h>

void
lines_init(struct lines *l, int fd)
{
	l->fd = fd;
	l->line = l->bytes = 0;
	l->start = l->end = l->last = 0;
}

static int
lines_fill(struct lines *l, size_t *ret_n, struct err *e)
{
	uint64_t at = l->bytes + l->last;
	ssize_t n;

	memmove(l->buf, l->buf + l->start, l->end - l->start);
	l->end -= l->start;
	l->start = 0;
	do
		n = pread(l->fd, l->buf + l->end, sizeof(l->buf) - l->end,
		    (off_t)(at + l->end));
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return err_set(e, ERR_SYSTEM, "reading");
	l->end += (size_t)n;
	*ret_n = (size_t)n;
	return 0;
}

int
lines_next(struct lines *l, const char **ret, size_t *ret_n, struct err *e)
{
	size_t more = 1;

	l->bytes += l->last;
	l->last = 0;
	for (;;) {
		const char *at = l->buf + l->start;
		size_t n = l->end - l->start;
		const char *end = memchr(at, '\n', n);

		if (end != NULL || n > AUDIT_LINE_MAX || more == 0) {
			*ret = at;
			*ret_n = end != NULL ? (size_t)(end - at) + 1 : n;
			l->last = *ret_n;
			l->start += *ret_n;
			l->line++;
			return *ret_n > 0;
		}
		if (lines_fill(l, &more, e) == -1)
			return -1;
	}
}
