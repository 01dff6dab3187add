#include "keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "text.h"

enum {
	KEEP_BUFFER = 128 * 1024
};

struct keep {
	struct keep_result *result;
	uint64_t max_bytes; /* of this copy */
	uint64_t bytes;
};

static int keep_directory(struct keep *k, int from, int to, int depth,
    struct err *e);

int
keep_create(const char *dir, struct err *e)
{
	int fd;

	if (mkdir(dir, 0700) == -1)
		return err_set(e, ERR_SYSTEM, "--keep %s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "--keep %s", dir);
	return fd;
}

/* A name the jail chose, as messages may show it. */
static int
keep_fail(struct err *e, const char *what, const char *name)
{
	int sys = errno;
	char shown[128];

	(void)text_escape(shown, sizeof(shown), name, strlen(name));
	return err_sys(e, sys, "%s %s", what, shown);
}

/* ---- files ---- */

static int
keep_bytes(struct keep *k, int in, int out, off_t from, off_t end,
    struct err *e)
{
	static char buf[KEEP_BUFFER];

	while (from < end) {
		size_t want = sizeof(buf);
		ssize_t n, w;

		if ((off_t)want > end - from)
			want = (size_t)(end - from);
		n = pread(in, buf, want, from);
		if (n == -1)
			return err_set(e, ERR_SYSTEM, "read");
		if (n == 0)
			return 0;
		k->bytes += (uint64_t)n;
		if (k->bytes > k->max_bytes)
			return err_set(e, ERR_LIMIT,
			    "more data than the directory could hold (%llu "
			    "bytes)",
			    (unsigned long long)k->max_bytes);
		w = pwrite(out, buf, (size_t)n, from);
		if (w != n)
			return err_set(e, ERR_SYSTEM, "write");
		from += n;
	}
	return 0;
}

/*
 * Only what holds data: a hole of an exabyte costs nothing.  1 if the file
 * is longer than the file system here takes.
 */
static int
keep_extents(struct keep *k, int in, int out, off_t size, struct err *e)
{
	off_t data = 0, hole;

	while (data < size) {
		data = lseek(in, data, SEEK_DATA);
		if (data == -1 && errno == ENXIO)
			break;
		hole = data == -1 ? -1 : lseek(in, data, SEEK_HOLE);
		if (data == -1 || hole == -1)
			return err_set(e, ERR_SYSTEM, "lseek");
		if (keep_bytes(k, in, out, data, hole, e) == -1)
			return -1;
		data = hole;
	}
	if (ftruncate(out, size) == -1)
		return errno == EFBIG ? 1 : err_set(e, ERR_SYSTEM, "ftruncate");
	return 0;
}

static int
keep_file(struct keep *k, int from, int to, const char *name,
    const struct stat *st, struct err *e)
{
	autofd in =
	    openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	autofd out = -1;
	int r;

	if (in == -1)
		return keep_fail(e, "open", name);
	out = openat(to, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out == -1)
		return keep_fail(e, "create", name);
	r = keep_extents(k, in, out, st->st_size, e);
	if (r == 1) {
		k->result->skipped++;
		(void)unlinkat(to, name, 0);
		return 0;
	}
	if (r == -1)
		return -1;
	if (fchmod(out, st->st_mode & 0777) == -1)
		return keep_fail(e, "fchmod", name);
	return 0;
}

static int
keep_link(int from, int to, const char *name, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n == -1)
		return keep_fail(e, "readlink", name);
	target[n] = '\0';
	if (symlinkat(target, to, name) == -1)
		return keep_fail(e, "symlink", name);
	return 0;
}

/* overlayfs(5): a character device 0:0 says that the name was removed. */
static int
keep_whiteout(struct keep *k, int to, const char *name, struct err *e)
{
	char wh[NAME_MAX + 8];
	int n = snprintf(wh, sizeof(wh), ".wh.%s", name);
	autofd fd = -1;

	if (n < 0 || n > NAME_MAX) {
		k->result->skipped++;
		return 0;
	}
	fd = openat(to, wh,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd == -1 ? keep_fail(e, "create", wh) : 0;
}

/* ---- directories ---- */

static int
keep_child(struct keep *k, int from, int to, const char *name, mode_t mode,
    int depth, struct err *e)
{
	autofd in = -1, out = -1;

	if (depth >= KEEP_DEPTH_MAX) {
		k->result->skipped++;
		return 0;
	}
	if (mkdirat(to, name, 0700) == -1)
		return keep_fail(e, "mkdir", name);
	in =
	    openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in == -1 || out == -1)
		return keep_fail(e, "open", name);
	if (keep_directory(k, in, out, depth + 1, e) == -1)
		return -1;
	if (fchmod(out, mode & 0777) == -1)
		return keep_fail(e, "fchmod", name);
	return 0;
}

static int
keep_entry(struct keep *k, int from, int to, const char *name, int depth,
    struct err *e)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return keep_fail(e, "stat", name);
	if (k->result->entries++ == KEEP_ENTRIES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d files",
		    KEEP_ENTRIES_MAX);
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return keep_child(k, from, to, name, st.st_mode, depth, e);
	case S_IFREG:
		return keep_file(k, from, to, name, &st, e);
	case S_IFLNK:
		return keep_link(from, to, name, e);
	case S_IFCHR:
		if (st.st_rdev == makedev(0, 0))
			return keep_whiteout(k, to, name, e);
		break;
	default:
		break;
	}
	k->result->skipped++;
	return 0;
}

static void
keep_closedir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static int
keep_directory(struct keep *k, int from, int to, int depth, struct err *e)
{
	int fd = fcntl(from, F_DUPFD_CLOEXEC, 0);
	cleanup(keep_closedir) DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL) {
		fd_closep(&fd);
		return err_set(e, ERR_SYSTEM, "opendir");
	}
	while (errno = 0, (entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (keep_entry(k, from, to, entry->d_name, depth, e) == -1)
			return -1;
	}
	if (errno != 0)
		return err_set(e, ERR_SYSTEM, "readdir");
	return 0;
}

/* The plan's own path: its components are known to be ordinary. */
static int
keep_below(int to, const char *below, struct err *e)
{
	autofd fd = fcntl(to, F_DUPFD_CLOEXEC, 0);

	while (fd != -1 && *below != '\0') {
		size_t n = strcspn(below, "/");
		char name[NAME_MAX + 1];
		int next;

		if (n > NAME_MAX)
			return err_set(e, ERR_INVALID, "%s: name too long",
			    below);
		memcpy(name, below, n);
		name[n] = '\0';
		(void)mkdirat(fd, name, 0755);
		next = openat(fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		(void)close(fd);
		fd = next;
		below += below[n] == '/' ? n + 1 : n;
	}
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "%s", below);
	return take_fd(&fd);
}

int
keep_copy(int from, int to, const char *below, uint64_t max_bytes,
    struct keep_result *r, struct err *e)
{
	struct keep k = { .result = r, .max_bytes = max_bytes };
	/* what was sent may be a mount without access mode: open it anew */
	autofd in =
	    openat(from, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autofd out = keep_below(to, below, e);
	int rc;

	if (out == -1)
		return -1;
	if (in == -1)
		return err_set(e, ERR_SYSTEM, "open");
	rc = keep_directory(&k, in, out, 0, e);
	r->bytes += k.bytes;
	return rc;
}
