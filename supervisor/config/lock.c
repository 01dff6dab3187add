#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "config.h"
#include "policy/compile.h"

#if defined(__SANITIZE_ADDRESS__)
#	define LOCK_SANITIZED 1
#else
#	define LOCK_SANITIZED 0
#endif

/* What parsing and answering take, from glibc's point of view. */
static const int allowed[] = {
	/* the socket, the texts, the answer */
	SYS_read,
	SYS_pread64,
	SYS_write,
	SYS_sendmsg,
	SYS_recvmsg,
	SYS_close,
	SYS_memfd_create,
	SYS_fcntl,
	SYS_newfstatat,
	SYS_lseek,
	/* memory */
	SYS_brk,
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_getrandom,
	/* the end */
	SYS_exit,
	SYS_exit_group,
	SYS_rt_sigreturn,
	SYS_restart_syscall,
#if defined(SYS_fstat)
	SYS_fstat,
#endif
#if LOCK_SANITIZED
	/* what the sanitizers' run time does besides */
	SYS_mmap,
	SYS_mprotect,
	SYS_futex,
	SYS_sched_yield,
	SYS_rt_sigprocmask,
	SYS_rt_sigaction,
	SYS_sigaltstack,
	SYS_gettid,
	SYS_getpid,
#endif
};

static const struct {
	int resource;
	rlim_t value;
} limits[] = {
#if !LOCK_SANITIZED /* its shadow memory is terabytes of address space */
	{ RLIMIT_AS, 256UL * 1024 * 1024 },
#endif
	{ RLIMIT_CPU, 10 },
	{ RLIMIT_NOFILE, 16 },
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_CORE, 0 },
};

enum {
	LOCK_INSN_MAX = 16 + 2 * countof(allowed),
	LOCK_PROT_ARG = offsetof(struct seccomp_data, args[2]),
};

struct lock_program {
	unsigned short length;
	struct sock_filter insn[LOCK_INSN_MAX];
};

static void
emit(struct lock_program *p, struct sock_filter insn)
{
	p->insn[p->length++] = insn;
}

/* if (A == k) return action */
static void
emit_if(struct lock_program *p, uint32_t k, uint32_t action)
{
	emit(p,
	    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1));
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* mmap and mprotect, but nothing that could be executed. */
static void
emit_memory(struct lock_program *p, uint32_t nr)
{
	emit(p,
	    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 4));
	emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    LOCK_PROT_ARG));
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
		    PROT_EXEC, 1, 0));
	emit(p,
	    (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
		    SECCOMP_RET_KILL_PROCESS));
}

static void
emit_filter(struct lock_program *p)
{
	size_t i;

	emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, arch)));
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    COMPILE_AUDIT_ARCH, 1, 0));
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
		    SECCOMP_RET_KILL_PROCESS));
	emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)));
	for (i = 0; i < countof(allowed); i++)
		emit_if(p, (uint32_t)allowed[i], SECCOMP_RET_ALLOW);
	emit_memory(p, SYS_mmap);
	/* emit_memory has left its number in A where it did not match. */
	emit_memory(p, SYS_mprotect);
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
		    SECCOMP_RET_KILL_PROCESS));
}

int
config_lock(struct err *e)
{
	struct lock_program p = { 0 };
	struct sock_fprog prog = { .filter = p.insn };
	struct rlimit rl;
	size_t i;

	for (i = 0; i < countof(limits); i++) {
		rl.rlim_cur = rl.rlim_max = limits[i].value;
		if (setrlimit(limits[i].resource, &rl) == -1)
			return err_set(e, ERR_SYSTEM, "setrlimit %d",
			    limits[i].resource);
	}
	emit_filter(&p);
	prog.len = p.length;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == -1)
		return err_set(e, ERR_SYSTEM, "prctl");
	return 0;
}
