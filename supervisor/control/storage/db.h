/*
 * db.h: one connection to SQLite, and statements that know their fields.
 *
 * Used by one thread at a time.  A statement's parameters are found by name:
 * ":thread_id" is the field of the request that is carried out, "$thread_id"
 * the variable of that name, which the operation sets.  A row's columns are
 * read into the fields of the same names.  So SQL is data and an operation
 * is mostly its text.
 */
#ifndef DB_H
#define DB_H

#include <sqlite3.h>

#include "record.h"

/* clang-format off */
/* What an operation can hand to its statements besides its request. */
#define DB_VARS(T, N, B, S, L)                                              \
	T(tenant)                                                           \
	T(thread_id)                                                        \
	T(run_id)                                                           \
	T(id)                                                               \
	T(status) T(a) T(b) T(c) N(now) N(steady) N(seq) N(fence) N(n) N(m) \
	    N(k) B(blob) B(pack)

struct db_vars { STORAGE_FIELDS(DB_VARS) };
/* clang-format on */

struct db_statement;

enum {
	DB_STATEMENTS = 512 /* a power of two, above how many there are */
};

struct db {
	sqlite3 *h;
	struct db_statement *statements; /* by the address of their text */
	int64_t mono_base_ms; /* what steady time is counted from */
	int64_t wall_base_ms;

	/* of the operation that is carried out */
	struct hold *hold;
	const struct record_shape *shape; /* of its request */
	const void *request;
	struct db_vars v;

	/* the disk has failed: the first reason */
	int broken;
	struct err why;
};

/*
 * Open; "cache_bytes" of pages.  A reader can write nothing.  vfs: NULL is
 * the system's; tests have one that fails.
 */
must_check int db_open(struct db *d, const char *path, const char *vfs,
    int reader, int64_t cache_bytes, struct err *e);
void db_close(struct db *d);

/* Milliseconds since 1970, and the same but steady (storage_now_ms). */
int64_t db_wall_ms(void);
int64_t db_steady_ms(const struct db *d);

/* Begin an operation: the variables are empty but for the two times. */
void db_begin(struct db *d, struct hold *h, const struct record_shape *shape,
    const void *request);

/* A statement that is run once: a migration, BEGIN. */
must_check int db_script(struct db *d, const char *sql, struct err *e);

/*
 * The text of all these must be a literal: statements are kept by address.
 * db_exec: no rows; how many it changed is db_changes().
 */
must_check int db_exec(struct db *d, const char *sql, struct err *e);
int64_t db_changes(const struct db *d);

/* The first row into *ret (a record of this shape): 1, or 0 if none, or -1. */
must_check int db_one(struct db *d, const char *sql,
    const struct record_shape *shape, void *ret, struct err *e);

/* All rows, in the operation's hold; ERR_LIMIT beyond
 * STORAGE_REPLY_BYTES_MAX.  list: any L(record, name). */
must_check int db_rows(struct db *d, const char *sql,
    const struct record_shape *shape, void *list, struct err *e);

/* The first column of the first row; 0, NULL where there is none. */
must_check int db_number(struct db *d, const char *sql, int64_t *ret,
    struct err *e);
must_check int db_text(struct db *d, const char *sql, const char **ret,
    struct err *e);

/* What SQLite's result means here; notes whether the disk has failed. */
int db_error(struct db *d, int rc, const char *what, struct err *e);

#endif /* !DB_H */
