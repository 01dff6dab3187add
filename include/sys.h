/*
 * sys.h: system calls without a C library.
 *
 * warder-init has no libc, and the stages between clone and exec share their
 * memory (and so errno) with a running launcher: both call the kernel through
 * this header.  Every call returns the kernel's result, -errno on failure.
 */
#ifndef SYS_H
#define SYS_H

#include <stdint.h>
#include <sys/syscall.h>

#include "base.h"

#if defined(__clang_analyzer__)

/* It does not look into assembly: this may write through any argument. */
long sys_call6(long n, long a, long b, long c, long d, long e, long f);

#elif defined(__x86_64__)

static inline long
sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			 "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

#elif defined(__aarch64__)

static inline long
sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#	error "sys.h knows x86-64 and arm64"
#endif

#define sys_call_(n, a, b, c, d, e, f, ...)                              \
	sys_call6((long)(n), (long)(a), (long)(b), (long)(c), (long)(d), \
	    (long)(e), (long)(f))

/* SYS(nr, up to six arguments): integers, or pointers cast to long. */
#define SYS(...) sys_call_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

/*
 * clone3(2) with a stack of its own for the child (args->stack, 16-byte
 * aligned at its end), which runs fn(arg) and exits with what it returns.
 * args is the kernel's struct clone_args.  Only the parent returns: the
 * child's process id, or -errno.  Safe with CLONE_VM.  In jail/clone.S.
 */
long sys_clone(const void *args, size_t size, int (*fn)(void *), void *arg);

/*
 * The same by clone(2), for whoever runs under the jail's filter, which
 * refuses clone3.  stack_end: the highest address, 16-byte aligned.
 */
long sys_clone_plain(unsigned long flags, void *stack_end, int (*fn)(void *),
    void *arg);

/*
 * Frames of a process that shared our memory and left by exec are never left
 * by returning; AddressSanitizer would go on guarding them in whatever is
 * mapped there next.
 */
static inline void
sys_forget_stack(void *p, size_t size)
{
#if defined(__SANITIZE_ADDRESS__)
	extern void __asan_unpoison_memory_region(void const volatile *,
	    size_t);

	__asan_unpoison_memory_region(p, size);
#else
	(void)p;
	(void)size;
#endif
}

#endif /* !SYS_H */
