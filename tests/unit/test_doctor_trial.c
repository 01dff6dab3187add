/*
 * Which switch of the host is named for a step that fails: on hosts that are
 * made up here, by standing in for doctor_file.c.
 */
#include "unit.h"

#include <errno.h>

#include "supervisor/cli/doctor.h"
#include "supervisor/cli/doctor_explain.h"
#include "supervisor/cli/doctor_file.h"

/* The host: one switch, the filters around us, what lies over /proc. */
static struct {
	const char *path, *value, *seccomp, *over;
	int no_uids;
} host;

int
doctor_file_line(const char *path, char *ret, size_t size)
{
	if (host.path == NULL || strcmp(path, host.path) != 0)
		return 0;
	(void)snprintf(ret, size, "%s", host.value);
	return 1;
}

int
doctor_file_status(const char *key, char *ret, size_t size)
{
	assert_string_equal(key, "Seccomp:");
	(void)snprintf(ret, size, "%s", host.seccomp ? host.seccomp : "0");
	return 1;
}

int
doctor_file_over_proc(char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s", host.over ? host.over : "");
	return host.over != NULL;
}

int
doctor_file_maps_jails(void)
{
	return !host.no_uids;
}

#define SYSCTL "/proc/sys/kernel/"
#define USER "/proc/sys/user/"
#define UBUNTU SYSCTL "apparmor_restrict_unprivileged_userns"
#define DEBIAN SYSCTL "unprivileged_userns_clone"

static void
trial_remedy__hosts__switch_and_remedy_named(void **state)
{
	static const struct {
		enum doctor_trial_step step;
		int sys;
		const char *path, *value, *seccomp, *over;
		const char *says, *not ;
	} rows[] = {
		{ TRIAL_USER, ENOSPC, USER "max_user_namespaces", "0", 0, 0,
		    "max_user_namespaces is 0; as root: sysctl -w "
		    "user.max_user_namespaces=",
		    "around us" },
		{ TRIAL_SECOND, ENOSPC, USER "max_user_namespaces", "9", 0, 0,
		    "is 9 here", "is 0" },
		{ TRIAL_CGROUP, ENOSPC, USER "max_cgroup_namespaces", "0", 0, 0,
		    "user.max_cgroup_namespaces=", "max_user" },
		{ TRIAL_USER, EUSERS, 0, 0, 0, 0, "32", "sysctl" },
		{ TRIAL_USER, ENOSYS, 0, 0, 0, 0, "CONFIG_USER_NS", "sysctl" },
		{ TRIAL_TIME, EINVAL, 0, 0, 0, 0, "was built without",
		    "sysctl" },
		{ TRIAL_USER, EPERM, DEBIAN, "0", 0, 0,
		    "kernel.unprivileged_userns_clone=1", "module" },
		{ TRIAL_USER, EPERM, DEBIAN, "1", 0, 0, "security module",
		    "userns_clone" },
		{ TRIAL_USER, EACCES, UBUNTU, "1", 0, 0,
		    "kernel.apparmor_restrict_unprivileged_userns=0",
		    "no capabilities" },
		/* made, but without what it is for */
		{ TRIAL_MOUNT, EPERM, UBUNTU, "1", 0, 0,
		    "the namespace has no capabilities", "chroot" },
		{ TRIAL_MOUNT, EPERM, UBUNTU, "0", 0, 0, "chroot", "apparmor" },
		{ TRIAL_USER, EPERM, 0, 0, "2", 0, "seccomp=unconfined",
		    "chroot" },
		{ TRIAL_PROC, EPERM, 0, 0, "2", "/proc/kcore",
		    "over-mounted here (/proc/kcore)", "seccomp" },
		{ TRIAL_PROC, EPERM, 0, 0, 0, 0, "no /proc is fully visible",
		    "over-mounted" },
		{ TRIAL_TMPFS, EIO, 0, 0, 0, 0, "Input/output error",
		    "chroot" },
	};

	char buf[DOCTOR_REMEDY_MAX];
	struct text t;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		memset(&host, 0, sizeof(host));
		host.path = rows[i].path;
		host.value = rows[i].value;
		host.seccomp = rows[i].seccomp;
		host.over = rows[i].over;
		text_init(&t, buf, sizeof(buf));
		doctor_trial_remedy(rows[i].step, rows[i].sys, &t);
		assert_false(t.truncated);
		if (strstr(buf, rows[i].says) == NULL ||
		    strstr(buf, rows[i].not ) != NULL)
			fail_msg("row %zu: %s", i, buf);
	}
}

static void
trial_failed__answers__first_that_matters(void **state)
{
	struct doctor_trial t = { { 0 } };

	(void)state;
	assert_int_equal(doctor_trial_failed(&t), -1);
	t.sys[TRIAL_TIME] = EINVAL;
	t.sys[TRIAL_OVERLAY] = EINVAL;
	assert_int_equal(doctor_trial_failed(&t), -1);
	t.sys[TRIAL_PROC] = EPERM;
	assert_int_equal(doctor_trial_failed(&t), TRIAL_PROC);
	t.sys[TRIAL_NET] = EPERM;
	assert_int_equal(doctor_trial_failed(&t), TRIAL_NET);
}

/* Errors that no switch can be behind cost nothing and explain nothing. */
static void
explain__other_errors__nothing(void **state)
{
	static const struct err errors[] = {
		{ .code = ERR_INVALID, .sys = EPERM },
		{ .code = ERR_SYSTEM, .sys = ENOENT },
		{ .code = ERR_SYSTEM, .sys = ENOMEM },
		{ .code = ERR_LIMIT, .sys = ENOSPC },
	};
	char buf[DOCTOR_REMEDY_MAX];
	size_t i;

	(void)state;
	memset(&host, 0, sizeof(host));
	for (i = 0; i < countof(errors); i++)
		assert_int_equal(doctor_explain(&errors[i], buf, sizeof(buf)),
		    0);
}

static void
explain__root_without_uids__told_so(void **state)
{
	struct err e = { .code = ERR_DENIED };
	char buf[DOCTOR_REMEDY_MAX];

	(void)state;
	memset(&host, 0, sizeof(host));
	host.no_uids = 1;
	assert_int_equal(doctor_explain(&e, buf, sizeof(buf)), geteuid() == 0);
	e.code = ERR_INVALID; /* what was typed is wrong, not the host */
	assert_int_equal(doctor_explain(&e, buf, sizeof(buf)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trial_remedy__hosts__switch_and_remedy_named),
		cmocka_unit_test(trial_failed__answers__first_that_matters),
		cmocka_unit_test(explain__other_errors__nothing),
		cmocka_unit_test(explain__root_without_uids__told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
