#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "secret.h"

/*
 * The mapping, page by page:
 *
 *	| guard | data ... (SECRET_MAX or the room, whole pages) | guard |
 *
 * The bytes end where the data ends, so that one byte too many faults.  This
 * struct lies on the heap: a child must be able to look at it.
 */
struct secret {
	unsigned char *map;
	unsigned char *data; /* the data pages */
	size_t map_bytes;
	size_t data_bytes;
	size_t size;
	pid_t owner; /* children have no pages to wipe */
	const char *backing;
};

static unsigned char *
secret_start(const struct secret *s)
{
	return s->data + s->data_bytes - s->size;
}

/* The data pages from memfd_secret(2): locked by nature, never forked. */
static int
secret_map_hidden(struct secret *s)
{
	autofd fd = -1;
	void *p;

#ifdef SYS_memfd_secret
	fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
#endif
	if (fd == -1 || ftruncate(fd, (off_t)s->data_bytes) == -1)
		return -1;
	p = mmap(s->data, s->data_bytes, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_FIXED, fd, 0);
	if (p == MAP_FAILED || madvise(p, s->data_bytes, MADV_DONTFORK) == -1)
		return -1;
	s->backing = "memfd_secret";
	return 0;
}

static int
secret_map_locked(struct secret *s, struct err *e)
{
	void *p = mmap(s->data, s->data_bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "secret: mmap");
	if (mlock(p, s->data_bytes) == -1)
		return err_set(e, ERR_SYSTEM,
		    "secret: mlock of %zu bytes (see RLIMIT_MEMLOCK)",
		    s->data_bytes);
	if (madvise(p, s->data_bytes, MADV_DONTDUMP) == -1 ||
	    madvise(p, s->data_bytes, MADV_DONTFORK) == -1)
		return err_set(e, ERR_SYSTEM, "secret: madvise");
	s->backing = "mlock";
	return 0;
}

static int
secret_map(struct secret *s, size_t most, struct err *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	s->data_bytes = (most + page - 1) / page * page;
	s->map_bytes = s->data_bytes + 2 * page;
	p = mmap(NULL, s->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	    0);
	if (p == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "secret: mmap");
	s->map = p;
	s->data = s->map + page;
	if (secret_map_hidden(s) == 0)
		return 0;
	return secret_map_locked(s, e);
}

/* At most "most" bytes, of which none is in use yet. */
static int
secret_new(size_t most, struct secret **ret, struct err *e)
{
	autosecret *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_sys(e, ENOMEM, "secret");
	s->owner = getpid();
	if (secret_map(s, most, e) == -1)
		return -1;
	*ret = take_ptr(&s);
	return 0;
}

int
secret_create_room(size_t n, struct secret **ret, struct err *e)
{
	struct secret *s;

	if (n == 0 || n > SECRET_ROOM_MAX)
		return err_set(e, ERR_LIMIT,
		    "room for %zu bytes of secrets, at most %d", n,
		    SECRET_ROOM_MAX);
	if (secret_new(n, &s, e) == -1)
		return -1;
	s->size = n;
	*ret = s;
	return 0;
}

void *
secret_room(struct secret *s)
{
	return secret_start(s);
}

int
secret_create(const void *p, size_t n, struct secret **ret, struct err *e)
{
	struct secret *s;

	if (n > SECRET_MAX)
		return err_set(e, ERR_LIMIT,
		    "a secret of %zu bytes, at most %d", n, SECRET_MAX);
	if (secret_new(SECRET_MAX, &s, e) == -1)
		return -1;
	s->size = n;
	if (n > 0)
		memcpy(secret_start(s), p, n);
	*ret = s;
	return 0;
}

/* Fill up to SECRET_MAX bytes at "to"; one byte more is an error. */
static int
secret_fill(int fd, unsigned char *to, size_t *ret_size, struct err *e)
{
	size_t size = 0;
	char more;
	ssize_t n;

	for (;;) {
		if (size < SECRET_MAX)
			n = read(fd, to + size, SECRET_MAX - size);
		else
			n = read(fd, &more, 1);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_set(e, ERR_SYSTEM, "reading a secret");
		if (n == 0)
			break;
		if (size == SECRET_MAX) {
			secret_wipe(&more, 1);
			return err_set(e, ERR_LIMIT,
			    "a secret of more than %d bytes", SECRET_MAX);
		}
		size += (size_t)n;
	}
	*ret_size = size;
	return 0;
}

int
secret_read(int fd, struct secret **ret, struct err *e)
{
	autosecret *s = NULL;
	unsigned char *to;

	if (secret_new(SECRET_MAX, &s, e) == -1)
		return -1;
	to = s->data + s->data_bytes - SECRET_MAX;
	if (secret_fill(fd, to, &s->size, e) == -1)
		return -1;
	memmove(secret_start(s), to, s->size);
	if (s->size < SECRET_MAX)
		secret_wipe(to, SECRET_MAX - s->size);
	*ret = take_ptr(&s);
	return 0;
}

void
secret_destroy(struct secret *s)
{
	if (s == NULL)
		return;
	if (s->backing != NULL && s->owner == getpid())
		secret_wipe(s->data, s->data_bytes);
	if (s->map != NULL)
		(void)munmap(s->map, s->map_bytes);
	free(s);
}

const void *
secret_bytes(const struct secret *s)
{
	return secret_start(s);
}

size_t
secret_size(const struct secret *s)
{
	return s->size;
}

/*
 * Every one of the n given bytes is compared, against the secret taken
 * cyclically, so that the time tells nothing about where the first difference
 * lies nor how long the secret is.
 */
int
secret_equal(const struct secret *s, const void *p, size_t n)
{
	const unsigned char *a = secret_start(s);
	const volatile unsigned char *b = p;
	size_t i, k = 0;
	unsigned diff = n != s->size;

	for (i = 0; i < n && s->size > 0; i++) {
		diff |= (unsigned)(a[k] ^ b[i]);
		k = k + 1 == s->size ? 0 : k + 1;
	}
	return diff == 0;
}

const char *
secret_backing(const struct secret *s)
{
	return s->backing;
}

void
secret_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}
