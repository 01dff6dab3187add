/*
 * bounds.h: the numbers a policy may say, and what it gets when it is silent.
 *
 * The loader refuses what is outside at its place in the file, plan_check()
 * refuses it again for whoever runs a plan.  Preprocessor constants, because
 * most do not fit an enum.  Any process may include it.
 */
#ifndef BOUNDS_H
#define BOUNDS_H

#define BOUND_KIB (1024ULL)
#define BOUND_MIB (1024ULL * BOUND_KIB)
#define BOUND_GIB (1024ULL * BOUND_MIB)
#define BOUND_TIB (1024ULL * BOUND_GIB)
#define BOUND_SECOND (1000ULL)
#define BOUND_DAY (24ULL * 3600 * BOUND_SECOND)

/* Below a hundredth of a processor the scheduler's period is too coarse. */
#define BOUND_CPU_MIN 10ULL
#define BOUND_CPU_MAX (1024ULL * 1000)
/* Less than this does not even hold the jail's first process. */
#define BOUND_MEMORY_MIN (4ULL * BOUND_MIB)
#define BOUND_MEMORY_MAX (64ULL * BOUND_TIB)
#define BOUND_PIDS_MIN 1ULL
#define BOUND_PIDS_MAX 4194304ULL /* the kernel's PID_MAX_LIMIT */
#define BOUND_FILES_MIN 16ULL
#define BOUND_FILES_MAX 1048576ULL /* the kernel's default nr_open */
#define BOUND_TIME_MIN 1ULL
#define BOUND_TIME_MAX (366ULL * BOUND_DAY)
#define BOUND_OUTPUT_MIN 1ULL
#define BOUND_OUTPUT_MAX (64ULL * BOUND_TIB)
/* A tmpfs has whole pages; 64 KiB is the largest page there is. */
#define BOUND_MOUNT_MIN (64ULL * BOUND_KIB)
#define BOUND_MOUNT_MAX (64ULL * BOUND_TIB)
#define BOUND_INODES_MIN 16ULL
#define BOUND_INODES_MAX 1000000000ULL
#define BOUND_LANDLOCK_MAX 64ULL
#define BOUND_BODY_MAX (64ULL * BOUND_TIB)

/* Defaults of what is not a key of its own. */
#define BOUND_INODES_DEFAULT 100000ULL
#define BOUND_NEW_DEFAULT (1ULL * BOUND_GIB)
#define BOUND_TMPFS_DEFAULT (256ULL * BOUND_MIB)
#define BOUND_ROOTFS_DEFAULT (1ULL * BOUND_GIB)

#endif /* !BOUNDS_H */
