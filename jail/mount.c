/*
 * mount.c: file systems and mounts by descriptor.
 */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "decimal.h"
#include "limits_jail.h"
#include "sys.h"

/* ---- small things ---- */

static char *
mount_decimal(uint64_t v, char *end)
{
	*--end = '\0';
	return decimal_before(end, v);
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
		r = SYS(SYS_fsconfig, fs,
		    o[i].value != NULL ? FSCONFIG_SET_STRING
				       : FSCONFIG_SET_FLAG,
		    o[i].key, o[i].value, 0);
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
	char size[DECIMAL_MAX + 1], count[DECIMAL_MAX + 1];
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
 * The directory that holds the last component of path (which has no leading
 * slash), made with its parents where it is missing; *ret_name is that
 * component.  One component at a time, so that none can be a link: the tree
 * may be one that a jail or an image has written to.
 */
static long
mount_make_parent(struct stage *s, const char *path)
{
	const char *p = path, *end;
	long fd = s->root_fd, next, r;

	while ((end = strchr(p, '/')) != NULL) {
		size_t n = (size_t)(end - path);

		memcpy(s->path, path, n);
		s->path[n] = '\0';
		next = mount_open(s, s->path, O_PATH | O_DIRECTORY);
		if (next == -ENOENT) {
			r = SYS(SYS_mkdirat, fd, s->path + (p - path), 0755);
			if (r < 0)
				return r;
			next = mount_open(s, s->path, O_PATH | O_DIRECTORY);
		}
		if (next < 0)
			return next;
		fd = next;
		p = end + 1;
	}
	return fd;
}

/* The same if it is there; -ENOENT. */
static long
mount_open_parent(struct stage *s, const char *path, size_t n)
{
	memcpy(s->path, path, n);
	s->path[n] = '\0';
	return mount_open(s, s->path, O_PATH | O_DIRECTORY);
}

/*
 * The directory of path by descriptor, and the name in it: no link can be
 * followed by whoever uses the two.  The last directory is remembered, since
 * rows come sorted; what is mounted over it makes it forgotten.
 */
static long
mount_parent(struct stage *s, const char *path, int make, const char **ret_name)
{
	struct stage_place *last = &s->place;
	const char *slash = strrchr(path, '/');
	size_t n = slash != NULL ? (size_t)(slash - path) : 0;
	long fd;

	*ret_name = slash != NULL ? slash + 1 : path;
	if (slash == NULL)
		return s->root_fd;
	if (n >= sizeof(s->path))
		return -ENAMETOOLONG;
	if (last->root_fd == s->root_fd && last->length == n &&
	    memcmp(last->path, path, n) == 0)
		return last->fd;
	fd = mount_open_parent(s, path, n);
	if (fd == -ENOENT && make)
		fd = mount_make_parent(s, path);
	if (fd < 0)
		return fd;
	mount_close(last->fd);
	*last = (struct stage_place){ s->root_fd, (int)fd, path, n };
	return fd;
}

/* Something was mounted at path, which has no leading slash. */
void
mount_forget(struct stage *s, const char *path)
{
	struct stage_place *last = &s->place;
	size_t n = strlen(path);

	if (last->length >= n && memcmp(last->path, path, n) == 0)
		last->length = 0;
}

long
mount_make_file(struct stage *s, const char *path, int flags)
{
	const char *name;
	long dir = mount_parent(s, path, 1, &name);

	if (dir < 0)
		return dir;
	return SYS(SYS_openat, dir, name,
	    O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0444);
}

long
mount_make_dir(struct stage *s, const char *path)
{
	const char *name;
	long dir = mount_parent(s, path, 1, &name), r;

	if (dir < 0)
		return dir;
	r = SYS(SYS_mkdirat, dir, name, 0755);
	return r == -EEXIST ? 0 : r;
}

long
mount_make_link(struct stage *s, const char *to, const char *path)
{
	const char *name;
	long dir = mount_parent(s, path, 1, &name), r;

	if (dir < 0)
		return dir;
	r = SYS(SYS_symlinkat, to, dir, name);
	return r == -EEXIST ? 0 : r;
}

long
mount_make_same(struct stage *s, const char *file, const char *path)
{
	const char *name;
	long dir = mount_parent(s, path, 1, &name);

	if (dir < 0)
		return dir;
	return SYS(SYS_linkat, s->root_fd, file, dir, name, 0);
}

/* A directory or an empty file to mount on. */
static long
mount_make_point(struct stage *s, const char *path, int is_dir)
{
	const char *name;
	long dir, r;

	if (is_dir)
		return mount_make_dir(s, path);
	dir = mount_parent(s, path, 1, &name);
	if (dir < 0)
		return dir;
	r = SYS(SYS_mknodat, dir, name, S_IFREG | 0444, 0);
	return r == -EEXIST ? 0 : r;
}

long
mount_over(struct stage *s, long fd, const char *path)
{
	const char *name;
	long dir;

	if (fd < 0)
		return fd;
	path++;
	dir = mount_parent(s, path, 0, &name);
	if (dir < 0)
		return dir;
	mount_forget(s, path);
	return mount_attach(fd, (int)dir, name);
}

long
mount_at(struct stage *s, long fd, const char *path, int is_dir)
{
	long r;

	if (fd < 0)
		return fd;
	r = mount_make_point(s, path + 1, is_dir);
	return r < 0 ? r : mount_over(s, fd, path);
}

/* ---- by name, where no name can be a link ---- */

/* MOUNT_ATTR_* are the same bits as MS_*, as far as they are used here. */
_Static_assert(MOUNT_ATTR_RDONLY == MS_RDONLY &&
		   MOUNT_ATTR_NOSUID == MS_NOSUID &&
		   MOUNT_ATTR_NODEV == MS_NODEV &&
		   MOUNT_ATTR_NOEXEC == MS_NOEXEC,
    "attributes are mount(2)'s flags");

long
mount_bind_again(const char *from, const char *to)
{
	return SYS(SYS_mount, from, to, 0, MS_BIND | MS_REC, 0);
}

long
mount_bind_here(const char *from, const char *to, uint64_t attributes)
{
	struct mount_attr a = { .attr_set = attributes };
	long r = mount_bind_again(from, to);

	if (r < 0)
		return r;
	return SYS(SYS_mount_setattr, AT_FDCWD, to,
	    AT_RECURSIVE | AT_SYMLINK_NOFOLLOW, &a, sizeof(a));
}

/* Make the place, and go where it is; its name there, or NULL and *ret. */
static const char *
mount_go_to(struct stage *s, const char *path, int is_dir, long *ret)
{
	const char *name;
	long dir;

	*ret = mount_make_point(s, path + 1, is_dir);
	if (*ret < 0)
		return NULL;
	*ret = dir = mount_parent(s, path + 1, 0, &name);
	if (dir >= 0)
		*ret = SYS(SYS_fchdir, dir);
	if (*ret < 0)
		return NULL;
	mount_forget(s, path + 1);
	return name;
}

long
mount_bind(struct stage *s, const char *from, const char *path, int is_dir,
    uint64_t attributes)
{
	long r;
	const char *name = mount_go_to(s, path, is_dir, &r);

	if (name == NULL)
		return r;
	r = mount_bind_here(from, name, attributes);
	if (r == -ENOENT)
		(void)SYS(SYS_unlinkat, AT_FDCWD, name,
		    is_dir ? AT_REMOVEDIR : 0);
	return r;
}

long
mount_type(struct stage *s, const char *type, const char *path,
    uint64_t attributes, const char *options)
{
	long r;
	const char *name = mount_go_to(s, path, 1, &r);

	if (name == NULL)
		return r;
	return SYS(SYS_mount, type, name, type, attributes, options);
}

static char *
mount_word(char *to, const char *key, const char *value)
{
	size_t k = strlen(key), v = strlen(value);

	memcpy(to, key, k);
	memcpy(to + k, value, v + 1);
	return to + k + v;
}

long
mount_tmpfs(struct stage *s, const char *path, uint64_t size_bytes,
    uint64_t inodes, const char *mode, uint64_t attributes)
{
	char size[DECIMAL_MAX + 1], count[DECIMAL_MAX + 1];
	char text[160], *p = text;

	p = mount_word(p,
	    "size=", mount_decimal(size_bytes, size + sizeof(size)));
	p = mount_word(p,
	    ",nr_inodes=", mount_decimal(inodes, count + sizeof(count)));
	p = mount_word(p, ",mode=", mode);
	(void)mount_word(p,
	    ",uid=", LIMITS_AGENT_ID_TEXT ",gid=" LIMITS_AGENT_ID_TEXT);
	return mount_type(s, "tmpfs", path, attributes, text);
}
