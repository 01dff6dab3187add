#include "rewrite.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base.h"

enum {
	REWRITE_CHUNK = 64 * 1024
};

static int
rewrite_chunk(int fd, const char *p, size_t n, off_t at)
{
	ssize_t did;

	while (n > 0) {
		did = pwrite(fd, p, n, at);
		if (did == -1 && errno == EINTR)
			continue;
		if (did == 0)
			errno = EIO;
		if (did <= 0)
			return -1;
		p += did;
		n -= (size_t)did;
		at += did;
	}
	return 0;
}

static int
rewrite_all(int fd)
{
	char chunk[REWRITE_CHUNK];
	off_t at = 0;
	ssize_t n;

	for (;;) {
		n = pread(fd, chunk, sizeof(chunk), at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (rewrite_chunk(fd, chunk, (size_t)n, at) == -1)
			return -1;
		at += n;
	}
	return n == -1 ? -1 : fsync(fd);
}

int
rewrite_file(const char *path, struct err *e)
{
	autofd fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1 || rewrite_all(fd) == -1)
		return err_set(e, ERR_SYSTEM,
		    "%s: its bytes could not be written again", path);
	return 0;
}
