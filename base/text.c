#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "text.h"

/* What a truncated text ends in. */
static const char text_mark[] = "...";

enum {
	TEXT_SHOWN_MAX = 64, /* bytes of a bad value that a message shows */
	TEXT_BEGINNING = 3, /* letters of a name that tell which is meant */
};

/* C1 onwards; C0 and DEL are told by comparison.  Sorted. */
static const struct {
	uint32_t first;
	uint32_t last;
} text_unsafe[] = {
	{ 0x80, 0x9f }, /* C1: 0x9b is CSI to some terminals */
	{ 0x061c, 0x061c }, /* Arabic letter mark */
	{ 0x200e, 0x200f }, /* direction marks */
	{ 0x2028, 0x202e }, /* line separators, embeddings, overrides */
	{ 0x2060, 0x206f }, /* invisible operators, isolates */
	{ 0xfeff, 0xfeff }, /* byte order mark */
	{ 0xfff9, 0xfffb }, /* interlinear annotation */
	{ 0xe0000, 0xe0fff }, /* tags: text that no terminal shows */
};

int
text_is_unsafe(uint32_t c)
{
	size_t i;

	if (c < 0x80)
		return c < 0x20 || c == 0x7f;
	for (i = 0; i < countof(text_unsafe); i++)
		if (c <= text_unsafe[i].last)
			return c >= text_unsafe[i].first;
	return 0;
}

/*
 * By the first byte: how many follow, its payload bits, and the least
 * character that needs so many bytes (anything below is overlong).
 */
static const struct {
	unsigned char mask;
	unsigned char lead;
	unsigned char length;
	uint32_t least;
} text_leads[] = {
	{ 0x80, 0x00, 1, 0 },
	{ 0xe0, 0xc0, 2, 0x80 },
	{ 0xf0, 0xe0, 3, 0x800 },
	{ 0xf8, 0xf0, 4, 0x10000 },
};

size_t
text_utf8_length(const void *p, size_t n, uint32_t *ret_char)
{
	const unsigned char *s = p;
	size_t i, k;
	uint32_t c;

	if (n == 0)
		return 0;
	for (k = 0; k < countof(text_leads); k++)
		if ((s[0] & text_leads[k].mask) == text_leads[k].lead)
			break;
	if (k == countof(text_leads) || n < text_leads[k].length)
		return 0;
	c = s[0] & (unsigned char)~text_leads[k].mask;
	for (i = 1; i < text_leads[k].length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < text_leads[k].least || c > 0x10ffff ||
	    (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (ret_char != NULL)
		*ret_char = c;
	return text_leads[k].length;
}

int
text_is_utf8(const void *p, size_t n)
{
	const unsigned char *s = p;

	while (n > 0) {
		size_t k = text_utf8_length(s, n, NULL);

		if (k == 0)
			return 0;
		s += k;
		n -= k;
	}
	return 1;
}

void
text_init(struct text *t, char *buf, size_t size)
{
	*t = (struct text){ .buf = buf, .size = size };
	buf[0] = '\0';
}

/*
 * The text is len bytes long and more was wanted: end it in the mark, and
 * never in half a character.
 */
static void
text_truncate(struct text *t)
{
	size_t room = t->size - 1;
	size_t mark = sizeof(text_mark) - 1;

	if (mark > room)
		mark = room;
	if (t->len > room - mark) {
		t->len = room - mark;
		while (t->len > 0 &&
		       ((unsigned char)t->buf[t->len] & 0xc0) == 0x80)
			t->len--;
	}
	memcpy(t->buf + t->len, text_mark, mark);
	t->len += mark;
	t->buf[t->len] = '\0';
	t->truncated = 1;
}

void
text_add_bytes(struct text *t, const void *p, size_t n)
{
	size_t room = t->size - 1 - t->len;
	int fits = n <= room;

	if (t->truncated || n == 0)
		return;
	if (!fits)
		n = room;
	memcpy(t->buf + t->len, p, n);
	t->len += n;
	t->buf[t->len] = '\0';
	if (!fits)
		text_truncate(t);
}

void
text_add(struct text *t, const char *s)
{
	text_add_bytes(t, s, strlen(s));
}

void
text_addf(struct text *t, const char *fmt, ...)
{
	size_t room = t->size - t->len;
	va_list ap;
	int n;

	if (t->truncated)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < room) {
		t->len += (size_t)n;
		return;
	}
	t->len = t->len + strlen(t->buf + t->len);
	text_truncate(t);
}

void
text_add_escaped_bytes(struct text *t, const void *p, size_t n)
{
	const unsigned char *s = p;

	while (n > 0 && !t->truncated) {
		uint32_t c;
		size_t i, k = text_utf8_length(s, n, &c);

		if (k > 0 && !text_is_unsafe(c)) {
			text_add_bytes(t, s, k);
		} else {
			k = k > 0 ? k : 1;
			for (i = 0; i < k; i++)
				text_addf(t, "\\x%02x", s[i]);
		}
		s += k;
		n -= k;
	}
}

void
text_add_escaped(struct text *t, const char *s)
{
	text_add_escaped_bytes(t, s, strlen(s));
}

int
text_escape(char *buf, size_t size, const void *p, size_t n)
{
	struct text t;

	text_init(&t, buf, size);
	text_add_escaped_bytes(&t, p, n);
	return t.truncated;
}

/* One character, as UTF-16 in hex where it needs an escape. */
static void
text_add_json_char(struct text *t, uint32_t c, const unsigned char *s, size_t k)
{
	static const char shorts[] = "\b\f\n\r\t\"\\";
	const char *at = c != 0 && c < 0x80 ? strchr(shorts, (int)c) : NULL;

	if (at != NULL)
		text_addf(t, "\\%c", "bfnrt\"\\"[at - shorts]);
	else if (!text_is_unsafe(c))
		text_add_bytes(t, s, k);
	else if (c < 0x10000)
		text_addf(t, "\\u%04x", c);
	else
		text_addf(t, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10),
		    0xdc00 + (c & 0x3ff));
}

/* How many bytes from s on are characters that JSON has as they are. */
static size_t
text_json_span(const unsigned char *s, size_t n)
{
	size_t i = 0;

	while (
	    i < n && s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\')
		i++;
	return i;
}

void
text_add_json_bytes(struct text *t, const void *p, size_t n)
{
	const unsigned char *s = p;

	text_add(t, "\"");
	while (n > 0 && !t->truncated) {
		uint32_t c;
		size_t k = text_json_span(s, n);

		if (k > 0) {
			text_add_bytes(t, s, k);
		} else if ((k = text_utf8_length(s, n, &c)) > 0) {
			text_add_json_char(t, c, s, k);
		} else {
			text_add(t, "\\ufffd");
			k = 1;
		}
		s += k;
		n -= k;
	}
	text_add(t, "\"");
}

void
text_add_json(struct text *t, const char *s)
{
	text_add_json_bytes(t, s, strlen(s));
}

/* Units of one kind of quantity, the smallest first. */
struct text_unit {
	const char *name;
	uint64_t factor;
};

static const struct text_unit text_sizes[] = {
	{ "B", 1 },
	{ "KiB", 1ull << 10 },
	{ "MiB", 1ull << 20 },
	{ "GiB", 1ull << 30 },
	{ "TiB", 1ull << 40 },
};

static const struct text_unit text_durations[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "h", 60 * 60 * 1000 },
	{ "d", 24 * 60 * 60 * 1000 },
};

static void
text_add_units(struct text *t, uint64_t v, const struct text_unit *units,
    size_t count)
{
	size_t i = count - 1;

	if (v == 0) {
		text_add(t, "0");
		return;
	}
	while (i > 0 && v % units[i].factor != 0)
		i--;
	text_addf(t, "%ju%s", (uintmax_t)(v / units[i].factor), units[i].name);
}

void
text_add_size(struct text *t, uint64_t bytes)
{
	text_add_units(t, bytes, text_sizes, countof(text_sizes));
}

void
text_add_duration(struct text *t, uint64_t ms)
{
	text_add_units(t, ms, text_durations, countof(text_durations));
}

void
text_add_milli(struct text *t, uint64_t milli)
{
	unsigned rest = (unsigned)(milli % 1000);
	int digits = 3;

	text_addf(t, "%ju", (uintmax_t)(milli / 1000));
	if (rest == 0)
		return;
	for (; rest % 10 == 0; rest /= 10)
		digits--;
	text_addf(t, ".%0*u", digits, rest);
}

void
text_add_time(struct text *t, uint64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	char whole[32];
	struct tm tm;

	/* the last year that can be asked for, 584556019, fits both */
	(void)gmtime_r(&s, &tm);
	(void)strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &tm);
	text_addf(t, "%s.%03uZ", whole, (unsigned)(ms % 1000));
}

/*
 * Read digits from *s on; stop at the first other byte.  -1 if there is
 * none, if a zero leads, or if the value is above max.
 */
static int
text_digits(const char **s, uint64_t max, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	if (p[0] == '0' && p[1] >= '0' && p[1] <= '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (v > max / 10 || (v == max / 10 && digit > max % 10))
			return -1;
		v = v * 10 + digit;
	}
	if (p == *s)
		return -1;
	*s = p;
	*ret = v;
	return 0;
}

static int
text_refuse(const char *s, const char *accepted, struct text *max,
    struct err *e)
{
	char shown[TEXT_SHOWN_MAX];

	(void)text_escape(shown, sizeof(shown), s, strlen(s));
	return err_set(e, ERR_INVALID, "'%s' is not %s, at most %s", shown,
	    accepted, max->buf);
}

int
text_parse_u64(const char *s, uint64_t max, uint64_t *ret, struct err *e)
{
	const char *p = s;
	uint64_t v;
	char buf[32];
	struct text t;

	if (text_digits(&p, max, &v) == 0 && *p == '\0') {
		*ret = v;
		return 0;
	}
	text_init(&t, buf, sizeof(buf));
	text_addf(&t, "%ju", (uintmax_t)max);
	return text_refuse(s, "a whole number in decimal digits", &t, e);
}

static int
text_parse_units(const char *s, uint64_t max, const struct text_unit *units,
    size_t count, uint64_t *ret)
{
	uint64_t v;
	size_t i;

	if (text_digits(&s, max, &v) == -1)
		return -1;
	if (v == 0 && *s == '\0') {
		*ret = 0;
		return 0;
	}
	for (i = 0; i < count; i++) {
		if (strcmp(s, units[i].name) != 0)
			continue;
		if (v > max / units[i].factor)
			return -1;
		*ret = v * units[i].factor;
		return 0;
	}
	return -1;
}

int
text_parse_size(const char *s, uint64_t max_bytes, uint64_t *ret_bytes,
    struct err *e)
{
	char buf[32];
	struct text t;

	if (text_parse_units(s, max_bytes, text_sizes, countof(text_sizes),
		ret_bytes) == 0)
		return 0;
	text_init(&t, buf, sizeof(buf));
	text_add_size(&t, max_bytes);
	return text_refuse(s, "a size such as 512KiB, 64MiB, 4GiB or 1TiB", &t,
	    e);
}

int
text_parse_duration(const char *s, uint64_t max_ms, uint64_t *ret_ms,
    struct err *e)
{
	char buf[32];
	struct text t;

	if (text_parse_units(s, max_ms, text_durations, countof(text_durations),
		ret_ms) == 0)
		return 0;
	text_init(&t, buf, sizeof(buf));
	text_add_duration(&t, max_ms);
	return text_refuse(s, "a time such as 250ms, 30s, 10m, 2h or 7d", &t,
	    e);
}

/* After the point: one to three digits. */
static int
text_fraction(const char *s, uint64_t *ret)
{
	unsigned scale = 1000;
	unsigned v = 0;

	for (; *s >= '0' && *s <= '9' && scale > 1; s++) {
		scale /= 10;
		v += scale * (unsigned)(*s - '0');
	}
	if (*s != '\0' || scale == 1000)
		return -1;
	*ret = v;
	return 0;
}

int
text_parse_milli(const char *s, uint64_t max_milli, uint64_t *ret_milli,
    struct err *e)
{
	const char *p = s;
	uint64_t whole, part = 0;
	char buf[32];
	struct text t;

	if (text_digits(&p, max_milli / 1000, &whole) == 0 &&
	    (*p == '\0' || (*p == '.' && text_fraction(p + 1, &part) == 0)) &&
	    part <= max_milli - whole * 1000) {
		*ret_milli = whole * 1000 + part;
		return 0;
	}
	text_init(&t, buf, sizeof(buf));
	text_add_milli(&t, max_milli);
	return text_refuse(s, "a number such as 2, 0.5 or 1.125", &t, e);
}

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

static char
text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/*
 * Optimal string alignment: insertions, deletions, substitutions and swaps
 * of neighbours, with three rows of the table.  Words that are too long to
 * compare are infinitely far away.
 */
static unsigned
text_distance(const char *a, const char *b)
{
	unsigned rows[3][TEXT_WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];
	size_t n = strnlen(a, TEXT_WORD_MAX + 1);
	size_t m = strnlen(b, TEXT_WORD_MAX + 1);
	size_t i, j;

	if (n > TEXT_WORD_MAX || m > TEXT_WORD_MAX)
		return (unsigned)-1;
	for (j = 0; j <= m; j++)
		last[j] = (unsigned)j;
	for (i = 1; i <= n; i++) {
		unsigned *spare = before;

		row[0] = (unsigned)i;
		for (j = 1; j <= m; j++) {
			char x = text_lower(a[i - 1]), y = text_lower(b[j - 1]);

			row[j] = min3(last[j] + 1, row[j - 1] + 1,
			    last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == text_lower(b[j - 2]) &&
			    y == text_lower(a[i - 2]))
				row[j] =
				    min3(row[j], before[j - 2] + 1, row[j]);
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[m];
}

void
text_guess_init(struct text_guess *g, const char *word)
{
	size_t n = strnlen(word, TEXT_WORD_MAX + 1);

	/* A third of the word may be wrong, of a short one a letter. */
	*g = (struct text_guess){
		.word = word,
		.distance = (n < 6 ? 1 : (unsigned)n / 3) + 1,
	};
}

/* Whether the word is a beginning of the name that says something. */
static int
text_begins(const char *name, const char *word)
{
	return strlen(word) >= TEXT_BEGINNING &&
	       strncasecmp(name, word, strlen(word)) == 0;
}

void
text_guess_offer(struct text_guess *g, const char *name)
{
	unsigned d = text_distance(g->word, name);

	/* "mem" is far from "memory" letter by letter, and yet it is meant */
	if (text_begins(name, g->word) && d > 1)
		d = 1;

	if (d >= g->distance || d >= strlen(name))
		return;
	g->distance = d;
	g->best = name;
}

const char *
text_nearest(const char *word, const char *const names[], size_t count)
{
	struct text_guess g;
	size_t i;

	text_guess_init(&g, word);
	for (i = 0; i < count; i++)
		text_guess_offer(&g, names[i]);
	return g.best;
}

/* Append the components of s to the canonical path in t; "" is the root. */
static void
text_path_add(struct text *t, const char *s)
{
	while (*s != '\0') {
		size_t n = strcspn(s, "/");

		if (n == 2 && s[0] == '.' && s[1] == '.') {
			while (t->len > 0 && t->buf[--t->len] != '/')
				continue;
			t->buf[t->len] = '\0';
		} else if (n > 0 && !(n == 1 && s[0] == '.')) {
			text_add(t, "/");
			text_add_bytes(t, s, n);
		}
		s += n;
		s += strspn(s, "/");
	}
}

int
text_path(const char *dir, const char *path, char *ret, size_t size,
    struct err *e)
{
	char buf[2 * TEXT_PATH_MAX];
	struct text t;

	if (path[0] == '\0')
		return err_set(e, ERR_INVALID, "the path is empty");
	if (path[0] != '/' && dir[0] != '/')
		return err_set(e, ERR_INVALID,
		    "a relative path needs an absolute directory");
	if (strnlen(path, TEXT_PATH_MAX) == TEXT_PATH_MAX ||
	    strnlen(dir, TEXT_PATH_MAX) == TEXT_PATH_MAX)
		return err_set(e, ERR_LIMIT, "a path longer than %d bytes",
		    TEXT_PATH_MAX - 1);
	text_init(&t, buf, sizeof(buf));
	if (path[0] != '/')
		text_path_add(&t, dir);
	text_path_add(&t, path);
	if (t.len == 0)
		text_add(&t, "/");
	if (t.len >= size)
		return err_set(e, ERR_LIMIT, "a path longer than %zu bytes",
		    size - 1);
	memcpy(ret, buf, t.len + 1);
	return 0;
}

int
text_path_is_canonical(const char *path)
{
	char buf[TEXT_PATH_MAX];

	return path[0] == '/' &&
	       text_path("/", path, buf, sizeof(buf), NULL) == 0 &&
	       strcmp(buf, path) == 0;
}

int
text_path_within(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1)
		return path[0] == '/';
	return strncmp(path, dir, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/');
}
