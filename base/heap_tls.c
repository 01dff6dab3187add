/* heap_tls.c: apart, for programs without OpenSSL. */
#include <openssl/crypto.h>

#include "heap.h"

static void *
heap_tls_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return heap_malloc(n);
}

static void *
heap_tls_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return heap_realloc(p, n);
}

static void
heap_tls_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	heap_free(p);
}

int
heap_tls(struct err *e)
{
	if (CRYPTO_set_mem_functions(heap_tls_malloc, heap_tls_realloc,
		heap_tls_free) != 1)
		return err_set(e, ERR_UNSUPPORTED,
		    "OpenSSL has allocated memory already");
	return 0;
}
