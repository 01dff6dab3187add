/*
 * source.h: host files and directories that a plan brings into a jail.
 *
 * Runs in the launcher, with its rights.  A source is opened once and judged
 * by its descriptor; what is mounted later is that descriptor, so no name is
 * looked up twice.  Never enter: kernel file systems, /run, sockets, devices,
 * Warder's own directories.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include "err.h"
#include "idmap.h"
#include "plan.h"
#include "stage.h"

/* For whom a source is opened. */
struct source_caller {
	int rootless;
	struct idmap_owner agent; /* outside */
	/* Never enter, nor what holds them; the others may be NULL or "". */
	const char *runtime_dir, *config_dir, *state_root, *cache_dir;
	/*
	 * The directory, on a file system without idmapped mounts, whose
	 * owner "agent" is for its sake; NULL: it is of the jail's own block.
	 */
	const char *shared;
};

/*
 * Open what plan->mounts[i] names.  As root a directory or file of another
 * owner than uid 0 comes as a detached mount that is idmapped: it belongs to
 * "agent" (the host uid of the jail's agent) while it is seen through it,
 * and what the jail creates belongs to the owner.  ERR_DENIED names the
 * reason for what must not enter, ERR_NOT_FOUND what is not there.
 *
 * Returns 1 for the first one that is for writing and cannot be idmapped:
 * c->agent is its owner from now on, and all must be opened again.
 */
must_check int source_open(const struct plan *p, uint32_t i,
    struct source_caller *c, struct stage_source *ret, struct err *e);

/*
 * The same for a read-only directory of Warder's own, which only its launcher
 * can have named: opened, and not judged.
 */
must_check int source_open_own(const struct plan *p, uint32_t i,
    const struct source_caller *c, struct stage_source *ret, struct err *e);

/*
 * The base of rootfs {dir: …}: a directory, judged in the same way; as root
 * a detached mount in which its owner's files are the agent's.
 */
must_check int source_open_rootfs(const struct plan *p,
    const struct source_caller *c, int *ret_fd, struct err *e);

#endif /* !SOURCE_H */
