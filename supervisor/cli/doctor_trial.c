/*
 * doctor_trial.c: what a jail's start needs, tried in a child and thrown away.
 *
 * The child makes each namespace by itself, so that the step that fails names
 * the switch; a jail's one clone would not.  Its answers come through shared
 * memory, an error number a step.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "doctor.h"
#include "doctor_explain.h"
#include "doctor_file.h"
#include "jail/mount.h"
#include "jail/uidblock.h"
#include "sys.h"
#include "text.h"

enum {
	TRIAL_ALARM_S = 10,
	TRIAL_ID = 1000, /* inside */
	CLONE_TIME = 0x80, /* CLONE_NEWTIME, newer than some headers */
};

/* ---- the steps, in the child: 0 or -errno ---- */

struct trial_ids {
	uid_t uid;
	gid_t gid;
};

static long
trial_write(const char *path, const char *text)
{
	autofd fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = (ssize_t)strlen(text);

	if (fd == -1 || write(fd, text, (size_t)n) != n)
		return -errno;
	return 0;
}

static long
try_MAPS(const struct trial_ids *ids)
{
	char text[64];
	long r = trial_write("/proc/self/setgroups", "deny");

	(void)snprintf(text, sizeof(text), "%d %u 1\n", TRIAL_ID, ids->uid);
	if (r == 0)
		r = trial_write("/proc/self/uid_map", text);
	(void)snprintf(text, sizeof(text), "%d %u 1\n", TRIAL_ID, ids->gid);
	return r == 0 ? trial_write("/proc/self/gid_map", text) : r;
}

/* Rootless a jail's user namespace lies in another, the network's owner. */
static long
try_SECOND(const struct trial_ids *ids)
{
	const struct trial_ids inside = { TRIAL_ID, TRIAL_ID };
	long r;

	if (ids->uid == 0)
		return 0;
	r = SYS(SYS_unshare, CLONE_NEWUSER);
	return r < 0 ? r : try_MAPS(&inside);
}

#define TRY_UNSHARE(step, flag)                           \
	static long try_##step(const struct trial_ids *i) \
	{                                                 \
		(void)i;                                  \
		return SYS(SYS_unshare, flag);            \
	}

TRY_UNSHARE(USER, CLONE_NEWUSER)
TRY_UNSHARE(MOUNT, CLONE_NEWNS)
TRY_UNSHARE(NET, CLONE_NEWNET)
TRY_UNSHARE(IPC, CLONE_NEWIPC)
TRY_UNSHARE(UTS, CLONE_NEWUTS)
TRY_UNSHARE(CGROUP, CLONE_NEWCGROUP)
TRY_UNSHARE(PID, CLONE_NEWPID)
TRY_UNSHARE(TIME, CLONE_TIME)

static long
trial_mount(const char *type)
{
	long fd = mount_new(type, NULL, 0, MOUNT_RW);

	mount_close(fd);
	return fd < 0 ? fd : 0;
}

static long
try_TMPFS(const struct trial_ids *ids)
{
	(void)ids;
	return trial_mount("tmpfs");
}

static long
try_PROC(const struct trial_ids *ids)
{
	(void)ids;
	return trial_mount("proc");
}

/* Over a tmpfs of this child's mount namespace; nobody else sees it. */
static long
try_OVERLAY(const struct trial_ids *ids)
{
	static const struct mount_option options[] = {
		{ "lowerdir", "/sys/lower" },
		{ "upperdir", "/sys/upper" },
		{ "workdir", "/sys/work" },
		{ "userxattr", NULL },
	};
	long fd = mount_new("tmpfs", NULL, 0, MOUNT_RW), r;

	(void)ids;
	if (fd < 0)
		return fd;
	if ((r = mount_attach(fd, AT_FDCWD, "/sys")) < 0 ||
	    (r = SYS(SYS_mkdirat, fd, "lower", 0755)) < 0 ||
	    (r = SYS(SYS_mkdirat, fd, "upper", 0755)) < 0 ||
	    (r = SYS(SYS_mkdirat, fd, "work", 0755)) < 0)
		return r;
	r = mount_new("overlay", options, countof(options), MOUNT_RW);
	return r < 0 ? r : 0;
}

static const struct {
	const char *text;
	long (*run)(const struct trial_ids *);
} trial_steps[] = {

#define X(n, text) [TRIAL_##n] = { text, try_##n },
	DOCTOR_TRIALS(X)
#undef X
};

/* The count in /proc/sys/user that a step uses. */
static const char *const trial_limits[TRIAL__MAX] = {
	[TRIAL_USER] = "max_user_namespaces",
	[TRIAL_SECOND] = "max_user_namespaces",
	[TRIAL_MOUNT] = "max_mnt_namespaces",
	[TRIAL_NET] = "max_net_namespaces",
	[TRIAL_IPC] = "max_ipc_namespaces",
	[TRIAL_UTS] = "max_uts_namespaces",
	[TRIAL_CGROUP] = "max_cgroup_namespaces",
	[TRIAL_PID] = "max_pid_namespaces",
	[TRIAL_TIME] = "max_time_namespaces",
};

/* Jails run without these, and the later steps do not need them. */
static int
trial_is_optional(int step)
{
	return step == TRIAL_TIME || step == TRIAL_OVERLAY;
}

/* The steps from first to last, until one fails; 0: none did. */
static int
trial_try(int *answers, const struct trial_ids *ids, int first, int last)
{
	int i;

	for (i = first; i <= last; i++) {
		answers[i] = (int)-trial_steps[i].run(ids);
		if (answers[i] != 0 && !trial_is_optional(i))
			return answers[i];
	}
	return 0;
}

/* Who makes a pid namespace is not in it: what needs one has a child. */
static _Noreturn void
trial_child(int *answers, const struct trial_ids *ids)
{
	pid_t pid;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)alarm(TRIAL_ALARM_S);
	if (trial_try(answers, ids, 0, TRIAL_PID) != 0)
		_exit(0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		(void)alarm(TRIAL_ALARM_S);
		(void)trial_try(answers, ids, TRIAL_PID + 1, TRIAL__MAX - 1);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	_exit(0);
}

void
doctor_trial_run(struct doctor_trial *ret)
{
	struct trial_ids ids = { geteuid(), getegid() };
	int *answers = mmap(NULL, sizeof(ret->sys), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int i;

	for (i = 0; i < TRIAL__MAX; i++)
		ret->sys[i] = TRIAL_NOT_TRIED;
	if (answers == MAP_FAILED)
		return;
	memcpy(answers, ret->sys, sizeof(ret->sys));
	pid = fork();
	if (pid == 0)
		trial_child(answers, &ids);
	while (pid > 0 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	memcpy(ret->sys, answers, sizeof(ret->sys));
	(void)munmap(answers, sizeof(ret->sys));
}

int
doctor_trial_failed(const struct doctor_trial *t)
{
	int i;

	for (i = 0; i < TRIAL__MAX; i++) {
		if (t->sys[i] > 0 && !trial_is_optional(i))
			return i;
	}
	return -1;
}

/* ---- which switch ---- */

/* The value of a switch, or -1. */
static long
trial_switch(const char *path)
{
	char text[32];

	return doctor_file_line(path, text, sizeof(text))
		   ? strtol(text, NULL, 10)
		   : -1;
}

/* Each writes what is off and how it is turned on, if it is that; or 0. */

static int
why_limit(int step, int sys, struct text *t)
{
	const char *name = trial_limits[step];
	char path[64];
	long now;

	if (sys != ENOSPC || name == NULL)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/sys/user/%s", name);
	now = trial_switch(path);
	if (now == 0)
		text_addf(t, "%s is 0; as root: sysctl -w user.%s=15000", path,
		    name);
	else
		text_addf(t,
		    "as many as allowed are in use, or a namespace around us "
		    "allows none; %s is %ld here; as root on the host: "
		    "sysctl -w user.%s=15000",
		    path, now, name);
	return 1;
}

static int
why_depth(int step, int sys, struct text *t)
{
	(void)step;
	if (sys != EUSERS)
		return 0;
	text_add(t,
	    "user namespaces are nested as deep as 32 here, the kernel's "
	    "limit; start Warder further out");
	return 1;
}

static int
why_kernel(int step, int sys, struct text *t)
{
	if (sys != ENOSYS && !(sys == EINVAL && trial_limits[step] != NULL))
		return 0;
	text_add(t, "this kernel was built without it; Linux 6.1 or later with "
		    "CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS is needed");
	return 1;
}

static int
is_refusal(int sys)
{
	return sys == EPERM || sys == EACCES;
}

static int
why_debian(int step, int sys, struct text *t)
{
	static const char path[] = "/proc/sys/kernel/unprivileged_userns_clone";

	if (step != TRIAL_USER || !is_refusal(sys) || trial_switch(path) != 0)
		return 0;
	text_addf(t,
	    "%s is 0; as root: sysctl -w kernel.unprivileged_userns_clone=1",
	    path);
	return 1;
}

/* It refuses the namespace, or lets it be made and takes what it is for. */
static int
why_apparmor(int step, int sys, struct text *t)
{
	static const char path[] =
	    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

	if (!is_refusal(sys) || trial_switch(path) != 1)
		return 0;
	text_addf(t,
	    "%s is 1%s; as root: sysctl -w "
	    "kernel.apparmor_restrict_unprivileged_userns=0, or give this "
	    "program an AppArmor profile with \"userns,\"",
	    path,
	    step > TRIAL_USER ? ": the namespace has no capabilities" : "");
	return 1;
}

/* A fully visible /proc anywhere in this mount namespace would do. */
static int
why_proc(int step, int sys, struct text *t)
{
	char over[128];

	if (step != TRIAL_PROC || !is_refusal(sys))
		return 0;
	if (doctor_file_over_proc(over, sizeof(over)))
		text_addf(t, "/proc is over-mounted here (%s)", over);
	else
		text_add(t, "no /proc is fully visible here");
	text_add(t, ", so the kernel gives no new one; in a container: docker "
		    "run --security-opt systempaths=unconfined, podman run "
		    "--security-opt unmask=ALL");
	return 1;
}

static int
why_container(int step, int sys, struct text *t)
{
	char word[16];

	(void)step;
	if (!is_refusal(sys) ||
	    !doctor_file_status("Seccomp:", word, sizeof(word)) ||
	    strcmp(word, "0") == 0)
		return 0;
	text_add(t, "a system call filter of the container around us refuses "
		    "it; run that with --security-opt seccomp=unconfined, or "
		    "a profile that allows clone, unshare and mount");
	return 1;
}

static int
why_other(int step, int sys, struct text *t)
{
	(void)step;
	if (!is_refusal(sys))
		return 0;
	text_add(t, "a rule of a security module (see its log), or a chroot "
		    "around us forbids it");
	return 1;
}

static int (*const trial_reasons[])(int step, int sys, struct text *t) = {
	why_limit,
	why_depth,
	why_kernel,
	why_debian,
	why_apparmor,
	why_proc,
	why_container,
	why_other,
};

void
doctor_trial_remedy(enum doctor_trial_step step, int sys, struct text *ret)
{
	size_t i;

	for (i = 0; i < countof(trial_reasons); i++) {
		if (trial_reasons[i](step, sys, ret))
			return;
	}
	text_addf(ret, "%s: %s", trial_steps[step].text, strerror(sys));
}

void
doctor_trial_no_uids(struct text *ret)
{
	text_addf(ret,
	    "this user namespace has not the uids that root's jails get (%d "
	    "and up); start Warder as an ordinary user of it (unshare -U "
	    "--map-current-user), or outside",
	    UIDBLOCK_BASE);
}

/* Errors of a start that a switch of the host may be behind. */
static int
trial_may_explain(const struct err *e)
{
	static const int numbers[] = { EPERM, EACCES, ENOSPC, EUSERS, EINVAL,
		ENOSYS };
	size_t i;

	for (i = 0; e->code == ERR_SYSTEM && i < countof(numbers); i++) {
		if (e->sys == numbers[i])
			return 1;
	}
	return 0;
}

int
doctor_explain(const struct err *e, char *ret, size_t size)
{
	struct doctor_trial trial;
	struct text t;
	int step;

	text_init(&t, ret, size);
	if (geteuid() == 0 && e->code != ERR_INVALID &&
	    !doctor_file_maps_jails()) {
		doctor_trial_no_uids(&t);
		return 1;
	}
	if (!trial_may_explain(e))
		return 0;
	doctor_trial_run(&trial);
	step = doctor_trial_failed(&trial);
	if (step == -1)
		return 0;
	text_addf(&t, "%s is refused by this host: ", trial_steps[step].text);
	doctor_trial_remedy((enum doctor_trial_step)step, trial.sys[step], &t);
	return 1;
}
