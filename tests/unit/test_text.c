/* base/text.c: hostile bytes, strict numbers, near names, textual paths. */
#include "unit.h"

#include <stdint.h>

#include "text.h"

#define escaped(in, want) expect_escaped(in, sizeof(in) - 1, want)

static void
expect_escaped(const char *in, size_t n, const char *want)
{
	char got[256];

	assert_int_equal(text_escape(got, sizeof(got), in, n), 0);
	assert_string_equal(got, want);
}

static void
text_utf8_length__well_formed__length_and_character(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t want;
	} rows[] = {
		{ "A", 0x41 },
		{ "\x7f", 0x7f },
		{ "\xc2\x80", 0x80 },
		{ "\xdf\xbf", 0x7ff },
		{ "\xe0\xa0\x80", 0x800 },
		{ "\xed\x9f\xbf", 0xd7ff },
		{ "\xee\x80\x80", 0xe000 },
		{ "\xef\xbf\xbf", 0xffff },
		{ "\xf0\x90\x80\x80", 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 0x10ffff },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		size_t n = strlen(rows[i].bytes);
		uint32_t c = 0;

		assert_int_equal(text_utf8_length(rows[i].bytes, n, &c), n);
		assert_int_equal(c, rows[i].want);
		/* One byte less is a cut sequence. */
		assert_int_equal(text_utf8_length(rows[i].bytes, n - 1, NULL),
		    0);
	}
}

static void
text_is_utf8__malformed__refused(void **state)
{
	static const char *const rows[] = {
		"\x80", /* a continuation alone */
		"\xbf",
		"\xc0\x80", /* overlong NUL */
		"\xc1\xbf",
		"\xe0\x9f\xbf", /* overlong, three bytes */
		"\xf0\x8f\xbf\xbf",
		"\xed\xa0\x80", /* surrogates */
		"\xed\xbf\xbf",
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
		"\xc3(", /* no continuation */
		"\xe2\x82(",
		"abc\xe2\x82",
	};
	size_t i;

	(void)state;
	assert_true(text_is_utf8("gr\xc3\xbc\xc3\x9f\0e", 8));
	assert_true(text_is_utf8("", 0));
	for (i = 0; i < countof(rows); i++)
		if (text_is_utf8(rows[i], strlen(rows[i])))
			fail_msg("row %zu was accepted", i);
}

static void
text_escape__ordinary_text__unchanged(void **state)
{
	(void)state;
	escaped("", "");
	escaped("a b/c-d_e.f \"q\" \\x41", "a b/c-d_e.f \"q\" \\x41");
	escaped("gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x98\x80",
	    "gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x98\x80");
}

static void
text_escape__controls_bidi_and_bad_bytes__shown_as_hex(void **state)
{
	(void)state;
	escaped("a\0b", "a\\x00b");
	escaped("\t\n\r\x1b[31m", "\\x09\\x0a\\x0d\\x1b[31m");
	escaped("\x7f", "\\x7f");
	escaped("\xc2\x9b"
		"0m",
	    "\\xc2\\x9b0m"); /* C1: CSI */
	escaped("\x9b"
		"0m",
	    "\\x9b0m"); /* the same byte bare */
	escaped("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* U+202E */
	escaped("\xe2\x80\xaa", "\\xe2\\x80\\xaa");
	escaped("\xe2\x81\xa6", "\\xe2\\x81\\xa6"); /* U+2066 */
	escaped("\xe2\x81\xa9", "\\xe2\\x81\\xa9");
	escaped("\xc3(", "\\xc3(");
	escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");
	escaped("\xf3\xa0\x80\x81", "\\xf3\\xa0\\x80\\x81"); /* U+E0001 */
}

/* What may pass by itself, byte by byte and character by character. */
static void
text_escape__every_character__only_safe_ones_pass(void **state)
{
	uint32_t c;

	(void)state;
	for (c = 0; c < 0x80; c++) {
		char in = (char)c, got[8];

		(void)text_escape(got, sizeof(got), &in, 1);
		assert_int_equal(got[0] == in && got[1] == '\0',
		    c >= 0x20 && c != 0x7f);
	}
	for (c = 0x202a; c <= 0x202e; c++)
		assert_true(text_is_unsafe(c));
	for (c = 0x2066; c <= 0x2069; c++)
		assert_true(text_is_unsafe(c));
	for (c = 0x80; c <= 0x9f; c++)
		assert_true(text_is_unsafe(c));
	assert_false(text_is_unsafe(0xa0));
	assert_false(text_is_unsafe(0x2027));
	assert_false(text_is_unsafe(0x202f));
	assert_false(text_is_unsafe(0x1f600));
}

static void
text_escape__twice__changes_nothing(void **state)
{
	char once[64], twice[64];

	(void)state;
	(void)text_escape(once, sizeof(once), "\x1b]0;x\x07\xff", 7);
	(void)text_escape(twice, sizeof(twice), once, strlen(once));
	assert_string_equal(once, twice);
}

static void
text_add__beyond_the_buffer__marked_and_bounded(void **state)
{
	char buf[16];
	struct text t;
	size_t size;

	(void)state;
	/* Exactly full is not truncated; one more byte is. */
	text_init(&t, buf, 8);
	text_add(&t, "1234567");
	assert_false(t.truncated);
	assert_string_equal(buf, "1234567");
	text_add(&t, "8");
	assert_true(t.truncated);
	assert_string_equal(buf, "1234...");
	text_add(&t, "9");
	text_addf(&t, "%d", 10);
	assert_string_equal(buf, "1234...");
	assert_int_equal(t.len, 7);

	for (size = 1; size <= sizeof(buf); size++) {
		memset(buf, '#', sizeof(buf));
		text_init(&t, buf, size);
		text_addf(&t, "%s-%d", "a rather long text", 123);
		assert_true(t.truncated);
		assert_int_equal(strlen(buf), size - 1);
		assert_int_equal(t.len, size - 1);
		if (size < sizeof(buf))
			assert_int_equal(buf[size], '#');
	}
}

/* The mark must not leave half a character, whose rest could be anything. */
static void
text_add__cut_inside_a_character__still_utf8(void **state)
{
	static const char in[] = "x\xf0\x9f\x98\x80\xe6\xbc\xa2\xc3\xbc"
				 "\xf0\x9f\x98\x80\xf0\x9f\x98\x80";
	char buf[sizeof(in)];
	size_t size;

	(void)state;
	for (size = 1; size <= sizeof(buf); size++) {
		struct text t;

		text_init(&t, buf, size);
		text_add(&t, in);
		assert_true(text_is_utf8(buf, strlen(buf)));
		assert_int_equal(t.truncated, size < sizeof(in));
		text_init(&t, buf, size);
		text_addf(&t, "%s", in);
		assert_true(text_is_utf8(buf, strlen(buf)));
		(void)text_escape(buf, size, in, sizeof(in) - 1);
		assert_true(text_is_utf8(buf, strlen(buf)));
	}
}

static void
expect_json(const char *in, size_t n, const char *want)
{
	char buf[128];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add_json_bytes(&t, in, n);
	assert_false(t.truncated);
	assert_string_equal(buf, want);
}

static void
text_add_json__hostile_bytes__valid_ascii_safe_json(void **state)
{
	(void)state;
	expect_json("", 0, "\"\"");
	expect_json("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
	expect_json("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
	expect_json("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"");
	expect_json("\xc2\x85", 2, "\"\\u0085\"");
	expect_json("\xe2\x80\xae", 3, "\"\\u202e\"");
	expect_json("\xf3\xa0\x81\x81", 4, "\"\\udb40\\udc41\"");
	expect_json("\xff\xc3", 2, "\"\\ufffd\\ufffd\"");
	expect_json("\xc3\xbc\xf0\x9f\x98\x80", 6,
	    "\"\xc3\xbc\xf0\x9f\x98\x80\"");
}

static void
text_add_json__no_room__truncated(void **state)
{
	char buf[8];
	struct text t;

	(void)state;
	text_init(&t, buf, sizeof(buf));
	text_add_json(&t, "12345");
	assert_false(t.truncated);
	assert_string_equal(buf, "\"12345\"");
	text_init(&t, buf, sizeof(buf));
	text_add_json(&t, "123456");
	assert_true(t.truncated);
}

typedef int (*parse)(const char *, uint64_t, uint64_t *, struct err *);

struct parse_row {
	const char *text;
	uint64_t max;
	uint64_t want;
};

static void
expect_parsed(parse fn, const struct parse_row *rows, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint64_t v = 4711;
		struct err e;

		if (fn(rows[i].text, rows[i].max, &v, &e) != 0)
			fail_msg("%s: %s", rows[i].text, e.msg);
		assert_int_equal(v, rows[i].want);
	}
}

static void
expect_unparsed(parse fn, const struct parse_row *rows, size_t n,
    const char *says)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint64_t v = 4711;
		struct err e;

		assert_refused(fn(rows[i].text, rows[i].max, &v, &e), &e,
		    ERR_INVALID, says);
		assert_int_equal(v, 4711);
	}
}

static void
text_parse_u64__borders__exact(void **state)
{
	static const struct parse_row good[] = {
		{ "0", 0, 0 },
		{ "7", 7, 7 },
		{ "10", UINT64_MAX, 10 },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX },
	};
	static const struct parse_row bad[] = {
		{ "", 9, 0 }, { "8", 7, 0 }, { "1", 0, 0 },
		{ "18446744073709551616", UINT64_MAX, 0 },
		{ "18446744073709551620", UINT64_MAX, 0 },
		{ "99999999999999999999999", UINT64_MAX, 0 }, { "-1", 9, 0 },
		{ "+1", 9, 0 }, { " 1", 9, 0 }, { "1 ", 9, 0 }, { "1\n", 9, 0 },
		{ "00", 9, 0 }, { "01", 9, 0 }, { "0x1", 9, 0 }, { "1a", 9, 0 },
		{ "1e3", 9999, 0 }, { "1.0", 9, 0 }, { "1_000", 9999, 0 },
		{ "\xd9\xa1", 9, 0 }, /* an Arabic digit */
	};

	(void)state;
	expect_parsed(text_parse_u64, good, countof(good));
	expect_unparsed(text_parse_u64, bad, countof(bad), "decimal digits");
}

static void
text_parse_size__units__bytes(void **state)
{
	static const struct parse_row good[] = {
		{ "0", 0, 0 },
		{ "0KiB", 0, 0 },
		{ "1B", 1, 1 },
		{ "512KiB", UINT64_MAX, 512 << 10 },
		{ "64MiB", 64 << 20, 64 << 20 },
		{ "4GiB", UINT64_MAX, 4ull << 30 },
		{ "2TiB", UINT64_MAX, 2ull << 40 },
		{ "16777215TiB", UINT64_MAX, 16777215ull << 40 },
	};
	static const struct parse_row bad[] = {
		{ "", UINT64_MAX, 0 },
		{ "1", UINT64_MAX, 0 }, /* bytes? refused, not guessed */
		{ "64MB", UINT64_MAX, 0 },
		{ "64M", UINT64_MAX, 0 },
		{ "64mib", UINT64_MAX, 0 },
		{ "64 MiB", UINT64_MAX, 0 },
		{ "MiB", UINT64_MAX, 0 },
		{ "-1MiB", UINT64_MAX, 0 },
		{ "1.5GiB", UINT64_MAX, 0 },
		{ "01GiB", UINT64_MAX, 0 },
		{ "1GiBx", UINT64_MAX, 0 },
		{ "65MiB", 64 << 20, 0 },
		{ "16777216TiB", UINT64_MAX, 0 }, /* 2^64 */
		{ "18446744073709551615KiB", UINT64_MAX, 0 },
	};

	(void)state;
	expect_parsed(text_parse_size, good, countof(good));
	expect_unparsed(text_parse_size, bad, countof(bad), "64MiB");
}

static void
text_parse_duration__units__milliseconds(void **state)
{
	static const struct parse_row good[] = {
		{ "0", 0, 0 },
		{ "250ms", 250, 250 },
		{ "30s", UINT64_MAX, 30000 },
		{ "10m", UINT64_MAX, 600000 },
		{ "2h", UINT64_MAX, 7200000 },
		{ "7d", UINT64_MAX, 604800000 },
	};
	static const struct parse_row bad[] = {
		{ "10", UINT64_MAX, 0 }, { "10min", UINT64_MAX, 0 },
		{ "1h30m", UINT64_MAX, 0 }, { "1.5h", UINT64_MAX, 0 },
		{ "-1s", UINT64_MAX, 0 }, { "1S", UINT64_MAX, 0 },
		{ "31s", 30000, 0 },
		{ "213503982335d", UINT64_MAX, 0 }, /* above 2^64 ms */
	};

	(void)state;
	expect_parsed(text_parse_duration, good, countof(good));
	expect_unparsed(text_parse_duration, bad, countof(bad), "10m");
}

static void
text_parse_milli__decimals__thousandths(void **state)
{
	static const struct parse_row good[] = {
		{ "0", 0, 0 },
		{ "2", UINT64_MAX, 2000 },
		{ "0.5", 500, 500 },
		{ "1.125", 1125, 1125 },
		{ "0.001", 1, 1 },
		{ "2.50", UINT64_MAX, 2500 },
		{ "18446744073709551.615", UINT64_MAX, UINT64_MAX },
	};
	static const struct parse_row bad[] = {
		{ "", UINT64_MAX, 0 },
		{ ".5", UINT64_MAX, 0 },
		{ "1.", UINT64_MAX, 0 },
		{ "1.2345", UINT64_MAX, 0 },
		{ "1.2.3", UINT64_MAX, 0 },
		{ "1,5", UINT64_MAX, 0 },
		{ "1.-5", UINT64_MAX, 0 },
		{ "-0.5", UINT64_MAX, 0 },
		{ "0.501", 500, 0 },
		{ "1.126", 1125, 0 },
		{ "18446744073709551.616", UINT64_MAX, 0 },
		{ "18446744073709552", UINT64_MAX, 0 },
	};

	(void)state;
	expect_parsed(text_parse_milli, good, countof(good));
	expect_unparsed(text_parse_milli, bad, countof(bad), "1.125");
}

static void
text_parse__refusal__names_the_maximum_and_escapes_the_value(void **state)
{
	uint64_t v;
	struct err e;

	(void)state;
	assert_refused(text_parse_size("9GiB", 1ull << 30, &v, &e), &e,
	    ERR_INVALID, "at most 1GiB");
	assert_refused(text_parse_duration("9d", 90000, &v, &e), &e,
	    ERR_INVALID, "at most 90s");
	assert_refused(text_parse_milli("9", 2500, &v, &e), &e, ERR_INVALID,
	    "at most 2.5");
	assert_refused(text_parse_u64("\x1b[2J", 17, &v, &e), &e, ERR_INVALID,
	    "'\\x1b[2J' is not");
	assert_null(strchr(e.msg, 0x1b));
	/* A value of any length makes a short message. */
	assert_refused(
	    text_parse_u64("99999999999999999999999999999999999999999999999999"
			   "99999999999999999999999999999999999999999999999999",
		17, &v, &e),
	    &e, ERR_INVALID, "9...' is not");
}

static void
text_add_quantities__round_trip__shortest(void **state)
{
	static const struct {
		void (*add)(struct text *, uint64_t);
		parse read;
		uint64_t value;
		const char *want;
	} rows[] = {
		{ text_add_size, text_parse_size, 0, "0" },
		{ text_add_size, text_parse_size, 1023, "1023B" },
		{ text_add_size, text_parse_size, 1 << 20, "1MiB" },
		{ text_add_size, text_parse_size, 1536 << 20, "1536MiB" },
		{ text_add_size, text_parse_size, 3ull << 40, "3TiB" },
		{ text_add_duration, text_parse_duration, 0, "0" },
		{ text_add_duration, text_parse_duration, 1500, "1500ms" },
		{ text_add_duration, text_parse_duration, 90000, "90s" },
		{ text_add_duration, text_parse_duration, 600000, "10m" },
		{ text_add_duration, text_parse_duration, 172800000, "2d" },
		{ text_add_milli, text_parse_milli, 0, "0" },
		{ text_add_milli, text_parse_milli, 2000, "2" },
		{ text_add_milli, text_parse_milli, 1500, "1.5" },
		{ text_add_milli, text_parse_milli, 1050, "1.05" },
		{ text_add_milli, text_parse_milli, 7, "0.007" },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		char buf[32];
		uint64_t v = 4711;
		struct text t;

		text_init(&t, buf, sizeof(buf));
		rows[i].add(&t, rows[i].value);
		assert_string_equal(buf, rows[i].want);
		assert_int_equal(rows[i].read(buf, UINT64_MAX, &v, NULL), 0);
		assert_int_equal(v, rows[i].value);
	}
}

static void
text_add_time__milliseconds__utc(void **state)
{
	static const struct {
		uint64_t ms;
		const char *want;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 951827696007, "2000-02-29T12:34:56.007Z" },
		{ 1795209685332, "2026-11-20T21:21:25.332Z" },
		{ UINT64_MAX, "584556019-04-03T14:25:51.615Z" },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		char buf[32];
		struct text t;

		text_init(&t, buf, sizeof(buf));
		text_add_time(&t, rows[i].ms);
		assert_string_equal(buf, rows[i].want);
	}
}

static void
text_nearest__typing_mistakes__found(void **state)
{
	static const char *const names[] = { "filesystem", "limits", "memory",
		"process", "protect", "pids", "cpu" };

	static const struct {
		const char *word;
		const char *want;
	} rows[] = {
		{ "memroy", "memory" }, /* a swap is one mistake */
		{ "Memory", "memory" },
		{ "limit", "limits" },
		{ "filesytem", "filesystem" },
		{ "file_system", "filesystem" },
		{ "proces", "process" },
		{ "pid", "pids" },
		{ "cpus", "cpu" },
		{ "mem", "memory" }, /* broken off */
		{ "FILE", "filesystem" },
		{ "me", NULL },
		{ "pro", "process" },
		{ "network", NULL },
		{ "x", NULL },
		{ "", NULL },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    NULL },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		const char *got =
		    text_nearest(rows[i].word, names, countof(names));

		if (rows[i].want == NULL)
			assert_null(got);
		else
			assert_string_equal(got, rows[i].want);
	}
}

static void
text_nearest__several_near__the_nearest(void **state)
{
	static const char *const names[] = { "ready", "reads", "read" };
	static const char *const twins[] = { "pidx", "pidy", "z" };

	(void)state;
	/* Of equals the first; and never a name that shares no letter. */
	assert_string_equal(text_nearest("pids", twins, 3), "pidx");
	assert_null(text_nearest("a", twins, 3));
	assert_string_equal(text_nearest("reed", names, 3), "read");
	assert_string_equal(text_nearest("READ", names, 3), "read");
}

static void
text_path__dots_and_slashes__canonical(void **state)
{
	static const struct {
		const char *dir;
		const char *path;
		const char *want;
	} rows[] = {
		{ "/", "/", "/" },
		{ "/a/b", ".", "/a/b" },
		{ "/a/b", "..", "/a" },
		{ "/a/b", "../..", "/" },
		{ "/a/b", "../../../../etc", "/etc" },
		{ "/a/b/", "c//d/", "/a/b/c/d" },
		{ "/a", "./x/./y/../z", "/a/x/z" },
		{ "/a", "/../..", "/" },
		{ "/a", "//x///y//", "/x/y" },
		{ "/a", "/...", "/..." },
		{ "/a", "..x", "/a/..x" },
		{ "/a", ".hidden", "/a/.hidden" },
		{ "not absolute", "/x", "/x" },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		char got[64];

		assert_int_equal(text_path(rows[i].dir, rows[i].path, got,
				     sizeof(got), NULL),
		    0);
		assert_string_equal(got, rows[i].want);
		assert_true(text_path_is_canonical(got));
	}
}

static void
text_path__bad_input__refused_and_result_untouched(void **state)
{
	static char longest[TEXT_PATH_MAX + 1];
	char ret[8] = "kept";
	struct err e;

	(void)state;
	assert_refused(text_path("/", "", ret, sizeof(ret), &e), &e,
	    ERR_INVALID, "empty");
	assert_refused(text_path("a", "b", ret, sizeof(ret), &e), &e,
	    ERR_INVALID, "absolute");
	assert_refused(text_path("/", "/12345678", ret, sizeof(ret), &e), &e,
	    ERR_LIMIT, "longer than 7");
	assert_refused(text_path("/", "/1234567", ret, sizeof(ret), &e), &e,
	    ERR_LIMIT, "longer than 7");
	assert_string_equal(ret, "kept");
	assert_int_equal(text_path("/", "/123456", ret, sizeof(ret), &e), 0);
	assert_string_equal(ret, "/123456");

	memset(longest, '/', TEXT_PATH_MAX);
	assert_refused(text_path("/", longest, ret, sizeof(ret), &e), &e,
	    ERR_LIMIT, "4095");
	longest[TEXT_PATH_MAX - 1] = '\0';
	assert_int_equal(text_path("/", longest, ret, sizeof(ret), &e), 0);
	assert_string_equal(ret, "/");
	longest[TEXT_PATH_MAX - 1] = '/';
	assert_refused(text_path(longest, "x", ret, sizeof(ret), &e), &e,
	    ERR_LIMIT, "4095");
}

static void
text_path_is_canonical__other_spellings__no(void **state)
{
	static const char *const rows[] = { "", "a", "./a", "/a/", "//",
		"/a//b", "/a/./b", "/a/../b", "/..", "/." };
	size_t i;

	(void)state;
	assert_true(text_path_is_canonical("/"));
	assert_true(text_path_is_canonical("/a/..b/.c"));
	for (i = 0; i < countof(rows); i++)
		assert_false(text_path_is_canonical(rows[i]));
}

static void
text_path_within__borders_of_names__respected(void **state)
{
	(void)state;
	assert_true(text_path_within("/a", "/a"));
	assert_true(text_path_within("/a/b", "/a"));
	assert_true(text_path_within("/a", "/"));
	assert_true(text_path_within("/", "/"));
	assert_false(text_path_within("/ab", "/a"));
	assert_false(text_path_within("/a", "/a/b"));
	assert_false(text_path_within("/", "/a"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    text_utf8_length__well_formed__length_and_character),
		cmocka_unit_test(text_is_utf8__malformed__refused),
		cmocka_unit_test(text_escape__ordinary_text__unchanged),
		cmocka_unit_test(
		    text_escape__controls_bidi_and_bad_bytes__shown_as_hex),
		cmocka_unit_test(
		    text_escape__every_character__only_safe_ones_pass),
		cmocka_unit_test(text_escape__twice__changes_nothing),
		cmocka_unit_test(
		    text_add__beyond_the_buffer__marked_and_bounded),
		cmocka_unit_test(text_add__cut_inside_a_character__still_utf8),
		cmocka_unit_test(
		    text_add_json__hostile_bytes__valid_ascii_safe_json),
		cmocka_unit_test(text_add_json__no_room__truncated),
		cmocka_unit_test(text_parse_u64__borders__exact),
		cmocka_unit_test(text_parse_size__units__bytes),
		cmocka_unit_test(text_parse_duration__units__milliseconds),
		cmocka_unit_test(text_parse_milli__decimals__thousandths),
		cmocka_unit_test(
		    text_parse__refusal__names_the_maximum_and_escapes_the_value),
		cmocka_unit_test(text_add_quantities__round_trip__shortest),
		cmocka_unit_test(text_add_time__milliseconds__utc),
		cmocka_unit_test(text_nearest__typing_mistakes__found),
		cmocka_unit_test(text_nearest__several_near__the_nearest),
		cmocka_unit_test(text_path__dots_and_slashes__canonical),
		cmocka_unit_test(
		    text_path__bad_input__refused_and_result_untouched),
		cmocka_unit_test(text_path_is_canonical__other_spellings__no),
		cmocka_unit_test(text_path_within__borders_of_names__respected),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
