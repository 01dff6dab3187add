/*
 * protect.c: paths that stay readable and are never written.
 *
 * Stage two runs it when the plan's mounts are in place.  A protected path is
 * mounted over itself, read-only; each directory between it and the writable
 * mount it lies in is mounted over itself too, since a mount point cannot be
 * renamed: moving a parent away does not help.  What does not exist yet gets
 * an empty, protected placeholder, which the launcher removes afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/stat.h>

#include "limits_jail.h"
#include "mount.h"
#include "msg_init.h"
#include "stage.h"
#include "sys.h"

/* The writable mount that holds path: the longest; -1 if none does. */
static int
protect_mount_of(const struct plan *p, const char *path, size_t *ret_len)
{
	int found = -1;
	uint32_t i;

	*ret_len = 0;
	for (i = 0; i < p->nmounts; i++) {
		const char *at = plan_string(p, p->mounts[i].path);
		size_t n = strlen(at);

		if (n < *ret_len || strncmp(path, at, n) != 0 || path[n] != '/')
			continue;
		*ret_len = n;
		found = p->mounts[i].kind == PLAN_MOUNT_READ ? -1 : (int)i;
	}
	return found;
}

static int
protect_is_mount(long fd)
{
	struct statx x;

	return SYS(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &x) == 0 &&
	       (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* Mount what fd is over itself. */
static long
protect_bind(long fd, uint64_t attributes)
{
	long clone = mount_clone((int)fd, "", attributes), r;

	if (clone < 0)
		return clone;
	r = SYS(SYS_move_mount, clone, "", fd, "",
	    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	mount_close(clone);
	return r;
}

/* For the launcher: what was made, so that it can be removed. */
static void
protect_record(struct stage *s, uint32_t i, int mount, size_t len)
{
	struct stage_created *c = &s->created[s->ncreated];

	if (s->plan->mounts[mount].kind != PLAN_MOUNT_WRITE)
		return;
	c->mount = (uint32_t)mount;
	c->protect = i;
	c->length = (uint32_t)len;
	s->ncreated++;
}

/*
 * The first component that is missing: empty, the agent's like everything
 * around it, and a directory unless it is the protected file itself.
 */
static long
protect_create(struct stage *s, int is_file)
{
	long r;

	(void)SYS(SYS_setfsuid, AGENT_UID);
	if (is_file) {
		r = SYS(SYS_openat, s->root_fd, s->path,
		    O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444);
		mount_close(r);
	} else {
		r = SYS(SYS_mkdirat, s->root_fd, s->path, 0555);
	}
	(void)SYS(SYS_setfsuid, s->rootless ? AGENT_UID : INIT_UID);
	return r < 0 ? r : 0;
}

/*
 * One component, s->path being the path so far: 1 if all that follows is
 * protected with it, 0 to go on, -errno.
 */
static long
protect_component(struct stage *s, uint32_t i, int mount, int last)
{
	long fd = mount_open(s, s->path, O_PATH), r;
	int made = 0;

	if (fd == -ENOENT) {
		r = protect_create(s, last && !s->plan->protect[i].tree);
		/* its parent is a placeholder, read-only already */
		if (r == -EROFS)
			return 1;
		if (r < 0)
			return r;
		protect_record(s, i, mount, strlen(s->path));
		made = 1;
		fd = mount_open(s, s->path, O_PATH);
	}
	if (fd < 0)
		return fd;
	if (last || made)
		r = protect_bind(fd, MOUNT_RO);
	else
		r = protect_is_mount(fd) ? 0 : protect_bind(fd, MOUNT_RW);
	mount_close(fd);
	return r < 0 ? r : last || made;
}

static long
protect_one(struct stage *s, uint32_t i)
{
	const char *path = plan_string(s->plan, s->plan->protect[i].path);
	size_t n, from;
	int mount = protect_mount_of(s->plan, path, &from);
	const char *p = path + from;
	long r = 0;

	stage_what(&s->two, path);
	n = strlen(path);
	if (mount == -1)
		return 0;
	if (n >= sizeof(s->path))
		return -ENAMETOOLONG;
	while (r == 0 && *p != '\0') {
		p++;
		p += strcspn(p, "/");
		memcpy(s->path, path + 1, (size_t)(p - path) - 1);
		s->path[p - path - 1] = '\0';
		r = protect_component(s, i, mount, *p == '\0');
	}
	return r < 0 ? r : 0;
}

long
protect_apply(struct stage *s)
{
	uint32_t i;
	long r = 0;

	for (i = 0; i < s->plan->nprotect && r >= 0; i++)
		r = protect_one(s, i);
	return r;
}

/* ---- afterwards, outside ---- */

/*
 * The jail is dead, but the directory is as it left it: names are opened
 * below it without following links, and only what is empty is removed.
 */
static void
protect_remove_one(int dir, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_DIRECTORY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	const char *name = strrchr(path, '/');
	char parent[STAGE_PATH_MAX] = ".";
	struct stat st;
	long fd;

	if (name != NULL) {
		memcpy(parent, path, (size_t)(name - path));
		parent[name - path] = '\0';
	}
	name = name != NULL ? name + 1 : path;
	fd = SYS(SYS_openat2, dir, parent, &how, sizeof(how));
	if (fd < 0)
		return;
	if (fstatat((int)fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode))
			(void)unlinkat((int)fd, name, AT_REMOVEDIR);
		else if (S_ISREG(st.st_mode) && st.st_size == 0)
			(void)unlinkat((int)fd, name, 0);
	}
	mount_close(fd);
}

/* The last made lies deepest. */
void
protect_remove(const struct stage *s, const struct stage_source *sources)
{
	uint32_t i;

	for (i = s->ncreated; i-- > 0;) {
		const struct stage_created *c = &s->created[i];
		const struct plan *p = s->plan;
		size_t skip = strlen(plan_string(p, p->mounts[c->mount].path));
		const char *path = plan_string(p, p->protect[c->protect].path);
		char below[STAGE_PATH_MAX];
		size_t n = c->length - skip;

		/* length counts from after the first slash of path */
		memcpy(below, path + skip + 1, n);
		below[n] = '\0';
		protect_remove_one(sources[c->mount].fd, below);
	}
}
