/*
 * fuzz_audit.c: base/audit.c on any file.  Its lines are checked in turn, as
 * "warder audit verify" does; what is accepted continues the chain.
 */
#include <assert.h>
#include <string.h>

#include "audit.h"

/* What is taken out of a line lies in it, between quotes. */
static void
look_at(const char *line, size_t n)
{
	char word[32], kind[AUDIT_KIND_SIZE];
	uint64_t number;

	audit_line_kind(line, n, kind);
	assert(strlen(kind) < sizeof(kind));
	if (audit_line_word(line, n, "policy", word, sizeof(word)) == 0)
		assert(memmem(line, n, word, strlen(word)) != NULL);
	if (audit_line_number(line, n, "first", &number) == 0)
		assert(memmem(line, n, "\"first\":", 8) != NULL);
}

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
		assert(c.head.seq > before && n <= AUDIT_LINE_MAX);
		look_at((const char *)data, n);
		data += n;
		size -= n;
	}
	return 0;
}
