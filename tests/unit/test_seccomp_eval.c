/* The evaluator, and the check of programs that come from elsewhere. */
#include "unit.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/seccomp_compile.h"
#include "policy/seccomp_eval.h"

#define ALLOW SECCOMP_RET_ALLOW
#define KILL SECCOMP_RET_KILL_PROCESS
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
#define NR offsetof(struct seccomp_data, nr)

static struct seccomp_program program;

static void
set(const struct sock_filter *insn, size_t n)
{
	memset(&program, 0, sizeof(program));
	memcpy(program.insn, insn, n * sizeof(*insn));
	program.length = (uint32_t)n;
}

#define SET(...)                                             \
	do {                                                 \
		const struct sock_filter i_[] = __VA_ARGS__; \
		set(i_, countof(i_));                        \
	} while (0)

static uint32_t
run(int nr)
{
	struct seccomp_data data = { .nr = nr };

	return seccomp_eval(&program, &data);
}

static void
eval_tests__each_comparison__takes_the_right_branch(void **state)
{
	static const struct {
		uint16_t test;
		int nr;
		uint32_t want;
	} table[] = {
		{ BPF_JEQ, 6, ALLOW },
		{ BPF_JEQ, 7, KILL },
		{ BPF_JGT, 6, KILL },
		{ BPF_JGT, 7, ALLOW },
		{ BPF_JGT, -1, ALLOW }, /* unsigned */
		{ BPF_JGE, 5, KILL },
		{ BPF_JGE, 6, ALLOW },
		{ BPF_JSET, 1, KILL },
		{ BPF_JSET, 2, ALLOW },
	};

	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		SET({ LOAD(NR),
		    BPF_JUMP(BPF_JMP | BPF_K | table[i].test, 6, 1, 0),
		    RETURN(KILL), RETURN(ALLOW) });
		assert_int_equal(run(table[i].nr), table[i].want);
	}
}

static void
eval_words__of_an_argument__low_half_first(void **state)
{
	const struct seccomp_data data = { .args = { 0, 0, 0, 0, 0,
					       0x1122334455667788 } };
	const uint32_t at = offsetof(struct seccomp_data, args[5]);

	(void)state;
	SET({ LOAD(at), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x7700, 0, 2), LOAD(at + 4),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x11223344, 1, 0), RETURN(KILL),
	    RETURN(ALLOW) });
	assert_int_equal(seccomp_eval(&program, &data), ALLOW);
}

static void
check_program__malformed__refused_and_evaluated_to_kill(void **state)
{
	static const struct {
		struct sock_filter insn[3];
		uint32_t length;
		const char *says;
	} table[] = {
		{ { RETURN(ALLOW) }, 0, "0 instructions" },
		{ { RETURN(ALLOW) }, SECCOMP_PROGRAM_MAX + 1, "4097" },
		{ { RETURN(ALLOW) }, UINT32_MAX, "instructions" },
		{ { LOAD(0), LOAD(0) }, 2, "no return" },
		{ { LOAD(64), RETURN(ALLOW) }, 2, "loads from outside" },
		{ { LOAD(2), RETURN(ALLOW) }, 2, "loads from outside" },
		{ { LOAD(UINT32_MAX - 3), RETURN(ALLOW) }, 2, "outside" },
		{ { BPF_STMT(BPF_JMP | BPF_JA, 1), RETURN(ALLOW) }, 2,
		    "instruction 0 jumps outside" },
		{ { BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX), RETURN(ALLOW) }, 2,
		    "jumps outside" },
		{ { BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		      RETURN(ALLOW) },
		    2, "jumps outside" },
		{ { BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 255),
		      RETURN(ALLOW) },
		    2, "jumps outside" },
		{ { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RETURN(ALLOW) }, 2,
		    "unknown instruction" },
		{ { BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RETURN(ALLOW) }, 2,
		    "unknown instruction" },
		{ { BPF_STMT(BPF_LD | BPF_MEM, 20), RETURN(ALLOW) }, 2,
		    "unknown instruction" },
		{ { BPF_STMT(BPF_RET | BPF_A, 0) }, 1, "unknown instruction" },
		{ { RETURN(SECCOMP_RET_USER_NOTIF) }, 1, "unknown action" },
		{ { RETURN(SECCOMP_RET_TRACE) }, 1, "unknown action" },
		{ { RETURN(SECCOMP_RET_ERRNO | 4096) }, 1, "unknown action" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		set(table[i].insn, countof(table[i].insn));
		program.length = table[i].length;
		assert_refused(seccomp_program_check(&program, &e), &e,
		    ERR_CORRUPT, table[i].says);
		assert_int_equal(run(0), KILL);
	}
}

static void
check_program__longest__accepted(void **state)
{
	struct err e = { .code = ERR_OK };

	(void)state;
	memset(&program, 0, sizeof(program));
	for (uint32_t i = 0; i < SECCOMP_PROGRAM_MAX - 1; i++)
		program.insn[i] = (struct sock_filter)LOAD(NR);
	program.insn[SECCOMP_PROGRAM_MAX - 1] =
	    (struct sock_filter)RETURN(ALLOW);
	program.length = SECCOMP_PROGRAM_MAX;
	assert_int_equal(seccomp_program_check(&program, &e), 0);
	assert_int_equal(run(0), ALLOW);
}

/* 1 if the kernel takes the program, 0 if it says EINVAL; -1: neither. */
static int
kernel_accepts(const struct seccomp_program *p)
{
	struct sock_fprog prog = {
		.len = (unsigned short)p->length,
		.filter = (struct sock_filter *)p->insn,
	};
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
			_exit(3);
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) ==
		    -1)
			_exit(errno == EINVAL ? 1 : 3);
		/* It may forbid anything, exit included. */
		for (;;)
			syscall(SYS_exit_group, 0);
	}
	(void)alarm(30);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)alarm(0);
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == 0   ? 1
		       : WEXITSTATUS(status) == 1 ? 0
						  : -1;
	return WTERMSIG(status) == SIGSYS ? 1 : -1;
}

/* xorshift: the same mutations on every run */
static uint32_t
next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/*
 * What the check accepts the kernel accepts.  The last instruction, a way
 * out by exit_group, is kept: so that no accepted mutant can loop in user
 * space, exit_group is answered first.
 */
static void
check_program__mutants__kernel_accepts_what_passes(void **state)
{
	static struct seccomp_program base;
	struct err e = { .code = ERR_OK };
	uint32_t x = 2463534242, passed = 0, refused = 0;
	struct sock_filter *i;

	(void)state;
	assert_int_equal(seccomp_compile(PLAN_SECCOMP_STRICT, NULL, 0, NULL, 0,
			     AUDIT_ARCH_X86_64, &base, &e),
	    0);
	for (int n = 0; n < 300; n++) {
		SET({ LOAD(NR),
		    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		    RETURN(ALLOW) });
		memcpy(program.insn + 3, base.insn,
		    base.length * sizeof(*base.insn));
		program.length = base.length + 3;
		i = &program.insn[3 + next_random(&x) % base.length];
		switch (next_random(&x) % 4) {
		case 0:
			i->code = (uint16_t)(next_random(&x) % 256);
			break;
		case 1:
			i->jt = (uint8_t)next_random(&x);
			break;
		case 2:
			i->k = next_random(&x) >> next_random(&x) % 32;
			break;
		default:
			program.length = 4 + next_random(&x) % base.length;
		}
		if (seccomp_program_check(&program, &e) == -1) {
			refused++;
			continue;
		}
		passed++;
		assert_int_equal(kernel_accepts(&program), 1);
	}
	assert_true(passed >= 50);
	assert_true(refused >= 50);
}

/* The control: the kernel does refuse programs, and we see it. */
static void
check_program__malformed__kernel_refuses_too(void **state)
{
	(void)state;
	SET({ LOAD(64), RETURN(ALLOW) });
	assert_int_equal(kernel_accepts(&program), 0);
	SET({ BPF_STMT(BPF_JMP | BPF_JA, 1), RETURN(ALLOW) });
	assert_int_equal(kernel_accepts(&program), 0);
	SET({ LOAD(0), LOAD(0) });
	assert_int_equal(kernel_accepts(&program), 0);
	SET({ RETURN(ALLOW) });
	assert_int_equal(kernel_accepts(&program), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    eval_tests__each_comparison__takes_the_right_branch),
		cmocka_unit_test(eval_words__of_an_argument__low_half_first),
		cmocka_unit_test(
		    check_program__malformed__refused_and_evaluated_to_kill),
		cmocka_unit_test(check_program__longest__accepted),
		cmocka_unit_test(
		    check_program__mutants__kernel_accepts_what_passes),
		cmocka_unit_test(check_program__malformed__kernel_refuses_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
