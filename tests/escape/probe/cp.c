/* Capabilities and ids: none, and no way to get any back. */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "probe.h"

static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd",
	"CapAmb" };

/* ---- CP-01 ---- */

static void
cp_status(const char *who, const char *label)
{
	char attempt[64], text[128];
	size_t i;

	for (i = 0; i < countof(sets); i++) {
		probe_status(who, sets[i], text, sizeof(text));
		(void)snprintf(attempt, sizeof(attempt), "%s %s", label,
		    sets[i]);
		probe_got(attempt, "%s", text);
	}
}

/* What an exec'd copy of ourselves sees. */
static void
cp_exec(const char *key)
{
	char attempt[64], text[128] = "";
	int fd[2];
	pid_t pid;
	ssize_t n;

	if (pipe(fd) == -1)
		return;
	pid = fork();
	if (pid == 0) {
		(void)dup2(fd[1], 1);
		(void)execl(probe_self, "probe", "status", key, NULL);
		_exit(1);
	}
	(void)close(fd[1]);
	n = read(fd[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	(void)close(fd[0]);
	(void)waitpid(pid, NULL, 0);
	(void)snprintf(attempt, sizeof(attempt), "exec %s", key);
	probe_got(attempt, "%s", text);
}

static void
cp_01(void)
{
	char text[64];
	size_t i;

	cp_status("self", "self");
	cp_status("1", "init");
	for (i = 0; i < countof(sets); i++)
		cp_exec(sets[i]);
	probe_got("securebits", "0x%lx", CALL(SYS_prctl, PR_GET_SECUREBITS));
	probe_status("self", "NoNewPrivs", text, sizeof(text));
	probe_got("self NoNewPrivs", "%s", text);
	probe_status("1", "NoNewPrivs", text, sizeof(text));
	probe_got("init NoNewPrivs", "%s", text);
}

/* ---- CP-02 ---- */

static long
cp_capset(void *arg)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[2] = { 0 };

	(void)arg;
	d[0].effective = d[0].permitted = 1U << CAP_CHOWN;
	return CALL(SYS_capset, &h, d);
}

static long
cp_ambient(void *arg)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[2] = { 0 };

	(void)arg;
	/* to raise it must be inheritable; who has none stays without */
	if (CALL(SYS_capget, &h, d) == 0) {
		d[0].inheritable |= d[0].permitted & 1U << CAP_CHOWN;
		(void)CALL(SYS_capset, &h, d);
	}
	return CALL(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN,
	    0, 0);
}

static long
cp_bounding(void *arg)
{
	(void)arg;
	return CALL(SYS_prctl, PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0);
}

static long
cp_securebits(void *arg)
{
	(void)arg;
	return CALL(SYS_prctl, PR_SET_SECUREBITS, 0, 0, 0, 0);
}

static long
cp_keepcaps(void *arg)
{
	(void)arg;
	return CALL(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
}

static long
cp_setuid(void *arg)
{
	return CALL(SYS_setuid, *(const uid_t *)arg);
}

static long
cp_setgid(void *arg)
{
	return CALL(SYS_setgid, *(const gid_t *)arg);
}

static long
cp_setresuid(void *arg)
{
	uid_t id = *(const uid_t *)arg;

	return CALL(SYS_setresuid, -1, id, -1);
}

static long
cp_setgroups(void *arg)
{
	return CALL(SYS_setgroups, 1, arg);
}

static long
cp_setgroups_none(void *arg)
{
	(void)arg;
	return CALL(SYS_setgroups, 0, NULL);
}

/* setfsuid(2) reports no error: ask what it came to. */
static long
cp_setfsuid(void *arg)
{
	uid_t id = *(const uid_t *)arg;

	(void)syscall(SYS_setfsuid, id);
	return (uid_t)syscall(SYS_setfsuid, -1) == id ? 0 : -EPERM;
}

static long
cp_setfsgid(void *arg)
{
	gid_t id = *(const gid_t *)arg;

	(void)syscall(SYS_setfsgid, id);
	return (gid_t)syscall(SYS_setfsgid, -1) == id ? 0 : -EPERM;
}

static const struct {
	const char *name;
	long (*fn)(void *);
} cp_takers[] = {
	{ "setuid", cp_setuid },
	{ "setgid", cp_setgid },
	{ "setresuid", cp_setresuid },
	{ "setgroups", cp_setgroups },
	{ "setfsuid", cp_setfsuid },
	{ "setfsgid", cp_setfsgid },
};

static void
cp_02(void)
{
	/* 999 is warder-init's own number where it has one */
	static const uid_t ids[] = { 0, 999, 1001, 65534 };
	char attempt[64];
	size_t i, k;

	probe_try("capset", cp_capset, NULL);
	probe_try("ambient raise", cp_ambient, NULL);
	probe_try("bounding drop", cp_bounding, NULL);
	probe_try("securebits clear", cp_securebits, NULL);
	probe_try("keepcaps", cp_keepcaps, NULL);
	probe_try("setgroups none", cp_setgroups_none, NULL);
	for (i = 0; i < countof(cp_takers); i++) {
		for (k = 0; k < countof(ids); k++) {
			uid_t id = ids[k];

			(void)snprintf(attempt, sizeof(attempt), "%s %u",
			    cp_takers[i].name, id);
			probe_try(attempt, cp_takers[i].fn, &id);
		}
	}
}

/* ---- CP-03 ---- */

static void
cp_03(void)
{
	gid_t groups[256];
	char text[1024] = "";
	int n = getgroups(countof(groups), groups), i;
	size_t len = 0;

	for (i = 0; i < n && len < sizeof(text) - 16; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u",
		    i > 0 ? " " : "", groups[i]);
	probe_got("groups", "%s", text);
	probe_got("ids", "%u %u %u %u", getuid(), geteuid(), getgid(),
	    getegid());
}

/* CP-05: a file that only a supplementary group of the caller may read. */
static void
cp_05(void)
{
	const char *path = probe_setting("PROBE_GROUP_FILE", "/nonexistent");

	probe_result("open the group's file",
	    open(path, O_RDONLY | O_CLOEXEC) >= 0 ? 0 : -errno);
}

const struct probe_check probe_cp[] = {
	{ "CP-01", cp_01 },
	{ "CP-02", cp_02 },
	{ "CP-03", cp_03 },
	{ "CP-05", cp_05 },
	{ NULL, NULL },
};
