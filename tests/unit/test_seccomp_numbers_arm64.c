/* The numbers of arm64 against the generic header, on which it is built. */
#include "unit.h"

#include "policy/seccomp_table.h"

/* What arch/arm64/include/uapi/asm/unistd.h asks of it. */
#undef __BITS_PER_LONG
#define __BITS_PER_LONG 64
#define __ARCH_WANT_RENAMEAT
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_SYS_CLONE3
#define __ARCH_WANT_MEMFD_SECRET
#include <asm-generic/unistd.h>

#include "seccomp_numbers.h"

static void
numbers_arm64__generic_header__agrees(void **state)
{
	(void)state;
	compare_numbers(SECCOMP_ARCH_ARM64);
}

/* 244 to 259 belong to other architectures, 295 to 423 to 32 bits. */
static void
numbers_arm64__holes__are_the_known_ones(void **state)
{
	unsigned char seen[SECCOMP_NR_HIGHEST + 1] = { 0 };

	(void)state;
	for (size_t i = 0; i < seccomp_nsyscalls; i++)
		if (seccomp_syscalls[i].nr[SECCOMP_ARCH_ARM64] >= 0)
			seen[seccomp_syscalls[i].nr[SECCOMP_ARCH_ARM64]] = 1;
	for (int nr = 0; nr <= SECCOMP_NR_HIGHEST; nr++)
		assert_int_equal(!seen[nr],
		    (nr >= 244 && nr <= 259) || (nr >= 295 && nr <= 423));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_arm64__generic_header__agrees),
		cmocka_unit_test(numbers_arm64__holes__are_the_known_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
