/* Using up whatever there is. */
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include "probe.h"

/* ---- RX-01 ---- */

static void *
rx_sleeper(void *arg)
{
	(void)sleep(30);
	return arg;
}

static void
rx_01(void)
{
	pthread_attr_t small;
	pthread_t t;
	long n = 0, r = 0;
	pid_t pid;

	if (probe_outside)
		return;
	while (n < 100000 && (pid = fork()) >= 0) {
		if (pid == 0) {
			(void)sleep(30);
			_exit(0);
		}
		n++;
	}
	probe_result("fork ends with", -errno);
	probe_got("processes", "%ld", n);
	(void)pthread_attr_init(&small);
	(void)pthread_attr_setstacksize(&small, 65536);
	probe_result("then a thread",
	    -pthread_create(&t, &small, rx_sleeper, NULL));
	/* all but us and init: pid 1 takes no signal from here */
	(void)signal(SIGTERM, SIG_IGN);
	(void)kill(-1, SIGKILL);
	while (wait(NULL) > 0)
		continue;
	for (n = 0; n < 100000 && r == 0; n++)
		r = pthread_create(&t, &small, rx_sleeper, NULL);
	probe_result("threads end with", -r);
	probe_got("threads", "%ld", n);
	_exit(0);
}

/* ---- RX-02: one kind of memory a run, in PROBE_KIND ---- */

enum {
	RX_STEP = 1 << 20,
	RX_MEMORY_MIB = 2048
};

static long
rx_fill_fd(int fd)
{
	static char block[RX_STEP];
	long n = 0;

	memset(block, 'x', sizeof(block));
	while (n < RX_MEMORY_MIB && write(fd, block, RX_STEP) == RX_STEP)
		n++;
	return n;
}

static long
rx_anonymous(void)
{
	long n;

	for (n = 0; n < RX_MEMORY_MIB; n++) {
		char *p = mmap(NULL, RX_STEP, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			break;
		memset(p, 'x', RX_STEP);
	}
	return n;
}

static long
rx_memfd(void)
{
	return rx_fill_fd(memfd_create("probe", 0));
}

static long
rx_tmpfs(void)
{
	return rx_fill_fd(open("/workspace/fill", O_CREAT | O_WRONLY, 0600));
}

static long
rx_shm(void)
{
	return rx_fill_fd(open("/dev/shm/fill", O_CREAT | O_WRONLY, 0600)) +
	       rx_fill_fd(open("/home/agent/fill", O_CREAT | O_WRONLY, 0600)) +
	       rx_fill_fd(open("/tmp/fill", O_CREAT | O_WRONLY, 0600));
}

/* A page touched in each 2 MiB: as much again in page tables. */
static long
rx_page_tables(void)
{
	size_t span = 1UL << 40, at;
	char *p = mmap(NULL, span, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	long n = 0;

	if (p == MAP_FAILED)
		return 0;
	(void)madvise(p, span, MADV_NOHUGEPAGE);
	for (at = 0; at < span; at += 1UL << 21, n++)
		(void)*(volatile char *)(p + at);
	return n * 4096 / RX_STEP;
}

static long
rx_pipes(void)
{
	static char block[65536];
	long n = 0;
	int fd[2];

	while (pipe2(fd, O_NONBLOCK) == 0) {
		(void)fcntl(fd[1], F_SETPIPE_SZ, RX_STEP);
		while (write(fd[1], block, sizeof(block)) > 0)
			n += (long)sizeof(block);
	}
	return n / RX_STEP;
}

static long
rx_sockets(void)
{
	static char block[65536];
	long n = 0;
	int fd[2], big = 64 << 20;

	while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0) {
		(void)setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &big,
		    sizeof(big));
		while (send(fd[0], block, sizeof(block), MSG_NOSIGNAL) > 0)
			n += (long)sizeof(block);
	}
	return n / RX_STEP;
}

static const struct {
	const char *name;
	long (*fn)(void);
} rx_kinds[] = {
	{ "anonymous", rx_anonymous },
	{ "memfd", rx_memfd },
	{ "tmpfs", rx_tmpfs },
	{ "shm", rx_shm },
	{ "page-tables", rx_page_tables },
	{ "pipes", rx_pipes },
	{ "sockets", rx_sockets },
};

static void
rx_02(void)
{
	const char *kind = probe_setting("PROBE_KIND", "");
	size_t i;

	for (i = 0; i < countof(rx_kinds); i++) {
		if (strcmp(kind, rx_kinds[i].name) == 0)
			probe_got("MiB taken", "%ld", rx_kinds[i].fn());
	}
}

/* ---- RX-03, RX-04 ---- */

static void
rx_03(void)
{
	static const char *const places[] = { "/workspace", "/tmp",
		"/home/agent", "/dev/shm", "/", "/etc", "/dev", "/sys" };
	char path[64], attempt[64];
	size_t i;

	if (probe_outside)
		return;
	for (i = 0; i < countof(places); i++) {
		long n = 0;
		int fd;

		(void)snprintf(path, sizeof(path), "%s/fill", places[i]);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		(void)snprintf(attempt, sizeof(attempt), "write %s", places[i]);
		if (fd == -1) {
			probe_result(attempt, -errno);
			continue;
		}
		errno = 0;
		n = rx_fill_fd(fd);
		probe_result(attempt, -errno);
		(void)snprintf(attempt, sizeof(attempt), "MiB in %s",
		    places[i]);
		probe_got(attempt, "%ld", n);
		(void)ftruncate(fd, 0);
		(void)snprintf(attempt, sizeof(attempt), "fallocate %s",
		    places[i]);
		probe_result(attempt,
		    CALL(SYS_fallocate, fd, 0, 0L, 64L << 30));
		(void)close(fd);
		(void)unlink(path);
	}
}

static void
rx_04(void)
{
	static const char *const places[] = { "/workspace", "/tmp",
		"/home/agent", "/dev/shm" };
	char path[64], attempt[64];
	size_t i;
	long n, r;

	if (probe_outside)
		return;
	for (i = 0; i < countof(places); i++) {
		if (chdir(places[i]) == -1)
			continue;
		for (n = 0, r = 0; n < 1000000 && r >= 0; n++) {
			(void)snprintf(path, sizeof(path), "i%ld", n);
			r = CALL(SYS_mknod, path, S_IFREG | 0600, 0);
		}
		(void)snprintf(attempt, sizeof(attempt), "inodes in %s",
		    places[i]);
		probe_got(attempt, "%s after %s", probe_errno(r),
		    n <= 100001 ? "at most 100000" : "more than 100000");
		for (; n > 0; n--) {
			(void)snprintf(path, sizeof(path), "i%ld", n - 1);
			(void)unlink(path);
		}
	}
}

/* ---- RX-05 ---- */

static int
rx_inotify(void)
{
	return inotify_init1(IN_CLOEXEC);
}

static int
rx_epoll(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static int
rx_timerfd(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
}

static int
rx_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

static int
rx_null(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int
rx_timer(void)
{
	timer_t t;

	return timer_create(CLOCK_MONOTONIC, NULL, &t);
}

static int
rx_queue(void)
{
	static int n;
	char name[32];

	(void)snprintf(name, sizeof(name), "q%d-%d", getpid(), n++);
	return (int)syscall(SYS_mq_open, name, O_CREAT | O_RDWR, 0600, NULL);
}

static const struct {
	const char *name;
	int (*fn)(void);
} rx_things[] = {
	{ "descriptors", rx_null },
	{ "inotify", rx_inotify },
	{ "epoll", rx_epoll },
	{ "timerfd", rx_timerfd },
	{ "eventfd", rx_eventfd },
	{ "timers", rx_timer },
	{ "queues", rx_queue },
};

static long
rx_exhaust(void *arg)
{
	int (*fn)(void) = rx_things[*(size_t *)arg].fn;
	long n;

	for (n = 0; n < 200000; n++) {
		if (fn() == -1)
			return -errno;
	}
	return n;
}

static void
rx_05(void)
{
	size_t i;

	if (probe_outside)
		return;
	for (i = 0; i < countof(rx_things); i++)
		probe_try(rx_things[i].name, rx_exhaust, &i);
}

/* ---- RX-06 ---- */

static long
rx_scheduler(void *arg)
{
	struct sched_param p = { .sched_priority = 1 };

	return CALL(SYS_sched_setscheduler, 0, *(int *)arg, &p);
}

static long
rx_deadline(void *arg)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} a = { .size = 48,
		.policy = 6,
		.runtime = 10000000,
		.deadline = 30000000,
		.period = 30000000 };

	(void)arg;
	return CALL(SYS_sched_setattr, 0, &a, 0);
}

static long
rx_nice(void *arg)
{
	(void)arg;
	return CALL(SYS_setpriority, PRIO_PROCESS, 0, -20);
}

static long
rx_ioprio(void *arg)
{
	(void)arg;
	return CALL(SYS_ioprio_set, 1, 0, 1 << 13 | 4);
}

static long
rx_mlock(void *arg)
{
	(void)arg;
	return CALL(SYS_mlock,
	    mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	    16 << 20);
}

static void
rx_06(void)
{
	int fifo = SCHED_FIFO, rr = SCHED_RR;

	probe_try("SCHED_FIFO", rx_scheduler, &fifo);
	probe_try("SCHED_RR", rx_scheduler, &rr);
	probe_try("SCHED_DEADLINE", rx_deadline, NULL);
	probe_try("nice -20", rx_nice, NULL);
	probe_try("ioprio RT", rx_ioprio, NULL);
	probe_try("mlock 16 MiB", rx_mlock, NULL);
}

/* ---- RX-09 ---- */

static long
rx_exec(void *arg)
{
	static char *argv[100003];
	size_t length = ((size_t *)arg)[0], count = ((size_t *)arg)[1], i;
	char *big = malloc(length + 1);

	memset(big, 'a', length);
	big[length] = '\0';
	argv[0] = (char *)(size_t) "true";
	for (i = 1; i <= count; i++)
		argv[i] = big;
	argv[i] = NULL;
	(void)execv("/usr/bin/true", argv);
	return -errno;
}

static void
rx_09(void)
{
	size_t six_mb[2] = { 65536, 96 }, one[2] = { 128 * 1024 + 1, 1 },
	       many[2] = { 64, 100000 }, small[2] = { 1024, 8 };

	probe_try("execve 6 MB", rx_exec, six_mb);
	probe_try("execve one of 128 KiB + 1", rx_exec, one);
	probe_try("execve 100000", rx_exec, many);
	probe_try("execve 8 KiB", rx_exec, small);
}

/* ---- RX-12 ---- */

static long
rx_core(void *arg)
{
	rlim_t v = *(rlim_t *)arg;
	struct rlimit l = { v, v };

	return CALL(SYS_setrlimit, RLIMIT_CORE, &l);
}

static long
rx_core_soft(void *arg)
{
	struct rlimit l = { *(rlim_t *)arg, 1 };

	return CALL(SYS_prlimit64, 0, RLIMIT_CORE, &l, NULL);
}

/* The half of the resource's number that the kernel ignores. */
static long
rx_core_high(void *arg)
{
	struct rlimit l = { *(rlim_t *)arg, 1 };

	return CALL(SYS_prlimit64, 0, RLIMIT_CORE | 1L << 32, &l, NULL);
}

static long
rx_crash(void *arg)
{
	(void)arg;
	(void)!chdir("/tmp");
	abort();
}

static void
rx_12(void)
{
	rlim_t zero = 0, two = 2;
	struct rlimit l;

	probe_try("setrlimit 0", rx_core, &zero);
	probe_try("setrlimit 2", rx_core, &two);
	probe_try("prlimit 0", rx_core_soft, &zero);
	probe_try("prlimit 0, bit 32 set", rx_core_high, &zero);
	(void)getrlimit(RLIMIT_CORE, &l);
	probe_got("RLIMIT_CORE", "%ld %ld", (long)l.rlim_cur, (long)l.rlim_max);
	if (probe_outside)
		return;
	probe_try("crash", rx_crash, NULL);
	probe_result("core file", access("/tmp/core", F_OK) == 0 ? 0 : -errno);
}

const struct probe_check probe_rx[] = {
	{ "RX-02", rx_02 },
	{ "RX-03", rx_03 },
	{ "RX-04", rx_04 },
	{ "RX-05", rx_05 },
	{ "RX-06", rx_06 },
	{ "RX-09", rx_09 },
	{ "RX-12", rx_12 },
	{ "RX-01", rx_01 },
	{ NULL, NULL },
};
