#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "idmap.h"
#include "source.h"
#include "sys.h"
#include "uidblock.h"

/*
 * File systems that are interfaces of the kernel: whatever the path says,
 * none of their directories is given to a jail.
 */
/* clang-format off */
static const struct {
	unsigned long magic;
	const char *name;
} source_refused[] = {
	{ PROC_SUPER_MAGIC,    "proc" },
	{ SYSFS_MAGIC,         "sysfs" },
	{ DEVPTS_SUPER_MAGIC,  "devpts" },
	{ CGROUP_SUPER_MAGIC,  "cgroup" },
	{ CGROUP2_SUPER_MAGIC, "cgroup2" },
	{ DEBUGFS_MAGIC,       "debugfs" },
	{ TRACEFS_MAGIC,       "tracefs" },
	{ SECURITYFS_MAGIC,    "securityfs" },
	{ BPF_FS_MAGIC,        "bpf" },
	{ NSFS_MAGIC,          "nsfs" },
	{ SOCKFS_MAGIC,        "sockfs" },
	{ PIPEFS_MAGIC,        "pipefs" },
};

/* Names whose subtree never enters, nor what holds it. */
static const char *const source_places[] = {
	"/dev", "/etc/warder", "/proc", "/run", "/sys", "/var/cache/warder",
	"/var/lib/warder",
};

/* clang-format on */

enum {
	SOURCE_SCAN_MAX = 1000000, /* names in a directory that is given */
	SOURCE_DEPTH_MAX = 200, /* a path of a socket has 108 bytes */
};

/* A root file system of root's is the agent's in the overlay over it. */
enum source_use {
	SOURCE_READ,
	SOURCE_WRITE,
	SOURCE_ROOTFS
};

/* Whether a is b, or lies below it. */
static int
source_below(const char *a, const char *b)
{
	size_t n = strlen(b);

	if (n == 1)
		return 1;
	return strncmp(a, b, n) == 0 && (a[n] == '/' || a[n] == '\0');
}

/* Where the descriptor really leads, after every link on the way. */
static int
source_real(int fd, char *ret, size_t size, struct err *e)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, ret, size - 1);
	if (n == -1)
		return err_set(e, ERR_SYSTEM, "%s", link);
	ret[n] = '\0';
	if (ret[0] != '/')
		return err_set(e, ERR_DENIED, "it is not reachable by a path");
	return 0;
}

/*
 * Where a directory of Warder's is or will be: what does not exist yet could
 * be made by a jail that is given a directory above it.
 */
static int
source_real_dir(const char *path, char *ret, size_t size, struct err *e)
{
	char above[STAGE_PATH_MAX];
	size_t n = strlen(path), used;
	autofd fd = -1;

	if (path[0] != '/' || n >= sizeof(above))
		return err_set(e, ERR_INVALID, "%s: path too long", path);
	memcpy(above, path, n + 1);
	while ((fd = open(above, O_PATH | O_CLOEXEC)) == -1) {
		if (errno != ENOENT || n == 1)
			return err_set(e, ERR_SYSTEM, "%s", path);
		while (n > 1 && above[n - 1] != '/')
			n--;
		n -= n > 1; /* the slash, unless it is the root's */
		above[n] = '\0';
	}
	if (source_real(fd, ret, size, e) == -1)
		return -1;
	used = strlen(ret);
	if (used + strlen(path + n) + 1 > size)
		return err_set(e, ERR_INVALID, "%s: path too long", path);
	memcpy(ret + used, path + n, strlen(path + n) + 1);
	return 0;
}

/*
 * A user's lie where the environment says.  Whoever reaches a jail's socket
 * commands every jail of this user, a policy decides over the next ones, and
 * what is cached is run.
 */
static int
source_judge_own(const char *real, const struct source_caller *c, struct err *e)
{
	const struct {
		const char *dir, *what;
	} rows[] = {
		{ c->runtime_dir, "sockets" },
		{ c->config_dir, "configuration" },
		{ c->state_root, "state" },
		{ c->cache_dir, "cache" },
	};

	char ours[STAGE_PATH_MAX];
	size_t i;

	for (i = 0; i < countof(rows); i++) {
		if (rows[i].dir == NULL || rows[i].dir[0] == '\0')
			continue;
		if (source_real_dir(rows[i].dir, ours, sizeof(ours), e) == -1)
			return -1;
		if (source_below(real, ours) || source_below(ours, real))
			return err_set(e, ERR_DENIED,
			    "%s holds Warder's %s, which never enters a jail",
			    ours, rows[i].what);
	}
	return 0;
}

static int
source_judge_place(int fd, const struct source_caller *c, struct err *e)
{
	char real[4096];
	size_t i;

	if (source_real(fd, real, sizeof(real), e) == -1 ||
	    source_judge_own(real, c, e) == -1)
		return -1;
	for (i = 0; i < countof(source_places); i++) {
		if (source_below(real, source_places[i]))
			return err_set(e, ERR_DENIED,
			    "nothing of %s is ever given to a jail",
			    source_places[i]);
		if (source_below(source_places[i], real))
			return err_set(e, ERR_DENIED,
			    "%s holds %s, which is never given to a jail", real,
			    source_places[i]);
	}
	return 0;
}

static int
source_judge_system(int fd, struct err *e)
{
	struct statfs fs;
	size_t i;

	if (fstatfs(fd, &fs) == -1)
		return err_set(e, ERR_SYSTEM, "fstatfs");
	for (i = 0; i < countof(source_refused); i++) {
		if ((unsigned long)fs.f_type == source_refused[i].magic)
			return err_set(e, ERR_DENIED,
			    "nothing of a %s file system is given to a jail",
			    source_refused[i].name);
	}
	return 0;
}

/* ---- sockets ---- */

struct source_scan {
	unsigned left; /* entries that may still be looked at */
	char path[STAGE_PATH_MAX]; /* of the socket that was found */
	size_t len;
};

static int source_scan(struct source_scan *s, int dir, int depth,
    struct err *e);

/* We may not read it, or it has just gone: nothing leads through it. */
static int
source_is_closed(int sys)
{
	return sys == EACCES || sys == ENOENT || sys == ENOTDIR || sys == ELOOP;
}

/* Some file systems do not say it in their directories. */
static int
source_type(int dir, const struct dirent *d)
{
	struct stat st;

	if (d->d_type != DT_UNKNOWN)
		return d->d_type;
	if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return DT_DIR; /* opening it will tell */
	return IFTODT(st.st_mode);
}

/* One name; its own descriptor for a directory below. */
static int
source_scan_entry(struct source_scan *s, int dir, const struct dirent *d,
    int depth, struct err *e)
{
	size_t len = s->len, n = strlen(d->d_name);
	autofd below = -1;
	int r, type;

	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
		return 0;
	type = source_type(dir, d);
	if (type != DT_SOCK && type != DT_DIR)
		return 0;
	if (len + n + 2 > sizeof(s->path))
		return err_set(e, ERR_LIMIT,
		    "its paths are too long to look for sockets; give a "
		    "narrower directory");
	s->path[len] = '/';
	memcpy(s->path + len + 1, d->d_name, n + 1);
	if (type == DT_SOCK)
		return err_set(e, ERR_DENIED,
		    "it holds the socket %.200s, and sockets never enter a "
		    "jail; move it, or give a narrower directory",
		    s->path + 1);
	below = openat(dir, d->d_name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below == -1)
		return source_is_closed(errno)
			   ? 0
			   : err_set(e, ERR_SYSTEM, "%.200s", s->path + 1);
	if (depth + 1 == SOURCE_DEPTH_MAX)
		return err_set(e, ERR_LIMIT,
		    "it is more than %d directories deep, too deep to look "
		    "for sockets; give a narrower directory",
		    SOURCE_DEPTH_MAX);
	s->len = len + 1 + n;
	r = source_scan(s, below, depth + 1, e);
	s->len = len;
	return r;
}

/*
 * A socket's file leads to whoever listens on the host, whatever network
 * namespace connects.  What we may not read the jail may not pass either.
 */
static int
source_scan(struct source_scan *s, int dir, int depth, struct err *e)
{
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 0), r = 0;
	struct dirent *d;
	DIR *p = fd == -1 ? NULL : fdopendir(fd);

	if (p == NULL) {
		fd_closep(&fd);
		return err_set(e, ERR_SYSTEM, "fdopendir");
	}
	while (r == 0 && s->left > 0 && (errno = 0, (d = readdir(p)) != NULL)) {
		s->left--;
		r = source_scan_entry(s, dir, d, depth, e);
	}
	if (r == 0 && s->left > 0 && errno != 0)
		r = err_set(e, ERR_SYSTEM, "readdir");
	(void)closedir(p);
	return r;
}

static int
source_judge_sockets(int fd, struct err *e)
{
	struct source_scan s = { .left = SOURCE_SCAN_MAX };
	autofd dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir == -1)
		return errno == EACCES ? 0 : err_set(e, ERR_SYSTEM, "open");
	r = source_scan(&s, dir, 0, e);
	if (r == 0 && s.left == 0)
		return err_set(e, ERR_LIMIT,
		    "it holds more than %d files, too many to look for "
		    "sockets among; give a narrower directory",
		    SOURCE_SCAN_MAX);
	return r;
}

static int
source_judge(int fd, const struct stat *st, int write,
    const struct source_caller *c, struct err *e)
{
	if (!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode))
		return err_set(e, ERR_DENIED,
		    "it is neither a directory nor a regular file");
	if (write && !S_ISDIR(st->st_mode))
		return err_set(e, ERR_DENIED,
		    "only directories are given for writing");
	if (write && st->st_uid == 0)
		return err_set(e, ERR_DENIED,
		    "it belongs to root; give a directory of another owner "
		    "(chown it, or work on a copy)");
	if (source_judge_system(fd, e) == -1 ||
	    source_judge_place(fd, c, e) == -1)
		return -1;
	return S_ISDIR(st->st_mode) ? source_judge_sockets(fd, e) : 0;
}

static int
source_open_path(const char *path, struct stat *ret_st, struct err *e)
{
	autofd fd = open(path, O_PATH | O_CLOEXEC);

	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(e, ERR_NOT_FOUND, "no such file or directory");
	if (fd == -1 || fstat(fd, ret_st) == -1)
		return err_set(e, ERR_SYSTEM, "open");
	return take_fd(&fd);
}

/* ---- the owner ---- */

static int
source_is_jails(uid_t uid)
{
	return uid >= UIDBLOCK_BASE &&
	       uid - UIDBLOCK_BASE < (uid_t)UIDBLOCK_COUNT * UIDBLOCK_SIZE;
}

/*
 * What cannot be idmapped is written by its owner alone, so the owner is who
 * the jail's agent will be: one for all such directories.  1: from now on.
 */
static int
source_share(struct source_caller *c, const char *from, const struct stat *st,
    struct err *e)
{
	if (st->st_gid == 0)
		return err_set(e, ERR_DENIED,
		    "its file system has no idmapped mounts, and its group is "
		    "root's, which never enters a jail (chgrp it)");
	if (source_is_jails(st->st_uid) || source_is_jails(st->st_gid))
		return err_set(e, ERR_DENIED,
		    "its file system has no idmapped mounts, and its owner %u "
		    "is kept for jails",
		    st->st_uid);
	if (c->shared == NULL) {
		c->shared = from;
		c->agent = (struct idmap_owner){ st->st_uid, st->st_gid };
		return 1;
	}
	if (st->st_uid != c->agent.uid || st->st_gid != c->agent.gid)
		return err_set(e, ERR_DENIED,
		    "it belongs to %u:%u and %s to %u:%u, and without "
		    "idmapped mounts a jail writes as one owner",
		    st->st_uid, st->st_gid, c->shared, c->agent.uid,
		    c->agent.gid);
	return 0;
}

/*
 * 0, or 1 if it is not idmapped.
 *
 * As root: a detached clone, which the jail's mount namespace takes, where it
 * could not clone the launcher's own mount.  With other owners, unless it is
 * root's.  Where the file system cannot have those, reading falls back to
 * what "others" may read; writing to a jail of that owner.
 */
static int
source_clone(int fd, const struct stat *st, enum source_use use,
    const struct source_caller *c, struct stage_source *ret, struct err *e)
{
	const struct idmap_owner disk = { st->st_uid, st->st_gid };
	autofd tree = (int)SYS(SYS_open_tree, fd, "",
	    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	int r = 0;

	if (tree < 0)
		return err_sys(e, -tree, "open_tree");
	if (st->st_uid != 0 || use == SOURCE_ROOTFS)
		r = idmap_mount(tree, disk, c->agent, e);
	if (r == -1 && e->code != ERR_UNSUPPORTED)
		return -1;
	ret->fd = take_fd(&tree);
	ret->is_mount = 1;
	return r == -1 ? 1 : 0;
}

static int
source_take(int fd, const struct stat *st, const char *from, int write,
    struct source_caller *c, struct stage_source *ret, struct err *e)
{
	int r =
	    source_clone(fd, st, write ? SOURCE_WRITE : SOURCE_READ, c, ret, e);

	if (r == 1)
		r = write ? source_share(c, from, st, e) : 0;
	if (r != 0)
		fd_closep(&ret->fd);
	return r;
}

int
source_open(const struct plan *p, uint32_t i, struct source_caller *c,
    struct stage_source *ret, struct err *e)
{
	const struct plan_mount *m = &p->mounts[i];
	const char *from = plan_string(p, m->from);
	int write = m->kind == PLAN_MOUNT_WRITE, r = 0;
	struct stage_source s = { .fd = -1 };
	struct stat st;
	autofd fd = source_open_path(from, &st, e);

	if (fd == -1 || source_judge(fd, &st, write, c, e) == -1)
		return err_wrap(e, "%s: %s", plan_string(p, m->origin), from);
	s.is_dir = S_ISDIR(st.st_mode);
	if (c->rootless)
		s.fd = take_fd(&fd);
	else
		r = source_take(fd, &st, from, write, c, &s, e);
	if (r == -1)
		return err_wrap(e, "%s: %s", plan_string(p, m->origin), from);
	if (r == 0)
		*ret = s;
	return r;
}

int
source_open_own(const struct plan *p, uint32_t i, const struct source_caller *c,
    struct stage_source *ret, struct err *e)
{
	const char *from = plan_string(p, p->mounts[i].from);
	struct stage_source s = { .fd = -1, .is_dir = 1 };
	struct stat st;
	autofd fd = source_open_path(from, &st, e);

	if (fd == -1)
		return err_wrap(e, "%s", from);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "%s: not a directory", from);
	if (c->rootless)
		s.fd = take_fd(&fd);
	else if (source_clone(fd, &st, SOURCE_READ, c, &s, e) == -1)
		return err_wrap(e, "%s", from);
	*ret = s;
	return 0;
}

int
source_open_rootfs(const struct plan *p, const struct source_caller *c,
    int *ret_fd, struct err *e)
{
	const char *dir = plan_string(p, p->rootfs_dir);
	struct stage_source s = { .fd = -1 };
	struct stat st;
	autofd fd = source_open_path(dir, &st, e);

	if (fd == -1 || source_judge(fd, &st, 0, c, e) == -1)
		return err_wrap(e, "rootfs: %s", dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "rootfs: %s: not a directory",
		    dir);
	if (c->rootless)
		s.fd = take_fd(&fd);
	else if (source_clone(fd, &st, SOURCE_ROOTFS, c, &s, e) == -1)
		return err_wrap(e, "rootfs: %s", dir);
	*ret_fd = s.fd;
	return 0;
}
