/*
 * lockdown.h: how Warder's own helper programs give up what they do not need.
 *
 * For warder-config, warder-proxy and warder-vault, once, after their start
 * and before the first byte of anybody less trusted.  A helper says what it
 * still needs in a table; everything else kills it, since a call that is not
 * in the table is a defect of ours or somebody else's code.
 */
#ifndef LOCKDOWN_H
#define LOCKDOWN_H

#include <stdint.h>

#include "err.h"

enum lockdown_what {
	LOCKDOWN_ALLOW,
	LOCKDOWN_IF_EQUAL, /* only where the argument is the value */
	LOCKDOWN_IF_CLEAR, /* only where it has none of the value's bits */
	LOCKDOWN_REFUSE, /* answered with the value as errno */
};

/*
 * Several rows about one call must be of one kind, IF_EQUAL about the same
 * argument: then any of the values will do.  Arguments are compared in their
 * low 32 bits, which is what the kernel takes of those that we name.
 */
struct lockdown_call {
	int nr;
	enum lockdown_what what;
	unsigned arg; /* 0 to 5 */
	uint32_t value;
};

struct lockdown_limit {
	int resource; /* RLIMIT_… */
	uint64_t value; /* soft and hard */
};

struct lockdown {
	const struct lockdown_limit *limits;
	size_t nlimits;
	const struct lockdown_call *calls;
	size_t ncalls; /* at most LOCKDOWN_CALLS_MAX */
};

enum {
	LOCKDOWN_CALLS_MAX = 160
};

/*
 * Set the limits, no new privileges, not dumpable, and the filter, in this
 * order.  A build with sanitizers keeps what their run time needs: it leaves
 * out RLIMIT_AS and allows a dozen calls more.
 */
must_check int lockdown_apply(const struct lockdown *l, struct err *e);

/* A directory with all below it, or a file; fd may be O_PATH. */
struct lockdown_tree {
	int fd; /* borrowed */
	int write; /* 1: regular files may be made, changed and removed too */
};

enum lockdown_net {
	LOCKDOWN_NET_NONE, /* no TCP */
	LOCKDOWN_NET_CONNECT, /* but none that listens */
};

/*
 * From here on open nothing but what lies in the n trees: by Landlock, also
 * for a helper that has its caller's uid.  What the kernel's ABI offers
 * besides is used: TCP (from 4), abstract sockets and signals outward (6).
 * *ret_abi is that ABI; 0: this kernel has none, and the caller says so.
 * Before lockdown_apply(), whose filter does not let it through.
 */
must_check int lockdown_trees(const struct lockdown_tree *trees, size_t n,
    enum lockdown_net net, int *ret_abi, struct err *e);

#endif /* !LOCKDOWN_H */
