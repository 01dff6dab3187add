/* base/audit.c: a log in which nothing can be changed unseen. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "audit.h"

static char file[64 * 1024];

/* A segment of n lines and its end, as bytes; their number. */
static size_t
make(unsigned n)
{
	autofd fd = memfd_create("audit", MFD_CLOEXEC);
	static struct audit_line l;
	struct audit a;
	struct err e = { 0 };
	unsigned i;
	ssize_t size;

	assert_true(fd >= 0);
	audit_init(&a, fd);
	for (i = 0; i < n + 2; i++) {
		audit_begin(&l, &a,
		    i == 0       ? "open"
		    : i == n + 1 ? "close"
				 : "decision");
		audit_add(&l, "host", "evil\n\"}\xff.example");
		audit_add_int(&l, "n", i);
		audit_add_json(&l, "record", "{\"code\":\"path\"}");
		if (audit_end(&l, &e) == -1)
			fail_msg("%s", e.msg);
	}
	size = pread(fd, file, sizeof(file), 0);
	assert_true(size > 0);
	return (size_t)size;
}

/* Check a segment; 0, or the first bad line. */
static unsigned
check(const char *p, size_t n, struct audit_check *c, struct err *e)
{
	unsigned line = 0;

	audit_check_init(c);
	while (n > 0) {
		const char *end = memchr(p, '\n', n);
		size_t k = end != NULL ? (size_t)(end - p) + 1 : n;

		line++;
		if (audit_check_line(c, p, k, e) == -1)
			return line;
		p += k;
		n -= k;
	}
	return 0;
}

/* Where line i (from 1) begins. */
static char *
line_at(unsigned i)
{
	char *p = file;

	while (--i > 0)
		p = strchr(p, '\n') + 1;
	return p;
}

static void
audit_check__what_was_written__whole(void **state)
{
	struct audit_check c;
	struct err e;
	size_t n = make(3);

	(void)state;
	assert_int_equal(check(file, n, &c, &e), 0);
	assert_true(c.closed);
	assert_int_equal(c.head.seq, 5);
	file[n] = '\0';
	assert_non_null(strstr(file, "evil\\n\\\"}"));
}

static void
audit_check__any_byte_changed__seen(void **state)
{
	struct audit_check c;
	struct err e;
	size_t n = make(2), i;
	/* The last line's own hash is the head, which nothing follows. */
	size_t last = (size_t)(line_at(4) - file);
	struct audit_check whole;

	(void)state;
	assert_int_equal(check(file, n, &whole, &e), 0);
	for (i = 0; i < n; i++) {
		unsigned bad;

		file[i] ^= 1;
		bad = check(file, n, &c, &e);
		/* The last two lines made one are a segment without end. */
		if (i < last)
			assert_true(bad != 0 || !c.closed);
		else
			assert_true(
			    bad != 0 || memcmp(c.head.digest, whole.head.digest,
					    SHA256_SIZE) != 0);
		file[i] ^= 1;
	}
}

static void
audit_check__line_gone_doubled_or_swapped__seen(void **state)
{
	static char other[sizeof(file)];
	struct audit_check c;
	struct err e;
	size_t n = make(4);
	char *two = line_at(2), *three = line_at(3), *four = line_at(4);
	size_t a = (size_t)(three - two), b = (size_t)(four - three);
	size_t rest = n - (size_t)(four - file);

	(void)state;
	memcpy(other, file, n);
	memmove(other + (two - file), three, n - (size_t)(three - file));
	assert_int_equal(check(other, n - a, &c, &e), 2);
	memcpy(other, file, n);
	memcpy(other + (two - file), three, b);
	memcpy(other + (two - file) + b, two, a);
	memcpy(other + (four - file), four, rest);
	assert_int_equal(check(other, n, &c, &e), 2);
	memcpy(other, file, (size_t)(three - file));
	memcpy(other + (three - file), two, n - (size_t)(two - file));
	assert_int_equal(check(other, n + a, &c, &e), 3);
}

static void
audit_check__cut_off__open_or_broken(void **state)
{
	struct audit_check c;
	struct err e;
	size_t n = make(2);
	size_t last = (size_t)(line_at(4) - file), i;

	(void)state;
	assert_int_equal(check(file, last, &c, &e), 0);
	assert_false(c.closed);
	for (i = last + 1; i < n; i++)
		assert_int_equal(check(file, i, &c, &e), 4);
}

static void
audit_check__lines_behind_the_end__refused(void **state)
{
	struct audit_check c;
	struct err e;
	size_t n = make(1);

	(void)state;
	memcpy(file + n, line_at(2), 20);
	assert_int_equal(check(file, n + 20, &c, &e), 4);
}

/* Two segments, of n lines each with their ends; where the second begins. */
static size_t
make_two(unsigned n, size_t *ret_size)
{
	autofd fd = memfd_create("audit", MFD_CLOEXEC);
	static struct audit_line l;
	struct audit a;
	struct err e = { 0 };
	size_t second = 0;
	unsigned i, k;

	audit_init(&a, fd);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < n; i++) {
			audit_begin(&l, &a,
			    i == 0       ? "open"
			    : i == n - 1 ? (k == 0 ? "next" : "close")
					 : "decision");
			audit_add(&l, "policy", "sha256:12");
			audit_add_int(&l, "segment", k + 1);
			assert_int_equal(audit_end(&l, &e), 0);
		}
		if (k == 0) {
			second = a.bytes;
			audit_continue(&a, fd);
		}
	}
	*ret_size = (size_t)pread(fd, file, sizeof(file), 0);
	return second;
}

static void
audit_check__second_segment__goes_on_where_the_first_ended(void **state)
{
	struct audit_check one, two;
	struct err e;
	size_t n, second = make_two(3, &n);

	(void)state;
	assert_int_equal(check(file, second, &one, &e), 0);
	assert_true(one.continued && !one.closed);
	assert_int_equal(check(file + second, n - second, &two, &e), 0);
	assert_true(two.closed && !two.continued);
	assert_int_equal(two.before.seq, one.head.seq);
	assert_memory_equal(two.before.digest, one.head.digest, SHA256_SIZE);
	/* in one file they would be a line after the end */
	assert_int_equal(check(file, n, &one, &e), 4);
}

static void
audit_check__number_and_hash_that_do_not_fit__refused(void **state)
{
	struct audit_check c;
	struct err e;
	size_t n, second = make_two(3, &n);
	char *prev;

	(void)state;
	/* something before line 1, nothing before line 4 */
	file[strlen("{\"seq\":1,\"prev\":\"")] = '1';
	assert_int_equal(check(file, second, &c, &e), 1);
	prev = file + second + strlen("{\"seq\":4,\"prev\":\"");
	memset(prev, '0', SHA256_HEX_SIZE - 1);
	assert_int_equal(check(file + second, n - second, &c, &e), 1);
	memset(prev, 'g', SHA256_HEX_SIZE - 1);
	assert_int_equal(check(file + second, n - second, &c, &e), 1);
}

static void
audit_check__part_of_a_list__begins_and_ends_anywhere(void **state)
{
	struct audit_check c;
	struct err e;
	size_t n = make(3);
	char *two = line_at(2), *three = line_at(3);

	(void)state;
	audit_check_init_part(&c);
	assert_int_equal(audit_check_line(&c, two, (size_t)(three - two), &e),
	    0);
	assert_int_equal(c.before.seq, 1);
	assert_refused(audit_check_line(&c, two, (size_t)(three - two), &e), &e,
	    ERR_CORRUPT, "number 2 where 3");
	audit_check_init(&c);
	assert_refused(audit_check_line(&c, two, (size_t)(three - two), &e), &e,
	    ERR_CORRUPT, "not \"open\"");
	(void)n;
}

static void
audit_line__members__the_programs_own_alone(void **state)
{
	static const char line[] =
	    "{\"seq\":7,\"host\":\"\\\"policy\\\":\\\"evil\\\"\","
	    "\"policy\":\"sha256:ab\",\"why\":\"a b\",\"first\":0}\n";
	size_t n = sizeof(line) - 1;
	uint64_t number;
	char word[16];

	(void)state;
	assert_int_equal(audit_line_word(line, n, "policy", word, sizeof(word)),
	    0);
	assert_string_equal(word, "sha256:ab");
	assert_int_equal(audit_line_word(line, n, "policy", word, 9), -1);
	assert_int_equal(audit_line_word(line, n, "why", word, sizeof(word)),
	    -1);
	assert_int_equal(audit_line_word(line, n, "none", word, sizeof(word)),
	    -1);
	assert_int_equal(audit_line_number(line, n, "seq", &number), 0);
	assert_int_equal(number, 7);
	assert_int_equal(audit_line_number(line, n, "first", &number), 0);
	assert_int_equal(number, 0);
	assert_int_equal(audit_line_number(line, n, "why", &number), -1);
}

static void
audit_end__disk_full__error_and_no_more(void **state)
{
	static struct audit_line l;
	autofd fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct audit a;
	struct err e = { 0 };

	(void)state;
	audit_init(&a, fd);
	audit_begin(&l, &a, "open");
	assert_refused(audit_end(&l, &e), &e, ERR_SYSTEM, "writing");
	assert_int_equal(a.failed, ENOSPC);
	a.fd = -1;
	audit_begin(&l, &a, "open");
	assert_refused(audit_end(&l, &e), &e, ERR_SYSTEM, "failed before");
	assert_int_equal(a.head.seq, 0);
}

/* Lines that are written together are those that would be written alone. */
static void
audit_and__several_lines__one_chain(void **state)
{
	static struct audit_line l;
	static char wide[AUDIT_LINE_MAX - 512];
	static char text[8 * AUDIT_LINE_MAX];
	autofd fd = memfd_create("audit", MFD_CLOEXEC);
	struct audit_check c;
	struct audit a;
	struct err e = { 0 };
	char *line = text, *end;
	int i;

	(void)state;
	memset(wide, 'x', sizeof(wide) - 1);
	audit_init(&a, fd);
	audit_begin(&l, &a, "open");
	for (i = 0; i < 6; i++) {
		assert_int_equal(audit_and(&l, "more", &e), 0);
		audit_add(&l, "host", i % 2 ? wide : "\n\"\\");
	}
	/* the last of them are in no file yet */
	assert_true(lseek(fd, 0, SEEK_END) > 0);
	assert_true(a.head.seq < 7);
	assert_int_equal(audit_end(&l, &e), 0);
	assert_int_equal(a.head.seq, 7);
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), a.bytes);
	audit_check_init(&c);
	for (i = 0; i < 7; i++, line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		assert_int_equal(audit_check_line(&c, line,
				     (size_t)(end - line) + 1, &e),
		    0);
	}
	assert_memory_equal(c.head.digest, a.head.digest, SHA256_SIZE);
	assert_string_equal(line, "");
}

static void
audit_and__nothing_can_be_written__no_line_counts(void **state)
{
	static struct audit_line l;
	autofd fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct audit a;
	struct err e = { 0 };

	(void)state;
	audit_init(&a, fd);
	audit_begin(&l, &a, "open");
	assert_int_equal(audit_and(&l, "more", &e), 0);
	assert_refused(audit_end(&l, &e), &e, ERR_SYSTEM, "writing");
	assert_int_equal(a.head.seq, 0);
	assert_refused(audit_and(&l, "more", &e), &e, ERR_SYSTEM, "before");
}

static void
audit_end__line_too_long__error_and_nothing_written(void **state)
{
	static struct audit_line l;
	static char longest[AUDIT_LINE_MAX];
	autofd fd = memfd_create("audit", MFD_CLOEXEC);
	struct audit a;
	struct err e = { 0 };

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	audit_init(&a, fd);
	audit_begin(&l, &a, "open");
	audit_add(&l, "host", longest);
	assert_refused(audit_end(&l, &e), &e, ERR_LIMIT, "8192");
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(audit_check__what_was_written__whole),
		cmocka_unit_test(audit_and__several_lines__one_chain),
		cmocka_unit_test(
		    audit_and__nothing_can_be_written__no_line_counts),
		cmocka_unit_test(audit_check__any_byte_changed__seen),
		cmocka_unit_test(
		    audit_check__line_gone_doubled_or_swapped__seen),
		cmocka_unit_test(audit_check__cut_off__open_or_broken),
		cmocka_unit_test(audit_check__lines_behind_the_end__refused),
		cmocka_unit_test(
		    audit_check__second_segment__goes_on_where_the_first_ended),
		cmocka_unit_test(
		    audit_check__number_and_hash_that_do_not_fit__refused),
		cmocka_unit_test(
		    audit_check__part_of_a_list__begins_and_ends_anywhere),
		cmocka_unit_test(audit_line__members__the_programs_own_alone),
		cmocka_unit_test(audit_end__disk_full__error_and_no_more),
		cmocka_unit_test(
		    audit_end__line_too_long__error_and_nothing_written),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
