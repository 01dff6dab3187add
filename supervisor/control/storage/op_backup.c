/* A copy of the whole database while it is in use. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#include "op.h"

enum {
	BACKUP_PAGES = 256 /* a step: a megabyte */
};

/* A name that is not on the disk is no copy. */
static int
backup_sync_folder(const char *path, struct err *e)
{
	autofree char *copy = strdup(path);
	autofd fd = -1;

	if (copy == NULL)
		return err_sys(e, ENOMEM, "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fsync(fd) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	return 0;
}

/* The file must be ours from its first byte on, and nobody else's to read. */
static int
backup_create(const char *path, struct err *e)
{
	autofd fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	if (fd == -1)
		return err_set(e, errno == EEXIST ? ERR_CONFLICT : ERR_SYSTEM,
		    "%s: %s", path, strerror(errno));
	return 0;
}

/* All steps see the same state: the source stays in one read transaction. */
static int
backup_steps(struct db *d, sqlite3 *to, struct err *e)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", d->h, "main");
	int rc, end;

	if (b == NULL)
		return err_set(e, ERR_CORRUPT, "backup: %s",
		    sqlite3_errmsg(to));
	do
		rc = sqlite3_backup_step(b, BACKUP_PAGES);
	while (rc == SQLITE_OK);
	end = sqlite3_backup_finish(b);
	if (rc != SQLITE_DONE || end != SQLITE_OK)
		return err_sys(e, rc == SQLITE_FULL ? ENOSPC : EIO,
		    "backup: %s", sqlite3_errstr(rc == SQLITE_DONE ? end : rc));
	return 0;
}

/* What was copied must be read as a database, and be on the disk. */
static int
backup_into(struct db *d, const char *path, struct err *e)
{
	sqlite3 *to = NULL;
	int rc = -1;

	if (sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK)
		(void)err_set(e, ERR_CORRUPT, "%s: %s", path,
		    to == NULL ? "no memory" : sqlite3_errmsg(to));
	else if (sqlite3_exec(to, "PRAGMA synchronous = FULL", NULL, NULL,
		     NULL) == SQLITE_OK)
		rc = backup_steps(d, to, e);
	else
		(void)err_set(e, ERR_CORRUPT, "%s: %s", path,
		    sqlite3_errmsg(to));
	if (sqlite3_close(to) != SQLITE_OK && rc == 0)
		rc = err_set(e, ERR_CORRUPT, "%s: not closed", path);
	return rc;
}

int
op_backup(struct db *d, const struct storage_backup_request *q,
    struct storage_none *ret, struct err *e)
{
	int64_t n;

	if (q->path == NULL || q->path[0] != '/')
		return err_set(e, ERR_INVALID, "a backup has a whole path");
	if (backup_create(q->path, e) == -1)
		return -1;
	if (db_script(d, "BEGIN", e) == -1)
		return -1;
	/* the read that fixes what is seen */
	if (db_number(d, "SELECT count(*) FROM sqlite_schema", &n, e) == -1 ||
	    backup_into(d, q->path, e) == -1 ||
	    backup_sync_folder(q->path, e) == -1) {
		(void)sqlite3_exec(d->h, "ROLLBACK", NULL, NULL, NULL);
		(void)unlink(q->path);
		return -1;
	}
	ret->done = 1;
	return db_script(d, "COMMIT", e);
}
