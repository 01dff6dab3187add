/*
 * Storage on a disk that fails in any one call and loses power at any: what
 * was acknowledged is there, what is there is whole, what was refused says
 * why, and it goes on or stops by itself (CC-04).
 *
 * A list of steps is carried out one by one.  What the database must hold
 * after each is known from a run in which nothing fails; so after any failure
 * it must hold what it held after the last acknowledged step, or after the
 * one that was under way, and nothing else.
 *
 * Alone: some calls of each kind, and a hundred losses of power; with --all
 * ("make storage-sweep") each call with each error, and 20,000 losses.
 */
/* The calls that are replaced must not be the checked, inlined ones. */
#undef _FORTIFY_SOURCE

#include "unit_storage.h"

#include "unit_disk.h"

#include <sqlite3.h>

#include "clock.h"

enum {
	LOG_PAGES = 60, /* so that it comes home several times */
	LARGE = 30 * 1024,
	DIGESTS_MAX = 64,
	CALLS_MAX = 16384,
	REOPENS_MAX = 8,
	SYNCS = 150, /* about what a run makes, more if the log is short */
};

static int all; /* the whole sweep */
static const char *trying = "nothing fails"; /* for whoever looks into it */
static long trying_at;

/* ---- what is in the database ---- */

/* Times and what is made by chance are not compared. */
static int
is_compared(const char *column)
{
	size_t n = strlen(column);

	return !(n > 3 && strcmp(column + n - 3, "_ms") == 0) &&
	       !(n > 3 && strcmp(column + n - 3, "_at") == 0) &&
	       strcmp(column, "key_id") != 0;
}

static uint64_t
hash_add(uint64_t h, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (; n > 0; n--)
		h = (h ^ *c++) * 0x100000001b3ULL;
	return h;
}

static uint64_t
hash_row(sqlite3_stmt *st, const char *table)
{
	uint64_t h = hash_add(0xcbf29ce484222325ULL, table, strlen(table));
	int i, n;

	for (i = 0; i < sqlite3_column_count(st); i++) {
		if (!is_compared(sqlite3_column_name(st, i)))
			continue;
		n = sqlite3_column_bytes(st, i);
		h = hash_add(h, &n, sizeof(n));
		h = hash_add(h, sqlite3_column_blob(st, i), (size_t)n);
	}
	return h;
}

static sqlite3_stmt *
prepared(sqlite3 *h, const char *sql)
{
	sqlite3_stmt *st = NULL;

	assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &st, NULL), SQLITE_OK);
	return st;
}

static uint64_t
hash_table(sqlite3 *h, const char *table)
{
	uint64_t sum = 0;
	char sql[128];
	sqlite3_stmt *st;
	int rc;

	(void)snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\"", table);
	st = prepared(h, sql);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		sum += hash_row(st, table);
	assert_int_equal(rc, SQLITE_DONE);
	(void)sqlite3_finalize(st);
	return sum;
}

/* All of it, and sound. */
static uint64_t
digest(const struct world *w)
{
	sqlite3_stmt *st;
	uint64_t sum = 0;
	sqlite3 *h;

	disk_quiet = 1;
	assert_int_equal(sqlite3_open_v2(w->path, &h, SQLITE_OPEN_READWRITE,
			     NULL),
	    SQLITE_OK);
	st = prepared(h, "PRAGMA integrity_check");
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
	(void)sqlite3_finalize(st);
	st = prepared(h, "SELECT name FROM sqlite_schema WHERE type = 'table'");
	while (sqlite3_step(st) == SQLITE_ROW)
		sum += hash_table(h, (const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
	disk_quiet = 0;
	return sum;
}

/* ---- the steps ---- */

static const char *
large(int c)
{
	static char text[LARGE + 1];

	memset(text, c, LARGE);
	text[0] = text[LARGE - 1] = '"';
	return text;
}

/* Until what lives for a millisecond has expired. */
static void
wait_over(void)
{
	uint64_t until = clock_now_ms() + 3;

	while (clock_now_ms() < until)
		(void)usleep(500);
}

#define D .tenant = "default"
#define STEP(name, op, ...)                           \
	static int step_##name(struct world *w)       \
	{                                             \
		return ask(op, NULL, D, __VA_ARGS__); \
	}
#define EVENTS(...)                                                          \
	{                                                                    \
		(const struct storage_event[]){ __VA_ARGS__ },               \
		    countof(((const struct storage_event[]){ __VA_ARGS__ })) \
	}
#define ID(n) "00000000-0000-4000-8000-00000000000" #n

/* clang-format off */
static int
step_tenant(struct world *w)
{
	return ask(tenant_create, NULL, D);
}
STEP(key, key_create, .name = "k", .role = "admin", .hint = "w_1",
    .hash = "0123456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcdef")
STEP(agent, agent_put, .name = "agent", .digest = "d1", .policy_digest = "p1",
    .manifest = "{\"name\":\"agent\"}")
STEP(assistant, assistant_create, .assistant_id = ID(9), .graph_id = "agent",
    .name = "second")
STEP(thread, thread_create, .thread_id = "t0", .metadata = "{\"a\":1}")
STEP(brief, thread_create, .thread_id = "brief", .ttl_ms = 1)
STEP(run, run_create, .thread_id = "t0", .run_id = ID(0),
    .assistant_id = "agent", .idempotency_key = "k0", .body_digest = "b0")
STEP(behind, run_create, .thread_id = "t0", .run_id = ID(1),
    .assistant_id = "agent")
static int
step_claim(struct world *w)
{
	return ask(run_claim, NULL, .holder = "h", .lease_ms = 600000,
	    .limit = 4);
}
STEP(events, event_append, .run_id = ID(0), .fence = 1,
    .events = EVENTS({ .name = "values", .data = "{\"n\":1}" },
	{ .name = "updates", .data = "{\"n\":2}" }))
STEP(journal, journal_put, .run_id = ID(0), .fence = 1, .key = "step 1",
    .data = { "result", 6 })
STEP(child, run_create, .thread_id = "t1", .run_id = ID(2),
    .assistant_id = "agent", .if_not_exists = "create",
    .parent_run_id = ID(0), .parent_fence = 1)
#define PUT(c, parent) \
	STEP(put_##c, checkpoint_put, .thread_id = "t0", .run_id = ID(0), \
	    .fence = 1, .checkpoint_id = #c, .parent_id = parent, \
	    .values = large(#c[0]), .next = "[]", \
	    .events = EVENTS({ .name = "checkpoints", .data = "{}" }))
PUT(a, NULL)
PUT(b, "a")
PUT(c, "b")
STEP(write, checkpoint_write, .thread_id = "t0", .run_id = ID(0), .fence = 1,
    .checkpoint_id = "c",
    .writes = { (const struct storage_write[]){ { .task_id = "t",
		    .channel = "x", .type = "json", .data = { "1", 1 } } }, 1 })
STEP(item, item_put, .ns = texts("a", "b"), .key = "k", .value = "{\"v\":1}")
STEP(item_run, item_put, .run_id = ID(0), .fence = 1, .ns = texts("a"),
    .key = "k2", .value = "{\"v\":2}")
STEP(item_brief, item_put, .ns = texts("a"), .key = "k3",
    .value = "{\"v\":3}", .ttl_ms = 1)
STEP(item_batch, item_batch, .run_id = ID(0), .fence = 1,
    .ops = { (const struct storage_item_op[]){
	{ .op = "put", .ns = texts("a"), .key = "k4", .value = "{}" },
	{ .op = "delete", .ns = texts("a"), .key = "k2" },
	{ .op = "put", .ns = texts("a"), .key = "k5", .value = "{}" } }, 3 })
STEP(item_gone, item_delete, .ns = texts("a", "b"), .key = "k")
STEP(finish, run_finish, .run_id = ID(0), .fence = 1, .status = "success",
    .output = "{\"done\":true}",
    .events = EVENTS({ .name = "values", .data = "{\"n\":3}" }))
STEP(rollback, run_cancel, .run_ids = texts(ID(1)), .action = "rollback")
STEP(undone, run_finish, .run_id = ID(1), .fence = 1, .status = "error",
    .error = "{}")
STEP(instead, run_create, .thread_id = "t1", .run_id = ID(3),
    .assistant_id = "agent", .multitask_strategy = "interrupt")
STEP(lost, run_finish, .run_id = ID(2), .fence = 1, .status = "lost")
#define STATE(c) \
	STEP(state_##c, checkpoint_put, .thread_id = "t0", \
	    .checkpoint_id = "s" #c, .parent_id = "c", \
	    .values = large('0' + c), .next = "[]")
STATE(1) STATE(2) STATE(3) STATE(4) STATE(5) STATE(6) STATE(7) STATE(8)
STEP(copy, thread_copy, .thread_id = "t0", .new_thread_id = "t2")
STEP(prune, thread_prune, .thread_ids = texts("t0"),
    .strategy = "keep_latest")
static int
step_events_go(struct world *w)
{
	return ask(event_expire, NULL, .ended_before_ms = INT64_MAX / 2,
	    .limit = 100);
}
static int
step_runs_go(struct world *w)
{
	return ask(run_forget, NULL, .ended_before_ms = INT64_MAX / 2,
	    .limit = 100);
}
static int
step_threads_forgotten(struct world *w)
{
	return ask(thread_forget, NULL, .changed_before_ms = INT64_MAX / 2,
	    .limit = 100);
}
static int
step_items_go(struct world *w)
{
	wait_over();
	return ask(item_expire, NULL, .limit = 100);
}
static int
step_threads_go(struct world *w)
{
	wait_over();
	return ask(thread_expire, NULL, .limit = 100);
}
STEP(remove, thread_delete, .thread_id = "t0")
STEP(patch, thread_patch, .thread_id = "t2", .metadata = "{\"b\":2}")
STEP(read, thread_get, .thread_id = "t2")
static int
step_recover(struct world *w)
{
	return ask(run_recover, NULL, .holder = "another");
}
STEP(assistant_gone, assistant_delete, .assistant_id = ID(9),
    .delete_threads = 1)
/* clang-format on */

typedef int step_fn(struct world *w);

static const struct {
	const char *name;
	step_fn *fn;
} steps[] = {

#define S(name)                    \
	{                          \
#		name, step_##name \
	}
	S(tenant),
	S(key),
	S(agent),
	S(assistant),
	S(thread),
	S(brief),
	S(run),
	S(behind),
	S(claim),
	S(events),
	S(journal),
	S(child),
	S(put_a),
	S(put_b),
	S(put_c),
	S(write),
	S(item),
	S(item_run),
	S(item_brief),
	S(item_batch),
	S(item_gone),
	S(finish),
	S(claim),
	S(rollback),
	S(undone),
	S(instead),
	S(lost),
	S(state_1),
	S(state_2),
	S(state_3),
	S(state_4),
	S(state_5),
	S(state_6),
	S(state_7),
	S(state_8),
	S(copy),
	S(prune),
	S(events_go),
	S(runs_go),
	S(items_go),
	S(threads_go),
	S(remove),
	S(patch),
	S(read),
	S(recover),
	S(assistant_gone),
	S(threads_forgotten),
#undef S
};

static uint64_t right[DIGESTS_MAX]; /* after so many steps */

_Static_assert(countof(steps) < DIGESTS_MAX, "room for all digests");

/* ---- on a disk ---- */

static void
disk_world(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/warder-disk-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->path, sizeof(w->path), "%s/db", w->dir);
	assert_int_equal(loop_create(&w->loop, &w->err), 0);
	w->log_pages = LOG_PAGES;
	disk_begin(w->dir, seed);
}

static void
disk_world_finish(struct world *w)
{
	world_finish(w);
	disk_end();
}

/* A refusal says why; what may be tried again is no fault of the request. */
static void
check_refused(const struct world *w)
{
	if ((w->err.code != ERR_SYSTEM && w->err.code != ERR_CORRUPT) ||
	    strlen(w->err.msg) < 10)
		fail_msg("refused as %s: \"%s\"", err_name(w->err.code),
		    w->err.msg);
}

/* Of the process after the one that failed: before one of so many writes. */
static uint64_t soon;

/* As often as faults are left; nothing else may keep it from opening. */
static void
open_again(struct world *w)
{
	int i, fired;

	if (soon > 0 && disk.fired > 0 && disk.dies_write == 0)
		disk.dies_write =
		    disk.counts[DISK_WRITE] + 1 + (long)disk_random(soon);
	for (i = 0; i < REOPENS_MAX; i++) {
		w->failures = 0;
		fired = disk.fired;
		if (world_open(w) == 0)
			return;
		check_refused(w);
		if (disk.fired == fired)
			break;
	}
	fail_msg("%s, %ld: it does not open: %s", trying, trying_at,
	    w->err.msg);
}

/* How many steps the database has, of those that it may have. */
static size_t
steps_there(const struct world *w, size_t done)
{
	uint64_t d = digest(w);

	/* several steps may change nothing that is compared */
	if (done < countof(steps) && d == right[done + 1] &&
	    right[done + 1] != right[done])
		return done + 1;
	if (d != right[done])
		fail_msg("%s, %ld: after %zu steps (next \"%s\") it has "
			 "something else",
		    trying, trying_at, done,
		    done < countof(steps) ? steps[done].name : "none");
	return done;
}

/* From "done" on; stops when the power goes.  How many are acknowledged. */
static size_t
steps_do(struct world *w, size_t done)
{
	while (done < countof(steps) && !disk.dead) {
		if (w->storage == NULL) {
			open_again(w);
			if (disk.dead)
				break;
			done = steps_there(w, done);
			continue;
		}
		if (steps[done].fn(w) == 0) {
			done += !disk.dead;
			continue;
		}
		check_refused(w);
		if (storage_failure(w->storage) != NULL) {
			assert_int_equal(w->failures, 1);
			/* nothing is written any more */
			assert_int_equal(ask(thread_create, NULL, D,
					     .thread_id = "no"),
			    -1);
			check_refused(w);
			world_close(w);
		}
	}
	return done;
}

static void
steps_learn(struct world *w)
{
	size_t i;

	assert_int_equal(world_open(w), 0);
	right[0] = digest(w);
	for (i = 0; i < countof(steps); i++) {
		if (steps[i].fn(w) == -1)
			fail_msg("%s: %s", steps[i].name, w->err.msg);
		right[i + 1] = digest(w);
	}
	world_close(w);
}

static int
disk_group(void **state)
{
	struct world world, *w = &world;

	(void)state;
	disk_world(w, 1);
	steps_learn(w);
	assert_int_equal(world_open(w), 0);
	disk_world_finish(w);
	return 0;
}

/* ---- one call fails ---- */

static unsigned char kinds[CALLS_MAX];

struct way {
	const char *name;
	struct disk_fault fault;
	unsigned of; /* kinds of calls that can fail so */
};

#define OF(kind) (1U << DISK_##kind)

static const struct way ways[] = {
	{ "EIO", { .times = 1, .error = EIO },
	    OF(OPEN) | OF(READ) | OF(WRITE) | OF(SYNC) | OF(TRUNCATE) |
		OF(UNLINK) },
	{ "ENOSPC", { .times = 1, .error = ENOSPC },
	    OF(OPEN) | OF(WRITE) | OF(SYNC) | OF(TRUNCATE) },
	{ "half, then ENOSPC", { .times = 2, .error = ENOSPC, .half = 1 },
	    OF(WRITE) },
	{ "half, then EIO", { .times = 2, .error = EIO, .half = 1 },
	    OF(WRITE) },
	{ "half", { .times = 1, .half = 1 }, OF(WRITE) },
	{ "ENOMEM", { .times = 1, .error = ENOMEM }, OF(MAP) },
	{ "EMFILE", { .times = 1, .error = EMFILE }, OF(OPEN) },
};

/* How often it stopped and went on. */
static int stops, tries;

static void
fault_try(const struct way *way, long at)
{
	struct world world, *w = &world;

	trying = way->name;
	trying_at = at;
	disk_world(w, (uint64_t)at);
	disk.fault = way->fault;
	disk.fault.at = at;
	open_again(w);
	assert_int_equal(steps_do(w, 0), countof(steps));
	if (w->storage != NULL)
		world_close(w);
	disk.fault.at = 0;
	assert_int_equal(world_open(w), 0);
	assert_int_equal(steps_there(w, countof(steps)), countof(steps));
	stops += w->failures;
	tries++;
	disk_world_finish(w);
}

/* The calls of a run in which none fails. */
static long
fault_calls(void)
{
	struct world world, *w = &world;
	long n;

	disk_world(w, 1);
	disk.kinds = kinds;
	disk.kinds_max = CALLS_MAX;
	assert_int_equal(world_open(w), 0);
	assert_int_equal(steps_do(w, 0), countof(steps));
	world_close(w);
	n = disk.calls;
	disk.kinds = NULL;
	assert_int_equal(world_open(w), 0);
	disk_world_finish(w);
	assert_in_range(n, 500, CALLS_MAX - 1);
	return n;
}

static void
storage_call__fails_once__acknowledged_steps_are_there_and_whole(void **state)
{
	/* alone: one of so many, one of four where none is said */
	static const int
	    every[DISK__MAX] = { [DISK_READ] = 131, [DISK_WRITE] = 131 };
	long n, i, of[DISK__MAX] = { 0 };
	size_t k;

	(void)state;
	tries = stops = 0;
	n = fault_calls();
	for (i = 1; i <= n; i++) {
		int one_of = every[kinds[i]] != 0 ? every[kinds[i]] : 4;

		if (!all && of[kinds[i]]++ % one_of != 0)
			continue;
		for (k = 0; k < countof(ways); k++)
			if (ways[k].of & 1U << kinds[i])
				fault_try(&ways[k], i);
	}
	print_message("# %d failures, of %ld calls\n", tries, n);
}

/* ---- a copy of it ---- */

static int
backup_ask(struct world *w)
{
	char path[sizeof(w->path)];

	(void)snprintf(path, sizeof(path), "%.64s/copy", w->dir);
	return ask(backup, NULL, .path = path);
}

static void
backup_try(const struct way *way, long at)
{
	struct world world, *w = &world;
	char db[sizeof(w->path)];
	int refused;

	disk_world(w, (uint64_t)at);
	assert_int_equal(world_open(w), 0);
	assert_int_equal(steps_do(w, 0), countof(steps));
	disk.calls = 0;
	disk.fault = way->fault;
	disk.fault.at = at;
	refused = backup_ask(w) == -1;
	disk.fault.at = 0;
	if (refused) {
		check_refused(w);
		/* nothing is left of it: the same path will do */
		if (backup_ask(w) == -1)
			fail_msg("again: %s", w->err.msg);
	}
	memcpy(db, w->path, sizeof(db));
	(void)snprintf(w->path, sizeof(w->path), "%.64s/copy", w->dir);
	assert_int_equal(digest(w), right[countof(steps)]);
	memcpy(w->path, db, sizeof(db));
	tries++;
	disk_world_finish(w);
}

static void
storage_backup__a_call_fails__whole_or_not_there(void **state)
{
	struct world world, *w = &world;
	size_t k;
	long i, n;

	(void)state;
	tries = 0;
	disk_world(w, 1);
	assert_int_equal(world_open(w), 0);
	assert_int_equal(steps_do(w, 0), countof(steps));
	disk.calls = 0;
	disk.kinds = kinds;
	disk.kinds_max = CALLS_MAX;
	assert_int_equal(backup_ask(w), 0);
	disk.kinds = NULL;
	n = disk.calls;
	disk_world_finish(w);
	for (i = 1; i <= n; i += all ? 1 : 23)
		for (k = 0; k < countof(ways); k++)
			if (ways[k].of & 1U << kinds[i])
				backup_try(&ways[k], i);
	print_message("# %d failures, of %ld calls\n", tries, n);
	assert_true(tries > 5);
}

/* ---- failures, ends of the process, losses of power ---- */

static void
power_try(uint64_t seed, long calls)
{
	struct world world, *w = &world;
	size_t done, k;

	trying = "power lost, seed";
	trying_at = (long)seed;
	disk_world(w, seed);
	/* a log that has just begun anew covers the least */
	w->log_pages = 1 << disk_random(7);
	/* most failures of a disk are seen by an fsync */
	k = disk_random(4) == 0 ? disk_random(countof(ways)) : 0;
	disk.fault = ways[k].fault;
	disk.fault.at = 1 + (long)disk_random((uint64_t)calls);
	if (k == 0) {
		disk.fault.of = DISK_SYNC + 1;
		disk.fault.at = 1 + (long)disk_random(SYNCS);
	}
	/* in the middle of what the next process begins with; or sometime */
	soon = disk_random(4) != 0 ? 4ULL << disk_random(6) : 0;
	if (soon == 0)
		disk.dies_at = 1 + (long)disk_random((uint64_t)calls);
	open_again(w);
	done = steps_do(w, 0);
	if (w->storage != NULL)
		world_close(w);
	if (!disk.dead)
		disk_die();
	disk_revive();
	disk.fault.at = 0;
	soon = 0;
	open_again(w);
	done = steps_there(w, done);
	assert_int_equal(steps_do(w, done), countof(steps));
	disk_world_finish(w);
}

static void
storage_power__lost_after_a_failure__acknowledged_steps_are_there(void **state)
{
	long calls = fault_calls();
	uint64_t seed, n = all ? 20000 : 120;

	(void)state;
	for (seed = 1; seed <= n; seed++) {
		if (all && seed % 1000 == 0)
			print_message("# seed %ju\n", (uintmax_t)seed);
		power_try(seed, calls);
	}
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    storage_call__fails_once__acknowledged_steps_are_there_and_whole),
		cmocka_unit_test(
		    storage_backup__a_call_fails__whole_or_not_there),
		cmocka_unit_test(
		    storage_power__lost_after_a_failure__acknowledged_steps_are_there),
	};

	all = argc > 1 && strcmp(argv[1], "--all") == 0;
	return cmocka_run_group_tests(tests, disk_group, NULL);
}
