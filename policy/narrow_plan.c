#include "narrow_plan.h"

#include <string.h>

#include "bounds.h"

static const struct {
	const char *name;
	size_t asked, has;
	uint64_t min, max;
} rows[] = {

#define ROW(field, min, max)                                      \
	{                                                         \
#		field, offsetof(struct narrow, field),           \
		    offsetof(struct plan_limits, field), min, max \
	}
	ROW(wall_ms, BOUND_TIME_MIN, BOUND_TIME_MAX),
	ROW(cpu_time_ms, BOUND_TIME_MIN, BOUND_TIME_MAX),
	ROW(memory_bytes, BOUND_MEMORY_MIN, BOUND_MEMORY_MAX),
	ROW(pids, BOUND_PIDS_MIN, BOUND_PIDS_MAX),
#undef ROW
};

static uint64_t
number(const void *of, size_t offset)
{
	uint64_t v;

	memcpy(&v, (const char *)of + offset, sizeof(v));
	return v;
}

static int
narrow_check(const struct narrow *n, struct err *e)
{
	size_t i;

	for (i = 0; i < countof(rows); i++) {
		uint64_t v = number(n, rows[i].asked);

		if (v != 0 && v < rows[i].min)
			return err_set(e, ERR_INVALID,
			    "%s must be at least %ju", rows[i].name,
			    (uintmax_t)rows[i].min);
	}
	if ((n->flags & ~(uint32_t)NARROW__ALL) != 0 || n->zero != 0)
		return err_set(e, ERR_INVALID, "no such restriction");
	return 0;
}

/* 0 is no limit: minus one is the greatest.  No plan says more than max. */
static void
narrow_limits(struct plan_limits *l, const struct narrow *n)
{
	size_t i;

	for (i = 0; i < countof(rows); i++) {
		uint64_t v = number(n, rows[i].asked);

		v = v > rows[i].max ? rows[i].max : v;
		if (v - 1 < number(l, rows[i].has) - 1)
			memcpy((char *)l + rows[i].has, &v, sizeof(v));
	}
}

static void
narrow_network(struct plan *p)
{
	p->nservices = p->ncredentials = 0;
	memset(p->net_digest, 0, sizeof(p->net_digest));
}

static void
narrow_writes(struct plan *p)
{
	uint32_t i;

	for (i = 0; i < p->nmounts; i++)
		if (p->mounts[i].kind == PLAN_MOUNT_WRITE)
			p->mounts[i].kind = PLAN_MOUNT_READ;
}

int
narrow_plan(struct plan *p, const struct narrow *n, struct err *e)
{
	if (narrow_check(n, e) == -1)
		return -1;
	narrow_limits(&p->limits, n);
	if (n->flags & NARROW_NO_NETWORK)
		narrow_network(p);
	if (n->flags & NARROW_READ_ONLY)
		narrow_writes(p);
	return 0;
}
