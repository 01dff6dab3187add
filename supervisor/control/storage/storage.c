#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>

#include "lane.h"
#include "op.h"
#include "rewrite.h"
#include "schema.h"
#include "text.h"

enum {
	STORAGE_LOG_PAGES = 1000
};

struct storage {
	struct storage_config config;
	char path[TEXT_PATH_MAX];
	int lock_fd; /* one process a database */
	struct lane lanes[LANE__MAX];
	struct loop_fd *watch;
	int event_fd;

	pthread_mutex_t lock; /* of done */
	struct jobs done;

	/* this and what follows: the loop's alone */
	struct jobs out[LANE__MAX]; /* until this turn of the loop is over */
	struct loop_call *flush;
	struct jobs_asked asked;
	size_t pending, bytes;
	int failed, troubled;
	struct err why; /* of either */
	int delivering, dead; /* destroyed by a callback: freed after it */
};

/* ---- the table of operations ---- */

/* clang-format off */
#define X(op, mode, record) \
	static int \
	run_##op(struct db *d, struct job *j, struct err *e) \
	{ \
		const struct storage_##op##_request *q = j->request; \
		struct storage_##record *r = j->reply; \
		return op_##op(d, q, r, e); \
	} \
	static void \
	deliver_##op(struct job *j) \
	{ \
		storage_##op##_fn *fn = (storage_##op##_fn *)j->fn; \
		fn(j->arg, j->rc == 0 ? j->reply : NULL, \
		    j->rc == 0 ? NULL : &j->err); \
	} \
	static const struct job_kind kind_##op = { \
		.name = #op, .lane = LANE_##mode, .request = record_q_##op, \
		.reply_size = sizeof(struct storage_##record), \
		.run = run_##op, .deliver = deliver_##op, \
	};
STORAGE_OPS(X)
#undef X

/* clang-format on */

static void
job_destroy(struct job *j)
{
	hold_finish(&j->in);
	hold_finish(&j->out);
	free(j);
}

/* ---- what comes back ---- */

static void
storage_done(void *arg, struct jobs *batch)
{
	struct storage *s = arg;
	uint64_t one = 1;

	(void)pthread_mutex_lock(&s->lock);
	STAILQ_CONCAT(&s->done, batch);
	(void)pthread_mutex_unlock(&s->lock);
	/* never full: the loop reads it whole */
	(void)!write(s->event_fd, &one, sizeof(one));
}

/* The writer's word, once: nothing is written any more. */
static void
storage_note(struct storage *s, const struct job *j)
{
	if (s->failed || j->rc == 0 || j->kind->lane != LANE_WRITE ||
	    !__atomic_load_n(&s->lanes[LANE_WRITE].db.broken, __ATOMIC_ACQUIRE))
		return;
	s->failed = 1;
	s->why = j->err;
}

/* A request that is refused for its own sake says nothing of the disk. */
static void
storage_judge(struct storage *s, const struct job *j)
{
	int troubled = j->rc != 0;

	if (s->failed || j->kind->lane != LANE_WRITE ||
	    (troubled && j->err.code != ERR_SYSTEM))
		return;
	if (troubled)
		s->why = j->err;
	if (troubled == s->troubled)
		return;
	s->troubled = troubled;
	if (s->config.trouble != NULL)
		s->config.trouble(s->config.trouble_arg,
		    troubled ? &s->why : NULL);
}

static void
storage_deliver(struct storage *s, struct jobs *batch)
{
	int told = s->failed;
	struct job *j;

	s->delivering = 1;
	while ((j = STAILQ_FIRST(batch)) != NULL) {
		STAILQ_REMOVE_HEAD(batch, next);
		if (!s->dead) {
			TAILQ_REMOVE(&s->asked, j, asked);
			s->pending--;
			s->bytes -= j->bytes;
			storage_judge(s, j);
			storage_note(s, j);
			if (j->fn != NULL)
				j->kind->deliver(j);
		}
		job_destroy(j);
	}
	if (!s->dead && s->failed && !told && s->config.failed != NULL)
		s->config.failed(s->config.failed_arg, &s->why);
	s->delivering = 0;
	if (s->dead)
		free(s);
}

static void
storage_ready(void *arg, unsigned ready)
{
	struct storage *s = arg;
	struct jobs batch;
	uint64_t n;

	(void)ready;
	(void)!read(s->event_fd, &n, sizeof(n));
	STAILQ_INIT(&batch);
	(void)pthread_mutex_lock(&s->lock);
	STAILQ_CONCAT(&batch, &s->done);
	(void)pthread_mutex_unlock(&s->lock);
	/* armed first: a callback may destroy the storage */
	if (loop_fd_want(s->watch, LOOP_READ, NULL) == -1)
		abort(); /* without it no answer ever comes */
	storage_deliver(s, &batch);
}

/* ---- what goes in ---- */

static int
storage_admit(const struct storage *s, const struct record_shape *shape,
    const void *request, struct err *e)
{
	const char *const *tenant = request;

	if (s->pending >= STORAGE_QUEUE_MAX ||
	    s->bytes >= STORAGE_QUEUE_BYTES_MAX)
		return err_set(e, ERR_LIMIT,
		    "too much waits for the database: try again later");
	if (strcmp(shape->fields[0].name, "tenant") != 0)
		return 0;
	/* the engine's count of all tenants has none */
	if (*tenant == NULL && shape == record_q_run_tally())
		return 0;
	return op_check_tenant(*tenant, e);
}

/*
 * All that one turn of the loop asked for goes to the threads together: the
 * writer would begin with the first alone, and the others would wait for two
 * commits.
 */
static void
storage_flush(void *arg)
{
	struct storage *s = arg;
	unsigned mode;

	for (mode = 0; mode < LANE__MAX; mode++)
		if (!STAILQ_EMPTY(&s->out[mode]))
			lane_put(&s->lanes[mode], &s->out[mode]);
}

static int
storage_submit(struct storage *s, const struct job_kind *kind,
    const void *request, void (*fn)(void), void *arg, struct err *e)
{
	const struct record_shape *shape = kind->request();
	struct job *j;

	if (storage_admit(s, shape, request, e) == -1 ||
	    loop_call_set(s->flush, e) == -1)
		return -1;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return err_sys(e, ENOMEM, "a request to the database");
	j->kind = kind;
	j->fn = fn;
	j->arg = arg;
	j->request = hold_alloc(&j->in, shape->size);
	record_copy(&j->in, shape, j->request, request);
	j->bytes = hold_size(&j->in);
	TAILQ_INSERT_TAIL(&s->asked, j, asked);
	s->pending++;
	s->bytes += j->bytes;
	STAILQ_INSERT_TAIL(&s->out[kind->lane], j, next);
	return 0;
}

/* clang-format off */
#define X(op, mode, record) \
	int \
	storage_##op(struct storage *s, \
	    const struct storage_##op##_request *q, storage_##op##_fn *fn, \
	    void *arg, struct err *e) \
	{ \
		return storage_submit(s, &kind_##op, q, (void (*)(void))fn, \
		    arg, e); \
	}
STORAGE_OPS(X)
#undef X

/* clang-format on */

/* ---- opening and closing ---- */

/* Of the database's own: its descriptor cannot be locked beside SQLite's. */
static int
storage_lock(struct storage *s, struct err *e)
{
	char path[sizeof(s->path) + 8];

	(void)snprintf(path, sizeof(path), "%s.lock", s->path);
	s->lock_fd =
	    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == -1)
		return err_set(e,
		    errno == EWOULDBLOCK ? ERR_CONFLICT : ERR_SYSTEM,
		    "%s: another process has the database open", s->path);
	return 0;
}

/* The names of the files must be as durable as what is in them. */
static int
storage_sync_folder(const struct storage *s, struct err *e)
{
	char path[sizeof(s->path)];
	autofd fd = -1;

	memcpy(path, s->path, sizeof(path));
	fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fsync(fd) == -1)
		return err_set(e, ERR_SYSTEM, "%s", s->path);
	return 0;
}

/*
 * What an earlier process stored, as it is to be from now on.  The log may be
 * in the page cache alone, after an fsync(2) that failed (rewrite.h): brought
 * home as it is it would be half there when the power goes in the middle, and
 * the database would be damaged.  So it is made durable before SQLite reads
 * it, then brought home whole, and begins anew: the pages of the database that
 * an fsync has failed for are all in it, since it begins anew only after one
 * that succeeded.
 */
static int
storage_settle(struct storage *s, struct db *d, struct err *e)
{
	int rc = sqlite3_wal_checkpoint_v2(d->h, NULL,
	    SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	if (rc != SQLITE_OK)
		return db_error(d, rc, "bringing the log home", e);
	return storage_sync_folder(s, e);
}

static int
storage_rewrite_log(const struct storage *s, struct err *e)
{
	char path[sizeof(s->path) + 8];

	(void)snprintf(path, sizeof(path), "%s-wal", s->path);
	return rewrite_file(path, e);
}

static int
storage_open_lane(struct storage *s, enum lane_mode mode, struct err *e)
{
	struct lane *l = &s->lanes[mode];

	l->mode = mode;
	l->path = s->path;
	l->vfs = s->config.vfs;
	l->done = storage_done;
	l->done_arg = s;
	l->wal_pages_max =
	    s->config.log_pages > 0 ? s->config.log_pages : STORAGE_LOG_PAGES;
	if (mode == LANE_WRITE && storage_rewrite_log(s, e) == -1)
		return -1;
	if (mode != LANE_SIDE) {
		if (db_open(&l->db, s->path, s->config.vfs, mode == LANE_READ,
			s->config.cache_bytes, e) == -1)
			return -1;
		l->open = 1;
	}
	if (mode == LANE_WRITE && (schema_open(&l->db, e) == -1 ||
				      storage_settle(s, &l->db, e) == -1))
		return err_wrap(e, "%s", s->path);
	return lane_start(l, e);
}

static int
storage_open(struct storage *s, struct loop *l, struct err *e)
{
	unsigned mode;

	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event_fd == -1)
		return err_set(e, ERR_SYSTEM, "eventfd");
	if (loop_fd_create(l, s->event_fd, storage_ready, s, &s->watch, e) ==
		-1 ||
	    loop_fd_want(s->watch, LOOP_READ, e) == -1 ||
	    loop_call_create(l, storage_flush, s, &s->flush, e) == -1 ||
	    storage_lock(s, e) == -1)
		return -1;
	for (mode = 0; mode < LANE__MAX; mode++)
		if (storage_open_lane(s, (enum lane_mode)mode, e) == -1)
			return -1;
	return 0;
}

int
storage_create(struct loop *l, const struct storage_config *c,
    struct storage **ret, struct err *e)
{
	struct storage *s;
	unsigned mode;

	if (strlen(c->path) >= sizeof(s->path))
		return err_set(e, ERR_INVALID, "the database's path is long");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_sys(e, ENOMEM, "storage");
	s->config = *c;
	(void)snprintf(s->path, sizeof(s->path), "%s", c->path);
	s->lock_fd = s->event_fd = -1;
	STAILQ_INIT(&s->done);
	for (mode = 0; mode < LANE__MAX; mode++)
		STAILQ_INIT(&s->out[mode]);
	TAILQ_INIT(&s->asked);
	(void)pthread_mutex_init(&s->lock, NULL);
	if (storage_open(s, l, e) == -1) {
		storage_destroy(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void
storage_destroy(struct storage *s)
{
	struct job *j;
	unsigned mode;

	if (s == NULL)
		return;
	s->dead = 1;
	storage_flush(s);
	/* readers first: the last to close brings the log home */
	for (mode = LANE__MAX; mode-- > 0;)
		lane_stop(&s->lanes[mode]);
	while ((j = STAILQ_FIRST(&s->done)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->done, next);
		job_destroy(j);
	}
	loop_call_destroy(s->flush);
	loop_fd_destroy(s->watch);
	fd_closep(&s->event_fd);
	fd_closep(&s->lock_fd);
	(void)pthread_mutex_destroy(&s->lock);
	if (!s->delivering)
		free(s);
}

/* The lanes do not look at fn. */
void
storage_forget(struct storage *s, const void *arg)
{
	struct job *j;

	TAILQ_FOREACH (j, &s->asked, asked)
		if (j->arg == arg)
			j->fn = NULL;
}

const struct err *
storage_failure(const struct storage *s)
{
	return s->failed ? &s->why : NULL;
}

const struct err *
storage_trouble(const struct storage *s)
{
	return s->failed || s->troubled ? &s->why : NULL;
}

int64_t
storage_now_ms(const struct storage *s)
{
	return db_steady_ms(&s->lanes[LANE_WRITE].db);
}

size_t
storage_pending(const struct storage *s)
{
	return s->pending;
}
