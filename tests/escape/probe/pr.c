/* /proc and /sys: nothing of the host to read, nothing at all to write. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "probe.h"

/* ---- PR-01 ---- */

/* Opened and closed, never written. */
static long
pr_open_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd == -1)
		return -errno;
	(void)close(fd);
	return 0;
}

static const char *const pr_writable[] = {
	"/proc/sys/kernel/core_pattern",
	"/proc/sys/kernel/modprobe",
	"/proc/sys/kernel/hostname",
	"/proc/sys/kernel/ns_last_pid",
	"/proc/sys/fs/file-max",
	"/proc/sys/fs/binfmt_misc/register",
	"/proc/sys/fs/mqueue/msg_max",
	"/proc/sys/vm/drop_caches",
	"/proc/sys/vm/overcommit_memory",
	"/proc/sys/net/ipv4/ip_forward",
	"/proc/sys/net/ipv4/ip_unprivileged_port_start",
	"/proc/sysrq-trigger",
	"/proc/mtrr",
	"/proc/irq/default_smp_affinity",
	"/proc/scsi/scsi",
	"/proc/timer_stats",
	"/sys/kernel/uevent_helper",
	"/sys/fs/cgroup/release_agent",
	"/sys/fs/cgroup/memory/release_agent",
	"/sys/fs/cgroup/memory/notify_on_release",
	"/sys/fs/cgroup/memory/cgroup.procs",
	"/sys/fs/cgroup/cgroup.procs",
	"/sys/fs/cgroup/memory.max",
	"/sys/power/state",
};

struct pr_count {
	long opened, seen;
	char first[PROBE_PATH_MAX];
};

/*
 * Files of the probing process and of threads in it are its own affair, and
 * the ones that another jailed process has are no different.
 */
static int
pr_is_process(const char *path)
{
	return strncmp(path, "/proc/", 6) == 0 &&
	       (isdigit((unsigned char)path[6]) ||
		   strncmp(path + 6, "self", 4) == 0 ||
		   strncmp(path + 6, "thread-self", 11) == 0);
}

static void
pr_sweep_one(const char *path, const struct stat *st, void *arg)
{
	struct pr_count *c = arg;

	if (!S_ISREG(st->st_mode) || pr_is_process(path))
		return;
	c->seen++;
	if (pr_open_write(path) != 0)
		return;
	if (c->opened++ == 0)
		(void)snprintf(c->first, sizeof(c->first), "%s", path);
}

static void
pr_sweep(const char *dir)
{
	struct pr_count c = { 0 };
	char attempt[64];

	(void)probe_walk(dir, 200000, pr_sweep_one, &c);
	(void)snprintf(attempt, sizeof(attempt), "open all of %s", dir);
	probe_got(attempt, c.opened > 0 ? "%ld opened, first %s" : "none",
	    c.opened, c.first);
}

static void
pr_01(void)
{
	size_t i;

	for (i = 0; i < countof(pr_writable); i++)
		probe_result(pr_writable[i], pr_open_write(pr_writable[i]));
	/* the host's own are left alone: opening some of them acts */
	if (!probe_outside) {
		pr_sweep("/proc");
		pr_sweep("/sys");
	}
}

/* ---- PR-02 ---- */

static const char *const pr_telling[] = {
	"/proc/kcore",
	"/proc/keys",
	"/proc/key-users",
	"/proc/kallsyms",
	"/proc/timer_list",
	"/proc/sched_debug",
	"/proc/latency_stats",
	"/proc/interrupts",
	"/proc/modules",
	"/proc/kmsg",
	"/proc/cmdline",
	"/proc/config.gz",
	"/proc/diskstats",
	"/proc/partitions",
	"/proc/slabinfo",
	"/proc/vmallocinfo",
	"/proc/iomem",
	"/proc/ioports",
	"/proc/softirqs",
	"/proc/swaps",
	"/proc/vmcore",
	"/proc/schedstat",
	"/proc/pagetypeinfo",
	"/proc/buddyinfo",
	"/proc/zoneinfo",
	"/proc/vmstat",
	"/proc/locks",
	"/sys/firmware/dmi/tables/DMI",
	"/sys/firmware/acpi/tables/DSDT",
	"/sys/class/dmi/id/product_uuid",
	"/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj",
	"/sys/kernel/debug",
	"/sys/kernel/security",
	"/sys/kernel/tracing",
	"/sys/kernel/vmcoreinfo",
	"/sys/kernel/notes",
	"/sys/kernel/slab",
	"/sys/module",
	"/sys/bus",
	"/sys/block",
	"/sys/class/net",
};

static const char *
pr_read(const char *path)
{
	static char text[1 << 16];
	long n = probe_read(path, text, sizeof(text));

	if (n < 0)
		return probe_errno(n);
	if (n == 0)
		return "empty";
	return text[strspn(text, "0 \n")] == '\0' ? "zeros" : "readable";
}

static long
pr_entries(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	long n = 0;

	if (d == NULL)
		return -errno;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static void
pr_02(void)
{
	struct stat st;
	size_t i;

	for (i = 0; i < countof(pr_telling); i++) {
		const char *path = pr_telling[i];

		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
			long n = pr_entries(path);

			probe_got(path, "%s",
			    n < 0    ? probe_errno(n)
			    : n == 0 ? "empty"
				     : "readable");
		} else {
			probe_got(path, "%s", pr_read(path));
		}
	}
}

/* ---- PR-03 ---- */

static const char *const pr_private[] = { "environ", "maps", "mem", "auxv",
	"stack", "syscall", "io", "smaps", "pagemap", "personality", "wchan",
	"timers", "attr/current" };
static const char *const pr_links[] = { "exe", "root", "cwd" };

static long
pr_list(const char *path)
{
	DIR *d = opendir(path);

	if (d == NULL)
		return -errno;
	(void)closedir(d);
	return 0;
}

static void
pr_03(void)
{
	const char *pid =
	    probe_outside ? probe_setting("PROBE_HOST_PID", "1") : "1";
	char path[64], attempt[64], text[PROBE_PATH_MAX];
	size_t i;

	for (i = 0; i < countof(pr_private); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid,
		    pr_private[i]);
		(void)snprintf(attempt, sizeof(attempt), "read %s",
		    pr_private[i]);
		/* wchan and its like give an empty or constant answer */
		probe_got(attempt, "%s", pr_read(path));
	}
	for (i = 0; i < countof(pr_links); i++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid,
		    pr_links[i]);
		(void)snprintf(attempt, sizeof(attempt), "readlink %s",
		    pr_links[i]);
		n = readlink(path, text, sizeof(text));
		probe_result(attempt, n < 0 ? -errno : 0);
	}
	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	probe_result("list fd", pr_list(path));
	(void)snprintf(path, sizeof(path), "/proc/%s/map_files", pid);
	probe_result("list map_files", pr_list(path));
	(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	(void)probe_read(path, text, sizeof(text));
	probe_got("cmdline", "%s", text);
}

/* Any file of /proc that holds the canary, which the launcher knows. */
static struct {
	char needle[128];
	size_t length;
	long hits, read;
	char first[PROBE_PATH_MAX];
} hunt;

static void
pr_hunt_one(const char *path, const struct stat *st, void *arg)
{
	static char text[1 << 18];
	char target[PROBE_PATH_MAX];
	long n;

	(void)arg;
	if (S_ISLNK(st->st_mode)) {
		n = readlink(path, target, sizeof(target));
		if (n > 0 &&
		    memmem(target, (size_t)n, hunt.needle, hunt.length) !=
			NULL &&
		    hunt.hits++ == 0)
			(void)snprintf(hunt.first, sizeof(hunt.first), "%s",
			    path);
		return;
	}
	/* our own memory holds the needle, by our own doing */
	if (!S_ISREG(st->st_mode) || strstr(path, "/mem") != NULL ||
	    strstr(path, "kmsg") != NULL || strstr(path, "pagemap") != NULL)
		return;
	n = probe_read(path, text, sizeof(text));
	if (n <= 0)
		return;
	hunt.read++;
	if (memmem(text, (size_t)n, hunt.needle, hunt.length) != NULL &&
	    hunt.hits++ == 0)
		(void)snprintf(hunt.first, sizeof(hunt.first), "%s", path);
}

/* The canary comes with its letters reversed, so that we do not find us. */
static void
pr_canary(void)
{
	const char *reversed = probe_setting("PROBE_CANARY_REVERSED", "");
	static const char *const places[] = { "/proc", "/sys", "/etc", "/tmp",
		"/workspace", "/home", "/dev" };
	size_t n = strlen(reversed), i;

	if (n == 0 || n >= sizeof(hunt.needle))
		return;
	for (i = 0; i < n; i++)
		hunt.needle[i] = reversed[n - 1 - i];
	hunt.length = n;
	/* outside, all the host's processes come before it */
	for (i = 0; i < (probe_outside ? 1 : countof(places)); i++)
		(void)probe_walk(places[i], probe_outside ? 4000000 : 400000,
		    pr_hunt_one, NULL);
	probe_got("files with the launcher's canary",
	    hunt.hits > 0 ? "%ld of %ld, first %s" : "none", hunt.hits,
	    hunt.read, hunt.first);
	probe_got("files searched", hunt.read > 100 ? "many" : "%ld",
	    hunt.read);
}

static void
pr_03_all(void)
{
	pr_03();
	pr_canary();
}

/* ---- PR-04 ---- */

static const char *const pr_programs[] = { "/proc/self/exe", "/proc/1/exe",
	"/usr/bin/env", "/usr/bin/dash", "/usr/lib/os-release",
	"/lib64/ld-linux-x86-64.so.2", "/etc/ld.so.cache" };

static void
pr_04(void)
{
	struct pr_count c = { 0 };
	char path[64];
	int fd;
	size_t i;

	for (i = 0; i < countof(pr_programs); i++)
		probe_result(pr_programs[i], pr_open_write(pr_programs[i]));
	/* by descriptor, past the path's own permission */
	fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	probe_result("reopen O_PATH of self", pr_open_write(path));
	fd = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	probe_result("reopen O_RDONLY of env", pr_open_write(path));
	if (probe_outside)
		return;
	(void)probe_walk("/usr", 20000, pr_sweep_one, &c);
	probe_got("open all of /usr",
	    c.opened > 0 ? "%ld opened, first %s" : "none", c.opened, c.first);
}

/* ---- PR-05 ---- */

/* Write a byte through /proc/self/mem; how the file answers afterwards. */
static const char *
pr_through_mem(const char *path, int prot, int flags, int open_flags)
{
	int fd = open(path, open_flags | O_CLOEXEC);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char before = 0, after = 0;
	const char *r = "unchanged";
	char *p;

	if (fd == -1 || mem == -1)
		return probe_errno(-errno);
	p = mmap(NULL, 4096, prot, flags, fd, 0);
	if (p == MAP_FAILED)
		return probe_errno(-errno);
	(void)!pread(fd, &before, 1, 0);
	if (pwrite(mem, before == 'A' ? "B" : "A", 1, (off_t)(size_t)p) != 1)
		r = "refused";
	(void)!pread(fd, &after, 1, 0);
	if (before != after)
		r = "changed";
	(void)munmap(p, 4096);
	(void)close(fd);
	(void)close(mem);
	return r;
}

static void
pr_05(void)
{
	static const char own[] = "/tmp/.probe-pr05";
	const char *target = probe_setting("PROBE_FILE", "/usr/bin/env");
	char path[64];
	int fd = open(own, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);

	(void)!write(fd, "0123", 4);
	(void)close(fd);
	/* the attempt can succeed where writing is allowed: its control */
	probe_got("own file, shared", "%s",
	    pr_through_mem(own, PROT_READ | PROT_WRITE, MAP_SHARED, O_RDWR));
	(void)unlink(own);
	probe_got("host file, private", "%s",
	    pr_through_mem(target, PROT_READ, MAP_PRIVATE, O_RDONLY));
	probe_got("host file, shared", "%s",
	    pr_through_mem(target, PROT_READ, MAP_SHARED, O_RDONLY));
	probe_result("open /proc/1/mem", pr_open_write("/proc/1/mem"));
	(void)snprintf(path, sizeof(path), "/proc/%s/mem",
	    probe_setting("PROBE_HOST_PID", "1"));
	probe_result("open a host process's mem", pr_open_write(path));
}

/* ---- PR-06 ---- */

static const char *const pr_prints[] = { "/proc/sys/kernel/random/boot_id",
	"/etc/machine-id", "/etc/hostname", "/proc/sys/kernel/hostname",
	"/proc/self/cgroup", "/proc/meminfo", "/proc/cpuinfo", "/proc/uptime",
	"/proc/stat", "/proc/loadavg", "/proc/net/dev", "/proc/net/arp",
	"/proc/net/route", "/proc/self/mountinfo", "/proc/version",
	"/proc/sys/kernel/osrelease", "/etc/resolv.conf", "/etc/hosts",
	"/sys/class/dmi/id/product_name", "/sys/class/net/eth0/address",
	"/proc/self/mountstats", "/proc/devices", "/proc/filesystems",
	"/proc/fs/ext4", "/proc/sys/kernel/pid_max", "/proc/cgroups",
	"/proc/self/oom_score_adj", "/proc/sys/kernel/ns_last_pid",
	"/proc/self/sessionid", "/proc/self/loginuid" };

static void
pr_06(void)
{
	char text[PROBE_TEXT_MAX], *p;
	struct utsname u;
	struct timespec t;
	size_t i;

	for (i = 0; i < countof(pr_prints); i++) {
		long n = probe_read(pr_prints[i], text, sizeof(text));

		for (p = text; *p != '\0'; p++)
			*p = *p == '\n' ? ';' : *p;
		if (n < 0)
			probe_result(pr_prints[i], n);
		else
			probe_got(pr_prints[i], "%s", text);
	}
	if (uname(&u) == 0)
		probe_got("uname nodename", "%s %s", u.nodename, u.domainname);
	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	probe_got("boottime", "%ld", (long)t.tv_sec);
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	probe_got("monotonic", "%ld", (long)t.tv_sec);
}

/* ---- PR-07 ---- */

static long
pr_attach(void *arg)
{
	return CALL(SYS_ptrace, PTRACE_ATTACH, *(pid_t *)arg, NULL, NULL);
}

static long
pr_seize(void *arg)
{
	return CALL(SYS_ptrace, PTRACE_SEIZE, *(pid_t *)arg, NULL, NULL);
}

/* Anybody may open these; what counts is the write. */
static long
pr_write(pid_t pid, const char *file, const char *text)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return probe_write(path, text);
}

static void
pr_07(void)
{
	static const char *const files[] = { "mem", "maps", "environ",
		"clear_refs", "comm", "oom_score_adj", "coredump_filter",
		"uid_map", "gid_map", "setgroups", "autogroup", "sched",
		"projid_map", "task/1/comm", "task/1/mem", "limits",
		"timens_offsets" };
	pid_t pid = 1;
	char path[64], attempt[64];
	size_t i;

	if (probe_outside)
		pid = (pid_t)strtol(probe_setting("PROBE_HOST_PID", "1"), NULL,
		    10);
	for (i = 0; i < countof(files); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid,
		    files[i]);
		(void)snprintf(attempt, sizeof(attempt), "open for writing %s",
		    files[i]);
		probe_result(attempt, pr_open_write(path));
	}
	probe_result("write timerslack_ns",
	    pr_write(pid, "timerslack_ns", "50000"));
	probe_result("write attr/current", pr_write(pid, "attr/current", "x"));
	probe_try("ptrace attach", pr_attach, &pid);
	probe_try("ptrace seize", pr_seize, &pid);
}

const struct probe_check probe_pr[] = {
	{ "PR-01", pr_01 },
	{ "PR-02", pr_02 },
	{ "PR-03", pr_03_all },
	{ "PR-04", pr_04 },
	{ "PR-05", pr_05 },
	{ "PR-06", pr_06 },
	{ "PR-07", pr_07 },
	{ NULL, NULL },
};
