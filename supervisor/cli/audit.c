/* audit.c: "warder audit verify": is a segment of the audit log whole? */
#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

struct audit_args {
	const char *head;
	int json;
};

static int
set_head(void *ctx, const char *v, struct err *e)
{
	struct audit_args *a = ctx;
	const char *colon = strchr(v, ':');

	if (colon == NULL ||
	    strspn(colon + 1, "0123456789abcdef") != SHA256_HEX_SIZE - 1 ||
	    strlen(colon + 1) != SHA256_HEX_SIZE - 1)
		return err_set(e, ERR_INVALID,
		    "write NUMBER:SHA-256, as verify prints it");
	a->head = v;
	return 0;
}

static int
set_json(void *ctx, const char *v, struct err *e)
{
	struct audit_args *a = ctx;

	(void)v;
	(void)e;
	a->json = 1;
	return 0;
}

/* clang-format off */
static const struct opt audit_options[] = {
	{ "head", 0, "N:HASH", "the last line must be this one, or one after it", set_head },
	{ "json", 0, NULL, "print an object for each file", set_json },
};

static const struct opt_verb audit_verb = {
	"verify [OPTIONS] FILE …",
	"Reads segments of the audit log and says whether each is whole: every\n"
	"line in its place and unchanged, and the last one its end.  Prints the\n"
	"head of each, the number and hash of its last line; kept off this host,\n"
	"it also shows that a whole file was exchanged or cut.\n\n"
	"Exit status: 0 whole; 1 not; 125 a file cannot be read.",
	audit_options, countof(audit_options),
};

/* clang-format on */

/* A file, line by line; a line that has no end in the buffer is too long. */
struct audit_file {
	int fd;
	char buf[2 * AUDIT_LINE_MAX];
	size_t start, end;
	uint64_t line;
};

static int
audit_fill(struct audit_file *f, size_t *ret_n, struct err *e)
{
	ssize_t n;

	memmove(f->buf, f->buf + f->start, f->end - f->start);
	f->end -= f->start;
	f->start = 0;
	do
		n = read(f->fd, f->buf + f->end, sizeof(f->buf) - f->end);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return err_set(e, ERR_SYSTEM, "reading");
	f->end += (size_t)n;
	*ret_n = (size_t)n;
	return 0;
}

/* 1 with a line (perhaps one without its newline), 0 at the end. */
static int
audit_next(struct audit_file *f, const char **ret, size_t *ret_n, struct err *e)
{
	const char *end;
	size_t more = 1;

	for (;;) {
		const char *at = f->buf + f->start;
		size_t n = f->end - f->start;

		end = memchr(at, '\n', n);
		if (end != NULL || n > AUDIT_LINE_MAX || more == 0) {
			*ret = at;
			*ret_n = end != NULL ? (size_t)(end - at) + 1 : n;
			f->start += *ret_n;
			f->line++;
			return *ret_n > 0;
		}
		if (audit_fill(f, &more, e) == -1)
			return -1;
	}
}

/* Whether the head that was kept is this line. */
static void
audit_compare(const struct audit_args *a, const struct audit_head *h, int *seen)
{
	char text[SHA256_HEX_SIZE + 32], hex[SHA256_HEX_SIZE];

	sha256_hex(h->digest, hex);
	(void)snprintf(text, sizeof(text), "%llu:%s",
	    (unsigned long long)h->seq, hex);
	*seen |= a->head != NULL && strcmp(text, a->head) == 0;
}

static int
audit_check_file(const struct audit_args *a, struct audit_file *f,
    struct audit_check *c, struct err *e)
{
	const char *line;
	size_t n;
	int r, seen = a->head == NULL;

	while ((r = audit_next(f, &line, &n, e)) == 1) {
		if (audit_check_line(c, line, n, e) == -1)
			return err_wrap(e, "line %llu",
			    (unsigned long long)f->line);
		audit_compare(a, &c->head, &seen);
	}
	if (r == -1)
		return -1;
	if (!seen)
		return err_set(e, ERR_CORRUPT,
		    "it does not have the line of --head: another file, or cut "
		    "off before it");
	return 0;
}

static void
audit_print(const struct audit_args *a, const char *name,
    const struct audit_check *c, const char *state, const char *why)
{
	char buf[4096], hex[SHA256_HEX_SIZE];
	struct text t;

	sha256_hex(c->head.digest, hex);
	text_init(&t, buf, sizeof(buf));
	if (a->json) {
		text_add(&t, "{\"file\":");
		text_add_json(&t, name);
		text_addf(&t,
		    ",\"state\":\"%s\",\"lines\":%llu,\"head\":\"%llu:%s\"",
		    state, (unsigned long long)c->head.seq,
		    (unsigned long long)c->head.seq, hex);
		text_add(&t, ",\"why\":");
		text_add_json(&t, why);
		text_add(&t, "}");
	} else {
		text_add_escaped(&t, name);
		text_addf(&t, ": %s%s%s, %llu lines, head %llu:%s", state,
		    why[0] != '\0' ? ": " : "", why,
		    (unsigned long long)c->head.seq,
		    (unsigned long long)c->head.seq, hex);
	}
	(void)puts(buf);
}

/* 0 whole, 1 not, 125 unreadable. */
static int
audit_file(const struct audit_args *a, const char *name)
{
	static struct audit_file f; /* large */
	autofd fd = open(name, O_RDONLY | O_CLOEXEC);
	struct audit_check c;
	struct err e = { 0 };

	audit_check_init(&c);
	if (fd == -1) {
		(void)err_set(&e, ERR_SYSTEM, "%s", name);
		return cli_fail(&e);
	}
	f = (struct audit_file){ .fd = fd };
	if (audit_check_file(a, &f, &c, &e) == -1 && e.code != ERR_CORRUPT)
		return cli_fail(&e);
	if (e.code == ERR_CORRUPT)
		audit_print(a, name, &c, "broken", e.msg);
	else if (!c.closed)
		audit_print(a, name, &c, "open",
		    "it has no end: still written, or cut off");
	else
		audit_print(a, name, &c, "whole", "");
	return e.code == ERR_CORRUPT || !c.closed;
}

int
cli_audit(int argc, char **argv)
{
	struct audit_args a = { 0 };
	struct err e = { 0 };
	int rest = 0, worst = 0, r;

	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		(void)puts(
		    "usage: warder audit VERB [ARGUMENTS]\n\nverbs:\n"
		    "  verify   say whether segments of the log are whole");
		return 0;
	}
	if (argc < 2 || strcmp(argv[1], "verify") != 0) {
		(void)err_set(&e, ERR_INVALID,
		    "write: warder audit verify FILE …");
		return cli_fail(&e);
	}
	r = opt_parse(&audit_verb, &a, argc - 1, argv + 1, &rest, &e);
	if (r == 1) {
		opt_help("audit", &audit_verb);
		return 0;
	}
	if (r == 0 && rest >= argc - 1)
		r = err_set(&e, ERR_INVALID,
		    "which file? write: warder audit verify FILE …");
	if (r == -1)
		return cli_fail(&e);
	for (; rest < argc - 1; rest++) {
		r = audit_file(&a, argv[1 + rest]);
		worst = r > worst ? r : worst;
	}
	return worst;
}
