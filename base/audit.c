#include "audit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "decimal.h"

/* ---- writing ---- */

void
audit_init(struct audit *a, int fd)
{
	*a = (struct audit){ .fd = fd };
}

void
audit_continue(struct audit *a, int fd)
{
	a->fd = fd;
	a->bytes = 0;
}

/* The text of a second serves all of its lines. */
static void
audit_time(char ret[32])
{
	static char second[24];
	static time_t of = -1;
	struct timespec t;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	if (t.tv_sec != of && (gmtime_r(&t.tv_sec, &tm) == NULL ||
				  strftime(second, sizeof(second),
				      "%Y-%m-%dT%H:%M:%S", &tm) == 0))
		(void)snprintf(second, sizeof(second), "1970-01-01T00:00:00");
	of = t.tv_sec;
	(void)snprintf(ret, 32, "%s.%03uZ", second,
	    (unsigned)(t.tv_nsec / 1000000) % 1000);
}

static void
audit_add_number(struct audit_line *l, uint64_t value)
{
	char digits[DECIMAL_MAX], *end = digits + sizeof(digits);
	char *first = decimal_before(end, value);

	text_add_bytes(&l->text, first, (size_t)(end - first));
}

static void
audit_begin_line(struct audit_line *l, const char *kind)
{
	char prev[SHA256_HEX_SIZE], now[32];

	sha256_hex(l->head.digest, prev);
	audit_time(now);
	text_init(&l->text, l->buf + l->start, AUDIT_LINE_MAX);
	text_add(&l->text, "{\"seq\":");
	audit_add_number(l, l->head.seq + 1);
	text_add(&l->text, ",\"prev\":\"");
	text_add(&l->text, prev);
	text_add(&l->text, "\",\"time\":\"");
	text_add(&l->text, now);
	text_add(&l->text, "\",\"kind\":\"");
	text_add(&l->text, kind);
	text_add(&l->text, "\"");
}

void
audit_begin(struct audit_line *l, struct audit *a, const char *kind)
{
	l->audit = a;
	l->head = a->head;
	l->start = 0;
	audit_begin_line(l, kind);
}

static void
audit_add_name(struct audit_line *l, const char *name)
{
	text_add(&l->text, ",\"");
	text_add(&l->text, name);
	text_add(&l->text, "\":");
}

void
audit_add_json(struct audit_line *l, const char *name, const char *json)
{
	audit_add_name(l, name);
	text_add(&l->text, json);
}

void
audit_add(struct audit_line *l, const char *name, const char *value)
{
	audit_add_name(l, name);
	text_add_json(&l->text, value);
}

void
audit_add_int(struct audit_line *l, const char *name, uint64_t value)
{
	audit_add_name(l, name);
	audit_add_number(l, value);
}

/* Half a line is worse than none: the next one would not be found. */
static int
audit_write(struct audit *a, const char *p, size_t n, struct err *e)
{
	ssize_t w;

	do
		w = write(a->fd, p, n);
	while (w == -1 && errno == EINTR);
	if (w == (ssize_t)n) {
		a->bytes += n;
		return 0;
	}
	if (w > 0)
		(void)!ftruncate(a->fd, (off_t)a->bytes);
	a->failed = w == -1 ? errno : ENOSPC;
	return err_sys(e, a->failed, "writing the audit log");
}

static int
audit_finish_line(struct audit_line *l, struct err *e)
{
	struct audit *a = l->audit;

	text_add(&l->text, "}\n");
	if (a->failed != 0)
		return err_sys(e, a->failed, "the audit log has failed before");
	if (l->text.truncated) {
		a->failed = EMSGSIZE;
		return err_set(e, ERR_LIMIT,
		    "a line of the audit log would exceed %d bytes",
		    AUDIT_LINE_MAX);
	}
	sha256_buffer(l->text.buf, l->text.len, l->head.digest);
	l->head.seq++;
	l->start += l->text.len;
	return 0;
}

/* Those that are finished. */
static int
audit_put(struct audit_line *l, struct err *e)
{
	struct audit *a = l->audit;

	if (audit_write(a, l->buf, l->start, e) == -1)
		return -1;
	a->head = l->head;
	l->start = 0;
	return 0;
}

int
audit_and(struct audit_line *l, const char *kind, struct err *e)
{
	if (audit_finish_line(l, e) == -1)
		return -1;
	if (l->start > AUDIT_LINES_BYTES - AUDIT_LINE_MAX &&
	    audit_put(l, e) == -1)
		return -1;
	audit_begin_line(l, kind);
	return 0;
}

int
audit_end(struct audit_line *l, struct err *e)
{
	return audit_finish_line(l, e) == -1 ? -1 : audit_put(l, e);
}

/* ---- checking ---- */

void
audit_check_init(struct audit_check *c)
{
	*c = (struct audit_check){ 0 };
}

void
audit_check_init_part(struct audit_check *c)
{
	*c = (struct audit_check){ .anywhere = 1 };
}

/* Take a constant off the front; 0 if something else is there. */
static int
audit_take(const char **p, size_t *n, const char *constant)
{
	size_t k = strlen(constant);

	if (*n < k || memcmp(*p, constant, k) != 0)
		return 0;
	*p += k;
	*n -= k;
	return 1;
}

/* A number without zeros in front, of at most 19 digits. */
static int
audit_take_number(const char **p, size_t *n, uint64_t *ret)
{
	size_t i = 0;

	*ret = 0;
	while (i < *n && i < 19 && (*p)[i] >= '0' && (*p)[i] <= '9')
		*ret = *ret * 10 + (uint64_t)((*p)[i++] - '0');
	if (i == 0 || (*p)[0] == '0')
		return 0;
	*p += i;
	*n -= i;
	return 1;
}

static int
audit_same_form(const char *p, size_t n, uint64_t *ret_seq,
    const char **ret_prev, const char **ret_kind)
{
	const char *quote;

	if (!audit_take(&p, &n, "{\"seq\":") ||
	    !audit_take_number(&p, &n, ret_seq) ||
	    !audit_take(&p, &n, ",\"prev\":\"") || n < SHA256_HEX_SIZE)
		return 0;
	*ret_prev = p;
	p += SHA256_HEX_SIZE - 1;
	n -= SHA256_HEX_SIZE - 1;
	if (!audit_take(&p, &n, "\",\"time\":\"") ||
	    (quote = memchr(p, '"', n)) == NULL)
		return 0;
	n -= (size_t)(quote - p);
	p = quote;
	if (!audit_take(&p, &n, "\",\"kind\":\""))
		return 0;
	*ret_kind = p;
	return memchr(p, '"', n) != NULL;
}

/* The 64 digits of "prev". */
static int
audit_unhex(const char *hex, unsigned char ret[SHA256_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < SHA256_SIZE; i++) {
		const char *high = memchr(digits, hex[2 * i], 16);
		const char *low = memchr(digits, hex[2 * i + 1], 16);

		if (high == NULL || low == NULL)
			return 0;
		ret[i] = (unsigned char)((high - digits) << 4 | (low - digits));
	}
	return 1;
}

/* A log begins with nothing before it, a later segment with something. */
static int
audit_check_first(struct audit_check *c, uint64_t seq, const char *prev,
    int open, struct err *e)
{
	static const unsigned char nothing[SHA256_SIZE];

	if (!audit_unhex(prev, c->before.digest) ||
	    (seq == 1) != (memcmp(c->before.digest, nothing, SHA256_SIZE) == 0))
		return err_set(e, ERR_CORRUPT,
		    "number %llu with a hash of the line before it that it "
		    "cannot have",
		    (unsigned long long)seq);
	if (!open && !c->anywhere)
		return err_set(e, ERR_CORRUPT,
		    "the first line is not \"open\"");
	c->before.seq = seq - 1;
	return 0;
}

static int
audit_check_order(struct audit_check *c, uint64_t seq, const char *prev,
    const char *kind, struct err *e)
{
	int open = strncmp(kind, "open\"", 5) == 0;
	char hex[SHA256_HEX_SIZE];

	if (!c->begun)
		return audit_check_first(c, seq, prev, open, e);
	if (c->closed || c->continued)
		return err_set(e, ERR_CORRUPT, "a line after \"%s\"",
		    c->closed ? "close" : "next");
	if (seq != c->head.seq + 1)
		return err_set(e, ERR_CORRUPT,
		    "number %llu where %llu was to come",
		    (unsigned long long)seq,
		    (unsigned long long)c->head.seq + 1);
	sha256_hex(c->head.digest, hex);
	if (memcmp(prev, hex, SHA256_HEX_SIZE - 1) != 0)
		return err_set(e, ERR_CORRUPT,
		    "the line before it is not the one that it was written "
		    "after");
	if (open)
		return err_set(e, ERR_CORRUPT, "\"open\" in the middle");
	return 0;
}

int
audit_check_line(struct audit_check *c, const char *line, size_t n,
    struct err *e)
{
	const char *prev, *kind;
	uint64_t seq;

	if (n == 0 || n > AUDIT_LINE_MAX || line[n - 1] != '\n' ||
	    memchr(line, '\0', n) != NULL)
		return err_set(e, ERR_CORRUPT,
		    "it has no end, a NUL, or more than %d bytes",
		    AUDIT_LINE_MAX);
	if (!audit_same_form(line, n, &seq, &prev, &kind))
		return err_set(e, ERR_CORRUPT,
		    "it does not begin as a line of this log does");
	if (audit_check_order(c, seq, prev, kind, e) == -1)
		return -1;
	sha256_buffer(line, n, c->head.digest);
	c->head.seq = seq;
	c->begun = 1;
	if (c->anywhere)
		return 0;
	c->closed = strncmp(kind, "close\"", 6) == 0;
	c->continued = strncmp(kind, "next\"", 5) == 0;
	return 0;
}

void
audit_line_kind(const char *line, size_t n, char ret[AUDIT_KIND_SIZE])
{
	if (audit_line_word(line, n, "kind", ret, AUDIT_KIND_SIZE) == -1)
		ret[0] = '\0';
}

/*
 * What follows the first "NAME": in a line.  In a string such a sequence
 * cannot be: its quotes are escaped there.
 */
static const char *
audit_find(const char *line, size_t n, const char *name)
{
	char pattern[AUDIT_KIND_SIZE + 4];
	int k = snprintf(pattern, sizeof(pattern), "\"%s\":", name);
	const char *at;

	if (k < 0 || k >= (int)sizeof(pattern))
		return NULL;
	at = memmem(line, n, pattern, (size_t)k);
	return at == NULL ? NULL : at + k;
}

int
audit_line_word(const char *line, size_t n, const char *name, char *ret,
    size_t size)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz"
				   "0123456789-_.:/+=";
	const char *at = audit_find(line, n, name), *end = line + n;
	size_t k = 0;

	if (at == NULL || at == end || *at++ != '"')
		return -1;
	while (at + k < end && k < size && at[k] != '\0' &&
	       strchr(good, at[k]) != NULL)
		k++;
	if (k == size || at + k == end || at[k] != '"')
		return -1;
	memcpy(ret, at, k);
	ret[k] = '\0';
	return 0;
}

int
audit_line_number(const char *line, size_t n, const char *name, uint64_t *ret)
{
	const char *at = audit_find(line, n, name);
	size_t rest;

	if (at == NULL)
		return -1;
	rest = (size_t)(line + n - at);
	if (rest > 0 && *at == '0') {
		*ret = 0;
		return 0;
	}
	return audit_take_number(&at, &rest, ret) ? 0 : -1;
}
