#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "db.h"
#include "function.h"

enum {
	DB_PARAMETERS_MAX = 40,
	DB_COLUMNS_MAX = 40,
	DB_CACHE_BYTES = 8 << 20,
};

/* Where a parameter comes from, where a column goes. */
struct db_parameter {
	int own; /* of the variables, not of the request */
	int field;
};

struct db_statement {
	const char *sql;
	sqlite3_stmt *st;
	int nparameters, asks; /* asks: some are of the request */
	struct db_parameter parameters[DB_PARAMETERS_MAX];
	const struct record_shape *bound; /* the request's, of the above */
	const struct record_shape *read; /* the record's, of the below */
	int ncolumns;
	int columns[DB_COLUMNS_MAX];
};

/* clang-format off */
#define FIELD_T(f) { #f, RECORD_TEXT, offsetof(struct db_vars, f), NULL },
#define FIELD_N(f) { #f, RECORD_NUMBER, offsetof(struct db_vars, f), NULL },
#define FIELD_B(f) { #f, RECORD_BLOB, offsetof(struct db_vars, f), NULL },
#define FIELD_NONE(...)
static const struct record_field var_fields[] = {
	DB_VARS(FIELD_T, FIELD_N, FIELD_B, FIELD_NONE, FIELD_NONE)
};
/* clang-format on */

static const struct record_shape vars = { "variables", sizeof(struct db_vars),
	countof(var_fields), var_fields };

static const struct {
	int rc; /* primary */
	enum err_code code;
	int sys;
	int broken;
} meanings[] = {
	{ SQLITE_FULL, ERR_SYSTEM, ENOSPC, 0 },
	{ SQLITE_IOERR, ERR_SYSTEM, EIO, 1 },
	{ SQLITE_CORRUPT, ERR_CORRUPT, 0, 1 },
	{ SQLITE_NOTADB, ERR_CORRUPT, 0, 1 },
	{ SQLITE_CANTOPEN, ERR_SYSTEM, EIO, 1 },
	{ SQLITE_READONLY, ERR_SYSTEM, EROFS, 1 },
	{ SQLITE_TOOBIG, ERR_LIMIT, 0, 0 },
	{ SQLITE_NOMEM, ERR_SYSTEM, ENOMEM, 0 },
	{ SQLITE_BUSY, ERR_SYSTEM, EBUSY, 0 },
};

int
db_error(struct db *d, int rc, const char *what, struct err *e)
{
	const char *text =
	    d->h == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(d->h);
	struct err mine;
	size_t i;
	int sys;

	for (i = 0; i < countof(meanings); i++)
		if ((rc & 0xff) == meanings[i].rc)
			break;
	sys = i < countof(meanings) ? meanings[i].sys : EIO;
	/* an SQL function refused what a caller sent, and says why */
	if (rc == SQLITE_ERROR)
		(void)err_set(&mine, ERR_INVALID, "%s: %s", what, text);
	else if (sys != 0)
		(void)err_sys(&mine, sys, "%s: %s (%d)", what, text, rc);
	else
		(void)err_set(&mine, meanings[i].code, "%s: %s (%d)", what,
		    text, rc);
	if (i < countof(meanings)) {
		mine.code = meanings[i].code;
		mine.sys = sys;
		if (meanings[i].broken && !d->broken) {
			d->why = mine;
			/* the loop's thread looks at it */
			__atomic_store_n(&d->broken, 1, __ATOMIC_RELEASE);
		}
	}
	if (e != NULL)
		*e = mine;
	return -1;
}

int64_t
db_wall_ms(void)
{
	return (int64_t)(clock_ns(CLOCK_REALTIME) / 1000000);
}

int64_t
db_steady_ms(const struct db *d)
{
	return d->wall_base_ms + (int64_t)clock_now_ms() - d->mono_base_ms;
}

int
db_script(struct db *d, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(d->h, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return db_error(d, rc, "the database", e);
	return 0;
}

/* Commits go to the disk before they are answered; no other process writes. */
static int
db_configure(struct db *d, int reader, int64_t cache_bytes, struct err *e)
{
	char sql[128];

	(void)snprintf(sql, sizeof(sql), "PRAGMA cache_size = -%jd",
	    (intmax_t)(cache_bytes > 0 ? cache_bytes : DB_CACHE_BYTES) / 1024);
	if (db_script(d, sql, e) == -1 ||
	    db_script(d, "PRAGMA synchronous = FULL", e) == -1 ||
	    db_script(d, "PRAGMA temp_store = MEMORY", e) == -1 ||
	    db_script(d, "PRAGMA trusted_schema = OFF", e) == -1 ||
	    db_script(d, "PRAGMA cell_size_check = ON", e) == -1)
		return -1;
	if (reader)
		return db_script(d, "PRAGMA query_only = ON", e);
	/* checkpoints are made between batches, where a failure is seen */
	return db_script(d, "PRAGMA wal_autocheckpoint = 0", e);
}

int
db_open(struct db *d, const char *path, const char *vfs, int reader,
    int64_t cache_bytes, struct err *e)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
	int rc;

	memset(d, 0, sizeof(*d));
	d->statements = calloc(DB_STATEMENTS, sizeof(*d->statements));
	if (d->statements == NULL)
		return err_sys(e, ENOMEM, "%s", path);
	if (!reader)
		flags |= SQLITE_OPEN_CREATE;
	rc = sqlite3_open_v2(path, &d->h, flags, vfs);
	if (rc != SQLITE_OK) {
		(void)db_error(d, rc, path, e);
		db_close(d);
		return -1;
	}
	(void)sqlite3_busy_timeout(d->h, 10 * 1000);
	if (db_configure(d, reader, cache_bytes, e) == -1 ||
	    function_register(d->h, e) == -1) {
		db_close(d);
		return err_wrap(e, "%s", path);
	}
	d->mono_base_ms = (int64_t)clock_now_ms();
	d->wall_base_ms = db_wall_ms();
	return 0;
}

void
db_close(struct db *d)
{
	size_t i;

	for (i = 0; d->statements != NULL && i < DB_STATEMENTS; i++)
		(void)sqlite3_finalize(d->statements[i].st);
	free(take_ptr(&d->statements));
	/* what the failure left in doubt is not to go home with the close */
	if (d->h != NULL && d->broken)
		(void)sqlite3_db_config(d->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
		    1, NULL);
	if (d->h != NULL)
		(void)sqlite3_close(take_ptr(&d->h));
}

void
db_begin(struct db *d, struct hold *h, const struct record_shape *shape,
    const void *request)
{
	d->hold = h;
	d->shape = shape;
	d->request = request;
	memset(&d->v, 0, sizeof(d->v));
	d->v.now = db_wall_ms();
	d->v.steady = db_steady_ms(d);
}

/* ---- statements ---- */

/* The slot of a text: what is there already, or an empty one. */
static struct db_statement *
db_slot(struct db *d, const char *sql)
{
	size_t i = ((uintptr_t)sql >> 3) * 0x9e3779b97f4a7c15ULL >> 32;
	size_t n;

	for (n = 0; n < DB_STATEMENTS; n++, i++) {
		struct db_statement *s =
		    &d->statements[i & (DB_STATEMENTS - 1)];

		if (s->sql == sql || s->sql == NULL)
			return s;
	}
	abort(); /* more statements than there is room for: our bug */
}

static int
db_prepare(struct db *d, const char *sql, struct db_statement *s, struct err *e)
{
	int rc;

	rc = sqlite3_prepare_v3(d->h, sql, -1, SQLITE_PREPARE_PERSISTENT,
	    &s->st, NULL);
	if (rc != SQLITE_OK)
		return db_error(d, rc, sql, e);
	s->sql = sql;
	s->nparameters = sqlite3_bind_parameter_count(s->st);
	assert(s->nparameters <= DB_PARAMETERS_MAX);
	return 0;
}

/*
 * Which field is each parameter?  The same for the next request like it.  The
 * names are not kept: SQLite frees them when it compiles a statement anew, as
 * it does for other bounds of a range.
 */
static void
db_match_parameters(struct db *d, struct db_statement *s)
{
	int i;

	s->asks = 0;
	for (i = 0; i < s->nparameters; i++) {
		struct db_parameter *p = &s->parameters[i];
		const char *name = sqlite3_bind_parameter_name(s->st, i + 1);

		p->own = name[0] == '$';
		s->asks |= !p->own;
		p->field = record_find(p->own ? &vars : d->shape, name + 1);
		assert(p->field != -1);
	}
	s->bound = d->shape;
}

static int
db_bind_field(sqlite3_stmt *st, int i, const struct record_field *f,
    const void *record)
{
	const void *at = (const unsigned char *)record + f->offset;
	const struct storage_blob *blob = at;
	const char *const *text = at;
	const int64_t *number = at;

	switch (f->kind) {
	case RECORD_TEXT:
		return sqlite3_bind_text(st, i, *text, -1, SQLITE_STATIC);
	case RECORD_NUMBER:
		return sqlite3_bind_int64(st, i, *number);
	case RECORD_BLOB:
		return sqlite3_bind_blob64(st, i, blob->data, blob->size,
		    SQLITE_STATIC);
	case RECORD_TEXTS:
	case RECORD_LIST:
		break;
	}
	return SQLITE_MISUSE;
}

static int
db_bind(struct db *d, struct db_statement *s)
{
	int i, rc = SQLITE_OK;

	if (s->bound == NULL || (s->asks && s->bound != d->shape))
		db_match_parameters(d, s);
	for (i = 0; i < s->nparameters && rc == SQLITE_OK; i++) {
		const struct db_parameter *p = &s->parameters[i];
		const struct record_shape *shape = p->own ? &vars : d->shape;

		rc = db_bind_field(s->st, i + 1, &shape->fields[p->field],
		    p->own ? &d->v : d->request);
	}
	return rc;
}

/* Ready to be stepped. */
static int
db_start(struct db *d, const char *sql, struct db_statement **ret,
    struct err *e)
{
	struct db_statement *s = db_slot(d, sql);
	int rc;

	if (s->st == NULL && db_prepare(d, sql, s, e) == -1)
		return -1;
	rc = db_bind(d, s);
	if (rc != SQLITE_OK)
		return db_error(d, rc, "binding", e);
	*ret = s;
	return 0;
}

/* SQLITE_ROW or SQLITE_DONE: 0; reset by db_end() in any case. */
static int
db_step(struct db *d, struct db_statement *s, int *ret_row, struct err *e)
{
	int rc = sqlite3_step(s->st);

	*ret_row = rc == SQLITE_ROW;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return db_error(d, rc, "the database", e);
	return 0;
}

static void
db_end(struct db_statement *s)
{
	(void)sqlite3_reset(s->st);
}

int
db_exec(struct db *d, const char *sql, struct err *e)
{
	struct db_statement *s;
	int row, rc;

	if (db_start(d, sql, &s, e) == -1)
		return -1;
	rc = db_step(d, s, &row, e);
	db_end(s);
	return rc;
}

int64_t
db_changes(const struct db *d)
{
	return sqlite3_changes64(d->h);
}

static void
db_match_columns(struct db_statement *s, const struct record_shape *shape)
{
	int i;

	s->ncolumns = sqlite3_column_count(s->st);
	assert(s->ncolumns <= DB_COLUMNS_MAX);
	for (i = 0; i < s->ncolumns; i++) {
		s->columns[i] =
		    record_find(shape, sqlite3_column_name(s->st, i));
		assert(s->columns[i] != -1);
	}
	s->read = shape;
}

static void
db_read_field(struct db *d, sqlite3_stmt *st, int i,
    const struct record_field *f, void *record)
{
	void *at = (unsigned char *)record + f->offset;
	struct storage_blob *blob = at;
	const char **text = at;
	int64_t *number = at;

	if (sqlite3_column_type(st, i) == SQLITE_NULL)
		return;
	if (f->kind == RECORD_NUMBER) {
		*number = sqlite3_column_int64(st, i);
	} else if (f->kind == RECORD_TEXT) {
		*text = hold_copy(d->hold, sqlite3_column_text(st, i),
		    (size_t)sqlite3_column_bytes(st, i));
	} else {
		assert(f->kind == RECORD_BLOB);
		blob->data = sqlite3_column_blob(st, i);
		blob->size = (size_t)sqlite3_column_bytes(st, i);
		blob->data = hold_copy(d->hold,
		    blob->data == NULL ? "" : blob->data, blob->size);
	}
}

static void
db_read_row(struct db *d, struct db_statement *s,
    const struct record_shape *shape, void *ret)
{
	int i;

	if (s->read != shape)
		db_match_columns(s, shape);
	memset(ret, 0, shape->size);
	for (i = 0; i < s->ncolumns; i++)
		db_read_field(d, s->st, i, &shape->fields[s->columns[i]], ret);
}

int
db_one(struct db *d, const char *sql, const struct record_shape *shape,
    void *ret, struct err *e)
{
	struct db_statement *s;
	int row, rc;

	if (db_start(d, sql, &s, e) == -1)
		return -1;
	rc = db_step(d, s, &row, e);
	if (rc == 0 && row)
		db_read_row(d, s, shape, ret);
	db_end(s);
	return rc == -1 ? -1 : row;
}

/* Room for one more row at the end of a list that doubles. */
static void *
db_room(struct db *d, const struct record_shape *shape, struct record_list *l,
    size_t *room)
{
	unsigned char *v = (unsigned char *)l->v;

	if (l->n == *room) {
		*room = *room == 0 ? 4 : 2 * *room;
		v = hold_alloc(d->hold, *room * shape->size);
		if (l->n > 0)
			memcpy(v, l->v, l->n * shape->size);
		l->v = v;
	}
	return v + l->n * shape->size;
}

static int
db_collect(struct db *d, struct db_statement *s,
    const struct record_shape *shape, struct record_list *l, struct err *e)
{
	size_t room = 0;
	int row;

	for (;;) {
		if (db_step(d, s, &row, e) == -1)
			return -1;
		if (!row)
			return 0;
		db_read_row(d, s, shape, db_room(d, shape, l, &room));
		l->n++;
		if (hold_size(d->hold) > STORAGE_REPLY_BYTES_MAX)
			return err_set(e, ERR_LIMIT,
			    "the answer has more than %d bytes: ask for less",
			    STORAGE_REPLY_BYTES_MAX);
	}
}

int
db_rows(struct db *d, const char *sql, const struct record_shape *shape,
    void *list, struct err *e)
{
	struct record_list l = { NULL, 0 };
	struct db_statement *s;
	int rc;

	if (db_start(d, sql, &s, e) == -1)
		return -1;
	rc = db_collect(d, s, shape, &l, e);
	db_end(s);
	if (rc == 0)
		memcpy(list, &l, sizeof(l));
	return rc;
}

int
db_number(struct db *d, const char *sql, int64_t *ret, struct err *e)
{
	struct db_statement *s;
	int row, rc;

	if (db_start(d, sql, &s, e) == -1)
		return -1;
	rc = db_step(d, s, &row, e);
	if (rc == 0)
		*ret = row ? sqlite3_column_int64(s->st, 0) : 0;
	db_end(s);
	return rc;
}

int
db_text(struct db *d, const char *sql, const char **ret, struct err *e)
{
	struct db_statement *s;
	int row, rc;

	if (db_start(d, sql, &s, e) == -1)
		return -1;
	rc = db_step(d, s, &row, e);
	if (rc == 0)
		*ret = row ? hold_copy(d->hold, sqlite3_column_text(s->st, 0),
				 (size_t)sqlite3_column_bytes(s->st, 0))
			   : NULL;
	db_end(s);
	return rc;
}
