#include "placeholder.h"

#include <mbedtls/hkdf.h>
#include <stdio.h>
#include <string.h>

#include "plan_net.h"

enum placeholder_letters {
	LETTERS_HEX,
	LETTERS_ALNUM,
	LETTERS_BASE64URL,
	LETTERS_DECIMAL,
};

static const char *const placeholder_letters[] = {
	[LETTERS_HEX] = "0123456789abcdef",
	[LETTERS_ALNUM] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			  "abcdefghijklmnopqrstuvwxyz0123456789",
	[LETTERS_BASE64URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz0123456789-_",
	[LETTERS_DECIMAL] = "0123456789",
};

/* A text, then so many letters made from the seed. */
struct placeholder_part {
	const char *text;
	enum placeholder_letters letters;
	unsigned n;
};

enum {
	PLACEHOLDER_PARTS = 5
};

/*
 * As their makers document them, or as clients and scanners are known to test
 * them.  "wdr" tells a person who finds one, where the form has room for it.
 */
static const struct placeholder_part
    placeholder_shapes[PLAN_NET_SHAPE__MAX][PLACEHOLDER_PARTS] = {
	    [PLAN_NET_SHAPE_opaque] = { { "wdr-placeholder-", LETTERS_ALNUM,
		32 } },
	    [PLAN_NET_SHAPE_hex] = { { "", LETTERS_HEX, 40 } },
	    [PLAN_NET_SHAPE_uuid] = { { "", LETTERS_HEX, 8 },
		{ "-", LETTERS_HEX, 4 }, { "-4", LETTERS_HEX, 3 },
		{ "-a", LETTERS_HEX, 3 }, { "-", LETTERS_HEX, 12 } },
	    /* {"alg":"HS256","typ":"JWT"}.{"iss":"warder","exp":4102444800}. */
	    [PLAN_NET_SHAPE_jwt] = { { "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
				       "eyJpc3MiOiJ3YXJkZXIiLCJleHAiOjQxMDI0NDQ4MDB"
				       "9.",
					 LETTERS_BASE64URL, 42 },
		{ "A", LETTERS_HEX, 0 } },
	    [PLAN_NET_SHAPE_github_pat] = { { "ghp_wdr", LETTERS_ALNUM, 33 } },
	    [PLAN_NET_SHAPE_gitlab_pat] = { { "glpat-wdr", LETTERS_BASE64URL,
		17 } },
	    [PLAN_NET_SHAPE_openai] = { { "sk-proj-wdr", LETTERS_ALNUM, 45 } },
	    [PLAN_NET_SHAPE_anthropic] = { { "sk-ant-api03-wdr",
					       LETTERS_BASE64URL, 90 },
		{ "AA", LETTERS_HEX, 0 } },
	    [PLAN_NET_SHAPE_google_api] = { { "AIzaWdr", LETTERS_BASE64URL,
		32 } },
	    [PLAN_NET_SHAPE_slack_bot] = { { "xoxb-", LETTERS_DECIMAL, 12 },
		{ "-", LETTERS_DECIMAL, 13 }, { "-wdr", LETTERS_ALNUM, 21 } },
	    [PLAN_NET_SHAPE_npm] = { { "npm_wdr", LETTERS_ALNUM, 33 } },
	    /* What every token of pypi.org begins with, then made up. */
	    [PLAN_NET_SHAPE_pypi] = { { "pypi-AgEIcHlwaS5vcmc",
		LETTERS_BASE64URL, 140 } },
    };

static size_t
placeholder_part(const struct placeholder_part *part,
    const unsigned char *random, char *to)
{
	const char *letters = placeholder_letters[part->letters];
	size_t n = strlen(part->text), count = strlen(letters), i;

	memcpy(to, part->text, n);
	for (i = 0; i < part->n; i++)
		to[n + i] = letters[random[i] % count];
	return n + part->n;
}

int
placeholder_make(const unsigned char seed[PLACEHOLDER_SEED_SIZE],
    const char *credential, unsigned shape, char ret[PLACEHOLDER_SIZE],
    struct err *e)
{
	static const unsigned char salt[] = "warder placeholder";
	unsigned char random[PLACEHOLDER_SIZE];
	const struct placeholder_part *parts;
	size_t n = 0, used = 0, i;

	if (shape >= PLAN_NET_SHAPE__MAX)
		return err_set(e, ERR_CORRUPT, "placeholder shape %u", shape);
	parts = placeholder_shapes[shape];
	if (mbedtls_hkdf(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), salt,
		sizeof(salt) - 1, seed, PLACEHOLDER_SEED_SIZE,
		(const unsigned char *)credential, strlen(credential), random,
		sizeof(random)) != 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "this mbedTLS has no HKDF-SHA256");
	for (i = 0; i < PLACEHOLDER_PARTS && parts[i].text != NULL; i++) {
		n += placeholder_part(&parts[i], random + used, ret + n);
		used += parts[i].n;
	}
	ret[n] = '\0';
	return 0;
}
