#include "watch.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "text.h"

/* The n-th field of a line, counted from 0, as a number. */
static uint64_t
watch_field(const char *line, int n)
{
	uint64_t v = 0;

	for (; n > 0 && line != NULL; n--) {
		line = strchr(line, ' ');
		line = line != NULL ? line + 1 : NULL;
	}
	for (; line != NULL && *line >= '0' && *line <= '9'; line++)
		v = v * 10 + (uint64_t)(*line - '0');
	return v;
}

static ssize_t
watch_read(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	autofd fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd == -1 ? -1 : read(fd, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	return n;
}

/* Resident pages that are no file's: proc_pid_statm(5), fields 2 and 3. */
static uint64_t
watch_memory(pid_t pid)
{
	char buf[128];
	uint64_t resident, shared;

	if (watch_read(pid, "statm", buf, sizeof(buf)) <= 0)
		return 0;
	resident = watch_field(buf, 1);
	shared = watch_field(buf, 2);
	if (shared > resident)
		return 0;
	return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/*
 * utime, stime and those of its reaped children: proc_pid_stat(5), fields 14
 * to 17; its threads: field 20.  The name in field 2 is the jail's to choose,
 * so count from its last parenthesis.
 */
static void
watch_stat(pid_t pid, uint64_t *cpu_us, uint64_t *tasks)
{
	char buf[1024], *p;
	uint64_t ticks = 0;
	int i;

	if (watch_read(pid, "stat", buf, sizeof(buf)) <= 0)
		return;
	p = strrchr(buf, ')');
	if (p == NULL)
		return;
	for (i = 12; i <= 15; i++)
		ticks += watch_field(p, i);
	*cpu_us += ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	*tasks += watch_field(p, 18);
}

/* Append the children of one process; their threads' too. */
static size_t
watch_children(pid_t pid, pid_t *list, size_t n)
{
	char buf[16384], file[64], *p;

	(void)snprintf(file, sizeof(file), "task/%d/children", (int)pid);
	if (watch_read(pid, file, buf, sizeof(buf)) <= 0)
		return n;
	for (p = buf; *p != '\0' && n < WATCH_PROCESSES_MAX;) {
		list[n++] = (pid_t)watch_field(p, 0);
		p = strchr(p, ' ');
		if (p == NULL)
			break;
		p++;
	}
	return n;
}

/* The jail's root directory; -1: it has gone. */
static int
watch_root(pid_t init)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)init);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A directory of the jail, opened below its root without following links. */
static int
watch_statfs(int root, const char *path, struct statfs *ret)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	autofd fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd == -1 ? -1 : fstatfs(fd, ret);
}

static uint64_t
watch_used(int root, const char *path)
{
	struct statfs fs;

	if (watch_statfs(root, path, &fs) == -1)
		return 0;
	return (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
}

/* What lies in memory and counts. */
static uint64_t
watch_files(pid_t init, const struct plan *p, const struct quota *q)
{
	static const char *const every[] = { "/dev/shm", "/home/agent" };
	autofd root = watch_root(init);
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < countof(every); i++)
		sum += watch_used(root, every[i]);
	for (i = 0; i < QUOTA_PLACES; i++) {
		if (q->kind[i] == QUOTA_TMPFS || q->kind[i] == QUOTA_MISSED)
			sum += watch_used(root, quota_path(p, i));
	}
	return sum;
}

void
watch_look(struct watch *w, pid_t init, const struct plan *p,
    const struct quota *q)
{
	static _Thread_local pid_t list[WATCH_PROCESSES_MAX];
	uint64_t cpu = 0, tasks = 0;
	size_t n = 1, i;

	w->memory_bytes = watch_files(init, p, q);
	list[0] = init;
	for (i = 0; i < n; i++) {
		n = watch_children(list[i], list, n);
		w->memory_bytes += watch_memory(list[i]);
		watch_stat(list[i], &cpu, &tasks);
	}
	if (tasks > w->tasks_peak)
		w->tasks_peak = tasks;
	if (cpu > w->cpu_us)
		w->cpu_us = cpu;
	if (w->memory_bytes > w->memory_peak_bytes)
		w->memory_peak_bytes = w->memory_bytes;
}

/*
 * A disk takes a write by large pieces, and refuses the one that does not
 * fit: some of it may be left.
 */
static int
watch_is_full(const struct statfs *fs)
{
	uint64_t left = (uint64_t)fs->f_bavail * (uint64_t)fs->f_bsize;
	uint64_t piece =
	    (uint64_t)fs->f_blocks * (uint64_t)fs->f_bsize / WATCH_PART;

	if (piece > WATCH_PIECE_BYTES)
		piece = WATCH_PIECE_BYTES;
	return fs->f_ffree == 0 || fs->f_bfree == 0 ||
	       (fs->f_type != TMPFS_MAGIC && left < piece);
}

int
watch_disk_full(pid_t init, const struct plan *p, const struct quota *q)
{
	autofd root = watch_root(init);
	struct statfs fs;
	uint32_t i;
	int r;

	for (i = 0; i < QUOTA_PLACES; i++) {
		if (q->kind[i] == QUOTA_NONE)
			continue;
		/* where it is our mount as well, no name is looked up */
		r = q->fd[i] != -1 ? fstatfs(q->fd[i], &fs)
				   : watch_statfs(root, quota_path(p, i), &fs);
		if (r == 0 && watch_is_full(&fs))
			return 1;
	}
	return 0;
}
