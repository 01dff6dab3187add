/*
 * lock.c: what warder-proxy may still ask the kernel once it runs.
 *
 * No open, no exec, no new process or thread, no memory that can be executed;
 * sockets of the internet only.
 */
#include <fcntl.h>
#include <sys/resource.h>

#include "lockdown_rows.h"
#include "proxy.h"

static const struct lockdown_call calls[] = {
	LOCKDOWN_USE,
	LOCKDOWN_NET,
	LOCKDOWN_MEMORY,
	LOCKDOWN_END,
	/* connections */
	LOCKDOWN_YES(accept4),
	LOCKDOWN_YES(recvmmsg),
	LOCKDOWN_YES(readv),
	LOCKDOWN_YES(pipe2),
	LOCKDOWN_YES(splice),
	/* plans come and answers go in memfds */
	LOCKDOWN_YES(memfd_create),
	{ SYS_newfstatat, LOCKDOWN_IF_EQUAL, 3, AT_EMPTY_PATH },
	/* a library that looks for its configuration goes without */
	LOCKDOWN_NO(openat),
};

static const struct lockdown_limit limits[] = {
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_FSIZE, 2 * PROXY_AUDIT_SEGMENT_BYTES },
	{ RLIMIT_CORE, 0 },
};

/*
 * No file is opened, by the filter already; Landlock is the second layer, in
 * case a call is in the table by mistake.  It also keeps TCP sockets from
 * listening, which the filter cannot tell from others.
 */
int
lock_down(int *ret_landlock, struct err *e)
{
	static const struct lockdown lock = { limits, countof(limits), calls,
		countof(calls) };

	if (lockdown_trees(NULL, 0, LOCKDOWN_NET_CONNECT, ret_landlock, e) ==
	    -1)
		return -1;
	return lockdown_apply(&lock, e);
}
