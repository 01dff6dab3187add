/*
 * seccomp_program.h: a compiled seccomp filter, as bytes.
 *
 * policy/seccomp_emit.c writes it, jail/seccomp.c installs it, tests
 * evaluate it.  Classic BPF, no pointer, at most BPF_MAXINSNS long.
 */
#ifndef SECCOMP_PROGRAM_H
#define SECCOMP_PROGRAM_H

#include <linux/filter.h>
#include <stdint.h>

enum {
	SECCOMP_PROGRAM_MAX = 4096 /* BPF_MAXINSNS */
};

struct seccomp_program {
	uint32_t length;
	struct sock_filter insn[SECCOMP_PROGRAM_MAX];
};

#endif /* !SECCOMP_PROGRAM_H */
