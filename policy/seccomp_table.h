/*
 * seccomp_table.h: the seccomp profiles as data.
 *
 * The .def files of policy/data as constant tables: the names and numbers of
 * the system calls, the verdict of each profile on each of them with its
 * reason, and the rules on arguments.  No I/O, no state; used by warder-config
 * and by tests.
 */
#ifndef SECCOMP_TABLE_H
#define SECCOMP_TABLE_H

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "plan.h"

enum {
	SECCOMP_NR_NONE = -1 /* the architecture has no such call */
};

enum seccomp_arch {
	SECCOMP_ARCH_X86_64,
	SECCOMP_ARCH_ARM64,
	SECCOMP_ARCH__MAX
};

/* One system call: its name, and its number on each architecture. */
struct seccomp_syscall {
	const char *name;
	int nr[SECCOMP_ARCH__MAX];
};

extern const struct seccomp_syscall seccomp_syscalls[];
extern const size_t seccomp_nsyscalls;

/* Numbers above this one are unknown: ENOSYS.  The same on both. */
enum {
	SECCOMP_NR_HIGHEST = 469
};

/*
 * What a filter answers: a value for the kernel (SECCOMP_RET_*, with the
 * error number of SECCOMP_RET_ERRNO in its low half), or a rule that looks at
 * the arguments and then decides.
 */
struct seccomp_verdict {
	uint32_t action; /* where rule is 0 */
	uint32_t rule; /* index into seccomp_rules[], 0: none */
};

enum {
	SECCOMP_OPTIONAL = 1 << 0, /* seccomp.allow may allow it */
	SECCOMP_INIT = 1 << 1, /* the jail's first process needs it */
	SECCOMP_BYPASS = 1 << 2, /* newer kernels ask no filter */
};

struct seccomp_entry {
	struct seccomp_verdict verdict;
	uint32_t flags; /* SECCOMP_OPTIONAL, _INIT, _BYPASS */
	const char *reason;
};

/*
 * The entry of a profile (enum plan_seccomp, < PLAN_SECCOMP__MAX) for the
 * call at an index of seccomp_syscalls[].
 */
const struct seccomp_entry *seccomp_entry(uint32_t profile, size_t call);

/* The least profile whose own table has that entry. */
uint32_t seccomp_entry_profile(uint32_t profile, size_t call);

enum seccomp_op {
	SECCOMP_IS, /* (low 32 bits & mask) == value */
	SECCOMP_ANY, /* (low 32 bits & mask) != 0 */
	SECCOMP_NONNULL, /* all 64 bits != 0 */
	SECCOMP_ELSE, /* always */
};

struct seccomp_line {
	uint32_t rule;
	uint32_t op; /* enum seccomp_op */
	uint32_t arg; /* 0 to 5 */
	uint32_t mask;
	uint32_t value;
	const char *label; /* the condition in the field's words, or NULL */
	struct seccomp_verdict verdict;
	const char *reason;
};

struct seccomp_rule {
	const char *name;
	const char *about;
};

/* From index 1; a rule goes on only with rules of a lower index. */
extern const struct seccomp_rule seccomp_rules[];
extern const size_t seccomp_nrules;

/*
 * The lines of a rule.  The last is SECCOMP_ELSE; the others, one at least,
 * are either all SECCOMP_IS of the same argument and mask, or a single line.
 */
const struct seccomp_line *seccomp_rule_lines(uint32_t rule, size_t *ret_n);

/*
 * What a verdict comes to for a call's arguments, straight from the tables:
 * the plain reading that compiled filters are compared with.
 */
uint32_t seccomp_decide(const struct seccomp_verdict *v,
    const uint64_t args[6]);

/* AUDIT_ARCH_X86_64 or _AARCH64 to its enum, -1 for any other. */
int seccomp_arch_find(uint32_t audit_arch);

/* The call with that name, NULL if there is none. */
const struct seccomp_syscall *seccomp_syscall_find(const char *name);

/* "allow", "EPERM", "ENOSYS", "errno 0", "kill"; "?" for another action. */
const char *seccomp_action_name(uint32_t action);

#endif /* !SECCOMP_TABLE_H */
