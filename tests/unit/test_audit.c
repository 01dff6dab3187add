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
		cmocka_unit_test(audit_check__any_byte_changed__seen),
		cmocka_unit_test(
		    audit_check__line_gone_doubled_or_swapped__seen),
		cmocka_unit_test(audit_check__cut_off__open_or_broken),
		cmocka_unit_test(audit_check__lines_behind_the_end__refused),
		cmocka_unit_test(audit_end__disk_full__error_and_no_more),
		cmocka_unit_test(
		    audit_end__line_too_long__error_and_nothing_written),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
