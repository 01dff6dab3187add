/* What "warder doctor" makes of texts: the kernel's files, the probe's lines. */
#include "unit.h"

#include "clock.h"
#include "jail/leftover.h"
#include "supervisor/cli/doctor.h"
#include "supervisor/cli/doctor_file.h"

static struct doctor d;

/* ---- the probe's lines ---- */

static void
judge_word__lines__exact_name_and_clean_word(void **state)
{
	static const char text[] = "clone3 ENOSYS\nclone EPERM\nlast ok\ncut";
	char word[16];

	(void)state;
	assert_int_equal(doctor_judge_word(text, "clone", word, sizeof(word)),
	    1);
	assert_string_equal(word, "EPERM");
	assert_int_equal(doctor_judge_word(text, "clone3", word, sizeof(word)),
	    1);
	assert_string_equal(word, "ENOSYS");
	assert_int_equal(doctor_judge_word(text, "cut", word, sizeof(word)), 0);
	assert_string_equal(word, "?");
	assert_int_equal(doctor_judge_word(text, "clo", word, sizeof(word)), 0);
	assert_int_equal(doctor_judge_word("", "clone", word, sizeof(word)), 0);
}

static void
judge_word__hostile_bytes__refused(void **state)
{
	static const char *const texts[] = {
		"a \n", /* no word */
		"a x y\n", /* two */
		"a x\033[2J\n", "a \xff\n", "a x", /* no end */
		"a 12345678\n", /* longer than there is room */
	};
	char word[8];
	size_t i;

	(void)state;
	for (i = 0; i < countof(texts); i++)
		assert_int_equal(doctor_judge_word(texts[i], "a", word,
				     sizeof(word)),
		    0);
	assert_int_equal(doctor_judge_word("a 1234567\n", "a", word,
			     sizeof(word)),
	    1);
}

/* ---- verdicts ---- */

static const char good_inside[] =
    "host_file ENOENT\nroot_of_1 EACCES\nptrace EPERM\nmount EPERM\n"
    "mount_api ENOSYS\nunshare EPERM\nclone EPERM\nsetns EPERM\n"
    "tiocsti EPERM\nsignal ESRCH\nsysrq EACCES\ncore_pattern EACCES\n"
    "packet_socket EAFNOSUPPORT\nraw_socket EPROTONOSUPPORT\n"
    "vsock EAFNOSUPPORT\nclone3 ENOSYS\nopenat2 ENOSYS\nio_uring EPERM\n"
    "keyctl EPERM\nsetuid_bit EPERM\nwrite_usr EROFS\n"
    "abstract_socket ECONNREFUSED\ntcp_loopback ECONNREFUSED\n"
    "core_limit EPERM\ndescriptors 0,1,2\ndev fd,full,null,ptmx,pts,random,"
    "shm,stderr,stdin,stdout,tty,urandom,zero\ncapabilities 0\n"
    "no_new_privs 1\nseccomp 2\nfilters 1\nlandlock_abi 7\n"
    "landlock_layers 15\nids 1000,1000,1000,1000,1000,1000\ngroups 0\n"
    "namespaces user:[1],mnt:[2],pid:[3],net:[4],ipc:[5],uts:[6],cgroup:[7],"
    "time:[8]\ncore_size 1,1\ninterfaces lo\nworkspace 1048576\nend 1\n";

static const char good_outside[] =
    "host_file ok\nroot_of_1 ok\nptrace ESRCH\nmount EFAULT\n"
    "mount_api EFAULT\nunshare ok\nclone ok\nsetns EBADF\ntiocsti ENOTTY\n"
    "signal ok\nsysrq ok\ncore_pattern ok\npacket_socket ok\nraw_socket ok\n"
    "vsock ok\nclone3 EINVAL\nopenat2 EINVAL\nio_uring EFAULT\n"
    "keyctl EOPNOTSUPP\nsetuid_bit ok\nwrite_usr ok\nabstract_socket ok\n"
    "tcp_loopback ok\ncore_limit ok\ndescriptors 0,1,2,9\ndev kmsg,null\n"
    "capabilities 1ff\nno_new_privs 0\nseccomp 0\nfilters 0\n"
    "landlock_abi 7\nlandlock_layers 16\nids 0,0,0,0,0,0\ngroups 0\n"
    "namespaces user:[11],mnt:[12],pid:[13],net:[14],ipc:[15],uts:[16],"
    "cgroup:[17],time:[18]\ncore_size 0,-1\ninterfaces lo,eth0\n"
    "workspace 99\nend 1\n";

/* A jail about which everything is well. */
static void
make_good(void)
{
	plan_str workspace;
	struct err e;

	memset(&d, 0, sizeof(d));
	plan_init(&d.plan);
	assert_int_equal(plan_add_string(&d.plan, "/workspace", &workspace, &e),
	    0);
	d.plan.mounts[0].path = workspace;
	d.plan.mounts[0].size_bytes = 1048576;
	d.plan.nmounts = 1;
	d.ran = 1;
	d.posture.agent_uid = 1879049192;
	d.posture.landlock_abi = 7;
	d.posture.landlock_scoped = 1;
	d.posture.time_namespace = 1;
	d.posture.core_limit = 1;
	d.posture.cgroup_version = CGROUP_V1;
	d.posture.cgroup_enforced =
	    1U << CGROUP_MEMORY | 1U << CGROUP_PIDS | 1U << CGROUP_CPU;
	memcpy(d.seen.inside, good_inside, sizeof(good_inside));
	memcpy(d.seen.outside, good_outside, sizeof(good_outside));
	(void)snprintf(d.seen.uid_map, sizeof(d.seen.uid_map),
	    "       999 1879049191          2\n");
	(void)snprintf(d.seen.group_name, sizeof(d.seen.group_name),
	    "warder-7-ab");
	(void)snprintf(d.seen.groups, sizeof(d.seen.groups),
	    "9:pids:/warder-7-ab\n5:memory:/warder-7-ab\n"
	    "2:cpu,cpuacct:/warder-7-ab\n1:name=systemd:/x\n");
	d.seen.signals[1] = d.seen.tcp[1] = d.seen.abstract[1] = 1;
}

/* Change one word of a text of the same length or longer. */
static void
change(char *text, const char *from, const char *to)
{
	char rest[DOCTOR_OUTPUT_MAX];
	char *p = strstr(text, from);

	assert_non_null(p);
	(void)snprintf(rest, sizeof(rest), "%s%s", to, p + strlen(from));
	memcpy(p, rest, strlen(rest) + 1);
}

static const struct doctor_attempt *
attempt(const char *name)
{
	size_t i;

	doctor_judge_attempts(&d);
	for (i = 0; i < d.nattempts; i++) {
		if (strcmp(d.attempts[i].name, name) == 0)
			return &d.attempts[i];
	}
	fail_msg("no attempt %s", name);
	return NULL;
}

static void
judge_attempts__all_well__all_held(void **state)
{
	size_t i;

	(void)state;
	make_good();
	doctor_judge_attempts(&d);
	assert_true(d.nattempts >= 24);
	for (i = 0; i < d.nattempts; i++) {
		if (d.attempts[i].verdict != DOCTOR_HELD)
			fail_msg("%s: %s", d.attempts[i].name,
			    doctor_verdict_name(d.attempts[i].verdict));
	}
	assert_int_equal(doctor_print_status(&d), 1); /* claims not judged */
}

static void
judge_attempts__one_word_changed__that_one_escaped(void **state)
{
	static const struct {
		const char *name, *from, *to;
	} rows[] = {
		{ "host_file", "host_file ENOENT", "host_file ok" },
		{ "mount", "\nmount EPERM", "\nmount EFAULT" },
		{ "setns", "setns EPERM", "setns EBADF" },
		{ "clone3", "clone3 ENOSYS", "clone3 EPERM" },
		{ "tiocsti", "tiocsti EPERM", "tiocsti ENOTTY" },
		{ "ptrace", "ptrace EPERM", "ptrace signal:31" },
		{ "write_usr", "write_usr EROFS", "write_usr ok" },
		{ "unshare", "unshare EPERM\n", "" }, /* not told at all */
		{ "descriptors", "0,1,2\n", "0,1,2,9\n" },
		{ "dev", "dev fd,", "dev fd,kmsg," },
	};

	size_t i, k;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		make_good();
		change(d.seen.inside, rows[i].from, rows[i].to);
		assert_int_equal(attempt(rows[i].name)->verdict,
		    DOCTOR_ESCAPED);
		for (k = 0; k < d.nattempts; k++)
			assert_true(
			    d.attempts[k].verdict == DOCTOR_HELD ||
			    strcmp(d.attempts[k].name, rows[i].name) == 0);
	}
}

static void
judge_attempts__witness_saw_it__escaped_whatever_the_word(void **state)
{
	(void)state;
	make_good();
	d.seen.signals[0] = 1;
	assert_int_equal(attempt("signal")->verdict, DOCTOR_ESCAPED);
	d.seen.tcp[0] = 1;
	assert_int_equal(attempt("tcp_loopback")->verdict, DOCTOR_ESCAPED);
	d.seen.abstract[0] = 1;
	assert_int_equal(attempt("abstract_socket")->verdict, DOCTOR_ESCAPED);
}

static void
judge_attempts__control_failed__unproved(void **state)
{
	(void)state;
	make_good();
	change(d.seen.outside, "vsock ok", "vsock EAFNOSUPPORT");
	assert_int_equal(attempt("vsock")->verdict, DOCTOR_UNPROVED);
	d.seen.tcp[1] = 0;
	assert_int_equal(attempt("tcp_loopback")->verdict, DOCTOR_UNPROVED);
	change(d.seen.outside, "0,1,2,9", "0,1,2");
	assert_int_equal(attempt("descriptors")->verdict, DOCTOR_UNPROVED);
}

static void
judge_claims__all_well__all_agree(void **state)
{
	int i;

	(void)state;
	make_good();
	doctor_judge_attempts(&d);
	doctor_judge_claims(&d);
	for (i = 0; i < POSTURE__MAX; i++) {
		if (!d.claims[i].agrees)
			fail_msg("%s: %s", posture_name((enum posture_row)i),
			    d.claims[i].seen);
	}
	assert_int_equal(doctor_print_status(&d), 0);
}

/* Each way in which a layer could be less than it says. */
static void
judge_claims__one_thing_changed__that_row_is_false(void **state)
{
	static const struct {
		enum posture_row row;
		char *text;
		const char *from, *to;
	} rows[] = {
		{ POSTURE_identity, d.seen.inside, "ids 1000,", "ids 0," },
		{ POSTURE_identity, d.seen.uid_map, "1879049191", "0" },
		{ POSTURE_groups, d.seen.inside, "groups 0", "groups 2" },
		{ POSTURE_namespaces, d.seen.inside, "uts:[6]", "uts:[16]" },
		{ POSTURE_namespaces, d.seen.inside, "time:[8]", "time:[18]" },
		{ POSTURE_namespaces, d.seen.inside, ",cgroup:[7]", "" },
		{ POSTURE_capabilities, d.seen.inside, "capabilities 0",
		    "capabilities 400" },
		{ POSTURE_capabilities, d.seen.inside, "no_new_privs 1",
		    "no_new_privs 0" },
		{ POSTURE_seccomp, d.seen.inside, "seccomp 2", "seccomp 0" },
		{ POSTURE_seccomp, d.seen.inside, "filters 1", "filters 0" },
		{ POSTURE_landlock, d.seen.inside, "layers 15", "layers 16" },
		{ POSTURE_landlock, d.seen.inside, "abi 7", "abi 3" },
		{ POSTURE_memory, d.seen.groups, "5:memory:/warder-7-ab",
		    "5:memory:/" },
		{ POSTURE_pids, d.seen.groups, "9:pids:/warder-7-ab",
		    "9:pids:/warder-7-abc" },
		{ POSTURE_cpu, d.seen.groups, "2:cpu,cpuacct", "2:cpuset" },
		{ POSTURE_disk, d.seen.inside, "workspace 1048576",
		    "workspace 2097152" },
		{ POSTURE_core_dumps, d.seen.inside, "core_size 1,1",
		    "core_size 0,0" },
		{ POSTURE_network, d.seen.inside, "interfaces lo",
		    "interfaces lo,eth0" },
	};

	size_t i;
	int k;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		make_good();
		change(rows[i].text, rows[i].from, rows[i].to);
		doctor_judge_attempts(&d);
		doctor_judge_claims(&d);
		for (k = 0; k < POSTURE__MAX; k++)
			if (d.claims[k].agrees == (k == (int)rows[i].row))
				fail_msg("row %zu: %s: \"%s\"", i,
				    posture_name((enum posture_row)k),
				    d.claims[k].seen);
		assert_int_equal(doctor_print_status(&d), 1);
	}
}

static void
judge_claims__another_filter__false(void **state)
{
	(void)state;
	make_good();
	d.seen.program_digest[5] = 1;
	doctor_judge_claims(&d);
	assert_false(d.claims[POSTURE_seccomp].agrees);
}

/* ---- the kernel's files ---- */

static const char mounts_docker[] =
    "700 600 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/a\n"
    "701 700 0:63 / /proc rw,nosuid shared:5 - proc proc rw,hidepid=2\n"
    "702 701 0:63 /sys /proc/sys ro,nosuid - proc proc rw\n"
    "703 701 0:65 / /proc/acpi ro,relatime - tmpfs tmpfs ro\n";
static const char mounts_host[] =
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "23 22 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw,fd=29\n"
    "24 27 0:31 / /procedures rw - tmpfs tmpfs rw\n";

static void
file_over_proc__container_and_host__told_apart(void **state)
{
	char path[64];

	(void)state;
	assert_int_equal(doctor_file_find_over_proc(mounts_docker, path,
			     sizeof(path)),
	    1);
	assert_string_equal(path, "/proc/sys");
	assert_int_equal(doctor_file_find_over_proc(mounts_host, path,
			     sizeof(path)),
	    0);
	assert_int_equal(doctor_file_find_over_proc("", path, sizeof(path)), 0);
	assert_int_equal(doctor_file_find_over_proc("junk\n\n1 2\n - \n", path,
			     sizeof(path)),
	    0);
}

static void
file_proc_options__mounts__of_the_file_system(void **state)
{
	char options[64];

	(void)state;
	assert_int_equal(doctor_file_find_proc_options(mounts_docker, options,
			     sizeof(options)),
	    1);
	assert_string_equal(options, "rw,hidepid=2");
	assert_int_equal(doctor_file_find_proc_options(mounts_host, options,
			     sizeof(options)),
	    1);
	assert_string_equal(options, "rw");
	assert_int_equal(doctor_file_find_proc_options("x", options,
			     sizeof(options)),
	    0);
}

static void
file_map_has__maps__whole_range_in_one_line(void **state)
{
	static const char all[] = "         0          0 4294967295\n";
	static const char some[] = "0 1000 1\n1 100000 65536\n";

	(void)state;
	assert_int_equal(doctor_file_map_has(all, 1879048192, 268435456), 1);
	assert_int_equal(doctor_file_map_has(some, 1879048192, 268435456), 0);
	assert_int_equal(doctor_file_map_has(some, 1, 65536), 1);
	assert_int_equal(doctor_file_map_has(some, 1, 65537), 0);
	assert_int_equal(doctor_file_map_has(some, 0, 2), 0);
	assert_int_equal(doctor_file_map_has("", 0, 1), 0);
	assert_int_equal(doctor_file_map_has("x y z\n", 0, 1), 0);
}

/* ---- whose control group ---- */

static int
is_live(long pid, uint64_t ns)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%ld-%llx", pid,
	    (unsigned long long)ns / 1000);
	return leftover_is_live(name, NULL);
}

static void
clean_is_live__names_of_others__left_alone(void **state)
{
	static const char *const names[] = { "", "x", "1", "-1-1", "0-1", "12-",
		"12-zz", "12-1-1", "99999999999999999999-1",
		"1-fffffffffffffffffff" };
	size_t i;

	(void)state;
	for (i = 0; i < countof(names); i++)
		assert_int_equal(leftover_is_live(names[i], NULL), 1);
}

static void
clean_is_live__launchers__by_process_and_its_beginning(void **state)
{
	uint64_t old = clock_ns(CLOCK_MONOTONIC) - 10000000000;

	enum {
		NOBODY = 1 << 30
	}; /* more than a process id can be */

	(void)state;
	assert_int_equal(is_live(getpid(), clock_ns(CLOCK_MONOTONIC)), 1);
	assert_int_equal(is_live(1, old), 1);
	assert_int_equal(is_live(NOBODY, old), 0);
	/* younger than a start takes: perhaps in another pid namespace */
	assert_int_equal(is_live(NOBODY, clock_ns(CLOCK_MONOTONIC)), 1);
	/* our number, from before we began */
	assert_int_equal(is_live(getpid(), 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judge_word__lines__exact_name_and_clean_word),
		cmocka_unit_test(judge_word__hostile_bytes__refused),
		cmocka_unit_test(judge_attempts__all_well__all_held),
		cmocka_unit_test(
		    judge_attempts__one_word_changed__that_one_escaped),
		cmocka_unit_test(
		    judge_attempts__witness_saw_it__escaped_whatever_the_word),
		cmocka_unit_test(judge_attempts__control_failed__unproved),
		cmocka_unit_test(judge_claims__all_well__all_agree),
		cmocka_unit_test(
		    judge_claims__one_thing_changed__that_row_is_false),
		cmocka_unit_test(judge_claims__another_filter__false),
		cmocka_unit_test(
		    file_over_proc__container_and_host__told_apart),
		cmocka_unit_test(file_proc_options__mounts__of_the_file_system),
		cmocka_unit_test(file_map_has__maps__whole_range_in_one_line),
		cmocka_unit_test(clean_is_live__names_of_others__left_alone),
		cmocka_unit_test(
		    clean_is_live__launchers__by_process_and_its_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
