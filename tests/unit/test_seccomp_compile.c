/* What the profiles decide, by example: numbers, arguments, policies' lists. */
#include "unit.h"

#include <errno.h>
#include <stdint.h>

#include "policy/seccomp_compile.h"
#include "policy/seccomp_emit.h"
#include "policy/seccomp_eval.h"

#define HIGH (1ull << 32) /* a bit that an int argument does not have */
#define ALLOW SECCOMP_RET_ALLOW
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))

static struct seccomp_program program;

static void
compile(uint32_t profile, uint32_t audit_arch)
{
	struct err e = { .code = ERR_OK };

	if (seccomp_compile(profile, NULL, 0, NULL, 0, audit_arch, &program,
		&e) == -1)
		fail_msg("%s", e.msg);
	if (seccomp_program_check(&program, &e) == -1)
		fail_msg("%s", e.msg);
}

static uint32_t
answer_nr(uint32_t audit_arch, int nr, const uint64_t args[6])
{
	struct seccomp_data data = { .nr = nr, .arch = audit_arch };

	memcpy(data.args, args, sizeof(data.args));
	return seccomp_eval(&program, &data);
}

static uint32_t
answer_on(enum seccomp_arch arch, uint32_t audit_arch, const char *name,
    const uint64_t args[6])
{
	const struct seccomp_syscall *s = seccomp_syscall_find(name);

	assert_non_null(s);
	assert_int_not_equal(s->nr[arch], SECCOMP_NR_NONE);
	return answer_nr(audit_arch, s->nr[arch], args);
}

/* One attempt, and what the strict profile answers on x86-64. */
struct attempt {
	const char *name;
	uint64_t args[6];
	uint32_t action;
};

static void
try_all(const struct attempt *t, size_t n)
{
	uint32_t got;

	for (size_t i = 0; i < n; i++) {
		got = answer_on(SECCOMP_ARCH_X86_64, AUDIT_ARCH_X86_64,
		    t[i].name, t[i].args);
		if (got != t[i].action)
			fail_msg("row %zu: %s: %s, expected %s", i, t[i].name,
			    seccomp_action_name(got),
			    seccomp_action_name(t[i].action));
	}
}

#define TRY(table) try_all(table, countof(table))

static void
compile_profile__foreign_architecture__kills(void **state)
{
	static const uint32_t foreign[] = { AUDIT_ARCH_I386, AUDIT_ARCH_ARM, 0,
		UINT32_MAX, AUDIT_ARCH_X86_64 ^ 1 };
	static const uint64_t none[6];

	(void)state;
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	for (size_t i = 0; i < countof(foreign); i++)
		assert_int_equal(answer_nr(foreign[i], 0, none),
		    SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(answer_nr(AUDIT_ARCH_AARCH64, 63, none),
	    SECCOMP_RET_KILL_PROCESS);
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_AARCH64);
	assert_int_equal(answer_nr(AUDIT_ARCH_X86_64, 0, none),
	    SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(answer_nr(AUDIT_ARCH_AARCH64, 63, none), ALLOW);
}

static void
compile_profile__number_unknown_or_x32__is_enosys(void **state)
{
	static const int numbers[] = { 337, 423, 470, 512, 547, 600, 1000, 4095,
		INT32_MAX, -1, INT32_MIN, 0x40000000, 0x40000000 | 1,
		0x40000000 | 59, 0x40000000 | 165 };
	static const uint64_t none[6];

	(void)state;
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	for (size_t i = 0; i < countof(numbers); i++)
		assert_int_equal(answer_nr(AUDIT_ARCH_X86_64, numbers[i], none),
		    ERRNO(ENOSYS));
	assert_int_equal(answer_nr(AUDIT_ARCH_X86_64, 1, none), ALLOW);
	assert_int_equal(answer_nr(AUDIT_ARCH_X86_64, 59, none), ALLOW);
}

static void
compile_strict__calls_of_the_posture__get_their_errno(void **state)
{
	static const struct attempt table[] = {
		{ "read", { 0 }, ALLOW },
		{ "mount", { 0 }, ERRNO(EPERM) },
		{ "umount2", { 0 }, ERRNO(EPERM) },
		{ "pivot_root", { 0 }, ERRNO(EPERM) },
		{ "chroot", { 0 }, ERRNO(EPERM) },
		{ "unshare", { 0 }, ERRNO(EPERM) },
		{ "setns", { 0 }, ERRNO(EPERM) },
		{ "ptrace", { 0 }, ERRNO(EPERM) },
		{ "bpf", { 0 }, ERRNO(EPERM) },
		{ "keyctl", { 0 }, ERRNO(EPERM) },
		{ "io_uring_setup", { 0 }, ERRNO(EPERM) },
		{ "userfaultfd", { 0 }, ERRNO(EPERM) },
		{ "quotactl_fd", { 0 }, ERRNO(EPERM) },
		{ "pidfd_getfd", { 0 }, ERRNO(EPERM) },
		{ "set_mempolicy_home_node", { 0 }, ERRNO(EPERM) },
		{ "clone3", { 0 }, ERRNO(ENOSYS) },
		{ "openat2", { 0 }, ERRNO(ENOSYS) },
		{ "open_tree", { 0 }, ERRNO(ENOSYS) },
		{ "mount_setattr", { 0 }, ERRNO(ENOSYS) },
		{ "statmount", { 0 }, ERRNO(ENOSYS) },
		{ "cachestat", { 0 }, ERRNO(ENOSYS) },
		{ "modify_ldt", { 0 }, ERRNO(ENOSYS) },
		{ "file_setattr", { 0 }, ERRNO(ENOSYS) },
		{ "process_madvise", { 0 }, ERRNO(ENOSYS) },
		{ "sync", { 0 }, ERRNO(0) },
		{ "syncfs", { 0 }, ALLOW },
		{ "faccessat2", { 0 }, ALLOW },
		{ "pidfd_open", { 0 }, ALLOW },
		{ "close_range", { 0 }, ALLOW },
		{ "landlock_restrict_self", { 0 }, ALLOW },
		{ "memfd_create", { 0 }, ALLOW },
	};

	(void)state;
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	TRY(table);
}

static void
compile_strict__namespaces_by_clone__are_refused(void **state)
{
	static const struct attempt table[] = {
		{ "clone", { 0x00020000 }, ERRNO(EPERM) },
		{ "clone", { 0x02000000 }, ERRNO(EPERM) },
		{ "clone", { 0x04000000 }, ERRNO(EPERM) },
		{ "clone", { 0x08000000 }, ERRNO(EPERM) },
		{ "clone", { 0x10000000 }, ERRNO(EPERM) },
		{ "clone", { 0x20000000 }, ERRNO(EPERM) },
		{ "clone", { 0x40000000 }, ERRNO(EPERM) },
		{ "clone", { 0x10000011 | HIGH }, ERRNO(EPERM) },
		{ "clone", { 17 }, ALLOW }, /* fork */
		{ "clone", { 0x4111 }, ALLOW }, /* CLONE_VM|CLONE_VFORK */
		{ "clone", { 0x3d0f00 }, ALLOW }, /* pthread_create */
		{ "clone", { 0x80 }, ALLOW }, /* an exit signal, no NEWTIME */
		{ "clone", { 17 | HIGH }, ALLOW },
	};

	(void)state;
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	TRY(table);
}

static void
compile_strict__sockets__are_an_allow_list(void **state)
{
	static const struct attempt table[] = {
		{ "socket", { 1, 1, 0 }, ALLOW },
		{ "socket", { 1, 5, 0 }, ALLOW }, /* SEQPACKET */
		{ "socket", { 2, 1, 0 }, ALLOW },
		{ "socket", { 2, 1, 6 }, ALLOW },
		{ "socket", { 2, 2, 17 }, ALLOW },
		{ "socket", { 10, 1 | 02004000, 6 }, ALLOW },
		{ "socket", { 16, 3 | 02000000, 0 }, ALLOW },
		{ "socket", { 16, 2, 0 }, ALLOW },
		{ "socket", { 2, 3, 0 }, ERRNO(EPERM) }, /* SOCK_RAW */
		{ "socket", { 2, 3 | HIGH, 0 }, ERRNO(EPERM) },
		{ "socket", { 10, 10, 0 }, ERRNO(EPERM) }, /* SOCK_PACKET */
		{ "socket", { 16, 5, 0 }, ERRNO(EPERM) },
		{ "socket", { 2, 1, 262 }, ERRNO(EPROTONOSUPPORT) }, /* MPTCP */
		{ "socket", { 10, 1, 262 | HIGH }, ERRNO(EPROTONOSUPPORT) },
		{ "socket", { 2, 5, 132 }, ERRNO(EPROTONOSUPPORT) }, /* SCTP */
		{ "socket", { 2, 2, 136 }, ERRNO(EPROTONOSUPPORT) },
		{ "socket", { 2, 2, 1 }, ERRNO(EPROTONOSUPPORT) }, /* ICMP */
		{ "socket", { 2, 3, 255 }, ERRNO(EPROTONOSUPPORT) }, /* RAW */
		{ "socket", { 16, 3, 9 }, ERRNO(EPROTONOSUPPORT) }, /* audit */
		{ "socket", { 17, 3, 0 }, ERRNO(EAFNOSUPPORT) }, /* PACKET */
		{ "socket", { 38, 5, 0 }, ERRNO(EAFNOSUPPORT) }, /* ALG */
		{ "socket", { 40, 1, 0 }, ERRNO(EAFNOSUPPORT) }, /* VSOCK */
		{ "socket", { 40 | HIGH, 1, 0 }, ERRNO(EAFNOSUPPORT) },
		{ "socket", { 0, 1, 0 }, ERRNO(EAFNOSUPPORT) },
		{ "socket", { UINT64_MAX, 1, 0 }, ERRNO(EAFNOSUPPORT) },
		{ "socketpair", { 1, 1, 0 }, ALLOW },
		{ "socketpair", { 2, 1, 0 }, ERRNO(EAFNOSUPPORT) },
		{ "socketpair", { 30, 1, 0 }, ERRNO(EAFNOSUPPORT) }, /* TIPC */
		{ "setsockopt", { 3, 6, 31 }, ERRNO(ENOPROTOOPT) },
		{ "setsockopt", { 3, 6 | HIGH, 31 | HIGH },
		    ERRNO(ENOPROTOOPT) },
		{ "setsockopt", { 3, 6, 1 }, ALLOW },
		{ "setsockopt", { 3, 1, 31 }, ALLOW },
	};

	(void)state;
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	TRY(table);
}

static void
compile_strict__terminal_requests__are_refused(void **state)
{
	static const struct attempt table[] = {
		{ "ioctl", { 0, 0x5412 }, ERRNO(EPERM) }, /* TIOCSTI */
		{ "ioctl", { 0, 0x5412 | HIGH }, ERRNO(EPERM) },
		{ "ioctl", { 0, 0x541c }, ERRNO(EPERM) }, /* TIOCLINUX */
		{ "ioctl", { 0, 0x5423 | 5 * HIGH }, ERRNO(EPERM) },
		{ "ioctl", { 0, 0x541d }, ERRNO(EPERM) }, /* TIOCCONS */
		{ "ioctl", { 0, 0x5413 }, ALLOW }, /* TIOCGWINSZ */
		{ "ioctl", { 0, 0x540e }, ALLOW }, /* TIOCSCTTY */
		{ "ioctl", { 0x5412, 0 }, ALLOW },
	};

	(void)state;
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	TRY(table);
}

static void
compile_strict__setuid_bits__are_refused_in_every_mode(void **state)
{
	static const struct attempt table[] = {
		{ "chmod", { 0, 04755 }, ERRNO(EPERM) },
		{ "chmod", { 0, 02755 | HIGH }, ERRNO(EPERM) },
		{ "chmod", { 0, 01755 }, ALLOW },
		{ "chmod", { 06000, 0755 }, ALLOW },
		{ "fchmod", { 0, 02000 }, ERRNO(EPERM) },
		{ "fchmod", { 0, 0777 }, ALLOW },
		{ "fchmodat", { 0, 0, 04000 }, ERRNO(EPERM) },
		{ "fchmodat", { 0, 0, 0777 }, ALLOW },
		{ "fchmodat2", { 0, 0, 02000 }, ERRNO(EPERM) },
		{ "fchmodat2", { 0, 0, 0777 }, ALLOW },
		{ "creat", { 0, 04000 }, ERRNO(EPERM) },
		{ "creat", { 0, 0644 }, ALLOW },
		{ "mkdir", { 0, 02777 }, ERRNO(EPERM) },
		{ "mkdir", { 0, 01777 }, ALLOW },
		{ "mkdirat", { 0, 0, 02777 }, ERRNO(EPERM) },
		{ "mkdirat", { 0, 0, 0777 }, ALLOW },
		{ "open", { 0, 0x40, 04644 }, ERRNO(EPERM) },
		{ "open", { 0, 0x410000, 02644 }, ERRNO(EPERM) }, /* TMPFILE */
		{ "open", { 0, 0x40, 0644 }, ALLOW },
		{ "open", { 0, 0, 06644 }, ALLOW }, /* left-over register */
		{ "openat", { 0, 0, 0x41 | HIGH, 04000 }, ERRNO(EPERM) },
		{ "openat", { 0, 0, 0x41, 04000 | HIGH }, ERRNO(EPERM) },
		{ "openat", { 0, 0, 0x41, 0600 }, ALLOW },
		{ "openat", { 0, 0, 0x80000, 06000 }, ALLOW },
		{ "mq_open", { 0, 0x42, 04600 }, ERRNO(EPERM) },
		{ "mq_open", { 0, 0x42, 0600 }, ALLOW },
		{ "mknod", { 0, 0010644 }, ALLOW }, /* fifo */
		{ "mknod", { 0, 0644 }, ALLOW },
		{ "mknod", { 0, 0100644 }, ALLOW },
		{ "mknod", { 0, 0140644 }, ALLOW },
		{ "mknod", { 0, 0014644 }, ERRNO(EPERM) }, /* fifo, setuid */
		{ "mknod", { 0, 0020644 }, ERRNO(EPERM) }, /* devices */
		{ "mknod", { 0, 0060644 }, ERRNO(EPERM) },
		{ "mknod", { 0, 0020644 | HIGH }, ERRNO(EPERM) },
		{ "mknodat", { 0, 0, 0010600 }, ALLOW },
		{ "mknodat", { 0, 0, 0020600 }, ERRNO(EPERM) },
		{ "mknodat", { 0, 0, 0012600 }, ERRNO(EPERM) },
	};

	(void)state;
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	TRY(table);
}

static void
compile_strict__core_limit__can_be_read_only(void **state)
{
	static const struct attempt table[] = {
		{ "setrlimit", { 4, 1 }, ERRNO(EPERM) },
		{ "setrlimit", { 4 | HIGH, 1 }, ERRNO(EPERM) },
		{ "setrlimit", { 7, 1 }, ALLOW },
		{ "prlimit64", { 0, 4, 0, 1 }, ALLOW },
		{ "prlimit64", { 0, 4, 1, 0 }, ERRNO(EPERM) },
		{ "prlimit64", { 0, 4, HIGH, 0 }, ERRNO(EPERM) },
		{ "prlimit64", { 0, 4 | HIGH, HIGH, 0 }, ERRNO(EPERM) },
		{ "prlimit64", { 0, 7, 1, 0 }, ALLOW },
	};

	(void)state;
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	TRY(table);
}

static void
compile_strict__process_attributes__are_allow_lists(void **state)
{
	static const struct attempt table[] = {
		{ "prctl", { 15 }, ALLOW }, /* PR_SET_NAME */
		{ "prctl", { 0x53564d41 | HIGH }, ALLOW }, /* PR_SET_VMA */
		{ "prctl", { 1 }, ALLOW }, /* PR_SET_PDEATHSIG */
		{ "prctl", { 38, 1 }, ALLOW }, /* PR_SET_NO_NEW_PRIVS */
		{ "prctl", { 22 }, ALLOW }, /* PR_SET_SECCOMP */
		{ "prctl", { 24 }, ERRNO(EPERM) }, /* PR_CAPBSET_DROP */
		{ "prctl", { 28 }, ERRNO(EPERM) }, /* PR_SET_SECUREBITS */
		{ "prctl", { 47, 1 }, ALLOW }, /* AMBIENT_IS_SET */
		{ "prctl", { 47, 2 }, ERRNO(EPERM) }, /* AMBIENT_RAISE */
		{ "prctl", { 35 }, ERRNO(EINVAL) }, /* PR_SET_MM */
		{ "prctl", { 62 }, ERRNO(EINVAL) }, /* PR_SCHED_CORE */
		{ "prctl", { 67 }, ERRNO(EINVAL) }, /* PR_SET_MEMORY_MERGE */
		{ "prctl", { UINT64_MAX }, ERRNO(EINVAL) },
		{ "personality", { 0 }, ALLOW },
		{ "personality", { 8 }, ALLOW },
		{ "personality", { 0xffffffff }, ALLOW },
		{ "personality", { UINT64_MAX }, ALLOW },
		{ "personality", { 0x40000 }, ERRNO(EPERM) },
		{ "personality", { 0x400000 }, ERRNO(EPERM) },
		{ "personality", { 0x100000 }, ERRNO(EPERM) },
		{ "seccomp", { 1, 0 }, ALLOW },
		{ "seccomp", { 1, 0x17 }, ALLOW },
		{ "seccomp", { 1, 8 }, ERRNO(EINVAL) }, /* NEW_LISTENER */
		{ "seccomp", { 1 | HIGH, 8 | HIGH }, ERRNO(EINVAL) },
		{ "seccomp", { 1, 0x20 }, ERRNO(EINVAL) },
		{ "seccomp", { 0, 8 }, ALLOW },
		{ "seccomp", { 2, 0 }, ALLOW },
		{ "seccomp", { 4, 0 }, ERRNO(EINVAL) },
	};

	(void)state;
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	TRY(table);
}

static void
compile_build__personality__adds_fixed_addresses_only(void **state)
{
	static const struct attempt table[] = {
		{ "personality", { 0x40000 }, ALLOW },
		{ "personality", { 0x40000 | HIGH }, ALLOW },
		{ "personality", { 0x40008 }, ALLOW },
		{ "personality", { 0 }, ALLOW },
		{ "personality", { 0x440000 }, ERRNO(EPERM) },
		{ "ptrace", { 0 }, ERRNO(EPERM) },
	};

	(void)state;
	compile(PLAN_SECCOMP_BUILD, AUDIT_ARCH_X86_64);
	TRY(table);
}

/* Sanitizers die where they cannot switch core files off. */
static void
compile_build__core_limit__succeeds_without_effect(void **state)
{
	static const struct attempt table[] = {
		{ "setrlimit", { 4, 1 }, ERRNO(0) },
		{ "setrlimit", { 4 | HIGH, 1 }, ERRNO(0) },
		{ "setrlimit", { 7, 1 }, ALLOW },
		{ "prlimit64", { 0, 4, 1, 0 }, ERRNO(0) },
		{ "prlimit64", { 0, 4, HIGH, 0 }, ERRNO(0) },
		{ "prlimit64", { 0, 4, 1, 1 }, ERRNO(EPERM) },
		{ "prlimit64", { 0, 4, 1, HIGH }, ERRNO(EPERM) },
		{ "prlimit64", { 0, 4, 0, 1 }, ALLOW },
		{ "prlimit64", { 0, 7, 1, 1 }, ALLOW },
	};

	(void)state;
	compile(PLAN_SECCOMP_BUILD, AUDIT_ARCH_X86_64);
	TRY(table);
	compile(PLAN_SECCOMP_DEBUG, AUDIT_ARCH_X86_64);
	TRY(table);
}

static void
compile_debug__tracing__is_allowed_and_the_rest_is_not(void **state)
{
	static const struct attempt table[] = {
		{ "ptrace", { 0 }, ALLOW },
		{ "process_vm_readv", { 0 }, ALLOW },
		{ "process_vm_writev", { 0 }, ALLOW },
		{ "kcmp", { 0 }, ALLOW },
		{ "personality", { 0x40000 }, ALLOW },
		{ "perf_event_open", { 0 }, ERRNO(EPERM) },
		{ "bpf", { 0 }, ERRNO(EPERM) },
		{ "mount", { 0 }, ERRNO(EPERM) },
		{ "ioctl", { 0, 0x5412 }, ERRNO(EPERM) },
	};

	(void)state;
	compile(PLAN_SECCOMP_DEBUG, AUDIT_ARCH_X86_64);
	TRY(table);
}

static void
compile_strict__on_arm64__uses_its_own_numbers(void **state)
{
	static const uint64_t none[6], raw[6] = { 2, 3, 0 };

	(void)state;
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_AARCH64);
	assert_int_equal(answer_on(SECCOMP_ARCH_ARM64, AUDIT_ARCH_AARCH64,
			     "mount", none),
	    ERRNO(EPERM));
	assert_int_equal(answer_on(SECCOMP_ARCH_ARM64, AUDIT_ARCH_AARCH64,
			     "socket", raw),
	    ERRNO(EPERM));
	assert_int_equal(answer_on(SECCOMP_ARCH_ARM64, AUDIT_ARCH_AARCH64,
			     "clone3", none),
	    ERRNO(ENOSYS));
	/* 2 is open on x86-64, io_submit here */
	assert_int_equal(answer_nr(AUDIT_ARCH_AARCH64, 2, none), ERRNO(EPERM));
	assert_int_equal(answer_nr(AUDIT_ARCH_AARCH64, 244, none),
	    ERRNO(ENOSYS));
}

static void
compile_twice__same_input__gives_the_same_bytes(void **state)
{
	static struct seccomp_program first;

	(void)state;
	memset(&program, 0x55, sizeof(program));
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	first = program;
	memset(&program, 0xaa, sizeof(program));
	compile(PLAN_SECCOMP_STRICT, AUDIT_ARCH_X86_64);
	assert_memory_equal(&first, &program, sizeof(first));
}

static void
compile_lists__optional_and_denied__change_their_call_alone(void **state)
{
	static const char *const allow[] = { "vmsplice", "futex_waitv", "read",
		"mseal" };
	static const char *const deny[] = { "socket", "keyctl", "mseal",
		"clone3", "link" };
	static const struct attempt table[] = {
		{ "vmsplice", { 0 }, ALLOW },
		{ "futex_waitv", { 0 }, ALLOW },
		{ "futex_wait", { 0 }, ERRNO(ENOSYS) },
		{ "read", { 0 }, ALLOW },
		{ "socket", { 1, 1, 0 }, ERRNO(EPERM) },
		{ "socketpair", { 1, 1, 0 }, ALLOW },
		{ "keyctl", { 0 }, ERRNO(EPERM) },
		{ "mseal", { 0 }, ERRNO(ENOSYS) }, /* denied after all */
		{ "clone3", { 0 }, ERRNO(ENOSYS) },
		{ "link", { 0 }, ERRNO(EPERM) },
	};
	struct err e = { .code = ERR_OK };

	(void)state;
	assert_int_equal(seccomp_compile(PLAN_SECCOMP_STRICT, allow,
			     countof(allow), deny, countof(deny),
			     AUDIT_ARCH_X86_64, &program, &e),
	    0);
	TRY(table);
}

static void
compile_lists__wrong_name__is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *allow, *deny, *says;
	} table[] = {
		{ "vmsplise", NULL, "did you mean \"vmsplice\"" },
		{ NULL, "conect", "did you mean \"connect\"" },
		{ NULL, "\033[2J", "\\x1b" },
		{ "", NULL, "unknown system call" },
		{ "ptrace", NULL, "profile debug allows it" },
		{ "bpf", NULL, "bpf is not optional" },
		{ "io_uring_setup", NULL, "never pass a filter" },
		{ "clone3", NULL, "clone3 is not optional" },
		{ "openat2", NULL, "openat2 is not optional" },
		{ "socket", NULL, "within limits" },
		{ NULL, "execveat", "first process" },
		{ NULL, "write", "first process" },
	};
	struct seccomp_program before;
	struct err e;
	int r;

	(void)state;
	memset(&program, 0x5a, sizeof(program));
	before = program;
	for (size_t i = 0; i < countof(table); i++) {
		e = (struct err){ .code = ERR_OK };
		r = seccomp_compile(PLAN_SECCOMP_STRICT, &table[i].allow,
		    table[i].allow != NULL, &table[i].deny,
		    table[i].deny != NULL, AUDIT_ARCH_X86_64, &program, &e);
		assert_int_equal(r, -1);
		assert_int_equal(e.code, ERR_INVALID);
		if (strstr(e.msg, table[i].says) == NULL)
			fail_msg("\"%s\" lacks \"%s\"", e.msg, table[i].says);
		assert_memory_equal(&program, &before, sizeof(before));
	}
}

static void
compile_profile__unknown__is_refused(void **state)
{
	struct err e = { .code = ERR_OK };

	(void)state;
	assert_int_equal(seccomp_compile(PLAN_SECCOMP__MAX, NULL, 0, NULL, 0,
			     AUDIT_ARCH_X86_64, &program, &e),
	    -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(seccomp_compile(PLAN_SECCOMP_STRICT, NULL, 0, NULL, 0,
			     AUDIT_ARCH_RISCV64, &program, &e),
	    -1);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
}

/* Every number its own run: more code than a conditional jump can skip. */
static void
emit_verdicts__alternating__survives_long_jumps(void **state)
{
	static const uint32_t actions[] = { SECCOMP_RET_ALLOW,
		SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ERRNO | ENOSYS,
		SECCOMP_RET_ERRNO | 0 };
	struct seccomp_verdict v[SECCOMP_NR_HIGHEST + 1];
	struct err e = { .code = ERR_OK };
	const uint64_t args[6] = { 2, 1, 262, 0, 0, 0 };
	uint32_t jumps = 0;

	(void)state;
	for (uint32_t i = 0; i <= SECCOMP_NR_HIGHEST; i++) {
		v[i].action = actions[i % countof(actions)];
		v[i].rule = i % 5 == 0 ? 1 + i / 5 % (seccomp_nrules - 1) : 0;
	}
	seccomp_emit(v, AUDIT_ARCH_X86_64, &program);
	assert_int_equal(seccomp_program_check(&program, &e), 0);
	for (int i = 0; i <= SECCOMP_NR_HIGHEST; i++)
		assert_int_equal(answer_nr(AUDIT_ARCH_X86_64, i, args),
		    seccomp_decide(&v[i], args));
	for (uint32_t i = 0; i < program.length; i++)
		jumps += program.insn[i].code == (BPF_JMP | BPF_JA);
	assert_true(jumps > 0);
}

static void
verdict_call__each_source__says_what_decided(void **state)
{
	static const char *const allow[] = { "vmsplice" };
	static const char *const deny[] = { "socket" };

	static const struct {
		const char *name;
		enum seccomp_source source;
		uint32_t action;
		uint32_t least;
	} table[] = {
		{ "vmsplice", SECCOMP_FROM_ALLOW, ALLOW, PLAN_SECCOMP__MAX },
		{ "socket", SECCOMP_FROM_DENY, ERRNO(EPERM),
		    PLAN_SECCOMP_STRICT },
		{ "read", SECCOMP_FROM_PROFILE, ALLOW, PLAN_SECCOMP_STRICT },
		{ "ptrace", SECCOMP_FROM_PROFILE, ERRNO(EPERM),
		    PLAN_SECCOMP_DEBUG },
		{ "mount", SECCOMP_FROM_PROFILE, ERRNO(EPERM),
		    PLAN_SECCOMP__MAX },
	};
	struct seccomp_answer a;
	struct err e = { .code = ERR_OK };

	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		assert_int_equal(seccomp_verdict(PLAN_SECCOMP_STRICT, allow, 1,
				     deny, 1, table[i].name, &a, &e),
		    0);
		assert_int_equal(a.source, table[i].source);
		assert_int_equal(a.verdict.action, table[i].action);
		assert_int_equal(a.verdict.rule, 0);
		assert_int_equal(a.least_profile, table[i].least);
		assert_true(strlen(a.reason) > 0);
	}
	assert_int_equal(seccomp_verdict(PLAN_SECCOMP_STRICT, allow, 1, deny, 1,
			     "ioctl", &a, &e),
	    0);
	assert_string_equal(seccomp_rules[a.verdict.rule].name, "ioctl");
	assert_int_equal(seccomp_verdict(PLAN_SECCOMP_STRICT, NULL, 0, NULL, 0,
			     "no_such", &a, &e),
	    -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compile_profile__foreign_architecture__kills),
		cmocka_unit_test(
		    compile_profile__number_unknown_or_x32__is_enosys),
		cmocka_unit_test(
		    compile_strict__calls_of_the_posture__get_their_errno),
		cmocka_unit_test(
		    compile_strict__namespaces_by_clone__are_refused),
		cmocka_unit_test(compile_strict__sockets__are_an_allow_list),
		cmocka_unit_test(
		    compile_strict__terminal_requests__are_refused),
		cmocka_unit_test(
		    compile_strict__setuid_bits__are_refused_in_every_mode),
		cmocka_unit_test(compile_strict__core_limit__can_be_read_only),
		cmocka_unit_test(
		    compile_strict__process_attributes__are_allow_lists),
		cmocka_unit_test(
		    compile_build__personality__adds_fixed_addresses_only),
		cmocka_unit_test(
		    compile_build__core_limit__succeeds_without_effect),
		cmocka_unit_test(
		    compile_debug__tracing__is_allowed_and_the_rest_is_not),
		cmocka_unit_test(
		    compile_strict__on_arm64__uses_its_own_numbers),
		cmocka_unit_test(
		    compile_twice__same_input__gives_the_same_bytes),
		cmocka_unit_test(
		    compile_lists__optional_and_denied__change_their_call_alone),
		cmocka_unit_test(
		    compile_lists__wrong_name__is_refused_with_the_reason),
		cmocka_unit_test(compile_profile__unknown__is_refused),
		cmocka_unit_test(
		    emit_verdicts__alternating__survives_long_jumps),
		cmocka_unit_test(verdict_call__each_source__says_what_decided),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
