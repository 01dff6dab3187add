/*
 * watch.h: limits that no control group enforces here, kept by looking.
 *
 * Runs in the launcher.  Without a memory controller (rootless, without
 * delegation) it adds up what the jail's processes hold and what lies in its
 * file systems; without a cpu controller, their processor time.  A look
 * costs some microseconds a process and happens a few times a second, so a
 * burst between two looks can exceed the limit: the posture says "watchdog".
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdint.h>
#include <sys/types.h>

#include "plan.h"
#include "quota.h"

struct watch {
	uint64_t memory_bytes; /* anonymous pages and files in memory */
	uint64_t memory_peak_bytes;
	uint64_t cpu_us; /* of the living, and of the dead that were seen */
	uint64_t tasks_peak; /* threads of all, as RLIMIT_NPROC counts */
};

enum {
	WATCH_PROCESSES_MAX = 4096, /* looked at in one go */
	WATCH_INTERVAL_MS = 50,
	/* a disk with less than a piece of a write left is full: */
	WATCH_PIECE_BYTES = 2 * 1024 * 1024, /* the largest there is, */
	WATCH_PART = 64, /* or such a part of the disk */
};

/* Look at everything below the jail's pid 1 (its number outside). */
void watch_look(struct watch *w, pid_t init, const struct plan *p,
    const struct quota *q);

/*
 * Whether a writable file system of the jail is full, now: so was the last
 * write that failed for want of space.
 */
int watch_disk_full(pid_t init, const struct plan *p, const struct quota *q);

#endif /* !WATCH_H */
