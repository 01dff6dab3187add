/*
 * idmap.h: a view of a directory under other owners.
 *
 * Runs in a root launcher.  mount_setattr(2) takes the mapping from a user
 * namespace, so one is made for it by a process that lives just as long.
 */
#ifndef IDMAP_H
#define IDMAP_H

#include <sys/types.h>

#include "err.h"

struct idmap_owner {
	uid_t uid;
	gid_t gid;
};

/*
 * Idmap the detached mount fd: what "disk" owns there is seen as owned by
 * "seen", and what "seen" creates is owned by it.  ERR_UNSUPPORTED where the
 * file system cannot.
 */
must_check int idmap_mount(int fd, struct idmap_owner disk,
    struct idmap_owner seen, struct err *e);

#endif /* !IDMAP_H */
