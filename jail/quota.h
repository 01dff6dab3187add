/*
 * quota.h: what keeps the sizes of a jail's new directories.
 *
 * Runs in the launcher.  A tmpfs is fast, exact, and its pages count as the
 * jail's memory.  So new directories (filesystem.write without "from",
 * filesystem.tmpfs, the overlay over rootfs {dir}) are tmpfs as long as
 * their sizes together are at most a quarter of the memory limit; above that
 * the largest ones go to the disk, one after the other, until the rest fits.
 *
 *	as root     an ext4 image of the size
 *	rootless    there is none: a directory of the caller's has no size,
 *	            and a look at it now and then does not see what was
 *	            unlinked and is still written
 *
 * Where there is no disk they stay tmpfs, and the posture says so and why.
 * Who counts memory then decides: a control group counts them as memory; the
 * watchdog, which has to look anyway, leaves them out, so that they are full
 * before the memory is.  What should work and fails refuses the start.
 */
#ifndef QUOTA_H
#define QUOTA_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "plan.h"

enum {
	QUOTA_ROOTFS = PLAN_MOUNT_MAX, /* the overlay's place */
	QUOTA_PLACES,
	QUOTA_MEMORY_PART = 4, /* what part of the memory tmpfs may be */
	QUOTA_HOST_PART = 2, /* and of the host's, the limit and those beside */
	/* what an image leaves of the host's disk */
	QUOTA_SPARE_BYTES = 64 * 1024 * 1024,
};

enum quota_kind {
	QUOTA_NONE, /* not a new directory */
	QUOTA_TMPFS,
	QUOTA_IMAGE,
	QUOTA_MISSED, /* tmpfs, though too large for it */
	QUOTA_BESIDE, /* the same, and not counted as memory */
	QUOTA__MAX
};

/* For the posture. */
struct quota_posture {
	uint32_t count[QUOTA__MAX];
	char why[120]; /* why some are missed, or beside */
};

struct quota_caller {
	int rootless;
	const char *name; /* of the jail */
	const char *state_dir; /* "" or NULL: there is none */
	uid_t uid; /* outside: the agent's */
	gid_t gid;
};

struct quota_work;

struct quota {
	unsigned char kind[QUOTA_PLACES]; /* enum quota_kind */
	int fd[QUOTA_PLACES]; /* a detached mount; -1: a tmpfs */
	struct quota_posture posture;
	struct quota_work *work;
};

void quota_init(struct quota *q);

/* The place's path in the jail; borrowed from the plan. */
const char *quota_path(const struct plan *p, uint32_t place);

/* Which places are tmpfs, and which (QUOTA_IMAGE) are for the disk. */
void quota_plan(const struct plan *p, unsigned char ret_kind[QUOTA_PLACES]);

/*
 * Begin to make what is on disk, in a process of its own that works beside
 * the rest of the start; the plan is borrowed until quota_wait(), which
 * waits for it and fills q->fd.
 */
must_check int quota_begin(struct quota *q, const struct plan *p,
    const struct quota_caller *c, struct err *e);
must_check int quota_wait(struct quota *q, struct err *e);

/* counted: a control group counts their pages.  After quota_wait(). */
void quota_settle(struct quota *q, const struct plan *p, int counted);

/* Release all; the jail is dead.  Accepts what was never begun. */
void quota_finish(struct quota *q);

#endif /* !QUOTA_H */
