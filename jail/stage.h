/*
 * stage.h: what runs between the launcher's clone and warder-init's exec.
 *
 *	launcher ──clone──► stage one ──clone(PARENT)──► stage two ──exec──►
 *	   │  (rootless: a    owner of the network          the jail's      warder-init
 *	   │   user           namespace, outside the        seven other     (pid 1)
 *	   │   namespace)     jail's user namespace         namespaces
 *	   │ prepares         makes it meanwhile
 *	   ├── prepared ────► takes the descriptors,
 *	   │                  clones, writes the id maps,
 *	   └── waits for      stays as the janitor
 *	       INIT_HELLO
 *
 * A network namespace takes as long to make as everything that the launcher
 * prepares, so they are made at the same time.  Until the launcher is ready,
 * stage one shares its descriptors, then takes a copy of them.
 *
 * Both stages share the launcher's memory (CLONE_VM), so they neither
 * allocate nor call a C library, and report through struct stage, which lies
 * in a shared mapping of its own.  Stage two is one straight line of named
 * steps; the name of the failing one is in the error.
 *
 * The janitor outlives stage one's work: should the launcher be killed, it
 * waits for the jail's death and removes what would be left on the host.
 */
#ifndef STAGE_H
#define STAGE_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture.h"
#include "cgroup.h"
#include "err.h"
#include "plan.h"
#include "quota.h"
#include "seccomp_program.h"

/* The launcher tells stage one that prepared is set. */
#define STAGE_SIGNAL_ORDER SIGUSR1
/*
 * The same of released: alone it says so, since a launcher that has executed
 * its successor has another memory (carry.c).  It queues, so it cannot be
 * lost behind another; below it are those that C libraries keep.
 */
#define STAGE_SIGNAL_RELEASE 40
/* The kernel tells it that the launcher, or a thread of it, has died. */
#define STAGE_SIGNAL_DEATH SIGUSR2

/* What one stage waits for and the other one does. */
enum stage_ready {
	STAGE_NOT_YET,
	STAGE_DONE,
	STAGE_FAILED
};

enum {
	STAGE_STACK = 64 * 1024,
	STAGE_WHAT_MAX = 256,
	STAGE_PATH_MAX = 4096,
	STAGE_FILE_MAX = 8192, /* a generated file */
};

/* How one host directory or file comes in; prepared by the launcher. */
struct stage_source {
	int fd; /* O_PATH, or a detached (idmapped) mount; -1: none */
	int is_mount; /* fd is a detached mount */
	int is_dir;
};

/* A generated file, its text made by the launcher. */
struct stage_file {
	const char *path; /* below the root, without leading slash */
	const char *text;
	const char *over; /* mounted over this, of proc, too; or NULL */
	const char *same; /* the path of an earlier one of this text; or NULL */
	const char *link; /* in place of text: a symbolic link to this */
	uint32_t size;
	uint32_t yields; /* 1: a given root file system's own is kept */
};

struct stage_ids {
	uid_t init_uid, agent_uid; /* outside; equal when there is one only */
	gid_t init_gid, agent_gid;
};

/* What each layer came to; read by the posture. */
struct stage_result {
	int landlock_abi; /* 0: none */
	int landlock_scoped;
	int time_namespace;
	int core_limit; /* the hard limit that stands: 1, or 0 */
	int keyring;
};

/*
 * An empty placeholder that was made in a host directory: the first "length"
 * bytes (without the leading slash) of a protected path.
 */
struct stage_created {
	uint32_t mount; /* which of the plan's it lies in */
	uint32_t protect; /* whose path it is */
	uint32_t length;
};

/* How far a stage came; each writes its own. */
struct stage_report {
	const char *step; /* the step that runs or has failed */
	char what[STAGE_WHAT_MAX]; /* the object of the step */
	int sys; /* errno of the failure, 0: none */
};

/* A directory below the root, opened; path is borrowed. */
struct stage_place {
	int root_fd, fd;
	const char *path;
	size_t length; /* of path; 0: none */
};

struct stage {
	/* given */
	const struct plan *plan;
	const struct seccomp_program *program;
	const struct cgroup *cgroup;
	const struct stage_source *sources; /* by mount, PLAN_MOUNT_MAX */
	const struct stage_file *files;
	uint32_t nfiles;
	int certs; /* 1: some of them lie in etc/ssl/certs */
	int rootless;
	int rootfs_fd; /* rootfs {dir: …}: as struct stage_source's; or -1 */
	int images; /* 1: those of them that lie on disk are still to come */
	int dumpable; /* what the launcher was */
	int carried; /* 1: it becomes another program, and goes on with us */
	int keep; /* 1: send INIT_KEEP for what may be kept */
	const struct capture_request *capture; /* NULL: loopback alone */
	int control_fd; /* warder-init's end */
	int init_fd; /* the program */
	uint64_t online; /* processors the jail is told of */
	struct stage_ids ids;
	char janitor_unlink[STAGE_PATH_MAX]; /* removed at the end; may be "" */

	/* between the launcher and stage one; "sharing" is a futex */
	pid_t launcher_pid;
	uint32_t prepared; /* 1: all of the above is given */
	uint32_t released; /* 1: the jail is over, the janitor may go */
	uint32_t sharing; /* 1: our descriptors are stage one's; 0 at its end */

	/* between the stages */
	/* futexes, enum stage_ready; the launcher sets the first */
	uint32_t files_ready, maps_ready, network_ready;
	pid_t init_pid; /* set when stage one clones, before that returns */

	/* answers */
	struct stage_report one, two;
	struct stage_result result;
	uint32_t ncreated;
	struct stage_created created[PLAN_PROTECT_MAX];

	/* private to the stages */
	struct cgroup groups; /* what was given, with the numbers of theirs */
	struct stage_source given[PLAN_MOUNT_MAX];
	uint32_t holding; /* a futex; gather.c */
	int fresh[QUOTA_PLACES]; /* a mount on disk; -1 */
	int root_fd; /* the new root while it is built */
	int yield_fd; /* whose files some generated ones give way to; -1 */
	struct stage_place place; /* mount.c */
	int no_ipv6; /* net.c: not in this kernel */
	char path[STAGE_PATH_MAX];
	unsigned char stack_two[STAGE_STACK] __attribute__((aligned(4096)));
	unsigned char stack_one[STAGE_STACK] __attribute__((aligned(16)));
};

/* Entry of stage one, on a stack of its own, in its own process. */
int stage_one(void *stage);

/* ---- the pieces: each returns 0, or -errno having named its object ---- */

/* Record what a stage's present step is about, for the error. */
void stage_what(struct stage_report *r, const char *what);

/* fs.c: build the tree and make it the root. */
long fs_build(struct stage *s);
long fs_enter(struct stage *s);
long fs_generate(struct stage *s);
/* fresh.c: until all are there that come from the launcher. */
long fresh_await(struct stage *s);
/* overlay.c */
long overlay_root(struct stage *s);
long overlay_covers(struct stage *s);
long overlay_offer(struct stage *s, uint32_t what, int fd);
/* protect.c; after it the launcher, or the janitor, removes placeholders: of
 * both, each has the mounts by its own numbers */
long protect_apply(struct stage *s);
void protect_remove(const struct stage *s, const struct stage_source *sources);
/*
 * gather.c: a copy of the launcher's descriptors, of those that are needed at
 * least; then, where the launcher has many, a table of few.
 */
long gather_copy(struct stage *s);
void gather_low(struct stage *s);
/* Close all but n of them, which are sorted. */
void gather_close_others(const int *keep, size_t n);
/* landlock.c */
long landlock_restrict(struct stage *s);
/* confine.c */
long confine_namespaces(struct stage *s);
long confine_attributes(struct stage *s);
long confine_rlimits(struct stage *s);
long confine_ids(struct stage *s);
long confine_capabilities(struct stage *s);
long confine_filter(struct stage *s);
/* ids.c */
long ids_map_self(struct stage *s);
long ids_map_child(struct stage *s, long pid);
/* net.c */
long net_up(struct stage *s);

#endif /* !STAGE_H */
