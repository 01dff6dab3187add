#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "memfd.h"

enum {
	HANDOVER_ALIGN = 8,
};

static const char handover_magic[8] = "WARDOVER";

struct handover_header {
	char magic[sizeof(handover_magic)];
	uint32_t version;
	uint32_t nfds;
	uint64_t size; /* of the whole */
	unsigned char digest[SHA256_SIZE]; /* of what follows */
};

struct handover_head {
	char name[HANDOVER_NAME_SIZE];
	uint64_t size; /* without what aligns the next */
};

/* ---- descriptors ---- */

static int
handover_goes(const struct handover *h, int fd)
{
	return h->goes[fd / 8] >> fd % 8 & 1;
}

static void
handover_mark(struct handover *h, int fd, int on)
{
	unsigned char bit = (unsigned char)(1U << fd % 8);

	h->goes[fd / 8] = (unsigned char)(on ? h->goes[fd / 8] | bit
					     : h->goes[fd / 8] & ~bit);
	h->nfds += on ? 1 : -1U;
}

/* The next one from *fd on that goes over; 0: there is none. */
static int
handover_next(const struct handover *h, int *fd)
{
	for (; *fd < HANDOVER_FDS_MAX; ++*fd) {
		if (*fd % 8 == 0 && h->goes[*fd / 8] == 0)
			*fd += 7;
		else if (handover_goes(h, *fd))
			return 1;
	}
	return 0;
}

static int
handover_close_on_exec(int fd, int on, struct err *e)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) == -1
		   ? err_set(e, ERR_SYSTEM, "descriptor %d", fd)
		   : 0;
}

static int
handover_fd_out(struct handover *h, int fd, struct err *e)
{
	if (fd < 0)
		return 0;
	if (fd >= HANDOVER_FDS_MAX || handover_goes(h, fd))
		return err_set(e, ERR_CONFLICT,
		    "descriptor %d cannot go over, or twice", fd);
	handover_mark(h, fd, 1);
	return 0;
}

static int
handover_fd_in(struct handover *h, int fd, mode_t kind, struct err *e)
{
	struct stat st;

	if (fd == -1)
		return 0;
	if (fd < 0 || fd >= HANDOVER_FDS_MAX || !handover_goes(h, fd))
		return err_set(e, ERR_CORRUPT,
		    "descriptor %d has not come, or twice", fd);
	handover_mark(h, fd, 0);
	if (h->trial)
		return 0;
	if (fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "descriptor %d", fd);
	if (kind != 0 && (st.st_mode & S_IFMT) != kind)
		return err_set(e, ERR_CORRUPT,
		    "descriptor %d is of another kind", fd);
	return handover_close_on_exec(fd, 1, e);
}

int
handover_fd(struct handover *h, const int *fd, mode_t kind, struct err *e)
{
	return h->reading ? handover_fd_in(h, *fd, kind, e)
			  : handover_fd_out(h, *fd, e);
}

int
handover_child(const struct handover *h, pid_t pid, struct err *e)
{
	siginfo_t s;

	if (!h->reading || pid == 0)
		return 0;
	if (pid < 0)
		return err_set(e, ERR_CORRUPT, "process %d", (int)pid);
	if (h->trial)
		return 0;
	return waitid(P_PID, (id_t)pid, &s,
		   WEXITED | WNOHANG | WNOWAIT | __WALL) == -1
		   ? err_set(e, ERR_SYSTEM, "process %d", (int)pid)
		   : 0;
}

int
handover_expose(const struct handover *h, int on, struct err *e)
{
	int fd;

	for (fd = 0; handover_next(h, &fd); fd++)
		if (handover_close_on_exec(fd, !on, e) == -1)
			return -1;
	return handover_close_on_exec(h->fd, !on, e);
}

/* ---- bytes ---- */

static int
handover_write(struct handover *h, const void *p, size_t size, struct err *e)
{
	if (size > HANDOVER_BYTES_MAX - h->size)
		return err_set(e, ERR_LIMIT, "more than %d bytes of state",
		    HANDOVER_BYTES_MAX);
	sha256_update(&h->sum, p, size);
	h->size += size;
	return memfd_append(h->fd, p, size, e);
}

static size_t
handover_padding(size_t size)
{
	return (HANDOVER_ALIGN - size % HANDOVER_ALIGN) % HANDOVER_ALIGN;
}

static int
handover_block_out(struct handover *h, const char *name, const void *p,
    size_t size, struct err *e)
{
	static const unsigned char zeros[HANDOVER_ALIGN];
	struct handover_head head = { .size = size };

	memcpy(head.name, name, strnlen(name, sizeof(head.name) - 1));
	if (handover_write(h, &head, sizeof(head), e) == -1 ||
	    handover_write(h, p, size, e) == -1)
		return -1;
	return handover_write(h, zeros, handover_padding(size), e);
}

static int
handover_block_in(struct handover *h, const char *name, void *p, size_t size,
    struct err *e)
{
	struct handover_head head;
	size_t left = h->size - h->at, padding = handover_padding(size);

	if (left < sizeof(head))
		return err_set(e, ERR_CORRUPT, "%s is missing", name);
	memcpy(&head, h->p + h->at, sizeof(head));
	left -= sizeof(head);
	if (strncmp(head.name, name, sizeof(head.name)) != 0)
		return err_set(e, ERR_CORRUPT, "%.8s stands in the place of %s",
		    head.name, name);
	if (head.size != size || size > left || padding > left - size)
		return err_set(e, ERR_CORRUPT, "%s has %llu bytes, not %zu",
		    name, (unsigned long long)head.size, size);
	memcpy(p, h->p + h->at + sizeof(head), size);
	h->at += sizeof(head) + size + padding;
	return 0;
}

int
handover_block(struct handover *h, const char *name, void *p, size_t size,
    struct err *e)
{
	return h->reading ? handover_block_in(h, name, p, size, e)
			  : handover_block_out(h, name, p, size, e);
}

/* ---- the whole ---- */

int
handover_begin(struct handover *h, struct err *e)
{
	const struct handover_header room = { 0 };

	memset(h, 0, sizeof(*h));
	h->fd = memfd_open("warder-handover", e);
	if (h->fd == -1)
		return -1;
	h->size = sizeof(room);
	sha256_init(&h->sum);
	return memfd_append(h->fd, &room, sizeof(room), e);
}

static int
handover_list_out(struct handover *h, struct err *e)
{
	int fd;

	for (fd = 0; handover_next(h, &fd); fd++)
		if (handover_write(h, &fd, sizeof(fd), e) == -1)
			return -1;
	return 0;
}

int
handover_seal(struct handover *h, struct err *e)
{
	struct handover_header head = { .version = HANDOVER_VERSION,
		.nfds = h->nfds };

	if (handover_list_out(h, e) == -1)
		return -1;
	memcpy(head.magic, handover_magic, sizeof(head.magic));
	head.size = h->size;
	sha256_finish(&h->sum, head.digest);
	if (pwrite(h->fd, &head, sizeof(head), 0) != sizeof(head))
		return err_set(e, ERR_SYSTEM, "writing the state's header");
	return memfd_seal(h->fd, e);
}

static int
handover_check(struct handover *h, size_t have, struct err *e)
{
	unsigned char digest[SHA256_SIZE];
	struct handover_header head;

	if (have < sizeof(head))
		return err_set(e, ERR_CORRUPT, "%zu bytes of state", have);
	memcpy(&head, h->p, sizeof(head));
	if (memcmp(head.magic, handover_magic, sizeof(head.magic)) != 0 ||
	    head.version != HANDOVER_VERSION)
		return err_set(e, ERR_CORRUPT,
		    "the state is of version %u, this program's is %d",
		    head.version, HANDOVER_VERSION);
	if (head.size != have ||
	    head.nfds > (have - sizeof(head)) / sizeof(int))
		return err_set(e, ERR_CORRUPT, "the state is cut");
	sha256_buffer(h->p + sizeof(head), have - sizeof(head), digest);
	if (memcmp(digest, head.digest, sizeof(digest)) != 0)
		return err_set(e, ERR_CORRUPT, "the state is not as written");
	h->at = sizeof(head);
	h->size = have - head.nfds * sizeof(int);
	return (int)head.nfds;
}

/* Ascending: none is there twice. */
static int
handover_list_in(struct handover *h, int n, struct err *e)
{
	int i, fd, last = -1;

	for (i = 0; i < n; i++, last = fd) {
		memcpy(&fd, h->p + h->size + (size_t)i * sizeof(fd),
		    sizeof(fd));
		if (fd <= last || fd >= HANDOVER_FDS_MAX)
			return err_set(e, ERR_CORRUPT,
			    "descriptor %d in the list", fd);
		handover_mark(h, fd, 1);
	}
	return 0;
}

int
handover_open(struct handover *h, int fd, int trial, struct err *e)
{
	const void *p;
	size_t have;
	int n;

	memset(h, 0, sizeof(*h));
	h->reading = 1;
	h->trial = trial;
	h->fd = fd;
	if (memfd_map(fd, HANDOVER_BYTES_MAX, &p, &have, e) == -1)
		return err_wrap(e, "the state");
	h->p = p;
	h->have = have;
	n = handover_check(h, have, e);
	return n == -1 ? -1 : handover_list_in(h, n, e);
}

/* ---- the successor ---- */

void
handover_program(struct handover_program *p, int argc, char **argv, int resumed)
{
	static char path[PATH_MAX];
	ssize_t n = -1;

	p->argv = argv;
	p->argc = resumed ? argc - 2 : argc;
	p->path = argv[0];
	if (strchr(argv[0], '/') == NULL)
		n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n > 0)
		p->path = path;
}

int
handover_exec(const struct handover *h, const struct handover_program *p,
    int trial, struct err *e)
{
	char *argv[HANDOVER_ARGS_MAX + 4], number[16];
	int n = 0;

	if (p->argc > HANDOVER_ARGS_MAX)
		return err_sys(e, E2BIG, "%s", p->path);
	for (; n < p->argc; n++)
		argv[n] = p->argv[n];
	if (trial)
		argv[n++] = (char *)(uintptr_t)p->trial;
	(void)snprintf(number, sizeof(number), "%d", h->fd);
	argv[n++] = (char *)(uintptr_t)p->resume;
	argv[n++] = number;
	argv[n] = NULL;
	(void)execve(p->path, argv, environ);
	return err_set(e, ERR_SYSTEM, "%s", p->path);
}

/* 1: it has ended in time. */
static int
handover_wait(pid_t pid, int timeout_ms)
{
	autofd fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

int
handover_try(const struct handover *h, const struct handover_program *p,
    int timeout_ms, struct err *e)
{
	int status, in_time;
	pid_t pid = fork();

	if (pid == -1)
		return err_set(e, ERR_SYSTEM, "fork");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)fcntl(h->fd, F_SETFD, 0);
		(void)handover_exec(h, p, 1, e);
		_exit(126);
	}
	in_time = handover_wait(pid, timeout_ms);
	status = child_end(pid);
	if (in_time && status == 0)
		return 0;
	return err_set(e, ERR_INVALID, "%s cannot take over (%s %d)", p->path,
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

int
handover_end(struct handover *h, struct err *e)
{
	if (h->at != h->size || h->nfds != 0)
		return err_set(e, ERR_CORRUPT,
		    "%zu bytes and %u descriptors of it are nobody's",
		    h->size - h->at, h->nfds);
	return 0;
}

void
handover_drop(struct handover *h)
{
	memfd_unmap(h->p, h->have);
	if (h->fd > 0)
		fd_closep(&h->fd);
	h->p = NULL;
}
