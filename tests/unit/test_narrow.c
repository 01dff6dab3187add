/*
 * test_narrow.c: a plan cut down is never more than it was.
 *
 * Whatever is asked for, what comes out passes plan_check() and
 * compare_widened() finds nothing in it that was not there before; a plan
 * that was widened by hand is found, so the comparison can fail.
 */
#include "unit_policy.h"

#include <stdlib.h>

#include "policy/bounds.h"
#include "policy/compare.h"
#include "policy/narrow_plan.h"

static const char wide[] =
    "policy: 1\n"
    "limits: {pids: 100, memory: 256MiB, wall: 1h, cpu_time: none}\n"
    "filesystem: {read: [{from: /srv/r, path: /r}],"
    " write: [{from: /srv/w, path: /w}, {path: /workspace, size: 64MiB}]}\n"
    "network: {services: {a: {to: a.example, allow: any}}}\n"
    "credentials: {c: {source: {vault: x}, inject: [{service: a, as: "
    "bearer}]}}\n";

static struct plan before, after;
static union plan_net_room net, none;

static void
set_up(void)
{
	policy_good(wide, NULL);
	before = after = policy_plan;
	memcpy(&net, &policy_net, policy_net.net.size);
	policy_done();
	plan_net_init(&none);
}

static void
say(void *arg, const char *kind, const char *what, const char *near)
{
	(void)near;
	(void)snprintf(arg, 200, "%s: %s", kind, what);
}

static unsigned
widened(char text[200])
{
	struct compare_side a = { &before, &net.net };
	struct compare_side b = { &after,
		plan_has_net(&after) ? &net.net : &none.net };

	text[0] = '\0';
	return compare_widened(&a, &b, say, text);
}

static void
assert_less(void)
{
	struct err e;
	char text[200];

	plan_seal(&after);
	if (plan_check(&after, plan_size(&after), &e) == -1)
		fail_msg("no plan any more: %s", e.msg);
	if (widened(text) != 0)
		fail_msg("it allows what it did not: %s", text);
}

static uint64_t
lesser(uint64_t has, uint64_t asked)
{
	return asked - 1 < has - 1 ? asked : has;
}

static void
narrow_plan__limits__the_lesser_of_both(void **state)
{
	static const struct narrow asked[] = {
		{ 0 },
		{ .wall_ms = 1000, .pids = 5 },
		{ .wall_ms = UINT64_MAX,
		    .pids = UINT64_MAX,
		    .memory_bytes = UINT64_MAX,
		    .cpu_time_ms = UINT64_MAX },
		{ .cpu_time_ms = 7, .memory_bytes = 32 * BOUND_MIB },
		{ .memory_bytes = 512 * BOUND_MIB, .pids = 101 },
	};
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(asked); i++) {
		set_up();
		assert_int_equal(0, narrow_plan(&after, &asked[i], &e));
		assert_less();
		assert_int_equal(after.limits.wall_ms,
		    lesser(before.limits.wall_ms, asked[i].wall_ms));
		assert_int_equal(after.limits.pids,
		    lesser(before.limits.pids, asked[i].pids));
		assert_int_equal(after.limits.memory_bytes,
		    lesser(before.limits.memory_bytes, asked[i].memory_bytes));
		assert_int_equal(after.limits.cpu_time_ms,
		    asked[i].cpu_time_ms == UINT64_MAX
			? BOUND_TIME_MAX
			: lesser(before.limits.cpu_time_ms,
			      asked[i].cpu_time_ms));
	}
}

static void
narrow_plan__no_network__neither_services_nor_credentials(void **state)
{
	struct narrow n = { .flags = NARROW_NO_NETWORK };
	struct err e;

	(void)state;
	set_up();
	assert_true(plan_has_net(&before));
	assert_int_equal(0, narrow_plan(&after, &n, &e));
	assert_false(plan_has_net(&after));
	assert_int_equal(0, after.nservices + after.ncredentials);
	assert_less();
}

static void
narrow_plan__read_only__no_directory_of_the_host_is_written(void **state)
{
	struct narrow n = { .flags = NARROW_READ_ONLY };
	unsigned writes = 0, fresh = 0;
	struct err e;
	uint32_t i;

	(void)state;
	set_up();
	assert_int_equal(0, narrow_plan(&after, &n, &e));
	for (i = 0; i < after.nmounts; i++) {
		writes += after.mounts[i].kind == PLAN_MOUNT_WRITE;
		fresh += after.mounts[i].kind == PLAN_MOUNT_NEW;
		assert_true(before.mounts[i].kind == after.mounts[i].kind ||
			    before.mounts[i].kind == PLAN_MOUNT_WRITE);
	}
	assert_int_equal(0, writes);
	assert_int_equal(1, fresh);
	assert_less();
}

static void
narrow_plan__what_no_policy_says__refused_and_unchanged(void **state)
{
	static const struct {
		struct narrow n;
		const char *why;
	} rows[] = {
		{ { .memory_bytes = BOUND_MEMORY_MIN - 1, .pids = 1 },
		    "memory_bytes" },
		{ { .flags = NARROW__ALL + 1 }, "restriction" },
		{ { .zero = 1 }, "restriction" },
	};
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		set_up();
		assert_refused(narrow_plan(&after, &rows[i].n, &e), &e,
		    ERR_INVALID, rows[i].why);
		assert_memory_equal(&before, &after, sizeof(before));
	}
}

/* Any request at all; the seed is printed by the failure's plan. */
static void
narrow_plan__any_request__less_or_refused(void **state)
{
	unsigned granted = 0, i, k;
	struct narrow n;
	struct err e;

	(void)state;
	srandom(7);
	for (i = 0; i < 2000; i++) {
		uint64_t *v[] = { &n.wall_ms, &n.cpu_time_ms, &n.memory_bytes,
			&n.pids };

		memset(&n, 0, sizeof(n));
		for (k = 0; k < countof(v); k++)
			*v[k] = (uint64_t)random() >> (random() % 31);
		n.flags = (uint32_t)random() % (NARROW__ALL + 2);
		set_up();
		if (narrow_plan(&after, &n, &e) == -1)
			continue;
		granted++;
		assert_less();
	}
	assert_true(granted > 200);
}

/* The control: more by hand is seen. */
static void
compare_widened__a_limit_raised__seen(void **state)
{
	char text[200];

	(void)state;
	set_up();
	after.limits.pids++;
	assert_int_not_equal(0, widened(text));
	set_up();
	after.mounts[0].kind = PLAN_MOUNT_WRITE;
	assert_int_not_equal(0, widened(text));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(narrow_plan__limits__the_lesser_of_both),
		cmocka_unit_test(
		    narrow_plan__no_network__neither_services_nor_credentials),
		cmocka_unit_test(
		    narrow_plan__read_only__no_directory_of_the_host_is_written),
		cmocka_unit_test(
		    narrow_plan__what_no_policy_says__refused_and_unchanged),
		cmocka_unit_test(narrow_plan__any_request__less_or_refused),
		cmocka_unit_test(compare_widened__a_limit_raised__seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
