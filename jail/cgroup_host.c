/*
 * Where groups can be made on this host.
 *
 * v1: below this process's own group of each hierarchy.  v2: below /warder of
 * the root group where that can be made (root on a host), else next to this
 * process's own group, where that parent was delegated to us: a group that
 * holds processes cannot hand controllers on, so it is never our own one.
 *
 * A controller lives in one version only, so the version with more of
 * memory, pids and cpu is taken (hybrid hosts).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#include "cgroup_private.h"

#define CGROUP_USUAL "/sys/fs/cgroup"

static pthread_mutex_t cgroup_host_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cgroup_host cgroup_host;
static uint32_t cgroup_host_searched;

/* ---- files ---- */

int
cgroup_file_write(int dir, const char *name, const char *text, size_t n)
{
	autofd fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	ssize_t r;

	if (fd == -1)
		return -errno;
	r = write(fd, text, n);
	if (r == -1)
		return -errno;
	return (size_t)r == n ? 0 : -EIO;
}

ssize_t
cgroup_file_read(int dir, const char *name, char *buf, size_t size)
{
	autofd fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t r = 1;

	if (fd == -1)
		return -errno;
	while (r > 0 && n < size - 1) {
		r = read(fd, buf + n, size - 1 - n);
		if (r == -1)
			return -errno;
		n += (size_t)r;
	}
	buf[n] = '\0';
	return (ssize_t)n;
}

int
cgroup_lines_init(struct cgroup_lines *l, int dir, const char *name)
{
	l->start = l->end = 0;
	l->skip = 0;
	l->fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	return l->fd == -1 ? -1 : 0;
}

void
cgroup_lines_finish(struct cgroup_lines *l)
{
	fd_closep(&l->fd);
}

/* Read on behind what is left in the buffer.  0 at the end. */
static int
cgroup_lines_fill(struct cgroup_lines *l)
{
	ssize_t r;

	if (l->end - l->start == sizeof(l->buf)) {
		l->skip = 1;
		l->start = l->end = 0;
	}
	memmove(l->buf, l->buf + l->start, l->end - l->start);
	l->end -= l->start;
	l->start = 0;
	r = read(l->fd, l->buf + l->end, sizeof(l->buf) - l->end);
	if (r <= 0)
		return 0;
	l->end += (size_t)r;
	return 1;
}

char *
cgroup_lines_next(struct cgroup_lines *l)
{
	for (;;) {
		char *line = l->buf + l->start;
		char *newline = memchr(line, '\n', l->end - l->start);

		if (newline == NULL) {
			if (!cgroup_lines_fill(l))
				return NULL;
			continue;
		}
		*newline = '\0';
		l->start = (size_t)(newline - l->buf) + 1;
		if (!l->skip)
			return line;
		l->skip = 0;
	}
}

void
cgroup_why(char why[CGROUP_WHY_MAX], const char *key, const char *reason)
{
	struct text t = { .buf = why,
		.size = CGROUP_WHY_MAX,
		.len = strlen(why) };

	text_addf(&t, "%s%s: %s", t.len > 0 ? "; " : "", key, reason);
}

void
cgroup_sleep_us(long us)
{
	struct timespec t = { .tv_nsec = us * 1000 };

	(void)nanosleep(&t, NULL);
}

int
cgroup_any_dir(const struct cgroup *c)
{
	unsigned k;

	for (k = 0; k < CGROUP__MAX; k++)
		if (k != CGROUP_FREEZER && c->dir[k] >= 0)
			return c->dir[k];
	return -1;
}

unsigned
cgroup_each_process(int dir, void (*fn)(pid_t, const struct cgroup *),
    const struct cgroup *c)
{
	struct cgroup_lines l;
	const char *line;
	unsigned n = 0;

	if (dir < 0 || cgroup_lines_init(&l, dir, "cgroup.procs") == -1)
		return 0;
	while ((line = cgroup_lines_next(&l)) != NULL) {
		uint64_t pid;

		if (text_parse_u64(line, INT32_MAX, &pid, NULL) == -1 ||
		    pid <= 1)
			continue;
		n++;
		if (fn != NULL)
			fn((pid_t)pid, c);
	}
	cgroup_lines_finish(&l);
	return n;
}

/* ---- finding ---- */

/* What /proc says about us, before a decision. */
struct cgroup_search {
	uint32_t want; /* v1: hierarchies without any of these are left out */

	struct {
		uint32_t controllers;
		char list[CGROUP_LIST_MAX]; /* the same in the kernel's words */
		char path[CGROUP_PATH_MAX];
	} v1[CGROUP__MAX]; /* our groups, by hierarchy */

	unsigned nv1;
	char v2[CGROUP_PATH_MAX]; /* our group; "" if there is none */
	struct cgroup_host found_v1;
	int v2_mount; /* the highest group that is visible, or -1 */
	char v2_root[CGROUP_PATH_MAX];
};

static void
cgroup_host_init(struct cgroup_host *h)
{
	unsigned k;

	memset(h, 0, sizeof(*h));
	for (k = 0; k < CGROUP__MAX; k++)
		h->parent[k] = h->owner[k] = -1;
}

static uint32_t
cgroup_host_controllers(const struct cgroup_host *h)
{
	uint32_t r = 0;
	unsigned k;

	for (k = 0; k < CGROUP__MAX; k++)
		if (h->parent[k] >= 0)
			r |= CGROUP_BIT(k);
	return r;
}

/* O_PATH of a directory below another, by no symbolic link; -1. */
static int
cgroup_open_dir(int dir, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* O_PATH of a mount point that really is of this kind; -1. */
static int
cgroup_open_mount(const char *point, unsigned long magic)
{
	autofd fd = open(point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs f;

	if (fd == -1 || fstatfs(fd, &f) == -1 ||
	    (unsigned long)f.f_type != magic)
		return -1;
	return take_fd(&fd);
}

static void
cgroup_search_member(struct cgroup_search *s, const struct cgroup_member *m)
{
	char *path = s->v2;

	if (!m->is_v2) {
		if ((m->v1 & s->want) == 0 || s->nv1 == CGROUP__MAX)
			return;
		s->v1[s->nv1].controllers = m->v1;
		if (m->list_length < CGROUP_LIST_MAX)
			memcpy(s->v1[s->nv1].list, m->list, m->list_length);
		path = s->v1[s->nv1++].path;
	}
	memcpy(path, m->path, strlen(m->path) + 1);
}

static void
cgroup_search_self(struct cgroup_search *s)
{
	struct cgroup_lines l;
	struct cgroup_member m;
	const char *line;

	if (cgroup_lines_init(&l, AT_FDCWD, "/proc/self/cgroup") == -1)
		return;
	while ((line = cgroup_lines_next(&l)) != NULL)
		if (cgroup_text_member(line, &m) == 0)
			cgroup_search_member(s, &m);
	cgroup_lines_finish(&l);
}

/* These controllers share the directory. */
static void
cgroup_host_share(struct cgroup_host *h, uint32_t controllers, int parent)
{
	int owner = __builtin_ctz(controllers);
	struct stat st = { 0 };
	int k;

	(void)fstat(parent, &st);
	for (k = 0; k < CGROUP__MAX; k++) {
		if (!(controllers & CGROUP_BIT(k)))
			continue;
		h->parent[k] = parent;
		h->owner[k] = owner;
		h->dev[k] = st.st_dev;
		h->ino[k] = st.st_ino;
	}
}

static void
cgroup_search_v1(struct cgroup_search *s, const struct cgroup_mount *m)
{
	unsigned i;

	for (i = 0; i < s->nv1; i++) {
		uint32_t all = s->v1[i].controllers;
		const char *below = cgroup_text_below(m->root, s->v1[i].path);
		autofd mount = -1;
		int parent;

		if ((all & m->v1) == 0 || below == NULL ||
		    s->found_v1.parent[__builtin_ctz(all)] >= 0)
			continue;
		mount = cgroup_open_mount(m->point, CGROUP_SUPER_MAGIC);
		if (mount == -1)
			continue;
		parent = strcmp(below, ".") == 0
			     ? take_fd(&mount)
			     : cgroup_open_dir(mount, below);
		if (parent >= 0)
			cgroup_host_share(&s->found_v1, all, parent);
	}
}

static void
cgroup_search_v2(struct cgroup_search *s, const struct cgroup_mount *m)
{
	if (s->v2_mount >= 0)
		return;
	s->v2_mount = cgroup_open_mount(m->point, CGROUP2_SUPER_MAGIC);
	memcpy(s->v2_root, m->root, sizeof(s->v2_root));
}

/*
 * Look where every distribution mounts them.  The group is not taken for
 * another: the file system's type is checked, our path must be below, and a
 * file that another controller does not have is missed when it is written.
 */
static void
cgroup_search_usual(struct cgroup_search *s)
{
	struct cgroup_mount m = { .root = "/" };
	struct text t;
	unsigned i;

	for (i = 0; i < s->nv1; i++) {
		m.v1 = s->v1[i].controllers;
		text_init(&t, m.point, sizeof(m.point));
		text_addf(&t, CGROUP_USUAL "/%s", s->v1[i].list);
		cgroup_search_v1(s, &m);
	}
	text_init(&t, m.point, sizeof(m.point));
	text_add(&t, CGROUP_USUAL);
	cgroup_search_v2(s, &m);
}

/* Whether nothing that matters is missing. */
static int
cgroup_search_is_done(const struct cgroup_search *s)
{
	unsigned i;

	for (i = 0; i < s->nv1; i++)
		if (s->found_v1.parent[__builtin_ctz(s->v1[i].controllers)] ==
		    -1)
			return 0;
	return s->v2_mount >= 0 || (cgroup_host_controllers(&s->found_v1) &
				       CGROUP_LIMITING) == CGROUP_LIMITING;
}

/* The mount table takes the kernel 30 us and more to print. */
static void
cgroup_search_mounts(struct cgroup_search *s)
{
	struct cgroup_lines l;
	struct cgroup_mount m;
	const char *line;

	if (cgroup_lines_init(&l, AT_FDCWD, "/proc/self/mountinfo") == -1)
		return;
	while ((line = cgroup_lines_next(&l)) != NULL)
		if (cgroup_text_mount(line, &m) != 1)
			continue;
		else if (m.is_v2)
			cgroup_search_v2(s, &m);
		else
			cgroup_search_v1(s, &m);
	cgroup_lines_finish(&l);
}

/* ---- v2 ---- */

static uint32_t
cgroup_v2_list(int dir, const char *file)
{
	char buf[CGROUP_FILE_MAX];
	ssize_t n = cgroup_file_read(dir, file, buf, sizeof(buf));

	if (n <= 0)
		return 0;
	return cgroup_text_controllers(CGROUP_V2, buf, (size_t)n, " \n");
}

/* Hand the controllers on to the children of dir; returns those that are. */
static uint32_t
cgroup_v2_enable(int dir, uint32_t want)
{
	uint32_t have = cgroup_v2_list(dir, "cgroup.subtree_control");
	unsigned k;

	for (k = 0; k < CGROUP__MAX; k++) {
		char buf[32];
		struct text t;

		if (!(want & ~have & CGROUP_BIT(k)))
			continue;
		text_init(&t, buf, sizeof(buf));
		text_addf(&t, "+%s", cgroup_text_name(CGROUP_V2, k));
		if (cgroup_file_write(dir, "cgroup.subtree_control", buf,
			t.len) == 0)
			have |= CGROUP_BIT(k);
	}
	return have & want;
}

/*
 * /warder below the root group.  Its own list of controllers is looked at
 * first: complete on every start but the first, it spares the root's.
 */
static int
cgroup_v2_top(int mount, uint32_t want, uint32_t *ret)
{
	autofd top = -1;

	if (mkdirat(mount, CGROUP_TOP, 0755) == -1 && errno != EEXIST)
		return -1;
	top = cgroup_open_dir(mount, CGROUP_TOP);
	/* To others than root it is there, but not to be used. */
	if (top == -1 || faccessat(top, ".", W_OK, 0) == -1)
		return -1;
	*ret = cgroup_v2_list(top, "cgroup.subtree_control") & want;
	if (*ret != want) {
		(void)cgroup_v2_enable(mount, want);
		*ret = cgroup_v2_enable(top, want);
	}
	return take_fd(&top);
}

/* The parent of our own group, if it was delegated to us. */
static int
cgroup_v2_delegated(const struct cgroup_search *s, uint32_t want, uint32_t *ret)
{
	char path[CGROUP_PATH_MAX];
	const char *below;
	autofd parent = -1;

	memcpy(path, s->v2, sizeof(path));
	if (path[0] == '\0' || path[1] == '\0') {
		errno = ENOENT; /* in the root of our namespace */
		return -1;
	}
	*strrchr(path, '/') = '\0';
	below = cgroup_text_below(s->v2_root, path);
	if (below == NULL) {
		errno = ENOENT;
		return -1;
	}
	parent = cgroup_open_dir(s->v2_mount, below);
	/* To clone into a child, one must be let write to their ancestor. */
	if (parent == -1 || faccessat(parent, ".", W_OK, 0) == -1 ||
	    faccessat(parent, "cgroup.procs", W_OK, 0) == -1)
		return -1;
	*ret = cgroup_v2_enable(parent, want);
	return take_fd(&parent);
}

static void
cgroup_v2_choose(struct cgroup_search *s, uint32_t have, struct cgroup_host *h)
{
	uint32_t got = 0;
	int parent = cgroup_v2_top(s->v2_mount, have, &got);

	if (parent == -1 || (got & CGROUP_LIMITING) == 0) {
		/* A container's root, say: it holds processes. */
		if (parent >= 0)
			(void)unlinkat(s->v2_mount, CGROUP_TOP, AT_REMOVEDIR);
		fd_closep(&parent);
		parent = cgroup_v2_delegated(s, have, &got);
	}
	if (parent == -1) {
		cgroup_why(h->why, "cgroup v2",
		    errno == ENOENT ? "this process's group has no parent here"
				    : "this process's group was not delegated");
		return;
	}
	h->version = CGROUP_V2;
	/* Every group counts its time and can be frozen. */
	cgroup_host_share(h,
	    got | CGROUP_BIT(CGROUP_CPUACCT) | CGROUP_BIT(CGROUP_FREEZER),
	    parent);
}

/* ---- the decision ---- */

static void
cgroup_host_close(struct cgroup_host *h)
{
	int k;

	for (k = 0; k < CGROUP__MAX; k++)
		if (h->owner[k] == k)
			(void)close(h->parent[k]);
}

void
cgroup_host_find(struct cgroup_host *h, uint32_t want)
{
	struct cgroup_search s = { .want = want, .v2_mount = -1 };
	uint32_t v1, v2 = 0;

	cgroup_host_init(h);
	cgroup_host_init(&s.found_v1);
	cgroup_search_self(&s);
	cgroup_search_usual(&s);
	if (!cgroup_search_is_done(&s))
		cgroup_search_mounts(&s);
	v1 = cgroup_host_controllers(&s.found_v1) & CGROUP_LIMITING;
	if (s.v2_mount >= 0)
		v2 = cgroup_v2_list(s.v2_mount, "cgroup.controllers");
	if (__builtin_popcount(v1) > __builtin_popcount(v2 & CGROUP_LIMITING)) {
		*h = s.found_v1;
		h->version = CGROUP_V1;
	} else {
		cgroup_host_close(&s.found_v1);
		if ((v2 & CGROUP_LIMITING) != 0)
			cgroup_v2_choose(&s, v2, h);
		else
			cgroup_why(h->why, "cgroup",
			    "no controller is mounted");
	}
	fd_closep(&s.v2_mount);
}

/* Someone may have closed the descriptors, or used their numbers again. */
static int
cgroup_host_is_stale(const struct cgroup_host *h)
{
	struct stat st;
	int k;

	for (k = 0; k < CGROUP__MAX; k++)
		if (h->owner[k] == k &&
		    (fstat(h->parent[k], &st) == -1 || st.st_dev != h->dev[k] ||
			st.st_ino != h->ino[k]))
			return 1;
	return 0;
}

void
cgroup_host_get(struct cgroup_host *ret, uint32_t want, int again)
{
	(void)pthread_mutex_lock(&cgroup_host_lock);
	want |= cgroup_host_searched | CGROUP_LIMITING;
	/* What was found before is left open: another jail may use it. */
	if (want != cgroup_host_searched || again ||
	    cgroup_host_is_stale(&cgroup_host))
		cgroup_host_find(&cgroup_host, want);
	cgroup_host_searched = want;
	*ret = cgroup_host;
	(void)pthread_mutex_unlock(&cgroup_host_lock);
}
