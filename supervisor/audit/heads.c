#include "heads.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "lines.h"

static const char signature_key[] = ",\"signature\":\"";

/* ---- names ------------------------------------------------------------------ */

/* 0: a digit, h: a hexadecimal one. */
static const char heads_form[] =
    "0000-00-00T000000Z-hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";

static int
heads_fits(char form, char c)
{
	if (form == '0')
		return c >= '0' && c <= '9';
	if (form == 'h')
		return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
	return form == c;
}

int
heads_is_segment(const char *name, char ret_run[64])
{
	size_t i, n = sizeof(heads_form) - 1;
	const char *rest = name + n;

	for (i = 0; i < n; i++)
		if (!heads_fits(heads_form[i], name[i]))
			return 0;
	if (*rest == '.' && rest[1] >= '1' && rest[1] <= '9') {
		rest += strspn(rest + 1, "0123456789") + 1;
		if (rest - (name + n) > 8)
			return 0;
	}
	if (strcmp(rest, ".jsonl") != 0)
		return 0;
	memcpy(ret_run, name + n - 36, 36);
	ret_run[36] = '\0';
	return 1;
}

/* ---- reading ------------------------------------------------------------------ */

static int
heads_signed(const struct heads_keys *keys, const char *line, size_t n,
    struct err *e)
{
	char name[SHA256_HEX_SIZE], signature[SEAL_TEXT_SIZE];
	const char *end =
	    memmem(line, n, signature_key, sizeof(signature_key) - 1);
	size_t i;

	if (end == NULL ||
	    audit_line_word(line, n, "key", name, sizeof(name)) == -1 ||
	    audit_line_word(line, n, "signature", signature,
		sizeof(signature)) == -1 ||
	    /* nothing that is not signed may follow */
	    (size_t)(end - line) + sizeof(signature_key) - 1 +
		    strlen(signature) + 3 !=
		n)
		return err_set(e, ERR_CORRUPT, "it is not signed");
	for (i = 0; i < keys->n; i++)
		if (strcmp(seal_name(keys->key[i]), name) == 0)
			break;
	if (i == keys->n)
		return err_set(e, ERR_CORRUPT,
		    "it is signed by a key that is not believed: %s", name);
	if (!seal_matches(keys->key[i], line, (size_t)(end - line), signature))
		return err_set(e, ERR_CORRUPT, "its signature is wrong");
	return 0;
}

static int
heads_state(const char *line, size_t n, enum scan_state *ret)
{
	char text[16];
	int s;

	if (audit_line_word(line, n, "state", text, sizeof(text)) == -1)
		return -1;
	for (s = 0; s < SCAN__MAX; s++)
		if (strcmp(text, scan_state_name((enum scan_state)s)) == 0) {
			*ret = (enum scan_state)s;
			return 0;
		}
	return -1;
}

static int
heads_parse(const char *line, size_t n, struct heads_line *l, struct err *e)
{
	char kind[AUDIT_KIND_SIZE], run[64];

#define WORD(name, to) audit_line_word(line, n, name, to, sizeof(to)) == -1
#define NUMBER(name, to) audit_line_number(line, n, name, &(to)) == -1
	audit_line_kind(line, n, kind);
	l->pruned = strcmp(kind, "pruned") == 0;
	if (WORD("time", l->time) || NUMBER("first", l->first))
		return err_set(e, ERR_CORRUPT, "it lacks a member");
	if (l->pruned)
		return 0;
	if (strcmp(kind, "head") != 0 || WORD("run", l->run) ||
	    WORD("segment", l->segment) || WORD("before", l->before) ||
	    WORD("head", l->head) || NUMBER("last", l->last) ||
	    NUMBER("bytes", l->bytes) ||
	    heads_state(line, n, &l->state) == -1 ||
	    !heads_is_segment(l->segment, run) || strcmp(run, l->run) != 0)
		return err_set(e, ERR_CORRUPT, "it is no head of a segment");
#undef WORD
#undef NUMBER
	return 0;
}

static int
heads_line(const struct heads_keys *keys, struct audit_check *c,
    const char *line, size_t n, struct heads_line *ret, struct err *e)
{
	if (audit_check_line(c, line, n, e) == -1 ||
	    heads_signed(keys, line, n, e) == -1)
		return -1;
	ret->at = c->head;
	return heads_parse(line, n, ret, e);
}

/* What was removed in front must have been said, by the last who did so. */
static int
heads_check_front(const struct audit_check *c, uint64_t pruned, struct err *e)
{
	uint64_t first = c->before.seq + 1;

	if (!c->begun || first == (pruned == 0 ? 1 : pruned))
		return 0;
	return err_set(e, ERR_CORRUPT,
	    "the list begins with number %llu where %llu was to come: lines "
	    "in front were removed",
	    (unsigned long long)first,
	    (unsigned long long)(pruned == 0 ? 1 : pruned));
}

int
heads_read(int fd, const struct heads_keys *keys, heads_fn *fn, void *ctx,
    struct audit_head *ret_last, struct err *e)
{
	static struct lines l; /* large */
	struct heads_line h = { 0 };
	struct audit_check c;
	uint64_t pruned = 0;
	const char *line;
	size_t n;
	int r;

	lines_init(&l, fd);
	audit_check_init_part(&c);
	while ((r = lines_next(&l, &line, &n, e)) == 1) {
		h.offset = l.bytes;
		if (l.line > HEADS_LINES_MAX)
			return err_set(e, ERR_LIMIT, "more than %d lines",
			    HEADS_LINES_MAX);
		if (heads_line(keys, &c, line, n, &h, e) == -1 ||
		    (fn != NULL && fn(ctx, &h, e) == -1))
			return err_wrap(e, "line %llu",
			    (unsigned long long)l.line);
		if (h.pruned)
			pruned = h.first;
	}
	if (r == -1 || heads_check_front(&c, pruned, e) == -1)
		return -1;
	*ret_last = c.head;
	return 0;
}

/* ---- writing ------------------------------------------------------------------ */

/* The offset of the last line, and the end of it; what is cut off goes. */
static int
heads_tail(int fd, char *buf, size_t size, size_t *ret_n, off_t *ret_end,
    struct err *e)
{
	off_t end = lseek(fd, 0, SEEK_END), at;
	ssize_t n;
	char *last;

	if (end == -1)
		return err_set(e, ERR_SYSTEM, "the list of heads");
	at = end > (off_t)size ? end - (off_t)size : 0;
	n = pread(fd, buf, size, at);
	if (n == -1)
		return err_set(e, ERR_SYSTEM, "reading the list of heads");
	last = n == 0 ? NULL : memrchr(buf, '\n', (size_t)n);
	if (last == NULL && at > 0)
		return err_set(e, ERR_CORRUPT, "the list of heads has no end");
	*ret_end = last == NULL ? 0 : at + (last - buf) + 1;
	*ret_n = last == NULL ? 0 : (size_t)(last - buf) + 1;
	/* half a line is what a crash has left of one that nobody was told of */
	if (*ret_end < end && ftruncate(fd, *ret_end) == -1)
		return err_set(e, ERR_SYSTEM, "the list of heads");
	return 0;
}

int
heads_lock(int fd, struct audit *ret, struct err *e)
{
	static char buf[2 * AUDIT_LINE_MAX];
	struct audit_check c;
	struct stat st;
	const char *line;
	size_t n = 0;
	off_t end = 0;

	while (flock(fd, LOCK_EX) == -1)
		if (errno != EINTR)
			return err_set(e, ERR_SYSTEM, "locking the heads");
	if (fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "the list of heads");
	if (st.st_nlink == 0)
		return err_set(e, ERR_CONFLICT, "the list was exchanged");
	if (heads_tail(fd, buf, sizeof(buf), &n, &end, e) == -1)
		return -1;
	audit_init(ret, fd);
	ret->bytes = (uint64_t)end;
	if (n == 0)
		return 0;
	line = memrchr(buf, '\n', n - 1);
	line = line == NULL ? buf : line + 1;
	audit_check_init_part(&c);
	if (audit_check_line(&c, line, (size_t)(buf + n - line), e) == -1)
		return err_wrap(e, "the last line of the list of heads");
	ret->head = c.head;
	return 0;
}

static int
heads_end(struct audit_line *l, struct seal *key, struct err *e)
{
	char signature[SEAL_TEXT_SIZE];

	audit_add(l, "key", seal_name(key));
	if (seal_sign(key, l->buf, l->text.len, signature, e) == -1)
		return -1;
	text_add(&l->text, signature_key);
	text_add(&l->text, signature);
	text_add(&l->text, "\"");
	if (audit_end(l, e) == -1)
		return -1;
	if (fdatasync(l->audit->fd) == -1)
		return err_set(e, ERR_SYSTEM, "flushing the list of heads");
	return 0;
}

static void
heads_add_digest(struct audit_line *l, const char *name,
    const unsigned char digest[SHA256_SIZE])
{
	char hex[SHA256_HEX_SIZE];

	sha256_hex(digest, hex);
	audit_add(l, name, hex);
}

int
heads_add(struct audit *a, struct seal *key, const char *segment,
    const struct scan *s, struct err *e)
{
	static struct audit_line l; /* large */
	char run[64];

	if (!heads_is_segment(segment, run))
		return err_set(e, ERR_INVALID, "%.100s is no name of a segment",
		    segment);
	audit_begin(&l, a, "head");
	audit_add(&l, "run", run);
	audit_add(&l, "tenant", "local");
	audit_add(&l, "policy", s->policy);
	audit_add(&l, "segment", segment);
	audit_add(&l, "state", scan_state_name(s->state));
	audit_add_int(&l, "first", s->before.seq + 1);
	heads_add_digest(&l, "before", s->before.digest);
	audit_add_int(&l, "last", s->last.seq);
	heads_add_digest(&l, "head", s->last.digest);
	audit_add_int(&l, "bytes", s->bytes);
	return heads_end(&l, key, e);
}

int
heads_add_pruned(struct audit *a, struct seal *key, uint64_t first,
    const char *older, struct err *e)
{
	static struct audit_line l; /* large */

	audit_begin(&l, a, "pruned");
	audit_add(&l, "tenant", "local");
	audit_add_int(&l, "first", first);
	audit_add(&l, "older", older);
	return heads_end(&l, key, e);
}
