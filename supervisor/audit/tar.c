#include "tar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	TAR_BLOCK = 512
};

/* POSIX.1-1988, pax(1) "ustar Interchange Format"; numbers are octal text. */
struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8];
	char type, link[100], magic[6], version[2], user[32], group[32];
	char major[8], minor[8], prefix[155], pad[12];
};

_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "one block");

static int
tar_write(int to, const void *p, size_t n, struct err *e)
{
	const char *at = p;

	while (n > 0) {
		ssize_t w = write(to, at, n);

		if (w == -1 && errno == EINTR)
			continue;
		if (w <= 0)
			return err_set(e, ERR_SYSTEM, "writing the archive");
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

static void
tar_sum(struct tar_header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned sum = 0;
	size_t i;

	memset(h->sum, ' ', sizeof(h->sum));
	for (i = 0; i < sizeof(*h); i++)
		sum += p[i];
	(void)snprintf(h->sum, sizeof(h->sum), "%06o", sum);
	h->sum[7] = ' ';
}

static int
tar_header(int to, const char *name, uint64_t size, int64_t mtime,
    struct err *e)
{
	struct tar_header h = { .type = '0', .magic = "ustar" };

	if (strlen(name) > sizeof(h.name) || size >= 1ULL << 33 || mtime < 0 ||
	    mtime >= 1LL << 33)
		return err_set(e, ERR_LIMIT,
		    "%.120s does not fit into an archive", name);
	memcpy(h.name, name, strlen(name));
	memcpy(h.version, "00", 2);
	(void)snprintf(h.mode, sizeof(h.mode), "%07o", 0600U);
	(void)snprintf(h.uid, sizeof(h.uid), "%07o", 0U);
	(void)snprintf(h.gid, sizeof(h.gid), "%07o", 0U);
	(void)snprintf(h.size, sizeof(h.size), "%011llo",
	    (unsigned long long)size);
	(void)snprintf(h.mtime, sizeof(h.mtime), "%011llo",
	    (unsigned long long)mtime);
	tar_sum(&h);
	return tar_write(to, &h, sizeof(h), e);
}

int
tar_add(int to, const char *name, int fd, uint64_t size, int64_t mtime,
    struct err *e)
{
	static char buf[64 * 1024];
	uint64_t at = 0;
	size_t pad = (size_t)(-size % TAR_BLOCK);

	if (tar_header(to, name, size, mtime, e) == -1)
		return -1;
	while (at < size) {
		size_t want =
		    size - at < sizeof(buf) ? (size_t)(size - at) : sizeof(buf);
		ssize_t n = pread(fd, buf, want, (off_t)at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_set(e, ERR_SYSTEM, "%s", name);
		if (n == 0)
			return err_set(e, ERR_CORRUPT,
			    "%s shrank while it was read", name);
		if (tar_write(to, buf, (size_t)n, e) == -1)
			return -1;
		at += (uint64_t)n;
	}
	memset(buf, 0, TAR_BLOCK);
	return tar_write(to, buf, pad, e);
}

int
tar_end(int to, struct err *e)
{
	static const char end[2 * TAR_BLOCK];

	return tar_write(to, end, sizeof(end), e);
}
