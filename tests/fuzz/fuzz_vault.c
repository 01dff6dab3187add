/*
 * fuzz_vault.c: proxy/vault/entry.c on any bytes, as if a key had been stolen
 * and a vault forged.  What is accepted is written back as the same bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/vault/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct entry_list list;
	unsigned char *bytes;
	size_t bound, n;
	uint32_t i;
	struct err e;

	if (entry_decode(data, size, &list, &e) == -1)
		return 0;
	bound = entry_bound(&list);
	bytes = malloc(bound);
	assert(bytes != NULL);
	assert(entry_encode(&list, bytes, bound, &n, &e) == 0);
	assert(n == size && memcmp(bytes, data, n) == 0);
	for (i = 0; i < list.n; i++) {
		(void)entry_serves(&list.entries[i], "api.example.com", 443);
		(void)entry_serves_user(&list.entries[i], "alice");
	}
	free(bytes);
	return 0;
}
