/*
 * fs.c: build the jail's tree and make it the root.
 *
 * Stage two runs this: in the jail's mount namespace, with all capabilities
 * over it and none outside.  Everything is mounted by descriptor with the
 * mount API of Linux 5.2+; the tree is a list of typed rows and one
 * short interpreter for each type.  What is generated or writable is made
 * anew for each jail, what comes from the host is a read-only clone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "limits_jail.h"
#include "mount.h"
#include "msg_init.h"
#include "stage.h"
#include "sys.h"

/* ---- what every jail has ---- */

/* clang-format off */
enum { FS_OPTIONAL = 1, FS_FILE = 2, FS_CERTS = 4 };

/* Read-only from the host, under the same name. */
static const struct {
	const char *path;
	int flags;
} fs_host[] = {
	{ "/usr",                    0 },
	{ "/etc/ld.so.cache",        FS_OPTIONAL | FS_FILE },
	{ "/etc/ld.so.conf",         FS_OPTIONAL | FS_FILE },
	{ "/etc/ld.so.conf.d",       FS_OPTIONAL },
	{ "/etc/ssl/certs",          FS_OPTIONAL | FS_CERTS },
	{ "/etc/ssl/openssl.cnf",    FS_OPTIONAL | FS_FILE },
	{ "/etc/ca-certificates",    FS_OPTIONAL },
	{ "/etc/alternatives",       FS_OPTIONAL },
	{ "/etc/localtime",          FS_OPTIONAL | FS_FILE },
	{ "/etc/mime.types",         FS_OPTIONAL | FS_FILE },
	{ "/etc/services",           FS_OPTIONAL | FS_FILE },
	{ "/etc/protocols",          FS_OPTIONAL | FS_FILE },
};

/* Links into /usr where the host has them; real directories are cloned. */
static const char *const fs_usr_links[] = {
	"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
};

static const char *const fs_nodes[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
	"/dev/tty",
};

static const struct {
	const char *to;
	const char *path;
} fs_links[] = {
	{ "/proc/self/fd",   "dev/fd" },
	{ "/proc/self/fd/0", "dev/stdin" },
	{ "/proc/self/fd/1", "dev/stdout" },
	{ "/proc/self/fd/2", "dev/stderr" },
	{ "pts/ptmx",        "dev/ptmx" },
};

/* Plain directories of the root; parents first, for generated files too. */
static const char *const fs_dirs[] = {
	"dev", "etc", "home", "proc", "sys", "sys/devices",
	"sys/devices/system", "sys/devices/system/cpu", "sys/fs",
	"sys/fs/cgroup", "sys/fs/cgroup/cpu", "sys/fs/cgroup/memory", "tmp",
};

/*
 * Readable by anybody on an ordinary /proc, and telling of the host or of
 * its keys, or (pressure) taking triggers from anybody: hidden under an
 * empty read-only file.  What needs root on the host is closed by its owner,
 * who has no number in the jail.  The first is on every kernel.
 */
#define FS_MASKED_FIRST "/proc/cmdline"
static const char *const fs_masked[] = {
	FS_MASKED_FIRST, "/proc/swaps",
	"/proc/config.gz", "/proc/version_signature", "/proc/buddyinfo",
	"/proc/diskstats", "/proc/interrupts", "/proc/iomem", "/proc/ioports",
	"/proc/kallsyms", "/proc/key-users", "/proc/keys", "/proc/locks",
	"/proc/modules", "/proc/partitions", "/proc/pressure/cpu",
	"/proc/pressure/io", "/proc/pressure/irq", "/proc/pressure/memory",
	"/proc/softirqs", "/proc/sysrq-trigger", "/proc/vmstat",
	"/proc/zoneinfo",
};

/* clang-format on */

/* Where nobody but us has been yet, so that no name can be a link. */
static long
fs_directories(struct stage *s)
{
	size_t i;
	long r = 0;

	for (i = 0; i < countof(fs_dirs) && r >= 0; i++) {
		stage_what(&s->two, fs_dirs[i]);
		r = SYS(SYS_mkdirat, s->root_fd, fs_dirs[i], 0755);
	}
	return r;
}

/* ---- generated files ---- */

/* Takes fd, for writing. */
static long
fs_write(long fd, const char *text, size_t size)
{
	long n;

	if (fd < 0)
		return fd;
	n = SYS(SYS_write, fd, text, size);
	mount_close(fd);
	if (n < 0)
		return n;
	return (size_t)n == size ? 0 : -EIO;
}

/* A tree that was given may have its own passwd; ours would be no better. */
static int
fs_yields(const struct stage *s, const struct stage_file *f)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	if (!f->yields || s->yield_fd < 0)
		return 0;
	fd = SYS(SYS_openat2, s->yield_fd, f->path, &how, sizeof(how));
	mount_close(fd);
	return fd >= 0;
}

static long
fs_files(struct stage *s)
{
	uint32_t i;
	long r = 0;

	for (i = 0; i < s->nfiles && r >= 0; i++) {
		const struct stage_file *f = &s->files[i];

		if (fs_yields(s, f))
			continue;
		stage_what(&s->two, f->path);
		r = f->same != NULL ? mount_make_same(s, f->same, f->path)
		    : f->link != NULL
			? mount_make_link(s, f->link, f->path)
			: fs_write(mount_make_file(s, f->path, O_EXCL), f->text,
			      f->size);
	}
	return r;
}

long
fs_generate(struct stage *s)
{
	long r = fs_directories(s);

	return r < 0 ? r : fs_files(s);
}

/* ---- the root and what comes from the host ---- */

/* The host's /usr in a small tree of our own, or an overlay over a given one. */
static long
fs_root(struct stage *s)
{
	long r;

	stage_what(&s->two, "/");
	if (s->plan->rootfs == PLAN_ROOTFS_DIR) {
		r = overlay_root(s);
		return r < 0 ? r : overlay_covers(s);
	}
	r = mount_new_tmpfs(LIMITS_ROOT_BYTES, LIMITS_ROOT_INODES, "755",
	    s->rootless ? LIMITS_AGENT_ID_TEXT : LIMITS_INIT_ID_TEXT,
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (r < 0)
		return r;
	s->root_fd = (int)r;
	r = mount_attach(s->root_fd, AT_FDCWD, "/");
	return r < 0 ? r : fs_generate(s);
}

static long
fs_dev_links(struct stage *s)
{
	size_t i;
	long r = 0;

	for (i = 0; i < countof(fs_links) && r >= 0; i++) {
		stage_what(&s->two, fs_links[i].path);
		r = mount_make_link(s, fs_links[i].to, fs_links[i].path);
	}
	return r;
}

static long
fs_host_one(struct stage *s, const char *path, int flags, uint64_t attributes)
{
	long r;

	stage_what(&s->two, path);
	r = mount_bind(s, path, path, !(flags & FS_FILE), attributes);
	return r == -ENOENT && (flags & FS_OPTIONAL) ? 0 : r;
}

/*
 * Generated files lie in etc/ssl/certs already: the host's directory goes
 * below them, by way of a place that proc will cover.  Named relative to the
 * root, so that mountinfo tells nothing.
 */
static long
fs_certs(struct stage *s)
{
	static const struct mount_option o[] = {
		{ "lowerdir", "etc/ssl/certs:proc/certs" },
	};
	long r;

	stage_what(&s->two, "/etc/ssl/certs");
	r = mount_bind(s, "/etc/ssl/certs", "/proc/certs", 1, MOUNT_RO);
	if (r == -ENOENT)
		return 0;
	if (r < 0 || (r = SYS(SYS_fchdir, s->root_fd)) < 0)
		return r;
	return mount_over(s, mount_new("overlay", o, countof(o), MOUNT_RO),
	    "/etc/ssl/certs");
}

static long
fs_usr_link(struct stage *s, const char *path)
{
	long n;

	stage_what(&s->two, path);
	n = SYS(SYS_readlinkat, AT_FDCWD, path, s->path, sizeof(s->path) - 1);
	if (n == -ENOENT)
		return 0;
	if (n == -EINVAL)
		return fs_host_one(s, path, 0, MOUNT_RO);
	if (n < 0)
		return n;
	s->path[n] = '\0';
	return SYS(SYS_symlinkat, s->path, s->root_fd, path + 1);
}

static long
fs_rootfs_host(struct stage *s)
{
	size_t i;
	long r = 0;

	if (s->plan->rootfs == PLAN_ROOTFS_DIR)
		return 0;
	for (i = 0; i < countof(fs_host) && r >= 0; i++)
		r = s->certs && fs_host[i].flags & FS_CERTS
			? fs_certs(s)
			: fs_host_one(s, fs_host[i].path, fs_host[i].flags,
			      MOUNT_RO);
	for (i = 0; i < countof(fs_usr_links) && r >= 0; i++)
		r = fs_usr_link(s, fs_usr_links[i]);
	stage_what(&s->two, "/var/tmp");
	return r >= 0 ? mount_make_link(s, "/tmp", "var/tmp") : r;
}

static long
fs_devices(struct stage *s)
{
	size_t i;
	long r = 0;

	for (i = 0; i < countof(fs_nodes) && r >= 0; i++)
		r = fs_host_one(s, fs_nodes[i], FS_FILE, MOUNT_NODE);
	if (r < 0)
		return r;
	stage_what(&s->two, "/dev/pts");
	r = mount_type(s, "devpts", "/dev/pts",
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	    "newinstance,ptmxmode=0666,mode=0620,uid=" LIMITS_AGENT_ID_TEXT
	    ",gid=" LIMITS_AGENT_ID_TEXT);
	if (r < 0)
		return r;
	stage_what(&s->two, "/dev/shm");
	return mount_tmpfs(s, "/dev/shm", LIMITS_SHM_BYTES, LIMITS_INODES,
	    "1777", MOUNT_RW | MOUNT_ATTR_NOEXEC);
}

/* ---- proc ---- */

/*
 * Names in proc as seen from the directory that proc is mounted on, which is
 * our working directory here: the generated texts lie in it, where nobody
 * sees them any more, and are bound from there.  No name of the kernel's on
 * the way is a link.
 */
static const char *
fs_in_proc(struct stage *s, const char *path)
{
	memcpy(s->path, "..", 2);
	memcpy(s->path + 2, path, strlen(path) + 1);
	return s->path;
}

static long
fs_proc_text(struct stage *s, const char *name, const char *over)
{
	return mount_bind_here(name, fs_in_proc(s, over),
	    MOUNT_RO | MOUNT_ATTR_NOEXEC);
}

static long
fs_proc_texts(struct stage *s)
{
	uint32_t i;
	long r = 0;

	for (i = 0; i < s->nfiles && r >= 0; i++) {
		const struct stage_file *f = &s->files[i];

		if (f->over == NULL)
			continue;
		stage_what(&s->two, f->over);
		r = fs_proc_text(s, strrchr(f->path, '/') + 1, f->over);
	}
	return r;
}

/*
 * The first row gets the empty file, the others that mount again, with the
 * attributes it has: so each costs one call.
 */
static long
fs_proc_masks(struct stage *s)
{
	static const char first[] = ".." FS_MASKED_FIRST;
	size_t i;
	long r;

	stage_what(&s->two, fs_masked[0]);
	r = fs_proc_text(s, LIMITS_EMPTY_NAME, fs_masked[0]);
	for (i = 1; i < countof(fs_masked) && r >= 0; i++) {
		stage_what(&s->two, fs_masked[i]);
		r = mount_bind_again(first, fs_in_proc(s, fs_masked[i]));
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

static long
fs_proc(struct stage *s)
{
	long below = mount_open(s, "proc", O_PATH | O_DIRECTORY), r;

	if (below < 0)
		return below;
	stage_what(&s->two, "/proc");
	if ((r = SYS(SYS_fchdir, below)) < 0)
		return r;
	r = SYS(SYS_mount, "proc", ".", "proc",
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0);
	if (r < 0)
		return r;
	mount_forget(s, "proc");
	stage_what(&s->two, "/proc/sys");
	r = mount_bind_here("../proc/sys", "../proc/sys",
	    MOUNT_RO | MOUNT_ATTR_NOEXEC);
	if (r >= 0)
		r = fs_proc_texts(s);
	return r < 0 ? r : fs_proc_masks(s);
}

/* ---- the plan's mounts ---- */

/*
 * Rootless the launcher could only open it: the mount that its descriptor is
 * on belongs to the launcher's namespace, and only a mount of our own can be
 * cloned.  So the name is looked up again, in our copy of that namespace, and
 * must lead to the same object.
 */
static long
fs_clone_same(struct stage *s, uint32_t i, uint64_t attributes)
{
	struct stat judged, found;
	long fd, r;

	fd = SYS(SYS_openat, AT_FDCWD,
	    plan_string(s->plan, s->plan->mounts[i].from), O_PATH | O_CLOEXEC,
	    0);
	if (fd < 0)
		return fd;
	r = SYS(SYS_fstat, s->sources[i].fd, &judged);
	if (r >= 0)
		r = SYS(SYS_fstat, fd, &found);
	if (r >= 0 &&
	    (judged.st_dev != found.st_dev || judged.st_ino != found.st_ino))
		r = -ESTALE;
	if (r >= 0)
		r = mount_clone((int)fd, "", attributes);
	mount_close(fd);
	return r;
}

/*
 * The mount that mount i lies in, or NULL: the root.  (A look at the mounts
 * before this one, which are sorted.)
 */
static const struct plan_mount *
fs_holder(const struct plan *p, uint32_t i)
{
	const char *path = plan_string(p, p->mounts[i].path);
	const struct plan_mount *holder = NULL;
	uint32_t k;

	for (k = 0; k < i; k++) {
		const char *at = plan_string(p, p->mounts[k].path);
		size_t n = strlen(at);

		if (strncmp(path, at, n) == 0 && path[n] == '/')
			holder = &p->mounts[k];
	}
	return holder;
}

/* In a directory of the host nothing is made to mount on: it would stay. */
static int
fs_in_host_directory(const struct plan *p, uint32_t i)
{
	const struct plan_mount *m = fs_holder(p, i);

	return m != NULL &&
	       (m->kind == PLAN_MOUNT_READ || m->kind == PLAN_MOUNT_WRITE);
}

/* In our own small root, where no name can be a link. */
static int
fs_is_ours(const struct plan *p, uint32_t i)
{
	return p->rootfs == PLAN_ROOTFS_HOST && fs_holder(p, i) == NULL;
}

static long
fs_place(struct stage *s, uint32_t i, long fd, int is_dir)
{
	const char *path = plan_string(s->plan, s->plan->mounts[i].path);

	if (fs_in_host_directory(s->plan, i))
		return mount_over(s, fd, path);
	return mount_at(s, fd, path, is_dir);
}

static long
fs_given(struct stage *s, uint32_t i, uint64_t attributes)
{
	const struct stage_source *src = &s->sources[i];
	struct mount_attr a = { .attr_set = attributes };
	long fd = src->fd, r;

	if (!src->is_mount) {
		fd = fs_clone_same(s, i, attributes);
	} else {
		r = SYS(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE,
		    &a, sizeof(a));
		if (r < 0)
			return r;
	}
	return fs_place(s, i, fd, src->is_dir);
}

static long
fs_fresh(struct stage *s, const struct plan_mount *m)
{
	const char *mode = m->kind == PLAN_MOUNT_TMPFS ? "1777" : "755";
	uint32_t i = (uint32_t)(m - s->plan->mounts);
	long r = fresh_await(s), fd = s->fresh[i];

	if (r < 0)
		return r;
	if (fd < 0 && !s->keep && fs_is_ours(s->plan, i))
		return mount_tmpfs(s, plan_string(s->plan, m->path),
		    m->size_bytes, m->inodes, mode, MOUNT_RW);
	if (fd < 0)
		fd = mount_new_tmpfs(m->size_bytes, m->inodes, mode,
		    LIMITS_AGENT_ID_TEXT, MOUNT_RW);
	if (fd >= 0 && m->kind == PLAN_MOUNT_NEW &&
	    (r = overlay_offer(s, i, (int)fd)) < 0)
		return r;
	return fs_place(s, i, fd, 1);
}

static long
fs_mounts(struct stage *s)
{
	uint32_t i;
	long r = 0;

	for (i = 0; i < s->plan->nmounts && r >= 0; i++) {
		const struct plan_mount *m = &s->plan->mounts[i];

		stage_what(&s->two, plan_string(s->plan, m->path));
		switch ((enum plan_mount_kind)m->kind) {
		case PLAN_MOUNT_READ:
			r = fs_given(s, i, MOUNT_RO);
			break;
		case PLAN_MOUNT_WRITE:
			r = fs_given(s, i, MOUNT_RW);
			break;
		case PLAN_MOUNT_NEW:
		case PLAN_MOUNT_TMPFS:
			r = fs_fresh(s, m);
			break;
		case PLAN_MOUNT__MAX:
			return -EINVAL;
		}
	}
	return r;
}

static long
fs_home(struct stage *s)
{
	stage_what(&s->two, "/home/agent");
	return mount_tmpfs(s, "/home/agent", LIMITS_HOME_BYTES, LIMITS_INODES,
	    "750", MOUNT_RW);
}

/* ---- the line ---- */

static long (*const fs_line[])(struct stage *) = {
	fs_root,
	fs_dev_links,
	fs_rootfs_host,
	fs_devices,
	fs_proc,
	fs_home,
	fs_mounts,
	protect_apply,
};

long
fs_build(struct stage *s)
{
	size_t i;
	long r = 0;

	for (i = 0; i < countof(fs_line) && r >= 0; i++)
		r = fs_line[i](s);
	return r;
}

/*
 * Nothing may be stacked on the root: ".." there would lead into it.  The
 * mount that is seen, and the one that ".." leads to, must be the one built.
 */
static long
fs_verify(struct stage *s)
{
	struct statx built, seen;
	long r;

	stage_what(&s->two, "the old root is still there");
	if ((r = SYS(SYS_statx, s->root_fd, "", AT_EMPTY_PATH, STATX_MNT_ID,
		 &built)) < 0 ||
	    (r = SYS(SYS_statx, AT_FDCWD, "/..", 0, STATX_MNT_ID, &seen)) < 0)
		return r;
	return built.stx_mnt_id == seen.stx_mnt_id ? 0 : -EXDEV;
}

/* Make it the root, drop the host's, close it for writing. */
long
fs_enter(struct stage *s)
{
	struct mount_attr a = { .attr_set = MOUNT_RO };
	long r = 0;

	stage_what(&s->two, "mount_setattr /");
	if (s->plan->rootfs == PLAN_ROOTFS_HOST)
		r = SYS(SYS_mount_setattr, s->root_fd, "", AT_EMPTY_PATH, &a,
		    sizeof(a));
	if (r < 0)
		return r;
	stage_what(&s->two, "pivot_root");
	if ((r = SYS(SYS_fchdir, s->root_fd)) < 0 ||
	    (r = SYS(SYS_pivot_root, ".", ".")) < 0)
		return r;
	/* both lie on "." now: the host's is on top, and goes */
	stage_what(&s->two, "umount2");
	if ((r = SYS(SYS_umount2, ".", 2 /* MNT_DETACH */)) < 0)
		return r;
	stage_what(&s->two, "chdir /");
	if ((r = SYS(SYS_chdir, "/")) < 0)
		return r;
	return fs_verify(s);
}
