/*
 * compile.h: a resolved policy to the plan that jails are run by.
 *
 * A ceiling becomes a plan too, of kind PLAN_CEILING.  There the mounts are
 * the roots under which others' must lie (path empty: anywhere in the jail),
 * and what the ceiling does not speak of is written out as the widest there
 * is: mounts of "/", the greatest limits, profile debug, and the one name
 * "any" in env (passed) and in syscall_allow; PLAN_SERVICES_ANY services.  A
 * ceiling has no program.
 */
#ifndef COMPILE_H
#define COMPILE_H

#include "plan.h"
#include "plan_net.h"
#include "resolve.h"
#include "seccomp_program.h"

/* The architecture whose system calls the filter judges. */
#if defined(__x86_64__)
#	define COMPILE_AUDIT_ARCH 0xc000003eU /* AUDIT_ARCH_X86_64 */
#elif defined(__aarch64__)
#	define COMPILE_AUDIT_ARCH 0xc00000b7U /* AUDIT_ARCH_AARCH64 */
#else
#	error "no system call table for this architecture"
#endif

/*
 * Write the sealed plan, its program, and its network half (compile_net.h),
 * whose size is 0 where the plan has none.  Returns 0, or -1 with errors in
 * r->diag; the outputs are then undefined.
 */
must_check int compile_policy(struct resolve *r, struct plan *ret,
    struct seccomp_program *ret_program, union plan_net_room *ret_net);

#endif /* !COMPILE_H */
