/*
 * lane.h: a thread with a connection, and the operations that wait for it.
 *
 * Storage has three: the writer takes all that waits into one transaction,
 * the reader and the one for backups answer one by one.  A job goes to a
 * lane, is carried out there, and comes back by way of "done".
 */
#ifndef LANE_H
#define LANE_H

#include <pthread.h>
#include <sys/queue.h>

#include "db.h"

struct job;

/* A row of the table of operations, made from STORAGE_OPS. */
struct job_kind {
	const char *name;
	int lane; /* enum lane_mode */
	record_fn *request;
	size_t reply_size;
	int (*run)(struct db *d, struct job *j, struct err *e);
	void (*deliver)(struct job *j);
};

struct job {
	STAILQ_ENTRY(job) next; /* in a lane, or done */
	TAILQ_ENTRY(job) asked; /* of all that is not answered: the loop's */
	const struct job_kind *kind;
	struct hold in, out; /* of the request, of the reply */
	void *request, *reply;
	void (*fn)(void); /* the caller's, of the kind's type */
	void *arg;
	int rc;
	struct err err;
	size_t bytes;
};

STAILQ_HEAD(jobs, job);
TAILQ_HEAD(jobs_asked, job);

enum lane_mode {
	LANE_WRITE,
	LANE_READ,
	LANE_SIDE,
	LANE__MAX
};

/* Told, on the lane's thread, of jobs that are carried out. */
typedef void lane_done_fn(void *arg, struct jobs *done);

struct lane {
	enum lane_mode mode;
	struct db db;
	int open; /* db is */
	const char *path, *vfs; /* borrowed: LANE_SIDE opens it itself */
	lane_done_fn *done;
	void *done_arg;
	pthread_t thread;
	int started;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct jobs queue;
	int stop;
	int wal_pages; /* in the log; the writer's thread alone */
	int wal_pages_max; /* after which it is brought home */
};

/* The connection is open (but LANE_SIDE's); start the thread. */
must_check int lane_start(struct lane *l, struct err *e);

/* Takes all of them; the list is empty then. */
void lane_put(struct lane *l, struct jobs *jobs);

/* Carry out what waits, end the thread, close. */
void lane_stop(struct lane *l);

#endif /* !LANE_H */
