#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "keyfile.h"

_Static_assert((int)KEYFILE_SIZE == (int)BOX_KEY_SIZE, "one size");

static const char store_name[] = "entries";
static const char store_new_name[] = "entries.new";
static const char store_lock_name[] = "lock";

/* ---- the key ---- */

int
store_key_read(int fd, struct secret **ret, struct err *e)
{
	return keyfile_read(fd, "the vault's key", ret, e);
}

int
store_key_open(const char *path, int create, int *ret_fd, struct err *e)
{
	if (keyfile_open(AT_FDCWD, path, create, ret_fd, e) == 0)
		return 0;
	if (e->code == ERR_NOT_FOUND)
		return err_set(e, ERR_NOT_FOUND,
		    "%s: there is no key; the first \"warder credential set\" "
		    "makes one",
		    path);
	return -1;
}

/* ---- the vault ---- */

int
store_is_there(int dir)
{
	return faccessat(dir, store_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int
store_take_lock(struct store *s, struct err *e)
{
	s->lock = openat(s->dir, store_lock_name,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lock == -1)
		return err_set(e, ERR_SYSTEM, "the vault's lock");
	while (flock(s->lock, LOCK_EX) == -1)
		if (errno != EINTR)
			return err_set(e, ERR_SYSTEM, "the vault's lock");
	return 0;
}

static int
store_read(int fd, unsigned char *p, size_t n, struct err *e)
{
	size_t at = 0;
	ssize_t r;

	while (at < n) {
		r = pread(fd, p + at, n - at, (off_t)at);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return err_set(e, ERR_SYSTEM, "reading the vault");
		if (r == 0)
			return err_set(e, ERR_CORRUPT,
			    "the vault shrank while it was read");
		at += (size_t)r;
	}
	return 0;
}

static int
store_open_box(struct store *s, int fd, size_t size, struct err *e)
{
	autofree unsigned char *box = malloc(size);
	size_t n = size - BOX_OVERHEAD;

	if (box == NULL)
		return err_set(e, ERR_SYSTEM, "malloc");
	if (store_read(fd, box, size, e) == -1 ||
	    secret_create_room(n, &s->room, e) == -1 ||
	    box_open(s->key, box, size, secret_room(s->room), &s->generation,
		e) == -1)
		return -1;
	return entry_decode(secret_bytes(s->room), n, &s->entries, e);
}

static int
store_load_file(struct store *s, struct err *e)
{
	struct stat st;
	autofd fd = openat(s->dir, store_name,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1 || fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "the vault");
	if (!S_ISREG(st.st_mode) || st.st_size <= BOX_OVERHEAD ||
	    st.st_size > ENTRY_BYTES_MAX + BOX_OVERHEAD)
		return err_set(e, ERR_CORRUPT,
		    "the vault: not a file of %d to %d bytes", BOX_OVERHEAD + 1,
		    ENTRY_BYTES_MAX + BOX_OVERHEAD);
	if (store_open_box(s, fd, (size_t)st.st_size, e) == -1)
		return err_wrap(e, "the vault");
	return 0;
}

int
store_load(struct store *s, int dir, const struct secret *key, int change,
    struct err *e)
{
	s->dir = dir;
	s->key = key;
	s->lock = -1;
	s->generation = 0;
	s->room = NULL;
	s->entries.n = 0;
	if (change && store_take_lock(s, e) == -1)
		return -1;
	return store_load_file(s, e);
}

static int
store_write_new(int dir, const unsigned char *p, size_t n, struct err *e)
{
	autofd fd = openat(dir, store_new_name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t w;

	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "writing the vault");
	while (n > 0) {
		w = write(fd, p, n);
		if (w == -1 && errno == EINTR)
			continue;
		if (w <= 0)
			return err_set(e, ERR_SYSTEM, "writing the vault");
		p += w;
		n -= (size_t)w;
	}
	if (fsync(fd) == -1)
		return err_set(e, ERR_SYSTEM, "flushing the vault");
	return 0;
}

/* Held to the end: rename is what makes the change. */
static int
store_replace(int dir, const unsigned char *p, size_t n, struct err *e)
{
	if (store_write_new(dir, p, n, e) == -1) {
		(void)unlinkat(dir, store_new_name, 0);
		return -1;
	}
	if (renameat(dir, store_new_name, dir, store_name) == -1 ||
	    fsync(dir) == -1)
		return err_set(e, ERR_SYSTEM, "renaming the vault");
	return 0;
}

int
store_save(struct store *s, struct err *e)
{
	autosecret *plain = NULL;
	autofree unsigned char *box = NULL;
	size_t room = entry_bound(&s->entries), n;

	if (room > ENTRY_BYTES_MAX)
		return err_set(e, ERR_LIMIT,
		    "the vault is full: it holds %d bytes", ENTRY_BYTES_MAX);
	if (secret_create_room(room, &plain, e) == -1 ||
	    entry_encode(&s->entries, secret_room(plain), room, &n, e) == -1)
		return -1;
	box = malloc(n + BOX_OVERHEAD);
	if (box == NULL)
		return err_set(e, ERR_SYSTEM, "malloc");
	if (box_seal(s->key, s->generation + 1, secret_bytes(plain), n, box,
		e) == -1 ||
	    store_replace(s->dir, box, n + BOX_OVERHEAD, e) == -1)
		return -1;
	s->generation++;
	return 0;
}

void
store_finish(struct store *s)
{
	secret_destroy(s->room);
	s->room = NULL;
	s->entries.n = 0;
	if (s->key != NULL)
		fd_closep(&s->lock);
}
