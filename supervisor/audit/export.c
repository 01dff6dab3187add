/*
 * export.c: "warder audit export": signed segments, with the list of their
 * heads and the public key, for a place off the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "msg_audit.h"
#include "tar.h"
#include "verb.h"

static const char public_name[] = "key.pem";

struct export
{
	char since[HEADS_TIME_SIZE];
	const char *to;
	int dir; /* the destination; -1: an archive on standard output */
	size_t copied, kept, gone;
};

/* ---- options ---------------------------------------------------------------------- */

static int
set_since(void *ctx, const char *v, struct err *e)
{
	struct export *x = ctx;

	return verb_time(v, x->since, e);
}

static int
set_to(void *ctx, const char *v, struct err *e)
{
	struct export *x = ctx;

	(void)e;
	x->to = v;
	return 0;
}

/* clang-format off */
static const struct opt options[] = {
	{ "since", 0, "TIME", "only segments signed then or later", set_since },
	{ "to", 0, "DIR|-", "a directory, or an archive (tar) on standard output", set_to },
};

static const struct opt_verb verb = {
	"export --to DIR|- [--since TIME]",
	"Copies the signed segments, the list of heads and the public key.  What\n"
	"is in DIR already stays: repeat it as often as you like.  Look at the\n"
	"copy with \"warder audit verify --key KEY DIR\", with a key that was kept\n"
	"elsewhere (\"warder audit key\").  TIME: 2026-01-31, or an age like 30d.",
	options, countof(options),
};

/* clang-format on */

/* ---- one file ------------------------------------------------------------------------ */

static int
copy_bytes(int from, int to, uint64_t size, struct err *e)
{
	static char buf[64 * 1024];
	uint64_t at = 0;

	while (at < size) {
		size_t want =
		    size - at < sizeof(buf) ? (size_t)(size - at) : sizeof(buf);
		ssize_t n = pread(from, buf, want, (off_t)at);
		ssize_t w = n <= 0 ? n : write(to, buf, (size_t)n);

		if (n == 0)
			return err_set(e, ERR_CORRUPT, "it shrank meanwhile");
		if (w != n || n == -1)
			return err_set(e, ERR_SYSTEM, "copying");
		at += (uint64_t)n;
	}
	return 0;
}

/* Whole or not at all. */
static int
copy_file(struct export *x, const char *name, int from, uint64_t size,
    struct err *e)
{
	char temporary[HEADS_NAME_MAX + 8];
	autofd to = -1;

	(void)snprintf(temporary, sizeof(temporary), "%s.new", name);
	to = openat(x->dir, temporary,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to == -1)
		return err_set(e, ERR_SYSTEM, "%s/%s", x->to, temporary);
	if (copy_bytes(from, to, size, e) == -1)
		return err_wrap(e, "%s", name);
	if (fsync(to) == -1 || renameat(x->dir, temporary, x->dir, name) == -1)
		return err_set(e, ERR_SYSTEM, "%s/%s", x->to, name);
	return 0;
}

static int
export_file(struct export *x, const char *name, int from, uint64_t size,
    struct err *e)
{
	struct stat st;

	if (fstat(from, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", name);
	if (x->dir == -1)
		return tar_add(STDOUT_FILENO, name, from, size,
		    (int64_t)st.st_mtime, e);
	return copy_file(x, name, from, size, e);
}

/* Of a segment all that was signed; a broken one has more, and that too. */
static int
export_segment(struct export *x, int dir, const struct heads_line *l,
    struct err *e)
{
	autofd fd = -1;
	struct stat st, there;

	if (list_open(dir, l->segment, &fd, e) == -1) {
		x->gone += e->code == ERR_NOT_FOUND;
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	}
	if (fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", l->segment);
	if (x->dir != -1 && fstatat(x->dir, l->segment, &there, 0) == 0 &&
	    there.st_size == st.st_size) {
		x->kept++;
		return 0;
	}
	x->copied++;
	return export_file(x, l->segment, fd, (uint64_t)st.st_size, e);
}

static int
export_text(struct export *x, const char *name, const char *text, struct err *e)
{
	autofd fd = memfd_create(name, MFD_CLOEXEC);
	size_t n = strlen(text);

	if (fd == -1 || write(fd, text, n) != (ssize_t)n)
		return err_set(e, ERR_SYSTEM, "%s", name);
	return export_file(x, name, fd, n, e);
}

/* ---- all of them ------------------------------------------------------------------------ */

static int
export_segments(struct export *x, const struct place *p, const struct list *l,
    struct err *e)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->line[i].time, x->since) >= 0 &&
		    list_find(l, l->line[i].segment) == &l->line[i] &&
		    export_segment(x, p->dir, &l->line[i], e) == -1)
			return -1;
	return 0;
}

/* The list first read goes, not one that has grown meanwhile. */
static int
export_heads(struct export *x, int heads, uint64_t size, struct err *e)
{
	return heads == -1 ? 0
			   : export_file(x, AUDIT_HEADS_NAME, heads, size, e);
}

static int
export_all(struct export *x, const struct place *p, struct err *e)
{
	struct heads_keys keys = { .key = { p->key }, .n = 1 };
	autofd heads =
	    openat(p->dir, AUDIT_HEADS_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char pem[SEAL_PEM_SIZE];
	struct stat st = { 0 };
	struct list l;
	int r;

	if ((heads == -1 && errno != ENOENT) ||
	    (heads != -1 && fstat(heads, &st) == -1))
		return err_set(e, ERR_SYSTEM, AUDIT_HEADS_NAME);
	if (seal_pem(p->key, pem, e) == -1)
		return -1;
	r = list_load(p->dir, &keys, NULL, &l, e);
	if (r == 0)
		r = export_segments(x, p, &l, e);
	list_finish(&l);
	if (r == 0)
		r = export_text(x, public_name, pem, e);
	if (r == 0)
		r = export_heads(x, heads, (uint64_t)st.st_size, e);
	if (r == 0 && x->dir == -1)
		r = tar_end(STDOUT_FILENO, e);
	return r;
}

static int
export_open(struct export *x, struct err *e)
{
	x->dir = -1;
	if (strcmp(x->to, "-") == 0)
		return 0;
	if (mkdir(x->to, 0700) == -1 && errno != EEXIST)
		return err_set(e, ERR_SYSTEM, "%s", x->to);
	x->dir = open(x->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return x->dir == -1 ? err_set(e, ERR_SYSTEM, "%s", x->to) : 0;
}

static int
export_run(struct export *x, struct place *p, struct err *e)
{
	struct lockdown_tree trees[2];
	size_t n = 0;

	if (x->to == NULL)
		return err_set(e, ERR_INVALID,
		    "where to? write: warder audit export --to DIR");
	if (verb_need_place(p, e) == -1 || export_open(x, e) == -1)
		return -1;
	trees[n++] = (struct lockdown_tree){ p->dir, 0 };
	if (x->dir != -1)
		trees[n++] = (struct lockdown_tree){ x->dir, 1 };
	if (lock_verb(trees, n, e) == -1)
		return -1;
	return export_all(x, p, e);
}

int
export_main(struct place *p, int argc, char **argv)
{
	struct export x = { .dir = -1 };
	struct err e = { 0 };
	int rest, r = verb_options(&verb, &x, argc, argv, &rest);

	if (r != 0)
		return r == 1 ? 0 : 125;
	r = export_run(&x, p, &e);
	if (r == -1)
		return verb_fail(&e);
	if (x.dir != -1)
		(void)printf("%zu copied, %zu there already\n", x.copied,
		    x.kept);
	if (x.gone > 0)
		(void)fprintf(stderr,
		    "warder: audit: %zu signed segments are not here: see "
		    "warder audit verify\n",
		    x.gone);
	return x.gone > 0;
}
