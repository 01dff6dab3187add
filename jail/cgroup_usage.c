#include <string.h>

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

void
cgroup_usage(const struct cgroup *c, struct cgroup_usage *ret)
{
	const char *read_from = "";
	char buf[CGROUP_FILE_MAX];
	unsigned i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < countof(cgroup_gauges); i++) {
		const struct cgroup_gauge *g = &cgroup_gauges[i];
		int dir = c->dir[g->controller];
		uint64_t v;

		if (g->version != c->version || dir < 0)
			continue;
		if (strcmp(read_from, g->file) != 0 &&
		    cgroup_file_read(dir, g->file, buf, sizeof(buf)) < 0)
			continue;
		read_from = g->file;
		ret->known |= CGROUP_BIT(g->controller);
		if (cgroup_text_sum(buf, g->key, &v) > 0) {
			v /= g->divide;
			memcpy((char *)ret + g->field, &v, sizeof(v));
		}
	}
}
