/* Hosts and paths alone: for whoever compares plans, without a parser. */
#include <stdint.h>
#include <string.h>

#include "merge_net.h"

int
merge_net_host_covers(const char *a, const char *b)
{
	const char *dot;

	if (strcmp(a, b) == 0)
		return 1;
	/* "*." stands for exactly one label. */
	if (strncmp(a, "*.", 2) != 0 || *b == '*' || *b == '[')
		return 0;
	dot = strchr(b, '.');
	return dot != NULL && strcmp(dot, a + 1) == 0;
}

/* ---- path patterns ------------------------------------------------------ */

static unsigned
count_slashes(const char *s, size_t n)
{
	unsigned count = 0;
	size_t i;

	for (i = 0; i + 3 <= n; i++)
		count += memcmp(s + i, "%2F", 3) == 0;
	return count;
}

/* Does the segment pattern a match whatever the segment b stands for? */
static int
segment_covers(const char *a, size_t na, const char *b, size_t nb)
{
	size_t i = 0, j = 0, star = SIZE_MAX, mark = 0;

	if (nb == 2 && memcmp(b, "**", 2) == 0)
		return 0;
	/* Only a pattern that spells %2F out matches it: see glob.h. */
	if (count_slashes(a, na) != count_slashes(b, nb))
		return 0;
	if (na == nb && memcmp(a, b, na) == 0)
		return 1;
	/* A star in b is only ever swallowed by a star in a. */
	while (j < nb) {
		if (i < na && a[i] == '*') {
			star = i++;
			mark = j;
		} else if (i < na && a[i] == b[j] && b[j] != '*') {
			i++;
			j++;
		} else if (star != SIZE_MAX) {
			i = star + 1;
			j = ++mark;
		} else
			return 0;
	}
	while (i < na && a[i] == '*')
		i++;
	return i == na;
}

/* The segments of a pattern; those beyond the bound make it incomparable. */
enum {
	SEGMENTS_MAX = 128
};

struct segments {
	size_t count;

	struct {
		const char *text;
		size_t size;
	} at[SEGMENTS_MAX];
};

static int
split(const char *path, struct segments *s)
{
	for (s->count = 0; *path == '/'; s->count++) {
		if (s->count == SEGMENTS_MAX)
			return -1;
		s->at[s->count].text = ++path;
		s->at[s->count].size = strcspn(path, "/");
		path += s->at[s->count].size;
	}
	return 0;
}

static int
is_globstar(const struct segments *s, size_t i)
{
	return i < s->count && s->at[i].size == 2 &&
	       memcmp(s->at[i].text, "**", 2) == 0;
}

/*
 * The usual walk with one point to come back to; "**" takes at least one
 * segment, which is the narrower reading and so the safe one here.
 */
static int
segments_cover(const struct segments *a, const struct segments *b)
{
	size_t i = 0, j = 0, star = SIZE_MAX, mark = 0;

	while (j < b->count) {
		/* No "**" takes an encoded slash. */
		int plain = count_slashes(b->at[j].text, b->at[j].size) == 0;

		if (is_globstar(a, i) && plain) {
			star = i++;
			mark = j++;
		} else if (i < a->count &&
			   segment_covers(a->at[i].text, a->at[i].size,
			       b->at[j].text, b->at[j].size)) {
			i++;
			j++;
		} else if (star != SIZE_MAX) {
			i = star + 1;
			j = ++mark + 1;
			if (count_slashes(b->at[mark].text, b->at[mark].size))
				return 0;
		} else
			return 0;
	}
	return i == a->count && j == b->count;
}

int
merge_net_path_covers(const char *a, const char *b)
{
	struct segments sa, sb;

	if (a == NULL || (b != NULL && strcmp(a, b) == 0))
		return 1;
	if (b == NULL || split(a, &sa) == -1 || split(b, &sb) == -1)
		return 0;
	return segments_cover(&sa, &sb);
}
