/*
 * What else storage keeps, and how a database is opened: supervisor/control/
 * storage/op.c, op_agent.c, op_item.c, op_backup.c, schema.c, uuid.c.
 */
#include "unit_storage.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "../../supervisor/control/storage/uuid.h"

#define D .tenant = "default"

/* ---- tenants and keys ---- */

static void
key_find__revoked_expired_unknown__not_found(void **state)
{
	struct world *w = *state;
	struct storage_key k, found;
	struct storage_keys all;
	struct storage_tenants tenants;
	char hash[4][65];
	int i;

	for (i = 0; i < 4; i++) {
		memset(hash[i], 'a' + i, 64);
		hash[i][64] = '\0';
	}
	call(tenant_create, NULL, D);
	call(tenant_create, NULL, D);
	call(tenant_create, NULL, .tenant = "acme");
	call(tenant_list, &tenants, .limit = 10);
	assert_int_equal(tenants.rows.n, 2);
	call(key_create, &k, .tenant = "acme", .hash = hash[0], .name = "ci",
	    .role = "admin", .hint = "wdr_1234");
	call(key_find, &found, .hash = hash[0]);
	assert_string_equal(found.tenant, "acme");
	assert_string_equal(found.role, "admin");
	assert_string_equal(found.key_id, k.key_id);
	refuse(key_create, ERR_CONFLICT, "exists", D, .hash = hash[0]);
	refuse(key_create, ERR_INVALID, "SHA-256", D, .hash = "abc");
	refuse(key_find, ERR_NOT_FOUND, "key", .hash = hash[1]);
	/* another tenant cannot take it away */
	refuse(key_revoke, ERR_NOT_FOUND, "key", D, .key_id = k.key_id);
	call(key_find, NULL, .hash = hash[0]);
	call(key_revoke, &found, .tenant = "acme", .key_id = k.key_id);
	assert_true(found.revoked_at_ms > 0);
	refuse(key_find, ERR_NOT_FOUND, "key", .hash = hash[0]);
	call(key_create, NULL, D, .hash = hash[2], .expires_at_ms = 1);
	refuse(key_find, ERR_NOT_FOUND, "key", .hash = hash[2]);
	call(key_list, &all, .tenant = "acme");
	assert_int_equal(all.rows.n, 1);
}

/* ---- agents and assistants ---- */

static void
agent_put__digest_or_policy_changed__a_new_version(void **state)
{
	struct world *w = *state;
	struct storage_agent a;
	struct storage_agents all;
	struct storage_assistant as;

	call(agent_put, &a, D, .name = "agent", .digest = "1",
	    .policy_digest = "p", .manifest = "{}");
	assert_int_equal(a.version, 1);
	call(agent_put, &a, D, .name = "agent", .digest = "1",
	    .policy_digest = "p", .manifest = "{}");
	assert_int_equal(a.version, 1);
	call(agent_put, &a, D, .name = "agent", .digest = "1",
	    .policy_digest = "q", .manifest = "{}");
	assert_int_equal(a.version, 2);
	call(agent_put, &a, D, .name = "agent", .digest = "2",
	    .policy_digest = "q", .manifest = "{\"x\":1}");
	assert_int_equal(a.version, 3);
	call(agent_put, NULL, D, .name = "second", .digest = "1");
	call(agent_get, &a, D, .name = "agent");
	assert_string_equal(a.digest, "2");
	call(agent_get, &a, D, .name = "agent", .version = 1);
	assert_string_equal(a.policy_digest, "p");
	refuse(agent_get, ERR_NOT_FOUND, "agent", D, .name = "agent",
	    .version = 9);
	refuse(agent_get, ERR_NOT_FOUND, "agent", .tenant = "other",
	    .name = "agent");
	call(agent_list, &all, D);
	assert_int_equal(all.total, 2);
	assert_int_equal(all.rows.v[0].version, 3);
	call(agent_versions, &all, D, .name = "agent", .limit = 2);
	assert_int_equal(all.total, 3);
	assert_int_equal(all.rows.n, 2);
	call(agent_describe, NULL, D, .name = "agent", .version = 3,
	    .description = "{\"nodes\":[]}");
	call(agent_get, &a, D, .name = "agent");
	assert_string_equal(a.description, "{\"nodes\":[]}");
	call(assistant_get, &as, D, .assistant_id = "agent");
	assert_string_equal(as.metadata, "{\"created_by\":\"system\"}");
	assert_string_equal(as.name, "agent");
}

static void
assistant_patch__versions_and_latest__as_the_api_has_them(void **state)
{
	struct world *w = *state;
	struct storage_assistant a;
	struct storage_assistants all;
	const char *id;

	world_agent(w, "default", "agent");
	world_agent(w, "default", "other_graph");
	refuse(assistant_create, ERR_NOT_FOUND, "graph", D,
	    .graph_id = "nobody");
	call(assistant_create, &a, D, .graph_id = "agent", .name = "n1",
	    .metadata = "{\"k\":1}", .description = "d");
	id = a.assistant_id;
	assert_int_equal(a.version, 1);
	assert_string_equal(a.config, "{}");
	refuse(assistant_create, ERR_CONFLICT, "exists", D, .graph_id = "agent",
	    .assistant_id = id);
	call(assistant_create, &a, D, .graph_id = "agent", .assistant_id = id,
	    .if_exists = "do_nothing", .name = "x");
	assert_string_equal(a.name, "n1");
	call(assistant_patch, &a, D, .assistant_id = id,
	    .metadata = "{\"z\":2}", .config = "{\"c\":1}");
	assert_int_equal(a.version, 2);
	assert_string_equal(a.metadata, "{\"k\":1,\"z\":2}");
	assert_string_equal(a.description, "d");
	refuse(assistant_patch, ERR_NOT_FOUND, "graph", D, .assistant_id = id,
	    .graph_id = "nobody");
	refuse(assistant_patch, ERR_NOT_FOUND, "assistant", .tenant = "other",
	    .assistant_id = id, .name = "mine");
	call(assistant_versions, &all, D, .assistant_id = id);
	assert_int_equal(all.rows.n, 2);
	assert_int_equal(all.rows.v[0].version, 2);
	call(assistant_latest, &a, D, .assistant_id = id, .version = 1);
	assert_int_equal(a.version, 1);
	assert_string_equal(a.config, "{}");
	refuse(assistant_latest, ERR_NOT_FOUND, "version", D,
	    .assistant_id = id, .version = 7);
	/* the next is the third, though the first is current */
	call(assistant_patch, &a, D, .assistant_id = id,
	    .graph_id = "other_graph");
	assert_int_equal(a.version, 3);
	call(assistant_delete, NULL, D, .assistant_id = id);
	refuse(assistant_get, ERR_NOT_FOUND, "assistant", D,
	    .assistant_id = id);
}

static void
assistant_search__name_graph_metadata_sort__own_rows(void **state)
{
	struct world *w = *state;
	struct storage_assistants r;
	struct storage_count n;

	world_agent(w, "default", "agent");
	world_agent(w, "default", "zeta");
	world_agent(w, "other", "agent");
	call(assistant_create, NULL, D, .graph_id = "agent",
	    .name = "Writer 100%", .metadata = "{\"team\":\"a\"}");
	call(assistant_create, NULL, D, .graph_id = "zeta", .name = "writer_2",
	    .metadata = "{\"team\":\"a\"}");
	call(assistant_search, &r, D, .name = "WRITER");
	assert_int_equal(r.total, 2);
	/* no patterns */
	call(assistant_search, &r, D, .name = "%");
	assert_int_equal(r.total, 1);
	call(assistant_search, &r, D, .name = "r_2");
	assert_int_equal(r.total, 1);
	call(assistant_search, &r, D, .graph_id = "zeta", .sort_by = "name",
	    .sort_order = "asc");
	assert_int_equal(r.rows.n, 2);
	assert_string_equal(r.rows.v[0].name, "writer_2");
	call(assistant_count, &n, D, .metadata = "{\"team\":\"a\"}");
	assert_int_equal(n.count, 2);
	call(assistant_count, &n, D);
	assert_int_equal(n.count, 4);
	refuse(assistant_search, ERR_INVALID, "sort_by", D,
	    .sort_by = "config");
}

static void
assistant_delete__with_threads__those_that_it_ran_on(void **state)
{
	struct world *w = *state;
	struct storage_run_cut cut;
	struct storage_count n;

	world_agent(w, "default", "agent");
	world_agent(w, "default", "kept");
	call(run_create, NULL, D, .assistant_id = "agent", .thread_id = "t1",
	    .if_not_exists = "create");
	call(run_create, NULL, D, .assistant_id = "kept", .thread_id = "t2",
	    .if_not_exists = "create");
	call(assistant_delete, &cut, D, .assistant_id = "agent",
	    .delete_threads = 1);
	assert_int_equal(cut.count, 1);
	assert_int_equal(cut.ended.n, 1);
	call(thread_count, &n, D);
	assert_int_equal(n.count, 1);
}

/* ---- journal ---- */

static void
journal_put__a_key_twice__the_first_stays(void **state)
{
	struct world *w = *state;
	struct storage_journal j;
	struct storage_steps all;
	struct storage_claims c;
	const char *id;

	world_agent(w, "default", "agent");
	call(run_create, NULL, D, .assistant_id = "agent");
	call(run_claim, &c, .holder = "h", .lease_ms = 1000, .limit = 1);
	id = c.rows.v[0].run.v[0].run_id;
	call(journal_get, &j, D, .run_id = id, .key = "k");
	assert_int_equal(j.found, 0);
	call(journal_put, &j, D, .run_id = id, .fence = 1, .key = "k",
	    .type = "json", .data = { "1", 1 });
	assert_int_equal(j.found, 0);
	call(journal_put, &j, D, .run_id = id, .fence = 1, .key = "k",
	    .type = "json", .data = { "2", 1 });
	assert_int_equal(j.found, 1);
	assert_memory_equal(j.data.data, "1", 1);
	call(journal_put, NULL, D, .run_id = id, .fence = 1, .key = "a",
	    .data = { "", 0 });
	call(journal_list, &all, D, .run_id = id);
	assert_int_equal(all.rows.n, 2);
	assert_string_equal(all.rows.v[0].key, "k");
	call(journal_get, &j, .tenant = "other", .run_id = id, .key = "k");
	assert_int_equal(j.found, 0);
	refuse(journal_put, ERR_INVALID, "key", D, .run_id = id, .fence = 1,
	    .key = "");
}

/* ---- the store ---- */

#define OPS(...)                                                               \
	{                                                                      \
		(const struct storage_item_op[]){ __VA_ARGS__ },               \
		    countof(((const struct storage_item_op[]){ __VA_ARGS__ })) \
	}

static void
item_batch__in_order__each_sees_those_before_it(void **state)
{
	struct world *w = *state;
	struct storage_item_results r;

	call(item_put, NULL, D, .ns = texts("b"), .key = "old", .value = "{}");
	call(item_batch, &r, D,
	    .ops = OPS({ .op = "get", .ns = texts("a"), .key = "k" },
		{ .op = "put",
		    .ns = texts("a"),
		    .key = "k",
		    .value = "{\"n\":1}" },
		{ .op = "get", .ns = texts("a"), .key = "k" },
		{ .op = "put",
		    .ns = texts("a", "c"),
		    .key = "l",
		    .value = "{\"n\":2}" },
		{ .op = "search",
		    .ns = texts("a"),
		    .filter = "{\"n\":{\"$gt\":1}}" },
		{ .op = "list_namespaces", .suffix = texts("c") },
		{ .op = "delete", .ns = texts("b"), .key = "old" },
		{ .op = "delete", .ns = texts("b"), .key = "never" },
		{ .op = "get", .ns = texts("b"), .key = "old" }));
	assert_int_equal(r.rows.n, 9);
	assert_int_equal(r.rows.v[0].items.n, 0);
	assert_int_equal(r.rows.v[2].items.n, 1);
	assert_string_equal(r.rows.v[2].items.v[0].value, "{\"n\":1}");
	assert_int_equal(r.rows.v[4].items.n, 1);
	assert_string_equal(r.rows.v[4].items.v[0].key, "l");
	assert_int_equal(r.rows.v[4].items.v[0].ns.n, 2);
	assert_int_equal(r.rows.v[5].spaces.n, 1);
	assert_string_equal(r.rows.v[5].spaces.v[0].ns.v[0], "a");
	assert_int_equal(r.rows.v[8].items.n, 0);
	call(item_batch, &r, D, .ops = { NULL, 0 });
	assert_int_equal(r.rows.n, 0);
}

static void
item_batch__one_is_refused__none_is_done(void **state)
{
	struct world *w = *state;

	call(item_put, NULL, D, .ns = texts("a"), .key = "there",
	    .value = "{}");
	refuse(item_batch, ERR_INVALID, "operation 2: ", D,
	    .ops = OPS({ .op = "put",
			   .ns = texts("a"),
			   .key = "k",
			   .value = "{}" },
		{ .op = "delete", .ns = texts("a"), .key = "there" },
		{ .op = "put",
		    .ns = texts("a.b"),
		    .key = "k",
		    .value = "{}" }));
	refuse(item_get, ERR_NOT_FOUND, "k", D, .ns = texts("a"), .key = "k");
	call(item_get, NULL, D, .ns = texts("a"), .key = "there");
	refuse(item_batch, ERR_INVALID, "no operation \"drop\"", D,
	    .ops = OPS({ .op = "drop" }));
	refuse(item_batch, ERR_INVALID, "no operation", D,
	    .ops = OPS({ .key = "k" }));
	/* an attempt that lost its run writes nothing, also at the end */
	refuse(item_batch, ERR_CONFLICT, "operation 1: ", D, .run_id = "none",
	    .fence = 1,
	    .ops = OPS({ .op = "get", .ns = texts("a"), .key = "there" },
		{ .op = "put", .ns = texts("a"), .key = "k", .value = "{}" }));
	/* and another tenant sees none of it */
	call(item_batch, &(struct storage_item_results){ 0 }, .tenant = "other",
	    .ops = OPS({ .op = "delete", .ns = texts("a"), .key = "there" }));
	call(item_get, NULL, D, .ns = texts("a"), .key = "there");
}

static void
item_put__read_replaced_deleted__own_namespace_and_tenant(void **state)
{
	struct world *w = *state;
	struct storage_item i;

	call(item_put, NULL, D, .ns = texts("a", "b"), .key = "k",
	    .value = "{\"n\":1}");
	call(item_put, NULL, D, .ns = texts("a", "b"), .key = "k",
	    .value = "{\"n\":2}");
	call(item_get, &i, D, .ns = texts("a", "b"), .key = "k");
	assert_string_equal(i.value, "{\"n\":2}");
	assert_int_equal(i.ns.n, 2);
	assert_string_equal(i.ns.v[1], "b");
	refuse(item_get, ERR_NOT_FOUND, "item", .tenant = "other",
	    .ns = texts("a", "b"), .key = "k");
	refuse(item_get, ERR_NOT_FOUND, "item", D, .ns = texts("a"),
	    .key = "k");
	refuse(item_put, ERR_INVALID, "Namespace is required", D, .key = "k",
	    .value = "{}");
	refuse(item_put, ERR_INVALID, "periods", D, .ns = texts("a.b"),
	    .key = "k", .value = "{}");
	refuse(item_put, ERR_INVALID, "periods", D, .ns = texts("a", ""),
	    .key = "k", .value = "{}");
	/* an attempt's needs its fence */
	refuse(item_put, ERR_CONFLICT, "does not have", D, .ns = texts("a"),
	    .key = "k", .value = "{}", .run_id = "r", .fence = 1);
	call(item_delete, NULL, .tenant = "other", .ns = texts("a", "b"),
	    .key = "k");
	call(item_get, NULL, D, .ns = texts("a", "b"), .key = "k");
	call(item_delete, NULL, D, .ns = texts("a", "b"), .key = "k");
	refuse(item_get, ERR_NOT_FOUND, "item", D, .ns = texts("a", "b"),
	    .key = "k");
}

static void
item_search__prefix__labels_are_no_patterns(void **state)
{
	static const char *const spaces[][3] = {
		{ "a", "b", NULL },
		{ "a", "bc", NULL },
		{ "a_", "b", NULL },
		{ "a%", "b", NULL },
		{ "ax", "b", NULL },
		{ "a", NULL, NULL },
		{ "a-", "b", NULL },
		{ "a/", "b", NULL },
	};

	static const struct {
		const char *prefix;
		size_t n;
	} rows[] = {
		{ "a", 3 },
		{ "a_", 1 },
		{ "a%", 1 },
		{ "ax", 1 },
		{ "a/", 1 },
		{ "a-", 1 },
		{ "%", 0 },
		{ "_", 0 },
		{ "b", 0 },
	};
	struct world *w = *state;
	struct storage_items r;
	size_t i;

	for (i = 0; i < countof(spaces); i++)
		call(item_put, NULL, D,
		    .ns = { spaces[i], spaces[i][1] == NULL ? 1 : 2 },
		    .key = "k", .value = "{}");
	call(item_put, NULL, .tenant = "other", .ns = texts("a", "b"),
	    .key = "secret", .value = "{}");
	for (i = 0; i < countof(rows); i++) {
		call(item_search, &r, D, .ns = texts(rows[i].prefix));
		assert_int_equal(r.rows.n, rows[i].n);
	}
	call(item_search, &r, D, .limit = 100);
	assert_int_equal(r.rows.n, countof(spaces));
	call(item_search, &r, D, .ns = texts("a", "b"));
	assert_int_equal(r.rows.n, 1);
	assert_int_equal(r.rows.v[0].ns.n, 2);
}

static void
item_search__filters__by_operator(void **state)
{
	static const struct {
		const char *filter;
		size_t n;
	} rows[] = {
		{ "{\"n\":5}", 1 },
		{ "{\"n\":5.0}", 1 },
		{ "{\"n\":{\"$eq\":5}}", 1 },
		{ "{\"n\":{\"$ne\":5}}", 11 },
		{ "{\"n\":{\"$gt\":7}}", 2 },
		{ "{\"n\":{\"$gte\":7}}", 3 },
		{ "{\"n\":{\"$lt\":2}}", 2 },
		{ "{\"n\":{\"$lte\":2}}", 3 },
		{ "{\"n\":{\"$gt\":2,\"$lt\":5}}", 2 },
		{ "{\"n\":{\"$gt\":\"2\"}}", 0 },
		{ "{\"s\":{\"$gt\":\"m\"}}", 1 },
		{ "{\"s\":\"zz\",\"o\":{\"x\":1}}", 1 },
		{ "{\"o\":{\"x\":2}}", 0 },
		{ "{\"missing\":null}", 0 },
		{ "{}", 12 },
	};
	struct world *w = *state;
	struct storage_items r;
	char key[8], value[32];
	size_t i;

	for (i = 0; i < 10; i++) {
		(void)snprintf(key, sizeof(key), "k%zu", i);
		(void)snprintf(value, sizeof(value), "{\"n\":%zu}", i);
		call(item_put, NULL, D, .ns = texts("a"), .key = key,
		    .value = value);
	}
	call(item_put, NULL, D, .ns = texts("a"), .key = "s",
	    .value = "{\"s\":\"zz\",\"o\":{\"x\":1}}");
	call(item_put, NULL, D, .ns = texts("a"), .key = "t",
	    .value = "{\"s\":\"aa\"}");
	for (i = 0; i < countof(rows); i++) {
		call(item_search, &r, D, .ns = texts("a"),
		    .filter = rows[i].filter, .limit = 100);
		if (r.rows.n != rows[i].n)
			fail_msg("%s: %zu, not %zu", rows[i].filter, r.rows.n,
			    rows[i].n);
	}
	refuse(item_search, ERR_INVALID, "none of", D, .ns = texts("a"),
	    .filter = "{\"n\":{\"$regex\":\".\"}}");
	refuse(item_search, ERR_INVALID, "object", D, .ns = texts("a"),
	    .filter = "[]");
	call(item_search, &r, D, .ns = texts("a"), .limit = 5, .offset = 10);
	assert_int_equal(r.rows.n, 2);
}

static void
item_spaces__prefix_suffix_depth__wildcards_are_labels(void **state)
{
	struct world *w = *state;
	struct storage_spaces r;

	call(item_put, NULL, D, .ns = texts("u", "1", "notes"), .key = "k",
	    .value = "{}");
	call(item_put, NULL, D, .ns = texts("u", "1", "notes", "old"),
	    .key = "k", .value = "{}");
	call(item_put, NULL, D, .ns = texts("u", "2", "notes"), .key = "k",
	    .value = "{}");
	call(item_put, NULL, D, .ns = texts("v", "2", "notes"), .key = "k",
	    .value = "{}");
	call(item_put, NULL, .tenant = "other", .ns = texts("u", "9"),
	    .key = "k", .value = "{}");
	call(item_spaces, &r, D);
	assert_int_equal(r.rows.n, 4);
	call(item_spaces, &r, D, .prefix = texts("u"));
	assert_int_equal(r.rows.n, 3);
	call(item_spaces, &r, D, .prefix = texts("u"), .max_depth = 2);
	assert_int_equal(r.rows.n, 2);
	assert_int_equal(r.rows.v[0].ns.n, 2);
	assert_string_equal(r.rows.v[1].ns.v[1], "2");
	call(item_spaces, &r, D, .prefix = texts("*", "2"));
	assert_int_equal(r.rows.n, 2);
	call(item_spaces, &r, D, .suffix = texts("notes"));
	assert_int_equal(r.rows.n, 3);
	call(item_spaces, &r, D, .prefix = texts("u"),
	    .suffix = texts("*", "old"));
	assert_int_equal(r.rows.n, 1);
	call(item_spaces, &r, D, .limit = 1, .offset = 3);
	assert_int_equal(r.rows.n, 1);
}

static void
item_ttl__over__gone_refreshed_by_reading(void **state)
{
	struct world *w = *state;
	struct storage_items r;
	struct storage_count n;

	call(item_put, NULL, D, .ns = texts("a"), .key = "short", .ttl_ms = 1,
	    .value = "{}");
	call(item_put, NULL, D, .ns = texts("a"), .key = "long",
	    .ttl_ms = 3600000, .value = "{}");
	call(item_put, NULL, D, .ns = texts("a"), .key = "ever", .value = "{}");
	assert_int_equal(usleep(5000), 0);
	refuse(item_get, ERR_NOT_FOUND, "item", D, .ns = texts("a"),
	    .key = "short", .refresh_ttl = 1);
	call(item_search, &r, D, .ns = texts("a"));
	assert_int_equal(r.rows.n, 2);
	call(item_expire, &n, .limit = 10);
	assert_int_equal(n.count, 1);
	call(item_expire, &n, .limit = 10);
	assert_int_equal(n.count, 0);
}

/* ---- opening ---- */

static void
spoil(const char *path, const char *sql)
{
	sqlite3 *h;

	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
}

static void
storage_create__newer_foreign_damaged__refused_with_the_reason(void **state)
{
	struct world *w = *state;
	int fd, fds;
	off_t at;

	world_close(w);
	fds = unit_count_fds();
	spoil(w->path, "PRAGMA user_version = 999");
	assert_refused(world_open(w), &w->err, ERR_UNSUPPORTED, "newer");
	spoil(w->path, "PRAGMA user_version = 1; PRAGMA application_id = 7");
	assert_refused(world_open(w), &w->err, ERR_CORRUPT, "no database of");
	spoil(w->path, "PRAGMA application_id = 1466004068");
	/* the control: that was all that was wrong with it */
	assert_int_equal(world_open(w), 0);
	for (at = 0; at < 300; at++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "t%jd", (intmax_t)at);
		call(thread_create, NULL, D, .thread_id = id);
	}
	world_close(w);
	fd = open(w->path, O_RDWR);
	assert_true(fd != -1);
	/* pages of the middle */
	for (at = 4096L * 8; at < 4096L * 40; at += 4096)
		assert_int_equal(pwrite(fd, "damaged!damaged!", 16, at), 16);
	assert_int_equal(close(fd), 0);
	assert_refused(world_open(w), &w->err, ERR_CORRUPT, "database");
	fd = open(w->path, O_RDWR | O_TRUNC);
	assert_int_equal(write(fd, "this is a letter, not a database", 32), 32);
	assert_int_equal(close(fd), 0);
	assert_refused(world_open(w), &w->err, ERR_CORRUPT, "");
	assert_int_equal(unit_count_fds(), fds);
}

static void
storage_create__open_elsewhere__refused(void **state)
{
	struct world *w = *state;
	struct storage_config c = { .path = w->path };
	struct storage *second;
	struct err e;

	assert_refused(storage_create(w->loop, &c, &second, &e), &e,
	    ERR_CONFLICT, "another process");
	world_close(w);
	assert_int_equal(storage_create(w->loop, &c, &second, &e), 0);
	storage_destroy(second);
	c.path = "/nowhere/at/all/db";
	assert_refused(storage_create(w->loop, &c, &second, &e), &e, ERR_SYSTEM,
	    "/nowhere");
}

static void
backup__in_use__a_database_of_that_moment(void **state)
{
	struct world *w = *state;
	struct storage_count n;
	struct stat st;
	char path[sizeof(w->path)], id[16];
	int i;

	(void)snprintf(path, sizeof(path), "%.63s/copy", w->dir);
	for (i = 0; i < 50; i++) {
		(void)snprintf(id, sizeof(id), "t%d", i);
		call(thread_create, NULL, D, .thread_id = id);
	}
	call(backup, NULL, .path = path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	refuse(backup, ERR_CONFLICT, "exists", .path = path);
	refuse(backup, ERR_INVALID, "whole path", .path = "copy");
	refuse(backup, ERR_SYSTEM, "/nowhere", .path = "/nowhere/copy");
	call(thread_create, NULL, D);
	call(check, NULL, 0);
	world_close(w);
	memcpy(w->path, path, sizeof(path));
	assert_int_equal(world_open(w), 0);
	call(thread_count, &n, D);
	assert_int_equal(n.count, 50);
}

static void
count_answers(void *arg, const struct storage_none *r, const struct err *e)
{
	(void)r;
	(void)e;
	++*(int *)arg;
}

static void
tick_over(void *arg)
{
	loop_stop(arg);
}

static void
storage_submit__too_much_waits__refused_and_told_why(void **state)
{
	struct world *w = *state;
	struct storage_tenant_create_request q = { "default" };
	struct loop_timer *tick;
	struct err e;
	int i, answers = 0, asked = 0;

	assert_int_equal(loop_timer_create(w->loop, tick_over, w->loop, &tick,
			     &e),
	    0);
	for (i = 0; i < STORAGE_QUEUE_MAX; i++)
		asked += storage_tenant_create(w->storage, &q, count_answers,
			     &answers, &e) == 0;
	assert_int_equal(asked, STORAGE_QUEUE_MAX);
	assert_refused(storage_tenant_create(w->storage, &q, count_answers,
			   &answers, &e),
	    &e, ERR_LIMIT, "later");
	/* the loop stops when there is nothing to wait for */
	while (answers < asked) {
		assert_int_equal(loop_timer_set(tick, 5, &e), 0);
		assert_int_equal(loop_run(w->loop, &e), 0);
	}
	loop_timer_destroy(tick);
	assert_int_equal(storage_pending(w->storage), 0);
	/* forgotten: carried out, not told */
	assert_int_equal(storage_tenant_create(w->storage, &q, count_answers,
			     &asked, &e),
	    0);
	storage_forget(w->storage, &asked);
	call(tenant_create, NULL, .tenant = "last");
	assert_int_equal(asked, STORAGE_QUEUE_MAX);
}

/* A batch in which one fails after it has written: the others stay. */
static void
storage_batch__one_is_refused__takes_back_its_own_alone(void **state)
{
	struct world *w = *state;
	struct storage_run_cancel_request bad;
	struct storage_runs all;
	struct storage_run_made m[3];
	struct err e;
	size_t i;

	world_agent(w, "default", "agent");
	for (i = 0; i < 3; i++)
		call(run_create, &m[i], D, .assistant_id = "agent");
	/* cancels the first, then finds that the second is not there */
	bad = (struct storage_run_cancel_request){ .tenant = "default",
		.run_ids = texts(m[0].rows.v[0].run_id, "nobody") };
	for (i = 0; i < 5; i++) {
		assert_int_equal(storage_run_cancel(w->storage, &bad, NULL,
				     NULL, &e),
		    0);
		assert_int_equal(storage_run_create(w->storage,
				     &(struct storage_run_create_request){
					 .tenant = "default",
					 .assistant_id = "agent" },
				     NULL, NULL, &e),
		    0);
		/* a temporary thread is made before the limit is found */
		assert_int_equal(storage_run_create(w->storage,
				     &(struct storage_run_create_request){
					 .tenant = "default",
					 .thread_id = "made",
					 .if_not_exists = "create",
					 .assistant_id = "agent",
					 .parent_run_id = "nobody" },
				     NULL, NULL, &e),
		    0);
	}
	call(tenant_create, NULL, D);
	call(run_list, &all, D, .status = "pending", .limit = 100);
	assert_int_equal(all.total, 8);
	refuse(thread_get, ERR_NOT_FOUND, "thread", D, .thread_id = "made");
}

/* ---- uuid ---- */

static void
uuid__versions__sorted_valid_and_the_known_name(void **state)
{
	char a[UUID_SIZE], b[UUID_SIZE];
	int i;

	(void)state;
	uuid_v5("agent", a);
	assert_string_equal(a, "fe096781-5601-53d2-b2f6-0d3403f7e9ca");
	uuid_v5("weather", a);
	assert_string_equal(a, "5fb44052-6611-57fc-99b4-527b0d62f788");
	uuid_v7(a);
	for (i = 0; i < 5000; i++) {
		uuid_v7(b);
		assert_true(strcmp(a, b) < 0);
		assert_true(uuid_valid(b));
		assert_int_equal(b[14], '7');
		memcpy(a, b, sizeof(a));
	}
	uuid_v6(-1, a);
	assert_memory_equal(a + 19, "bfff", 4);
	for (i = 0; i < 5000; i++) {
		uuid_v6(i, b);
		assert_true(strncmp(a, b, 18) < 0);
		assert_int_equal(b[14], '6');
		memcpy(a, b, sizeof(a));
	}
	assert_false(uuid_valid(""));
	assert_false(uuid_valid("agent"));
	assert_false(uuid_valid("fe096781-5601-53d2-b2f6-0d3403f7e9c"));
	assert_false(uuid_valid("fe096781-5601-53d2-b2f6-0d3403f7e9cag"));
	assert_false(uuid_valid("fe096781x5601-53d2-b2f6-0d3403f7e9ca"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		world_test(key_find__revoked_expired_unknown__not_found),
		world_test(agent_put__digest_or_policy_changed__a_new_version),
		world_test(
		    assistant_patch__versions_and_latest__as_the_api_has_them),
		world_test(
		    assistant_search__name_graph_metadata_sort__own_rows),
		world_test(
		    assistant_delete__with_threads__those_that_it_ran_on),
		world_test(journal_put__a_key_twice__the_first_stays),
		world_test(item_batch__in_order__each_sees_those_before_it),
		world_test(item_batch__one_is_refused__none_is_done),
		world_test(
		    item_put__read_replaced_deleted__own_namespace_and_tenant),
		world_test(item_search__prefix__labels_are_no_patterns),
		world_test(item_search__filters__by_operator),
		world_test(
		    item_spaces__prefix_suffix_depth__wildcards_are_labels),
		world_test(item_ttl__over__gone_refreshed_by_reading),
		world_test(
		    storage_create__newer_foreign_damaged__refused_with_the_reason),
		world_test(storage_create__open_elsewhere__refused),
		world_test(backup__in_use__a_database_of_that_moment),
		world_test(
		    storage_submit__too_much_waits__refused_and_told_why),
		world_test(
		    storage_batch__one_is_refused__takes_back_its_own_alone),
		cmocka_unit_test(
		    uuid__versions__sorted_valid_and_the_known_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
