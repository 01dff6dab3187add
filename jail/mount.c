/*
 * mount.c: file systems and mounts by descriptor.
 */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "limits_jail.h"
#include "sys.h"

/* ---- small things ---- */

static char *
mount_decimal(uint64_t v, char *end)
{
	*--end = '\0';
	do
		*--end = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	return end;
}

void
mount_close(long fd)
{
	if (fd >= 0)
		(void)SYS(SYS_close, fd);
}

/* ---- the four mount primitives ---- */

/* A clone of what is at (dfd, path), submounts too, with attributes set. */
long
mount_clone(int dfd, const char *path, uint64_t attributes)
{
	struct mount_attr a = { .attr_set = attributes };
	long fd = SYS(SYS_open_tree, dfd, path,
	    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	long r;

	if (fd < 0)
		return fd;
	r = SYS(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &a,
	    sizeof(a));
	if (r < 0) {
		mount_close(fd);
		return r;
	}
	return fd;
}

/* A new file system of a type, detached. */
long
mount_new(const char *type, const struct mount_option *o, size_t n,
    uint64_t attributes)
{
	long fs = SYS(SYS_fsopen, type, FSOPEN_CLOEXEC);
	long r = fs;
	size_t i;

	if (fs < 0)
		return fs;
	for (i = 0; i < n && r >= 0; i++)
		r = SYS(SYS_fsconfig, fs, FSCONFIG_SET_STRING, o[i].key,
		    o[i].value, 0);
	if (r >= 0)
		r = SYS(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0);
	if (r >= 0)
		r = SYS(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
	mount_close(fs);
	return r;
}

/* Owned by the agent unless "init" says otherwise. */
long
mount_new_tmpfs(uint64_t size_bytes, uint64_t inodes, const char *mode,
    const char *owner, uint64_t attributes)
{
	char size[24], count[24];
	const struct mount_option o[] = {
		{ "size", mount_decimal(size_bytes, size + sizeof(size)) },
		{ "nr_inodes", mount_decimal(inodes, count + sizeof(count)) },
		{ "mode", mode },
		{ "uid", owner },
		{ "gid", LIMITS_AGENT_ID_TEXT },
	};

	return mount_new("tmpfs", o, countof(o), attributes);
}

long
mount_attach(long fd, int dfd, const char *path)
{
	return SYS(SYS_move_mount, fd, "", dfd, path, MOVE_MOUNT_F_EMPTY_PATH);
}

/* ---- names below the new root ---- */

/* Open below the root; no symbolic link on the way or at the end. */
long
mount_open(const struct stage *s, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};

	return SYS(SYS_openat2, s->root_fd, path, &how, sizeof(how));
}

/*
 * Make the parents of s->path (below the root).  A directory that is there
 * already is fine; a link in its place is not: the mount that follows opens
 * the name without following any.
 */
long
mount_make_parents(struct stage *s)
{
	char *p = s->path;
	long r;

	while ((p = strchr(p, '/')) != NULL) {
		*p = '\0';
		r = SYS(SYS_mkdirat, s->root_fd, s->path, 0755);
		*p++ = '/';
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return 0;
}

/* Put path, which is absolute, into s->path without its leading slash. */
static long
mount_set_path(struct stage *s, const char *path)
{
	size_t n = strlen(++path);

	if (n == 0 || n >= sizeof(s->path))
		return -ENAMETOOLONG;
	memcpy(s->path, path, n + 1);
	return 0;
}

/* A place to mount on: directory or empty file, with its parents. */
long
mount_make_point(struct stage *s, const char *path, int is_dir)
{
	long r = mount_set_path(s, path);

	if (r >= 0)
		r = mount_make_parents(s);
	if (r < 0)
		return r;
	if (is_dir) {
		r = SYS(SYS_mkdirat, s->root_fd, s->path, 0755);
	} else {
		r = SYS(SYS_openat, s->root_fd, s->path,
		    O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444);
		mount_close(r);
	}
	return r == -EEXIST ? 0 : r;
}

/* Attach a detached mount at s->path; takes fd. */
static long
mount_attach_at_path(struct stage *s, long fd)
{
	long point = mount_open(s, s->path, O_PATH);
	long r = point;

	if (point >= 0)
		r = SYS(SYS_move_mount, fd, "", point, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	mount_close(point);
	mount_close(fd);
	return r;
}

long
mount_at(struct stage *s, long fd, const char *path, int is_dir)
{
	long r;

	if (fd < 0)
		return fd;
	r = mount_make_point(s, path, is_dir);
	if (r < 0) {
		mount_close(fd);
		return r;
	}
	return mount_attach_at_path(s, fd);
}
