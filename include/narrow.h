/*
 * narrow.h: by how much less than another jail one is to be.
 *
 * What warder-control may say about a jail beside a run (msg_spawn.h, EXEC),
 * and all of it: nothing here can ask for more than the run itself has.
 * policy/narrow_plan.h carries it out.
 */
#ifndef NARROW_H
#define NARROW_H

#include <stdint.h>

enum {
	NARROW_NO_NETWORK = 1 << 0, /* no way out, no credentials */
	NARROW_READ_ONLY = 1 << 1, /* directories of the host are not written */
	NARROW__ALL = NARROW_NO_NETWORK | NARROW_READ_ONLY,
};

/* At most, each; 0: as much as the other one has. */
struct narrow {
	uint64_t wall_ms;
	uint64_t cpu_time_ms;
	uint64_t memory_bytes;
	uint64_t pids;
	uint32_t flags; /* NARROW_* */
	uint32_t zero; /* reserved */
};

#endif /* !NARROW_H */
