#include "list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "msg_audit.h"

struct list_load {
	struct list *list;
	const char *look;
};

static int
list_add(void *ctx, const struct heads_line *h, struct err *e)
{
	struct list_load *load = ctx;
	struct list *l = load->list;
	char text[SCAN_HEAD_SIZE];
	void *p;

	if (l->first == 0)
		l->first = h->at.seq;
	scan_head(&h->at, text);
	l->seen |= load->look != NULL && strcmp(text, load->look) == 0;
	if (h->pruned)
		return 0;
	if (l->n == l->room) {
		l->room = l->room == 0 ? 256 : 2 * l->room;
		p = reallocarray(l->line, l->room, sizeof(l->line[0]));
		if (p == NULL)
			return err_sys(e, ENOMEM, "the list of heads");
		l->line = p;
	}
	l->line[l->n++] = *h;
	return 0;
}

static int
list_compare_name(const void *a, const void *b)
{
	const struct heads_line *x = *(struct heads_line *const *)a;
	const struct heads_line *y = *(struct heads_line *const *)b;
	int r = strcmp(x->segment, y->segment);

	return r != 0 ? r : x->at.seq < y->at.seq ? -1 : x->at.seq > y->at.seq;
}

static int
list_compare_run(const void *a, const void *b)
{
	const struct heads_line *x = *(struct heads_line *const *)a;
	const struct heads_line *y = *(struct heads_line *const *)b;
	int r = strcmp(x->run, y->run);

	if (r == 0 && x->first != y->first)
		r = x->first < y->first ? -1 : 1;
	return r != 0 ? r : x->at.seq < y->at.seq ? -1 : x->at.seq > y->at.seq;
}

static int
list_sort(struct list *l, struct err *e)
{
	const size_t each = sizeof(struct heads_line *);
	size_t i;

	l->by_name = calloc(l->n + 1, each);
	l->by_run = calloc(l->n + 1, each);
	if (l->by_name == NULL || l->by_run == NULL)
		return err_sys(e, ENOMEM, "the list of heads");
	for (i = 0; i < l->n; i++)
		l->by_name[i] = l->by_run[i] = &l->line[i];
	qsort(l->by_name, l->n, each, list_compare_name);
	qsort(l->by_run, l->n, each, list_compare_run);
	return 0;
}

int
list_load(int dir, const struct heads_keys *keys, const char *look,
    struct list *ret, struct err *e)
{
	struct list_load load = { ret, look };
	autofd fd = openat(dir, AUDIT_HEADS_NAME,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	*ret = (struct list){ 0 };
	if (fd == -1 && errno != ENOENT)
		return err_set(e, ERR_SYSTEM, AUDIT_HEADS_NAME);
	if (fd != -1 &&
	    heads_read(fd, keys, list_add, &load, &ret->last, e) == -1)
		return err_wrap(e, AUDIT_HEADS_NAME);
	return list_sort(ret, e);
}

void
list_finish(struct list *l)
{
	free(l->line);
	free(l->by_name);
	free(l->by_run);
	*l = (struct list){ 0 };
}

const struct heads_line *
list_find(const struct list *l, const char *segment)
{
	size_t low = 0, high = l->n;

	/* behind the last one that is not greater */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(l->by_name[mid]->segment, segment) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && strcmp(l->by_name[low - 1]->segment, segment) == 0
		   ? l->by_name[low - 1]
		   : NULL;
}

static void
list_closedirp(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

int
list_files(int dir, int (*fn)(void *ctx, const char *name, struct err *e),
    void *ctx, struct err *e)
{
	cleanup(list_closedirp) DIR *d = NULL;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *n;
	char run[64];

	if (fd == -1 || (d = fdopendir(fd)) == NULL) {
		fd_closep(&fd);
		return err_set(e, ERR_SYSTEM, "the audit directory");
	}
	while (errno = 0, (n = readdir(d)) != NULL)
		if (heads_is_segment(n->d_name, run) &&
		    fn(ctx, n->d_name, e) == -1)
			return -1;
	return errno == 0 ? 0 : err_set(e, ERR_SYSTEM, "the audit directory");
}

int
list_open(int dir, const char *name, int *ret, struct err *e)
{
	autofd fd =
	    openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd == -1 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "%s is not there", name);
	if (fd == -1 || fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CORRUPT, "%s: not a regular file", name);
	*ret = take_fd(&fd);
	return 0;
}

int
list_is_live(int fd)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return 1;
	(void)flock(fd, LOCK_UN);
	return fstat(fd, &st) == 0 &&
	       time(NULL) - st.st_mtime < 2 * AUDIT_SIGN_S;
}
