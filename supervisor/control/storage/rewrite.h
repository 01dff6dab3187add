/*
 * rewrite.h: make what a file shows be what is on the disk.
 *
 * After an fsync(2) that failed, what could not be written may be shown by
 * the page cache still, marked clean: no later fsync writes it, and a loss of
 * power takes it away.  Whoever reads the file cannot tell, nor whether such
 * a failure was before its own time.  Writing the same bytes again marks all
 * of them dirty; the fsync that then succeeds speaks for all of them.
 */
#ifndef REWRITE_H
#define REWRITE_H

#include "err.h"

/* Takes no room on the disk.  A file that is not there is none to rewrite. */
must_check int rewrite_file(const char *path, struct err *e);

#endif /* !REWRITE_H */
