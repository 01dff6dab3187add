/*
 * fuzz_text.c: base/text.c on any bytes.
 *
 * The first byte gives the size of the output buffer, the rest is the text.
 * Checked is what callers rely on: bounds, safe output, and that what a
 * function accepts it also writes and reads back.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether nothing in the text could move a cursor or hide another part. */
static int
is_safe(const char *s)
{
	size_t n = strlen(s);

	while (n > 0) {
		uint32_t c;
		size_t k = text_utf8_length(s, n, &c);

		if (k == 0 || text_is_unsafe(c))
			return 0;
		s += k;
		n -= k;
	}
	return 1;
}

static void
fuzz_escape(const uint8_t *p, size_t n, size_t room)
{
	char *once = malloc(room), *twice = malloc(room);
	size_t len;
	int cut;

	assert(once != NULL && twice != NULL);
	cut = text_escape(once, room, p, n);
	len = strlen(once);
	assert(len < room);
	assert(is_safe(once));
	assert(cut || len >= n);
	assert(!text_escape(twice, room, once, len));
	assert(strcmp(once, twice) == 0);
	free(once);
	free(twice);
}

static void
fuzz_json(const uint8_t *p, size_t n, size_t room)
{
	char *buf = malloc(room);
	struct text t;
	size_t i;

	assert(buf != NULL);
	text_init(&t, buf, room);
	text_add_json_bytes(&t, p, n);
	assert(t.len < room && strlen(buf) == t.len);
	assert(is_safe(buf));
	if (!t.truncated) {
		/* The only bare quotes are the first byte and the last. */
		assert(t.len >= 2 && buf[0] == '"' && buf[t.len - 1] == '"');
		for (i = 1; i < t.len - 1; i++) {
			assert(buf[i] != '"');
			if (buf[i] == '\\')
				i++;
		}
		assert(i == t.len - 1);
	}
	free(buf);
}

typedef int parse_fn(const char *, uint64_t, uint64_t *, struct err *);
typedef void add_fn(struct text *, uint64_t);

static void
fuzz_quantity(const char *s, parse_fn *parse, add_fn *add)
{
	uint64_t v = 0, again = 0;
	struct err e;
	char buf[64];
	struct text t;

	if (parse(s, UINT64_MAX, &v, &e) == -1) {
		assert(e.code == ERR_INVALID && is_safe(e.msg));
		return;
	}
	assert(parse(s, v, &again, &e) == 0 && again == v);
	assert(v == 0 || parse(s, v - 1, &again, &e) == -1);
	if (add == NULL)
		return;
	text_init(&t, buf, sizeof(buf));
	add(&t, v);
	assert(!t.truncated);
	assert(parse(buf, UINT64_MAX, &again, &e) == 0 && again == v);
}

static void
fuzz_path(const char *s, size_t room)
{
	char whole[TEXT_PATH_MAX], small[256];
	struct err e;

	if (text_path("/base/dir", s, whole, sizeof(whole), &e) == -1)
		return;
	assert(text_path_is_canonical(whole));
	assert(text_path_within(whole, "/"));
	assert(strstr(whole, "//") == NULL && strstr(whole, "/../") == NULL);
	if (text_path("/base/dir", s, small, room, &e) == 0)
		assert(strcmp(whole, small) == 0 && strlen(small) < room);
	else
		assert(e.code == ERR_LIMIT && strlen(whole) >= room);
}

static void
fuzz_nearest(const char *s)
{
	static const char *const names[] = { "filesystem", "memory", "pids" };
	const char *best = text_nearest(s, names, countof(names));

	assert(best == NULL || strlen(s) <= TEXT_WORD_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room;
	char *s;

	if (size == 0)
		return 0;
	room = (size_t)data[0] + 1;
	data++;
	size--;
	fuzz_escape(data, size, room);
	fuzz_json(data, size, room);
	s = malloc(size + 1);
	assert(s != NULL);
	if (size > 0)
		memcpy(s, data, size);
	s[size] = '\0';
	fuzz_quantity(s, text_parse_u64, NULL);
	fuzz_quantity(s, text_parse_size, text_add_size);
	fuzz_quantity(s, text_parse_duration, text_add_duration);
	fuzz_quantity(s, text_parse_milli, text_add_milli);
	fuzz_path(s, room);
	fuzz_nearest(s);
	free(s);
	return 0;
}
