/*
 * schema.h: the tables of the database, version by version.
 *
 * Versions are steps: a database is brought from its own to STORAGE_SCHEMA by
 * the steps between, each in a transaction of its own.  What a step has done
 * in a released Warder is never changed, only followed by another.
 */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "db.h"

enum {
	SCHEMA_APPLICATION = 0x57617264, /* "Ward", in the file's header */

	/* above it, only the operator has a database looked through */
	SCHEMA_CHECK_BYTES = 64 << 20,
};

/*
 * Check and migrate.  ERR_UNSUPPORTED a newer one, ERR_CORRUPT a damaged one
 * or one that is not Warder's.
 */
must_check int schema_open(struct db *d, struct err *e);

#endif /* !SCHEMA_H */
