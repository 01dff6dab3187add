/* The numbers of x86-64 against the kernel's header for it. */
#include "unit.h"

#include "policy/seccomp_table.h"

#ifdef __x86_64__
#	include <asm/unistd_64.h>
#endif

#include "seccomp_numbers.h"

static void
numbers_x86_64__kernel_header__agrees(void **state)
{
	(void)state;
#ifdef __x86_64__
	compare_numbers(SECCOMP_ARCH_X86_64);
#else
	unit_skip("no <asm/unistd_64.h> of x86-64 on this architecture");
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_x86_64__kernel_header__agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
