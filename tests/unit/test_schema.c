/* schema.c, form.c, validate.c: the table itself, and what it means. */
#include "unit_policy.h"

#include "policy/schema.h"

/* Every key of every table, with its dotted name. */
static void
walk(const struct schema_type *t, void (*visit)(const struct schema_key *))
{
	const struct schema_key *k;

	if (t == NULL)
		return;
	for (k = t->shape == SCHEMA_MAP ? t->keys : NULL;
	     k != NULL && k->name != NULL; k++) {
		visit(k);
		walk(k->type, visit);
	}
	if (t->shape == SCHEMA_UNION) {
		walk(t->map, visit);
		walk(t->list, visit);
	}
	if (t->shape == SCHEMA_LIST || t->shape == SCHEMA_DICT)
		walk(t->item, visit);
}

static unsigned nkeys, nlater;

static void
check_key(const struct schema_key *k)
{
	const struct schema_type *t = k->type;

	nkeys++;
	nlater += k->since > SCHEMA_BUILD;
	assert_non_null(t);
	assert_non_null(k->doc);
	assert_true(strlen(k->doc) > 1);
	assert_int_equal('.', k->doc[strlen(k->doc) - 1]);
	if (k->since > SCHEMA_BUILD)
		return;
	assert_non_null(t->wants);
	if (t->shape == SCHEMA_STRING || t->shape == SCHEMA_TEXT ||
	    t->shape == SCHEMA_DICT) {
		assert_non_null(t->form);
		assert_non_null(t->pattern);
	}
	if (t->shape == SCHEMA_INT || t->shape == SCHEMA_SIZE ||
	    t->shape == SCHEMA_TIME || t->shape == SCHEMA_CPU)
		assert_true(t->max > t->min || t->max == 1);
}

static void
schema_tables__every_key__is_complete(void **state)
{
	(void)state;
	nkeys = nlater = 0;
	walk(&schema_policy, check_key);
	assert_true(nkeys > 80);
	assert_true(nlater >= 12);
}

static void
schema_path__dotted__its_row(void **state)
{
	(void)state;
	assert_string_equal("cpu", schema_path("limits.cpu")->name);
	assert_string_equal("limits", schema_path("limits")->name);
	assert_null(schema_path("limits.cpus"));
	assert_null(schema_path("limits.cpu.x"));
	assert_null(schema_path(""));
	assert_null(schema_path("limits."));
}

static void
schema_initial__limits__are_the_plans(void **state)
{
	(void)state;
	policy_good("policy: 1\n", NULL);
	assert_int_equal(1000, policy_plan.limits.cpu_milli);
	assert_int_equal(1 << 30, policy_plan.limits.memory_bytes);
	assert_int_equal(256, policy_plan.limits.pids);
	assert_int_equal(1024, policy_plan.limits.open_files);
	assert_int_equal(600 * 1000, policy_plan.limits.wall_ms);
	assert_int_equal(0, policy_plan.limits.idle_ms);
	assert_int_equal(0, policy_plan.limits.cpu_time_ms);
	assert_int_equal(16 << 20, policy_plan.limits.output_bytes);
	policy_done();
}

static void
validate_numbers__every_unit__parsed(void **state)
{
	static const struct {
		const char *limits;
		size_t offset;
		uint64_t want;
	} rows[] = {

#define ROW(text, field, want) \
	{ text, offsetof(struct plan_limits, field), want }
		ROW("cpu: 0.5", cpu_milli, 500),
		ROW("cpu: 2", cpu_milli, 2000),
		ROW("cpu: 0.125", cpu_milli, 125),
		ROW("memory: 64MiB", memory_bytes, 64ULL << 20),
		ROW("memory: 4096KiB", memory_bytes, 4ULL << 20),
		ROW("memory: 2TiB", memory_bytes, 2ULL << 40),
		ROW("memory: 8388608", memory_bytes, 8388608),
		ROW("memory: 8388608B", memory_bytes, 8388608),
		ROW("output: 1", output_bytes, 1),
		ROW("output: none", output_bytes, 0),
		ROW("wall: 500ms", wall_ms, 500),
		ROW("wall: 10s", wall_ms, 10000),
		ROW("wall: 10m", wall_ms, 600000),
		ROW("wall: 2h", wall_ms, 7200000),
		ROW("wall: 1d", wall_ms, 86400000),
		ROW("cpu_time: 90s", cpu_time_ms, 90000),
		ROW("wall: none", wall_ms, 0),
#undef ROW
	};
	char text[128];
	uint64_t got;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		(void)snprintf(text, sizeof(text), "policy: 1\nlimits: {%s}\n",
		    rows[i].limits);
		policy_good(text, NULL);
		memcpy(&got, (const char *)&policy_plan.limits + rows[i].offset,
		    sizeof(got));
		if (got != rows[i].want)
			fail_msg("%s gave %ju", rows[i].limits, (uintmax_t)got);
		policy_done();
	}
}

static void
validate_policy__several_errors__all_reported(void **state)
{
	(void)state;
	assert_int_equal(-1,
	    policy_compile("policy: 1\nlimits: {pids: x, memory: y}\n"
			   "colour: red\n",
		NULL));
	assert_int_equal(3, policy_resolved.diag.errors.count);
	policy_done();
}

/* A policy of the built-in plan has the same digest wherever it is made. */
static void
compile_policy__order_of_the_file__same_plan(void **state)
{
	unsigned char digest[SHA256_SIZE];

	(void)state;
	policy_good("policy: 1\nprocess: {env: {A: 1, B: 2}}\n"
		    "filesystem: {tmpfs: [{path: /a}, {path: /b}]}\n",
	    NULL);
	memcpy(digest, policy_plan.digest, sizeof(digest));
	policy_done();
	policy_good("policy: 1\nprocess: {env: {B: 2, A: 1}}\n"
		    "filesystem: {tmpfs: [{path: /b}, {path: /a}]}\n",
	    NULL);
	assert_memory_equal(digest, policy_plan.digest, sizeof(digest));
	policy_done();
	policy_good("policy: 1\nprocess: {env: {B: 2, A: 2}}\n"
		    "filesystem: {tmpfs: [{path: /b}, {path: /a}]}\n",
	    NULL);
	assert_memory_not_equal(digest, policy_plan.digest, sizeof(digest));
	policy_done();
}

static void
compile_policy__strings_too_many__limit_named(void **state)
{
	static char text[96 * 1024] = "policy: 1\nprocess:\n  env:\n";
	size_t n = strlen(text);
	int i;

	(void)state;
	for (i = 0; i < 9; i++) {
		n += (size_t)snprintf(text + n, 32, "    A%d: \"%d", i, i);
		memset(text + n, 'x', 8000);
		n += 8000;
		n += (size_t)snprintf(text + n, 8, "\"\n");
	}
	policy_bad(text, NULL, "p.yaml: the policy is too large");
}

static void
compile_policy__no_cwd__workspace_or_root(void **state)
{
	(void)state;
	policy_good("policy: 1\nfilesystem: {tmpfs: [{path: /workspace}]}\n",
	    NULL);
	assert_string_equal("/workspace", policy_string(policy_plan.cwd));
	policy_done();
	policy_good("policy: 1\nprocess: {cwd: /tmp}\n"
		    "filesystem: {tmpfs: [{path: /workspace}]}\n",
	    NULL);
	assert_string_equal("/tmp", policy_string(policy_plan.cwd));
	policy_done();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schema_tables__every_key__is_complete),
		cmocka_unit_test(schema_path__dotted__its_row),
		cmocka_unit_test(schema_initial__limits__are_the_plans),
		cmocka_unit_test(validate_numbers__every_unit__parsed),
		cmocka_unit_test(validate_policy__several_errors__all_reported),
		cmocka_unit_test(compile_policy__order_of_the_file__same_plan),
		cmocka_unit_test(compile_policy__strings_too_many__limit_named),
		cmocka_unit_test(compile_policy__no_cwd__workspace_or_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
