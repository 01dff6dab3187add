/* Devices: the declared ones and no others. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "probe.h"

static void
dv_one(const char *path, const struct stat *st, void *arg)
{
	char attempt[512];

	(void)arg;
	(void)snprintf(attempt, sizeof(attempt), "node %s", path);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		probe_got(attempt, "%c %u:%u", S_ISCHR(st->st_mode) ? 'c' : 'b',
		    major(st->st_rdev), minor(st->st_rdev));
	else
		probe_got(attempt, "%s",
		    S_ISDIR(st->st_mode)   ? "directory"
		    : S_ISLNK(st->st_mode) ? "link"
					   : "file");
}

static long dv_devices;

static void
dv_elsewhere(const char *path, const struct stat *st, void *arg)
{
	(void)arg;
	if ((S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) &&
	    strncmp(path, "/dev/", 5) != 0)
		dv_devices++;
}

static void
dv_01(void)
{
	static const char *const never[] = { "mem", "kmem", "port", "kmsg",
		"kvm", "fuse", "cuse", "net/tun", "vsock", "vhost-vsock",
		"loop0", "loop-control", "userfaultfd", "vda", "console",
		"tty0", "uinput", "rtc0", "hpet", "mapper/control", "dri",
		"snd", "nvram", "ppp", "snapshot", "btrfs-control" };
	struct stat st;
	char attempt[64], path[64];
	size_t i;

	if (!probe_outside)
		(void)probe_walk("/dev", 1000, dv_one, NULL);
	for (i = 0; i < countof(never); i++) {
		(void)snprintf(path, sizeof(path), "/dev/%s", never[i]);
		(void)snprintf(attempt, sizeof(attempt), "never %s", never[i]);
		probe_result(attempt, stat(path, &st) == 0 ? 0 : -errno);
	}
	probe_result("mknod null",
	    CALL(SYS_mknod,
		probe_outside ? "/dev/shm/.probe-null" : "/tmp/.probe-null",
		S_IFCHR | 0666, makedev(1, 3)));
	probe_result("mknod block",
	    CALL(SYS_mknod,
		probe_outside ? "/dev/shm/.probe-block" : "/tmp/.probe-block",
		S_IFBLK | 0600, makedev(254, 0)));
	(void)unlink("/dev/shm/.probe-null");
	(void)unlink("/dev/shm/.probe-block");
	(void)unlink("/tmp/.probe-null");
	(void)unlink("/tmp/.probe-block");
	if (probe_outside)
		return;
	(void)probe_walk("/", 500000, dv_elsewhere, NULL);
	probe_got("devices elsewhere", "%ld", dv_devices);
}

const struct probe_check probe_dv[] = {
	{ "DV-01", dv_01 },
	{ NULL, NULL },
};
