/*
 * The strict filter in a real kernel: a child loads it and tries.
 *
 * Each probe also runs in a child without a filter, and must there end
 * otherwise: so an expected error is known to come from the filter.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/seccomp_compile.h"
#include "policy/seccomp_eval.h"

#if defined(__x86_64__)
#	define NATIVE AUDIT_ARCH_X86_64
#	define NATIVE_ARCH SECCOMP_ARCH_X86_64
#elif defined(__aarch64__)
#	define NATIVE AUDIT_ARCH_AARCH64
#	define NATIVE_ARCH SECCOMP_ARCH_ARM64
#endif

#define HIGH (1ul << 32)
#define BAD ((unsigned long)-1) /* no pointer, no descriptor, no process */

enum {
	CHILD_TIMEOUT_S = 20,
	EXIT_OK = 0,
	EXIT_SETUP = 200, /* the child could not load the filter */
};

static struct seccomp_program program;

static int
setup(void **state)
{
	struct err e = { .code = ERR_OK };

	(void)state;
	return seccomp_compile(PLAN_SECCOMP_STRICT, NULL, 0, NULL, 0, NATIVE,
	    &program, &e);
}

static void
load(void)
{
	struct sock_fprog prog = {
		.len = (unsigned short)program.length,
		.filter = program.insn,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == -1)
		_exit(EXIT_SETUP);
}

/* Run a function in a child, under the filter or not; its wait status. */
static int
in_child(int filtered, int (*run)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		(void)alarm(CHILD_TIMEOUT_S);
		if (filtered)
			load();
		_exit(run(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int
exit_status(int filtered, int (*run)(void *), void *arg)
{
	int status = in_child(filtered, run, arg);

	if (!WIFEXITED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* ---- single calls ---- */

struct probe {
	const char *name;
	long nr;
	unsigned long args[6];
	int inside; /* errno expected under the filter, 0: success */
	int outside; /* without one; -1: anything but what inside has */
};

static int
probe_run(void *arg)
{
	const struct probe *p = arg;
	long r = syscall(p->nr, p->args[0], p->args[1], p->args[2], p->args[3],
	    p->args[4], p->args[5]);

	return r == -1 ? errno : 0;
}

static void
probe_check(struct probe *p)
{
	int inside = exit_status(1, probe_run, p);
	int outside = exit_status(0, probe_run, p);

	if (inside != p->inside)
		fail_msg("%s: errno %d, expected %d", p->name, inside,
		    p->inside);
	if (p->outside == -1 ? outside == inside : outside != p->outside)
		fail_msg("%s: control gave errno %d", p->name, outside);
}

static void
kernel_calls__refused_by_the_filter__give_their_errno(void **state)
{
	const struct rlimit core = { 0, 0 };
	struct probe probes[] = {
		{ "clone3", SYS_clone3, { 0, 0 }, ENOSYS, EINVAL },
		{ "openat2", SYS_openat2, { BAD, BAD, 0, 0 }, ENOSYS, EINVAL },
		{ "fsopen", SYS_fsopen, { 0, 0 }, ENOSYS, -1 },
		{ "unshare user", SYS_unshare, { CLONE_NEWUSER }, EPERM, 0 },
		{ "clone user", SYS_clone, { CLONE_NEWUSER | CLONE_FS }, EPERM,
		    EINVAL },
		{ "setns", SYS_setns, { BAD, 0 }, EPERM, EBADF },
		{ "ptrace", SYS_ptrace, { 0xdead, 0, 0, 0 }, EPERM, ESRCH },
		{ "keyctl", SYS_keyctl, { 0xdead }, EPERM, EOPNOTSUPP },
		{ "kcmp", SYS_kcmp, { 0, 0, 0xdead, 0, 0 }, EPERM, -1 },
		{ "TIOCSTI, bit 32", SYS_ioctl, { BAD, TIOCSTI | HIGH, 0 },
		    EPERM, EBADF },
		{ "TIOCSETD", SYS_ioctl, { BAD, TIOCSETD, 0 }, EPERM, EBADF },
		{ "socket seqpacket", SYS_socket, { AF_INET, 5 | HIGH, 0 },
		    EPERM, -1 },
		{ "socket MPTCP", SYS_socket, { AF_INET, SOCK_STREAM, 262 },
		    EPROTONOSUPPORT, 0 },
		{ "socket packet, bit 32", SYS_socket,
		    { AF_PACKET | HIGH, SOCK_DGRAM, 0 }, EAFNOSUPPORT, -1 },
		{ "netlink uevent", SYS_socket, { AF_NETLINK, SOCK_RAW, 15 },
		    EPROTONOSUPPORT, 0 },
		{ "TCP_ULP", SYS_setsockopt, { BAD, 6, 31, 0, 0 }, ENOPROTOOPT,
		    EBADF },
		{ "fchmod setuid", SYS_fchmod, { BAD, 04755 }, EPERM, EBADF },
		{ "openat setgid", SYS_openat,
		    { BAD, BAD, O_CREAT | O_WRONLY, 02755 }, EPERM, EFAULT },
		{ "mknodat device", SYS_mknodat, { BAD, BAD, S_IFCHR | 0600 },
		    EPERM, EFAULT },
		{ "prlimit core", SYS_prlimit64,
		    { 0, RLIMIT_CORE, (unsigned long)&core, 0 }, EPERM, 0 },
		{ "prctl unknown", SYS_prctl, { PR_SET_MM, 1, 1, 0, 0 }, EINVAL,
		    -1 },
		{ "personality", SYS_personality, { 0x0400000 }, EPERM, 0 },
		{ "new listener", SYS_seccomp,
		    { SECCOMP_SET_MODE_FILTER, 8, 0 }, EINVAL, -1 },
		{ "above", 470, { BAD, BAD }, ENOSYS, ENOSYS },
		{ "far above", 4095, { BAD, BAD }, ENOSYS, ENOSYS },
#ifdef __x86_64__
		{ "x32 getpid", 0x40000000 | SYS_getpid, { 0 }, ENOSYS,
		    ENOSYS },
#endif
	};

	(void)state;
	for (size_t i = 0; i < countof(probes); i++)
		probe_check(&probes[i]);
}

static void
kernel_calls__allowed__work(void **state)
{
	struct rlimit core;
	struct probe probes[] = {
		{ "getpid", SYS_getpid, { 0 }, 0, 0 },
		{ "sync", SYS_sync, { 0 }, 0, 0 },
		{ "unix", SYS_socket, { AF_UNIX, SOCK_STREAM, 0 }, 0, 0 },
		{ "tcp", SYS_socket, { AF_INET, SOCK_STREAM, 6 }, 0, 0 },
		{ "udp6", SYS_socket,
		    { AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0 }, 0, 0 },
		{ "route", SYS_socket, { AF_NETLINK, SOCK_RAW, 0 }, 0, 0 },
		{ "prlimit read", SYS_prlimit64,
		    { 0, RLIMIT_CORE, 0, (unsigned long)&core }, 0, 0 },
		{ "TIOCGWINSZ", SYS_ioctl, { BAD, TIOCGWINSZ, 0 }, EBADF,
		    EBADF },
		{ "faccessat2", SYS_faccessat2,
		    { BAD, (unsigned long)"/", R_OK, 0 }, 0, 0 },
		{ "fchmod", SYS_fchmod, { BAD, 0755 }, EBADF, EBADF },
		{ "close_range", SYS_close_range, { 500, 600, 0 }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(probes); i++)
		probe_check(&probes[i]);
}

static int
bypasses_filters(int nr)
{
	for (size_t i = 0; i < seccomp_nsyscalls; i++)
		if (seccomp_syscalls[i].nr[NATIVE_ARCH] == nr)
			return seccomp_entry(PLAN_SECCOMP_STRICT, i)->flags &
			       SECCOMP_BYPASS;
	return 0;
}

/*
 * Every number whose verdict on bad arguments is an error number, asked of
 * the kernel.  What is allowed is not tried: it would have effects.
 */
static int
sweep_run(void *arg)
{
	struct seccomp_data data = { .arch = NATIVE };
	int *tried = arg;
	uint32_t want;
	long r;

	memset(data.args, 0xff, sizeof(data.args));
	for (int nr = 0; nr <= SECCOMP_NR_HIGHEST + 64; nr++) {
		data.nr = nr;
		want = seccomp_eval(&program, &data);
		if (want == SECCOMP_RET_ALLOW || bypasses_filters(nr))
			continue;
		errno = 0;
		r = syscall(nr, BAD, BAD, BAD, BAD, BAD, BAD);
		if (want != (SECCOMP_RET_ERRNO | (uint32_t)errno) ||
		    r != (errno == 0 ? 0 : -1))
			return 1;
		(*tried)++;
	}
	return 0;
}

static void
kernel_sweep__every_refused_number__gives_the_filters_errno(void **state)
{
	int *tried = mmap(NULL, sizeof(*tried), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(tried, MAP_FAILED);
	assert_int_equal(exit_status(1, sweep_run, tried), 0);
	assert_true(*tried > 200);
	(void)munmap(tried, sizeof(*tried));
}

/* ---- what must work ---- */

static void *
thread_main(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static int
threads_run(void *arg)
{
	pthread_t thread;
	int ran = 0;

	(void)arg;
	if (pthread_create(&thread, NULL, thread_main, &ran) != 0 ||
	    pthread_join(thread, NULL) != 0)
		return 1;
	return ran ? 0 : 2;
}

static void
kernel_threads__clone3_refused__are_created(void **state)
{
	(void)state;
	assert_int_equal(exit_status(1, threads_run, NULL), 0);
}

static int
spawn_run(void *arg)
{
	char name[] = "true";
	char *argv[] = { name, NULL }, *envp[] = { NULL };
	int status;
	pid_t pid;

	(void)arg;
	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, envp) != 0)
		return 1;
	if (waitpid(pid, &status, 0) != pid)
		return 2;
	return status == 0 ? 0 : 3;
}

static void
kernel_spawn__under_the_filter__runs_a_program(void **state)
{
	(void)state;
	assert_int_equal(exit_status(1, spawn_run, NULL), 0);
}

/* ---- ways around ---- */

#ifdef __x86_64__
static int
int80_run(void *arg)
{
	long r = 20; /* getpid of 32 bits */

	(void)arg;
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
	return r > 0 ? 0 : 1;
}
#endif

static void
kernel_architecture__foreign__is_killed(void **state)
{
	(void)state;
#ifdef __x86_64__
	int status = in_child(1, int80_run, NULL);

	if (exit_status(0, int80_run, NULL) != 0)
		unit_skip("this kernel has no int 0x80");
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
#else
	unit_skip("no foreign call instruction to try here");
#endif
}

static int
loosen_run(void *arg)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { .len = 1, .filter = &all };
	struct probe again = { "unshare", SYS_unshare, { CLONE_NEWUSER }, 0,
		0 };

	(void)arg;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == -1)
		return 1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) != -1 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	return probe_run(&again) == EPERM ? 0 : 3;
}

static void
kernel_filter__allow_all_added__decides_as_before(void **state)
{
	(void)state;
	assert_int_equal(exit_status(1, loosen_run, NULL), 0);
}

static int
core_limit_run(void *arg)
{
	struct rlimit before, after, lower = { 0, 0 };

	(void)arg;
	if (getrlimit(RLIMIT_CORE, &before) == -1 || before.rlim_max == 0)
		return 1;
	if (setrlimit(RLIMIT_CORE, &lower) == -1)
		return 2;
	if (getrlimit(RLIMIT_CORE, &after) == -1)
		return 3;
	return memcmp(&before, &after, sizeof(after)) == 0 ? 0 : 4;
}

static void
kernel_core_limit__set_under_build__reports_success_and_stays(void **state)
{
	struct rlimit core;
	struct err e = { .code = ERR_OK };

	if (getrlimit(RLIMIT_CORE, &core) == -1 || core.rlim_max == 0)
		unit_skip("the hard limit of core files is 0 already");
	assert_int_equal(seccomp_compile(PLAN_SECCOMP_BUILD, NULL, 0, NULL, 0,
			     NATIVE, &program, &e),
	    0);
	assert_int_equal(exit_status(1, core_limit_run, NULL), 0);
	assert_int_equal(exit_status(0, core_limit_run, NULL), 4);
	assert_int_equal(setup(state), 0);
	assert_int_equal(exit_status(1, core_limit_run, NULL), 2);
}

/* The one call that no filter sees: an older kernel asks, and hears ENOSYS. */
static void
kernel_uprobe__outside_a_trampoline__is_harmless(void **state)
{
	struct probe uprobe = { "uprobe", 336, { 0 }, 0, 0 };

	(void)state;
#ifdef __x86_64__
	int got = exit_status(1, probe_run, &uprobe);

	assert_true(got == ENXIO || got == ENOSYS);
#else
	(void)uprobe;
	unit_skip("a call of x86-64 only");
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    kernel_calls__refused_by_the_filter__give_their_errno),
		cmocka_unit_test(kernel_calls__allowed__work),
		cmocka_unit_test(
		    kernel_sweep__every_refused_number__gives_the_filters_errno),
		cmocka_unit_test(kernel_threads__clone3_refused__are_created),
		cmocka_unit_test(
		    kernel_spawn__under_the_filter__runs_a_program),
		cmocka_unit_test(kernel_architecture__foreign__is_killed),
		cmocka_unit_test(
		    kernel_filter__allow_all_added__decides_as_before),
		cmocka_unit_test(
		    kernel_core_limit__set_under_build__reports_success_and_stays),
		cmocka_unit_test(
		    kernel_uprobe__outside_a_trampoline__is_harmless),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
