#include "heap.h"

#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef MCL_ONFAULT
#	define MCL_ONFAULT 4
#endif

void *
heap_malloc(size_t n)
{
	return malloc(n);
}

void *
heap_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

char *
heap_strdup(const char *s)
{
	return strdup(s);
}

void
heap_free(void *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* Where there is room it stays; half of it unused is given back. */
void *
heap_realloc(void *p, size_t n)
{
	size_t old = p == NULL ? 0 : malloc_usable_size(p);
	void *to;

	if (p != NULL && n > 0 && n <= old && n >= old / 2) {
		explicit_bzero((char *)p + n, old - n);
		return p;
	}
	to = malloc(n > 0 ? n : 1);
	if (to == NULL)
		return NULL;
	if (p != NULL)
		memcpy(to, p, n < old ? n : old);
	heap_free(p);
	return to;
}

int
heap_lock(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_MEMLOCK, &l) == -1 || l.rlim_cur != RLIM_INFINITY)
		return 0;
	return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}
