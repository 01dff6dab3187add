/*
 * prune.c: "warder audit sign" and "warder audit prune".
 *
 * What a killed launcher has left is signed as it is found; what is older
 * than wanted is removed, from the front of the list on:
 *
 *	a new list, without its old lines, with one that says so, on the disk
 *	rename: from here on they are gone
 *	the segments that they named are removed
 *
 * Whoever dies between leaves segments that are on no list: those are signed
 * anew by the next one, and removed when they are old.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "msg_audit.h"
#include "verb.h"

static const char heads_new[] = AUDIT_HEADS_NAME ".new";

struct prune {
	const struct place *place;
	char older[HEADS_TIME_SIZE];
	int heads; /* the list, locked */
	struct audit audit; /* its end */
	struct list list;
	size_t signed_n, removed;
};

/* ---- the list, to oneself -------------------------------------------------------- */

static int
prune_open(struct prune *x, struct err *e)
{
	struct heads_keys keys = { .key = { x->place->key }, .n = 1 };

	do {
		fd_closep(&x->heads);
		x->heads = openat(x->place->dir, AUDIT_HEADS_NAME,
		    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (x->heads == -1)
			return err_set(e, ERR_SYSTEM, AUDIT_HEADS_NAME);
		e->code = ERR_OK;
	} while (heads_lock(x->heads, &x->audit, e) == -1 &&
		 e->code == ERR_CONFLICT);
	if (e->code != ERR_OK)
		return -1;
	return list_load(x->place->dir, &keys, NULL, &x->list, e);
}

/* ---- what nobody has signed ------------------------------------------------------ */

static int
sign_left(void *ctx, const char *name, struct err *e)
{
	struct prune *x = ctx;
	autofd fd = -1;
	struct scan s;

	if (list_find(&x->list, name) != NULL)
		return 0;
	if (list_open(x->place->dir, name, &fd, e) == -1)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (list_is_live(fd))
		return 0;
	if (scan_file(fd, NULL, &s, e) == -1 ||
	    heads_add(&x->audit, x->place->key, name, &s, e) == -1)
		return -1;
	x->signed_n++;
	return 0;
}

/* ---- what is old ----------------------------------------------------------------- */

/* How many of the list's heads are: all in front of the first that is not. */
static size_t
count_old(const struct prune *x)
{
	size_t n = 0;

	while (n < x->list.n && strcmp(x->list.line[n].time, x->older) < 0)
		n++;
	return n;
}

static int
copy_from(int from, uint64_t at, int to, struct err *e)
{
	static char buf[64 * 1024];
	ssize_t n;

	while ((n = pread(from, buf, sizeof(buf), (off_t)at)) > 0) {
		if (write(to, buf, (size_t)n) != n)
			return err_set(e, ERR_SYSTEM, "%s", heads_new);
		at += (uint64_t)n;
	}
	return n == -1 ? err_set(e, ERR_SYSTEM, AUDIT_HEADS_NAME) : 0;
}

/* Lines of other kinds between old heads go with them. */
static int
write_new(struct prune *x, size_t n, struct err *e)
{
	const struct heads_line *line = x->list.line;
	const int kept = n < x->list.n;
	struct audit a = x->audit;
	autofd to = openat(x->place->dir, heads_new,
	    O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	    0600);

	if (to == -1)
		return err_set(e, ERR_SYSTEM, "%s", heads_new);
	if (kept && copy_from(x->heads, line[n].offset, to, e) == -1)
		return -1;
	a.fd = to;
	if (heads_add_pruned(&a, x->place->key,
		kept ? line[n].at.seq : x->audit.head.seq + 1, x->older,
		e) == -1)
		return -1;
	if (fsync(to) == -1 ||
	    renameat(x->place->dir, heads_new, x->place->dir,
		AUDIT_HEADS_NAME) == -1 ||
	    fsync(x->place->dir) == -1)
		return err_set(e, ERR_SYSTEM, "%s", heads_new);
	return 0;
}

/* One that was signed once more since then stays. */
static int
remove_old(struct prune *x, size_t n, struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct heads_line *l = &x->list.line[i];

		if (list_find(&x->list, l->segment) != l)
			continue;
		if (unlinkat(x->place->dir, l->segment, 0) == 0)
			x->removed++;
		else if (errno != ENOENT)
			return err_set(e, ERR_SYSTEM, "%s", l->segment);
	}
	return 0;
}

/* ---- the verbs -------------------------------------------------------------------- */

static int
prune_run(struct prune *x, struct place *p, struct err *e)
{
	struct lockdown_tree tree = { .write = 1 };
	size_t n;

	x->place = p;
	if (verb_need_place(p, e) == -1)
		return -1;
	tree.fd = p->dir;
	if (lock_verb(&tree, 1, e) == -1 || prune_open(x, e) == -1 ||
	    list_files(p->dir, sign_left, x, e) == -1)
		return -1;
	n = count_old(x);
	if (n == 0)
		return 0;
	return write_new(x, n, e) == -1 ? -1 : remove_old(x, n, e);
}

static int
prune_end(struct prune *x, struct place *p)
{
	struct err e = { 0 };
	int r = prune_run(x, p, &e);

	list_finish(&x->list);
	fd_closep(&x->heads);
	if (r == -1)
		return verb_fail(&e);
	(void)printf("%zu signed, %zu removed\n", x->signed_n, x->removed);
	return 0;
}

static int
set_older(void *ctx, const char *v, struct err *e)
{
	struct prune *x = ctx;

	return verb_time(v, x->older, e);
}

/* clang-format off */
static const struct opt prune_options[] = {
	{ "older-than", 0, "TIME", "an age like 30d, or 2026-01-31", set_older },
};

static const struct opt_verb prune_verb = {
	"prune --older-than TIME",
	"Removes segments that were signed before then, and says so in the list\n"
	"of heads, which stays whole.  What a killed launcher has left is signed\n"
	"first, and so stays as long as what is new.",
	prune_options, countof(prune_options),
};

static const struct opt_verb sign_verb = {
	"sign",
	"Signs segments that a killed launcher has left, as they are.",
	NULL, 0,
};

/* clang-format on */

int
prune_main(struct place *p, int argc, char **argv)
{
	struct prune x = { .heads = -1 };
	struct err e;
	int rest, r = verb_options(&prune_verb, &x, argc, argv, &rest);

	if (r != 0)
		return r == 1 ? 0 : 125;
	if (x.older[0] != '\0')
		return prune_end(&x, p);
	(void)err_set(&e, ERR_INVALID,
	    "how old? write: warder audit prune --older-than 30d");
	return verb_fail(&e);
}

int
prune_sign(struct place *p, int argc, char **argv)
{
	struct prune x = { .heads = -1 };
	int rest, r = verb_options(&sign_verb, &x, argc, argv, &rest);

	if (r != 0)
		return r == 1 ? 0 : 125;
	return prune_end(&x, p);
}
