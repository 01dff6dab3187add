#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "idmap.h"
#include "sys.h"

enum {
	IDMAP_STACK = 16 * 1024
};

/*
 * Its namespace is all that is wanted of this process.  It must not outlive
 * us if we are killed meanwhile: nobody else knows of it.
 */
static _Noreturn int
idmap_holder(void *arg)
{
	const pid_t *parent = arg;

	(void)SYS(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (SYS(SYS_getppid) != *parent)
		(void)SYS(SYS_kill, SYS(SYS_getpid), SIGKILL);
	for (;;)
		(void)SYS(SYS_ppoll, 0, 0, 0, 0, 0);
}

static int
idmap_write(pid_t pid, const char *file, const char *text, size_t size,
    struct err *e)
{
	char path[64];
	autofd fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1 || write(fd, text, size) != (ssize_t)size)
		return err_set(e, ERR_SYSTEM, "idmap: %s", path);
	return 0;
}

static int
idmap_maps(pid_t pid, struct idmap_owner disk, struct idmap_owner seen,
    struct err *e)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%u %u 1\n", disk.uid, seen.uid);

	if (idmap_write(pid, "uid_map", text, (size_t)n, e) == -1)
		return -1;
	n = snprintf(text, sizeof(text), "%u %u 1\n", disk.gid, seen.gid);
	return idmap_write(pid, "gid_map", text, (size_t)n, e);
}

static int
idmap_namespace(pid_t pid, struct idmap_owner disk, struct idmap_owner seen,
    struct err *e)
{
	char path[64];
	int fd;

	if (idmap_maps(pid, disk, seen, e) == -1)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "idmap: %s", path);
	return fd;
}

/* A user namespace with the two maps; its descriptor, or -1. */
static int
idmap_make(struct idmap_owner disk, struct idmap_owner seen, struct err *e)
{
	void *stack = mmap(NULL, IDMAP_STACK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_FILES | CLONE_NEWUSER,
		.stack = (uintptr_t)stack,
		.stack_size = IDMAP_STACK,
	};
	pid_t parent = getpid();
	long pid;
	int fd;

	if (stack == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "idmap: stack");
	pid = sys_clone(&a, sizeof(a), idmap_holder, &parent);
	if (pid < 0) {
		(void)munmap(stack, IDMAP_STACK);
		return err_sys(e, (int)-pid, "idmap: clone3");
	}
	fd = idmap_namespace((pid_t)pid, disk, seen, e);
	(void)kill((pid_t)pid, SIGKILL);
	/* no exit signal was asked for: only __WALL sees it */
	while (waitpid((pid_t)pid, NULL, __WALL) == -1 && errno == EINTR)
		continue;
	sys_forget_stack(stack, IDMAP_STACK);
	(void)munmap(stack, IDMAP_STACK);
	return fd;
}

int
idmap_mount(int fd, struct idmap_owner disk, struct idmap_owner seen,
    struct err *e)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP };
	autofd ns = idmap_make(disk, seen, e);
	long r;

	if (ns == -1)
		return -1;
	a.userns_fd = (uint64_t)ns;
	r = SYS(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &a,
	    sizeof(a));
	if (r == -EINVAL)
		return err_set(e, ERR_UNSUPPORTED,
		    "this file system (or one mounted below) has no idmapped "
		    "mounts");
	if (r < 0)
		return err_sys(e, (int)-r, "mount_setattr: idmap");
	return 0;
}
