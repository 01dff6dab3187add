#include "lock.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>

#include "lockdown_rows.h"
#include "log.h"

/* A thread shares everything with us: a process of its own would not. */
#define THREAD_FLAGS_CLEAR \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET)

static const struct lockdown_call calls[] = {
	LOCKDOWN_USE,
	LOCKDOWN_FILES,
	LOCKDOWN_MEMORY,
	LOCKDOWN_END,
	/* the loop, connections that come, warderd's messages */
	LOCKDOWN_YES(epoll_wait),
	LOCKDOWN_YES(epoll_ctl),
	LOCKDOWN_YES(epoll_create1),
	LOCKDOWN_YES(poll),
	LOCKDOWN_YES(eventfd2),
	LOCKDOWN_YES(accept4),
	LOCKDOWN_YES(recvmsg),
	LOCKDOWN_YES(sendmsg),
	LOCKDOWN_YES(recvfrom),
	LOCKDOWN_YES(sendto),
	LOCKDOWN_YES(shutdown),
	LOCKDOWN_YES(getpeername),
	LOCKDOWN_YES(getsockopt),
	LOCKDOWN_YES(setsockopt),
	LOCKDOWN_YES(pipe2),
	LOCKDOWN_YES(memfd_create),
	LOCKDOWN_YES(rt_sigaction),
	LOCKDOWN_YES(rt_sigprocmask),
	/* the database: Landlock says where */
	LOCKDOWN_YES(openat),
	LOCKDOWN_YES(unlink),
	LOCKDOWN_YES(pwrite64),
	LOCKDOWN_YES(newfstatat),
	LOCKDOWN_YES(access),
	LOCKDOWN_YES(readlink),
	LOCKDOWN_NO(fchown),
	LOCKDOWN_NO(fchmod),
	LOCKDOWN_NO(chmod),
	/* its threads */
	{ SYS_clone, LOCKDOWN_IF_CLEAR, 0, THREAD_FLAGS_CLEAR },
	{ SYS_clone3, LOCKDOWN_REFUSE, 0, ENOSYS },
	LOCKDOWN_YES(set_robust_list),
	LOCKDOWN_YES(rseq),
	LOCKDOWN_YES(gettid),
	LOCKDOWN_YES(sched_getaffinity),
	LOCKDOWN_YES(clock_nanosleep),
	/* an assertion that fails is to be seen as one */
	LOCKDOWN_YES(tgkill),
	/* what libraries look for and go without */
	LOCKDOWN_NO(socket),
	LOCKDOWN_NO(uname),
	LOCKDOWN_NO(prctl),
	/* limits are read, none is changed */
	{ SYS_prlimit64, LOCKDOWN_IF_EQUAL, 2, 0 },
	LOCKDOWN_YES(sysinfo),
	LOCKDOWN_YES(getuid),
	LOCKDOWN_YES(getgid),
	LOCKDOWN_YES(getegid),
};

static const struct lockdown_limit limits[] = {
	{ RLIMIT_CORE, 0 },
};

int
lock_down(const char *db_dir, struct err *e)
{
	static const struct lockdown lock = { limits, countof(limits), calls,
		countof(calls) };
	autofd dir = open(db_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct lockdown_tree tree = { .fd = dir, .write = 1 };
	int abi;

	if (dir == -1)
		return err_set(e, ERR_SYSTEM, "%s", db_dir);
	if (lockdown_trees(&tree, 1, LOCKDOWN_NET_NONE, &abi, e) == -1)
		return -1;
	if (abi == 0)
		log_text(LOG_LEVEL_WARN, "landlock",
		    "this kernel has none: the filter alone holds");
	return lockdown_apply(&lock, e);
}
