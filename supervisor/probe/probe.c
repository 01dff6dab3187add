/*
 * warder-probe: tries to get out of a jail, and says how each attempt ended.
 *
 * "warder doctor" runs it twice: in a throw-away jail, and outside as the
 * control that the same attempt succeeds where nothing stops it.  It judges
 * nothing: one line "NAME WORD" for each row, WORD being "ok", the name of an
 * error, or a fact.  Attempts that could do harm get bad pointers and bad
 * descriptors; outside, what would write to the host has a harmless twin.
 * Each attempt runs in a child, since a filter may kill who tries.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"
#include "doctor_probe.h"

enum {
	PROBE_ALARM_S = 5, /* one attempt */
	PROBE_TOTAL_S = 60,
	PROBE_WORD = 512,
	PROBE_NAMES = 64, /* entries of a directory that are listed */
	PROBE_LAYERS = 64, /* more Landlock layers than any kernel has */
	PROBE_STATUS = 4096,
};

/* Faults whoever follows it; never mapped on any Linux. */
#define BAD ((void *)-4096L)

static int outside;
static char **values; /* by enum doctor_probe_argument */

static long
probe_number(enum doctor_probe_argument a)
{
	return strtol(values[a], NULL, 10);
}

/* The raw call: 0 or more, or -errno. */
#define CALL(...) probe_result(syscall(__VA_ARGS__))

static long
probe_result(long r)
{
	return r == -1 ? -errno : r;
}

/* ---- files of other processes, and of the host ---- */

static long
probe_open(const char *path, int flags)
{
	long r = CALL(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);

	if (r >= 0)
		(void)close((int)r);
	return r;
}

static long
try_host_file(void)
{
	return probe_open(values[PROBE_ARG_FILE], O_RDONLY);
}

static long
try_root_of_1(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%ld/root",
	    probe_number(PROBE_ARG_VICTIM));
	return probe_open(path, O_PATH | O_DIRECTORY);
}

static long
try_sysrq(void)
{
	return probe_open(outside ? "/proc/self/comm" : "/proc/sysrq-trigger",
	    O_WRONLY);
}

static long
try_core_pattern(void)
{
	return probe_open(outside ? "/proc/self/comm"
				  : "/proc/sys/kernel/core_pattern",
	    O_WRONLY);
}

static long
try_write_usr(void)
{
	char path[128];
	long r;

	(void)snprintf(path, sizeof(path), "%s/.warder-probe-%s",
	    outside ? "/tmp" : "/usr", values[PROBE_ARG_NONCE]);
	r = probe_open(path, O_WRONLY | O_CREAT | O_EXCL);
	if (r >= 0)
		(void)unlink(path);
	return r;
}

static long
try_setuid_bit(void)
{
	int fd = memfd_create("warder-probe", MFD_CLOEXEC);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		return -errno;
	return CALL(SYS_fchmod, fd, (st.st_mode & 0777) | S_ISUID);
}

/* ---- processes ---- */

static long
try_ptrace(void)
{
	return CALL(SYS_ptrace, PTRACE_ATTACH, -1, 0, 0);
}

/* Inside also to everybody; this program ignores the signal. */
static long
try_signal(void)
{
	int signo = outside ? PROBE_SIGNAL_OUTSIDE : PROBE_SIGNAL_INSIDE;

	if (!outside)
		(void)kill(-1, signo);
	return CALL(SYS_kill, probe_number(PROBE_ARG_WITNESS), signo);
}

static long
try_core_limit(void)
{
	struct rlimit none = { 0, 0 };

	return CALL(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
}

/* ---- namespaces and mounts ---- */

/* Outside: all capabilities, over namespaces of this child's alone. */
static long
probe_alone(void)
{
	return outside ? CALL(SYS_unshare,
			     CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET)
		       : 0;
}

static long
try_mount(void)
{
	return CALL(SYS_mount, BAD, BAD, BAD, 0, NULL);
}

static long
try_mount_api(void)
{
	long r = probe_alone();

	return r < 0 ? r : CALL(SYS_fsopen, BAD, 0);
}

static long
try_unshare(void)
{
	return CALL(SYS_unshare, CLONE_NEWUSER);
}

static long
try_clone(void)
{
	long r = CALL(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (r == 0)
		_exit(0);
	return r;
}

static long
try_setns(void)
{
	return CALL(SYS_setns, -1, 0);
}

/* ---- calls ---- */

static long
try_clone3(void)
{
	return CALL(SYS_clone3, BAD, 1);
}

static long
try_openat2(void)
{
	return CALL(SYS_openat2, -1, BAD, BAD, 1);
}

static long
try_io_uring(void)
{
	return CALL(SYS_io_uring_setup, 1, BAD);
}

static long
try_keyctl(void)
{
	return CALL(SYS_keyctl, -1, 0, 0, 0, 0);
}

/* The kernel looks at 32 bits of the request; a filter may not. */
static long
try_tiocsti(void)
{
	return CALL(SYS_ioctl, 1, 0x100005412L, BAD);
}

/* ---- sockets ---- */

static long
probe_socket(int family, int type, int protocol)
{
	long r = probe_alone();

	return r < 0 ? r : CALL(SYS_socket, family, type, protocol);
}

static long
try_packet_socket(void)
{
	return probe_socket(AF_PACKET, SOCK_RAW, 0);
}

static long
try_raw_socket(void)
{
	return probe_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static long
try_vsock(void)
{
	return CALL(SYS_socket, 40 /* AF_VSOCK */, SOCK_STREAM, 0);
}

static long
probe_connect(int family, const void *address, socklen_t size)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -errno;
	return probe_result(connect(fd, address, size));
}

static long
try_abstract_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "%s",
	    values[PROBE_ARG_NONCE]);

	return probe_connect(AF_UNIX, &a,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n));
}

static long
try_tcp_loopback(void)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)probe_number(PROBE_ARG_PORT)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return probe_connect(AF_INET, &a, sizeof(a));
}

/* ---- facts: a word of text ---- */

static int
probe_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted, with commas; but for one number. */
static void
probe_list(const char *path, char *ret, size_t size, int all)
{
	char *names[PROBE_NAMES];
	struct dirent *d;
	DIR *p = opendir(path);
	size_t n = 0, i, used = 0;

	if (p == NULL) {
		(void)snprintf(ret, size, "%s", strerror(errno));
		return;
	}
	while ((d = readdir(p)) != NULL && n < PROBE_NAMES) {
		if (d->d_name[0] != '.' &&
		    (all || strtol(d->d_name, NULL, 10) != dirfd(p)))
			names[n++] = strdup(d->d_name);
	}
	(void)closedir(p);
	qsort(names, n, sizeof(*names), probe_compare);
	ret[0] = '\0';
	for (i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s",
		    i > 0 ? "," : "", names[i]);
}

static void
tell_descriptors(char *ret, size_t size)
{
	probe_list("/proc/self/fd", ret, size, 0);
}

static void
tell_dev(char *ret, size_t size)
{
	probe_list("/dev", ret, size, 1);
}

/* What /proc/self/status says after key. */
static void
probe_status(const char *key, char *ret, size_t size)
{
	char text[PROBE_STATUS];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	const char *p;

	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	p = strstr(text, key);
	(void)snprintf(ret, size, "%.*s",
	    p != NULL ? (int)strcspn(p + strlen(key), "\n") : 1,
	    p != NULL ? p + strlen(key) : "?");
}

/* All five sets, one over the other. */
static void
tell_capabilities(char *ret, size_t size)
{
	static const char *const keys[] = { "CapInh:\t", "CapPrm:\t",
		"CapEff:\t", "CapBnd:\t", "CapAmb:\t" };
	char word[64];
	uint64_t all = 0;
	size_t i;

	(void)probe_alone();
	for (i = 0; i < countof(keys); i++) {
		probe_status(keys[i], word, sizeof(word));
		all |= strtoull(word, NULL, 16);
	}
	(void)snprintf(ret, size, "%llx", (unsigned long long)all);
}

static void
tell_no_new_privs(char *ret, size_t size)
{
	probe_status("NoNewPrivs:\t", ret, size);
}

static void
tell_seccomp(char *ret, size_t size)
{
	probe_status("Seccomp:\t", ret, size);
}

static void
tell_filters(char *ret, size_t size)
{
	probe_status("Seccomp_filters:\t", ret, size);
}

static void
tell_landlock_abi(char *ret, size_t size)
{
	(void)snprintf(ret, size, "%ld",
	    CALL(SYS_landlock_create_ruleset, NULL, 0,
		LANDLOCK_CREATE_RULESET_VERSION));
}

/*
 * A process may have so many layers of Landlock; how many can be added tells
 * how many it has.
 */
static void
tell_landlock_layers(char *ret, size_t size)
{
	struct landlock_ruleset_attr a = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_BLOCK,
	};
	long fd = CALL(SYS_landlock_create_ruleset, &a,
	    sizeof(a.handled_access_fs), 0);
	int n = 0;

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	while (fd >= 0 && n < PROBE_LAYERS &&
	       CALL(SYS_landlock_restrict_self, fd, 0) == 0)
		n++;
	(void)snprintf(ret, size, "%d", n);
}

static void
tell_ids(char *ret, size_t size)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;

	if (getresuid(&r, &e, &s) == -1 || getresgid(&gr, &ge, &gs) == -1)
		return;
	(void)snprintf(ret, size, "%u,%u,%u,%u,%u,%u", r, e, s, gr, ge, gs);
}

static void
tell_groups(char *ret, size_t size)
{
	(void)snprintf(ret, size, "%d", getgroups(0, NULL));
}

/* "kind:[number]" of each, with commas. */
static void
tell_namespaces(char *ret, size_t size)
{
	static const char *const kinds[] = { DOCTOR_NAMESPACES };
	char path[64], link[64];
	size_t i, used = 0;

	for (i = 0; i < countof(kinds) && used < size; i++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s",
		    kinds[i]);
		n = readlink(path, link, sizeof(link));
		used += (size_t)snprintf(ret + used, size - used, "%s%.*s",
		    i > 0 ? "," : "", n > 0 ? (int)n : 0, link);
	}
}

static void
tell_core_size(char *ret, size_t size)
{
	struct rlimit l = { 0, 0 };

	(void)getrlimit(RLIMIT_CORE, &l);
	(void)snprintf(ret, size, "%lld,%lld", (long long)l.rlim_cur,
	    (long long)l.rlim_max);
}

static void
tell_interfaces(char *ret, size_t size)
{
	char line[512];
	FILE *f = fopen("/proc/self/net/dev", "re");
	size_t used = 0;

	ret[0] = '\0';
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *colon = strchr(line, ':');
		const char *name = line + strspn(line, " ");

		if (colon == NULL || used >= size)
			continue;
		*colon = '\0';
		used += (size_t)snprintf(ret + used, size - used, "%s%s",
		    used > 0 ? "," : "", name);
	}
}

/* What can be written: an image has blocks of its own beside those. */
static void
tell_workspace(char *ret, size_t size)
{
	struct statvfs v;

	if (statvfs(outside ? "/" : "/workspace", &v) == 0)
		(void)snprintf(ret, size, "%llu",
		    (unsigned long long)v.f_bavail * v.f_frsize);
}

/* ---- the tables ---- */

static const struct {
	const char *name;
	long (*try)(void); /* an attempt, or else */
	void (*tell)(char *ret, size_t size); /* a fact */
} probe_rows[] = {

#define X(n) { #n, try_##n, NULL },
	DOCTOR_PROBE_ATTEMPTS(X)
#undef X
#define X(n) { #n, NULL, tell_##n },
	    DOCTOR_PROBE_FACTS(X)
#undef X
};

/* clang-format off */
#define ERRORS(X) \
	X(EPERM) X(ENOENT) X(ESRCH) X(EBADF) X(ECHILD) X(EAGAIN) X(ENOMEM) \
	X(EACCES) X(EFAULT) X(EBUSY) X(EEXIST) X(ENODEV) X(ENOTDIR) \
	X(EISDIR) X(EINVAL) X(EMFILE) X(ENOTTY) X(ENOSPC) X(EROFS) \
	X(ENOSYS) X(EUSERS) X(EPROTONOSUPPORT) X(ESOCKTNOSUPPORT) \
	X(EOPNOTSUPP) X(EAFNOSUPPORT) X(EADDRNOTAVAIL) X(ENETUNREACH) \
	X(ECONNREFUSED) X(EHOSTUNREACH) X(ENXIO)

/* clang-format on */

static void
probe_error(long rc, char *ret, size_t size)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {

#define X(e) { e, #e },
		ERRORS(X)
#undef X
	};
	size_t i;

	(void)snprintf(ret, size, rc >= 0 ? "ok" : "errno:%ld", -rc);
	for (i = 0; i < countof(names); i++) {
		if (rc == -names[i].number)
			(void)snprintf(ret, size, "%s", names[i].name);
	}
}

/* In a child of its own, whose answer comes through shared memory. */
static void
probe_row(size_t i, char *word)
{
	int status = 0;
	pid_t pid;

	word[0] = '\0';
	pid = fork();
	if (pid == 0) {
		(void)alarm(PROBE_ALARM_S);
		if (probe_rows[i].tell != NULL)
			probe_rows[i].tell(word, PROBE_WORD);
		else
			probe_error(probe_rows[i].try(), word, PROBE_WORD);
		_exit(0);
	}
	if (pid == -1)
		(void)snprintf(word, PROBE_WORD, "fork:%d", errno);
	while (pid > 0 && waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		(void)snprintf(word, PROBE_WORD, "signal:%d", WTERMSIG(status));
	(void)printf("%s %s\n", probe_rows[i].name,
	    word[0] != '\0' ? word : "?");
	(void)fflush(stdout);
}

int
main(int argc, char **argv)
{
	char *word = mmap(NULL, PROBE_WORD, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (argc != PROBE_ARG__MAX || word == MAP_FAILED) {
		(void)fprintf(stderr, "warder-probe: part of warder doctor\n");
		return 2;
	}
	values = argv;
	outside = strcmp(argv[PROBE_ARG_MODE], "outside") == 0;
	(void)alarm(PROBE_TOTAL_S);
	(void)signal(PROBE_SIGNAL_INSIDE, SIG_IGN);
	for (i = 0; i < countof(probe_rows); i++)
		probe_row(i, word);
	(void)printf("end 1\n");
	return 0;
}
