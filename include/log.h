/*
 * log.h: one line per event on standard error.
 *
 *	time=2026-01-31T12:00:00.123Z level=info proc=warder run=- ev=start
 *	msg="..."
 *
 * as one line of logfmt, or of JSON with the same keys.  A line is one
 * write(2) of at most LOG_LINE_MAX bytes, so that lines of several processes
 * on one pipe do not mix; nothing is allocated.  Values are escaped as text.h
 * says.  A line that cannot be written is lost: no process waits for its log.
 * struct secret has no print path, so no secret can get here.
 *
 * Any process may use it, from its main thread; whoever logs to a pipe
 * ignores SIGPIPE.  Library code logs at LOG_LEVEL_DEBUG only: the edge that
 * handles a failure logs it, once.
 */
#ifndef LOG_H
#define LOG_H

#include <stdint.h>

#include "text.h"

enum {
	LOG_LINE_MAX = 4096, /* PIPE_BUF: written whole or not at all */
	LOG_VALUE_MAX = 512, /* bytes of one value before escaping */
	LOG_RUN_MAX = 64, /* bytes of a run id with its NUL */
};

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL__MAX
};

enum log_format {
	LOG_FORMAT_LOGFMT,
	LOG_FORMAT_JSON,
	LOG_FORMAT__MAX
};

/* Parse "error", "warn", "info", "debug"; "logfmt", "json". */
must_check int log_level_parse(const char *s, enum log_level *ret,
    struct err *e);
must_check int log_format_parse(const char *s, enum log_format *ret,
    struct err *e);

/*
 * Say who logs (borrowed for ever), how, and down to which level.  Before
 * it: proc "warder", logfmt, LOG_LEVEL_INFO.
 */
void log_init(const char *proc, enum log_format format, enum log_level least);

/* The run that following lines belong to (copied); NULL: none, "-". */
void log_set_run(const char *run);

/* A line about an attempt at a run, with one key more. */
void log_for_run(const char *run, uint32_t attempt, enum log_level level,
    const char *ev, const char *key, const char *value);

/* A line under construction. */
struct log_line {
	int on; /* the level is wanted */
	int cut; /* something did not fit */
	struct text text;
	char buf[LOG_LINE_MAX];
};

/*
 * Begin a line, add pairs, end it (which writes it).  Events and keys are
 * constants of the program: lower-case letters, digits, "_" and, in events,
 * ".".  A value over LOG_VALUE_MAX is cut, a pair without room is left out;
 * either way the line says truncated=1.
 */
void log_begin(struct log_line *l, enum log_level level, const char *ev);
void log_add(struct log_line *l, const char *key, const char *value);
void log_add_int(struct log_line *l, const char *key, int64_t value);
void log_add_err(struct log_line *l, const struct err *e); /* code, msg */
void log_end(struct log_line *l);

/* The whole of it, for a line that has only a message. */
void log_text(enum log_level level, const char *ev, const char *fmt, ...)
    printf_like(3, 4);

/* The same for a failure. */
void log_err(enum log_level level, const char *ev, const struct err *e);

#endif /* !LOG_H */
