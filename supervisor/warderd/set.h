/*
 * set.h: what warderd sets up before it starts anybody.
 *
 * As root or, for development, as any user with directories of their own.
 * Everything here blocks as long as it takes; nobody is served yet.
 */
#ifndef SET_H
#define SET_H

#include "warderd.h"

/*
 * Where things are, what the configuration file says (--config's, or the
 * usual one if it is there), and the operator's ceiling.  Makes nothing on
 * disk but the directories that every launcher makes (places.h).  state: --state's directory, or NULL.  Diagnostics are in text.
 */
must_check int set_read(struct warderd *w, const char *state, char *text,
    size_t size, struct err *e);

/*
 * The ceiling and the limits as they are now, for the starts and deployments from now on; on
 * failure the old one holds.  The loop waits meanwhile, some milliseconds.
 */
must_check int set_again(struct warderd *w, char *text, size_t size,
    struct err *e);

/* Directories, the lock, the listeners, TLS; what crashes left is removed. */
must_check int set_make(struct warderd *w, struct err *e);

/* Sockets in the file system go; the rest goes with the process. */
void set_finish(struct warderd *w);

#endif /* !SET_H */
