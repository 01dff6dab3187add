/*
 * test_settings.c: the records that warder-config makes of files that are no
 * policies, as somebody who has taken it over might make them.
 */
#include "unit.h"

#include "agent_record.h"
#include "settings.h"

static struct settings settings;
static struct agent_record record;

static void
good_settings(void)
{
	settings_init(&settings);
}

static void
good_record(void)
{
	static const char strings[] = "sh\0-c\0A=b";

	memset(&record, 0, sizeof(record));
	record.magic = AGENT_RECORD_MAGIC;
	record.version = AGENT_RECORD_VERSION;
	record.size = sizeof(record);
	record.nargs = 2;
	record.nenv = 1;
	record.nstrings = sizeof(strings);
	memcpy(record.strings, strings, sizeof(strings));
	(void)snprintf(record.name, sizeof(record.name), "x");
}

/* Each spoils what was good. */
#define SPOIL(name, ...)               \
	static void spoil_##name(void) \
	{                              \
		__VA_ARGS__;           \
	}

SPOIL(magic, settings.magic++)
SPOIL(version, settings.version++)
SPOIL(size, settings.size--)
SPOIL(no_listener, settings.nlisten = 0)
SPOIL(listeners, settings.nlisten = SETTINGS_LISTEN_MAX + 1)
SPOIL(no_tenant, settings.ntenants = 0)
SPOIL(tenants, settings.ntenants = UINT32_MAX)
SPOIL(tenant_path, memcpy(settings.tenants[0], "../x", sizeof("../x")))
SPOIL(tenant_end, memset(settings.tenants[0], 'a', SETTINGS_TENANT_SIZE))
SPOIL(kind, settings.listen[0].kind = 7)
SPOIL(port, settings.listen[0].port = 65536)
SPOIL(address_end,
    memset(settings.listen[0].address, '1', SETTINGS_ADDRESS_SIZE))
SPOIL(socket_path,
    memcpy(settings.listen[1].address, "/run/../x", sizeof("/run/../x")))
SPOIL(tls, settings.listen[0].tls = 1)
SPOIL(half_tls, settings.tls_cert[0] = '/')
SPOIL(roots, settings.nroots = 1)
SPOIL(origin_end, settings.norigins = 1;
      memset(settings.origins[0], 'a', SETTINGS_ORIGIN_SIZE))
SPOIL(jails, settings.limits.jails = 0)
SPOIL(jails_many, settings.limits.jails = 4001)
SPOIL(queue, settings.limits.queue = 0)
SPOIL(workers_tenant, settings.workers_tenant = 4001)
SPOIL(archive, settings.limits.archive_bytes = UINT64_MAX)
SPOIL(agent, settings.limits.agent_bytes = 0)
SPOIL(workers, settings.workers = 0)
SPOIL(retention, settings.retention.runs_ms = UINT64_MAX)

static void (*const settings_spoils[])(void) = { spoil_magic, spoil_version,
	spoil_size, spoil_no_listener, spoil_listeners, spoil_no_tenant,
	spoil_tenants, spoil_tenant_path, spoil_tenant_end, spoil_kind,
	spoil_port, spoil_address_end, spoil_socket_path, spoil_tls,
	spoil_half_tls, spoil_roots, spoil_origin_end, spoil_jails,
	spoil_jails_many, spoil_queue, spoil_workers_tenant, spoil_archive,
	spoil_agent, spoil_workers, spoil_retention };

SPOIL(record_magic, record.magic++)
SPOIL(record_version, record.version++)
SPOIL(record_size, record.size++)
SPOIL(protocol, record.protocol = AGENT_PROTOCOL__MAX)
SPOIL(policy, record.policy = AGENT_POLICY__MAX)
SPOIL(no_args, record.nargs = 0)
SPOIL(args, record.nargs = AGENT_ARGS_MAX + 1)
SPOIL(more_args, record.nargs = 3)
SPOIL(env, record.nenv = AGENT_ENV_MAX + 1)
SPOIL(more_env, record.nenv = 2)
SPOIL(less_env, record.nenv = 0)
SPOIL(strings, record.nstrings = AGENT_STRINGS_MAX + 1)
SPOIL(no_end, record.nstrings--)
SPOIL(no_program, record.strings[0] = '\0')
SPOIL(no_equals, record.strings[7] = 'x')
SPOIL(no_variable, record.strings[6] = '=')
SPOIL(name, record.name[0] = '\0')
SPOIL(name_end, memset(record.name, 'a', sizeof(record.name)))
SPOIL(file, record.policy = AGENT_POLICY_FILE)
SPOIL(file_up, record.policy = AGENT_POLICY_FILE;
      memcpy(record.policy_file, "a/../b", sizeof("a/../b")))
SPOIL(file_absolute, record.policy = AGENT_POLICY_FILE;
      memcpy(record.policy_file, "/etc/x", sizeof("/etc/x")))
SPOIL(file_end, memset(record.policy_file, 'a', sizeof(record.policy_file)))

static void (*const record_spoils[])(void) = { spoil_record_magic,
	spoil_record_version, spoil_record_size, spoil_protocol, spoil_policy,
	spoil_no_args, spoil_args, spoil_more_args, spoil_env, spoil_more_env,
	spoil_less_env, spoil_strings, spoil_no_end, spoil_no_program,
	spoil_no_equals, spoil_no_variable, spoil_name, spoil_name_end,
	spoil_file, spoil_file_up, spoil_file_absolute, spoil_file_end };

static void
settings_check__each_defect__refused(void **state)
{
	struct err e;
	size_t i;

	(void)state;
	good_settings();
	assert_int_equal(0, settings_check(&settings, sizeof(settings), &e));
	assert_int_equal(-1,
	    settings_check(&settings, sizeof(settings) - 1, &e));
	for (i = 0; i < countof(settings_spoils); i++) {
		good_settings();
		settings_spoils[i]();
		if (settings_check(&settings, sizeof(settings), &e) != -1)
			fail_msg("row %zu", i);
		assert_int_equal(ERR_CORRUPT, e.code);
	}
}

static void
settings_is_tenant__names__closed_alphabet(void **state)
{
	char longest[42];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[40] = '\0';
	assert_true(settings_is_tenant(longest, sizeof(longest)));
	longest[40] = 'a';
	longest[41] = '\0';
	assert_false(settings_is_tenant(longest, sizeof(longest)));
	assert_true(settings_is_tenant("a-1", 4));
	assert_false(settings_is_tenant("a-1", 3)); /* its NUL is beyond */
	assert_false(settings_is_tenant("", 1));
	assert_false(settings_is_tenant("A", 2));
	assert_false(settings_is_tenant(".", 2));
	assert_false(settings_is_tenant("a/b", 4));
}

static void
agent_record_check__each_defect__refused(void **state)
{
	struct err e;
	size_t i;

	(void)state;
	good_record();
	assert_int_equal(0, agent_record_check(&record, sizeof(record), &e));
	assert_int_equal(-1,
	    agent_record_check(&record, sizeof(record) - 1, &e));
	for (i = 0; i < countof(record_spoils); i++) {
		good_record();
		record_spoils[i]();
		if (agent_record_check(&record, sizeof(record), &e) != -1)
			fail_msg("row %zu", i);
		assert_int_equal(ERR_CORRUPT, e.code);
	}
}

static void
agent_record_split__good__both_vectors(void **state)
{
	const char *argv[AGENT_ARGS_MAX + 1], *env[AGENT_ENV_MAX + 1];

	(void)state;
	good_record();
	agent_record_split(&record, argv, env);
	assert_string_equal("sh", argv[0]);
	assert_string_equal("-c", argv[1]);
	assert_null(argv[2]);
	assert_string_equal("A=b", env[0]);
	assert_null(env[1]);
}

static void
settings_share__said_or_not__never_all_where_there_are_more(void **state)
{
	static const struct {
		uint32_t workers, said, tenants, share;
	} rows[] = {
		{ 32, 0, 1, 32 },
		{ 32, 0, 2, 24 },
		{ 1, 0, 2, 1 },
		{ 4, 0, 64, 3 },
		{ 32, 8, 1, 8 },
		{ 32, 100, 2, 32 },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		good_settings();
		settings.workers = rows[i].workers;
		settings.workers_tenant = rows[i].said;
		settings.ntenants = rows[i].tenants;
		assert_int_equal(settings_share(&settings), rows[i].share);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    settings_share__said_or_not__never_all_where_there_are_more),
		cmocka_unit_test(settings_check__each_defect__refused),
		cmocka_unit_test(settings_is_tenant__names__closed_alphabet),
		cmocka_unit_test(agent_record_check__each_defect__refused),
		cmocka_unit_test(agent_record_split__good__both_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
