/*
 * seccomp_emit.h: a seccomp filter from a table of verdicts.
 *
 * Pure; runs in warder-config, without privilege, and in tests.
 */
#ifndef SECCOMP_EMIT_H
#define SECCOMP_EMIT_H

#include "seccomp_program.h"
#include "seccomp_table.h"

/*
 * Write the filter for an architecture (AUDIT_ARCH_*): KILL_PROCESS for any
 * other architecture, ENOSYS above SECCOMP_NR_HIGHEST, verdicts[number] for
 * the rest.  The same input always gives the same bytes; what follows the
 * program's length is zero.
 */
void seccomp_emit(const struct seccomp_verdict verdicts[SECCOMP_NR_HIGHEST + 1],
    uint32_t audit_arch, struct seccomp_program *ret);

#endif /* !SECCOMP_EMIT_H */
