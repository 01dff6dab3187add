/*
 * lockdown_rows.h: rows that the tables of several helpers have in common.
 *
 * Each name stands for some rows of a struct lockdown_call[]; no call is in
 * two of them, so that a table may have any.
 */
#ifndef LOCKDOWN_ROWS_H
#define LOCKDOWN_ROWS_H

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lockdown.h"

#ifndef SYS_epoll_pwait2
#	define SYS_epoll_pwait2 441
#endif
#ifndef SYS_memfd_secret
#	define SYS_memfd_secret 447
#endif

/* clang-format off */
#define LOCKDOWN_YES(name) { SYS_##name, LOCKDOWN_ALLOW, 0, 0 }
#define LOCKDOWN_NO(name) { SYS_##name, LOCKDOWN_REFUSE, 0, EACCES }

/* Memory: secrets are locked, nothing can be executed. */
#define LOCKDOWN_MEMORY \
	LOCKDOWN_YES(brk), LOCKDOWN_YES(munmap), LOCKDOWN_YES(mremap), \
	LOCKDOWN_YES(madvise), LOCKDOWN_YES(mlock), LOCKDOWN_YES(munlock), \
	LOCKDOWN_YES(memfd_secret), LOCKDOWN_YES(ftruncate), \
	{ SYS_mmap, LOCKDOWN_IF_CLEAR, 2, PROT_EXEC }, \
	{ SYS_mprotect, LOCKDOWN_IF_CLEAR, 2, PROT_EXEC }, \
	LOCKDOWN_YES(getrandom), LOCKDOWN_YES(futex)

/* Descriptors that are there already, and who we are. */
#define LOCKDOWN_USE \
	LOCKDOWN_YES(read), LOCKDOWN_YES(write), LOCKDOWN_YES(close), \
	LOCKDOWN_YES(fcntl), LOCKDOWN_YES(fstat), LOCKDOWN_YES(lseek), \
	LOCKDOWN_YES(clock_gettime), LOCKDOWN_YES(getpid)

/* Files: read anywhere, made durable, locked against others. */
#define LOCKDOWN_FILES \
	LOCKDOWN_YES(pread64), LOCKDOWN_YES(fsync), LOCKDOWN_YES(fdatasync), \
	LOCKDOWN_YES(flock), LOCKDOWN_YES(geteuid)

/*
 * A loop, its own messages, connections to the internet.  A pair of datagrams
 * could send to any such socket of the host: libcurl goes without what it
 * wakes itself by.  Libraries block SIGPIPE around their writes, and go
 * without the configuration that they look for.
 */
#define LOCKDOWN_NET \
	LOCKDOWN_YES(epoll_wait), LOCKDOWN_YES(epoll_pwait), \
	LOCKDOWN_YES(epoll_pwait2), LOCKDOWN_YES(epoll_ctl), \
	LOCKDOWN_YES(poll), LOCKDOWN_YES(eventfd2), \
	LOCKDOWN_YES(recvmsg), LOCKDOWN_YES(sendmsg), \
	LOCKDOWN_YES(recvfrom), LOCKDOWN_YES(sendto), LOCKDOWN_YES(writev), \
	{ SYS_socket, LOCKDOWN_IF_EQUAL, 0, AF_INET }, \
	{ SYS_socket, LOCKDOWN_IF_EQUAL, 0, AF_INET6 }, \
	LOCKDOWN_NO(socketpair), LOCKDOWN_YES(connect), \
	LOCKDOWN_YES(shutdown), LOCKDOWN_YES(getsockname), \
	LOCKDOWN_YES(getpeername), LOCKDOWN_YES(getsockopt), \
	LOCKDOWN_YES(setsockopt), \
	{ SYS_ioctl, LOCKDOWN_IF_EQUAL, 1, FIONBIO }, \
	LOCKDOWN_YES(rt_sigaction), LOCKDOWN_YES(rt_sigprocmask), \
	LOCKDOWN_NO(access), LOCKDOWN_NO(readlink), LOCKDOWN_NO(uname)

#define LOCKDOWN_END \
	LOCKDOWN_YES(rt_sigreturn), LOCKDOWN_YES(restart_syscall), \
	LOCKDOWN_YES(exit), LOCKDOWN_YES(exit_group)

/* clang-format on */

#endif /* !LOCKDOWN_ROWS_H */
