/* base/secret.c: who can get at a secret's bytes. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "secret.h"

static struct secret *
secret_of(const char *s)
{
	struct secret *ret;
	struct err e = { .code = ERR_OK };

	if (secret_create(s, strlen(s), &ret, &e) == -1)
		fail_msg("%s", e.msg);
	return ret;
}

/* Run fn in a child; returns its wait status. */
static int
in_child(void (*fn)(struct secret *), struct secret *s)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* A core file of this child would hold nothing new. */
		static const struct rlimit none = { 0, 0 };

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGSEGV, SIG_DFL);
		fn(s);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int
faulted(int status)
{
	return (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
	       /* a sanitizer reports the fault by its exit status */
	       (WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

static void
secret_create__bytes__kept_exactly(void **state)
{
	autosecret *s = secret_of("swordfish");

	(void)state;
	assert_int_equal(secret_size(s), 9);
	assert_memory_equal(secret_bytes(s), "swordfish", 9);
}

static void
secret_create__maximum__fits_and_one_more_refused(void **state)
{
	static const char data[SECRET_MAX + 1];
	autosecret *s = NULL, *kept = NULL;
	struct err e;

	(void)state;
	assert_int_equal(secret_create(data, SECRET_MAX, &s, &e), 0);
	assert_int_equal(secret_size(s), SECRET_MAX);
	assert_refused(secret_create(data, sizeof(data), &kept, &e), &e,
	    ERR_LIMIT, "8193 bytes");
	assert_null(kept);
	assert_int_equal(secret_create(NULL, 0, &kept, &e), 0);
	assert_int_equal(secret_size(kept), 0);
}

static void
read_behind(struct secret *s)
{
	const volatile char *p = secret_bytes(s);

	(void)p[secret_size(s)];
}

static void
read_last(struct secret *s)
{
	const volatile char *p = secret_bytes(s);

	(void)p[secret_size(s) - 1];
}

static void
read_before(struct secret *s)
{
	const volatile char *p = secret_bytes(s);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)p / page * page;

	/* The secret is short: its page is the last of the data. */
	p = (const volatile char *)first;
	(void)p[-(ptrdiff_t)(SECRET_MAX - page) - 1];
}

/* fork() takes the pages away, so these run in this process' own copy. */
static void
make_and(void (*touch)(struct secret *))
{
	autosecret *s = secret_of("short");

	touch(s);
}

static void
child_last(struct secret *s)
{
	(void)s;
	make_and(read_last);
}

static void
child_behind(struct secret *s)
{
	(void)s;
	make_and(read_behind);
}

static void
child_before(struct secret *s)
{
	(void)s;
	make_and(read_before);
}

static void
secret_bytes__one_past_either_end__faults(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_last, NULL), 0);
	assert_true(faulted(in_child(child_behind, NULL)));
	assert_true(faulted(in_child(child_before, NULL)));
}

static void
child_destroy(struct secret *s)
{
	secret_destroy(s);
}

static void
secret_fork__child__has_no_bytes_but_may_destroy(void **state)
{
	autosecret *s = secret_of("swordfish");

	(void)state;
	assert_true(faulted(in_child(read_last, s)));
	assert_int_equal(in_child(child_destroy, s), 0);
	/* The parent's are untouched. */
	assert_memory_equal(secret_bytes(s), "swordfish", 9);
}

/* VmFlags of the mapping that holds p: "lo" locked, "dd" not dumped. */
static void
find_flags(const void *p, char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	int here = 0;

	assert_non_null(f);
	ret[0] = '\0';
	while (fgets(line, sizeof(line), f) != NULL) {
		uintptr_t from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (uintptr_t)p >= from && (uintptr_t)p < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			(void)snprintf(ret, size, "%.200s", line + 8);
	}
	(void)fclose(f);
}

/* Locked, left out of core dumps, not given to children. */
static int
is_protected(const struct secret *s)
{
	char flags[256];

	find_flags(secret_bytes(s), flags, sizeof(flags));
	return strstr(flags, " lo") != NULL && strstr(flags, " dd") != NULL &&
	       strstr(flags, " dc") != NULL;
}

static void
secret_pages__kernel_record__locked_not_dumped_not_forked(void **state)
{
	autosecret *s = secret_of("swordfish");
	char flags[256];

	(void)state;
	if (!is_protected(s))
		fail_msg("%s is not protected", secret_backing(s));
	/* The control: an ordinary page has none of them. */
	find_flags(flags, flags, sizeof(flags));
	assert_null(strstr(flags, " lo"));
	assert_null(strstr(flags, " dd"));
}

/* A kernel without memfd_secret, as far as this child can tell. */
static void
child_without_memfd_secret(struct secret *unused)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_secret, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = countof(insns), .filter = insns };
	struct secret *s;

	(void)unused;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == -1)
		_exit(2);
	s = secret_of("swordfish");
	if (strcmp(secret_backing(s), "mlock") != 0)
		_exit(3);
	if (!is_protected(s))
		_exit(4);
	secret_destroy(s);
}

static void
secret_backing__no_memfd_secret__locked_all_the_same(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	unit_skip("AddressSanitizer makes mlock a no-operation");
#endif
	assert_int_equal(in_child(child_without_memfd_secret, NULL), 0);
}

static void
secret_backing__memfd_secret__not_readable_through_proc(void **state)
{
	autosecret *s = secret_of("swordfish");
	char plain[] = "control", got[16];
	autofd fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	(void)state;
	if (strcmp(secret_backing(s), "memfd_secret") != 0)
		unit_skip("this kernel has no memfd_secret: %s",
		    secret_backing(s));
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, got, sizeof(plain), (off_t)(uintptr_t)plain),
	    sizeof(plain));
	assert_int_equal(pread(fd, got, 9, (off_t)(uintptr_t)secret_bytes(s)),
	    -1);
}

/*
 * Without memfd_secret and without leave to lock there is no secret: both
 * backings count against RLIMIT_MEMLOCK, and root is exempt only of mlock's.
 */
static void
child_without_lock(struct secret *unused)
{
	static const struct rlimit none = { 0, 0 };
	struct secret *s;
	struct err e;

	(void)unused;
	if (setrlimit(RLIMIT_MEMLOCK, &none) == -1 || setuid(65534) == -1)
		_exit(2);
	if (secret_create("x", 1, &s, &e) != -1)
		_exit(3);
	if (e.code != ERR_SYSTEM || strstr(e.msg, "RLIMIT_MEMLOCK") == NULL)
		_exit(4);
}

static void
secret_create__no_leave_to_lock__refused(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	unit_skip("AddressSanitizer makes mlock a no-operation");
#endif
	if (geteuid() != 0)
		unit_skip("only root can give up its right to lock memory");
	assert_int_equal(in_child(child_without_lock, NULL), 0);
}

static void
secret_destroy__mapping__gone(void **state)
{
	struct secret *s = secret_of("swordfish");
	const void *p = secret_bytes(s);
	char flags[256];

	(void)state;
	find_flags(p, flags, sizeof(flags));
	assert_string_not_equal(flags, "");
	secret_destroy(s);
	find_flags(p, flags, sizeof(flags));
	assert_string_equal(flags, "");
	secret_destroy(NULL);
}

static void
secret_equal__every_difference__seen(void **state)
{
	autosecret *s = secret_of("swordfish");
	autosecret *empty = secret_of("");
	char other[9];
	size_t i;

	(void)state;
	assert_true(secret_equal(s, "swordfish", 9));
	assert_false(secret_equal(s, "swordfis", 8));
	assert_false(secret_equal(s, "swordfishs", 10));
	assert_false(secret_equal(s, "swordfishswordfish", 18));
	assert_false(secret_equal(s, "", 0));
	assert_true(secret_equal(empty, "", 0));
	assert_false(secret_equal(empty, "x", 1));
	for (i = 0; i < sizeof(other); i++) {
		memcpy(other, "swordfish", sizeof(other));
		other[i] ^= 1;
		assert_false(secret_equal(s, other, sizeof(other)));
	}
}

/* Feed n bytes from a child, in pieces. */
static int
secret_from_pipe(size_t n, struct secret **ret, struct err *e)
{
	int fd[2], rc, status;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(fd[0]);
		(void)signal(SIGPIPE, SIG_DFL);
		while (n-- > 0)
			if (write(fd[1], "abcdefg" + n % 7, 1) != 1)
				_exit(1);
		_exit(0);
	}
	(void)close(fd[1]);
	rc = secret_read(fd[0], ret, e);
	(void)close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return rc;
}

static void
secret_read__stream__exact_up_to_the_maximum(void **state)
{
	autosecret *a = NULL, *b = NULL, *c = NULL, *d = NULL;
	const char *p;
	struct err e;
	size_t i;

	(void)state;
	assert_int_equal(secret_from_pipe(100, &a, &e), 0);
	assert_int_equal(secret_size(a), 100);
	p = secret_bytes(a);
	for (i = 0; i < 100; i++)
		assert_int_equal(p[i], "abcdefg"[(99 - i) % 7]);
	assert_int_equal(secret_from_pipe(0, &b, &e), 0);
	assert_int_equal(secret_size(b), 0);
	assert_int_equal(secret_from_pipe(SECRET_MAX, &c, &e), 0);
	assert_int_equal(secret_size(c), SECRET_MAX);
	assert_refused(secret_from_pipe(SECRET_MAX + 1, &d, &e), &e, ERR_LIMIT,
	    "more than 8192");
	assert_null(d);
}

static void
secret_read__bad_descriptor__error_and_nothing_left(void **state)
{
	struct secret *s = NULL;
	int before = unit_count_fds();
	struct err e;

	(void)state;
	assert_refused(secret_read(-1, &s, &e), &e, ERR_SYSTEM, "reading");
	assert_int_equal(e.sys, EBADF);
	assert_null(s);
	assert_int_equal(unit_count_fds(), before);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(secret_create__bytes__kept_exactly),
		cmocka_unit_test(
		    secret_create__maximum__fits_and_one_more_refused),
		cmocka_unit_test(secret_bytes__one_past_either_end__faults),
		cmocka_unit_test(
		    secret_fork__child__has_no_bytes_but_may_destroy),
		cmocka_unit_test(
		    secret_pages__kernel_record__locked_not_dumped_not_forked),
		cmocka_unit_test(
		    secret_backing__no_memfd_secret__locked_all_the_same),
		cmocka_unit_test(
		    secret_backing__memfd_secret__not_readable_through_proc),
		cmocka_unit_test(secret_create__no_leave_to_lock__refused),
		cmocka_unit_test(secret_destroy__mapping__gone),
		cmocka_unit_test(secret_equal__every_difference__seen),
		cmocka_unit_test(secret_read__stream__exact_up_to_the_maximum),
		cmocka_unit_test(
		    secret_read__bad_descriptor__error_and_nothing_left),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
