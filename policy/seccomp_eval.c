#include <string.h>

#include "seccomp_eval.h"

enum {
	ERRNO_MAX = 4095 /* MAX_ERRNO: the kernel cuts larger ones down */
};

static int
load_is_valid(uint32_t offset)
{
	return offset < sizeof(struct seccomp_data) &&
	       offset % sizeof(uint32_t) == 0;
}

/* Whether the instruction "skip" after the one at pc exists. */
static int
jump_is_valid(const struct seccomp_program *p, uint32_t pc, uint32_t skip)
{
	return skip < p->length - pc - 1;
}

static int
action_is_valid(uint32_t action)
{
	if (action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_KILL_PROCESS)
		return 1;
	return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
	       (action & SECCOMP_RET_DATA) <= ERRNO_MAX;
}

/* What is wrong with the instruction at pc; NULL: nothing. */
static const char *
insn_defect(const struct seccomp_program *p, uint32_t pc)
{
	const struct sock_filter *i = &p->insn[pc];

	switch (i->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return load_is_valid(i->k) ? NULL : "loads from outside";
	case BPF_ALU | BPF_AND | BPF_K:
		return NULL;
	case BPF_JMP | BPF_JA:
		return jump_is_valid(p, pc, i->k) ? NULL : "jumps outside";
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_K:
		return jump_is_valid(p, pc, i->jt) &&
			       jump_is_valid(p, pc, i->jf)
			   ? NULL
			   : "jumps outside";
	case BPF_RET | BPF_K:
		return action_is_valid(i->k) ? NULL : "unknown action";
	default:
		return "unknown instruction";
	}
}

int
seccomp_program_check(const struct seccomp_program *p, struct err *e)
{
	const char *defect;

	if (p->length == 0 || p->length > SECCOMP_PROGRAM_MAX)
		return err_set(e, ERR_CORRUPT, "filter: %u instructions",
		    p->length);
	for (uint32_t pc = 0; pc < p->length; pc++) {
		defect = insn_defect(p, pc);
		if (defect != NULL)
			return err_set(e, ERR_CORRUPT,
			    "filter: instruction %u %s", pc, defect);
	}
	if (BPF_CLASS(p->insn[p->length - 1].code) != BPF_RET)
		return err_set(e, ERR_CORRUPT,
		    "filter: the last instruction is no return");
	return 0;
}

static uint32_t
load(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t word;

	memcpy(&word, (const char *)data + offset, sizeof(word));
	return word;
}

static int
test(uint16_t code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	default: /* BPF_JSET: insn_defect() lets no other pass */
		return (a & k) != 0;
	}
}

uint32_t
seccomp_eval(const struct seccomp_program *p, const struct seccomp_data *data)
{
	const struct sock_filter *i;
	uint32_t a = 0;

	if (p->length > SECCOMP_PROGRAM_MAX)
		return SECCOMP_RET_KILL_PROCESS;
	for (uint32_t pc = 0; pc < p->length; pc++) {
		i = &p->insn[pc];
		if (insn_defect(p, pc) != NULL)
			return SECCOMP_RET_KILL_PROCESS;
		if (BPF_CLASS(i->code) == BPF_RET)
			return i->k;
		if (BPF_CLASS(i->code) == BPF_LD)
			a = load(data, i->k);
		else if (BPF_CLASS(i->code) == BPF_ALU)
			a &= i->k;
		else if (BPF_OP(i->code) == BPF_JA)
			pc += i->k;
		else
			pc += test(i->code, a, i->k) ? i->jt : i->jf;
	}
	return SECCOMP_RET_KILL_PROCESS;
}
