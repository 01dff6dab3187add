#include "quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include "image.h"
#include "limits_jail.h"
#include "sys.h"

enum {
	QUOTA_STACK = 32 * 1024,
	QUOTA_MODE_NEW = 0755,
	QUOTA_MODE_TMPFS = 01777,
};

/* The process that makes images, and what it shares with us. */
struct quota_work {
	const struct plan *plan;
	const unsigned char *kind;
	int *fd;
	int dir;
	pid_t pid;
	long result; /* of the first that failed; 0; -ESRCH: it was killed */
	uint32_t place; /* which one */
	struct image image;
	unsigned char stack[QUOTA_STACK] __attribute__((aligned(16)));
};

/* ---- the plan ---- */

static int
quota_is_new(const struct plan_mount *m)
{
	return m->kind == PLAN_MOUNT_NEW || m->kind == PLAN_MOUNT_TMPFS;
}

static uint64_t
quota_size(const struct plan *p, uint32_t place)
{
	return place == QUOTA_ROOTFS ? p->rootfs_size_bytes
				     : p->mounts[place].size_bytes;
}

static uint64_t
quota_inodes(const struct plan *p, uint32_t place)
{
	return place == QUOTA_ROOTFS ? LIMITS_INODES : p->mounts[place].inodes;
}

const char *
quota_path(const struct plan *p, uint32_t place)
{
	return place == QUOTA_ROOTFS ? "/"
				     : plan_string(p, p->mounts[place].path);
}

/* All of one kind: their sizes, and the largest one's place. */
static uint64_t
quota_sum(const struct plan *p, const unsigned char *kind, enum quota_kind k,
    uint32_t *ret_largest)
{
	uint64_t sum = 0, most = 0;
	uint32_t i;

	for (i = 0; i < QUOTA_PLACES; i++) {
		if (kind[i] != k)
			continue;
		sum += quota_size(p, i);
		if (quota_size(p, i) > most) {
			most = quota_size(p, i);
			*ret_largest = i;
		}
	}
	return sum;
}

void
quota_plan(const struct plan *p, unsigned char ret_kind[QUOTA_PLACES])
{
	uint64_t most = p->limits.memory_bytes / QUOTA_MEMORY_PART;
	uint32_t i, largest = 0;

	memset(ret_kind, QUOTA_NONE, QUOTA_PLACES);
	for (i = 0; i < p->nmounts; i++) {
		if (quota_is_new(&p->mounts[i]))
			ret_kind[i] = QUOTA_TMPFS;
	}
	if (p->rootfs == PLAN_ROOTFS_DIR)
		ret_kind[QUOTA_ROOTFS] = QUOTA_TMPFS;
	while (quota_sum(p, ret_kind, QUOTA_TMPFS, &largest) > most)
		ret_kind[largest] = QUOTA_IMAGE;
}

/* ---- what the host offers ---- */

static void
quota_count(struct quota *q)
{
	uint32_t i;

	memset(q->posture.count, 0, sizeof(q->posture.count));
	for (i = 0; i < QUOTA_PLACES; i++)
		q->posture.count[q->kind[i]]++;
}

/* They are tmpfs; that is recorded. */
static void quota_miss(struct quota *q, const char *fmt, ...) printf_like(2, 3);

static void
quota_miss(struct quota *q, const char *fmt, ...)
{
	va_list ap;
	uint32_t i;

	va_start(ap, fmt);
	(void)vsnprintf(q->posture.why, sizeof(q->posture.why), fmt, ap);
	va_end(ap);
	for (i = 0; i < QUOTA_PLACES; i++) {
		if (q->kind[i] == QUOTA_IMAGE)
			q->kind[i] = QUOTA_MISSED;
	}
	quota_count(q);
}

/* Nobody may have more beside his limit than the host has. */
static int
quota_fits_host(const struct plan *p, const unsigned char *kind)
{
	struct sysinfo host;
	uint32_t largest;
	uint64_t all = quota_sum(p, kind, QUOTA_MISSED, &largest);

	return sysinfo(&host) == 0 &&
	       all + p->limits.memory_bytes <=
		   (uint64_t)host.totalram * host.mem_unit / QUOTA_HOST_PART;
}

void
quota_settle(struct quota *q, const struct plan *p, int counted)
{
	uint32_t i;

	if (counted || q->posture.count[QUOTA_MISSED] == 0 ||
	    !quota_fits_host(p, q->kind))
		return;
	for (i = 0; i < QUOTA_PLACES; i++) {
		if (q->kind[i] == QUOTA_MISSED)
			q->kind[i] = QUOTA_BESIDE;
	}
	quota_count(q);
}

/* A file there would be memory, and nobody's. */
static int
quota_is_memory(const struct statfs *fs)
{
	return fs->f_type == TMPFS_MAGIC || fs->f_type == RAMFS_MAGIC;
}

/* The directory, or -1 with the reason recorded. */
static int
quota_open(struct quota *q, const char *dir, uint64_t wanted_bytes)
{
	struct statfs fs;
	uint64_t free_bytes;
	autofd fd = -1;

	if (dir == NULL || dir[0] == '\0') {
		quota_miss(q, "no state directory");
		return -1;
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fstatfs(fd, &fs) == -1) {
		quota_miss(q, "%.60s: %s", dir, strerror(errno));
		return -1;
	}
	free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	if (quota_is_memory(&fs)) {
		quota_miss(q, "%.60s is in memory itself", dir);
		return -1;
	}
	if (free_bytes < wanted_bytes + QUOTA_SPARE_BYTES) {
		quota_miss(q, "%.60s has only %llu MiB free", dir,
		    (unsigned long long)free_bytes >> 20);
		return -1;
	}
	return take_fd(&fd);
}

/*
 * Not there, or closed to us: a container's host decides that.  Everything
 * else should work.
 */
static int
quota_is_missing(enum image_step step, long r)
{
	switch (step) {
	case IMAGE_FILE:
		return r == -EFBIG;
	case IMAGE_DISK:
		return r == -EOPNOTSUPP;
	case IMAGE_CONTROL:
	case IMAGE_DEVICE:
		return r == -ENOENT || r == -ENXIO || r == -ENODEV ||
		       r == -EACCES || r == -EPERM;
	case IMAGE_TYPE:
		return r == -ENODEV;
	default:
		return 0;
	}
}

/* ---- images ---- */

static int
quota_worker(void *arg)
{
	struct quota_work *w = arg;
	struct image *im = &w->image;
	uint32_t i;
	long r = 0;

	for (i = 0; i < QUOTA_PLACES && r >= 0; i++) {
		if (w->kind[i] != QUOTA_IMAGE)
			continue;
		im->size_bytes = quota_size(w->plan, i);
		im->inodes = quota_inodes(w->plan, i);
		im->mode = i < w->plan->nmounts &&
				   w->plan->mounts[i].kind == PLAN_MOUNT_TMPFS
			       ? QUOTA_MODE_TMPFS
			       : QUOTA_MODE_NEW;
		w->place = i;
		r = image_make(im);
		if (r >= 0)
			w->fd[i] = im->mount;
	}
	w->result = r;
	return 0;
}

/*
 * It shares our memory and descriptors, has no signal handlers to run, and
 * ends by itself: should we be killed, what it holds is closed with it.
 */
static int
quota_clone(struct quota_work *w, struct err *e)
{
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_FILES,
		.stack = (uintptr_t)w->stack,
		.stack_size = sizeof(w->stack),
	};
	sigset_t all, old;
	long pid;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	pid = sys_clone(&a, sizeof(a), quota_worker, w);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return err_sys(e, (int)-pid, "quota: clone3");
	w->pid = (pid_t)pid;
	return 0;
}

static int
quota_images(struct quota *q, const struct plan *p,
    const struct quota_caller *c, int dir, struct err *e)
{
	autofd owned = dir;
	struct quota_work *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (w == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "quota: mmap");
	q->work = w;
	w->plan = p;
	w->kind = q->kind;
	w->fd = q->fd;
	w->dir = w->image.dir = take_fd(&owned);
	w->result = -ESRCH;
	w->image.name = c->name;
	w->image.uid = c->uid;
	w->image.gid = c->gid;
	w->image.now = (uint32_t)time(NULL);
	return quota_clone(w, e);
}

void
quota_init(struct quota *q)
{
	uint32_t i;

	memset(q, 0, sizeof(*q));
	for (i = 0; i < QUOTA_PLACES; i++)
		q->fd[i] = -1;
}

int
quota_begin(struct quota *q, const struct plan *p, const struct quota_caller *c,
    struct err *e)
{
	uint32_t largest;
	uint64_t wanted;
	int dir;

	quota_plan(p, q->kind);
	quota_count(q);
	wanted = quota_sum(p, q->kind, QUOTA_IMAGE, &largest);
	if (wanted == 0)
		return 0;
	if (c->rootless) {
		quota_miss(q, "rootless");
		return 0;
	}
	dir = quota_open(q, c->state_dir, wanted);
	return dir == -1 ? 0 : quota_images(q, p, c, dir, e);
}

static void
quota_reap(struct quota_work *w)
{
	while (
	    w->pid > 0 && waitpid(w->pid, NULL, __WALL) == -1 && errno == EINTR)
		continue;
	w->pid = 0;
}

static void
quota_drop(struct quota *q)
{
	uint32_t i;

	for (i = 0; i < QUOTA_PLACES; i++) {
		if (q->fd[i] != -1)
			image_discard(take_fd(&q->fd[i]));
	}
}

/* What cannot be had here is missed, what should work is an error. */
static int
quota_failed(struct quota *q, struct err *e)
{
	const struct quota_work *w = q->work;
	const char *step = image_step_name(w->image.step);

	if (w->result == -ESRCH)
		return err_set(e, ERR_CONFLICT,
		    "%s: %s: its process was killed",
		    quota_path(w->plan, w->place), step);
	if (!quota_is_missing(w->image.step, w->result))
		return err_sys(e, (int)-w->result, "%s: %s",
		    quota_path(w->plan, w->place), step);
	quota_drop(q);
	quota_miss(q, "%s: %s", step, strerror((int)-w->result));
	return 0;
}

int
quota_wait(struct quota *q, struct err *e)
{
	struct quota_work *w = q->work;

	if (w == NULL)
		return 0;
	quota_reap(w);
	fd_closep(&w->dir);
	return w->result < 0 ? quota_failed(q, e) : 0;
}

void
quota_finish(struct quota *q)
{
	if (q->work != NULL) {
		quota_reap(q->work);
		fd_closep(&q->work->dir);
		sys_forget_stack(q->work, sizeof(*q->work));
		(void)munmap(q->work, sizeof(*q->work));
		q->work = NULL;
	}
	quota_drop(q);
}
