/*
 * record.h: the fields of storage.h's records and requests, as tables.
 *
 * Made by the same lists as the structs: so a request is copied whole, an SQL
 * parameter is found by its field's name, and a row is read into a record by
 * the names of its columns.
 */
#ifndef RECORD_H
#define RECORD_H

#include "hold.h"
#include "storage.h"

enum record_kind {
	RECORD_TEXT,
	RECORD_NUMBER,
	RECORD_BLOB,
	RECORD_TEXTS,
	RECORD_LIST,
};

struct record_shape;

typedef const struct record_shape *record_fn(void);

struct record_field {
	const char *name;
	enum record_kind kind;
	size_t offset;
	record_fn *of; /* the elements of RECORD_LIST */
};

struct record_shape {
	const char *name;
	size_t size;
	size_t nfields;
	const struct record_field *fields;
};

/* How every L(record, name) lies in memory. */
struct record_list {
	const void *v;
	size_t n;
};

/* clang-format off */
/* record_run(), …; record_q_run_create(), …: the shapes. */
#define X(record) record_fn record_##record;
STORAGE_RECORDS(X)
#undef X
#define X(op, mode, record) record_fn record_q_##op;
STORAGE_OPS(X)
#undef X
/* clang-format on */

/* Its index, or -1. */
int record_find(const struct record_shape *s, const char *name);

/* Deep: all that src points to is copied into the hold. */
void record_copy(struct hold *h, const struct record_shape *s, void *dst,
    const void *src);

#endif /* !RECORD_H */
