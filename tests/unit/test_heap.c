/* base/heap.c: what was freed is not there any more. */
#include "unit.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "heap.h"

#if defined(__SANITIZE_ADDRESS__)
#	define HEAP_SANITIZED 1
#else
#	define HEAP_SANITIZED 0
#endif

enum {
	SIZE = 800,
	LINKS = 16, /* malloc keeps its own there */
};

static int
has_canary(const unsigned char *p, size_t from, size_t to)
{
	for (; from < to; from++)
		if (p[from] == 0xa5)
			return 1;
	return 0;
}

/* Free memory comes back from malloc as it is: what was in it is seen. */
static int
survives(void (*give_back)(void *))
{
	unsigned char *volatile p = malloc(SIZE), *volatile again;
	size_t n = malloc_usable_size(p);
	int r;

	memset(p, 0xa5, n);
	give_back(p);
	again = malloc(SIZE);
	assert_ptr_equal(again, p);
	r = has_canary(again, LINKS, n);
	free(again);
	return r;
}

static void
heap_free__what_was_in_it__gone(void **state)
{
	(void)state;
	if (HEAP_SANITIZED)
		skip(); /* its free is another one */
	assert_true(survives(free)); /* the control */
	assert_false(survives(heap_free));
	heap_free(NULL);
}

static void
heap_realloc__smaller__tail_wiped_bytes_kept(void **state)
{
	unsigned char *p = heap_malloc(SIZE), *q;
	size_t n = malloc_usable_size(p), i;

	(void)state;
	memset(p, 0xa5, n);
	q = heap_realloc(p, n - 100);
	assert_ptr_equal(q, p);
	for (i = 0; i < n - 100; i++)
		assert_int_equal(q[i], 0xa5);
	assert_false(has_canary(q, n - 100, n));
	q = heap_realloc(q, 10);
	for (i = 0; i < 10; i++)
		assert_int_equal(q[i], 0xa5);
	heap_free(q);
}

static void
heap_realloc__larger__bytes_kept(void **state)
{
	char *p = heap_strdup("swordfish"), *q = heap_realloc(p, 4096);

	(void)state;
	assert_string_equal(q, "swordfish");
	q = heap_realloc(q, 100000);
	assert_string_equal(q, "swordfish");
	heap_free(q);
	q = heap_realloc(NULL, 10);
	assert_non_null(q);
	heap_free(q);
}

static void
heap_lock__by_the_limit__all_or_nothing(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct rlimit some = { 1 << 20, 1 << 20 };

		(void)setrlimit(RLIMIT_MEMLOCK, &some);
		/* with so little nothing could be allocated any more */
		_exit(heap_lock() == 0 && malloc(8 << 20) != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heap_free__what_was_in_it__gone),
		cmocka_unit_test(heap_realloc__smaller__tail_wiped_bytes_kept),
		cmocka_unit_test(heap_realloc__larger__bytes_kept),
		cmocka_unit_test(heap_lock__by_the_limit__all_or_nothing),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
