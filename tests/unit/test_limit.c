/* include/limit.h: the table says what the programs do. */
#include "unit.h"

#include "limit.h"
#include "msg_vault.h"
#include "policy/bounds.h"
#include "policy/builtin.h"
#include "proxy/dns.h"
#include "proxy/vault/entry.h"
#include "proxy/vault/limits_vault.h"
#include "proxy/vault/oauth_answer.h"
#include "supervisor/control/runs/engine.h"
#include "supervisor/control/storage/pack.h"
#include "tools/limits_parts.h"

/* "KEY: VALUE" or "size: VALUE" as a whole word of the built-in policy. */
static void
expect_in_default(const char *prefix, void (*add)(struct text *, uint64_t),
    uint64_t value, const char *ends)
{
	size_t n;
	const char *policy = builtin_policy("default", &n);
	char want[128];
	struct text t;

	assert_non_null(policy);
	text_init(&t, want, sizeof(want));
	text_add(&t, prefix);
	if (add != NULL)
		add(&t, value);
	else
		text_addf(&t, "%ju", (uintmax_t)value);
	text_add(&t, ends);
	if (memmem(policy, n, want, strlen(want)) == NULL)
		fail_msg("policy/data/default.yaml does not say: %s", want);
}

static void
limit_jail__built_in_policy__says_the_same(void **state)
{
	(void)state;
	expect_in_default("\n  cpu: ", text_add_milli, LIMIT_CPU_MILLI, "\n");
	expect_in_default("\n  memory: ", text_add_size, LIMIT_MEMORY_BYTES,
	    "\n");
	expect_in_default("\n  pids: ", NULL, LIMIT_PIDS, "\n");
	expect_in_default("\n  open_files: ", NULL, LIMIT_OPEN_FILES, "\n");
	expect_in_default("\n  wall: ", text_add_duration, LIMIT_WALL_MS, "\n");
	expect_in_default("\n  output: ", text_add_size, LIMIT_OUTPUT_BYTES,
	    "\n");
	expect_in_default("{path: /workspace, size: ", text_add_size,
	    LIMIT_WORKSPACE_BYTES, "}");
	expect_in_default("{path: /tmp, size: ", text_add_size, LIMIT_TMP_BYTES,
	    "}");
	assert_int_equal(BOUND_INODES_DEFAULT, LIMIT_INODES);
}

struct row {
	const char *name;
	uint64_t value;
	const char *unit;
	const char *reason;
	const char *past;
};

#define ROW(name, unit, reason, past) { #name, name, unit, reason, past },
#define GROUP(title, table) table(ROW)

static void
limit_table__every_row__whole_and_once(void **state)
{
	static const struct row rows[] = { LIMITS_GROUPS(GROUP) LIMITS_DNS(ROW)
		    LIMITS_VAULT(ROW) LIMITS_EGRESS(ROW) LIMITS_AUDIT(ROW)
			LIMITS_DIRECTORIES(ROW) LIMITS_STORAGE(ROW)
			    LIMITS_PACK(ROW) LIMITS_ENGINE(ROW) };
	size_t i, j;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		assert_true(rows[i].value > 0);
		assert_true(rows[i].unit[0] != '\0');
		assert_true(strlen(rows[i].reason) > 10);
		assert_true(strlen(rows[i].past) > 10);
		for (j = 0; j < i; j++)
			assert_string_not_equal(rows[i].name, rows[j].name);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_jail__built_in_policy__says_the_same),
		cmocka_unit_test(limit_table__every_row__whole_and_once),
	};

	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
