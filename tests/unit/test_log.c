/* base/log.c: what a reader of the log sees, whatever is logged. */
#include "unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/socket.h>

#include "log.h"

/* A packet socket in the place of stderr: one write(2) is one record. */
static struct {
	int saved;
	int records;
} stderr_state;

static int
setup(void **state)
{
	int pair[2];

	(void)state;
	stderr_state.saved = dup(STDERR_FILENO);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == -1)
		return -1;
	(void)dup2(pair[1], STDERR_FILENO);
	(void)close(pair[1]);
	stderr_state.records = pair[0];
	log_init("test", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	log_set_run(NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)dup2(stderr_state.saved, STDERR_FILENO);
	(void)close(stderr_state.saved);
	(void)close(stderr_state.records);
	return 0;
}

/* The next record, "" if none; without the time, which varies. */
static const char *
record(void)
{
	static char buf[2 * LOG_LINE_MAX];
	ssize_t n =
	    recv(stderr_state.records, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	if (n <= 0)
		return "";
	assert_true(n <= LOG_LINE_MAX);
	buf[n] = '\0';
	assert_int_equal(strlen(buf), (size_t)n);
	assert_ptr_equal(strchr(buf, '\n'), buf + n - 1);
	return buf;
}

static const char *
after_time(const char *line)
{
	int y, mo, d, h, mi, s, ms, n = 0;

	assert_int_equal(sscanf(line, "time=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n",
			     &y, &mo, &d, &h, &mi, &s, &ms, &n),
	    7);
	return line + n;
}

static void
log_text__plain__one_logfmt_line(void **state)
{
	(void)state;
	log_text(LOG_LEVEL_INFO, "jail.start", "pid %d", 17);
	assert_string_equal(after_time(record()),
	    "level=info proc=test run=- ev=jail.start msg=\"pid 17\"\n");
	assert_string_equal(record(), "");
}

static void
log_add__kinds_of_values__bare_or_quoted(void **state)
{
	struct log_line l;

	(void)state;
	log_set_run("0190-ab");
	log_begin(&l, LOG_LEVEL_WARN, "x");
	log_add(&l, "path", "/usr/bin/a-b_c.d");
	log_add(&l, "empty", "");
	log_add(&l, "spaced", "a b");
	log_add(&l, "tricky", "a=\"\\");
	log_add_int(&l, "n", -5);
	log_end(&l);
	assert_string_equal(after_time(record()),
	    "level=warn proc=test run=0190-ab ev=x path=/usr/bin/a-b_c.d "
	    "empty=\"\" spaced=\"a b\" tricky=\"a=\\\"\\\\\" n=-5\n");
}

/* Neither a second line nor a terminal command can be smuggled in. */
static void
log_add__hostile_value__one_line_without_controls(void **state)
{
	struct log_line l;
	const char *line, *p;

	(void)state;
	log_begin(&l, LOG_LEVEL_INFO, "x");
	log_add(&l, "name",
	    "a\n"
	    "time=0 level=error\r\x1b]0;t\x07\xc2\x9b\xe2\x80\xae\xff");
	log_end(&l);
	line = after_time(record());
	assert_string_equal(line,
	    "level=info proc=test run=- ev=x name=\"a\\x0atime=0 "
	    "level=error\\x0d\\x1b]0;t\\x07\\xc2\\x9b\\xe2\\x80\\xae\\xff\"\n");
	for (p = line; p[1] != '\0'; p++)
		assert_true(*p >= 0x20 && *p < 0x7f);
}

static void
log_begin__levels__only_wanted_ones_written(void **state)
{
	(void)state;
	log_text(LOG_LEVEL_DEBUG, "x", "hidden");
	assert_string_equal(record(), "");
	log_init("test", LOG_FORMAT_LOGFMT, LOG_LEVEL_DEBUG);
	log_text(LOG_LEVEL_DEBUG, "x", "shown");
	assert_non_null(strstr(record(), "level=debug"));
	log_init("test", LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
	log_text(LOG_LEVEL_WARN, "x", "hidden");
	assert_string_equal(record(), "");
	log_text(LOG_LEVEL_ERROR, "x", "shown");
	assert_non_null(strstr(record(), "level=error"));
}

static void
log_add__unwanted_level__nothing_built_or_written(void **state)
{
	struct log_line l;
	struct err e;

	(void)state;
	log_begin(&l, LOG_LEVEL_DEBUG, "x");
	log_add(&l, "k", "v");
	log_add_int(&l, "n", 1);
	assert_int_equal(l.text.len, 0);
	log_end(&l);
	(void)err_set(&e, ERR_DENIED, "no");
	log_err(LOG_LEVEL_DEBUG, "x", &e);
	assert_string_equal(record(), "");
}

static void
log_err__failure__code_and_message(void **state)
{
	struct err e;

	(void)state;
	(void)err_set(&e, ERR_DENIED, "no \"way\"");
	log_err(LOG_LEVEL_ERROR, "refused", &e);
	assert_string_equal(after_time(record()),
	    "level=error proc=test run=- ev=refused code=DENIED "
	    "msg=\"no \\\"way\\\"\"\n");
}

static void
log_add__value_too_long__cut_and_marked(void **state)
{
	char value[LOG_VALUE_MAX + 2];
	struct log_line l;
	const char *line;

	(void)state;
	memset(value, 'v', sizeof(value));
	value[LOG_VALUE_MAX] = '\0';
	log_begin(&l, LOG_LEVEL_INFO, "x");
	log_add(&l, "v", value);
	log_end(&l);
	assert_null(strstr(record(), "truncated"));

	value[LOG_VALUE_MAX] = 'v';
	value[LOG_VALUE_MAX + 1] = '\0';
	log_begin(&l, LOG_LEVEL_INFO, "x");
	log_add(&l, "v", value);
	log_add(&l, "after", "kept");
	log_end(&l);
	line = record();
	assert_non_null(strstr(line, "vvv... after=kept truncated=1\n"));
}

static void
log_text__message_too_long__cut_and_marked(void **state)
{
	char value[LOG_VALUE_MAX * 2];

	(void)state;
	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	log_text(LOG_LEVEL_INFO, "x", "%s", value);
	assert_non_null(strstr(record(), " truncated=1\n"));
}

/* As many of the worst values as anybody likes: bounded, and still JSON. */
static void
log_end__line_full__bounded_and_parsable(void **state)
{
	char value[LOG_VALUE_MAX + 1];
	json_error_t error;
	struct log_line l;
	const char *line;
	json_t *json;
	int i;

	(void)state;
	memset(value, 0x01, sizeof(value));
	value[LOG_VALUE_MAX] = '\0';
	log_init("test", LOG_FORMAT_JSON, LOG_LEVEL_INFO);
	log_begin(&l, LOG_LEVEL_INFO, "x");
	log_add(&l, "first", value);
	for (i = 0; i < 50; i++)
		log_add(&l, "more", value);
	log_add_int(&l, "small", 1);
	log_end(&l);
	line = record();
	json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		fail_msg("%s: %s", error.text, line);
	assert_int_equal(json_string_length(json_object_get(json, "first")),
	    LOG_VALUE_MAX);
	assert_null(json_object_get(json, "more"));
	assert_int_equal(json_integer_value(json_object_get(json, "small")), 1);
	assert_int_equal(json_integer_value(json_object_get(json, "truncated")),
	    1);
	json_decref(json);
}

/* Filled to the brim, in both formats: the end is whole all the same. */
static void
log_end__no_room_left__ends_as_it_must(void **state)
{
	static const char *const ends[] = {
		[LOG_FORMAT_LOGFMT] = " truncated=1\n",
		[LOG_FORMAT_JSON] = ",\"truncated\":1}\n",
	};
	int format, i;

	(void)state;
	for (format = 0; format < LOG_FORMAT__MAX; format++) {
		struct log_line l;
		const char *line;
		size_t n;

		log_init("test", (enum log_format)format, LOG_LEVEL_INFO);
		log_begin(&l, LOG_LEVEL_INFO, "x");
		for (i = 0; i < LOG_LINE_MAX; i++)
			log_add_int(&l, "k", 1);
		log_end(&l);
		line = record();
		n = strlen(line);
		assert_true(n > LOG_LINE_MAX - 40);
		assert_string_equal(line + n - strlen(ends[format]),
		    ends[format]);
	}
}

static void
log_init__json__same_keys(void **state)
{
	static const char *const keys[] = { "time", "level", "proc", "run",
		"ev", "msg" };
	json_t *json;
	size_t i;

	(void)state;
	log_init("te\"st", LOG_FORMAT_JSON, LOG_LEVEL_INFO);
	log_text(LOG_LEVEL_INFO, "x", "a\n\"b\" \x1b \xff");
	json = json_loads(record(), 0, NULL);
	assert_non_null(json);
	assert_int_equal(json_object_size(json), countof(keys));
	for (i = 0; i < countof(keys); i++)
		assert_non_null(json_object_get(json, keys[i]));
	assert_string_equal(json_string_value(json_object_get(json, "proc")),
	    "te\"st");
	assert_string_equal(json_string_value(json_object_get(json, "msg")),
	    "a\n\"b\" \x1b \xef\xbf\xbd");
	json_decref(json);
}

static void
log_set_run__hostile_or_long__escaped_and_bounded(void **state)
{
	char run[2 * LOG_RUN_MAX];
	const char *line;

	(void)state;
	memset(run, 'r', sizeof(run));
	run[sizeof(run) - 1] = '\0';
	run[0] = '\n';
	log_set_run(run);
	log_text(LOG_LEVEL_INFO, "x", "m");
	line = record();
	assert_non_null(strstr(line, "run=\"\\\\x0arrr"));
	assert_non_null(strstr(line, "rrr...\" ev=x"));
	log_set_run("");
	log_text(LOG_LEVEL_INFO, "x", "m");
	assert_non_null(strstr(record(), "run=- ev=x"));
}

static void
log_parse__names__known_ones_only(void **state)
{
	enum log_level level = LOG_LEVEL_WARN;
	enum log_format format = LOG_FORMAT_LOGFMT;
	struct err e;

	(void)state;
	assert_int_equal(log_level_parse("debug", &level, &e), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_format_parse("json", &format, &e), 0);
	assert_int_equal(format, LOG_FORMAT_JSON);
	assert_refused(log_level_parse("DEBUG", &level, &e), &e, ERR_INVALID,
	    "error, warn, info or debug");
	assert_refused(log_format_parse("xml", &format, &e), &e, ERR_INVALID,
	    "logfmt or json");
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(format, LOG_FORMAT_JSON);
}

static void
log_end__nobody_reads__lost_without_waiting(void **state)
{
	int i;

	(void)state;
	/* The socket is full long before; every call returns. */
	for (i = 0; i < 10000; i++)
		log_text(LOG_LEVEL_INFO, "x", "%d", i);
	assert_non_null(strstr(record(), "msg=0\n"));
}

/* A pipe that blocks, as a caller gives it: the way out of a jail logs there. */
static void
log_end__a_pipe_that_nobody_reads__lost_without_waiting(void **state)
{
	int pair[2], i;

	(void)state;
	assert_int_equal(pipe(pair), 0);
	(void)dup2(pair[1], STDERR_FILENO);
	(void)close(pair[1]);
	(void)alarm(20);
	for (i = 0; i < 10000; i++)
		log_text(LOG_LEVEL_INFO, "x", "%d", i);
	(void)alarm(0);
	(void)close(pair[0]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(log_text__plain__one_logfmt_line),
		TEST(log_add__kinds_of_values__bare_or_quoted),
		TEST(log_add__hostile_value__one_line_without_controls),
		TEST(log_begin__levels__only_wanted_ones_written),
		TEST(log_add__unwanted_level__nothing_built_or_written),
		TEST(log_err__failure__code_and_message),
		TEST(log_add__value_too_long__cut_and_marked),
		TEST(log_text__message_too_long__cut_and_marked),
		TEST(log_end__line_full__bounded_and_parsable),
		TEST(log_end__no_room_left__ends_as_it_must),
		TEST(log_init__json__same_keys),
		TEST(log_set_run__hostile_or_long__escaped_and_bounded),
		TEST(log_parse__names__known_ones_only),
		TEST(log_end__nobody_reads__lost_without_waiting),
		TEST(log_end__a_pipe_that_nobody_reads__lost_without_waiting),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
