/*
 * confine.c: what stage two does to itself, layer by layer.
 *
 * Raw system calls only: the memory is shared with the launcher.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "decimal.h"
#include "limits_jail.h"
#include "msg_init.h"
#include "stage.h"
#include "sys.h"

enum {
	KERNEL_SIGNALS = 64,
	KERNEL_SIGSET = 8,
	CONFINE_TRIES = 1000, /* for what another may undo in between */
};

/* struct sigaction as the kernel has it */
struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

/* Until warder-init holds the lifeline, our launcher's end is ours. */
static long
confine_arm_death(void)
{
	return SYS(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/*
 * Neither a supervisor's real-time class nor its processors are the jail's.
 * Leaving SCHED_IDLE needs a right that a caller who is in it has not.
 */
static long
confine_scheduling(struct stage *s)
{
	struct sched_param plain = { .sched_priority = 0 };
	cpu_set_t all;
	long r;

	stage_what(&s->two, "scheduling class");
	r = SYS(SYS_sched_setscheduler, 0, SCHED_OTHER, &plain);
	if (r < 0 && r != -EACCES && r != -EPERM)
		return r;
	stage_what(&s->two, "processors");
	memset(&all, 0xff, sizeof(all));
	r = SYS(SYS_sched_setaffinity, 0, sizeof(all), &all);
	return r < 0 ? r : 0;
}

/* Nothing of the caller's signals, session, scheduling or umask stays. */
long
confine_attributes(struct stage *s)
{
	struct kernel_sigaction plain = { 0 };
	uint64_t none = 0;
	long r, i;

	stage_what(&s->two, "signals");
	for (i = 1; i <= KERNEL_SIGNALS; i++) {
		if (i != SIGKILL && i != SIGSTOP)
			(void)SYS(SYS_rt_sigaction, i, &plain, 0,
			    KERNEL_SIGSET);
	}
	r = SYS(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, KERNEL_SIGSET);
	if (r < 0 || (r = confine_arm_death()) < 0)
		return r;
	stage_what(&s->two, "setsid");
	if ((r = SYS(SYS_setsid)) < 0)
		return r;
	(void)SYS(SYS_umask, 022);
	stage_what(&s->two, "personality");
	if ((r = SYS(SYS_personality, 0)) < 0)
		return r;
	stage_what(&s->two, "priority");
	r = SYS(SYS_setpriority, PRIO_PROCESS, 0, 0);
	/* a caller that was made nice stays so: nobody may take that back */
	if (r < 0 && r != -EACCES && r != -EPERM)
		return r;
	return confine_scheduling(s);
}

/* ---- namespaces that clone does not make ---- */

/*
 * The clocks of a jail start near zero, so that they do not tell how long
 * the host has been up.  A line is "clock seconds nanoseconds".
 */
static size_t
confine_offset_line(char *p, const char *clock, const struct timespec *now)
{
	char digits[DECIMAL_MAX], *end = digits + sizeof(digits);
	const char *d = decimal_before(end, (uint64_t)now->tv_sec);
	size_t n = strlen(clock);

	memcpy(p, clock, n);
	p[n++] = ' ';
	p[n++] = '-';
	while (d < end)
		p[n++] = *d++;
	p[n++] = ' ';
	p[n++] = '0';
	p[n++] = '\n';
	return n;
}

/*
 * The memory is the launcher's, and so is what others do to it meanwhile:
 * another jail's stage that changes its ids closes /proc/self to us.
 */
static long
confine_open_offsets(void)
{
	long fd = -EACCES;
	int tries;

	for (tries = 0; tries < CONFINE_TRIES && fd == -EACCES; tries++) {
		if (tries > 0)
			(void)SYS(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
		fd = SYS(SYS_openat, AT_FDCWD, "/proc/self/timens_offsets",
		    O_WRONLY | O_CLOEXEC, 0);
	}
	return fd;
}

static long
confine_clocks(void)
{
	struct timespec monotonic = { 0 }, boot = { 0 };
	char text[96];
	size_t n;
	long fd, r;

	(void)SYS(SYS_clock_gettime, CLOCK_MONOTONIC, &monotonic);
	(void)SYS(SYS_clock_gettime, CLOCK_BOOTTIME, &boot);
	n = confine_offset_line(text, "monotonic", &monotonic);
	n += confine_offset_line(text + n, "boottime", &boot);
	fd = confine_open_offsets();
	if (fd < 0)
		return fd;
	r = SYS(SYS_write, fd, text, n);
	(void)SYS(SYS_close, fd);
	return r < 0 ? r : 0;
}

long
confine_namespaces(struct stage *s)
{
	static const char name[] = LIMITS_HOSTNAME;
	long r;

	stage_what(&s->two, "cgroup");
	if ((r = SYS(SYS_unshare, CLONE_NEWCGROUP)) < 0)
		return r;
	/* a kernel may be built without; every other error is one */
	stage_what(&s->two, "time");
	r = SYS(SYS_unshare, 0x80 /* CLONE_NEWTIME */);
	if (r < 0 && r != -EINVAL)
		return r;
	s->result.time_namespace = r == 0;
	if (r == 0 && (r = confine_clocks()) < 0)
		return r;
	stage_what(&s->two, "uts");
	if ((r = SYS(SYS_sethostname, name, sizeof(name) - 1)) < 0)
		return r;
	return SYS(SYS_setdomainname, "", 0);
}

/* ---- identity ---- */

/*
 * warder-init's uid is effective, the agent's is the real one: so a command
 * takes the agent's uid without any capability, and warder-init itself is
 * born non-dumpable, since at its exec the two differ.
 */
long
confine_ids(struct stage *s)
{
	uid_t effective = s->rootless ? AGENT_UID : INIT_UID;
	long r;

	stage_what(&s->two, "setresgid");
	r = SYS(SYS_setresgid, AGENT_UID, AGENT_UID, AGENT_UID);
	if (r < 0)
		return r;
	stage_what(&s->two, "setresuid");
	r = SYS(SYS_setresuid, AGENT_UID, effective, effective);
	if (r < 0)
		return r;
	/* which the launcher may not look at for a while */
	if (s->dumpable == 1)
		(void)SYS(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
	/* a change of ids disarms it */
	stage_what(&s->two, "prctl PDEATHSIG");
	if ((r = confine_arm_death()) < 0)
		return r;
	/* the caller's session keyring stays outside; no keys: no keyring */
	stage_what(&s->two, "session keyring");
	r = SYS(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
	s->result.keyring = r >= 0;
	return r == -ENOSYS ? 0 : r;
}

/* ---- limits of the kernel's own ---- */

/* clang-format off */
static const struct {
	int resource;
	uint64_t soft, hard; /* RLIM_INFINITY hard: leave the caller's */
} confine_limits[] = {
	{ RLIMIT_STACK,      8 * 1024 * 1024, RLIM_INFINITY },
	{ RLIMIT_NICE,       0, 0 },
	{ RLIMIT_RTPRIO,     0, 0 },
	{ RLIMIT_MEMLOCK,    64 * 1024, 64 * 1024 },
	{ RLIMIT_SIGPENDING, 1024, 1024 },
	{ RLIMIT_MSGQUEUE,   819200, 819200 },
};

/* clang-format on */

/* Lower, never raise: raising would need a capability on the host. */
static long
confine_limit(int resource, uint64_t soft, uint64_t hard)
{
	struct {
		uint64_t soft, hard;
	} old = { 0, 0 }, new;

	long r = SYS(SYS_prlimit64, 0, resource, 0, &old);

	if (r < 0)
		return r;
	new.hard = hard < old.hard ? hard : old.hard;
	new.soft = soft < new.hard ? soft : new.hard;
	return SYS(SYS_prlimit64, 0, resource, &new, 0);
}

/*
 * RLIMIT_CORE 1 keeps a piped core_pattern from running on the host with
 * the jail's bytes; 0 would let it run.  The filter forbids changing it.
 */
static long
confine_core(struct stage *s)
{
	uint64_t now[2] = { 0, 0 };
	long r = confine_limit(RLIMIT_CORE, 1, 1);

	if (r >= 0)
		r = SYS(SYS_prlimit64, 0, RLIMIT_CORE, 0, now);
	s->result.core_limit = (int)now[1];
	return r;
}

long
confine_rlimits(struct stage *s)
{
	const struct plan_limits *l = &s->plan->limits;
	size_t i;
	long r;

	stage_what(&s->two, "RLIMIT_CORE");
	if ((r = confine_core(s)) < 0)
		return r;
	stage_what(&s->two, "RLIMIT_NOFILE");
	r = confine_limit(RLIMIT_NOFILE, l->open_files, l->open_files);
	stage_what(&s->two, "rlimits");
	for (i = 0; i < countof(confine_limits) && r >= 0; i++)
		r = confine_limit(confine_limits[i].resource,
		    confine_limits[i].soft, confine_limits[i].hard);
	if (r < 0 || s->cgroup->enforced & 1U << CGROUP_PIDS)
		return r;
	/* counted per user namespace, so this is the jail's own number */
	stage_what(&s->two, "RLIMIT_NPROC");
	return confine_limit(RLIMIT_NPROC, l->pids, l->pids);
}

/* ---- capabilities ---- */

long
confine_capabilities(struct stage *s)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	long cap, r;

	stage_what(&s->two, "securebits");
	r = SYS(SYS_prctl, PR_SET_SECUREBITS,
	    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
		SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
		SECBIT_NO_CAP_AMBIENT_RAISE |
		SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
	    0, 0, 0);
	if (r < 0)
		return r;
	stage_what(&s->two, "ambient set");
	r = SYS(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	stage_what(&s->two, "bounding set");
	/* up to the newest capability of this kernel: EINVAL */
	for (cap = 0; r >= 0; cap++)
		r = SYS(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (r != -EINVAL || cap <= CAP_AUDIT_READ)
		return r;
	stage_what(&s->two, "capset");
	if ((r = SYS(SYS_capset, &h, none)) < 0)
		return r;
	stage_what(&s->two, "no_new_privs");
	return SYS(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- the filter ---- */

long
confine_filter(struct stage *s)
{
	struct sock_fprog prog = {
		.len = (unsigned short)s->program->length,
		.filter = (struct sock_filter *)(uintptr_t)s->program->insn,
	};

	return SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}
