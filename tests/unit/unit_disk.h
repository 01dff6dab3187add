/*
 * unit_disk.h: a disk that fails and loses power, below the C library.
 *
 * The files of one directory are what processes see: the page cache.  Beside
 * them lies what would be there after a loss of power: a sector arrives with
 * an fsync(2) that succeeds, or by chance before it; a name arrives with an
 * fsync of the directory, or by chance.  Calls are numbered; one that the
 * test names fails.  After an fsync that failed its sectors are marked clean,
 * as Linux does: they arrived or are lost, and the next fsync says "fine".
 * What the cache shows of them then is what was written (ext4, XFS) or what
 * the disk has (btrfs).
 *
 * The calls that write are defined here, and so stand in front of the C
 * library's for libsqlite3 too.  For one program, not for two of its files.
 */
#ifndef UNIT_DISK_H
#define UNIT_DISK_H

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	DISK_SECTOR = 512,
	DISK_FDS = 1024,
	DISK_FILES = 256,
	DISK_NAMES = 16,
	DISK_PENDING = 64,
	DISK_PATH = 160,
};

enum disk_call {
	DISK_OPEN,
	DISK_READ,
	DISK_WRITE,
	DISK_SYNC,
	DISK_TRUNCATE,
	DISK_UNLINK,
	DISK_MAP,
	DISK__MAX
};

struct disk_file {
	int fd; /* ours */
	int modelled; /* 0: a file whose content nobody needs again */
	unsigned char *disk; /* what is there without power */
	size_t size, room;
	unsigned char *dirty; /* a byte for each sector of the cache */
	size_t sectors;
	size_t low; /* it was cut to this since the last fsync; or SIZE_MAX */
	int cut; /* its size alone was changed */
};

struct disk_name {
	char name[64];
	struct disk_file *file; /* NULL: none has this name */
};

/* How a call fails: in its n-th moment. */
struct disk_fault {
	long at; /* number of the call; 0: none */
	int of; /* 0: of all calls; else of those of the kind of - 1 */
	int times; /* that many calls from there on, of its kind */
	int error; /* errno */
	int half; /* a write does a part of it; the next one has the error */
};

static struct disk {
	char dir[64];
	size_t dir_len;
	pthread_mutex_t lock;
	int on;

	long calls; /* so far */
	long counts[DISK__MAX]; /* of them */
	struct disk_fault fault;
	enum disk_call kind; /* of the faulty call */
	int fired;
	unsigned char *kinds; /* of each call; NULL: not recorded */
	size_t kinds_max;

	uint64_t seed;
	int arrive; /* of 8 sectors that are not synced, how many arrive */
	int revert; /* after a failed fsync the cache shows the disk */
	int names_too; /* an fsync of a file brings names with it */
	/* number of the call, of the write, before which the power goes */
	long dies_at, dies_write;
	int dead;

	struct disk_file files[DISK_FILES];
	size_t nfiles;
	struct disk_name seen[DISK_NAMES], kept[DISK_NAMES];
	struct disk_name pending[DISK_PENDING]; /* changes of names */
	size_t npending;

	struct {
		struct disk_file *file;
		int tracked, folder;
	} fds[DISK_FDS];
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The test's own calls are no part of it. */
static __thread int disk_quiet;

/* Also on a thread of the storage's, where cmocka cannot leave a test. */
#define disk_must(cond)          \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

/* ---- chance ---- */

static uint64_t
disk_random(uint64_t below)
{
	uint64_t z = (disk.seed += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) % below;
}

/* ---- what is on the disk ---- */

static void
disk_keep_size(struct disk_file *f, size_t size)
{
	if (size > f->room) {
		f->disk = realloc(f->disk, size * 2);
		disk_must(f->disk != NULL);
		memset(f->disk + f->room, 0, size * 2 - f->room);
		f->room = size * 2;
	}
	if (size < f->size)
		memset(f->disk + size, 0, f->size - size);
	f->size = size;
}

/* A sector of the cache arrives. */
static void
disk_arrive(struct disk_file *f, size_t s)
{
	unsigned char sector[DISK_SECTOR];
	ssize_t n = syscall(SYS_pread64, f->fd, sector, sizeof(sector),
	    s * DISK_SECTOR);

	if (n <= 0)
		return;
	if (s * DISK_SECTOR + (size_t)n > f->size)
		disk_keep_size(f, s * DISK_SECTOR + (size_t)n);
	memcpy(f->disk + s * DISK_SECTOR, sector, (size_t)n);
}

/* It does not, and the cache shows that. */
static void
disk_revert(struct disk_file *f, size_t s)
{
	unsigned char sector[DISK_SECTOR] = { 0 };
	size_t at = s * DISK_SECTOR, n = 0;
	struct stat st;

	if (at < f->size)
		n = f->size - at < sizeof(sector) ? f->size - at
						  : sizeof(sector);
	if (n > 0)
		memcpy(sector, f->disk + at, n);
	if (syscall(SYS_fstat, f->fd, &st) == 0 && at < (size_t)st.st_size)
		(void)syscall(SYS_pwrite64, f->fd, sector,
		    (size_t)st.st_size - at < sizeof(sector)
			? (size_t)st.st_size - at
			: sizeof(sector),
		    at);
}

/* of8 8: an fsync; below: that many of eight sectors arrive, by chance. */
static void
disk_write_back(struct disk_file *f, int of8, int revert)
{
	struct stat st;
	size_t s;

	if (f->low < f->size)
		disk_keep_size(f, f->low);
	f->low = SIZE_MAX;
	for (s = 0; s < f->sectors; s++) {
		if (!f->dirty[s])
			continue;
		if (of8 == 8 || disk_random(8) < (uint64_t)of8)
			disk_arrive(f, s);
		else if (revert)
			disk_revert(f, s);
		f->dirty[s] = 0;
	}
	if (f->cut && syscall(SYS_fstat, f->fd, &st) == 0)
		disk_keep_size(f, (size_t)st.st_size);
	f->cut = 0;
}

static void
disk_mark(struct disk_file *f, size_t at, size_t n)
{
	size_t s, last = (at + n + DISK_SECTOR - 1) / DISK_SECTOR;

	if (last > f->sectors) {
		f->dirty = realloc(f->dirty, last * 2);
		disk_must(f->dirty != NULL);
		memset(f->dirty + f->sectors, 0, last * 2 - f->sectors);
		f->sectors = last * 2;
	}
	for (s = at / DISK_SECTOR; s < last; s++)
		f->dirty[s] = 1;
}

/* ---- names ---- */

static struct disk_name *
disk_find(struct disk_name *v, const char *name)
{
	size_t i;

	for (i = 0; i < DISK_NAMES; i++)
		if (v[i].file != NULL && strcmp(v[i].name, name) == 0)
			return &v[i];
	return NULL;
}

static void
disk_set(struct disk_name *v, const char *name, struct disk_file *file)
{
	struct disk_name *at = disk_find(v, name);
	size_t i;

	for (i = 0; at == NULL && i < DISK_NAMES; i++)
		if (v[i].file == NULL)
			at = &v[i];
	disk_must(at != NULL);
	(void)snprintf(at->name, sizeof(at->name), "%s", name);
	at->file = file;
}

static void
disk_rename(const char *name, struct disk_file *file)
{
	struct disk_name *p;

	disk_set(disk.seen, name, file);
	disk_must(disk.npending < DISK_PENDING);
	p = &disk.pending[disk.npending++];
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	p->file = file;
}

/* The first n changes of names arrive. */
static void
disk_keep_names(size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		disk_set(disk.kept, disk.pending[i].name, disk.pending[i].file);
	memmove(disk.pending, disk.pending + n,
	    (disk.npending - n) * sizeof(disk.pending[0]));
	disk.npending -= n;
}

/* ---- the power goes ---- */

static void
disk_die(void)
{
	struct disk_file *f;
	size_t i;

	for (i = 0; i < disk.nfiles; i++) {
		f = &disk.files[i];
		/* a cut that did not arrive keeps what came later away */
		if (f->low != SIZE_MAX && disk_random(2))
			continue;
		disk_write_back(f, disk.arrive, 0);
	}
	disk_keep_names(disk_random(disk.npending + 1));
	disk.dead = 1;
}

/* ---- faults ---- */

/* 0: it goes on; else errno, -1: a part is done. */
static int
disk_due(enum disk_call kind)
{
	struct disk_fault *f = &disk.fault;
	long n = ++disk.calls, at = ++disk.counts[kind];

	if (disk.kinds != NULL && (size_t)n < disk.kinds_max)
		disk.kinds[n] = (unsigned char)kind;
	if (disk.dead)
		return 0;
	if ((disk.dies_at != 0 && n >= disk.dies_at) ||
	    (disk.dies_write != 0 &&
		disk.counts[DISK_WRITE] >= disk.dies_write)) {
		disk_die();
		return 0;
	}
	if (f->at == 0 || f->times == 0 ||
	    (f->of != 0 && f->of - 1 != (int)kind))
		return 0;
	if (f->of == 0)
		at = n;
	if (at < f->at)
		return 0;
	if (at == f->at)
		disk.kind = kind;
	else if (disk.kind != kind)
		return 0;
	f->times--;
	disk.fired++;
	if (f->half && at == f->at)
		return -1;
	return f->error;
}

static struct disk_file *
disk_of(int fd)
{
	return fd >= 0 && fd < DISK_FDS ? disk.fds[fd].file : NULL;
}

static int
disk_tracks(int fd)
{
	return disk.on && !disk_quiet && fd >= 0 && fd < DISK_FDS &&
	       disk.fds[fd].tracked;
}

/* The name within the directory, "" for itself; NULL: another's. */
static const char *
disk_name_of(const char *path)
{
	if (!disk.on || disk_quiet ||
	    strncmp(path, disk.dir, disk.dir_len) != 0)
		return NULL;
	path += disk.dir_len;
	return *path == '/' ? path + 1 : *path == '\0' ? path : NULL;
}

/* ---- the calls ---- */

static struct disk_file *
disk_file_of(const char *path, const char *name)
{
	struct disk_name *n = disk_find(disk.seen, name);
	struct disk_file *f;
	size_t len = strlen(name);

	if (n != NULL)
		return n->file;
	disk_must(disk.nfiles < DISK_FILES);
	f = &disk.files[disk.nfiles++];
	memset(f, 0, sizeof(*f));
	f->fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	f->low = SIZE_MAX;
	f->modelled = !(len > 4 && strcmp(name + len - 4, "-shm") == 0) &&
		      !(len > 5 && strcmp(name + len - 5, ".lock") == 0);
	disk_rename(name, f);
	return f;
}

static int
disk_open(const char *path, int flags, int mode)
{
	const char *name = disk_name_of(path);
	int fd, e = 0;

	if (name == NULL)
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	(void)pthread_mutex_lock(&disk.lock);
	e = disk_due(DISK_OPEN);
	fd = e > 0 ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0 && fd < DISK_FDS) {
		disk.fds[fd].tracked = 1;
		disk.fds[fd].folder = *name == '\0';
		disk.fds[fd].file =
		    *name == '\0' ? NULL : disk_file_of(path, name);
	}
	(void)pthread_mutex_unlock(&disk.lock);
	if (e > 0)
		errno = e;
	return fd;
}

static int
disk_close(int fd)
{
	if (fd >= 0 && fd < DISK_FDS)
		memset(&disk.fds[fd], 0, sizeof(disk.fds[fd]));
	return (int)syscall(SYS_close, fd);
}

static ssize_t
disk_pwrite(int fd, const void *p, size_t n, off_t at)
{
	struct disk_file *f;
	ssize_t rc;
	int e;

	if (!disk_tracks(fd))
		return syscall(SYS_pwrite64, fd, p, n, at);
	(void)pthread_mutex_lock(&disk.lock);
	e = disk_due(DISK_WRITE);
	if (e == -1)
		n /= 2;
	rc = e > 0 ? -1 : syscall(SYS_pwrite64, fd, p, n, at);
	f = disk_of(fd);
	if (rc > 0 && f != NULL && f->modelled)
		disk_mark(f, (size_t)at, (size_t)rc);
	(void)pthread_mutex_unlock(&disk.lock);
	if (e > 0)
		errno = e;
	return rc;
}

static ssize_t
disk_pread(int fd, void *p, size_t n, off_t at)
{
	int e = 0;

	if (disk_tracks(fd)) {
		(void)pthread_mutex_lock(&disk.lock);
		e = disk_due(DISK_READ);
		(void)pthread_mutex_unlock(&disk.lock);
	}
	if (e <= 0)
		return syscall(SYS_pread64, fd, p, n, at);
	errno = e;
	return -1;
}

static int
disk_truncate(int fd, off_t size)
{
	struct disk_file *f;
	int e, rc;

	if (!disk_tracks(fd))
		return (int)syscall(SYS_ftruncate, fd, size);
	(void)pthread_mutex_lock(&disk.lock);
	e = disk_due(DISK_TRUNCATE);
	rc = e > 0 ? -1 : (int)syscall(SYS_ftruncate, fd, size);
	f = disk_of(fd);
	if (rc == 0 && f != NULL && f->modelled) {
		f->low = (size_t)size < f->low ? (size_t)size : f->low;
		f->cut = 1;
	}
	(void)pthread_mutex_unlock(&disk.lock);
	if (e > 0)
		errno = e;
	return rc;
}

/* The data is not asked to be on a real disk: what counts is beside it. */
static int
disk_sync(int fd)
{
	struct disk_file *f;
	int e;

	if (!disk_tracks(fd))
		return (int)syscall(SYS_fsync, fd);
	(void)pthread_mutex_lock(&disk.lock);
	e = disk_due(DISK_SYNC);
	f = disk_of(fd);
	if (!disk.dead && f != NULL && f->modelled)
		disk_write_back(f, e > 0 ? disk.arrive : 8, disk.revert);
	if (!disk.dead && e <= 0 && (disk.fds[fd].folder || disk.names_too))
		disk_keep_names(disk.npending);
	(void)pthread_mutex_unlock(&disk.lock);
	if (e <= 0)
		return 0;
	errno = e;
	return -1;
}

static int
disk_unlink(const char *path)
{
	const char *name = disk_name_of(path);
	int e, rc;

	if (name == NULL)
		return (int)syscall(SYS_unlink, path);
	(void)pthread_mutex_lock(&disk.lock);
	e = disk_due(DISK_UNLINK);
	rc = e > 0 ? -1 : (int)syscall(SYS_unlink, path);
	if (rc == 0 && disk_find(disk.seen, name) != NULL)
		disk_rename(name, NULL);
	(void)pthread_mutex_unlock(&disk.lock);
	if (e > 0)
		errno = e;
	return rc;
}

static void *
disk_map(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	int e = 0;

	if (disk_tracks(fd)) {
		(void)pthread_mutex_lock(&disk.lock);
		e = disk_due(DISK_MAP);
		(void)pthread_mutex_unlock(&disk.lock);
	}
	if (e <= 0)
		return (
		    void *)syscall(SYS_mmap, at, n, prot, flags, fd, offset);
	errno = e;
	return MAP_FAILED;
}

/* clang-format off */
#define DISK_OPEN_AS(name) \
	int name(const char *path, int flags, ...); \
	int \
	name(const char *path, int flags, ...) \
	{ \
		va_list ap; \
		int mode = 0; \
		va_start(ap, flags); \
		if (flags & O_CREAT) \
			mode = va_arg(ap, int); \
		va_end(ap); \
		return disk_open(path, flags, mode); \
	}
#define DISK_AS(type, name, fn, params, ...) \
	type name params; \
	type \
	name params \
	{ \
		return fn(__VA_ARGS__); \
	}
/* clang-format on */

#undef open
#undef open64
DISK_OPEN_AS(open)
DISK_OPEN_AS(open64)
DISK_AS(int, close, disk_close, (int fd), fd)
DISK_AS(ssize_t, pwrite, disk_pwrite,
    (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
DISK_AS(ssize_t, pwrite64, disk_pwrite,
    (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
DISK_AS(ssize_t, pread, disk_pread, (int fd, void *p, size_t n, off_t at), fd,
    p, n, at)
DISK_AS(ssize_t, pread64, disk_pread, (int fd, void *p, size_t n, off_t at), fd,
    p, n, at)
DISK_AS(int, ftruncate, disk_truncate, (int fd, off_t size), fd, size)
DISK_AS(int, ftruncate64, disk_truncate, (int fd, off_t size), fd, size)
DISK_AS(int, fsync, disk_sync, (int fd), fd)
DISK_AS(int, fdatasync, disk_sync, (int fd), fd)
DISK_AS(int, unlink, disk_unlink, (const char *path), path)
DISK_AS(void *, mmap64, disk_map,
    (void *at, size_t n, int prot, int flags, int fd, off_t offset), at, n,
    prot, flags, fd, offset)

/* ---- the test's part ---- */

static inline void
disk_forget(void)
{
	size_t i;

	for (i = 0; i < disk.nfiles; i++) {
		(void)syscall(SYS_close, disk.files[i].fd);
		free(disk.files[i].disk);
		free(disk.files[i].dirty);
	}
	disk.nfiles = disk.npending = 0;
	memset(disk.seen, 0, sizeof(disk.seen));
	memset(disk.kept, 0, sizeof(disk.kept));
}

/* A new disk below this directory, which is empty. */
static inline void
disk_begin(const char *dir, uint64_t seed)
{
	disk_forget();
	(void)snprintf(disk.dir, sizeof(disk.dir), "%s", dir);
	disk.dir_len = strlen(dir);
	disk.calls = disk.dies_at = disk.dies_write = 0;
	memset(disk.counts, 0, sizeof(disk.counts));
	disk.dead = disk.fired = 0;
	memset(&disk.fault, 0, sizeof(disk.fault));
	disk.seed = seed;
	disk.arrive = (int)disk_random(8);
	disk.revert = (int)disk_random(2);
	disk.names_too = (int)disk_random(2);
	disk.on = 1;
}

static inline void
disk_end(void)
{
	disk.on = 0;
	disk_forget();
}

static inline void
disk_path(char path[DISK_PATH], const char *name)
{
	disk_must(
	    snprintf(path, DISK_PATH, "%s/%s", disk.dir, name) < DISK_PATH);
}

static inline void
disk_store(const char *name, const struct disk_file *f)
{
	char path[DISK_PATH];
	int fd;

	disk_path(path, name);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	disk_must(fd != -1);
	disk_must(
	    syscall(SYS_pwrite64, fd, f->disk, f->size, 0) == (ssize_t)f->size);
	(void)syscall(SYS_close, fd);
}

/* The power is back: the directory is what the disk had when it went. */
static inline void
disk_revive(void)
{
	static const char *const all[] = { "db", "db-wal", "db-shm",
		"db-journal", "db.lock" };
	struct disk_name kept[DISK_NAMES];
	struct disk_file *f;
	char path[DISK_PATH];
	size_t i;

	disk_must(disk.dead);
	memcpy(kept, disk.kept, sizeof(kept));
	for (i = 0; i < countof(all); i++) {
		disk_path(path, all[i]);
		(void)syscall(SYS_unlink, path);
	}
	memset(disk.seen, 0, sizeof(disk.seen));
	memset(disk.kept, 0, sizeof(disk.kept));
	disk.npending = 0;
	for (i = 0; i < DISK_NAMES; i++) {
		if (kept[i].file == NULL || !kept[i].file->modelled)
			continue;
		disk_store(kept[i].name, kept[i].file);
		disk_path(path, kept[i].name);
		f = disk_file_of(path, kept[i].name);
		disk_keep_size(f, kept[i].file->size);
		if (f->size > 0)
			memcpy(f->disk, kept[i].file->disk, f->size);
	}
	disk_keep_names(disk.npending);
	disk.dead = 0;
	disk.dies_at = disk.dies_write = 0;
}

#endif /* !UNIT_DISK_H */
