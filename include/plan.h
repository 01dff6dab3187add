/*
 * plan.h: a compiled policy.
 *
 * policy/ writes plans, jail/ and (later) proxy/ run them, and warderd
 * compares them field by field with the operator's ceiling, which is a plan
 * too.  A plan is flat, bounded, pointer-free and versioned, and its SHA-256
 * digest is inside: of all that it means, so that one meaning has one digest.
 * Where a mount was written down ("origin") means nothing; those strings come
 * last and have a digest of their own.  Strings are
 * offsets into the pool at the end; offset 0 is the empty string and means
 * "not given".  Only plan_size() bytes are stored or sent: the pool comes
 * last and its unused tail is cut off.
 *
 * Whoever receives a plan calls plan_check() before reading any field.
 */
#ifndef PLAN_H
#define PLAN_H

#include <stdint.h>

#include "err.h"
#include "sha256.h"

enum {
	PLAN_MAGIC = 0x4e4c5057, /* "WPLN" */
	PLAN_VERSION = 3,

	PLAN_ENV_MAX = 128,
	PLAN_MOUNT_MAX = 64,
	PLAN_PROTECT_MAX = 64,
	PLAN_SYSCALL_MAX = 64, /* entries in seccomp.allow and .deny each */
	PLAN_STRINGS_MAX = 64 * 1024,

	/* nservices of a ceiling that does not speak of them. */
	PLAN_SERVICES_ANY = PLAN_STRINGS_MAX,
};

typedef uint32_t plan_str; /* offset into strings[] */

enum plan_kind {
	PLAN_GRANT,
	PLAN_CEILING
};

/* A variable set to a value, or passed from the caller if it is there. */
struct plan_env {
	plan_str name;
	plan_str value;
	uint32_t pass; /* 1: the caller's value; value is unused */
};

enum plan_rootfs {
	PLAN_ROOTFS_HOST,
	PLAN_ROOTFS_DIR
};

enum plan_mount_kind {
	PLAN_MOUNT_READ, /* host file or directory, read-only */
	PLAN_MOUNT_WRITE, /* host directory, read-write */
	PLAN_MOUNT_NEW, /* new, empty, sized, kept by --keep */
	PLAN_MOUNT_TMPFS, /* the same, never kept */
	PLAN_MOUNT__MAX
};

/* Sorted by path, so that a parent comes before what lies in it. */
struct plan_mount {
	uint32_t kind; /* enum plan_mount_kind */
	plan_str from; /* absolute host path; empty for NEW and TMPFS */
	plan_str path; /* absolute, canonical path in the jail */
	plan_str origin; /* "file:line", for messages */
	uint64_t size_bytes; /* NEW and TMPFS */
	uint64_t inodes; /* NEW and TMPFS */
};

/* Readable, never writable: a path, or with tree everything below it too. */
struct plan_protect {
	plan_str path;
	plan_str origin;
	uint32_t tree;
};

enum plan_seccomp {
	PLAN_SECCOMP_STRICT,
	PLAN_SECCOMP_BUILD,
	PLAN_SECCOMP_DEBUG,
	PLAN_SECCOMP__MAX
};

/* 0 means "no limit" for the times and for output_bytes only. */
struct plan_limits {
	uint64_t cpu_milli; /* thousandths of a processor */
	uint64_t memory_bytes; /* swap included */
	uint64_t pids;
	uint64_t open_files;
	uint64_t wall_ms;
	uint64_t idle_ms; /* neither input nor output for so long */
	uint64_t cpu_time_ms; /* processor time used */
	uint64_t output_bytes; /* stdout and stderr together */
};

enum {
	PLAN_REQUIRE_CGROUP_MEMORY = 1 << 0,
	PLAN_REQUIRE_CGROUP_PIDS = 1 << 1,
	PLAN_REQUIRE_CGROUP_CPU = 1 << 2,
	PLAN_REQUIRE_CGROUP_IO = 1 << 3,
};

struct plan {
	uint32_t magic;
	uint32_t version;
	uint32_t size; /* == plan_size() */
	uint32_t nstrings; /* bytes of the pool in use, the first NUL too */
	unsigned char digest[SHA256_SIZE]; /* of what follows, but origins */
	unsigned char origins_digest[SHA256_SIZE]; /* with the one above */

	uint32_t kind; /* enum plan_kind */
	uint32_t nmeant; /* bytes of the pool before the first origin */
	plan_str name;
	plan_str cwd;
	uint32_t rootfs; /* enum plan_rootfs */
	plan_str rootfs_dir;
	uint64_t rootfs_size_bytes; /* of the overlay over rootfs_dir */

	uint32_t seccomp; /* enum plan_seccomp */
	uint32_t require_landlock; /* least ABI, 0: none */
	uint32_t require_cgroup; /* PLAN_REQUIRE_CGROUP_* */

	/* Slots whose keys are refused by name until they are built. */
	uint32_t nested;
	plan_str user;
	plan_str hostname;
	plan_str timezone;
	uint32_t ndevices;
	uint32_t ninbound;

	/* The network half (plan_net.h): how much of it there is, and which. */
	uint32_t nservices;
	uint32_t ncredentials;
	unsigned char net_digest[SHA256_SIZE]; /* all zero: there is none */

	struct plan_limits limits;

	uint32_t nenv;
	uint32_t nmounts;
	uint32_t nprotect;
	uint32_t nsyscall_allow;
	uint32_t nsyscall_deny;
	/* The filter compiled for this host's architecture. */
	unsigned char seccomp_digest[SHA256_SIZE];

	struct plan_env env[PLAN_ENV_MAX];
	struct plan_mount mounts[PLAN_MOUNT_MAX];
	struct plan_protect protect[PLAN_PROTECT_MAX];
	plan_str syscall_allow[PLAN_SYSCALL_MAX];
	plan_str syscall_deny[PLAN_SYSCALL_MAX];

	char strings[PLAN_STRINGS_MAX];
};

/* Empty, with magic, version and the empty string; not yet sealed. */
void plan_init(struct plan *p);

/*
 * Add a string (NUL-terminated, no longer than the pool has room for); the
 * same string twice is stored once.  ERR_LIMIT when the pool is full.
 */
must_check int plan_add_string(struct plan *p, const char *s, plan_str *ret,
    struct err *e);

/* The same for an origin; these come when all other strings are there. */
must_check int plan_add_origin(struct plan *p, const char *s, plan_str *ret,
    struct err *e);

/*
 * Add a read-only mount of the launcher's own to a checked plan of kind GRANT.
 * The digests stay: what the policy means is the same.  ERR_CONFLICT if
 * something is mounted there, ERR_LIMIT if there is no room.
 */
must_check int plan_add_own_mount(struct plan *p, const char *from,
    const char *path, struct err *e);

/* The string at an offset that plan_check() has accepted. */
const char *plan_string(const struct plan *p, plan_str s);

/* Bytes that are stored or sent. */
size_t plan_size(const struct plan *p);

/* 1 if there is a network half that belongs to the plan. */
int plan_has_net(const struct plan *p);

/* Set size and digests; call it last. */
void plan_seal(struct plan *p);

/*
 * Decide whether the "size" bytes at p are a whole, well-formed plan: magic,
 * version, sizes, counts, enumerations, every string inside the pool and
 * ended, paths absolute and canonical, mounts sorted and distinct, numbers
 * in their ranges, digests right.  ERR_CORRUPT with the first defect.  p must
 * have room for sizeof(struct plan).
 */
must_check int plan_check(const struct plan *p, size_t size, struct err *e);

/*
 * The first part in which two checked plans make another jail, as a policy
 * calls it: "filesystem", "limits" …; NULL: they make the same one, whatever
 * their names, origins and network halves are.
 */
const char *plan_differs(const struct plan *a, const struct plan *b);

/* "strict", "build", "debug"; NULL for another number. */
const char *plan_seccomp_name(uint32_t profile);

#endif /* !PLAN_H */
