#include <assert.h>
#include <signal.h>
#include <string.h>

#include "crash.h"
#include "lane.h"

enum {
	LANE_STACK_BYTES = 512 * 1024,
};

/* ---- one job ---- */

static void
lane_run(struct lane *l, struct job *j)
{
	CRASH_POINT();
	hold_finish(&j->out);
	j->reply = hold_alloc(&j->out, j->kind->reply_size);
	memset(&j->err, 0, sizeof(j->err));
	db_begin(&l->db, &j->out, j->kind->request(), j->request);
	j->rc = j->kind->run(&l->db, j, &j->err);
}

static void
lane_fail_all(struct jobs *batch, const struct err *e)
{
	struct job *j;

	for (j = STAILQ_FIRST(batch); j != NULL; j = STAILQ_NEXT(j, next)) {
		j->rc = -1;
		j->err = *e;
	}
}

static void
lane_rollback(struct lane *l)
{
	if (sqlite3_get_autocommit(l->db.h) == 0)
		(void)sqlite3_exec(l->db.h, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- a batch of writes ---- */

enum batch {
	BATCH_DONE, /* in a transaction that can be committed */
	BATCH_AGAIN, /* somebody failed after it had written: carefully */
	BATCH_FAILED, /* the transaction is gone */
};

/* Has the transaction survived the failure of a job? */
static int
lane_lost(const struct lane *l)
{
	return l->db.broken || sqlite3_get_autocommit(l->db.h) != 0;
}

/* Without savepoints: few jobs fail, and most of those before they write. */
static enum batch
lane_quickly(struct lane *l, struct jobs *batch, struct err *e)
{
	struct job *j;
	int64_t before;

	CRASH_POINT();
	for (j = STAILQ_FIRST(batch); j != NULL; j = STAILQ_NEXT(j, next)) {
		before = sqlite3_total_changes64(l->db.h);
		lane_run(l, j);
		if (j->rc == 0)
			continue;
		*e = j->err;
		if (lane_lost(l))
			return BATCH_FAILED;
		if (sqlite3_total_changes64(l->db.h) != before)
			return BATCH_AGAIN;
	}
	return BATCH_DONE;
}

/* Each can be taken back alone. */
static enum batch
lane_carefully(struct lane *l, struct jobs *batch, struct err *e)
{
	struct job *j;

	for (j = STAILQ_FIRST(batch); j != NULL; j = STAILQ_NEXT(j, next)) {
		if (db_script(&l->db, "SAVEPOINT job", e) == -1)
			return BATCH_FAILED;
		lane_run(l, j);
		*e = j->err;
		if (j->rc == -1 &&
		    (lane_lost(l) ||
			db_script(&l->db, "ROLLBACK TO job", e) == -1))
			return BATCH_FAILED;
		if (db_script(&l->db, "RELEASE job", e) == -1)
			return BATCH_FAILED;
	}
	return BATCH_DONE;
}

static enum batch
lane_transaction(struct lane *l, struct jobs *batch, struct err *e)
{
	enum batch did;

	CRASH_POINT();
	if (db_script(&l->db, "BEGIN IMMEDIATE", e) == -1)
		return BATCH_FAILED;
	did = lane_quickly(l, batch, e);
	if (did != BATCH_AGAIN)
		return did;
	lane_rollback(l);
	if (db_script(&l->db, "BEGIN IMMEDIATE", e) == -1)
		return BATCH_FAILED;
	return lane_carefully(l, batch, e);
}

/*
 * All of them, one commit.  A commit that fails is not tried again: what the
 * kernel has thrown away after a failed fsync(2) would be called durable.
 */
static void
lane_write(struct lane *l, struct jobs *batch)
{
	enum batch did;
	struct err e;

	CRASH_POINT();
	if (l->db.broken) {
		lane_fail_all(batch, &l->db.why);
		return;
	}
	did = lane_transaction(l, batch, &e);
	if (did == BATCH_DONE && db_script(&l->db, "COMMIT", &e) == 0)
		return;
	lane_rollback(l);
	lane_fail_all(batch, &e);
}

/* Bring the log into the database while nobody waits for an answer. */
static void
lane_checkpoint(struct lane *l)
{
	int rc, left;

	CRASH_POINT();
	if (l->wal_pages < l->wal_pages_max || l->db.broken)
		return;
	rc = sqlite3_wal_checkpoint_v2(l->db.h, NULL, SQLITE_CHECKPOINT_PASSIVE,
	    &left, NULL);
	if (rc == SQLITE_OK)
		l->wal_pages = 0;
	else if (rc != SQLITE_BUSY && rc != SQLITE_LOCKED)
		(void)db_error(&l->db, rc, "bringing the log home", NULL);
}

static int
lane_wal_grew(void *arg, sqlite3 *h, const char *name, int pages)
{
	struct lane *l = arg;

	(void)h;
	(void)name;
	l->wal_pages = pages;
	return SQLITE_OK;
}

/* ---- the thread ---- */

static void
lane_read(struct lane *l, struct jobs *batch)
{
	struct job *j = STAILQ_FIRST(batch);

	CRASH_POINT();
	if (!l->open) {
		if (db_open(&l->db, l->path, l->vfs, 1, 0, &j->err) == -1) {
			j->rc = -1;
			return;
		}
		l->open = 1;
	}
	lane_run(l, j);
}

/* What waits, up to what one transaction takes; none: stop. */
static int
lane_take(struct lane *l, struct jobs *ret)
{
	size_t most = l->mode == LANE_WRITE ? STORAGE_BATCH_MAX : 1;
	struct job *j;

	CRASH_POINT();
	STAILQ_INIT(ret);
	(void)pthread_mutex_lock(&l->lock);
	while (STAILQ_EMPTY(&l->queue) && !l->stop)
		(void)pthread_cond_wait(&l->wake, &l->lock);
	for (; most > 0 && (j = STAILQ_FIRST(&l->queue)) != NULL; most--) {
		STAILQ_REMOVE_HEAD(&l->queue, next);
		STAILQ_INSERT_TAIL(ret, j, next);
	}
	(void)pthread_mutex_unlock(&l->lock);
	return !STAILQ_EMPTY(ret);
}

static void *
lane_thread(void *arg)
{
	struct lane *l = arg;
	struct jobs batch;

	while (lane_take(l, &batch)) {
		if (l->mode == LANE_WRITE)
			lane_write(l, &batch);
		else
			lane_read(l, &batch);
		l->done(l->done_arg, &batch);
		if (l->mode == LANE_WRITE)
			lane_checkpoint(l);
	}
	return NULL;
}

int
lane_start(struct lane *l, struct err *e)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc;

	STAILQ_INIT(&l->queue);
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_cond_init(&l->wake, NULL);
	if (l->mode == LANE_WRITE)
		(void)sqlite3_wal_hook(l->db.h, lane_wal_grew, l);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, LANE_STACK_BYTES);
	/* signals are the loop's */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&l->thread, &attr, lane_thread, l);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	if (rc != 0)
		return err_sys(e, rc, "a thread of the storage");
	l->started = 1;
	return 0;
}

void
lane_put(struct lane *l, struct jobs *jobs)
{
	(void)pthread_mutex_lock(&l->lock);
	STAILQ_CONCAT(&l->queue, jobs);
	(void)pthread_cond_signal(&l->wake);
	(void)pthread_mutex_unlock(&l->lock);
}

void
lane_stop(struct lane *l)
{
	if (l->started) {
		(void)pthread_mutex_lock(&l->lock);
		l->stop = 1;
		(void)pthread_cond_signal(&l->wake);
		(void)pthread_mutex_unlock(&l->lock);
		(void)pthread_join(l->thread, NULL);
		assert(STAILQ_EMPTY(&l->queue));
		(void)pthread_mutex_destroy(&l->lock);
		(void)pthread_cond_destroy(&l->wake);
		l->started = 0;
	}
	if (l->open)
		db_close(&l->db);
	l->open = 0;
}
