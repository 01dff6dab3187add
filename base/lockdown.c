#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lockdown.h"

#if defined(__x86_64__)
#	define LOCKDOWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#	define LOCKDOWN_ARCH AUDIT_ARCH_AARCH64
#else
#	error "lockdown.c knows x86-64 and arm64"
#endif

#if defined(__SANITIZE_ADDRESS__)
#	define LOCKDOWN_SANITIZED 1
#else
#	define LOCKDOWN_SANITIZED 0
#endif

/* What the sanitizers' run time does besides. */
__attribute__((unused)) static const struct lockdown_call sanitizer_calls[] = {
	{ SYS_mmap, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_mprotect, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_futex, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_sched_yield, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_rt_sigprocmask, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_rt_sigaction, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_sigaltstack, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_gettid, LOCKDOWN_ALLOW, 0, 0 },
	{ SYS_getpid, LOCKDOWN_ALLOW, 0, 0 },
};

#if LOCKDOWN_SANITIZED
static int lockdown_applied;

/*
 * Asked at the end: LeakSanitizer looks at a process from a thread that
 * traces it, and no lockdown allows either.
 */
int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
	return lockdown_applied;
}
#endif

enum {
	/* five instructions a call, and the frame around them */
	LOCKDOWN_INSN_MAX =
	    5 * (LOCKDOWN_CALLS_MAX + countof(sanitizer_calls)) + 8,
};

struct lockdown_program {
	unsigned short length;
	struct sock_filter insn[LOCKDOWN_INSN_MAX];
};

static void
emit(struct lockdown_program *p, unsigned short code, uint32_t k,
    unsigned char yes, unsigned char no)
{
	p->insn[p->length++] =
	    (struct sock_filter){ .code = code, .jt = yes, .jf = no, .k = k };
}

static void
emit_load(struct lockdown_program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void
emit_return(struct lockdown_program *p, uint32_t action)
{
	emit(p, BPF_RET | BPF_K, action, 0, 0);
}

/*
 *	A == nr?           no: behind this call's instructions
 *	A = argument
 *	A fits?            no: the next one
 *	return ALLOW
 *	A = nr
 *
 * Whoever fits in no row of its call falls through to the end, which kills.
 */
static void
emit_argument(struct lockdown_program *p, const struct lockdown_call *c)
{
	int equal = c->what == LOCKDOWN_IF_EQUAL;

	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)c->nr, 0, 4);
	emit_load(p,
	    offsetof(struct seccomp_data, args) + c->arg * sizeof(uint64_t));
	emit(p, BPF_JMP | (equal ? BPF_JEQ : BPF_JSET) | BPF_K, c->value,
	    equal ? 0 : 1, equal ? 1 : 0);
	emit_return(p, SECCOMP_RET_ALLOW);
	emit_load(p, offsetof(struct seccomp_data, nr));
}

static void
emit_call(struct lockdown_program *p, const struct lockdown_call *c)
{
	if (c->what == LOCKDOWN_IF_EQUAL || c->what == LOCKDOWN_IF_CLEAR) {
		emit_argument(p, c);
		return;
	}
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)c->nr, 0, 1);
	emit_return(p, c->what == LOCKDOWN_ALLOW
			   ? SECCOMP_RET_ALLOW
			   : SECCOMP_RET_ERRNO | (c->value & SECCOMP_RET_DATA));
}

static void
emit_filter(struct lockdown_program *p, const struct lockdown *l)
{
	size_t i;

	emit_load(p, offsetof(struct seccomp_data, arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, LOCKDOWN_ARCH, 1, 0);
	emit_return(p, SECCOMP_RET_KILL_PROCESS);
	emit_load(p, offsetof(struct seccomp_data, nr));
#if LOCKDOWN_SANITIZED
	for (i = 0; i < countof(sanitizer_calls); i++)
		emit_call(p, &sanitizer_calls[i]);
#endif
	for (i = 0; i < l->ncalls; i++)
		emit_call(p, &l->calls[i]);
	emit_return(p, SECCOMP_RET_KILL_PROCESS);
}

static int
apply_limits(const struct lockdown *l, struct err *e)
{
	struct rlimit rl;
	size_t i;

	for (i = 0; i < l->nlimits; i++) {
		/* shadow memory is terabytes of address space */
		if (LOCKDOWN_SANITIZED && l->limits[i].resource == RLIMIT_AS)
			continue;
		rl.rlim_cur = rl.rlim_max = l->limits[i].value;
		if (setrlimit((unsigned)l->limits[i].resource, &rl) == -1)
			return err_set(e, ERR_SYSTEM, "setrlimit %d",
			    l->limits[i].resource);
	}
	return 0;
}

int
lockdown_apply(const struct lockdown *l, struct err *e)
{
	struct lockdown_program p = { 0 };
	struct sock_fprog prog = { .filter = p.insn };

	if (l->ncalls > LOCKDOWN_CALLS_MAX)
		return err_set(e, ERR_LIMIT, "%zu rows of calls", l->ncalls);
	emit_filter(&p, l);
	prog.len = p.length;
	if (apply_limits(l, e) == -1)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == -1)
		return err_set(e, ERR_SYSTEM, "prctl");
#if LOCKDOWN_SANITIZED
	lockdown_applied = 1;
#endif
	return 0;
}
