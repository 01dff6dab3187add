/*
 * overlay.c: a given directory as the jail's root, and what is kept of it.
 *
 * Stage two runs it.  The directory is the lower layer and never written;
 * the upper one has a size.  Where the launcher wants to keep changes
 * it gets descriptors of the upper layer and of the plan's new directories,
 * which outlive the jail with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "ipc.h"
#include "limits_jail.h"
#include "mount.h"
#include "msg_init.h"
#include "quota.h"
#include "stage.h"
#include "sys.h"

/* The message that only a stage sends, before warder-init says hello. */
long
overlay_offer(struct stage *s, uint32_t what, int fd)
{
	struct init_keep body = { .what = what };
	struct ipc_header h = { .type = INIT_KEEP, .size = sizeof(body) };
	struct iovec iov[] = { { &h, sizeof(h) }, { &body, sizeof(body) } };

	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = countof(iov),
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	long r;

	if (!s->keep)
		return 0;
	memset(&control, 0, sizeof(control));
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	r = SYS(SYS_sendmsg, s->control_fd, &m, MSG_NOSIGNAL);
	return r < 0 ? r : 0;
}

/*
 * The lower layer must be a mount of this namespace: as root it came as a
 * detached one, rootless its name is looked up again and must lead to the
 * same directory.
 */
static long
overlay_lower(struct stage *s)
{
	struct stat judged, found;
	long fd, r;

	if (!s->rootless)
		return s->rootfs_fd;
	fd =
	    SYS(SYS_openat, AT_FDCWD, plan_string(s->plan, s->plan->rootfs_dir),
		O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	if ((r = SYS(SYS_fstat, s->rootfs_fd, &judged)) < 0 ||
	    (r = SYS(SYS_fstat, fd, &found)) < 0)
		return r;
	if (judged.st_dev != found.st_dev || judged.st_ino != found.st_ino)
		return -ESTALE;
	return mount_clone((int)fd, "", MOUNT_RO);
}

/*
 * Where the layers lie: one tmpfs, or what is on disk for it, attached where nothing is needed any more
 * and where it goes with the host's tree.  Over "/" it would not: of mounts
 * that are stacked there, unmounting the old root takes one.
 */
static long
overlay_layers(struct stage *s)
{
	static const char *const names[] = { "lower", "generated", "upper",
		"work" };
	long fd, lower, r;
	size_t i;

	if ((r = fresh_await(s)) < 0)
		return r;
	fd = s->fresh[QUOTA_ROOTFS];
	if (fd < 0)
		fd = mount_new_tmpfs(s->plan->rootfs_size_bytes, LIMITS_INODES,
		    "755", LIMITS_AGENT_ID_TEXT,
		    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (fd < 0)
		return fd;
	lower = overlay_lower(s);
	if (lower < 0)
		return lower;
	if ((r = mount_attach(fd, AT_FDCWD, "/sys")) < 0)
		return r;
	for (i = 0; i < countof(names); i++) {
		if ((r = SYS(SYS_mkdirat, fd, names[i], 0755)) < 0)
			return r;
	}
	if ((r = mount_attach(lower, (int)fd, names[0])) < 0)
		return r;
	return fd;
}

/*
 * Generated files and the directories of every root are a layer between: so
 * a link that the given tree has in their place is hidden, not followed, and
 * the upper layer holds what the jail did and nothing else.
 */
static long
overlay_generate(struct stage *s, long layers)
{
	long r = SYS(SYS_openat, layers, "generated",
	    O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	if (r < 0)
		return r;
	s->root_fd = (int)r;
	r = SYS(SYS_openat, layers, "lower", O_PATH | O_DIRECTORY | O_CLOEXEC,
	    0);
	if (r < 0)
		return r;
	s->yield_fd = (int)r;
	return fs_generate(s);
}

/*
 * Layers are named relative to our working directory, so that mountinfo
 * tells nothing of the host.  userxattr is what a user namespace may use;
 * before 6.6 a tmpfs has no such attributes and takes the mount without.
 */
static long
overlay_mount(struct stage *s, long layers)
{
	static const struct mount_option o[] = {
		{ "lowerdir", "generated:lower" },
		{ "upperdir", "upper" },
		{ "workdir", "work" },
		{ "userxattr", NULL },
	};
	long r = SYS(SYS_fchdir, layers);

	if (r < 0)
		return r;
	r = mount_new("overlay", o, countof(o),
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (r == -EINVAL)
		r = mount_new("overlay", o, countof(o) - 1,
		    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (r < 0)
		return r;
	s->root_fd = (int)r;
	return mount_attach(s->root_fd, AT_FDCWD, "/");
}

/* What it makes is the agent's, as everything in such a root. */
long
overlay_root(struct stage *s)
{
	long layers, r;

	(void)SYS(SYS_setfsuid, AGENT_UID);
	stage_what(&s->two, "overlay layers");
	r = layers = overlay_layers(s);
	if (r >= 0)
		r = overlay_generate(s, layers);
	(void)SYS(SYS_setfsuid, s->rootless ? AGENT_UID : INIT_UID);
	stage_what(&s->two, "overlay");
	if (r >= 0)
		r = overlay_mount(s, layers);
	if (r < 0)
		return r;
	r = SYS(SYS_openat, layers, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	    0);
	return r < 0 ? r : overlay_offer(s, INIT_KEEP_ROOT, (int)r);
}

/* What an image has in /dev is covered; /sys has our generated files. */
long
overlay_covers(struct stage *s)
{
	stage_what(&s->two, "/dev");
	return mount_at(s,
	    mount_new_tmpfs(LIMITS_ROOT_BYTES, LIMITS_ROOT_INODES, "755",
		LIMITS_AGENT_ID_TEXT, MOUNT_RW | MOUNT_ATTR_NOEXEC),
	    "/dev", 1);
}
