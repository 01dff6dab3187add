/*
 * Storage on a disk that fails, and under kill -9: what was acknowledged is
 * there, what was not is not acknowledged later (CC-04).
 */
#include "unit_storage.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- a layer below SQLite that fails the n-th call ---- */

enum fault_call {
	FAULT_WRITE,
	FAULT_SYNC,
	FAULT_TRUNCATE,
	FAULT__MAX
};

static struct fault {
	enum fault_call call;
	int at; /* fails when it becomes 0; below: nothing fails */
	int times; /* that many from there on */
	int rc;
	int half; /* a write does a part of it first */
	int fired;
	int seen[FAULT__MAX];
} fault;

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_vfs fault_vfs, *real_vfs;

static int
fault_due(enum fault_call call)
{
	int n = __atomic_add_fetch(&fault.seen[call], 1, __ATOMIC_RELAXED);

	if (fault.at <= 0 || call != fault.call || n < fault.at ||
	    n >= fault.at + fault.times)
		return 0;
	fault.fired++;
	return 1;
}

#define REAL(f) (((struct fault_file *)(f))->real)
#define REAL_DO(name, ...) REAL(f)->pMethods->name(REAL(f), ##__VA_ARGS__)

static int
fault_close(sqlite3_file *f)
{
	int rc = REAL_DO(xClose);

	sqlite3_free(REAL(f));
	return rc;
}

static int
fault_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return REAL_DO(xRead, p, n, at);
}

static int
fault_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	if (fault_due(FAULT_WRITE)) {
		if (fault.half)
			(void)REAL_DO(xWrite, p, n / 2, at);
		return fault.rc;
	}
	return REAL_DO(xWrite, p, n, at);
}

static int
fault_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return fault_due(FAULT_TRUNCATE) ? fault.rc : REAL_DO(xTruncate, size);
}

static int
fault_sync(sqlite3_file *f, int flags)
{
	/* as the kernel: the pages may be gone, the next fsync says "fine" */
	return fault_due(FAULT_SYNC) ? fault.rc : REAL_DO(xSync, flags);
}

static int
fault_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return REAL_DO(xFileSize, ret);
}

static int
fault_lock(sqlite3_file *f, int how)
{
	return REAL_DO(xLock, how);
}

static int
fault_unlock(sqlite3_file *f, int how)
{
	return REAL_DO(xUnlock, how);
}

static int
fault_reserved(sqlite3_file *f, int *ret)
{
	return REAL_DO(xCheckReservedLock, ret);
}

static int
fault_control(sqlite3_file *f, int op, void *arg)
{
	return REAL_DO(xFileControl, op, arg);
}

static int
fault_sector(sqlite3_file *f)
{
	return REAL_DO(xSectorSize);
}

static int
fault_device(sqlite3_file *f)
{
	return REAL_DO(xDeviceCharacteristics);
}

static int
fault_shm_map(sqlite3_file *f, int page, int size, int extend,
    void volatile **ret)
{
	return REAL_DO(xShmMap, page, size, extend, ret);
}

static int
fault_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return REAL_DO(xShmLock, at, n, flags);
}

static void
fault_shm_barrier(sqlite3_file *f)
{
	REAL_DO(xShmBarrier);
}

static int
fault_shm_unmap(sqlite3_file *f, int del)
{
	return REAL_DO(xShmUnmap, del);
}

static const sqlite3_io_methods fault_methods = {
	.iVersion = 2,
	.xClose = fault_close,
	.xRead = fault_read,
	.xWrite = fault_write,
	.xTruncate = fault_truncate,
	.xSync = fault_sync,
	.xFileSize = fault_size,
	.xLock = fault_lock,
	.xUnlock = fault_unlock,
	.xCheckReservedLock = fault_reserved,
	.xFileControl = fault_control,
	.xSectorSize = fault_sector,
	.xDeviceCharacteristics = fault_device,
	.xShmMap = fault_shm_map,
	.xShmLock = fault_shm_lock,
	.xShmBarrier = fault_shm_barrier,
	.xShmUnmap = fault_shm_unmap,
};

static int
fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
    int *ret_flags)
{
	struct fault_file *file = (struct fault_file *)f;
	int rc;

	(void)vfs;
	file->base.pMethods = NULL;
	file->real = sqlite3_malloc(real_vfs->szOsFile);
	if (file->real == NULL)
		return SQLITE_NOMEM;
	rc = real_vfs->xOpen(real_vfs, name, file->real, flags, ret_flags);
	if (rc == SQLITE_OK)
		file->base.pMethods = &fault_methods;
	else
		sqlite3_free(file->real);
	return rc;
}

static int
fault_group(void **state)
{
	(void)state;
	real_vfs = sqlite3_vfs_find(NULL);
	fault_vfs = *real_vfs;
	fault_vfs.zName = "fault";
	fault_vfs.szOsFile = sizeof(struct fault_file);
	fault_vfs.xOpen = fault_open;
	fault_vfs.pNext = NULL;
	return sqlite3_vfs_register(&fault_vfs, 0);
}

/* ---- a piece of work, and what of it was acknowledged ---- */

enum {
	STEPS = 12,
	LARGE = 450 * 1024 /* so that the log is brought home meanwhile */
};

struct work {
	int thread[STEPS], checkpoint[STEPS]; /* acknowledged */
	int refused_after; /* writes that were refused after the first */
	int accepted_after;
	int failed; /* one was refused */
	int calls; /* of the kind, of the work alone */
};

static void
work_note(struct work *k, int rc, int *acknowledged)
{
	if (rc == 0) {
		*acknowledged = 1;
		k->accepted_after += k->failed;
	} else {
		k->refused_after += k->failed;
		k->failed = 1;
	}
}

static void
work_do(struct world *w, struct work *k)
{
	char id[16], *text = malloc(LARGE + 32);
	int i;

	assert_non_null(text);
	memset(k, 0, sizeof(*k));
	for (i = 0; i < STEPS; i++) {
		(void)snprintf(id, sizeof(id), "t%d", i);
		work_note(k,
		    ask(thread_create, NULL, .tenant = "default",
			.thread_id = id),
		    &k->thread[i]);
		memset(text, 'a' + i, LARGE);
		text[0] = text[LARGE - 1] = '"';
		text[LARGE] = '\0';
		work_note(k,
		    ask(checkpoint_put, NULL, .tenant = "default",
			.thread_id = id, .checkpoint_id = "c", .values = text),
		    &k->checkpoint[i]);
	}
	free(text);
}

/* After the power came back: exactly what was acknowledged, and sound. */
static void
work_check(struct world *w, const struct work *k)
{
	struct storage_checkpoint c;
	struct storage_thread t;
	char id[16];
	int i;

	for (i = 0; i < STEPS; i++) {
		(void)snprintf(id, sizeof(id), "t%d", i);
		if (k->thread[i])
			call(thread_get, &t, .tenant = "default",
			    .thread_id = id);
		if (!k->checkpoint[i])
			continue;
		call(checkpoint_get, &c, .tenant = "default", .thread_id = id);
		assert_int_equal(strlen(c.values), LARGE);
		assert_int_equal(c.values[1], 'a' + i);
		assert_int_equal(c.values[LARGE - 2], 'a' + i);
		hold_finish(&w->hold);
	}
}

/* One fault in a new database: what is acknowledged survives it. */
static int
fault_try(enum fault_call call_, int at, int times, int rc, int half,
    struct work *k)
{
	struct world world, *w = &world;
	int fired;

	world_init(w);
	world_close(w);
	w->vfs = "fault";
	memset(&fault, 0, sizeof(fault));
	assert_int_equal(world_open(w), 0);
	memset(fault.seen, 0, sizeof(fault.seen));
	fault.call = call_;
	fault.rc = rc;
	fault.half = half;
	fault.times = times;
	fault.at = at;
	work_do(w, k);
	/* the last write has told it, unless it was a checkpoint's */
	if (rc != SQLITE_FULL && k->failed) {
		assert_non_null(storage_failure(w->storage));
		assert_int_equal(w->failures, 1);
	}
	if (rc == SQLITE_FULL && k->accepted_after > 0) {
		/* it was said when nothing could be stored, and when again */
		assert_int_equal(w->troubles, 1);
		assert_int_equal(w->recoveries, 1);
		assert_null(storage_trouble(w->storage));
	}
	fired = fault.fired;
	k->calls = fault.seen[call_];
	fault.at = 0;
	/* whatever is in the kernel's cache is what the disk would have */
	world_close(w);
	assert_int_equal(world_open(w), 0);
	work_check(w, k);
	call(check, NULL, 0);
	call(thread_create, NULL, .tenant = "default", .thread_id = "after");
	world_finish(w);
	return fired;
}

/* How many calls the work makes when nothing fails. */
static int
fault_count(enum fault_call call_)
{
	struct work k;

	assert_int_equal(fault_try(call_, 0, 0, SQLITE_OK, 0, &k), 0);
	assert_int_equal(k.failed, 0);
	assert_int_equal(k.thread[STEPS - 1] + k.checkpoint[STEPS - 1], 2);
	return k.calls;
}

static void
storage_fsync__fails_once__nothing_is_written_any_more(void **state)
{
	int i, n, fired = 0;
	struct work k;

	(void)state;
	n = fault_count(FAULT_SYNC);
	assert_true(n >= 2 * STEPS + 2); /* the log was brought home */
	for (i = 1; i <= n; i++) {
		fired += fault_try(FAULT_SYNC, i, 1, SQLITE_IOERR_FSYNC, 0, &k);
		/* the next fsync would say "fine": it is not asked */
		assert_int_equal(k.accepted_after, 0);
	}
	print_message("# %d of %d syncs failed\n", fired, n);
	assert_int_equal(fired, n);
}

static void
storage_write__io_error_and_short_write__nothing_is_written_any_more(
    void **state)
{
	int i, n, fired = 0, tried = 0;
	struct work k;

	(void)state;
	n = fault_count(FAULT_WRITE);
	/* all of the first ones, then with steps that meet every kind */
	for (i = 1; i <= n; i += i < 8 ? 1 : 307) {
		fired +=
		    fault_try(FAULT_WRITE, i, 1, SQLITE_IOERR_WRITE, i % 2, &k);
		assert_int_equal(k.accepted_after, 0);
		tried++;
	}
	print_message("# %d of %d writes failed, of %d\n", fired, tried, n);
	assert_int_equal(fired, tried);
}

static void
storage_full__for_a_while__refused_then_accepted_again(void **state)
{
	int i, n, fired = 0, tried = 0, accepted = 0;
	struct work k;

	(void)state;
	n = fault_count(FAULT_WRITE);
	for (i = 1; i <= n; i += i < 8 ? 1 : 401) {
		fired += fault_try(FAULT_WRITE, i, 1, SQLITE_FULL, i % 2, &k);
		accepted += k.accepted_after;
		tried++;
	}
	print_message("# %d of %d writes found no space, of %d\n", fired, tried,
	    n);
	assert_int_equal(fired, tried);
	/* it is not a failure of the disk: what came after was taken */
	assert_true(accepted > tried * STEPS / 2);
}

static void
storage_open__fails_in_the_middle__the_next_one_works(void **state)
{
	static const enum fault_call calls[] = { FAULT_WRITE, FAULT_SYNC };
	struct world world, *w = &world;
	int at, refused = 0;
	size_t i;

	(void)state;
	for (i = 0; i < countof(calls); i++) {
		for (at = 1; at < 200; at += 9) {
			world_init(w);
			world_close(w);
			(void)unit_remove_tree(w->dir);
			assert_int_equal(mkdir(w->dir, 0700), 0);
			w->vfs = "fault";
			memset(&fault, 0, sizeof(fault));
			fault.call = calls[i];
			fault.rc = SQLITE_IOERR_WRITE;
			fault.times = 1000;
			fault.at = at;
			if (world_open(w) == -1)
				refused++;
			else
				world_close(w);
			fault.at = 0;
			assert_int_equal(world_open(w), 0);
			call(check, NULL, 0);
			world_finish(w);
		}
	}
	assert_true(refused > 5);
}

/* ---- kill -9 ---- */

/* The writer: one byte on the pipe for each acknowledged run. */
static void
writer_made(void *arg, const struct storage_run_made *r,
    const struct err *error)
{
	int *fd = arg;

	(void)error;
	if (r == NULL || write(*fd, "k", 1) != 1)
		_exit(3);
}

static void
writer_tick(void *arg)
{
	loop_stop(arg);
}

static void
writer(const char *path, int fd, int first)
{
	struct storage_config c = { .path = path };
	struct storage_run_create_request q = { .tenant = "default",
		.assistant_id = "agent",
		.body_digest = "b" };
	struct storage *s;
	struct loop *l;
	char key[16];
	struct err e;
	int i, k;

	if (loop_create(&l, &e) == -1 || storage_create(l, &c, &s, &e) == -1)
		_exit(2);
	for (i = first;; i += 4) {
		for (k = 0; k < 4; k++) {
			(void)snprintf(key, sizeof(key), "k%d", i + k);
			q.idempotency_key = key;
			if (storage_run_create(s, &q, writer_made, &fd, &e) ==
			    -1)
				_exit(4);
		}
		/* until the four are answered */
		while (storage_pending(s) > 0) {
			struct loop_timer *t;

			if (loop_timer_create(l, writer_tick, l, &t, &e) ==
				-1 ||
			    loop_timer_set(t, 1, &e) == -1 ||
			    loop_run(l, &e) == -1)
				_exit(5);
			loop_timer_destroy(t);
		}
	}
}

/* Run a writer for that long; the acknowledged runs, -1: it failed. */
static int
writer_killed(const char *path, int first, useconds_t us)
{
	int fds[2], status, n = 0;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		(void)close(fds[0]);
		writer(path, fds[1], first);
		_exit(1);
	}
	(void)close(fds[1]);
	/* it has begun to write */
	if (read(fds[0], &byte, 1) == 1)
		n = 1;
	(void)usleep(us);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (read(fds[0], &byte, 1) == 1)
		n++;
	(void)close(fds[0]);
	assert_true(WIFSIGNALED(status));
	return n;
}

static void
storage_kill__any_moment__acknowledged_runs_are_there_once(void **state)
{
	struct world *w = *state;
	struct storage_run_made m;
	struct storage_runs all;
	int i, k, n, total = 0, known = 0;
	char key[16];

	world_agent(w, "default", "agent");
	for (i = 0; i < 40; i++) {
		world_close(w);
		n = writer_killed(w->path, known, (useconds_t)(i * 613));
		assert_true(n > 0);
		total += n;
		assert_int_equal(world_open(w), 0);
		/* answered in order: the first n of this writer are there */
		for (k = 0; k < n; k++) {
			(void)snprintf(key, sizeof(key), "k%d", known + k);
			call(run_create, &m, .tenant = "default",
			    .assistant_id = "agent", .body_digest = "b",
			    .idempotency_key = key);
			assert_int_equal(m.made, 0);
		}
		/* what was not answered is there once or not at all */
		known += n + 8;
		call(run_list, &all, .tenant = "default", .limit = 1);
		assert_in_range(all.total, total, total + 4 * (i + 1));
		hold_finish(&w->hold);
	}
	print_message("# %d runs acknowledged before 40 kills\n", total);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    storage_fsync__fails_once__nothing_is_written_any_more),
		cmocka_unit_test(
		    storage_write__io_error_and_short_write__nothing_is_written_any_more),
		cmocka_unit_test(
		    storage_full__for_a_while__refused_then_accepted_again),
		cmocka_unit_test(
		    storage_open__fails_in_the_middle__the_next_one_works),
		world_test(
		    storage_kill__any_moment__acknowledged_runs_are_there_once),
	};

	return cmocka_run_group_tests(tests, fault_group, NULL);
}
