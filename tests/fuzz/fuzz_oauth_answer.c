/*
 * fuzz_oauth_answer.c: proxy/vault/oauth_answer.c on any answer.
 *
 * The first byte says whether the status is 200.  A token that is accepted
 * can be a header's: no control byte, no blank at its ends.
 */
#include <assert.h>
#include <string.h>

#include "proxy/vault/entry.h"
#include "proxy/vault/oauth_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oauth_answer a;
	struct err e = { 0 };

	if (size == 0)
		return 0;
	if (oauth_answer_read(data[0] % 4 == 0 ? 400 : 200, data + 1, size - 1,
		&a, &e) == -1) {
		assert(e.code != ERR_OK && e.msg[0] != '\0');
		return 0;
	}
	assert(a.access != NULL && a.expires_s <= OAUTH_EXPIRES_MAX_S);
	assert(entry_check_secret(secret_bytes(a.access), secret_size(a.access),
		   &e) == 0);
	oauth_answer_finish(&a);
	return 0;
}
