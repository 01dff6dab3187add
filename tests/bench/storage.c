/*
 * storage.c: what a durable checkpoint costs beside SQLite itself.
 *
 *	storage commits DIR ROUNDS MS
 *	storage growth DIR STEPS
 *	storage recovery DIR RUNS
 *
 * commits: in turn, MS milliseconds each, ROUNDS times: rows of a checkpoint's
 * size put into one table by SQLite alone (WAL, synchronous FULL, WRITERS rows
 * a transaction), and checkpoints put through storage by WRITERS attempts,
 * each of which puts its next when the last was acknowledged.  Prints "raw
 * N" and "warder N" a second, a line each.
 *
 * growth: a run of STEPS checkpoints whose state grows by a message a step.
 * Prints "STEP stored naive" ten times: bytes that the thread takes by then,
 * and what whole states would.
 */
#include "bench.h"

#include <sqlite3.h>

#include "supervisor/control/storage/storage.h"

enum {
	WRITERS = 16,
	STATE_BYTES = 512,
	MESSAGE_BYTES = 100,
};

static struct err e;

static void
need(int rc, const char *what)
{
	if (rc != 0)
		bench_die(what, e.msg);
}

/* ---- SQLite alone ---- */

static void
raw_do(sqlite3 *h, const char *sql)
{
	if (sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK)
		bench_die(sql, sqlite3_errmsg(h));
}

static double
raw_rate(const char *dir, int ms)
{
	char path[256], state[STATE_BYTES];
	uint64_t begin, end;
	sqlite3_stmt *put;
	sqlite3 *h;
	long n = 0;
	int i;

	(void)snprintf(path, sizeof(path), "%s/raw", dir);
	if (sqlite3_open(path, &h) != SQLITE_OK)
		bench_die(path, "not opened");
	raw_do(h, "PRAGMA journal_mode = WAL");
	raw_do(h, "PRAGMA synchronous = FULL");
	raw_do(h, "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY,"
		  " state BLOB)");
	if (sqlite3_prepare_v2(h, "INSERT INTO t (state) VALUES (?)", -1, &put,
		NULL) != SQLITE_OK)
		bench_die("prepare", sqlite3_errmsg(h));
	memset(state, 'x', sizeof(state));
	begin = bench_now_ns();
	end = begin + (uint64_t)ms * 1000000;
	while (bench_now_ns() < end) {
		raw_do(h, "BEGIN IMMEDIATE");
		for (i = 0; i < WRITERS; i++, n++) {
			(void)sqlite3_bind_blob(put, 1, state, sizeof(state),
			    SQLITE_STATIC);
			if (sqlite3_step(put) != SQLITE_DONE)
				bench_die("insert", sqlite3_errmsg(h));
			(void)sqlite3_reset(put);
		}
		raw_do(h, "COMMIT");
	}
	end = bench_now_ns();
	(void)sqlite3_finalize(put);
	(void)sqlite3_close(h);
	return (double)n * 1e9 / (double)(end - begin);
}

/* ---- storage ---- */

struct host {
	struct loop *loop;
	struct storage *storage;
	uint64_t end;
	long put;
};

static struct writer {
	struct host *h;
	char run_id[40], thread_id[40], id[32], before[32];
	long n;
} writers[WRITERS];

static char state[STATE_BYTES + 1];

static void writer_put(struct writer *w);

static void
host_claimed(void *arg, const struct storage_claims *r, const struct err *error)
{
	struct host *h = arg;
	size_t i;

	if (r == NULL)
		bench_die("claim", error->msg);
	if (r->rows.n != WRITERS)
		bench_die("claim", "not all are due");
	for (i = 0; i < WRITERS; i++) {
		const struct storage_run *run = &r->rows.v[i].run.v[0];

		writers[i].h = h;
		(void)snprintf(writers[i].run_id, sizeof(writers[i].run_id),
		    "%s", run->run_id);
		(void)snprintf(writers[i].thread_id,
		    sizeof(writers[i].thread_id), "%s", run->thread_id);
	}
	loop_stop(h->loop);
}

/* A database with WRITERS attempts that run. */
static void
host_open(struct host *h, const char *dir)
{
	struct storage_config c = { 0 };
	struct storage_agent_put_request agent = { .tenant = "default",
		.name = "agent",
		.digest = "d" };
	struct storage_run_create_request run = { .tenant = "default",
		.assistant_id = "agent",
		.kwargs = "{\"input\":{}}" };
	struct storage_run_claim_request claim = { .holder = "engine",
		.lease_ms = 600000,
		.limit = WRITERS };
	char path[256];
	int i;

	(void)snprintf(path, sizeof(path), "%s/warder", dir);
	c.path = path;
	need(loop_create(&h->loop, &e), "loop");
	need(storage_create(h->loop, &c, &h->storage, &e), "storage");
	need(storage_agent_put(h->storage, &agent, NULL, NULL, &e), "agent");
	for (i = 0; i < WRITERS; i++)
		need(storage_run_create(h->storage, &run, NULL, NULL, &e),
		    "run");
	need(storage_run_claim(h->storage, &claim, host_claimed, h, &e),
	    "claim");
	need(loop_run(h->loop, &e), "loop");
}

static void
host_close(struct host *h)
{
	storage_destroy(h->storage);
	loop_destroy(h->loop);
}

static void
writer_acknowledged(void *arg, const struct storage_appended *r,
    const struct err *error)
{
	struct writer *w = arg;

	if (r == NULL)
		bench_die("checkpoint", error->msg);
	w->h->put++;
	if (bench_now_ns() < w->h->end)
		writer_put(w);
	else if (storage_pending(w->h->storage) == 0)
		loop_stop(w->h->loop);
}

static void
writer_put(struct writer *w)
{
	struct storage_checkpoint_put_request q = { .tenant = "default",
		.thread_id = w->thread_id,
		.run_id = w->run_id,
		.fence = 1,
		.parent_id = w->n == 0 ? NULL : w->before,
		.checkpoint_id = w->id,
		.data = { state, STATE_BYTES } };

	memcpy(w->before, w->id, sizeof(w->before));
	(void)snprintf(w->id, sizeof(w->id), "c%08ld", w->n++);
	need(storage_checkpoint_put(w->h->storage, &q, writer_acknowledged, w,
		 &e),
	    "checkpoint");
}

static double
host_rate(struct host *h, int ms)
{
	uint64_t begin = bench_now_ns(), end;
	size_t i;

	h->put = 0;
	h->end = begin + (uint64_t)ms * 1000000;
	for (i = 0; i < WRITERS; i++)
		writer_put(&writers[i]);
	need(loop_run(h->loop, &e), "loop");
	end = bench_now_ns();
	return (double)h->put * 1e9 / (double)(end - begin);
}

static void
commits(const char *dir, int rounds, int ms)
{
	struct host h = { 0 };

	memset(state, 'x', STATE_BYTES);
	host_open(&h, dir);
	while (rounds-- > 0) {
		printf("raw %.0f\n", raw_rate(dir, ms));
		printf("warder %.0f\n", host_rate(&h, ms));
	}
	host_close(&h);
}

/* ---- growth ---- */

static void
growth_sized(void *arg, const struct storage_count *r, const struct err *error)
{
	struct host *h = arg;

	if (r == NULL)
		bench_die("size", error->msg);
	h->put = (long)r->count;
	loop_stop(h->loop);
}

static void
growth_put(void *arg, const struct storage_appended *r, const struct err *error)
{
	struct host *h = arg;

	if (r == NULL)
		bench_die("checkpoint", error->msg);
	loop_stop(h->loop);
}

static void
growth_step(struct host *h, struct writer *w, const char *text)
{
	struct storage_checkpoint_put_request q = { .tenant = "default",
		.thread_id = w->thread_id,
		.run_id = w->run_id,
		.fence = 1,
		.parent_id = w->n == 0 ? NULL : w->before,
		.values = text,
		.checkpoint_id = w->id };

	memcpy(w->before, w->id, sizeof(w->before));
	(void)snprintf(w->id, sizeof(w->id), "c%08ld", w->n++);
	need(storage_checkpoint_put(h->storage, &q, growth_put, h, &e),
	    "checkpoint");
	need(loop_run(h->loop, &e), "loop");
}

static void
growth(const char *dir, int steps)
{
	size_t room = 64 + (size_t)steps * (MESSAGE_BYTES + 4), n;
	char *text = malloc(room), message[MESSAGE_BYTES + 1];
	struct storage_thread_size_request size = { .tenant = "default" };
	struct host h = { 0 };
	uint64_t naive = 0;
	int i;

	if (text == NULL)
		bench_die("memory", "none");
	host_open(&h, dir);
	size.thread_id = writers[0].thread_id;
	n = (size_t)snprintf(text, room, "{\"messages\":[\"begin\"");
	for (i = 1; i <= steps; i++) {
		memset(message, 'a' + i % 26, MESSAGE_BYTES);
		message[MESSAGE_BYTES] = '\0';
		n += (size_t)snprintf(text + n, room - n, ",\"%s\"", message);
		(void)snprintf(text + n, room - n, "]}");
		naive += n + 2;
		growth_step(&h, &writers[0], text);
		if (i % (steps / 10) != 0)
			continue;
		need(storage_thread_size(h.storage, &size, growth_sized, &h,
			 &e),
		    "size");
		need(loop_run(h.loop, &e), "loop");
		printf("%d %ld %ju\n", i, h.put, (uintmax_t)naive);
	}
	host_close(&h);
	free(text);
}

/* ---- recovery ---- */

static void
recovery_claimed(void *arg, const struct storage_claims *r,
    const struct err *error)
{
	struct host *h = arg;

	if (r == NULL)
		bench_die("claim", error->msg);
	h->put += (long)r->rows.n;
	loop_stop(h->loop);
}

/* Claim all that is due, a thousand at a time as the engine would. */
static void
recovery_claim(struct host *h, const char *holder, int runs)
{
	struct storage_run_claim_request q = { .holder = holder,
		.lease_ms = 600000,
		.limit = STORAGE_LIMIT_MAX };
	long before;

	h->put = 0;
	do {
		before = h->put;
		need(storage_run_claim(h->storage, &q, recovery_claimed, h, &e),
		    "claim");
		need(loop_run(h->loop, &e), "loop");
	} while (h->put != before);
	if (h->put != runs)
		bench_die("claim", "not all were due");
}

static void
recovery_make(struct host *h, int runs)
{
	struct storage_run_create_request q = { .tenant = "default",
		.assistant_id = "agent",
		.kwargs = "{\"input\":{}}" };
	struct storage_agent_put_request agent = { .tenant = "default",
		.name = "agent",
		.digest = "d" };
	int i;

	need(storage_agent_put(h->storage, &agent, NULL, NULL, &e), "agent");
	for (i = 0; i < runs; i++)
		need(storage_run_create(h->storage, &q, NULL, NULL, &e), "run");
	recovery_claim(h, "killed", runs);
}

static void
recovery(const char *dir, int runs)
{
	struct storage_run_recover_request q = { "next" };
	struct storage_config c = { 0 };
	struct host h = { 0 };
	uint64_t begin;
	char path[256];

	if (runs > STORAGE_QUEUE_MAX / 2)
		bench_die("recovery", "too many runs");
	(void)snprintf(path, sizeof(path), "%s/recovery", dir);
	c.path = path;
	need(loop_create(&h.loop, &e), "loop");
	need(storage_create(h.loop, &c, &h.storage, &e), "storage");
	recovery_make(&h, runs);
	storage_destroy(h.storage);
	begin = bench_now_ns();
	need(storage_create(h.loop, &c, &h.storage, &e), "storage");
	need(storage_run_recover(h.storage, &q, NULL, NULL, &e), "recover");
	recovery_claim(&h, "next", runs);
	printf("%ju\n", (uintmax_t)((bench_now_ns() - begin) / 1000));
	host_close(&h);
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "commits") == 0)
		commits(argv[2], bench_count(argv[3]), bench_count(argv[4]));
	else if (argc == 4 && strcmp(argv[1], "growth") == 0)
		growth(argv[2], bench_count(argv[3]) / 10 * 10);
	else if (argc == 4 && strcmp(argv[1], "recovery") == 0)
		recovery(argv[2], bench_count(argv[3]));
	else
		bench_die("storage",
		    "commits DIR ROUNDS MS | growth DIR STEPS | recovery DIR "
		    "RUNS");
	return 0;
}
