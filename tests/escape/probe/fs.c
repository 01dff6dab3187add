/* The tree: only what was given, read-only where it was not given to write. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "probe.h"

enum {
	FS_MOUNTS_MAX = 256
};

static struct {
	int n;

	struct {
		char root[512], point[512], type[64], source[512];
		int readonly, nosuid, nodev;
	} m[FS_MOUNTS_MAX];
} mounts;

/* "36 35 98:0 /root /point rw,nosuid shared:1 - type source options" */
static void
fs_parse_line(char *line)
{
	char options[512], *dash = strstr(line, " - ");
	int i = mounts.n;

	if (i == FS_MOUNTS_MAX || dash == NULL ||
	    sscanf(line, "%*d %*d %*s %511s %511s %511s", mounts.m[i].root,
		mounts.m[i].point, options) != 3 ||
	    sscanf(dash + 3, "%63s %511s", mounts.m[i].type,
		mounts.m[i].source) != 2)
		return;
	mounts.m[i].readonly = strncmp(options, "ro", 2) == 0;
	mounts.m[i].nosuid = strstr(options, "nosuid") != NULL;
	mounts.m[i].nodev = strstr(options, "nodev") != NULL;
	mounts.n++;
}

static void
fs_parse(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];

	mounts.n = 0;
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		fs_parse_line(line);
	if (f != NULL)
		(void)fclose(f);
}

/* ---- FS-01 ---- */

struct fs_names {
	size_t len;
	char text[PROBE_TEXT_MAX];
};

static void
fs_name(const char *dir, const char *name, void *arg)
{
	struct fs_names *n = arg;

	(void)dir;
	n->len += (size_t)snprintf(n->text + n->len, sizeof(n->text) - n->len,
	    "%s%s", n->len > 0 ? " " : "", name);
}

static void
fs_01(void)
{
	static struct fs_names names;
	int i;

	(void)probe_each("/", fs_name, &names);
	probe_got("names in /", "%s", names.text);
	fs_parse();
	for (i = 0; i < mounts.n; i++) {
		char attempt[600];

		(void)snprintf(attempt, sizeof(attempt), "mount %s",
		    mounts.m[i].point);
		probe_got(attempt, "root=%s source=%s type=%s%s%s%s",
		    mounts.m[i].root, mounts.m[i].source, mounts.m[i].type,
		    mounts.m[i].readonly ? " ro" : "",
		    mounts.m[i].nosuid ? " nosuid" : "",
		    mounts.m[i].nodev ? " nodev" : "");
	}
}

/* ---- FS-02: every read-only mount, every kind of writing ---- */

enum {
	FS_NAMES = 1,
	FS_FILE = 2
}; /* needs a directory, a regular file */

struct fs_target {
	int offers; /* FS_NAMES, FS_FILE */
	char dir[512]; /* the mount */
	char file[1024]; /* something that exists in it */
	char new[1024]; /* a name that does not exist */
};

static long
w_create(const struct fs_target *t)
{
	long fd = CALL(SYS_open, t->new, O_CREAT | O_EXCL | O_WRONLY, 0600);

	if (fd >= 0) {
		(void)close((int)fd);
		(void)unlink(t->new);
	}
	return fd;
}

static long
w_tmpfile(const struct fs_target *t)
{
	long fd = CALL(SYS_open, t->dir, O_TMPFILE | O_RDWR, 0600);

	if (fd >= 0)
		(void)close((int)fd);
	return fd;
}

static long
w_append(const struct fs_target *t)
{
	long fd = CALL(SYS_open, t->file, O_WRONLY | O_APPEND, 0);

	if (fd >= 0)
		(void)close((int)fd);
	return fd;
}

static long
w_mkdir(const struct fs_target *t)
{
	long r = CALL(SYS_mkdir, t->new, 0700);

	if (r == 0)
		(void)rmdir(t->new);
	return r;
}

static long
w_mknod(const struct fs_target *t)
{
	long r = CALL(SYS_mknod, t->new, S_IFIFO | 0600, 0);

	if (r == 0)
		(void)unlink(t->new);
	return r;
}

static long
w_symlink(const struct fs_target *t)
{
	long r = CALL(SYS_symlink, "x", t->new);

	if (r == 0)
		(void)unlink(t->new);
	return r;
}

static long
w_link(const struct fs_target *t)
{
	long r = CALL(SYS_link, t->file, t->new);

	if (r == 0)
		(void)unlink(t->new);
	return r;
}

/* Changes that would leave things as they are. */
static long
w_chmod(const struct fs_target *t)
{
	struct stat st;

	if (stat(t->file, &st) == -1)
		return -errno;
	return CALL(SYS_chmod, t->file, st.st_mode & 01777);
}

static long
w_chown(const struct fs_target *t)
{
	return CALL(SYS_chown, t->file, -1, -1);
}

static long
w_rename(const struct fs_target *t)
{
	long r = CALL(SYS_rename, t->file, t->new);

	if (r == 0)
		(void)rename(t->new, t->file);
	return r;
}

static long
w_unlink(const struct fs_target *t)
{
	return CALL(SYS_unlink, t->file);
}

static long
w_utimes(const struct fs_target *t)
{
	return CALL(SYS_utimensat, AT_FDCWD, t->file, NULL, 0);
}

static long
w_truncate(const struct fs_target *t)
{
	struct stat st;

	if (stat(t->file, &st) == -1)
		return -errno;
	return CALL(SYS_truncate, t->file, st.st_size);
}

static long
w_setxattr(const struct fs_target *t)
{
	return CALL(SYS_setxattr, t->file, "user.probe", "x", 1, 0);
}

static long
w_flags(const struct fs_target *t)
{
	int fd = open(t->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), flags = 0;
	long r;

	if (fd == -1)
		return -errno;
	r = CALL(SYS_ioctl, fd, FS_IOC_GETFLAGS, &flags);
	if (r == 0)
		r = CALL(SYS_ioctl, fd, FS_IOC_SETFLAGS, &flags);
	(void)close(fd);
	return r;
}

/* unlink last: it takes the file away where it succeeds */
static const struct {
	const char *name;
	long (*fn)(const struct fs_target *);
	int needs;
} fs_writes[] = {
	{ "create", w_create, FS_NAMES },
	{ "tmpfile", w_tmpfile, FS_NAMES },
	{ "append", w_append, FS_FILE },
	{ "mkdir", w_mkdir, FS_NAMES },
	{ "mknod", w_mknod, FS_NAMES },
	{ "symlink", w_symlink, FS_NAMES },
	{ "link", w_link, FS_NAMES | FS_FILE },
	{ "chmod", w_chmod, 0 },
	{ "chown", w_chown, 0 },
	{ "utimes", w_utimes, 0 },
	{ "truncate", w_truncate, FS_FILE },
	{ "setxattr", w_setxattr, 0 },
	{ "setflags", w_flags, FS_FILE },
	{ "rename", w_rename, FS_NAMES | FS_FILE },
	{ "unlink", w_unlink, FS_FILE },
};

struct fs_found {
	char path[1024];
};

static void
fs_find_file(const char *path, const struct stat *st, void *arg)
{
	struct fs_found *f = arg;

	if (S_ISREG(st->st_mode) && f->path[0] == '\0')
		(void)snprintf(f->path, sizeof(f->path), "%s", path);
}

/*
 * One regular file below, any; the mount itself if it is a file.  procfs
 * makes no files for anybody.
 */
static void
fs_aim(struct fs_target *t, const char *point)
{
	struct fs_found f = { "" };
	struct stat st = { 0 };

	t->offers = 0;
	(void)snprintf(t->dir, sizeof(t->dir), "%s", point);
	(void)snprintf(t->file, sizeof(t->file), "%s", point);
	(void)stat(point, &st);
	if (S_ISDIR(st.st_mode)) {
		(void)probe_walk(point, 200, fs_find_file, &f);
		if (strncmp(point, "/proc", 5) != 0)
			t->offers |= FS_NAMES;
		if (f.path[0] != '\0') {
			(void)snprintf(t->file, sizeof(t->file), "%s", f.path);
			t->offers |= FS_FILE;
		}
	} else if (S_ISREG(st.st_mode)) {
		t->offers |= FS_FILE;
	}
	(void)snprintf(t->new, sizeof(t->new), "%s/.probe-new", t->dir);
}

static void
fs_write_all(const char *point, const char *label)
{
	struct fs_target t;
	char attempt[600];
	size_t i;

	fs_aim(&t, point);
	for (i = 0; i < countof(fs_writes); i++) {
		if ((fs_writes[i].needs & t.offers) != fs_writes[i].needs)
			continue;
		(void)snprintf(attempt, sizeof(attempt), "%s %s",
		    fs_writes[i].name, label);
		probe_result(attempt, fs_writes[i].fn(&t));
	}
}

static void
fs_02(void)
{
	const char *scratch = probe_setting("PROBE_SCRATCH", "");
	char path[600];
	int i, fd;

	if (probe_outside && scratch[0] != '/')
		return;
	if (probe_outside) {
		(void)snprintf(path, sizeof(path), "%s/file", scratch);
		fd = open(path, O_CREAT | O_WRONLY, 0600);
		(void)close(fd);
		fs_write_all(scratch, "scratch");
		return;
	}
	fs_parse();
	for (i = 0; i < mounts.n; i++) {
		if (mounts.m[i].readonly)
			fs_write_all(mounts.m[i].point, mounts.m[i].point);
	}
}

/* ---- FS-03 ---- */

static long
m_mount(void *arg)
{
	(void)arg;
	return CALL(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL);
}

static long
m_bind(void *arg)
{
	(void)arg;
	return CALL(SYS_mount, "/usr", "/tmp", NULL, MS_BIND, NULL);
}

static long
m_remount(void *arg)
{
	return CALL(SYS_mount, NULL, arg, NULL, MS_REMOUNT | MS_BIND, NULL);
}

static long
m_umount(void *arg)
{
	return CALL(SYS_umount2, arg, MNT_DETACH);
}

static long
m_pivot(void *arg)
{
	(void)arg;
	return CALL(SYS_pivot_root, "/tmp", "/tmp");
}

static long
m_chroot(void *arg)
{
	return CALL(SYS_chroot, arg);
}

static long
m_bad_pointers(void *arg)
{
	long nr = *(long *)arg;

	return CALL(nr, BAD, BAD, BAD, BAD, BAD, BAD);
}

static const struct {
	const char *name;
	long nr;
} fs_mount_calls[] = {
	{ "fsopen", SYS_fsopen },
	{ "fsconfig", SYS_fsconfig },
	{ "fsmount", SYS_fsmount },
	{ "fspick", SYS_fspick },
	{ "open_tree", SYS_open_tree },
	{ "open_tree_attr", 467 },
	{ "move_mount", SYS_move_mount },
	{ "mount_setattr", SYS_mount_setattr },
	{ "statmount", 457 },
	{ "listmount", 458 },
};

/*
 * Outside, the calls that act do so in a mount namespace of the child's own.
 */
static long (*fs_inner)(void *);

static long
m_apart(void *arg)
{
	if (probe_outside &&
	    (unshare(CLONE_NEWNS) == -1 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1))
		return -errno;
	return fs_inner(arg);
}

static void
fs_mount_try(const char *attempt, long (*fn)(void *), const char *arg)
{
	fs_inner = fn;
	probe_try(attempt, m_apart, (void *)(size_t)arg);
}

static void
fs_03(void)
{
	char before[1 << 16], after[1 << 16];
	size_t i;

	(void)probe_read("/proc/self/mountinfo", before, sizeof(before));
	fs_mount_try("mount tmpfs", m_mount, NULL);
	fs_mount_try("mount bind", m_bind, NULL);
	fs_mount_try("remount / rw", m_remount, "/");
	fs_mount_try("remount /proc rw", m_remount, "/proc");
	fs_mount_try("umount2 /proc", m_umount, "/proc");
	fs_mount_try("pivot_root", m_pivot, NULL);
	fs_mount_try("chroot", m_chroot, "/tmp");
	for (i = 0; i < countof(fs_mount_calls); i++) {
		long nr = fs_mount_calls[i].nr;

		probe_try(fs_mount_calls[i].name, m_bad_pointers, &nr);
	}
	(void)probe_read("/proc/self/mountinfo", after, sizeof(after));
	probe_got("mountinfo", "%s",
	    strcmp(before, after) == 0 ? "unchanged" : "changed");
}

/* ---- FS-04: programs with bits that would raise ---- */

static void
fs_suid_one(const char *path, const struct stat *st, void *arg)
{
	struct fs_names *n = arg;

	if (S_ISREG(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID)) &&
	    (st->st_mode & 0111))
		fs_name("", path, n);
}

static void
fs_04(void)
{
	static struct fs_names found;
	struct statvfs v;
	int i;

	fs_parse();
	for (i = 0; i < mounts.n; i++) {
		char attempt[600];

		(void)snprintf(attempt, sizeof(attempt), "nosuid %s",
		    mounts.m[i].point);
		if (statvfs(mounts.m[i].point, &v) == 0)
			probe_got(attempt, "%s",
			    v.f_flag & ST_NOSUID ? "yes" : "no");
	}
	(void)probe_walk("/usr/bin", 20000, fs_suid_one, &found);
	probe_got("programs with the bits", "%s", found.text);
}

/* What a program with the bits would be: run by the runner as a copy. */
static void
fs_04_self(void)
{
	char text[64];

	probe_got("ids", "%u %u %u %u", getuid(), geteuid(), getgid(),
	    getegid());
	probe_status("self", "CapEff", text, sizeof(text));
	probe_got("CapEff", "%s", text);
}

/* ---- FS-05 ---- */

static void
fs_05(void)
{
	char cwd[PROBE_PATH_MAX], up[256] = "";
	struct stat root, there;
	long n = CALL(SYS_getcwd, cwd, sizeof(cwd));
	int i;

	probe_got("getcwd", "%s", n < 0 ? probe_errno(n) : cwd);
	for (i = 0; i < 40; i++)
		memcpy(up + 3 * i, "../", sizeof("../"));
	if (stat("/", &root) == 0 && stat(up, &there) == 0)
		probe_got("../../.. ends at", "%s",
		    root.st_ino == there.st_ino && root.st_dev == there.st_dev
			? "the root"
			: "elsewhere");
	probe_result("../../..canary",
	    access(probe_setting("PROBE_BEYOND", "../../../root/.bashrc"),
		F_OK) == 0
		? 0
		: -errno);
}

/* ---- FS-08 ---- */

static void
fs_08(void)
{
	const char *from = probe_setting("PROBE_FILE", "/usr/bin/env");
	const char *to = probe_setting("PROBE_SCRATCH", "/workspace");
	char new[600], path[64];
	int in, out, any;

	(void)snprintf(new, sizeof(new), "%s/.probe-link", to);
	probe_result("link", CALL(SYS_link, from, new));
	(void)unlink(new);
	in = open(from, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", in);
	probe_result("link by descriptor",
	    CALL(SYS_linkat, AT_FDCWD, path, AT_FDCWD, new, AT_SYMLINK_FOLLOW));
	(void)unlink(new);
	probe_result("link AT_EMPTY_PATH",
	    CALL(SYS_linkat, in, "", AT_FDCWD, new, AT_EMPTY_PATH));
	(void)unlink(new);
	any = open(from, O_PATH | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", any);
	probe_result("link O_PATH",
	    CALL(SYS_linkat, AT_FDCWD, path, AT_FDCWD, new, AT_SYMLINK_FOLLOW));
	(void)unlink(new);
	out = open(new, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	probe_result("reflink", CALL(SYS_ioctl, out, FICLONE, in));
	(void)unlink(new);
	/* outside it would move the file away: the runner gives its own */
	probe_result("rename", CALL(SYS_rename, from, new));
	if (access(new, F_OK) == 0)
		(void)rename(new, from);
}

/* ---- FS-10 ---- */

enum {
	FS_NEST_PART = 500
};

/* A chain of so many directories below a new "chain"; its end is the cwd. */
static long
fs_nest_part(int base, long levels)
{
	if (fchdir(base) == -1 || mkdir("chain", 0700) == -1 ||
	    chdir("chain") == -1)
		return -errno;
	for (levels--; levels > 0; levels--)
		if (mkdir("d", 0700) == -1 || chdir("d") == -1)
			return -errno;
	return 0;
}

/*
 * Landlock walks from each new directory up to the top, so 10^5 made at the
 * end of one another take as many steps as half their square.  A short chain
 * at a time, with what is there already moved to its end, takes a hundredth.
 */
static long
fs_nest(void *arg)
{
	long depth = 0, left, part, r;
	long most = strtol(probe_setting("PROBE_DEPTH", "1000"), NULL, 10);
	int base = open(arg, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)alarm(240);
	for (left = most; left > 0; left -= part, depth += part) {
		part = left < FS_NEST_PART ? left : FS_NEST_PART;
		if ((r = fs_nest_part(base, part)) < 0)
			return r;
		if (depth > 0 && renameat(base, "deep", AT_FDCWD, "d") == -1)
			return -errno;
		if (renameat(base, "chain", base, "deep") == -1)
			return -errno;
	}
	return depth;
}

/* Down again, one by one: how deep it really is. */
static long
fs_depth(void *arg)
{
	long depth = 0;

	(void)alarm(240);
	if (chdir(arg) == -1 || chdir("deep") == -1)
		return -errno;
	for (depth = 1; chdir("d") == 0; depth++)
		continue;
	return depth;
}

static void
fs_10(void)
{
	const char *dir = probe_setting("PROBE_SCRATCH", "/workspace");
	static const char *const names[] = { "new\nline", "\033]0;title\007",
		"\xff\xfe", "-rf", "%n%s", "$(id)", "`id`", "a b", "\x7f" };
	char longest[256], path[1024];
	size_t i;
	long made = 0;

	memset(longest, 'n', 255);
	longest[255] = '\0';
	for (i = 0; i <= countof(names); i++) {
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%s", dir,
		    i < countof(names) ? names[i] : longest);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		made += fd >= 0;
		(void)close(fd);
	}
	probe_got("odd names made", "%ld", made);
	probe_got("depth made", "%ld",
	    probe_child(fs_nest, (void *)(size_t)dir));
	probe_got("depth reached", "%ld",
	    probe_child(fs_depth, (void *)(size_t)dir));
}

/* ---- FS-11 ---- */

static char fs_bits_path[1024];

static long
b_chmod(void *arg)
{
	return CALL(SYS_chmod, fs_bits_path, *(mode_t *)arg);
}

static long
b_fchmod(void *arg)
{
	return CALL(SYS_fchmod, open(fs_bits_path, O_RDONLY), *(mode_t *)arg);
}

static long
b_fchmodat(void *arg)
{
	return CALL(SYS_fchmodat, AT_FDCWD, fs_bits_path, *(mode_t *)arg);
}

static long
b_fchmodat2(void *arg)
{
	return CALL(452, AT_FDCWD, fs_bits_path, *(mode_t *)arg, 0);
}

/* The half of the argument that the kernel ignores is not the filter's. */
static long
b_chmod_high(void *arg)
{
	return CALL(SYS_chmod, fs_bits_path, *(mode_t *)arg | 1UL << 40);
}

static long
b_open(void *arg)
{
	(void)unlink(fs_bits_path);
	return CALL(SYS_open, fs_bits_path, O_CREAT | O_WRONLY | O_EXCL,
	    *(mode_t *)arg);
}

static long
b_openat(void *arg)
{
	(void)unlink(fs_bits_path);
	return CALL(SYS_openat, AT_FDCWD, fs_bits_path,
	    O_CREAT | O_WRONLY | O_EXCL, *(mode_t *)arg);
}

static long
b_tmpfile(void *arg)
{
	return CALL(SYS_openat, AT_FDCWD,
	    probe_setting("PROBE_SCRATCH", "/workspace"), O_TMPFILE | O_RDWR,
	    *(mode_t *)arg);
}

static long
b_openat2(void *arg)
{
	struct {
		unsigned long long flags, mode, resolve;
	} how = { O_CREAT | O_WRONLY | O_EXCL, *(mode_t *)arg, 0 };

	(void)unlink(fs_bits_path);
	return CALL(437, AT_FDCWD, fs_bits_path, &how, sizeof(how));
}

static long
b_creat(void *arg)
{
	(void)unlink(fs_bits_path);
	return CALL(SYS_creat, fs_bits_path, *(mode_t *)arg);
}

static long
b_mknod(void *arg)
{
	(void)unlink(fs_bits_path);
	return CALL(SYS_mknod, fs_bits_path, S_IFREG | *(mode_t *)arg, 0);
}

static long
b_mkdir(void *arg)
{
	(void)unlink(fs_bits_path);
	return CALL(SYS_mkdir, fs_bits_path, *(mode_t *)arg);
}

static const struct {
	const char *name;
	long (*fn)(void *);
} fs_bits[] = {
	{ "chmod", b_chmod },
	{ "fchmod", b_fchmod },
	{ "fchmodat", b_fchmodat },
	{ "fchmodat2", b_fchmodat2 },
	{ "chmod-high", b_chmod_high },
	{ "open", b_open },
	{ "openat", b_openat },
	{ "tmpfile", b_tmpfile },
	{ "openat2", b_openat2 },
	{ "creat", b_creat },
	{ "mknod", b_mknod },
	{ "mkdir", b_mkdir },
};

static const char *const fs_attributes[] = { "security.capability",
	"security.probe", "trusted.probe", "security.ima" };

static void
fs_bits_one(const char *name, long (*fn)(void *), const char *bits, mode_t mode)
{
	char attempt[64];
	struct stat st;

	(void)snprintf(attempt, sizeof(attempt), "%s %s", name, bits);
	(void)close(open(fs_bits_path, O_CREAT | O_WRONLY, 0700));
	probe_try(attempt, fn, &mode);
	(void)snprintf(attempt, sizeof(attempt), "%s %s: bits", name, bits);
	probe_got(attempt, "%s",
	    stat(fs_bits_path, &st) == 0 && (st.st_mode & 06000) ? "set"
								 : "clear");
	(void)unlink(fs_bits_path);
	(void)rmdir(fs_bits_path);
}

static void
fs_11(void)
{
	const char *dir = probe_setting("PROBE_SCRATCH", "/workspace");
	char attempt[64];
	size_t i;
	int fd;

	(void)snprintf(fs_bits_path, sizeof(fs_bits_path), "%s/.probe-bits",
	    dir);
	for (i = 0; i < countof(fs_bits); i++) {
		fs_bits_one(fs_bits[i].name, fs_bits[i].fn, "setuid", 04711);
		fs_bits_one(fs_bits[i].name, fs_bits[i].fn, "setgid", 02711);
	}
	fd = open(fs_bits_path, O_CREAT | O_WRONLY, 0700);
	(void)close(fd);
	for (i = 0; i < countof(fs_attributes); i++) {
		static const char cap[20] = { 1, 0, 0, 2 };

		(void)snprintf(attempt, sizeof(attempt), "setxattr %s",
		    fs_attributes[i]);
		probe_result(attempt,
		    CALL(SYS_setxattr, fs_bits_path, fs_attributes[i], cap,
			sizeof(cap), 0));
	}
	(void)unlink(fs_bits_path);
}

const struct probe_check probe_fs[] = {
	{ "FS-01", fs_01 },
	{ "FS-02", fs_02 },
	{ "FS-03", fs_03 },
	{ "FS-04", fs_04 },
	{ "FS-04-self", fs_04_self },
	{ "FS-05", fs_05 },
	{ "FS-08", fs_08 },
	{ "FS-10", fs_10 },
	{ "FS-11", fs_11 },
	{ NULL, NULL },
};
