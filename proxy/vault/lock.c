/*
 * lock.c: what warder-vault may still ask the kernel, by its face.
 *
 * No exec, no new process or thread, no memory that can be executed.  Files
 * can be opened: which ones, its own user decides, who owns one directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lockdown.h"
#include "vault.h"

#ifndef SYS_memfd_secret
#	define SYS_memfd_secret 447
#endif

/* Reading, writing and locking the vault's files; memory; the end. */
#define LOCK_COMMON                                            \
	{ SYS_read, LOCKDOWN_ALLOW, 0, 0 },                    \
	    { SYS_pread64, LOCKDOWN_ALLOW, 0, 0 },             \
	    { SYS_write, LOCKDOWN_ALLOW, 0, 0 },               \
	    { SYS_close, LOCKDOWN_ALLOW, 0, 0 },               \
	    { SYS_openat, LOCKDOWN_ALLOW, 0, 0 },              \
	    { SYS_renameat, LOCKDOWN_ALLOW, 0, 0 },            \
	    { SYS_unlinkat, LOCKDOWN_ALLOW, 0, 0 },            \
	    { SYS_fsync, LOCKDOWN_ALLOW, 0, 0 },               \
	    { SYS_flock, LOCKDOWN_ALLOW, 0, 0 },               \
	    { SYS_fstat, LOCKDOWN_ALLOW, 0, 0 },               \
	    { SYS_newfstatat, LOCKDOWN_ALLOW, 0, 0 },          \
	    { SYS_lseek, LOCKDOWN_ALLOW, 0, 0 },               \
	    { SYS_fcntl, LOCKDOWN_ALLOW, 0, 0 },               \
	    { SYS_brk, LOCKDOWN_ALLOW, 0, 0 },                 \
	    { SYS_munmap, LOCKDOWN_ALLOW, 0, 0 },              \
	    { SYS_mremap, LOCKDOWN_ALLOW, 0, 0 },              \
	    { SYS_madvise, LOCKDOWN_ALLOW, 0, 0 },             \
	    { SYS_mlock, LOCKDOWN_ALLOW, 0, 0 },               \
	    { SYS_memfd_secret, LOCKDOWN_ALLOW, 0, 0 },        \
	    { SYS_ftruncate, LOCKDOWN_ALLOW, 0, 0 },           \
	    { SYS_mmap, LOCKDOWN_IF_CLEAR, 2, PROT_EXEC },     \
	    { SYS_mprotect, LOCKDOWN_IF_CLEAR, 2, PROT_EXEC }, \
	    { SYS_getrandom, LOCKDOWN_ALLOW, 0, 0 },           \
	    { SYS_getpid, LOCKDOWN_ALLOW, 0, 0 },              \
	    { SYS_geteuid, LOCKDOWN_ALLOW, 0, 0 },             \
	    { SYS_clock_gettime, LOCKDOWN_ALLOW, 0, 0 },       \
	    { SYS_rt_sigreturn, LOCKDOWN_ALLOW, 0, 0 },        \
	    { SYS_restart_syscall, LOCKDOWN_ALLOW, 0, 0 },     \
	    { SYS_exit, LOCKDOWN_ALLOW, 0, 0 },                \
	{                                                      \
		SYS_exit_group, LOCKDOWN_ALLOW, 0, 0           \
	}

static const struct lockdown_call verb_calls[] = {
	LOCK_COMMON,
	/* a terminal without echo; whether standard output is one */
	{ SYS_ioctl, LOCKDOWN_IF_EQUAL, 1, TCGETS },
	{ SYS_ioctl, LOCKDOWN_IF_EQUAL, 1, TCSETSF },
};

static const struct lockdown_call serve_calls[] = {
	LOCK_COMMON,
	/* the loop and our own sockets */
	{ SYS_recvmsg, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_sendmsg, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_epoll_wait, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_epoll_pwait, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_epoll_ctl, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_poll, LOCKDOWN_ALLOW, 0, 0 },
	/* token endpoints: libcurl, OpenSSL, c-ares */
	{ SYS_socket, LOCKDOWN_IF_EQUAL, 0, AF_INET },
	{ SYS_socket, LOCKDOWN_IF_EQUAL, 0, AF_INET6 },
	/* a pair of datagrams could send to any such socket of the host:
	 * libcurl goes without what it wakes itself by */
	{ SYS_socketpair, LOCKDOWN_REFUSE, 0, EACCES },
	{ SYS_eventfd2, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_connect, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_sendto, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_recvfrom, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_writev, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_shutdown, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_getsockname, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_getpeername, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_getsockopt, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_setsockopt, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_ioctl, LOCKDOWN_IF_EQUAL, 1, FIONBIO },
	{ SYS_rt_sigaction, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_rt_sigprocmask, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_futex, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_access, LOCKDOWN_REFUSE, 0, EACCES },
	{ SYS_readlink, LOCKDOWN_REFUSE, 0, EACCES },
	{ SYS_uname, LOCKDOWN_REFUSE, 0, EACCES },
};

static const struct lockdown_limit limits[] = {
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_CORE, 0 },
};

int
lock_down(enum lock_face face, struct err *e)
{
	static const struct lockdown faces[] = {
		[LOCK_VERB] = { limits, countof(limits), verb_calls,
		    countof(verb_calls) },
		[LOCK_SERVE] = { limits, countof(limits), serve_calls,
		    countof(serve_calls) },
	};

	return lockdown_apply(&faces[face], e);
}
