/* Signals and other processes: only our own. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "probe.h"

static pid_t
sg_host(void)
{
	return (
	    pid_t)strtol(probe_setting("PROBE_HOST_PID", "4194000"), NULL, 10);
}

/* ---- SG-01: signal 0, or one that the bystander would not survive ---- */

static void
sg_to(const char *who, pid_t pid)
{
	char attempt[64];
	siginfo_t info = { .si_code = SI_QUEUE };
	int pipes[2];
	long fd;

	(void)snprintf(attempt, sizeof(attempt), "kill %s", who);
	probe_result(attempt, CALL(SYS_kill, pid, 0));
	(void)snprintf(attempt, sizeof(attempt), "tgkill %s", who);
	probe_result(attempt, CALL(SYS_tgkill, pid, pid, 0));
	(void)snprintf(attempt, sizeof(attempt), "tkill %s", who);
	probe_result(attempt, CALL(SYS_tkill, pid, 0));
	(void)snprintf(attempt, sizeof(attempt), "sigqueue %s", who);
	probe_result(attempt, CALL(SYS_rt_sigqueueinfo, pid, SIGURG, &info));
	(void)snprintf(attempt, sizeof(attempt), "pidfd_send_signal %s", who);
	fd = CALL(SYS_pidfd_open, pid, 0);
	probe_result(attempt,
	    fd < 0 ? fd : CALL(SYS_pidfd_send_signal, fd, SIGURG, NULL, 0));
	(void)snprintf(attempt, sizeof(attempt), "F_SETOWN %s", who);
	if (pipe(pipes) == 0)
		probe_result(attempt, CALL(SYS_fcntl, pipes[0], F_SETOWN, pid));
}

/* Every signal at init: it must not die of any, nor stop. */
static void
sg_init(void)
{
	char text[32];
	int n;

	if (probe_outside)
		return;
	for (n = 1; n <= 64; n++)
		(void)CALL(SYS_kill, 1, n);
	(void)usleep(100000);
	probe_status("1", "State", text, sizeof(text));
	probe_got("init after all signals", "%.1s", text);
}

static void
sg_01(void)
{
	sg_to("host", sg_host());
	probe_result("group of the host's", CALL(SYS_kill, -sg_host(), 0));
	sg_init();
}

/* ---- SG-02 ---- */

static long
sg_vm_read(pid_t pid)
{
	struct iovec v = { BAD, 8 };

	return CALL(SYS_process_vm_readv, pid, &v, 1, &v, 1, 0);
}

static long
sg_vm_write(pid_t pid)
{
	struct iovec v = { BAD, 8 };

	return CALL(SYS_process_vm_writev, pid, &v, 1, &v, 1, 0);
}

static long
sg_getfd(pid_t pid)
{
	long fd = CALL(SYS_pidfd_open, pid, 0);

	return CALL(SYS_pidfd_getfd, fd, 0, 0);
}

static long
sg_madvise(pid_t pid)
{
	struct iovec v = { BAD, 4096 };
	long fd = CALL(SYS_pidfd_open, pid, 0);

	return CALL(SYS_process_madvise, fd, &v, 1, 20 /* COLD */, 0);
}

static long
sg_seize(pid_t pid)
{
	return CALL(SYS_ptrace, PTRACE_SEIZE, pid, NULL, NULL);
}

static long
sg_kcmp(pid_t pid)
{
	return CALL(SYS_kcmp, getpid(), pid, 0, 0, 0);
}

static long
sg_mrelease(pid_t pid)
{
	return CALL(448, (long)CALL(SYS_pidfd_open, pid, 0), 0xff);
}

static const struct {
	const char *name;
	long (*fn)(pid_t);
} sg_calls[] = {
	{ "ptrace", sg_seize },
	{ "process_vm_readv", sg_vm_read },
	{ "process_vm_writev", sg_vm_write },
	{ "pidfd_getfd", sg_getfd },
	{ "kcmp", sg_kcmp },
	{ "process_madvise", sg_madvise },
	{ "process_mrelease", sg_mrelease },
};

static void
sg_02(void)
{
	char attempt[64];
	pid_t child = fork();
	size_t i;

	if (child == 0) {
		(void)pause();
		_exit(0);
	}
	for (i = 0; i < countof(sg_calls); i++) {
		(void)snprintf(attempt, sizeof(attempt), "%s child",
		    sg_calls[i].name);
		probe_result(attempt, sg_calls[i].fn(child));
		if (probe_outside)
			continue;
		(void)snprintf(attempt, sizeof(attempt), "%s init",
		    sg_calls[i].name);
		probe_result(attempt, sg_calls[i].fn(1));
	}
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
}

/* ---- SG-05 ---- */

static void
sg_05(void)
{
	static const char *const keys[] = { "SigBlk", "SigIgn", "SigCgt",
		"SigPnd", "ShdPnd", "Cpus_allowed_list", "NSsid", "NSpgid",
		"Umask", "TracerPid", "CoreDumping", "THP_enabled" };

	static const struct {
		const char *name;
		int what;
	} limits[] = { { "CPU", RLIMIT_CPU }, { "FSIZE", RLIMIT_FSIZE },
		{ "DATA", RLIMIT_DATA }, { "STACK", RLIMIT_STACK },
		{ "CORE", RLIMIT_CORE }, { "NOFILE", RLIMIT_NOFILE },
		{ "AS", RLIMIT_AS }, { "NPROC", RLIMIT_NPROC },
		{ "MEMLOCK", RLIMIT_MEMLOCK }, { "LOCKS", RLIMIT_LOCKS },
		{ "SIGPENDING", RLIMIT_SIGPENDING },
		{ "MSGQUEUE", RLIMIT_MSGQUEUE }, { "NICE", RLIMIT_NICE },
		{ "RTPRIO", RLIMIT_RTPRIO }, { "RTTIME", RLIMIT_RTTIME } };

	char attempt[64], text[256];
	struct rlimit l;
	size_t i;

	for (i = 0; i < countof(keys); i++) {
		probe_status("self", keys[i], text, sizeof(text));
		probe_got(keys[i], "%s", text);
	}
	for (i = 0; i < countof(limits); i++) {
		(void)getrlimit(limits[i].what, &l);
		(void)snprintf(attempt, sizeof(attempt), "limit %s",
		    limits[i].name);
		probe_got(attempt, "%ld %ld", (long)l.rlim_cur,
		    (long)l.rlim_max);
	}
	probe_got("nice", "%d", getpriority(PRIO_PROCESS, 0));
	probe_got("scheduler", "%d", sched_getscheduler(0));
	probe_got("ioprio", "%ld", CALL(SYS_ioprio_get, 1, 0));
	probe_got("personality", "%ld", CALL(SYS_personality, 0xffffffff));
	(void)probe_read("/proc/self/oom_score_adj", text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	probe_got("oom_score_adj", "%s", text);
	probe_got("timerslack", "%ld", CALL(SYS_prctl, 30, 0, 0, 0, 0));
	probe_got("dumpable", "%ld", CALL(SYS_prctl, 3, 0, 0, 0, 0));
}

const struct probe_check probe_sg[] = {
	{ "SG-01", sg_01 },
	{ "SG-02", sg_02 },
	{ "SG-05", sg_05 },
	{ NULL, NULL },
};
