#include <stdio.h>
#include <string.h>

#include "schema.h"

/*
 * Version 1.  The tenant is the first column of every key.  Times *_ms are
 * of the wall clock, *_at of the steady one (db.h).
 *
 * run.blocked: an earlier run of its thread comes first; only a hint that
 * keeps such runs out of the index of those that are due, since the claim
 * looks for itself.  lease has a row for each running attempt and no other.
 *
 * checkpoint.places says where each channel and each member of the values
 * lies: in which row's pack (pack.h).
 */
static const char version_1[] =
    "CREATE TABLE tenant ("
    " tenant TEXT NOT NULL PRIMARY KEY, created_at_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE api_key ("
    " tenant TEXT NOT NULL, key_id TEXT NOT NULL, hash TEXT NOT NULL UNIQUE,"
    " name TEXT, role TEXT, hint TEXT, created_at_ms INTEGER NOT NULL,"
    " expires_at_ms INTEGER NOT NULL, revoked_at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (tenant, key_id)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE agent ("
    " tenant TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,"
    " digest TEXT NOT NULL, policy_digest TEXT, manifest TEXT,"
    " description TEXT, created_at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (tenant, name, version)) STRICT;"

    "CREATE TABLE assistant ("
    " tenant TEXT NOT NULL, assistant_id TEXT NOT NULL,"
    " version INTEGER NOT NULL, created_at_ms INTEGER NOT NULL,"
    " updated_at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (tenant, assistant_id)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE assistant_version ("
    " tenant TEXT NOT NULL, assistant_id TEXT NOT NULL,"
    " version INTEGER NOT NULL, graph_id TEXT NOT NULL, config TEXT NOT NULL,"
    " context TEXT NOT NULL, metadata TEXT NOT NULL, name TEXT NOT NULL,"
    " description TEXT, created_at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (tenant, assistant_id, version)) STRICT;"

    "CREATE TABLE thread ("
    " tenant TEXT NOT NULL, thread_id TEXT NOT NULL, status TEXT NOT NULL,"
    " metadata TEXT NOT NULL, config TEXT NOT NULL,"
    " created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,"
    " state_updated_at_ms INTEGER NOT NULL, error TEXT, interrupts TEXT,"
    " ttl_ms INTEGER NOT NULL, ttl_strategy TEXT,"
    " expires_at_ms INTEGER NOT NULL, head INTEGER,"
    " PRIMARY KEY (tenant, thread_id)) STRICT;"
    "CREATE INDEX thread_by_time ON thread (tenant, created_at_ms);"
    "CREATE INDEX thread_by_end ON thread (expires_at_ms)"
    " WHERE expires_at_ms > 0;"

    "CREATE TABLE run ("
    " seq INTEGER PRIMARY KEY,"
    " tenant TEXT NOT NULL, run_id TEXT NOT NULL, thread_id TEXT NOT NULL,"
    " assistant_id TEXT NOT NULL, graph_id TEXT NOT NULL,"
    " status TEXT NOT NULL, blocked INTEGER NOT NULL, due_at INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL, fence INTEGER NOT NULL,"
    " retries_left INTEGER NOT NULL, losses INTEGER NOT NULL,"
    " created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,"
    " started_at_ms INTEGER NOT NULL, ended_at_ms INTEGER NOT NULL,"
    " wall_ms INTEGER NOT NULL, temporary INTEGER NOT NULL,"
    " cancel TEXT, cancel_reason TEXT, parent_run_id TEXT,"
    " root_run_id TEXT NOT NULL, depth INTEGER NOT NULL,"
    " children INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,"
    " events_kept INTEGER NOT NULL, multitask_strategy TEXT NOT NULL,"
    " metadata TEXT NOT NULL, error TEXT, output TEXT, kwargs TEXT NOT NULL,"
    " UNIQUE (tenant, run_id)) STRICT;"
    "CREATE INDEX run_by_thread ON run (tenant, thread_id, seq);"
    "CREATE INDEX run_active ON run (tenant, thread_id, seq)"
    " WHERE status IN ('pending', 'running');"
    "CREATE INDEX run_due ON run (due_at)"
    " WHERE status = 'pending' AND blocked = 0;"
    "CREATE INDEX run_over ON run (ended_at_ms)"
    " WHERE events_kept = 1 AND ended_at_ms > 0;"

    "CREATE TABLE lease ("
    " tenant TEXT NOT NULL, run_id TEXT NOT NULL, thread_id TEXT NOT NULL,"
    " fence INTEGER NOT NULL, holder TEXT NOT NULL, until_at INTEGER NOT NULL,"
    " stored_bytes INTEGER NOT NULL,"
    " PRIMARY KEY (tenant, run_id)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE event ("
    " tenant TEXT NOT NULL, run_id TEXT NOT NULL, seq INTEGER NOT NULL,"
    " name TEXT NOT NULL, ns TEXT, at_ms INTEGER NOT NULL, data TEXT,"
    " PRIMARY KEY (tenant, run_id, seq)) STRICT;"

    "CREATE TABLE checkpoint ("
    " id INTEGER PRIMARY KEY,"
    " tenant TEXT NOT NULL, thread_id TEXT NOT NULL, ns TEXT NOT NULL,"
    " checkpoint_id TEXT NOT NULL, parent_id TEXT, run_id TEXT,"
    " created_at_ms INTEGER NOT NULL, metadata TEXT, next TEXT, tasks TEXT,"
    " interrupts TEXT, type TEXT, places BLOB NOT NULL, data BLOB,"
    " pack BLOB NOT NULL,"
    " UNIQUE (tenant, thread_id, ns, checkpoint_id)) STRICT;"

    "CREATE TABLE checkpoint_write ("
    " tenant TEXT NOT NULL, thread_id TEXT NOT NULL, ns TEXT NOT NULL,"
    " checkpoint_id TEXT NOT NULL, task_id TEXT NOT NULL,"
    " idx INTEGER NOT NULL, run_id TEXT, channel TEXT NOT NULL, type TEXT,"
    " task_path TEXT, data BLOB,"
    " PRIMARY KEY (tenant, thread_id, ns, checkpoint_id, task_id, idx)"
    ") STRICT;"

    "CREATE TABLE journal ("
    " tenant TEXT NOT NULL, run_id TEXT NOT NULL, key TEXT NOT NULL,"
    " type TEXT, data BLOB, PRIMARY KEY (tenant, run_id, key)) STRICT;"

    "CREATE TABLE item ("
    " tenant TEXT NOT NULL, ns TEXT NOT NULL, key TEXT NOT NULL,"
    " created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,"
    " ttl_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL,"
    " value TEXT NOT NULL, PRIMARY KEY (tenant, ns, key)) STRICT;"
    "CREATE INDEX item_by_end ON item (expires_at_ms)"
    " WHERE expires_at_ms > 0;"

    "CREATE TABLE idempotency ("
    " tenant TEXT NOT NULL, key TEXT NOT NULL, body_digest TEXT,"
    " run_id TEXT NOT NULL, created_at INTEGER NOT NULL,"
    " PRIMARY KEY (tenant, key)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX idempotency_by_time ON idempotency (created_at);"

    "CREATE TABLE tombstone ("
    " tenant TEXT NOT NULL, run_id TEXT NOT NULL, thread_id TEXT NOT NULL,"
    " assistant_id TEXT NOT NULL, why TEXT NOT NULL,"
    " created_at_ms INTEGER NOT NULL, deleted_at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (tenant, run_id)) STRICT, WITHOUT ROWID;";

/* Version 2: what is due is looked for tenant by tenant, and counted. */
static const char version_2[] =
    "DROP INDEX run_due;"
    "CREATE INDEX run_due ON run (tenant, blocked, due_at)"
    " WHERE status = 'pending';";

/* From the version before to this one. */
static const char *const steps[STORAGE_SCHEMA] = { version_1, version_2 };

static int
schema_pragma(struct db *d, const char *sql, int64_t *ret, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(d->h, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : db_error(d, rc, "the database", e);
}

/* One step and its number, or neither. */
static int
schema_step(struct db *d, int64_t version, struct err *e)
{
	char number[96];

	(void)snprintf(number, sizeof(number),
	    "PRAGMA application_id = %d; PRAGMA user_version = %jd",
	    SCHEMA_APPLICATION, (intmax_t)version);
	if (db_script(d, "BEGIN IMMEDIATE", e) == -1)
		return -1;
	if (db_script(d, steps[version - 1], e) == -1 ||
	    db_script(d, number, e) == -1 || db_script(d, "COMMIT", e) == -1) {
		(void)sqlite3_exec(d->h, "ROLLBACK", NULL, NULL, NULL);
		return err_wrap(e, "migrating to version %jd",
		    (intmax_t)version);
	}
	return 0;
}

/* A page that is damaged is found now rather than in the middle of a run. */
static int
schema_check(struct db *d, struct err *e)
{
	int64_t pages, page_bytes;
	const char *says;
	sqlite3_stmt *st = NULL;
	int rc;

	if (schema_pragma(d, "PRAGMA page_count", &pages, e) == -1 ||
	    schema_pragma(d, "PRAGMA page_size", &page_bytes, e) == -1)
		return -1;
	if (pages * page_bytes > SCHEMA_CHECK_BYTES)
		return 0;
	rc = sqlite3_prepare_v2(d->h, "PRAGMA quick_check(1)", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	says =
	    rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
	if (says == NULL)
		rc = db_error(d, rc, "the database", e);
	else if (strcmp(says, "ok") != 0)
		rc = err_set(e, ERR_CORRUPT, "the database is damaged: %s",
		    says);
	else
		rc = 0;
	(void)sqlite3_finalize(st);
	return rc;
}

static int
schema_identify(struct db *d, int64_t *ret_version, struct err *e)
{
	int64_t application, tables;

	if (schema_pragma(d, "PRAGMA application_id", &application, e) == -1 ||
	    schema_pragma(d, "PRAGMA user_version", ret_version, e) == -1 ||
	    schema_pragma(d, "SELECT count(*) FROM sqlite_schema", &tables,
		e) == -1)
		return -1;
	if (application == 0 && *ret_version == 0 && tables == 0)
		return 0; /* new */
	if (application != SCHEMA_APPLICATION || *ret_version < 1)
		return err_set(e, ERR_CORRUPT,
		    "this is no database of Warder's");
	if (*ret_version > STORAGE_SCHEMA)
		return err_set(e, ERR_UNSUPPORTED,
		    "the database has version %jd, this Warder knows %d: it "
		    "was made by a newer one",
		    (intmax_t)*ret_version, STORAGE_SCHEMA);
	return 0;
}

int
schema_open(struct db *d, struct err *e)
{
	int64_t version;

	if (schema_identify(d, &version, e) == -1 || schema_check(d, e) == -1 ||
	    db_script(d, "PRAGMA journal_mode = WAL", e) == -1)
		return -1;
	while (version < STORAGE_SCHEMA)
		if (schema_step(d, ++version, e) == -1)
			return -1;
	return 0;
}
