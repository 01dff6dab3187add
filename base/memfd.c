#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "memfd.h"

enum {
	MEMFD_SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL
};

static int
write_all(int fd, const char *p, size_t n)
{
	ssize_t w;

	for (; n > 0; p += w, n -= (size_t)w) {
		w = write(fd, p, n);
		if (w == -1 && errno == EINTR)
			w = 0;
		else if (w == -1)
			return -1;
	}
	return 0;
}

int
memfd_open(const char *name, struct err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd != -1 ? fd : err_set(e, ERR_SYSTEM, "memfd %s", name);
}

int
memfd_append(int fd, const void *p, size_t n, struct err *e)
{
	return write_all(fd, p, n) == 0
		   ? 0
		   : err_set(e, ERR_SYSTEM, "writing to a memfd");
}

int
memfd_seal(int fd, struct err *e)
{
	if (lseek(fd, 0, SEEK_SET) == -1 ||
	    fcntl(fd, F_ADD_SEALS, MEMFD_SEALS) == -1)
		return err_set(e, ERR_SYSTEM, "sealing a memfd");
	return 0;
}

int
memfd_create_sealed(const char *name, const void *p, size_t n, struct err *e)
{
	autofd fd = memfd_open(name, e);

	if (fd == -1 || memfd_append(fd, p, n, e) == -1 ||
	    memfd_seal(fd, e) == -1)
		return -1;
	return take_fd(&fd);
}

int
memfd_copy_file(const char *name, const char *path, size_t max, struct err *e)
{
	autofd from = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	autofd to = from == -1 ? -1 : memfd_open(name, e);
	ssize_t n = 1;
	size_t have = 0;

	if (from == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (to == -1)
		return -1;
	for (; n > 0 && have <= max; have += n > 0 ? (size_t)n : 0)
		n = sendfile(to, from, NULL, max + 1 - have);
	if (n == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (have == 0 || have > max)
		return err_set(e, ERR_INVALID, "%s: %s", path,
		    have == 0 ? "it is empty" : "it is too large");
	return memfd_seal(to, e) == -1 ? -1 : take_fd(&to);
}

int
memfd_map(int fd, size_t max, const void **ret_p, size_t *ret_n, struct err *e)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *p;

	if (seals == -1 || (seals & MEMFD_SEALS) != MEMFD_SEALS)
		return err_set(e, ERR_CORRUPT, "not a sealed memfd");
	if (fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "fstat");
	if (st.st_size < 1 || (uint64_t)st.st_size > max)
		return err_set(e, ERR_CORRUPT, "a memfd of %lld bytes",
		    (long long)st.st_size);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "mmap");
	*ret_p = p;
	*ret_n = (size_t)st.st_size;
	return 0;
}

void
memfd_unmap(const void *p, size_t n)
{
	if (p != NULL)
		(void)munmap((void *)(uintptr_t)p, n);
}
