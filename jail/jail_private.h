/*
 * jail_private.h: a jail as its launcher knows it, for jail.c and for the
 * fuzzer of its messages, which makes one without a process.
 */
#ifndef JAIL_PRIVATE_H
#define JAIL_PRIVATE_H

#include "capture.h"
#include "generated.h"
#include "ipc.h"
#include "jail.h"
#include "source.h"
#include "stage.h"

struct jail {
	struct jail_options options;
	struct stage *stage; /* a mapping of its own, shared with the stages */
	struct generated *generated;
	struct stage_source sources[PLAN_MOUNT_MAX];
	int kept[PLAN_MOUNT_MAX]; /* what the stages sent of these; -1 */
	int kept_root;
	struct cgroup cgroup;
	struct quota quota;
	struct capture_listeners listeners;
	struct jail_posture posture;
	char name[JAIL_NAME_MAX];
	int control; /* our end; closing it ends the jail */
	int theirs; /* warder-init's end; the stages have its number too */
	int init_fd, rootfs_fd; /* the stages', until they have their own */
	int uid_lock;
	uid_t maker; /* whose rights it was begun with */
	pid_t janitor, init;
	int released, supplied, launched;
	int gone; /* warder-init's end of file was seen */
	struct ipc_msg message;
};

#endif /* !JAIL_PRIVATE_H */
