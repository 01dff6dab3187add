#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "generated.h"
#include "limits_jail.h"
#include "text.h"

enum {
	ID_BYTES = 16,
	CPU_TEXT_MAX = 4096
};

/* What the texts are made from. */
struct source {
	const struct plan *plan;
	unsigned cpus; /* processors the jail is told of */
	unsigned char machine[ID_BYTES];
	unsigned char boot[ID_BYTES];
};

typedef void generated_text(struct text *t, const struct source *s);

static void
text_passwd(struct text *t, const struct source *s)
{
	(void)s;
	text_addf(t,
	    "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
	    "agent:x:1000:1000:agent:/home/agent:/bin/sh\n"
	    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
}

static void
text_group(struct text *t, const struct source *s)
{
	(void)s;
	text_addf(t, "root:x:0:\ntty:x:5:\nagent:x:1000:\nnogroup:x:65534:\n");
}

static void
text_hosts(struct text *t, const struct source *s)
{
	(void)s;
	text_addf(t, "127.0.0.1 localhost %s\n::1 localhost ip6-localhost\n",
	    LIMITS_HOSTNAME);
}

static void
text_hostname(struct text *t, const struct source *s)
{
	(void)s;
	text_addf(t, "%s\n", LIMITS_HOSTNAME);
}

static void
text_resolv(struct text *t, const struct source *s)
{
	(void)s;
	text_addf(t, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
}

static void
text_nsswitch(struct text *t, const struct source *s)
{
	(void)s;
	text_addf(t,
	    "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
	    "networks: files\nprotocols: files\nservices: files\n");
}

static void
text_hex(struct text *t, const unsigned char *id, size_t from, size_t to)
{
	for (; from < to; from++)
		text_addf(t, "%02x", id[from]);
}

static void
text_machine_id(struct text *t, const struct source *s)
{
	text_hex(t, s->machine, 0, ID_BYTES);
	text_addf(t, "\n");
}

/* A version 4 UUID, as the kernel writes it. */
static void
text_boot_id(struct text *t, const struct source *s)
{
	static const size_t border[] = { 0, 4, 6, 8, 10, 16 };
	unsigned char id[ID_BYTES];
	size_t i;

	memcpy(id, s->boot, sizeof(id));
	id[6] = (unsigned char)((id[6] & 0x0f) | 0x40);
	id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
	for (i = 0; i + 1 < countof(border); i++) {
		text_addf(t, "%s", i > 0 ? "-" : "");
		text_hex(t, id, border[i], border[i + 1]);
	}
	text_addf(t, "\n");
}

static void
text_online(struct text *t, const struct source *s)
{
	if (s->cpus == 1)
		text_addf(t, "0\n");
	else
		text_addf(t, "0-%u\n", s->cpus - 1);
}

/*
 * The host's first processor.  The kernel writes whole records, so the first
 * is complete in one page.  Asking it takes as long as all other texts
 * together, and the answer stays the same: it is asked once.
 */
static const char *
cpu_record(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static char record[CPU_TEXT_MAX + 1];
	autofd fd = -1;
	char *end;

	(void)pthread_mutex_lock(&lock);
	if (record[0] == '\0') {
		fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
		if (fd == -1 || read(fd, record, CPU_TEXT_MAX) <= 0)
			record[0] = '\0';
		end = strstr(record, "\n\n");
		if (end != NULL)
			*end = '\0';
		else
			record[0] = '\0';
	}
	(void)pthread_mutex_unlock(&lock);
	return record;
}

/* As many times as the jail has processors. */
static void
text_cpuinfo(struct text *t, const struct source *s)
{
	const char *record = cpu_record(), *rest = strchr(record, '\n');
	unsigned i;

	if (rest == NULL || strstr(record, "processor") != record)
		return;
	for (i = 0; i < s->cpus; i++)
		text_addf(t, "processor\t: %u%s\n\n", i, rest);
}

static void
text_stat(struct text *t, const struct source *s)
{
	unsigned i;

	text_addf(t, "cpu  0 0 0 0 0 0 0 0 0 0\n");
	for (i = 0; i < s->cpus; i++)
		text_addf(t, "cpu%u 0 0 0 0 0 0 0 0 0 0\n", i);
	text_addf(t,
	    "intr 0\nctxt 0\nbtime %lld\nprocesses 0\nprocs_running 1\n"
	    "procs_blocked 0\n",
	    (long long)time(NULL));
}

static void
text_meminfo(struct text *t, const struct source *s)
{
	unsigned long long kb = s->plan->limits.memory_bytes / 1024;

	text_addf(t,
	    "MemTotal:       %8llu kB\nMemFree:        %8llu kB\n"
	    "MemAvailable:   %8llu kB\nBuffers:               0 kB\n"
	    "Cached:                0 kB\nSwapCached:            0 kB\n"
	    "SwapTotal:             0 kB\nSwapFree:              0 kB\n"
	    "Shmem:                 0 kB\n",
	    kb, kb, kb);
}

static void
text_loadavg(struct text *t, const struct source *s)
{
	(void)s;
	text_addf(t, "0.00 0.00 0.00 1/1 1\n");
}

static void
text_memory_max(struct text *t, const struct source *s)
{
	text_addf(t, "%llu\n",
	    (unsigned long long)s->plan->limits.memory_bytes);
}

static void
text_pids_max(struct text *t, const struct source *s)
{
	text_addf(t, "%llu\n", (unsigned long long)s->plan->limits.pids);
}

static void
text_cpu_max(struct text *t, const struct source *s)
{
	text_addf(t, "%llu 100000\n",
	    (unsigned long long)s->plan->limits.cpu_milli * 100);
}

static void
text_cpu_quota(struct text *t, const struct source *s)
{
	text_addf(t, "%llu\n",
	    (unsigned long long)s->plan->limits.cpu_milli * 100);
}

static void
text_cpu_period(struct text *t, const struct source *s)
{
	(void)s;
	text_addf(t, "100000\n");
}

static void
text_empty(struct text *t, const struct source *s)
{
	(void)t;
	(void)s;
}

/*
 * Every generated file.  Those under /sys are what Go, Java, Node, .NET and
 * glibc look at for limits, v2 and v1 names alike; nothing else of sysfs
 * exists.  Those in proc/ are below the mount of proc, and cloned over what it
 * shows; the empty one hides what is not to be seen.
 */
/* clang-format off */
static const struct {
	const char *path;
	generated_text *make;
	const char *over;
	int yields;
} generated_table[] = {
	{ "proc/cpuinfo", text_cpuinfo, "/proc/cpuinfo", 0 },
	{ "proc/loadavg", text_loadavg, "/proc/loadavg", 0 },
	{ "proc/meminfo", text_meminfo, "/proc/meminfo", 0 },
	{ "proc/stat",    text_stat, "/proc/stat", 0 },
	{ "proc/boot_id", text_boot_id, "/proc/sys/kernel/random/boot_id", 0 },
	{ "proc/" LIMITS_EMPTY_NAME, text_empty, NULL, 0 },

	{ "etc/passwd",        text_passwd, NULL, 1 },
	{ "etc/group",         text_group, NULL, 1 },
	{ "etc/hosts",         text_hosts, NULL, 0 },
	{ "etc/hostname",      text_hostname, NULL, 0 },
	{ "etc/resolv.conf",   text_resolv, NULL, 0 },
	{ "etc/nsswitch.conf", text_nsswitch, NULL, 1 },
	{ "etc/machine-id",    text_machine_id, NULL, 0 },
	{ "etc/fstab",         text_empty, NULL, 1 },

	{ "sys/devices/system/cpu/online",   text_online, NULL, 0 },
	{ "sys/devices/system/cpu/possible", text_online, NULL, 0 },
	{ "sys/devices/system/cpu/present",  text_online, NULL, 0 },
	{ "sys/fs/cgroup/cpu.max",    text_cpu_max, NULL, 0 },
	{ "sys/fs/cgroup/memory.max", text_memory_max, NULL, 0 },
	{ "sys/fs/cgroup/pids.max",   text_pids_max, NULL, 0 },
	{ "sys/fs/cgroup/memory/memory.limit_in_bytes", text_memory_max, NULL, 0 },
	{ "sys/fs/cgroup/cpu/cpu.cfs_quota_us",  text_cpu_quota, NULL, 0 },
	{ "sys/fs/cgroup/cpu/cpu.cfs_period_us", text_cpu_period, NULL, 0 },
};

/* clang-format on */

_Static_assert(countof(generated_table) + TRUST_FILES_MAX <=
		   GENERATED_FILES_MAX,
    "every generated file has a place");

static unsigned
generated_cpus(const struct plan *p)
{
	uint64_t n = (p->limits.cpu_milli + 999) / 1000;
	long host = sysconf(_SC_NPROCESSORS_ONLN);

	if (host > 0 && n > (uint64_t)host)
		n = (uint64_t)host;
	return n > 0 ? (unsigned)n : 1;
}

/* The path of an earlier file with the same text, which is always there. */
static const char *
generated_same(size_t i)
{
	size_t k;

	for (k = 0; k < i; k++) {
		if (generated_table[k].make == generated_table[i].make &&
		    !generated_table[k].yields)
			return generated_table[k].path;
	}
	return NULL;
}

int
generated_make(struct generated *g, const struct plan *p, struct err *e)
{
	struct source s = { .plan = p, .cpus = generated_cpus(p) };
	size_t i;

	if (getrandom(s.machine, sizeof(s.machine), 0) != sizeof(s.machine) ||
	    getrandom(s.boot, sizeof(s.boot), 0) != sizeof(s.boot))
		return err_set(e, ERR_SYSTEM, "getrandom");
	g->nfiles = g->used = 0;
	for (i = 0; i < countof(generated_table); i++) {
		struct stage_file *f = &g->files[g->nfiles++];
		struct text t;

		f->path = generated_table[i].path;
		f->over = generated_table[i].over;
		f->yields = (uint32_t)generated_table[i].yields;
		f->link = NULL;
		f->same = generated_same(i);
		if (f->same != NULL)
			continue;
		text_init(&t, g->text + g->used, sizeof(g->text) - g->used);
		generated_table[i].make(&t, &s);
		if (t.truncated)
			return err_set(e, ERR_LIMIT, "%s: text too long",
			    generated_table[i].path);
		f->text = t.buf;
		f->size = (uint32_t)t.len;
		g->used += (uint32_t)t.len + 1;
	}
	return 0;
}

int
generated_add(struct generated *g, const struct trust_file *f, size_t n,
    struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (g->nfiles == GENERATED_FILES_MAX)
			return err_set(e, ERR_LIMIT,
			    "more than %d generated files",
			    GENERATED_FILES_MAX);
		g->files[g->nfiles++] = (struct stage_file){
			.path = f[i].path,
			.text = f[i].bytes,
			.size = (uint32_t)f[i].size,
			.link = f[i].link,
		};
	}
	return 0;
}
