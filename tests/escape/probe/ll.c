/* The third layer, over the mounts and the filter. */
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "probe.h"

/* ---- LL-01: operations outside the writable tree, and their twins ---- */

static char ll_dir[256];

static const char *
ll_name(const char *name)
{
	static char path[2][300];
	static int turn;

	turn = !turn;
	(void)snprintf(path[turn], sizeof(path[0]), "%s/%s", ll_dir, name);
	return path[turn];
}

static long
ll_keep(long fd)
{
	if (fd >= 0)
		(void)close((int)fd);
	return fd;
}

static long
ll_make_reg(void)
{
	return ll_keep(
	    CALL(SYS_open, ll_name(".probe-reg"), O_CREAT | O_WRONLY, 0700));
}

static long
ll_write(void)
{
	return ll_keep(CALL(SYS_open, ll_name(".probe-reg"), O_WRONLY, 0));
}

static long
ll_truncate(void)
{
	return CALL(SYS_truncate, ll_name(".probe-reg"), 0);
}

static long
ll_make_dir(void)
{
	return CALL(SYS_mkdir, ll_name(".probe-dir"), 0700);
}

static long
ll_make_sym(void)
{
	return CALL(SYS_symlink, "x", ll_name(".probe-sym"));
}

static long
ll_make_fifo(void)
{
	return CALL(SYS_mknod, ll_name(".probe-fifo"), S_IFIFO | 0600, 0);
}

static long
ll_make_sock(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.80s/.probe-sock",
	    ll_dir);
	return ll_keep(CALL(SYS_bind, fd, &a, sizeof(a)));
}

static long
ll_refer(void)
{
	return CALL(SYS_rename, ll_name(".probe-reg"),
	    ll_name(".probe-dir/reg"));
}

static long
ll_remove_file(void)
{
	return CALL(SYS_unlink, ll_name(".probe-fifo"));
}

static long
ll_remove_dir(void)
{
	(void)unlink(ll_name(".probe-dir/reg"));
	return CALL(SYS_rmdir, ll_name(".probe-dir"));
}

static const struct {
	const char *name;
	long (*fn)(void);
} ll_operations[] = {
	{ "make_reg", ll_make_reg },
	{ "write", ll_write },
	{ "truncate", ll_truncate },
	{ "make_dir", ll_make_dir },
	{ "make_sym", ll_make_sym },
	{ "make_fifo", ll_make_fifo },
	{ "make_sock", ll_make_sock },
	{ "refer", ll_refer },
	{ "remove_file", ll_remove_file },
	{ "remove_dir", ll_remove_dir },
};

static void
ll_all(const char *dir, const char *label)
{
	char attempt[300];
	size_t i;

	(void)snprintf(ll_dir, sizeof(ll_dir), "%s", dir);
	for (i = 0; i < countof(ll_operations); i++) {
		(void)snprintf(attempt, sizeof(attempt), "%s %s %s", label,
		    ll_operations[i].name, dir);
		probe_result(attempt, ll_operations[i].fn());
	}
	(void)unlink(ll_name(".probe-sym"));
	(void)unlink(ll_name(".probe-sock"));
	(void)unlink(ll_name(".probe-reg"));
}

/* A file without its right of execution cannot be run from /etc. */
static long
ll_execute(void *arg)
{
	(void)execl(arg, arg, NULL);
	return -errno;
}

static void
ll_01(void)
{
	static const char *const outside[] = { "/", "/usr", "/usr/bin", "/etc",
		"/home", "/proc", "/proc/self", "/dev", "/sys", "/dev/pts" };
	size_t i;

	if (probe_outside)
		return;
	for (i = 0; i < countof(outside); i++)
		ll_all(outside[i], "refused");
	ll_all("/workspace", "allowed");
	ll_all("/tmp", "allowed");
	probe_try("refused execute /etc/passwd", ll_execute,
	    (void *)(size_t) "/etc/passwd");
	probe_try("allowed execute", ll_execute,
	    (void *)(size_t) "/usr/bin/true");
}

/* ---- LL-04 ---- */

static long
ll_memfd(void *arg)
{
	static char copy[1 << 21];
	int fd = memfd_create("probe", MFD_CLOEXEC);
	int from = open(probe_self, O_RDONLY | O_CLOEXEC);
	char *argv[] = { probe_self, NULL };
	ssize_t n;

	(void)arg;
	while ((n = read(from, copy, sizeof(copy))) > 0)
		(void)!write(fd, copy, (size_t)n);
	(void)close(2);
	(void)syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH);
	return -errno;
}

static void
ll_04(void)
{
	struct stat st;

	probe_result("stat /usr/bin/env",
	    stat("/usr/bin/env", &st) == 0 ? 0 : -errno);
	if (probe_outside)
		return;
	probe_result("chmod /etc/passwd", CALL(SYS_chmod, "/etc/passwd", 0644));
	probe_result("chown /etc/passwd",
	    CALL(SYS_chown, "/etc/passwd", 1000, 1000));
	probe_result("utimes /etc/passwd",
	    CALL(SYS_utimensat, AT_FDCWD, "/etc/passwd", NULL, 0));
	probe_result("setxattr /etc/passwd",
	    CALL(SYS_setxattr, "/etc/passwd", "user.x", "x", 1, 0));
	probe_try("memfd exec", ll_memfd, NULL);
}

/* ---- LL-05: that a scope is in force shows in the ABI that we may nest -- */

static void
ll_05(void)
{
	probe_got("ABI", "%ld",
	    CALL(SYS_landlock_create_ruleset, NULL, 0,
		LANDLOCK_CREATE_RULESET_VERSION));
}

const struct probe_check probe_ll[] = {
	{ "LL-01", ll_01 },
	{ "LL-04", ll_04 },
	{ "LL-05", ll_05 },
	{ NULL, NULL },
};
