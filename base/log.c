#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static const char *const log_levels[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

_Static_assert(countof(log_levels) == LOG_LEVEL__MAX, "every level has a name");

/* How a line begins, goes on, and ends: all that the formats differ in. */
static const struct {
	const char *name;
	const char *open;
	const char *between;
	const char *key_open;
	const char *key_close;
	const char *cut;
	const char *close;
} log_formats[] = {
	[LOG_FORMAT_LOGFMT] = { "logfmt", "", " ", "", "=", " truncated=1",
	    "\n" },
	[LOG_FORMAT_JSON] = { "json", "{", ",", "\"", "\":", ",\"truncated\":1",
	    "}\n" },
};

_Static_assert(countof(log_formats) == LOG_FORMAT__MAX,
    "every format has its marks");

enum {
	LOG_TAIL_MAX = 24
}; /* room kept for "cut" and "close" */

static struct {
	const char *proc;
	enum log_format format;
	enum log_level least;
	char run[LOG_RUN_MAX];
} log_state = { "warder", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, "-" };

int
log_level_parse(const char *s, enum log_level *ret, struct err *e)
{
	size_t i;

	for (i = 0; i < countof(log_levels); i++) {
		if (strcmp(s, log_levels[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID,
	    "a log level is error, warn, info or debug");
}

int
log_format_parse(const char *s, enum log_format *ret, struct err *e)
{
	size_t i;

	for (i = 0; i < countof(log_formats); i++) {
		if (strcmp(s, log_formats[i].name) == 0) {
			*ret = (enum log_format)i;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "a log format is logfmt or json");
}

void
log_init(const char *proc, enum log_format format, enum log_level least)
{
	log_state.proc = proc;
	log_state.format = format;
	log_state.least = least;
}

void
log_set_run(const char *run)
{
	struct text t;

	text_init(&t, log_state.run, sizeof(log_state.run));
	text_add_escaped(&t, run != NULL && run[0] != '\0' ? run : "-");
}

/* Bare in logfmt: nothing that a reader would have to quote. */
static int
log_is_bare(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_.:/@+,%";

	return s[0] != '\0' && s[strspn(s, plain)] == '\0';
}

/* In quotes, '"' and the backslash of the original get a backslash. */
static void
log_add_quoted(struct text *t, const char *s)
{
	text_add(t, "\"");
	while (*s != '\0') {
		size_t n = strcspn(s, "\"\\");

		text_add_escaped_bytes(t, s, n);
		s += n;
		if (*s != '\0')
			text_addf(t, "\\%c", *s++);
	}
	text_add(t, "\"");
}

static void
log_key(struct log_line *l, const char *key)
{
	const char *between = log_formats[log_state.format].between;

	assert(
	    key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0');
	if (l->text.len > strlen(log_formats[log_state.format].open))
		text_add(&l->text, between);
	text_addf(&l->text, "%s%s%s", log_formats[log_state.format].key_open,
	    key, log_formats[log_state.format].key_close);
}

/* Leave out the pair that did not fit: the line as it was before it. */
static void
log_keep(struct log_line *l, size_t before)
{
	if (!l->text.truncated)
		return;
	l->text.truncated = 0;
	l->text.len = before;
	l->text.buf[before] = '\0';
	l->cut = 1;
}

void
log_add(struct log_line *l, const char *key, const char *value)
{
	char bounded[LOG_VALUE_MAX + 1];
	size_t before = l->text.len;
	struct text v;

	if (!l->on)
		return;
	text_init(&v, bounded, sizeof(bounded));
	text_add(&v, value);
	l->cut |= v.truncated;
	log_key(l, key);
	if (log_state.format == LOG_FORMAT_JSON)
		text_add_json(&l->text, bounded);
	else if (log_is_bare(bounded))
		text_add(&l->text, bounded);
	else
		log_add_quoted(&l->text, bounded);
	log_keep(l, before);
}

void
log_add_int(struct log_line *l, const char *key, int64_t value)
{
	size_t before = l->text.len;

	if (!l->on)
		return;
	log_key(l, key);
	text_addf(&l->text, "%jd", (intmax_t)value);
	log_keep(l, before);
}

void
log_add_err(struct log_line *l, const struct err *e)
{
	log_add(l, "code", err_name(e->code));
	log_add(l, "msg", e->msg);
}

static void
log_add_time(struct log_line *l)
{
	struct timespec now;
	struct tm tm;
	char date[32], stamp[48];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(stamp, sizeof(stamp), "%s.%03dZ", date,
	    (int)(now.tv_nsec / 1000000));
	log_add(l, "time", stamp);
}

void
log_begin(struct log_line *l, enum log_level level, const char *ev)
{
	assert((unsigned)level < LOG_LEVEL__MAX);
	l->on = level <= log_state.least;
	l->cut = 0;
	text_init(&l->text, l->buf, sizeof(l->buf) - LOG_TAIL_MAX);
	if (!l->on)
		return;
	text_add(&l->text, log_formats[log_state.format].open);
	log_add_time(l);
	log_add(l, "level", log_levels[level]);
	log_add(l, "proc", log_state.proc);
	log_add(l, "run", log_state.run);
	log_add(l, "ev", ev);
}

void
log_end(struct log_line *l)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	int saved = errno;
	ssize_t n;

	if (!l->on)
		return;
	l->text.size = sizeof(l->buf);
	if (l->cut)
		text_add(&l->text, log_formats[log_state.format].cut);
	text_add(&l->text, log_formats[log_state.format].close);
	/* a pipe that nobody reads would stop us: see log.h */
	if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT)) {
		n = write(STDERR_FILENO, l->text.buf, l->text.len);
		(void)n; /* there is nowhere to report it */
	}
	errno = saved;
}

void
log_text(enum log_level level, const char *ev, const char *fmt, ...)
{
	char msg[LOG_VALUE_MAX + 1];
	struct log_line l;
	va_list ap;

	log_begin(&l, level, ev);
	if (!l.on)
		return;
	va_start(ap, fmt);
	l.cut |= vsnprintf(msg, sizeof(msg), fmt, ap) >= (int)sizeof(msg);
	va_end(ap);
	log_add(&l, "msg", msg);
	log_end(&l);
}

void
log_err(enum log_level level, const char *ev, const struct err *e)
{
	struct log_line l;

	log_begin(&l, level, ev);
	log_add_err(&l, e);
	log_end(&l);
}

void
log_for_run(const char *run, uint32_t attempt, enum log_level level,
    const char *ev, const char *key, const char *value)
{
	struct log_line l;

	log_set_run(run);
	log_begin(&l, level, ev);
	log_add_int(&l, "attempt", attempt);
	log_add(&l, key, value);
	log_end(&l);
	log_set_run(NULL);
}
