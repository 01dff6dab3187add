/* The filter: every number, every architecture, every way round it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "probe.h"

enum {
	SC_NOBODY = 65534,
	SC_ALARM_S = 1, /* for the calls that wait by nature */
	SC_BEYOND = 64, /* numbers above the newest one that is known */
	SC_NEWEST = 469,
};

struct sc_call {
	long nr;
	uint64_t arg[6];
};

/*
 * By hand: after a vfork the parent goes on with the stack that the child
 * has used, and a library function's return address would lie on it.
 */
static long
sc_syscall(const struct sc_call *c)
{
	register uint64_t r10 __asm__("r10") = c->arg[3];
	register uint64_t r8 __asm__("r8") = c->arg[4];
	register uint64_t r9 __asm__("r9") = c->arg[5];
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(c->nr), "D"(c->arg[0]), "S"(c->arg[1]),
			 "d"(c->arg[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static long
sc_one(void *arg)
{
	const struct sc_call *c = arg;
	int forks =
	    c->nr == SYS_fork || c->nr == SYS_vfork || c->nr == SYS_clone;
	long r;

	(void)alarm(SC_ALARM_S);
	/* outside it is an ordinary user, who can do no harm either */
	if (probe_outside &&
	    (setresgid(SC_NOBODY, SC_NOBODY, SC_NOBODY) == -1 ||
		setresuid(SC_NOBODY, SC_NOBODY, SC_NOBODY) == -1))
		return -EUSERS;
	r = sc_syscall(c);
	if (forks && r == 0)
		_exit(0);
	return r;
}

/* ---- SC-01 ---- */

static void
sc_sweep(void)
{
	char attempt[32];
	long nr;

	for (nr = 0; nr <= SC_NEWEST + SC_BEYOND; nr++) {
		struct sc_call c = { .nr = nr };

		memset(c.arg, 0xff, sizeof(c.arg));
		(void)snprintf(attempt, sizeof(attempt), "%ld", nr);
		probe_try(attempt, sc_one, &c);
	}
}

/* Lines "number a b c d e f", in hexadecimal, that the runner made. */
static void
sc_cases(void)
{
	FILE *f = fopen(probe_setting("PROBE_CASES", "/probe/cases"), "re");
	char line[256];
	struct sc_call c;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%ld %lx %lx %lx %lx %lx %lx", &c.nr,
			&c.arg[0], &c.arg[1], &c.arg[2], &c.arg[3], &c.arg[4],
			&c.arg[5]) != 7)
			continue;
		probe_try(line, sc_one, &c);
	}
	if (f != NULL)
		(void)fclose(f);
}

static void
sc_01(void)
{
	sc_sweep();
	sc_cases();
}

/* ---- SC-02 ---- */

static void
sc_02(void)
{
	static const long odd[] = { 1000, 4095, 0x7fffffff, -1, -2 };
	char attempt[32];
	struct sc_call c;
	size_t i;

	memset(c.arg, 0xff, sizeof(c.arg));
	for (c.nr = SC_NEWEST + 1; c.nr <= 600; c.nr++) {
		(void)snprintf(attempt, sizeof(attempt), "%ld", c.nr);
		probe_try(attempt, sc_one, &c);
	}
	for (i = 0; i < countof(odd); i++) {
		c.nr = odd[i];
		(void)snprintf(attempt, sizeof(attempt), "%ld", c.nr);
		probe_try(attempt, sc_one, &c);
	}
	probe_got("survived", "yes");
}

/* ---- SC-04 and the 32-bit entry ---- */

static const long sc_sensitive[] = { SYS_read, SYS_getpid, SYS_ptrace,
	SYS_mount, SYS_unshare, SYS_setns, SYS_bpf, SYS_keyctl, SYS_clone3,
	SYS_io_uring_setup, SYS_process_vm_readv, SYS_open_by_handle_at,
	SYS_init_module, SYS_kexec_load, SYS_perf_event_open, SYS_userfaultfd,
	SYS_pivot_root, SYS_chroot, SYS_reboot, SYS_ioctl };

static long
sc_int80(void *arg)
{
	long r;

	(void)arg;
	/* getpid, by the 32-bit table's number 20 */
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
	return r;
}

static void
sc_04(void)
{
	char attempt[32];
	struct sc_call c;
	size_t i;

	memset(c.arg, 0xff, sizeof(c.arg));
	for (i = 0; i < countof(sc_sensitive); i++) {
		c.nr = 0x40000000 | sc_sensitive[i];
		(void)snprintf(attempt, sizeof(attempt), "x32 %ld",
		    sc_sensitive[i]);
		probe_try(attempt, sc_one, &c);
	}
	probe_try("int 0x80 getpid", sc_int80, NULL);
}

/* ---- SC-06 ---- */

static void *
sc_thread(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static long
sc_pthread(void *arg)
{
	pthread_t t;
	int ran = 0, r;

	(void)arg;
	r = pthread_create(&t, NULL, sc_thread, &ran);
	if (r != 0)
		return -r;
	(void)pthread_join(t, NULL);
	return ran ? 0 : -ECHILD;
}

static long
sc_spawn(void *arg)
{
	char *argv[] = { probe_self, (char *)(size_t) "status",
		(char *)(size_t) "Name", NULL };
	posix_spawn_file_actions_t a;
	int status = 0, r;
	pid_t pid;

	(void)arg;
	(void)posix_spawn_file_actions_init(&a);
	(void)posix_spawn_file_actions_addopen(&a, 1, "/dev/null", O_WRONLY, 0);
	r = posix_spawn(&pid, probe_self, &a, NULL, argv, NULL);
	if (r != 0)
		return -r;
	(void)waitpid(pid, &status, 0);
	return status == 0 ? 0 : -ECHILD;
}

static void
sc_06(void)
{
	struct sc_call c = { .nr = SYS_clone3 };

	memset(c.arg, 0xff, sizeof(c.arg));
	probe_try("clone3", sc_one, &c);
	probe_try("pthread_create", sc_pthread, NULL);
	probe_try("posix_spawn", sc_spawn, NULL);
}

/* ---- SC-07 ---- */

static const struct {
	const char *name;
	int family, type, protocol;
} sc_sockets[] = {
	{ "family PACKET", 17, SOCK_RAW, 0 },
	{ "family ALG", 38, SOCK_SEQPACKET, 0 },
	{ "family VSOCK", 40, SOCK_STREAM, 0 },
	{ "family KEY", 15, SOCK_RAW, 2 },
	{ "family RXRPC", 33, SOCK_DGRAM, 2 },
	{ "family CAN", 29, SOCK_RAW, 1 },
	{ "family TIPC", 30, SOCK_RDM, 0 },
	{ "family SMC", 43, SOCK_STREAM, 0 },
	{ "family XDP", 44, SOCK_RAW, 0 },
	{ "family BLUETOOTH", 31, SOCK_RAW, 1 },
	{ "family QIPCRTR", 42, SOCK_DGRAM, 0 },
	{ "family MCTP", 45, SOCK_DGRAM, 0 },
	{ "family KCM", 41, SOCK_DGRAM, 0 },
	{ "family PPPOX", 24, SOCK_STREAM, 0 },
	{ "family NFC", 39, SOCK_SEQPACKET, 0 },
	{ "family PHONET", 35, SOCK_DGRAM, 0 },
	{ "family RDS", 21, SOCK_SEQPACKET, 0 },
	{ "family X25", 9, SOCK_SEQPACKET, 0 },
	{ "family AX25", 3, SOCK_DGRAM, 0 },
	{ "family out of range", 200, SOCK_DGRAM, 0 },
	{ "netlink USERSOCK", 16, SOCK_RAW, 2 },
	{ "netlink SOCK_DIAG", 16, SOCK_RAW, 4 },
	{ "netlink NFLOG", 16, SOCK_RAW, 5 },
	{ "netlink XFRM", 16, SOCK_RAW, 6 },
	{ "netlink AUDIT", 16, SOCK_RAW, 9 },
	{ "netlink NETFILTER", 16, SOCK_RAW, 12 },
	{ "netlink UEVENT", 16, SOCK_RAW, 15 },
	{ "netlink GENERIC", 16, SOCK_RAW, 16 },
	{ "netlink CRYPTO", 16, SOCK_RAW, 21 },
	{ "type INET RAW", AF_INET, SOCK_RAW, 1 },
	{ "type INET6 RAW", AF_INET6, SOCK_RAW, 58 },
	{ "type INET PACKET", AF_INET, SOCK_PACKET, 0 },
	{ "protocol MPTCP", AF_INET, SOCK_STREAM, 262 },
	{ "protocol MPTCP 6", AF_INET6, SOCK_STREAM, 262 },
	{ "protocol SCTP", AF_INET, SOCK_STREAM, 132 },
	{ "protocol SCTP seq", AF_INET, SOCK_SEQPACKET, 132 },
	{ "protocol UDPLITE", AF_INET, SOCK_DGRAM, 136 },
	{ "protocol DCCP", AF_INET, 6, 33 },
	{ "protocol RAW", AF_INET, SOCK_RAW, 255 },
	{ "protocol ICMP", AF_INET, SOCK_DGRAM, 1 },
	{ "protocol ICMP 6", AF_INET6, SOCK_DGRAM, 58 },
	{ "works UNIX", AF_UNIX, SOCK_STREAM, 0 },
	{ "works UNIX DGRAM", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0 },
	{ "works UNIX SEQPACKET", AF_UNIX, SOCK_SEQPACKET, 0 },
	{ "works TCP", AF_INET, SOCK_STREAM, 0 },
	{ "works TCP 6", AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 6 },
	{ "works UDP", AF_INET, SOCK_DGRAM, 17 },
	{ "works UDP 6", AF_INET6, SOCK_DGRAM, 0 },
	{ "works NETLINK ROUTE", 16, SOCK_RAW, 0 },
};

static long
sc_close(long fd)
{
	if (fd >= 0)
		(void)close((int)fd);
	return fd;
}

static void
sc_07(void)
{
	char attempt[64];
	int pair[2];
	size_t i;

	for (i = 0; i < countof(sc_sockets); i++) {
		probe_result(sc_sockets[i].name,
		    sc_close(CALL(SYS_socket, sc_sockets[i].family,
			sc_sockets[i].type, sc_sockets[i].protocol)));
		/* the kernel does not look at the high halves: nor may we */
		(void)snprintf(attempt, sizeof(attempt), "%s high",
		    sc_sockets[i].name);
		probe_result(attempt,
		    sc_close(CALL(SYS_socket, 1L << 32 | sc_sockets[i].family,
			1L << 40 | sc_sockets[i].type,
			1L << 32 | sc_sockets[i].protocol)));
	}
	probe_result("works socketpair UNIX",
	    CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair));
	probe_result("pair of TIPC",
	    CALL(SYS_socketpair, 30, SOCK_STREAM, 0, pair));
}

/* ---- SC-08 ---- */

static long
sc_allow_all(int by_prctl)
{
	struct sock_filter all = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct sock_fprog p = { 1, &all };

	return by_prctl ? CALL(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
			      &p, 0, 0)
			: CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p);
}

static long
sc_listener(void *arg)
{
	struct sock_filter all = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct sock_fprog p = { 1, &all };

	(void)arg;
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, &p);
}

static long
sc_loosened(void *arg)
{
	char text[32];

	(void)arg;
	(void)alarm(0);
	if (probe_outside)
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	probe_result("allow-all by seccomp", sc_allow_all(0));
	probe_result("allow-all by prctl", sc_allow_all(1));
	probe_result("clear no_new_privs",
	    CALL(SYS_prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	probe_status("self", "Seccomp", text, sizeof(text));
	probe_got("Seccomp", "%s", text);
	probe_status("self", "NoNewPrivs", text, sizeof(text));
	probe_got("NoNewPrivs", "%s", text);
	sc_sweep();
	return 0;
}

static void
sc_08(void)
{
	probe_try("listener", sc_listener, NULL);
	(void)probe_child(sc_loosened, NULL);
}

/* ---- SC-10 ---- */

static void
sc_10(void)
{
	char text[32];

	probe_status("self", "Seccomp", text, sizeof(text));
	probe_got("self Seccomp", "%s", text);
	probe_status("1", "Seccomp", text, sizeof(text));
	probe_got("init Seccomp", "%s", text);
	probe_status("self", "Seccomp_filters", text, sizeof(text));
	probe_got("self filters", "%s", text);
	probe_status("1", "Seccomp_filters", text, sizeof(text));
	probe_got("init filters", "%s", text);
}

const struct probe_check probe_sc[] = {
	{ "SC-01", sc_01 },
	{ "SC-02", sc_02 },
	{ "SC-04", sc_04 },
	{ "SC-06", sc_06 },
	{ "SC-07", sc_07 },
	{ "SC-08", sc_08 },
	{ "SC-10", sc_10 },
	{ NULL, NULL },
};
