/*
 * lock.c: what warder-vault may still ask the kernel, by its face.
 *
 * No exec, no new process or thread, no memory that can be executed.  Files
 * can be opened in one directory: by its own user, who owns no other, and by
 * Landlock, also where it has its caller's uid.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <termios.h>

#include "lockdown_rows.h"
#include "vault.h"

/* clang-format off */
/* Reading, writing and locking the vault's files; memory; the end. */
#define LOCK_COMMON \
	LOCKDOWN_USE, \
	LOCKDOWN_FILES, \
	LOCKDOWN_MEMORY, \
	LOCKDOWN_END, \
	LOCKDOWN_YES(openat), \
	LOCKDOWN_YES(renameat), \
	LOCKDOWN_YES(unlinkat), \
	LOCKDOWN_YES(newfstatat)

/* clang-format on */

static const struct lockdown_call verb_calls[] = {
	LOCK_COMMON,
	/* a terminal without echo; whether standard output is one */
	{ SYS_ioctl, LOCKDOWN_IF_EQUAL, 1, TCGETS },
	{ SYS_ioctl, LOCKDOWN_IF_EQUAL, 1, TCSETSF },
};

/* The loop, our own sockets, token endpoints. */
static const struct lockdown_call serve_calls[] = {
	LOCK_COMMON,
	LOCKDOWN_NET,
};

static const struct lockdown_limit limits[] = {
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_CORE, 0 },
};

int
lock_down(enum lock_face face, int dir, struct err *e)
{
	static const struct lockdown faces[] = {
		[LOCK_VERB] = { limits, countof(limits), verb_calls,
		    countof(verb_calls) },
		[LOCK_SERVE] = { limits, countof(limits), serve_calls,
		    countof(serve_calls) },
	};

	static const enum lockdown_net nets[] = {
		[LOCK_VERB] = LOCKDOWN_NET_NONE,
		[LOCK_SERVE] = LOCKDOWN_NET_CONNECT,
	};
	const struct lockdown_tree own = { .fd = dir, .write = 1 };
	int abi;

	if (lockdown_trees(&own, 1, nets[face], &abi, e) == -1)
		return -1;
	if (abi == 0)
		(void)fputs("warder-vault: this kernel has no Landlock: its "
			    "user's other files are kept from it by nothing "
			    "but its user\n",
		    stderr);
	return lockdown_apply(&faces[face], e);
}
