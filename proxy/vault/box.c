#include "box.h"

#include <mbedtls/gcm.h>
#include <mbedtls/hkdf.h>
#include <string.h>
#include <sys/random.h>

enum {
	BOX_VERSION = 1,
	BOX_NONCE_AT = 16,
	BOX_NONCE_SIZE = 12,
};

static const char box_magic[4] = "WVLT";

static void
box_put(unsigned char *p, uint64_t n, unsigned bytes)
{
	unsigned i;

	for (i = 0; i < bytes; i++)
		p[i] = (unsigned char)(n >> (8 * i));
}

static uint64_t
box_get(const unsigned char *p, unsigned bytes)
{
	uint64_t n = 0;

	while (bytes-- > 0)
		n = n << 8 | p[bytes];
	return n;
}

/* The derived key lies in secret memory; the context's is wiped by free. */
static int
box_context(const struct secret *key, mbedtls_gcm_context *c, struct err *e)
{
	static const unsigned char salt[] = "warder-vault";
	static const unsigned char info[] = "file 1";
	autosecret *derived = NULL;

	if (secret_size(key) != BOX_KEY_SIZE)
		return err_set(e, ERR_CORRUPT,
		    "the vault's key has %zu bytes, not %d", secret_size(key),
		    BOX_KEY_SIZE);
	if (secret_create_room(BOX_KEY_SIZE, &derived, e) == -1)
		return -1;
	if (mbedtls_hkdf(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), salt,
		sizeof(salt) - 1, secret_bytes(key), BOX_KEY_SIZE, info,
		sizeof(info) - 1, secret_room(derived), BOX_KEY_SIZE) != 0 ||
	    mbedtls_gcm_setkey(c, MBEDTLS_CIPHER_ID_AES, secret_bytes(derived),
		8 * BOX_KEY_SIZE) != 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "this mbedTLS has no HKDF-SHA256 or AES-256-GCM");
	return 0;
}

static int
box_nonce(unsigned char *p, struct err *e)
{
	if (getrandom(p, BOX_NONCE_SIZE, 0) != BOX_NONCE_SIZE)
		return err_set(e, ERR_SYSTEM, "getrandom");
	return 0;
}

int
box_seal(const struct secret *key, uint64_t generation, const void *p, size_t n,
    unsigned char *out, struct err *e)
{
	cleanup(mbedtls_gcm_free) mbedtls_gcm_context c;
	unsigned char *text = out + BOX_HEAD_SIZE;

	mbedtls_gcm_init(&c);
	memcpy(out, box_magic, sizeof(box_magic));
	box_put(out + 4, BOX_VERSION, 4);
	box_put(out + 8, generation, 8);
	if (box_nonce(out + BOX_NONCE_AT, e) == -1 ||
	    box_context(key, &c, e) == -1)
		return -1;
	if (mbedtls_gcm_crypt_and_tag(&c, MBEDTLS_GCM_ENCRYPT, n,
		out + BOX_NONCE_AT, BOX_NONCE_SIZE, out, BOX_HEAD_SIZE, p, text,
		BOX_TAG_SIZE, text + n) != 0)
		return err_set(e, ERR_UNSUPPORTED, "AES-256-GCM failed");
	return 0;
}

int
box_open(const struct secret *key, const unsigned char *p, size_t n, void *out,
    uint64_t *ret_generation, struct err *e)
{
	cleanup(mbedtls_gcm_free) mbedtls_gcm_context c;
	size_t size = n - BOX_OVERHEAD;

	mbedtls_gcm_init(&c);
	if (n < BOX_OVERHEAD || memcmp(p, box_magic, sizeof(box_magic)) != 0)
		return err_set(e, ERR_CORRUPT, "it is not a vault");
	if (box_get(p + 4, 4) != BOX_VERSION)
		return err_set(e, ERR_CORRUPT,
		    "it is a vault of version %u; this build reads %d",
		    (unsigned)box_get(p + 4, 4), BOX_VERSION);
	if (box_context(key, &c, e) == -1)
		return -1;
	if (mbedtls_gcm_auth_decrypt(&c, size, p + BOX_NONCE_AT, BOX_NONCE_SIZE,
		p, BOX_HEAD_SIZE, p + BOX_HEAD_SIZE + size, BOX_TAG_SIZE,
		p + BOX_HEAD_SIZE, out) != 0) {
		secret_wipe(out, size);
		return err_set(e, ERR_CORRUPT,
		    "it was changed, or sealed by another key");
	}
	*ret_generation = box_get(p + 8, 8);
	return 0;
}
