/*
 * lockdown_tree.c: the files of a helper, by Landlock.
 *
 * Over the filter, which says whether files can be opened at all, and the
 * user, who says which: rootless the user is the caller, whose every file a
 * helper could open.
 */
#include <errno.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lockdown.h"

/* Newer than the headers of the oldest supported distribution. */
struct lockdown_landlock {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

enum {
	TREE_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	/* read, write, truncate, make and remove regular files */
	TREE_WRITE = TREE_READ | LANDLOCK_ACCESS_FS_WRITE_FILE |
		     LANDLOCK_ACCESS_FS_MAKE_REG |
		     LANDLOCK_ACCESS_FS_REMOVE_FILE | 1 << 14,
	TREE_OF_FILE = LANDLOCK_ACCESS_FS_READ_FILE |
		       LANDLOCK_ACCESS_FS_WRITE_FILE | 1 << 14,
	NET_BIND = 1 << 0,
	NET_CONNECT = 1 << 1,
	SCOPE_ALL = 3, /* abstract sockets, signals */
};

/* What each ABI can be asked to handle. */
static const struct {
	uint64_t fs, net, scoped;
	size_t size; /* of the struct as that kernel knows it */
} abis[] = {
	[1] = { (1 << 13) - 1, 0, 0, 8 },
	[2] = { (1 << 14) - 1, 0, 0, 8 },
	[3] = { (1 << 15) - 1, 0, 0, 8 },
	[4] = { (1 << 15) - 1, NET_BIND | NET_CONNECT, 0, 16 },
	[5] = { (1 << 16) - 1, NET_BIND | NET_CONNECT, 0, 16 },
	[6] = { (1 << 16) - 1, NET_BIND | NET_CONNECT, SCOPE_ALL, 24 },
};

static int
tree_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

static int
tree_allow(int ruleset, const struct lockdown_tree *t, uint64_t handled,
    struct err *e)
{
	struct landlock_path_beneath_attr rule = { .parent_fd = t->fd };
	struct stat st;

	if (fstat(t->fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "a directory to keep");
	rule.allowed_access = t->write ? TREE_WRITE : TREE_READ;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= TREE_OF_FILE;
	rule.allowed_access &= handled;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		&rule, 0) == -1)
		return err_set(e, ERR_SYSTEM, "landlock_add_rule");
	return 0;
}

int
lockdown_trees(const struct lockdown_tree *trees, size_t n,
    enum lockdown_net net, int *ret_abi, struct err *e)
{
	struct lockdown_landlock a = { 0 };
	int abi = tree_abi();
	size_t last = countof(abis) - 1;
	size_t row = (size_t)abi > last ? last : (size_t)abi;
	autofd ruleset = -1;
	size_t i;

	*ret_abi = abi;
	if (abi == 0)
		return 0;
	a.fs = abis[row].fs;
	a.scoped = abis[row].scoped;
	a.net =
	    abis[row].net &
	    (net == LOCKDOWN_NET_CONNECT ? NET_BIND : NET_BIND | NET_CONNECT);
	ruleset =
	    (int)syscall(SYS_landlock_create_ruleset, &a, abis[row].size, 0);
	if (ruleset == -1)
		return err_set(e, ERR_SYSTEM, "landlock_create_ruleset");
	for (i = 0; i < n; i++)
		if (tree_allow(ruleset, &trees[i], a.fs, e) == -1)
			return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0) == -1)
		return err_set(e, ERR_SYSTEM, "landlock_restrict_self");
	return 0;
}
