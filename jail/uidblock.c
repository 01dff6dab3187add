#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "uidblock.h"

/* Where the turn is kept: behind the bytes that are locked. */
static const off_t turn_at = UIDBLOCK_COUNT;

static int
uidblock_try(int fd, uint32_t n)
{
	struct flock l = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)n,
		.l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &l);
}

/* A wrong number there costs a search, not correctness. */
static uint32_t
uidblock_turn(int fd)
{
	uint32_t turn = 0;

	if (pread(fd, &turn, sizeof(turn), turn_at) != sizeof(turn))
		return 0;
	return turn % UIDBLOCK_COUNT;
}

static int
uidblock_open(const char *dir, struct err *e)
{
	char path[4096];
	struct stat st;
	autofd fd = -1;

	if (snprintf(path, sizeof(path), "%s/uids", dir) >= (int)sizeof(path))
		return err_set(e, ERR_INVALID, "%s: path too long", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1 || fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return err_set(e, ERR_DENIED, "%s: not our own file", path);
	return take_fd(&fd);
}

int
uidblock_claim(const char *dir, int *ret_fd, uid_t *ret_base, struct err *e)
{
	autofd fd = uidblock_open(dir, e);
	uint32_t i, n, first;

	if (fd == -1)
		return -1;
	first = uidblock_turn(fd);
	for (i = 0; i < UIDBLOCK_COUNT; i++) {
		n = (first + i) % UIDBLOCK_COUNT;
		if (uidblock_try(fd, n) == 0)
			break;
		if (errno != EAGAIN && errno != EACCES)
			return err_set(e, ERR_SYSTEM, "%s/uids: lock", dir);
	}
	if (i == UIDBLOCK_COUNT)
		return err_set(e, ERR_LIMIT, "all %d uid blocks are taken",
		    UIDBLOCK_COUNT);
	first = n + 1;
	if (pwrite(fd, &first, sizeof(first), turn_at) != sizeof(first))
		return err_set(e, ERR_SYSTEM, "%s/uids", dir);
	*ret_base = (uid_t)UIDBLOCK_BASE + n * UIDBLOCK_SIZE;
	*ret_fd = take_fd(&fd);
	return 0;
}
