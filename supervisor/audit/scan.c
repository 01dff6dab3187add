#include "scan.h"

#include <stdio.h>
#include <string.h>

#include "lines.h"

const char *
scan_state_name(enum scan_state s)
{
	static const char *const names[] = {
#define X(name, text) text,
		SCAN_STATES(X)
#undef X
	};

	return names[s];
}

void
scan_head(const struct audit_head *h, char ret[SCAN_HEAD_SIZE])
{
	char hex[SHA256_HEX_SIZE];

	sha256_hex(h->digest, hex);
	(void)snprintf(ret, SCAN_HEAD_SIZE, "%llu:%s",
	    (unsigned long long)h->seq, hex);
}

static void
scan_look(struct scan *s, const struct audit_head *h, const char *look)
{
	char text[SCAN_HEAD_SIZE];

	if (look == NULL || s->seen)
		return;
	scan_head(h, text);
	s->seen = strcmp(text, look) == 0;
}

static void
scan_line(struct scan *s, struct audit_check *c, const char *line, size_t n,
    const char *look)
{
	if (s->last.seq == 0) {
		s->before = c->before;
		if (audit_line_word(line, n, "policy", s->policy,
			sizeof(s->policy)) == -1)
			s->policy[0] = '\0';
	}
	s->last = c->head;
	s->bytes += n;
	scan_look(s, &c->head, look);
}

int
scan_file(int fd, const char *look, struct scan *ret, struct err *e)
{
	static struct lines l; /* large */
	struct audit_check c;
	struct err bad;
	const char *line;
	size_t n;
	int r;

	*ret = (struct scan){ .state = SCAN_CUT };
	lines_init(&l, fd);
	audit_check_init(&c);
	while ((r = lines_next(&l, &line, &n, e)) == 1) {
		if (audit_check_line(&c, line, n, &bad) == -1) {
			ret->state = SCAN_BROKEN;
			(void)snprintf(ret->why, sizeof(ret->why),
			    "line %llu: %.200s", (unsigned long long)l.line,
			    bad.msg);
			return 0;
		}
		scan_line(ret, &c, line, n, look);
	}
	if (c.closed || c.continued)
		ret->state = c.closed ? SCAN_CLOSED : SCAN_CONTINUED;
	return r;
}
