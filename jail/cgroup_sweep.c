#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "cgroup_private.h"
#include "sys.h"

enum {
	CGROUP_ENTRIES = 8192
}; /* bytes of directory entries at once */

struct cgroup_entry { /* struct linux_dirent64 */
	uint64_t ino;
	int64_t off;
	uint16_t length;
	unsigned char type;
	char name[];
};

/*
 * Remove what is ours, claimed by nobody and empty; rmdir(2) itself refuses a
 * group with a process.
 */
static int
cgroup_sweep_entry(int dir, const char *name,
    int (*is_live)(const char *name, void *arg), void *arg)
{
	size_t n = sizeof(CGROUP_PREFIX) - 1;

	if (strncmp(name, CGROUP_PREFIX, n) != 0 || name[n] == '\0' ||
	    is_live(name + n, arg))
		return 0;
	return unlinkat(dir, name, AT_REMOVEDIR) == 0;
}

static int
cgroup_sweep_dir(int parent, int (*is_live)(const char *name, void *arg),
    void *arg)
{
	autofd dir = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct cgroup_entry) char buf[CGROUP_ENTRIES];
	ssize_t i, n;
	int swept = 0;

	while (dir >= 0 && (n = SYS(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
		for (i = 0; i < n;) {
			const struct cgroup_entry *d = (const void *)(buf + i);

			i += d->length;
			if (d->type == DT_DIR)
				swept += cgroup_sweep_entry(dir, d->name,
				    is_live, arg);
		}
	return swept;
}

int
cgroup_sweep(int (*is_live)(const char *name, void *arg), void *arg)
{
	struct cgroup_host h;
	int k, swept = 0;

	cgroup_host_get(&h, CGROUP_BIT(CGROUP__MAX) - 1, 0);
	for (k = 0; k < CGROUP__MAX; k++)
		if (h.owner[k] == k)
			swept += cgroup_sweep_dir(h.parent[k], is_live, arg);
	return swept;
}
