/* Agents and assistants. */
#include <string.h>

#include "op.h"
#include "uuid.h"

/* ---- agents ---- */

#define AGENT_COLUMNS                                                          \
	"tenant, name, version, digest, policy_digest, manifest, description," \
	" created_at_ms"

static int
agent_newest(struct db *d, const char *tenant, const char *name,
    struct storage_agent *ret, struct err *e)
{
	d->v.tenant = tenant;
	d->v.a = name;
	return db_one(d,
	    "SELECT " AGENT_COLUMNS " FROM agent WHERE tenant = $tenant"
	    " AND name = $a ORDER BY version DESC LIMIT 1",
	    record_agent(), ret, e);
}

/* The assistant that a graph has from the beginning. */
static int
agent_assistant(struct db *d, const struct storage_agent_put_request *q,
    struct err *e)
{
	char id[UUID_SIZE];

	uuid_v5(q->name, id);
	d->v.id = id;
	if (db_exec(d,
		"INSERT INTO assistant_version (tenant, assistant_id, version,"
		" graph_id, config, context, metadata, name, created_at_ms)"
		" VALUES (:tenant, $id, 1, :name, '{}', '{}',"
		" '{\"created_by\":\"system\"}', :name, $now)"
		" ON CONFLICT DO NOTHING",
		e) == -1)
		return -1;
	return db_exec(d,
	    "INSERT INTO assistant (tenant, assistant_id, version,"
	    " created_at_ms, updated_at_ms)"
	    " VALUES (:tenant, $id, 1, $now, $now) ON CONFLICT DO NOTHING",
	    e);
}

static int
agent_same(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

int
op_agent_put(struct db *d, const struct storage_agent_put_request *q,
    struct storage_agent *r, struct err *e)
{
	int rc;

	if (q->name == NULL || q->name[0] == '\0' || q->digest == NULL)
		return err_set(e, ERR_INVALID,
		    "an agent has a name and a digest");
	rc = agent_newest(d, q->tenant, q->name, r, e);
	if (rc == -1)
		return -1;
	if (rc == 0 || !agent_same(r->digest, q->digest) ||
	    !agent_same(r->policy_digest, q->policy_digest)) {
		d->v.n = rc == 0 ? 1 : r->version + 1;
		rc = db_one(d,
		    "INSERT INTO agent (tenant, name, version, digest,"
		    " policy_digest, manifest, created_at_ms) VALUES (:tenant,"
		    " :name, $n, :digest, :policy_digest, :manifest, $now)"
		    " RETURNING " AGENT_COLUMNS,
		    record_agent(), r, e);
		if (rc == -1)
			return -1;
	}
	return agent_assistant(d, q, e);
}

int
op_agent_get(struct db *d, const struct storage_agent_get_request *q,
    struct storage_agent *r, struct err *e)
{
	int rc;

	rc = db_one(d,
	    "SELECT " AGENT_COLUMNS " FROM agent WHERE tenant = :tenant"
	    " AND name = :name AND (:version = 0 OR version = :version)"
	    " ORDER BY version DESC LIMIT 1",
	    record_agent(), r, e);
	return rc == 0 ? op_not_found("agent", q->name, e) : rc == 1 ? 0 : -1;
}

int
op_agent_list(struct db *d, const struct storage_agent_list_request *q,
    struct storage_agents *r, struct err *e)
{
	int64_t limit = q->limit;

	if (op_check_page(&limit, q->offset, e) == -1 ||
	    db_number(d,
		"SELECT count(DISTINCT name) FROM agent"
		" WHERE tenant = :tenant",
		&r->total, e) == -1)
		return -1;
	d->v.n = limit;
	return db_rows(d,
	    "SELECT " AGENT_COLUMNS " FROM agent a WHERE tenant = :tenant"
	    " AND version = (SELECT max(version) FROM agent b"
	    " WHERE b.tenant = a.tenant AND b.name = a.name)"
	    " ORDER BY name LIMIT $n OFFSET :offset",
	    record_agent(), &r->rows, e);
}

int
op_agent_versions(struct db *d, const struct storage_agent_versions_request *q,
    struct storage_agents *r, struct err *e)
{
	int64_t limit = q->limit;

	if (op_check_page(&limit, q->offset, e) == -1 ||
	    db_number(d,
		"SELECT count(*) FROM agent WHERE tenant = :tenant"
		" AND name = :name",
		&r->total, e) == -1)
		return -1;
	if (r->total == 0)
		return op_not_found("agent", q->name, e);
	d->v.n = limit;
	return db_rows(d,
	    "SELECT " AGENT_COLUMNS " FROM agent WHERE tenant = :tenant"
	    " AND name = :name ORDER BY version DESC LIMIT $n OFFSET :offset",
	    record_agent(), &r->rows, e);
}

int
op_agent_describe(struct db *d, const struct storage_agent_describe_request *q,
    struct storage_none *r, struct err *e)
{
	if (db_exec(d,
		"UPDATE agent SET description = :description"
		" WHERE tenant = :tenant AND name = :name"
		" AND version = :version",
		e) == -1)
		return -1;
	if (db_changes(d) == 0)
		return op_not_found("agent", q->name, e);
	r->done = 1;
	return 0;
}

/* ---- assistants ---- */

#define ASSISTANT_COLUMNS                                         \
	"a.assistant_id AS assistant_id, v.graph_id AS graph_id," \
	" v.version AS version, v.config AS config, v.context AS" \
	" context, v.metadata AS metadata, v.name AS name,"       \
	" v.description AS description, a.created_at_ms AS"       \
	" created_at_ms, a.updated_at_ms AS updated_at_ms"

#define ASSISTANT_TABLES                                                    \
	" FROM assistant a JOIN assistant_version v ON v.tenant = a.tenant" \
	" AND v.assistant_id = a.assistant_id AND v.version = a.version"

int
op_assistant_find(struct db *d, const char *tenant, const char *id_or_graph,
    struct storage_assistant *ret, struct err *e)
{
	char id[UUID_SIZE];

	if (id_or_graph == NULL)
		return 0;
	uuid_v5(id_or_graph, id);
	d->v.tenant = tenant;
	d->v.a = uuid_valid(id_or_graph) ? id_or_graph : id;
	return db_one(d,
	    "SELECT " ASSISTANT_COLUMNS ASSISTANT_TABLES
	    " WHERE a.tenant = $tenant AND a.assistant_id = $a",
	    record_assistant(), ret, e);
}

static int
assistant_must(struct db *d, const char *tenant, const char *id,
    struct storage_assistant *ret, struct err *e)
{
	int rc = op_assistant_find(d, tenant, id, ret, e);

	return rc == 0 ? op_not_found("assistant", id, e) : rc == 1 ? 0 : -1;
}

static int
assistant_graph(struct db *d, const char *tenant, const char *graph,
    struct err *e)
{
	struct storage_agent agent;
	int rc = graph == NULL ? 0 : agent_newest(d, tenant, graph, &agent, e);

	return rc == 0 ? op_not_found("graph", graph, e) : rc == 1 ? 0 : -1;
}

/* Store "a" as its version; the assistant then is this one. */
static int
assistant_store(struct db *d, const char *tenant,
    const struct storage_assistant *a, struct err *e)
{
	struct op_with w = op_with(d, record_assistant(), a);
	int rc;

	d->v.tenant = tenant;
	rc = db_exec(d,
	    "INSERT INTO assistant_version (tenant, assistant_id, version,"
	    " graph_id, config, context, metadata, name, description,"
	    " created_at_ms) VALUES ($tenant, :assistant_id, :version,"
	    " :graph_id, ifnull(:config, '{}'), ifnull(:context, '{}'),"
	    " ifnull(:metadata, '{}'), ifnull(:name, :graph_id),"
	    " :description, $now)",
	    e);
	if (rc == 0)
		rc = db_exec(d,
		    "INSERT INTO assistant (tenant, assistant_id, version,"
		    " created_at_ms, updated_at_ms)"
		    " VALUES ($tenant, :assistant_id, :version, $now, $now)"
		    " ON CONFLICT DO UPDATE SET version = excluded.version,"
		    " updated_at_ms = excluded.updated_at_ms",
		    e);
	op_with_end(d, &w);
	return rc;
}

static const char *const if_exists[] = { "raise", "do_nothing" };

int
op_assistant_create(struct db *d,
    const struct storage_assistant_create_request *q,
    struct storage_assistant *r, struct err *e)
{
	char id[UUID_SIZE];
	struct storage_assistant a = { .assistant_id = q->assistant_id,
		.version = 1,
		.graph_id = q->graph_id,
		.config = q->config,
		.context = q->context,
		.metadata = q->metadata,
		.name = q->name,
		.description = q->description };
	int rc;

	if (op_check_word("if_exists", q->if_exists, if_exists,
		countof(if_exists), e) == -1)
		return -1;
	rc = op_assistant_find(d, q->tenant, q->assistant_id, r, e);
	if (rc == -1)
		return -1;
	if (rc == 1 && q->if_exists != NULL &&
	    strcmp(q->if_exists, "do_nothing") == 0)
		return 0;
	if (rc == 1)
		return err_set(e, ERR_CONFLICT, "Assistant already exists");
	if (assistant_graph(d, q->tenant, q->graph_id, e) == -1)
		return -1;
	uuid_v7(id);
	if (a.assistant_id == NULL)
		a.assistant_id = id;
	if (assistant_store(d, q->tenant, &a, e) == -1)
		return -1;
	return assistant_must(d, q->tenant, a.assistant_id, r, e);
}

int
op_assistant_get(struct db *d, const struct storage_assistant_get_request *q,
    struct storage_assistant *r, struct err *e)
{
	return assistant_must(d, q->tenant, q->assistant_id, r, e);
}

#define ASSISTANT_WHERE                                                  \
	" WHERE a.tenant = :tenant"                                      \
	" AND (:graph_id IS NULL OR v.graph_id = :graph_id)"             \
	" AND (:name IS NULL OR instr(lower(v.name), lower(:name)) > 0)" \
	" AND warder_contains(v.metadata, :metadata)"

#define ASSISTANT_SORT                                             \
	"CASE $a WHEN 'assistant_id' THEN a.assistant_id"          \
	" WHEN 'updated_at' THEN a.updated_at_ms"                  \
	" WHEN 'name' THEN v.name WHEN 'graph_id' THEN v.graph_id" \
	" ELSE a.created_at_ms END"

int
op_assistant_search(struct db *d,
    const struct storage_assistant_search_request *q,
    struct storage_assistants *r, struct err *e)
{
	static const char *const names[] = { "assistant_id", "created_at",
		"updated_at", "name", "graph_id" };
	int64_t limit = q->limit;

	if (op_check_page(&limit, q->offset, e) == -1 ||
	    op_order(d, q->sort_by, q->sort_order, names, countof(names), e) ==
		-1)
		return -1;
	d->v.n = limit;
	if (db_number(d, "SELECT count(*)" ASSISTANT_TABLES ASSISTANT_WHERE,
		&r->total, e) == -1)
		return -1;
	return db_rows(d,
	    "SELECT " ASSISTANT_COLUMNS ASSISTANT_TABLES ASSISTANT_WHERE
	    " ORDER BY CASE WHEN $k THEN " ASSISTANT_SORT " END DESC,"
	    " CASE WHEN NOT $k THEN " ASSISTANT_SORT " END,"
	    " a.assistant_id LIMIT $n OFFSET :offset",
	    record_assistant(), &r->rows, e);
}

int
op_assistant_count(struct db *d,
    const struct storage_assistant_count_request *q, struct storage_count *r,
    struct err *e)
{
	(void)q;
	return db_number(d, "SELECT count(*)" ASSISTANT_TABLES ASSISTANT_WHERE,
	    &r->count, e);
}

static int
assistant_last_version(struct db *d, const char *tenant, const char *id,
    int64_t *ret, struct err *e)
{
	d->v.tenant = tenant;
	d->v.a = id;
	return db_number(d,
	    "SELECT max(version) FROM assistant_version"
	    " WHERE tenant = $tenant AND assistant_id = $a",
	    ret, e);
}

/* The old text unless there is a new one. */
static const char *
assistant_or(const char *now, const char *before)
{
	return now != NULL ? now : before;
}

int
op_assistant_patch(struct db *d,
    const struct storage_assistant_patch_request *q,
    struct storage_assistant *r, struct err *e)
{
	struct storage_assistant a;
	int64_t last;

	if (assistant_must(d, q->tenant, q->assistant_id, &a, e) == -1 ||
	    (q->graph_id != NULL &&
		assistant_graph(d, q->tenant, q->graph_id, e) == -1) ||
	    assistant_last_version(d, q->tenant, a.assistant_id, &last, e) ==
		-1)
		return -1;
	d->v.a = a.metadata;
	if (db_text(d, "SELECT warder_merge($a, :metadata)", &a.metadata, e) ==
	    -1)
		return -1;
	a.version = last + 1;
	a.graph_id = assistant_or(q->graph_id, a.graph_id);
	a.config = assistant_or(q->config, a.config);
	a.context = assistant_or(q->context, a.context);
	a.name = assistant_or(q->name, a.name);
	a.description = assistant_or(q->description, a.description);
	if (assistant_store(d, q->tenant, &a, e) == -1)
		return -1;
	return assistant_must(d, q->tenant, a.assistant_id, r, e);
}

/* The threads that its runs named in their metadata. */
static int
assistant_threads(struct db *d, const char *tenant, const char *id,
    struct storage_run_cut *cut, struct err *e)
{
	struct storage_threads found = { 0 };
	size_t i;

	d->v.tenant = tenant;
	d->v.a = id;
	if (db_rows(d,
		"SELECT thread_id FROM thread WHERE tenant = $tenant"
		" AND json_extract(metadata, '$.assistant_id') = $a",
		record_thread(), &found.rows, e) == -1)
		return -1;
	for (i = 0; i < found.rows.n; i++)
		if (op_thread_remove(d, tenant, found.rows.v[i].thread_id, cut,
			e) == -1)
			return -1;
	cut->count = (int64_t)found.rows.n;
	return 0;
}

int
op_assistant_delete(struct db *d,
    const struct storage_assistant_delete_request *q, struct storage_run_cut *r,
    struct err *e)
{
	struct storage_assistant a;

	if (assistant_must(d, q->tenant, q->assistant_id, &a, e) == -1)
		return -1;
	if (q->delete_threads &&
	    assistant_threads(d, q->tenant, a.assistant_id, r, e) == -1)
		return -1;
	d->v.a = a.assistant_id;
	if (db_exec(d,
		"DELETE FROM assistant_version WHERE tenant = :tenant"
		" AND assistant_id = $a",
		e) == -1)
		return -1;
	return db_exec(d,
	    "DELETE FROM assistant WHERE tenant = :tenant"
	    " AND assistant_id = $a",
	    e);
}

#define ASSISTANT_VERSIONS                                   \
	" FROM assistant_version v WHERE v.tenant = :tenant" \
	" AND v.assistant_id = $id"                          \
	" AND warder_contains(v.metadata, :metadata)"

int
op_assistant_versions(struct db *d,
    const struct storage_assistant_versions_request *q,
    struct storage_assistants *r, struct err *e)
{
	struct storage_assistant a;
	int64_t limit = q->limit;

	if (op_check_page(&limit, q->offset, e) == -1 ||
	    assistant_must(d, q->tenant, q->assistant_id, &a, e) == -1)
		return -1;
	d->v.id = a.assistant_id;
	d->v.n = limit;
	if (db_number(d, "SELECT count(*)" ASSISTANT_VERSIONS, &r->total, e) ==
	    -1)
		return -1;
	return db_rows(d,
	    "SELECT assistant_id, version, graph_id, config, context,"
	    " metadata, name, description, created_at_ms,"
	    " created_at_ms AS updated_at_ms" ASSISTANT_VERSIONS
	    " ORDER BY version DESC LIMIT $n OFFSET :offset",
	    record_assistant(), &r->rows, e);
}

int
op_assistant_latest(struct db *d,
    const struct storage_assistant_latest_request *q,
    struct storage_assistant *r, struct err *e)
{
	struct storage_assistant a;

	if (assistant_must(d, q->tenant, q->assistant_id, &a, e) == -1)
		return -1;
	d->v.a = a.assistant_id;
	if (db_exec(d,
		"UPDATE assistant SET version = :version, updated_at_ms = $now"
		" WHERE tenant = :tenant AND assistant_id = $a"
		" AND EXISTS (SELECT 1 FROM assistant_version v"
		" WHERE v.tenant = :tenant AND v.assistant_id = $a"
		" AND v.version = :version)",
		e) == -1)
		return -1;
	if (db_changes(d) == 0)
		return err_set(e, ERR_NOT_FOUND, "no such version");
	return assistant_must(d, q->tenant, a.assistant_id, r, e);
}
