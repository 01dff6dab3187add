#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* A credential of systemd's: mode 0440 where it has an access list. */
static int
keyfile_is_credential(int fd, const struct stat *st)
{
	struct statfs fs;

	return st->st_uid == 0 && st->st_gid == 0 &&
	       (st->st_mode & 07777) == 0440 && fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC);
}

int
keyfile_check(int fd, const char *what, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", what);
	if (!S_ISREG(st.st_mode) ||
	    (st.st_uid != 0 && st.st_uid != geteuid()) ||
	    ((st.st_mode & 077) != 0 && !keyfile_is_credential(fd, &st)))
		return err_set(e, ERR_DENIED,
		    "%s must be a file that belongs to root or to user %u, and "
		    "that nobody else reads (mode 0600)",
		    what, (unsigned)geteuid());
	if (st.st_size != KEYFILE_SIZE)
		return err_set(e, ERR_CORRUPT, "%s has %lld bytes, not %d",
		    what, (long long)st.st_size, KEYFILE_SIZE);
	return 0;
}

/* The directory that holds path, for a file without a name. */
static int
keyfile_folder(int at, const char *path, int *ret, struct err *e)
{
	char dir[4096] = ".";
	const char *slash = strrchr(path, '/');

	if (slash != NULL && (size_t)(slash - path) >= sizeof(dir) - 1)
		return err_set(e, ERR_INVALID, "%s: path too long", path);
	if (slash != NULL)
		(void)snprintf(dir, sizeof(dir), "%.*s",
		    (int)(slash - path) + 1, path);
	*ret = openat(at, dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	return *ret == -1 ? err_set(e, ERR_SYSTEM, "making %s", path) : 0;
}

/*
 * Written without a name, then linked to it, so that whoever is killed on the
 * way leaves nothing.
 */
static int
keyfile_make(int at, const char *path, struct err *e)
{
	unsigned char key[KEYFILE_SIZE];
	char self[32];
	autofd fd = -1;
	int r = 0;

	if (keyfile_folder(at, path, &fd, e) == -1)
		return -1;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key) ||
	    write(fd, key, sizeof(key)) != (ssize_t)sizeof(key) ||
	    fsync(fd) == -1 ||
	    (linkat(AT_FDCWD, self, at, path, AT_SYMLINK_FOLLOW) == -1 &&
		errno != EEXIST))
		r = err_set(e, ERR_SYSTEM, "making %s", path);
	explicit_bzero(key, sizeof(key));
	return r;
}

int
keyfile_open(int at, const char *path, int create, int *ret_fd, struct err *e)
{
	static const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	int fd = openat(at, path, flags);

	if (fd == -1 && errno == ENOENT && create) {
		if (keyfile_make(at, path, e) == -1)
			return -1;
		fd = openat(at, path, flags);
	}
	if (fd == -1 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "%s: there is no key", path);
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	*ret_fd = fd;
	return 0;
}
