/*
 * fuzz_audit.c: base/audit.c on any file.  Its lines are checked in turn, as
 * "warder audit verify" does; what is accepted continues the chain.
 */
#include <assert.h>
#include <string.h>

#include "audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct audit_check c;
	struct err e;

	audit_check_init(&c);
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t n = end != NULL ? (size_t)(end - data) + 1 : size;
		uint64_t before = c.head.seq;

		if (audit_check_line(&c, (const char *)data, n, &e) == -1) {
			assert(c.head.seq == before);
			return 0;
		}
		assert(c.head.seq == before + 1 && n <= AUDIT_LINE_MAX);
		data += n;
		size -= n;
	}
	return 0;
}
