/*
 * fuzz_seccomp_program.c: seccomp_program_check on any bytes.  What it
 * accepts ends in one of its three actions for any call, and every return
 * that can be reached is one the kernel knows; what it refuses may be
 * evaluated without leaving the program.
 */
#include <assert.h>
#include <string.h>

#include "policy/seccomp_eval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct seccomp_program program;

/* The first bytes of the input are the call. */
static uint32_t
evaluate(const uint8_t *bytes, size_t n)
{
	struct seccomp_data call = { .arch = 0xc000003e };

	memcpy(&call, bytes, n < sizeof(call) ? n : sizeof(call));
	return seccomp_eval(&program, &call);
}

static int
is_action(uint32_t r)
{
	if (r == SECCOMP_RET_ALLOW || r == SECCOMP_RET_KILL_PROCESS)
		return 1;
	return (r & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
	       (r & SECCOMP_RET_DATA) <= 4095;
}

/* The kernel's own rules, written again: a wrong acceptance shows here. */
static void
check_again(void)
{
	uint32_t i;

	assert(program.length >= 1 && program.length <= SECCOMP_PROGRAM_MAX);
	assert(program.insn[program.length - 1].code == (BPF_RET | BPF_K));
	for (i = 0; i < program.length; i++) {
		const struct sock_filter *f = &program.insn[i];
		uint64_t next = (uint64_t)i + 1;

		if (f->code == (BPF_RET | BPF_K))
			assert(is_action(f->k));
		else if (f->code == (BPF_LD | BPF_W | BPF_ABS))
			assert(f->k % 4 == 0 && f->k <= 60);
		else if (f->code == (BPF_JMP | BPF_JA))
			assert(next + f->k < program.length);
		else if (BPF_CLASS(f->code) == BPF_JMP)
			assert(next + f->jt < program.length &&
			       next + f->jf < program.length);
		else
			assert(f->code == (BPF_ALU | BPF_AND | BPF_K));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { .code = ERR_OK };
	size_t n = size / sizeof(program.insn[0]);

	memset(&program, 0, sizeof(program));
	program.length = (uint32_t)n; /* may be more than there is room for */
	memcpy(program.insn, data,
	    n <= SECCOMP_PROGRAM_MAX ? n * sizeof(program.insn[0])
				     : sizeof(program.insn));
	if (seccomp_program_check(&program, &e) == 0)
		check_again();
	else
		assert(e.code == ERR_CORRUPT && e.msg[0] != '\0');
	assert(is_action(evaluate(data, size)));
	return 0;
}
