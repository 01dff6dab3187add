/*
 * gather.c: the launcher's descriptors become stage one's.
 *
 * A table has room up to its highest number.  A launcher of a thousand jails
 * has thirteen thousand descriptors; copied as it is, its table would be 128
 * KiB in each jail's janitor and as much in its warder-init, and every
 * descriptor in it be counted up and down twice in each start.  So of a large
 * one only what is needed is copied, is given low numbers, from where stage
 * two copies it, and then the large table is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "stage.h"
#include "sys.h"

enum {
	GATHER_FEW = 256, /* numbers: a table of 2 KiB */
	GATHER_LOW = 10, /* above what stage two puts in place */
	GATHER_HOLD_S = 1, /* the holder's life, should stage one be killed */
	GATHER_MAX = 3 + 3 * CGROUP__MAX + PLAN_MOUNT_MAX,
};

/* Where the numbers are, the lowest first; some are the same. */
struct gather {
	int *at[GATHER_MAX];
	size_t n;
};

static void
gather_add(struct gather *g, int *fd)
{
	size_t i = g->n;

	if (*fd < 0)
		return;
	for (; i > 0 && *g->at[i - 1] > *fd; i--)
		g->at[i] = g->at[i - 1];
	g->at[i] = fd;
	g->n++;
}

static void
gather_needed(struct stage *s, struct gather *g)
{
	uint32_t i;

	g->n = 0;
	gather_add(g, &s->control_fd);
	gather_add(g, &s->init_fd);
	gather_add(g, &s->rootfs_fd);
	for (i = 0; i < CGROUP__MAX; i++) {
		gather_add(g, &s->groups.dir[i]);
		gather_add(g, &s->groups.parent[i]);
		gather_add(g, &s->groups.tasks[i]);
	}
	for (i = 0; i < s->plan->nmounts; i++)
		gather_add(g, &s->given[i].fd);
}

static int
gather_is_large(const struct gather *g)
{
	return g->n > 0 && *g->at[g->n - 1] >= GATHER_FEW;
}

/* The most numbers in a row that are not needed; some of them, if it is 0. */
static unsigned
gather_hole(const struct gather *g, unsigned *ret_from)
{
	unsigned from = 0, most = 0;
	size_t i;

	for (i = 0; i < g->n; i++) {
		unsigned fd = (unsigned)*g->at[i];

		if (fd > from && fd - from > most) {
			most = fd - from;
			*ret_from = from;
		}
		from = fd + 1;
	}
	return most;
}

long
gather_copy(struct stage *s)
{
	struct gather g;
	unsigned from = 0, most;

	s->groups = *s->cgroup;
	s->cgroup = &s->groups;
	memcpy(s->given, s->sources, sizeof(s->given));
	s->sources = s->given;
	gather_needed(s, &g);
	if (!gather_is_large(&g))
		return SYS(SYS_unshare, CLONE_FILES);
	most = gather_hole(&g, &from);
	return SYS(SYS_close_range, from, from + most - 1, CLOSE_RANGE_UNSHARE);
}

void
gather_close_others(const int *keep, size_t n)
{
	unsigned from = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if ((unsigned)keep[i] > from)
			(void)SYS(SYS_close_range, from, (unsigned)keep[i] - 1,
			    0);
		from = (unsigned)keep[i] + 1;
	}
	(void)SYS(SYS_close_range, from, ~0U, 0);
}

/* 0: all that is needed has a low number. */
static long
gather_move(const struct gather *g)
{
	size_t i, k;

	for (i = 0; i < g->n; i++) {
		int old = *g->at[i];
		long fd;

		if (old < GATHER_FEW)
			continue;
		fd = SYS(SYS_fcntl, old, F_DUPFD_CLOEXEC, GATHER_LOW);
		if (fd < 0)
			return fd;
		for (k = i; k < g->n && *g->at[k] == old; k++)
			*g->at[k] = (int)fd;
		(void)SYS(SYS_close, old);
	}
	return 0;
}

static int
gather_holder(void *arg)
{
	const struct timespec limit = { .tv_sec = GATHER_HOLD_S };
	struct stage *s = arg;

	if (__atomic_load_n(&s->holding, __ATOMIC_ACQUIRE) == 1)
		(void)SYS(SYS_futex, &s->holding, FUTEX_WAIT, 1, &limit, 0, 0);
	return 0;
}

/*
 * A table never shrinks, but a copy is as large as it must be, and is made of
 * one that somebody shares: for so long somebody does.
 */
static void
gather_shrink(struct stage *s)
{
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_FILES,
		.stack = (uintptr_t)s->stack_two,
		.stack_size = sizeof(s->stack_two),
	};
	long pid;

	s->holding = 1;
	pid = sys_clone(&a, sizeof(a), gather_holder, s);
	if (pid < 0)
		return;
	(void)SYS(SYS_unshare, CLONE_FILES);
	__atomic_store_n(&s->holding, 0, __ATOMIC_RELEASE);
	(void)SYS(SYS_futex, &s->holding, FUTEX_WAKE, 1, 0, 0, 0);
	while (SYS(SYS_wait4, pid, 0, __WALL, 0) == -EINTR)
		continue;
}

/* What fails costs memory, and nothing else. */
void
gather_low(struct stage *s)
{
	struct gather g;
	int keep[GATHER_MAX];
	size_t i;

	gather_needed(s, &g);
	if (!gather_is_large(&g))
		return;
	for (i = 0; i < g.n; i++)
		keep[i] = *g.at[i];
	gather_close_others(keep, g.n);
	if (gather_move(&g) >= 0)
		gather_shrink(s);
}
