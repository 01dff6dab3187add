#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base.h"

enum {
	PROGRAM_MFD_EXEC = 0x10, /* MFD_EXEC, newer than some headers */
	PROGRAM_SEALS =
	    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
};

/* The last copy made: of which file, and what it is itself. */
static struct {
	pthread_mutex_t lock;
	struct stat file, copy;
	int fd;
} program = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

static int
program_copy(const char *path, int from, off_t size, struct err *e)
{
	/* said aloud where vm.memfd_noexec wants it said; new in 6.3 */
	autofd to = memfd_create("warder-init",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING | PROGRAM_MFD_EXEC);

	if (to == -1 && errno == EINVAL)
		to = memfd_create("warder-init",
		    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (to == -1)
		return err_set(e, ERR_SYSTEM, "memfd_create");
	if (sendfile(to, from, NULL, (size_t)size) != size)
		return err_set(e, ERR_SYSTEM, "%s: copy", path);
	if (fcntl(to, F_ADD_SEALS, PROGRAM_SEALS) == -1)
		return err_set(e, ERR_SYSTEM, "%s: seal", path);
	return take_fd(&to);
}

static int
program_is_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/*
 * The program around us may have closed our descriptor, and its number be
 * another file's since: what it is now is looked at each time.
 */
static int
program_is_there(void)
{
	struct stat now;
	int seals;

	if (program.fd == -1 || fstat(program.fd, &now) == -1 ||
	    !program_is_file(&now, &program.copy))
		return 0;
	seals = fcntl(program.fd, F_GET_SEALS);
	return seals != -1 && (seals & PROGRAM_SEALS) == PROGRAM_SEALS;
}

static int
program_make(const char *path, int from, const struct stat *file, struct err *e)
{
	autofd fd = program_copy(path, from, file->st_size, e);
	struct stat copy;

	if (fd == -1)
		return -1;
	if (fstat(fd, &copy) == -1)
		return err_set(e, ERR_SYSTEM, "%s: copy", path);
	if (program_is_there())
		(void)close(program.fd);
	program.file = *file;
	program.copy = copy;
	program.fd = take_fd(&fd);
	return 0;
}

static int
program_find(const char *path, struct err *e)
{
	autofd from = open(path, O_RDONLY | O_CLOEXEC);
	struct stat file;
	int fd;

	if (from == -1 || fstat(from, &file) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if ((!program_is_file(&file, &program.file) || !program_is_there()) &&
	    program_make(path, from, &file, e) == -1)
		return -1;
	fd = fcntl(program.fd, F_DUPFD_CLOEXEC, 0);
	return fd == -1 ? err_set(e, ERR_SYSTEM, "F_DUPFD_CLOEXEC") : fd;
}

int
program_open(const char *path, struct err *e)
{
	int fd;

	(void)pthread_mutex_lock(&program.lock);
	fd = program_find(path, e);
	(void)pthread_mutex_unlock(&program.lock);
	return fd;
}
