/*
 * lock.c: what warder-audit may still ask the kernel, by its face.
 *
 * No exec, no new process or thread, no socket, no memory that can be
 * executed.  A verb opens files in the trees that it was told of, a signer
 * none at all.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

#include "lockdown_rows.h"
#include "verb.h"

static const struct lockdown_call sign_calls[] = {
	LOCKDOWN_MEMORY,
	LOCKDOWN_USE,
	LOCKDOWN_FILES,
	LOCKDOWN_END,
	/* glibc asks it of a descriptor that it is to print to */
	{ SYS_newfstatat, LOCKDOWN_IF_EQUAL, 3, AT_EMPTY_PATH },
};

static const struct lockdown_call verb_calls[] = {
	LOCKDOWN_MEMORY,
	LOCKDOWN_USE,
	LOCKDOWN_FILES,
	LOCKDOWN_END,
	LOCKDOWN_YES(openat),
	LOCKDOWN_YES(newfstatat),
	LOCKDOWN_YES(getdents64),
	LOCKDOWN_YES(renameat),
	LOCKDOWN_YES(unlinkat),
	LOCKDOWN_YES(memfd_create),
};

static const struct lockdown_limit limits[] = {
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_CORE, 0 },
};

int
lock_sign(struct err *e)
{
	static const struct lockdown l = { limits, countof(limits), sign_calls,
		countof(sign_calls) };

	tzset(); /* the first use of a time would open a file */
	return lockdown_apply(&l, e);
}

int
lock_verb(const struct lockdown_tree *trees, size_t n, struct err *e)
{
	static const struct lockdown l = { limits, countof(limits), verb_calls,
		countof(verb_calls) };
	int abi;

	tzset();
	if (lockdown_trees(trees, n, LOCKDOWN_NET_NONE, &abi, e) == -1)
		return -1;
	return lockdown_apply(&l, e);
}
