/*
 * fuzz_scrub.c: proxy/scrub.c on any secret in any stream.
 *
 * The first bytes give the secret, the rest the stream, in which a byte of
 * 0xf0 and more stands for one of the secret's forms.  Whatever the cuts, the
 * result is the same, it is what a plain search makes of the whole, and no
 * form is left in it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "proxy/scrub.h"
#include "proxy/scrub_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	FUZZ_MAX = 1 << 16,
	FUZZ_SECRET_MAX = 48,
	FUZZ_FORM_MAX = SCRUB_FORM_GROWTH * (FUZZ_SECRET_MAX + 8),
};

static const char fuzz_mark[] = "\001"; /* in no form */

struct fuzz {
	struct scrub *scrub;
	unsigned char forms[SCRUB_FORM_KINDS][FUZZ_FORM_MAX];
	size_t form_size[SCRUB_FORM_KINDS];
	unsigned char text[FUZZ_MAX];
	size_t n;
};

static struct fuzz fuzz;

static int
fuzz_emit(void *ctx, const void *p, size_t n)
{
	struct err e;

	assert(n > 0);
	assert(buf_append(ctx, p, n, &e) == 0);
	return 0;
}

/* The next cut comes from the input too. */
static void
fuzz_run(const uint8_t *cuts, size_t ncuts, struct buf *out)
{
	struct scrub_stream t;
	size_t at = 0, i = 0;

	scrub_begin(&t, fuzz.scrub, fuzz_emit, out);
	while (at < fuzz.n) {
		size_t k = ncuts > 0 ? cuts[i++ % ncuts] % 24 + 1 : fuzz.n;

		k = k < fuzz.n - at ? k : fuzz.n - at;
		assert(scrub_feed(&t, fuzz.text + at, k) == 0);
		at += k;
	}
	assert(scrub_end(&t) == 0);
}

/* The longest form that the text ends in after "end" bytes from "from". */
static size_t
fuzz_match(size_t from, size_t end)
{
	size_t i, best = 0;

	for (i = 0; i < SCRUB_FORM_KINDS; i++) {
		size_t n = fuzz.form_size[i];

		if (n > best && n <= end - from &&
		    memcmp(fuzz.text + end - n, fuzz.forms[i], n) == 0)
			best = n;
	}
	return best;
}

static void
fuzz_plain(struct buf *out)
{
	size_t from = 0, end;

	for (end = 1; end <= fuzz.n; end++) {
		size_t n = fuzz_match(from, end);

		if (n == 0)
			continue;
		if (end - n > from)
			(void)fuzz_emit(out, fuzz.text + from, end - n - from);
		(void)fuzz_emit(out, fuzz_mark, 1);
		from = end;
	}
	if (fuzz.n > from)
		(void)fuzz_emit(out, fuzz.text + from, fuzz.n - from);
}

static void
fuzz_clean(const struct buf *out)
{
	size_t i;

	for (i = 0; i < SCRUB_FORM_KINDS; i++)
		assert(fuzz.form_size[i] == 0 || buf_size(out) == 0 ||
		       memmem(buf_bytes(out), buf_size(out), fuzz.forms[i],
			   fuzz.form_size[i]) == NULL);
}

static void
fuzz_same(const struct buf *a, const struct buf *b)
{
	assert(buf_size(a) == buf_size(b));
	assert(buf_size(a) == 0 ||
	       memcmp(buf_bytes(a), buf_bytes(b), buf_size(a)) == 0);
}

static void
fuzz_text(const uint8_t *p, size_t n)
{
	size_t i;

	fuzz.n = 0;
	for (i = 0; i < n && fuzz.n + FUZZ_FORM_MAX < FUZZ_MAX; i++) {
		size_t form = (size_t)p[i] - 0xf0 + (i % 2) * 8;

		if (p[i] == 1)
			continue;
		if (p[i] < 0xf0 || form >= SCRUB_FORM_KINDS) {
			fuzz.text[fuzz.n++] = p[i];
			continue;
		}
		memcpy(fuzz.text + fuzz.n, fuzz.forms[form],
		    fuzz.form_size[form]);
		fuzz.n += fuzz.form_size[form];
	}
}

static void
fuzz_streams(const uint8_t *p, size_t n)
{
	struct buf whole, cut, bytes, plain,
	    *all[] = { &whole, &cut, &bytes, &plain };
	static const uint8_t one[] = { 0 };
	size_t i;

	for (i = 0; i < 4; i++)
		buf_init(all[i], FUZZ_MAX);
	fuzz_text(p, n);
	fuzz_run(NULL, 0, &whole);
	fuzz_run(p, n, &cut);
	fuzz_run(one, 1, &bytes);
	fuzz_plain(&plain);
	for (i = 1; i < 4; i++)
		fuzz_same(&whole, all[i]);
	fuzz_clean(&whole);
	for (i = 0; i < 4; i++)
		buf_finish(all[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const users[] = { NULL, "a", "alice", "" };
	autosecret *s = NULL;
	const char *user;
	struct err e;
	size_t n, i;

	if (size < 2 + SCRUB_SECRET_MIN)
		return 0;
	user = users[data[0] % 4];
	n = SCRUB_SECRET_MIN + data[1] % (FUZZ_SECRET_MAX - SCRUB_SECRET_MIN);
	if (size < 2 + n || memchr(data + 2, 1, n) != NULL)
		return 0;
	assert(secret_create(data + 2, n, &s, &e) == 0);
	assert(scrub_create(&(struct scrub_entry){ s, user, fuzz_mark }, 1,
		   &fuzz.scrub, &e) == 0);
	for (i = 0; i < SCRUB_FORM_KINDS; i++)
		fuzz.form_size[i] = scrub_form_write((unsigned)i, data + 2, n,
		    user, fuzz.forms[i]);
	fuzz_streams(data + 2 + n, size - 2 - n);
	scrub_destroy(fuzz.scrub);
	return 0;
}
