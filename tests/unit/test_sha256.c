/* FIPS 180-4 SHA-256, by NIST's vectors and by splitting the input. */
#include "unit.h"

#include "sha256.h"

static void
expect(const void *data, size_t size, const char *hex)
{
	unsigned char digest[SHA256_SIZE];
	char got[SHA256_HEX_SIZE];

	sha256_buffer(data, size, digest);
	sha256_hex(digest, got);
	assert_string_equal(got, hex);
}

static void
sha256_buffer__nist_vectors__match(void **state)
{
	static const struct {
		const char *text;
		const char *hex;
	} rows[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb924"
		      "27ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223"
			 "b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		    "248d6a61d20638b8e5c026930c3e6039"
		    "a33ce45964ff2167f6ecedd419db06c1" },
		{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
		  "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
		    "cf5b16a778af8380036ce59e7b049237"
		    "0b249b11e8f07a51afac45037afee9d1" },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++)
		expect(rows[i].text, strlen(rows[i].text), rows[i].hex);
}

static void
sha256_update__a_million_letters__matches(void **state)
{
	unsigned char digest[SHA256_SIZE];
	char piece[1000];
	struct sha256 s;
	char hex[SHA256_HEX_SIZE];
	int i;

	(void)state;
	memset(piece, 'a', sizeof(piece));
	sha256_init(&s);
	for (i = 0; i < 1000; i++)
		sha256_update(&s, piece, sizeof(piece));
	sha256_finish(&s, digest);
	sha256_hex(digest, hex);
	assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67"
				 "f1809a48a497200e046d39ccc7112cd0");
}

/* Every length around two blocks, cut in two at every place. */
static void
sha256_update__every_split__equals_one_piece(void **state)
{
	unsigned char data[130], whole[SHA256_SIZE], split[SHA256_SIZE];
	size_t size, cut;

	(void)state;
	for (size = 0; size < sizeof(data); size++)
		data[size] = (unsigned char)(size * 37 + 11);
	for (size = 0; size <= sizeof(data); size++) {
		sha256_buffer(data, size, whole);
		for (cut = 0; cut <= size; cut++) {
			struct sha256 s;

			sha256_init(&s);
			sha256_update(&s, data, cut);
			sha256_update(&s, data + cut, size - cut);
			sha256_finish(&s, split);
			assert_memory_equal(split, whole, SHA256_SIZE);
		}
	}
}

/* The padding changes shape at 55, 56 and 64 bytes (sha256sum agrees). */
static void
sha256_buffer__padding_borders__match(void **state)
{
	char a[65];

	(void)state;
	memset(a, 'a', sizeof(a));
	expect(a, 55,
	    "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
	expect(a, 56,
	    "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
	expect(a, 64,
	    "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
	expect(a, 65,
	    "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0");
}

/* The last one: there is no way back. */
static void
sha256_use_processor__all_again__match(void **state)
{
	if (!sha256_use_processor())
		skip();
	sha256_buffer__nist_vectors__match(state);
	sha256_update__a_million_letters__matches(state);
	sha256_update__every_split__equals_one_piece(state);
	sha256_buffer__padding_borders__match(state);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_buffer__nist_vectors__match),
		cmocka_unit_test(sha256_update__a_million_letters__matches),
		cmocka_unit_test(sha256_update__every_split__equals_one_piece),
		cmocka_unit_test(sha256_buffer__padding_borders__match),
		cmocka_unit_test(sha256_use_processor__all_again__match),
	};
	return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
