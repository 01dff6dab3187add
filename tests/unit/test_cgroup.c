/*
 * jail/cgroup*.c: the kernel's text, then real groups of whichever version
 * this host has; the same file runs on v2 in the virtual machine.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../../jail/cgroup_private.h"
#include "clock.h"

#define MIB ((uint64_t)1 << 20)

/* ---- text ---- */

#define B(k) CGROUP_BIT(CGROUP_##k)

static void
cgroup_text_member__lines_of_proc__hierarchies_and_paths(void **state)
{
	static const struct {
		const char *line;
		uint32_t v1;
		int is_v2;
		const char *path;
	} rows[] = {
		{ "0::/", 0, 1, "/" },
		{ "0::/user.slice/user-1000.slice/session-3.scope", 0, 1,
		    "/user.slice/user-1000.slice/session-3.scope" },
		{ "4:memory:/a", B(MEMORY), 0, "/a" },
		{ "5:cpu,cpuacct:/docker/0123", B(CPU) | B(CPUACCT), 0,
		    "/docker/0123" },
		{ "5:cpuacct,cpu:/", B(CPU) | B(CPUACCT), 0, "/" },
		{ "7:blkio:/", B(IO), 0, "/" },
		{ "11:freezer:/x", B(FREEZER), 0, "/x" },
		{ "9:name=systemd:/init.scope", 0, 0, "/init.scope" },
		{ "3:cpuset:/", 0, 0, "/" },
		{ "3:net_cls,pids,memoryx:/", B(PIDS), 0, "/" },
		/* The path has every other byte, a colon among them. */
		{ "0::/a b\\040:c", 0, 1, "/a b\\040:c" },
		{ "0::/..a/b..", 0, 1, "/..a/b.." },
		{ "4:io:/", 0, 0, "/" }, /* not a name of v1 */
	};

	struct cgroup_member m;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		assert_int_equal(cgroup_text_member(rows[i].line, &m), 0);
		assert_int_equal(m.v1, rows[i].v1);
		assert_int_equal(m.is_v2, rows[i].is_v2);
		assert_string_equal(m.path, rows[i].path);
	}
}

static void
cgroup_text_member__junk_or_outside__refused(void **state)
{
	static const char *const rows[] = { "", ":", "::/", "0", "0:", "0:/",
		"x::/", "0::", "0::a", "-1::/", "0::/..", "0::/../x",
		"0::/a/../b", "0::/a/..", " 0::/" };
	char longest[CGROUP_PATH_MAX + 8];
	struct cgroup_member m = { .path = "kept" };
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++)
		if (cgroup_text_member(rows[i], &m) != -1)
			fail_msg("'%s' was accepted", rows[i]);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "0::/", 4);
	longest[3 + CGROUP_PATH_MAX] = '\0';
	assert_int_equal(cgroup_text_member(longest, &m), -1);
	assert_string_equal(m.path, "kept");
	longest[3 + CGROUP_PATH_MAX - 1] = '\0';
	assert_int_equal(cgroup_text_member(longest, &m), 0);
}

static void
cgroup_text_mount__v1_v2_hybrid__recognised(void **state)
{
	static const struct {
		const char *line;
		int want;
		uint32_t v1;
		const char *root;
		const char *point;
	} rows[] = {
		{ "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 "
		  "cgroup2 rw,nsdelegate",
		    1, 0, "/", "/sys/fs/cgroup" },
		{ "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 "
		  "cgroup2 rw",
		    1, 0, "/", "/sys/fs/cgroup/unified" },
		{ "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup "
		  "cgroup rw,memory",
		    1, B(MEMORY), "/", "/sys/fs/cgroup/memory" },
		{ "36 31 0:33 /docker/0a /sys/fs/cgroup/cpu,cpuacct ro "
		  "shared:1 master:2 propagate_from:3 - cgroup cgroup "
		  "rw,cpu,cpuacct,clone_children",
		    1, B(CPU) | B(CPUACCT), "/docker/0a",
		    "/sys/fs/cgroup/cpu,cpuacct" },
		{ "36 31 0:33 /a\\040b\\134 /m\\011t\\012\\043 rw - cgroup c "
		  "rw,pids",
		    1, B(PIDS), "/a b\\", "/m\tt\n#" },
		{ "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup "
		  "rw,xattr,name=systemd",
		    0, 0, NULL, NULL },
		{ "40 31 0:37 / /sys/fs/cgroup/cpuset rw - cgroup none "
		  "rw,cpuset",
		    0, 0, NULL, NULL },
		{ "22 27 0:21 / /proc rw,relatime - proc proc rw", 0, 0, NULL,
		    NULL },
		/* "memory" as another file system's option */
		{ "22 27 0:21 / /x rw - tmpfs cgroup rw,memory", 0, 0, NULL,
		    NULL },
		/* a source may be empty: the options are then missing */
		{ "22 27 0:21 / /x rw - cgroup  rw,memory", 0, 0, NULL, NULL },
	};

	struct cgroup_mount m;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		assert_int_equal(cgroup_text_mount(rows[i].line, &m),
		    rows[i].want);
		if (rows[i].want == 0)
			continue;
		assert_int_equal(m.v1, rows[i].v1);
		assert_int_equal(m.is_v2, rows[i].v1 == 0);
		assert_string_equal(m.root, rows[i].root);
		assert_string_equal(m.point, rows[i].point);
	}
}

static void
cgroup_text_mount__junk__refused(void **state)
{
	static const char *const rows[] = { "", " ", "1 2 3 4", "1 2 3 / /x rw",
		"1 2 3 / /x - cgroup2 x rw", /* four words and a dash */
		"1 2 3 / /x rw -cgroup2 x rw", "1 2 3 / x rw - cgroup2 x rw",
		"1 2 3 a /x rw - cgroup2 x rw",
		"1 2 3 / /a\\ rw - cgroup2 x rw",
		"1 2 3 / /a\\04 rw - cgroup2 x rw",
		"1 2 3 / /a\\048 rw - cgroup2 x rw",
		"1 2 3 / /a\\000b rw - cgroup2 x rw",
		"1 2 3 / /a\\777 rw - cgroup2 x rw",
		"1 2 3 / /a\\x40 rw - cgroup2 x rw" };
	char longest[CGROUP_PATH_MAX + 64];
	struct cgroup_mount m;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++)
		if (cgroup_text_mount(rows[i], &m) != -1)
			fail_msg("'%s' was accepted", rows[i]);
	/* One byte too many for a path, then the longest. */
	for (i = 0; i < 2; i++) {
		(void)snprintf(longest, sizeof(longest),
		    "1 2 3 / /%0*d rw - cgroup2 x rw",
		    CGROUP_PATH_MAX - 1 - (int)i, 7);
		assert_int_equal(cgroup_text_mount(longest, &m),
		    i == 0 ? -1 : 1);
	}
}

static void
cgroup_text_below__roots__rest_or_nothing(void **state)
{
	static const struct {
		const char *root;
		const char *path;
		const char *want;
	} rows[] = {
		{ "/", "/", "." }, { "/", "/a/b", "a/b" }, { "/a", "/a", "." },
		{ "/a", "/a/b/c", "b/c" }, { "/a", "/ab", NULL },
		{ "/a", "/", NULL }, { "/a/b", "/a", NULL },
		{ "/../x", "/a", NULL }, /* a mount from outside */
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		const char *got = cgroup_text_below(rows[i].root, rows[i].path);

		if (rows[i].want == NULL)
			assert_null(got);
		else
			assert_string_equal(got, rows[i].want);
	}
}

static void
cgroup_text_sum__files_of_groups__numbers(void **state)
{
	static const struct {
		const char *text;
		const char *key;
		unsigned found;
		uint64_t want;
	} rows[] = {
		{ "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill ",
		    1, 3 },
		{ "low 1\nhigh 2\nmax 30\noom 4\noom_kill 5\n", "max ", 1, 30 },
		{ "max 0\n", "max ", 1, 0 },
		{ "usage_usec 12\nuser_usec 7\nsystem_usec 5\n", "user_usec ",
		    1, 7 },
		{ "4096\n", "", 1, 4096 },
		{ "max\n", "", 0, 99 },
		{ "-1\n", "", 0, 99 },
		{ "", "", 0, 99 },
		{ "8:0 rbytes=10 wbytes=20 rios=1\n254:0 rbytes=5 wbytes=7\n",
		    "rbytes=", 2, 15 },
		{ "8:0 Read 10\n8:0 Write 20\n8:0 Sync 0\n9:0 Read 1\nTotal "
		  "31\n",
		    "Read ", 2, 11 },
		{ "xmax 4\n", "max ", 0, 99 },
		{ "max x\nmax ", "max ", 0, 99 },
		{ "18446744073709551615\n", "", 1, UINT64_MAX },
		{ "99999999999999999999999999\n", "", 1, UINT64_MAX },
		{ "r=99999999999999999999 r=2\n", "r=", 2, UINT64_MAX },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		uint64_t v = 99;

		assert_int_equal(cgroup_text_sum(rows[i].text, rows[i].key, &v),
		    rows[i].found);
		assert_int_equal(v, rows[i].want);
	}
}

/* ---- real groups ---- */

struct group {
	struct cgroup c;
	struct cgroup other; /* a second one, where a test needs it */
	struct plan *plan;
	char name[32];
	int fds; /* open before */
};

static unsigned serial;

static void
group_name(char *ret, size_t size)
{
	(void)snprintf(ret, size, "test-%d-%u", getpid(), serial++);
}

static int
group_setup(void **state)
{
	struct group *g = calloc(1, sizeof(*g));

	if (g == NULL || (g->plan = calloc(1, sizeof(*g->plan))) == NULL)
		return -1;
	g->plan->limits = (struct plan_limits){ .cpu_milli = 1000,
		.memory_bytes = 64 * MIB,
		.pids = 16,
		.cpu_time_ms = 60000 };
	group_name(g->name, sizeof(g->name));
	cgroup_init(&g->c);
	cgroup_init(&g->other);
	*state = g;
	return 0;
}

/* Only what this test program has made is dead to its sweeping. */
static int
group_is_others(const char *name, void *arg)
{
	char ours[24];

	(void)arg;
	(void)snprintf(ours, sizeof(ours), "test-%d-", getpid());
	return strncmp(name, ours, strlen(ours)) != 0;
}

static int
group_teardown(void **state)
{
	struct group *g = *state;

	cgroup_kill(&g->c);
	cgroup_kill(&g->other);
	(void)cgroup_destroy(&g->c, 2000);
	(void)cgroup_destroy(&g->other, 2000);
	(void)cgroup_sweep(group_is_others, NULL);
	free(g->plan);
	free(g);
	return 0;
}

static void
group_create(struct group *g)
{
	struct cgroup_host h;
	struct err e;

	/* So that finding the parents does not look like a leak. */
	cgroup_host_get(&h, CGROUP_BIT(CGROUP__MAX) - 1, 0);
	g->fds = unit_count_fds();
	if (cgroup_create(&g->c, g->name, g->plan, &e) == -1)
		fail_msg("%s", e.msg);
	if (g->c.version == CGROUP_NONE)
		unit_skip("no control groups for us: %s", g->c.why);
}

static void
group_need(const struct group *g, enum cgroup_controller k)
{
	if (!(g->c.enforced & CGROUP_BIT(k)))
		unit_skip("this host lacks a controller: %s", g->c.why);
}

/* Run fn in the group as the launcher would start a jail there. */
static pid_t
group_spawn_in(const struct cgroup *c, int (*fn)(void *), void *arg)
{
	struct clone_args a = { .exit_signal = SIGCHLD };
	pid_t pid;

	if (c->version == CGROUP_V2) {
		a.flags = CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)cgroup_clone_fd(c);
	}
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pid == 0)
		_exit(cgroup_join(c) == 0 ? fn(arg) : 99);
	return pid;
}

static pid_t
group_spawn(const struct group *g, int (*fn)(void *), void *arg)
{
	return group_spawn_in(&g->c, fn, arg);
}

static int
group_wait(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
sleep_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* A page that children write and the test reads. */
static volatile uint64_t *
shared_page(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static int
do_nothing(void *arg)
{
	(void)arg;
	return 7;
}

static int
do_sleep(void *arg)
{
	(void)arg;
	while (pause() == -1)
		;
	return 1;
}

static int
do_touch(void *arg)
{
	uint64_t i, n = *(uint64_t *)arg;
	volatile char *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	for (i = 0; i < n; i += 4096)
		p[i] = 1;
	return 0;
}

static int
do_spin(void *arg)
{
	uint64_t until = clock_now_ms() + *(uint64_t *)arg;

	while (clock_now_ms() < until)
		;
	return 0;
}

/* Of its own time, however often somebody else runs. */
static int
do_spend(void *arg)
{
	const uint64_t ns = *(uint64_t *)arg * 1000000;

	while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < ns)
		;
	return 0;
}

static int
do_count(void *arg)
{
	volatile uint64_t *page = arg;

	while (++*page != 0)
		;
	return 1;
}

static int
do_fork_until_refused(void *arg)
{
	volatile uint64_t *page = arg;
	pid_t pid;

	while ((pid = fork()) > 0)
		(*page)++;
	if (pid == 0)
		return do_sleep(NULL);
	page[1] = (uint64_t)errno;
	return 0;
}

static int
do_fork_bomb(void *arg)
{
	uint64_t until = clock_now_ms() + 5000;

	(void)arg;
	(void)signal(SIGCHLD, SIG_IGN);
	while (clock_now_ms() < until) {
		pid_t child = fork();

		if (child == 0)
			child = fork();
		if (child == 0)
			_exit(0);
	}
	return 0;
}

static void
expect_file(int dir, const char *file, const char *want)
{
	char got[256];

	if (cgroup_file_read(dir, file, got, sizeof(got)) < 0)
		fail_msg("%s cannot be read", file);
	got[strcspn(got, "\n")] = '\0';
	if (strcmp(got, want) != 0)
		fail_msg("%s is '%s', not '%s'", file, got, want);
}

/* Of all parents, how many have the group. */
static unsigned
count_dirs(const char *name)
{
	char path[64];
	struct cgroup_host h;
	struct stat st;
	unsigned n = 0;
	int k;

	(void)snprintf(path, sizeof(path), CGROUP_PREFIX "%s", name);
	cgroup_host_get(&h, CGROUP_BIT(CGROUP__MAX) - 1, 0);
	for (k = 0; k < CGROUP__MAX; k++)
		if (h.owner[k] == k)
			n += fstatat(h.parent[k], path, &st, 0) == 0;
	return n;
}

static void
cgroup_create__plan__limits_read_back(void **state)
{
	static const struct {
		enum cgroup_version version;
		enum cgroup_controller controller;
		const char *file;
		const char *want;
	} rows[] = {
		{ CGROUP_V1, CGROUP_MEMORY, "memory.limit_in_bytes",
		    "67108864" },
		{ CGROUP_V1, CGROUP_MEMORY, "memory.memsw.limit_in_bytes",
		    "67108864" },
		{ CGROUP_V1, CGROUP_MEMORY, "memory.oom_control",
		    "oom_kill_disable 0" },
		{ CGROUP_V1, CGROUP_PIDS, "pids.max", "16" },
		{ CGROUP_V1, CGROUP_CPU, "cpu.cfs_quota_us", "150000" },
		{ CGROUP_V1, CGROUP_CPU, "cpu.cfs_period_us", "100000" },
		{ CGROUP_V2, CGROUP_MEMORY, "memory.max", "67108864" },
		{ CGROUP_V2, CGROUP_MEMORY, "memory.swap.max", "0" },
		{ CGROUP_V2, CGROUP_MEMORY, "memory.oom.group", "1" },
		{ CGROUP_V2, CGROUP_PIDS, "pids.max", "16" },
		{ CGROUP_V2, CGROUP_CPU, "cpu.max", "150000 100000" },
	};

	struct group *g = *state;
	unsigned i, checked = 0;

	g->plan->limits.cpu_milli = 1500;
	group_create(g);
	for (i = 0; i < countof(rows); i++)
		if (rows[i].version == g->c.version &&
		    g->c.dir[rows[i].controller] >= 0) {
			expect_file(g->c.dir[rows[i].controller], rows[i].file,
			    rows[i].want);
			checked++;
		}
	assert_true(checked > 0);
}

static void
cgroup_create__tiny_share_of_a_processor__the_least_quota(void **state)
{
	struct group *g = *state;

	g->plan->limits.cpu_milli = 1;
	group_create(g);
	group_need(g, CGROUP_CPU);
	if (g->c.version == CGROUP_V1)
		expect_file(g->c.dir[CGROUP_CPU], "cpu.cfs_quota_us", "1000");
	else
		expect_file(g->c.dir[CGROUP_CPU], "cpu.max", "1000 100000");
}

static void
cgroup_create__bad_names__refused(void **state)
{
	static const char *const rows[] = { "", "a/b", "..", "a.b", "a b",
		"a\n", "\xc3\xbc" };
	static const char longest[] =
	    "12345678901234567890123456789012345678901234567890123456";
	struct group *g = *state;
	struct err e;
	size_t i;

	for (i = 0; i < countof(rows); i++)
		assert_refused(cgroup_create(&g->c, rows[i], g->plan, &e), &e,
		    ERR_INVALID, "letters");
	assert_int_equal(strlen(longest), CGROUP_NAME_MAX - 8);
	assert_int_equal(cgroup_create(&g->c, longest, g->plan, NULL), 0);
	assert_int_equal(cgroup_destroy(&g->c, 0), 0);
	assert_refused(cgroup_create(&g->c,
			   "123456789012345678901234567890123456789012345678"
			   "901234567",
			   g->plan, &e),
	    &e, ERR_LIMIT, "longer than 56");
}

static void
cgroup_create__name_taken__refused_and_the_other_stays(void **state)
{
	struct group *g = *state;
	struct cgroup second;
	struct err e;
	unsigned there;

	group_create(g);
	there = count_dirs(g->name);
	assert_true(there > 0);
	assert_refused(cgroup_create(&second, g->name, g->plan, &e), &e,
	    ERR_SYSTEM, "exists");
	assert_int_equal(count_dirs(g->name), there);
}

/* No number is that big: the first file written refuses it. */
static void
cgroup_create__limit_refused_by_the_kernel__nothing_left(void **state)
{
	struct group *g = *state;
	struct err e;

	group_create(g);
	group_need(g, CGROUP_PIDS);
	assert_int_equal(cgroup_destroy(&g->c, 0), 0);
	g->plan->limits.pids = UINT64_MAX;
	assert_refused(cgroup_create(&g->c, g->name, g->plan, &e), &e,
	    ERR_SYSTEM, "pids.max");
	assert_int_equal(count_dirs(g->name), 0);
	assert_int_equal(unit_count_fds(), g->fds);
}

/* Exit status: 0 if everything is as an unprivileged user must see it. */
static int
do_unprivileged(void *arg)
{
	struct group *g = arg;
	struct cgroup_host h;
	struct cgroup c;
	struct err e;
	char text[256];

	if (geteuid() == 0 && (setgid(65534) == -1 || setuid(65534) == -1))
		return 2;
	cgroup_host_get(&h, 0, 1);
	if (cgroup_create(&c, "test-user", g->plan, NULL) == -1)
		return 3;
	cgroup_describe(&c, text, sizeof(text));
	if (c.version != CGROUP_NONE || c.enforced != 0 || c.why[0] == '\0' ||
	    strstr(text, "no control group (") == NULL)
		return 4;
	if (strcmp(cgroup_limiter(&c, CGROUP_PIDS), "rlimits and a watchdog") !=
	    0)
		return 5;
	if (cgroup_clone_fd(&c) != -1 || cgroup_join(&c) != 0 ||
	    cgroup_freeze(&c, 1, &e) != -1 || e.code != ERR_UNSUPPORTED)
		return 6;
	g->plan->require_cgroup = PLAN_REQUIRE_CGROUP_PIDS;
	if (cgroup_create(&c, "test-user", g->plan, &e) != -1 ||
	    e.code != ERR_UNSUPPORTED || strstr(e.msg, "pids") == NULL)
		return 7;
	return cgroup_destroy(&c, 0) == 0 ? 0 : 8;
}

static void
cgroup_create__no_permission__none_and_why_or_refused(void **state)
{
	struct group *g = *state;
	pid_t pid;

	if (geteuid() == 0) {
		group_create(g);
	} else if (cgroup_create(&g->c, g->name, g->plan, NULL) == 0 &&
		   g->c.version != CGROUP_NONE) {
		unit_skip("control groups were delegated to this user");
	}
	pid = fork();
	if (pid == 0)
		_exit(do_unprivileged(g));
	assert_int_equal(group_wait(pid), 0);
}

static void
cgroup_create__required_controllers__there(void **state)
{
	struct group *g = *state;
	const uint32_t all = B(MEMORY) | B(PIDS) | B(CPU) | B(IO);
	struct err e;

	g->plan->require_cgroup =
	    PLAN_REQUIRE_CGROUP_MEMORY | PLAN_REQUIRE_CGROUP_PIDS |
	    PLAN_REQUIRE_CGROUP_CPU | PLAN_REQUIRE_CGROUP_IO;
	if (cgroup_create(&g->c, g->name, g->plan, &e) == -1) {
		assert_int_equal(e.code, ERR_UNSUPPORTED);
		unit_skip("%s", e.msg);
	}
	assert_int_equal(g->c.enforced & all, all);
}

static void
cgroup_describe__real_group__names_what_limits(void **state)
{
	struct group *g = *state;
	char text[256], want[32];

	group_create(g);
	group_need(g, CGROUP_MEMORY);
	cgroup_describe(&g->c, text, sizeof(text));
	(void)snprintf(want, sizeof(want), "cgroup v%d: memory", g->c.version);
	assert_ptr_equal(strstr(text, want), text);
	(void)snprintf(want, sizeof(want), "cgroup v%d memory", g->c.version);
	assert_non_null(strstr(cgroup_limiter(&g->c, CGROUP_MEMORY), want));
}

static void
cgroup_join__child__in_every_group(void **state)
{
	struct group *g = *state;
	char path[64], text[4096];
	const char *p;
	unsigned found = 0;
	pid_t pid;

	group_create(g);
	pid = group_spawn(g, do_sleep, NULL);
	/* On v1 it joins after the clone. */
	sleep_ms(100);
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	assert_true(cgroup_file_read(AT_FDCWD, path, text, sizeof(text)) > 0);
	for (p = text; (p = strstr(p, g->c.name)) != NULL; p++)
		found++;
	assert_int_equal(found, count_dirs(g->name));
	cgroup_kill(&g->c);
	assert_int_equal(WTERMSIG(group_wait(pid)), SIGKILL);
}

static void
cgroup_limits__forks__refused_at_the_limit_and_counted(void **state)
{
	volatile uint64_t *page = shared_page();
	struct group *g = *state;
	struct cgroup_usage u;
	pid_t pid;

	group_create(g);
	group_need(g, CGROUP_PIDS);
	cgroup_usage(&g->c, &u);
	assert_true(u.known & B(PIDS));
	assert_int_equal(u.pids_refused, 0);
	pid = group_spawn(g, do_fork_until_refused, (void *)page);
	assert_int_equal(group_wait(pid), 0);
	assert_int_equal(page[0], 15); /* it is the sixteenth itself */
	assert_int_equal(page[1], EAGAIN);
	cgroup_usage(&g->c, &u);
	assert_int_equal(u.pids_refused, 1);
	cgroup_kill(&g->c);
	assert_int_equal(cgroup_destroy(&g->c, 2000), 0);
}

static void
cgroup_watch_oom__memory_limit_met__fires_and_is_counted(void **state)
{
	struct group *g = *state;
	uint64_t size = 128 * MIB;
	struct cgroup_usage u;
	struct pollfd p = { .fd = -1 };
	pid_t bystander, pid;

	group_create(g);
	group_need(g, CGROUP_MEMORY);
	p.fd = cgroup_watch_oom(&g->c, &p.events);
	if (g->c.version == CGROUP_V1) {
		assert_true(p.fd >= 0);
		assert_int_equal(p.events, POLLIN);
	} else {
		assert_int_equal(p.fd, -1);
	}
	bystander = group_spawn(g, do_sleep, NULL);
	sleep_ms(50);
	cgroup_usage(&g->c, &u);
	assert_int_equal(u.oom_kills, 0);
	assert_int_equal(poll(&p, 1, 0), 0);

	pid = group_spawn(g, do_touch, &size);
	assert_int_equal(WTERMSIG(group_wait(pid)), SIGKILL);
	if (p.fd >= 0) {
		assert_int_equal(poll(&p, 1, 1000), 1);
		assert_int_equal(waitpid(bystander, NULL, WNOHANG), 0);
		cgroup_kill(&g->c);
		(void)close(p.fd);
	}
	assert_int_equal(WTERMSIG(group_wait(bystander)), SIGKILL);
	cgroup_usage(&g->c, &u);
	assert_true(u.known & B(MEMORY));
	assert_true(u.oom_kills >= 1);
	assert_in_range(u.memory_peak_bytes, 60 * MIB, 64 * MIB);
}

static void
cgroup_watch_oom__below_the_limit__silent(void **state)
{
	struct group *g = *state;
	uint64_t size = 32 * MIB;
	struct cgroup_usage u;
	struct pollfd p = { .fd = -1 };

	group_create(g);
	group_need(g, CGROUP_MEMORY);
	p.fd = cgroup_watch_oom(&g->c, &p.events);
	assert_int_equal(group_wait(group_spawn(g, do_touch, &size)), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	cgroup_usage(&g->c, &u);
	assert_int_equal(u.oom_kills, 0);
	assert_in_range(u.memory_peak_bytes, 32 * MIB, 40 * MIB);
	fd_closep(&p.fd);
}

static void
cgroup_usage__busy_process__its_time(void **state)
{
	struct group *g = *state;
	uint64_t ms = 100, begin_us;
	struct cgroup_usage u;

	group_create(g);
	group_need(g, CGROUP_CPUACCT);
	begin_us = clock_now_us();
	assert_int_equal(group_wait(group_spawn(g, do_spend, &ms)), 0);
	cgroup_usage(&g->c, &u);
	assert_true(u.known & B(CPUACCT));
	/* no more than has passed; its clock and the group's are two */
	assert_in_range(u.cpu_us, 90 * 1000, clock_now_us() - begin_us);
	/* v1 counts these two in ticks. */
	assert_in_range(u.user_us + u.system_us, 1, u.cpu_us + 50 * 1000);
}

static void
cgroup_limits__tenth_of_a_processor__no_more(void **state)
{
	struct group *g = *state;
	uint64_t ms = 1000;
	struct cgroup_usage u;

	g->plan->limits.cpu_milli = 100;
	group_create(g);
	group_need(g, CGROUP_CPU);
	group_need(g, CGROUP_CPUACCT);
	assert_int_equal(group_wait(group_spawn(g, do_spin, &ms)), 0);
	cgroup_usage(&g->c, &u);
	assert_in_range(u.cpu_us, 10 * 1000, 300 * 1000);
}

static void
cgroup_usage__nothing_there__nothing_known(void **state)
{
	struct cgroup_usage u;
	struct cgroup c;

	(void)state;
	cgroup_init(&c);
	memset(&u, 0xff, sizeof(u));
	cgroup_usage(&c, &u);
	assert_int_equal(u.known, 0);
	assert_int_equal(u.cpu_us, 0);
	assert_int_equal(u.oom_kills, 0);
}

static void
cgroup_kill__fork_bomb__all_gone(void **state)
{
	struct group *g = *state;
	pid_t pid;

	g->plan->limits.pids = 64;
	/* of these two limits; a sanitizer's processes are larger */
	g->plan->limits.memory_bytes = (uint64_t)4 << 30;
	group_create(g);
	group_need(g, CGROUP_PIDS);
	pid = group_spawn(g, do_fork_bomb, NULL);
	sleep_ms(200);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	cgroup_kill(&g->c);
	assert_int_equal(WTERMSIG(group_wait(pid)), SIGKILL);
	assert_int_equal(cgroup_destroy(&g->c, 2000), 0);
	assert_int_equal(count_dirs(g->name), 0);
}

/* All of four counters have gone beyond that; or a minute is over. */
static int
counted(const volatile uint64_t *page, uint64_t seen)
{
	int i, n, left = 60 * 1000 / 5;

	for (; left > 0; left--) {
		for (i = n = 0; i < 4; i++)
			n += page[i * 8] > seen;
		if (n == 4)
			return 1;
		sleep_ms(5);
	}
	return 0;
}

static void
cgroup_freeze__running_processes__stop_and_go_on(void **state)
{
	volatile uint64_t *page = shared_page();
	struct group *g = *state;
	struct err e;
	uint64_t seen, most = 0;
	pid_t pid[4];
	unsigned i;

	group_create(g);
	for (i = 0; i < countof(pid); i++)
		pid[i] = group_spawn(g, do_count, (void *)(page + i * 8));
	assert_true(counted(page, 0));
	if (cgroup_freeze(&g->c, 1, &e) == -1) {
		assert_int_equal(e.code, ERR_UNSUPPORTED);
		unit_skip("this host has no cgroup freezer");
	}
	for (i = 0; i < countof(pid); i++) {
		seen = page[i * 8];
		assert_true(seen > 0);
		sleep_ms(20);
		assert_int_equal(page[i * 8], seen);
		most = seen > most ? seen : most;
	}
	assert_int_equal(cgroup_freeze(&g->c, 0, &e), 0);
	assert_true(counted(page, most));

	/* A frozen jail can be killed, and everything is removed. */
	assert_int_equal(cgroup_freeze(&g->c, 1, &e), 0);
	cgroup_kill(&g->c);
	for (i = 0; i < countof(pid); i++)
		assert_int_equal(WTERMSIG(group_wait(pid[i])), SIGKILL);
	assert_int_equal(cgroup_destroy(&g->c, 2000), 0);
	assert_int_equal(count_dirs(g->name), 0);
	assert_int_equal(unit_count_fds(), g->fds);
}

/* The copy is from before the freeze, as a janitor's is. */
static void
cgroup_rescue__frozen_after_the_copy__dies_and_is_removed(void **state)
{
	volatile uint64_t *page = shared_page();
	struct group *g = *state;
	struct cgroup copy;
	struct err e;
	pid_t pid;

	group_create(g);
	copy = g->c;
	pid = group_spawn(g, do_count, (void *)page);
	sleep_ms(50);
	if (cgroup_freeze(&g->c, 1, &e) == -1) {
		assert_int_equal(e.code, ERR_UNSUPPORTED);
		unit_skip("this host has no cgroup freezer");
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	cgroup_rescue(&copy);
	assert_int_equal(WTERMSIG(group_wait(pid)), SIGKILL);
	assert_int_equal(cgroup_destroy(&copy, 2000), 0);
	assert_int_equal(count_dirs(g->name), 0);
	cgroup_init(&g->c);
}

static void
cgroup_destroy__after_the_last_process__nothing_left(void **state)
{
	struct group *g = *state;
	pid_t pid;

	group_create(g);
	assert_true(count_dirs(g->name) > 0);
	pid = group_spawn(g, do_nothing, NULL);
	assert_int_equal(WEXITSTATUS(group_wait(pid)), 7);
	assert_int_equal(cgroup_destroy(&g->c, 100), 0);
	assert_int_equal(count_dirs(g->name), 0);
	assert_int_equal(unit_count_fds(), g->fds);
	/* Again, and on an empty one: nothing to do. */
	assert_int_equal(cgroup_destroy(&g->c, 100), 0);
}

static void
cgroup_destroy__process_inside__waits_then_gives_up(void **state)
{
	struct group *g = *state;
	struct cgroup copy;
	uint64_t before;
	pid_t pid;

	group_create(g);
	pid = group_spawn(g, do_sleep, NULL);
	sleep_ms(50);
	copy = g->c;
	before = clock_now_ms();
	assert_int_equal(cgroup_destroy(&copy, 60), -1);
	assert_in_range(clock_now_ms() - before, 60, 2000);
	/* Its descriptors are closed now; the groups stand. */
	cgroup_init(&g->c);
	assert_true(count_dirs(g->name) > 0);
	assert_int_equal(cgroup_sweep(group_is_others, NULL), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)group_wait(pid);
	sleep_ms(20);
	assert_true(cgroup_sweep(group_is_others, NULL) > 0);
	assert_int_equal(count_dirs(g->name), 0);
}

/* arg: the one name that lives. */
static int
is_live_one(const char *name, void *arg)
{
	return group_is_others(name, NULL) || strcmp(name, arg) == 0;
}

static void
cgroup_sweep__left_live_and_foreign__only_the_left_one(void **state)
{
	struct group *g = *state;
	struct cgroup left;
	struct cgroup_host h;
	char left_name[32], busy_name[32], foreign[48];
	pid_t pid;
	int k;

	group_create(g);
	group_name(left_name, sizeof(left_name));
	group_name(busy_name, sizeof(busy_name));
	assert_int_equal(cgroup_create(&left, left_name, g->plan, NULL), 0);
	assert_int_equal(cgroup_create(&g->other, busy_name, g->plan, NULL), 0);
	pid = group_spawn_in(&g->other, do_sleep, NULL);
	sleep_ms(50);
	cgroup_host_get(&h, 0, 0);
	k = __builtin_ctz(g->c.enforced);
	/* What it would be called without its first letters is dead. */
	(void)snprintf(foreign, sizeof(foreign), "%.*stest-%d-x",
	    (int)sizeof(CGROUP_PREFIX) - 1, "another", getpid());
	assert_int_equal(mkdirat(h.parent[k], foreign, 0755), 0);

	assert_int_equal(cgroup_sweep(is_live_one, g->name),
	    count_dirs(g->name));
	assert_int_equal(count_dirs(left_name), 0);
	assert_true(count_dirs(g->name) > 0);
	assert_int_equal(count_dirs(busy_name), count_dirs(g->name));
	assert_int_equal(unlinkat(h.parent[k], foreign, AT_REMOVEDIR), 0);
	/* What was swept away is no failure to its late owner. */
	assert_int_equal(cgroup_destroy(&left, 0), 0);
	cgroup_kill(&g->other);
	(void)group_wait(pid);
	assert_int_equal(cgroup_destroy(&g->other, 2000), 0);
}

/*
 * Someone closes every descriptor, the cached ones too, and their numbers are
 * used again: no group may be made in the wrong directory.
 */
static void
cgroup_create__cached_descriptors_closed__found_again(void **state)
{
	char dir[] = "/tmp/warder-test-XXXXXX";
	struct group *g = *state;
	struct cgroup_host h;
	int fd, k;

	group_create(g);
	assert_int_equal(cgroup_destroy(&g->c, 0), 0);
	cgroup_host_get(&h, 0, 0);
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (k = 0; k < CGROUP__MAX; k++)
		if (h.owner[k] == k)
			assert_int_equal(dup3(fd, h.parent[k], O_CLOEXEC),
			    h.parent[k]);
	assert_int_equal(cgroup_create(&g->c, g->name, g->plan, NULL), 0);
	assert_true(g->c.version != CGROUP_NONE);
	assert_true(count_dirs(g->name) > 0);
	/* Nothing in the wrong place: it is empty. */
	assert_int_equal(rmdir(dir), 0);
	(void)close(fd);
}

#define group_test(f) \
	cmocka_unit_test_setup_teardown(f, group_setup, group_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    cgroup_text_member__lines_of_proc__hierarchies_and_paths),
		cmocka_unit_test(cgroup_text_member__junk_or_outside__refused),
		cmocka_unit_test(cgroup_text_mount__v1_v2_hybrid__recognised),
		cmocka_unit_test(cgroup_text_mount__junk__refused),
		cmocka_unit_test(cgroup_text_below__roots__rest_or_nothing),
		cmocka_unit_test(cgroup_text_sum__files_of_groups__numbers),
		group_test(cgroup_create__plan__limits_read_back),
		group_test(
		    cgroup_create__tiny_share_of_a_processor__the_least_quota),
		group_test(cgroup_create__bad_names__refused),
		group_test(
		    cgroup_create__name_taken__refused_and_the_other_stays),
		group_test(
		    cgroup_create__limit_refused_by_the_kernel__nothing_left),
		group_test(
		    cgroup_create__no_permission__none_and_why_or_refused),
		group_test(cgroup_create__required_controllers__there),
		group_test(cgroup_describe__real_group__names_what_limits),
		group_test(cgroup_join__child__in_every_group),
		group_test(
		    cgroup_limits__forks__refused_at_the_limit_and_counted),
		group_test(
		    cgroup_watch_oom__memory_limit_met__fires_and_is_counted),
		group_test(cgroup_watch_oom__below_the_limit__silent),
		group_test(cgroup_usage__busy_process__its_time),
		group_test(cgroup_limits__tenth_of_a_processor__no_more),
		group_test(cgroup_usage__nothing_there__nothing_known),
		group_test(cgroup_kill__fork_bomb__all_gone),
		group_test(cgroup_freeze__running_processes__stop_and_go_on),
		group_test(
		    cgroup_rescue__frozen_after_the_copy__dies_and_is_removed),
		group_test(
		    cgroup_destroy__after_the_last_process__nothing_left),
		group_test(cgroup_destroy__process_inside__waits_then_gives_up),
		group_test(
		    cgroup_sweep__left_live_and_foreign__only_the_left_one),
		group_test(
		    cgroup_create__cached_descriptors_closed__found_again),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
