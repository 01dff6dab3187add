#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_private.h"

static const struct cgroup_gauge {
	enum cgroup_version version;
	enum cgroup_controller controller;
	const char *file;
	const char *key; /* for cgroup_text_sum */
	size_t field;
	uint64_t divide;
} cgroup_gauges[] = {

#define FIELD(f) offsetof(struct cgroup_usage, f)
	{ CGROUP_V2, CGROUP_CPUACCT, "cpu.stat", "usage_usec ", FIELD(cpu_us),
	    1 },
	{ CGROUP_V2, CGROUP_CPUACCT, "cpu.stat", "user_usec ", FIELD(user_us),
	    1 },
	{ CGROUP_V2, CGROUP_CPUACCT, "cpu.stat", "system_usec ",
	    FIELD(system_us), 1 },
	{ CGROUP_V2, CGROUP_MEMORY, "memory.peak", "", FIELD(memory_peak_bytes),
	    1 },
	{ CGROUP_V2, CGROUP_MEMORY, "memory.events", "oom_kill ",
	    FIELD(oom_kills), 1 },
	{ CGROUP_V2, CGROUP_PIDS, "pids.events", "max ", FIELD(pids_refused),
	    1 },
	{ CGROUP_V2, CGROUP_IO, "io.stat", "rbytes=", FIELD(read_bytes), 1 },
	{ CGROUP_V2, CGROUP_IO, "io.stat", "wbytes=", FIELD(written_bytes), 1 },
	{ CGROUP_V1, CGROUP_CPUACCT, "cpuacct.usage", "", FIELD(cpu_us), 1000 },
	{ CGROUP_V1, CGROUP_CPUACCT, "cpuacct.usage_user", "", FIELD(user_us),
	    1000 },
	{ CGROUP_V1, CGROUP_CPUACCT, "cpuacct.usage_sys", "", FIELD(system_us),
	    1000 },
	{ CGROUP_V1, CGROUP_MEMORY, "memory.max_usage_in_bytes", "",
	    FIELD(memory_peak_bytes), 1 },
	{ CGROUP_V1, CGROUP_MEMORY, "memory.oom_control", "oom_kill ",
	    FIELD(oom_kills), 1 },
	{ CGROUP_V1, CGROUP_PIDS, "pids.events", "max ", FIELD(pids_refused),
	    1 },
	{ CGROUP_V1, CGROUP_IO, "blkio.throttle.io_service_bytes_recursive",
	    "Read ", FIELD(read_bytes), 1 },
	{ CGROUP_V1, CGROUP_IO, "blkio.throttle.io_service_bytes_recursive",
	    "Write ", FIELD(written_bytes), 1 },
#undef FIELD
};

_Static_assert(countof(cgroup_gauges) <= CGROUP_GAUGES,
    "every gauge has a descriptor");

/* Rows of one file stand together, and the first of them has it open. */
static int
cgroup_is_same_file(const struct cgroup_gauge *g)
{
	return g != cgroup_gauges && g->version == g[-1].version &&
	       strcmp(g->file, g[-1].file) == 0;
}

void
cgroup_meter_init(struct cgroup_meter *m)
{
	size_t i;

	for (i = 0; i < CGROUP_GAUGES; i++)
		m->fd[i] = -1;
}

void
cgroup_meter_open(struct cgroup_meter *m, const struct cgroup *c)
{
	size_t i;

	for (i = 0; i < countof(cgroup_gauges); i++) {
		const struct cgroup_gauge *g = &cgroup_gauges[i];
		int dir = c->dir[g->controller];

		if (g->version == c->version && dir >= 0 && m->fd[i] == -1 &&
		    !cgroup_is_same_file(g))
			m->fd[i] = openat(dir, g->file, O_RDONLY | O_CLOEXEC);
	}
}

/* Such a file gives all of its text at once. */
static int
cgroup_meter_text(int fd, char buf[CGROUP_FILE_MAX])
{
	ssize_t n = fd == -1 ? -1 : pread(fd, buf, CGROUP_FILE_MAX - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

void
cgroup_meter_read(const struct cgroup_meter *m, struct cgroup_usage *ret)
{
	char buf[CGROUP_FILE_MAX];
	int known = 0;
	uint64_t v;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < countof(cgroup_gauges); i++) {
		const struct cgroup_gauge *g = &cgroup_gauges[i];

		if (!cgroup_is_same_file(g))
			known = cgroup_meter_text(m->fd[i], buf);
		if (!known)
			continue;
		ret->known |= CGROUP_BIT(g->controller);
		if (cgroup_text_sum(buf, g->key, &v) > 0) {
			v /= g->divide;
			memcpy((char *)ret + g->field, &v, sizeof(v));
		}
	}
}

void
cgroup_meter_finish(struct cgroup_meter *m)
{
	size_t i;

	for (i = 0; i < CGROUP_GAUGES; i++)
		fd_closep(&m->fd[i]);
}

void
cgroup_usage(const struct cgroup *c, struct cgroup_usage *ret)
{
	struct cgroup_meter m;

	cgroup_meter_init(&m);
	cgroup_meter_open(&m, c);
	cgroup_meter_read(&m, ret);
	cgroup_meter_finish(&m);
}
