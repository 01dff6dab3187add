/* sha256.h: FIPS 180-4 SHA-256, for digests of plans and programs. */
#ifndef SHA256_H
#define SHA256_H

#include <stdint.h>

#include "base.h"

enum {
	SHA256_SIZE = 32,
	SHA256_HEX_SIZE = 2 * SHA256_SIZE + 1
};

struct sha256 {
	uint32_t state[8];
	uint64_t bytes;
	unsigned char block[64];
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t size);
void sha256_finish(struct sha256 *s, unsigned char ret_digest[SHA256_SIZE]);

/* The three of them over one buffer. */
void sha256_buffer(const void *data, size_t size,
    unsigned char ret_digest[SHA256_SIZE]);

/*
 * From here on by the processor's own instructions, if it has them (1).  Asking
 * for that costs microseconds in a virtual machine, so who has little to hash
 * does not.
 */
int sha256_use_processor(void);

/* Lower-case hex with its NUL. */
void sha256_hex(const unsigned char digest[SHA256_SIZE],
    char ret_hex[SHA256_HEX_SIZE]);

#endif /* !SHA256_H */
