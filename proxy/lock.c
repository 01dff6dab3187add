/*
 * lock.c: what warder-proxy may still ask the kernel once it runs.
 *
 * No open, no exec, no new process or thread, no memory that can be executed;
 * sockets of the internet only.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lockdown.h"
#include "proxy.h"

#ifndef SYS_epoll_pwait2
#	define SYS_epoll_pwait2 441
#endif
#ifndef SYS_memfd_secret
#	define SYS_memfd_secret 447
#endif

static const struct lockdown_call calls[] = {
	/* what every byte costs, first */
	{ SYS_epoll_wait, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_read, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_write, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_recvfrom, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_sendto, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_epoll_ctl, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_recvmsg, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_sendmsg, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_recvmmsg, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_readv, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_writev, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_poll, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_epoll_pwait, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_epoll_pwait2, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_clock_gettime, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_close, LOCKDOWN_ALLOW, 0, 0 },
	/* connections */
	{ SYS_accept4, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_pipe2, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_splice, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_socket, LOCKDOWN_IF_EQUAL, 0, AF_INET },
	{ SYS_socket, LOCKDOWN_IF_EQUAL, 0, AF_INET6 },
	/* a pair of datagrams could send to any such socket of the host:
	 * libcurl goes without what it wakes itself by */
	{ SYS_socketpair, LOCKDOWN_REFUSE, 0, EACCES },
	{ SYS_connect, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_shutdown, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_getsockname, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_getpeername, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_getsockopt, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_setsockopt, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_fcntl, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_ioctl, LOCKDOWN_IF_EQUAL, 1, FIONBIO },
	{ SYS_eventfd2, LOCKDOWN_ALLOW, 0, 0 },
	/* plans come and answers go in memfds */
	{ SYS_memfd_create, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_lseek, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_fstat, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_newfstatat, LOCKDOWN_IF_EQUAL, 3, 0x1000 /* AT_EMPTY_PATH */ },
	/* memory: secrets are locked, nothing can be executed */
	{ SYS_brk, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_munmap, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_mremap, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_madvise, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_mlock, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_munlock, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_memfd_secret, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_ftruncate, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_mmap, LOCKDOWN_IF_CLEAR, 2, PROT_EXEC },
	{ SYS_mprotect, LOCKDOWN_IF_CLEAR, 2, PROT_EXEC },
	{ SYS_getrandom, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_futex, LOCKDOWN_ALLOW, 0, 0 },
	/* libraries block SIGPIPE around their writes */
	{ SYS_rt_sigaction, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_rt_sigprocmask, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_rt_sigreturn, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_restart_syscall, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_getpid, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_exit, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_exit_group, LOCKDOWN_ALLOW, 0, 0 },
	/* a library that looks for its configuration goes without */
	{ SYS_openat, LOCKDOWN_REFUSE, 0, EACCES },
	{ SYS_access, LOCKDOWN_REFUSE, 0, EACCES },
	{ SYS_readlink, LOCKDOWN_REFUSE, 0, EACCES },
	{ SYS_uname, LOCKDOWN_REFUSE, 0, EACCES },
};

static const struct lockdown_limit limits[] = {
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_FSIZE, 2 * PROXY_AUDIT_SEGMENT_BYTES },
	{ RLIMIT_CORE, 0 },
};

int
lock_down(struct err *e)
{
	static const struct lockdown lock = { limits, countof(limits), calls,
		countof(calls) };

	return lockdown_apply(&lock, e);
}
