/*
 * seccomp_numbers.h: compare the table of numbers with a kernel header.
 *
 * Include the header first: two of them define the same names, so each has a
 * test program of its own.  A name that it lacks is newer than it (or gone).
 */
#ifndef SECCOMP_NUMBERS_H
#define SECCOMP_NUMBERS_H

#include "unit.h"

#include "policy/seccomp_table.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

static const struct {
	const char *name;
	const char *number; /* digits, or "__NR_name" where it is not defined */
} header[] = {

#define SYSCALL(n, x86_64, arm64) { #n, TEXT(__NR_##n) },
#include "policy/data/syscalls.def"
#undef SYSCALL
};

enum {
	HEADER_MIN = 300 /* names that any supported header has */
};

static inline void
compare_numbers(enum seccomp_arch arch)
{
	size_t compared = 0;
	int nr;

	for (size_t i = 0; i < countof(header); i++) {
		nr = seccomp_syscalls[i].nr[arch];
		if (header[i].number[0] == '_')
			continue;
		compared++;
		if (nr != (int)strtol(header[i].number, NULL, 10))
			fail_msg("%s is %d, the header says %s", header[i].name,
			    nr, header[i].number);
	}
	assert_true(compared >= HEADER_MIN);
}

#endif /* !SECCOMP_NUMBERS_H */
