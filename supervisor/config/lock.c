#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "config.h"
#include "lockdown.h"

/* What parsing and answering take, from glibc's point of view. */
static const struct lockdown_call calls[] = {
	/* the socket, the texts, the answer */
	{ SYS_read, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_pread64, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_write, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_sendmsg, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_recvmsg, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_close, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_memfd_create, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_fcntl, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_newfstatat, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_lseek, LOCKDOWN_ALLOW, 0, 0 },
	/* memory, but nothing that could be executed */
	{ SYS_brk, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_munmap, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_mremap, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_madvise, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_getrandom, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_mmap, LOCKDOWN_IF_CLEAR, 2, PROT_EXEC },
	{ SYS_mprotect, LOCKDOWN_IF_CLEAR, 2, PROT_EXEC },
	/* the end */
	{ SYS_exit, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_exit_group, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_rt_sigreturn, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_restart_syscall, LOCKDOWN_ALLOW, 0, 0 },
#if defined(SYS_fstat)
	{ SYS_fstat, LOCKDOWN_ALLOW, 0, 0 },
#endif
};

static const struct lockdown_limit limits[] = {
	{ RLIMIT_AS, 256UL * 1024 * 1024 },
	{ RLIMIT_CPU, 10 },
	{ RLIMIT_NOFILE, 16 },
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_CORE, 0 },
};

int
config_lock(struct err *e)
{
	static const struct lockdown lock = { limits, countof(limits), calls,
		countof(calls) };

	return lockdown_apply(&lock, e);
}
