/* verify.c: "warder audit verify": is it whole, and what is missing? */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "verb.h"

struct verify {
	struct place *place;
	const char *head;
	char since[HEADS_TIME_SIZE]; /* "": all */
	int json;
	struct heads_keys keys;

	/* of the directory that is looked at */
	int dir;
	const char *name;
	struct list list;
	size_t live, bad, unsigned_n, cut;
};

/* ---- options -------------------------------------------------------------------- */

static int
set_head(void *ctx, const char *v, struct err *e)
{
	struct verify *a = ctx;
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
set_since(void *ctx, const char *v, struct err *e)
{
	struct verify *a = ctx;

	return verb_time(v, a->since, e);
}

static int
set_json(void *ctx, const char *v, struct err *e)
{
	struct verify *a = ctx;

	(void)v;
	(void)e;
	a->json = 1;
	return 0;
}

static int
set_key(void *ctx, const char *v, struct err *e)
{
	struct verify *a = ctx;
	autofd fd = open(v, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char pem[SEAL_PEM_SIZE];
	ssize_t n;

	/* one is this user's own */
	if (a->keys.n == SEAL_KEYS_MAX - 1)
		return err_set(e, ERR_LIMIT, "more than %d keys",
		    SEAL_KEYS_MAX - 1);
	if (fd == -1 || (n = read(fd, pem, sizeof(pem) - 1)) == -1)
		return err_set(e, ERR_SYSTEM, "%s", v);
	pem[n] = '\0';
	if (seal_create_public(pem, (size_t)n, &a->keys.key[a->keys.n], e) ==
	    -1)
		return err_wrap(e, "%s", v);
	a->keys.n++;
	return 0;
}

/* clang-format off */
static const struct opt options[] = {
	{ "head", 0, "N:HASH", "it must have this line", set_head },
	{ "key", 0, "FILE", "a public key that is believed", set_key },
	{ "since", 0, "TIME", "segments signed before need not be there", set_since },
	{ "json", 0, NULL, "print an object for each file", set_json },
};

static const struct opt_verb verb = {
	"verify [OPTIONS] [FILE … | DIR …]",
	"Says whether segments of the audit log, or a whole directory of them\n"
	"with its list of signed heads, are whole: every line in its place and\n"
	"unchanged, every segment there and signed.  Without operands: this\n"
	"user's own directory.\n\n"
	"Exit status: 0 whole; 1 not; 125 something cannot be read.",
	options, countof(options),
};

/* clang-format on */

/* ---- what is said ---------------------------------------------------------------- */

static void
say(const struct verify *a, const char *name, const char *state,
    const struct audit_head *h, const char *why)
{
	char buf[8192], head[SCAN_HEAD_SIZE];
	struct text t;

	scan_head(h, head);
	text_init(&t, buf, sizeof(buf));
	if (a->json) {
		text_add(&t, "{\"file\":");
		text_add_json(&t, name);
		text_addf(&t,
		    ",\"state\":\"%s\",\"lines\":%llu,\"head\":\"%s\"", state,
		    (unsigned long long)h->seq, head);
		text_add(&t, ",\"why\":");
		text_add_json(&t, why);
		text_add(&t, "}");
	} else {
		text_add_escaped(&t, name);
		text_addf(&t, ": %s", state);
		text_addf(&t, "%s", why[0] != '\0' ? ": " : "");
		text_add_escaped(&t, why);
		text_addf(&t, ", %llu lines, head %s",
		    (unsigned long long)h->seq, head);
	}
	(void)puts(buf);
}

/* ---- one segment ------------------------------------------------------------------- */

/* 0 whole, 1 not. */
static int
verify_file(struct verify *a, int fd, const char *name)
{
	struct err e = { 0 };
	struct scan s;

	if (scan_file(fd, a->head, &s, &e) == -1)
		return verb_fail(&e);
	if (s.state == SCAN_BROKEN)
		say(a, name, "broken", &s.last, s.why);
	else if (a->head != NULL && !s.seen)
		say(a, name, "broken", &s.last,
		    "it does not have the line of --head: another file, or "
		    "cut off before it");
	else if (s.state == SCAN_CUT)
		say(a, name, "open", &s.last,
		    "it has no end: still written, or cut off");
	else
		say(a, name, "whole", &s.last,
		    s.state == SCAN_CONTINUED ? "it goes on in another one"
					      : "");
	return s.state == SCAN_BROKEN || s.state == SCAN_CUT ||
	       (a->head != NULL && !s.seen);
}

/* ---- a directory -------------------------------------------------------------------- */

static void
found(struct verify *a, const char *segment, const char *state,
    const struct audit_head *h, const char *why)
{
	char name[TEXT_PATH_MAX + HEADS_NAME_MAX];

	(void)snprintf(name, sizeof(name), "%s/%s", a->name, segment);
	say(a, name, state, h, why);
	a->bad++;
}

/* Its file, against what was signed. */
static int
verify_signed(struct verify *a, const struct heads_line *l, struct err *e)
{
	char before[SHA256_HEX_SIZE], head[SHA256_HEX_SIZE];
	struct audit_head none = { 0 };
	struct err missing = { 0 };
	autofd fd = -1;
	struct scan s;

	if (list_open(a->dir, l->segment, &fd, &missing) == -1) {
		if (missing.code == ERR_SYSTEM)
			return err_set(e, ERR_SYSTEM, "%s", missing.msg);
		if (missing.code == ERR_NOT_FOUND &&
		    strcmp(l->time, a->since) < 0)
			return 0;
		found(a, l->segment, "missing", &none, "it was signed");
		return 0;
	}
	if (scan_file(fd, NULL, &s, e) == -1)
		return -1;
	sha256_hex(s.before.digest, before);
	sha256_hex(s.last.digest, head);
	if (s.state != l->state || s.before.seq + 1 != l->first ||
	    s.last.seq != l->last || s.bytes != l->bytes ||
	    strcmp(before, l->before) != 0 || strcmp(head, l->head) != 0)
		found(a, l->segment, "broken", &s.last,
		    s.state == SCAN_BROKEN ? s.why
		    : s.last.seq < l->last ? "cut off since it was signed"
					   : "changed since it was signed");
	else if (s.state == SCAN_BROKEN)
		found(a, l->segment, "broken", &s.last, s.why);
	else if (s.state == SCAN_CUT)
		a->cut++;
	return 0;
}

/* Whether l goes on where the head before it in its run has ended. */
static void
verify_link(struct verify *a, const struct heads_line *before,
    const struct heads_line *l)
{
	struct audit_head none = { 0 };
	char why[128];

	if (before != NULL && strcmp(before->run, l->run) != 0)
		before = NULL;
	if (before != NULL && strcmp(before->segment, l->segment) == 0)
		return; /* signed once more */
	if (before == NULL &&
	    (l->first == 1 || a->list.first > 1 || a->since[0] != '\0'))
		return;
	if (before != NULL && l->first == before->last + 1 &&
	    strcmp(l->before, before->head) == 0)
		return;
	(void)snprintf(why, sizeof(why),
	    "lines %llu to %llu of its run are in no segment before it",
	    (unsigned long long)(before == NULL ? 1 : before->last + 1),
	    (unsigned long long)l->first - 1);
	found(a, l->segment, "missing", &none, why);
}

/* A file of the run that is not signed yet, or a later head. */
struct verify_next {
	const struct list *list;
	const char *run;
	int there;
};

static int
find_next(void *ctx, const char *name, struct err *e)
{
	struct verify_next *n = ctx;
	char run[64];

	(void)e;
	n->there |= heads_is_segment(name, run) && strcmp(run, n->run) == 0 &&
		    list_find(n->list, name) == NULL;
	return 0;
}

/* The last head of a run must not promise another segment. */
static int
verify_last(struct verify *a, const struct heads_line *l, struct err *e)
{
	struct verify_next n = { &a->list, l->run, 0 };
	struct audit_head none = { 0 };

	if (l->state != SCAN_CONTINUED)
		return 0;
	if (list_files(a->dir, find_next, &n, e) == -1)
		return -1;
	if (!n.there)
		found(a, l->segment, "missing", &none,
		    "the segment that it goes on in is not there");
	return 0;
}

static int
verify_heads(struct verify *a, struct err *e)
{
	const struct heads_line *before = NULL;
	size_t i;

	for (i = 0; i < a->list.n; i++) {
		const struct heads_line *l = a->list.by_run[i];
		int last = i + 1 == a->list.n ||
			   strcmp(a->list.by_run[i + 1]->run, l->run) != 0;

		verify_link(a, before, l);
		before = l;
		if (list_find(&a->list, l->segment) == l &&
		    verify_signed(a, l, e) == -1)
			return -1;
		if (last && verify_last(a, l, e) == -1)
			return -1;
	}
	return 0;
}

static int
verify_unsigned(void *ctx, const char *name, struct err *e)
{
	struct verify *a = ctx;
	autofd fd = -1;
	struct scan s;

	if (list_find(&a->list, name) != NULL)
		return 0;
	if (list_open(a->dir, name, &fd, e) == -1)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (list_is_live(fd)) {
		a->live++;
		return 0;
	}
	if (scan_file(fd, NULL, &s, e) == -1)
		return -1;
	a->unsigned_n++;
	found(a, name, s.state == SCAN_BROKEN ? "broken" : "unsigned", &s.last,
	    s.state == SCAN_BROKEN
		? s.why
		: "nobody vouches for it: its launcher was killed, or "
		  "somebody put it there");
	return 0;
}

static void
say_directory(const struct verify *a, const char *why)
{
	char buf[8192], head[SCAN_HEAD_SIZE];
	const char *state = a->bad > 0 || why[0] != '\0' ? "broken" : "whole";
	struct text t;

	scan_head(&a->list.last, head);
	text_init(&t, buf, sizeof(buf));
	if (a->json) {
		text_add(&t, "{\"directory\":");
		text_add_json(&t, a->name);
		text_addf(&t,
		    ",\"state\":\"%s\",\"signed\":%zu,\"live\":%zu,"
		    "\"unsigned\":%zu,\"cut\":%zu,\"head\":\"%s\",\"why\":",
		    state, a->list.n, a->live, a->unsigned_n, a->cut, head);
		text_add_json(&t, why);
		text_add(&t, "}");
	} else {
		text_add_escaped(&t, a->name);
		text_addf(&t, ": %s%s", state, why[0] != '\0' ? ": " : "");
		text_add_escaped(&t, why);
		text_addf(&t,
		    ", %zu signed, %zu live, %zu unsigned, %zu without their "
		    "end, head %s",
		    a->list.n, a->live, a->unsigned_n, a->cut, head);
	}
	(void)puts(buf);
}

/* 0 whole, 1 not, 125 unreadable. */
static int
verify_dir(struct verify *a, int dir, const char *name)
{
	struct err e = { 0 };
	int r;

	a->dir = dir;
	a->name = name;
	a->live = a->bad = a->unsigned_n = a->cut = 0;
	r = list_load(dir, &a->keys, a->head, &a->list, &e);
	if (r == 0 && a->head != NULL && !a->list.seen)
		r = err_set(&e, ERR_CORRUPT,
		    "the list of heads does not have the line of --head: "
		    "another list, or cut off before it");
	if (r == 0)
		r = verify_heads(a, &e);
	if (r == 0)
		r = list_files(dir, verify_unsigned, a, &e);
	if (r == 0 || e.code == ERR_CORRUPT)
		say_directory(a, r == 0 ? "" : e.msg);
	list_finish(&a->list);
	if (r == -1)
		return e.code == ERR_CORRUPT ? 1 : verb_fail(&e);
	return a->bad > 0;
}

/* ---- the verb -------------------------------------------------------------------------- */

static int
verify_one(struct verify *a, int fd, const char *name)
{
	struct err e = { 0 };
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1) {
		(void)err_set(&e, ERR_SYSTEM, "%s", name);
		return verb_fail(&e);
	}
	return S_ISDIR(st.st_mode) ? verify_dir(a, fd, name)
				   : verify_file(a, fd, name);
}

/* Opened before anything of them is read; some may not be there. */
static int
verify_all(struct verify *a, int n, char **names)
{
	struct rlimit files = { 2 * VERB_OPERANDS_MAX, 2 * VERB_OPERANDS_MAX };
	struct lockdown_tree trees[VERB_OPERANDS_MAX];
	struct err e = { 0 };
	int i, worst = 0, r;
	size_t ntrees = 0;
	int fds[VERB_OPERANDS_MAX], why[VERB_OPERANDS_MAX];

	if (n > VERB_OPERANDS_MAX) {
		(void)err_set(&e, ERR_LIMIT,
		    "more than %d files: name their directory",
		    VERB_OPERANDS_MAX);
		return verb_fail(&e);
	}
	(void)setrlimit(RLIMIT_NOFILE, &files);
	for (i = 0; i < n; i++) {
		fds[i] = open(names[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		why[i] = errno;
		if (fds[i] != -1)
			trees[ntrees++].fd = fds[i];
	}
	if (lock_verb(trees, ntrees, &e) == -1)
		return verb_fail(&e);
	for (i = 0; i < n; i++) {
		errno = why[i];
		r = verify_one(a, fds[i], names[i]);
		worst = r > worst ? r : worst;
	}
	return worst;
}

int
verify_main(struct place *p, int argc, char **argv)
{
	struct verify a = { .place = p };
	char *own[] = { p->path };
	struct err e = { 0 };
	int rest, r;

	r = verb_options(&verb, &a, argc, argv, &rest);
	if (r != 0)
		return r == 1 ? 0 : 125;
	r = verb_need_place(p, &e);
	if (r == -1 && rest == argc)
		return verb_fail(&e);
	if (p->key != NULL)
		a.keys.key[a.keys.n++] = p->key;
	return rest < argc ? verify_all(&a, argc - rest, argv + rest)
			   : verify_all(&a, 1, own);
}
