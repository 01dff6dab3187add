/*
 * lock.h: what warder-control gives up before the first byte of a client.
 */
#ifndef CONTROL_LOCK_H
#define CONTROL_LOCK_H

#include "err.h"

/*
 * From here on: no program, no process, no socket but those that come, no file
 * but those of the database's directory.  For the threads that are made
 * afterwards, too.
 */
must_check int lock_down(const char *db_dir, struct err *e);

#endif /* !CONTROL_LOCK_H */
