#include <stdint.h>
#include <string.h>

#include "glob.h"

enum {
	ESCAPED = 1 << 8, /* the character was written %XX */
	SLASH = ESCAPED | '/',
};

/* How the two sides are spelled. */
enum spelling {
	SPELL_PATH, /* %XX is one character, told apart from the plain one */
	SPELL_PATH_WIDE, /* %XX is the character it stands for */
	SPELL_QUERY, /* %XX and "+" are decoded */
	SPELL_TEXT, /* every byte is itself */
};

struct span {
	const char *s;
	size_t n;
};

static unsigned
hex_value(unsigned char c)
{
	return c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10;
}

/* The character at i, and how many bytes it takes. */
static unsigned
next_char(struct span t, size_t i, enum spelling how, size_t *ret_width)
{
	unsigned char c = (unsigned char)t.s[i];
	unsigned value;

	*ret_width = 1;
	if (how == SPELL_QUERY && c == '+')
		return ' ';
	if (how == SPELL_TEXT || c != '%' || t.n - i < 3)
		return c;
	*ret_width = 3;
	value = hex_value((unsigned char)t.s[i + 1]) << 4 |
		hex_value((unsigned char)t.s[i + 2]);
	return how == SPELL_PATH ? ESCAPED | value : value;
}

static int
is_star(struct span p, size_t i)
{
	return i < p.n && p.s[i] == '*';
}

/*
 * Where both are at one character: step over it and return 1, or 0.  The
 * star of a pattern was looked for before.
 */
static int
step(struct span p, size_t *i, enum spelling pattern_how, struct span t,
    size_t *j, enum spelling how)
{
	size_t wi, wj;

	if (*i >= p.n ||
	    next_char(p, *i, pattern_how, &wi) != next_char(t, *j, how, &wj))
		return 0;
	*i += wi;
	*j += wj;
	return 1;
}

/*
 * The walk with one star to come back to.  mark is where the star's share of
 * the text ends; it grows by a character each time.
 */
static int
match_span(struct span p, enum spelling pattern_how, struct span t,
    enum spelling how)
{
	size_t i = 0, j = 0, star = SIZE_MAX, mark = 0, width;

	while (j < t.n) {
		if (is_star(p, i)) {
			star = ++i;
			mark = j;
		} else if (!step(p, &i, pattern_how, t, &j, how)) {
			if (star == SIZE_MAX)
				return 0;
			if (next_char(t, mark, how, &width) == SLASH)
				return 0;
			mark += width;
			i = star;
			j = mark;
		}
	}
	while (is_star(p, i))
		i++;
	return i == p.n;
}

static int
matches_segment(struct span p, struct span t, enum glob_reading how)
{
	enum spelling s = how == GLOB_WIDE ? SPELL_PATH_WIDE : SPELL_PATH;

	return match_span(p, s, t, s);
}

/* ---- paths ---------------------------------------------------------------- */

/* The segment that follows the slash at s. */
static struct span
segment_at(const char *s)
{
	struct span seg = { s + 1, strcspn(s + 1, "/") };

	return seg;
}

static int
is_globstar(struct span p)
{
	return p.n == 2 && p.s[0] == '*' && p.s[1] == '*';
}

/* A "**" takes any segment, but no %2F where that is narrow. */
static int
takes(struct span t, enum glob_reading how)
{
	return how == GLOB_WIDE || memmem(t.s, t.n, "%2F", 3) == NULL;
}

/*
 * The same walk over segments.  p and t point at the slash before the next
 * segment, or at the end.
 */
int
glob_path(const char *pattern, const char *path, enum glob_reading how)
{
	const char *p = pattern, *t = path, *star = NULL, *mark = NULL;
	struct span sp, st;

	while (*t == '/') {
		st = segment_at(t);
		sp = *p == '/' ? segment_at(p) : (struct span){ NULL, 0 };
		if (sp.s != NULL && is_globstar(sp)) {
			if (!takes(st, how))
				return 0;
			p = star = sp.s + sp.n;
			t = mark = st.s + st.n;
		} else if (sp.s != NULL && matches_segment(sp, st, how)) {
			p = sp.s + sp.n;
			t = st.s + st.n;
		} else {
			if (star == NULL || *mark != '/')
				return 0;
			st = segment_at(mark);
			if (!takes(st, how))
				return 0;
			p = star;
			t = mark = st.s + st.n;
		}
	}
	return *p == '\0';
}

/* ---- queries --------------------------------------------------------------- */

int
glob_value(const char *pattern, const char *value, size_t n)
{
	struct span p = { pattern, strlen(pattern) }, t = { value, n };

	return match_span(p, SPELL_TEXT, t, SPELL_QUERY);
}

int
glob_name(const char *name, const char *s, size_t n)
{
	struct span p = { name, strlen(name) }, t = { s, n };
	size_t i = 0, j = 0;

	while (j < t.n)
		if (!step(p, &i, SPELL_TEXT, t, &j, SPELL_QUERY))
			return 0;
	return i == p.n;
}
