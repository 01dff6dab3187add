/*
 * seccomp_eval.h: what a filter answers, without a kernel; and whether bytes
 * are a filter at all.
 *
 * Pure.  seccomp_program_check() is called by whoever takes a program from a
 * cache or a socket, before it gives it to the kernel; seccomp_eval() by
 * tests and doctor.
 */
#ifndef SECCOMP_EVAL_H
#define SECCOMP_EVAL_H

#include <linux/seccomp.h>

#include "err.h"
#include "seccomp_program.h"

/*
 * The kernel's rules for a filter, and narrower: 1 to SECCOMP_PROGRAM_MAX
 * instructions, the last a return, every jump forward and inside, loads only
 * of whole words of struct seccomp_data, and of the instructions that the
 * kernel takes only those that compilers of filters write (no index register,
 * no scratch memory, of the arithmetic only AND with a constant).  Returns
 * may only be allow, an error number of at most 4095, or killing the process.
 * What passes is accepted by every kernel.  ERR_CORRUPT with the first defect.
 */
must_check int seccomp_program_check(const struct seccomp_program *p,
    struct err *e);

/*
 * The action for one call.  Every instruction runs at most once.  A program
 * that does not pass seccomp_program_check() may be given: whatever is wrong
 * on the way ends in SECCOMP_RET_KILL_PROCESS.
 */
uint32_t seccomp_eval(const struct seccomp_program *p,
    const struct seccomp_data *data);

#endif /* !SECCOMP_EVAL_H */
