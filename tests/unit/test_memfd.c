/*
 * base/memfd.c: bytes handed over in sealed memfds.
 *
 * Whoever receives one relies on the seals alone: each missing one is
 * refused.
 */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "memfd.h"

enum {
	ALL = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL
};

static int
sealed(int seals, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_not_equal(fd, -1);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void
memfd_create_sealed__bytes__mapped_again(void **state)
{
	autofd fd = memfd_create_sealed("test", "abc", 3, NULL);
	const void *p = NULL;
	size_t n = 0;

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(memfd_map(fd, 3, &p, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(p, "abc", 3);
	memfd_unmap(p, n);
}

static void
memfd_create_sealed__writing__refused(void **state)
{
	autofd fd = memfd_create_sealed("test", "abc", 3, NULL);

	(void)state;
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 9), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
}

static void
memfd_map__a_seal_is_missing__corrupt(void **state)
{
	static const int each[] = { F_SEAL_WRITE, F_SEAL_GROW, F_SEAL_SHRINK,
		F_SEAL_SEAL };
	const void *p;
	size_t i, n;

	(void)state;
	for (i = 0; i < countof(each); i++) {
		autofd fd = sealed(ALL & ~each[i], 8);
		struct err e = { 0 };

		assert_int_equal(memfd_map(fd, 8, &p, &n, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
	}
}

static void
memfd_map__no_memfd__corrupt(void **state)
{
	autofd fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };
	const void *p;
	size_t n;

	(void)state;
	assert_int_equal(memfd_map(fd, 1 << 30, &p, &n, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
}

static void
memfd_map__size__between_1_and_max(void **state)
{
	static const struct {
		size_t size;
		int rc;
	} rows[] = { { 0, -1 }, { 1, 0 }, { 8, 0 }, { 9, -1 } };

	size_t i, n = 0;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		autofd fd = sealed(ALL, rows[i].size);
		const void *p = NULL;

		assert_int_equal(memfd_map(fd, 8, &p, &n, NULL), rows[i].rc);
		memfd_unmap(p, n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memfd_create_sealed__bytes__mapped_again),
		cmocka_unit_test(memfd_create_sealed__writing__refused),
		cmocka_unit_test(memfd_map__a_seal_is_missing__corrupt),
		cmocka_unit_test(memfd_map__no_memfd__corrupt),
		cmocka_unit_test(memfd_map__size__between_1_and_max),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
